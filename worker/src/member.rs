//! What one consumer knows of itself: its partitions, how far it is in each, its last rebalances. In: what happened, and
//! when. Out: what is due to be stored, `/status`, counts. Pure: no Kafka, no clock, no output.

use std::{collections::VecDeque, sync::Arc};

use practice_contract::{
    events::Moved,
    status::{Ownership, PartitionStatus, RebalanceSeen},
};

/// A partition by its topic's name and its number.
pub(crate) type Partition = (Arc<str>, i32);

/// A rebalance may take several rounds; this long after its last callback it is over.
const REBALANCING_MS: i64 = 3_000;
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
    owned: Vec<Owned>,
    rebalances: VecDeque<RebalanceSeen>,
    /// Index of the partition used last: messages come in runs of one partition.
    last: usize,
    /// Grows with each partition got, so that a message knows whether its partition was given away meanwhile.
    tenures: u64,
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
}

impl Member {
    /// Partitions were got, beside those it had.
    pub(crate) fn assigned(&mut self, partitions: &[Partition], at: i64) {
        self.joined = true;
        self.counts.assigned += 1;
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
            });
        }
        self.owned
            .sort_by(|a, b| (&a.topic, a.partition).cmp(&(&b.topic, b.partition)));
        self.remember(Ownership::Assigned, partitions, at);
    }

    /// Partitions were given back ([`Ownership::Revoked`]) or taken away ([`Ownership::Lost`]).
    pub(crate) fn gone(&mut self, what: Ownership, partitions: &[Partition], at: i64) {
        if what == Ownership::Lost {
            self.joined = false;
            self.counts.lost += 1;
        } else {
            self.counts.revoked += 1;
        }
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
        self.owned.clear();
        self.id = None;
        self.joined = false;
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

    /// A message was handled. `false`, and nothing noted: its partition is not ours any more.
    pub(crate) fn done(&mut self, topic: &str, partition: i32, tenure: u64, offset: i64) -> bool {
        let Some(owned) = self
            .find(topic, partition)
            .filter(|owned| owned.tenure == tenure)
        else {
            return false;
        };
        owned.position = Some(offset + 1);
        owned.moved += 1;
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

    /// What was handled since the last call: to be stored for the next commit.
    pub(crate) fn take_due(&mut self) -> Vec<(Partition, i64)> {
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
    pub(crate) fn committed(&mut self, topic: &str, partition: i32, offset: i64, ok: bool) {
        if !ok {
            self.counts.failed_commits += 1;
            return;
        }
        self.counts.commits += 1;
        if let Some(owned) = self.find(topic, partition) {
            owned.committed = Some(offset);
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
mod tests {
    use super::*;

    fn partitions(numbers: &[i32]) -> Vec<Partition> {
        numbers
            .iter()
            .map(|number| (Arc::from("t"), *number))
            .collect()
    }

    fn owner_of(numbers: &[i32]) -> Member {
        let mut member = Member::default();
        member.assigned(&partitions(numbers), 0);
        member
    }

    #[test]
    fn a_change_adds_and_removes_only_what_it_names() {
        let mut member = owner_of(&[2, 0]);
        member.assigned(&partitions(&[1]), 1);
        member.gone(Ownership::Revoked, &partitions(&[0]), 2);
        let numbers: Vec<_> = member
            .assignment()
            .iter()
            .map(|owned| owned.partition)
            .collect();
        assert_eq!(numbers, [1, 2]);
        assert!(member.joined);
        member.gone(Ownership::Lost, &partitions(&[1, 2]), 3);
        assert!(!member.joined && member.partitions() == 0);
        assert_eq!(member.rebalances()[0].partitions, ["t/2", "t/0"]);
        assert_eq!(member.rebalances()[3].what, Ownership::Lost);
    }

    #[test]
    fn a_message_of_an_earlier_possession_is_not_noted() {
        let mut member = owner_of(&[0]);
        let tenure = member.tenure("t", 0).expect("ours");
        assert!(member.done("t", 0, tenure, 7));
        member.gone(Ownership::Revoked, &partitions(&[0]), 1);
        assert!(!member.done("t", 0, tenure, 8));
        member.assigned(&partitions(&[0]), 2);
        assert!(
            !member.done("t", 0, tenure, 8),
            "got again, but the message was fetched before"
        );
        assert_eq!(member.counts.consumed, 1);
        assert_eq!(member.assignment()[0].position, None);
    }

    #[test]
    fn each_position_is_stored_once_and_committed_when_answered() {
        let mut member = owner_of(&[0, 1]);
        let tenure = member.tenure("t", 0).expect("ours");
        assert!(member.take_due().is_empty());
        member.done("t", 0, tenure, 4);
        assert_eq!(member.take_due(), [((Arc::from("t"), 0), 5)]);
        assert!(member.take_due().is_empty());
        member.committed("t", 0, 5, false);
        assert_eq!(member.assignment()[0].committed, None);
        member.committed("t", 0, 5, true);
        member.committed("t", 7, 5, true);
        assert_eq!(member.assignment()[0].committed, Some(5));
        assert_eq!(
            (member.counts.commits, member.counts.failed_commits),
            (2, 1)
        );
    }

    #[test]
    fn a_position_counts_when_it_leads_further_and_is_not_of_an_earlier_possession() {
        let mut member = owner_of(&[0]);
        member.moved_on("t", 0, 9, 1_000, 2_000);
        assert_eq!(member.assignment()[0].position, None);
        member.moved_on("t", 0, 9, 2_000, 2_000);
        member.moved_on("t", 0, 8, 2_000, 2_000);
        assert_eq!(member.assignment()[0].position, Some(9));
        assert_eq!(member.counts.consumed, 0);
        member.moved_on("t", 0, 12, -3_600_000, 2_000);
        assert_eq!(
            member.assignment()[0].position,
            Some(12),
            "also after the clock was set back"
        );
    }

    #[test]
    fn only_a_recent_rebalance_makes_a_stop_wait_for_commits() {
        let mut member = owner_of(&[0]);
        assert!(
            !member.owes_commits_amid_rebalance(1),
            "nothing was handled"
        );
        let tenure = member.tenure("t", 0).expect("ours");
        member.done("t", 0, tenure, 4);
        assert!(member.owes_commits_amid_rebalance(1));
        assert!(
            !member.owes_commits_amid_rebalance(10_000),
            "the rebalance is long over"
        );
        assert!(
            !member.owes_commits_amid_rebalance(-3_600_000),
            "a clock that was set back causes no wait"
        );
        member.committed("t", 0, 5, true);
        assert!(!member.owes_commits_amid_rebalance(1));
    }

    #[test]
    fn membership_is_lost_until_it_is_got_again_or_another_client_has_begun() {
        let mut member = owner_of(&[0]);
        assert_eq!(member.lost_for(0, 5), None);
        member.gone(Ownership::Lost, &partitions(&[0]), 10);
        assert_eq!(member.lost_for(0, 25), Some(15));
        assert_eq!(
            member.lost_for(0, -3_600_000),
            Some(u64::MAX),
            "the clock was set back: it may be long ago"
        );
        assert_eq!(member.lost_for(1, 25), None, "a former client lost it");
        member.joined = true;
        assert_eq!(member.lost_for(0, 25), None);
        member.assigned(&partitions(&[0]), 30);
        member.gone(Ownership::Revoked, &partitions(&[0]), 40);
        assert_eq!(member.lost_for(0, 50), None);
    }

    #[test]
    fn pausing_is_remembered_per_partition() {
        let mut member = owner_of(&[0, 1]);
        assert_eq!(member.toggle_paused(true).len(), 2);
        member.assigned(&partitions(&[2]), 1);
        assert_eq!(member.paused_among(&partitions(&[1, 2])), partitions(&[1]));
        assert_eq!(member.toggle_paused(true), partitions(&[2]));
        assert_eq!(member.toggle_paused(false).len(), 3);
        assert!(member.toggle_paused(false).is_empty());
    }

    #[test]
    fn moves_are_reported_once() {
        let mut member = owner_of(&[0, 1]);
        let tenure = member.tenure("t", 1).expect("ours");
        member.done("t", 1, tenure, 0);
        member.done("t", 1, tenure, 1);
        let moved = member.take_moved();
        assert_eq!(moved.len(), 1);
        assert_eq!(
            (moved[0].partition, moved[0].offset, moved[0].count),
            (1, 2, 2)
        );
        assert!(member.take_moved().is_empty());
    }
}
