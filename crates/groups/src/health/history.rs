//! Samples of all groups of one Kafka. In: polls in their order, each with its tick. Out: the health of a group's partitions, from
//! what several polls show. Deliberately absent: the rules, which `health` applies to one partition at a time.

use std::{collections::BTreeMap, time::Duration};

use practice_contract::OffsetReset;

use super::{
    GAP, GroupHealth, MESSAGES, PartitionHistory, Sample, WINDOW, earliest,
    owners::{owner_commits, owners},
};
use crate::{
    by_partition::ByPartition,
    compact::{Texts, Tick},
    model::{Snapshot, TopicSeen},
};

/// Samples of all groups of one Kafka.
#[derive(Debug)]
pub struct HealthHistory {
    window: Duration,
    pub(super) now: Duration,
    pub(super) groups: BTreeMap<String, GroupHistory>,
    members: Texts,
}

/// Samples of one group.
#[derive(Debug, Default)]
pub(super) struct GroupHistory {
    topics: BTreeMap<String, TopicHistory>,
    pub(super) partitions: ByPartition<PartitionHistory>,
}

/// What is the same for the partitions of a topic.
#[derive(Debug)]
struct TopicHistory {
    /// The id at the last poll.
    id: String,
    /// When the topic was last polled.
    last_seen: Tick,
}

impl Default for HealthHistory {
    fn default() -> Self {
        Self::with_window(WINDOW)
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
            members: Texts::default(),
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
            let history = self.groups.entry(id.clone()).or_default();
            let owners = owners(group, &mut self.members);
            // a missing topic may be recreated with another id, so its history is kept
            history.retain_topics(|topic| snapshot.topics.contains_key(topic));
            let now = Tick::of(self.now);
            let with_owner = owners.iter().flat_map(BTreeMap::keys).copied();
            for at in committed.keys().chain(with_owner) {
                if let Some(TopicSeen::Present(_)) = snapshot.topics.get(at.0) {
                    let new = || PartitionHistory::new(now);
                    history.partitions.get_or_insert_with(at, new);
                }
            }
            let topics = history.record_topics(snapshot, now);
            for (at, history) in history.partitions.iter_mut() {
                let Some((gap, recreated)) = topics.get(at.0) else {
                    continue;
                };
                let gap = (*gap).min(now.since(history.first_seen));
                if gap > self.window / GAP {
                    history.skip(gap);
                }
                history.topic_recreated |= recreated;
                let offset = committed.get(at).map(|committed| committed.offset);
                history.record_commit(offset, now);
                let lag = snapshot.lag(group, at, OffsetReset::Earliest);
                history.record((owners.as_ref(), at), lag, now, self.window);
            }
            history.partitions.shrink();
        }
        self.members.prune();
    }

    /// The time without progress after which a partition is not consumed.
    pub(super) fn window_for(&self, slowest: Duration) -> Duration {
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
            .group(group)
            .filter(|seen| seen.committed.is_some())
        else {
            return group_health;
        };
        let (now, window) = (Tick::of(self.now.max(tick)), self.window_for(slowest));
        let history = self.groups.entry(group.to_owned()).or_default();
        let owners = owners(seen, &mut self.members);
        let owner_commits = owner_commits(history.partitions.values());
        for topic in topics {
            let Some(TopicSeen::Present(facts)) = snapshot.topics.get(topic) else {
                continue;
            };
            for number in (0..).take(facts.partitions.len()) {
                let at = (topic.as_str(), number);
                let lag = snapshot.lag(seen, at, reset);
                let Some(behind) = lag.effective() else {
                    continue;
                };
                // without a commit and an owner so far, the group's polls alone do not name the partition
                let history = history.partitions.get_or_insert_with(at, || {
                    let mut history = PartitionHistory::new(now);
                    history.record((owners.as_ref(), at), lag, now, self.window);
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
                    group_health.insert(at, health);
                }
            }
        }
        group_health
    }
}

impl GroupHistory {
    fn retain_topics(&mut self, holds: impl Fn(&str) -> bool) {
        self.topics.retain(|topic, _| holds(topic));
        self.partitions.retain_topics(holds);
    }

    /// Records the topics of these partitions. Out: the time since each that is there was polled last, and whether it has another id
    /// now.
    fn record_topics(
        &mut self,
        snapshot: &Snapshot,
        now: Tick,
    ) -> BTreeMap<String, (Duration, bool)> {
        let mut polled = BTreeMap::new();
        for topic in self.partitions.topics() {
            let Some(TopicSeen::Present(facts)) = snapshot.topics.get(topic) else {
                continue;
            };
            let history = TopicHistory {
                id: facts.id.clone(),
                last_seen: now,
            };
            let before = self.topics.insert(topic.to_owned(), history);
            let news = before.map_or((Duration::ZERO, false), |before| {
                (now.since(before.last_seen), before.id != facts.id)
            });
            polled.insert(topic.to_owned(), news);
        }
        polled
    }
}
