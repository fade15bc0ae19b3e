//! The status of a message after each kind of end, with librdkafka's own broker in memory.

use std::{
    sync::mpsc::{Receiver, Sender, channel},
    time::{Duration, Instant},
};

use rdkafka::{
    ClientConfig, ClientContext,
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

struct Reports(Sender<Report>);

impl ClientContext for Reports {
    fn log(&self, _: RDKafkaLogLevel, _: &str, _: &str) {}
}

impl ProducerContext for Reports {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        let report = match result {
            Ok(message) => (None, Persisted::of(message)),
            Err((error, message)) => (error.rdkafka_error_code(), Persisted::of(message)),
        };
        let _ = self.0.send(report);
    }
}

type Mock = MockCluster<'static, DefaultProducerContext>;

fn mock() -> Mock {
    let mock = MockCluster::new(1).expect("a broker");
    mock.create_topic("t", 1, 1).expect("a topic");
    mock
}

/// A producer with these settings that has sent one message.
fn sent(servers: &str, settings: &[(&str, &str)]) -> (BaseProducer<Reports>, Receiver<Report>) {
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
        .create_with_context(Reports(sender))
        .expect("legal settings");
    send(&producer);
    (producer, reports)
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
        mock.request_errors(RDKafkaApiKey::Produce, &[code; 100]);
        let settings = [("message.timeout.ms", "1000"), ("retry.backoff.ms", "50")];
        let (producer, reports) = sent(&mock.bootstrap_servers(), &settings);
        let expected = (Some(RDKafkaErrorCode::MessageTimedOut), persisted);
        assert_eq!(report(&producer, &reports), expected, "{code:?}");
    }
}

#[test]
fn what_one_attempt_left_open_stays_open_when_the_next_one_ends_in_the_queue() {
    let mock = mock();
    let after_append = Code::RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS_AFTER_APPEND;
    for purged in [true, false] {
        // refused before the append for the rest of its time
        mock.request_errors(RDKafkaApiKey::Produce, &[after_append]);
        mock.request_errors(
            RDKafkaApiKey::Produce,
            &[Code::RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS; 100],
        );
        let settings = [
            ("message.timeout.ms", if purged { "30000" } else { "1500" }),
            ("retry.backoff.ms", "400"),
            ("retry.backoff.max.ms", "400"),
        ];
        let (producer, reports) = sent(&mock.bootstrap_servers(), &settings);
        if purged {
            producer.poll(Duration::from_secs(1)); // it is refused and waits for another attempt
            producer.purge(PurgeConfig::default().queue().inflight());
        }
        let (code, persisted) = report(&producer, &reports);
        assert_eq!(persisted, Persisted::Possibly, "{code:?}");
        let expected = if purged {
            RDKafkaErrorCode::PurgeQueue
        } else {
            RDKafkaErrorCode::MessageTimedOut
        };
        assert_eq!(code, Some(expected));
        mock.clear_request_errors(RDKafkaApiKey::Produce);
    }
}

#[test]
fn a_request_without_an_answer_leaves_it_open() {
    let mock = mock();
    let (producer, reports) = sent(&mock.bootstrap_servers(), &[]);
    assert_eq!(report(&producer, &reports), (None, Persisted::Yes));
    mock.broker_round_trip_time(1, Duration::from_secs(20))
        .expect("slower");
    send(&producer);
    producer.poll(Duration::from_millis(500)); // it is sent
    producer.purge(PurgeConfig::default().queue().inflight());
    let expected = (Some(RDKafkaErrorCode::PurgeInflight), Persisted::Possibly);
    assert_eq!(report(&producer, &reports), expected);
}
