#!/usr/bin/env bash
# Ends the kind cluster `cgp` with all that is in it.
# Needs Docker and kind.
# Leaves the images in Docker and their archives in the cache.
# shellcheck source-path=SCRIPTDIR
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
source "$here/../node/lib/common.sh"
PATH=$PATH:$bin

command -v kind >/dev/null || die "kind is missing on this machine, so it can have made no cluster from here: see https://kind.sigs.k8s.io"
kind delete cluster --name cgp
