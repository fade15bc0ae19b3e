#!/usr/bin/env bash
# Fills the cache with all a node needs: Debian packages unpacked (not installed), Kubernetes, CoreDNS, helm, kubeconform and promtool built from Go modules, the CRDs of Prometheus' operator, Kafka's jars.
# Verbs: all | debs | kube | coredns | tools | charts | kafka, and prometheus, which only the long tests need. Each may be run again: what is complete in its version is left alone. Installs missing host tools when it is root on Debian.
# Leaves ${CGP_CACHE:-~/.cache/consumer-group-practice}: bin/ sysroot/ kafka/, log/ with the output of each step, complete/ with the versions (about 1 GB, ten minutes cold), and Go's and Maven's own caches.
# shellcheck source-path=SCRIPTDIR
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
source "$here/lib/common.sh"

HELM=v3.21.4
HELM_KUBERNETES=1.36 # the Kubernetes of the client-go in helm's go.mod, which `helm template` assumes when it asks no cluster
KUBECONFORM=v0.8.0
PROMETHEUS_OPERATOR=v0.85.0
PROMETHEUS_OPERATOR_SUM=h1:M5xLCLEoaW2IJfnuCwFzzpL+jSVQu3KGT84Pye+fW8s=
GO_MINIMUM=1.24

# once NAME VERSION FILE COMMAND...: runs it, logged, unless this version of it is complete and its file there
once() {
  local name=$1 version=$2 file=$3 marker=$CGP_CACHE/complete/$1 log=$CGP_CACHE/log/$1.log begun=$SECONDS
  shift 3
  [[ $(cat "$marker" 2>/dev/null) == "$version" && -e $file ]] && return
  rm -f "$marker"
  say "$name ... (log: $log)"
  "$@" >"$log" 2>&1 & # not in a condition: `set -e` holds inside
  wait $! || {
    tail -n 15 "$log" >&2
    die "$name failed, see $log"
  }
  [[ -e $file ]] || die "$name made no $file, see $log"
  echo "$version" >"$marker"
  say "$name done in $((SECONDS - begun)) s"
}

go_env() { # asked for where something is built: a complete cache needs no Go
  require go:golang-go
  local found
  found=$(go env GOVERSION)
  [[ $(printf '%s\n' "$GO_MINIMUM" "${found#go}" | sort -V | head -n 1) == "$GO_MINIMUM" ]] ||
    die "go is ${found#go} and Kubernetes needs $GO_MINIMUM or newer: install it from https://go.dev/dl and put its bin first in PATH"
  export CGO_ENABLED=0 GOWORK=off GOFLAGS=-buildvcs=false GOTMPDIR=$CGP_CACHE/tmp
}

# module_version DIRECTORY MODULE: as its go.mod requires it, on a line of its own
module_version() { sed -n "s|^require $2 \(v[^ ]*\).*|\1|p" "$1/go.mod"; }

# go_module DIRECTORY PACKAGE FILE LDFLAGS [TAGS]: builds a package of a module that only pins versions
go_module() {
  go_env
  go build -C "$1" -ldflags "-s -w $4" -tags "${5:-}" -o "$3.new" "$2"
  mv "$3.new" "$3"
}

debs() {
  local packages=(containerd runc containernetworking-plugins etcd-server nftables libnftables1 libnftnl11 libxtables12 libseccomp2
    buildah golang-github-containers-image golang-github-containers-common 'libgpgme11|libgpgme11t64' 'libassuan0|libassuan9')
  once debs "$(cksum <<<"${packages[*]} $(. /etc/os-release && echo "$ID $VERSION_ID")" | cut -d' ' -f1)" "$root/usr/bin/containerd" unpack "${packages[@]}"
}
unpack() {
  apt_unpack "$root" "$@"
  local program lacking
  for program in containerd containerd-shim-runc-v2 ctr etcd runc nft buildah; do
    lacking=$(sysroot ldd "$(sysroot which "$program")" | awk '/not found/ {print $1}' | paste -sd' ')
    [[ -z $lacking ]] || die "$program of this Debian release also needs $lacking: add the packages that hold them to debs() in $here/setup.sh"
  done
}

kube() {
  local v=k8s.io/component-base/version version name minor
  version=$(module_version "$here/kube" k8s.io/kubernetes)
  minor=$(cut -d. -f2 <<<"$version")
  for name in kube-apiserver kube-controller-manager kube-scheduler kubelet kube-proxy kubectl; do
    once "$name" "$version" "$bin/$name" go_module "$here/kube" "k8s.io/kubernetes/cmd/$name" "$bin/$name" "-X $v.gitVersion=$version -X $v.gitMajor=1 -X $v.gitMinor=$minor"
  done
}

coredns() {
  once coredns "$(module_version "$here/coredns" github.com/coredns/coredns)" "$bin/coredns" go_module "$here/coredns" . "$bin/coredns" ""
}

# the small programs that live here, each one file without dependencies, and the images of those that run in pods
tools() {
  local name
  for name in fwd pause probe; do once "$name" "$(cksum <"$here/$name/main.go" | cut -d' ' -f1)" "$bin/$name" tool "$name"; done
}
tool() {
  go_env
  require jq:jq
  go build -ldflags '-s -w' -o "$bin/$1" "$here/$1/main.go"
  [[ $1 == fwd ]] || pack "localhost/$1:1" "$CGP_CACHE/$1.tar" "$bin/$1"
}
# pack IMAGE ARCHIVE PROGRAM: a docker archive with one layer that holds one static program, run as user 65532
pack() {
  local work layer config
  work=$(mktemp -d -p "$CGP_CACHE/tmp")
  tar -C "$(dirname "$3")" --owner=0 --group=0 --mtime=@0 -cf "$work/layer.tar" "$(basename "$3")"
  layer=$(sha256sum "$work/layer.tar" | cut -d' ' -f1)
  jq -cn --arg arch "$(go env GOARCH)" --arg program "/$(basename "$3")" --arg layer "sha256:$layer" \
    '{architecture: $arch, os: "linux", config: {User: "65532:65532", Entrypoint: [$program]}, rootfs: {type: "layers", diff_ids: [$layer]}}' >"$work/config"
  config=$(sha256sum "$work/config" | cut -d' ' -f1).json
  mv "$work/config" "$work/$config"
  jq -cn --arg config "$config" --arg image "$1" '[{Config: $config, RepoTags: [$image], Layers: ["layer.tar"]}]' >"$work/manifest.json"
  tar -C "$work" -cf "$2.new" manifest.json "$config" layer.tar
  mv "$2.new" "$2"
  rm -rf "$work"
}

charts() {
  once helm "$HELM for Kubernetes $HELM_KUBERNETES" "$bin/helm" build_helm
  of_prometheus promtool
  once kubeconform $KUBECONFORM "$bin/kubeconform" go_install "github.com/yannh/kubeconform/cmd/kubeconform@$KUBECONFORM" "-X main.version=$KUBECONFORM"
  once monitor-crds $PROMETHEUS_OPERATOR "$CGP_CACHE/monitor-crds" monitor_crds
}
# helm's own Makefile links the Kubernetes version in; without it helm reports v1.20 and refuses charts that need a newer one
build_helm() {
  go_env
  require jq:jq
  local module=helm.sh/helm/v3 go_mod minor package flags
  go_mod=$(go mod download -C "$CGP_CACHE" -json "$module@$HELM" | jq -r .GoMod)
  minor=$(sed -n 's|.*k8s.io/client-go v0\.\([0-9]*\)\..*|\1|p' "$go_mod")
  [[ $HELM_KUBERNETES == "1.$minor" ]] ||
    die "HELM_KUBERNETES=$HELM_KUBERNETES does not match k8s.io/client-go v0.$minor in the go.mod of helm $HELM: set it to 1.$minor in $here/setup.sh"
  flags="-X $module/internal/version.version=$HELM"
  for package in chartutil lint/rules; do
    flags+=" -X $module/pkg/$package.k8sVersionMajor=1 -X $module/pkg/$package.k8sVersionMinor=$minor"
  done
  go_install "$module/cmd/helm@$HELM" "$flags"
}
# the CRDs of Prometheus' operator that the chart has objects of, from its Go module
monitor_crds() {
  go_env
  require jq:jq
  local module
  module=$(go mod download -C "$CGP_CACHE" -json "github.com/prometheus-operator/prometheus-operator@$PROMETHEUS_OPERATOR")
  [[ $(jq -r .Sum <<<"$module") == "$PROMETHEUS_OPERATOR_SUM" ]] || die "the module of Prometheus' operator has another sum than $PROMETHEUS_OPERATOR_SUM: $module"
  rm -rf "$CGP_CACHE"/monitor-crds{,.new}
  mkdir "$CGP_CACHE/monitor-crds.new"
  cp "$(jq -r .Dir <<<"$module")"/example/prometheus-operator-crd/monitoring.coreos.com_{servicemonitors,podmonitors,prometheusrules}.yaml "$CGP_CACHE/monitor-crds.new"
  mv "$CGP_CACHE/monitor-crds.new" "$CGP_CACHE/monitor-crds"
}
# NAME: a program of Prometheus, with no service discovery but of files and Kubernetes: all of them take four times as long to build
of_prometheus() {
  local module=github.com/prometheus/prometheus version
  version=$(module_version "$here/../prometheus" $module)
  once "$1" "$version" "$bin/$1" go_module "$here/../prometheus" "$module/cmd/$1" "$bin/$1" \
    "-X github.com/prometheus/common/version.Version=3.${version#v0.3}" remove_all_sd,enable_kubernetes_sd
}
prometheus() { of_prometheus prometheus; }

go_install() { # PACKAGE@VERSION LDFLAGS
  go_env
  GOBIN=$bin go install -ldflags "-s -w $2" "$1"
}

kafka() {
  local version
  version=$(sed -n 's|.*<kafka.version>\(.*\)</kafka.version>.*|\1|p' "$here/kafka-pom.xml")
  once kafka "$version $(cksum <"$here/kafka-pom.xml" | cut -d' ' -f1)" "$CGP_CACHE/kafka/kafka_2.13-$version.jar" jars
}
jars() {
  require java:default-jre-headless mvn:maven
  rm -rf "$CGP_CACHE/kafka"
  mvn -B -f "$here/kafka-pom.xml" -DoutputDirectory="$CGP_CACHE/kafka" -DincludeScope=runtime dependency:copy-dependencies
}

# what node.sh uses of the host
host() { require unshare:util-linux nsenter:util-linux setsid:util-linux flock:util-linux ip:iproute2 ss:iproute2 ps:procps jq:jq curl:curl openssl:openssl java:default-jre-headless; }

all() { host && debs && tools && kafka && kube && coredns && charts; }

case ${1:-} in
all | debs | kube | coredns | tools | charts | kafka | prometheus)
  require flock:util-linux
  mkdir -p "$bin" "$CGP_CACHE"/{tmp,log,complete}
  exec 9>"$CGP_CACHE/lock"
  flock -n 9 || { say "another setup is filling $CGP_CACHE, waiting for it" && flock 9; }
  for verb; do "$verb" 9>&-; done
  ;;
*)
  sed -n 2,4p "${BASH_SOURCE[0]}" >&2
  exit 2
  ;;
esac
