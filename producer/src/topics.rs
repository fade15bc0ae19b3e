//! Which topics exist, how many partitions they have, how many replicas are in sync and what the topics accept, polled in the
//! background, so that no request waits for it. In: the topics that may be sent to (none: all that exist). Out: an answer for one
//! topic, at once.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, PoisonError, RwLock, RwLockReadGuard,
        atomic::{AtomicBool, AtomicUsize, Ordering},
        mpsc,
    },
    thread,
    time::{Duration, Instant},
};

use practice_contract::{ProducerSettings, producer::DEFAULT_MAX_MESSAGE_BYTES};
use rdkafka::{
    error::KafkaResult,
    metadata::{MetadataPartition, MetadataTopic},
    producer::Producer,
    types::{RDKafkaErrorCode, RDKafkaRespErr},
};

use crate::{
    error::Problem,
    failure::denied_on,
    message::cut,
    send::{Kafka, client_limit},
    topic_config::{ConfigReader, TopicConfig},
};

/// Timeout of one poll.
const PATIENCE: Duration = Duration::from_secs(2);
/// Pause between polls while all topics exist.
const CALM: Duration = Duration::from_secs(5);
/// Pause between polls while Kafka is unreachable or a topic is missing.
const EAGER: Duration = Duration::from_millis(250);
/// Time after which the configuration of topics is read again.
const CONFIG_AGE: Duration = Duration::from_mins(1);
/// The same after a request without an answer.
const CONFIG_RETRY: Duration = Duration::from_secs(10);
/// The longest name of a topic, in characters (Kafka's `Topic.MAX_NAME_LENGTH`).
const LONGEST_NAME: usize = 249;
/// Kafka's default, in bytes.
const DEFAULT_LIMIT: usize = DEFAULT_MAX_MESSAGE_BYTES as usize;

/// The partitions of each topic, by number; `None`: Kafka's access control hides the topic from this producer.
type Known = BTreeMap<String, Option<Vec<Replicas>>>;

/// The replicas of one partition.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Replicas {
    has_leader: bool,
    all: usize,
    in_sync: usize,
}

/// The known topics.
#[derive(Debug)]
pub(crate) struct Topics {
    /// Empty: any topic that exists.
    wanted: Vec<String>,
    /// `max.message.bytes` as the launcher has set it, by topic.
    set_limits: BTreeMap<String, usize>,
    /// The largest message that this producer's client sends, in bytes.
    client_limit: usize,
    /// `None` before Kafka was reached the first time.
    known: RwLock<Option<Arc<Known>>>,
    /// Of each topic that exists, as far as Kafka reports it.
    configs: RwLock<BTreeMap<String, TopicConfig>>,
    /// The largest limit of all topics, in bytes.
    largest_limit: AtomicUsize,
    /// A refusal of Kafka may not match `configs`: they are read again.
    doubted: AtomicBool,
}

impl Topics {
    /// Nothing is known yet but what the launcher has set.
    pub(crate) fn new(settings: &ProducerSettings) -> Self {
        let limits = settings.max_message_bytes.iter();
        let topics = Self {
            wanted: settings.topics.clone(),
            set_limits: limits
                .map(|(topic, bytes)| (topic.clone(), *bytes as usize))
                .collect(),
            client_limit: client_limit(settings),
            known: RwLock::default(),
            configs: RwLock::default(),
            largest_limit: AtomicUsize::new(DEFAULT_LIMIT),
            doubted: AtomicBool::default(),
        };
        topics.configured(BTreeMap::new());
        topics
    }

    /// Whether Kafka was ever reached.
    pub(crate) fn seen(&self) -> bool {
        self.known().is_some()
    }

    /// The topics that may be sent to; empty: any that exists.
    pub(crate) fn wanted(&self) -> &[String] {
        &self.wanted
    }

    /// A topic for an example.
    pub(crate) fn example(&self) -> String {
        let known = || self.known().and_then(|known| known.keys().next().cloned());
        self.wanted
            .first()
            .cloned()
            .or_else(known)
            .unwrap_or_else(|| "my-topic".to_owned())
    }

    /// The number of partitions of a topic that may be sent to.
    pub(crate) fn partitions(&self, topic: &str) -> Result<i32, Problem> {
        let known = self.known();
        if !self.wanted.is_empty() && !self.wanted.iter().any(|wanted| wanted == topic) {
            return Err(unknown(topic, &self.wanted));
        }
        let Some(known) = known else {
            return Err(Problem::NotPersisted(
                "Kafka has not been reached yet".to_owned(),
            ));
        };
        match known.get(topic) {
            Some(Some(partitions)) => Ok(i32::try_from(partitions.len()).unwrap_or(i32::MAX)),
            Some(None) => Err(Problem::NotPersisted(denied_on("Describe", topic))),
            None if self.wanted.is_empty() => {
                let topics: Vec<String> = known.keys().cloned().collect();
                Err(unknown(topic, &topics))
            }
            None => Err(Problem::NotPersisted(format!(
                "topic `{topic}` does not exist in Kafka (yet)"
            ))),
        }
    }

    /// `max.message.bytes` of a topic: Kafka's value, otherwise the launcher's. `None`: unknown.
    pub(crate) fn limit(&self, topic: &str) -> Option<usize> {
        self.config(topic)
            .max_message_bytes
            .or_else(|| self.set_limits.get(topic).copied())
    }

    /// The launcher's limit of a topic whose limit Kafka does not report, so that a broker without a limit of its own behaves the same.
    pub(crate) fn unchecked_limit(&self, topic: &str) -> Option<usize> {
        let is_unknown = self.config(topic).max_message_bytes.is_none();
        self.limit(topic).filter(|_| is_unknown)
    }

    /// The largest `max.message.bytes` of all topics, at least Kafka's default and at most what the client sends.
    pub(crate) fn largest_limit(&self) -> usize {
        self.largest_limit.load(Ordering::Relaxed)
    }

    /// The largest message that this producer's client sends, in bytes with Kafka's headers.
    pub(crate) fn client_limit(&self) -> usize {
        self.client_limit
    }

    /// Why a partition acknowledges no message now, if its replicas are the reason.
    pub(crate) fn replica_fault(&self, topic: &str, partition: i32) -> Option<String> {
        let known = self.known()?;
        let partitions = known.get(topic)?.as_ref()?;
        let replicas = partitions.get(usize::try_from(partition).ok()?)?;
        let place = format!("topic `{topic}` partition {partition}");
        if !replicas.has_leader {
            return Some(format!(
                "{place} has no leader: start a broker that has a replica of it"
            ));
        }
        let Replicas { all, in_sync, .. } = *replicas;
        let start = "start the brokers of its other replicas";
        match self.config(topic).min_insync_replicas {
            // Kafka does not ask for more replicas than there are
            Some(least) if in_sync < least.min(all) => Some(format!(
                "{place} has {} in sync, min.insync.replicas is {least}: {start}, or lower min.insync.replicas",
                counted(in_sync)
            )),
            None if in_sync < all => Some(format!(
                "{place} has {in_sync} of {} in sync, perhaps fewer than min.insync.replicas: {start}",
                counted(all)
            )),
            _ => None,
        }
    }

    /// Has the configuration of topics read again soon.
    pub(crate) fn doubt_configs(&self) {
        self.doubted.store(true, Ordering::Relaxed);
    }

    /// Polls until the returned sender is dropped, on a thread of its own because a poll blocks.
    pub(crate) fn watch(
        self: &Arc<Self>,
        kafka: Arc<Kafka>,
        mut reader: ConfigReader,
    ) -> std::io::Result<mpsc::Sender<()>> {
        let (stop, stopped) = mpsc::channel();
        let topics = Arc::clone(self);
        thread::Builder::new()
            .name("topics".to_owned())
            .spawn(move || {
                let mut pause = EAGER;
                let mut next_configs = Instant::now();
                while stopped.recv_timeout(pause) == Err(mpsc::RecvTimeoutError::Timeout) {
                    let complete = topics.poll(&kafka, &mut reader, &mut next_configs);
                    pause = if complete { CALM } else { EAGER };
                }
            })?;
        Ok(stop)
    }

    /// One poll. True: Kafka answered and all configured topics exist.
    fn poll(&self, kafka: &Kafka, reader: &mut ConfigReader, next_configs: &mut Instant) -> bool {
        match self.fetch(kafka) {
            Ok(found) => {
                let complete = self
                    .wanted
                    .iter()
                    .all(|topic| found.get(topic).is_some_and(Option::is_some));
                kafka.is_reached();
                self.poll_configs(&found, reader, next_configs);
                if !self.seen() {
                    let partitions = |found: &Option<Vec<_>>| found.as_ref().map(Vec::len);
                    let topics: BTreeMap<_, _> = found
                        .iter()
                        .map(|(topic, found)| (topic, partitions(found)))
                        .collect();
                    tracing::info!(?topics, "Kafka is reached");
                }
                *self.known.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(found));
                complete
            }
            Err(error) => {
                tracing::debug!(%error, "no metadata");
                false
            }
        }
    }

    fn fetch(&self, kafka: &Kafka) -> KafkaResult<Known> {
        let mut found = Known::new();
        if self.wanted.is_empty() {
            let metadata = kafka.client.client().fetch_metadata(None, PATIENCE)?;
            let own = metadata
                .topics()
                .iter()
                .filter(|topic| !topic.name().starts_with("__"));
            found.extend(own.filter_map(described));
        }
        for topic in &self.wanted {
            let metadata = kafka
                .client
                .client()
                .fetch_metadata(Some(topic), PATIENCE)?;
            found.extend(metadata.topics().iter().filter_map(described));
        }
        Ok(found)
    }

    /// Reads what topics accept, if it is time, a refusal does not match it, or a topic is new.
    fn poll_configs(&self, found: &Known, reader: &mut ConfigReader, next: &mut Instant) {
        let is_doubted = self.doubted.swap(false, Ordering::Relaxed);
        if Instant::now() < *next && !is_doubted && self.has_configs(found) {
            return;
        }
        let fetched = reader.fetch(visible(found));
        *next = Instant::now()
            + if fetched.is_some() {
                CONFIG_AGE
            } else {
                CONFIG_RETRY
            };
        // a broker that is just gone does not change what topics accept
        let mut configs = fetched.unwrap_or_else(|| self.configs().clone());
        for topic in visible(found) {
            configs.entry(topic.clone()).or_default();
        }
        self.configured(configs);
    }

    fn has_configs(&self, found: &Known) -> bool {
        let configs = self.configs();
        visible(found).all(|topic| configs.contains_key(topic))
    }

    /// Remembers what topics accept.
    fn configured(&self, configs: BTreeMap<String, TopicConfig>) {
        *self.configs.write().unwrap_or_else(PoisonError::into_inner) = configs;
        let configs = self.configs();
        let names = configs.keys().chain(self.set_limits.keys()).cloned();
        let names: Vec<_> = names.collect();
        drop(configs);
        let largest = names.iter().filter_map(|topic| self.limit(topic)).max();
        let largest = largest.unwrap_or_default().max(DEFAULT_LIMIT);
        self.largest_limit
            .store(largest.min(self.client_limit), Ordering::Relaxed);
    }

    fn config(&self, topic: &str) -> TopicConfig {
        let configs = self.configs();
        configs.get(topic).copied().unwrap_or_default()
    }

    fn configs(&self) -> RwLockReadGuard<'_, BTreeMap<String, TopicConfig>> {
        self.configs.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn known(&self) -> Option<Arc<Known>> {
        self.known
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

/// The topics that Kafka shows this producer.
fn visible(found: &Known) -> impl Iterator<Item = &String> {
    let visible = found.iter().filter(|(_, partitions)| partitions.is_some());
    visible.map(|(topic, _)| topic)
}

/// 404 for a topic that may not be sent to.
fn unknown(topic: &str, topics: &[String]) -> Problem {
    Problem::UnknownTopic {
        topic: cut(topic, LONGEST_NAME),
        topics: topics.to_vec(),
    }
}

fn counted(replicas: usize) -> String {
    match replicas {
        1 => "1 replica".to_owned(),
        _ => format!("{replicas} replicas"),
    }
}

/// A topic that exists, or that Kafka denies this producer; partitions without a leader count.
fn described(topic: &MetadataTopic) -> Option<(String, Option<Vec<Replicas>>)> {
    use RDKafkaErrorCode as Code;
    let found = match topic.error().map(RDKafkaRespErr::into) {
        Some(Code::TopicAuthorizationFailed) => None,
        Some(Code::UnknownTopicOrPartition | Code::UnknownTopic) => return None,
        _ if topic.partitions().is_empty() => return None,
        _ => Some(replicas(topic.partitions())),
    };
    Some((topic.name().to_owned(), found))
}

fn replicas(partitions: &[MetadataPartition]) -> Vec<Replicas> {
    let mut all = vec![Replicas::default(); partitions.len()];
    for partition in partitions {
        if let Some(replicas) = usize::try_from(partition.id())
            .ok()
            .and_then(|id| all.get_mut(id))
        {
            *replicas = Replicas {
                has_leader: partition.leader() >= 0,
                all: partition.replicas().len(),
                in_sync: partition.isr().len(),
            };
        }
    }
    all
}

#[cfg(test)]
pub(crate) mod tests;
