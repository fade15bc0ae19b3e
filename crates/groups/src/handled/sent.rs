//! The messages that are followed. In: partition, offset and time of each, as the producer acknowledged it. Out: ranges of offsets.

use crate::{ByPartition, by_partition::At};

/// Messages by partition, as ranges: thousands that were sent one after the other take a few.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SentMessages {
    ranges: ByPartition<Vec<SentRange>>,
    /// Messages that Kafka has, at an offset that it no longer knows: they cannot be followed.
    pub without_offset: u64,
}

/// Messages at neighbouring offsets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SentRange {
    /// Offset of the first one.
    pub from: i64,
    /// Offset of the last one.
    pub to: i64,
    /// When the earliest one was produced, milliseconds since the epoch; `None`: unknown.
    pub first_at: Option<i64>,
    /// The same of the latest one.
    pub last_at: Option<i64>,
}

impl SentRange {
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
        let one = SentRange {
            from: offset,
            to: offset,
            first_at: at,
            last_at: at,
        };
        let Some(ranges) = self.ranges.get_mut(partition) else {
            self.ranges.insert(partition, vec![one]);
            return;
        };
        // sorted, and no two of them touch
        let place = ranges.partition_point(|range| range.to < offset.saturating_sub(1));
        match ranges.get_mut(place) {
            Some(range) if (range.from..=range.to).contains(&offset) => {}
            Some(range) if range.from.saturating_sub(1) <= offset => {
                range.from = range.from.min(offset);
                range.to = range.to.max(offset);
                range.first_at = earlier(range.first_at, at);
                range.last_at = range.last_at.max(at);
                let touches = |next: &SentRange, to: i64| next.from.saturating_sub(1) <= to;
                let to = range.to;
                if ranges.get(place + 1).is_some_and(|next| touches(next, to)) {
                    let next = ranges.remove(place + 1);
                    let range = &mut ranges[place];
                    range.to = next.to;
                    range.first_at = earlier(range.first_at, next.first_at);
                    range.last_at = range.last_at.max(next.last_at);
                }
            }
            _ => ranges.insert(place, one),
        }
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
        ] {
            let mut sent = SentMessages::default();
            for offset in offsets {
                sent.add(("t", 1), *offset, Some(100 + offset));
            }
            let ranges: Vec<_> = sent.iter().flat_map(|(_, all)| all).collect();
            let bounds: Vec<_> = ranges.iter().map(|range| (range.from, range.to)).collect();
            assert_eq!(bounds, expected, "{offsets:?}");
            for range in ranges {
                let times = (range.first_at, range.last_at);
                assert_eq!(times, (Some(100 + range.from), Some(100 + range.to)));
            }
            let all: u64 = expected
                .iter()
                .map(|(from, to)| offsets_of(*from, *to))
                .sum();
            assert_eq!(sent.count(), all);
        }
    }

    fn offsets_of(from: i64, to: i64) -> u64 {
        super::offsets(from, to)
    }

    #[test]
    fn ten_thousand_messages_take_a_range_for_each_partition() {
        let mut sent = SentMessages::default();
        for offset in 0..10_000 {
            let partition = i32::try_from(offset % 3).expect("is small");
            sent.add(("t", partition), 40 + offset / 3, Some(offset));
        }
        let ranges: usize = sent.iter().map(|(_, ranges)| ranges.len()).sum();
        assert_eq!((sent.count(), ranges), (10_000, 3));
        let windows: Vec<_> = sent.windows().collect();
        assert_eq!(windows[0], (("t", 0), 40, 3_373));
        assert_eq!((sent.first_at(), sent.last_at()), (Some(0), Some(9_999)));
    }
}
