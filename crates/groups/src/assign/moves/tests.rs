//! Bounds of what moves against everything that can happen, in small groups.

use super::*;
use crate::assign::{cooperative_sticky, range, round_robin};

fn topics(counts: &[i32]) -> Topics {
    ["t", "u", "v"]
        .iter()
        .zip(counts)
        .map(|(name, count)| ((*name).to_owned(), *count))
        .collect()
}

fn names(count: usize) -> Vec<String> {
    (0..count)
        .map(|n| format!("m{}", char::from(b'b' + u8::try_from(2 * n).expect("few"))))
        .collect()
}

fn borrowed(names: &[String]) -> Vec<&str> {
    names.iter().map(String::as_str).collect()
}

fn holders<'a>(owned: &'a Assignment, rows: &[usize]) -> Vec<Holder<'a>> {
    let these = |share: &'a Vec<Partition>| {
        share
            .iter()
            .map(|(topic, number)| (topic.as_str(), *number))
            .collect()
    };
    let each = owned.iter().zip(rows);
    each.map(|((id, share), row)| Holder {
        id: id.clone(),
        owned: Owned::These(these(share)),
        row: *row,
    })
    .collect()
}

/// Every way in which `leave` of `members` may go.
fn choices(members: &[String], leave: usize) -> Vec<Vec<String>> {
    let subsets = 0..1_u32 << members.len();
    let chosen = subsets.filter(|bits| bits.count_ones() as usize == members.len() - leave);
    let stay = |bits: u32| {
        members
            .iter()
            .enumerate()
            .filter(|(n, _)| bits >> n & 1 == 1)
            .map(|(_, id)| id.clone())
            .collect()
    };
    chosen.map(stay).collect()
}

/// Every way in which the ids of so many newcomers may fall between those of `stay`.
fn arrivals(stay: &[String], join: usize) -> Vec<Vec<String>> {
    let mut all = vec![stay.to_vec()];
    for newcomer in 0..join {
        let mut more = Vec::new();
        for members in &all {
            for gap in 0..=stay.len() {
                let before = if gap == 0 { "a" } else { &stay[gap - 1] };
                let mut members = members.clone();
                members.push(format!("{before}-{newcomer}"));
                more.push(members);
            }
        }
        all = more;
    }
    all
}

#[test]
fn what_range_and_round_robin_move_is_exact() {
    type Divide = fn(&[&str], &Topics) -> Assignment;
    let rules: [(Assignor, Divide); 2] = [
        (Assignor::Range, range),
        (Assignor::RoundRobin, round_robin),
    ];
    let mut checked = 0;
    for counts in [&[3][..], &[5], &[3, 2], &[4, 1, 6]] {
        let topics = topics(counts);
        for (members, leave, join) in [
            (2, 0, 1),
            (3, 0, 2),
            (1, 0, 3),
            (3, 1, 0),
            (4, 2, 0),
            (4, 1, 1),
            (3, 2, 2),
            (5, 0, 0),
        ] {
            let names = names(members);
            for (assignor, divide) in rules {
                let before = divide(&borrowed(&names), &topics);
                let all: Vec<usize> = choices(&names, leave)
                    .iter()
                    .flat_map(|stay| arrivals(stay, join))
                    .map(|after| moved(&before, &divide(&borrowed(&after), &topics)))
                    .collect();
                let change = Change {
                    assignor,
                    topics: &topics,
                    leave: &[leave],
                    join,
                    newcomers: Newcomers::Anywhere,
                };
                let bounds = moves(&holders(&before, &vec![0; members]), &change);
                let (least, most) = (
                    all.iter().min().expect("some"),
                    all.iter().max().expect("some"),
                );
                let what = format!("{assignor}, {counts:?}, {members} - {leave} + {join}");
                assert_eq!(
                    (bounds.least, bounds.most, bounds.of),
                    (*least, *most, total(&topics)),
                    "{what}"
                );
                checked += all.len();
            }
        }
    }
    assert!(checked > 500, "{checked}");
}

#[test]
fn what_a_sticky_assignor_moves_is_between_the_bounds() {
    let mut seen = BTreeMap::new();
    for counts in [&[3][..], &[5], &[3, 2], &[4, 1, 6], &[12]] {
        let topics = topics(counts);
        for (members, leave, join) in [
            (1, 0, 1),
            (1, 0, 2),
            (2, 0, 2),
            (3, 0, 1),
            (3, 1, 0),
            (4, 2, 0),
            (4, 1, 1),
        ] {
            let names = names(members);
            let nothing = names
                .iter()
                .map(|name| (name.clone(), Vec::new()))
                .collect();
            let before = cooperative_sticky(&nothing, &topics);
            let newcomers = Newcomers::Anywhere;
            let change = Change {
                assignor: Assignor::CooperativeSticky,
                topics: &topics,
                leave: &[leave],
                join,
                newcomers,
            };
            let bounds = moves(&holders(&before, &vec![0; members]), &change);
            for stay in choices(&names, leave) {
                for after in arrivals(&stay, join) {
                    let mut owned: Assignment = before.clone();
                    owned.retain(|member, _| stay.contains(member));
                    // those who join may be seen together, or one by one
                    let mut together = owned.clone();
                    together.extend(
                        after
                            .iter()
                            .filter(|id| !stay.contains(id))
                            .map(|id| (id.clone(), Vec::new())),
                    );
                    let together = cooperative_sticky(&together, &topics);
                    let mut one_by_one = cooperative_sticky(&owned, &topics);
                    for id in after.iter().filter(|id| !stay.contains(id)) {
                        one_by_one.insert(id.clone(), Vec::new());
                        one_by_one = cooperative_sticky(&one_by_one, &topics);
                    }
                    for (way, now) in [("together", together), ("one by one", one_by_one)] {
                        let moved = moved(&before, &now);
                        let what = format!(
                            "{counts:?}, {members} - {leave} + {join}, {way}: {moved}, {bounds:?}"
                        );
                        assert!((bounds.least..=bounds.most).contains(&moved), "{what}");
                        let counts: Vec<usize> = now.values().map(Vec::len).collect();
                        assert!(
                            counts.iter().max()
                                <= counts.iter().min().map(|least| least + 1).as_ref(),
                            "{what}"
                        );
                        seen.entry((counts.len(), members, leave, join, total(&topics)))
                            .or_insert((bounds, Vec::new()))
                            .1
                            .push(moved);
                    }
                }
            }
        }
    }
    for (case, (bounds, moved)) in seen {
        assert!(
            moved.contains(&bounds.least),
            "{case:?}: the least is reached: {bounds:?}, {moved:?}"
        );
    }
}

#[test]
fn known_moves_are_exact() {
    let three = topics(&[3]);
    let owned = |counts: &[usize], rows: &[usize]| -> Vec<Holder<'static>> {
        let ids = ["a", "b", "c", "d", "e"];
        let each = counts.iter().zip(rows).zip(ids);
        each.map(|((count, row), id)| Holder {
            id: id.to_owned(),
            owned: Owned::Some(*count),
            row: *row,
        })
        .collect()
    };
    let rows: [(
        &[usize],
        &[usize],
        Assignor,
        &[usize],
        usize,
        (usize, usize),
    ); 11] = [
        (
            &[2, 1],
            &[0, 0],
            Assignor::CooperativeSticky,
            &[0],
            3,
            (1, 1),
        ),
        (
            &[2, 1],
            &[0, 0],
            Assignor::CooperativeSticky,
            &[1],
            0,
            (1, 2),
        ),
        (
            &[2, 1],
            &[0, 1],
            Assignor::CooperativeSticky,
            &[1, 0],
            0,
            (2, 2),
        ),
        (
            &[2, 1],
            &[0, 0],
            Assignor::CooperativeSticky,
            &[2],
            0,
            (0, 0),
        ),
        (
            &[2, 1],
            &[0, 0],
            Assignor::CooperativeSticky,
            &[2],
            2,
            (3, 3),
        ),
        (
            &[1, 1, 1, 0],
            &[0; 4],
            Assignor::CooperativeSticky,
            &[2],
            0,
            (1, 2),
        ),
        (&[3], &[0], Assignor::CooperativeSticky, &[0], 1, (1, 1)),
        (&[2, 1], &[0, 0], Assignor::Uniform, &[0], 1, (1, 1)),
        (&[1, 1, 1], &[0; 3], Assignor::Uniform, &[0], 1, (0, 0)),
        (&[2, 1], &[0, 0], Assignor::Uniform, &[1], 1, (1, 3)),
        // which they are is not known: no bound is possible
        (&[2, 1], &[0, 0], Assignor::Range, &[0], 1, (0, 3)),
    ];
    for (counts, places, assignor, leave, join, expected) in rows {
        let newcomers = Newcomers::Anywhere;
        let bounds = moves(
            &owned(counts, places),
            &Change {
                assignor,
                topics: &three,
                leave,
                join,
                newcomers,
            },
        );
        assert_eq!(
            (bounds.least, bounds.most, bounds.of),
            (expected.0, expected.1, 3),
            "{counts:?} {assignor} -{leave:?} +{join}"
        );
    }
}

#[test]
fn last_newcomers_move_no_partition_of_others() {
    let three = topics(&[3]);
    let before = range(&["ma", "mb"], &three);
    let change = Change {
        assignor: Assignor::Range,
        topics: &three,
        leave: &[0],
        join: 1,
        newcomers: Newcomers::Last,
    };
    // ma has 0 and 1, mb has 2: then ma 0, mb 1, the new one 2
    assert_eq!(
        moves(&holders(&before, &[0, 0]), &change),
        Moves {
            least: 2,
            most: 2,
            of: 3
        }
    );
    let anywhere = Change {
        newcomers: Newcomers::Anywhere,
        ..change
    };
    assert_eq!(
        moves(&holders(&before, &[0, 0]), &anywhere),
        Moves {
            least: 1,
            most: 2,
            of: 3
        }
    );
}
