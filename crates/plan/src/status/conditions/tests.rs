//! Tables of when each condition is what, with which reason; what turns it, what does not.

use practice_groups::{GroupState, KafkaError, MemberSeen, TopicSeen, at, owned};
use serde_json::json;

use super::*;
use crate::{
    outcome::{Kind, ObjectName},
    testing::World,
};

mod zero;

fn world() -> World {
    World::settled(json!({"topics": [{"name": "t", "partitions": 3}],
        "groups": [{"name": "a", "replicas": 2}, {"name": "b", "replicas": 1}]}))
}

/// Status and reason of a condition.
fn said(status: &PracticeStatus, kind: &str) -> (String, String) {
    let condition = status
        .condition(kind)
        .unwrap_or_else(|| panic!("{kind} is missing"));
    (condition.status.clone(), condition.reason.clone())
}

fn assert_said(world: &mut World, what: &str, expected: &[(&str, &str, &str)]) -> PracticeStatus {
    let status = world.status();
    for (kind, value, reason) in expected {
        let message = &status.condition(kind).expect("is there").message;
        assert_eq!(
            said(&status, kind),
            ((*value).to_owned(), (*reason).to_owned()),
            "{what}: {kind}: {message}"
        );
    }
    status
}

fn group_has(world: &mut World, id: &str, members: usize) {
    world.group(id, |group| {
        let like = MemberSeen {
            member_id: "m".into(),
            client_id: "x".into(),
            host: "/h".into(),
            partitions: None,
        };
        group.members.resize(members, like);
        group.state = if members == 0 {
            GroupState::Empty
        } else {
            GroupState::Stable
        };
    });
}

/// As between the two rebalances of the cooperative protocol.
fn lose_one(member: &mut MemberSeen) {
    let partitions = member.partitions.as_mut().expect("it is assigned");
    let last = owned(partitions.keys().last().expect("it owns one"));
    partitions.retain(|partition, ()| partition != at(&last));
}

fn ready_consumers(world: &mut World, deployment: &str, ready: i32) {
    world
        .running
        .rows
        .iter_mut()
        .find(|row| row.deployment == deployment)
        .expect("runs")
        .ready = ready;
}

#[test]
fn what_is_settled_is_ready() {
    let status = assert_said(
        &mut world(),
        "settled",
        &[
            ("Ready", "True", "Ready"),
            ("KafkaReachable", "True", "Reachable"),
            ("TopicsReady", "True", "AllTopicsReady"),
            ("ConsumersAvailable", "True", "EveryGroupHasConsumers"),
            ("ProducerAvailable", "True", "Available"),
            ("Reconciling", "False", "Settled"),
            ("Stalled", "False", "Progressing"),
            ("IdleConsumers", "False", "EveryConsumerHasPartitions"),
        ],
    );
    let order: Vec<&str> = status
        .conditions
        .iter()
        .map(|condition| condition.type_.as_str())
        .collect();
    assert_eq!(order, KINDS);
    assert!(
        status
            .conditions
            .iter()
            .all(|condition| condition.observed_generation == Some(1))
    );
}

#[test]
fn ready_waits_until_everything_has_arrived_once() {
    type Change = fn(&mut World);
    let cases: [(&str, Change, &str); 10] = [
        (
            "a partition waits for the second rebalance",
            |w| w.group("a", |g| lose_one(&mut g.members[0])),
            "Starting",
        ),
        ("a member is missing", |w| group_has(w, "a", 1), "Starting"),
        ("a member too many", |w| group_has(w, "a", 3), "Starting"),
        ("no members at all", |w| group_has(w, "b", 0), "Starting"),
        (
            "a group rebalances",
            |w| w.group("a", |g| g.state = GroupState::PreparingRebalance),
            "Starting",
        ),
        (
            "a group cannot be described",
            |w| w.group("a", |g| *g = practice_groups::GroupSeen::default()),
            "Starting",
        ),
        (
            "the producer is starting",
            |w| w.running.producer = Some(false),
            "Starting",
        ),
        (
            "no pod of a group is ready",
            |w| ready_consumers(w, "p-b", 0),
            "NoConsumers",
        ),
        (
            "a topic is missing",
            |w| w.kafka(|s| drop(s.topics.insert("t".into(), TopicSeen::Missing))),
            "TopicsNotReady",
        ),
        (
            "Kafka is down",
            |w| w.outage(KafkaError::Refused),
            "KafkaUnreachable",
        ),
    ];
    for (what, change, reason) in cases {
        let mut world = world();
        change(&mut world);
        assert_said(&mut world, what, &[("Ready", "False", reason)]);
    }
}

#[test]
fn scaling_and_a_lost_producer_leave_it_ready() {
    type Change = fn(&mut World);
    let cases: [(&str, Change, (&str, &str, &str)); 5] = [
        (
            "more replicas are wanted",
            |w| w.running.rows[0].desired = 4,
            ("Reconciling", "True", "Moving"),
        ),
        (
            "members join",
            |w| w.group("a", |g| g.state = GroupState::PreparingRebalance),
            ("Reconciling", "True", "Moving"),
        ),
        (
            "a member is gone",
            |w| group_has(w, "a", 1),
            ("Reconciling", "True", "Moving"),
        ),
        (
            "one of two pods is not ready",
            |w| ready_consumers(w, "p-a", 1),
            ("ConsumersAvailable", "True", "EveryGroupHasConsumers"),
        ),
        (
            "the producer is lost",
            |w| w.running.producer = Some(false),
            ("ProducerAvailable", "False", "Unavailable"),
        ),
    ];
    for (what, change, other) in cases {
        let mut world = world();
        let before = world.status();
        change(&mut world);
        let after = assert_said(&mut world, what, &[("Ready", "True", "Ready"), other]);
        let [was, is] = [&before, &after].map(|status| {
            &status
                .condition("Ready")
                .expect("is there")
                .last_transition_time
        });
        assert_eq!(was, is, "{what}: it did not turn");
    }
}

#[test]
fn what_was_ready_is_not_when_something_is_gone() {
    type Change = fn(&mut World);
    let cases: [(&str, Change, &str, &str, (&str, &str)); 10] = [
        (
            "no pod of a group is ready",
            |w| ready_consumers(w, "p-b", 0),
            "NoConsumers",
            "ConsumersAvailable",
            ("False", "GroupWithoutConsumers"),
        ),
        (
            "Kafka refuses",
            |w| w.outage(KafkaError::Refused),
            "KafkaUnreachable",
            "KafkaReachable",
            ("False", "ConnectionRefused"),
        ),
        (
            "Kafka is silent",
            |w| w.outage(KafkaError::TimedOut),
            "KafkaUnreachable",
            "KafkaReachable",
            ("False", "TimedOut"),
        ),
        (
            "Kafka cannot be found",
            |w| w.outage(KafkaError::Unreachable),
            "KafkaUnreachable",
            "KafkaReachable",
            ("False", "Unreachable"),
        ),
        (
            "Kafka says no",
            |w| w.outage(KafkaError::Authentication),
            "KafkaUnreachable",
            "KafkaReachable",
            ("False", "AuthenticationFailed"),
        ),
        (
            "it is no Kafka",
            |w| w.outage(KafkaError::Protocol("HTTP".into())),
            "KafkaUnreachable",
            "KafkaReachable",
            ("False", "NotKafka"),
        ),
        (
            "a topic is gone",
            |w| w.kafka(|s| drop(s.topics.insert("t".into(), TopicSeen::Missing))),
            "TopicsNotReady",
            "TopicsReady",
            ("False", "TopicsNotReady"),
        ),
        (
            "a topic is refused for good",
            |w| {
                drop(
                    w.prepared
                        .refused
                        .insert("t".into(), Refusal::Refused("too many copies".into())),
                );
            },
            "TopicRefused",
            "TopicsReady",
            ("False", "TopicsNotReady"),
        ),
        (
            "a topic is denied",
            |w| {
                drop(
                    w.prepared
                        .refused
                        .insert("t".into(), Refusal::Denied("Create".into())),
                );
            },
            "AuthorizationFailed",
            "Stalled",
            ("True", "AuthorizationFailed"),
        ),
        (
            "a topic is not ready this time",
            |w| {
                drop(
                    w.prepared
                        .refused
                        .insert("t".into(), Refusal::Failed("no leader yet".into())),
                );
            },
            "TopicsNotReady",
            "TopicsReady",
            ("False", "TopicsNotReady"),
        ),
    ];
    for (what, change, reason, kind, (value, because)) in cases {
        let mut world = world();
        assert_said(&mut world, "at first", &[("Ready", "True", "Ready")]);
        let unchanged = world.now;
        change(&mut world);
        let after = assert_said(
            &mut world,
            what,
            &[("Ready", "False", reason), (kind, value, because)],
        );
        assert_eq!(
            after
                .condition("Ready")
                .expect("is there")
                .last_transition_time
                .0,
            unchanged,
            "{what}: it turned now"
        );
    }
}

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
fn a_group_that_does_not_tell_who_owns_what_is_not_said_to_own_nothing() {
    let mut world = world();
    let taken = Unclaimed::Conflict("group id b is in use".into());
    world.prepared.unclaimed.insert("b".into(), taken);
    world
        .running
        .rows
        .iter_mut()
        .filter(|row| row.group == "b")
        .for_each(|row| row.desired = 0);
    world.group("b", |group| {
        group.state = GroupState::PreparingRebalance;
        group.members[0].partitions = None;
    });
    let status = assert_said(
        &mut world,
        "others' members rebalance",
        &[("Reconciling", "True", "Moving")],
    );
    let message = &status.condition("Reconciling").expect("is there").message;
    assert_eq!(
        message,
        "the broker has not reported partition assignments of group b yet"
    );
}

#[test]
fn who_is_in_a_group_and_is_none_of_its_pods_is_named() {
    for (members, says) in [
        (
            3,
            "group a has 3 members, expected 2: member x does not belong to this practice",
        ),
        (
            4,
            "group a has 4 members, expected 2: member x and 1 more do not belong to this practice",
        ),
    ] {
        let mut world = world();
        group_has(&mut world, "a", members);
        let status = assert_said(
            &mut world,
            "a stranger",
            &[("Reconciling", "True", "Moving")],
        );
        assert_eq!(
            status.condition("Reconciling").expect("is there").message,
            says
        );
    }
}

#[test]
fn a_group_without_consumers_is_fine_where_none_are_wanted() {
    for (group, reason) in [
        (json!({"name": "a", "replicas": 0}), "ScaledToZero"),
        (
            json!({"name": "a", "replicas": 2, "state": "Stopped"}),
            "Ready",
        ),
    ] {
        let mut world = World::settled(json!({"topics": [{"name": "t"}], "groups": [group]}));
        world.running.rows[0].desired = 0;
        ready_consumers(&mut world, "p-a", 0);
        group_has(&mut world, "a", 0);
        assert_said(
            &mut world,
            "none wanted",
            &[
                ("Ready", "True", reason),
                ("Reconciling", "False", "Settled"),
            ],
        );
    }
    let mut world =
        World::settled(json!({"topics": [{"name": "t"}], "producer": {"enabled": false}}));
    let none = [
        ("Ready", "True", "Ready"),
        ("ProducerAvailable", "False", "Disabled"),
    ];
    assert_said(&mut world, "no group, no producer", &none);
}

#[test]
fn kubernetes_own_reason_is_told() {
    let mut world = world();
    ready_consumers(&mut world, "p-b", 0);
    world.running.refusals.push("exceeded quota: pods".into());
    let status = world.status();
    let message = &status
        .condition("ConsumersAvailable")
        .expect("is there")
        .message;
    assert_eq!(message, "no consumer is ready in b: exceeded quota: pods");
}

#[test]
fn idle_consumers_are_information() {
    let mut world = World::settled(
        json!({"topics": [{"name": "t", "partitions": 3}], "groups": [{"name": "a", "replicas": 4}]}),
    );
    world.observed.idle.insert(("a".into(), "p-a-3-id".into()));
    let expected = [
        ("IdleConsumers", "True", "MoreConsumersThanPartitions"),
        ("Ready", "True", "Ready"),
        ("Stalled", "False", "Progressing"),
    ];
    let status = assert_said(&mut world, "one idle", &expected);
    let message = &status.condition("IdleConsumers").expect("is there").message;
    assert_eq!(message, "p-a-3 of a: 3 partitions, 4 consumers: 1 waits");
}

#[test]
fn a_time_is_kept_until_the_status_turns() {
    let mut world = world();
    let first = world.status();
    let again = world.status();
    assert_eq!(first, again, "nothing turned, nothing differs");
    world.outage(KafkaError::Refused);
    let down = world.status();
    world.outage(KafkaError::TimedOut);
    let silent = world.status();
    let time = |status: &PracticeStatus, kind: &str| {
        status
            .condition(kind)
            .expect("is there")
            .last_transition_time
            .0
    };
    assert!(time(&down, "KafkaReachable") > time(&first, "KafkaReachable"));
    assert_eq!(
        time(&down, "KafkaReachable"),
        time(&silent, "KafkaReachable"),
        "another reason is no turn"
    );
    assert_eq!(
        time(&down, "ProducerAvailable"),
        time(&first, "ProducerAvailable")
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

#[test]
fn a_message_fits_the_api() {
    let mut world = world();
    world.running.conflicts = (0..200)
        .map(|n| ObjectName {
            kind: Kind::Deployment,
            name: format!("with-a-long-name-{n}"),
        })
        .collect();
    let status = world.status();
    assert!(
        status
            .conditions
            .iter()
            .all(|condition| condition.message.len() <= 32_768),
        "metav1.Condition"
    );
}
