//! Figures of local mode, with the program as `make local` builds it. In: practice 3. Out: rows of the table of figures.
//! What is asserted leaves room for a busy machine, the figures are exact.

#[path = "../../../operator/tests/common/figures.rs"]
#[expect(dead_code, reason = "what other figures need")]
mod figures;
#[path = "../it/kit.rs"]
#[expect(dead_code, reason = "what other tests need")]
mod kit;
#[path = "../it/learner.rs"]
#[expect(dead_code, reason = "what other tests need")]
mod learner;
mod lessons;

use std::{
    fs,
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use figures::{Bound, hold, median};
use kit::{Dir, Local, PROGRAM, program};
use rustix::process::Signal;

/// How much longer a busy machine may take.
const BUSY: f64 = 3.0;
const PRACTICE_3: &str = include_str!("../../../deploy/samples/practice-3.yaml");

fn print_line(line: &str) {
    eprintln!("{line}");
}

/// Builds the program as people run it.
fn build_program() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut cargo = Command::new(env!("CARGO"));
    let built = cargo
        .current_dir(&root)
        .args([
            "build",
            "--profile",
            "local",
            "--locked",
            "--package",
            "practice-local",
        ])
        .status();
    assert!(
        built.is_ok_and(|status| status.success()),
        "the build with profile local failed"
    );
    let target =
        std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), Into::into);
    let program = target.join("local/practice-local");
    assert_eq!(
        PROGRAM.get_or_init(|| program.clone()),
        &program,
        "the program of `make local` is measured"
    );
}

/// Proportional set size of a process in kilobytes.
fn pss(pid: u32) -> f64 {
    let rollup =
        fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).expect("the process is there");
    let line = rollup
        .lines()
        .find_map(|line| line.strip_prefix("Pss:"))
        .expect("a line Pss");
    line.split_whitespace()
        .next()
        .and_then(|number| number.parse().ok())
        .expect("a number")
}

/// Seconds of CPU that a process has used.
fn cpu(pid: u32) -> f64 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).expect("the process is there");
    let fields: Vec<&str> = stat
        .rsplit_once(')')
        .expect("a name")
        .1
        .split_whitespace()
        .collect();
    let ticks = |field: usize| fields[field].parse::<f64>().expect("a number");
    (ticks(11) + ticks(12)) / 100.0
}

#[test]
fn practice_3_in_memory() {
    build_program();
    let mut assigned = Vec::new();
    for round in 0..5 {
        let begun = Instant::now();
        let mut local = Local::start(PRACTICE_3, &[]);
        for (group, members) in [
            ("my-consumer-group-1", 2),
            ("my-consumer-group-2", 3),
            ("my-consumer-group-3", 1),
        ] {
            local.settled(group, members);
        }
        assigned.push(begun.elapsed().as_secs_f64());
        if round == 4 {
            let all: Vec<u32> = local.family().into_iter().chain([local.pid()]).collect();
            assert_eq!(
                all.len(),
                9,
                "six consumers, a producer, a broker, and who runs them: {all:?}"
            );
            let of_all = |figure: fn(u32) -> f64| all.iter().map(|pid| figure(*pid)).sum::<f64>();
            let how = "Pss of /proc/PID/smaps_rollup, all 9 processes, practice-3, after the start";
            hold(
                "local mode, memory",
                of_all(pss) / 1024.0,
                "MiB",
                Bound::AtMost(150.0),
                1.0,
                how,
            );
            let before = of_all(cpu);
            std::thread::sleep(Duration::from_secs(10)); // the time over which it is measured
            let how = "utime and stime of all 9 processes over 10 s in which nothing is sent, no page open";
            hold(
                "local mode, idle",
                (of_all(cpu) - before) * 10.0,
                "% of a core",
                Bound::None,
                1.0,
                how,
            );
        }
        local.signal(Signal::TERM);
        local.ended(Duration::from_secs(10));
    }
    let how = format!(
        "practice-3 on the embedded broker, from the start of the process until the live view has all six with their partitions; median of {assigned:.2?}"
    );
    hold(
        "local mode, start -> six consumers assigned",
        median(assigned),
        "s",
        Bound::AtMost(5.0),
        BUSY,
        &how,
    );
}

/// As many groups as a manifest may have, each on all of as many topics as fit the rules.
fn large() -> String {
    let topics: Vec<String> = (0..32)
        .map(|n| format!("    - {{name: topic-{n}, partitions: 12}}\n"))
        .collect();
    let groups: Vec<String> = (0..32)
        .map(|n| format!("    - {{name: group-{n}, replicas: 6}}\n"))
        .collect();
    format!(
        "apiVersion: kafka-practice.dev/v1alpha1\nkind: ConsumerGroupPractice\nmetadata: {{name: large}}\nspec:\n  topics:\n{}  groups:\n{}",
        topics.concat(),
        groups.concat()
    )
}

#[test]
fn a_plan_of_32_groups() {
    build_program();
    let dir = Dir::new();
    fs::write(dir.path().join("large.yaml"), large()).expect("written");
    let mut taken = Vec::new();
    for _ in 0..10 {
        let begun = Instant::now();
        let ended = program()
            .current_dir(dir.path())
            .args(["plan", "large.yaml"])
            .output()
            .expect("the program runs");
        taken.push(begun.elapsed().as_secs_f64() * 1000.0);
        let printed = String::from_utf8(ended.stdout).expect("UTF-8");
        assert!(
            ended.status.success() && printed.starts_with("large   new, 192 consumers start\n"),
            "{printed}"
        );
    }
    let how = format!(
        "practice-local plan, 32 groups on 32 topics, from the start of the process to its end; median of {taken:.0?}"
    );
    hold(
        "plan of 32 groups",
        median(taken),
        "ms",
        Bound::AtMost(100.0),
        BUSY,
        &how,
    );
}
