# The node's cgroups: /$cgroup in every hierarchy (version 1) or in the one (version 2), with /$cgroup/system for its daemons.
# Made on the host by `up`, because a kubelet needs them there; the pods' cgroups come below them.
# Sourced by node.sh. `cgroups_remove` leaves none, and gives back the controllers that `cgroups_make` had to switch on.
# shellcheck shell=bash disable=SC2154

cgroups=/sys/fs/cgroup
cgroup=$(basename "$CGP_HOME") # a second node has another CGP_HOME

cgroup_hierarchies() {
  local dir
  if [[ -e $cgroups/cgroup.controllers ]]; then
    echo "$cgroups"
    return
  fi
  for dir in "$cgroups"/*/; do [[ -L ${dir%/} ]] || echo "${dir%/}"; done
}

cgroups_make() {
  local hierarchy file
  for hierarchy in $(cgroup_hierarchies); do
    [[ ! -e $hierarchy/$cgroup ]] || die "the cgroup $hierarchy/$cgroup exists: another node runs under that name. End it, or set CGP_HOME to a directory of another name"
  done
  for hierarchy in $(cgroup_hierarchies); do
    [[ $hierarchy != "$cgroups" ]] || controllers_on "$hierarchy/cgroup.subtree_control" "$CGP_HOME/controllers"
    mkdir "$hierarchy/$cgroup"
    [[ $hierarchy != "$cgroups" ]] || controllers_on "$hierarchy/$cgroup/cgroup.subtree_control" /dev/null
    mkdir "$hierarchy/$cgroup/system"
    if [[ -e $hierarchy/cpuset.mems ]]; then # version 1 starts with empty sets, in which no process may be
      for file in cpuset.cpus cpuset.mems; do
        cat "$hierarchy/$file" >"$hierarchy/$cgroup/$file"
        cat "$hierarchy/$file" >"$hierarchy/$cgroup/system/$file"
      done
    fi
  done
}

# controllers_on FILE RECORD: what a kubelet wants below; notes what was off
controllers_on() {
  local name
  for name in cpuset cpu io memory hugetlb pids; do
    if ! grep -qw $name "${1%/*}/cgroup.controllers" || grep -qw $name "$1"; then continue; fi
    echo "+$name" >"$1" || die "cannot switch the cgroup controller $name on in $1: in a container, give it a cgroup namespace of its own whose root has no processes"
    echo $name >>"$2"
  done
}

cgroups_join() { # PID
  local hierarchy
  for hierarchy in $(cgroup_hierarchies); do echo "$1" >"$hierarchy/$cgroup/system/cgroup.procs"; done
}

cgroups_remove() {
  local hierarchy dir name try
  for hierarchy in $(cgroup_hierarchies); do
    dir=$hierarchy/$cgroup
    for ((try = 0; try < 100; try++)); do # processes that were killed leave a moment later
      [[ -e $dir ]] || break
      find "$dir" -depth -type d -exec rmdir {} + 2>/dev/null || sleep 0.1
    done
    [[ ! -e $dir ]] || die "cannot remove the cgroup $dir, these processes are in it: $(find "$dir" -name cgroup.procs -exec cat {} + | paste -sd' ')"
  done
  if [[ -e $CGP_HOME/controllers ]]; then
    while read -r name; do echo "-$name" >"$cgroups/cgroup.subtree_control" || true; done <"$CGP_HOME/controllers"
  fi
}
