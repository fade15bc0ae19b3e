#!/usr/bin/env bash
# Shows that node.sh does what the project relies on: comes up once, runs restricted pods with DNS, Services, logs, limits and Kafka, stops and starts a broker, counts writes, and goes without a trace.
# Uses a node of its own beside one that may be up (other ports, CGP_HOME=/tmp/cgp-node-test). KAFKA_BROKERS=3 tests three. Needs root and the cache of setup.sh; about a minute.
# Leaves nothing; when a check fails it says which, takes the node down and exits 1.
# shellcheck source-path=SCRIPTDIR
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
export CGP_HOME=/tmp/cgp-node-test CGP_PORT_API=26443 CGP_PORT_KAFKA=29094 KAFKA_BROKERS=${KAFKA_BROKERS:-1}
source "$here/lib/common.sh"
node_sh() { "$here/node.sh" "$@"; }
work=$(mktemp -d)
forward=
trap 'kill $forward 2>/dev/null || true; node_sh down 2>/dev/null || true; rm -rf "$work"' EXIT

failed=0
check() { # WHAT FOUND WANTED: FOUND contains WANTED
  if [[ $2 == *"$3"* ]]; then echo "ok    $1"; else
    echo "FAIL  $1: found '$2', wanted '$3'"
    failed=1
  fi
}
eventually() { # SECONDS COMMAND...
  local end=$((SECONDS + $1))
  shift
  until "$@" >/dev/null 2>&1; do
    ((SECONDS < end)) || return 1
    sleep 0.2
  done
}
k() { KUBECACHEDIR=$work "$bin/kubectl" -n test "$@"; }

# --- up ---
node_sh snapshot "$work/before"
output=$(node_sh up)
check "up prints nothing but exports" "$(grep -vc '^export [A-Z_]*=' <<<"$output" || true)" 0
eval "$output"
check "up again is quick and says the same" "$(node_sh up 2>/dev/null)" "$output"
other=$((KAFKA_BROKERS == 1 ? 3 : 1))
check "another number of brokers is refused" "$(KAFKA_BROKERS=$other node_sh up 2>&1 >/dev/null || echo "exit $?")" "exit 1"
check "a taken port is named with the way out" "$(CGP_HOME=$work/second node_sh up 2>&1 || true)" "choose another with CGP_PORT_API"

# --- pods ---
node_sh load "$CGP_CACHE/probe.tar"
k create -f - >"$work/created" <<'END'
apiVersion: v1
kind: Namespace
metadata: {name: test, labels: {pod-security.kubernetes.io/enforce: restricted}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: probe, namespace: test}
spec:
  replicas: 2
  selector: {matchLabels: {app: probe}}
  template:
    metadata: {labels: {app: probe}}
    spec:
      automountServiceAccountToken: false
      terminationGracePeriodSeconds: 2
      securityContext: {runAsNonRoot: true, runAsUser: 65532, seccompProfile: {type: RuntimeDefault}}
      containers:
        - name: probe
          image: localhost/probe:1
          imagePullPolicy: IfNotPresent
          ports: [{containerPort: 8080, name: http}]
          readinessProbe: {httpGet: {path: /, port: http}, periodSeconds: 1}
          resources: {limits: {memory: 64Mi}, requests: {memory: 16Mi, cpu: 10m}}
          securityContext: {allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: {drop: [ALL]}}
---
apiVersion: v1
kind: Service
metadata: {name: probe, namespace: test}
spec: {selector: {app: probe}, ports: [{port: 80, targetPort: http}]}
END
k rollout status deployment/probe --timeout=60s >/dev/null
check "restricted pods run" "$(k get deployment probe -o jsonpath='{.status.readyReplicas}')" 2
check "a privileged pod is refused" "$(k run bad --image=localhost/probe:1 --privileged 2>&1 || true)" 'violates PodSecurity "restricted'

pod=$(k get pods -l app=probe -o jsonpath='{.items[0].metadata.name}')
port=28081
k port-forward "pod/$pod" $port:8081 >"$work/forward" 2>&1 &
forward=$!
probe() { curl -s -m 30 --get "http://localhost:$port/$1" "${@:2}"; }
check "port-forward reaches a listener on the pod's loopback" "$(eventually 20 probe '' && probe '')" "$pod"
for _ in $(seq 20); do probe get --data-urlencode url=http://probe.test.svc.cluster.local/; done >"$work/names"
check "DNS and a Service, also to itself, reach both pods every time" "$(sort "$work/names" | uniq -c | awk '{n += $1} END {print n " answers of " NR}')" "20 answers of 2"
check "logs -f follows" "$(timeout 3 "$bin/kubectl" -n test logs -f "$pod" 2>&1 || true)" "probe is up"
for address in ${BOOTSTRAP//,/ }; do check "a pod reaches Kafka at $address" "$(probe kafka --data-urlencode "at=$address")" "requests known: "; done
probe alloc -d mb=200 >/dev/null || true
# shellcheck disable=SC2317 # eventually calls it
oom() { [[ $(k get pod "$pod" -o jsonpath='{.status.containerStatuses[0].lastState.terminated.reason}') == OOMKilled ]]; }
check "a pod above its memory limit is OOMKilled" "$(eventually 20 oom && echo OOMKilled)" OOMKilled

# --- Kafka: a record written before a stop is there after a start ---
tool() { java -Xmx128m -cp "$CGP_CACHE/kafka/*" "$@" 2>>"$work/tool.log"; }
tool org.apache.kafka.tools.TopicCommand --bootstrap-server "$BOOTSTRAP_HOST" --create --topic kept --partitions 1 --replication-factor $((KAFKA_BROKERS == 1 ? 1 : 3)) >/dev/null
tool org.apache.kafka.tools.ProducerPerformance --topic kept --num-records 10 --record-size 10 --throughput -1 --bootstrap-server "$BOOTSTRAP_HOST" >/dev/null
node_sh kafka 1 stop
check "a stopped broker is gone" "$(node_sh in ss -Hltn 'sport = :9094' | wc -l)" 0
node_sh kafka 1 start
check "a broker that was started again has its records" "$(tool org.apache.kafka.tools.GetOffsetShell --bootstrap-server "$BOOTSTRAP_HOST" --topic kept)" "kept:0:10"

# --- audit ---
k create serviceaccount writer >/dev/null
k create rolebinding writer --clusterrole=edit --serviceaccount=test:writer >/dev/null
as_writer() { k --kubeconfig /dev/null --server "https://127.0.0.1:$CGP_PORT_API" --insecure-skip-tls-verify --token "$token" "$@" >/dev/null; }
token=$(k create token writer)
eventually 10 as_writer get configmaps
as_writer create configmap a
as_writer annotate configmap a seen=1
as_writer get configmaps
as_writer delete configmap a
check "the audit counts three writes and no read" "$(node_sh audit test writer 2>/dev/null)" 3

# --- down ---
kill $forward
forward=
node_sh down
node_sh down
node_sh snapshot "$work/after"
check "nothing is left on the host" "$(diff -r "$work/before" "$work/after" && echo the same)" "the same"
exit $failed
