#!/usr/bin/env bash
# Checks chart and samples: helm lint, kubeconform with a real kube-apiserver's own schemas, what that server accepts and keeps, values that must be refused.
# Takes its binaries from the cache that deploy/node/setup.sh fills; starts an etcd and a kube-apiserver of its own on loopback. Needs no node and no root.
# Leaves nothing: one temporary directory and two processes, all gone at its end, however it ends.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=node/lib/common.sh
source "$here/node/lib/common.sh"
chart=$here/../charts/consumer-group-practice
version=$(sed -n 's/^appVersion: *//p' "$chart/Chart.yaml")

require jq:jq openssl:openssl
"$here/node/setup.sh" debs kube charts
PATH=$bin:$PATH

work=$(mktemp -d /tmp/cgp-chart-check.XXXXXX)
pids=()
finish() {
  ((${#pids[@]} == 0)) || { kill -9 "${pids[@]}" && wait "${pids[@]}"; } 2>/dev/null || true
  rm -rf "$work"
}
trap finish EXIT
trap 'exit 130' INT TERM

failures=0
bad() { say "FAILED: $*" && failures=$((failures + 1)); }

# helm takes its idea of the cluster's version from build flags that `go install` does not set
render() { helm template cgp "$chart" -n kafka-practice --kube-version "$kube_version" "$@"; }
named() { render --set kafka.bootstrapServers=kafka:9092 "$@"; }

free_port() {
  local port
  while port=$((20000 + RANDOM % 12000)); (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; do :; done
  echo "$port"
}

# a kube-apiserver with an etcd, both only for this run
start_server() {
  local client peer port deadline
  client=$(free_port) peer=$(free_port) port=$(free_port)
  openssl genrsa -out "$work/sa.key" 2048 2>/dev/null
  echo 'check,check,check,system:masters' >"$work/tokens"
  LD_LIBRARY_PATH=$sysroot_libs "$root/usr/bin/etcd" --data-dir "$work/etcd" --unsafe-no-fsync \
    --listen-client-urls "http://127.0.0.1:$client" --advertise-client-urls "http://127.0.0.1:$client" \
    --listen-peer-urls "http://127.0.0.1:$peer" --initial-advertise-peer-urls "http://127.0.0.1:$peer" \
    --initial-cluster "default=http://127.0.0.1:$peer" >"$work/etcd.log" 2>&1 &
  pids+=($!)
  kube-apiserver --etcd-servers "http://127.0.0.1:$client" --bind-address 127.0.0.1 --secure-port "$port" --cert-dir "$work/certs" \
    --service-cluster-ip-range 10.0.0.0/24 --endpoint-reconciler-type none --disable-admission-plugins ServiceAccount \
    --service-account-issuer https://localhost --service-account-key-file "$work/sa.key" --service-account-signing-key-file "$work/sa.key" \
    --token-auth-file "$work/tokens" --authorization-mode RBAC >"$work/apiserver.log" 2>&1 &
  pids+=($!)
  export KUBECONFIG=$work/kubeconfig KUBECACHEDIR=$work/kubecache HELM_CACHE_HOME=$work/helm HELM_CONFIG_HOME=$work/helm HELM_DATA_HOME=$work/helm
  cat >"$KUBECONFIG" <<CONFIG
{"apiVersion": "v1", "kind": "Config", "current-context": "check",
 "clusters": [{"name": "check", "cluster": {"server": "https://127.0.0.1:$port", "insecure-skip-tls-verify": true}}],
 "users": [{"name": "check", "user": {"token": "check"}}],
 "contexts": [{"name": "check", "context": {"cluster": "check", "user": "check"}}]}
CONFIG
  deadline=$((SECONDS + 120))
  until kubectl get --raw /readyz >/dev/null 2>&1 && kubectl get namespace default >/dev/null 2>&1; do
    kill -0 "${pids[@]}" 2>/dev/null || { tail -5 "$work"/*.log >&2 && die "etcd or kube-apiserver ended by itself"; }
    ((SECONDS < deadline)) || { tail -5 "$work"/*.log >&2 && die "kube-apiserver was not ready within 120 s"; }
    sleep 0.2
  done
  kube_version=$(kubectl version -o json | jq -r .serverVersion.gitVersion)
}

# schema PATH KIND: the server's own schema of a kind, strict, where kubeconform finds it
schema() {
  local deadline=$((SECONDS + 60)) file=$work/schemas/${2,,}.json
  mkdir -p "$work/schemas"
  # a new CRD takes a moment to appear
  until kubectl get --raw "/openapi/v3/$1" 2>/dev/null | jq -ce --arg kind "$2" '
      (.components.schemas | to_entries[] | select(any(.value["x-kubernetes-group-version-kind"][]?; .kind == $kind)) | .key) as $name
      | {"$ref": "#/components/schemas/\($name)", components: .components}
      | walk(if type == "object" and has("properties") and (has("additionalProperties") | not) then .additionalProperties = false else . end)' >"$file"; do
    ((SECONDS < deadline)) || die "the kube-apiserver publishes no schema of $2 at /openapi/v3/$1"
    sleep 0.2
  done
}

conform() { kubeconform -strict -summary -schema-location "$work/schemas/{{ .ResourceKind }}.json" "$@"; }

# refused TEXT ARGS...: helm does not render with these arguments, and its message has TEXT
refused() {
  local text=$1 said
  shift
  if said=$(render "$@" 2>&1); then
    bad "accepted: $*"
  elif [[ $said != *"$text"* ]]; then
    bad "refused without saying \"$text\": $*"$'\n'"$said"
  fi
}

check_renders() {
  helm lint --strict --quiet --kube-version "$kube_version" --set kafka.bootstrapServers=kafka:9092 "$chart" || bad "helm lint"

  named >"$work/string.yaml" || bad "does not render with a string"
  render --set 'kafka.bootstrapServers={kafka-0:9092,kafka-1:9092}' >"$work/list.yaml" || bad "does not render with a list"
  named --set logLevel=debug --set operator.image.repository=localhost:5000/mirror/operator --set worker.image.tag=0.2.0-rc.1 \
    --set resources.limits.memory=1Gi --set resources.limits.cpu=1 --set global.parent=1 >"$work/other.yaml" || bad "does not render with everything set"
  conform "$work"/{string,list,other}.yaml "$here"/samples/*.yaml || bad "kubeconform"

  local name
  for name in operator worker producer; do
    grep -qE "(image|value): kafka-practice.dev/$name:$version\$" "$work/string.yaml" || bad "the default image of $name is not kafka-practice.dev/$name:$version"
  done
  grep -q 'value: "kafka-0:9092,kafka-1:9092"' "$work/list.yaml" || bad "a list of servers is not joined by commas"
  grep -q 'helm.sh/resource-policy: keep' "$work/string.yaml" || bad "the CRD has no helm.sh/resource-policy: keep"
  ! named --set crds.install=false | grep -q CustomResourceDefinition || bad "crds.install=false renders a CRD"
  ! named --show-only templates/rbac.yaml | grep -E '"\*"|secrets' >&2 || bad "the ClusterRole has a wildcard or reads secrets"
}

# the server's own word, pod security included: a warning is a failure
check_server() {
  kubectl create namespace kafka-practice >/dev/null
  kubectl label namespace kafka-practice pod-security.kubernetes.io/{enforce,warn}=restricted >/dev/null
  local file
  for file in "$work"/{string,list,other}.yaml; do
    kubectl apply -f "$file" --server-side --dry-run=server --force-conflicts --validate=strict --warnings-as-errors >/dev/null || bad "the server refuses $(basename "$file")"
  done
  for file in "$here"/samples/*.yaml; do
    kubectl apply -f "$file" --validate=strict --warnings-as-errors >/dev/null || bad "the server refuses $file"
  done
}

# install, change, uninstall: the practices are still there, and it can be installed again
check_release() {
  local before after release=(cgp "$chart" -n kafka-practice)
  kubectl delete crd consumergrouppractices.kafka-practice.dev >/dev/null
  helm install "${release[@]}" --set kafka.bootstrapServers=kafka:9092 >"$work/notes" || bad "helm install"
  grep -q 'kubectl apply -f deploy/samples/practice-3.yaml' "$work/notes" || bad "the notes do not name the next command"
  helm upgrade "${release[@]}" --set kafka.bootstrapServers=other:9092 >/dev/null || bad "helm upgrade"
  [[ $(kubectl -n kafka-practice get deployment cgp-operator -o jsonpath='{.spec.template.spec.containers[0].env[0].value}') == other:9092 ]] ||
    bad "helm upgrade does not change the operator's Kafka"
  kubectl wait --for=condition=Established crd/consumergrouppractices.kafka-practice.dev --timeout=30s >/dev/null || bad "the CRD is not established"
  kubectl apply -f "$here/samples" >/dev/null || bad "the server refuses the samples"
  before=$(kubectl get cgp -o name)
  helm uninstall cgp -n kafka-practice >/dev/null 2>&1 || bad "helm uninstall"
  after=$(kubectl get cgp -o name)
  [[ -n $before && $before == "$after" ]] || bad "uninstalling took practices away: $before / $after"
  [[ -z $(kubectl -n kafka-practice get deployment,service,serviceaccount -o name -l app.kubernetes.io/instance=cgp) ]] || bad "uninstalling left objects"
  helm install "${release[@]}" --set kafka.bootstrapServers=kafka:9092 >/dev/null || bad "it cannot be installed again"
}

check_refusals() {
  refused 'kafka.bootstrapServers is empty: set it to' # nothing set
  refused 'kafka.bootstrapServers is empty: set it to' --set kafka.bootstrapServers=
  refused 'kafka.bootstrapServers is empty: set it to' --set kafka.bootstrapServers=null
  refused 'kafka.bootstrapServers is empty: set it to' --set-json 'kafka.bootstrapServers=[]'
  refused 'kafka.bootstrapServers: "kafka" is not host:port' --set kafka.bootstrapServers=kafka
  refused 'kafka.bootstrapServers: "kafka://a:1" is not host:port' --set kafka.bootstrapServers=kafka://a:1
  refused 'kafka.bootstrapServers: "" is not host:port' --set-string 'kafka.bootstrapServers=a:1\,'
  refused 'kafka.bootstrapServers: "b" is not host:port' --set 'kafka.bootstrapServers={a:1,b}'
  refused 'the port of "a:0" is not one of 1 to 65535' --set kafka.bootstrapServers=a:0
  refused 'the port of "a:65536" is not one of 1 to 65535' --set kafka.bootstrapServers=a:65536
  refused "at '/kafka/bootstrapServers': got number" --set kafka.bootstrapServers=9092
  refused "at '/kafka/bootstrapServers/0': got number" --set-json 'kafka.bootstrapServers=[9092]'
  refused "additional properties 'bootstrapServer' not allowed" --set kafka.bootstrapServer=a:1
  local ok=(--set kafka.bootstrapServers=a:1)
  refused "at '/logLevel': value must be one of" "${ok[@]}" --set logLevel=loud
  refused "at '/crds/install': got string" "${ok[@]}" --set crds.install=maybe
  refused "additional properties 'replicas' not allowed" "${ok[@]}" --set replicas=2
  refused "additional properties 'replicas' not allowed" "${ok[@]}" --set operator.replicas=2
  refused "additional properties 'digest' not allowed" "${ok[@]}" --set worker.image.digest=x
  refused "additional properties 'crd' not allowed" "${ok[@]}" --set crd.install=true
  refused "additional properties 'keep' not allowed" "${ok[@]}" --set crds.keep=true
  refused "at '/worker/image/repository'" "${ok[@]}" --set worker.image.repository=Kafka/Worker
  refused "at '/worker/image/repository'" "${ok[@]}" --set worker.image.repository=
  refused "at '/producer/image/repository'" "${ok[@]}" --set producer.image.repository=kafka-practice.dev/producer:0.1.0
  refused "at '/operator/image/tag'" "${ok[@]}" --set operator.image.tag=a:b
  refused "at '/resources/limits/memory'" "${ok[@]}" --set resources.limits.memory=plenty
  refused "additional properties 'memory' not allowed" "${ok[@]}" --set resources.memory=1Gi
  refused "additional properties 'gpu' not allowed" "${ok[@]}" --set resources.limits.gpu=1
}

start_server
named --show-only templates/crd.yaml | kubectl apply --server-side -f - >/dev/null || die "the kube-apiserver refuses the CRD"
schema api/v1 Service
schema api/v1 ServiceAccount
schema apis/apps/v1 Deployment
schema apis/rbac.authorization.k8s.io/v1 ClusterRole
schema apis/rbac.authorization.k8s.io/v1 ClusterRoleBinding
schema apis/apiextensions.k8s.io/v1 CustomResourceDefinition
schema apis/kafka-practice.dev/v1alpha1 ConsumerGroupPractice
check_renders
check_server
check_release
check_refusals
((failures == 0)) || die "$failures of the chart's checks failed"
say "the chart renders, conforms to Kubernetes $kube_version, is accepted by it, and refuses what it must"
