#!/usr/bin/env bash
# Measures what a workshop takes on the node: practice 3 in a namespace for each learner, names prefixed with the namespace, at rest and with 3 messages a second each.
# Usage: workshop.sh LEARNERS [SECONDS of each measurement, 60]. Needs the node of `make node` with the release `cgp` and its images, and root.
# stdout is a row of docs/workshop.md for each state. Leaves nothing: the namespaces learner-1... are deleted at its end, however it ends; their topics stay in the node's Kafka.
# shellcheck source-path=SCRIPTDIR
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
source "$here/lib/common.sh"
source "$here/lib/cgroup.sh"

learners=${1:-} window=${2:-60}
[[ $learners =~ ^[1-9][0-9]?$ ]] || die "LEARNERS is '$learners': write a number from 1 to 99"
[[ $window =~ ^[1-9][0-9]{0,2}$ ]] || die "SECONDS is '$window': write a number from 1 to 999"
require_root
require jq:jq
eval "$("$here/node.sh" env)"
node=$(kubectl get nodes -o jsonpath='{.items[0].metadata.name}')
sample=$here/../samples/practice-3.yaml
namespaces=()
for ((n = 1; n <= learners; n++)); do namespaces+=("learner-$n"); done

pods=$(kubectl create --dry-run=client -o json -f "$sample" | jq '([.spec.groups[] | .replicas, (.variants // [])[].replicas] | add) + 1')
room=$(($(kubectl get node "$node" -o jsonpath='{.status.allocatable.pods}') - $(kubectl get pods -A -o name | wc -l)))
((learners * pods <= room)) || die "$learners learners need $((learners * pods)) pods and the node has room for $room: use at most $((room / pods)) learners"

finish() {
  kubectl delete namespace "${namespaces[@]}" --ignore-not-found --timeout=300s >/dev/null || say "namespaces learner-... are left: delete them with kubectl"
}
trap finish EXIT
trap 'exit 130' INT TERM

# the programs of the node, a line `NAME MiB CPU-SECONDS` each
programs() {
  local hierarchies pid
  mapfile -t hierarchies < <(cgroup_hierarchies)
  while read -r pid; do # a program may end meanwhile
    awk -v page="$(getconf PAGESIZE)" -v ticks="$(getconf CLK_TCK)" '{name = $0; sub(/^[^(]*\(/, "", name); sub(/\).*/, "", name); sub(/.*\) /, ""); print (name == "java" ? "kafka" : "node"), $22 * page / 1048576, ($12 + $13) / ticks}' "/proc/$pid/stat" 2>/dev/null || true
  done <"${hierarchies[0]}/$cgroup/system/cgroup.procs"
}
# the pods as the kubelet reports them, and the programs, added up: a line `learners|operator|kafka|node NUMBER MiB CPU-SECONDS` each
usage() {
  {
    kubectl get --raw "/api/v1/nodes/$node/proxy/stats/summary?only_cpu_and_memory=true" | jq -r '
      .pods[] | (.podRef.namespace | if startswith("learner-") then "learners" elif . == "kafka-practice" then "operator" else "other" end) as $name
      | "\($name) \((.memory.workingSetBytes // 0) / 1048576) \((.cpu.usageCoreNanoSeconds // 0) / 1e9)"'
    programs
  } | awk '{number[$1]++; mib[$1] += $2; cpu[$1] += $3} END {for (name in mib) print name, number[name], mib[name], cpu[name]}' | sort
}
# row STATE: what is used, memory at the end and CPU over the window
row() {
  local before after begun
  before=$(usage) begun=$(date +%s%N)
  sleep "$window"
  after=$(usage)
  join <(echo "$before") <(echo "$after") | awk -v learners="$learners" -v state="$1" -v ns="$(($(date +%s%N) - begun))" '
    {number[$1] = $5; mib[$1] = $6; m[$1] = ($7 - $4) / ns * 1e12}
    END {printf "| %d | %s | %d | %d MiB | %d MiB | %d MiB | %d MiB | %dm | %dm | %dm | %dm |\n", learners, state, number["learners"],
      mib["learners"], mib["operator"], mib["kafka"], mib["node"], m["learners"], m["operator"], m["kafka"], m["node"]}'
}

say "$learners namespaces, $((learners * pods)) pods"
begun=$SECONDS
for namespace in "${namespaces[@]}"; do
  kubectl create namespace "$namespace" >/dev/null
  sed "s/^    - name: /&$namespace./" "$sample" | kubectl apply -n "$namespace" -f - >/dev/null
done
for namespace in "${namespaces[@]}"; do
  kubectl wait -n "$namespace" --for=condition=Ready cgp/practice-3 --timeout=600s >/dev/null || die "practice-3 of $namespace is not Ready: see kubectl get cgp -A -o wide"
done
say "all are Ready after $((SECONDS - begun)) s"
sleep 30 # until programs that have just started are at rest
row "at rest"
for namespace in "${namespaces[@]}"; do
  kubectl patch -n "$namespace" cgp practice-3 --type=merge -p '{"spec":{"producer":{"load":{"messagesPerSecond":3}}}}' >/dev/null
done
for namespace in "${namespaces[@]}"; do
  kubectl rollout status -n "$namespace" deployment/practice-3-producer --timeout=600s >/dev/null
done
row "3 messages a second each"
unready=$(kubectl get cgp -A -o json | jq -r '.items[] | select(.metadata.namespace | startswith("learner-")) | select(any(.status.conditions[]; .type == "Ready" and .status == "True") | not) | .metadata.namespace')
[[ -z $unready ]] || die "not Ready after the measurement: ${unready//$'\n'/ }"
