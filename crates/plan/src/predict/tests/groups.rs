//! Tables of what a change of a group will do: consumers that start and stop, partitions that move, pauses.

use super::*;

#[expect(
    clippy::too_many_lines,
    reason = "one course of events, or one table of cases"
)]
#[test]
fn each_change_of_a_group_is_predicted() {
    let classic = json!({"name": "g", "replicas": 2});
    let with = |base: &Value, more: Value| {
        let mut group = base.clone();
        group
            .as_object_mut()
            .expect("an object")
            .extend(more.as_object().expect("an object").clone());
        group
    };
    let range = with(&classic, json!({"assignor": "Range"}));
    let consumer = with(&classic, json!({"protocol": "Consumer"}));
    let stopped = with(&classic, json!({"state": "Stopped"}));
    let slow = with(
        &classic,
        json!({"variants": [{"name": "slow", "replicas": 1}]}),
    );
    let rows = [
        (
            &classic,
            3,
            json!({}),
            "g Stays 2>2 +0 -0 idle 0, moves 0..0 of 3, pause -",
        ),
        (
            &classic,
            3,
            json!({"replicas": 5}),
            "g Scaled 2>5 +3 -0 idle 2, moves 1..1 of 3, pause 1..1 500",
        ),
        (
            &classic,
            3,
            json!({"replicas": 1}),
            "g Scaled 2>1 +0 -1 idle 0, moves 1..2 of 3, pause 1..2 500",
        ),
        (
            &classic,
            3,
            json!({"replicas": 0}),
            "g Scaled 2>0 +0 -2 idle 0, moves 0..0 of 3, pause 3..3 open",
        ),
        (
            &classic,
            3,
            json!({"processingDelay": "5s"}),
            "g Rollout 2>2 +2 -2 idle 0, moves 3..3 of 3, pause 3..3 500",
        ),
        (
            &classic,
            3,
            json!({"assignor": "Range"}),
            "g Switched 2>2 +2 -2 idle 0, moves 3..3 of 3, pause 3..3 5000",
        ),
        (
            &classic,
            3,
            json!({"protocol": "Consumer"}),
            "g Switched 2>2 +2 -2 idle 0, moves 3..3 of 3, pause 3..3 10000",
        ),
        (
            &classic,
            3,
            json!({"state": "Stopped"}),
            "g Stopped 2>0 +0 -2 idle 0, moves 0..0 of 3, pause 3..3 open",
        ),
        (
            &stopped,
            3,
            json!({"state": "Running"}),
            "g Started 0>2 +2 -0 idle 0, moves 0..0 of 3, pause -",
        ),
        (
            &classic,
            3,
            json!({"replicas": null}),
            "g Stays 2>2 +0 -0 idle 0, moves 0..0 of 3, pause -",
        ),
        (
            &classic,
            6,
            json!({}),
            "g Rebalanced 2>2 +0 -0 idle 0, moves 0..0 of 3, pause -",
        ),
        (
            &range,
            3,
            json!({"replicas": 3}),
            "g Scaled 2>3 +1 -0 idle 0, moves 1..2 of 3, pause 3..3 500",
        ),
        (
            &range,
            3,
            json!({"replicas": 1}),
            "g Scaled 2>1 +0 -1 idle 0, moves 1..2 of 3, pause 3..3 500",
        ),
        (
            &range,
            6,
            json!({}),
            "g Rebalanced 2>2 +0 -0 idle 0, moves 1..1 of 3, pause 3..3 500",
        ),
        (
            &consumer,
            3,
            json!({"replicas": 3}),
            "g Scaled 2>3 +1 -0 idle 0, moves 1..1 of 3, pause 1..1 5000",
        ),
        (
            &consumer,
            3,
            json!({"assignor": "Range"}),
            "g Switched 2>2 +2 -2 idle 0, moves 3..3 of 3, pause 3..3 10000",
        ),
        (
            &slow,
            3,
            json!({"variants": []}),
            "g Scaled 3>2 +0 -1 idle 0, moves 1..1 of 3, pause 1..1 500",
        ),
        (
            &slow,
            3,
            json!({"variants": [{"name": "slow", "replicas": 1, "processingDelay": "1s"}]}),
            "g Rollout 3>3 +1 -1 idle 0, moves 1..2 of 3, pause 1..2 500",
        ),
        (
            &slow,
            3,
            json!({"replicas": 1}),
            "g Scaled 3>2 +0 -1 idle 0, moves 1..1 of 3, pause 1..1 500",
        ),
    ];
    for (before, partitions, more, expected) in rows {
        let members: Members<'_> = if before == &slow {
            &[
                ("a", "p-g", &[("t", 0)]),
                ("b", "p-g", &[("t", 1)]),
                ("c", "p-g-slow", &[("t", 2)]),
            ]
        } else {
            &[
                ("a", "p-g", &[("t", 0), ("t", 1)]),
                ("b", "p-g", &[("t", 2)]),
            ]
        };
        let there = live(&spec(3, before.clone()), &[("g", members)]);
        let all = there.to(&spec(partitions, with(before, more.clone())));
        assert_eq!(said(&all.groups[0]), expected, "{more}");
        let grown = if partitions == 3 {
            TopicChange::Stays
        } else {
            TopicChange::Grown
        };
        assert_eq!(
            (all.topics[0].change, all.topics[0].partitions),
            (grown, Some(partitions)),
            "{more}"
        );
        let stays = all.groups[0].change == GroupChange::Stays && partitions == 3;
        assert_eq!(all.changes_something(), !stays, "{more}");
    }
}

#[test]
fn what_somebody_else_scaled_to_0_stays_there() {
    let theirs = spec(3, json!({"name": "g", "replicas": null}));
    let there = live(&theirs, &[("g", &[])]).to(&theirs);
    assert_eq!(
        (there.groups[0].change, there.groups[0].to),
        (GroupChange::Stays, 0)
    );
    let ours = live(&spec(3, json!({"name": "g", "replicas": 0})), &[("g", &[])]);
    assert_eq!(
        ours.to(&theirs).groups[0].to,
        1,
        "an autoscaler that takes over finds one consumer"
    );
}

#[test]
fn in_memory_members_stand_as_they_came() {
    let spec = |replicas: i32| {
        let group =
            json!({"name": "g", "replicas": replicas, "protocol": "Consumer", "assignor": "Range"});
        json!({"topics": [{"name": "t", "partitions": 3}], "groups": [group]})
    };
    // z came before a: what they own says so, their ids do not
    let there = live(
        &spec(2),
        &[(
            "g",
            &[
                ("z", "p-g", &[("t", 0), ("t", 1)]),
                ("a", "p-g", &[("t", 2)]),
            ],
        )],
    );
    let memory = Broker {
        order: Order::ByArrival,
        heartbeat: Duration::from_secs(3),
        ..Broker::default()
    };
    let now = Now {
        plan: &there.plan,
        status: Some(&there.status),
        rows: &there.rows,
    };
    let all = predict(&plan_of(spec(3)), Some(&now), memory);
    assert_eq!(
        said(&all.groups[0]),
        "g Scaled 2>3 +1 -0 idle 0, moves 2..2 of 3, pause 2..2 3000"
    );
    assert_eq!(
        said(&there.to(&spec(3)).groups[0]),
        "g Scaled 2>3 +1 -0 idle 0, moves 2..3 of 3, pause 2..3 5000"
    );
}

#[test]
fn a_latest_group_has_a_line_about_its_start() {
    let latest = json!({"name": "g", "replicas": 1, "autoOffsetReset": "latest"});
    let earliest = json!({"name": "g", "replicas": 1});
    let because = |all: &Prediction| all.groups[0].because.clone();
    let from_nothing = |group: &Value| {
        let all = predict(&plan_of(spec(1, group.clone())), None, Broker::default());
        because(&all)
    };
    let lines = from_nothing(&latest);
    assert!(
        matches!(&*lines, [line] if line.starts_with("autoOffsetReset latest: the end of its topics is committed")),
        "{lines:?}"
    );
    assert_eq!(from_nothing(&earliest), Vec::<String>::new());
    let idle = json!({"name": "g", "replicas": 0, "autoOffsetReset": "latest"});
    assert_eq!(from_nothing(&idle), Vec::<String>::new());

    let members: Members<'_> = &[("g-1", "p-g", &[("t", 0)])];
    for (before, after, change) in [
        (&earliest, &latest, "earliest → latest"),
        (&latest, &earliest, "latest → earliest"),
    ] {
        let now = live(&spec(1, before.clone()), &[("g", members)]);
        let all = now.to(&spec(1, after.clone()));
        assert_eq!(all.groups[0].change, GroupChange::Stays, "{change}");
        let lines = because(&all);
        assert!(
            matches!(&*lines, [line] if line.contains(change) && line.contains("no consumer is replaced")),
            "{lines:?}"
        );
        assert_eq!(
            because(&now.to(&spec(1, before.clone()))),
            Vec::<String>::new()
        );
    }
    let two = |topics: Value| {
        let mut group = latest.clone();
        group["topics"] = topics;
        json!({"topics": [{"name": "t"}, {"name": "u"}], "groups": [group]})
    };
    let now = live(&two(json!(["t"])), &[("g", members)]);
    let lines = because(&now.to(&two(json!(["t", "u"]))));
    assert!(
        lines
            .iter()
            .any(|line| line.starts_with("u: read from the oldest message")),
        "{lines:?}"
    );
}
