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
    apt_lists "${packages[@]}"
    apt_retry env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${packages[@]}" >&2 || say "apt-get could not install all of them"
  fi
  for pair; do command -v "${pair%%:*}" >/dev/null || missing+=("${pair%%:*} (Debian package ${pair#*:})"); done
  ((${#missing[@]} == 0)) || die "missing on this machine: $(printf '%s, ' "${missing[@]}" | sed 's/, $//'). Install them and run this again"
}

# apt_choose PACKAGE[|PACKAGE...]: prints the first that apt's lists offer (libraries change their names between releases).
# An installed package alone does not count: a slim image has a dpkg status and no lists, and apt can download nothing there.
apt_choose() {
  local package
  for package in ${1//|/ }; do
    if [[ $(apt-cache madison "$package" 2>/dev/null) == *" Packages"* ]]; then
      echo "$package"
      return
    fi
  done
  return 1
}

# apt_update: fetches apt's lists; a second call in the same run fails, because it would change nothing
apt_update() {
  [[ -z ${apt_updated:-} ]] || return 1
  apt_updated=yes
  apt-get update -qq >&2 || { say "apt-get update failed" && return 1; }
}

# apt_lists PACKAGE...: fetches apt's lists if they lack one of these, each written as for apt_choose
apt_lists() {
  local package
  for package; do
    apt_choose "$package" >/dev/null && continue
    apt_update || true # the caller reports the packages that are still missing
    return 0
  done
}

# apt_retry COMMAND...: stale lists name versions that the mirror has deleted, so a command that fails runs once more with fresh lists
apt_retry() { "$@" || { apt_update && "$@"; }; }

# apt_unpack DIRECTORY PACKAGE...: downloads Debian packages, each written as for apt_choose, and unpacks them there, installing nothing
apt_unpack() {
  local into=$1 program package choice choices=() deb
  shift
  for program in apt-get apt-cache dpkg-deb; do
    command -v "$program" >/dev/null || die "$program is missing, which takes packages from Debian: run this on Debian or Ubuntu"
  done
  apt_lists "$@"
  for package; do
    choice=$(apt_choose "$package") || die "apt's lists have no package $package: run 'apt-get update', and enable the section main (Ubuntu: universe) in /etc/apt"
    choices+=("$choice")
  done
  rm -rf "$into" "$into.debs"
  mkdir -p "$into" "$into.debs"
  (cd "$into.debs" && apt_retry apt-get -o APT::Sandbox::User=root download -qq "${choices[@]}") >&2 || die "cannot download from Debian: ${choices[*]}"
  for deb in "$into.debs"/*.deb; do dpkg-deb -x "$deb" "$into"; done
  rm -rf "$into.debs"
}
