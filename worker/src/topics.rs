//! Subscribed topics that the worker cannot read yet: checked about once a second, reported once for each reason. In: the
//! cluster's metadata of each topic. Out: a client with fresh metadata once a topic can be read. (On its own a client refreshes
//! every `topic.metadata.refresh.interval.ms`.)

use std::time::Duration;

use practice_contract::{Protocol, denied};
use rdkafka::{
    consumer::{BaseConsumer, Consumer},
    error::KafkaResult,
    types::RDKafkaErrorCode,
};
use tracing::{debug, info, warn};

use crate::rebalance::Context;

/// A metadata request blocks the poll loop; the worker sends one only while it waits for a topic.
const REQUEST_TIMEOUT: Duration = Duration::from_millis(500);

/// Why a topic cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Absence {
    /// Kafka knows no such topic.
    Missing,
    /// Kafka's access control hides it, whether it exists or not.
    Denied,
}

/// Subscribed topics that were not readable at the last check.
#[derive(Debug)]
pub(crate) struct PendingTopics {
    /// Each with the reason that was reported; `None`: nothing reported yet.
    topics: Vec<(String, Option<Absence>)>,
}

impl PendingTopics {
    /// All of them, at the start.
    pub(crate) fn all(topics: &[String]) -> Self {
        Self {
            topics: topics.iter().map(|topic| (topic.clone(), None)).collect(),
        }
    }

    /// Checks each pending topic; to be called about once a second.
    pub(crate) fn check(&mut self, consumer: &BaseConsumer<Context>) -> KafkaResult<()> {
        let context = consumer.context();
        if context.take_topic_missing() && self.topics.is_empty() {
            *self = Self::all(&context.shared.settings.topics);
        }
        let mut appeared = false;
        let mut pending = Vec::new();
        let mut topics = std::mem::take(&mut self.topics).into_iter();
        for (topic, reported) in topics.by_ref() {
            match absence(consumer, &topic) {
                Ok(None) if reported.is_some() => {
                    info!("topic {topic} is available");
                    appeared = true;
                }
                Ok(None) => {}
                Ok(Some(absence)) => {
                    if reported != Some(absence) {
                        warn!("{}", warning(absence, &topic));
                    }
                    pending.push((topic, Some(absence)));
                }
                Err(error) => {
                    debug!("topic {topic}: {error}");
                    pending.push((topic, reported));
                    break; // one request without an answer is enough: each holds up the poll loop
                }
            }
        }
        pending.extend(topics);
        self.topics = pending;
        if appeared { refresh(consumer) } else { Ok(()) }
    }
}

fn warning(absence: Absence, topic: &str) -> String {
    match absence {
        Absence::Missing => format!("topic {topic} does not exist: waiting for it"),
        // with Describe alone the consumer would meet the next denial
        Absence::Denied => {
            let denied = denied("Describe", &format!("topic {topic}"));
            format!("topic {topic}: {denied}; a consumer needs Read, which includes Describe")
        }
    }
}

/// Why a topic cannot be read; `None`: it can.
fn absence(consumer: &BaseConsumer<Context>, topic: &str) -> KafkaResult<Option<Absence>> {
    let metadata = consumer.fetch_metadata(Some(topic), REQUEST_TIMEOUT)?;
    let Some(found) = metadata.topics().iter().find(|found| found.name() == topic) else {
        return Ok(Some(Absence::Missing));
    };
    Ok(match found.error().map(RDKafkaErrorCode::from) {
        Some(RDKafkaErrorCode::TopicAuthorizationFailed) => Some(Absence::Denied),
        None if !found.partitions().is_empty() => None,
        _ => Some(Absence::Missing),
    })
}

/// Makes the client compare its subscription with the cluster now.
fn refresh(consumer: &BaseConsumer<Context>) -> KafkaResult<()> {
    let settings = &consumer.context().shared.settings;
    match settings.protocol {
        // only a list of all topics counts for a Classic member: with a partial one the others would seem missing
        Protocol::Classic => {
            if let Err(error) = consumer.fetch_metadata(None, REQUEST_TIMEOUT) {
                debug!("the next refresh will find it: {error}");
            }
            Ok(())
        }
        // the coordinator knows already; a subscription brings the next heartbeat forward
        Protocol::Consumer => subscribe(consumer),
    }
}

/// Subscribes to the topics of the settings.
pub(crate) fn subscribe(consumer: &BaseConsumer<Context>) -> KafkaResult<()> {
    let topics: Vec<&str> = consumer
        .context()
        .shared
        .settings
        .topics
        .iter()
        .map(String::as_str)
        .collect();
    consumer.subscribe(&topics)
}
