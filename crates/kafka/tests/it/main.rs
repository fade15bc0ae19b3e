//! Polls of a real Kafka, and of servers that are not Kafka.

mod consumers;
mod truth;

mod brokers;
mod groups;
mod health;
mod lags;
mod other_groups;
mod outage;
mod pin;
mod scenes;
mod topics;
mod transactions;

use std::time::{Duration, Instant};

use practice_groups::{GroupSeen, Partition, Snapshot, TopicFacts, TopicSeen};
use practice_kafka::Kafka;

/// One poll of one topic and one group.
async fn poll(kafka: &Kafka, topic: &str, group: &str) -> Snapshot {
    kafka
        .observe(&[topic.to_owned()], &[group.to_owned()])
        .await
        .expect("Kafka answers")
}

async fn group(kafka: &Kafka, group: &str) -> GroupSeen {
    let snapshot = kafka
        .observe(&[], &[group.to_owned()])
        .await
        .expect("Kafka answers");
    snapshot
        .group(group)
        .expect("every group that was asked for is in the answer")
        .clone()
}

async fn topic(kafka: &Kafka, name: &str) -> TopicSeen {
    let snapshot = kafka
        .observe(&[name.to_owned()], &[])
        .await
        .expect("Kafka answers");
    snapshot
        .topics
        .into_values()
        .next()
        .expect("every topic that was asked for is in the answer")
}

fn present(seen: TopicSeen) -> TopicFacts {
    match seen {
        TopicSeen::Present(facts) => facts.as_ref().clone(),
        other => panic!("the topic must be there, was {other:?}"),
    }
}

/// Polls a topic until it is as wanted: a broker may get the controller's changes a little later.
async fn topic_when(
    kafka: &Kafka,
    name: &str,
    what: &str,
    wanted: impl Fn(&TopicSeen) -> bool,
) -> TopicSeen {
    let begun = Instant::now();
    loop {
        let seen = topic(kafka, name).await;
        if wanted(&seen) {
            return seen;
        }
        assert!(
            begun.elapsed() < Duration::from_secs(30),
            "topic {name} must be {what}, is {seen:?}"
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// A topic that has been made, once it is seen.
async fn there(kafka: &Kafka, name: &str) -> TopicFacts {
    present(
        topic_when(kafka, name, "there", |seen| {
            matches!(seen, TopicSeen::Present(_))
        })
        .await,
    )
}

/// Waits until a topic that has been made again is seen: until then a broker may take messages and commits for the former one.
async fn made_again(kafka: &Kafka, name: &str, former: &str) {
    let is_new = |seen: &TopicSeen| matches!(seen, TopicSeen::Present(facts) if facts.id != former);
    topic_when(kafka, name, "another one", is_new).await;
}

fn partitions(topic: &str, count: i32) -> Vec<Partition> {
    (0..count)
        .map(|partition| (topic.to_owned(), partition))
        .collect()
}

/// Polls a group until it is as wanted, and returns it.
async fn until(
    kafka: &Kafka,
    id: &str,
    what: &str,
    wanted: impl Fn(&GroupSeen) -> bool,
) -> GroupSeen {
    let begun = Instant::now();
    loop {
        let seen = group(kafka, id).await;
        if wanted(&seen) {
            return seen;
        }
        assert!(
            begun.elapsed() < Duration::from_secs(90),
            "group {id} must be {what}, is {seen:?}"
        );
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}
