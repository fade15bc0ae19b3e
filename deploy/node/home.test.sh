#!/usr/bin/env bash
# Shows that node.sh reads nothing as root that another user may have written: links, directories of others, settings that are no numbers.
# Needs root. Leaves nothing; exits 1 when a check fails, and says which.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
chmod 755 "$work"
failed=0
status_of() { CGP_HOME=$work/$1 "$here/node.sh" status 2>&1 && echo "exit 0" || echo "exit $?"; }
refused() { # HOME WANTED: its settings are not read
  local found
  found=$(status_of "$1")
  if [[ $found == *"$2"* && $found == *"exit 1" && ! -e $work/pwned ]]; then echo "ok    $1: $2"; else
    echo "FAIL  $1: found '$found', wanted '$2'"
    failed=1
  fi
}
make_home() { # NAME MODE
  mkdir -m "$2" "$work/$1"
  echo "KAFKA_BROKERS=1" >"$work/$1/settings"
}

make_home own 700
refused own "down: no node in"
ln -s own "$work/link"
refused link "is a link"
make_home foreign 700
chown 65534 "$work/foreign"
refused foreign "is not a directory that only root writes (owner 65534, mode 700)"
make_home shared 777
refused shared "(owner 0, mode 777)"
make_home group 770
refused group "(owner 0, mode 770)"
mkdir -m 777 "$work/open"
make_home open/home 700
refused open/home "$work/open is not a directory that only root writes"
chmod 1777 "$work/open"
refused open/home "down: no node in"
make_home command 700
echo "touch $work/pwned" >"$work/command/settings"
refused command "which is no setting"
# shellcheck disable=SC2016 # not to be expanded here
echo 'CGP_PORT_API=x[$(touch '"$work"'/pwned)]' >"$work/command/settings"
refused command "write a number"
exit $failed
