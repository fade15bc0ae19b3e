use super::*;
use crate::model::{Bounds, Committed, MemberSeen, TopicFacts};

fn names(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn snapshot(ends: &[i64]) -> Snapshot {
    let partitions = ends
        .iter()
        .map(|end| {
            Some(Bounds {
                start: 0,
                end: *end,
            })
        })
        .collect();
    let facts = TopicFacts {
        partitions,
        ..TopicFacts::default()
    };
    Snapshot {
        topics: [("t".to_owned(), TopicSeen::from(facts))].into(),
        ..Snapshot::default()
    }
}

fn group(commits: &[(&str, i32, i64)], owned: &[(&str, i32)]) -> GroupSeen {
    let commit = |(topic, number, offset): &(&str, i32, i64)| {
        (
            ((*topic).to_owned(), *number),
            Committed {
                offset: *offset,
                metadata: "".into(),
            },
        )
    };
    let member = MemberSeen {
        member_id: "m".into(),
        client_id: "c".into(),
        host: String::new(),
        partitions: Some(
            owned
                .iter()
                .map(|(topic, number)| ((*topic).to_owned(), *number))
                .collect(),
        ),
    };
    GroupSeen {
        state: GroupState::Stable,
        committed: Some(commits.iter().map(commit).collect()),
        members: vec![member],
        ..GroupSeen::default()
    }
}

#[test]
fn a_group_is_reported_by_its_commits_and_members_on_the_topics() {
    let lag = |group: GroupSeen, snapshot: &Snapshot| {
        other_groups(&group, snapshot, None).map(|seen| seen.topics)
    };
    let of_t = |lag| Some(BTreeMap::from([("t".to_owned(), lag)]));
    for (what, group, expected) in [
        (
            "commits",
            group(&[("t", 0, 7), ("t", 1, 20)], &[]),
            of_t(Some(3)),
        ),
        (
            "a member that has committed nothing",
            group(&[], &[("t", 1)]),
            of_t(Some(20)),
        ),
        (
            "both, once",
            group(&[("t", 0, 7)], &[("t", 0)]),
            of_t(Some(3)),
        ),
        (
            "a commit beyond the end",
            group(&[("t", 0, 11), ("t", 1, 18)], &[]),
            of_t(Some(12)),
        ),
        (
            "a partition that is not there",
            group(&[("t", 2, 7)], &[]),
            of_t(None),
        ),
        (
            "commits that are denied",
            GroupSeen {
                committed: None,
                ..group(&[], &[("t", 0)])
            },
            of_t(None),
        ),
        ("another topic", group(&[("u", 0, 7)], &[("u", 0)]), None),
        ("nothing", group(&[], &[]), None),
    ] {
        assert_eq!(lag(group, &snapshot(&[10, 20])), expected, "{what}");
    }
}

#[test]
fn a_description_during_a_poll_waits_for_the_next_one() {
    let mut groups = OtherGroups::default();
    let next = groups.round(&names(&["a"]), true, &names(&[]));
    let begun = groups.noted();
    groups.note(
        next.into_iter()
            .map(|id| (id, group(&[("t", 0, 12)], &[])))
            .collect(),
    );
    let lag = |groups: &mut OtherGroups, noted, end| {
        groups
            .report(noted, &snapshot(&[end]), &names(&[]))
            .and_then(|reported| reported.get("a").map(|a| a.topics["t"]))
    };
    assert_eq!(
        lag(&mut groups, begun, 10),
        None,
        "its end is older than the commit"
    );
    let begun = groups.noted();
    assert_eq!(lag(&mut groups, begun, 14), Some(Some(2)));
}

#[test]
fn an_unreported_group_keeps_its_topics_and_its_lag_is_unknown() {
    let mut groups = OtherGroups::default();
    let mut ask = |seen: GroupSeen, end| {
        groups.round(&names(&["a"]), true, &names(&[]));
        groups.note(
            [(
                "a".to_owned(),
                GroupSeen {
                    protocol: Some(Protocol::Classic),
                    ..seen
                },
            )]
            .into(),
        );
        let reported = groups
            .report(groups.noted(), &snapshot(&[end, 20]), &names(&[]))
            .expect("it is reported");
        let a = reported.get("a").expect("it is still there").clone();
        (a.state, a.protocol, a.members, a.topics["t"])
    };
    let classic = Some(Protocol::Classic);
    let known = || group(&[("t", 0, 7)], &[("t", 1)]);
    assert_eq!(
        ask(known(), 10),
        (GroupState::Stable, classic, Some(1), Some(23))
    );
    for _ in 0..2 * SILENT {
        assert_eq!(
            ask(GroupSeen::default(), 12),
            (GroupState::Unknown, classic, None, None)
        );
    }
    assert_eq!(
        ask(known(), 12),
        (GroupState::Stable, classic, Some(1), Some(25))
    );
    // its commits cannot be read
    let denied = GroupSeen {
        committed: None,
        members: Vec::new(),
        ..known()
    };
    assert_eq!(
        ask(denied, 12),
        (GroupState::Stable, classic, Some(0), None)
    );
    // it rebalances: owners are not reported, and it has not committed yet
    assert_eq!(
        ask(group(&[], &[("t", 0)]), 12),
        (GroupState::Stable, classic, Some(1), Some(12))
    );
    let mut moving = GroupSeen {
        state: GroupState::PreparingRebalance,
        ..group(&[], &[("t", 0)])
    };
    moving.members[0].partitions = None;
    assert_eq!(
        ask(moving, 12),
        (GroupState::PreparingRebalance, classic, Some(1), None)
    );
    assert_eq!(
        ask(known(), 12),
        (GroupState::Stable, classic, Some(1), Some(25))
    );
    // it has left, and a topic that is gone is not held against it
    let mut reported = |seen: GroupSeen, snapshot: &Snapshot| {
        groups.round(&names(&["a"]), true, &names(&[]));
        groups.note([("a".to_owned(), seen)].into());
        groups
            .report(groups.noted(), snapshot, &names(&[]))
            .expect("it is reported")
            .len()
    };
    let gone = Snapshot {
        topics: [("t".to_owned(), TopicSeen::Missing)].into(),
        ..Snapshot::default()
    };
    assert_eq!(
        (
            reported(GroupSeen::default(), &snapshot(&[9])),
            reported(GroupSeen::default(), &gone)
        ),
        (1, 0)
    );
    assert_eq!(
        (
            reported(known(), &snapshot(&[9, 9])),
            reported(group(&[], &[]), &snapshot(&[9]))
        ),
        (1, 0)
    );
}

#[test]
fn nothing_is_reported_before_every_group_is_described() {
    let mut groups = OtherGroups::default();
    let mut ask = |b: GroupSeen| {
        groups.round(&names(&["a", "b"]), true, &names(&[]));
        groups.note(
            [
                ("a".to_owned(), group(&[("t", 0, 4)], &[])),
                ("b".to_owned(), b),
            ]
            .into(),
        );
        groups
            .report(groups.noted(), &snapshot(&[10]), &names(&[]))
            .map(|reported| reported.len())
    };
    for _ in 1..SILENT {
        assert_eq!(ask(GroupSeen::default()), None, "it may be one of them");
    }
    assert_eq!(
        ask(GroupSeen::default()),
        Some(1),
        "a group without answers does not delay the others forever"
    );
    assert_eq!(ask(group(&[("t", 0, 4)], &[])), Some(2));
}

#[test]
fn only_the_topics_of_a_practice_count_for_it() {
    let topics = [
        ("a".to_owned(), Some(1)),
        ("b".to_owned(), Some(2)),
        ("c".to_owned(), None),
    ]
    .into();
    let seen = OtherGroup {
        state: GroupState::Stable,
        protocol: None,
        members: Some(1),
        topics,
    };
    let on = |topics: &[&str]| seen.on(|topic| topics.contains(&topic));
    assert_eq!(on(&["a", "b"]), Some((vec!["a", "b"], Some(3))));
    assert_eq!(on(&["a", "c"]), Some((vec!["a", "c"], None)));
    assert_eq!(on(&["d"]), None);
}

#[test]
fn rounds_are_bounded_and_reach_everybody() {
    let there: BTreeSet<String> = (0..1_000).map(|number| format!("g-{number:04}")).collect();
    let ours = names(&["g-0000", "not-there-yet"]);
    let mut groups = OtherGroups::default();
    let mut asked = BTreeSet::new();
    for round in 1..=30 {
        let next = groups.round(&there, true, &ours);
        assert_eq!(next.len(), ROUND, "round {round}");
        assert!(
            !next.contains(&"g-0000".to_owned()),
            "ours is not asked about"
        );
        asked.extend(next.iter().cloned());
        // every second one reads our topic
        let described = next.into_iter().enumerate().map(|(at, id)| {
            let commits: &[(&str, i32, i64)] = if at % 2 == 0 { &[("t", 0, 4)] } else { &[] };
            (id, group(commits, &[]))
        });
        groups.note(described.collect());
        let reported = groups.report(groups.noted(), &snapshot(&[10]), &ours);
        assert_eq!(
            reported.is_some(),
            asked.len() == 999,
            "round {round}: nothing is reported before all are described"
        );
    }
    assert_eq!(asked.len(), 999);
}

#[test]
fn removed_and_own_groups_are_not_reported() {
    let mut groups = OtherGroups::default();
    let there = names(&["a", "b", "c"]);
    let describe = |groups: &mut OtherGroups, next: Vec<String>| {
        groups.note(
            next.into_iter()
                .map(|id| (id, group(&[("t", 0, 4)], &[])))
                .collect(),
        );
    };
    let reported = |groups: &mut OtherGroups, ours: &BTreeSet<String>| -> Vec<String> {
        groups
            .report(groups.noted(), &snapshot(&[10]), ours)
            .expect("is reported")
            .keys()
            .cloned()
            .collect()
    };
    assert_eq!(
        groups.report(groups.noted(), &snapshot(&[10]), &names(&[])),
        None,
        "no group is described yet"
    );
    let next = groups.round(&there, true, &names(&[]));
    describe(&mut groups, next);
    assert_eq!(reported(&mut groups, &names(&[])), ["a", "b", "c"]);
    assert_eq!(reported(&mut groups, &names(&["b"])), ["a", "c"]);
    // a broker that did not answer may know the others
    groups.round(&names(&["a"]), false, &names(&["b"]));
    assert_eq!(reported(&mut groups, &names(&["b"])), ["a", "c"]);
    groups.round(&names(&["a"]), true, &names(&["b"]));
    assert_eq!(reported(&mut groups, &names(&["b"])), ["a"]);
    let same = (
        groups.report(groups.noted(), &snapshot(&[99]), &names(&["b"])),
        groups.report(groups.noted(), &snapshot(&[0]), &names(&["b"])),
    );
    assert!(
        same.0.zip(same.1).is_some_and(|(a, b)| Arc::ptr_eq(&a, &b)),
        "a lag is that of the time it was asked for"
    );
    groups.round(&names(&[]), true, &names(&[]));
    assert_eq!(reported(&mut groups, &names(&[])), Vec::<String>::new());
}
