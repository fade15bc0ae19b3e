//! What one consumer knows of itself: its partitions, how far it is in each, its last rebalances. In: what happened, and
//! when. Out: what is due to be stored, `/status`, counts. Pure: no Kafka, no clock, no output.

use std::{collections::VecDeque, sync::Arc};

use practice_contract::{
    events::Moved,
    handled::HandledRange,
    status::{Ownership, PartitionStatus, RebalanceSeen},
};

use crate::ledger::{Ledger, Range, Times};

/// A partition by its topic's name and its number.
pub(crate) type Partition = (Arc<str>, i32);

/// A rebalance may take several rounds; this long after its last callback it is over.
const REBALANCING_MS: i64 = 3_000;
/// A KIP-848 member whose heartbeats are not accepted for this time counts as removed: Kafka's default of
/// `group.consumer.session.timeout.ms`.
const SILENT_MS: u64 = 45_000;
/// How many rebalances `/status` remembers.
const REMEMBERED: usize = 20;

/// One consumer of one group, over all clients that it has had since the program started.
#[derive(Debug, Default)]
pub(crate) struct Member {
    /// The id that the coordinator knows it by.
    pub(crate) id: Option<String>,
    /// Whether its coordinator counts it as a member.
    pub(crate) joined: bool,
    pub(crate) counts: Counts,
    /// The last accepted heartbeat; `None`: none of this membership. KIP-848 only.
    heartbeat: Option<Accepted>,
    owned: Vec<Owned>,
    rebalances: VecDeque<RebalanceSeen>,
    ledger: Ledger,
    /// Index of the partition used last: messages come in runs of one partition.
    last: usize,
    /// Grows with each partition got, so that a message knows whether its partition was given away meanwhile.
    tenures: u64,
}

/// An accepted heartbeat, on a clock that only grows, in milliseconds.
#[derive(Debug, Clone, Copy)]
struct Accepted {
    at: u64,
    /// Time since the one before; the broker sets the interval.
    gap: u64,
}

/// What happened since the program started.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Counts {
    pub(crate) consumed: u64,
    pub(crate) abandoned: u64,
    pub(crate) commits: u64,
    pub(crate) failed_commits: u64,
    pub(crate) assigned: u64,
    pub(crate) revoked: u64,
    pub(crate) lost: u64,
}

#[derive(Debug)]
struct Owned {
    topic: Arc<str>,
    partition: i32,
    /// Which of our possessions of this partition it is.
    tenure: u64,
    /// Milliseconds since the epoch.
    since: i64,
    position: Option<i64>,
    stored: Option<i64>,
    committed: Option<i64>,
    moved: u64,
    paused: bool,
    /// What was handled since the last store.
    open: Option<Range>,
}

impl Member {
    /// A member with this ledger, without partitions.
    pub(crate) fn with(ledger: Ledger) -> Self {
        Self {
            ledger,
            ..Self::default()
        }
    }

    /// Partitions were got, beside those it had.
    pub(crate) fn assigned(&mut self, partitions: &[Partition], at: i64) {
        self.joined = true;
        self.counts.assigned += 1;
        self.close_ranges();
        for (topic, partition) in partitions {
            self.tenures += 1;
            self.owned
                .retain(|owned| (&owned.topic, owned.partition) != (topic, *partition));
            self.owned.push(Owned {
                topic: Arc::clone(topic),
                partition: *partition,
                tenure: self.tenures,
                since: at,
                position: None,
                stored: None,
                committed: None,
                moved: 0,
                paused: false,
                open: None,
            });
        }
        self.owned
            .sort_by(|a, b| (&a.topic, a.partition).cmp(&(&b.topic, b.partition)));
        self.remember(Ownership::Assigned, partitions, at);
    }

    /// Partitions were given back ([`Ownership::Revoked`]) or taken away ([`Ownership::Lost`]).
    pub(crate) fn gone(&mut self, what: Ownership, partitions: &[Partition], at: i64) {
        if what == Ownership::Lost {
            self.fenced();
            self.counts.lost += 1;
        } else {
            self.counts.revoked += 1;
        }
        self.close_ranges();
        let gone = |owned: &Owned| {
            partitions
                .iter()
                .any(|(t, p)| (t, *p) == (&owned.topic, owned.partition))
        };
        self.owned.retain(|owned| !gone(owned));
        self.remember(what, partitions, at);
    }

    /// The client is gone, and with it membership and partitions.
    pub(crate) fn left(&mut self) {
        self.close_ranges();
        self.owned.clear();
        self.id = None;
        self.fenced();
    }

    /// The coordinator accepted a KIP-848 heartbeat. It does so for members alone, also for one without partitions.
    pub(crate) fn heartbeat_accepted(&mut self, epoch: i32, tick: u64) {
        if epoch <= 0 {
            return self.fenced(); // before the first join, or after leaving
        }
        let gap = self
            .heartbeat
            .map_or(0, |former| tick.saturating_sub(former.at));
        self.heartbeat = Some(Accepted { at: tick, gap });
        self.joined = true;
    }

    /// The membership is over.
    pub(crate) fn fenced(&mut self) {
        self.heartbeat = None;
        self.joined = false;
    }

    /// Whether the coordinator accepts this KIP-848 member's heartbeats.
    pub(crate) fn is_heartbeating(&self, tick: u64) -> bool {
        self.heartbeat.is_some_and(|accepted| {
            tick.saturating_sub(accepted.at) <= SILENT_MS.max(3 * accepted.gap)
        })
    }

    fn remember(&mut self, what: Ownership, partitions: &[Partition], at: i64) {
        if self.rebalances.len() == REMEMBERED {
            self.rebalances.pop_front();
        }
        self.rebalances.push_back(RebalanceSeen {
            at,
            what,
            partitions: names(partitions),
        });
    }

    fn find(&mut self, topic: &str, partition: i32) -> Option<&mut Owned> {
        let is = |owned: &Owned| owned.partition == partition && *owned.topic == *topic;
        if !self.owned.get(self.last).is_some_and(is) {
            self.last = self.owned.iter().position(is)?;
        }
        self.owned.get_mut(self.last)
    }

    /// Which of our possessions of a partition this is; `None`: it is not ours.
    pub(crate) fn tenure(&mut self, topic: &str, partition: i32) -> Option<u64> {
        self.find(topic, partition).map(|owned| owned.tenure)
    }

    /// A message was handled at these `times`. `false`, and nothing noted: its partition is not ours any
    /// more.
    pub(crate) fn done(
        &mut self,
        topic: &str,
        partition: i32,
        tenure: u64,
        offset: i64,
        times: Times,
    ) -> bool {
        let Some(owned) = self
            .find(topic, partition)
            .filter(|owned| owned.tenure == tenure)
        else {
            return false;
        };
        owned.position = Some(offset + 1);
        owned.moved += 1;
        match &mut owned.open {
            Some(open) => open.extend(offset, times),
            None => owned.open = Some(Range::of(offset, times)),
        }
        self.counts.consumed += 1;
        true
    }

    /// The client has moved past what no application sees (transaction markers). Taken only where it leads further, and
    /// only from a partition that was ours for `settled` milliseconds: a position of an earlier possession may linger. (Of one
    /// that was got at a time to come, because the clock was set back, is unknown: it may have been owned for long.)
    pub(crate) fn moved_on(
        &mut self,
        topic: &str,
        partition: i32,
        position: i64,
        now: i64,
        settled: i64,
    ) {
        let is_settled = |owned: &&mut Owned| !(0..settled).contains(&(now - owned.since));
        let Some(owned) = self.find(topic, partition).filter(is_settled) else {
            return;
        };
        if owned.position.is_none_or(|before| before < position) {
            owned.position = Some(position);
        }
    }

    /// Adds to the ledger what was handled since the last call.
    fn close_ranges(&mut self) {
        for owned in &mut self.owned {
            if let Some(range) = owned.open.take() {
                let partition = (Arc::clone(&owned.topic), owned.partition);
                self.ledger.add(&partition, range);
            }
        }
    }

    /// What this consumer has handled lately.
    pub(crate) fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// What the ledger file lacks, oldest first; nothing without one.
    pub(crate) fn take_unwritten(&mut self) -> Vec<HandledRange> {
        self.close_ranges();
        self.ledger.take_unwritten()
    }

    /// What was handled since the last call: to be stored for the next commit.
    pub(crate) fn take_due(&mut self) -> Vec<(Partition, i64)> {
        self.close_ranges();
        let mut due = Vec::new();
        for owned in &mut self.owned {
            let Some(position) = owned
                .position
                .filter(|position| owned.stored != Some(*position))
            else {
                continue;
            };
            owned.stored = Some(position);
            due.push(((Arc::clone(&owned.topic), owned.partition), position));
        }
        due
    }

    /// One partition of a commit was answered.
    pub(crate) fn committed(
        &mut self,
        (topic, partition): (&str, i32),
        offset: i64,
        ok: bool,
        at: i64,
    ) {
        if !ok {
            self.counts.failed_commits += 1;
            return;
        }
        self.counts.commits += 1;
        if let Some(owned) = self.find(topic, partition) {
            owned.committed = Some(offset);
            let partition = (Arc::clone(&owned.topic), owned.partition);
            self.ledger.committed(&partition, offset, at);
        }
    }

    /// Whether something handled is not committed while a rebalance may still be in progress (`now` in milliseconds since
    /// the epoch). Without one the commit that comes with leaving the group is taken.
    pub(crate) fn owes_commits_amid_rebalance(&self, now: i64) -> bool {
        let recent = self
            .rebalances
            .back()
            .is_some_and(|last| (0..REBALANCING_MS).contains(&(now - last.at)));
        recent
            && self
                .owned
                .iter()
                .any(|owned| owned.position.is_some() && owned.position != owned.committed)
    }

    /// For how many milliseconds membership has been lost without being got again, where it was lost more often than `former`
    /// times. A duration that is unknown because the clock was set back counts as long.
    pub(crate) fn lost_for(&self, former: u64, now: i64) -> Option<u64> {
        let last = self
            .rebalances
            .back()
            .filter(|last| last.what == Ownership::Lost && self.counts.lost > former)?;
        (!self.joined).then(|| u64::try_from(now - last.at).unwrap_or(u64::MAX))
    }

    /// Owned partitions that are (or are not) paused, marked as the other from now on.
    pub(crate) fn toggle_paused(&mut self, paused: bool) -> Vec<Partition> {
        let mut toggled = Vec::new();
        for owned in self.owned.iter_mut().filter(|owned| owned.paused != paused) {
            owned.paused = paused;
            toggled.push((Arc::clone(&owned.topic), owned.partition));
        }
        toggled
    }

    /// Those of `partitions` that are paused.
    pub(crate) fn paused_among(&self, partitions: &[Partition]) -> Vec<Partition> {
        let paused = |(topic, partition): &&Partition| {
            self.owned
                .iter()
                .any(|owned| owned.paused && (&owned.topic, owned.partition) == (topic, *partition))
        };
        partitions.iter().filter(paused).cloned().collect()
    }

    /// How far each partition moved since the last call; only those that did.
    pub(crate) fn take_moved(&mut self) -> Vec<Moved> {
        let mut moved = Vec::new();
        for owned in self.owned.iter_mut().filter(|owned| owned.moved > 0) {
            moved.push(Moved {
                topic: owned.topic.to_string(),
                partition: owned.partition,
                offset: owned.position.unwrap_or_default(),
                count: std::mem::take(&mut owned.moved),
            });
        }
        moved
    }

    /// What it owns, by topic and partition.
    pub(crate) fn assignment(&self) -> Vec<PartitionStatus> {
        let status = |owned: &Owned| PartitionStatus {
            topic: owned.topic.to_string(),
            partition: owned.partition,
            position: owned.position,
            committed: owned.committed,
        };
        self.owned.iter().map(status).collect()
    }

    /// How many partitions it owns.
    pub(crate) fn partitions(&self) -> usize {
        self.owned.len()
    }

    /// Its last rebalances, newest last.
    pub(crate) fn rebalances(&self) -> Vec<RebalanceSeen> {
        self.rebalances.iter().cloned().collect()
    }
}

/// `topic/partition`, as events and `/status` write them.
pub(crate) fn names(partitions: &[Partition]) -> Vec<String> {
    partitions
        .iter()
        .map(|(topic, partition)| format!("{topic}/{partition}"))
        .collect()
}

#[cfg(test)]
mod tests;
