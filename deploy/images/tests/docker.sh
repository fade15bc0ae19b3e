# What build.sh asks of Docker, what is sent to it and what is built; what it reports before it builds when something is missing.
# test_docker runs build.sh with the stand-ins in bin/. The files that are sent are found by BuildKit's own matcher.
# Sourced by test.sh, whose check functions it uses. Leaves everything below $work.
# shellcheck shell=bash disable=SC2154 # work, here and repo come from test.sh

test_docker() {
  test_requirements
  test_builds
  test_context
}

# fake NAME: a directory of stand-ins' state in which nothing is there; FAKE names it from then on
fake() {
  export FAKE=$work/$1
  mkdir -p "$FAKE"/{sent,built,source,clusters,nodes,pods}
  cp "$work/context-check" "$FAKE"
  : >"$FAKE/calls"
  local program
  for program in operator worker producer; do echo 1 >"$FAKE/source/$program"; done
}
# with_fakes COMMAND...: runs it with the stand-ins, a cache of its own and no node; what it prints is in $FAKE/output
with_fakes() {
  : >"$FAKE/calls"
  PATH=$here/tests/bin:$PATH CGP_CACHE=$FAKE/cache CGP_HOME=$FAKE/no-node "$@" >"$FAKE/output" 2>&1
}
calls() { cat "$FAKE/calls"; }
# succeeds COMMAND...: prints nothing, or what the command printed when it failed
succeeds() { with_fakes "$@" || cat "$FAKE/output"; }

test_requirements() {
  local builder
  for builder in "" docker; do
    fake "no-buildx$builder"
    mkdir "$FAKE/engine"
    check "without buildx build.sh fails, CGP_IMAGE_BUILDER='$builder'" "$(with_fakes env CGP_IMAGE_BUILDER=$builder "$here/build.sh" && echo succeeded)" ""
    check_text "it names buildx" "$(cat "$FAKE/output")" "the Docker plugin buildx is missing ('docker buildx version' fails): install"
    check "it has asked Docker for nothing but what it has" "$(calls | sort -u)" $'docker buildx version\ndocker info'
  done
  fake no-engine
  touch "$FAKE/buildx"
  check "without an engine build.sh fails" "$(with_fakes env CGP_IMAGE_BUILDER=docker "$here/build.sh" && echo succeeded)" ""
  check_text "it names the engine" "$(cat "$FAKE/output")" "no Docker engine answers ('docker info' reports why): start it, or use CGP_IMAGE_BUILDER=buildah"
  check "it has asked for the engine alone" "$(calls)" "docker info"
  check "with another builder build.sh fails" "$(with_fakes env CGP_IMAGE_BUILDER=podman "$here/build.sh" && echo succeeded)" ""
  check_text "it names the builders" "$(cat "$FAKE/output")" "CGP_IMAGE_BUILDER=podman is not known: set it to buildah or docker"
  # the same before the cluster is created
  fake no-buildx-for-kind
  mkdir "$FAKE/engine"
  check "without buildx up.sh fails" "$(with_fakes "$here/../kind/up.sh" && echo succeeded)" ""
  check_text "it names buildx too" "$(cat "$FAKE/output")" "the Docker plugin buildx is missing"
  check "it has created nothing" "$(calls)" $'docker info\ndocker buildx version'
}

test_builds() {
  local program name
  fake builds
  mkdir "$FAKE/engine"
  touch "$FAKE/buildx"
  check "build.sh builds with Docker" "$(succeeds "$here/build.sh")" ""
  for program in operator worker producer; do
    name=localhost/consumer-group-practice/$program:$version
    check "buildx builds $program once, without attestations, into the engine" "$(cat "$FAKE/built/$program")" "$name: --load attestations=1"
    check "the archive of $program has it" "$(tar -xOf "$FAKE/cache/images/$program-$version.tar" manifest.json | jq -r '.[0].RepoTags[0]')" "$name"
  done
  check_text "without a cluster it reports that nothing is loaded" "$(cat "$FAKE/output")" "no node and no kind cluster is up, so nothing is loaded"
  check "no other command of Docker builds" "$(calls | grep '^docker ' | cut -d' ' -f1-2 | sort | uniq -c | awk '{print $1, $3}')" $'4 buildx\n2 info\n3 save'
  check "another registry builds too" "$(succeeds env CGP_IMAGE_REGISTRY=registry.example.com:5000/mirror "$here/build.sh")" ""
  check "CGP_IMAGE_REGISTRY is in the name" "$(tail -n 1 "$FAKE/built/worker" | cut -d' ' -f1)" "registry.example.com:5000/mirror/worker:$version:"
}

# what the last build was sent, of a checkout with what people have in theirs
test_context() {
  local sent=$FAKE/sent/operator
  check "the whole workspace is sent as git has it" "$(LC_ALL=C sort "$sent")" \
    "$(cd "$repo" && git ls-files --cached --others --exclude-standard Cargo.toml Cargo.lock cli crates local operator producer worker deploy/images/base.sh deploy/node/lib/common.sh | LC_ALL=C sort -u | LC_ALL=C comm -23 - <({ git ls-files --deleted && git ls-files crates/view/page-tests; } | LC_ALL=C sort))"
  local tree=$work/tree file
  for file in Cargo.toml worker/src/main.rs .git/config target/release/a .local/a crates/view/page-tests/node_modules/a/b.js crates/a/target/debug/b local/node_modules/a docs/kind.md README.md deploy/node/node.sh deploy/images/base.sh charts/a/values.yaml; do
    mkdir -p "$(dirname "$tree/$file")"
    touch "$tree/$file"
  done
  check "what is built, downloaded or written about is not sent" "$("$work/context-check" "$here/Containerfile" "$tree" | LC_ALL=C sort)" $'Cargo.toml\ndeploy/images/base.sh\nworker/src/main.rs'
  local finished=$work/finished
  mkdir "$finished"
  touch "$finished"/practice-{operator,worker,producer} "$finished/other"
  check "a directory of finished programs is sent" "$("$work/context-check" "$here/Containerfile" "$finished" | LC_ALL=C sort)" $'practice-operator\npractice-producer\npractice-worker'
}
