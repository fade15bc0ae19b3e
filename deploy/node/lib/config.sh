# Everything the node's programs read: certificates, kubeconfigs, and a configuration file for each.
# Written into $CGP_HOME by `up` before anything starts.
# Sourced by node.sh. Leaves files in $CGP_HOME only.
# shellcheck shell=bash disable=SC2154

pki=$CGP_HOME/pki

write_pki() {
  local name
  mkdir -m 700 "$pki"
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 365 -subj /CN=cgp-node-ca -keyout "$pki/ca.key" -out "$pki/ca.crt" 2>/dev/null
  openssl ecparam -name prime256v1 -genkey -noout -out "$pki/sa.key"
  openssl ec -in "$pki/sa.key" -pubout -out "$pki/sa.pub" 2>/dev/null
  certificate apiserver kube-apiserver "" "IP:127.0.0.1,IP:$node_ip,IP:$apiserver_service,DNS:localhost,DNS:kubernetes,DNS:kubernetes.default,DNS:kubernetes.default.svc"
  certificate admin admin system:masters
  certificate kubelet "system:node:$node_name" system:nodes
  for name in kube-controller-manager kube-scheduler kube-proxy coredns; do certificate "$name" "system:$name"; done
  for name in kubelet kube-controller-manager kube-scheduler kube-proxy coredns; do kubeconfig "$CGP_HOME/$name.kubeconfig" https://127.0.0.1:6443 "$name"; done
  kubeconfig "$CGP_HOME/kubeconfig" "https://127.0.0.1:$CGP_PORT_API" admin
}
certificate() { # FILE COMMON_NAME [ORGANISATION] [SUBJECT_ALT_NAME]
  openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$pki/$1.key" -subj "${3:+/O=$3}/CN=$2" 2>/dev/null |
    openssl x509 -req -CA "$pki/ca.crt" -CAkey "$pki/ca.key" -CAcreateserial -days 365 -out "$pki/$1.crt" \
      -extfile <(printf 'extendedKeyUsage=serverAuth,clientAuth\n%s\n' "${4:+subjectAltName=$4}") 2>/dev/null
}
kubeconfig() { # FILE SERVER CERTIFICATE
  (umask 077 && cat >"$1") <<END
apiVersion: v1
kind: Config
clusters: [{name: cgp, cluster: {server: "$2", certificate-authority-data: $(base64 -w0 "$pki/ca.crt")}}]
users: [{name: $3, user: {client-certificate-data: $(base64 -w0 "$pki/$3.crt"), client-key-data: $(base64 -w0 "$pki/$3.key")}}]
contexts: [{name: cgp, context: {cluster: cgp, user: $3}}]
current-context: cgp
END
}

write_containerd() {
  # overlayfs cannot lie on itself: in a container without a volume at CGP_HOME, copy instead
  local snapshotter=overlayfs
  [[ $(stat -f -c %T "$CGP_HOME") != overlayfs ]] || snapshotter=native
  # restrict_oom_score_adj: without CAP_SYS_RESOURCE no sandbox would start
  cat >"$CGP_HOME/containerd.toml" <<END
version = 2
root = "$CGP_HOME/containerd"
state = "/run/containerd"
disabled_plugins = ["io.containerd.internal.v1.opt", "io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.zfs", "io.containerd.snapshotter.v1.devmapper", "io.containerd.snapshotter.v1.aufs"]
[grpc]
address = "/run/containerd/containerd.sock"
[plugins."io.containerd.grpc.v1.cri"]
sandbox_image = "localhost/pause:1"
restrict_oom_score_adj = true
[plugins."io.containerd.grpc.v1.cri".containerd]
snapshotter = "$snapshotter"
[plugins."io.containerd.grpc.v1.cri".cni]
bin_dir = "$root/usr/lib/cni"
conf_dir = "$CGP_HOME/cni"
END
  mkdir -p "$CGP_HOME/cni"
  # a routed pair for each pod, no bridge: nothing to ask of the host's bridge filter, and a pod reaches itself through its Service
  cat >"$CGP_HOME/cni/10-cgp.conflist" <<END
{"cniVersion": "0.4.0", "name": "cgp", "plugins": [
  {"type": "ptp", "ipam": {"type": "host-local", "dataDir": "/run/cni", "ranges": [[{"subnet": "$pod_range"}]], "routes": [{"dst": "0.0.0.0/0"}]}}]}
END
}

write_kubernetes() {
  cp "$here/audit-policy.yaml" "$CGP_HOME/audit-policy.yaml"
  cat >"$CGP_HOME/kubelet.yaml" <<END
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
address: $node_ip
authentication: {anonymous: {enabled: false}, webhook: {enabled: true}, x509: {clientCAFile: $pki/ca.crt}}
authorization: {mode: Webhook}
cgroupDriver: cgroupfs
cgroupRoot: /$cgroup
maxPods: 200 # pod_range has 253 addresses, and those of pods that ended are free a moment later
failCgroupV1: false
failSwapOn: false
localStorageCapacityIsolation: true # false breaks the eviction manager
makeIPTablesUtilChains: false
containerRuntimeEndpoint: unix:///run/containerd/containerd.sock
volumePluginDir: $CGP_HOME/volume-plugins
podLogsDir: /var/log/pods
clusterDNS: [$node_ip]
clusterDomain: cluster.local
resolvConf: ""
serializeImagePulls: false
imageGCHighThresholdPercent: 100 # images come from archives: one that is collected would be gone
evictionHard: {memory.available: 100Mi}
END
  cat >"$CGP_HOME/kube-proxy.yaml" <<END
apiVersion: kubeproxy.config.k8s.io/v1alpha1
kind: KubeProxyConfiguration
mode: nftables
clusterCIDR: $pod_range
hostnameOverride: $node_name
clientConnection: {kubeconfig: $CGP_HOME/kube-proxy.kubeconfig}
conntrack: {maxPerCore: 0, min: 0, tcpEstablishedTimeout: 0s, tcpCloseWaitTimeout: 0s} # these belong to the whole machine
nftables: {minSyncPeriod: 100ms}
END
  cat >"$CGP_HOME/Corefile" <<END
.:53 {
  bind $node_ip
  errors
  ready 127.0.0.1:8181
  kubernetes cluster.local in-addr.arpa {
    kubeconfig $CGP_HOME/coredns.kubeconfig cgp
  }
  cache 5
}
END
}
