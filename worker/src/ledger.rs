//! Which offsets this consumer has handled, and when. In: ranges, and confirmed commits. Out: `/handled`, and what a file lacks. Pure: no
//! Kafka, no clock.
//! Bounded: the oldest ranges are forgotten. Deliberately absent: who handled what this consumer has not; each one answers for itself.

use std::collections::{BTreeMap, VecDeque};

use practice_contract::handled::{HANDLED_KEPT, HANDLED_LISTED, HandledQuery, HandledRange};

use crate::member::Partition;

/// When a message was produced, taken and handled, milliseconds since the epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Times {
    /// As its record says; `None`: it does not.
    pub(crate) produced: Option<i64>,
    pub(crate) taken: i64,
    pub(crate) done: i64,
}

/// Messages of one partition that were handled one after the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Range {
    from: i64,
    to: i64,
    count: u64,
    produced_at: Option<i64>,
    taken_at: i64,
    done_at: i64,
    committed_at: Option<i64>,
}

impl Range {
    /// Of one message.
    pub(crate) fn of(offset: i64, times: Times) -> Self {
        Self {
            from: offset,
            to: offset,
            count: 1,
            produced_at: times.produced,
            taken_at: times.taken,
            done_at: times.done,
            committed_at: None,
        }
    }

    /// Adds the message after it.
    pub(crate) fn extend(&mut self, offset: i64, times: Times) {
        (self.to, self.done_at) = (offset, times.done);
        let both = self.produced_at.zip(times.produced);
        self.produced_at = both.map(|(one, other)| one.min(other));
        self.count += 1;
    }

    /// As it is answered.
    fn answer(&self, (topic, partition): &Partition) -> HandledRange {
        HandledRange {
            topic: topic.to_string(),
            partition: *partition,
            from: self.from,
            to: self.to,
            count: self.count,
            produced_at: self.produced_at,
            taken_at: self.taken_at,
            done_at: self.done_at,
            committed_at: self.committed_at,
        }
    }
}

/// Everything that this consumer has handled lately.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    /// In the order in which they were handled.
    partitions: BTreeMap<Partition, VecDeque<Range>>,
    /// Messages in all ranges.
    kept: u64,
    /// When the newest forgotten range was handled.
    forgotten: Option<i64>,
    /// What the ledger file lacks; `None`: there is no file.
    unwritten: Option<Vec<(Partition, Range)>>,
}

impl Ledger {
    /// One whose ranges are also taken by [`take_unwritten`](Self::take_unwritten).
    pub(crate) fn for_file() -> Self {
        Self {
            unwritten: Some(Vec::new()),
            ..Self::default()
        }
    }

    /// The ranges that were added since the last call.
    pub(crate) fn take_unwritten(&mut self) -> Vec<HandledRange> {
        let ranges = self.unwritten.iter_mut().flat_map(|all| all.drain(..));
        ranges
            .map(|(partition, range)| range.answer(&partition))
            .collect()
    }

    /// Adds a range.
    pub(crate) fn add(&mut self, partition: &Partition, range: Range) {
        if let Some(unwritten) = &mut self.unwritten {
            unwritten.push((partition.clone(), range));
        }
        self.kept += range.count;
        match self.partitions.get_mut(partition) {
            Some(ranges) => ranges.push_back(range),
            None => drop(self.partitions.insert(partition.clone(), [range].into())),
        }
        while self.kept > HANDLED_KEPT {
            self.forget();
        }
    }

    /// Forgets the oldest range.
    fn forget(&mut self) {
        let oldest = self
            .partitions
            .values_mut()
            .min_by_key(|ranges| ranges.front().map_or(i64::MAX, |range| range.done_at));
        let Some(range) = oldest.and_then(VecDeque::pop_front) else {
            return;
        };
        self.kept -= range.count;
        self.forgotten = self.forgotten.max(Some(range.done_at));
        self.partitions.retain(|_, ranges| !ranges.is_empty());
    }

    /// A commit of an offset was confirmed: what was handled before it is committed.
    pub(crate) fn committed(&mut self, partition: &Partition, offset: i64, at: i64) {
        let ranges = self.partitions.get_mut(partition);
        let open = ranges.into_iter().flat_map(VecDeque::iter_mut).rev();
        open.take_while(|range| range.committed_at.is_none())
            .filter(|range| range.to < offset)
            .for_each(|range| range.committed_at = Some(at));
    }

    /// Since when everything is known, for a consumer that started at `started_at`.
    pub(crate) fn known_since(&self, started_at: i64) -> i64 {
        self.forgotten.unwrap_or(started_at).max(started_at)
    }

    /// The ranges that a query asks for, and whether there are more.
    pub(crate) fn find(&self, query: &HandledQuery) -> (Vec<HandledRange>, bool) {
        let is_asked = |(topic, partition): &Partition| {
            query.topic.as_ref().is_none_or(|asked| **asked == **topic)
                && query.partition.is_none_or(|asked| asked == *partition)
        };
        let overlaps = |range: &&Range| {
            query.from.is_none_or(|from| range.to >= from)
                && query.to.is_none_or(|to| range.from <= to)
        };
        let partitions = self.partitions.iter();
        let partitions = partitions.filter(|(partition, _)| is_asked(partition));
        let mut found = partitions.flat_map(|(partition, ranges)| {
            let ranges = ranges.iter().filter(overlaps);
            ranges.map(|range| range.answer(partition))
        });
        let listed = found.by_ref().take(HANDLED_LISTED).collect();
        (listed, found.next().is_some())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn partition(number: i32) -> Partition {
        (Arc::from("t"), number)
    }

    /// A range of so many messages from an offset on, handled at a time.
    fn range(from: i64, count: i64, at: i64) -> Range {
        let times = |at| Times {
            produced: Some(at - 5),
            taken: at,
            done: at,
        };
        let mut range = Range::of(from, times(at));
        for offset in 1..count {
            range.extend(from + offset, times(at + offset));
        }
        range
    }

    #[test]
    fn a_range_has_the_time_of_its_earliest_message() {
        let times = |produced| Times {
            produced,
            taken: 50,
            done: 60,
        };
        for (produced, expected) in [
            (&[Some(7), Some(9)][..], Some(7)),
            (&[Some(9), Some(7), Some(8)], Some(7)),
            (&[Some(9), None, Some(7)], None),
            (&[None, Some(7)], None),
        ] {
            let mut range = Range::of(0, times(produced[0]));
            for (offset, produced) in (1..).zip(&produced[1..]) {
                range.extend(offset, times(*produced));
            }
            let answer = range.answer(&partition(0));
            assert_eq!(answer.produced_at, expected, "{produced:?}");
        }
    }

    fn asked(partition: Option<i32>, from: Option<i64>, to: Option<i64>) -> HandledQuery {
        HandledQuery {
            topic: Some("t".to_owned()),
            partition,
            from,
            to,
        }
    }

    fn found(ledger: &Ledger, query: &HandledQuery) -> Vec<(i32, i64, i64)> {
        let (ranges, more) = ledger.find(query);
        assert!(!more, "{ranges:?}");
        let bounds = |range: &HandledRange| (range.partition, range.from, range.to);
        ranges.iter().map(bounds).collect()
    }

    #[test]
    fn a_query_finds_what_overlaps() {
        let mut ledger = Ledger::default();
        ledger.add(&partition(1), range(0, 3, 10));
        ledger.add(&partition(0), range(7, 1, 20));
        ledger.add(&partition(1), range(5, 4, 30)); // 3 and 4 are markers of transactions
        ledger.add(&partition(1), range(7, 1, 90)); // handled again
        for (query, expected) in [
            (
                asked(None, None, None),
                &[(0, 7, 7), (1, 0, 2), (1, 5, 8), (1, 7, 7)][..],
            ),
            (asked(Some(1), Some(7), Some(7)), &[(1, 5, 8), (1, 7, 7)]),
            (asked(Some(1), Some(3), Some(4)), &[]),
            (asked(Some(1), None, Some(4)), &[(1, 0, 2)]),
            (asked(None, Some(8), None), &[(1, 5, 8)]),
            (asked(Some(2), None, None), &[]),
        ] {
            assert_eq!(found(&ledger, &query), expected, "{query:?}");
        }
        let other = HandledQuery {
            topic: Some("u".to_owned()),
            ..HandledQuery::default()
        };
        assert_eq!(found(&ledger, &other), []);
    }

    #[test]
    fn a_commit_covers_what_is_before_it() {
        let mut ledger = Ledger::default();
        for (from, count) in [(0, 5), (5, 5), (10, 5)] {
            ledger.add(&partition(0), range(from, count, from));
        }
        ledger.add(&partition(1), range(0, 1, 0));
        let committed = |ledger: &Ledger| {
            let (ranges, _) = ledger.find(&asked(Some(0), None, None));
            let at = ranges.iter().map(|range| range.committed_at);
            at.collect::<Vec<_>>()
        };
        ledger.committed(&partition(0), 5, 100);
        assert_eq!(committed(&ledger), [Some(100), None, None]);
        ledger.committed(&partition(0), 12, 200);
        assert_eq!(
            committed(&ledger),
            [Some(100), Some(200), None],
            "12 to 14 are not committed, and so the range is not"
        );
        ledger.committed(&partition(0), 15, 300);
        assert_eq!(committed(&ledger), [Some(100), Some(200), Some(300)]);
        ledger.committed(&partition(7), 15, 300);
        let (other, _) = ledger.find(&asked(Some(1), None, None));
        assert_eq!(other[0].committed_at, None);
    }

    #[test]
    fn the_oldest_is_forgotten_and_that_is_known() {
        let mut ledger = Ledger::default();
        let most = i64::try_from(HANDLED_KEPT).expect("is small");
        assert_eq!(ledger.known_since(3), 3);
        for at in 0..most {
            ledger.add(&partition(i32::from(at % 2 == 1)), range(at, 1, 10 + at));
        }
        assert_eq!(ledger.known_since(3), 3, "as many as are kept");
        ledger.add(&partition(1), range(most, 3, 10 + most));
        assert_eq!(ledger.known_since(3), 12, "offsets 0 to 2 are forgotten");
        assert_eq!(found(&ledger, &asked(None, None, Some(3))), [(1, 3, 3)]);
        let (listed, more) = ledger.find(&HandledQuery::default());
        assert_eq!((listed.len(), more), (HANDLED_LISTED, true));
    }
}
