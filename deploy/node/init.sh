#!/usr/bin/env bash
# PID 1 of the node, started by node.sh in mount, pid, network, ipc and uts namespaces of its own: init.sh CGP_HOME NODE_NAME NODE_IP SERVICE_RANGE.
# Fits the namespaces out for a kubelet, then starts what node.sh writes into the pipe CGP_HOME/ctl, lines of NAME COMMAND, each logging to log/NAME.log.
# Leaves nothing: when it dies the kernel ends every process of the node, and mounts, links, routes and rules go with the namespaces.
set -euo pipefail

home=$1 node_name=$2 node_ip=$3 service_range=$4

hostname "$node_name"

# a /sys that shows this network, over the same cgroups
mkdir -p "$home/cgroups"
mount --rbind /sys/fs/cgroup "$home/cgroups"
mount -t sysfs sysfs /sys
mount --rbind "$home/cgroups" /sys/fs/cgroup
umount -l "$home/cgroups"
mount --make-rshared / # only now: shared mounts would lose the copies with the umount above

# what a kubelet sets for the whole machine goes to files instead
for pair in vm/overcommit_memory=1 vm/panic_on_oom=0 kernel/panic=10 kernel/panic_on_oops=1 kernel/keys/root_maxkeys=1000000 kernel/keys/root_maxbytes=25000000; do
  file=$home/sysctl/${pair%%=*}
  mkdir -p "$(dirname "$file")"
  echo "${pair##*=}" >"$file"
  mount --bind "$file" "/proc/sys/${pair%%=*}"
done

# places whose names are compiled into the programs
mkdir -p "$home/var-lib" "$home/var-log"
mount -t tmpfs -o mode=755 tmpfs /run
mount --bind "$home/var-lib" /var/lib
mount --bind "$home/var-log" /var/log
mkdir -p /run/netns /run/lock

# no link to anywhere: the node's address lies on lo, pods get routed pairs, fwd is the way in
ip link set lo up
ip address add "$node_ip/32" dev lo
ip route add "$service_range" dev lo src "$node_ip" # a Service's address needs a route before nftables sees it
echo 1 >/proc/sys/net/ipv4/ip_forward

exec 3<>"$home/ctl"
touch "$home/ready"
while read -r -u 3 name command; do
  (
    exec 3>&- </dev/null >>"$home/log/$name.log" 2>&1
    eval "exec setsid $command"
  ) &
  echo $! >"$home/pid/$name"
done
