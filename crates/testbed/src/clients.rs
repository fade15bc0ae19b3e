//! Consumers and producers as applications have them, from librdkafka. All of them wait for Kafka's answer and block their
//! thread meanwhile; what Kafka refuses is a panic in its words.

use std::{
    ops::RangeInclusive,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};

use rdkafka::{
    ClientConfig, Message, Offset, TopicPartitionList,
    consumer::{BaseConsumer, CommitMode, Consumer},
    producer::{BaseProducer, BaseRecord, Producer},
};

/// Until Kafka has answered.
const PATIENCE: Duration = Duration::from_secs(30);

/// How a member joins its group: librdkafka's `group.protocol`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Joins {
    /// `classic`, with the assignor cooperative-sticky.
    Classic,
    /// `consumer`: KIP-848.
    Consumer,
}

/// A member of a group, which commits nothing; it leaves when dropped.
#[derive(Debug)]
pub struct Member {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Member {
    /// Joins a group and reads a topic from its start.
    pub fn join(bootstrap: &str, group: &str, topic: &str, client_id: &str, joins: Joins) -> Self {
        let mut config = consumer(bootstrap, group);
        config.set("client.id", client_id);
        match joins {
            Joins::Classic => config
                .set("session.timeout.ms", "10000")
                .set("partition.assignment.strategy", "cooperative-sticky"),
            Joins::Consumer => config.set("group.protocol", "consumer"),
        };
        let consumer: BaseConsumer = config.create().expect("the configuration is legal");
        consumer
            .subscribe(&[topic])
            .expect("the topic may be subscribed to");
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        let thread = std::thread::spawn(move || {
            while !stopped.load(Ordering::Relaxed) {
                drop(consumer.poll(Duration::from_millis(100)));
            }
        });
        Self {
            stop,
            thread: Some(thread),
        }
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.join().expect("the consumer does not panic");
        }
    }
}

/// Messages in a transaction that is open until it is ended.
pub struct Transaction(BaseProducer);

impl std::fmt::Debug for Transaction {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Transaction")
    }
}

impl Transaction {
    /// Sends so many messages to partition 0 in a transaction of a producer with this `transactional.id`.
    pub fn begin(bootstrap: &str, id: &str, topic: &str, count: usize) -> Self {
        let mut config = ClientConfig::new();
        // one that is open for longer is aborted by the broker; its default is a minute
        config
            .set("bootstrap.servers", bootstrap)
            .set("transactional.id", id)
            .set("transaction.timeout.ms", "600000");
        let producer: BaseProducer = config.create().expect("the configuration is legal");
        producer
            .init_transactions(PATIENCE)
            .expect("a transactional producer");
        producer.begin_transaction().expect("a transaction");
        let record = || {
            BaseRecord::<(), str>::to(topic)
                .partition(0)
                .payload("value")
        };
        (0..count).for_each(|_| queue(&producer, record()));
        producer.flush(PATIENCE).expect("Kafka takes the messages");
        Self(producer)
    }

    /// What was sent is there for everybody.
    pub fn commit(self) {
        self.0
            .commit_transaction(PATIENCE)
            .expect("it may be committed");
    }

    /// Aborts: no consumer reads the messages.
    pub fn abort(self) {
        self.0
            .abort_transaction(PATIENCE)
            .expect("it may be aborted");
    }
}

/// Commits an offset with its metadata, as a group that has no members.
pub fn commit(
    bootstrap: &str,
    group: &str,
    topic: &str,
    partition: i32,
    offset: i64,
    metadata: &str,
) {
    commit_all(
        bootstrap,
        group,
        topic,
        partition..=partition,
        offset,
        metadata,
    );
}

/// Commits the same in several partitions, as a group that has no members.
pub fn commit_all(
    bootstrap: &str,
    group: &str,
    topic: &str,
    partitions: RangeInclusive<i32>,
    offset: i64,
    metadata: &str,
) {
    let consumer: BaseConsumer = consumer(bootstrap, group)
        .create()
        .expect("the configuration is legal");
    let mut offsets = TopicPartitionList::new();
    for partition in partitions {
        let mut element = offsets.add_partition(topic, partition);
        element
            .set_offset(Offset::Offset(offset))
            .expect("an offset");
        element.set_metadata(metadata);
    }
    consumer
        .commit(&offsets, CommitMode::Sync)
        .expect("Kafka takes the commit");
}

/// Commits 0 with this metadata for many groups, each with its topic: a client for each of them takes a while, most of it
/// waiting.
pub fn commit_for_each(
    bootstrap: &str,
    groups: &[(String, String)],
    partitions: RangeInclusive<i32>,
    metadata: &str,
) {
    std::thread::scope(|threads| {
        for part in groups.chunks(groups.len().div_ceil(8).max(1)) {
            let partitions = &partitions;
            threads.spawn(move || {
                for (topic, group) in part {
                    commit_all(bootstrap, group, topic, partitions.clone(), 0, metadata);
                }
            });
        }
    });
}

/// Where the first message of partition 0 that is still there stands.
pub fn first_offset(bootstrap: &str, topic: &str) -> Option<i64> {
    let consumer: BaseConsumer = consumer(bootstrap, "no-group")
        .create()
        .expect("the configuration is legal");
    let mut all = TopicPartitionList::new();
    all.add_partition_offset(topic, 0, Offset::Beginning)
        .expect("an offset");
    consumer.assign(&all).expect("it may be read");
    Some(consumer.poll(Duration::from_secs(5))?.ok()?.offset())
}

/// Sends so many messages to partition 0 and waits until Kafka has them.
pub fn send(bootstrap: &str, topic: &str, count: usize) {
    let producer = producer(bootstrap);
    (0..count).for_each(|_| {
        queue(
            &producer,
            BaseRecord::<(), str>::to(topic)
                .partition(0)
                .payload("value"),
        );
    });
    producer.flush(PATIENCE).expect("Kafka takes the messages");
}

/// Sends so many messages of one key to partition 0.
pub fn send_keyed(bootstrap: &str, topic: &str, key: &str, count: usize) {
    let producer = producer(bootstrap);
    (0..count).for_each(|_| {
        queue(
            &producer,
            BaseRecord::<str, str>::to(topic)
                .partition(0)
                .key(key)
                .payload("value"),
        );
    });
    producer.flush(PATIENCE).expect("Kafka takes the messages");
}

/// Sends one message to each of these partitions of each topic, once after each of `pauses`.
pub fn send_to_each(
    bootstrap: &str,
    topics: &[String],
    partitions: RangeInclusive<i32>,
    pauses: impl IntoIterator<Item = Duration>,
) {
    let producer = producer(bootstrap);
    for pause in pauses {
        std::thread::sleep(pause);
        for (topic, partition) in topics
            .iter()
            .flat_map(|topic| partitions.clone().map(move |number| (topic, number)))
        {
            queue(
                &producer,
                BaseRecord::<(), str>::to(topic)
                    .partition(partition)
                    .payload("value"),
            );
        }
        producer.flush(PATIENCE).expect("Kafka takes the messages");
    }
}

fn queue<K: rdkafka::message::ToBytes + ?Sized>(
    producer: &BaseProducer,
    record: BaseRecord<'_, K, str>,
) {
    producer
        .send(record)
        .map_err(|(error, _)| error)
        .expect("the queue takes it");
}

fn producer(bootstrap: &str) -> BaseProducer {
    ClientConfig::new()
        .set("bootstrap.servers", bootstrap)
        .create()
        .expect("the configuration is legal")
}

fn consumer(bootstrap: &str, group: &str) -> ClientConfig {
    let mut config = ClientConfig::new();
    config
        .set("bootstrap.servers", bootstrap)
        .set("group.id", group)
        .set("enable.auto.commit", "false")
        .set("auto.offset.reset", "earliest");
    config
}
