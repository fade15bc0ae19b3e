# Loads the built images into the node of `make node` and into kind clusters, and restarts the pods there that run an older image of the same name.
# What a cluster holds is compared by image id first, so nothing is loaded or restarted when nothing changed.
# Sourced by build.sh, after common.sh and names.sh, with `here` set to deploy/images. Leaves the images in the clusters.
# shellcheck shell=bash disable=SC2154

load_into_node() {
  local program loaded
  loaded=$("$here/../node/node.sh" images)
  for program in "${programs[@]}"; do
    grep -qxF "$(reference "$program") $(image_id "$program")" <<<"$loaded" && continue
    say "loading $(reference "$program") into the node"
    "$here/../node/node.sh" load "$(archive "$program")"
  done
}

# load_into_kind CLUSTER: loads each image into the nodes of the cluster that do not hold it
load_into_kind() {
  local program nodes listed lacking
  nodes=$(kind_nodes "$1")
  listed=$(kind_images "$nodes")
  for program in "${programs[@]}"; do
    lacking=$(nodes_without "$program" "$nodes" "$listed")
    [[ -n $lacking ]] || continue
    say "loading $(reference "$program") into kind cluster $1 (${lacking//$'\n'/, })"
    kind load image-archive "$(archive "$program")" --name "$1" --nodes "${lacking//$'\n'/,}" >&2
    wait_until_listed "$program" "$lacking"
  done
}

# kind_nodes CLUSTER: one name a line; a cluster with several control planes also has a load balancer, which holds no images
kind_nodes() { kind get nodes --name "$1" | sed '/-external-load-balancer$/d'; }

# kind_images NODES: a line `NODE ID NAME` for each tag and each digest (NAME@sha256:...) of each image
kind_images() {
  local node crictl
  for node in $1; do
    crictl="${KIND_EXPERIMENTAL_PROVIDER:-docker} exec $node crictl images -o json" # a kind node is a container, by default of Docker
    $crictl </dev/null | jq -r --arg node "$node" '.images[] | .id as $id | (.repoTags // [])[], (.repoDigests // [])[] | "\($node) \($id) \(.)"' ||
      die "cannot list the images of kind node $node: '$crictl' failed or printed no list"
  done
}

# nodes_without PROGRAM NODES LISTED: the nodes that do not hold the image in the program's archive under its name
nodes_without() {
  local node
  for node in $2; do grep -qxF "$node $(image_id "$1") $(reference "$1")" <<<"$3" || echo "$node"; done
}

# wait_until_listed PROGRAM NODES: the kubelet's view of the images follows a load after a moment
wait_until_listed() {
  local deadline=$((SECONDS + 10)) listed
  while true; do
    listed=$(kind_images "$2")
    [[ -n $(nodes_without "$1" "$2" "$listed") ]] || return 0
    ((SECONDS < deadline)) || break
    sleep 0.5
  done
  say "kind lists no image $(reference "$1") with id $(image_id "$1") after loading it: pods with that image are restarted, and it is loaded again next time"
}

# restart_outdated LISTED KUBECTL...: deletes the pods with an image of these names that run another image, or none because it was missing; their controllers create new ones.
# No object is changed, so the operator has nothing to repair. LISTED are lines of kind_images, or empty.
# A pod's imageID is the image's id, or the digest of a manifest, which LISTED maps to the id.
restart_outdated() {
  local listed=$1 program wanted namespace pods
  shift
  wanted=$(for program in "${programs[@]}"; do echo "$(reference "$program") $(image_id "$program")"; done)
  "$@" get pods -A -o json |
    jq -r --arg wanted "$wanted" --arg listed "$listed" '
      ($wanted | split("\n") | map(split(" ") | {(.[0]): .[1]}) | add) as $wanted
      | ($listed | split("\n") | map(select(contains("@")) | split(" ") | {(.[2] | sub(".*@"; "")): .[1]}) | add // {}) as $ids
      | def id: sub(".*@"; "") as $digest | $ids[$digest] // $digest;
      .items[]
      | select(.metadata.deletionTimestamp == null and ((.metadata.ownerReferences // []) | any(.controller)))
      | (.spec.containers | map({(.name): $wanted[.image]}) | add) as $wanted
      | select(.status.containerStatuses // [] | any($wanted[.name] as $id | $id != null and
          if .imageID == "" then .state.waiting.reason | IN("ErrImagePull", "ImagePullBackOff", "ErrImageNeverPull") else (.imageID | id) != $id end))
      | "\(.metadata.namespace) \(.metadata.name)"' |
    sort | awk '{pods[$1] = pods[$1] " " $2} END {for (n in pods) print n pods[n]}' |
    while read -r namespace pods; do
      say "restarting in $namespace: $pods"
      # shellcheck disable=SC2086 # one word for each pod
      "$@" -n "$namespace" delete pods --ignore-not-found $pods </dev/null >&2
    done
}
