//! The rebalances of groups. Pure. In: polls of a group in their order, each with its time, and causes. Out: members that joined and
//! left, partitions that changed their owner, and the duration. Deliberately absent: how a cause is found (that is `cause`), and a
//! rebalance that began and ended between two polls without a trace.

mod group;
mod json;
mod moves;

use std::{
    cmp::Reverse,
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

use serde::{Deserialize, Serialize};

use practice_contract::Protocol;

use crate::{
    by_partition::PartitionSet,
    cause::{Explained, MembershipChange},
    model::{GroupSeen, GroupState},
};
use group::{moved, names, settled};

pub use json::read;
pub use moves::{Move, Moves};

/// Rebalances kept for each group; the oldest are dropped first.
pub const KEPT: usize = 50;
/// A cooperative rebalance has two parts: members revoke partitions, then others get them. The second part belongs to the first one
/// if it comes within this time, in milliseconds.
const SECOND_PART: i64 = 15_000;
/// Clients that left and are remembered.
const FORMER: usize = 256;
/// Moves kept for each group, over all its rebalances.
const MOVES: usize = 2_000;

/// A moment, by two clocks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Moment {
    /// Milliseconds since the epoch, for display. The clock may be set back or forward.
    pub at: i64,
    /// Milliseconds since an arbitrary moment, for comparison. It only grows.
    pub tick: i64,
}

/// A rebalance that is over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Rebalance {
    /// Counts the group's rebalances from 1, including those that are no longer kept. Kafka does not report a Classic group's
    /// generation.
    pub number: u64,
    /// When it was noticed, milliseconds since the epoch.
    pub at: i64,
    /// The group's protocol; absent while it has no members.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub protocol: Option<Protocol>,
    /// KIP-848: the group epoch before it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epoch_before: Option<i64>,
    /// KIP-848: the group epoch after it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epoch: Option<i64>,
    /// Client ids of new members.
    pub joined: Vec<String>,
    /// Client ids of members that left.
    pub left: Vec<String>,
    /// Partitions that have another owner than before, sorted.
    pub moved: Moves,
    /// Milliseconds from the first poll that saw the rebalance to the one that saw its end; absent: it fell between two polls.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub took_ms: Option<u64>,
    /// The cause; absent until it is found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<Explained>,
}

impl Rebalance {
    /// The longest time that a moved partition had no owner, as far as the workers report it, in milliseconds.
    pub fn unowned_ms(&self) -> Option<u64> {
        self.moved.unowned_ms().max().map(u64::from)
    }
}

/// The rebalances of the groups of one practice.
#[derive(Debug, Clone, Default)]
pub struct Journal {
    /// Shared with copies of this journal until a group changes.
    groups: BTreeMap<String, Arc<GroupJournal>>,
    version: u64,
}

/// The rebalances and the last settled state of a group.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct GroupJournal {
    /// Bootstrap servers. A group with the same id in another Kafka is a different group.
    #[serde(default)]
    kafka: String,
    #[serde(default)]
    settled: Option<Settled>,
    /// The last partition of each topic that ever had an owner.
    #[serde(default)]
    highest: BTreeMap<String, i32>,
    count: u64,
    /// Newest first. Shared with copies of this journal: each may have thousands of moved partitions.
    over: VecDeque<Arc<Rebalance>>,
    /// Since when the group is not settled.
    #[serde(skip)]
    moving_since: Option<Moment>,
    /// When each member was first seen, by member id. Members of the first poll are absent.
    #[serde(skip)]
    first_seen: BTreeMap<String, i64>,
    /// The same for the last member of each client id that left.
    #[serde(skip)]
    former: VecDeque<(String, i64)>,
    /// The group could not be observed for a while.
    #[serde(skip)]
    blind: bool,
    /// When the newest rebalance ended.
    #[serde(skip)]
    over_at: Option<i64>,
    /// Rebalances whose cause is not found yet, oldest first.
    #[serde(skip)]
    unexplained: Vec<MembershipChange>,
}

/// A group whose members own what they are assigned.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Settled {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    epoch: Option<i64>,
    /// By member id.
    members: BTreeMap<String, SettledMember>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct SettledMember {
    client_id: String,
    partitions: PartitionSet,
}

impl Journal {
    /// Records a poll of one group of a Kafka. True: a rebalance has ended, and it is the newest one.
    pub fn record_group(
        &mut self,
        kafka: &str,
        group: &str,
        seen: &GroupSeen,
        now: Moment,
    ) -> bool {
        if seen.state == GroupState::Unknown {
            self.blind(group);
            return false;
        }
        let known = self.groups.get(group);
        let is_at_rest = known.is_some_and(|memory| {
            memory.kafka == kafka
                && !memory.blind
                && memory.moving_since.is_none()
                && memory.settled == settled(seen)
        });
        if is_at_rest {
            return false;
        }
        let memory = Arc::make_mut(self.groups.entry(group.to_owned()).or_default());
        if memory.kafka != kafka {
            let (count, over) = (memory.count, std::mem::take(&mut memory.over));
            *memory = GroupJournal {
                kafka: kafka.to_owned(),
                count,
                over,
                ..GroupJournal::default()
            };
        }
        let is_first = memory.settled.is_none() && memory.moving_since.is_none();
        memory.record_members(seen, now.tick, is_first);
        let Some(after) = settled(seen) else {
            memory.moving_since.get_or_insert(now);
            return false;
        };
        let (before, moving_since) = (
            memory.settled.replace(after.clone()),
            memory.moving_since.take(),
        );
        let was_blind = std::mem::take(&mut memory.blind);
        let Some(before) = before else {
            memory.record_owned(&after);
            return false; // without a former state there is nothing to compare with
        };
        if before.members == after.members && moving_since.is_none() {
            return false;
        }
        let moved = moved(&before, &after);
        let change = memory.change(&before, &after, &moved, was_blind, now);
        memory.record_owned(&after);
        self.version += 1;
        memory.record_left(&change.left);
        if memory.finish(&change, &moved, now) {
            return true;
        }
        memory.count += 1;
        memory.over_at = Some(now.tick);
        memory.over.push_front(Arc::new(Rebalance {
            number: memory.count,
            at: moving_since.map_or(now.at, |since| since.at),
            protocol: seen.protocol,
            epoch_before: before.epoch,
            epoch: seen.epoch,
            joined: names(&change.joined),
            left: names(&change.left),
            moved: moved.into_iter().collect(),
            took_ms: moving_since.and_then(|since| u64::try_from(now.tick - since.tick).ok()),
            why: None,
        }));
        let mut sum = 0;
        let fitting = memory.over.iter().take(KEPT).take_while(|rebalance| {
            sum += rebalance.moved.len();
            sum <= MOVES
        });
        let fitting = fitting.count().max(1);
        memory.over.truncate(fitting);
        memory.unexplained.push(change);
        true
    }

    /// Records that a group or its instances could not be observed for a while.
    pub fn blind(&mut self, group: &str) {
        if let Some(memory) = self.groups.get_mut(group).filter(|memory| !memory.blind) {
            Arc::make_mut(memory).blind = true;
        }
    }

    /// The same for every group.
    pub fn blind_all(&mut self) {
        for memory in self.groups.values_mut().filter(|memory| !memory.blind) {
            Arc::make_mut(memory).blind = true;
        }
    }

    /// The rebalances of a group whose cause is not found yet, oldest first.
    pub fn unexplained(&self, group: &str) -> &[MembershipChange] {
        self.groups
            .get(group)
            .map_or(&[], |memory| &memory.unexplained)
    }

    /// Records the cause of a rebalance, or that it stays unknown. Out: the rebalance with it.
    pub fn explain(&mut self, group: &str, number: u64, why: Explained) -> Option<Arc<Rebalance>> {
        let memory = Arc::make_mut(self.groups.get_mut(group)?);
        self.version += 1;
        memory.unexplained.retain(|change| change.number != number);
        let mut all = memory.over.iter_mut();
        let rebalance = all.find(|rebalance| rebalance.number == number)?;
        Arc::make_mut(rebalance).why = Some(why);
        Some(rebalance.clone())
    }

    /// Records how long moved partitions had no owner where that is not known yet, newest rebalance first, while `is_recent`. Out:
    /// the new durations, in milliseconds.
    pub fn measure(
        &mut self,
        group: &str,
        is_recent: impl Fn(&Rebalance) -> bool,
        unowned_ms: impl Fn(&Rebalance, &Move) -> Option<u64>,
    ) -> Vec<u64> {
        let mut news = Vec::new();
        let Some(memory) = self.groups.get_mut(group) else {
            return news;
        };
        if !memory
            .over
            .iter()
            .take_while(|rebalance| is_recent(rebalance))
            .any(|rebalance| rebalance.moved.is_open())
        {
            return news;
        }
        for rebalance in Arc::make_mut(memory)
            .over
            .iter_mut()
            .take_while(|rebalance| is_recent(rebalance))
        {
            let known = news.len();
            let measured = rebalance.moved.iter().map(|mut moved| {
                if moved.unowned_ms.is_none()
                    && let Some(millis) = unowned_ms(rebalance, &moved)
                {
                    let millis = u32::try_from(millis).unwrap_or(u32::MAX);
                    moved.unowned_ms = Some(millis);
                    news.push(millis.into());
                }
                moved
            });
            let measured: Moves = measured.collect();
            if news.len() > known {
                Arc::make_mut(rebalance).moved = measured;
                self.version += 1;
            }
        }
        news
    }

    /// Removes the groups for which `is_named` is false.
    pub fn keep(&mut self, is_named: impl Fn(&str) -> bool) {
        self.groups.retain(|group, _| is_named(group));
    }

    /// A group's rebalances, newest first.
    pub fn of<'a>(&'a self, group: &str) -> impl Iterator<Item = &'a Rebalance> + use<'a> {
        self.groups
            .get(group)
            .into_iter()
            .flat_map(|memory| &memory.over)
            .map(Arc::as_ref)
    }

    /// The newest rebalances of these groups, newest first, at most `most`. The order depends only on what is stored, so it survives a
    /// restart. Rebalances of one group keep their order even if the clock was set back.
    pub fn newest<'a>(
        &'a self,
        groups: impl IntoIterator<Item = &'a str>,
        most: usize,
    ) -> Vec<(&'a str, &'a Rebalance)> {
        let mut all: Vec<_> = groups
            .into_iter()
            .flat_map(|group| self.dated(group))
            .collect();
        all.sort_by_key(|(order, ..)| Reverse(*order)); // stable: of one time, each group newest first
        all.truncate(most);
        all.into_iter()
            .map(|(_, group, rebalance)| (group, rebalance))
            .collect()
    }

    /// A group's rebalances, newest first, each with its sort key among other groups: its time, which does not decrease where the
    /// clock was set back.
    fn dated<'a>(&'a self, group: &'a str) -> Vec<(i64, &'a str, &'a Rebalance)> {
        let Some(memory) = self.groups.get(group) else {
            return Vec::new();
        };
        let mut latest = i64::MIN;
        let dated = memory.over.iter().rev().map(|rebalance| {
            latest = latest.max(rebalance.at);
            (latest, group, rebalance.as_ref())
        });
        let mut dated: Vec<_> = dated.collect();
        dated.reverse();
        dated
    }

    /// Changes with every change of what is stored.
    pub fn version(&self) -> u64 {
        self.version
    }
}

#[cfg(test)]
mod tests;
