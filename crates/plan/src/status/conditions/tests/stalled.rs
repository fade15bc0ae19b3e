//! Tables of what makes a practice `Stalled`, with the fix in its message; what only takes time does not.

use super::*;

#[test]
fn what_needs_somebody_stalls_and_names_the_fix() {
    type Change = fn(&mut World);
    let cases: [(&str, Change, &str, &str); 4] = [
        (
            "a name is taken",
            |w| {
                w.running.conflicts.push(ObjectName {
                    kind: Kind::Deployment,
                    name: "p-a".into(),
                });
            },
            "NameConflict",
            "Deployment p-a exists and does not belong to this practice: delete it",
        ),
        (
            "a group id is taken",
            |w| {
                drop(w.prepared.unclaimed.insert(
                    "a".into(),
                    Unclaimed::Conflict("group id a is in use: choose".into()),
                ));
            },
            "GroupConflict",
            "group id a is in use",
        ),
        (
            "a topic is another's",
            |w| {
                drop(w.prepared.refused.insert(
                    "t".into(),
                    Refusal::Conflict("topic t exists with retention.ms at `1`".into()),
                ));
            },
            "TopicConflict",
            "retention.ms",
        ),
        (
            "a topic has other copies",
            |w| w.plan.topics[0].replication_factor = 3,
            "TopicConflict",
            "topic t has replicationFactor 1, the manifest has 3: set it to 1",
        ),
    ];
    for (what, change, reason, message) in cases {
        for first in [true, false] {
            let mut world = world();
            if !first {
                world.status();
            }
            change(&mut world);
            let status = assert_said(
                &mut world,
                what,
                &[("Ready", "False", reason), ("Stalled", "True", reason)],
            );
            for kind in ["Ready", "Stalled"] {
                let said = &status.condition(kind).expect("is there").message;
                assert!(said.contains(message), "{what}: {kind} says {said}");
            }
        }
    }
}

#[test]
fn what_kafka_has_not_said_is_no_conflict() {
    let mut world = world();
    world
        .prepared
        .unclaimed
        .insert("a".into(), Unclaimed::Unknown);
    let moving = [
        ("Reconciling", "True", "Moving"),
        ("Stalled", "False", "Progressing"),
        ("Ready", "False", "Starting"),
    ];
    let status = assert_said(&mut world, "not claimed yet", &moving);
    let message = &status.condition("Reconciling").expect("is there").message;
    assert!(
        message.contains("group a is waiting for Kafka to report whether its group id is free"),
        "{message}"
    );
}

#[test]
fn of_a_spec_that_is_refused_nothing_else_is_known() {
    let mut world = world();
    let before = world.status();
    for (fault, reason) in [
        (SpecFault::NoKafka, "NoKafka"),
        (SpecFault::Illegal("spec.x is `y`".into()), "InvalidSpec"),
    ] {
        let after = conditions(
            Err(&fault),
            &Prepared::default(),
            &Running::default(),
            None,
            &before,
            Some(&before),
            Some(2),
            world.now,
        );
        let status = PracticeStatus {
            conditions: after,
            ..before.clone()
        };
        assert_eq!(said(&status, "Ready"), ("False".into(), reason.into()));
        assert_eq!(said(&status, "Stalled"), ("True".into(), reason.into()));
        assert_eq!(
            said(&status, "Reconciling"),
            ("False".into(), "Stalled".into())
        );
        for kind in [
            "KafkaReachable",
            "TopicsReady",
            "ConsumersAvailable",
            "ProducerAvailable",
            "IdleConsumers",
        ] {
            assert_eq!(
                said(&status, kind),
                ("Unknown".into(), "NotChecked".into()),
                "{kind}"
            );
        }
        assert_eq!(
            status.condition("Ready").expect("is there").message,
            fault.to_string()
        );
    }
}
