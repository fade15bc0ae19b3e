#!/usr/bin/env bash
# Checks chart and samples: helm lint, kubeconform with a real kube-apiserver's own schemas, what that server accepts and keeps, values that must be refused, alerts with promtool.
# Uses the binaries of the cache that deploy/node/setup.sh fills; starts an etcd and a kube-apiserver of its own on loopback. Needs no node and no root.
# Leaves nothing: its temporary directory and two processes are gone at its end, however it ends.
# shellcheck source-path=SCRIPTDIR
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
source "$here/node/lib/common.sh"
source "$here/node/lib/apiserver.sh"
chart=$here/../charts/consumer-group-practice
version=$(sed -n 's/^appVersion: *//p' "$chart/Chart.yaml")

require jq:jq openssl:openssl
"$here/node/setup.sh" debs kube charts
PATH=$bin:$PATH

work=$(mktemp -d /tmp/cgp-chart-check.XXXXXX)
finish() {
  apiserver_stop
  rm -rf "$work"
}
trap finish EXIT
trap 'exit 130' INT TERM

failures=0
bad() { say "FAILED: $*" && failures=$((failures + 1)); }

# for the version of the kube-apiserver below, which is older than the one linked into helm
render() { helm template cgp "$chart" -n kafka-practice --kube-version "$kube_version" "$@"; }
named() { render --set kafka.bootstrapServers=kafka:9092 "$@"; }

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
  local text=$1 output
  shift
  if output=$(render "$@" 2>&1); then
    bad "accepted: $*"
  elif [[ $output != *"$text"* ]]; then
    bad "refused without \"$text\" in the message: $*"$'\n'"$output"
  fi
}

# every value set to something that is not its default
cat >"$work/values.yaml" <<'VALUES'
kafka: {bootstrapServers: "kafka:9092"}
watch: {allNamespaces: false}
rbac: {aggregateClusterRoles: false}
policy:
  default: {allowedBootstrapServers: ["other:9092"], topicPrefixes: [lab-], groupPrefixes: ["{namespace}.", "lab.{namespace}_"], maxPartitions: 1000000, maxReplicas: 0}
  namespaces: {trusted: {}, small: {maxReplicas: 5}}
  maxPairs: 2000000
view: {enabled: false, actions: true}
logLevel: debug
image: {registry: "localhost:5000/mirror"}
operator: &pods
  image: {repository: some/program, tag: ignored, digest: "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"}
  imagePullSecrets: [{name: mirror}]
  resources: {requests: {cpu: 1, memory: 64Mi}, limits: {cpu: 1.5, memory: 1Gi, ephemeral-storage: 1G}}
  nodeSelector: {kubernetes.io/os: linux}
  tolerations: [{key: lab, operator: Exists, effect: NoExecute, tolerationSeconds: 300}]
  affinity: {podAntiAffinity: {requiredDuringSchedulingIgnoredDuringExecution: [{topologyKey: kubernetes.io/hostname, labelSelector: {matchLabels: {a: b}}}]}}
  priorityClassName: low
  labels: {team: lab, example.com/cost: "42"}
worker: {<<: *pods, affinity: {}}
producer: {image: {repository: some/producer}, labels: {team: lab}}
VALUES
cat >"$work/config.yaml" <<'CONFIG'
policy:
  default:
    allowedBootstrapServers:
    - other:9092
    groupPrefixes:
    - '{namespace}.'
    - lab.{namespace}_
    maxPartitions: 1000000
    maxReplicas: 0
    topicPrefixes:
    - lab-
  maxPairs: 2000000
  namespaces:
    small:
      maxReplicas: 5
    trusted: {}
producer:
  labels:
    team: lab
worker:
  imagePullSecrets:
  - name: mirror
  labels:
    example.com/cost: "42"
    team: lab
  nodeSelector:
    kubernetes.io/os: linux
  priorityClassName: low
  resources:
    limits:
      cpu: "1.5"
      ephemeral-storage: 1G
      memory: 1Gi
    requests:
      cpu: "1"
      memory: 64Mi
  tolerations:
  - effect: NoExecute
    key: lab
    operator: Exists
    tolerationSeconds: 300
CONFIG

# the operator's configuration file in a rendered ConfigMap, and the annotation that follows it
config() { "$@" --show-only templates/configmap.yaml | sed -n '/^  config.yaml:/,$ s/^    //p'; }
# every right of the operator, a line each: resources and verbs
granted() { named --show-only templates/rbac.yaml "$@" | sed -n 's/^ *\(resources\|verbs\): //p' | paste -d' ' - - | sort; }
# the roles of users in one line: names, labels and rights; nothing if there are none
user_roles() { named --show-only templates/clusterroles.yaml "$@" 2>/dev/null | grep -E "^  name:|aggregate-to|resources:|verbs:" | sed "s/^[ -]*//" | paste -sd" "; }
followed() { named --show-only templates/deployment.yaml "$@" | grep ' kafka-practice.dev/config:'; }

# uses FILE IMAGES WHAT: the rendered file has just these images, each with the number of its places; the operator's is also that of helm test
uses() {
  local found
  found=$(sed -nE 's/^ *(- )?(image|value): (.*(operator|worker|producer)[:@].*)$/\3/p' "$work/$1" | LC_ALL=C sort | uniq -c | awk '{print $1, $2}' | paste -sd' ')
  [[ $found == "$2" ]] || bad "$3: the images are $found, not $2"
}
default=localhost/consumer-group-practice # no registry: a name that only this machine can serve

check_renders() {
  helm lint --strict --quiet --kube-version "$kube_version" --set kafka.bootstrapServers=kafka:9092 "$chart" || bad "helm lint"
  # without a cluster and without --kube-version helm assumes the version that deploy/node/setup.sh linked into it
  helm lint --strict --quiet --set kafka.bootstrapServers=kafka:9092 "$chart" || bad "helm lint without a Kubernetes version"
  helm template cgp "$chart" --set kafka.bootstrapServers=kafka:9092 >/dev/null || bad "does not render without a cluster and without --kube-version"

  named >"$work/string.yaml" || bad "does not render with a string"
  render --set 'kafka.bootstrapServers={kafka-0:9092,kafka-1:9092}' >"$work/list.yaml" || bad "does not render with a list"
  named --set image.registry=localhost:5000/mirror --set worker.image.tag=0.2.0-rc.1 --set operator.resources.limits.cpu=1 \
    --set global.parent=1 >"$work/other.yaml" || bad "does not render with some values set"
  render -f "$work/values.yaml" >"$work/all.yaml" || bad "does not render with every value set"
  conform "$work"/{string,list,other,all}.yaml "$here"/samples/*.yaml || bad "kubeconform"

  uses string.yaml "2 $default/operator:$version 1 $default/producer:$version 1 $default/worker:$version" "the defaults"
  uses other.yaml "2 localhost:5000/mirror/operator:$version 1 localhost:5000/mirror/producer:$version 1 localhost:5000/mirror/worker:0.2.0-rc.1" "image.registry and worker.image.tag"
  named --set image.registry= --set operator.image.repository=a.example.com/operator --set worker.image.repository=localhost:5000/b/worker \
    --set producer.image.repository=localhost/producer >"$work/each.yaml" || bad "does not render with a registry in each repository"
  uses each.yaml "2 a.example.com/operator:$version 1 localhost/producer:$version 1 localhost:5000/b/worker:$version" "a registry in each repository"
  grep -q 'value: "kafka-0:9092,kafka-1:9092"' "$work/list.yaml" || bad "a list of servers is not joined by commas"
  grep -q 'helm.sh/resource-policy: keep' "$work/string.yaml" || bad "the CRD has no helm.sh/resource-policy: keep"
  ! named --set crds.install=false | grep -q CustomResourceDefinition || bad "crds.install=false renders a CRD"
  ! named --show-only templates/rbac.yaml | grep -E '"\*"|secrets' >&2 || bad "the ClusterRole has a wildcard or reads secrets"
}

# the effect of the values on the operator's pod, its rights and its configuration file
check_values() {
  local digest=localhost:5000/mirror/some/program@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef program text
  (($(grep -cE "(image|value): $digest\$" "$work/all.yaml") == 3)) || bad "a digest does not win over the tag in operator, its test and worker"
  ! grep -q ignored "$work/all.yaml" || bad "a tag beside a digest is used"
  for program in templates/deployment.yaml templates/tests/selftest.yaml; do
    render -f "$work/values.yaml" --show-only $program >"$work/program.yaml"
    for text in 'imagePullSecrets:' '- name: mirror' 'nodeSelector:' 'tolerationSeconds: 300' 'podAntiAffinity:' 'priorityClassName: low' 'team: lab' 'cpu: "1.5"'; do
      grep -qF -- "$text" "$work/program.yaml" || bad "$program lacks $text"
    done
    ! named --show-only $program | grep -E 'imagePullSecrets|nodeSelector|tolerations|affinity|priorityClassName|: (null|\{\}|\[\])$' >&2 || bad "$program has fields that no value sets"
  done

  [[ $(config named) == $'policy:\n  maxPairs: 50000' ]] || bad "without values the configuration file has more than the default: $(config named)"
  config render -f "$work/values.yaml" | diff "$work/config.yaml" - >&2 || bad "the configuration file does not match the values"
  [[ $(followed) == "$(followed --set logLevel=debug)" ]] || bad "the annotation changes without the configuration file"
  [[ $(followed) != "$(followed --set policy.default.maxReplicas=1)" ]] || bad "a change of the policy would not restart the operator"

  ! grep -E 'kind: ClusterRole' "$work/all.yaml" >&2 || bad "watch.allNamespaces=false renders a ClusterRole"
  grep -A1 'name: WATCH_NAMESPACE' "$work/all.yaml" | grep -q 'value: "kafka-practice"' || bad "watch.allNamespaces=false does not name the namespace"
  ! grep WATCH_NAMESPACE "$work/string.yaml" >&2 || bad "the operator does not watch all namespaces by default"
  aggregate() { printf 'rbac.authorization.k8s.io/aggregate-to-%s: "true" ' "$@"; }
  [[ $(user_roles) == "name: cgp-view $(aggregate view edit admin)resources: [consumergrouppractices] verbs: [get, list, watch] name: cgp-edit $(aggregate edit admin)resources: [consumergrouppractices] verbs: [create, update, patch, delete, deletecollection]" ]] ||
    bad "the roles of users have other names, labels or rights: $(user_roles)"
  [[ -z $(user_roles --set rbac.aggregateClusterRoles=false) ]] || bad "rbac.aggregateClusterRoles=false renders roles of users"
  [[ -z $(user_roles --set watch.allNamespaces=false) ]] || bad "watch.allNamespaces=false renders roles of users"
  [[ $(comm -23 <(granted) <(granted --set view.enabled=false)) == '[pods/log] [get]' ]] || bad "the live view gives the operator another right than to read logs"
  [[ $(comm -23 <(granted --set view.actions=true) <(granted)) == '[pods] [delete]' ]] || bad "actions give the operator another right than to delete pods"
  [[ $(granted --set view.enabled=false --set view.actions=true) == "$(granted --set view.enabled=false)" ]] || bad "actions without the live view give the operator a right"
  grep -A1 'name: VIEW$' "$work/string.yaml" | grep -q 'value: 127.0.0.1:8080' || bad "the live view is not on the loopback of the operator's pod"
  grep -A1 'name: VIEW_ACTIONS$' "$work/string.yaml" | grep -q 'value: "false"' || bad "actions are enabled by default"
  grep -q 'value: "helm upgrade cgp charts/consumer-group-practice -n kafka-practice --reset-then-reuse-values --set view.actions=true"' "$work/string.yaml" || bad "the live view does not have the command that enables actions"
  ! grep 'name: VIEW' "$work/all.yaml" >&2 || bad "view.enabled=false serves the live view"
  diff <(named --set view.enabled=false --show-only templates/rbac.yaml | sed -n '/^rules:/,/^---/p') <(render -f "$work/values.yaml" --show-only templates/rbac.yaml | sed -n '/^rules:/,/^---/p') >&2 ||
    bad "Role and ClusterRole differ in their rules"
}

# monitors, rules and dashboard: none unless enabled; alerts that fire when they should, and have a runbook
check_monitoring() {
  local on=(--set monitoring.monitors.enabled=true --set monitoring.rules.enabled=true --set monitoring.dashboard.enabled=true) alert text
  local more=(--set monitoring.monitors.labels.team=lab --set monitoring.rules.labels.team=lab --set monitoring.dashboard.labels.team=lab
    --set monitoring.dashboard.annotations.grafana_folder=Kafka --set monitoring.monitors.interval=7s)
  ! named | grep -iE 'monitoring\.coreos\.com|grafana' >&2 || bad "something for Prometheus or Grafana is rendered by default"
  named "${on[@]}" >"$work/monitoring.yaml" || bad "does not render with monitoring"
  [[ $(sed -n 's/^kind: //p' "$work/monitoring.yaml" | sort | uniq -c | grep -E ' (ServiceMonitor|PodMonitor|PrometheusRule)$' | tr -s ' ') == $' 1 PodMonitor\n 1 PrometheusRule\n 1 ServiceMonitor' ]] || bad "not one of each kind for Prometheus"
  named "${on[@]}" --show-only templates/dashboard.yaml | conform - || bad "kubeconform: the dashboard"
  grep -q 'grafana_dashboard: "1"' "$work/monitoring.yaml" || bad "the dashboard lacks the label by which Grafana's sidecar finds it"
  grep -q 'any: true' "$work/monitoring.yaml" || bad "pods of other namespaces are not monitored"
  named "${on[@]}" "${more[@]}" --set watch.allNamespaces=false >"$work/every.yaml" || bad "does not render with every value of monitoring set"
  ! grep -q 'any: true' "$work/every.yaml" || bad "watch.allNamespaces=false monitors other namespaces"
  (($(grep -c 'team: lab' "$work/every.yaml") == 4)) || bad "labels of monitoring are not on its four objects"
  (($(grep -c 'interval: 7s' "$work/every.yaml") == 2)) || bad "monitoring.monitors.interval is not used"
  grep -q 'grafana_folder: Kafka' "$work/every.yaml" || bad "annotations of the dashboard are not used"
  for text in ServiceMonitor:monitors PodMonitor:monitors PrometheusRule:rules grafana_dashboard:dashboard; do
    named --set "monitoring.${text#*:}.enabled=true" >"$work/more.yaml"
    grep -q "${text%:*}" "$work/more.yaml" || bad "monitoring.${text#*:}.enabled alone renders no ${text%:*}"
  done

  named "${on[@]}" --show-only templates/rules.yaml | sed -n '/^spec:/,$ s/^  //p' >"$work/rules.yaml"
  cp "$here/prometheus/alerts.test.yaml" "$work"
  promtool check rules --lint=all --lint-fatal "$work/rules.yaml" || bad "promtool check rules"
  promtool test rules "$work/alerts.test.yaml" || bad "promtool test rules"
  while read -r alert; do
    grep -qx "## $alert" "$here/../docs/runbooks.md" || bad "docs/runbooks.md has no section $alert"
    grep -q "runbook_url: docs/runbooks.md#${alert,,}\$" "$work/rules.yaml" || bad "$alert has no runbook_url of its section"
    grep -q "alertname: $alert\$" "$work/alerts.test.yaml" || bad "$alert has no test"
  done < <(sed -n 's/^ *- alert: //p' "$chart/files/rules.yaml")
  named "${on[@]}" --set monitoring.rules.runbooks=https://example.com/r --show-only templates/rules.yaml >"$work/more.yaml"
  grep -q 'runbook_url: https://example.com/r#kafkaconsumergrouplagging$' "$work/more.yaml" || bad "monitoring.rules.runbooks is not used"

  named "${on[@]}" --show-only templates/dashboard.yaml | sed -n '/^  consumer-group-practice.json: |/,$ s/^    //p' >"$work/dashboard.json"
  diff "$chart/files/dashboard.json" "$work/dashboard.json" >&2 || bad "the rendered dashboard differs from files/dashboard.json"
  # each query is PromQL: as a recording rule, with Grafana's variables filled in
  jq '{groups: [{name: "dashboard", rules: ([.panels[].targets[]?.expr | gsub("\\$__rate_interval"; "5m") | gsub("\\$[a-z]+"; ".*") | {expr: .}] | to_entries | map({record: "query:\(.key)"} + .value))}]}' \
    "$work/dashboard.json" >"$work/queries.yaml" || bad "the dashboard's queries cannot be read"
  promtool check rules "$work/queries.yaml" || bad "a query of the dashboard is no PromQL"
}

# what the kube-apiserver answers, pod security included: a warning is a failure
check_server() {
  kubectl create namespace kafka-practice >/dev/null
  kubectl label namespace kafka-practice pod-security.kubernetes.io/{enforce,warn}=restricted >/dev/null
  local file
  kubectl create priorityclass low --value=-1 >/dev/null
  for file in "$work"/{string,list,other,all}.yaml; do
    kubectl apply -f "$file" --server-side --dry-run=server --force-conflicts --validate=strict --warnings-as-errors >/dev/null || bad "the server refuses $(basename "$file")"
  done
  for file in "$here"/samples/*.yaml; do
    kubectl apply -f "$file" --validate=strict --warnings-as-errors >/dev/null || bad "the server refuses $file"
  done
}

# a server with the CRDs of Prometheus' operator accepts monitors and rules, and refuses a misspelt field
check_monitors() {
  local file right wrong output
  kubectl apply --server-side -f "$CGP_CACHE/monitor-crds" >/dev/null
  kubectl wait --for=condition=Established crd/{servicemonitors,podmonitors,prometheusrules}.monitoring.coreos.com --timeout=60s >/dev/null || bad "the CRDs of Prometheus' operator are not established"
  for file in "$work"/{monitoring,every}.yaml; do
    output=$(offer "$file" 2>&1) || bad "a server with Prometheus' operator refuses $(basename "$file"): $output"
  done
  for right in podMetricsEndpoints: targetLabel: honorLabels: 'interval: 7s' alert: expr:; do
    wrong=${right/e/3}
    sed "s/$right/$wrong/" "$work/every.yaml" >"$work/wrong.yaml"
    ! output=$(offer "$work/wrong.yaml" 2>&1) || bad "the CRDs of Prometheus' operator accept $wrong"
  done
}
# a new CRD takes a moment to be served
offer() {
  local deadline=$((SECONDS + 60)) output
  until output=$(kubectl apply -f "$1" --server-side --dry-run=server --force-conflicts --validate=strict --warnings-as-errors 2>&1); do
    if [[ $output != *"no matches for kind"* ]] || ((SECONDS >= deadline)); then
      echo "$output"
      return 1
    fi
    sleep 0.2
  done
}

# install, change, uninstall: the practices are still there, and it can be installed again, by the same name and by another
check_release() {
  local before after release=(cgp "$chart" -n kafka-practice) other=(second "$chart" -n elsewhere --create-namespace --set kafka.bootstrapServers=kafka:9092)
  kubectl delete crd consumergrouppractices.kafka-practice.dev >/dev/null
  helm install "${release[@]}" --set kafka.bootstrapServers=kafka:9092 >"$work/notes" || bad "helm install"
  grep -q 'kubectl apply -f deploy/samples/practice-3.yaml' "$work/notes" || bad "the notes do not name the next command"
  helm upgrade "${release[@]}" --set kafka.bootstrapServers=other:9092 >/dev/null || bad "helm upgrade"
  helm upgrade "${release[@]}" --reset-then-reuse-values --set policy.default.maxReplicas=7 --set watch.allNamespaces=false >"$work/notes" || bad "helm upgrade with the former values"
  [[ $(kubectl -n kafka-practice get deployment cgp-operator -o jsonpath='{.spec.template.spec.containers[0].env[0].value}') == other:9092 ]] ||
    bad "helm upgrade does not change the operator's Kafka"
  [[ $(kubectl -n kafka-practice get configmap cgp-operator -o jsonpath='{.data}') == *'maxReplicas: 7'* ]] || bad "helm upgrade does not change the policy"
  [[ -z $(kubectl get clusterrole,clusterrolebinding -o name -l app.kubernetes.io/instance=cgp) ]] || bad "watch.allNamespaces=false leaves rights in the whole cluster"
  grep -q 'practice-3.yaml -n kafka-practice' "$work/notes" || bad "the notes do not name the only namespace"
  kubectl wait --for=condition=Established crd/consumergrouppractices.kafka-practice.dev --timeout=30s >/dev/null || bad "the CRD is not established"
  kubectl apply -f "$here/samples" >/dev/null || bad "the server refuses the samples"
  before=$(kubectl get cgp -o name)
  helm uninstall cgp -n kafka-practice >/dev/null 2>&1 || bad "helm uninstall"
  after=$(kubectl get cgp -o name)
  [[ -n $before && $before == "$after" ]] || bad "uninstalling took practices away: $before / $after"
  [[ -z $(kubectl -n kafka-practice get deployment,service,serviceaccount,configmap,role,rolebinding -o name -l app.kubernetes.io/instance=cgp) ]] || bad "uninstalling left objects"
  helm install "${release[@]}" --set kafka.bootstrapServers=kafka:9092 >/dev/null || bad "it cannot be installed again"
  helm uninstall cgp -n kafka-practice >/dev/null 2>&1 || bad "helm uninstall after installing again"

  ! helm install "${other[@]}" >/dev/null 2>"$work/output" || bad "another release takes over the CRD of the first without --take-ownership"
  grep -q 'consumergrouppractices.kafka-practice.dev.*invalid ownership metadata' "$work/output" || bad "another release is refused for another reason: $(cat "$work/output")"
  helm install "${other[@]}" --take-ownership >/dev/null || bad "another release cannot be installed with --take-ownership"
  helm upgrade "${other[@]}" --set logLevel=debug >/dev/null || bad "the CRD is not the other release's"
  helm install "${release[@]}" --set kafka.bootstrapServers=kafka:9092 --set crds.install=false --set watch.allNamespaces=false >/dev/null || bad "no second operator for one namespace"
  [[ $before == "$(kubectl get cgp -o name)" ]] || bad "another release took practices away"
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
  refused "at '/worker/image/digest'" "${ok[@]}" --set worker.image.digest=x
  refused "at '/worker/image/digest'" "${ok[@]}" --set worker.image.digest=0.1.0
  refused "at '/worker/image': additional properties 'name' not allowed" "${ok[@]}" --set worker.image.name=x
  refused "additional properties 'crd' not allowed" "${ok[@]}" --set crd.install=true
  refused "additional properties 'keep' not allowed" "${ok[@]}" --set crds.keep=true
  refused "at '/worker/image/repository'" "${ok[@]}" --set worker.image.repository=Kafka/Worker
  refused "at '/worker/image/repository'" "${ok[@]}" --set worker.image.repository=
  refused "at '/producer/image/repository'" "${ok[@]}" --set producer.image.repository=registry.example.com/producer:0.1.0
  refused "at '/image/registry'" "${ok[@]}" --set image.registry=https://registry.example.com
  refused "at '/image': additional properties 'repository' not allowed" "${ok[@]}" --set image.repository=a
  refused "at '/producer/image': additional properties 'registry' not allowed" "${ok[@]}" --set producer.image.registry=registry.example.com
  refused 'image.registry is empty, and the repository "operator" names no registry' "${ok[@]}" --set image.registry=
  refused 'image.registry: the repository "a:5000/worker" has its own registry' "${ok[@]}" --set worker.image.repository=a:5000/worker
  refused "at '/operator/image/tag'" "${ok[@]}" --set operator.image.tag=a:b
  refused "additional properties 'resources' not allowed" "${ok[@]}" --set resources.limits.memory=1Gi
  refused "at '/operator/resources/limits/memory'" "${ok[@]}" --set operator.resources.limits.memory=plenty
  refused "at '/worker/resources': additional properties 'memory' not allowed" "${ok[@]}" --set worker.resources.memory=1Gi
  refused "at '/worker/resources/limits': additional properties 'gpu' not allowed" "${ok[@]}" --set worker.resources.limits.gpu=1
  refused "at '/worker/imagePullSecrets': got string" "${ok[@]}" --set worker.imagePullSecrets=mirror
  refused "at '/worker/nodeSelector/gpu': got boolean" "${ok[@]}" --set worker.nodeSelector.gpu=true
  refused "at '/worker/tolerations/0': additional properties 'efect' not allowed" "${ok[@]}" --set 'worker.tolerations[0].efect=NoSchedule'
  refused "at '/worker/affinity': additional properties 'nodeAfinity' not allowed" "${ok[@]}" --set worker.affinity.nodeAfinity.x=1
  refused "at '/worker': additional properties 'priorityClass' not allowed" "${ok[@]}" --set worker.priorityClass=low
  refused "at '/worker/labels/team': got number" "${ok[@]}" --set worker.labels.team=1
  refused 'worker.labels: kafka-practice.dev/group is set by the chart or the operator' "${ok[@]}" --set 'worker.labels.kafka-practice\.dev/group=x'
  refused 'operator.labels: app.kubernetes.io/component is set by the chart or the operator' "${ok[@]}" --set 'operator.labels.app\.kubernetes\.io/component=x'
  refused "at '/view/enabled': got string" "${ok[@]}" --set view.enabled=perhaps
  refused "at '/view/actions': got number" "${ok[@]}" --set view.actions=1
  refused "at '/view': additional properties 'action' not allowed" "${ok[@]}" --set view.action=true
  refused "at '/view': additional properties 'listen' not allowed" "${ok[@]}" --set view.listen=0.0.0.0:8080
  refused "additional properties 'watchNamespace' not allowed" "${ok[@]}" --set watchNamespace=a
  refused "at '/watch/allNamespaces': got string" "${ok[@]}" --set watch.allNamespaces=no
  refused "additional properties 'policies' not allowed" "${ok[@]}" --set policies.default.maxReplicas=1
  refused "at '/policy': additional properties 'defaults' not allowed" "${ok[@]}" --set policy.defaults.maxReplicas=1
  refused "at '/policy/default': additional properties 'maxPartition' not allowed" "${ok[@]}" --set policy.default.maxPartition=1
  refused "at '/policy/default/maxPartitions': minimum: got -1" "${ok[@]}" --set policy.default.maxPartitions=-1
  refused "at '/policy/default/maxReplicas': got string" "${ok[@]}" --set-string policy.default.maxReplicas=5
  refused "at '/policy/default/topicPrefixes': got string" "${ok[@]}" --set policy.default.topicPrefixes=lab-
  refused "at '/policy/default/topicPrefixes/0': '' does not match" "${ok[@]}" --set-json 'policy.default.topicPrefixes=[""]'
  refused "at '/policy/default/topicPrefixes/0': 'a b' does not match" "${ok[@]}" --set-json 'policy.default.topicPrefixes=["a b"]'
  refused 'policy.default.topicPrefixes[1]: prefix "{team}." has a brace that is not part of {namespace}: remove it, or write {namespace}' "${ok[@]}" --set-json 'policy.default.topicPrefixes=["{namespace}.","{team}."]'
  refused 'policy.namespaces.lab.groupPrefixes[0]: prefix "{{namespace}}." has a brace' "${ok[@]}" --set-json 'policy.namespaces.lab.groupPrefixes=["{{namespace}}."]'
  refused "at '/rbac/aggregateClusterRoles': got string" "${ok[@]}" --set rbac.aggregateClusterRoles=no
  refused "at '/rbac': additional properties 'create' not allowed" "${ok[@]}" --set rbac.create=true
  refused "at '/policy/default/allowedBootstrapServers/0': 'kafka' does not match" "${ok[@]}" --set 'policy.default.allowedBootstrapServers={kafka}'
  refused "additional properties 'monitoring.rules' not allowed" "${ok[@]}" --set 'monitoring\.rules.enabled=true'
  refused "at '/monitoring': additional properties 'alerts' not allowed" "${ok[@]}" --set monitoring.alerts.enabled=true
  refused "at '/monitoring/rules/enabled': got string" "${ok[@]}" --set monitoring.rules.enabled=perhaps
  refused "at '/monitoring/rules/runbooks'" "${ok[@]}" --set 'monitoring.rules.runbooks=a#b'
  refused "at '/monitoring/monitors/interval'" "${ok[@]}" --set monitoring.monitors.interval=soon
  refused "at '/monitoring/monitors/labels/team': got number" "${ok[@]}" --set monitoring.monitors.labels.team=1
  refused "at '/monitoring/dashboard/annotations/x': got number" "${ok[@]}" --set monitoring.dashboard.annotations.x=1
  refused 'monitoring.dashboard.labels: app.kubernetes.io/name is set by the chart' "${ok[@]}" --set monitoring.dashboard.enabled=true --set 'monitoring.dashboard.labels.app\.kubernetes\.io/name=x'
  refused "at '/policy/namespaces/team': additional properties 'topicPrefix' not allowed" "${ok[@]}" --set policy.namespaces.team.topicPrefix=a
  refused "at '/policy/namespaces': additional properties 'Team_A' not allowed" "${ok[@]}" --set policy.namespaces.Team_A.maxReplicas=1
}

apiserver_start "$work"
named --show-only templates/crd.yaml | kubectl apply --server-side -f - >/dev/null || die "the kube-apiserver refuses the CRD"
schema api/v1 Service
schema api/v1 ServiceAccount
schema api/v1 ConfigMap
schema api/v1 Pod
schema apis/apps/v1 Deployment
for kind in ClusterRole ClusterRoleBinding Role RoleBinding; do schema apis/rbac.authorization.k8s.io/v1 $kind; done
schema apis/apiextensions.k8s.io/v1 CustomResourceDefinition
schema apis/kafka-practice.dev/v1alpha1 ConsumerGroupPractice
check_renders
check_values
check_monitoring
check_server
check_monitors
check_release
check_refusals
((failures == 0)) || die "$failures of the chart's checks failed"
say "the chart renders, conforms to Kubernetes $kube_version, is accepted by it, and refuses what it must"
