# The node's Kafka: 1 or 3 brokers that are controllers too, each reachable for pods (POD), from the host (HOST) and by one another.
# Logs in log/kafka-N.log; data in kafka-N/data, kept while the node is up, so that a broker can be stopped and started again.
# Sourced by node.sh. Leaves files in $CGP_HOME only; the processes are the node's.
# shellcheck shell=bash disable=SC2154

kafka_pod_port() { echo $((9093 + $1)); }
kafka_host_port() { echo $((CGP_PORT_KAFKA + $1 - 1)); }
kafka_controller() { echo "127.0.0.1:$((CGP_PORT_KAFKA + 10 + $1))"; } # within the node only; Kafka wants three different ports

kafka_list() { # HOST PORT_FUNCTION: host:port of each broker, comma separated
  local n
  for n in $(seq "$KAFKA_BROKERS"); do echo "$1:$("$2" "$n")"; done | paste -sd,
}

kafka_java() { # what goes to a JVM for this CLASS and its arguments
  echo "java -Xmx512m -XX:+UseG1GC -Dlog4j2.configurationFile=$CGP_HOME/log4j2.properties -cp '$CGP_CACHE/kafka/*' $*"
}

write_kafka() {
  local n voters replicas=1 in_sync=1 partitions=5
  ((KAFKA_BROKERS == 1)) || replicas=3 in_sync=2 partitions=50
  voters=$(for n in $(seq "$KAFKA_BROKERS"); do echo "$n@$(kafka_controller "$n")"; done | paste -sd,)
  cat >"$CGP_HOME/log4j2.properties" <<END
appender.out.type = Console
appender.out.name = out
appender.out.layout.type = PatternLayout
appender.out.layout.pattern = %d{ISO8601} %p %m (%c{1})%n
rootLogger.level = INFO
rootLogger.appenderRef.out.ref = out
END
  for n in $(seq "$KAFKA_BROKERS"); do
    mkdir -p "$CGP_HOME/kafka-$n"
    cat >"$CGP_HOME/kafka-$n/server.properties" <<END
process.roles=broker,controller
node.id=$n
controller.quorum.voters=$voters
listeners=POD://$node_ip:$(kafka_pod_port "$n"),HOST://127.0.0.1:$(kafka_host_port "$n"),CONTROLLER://$(kafka_controller "$n")
advertised.listeners=POD://$node_ip:$(kafka_pod_port "$n"),HOST://127.0.0.1:$(kafka_host_port "$n")
controller.listener.names=CONTROLLER
inter.broker.listener.name=POD
listener.security.protocol.map=POD:PLAINTEXT,HOST:PLAINTEXT,CONTROLLER:PLAINTEXT
log.dirs=$CGP_HOME/kafka-$n/data
auto.create.topics.enable=false
offsets.topic.replication.factor=$replicas
offsets.topic.num.partitions=$partitions
transaction.state.log.replication.factor=$replicas
transaction.state.log.min.isr=$in_sync
transaction.state.log.num.partitions=$partitions
share.coordinator.state.topic.replication.factor=$replicas
share.coordinator.state.topic.min.isr=$in_sync
share.coordinator.state.topic.num.partitions=$partitions
# a practice starts at once; everything else about groups is Kafka's default
group.initial.rebalance.delay.ms=0
END
  done
}

kafka_format() { # N: the directory gets its ids, once
  [[ -e $CGP_HOME/kafka-$1/data/meta.properties ]] && return
  eval "$(kafka_java kafka.tools.StorageTool format -t Y2dwY2dwY2dwY2dwY2dwQQ -c "$CGP_HOME/kafka-$1/server.properties")" >"$CGP_HOME/log/kafka-$1-format.log" 2>&1 </dev/null ||
    die_of "kafka-$1-format" "the directory of Kafka $1 cannot be formatted"
}

kafka_starts() { grep -c 'Kafka Server started' "$CGP_HOME/log/kafka-$1.log" 2>/dev/null || true; }
kafka_started_again() { (($(kafka_starts "$1") > $2)); } # N COUNT_BEFORE

kafka_start() { # N...
  local n before=()
  for n; do
    if alive "kafka-$n"; then
      say "Kafka $n runs already"
      continue
    fi
    before[n]=$(kafka_starts "$n")
    # shellcheck disable=SC2046 # the words of the command
    spawn "kafka-$n" "$(kafka_java kafka.Kafka "$CGP_HOME/kafka-$n/server.properties")"
  done
  for n in "${!before[@]}"; do wait_for 120 "answer of Kafka $n" "kafka-$n" kafka_started_again "$n" "${before[n]:-0}"; done
}

kafka_signal() { # SIGNAL N...
  local signal=$1 n
  shift
  for n; do
    if alive "kafka-$n"; then within kill "-$signal" "$(cat "$CGP_HOME/pid/kafka-$n")"; else say "Kafka $n does not run"; fi
  done
  for n; do
    poll 60 gone "kafka-$n" && continue # brokers that stop together may wait for a controller that is gone
    say "Kafka $n did not stop within 60 s, killing it"
    within kill -KILL "$(cat "$CGP_HOME/pid/kafka-$n")"
    poll 10 gone "kafka-$n" || die "Kafka $n cannot be killed"
  done
}

kafka() { # N|all start|stop|term|kill
  local all numbers
  all=$(seq "$KAFKA_BROKERS")
  numbers=$(if [[ $1 == all ]]; then echo "$all"; else grep -xF -e "$1" <<<"$all" || true; fi)
  [[ -n $numbers ]] || die "no broker '$1': this node has 1 to $KAFKA_BROKERS; name one, or all"
  # shellcheck disable=SC2086 # one word for each broker
  case ${2:-} in
  start) kafka_start $numbers ;;
  stop | term) kafka_signal TERM $numbers ;;
  kill) kafka_signal KILL $numbers ;;
  *) die "kafka $1 '${2:-}': use start, stop (SIGTERM) or kill (SIGKILL)" ;;
  esac
}
