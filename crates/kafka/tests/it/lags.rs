//! Lag against real logs: behind, without a commit, expired, stale.

use std::collections::BTreeMap;

use practice_contract::OffsetReset;
use practice_groups::{Bounds, Lag, lag::lag};
use practice_kafka::Kafka;
use practice_testbed::{
    clients::{commit, send},
    kafka, unique,
};

use crate::{made_again, poll, present, there};

async fn lag_of(kafka: &Kafka, topic: &str, group: &str, reset: OffsetReset) -> Lag {
    let mut snapshot = poll(kafka, topic, group).await;
    let bounds = present(snapshot.topics.remove(topic).expect("was asked for")).partitions[0];
    let committed = snapshot.groups[group]
        .committed
        .as_ref()
        .expect("can be read");
    lag(committed.get((topic, 0)), bounds, reset)
}

#[tokio::test]
async fn lag_is_what_is_left_to_read() {
    let server = kafka().await;
    let bootstrap = server.bootstrap();
    let kafka = Kafka::connect(bootstrap);
    let (topic, group) = (unique("topic"), unique("group"));
    kafka
        .create_topic(&topic, 1, 1, &BTreeMap::new())
        .await
        .expect("it may be made");
    there(&kafka, &topic).await;
    send(bootstrap, &topic, 10);
    assert_eq!(
        lag_of(&kafka, &topic, &group, OffsetReset::Earliest).await,
        Lag::NoCommit(10)
    );
    assert_eq!(
        lag_of(&kafka, &topic, &group, OffsetReset::Latest).await,
        Lag::NoCommit(0)
    );
    commit(bootstrap, &group, &topic, 0, 4, "");
    assert_eq!(
        lag_of(&kafka, &topic, &group, OffsetReset::Latest).await,
        Lag::Behind(6)
    );

    // what a short retention does, at once
    server.delete_records(&topic, 7).await;
    let bounds = present(
        poll(&kafka, &topic, &group)
            .await
            .topics
            .remove(&topic)
            .expect("was asked for"),
    )
    .partitions[0];
    assert_eq!(bounds, Some(Bounds { start: 7, end: 10 }));
    assert_eq!(
        lag_of(&kafka, &topic, &group, OffsetReset::Earliest).await,
        Lag::Expired { lost: 3, left: 3 }
    );

    let id = present(crate::topic(&kafka, &topic).await).id;
    commit(bootstrap, &group, &topic, 0, 10, "");
    assert_eq!(
        lag_of(&kafka, &topic, &group, OffsetReset::Earliest).await,
        Lag::Behind(0)
    );
    kafka
        .delete_topic(&topic, &id)
        .await
        .expect("it may be removed");
    kafka
        .create_topic(&topic, 1, 1, &BTreeMap::new())
        .await
        .expect("it may be made again");
    made_again(&kafka, &topic, &id).await;
    send(bootstrap, &topic, 2);
    commit(bootstrap, &group, &topic, 0, 10, "");
    assert_eq!(
        lag_of(&kafka, &topic, &group, OffsetReset::Earliest).await,
        Lag::Stale
    );
}
