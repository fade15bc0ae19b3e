//! Faults that are made: brokers that go and come back, errors after which a client is of no use. On librdkafka's
//! in-memory broker, which can be configured to fail.

use std::{
    thread,
    time::{Duration, Instant},
};

use practice_contract::Protocol;
use practice_testbed::Kafka;
use rdkafka::{
    mocking::MockCluster,
    producer::DefaultProducerContext,
    types::{RDKafkaApiKey, RDKafkaRespErr},
};

use crate::{
    judged::Judged,
    kafka::{committed, create_topic, fill},
    kit::{Worker, settings, unique, until, wait_for},
};

fn cluster(topic: &str) -> MockCluster<'static, DefaultProducerContext> {
    let cluster = MockCluster::new(1).expect("a cluster in memory");
    cluster.create_topic(topic, 2, 1).expect("a topic");
    cluster
}

#[test]
fn a_kafka_that_goes_away_is_waited_for() {
    let topic = unique("outage");
    let cluster = cluster(&topic);
    let servers = cluster.bootstrap_servers();
    let mut judged = Judged::new(settings(
        &servers,
        &topic,
        &unique("outage"),
        Protocol::Consumer,
    ));
    judged.sent(fill(&servers, &topic, 2, 10));
    let mut worker = judged.start();
    until("ten messages", || (worker.done() == 10).then_some(()));
    until("it is ready", || worker.is_ready().then_some(()));
    cluster.broker_down(1).expect("down");
    until("the outage is logged", || {
        worker.complaints().contains("no broker of").then_some(())
    });
    until("it is not ready", || (!worker.is_ready()).then_some(()));
    thread::sleep(Duration::from_secs(3));
    assert!(!worker.has_ended());
    assert_eq!(worker.get("/livez").0, 200);
    assert!(
        worker.complaints().lines().count() < 12,
        "not a line per attempt: {}",
        worker.complaints()
    );
    cluster.broker_up(1).expect("up");
    until("it is ready again", || worker.is_ready().then_some(()));
    judged.sent(fill(&servers, &topic, 2, 10));
    until("ten more", || (worker.done() >= 20).then_some(()));
    worker.stop();
    judged.assert_no_violation();
    assert_eq!(worker.taken().len(), 20, "none lost, none twice");
    assert!(worker.complaints().contains("Kafka answers again"));
}

#[test]
fn a_kafka_that_is_restarted_loses_nothing_and_a_frozen_one_does_not_hold_up_a_stop() {
    let kafka = wait_for(Kafka::start());
    let (topic, group) = (unique("restart"), unique("restart"));
    create_topic(kafka.bootstrap(), &topic, 2);
    let mut judged = Judged::new(settings(
        kafka.bootstrap(),
        &topic,
        &group,
        Protocol::Classic,
    ));
    judged.sent(fill(kafka.bootstrap(), &topic, 2, 10));
    let mut worker = judged.start();
    until("ten messages", || (worker.done() == 10).then_some(()));
    // an uncommitted message may be consumed twice: the outage may last longer than the session
    let kept = |partition| {
        committed(kafka.bootstrap(), &group, &topic, partition).map(|(offset, _)| offset)
    };
    until("they are committed", || {
        (kept(0)? + kept(1)? == 10).then_some(())
    });
    wait_for(kafka.stop());
    until("it is not ready", || (!worker.is_ready()).then_some(()));
    wait_for(kafka.restart());
    judged.sent(fill(kafka.bootstrap(), &topic, 2, 10));
    until("ten more", || (worker.done() >= 20).then_some(()));
    assert_eq!(worker.taken().len(), 20, "none twice: {:?}", worker.lines());
    until("it is ready again", || worker.is_ready().then_some(()));

    kafka.pause();
    let signal = Instant::now();
    worker.terminate();
    let status = worker.ended();
    assert!(
        signal.elapsed() < Duration::from_secs(20),
        "bounded: {:?}",
        signal.elapsed()
    );
    assert!(
        status.code() == Some(0) || worker.complaints().contains("was not left within"),
        "{}",
        worker.complaints()
    );
    judged.assert_no_violation();
}

#[test]
fn a_kafka_that_is_not_there_at_the_start_is_waited_for_and_a_stop_still_works() {
    let mut worker = Worker::start(&settings("127.0.0.1:1", "t", "g", Protocol::Classic));
    until("the outage is logged", || {
        worker
            .complaints()
            .contains("no broker of 127.0.0.1:1 answers")
            .then_some(())
    });
    assert_eq!(
        (worker.get("/livez").0, worker.get("/readyz").0),
        (200, 503)
    );
    assert!(!worker.has_ended());
    worker.stop();
    assert!(worker.lines().is_empty());
}

#[test]
fn a_fatal_error_ends_with_1_and_the_reason() {
    let topic = unique("fatal");
    let cluster = cluster(&topic);
    cluster.request_errors(
        RDKafkaApiKey::JoinGroup,
        &[RDKafkaRespErr::RD_KAFKA_RESP_ERR_FENCED_INSTANCE_ID],
    );
    let mut worker = Worker::start(&settings(
        &cluster.bootstrap_servers(),
        &topic,
        &unique("fatal"),
        Protocol::Classic,
    ));
    assert_eq!(worker.ended().code(), Some(1), "{}", worker.complaints());
    assert!(
        worker.complaints().contains("the Kafka client failed"),
        "{}",
        worker.complaints()
    );
}

/// The client reports a fatal error once: a delay that meets it must not take it for a passing one.
#[test]
fn a_fatal_error_during_a_delay_ends_with_1_and_the_reason() {
    let (topic, group) = (unique("fatal"), unique("fatal"));
    let cluster = cluster(&topic);
    let servers = cluster.bootstrap_servers();
    fill(&servers, &topic, 2, 4);
    let mut settings = settings(&servers, &topic, &group, Protocol::Classic);
    settings.delay = Duration::from_mins(2);
    let mut worker = Worker::start(&settings);
    worker.until_line("a message in hand", |line| line.starts_with("Message Info"));
    let fenced = [RDKafkaRespErr::RD_KAFKA_RESP_ERR_FENCED_INSTANCE_ID; 5];
    cluster.request_errors(RDKafkaApiKey::Heartbeat, &fenced);
    let begun = Instant::now();
    let status = worker.ended();
    let printed = worker.complaints();
    assert_eq!(status.code(), Some(1), "{printed}");
    assert!(
        begun.elapsed() < Duration::from_secs(30), // and not after the delay
        "{:?}: {printed}",
        begun.elapsed()
    );
    assert!(
        printed.contains("the Kafka client failed: Fatal consumer error")
            && printed.contains("fenced"),
        "{printed}"
    );
    assert_eq!(
        (
            worker.done(),
            committed(&servers, &group, &topic, 0),
            committed(&servers, &group, &topic, 1)
        ),
        (0, None, None)
    );
}

/// A client that loses its membership while a commit is under way may wait for the answer forever.
#[test]
fn a_membership_lost_in_an_outage_is_got_again_with_a_new_client() {
    let kafka = wait_for(Kafka::start());
    for protocol in [Protocol::Classic, Protocol::Consumer] {
        let (topic, group) = (unique("outage"), unique("outage"));
        create_topic(kafka.bootstrap(), &topic, 2);
        let mut judged = Judged::new(settings(kafka.bootstrap(), &topic, &group, protocol));
        judged.settings.session_timeout = Duration::from_secs(6);
        judged.sent(fill(kafka.bootstrap(), &topic, 2, 10));
        let mut worker = judged.start();
        until("ten messages", || (worker.done() == 10).then_some(()));
        let kept = |partition| {
            committed(kafka.bootstrap(), &group, &topic, partition).map(|(offset, _)| offset)
        };
        until("they are committed", || {
            (kept(0)? + kept(1)? == 10).then_some(())
        });
        wait_for(kafka.stop());
        if protocol == Protocol::Classic {
            // lost after 6 s, given up 10 s later
            until("another client is made", || {
                worker
                    .complaints()
                    .contains("trying with a new client")
                    .then_some(())
            });
            let lost = worker
                .lines()
                .iter()
                .filter(|line| line.starts_with("lost ["))
                .count();
            assert_eq!(lost, 1, "{:?}", worker.lines());
        } else {
            std::thread::sleep(Duration::from_secs(20)); // the broker's session timeout is longer: nothing is lost
        }
        wait_for(kafka.restart());
        judged.sent(fill(kafka.bootstrap(), &topic, 2, 10));
        until("ten more", || (worker.done() >= 20).then_some(()));
        until("it is ready again", || worker.is_ready().then_some(()));
        judged.saw(&worker);
        worker.stop();
        judged.assert_no_violation();
        assert_eq!(worker.taken().len(), 20, "none twice: {:?}", worker.lines());
    }
}
