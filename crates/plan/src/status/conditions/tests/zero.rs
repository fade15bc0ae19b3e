//! Groups whose owner has set their replicas to 0: no fault, whoever the owner is and whatever the other groups do.

use serde_json::Value;

use super::*;
use crate::{
    events::{Severity, events},
    outcome::{Hold, RunningRow, Unclaimed},
};

/// A practice with these groups on one topic.
fn world_of(groups: Value) -> World {
    World::settled(json!({"topics": [{"name": "t", "partitions": 3}], "groups": groups}))
}

/// A Deployment has this many replicas, all of them ready, and the group as many members.
fn scale(world: &mut World, group: &str, replicas: i32) {
    for row in world
        .running
        .rows
        .iter_mut()
        .filter(|row| row.group == group)
    {
        (row.desired, row.ready) = (replicas, replicas);
    }
    let members = usize::try_from(replicas).expect("not negative");
    world.group(group, |seen| {
        let like = seen.members.first().cloned().unwrap_or(MemberSeen {
            member_id: "m".into(),
            client_id: "p-a-0".into(),
            host: "/h".into(),
            partitions: Some((0..3).map(|number| ("t".to_owned(), number)).collect()),
        });
        seen.members.resize(members, like);
        seen.state = if members == 0 {
            GroupState::Empty
        } else {
            GroupState::Stable
        };
    });
}

/// Severity and reason of the Events about conditions between two statuses.
fn reported(
    world: &World,
    before: &PracticeStatus,
    after: &PracticeStatus,
) -> Vec<(Severity, String)> {
    let events = events(&world.prepared, &world.running, Some(before), after);
    let each = events
        .into_iter()
        .map(|event| (event.severity, event.reason.to_owned()));
    each.collect()
}

#[test]
fn a_group_scaled_to_zero_by_its_owner_is_ready_and_no_warning() {
    for group in [json!({"name": "a"}), json!({"name": "a", "replicas": 1})] {
        let by_manifest = group.get("replicas").is_some();
        let mut world = world_of(json!([group]));
        let before = world.status();
        if by_manifest {
            world.plan.groups[0].rows[0].replicas = Some(0);
        }
        scale(&mut world, "a", 0);
        let expected = [
            ("Ready", "True", "ScaledToZero"),
            ("ConsumersAvailable", "True", "ScaledToZero"),
            ("Reconciling", "False", "Settled"),
            ("Stalled", "False", "Progressing"),
        ];
        let after = assert_said(&mut world, "scaled to 0", &expected);
        assert_eq!(
            reported(&world, &before, &after),
            [(Severity::Normal, "Ready".to_owned())]
        );
        let message = &after.condition("Ready").expect("is there").message;
        let owner = if by_manifest {
            "the manifest sets replicas to 0"
        } else {
            "the owner of its Deployment's spec.replicas"
        };
        assert!(
            message.contains("group a has 0 consumers") && message.contains(owner),
            "{message}"
        );
        assert_eq!(
            (after.groups[0].replicas, after.summary.consumers),
            (0, Some(0))
        );
        assert!(after.groups[0].is_scaled_to_zero());
    }
}

#[test]
fn a_practice_whose_group_starts_at_zero_becomes_ready() {
    let mut world = world_of(json!([{"name": "a"}]));
    scale(&mut world, "a", 0);
    world.group("a", |group| {
        *group = practice_groups::GroupSeen {
            state: GroupState::Absent,
            committed: Some(practice_groups::ByPartition::default()),
            ..practice_groups::GroupSeen::default()
        }
    });
    assert_said(
        &mut world,
        "never had a consumer",
        &[("Ready", "True", "ScaledToZero")],
    );
}

#[test]
fn the_other_groups_decide() {
    let two = || world_of(json!([{"name": "a"}, {"name": "b", "replicas": 1}]));
    let mut world = two();
    world.status();
    scale(&mut world, "a", 0);
    let expected = [
        ("Ready", "True", "Ready"),
        ("ConsumersAvailable", "True", "EveryGroupHasConsumers"),
    ];
    let status = assert_said(&mut world, "b runs", &expected);
    let message = &status.condition("Ready").expect("is there").message;
    assert!(message.contains("group a has 0 consumers"), "{message}");

    ready_consumers(&mut world, "p-b", 0);
    let expected = [
        ("Ready", "False", "NoConsumers"),
        ("ConsumersAvailable", "False", "GroupWithoutConsumers"),
    ];
    let status = assert_said(&mut world, "b has lost its consumer", &expected);
    let message = &status.condition("Ready").expect("is there").message;
    assert_eq!(message, "no consumer is ready in b");

    // a stopped group does not run either
    let mut world = two();
    world.status();
    scale(&mut world, "a", 0);
    scale(&mut world, "b", 0);
    world.plan.groups[1].stopped = true;
    world.prepared.holds.insert("b".into(), Hold::Stopped);
    assert_said(
        &mut world,
        "b is stopped",
        &[("Ready", "True", "ScaledToZero")],
    );
    // and neither alone is a group that was scaled to 0
    let mut world = two();
    for group in &mut world.plan.groups {
        group.stopped = true;
        world.prepared.holds.insert(group.id.clone(), Hold::Stopped);
    }
    scale(&mut world, "a", 0);
    scale(&mut world, "b", 0);
    assert_said(
        &mut world,
        "both are stopped",
        &[("Ready", "True", "Ready")],
    );
}

#[test]
fn a_variant_that_runs_makes_its_group_run() {
    let mut world = world_of(json!([{"name": "a", "variants": [{"name": "v", "replicas": 1}]}]));
    world.status();
    world.running.rows[0] = RunningRow {
        desired: 0,
        ready: 0,
        ..world.running.rows[0].clone()
    };
    group_has(&mut world, "a", 1);
    assert_said(&mut world, "v runs", &[("Ready", "True", "Ready")]);
    ready_consumers(&mut world, "p-a-v", 0);
    assert_said(
        &mut world,
        "v does not run",
        &[("Ready", "False", "NoConsumers")],
    );
}

#[test]
fn a_group_that_is_woken_starts_without_a_warning() {
    let mut world = world_of(json!([{"name": "a"}, {"name": "b", "replicas": 1}]));
    scale(&mut world, "a", 0);
    let before = world.status();
    world.running.rows[0].desired = 1;
    for poll in ["first", "second"] {
        let after = assert_said(&mut world, poll, &[("Ready", "False", "Starting")]);
        assert_eq!(reported(&world, &before, &after), [], "{poll}");
    }
    ready_consumers(&mut world, "p-b", 0);
    let after = assert_said(
        &mut world,
        "another group fails meanwhile",
        &[("Ready", "False", "NoConsumers")],
    );
    assert_eq!(
        reported(&world, &before, &after),
        [(Severity::Warning, "NotReady".to_owned())]
    );
    ready_consumers(&mut world, "p-b", 1);
    scale(&mut world, "a", 1);
    assert_said(&mut world, "it runs", &[("Ready", "True", "Ready")]);
    ready_consumers(&mut world, "p-a", 0);
    assert_said(
        &mut world,
        "it had a consumer",
        &[("Ready", "False", "NoConsumers")],
    );
}

#[test]
fn partitions_without_an_owner_are_no_warning_where_no_consumer_is_wanted() {
    for (held, severity) in [
        (None, Severity::Normal),
        (Some(Hold::Stopped), Severity::Normal),
        (Some(Hold::Unclaimed), Severity::Warning),
    ] {
        let mut world = world_of(json!([{"name": "a"}]));
        scale(&mut world, "a", 0);
        world.plan.groups[0].stopped = held == Some(Hold::Stopped);
        if let Some(hold) = held {
            world.prepared.holds.insert("a".into(), hold);
        }
        let before = world.status();
        let age = std::time::Duration::from_mins(1);
        let unassigned = practice_groups::PartitionHealth::Unassigned { age };
        let health = practice_groups::GroupHealth {
            partitions: [(("t".to_owned(), 0), unassigned)].into(),
            ..practice_groups::GroupHealth::default()
        };
        world.observed.health.insert("a".into(), health);
        let after = world.status();
        assert_eq!(
            reported(&world, &before, &after),
            [(severity, "GroupPartitionsUnassigned".to_owned())],
            "{held:?}"
        );
    }
}

#[test]
fn a_group_that_the_operator_keeps_at_zero_is_not_scaled_to_zero() {
    type Change = fn(&mut World);
    let deployment = || ObjectName {
        kind: Kind::Deployment,
        name: "p-a".into(),
    };
    let cases: [(&str, Change, &str); 3] = [
        (
            "its group id is pending",
            |w| {
                w.prepared.unclaimed.insert("a".into(), Unclaimed::Unknown);
                w.prepared.holds.insert("a".into(), Hold::Unclaimed);
            },
            "GroupIdPending",
        ),
        (
            "its protocol changes",
            |w| {
                w.prepared.holds.insert("a".into(), Hold::Switching);
            },
            "ProtocolChanging",
        ),
        (
            "a Deployment of a former practice is being deleted",
            |w| w.running.rows.clear(),
            "DeploymentDeleting",
        ),
    ];
    for (what, change, hold) in cases {
        let mut world = world_of(json!([{"name": "a"}]));
        scale(&mut world, "a", 0);
        change(&mut world);
        if world.running.rows.is_empty() {
            world.running.leaving.push(deployment());
        }
        let status = assert_said(&mut world, what, &[("Ready", "False", "NoConsumers")]);
        let held = status.groups[0].hold.as_ref().map(|it| it.reason.as_str());
        assert_eq!(held, Some(hold), "{what}");
    }
    let mut world = world_of(json!([{"name": "a"}]));
    scale(&mut world, "a", 0);
    world.running.rows.clear();
    world.running.conflicts.push(deployment());
    let status = assert_said(
        &mut world,
        "its Deployment's name is taken",
        &[("Ready", "False", "NameConflict")],
    );
    assert!(!status.groups[0].is_scaled_to_zero());
}
