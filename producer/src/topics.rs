//! Which topics exist and how many partitions they have, polled in the background, so that no request waits for it.
//! In: the topics that may be sent to (none: all that exist). Out: an answer for one topic, at once.

use std::{
    collections::BTreeMap,
    sync::{Arc, PoisonError, RwLock, mpsc},
    thread,
    time::Duration,
};

use rdkafka::{
    error::KafkaResult,
    metadata::MetadataTopic,
    producer::Producer,
    types::{RDKafkaErrorCode, RDKafkaRespErr},
};

use crate::{error::Problem, send::Kafka};

/// Timeout of one poll.
const PATIENCE: Duration = Duration::from_secs(2);
/// Pause between polls while all topics exist.
const CALM: Duration = Duration::from_secs(5);
/// Pause between polls while Kafka is unreachable or a topic is missing.
const EAGER: Duration = Duration::from_millis(250);

/// Partition counts; `None`: Kafka's access control hides the topic from this producer.
type Known = BTreeMap<String, Option<i32>>;

/// The known topics.
#[derive(Debug)]
pub(crate) struct Topics {
    /// Empty: any topic that exists.
    wanted: Vec<String>,
    /// `None` before Kafka was reached the first time.
    known: RwLock<Option<Arc<Known>>>,
}

impl Topics {
    /// Nothing is known yet.
    pub(crate) fn new(wanted: Vec<String>) -> Self {
        Self {
            wanted,
            known: RwLock::default(),
        }
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
            return Err(Problem::UnknownTopic {
                topic: topic.to_owned(),
                topics: self.wanted.clone(),
            });
        }
        let Some(known) = known else {
            return Err(Problem::NotPersisted(
                "Kafka has not been reached yet".to_owned(),
            ));
        };
        match known.get(topic) {
            Some(Some(partitions)) => Ok(*partitions),
            Some(None) => Err(Problem::denied("Describe", topic)),
            None if self.wanted.is_empty() => Err(Problem::UnknownTopic {
                topic: topic.to_owned(),
                topics: known.keys().cloned().collect(),
            }),
            None => Err(Problem::NotPersisted(format!(
                "topic `{topic}` does not exist in Kafka (yet)"
            ))),
        }
    }

    /// Polls until the returned sender is dropped, on a thread of its own because a poll blocks.
    pub(crate) fn watch(self: &Arc<Self>, kafka: Arc<Kafka>) -> std::io::Result<mpsc::Sender<()>> {
        let (stop, stopped) = mpsc::channel();
        let topics = Arc::clone(self);
        thread::Builder::new()
            .name("topics".to_owned())
            .spawn(move || {
                let mut pause = EAGER;
                while stopped.recv_timeout(pause) == Err(mpsc::RecvTimeoutError::Timeout) {
                    pause = if topics.poll(&kafka) { CALM } else { EAGER };
                }
            })?;
        Ok(stop)
    }

    /// One poll. True: Kafka answered and all configured topics exist.
    pub(crate) fn poll(&self, kafka: &Kafka) -> bool {
        match self.fetch(kafka) {
            Ok(found) => {
                let complete = self
                    .wanted
                    .iter()
                    .all(|topic| found.get(topic).is_some_and(Option::is_some));
                let first = !self.seen();
                if first {
                    tracing::info!(topics = ?found, "Kafka is reached");
                }
                kafka.is_reached();
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
            found.extend(own.filter_map(counted));
        }
        for topic in &self.wanted {
            let metadata = kafka
                .client
                .client()
                .fetch_metadata(Some(topic), PATIENCE)?;
            found.extend(metadata.topics().iter().filter_map(counted));
        }
        Ok(found)
    }

    fn known(&self) -> Option<Arc<Known>> {
        self.known
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

/// A topic that exists, or that Kafka denies this producer; partitions without a leader count.
fn counted(topic: &MetadataTopic) -> Option<(String, Option<i32>)> {
    use RDKafkaErrorCode as Code;
    let partitions = i32::try_from(topic.partitions().len()).ok()?;
    let found = match topic.error().map(RDKafkaRespErr::into) {
        Some(Code::TopicAuthorizationFailed) => None,
        Some(Code::UnknownTopicOrPartition | Code::UnknownTopic) => return None,
        _ => Some(partitions)
            .filter(|partitions| *partitions > 0)
            .map(Some)?,
    };
    Some((topic.name().to_owned(), found))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn topics(wanted: &[&str], known: Option<&[(&str, i32)]>) -> Topics {
        let topics = Topics::new(wanted.iter().map(ToString::to_string).collect());
        let counted = |(name, count): &(&str, i32)| {
            ((*name).to_owned(), Some(*count).filter(|count| *count > 0))
        };
        *topics.known.write().expect("not poisoned") =
            known.map(|known| Arc::new(known.iter().map(counted).collect()));
        topics
    }

    fn status(topics: &Topics, topic: &str) -> u16 {
        topics
            .partitions(topic)
            .map_or_else(|problem| problem.status().as_u16(), |_| 200)
    }

    #[test]
    fn a_topic_of_the_practice_and_any_other() {
        let practice = topics(&["a", "b"], Some(&[("a", 3)]));
        assert_eq!(practice.partitions("a").expect("known"), 3);
        assert_eq!(status(&practice, "b"), 503);
        assert_eq!(status(&practice, "c"), 404);
        assert!(
            practice
                .partitions("c")
                .expect_err("unknown")
                .to_string()
                .contains("`a` or `b`")
        );
    }

    #[test]
    fn a_denied_topic_is_not_called_missing() {
        let practice = topics(&["a"], Some(&[("a", 0)]));
        let problem = practice.partitions("a").expect_err("denied");
        assert_eq!(problem.status().as_u16(), 503);
        let text = problem.to_string();
        assert!(
            text.starts_with("topic `a`: Kafka denied Describe to this client")
                && text.contains("Write"),
            "{text}"
        );
    }

    #[test]
    fn before_kafka_was_reached_only_what_needs_no_kafka_is_answered() {
        let practice = topics(&["a"], None);
        assert!(!practice.seen());
        assert_eq!(status(&practice, "a"), 503);
        assert_eq!(status(&practice, "c"), 404);
        assert_eq!(status(&topics(&[], None), "a"), 503);
    }

    #[test]
    fn by_hand_every_topic_that_exists() {
        let any = topics(&[], Some(&[("a", 1)]));
        assert_eq!(status(&any, "a"), 200);
        assert_eq!(status(&any, "b"), 404);
    }
}
