//! Changes of topics, the only changes that a practice makes in Kafka. In: names and the desired state. Out: the result.
//! Deliberately absent: the decision whether to change anything.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use krafka::{
    admin::{
        ConfigOp, ConfigResource, CreatePartitionsOptions, CreateTopicsOptions,
        DeleteTopicsOptions, DescribeTopicsOptions, IncrementalAlterConfigsOptions, NewTopic,
    },
    error::{ErrorCode, KrafkaError},
};

use practice_groups::KafkaError;

use crate::{
    error::refused,
    read::{Kafka, STEP, Topic, check, hex, one, within},
};

/// Timeout of a change on the broker. After a shorter one the result would be unknown.
const CHANGE: Duration = Duration::from_secs(9);

/// How long brokers have to report a topic as missing before the client accepts that it is.
const SURE: Duration = Duration::from_secs(1);

/// Result of the creation of a topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Made {
    /// It was created.
    Created,
    /// It existed already.
    AlreadyThere,
}

impl Kafka {
    /// Creates a topic.
    ///
    /// # Errors
    /// Kafka refused, with its own message, or is unreachable.
    pub async fn create_topic(
        &self,
        name: &str,
        partitions: i32,
        replication_factor: i32,
        config: &BTreeMap<String, String>,
    ) -> Result<Made, KafkaError> {
        let copies = i16::try_from(replication_factor).unwrap_or(i16::MAX);
        within(&self.changes, "create_topic", async |admin| {
            check(name)?;
            let mut topic = NewTopic::new(name, partitions, copies)?;
            for (key, value) in config {
                topic = topic.with_config(key, value);
            }
            match one(admin
                .create_topics([topic], CreateTopicsOptions::default().timeout(CHANGE))
                .await?)
            {
                Ok(()) => Ok(Made::Created),
                Err(KrafkaError::Broker {
                    code: ErrorCode::TopicAlreadyExists,
                    ..
                }) => Ok(Made::AlreadyThere),
                Err(error) => Err(refused(error, "Create", Topic(name))),
            }
        })
        .await
    }

    /// Adds partitions to a topic, up to `to` in all. A topic that has as many already is no error.
    ///
    /// # Errors
    /// Kafka refused, with its own message, or is unreachable.
    pub async fn grow_topic(&self, name: &str, to: i32) -> Result<(), KafkaError> {
        within(&self.changes, "grow_topic", async |admin| {
            check(name)?;
            let grown = admin.create_partitions(
                [(name, to)],
                CreatePartitionsOptions::default().timeout(CHANGE),
            );
            match one(grown.await?) {
                Err(KrafkaError::Broker {
                    code: ErrorCode::InvalidPartitions,
                    ..
                }) => Ok(()),
                other => other.map_err(|error| refused(error, "Alter", Topic(name))),
            }
        })
        .await
    }

    /// Sets these keys of a topic's configuration, and resets keys without a value to their default. Others do not change (KIP-339).
    ///
    /// # Errors
    /// Kafka refused, with its own message, or is unreachable.
    pub async fn configure_topic(
        &self,
        name: &str,
        config: &BTreeMap<String, Option<String>>,
    ) -> Result<(), KafkaError> {
        within(&self.changes, "configure_topic", async |admin| {
            check(name)?;
            let change = |(key, value): (&String, &Option<String>)| match value {
                Some(value) => ConfigOp::set(key, value),
                None => ConfigOp::delete(key),
            };
            let set = config.iter().map(change).collect();
            let options = IncrementalAlterConfigsOptions::default().timeout(CHANGE);
            let changed = admin
                .incremental_alter_configs([(ConfigResource::topic(name), set)], options)
                .await?;
            one(changed).map_err(|error| refused(error, "AlterConfigs", Topic(name)))
        })
        .await
    }

    /// Deletes a topic if it still has this id. A missing topic, or one with another id, is no error.
    ///
    /// # Errors
    /// Kafka refused, with its own message, or is unreachable.
    pub async fn delete_topic(&self, name: &str, id: &str) -> Result<(), KafkaError> {
        within(&self.changes, "delete_topic", async |admin| {
            check(name)?;
            let begun = Instant::now();
            let topic = loop {
                let described = admin
                    .describe_topics([name], DescribeTopicsOptions::default())
                    .await?;
                match one(described) {
                    Ok(topic) => break topic,
                    // this broker may not have the topic's metadata yet
                    Err(KrafkaError::Broker {
                        code: ErrorCode::UnknownTopicOrPartition,
                        ..
                    }) if begun.elapsed() < SURE => {
                        tokio::time::sleep(SURE / 4).await;
                    }
                    Err(KrafkaError::Broker {
                        code: ErrorCode::UnknownTopicOrPartition,
                        ..
                    }) => return Ok(()),
                    Err(error) => return Err(refused(error, "Describe", Topic(name))),
                }
            };
            if hex(topic.topic_id) != id {
                return Ok(());
            }
            match one(admin
                .delete_topics([name], DeleteTopicsOptions::default().timeout(STEP))
                .await?)
            {
                Err(KrafkaError::Broker {
                    code: ErrorCode::UnknownTopicOrPartition,
                    ..
                }) => Ok(()),
                other => other.map_err(|error| refused(error, "Delete", Topic(name))),
            }
        })
        .await
    }
}
