//! A preview of what a manifest changes. In: its plan, and the plan, status and Deployments that run under its name now. Out: a
//! [`Prediction`]: topics created or extended, consumers started, stopped and idle, partitions that move and how long they have
//! no owner, each with its reason. Where Kafka or Kubernetes decides, a minimum and a maximum. Pure.
//! Deliberately absent: facts that only the cluster has (the operator's policy, owners of group ids, the number of brokers).

mod groups;
mod moves;
mod pause;
mod rows;
mod topics;
pub mod words;

use std::{collections::BTreeMap, time::Duration};

use groups::Scene;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use practice_api::{PracticeStatus, status::GroupStatus};
use practice_contract::producer::MAX_MESSAGE_BYTES;
use serde::{Deserialize, Serialize};

use crate::plan::{Plan, ProducerPlan, SpecFault};

pub use groups::room;
pub use rows::{changed_settings, rows_of_pods};

/// The current state of a practice.
#[derive(Debug, Clone, Copy)]
pub struct Now<'a> {
    /// The plan of the applied manifest.
    pub plan: &'a Plan,
    /// Its status; `None`: the operator has not reconciled it yet.
    pub status: Option<&'a PracticeStatus>,
    /// The Deployment of each consumer, by the consumer's name.
    pub rows: &'a BTreeMap<String, String>,
}

/// Settings of KIP-848 groups that the broker decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Broker {
    /// Heartbeat interval of members: how soon they learn of a new assignment.
    pub heartbeat: Duration,
    /// Session timeout of members.
    pub session: Duration,
    /// The order of members in which its range assignor assigns partitions.
    pub order: Order,
}

/// The order of members in which the range assignor assigns partitions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Order {
    /// By member id.
    #[default]
    ById,
    /// By the time they joined: librdkafka's mock broker.
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

/// What a manifest will change.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Prediction {
    /// The namespace of the practice.
    pub namespace: String,
    /// Its name.
    pub practice: String,
    /// Whether a practice of that name exists: then this is the difference to it. `null`: not checked, because that was not needed.
    pub exists: Option<bool>,
    /// Why it would be rejected, each with the field, the value and the fix. Then nothing changes.
    pub refused: Vec<String>,
    /// Topics of the manifest in its order, then former topics that it no longer contains.
    pub topics: Vec<TopicPrediction>,
    /// Groups of the manifest in its order, then former groups that it no longer contains.
    pub groups: Vec<GroupPrediction>,
    /// Changes to the producer.
    pub producer: Vec<String>,
    /// Further facts that affect the whole preview.
    pub notes: Vec<String>,
}

/// Changes to one topic.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TopicPrediction {
    /// Its name.
    pub name: String,
    /// The kind of change.
    pub change: TopicChange,
    /// Its partitions after the change; `null`: unknown.
    pub partitions: Option<i32>,
    /// Reason or details.
    pub why: String,
}

/// The kind of change to a topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum TopicChange {
    /// It is created unless it exists.
    Created,
    /// It gets more partitions.
    Grown,
    /// Its configuration is set.
    Configured,
    /// It differs from the manifest and is not changed.
    Refused,
    /// No change.
    Stays,
    /// The manifest no longer contains it; it stays in Kafka.
    Released,
}

/// Changes to one group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GroupPrediction {
    /// The `group.id`.
    pub name: String,
    /// The kind of change.
    pub change: GroupChange,
    /// Consumers before.
    pub from: usize,
    /// Consumers afterwards.
    pub to: usize,
    /// Differences of the manifest or of the group's topics that cause the change.
    pub because: Vec<String>,
    /// Consumers that start.
    pub starts: Count,
    /// Consumers that stop.
    pub stops: Count,
    /// Consumers that will have no partition; `null`: unknown.
    pub idle: Option<Count>,
    /// How to give idle consumers partitions.
    pub advice: Option<String>,
    /// Partitions that change owner; `null`: unknown.
    pub moves: Option<Span>,
    /// Partitions that keep their owner; `null`: unknown.
    pub stays: Option<Span>,
    /// Why `moves` is unknown.
    pub unknown: Option<String>,
    /// How long partitions will have no owner; `null`: each keeps one, or it is unknown.
    pub pause: Option<Pause>,
}

/// The kind of change to a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum GroupChange {
    /// It is new.
    New,
    /// The manifest no longer contains it.
    Gone,
    /// All of its consumers stop.
    Stopped,
    /// It starts again.
    Started,
    /// Protocol or assignor changes: all members stop before new ones start.
    Switched,
    /// All consumers of at least one row are replaced, a few at a time.
    Rollout,
    /// More consumers, or fewer.
    Scaled,
    /// The consumers stay, partitions are assigned again.
    Rebalanced,
    /// No change.
    Stays,
}

/// A number with its reason.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Count {
    /// The number.
    pub number: usize,
    /// The reason; empty where it is obvious.
    pub why: String,
}

/// A range of partitions with its reason.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Span {
    /// At least.
    pub least: usize,
    /// At most.
    pub most: usize,
    /// Partitions in total.
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
    /// Estimated length of each pause in milliseconds; `null`: until the manifest changes again.
    pub about_ms: Option<u64>,
    /// Why.
    pub why: String,
    /// After how many milliseconds the group detects a consumer that crashes or hangs; `null`: no consumer stops.
    pub noticed_after_ms: Option<u64>,
}

impl Prediction {
    /// The preview of a manifest that would be rejected.
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

    /// Whether anything changes.
    pub fn changes_something(&self) -> bool {
        let is_left = |topic: &TopicPrediction| topic.change == TopicChange::Stays;
        let stays = |group: &GroupPrediction| group.change == GroupChange::Stays;
        !(self.producer.is_empty()
            && self.topics.iter().all(is_left)
            && self.groups.iter().all(stays))
    }
}

/// Previews a manifest. Without `now` the practice is new.
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
            "Kafka changes from {} to {}: topics, partitions and committed offsets stay on the former one",
            before.bootstrap, after.bootstrap
        ));
    }
    // status of one Kafka does not apply to another
    let status = now.and_then(|now| now.status).filter(|_| !moved_away);
    match (now, status) {
        (Some(now), Some(status)) if status.observed_generation != now.plan.generation => notes.push(
            "the operator has not reconciled the applied manifest yet: members are those of the manifest before it"
                .into(),
        ),
        (Some(_), None) if !moved_away => {
            notes.push("the operator has not reconciled this practice yet: partition owners are unknown".into());
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

/// The condition with which the operator rejected the applied manifest.
fn refusal<'a>(now: &Now<'a>) -> Option<&'a Condition> {
    let of_this = |stalled: &&Condition| stalled.observed_generation == now.plan.generation;
    SpecFault::condition_in(now.status?).filter(of_this)
}

/// The note that the applied manifest never ran, and which consumers run instead.
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
            "{} of the manifest before it keep running, and are replaced only if their settings change",
            ran.join(", ")
        )
    };
    format!(
        "the applied manifest is rejected ({}), so this preview starts from an empty practice: {ran}",
        refusal.reason
    )
}

/// Changes to the producer.
fn producer(before: Option<&ProducerPlan>, after: Option<&ProducerPlan>) -> Vec<String> {
    match (before, after) {
        (None, Some(_)) => vec!["starts".to_owned()],
        (Some(_), None) => vec!["stops: spec.producer.enabled is false".to_owned()],
        (Some(former), Some(producer)) if former.settings != producer.settings => {
            let mut changes = Vec::new();
            let (old, new) = (&former.settings, &producer.settings);
            if old.servers != new.servers {
                changes.push(format!("Kafka {} → {}", old.servers, new.servers));
            }
            if old.topics != new.topics {
                changes.push(format!(
                    "topics {} → {}",
                    old.topics.join(", "),
                    new.topics.join(", ")
                ));
            }
            if old.max_message_bytes != new.max_message_bytes {
                changes.push(format!("limits of its topics ({MAX_MESSAGE_BYTES})"));
            }
            if old.keys_random != new.keys_random {
                let word = |random: bool| if random { "Random" } else { "None" };
                changes.push(format!(
                    "keys {} → {}",
                    word(old.keys_random),
                    word(new.keys_random)
                ));
            }
            if old.load != new.load {
                changes.push(new.load.map_or_else(
                    || "no steady stream".to_owned(),
                    |load| {
                        format!(
                            "{} messages a second of {} bytes",
                            load.messages_per_second, load.value_bytes
                        )
                    },
                ));
            }
            vec![format!("is replaced: {}", changes.join(", "))]
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
