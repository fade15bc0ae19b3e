//! Consumers and a producer as applications have them, from librdkafka.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};

use practice_groups::Protocol;
use rdkafka::{
    ClientConfig, Offset, TopicPartitionList,
    consumer::{BaseConsumer, CommitMode, Consumer},
    producer::{BaseProducer, BaseRecord, Producer},
};

/// A member of a group; it leaves when dropped.
pub(crate) struct Member {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Member {
    pub(crate) fn join(bootstrap: &str, group: &str, topic: &str, client_id: &str, protocol: Protocol) -> Self {
        let mut config = config(bootstrap, group);
        config.set("client.id", client_id);
        match protocol {
            Protocol::Classic => {
                config.set("session.timeout.ms", "10000").set("partition.assignment.strategy", "cooperative-sticky")
            }
            Protocol::Consumer => config.set("group.protocol", "consumer"),
        };
        let consumer: BaseConsumer = config.create().expect("the configuration is legal");
        consumer.subscribe(&[topic]).expect("the topic may be subscribed to");
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        let thread = std::thread::spawn(move || {
            while !stopped.load(Ordering::Relaxed) {
                drop(consumer.poll(Duration::from_millis(100)));
            }
        });
        Self { stop, thread: Some(thread) }
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

fn config(bootstrap: &str, group: &str) -> ClientConfig {
    let mut config = ClientConfig::new();
    config
        .set("bootstrap.servers", bootstrap)
        .set("group.id", group)
        .set("enable.auto.commit", "false")
        .set("auto.offset.reset", "earliest");
    config
}

/// Commits an offset with its metadata, as a group that has no members.
pub(crate) fn commit(bootstrap: &str, group: &str, topic: &str, partition: i32, offset: i64, metadata: &str) {
    let consumer: BaseConsumer = config(bootstrap, group).create().expect("the configuration is legal");
    let mut offsets = TopicPartitionList::new();
    let mut element = offsets.add_partition(topic, partition);
    element.set_offset(Offset::Offset(offset)).expect("an offset");
    element.set_metadata(metadata);
    consumer.commit(&offsets, CommitMode::Sync).expect("Kafka takes the commit");
}

/// Sends so many messages to partition 0 and waits until Kafka has them.
pub(crate) fn send(bootstrap: &str, topic: &str, count: usize) {
    let producer: BaseProducer =
        ClientConfig::new().set("bootstrap.servers", bootstrap).create().expect("the configuration is legal");
    for _ in 0..count {
        let record = BaseRecord::<(), str>::to(topic).partition(0).payload("value");
        producer.send(record).map_err(|(error, _)| error).expect("the queue takes it");
    }
    producer.flush(Duration::from_secs(30)).expect("Kafka takes the messages");
}
