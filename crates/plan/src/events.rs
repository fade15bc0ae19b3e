//! In: decisions and changes of one reconcile, status before and after. Out: Events, one per decision, as `kubectl describe`
//! and `kubectl get events` show them. Pure.

use std::collections::BTreeMap;

use practice_api::{PracticeStatus, status::GroupStatus};
use practice_groups::{HealthState, Partition, Rebalance};

use crate::{
    outcome::{Change, ChangeAction, Hold, KafkaChange, Prepared, Running},
    predict::counted,
};

/// The type of an Event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// As expected.
    Normal,
    /// Needs attention.
    Warning,
}

/// One event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PracticeEvent {
    /// Its type.
    pub severity: Severity,
    /// CamelCase, stable.
    pub reason: &'static str,
    /// What the operator was doing.
    pub action: &'static str,
    /// Kind and name of the object that it concerns; `None`: the practice.
    pub subject: Option<(&'static str, String)>,
    /// The message.
    pub text: String,
}

/// The Events of one reconcile.
pub fn events(
    prepared: &Prepared,
    running: &Running,
    before: Option<&PracticeStatus>,
    after: &PracticeStatus,
) -> Vec<PracticeEvent> {
    let mut events: Vec<PracticeEvent> = prepared.kafka_changes.iter().map(kafka_change).collect();
    events.extend(
        prepared
            .holds
            .iter()
            .filter_map(|(group, hold)| held(group, *hold, running)),
    );
    events.extend(running.changes.iter().map(change));
    events.extend(turns(before, after));
    events.extend(health(before, after));
    events
}

/// Groups whose health changed.
fn health(before: Option<&PracticeStatus>, after: &PracticeStatus) -> Vec<PracticeEvent> {
    let word = |status: &GroupStatus| status.health.as_ref().map(|health| health.state.clone());
    let changed = |group: &GroupStatus| {
        let former = before.and_then(|status| {
            status
                .groups
                .iter()
                .find(|former| former.name == group.name)
        });
        let former = former.and_then(word);
        let health = group
            .health
            .as_ref()
            .filter(|health| former.as_ref() != Some(&health.state))?;
        let (tone, reason) = match HealthState::parse(&health.state)? {
            HealthState::Lagging => (Severity::Warning, "GroupLagging"),
            HealthState::Rewound => (Severity::Warning, "GroupOffsetsRewound"),
            HealthState::Stalled => (Severity::Warning, "GroupStalled"),
            HealthState::Unassigned => (Severity::Warning, "GroupPartitionsUnassigned"),
            HealthState::Healthy if former.is_some() => (Severity::Normal, "GroupRecovered"),
            HealthState::Healthy => return None,
        };
        let advice = health
            .advice
            .as_ref()
            .map_or_else(String::new, |advice| format!(". To do: {advice}"));
        Some(PracticeEvent {
            severity: tone,
            reason,
            action: "Judge",
            subject: Some(("ConsumerGroup", group.name.clone())),
            text: format!("group {}: {}{advice}", group.name, health.message),
        })
    };
    after.groups.iter().filter_map(changed).collect()
}

fn kafka_change(change: &KafkaChange) -> PracticeEvent {
    let (reason, subject, text) = match change {
        KafkaChange::Created { topic, partitions } => (
            "TopicCreated",
            ("Topic", topic.clone()),
            format!("topic {topic} created with {partitions} partitions"),
        ),
        KafkaChange::Configured { topic, set } => (
            "TopicConfigured",
            ("Topic", topic.clone()),
            format!("topic {topic} configured: {}", set.join(", ")),
        ),
        KafkaChange::Grown { topic, from, to } => (
            "TopicGrown",
            ("Topic", topic.clone()),
            format!("topic {topic} grown from {from} to {to} partitions"),
        ),
        KafkaChange::Claimed { group } => (
            "GroupIdClaimed",
            ("ConsumerGroup", group.clone()),
            format!("group id {group} claimed: no members or commits of another application"),
        ),
        KafkaChange::StartPinned { group, offsets } => (
            "GroupStartPinned",
            ("ConsumerGroup", group.clone()),
            format!(
                "group {group} starts at {}: committed before its first consumer starts (autoOffsetReset latest)",
                pinned(offsets)
            ),
        ),
    };
    PracticeEvent {
        severity: Severity::Normal,
        reason,
        action: "Prepare",
        subject: Some(subject),
        text,
    }
}

/// `t/0 offset 4, t/1 offset 9 and 30 more partitions`
fn pinned(offsets: &BTreeMap<Partition, i64>) -> String {
    const NAMED: usize = 6;
    let named: Vec<String> = offsets
        .iter()
        .take(NAMED)
        .map(|((topic, number), offset)| format!("{topic}/{number} offset {offset}"))
        .collect();
    let more = match offsets.len().saturating_sub(NAMED) {
        0 => String::new(),
        more => format!(" and {}", counted(more, "more partition")),
    };
    format!("{}{more}", named.join(", "))
}

/// A group whose consumers the operator stops, reported when it writes the number of replicas.
fn held(group: &str, hold: Hold, running: &Running) -> Option<PracticeEvent> {
    let written = |deployment: &str| {
        running.changes.iter().any(|change| {
            change.action == ChangeAction::Updated && change.object.name == deployment
        })
    };
    if !running
        .rows
        .iter()
        .any(|row| row.group == group && written(&row.deployment))
    {
        return None;
    }
    let (reason, text) = match hold {
        Hold::Unclaimed => return None,
        Hold::Stopped => (
            "GroupStopped",
            format!("group {group} is stopped: 0 consumers, its committed offsets stay"),
        ),
        Hold::Switching => (
            "GroupSwitching",
            format!(
                "group {group} is changing its protocol or assignor: all members stop before new ones start, because members with different ones cannot share a group"
            ),
        ),
    };
    let subject = Some(("ConsumerGroup", group.to_owned()));
    Some(PracticeEvent {
        severity: Severity::Normal,
        reason,
        action: "Apply",
        subject,
        text,
    })
}

fn change(change: &Change) -> PracticeEvent {
    let object = &change.object;
    let (tone, reason, text) = match &change.action {
        ChangeAction::Created => (Severity::Normal, "Created", format!("{object} created")),
        ChangeAction::Updated => (
            Severity::Normal,
            "Updated",
            format!("{object} updated to match the manifest"),
        ),
        ChangeAction::Repaired { by } => {
            let by = by.as_deref().unwrap_or("an unknown client");
            let text = format!("{object} was changed by {by}: reverted to match the manifest");
            (Severity::Warning, "DriftRepaired", text)
        }
        ChangeAction::Deleted => (
            Severity::Normal,
            "Removed",
            format!("{object} removed: the manifest no longer names it"),
        ),
    };
    PracticeEvent {
        severity: tone,
        reason,
        action: "Apply",
        subject: Some((object.kind.name(), object.name.clone())),
        text,
    }
}

/// Events for rebalances whose cause was found; reported even if the reconcile fails later.
pub fn rebalances(explained: &[(String, Rebalance)]) -> Vec<PracticeEvent> {
    explained
        .iter()
        .filter_map(|(group, rebalance)| rebalanced(group, rebalance))
        .collect()
}

/// A rebalance whose cause was found. It names no consumer, so that Kubernetes counts Events of one group and cause as one.
fn rebalanced(group: &str, rebalance: &Rebalance) -> Option<PracticeEvent> {
    let cause = rebalance.why.as_ref()?.cause;
    Some(PracticeEvent {
        severity: if cause.is_trouble() {
            Severity::Warning
        } else {
            Severity::Normal
        },
        reason: cause.word(),
        action: "Rebalance",
        subject: Some(("ConsumerGroup", group.to_owned())),
        text: format!(
            "group {group} rebalanced: {}; see the journal for each rebalance",
            cause.phrase()
        ),
    })
}

/// Conditions whose status or reason changed.
fn turns(before: Option<&PracticeStatus>, after: &PracticeStatus) -> Vec<PracticeEvent> {
    let was = |kind: &str| before.and_then(|status| status.condition(kind));
    let mut turns = Vec::new();
    for condition in &after.conditions {
        let former = was(&condition.type_);
        let same = former.is_some_and(|former| {
            former.status == condition.status && former.reason == condition.reason
        });
        if same {
            continue;
        }
        let (reason, tone) = match (condition.type_.as_str(), condition.status.as_str()) {
            ("Ready", "True") => ("Ready", Severity::Normal),
            ("Ready", _) if former.is_some_and(|former| former.status == "True") => {
                ("NotReady", Severity::Warning)
            }
            ("Stalled", "True") => ("Stalled", Severity::Warning),
            ("KafkaReachable", "False") => ("KafkaUnreachable", Severity::Warning),
            ("KafkaReachable", "True") if former.is_some_and(|former| former.status == "False") => {
                ("KafkaReachable", Severity::Normal)
            }
            ("TopicsReady", "False") if condition.reason != "Pending" => {
                ("TopicsNotReady", Severity::Warning)
            }
            ("IdleConsumers", "True") => ("IdleConsumers", Severity::Normal),
            _ => continue,
        };
        turns.push(PracticeEvent {
            severity: tone,
            reason,
            action: "Observe",
            subject: None,
            text: format!("{}: {}", condition.reason, condition.message),
        });
    }
    turns
}

#[cfg(test)]
mod tests;
