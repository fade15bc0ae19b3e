//! Changes of topics, the only changes that a practice makes in Kafka. In: names and the desired state. Out: the result.
//! Deliberately absent: the decision whether to change anything.

use std::{collections::BTreeMap, time::Duration};

use krafka::{
    admin::{ConfigOp, ConfigResource, CreatePartitionsOptions, IncrementalAlterConfigsOptions},
    error::{ErrorCode, KrafkaError},
};

use practice_groups::KafkaError;

use crate::{
    by_id::{self, NewTopic},
    error::refused,
    read::{Kafka, STEP, Topic, check, hex, one, within},
};

/// Timeout of a change on the broker. After a shorter one the result would be unknown.
const CHANGE: Duration = Duration::from_secs(9);

/// Result of the creation of a topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Made {
    /// It was created.
    Created {
        /// Its topic id, 32 hexadecimal digits; empty: this Kafka has none.
        id: String,
    },
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
            let topic = NewTopic {
                name,
                partitions,
                replication_factor: copies,
                config: config.iter().map(|(k, v)| (&**k, &**v)).collect(),
            };
            match by_id::create(&admin.kafka, &topic, CHANGE).await {
                Ok(id) => Ok(Made::Created { id: hex(id) }),
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

    /// Deletes the topic with this id, 32 hexadecimal digits (KIP-516). `name` is for messages alone: a recreated topic of this name
    /// has another id and stays. `false`: there is no topic with this id.
    ///
    /// # Errors
    /// Kafka refused, with its own message, or is unreachable.
    pub async fn delete_topic(&self, name: &str, id: &str) -> Result<bool, KafkaError> {
        let Some(id) = bytes(id) else {
            return Err(KafkaError::Answered {
                code: "UnknownTopicId".into(),
                message: format!("`{id}` is not a topic id"),
                retriable: false,
            });
        };
        within(&self.changes, "delete_topic", async |admin| {
            let deleted = by_id::delete(&admin.kafka, id, STEP).await;
            if matches!(deleted, Ok(false)) {
                self.note_identity(&admin).await;
            }
            deleted.map_err(|error| refused(error, "Delete", Topic(name)))
        })
        .await
    }
}

/// A topic id from 32 hexadecimal digits; `None` for anything else, and for zero, which is no id.
fn bytes(id: &str) -> Option<[u8; 16]> {
    let digits = id.len() == 32 && id.bytes().all(|digit| digit.is_ascii_hexdigit());
    let id = digits
        .then(|| u128::from_str_radix(id, 16).ok())
        .flatten()?;
    (id != 0).then(|| id.to_be_bytes())
}
