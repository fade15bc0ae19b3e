//! Tables of offset histories of one partition `t/0` and a group `g`, looked at every 2 s, judged within a minute.

use super::*;
use crate::model::{Bounds, Committed, MemberSeen, TopicFacts};

/// What one look sees: commit, end of the log, owner.
#[derive(Clone, Copy)]
struct Seen {
    /// Its id; empty: it is missing.
    topic: &'static str,
    committed: Option<i64>,
    end: i64,
    owner: Option<&'static str>,
}

const OWNED: Option<&str> = Some("m");

fn seen(committed: i64, end: i64) -> Seen {
    Seen {
        topic: "id",
        committed: Some(committed),
        end,
        owner: OWNED,
    }
}

fn look(seen: Seen) -> Snapshot {
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
        TopicSeen::Present(facts)
    };
    let member = |owner: &str| MemberSeen {
        member_id: owner.to_owned(),
        client_id: "c".into(),
        host: String::new(),
        partitions: Some(vec![partition.clone()]),
    };
    let commit = |offset| {
        (
            partition.clone(),
            Committed {
                offset,
                metadata: String::new(),
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
        groups: [("g".to_owned(), group)].into(),
        ..Snapshot::default()
    }
}

const EARLIEST: (OffsetReset, Duration) = (OffsetReset::Earliest, Duration::ZERO);

fn judge(
    health: &mut HealthHistory,
    snapshot: &Snapshot,
    how: (OffsetReset, Duration),
    tick: Duration,
) -> Option<PartitionHealth> {
    let judged = health.judge(snapshot, "g", &["t".to_owned()], how, tick);
    judged.partitions.get(&("t".to_owned(), 0)).copied()
}

/// The health at `until`, after looks every 2 s from 0 on.
fn after(
    until: u64,
    how: (OffsetReset, Duration),
    history: impl Fn(i64) -> Seen,
) -> Option<PartitionHealth> {
    let mut health = HealthHistory::default();
    let mut found = None;
    for second in (0..=until).step_by(2) {
        let (snapshot, tick) = (
            look(history(i64::try_from(second).expect("small"))),
            Duration::from_secs(second),
        );
        health.feed(&snapshot, tick);
        found = judge(&mut health, &snapshot, how, tick);
    }
    found
}

fn word(found: Option<PartitionHealth>) -> Option<&'static str> {
    found.map(|finding| finding.health().word())
}

#[test]
fn histories_and_their_verdicts() {
    type History = fn(i64) -> Seen;
    let table: [(&str, u64, History, Option<&str>); 17] = [
        ("nothing to read", 0, |_| seen(5, 5), Some("Healthy")),
        ("something to read, just met", 20, |_| seen(5, 9), None),
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
            "nobody owns it",
            60,
            |s| Seen {
                owner: None,
                ..seen(5, 9 + s)
            },
            Some("Unassigned"),
        ),
        (
            "nobody owns it, nothing to read",
            600,
            |_| Seen {
                owner: None,
                ..seen(9, 9)
            },
            Some("Healthy"),
        ),
        (
            "set back",
            40,
            |s| seen(if s < 30 { 90 } else { 20 + s }, 100),
            Some("Rewound"),
        ),
    ];
    for (what, until, history, expected) in table {
        assert_eq!(word(after(until, EARLIEST, history)), expected, "{what}");
    }
}

#[test]
fn a_new_owner_and_a_lost_one_have_a_minute_of_their_own() {
    // nobody for two minutes, then somebody who takes 50 s for the first message
    let history = |s: i64| Seen {
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
            word(after(until, EARLIEST, history)),
            Some(expected),
            "after {until} s"
        );
    }
    let history = |s: i64| Seen {
        owner: OWNED.filter(|_| s < 120),
        ..seen(5, 9)
    };
    for (until, expected) in [(118, "Stalled"), (178, "Healthy"), (180, "Unassigned")] {
        assert_eq!(
            word(after(until, EARLIEST, history)),
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
        word(after(148, slowest(50), history)),
        None,
        "not watched for three messages yet"
    );
    assert_eq!(word(after(240, slowest(50), history)), Some("Healthy"));
    let still = |s: i64| seen((s / 50).min(2), 100);
    assert_eq!(word(after(248, slowest(50), still)), Some("Healthy"));
    assert_eq!(
        word(after(250, slowest(50), still)),
        Some("Stalled"),
        "the time of three messages"
    );
}

#[test]
fn fast_members_of_a_group_with_a_slow_one_fall_behind_like_others() {
    let how = (OffsetReset::Earliest, Duration::from_secs(30));
    assert_eq!(
        word(after(120, how, |s| seen(s * 5, 10 + s * 9))),
        Some("Lagging")
    );
}

#[test]
fn time_in_which_nobody_looked_does_not_count() {
    let mut health = HealthHistory::default();
    let mut looks = |from: u64, until: u64, history: &dyn Fn(i64) -> Seen| {
        let mut found = None;
        for second in (from..=until).step_by(2) {
            let (snapshot, tick) = (
                look(history(i64::try_from(second).expect("small"))),
                Duration::from_secs(second),
            );
            health.feed(&snapshot, tick);
            found = judge(&mut health, &snapshot, EARLIEST, tick);
        }
        word(found)
    };
    assert_eq!(looks(0, 60, &|s| seen(s, 200)), Some("Healthy"));
    // Kafka is away for a minute and a half, and so is who reads
    assert_eq!(looks(150, 150, &|_| seen(60, 200)), Some("Healthy"));
    assert_eq!(looks(152, 206, &|_| seen(60, 200)), Some("Healthy"));
    assert_eq!(
        looks(208, 212, &|_| seen(60, 200)),
        Some("Stalled"),
        "a minute of looks without a commit"
    );
    // and what was found before is found after it
    assert_eq!(looks(300, 300, &|_| seen(60, 200)), Some("Stalled"));
}

#[test]
fn an_owner_that_works_off_another_partition_does_not_hang() {
    let mut health = HealthHistory::default();
    let other: Partition = ("t".to_owned(), 1);
    let mut at = |s: u64| {
        let moves = i64::try_from(s.min(120)).expect("small");
        let mut snapshot = look(seen(moves, 500));
        let Some(TopicSeen::Present(facts)) = snapshot.topics.get_mut("t") else {
            panic!("is present")
        };
        facts.partitions.push(Some(Bounds { start: 0, end: 9 }));
        let group = snapshot.groups.get_mut("g").expect("is there");
        group.members[0]
            .partitions
            .iter_mut()
            .for_each(|owned| owned.push(other.clone()));
        let commit = Committed {
            offset: 5,
            metadata: String::new(),
        };
        group
            .committed
            .iter_mut()
            .for_each(|all| drop(all.insert(other.clone(), commit.clone())));
        let tick = Duration::from_secs(s);
        health.feed(&snapshot, tick);
        let judged = health.judge(&snapshot, "g", &["t".to_owned()], EARLIEST, tick);
        judged
            .partitions
            .values()
            .map(|finding| finding.health().word())
            .collect::<Vec<_>>()
    };
    let found: BTreeMap<u64, Vec<&str>> = (0..=180).step_by(2).map(|s| (s, at(s))).collect();
    assert_eq!(
        (&*found[&120], &*found[&178], &*found[&180]),
        (
            &["Healthy"; 2][..],
            &["Healthy"; 2][..],
            &["Stalled"; 2][..]
        )
    );
}

#[test]
fn a_group_that_never_committed_is_judged_by_its_policy() {
    let never = |_| Seen {
        committed: None,
        owner: None,
        ..seen(0, 9)
    };
    assert_eq!(word(after(60, EARLIEST, never)), Some("Unassigned"));
    assert_eq!(
        word(after(60, (OffsetReset::Latest, Duration::ZERO), never)),
        Some("Healthy")
    );
    let owned = |_| Seen {
        committed: None,
        ..seen(0, 9)
    };
    assert_eq!(word(after(60, EARLIEST, owned)), Some("Stalled"));
}

#[test]
fn a_rewind_says_from_where_to_where_and_whether_its_topic_was_made_anew() {
    let found = after(40, EARLIEST, |s| seen(if s < 30 { 90 } else { 20 }, 100));
    let age = Duration::from_secs(10);
    assert_eq!(
        found,
        Some(PartitionHealth::Rewound {
            from: 90,
            to: 20,
            made_anew: false,
            age
        })
    );
    let anew = |s: i64| match s {
        ..20 => seen(90, 100),
        20..24 => Seen {
            topic: "",
            committed: None,
            ..seen(0, 0)
        },
        24..30 => Seen {
            topic: "another",
            ..seen(90, 4)
        },
        _ => Seen {
            topic: "another",
            ..seen(2, 4)
        },
    };
    assert_eq!(
        after(40, EARLIEST, anew),
        Some(PartitionHealth::Rewound {
            from: 90,
            to: 2,
            made_anew: true,
            age
        })
    );
    let deleted = |s: i64| Seen {
        committed: [Some(90), None, Some(0)][usize::from(s >= 20) + usize::from(s >= 30)],
        ..seen(0, 100)
    };
    assert_eq!(
        after(40, EARLIEST, deleted),
        Some(PartitionHealth::Rewound {
            from: 90,
            to: 0,
            made_anew: false,
            age
        })
    );
    // it holds for a minute, although the group has caught up, and no longer
    let caught_up = |s: i64| seen(if s == 30 { 20 } else { 100 }, 100);
    assert_eq!(word(after(88, EARLIEST, caught_up)), Some("Rewound"));
    assert_eq!(word(after(90, EARLIEST, caught_up)), Some("Healthy"));
}

#[test]
fn what_is_unknown_is_not_judged_and_what_was_known_is_kept() {
    let mut health = HealthHistory::default();
    let at = |second| Duration::from_secs(second);
    health.feed(&look(seen(5, 9)), at(0));
    let mut blind = look(seen(5, 9));
    for group in blind.groups.values_mut() {
        (group.state, group.committed, group.members) = (GroupState::Unknown, None, Vec::new());
    }
    health.feed(&blind, at(30));
    assert_eq!(judge(&mut health, &blind, EARLIEST, at(60)), None);
    // members that do not tell, as while a Classic group rebalances, are no lost owners
    let mut silent = look(seen(5, 9));
    for group in silent.groups.values_mut() {
        group.state = GroupState::PreparingRebalance;
        group
            .members
            .iter_mut()
            .for_each(|member| member.partitions = None);
    }
    for second in (32..=60).step_by(2) {
        health.feed(&silent, at(second));
    }
    assert_eq!(
        word(judge(&mut health, &silent, EARLIEST, at(60))),
        None,
        "half of it was seen by nobody"
    );
    for second in (62..=92).step_by(2) {
        health.feed(&silent, at(second));
    }
    assert_eq!(
        word(judge(&mut health, &silent, EARLIEST, at(92))),
        Some("Stalled")
    );
    let mut unheard = HealthHistory::default();
    for second in (0..=120).step_by(2) {
        unheard.feed(&silent, at(second));
    }
    assert_eq!(
        judge(&mut unheard, &silent, EARLIEST, at(120)),
        None,
        "nobody has ever said who owns it"
    );
}

#[test]
fn it_says_when_to_look_again_although_nothing_moves() {
    let mut health = HealthHistory::default();
    let at = |second| Duration::from_secs(second);
    health.feed(&look(seen(5, 5)), at(0));
    let snapshot = look(seen(5, 9));
    health.feed(&snapshot, at(10));
    let mut judged = |second| health.judge(&snapshot, "g", &["t".to_owned()], EARLIEST, at(second));
    assert_eq!(
        judged(10).again,
        Some(at(50)),
        "a minute since it was met: then it is known to be well"
    );
    assert_eq!(
        judged(62).again,
        Some(at(8)),
        "a minute since messages wait"
    );
    assert_eq!(
        judged(70).partitions.values().next(),
        Some(&PartitionHealth::Stalled { age: at(60) })
    );
    assert_eq!(judged(70).again, None);
}

#[test]
fn its_memory_is_bounded() {
    let mut health = HealthHistory::default();
    for second in (0..100_000).step_by(2) {
        let s = i64::try_from(second).expect("small");
        health.feed(&look(seen(s * 5, 10 + s * 9)), Duration::from_secs(second));
    }
    let course = &health.groups["g"][&("t".to_owned(), 0)];
    assert!(
        course.points.len() <= 11 && course.points.capacity() <= 16,
        "{}",
        course.points.capacity()
    );
    health.feed(&Snapshot::default(), Duration::from_secs(100_000));
    assert!(
        health.groups.is_empty(),
        "a group that nobody asks about is forgotten"
    );
}
