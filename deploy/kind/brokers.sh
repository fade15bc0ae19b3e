# How many brokers the Kafka of the kind cluster has: KAFKA_BROKERS=1|3, otherwise as many as the cluster has, otherwise 1. And the directory of deploy/strimzi with that Kafka.
# Sourced by up.sh and check.sh; wants `here` to be this directory, and for choose_brokers a kubectl that reaches the cluster.
# Leaves nothing.
# shellcheck shell=bash disable=SC2154,SC2034

wanted_brokers=${KAFKA_BROKERS:-}

check_wanted_brokers() {
  case $wanted_brokers in '' | 1 | 3) ;; *) die "KAFKA_BROKERS=$wanted_brokers is not supported: use 1 or 3" ;; esac
}

# sets `brokers`; refuses to change an existing Kafka, whose controller quorum (static in Strimzi 1.2) and copies of partitions stay as they were created
choose_brokers() {
  local present=
  if [[ -n $(kubectl get crd kafkanodepools.kafka.strimzi.io --ignore-not-found -o name) ]]; then
    present=$(kubectl -n kafka get kafkanodepools.kafka.strimzi.io dual-role --ignore-not-found -o 'jsonpath={.spec.replicas}')
  fi
  case $present in '' | 1 | 3) ;; *) die "the KafkaNodePool dual-role in the kind cluster cgp has spec.replicas $present, and only 1 and 3 are supported: set it back, or delete the cluster with 'make kind-down'" ;; esac
  brokers=${wanted_brokers:-${present:-1}}
  [[ -z $present || $present == "$brokers" ]] ||
    die "KAFKA_BROKERS=$brokers: the kind cluster cgp has a Kafka with $present broker(s), and that number is fixed when it is created: delete the cluster first with 'make kind-down', or use KAFKA_BROKERS=$present"
}

kafka_directory() { # BROKERS
  case $1 in 1) echo "$here/../strimzi/one-broker" ;; 3) echo "$here/../strimzi/three-brokers" ;; esac
}
