//! Creates, extends and configures topics. In: a topic of a plan, its state in Kafka, the status before. Out: changes, or why there
//! are none. Deliberately absent: changes to the configuration of a topic that this practice did not create.

use std::collections::BTreeMap;

use practice_api::{PracticeStatus, Topic};
use practice_groups::{KafkaError, Snapshot, TopicSeen};
use practice_kafka::{Kafka, Made};
use practice_plan::{
    outcome::{KafkaChange, Prepared, Refusal},
    ownership::{Creation, OwnershipRecord, begin},
    plan::Plan,
    topics::{
        ConfigDifference, TopicStep, config_differences, refusal, released, setting, topic_step,
    },
};

use crate::{
    memory::PracticeStates,
    ownership::home,
    reader::{Key, Reader},
};

/// Creates, extends and configures the topics of a plan. What is about to be created is recorded first, and its id afterwards: an
/// operator that ends in between finds out later whether it created the topic.
pub(super) async fn prepare_topics(
    plan: &Plan,
    snapshot: &Snapshot,
    reader: &Reader,
    before: Option<&PracticeStatus>,
    memories: &PracticeStates,
    prepared: &mut Prepared,
) {
    let key = (plan.namespace.clone(), plan.name.clone());
    let home = home(reader.kafka(), &plan.bootstrap);
    let ownership = memories.ownership();
    let begun = ownership.change(&plan.namespace, |record| {
        begin(record, plan, snapshot, &home);
    });
    let begun = begun.await;
    let mut creations = vec![];
    for topic in &plan.topics {
        let seen = snapshot.topics.get(&topic.name);
        let known = known(
            &key,
            before,
            plan,
            topic,
            seen,
            begun.as_deref().ok(),
            memories,
        );
        let creation = match &begun {
            Err(why) if topic_step(topic, seen) == TopicStep::Create => {
                let why = Refusal::Failed(format!("topic {} is not created: {why}", topic.name));
                prepared.refused.insert(topic.name.clone(), why);
                None
            }
            _ => prepare_topic(reader.kafka(), topic, seen, &known, prepared).await,
        };
        creations.extend(creation.map(|creation| (&topic.name, creation)));
        if let (Some(id), true) = (known.id, prepared.is_as_described(topic)) {
            memories.settled(&key, &topic.name, plan.generation, id);
        }
    }
    let Ok(mut record) = begun else {
        return;
    };
    if !creations.is_empty() {
        let finished = ownership.change(&plan.namespace, |record| {
            for (topic, creation) in &creations {
                record.finish(plan.into(), &home, topic, creation);
            }
        });
        match finished.await {
            Ok(finished) => record = finished,
            // the next pass finds the intents, and the topics
            Err(error) => tracing::warn!(%error, "created topics are not recorded yet"),
        }
    }
    prepared.own = Some(own(plan, snapshot, &record));
}

/// Topic ids of the topics that the practice owns, by name: the one of the existing topic, otherwise one that no longer exists.
fn own(plan: &Plan, snapshot: &Snapshot, record: &OwnershipRecord) -> BTreeMap<String, String> {
    let owned = record.owned_by(&plan.uid);
    let mut own: BTreeMap<_, _> = owned
        .map(|(id, owned)| (owned.topic.clone(), id.to_owned()))
        .collect();
    for (name, seen) in &snapshot.topics {
        if let TopicSeen::Present(facts) = seen
            && record.owns(&plan.uid, &facts.id)
        {
            own.insert(name.clone(), facts.id.clone());
        }
    }
    own
}

/// Facts about a topic from earlier reconciles.
struct Known {
    /// Its id; `None`: it does not exist.
    id: Option<String>,
    /// Its configuration was compared with this generation of the manifest already.
    settled: bool,
    /// The practice owns it; `None`: the record is not available.
    ours: Option<bool>,
    /// Keys that this practice set on its own topic, and that the manifest no longer contains.
    released: Vec<String>,
}

fn known(
    key: &Key,
    before: Option<&PracticeStatus>,
    plan: &Plan,
    topic: &Topic,
    seen: Option<&TopicSeen>,
    record: Option<&OwnershipRecord>,
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
    let ours = record.map(|record| id.as_ref().is_some_and(|id| record.owns(&plan.uid, id)));
    let released = former
        .filter(|_| ours == Some(true))
        .map(|former| released(topic, former).cloned().collect());
    Known {
        id,
        settled,
        ours,
        released: released.unwrap_or_default(),
    }
}

/// Creates, extends and configures a topic as far as this practice may. Returns how its creation ended, if it is known.
async fn prepare_topic(
    kafka: &Kafka,
    topic: &Topic,
    seen: Option<&TopicSeen>,
    known: &Known,
    prepared: &mut Prepared,
) -> Option<Creation> {
    let name = &topic.name;
    let (creation, done) = match topic_step(topic, seen) {
        TopicStep::Create => {
            let made = kafka
                .create_topic(
                    name,
                    topic.partitions,
                    topic.replication_factor,
                    &topic.config,
                )
                .await;
            if let Ok(Made::Created { .. }) = &made {
                prepared
                    .configured
                    .insert(name.clone(), topic.config.keys().cloned().collect());
                prepared.kafka_changes.push(KafkaChange::Created {
                    topic: name.clone(),
                    partitions: topic.partitions,
                });
            }
            (creation(&made), made.map(drop))
        }
        step @ (TopicStep::Grow(_) | TopicStep::Ready) => {
            let adapted = adapt(kafka, topic, &step, known, prepared).await;
            (None, adapted)
        }
        TopicStep::Conflict(_) | TopicStep::Unknown(_) => (None, Ok(())),
    };
    if let Err(error) = done {
        prepared
            .refused
            .insert(name.clone(), refusal(topic, &error));
    }
    creation
}

/// How a creation ended; `None`: the topic may have been created, and the next poll shows it.
fn creation(made: &Result<Made, KafkaError>) -> Option<Creation> {
    match made {
        Ok(Made::Created { id }) => Some(Creation::Created(id.clone())),
        Err(
            KafkaError::Denied { .. }
            | KafkaError::Answered {
                retriable: false, ..
            },
        ) => Some(Creation::NotCreated),
        // there already: by another client, or by an earlier request whose answer was lost
        Ok(Made::AlreadyThere) | Err(_) => None,
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
        Some(_) if known.ours.is_none() => {
            let why = format!(
                "topic {name} is not configured: the record of the topics that the operator created is not available"
            );
            prepared.refused.insert(name.clone(), Refusal::Failed(why));
            return Ok(());
        }
        Some(difference) if known.ours == Some(false) => {
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
        known.ours == Some(true),
        &known.released,
    ))
}
