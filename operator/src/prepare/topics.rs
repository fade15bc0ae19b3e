//! A topic in Kafka: whether it is to be made or grown, and what is set on it. In: a topic of a plan, what was seen of it and what
//! status said. Out: what was done, or why not. Deliberately absent: whatever would
//! configure a topic that this practice did not make.

use std::collections::BTreeMap;

use practice_api::{PracticeStatus, Topic, status::TopicStatus};
use practice_groups::{KafkaError, TopicSeen};
use practice_kafka::{Kafka, Made};

use super::{Deed, Prepared, Refusal};
use crate::{memory::Memories, plan::Plan, reader::Key};

/// What is to be done about a topic.
#[derive(Debug, PartialEq, Eq)]
pub enum TopicStep {
    /// Nothing: it is as wanted, or larger.
    Ready,
    /// It is to be made.
    Create,
    /// It has so many partitions, too few.
    Grow(i32),
    /// It is not ours to make or not what the manifest describes.
    Conflict(String),
    /// Kafka did not describe it; why.
    Unknown(Refusal),
}

/// Decides about a topic. A topic that is there is used with as many partitions as it has, never with fewer copies or more.
pub fn topic_step(topic: &Topic, seen: Option<&TopicSeen>) -> TopicStep {
    let name = &topic.name;
    match seen {
        None => TopicStep::Unknown(Refusal::Failed(format!(
            "topic {name} has not been described yet"
        ))),
        Some(TopicSeen::Unknown(error)) => TopicStep::Unknown(refusal(topic, error)),
        Some(TopicSeen::Missing) if topic.managed => TopicStep::Create,
        Some(TopicSeen::Missing) => TopicStep::Conflict(format!(
            "topic {name} does not exist and managed is false: create it, or set managed to true"
        )),
        Some(TopicSeen::Present(_)) if !topic.managed => TopicStep::Ready,
        Some(TopicSeen::Present(facts)) if facts.replication_factor != topic.replication_factor => {
            TopicStep::Conflict(format!(
                "topic {name} exists with replicationFactor {}, the manifest says {}: write {0} there, set managed to false, or use another name",
                facts.replication_factor, topic.replication_factor
            ))
        }
        Some(TopicSeen::Present(facts)) => {
            match i32::try_from(facts.partitions.len()).unwrap_or(i32::MAX) {
                there if there < topic.partitions => TopicStep::Grow(there),
                _ => TopicStep::Ready,
            }
        }
    }
}

/// Whether a topic is the very one that this practice made.
fn is_ours(former: Option<&TopicStatus>, seen: Option<&TopicSeen>) -> bool {
    let Some(TopicSeen::Present(facts)) = seen else {
        return false;
    };
    former.is_some_and(|former| former.created_topic_id.as_ref() == Some(&facts.id))
}

/// What is known of a topic from before.
pub(super) struct Known {
    /// Its id, if it is there.
    pub(super) id: Option<String>,
    /// Its configuration was compared with this very manifest's: it is not asked for again.
    settled: bool,
    ours: bool,
    /// Keys that were set on our own topic and that the manifest names no longer.
    released: Vec<String>,
}

pub(super) fn known(
    key: &Key,
    before: Option<&PracticeStatus>,
    plan: &Plan,
    topic: &Topic,
    seen: Option<&TopicSeen>,
    memories: &Memories,
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

/// Keys that a practice has set on its own topic, and that the manifest names no longer.
pub(crate) fn released<'a>(
    topic: &'a Topic,
    status: &'a TopicStatus,
) -> impl Iterator<Item = &'a String> {
    status
        .configured
        .iter()
        .filter(|key| topic.managed && !topic.config.contains_key(*key))
}

/// What a manifest sets otherwise than the one before it, key by key, and the keys that go `back`.
pub fn settings<'a>(
    topic: &Topic,
    former: Option<&Topic>,
    back: impl Iterator<Item = &'a String>,
) -> Vec<String> {
    let is_new = |(key, value): &(&String, &String)| {
        former.is_none_or(|former| former.config.get(*key) != Some(*value))
    };
    let set = topic
        .config
        .iter()
        .filter(is_new)
        .map(|(key, value)| setting(key, Some(value)));
    set.chain(back.map(|key| setting(key, None))).collect()
}

/// `retention.ms=60000`; without a value `retention.ms back to its default`.
fn setting(key: &str, value: Option<&String>) -> String {
    value.map_or_else(
        || format!("{key} back to its default"),
        |value| format!("{key}={value}"),
    )
}

/// Makes, grows and configures a topic as far as it is this practice's to do.
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
                    prepared.deeds.push(Deed::Created {
                        topic: name.clone(),
                        partitions: topic.partitions,
                    });
                }
                Made::AlreadyThere => {} // the next look shows what it is
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

/// Configures and grows a topic that is there. One that this practice did not make keeps its configuration, and where that is
/// another nothing of it is changed.
async fn adapt(
    kafka: &Kafka,
    topic: &Topic,
    step: &TopicStep,
    known: &Known,
    prepared: &mut Prepared,
) -> Result<(), KafkaError> {
    let name = &topic.name;
    let differing = if known.settled {
        BTreeMap::new()
    } else {
        differing_config(kafka, topic, &known.released).await?
    };
    match differing.first_key_value() {
        Some((key, there)) if !known.ours => {
            let (there, wanted) = (
                there.as_deref().unwrap_or("its default"),
                &topic.config[key],
            );
            let why = format!(
                "topic {name} exists with {key} at `{there}`, the manifest says `{wanted}`: make them agree, or set managed to false"
            );
            prepared
                .refused
                .insert(name.clone(), Refusal::Conflict(why));
            return Ok(());
        }
        Some(_) => {
            let wanted = |key: String| (key.clone(), topic.config.get(&key).cloned());
            let set: BTreeMap<_, _> = differing.into_keys().map(wanted).collect();
            kafka.configure_topic(name, &set).await?;
            let set = set
                .iter()
                .map(|(key, value)| setting(key, value.as_ref()))
                .collect();
            prepared.deeds.push(Deed::Configured {
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
        prepared.deeds.push(Deed::Grown {
            topic: name.clone(),
            from,
            to: topic.partitions,
        });
    }
    Ok(())
}

/// Each key of a topic's configuration that is not as the manifest says, with what is set there; `None`: its default. `released`:
/// keys that should be at their default again.
async fn differing_config(
    kafka: &Kafka,
    topic: &Topic,
    released: &[String],
) -> Result<BTreeMap<String, Option<String>>, KafkaError> {
    if !topic.managed || (topic.config.is_empty() && released.is_empty()) {
        return Ok(BTreeMap::new());
    }
    let set = kafka.topic_config(&topic.name).await?;
    let wanted = topic.config.iter().map(|(key, value)| (key, Some(value)));
    let wanted = wanted.chain(released.iter().map(|key| (key, None)));
    let differs = wanted.filter(|(key, value)| set.get(*key) != *value);
    Ok(differs
        .map(|(key, _)| (key.clone(), set.get(key).cloned()))
        .collect())
}

pub(crate) fn refusal(topic: &Topic, error: &KafkaError) -> Refusal {
    let name = &topic.name;
    match error {
        // brokers come and go without anybody's help
        KafkaError::Answered { code, message, .. } if code == "InvalidReplicationFactor" => {
            Refusal::Failed(format!(
                "topic {name}: replicationFactor is {}, more than there are brokers ({message}): add brokers, or use a topic with a smaller one",
                topic.replication_factor
            ))
        }
        KafkaError::Denied { .. } => Refusal::Denied(format!("topic {name}: {error}")),
        error if error.needs_help() => Refusal::Refused(format!("topic {name}: {error}")),
        error => Refusal::Failed(format!("topic {name}: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use practice_groups::{Bounds, TopicFacts};

    use super::*;
    use crate::status::tests::plan_of;

    fn present(partitions: usize, replication_factor: i32) -> TopicSeen {
        let bounds = Some(Bounds { start: 0, end: 0 });
        TopicSeen::Present(TopicFacts {
            id: "a".into(),
            replication_factor,
            partitions: vec![bounds; partitions],
            ..TopicFacts::default()
        })
    }

    #[test]
    fn a_topic_is_made_grown_used_or_left_alone() {
        let plan = plan_of(
            serde_json::json!({"topics": [{"name": "t", "partitions": 3}, {"name": "u", "managed": false}]}),
        );
        let (t, u) = (&plan.topics[0], &plan.topics[1]);
        assert_eq!(topic_step(t, Some(&TopicSeen::Missing)), TopicStep::Create);
        assert_eq!(topic_step(t, Some(&present(1, 1))), TopicStep::Grow(1));
        assert_eq!(topic_step(t, Some(&present(3, 1))), TopicStep::Ready);
        assert_eq!(topic_step(t, Some(&present(9, 1))), TopicStep::Ready);
        assert!(
            matches!(topic_step(t, Some(&present(3, 2))), TopicStep::Conflict(why) if why.contains("replicationFactor 2"))
        );
        assert!(matches!(topic_step(t, None), TopicStep::Unknown(_)));
        assert_eq!(topic_step(u, Some(&present(9, 3))), TopicStep::Ready);
        assert!(
            matches!(topic_step(u, Some(&TopicSeen::Missing)), TopicStep::Conflict(why) if why.contains("managed"))
        );
    }
}
