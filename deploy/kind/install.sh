#!/usr/bin/env bash
# Installs the chart into the cluster of KUBECONFIG, for the Kafka of BOOTSTRAP_SERVERS (host:port as pods reach it, several separated by commas), applies practice 3 and waits until it is Ready.
# install.sh BOOTSTRAP_SERVERS; needs kubectl and helm, and the images in that cluster. The last part of up.sh, and the same on any other cluster. May be run again.
# Leaves the release `cgp` in the namespace kafka-practice, and practice-3 in the namespace of the current context.
# shellcheck source-path=SCRIPTDIR
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
source "$here/../node/lib/common.sh"

[[ $# == 1 ]] || die "no Kafka given: use ${0##*/} host:port[,host:port...]"
helm upgrade --install cgp "$here/../../charts/consumer-group-practice" -n kafka-practice --create-namespace --set "kafka.bootstrapServers={$1}" >/dev/null
kubectl -n kafka-practice rollout status deployment/cgp-operator --timeout=3m
kubectl apply -f "$here/../samples/practice-3.yaml"
kubectl wait --for=condition=Ready cgp/practice-3 --timeout=3m
kubectl get cgp practice-3
