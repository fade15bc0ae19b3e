//! What a manifest will do before it is applied. In: its plan, and what runs under that name now: the plan of that, its status,
//! whose row each consumer is of. Out: a [`Prediction`]: topics made or grown, consumers started and stopped, who will wait,
//! what moves, how long nobody reads it, and why each. Where Kafka or Kubernetes chooses, the least and the most. Pure.
//! Deliberately absent: what only the cluster knows (the operator's policy, whose a group id is, how many brokers there are).

mod groups;
mod pause;
mod rows;
mod topics;
pub mod words;

use std::{collections::BTreeMap, time::Duration};

use groups::Scene;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use practice_api::{PracticeStatus, status::GroupStatus};
use serde::{Deserialize, Serialize};

use crate::plan::{Plan, ProducerPlan, SpecFault};

pub use groups::room;
pub use rows::{rows_of_pods, told};

/// What runs now.
#[derive(Debug, Clone, Copy)]
pub struct Now<'a> {
    /// The plan of what is applied.
    pub plan: &'a Plan,
    /// What is true about it; `None`: nobody has looked at it yet.
    pub status: Option<&'a PracticeStatus>,
    /// The Deployment that each consumer belongs to, by the consumer's name.
    pub rows: &'a BTreeMap<String, String>,
}

/// What of a group of protocol Consumer (KIP-848) the broker decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Broker {
    /// How often a member asks what it should own.
    pub heartbeat: Duration,
    /// How long a silent member stays.
    pub session: Duration,
    /// In which order its range goes through members.
    pub order: Order,
}

/// The order in which range goes through members.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Order {
    /// By member id.
    #[default]
    ById,
    /// As they came: librdkafka's broker in memory.
    ByArrival,
}

impl Default for Broker {
    /// Kafka's own defaults: `group.consumer.heartbeat.interval.ms` and `group.consumer.session.timeout.ms`.
    fn default() -> Self {
        Self {
            heartbeat: Duration::from_secs(5),
            session: Duration::from_secs(45),
            order: Order::ById,
        }
    }
}

/// What will happen.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Prediction {
    /// The namespace of the practice.
    pub namespace: String,
    /// Its name.
    pub practice: String,
    /// Whether there is one of that name: then this is the difference to it. `null`: not asked, for that was not needed.
    pub exists: Option<bool>,
    /// Why it would not be taken, each with the field, the value and the fix. Then nothing happens.
    pub refused: Vec<String>,
    /// Topics of the manifest in its order, then those that it names no longer.
    pub topics: Vec<TopicPrediction>,
    /// Groups of the manifest in its order, then those that it names no longer.
    pub groups: Vec<GroupPrediction>,
    /// What becomes of the producer.
    pub producer: Vec<String>,
    /// What has to be known beside that.
    pub notes: Vec<String>,
}

/// What becomes of a topic.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TopicPrediction {
    /// Its name.
    pub name: String,
    /// What is done.
    pub change: TopicChange,
    /// Partitions that it will have; `null`: not known.
    pub partitions: Option<i32>,
    /// In a sentence, why or how.
    pub why: String,
}

/// What is done about a topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum TopicChange {
    /// It is made, unless Kafka has it already.
    Created,
    /// It gets more partitions.
    Grown,
    /// Its configuration is set.
    Configured,
    /// It is not what the manifest describes, and is left alone.
    Refused,
    /// It stays as it is.
    Stays,
    /// The manifest names it no longer; it stays in Kafka.
    Released,
}

/// What becomes of a group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GroupPrediction {
    /// The `group.id`.
    pub name: String,
    /// What happens to it.
    pub change: GroupChange,
    /// Consumers wanted before.
    pub from: usize,
    /// Consumers wanted afterwards.
    pub to: usize,
    /// What is different in the manifest, or in what it reads.
    pub because: Vec<String>,
    /// Consumers that start.
    pub starts: Count,
    /// Consumers that stop.
    pub stops: Count,
    /// Consumers that will wait without a partition; `null`: not known.
    pub idle: Option<Count>,
    /// What would give them something to do.
    pub advice: Option<String>,
    /// Partitions that will have another owner; `null`: not known.
    pub moves: Option<Span>,
    /// Partitions that keep their owner; `null`: not known.
    pub stays: Option<Span>,
    /// Why what moves is not known.
    pub unknown: Option<String>,
    /// How long partitions will be without an owner; absent: none will be.
    pub pause: Option<Pause>,
}

/// What happens to a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum GroupChange {
    /// It is new.
    New,
    /// The manifest names it no longer.
    Gone,
    /// All of its consumers stop.
    Stopped,
    /// It starts again.
    Started,
    /// Its members cannot share a group with those to come: all stop first, then start.
    Switched,
    /// All consumers of a row at least are replaced, some at a time.
    Rollout,
    /// More consumers, or fewer.
    Scaled,
    /// The same consumers, other partitions.
    Rebalanced,
    /// Nothing.
    Stays,
}

/// So many, and why.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Count {
    /// How many.
    pub number: usize,
    /// Why; empty where that goes without saying.
    pub why: String,
}

/// Between so many and so many partitions.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Span {
    /// At least.
    pub least: usize,
    /// At most.
    pub most: usize,
    /// Of so many.
    pub of: usize,
    /// Why.
    pub why: String,
}

/// How long partitions are without an owner.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Pause {
    /// Partitions, at least.
    pub least: usize,
    /// Partitions, at most.
    pub most: usize,
    /// About how long each time, in milliseconds; `null`: until somebody changes that.
    pub about_ms: Option<u64>,
    /// Why.
    pub why: String,
    /// When a consumer does not leave but crashes or hangs: after how many milliseconds its group notices; `null`: none is left
    /// to notice.
    pub noticed_after_ms: Option<u64>,
}

impl Prediction {
    /// Of a manifest that would not be taken.
    pub fn refused(
        namespace: &str,
        practice: &str,
        exists: Option<bool>,
        faults: Vec<String>,
    ) -> Self {
        let (namespace, practice) = (namespace.to_owned(), practice.to_owned());
        Self {
            namespace,
            practice,
            exists,
            refused: faults,
            ..Self::default()
        }
    }

    /// Whether anything happens at all.
    pub fn changes_something(&self) -> bool {
        let is_left = |topic: &TopicPrediction| topic.change == TopicChange::Stays;
        let stays = |group: &GroupPrediction| group.change == GroupChange::Stays;
        !(self.producer.is_empty()
            && self.topics.iter().all(is_left)
            && self.groups.iter().all(stays))
    }
}

/// What a manifest will do. Without `now` everything is made from nothing.
pub fn predict(after: &Plan, now: Option<&Now<'_>>, broker: Broker) -> Prediction {
    let mut notes = Vec::new();
    let exists = Some(now.is_some());
    let refused = now.and_then(|now| Some((now.status?, refusal(now)?)));
    if let Some((status, refusal)) = refused {
        notes.push(never_ran(status, refusal));
    }
    let now = now.filter(|_| refused.is_none());
    let before = now.map(|now| now.plan);
    let moved_away = before.is_some_and(|before| before.bootstrap != after.bootstrap);
    if let (true, Some(before)) = (moved_away, before) {
        notes.push(format!(
            "another Kafka, {} instead of {}: topics, partitions and committed offsets of the former one stay there",
            after.bootstrap, before.bootstrap
        ));
    }
    // what one Kafka says is nothing about another
    let status = now.and_then(|now| now.status).filter(|_| !moved_away);
    match (now, status) {
        (Some(now), Some(status)) if status.observed_generation != now.plan.generation => notes.push(
            "the operator has not looked at the manifest that is applied: what is said of members is how it was before"
                .into(),
        ),
        (Some(_), None) if !moved_away => {
            notes.push("nobody has looked at it yet: who owns what is not known".into());
        }
        _ => {}
    }
    let topics = topics::predicted(after, before.filter(|_| !moved_away), status);
    let scene = Scene {
        after,
        now,
        status,
        topics: &topics,
        broker,
    };
    let groups = scene.groups();
    let producer = producer(
        before.and_then(|before| before.producer.as_ref()),
        after.producer.as_ref(),
    );
    Prediction {
        namespace: after.namespace.clone(),
        practice: after.name.clone(),
        exists,
        refused: Vec::new(),
        topics,
        groups,
        producer,
        notes,
    }
}

/// The condition that says that the manifest that is applied was refused as a whole.
fn refusal<'a>(now: &Now<'a>) -> Option<&'a Condition> {
    let of_this = |stalled: &&Condition| stalled.observed_generation == now.plan.generation;
    SpecFault::told_in(now.status?).filter(of_this)
}

/// That what is applied never ran, and what did when it was refused.
fn never_ran(status: &PracticeStatus, refusal: &Condition) -> String {
    let of_group = |group: &GroupStatus| {
        let count = usize::try_from(group.replicas)
            .ok()
            .filter(|count| *count > 0)?;
        Some(format!("{} of {}", counted(count, "consumer"), group.name))
    };
    let ran: Vec<String> = status.groups.iter().filter_map(of_group).collect();
    let ran = if ran.is_empty() {
        "nothing ran before it".to_owned()
    } else {
        format!(
            "of the one before it {} run on, and are replaced only if they are told otherwise",
            ran.join(", ")
        )
    };
    format!(
        "the manifest that is applied is refused ({}), so this is said as from nothing: {ran}",
        refusal.reason
    )
}

/// What becomes of the producer.
fn producer(before: Option<&ProducerPlan>, after: Option<&ProducerPlan>) -> Vec<String> {
    match (before, after) {
        (None, Some(_)) => vec!["starts".to_owned()],
        (Some(_), None) => vec!["stops: spec.producer.enabled is false".to_owned()],
        (Some(former), Some(producer)) if former.settings != producer.settings => {
            let mut said = Vec::new();
            let (old, new) = (&former.settings, &producer.settings);
            if old.servers != new.servers {
                said.push(format!("Kafka {} → {}", old.servers, new.servers));
            }
            if old.topics != new.topics {
                said.push(format!(
                    "topics {} → {}",
                    old.topics.join(", "),
                    new.topics.join(", ")
                ));
            }
            if old.keys_random != new.keys_random {
                let word = |random: bool| if random { "Random" } else { "None" };
                said.push(format!(
                    "keys {} → {}",
                    word(old.keys_random),
                    word(new.keys_random)
                ));
            }
            if old.load != new.load {
                said.push(new.load.map_or_else(
                    || "no steady stream".to_owned(),
                    |load| {
                        format!(
                            "{} messages a second of {} bytes",
                            load.messages_per_second, load.value_bytes
                        )
                    },
                ));
            }
            vec![format!("is replaced: {}", said.join(", "))]
        }
        (None, None) | (Some(_), Some(_)) => Vec::new(),
    }
}

/// `1 partition`, `3 partitions`.
pub fn counted(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests;
