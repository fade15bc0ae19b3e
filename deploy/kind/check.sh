#!/usr/bin/env bash
# Checks what of the kind cluster can be checked without Docker: kind itself reads cluster.yaml and hands its maxPods to the kubelet, a kube-apiserver with Strimzi's own CRDs accepts both Kafkas of deploy/strimzi, and up.sh takes only the numbers of brokers that there are. Each check also has to refuse what is wrong.
# Takes etcd, kube-apiserver and kubectl from the cache that deploy/node/setup.sh fills; builds kind's reader with Go, generates the CRDs with Maven and Java, once each.
# Leaves both in the cache, and nothing else: one temporary directory and two processes, all gone at its end.
# shellcheck source-path=SCRIPTDIR
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
source "$here/../node/lib/common.sh"
source "$here/../node/lib/apiserver.sh"
source "$here/versions.sh"
source "$here/brokers.sh"

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

# refused WHAT TEXT COMMAND...: it fails, and its message has TEXT
refused() {
  local what=$1 text=$2 output
  shift 2
  if output=$("$@" 2>&1); then die "$what is accepted"; fi
  [[ $output == *"$text"* ]] || die "$what is refused without \"$text\" in the message: $output"
}

# --- cluster.yaml ---

config_check=$bin/kind-config-check-$(cat "$here"/config-check/{go.mod,main.go} | cksum | cut -d" " -f1)
if [[ ! -e $config_check ]]; then
  require go:golang-go
  say "building the reader of kind $KIND"
  CGO_ENABLED=0 GOWORK=off GOFLAGS=-buildvcs=false go build -C "$here/config-check" -o "$config_check.$$" .
  mv "$config_check.$$" "$config_check"
fi
read_by_kind() { # FILE: kind accepts it, and its kubelet allows 250 pods
  local read
  read=$("$config_check" "$1")
  echo "$read"
  [[ $read == *", maxPods 250, "* ]] || die "the kubelet of this configuration does not get maxPods 250: $read"
}
read_by_kind "$here/cluster.yaml"
sed 's/role: control-plane/roles: control-plane/' "$here/cluster.yaml" >"$work/field.yaml"
sed 's/role: control-plane/role: worker/' "$here/cluster.yaml" >"$work/role.yaml"
sed 's/maxPods:/maxPod:/' "$here/cluster.yaml" >"$work/pods.yaml"
sed 's/kind: KubeletConfiguration/kind: KubeletConfig/' "$here/cluster.yaml" >"$work/patch.yaml"
refused "an unknown field in kind's configuration" "field roles not found" read_by_kind "$work/field.yaml"
refused "a cluster without a control plane" "must have at least one control-plane node" read_by_kind "$work/role.yaml"
refused "a misspelt maxPods" "maxPods 110" read_by_kind "$work/pods.yaml"
refused "a patch of an object that kind does not write" "maxPods 110" read_by_kind "$work/patch.yaml"

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

accept() { kubectl apply --dry-run=server --validate=strict --warnings-as-errors "$@"; }
one=$(kafka_directory 1) three=$(kafka_directory 3)
accept -k "$one"
accept -k "$three"
kubectl kustomize "$three" >"$work/three.yaml"
for file in "$one/kafka.yaml" "$work/three.yaml"; do
  sed 's/kraftMetadata: shared/kraftMetadata: common/' "$file" >"$work/value.yaml"
  sed 's/listeners:/listener:/' "$file" >"$work/listener.yaml"
  refused "a value that Strimzi does not know" 'Unsupported value: "common"' accept -f "$work/value.yaml"
  refused "a field that Strimzi does not know" 'unknown field "spec.kafka.listener"' accept -f "$work/listener.yaml"
done

# the numbers fit: n brokers, n copies of Kafka's own topics, and one of several copies may be away
describe() { kubectl apply --dry-run=client -o json -k "$1" | jq '.items | map({(.kind): .}) | add'; }
copies_fit() { # BROKERS, a description on stdin
  jq -e --argjson n "$1" '.KafkaNodePool.spec.replicas == $n and (.Kafka.spec.kafka.config | to_entries
    | map(select(.key | endswith("replication.factor")).value) == [$n, $n, $n, $n]
    and (map(select(.key | test("min.(isr|insync.replicas)$")).value) | length == 3 and all(. == (if $n == 1 then 1 else $n - 1 end))))' >/dev/null
}
describe "$one" | copies_fit 1 || die "the numbers in $one do not fit one broker"
describe "$three" | copies_fit 3 || die "the numbers in $three do not fit three brokers"
if describe "$one" | copies_fit 3; then die "the numbers of one broker pass as three"; fi
# a broker that Strimzi brings back as a new pod has its messages
describe "$three" | jq -e '[.KafkaNodePool.spec.storage.volumes[].type] == ["persistent-claim"]' >/dev/null || die "three-brokers keeps messages in a volume that goes with the pod"

# the address that up.sh gives to the chart is the one that Strimzi gives to these Kafkas
for directory in "$one" "$three"; do
  address=$(describe "$directory" | jq -r '.Kafka | "\(.metadata.name)-kafka-bootstrap.\(.metadata.namespace):\(.spec.kafka.listeners[] | select(.name == "plain").port)"')
  grep -qF "install.sh\" $address" "$here/up.sh" || die "up.sh does not give $address to the chart"
done

# --- KAFKA_BROKERS ---

for value in 0 2 4 03 three "1 3"; do
  refused "KAFKA_BROKERS=$value" "KAFKA_BROKERS=$value is not supported: use 1 or 3" env KAFKA_BROKERS="$value" "$here/up.sh"
done

chosen() { # KAFKA_BROKERS: the number that up.sh takes in the cluster of KUBECONFIG
  wanted_brokers=$1
  check_wanted_brokers
  choose_brokers
  echo "$brokers"
}
expect_brokers() { # KAFKA_BROKERS NUMBER
  local brokers
  brokers=$(chosen "$1")
  [[ $brokers == "$2" ]] || die "KAFKA_BROKERS='$1' gives $brokers broker(s) instead of $2"
}
expect_brokers "" 1
expect_brokers 3 3
kubectl apply -k "$one" >/dev/null
expect_brokers "" 1
expect_brokers 1 1
refused "three brokers where one is" "delete the cluster first with 'make kind-down', or use KAFKA_BROKERS=1" chosen 3

# up.sh itself refuses that before it builds or installs anything: docker, kind and helm record what they are asked for, kubectl is real
mkdir "$work/recorders"
for tool in docker helm kind; do printf '#!/bin/sh\necho %s "$@" >>%q\n' "$tool" "$work/calls" >"$work/recorders/$tool"; done
# shellcheck disable=SC2016 # for the recorder's shell
echo 'case "$*" in "get clusters") echo cgp ;; "get kubeconfig "*) cat "$KUBECONFIG" ;; esac' >>"$work/recorders/kind"
chmod +x "$work"/recorders/*
refused "up.sh with three brokers where one is" "or use KAFKA_BROKERS=1" env PATH="$work/recorders:$PATH" KAFKA_BROKERS=3 "$here/up.sh"
diff - "$work/calls" >&2 <<'CALLS' || die "up.sh called something else before it refused (expected <, called >)"
docker info
docker buildx version
kind get clusters
kind export kubeconfig --name cgp
kind get kubeconfig --name cgp
CALLS

kubectl apply -k "$three" >/dev/null
expect_brokers "" 3
expect_brokers 3 3
refused "one broker where three are" "delete the cluster first with 'make kind-down', or use KAFKA_BROKERS=3" chosen 1
kubectl -n kafka patch kafkanodepool dual-role --type=merge -p '{"spec": {"replicas": 2}}' >/dev/null
refused "a Kafka that was scaled by hand" "spec.replicas 2, and only 1 and 3 are supported" chosen ""
kubectl -n kafka delete kafkanodepool dual-role >/dev/null
expect_brokers "" 1
kubectl delete crd kafkanodepools.kafka.strimzi.io >/dev/null
expect_brokers 3 3

say "kind $KIND reads cluster.yaml; Kubernetes $kube_version with the CRDs of Strimzi $STRIMZI accepts one broker and three; KAFKA_BROKERS takes 1 and 3, and neither changes into the other; all of them refuse what is wrong"
