//! The messages that are followed. In: partition, offset and time of each, as the producer acknowledged it. Out: ranges of offsets.

use crate::{ByPartition, by_partition::At};

/// Messages by partition, as ranges: thousands that were sent one after the other take a few.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SentMessages {
    ranges: ByPartition<Vec<SentRange>>,
    /// Messages that Kafka has, at an offset that it no longer knows: they cannot be followed.
    pub without_offset: u64,
}

/// Messages at neighbouring offsets that were produced within a tenth of a second.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SentRange {
    /// Offset of the first one.
    pub from: i64,
    /// Offset of the last one.
    pub to: i64,
    /// When the earliest one was produced, or before that, milliseconds since the epoch; `None`: unknown.
    pub first_at: Option<i64>,
    /// When the latest one was produced; `None`: unknown.
    pub last_at: Option<i64>,
}

/// Time between the first and the last message of a range, at most, in milliseconds: when each one was produced is known to that.
pub(super) const MOMENT: i64 = 100;

impl SentRange {
    fn has_time_for(&self, at: Option<i64>) -> bool {
        match (self.first_at, self.last_at, at) {
            (Some(first), Some(last), Some(at)) => at.max(last) - at.min(first) <= MOMENT,
            (None, None, None) => true,
            _ => false,
        }
    }

    fn extend(&mut self, offset: i64, at: Option<i64>) {
        self.from = self.from.min(offset);
        self.to = self.to.max(offset);
        self.first_at = earlier(self.first_at, at);
        self.last_at = self.last_at.max(at);
    }

    /// Adds the range after it.
    fn append(&mut self, next: &Self) {
        self.to = next.to;
        self.first_at = earlier(self.first_at, next.first_at);
        self.last_at = self.last_at.max(next.last_at);
    }

    /// Offsets from `from` to `to`.
    pub fn messages(&self) -> u64 {
        offsets(self.from, self.to)
    }
}

/// How many offsets there are from one to another, both included.
pub(super) fn offsets(from: i64, to: i64) -> u64 {
    u64::try_from(to.saturating_sub(from).saturating_add(1)).unwrap_or_default()
}

impl SentMessages {
    /// Adds a message; an offset that is there already is not counted twice.
    pub fn add(&mut self, partition: At<'_>, offset: i64, at: Option<i64>) {
        let ranges = self.ranges.get_or_insert_with(partition, Vec::new);
        // sorted
        let place = ranges.partition_point(|range| range.to < offset);
        if ranges.get(place).is_some_and(|range| range.from <= offset) {
            return;
        }
        if let Some(before) = place.checked_sub(1).and_then(|place| ranges.get_mut(place))
            && before.to + 1 == offset
            && before.has_time_for(at)
        {
            return before.extend(offset, at);
        }
        if let Some(after) = ranges.get_mut(place)
            && after.from - 1 == offset
            && after.has_time_for(at)
        {
            return after.extend(offset, at);
        }
        let one = SentRange {
            from: offset,
            to: offset,
            first_at: at,
            last_at: at,
        };
        ranges.insert(place, one);
    }

    /// Of a message that is known to be produced at a time or later.
    pub fn one(partition: At<'_>, offset: i64, earliest: Option<i64>) -> Self {
        let mut sent = Self::default();
        let range = SentRange {
            from: offset,
            to: offset,
            first_at: earliest,
            last_at: None,
        };
        sent.ranges.insert(partition, vec![range]);
        sent
    }

    /// Each partition with its ranges, in the order of offsets.
    pub fn iter(&self) -> impl Iterator<Item = (At<'_>, &[SentRange])> {
        self.ranges.iter().map(|(at, all)| (at, all.as_slice()))
    }

    /// How many messages there are whose offset is known.
    pub fn count(&self) -> u64 {
        let all = self.ranges.values().flatten();
        all.map(SentRange::messages).sum()
    }

    /// Each partition with its ranges, whenever their messages were produced: no two of them touch.
    pub fn spans(&self) -> impl Iterator<Item = (At<'_>, Vec<SentRange>)> {
        self.iter().map(|(at, ranges)| {
            let mut spans: Vec<SentRange> = Vec::new();
            for range in ranges {
                match spans.last_mut() {
                    Some(last) if last.to + 1 == range.from => last.append(range),
                    _ => spans.push(*range),
                }
            }
            (at, spans)
        })
    }

    /// Each partition with its first and last offset: what to ask consumers about.
    pub fn windows(&self) -> impl Iterator<Item = (At<'_>, i64, i64)> {
        self.iter().filter_map(|(at, ranges)| {
            let (first, last) = (ranges.first()?, ranges.last()?);
            Some((at, first.from, last.to))
        })
    }

    /// When the earliest one was produced, milliseconds since the epoch.
    pub fn first_at(&self) -> Option<i64> {
        let all = self.ranges.values().flatten();
        all.filter_map(|range| range.first_at).min()
    }

    /// When the latest one was produced.
    pub fn last_at(&self) -> Option<i64> {
        let all = self.ranges.values().flatten();
        all.filter_map(|range| range.last_at).max()
    }
}

/// The earlier of two times; an unknown one is unknown.
fn earlier(one: Option<i64>, other: Option<i64>) -> Option<i64> {
    one.zip(other).map(|(one, other)| one.min(other))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// First and last offset, first and last time.
    fn bounds(ranges: &[SentRange]) -> Vec<(i64, i64)> {
        ranges.iter().map(|range| (range.from, range.to)).collect()
    }

    #[test]
    fn neighbouring_offsets_are_one_range() {
        for (offsets, expected) in [
            (&[5][..], &[(5, 5)][..]),
            (&[5, 6, 7], &[(5, 7)]),
            (&[7, 5, 6], &[(5, 7)]),
            (&[5, 9, 6, 8], &[(5, 6), (8, 9)]),
            (&[5, 9, 6, 8, 7], &[(5, 9)]),
            (&[5, 5, 6, 5], &[(5, 6)]),
            (&[9, 0, 4], &[(0, 0), (4, 4), (9, 9)]),
            // later than MOMENT
            (&[5, 6, 200, 7, 201, 8], &[(5, 8), (200, 201)]),
        ] {
            let mut sent = SentMessages::default();
            for offset in offsets {
                sent.add(("t", 1), *offset, Some(100 + offset));
            }
            let (_, spans) = sent.spans().next().expect("a partition");
            assert_eq!(bounds(&spans), expected, "{offsets:?}");
            for range in spans {
                let times = (range.first_at, range.last_at);
                assert_eq!(times, (Some(100 + range.from), Some(100 + range.to)));
            }
            let all: u64 = expected
                .iter()
                .map(|(from, to)| super::offsets(*from, *to))
                .sum();
            assert_eq!(sent.count(), all);
        }
    }

    #[test]
    fn a_range_is_of_one_moment() {
        let mut sent = SentMessages::default();
        for (offset, at) in [
            (5, 0),
            (6, MOMENT),
            (7, MOMENT + 1),
            (8, 2 * MOMENT),
            (4, MOMENT + 1),
        ] {
            sent.add(("t", 1), offset, Some(at));
        }
        let (_, ranges) = sent.iter().next().expect("a partition");
        assert_eq!(bounds(ranges), [(4, 4), (5, 6), (7, 8)]);
        sent.add(("t", 1), 9, None);
        let (_, ranges) = sent.iter().next().expect("a partition");
        assert_eq!(bounds(ranges), [(4, 4), (5, 6), (7, 8), (9, 9)]);
        let (_, spans) = sent.spans().next().expect("a partition");
        assert_eq!((bounds(&spans), spans[0].first_at), (vec![(4, 9)], None));
        assert_eq!(spans[0].last_at, Some(2 * MOMENT));
    }

    #[test]
    fn ten_thousand_messages_take_few_ranges() {
        let mut sent = SentMessages::default();
        for offset in 0..10_000 {
            let partition = i32::try_from(offset % 3).expect("is small");
            sent.add(("t", partition), 40 + offset / 3, Some(offset));
        }
        let ranges: usize = sent.iter().map(|(_, ranges)| ranges.len()).sum();
        assert_eq!(sent.count(), 10_000);
        assert!(ranges <= 3 * 100, "{ranges} in ten seconds");
        let windows: Vec<_> = sent.windows().collect();
        assert_eq!(windows[0], (("t", 0), 40, 3_373));
        assert_eq!((sent.first_at(), sent.last_at()), (Some(0), Some(9_999)));
    }
}
