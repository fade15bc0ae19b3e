#!/usr/bin/env bash
# Shows what needs.sh answers on machines that lack a tool, and that `make local` starts cargo on none of them: this machine's own tools, by links in a directory that is all of PATH, without the ones that are to be missing.
# The cargo there records what it is asked for and builds nothing; where a case installs packages, apt-get records too.
# Needs a machine on which `make local` builds. Leaves nothing; a few seconds.
# shellcheck source-path=SCRIPTDIR
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
source "$here/../deploy/node/lib/common.sh"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
make=$(command -v make)
cargo=$(command -v cargo)
rustc=$(command -v rustc)

distribution() { # ID [ID_LIKE]: an os-release
  printf 'NAME="Some Linux"\nID=%s\n' "$1"
  [[ -z ${2:-} ]] || printf 'ID_LIKE="%s"\n' "$2"
}

# machine TOOL...: this machine without these, for an ordinary user of a distribution unknown so far
machine() {
  local tool
  rm -rf "$work/machine" "$work/cargo" "$work/apt"
  mkdir -p "$work/machine/bin" "$work/machine/home"
  for tool in sh bash cc c++ as ld make ar uname sed tr cut head mktemp rm dirname; do
    ln -s "$(command -v "$tool")" "$work/machine/bin/$tool"
  done
  program curl 'exit 1' # it is there, and nothing here downloads
  program id 'echo 1000'
  program rustc "exec '$rustc' \"\$@\""
  program cargo "[ \"\$1\" = --version ] && exec '$cargo' --version
echo \"\$*\" >>'$work/cargo'
exit 1"
  for tool; do rm "$work/machine/bin/$tool"; done
  distribution plan9 >"$work/os-release"
}

program() { # NAME BODY
  rm -f "$work/machine/bin/$1"
  printf '#!/bin/sh\n%s\n' "$2" >"$work/machine/bin/$1"
  chmod +x "$work/machine/bin/$1"
}

local_mode() { # ARGUMENT OF make...: `make local` there; its exit code
  local code=0
  env -i HOME="$work/machine/home" PATH="$work/machine/bin" CGP_OS_RELEASE="$work/os-release" \
    RUSTUP_HOME="${RUSTUP_HOME:-$HOME/.rustup}" ${RUSTUP_TOOLCHAIN:+RUSTUP_TOOLCHAIN="$RUSTUP_TOOLCHAIN"} LANG=C "$make" -C "$here/.." --no-print-directory -s local "$@" >"$work/out" 2>&1 || code=$?
  echo "$code"
}

expect() { # CASE LINE...: needs.sh and make exit with 2, needs.sh printed exactly these lines, and cargo was asked for nothing but its version
  local what=$1 code
  shift
  code=$(local_mode "${ARGUMENTS[@]}") # make exits with 2 after any failure, and prints what needs.sh exited with
  code="$code $(sed -n 's/^make: .* local\] Error //p' "$work/out")"
  grep '^needs.sh: ' "$work/out" | sed 's/^needs.sh: //' >"$work/lines" || true
  [[ $code == "2 2" ]] || die "$what: exit codes of make and needs.sh are $code instead of 2 2: $(cat "$work/out")"
  diff <(printf '%s\n' "$@") "$work/lines" >&2 || die "$what: these lines differ (expected <, printed >)"
  [[ ! -e $work/cargo ]] || die "$what: cargo was started: $(cat "$work/cargo")"
}
ARGUMENTS=()

wanted=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' "$here/../Cargo.toml")
pinned=$(sed -n 's/^channel = "\(.*\)"/\1/p' "$here/../rust-toolchain.toml")
rustup="curl --proto =https --tlsv1.2 -sSf https://sh.rustup.rs | sh, then . \"\$HOME/.cargo/env\""

# nothing is missing: cargo is started, so that its silence below means something
machine
local_mode >/dev/null
[[ $(cat "$work/cargo") == "build --profile local --package practice-local" ]] || die "with every tool there cargo is not started: $(cat "$work/out")"

# each tool by itself, each distribution's command
machine cc && distribution debian >"$work/os-release"
expect "no C compiler on Debian" "cc is missing: sudo apt-get install gcc libc6-dev"
machine cc && program cc "[ \$1 = --version ]" && distribution linuxmint "ubuntu debian" >"$work/os-release"
expect "a C compiler without headers on Mint" "cc links no C program: sudo apt-get install gcc libc6-dev"
machine ld && distribution debian >"$work/os-release"
expect "no linker on Debian" "cc links no C program: sudo apt-get install gcc libc6-dev" "c++ links no C++ program: sudo apt-get install g++"
machine c++ && distribution rocky "rhel centos fedora" >"$work/os-release"
expect "no C++ compiler on Rocky" "c++ is missing: sudo dnf install gcc-c++"
machine make && distribution opensuse-leap "suse opensuse" >"$work/os-release"
expect "no make on openSUSE" "make is missing: sudo zypper install make"
machine ar && distribution arch >"$work/os-release"
expect "no ar on Arch" "ar is missing: sudo pacman -S binutils"
machine bash && distribution alpine >"$work/os-release"
expect "no bash on Alpine" "bash is missing: sudo apk add bash"
machine c++
expect "no C++ compiler on a system that is not known" "c++ is missing: install g++ with the package manager of this system"
machine c++ && program uname 'echo Darwin'
expect "no C++ compiler on macOS" "c++ is missing: xcode-select --install"
machine c++ && ln -s "$(command -v c++)" "$work/machine/bin/clang++"
local_mode >/dev/null
[[ -e $work/cargo ]] || die "clang++ is there and is not taken for a C++ compiler: $(cat "$work/out")"

# Rust
machine cargo rustc
expect "no Rust" "cargo or rustc is missing: $rustup"
machine cargo rustc curl && distribution fedora >"$work/os-release"
expect "neither Rust nor curl on Fedora" "cargo or rustc is missing: sudo dnf install curl, then $rustup"
machine cargo rustc && mkdir -p "$work/machine/home/.cargo/bin" && ln -s "$cargo" "$rustc" "$work/machine/home/.cargo/bin/"
expect "Rust beside PATH" "cargo is in ~/.cargo/bin and PATH does not name that directory: . \"\$HOME/.cargo/env\""
machine && program rustc 'echo "rustc 1.63.0 (4b91a6ea7 2022-08-08)"'
expect "Debian's rustc" "rustc is 1.63.0 and Cargo.toml asks for $wanted: $rustup"
machine && program rustc 'echo "rustc 1.63.0 (4b91a6ea7 2022-08-08)"' && program rustup 'exit 1'
expect "an old toolchain of rustup" "rustc is 1.63.0 and Cargo.toml asks for $wanted: rustup toolchain install $pinned && rustup override set $pinned"
machine && program rustc 'echo "error: toolchain is not installed" >&2; exit 1'
expect "rustup without the toolchain" "cargo or rustc does not run: rustup toolchain install $pinned"
machine && program rustc 'echo "rustc 2.0.0-nightly (0 2030-01-01)"'
local_mode >/dev/null
[[ -e $work/cargo ]] || die "a newer rustc is refused: $(cat "$work/out")"

# Java, only for a Kafka that needs it
machine && distribution debian >"$work/os-release"
ARGUMENTS=("UP=deploy/samples/practice-5.yaml --kafka apache --brokers 3")
expect "no Java" "--kafka apache needs Java 17 or later and finds none: sudo apt-get install default-jre-headless"
program java "echo 'openjdk version \"11.0.2\" 2019-01-15' >&2"
expect "an old Java" "--kafka apache needs Java 17 or later and finds none: sudo apt-get install default-jre-headless"
program java "echo 'openjdk version \"17.0.15\" 2025-04-15' >&2"
local_mode "${ARGUMENTS[@]}" >/dev/null
[[ -e $work/cargo ]] || die "Java 17 is refused: $(cat "$work/out")"
ARGUMENTS=()

# everything at once: a line for each
machine cc c++ make ar cargo rustc && distribution debian >"$work/os-release"
expect "nothing at all" "cc is missing: sudo apt-get install gcc libc6-dev" "c++ is missing: sudo apt-get install g++" \
  "make is missing: sudo apt-get install make" "ar is missing: sudo apt-get install binutils" "cargo or rustc is missing: $rustup"

# root on Debian installs the Debian packages, and continues
apt_get() { # BODY of what it does beyond recording
  program id 'echo 0'
  program apt-get "echo \"\$*\" >>'$work/apt'
$1"
}
machine c++ make && distribution debian >"$work/os-release"
apt_get "[ \"\$1\" = update ] || { ln() { '$(command -v ln)' \"\$@\"; }; ln -s '$(command -v c++)' '$work/machine/bin/c++'; ln -s '$make' '$work/machine/bin/make'; }"
local_mode >/dev/null
diff <(printf '%s\n' "update -qq" "install -y -qq --no-install-recommends g++ make") "$work/apt" >&2 || die "root on Debian: apt-get was asked for something else (expected <, asked >)"
[[ -e $work/cargo ]] || die "root on Debian: cargo is not started after the installation: $(cat "$work/out")"
machine c++ && distribution debian >"$work/os-release" && apt_get 'exit 100'
expect "root on Debian without a mirror" "installing from Debian: g++" "c++ is missing: apt-get install g++"
[[ $(cat "$work/apt") == "update -qq" ]] || die "root on Debian: $(cat "$work/apt")"
machine c++ && distribution fedora >"$work/os-release" && apt_get 'exit 0'
expect "root on Fedora" "c++ is missing: dnf install gcc-c++"
[[ ! -e $work/apt ]] || die "root on Fedora: apt-get was started"

say "make local names each missing tool with the command that installs it, exits with 2 and starts no cargo"
