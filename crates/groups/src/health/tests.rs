//! Tables of offset histories of one partition `t/0` and a group `g`, polled every 2 s, evaluated with a window of one minute.

mod history;
mod transactions;

use practice_contract::OffsetReset;

use super::*;
use crate::{
    Partition, at as at_of,
    model::{
        Bounds, Committed, GroupSeen, GroupState, MemberSeen, Snapshot, TopicFacts, TopicSeen,
    },
};

/// One poll: committed offset, end of the log, owner.
#[derive(Clone, Copy)]
struct Poll {
    /// Id of the topic; empty: it is missing.
    topic: &'static str,
    committed: Option<i64>,
    end: i64,
    owner: Option<&'static str>,
}

const OWNED: Option<&str> = Some("m");

fn seen(committed: i64, end: i64) -> Poll {
    Poll {
        topic: "id",
        committed: Some(committed),
        end,
        owner: OWNED,
    }
}

fn snapshot(seen: Poll) -> Snapshot {
    let partition: Partition = ("t".to_owned(), 0);
    let bounds = vec![Some(Bounds {
        start: 0,
        end: seen.end,
    })];
    let facts = TopicFacts {
        id: seen.topic.to_owned(),
        partitions: bounds,
        ..TopicFacts::default()
    };
    let topic = if seen.topic.is_empty() {
        TopicSeen::Missing
    } else {
        TopicSeen::from(facts)
    };
    let member = |owner: &str| MemberSeen {
        member_id: owner.to_owned(),
        client_id: "c".into(),
        host: String::new(),
        partitions: Some([partition.clone()].into_iter().collect()),
    };
    let commit = |offset| {
        (
            partition.clone(),
            Committed {
                offset,
                metadata: "".into(),
            },
        )
    };
    let group = GroupSeen {
        state: if seen.owner.is_some() {
            GroupState::Stable
        } else {
            GroupState::Empty
        },
        committed: Some(seen.committed.into_iter().map(commit).collect()),
        members: seen.owner.into_iter().map(member).collect(),
        ..GroupSeen::default()
    };
    Snapshot {
        topics: [("t".to_owned(), topic)].into(),
        groups: [("g".to_owned(), group.into())].into(),
        ..Snapshot::default()
    }
}

const EARLIEST: (OffsetReset, Duration) = (OffsetReset::Earliest, Duration::ZERO);

fn evaluate(
    health: &mut HealthHistory,
    snapshot: &Snapshot,
    how: (OffsetReset, Duration),
    tick: Duration,
) -> Option<PartitionHealth> {
    let evaluated = health.evaluate(snapshot, "g", &["t".to_owned()], how, tick);
    evaluated.of(("t", 0))
}

/// The health at `until`, after polls every 2 s from 0 on.
fn after(
    until: u64,
    how: (OffsetReset, Duration),
    history: impl Fn(i64) -> Poll,
) -> Option<PartitionHealth> {
    let mut health = HealthHistory::default();
    let mut found = None;
    for second in (0..=until).step_by(2) {
        let (snapshot, tick) = (
            snapshot(history(i64::try_from(second).expect("small"))),
            Duration::from_secs(second),
        );
        health.record_snapshot(&snapshot, tick);
        found = evaluate(&mut health, &snapshot, how, tick);
    }
    found
}

fn state(found: Option<PartitionHealth>) -> Option<&'static str> {
    found.map(|health| health.state().as_str())
}

#[test]
fn histories_and_their_states() {
    type History = fn(i64) -> Poll;
    let table: [(&str, u64, History, Option<&str>); 17] = [
        ("nothing to read", 0, |_| seen(5, 5), Some("Healthy")),
        ("something to read, first seen", 20, |_| seen(5, 9), None),
        (
            "read as fast as it is written",
            120,
            |s| seen(s * 5, s * 5 + 3),
            Some("Healthy"),
        ),
        (
            "caught up now and then",
            120,
            |s| seen(s / 30 * 30, s),
            Some("Healthy"),
        ),
        (
            "behind, and catching up",
            120,
            |s| seen(s * 20, 5_000 + s * 5),
            Some("Healthy"),
        ),
        (
            "behind by the same all the time",
            120,
            |s| seen(s * 5, 1_000 + s * 5),
            Some("Healthy"),
        ),
        (
            "falls behind",
            120,
            |s| seen(s * 5, 10 + s * 9),
            Some("Lagging"),
        ),
        (
            "falls behind, in commits every 6 s",
            120,
            |s| seen(s / 6 * 6, 10 + s * 3),
            Some("Lagging"),
        ),
        (
            "falls behind, not for long enough",
            44,
            |s| seen(s * 5, 10 + s * 9),
            None,
        ),
        (
            "fell behind and then the writer stopped",
            240,
            |s| seen(s * 5, 10 + (s * 9).min(1_080)),
            Some("Healthy"),
        ),
        (
            "an owner that commits nothing",
            60,
            |_| seen(5, 9),
            Some("Stalled"),
        ),
        (
            "the same while more is written",
            60,
            |s| seen(5, 9 + s),
            Some("Stalled"),
        ),
        (
            "messages came a moment ago",
            100,
            |s| seen(5, if s < 50 { 5 } else { 9 }),
            Some("Healthy"),
        ),
        (
            "messages came a minute ago",
            110,
            |s| seen(5, if s < 50 { 5 } else { 9 }),
            Some("Stalled"),
        ),
        (
            "no owner",
            60,
            |s| Poll {
                owner: None,
                ..seen(5, 9 + s)
            },
            Some("Unassigned"),
        ),
        (
            "no owner, nothing to read",
            600,
            |_| Poll {
                owner: None,
                ..seen(9, 9)
            },
            Some("Healthy"),
        ),
        (
            "moved back",
            40,
            |s| seen(if s < 30 { 90 } else { 20 + s }, 100),
            Some("Rewound"),
        ),
    ];
    for (what, until, history, expected) in table {
        assert_eq!(state(after(until, EARLIEST, history)), expected, "{what}");
    }
}

#[test]
fn a_new_owner_and_a_lost_one_have_a_minute_of_their_own() {
    // no owner for two minutes, then one that takes 50 s for the first message
    let history = |s: i64| Poll {
        owner: OWNED.filter(|_| s >= 120),
        ..seen(5, 9)
    };
    for (until, expected) in [
        (118, "Unassigned"),
        (120, "Healthy"),
        (178, "Healthy"),
        (180, "Stalled"),
    ] {
        assert_eq!(
            state(after(until, EARLIEST, history)),
            Some(expected),
            "after {until} s"
        );
    }
    let history = |s: i64| Poll {
        owner: OWNED.filter(|_| s < 120),
        ..seen(5, 9)
    };
    for (until, expected) in [(118, "Stalled"), (178, "Healthy"), (180, "Unassigned")] {
        assert_eq!(
            state(after(until, EARLIEST, history)),
            Some(expected),
            "after {until} s"
        );
    }
}

#[test]
fn a_message_that_takes_long_is_no_stall() {
    let history = |s: i64| seen(s / 50, 100);
    let slowest = |seconds| (OffsetReset::Earliest, Duration::from_secs(seconds));
    assert_eq!(
        state(after(148, slowest(50), history)),
        None,
        "not watched for three messages yet"
    );
    assert_eq!(state(after(240, slowest(50), history)), Some("Healthy"));
    let still = |s: i64| seen((s / 50).min(2), 100);
    assert_eq!(state(after(248, slowest(50), still)), Some("Healthy"));
    assert_eq!(
        state(after(250, slowest(50), still)),
        Some("Stalled"),
        "the time of three messages"
    );
}

#[test]
fn fast_members_of_a_group_with_a_slow_one_fall_behind_like_others() {
    let how = (OffsetReset::Earliest, Duration::from_secs(30));
    assert_eq!(
        state(after(120, how, |s| seen(s * 5, 10 + s * 9))),
        Some("Lagging")
    );
}

#[test]
fn time_without_polls_does_not_count() {
    let mut health = HealthHistory::default();
    let mut polls = |from: u64, until: u64, history: &dyn Fn(i64) -> Poll| {
        let mut found = None;
        for second in (from..=until).step_by(2) {
            let (snapshot, tick) = (
                snapshot(history(i64::try_from(second).expect("small"))),
                Duration::from_secs(second),
            );
            health.record_snapshot(&snapshot, tick);
            found = evaluate(&mut health, &snapshot, EARLIEST, tick);
        }
        state(found)
    };
    assert_eq!(polls(0, 60, &|s| seen(s, 200)), Some("Healthy"));
    // Kafka is unreachable for a minute and a half, also for the consumer
    assert_eq!(polls(150, 150, &|_| seen(60, 200)), Some("Healthy"));
    assert_eq!(polls(152, 206, &|_| seen(60, 200)), Some("Healthy"));
    assert_eq!(
        polls(208, 212, &|_| seen(60, 200)),
        Some("Stalled"),
        "a minute of polls without a commit"
    );
    // a state from before a gap holds after it
    assert_eq!(polls(300, 300, &|_| seen(60, 200)), Some("Stalled"));
}

#[test]
fn an_owner_that_works_off_another_partition_does_not_hang() {
    let mut health = HealthHistory::default();
    let other: Partition = ("t".to_owned(), 1);
    let mut at = |s: u64| {
        let moves = i64::try_from(s.min(120)).expect("small");
        let mut snapshot = snapshot(seen(moves, 500));
        let facts = snapshot.topic_mut("t").expect("is present");
        facts.partitions.push(Some(Bounds { start: 0, end: 9 }));
        let group = snapshot.group_mut("g").expect("is there");
        group.members[0]
            .partitions
            .iter_mut()
            .for_each(|owned| owned.insert(at_of(&other), ()));
        let commit = Committed {
            offset: 5,
            metadata: "".into(),
        };
        group
            .committed
            .iter_mut()
            .for_each(|all| all.insert(at_of(&other), commit.clone()));
        let tick = Duration::from_secs(s);
        health.record_snapshot(&snapshot, tick);
        let evaluated = health.evaluate(&snapshot, "g", &["t".to_owned()], EARLIEST, tick);
        [0, 1].map(|number| state(evaluated.of(("t", number))))
    };
    let found: BTreeMap<u64, [Option<&str>; 2]> =
        (0..=180).step_by(2).map(|s| (s, at(s))).collect();
    assert_eq!(
        (found[&120], found[&178], found[&180]),
        (
            [Some("Healthy"); 2],
            [Some("Healthy"); 2],
            [Some("Stalled"); 2]
        )
    );
}

#[test]
fn a_group_without_commits_is_evaluated_by_its_reset_policy() {
    let never = |_| Poll {
        committed: None,
        owner: None,
        ..seen(0, 9)
    };
    assert_eq!(state(after(60, EARLIEST, never)), Some("Unassigned"));
    assert_eq!(
        state(after(60, (OffsetReset::Latest, Duration::ZERO), never)),
        Some("Healthy")
    );
    let owned = |_| Poll {
        committed: None,
        ..seen(0, 9)
    };
    assert_eq!(state(after(60, EARLIEST, owned)), Some("Stalled"));
}

#[test]
fn a_rewind_has_both_offsets_and_whether_the_topic_was_recreated() {
    let found = after(40, EARLIEST, |s| seen(if s < 30 { 90 } else { 20 }, 100));
    let age = Duration::from_secs(10);
    assert_eq!(
        found,
        Some(PartitionHealth::Rewound {
            from: 90,
            to: 20,
            topic_recreated: false,
            age
        })
    );
    let recreated = |s: i64| match s {
        ..20 => seen(90, 100),
        20..24 => Poll {
            topic: "",
            committed: None,
            ..seen(0, 0)
        },
        24..30 => Poll {
            topic: "another",
            ..seen(90, 4)
        },
        _ => Poll {
            topic: "another",
            ..seen(2, 4)
        },
    };
    assert_eq!(
        after(40, EARLIEST, recreated),
        Some(PartitionHealth::Rewound {
            from: 90,
            to: 2,
            topic_recreated: true,
            age
        })
    );
    let deleted = |s: i64| Poll {
        committed: [Some(90), None, Some(0)][usize::from(s >= 20) + usize::from(s >= 30)],
        ..seen(0, 100)
    };
    assert_eq!(
        after(40, EARLIEST, deleted),
        Some(PartitionHealth::Rewound {
            from: 90,
            to: 0,
            topic_recreated: false,
            age
        })
    );
    // it holds for a minute, although the group has caught up, and no longer
    let caught_up = |s: i64| seen(if s == 30 { 20 } else { 100 }, 100);
    assert_eq!(state(after(88, EARLIEST, caught_up)), Some("Rewound"));
    assert_eq!(state(after(90, EARLIEST, caught_up)), Some("Healthy"));
}
