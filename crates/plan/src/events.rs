//! In: decisions and changes of one reconcile, status before and after. Out: Events, one per decision, as `kubectl describe`
//! and `kubectl get events` show them. Pure.

use std::{collections::BTreeMap, sync::Arc};

use practice_api::{
    PracticeStatus,
    status::{GroupHold, GroupStatus, TopicStatus},
};
use practice_groups::{HealthState, Partition, Rebalance};

use crate::{
    outcome::{Change, ChangeAction, Hold, KafkaChange, ObjectName, Prepared, Running},
    predict::counted,
};

mod pace;

pub use pace::Pace;

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
    events.extend(unrecorded(before, after));
    events.extend(turns(before, after));
    events.extend(health(before, after));
    events
}

/// Topics that status shows as created by the practice, and that the ownership record does not have.
fn unrecorded(before: Option<&PracticeStatus>, after: &PracticeStatus) -> Option<PracticeEvent> {
    let is_lost = |topic: &&TopicStatus| {
        let former = before.iter().flat_map(|before| &before.topics);
        let mut former = former.filter(|former| former.name == topic.name);
        let was_own = former.any(|former| former.is_own() && former.topic_id == topic.topic_id);
        was_own && topic.created_topic_id.is_none()
    };
    let lost = after.topics.iter().filter(is_lost);
    let lost: Vec<&str> = lost.map(|topic| topic.name.as_str()).collect();
    let (names, they) = match lost.as_slice() {
        [] => return None,
        [one] => (format!("topic {one}"), "it"),
        many => (format!("topics {}", many.join(", ")), "them"),
    };
    Some(PracticeEvent {
        severity: Severity::Warning,
        reason: "OwnershipRecordMissing",
        action: "Prepare",
        subject: None,
        text: format!(
            "the ownership record in the operator's namespace does not have {names}: the operator does not configure or delete {they}; delete {they} yourself when you delete the practice"
        ),
    })
}

/// Whether a group has 0 consumers on purpose.
fn is_at_zero(group: &GroupStatus) -> bool {
    let is_stopped = |hold: &GroupHold| hold.reason == "Stopped";
    group.is_scaled_to_zero() || group.hold.as_ref().is_some_and(is_stopped)
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
            // its manifest or the owner of its replicas wants 0 consumers
            HealthState::Unassigned if is_at_zero(group) => {
                (Severity::Normal, "GroupPartitionsUnassigned")
            }
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
        ChangeAction::ScaledBack {
            group,
            hold,
            from,
            by,
        } => return scaled_back(object, group, *hold, *from, by.as_deref()),
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

/// A Deployment that another client scaled although its consumers do not join their group. The message begins with that client:
/// Kubernetes keeps only the first part of a long one.
fn scaled_back(
    object: &ObjectName,
    group: &str,
    hold: Hold,
    from: i32,
    by: Option<&str>,
) -> PracticeEvent {
    let run = "set spec.groups[].state to Running";
    let (by, client_fix) = match by.unwrap_or("an unknown client") {
        // of Kubernetes' own controllers only this one scales Deployments
        "kube-controller-manager" => (
            "a HorizontalPodAutoscaler (kube-controller-manager)".to_owned(),
            "delete the HorizontalPodAutoscaler",
        ),
        keda if keda.starts_with("keda") => (
            format!("KEDA ({keda})"),
            "pause the ScaledObject with annotation autoscaling.keda.sh/paused-replicas=0",
        ),
        other => (other.to_owned(), ""),
    };
    let (reason, fix) = match hold {
        Hold::Stopped if client_fix.is_empty() => {
            ("StoppedGroupScaled", format!("to run it, {run}"))
        }
        Hold::Stopped => ("StoppedGroupScaled", format!("{client_fix}, or {run}")),
        Hold::Switching | Hold::Unclaimed => (
            "HeldGroupScaled",
            "status.groups[].hold has the reason".to_owned(),
        ),
    };
    PracticeEvent {
        severity: Severity::Warning,
        reason,
        action: "Apply",
        subject: Some(("ConsumerGroup", group.to_owned())),
        text: format!(
            "{by} scaled {object} to {from}, but its group {}: set back to 0, no consumer joined; {fix}",
            hold.phrase()
        ),
    }
}

/// Events for rebalances whose cause was found; reported even if the reconcile fails later.
pub fn rebalances(explained: &[(String, Arc<Rebalance>)]) -> Vec<PracticeEvent> {
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
            // consumers of a group that was at 0 are starting: its owner wanted that
            ("Ready", "False") if condition.reason == "Starting" => continue,
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
