//! Consumers and a producer as applications have them, from librdkafka.

use std::{
    ops::RangeInclusive,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};

use practice_contract::{self as contract, WorkerSettings, worker};
use practice_groups::Protocol;
use rdkafka::{
    ClientConfig, Message, Offset, TopicPartitionList,
    consumer::{BaseConsumer, CommitMode, Consumer},
    producer::{BaseProducer, BaseRecord, Producer},
};
use tokio::{net::TcpListener, task::JoinHandle as Task};
use tokio_util::sync::{CancellationToken, DropGuard};

/// Longer than any test.
pub(crate) const FOREVER: Duration = Duration::from_secs(250);

/// A consumer of ours: the worker itself, in this process.
pub(crate) struct Worker {
    shutdown: DropGuard,
    run: Task<()>,
}

impl Worker {
    /// Spends `delay` on each message.
    pub(crate) async fn start(
        bootstrap: &str,
        group: &str,
        topic: &str,
        name: &str,
        protocol: Protocol,
        delay: Duration,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let protocol = match protocol {
            Protocol::Classic => contract::Protocol::Classic,
            Protocol::Consumer => contract::Protocol::Consumer,
        };
        let settings = WorkerSettings {
            servers: bootstrap.to_owned(),
            topics: vec![topic.to_owned()],
            group: group.to_owned(),
            delay,
            listen: listener.local_addr().expect("bound"),
            instance: Some(name.to_owned()),
            owner: Some("tests/practice".to_owned()),
            protocol,
            assignor: protocol.default_assignor(),
            offset_reset: contract::OffsetReset::Earliest,
            session_timeout: worker::DEFAULT_SESSION_TIMEOUT,
            heartbeat_interval: worker::DEFAULT_HEARTBEAT_INTERVAL,
            max_poll_interval: worker::DEFAULT_MAX_POLL_INTERVAL,
            log_messages: false,
        };
        let shutdown = CancellationToken::new();
        let run = practice_worker::run(settings, listener, Box::new(std::io::sink()), shutdown.clone());
        let run = tokio::spawn(async move { run.await.expect("the worker ends well") });
        Self { shutdown: shutdown.drop_guard(), run }
    }

    /// Leaves its group, with all that is done committed.
    pub(crate) async fn stop(self) {
        drop(self.shutdown);
        self.run.await.expect("the worker does not panic");
    }
}

/// Messages in a transaction that is open until it is ended.
pub(crate) struct Transaction(BaseProducer);

impl Transaction {
    pub(crate) fn begin(bootstrap: &str, id: &str, topic: &str, count: usize) -> Self {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", bootstrap).set("transactional.id", id);
        let producer: BaseProducer = config.create().expect("the configuration is legal");
        producer.init_transactions(Duration::from_secs(30)).expect("a transactional producer");
        producer.begin_transaction().expect("a transaction");
        for _ in 0..count {
            let record = BaseRecord::<(), str>::to(topic).partition(0).payload("value");
            producer.send(record).map_err(|(error, _)| error).expect("the queue takes it");
        }
        producer.flush(Duration::from_secs(30)).expect("Kafka takes the messages");
        Self(producer)
    }

    pub(crate) fn commit(self) {
        self.0.commit_transaction(Duration::from_secs(30)).expect("it may be committed");
    }

    pub(crate) fn abort(self) {
        self.0.abort_transaction(Duration::from_secs(30)).expect("it may be aborted");
    }
}

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
    commit_all(bootstrap, group, topic, partition..=partition, offset, metadata);
}

/// Commits the same in several partitions, as a group that has no members.
pub(crate) fn commit_all(
    bootstrap: &str,
    group: &str,
    topic: &str,
    partitions: RangeInclusive<i32>,
    offset: i64,
    metadata: &str,
) {
    let consumer: BaseConsumer = config(bootstrap, group).create().expect("the configuration is legal");
    let mut offsets = TopicPartitionList::new();
    for partition in partitions {
        let mut element = offsets.add_partition(topic, partition);
        element.set_offset(Offset::Offset(offset)).expect("an offset");
        element.set_metadata(metadata);
    }
    consumer.commit(&offsets, CommitMode::Sync).expect("Kafka takes the commit");
}

/// The same for many groups, each with its topic: a client for each of them takes a while, most of it waiting.
pub(crate) fn commit_for_each(bootstrap: &str, groups: &[(String, String)], partitions: RangeInclusive<i32>) {
    std::thread::scope(|threads| {
        for part in groups.chunks(groups.len().div_ceil(8)) {
            let partitions = &partitions;
            threads.spawn(move || {
                for (topic, group) in part {
                    commit_all(bootstrap, group, topic, partitions.clone(), 0, "kafka-practice:namespace/practice");
                }
            });
        }
    });
}

/// Where the first message that is still there stands.
pub(crate) fn first_offset(bootstrap: &str, topic: &str) -> Option<i64> {
    let consumer: BaseConsumer = config(bootstrap, "nobody").create().expect("the configuration is legal");
    let mut all = TopicPartitionList::new();
    all.add_partition_offset(topic, 0, Offset::Beginning).expect("an offset");
    consumer.assign(&all).expect("it may be read");
    Some(consumer.poll(Duration::from_secs(5))?.ok()?.offset())
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

/// Sends so many messages of one key to partition 0.
pub(crate) fn send_keyed(bootstrap: &str, topic: &str, key: &str, count: usize) {
    let producer: BaseProducer =
        ClientConfig::new().set("bootstrap.servers", bootstrap).create().expect("the configuration is legal");
    for _ in 0..count {
        let record = BaseRecord::<str, str>::to(topic).partition(0).key(key).payload("value");
        producer.send(record).map_err(|(error, _)| error).expect("the queue takes it");
    }
    producer.flush(Duration::from_secs(30)).expect("Kafka takes the messages");
}
