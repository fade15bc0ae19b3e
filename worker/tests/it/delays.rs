//! A delay holds up neither a stop nor a rebalance, and a message that was not finished is left to its next owner.

use std::{
    collections::HashSet,
    time::{Duration, Instant},
};

use practice_contract::{Assignor, Protocol};

use crate::{
    judged::Judged,
    kafka::{committed, create_topic, fill},
    kit::{SOON, Worker, settings, unique, until, until_within},
    servers,
};

#[test]
fn a_stop_abandons_the_message_in_hand_and_the_next_member_handles_it() {
    for protocol in [Protocol::Classic, Protocol::Consumer] {
        let (topic, group) = (unique("stop"), unique("stop"));
        create_topic(&servers(), &topic, 1);
        fill(&servers(), &topic, 1, 3);
        let mut slow = settings(&servers(), &topic, &group, protocol);
        slow.delay = Duration::from_mins(2);
        let mut worker = Worker::start(&slow);
        worker.until_line("the first message in hand", |line| {
            line.ends_with("[0] @ offset 0")
        });
        let signal = Instant::now();
        worker.stop();
        assert!(
            signal.elapsed() < Duration::from_secs(8),
            "{:?}",
            signal.elapsed()
        );
        assert_eq!((worker.taken().len(), worker.done()), (1, 0));
        assert_eq!(committed(&servers(), &group, &topic, 0), None);

        let next = Worker::start(&settings(&servers(), &topic, &group, protocol));
        until("all three", || (next.done() == 3).then_some(()));
        assert_eq!(next.taken()[0], format!("{topic}/0@0"));
    }
}

/// The first member reads two topics, the second only that with the message: balance moves its partition. Where members
/// are taken in the order of their ids, the second comes first.
fn a_message_whose_partition_goes_is_abandoned(protocol: Protocol, assignor: Assignor) {
    let (topic, other, group) = (unique("goes"), unique("stays"), unique("goes"));
    create_topic(&servers(), &topic, 1);
    create_topic(&servers(), &other, 1);
    fill(&servers(), &topic, 1, 1);
    let mut slow = settings(&servers(), &topic, &group, protocol);
    slow.assignor = assignor;
    slow.topics.push(other);
    slow.delay = Duration::from_mins(5);
    slow.instance = Some("second-by-name".to_owned());
    let mut first = Worker::start(&slow);
    first.until_line("the message in hand", |line| line.ends_with("@ offset 0"));
    let mut quick = settings(&servers(), &topic, &group, protocol);
    quick.assignor = assignor;
    quick.instance = Some("first-by-name".to_owned());
    let mut second = Worker::start(&quick);
    until("the message is handled by its next owner", || {
        (second.done() == 1).then_some(())
    });
    // its next owner may be quicker than its own count
    let status = until("it is abandoned", || {
        Some(first.status()).filter(|status| status.abandoned > 0)
    });
    assert_eq!(
        (status.abandoned, status.consumed, first.done()),
        (1, 0, 0),
        "{status:?}"
    );
    second.stop();
    first.stop();
    assert_eq!(
        committed(&servers(), &group, &topic, 0).map(|(offset, _)| offset),
        Some(1)
    );
}

#[test]
fn a_message_whose_partition_goes_is_abandoned_classic_cooperative() {
    a_message_whose_partition_goes_is_abandoned(Protocol::Classic, Assignor::CooperativeSticky);
}

#[test]
fn a_message_whose_partition_goes_is_abandoned_classic_eager() {
    a_message_whose_partition_goes_is_abandoned(Protocol::Classic, Assignor::Range);
}

#[test]
fn a_message_whose_partition_goes_is_abandoned_consumer() {
    a_message_whose_partition_goes_is_abandoned(Protocol::Consumer, Assignor::Uniform);
}

fn a_backlog_is_handled_once_and_in_order(protocol: Protocol) {
    let (topic, group) = (unique("backlog"), unique("backlog"));
    create_topic(&servers(), &topic, 3);
    let mut judged = Judged::new(settings(&servers(), &topic, &group, protocol));
    judged.settings.delay = Duration::from_millis(4);
    judged.sent(fill(&servers(), &topic, 3, 6_000));
    let mut workers = vec![judged.start()];
    until("some", || (workers[0].done() > 500).then_some(()));
    workers.push(judged.start());
    // the one with two of the three partitions needs 16 s when nothing else runs
    until_within(3 * SOON, "all", || {
        (workers.iter().map(Worker::done).sum::<usize>() >= 6_000).then_some(())
    });
    for worker in &mut workers {
        worker.stop(); // no rebalance excuses a message that is handled again
    }
    judged.assert_no_violation();
    let done: usize = workers.iter().map(Worker::done).sum();
    assert_eq!(done, 6_000, "no message is finished twice, none is lost");
    let taken: Vec<String> = workers.iter().flat_map(Worker::taken).collect();
    assert_eq!(taken.iter().collect::<HashSet<_>>().len(), 6_000);
    assert!(
        workers.iter().all(|worker| worker.done() > 0),
        "both had a share"
    );
    for worker in &workers {
        let mut last = [-1; 3];
        for message in worker.taken() {
            let (partition, offset) = message.split_once('@').expect("an offset");
            let partition: usize = partition
                .rsplit_once('/')
                .expect("a partition")
                .1
                .parse()
                .expect("a number");
            let offset: i64 = offset.parse().expect("a number");
            assert!(
                offset >= last[partition],
                "{message} after {}",
                last[partition]
            );
            last[partition] = offset;
        }
    }
}

#[test]
fn a_backlog_larger_than_what_is_kept_ahead_is_handled_once_and_in_order_classic() {
    a_backlog_is_handled_once_and_in_order(Protocol::Classic);
}

#[test]
fn a_backlog_larger_than_what_is_kept_ahead_is_handled_once_and_in_order_consumer() {
    a_backlog_is_handled_once_and_in_order(Protocol::Consumer);
}
