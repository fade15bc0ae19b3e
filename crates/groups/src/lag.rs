//! The lag of a group in one partition. Pure. In: committed offset, bounds of the log, reset policy. Out: a lag that is `Unknown`,
//! never 0 or -1, where a fact is missing.

use practice_contract::OffsetReset;

use crate::{
    by_partition::At,
    model::{Bounds, Committed, GroupSeen, Snapshot, TopicSeen},
};

/// A lag, in offsets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lag {
    /// End minus committed.
    Behind(i64),
    /// No committed offset yet: the offsets that the reset policy leaves to consume.
    NoCommit(i64),
    /// The log starts after the committed offset: messages in between were deleted.
    Expired {
        /// Offsets that can no longer be consumed.
        lost: i64,
        /// Offsets left to consume.
        left: i64,
    },
    /// The committed offset is beyond the end of the log: the topic was recreated or truncated. Nothing is consumed until the offset
    /// is reset.
    Stale,
    /// The offset was committed to a former topic with the same name, so the whole log is left to consume.
    Recreated(i64),
    /// Committed offset or bounds could not be read.
    Unknown,
}

impl Lag {
    /// The number for sums: `None` only when unknown.
    pub fn effective(self) -> Option<i64> {
        match self {
            Self::Behind(n)
            | Self::NoCommit(n)
            | Self::Expired { left: n, .. }
            | Self::Recreated(n) => Some(n),
            Self::Stale => Some(0),
            Self::Unknown => None,
        }
    }

    /// Why the lag is not end minus committed offset; `None`: it is.
    pub fn reason(self) -> Option<&'static str> {
        match self {
            Self::Behind(_) => None,
            Self::NoCommit(_) => Some("NoCommit"),
            Self::Expired { .. } => Some("Expired"),
            Self::Stale => Some("Stale"),
            Self::Recreated(_) => Some("Recreated"),
            Self::Unknown => Some("Unknown"),
        }
    }

    /// Offsets that were deleted before the group consumed them.
    pub fn lost(self) -> Option<i64> {
        match self {
            Self::Expired { lost, .. } => Some(lost),
            _ => None,
        }
    }
}

/// The lag of one partition. `bounds` must have been read after `committed`.
pub fn lag(committed: Option<&Committed>, bounds: Option<Bounds>, reset: OffsetReset) -> Lag {
    let Some(Bounds { start, end }) = bounds else {
        return Lag::Unknown;
    };
    match committed.map(|committed| committed.offset) {
        None if reset == OffsetReset::Earliest => Lag::NoCommit(end - start),
        None => Lag::NoCommit(0),
        Some(offset) if offset < start => Lag::Expired {
            lost: start - offset,
            left: end - start,
        },
        Some(offset) if offset > end => Lag::Stale,
        Some(offset) => Lag::Behind(end - offset),
    }
}

impl Snapshot {
    /// Bounds of a partition's log; `None`: not known, or the partition does not exist.
    pub fn bounds(&self, (topic, number): At<'_>) -> Option<Bounds> {
        match self.topics.get(topic)? {
            TopicSeen::Present(facts) => *facts.partitions.get(usize::try_from(number).ok()?)?,
            TopicSeen::Missing | TopicSeen::Unknown(_) => None,
        }
    }

    /// The lag of a group of this poll in a partition. A group with `Latest` whose start is pinned (it has a commit or a member)
    /// consumes a partition without a commit, such as an added one, from its start.
    pub fn lag(&self, group: &GroupSeen, partition: At<'_>, reset: OffsetReset) -> Lag {
        let reset = if group.has_started() {
            OffsetReset::Earliest
        } else {
            reset
        };
        let Some(committed) = &group.committed else {
            return Lag::Unknown;
        };
        match (self.bounds(partition), group.outdated.contains(partition)) {
            (Some(Bounds { start, end }), true) => Lag::Recreated(end - start),
            (bounds, _) => lag(committed.get(partition), bounds, reset),
        }
    }
}

/// The sum of lags; `None` when one is unknown.
pub fn total(lags: impl IntoIterator<Item = Option<i64>>) -> Option<i64> {
    lags.into_iter()
        .try_fold(0_i64, |sum, lag| lag.map(|lag| sum.saturating_add(lag)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{by_partition::ByPartition, model::TopicFacts};

    #[test]
    fn every_case() {
        let at = |offset| {
            Some(Committed {
                offset,
                metadata: "".into(),
            })
        };
        let log = Some(Bounds {
            start: 10,
            end: 100,
        });
        for (committed, bounds, reset, expected, effective) in [
            (
                at(40),
                log,
                OffsetReset::Earliest,
                Lag::Behind(60),
                Some(60),
            ),
            (at(100), log, OffsetReset::Earliest, Lag::Behind(0), Some(0)),
            (at(10), log, OffsetReset::Latest, Lag::Behind(90), Some(90)),
            (
                None,
                log,
                OffsetReset::Earliest,
                Lag::NoCommit(90),
                Some(90),
            ),
            (None, log, OffsetReset::Latest, Lag::NoCommit(0), Some(0)),
            (
                at(4),
                log,
                OffsetReset::Earliest,
                Lag::Expired { lost: 6, left: 90 },
                Some(90),
            ),
            (at(101), log, OffsetReset::Earliest, Lag::Stale, Some(0)),
            (at(40), None, OffsetReset::Earliest, Lag::Unknown, None),
            (None, None, OffsetReset::Latest, Lag::Unknown, None),
        ] {
            let lag = lag(committed.as_ref(), bounds, reset);
            assert_eq!(lag, expected);
            assert_eq!(lag.effective(), effective);
        }
    }

    #[test]
    fn a_snapshot_has_the_lag_of_each_partition() {
        let facts = TopicFacts {
            partitions: vec![
                Some(Bounds {
                    start: 10,
                    end: 100,
                }),
                None,
            ],
            ..TopicFacts::default()
        };
        let mut snapshot = Snapshot::default();
        snapshot.topics.insert("t".into(), TopicSeen::from(facts));
        snapshot.topics.insert("gone".into(), TopicSeen::Missing);
        let commit = |topic: &str, number| {
            (
                (topic.to_owned(), number),
                Committed {
                    offset: 98,
                    metadata: "".into(),
                },
            )
        };
        let committed = [commit("t", 0), commit("t", 1), commit("gone", 0)].into();
        let mut group = GroupSeen {
            committed: Some(committed),
            ..GroupSeen::default()
        };
        let lag = |group: &GroupSeen, topic, number| {
            snapshot.lag(group, (topic, number), OffsetReset::Latest)
        };
        assert_eq!(lag(&group, "t", 0), Lag::Behind(2));
        for (topic, number) in [("t", 1), ("t", 2), ("t", -1), ("gone", 0), ("unasked", 0)] {
            assert_eq!(lag(&group, topic, number), Lag::Unknown, "{topic}/{number}");
        }
        group.outdated.insert(("t", 0), ());
        assert_eq!(
            lag(&group, "t", 0),
            Lag::Recreated(90),
            "never the 2 that end minus committed would be"
        );
        group.committed = None;
        assert_eq!(lag(&group, "t", 0), Lag::Unknown);
    }

    #[test]
    fn latest_skips_messages_only_before_the_group_has_started() {
        let bounds = Some(Bounds {
            start: 10,
            end: 100,
        });
        let facts = TopicFacts {
            partitions: vec![bounds; 2],
            ..TopicFacts::default()
        };
        let snapshot = Snapshot {
            topics: [("t".to_owned(), TopicSeen::from(facts))].into(),
            ..Snapshot::default()
        };
        let lag = |group: &GroupSeen, reset| snapshot.lag(group, ("t", 1), reset);
        let mut group = GroupSeen {
            committed: Some(ByPartition::default()),
            ..GroupSeen::default()
        };
        assert_eq!(lag(&group, OffsetReset::Latest), Lag::NoCommit(0));
        assert_eq!(lag(&group, OffsetReset::Earliest), Lag::NoCommit(90));
        let pinned = Committed {
            offset: 100,
            metadata: "".into(),
        };
        let pinned = ByPartition::from([(("t".to_owned(), 0), pinned)]);
        group.committed = Some(pinned);
        let added = lag(&group, OffsetReset::Latest);
        assert_eq!(added, Lag::NoCommit(90), "partition 1 was added later");
    }

    #[test]
    fn one_unknown_makes_the_sum_unknown() {
        assert_eq!(total([Some(1), Some(2)]), Some(3));
        assert_eq!(total([Some(1), None]), None);
        assert_eq!(total([]), Some(0));
    }
}
