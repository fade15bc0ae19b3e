//! What is written where: nothing drives a terminal, whoever has had enough is no failure, a full disk is one.

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
fn whoever_has_had_enough_is_no_failure() {
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
    // what is wrong is said also then
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
fn a_disk_that_is_full_is_a_failure() {
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
        let said = text(&output.stderr);
        assert!(
            said.starts_with("practice-local: standard output: "),
            "{args:?}: {said}"
        );
    }
}

#[test]
fn a_log_drives_no_terminal() {
    assert_eq!(
        files().told(&["logs", "g-a"]),
        "one\n\tat a\\u{1b}[2J\\u{9b}31m\\r\nthree\n"
    );
}

#[test]
fn a_practice_that_nobody_listens_to_runs_and_ends_in_order() {
    let mut local = Local::unheard(THREE_GROUPS, &[]);
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
        status.success() && local.said().is_empty(),
        "{status}\n{}",
        local.said()
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
