#!/usr/bin/env bash
# Checks of the image scripts what needs neither Docker nor a cluster: base.sh and apt in a slim image's state, what build.sh sends to Docker and builds there, what it loads into kind and restarts.
# apt, Debian's mirror, dpkg-deb and BuildKit's own reader of Containerfile.dockerignore are real; docker, kind and kubectl are stand-ins that record how they are called. Needs root, Go, jq and the machine's apt sources; half a minute.
# Leaves nothing; the machine's own apt state is not used. Exits 1 when a check fails.
# shellcheck source-path=SCRIPTDIR
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
repo=$(cd "$here/../.." && pwd)
source "$here/../node/lib/common.sh"
source "$here/lib/names.sh" # for the version
source "$here/tests/apt.sh"
source "$here/tests/docker.sh"
source "$here/tests/kind.sh"

((EUID == 0)) || die "base.sh changes the owner of files and needs root, this is $(id -un): run 'sudo -E $0'"
work=$(mktemp -d /tmp/cgp-images-test.XXXXXX)
chmod 755 "$work" # apt's own user reads below it
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM

failed=0
check() { # WHAT FOUND WANTED: FOUND is WANTED
  if [[ $2 == "$3" ]]; then echo "ok    $1"; else
    printf 'FAIL  %s: found\n%s\nwanted\n%s\n' "$1" "$2" "$3"
    failed=1
  fi
}
check_text() { # WHAT FOUND WANTED: FOUND contains WANTED
  if [[ $2 == *"$3"* ]]; then echo "ok    $1"; else
    printf 'FAIL  %s: found\n%s\nwanted in it\n%s\n' "$1" "$2" "$3"
    failed=1
  fi
}
# refused COMMAND...: prints what it prints; fails when the command succeeds
refused() {
  local output
  if output=$("$@" 2>&1); then echo "accepted: $output"; else echo "$output"; fi
}

require jq:jq go:golang-go
CGO_ENABLED=0 GOWORK=off GOFLAGS=-buildvcs=false go build -C "$here/context-check" -o "$work/context-check" .
unset CGP_IMAGE_BUILDER CGP_IMAGE_REGISTRY KIND_EXPERIMENTAL_PROVIDER

test_apt
test_docker
test_kind
exit $failed
