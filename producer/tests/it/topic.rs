//! What is in a topic, read by a consumer without a group; topics with settings of their own.

use std::{
    thread,
    time::{Duration, Instant},
};

use rdkafka::{
    ClientConfig, Message as _, Offset, TopicPartitionList,
    admin::{AdminClient, AdminOptions, NewPartitions, NewTopic, TopicReplication},
    client::DefaultClientContext,
    consumer::{BaseConsumer, Consumer},
};

use crate::client::PATIENCE;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Record {
    pub(crate) partition: i32,
    pub(crate) offset: i64,
    pub(crate) timestamp: i64,
    pub(crate) key: Option<String>,
    pub(crate) value: String,
}

/// Everything in the topic.
pub(crate) async fn read(bootstrap: &str, topic: &str) -> Vec<Record> {
    let (bootstrap, topic) = (bootstrap.to_owned(), topic.to_owned());
    tokio::task::spawn_blocking(move || read_now(&bootstrap, &topic))
        .await
        .expect("no panic")
}

fn read_now(bootstrap: &str, topic: &str) -> Vec<Record> {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", bootstrap)
        .set("group.id", "reader-of-the-tests")
        .set("enable.auto.commit", "false")
        .set("fetch.message.max.bytes", "8000000")
        .create()
        .expect("a consumer");
    let metadata = consumer
        .fetch_metadata(Some(topic), PATIENCE)
        .expect("metadata");
    let mut list = TopicPartitionList::new();
    let mut left = 0;
    for partition in metadata.topics()[0].partitions() {
        let (low, high) = consumer
            .fetch_watermarks(topic, partition.id(), PATIENCE)
            .expect("watermarks");
        left += high - low;
        list.add_partition_offset(topic, partition.id(), Offset::Beginning)
            .expect("legal");
    }
    consumer.assign(&list).expect("assigned");
    let deadline = Instant::now() + PATIENCE;
    let mut records = Vec::new();
    while left > 0 {
        assert!(
            Instant::now() < deadline,
            "{left} records of {topic} are not read"
        );
        let Some(message) = consumer.poll(Duration::from_millis(100)) else {
            continue;
        };
        let message = message.expect("a record");
        left -= 1;
        records.push(Record {
            partition: message.partition(),
            offset: message.offset(),
            timestamp: message.timestamp().to_millis().expect("a time"),
            key: message
                .key_view::<str>()
                .map(|key| key.expect("UTF-8").to_owned()),
            value: message
                .payload_view::<str>()
                .expect("a value")
                .expect("UTF-8")
                .to_owned(),
        });
    }
    thread::spawn(move || drop(consumer)); // its end can block
    records
}

fn admin(bootstrap: &str) -> AdminClient<DefaultClientContext> {
    ClientConfig::new()
        .set("bootstrap.servers", bootstrap)
        .create()
        .expect("an admin client")
}

/// Creates a topic with settings of its own.
pub(crate) async fn create(
    bootstrap: &str,
    name: &str,
    partitions: i32,
    settings: &[(&str, &str)],
) {
    let mut topic = NewTopic::new(name, partitions, TopicReplication::Fixed(1));
    topic.config = settings.to_vec();
    let results = admin(bootstrap)
        .create_topics([&topic], &AdminOptions::new())
        .await
        .expect("an answer");
    assert_eq!(results, [Ok(name.to_owned())]);
}

pub(crate) async fn grow(bootstrap: &str, name: &str, partitions: usize) {
    let grown = NewPartitions::new(name, partitions);
    let results = admin(bootstrap)
        .create_partitions([&grown], &AdminOptions::new())
        .await
        .expect("an answer");
    assert_eq!(results, [Ok(name.to_owned())]);
}
