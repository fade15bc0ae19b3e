//! What a worker needs to start, and its errors.

use std::net::TcpListener;

use practice_contract::Protocol;
use practice_testbed::Kafka;

use crate::{
    kafka::{create_topic, fill},
    kit::{Worker, settings, unique, until, wait_for},
    servers,
};

fn refused(env: &[(&str, &str)]) -> String {
    let mut worker = Worker::start_with(env);
    assert_eq!(
        worker.ended().code(),
        Some(2),
        "{env:?}: {}",
        worker.complaints()
    );
    assert!(worker.lines().is_empty(), "nothing on standard output");
    worker.complaints()
}

#[test]
fn a_variable_that_is_missing_or_wrong_is_named_with_its_value_and_the_fix() {
    let env = settings("localhost:9092", "t", "g", Protocol::Classic).to_env();
    let env: Vec<_> = env
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect();
    let (servers, _) = env[0];
    assert!(refused(&env[1..]).contains(&format!("{servers} is not set")));

    let listen = env
        .iter()
        .position(|(_, value)| *value == "127.0.0.1:0")
        .expect("the address");
    let mut wrong = env.clone();
    wrong[listen].1 = "eighty";
    let printed = refused(&wrong);
    assert!(
        printed.contains(wrong[listen].0)
            && printed.contains("eighty")
            && printed.contains("0.0.0.0:8080"),
        "{printed}"
    );
}

#[test]
fn a_port_that_is_taken_is_named_with_its_variable() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let mut settings = settings("localhost:9092", "t", "g", Protocol::Classic);
    settings.listen = taken.local_addr().expect("its address");
    let env = settings.to_env();
    let (name, _) = env
        .iter()
        .find(|(_, value)| *value == settings.listen.to_string())
        .expect("the variable");
    let printed = refused(
        &env.iter()
            .map(|(name, value)| (*name, value.as_str()))
            .collect::<Vec<_>>(),
    );
    assert!(
        printed.contains(name)
            && printed.contains(&settings.listen.to_string())
            && printed.contains("free port"),
        "{printed}"
    );
}

#[test]
fn a_topic_that_kafka_denies_is_not_called_missing() {
    let kafka = wait_for(Kafka::start_with_access_control());
    let servers = kafka.bootstrap().to_owned();
    create_topic(&servers, "t", 1);
    fill(&servers, "t", 1, 10);
    wait_for(kafka.deny("Describe", ["--topic", "t"]));
    let mut worker = Worker::start(&settings(&servers, "t", "g", Protocol::Classic));
    let expected = "topic t: Kafka denied Describe to this client, which connects without authentication: grant it on topic t";
    until("it is named", || {
        worker.complaints().contains(expected).then_some(())
    });
    assert!(!worker.has_ended());
    wait_for(kafka.allow("Describe", ["--topic", "t"]));
    until("all messages", || (worker.done() == 10).then_some(()));
    let printed = worker.complaints();
    assert_eq!(
        (
            printed.matches(expected).count(),
            printed.matches("does not exist").count()
        ),
        (1, 0),
        "{printed}"
    );
    worker.stop();
}

#[test]
fn a_topic_that_does_not_exist_yet_is_waited_for() {
    for protocol in [Protocol::Classic, Protocol::Consumer] {
        let (there, later, group) = (unique("there"), unique("later"), unique("waits"));
        create_topic(&servers(), &there, 1);
        let mut settings = settings(&servers(), &there, &group, protocol);
        settings.topics.push(later.clone());
        let mut worker = Worker::start(&settings);
        until("the missing topic is logged", || {
            worker
                .complaints()
                .contains(&format!("topic {later} does not exist: waiting for it"))
                .then_some(())
        });
        assert!(!worker.has_ended());
        create_topic(&servers(), &later, 2);
        fill(&servers(), &later, 2, 10);
        fill(&servers(), &there, 1, 10);
        until("all messages of both topics", || {
            (worker.done() == 20).then_some(())
        });
        assert_eq!(
            worker.complaints().matches("does not exist").count(),
            1,
            "logged once: {}",
            worker.complaints()
        );
        worker.stop();
    }
}
