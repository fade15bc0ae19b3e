#!/usr/bin/env bash
# Brings up all of it in Docker: a kind cluster `cgp`, Strimzi with a Kafka of one broker or three (KAFKA_BROKERS=3), the images, the chart, practice 3; ends when that is Ready. May be run again: it keeps what exists.
# Needs a Docker engine with its plugin buildx, kind, kubectl, helm, jq and the internet (Docker's registry, quay.io).
# Leaves the cluster, until down.sh, with kind-cgp as kubectl's current context, and the images' archives in the cache.
# shellcheck source-path=SCRIPTDIR
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
source "$here/../node/lib/common.sh"
source "$here/../images/lib/docker.sh"
source "$here/versions.sh"
source "$here/brokers.sh"
PATH=$PATH:$bin # what the machine lacks may be in the cache

must_have() {
  local tool missing=()
  for tool in docker kind kubectl helm jq; do command -v "$tool" >/dev/null || missing+=("$tool"); done
  ((${#missing[@]} == 0)) || die "missing on this machine: ${missing[*]}. Install them (kind $KIND: https://kind.sigs.k8s.io, kubectl: https://kubernetes.io/docs/tasks/tools, helm: https://helm.sh) and run this again"
  require_docker "use 'make node', which needs no Docker"
}

cluster() {
  if kind get clusters 2>/dev/null | grep -qx cgp; then
    say "using the existing kind cluster cgp"
    kind export kubeconfig --name cgp
  else
    kind create cluster --config "$here/cluster.yaml" --wait 3m
  fi
}

strimzi() {
  say "Strimzi $STRIMZI"
  helm upgrade --install strimzi oci://quay.io/strimzi-helm/strimzi-kafka-operator --version "$STRIMZI" -n kafka --create-namespace --wait --timeout 10m >/dev/null
  kubectl apply -k "$(kafka_directory "$brokers")"
}

check_wanted_brokers
must_have
cluster
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
kind get kubeconfig --name cgp >"$work/kubeconfig"
KUBECONFIG=$work/kubeconfig choose_brokers # before anything is built
CGP_IMAGE_BUILDER=docker "$here/../images/build.sh" # and loads them: kind load image-archive

# from here on this cluster, whatever becomes of the current context meanwhile
export KUBECONFIG=$work/kubeconfig

strimzi
say "waiting for Kafka, $brokers broker(s)"
kubectl wait --for=condition=Ready kafka/my-cluster -n kafka --timeout=10m
"$here/install.sh" my-cluster-kafka-bootstrap.kafka:9092
say "practice 3 runs in the kind cluster cgp; docs/practices/3.md continues from here, and docs/kind.md lists what else runs in it"
