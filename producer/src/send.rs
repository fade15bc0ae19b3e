//! The Kafka client. In: a message. Out: where it is, after every in-sync replica has it, or why not. One message is one
//! record: idempotent, never retried by us after the client gave up. Deliberately absent: HTTP.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use practice_contract::ProducerSettings;
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
use uuid::Uuid;

use crate::{error::Problem, load::Outstanding, message::Message};

/// Largest record: Kafka's own default limit of a batch (`message.max.bytes` of a broker) less its overhead.
pub(crate) const LARGEST_RECORD: usize = 1024 * 1024;
/// Without an acknowledgement for this long a message's fate is unknown.
const DELIVERY: Duration = Duration::from_secs(10);
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

type Report = Result<Delivery, RDKafkaErrorCode>;

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
        let mut config = ClientConfig::new();
        config
            .set("bootstrap.servers", &settings.servers)
            .set(
                "client.id",
                settings.instance.as_deref().unwrap_or("practice-producer"),
            )
            .set("enable.idempotence", "true")
            .set("acks", "all")
            .set("allow.auto.create.topics", "false")
            .set("linger.ms", "0.5")
            .set("message.timeout.ms", DELIVERY.as_millis().to_string())
            .set("request.timeout.ms", "5000")
            .set("message.max.bytes", LARGEST_RECORD.to_string())
            .set("queue.buffering.max.messages", "20000")
            .set("queue.buffering.max.kbytes", "16384")
            .set("reconnect.backoff.max.ms", "1000")
            .set("socket.nagle.disable", "true")
            .set("socket.keepalive.enable", "true")
            .set_log_level(RDKafkaLogLevel::Warning);
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

    /// Sends a message to a partition that exists and waits for the acknowledgement.
    pub(crate) async fn send(&self, message: &Message) -> Result<Delivery, Problem> {
        let reports = self.reports();
        if reports.closing.is_cancelled() {
            return Err(Problem::from_code(
                RDKafkaErrorCode::PurgeQueue,
                &message.topic,
            ));
        }
        if reports.away_for().is_some_and(|time| time > AWAY) {
            return Err(Problem::NotPersisted("Kafka cannot be reached".to_owned()));
        }
        let (sender, report) = oneshot::channel();
        let (topic, value) = (&message.topic, &message.value);
        self.enqueue(
            topic,
            message.partition,
            message.key.as_deref(),
            value,
            Waiting::Request(sender),
        )
        .map_err(|code| Problem::from_code(code, topic))?;
        match report.await {
            Ok(Ok(delivery)) => Ok(delivery),
            Ok(Err(code)) => Err(Problem::from_code(code, topic)),
            Err(_) => Err(Problem::Unknown("this producer ended".to_owned())),
        }
    }

    /// Hands a message to the client, with a random key if it has none and keys are wished.
    pub(crate) fn enqueue(
        &self,
        topic: &str,
        partition: Option<i32>,
        key: Option<&str>,
        value: &str,
        waiting: Waiting,
    ) -> Result<(), RDKafkaErrorCode> {
        let mut buffer = Uuid::encode_buffer();
        let key = match key {
            None if self.keys_random => {
                Some(&*Uuid::new_v4().hyphenated().encode_lower(&mut buffer))
            }
            given => given,
        };
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

    /// From now on nothing is taken, and what waits is given up: queued messages are not persisted, those on their way
    /// are unknown.
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
            Err((error, _)) => Err(error.rdkafka_error_code().unwrap_or(RDKafkaErrorCode::Fail)),
        };
        match *waiting {
            Waiting::Request(sender) => {
                let _ = sender.send(report); // the request may have been given up by its client
            }
            Waiting::Load(outstanding) => outstanding.reported(report.is_ok()),
        }
    }
}
