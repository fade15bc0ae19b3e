//! A member that the broker refuses is not ready, whatever its connection does, and becomes a member once the reason is gone.

use std::{
    thread,
    time::{Duration, Instant},
};

use practice_contract::{Assignor, Protocol};
use practice_testbed::Kafka;

use crate::{
    kafka::{create_topic, fill},
    kit::{Worker, settings, unique, until, wait_for},
};

/// Longer than the pause between two attempts to join.
const ATTEMPTS: Duration = Duration::from_secs(14);

/// Watches for some attempts that a consumer is not ready.
fn never_ready(worker: &mut Worker, case: &str) {
    let begun = Instant::now();
    while begun.elapsed() < ATTEMPTS {
        let (code, body) = worker.get("/readyz");
        assert_eq!(code, 503, "{case}: {body}{}", worker.complaints());
        assert!(!worker.status().joined, "{case}");
        thread::sleep(Duration::from_millis(20));
    }
    assert!(!worker.has_ended(), "{case}: {}", worker.complaints());
}

fn until_refused(worker: &Worker, case: &str, fix: &str) {
    until(&format!("{case}: the refusal with `{fix}`"), || {
        let printed = worker.complaints();
        printed
            .lines()
            .any(|line| line.contains("refuses this member") && line.contains(fix))
            .then_some(())
    });
}

#[test]
fn a_kafka_without_the_consumer_protocol_has_no_ready_member() {
    let kafka = wait_for(Kafka::start_with_classic_groups_only());
    create_topic(kafka.bootstrap(), "t", 1);
    let settings = settings(kafka.bootstrap(), "t", "g", Protocol::Consumer);
    let mut worker = Worker::start(&settings);
    never_ready(&mut worker, "group.version 0");
    until_refused(&worker, "group.version 0", "group.version at 1");
    worker.stop();
}

#[test]
fn a_member_beyond_the_groups_size_or_with_an_unknown_assignor_is_not_ready() {
    let one_member = "group.max.size=1\ngroup.consumer.max.size=1\n";
    let properties = format!("{one_member}group.consumer.assignors=range\n");
    let kafka = wait_for(Kafka::start_with(&properties));
    let servers = kafka.bootstrap();
    for protocol in [Protocol::Classic, Protocol::Consumer] {
        let (topic, group) = (unique("narrow"), unique("narrow"));
        create_topic(servers, &topic, 1);
        let mut settings = settings(servers, &topic, &group, protocol);
        settings.assignor = Assignor::Range;
        let mut first = Worker::start(&settings);
        until("the first is ready", || first.is_ready().then_some(()));
        let mut second = Worker::start(&settings);
        never_ready(&mut second, protocol.name());
        until_refused(&second, protocol.name(), "group.consumer.max.size");
        assert!(first.is_ready());
        first.stop();
        until("there is room: ready", || second.is_ready().then_some(()));
        second.stop();
    }
    let group = unique("assignor");
    let settings = settings(servers, &unique("t"), &group, Protocol::Consumer);
    assert_eq!(settings.assignor, Assignor::Uniform);
    let mut worker = Worker::start(&settings);
    never_ready(&mut worker, "assignor");
    until_refused(&worker, "assignor", "group.consumer.assignors");
    worker.stop();
}

/// The group is denied at the start, or in the middle of a delay.
#[test]
fn a_member_that_kafka_denies_is_not_ready_until_it_is_granted() {
    let kafka = wait_for(Kafka::start_with_access_control());
    let servers = kafka.bootstrap();
    for protocol in [Protocol::Classic, Protocol::Consumer] {
        let case = protocol.name();
        let (topic, group) = (unique("denied"), unique("denied"));
        create_topic(servers, &topic, 1);
        fill(servers, &topic, 1, 3);
        let mut settings = settings(servers, &topic, &group, protocol);
        settings.delay = Duration::from_millis(1);
        let group_args = ["--group", &group];
        wait_for(kafka.deny("Read", group_args));
        let mut worker = Worker::start(&settings);
        never_ready(&mut worker, case);
        until_refused(&worker, case, &format!("grant it on group {group}"));
        wait_for(kafka.allow("Read", group_args));
        until("granted: ready", || worker.is_ready().then_some(()));
        until("granted: all messages", || {
            (worker.done() == 3).then_some(())
        });
        worker.stop();
    }

    let (topic, group) = (unique("delay"), unique("delay"));
    create_topic(servers, &topic, 1);
    fill(servers, &topic, 1, 1);
    let mut slow = settings(servers, &topic, &group, Protocol::Consumer);
    slow.delay = Duration::from_mins(4);
    let mut worker = Worker::start(&slow);
    worker.until_line("the message in hand", |line| line.ends_with("@ offset 0"));
    assert!(worker.is_ready());
    wait_for(kafka.deny("Read", ["--group", &group]));
    until_refused(&worker, "delay", &format!("grant it on group {group}"));
    never_ready(&mut worker, "delay");
    let status = worker.status();
    assert_eq!((status.abandoned, status.consumed), (1, 0));
    wait_for(kafka.allow("Read", ["--group", &group]));
    until("in hand again", || {
        (worker.taken().len() == 2).then_some(())
    });
    assert!(worker.is_ready());
    worker.stop();
}

/// The client goes on after these refusals, and its connection to the coordinator is up.
#[test]
fn a_member_whose_heartbeats_are_refused_is_not_ready_though_its_client_runs() {
    let kafka = wait_for(Kafka::start_with_access_control());
    let (servers, topic, group) = (kafka.bootstrap(), unique("hidden"), unique("hidden"));
    create_topic(servers, &topic, 1);
    let topic_args = ["--topic", &topic];
    wait_for(kafka.deny("Describe", topic_args));
    let mut worker = Worker::start(&settings(servers, &topic, &group, Protocol::Consumer));
    never_ready(&mut worker, "topic denied");
    wait_for(kafka.allow("Describe", topic_args));
    until("granted: ready", || worker.is_ready().then_some(()));
    worker.stop();
    drop(kafka);

    let kafka = wait_for(Kafka::start_with(
        "group.consumer.migration.policy=disabled\n",
    ));
    let (servers, topic, group) = (kafka.bootstrap(), unique("classic"), unique("classic"));
    create_topic(servers, &topic, 1);
    let mut classic = Worker::start(&settings(servers, &topic, &group, Protocol::Classic));
    until("the group is Classic", || classic.is_ready().then_some(()));
    let mut worker = Worker::start(&settings(servers, &topic, &group, Protocol::Consumer));
    never_ready(&mut worker, "a Classic group");
    classic.stop();
    until("the group is free: ready", || {
        worker.is_ready().then_some(())
    });
    worker.stop();
}
