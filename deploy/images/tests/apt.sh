# How base.sh, apt_unpack and require behave with the apt state of a slim image, and with lists that are stale.
# test_apt runs the real apt on states of its own below $work: once with the machine's sources, otherwise with a small repository made here.
# Sourced by test.sh, whose check functions it uses. Leaves everything below $work.
# shellcheck shell=bash disable=SC2154 # work and here come from test.sh

test_apt() {
  test_base
  test_lists
  test_require
}

# slim_state NAME: an apt state without lists and cache, whose dpkg status has only what a slim image's must have; prints its configuration file.
# Of the machine's configuration it keeps how to download (proxies, certificates), and no hooks: those would change the machine's own cache.
slim_state() {
  local state=$work/$1
  mkdir -p "$state"/{lists/partial,cache/archives/partial,parts}
  awk -v RS= -v ORS='\n\n' '/^Package: (libc6|libgcc-s1|zlib1g|apt|dpkg)\n/' /var/lib/dpkg/status >"$state/status"
  {
    apt-config dump | grep '^Acquire::'
    printf '%s "%s";\n' Dir::State "$state" Dir::State::status "$state/status" Dir::State::lists "$state/lists" Dir::Cache "$state/cache" Dir::Log "$state" \
      Dir::Etc::parts "$state/parts" Dir::Etc::main /dev/null APT::Sandbox::User root Acquire::GzipIndexes false
  } >"$state/apt.conf"
  echo "$state/apt.conf"
}

# in_state NAME COMMAND...: a command of common.sh in a run of its own, with that apt state
in_state() (
  export APT_CONFIG=$work/$1/apt.conf
  unset apt_updated
  shift
  "$@"
)

test_base() {
  local base=$work/base library
  slim_state debian >/dev/null
  check "the state of a slim image has libc6 installed" "$(in_state debian apt-cache search --names-only '^libc6$' | cut -d' ' -f1)" libc6
  check "the state of a slim image has no package lists" "$(find "$work/debian/lists" -type f | wc -l)" 0
  in_state debian "$here/base.sh" "$base" >"$work/base.log" 2>&1 || true
  check "base.sh fetches the lists and succeeds" "$(grep '^base.sh:' "$work/base.log" || true)" ""
  for library in libc.so.6 libgcc_s.so.1 libz.so.1; do
    check "the base has $library" "$(find "$base/usr/lib" -name "$library" | wc -l)" 1
  done
  check "the base has certificates" "$(grep -c 'BEGIN CERTIFICATE' "$base/etc/ssl/certs/ca-certificates.crt" | awk '{print ($1 > 50)}')" 1
}

# publish NAME VERSION: builds an empty package that holds its version, and adds it to the repository
publish() {
  local tree=$work/trees/$1-$2 file=$1_$2_all.deb
  mkdir -p "$tree/DEBIAN" "$tree/usr/share/$1" "$work/repository"
  echo "$2" >"$tree/usr/share/$1/version"
  printf '%s\n' "Package: $1" "Version: $2" "Architecture: all" "Maintainer: test <test@localhost>" "Description: test" >"$tree/DEBIAN/control"
  dpkg-deb --root-owner-group --build "$tree" "$work/repository/$file" >/dev/null
  {
    cat "$tree/DEBIAN/control"
    printf '%s\n' "Filename: ./$file" "Size: $(stat -c %s "$work/repository/$file")" "SHA256: $(sha256sum "$work/repository/$file" | cut -d' ' -f1)" ""
  } >>"$work/repository/Packages"
}
# withdraw NAME VERSION: takes it out of the repository
withdraw() {
  rm "$work/repository/$1_$2_all.deb"
  awk -v RS= -v ORS='\n\n' -v name="Package: $1\n" -v version="Version: $2\n" '!(index($0, name) && index($0, version))' "$work/repository/Packages" >"$work/repository/Packages.new"
  mv "$work/repository/Packages.new" "$work/repository/Packages"
}
# local_state NAME: a slim state whose only source is the repository made here
local_state() {
  slim_state "$1" >/dev/null
  printf 'deb%s [trusted=yes] copy:%s ./\n' "" "$work/repository" -src "$work/repository" >"$work/$1/sources.list"
  printf '%s "%s";\n' Dir::Etc::sourcelist "$work/$1/sources.list" Dir::Etc::sourceparts "$work/$1/parts" >>"$work/$1/apt.conf"
}
# unpacked STATE PACKAGE: the version that apt_unpack unpacks, or what it reports
unpacked() {
  if in_state "$1" apt_unpack "$work/unpacked" "$2" >"$work/unpack.log" 2>&1; then cat "$work"/unpacked/usr/share/*/version; else cat "$work/unpack.log"; fi
}

test_lists() {
  publish sample 1
  printf '%s\n' "Package: only-source" "Binary: only-source" "Version: 1" "Format: 1.0" "Directory: ." "Files:" " d41d8cd98f00b204e9800998ecf8427e 0 only-source_1.dsc" "Checksums-Sha256:" \
    " e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855 0 only-source_1.dsc" >"$work/repository/Sources"
  local_state lists
  check "the first of two names that the lists offer is unpacked" "$(unpacked lists 'absent|sample')" 1
  publish sample 2
  check "lists that offer the package are not fetched again" "$(unpacked lists sample)" 1
  withdraw sample 1
  check "stale lists are fetched again" "$(unpacked lists sample)" 2
  publish later 1
  check "lists that lack the package are fetched again" "$(unpacked lists later)" 1
  check_text "a package in no list is named" "$(unpacked lists absent)" "apt's lists have no package absent: run 'apt-get update'"
  check "apt lists the source package" "$(in_state lists apt-cache madison only-source | grep -c ' Sources')" 1
  check_text "a source package is not taken for a package" "$(unpacked lists only-source)" "apt's lists have no package only-source"
  withdraw sample 2
  check_text "a package that cannot be downloaded is named" "$(unpacked lists sample)" "cannot download from Debian: sample"
  publish sample 2
}

# require installs into the machine, so apt stops after the download
test_require() {
  local missing="missing on this machine: no-such-command (Debian package sample)" output
  local_state require
  sed -i -E '/^(Pre-)?Depends:/d' "$work/require/status" # apt-get install refuses to work beside unmet dependencies
  echo 'APT::Get::Download-Only "true";' >>"$work/require/apt.conf"
  output=$(refused in_state require require no-such-command:sample)
  check_text "require downloads without package lists" "$(ls "$work/require/cache/archives")" sample_2_all.deb
  check_text "require names the command that is still missing" "$output" "$missing"
  rm "$work/require/cache/archives/"*.deb
  publish sample 3
  withdraw sample 2
  output=$(refused in_state require require no-such-command:sample)
  check_text "require fetches stale lists again" "$(ls "$work/require/cache/archives")" sample_3_all.deb
  mv "$work/repository" "$work/repository.gone"
  rm -rf "$work/require/lists" "$work/require/cache"
  check_text "require names what is missing when the lists cannot be fetched" "$(refused in_state require require no-such-command:sample)" "$missing"
  mv "$work/repository.gone" "$work/repository"
}
