//! The status of a message after each kind of end, with librdkafka's own broker in memory.

use std::{
    sync::{
        Mutex,
        mpsc::{Receiver, Sender, channel},
    },
    time::{Duration, Instant},
};

use rdkafka::{
    ClientConfig, ClientContext, Statistics,
    config::RDKafkaLogLevel,
    mocking::MockCluster,
    producer::{
        BaseProducer, BaseRecord, DefaultProducerContext, DeliveryResult, Producer,
        ProducerContext, PurgeConfig,
    },
    types::{RDKafkaApiKey, RDKafkaErrorCode, RDKafkaRespErr as Code},
};

use super::*;

const PATIENCE: Duration = Duration::from_secs(30);

type Report = (Option<RDKafkaErrorCode>, Persisted);

struct Reports {
    sender: Sender<Report>,
    /// Produce requests sent, and messages in requests without an answer, by the last statistics.
    seen: Mutex<(i64, i64)>,
}

impl ClientContext for Reports {
    fn log(&self, _: RDKafkaLogLevel, _: &str, _: &str) {}

    fn stats(&self, statistics: Statistics) {
        let requests = statistics
            .brokers
            .values()
            .filter_map(|b| b.req.get("Produce"));
        let partitions = statistics
            .topics
            .values()
            .flat_map(|t| t.partitions.values());
        *self.seen.lock().expect("no panic") =
            (requests.sum(), partitions.map(|p| p.msgs_inflight).sum());
    }
}

impl ProducerContext for Reports {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        let report = match result {
            Ok(message) => (None, Persisted::of(message)),
            Err((error, message)) => (error.rdkafka_error_code(), Persisted::of(message)),
        };
        let _ = self.sender.send(report);
    }
}

type Mock = MockCluster<'static, DefaultProducerContext>;

fn mock() -> Mock {
    let mock = MockCluster::new(1).expect("a broker");
    mock.create_topic("t", 1, 1).expect("a topic");
    mock
}

/// A producer with these settings that has sent nothing.
fn idle(servers: &str, settings: &[(&str, &str)]) -> (BaseProducer<Reports>, Receiver<Report>) {
    let (sender, reports) = channel();
    let mut config = ClientConfig::new();
    config
        .set("bootstrap.servers", servers)
        .set("enable.idempotence", "true")
        .set("linger.ms", "0");
    for (name, value) in settings {
        config.set(*name, *value);
    }
    let producer: BaseProducer<Reports> = config
        .create_with_context(Reports {
            sender,
            seen: Mutex::default(),
        })
        .expect("legal settings");
    (producer, reports)
}

/// A producer with these settings that has sent one message.
fn sent(servers: &str, settings: &[(&str, &str)]) -> (BaseProducer<Reports>, Receiver<Report>) {
    let (producer, reports) = idle(servers, settings);
    send(&producer);
    (producer, reports)
}

/// A producer with these settings that has its connection and its producer id, so that its next
/// message is sent at once.
fn connected(
    servers: &str,
    settings: &[(&str, &str)],
) -> (BaseProducer<Reports>, Receiver<Report>) {
    let (producer, reports) = idle(servers, settings);
    let deadline = Instant::now() + PATIENCE;
    loop {
        send(&producer);
        if report(&producer, &reports) == (None, Persisted::Yes) {
            return (producer, reports);
        }
        assert!(Instant::now() < deadline, "no message is acknowledged");
    }
}

fn send(producer: &BaseProducer<Reports>) {
    let record = BaseRecord::<str, str>::to("t").payload("v");
    producer
        .send(record)
        .map_err(|(error, _)| error)
        .expect("queued");
}

fn report(producer: &BaseProducer<Reports>, reports: &Receiver<Report>) -> Report {
    let deadline = Instant::now() + PATIENCE;
    loop {
        producer.poll(Duration::from_millis(20));
        if let Ok(report) = reports.try_recv() {
            return report;
        }
        assert!(Instant::now() < deadline, "no delivery report");
    }
}

/// Waits until so many produce requests were sent and so many messages are in those without an answer.
fn until_seen(producer: &BaseProducer<Reports>, expected: (i64, i64)) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        producer.poll(Duration::from_millis(20));
        let seen = *producer.context().seen.lock().expect("no panic");
        if seen == expected {
            return;
        }
        assert!(Instant::now() < deadline, "(requests, in flight): {seen:?}");
    }
}

#[test]
fn an_acknowledged_message_is_persisted() {
    let mock = mock();
    let (producer, reports) = sent(&mock.bootstrap_servers(), &[]);
    assert_eq!(report(&producer, &reports), (None, Persisted::Yes));
}

#[test]
fn a_refused_message_is_not() {
    let mock = mock();
    mock.request_errors(
        RDKafkaApiKey::Produce,
        &[Code::RD_KAFKA_RESP_ERR_INVALID_RECORD],
    );
    let (producer, reports) = sent(&mock.bootstrap_servers(), &[]);
    let expected = (Some(RDKafkaErrorCode::InvalidRecord), Persisted::No);
    assert_eq!(report(&producer, &reports), expected);
}

#[test]
fn neither_is_one_that_waited_until_its_time_was_over_or_it_was_purged() {
    let (producer, reports) = sent("127.0.0.1:1", &[("message.timeout.ms", "300")]);
    let expected = (Some(RDKafkaErrorCode::MessageTimedOut), Persisted::No);
    assert_eq!(report(&producer, &reports), expected);

    let (producer, reports) = sent("127.0.0.1:1", &[]);
    producer.purge(PurgeConfig::default().queue());
    let expected = (Some(RDKafkaErrorCode::PurgeQueue), Persisted::No);
    assert_eq!(report(&producer, &reports), expected);
}

#[test]
fn too_few_replicas_before_the_append_is_a_refusal_and_after_it_is_not() {
    for (code, persisted) in [
        (Code::RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS, Persisted::No),
        (
            Code::RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS_AFTER_APPEND,
            Persisted::Possibly,
        ),
        (
            Code::RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT,
            Persisted::Possibly,
        ),
    ] {
        let mock = mock();
        let settings = [("message.timeout.ms", "2000"), ("retry.backoff.ms", "50")];
        let (producer, reports) = connected(&mock.bootstrap_servers(), &settings);
        mock.request_errors(RDKafkaApiKey::Produce, &[code; 100]);
        send(&producer);
        let expected = (Some(RDKafkaErrorCode::MessageTimedOut), persisted);
        assert_eq!(report(&producer, &reports), expected, "{code:?}");
    }
}

#[test]
fn what_one_attempt_left_open_stays_open_when_the_next_one_ends_in_the_queue() {
    let after_append = Code::RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS_AFTER_APPEND;
    let before_append = Code::RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS;

    // after its first attempt it waits in the queue, and its time is over before the second one
    let mock = mock();
    let settings = [
        ("message.timeout.ms", "3000"),
        ("retry.backoff.ms", "60000"),
        ("retry.backoff.max.ms", "60000"),
    ];
    let (producer, reports) = connected(&mock.bootstrap_servers(), &settings);
    mock.request_errors(RDKafkaApiKey::Produce, &[after_append]);
    send(&producer);
    let expected = (Some(RDKafkaErrorCode::MessageTimedOut), Persisted::Possibly);
    assert_eq!(report(&producer, &reports), expected, "its time is over");

    // the first attempt leaves it open, all others are refused before the append
    let settings = [("message.timeout.ms", "3000"), ("retry.backoff.ms", "100")];
    let (producer, reports) = connected(&mock.bootstrap_servers(), &settings);
    mock.request_errors(RDKafkaApiKey::Produce, &[after_append]);
    mock.request_errors(RDKafkaApiKey::Produce, &[before_append; 100]);
    send(&producer);
    assert_eq!(report(&producer, &reports), expected, "refused later");
    mock.clear_request_errors(RDKafkaApiKey::Produce);

    // after its first attempt it is purged from the queue
    let settings = [
        ("statistics.interval.ms", "50"),
        ("retry.backoff.ms", "60000"),
        ("retry.backoff.max.ms", "60000"),
    ];
    let (producer, reports) = connected(&mock.bootstrap_servers(), &settings);
    mock.request_errors(RDKafkaApiKey::Produce, &[after_append]);
    send(&producer);
    // its only attempt was answered, so it is in the queue again
    until_seen(&producer, (2, 0));
    producer.purge(PurgeConfig::default().queue().inflight());
    let expected = (Some(RDKafkaErrorCode::PurgeQueue), Persisted::Possibly);
    assert_eq!(report(&producer, &reports), expected, "purged");
}

#[test]
fn a_request_without_an_answer_leaves_it_open() {
    let mock = mock();
    let settings = [("statistics.interval.ms", "50")];
    let (producer, reports) = connected(&mock.bootstrap_servers(), &settings);
    mock.broker_round_trip_time(1, Duration::from_secs(20))
        .expect("slower");
    send(&producer);
    until_seen(&producer, (2, 1));
    producer.purge(PurgeConfig::default().queue().inflight());
    let expected = (Some(RDKafkaErrorCode::PurgeInflight), Persisted::Possibly);
    assert_eq!(report(&producer, &reports), expected);
}
