//! Facts that need several polls of one Kafka: the age of the oldest message that a group has not consumed, the time until its lag
//! is 0, and commits that were made to a former topic with the same name. Pure. In: polls, each with a tick, a time that only grows.
//! Out: `outdated` of each group, a [`LagTrend`] for each group. What happened before the first poll is reported as unknown.
//! Bounded: a few points for each partition, however long the process runs.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use arcstr::ArcStr;
use practice_contract::OffsetReset;

use crate::{
    by_partition::{At, ByPartition},
    compact::{Texts, Tick},
    lag::Lag,
    model::{GroupSeen, Snapshot, TopicSeen},
};

/// Rates are averages over this time.
const WINDOW: Duration = Duration::from_secs(30);
/// Shortest time that yields a rate.
const SHORTEST: Duration = Duration::from_secs(5);
/// Points for a log: ages up to days are accurate to a fifth.
const LOG_POINTS: usize = 64;
/// Points for a group's commits, of which only the last [`WINDOW`] is kept.
const COMMIT_POINTS: usize = 16;
/// As many tables have all their points.
const FULL: usize = 10_000;
/// Points of a log that is one of very many.
const FEWEST_LOG_POINTS: usize = 8;
/// Points of commits to one of very many partitions.
const FEWEST_COMMIT_POINTS: usize = 4;

/// Age and drain time of a group's lag.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LagTrend {
    /// Age of the oldest message that the group has not consumed, 0 without lag; `None`: not known.
    pub oldest: Option<Duration>,
    /// Time until lag is 0 at the rates of the last 30 s; `None`: lag does not shrink, or not known.
    pub drain: Option<Duration>,
}

/// Samples of the logs and commits of one Kafka.
#[derive(Debug, Default)]
pub struct LagTrends {
    now: Duration,
    logs: ByPartition<Log>,
    commits: BTreeMap<String, ByPartition<Commit>>,
    topic_ids: Texts,
}

#[derive(Debug, Clone)]
struct Log {
    topic_id: ArcStr,
    /// Start of the log when it was last known.
    start: i64,
    ends: Table,
}

#[derive(Debug, Clone)]
struct Commit {
    /// Id of the topic that the offset was committed to; `None`: not known yet.
    topic_id: Option<ArcStr>,
    offset: i64,
    /// When it had this offset first, and last.
    between: (Tick, Tick),
    /// Offsets of the last [`WINDOW`]; `None`: it is only this one.
    offsets: Option<Box<Table>>,
}

impl Commit {
    fn new(topic_id: Option<ArcStr>, offset: i64, now: Tick) -> Self {
        Self {
            topic_id,
            offset,
            between: (now, now),
            offsets: None,
        }
    }

    /// Adds an offset of a poll.
    fn add(&mut self, now: Tick, offset: i64, room: usize) {
        if offset != self.offset {
            let (first, last) = self.between;
            self.offsets.get_or_insert_with(|| {
                let mut table = Table::default();
                table.add(first, self.offset, room);
                table.add(last, self.offset, room);
                Box::new(table)
            });
            (self.offset, self.between) = (offset, (now, now));
        }
        self.between.1 = now;
        if let Some(offsets) = &mut self.offsets {
            offsets.add(now, offset, room);
            offsets.forget(Tick::of(now.time().saturating_sub(WINDOW)));
        }
        if now.since(self.between.0) > WINDOW {
            self.offsets = None;
        }
    }

    /// Growth per second over the last [`WINDOW`].
    fn rate(&self, now: Duration) -> Option<f64> {
        let Some(offsets) = &self.offsets else {
            let first = self.between.0.time().max(now.saturating_sub(WINDOW));
            let span = self.between.1.time().checked_sub(first)?;
            return (span >= SHORTEST).then_some(0.0);
        };
        offsets.rate(now)
    }
}

impl LagTrends {
    /// Adds a poll at `tick`, and sets `outdated` of its groups.
    pub fn record_snapshot(&mut self, snapshot: &mut Snapshot, tick: Duration) {
        self.now = self.now.max(tick);
        self.feed_logs(snapshot);
        self.commits
            .retain(|group, _| snapshot.groups.contains_key(group));
        let (topics, topic_ids) = (&snapshot.topics, &mut self.topic_ids);
        let mut id_of = |topic: &str| match topics.get(topic) {
            Some(TopicSeen::Present(facts)) => Some(topic_ids.get(&facts.id)),
            _ => None,
        };
        let now = Tick::of(self.now);
        let pairs = self.commits.values().map(ByPartition::len).sum();
        let room = room(COMMIT_POINTS, pairs, FEWEST_COMMIT_POINTS);
        for (id, group) in &mut snapshot.groups {
            let Some(committed) = &group.committed else {
                continue;
            };
            let mut outdated = group.outdated.clone();
            let commits = self.commits.entry(id.clone()).or_default();
            commits.retain(|at, _| committed.contains(at));
            for (at, committed) in committed.iter() {
                let topic_id = id_of(at.0);
                let new = || Commit::new(topic_id.clone(), committed.offset, now);
                let commit = commits.get_or_insert_with(at, new);
                match (&topic_id, &commit.topic_id) {
                    (Some(_), None) => commit.topic_id.clone_from(&topic_id),
                    (Some(is), Some(was)) if is != was => {
                        if commit.offset == committed.offset {
                            outdated.insert(at, ());
                        } else {
                            *commit = new();
                        }
                    }
                    _ => {}
                }
                // the group skipped messages that retention deleted: they were not consumed
                let start = self.logs.get(at).map_or(i64::MIN, |log| log.start);
                if commit.offset < start && commit.offset < committed.offset {
                    *commit = Commit::new(commit.topic_id.take(), committed.offset, now);
                }
                commit.add(now, committed.offset, room);
            }
            commits.shrink();
            if outdated != group.outdated {
                Arc::make_mut(group).outdated = outdated;
            }
        }
        self.topic_ids.prune();
    }

    fn feed_logs(&mut self, snapshot: &Snapshot) {
        let is_there =
            |topic: &str| !matches!(snapshot.topics.get(topic), None | Some(TopicSeen::Missing));
        self.logs.retain_topics(is_there);
        let now = Tick::of(self.now);
        let room = room(LOG_POINTS, self.logs.len(), FEWEST_LOG_POINTS);
        for (topic, seen) in &snapshot.topics {
            let TopicSeen::Present(facts) = seen else {
                continue;
            };
            let topic_id = self.topic_ids.get(&facts.id);
            for (number, bounds) in (0..).zip(&facts.partitions) {
                let Some(bounds) = bounds else { continue };
                let new = || Log {
                    topic_id: topic_id.clone(),
                    start: bounds.start,
                    ends: Table::default(),
                };
                let log = self.logs.get_or_insert_with((topic, number), new);
                if log.topic_id != topic_id {
                    *log = new();
                }
                log.start = bounds.start;
                log.ends.add(now, bounds.end, room);
            }
        }
    }

    /// The trend of a group's lag in these topics at `tick`. `snapshot` is the poll that was recorded last.
    pub fn trend(
        &self,
        snapshot: &Snapshot,
        group: &str,
        topics: &[String],
        reset: OffsetReset,
        tick: Duration,
    ) -> LagTrend {
        let Some(seen) = snapshot.group(group) else {
            return LagTrend::default();
        };
        let since_poll = tick.saturating_sub(self.now);
        let (mut left, mut oldest, mut rate) = (0, Some(Duration::ZERO), Some(0.0));
        for topic in topics {
            let facts = match snapshot.topics.get(topic) {
                Some(TopicSeen::Present(facts)) => facts,
                Some(TopicSeen::Missing) => continue,
                Some(TopicSeen::Unknown(_)) | None => return LagTrend::default(),
            };
            for (number, bounds) in (0..).zip(&facts.partitions) {
                let at = (topic.as_str(), number);
                let lag = snapshot.lag(seen, at, reset);
                let (Some(bounds), Some(behind)) = (bounds, lag.effective()) else {
                    return LagTrend::default();
                };
                left += behind;
                if behind > 0 {
                    let age = self.age(at, bounds.end - behind);
                    oldest = oldest.zip(age).map(|(a, b)| a.max(b + since_poll));
                }
                let net = (behind == 0 || is_owned(seen, at))
                    .then(|| self.net(group, at, lag))
                    .flatten();
                rate = rate.zip(net).map(|(a, b)| a + b);
            }
        }
        if left == 0 {
            return LagTrend {
                oldest,
                drain: oldest,
            };
        }
        #[expect(clippy::cast_precision_loss, reason = "an estimate")]
        let drain = rate
            .filter(|rate| *rate > 0.0)
            .map(|rate| left as f64 / rate);
        let drain = drain.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
        LagTrend {
            oldest,
            drain: drain.map(|drain| drain.saturating_sub(since_poll)),
        }
    }

    /// Age at the last poll of the message with this offset.
    fn age(&self, at: At<'_>, offset: i64) -> Option<Duration> {
        let came = self.logs.get(at)?.ends.passed(offset)?;
        Some(self.now.saturating_sub(came))
    }

    /// Messages consumed minus messages produced, per second.
    fn net(&self, group: &str, at: At<'_>, lag: Lag) -> Option<f64> {
        let produced = self.logs.get(at)?.ends.rate(self.now)?;
        let consumed = match lag {
            Lag::NoCommit(_) => 0.0,
            _ => self.commits.get(group)?.get(at)?.rate(self.now)?,
        };
        Some(consumed - produced)
    }
}

/// Points for each of so many tables: the first [`FULL`] have as many as there may be, and more tables together take little more.
fn room(most: usize, tables: usize, fewest: usize) -> usize {
    (most * FULL / tables.max(FULL)).max(fewest)
}

fn is_owned(group: &GroupSeen, at: At<'_>) -> bool {
    let mut owned = group.members.iter().flat_map(|member| &member.partitions);
    owned.any(|owned| owned.contains(at))
}

/// Offsets over time, oldest first; they never decrease.
#[derive(Debug, Default, Clone)]
struct Table {
    points: Vec<(Tick, i64)>,
}

impl Table {
    fn add(&mut self, tick: Tick, offset: i64, room: usize) {
        match self.points.as_mut_slice() {
            // the log was truncated or the commits were rewound: earlier points do not count
            [.., (_, last)] if offset < *last => self.points.clear(),
            // the offset does not move: first and last point are enough
            [.., (_, before), last] if *before == offset && last.1 == offset => {
                last.0 = tick;
                return;
            }
            [.., (last, _)] if *last == tick => drop(self.points.pop()),
            _ => {}
        }
        // before the push, so that the table never has more than `room` points
        while self.points.len() >= room {
            self.thin(tick);
        }
        let spare = (1 + self.points.len() / 4).min(room - self.points.len());
        self.points.reserve_exact(spare);
        self.points.push((tick, offset));
    }

    /// Removes the least useful point: the one whose neighbours are closest to each other, relative to their age.
    fn thin(&mut self, now: Tick) {
        let gap = |three: &[(Tick, i64)]| {
            let age = now.since(three[1].0).as_secs_f64().max(1.0);
            three[2].0.since(three[0].0).as_secs_f64() / age
        };
        let gaps = self.points.windows(3).map(gap).enumerate();
        if let Some((before, _)) = gaps.min_by(|a, b| a.1.total_cmp(&b.1)) {
            self.points.remove(before + 1);
        }
    }

    /// Removes all points before a time except the last one, which has the offset at that time.
    fn forget(&mut self, before: Tick) {
        let later = self.points.partition_point(|(tick, _)| *tick <= before);
        self.points.drain(..later.saturating_sub(1));
    }

    /// When this offset was passed; `None`: before the first point, or not yet.
    fn passed(&self, offset: i64) -> Option<Duration> {
        let after = self.points.partition_point(|(_, end)| *end <= offset);
        let ((t0, o0), (t1, o1)) = (
            self.points.get(after.checked_sub(1)?)?,
            self.points.get(after)?,
        );
        Some(between(t0.time(), t1.time(), offset + 1 - o0, o1 - o0))
    }

    /// Growth per second over the last [`WINDOW`], or since the last gap between polls in which the offset grew.
    fn rate(&self, now: Duration) -> Option<f64> {
        let (&(first, _), &(last, end)) = (self.points.first()?, self.points.last()?);
        let mut from = now.saturating_sub(WINDOW).max(first.time());
        let before = self
            .points
            .partition_point(|(at, _)| at.time() <= from)
            .saturating_sub(1);
        let is_gap =
            |two: &&[(Tick, i64)]| two[0].1 != two[1].1 && two[1].0.since(two[0].0) > WINDOW / 2;
        if let Some(gap) = self.points[before..].windows(2).take_while(is_gap).last() {
            from = gap[1].0.time();
        }
        let span = last
            .time()
            .checked_sub(from)
            .filter(|span| *span >= SHORTEST)?;
        #[expect(clippy::cast_precision_loss, reason = "an estimate")]
        Some((end as f64 - self.at(from)?) / span.as_secs_f64())
    }

    /// The offset at a time.
    fn at(&self, tick: Duration) -> Option<f64> {
        let after = self.points.partition_point(|(at, _)| at.time() <= tick);
        let (t0, o0) = self.points.get(after.checked_sub(1)?)?;
        #[expect(clippy::cast_precision_loss, reason = "an estimate")]
        let value = match self.points.get(after) {
            Some((t1, o1)) => {
                let part =
                    tick.saturating_sub(t0.time()).as_secs_f64() / t1.since(*t0).as_secs_f64();
                *o0 as f64 + part * (o1 - o0) as f64
            }
            None => *o0 as f64,
        };
        Some(value)
    }
}

/// The time at `part / whole` of the interval.
fn between(from: Duration, to: Duration, part: i64, whole: i64) -> Duration {
    #[expect(clippy::cast_precision_loss, reason = "an estimate")]
    let share = part as f64 / whole as f64;
    from + to.saturating_sub(from).mul_f64(share.clamp(0.0, 1.0))
}

#[cfg(test)]
mod tests;
