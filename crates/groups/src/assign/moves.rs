//! How many partitions change their owner when members join and leave. In: owners, members that may leave, the number that join. Out:
//! the smallest and the largest possible number, because some facts are unknown: the ids of new members, the members that a
//! scale-down ends, the order in which members join, and the order of the broker's map. Pure.
//!
//! The bounds hold whatever is chosen. They are exact for range and round-robin while one row at most gives up a part of its
//! members; the most that sticky assignors move is a sum over members that join one by one, which need not be reached.

use std::collections::BTreeMap;

use practice_contract::Assignor;

use super::{Assignment, Topics, places::Places, shares, total};
use crate::Partition;

/// With more steps than this no bound is computed.
const STEPS: usize = 2_000_000;

/// A member before a change.
#[derive(Debug, Clone)]
pub struct Holder<'a> {
    /// Its id, or another string that sorts like it.
    pub id: String,
    /// What it owns.
    pub owned: Owned<'a>,
    /// Which of the rows it belongs to, as a place in [`Change::leave`].
    pub row: usize,
}

/// The partitions of a member, of topics that the group still consumes.
#[derive(Debug, Clone)]
pub enum Owned<'a> {
    /// These, each with its topic.
    These(Vec<(&'a str, i32)>),
    /// This many; which ones is not known.
    Some(usize),
}

impl Owned<'_> {
    /// How many.
    pub fn count(&self) -> usize {
        match self {
            Self::These(partitions) => partitions.len(),
            Self::Some(count) => *count,
        }
    }
}

/// A change of a group's members or topics.
#[derive(Debug, Clone, Copy)]
pub struct Change<'a> {
    /// How partitions are divided, before and after.
    pub assignor: Assignor,
    /// What the group reads afterwards.
    pub topics: &'a Topics,
    /// How many members of each row leave; which of them is not known, unless it is all of a row.
    pub leave: &'a [usize],
    /// How many join.
    pub join: usize,
    /// Their order among the other members.
    pub newcomers: Newcomers,
}

/// Where new members stand among the others, for range and round-robin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Newcomers {
    /// Anywhere: members are sorted by id, and new ids are random.
    #[default]
    Anywhere,
    /// Behind them: members stand as they came.
    Last,
}

/// How many partitions have another owner afterwards, of those that have one now and are still read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moves {
    /// At least.
    pub least: usize,
    /// At most.
    pub most: usize,
    /// Of so many.
    pub of: usize,
}

/// The range of the number of partitions that move.
pub fn moves(holders: &[Holder<'_>], change: &Change<'_>) -> Moves {
    let of: usize = holders.iter().map(|holder| holder.owned.count()).sum();
    let leaving: usize = change.leave.iter().sum();
    let after = holders.len().saturating_sub(leaving) + change.join;
    if after == 0 {
        return Moves {
            least: 0,
            most: 0,
            of,
        };
    }
    let (least, most) = match change.assignor {
        Assignor::Range => in_places(holders, change, &Places::range(change.topics, after)),
        Assignor::RoundRobin => {
            in_places(holders, change, &Places::round_robin(change.topics, after))
        }
        Assignor::CooperativeSticky | Assignor::Uniform => by_counts(holders, change),
    };
    Moves {
        least: least.min(of),
        most: most.min(of),
        of,
    }
}

/// A sticky assignor: who leaves gives up everything, who has too much the rest; what counts is only how many each owns. Where it
/// does not come out even, those keep one more who have it (uniform since Kafka 4.3).
fn by_counts(holders: &[Holder<'_>], change: &Change<'_>) -> (usize, usize) {
    let total = total(change.topics);
    let with_newcomers = |kept: &[usize]| {
        kept.iter()
            .copied()
            .chain(std::iter::repeat_n(0, change.join))
            .collect::<Vec<_>>()
    };
    let (lost, kept) = left(holders, change.leave, Leaving::Smallest);
    let least = lost + surplus(&with_newcomers(&kept), total);
    let (lost, kept) = left(holders, change.leave, Leaving::Largest);
    let at_once = lost + surplus(&with_newcomers(&kept), total);
    // of an even group each that joins gets what everybody has at least
    let one_by_one = lost
        + surplus(&kept, total)
        + (1..=change.join)
            .map(|n| total / (kept.len() + n))
            .sum::<usize>();
    (least, at_once.max(one_by_one))
}

/// The members of a row that leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Leaving {
    Smallest,
    Largest,
}

/// The partitions of members that leave, and the number of each remaining member.
fn left(holders: &[Holder<'_>], leave: &[usize], who: Leaving) -> (usize, Vec<usize>) {
    let mut rows: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for holder in holders {
        rows.entry(holder.row)
            .or_default()
            .push(holder.owned.count());
    }
    let (mut lost, mut kept) = (0, Vec::new());
    for (row, mut counts) in rows {
        counts.sort_unstable();
        if who == Leaving::Largest {
            counts.reverse();
        }
        let leaving = leave.get(row).copied().unwrap_or(0).min(counts.len());
        lost += counts[..leaving].iter().sum::<usize>();
        kept.extend_from_slice(&counts[leaving..]);
    }
    (lost, kept)
}

/// What members have too much of, when so many partitions are divided among them.
fn surplus(counts: &[usize], total: usize) -> usize {
    let (each, rest) = shares(total, counts.len());
    let above = counts.iter().filter(|count| **count > each).count();
    counts
        .iter()
        .map(|count| count.saturating_sub(each))
        .sum::<usize>()
        - rest.min(above)
}

/// Range and round-robin: a member keeps what its new place among all ids gives it again. Goes through the members by id, with
/// how many of them have left so far and how many newcomers stand before, and keeps the best and the worst of each.
fn in_places(holders: &[Holder<'_>], change: &Change<'_>, places: &Places) -> (usize, usize) {
    let of: usize = holders.iter().map(|holder| holder.owned.count()).sum();
    let anything = (0, of);
    let mut sizes = vec![0_usize; change.leave.len()];
    for holder in holders {
        if let Some(size) = sizes.get_mut(holder.row) {
            *size += 1;
        }
    }
    let leaving = |row: usize| change.leave.get(row).copied().unwrap_or(0);
    let goes =
        |row: usize| leaving(row) > 0 && leaving(row) >= sizes.get(row).copied().unwrap_or(0);
    let mut stay: Vec<&Holder<'_>> = holders.iter().filter(|holder| !goes(holder.row)).collect();
    stay.sort_unstable_by(|a, b| a.id.cmp(&b.id));
    let chosen: usize = (0..sizes.len())
        .filter(|row| !goes(*row))
        .map(leaving)
        .sum();
    let between = if change.newcomers == Newcomers::Anywhere {
        change.join
    } else {
        0
    };
    if stay
        .len()
        .saturating_mul(chosen + 1)
        .saturating_mul(between + 1)
        > STEPS
    {
        return anything;
    }
    let mut kept = vec![vec![Some((0, 0)); between + 1]]; // by who has left, by newcomers before: fewest, most
    kept.resize(chosen + 1, vec![None; between + 1]);
    for (rank, holder) in stay.iter().enumerate() {
        let Owned::These(owned) = &holder.owned else {
            return anything;
        };
        let mut again: BTreeMap<usize, usize> = BTreeMap::new();
        for (topic, number) in owned {
            if let Some(place) = places.of(topic, *number) {
                *again.entry(place).or_default() += 1;
            }
        }
        let mut next = vec![vec![None; between + 1]; chosen + 1];
        for gone in 0..=chosen.min(rank) {
            let mut before = None;
            for newcomers in 0..=between {
                before = both(before, kept[gone][newcomers]);
                let Some((fewest, most)) = before else {
                    continue;
                };
                let again = again.get(&(rank - gone + newcomers)).copied().unwrap_or(0);
                next[gone][newcomers] =
                    both(next[gone][newcomers], Some((fewest + again, most + again)));
            }
        }
        if leaving(holder.row) > 0 {
            for gone in 0..chosen {
                for newcomers in 0..=between {
                    next[gone + 1][newcomers] =
                        both(next[gone + 1][newcomers], kept[gone][newcomers]);
                }
            }
        }
        kept = next;
    }
    let ends = kept
        .get(chosen)
        .into_iter()
        .flatten()
        .copied()
        .fold(None, both);
    ends.map_or(anything, |(fewest, most)| (of - most, of - fewest))
}

/// The fewest and the most of two.
fn both(one: Option<(usize, usize)>, other: Option<(usize, usize)>) -> Option<(usize, usize)> {
    match (one, other) {
        (Some((a, b)), Some((c, d))) => Some((a.min(c), b.max(d))),
        (found, None) | (None, found) => found,
    }
}

/// How many partitions have another owner in `after` than in `before`, of those that had one.
pub fn moved(before: &Assignment, after: &Assignment) -> usize {
    let owners = |assignment: &Assignment| -> BTreeMap<Partition, String> {
        let of = |(member, share): (&String, &Vec<Partition>)| {
            share
                .iter()
                .map(|partition| (partition.clone(), member.clone()))
                .collect::<Vec<_>>()
        };
        assignment.iter().flat_map(of).collect()
    };
    let after = owners(after);
    owners(before)
        .iter()
        .filter(|(partition, owner)| after.get(*partition).is_some_and(|now| now != *owner))
        .count()
}

#[cfg(test)]
mod tests;
