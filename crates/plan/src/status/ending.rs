//! The status and the Events of a practice that is being deleted. In: what its end waits for, the status before, the time. Out:
//! conditions that name it with the time of giving up and the way out. Pure; deliberately absent: any deletion.

use std::{collections::BTreeMap, time::Duration};

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use practice_api::{PracticeSpec, PracticeStatus};
use practice_contract::duration;
use practice_groups::KafkaError;

use super::{
    LARGEST_WRITTEN,
    conditions::{LONGEST_MESSAGE, Outcome, dated, reachable},
    group, out_of_sight, shorten, summary,
};
use crate::{
    events::{PracticeEvent, Severity},
    labels::KEEP_TOPICS,
    plan::SpecFault,
};

/// Reason of `Ready`, and of `Reconciling` while nothing blocks the deletion.
pub const DELETING: &str = "Deleting";
/// Reason of `Reconciling`, and of an Event, while topics cannot be deleted.
pub const BLOCKED: &str = "DeletionBlocked";

/// The value of `spec.deletionTimeout` where the manifest has none.
const DEFAULT_TIMEOUT: &str = "10m";
/// Topics that a message names; it counts the others.
const MOST_NAMES: usize = 3;
/// Most bytes of topic names in an Event, which has at most 1,024 bytes.
const MOST_BYTES: usize = 600;

/// The deletion of a practice.
#[derive(Debug, Clone)]
pub struct Ending {
    /// The practice.
    pub name: String,
    /// `metadata.deletionTimestamp`.
    pub begun: Timestamp,
    /// Time for the deletion of topics, from `begun`.
    pub timeout: Duration,
    /// The same as the manifest has it.
    pub timeout_text: String,
    /// The value of annotation [`KEEP_TOPICS`].
    pub keep_topics: Option<String>,
    /// Desired and ready consumers by group.
    pub consumers: BTreeMap<String, (i32, i32)>,
    /// What the deletion waits for.
    pub waits: Wait,
}

/// What a deletion waits for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wait {
    /// Pods of consumers, which stop before their topics are deleted.
    Consumers(usize),
    /// Topics that are being deleted.
    Topics(Vec<String>),
    /// Topics that cannot be deleted.
    Blocked(Vec<Remaining>),
    /// Finalizers of other clients; the operator has no further part.
    Finalizers(Vec<String>),
}

/// Topics that could not be deleted, with the cause.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remaining {
    /// Their names.
    pub topics: Vec<String>,
    /// Why.
    pub cause: Obstacle,
}

/// Why a topic is not deleted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Obstacle {
    /// Annotation [`KEEP_TOPICS`] is `true`.
    Kept {
        /// `host:port[,host:port...]`; `None`: the manifest names no Kafka.
        bootstrap: Option<String>,
    },
    /// The manifest cannot be planned, or the policy forbids its Kafka or its topics: Kafka was not contacted.
    Manifest(SpecFault),
    /// The ownership record is not available, and why: nothing proves which topics the practice created.
    Unrecorded(String),
    /// Kafka does not answer.
    Outage {
        /// `host:port[,host:port...]`.
        bootstrap: String,
        /// The failure.
        error: KafkaError,
    },
    /// Kafka refuses.
    Refused {
        /// `host:port[,host:port...]`.
        bootstrap: String,
        /// Its answer.
        error: KafkaError,
    },
    /// Another Kafka answers at the address of the one that has the topic, which cannot be contacted.
    Elsewhere {
        /// `host:port[,host:port...]`.
        bootstrap: String,
        /// Cluster id of the Kafka that has the topic.
        created_on: String,
        /// Cluster id of the one that answers.
        found: String,
    },
}

impl Obstacle {
    /// Whether the deletion waits for it to end.
    pub fn blocks(&self) -> bool {
        !matches!(self, Self::Kept { .. } | Self::Elsewhere { .. })
    }

    /// The address where the topic can be deleted.
    fn bootstrap(&self) -> Option<&str> {
        match self {
            Self::Manifest(_) | Self::Unrecorded(_) | Self::Elsewhere { .. } => None,
            Self::Kept { bootstrap } => bootstrap.as_deref(),
            Self::Outage { bootstrap, .. } | Self::Refused { bootstrap, .. } => Some(bootstrap),
        }
    }
}

impl Ending {
    /// The deletion of a practice that began at `begun`; it waits for nothing yet. A timeout that is not legal counts as not set.
    pub fn new(name: &str, begun: Timestamp, spec: &PracticeSpec, keep: Option<&String>) -> Self {
        let legal = |text: &&str| duration::parse(text).is_ok_and(|time| !time.is_zero());
        let text = spec.deletion_timeout.as_deref().filter(legal);
        let text = text.unwrap_or(DEFAULT_TIMEOUT);
        Self {
            name: name.to_owned(),
            begun,
            timeout: duration::parse(text).unwrap_or(Duration::MAX),
            timeout_text: text.to_owned(),
            keep_topics: keep.cloned(),
            consumers: BTreeMap::new(),
            waits: Wait::Topics(Vec::new()),
        }
    }

    /// When the topics are given up.
    pub fn deadline(&self) -> Timestamp {
        let timeout = SignedDuration::try_from(self.timeout).unwrap_or(SignedDuration::MAX);
        self.begun.saturating_add(timeout).unwrap_or(Timestamp::MAX)
    }

    /// Whether you gave up the topics by annotation [`KEEP_TOPICS`].
    pub fn keeps_topics(&self) -> bool {
        self.keep_topics.as_deref() == Some("true")
    }

    /// The time of day in UTC; with the date if that is not within a day of the deletion.
    fn clock(&self, time: Timestamp) -> String {
        let near = time.duration_since(self.begun).abs() < SignedDuration::from_hours(24);
        let form = if near {
            "%H:%M:%SZ"
        } else {
            "%Y-%m-%dT%H:%M:%SZ"
        };
        time.strftime(form).to_string()
    }

    /// The message of `Reconciling`. `unreachable`: since when Kafka does not answer.
    fn message(&self, unreachable: Timestamp) -> String {
        match &self.waits {
            Wait::Consumers(1) => "waiting for 1 consumer to stop".to_owned(),
            Wait::Consumers(pods) => format!("waiting for {pods} consumers to stop"),
            Wait::Topics(topics) => format!("deleting {}", listed(topics)),
            Wait::Finalizers(finalizers) => format!(
                "waiting for finalizer {}: the operator has finished its part, other clients remove theirs",
                finalizers.join(", ")
            ),
            Wait::Blocked(remaining) => {
                let end = self.way_out();
                let causes = remaining.iter().map(|remaining| {
                    let (topics, cause) = (listed(&remaining.topics), &remaining.cause);
                    format!("deleting {topics}: {}", self.cause(cause, unreachable))
                });
                let causes = causes.collect::<Vec<_>>().join("; ");
                let room = LONGEST_MESSAGE.saturating_sub(end.chars().count());
                format!("{}{end}", cut(&causes, room))
            }
        }
    }

    fn cause(&self, cause: &Obstacle, unreachable: Timestamp) -> String {
        match cause {
            Obstacle::Kept { .. } => format!("annotation {KEEP_TOPICS} is true"),
            Obstacle::Manifest(fault) => fault.to_string(),
            Obstacle::Unrecorded(why) => why.clone(),
            Obstacle::Refused { error, .. } => error.to_string(),
            Obstacle::Elsewhere {
                bootstrap,
                created_on,
                found,
            } => format!(
                "it was created on the Kafka with cluster id {created_on}, and {} has cluster id {found} now",
                cut(bootstrap, 60)
            ),
            Obstacle::Outage { bootstrap, .. } => {
                let server = cut(bootstrap, 300);
                format!("{server} unreachable since {}", self.clock(unreachable))
            }
        }
    }

    /// When the topics are given up, and the command that does it now.
    fn way_out(&self) -> String {
        let (deadline, text) = (self.clock(self.deadline()), &self.timeout_text);
        let wrong = match self.keep_topics.as_deref() {
            None | Some("true") => String::new(),
            Some(other) => format!(" (its value `{}` is not `true`)", cut(other, 20)),
        };
        format!(
            "; given up at {deadline} (spec.deletionTimeout {text}), or now: kubectl annotate cgp {} {}{KEEP_TOPICS}=true{wrong}",
            self.name,
            if wrong.is_empty() { "" } else { "--overwrite " },
        )
    }
}

/// The status of a practice that is being deleted.
pub fn status(
    ending: &Ending,
    before: Option<&PracticeStatus>,
    generation: Option<i64>,
    now: Timestamp,
) -> PracticeStatus {
    let why = "not monitored while the practice is being deleted";
    let mut status = before.cloned().unwrap_or_default();
    status.observed_generation = generation;
    for group in &mut status.groups {
        *group = group::unseen(group, why, now);
        let number = ending.consumers.get(&group.name).copied();
        (group.replicas, group.ready_replicas) = number.unwrap_or_default();
        group.health = None;
    }
    out_of_sight(&mut status.other_groups);
    status.summary = summary(&status);
    let dated = |kind, outcome| dated(kind, outcome, before, generation, now);
    let former = before.and_then(|before| before.condition("KafkaReachable"));
    let kafka = match (contact(&ending.waits), former) {
        (Contact::NotYet, Some(former)) => Condition {
            observed_generation: generation,
            ..former.clone()
        },
        (contact, _) => dated("KafkaReachable", contact.outcome()),
    };
    let blocked = matches!(ending.waits, Wait::Blocked(_));
    let reason = if blocked { BLOCKED } else { DELETING };
    let moving = ending.message(kafka.last_transition_time.0);
    let since = ending.clock(ending.begun);
    let unseen = |kind| dated(kind, ("Unknown", DELETING, why.to_owned()));
    status.conditions = vec![
        dated(
            "Ready",
            (
                "False",
                DELETING,
                format!("the practice is being deleted since {since}"),
            ),
        ),
        kafka,
        unseen("TopicsReady"),
        unseen("ConsumersAvailable"),
        unseen("ProducerAvailable"),
        dated("Reconciling", ("True", reason, moving)),
        dated(
            "Stalled",
            (
                "False",
                DELETING,
                "condition Reconciling has the progress of the deletion".to_owned(),
            ),
        ),
        unseen("IdleConsumers"),
    ];
    shorten(&mut status, LARGEST_WRITTEN);
    status
}

/// What the last attempt showed of Kafka.
enum Contact<'a> {
    NotYet,
    /// The manifest is refused.
    Forbidden,
    Answers,
    Outage(&'a KafkaError),
}

impl Contact<'_> {
    fn outcome(&self) -> Outcome {
        let unknown = |why: &str| ("Unknown", "NotChecked", why.to_owned());
        match self {
            Self::NotYet => unknown("Kafka has not been polled yet"),
            Self::Forbidden => unknown("not checked while the manifest is invalid"),
            Self::Answers => reachable(None),
            Self::Outage(error) => reachable(Some(error)),
        }
    }
}

fn contact(waits: &Wait) -> Contact<'_> {
    let Wait::Blocked(remaining) = waits else {
        return Contact::NotYet;
    };
    let outage = remaining
        .iter()
        .find_map(|remaining| match &remaining.cause {
            Obstacle::Outage { error, .. } => Some(error),
            _ => None,
        });
    let asked = |remaining: &Remaining| matches!(remaining.cause, Obstacle::Refused { .. });
    match outage {
        Some(error) => Contact::Outage(error),
        None if remaining.iter().any(asked) => Contact::Answers,
        None => Contact::Forbidden,
    }
}

/// The Event of a deletion that has become blocked: one, however long it lasts and whatever else blocks it later.
pub fn events(before: Option<&PracticeStatus>, after: &PracticeStatus) -> Option<PracticeEvent> {
    let blocked = |status: &PracticeStatus| {
        let condition = status.condition("Reconciling")?;
        (condition.reason == BLOCKED).then(|| condition.message.clone())
    };
    let message = blocked(after)?;
    if before.and_then(blocked).is_some() {
        return None;
    }
    Some(warning(BLOCKED, message))
}

/// Events that name the topics that stay in Kafka.
pub fn abandoned(
    ending: &Ending,
    remaining: &[Remaining],
    before: Option<&PracticeStatus>,
    now: Timestamp,
) -> Vec<PracticeEvent> {
    let kafka = before.and_then(|before| before.condition("KafkaReachable"));
    let down = kafka.filter(|kafka| kafka.status == "False");
    let unreachable = down.map_or(now, |kafka| kafka.last_transition_time.0);
    let texts = remaining.iter().flat_map(|remaining| {
        let cause = cut(&ending.cause(&remaining.cause, unreachable), 250);
        let why = match &remaining.cause {
            Obstacle::Kept { .. } | Obstacle::Elsewhere { .. } => cause,
            _ => format!(
                "not deleted within spec.deletionTimeout {}: {cause}",
                ending.timeout_text
            ),
        };
        let delete = remaining.cause.bootstrap().map_or_else(String::new, |bootstrap| {
            let server = cut(bootstrap, 100);
            format!("; to delete one: kafka-topics.sh --bootstrap-server {server} --delete --topic NAME")
        });
        chunks(&remaining.topics).into_iter().map(move |topics| match topics {
            [one] => format!("topic {one} stays in Kafka: {why}{delete}"),
            several => format!("topics {} stay in Kafka: {why}{delete}", several.join(", ")),
        })
    });
    texts.map(|text| warning("TopicAbandoned", text)).collect()
}

fn warning(reason: &'static str, text: String) -> PracticeEvent {
    PracticeEvent {
        severity: Severity::Warning,
        reason,
        action: "Delete",
        subject: None,
        text,
    }
}

/// The names in parts, each of which an Event has room for.
fn chunks(mut names: &[String]) -> Vec<&[String]> {
    let mut parts = Vec::new();
    while !names.is_empty() {
        let mut bytes = 0;
        let fits = names.iter().take_while(|name| {
            bytes += name.len() + 2;
            bytes <= MOST_BYTES
        });
        let (part, rest) = names.split_at(fits.count().max(1));
        parts.push(part);
        names = rest;
    }
    parts
}

/// `topic a`, or `topics a, b, c and 2 more`.
fn listed(topics: &[String]) -> String {
    match topics {
        [] => "topics".to_owned(),
        [one] => format!("topic {one}"),
        several if several.len() <= MOST_NAMES => format!("topics {}", several.join(", ")),
        several => format!(
            "topics {} and {} more",
            several[..MOST_NAMES].join(", "),
            several.len() - MOST_NAMES
        ),
    }
}

/// The first `most` characters, with a mark where some are left out.
fn cut(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    let kept = text.chars().take(most.saturating_sub(1));
    kept.chain(['…']).collect()
}

#[cfg(test)]
mod tests;
