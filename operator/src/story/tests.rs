//! One sentence for each decision, and none for what did not happen.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};

use super::*;
use crate::apply::RunningRow;

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

fn told(prepared: &Prepared, running: &Running) -> Vec<(Tone, &'static str, String, String)> {
    let sentences = story(prepared, running, None, &PracticeStatus::default());
    let subject = |sentence: &Sentence| {
        sentence
            .subject
            .as_ref()
            .map(|(kind, name)| format!("{kind} {name}"))
            .unwrap_or_default()
    };
    sentences
        .into_iter()
        .map(|said| (said.tone, said.reason, subject(&said), said.text))
        .collect()
}

#[test]
fn one_sentence_for_each_thing_done() {
    let prepared = Prepared {
        deeds: vec![
            Deed::Created {
                topic: "t".into(),
                partitions: 3,
            },
            Deed::Grown {
                topic: "t".into(),
                from: 3,
                to: 6,
            },
            Deed::Configured {
                topic: "t".into(),
                set: vec!["a=1".into(), "b=2".into()],
            },
            Deed::Claimed { group: "g".into() },
        ],
        ..Prepared::default()
    };
    let running = Running {
        changes: vec![
            Change::Created("Deployment p-g".into()),
            Change::Updated("Service p-producer".into()),
            Change::Repaired("Deployment p-g".into(), "kubectl-edit".into()),
            Change::Removed("PodDisruptionBudget p-h".into()),
        ],
        ..Running::default()
    };
    let expected: [(Tone, &str, &str, &str); 8] = [
        (
            Tone::Normal,
            "TopicCreated",
            "Topic t",
            "topic t created with 3 partitions",
        ),
        (
            Tone::Normal,
            "TopicGrown",
            "Topic t",
            "topic t grown from 3 to 6 partitions",
        ),
        (
            Tone::Normal,
            "TopicConfigured",
            "Topic t",
            "topic t configured: a=1, b=2",
        ),
        (
            Tone::Normal,
            "GroupClaimed",
            "ConsumerGroup g",
            "group id g is free or was this practice's before: its consumers may start",
        ),
        (
            Tone::Normal,
            "Created",
            "Deployment p-g",
            "Deployment p-g created",
        ),
        (
            Tone::Normal,
            "Updated",
            "Service p-producer",
            "Service p-producer changed as the manifest says",
        ),
        (
            Tone::Warning,
            "DriftRepaired",
            "Deployment p-g",
            "Deployment p-g had been changed by kubectl-edit and was put back",
        ),
        (
            Tone::Normal,
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
        let changed = if written {
            "Deployment p-g"
        } else {
            "Deployment other-p-g"
        };
        let running = Running {
            rows: vec![row("g", "p-g"), row("h", "other-p-g")],
            changes: vec![Change::Updated(changed.into())],
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
    let cases: [(&str, Option<Said>, Said, Option<(Tone, &str)>); 14] = [
        ("first", None, ("Ready", "False", "Starting"), None),
        (
            "arrived",
            Some(("Ready", "False", "Starting")),
            ("Ready", "True", "Ready"),
            Some((Tone::Normal, "Ready")),
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
            Some((Tone::Warning, "NotReady")),
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
            Some((Tone::Warning, "Stalled")),
        ),
        (
            "refused otherwise",
            Some(("Stalled", "True", "NameConflict")),
            ("Stalled", "True", "GroupConflict"),
            Some((Tone::Warning, "Stalled")),
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
            Some((Tone::Warning, "KafkaUnreachable")),
        ),
        (
            "up again",
            Some(("KafkaReachable", "False", "TimedOut")),
            ("KafkaReachable", "True", "Reachable"),
            Some((Tone::Normal, "KafkaReachable")),
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
            Some((Tone::Warning, "TopicsNotReady")),
        ),
        (
            "one is idle",
            Some(("IdleConsumers", "False", "x")),
            ("IdleConsumers", "True", "MoreConsumersThanPartitions"),
            Some((Tone::Normal, "IdleConsumers")),
        ),
    ];
    for (what, before, after, expected) in cases {
        let before = before.map(|said| with(&[said]));
        let sentences = story(
            &Prepared::default(),
            &Running::default(),
            before.as_ref(),
            &with(&[after]),
        );
        let said: Vec<(Tone, &str)> = sentences
            .iter()
            .map(|said| (said.tone, said.reason))
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
