#!/usr/bin/env bash
# Builds the images of operator, worker and producer, loads them into the node and the kind clusters that are up, and restarts there the pods that run an older image of the same name.
# Compiles with cargo and assembles with buildah from the node's cache, as root, needing no registry but Debian's; or all of it in Docker when an engine answers. CGP_IMAGE_BUILDER=buildah|docker decides otherwise; CGP_IMAGE_REGISTRY is put into the names.
# Leaves the archives in ${CGP_CACHE:-~/.cache/consumer-group-practice}/images and the programs in target/release; what did not change is not built again.
# shellcheck source-path=SCRIPTDIR
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
repo=$(cd "$here/../.." && pwd)
source "$here/../node/lib/common.sh"
source "$here/lib/names.sh"
source "$here/lib/docker.sh"
source "$here/lib/clusters.sh"

hash_of() { cat "$@" | sha256sum | cut -d' ' -f1; }

# unchanged PROGRAM KEY: its archive was made from just this
unchanged() { [[ -e $(archive "$1") && $(cat "$images/$1.key" 2>/dev/null) == "$(reference "$1") $2" ]]; }
keep_key() { echo "$(reference "$1") $2" >"$images/$1.key"; }

# --- with Docker: everything happens in its builder, which keeps its own cache ---

build_with_docker() {
  local program
  require_docker "use CGP_IMAGE_BUILDER=buildah, which needs root on Debian and no Docker"
  # one manifest an image: an attestation has the time of the build in it and would change the digest of what did not change
  export BUILDX_NO_DEFAULT_ATTESTATIONS=1
  for program in "${programs[@]}"; do
    say "docker buildx build --target $program"
    # named buildx, since 'docker build' may be the legacy builder; --load, since not every builder stores its result in the engine
    docker buildx build --load -f "$here/Containerfile" --target "$program" -t "$(reference "$program")" "$repo" >&2
    rm -f "$images/$program.key" # the archive is no longer what buildah made
    docker save -o "$(archive "$program").new" "$(reference "$program")"
    mv "$(archive "$program").new" "$(archive "$program")"
  done
}

# --- without: cargo here, buildah from the cache ---

build_with_buildah() {
  require_root
  "$here/../node/setup.sh" debs
  compile
  make_base
  local program key
  for program in "${programs[@]}"; do
    key=$(hash_of "$here/Containerfile" "$release/practice-$program" "$images/base.key")
    unchanged "$program" "$key" && continue
    libraries_are_there "$release/practice-$program"
    say "$(reference "$program")"
    assemble "$program"
    keep_key "$program" "$key"
  done
}

compile() {
  command -v cargo >/dev/null || die "cargo is missing: install Rust from https://rustup.rs, or use a Docker engine"
  say "cargo build --release"
  (cd "$repo" && cargo build --release --locked -p practice-operator -p practice-worker -p practice-producer >&2)
  release=${CARGO_TARGET_DIR:-$repo/target}/release
}

make_base() {
  local key
  key="$(hash_of "$here/base.sh") $(dpkg-query -W -f '${Version}' libc6)" # a program wants the glibc it was linked with, or a newer one
  [[ -d $images/base && $(cat "$images/base.key" 2>/dev/null) == "$key" ]] && return
  say "base from Debian packages"
  rm -rf "$images/base" "$images/base.key"
  "$here/base.sh" "$images/base"
  echo "$key" >"$images/base.key"
}

# libraries_are_there PROGRAM: every library it names lies in the base
libraries_are_there() {
  local loader strangers
  loader=$(find "$images/base/usr/lib64" "$images/base/usr/lib/" -maxdepth 2 -name 'ld-linux*' -print -quit 2>/dev/null)
  strangers=$("$loader" --library-path "$images/base/usr/lib/$multiarch" --list "$1" | grep -v -e "$images/base" -e linux-vdso -e ld-linux || true)
  [[ -z $strangers ]] || die "the base lacks a library of ${1##*/}: $strangers. Add its package to $here/base.sh"
}

# assemble PROGRAM: in a mount namespace and a storage of its own, so that nothing of buildah stays
assemble() {
  local work
  work=$(mktemp -d -p "$images")
  mkdir -p "$work/context" "$work/etc"
  ln "$release"/practice-{operator,worker,producer} "$work/context/" 2>/dev/null || cp "$release"/practice-{operator,worker,producer} "$work/context/"
  echo '{"default": [{"type": "insecureAcceptAnything"}]}' >"$work/etc/policy.json"
  printf '[storage]\ndriver = "vfs"\nrunroot = "%s/run"\ngraphroot = "%s/graph"\n' "$work" "$work" >"$work/etc/storage.conf"
  touch "$work/etc/registries.conf" "$work/etc/containers.conf"
  # shellcheck disable=SC2016 # for the inner shell
  if ! sysroot env CONTAINERS_STORAGE_CONF="$work/etc/storage.conf" CONTAINERS_REGISTRIES_CONF="$work/etc/registries.conf" CONTAINERS_CONF="$work/etc/containers.conf" TMPDIR="$work" \
    unshare --mount bash -euc '
      buildah() { command buildah --signature-policy "$1/etc/policy.json" "${@:2}"; }
      work=$1 containerfile=$2 base=$3 program=$4 reference=$5 archive=$6
      mount -t tmpfs tmpfs /run
      container=$(buildah "$work" from scratch)
      buildah "$work" add "$container" "$base" / >/dev/null
      buildah "$work" commit -q --rm --timestamp 0 "$container" localhost/base >/dev/null
      buildah "$work" bud -q --isolation chroot --timestamp 0 --pull-never --build-arg BASE=localhost/base --build-arg BINARIES=prebuilt \
        --target "$program" -f "$containerfile" -t "$reference" "$work/context" >/dev/null
      buildah "$work" push -q "$reference" "docker-archive:$archive.new:$reference"
    ' - "$work" "$here/Containerfile" "$images/base" "$1" "$(reference "$1")" "$(archive "$1")" >"$images/$1.log" 2>&1; then
    rm -rf "$work" "$(archive "$1").new"
    tail -n 10 "$images/$1.log" >&2
    die "cannot build $(reference "$1"), see $images/$1.log"
  fi
  mv "$(archive "$1").new" "$(archive "$1")"
  rm -rf "$work"
}

# --- all of it ---

require jq:jq
[[ -n $registry ]] || die "image.registry in charts/consumer-group-practice/values.yaml is empty: set CGP_IMAGE_REGISTRY to the registry of the images"
mkdir -p "$images"
builder=${CGP_IMAGE_BUILDER:-$(if docker info >/dev/null 2>&1; then echo docker; else echo buildah; fi)}
case $builder in docker | buildah) "build_with_$builder" ;; *) die "CGP_IMAGE_BUILDER=$builder is not known: set it to buildah or docker" ;; esac
for program in "${programs[@]}"; do say "$(reference "$program") $(image_id "$program" | cut -c1-19) in $(archive "$program")"; done

clusters=0
if "$here/../node/node.sh" status >/dev/null 2>&1; then
  clusters=1
  load_into_node
  restart_outdated "" env KUBECONFIG="$CGP_HOME/kubeconfig" KUBECACHEDIR="$CGP_HOME/kube-cache" "$bin/kubectl"
fi
if command -v kind >/dev/null && command -v kubectl >/dev/null; then
  for cluster in $(kind get clusters 2>/dev/null); do
    clusters=1
    load_into_kind "$cluster"
    nodes=$(kind_nodes "$cluster")
    listed=$(kind_images "$nodes")
    restart_outdated "$listed" kubectl --context "kind-$cluster"
  done
fi
((clusters)) || say "no node and no kind cluster is up, so nothing is loaded: bring a node up with 'make node' and run 'make images' again, or push the images to a registry"
