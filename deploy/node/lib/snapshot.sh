# What a node could leave on the host, one file for each kind, to compare before and after with diff -r.
# Only what the node could touch: other programs of the machine come and go meanwhile.
# Sourced by node.sh. Leaves the files in the directory that it is given.
# shellcheck shell=bash disable=SC2154

snapshot() { # DIRECTORY
  local process
  mkdir -p "$1"
  for process in /proc/[0-9]*; do
    if { tr '\0' ' ' <"$process/cmdline"; } 2>/dev/null | grep -v 'node.sh snapshot' | grep -F -e "$CGP_HOME" -e "$bin/fwd"; then :; fi
  done | sort >"$1/processes"
  cut -d' ' -f4- /proc/self/mountinfo | sort >"$1/mounts"
  lsns -n -o TYPE,NS | sort >"$1/namespaces"
  { ip -o link && ip -o address && ip route show table all && ip rule; } | sed -E 's/(qlen|valid_lft|preferred_lft) [^ ]+//g' >"$1/network"
  sysroot nft list ruleset >"$1/nftables"
  cat /proc/net/ip_tables_names /proc/net/ip6_tables_names >"$1/iptables" 2>/dev/null || true
  find "$cgroups"/ -type d -path "*$cgroup*" | sort >"$1/cgroups"
  cat "$cgroups/cgroup.subtree_control" >>"$1/cgroups" 2>/dev/null || true
  sysctl -a 2>/dev/null | grep -E '^(vm\.(overcommit|panic)|kernel\.(panic|keys|hostname)|net\.(ipv4|ipv6|bridge|netfilter))' | grep -v -e nf_conntrack_count | sort >"$1/sysctls"
  ss -Hltn | awk '{print $4}' | grep -E ":($CGP_PORT_API|$CGP_PORT_KAFKA)$" | sort >"$1/listeners" || true
  ls -d "$CGP_HOME" /etc/cni /opt/cni /opt/containerd /var/lib/{cni,kubelet,containerd} /var/log/{pods,containers} /run/{containerd,netns,cni} /usr/libexec/kubernetes >"$1/paths" 2>/dev/null || true
}
