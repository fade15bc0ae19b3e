//! The health of a group, partition by partition, by the rules of Burrow's evaluator
//! (<https://github.com/linkedin/Burrow/wiki/Consumer-Lag-Evaluation-Rules>), which need no threshold. Pure. In: polls, each with a
//! tick, a time that only grows. Out: a [`PartitionHealth`] for each partition. The first rule that applies decides:
//!
//! | rule | holds when | state | function |
//! |---|---|---|---|
//! | 1 | the committed offset moved back within the last window | `Rewound` | `rewound` |
//! | 2 | lag is 0 now | `Healthy` | `evaluate` |
//! | 3 | lag, and an owner that was idle for a window | `Stalled` | `not_consumed` |
//! | 4 | lag, and no owner for a window | `Unassigned` | `not_consumed` |
//! | 5 | lag has only grown for a window | `Lagging` | `lagging` |
//! | 6 | the partition was observed for a window | `Healthy` | `evaluate` |
//!
//! A partition of rule 3 whose owner waits for an open transaction is healthy (`transactions`).
//!
//! Without any of them there are too few samples. Burrow reads the commits themselves; a poll reads the committed offsets. So a
//! commit that repeats an offset does not count, the owner distinguishes rule 4 from rule 3, and a rewind is reported for a window
//! even if the group has caught up since. Bounded: a few points for each partition, however long the process runs.

mod history;
mod owners;
mod state;
mod transactions;

use std::{collections::BTreeMap, time::Duration};

use arcstr::ArcStr;

use self::owners::Owners;
use crate::{
    by_partition::At,
    compact::{Offset, Tick},
    lag::Lag,
};

pub use history::HealthHistory;
pub use state::{GroupHealth, HealthState, PartitionHealth};
pub use transactions::{OpenTransaction, at_stable_end};

/// Time without progress, or with growing lag, before a partition is reported as unhealthy.
pub const WINDOW: Duration = Duration::from_mins(1);
/// The window is at least this many times the delay of the slowest consumer for one message.
const MESSAGES: u32 = 3;
/// Lag samples in a window, each at a commit. Burrow's ring has as many.
const POINTS: u32 = 10;
/// Polls further apart than this part of a window leave a gap, which does not count as time.
const GAP: u32 = 6;
/// Samples that a trend needs at least.
const TREND: usize = 4;

/// Samples of one partition of one group.
#[derive(Debug, Clone)]
struct PartitionHistory {
    /// The topic got another id after the last commit.
    topic_recreated: bool,
    first_seen: Tick,
    committed: Option<Offset>,
    /// When the committed offset last changed.
    last_commit: Tick,
    /// Since when lag has not been zero; `None`: it is.
    lag_since: Option<Tick>,
    /// Member id of the owner; `None`: no owner.
    owner: Option<ArcStr>,
    /// Since when; `None`: owners were not reported yet.
    owned_since: Option<Tick>,
    rewind: Option<Box<Rewind>>,
    /// When its owner was last seen to wait for a transaction.
    waited: Option<Tick>,
    /// Lags at commits, oldest first; none while lag is 0.
    #[expect(
        clippy::box_collection,
        reason = "most partitions have none, and 8 bytes less each"
    )]
    points: Option<Box<Vec<(Tick, i64)>>>,
}

/// A committed offset that moved back.
#[derive(Debug, Clone, Copy)]
struct Rewind {
    at: Tick,
    from: i64,
    to: i64,
    topic_recreated: bool,
}

/// What a partition is evaluated with, beside its history.
struct Sample<'a> {
    lag: i64,
    now: Tick,
    /// Time without progress after which a partition is not consumed.
    window: Duration,
    /// Time for which lag has to grow.
    trend: Duration,
    /// When each owner last committed a new offset, in any partition, by member id.
    owner_commits: &'a BTreeMap<ArcStr, Tick>,
}

impl Sample<'_> {
    fn since(&self, time: Tick) -> Duration {
        self.now.since(time)
    }
}

/// The shorter of two times that may be absent.
fn earliest(one: Option<Duration>, other: Option<Duration>) -> Option<Duration> {
    one.into_iter().chain(other).min()
}

impl PartitionHistory {
    fn new(now: Tick) -> Self {
        Self {
            topic_recreated: false,
            first_seen: now,
            committed: None,
            last_commit: now,
            lag_since: None,
            owner: None,
            owned_since: None,
            rewind: None,
            waited: None,
            points: None,
        }
    }

    /// Continues after a gap: all times move forward by it, because unobserved time does not count.
    fn skip(&mut self, gap: Duration) {
        let times = [&mut self.first_seen, &mut self.last_commit].into_iter();
        let times = times.chain(self.lag_since.as_mut());
        let times = times.chain(self.owned_since.as_mut());
        let times = times.chain(self.rewind.as_mut().map(|rewind| &mut rewind.at));
        let times = times.chain(self.waited.as_mut());
        let points = self.points.iter_mut().flat_map(|points| points.iter_mut());
        times
            .chain(points.map(|(at, _)| at))
            .for_each(|at| *at = at.plus(gap));
    }

    /// Records a committed offset. Without one the former offset still counts, because a deleted commit moves the group back.
    fn record_commit(&mut self, offset: Option<i64>, now: Tick) {
        let before = self.committed.map(Offset::get);
        let Some(offset) = offset.filter(|offset| before != Some(*offset)) else {
            return;
        };
        if let Some(from) = before.filter(|from| offset < *from) {
            self.rewind = Some(Box::new(Rewind {
                at: now,
                from,
                to: offset,
                topic_recreated: self.topic_recreated,
            }));
            self.points = None;
        }
        (self.committed, self.last_commit, self.topic_recreated) =
            (Some(Offset::of(offset)), now, false);
    }

    /// Records owner and lag. `owners`: all owners of the group, if they are known.
    fn record(
        &mut self,
        (owners, at): (Option<&Owners>, At<'_>),
        lag: Lag,
        now: Tick,
        window: Duration,
    ) {
        if let Some(owners) = owners {
            self.record_owner(owners.get(&at), now);
        }
        self.record_lag(lag, now, window / POINTS);
    }

    fn record_owner(&mut self, owner: Option<&ArcStr>, now: Tick) {
        if self.owned_since.is_none() || self.owner.as_ref() != owner {
            (self.owner, self.owned_since) = (owner.cloned(), Some(now));
        }
    }

    fn record_lag(&mut self, lag: Lag, now: Tick, apart: Duration) {
        match lag.effective() {
            None => {}
            Some(0) => {
                self.lag_since = None;
                self.points = None;
            }
            Some(behind) => {
                self.lag_since.get_or_insert(now);
                if self.last_commit == now && self.committed.is_some() {
                    let points = self.points.get_or_insert_default();
                    let last = points.last().map(|(at, _)| *at);
                    if last.is_none_or(|last| now.since(last) >= apart) {
                        if points.len() > POINTS as usize {
                            points.remove(0);
                        }
                        points.push((now, behind));
                    }
                }
            }
        }
    }

    /// Applies the rules of the module's table in their order. Out: the health, or `None` with too few samples, and the time after
    /// which the health may change without a change in Kafka.
    fn evaluate(&self, sample: &Sample) -> (Option<PartitionHealth>, Option<Duration>) {
        if let Some(rewound) = self.rewound(sample) {
            let left = rewound.age().map(|age| sample.window.saturating_sub(age));
            return (Some(rewound), left);
        }
        let Some(lag_since) = self.lag_since.filter(|_| sample.lag > 0) else {
            return (Some(PartitionHealth::Healthy), None);
        };
        let idle = self.idle(lag_since, sample);
        let observed = sample.since(self.first_seen);
        let health = if idle >= sample.window {
            self.not_consumed(idle)
        } else {
            self.lagging(sample)
                .or_else(|| (observed >= sample.window).then_some(PartitionHealth::Healthy))
        };
        let left = [idle, observed]
            .into_iter()
            .filter_map(|age| sample.window.checked_sub(age));
        (health, left.filter(|left| !left.is_zero()).min())
    }

    /// Rule 1.
    fn rewound(&self, sample: &Sample) -> Option<PartitionHealth> {
        let rewind = self.rewind.as_deref()?;
        let age = sample.since(rewind.at);
        (age < sample.window).then_some(PartitionHealth::Rewound {
            from: rewind.from,
            to: rewind.to,
            topic_recreated: rewind.topic_recreated,
            age,
        })
    }

    /// Rules 3 and 4, for a partition with lag that was idle for a window; `None`: its owner is not known.
    fn not_consumed(&self, idle: Duration) -> Option<PartitionHealth> {
        self.owned_since.map(|_| match &self.owner {
            Some(_) => PartitionHealth::Stalled { age: idle },
            None => PartitionHealth::Unassigned { age: idle },
        })
    }

    /// Rule 5.
    fn lagging(&self, sample: &Sample) -> Option<PartitionHealth> {
        self.grows(sample.window, sample.trend)
            .map(|since| PartitionHealth::Lagging {
                within: sample.since(since),
            })
    }

    /// How long nothing has happened that could reduce the lag: no new message after lag 0, no commit, no change of the owner, and
    /// no commit of the same owner in another partition. An owner that works through another partition does not hang.
    fn idle(&self, lag_since: Tick, sample: &Sample) -> Duration {
        let owned_since = self.owned_since.unwrap_or(self.last_commit);
        let owner = self.owner.as_ref();
        let elsewhere = owner.and_then(|owner| sample.owner_commits.get(owner));
        let elsewhere = elsewhere.copied().unwrap_or(owned_since);
        sample.since(
            lag_since
                .max(self.last_commit)
                .max(owned_since)
                .max(elsewhere),
        )
    }

    /// Since when its lag has never been smaller at a commit than at the one before, and is larger now.
    fn grows(&self, window: Duration, trend: Duration) -> Option<Tick> {
        // a pause between two commits ends a trend
        let is_pause = |two: &[(Tick, i64)]| two[1].0.since(two[0].0) > window;
        let points = self.points.as_ref()?;
        let from = points
            .windows(2)
            .rposition(is_pause)
            .map_or(0, |pause| pause + 1);
        let points = &points[from..];
        let (&(begin, before), &(end, after)) = (points.first()?, points.last()?);
        let long = points.len() >= TREND && end.since(begin) + trend / POINTS >= trend;
        (long && after > before && points.is_sorted_by_key(|(_, lag)| *lag)).then_some(begin)
    }
}

#[cfg(test)]
mod tests;
