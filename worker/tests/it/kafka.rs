//! The Kafka side of a test: topics, messages, committed offsets. In: a bootstrap address. Out: Kafka's answers.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use rdkafka::{
    ClientConfig, ClientContext, Message, Offset, TopicPartitionList,
    admin::{AdminClient, AdminOptions, NewPartitions, NewTopic, TopicReplication},
    client::DefaultClientContext,
    consumer::{BaseConsumer, Consumer},
    producer::{BaseProducer, BaseRecord, DeliveryResult, Producer, ProducerContext},
};

use crate::kit::{SOON, wait_for};

fn config(servers: &str) -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", servers);
    config
}

/// Creates a topic and waits until it can be written to.
pub(crate) fn create_topic(servers: &str, topic: &str, partitions: i32) {
    let admin: AdminClient<DefaultClientContext> =
        config(servers).create().expect("an admin client");
    let new = NewTopic::new(topic, partitions, TopicReplication::Fixed(1));
    let options = AdminOptions::new()
        .operation_timeout(Some(SOON))
        .request_timeout(Some(SOON));
    let created = wait_for(admin.create_topics([&new], &options)).expect("an answer");
    assert!(created.iter().all(Result::is_ok), "{created:?}");
}

/// Grows a topic.
pub(crate) fn grow_topic(servers: &str, topic: &str, partitions: usize) {
    let admin: AdminClient<DefaultClientContext> =
        config(servers).create().expect("an admin client");
    let grown = NewPartitions::new(topic, partitions);
    let answers =
        wait_for(admin.create_partitions([&grown], &AdminOptions::new())).expect("an answer");
    assert!(answers.iter().all(Result::is_ok), "{answers:?}");
}

/// Partition and offset of a message that the broker has acknowledged.
pub(crate) type Place = (i32, i64);

/// Where acknowledged messages are.
#[derive(Default)]
struct Reports(Mutex<Vec<Place>>);

impl ClientContext for Reports {}

impl ProducerContext for Reports {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        if let Ok(message) = result {
            let place = (message.partition(), message.offset());
            let mut places = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            places.push(place);
        }
    }
}

/// Sends message after message, `None` for a missing key or value, to the partition each names; waits for the broker. Out: where the
/// acknowledged ones are.
pub(crate) fn send<'m>(
    servers: &str,
    topic: &str,
    messages: impl IntoIterator<Item = (i32, Option<&'m [u8]>, Option<&'m [u8]>)>,
) -> Vec<Place> {
    let producer: BaseProducer<Reports> = config(servers)
        .set("acks", "all")
        .set("message.max.bytes", "2000000")
        .create_with_context(Reports::default())
        .expect("a producer");
    for (partition, key, value) in messages {
        let mut record: BaseRecord<'_, [u8], [u8]> = BaseRecord::to(topic).partition(partition);
        record.key = key;
        record.payload = value;
        loop {
            match producer.send(record) {
                Ok(()) => break,
                Err((_, refused)) => {
                    producer.poll(Duration::from_millis(50));
                    record = refused;
                }
            }
        }
    }
    producer.flush(SOON).expect("acknowledged");
    let mut places = producer
        .context()
        .0
        .lock()
        .unwrap_or_else(PoisonError::into_inner);
    std::mem::take(&mut places)
}

/// `count` messages `m0`, `m1`, ... with keys, over partitions in turn. Out: where they are.
pub(crate) fn fill(servers: &str, topic: &str, partitions: i32, count: i32) -> Vec<Place> {
    let values: Vec<String> = (0..count).map(|n| format!("m{n}")).collect();
    let message = |(n, value): (i32, &'_ String)| (n % partitions, value.clone());
    let spread: Vec<(i32, String)> = (0..).zip(&values).map(message).collect();
    let places = send(
        servers,
        topic,
        spread.iter().map(|(partition, value)| {
            (*partition, Some(b"key".as_slice()), Some(value.as_bytes()))
        }),
    );
    assert_eq!(places.len(), spread.len(), "all are acknowledged");
    places
}

/// Offset and metadata that `group` committed in a partition; `None`: no commit.
pub(crate) fn committed(
    servers: &str,
    group: &str,
    topic: &str,
    partition: i32,
) -> Option<(i64, String)> {
    let consumer: BaseConsumer = config(servers)
        .set("group.id", group)
        .create()
        .expect("a consumer");
    let mut asked = TopicPartitionList::new();
    asked.add_partition(topic, partition);
    let answer = consumer.committed_offsets(asked, SOON).expect("an answer");
    let element = answer
        .find_partition(topic, partition)
        .expect("the partition asked for");
    match element.offset() {
        Offset::Offset(offset) => Some((offset, element.metadata().to_owned())),
        _ => None,
    }
}

/// One message in a transaction that commits: a marker follows it.
pub(crate) fn send_in_transaction(servers: &str, topic: &str, id: &str) {
    let producer: BaseProducer = config(servers)
        .set("transactional.id", id)
        .create()
        .expect("a producer");
    producer
        .init_transactions(SOON)
        .expect("a transactional producer");
    producer.begin_transaction().expect("a transaction");
    producer
        .send(
            BaseRecord::<[u8], str>::to(topic)
                .partition(0)
                .payload("in a transaction"),
        )
        .map_err(|(error, _)| error)
        .expect("sent");
    producer.commit_transaction(SOON).expect("committed");
}
