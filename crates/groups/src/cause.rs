//! Why a group rebalanced. Pure. In: members that joined and left (`journal`), and the history of the group's instances, replica
//! counts and holds (`witness`). Out: a cause with a sentence, or `None` while a fact may still arrive. Where a fact is missing the
//! cause is `Unknown`; it is never a guess. Deliberately absent: where the facts come from.

mod evidence;
mod sentence;

use std::{collections::BTreeSet, fmt};

use serde::{
    Deserialize, Serialize,
    de::{self, IntoDeserializer},
};

use crate::{model::Partition, witness::Witness};
use evidence::{Evidence, MemberCause};

/// Longest wait for a fact that may still arrive, in milliseconds.
const FACT_TIMEOUT: i64 = 15_000;

/// Why a group rebalanced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Cause {
    /// A container was killed at its memory limit. The name is the one that Kubernetes uses.
    #[serde(rename = "OOMKilled")]
    OomKilled,
    /// A container exited by itself.
    ContainerExited,
    /// A pod had to leave its node.
    Evicted,
    /// The broker removed a member that sent no heartbeat within its session timeout, although its process runs.
    SessionTimedOut,
    /// The spec stopped the group, or the group's consumers lost permission to use the group id.
    StoppedBySpec,
    /// The spec started the group, or the group's consumers got permission to use the group id.
    StartedBySpec,
    /// The spec changed protocol or assignor: all members stop before others start.
    ReconfiguredBySpec,
    /// The topics that the group reads changed.
    TopicsChanged,
    /// A Deployment replaced its pods after a change of the pod template.
    Rollout,
    /// A pod was deleted by a user or by another controller.
    PodDeleted,
    /// The replica count was lowered.
    ScaledDown,
    /// The replica count was raised.
    ScaledUp,
    /// A topic has more partitions.
    PartitionsAdded,
    /// No observed fact explains the rebalance.
    Unknown,
}

impl Cause {
    /// All causes, from the gravest to the mildest.
    pub const ALL: [Self; 14] = [
        Self::OomKilled,
        Self::ContainerExited,
        Self::Evicted,
        Self::SessionTimedOut,
        Self::StoppedBySpec,
        Self::StartedBySpec,
        Self::ReconfiguredBySpec,
        Self::TopicsChanged,
        Self::Rollout,
        Self::PodDeleted,
        Self::ScaledDown,
        Self::ScaledUp,
        Self::PartitionsAdded,
        Self::Unknown,
    ];

    /// The name in status, Events and metric labels.
    pub fn word(self) -> &'static str {
        match self {
            Self::OomKilled => "OOMKilled",
            Self::ContainerExited => "ContainerExited",
            Self::Evicted => "Evicted",
            Self::SessionTimedOut => "SessionTimedOut",
            Self::StoppedBySpec => "StoppedBySpec",
            Self::StartedBySpec => "StartedBySpec",
            Self::ReconfiguredBySpec => "ReconfiguredBySpec",
            Self::TopicsChanged => "TopicsChanged",
            Self::Rollout => "Rollout",
            Self::PodDeleted => "PodDeleted",
            Self::ScaledDown => "ScaledDown",
            Self::ScaledUp => "ScaledUp",
            Self::PartitionsAdded => "PartitionsAdded",
            Self::Unknown => "Unknown",
        }
    }

    /// The cause with this name; `None`: a name of another version.
    pub fn named(word: &str) -> Option<Self> {
        Self::deserialize(word.into_deserializer())
            .map_err(|_: de::value::Error| ())
            .ok()
    }

    /// What happened, without the name of a consumer: `a consumer's container exited`.
    pub fn phrase(self) -> &'static str {
        match self {
            Self::OomKilled => "a consumer was OOM-killed",
            Self::ContainerExited => "a consumer's container exited",
            Self::Evicted => "a consumer's pod was evicted",
            Self::SessionTimedOut => "a consumer sent no heartbeat within its session timeout",
            Self::StoppedBySpec => "the spec stopped the group",
            Self::StartedBySpec => "the spec started the group",
            Self::ReconfiguredBySpec => "the spec changed protocol or assignor",
            Self::TopicsChanged => "the group's topics changed",
            Self::Rollout => "a rollout replaced its pods",
            Self::PodDeleted => "a consumer was deleted",
            Self::ScaledDown => "the group was scaled down",
            Self::ScaledUp => "the group was scaled up",
            Self::PartitionsAdded => "partitions were added to a topic",
            Self::Unknown => "cause unknown",
        }
    }

    /// Whether the cause is a fault, which is reported as a warning.
    pub fn is_trouble(self) -> bool {
        matches!(
            self,
            Self::OomKilled | Self::ContainerExited | Self::SessionTimedOut
        )
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// The cause of a rebalance, with its sentence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Explained {
    /// The cause; the gravest one where several apply.
    pub cause: Cause,
    /// Exit code of the process, for `ContainerExited` and `OomKilled`; above 128 it is 128 plus the signal number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<i32>,
    /// One sentence for each cause that applies.
    pub sentence: String,
    /// What the user can do; absent where no action is needed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub advice: Option<String>,
}

impl Explained {
    /// An unknown cause; `reason` is the fact that is missing.
    pub fn unknown(reason: &str) -> Self {
        let sentence = format!("Cause unknown: {reason}.");
        Self {
            cause: Cause::Unknown,
            exit_code: None,
            sentence,
            advice: None,
        }
    }
}

/// The members that joined and left in one rebalance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MembershipChange {
    /// The rebalance's number.
    pub number: u64,
    /// When the rebalance was noticed, as a tick.
    pub noticed: i64,
    /// Whether Kafka or the instances could not be observed for a time before the rebalance.
    pub blind: bool,
    /// New members, by client id.
    pub joined: Vec<ChangedMember>,
    /// Members that left, by client id.
    pub left: Vec<ChangedMember>,
    /// Partitions that got their first owner, with higher numbers than all partitions that had one before.
    pub added: Vec<Partition>,
}

/// A member that joined or left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangedMember {
    /// Client id, which is the name of the instance.
    pub client: String,
    /// When the member was first seen in the group, as a tick; `i64::MIN`: at the first poll.
    pub since: i64,
    /// The same time of the previous member with this client id; `None`: there was none.
    pub former: Option<i64>,
}

/// The cause of a change; `None`: call again later, because a fact may still arrive.
pub fn cause(
    change: &MembershipChange,
    group: &str,
    witness: &Witness,
    now: i64,
) -> Option<Explained> {
    let waited = now - change.noticed;
    let evidence = Evidence {
        group,
        witness,
        waited,
        change,
    };
    let mut found: Vec<(Cause, Option<i32>, &str, bool)> = Vec::new();
    for (member, has_joined) in change
        .left
        .iter()
        .map(|member| (member, false))
        .chain(change.joined.iter().map(|member| (member, true)))
    {
        match if has_joined {
            evidence.joined(member)
        } else {
            evidence.left(member)
        } {
            MemberCause::Known(cause, code) => {
                found.push((cause, code, &member.client, has_joined));
            }
            MemberCause::Pending if waited < FACT_TIMEOUT => return None,
            MemberCause::Pending => found.push((Cause::Unknown, None, &member.client, has_joined)),
        }
    }
    let causes: BTreeSet<Cause> = found.iter().map(|(cause, ..)| *cause).collect();
    let Some(gravest) = causes.first().copied() else {
        return Some(without_members(change));
    };
    let known: Vec<Cause> = causes
        .iter()
        .copied()
        .filter(|cause| *cause != Cause::Unknown)
        .collect();
    if known.is_empty() {
        return Some(Explained::unknown("no event of its consumers was observed"));
    }
    let sentence_of = |cause: &Cause| {
        let clients = |joined: bool| -> Vec<&str> {
            let of_cause = found
                .iter()
                .filter(|(other, _, _, has_joined)| other == cause && *has_joined == joined);
            of_cause.map(|(_, _, client, _)| *client).collect()
        };
        let code = found
            .iter()
            .filter(|(other, ..)| other == cause)
            .find_map(|(_, code, ..)| *code);
        evidence.sentence(*cause, code, &clients(false), &clients(true))
    };
    let code = found
        .iter()
        .filter(|(cause, ..)| *cause == gravest)
        .find_map(|(_, code, ..)| *code);
    let first = found
        .iter()
        .find(|(cause, ..)| *cause == gravest)
        .map(|(_, _, client, _)| *client)
        .unwrap_or_default();
    Some(Explained {
        cause: gravest,
        exit_code: code,
        sentence: known.iter().map(sentence_of).collect::<Vec<_>>().join(" "),
        advice: sentence::advice(gravest, first, witness.home()),
    })
}

/// The cause of a rebalance in which no member joined or left.
fn without_members(change: &MembershipChange) -> Explained {
    let Some((topic, last)) = change.added.last() else {
        return Explained::unknown("no member joined or left, and no topic got more partitions");
    };
    let count = change.added.len();
    let s = if count == 1 { "" } else { "s" };
    let sentence = format!("The group reads {count} new partition{s}, up to {topic}/{last}.");
    Explained {
        cause: Cause::PartitionsAdded,
        exit_code: None,
        sentence,
        advice: None,
    }
}

#[cfg(test)]
mod tests;
