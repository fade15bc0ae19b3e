//! Expectations, each with observations that meet it and observations that do not.

use practice_api::status::{
    GroupHold, GroupStatus, Member, OwnedPartition, PracticeStatus, RebalanceStatus, TopicStatus,
};
use practice_contract::handled::{Handled, HandledRange};
use serde_json::{Value, json};

use super::*;
use crate::observation::Answer;

/// A group `g` of the topic `t`: for each member the partitions with committed offset and end.
fn group(members: &[&[(i32, i64, i64)]]) -> GroupStatus {
    let member = |(index, owned): (usize, &&[(i32, i64, i64)])| {
        let partitions = owned
            .iter()
            .map(|(partition, committed, end)| OwnedPartition {
                topic: "t".to_owned(),
                partition: *partition,
                committed: Some(*committed),
                end: Some(*end),
                lag: Some(end - committed),
                ..OwnedPartition::default()
            });
        let partitions: Vec<OwnedPartition> = partitions.collect();
        Member {
            name: format!("g-{index}"),
            partition_count: i32::try_from(partitions.len()).expect("few"),
            partitions,
            ..Member::default()
        }
    };
    let members: Vec<Member> = members.iter().enumerate().map(member).collect();
    let replicas = i32::try_from(members.len()).expect("few");
    let idle = members
        .iter()
        .filter(|member| member.partition_count == 0)
        .count();
    GroupStatus {
        name: "g".to_owned(),
        replicas,
        ready_replicas: replicas,
        idle: i32::try_from(idle).ok(),
        lag: members
            .iter()
            .flat_map(|member| &member.partitions)
            .map(|own| own.lag)
            .sum(),
        members,
        ..GroupStatus::default()
    }
}

/// An observation of it, with what its consumers have handled: consumer, partition, first and last offset.
fn seen(at: i64, group: GroupStatus, handled: &[(&str, i32, i64, i64)]) -> Observation {
    let partitions = group.shares().count();
    let range = |(consumer, partition, from, to): &(&str, i32, i64, i64)| Handled {
        instance: (*consumer).to_owned(),
        group: "g".to_owned(),
        started_at: 0,
        known_since: 0,
        ranges: vec![HandledRange {
            topic: "t".to_owned(),
            partition: *partition,
            from: *from,
            to: *to,
            count: from.abs_diff(*to) + 1,
            produced_at: None,
            taken_at: at,
            done_at: at,
            committed_at: None,
        }],
        more: false,
    };
    Observation {
        at,
        status: PracticeStatus {
            topics: vec![TopicStatus {
                name: "t".to_owned(),
                partitions: i32::try_from(partitions).ok(),
                ..TopicStatus::default()
            }],
            groups: vec![group],
            ..PracticeStatus::default()
        },
        handled: handled.iter().map(range).collect(),
        answers: vec![Answer {
            status: 200,
            count: at.unsigned_abs(),
        }],
    }
}

#[track_caller]
fn assert_met(met: bool, expectation: Value, since: &Observation, now: &Observation) {
    let expectation: Expectation = serde_json::from_value(expectation).expect("an expectation");
    let found = expectation.evaluate(since, now);
    assert_eq!(found.met, met, "{expectation:?}: {}", found.evidence);
}

#[test]
fn members_and_their_partitions() {
    let idle = seen(1, group(&[&[(0, 0, 0)], &[(1, 0, 0)], &[]]), &[]);
    let unequal = seen(1, group(&[&[(0, 0, 0), (1, 0, 0)], &[(2, 0, 0)]]), &[]);
    for (met, expectation, now) in [
        (
            true,
            json!({"consumers": {"group": "g", "count": 3}}),
            &idle,
        ),
        (
            false,
            json!({"consumers": {"group": "g", "count": 2}}),
            &idle,
        ),
        (
            false,
            json!({"consumers": {"group": "h", "count": 3}}),
            &idle,
        ),
        (true, json!({"idle": {"group": "g", "count": 1}}), &idle),
        (false, json!({"idle": {"group": "g", "count": 0}}), &idle),
        (true, json!({"shared": {"group": "g", "most": 1}}), &idle),
        (
            false,
            json!({"shared": {"group": "g", "most": 1}}),
            &unequal,
        ),
        (true, json!({"shared": {"group": "g", "most": 2}}), &unequal),
        (
            true,
            json!({"partitions": {"topic": "t", "count": 3}}),
            &unequal,
        ),
        (
            false,
            json!({"partitions": {"topic": "t", "count": 4}}),
            &unequal,
        ),
        (false, json!({"stopped": {"group": "g"}}), &unequal),
    ] {
        assert_met(met, expectation, now, now);
    }
    let mut unstable = group(&[&[(0, 0, 0)]]);
    unstable.idle = None;
    let unstable = seen(1, unstable, &[]);
    assert_met(
        false,
        json!({"idle": {"group": "g", "count": 0}}),
        &unstable,
        &unstable,
    );
    let mut stopped = group(&[]);
    stopped.hold = Some(GroupHold {
        reason: "Stopped".to_owned(),
        message: String::new(),
    });
    let stopped = seen(1, stopped, &[]);
    assert_met(true, json!({"stopped": {"group": "g"}}), &stopped, &stopped);
}

#[test]
fn handled_exactly_once() {
    let before = seen(10, group(&[&[(0, 5, 5)], &[(1, 2, 2)]]), &[("a", 0, 0, 4)]);
    let after =
        |handled: &[(&str, i32, i64, i64)]| seen(20, group(&[&[(0, 8, 8)], &[(1, 3, 3)]]), handled);
    let expected = json!({"handled": {"topic": "t", "atLeast": 4}});
    for (met, handled) in [
        (true, &[("a", 0, 5, 7), ("b", 1, 2, 2)][..]),
        // a range that began before the step
        (true, &[("a", 0, 3, 7), ("b", 1, 2, 2)]),
        // two consumers, one after the other
        (true, &[("a", 0, 5, 6), ("b", 0, 7, 7), ("b", 1, 2, 2)]),
        // what arrived later than the status does not count
        (true, &[("a", 0, 5, 9), ("b", 1, 2, 2)]),
        (false, &[("a", 0, 5, 7)]),
        (false, &[("a", 0, 5, 5), ("a", 0, 7, 7), ("b", 1, 2, 2)]),
        (false, &[("a", 0, 5, 7), ("c", 0, 7, 7), ("b", 1, 2, 2)]),
        (false, &[]),
    ] {
        assert_met(met, expected.clone(), &before, &after(handled));
    }
    let once = after(&[("a", 0, 5, 7), ("b", 1, 2, 2)]);
    for (met, expectation) in [
        (false, json!({"handled": {"topic": "t", "atLeast": 5}})),
        (
            true,
            json!({"handled": {"topic": "t", "partition": 0, "atLeast": 3}}),
        ),
        (
            false,
            json!({"handled": {"topic": "t", "partition": 1, "atLeast": 3}}),
        ),
        (
            false,
            json!({"handled": {"topic": "t", "groups": ["h"], "atLeast": 1}}),
        ),
        (false, json!({"handled": {"topic": "u", "atLeast": 0}})),
        (
            false,
            json!({"handled": {"topic": "t", "from": "Start", "atLeast": 4}}),
        ),
        (
            true,
            json!({"spread": {"topic": "t", "partitions": 2, "atLeast": 4}}),
        ),
        (
            false,
            json!({"spread": {"topic": "t", "partitions": 1, "atLeast": 4}}),
        ),
        (
            true,
            json!({"arrived": {"topic": "t", "partition": 0, "atLeast": 3}}),
        ),
        (
            false,
            json!({"arrived": {"topic": "t", "partition": 1, "atLeast": 2}}),
        ),
        (
            true,
            json!({"readers": {"group": "g", "topic": "t", "count": 2}}),
        ),
        (
            false,
            json!({"readers": {"group": "g", "topic": "t", "count": 1}}),
        ),
        (
            true,
            json!({"ordered": {"group": "g", "topic": "t", "atLeast": 4}}),
        ),
        (
            false,
            json!({"ordered": {"group": "g", "topic": "t", "atLeast": 5}}),
        ),
    ] {
        assert_met(met, expectation, &before, &once);
    }
    let earlier = after(&[("a", 0, 3, 7), ("b", 1, 2, 2)]);
    for (met, at_least) in [(true, 4), (false, 5)] {
        let expected = json!({"ordered": {"group": "g", "topic": "t", "atLeast": at_least}});
        assert_met(met, expected, &before, &earlier);
    }
    let from_start = after(&[("a", 0, 0, 7), ("b", 1, 0, 2)]);
    let expected = json!({"handled": {"topic": "t", "from": "Start", "atLeast": 11}});
    assert_met(true, expected, &before, &from_start);
}

#[test]
fn a_new_partition_begins_at_0() {
    let before = seen(10, group(&[&[(0, 5, 5)]]), &[]);
    let after = seen(20, group(&[&[(0, 5, 5), (1, 2, 2)]]), &[("a", 1, 0, 1)]);
    assert_met(
        true,
        json!({"handled": {"topic": "t", "atLeast": 2}}),
        &before,
        &after,
    );
}

#[test]
fn what_is_handled_again_out_of_order_or_never() {
    let before = seen(10, group(&[&[(0, 5, 6)]]), &[]);
    let resumed = seen(20, group(&[&[(0, 6, 6)]]), &[("b", 0, 5, 5)]);
    let again = seen(20, group(&[&[(0, 6, 6)]]), &[("b", 0, 4, 5)]);
    let skipped = seen(20, group(&[&[(0, 9, 9)]]), &[("b", 0, 6, 6)]);
    let late = json!({"handled": {"topic": "t", "from": "Committed", "atLeast": 1}});
    let twice = json!({"handledAgain": {"group": "g", "topic": "t"}});
    assert_met(true, late.clone(), &before, &resumed);
    assert_met(false, twice.clone(), &before, &resumed);
    assert_met(true, late, &before, &again);
    assert_met(true, twice, &before, &again);
    for (met, at_least) in [(true, 2), (false, 3)] {
        let expected = json!({"skipped": {"group": "g", "topic": "t", "atLeast": at_least}});
        assert_met(met, expected, &before, &skipped);
    }
    let mut disorder = seen(
        20,
        group(&[&[(0, 8, 8)]]),
        &[("a", 0, 7, 7), ("b", 0, 6, 6)],
    );
    disorder.handled[1].ranges[0].taken_at = 21;
    let ordered = json!({"ordered": {"group": "g", "topic": "t", "atLeast": 1}});
    assert_met(false, ordered, &before, &disorder);
}

#[test]
fn lag_rebalances_and_answers() {
    let before = seen(10, group(&[&[(0, 5, 5)], &[(1, 0, 0)]]), &[]);
    let mut after = seen(20, group(&[&[(0, 5, 8)], &[(1, 0, 0)]]), &[]);
    let rebalance = |number, cause: &str, ms| RebalanceStatus {
        group: "g".to_owned(),
        number,
        cause: Some(cause.to_owned()),
        moved: 2,
        without_owner_ms: ms,
        ..RebalanceStatus::default()
    };
    after.status.rebalances = vec![
        rebalance(2, "ScaledUp", Some(700)),
        rebalance(1, "PodDeleted", None),
    ];
    after.answers.push(Answer {
        status: 422,
        count: 1,
    });
    let rebalanced = |more: Value| {
        let mut wanted = json!({"group": "g"});
        for (field, value) in more.as_object().expect("fields") {
            wanted[field] = value.clone();
        }
        json!({"rebalanced": wanted})
    };
    for (met, expectation) in [
        (
            true,
            json!({"lag": {"group": "g", "atLeast": 3, "atMost": 3}}),
        ),
        (false, json!({"lag": {"group": "g", "atMost": 2}})),
        (
            true,
            json!({"lag": {"group": "g", "partition": 1, "atMost": 0}}),
        ),
        (
            false,
            json!({"lag": {"group": "g", "partition": 7, "atMost": 0}}),
        ),
        (true, rebalanced(json!({}))),
        (true, rebalanced(json!({"causes": ["PodDeleted"]}))),
        (false, rebalanced(json!({"causes": ["ScaledDown"]}))),
        (
            true,
            rebalanced(json!({"movedAtLeast": 2, "movedAtMost": 2, "unownedMsAtMost": 700})),
        ),
        (false, rebalanced(json!({"unownedMsAtLeast": 701}))),
        (
            false,
            rebalanced(json!({"causes": ["PodDeleted"], "unownedMsAtMost": 700})),
        ),
        (true, json!({"answered": {"statuses": [422]}})),
        (false, json!({"answered": {"statuses": [503, 504]}})),
        (
            true,
            json!({"together": [{"lag": {"group": "g", "atLeast": 3}}, {"consumers": {"group": "g", "count": 2}}]}),
        ),
        (
            false,
            json!({"together": [{"lag": {"group": "g", "atLeast": 3}}, {"consumers": {"group": "g", "count": 1}}]}),
        ),
    ] {
        assert_met(met, expectation, &before, &after);
    }
    let known = Observation {
        at: 15,
        ..after.clone()
    };
    assert_met(false, rebalanced(json!({})), &known, &after);
    assert_met(
        false,
        json!({"answered": {"statuses": [422]}}),
        &known,
        &after,
    );
}
