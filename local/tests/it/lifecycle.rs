//! Beginnings and ends: nothing stays behind, whatever ends it; several run beside each other.

use std::{
    process::Stdio,
    thread,
    time::{Duration, Instant},
};

use rustix::process::Signal;

use crate::kit::{Local, SOON, THREE_GROUPS, children, described, program, runs, send, text};

#[test]
fn asked_to_end_it_ends_within_ten_seconds_with_all_its_children() {
    for signal in [Signal::TERM, Signal::INT] {
        let mut local = Local::ready(THREE_GROUPS, &[]);
        local.dir.stdout_of(&["pause", "group-3-a"]);
        let family = local.family();
        assert_eq!(
            family.len(),
            8,
            "six consumers, a producer, a broker: {family:?}"
        );
        local.signal(signal);
        let status = local.ended(Duration::from_secs(10));
        assert!(status.success(), "{signal:?}: {status}\n{}", local.output());
        let left: Vec<String> = family
            .iter()
            .filter(|pid| runs(**pid))
            .map(|pid| described(*pid))
            .collect();
        assert!(left.is_empty(), "{signal:?}: {left:#?}");
        assert!(
            local.log("group-1-a").contains("left group group-1"),
            "{}",
            local.log("group-1-a")
        );
    }
}

#[test]
fn killed_it_leaves_no_orphan_not_even_one_that_is_held() {
    let mut local = Local::ready(THREE_GROUPS, &[]);
    local.dir.stdout_of(&["pause", "group-3-a"]);
    let family = local.family();
    assert_eq!(family.len(), 8, "{family:?}");
    local.signal(Signal::KILL);
    local.ended(Duration::from_secs(5));
    let deadline = Instant::now() + Duration::from_secs(10);
    while family.iter().any(|pid| runs(*pid)) {
        let left: Vec<String> = family
            .iter()
            .filter(|pid| runs(**pid))
            .map(|pid| described(*pid))
            .collect();
        assert!(Instant::now() < deadline, "still there: {left:#?}");
        thread::sleep(Duration::from_millis(50));
    }
    // leftover files do not prevent another start
    let printed = local.dir.refused(&["status"]);
    assert!(printed.contains("no practice runs in"), "{printed}");
}

#[test]
fn two_run_beside_each_other_and_not_in_one_place() {
    let first = Local::ready(THREE_GROUPS, &[]);
    let second = Local::ready(THREE_GROUPS, &[]);
    first.dir.stdout_of(&["send", "for-the-first"]);
    first.until("it is read", || {
        first
            .logs("group-1")
            .contains("for-the-first")
            .then_some(())
    });
    assert!(!second.logs("group-1").contains("for-the-first"));
    let directory = first.dir.path().display().to_string();
    let status = second.dir.stdout_of(&["-C", &directory, "status"]);
    assert!(
        status.starts_with("three on the embedded broker"),
        "{status}"
    );
    let port = second.port.to_string();
    let again = first.dir.refused(&[
        "up",
        "practice.yaml",
        "--port-base",
        &crate::kit::ports().to_string(),
    ]);
    assert!(
        again.contains("a practice runs in") && again.contains("-C DIR"),
        "{again}"
    );
    let dir = crate::kit::Dir::new();
    std::fs::write(dir.path().join("practice.yaml"), THREE_GROUPS).expect("written");
    let taken = dir.refused(&["up", "practice.yaml", "--port-base", &port]);
    let who = format!("port {port} for the live view is in use by practice-local (pid ");
    assert!(
        taken.contains(&who) && taken.contains("--port-base"),
        "{taken}"
    );
}

#[test]
fn crashed_consumer_restarts() {
    let local = Local::ready(THREE_GROUPS, &["--restart-delay", "1s"]);
    let worker = local.family().into_iter().find(|pid| {
        let words = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        text(&words).contains("group-3-a")
    });
    send(worker.expect("a worker"), Signal::KILL);
    local.until("its exit is printed", || {
        local
            .output()
            .contains("group-3-a exited, signal: 9")
            .then_some(())
    });
    let log = local.log("group-3-a");
    assert!(
        log.contains("practice-local: group-3-a exited, signal: 9"),
        "{log}"
    );
    local.until("it is back", || {
        (local.log("group-3-a").matches("assigned [").count() >= 2).then_some(())
    });
}

#[test]
fn killed_keeper_takes_its_program_along() {
    for signal in [Signal::KILL, Signal::ABORT, Signal::STOP] {
        let mut keeper = program()
            .args(["keeper", "--", "sleep", "600"])
            .stdin(Stdio::piped())
            .spawn()
            .expect("runs");
        let deadline = Instant::now() + SOON;
        let kept = loop {
            let kept = children(keeper.id()).into_iter().find(|pid| {
                let words = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
                text(&words).starts_with("sleep")
            });
            if let Some(kept) = kept {
                break kept;
            }
            assert!(Instant::now() < deadline, "it did not start");
            thread::sleep(Duration::from_millis(20));
        };
        send(keeper.id(), signal);
        if signal == Signal::STOP {
            send(keeper.id(), Signal::KILL);
        }
        keeper.wait().expect("it ends");
        while runs(kept) {
            assert!(Instant::now() < deadline, "{signal:?}: {}", described(kept));
            thread::sleep(Duration::from_millis(20));
        }
    }
}

#[test]
fn children_are_not_for_people_and_end_without_a_parent() {
    let help = program().arg("--help").output().expect("runs");
    let help = text(&help.stdout);
    for hidden in ["keeper", "kept", "embedded", "worker"] {
        assert!(!help.contains(&format!("  {hidden} ")), "{help}");
    }
    // its standard input is closed, as that of an orphan
    let broker = program().args(["embedded", "1"]).output().expect("runs");
    assert!(
        broker.status.success() && text(&broker.stdout).contains("bootstrap"),
        "{broker:?}"
    );
    let kept = program()
        .args(["keeper", "--", "sleep", "600"])
        .output()
        .expect("runs");
    assert!(kept.status.success(), "{kept:?}");
}
