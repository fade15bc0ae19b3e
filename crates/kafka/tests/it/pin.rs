//! Where a group starts: offsets that are committed, with metadata, for a group without members.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use practice_contract::OffsetReset::{self, Earliest, Latest};
use practice_groups::{Committed, GroupState, KafkaError, Lag, Partition};
use practice_kafka::Kafka;
use practice_testbed::{
    Kafka as Server,
    clients::{Joins, Member, Transaction, commit, send},
    kafka, unique,
};

use crate::{poll, there, until};

/// Brokers apply access control lists a little later.
const PATIENCE: Duration = Duration::from_secs(30);
const OURS: &str = "kafka-practice:n/p";

fn starts(topic: &str, each: &[(i32, OffsetReset)]) -> BTreeMap<Partition, OffsetReset> {
    each.iter()
        .map(|(number, start)| ((topic.to_owned(), *number), *start))
        .collect()
}

fn offsets(topic: &str, each: &[(i32, i64)]) -> BTreeMap<Partition, i64> {
    each.iter()
        .map(|(number, offset)| ((topic.to_owned(), *number), *offset))
        .collect()
}

/// Pins a new group each time, until access control denies reading `resource`; returns that group's id.
async fn until_denied(
    kafka: &Kafka,
    wanted: &BTreeMap<Partition, OffsetReset>,
    resource: &str,
) -> String {
    let begun = Instant::now();
    loop {
        let id = unique("group");
        let refused = kafka.pin_start(&id, wanted, OURS).await;
        let denied = KafkaError::Denied {
            operation: "Read",
            resource: resource.to_owned(),
        };
        if refused == Err(denied) {
            return id;
        }
        assert!(begun.elapsed() < PATIENCE, "{refused:?}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

async fn topic(kafka: &Kafka, partitions: i32) -> String {
    let topic = unique("topic");
    kafka
        .create_topic(&topic, partitions, 1, &BTreeMap::new())
        .await
        .expect("it may be created");
    there(kafka, &topic).await;
    topic
}

#[tokio::test]
async fn a_group_is_pinned_where_it_has_no_commit() {
    let server = kafka().await;
    let (kafka, id) = (Kafka::connect(server.bootstrap()), unique("group"));
    let topic = topic(&kafka, 3).await;
    for (partition, count) in [(0, 4), (1, 2), (2, 5)] {
        for _ in 0..count {
            server.send(&topic, partition, "before").await;
        }
    }
    commit(server.bootstrap(), &id, &topic, 1, 1, "");
    server.delete_records(&topic, 3).await; // of partition 0
    let wanted = starts(&topic, &[(0, Earliest), (1, Latest), (2, Latest)]);
    assert_eq!(
        kafka.pin_start(&id, &wanted, OURS).await,
        Ok(offsets(&topic, &[(0, 3), (2, 5)])),
        "partition 1 has a commit"
    );
    let snapshot = poll(&kafka, &topic, &id).await;
    let seen = snapshot.group(&id).expect("was asked for").clone();
    let committed = |offset, metadata: &str| Committed {
        offset,
        metadata: metadata.into(),
    };
    assert_eq!(seen.state, GroupState::Empty);
    assert_eq!(
        seen.committed
            .expect("is known")
            .values()
            .collect::<Vec<_>>(),
        [&committed(3, OURS), &committed(1, ""), &committed(5, OURS)]
    );
    // again: nothing changes, though the ends have moved
    server.send(&topic, 2, "after").await;
    assert_eq!(
        kafka.pin_start(&id, &wanted, OURS).await,
        Ok(BTreeMap::new())
    );
    let snapshot = poll(&kafka, &topic, &id).await;
    assert_eq!(
        snapshot.lag(&snapshot.groups[&id], (&topic, 2), Latest),
        Lag::Behind(1)
    );
}

#[tokio::test]
async fn a_group_of_either_protocol_continues_at_its_pinned_start() {
    let server = kafka().await;
    let kafka = Kafka::connect(server.bootstrap());
    let topic = topic(&kafka, 1).await;
    send(server.bootstrap(), &topic, 7);
    for joins in [Joins::Classic, Joins::Consumer] {
        let id = unique("group");
        let end = starts(&topic, &[(0, Latest)]);
        let pinned = kafka.pin_start(&id, &end, OURS).await;
        assert_eq!(pinned, Ok(offsets(&topic, &[(0, 7)])));
        let member = Member::join(server.bootstrap(), &id, &topic, "member", joins);
        let seen = until(&kafka, &id, "joined", |seen| {
            seen.state == GroupState::Stable && seen.members.len() == 1
        })
        .await;
        let committed = seen.committed.expect("is known");
        let pinned = committed.get((&topic, 0)).map(|commit| commit.offset);
        assert_eq!(pinned, Some(7), "{joins:?}");
        // with a member, no offset can be committed for the group
        let added = starts(&topic, &[(0, Latest)]);
        assert_eq!(
            kafka.pin_start(&id, &added, OURS).await,
            Ok(BTreeMap::new()),
            "it has a commit"
        );
        drop(member);
    }
    let id = unique("group");
    let member = Member::join(server.bootstrap(), &id, &topic, "member", Joins::Classic);
    until(&kafka, &id, "joined", |seen| {
        seen.state == GroupState::Stable
    })
    .await;
    let refused = kafka
        .pin_start(&id, &starts(&topic, &[(0, Latest)]), OURS)
        .await;
    assert!(
        matches!(&refused, Err(KafkaError::Answered { code, .. }) if code == "UnknownMemberId"),
        "{refused:?}"
    );
    drop(member);
}

#[tokio::test]
async fn an_open_transaction_is_after_the_start() {
    let server = kafka().await;
    let (kafka, id) = (Kafka::connect(server.bootstrap()), unique("group"));
    let topic = topic(&kafka, 1).await;
    send(server.bootstrap(), &topic, 2);
    let transaction = Transaction::begin(server.bootstrap(), &unique("transaction"), &topic, 3);
    let end = starts(&topic, &[(0, Latest)]);
    assert_eq!(
        kafka.pin_start(&id, &end, OURS).await,
        Ok(offsets(&topic, &[(0, 2)])),
        "its messages are read once it is committed"
    );
    transaction.commit();
}

#[tokio::test]
async fn a_start_that_cannot_be_pinned_has_a_reason() {
    let server = Server::start_with_access_control().await;
    let kafka = Kafka::connect(server.bootstrap());
    let (one, two) = (topic(&kafka, 1).await, topic(&kafka, 1).await);
    let missing = starts("not-there", &[(0, Latest)]);
    let unknown = kafka.pin_start(&unique("group"), &missing, OURS).await;
    assert!(
        matches!(&unknown, Err(KafkaError::Answered { code, .. }) if code == "UnknownTopicOrPartition"),
        "{unknown:?}"
    );
    server.deny("Read", ["--topic", &two]).await;
    let mut both = starts(&one, &[(0, Latest)]);
    both.extend(starts(&two, &[(0, Latest)]));
    let id = until_denied(&kafka, &both, &format!("topic {two}")).await;
    server.allow("Read", ["--topic", &two]).await;
    let begun = Instant::now();
    let rest = loop {
        match kafka.pin_start(&id, &both, OURS).await {
            Err(KafkaError::Denied { .. }) if begun.elapsed() < PATIENCE => {}
            rest => break rest,
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    };
    assert_eq!(
        rest,
        Ok(offsets(&two, &[(0, 0)])),
        "the other topic's start was committed before"
    );
    let id = unique("group");
    server.deny("Read", ["--group", &id]).await;
    let begun = Instant::now();
    let denied = KafkaError::Denied {
        operation: "Read",
        resource: format!("group {id}"),
    };
    // a commit for the group stays: each attempt is in another topic
    loop {
        let topic = topic(&kafka, 1).await;
        let refused = kafka
            .pin_start(&id, &starts(&topic, &[(0, Latest)]), OURS)
            .await;
        if refused == Err(denied.clone()) {
            break;
        }
        assert!(begun.elapsed() < PATIENCE, "{refused:?}");
    }
    server.kill().await;
    let outage = kafka.pin_start(&id, &both, OURS).await;
    assert!(
        outage.as_ref().is_err_and(|error| !error.needs_help()),
        "a later attempt may succeed: {outage:?}"
    );
}
