#!/bin/sh
# Checks that this machine has what `make local` builds with, before cargo starts: Rust as new as Cargo.toml asks for, a C and a C++ compiler that link a program, make, ar and bash (librdkafka's build runs all of them), and Java when `--kafka apache` is among the arguments.
# needs.sh [ARGUMENTS OF `practice-local up`]. Prints one line for each missing tool, with the command that installs it, and exits with 2. As root on Debian and its derivatives it installs their packages first.
# CGP_OS_RELEASE is the file that names the distribution, for the test in needs.test.sh. Plain sh: a machine without bash gets its line too. Leaves nothing but those packages.
# shellcheck shell=sh
set -eu

here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM

say() { echo "needs.sh: $*" >&2; }

# --- the system and its packages ---

# the first name that is known, of ID and then of ID_LIKE
system=unknown
if [ "$(uname -s)" = Darwin ]; then
  system=macos
else
  for name in $(sed -n 's/^ID=//p; s/^ID_LIKE=//p' "${CGP_OS_RELEASE:-/etc/os-release}" 2>/dev/null | tr -d '"'); do
    case $name in
    debian | ubuntu) system=debian ;;
    fedora | rhel | centos) system=fedora ;;
    suse | opensuse*) system=suse ;;
    arch | alpine) system=$name ;;
    *) continue ;;
    esac
    break
  done
fi

as_root=
[ "$(id -u)" = 0 ] || as_root='sudo '

package() { # TOOL: what the system calls the package of it
  case $system:$1 in
  debian:cc) echo gcc libc6-dev ;;
  alpine:cc) echo gcc musl-dev ;;
  *:cc | arch:c++) echo gcc ;;
  fedora:c++ | suse:c++) echo gcc-c++ ;;
  *:c++) echo g++ ;;
  *:ar) echo binutils ;;
  debian:java) echo default-jre-headless ;;
  fedora:java) echo java-latest-openjdk-headless ;;
  suse:java) echo java-21-openjdk-headless ;;
  arch:java) echo jre-openjdk-headless ;;
  alpine:java) echo openjdk21-jre-headless ;;
  *) echo "$1" ;;
  esac
}

command_for() { # TOOL: what installs it
  case $system:$1 in
  debian:*) echo "${as_root}apt-get install $(package "$1")" ;;
  fedora:*) echo "${as_root}dnf install $(package "$1")" ;;
  suse:*) echo "${as_root}zypper install $(package "$1")" ;;
  arch:*) echo "${as_root}pacman -S $(package "$1")" ;;
  alpine:*) echo "${as_root}apk add $(package "$1")" ;;
  macos:java) echo "brew install openjdk, then export JAVA_HOME=\"\$(brew --prefix openjdk)\"" ;;
  macos:*) echo "xcode-select --install" ;;
  *) echo "install $(package "$1") with the package manager of this system" ;;
  esac
}

# --- the tools ---

links() { # LANGUAGE COMPILER PROGRAM: compiles and links it, so headers and linker are there as well
  printf '%s\n' "$3" | "$2" -x "$1" - -o "$work/program" >/dev/null 2>&1
}

java_version() { # JAVA: its major version; nothing when it does not run (macOS has a java that only complains)
  "$1" -version 2>&1 | sed -n 's/.* version "\(1\.\)\{0,1\}\([0-9]*\).*/\2/p' | head -n 1
}

# the oldest Java that practice-local takes
oldest_java=$(sed -n 's/^const OLDEST: u32 = \(.*\);/\1/p' "$here/src/java.rs")

works() { # TOOL
  case $1 in
  cc) links c cc '#include <stdio.h>
int main(void) { return puts("") < 0; }' ;;
  c++)
    for compiler in ${CXX:-} g++ clang++ c++; do # in the order of librdkafka's configure
      if links c++ "$compiler" '#include <string>
int main() { return std::string("a").size() != 1; }'; then return; fi
    done
    return 1
    ;;
  java)
    for java in ${JAVA_HOME:+"$JAVA_HOME/bin/java"} java; do
      found=$(java_version "$java")
      if [ "${found:-0}" -ge "$oldest_java" ]; then return; fi
    done
    return 1
    ;;
  *) command -v "$1" >/dev/null ;;
  esac
}

state() { # TOOL: what is wrong with it
  case $1 in
  cc) if command -v cc >/dev/null; then echo "cc links no C program"; else echo "cc is missing"; fi ;;
  c++) if command -v c++ >/dev/null; then echo "c++ links no C++ program"; else echo "c++ is missing"; fi ;;
  java) echo "--kafka apache needs Java $oldest_java or later and finds none" ;;
  *) echo "$1 is missing" ;;
  esac
}

tools="cc c++ make ar bash"
case " $* " in *' --kafka apache '* | *' --kafka=apache '*) tools="$tools java" ;; esac

find_missing() {
  missing=
  for tool in $tools; do works "$tool" || missing="$missing $tool"; done
}

find_missing
if [ -n "$missing" ] && [ "$system" = debian ] && [ -z "$as_root" ] && command -v apt-get >/dev/null; then
  packages=$(for tool in $missing; do package "$tool"; done)
  # shellcheck disable=SC2086 # one word for each package
  say installing from Debian: $packages
  # shellcheck disable=SC2086
  { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $packages; } >&2 || true
  find_missing
fi
for tool in $missing; do say "$(state "$tool"): $(command_for "$tool")"; done

# --- Rust ---

wanted=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' "$here/../Cargo.toml")
pinned=$(sed -n 's/^channel = "\(.*\)"/\1/p' "$here/../rust-toolchain.toml")
# shellcheck disable=SC2016 # for the reader's shell
rustup='curl --proto =https --tlsv1.2 -sSf https://sh.rustup.rs | sh, then . "$HOME/.cargo/env"'
command -v curl >/dev/null || rustup="$(command_for curl), then $rustup"

number() { # VERSION: 1.95.0 as 1095
  minor=${1#*.}
  echo $((${1%%.*} * 1000 + ${minor%%.*}))
}

rust() { # prints what is wrong with Rust and what mends it; nothing when it is right
  if ! command -v cargo >/dev/null || ! command -v rustc >/dev/null; then
    if [ -x "${HOME:-}/.cargo/bin/cargo" ] && [ -x "${HOME:-}/.cargo/bin/rustc" ]; then
      # shellcheck disable=SC2016
      echo 'cargo is in ~/.cargo/bin and PATH does not name that directory: . "$HOME/.cargo/env"'
    else
      echo "cargo or rustc is missing: $rustup"
    fi
    return
  fi
  if ! found=$(rustc --version 2>/dev/null) || ! cargo --version >/dev/null 2>&1; then
    echo "cargo or rustc does not run: rustup toolchain install $pinned"
    return
  fi
  found=$(echo "$found" | cut -d' ' -f2)
  [ "$(number "$found")" -lt "$(number "$wanted")" ] || return 0
  if command -v rustup >/dev/null; then
    echo "rustc is $found and Cargo.toml asks for $wanted: rustup toolchain install $pinned && rustup override set $pinned"
  else
    echo "rustc is $found and Cargo.toml asks for $wanted: $rustup"
  fi
}

fault=$(rust)
[ -z "$fault" ] || say "$fault"
[ -z "$missing$fault" ] || exit 2
