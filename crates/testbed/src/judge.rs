//! Judges consumers by their ledgers. In: messages that were acknowledged, what each consumer of each group has handled, and when groups
//! rebalanced. Out: what may not be. Pure, but for [`read`]. [`judge_answers`] is the same for producers: whether an acknowledged message is
//! in its topic. Deliberately absent: how faults are made.
//!
//! At least once allows a message to be handled twice, but only because a rebalance gave its partition to an owner that
//! continues at the last commit.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt, fs,
    path::Path,
};

pub use practice_contract::handled::{HandledLine, HandledRange};

mod answers;
#[cfg(test)]
mod tests;

pub use answers::{Answer, AnswerFault, Stored, judge_answers};

/// A partition of a topic.
pub type Partition = (String, i32);

/// A time in which a group may handle messages a second time: a rebalance, and what follows it until its commits are as far as before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Window {
    /// `group.id`.
    pub group: String,
    /// Milliseconds since the epoch.
    pub from: i64,
    /// Milliseconds since the epoch.
    pub to: i64,
}

/// What may not be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// An acknowledged message that the group has not handled, nor any later one of its partition.
    NotHandled,
    /// An offset that the group has not handled, although it has handled a later one of its partition.
    Skipped,
    /// An offset that was handled again outside of a rebalance.
    HandledTwice,
    /// An offset that a consumer handled first after a later one of its partition.
    OutOfOrder,
}

/// One fault of a group.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Violation {
    /// Its kind.
    pub kind: Kind,
    /// `group.id`.
    pub group: String,
    /// The partition.
    pub partition: Partition,
    /// First and last offset.
    pub offsets: (i64, i64),
    /// Consumers and times.
    pub detail: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ((topic, number), (from, to)) = (&self.partition, self.offsets);
        write!(
            f,
            "{:?}: group {}, {topic}/{number}, offsets {from} to {to}{}",
            self.kind, self.group, self.detail
        )
    }
}

/// The lines of a ledger file. A line without an end is left out: its writer was killed, and the offsets of it were not stored.
pub fn read(file: &Path) -> Vec<HandledLine> {
    let text =
        fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    let lines = text
        .split_inclusive('\n')
        .filter(|line| line.ends_with('\n'));
    lines
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
        .collect()
}

/// Everything that may not be. `records` of one instance are in the order in which it handled them; offsets begin at 0. A topic must have no
/// markers of transactions and not be compacted.
pub fn judge(
    acknowledged: &[(Partition, i64)],
    groups: &[&str],
    records: &[HandledLine],
    windows: &[Window],
) -> Vec<Violation> {
    let mut found = Vec::new();
    for group in groups {
        let of_group = records.iter().filter(|line| line.group == **group);
        let mut partitions: BTreeMap<Partition, Group> = BTreeMap::new();
        for (partition, offset) in acknowledged {
            let of = partitions.entry(partition.clone()).or_default();
            of.acknowledged.insert(*offset);
        }
        for line in of_group {
            let partition = (line.range.topic.clone(), line.range.partition);
            partitions.entry(partition).or_default().lines.push(line);
        }
        let windows: Vec<&Window> = windows.iter().filter(|one| one.group == **group).collect();
        for (partition, of) in partitions {
            let faults = of.faults(&windows);
            found.extend(faults.into_iter().map(|(kind, offsets, detail)| Violation {
                kind,
                group: (*group).to_owned(),
                partition: partition.clone(),
                offsets,
                detail,
            }));
        }
    }
    found.sort();
    found
}

type Fault = (Kind, (i64, i64), String);

/// What a group did with one partition.
#[derive(Debug, Default)]
struct Group<'a> {
    acknowledged: BTreeSet<i64>,
    lines: Vec<&'a HandledLine>,
}

impl Group<'_> {
    fn faults(mut self, windows: &[&Window]) -> Vec<Fault> {
        let mut found = self.out_of_order(windows);
        // stable: lines of one instance keep their order
        self.lines.sort_by_key(|line| line.range.taken_at);
        found.extend(self.twice(windows));
        found.extend(self.missing());
        found
    }

    /// Lower offsets after higher ones of the same consumer. One that was handled before, by any consumer, is judged by [`Self::twice`].
    fn out_of_order(&self, windows: &[&Window]) -> Vec<Fault> {
        let mut found = Vec::new();
        let mut last: BTreeMap<&str, i64> = BTreeMap::new();
        for (number, line) in self.lines.iter().enumerate() {
            let range = &line.range;
            let before = last.insert(&line.instance, range.to.max(range.from));
            let backwards =
                range.to < range.from || before.is_some_and(|before| range.from <= before);
            if !backwards || is_excused(range, windows) {
                continue;
            }
            let mut others = self.lines[..number].iter();
            if !others.any(|other| overlap(&other.range, range).is_some()) {
                let detail = format!(", by {} after {before:?}: {range:?}", line.instance);
                found.push((Kind::OutOfOrder, (range.from, range.to), detail));
            }
        }
        found
    }

    /// Offsets that were handled again outside of a window.
    fn twice(&self, windows: &[&Window]) -> Vec<Fault> {
        let mut found = Vec::new();
        for (number, second) in self.lines.iter().enumerate() {
            if is_excused(&second.range, windows) {
                continue;
            }
            if second.range.count > span(&second.range) {
                let offsets = (second.range.from, second.range.to);
                let detail = format!(", by {} in one range", second.instance);
                found.push((Kind::HandledTwice, offsets, detail));
            }
            let before = self.lines[..number].iter();
            let again =
                before.filter_map(|first| Some((first, overlap(&first.range, &second.range)?)));
            found.extend(again.map(|(first, offsets)| {
                let detail = format!(
                    ", by {} at {} and by {} at {}",
                    first.instance, first.range.taken_at, second.instance, second.range.taken_at
                );
                (Kind::HandledTwice, offsets, detail)
            }));
        }
        found
    }

    /// Offsets that no consumer of the group has handled.
    fn missing(&self) -> Vec<Fault> {
        let mut found = Vec::new();
        let mut ranges: Vec<&HandledRange> = self.lines.iter().map(|line| &line.range).collect();
        ranges.sort_by_key(|range| range.from);
        let mut next = 0;
        for range in ranges {
            if range.from > next {
                found.push((Kind::Skipped, (next, range.from - 1), String::new()));
            }
            let span = span(range);
            if range.count < span {
                let detail = format!(", of which {} are missing", span - range.count);
                found.push((Kind::Skipped, (range.from, range.to), detail));
            }
            next = next.max(range.to + 1);
        }
        let left: Vec<i64> = self.acknowledged.range(next..).copied().collect();
        if let [first, .., last] | [first @ last] = left[..] {
            let detail = format!(", {} messages", left.len());
            found.push((Kind::NotHandled, (first, last), detail));
        }
        found
    }
}

/// Offsets from its first to its last one.
fn span(range: &HandledRange) -> u64 {
    u64::try_from(range.to - range.from + 1).unwrap_or_default()
}

fn is_excused(range: &HandledRange, windows: &[&Window]) -> bool {
    windows
        .iter()
        .any(|window| (window.from..=window.to).contains(&range.taken_at))
}

/// The offsets that both have.
fn overlap(a: &HandledRange, b: &HandledRange) -> Option<(i64, i64)> {
    let (from, to) = (a.from.max(b.from), a.to.min(b.to));
    (from <= to).then_some((from, to))
}
