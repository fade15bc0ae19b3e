//! The assignment of partitions to the members of a group. In: member ids, topics with their partition counts, the partitions that
//! each member owns. Out: the partitions of each member, or, where unknown facts decide, the range of the number of partitions that
//! move ([`moves`]). All members of a group read the same topics. Pure.
//!
//! A member of the group computes range, round-robin and cooperative-sticky, here as in librdkafka 2.12. The broker computes uniform
//! and the range of KIP-848, here as in Kafka 4.3; both ranges have the same result. Deliberately
//! absent: racks (consumers here have none) and members that read different topics.

mod java;
mod moves;
mod places;
mod sticky;

use std::collections::BTreeMap;

pub use java::{order_of_members, order_of_topics};
pub use moves::{Change, Holder, Moves, Newcomers, Owned, moved, moves};
pub use sticky::cooperative_sticky;

use crate::Partition;
use places::Places;

/// Number of partitions of each topic, by its name.
pub type Topics = BTreeMap<String, i32>;

/// The partitions of each member, sorted, by member id. A member without partitions is included.
pub type Assignment = BTreeMap<String, Vec<Partition>>;

/// Range: topic by topic, neighbouring partitions to neighbouring members, sorted by id; where the division has a remainder the
/// first ones get one more. Both protocols.
pub fn range(members: &[&str], topics: &Topics) -> Assignment {
    in_places(members, topics, &Places::range(topics, members.len()))
}

/// Round-robin: partitions of all topics, sorted by name, to one member after the other, sorted by id.
pub fn round_robin(members: &[&str], topics: &Topics) -> Assignment {
    in_places(members, topics, &Places::round_robin(topics, members.len()))
}

/// Uniform while no member owns a partition. The broker goes through maps: members and topics are to be in the order of these (see
/// [`order_of_members`], [`order_of_topics`]). The last members get one partition more where it does not come out even (before
/// Kafka 4.3 the first ones).
pub fn uniform(members: &[&str], topics: &[(&str, i32)]) -> Assignment {
    let mut all = topics
        .iter()
        .flat_map(|(topic, count)| (0..*count).map(|number| ((*topic).to_owned(), number)));
    let total: usize = topics.iter().map(|(_, count)| number(*count)).sum();
    let (each, rest) = shares(total, members.len());
    let share = |(place, member): (usize, &&str)| {
        let more = usize::from(members.len() - place <= rest);
        let mut share: Vec<Partition> = all.by_ref().take(each + more).collect();
        share.sort_unstable();
        ((*member).to_owned(), share)
    };
    members.iter().enumerate().map(share).collect()
}

fn in_places(members: &[&str], topics: &Topics, places: &Places) -> Assignment {
    let mut sorted = members.to_vec();
    sorted.sort_unstable();
    let mut shares = vec![Vec::new(); sorted.len()];
    for (topic, count) in topics {
        for number in 0..*count {
            if let Some(share) = places
                .of(topic, number)
                .and_then(|place| shares.get_mut(place))
            {
                share.push((topic.clone(), number));
            }
        }
    }
    sorted.into_iter().map(str::to_owned).zip(shares).collect()
}

/// What each of so many members gets of so many partitions, and how many of them get one more.
fn shares(partitions: usize, members: usize) -> (usize, usize) {
    (
        partitions.checked_div(members).unwrap_or(0),
        partitions.checked_rem(members).unwrap_or(0),
    )
}

/// Partitions of all topics.
fn total(topics: &Topics) -> usize {
    topics.values().map(|count| number(*count)).sum()
}

fn number(count: i32) -> usize {
    usize::try_from(count).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn topics(all: &[(&str, i32)]) -> Topics {
        all.iter()
            .map(|(name, count)| ((*name).to_owned(), *count))
            .collect()
    }

    /// `a: t/0 t/1, b: t/2`
    fn text(assignment: &Assignment) -> String {
        let share = |(member, share): (&String, &Vec<Partition>)| {
            let share: Vec<String> = share
                .iter()
                .map(|(topic, number)| format!("{topic}/{number}"))
                .collect();
            format!("{member}: {}", share.join(" "))
        };
        assignment.iter().map(share).collect::<Vec<_>>().join(", ")
    }

    #[test]
    fn partitions_are_assigned_as_kafka_assigns_them() {
        let (one, two) = (topics(&[("t", 5)]), topics(&[("t", 3), ("u", 2)]));
        let rows = [
            (range(&["b", "a"], &one), "a: t/0 t/1 t/2, b: t/3 t/4"),
            (
                range(&["a", "b", "c"], &two),
                "a: t/0 u/0, b: t/1 u/1, c: t/2",
            ),
            (
                range(&["a", "b", "c", "d"], &two),
                "a: t/0 u/0, b: t/1 u/1, c: t/2, d: ",
            ),
            (round_robin(&["b", "a"], &one), "a: t/0 t/2 t/4, b: t/1 t/3"),
            (
                round_robin(&["c", "a", "b"], &two),
                "a: t/0 u/0, b: t/1 u/1, c: t/2",
            ),
            (
                round_robin(&["a", "b", "c", "d"], &two),
                "a: t/0 u/1, b: t/1, c: t/2, d: u/0",
            ),
            (
                uniform(&["b", "a"], &[("t", 5)]),
                "a: t/2 t/3 t/4, b: t/0 t/1",
            ),
            (
                uniform(&["a", "c", "b"], &[("u", 2), ("t", 2)]),
                "a: u/0, b: t/0 t/1, c: u/1",
            ),
            (range(&[], &one), ""),
            (uniform(&["a"], &[]), "a: "),
        ];
        for (assignment, expected) in rows {
            assert_eq!(text(&assignment), expected);
        }
    }
}
