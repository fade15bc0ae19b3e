//! The changes to each topic. In: the plan, the plan before, the status of topics. Out: created, extended, configured, refused or
//! unchanged: the decision that the step `prepare` will make, as far as status reports Kafka. Pure.

use std::collections::BTreeMap;

use practice_api::{PracticeStatus, Topic, status::TopicStatus};
use practice_groups::{TopicFacts, TopicSeen};

use super::{TopicChange, TopicPrediction, counted};
use crate::{
    plan::Plan,
    topics::{TopicStep, released, settings, topic_step},
};

/// Topics of the plan, then former topics that it no longer contains.
pub(super) fn predicted(
    after: &Plan,
    before: Option<&Plan>,
    status: Option<&PracticeStatus>,
) -> Vec<TopicPrediction> {
    let former = |name: &str| {
        before.and_then(|before| before.topics.iter().find(|topic| topic.name == name))
    };
    let seen = |name: &str| {
        status.and_then(|status| status.topics.iter().find(|topic| topic.name == name))
    };
    let named = after
        .topics
        .iter()
        .map(|topic| of_topic(topic, former(&topic.name), seen(&topic.name)));
    let released = before.into_iter().flat_map(|before| &before.topics);
    let released = released
        .filter(|topic| !after.topics.iter().any(|named| named.name == topic.name))
        .map(|topic| TopicPrediction {
            name: topic.name.clone(),
            change: TopicChange::Released,
            partitions: seen(&topic.name).and_then(|seen| seen.partitions),
            why: "no longer in the manifest: the topic and its messages stay in Kafka".to_owned(),
        });
    named.chain(released).collect()
}

/// How many partitions each topic will have; `None`: unknown.
pub(super) fn counts(topics: &[TopicPrediction]) -> BTreeMap<&str, Option<i32>> {
    topics
        .iter()
        .map(|topic| (topic.name.as_str(), topic.partitions))
        .collect()
}

fn of_topic(topic: &Topic, former: Option<&Topic>, seen: Option<&TopicStatus>) -> TopicPrediction {
    let there = seen.and_then(|seen| seen.partitions);
    let predicted = |change, partitions, why: String| TopicPrediction {
        name: topic.name.clone(),
        change,
        partitions,
        why,
    };
    let Some(facts) = seen.and_then(facts) else {
        if !topic.managed {
            return predicted(
                TopicChange::Stays,
                there,
                "managed is false: it must exist, and is never changed".into(),
            );
        }
        if former.is_some_and(|former| former.partitions == topic.partitions) {
            let why = "unchanged in the manifest; whether Kafka has it is unknown";
            return predicted(TopicChange::Stays, Some(topic.partitions), why.into());
        }
        let (what, copies) = (
            counted(number(topic.partitions), "partition"),
            topic.replication_factor,
        );
        let why = format!(
            "{what}, replicationFactor {copies}; an existing topic is used, and extended if it has fewer partitions"
        );
        return predicted(TopicChange::Created, Some(topic.partitions), why);
    };
    let differs = topic.managed && former.is_some_and(|former| former.config != topic.config);
    let ours = seen.is_some_and(TopicStatus::is_own);
    let back = seen
        .filter(|_| ours)
        .into_iter()
        .flat_map(|seen| released(topic, seen));
    let set = if differs && ours {
        settings(topic, former, back).join(", ")
    } else {
        String::new()
    };
    match topic_step(topic, Some(&facts)) {
        TopicStep::Conflict(why) => predicted(TopicChange::Refused, there, why),
        _ if differs && !ours && !topic.config.is_empty() => {
            let why = "config changes, but this practice did not create the topic: set it in Kafka yourself unless it is set already";
            predicted(TopicChange::Refused, there, why.into())
        }
        TopicStep::Grow(from) => {
            let set = if set.is_empty() {
                set
            } else {
                format!("; {set}")
            };
            let why = format!(
                "{from} → {}; partitions cannot be removed again{set}",
                topic.partitions
            );
            predicted(TopicChange::Grown, Some(topic.partitions), why)
        }
        TopicStep::Create | TopicStep::Ready | TopicStep::Unknown(_) if !set.is_empty() => {
            predicted(TopicChange::Configured, there, set)
        }
        TopicStep::Create | TopicStep::Ready | TopicStep::Unknown(_) => {
            let more = there.is_some_and(|there| there > topic.partitions && topic.managed);
            let why = if more {
                format!(
                    "it has more than the {} partitions of the manifest, and keeps them",
                    topic.partitions
                )
            } else {
                String::new()
            };
            predicted(TopicChange::Stays, there, why)
        }
    }
}

/// The topic as status reports it; `None`: it is unknown.
fn facts(seen: &TopicStatus) -> Option<TopicSeen> {
    let partitions = vec![None; number(seen.partitions?)];
    let replication_factor = seen.replication_factor?;
    Some(TopicSeen::from(TopicFacts {
        replication_factor,
        partitions,
        ..TopicFacts::default()
    }))
}

fn number(count: i32) -> usize {
    usize::try_from(count).unwrap_or(0)
}
