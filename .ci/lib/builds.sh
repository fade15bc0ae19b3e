# Where .ci/test compiles: in the cache, outside the checkout, so that a fresh clone finds the dependencies compiled. Finished programs and docs are in ./target as always.
# One directory for each compiler. Cargo itself distinguishes versions, features and flags of a dependency, so after a change of Cargo.lock it compiles what changed and nothing else.
# Cargo does not distinguish two checkouts: it compares times of files with the same relative path, and would run the tests of one checkout in the other. So a run locks the directory, and when another checkout used it last, the workspace's own crates are cleaned.
# A caller's CARGO_BUILD_BUILD_DIR is used as it is: `CARGO_BUILD_BUILD_DIR=$PWD/target make test` compiles where cargo does by itself.
# Sourced by .ci/test, with `say` and CGP_CACHE of deploy/node/lib/common.sh at hand. Leaves $CGP_CACHE/build, and in target/built-by which run used it last.
# shellcheck shell=bash disable=SC2154 # repo comes from .ci/test

BUILDS_GIB=20 # a larger directory is emptied: cargo deletes no former version of a dependency
BUILDS_KEPT=2 # directories, those used last

compile_in_cache() {
  [[ -z ${CARGO_BUILD_BUILD_DIR:-} ]] || return 0
  local builds=$CGP_CACHE/build compiler version
  compiler=$(rustc -vV)
  version=$(sed -n 's/^release: //p' <<<"$compiler")
  mkdir -p "$builds"
  exec 8>"$builds/lock" # stages do not inherit it
  flock -n 8 || { say "waiting for another run that compiles in $builds" && flock 8; }
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
  say "emptying $CARGO_BUILD_BUILD_DIR, which has $((size / 1024 / 1024)) GiB"
  rm -rf "$CARGO_BUILD_BUILD_DIR"
  mkdir "$CARGO_BUILD_BUILD_DIR"
}

# cleans the workspace's crates unless this checkout was the last to compile here
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
