//! Creates, extends and configures topics. In: a topic of a plan, its state in Kafka, the status before. Out: changes, or why there
//! are none. Deliberately absent: changes to the configuration of a topic that this practice did not create.

use std::collections::BTreeMap;

use practice_api::{PracticeStatus, Topic, status::TopicStatus};
use practice_groups::{KafkaError, TopicSeen};
use practice_kafka::{Kafka, Made};
use practice_plan::{
    outcome::{KafkaChange, Prepared, Refusal},
    plan::Plan,
    topics::{
        ConfigDifference, TopicStep, config_differences, refusal, released, setting, topic_step,
    },
};

use crate::{memory::PracticeStates, reader::Key};

/// Whether this practice created the topic that exists now.
fn is_ours(former: Option<&TopicStatus>, seen: Option<&TopicSeen>) -> bool {
    let Some(TopicSeen::Present(facts)) = seen else {
        return false;
    };
    former.is_some_and(|former| former.created_topic_id.as_ref() == Some(&facts.id))
}

/// Facts about a topic from earlier reconciles.
pub(super) struct Known {
    /// Its id; `None`: it does not exist.
    pub(super) id: Option<String>,
    /// Its configuration was compared with this generation of the manifest already.
    settled: bool,
    ours: bool,
    /// Keys that this practice set on its own topic, and that the manifest no longer contains.
    released: Vec<String>,
}

pub(super) fn known(
    key: &Key,
    before: Option<&PracticeStatus>,
    plan: &Plan,
    topic: &Topic,
    seen: Option<&TopicSeen>,
    memories: &PracticeStates,
) -> Known {
    let id = match seen {
        Some(TopicSeen::Present(facts)) => Some(facts.id.clone()),
        _ => None,
    };
    let settled = id
        .as_ref()
        .is_some_and(|id| memories.is_settled(key, &topic.name, plan.generation, id));
    let former = before.and_then(|before| {
        before
            .topics
            .iter()
            .find(|status| status.name == topic.name)
    });
    let ours = is_ours(former, seen);
    let released = former
        .filter(|_| ours)
        .map(|former| released(topic, former).cloned().collect());
    Known {
        id,
        settled,
        ours,
        released: released.unwrap_or_default(),
    }
}

/// Creates, extends and configures a topic as far as this practice may.
pub(super) async fn prepare_topic(
    kafka: &Kafka,
    topic: &Topic,
    seen: Option<&TopicSeen>,
    known: &Known,
    prepared: &mut Prepared,
) {
    let name = &topic.name;
    let done = match topic_step(topic, seen) {
        TopicStep::Create => {
            let made = kafka
                .create_topic(
                    name,
                    topic.partitions,
                    topic.replication_factor,
                    &topic.config,
                )
                .await;
            made.map(|made| match made {
                Made::Created => {
                    prepared.created.insert(name.clone());
                    prepared
                        .configured
                        .insert(name.clone(), topic.config.keys().cloned().collect());
                    prepared.kafka_changes.push(KafkaChange::Created {
                        topic: name.clone(),
                        partitions: topic.partitions,
                    });
                }
                Made::AlreadyThere => {} // the next poll reports its state
            })
        }
        step @ (TopicStep::Grow(_) | TopicStep::Ready) => {
            adapt(kafka, topic, &step, known, prepared).await
        }
        TopicStep::Conflict(_) | TopicStep::Unknown(_) => Ok(()),
    };
    if let Err(error) = done {
        prepared
            .refused
            .insert(name.clone(), refusal(topic, &error));
    }
}

/// Configures and extends an existing topic. The configuration of a topic that this practice did not create is kept; if it
/// differs, the topic is not changed at all.
async fn adapt(
    kafka: &Kafka,
    topic: &Topic,
    step: &TopicStep,
    known: &Known,
    prepared: &mut Prepared,
) -> Result<(), KafkaError> {
    let name = &topic.name;
    let differences = if known.settled {
        Vec::new()
    } else {
        differences(kafka, topic, known).await?
    };
    match differences.first() {
        Some(difference) if !known.ours => {
            let why = Refusal::Conflict(difference.conflict(name));
            prepared.refused.insert(name.clone(), why);
            return Ok(());
        }
        Some(_) => {
            let each = differences.into_iter();
            let set: BTreeMap<_, _> = each.map(|each| (each.key, each.wanted)).collect();
            kafka.configure_topic(name, &set).await?;
            let set = set
                .iter()
                .map(|(key, value)| setting(key, value.as_ref()))
                .collect();
            prepared.kafka_changes.push(KafkaChange::Configured {
                topic: name.clone(),
                set,
            });
        }
        None => {}
    }
    if topic.managed {
        prepared
            .configured
            .insert(name.clone(), topic.config.keys().cloned().collect());
    }
    if let TopicStep::Grow(from) = *step {
        kafka.grow_topic(name, topic.partitions).await?;
        prepared.kafka_changes.push(KafkaChange::Grown {
            topic: name.clone(),
            from,
            to: topic.partitions,
        });
    }
    Ok(())
}

/// The configuration keys that differ from the manifest.
async fn differences(
    kafka: &Kafka,
    topic: &Topic,
    known: &Known,
) -> Result<Vec<ConfigDifference>, KafkaError> {
    if !topic.managed || (topic.config.is_empty() && known.released.is_empty()) {
        return Ok(Vec::new());
    }
    let there = kafka.topic_config(&topic.name).await?;
    Ok(config_differences(
        topic,
        &there,
        known.ours,
        &known.released,
    ))
}
