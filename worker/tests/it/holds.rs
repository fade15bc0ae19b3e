//! A consumer whose group is held: it serves HTTP and never joins, whoever starts it.

use std::{thread, time::Duration};

use practice_contract::{Hold, Protocol};
use rdkafka::mocking::MockCluster;

use crate::{
    kafka::{committed, fill},
    kit::{Worker, settings, unique, until},
};

#[test]
fn a_consumer_of_a_held_group_serves_http_and_does_not_join() {
    let cluster = MockCluster::new(1).expect("a cluster in memory");
    let servers = cluster.bootstrap_servers();
    for protocol in [Protocol::Classic, Protocol::Consumer] {
        let (topic, group) = (unique("held"), unique("held"));
        cluster.create_topic(&topic, 1, 1).expect("a topic");
        fill(&servers, &topic, 1, 100);
        let mut settings = settings(&servers, &topic, &group, protocol);
        for (hold, phrase) in [
            (Hold::Stopped, "is Stopped"),
            (Hold::Switching, "is changing its protocol or assignor"),
            (Hold::Unclaimed, "does not own its group id"),
        ] {
            settings.hold = Some(hold);
            let mut worker = Worker::start(&settings);
            let expected = format!("group {group} {phrase}: this consumer does not join it");
            until("the hold is logged", || {
                worker.complaints().contains(&expected).then_some(())
            });
            thread::sleep(Duration::from_secs(5)); // a consumer of either protocol has joined and read by then
            assert_eq!(worker.get("/livez").0, 200);
            assert_eq!(worker.get("/readyz"), (503, format!("{expected}\n")));
            let status = worker.status();
            assert_eq!(
                (
                    status.hold,
                    status.joined,
                    status.consumed,
                    status.member_id
                ),
                (Some(hold), false, 0, None)
            );
            let (_, metrics) = worker.get("/metrics");
            assert!(
                metrics
                    .lines()
                    .any(|line| line == "practice_worker_joined 0"),
                "{metrics}"
            );
            worker.stop();
            assert_eq!(worker.complaints().matches(&expected).count(), 1);
            assert!(worker.lines().is_empty(), "{:?}", worker.lines());
            assert_eq!(committed(&servers, &group, &topic, 0), None);
        }
        settings.hold = None;
        let mut worker = Worker::start(&settings);
        until("all messages without a hold", || {
            (worker.done() == 100).then_some(())
        });
        let (_, status) = worker.get("/status");
        assert!(!status.contains("hold"), "{status}");
        worker.stop();
    }
}
