# Shared by the scripts of deploy/node and deploy/images: where things lie, how to speak, which tools the host must have.
# Environment: CGP_CACHE (what is downloaded and built, kept), CGP_HOME (the running node, gone after `node.sh down`).
# Sourced, never run. Leaves nothing by itself; `require` may install Debian packages.
# shellcheck shell=bash disable=SC2034 # the variables are used by those who source this

CGP_CACHE=${CGP_CACHE:-${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/consumer-group-practice}
CGP_HOME=${CGP_HOME:-/tmp/cgp-node}
bin=$CGP_CACHE/bin
root=$CGP_CACHE/sysroot
multiarch=$(uname -m)-linux-gnu
sysroot_libs=$root/usr/lib/$multiarch:$root/lib/$multiarch

say() { echo "${0##*/}: $*" >&2; }
die() {
  say "$*"
  exit 1
}

# runs a program that lies in the unpacked Debian packages
sysroot() { PATH=$root/usr/sbin:$root/usr/bin:$PATH LD_LIBRARY_PATH=$sysroot_libs "$@"; }

require_root() {
  ((EUID == 0)) || die "this needs root (namespaces, mounts, cgroups) and runs as $(id -un): run it as root, for instance 'sudo -E make node'"
}

# require COMMAND:PACKAGE...: each command is there; installs the Debian packages of those that are not, or names them
require() {
  local pair missing=() packages=()
  for pair; do command -v "${pair%%:*}" >/dev/null || packages+=("${pair#*:}"); done
  ((${#packages[@]})) || return 0
  if ((EUID == 0)) && command -v apt-get >/dev/null; then
    say "installing from Debian: ${packages[*]}"
    apt_lists
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${packages[@]}" >&2 || say "apt-get could not install all of them"
  fi
  for pair; do command -v "${pair%%:*}" >/dev/null || missing+=("${pair%%:*} (Debian package ${pair#*:})"); done
  ((${#missing[@]} == 0)) || die "missing on this machine: $(printf '%s, ' "${missing[@]}" | sed 's/, $//'). Install them and run this again"
}

# apt knows of packages: fetches its lists when there are none
apt_lists() {
  [[ -n $(apt-cache search --names-only '^libc6$' 2>/dev/null) ]] || apt-get update -qq >&2
}

# apt_unpack DIRECTORY PACKAGE...: downloads Debian packages and unpacks them there, installing nothing.
# A package may be written `a|b`: the first that this release has (libraries change their names between releases).
apt_unpack() {
  local into=$1 name choice names=()
  shift
  command -v apt-get dpkg-deb >/dev/null || die "apt-get and dpkg-deb are needed to take packages from Debian: run this on Debian or Ubuntu"
  apt_lists
  for name; do
    choice=
    for choice in ${name//|/ } ""; do [[ -z $choice || -n $(apt-cache show --no-all-versions "$choice" 2>/dev/null) ]] && break; done
    [[ -n $choice ]] || die "no package $name in apt's lists: run 'apt-get update', or enable the main (Ubuntu: universe) section"
    names+=("$choice")
  done
  rm -rf "$into" "$into.debs"
  mkdir -p "$into" "$into.debs"
  # stale lists name versions that are no longer there: refresh them once
  (cd "$into.debs" && { apt-get -o APT::Sandbox::User=root download -qq "${names[@]}" || { apt-get update -qq && apt-get -o APT::Sandbox::User=root download -qq "${names[@]}"; }; }) >&2 ||
    die "cannot download from Debian: ${names[*]}"
  local deb
  for deb in "$into.debs"/*.deb; do dpkg-deb -x "$deb" "$into"; done
  rm -rf "$into.debs"
}
