//! Pins where a group starts: commits an offset, with metadata, for partitions without a commit. In: a group without members,
//! partitions. Out: the offsets that were committed. The client library's own commits carry no metadata, so this file uses its
//! hidden module, as `by_id` does. Deliberately absent: the decision which partitions to pin.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use krafka::{
    __private::{
        kafka_metadata, kafka_pool,
        network::BrokerConnection,
        protocol::{
            ApiKey, FindCoordinatorRequest, FindCoordinatorResponse, OffsetCommitRequest,
            OffsetCommitRequestPartition, OffsetCommitRequestTopic, OffsetCommitResponse, versions,
        },
    },
    admin::{
        AdminClient, ListConsumerGroupOffsetsOptions, ListOffsetsOptions, OffsetSpec,
        TopicPartition,
    },
    error::{ErrorCode, KrafkaError},
};
use practice_contract::OffsetReset;
use practice_groups::{KafkaError, Partition};

use crate::{
    by_id::exchange,
    error::{Failure, refused},
    read::{Kafka, STEP, Topic, within},
};

/// The last version that names topics; later ones have their ids.
const LAST_WITH_NAMES: i16 = 9;
/// Pause before a coordinator that is not available is looked up again: Kafka creates its internal topic at the first look-up.
const AGAIN: Duration = Duration::from_millis(250);

impl Kafka {
    /// Commits where a group without members starts: for `Latest` the last stable offset (the end for consumers that read committed
    /// messages only), for `Earliest` the start of the log. Partitions that have a commit keep it. Returns the offsets that were
    /// committed; all of them in one request, so either all or those of the topics that Kafka's access control allows.
    ///
    /// # Errors
    /// An offset is unknown, the group has members, Kafka refused, or is unreachable.
    pub async fn pin_start(
        &self,
        group: &str,
        starts: &BTreeMap<Partition, OffsetReset>,
        metadata: &str,
    ) -> Result<BTreeMap<Partition, i64>, KafkaError> {
        within(&self.changes, "pin_start", async |admin| {
            // before the commits are read: they are written the moment after that
            let mut offsets = offsets(&admin, starts).await?;
            let committed = committed(&admin, group, starts).await?;
            offsets.retain(|partition, _| !committed.contains(partition));
            if !offsets.is_empty() {
                commit(&admin.kafka, group, &offsets, metadata).await?;
            }
            Ok(offsets)
        })
        .await
    }
}

fn key((topic, number): &Partition) -> TopicPartition {
    TopicPartition::new(topic.clone(), *number)
}

async fn offsets(
    admin: &AdminClient,
    starts: &BTreeMap<Partition, OffsetReset>,
) -> Result<BTreeMap<Partition, i64>, Failure> {
    let specs = starts.iter().map(|(partition, start)| {
        let spec = match start {
            OffsetReset::Earliest => OffsetSpec::Earliest,
            OffsetReset::Latest => OffsetSpec::Latest,
        };
        (key(partition), spec)
    });
    let options = ListOffsetsOptions::default().read_committed(true);
    let mut listed = admin.list_offsets(specs, options).await?;
    let mut offsets = BTreeMap::new();
    for partition in starts.keys() {
        let offset = listed
            .remove(&key(partition))
            .unwrap_or_else(|| {
                Err(KrafkaError::timeout(
                    "the broker's answer lacks a partition",
                ))
            })
            .map_err(|error| refused(error, "Describe", Topic(&partition.0)))?;
        offsets.insert(partition.clone(), offset.offset);
    }
    Ok(offsets)
}

/// Which of these partitions have a commit.
async fn committed(
    admin: &AdminClient,
    group: &str,
    starts: &BTreeMap<Partition, OffsetReset>,
) -> Result<Vec<Partition>, Failure> {
    let options =
        ListConsumerGroupOffsetsOptions::default().partitions(starts.keys().map(key).collect());
    let listed = match admin.list_consumer_group_offsets(group, options).await {
        Err(KrafkaError::Broker {
            code: ErrorCode::GroupIdNotFound,
            ..
        }) => return Ok(Vec::new()),
        other => {
            other.map_err(|error| refused(error, "Describe", format_args!("group {group}")))?
        }
    };
    let mut committed = Vec::new();
    for (partition, offset) in listed {
        let offset = offset.map_err(|error| refused(error, "Describe", Topic(&partition.topic)))?;
        if offset.offset.is_some() {
            committed.push((partition.topic, partition.partition));
        }
    }
    Ok(committed)
}

async fn commit(
    kafka: &krafka::Kafka,
    group: &str,
    offsets: &BTreeMap<Partition, i64>,
    metadata: &str,
) -> Result<(), Failure> {
    let mut topics: Vec<OffsetCommitRequestTopic> = Vec::new();
    for ((topic, number), offset) in offsets {
        let partition = OffsetCommitRequestPartition {
            partition_index: *number,
            committed_offset: *offset,
            committed_leader_epoch: -1,
            commit_timestamp: -1,
            committed_metadata: Some(metadata.to_owned()),
        };
        match topics.last_mut().filter(|last| last.name == *topic) {
            Some(last) => last.partitions.push(partition),
            None => topics.push(OffsetCommitRequestTopic {
                name: topic.clone(),
                topic_id: None,
                partitions: vec![partition],
            }),
        }
    }
    let request = OffsetCommitRequest {
        group_id: group.to_owned(),
        generation_id: -1,
        member_id: String::new(),
        group_instance_id: None,
        retention_time_ms: -1,
        topics,
    };
    let begun = Instant::now();
    loop {
        match commit_once(kafka, &request).await {
            Err(CommitError::TryAgain(_)) if begun.elapsed() < STEP => {
                tokio::time::sleep(AGAIN).await;
            }
            Err(CommitError::TryAgain(failure) | CommitError::Refused(failure)) => {
                return Err(failure);
            }
            Ok(()) => return Ok(()),
        }
    }
}

enum CommitError {
    /// Nothing was written; another coordinator, or the same one later, can answer.
    TryAgain(Failure),
    Refused(Failure),
}

async fn commit_once(
    kafka: &krafka::Kafka,
    request: &OffsetCommitRequest,
) -> Result<(), CommitError> {
    let group = &request.group_id;
    let read_group = |error| refused(error, "Read", format_args!("group {group}"));
    let fails = |error: KrafkaError| {
        let again = matches!(
            error,
            KrafkaError::Broker {
                code: ErrorCode::CoordinatorNotAvailable
                    | ErrorCode::CoordinatorLoadInProgress
                    | ErrorCode::NotCoordinator,
                ..
            }
        );
        (again, error)
    };
    let coordinator = coordinator(kafka, group).await.map_err(|error| {
        let (again, error) = fails(error);
        let failure = refused(error, "Describe", format_args!("group {group}"));
        if again {
            CommitError::TryAgain(failure)
        } else {
            CommitError::Refused(failure)
        }
    })?;
    let (least, most) = (versions::OFFSET_COMMIT_MIN, LAST_WITH_NAMES);
    let answer: OffsetCommitResponse = exchange(
        &coordinator,
        ApiKey::OffsetCommit,
        (least, most),
        request,
        STEP,
    )
    .await
    .map_err(|error| CommitError::Refused(read_group(error)))?;
    for topic in &answer.topics {
        for partition in &topic.partitions {
            let code = partition.error_code;
            if code.is_ok() {
                continue;
            }
            let error = KrafkaError::broker(
                code,
                format!("{}/{}", topic.name, partition.partition_index),
            );
            let (again, error) = fails(error);
            return Err(if again {
                CommitError::TryAgain(read_group(error))
            } else if code == ErrorCode::GroupAuthorizationFailed {
                CommitError::Refused(read_group(error))
            } else {
                CommitError::Refused(refused(error, "Read", Topic(&topic.name)))
            });
        }
    }
    Ok(())
}

/// The broker that coordinates a group.
async fn coordinator(
    kafka: &krafka::Kafka,
    group: &str,
) -> Result<Arc<BrokerConnection>, KrafkaError> {
    let pool = kafka_pool(kafka);
    let request = FindCoordinatorRequest::for_group(group);
    let range = (
        versions::FIND_COORDINATOR_MIN,
        versions::FIND_COORDINATOR_MAX,
    );
    let mut failed = KrafkaError::timeout("Kafka reports no brokers");
    for broker in kafka_metadata(kafka).brokers() {
        let asked = async {
            let connection = pool
                .get_connection_by_id(broker.id(), broker.address())
                .await?;
            let answer: FindCoordinatorResponse =
                exchange(&connection, ApiKey::FindCoordinator, range, &request, STEP).await?;
            Ok::<_, KrafkaError>(answer)
        };
        match asked.await {
            Ok(answer) if answer.error_code.is_ok() => {
                let address = match answer.host.as_str() {
                    host if host.contains(':') => format!("[{host}]:{}", answer.port),
                    host => format!("{host}:{}", answer.port),
                };
                return pool.get_connection_by_id(answer.node_id, &address).await;
            }
            Ok(answer) => {
                return Err(KrafkaError::broker(
                    answer.error_code,
                    answer.error_message.unwrap_or_default(),
                ));
            }
            Err(error) => failed = error, // another broker may answer
        }
    }
    Err(failed)
}
