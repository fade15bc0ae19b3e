#!/usr/bin/env bash
# Checks what of the kind cluster can be checked without Docker: kind itself reads cluster.yaml, and a kube-apiserver with Strimzi's own CRDs accepts deploy/strimzi. Each check also has to refuse what is wrong.
# Takes etcd, kube-apiserver and kubectl from the cache that deploy/node/setup.sh fills; builds kind's reader with Go, generates the CRDs with Maven and Java, once each.
# Leaves both in the cache, and nothing else: one temporary directory and two processes, all gone at its end.
# shellcheck source-path=SCRIPTDIR
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
source "$here/../node/lib/common.sh"
source "$here/../node/lib/apiserver.sh"
source "$here/versions.sh"

require jq:jq openssl:openssl
"$here/../node/setup.sh" debs kube
PATH=$bin:$PATH

work=$(mktemp -d /tmp/cgp-kind-check.XXXXXX)
finish() {
  apiserver_stop
  rm -rf "$work"
}
trap finish EXIT
trap 'exit 130' INT TERM

# refused WHAT TEXT COMMAND...: it fails, and says TEXT
refused() {
  local what=$1 text=$2 said
  shift 2
  if said=$("$@" 2>&1); then die "$what is accepted"; fi
  [[ $said == *"$text"* ]] || die "$what is refused without saying \"$text\": $said"
}

# --- cluster.yaml ---

config_check=$bin/kind-config-check-$(cat "$here"/config-check/{go.mod,main.go} | cksum | cut -d" " -f1)
if [[ ! -e $config_check ]]; then
  require go:golang-go
  say "building the reader of kind $KIND"
  CGO_ENABLED=0 GOWORK=off GOFLAGS=-buildvcs=false go build -C "$here/config-check" -o "$config_check.$$" .
  mv "$config_check.$$" "$config_check"
fi
"$config_check" "$here/cluster.yaml"
sed 's/role: control-plane/roles: control-plane/' "$here/cluster.yaml" >"$work/field.yaml"
sed 's/role: control-plane/role: worker/' "$here/cluster.yaml" >"$work/role.yaml"
refused "an unknown field in kind's configuration" "field roles not found" "$config_check" "$work/field.yaml"
refused "a cluster without a control plane" "must have at least one control-plane node" "$config_check" "$work/role.yaml"

# --- deploy/strimzi ---

crds=$("$here/../strimzi/crds.sh")
apiserver_start "$work"
kubectl apply --server-side -f "$crds" >/dev/null
deadline=$((SECONDS + 60)) # a new CRD takes a moment to be served
until kubectl get kafkas.kafka.strimzi.io,kafkanodepools.kafka.strimzi.io -A >"$work/served" 2>&1; do
  ((SECONDS < deadline)) || die "the kube-apiserver does not serve Strimzi's CRDs: $(cat "$work/served")"
  sleep 0.2
done
kubectl create namespace kafka >/dev/null

accept() { kubectl apply --dry-run=server --validate=strict --warnings-as-errors -f "$1"; }
accept "$here/../strimzi/kafka.yaml"
sed 's/kraftMetadata: shared/kraftMetadata: common/' "$here/../strimzi/kafka.yaml" >"$work/value.yaml"
sed 's/listeners:/listener:/' "$here/../strimzi/kafka.yaml" >"$work/listener.yaml"
refused "a value that Strimzi does not know" 'Unsupported value: "common"' accept "$work/value.yaml"
refused "a field that Strimzi does not know" 'unknown field "spec.kafka.listener"' accept "$work/listener.yaml"

# the address that up.sh gives to the chart is the one that Strimzi gives to this Kafka
cluster=$(kubectl apply --dry-run=client -o json -f "$here/../strimzi/kafka.yaml" | jq -r '.items[] | select(.kind == "Kafka") | "\(.metadata.name)-kafka-bootstrap.\(.metadata.namespace):\(.spec.kafka.listeners[] | select(.name == "plain").port)"')
grep -qF "install.sh\" $cluster" "$here/up.sh" || die "up.sh does not give $cluster to the chart"

say "kind $KIND reads cluster.yaml; Kubernetes $kube_version with the CRDs of Strimzi $STRIMZI accepts deploy/strimzi; both refuse what is wrong"
