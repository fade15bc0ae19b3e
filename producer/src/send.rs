//! The Kafka client. In: a message. Out: where it is, after every in-sync replica has it, or why not. One message is one
//! record: idempotent, never retried by us after the client gave up. Deliberately absent: HTTP.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use practice_contract::ProducerSettings;
use practice_delivery::Persisted;
use rdkafka::{
    ClientConfig, ClientContext, Message as _, Timestamp,
    config::RDKafkaLogLevel,
    error::{KafkaError, KafkaResult},
    producer::{
        BaseRecord, DeliveryResult, Producer, ProducerContext, PurgeConfig, ThreadedProducer,
    },
    types::RDKafkaErrorCode,
};
use tokio::sync::{Notify, oneshot};
use tokio_util::sync::CancellationToken;
use uuid::{Uuid, fmt::Hyphenated};

use crate::{
    failure::{Attempted, Failure, batch_bytes},
    load::Outstanding,
    message::Message,
};

/// The largest batch that a producer sends whose settings set no limit for a topic, in bytes: eight times Kafka's default limit.
const CLIENT_LIMIT: usize = 8 * 1024 * 1024;
/// The largest batch that any producer sends, in bytes: a broker accepts no larger request by default (`socket.request.max.bytes`).
pub(crate) const LARGEST_LIMIT: usize = 100 * 1024 * 1024;
/// The client's default of `batch.size`, in bytes.
const BATCH: usize = 1_000_000;
/// Least `batch.size` for a topic that accepts very little: room for Kafka's headers.
const SMALLEST_BATCH: usize = 128;
/// Time in which a message has to be acknowledged, retries included.
pub(crate) const DELIVERY: Duration = Duration::from_secs(10);
/// Kafka is given up for the moment when it has been away for longer: then nothing is queued for it.
const AWAY: Duration = Duration::from_secs(3);

/// Where a message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Delivery {
    /// The partition.
    pub(crate) partition: i32,
    /// The offset in it; `None` when Kafka had stored an earlier attempt and no longer knows where.
    pub(crate) offset: Option<i64>,
    /// Milliseconds since the epoch.
    pub(crate) timestamp: i64,
}

type Report = Result<Delivery, Failure>;

/// Who waits for a message's acknowledgement.
#[derive(Debug)]
pub(crate) enum Waiting {
    /// A request.
    Request(oneshot::Sender<Report>),
    /// The steady stream, which only counts.
    Load(Outstanding),
}

/// The client and what it has reported.
pub(crate) struct Kafka {
    pub(crate) client: ThreadedProducer<Reports>,
    keys_random: bool,
}

/// What the client calls back.
pub(crate) struct Reports {
    begun: Instant,
    /// Milliseconds after `begun` at which every broker was lost; 0: they are there.
    away: AtomicU64,
    closing: CancellationToken,
    /// An error was reported that may be the client's last.
    error: Notify,
}

impl Kafka {
    /// A client; it connects by itself and retries.
    pub(crate) fn new(settings: &ProducerSettings) -> KafkaResult<Self> {
        let limit = client_limit(settings);
        // a batch of several messages is refused as a whole
        let limits = settings.max_message_bytes.values();
        let batch = limits.map(|bytes| *bytes as usize).min();
        let mut config = connection(settings);
        config
            .set("enable.idempotence", "true")
            .set("acks", "all")
            .set("allow.auto.create.topics", "false")
            // the partitioner of Kafka's own clients; an empty key is a key
            .set("partitioner", "murmur2_random")
            .set("linger.ms", "0.5")
            .set("message.timeout.ms", DELIVERY.as_millis().to_string())
            .set("request.timeout.ms", "5000")
            .set("message.max.bytes", limit.to_string())
            .set(
                "batch.size",
                batch
                    .unwrap_or(BATCH)
                    .clamp(SMALLEST_BATCH, BATCH)
                    .to_string(),
            )
            .set("queue.buffering.max.messages", "20000")
            .set("queue.buffering.max.kbytes", (2 * limit / 1024).to_string());
        let reports = Reports {
            begun: Instant::now(),
            away: AtomicU64::new(0),
            closing: CancellationToken::new(),
            error: Notify::new(),
        };
        Ok(Self {
            client: config.create_with_context(reports)?,
            keys_random: settings.keys_random,
        })
    }

    /// Sends a message with its key to a partition that exists and waits for the acknowledgement.
    pub(crate) async fn send(
        &self,
        message: &Message,
        key: Option<&str>,
    ) -> Result<Delivery, Failure> {
        let reports = self.reports();
        if reports.closing.is_cancelled() {
            return Err(Failure::before_sending(RDKafkaErrorCode::PurgeQueue));
        }
        if reports.away_for().is_some_and(|time| time > AWAY) {
            return Err(Failure::before_sending(RDKafkaErrorCode::AllBrokersDown));
        }
        let (sender, report) = oneshot::channel();
        self.enqueue(
            &message.topic,
            message.partition,
            key,
            &message.value,
            Waiting::Request(sender),
        )
        .map_err(Failure::before_sending)?;
        report.await.unwrap_or(Err(Failure {
            code: RDKafkaErrorCode::BrokerDestroy,
            persisted: Persisted::Possibly,
            partition: message.partition,
        }))
    }

    /// The message as this client sends it.
    pub(crate) fn attempted<'a>(&self, message: &'a Message) -> Attempted<'a> {
        let random = self.keys_random.then_some(Hyphenated::LENGTH);
        let key = message.key.as_ref().map(String::len).or(random);
        Attempted {
            topic: &message.topic,
            bytes: batch_bytes(key, message.value.len()),
            reachable: self.reachable(),
        }
    }

    /// A random key for a message that has none; `None`: the settings want none.
    pub(crate) fn random_key(&self) -> Option<String> {
        self.keys_random.then(|| Uuid::new_v4().to_string())
    }

    /// Hands a message to the client.
    pub(crate) fn enqueue(
        &self,
        topic: &str,
        partition: Option<i32>,
        key: Option<&str>,
        value: &str,
        waiting: Waiting,
    ) -> Result<(), RDKafkaErrorCode> {
        let mut record =
            BaseRecord::<str, str, Box<Waiting>>::with_opaque_to(topic, Box::new(waiting))
                .payload(value);
        record.key = key;
        record.partition = partition;
        self.client
            .send(record)
            .map_err(|(error, _)| error.rdkafka_error_code().unwrap_or(RDKafkaErrorCode::Fail))
    }

    /// Messages that are not acknowledged yet.
    pub(crate) fn in_flight(&self) -> usize {
        usize::try_from(self.client.in_flight_count()).unwrap_or_default()
    }

    /// Whether a broker is there, as far as the client knows.
    pub(crate) fn reachable(&self) -> bool {
        self.reports().away_for().is_none()
    }

    /// From now on nothing is taken, and what waits is given up. Each message is reported with its own status: one that was queued
    /// may have been sent before.
    pub(crate) fn give_up(&self) {
        self.reports().closing.cancel();
        self.client
            .purge(PurgeConfig::default().queue().inflight().non_blocking());
    }

    /// Kafka has answered something.
    pub(crate) fn is_reached(&self) {
        self.reports().reached();
    }

    /// Ends when the client can do nothing any more.
    pub(crate) async fn failed(&self) {
        while self.failure().is_none() {
            self.reports().error.notified().await;
        }
    }

    /// Why the client can do nothing any more.
    pub(crate) fn failure(&self) -> Option<String> {
        self.client.client().fatal_error().map(|(_, reason)| reason)
    }

    fn reports(&self) -> &Reports {
        self.client.context()
    }
}

impl Reports {
    fn now(&self) -> u64 {
        u64::try_from(self.begun.elapsed().as_millis())
            .unwrap_or(u64::MAX)
            .max(1)
    }

    fn away_for(&self) -> Option<Duration> {
        match self.away.load(Ordering::Relaxed) {
            0 => None,
            since => Some(Duration::from_millis(self.now().saturating_sub(since))),
        }
    }

    fn reached(&self) {
        if self.away.load(Ordering::Relaxed) != 0 && self.away.swap(0, Ordering::Relaxed) != 0 {
            tracing::info!("Kafka is reached again");
        }
    }

    fn lost(&self, reason: &str) {
        if self
            .away
            .compare_exchange(0, self.now(), Ordering::Relaxed, Ordering::Relaxed)
            .is_ok()
        {
            tracing::warn!(reason, "Kafka cannot be reached, trying again");
        }
    }
}

impl ClientContext for Reports {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, line: &str) {
        // an unreachable broker is logged once, by `error`
        match level {
            RDKafkaLogLevel::Emerg | RDKafkaLogLevel::Alert | RDKafkaLogLevel::Critical => {
                tracing::error!("{facility}: {line}");
            }
            _ => tracing::debug!("{facility}: {line}"),
        }
    }

    fn error(&self, error: KafkaError, reason: &str) {
        if error.rdkafka_error_code() == Some(RDKafkaErrorCode::AllBrokersDown) {
            self.lost(reason);
        } else {
            tracing::debug!(%error, reason, "Kafka client");
        }
        // a fatal error comes with the code of its cause: only the client knows whether it is fatal
        self.error.notify_one();
    }
}

/// What all clients of this producer have in common.
pub(crate) fn connection(settings: &ProducerSettings) -> ClientConfig {
    let mut config = ClientConfig::new();
    config
        .set("bootstrap.servers", &settings.servers)
        .set(
            "client.id",
            settings.instance.as_deref().unwrap_or("practice-producer"),
        )
        .set("reconnect.backoff.max.ms", "1000")
        .set("socket.nagle.disable", "true")
        .set("socket.keepalive.enable", "true")
        .set_log_level(RDKafkaLogLevel::Warning);
    config
}

/// The largest batch that this producer sends, in bytes.
pub(crate) fn client_limit(settings: &ProducerSettings) -> usize {
    let limits = settings.max_message_bytes.values();
    let largest = limits.map(|bytes| *bytes as usize).max();
    largest
        .unwrap_or_default()
        .clamp(CLIENT_LIMIT, LARGEST_LIMIT)
}

/// No broker's clock has an earlier time: the year 2011, that of Kafka's first release.
const FIRST_KAFKA: i64 = 1_293_840_000_000;

/// When a message was accepted, in milliseconds since the epoch. librdkafka's in-memory broker always reports 1234.
fn taken_at(reported: Timestamp) -> i64 {
    reported
        .to_millis()
        .filter(|millis| *millis >= FIRST_KAFKA)
        .unwrap_or_else(|| {
            let now = SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .unwrap_or_default();
            i64::try_from(now.as_millis()).unwrap_or(i64::MAX)
        })
}

impl ProducerContext for Reports {
    type DeliveryOpaque = Box<Waiting>;

    fn delivery(&self, result: &DeliveryResult<'_>, waiting: Box<Waiting>) {
        let report = match result {
            Ok(message) => {
                self.reached();
                Ok(Delivery {
                    partition: message.partition(),
                    offset: Some(message.offset()).filter(|offset| *offset >= 0),
                    timestamp: taken_at(message.timestamp()),
                })
            }
            Err((error, message)) => Err(Failure {
                code: error.rdkafka_error_code().unwrap_or(RDKafkaErrorCode::Fail),
                persisted: Persisted::of(message),
                partition: Some(message.partition()).filter(|partition| *partition >= 0),
            }),
        };
        match *waiting {
            Waiting::Request(sender) => {
                let _ = sender.send(report); // the request may have been given up by its client
            }
            Waiting::Load(outstanding) => outstanding.reported(&report),
        }
    }
}
