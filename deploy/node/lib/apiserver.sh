# A kube-apiserver with an etcd on loopback, for checks that need a real server's word and no node: nothing runs on it.
# Takes both from the cache; wants jq and openssl. `apiserver_start DIRECTORY` sets KUBECONFIG, kubectl's and helm's directories, and kube_version; `apiserver_stop` ends what it started.
# Sourced. Writes into that directory only, and leaves it to the caller.
# shellcheck shell=bash disable=SC2154,SC2034

apiserver_pids=()

apiserver_start() { # DIRECTORY
  local work=$1 client peer port deadline
  client=$(free_port) peer=$(free_port) port=$(free_port)
  openssl genrsa -out "$work/sa.key" 2048 2>/dev/null
  echo 'check,check,check,system:masters' >"$work/tokens"
  LD_LIBRARY_PATH=$sysroot_libs "$root/usr/bin/etcd" --data-dir "$work/etcd" --unsafe-no-fsync \
    --listen-client-urls "http://127.0.0.1:$client" --advertise-client-urls "http://127.0.0.1:$client" \
    --listen-peer-urls "http://127.0.0.1:$peer" --initial-advertise-peer-urls "http://127.0.0.1:$peer" \
    --initial-cluster "default=http://127.0.0.1:$peer" >"$work/etcd.log" 2>&1 &
  apiserver_pids+=($!)
  "$bin/kube-apiserver" --etcd-servers "http://127.0.0.1:$client" --bind-address 127.0.0.1 --secure-port "$port" --cert-dir "$work/certs" \
    --service-cluster-ip-range 10.0.0.0/24 --endpoint-reconciler-type none --disable-admission-plugins ServiceAccount \
    --service-account-issuer https://localhost --service-account-key-file "$work/sa.key" --service-account-signing-key-file "$work/sa.key" \
    --token-auth-file "$work/tokens" --authorization-mode RBAC >"$work/apiserver.log" 2>&1 &
  apiserver_pids+=($!)
  export KUBECONFIG=$work/kubeconfig KUBECACHEDIR=$work/kubecache HELM_CACHE_HOME=$work/helm HELM_CONFIG_HOME=$work/helm HELM_DATA_HOME=$work/helm
  cat >"$KUBECONFIG" <<CONFIG
{"apiVersion": "v1", "kind": "Config", "current-context": "check",
 "clusters": [{"name": "check", "cluster": {"server": "https://127.0.0.1:$port", "insecure-skip-tls-verify": true}}],
 "users": [{"name": "check", "user": {"token": "check"}}],
 "contexts": [{"name": "check", "context": {"cluster": "check", "user": "check"}}]}
CONFIG
  deadline=$((SECONDS + 120))
  until "$bin/kubectl" get --raw /readyz >/dev/null 2>&1 && "$bin/kubectl" get namespace default >/dev/null 2>&1; do
    kill -0 "${apiserver_pids[@]}" 2>/dev/null || { tail -5 "$work"/*.log >&2 && die "etcd or kube-apiserver ended by itself"; }
    ((SECONDS < deadline)) || { tail -5 "$work"/*.log >&2 && die "kube-apiserver was not ready within 120 s"; }
    sleep 0.2
  done
  kube_version=$("$bin/kubectl" version -o json | jq -r .serverVersion.gitVersion)
}

apiserver_stop() {
  ((${#apiserver_pids[@]} == 0)) || { kill -9 "${apiserver_pids[@]}" && wait "${apiserver_pids[@]}"; } 2>/dev/null || true
  apiserver_pids=()
}

free_port() {
  local port
  while port=$((20000 + RANDOM % 12000)); (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; do :; done
  echo "$port"
}
