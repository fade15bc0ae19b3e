use super::*;
use crate::model::MemberSeen;

/// A stable group of members, each `client:partition,partition`; the member id is the client's with `-id`.
fn group(state: GroupState, members: &[&str]) -> GroupSeen {
    let member = |text: &&str| {
        let (client, partitions) = text.split_once(':').expect("has a colon");
        let numbers = partitions.split(',').filter(|number| !number.is_empty());
        MemberSeen {
            member_id: format!("{client}-id"),
            client_id: client.trim_end_matches('\'').to_owned(),
            host: "/10.0.0.1".to_owned(),
            partitions: Some(
                numbers
                    .map(|n| ("t".to_owned(), n.parse().expect("a number")))
                    .collect(),
            ),
        }
    };
    GroupSeen {
        state,
        members: members.iter().map(member).collect(),
        ..GroupSeen::default()
    }
}

fn record(journal: &mut Journal, seen: &GroupSeen, at: i64) -> bool {
    journal.record_group("k", "g", seen, Moment { at, tick: at })
}

/// The newest rebalance in short: `+joined -left partition:from>to`.
fn short(journal: &Journal) -> String {
    let newest = journal.of("g").next().expect("there is one");
    let or_none = |name: &Option<arcstr::ArcStr>| name.as_deref().unwrap_or("none").to_owned();
    let joined = newest.joined.iter().map(|name| format!("+{name}"));
    let left = newest.left.iter().map(|name| format!("-{name}"));
    let moved = newest
        .moved
        .iter()
        .map(|m| format!("{}:{}>{}", m.partition, or_none(&m.from), or_none(&m.to)));
    joined
        .chain(left)
        .chain(moved)
        .collect::<Vec<_>>()
        .join(" ")
}

#[test]
fn who_joins_and_leaves_and_what_moves() {
    for (before, after, expected) in [
        (vec!["a:0,1,2"], vec!["a:0,1", "b:2"], "+b 2:a>b"),
        (vec!["a:0,1", "b:2"], vec!["a:0,1,2"], "-b 2:b>a"),
        (vec!["a:0"], vec!["a:0", "b:"], "+b"),
        (vec!["a:0"], vec!["a:0,1"], "1:none>a"),
        (vec!["a:0,1"], vec!["a:0"], "1:a>none"),
        (vec!["a:0"], vec!["a':0"], "+a -a 0:a>a"), // the same pod, another member
        (vec!["a:0", "b:1"], vec!["a:1", "b:0"], "0:a>b 1:b>a"),
        (vec![], vec!["a:0", "b:1"], "+a +b 0:none>a 1:none>b"),
    ] {
        let mut journal = Journal::default();
        assert!(!record(
            &mut journal,
            &group(GroupState::Stable, &before),
            1_000
        ));
        assert!(
            record(&mut journal, &group(GroupState::Stable, &after), 3_000),
            "{expected}"
        );
        assert_eq!(short(&journal), expected);
        let newest = journal.of("g").next().expect("there is one");
        assert_eq!((newest.at, newest.took_ms, newest.number), (3_000, None, 1));
        assert!(
            !record(&mut journal, &group(GroupState::Stable, &after), 5_000),
            "nothing new"
        );
    }
}

#[test]
fn its_duration_is_from_the_first_poll_that_saw_it_to_the_poll_after_its_end() {
    let mut journal = Journal::default();
    record(&mut journal, &group(GroupState::Absent, &[]), 0);
    for (state, now) in [
        (GroupState::PreparingRebalance, 1_000),
        (GroupState::Unknown, 2_000),
        (GroupState::CompletingRebalance, 3_000),
    ] {
        assert!(!record(&mut journal, &group(state, &["a:"]), now));
    }
    assert!(record(
        &mut journal,
        &GroupSeen {
            epoch: Some(7),
            ..group(GroupState::Stable, &["a:0"])
        },
        4_000
    ));
    let newest = journal.of("g").next().expect("there is one").clone();
    assert_eq!(
        (newest.at, newest.took_ms, newest.epoch),
        (1_000, Some(3_000), Some(7))
    );
    // one in which nothing changed hands is one too
    record(
        &mut journal,
        &group(GroupState::Reconciling, &["a:0"]),
        5_000,
    );
    assert!(record(
        &mut journal,
        &group(GroupState::Stable, &["a:0"]),
        5_500
    ));
    assert_eq!((short(&journal).as_str(), journal.of("g").count()), ("", 2));
}

#[test]
fn what_is_not_known_is_no_rebalance() {
    let mut journal = Journal::default();
    let stable = group(GroupState::Stable, &["a:0"]);
    record(&mut journal, &stable, 0);
    assert!(
        !record(&mut journal, &GroupSeen::default(), 1),
        "Kafka could not be asked"
    );
    let mut silent = stable.clone();
    silent.members[0].partitions = None;
    assert!(
        !record(&mut journal, &silent, 2),
        "it does not say who has what"
    );
    assert!(record(&mut journal, &stable, 3));
    assert!(
        !record(&mut Journal::default(), &stable, 4),
        "nothing came before"
    );
}

#[test]
fn fifty_are_kept_of_each_group_and_none_of_groups_that_are_gone() {
    let mut journal = Journal::default();
    for now in 0..=60 {
        let owner = if now % 2 == 0 { "a:0" } else { "b:0" };
        record(&mut journal, &group(GroupState::Stable, &[owner]), now);
        journal.record_group(
            "k",
            "other",
            &group(GroupState::Stable, &[owner]),
            Moment { at: now, tick: now },
        );
    }
    assert_eq!(
        (
            journal.of("g").count(),
            journal.of("g").next().map(|r| r.number)
        ),
        (KEPT, Some(60))
    );
    journal.keep(|group| group == "g");
    assert_eq!(
        (journal.of("g").count(), journal.of("other").count()),
        (KEPT, 0)
    );
}

#[test]
fn a_cooperative_rebalance_is_one_although_kafka_makes_two() {
    let mut journal = Journal::default();
    record(&mut journal, &group(GroupState::Stable, &["a:0,1,2"]), 0);
    record(
        &mut journal,
        &group(GroupState::PreparingRebalance, &["a:"]),
        1_000,
    );
    assert!(record(
        &mut journal,
        &group(GroupState::Stable, &["a:0,1", "b:"]),
        1_400
    ));
    assert_eq!(short(&journal), "+b 2:a>none");
    record(
        &mut journal,
        &group(GroupState::PreparingRebalance, &["a:"]),
        1_500,
    );
    assert!(record(
        &mut journal,
        &group(GroupState::Stable, &["a:0,1", "b:2"]),
        1_900
    ));
    assert_eq!(
        (short(&journal).as_str(), journal.of("g").count()),
        ("+b 2:a>b", 1)
    );
    assert_eq!(
        journal.of("g").next().and_then(|newest| newest.took_ms),
        Some(900)
    );
    assert_eq!(journal.unexplained("g").len(), 1);
    // much later it is another one
    record(
        &mut journal,
        &group(GroupState::Stable, &["a:0,1", "b:"]),
        10_000,
    );
    record(
        &mut journal,
        &group(GroupState::Stable, &["a:0,1", "b:2"]),
        40_000,
    );
    assert_eq!(
        (short(&journal).as_str(), journal.of("g").count()),
        ("2:none>b", 3)
    );
}

#[test]
fn a_restored_journal_detects_a_rebalance_during_the_restart() {
    let mut journal = Journal::default();
    record(&mut journal, &group(GroupState::Stable, &["a:0,1"]), 0);
    record(
        &mut journal,
        &group(GroupState::Stable, &["a:0", "b:1"]),
        5_000,
    );
    let mut other = Journal::default();
    other
        .restore("g", &journal.written(1 << 20)["g"])
        .expect("as it was written");
    let unknown = other
        .of("g")
        .next()
        .and_then(|newest| newest.why.clone())
        .map(|why| why.cause);
    assert_eq!(
        unknown,
        Some(crate::Cause::Unknown),
        "the search for the cause ended with the process"
    );
    assert_eq!(
        read(&other.written(1 << 20)["g"]).expect("the same").len(),
        1
    );
    assert!(
        !record(&mut other, &group(GroupState::Stable, &["a:0", "b:1"]), 1),
        "as it was left"
    );
    assert!(record(
        &mut other,
        &group(GroupState::Stable, &["a:0,1"]),
        3
    ));
    assert_eq!(other.of("g").next().map(|newest| newest.number), Some(2));
    assert!(other.restore("h", "{").is_err());
    // what does not fit is left out from the end
    for now in 10..40 {
        record(
            &mut other,
            &group(
                GroupState::Stable,
                &[if now % 2 == 0 { "a:0" } else { "b:0" }],
            ),
            now,
        );
    }
    let (whole, part) = (
        other.written(1 << 20)["g"].clone(),
        other.written(3_000)["g"].clone(),
    );
    assert!(
        part.len() <= 3_000 && whole.len() > 3_000,
        "{} {}",
        whole.len(),
        part.len()
    );
    let (whole, part) = (read(&whole).expect("legal"), read(&part).expect("legal"));
    assert!(
        !part.is_empty() && whole.starts_with(&part),
        "the newest stay"
    );
}

#[test]
fn a_clock_that_is_set_puts_nothing_out_of_order_and_makes_nothing_longer() {
    const HOUR: i64 = 3_600_000;
    let mut journal = Journal::default();
    let mut swap = |group_id: &str, owner: &str, at: i64, tick: i64| {
        journal.record_group(
            "k",
            group_id,
            &group(GroupState::Stable, &[owner]),
            Moment { at, tick },
        );
    };
    for id in ["g", "h"] {
        swap(id, "a:0", 10 * HOUR, 0);
    }
    swap("g", "b:0", 10 * HOUR + 20_000, 20_000);
    swap("h", "b:0", 10 * HOUR + 40_000, 40_000);
    swap("g", "a:0", 9 * HOUR + 60_000, 60_000); // set back
    swap("h", "a:0", 9 * HOUR + 80_000, 80_000);
    swap("g", "b:0", 11 * HOUR + 100_000, 100_000); // set forth
    swap("h", "b:0", 10 * HOUR + 120_000, 120_000); // and right again
    let order = |journal: &Journal| -> Vec<String> {
        let newest = journal.newest(["g", "h"], 6);
        newest
            .into_iter()
            .map(|(group, rebalance)| format!("{group}{}", rebalance.number))
            .collect()
    };
    // each group's are in their order, and a restored journal has the same order
    assert_eq!(order(&journal), ["g3", "h3", "h2", "h1", "g2", "g1"]);
    let mut other = Journal::default();
    for (id, text) in journal.written(1 << 20) {
        other.restore(&id, &text).expect("as it was written");
    }
    assert_eq!(order(&other), ["g3", "h3", "h2", "h1", "g2", "g1"]);

    // a rebalance takes as long as it takes
    let mut at = |state, members: &[&str], at, tick| {
        journal.record_group("k", "g", &group(state, members), Moment { at, tick })
    };
    assert!(!at(
        GroupState::PreparingRebalance,
        &["a:"],
        10 * HOUR,
        140_000
    ));
    assert!(at(GroupState::Stable, &["a:0"], 9 * HOUR, 141_500));
    let newest = journal.of("g").next().expect("there is one");
    assert_eq!((newest.at, newest.took_ms), (10 * HOUR, Some(1_500)));
}

#[test]
fn a_group_of_another_kafka_is_another_group() {
    let mut journal = Journal::default();
    record(&mut journal, &group(GroupState::Stable, &["a:0,1"]), 0);
    record(&mut journal, &group(GroupState::Stable, &["a:0", "b:1"]), 5);
    let empty = group(GroupState::Absent, &[]);
    assert!(
        !journal.record_group("elsewhere", "g", &empty, Moment { at: 9, tick: 9 }),
        "no member has left"
    );
    let there = group(GroupState::Stable, &["a:0,1"]);
    assert!(journal.record_group("elsewhere", "g", &there, Moment { at: 12, tick: 12 }));
    let newest = journal.of("g").next().expect("there is one");
    assert_eq!(
        (newest.number, newest.joined.len(), newest.left.len()),
        (2, 1, 0)
    );
}

#[test]
fn a_partition_that_had_an_owner_once_is_not_a_new_one() {
    let mut journal = Journal::default();
    record(
        &mut journal,
        &group(GroupState::Stable, &["a:0,1", "b:2"]),
        0,
    );
    record(
        &mut journal,
        &group(GroupState::Stable, &["a:0,1", "b:"]),
        1_000,
    );
    record(
        &mut journal,
        &group(GroupState::Stable, &["a:0,1", "b:2"]),
        60_000,
    );
    record(
        &mut journal,
        &group(GroupState::Stable, &["a:0,1,3", "b:2"]),
        61_000,
    );
    let added: Vec<usize> = journal
        .unexplained("g")
        .iter()
        .map(|change| change.added.len())
        .collect();
    assert_eq!(added, [0, 0, 1]);
}

#[test]
fn an_unobserved_time_is_recorded() {
    let mut journal = Journal::default();
    record(&mut journal, &group(GroupState::Stable, &["a:0", "b:1"]), 0);
    journal.blind("g");
    record(&mut journal, &group(GroupState::Stable, &["a:0,1"]), 10);
    record(
        &mut journal,
        &group(GroupState::Stable, &["a:0", "b:1"]),
        20,
    );
    let blind: Vec<bool> = journal
        .unexplained("g")
        .iter()
        .map(|change| change.blind)
        .collect();
    assert_eq!(blind, [true, false]);
}

#[test]
fn a_name_that_is_no_key_and_a_group_that_is_too_large_do_not_keep_the_others_from_being_kept() {
    let mut journal = Journal::default();
    let many = format!(
        "a:{}",
        (0..2_000)
            .map(|n| n.to_string())
            .collect::<Vec<_>>()
            .join(",")
    );
    for (name, first, then) in [
        ("..", "a:0", "b:0"),
        ("small", "a:0", "b:0"),
        ("large", &many, "b:0"),
    ] {
        for (at, member) in [(0, first), (1, then)] {
            journal.record_group(
                "k",
                name,
                &group(GroupState::Stable, &[member]),
                Moment { at, tick: at },
            );
        }
    }
    journal.record_group(
        "k",
        "large",
        &group(GroupState::Stable, &[&many]),
        Moment { at: 2, tick: 2 },
    );
    let written = journal.written(6_000);
    assert_eq!(
        written.keys().map(String::as_str).collect::<Vec<_>>(),
        ["large", "small"]
    );
    assert!(
        written.values().all(|text| text.len() <= 2_000),
        "{written:?}"
    );
    assert_eq!(read(&written["small"]).expect("legal").len(), 1);
}
