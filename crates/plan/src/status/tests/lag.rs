//! Tables of the lag of groups, members and the practice: a number only where all of it is known.

use practice_groups::{Bounds, ByPartition};

use super::*;

#[test]
fn a_lag_is_a_number_only_when_all_of_it_is_known() {
    type Change = fn(&mut World);
    let cases: [(&str, Change, Option<i64>, Option<i64>, Option<&str>); 7] = [
        ("read to the end", |_| {}, Some(0), Some(0), None),
        (
            "behind",
            |w| {
                w.group("a", |g| {
                    g.committed
                        .as_mut()
                        .expect("set")
                        .get_mut(("t", 0))
                        .expect("set")
                        .offset = 4;
                });
            },
            Some(6),
            Some(6),
            None,
        ),
        (
            "earliest without a commit",
            |w| {
                w.group("a", |g| {
                    let all = g.committed.as_mut().expect("set");
                    all.retain(|at, _| at != ("t", 0));
                });
            },
            Some(10),
            Some(10),
            Some("NoCommit"),
        ),
        (
            "committed beyond the end",
            |w| {
                w.group("a", |g| {
                    g.committed
                        .as_mut()
                        .expect("set")
                        .get_mut(("t", 0))
                        .expect("set")
                        .offset = 11;
                });
            },
            Some(0),
            Some(0),
            Some("Stale"),
        ),
        (
            "commits cannot be read",
            |w| w.group("a", |g| g.committed = None),
            None,
            None,
            Some("Unknown"),
        ),
        (
            "a leader is gone",
            |w| {
                w.kafka(|s| {
                    let facts = s.topic_mut("t").expect("is present");
                    facts.partitions[0] = None;
                });
            },
            None,
            None,
            Some("Unknown"),
        ),
        (
            "retention was faster",
            |w| {
                w.kafka(|s| {
                    let facts = s.topic_mut("t").expect("is present");
                    facts.partitions[0] = Some(Bounds { start: 12, end: 20 });
                    let g = s.group_mut("b").expect("seen");
                    g.committed
                        .as_mut()
                        .expect("set")
                        .get_mut(("t", 0))
                        .expect("set")
                        .offset = 20;
                });
            },
            Some(8),
            Some(8),
            Some("Expired"),
        ),
    ];
    for (what, change, lag, sum, because) in cases {
        let mut world = two_groups();
        change(&mut world);
        let status = world.status();
        let group = &status.groups[0];
        assert_eq!((group.lag, group.members[0].lag), (lag, lag), "{what}");
        assert_eq!(status.summary.lag, sum, "{what}");
        assert_eq!(
            group.members[0].partitions[0].lag_reason.as_deref(),
            because,
            "{what}"
        );
        let other = (because != Some("Unknown") || what.contains("leader")).then_some(0);
        assert_eq!(
            group.members[1].lag, other,
            "{what}: of another member's partition"
        );
    }
}

#[test]
fn latest_without_a_commit_is_not_behind_before_the_group_starts() {
    let mut world = two_groups();
    world.group("b", |group| {
        group.committed = Some(ByPartition::default());
        group.members.clear();
    });
    assert_eq!(world.status().groups[1].lag, Some(0));
    // its start is pinned; partitions 1 and 2 were added later
    let mut world = two_groups();
    world.group("b", |group| {
        group
            .committed
            .iter_mut()
            .for_each(|all| all.retain(|(_, partition), _| partition == 0));
    });
    assert_eq!(world.status().groups[1].lag, Some(20));
}
