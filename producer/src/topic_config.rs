//! What topics accept, as Kafka has it configured. In: names of topics. Out: `max.message.bytes` and `min.insync.replicas` of each.
//! A broker that denies `DescribeConfigs`, or does not have it, is no error: then the values are unknown.
//! Deliberately absent: any change of a topic.

use std::{collections::BTreeMap, time::Duration};

use practice_contract::producer::MAX_MESSAGE_BYTES;
use rdkafka::{
    ClientConfig, ClientContext,
    admin::{AdminClient, AdminOptions, ConfigResource, OwnedResourceSpecifier, ResourceSpecifier},
    config::RDKafkaLogLevel,
    error::KafkaError,
};
use tokio::runtime::{Builder, Runtime};

/// Timeout of a request.
const PATIENCE: Duration = Duration::from_secs(2);
/// Most topics in one request; of more, those after them have unknown values.
const MOST_TOPICS: usize = 100;

/// The configuration of one topic; `None`: unknown.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct TopicConfig {
    /// Largest batch, in bytes.
    pub(crate) max_message_bytes: Option<usize>,
    /// Replicas that must be in sync for a message with `acks=all`.
    pub(crate) min_insync_replicas: Option<usize>,
}

/// Reads configurations, on a connection of its own.
pub(crate) struct ConfigReader {
    config: ClientConfig,
    client: Option<(AdminClient<Silent>, Runtime)>,
}

impl ConfigReader {
    /// Connects at its first request.
    pub(crate) fn new(config: ClientConfig) -> Self {
        Self {
            config,
            client: None,
        }
    }

    /// The configuration of these topics; `None`: no broker answered, or the broker does not have this request. Blocks until Kafka
    /// answers, at most [`PATIENCE`].
    pub(crate) fn fetch<'a>(
        &mut self,
        topics: impl Iterator<Item = &'a String>,
    ) -> Option<BTreeMap<String, TopicConfig>> {
        let resources: Vec<_> = topics
            .take(MOST_TOPICS)
            .map(|topic| ResourceSpecifier::Topic(topic))
            .collect();
        let described = match self.client() {
            Ok((client, runtime)) => {
                let options = AdminOptions::new().request_timeout(Some(PATIENCE));
                runtime.block_on(client.describe_configs(&resources, &options))
            }
            Err(error) => {
                tracing::debug!(%error, "no admin client");
                return None;
            }
        };
        match described {
            Ok(resources) => {
                let resources = resources.into_iter();
                let named = resources.filter_map(|resource| named(&resource.ok()?));
                Some(named.collect())
            }
            Err(error) => {
                tracing::debug!(%error, "no configuration of topics");
                None
            }
        }
    }

    fn client(&mut self) -> Result<&(AdminClient<Silent>, Runtime), KafkaError> {
        let client = if let Some(client) = self.client.take() {
            client
        } else {
            let runtime = Builder::new_current_thread()
                .build()
                .map_err(|error| KafkaError::ClientCreation(error.to_string()))?;
            (self.config.create_with_context(Silent)?, runtime)
        };
        Ok(self.client.insert(client))
    }
}

fn named(resource: &ConfigResource) -> Option<(String, TopicConfig)> {
    let OwnedResourceSpecifier::Topic(topic) = &resource.specifier else {
        return None;
    };
    let number = |name| {
        resource
            .get(name)
            .and_then(|entry| entry.value.as_ref()?.parse().ok())
    };
    let config = TopicConfig {
        max_message_bytes: number(MAX_MESSAGE_BYTES),
        min_insync_replicas: number("min.insync.replicas"),
    };
    Some((topic.clone(), config))
}

/// Reports nothing: the producer's client reports that Kafka cannot be reached.
struct Silent;

impl ClientContext for Silent {
    fn log(&self, _: RDKafkaLogLevel, facility: &str, line: &str) {
        tracing::debug!("{facility}: {line}");
    }

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(%error, reason, "Kafka admin client");
    }
}
