//! Consumer groups: every group gets every message once, its members share the partitions, a member may have none.

use std::collections::HashSet;

use practice_contract::{Assignor, Protocol, WorkerSettings};

use crate::{
    judged::Judged,
    kafka::{committed, create_topic, fill, grow_topic},
    kit::{Worker, settings, unique, until},
    servers,
};

fn members(count: usize, settings: &WorkerSettings) -> Vec<Worker> {
    (0..count).map(|_| Worker::start(settings)).collect()
}

/// Waits until the members of a group own all partitions, none twice, and as many of them as can have one.
fn until_shared(members: &[Worker], partitions: usize) {
    until("every partition has one owner", || {
        let owned: Vec<Vec<i32>> = members.iter().map(Worker::partitions).collect();
        let idle = owned.iter().filter(|owned| owned.is_empty()).count();
        let mut owned = owned.concat();
        owned.sort_unstable();
        let all = owned.iter().copied().eq((0..).take(partitions));
        let fair = idle == members.len().saturating_sub(partitions);
        (all && fair && members.iter().all(Worker::is_ready)).then_some(())
    });
}

fn every_group_gets_every_message_once(protocol: Protocol) {
    let topic = unique("shared");
    create_topic(&servers(), &topic, 3);
    let mut groups: Vec<(Judged, Vec<Worker>)> = [2, 3, 1]
        .into_iter()
        .map(|count| {
            let settings = settings(&servers(), &topic, &unique("group"), protocol);
            let judged = Judged::new(settings);
            let members = members(count, &judged.settings);
            (judged, members)
        })
        .collect();
    for (_, group) in &groups {
        until_shared(group, 3);
    }
    let places = fill(&servers(), &topic, 3, 300);
    for (judged, group) in &mut groups {
        judged.sent(places.clone());
        until("300 messages", || {
            (group.iter().map(Worker::done).sum::<usize>() >= 300).then_some(())
        });
    }
    for (judged, mut group) in groups {
        for member in &mut group {
            member.stop();
        }
        judged.assert_no_violation();
        let taken: Vec<String> = group.iter().flat_map(Worker::taken).collect();
        let once: HashSet<&String> = taken.iter().collect();
        assert_eq!(
            (taken.len(), once.len()),
            (300, 300),
            "each message exactly once"
        );
        assert_eq!(group.iter().map(Worker::done).sum::<usize>(), 300);
        for member in &group {
            let lines = member.lines();
            let pairs = lines
                .iter()
                .filter(|line| line.starts_with("Me") || line.starts_with("Rec"));
            for (n, line) in pairs.enumerate() {
                let expected = if n % 2 == 0 {
                    "Message Info: "
                } else {
                    "Received message: "
                };
                assert!(line.starts_with(expected), "line {n}: {line}");
            }
        }
    }
}

#[test]
fn every_classic_group_gets_every_message_once() {
    every_group_gets_every_message_once(Protocol::Classic);
}

#[test]
fn every_group_of_the_consumer_protocol_gets_every_message_once() {
    every_group_gets_every_message_once(Protocol::Consumer);
}

#[test]
fn a_member_without_a_partition_is_ready() {
    for protocol in [Protocol::Classic, Protocol::Consumer] {
        let topic = unique("idle");
        create_topic(&servers(), &topic, 3);
        let members = members(4, &settings(&servers(), &topic, &unique("idle"), protocol));
        until_shared(&members, 3);
        let idle: Vec<&Worker> = members
            .iter()
            .filter(|member| member.partitions().is_empty())
            .collect();
        assert_eq!(idle.len(), 1);
        assert!(idle[0].status().joined);
        assert!(idle[0].get("/readyz").1.contains("with 0 partitions"));
    }
}

#[test]
fn added_partitions_are_found() {
    for protocol in [Protocol::Classic, Protocol::Consumer] {
        let topic = unique("grows");
        create_topic(&servers(), &topic, 1);
        let members = members(2, &settings(&servers(), &topic, &unique("grows"), protocol));
        until_shared(&members, 1);
        grow_topic(&servers(), &topic, 4);
        until_shared(&members, 4);
        fill(&servers(), &topic, 4, 8);
        until("the messages of all", || {
            (members.iter().map(Worker::done).sum::<usize>() == 8).then_some(())
        });
    }
}

#[test]
fn commits_say_whose_they_are_and_the_next_member_goes_on_there() {
    for (protocol, assignor) in [
        (Protocol::Classic, Assignor::CooperativeSticky),
        (Protocol::Classic, Assignor::RoundRobin),
        (Protocol::Consumer, Assignor::Range),
    ] {
        let (topic, group) = (unique("commits"), unique("commits"));
        create_topic(&servers(), &topic, 1);
        fill(&servers(), &topic, 1, 5);
        let mut settings = settings(&servers(), &topic, &group, protocol);
        settings.assignor = assignor;
        let mut first = Worker::start(&settings);
        until("a commit while running", || {
            (committed(&servers(), &group, &topic, 0)?
                == (5, "kafka-practice:tests/practice".to_owned()))
                .then_some(())
        });
        until("the commit in /status", || {
            (first.status().assignment.first()?.committed == Some(5)).then_some(())
        });
        fill(&servers(), &topic, 1, 1);
        until("one more", || (first.done() == 6).then_some(()));
        first.stop();
        assert_eq!(
            committed(&servers(), &group, &topic, 0).map(|(offset, _)| offset),
            Some(6),
            "the last commit"
        );
        assert_eq!(
            first.lines().last().map(String::as_str),
            Some(&*format!("revoked [{topic}/0]"))
        );

        fill(&servers(), &topic, 1, 1);
        let second = Worker::start(&settings);
        until("the next message", || (second.done() > 0).then_some(()));
        assert_eq!(second.taken(), [format!("{topic}/0@6")]);
    }
}

#[test]
fn a_member_that_the_group_refuses_waits_until_it_may_join() {
    let (topic, group) = (unique("refused"), unique("refused"));
    create_topic(&servers(), &topic, 1);
    let mut sticky = Worker::start(&settings(&servers(), &topic, &group, Protocol::Classic));
    until("the first joins", || sticky.is_ready().then_some(()));
    let mut other = settings(&servers(), &topic, &group, Protocol::Classic);
    other.assignor = Assignor::Range;
    let mut range = Worker::start(&other);
    until("the refusal is logged", || {
        range
            .complaints()
            .contains("refuses this member")
            .then_some(())
    });
    assert!(!range.is_ready() && !range.has_ended());
    assert!(sticky.is_ready());
    sticky.stop();
    until("the other joins", || {
        (range.partitions() == [0]).then_some(())
    });
    assert!(range.is_ready());
    range.stop();
}
