//! Topics that do not exist yet: waited for, found within about a second, named once. In: what the cluster says of each
//! topic. Out: a client that has looked again. (On its own a client looks every `topic.metadata.refresh.interval.ms`.)

use std::time::Duration;

use practice_contract::Protocol;
use rdkafka::{
    consumer::{BaseConsumer, Consumer},
    error::KafkaResult,
};
use tracing::{debug, info, warn};

use crate::rebalance::Context;

/// A look at a topic blocks the poll loop, and only while a topic is awaited.
const LONGEST_LOOK: Duration = Duration::from_millis(500);

/// Subscribed topics that were not seen yet.
#[derive(Debug)]
pub(crate) struct Awaited {
    /// Each with whether its absence was told.
    topics: Vec<(String, bool)>,
}

impl Awaited {
    /// All of them, at the start.
    pub(crate) fn all(topics: &[String]) -> Self {
        Self { topics: topics.iter().map(|topic| (topic.clone(), false)).collect() }
    }

    /// Looks at each awaited topic; to be called about once a second.
    pub(crate) fn look(&mut self, consumer: &BaseConsumer<Context>) -> KafkaResult<()> {
        let context = consumer.context();
        if context.take_topic_missing() && self.topics.is_empty() {
            *self = Self::all(&context.shared.settings.topics);
        }
        let mut appeared = false;
        let mut awaited = Vec::new();
        let mut topics = std::mem::take(&mut self.topics).into_iter();
        for (topic, told) in topics.by_ref() {
            match exists(consumer, &topic) {
                Ok(true) if told => {
                    info!("topic {topic} is there now");
                    appeared = true;
                }
                Ok(true) => {}
                Ok(false) => {
                    if !told {
                        warn!("topic {topic} does not exist: waiting for it");
                    }
                    awaited.push((topic, true));
                }
                Err(error) => {
                    debug!("topic {topic}: {error}");
                    awaited.push((topic, told));
                    break; // one look without an answer is enough: each holds up the poll loop
                }
            }
        }
        awaited.extend(topics);
        self.topics = awaited;
        if appeared { look_again(consumer) } else { Ok(()) }
    }
}

fn exists(consumer: &BaseConsumer<Context>, topic: &str) -> KafkaResult<bool> {
    let metadata = consumer.fetch_metadata(Some(topic), LONGEST_LOOK)?;
    let found = metadata.topics().iter().find(|found| found.name() == topic);
    Ok(found.is_some_and(|found| found.error().is_none() && !found.partitions().is_empty()))
}

/// Makes the client compare its subscription with the cluster now.
fn look_again(consumer: &BaseConsumer<Context>) -> KafkaResult<()> {
    let settings = &consumer.context().shared.settings;
    match settings.protocol {
        // only a list of all topics counts for a Classic member: a partial one would make the others look missing
        Protocol::Classic => {
            if let Err(error) = consumer.fetch_metadata(None, LONGEST_LOOK) {
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
    let topics: Vec<&str> = consumer.context().shared.settings.topics.iter().map(String::as_str).collect();
    consumer.subscribe(&topics)
}
