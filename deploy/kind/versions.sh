# What the kind cluster is made of, where it is written once: kind in config-check/go.mod, Strimzi in ../strimzi/crds-pom.xml.
# Sourced by up.sh and check.sh; wants `here` to be this directory.
# Leaves nothing.
# shellcheck shell=bash disable=SC2154,SC2034

KIND=$(sed -n 's|^require sigs.k8s.io/kind \(v.*\)|\1|p' "$here/config-check/go.mod")
STRIMZI=$(sed -n 's|.*<strimzi.version>\(.*\)</strimzi.version>.*|\1|p' "$here/../strimzi/crds-pom.xml")
