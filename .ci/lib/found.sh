# The node, the release and the topics as .ci/test finds them, and how it takes away again what was not there.
# look_around before anything is changed; node_up and release_up bring what is missing; leave_as_found EXIT_CODE at the end, however that comes.
# Sourced by .ci/test. Leaves what it found; after a failure on a node that it found also the namespaces of failed tests, with the release that they need.
# shellcheck shell=bash disable=SC2154 # bin and repo come from .ci/test

namespace=kafka-practice
chart=charts/consumer-group-practice
known= # whether look_around has been here

look_around() {
  found_node='' found_release='' found_crd='' found_namespace=''
  ! deploy/node/node.sh status >/dev/null 2>&1 || found_node=yes
  if [[ $found_node ]]; then
    eval "$(deploy/node/node.sh env)"
    k get crd consumergrouppractices.kafka-practice.dev >/dev/null 2>&1 && found_crd=yes
    k get namespace $namespace >/dev/null 2>&1 && found_namespace=yes
    "$bin/helm" status cgp -n $namespace >/dev/null 2>&1 && found_release=yes
    of_kafka >target/found-in-kafka
  fi
  known=yes
}

k() { KUBECACHEDIR=$CGP_HOME/kube-cache "$bin/kubectl" "$@"; }
tool() { java -Xmx128m -XX:TieredStopAtLevel=1 -cp "$CGP_CACHE/kafka/*" "org.apache.kafka.tools.$1" --bootstrap-server "$BOOTSTRAP_HOST" "${@:2}" 2>/dev/null; }
of_kafka() { # `topic NAME` and `group NAME`, sorted
  {
    tool TopicCommand --list --exclude-internal | sed 's/^/topic /'
    tool consumer.group.ConsumerGroupCommand --list | sed 's/^/group /'
  } | LC_ALL=C sort
}

node_up() {
  if [[ $found_node ]]; then echo "one is up: it is used and stays"; else deploy/node/node.sh up >/dev/null; fi
}

# helm's own idea of the release and what this checkout would make of it
rendered() {
  "$bin/helm" get values cgp -n $namespace -o yaml |
    "$bin/helm" template cgp $chart -n $namespace --no-hooks --kube-version "$(k version -o json | jq -r .serverVersion.gitVersion)" -f - | grep -v '^$'
}
release_up() {
  if [[ ! $found_release ]]; then
    "$bin/helm" install cgp $chart -n $namespace --create-namespace --set "kafka.bootstrapServers=${BOOTSTRAP//,/\\,}"
  elif [[ $(rendered) != "$("$bin/helm" get manifest cgp -n $namespace | grep -v '^$')" ]]; then
    say "the release cgp is of another chart than this checkout's: it is upgraded, and stays so"
    "$bin/helm" upgrade cgp $chart -n $namespace --reset-then-reuse-values
  else
    echo "the release cgp is there: it is used and stays"
  fi
  k -n $namespace rollout status deployment/cgp-operator --timeout=120s
}

leave_as_found() { # EXIT_CODE
  [[ $known ]] || return 0
  if [[ ! $found_node ]]; then
    ! deploy/node/node.sh status >/dev/null 2>&1 || { say "taking the node down" && deploy/node/node.sh down; }
    return
  fi
  if (($1 != 0)) && [[ $(k get namespaces -l kafka-practice.dev/test -o name) ]]; then
    say "kept to look into, with the release: $(k get namespaces -l kafka-practice.dev/test -o name | paste -sd' ')"
    return
  fi
  k delete namespaces -l kafka-practice.dev/test >/dev/null
  [[ $found_release ]] || "$bin/helm" uninstall cgp -n $namespace --wait
  [[ $found_namespace ]] || k delete namespace $namespace
  [[ $found_crd ]] || k delete crd consumergrouppractices.kafka-practice.dev
  forget_in_kafka
}

forget_in_kafka() { # topics and groups that the tests made
  local kind name groups=() topics=()
  while read -r kind name; do
    if [[ $kind == group ]]; then groups+=(--group "$name"); else topics+=("${name//./\\.}"); fi
  done < <(of_kafka | LC_ALL=C comm -13 target/found-in-kafka -)
  ((${#groups[@]} == 0)) || tool consumer.group.ConsumerGroupCommand --delete "${groups[@]}" >/dev/null
  ((${#topics[@]} == 0)) || tool TopicCommand --delete --topic "$(IFS='|' && echo "${topics[*]}")" >/dev/null
}
