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

mod owners;
mod state;
mod transactions;

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use practice_contract::OffsetReset;

use self::owners::{Owners, owner_commits, owners};
use crate::{
    lag::Lag,
    model::{Partition, Snapshot, TopicSeen},
};

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

/// Samples of all groups of one Kafka.
#[derive(Debug)]
pub struct HealthHistory {
    window: Duration,
    now: Duration,
    groups: BTreeMap<String, BTreeMap<Partition, PartitionHistory>>,
}

impl Default for HealthHistory {
    fn default() -> Self {
        Self::with_window(WINDOW)
    }
}

/// Samples of one partition of one group.
#[derive(Debug)]
struct PartitionHistory {
    topic_id: String,
    /// The topic got another id after the last commit.
    topic_recreated: bool,
    first_seen: Duration,
    last_seen: Duration,
    committed: Option<i64>,
    /// When the committed offset last changed.
    last_commit: Duration,
    /// Since when lag has not been zero; `None`: it is.
    lag_since: Option<Duration>,
    /// Member id of the owner (inner `None`: no owner), and since when; `None`: not reported yet.
    owner: Option<(Option<String>, Duration)>,
    rewind: Option<Rewind>,
    /// When its owner was last seen to wait for a transaction.
    waited: Option<Duration>,
    /// Lags at commits, oldest first.
    points: Vec<(Duration, i64)>,
}

/// A committed offset that moved back.
#[derive(Debug, Clone, Copy)]
struct Rewind {
    at: Duration,
    from: i64,
    to: i64,
    topic_recreated: bool,
}

/// What a partition is evaluated with, beside its history.
struct Sample<'a> {
    lag: i64,
    now: Duration,
    /// Time without progress after which a partition is not consumed.
    window: Duration,
    /// Time for which lag has to grow.
    trend: Duration,
    /// When each owner last committed a new offset, in any partition, by member id.
    owner_commits: &'a BTreeMap<String, Duration>,
}

impl Sample<'_> {
    fn since(&self, time: Duration) -> Duration {
        self.now.saturating_sub(time)
    }
}

impl HealthHistory {
    /// A history with another window than [`WINDOW`].
    #[must_use]
    pub fn with_window(window: Duration) -> Self {
        Self {
            window,
            now: Duration::ZERO,
            groups: BTreeMap::new(),
        }
    }

    /// Adds a poll at `tick`.
    pub fn record_snapshot(&mut self, snapshot: &Snapshot, tick: Duration) {
        self.now = self.now.max(tick);
        self.groups
            .retain(|group, _| snapshot.groups.contains_key(group));
        for (id, group) in &snapshot.groups {
            let Some(committed) = &group.committed else {
                continue;
            };
            let histories = self.groups.entry(id.clone()).or_default();
            let owners = owners(group);
            let mut concerned: BTreeSet<&Partition> = committed.keys().collect();
            concerned.extend(owners.iter().flat_map(BTreeMap::keys).copied());
            // a missing topic may be recreated with another id, so its history is kept
            histories.retain(|(topic, _), _| snapshot.topics.contains_key(topic));
            concerned.retain(|partition| !histories.contains_key(*partition));
            let present = |partition: &Partition| match snapshot.topics.get(&partition.0) {
                Some(TopicSeen::Present(facts)) => Some(facts),
                _ => None,
            };
            let now = self.now;
            let added = concerned
                .into_iter()
                .filter_map(|partition| Some((partition, present(partition)?)));
            histories.extend(added.map(|(partition, facts)| {
                (partition.clone(), PartitionHistory::new(&facts.id, now))
            }));
            for (partition, history) in histories.iter_mut() {
                let Some(facts) = present(partition) else {
                    continue;
                };
                history.resume(now, self.window / GAP);
                if history.topic_id != facts.id {
                    history.topic_id.clone_from(&facts.id);
                    history.topic_recreated = true;
                }
                history.record_commit(
                    committed.get(partition).map(|committed| committed.offset),
                    now,
                );
                let lag = snapshot.lag(group, partition, OffsetReset::Earliest);
                history.record(
                    owners.as_ref().map(|owners| (owners, partition)),
                    lag,
                    now,
                    self.window,
                );
            }
        }
    }

    /// The time without progress after which a partition is not consumed.
    fn window_for(&self, slowest: Duration) -> Duration {
        self.window.max(slowest * MESSAGES)
    }

    /// The health of a group's partitions in these topics at `tick`. `snapshot` is the poll that was recorded last, `slowest` the
    /// longest delay of a consumer for one message. Partitions with too few samples are left out.
    pub fn evaluate(
        &mut self,
        snapshot: &Snapshot,
        group: &str,
        topics: &[String],
        (reset, slowest): (OffsetReset, Duration),
        tick: Duration,
    ) -> GroupHealth {
        let mut group_health = GroupHealth::default();
        let Some(seen) = snapshot
            .groups
            .get(group)
            .filter(|seen| seen.committed.is_some())
        else {
            return group_health;
        };
        let (now, window) = (self.now.max(tick), self.window_for(slowest));
        let histories = self.groups.entry(group.to_owned()).or_default();
        let owners = owners(seen);
        let owner_commits = owner_commits(histories.values());
        for topic in topics {
            let Some(TopicSeen::Present(facts)) = snapshot.topics.get(topic) else {
                continue;
            };
            for number in (0..).take(facts.partitions.len()) {
                let partition = (topic.clone(), number);
                let lag = snapshot.lag(seen, &partition, reset);
                let Some(behind) = lag.effective() else {
                    continue;
                };
                // without a commit and an owner so far, the group's polls alone do not name the partition
                let history = histories.entry(partition.clone()).or_insert_with(|| {
                    let mut history = PartitionHistory::new(&facts.id, now);
                    history.record(
                        owners.as_ref().map(|owners| (owners, &partition)),
                        lag,
                        now,
                        self.window,
                    );
                    history
                });
                let (health, recheck_in) = history.evaluate(&Sample {
                    lag: behind,
                    now,
                    window,
                    trend: self.window,
                    owner_commits: &owner_commits,
                });
                group_health.recheck_in = earliest(group_health.recheck_in, recheck_in);
                if let Some(health) = health {
                    group_health.partitions.insert(partition, health);
                }
            }
        }
        group_health
    }
}

/// The shorter of two times that may be absent.
fn earliest(one: Option<Duration>, other: Option<Duration>) -> Option<Duration> {
    one.into_iter().chain(other).min()
}

impl PartitionHistory {
    fn new(topic_id: &str, now: Duration) -> Self {
        Self {
            topic_id: topic_id.to_owned(),
            topic_recreated: false,
            first_seen: now,
            last_seen: now,
            committed: None,
            last_commit: now,
            lag_since: None,
            owner: None,
            rewind: None,
            waited: None,
            points: Vec::new(),
        }
    }

    /// Continues after a pause. All times move forward by a gap of more than `longest`, because unobserved time does not count.
    fn resume(&mut self, now: Duration, longest: Duration) {
        let gap = now.saturating_sub(self.last_seen);
        self.last_seen = now;
        if gap > longest {
            let times = [&mut self.first_seen, &mut self.last_commit]
                .into_iter()
                .chain(self.lag_since.as_mut());
            let times = times.chain(self.owner.as_mut().map(|(_, since)| since));
            let times = times.chain(self.rewind.as_mut().map(|rewind| &mut rewind.at));
            let times = times.chain(self.waited.as_mut());
            times
                .chain(self.points.iter_mut().map(|(at, _)| at))
                .for_each(|at| *at += gap);
        }
    }

    /// Records a committed offset. Without one the former offset still counts, because a deleted commit moves the group back.
    fn record_commit(&mut self, offset: Option<i64>, now: Duration) {
        let Some(offset) = offset.filter(|offset| self.committed != Some(*offset)) else {
            return;
        };
        if let Some(from) = self.committed.filter(|from| offset < *from) {
            self.rewind = Some(Rewind {
                at: now,
                from,
                to: offset,
                topic_recreated: self.topic_recreated,
            });
            self.points.clear();
        }
        (self.committed, self.last_commit, self.topic_recreated) = (Some(offset), now, false);
    }

    /// Records owner and lag. `owners`: all owners of the group, if they are known, and this partition.
    fn record(
        &mut self,
        owners: Option<(&Owners, &Partition)>,
        lag: Lag,
        now: Duration,
        window: Duration,
    ) {
        if let Some((owners, partition)) = owners {
            self.record_owner(owners.get(partition).copied(), now);
        }
        self.record_lag(lag, now, window / POINTS);
    }

    fn record_owner(&mut self, owner: Option<&str>, now: Duration) {
        if self
            .owner
            .as_ref()
            .is_none_or(|(former, _)| former.as_deref() != owner)
        {
            self.owner = Some((owner.map(str::to_owned), now));
        }
    }

    fn record_lag(&mut self, lag: Lag, now: Duration, apart: Duration) {
        match lag.effective() {
            None => {}
            Some(0) => {
                self.lag_since = None;
                self.points.clear();
            }
            Some(behind) => {
                self.lag_since.get_or_insert(now);
                let last = self.points.last().map(|(at, _)| *at);
                if self.last_commit == now
                    && self.committed.is_some()
                    && last.is_none_or(|last| now.saturating_sub(last) >= apart)
                {
                    if self.points.len() > POINTS as usize {
                        self.points.remove(0);
                    }
                    self.points.push((now, behind));
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
        let rewind = self.rewind?;
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
        self.owner.as_ref().map(|(owner, _)| match owner {
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
    fn idle(&self, lag_since: Duration, sample: &Sample) -> Duration {
        let (owned_since, elsewhere) = match &self.owner {
            Some((owner, since)) => (
                *since,
                owner
                    .as_ref()
                    .and_then(|owner| sample.owner_commits.get(owner)),
            ),
            None => (Duration::ZERO, None),
        };
        let elsewhere = elsewhere.copied().unwrap_or_default();
        sample.since(
            lag_since
                .max(self.last_commit)
                .max(owned_since)
                .max(elsewhere),
        )
    }

    /// Since when its lag has never been smaller at a commit than at the one before, and is larger now.
    fn grows(&self, window: Duration, trend: Duration) -> Option<Duration> {
        // a pause between two commits ends a trend
        let is_pause = |two: &[(Duration, i64)]| two[1].0.saturating_sub(two[0].0) > window;
        let from = self
            .points
            .windows(2)
            .rposition(is_pause)
            .map_or(0, |pause| pause + 1);
        let points = &self.points[from..];
        let (&(begin, before), &(end, after)) = (points.first()?, points.last()?);
        let long = points.len() >= TREND && end.saturating_sub(begin) + trend / POINTS >= trend;
        (long && after > before && points.is_sorted_by_key(|(_, lag)| *lag)).then_some(begin)
    }
}

#[cfg(test)]
mod tests;
