# Where .ci/test compiles: below the cache, outside the checkout, so that a fresh clone finds the dependencies compiled. What cargo finishes (programs, docs) is in ./target as always.
# One directory for each compiler. Cargo itself tells the versions, features and flags of a dependency apart, so a changed Cargo.lock compiles what changed and nothing else.
# It does not tell two checkouts apart: it compares times of files below the same relative paths, and would test the crates of one checkout in the other. So a run has the directory for itself, and the first one of a checkout compiles the workspace's own crates again.
# CARGO_BUILD_BUILD_DIR, where it is set, is used as it is: `CARGO_BUILD_BUILD_DIR=$PWD/target make test` compiles where cargo does by itself.
# Sourced by .ci/test, with `say` and CGP_CACHE of deploy/node/lib/common.sh at hand. Leaves $CGP_CACHE/build, and which run used it last in target/built-by.
# shellcheck shell=bash disable=SC2154 # repo comes from .ci/test

BUILDS_GIB=20 # a directory that has grown beyond it starts empty: old versions of dependencies stay in it
BUILDS_KEPT=2 # compilers

compile_in_cache() {
  [[ -z ${CARGO_BUILD_BUILD_DIR:-} ]] || return 0
  local builds=$CGP_CACHE/build compiler version
  compiler=$(rustc -vV)
  version=$(sed -n 's/^release: //p' <<<"$compiler")
  mkdir -p "$builds"
  exec 8>"$builds/lock" # stages do not inherit it
  flock -n 8 || { say "another run compiles in $builds: waiting for its end" && flock 8; }
  CARGO_BUILD_BUILD_DIR=$builds/$version-$(sha256sum <<<"$compiler" | cut -c1-8)
  export CARGO_BUILD_BUILD_DIR
  bound_builds "$builds"
  adopt_build
}

bound_builds() { # DIRECTORY
  local old size
  mkdir -p "$CARGO_BUILD_BUILD_DIR"
  touch "$CARGO_BUILD_BUILD_DIR"
  find "$1" -mindepth 1 -maxdepth 1 -type d -printf '%T@ %p\n' | sort -rn | cut -d' ' -f2- | tail -n +$((BUILDS_KEPT + 1)) |
    while read -r old; do rm -rf "$old"; done
  size=$(du -sk "$CARGO_BUILD_BUILD_DIR" | cut -f1)
  ((size > BUILDS_GIB * 1024 * 1024)) || return 0
  say "$CARGO_BUILD_BUILD_DIR has $((size / 1024 / 1024)) GiB: starting with an empty one"
  rm -rf "$CARGO_BUILD_BUILD_DIR"
  mkdir "$CARGO_BUILD_BUILD_DIR"
}

# compiled crates of the workspace stay only if this checkout was the last to compile here
adopt_build() {
  local here=target/built-by there=$CARGO_BUILD_BUILD_DIR/built-by last profile
  last=$(cat "$there" 2>/dev/null || true)
  [[ $last == "$repo "* && $last == "$(cat $here 2>/dev/null || true)" ]] && return 0
  rm -f "$there"
  for profile in dev release local; do
    [[ ! -d $CARGO_BUILD_BUILD_DIR/${profile/dev/debug} ]] || cargo clean --quiet --locked --workspace --profile "$profile"
  done
  echo "$repo $(date +%s%N)" | tee "$there" >$here
}
