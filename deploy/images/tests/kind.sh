# What build.sh loads into kind clusters and which pods it restarts there: only what differs, by the lists of crictl and the status of pods.
# test_kind runs build.sh with the stand-ins in bin/ on JSON of the shape that crictl and kubectl print.
# Sourced by test.sh after docker.sh. Leaves everything below $work.
# shellcheck shell=bash disable=SC2154 # work, here and version come from test.sh

test_kind() {
  fake kind
  mkdir "$FAKE/engine"
  touch "$FAKE/buildx"
  cluster one one-control-plane
  cluster two two-control-plane two-control-plane2 two-external-load-balancer two-worker
  test_first_load
  test_nothing_changed
  test_one_changed
  test_one_node_lacks
  test_pods
  test_no_list
}

# cluster NAME NODE...: a kind cluster whose nodes hold one image of Kubernetes; a load balancer has no crictl
cluster() {
  local name=$1 node
  shift
  printf '%s\n' "$@" >"$FAKE/clusters/$name"
  for node; do
    [[ $node == *-external-load-balancer ]] || jq -n '{images: [
      {id: "sha256:c69fa2e9cbf5f42dc48af631e956d3f95724c13f91596bc567591790e5e36db6", repoTags: ["registry.k8s.io/pause:3.10"],
       repoDigests: [], size: "320368", uid: null, username: "", spec: null},
      {id: "sha256:0000000000000000000000000000000000000000000000000000000000000001", repoTags: [], repoDigests: null, size: "1", uid: null, username: "", spec: null}]}' >"$FAKE/nodes/$node.json"
  done
  pods "$name"
}
# pods CLUSTER [POD...]: the pods that kubectl lists, each by one call of pod
pods() {
  local cluster=$1
  shift
  printf '%s\n' "$@" | jq -s '{items: .}' >"$FAKE/pods/kind-$cluster.json"
}
# pod NAME PROGRAM IMAGE_ID [CHANGE]: a pod of a Deployment as the kubelet reports it; CHANGE is a jq expression on it
pod() {
  jq -n --arg name "$1" --arg image "$(name_of "$2")" --arg id "$3" '{
    metadata: {name: $name, namespace: "lab", ownerReferences: [{kind: "ReplicaSet", name: "r", controller: true}]},
    spec: {containers: [{name: "c", image: $image}]},
    status: {containerStatuses: [{name: "c", image: $image, imageID: $id, state: {running: {}}}]}} | '"${4:-.}"
}
name_of() { echo "localhost/consumer-group-practice/$1:$version"; }
# what the kubelet of a kind node reports for the image that was loaded last: the digest of its manifest
loaded() { jq -r --arg name "$(name_of "$1")" '.images[] | select(.repoTags | index($name)) | .repoDigests[0]' "$FAKE/nodes/one-control-plane.json"; }
id_of() { jq -r --arg name "$(name_of "$1")" '.images[] | select(.repoTags | index($name)) | .id' "$FAKE/nodes/one-control-plane.json"; }
# build: runs build.sh; prints what it loaded and restarted, a line each
build() {
  with_fakes "$here/build.sh" || echo "failed"
  sed -nE "s/^kind load image-archive .*\/images\/([a-z]+)-$version.tar --name ([a-z]+) --nodes /load \1 \2 /p; s/^kubectl --context (.*) delete pods --ignore-not-found /restart \1 /p" "$FAKE/calls"
}

test_first_load() {
  local waiting='.status.containerStatuses[0].state = {waiting: {reason: "ErrImagePull"}}' all=two-control-plane,two-control-plane2,two-worker
  pods one "$(pod waits operator "" "$waiting")" "$(pod creating worker "" '.status.containerStatuses[0].state = {waiting: {reason: "ContainerCreating"}}')"
  check "an empty cluster gets every image, in each node that runs pods, and pods that waited for one are restarted" "$(build)" \
    "load operator one one-control-plane
load worker one one-control-plane
load producer one one-control-plane
restart kind-one -n lab waits
load operator two $all
load worker two $all
load producer two $all"
}

test_nothing_changed() {
  first_worker=$(loaded worker)
  check_text "the imageID of a pod in kind is no id" "$first_worker" "docker.io/library/import-2026-11-30@sha256:"
  pods one "$(pod o operator "$(loaded operator)")" "$(pod w worker "$first_worker")" "$(pod p producer "$(loaded producer)")"
  pods two "$(pod w worker "$first_worker")"
  check "nothing is loaded or restarted when nothing changed" "$(build)" ""
}

test_one_changed() {
  echo 2 >"$FAKE/source/worker"
  check "the image that changed is loaded, and its pods alone are restarted" "$(build)" \
    "load worker one one-control-plane
restart kind-one -n lab w
load worker two two-control-plane,two-control-plane2,two-worker
restart kind-two -n lab w"
  check "the former image has lost its name" "$(jq --arg digest "$first_worker" '.images[] | select(.repoDigests | index($digest)) | .repoTags' -c "$FAKE/nodes/one-control-plane.json")" "[]"
  pods one "$(pod o operator "$(loaded operator)")" "$(pod new worker "$(loaded worker)")"
  pods two "$(pod new worker "$(loaded worker)")" "$(pod late worker "$first_worker")"
  check "a pod that still runs the former image is restarted without another load" "$(build)" "restart kind-two -n lab late"
  pods two
}

test_one_node_lacks() {
  local node=$FAKE/nodes/two-worker.json
  jq --arg name "$(name_of producer)" '.images |= map(select(.repoTags | index($name) | not))' "$node" >"$work/less.json"
  mv "$work/less.json" "$node"
  check "an image is loaded into the node that lacks it" "$(build)" "load producer two two-worker"
}

test_pods() {
  local former=sha256:1111111111111111111111111111111111111111111111111111111111111111
  pods one \
    "$(pod same-by-id worker "$(id_of worker)")" \
    "$(pod same-by-another-name worker "docker-pullable://example/worker@${first_worker%@*}@$(loaded worker | cut -d@ -f2)")" \
    "$(pod former-by-id worker "$former")" \
    "$(pod former-and-gone operator "docker.io/library/import-2026-01-01@$former")" \
    "$(pod ends worker "$former" '.metadata.deletionTimestamp = "2026-11-30T00:00:00Z"')" \
    "$(pod by-hand worker "$former" 'del(.metadata.ownerReferences)')" \
    "$(pod of-another-image worker "$former" '.spec.containers[0].image = "example/worker:1"')" \
    "$(pod elsewhere producer "$former" '.metadata.namespace = "other"')"
  check "pods are compared by id, and restarted only if a controller creates them again" "$(build | sort)" \
    "restart kind-one -n lab former-and-gone former-by-id
restart kind-one -n other elsewhere"
  pods one
}

test_no_list() {
  echo 3 >"$FAKE/source/worker"
  mv "$FAKE/nodes/one-control-plane.json" "$work/kept.json"
  check "without a list nothing is loaded" "$(build)" failed
  check_text "the node is named" "$(cat "$FAKE/output")" "cannot list the images of kind node one-control-plane: 'docker exec one-control-plane crictl images -o json' failed or printed no list"
  echo 'crictl: usage' >"$FAKE/nodes/one-control-plane.json"
  check "without JSON nothing is loaded" "$(build)" failed
  mv "$work/kept.json" "$FAKE/nodes/one-control-plane.json"
}
