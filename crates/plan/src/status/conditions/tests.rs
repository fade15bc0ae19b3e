//! Tables of when each condition is what, with which reason; what turns it, what does not.

use practice_groups::{GroupState, KafkaError, MemberSeen, TopicSeen, at, owned};
use serde_json::json;

use super::*;
use crate::{
    outcome::{Kind, ObjectName},
    testing::World,
};

mod ready;
mod stalled;
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
