//! What the reader says about a real Kafka, and about what is none.

mod consumers;
mod truth;

mod brokers;
mod groups;
mod health;
mod lags;
mod other_groups;
mod outage;
mod scenes;
mod topics;

use std::time::{Duration, Instant};

use practice_groups::{GroupSeen, Partition, Snapshot, TopicFacts, TopicSeen};
use practice_kafka::Kafka;

/// One look at one topic and one group.
async fn look(kafka: &Kafka, topic: &str, group: &str) -> Snapshot {
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
        .groups
        .into_values()
        .next()
        .expect("every group that was asked for is in the answer")
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
        TopicSeen::Present(facts) => facts,
        other => panic!("the topic must be there, was {other:?}"),
    }
}

/// Looks at a topic until it is as wanted: the broker that is asked may hear a little later of what its controller has done.
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

fn partitions(topic: &str, count: i32) -> Vec<Partition> {
    (0..count)
        .map(|partition| (topic.to_owned(), partition))
        .collect()
}

/// Looks at a group until it is as wanted, and returns what it was then.
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
