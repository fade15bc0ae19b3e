//! Standard output and error: control characters are escaped, a closed pipe is no failure, a full disk is.

use std::{fs, time::Duration};

use rustix::process::Signal;

use crate::kit::{Dir, Local, THREE_GROUPS, closed, described, runs, text};

/// A practice's files without the practice.
fn files() -> Dir {
    let dir = Dir::new();
    fs::write(dir.path().join("practice.yaml"), THREE_GROUPS).expect("written");
    fs::create_dir_all(dir.path().join(".local/logs")).expect("a directory");
    fs::write(
        dir.path().join(".local/logs/g-a.log"),
        "one\n\tat a\u{1b}[2J\u{9b}31m\r\nthree\n",
    )
    .expect("written");
    dir
}

#[test]
fn closed_pipe_is_no_failure() {
    let dir = files();
    for args in [
        &["plan", "practice.yaml"][..],
        &["plan", "practice.yaml", "-o", "json"],
        &["logs", "g-a"],
        &["logs", "-f", "g-a"],
    ] {
        let output = dir.printing(args, closed());
        assert!(
            output.status.success() && output.stderr.is_empty(),
            "{args:?}: {output:?}"
        );
    }
    // errors are reported then, too
    fs::write(
        dir.path().join("wrong.yaml"),
        THREE_GROUPS.replacen("replicas: 2}", "replicas: 200}", 1),
    )
    .expect("written");
    let wrong = dir.printing(&["plan", "wrong.yaml"], closed());
    assert!(
        !wrong.status.success() && text(&wrong.stderr).contains("would be refused"),
        "{wrong:?}"
    );
}

#[test]
fn full_disk_is_a_failure() {
    let dir = files();
    for args in [
        &["plan", "practice.yaml"][..],
        &["logs", "g-a"],
        &["logs", "-f", "g-a"],
    ] {
        let full = fs::OpenOptions::new()
            .write(true)
            .open("/dev/full")
            .expect("it is always full");
        let output = dir.printing(args, full.into());
        assert_eq!(output.status.code(), Some(1), "{args:?}: {output:?}");
        let printed = text(&output.stderr);
        assert!(
            printed.starts_with("practice-local: standard output: "),
            "{args:?}: {printed}"
        );
    }
}

#[test]
fn logs_are_escaped() {
    assert_eq!(
        files().stdout_of(&["logs", "g-a"]),
        "one\n\tat a\\u{1b}[2J\\u{9b}31m\\r\nthree\n"
    );
}

#[test]
fn practice_without_a_terminal_runs_and_stops_in_order() {
    let mut local = Local::without_reader(THREE_GROUPS, &[]);
    for (group, members) in [("group-1", 2), ("group-2", 3), ("group-3", 1)] {
        local.settled(group, members);
    }
    for args in [&["status"][..], &["journal"], &["scale", "group-3", "1"]] {
        let output = local.dir.printing(args, closed());
        assert!(
            output.status.success() && output.stderr.is_empty(),
            "{args:?}: {output:?}"
        );
    }
    let family = local.family();
    local.signal(Signal::TERM);
    let status = local.ended(Duration::from_secs(10));
    assert!(
        status.success() && local.output().is_empty(),
        "{status}\n{}",
        local.output()
    );
    let left: Vec<String> = family
        .iter()
        .filter(|pid| runs(**pid))
        .map(|pid| described(*pid))
        .collect();
    assert!(left.is_empty(), "{left:#?}");
    assert!(
        local.log("group-1-a").contains("left group group-1"),
        "{}",
        local.log("group-1-a")
    );
}
