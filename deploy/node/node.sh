#!/usr/bin/env bash
# A real single-node Kubernetes and a real Kafka in namespaces of their own: no Docker, no bridge or rule on the host, only loopback ports (api 16443, Kafka 19094...).
# Verbs: up | down | status | env | load ARCHIVE | images | audit NAMESPACE SERVICEACCOUNT | kafka N|all start|stop|kill | rss | in COMMAND... | within COMMAND... | snapshot DIRECTORY.
# `up` prints the exports for your shell and leaves the daemons running with all they write in ${CGP_HOME:-/tmp/cgp-node}; `down` leaves nothing. KAFKA_BROKERS=1|3, ports by CGP_PORT_API and CGP_PORT_KAFKA. Needs root and the cache of setup.sh.
# shellcheck source-path=SCRIPTDIR
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
source "$here/lib/common.sh"
source "$here/lib/cgroup.sh"
source "$here/lib/config.sh"
source "$here/lib/kafka.sh"
source "$here/lib/snapshot.sh"

node_name=cgp
node_ip=10.201.0.1
pod_range=10.201.0.0/24
service_range=10.202.0.0/16
apiserver_service=10.202.0.1

# --- the running node ---

# what `up` was asked for; a node that runs has its own word
wanted_brokers=${KAFKA_BROKERS:-}
read_settings() {
  local name value
  KAFKA_BROKERS=${wanted_brokers:-1} CGP_PORT_API=${CGP_PORT_API:-16443} CGP_PORT_KAFKA=${CGP_PORT_KAFKA:-19094}
  check_home
  if [[ -r $CGP_HOME/settings ]]; then
    while IFS='=' read -r name value; do
      case $name in KAFKA_BROKERS | CGP_PORT_API | CGP_PORT_KAFKA) printf -v "$name" %s "$value" ;; *) die "$CGP_HOME/settings has '$name', which is no setting: remove $CGP_HOME" ;; esac
    done <"$CGP_HOME/settings"
  fi
  for name in KAFKA_BROKERS CGP_PORT_API CGP_PORT_KAFKA; do
    [[ ${!name} =~ ^[1-9][0-9]{0,4}$ ]] || die "$name=${!name}: write a number"
  done
}

# what lies in the home is read and run as root, so nobody else may have written it, or may put another directory in its place
check_home() {
  local owner mode path above=${CGP_HOME%/*}
  [[ $CGP_HOME == /* ]] || die "CGP_HOME=$CGP_HOME: write a path from the root"
  [[ ! -L $CGP_HOME ]] || die "$CGP_HOME is a link: remove it, or set CGP_HOME to another directory"
  for path in "${above:-/}" "$CGP_HOME"; do
    [[ -e $path ]] || continue
    read -r owner mode < <(stat -L -c '%u %a' "$path")
    if [[ -d $path && $owner == 0 ]]; then
      ((8#$mode & 8#22)) || continue
      # in a directory like /tmp (sticky) only its owner, or that of the entry, replaces an entry
      [[ $path == "$CGP_HOME" ]] || ((!(8#$mode & 8#1000))) || continue
    fi
    die "$path is not a directory that only root writes (owner $owner, mode $mode): $([[ $path != "$CGP_HOME" ]] || echo "remove it, or ")set CGP_HOME to another place"
  done
}

init_pid() { # the host's pid of PID 1 of the node, only while it is that very process
  local pid
  pid=$(cat "$CGP_HOME/init.pid" 2>/dev/null) && [[ -n $pid && $(tr '\0' ' ' <"/proc/$pid/cmdline") == *"$CGP_HOME/init.sh $CGP_HOME "* ]] && echo "$pid"
} 2>/dev/null
is_up() { [[ -e $CGP_HOME/up ]] && init_pid >/dev/null; }
must_be_up() { is_up || die "no node is up in $CGP_HOME: bring one up with 'make node'"; }

inside() { nsenter -t "$(init_pid)" -n -- "$@"; }                # its network, the host's files: for benchmarks and curl
within() { sysroot nsenter -t "$(init_pid)" -m -u -i -n -p -- "$@"; } # all of it: for ctr, nft and kill
spawn() { echo "$*" >>"$CGP_HOME/ctl"; }                         # NAME COMMAND, started by init.sh
k() { KUBECACHEDIR=$CGP_HOME/kube-cache KUBECONFIG=$CGP_HOME/kubeconfig "$bin/kubectl" "$@"; }

alive() { # NAME: a program that was spawned still runs
  local pid
  pid=$(cat "$CGP_HOME/pid/$1" 2>/dev/null) && within grep -qs '^State:.[^ZX]' "/proc/$pid/status"
}
gone() { ! alive "$1"; }
poll() { # SECONDS COMMAND...: until it succeeds
  local end=$((SECONDS + $1))
  shift
  until "$@" >/dev/null 2>&1; do
    ((SECONDS < end)) || return 1
    sleep 0.1
  done
}
wait_for() { # SECONDS WHAT PROGRAM COMMAND...: until it succeeds; fails early when the program has ended
  local end=$((SECONDS + $1)) what=$2 program=$3 tries=0
  shift 3
  until "$@" >/dev/null 2>&1; do
    if ((++tries % 30 == 0)) && ! alive "$program"; then die_of "$program" "no $what, $program has ended"; fi
    ((SECONDS < end)) || die_of "$program" "no $what in time"
    sleep 0.1
  done
}
logs=$CGP_HOME/log # where a message sends its reader: `up` moves them when it fails
die_of() { # LOG MESSAGE: with the last lines of that log
  tail -n 5 "$CGP_HOME/log/$1.log" | cut -c1-300 | sed "s|^|  $1: |" >&2
  die "$2; read $logs/$1.log"
}

# --- up ---

up() {
  require_root
  case $wanted_brokers in '' | 1 | 3) ;; *) die "KAFKA_BROKERS=$wanted_brokers: set it to 1 or 3" ;; esac
  if is_up; then
    [[ ${wanted_brokers:-$KAFKA_BROKERS} == "$KAFKA_BROKERS" ]] ||
      die "a node with KAFKA_BROKERS=$KAFKA_BROKERS is up and KAFKA_BROKERS=$wanted_brokers was asked for: take it down first with 'make node-down', or ask for $KAFKA_BROKERS"
    say "already up, $KAFKA_BROKERS Kafka broker(s)"
    return
  fi
  require unshare:util-linux nsenter:util-linux setsid:util-linux ip:iproute2 ss:iproute2 jq:jq curl:curl openssl:openssl java:default-jre-headless
  check_host
  mkdir -m 700 "$CGP_HOME" || die "cannot make $CGP_HOME: set CGP_HOME to a directory that can be made"
  trap up_failed EXIT
  trap 'exit 130' INT TERM HUP
  set -E
  trap 'say "failed: $BASH_COMMAND (${BASH_SOURCE##*/} line $LINENO)"' ERR
  began=${EPOCHREALTIME/[.,]/}
  logs=$CGP_CACHE/failed-up
  printf '%s=%s\n' KAFKA_BROKERS "$KAFKA_BROKERS" CGP_PORT_API "$CGP_PORT_API" CGP_PORT_KAFKA "$CGP_PORT_KAFKA" >"$CGP_HOME/settings"
  echo $$ >"$CGP_HOME/starter"
  mkdir "$CGP_HOME/log" "$CGP_HOME/pid"
  write_pki
  write_containerd
  write_kubernetes
  write_kafka
  start_namespaces
  start_forwarder
  start_programs
  touch "$CGP_HOME/up"
  trap - EXIT INT TERM HUP ERR
}
elapsed() { say "$(((${EPOCHREALTIME/[.,]/} - began) / 1000)) ms: $*"; }

up_failed() {
  trap - EXIT INT TERM HUP ERR
  set +e
  # shellcheck disable=SC2046 # one word for each job
  kill $(jobs -p) 2>/dev/null
  rm -rf "$logs"
  mv "$CGP_HOME/log" "$logs"
  say "up failed, taking down what was started; the logs are kept in $logs"
  down
  exit 1
}

check_host() {
  local path n port ports=("$CGP_PORT_API") owner
  for path in kube-apiserver kubelet coredns fwd; do [[ -e $bin/$path ]] || die "$bin/$path is missing: fill the cache with '$here/setup.sh all'"; done
  for path in "$CGP_CACHE/kafka" "$CGP_CACHE/pause.tar" "$root/usr/bin/containerd"; do [[ -e $path ]] || die "$path is missing: fill the cache with '$here/setup.sh all'"; done
  for path in CGP_CACHE CGP_HOME; do
    case ${!path} in /run/* | /var/lib/* | /var/log/* | /sys/* | /proc/*) die "$path=${!path} lies where the node mounts something of its own: choose another place" ;; esac
  done
  if [[ -e $CGP_HOME ]]; then
    [[ -e $CGP_HOME/settings ]] || die "$CGP_HOME exists and is not a node's: remove it, or set CGP_HOME to another directory"
    [[ -e $CGP_HOME/up ]] || ! kill -0 "$(cat "$CGP_HOME/starter")" 2>/dev/null || die "another 'up' (process $(cat "$CGP_HOME/starter")) is bringing this node up: wait for it"
    say "removing what is left of a node that ended"
    down
  fi
  ((CGP_PORT_KAFKA > 9096 || CGP_PORT_KAFKA < 9080)) || die "CGP_PORT_KAFKA=$CGP_PORT_KAFKA: 9094 and its neighbours are what pods use, choose one outside 9080 to 9096"
  for n in $(seq "$KAFKA_BROKERS"); do ports+=("$(kafka_host_port "$n")"); done
  for port in "${ports[@]}"; do
    owner=$(ss -Hltnp "sport = :$port" | sed -n 's/.*users:((\(.*\))).*/\1/p' | head -n 1)
    [[ -z $(ss -Hltn "sport = :$port") ]] ||
      die "port $port of this machine is taken${owner:+ by $owner}: choose another with $([[ $port == "$CGP_PORT_API" ]] && echo CGP_PORT_API=PORT || echo "CGP_PORT_KAFKA=PORT (the first of $KAFKA_BROKERS)")"
  done
}

close_inherited() { # daemons keep nothing of the caller: a pipe that stays open would hang `eval "$(make -s node)"`
  local fd
  for fd in /proc/"$BASHPID"/fd/*; do
    fd=${fd##*/}
    ((fd <= 2 || fd == 255)) || eval "exec $fd>&-"
  done
}

start_namespaces() {
  local unshare_pid
  cp "$here/init.sh" "$CGP_HOME/init.sh"
  mkfifo "$CGP_HOME/ctl"
  cgroups_make
  (
    cgroups_join "$BASHPID"
    close_inherited
    # a clean environment: proxies and locales of the caller are not the node's
    exec env -i HOME=/root LANG=C.UTF-8 PATH="$root/usr/sbin:$root/usr/bin:$PATH" LD_LIBRARY_PATH="$sysroot_libs" \
      setsid unshare --mount --pid --net --ipc --uts --fork --kill-child --mount-proc --propagation private \
      bash "$CGP_HOME/init.sh" "$CGP_HOME" "$node_name" "$node_ip" "$service_range"
  ) </dev/null >"$CGP_HOME/log/init.log" 2>&1 &
  unshare_pid=$!
  poll 20 test -e "$CGP_HOME/ready" || die_of init "the namespaces did not come up"
  tr -d ' ' <"/proc/$unshare_pid/task/$unshare_pid/children" >"$CGP_HOME/init.pid"
  init_pid >/dev/null || die_of init "PID 1 of the node is not there"
  elapsed "namespaces"
}

start_forwarder() {
  local n forwards=("127.0.0.1:$CGP_PORT_API=127.0.0.1:6443")
  for n in $(seq "$KAFKA_BROKERS"); do forwards+=("127.0.0.1:$(kafka_host_port "$n")=127.0.0.1:$(kafka_host_port "$n")"); done
  (
    close_inherited
    exec setsid "$bin/fwd" "/proc/$(init_pid)/ns/net" "${forwards[@]}"
  ) </dev/null >"$CGP_HOME/log/fwd.log" 2>&1 &
  echo $! >"$CGP_HOME/fwd.pid"
  poll 10 forwarder_listens || die_of fwd "the forwarder does not listen"
}
forwarder_listens() { (exec 3<>"/dev/tcp/127.0.0.1/$CGP_PORT_API"); }

start_programs() {
  local n pid formats=()
  for n in $(seq "$KAFKA_BROKERS"); do # while etcd and the apiserver start
    kafka_format "$n" &
    formats+=($!)
  done
  spawn etcd etcd --data-dir /run/etcd --log-level warn --logger zap
  spawn kube-apiserver "$bin/kube-apiserver" --etcd-servers=http://127.0.0.1:2379 --advertise-address="$node_ip" --secure-port=6443 --service-cluster-ip-range="$service_range" \
    --client-ca-file="$pki/ca.crt" --tls-cert-file="$pki/apiserver.crt" --tls-private-key-file="$pki/apiserver.key" \
    --kubelet-client-certificate="$pki/admin.crt" --kubelet-client-key="$pki/admin.key" --kubelet-preferred-address-types=InternalIP \
    --service-account-key-file="$pki/sa.pub" --service-account-signing-key-file="$pki/sa.key" --service-account-issuer=https://kubernetes.default.svc \
    --authorization-mode=Node,RBAC --enable-admission-plugins=NodeRestriction --allow-privileged=true \
    --audit-policy-file="$CGP_HOME/audit-policy.yaml" --audit-log-path="$CGP_HOME/audit.log" --audit-log-mode=blocking
  spawn containerd containerd --config "$CGP_HOME/containerd.toml"
  for pid in "${formats[@]}"; do wait "$pid" || exit 1; done
  # shellcheck disable=SC2046 # one word for each broker
  kafka_start $(seq "$KAFKA_BROKERS") &
  pid=$!
  wait_for 120 "apiserver" kube-apiserver k get --raw /readyz
  elapsed "apiserver ready"

  k create clusterrolebinding cgp-node-proxy --clusterrole=system:node-proxier --user=system:kube-proxy >/dev/null
  # a role of its own: `view` is empty until the controller-manager has aggregated it
  k create clusterrole cgp-node-dns --verb=list,watch --resource=services,namespaces,endpointslices.discovery.k8s.io >/dev/null
  k create clusterrolebinding cgp-node-dns --clusterrole=cgp-node-dns --user=system:coredns >/dev/null
  spawn kube-controller-manager "$bin/kube-controller-manager" --kubeconfig="$CGP_HOME/kube-controller-manager.kubeconfig" --leader-elect=false --use-service-account-credentials \
    --service-account-private-key-file="$pki/sa.key" --root-ca-file="$pki/ca.crt" --cluster-signing-cert-file="$pki/ca.crt" --cluster-signing-key-file="$pki/ca.key" \
    --bind-address=127.0.0.1 --flex-volume-plugin-dir="$CGP_HOME/volume-plugins"
  spawn kube-scheduler "$bin/kube-scheduler" --kubeconfig="$CGP_HOME/kube-scheduler.kubeconfig" --leader-elect=false --bind-address=127.0.0.1
  wait_for 60 "containerd" containerd within ctr version
  load "$CGP_CACHE/pause.tar"
  spawn kubelet "$bin/kubelet" --config="$CGP_HOME/kubelet.yaml" --kubeconfig="$CGP_HOME/kubelet.kubeconfig" --hostname-override="$node_name" --node-ip="$node_ip" \
    --root-dir="$CGP_HOME/kubelet" --cert-dir="$CGP_HOME/kubelet-pki"
  spawn kube-proxy "$bin/kube-proxy" --config="$CGP_HOME/kube-proxy.yaml"
  spawn coredns "$bin/coredns" -conf "$CGP_HOME/Corefile"
  wait_for 120 "Ready node" kubelet k wait --for=condition=Ready "node/$node_name" --timeout=1s
  elapsed "node Ready"
  wait_for 60 "default ServiceAccount" kube-controller-manager k get serviceaccount default
  wait_for 60 "DNS" coredns inside curl -sf http://127.0.0.1:8181/ready
  elapsed "DNS ready"
  wait "$pid" || exit 1
  elapsed "Kafka ready, $KAFKA_BROKERS broker(s)"
}

# --- the other verbs ---

print_env() {
  local path
  echo "export KUBECONFIG=$CGP_HOME/kubeconfig"
  echo "export BOOTSTRAP=$(kafka_list "$node_ip" kafka_pod_port)"
  echo "export BOOTSTRAP_HOST=$(kafka_list 127.0.0.1 kafka_host_port)"
  # only what this machine lacks: the cache comes last, so nothing of the machine is hidden
  path=$(tr ':' '\n' <<<"$PATH" | grep -vxF "$bin" | paste -sd:)
  if ! PATH=$path command -v kubectl >/dev/null || ! PATH=$path command -v helm >/dev/null; then printf 'export PATH=%q\n' "$path:$bin"; fi
}

down() {
  local pid ended=()
  require_root
  if [[ ! -e $CGP_HOME/settings ]]; then
    say "no node in $CGP_HOME"
    return
  fi
  pid=$(cat "$CGP_HOME/fwd.pid" 2>/dev/null) && grep -qsF "$bin/fwd" "/proc/$pid/cmdline" && kill "$pid" && ended+=("$pid")
  pid=$(init_pid) && kill -KILL "$pid" && ended+=("$pid")
  for pid in "${ended[@]}"; do while grep -qs '^State:.[^Z]' "/proc/$pid/status"; do sleep 0.05; done; done
  cgroups_remove
  rm -rf --one-file-system "$CGP_HOME"
  say "down"
}

status() {
  [[ ! -e $CGP_HOME || -x $CGP_HOME ]] || require_root
  if ! is_up; then
    echo "down: no node in $CGP_HOME"
    return 1
  fi
  echo "up: $CGP_HOME, KAFKA_BROKERS=$KAFKA_BROKERS, apiserver on 127.0.0.1:$CGP_PORT_API, Kafka on $(kafka_list 127.0.0.1 kafka_host_port)"
  k get nodes,pods -A -o wide
}

load() { within ctr -n k8s.io images import "$1" >/dev/null; }

images() { # NAME ID of each image that was loaded; the id is the one in a pod's status.containerStatuses[].imageID
  local name digest
  within ctr -n k8s.io images ls | awk 'NR > 1 && $1 !~ /^sha256:/ {print $1, $3}' | while read -r name digest; do
    echo "$name $(within ctr -n k8s.io content get "$digest" </dev/null | jq -r .config.digest)"
  done
}

audit() { # the number on stdout, what they were on stderr
  jq -rR --arg user "system:serviceaccount:$1:$2" 'fromjson? | select(.user.username == $user and (.verb | IN("get", "list", "watch") | not)) | "\(.verb) \(.objectRef.resource)\(if .objectRef.subresource then "/" + .objectRef.subresource else "" end) \(.responseStatus.code)"' "$CGP_HOME/audit.log" |
    sort | uniq -c | tee /dev/stderr | awk '{n += $1} END {print n + 0}'
}

rss() { # MiB of each program of the node, pods left out
  local hierarchies
  mapfile -t hierarchies < <(cgroup_hierarchies)
  ps -o rss=,comm= -p "$(cat "${hierarchies[0]}/$cgroup/system/cgroup.procs" "$CGP_HOME/fwd.pid" | paste -sd,)" |
    awk '{n = $2 == "java" ? "kafka" : $2; mib[n] += $1 / 1024; all += $1 / 1024} END {for (n in mib) printf "%6.0f %s\n", mib[n], n; printf "%6.0f all\n", all}' | sort -rn
}

verb=${1:-}
shift || true
read_settings
case $verb in
up)
  up >&2
  print_env
  ;;
down | status) "$verb" ;;
snapshot) snapshot "${1:?snapshot DIRECTORY}" ;;
env | load | images | audit | kafka | rss | in | within)
  require_root
  must_be_up
  case $verb in
  env) print_env ;;
  load) load "$(realpath -e "${1:?load ARCHIVE}")" ;;
  audit) audit "${1:?audit NAMESPACE SERVICEACCOUNT}" "${2:?audit NAMESPACE SERVICEACCOUNT}" ;;
  kafka) kafka "${1:?kafka N|all start|stop|kill}" "${2:-}" ;;
  in) inside "$@" ;;
  images | rss | within) "$verb" "$@" ;;
  esac
  ;;
*)
  sed -n 2,4p "${BASH_SOURCE[0]}" >&2
  exit 2
  ;;
esac
