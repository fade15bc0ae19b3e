//! The ledger file: what it has, that it survives a killed worker, and what it shows after faults.

use std::{
    path::Path,
    sync::{
        OnceLock,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use practice_contract::Protocol;
use practice_testbed::Kafka;

use crate::{
    judged::Judged,
    kafka::{committed, create_topic, fill},
    kit::{Worker, settings, unique, until, wait_for},
    servers,
};

#[test]
fn file_has_what_was_handled_before_it_is_committed() {
    let (topic, group) = (unique("file"), unique("file"));
    create_topic(&servers(), &topic, 2);
    let mut judged = Judged::new(settings(&servers(), &topic, &group, Protocol::Classic));
    judged.settings.instance = Some("pod-7".to_owned());
    judged.sent(fill(&servers(), &topic, 2, 10));
    let mut worker = judged.start();
    until("a commit", || committed(&servers(), &group, &topic, 0));
    judged.until_handled();
    let written = judged.lines();
    for line in &written {
        assert_eq!((&*line.instance, &line.group), ("pod-7", &group));
        assert!(line.range.taken_at <= line.range.done_at, "{line:?}");
        assert_eq!(line.range.committed_at, None);
    }
    assert_eq!(written.iter().map(|line| line.range.count).sum::<u64>(), 10);
    judged.saw(&worker);
    worker.stop();
    judged.assert_no_violation();
}

#[test]
fn file_that_cannot_be_written_ends_the_worker_with_its_path() {
    let topic = unique("unwritable");
    create_topic(&servers(), &topic, 1);
    fill(&servers(), &topic, 1, 3);
    let group = unique("unwritable");
    for (path, cause) in [
        ("/dev/full", "No space left on device"),
        ("/nowhere/ledger.jsonl", "No such file or directory"),
    ] {
        let mut settings = settings(&servers(), &topic, &group, Protocol::Classic);
        settings.ledger = Some(path.into());
        let mut worker = Worker::start(&settings);
        assert_eq!(worker.ended().code(), Some(1), "{}", worker.complaints());
        let printed = worker.complaints();
        assert!(
            printed.contains(&format!("KAFKA_PRACTICE_LEDGER is `{path}`"))
                && printed.contains(cause),
            "{printed}"
        );
        assert_eq!(committed(&servers(), &group, &topic, 0), None);
    }
    assert!(!Path::new("/nowhere").exists());
}

/// A Kafka whose sessions of KIP-848 members end as soon as those of Classic ones.
fn quick_kafka() -> &'static Kafka {
    static KAFKA: OnceLock<Kafka> = OnceLock::new();
    KAFKA.get_or_init(|| {
        let heartbeats = "group.consumer.min.heartbeat.interval.ms=1000\ngroup.consumer.heartbeat.interval.ms=1000\n";
        let sessions = "group.consumer.min.session.timeout.ms=6000\ngroup.consumer.session.timeout.ms=6000\n";
        wait_for(Kafka::start_with(&format!("{heartbeats}{sessions}")))
    })
}

/// A worker is killed, another frozen until others have its partitions, a third one joins and leaves, all under load.
fn faults_leave_no_violation(protocol: Protocol) {
    let servers = quick_kafka().bootstrap();
    let (topic, group) = (unique("faults"), unique("faults"));
    create_topic(servers, &topic, 3);
    let mut settings = settings(servers, &topic, &group, protocol);
    settings.delay = Duration::from_millis(2);
    settings.session_timeout = Duration::from_secs(6);
    let mut judged = Judged::new(settings);
    let is_over = AtomicBool::new(false);
    let owns = |worker: &Worker, what: &str, count: fn(usize) -> bool| {
        until(what, || count(worker.partitions().len()).then_some(()));
    };
    let places = thread::scope(|scope| {
        let load = scope.spawn(|| {
            let mut places = Vec::new();
            while !is_over.load(Ordering::Relaxed) {
                places.extend(fill(servers, &topic, 3, 30));
            }
            places
        });
        let ended = EndsLoad(&is_over);

        let (mut killed, mut frozen) = (judged.start(), judged.start());
        owns(&killed, "the first has its share", |count| count > 0);
        owns(&frozen, "the second has its share", |count| count > 0);
        until("both have handled", || {
            (killed.done() > 50 && frozen.done() > 50).then_some(())
        });
        killed.signal("-KILL");
        killed.ended();
        owns(&frozen, "the second has all", |count| count == 3);

        let mut third = judged.start();
        owns(&third, "the third has its share", |count| count > 0);
        frozen.signal("-STOP");
        owns(&third, "the third has all", |count| count == 3);
        frozen.signal("-CONT");
        owns(&frozen, "the second has its share again", |count| {
            (1..3).contains(&count)
        });

        let mut leaving = judged.start();
        owns(&leaving, "the fourth has one", |count| count == 1);
        judged.saw(&leaving);
        leaving.stop();
        drop(ended);
        let places = load.join().expect("the load does not panic");
        judged.sent(places.clone());
        judged.until_handled();
        for worker in [&mut frozen, &mut third] {
            judged.saw(worker);
            worker.stop();
        }
        let pids = judged.lines().into_iter().map(|line| line.instance);
        let writers: std::collections::BTreeSet<String> = pids.collect();
        assert_eq!(
            writers.len(),
            4,
            "the killed one's lines are there: {writers:?}"
        );
        places
    });
    assert!(places.len() > 500, "{} messages", places.len());
    judged.assert_no_violation();
}

/// Ends the load, however its test ends.
struct EndsLoad<'a>(&'a AtomicBool);

impl Drop for EndsLoad<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn faults_leave_no_violation_classic() {
    faults_leave_no_violation(Protocol::Classic);
}

#[test]
fn faults_leave_no_violation_consumer() {
    faults_leave_no_violation(Protocol::Consumer);
}
