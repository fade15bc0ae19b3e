//! Members: their order, their state, and partitions that the broker has not reported.

use super::*;
use crate::picture::members::MISSING;

#[test]
fn members_keep_their_order_and_new_ones_are_last() {
    let mut world = World::calm();
    let before = world.draw(None);
    world.now += 1_000;
    world
        .group("g")
        .members
        .insert(0, group(&[("a-0", &[1])]).members.remove(0));
    world.group("g").members[1].partitions = Some(vec![("t".to_owned(), 0)].into());
    let after = world.draw(Some(&before));
    assert_eq!(
        members(&after, "g"),
        ["g-0 Running 0", "g-1 Running 2", "a-0 Running 1"]
    );
}

#[test]
fn members_without_a_reported_assignment_keep_the_previous_one() {
    let rebalances = |world: &mut World| {
        world.now += 1_000;
        world.group("g").state = GroupState::PreparingRebalance;
        world
            .group("g")
            .members
            .iter_mut()
            .for_each(|member| member.partitions = None);
    };
    let open = |picture: &Picture| {
        picture.groups[0]
            .open
            .iter()
            .map(|share| share.partition)
            .collect::<Vec<_>>()
    };
    let mut world = World::calm();
    let calm = world.draw(None);
    rebalances(&mut world);
    let moving = world.draw(Some(&calm));
    assert_eq!(
        (members(&moving, "g"), open(&moving)),
        (members(&calm, "g"), vec![])
    );
    let first = &moving.groups[0].members[0];
    assert_eq!(
        (first.lag, first.partitions[0].lag, first.partition_count),
        (None, Some(2), 2)
    );
    // one member has left, and a new one waits, for two polls
    world.group("g").members[0] = group(&[("a-0", &[])]).members.remove(0);
    rebalances(&mut world);
    let mut after = world.draw(Some(&moving));
    for _ in 0..2 {
        assert_eq!(
            (members(&after, "g"), open(&after)),
            (
                vec!["g-1 Running 2".into(), "a-0 Running ".into()],
                vec![0, 1]
            )
        );
        world.now += 1_000;
        after = world.draw(Some(&after));
    }
    // without a state before, the assignment is unknown: no partition counts as open
    let blind = world.draw(None);
    assert_eq!(
        (members(&blind, "g"), open(&blind)),
        (vec!["a-0 Running ".into(), "g-1 Running ".into()], vec![])
    );
    assert_eq!(open(&world.draw(Some(&blind))), [0; 0]);
    // once one assignment is reported, other members do not keep its partitions
    world.group("g").members[0].partitions = Some(vec![("t".to_owned(), 2)].into());
    let reported = world.draw(Some(&after));
    assert_eq!(
        (members(&reported, "g"), open(&reported)),
        (
            vec!["g-1 Running ".into(), "a-0 Running 2".into()],
            vec![0, 1]
        )
    );
}

#[test]
fn without_kafka_members_stay_and_lag_is_unknown() {
    let mut world = World::calm();
    let before = world.draw(None);
    world.kafka_is_gone();
    let after = world.draw(Some(&before));
    assert_eq!(members(&after, "g"), ["g-0 Running 01", "g-1 Running 2"]);
    assert_eq!(
        (
            after.groups[0].state.as_str(),
            after.groups[0].members[0].lag
        ),
        ("Unknown", None)
    );
    assert_eq!(
        after.groups[0].members[0].partitions[0]
            .lag_reason
            .as_deref(),
        Some("Unknown")
    );
    assert_eq!(
        (after.partitions, after.kafka.brokers),
        (before.partitions, before.kafka.brokers)
    );
}

#[test]
fn a_member_without_a_pod_is_killed_after_a_while() {
    let mut world = World::calm();
    let before = world.draw(None);
    world.consumers.retain(|consumer| consumer.name != "g-1");
    world.now += 1_000;
    let missing = world.draw(Some(&before));
    assert_eq!(
        (members(&missing, "g")[1].as_str(), missing.ripens),
        ("g-1 Running 2", true)
    );
    world.now += MISSING;
    let killed = world.draw(Some(&missing));
    assert_eq!(
        (members(&killed, "g")[1].as_str(), killed.ripens),
        ("g-1 Killed 2", false)
    );
    assert_eq!(
        killed.groups[0].members[1].since, 101_000,
        "since its process is missing"
    );
    let other_groups = {
        World {
            consumers: Vec::new(),
            ..World::calm()
        }
    };
    let drawn = other_groups.draw(Some(&other_groups.draw(None)));
    assert_eq!(
        (members(&drawn, "g")[1].as_str(), drawn.ripens),
        ("g-1 Running 2", false),
        "it belongs to another application"
    );
}

#[test]
fn the_older_of_two_members_of_one_name_is_killed() {
    let mut world = World::calm();
    let before = world.draw(None);
    world.now += 1_000;
    let mut newcomer = group(&[("g-1", &[])]).members.remove(0);
    newcomer.member_id = "another-id".to_owned();
    world.group("g").members.insert(0, newcomer);
    let after = world.draw(Some(&before));
    assert_eq!(
        members(&after, "g"),
        ["g-0 Running 01", "g-1 Killed 2", "g-1 Running "]
    );
    // and where its process started later, before the new member has joined
    let mut world = World::calm();
    let before = world.draw(None);
    world.now += 1_000;
    world.consumers[1].started = Some(world.now);
    assert_eq!(members(&world.draw(Some(&before)), "g")[1], "g-1 Killed 2");
}

#[test]
fn a_suspended_consumer_is_paused_and_then_left() {
    let mut world = World::calm();
    world.consumers[1].state = ConsumerState::Paused;
    world.consumers[1].since = Some(99_000);
    let paused = world.draw(None);
    assert_eq!(
        (
            members(&paused, "g")[1].as_str(),
            paused.groups[0].members[1].since
        ),
        ("g-1 Paused 2", 99_000)
    );
    world.group("g").members.pop();
    world.now += 10_000;
    let left = world.draw(Some(&paused));
    let member = &left.groups[0].members[1];
    assert_eq!(
        (
            members(&left, "g")[1].as_str(),
            &member.member_id,
            member.since
        ),
        ("g-1 Left ", &None, 110_000)
    );
}
