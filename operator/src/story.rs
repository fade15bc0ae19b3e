//! In: what was decided and done in one reconcile, status before and after. Out: one sentence per decision, as people read
//! them in `kubectl describe` and `kubectl get events`. Pure.

use practice_api::{PracticeStatus, status::GroupStatus};
use practice_groups::{Rebalance, Verdict};

use crate::{
    apply::{Change, Running},
    objects::Hold,
    prepare::{Deed, Prepared},
};

/// How an event is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    /// As expected.
    Normal,
    /// Somebody should look.
    Warning,
}

/// One event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sentence {
    /// How it is shown.
    pub tone: Tone,
    /// CamelCase, stable.
    pub reason: &'static str,
    /// What the operator was doing.
    pub action: &'static str,
    /// What it is about: kind and name.
    pub subject: Option<(&'static str, String)>,
    /// The sentence itself.
    pub text: String,
}

/// Tells one reconcile.
pub fn story(
    prepared: &Prepared,
    running: &Running,
    before: Option<&PracticeStatus>,
    after: &PracticeStatus,
) -> Vec<Sentence> {
    let mut story: Vec<Sentence> = prepared.deeds.iter().map(deed).collect();
    story.extend(
        prepared
            .holds
            .iter()
            .filter_map(|(group, hold)| held(group, *hold, running)),
    );
    story.extend(running.changes.iter().map(change));
    story.extend(turns(before, after));
    story.extend(verdicts(before, after));
    story
}

/// Groups that began to be in trouble, or are out of it.
fn verdicts(before: Option<&PracticeStatus>, after: &PracticeStatus) -> Vec<Sentence> {
    let word = |status: &GroupStatus| {
        status
            .verdict
            .as_ref()
            .map(|verdict| verdict.verdict.clone())
    };
    let told = |group: &GroupStatus| {
        let former = before.and_then(|status| {
            status
                .groups
                .iter()
                .find(|former| former.name == group.name)
        });
        let former = former.and_then(word);
        let verdict = group
            .verdict
            .as_ref()
            .filter(|verdict| former.as_ref() != Some(&verdict.verdict))?;
        let (tone, reason) = match Verdict::of(&verdict.verdict)? {
            Verdict::Warn => (Tone::Warning, "GroupFallsBehind"),
            Verdict::Rewind => (Tone::Warning, "GroupSetBack"),
            Verdict::Stall => (Tone::Warning, "GroupStalls"),
            Verdict::Stop => (Tone::Warning, "GroupNotRead"),
            Verdict::Ok if former.is_some() => (Tone::Normal, "GroupGetsOn"),
            Verdict::Ok => return None,
        };
        let advice = verdict
            .advice
            .as_ref()
            .map_or_else(String::new, |advice| format!(". To do: {advice}"));
        Some(Sentence {
            tone,
            reason,
            action: "Judge",
            subject: Some(("ConsumerGroup", group.name.clone())),
            text: format!("group {}: {}{advice}", group.name, verdict.message),
        })
    };
    after.groups.iter().filter_map(told).collect()
}

fn deed(deed: &Deed) -> Sentence {
    let (reason, subject, text) = match deed {
        Deed::Created { topic, partitions } => (
            "TopicCreated",
            ("Topic", topic.clone()),
            format!("topic {topic} created with {partitions} partitions"),
        ),
        Deed::Configured { topic, set } => (
            "TopicConfigured",
            ("Topic", topic.clone()),
            format!("topic {topic} configured: {}", set.join(", ")),
        ),
        Deed::Grown { topic, from, to } => (
            "TopicGrown",
            ("Topic", topic.clone()),
            format!("topic {topic} grown from {from} to {to} partitions"),
        ),
        Deed::Claimed { group } => (
            "GroupClaimed",
            ("ConsumerGroup", group.clone()),
            format!(
                "group id {group} is free or was this practice's before: its consumers may start"
            ),
        ),
    };
    Sentence {
        tone: Tone::Normal,
        reason,
        action: "Prepare",
        subject: Some(subject),
        text,
    }
}

/// A group whose consumers are being stopped by us, told when the number is written.
fn held(group: &str, hold: Hold, running: &Running) -> Option<Sentence> {
    let written = |deployment: &str| {
        running
            .changes
            .iter()
            .any(|change| matches!(change, Change::Updated(title) if title.ends_with(&format!(" {deployment}"))))
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
                "group {group} changes its protocol or assignor: members that differ in it cannot share a group, so all stop first and start again"
            ),
        ),
    };
    let subject = Some(("ConsumerGroup", group.to_owned()));
    Some(Sentence {
        tone: Tone::Normal,
        reason,
        action: "Apply",
        subject,
        text,
    })
}

fn change(change: &Change) -> Sentence {
    let split = |title: &String| {
        let (kind, name) = title.split_once(' ').unwrap_or(("Object", title));
        let kind = match kind {
            "Deployment" => "Deployment",
            "Service" => "Service",
            _ => "PodDisruptionBudget",
        };
        Some((kind, name.to_owned()))
    };
    let (tone, reason, title, text) = match change {
        Change::Created(title) => (Tone::Normal, "Created", title, format!("{title} created")),
        Change::Updated(title) => (
            Tone::Normal,
            "Updated",
            title,
            format!("{title} changed as the manifest says"),
        ),
        Change::Repaired(title, who) => (
            Tone::Warning,
            "DriftRepaired",
            title,
            format!("{title} had been changed by {who} and was put back"),
        ),
        Change::Removed(title) => (
            Tone::Normal,
            "Removed",
            title,
            format!("{title} removed: the manifest no longer names it"),
        ),
    };
    Sentence {
        tone,
        reason,
        action: "Apply",
        subject: split(title),
        text,
    }
}

/// Tells rebalances whose cause was found: facts, whatever else comes of a reconcile.
pub fn rebalances(told: &[(String, Rebalance)]) -> Vec<Sentence> {
    told.iter()
        .filter_map(|(group, rebalance)| rebalanced(group, rebalance))
        .collect()
}

/// A rebalance whose cause was found. Of no consumer in particular: events of one group and cause are counted as one.
fn rebalanced(group: &str, rebalance: &Rebalance) -> Option<Sentence> {
    let cause = rebalance.why.as_ref()?.cause;
    Some(Sentence {
        tone: if cause.is_trouble() {
            Tone::Warning
        } else {
            Tone::Normal
        },
        reason: cause.word(),
        action: "Rebalance",
        subject: Some(("ConsumerGroup", group.to_owned())),
        text: format!(
            "group {group} rebalanced: {}; the journal tells each",
            cause.phrase()
        ),
    })
}

/// Conditions that turned.
fn turns(before: Option<&PracticeStatus>, after: &PracticeStatus) -> Vec<Sentence> {
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
            ("Ready", "True") => ("Ready", Tone::Normal),
            ("Ready", _) if former.is_some_and(|former| former.status == "True") => {
                ("NotReady", Tone::Warning)
            }
            ("Stalled", "True") => ("Stalled", Tone::Warning),
            ("KafkaReachable", "False") => ("KafkaUnreachable", Tone::Warning),
            ("KafkaReachable", "True") if former.is_some_and(|former| former.status == "False") => {
                ("KafkaReachable", Tone::Normal)
            }
            ("TopicsReady", "False") if condition.reason != "Pending" => {
                ("TopicsNotReady", Tone::Warning)
            }
            ("IdleConsumers", "True") => ("IdleConsumers", Tone::Normal),
            _ => continue,
        };
        turns.push(Sentence {
            tone,
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
