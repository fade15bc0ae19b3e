//! Standard output that cannot be written: nothing is committed whose lines are missing.

use std::{
    collections::BTreeSet,
    fs::File,
    process::{Command, Stdio},
    time::Duration,
};

use practice_contract::Protocol;
use rdkafka::mocking::MockCluster;

use crate::{
    kafka::{committed, fill},
    kit::{PROGRAM, Worker, settings, taken, unique, until},
};

#[test]
fn a_line_that_cannot_be_written_ends_with_1_and_commits_nothing() {
    let cluster = MockCluster::new(1).expect("a cluster in memory");
    let servers = cluster.bootstrap_servers();
    let full = || {
        Stdio::from(
            File::options()
                .write(true)
                .open("/dev/full")
                .expect("there"),
        )
    };
    let closed = || Stdio::from(std::io::pipe().expect("a pipe").1);
    let read_only = || Stdio::from(File::open("/dev/null").expect("there"));
    let outputs: [(&dyn Fn() -> Stdio, &str); 3] = [
        (&full, "No space left on device"),
        (&closed, "Broken pipe"),
        (&read_only, "Bad file descriptor"),
    ];
    for protocol in [Protocol::Classic, Protocol::Consumer] {
        for delay in [Duration::ZERO, Duration::from_millis(1)] {
            for (output, reason) in outputs {
                let (topic, group) = (unique("output"), unique("output"));
                cluster.create_topic(&topic, 2, 1).expect("a topic");
                fill(&servers, &topic, 2, 10);
                let mut settings = settings(&servers, &topic, &group, protocol);
                settings.delay = delay;
                let mut worker = Worker::start_into(&settings, output());
                let case = format!("{} {delay:?} {reason}", protocol.name());
                let code = worker.ended().code();
                let printed = worker.complaints();
                assert_eq!(code, Some(1), "{case}: {printed}");
                assert!(
                    printed.contains("standard output cannot be written")
                        && printed.contains(reason),
                    "{case}: {printed}"
                );
                for partition in [0, 1] {
                    assert_eq!(
                        committed(&servers, &group, &topic, partition),
                        None,
                        "{case}"
                    );
                }
            }
        }
    }
}

/// A file that takes only so many bytes, like a disk that fills while messages are handled.
#[test]
fn a_disk_that_fills_leaves_the_messages_without_lines_to_the_next_consumer() {
    const MESSAGES: usize = 20_000;
    let cluster = MockCluster::new(1).expect("a cluster in memory");
    let servers = cluster.bootstrap_servers();
    let (topic, group) = (unique("disk"), unique("disk"));
    cluster.create_topic(&topic, 2, 1).expect("a topic");
    fill(
        &servers,
        &topic,
        2,
        i32::try_from(MESSAGES).expect("a small number"),
    );
    let settings = settings(&servers, &topic, &group, Protocol::Consumer);
    let path = std::env::temp_dir().join(&topic);
    let mut command = Command::new("bash");
    command
        .env_clear()
        .envs(settings.to_env())
        // 700 KiB of about 2 MB; a larger file is an error, and no signal
        .args([
            "-c",
            "trap '' XFSZ; ulimit -f 700; exec \"$0\" > \"$1\"",
            PROGRAM,
        ])
        .arg(&path)
        .stdout(Stdio::null());
    let mut first = Worker::spawn(&mut command);
    let code = first.ended().code();
    let printed = first.complaints();
    assert_eq!(code, Some(1), "{printed}");
    assert!(
        printed.contains("standard output cannot be written") && printed.contains("File too large"),
        "{printed}"
    );
    let written = std::fs::read(&path).expect("its lines");
    std::fs::remove_file(&path).expect("removed");
    let written = String::from_utf8_lossy(&written);
    let mut lines: BTreeSet<String> = written.lines().filter_map(taken).collect();
    assert!(
        lines.len() > 1_000 && lines.len() < MESSAGES,
        "{}",
        lines.len()
    );
    for partition in [0, 1] {
        let end = committed(&servers, &group, &topic, partition).map_or(0, |(offset, _)| offset);
        for offset in 0..end {
            let message = format!("{topic}/{partition}@{offset}");
            assert!(
                lines.contains(&message),
                "{message} is committed without its line"
            );
        }
    }

    let next = Worker::start(&settings);
    until("each message has its line", || {
        lines.extend(next.taken());
        (lines.len() == MESSAGES).then_some(())
    });
}
