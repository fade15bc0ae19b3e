//! What a process costs, from /proc of this machine, which sees into the node. In: a pid, or a pod's uid. Out: MiB and
//! CPU seconds.

use std::{fs, process::Command};

use super::command::done;

/// The process of a pod's program, by the pod's uid (in its cgroup's name) and the program's path.
pub(crate) fn process_of(pod_uid: &str, program: &str) -> u32 {
    let processes = fs::read_dir("/proc")
        .expect("/proc is mounted")
        .filter_map(Result::ok);
    let mut pids = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let is_it = |pid: &u32| {
        let cgroup = fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap_or_default();
        let cmdline = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        cgroup.replace('_', "-").contains(pod_uid)
            && cmdline.split(|byte| *byte == 0).next() == Some(program.as_bytes())
    };
    pids.find(is_it)
        .unwrap_or_else(|| panic!("no process {program} in the cgroup of pod {pod_uid}"))
}

/// Resident memory, in MiB.
pub(crate) fn rss(pid: u32) -> f64 {
    mib(pid, "status", "VmRSS:")
}

/// The largest resident memory so far, in MiB.
pub(crate) fn peak_rss(pid: u32) -> f64 {
    mib(pid, "status", "VmHWM:")
}

/// Memory with what is shared divided among those who share it, in MiB.
pub(crate) fn pss(pid: u32) -> f64 {
    mib(pid, "smaps_rollup", "Pss:")
}

/// User and system time so far, in seconds.
pub(crate) fn cpu_seconds(pid: u32) -> f64 {
    seconds(pid, [11, 12])
}

/// The same of those children of this process that have ended and were waited for.
pub(crate) fn cpu_seconds_of_children() -> f64 {
    seconds(std::process::id(), [13, 14])
}

/// The sum of two fields, counted from the state, which comes after the name.
fn seconds(pid: u32, fields: [usize; 2]) -> f64 {
    let stat = read(pid, "stat");
    let after_name = stat.rsplit_once(')').expect("proc(5)").1;
    let all: Vec<&str> = after_name.split_whitespace().collect();
    let ticks: f64 = fields
        .map(|field| all[field].parse::<f64>().expect("proc(5)"))
        .iter()
        .sum();
    ticks / ticks_a_second()
}

fn ticks_a_second() -> f64 {
    done(Command::new("getconf").arg("CLK_TCK"))
        .trim()
        .parse()
        .expect("a number")
}

fn mib(pid: u32, file: &str, field: &str) -> f64 {
    let text = read(pid, file);
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix(field))
        .expect("proc(5)");
    let kib: f64 = line
        .trim()
        .trim_end_matches(" kB")
        .parse()
        .expect("proc(5)");
    kib / 1024.0
}

fn read(pid: u32, file: &str) -> String {
    let path = format!("/proc/{pid}/{file}");
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}
