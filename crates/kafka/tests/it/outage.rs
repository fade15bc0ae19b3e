//! A Kafka that stops and starts again, and servers that are not Kafka.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use practice_groups::{KafkaError, Snapshot, TopicSeen};
use practice_kafka::Kafka;
use practice_testbed::{Kafka as Broker, kafka};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

use crate::{group, poll, present, there, topic};

/// The error of a poll of an unreachable Kafka; it must end in time.
async fn outage(kafka: &Kafka) -> KafkaError {
    let begun = Instant::now();
    let result = kafka.observe(&["t".to_owned()], &["g".to_owned()]).await;
    assert!(
        begun.elapsed() < Duration::from_secs(13),
        "10 s are the deadline, it took {:?}",
        begun.elapsed()
    );
    result.expect_err("Kafka is out of reach")
}

/// Polls until Kafka answers as before: after a start it may not lead its partitions yet.
async fn back(kafka: &Kafka, before: &Snapshot) {
    let begun = Instant::now();
    loop {
        let seen = kafka.observe(&["t".to_owned()], &["g".to_owned()]).await;
        if seen.as_ref() == Ok(before) {
            return;
        }
        assert!(
            seen.as_ref().err().is_none_or(KafkaError::is_outage),
            "{seen:?}"
        );
        assert!(
            begun.elapsed() < Duration::from_secs(30),
            "Kafka is back and must be found as it was: {seen:?}"
        );
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

#[tokio::test]
async fn a_broker_that_goes_is_missed_and_found_again() {
    let broker = Broker::start().await;
    let kafka = Kafka::connect(broker.bootstrap());
    let other = kafka.clone();
    kafka
        .create_topic("t", 2, 1, &BTreeMap::new())
        .await
        .expect("it may be made");
    there(&kafka, "t").await;
    let before = poll(&kafka, "t", "g").await;
    for round in 1..=2 {
        broker.stop().await;
        assert_eq!(outage(&kafka).await, KafkaError::Refused, "round {round}");
        assert_eq!(outage(&other).await, KafkaError::Refused, "round {round}");
        broker.restart().await;
        back(&kafka, &before).await;
        assert_eq!(poll(&other, "t", "g").await, before, "round {round}");
    }
    broker.pause();
    assert_eq!(outage(&kafka).await, KafkaError::TimedOut);
    let created = kafka.create_topic("u", 1, 1, &BTreeMap::new()).await;
    assert_eq!(created, Err(KafkaError::TimedOut));
    broker.resume();
    back(&kafka, &before).await;
}

#[tokio::test]
async fn a_poll_of_groups_alone_detects_an_outage() {
    let broker = Broker::start().await;
    let kafka = Kafka::connect(broker.bootstrap());
    group(&kafka, "g").await;
    broker.kill().await;
    let result = kafka.observe(&[], &["g".to_owned()]).await;
    assert_eq!(result, Err(KafkaError::Refused));
}

#[tokio::test]
async fn one_bootstrap_server_that_answers_is_enough() {
    let bootstrap = kafka().await.bootstrap();
    let kafka = Kafka::connect(&format!("127.0.0.1:1,nowhere.invalid:9092,{bootstrap}"));
    assert_eq!(topic(&kafka, "nowhere").await, TopicSeen::Missing);
}

#[tokio::test]
async fn an_unreachable_address_has_a_coarse_error() {
    assert_eq!(
        outage(&Kafka::connect("127.0.0.1:1")).await,
        KafkaError::Refused
    );
    assert_eq!(
        outage(&Kafka::connect("nowhere.invalid:9092")).await,
        KafkaError::Unreachable
    );
    let hangs = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = hangs.local_addr().expect("is bound").to_string();
    assert_eq!(
        outage(&Kafka::connect(&address)).await,
        KafkaError::TimedOut
    );
}

/// Answers every connection with these bytes and closes it.
async fn service(answer: &'static [u8]) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("is bound").to_string();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = [0; 1024];
            let _ = stream.read(&mut request).await;
            let _ = stream.write_all(answer).await;
        }
    });
    address
}

#[tokio::test]
async fn another_service_is_recognised_and_not_quoted() {
    let http = service(b"HTTP/1.1 400 Bad Request\r\nServer: secret\r\n\r\n").await;
    let tls = service(&[21, 3, 3, 0, 2, 2, 70]).await; // the alert that a TLS port answers with
    for address in [http, tls] {
        let error = outage(&Kafka::connect(&address)).await;
        assert!(matches!(error, KafkaError::Protocol(_)), "{error:?}");
        let words = error.to_string();
        assert!(
            words.contains("TLS") && !words.contains("HTTP") && !words.contains("secret"),
            "{words}"
        );
    }
    assert_eq!(
        outage(&Kafka::connect(&service(b"").await)).await,
        KafkaError::Unreachable
    );
}

#[tokio::test]
async fn a_partition_is_known_as_soon_as_it_is_there() {
    let kafka = Kafka::connect(kafka().await.bootstrap());
    let name = practice_testbed::unique("quick");
    kafka
        .create_topic(&name, 50, 1, &BTreeMap::new())
        .await
        .expect("it may be made");
    let unknown = |facts: &practice_groups::TopicFacts| {
        facts.partitions.iter().filter(|p| p.is_none()).count()
    };
    // the broker that is asked may not have the new topic's metadata yet
    let begun = Instant::now();
    let facts = loop {
        match topic(&kafka, &name).await {
            TopicSeen::Missing if begun.elapsed() < Duration::from_secs(30) => {}
            seen => break present(seen),
        }
    };
    assert_eq!(
        (facts.partitions.len(), unknown(&facts)),
        (50, 0),
        "in the first poll that shows it"
    );
}
