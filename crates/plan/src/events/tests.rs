//! One sentence for each decision, and none for what did not happen.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};

use super::*;
use crate::outcome::{Kind, ObjectName, RunningRow};

fn change(kind: Kind, name: &str, action: ChangeAction) -> Change {
    Change {
        object: ObjectName {
            kind,
            name: name.to_owned(),
        },
        action,
    }
}

fn condition(kind: &str, status: &str, reason: &str) -> Condition {
    Condition {
        type_: kind.to_owned(),
        status: status.to_owned(),
        reason: reason.to_owned(),
        message: "message".to_owned(),
        observed_generation: None,
        last_transition_time: Time(Timestamp::UNIX_EPOCH),
    }
}

fn with(conditions: &[(&str, &str, &str)]) -> PracticeStatus {
    let conditions = conditions
        .iter()
        .map(|(kind, status, reason)| condition(kind, status, reason))
        .collect();
    PracticeStatus {
        conditions,
        ..PracticeStatus::default()
    }
}

fn told(prepared: &Prepared, running: &Running) -> Vec<(Severity, &'static str, String, String)> {
    let sentences = events(prepared, running, None, &PracticeStatus::default());
    let subject = |sentence: &PracticeEvent| {
        sentence
            .subject
            .as_ref()
            .map(|(kind, name)| format!("{kind} {name}"))
            .unwrap_or_default()
    };
    sentences
        .into_iter()
        .map(|said| (said.severity, said.reason, subject(&said), said.text))
        .collect()
}

#[test]
fn one_sentence_for_each_thing_done() {
    let prepared = Prepared {
        kafka_changes: vec![
            KafkaChange::Created {
                topic: "t".into(),
                partitions: 3,
            },
            KafkaChange::Grown {
                topic: "t".into(),
                from: 3,
                to: 6,
            },
            KafkaChange::Configured {
                topic: "t".into(),
                set: vec!["a=1".into(), "b=2".into()],
            },
            KafkaChange::Claimed { group: "g".into() },
            KafkaChange::StartPinned {
                group: "g".into(),
                offsets: (0..8).map(|number| (("t".to_owned(), number), 5)).collect(),
            },
        ],
        ..Prepared::default()
    };
    let running = Running {
        changes: vec![
            change(Kind::Deployment, "p-g", ChangeAction::Created),
            change(Kind::Service, "p-producer", ChangeAction::Updated),
            change(
                Kind::Deployment,
                "p-g",
                ChangeAction::Repaired {
                    by: Some("kubectl-edit".into()),
                },
            ),
            change(Kind::PodDisruptionBudget, "p-h", ChangeAction::Deleted),
        ],
        ..Running::default()
    };
    let expected: [(Severity, &str, &str, &str); 9] = [
        (
            Severity::Normal,
            "TopicCreated",
            "Topic t",
            "topic t created with 3 partitions",
        ),
        (
            Severity::Normal,
            "TopicGrown",
            "Topic t",
            "topic t grown from 3 to 6 partitions",
        ),
        (
            Severity::Normal,
            "TopicConfigured",
            "Topic t",
            "topic t configured: a=1, b=2",
        ),
        (
            Severity::Normal,
            "GroupIdClaimed",
            "ConsumerGroup g",
            "group id g claimed: no members or commits of another application",
        ),
        (
            Severity::Normal,
            "GroupStartPinned",
            "ConsumerGroup g",
            "group g starts at t/0 offset 5, t/1 offset 5, t/2 offset 5, t/3 offset 5, t/4 offset 5, t/5 offset 5 and 2 more partitions: committed before its first consumer starts (autoOffsetReset latest)",
        ),
        (
            Severity::Normal,
            "Created",
            "Deployment p-g",
            "Deployment p-g created",
        ),
        (
            Severity::Normal,
            "Updated",
            "Service p-producer",
            "Service p-producer updated to match the manifest",
        ),
        (
            Severity::Warning,
            "DriftRepaired",
            "Deployment p-g",
            "Deployment p-g was changed by kubectl-edit: reverted to match the manifest",
        ),
        (
            Severity::Normal,
            "Removed",
            "PodDisruptionBudget p-h",
            "PodDisruptionBudget p-h removed: the manifest no longer names it",
        ),
    ];
    let expected = expected
        .map(|(tone, reason, subject, text)| (tone, reason, subject.to_owned(), text.to_owned()));
    assert_eq!(told(&prepared, &running), expected);
}

#[test]
fn a_hold_is_told_when_its_number_is_written_and_not_again() {
    let row = |group: &str, deployment: &str| RunningRow {
        group: group.into(),
        deployment: deployment.into(),
        ..RunningRow::default()
    };
    for (hold, written, expected) in [
        (Hold::Stopped, true, Some("GroupStopped")),
        (Hold::Switching, true, Some("GroupSwitching")),
        (Hold::Unclaimed, true, None),
        (Hold::Stopped, false, None),
        (Hold::Switching, false, None),
    ] {
        let prepared = Prepared {
            holds: [("g".to_owned(), hold)].into(),
            ..Prepared::default()
        };
        let changed = if written { "p-g" } else { "other-p-g" };
        let running = Running {
            rows: vec![row("g", "p-g"), row("h", "other-p-g")],
            changes: vec![change(Kind::Deployment, changed, ChangeAction::Updated)],
            ..Running::default()
        };
        let reasons: Vec<&str> = told(&prepared, &running)
            .into_iter()
            .map(|(_, reason, ..)| reason)
            .collect();
        let expected: Vec<&str> = expected.into_iter().chain(["Updated"]).collect();
        assert_eq!(reasons, expected, "{hold:?} {written}");
    }
}

#[test]
fn conditions_are_told_when_they_turn() {
    type Said = (&'static str, &'static str, &'static str);
    let cases: [(&str, Option<Said>, Said, Option<(Severity, &str)>); 15] = [
        ("first", None, ("Ready", "False", "Starting"), None),
        (
            "arrived",
            Some(("Ready", "False", "Starting")),
            ("Ready", "True", "Ready"),
            Some((Severity::Normal, "Ready")),
        ),
        (
            "still",
            Some(("Ready", "True", "Ready")),
            ("Ready", "True", "Ready"),
            None,
        ),
        (
            "gone",
            Some(("Ready", "True", "Ready")),
            ("Ready", "False", "NoConsumers"),
            Some((Severity::Warning, "NotReady")),
        ),
        (
            "woken from 0 replicas",
            Some(("Ready", "True", "ScaledToZero")),
            ("Ready", "False", "Starting"),
            None,
        ),
        (
            "another reason",
            Some(("Ready", "False", "Starting")),
            ("Ready", "False", "NoConsumers"),
            None,
        ),
        (
            "refused at once",
            None,
            ("Stalled", "True", "NameConflict"),
            Some((Severity::Warning, "Stalled")),
        ),
        (
            "refused otherwise",
            Some(("Stalled", "True", "NameConflict")),
            ("Stalled", "True", "GroupConflict"),
            Some((Severity::Warning, "Stalled")),
        ),
        (
            "no longer refused",
            Some(("Stalled", "True", "NameConflict")),
            ("Stalled", "False", "Progressing"),
            None,
        ),
        (
            "down",
            Some(("KafkaReachable", "True", "Reachable")),
            ("KafkaReachable", "False", "TimedOut"),
            Some((Severity::Warning, "KafkaUnreachable")),
        ),
        (
            "up again",
            Some(("KafkaReachable", "False", "TimedOut")),
            ("KafkaReachable", "True", "Reachable"),
            Some((Severity::Normal, "KafkaReachable")),
        ),
        (
            "up from the first",
            None,
            ("KafkaReachable", "True", "Reachable"),
            None,
        ),
        (
            "topics wait",
            None,
            ("TopicsReady", "False", "Pending"),
            None,
        ),
        (
            "topics are refused",
            None,
            ("TopicsReady", "False", "TopicsNotReady"),
            Some((Severity::Warning, "TopicsNotReady")),
        ),
        (
            "one is idle",
            Some(("IdleConsumers", "False", "x")),
            ("IdleConsumers", "True", "MoreConsumersThanPartitions"),
            Some((Severity::Normal, "IdleConsumers")),
        ),
    ];
    for (what, before, after, expected) in cases {
        let before = before.map(|said| with(&[said]));
        let sentences = events(
            &Prepared::default(),
            &Running::default(),
            before.as_ref(),
            &with(&[after]),
        );
        let said: Vec<(Severity, &str)> = sentences
            .iter()
            .map(|said| (said.severity, said.reason))
            .collect();
        assert_eq!(said, expected.into_iter().collect::<Vec<_>>(), "{what}");
        assert!(
            sentences
                .iter()
                .all(|said| said.text == format!("{}: message", after.2)),
            "{what}"
        );
    }
}

#[test]
fn a_held_group_that_is_scaled_is_a_warning_that_names_who_scaled_it() {
    for (hold, by, reason, expected) in [
        (
            Hold::Stopped,
            Some("kubectl"),
            "StoppedGroupScaled",
            "kubectl scaled Deployment p-g to 2, but its group is Stopped: set back to 0, no consumer joined; to run it, set spec.groups[].state to Running",
        ),
        (
            Hold::Stopped,
            Some("kube-controller-manager"),
            "StoppedGroupScaled",
            "a HorizontalPodAutoscaler (kube-controller-manager) scaled Deployment p-g to 2, but its group is Stopped: set back to 0, no consumer joined; delete the HorizontalPodAutoscaler, or set spec.groups[].state to Running",
        ),
        (
            Hold::Stopped,
            Some("keda-operator"),
            "StoppedGroupScaled",
            "KEDA (keda-operator) scaled Deployment p-g to 2, but its group is Stopped: set back to 0, no consumer joined; pause the ScaledObject with annotation autoscaling.keda.sh/paused-replicas=0, or set spec.groups[].state to Running",
        ),
        (
            Hold::Unclaimed,
            None,
            "HeldGroupScaled",
            "an unknown client scaled Deployment p-g to 2, but its group does not own its group id: set back to 0, no consumer joined; status.groups[].hold has the reason",
        ),
    ] {
        let action = ChangeAction::ScaledBack {
            group: "g".into(),
            hold,
            from: 2,
            by: by.map(str::to_owned),
        };
        let running = Running {
            changes: vec![change(Kind::Deployment, "p-g", action)],
            ..Running::default()
        };
        let expected = (
            Severity::Warning,
            reason,
            "ConsumerGroup g".to_owned(),
            expected.to_owned(),
        );
        assert_eq!(told(&Prepared::default(), &running), [expected]);
    }
}
