//! Which rebalances groups went through. Pure. In: one look at a group after another, each with its time; why it was, from
//! whoever finds out. Out: who joined, who left, what changed hands, how long it took. Deliberately absent: how a cause is
//! found (that is `cause`), and whatever began and ended between two looks without leaving a trace.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

use serde::{Deserialize, Serialize};

use practice_contract::Protocol;

use crate::{
    cause::{ChangedMember, Explained, MembershipChange},
    model::{GroupSeen, GroupState, Partition},
};

/// Rebalances that are kept of each group; the oldest go first.
pub const KEPT: usize = 50;
/// A cooperative rebalance is two: partitions are given up, and then given to others. The second belongs to the first if it
/// comes within this time, in milliseconds.
const SECOND_HALF: i64 = 15_000;
/// Clients that are gone and remembered.
const FORMER: usize = 256;
/// Moves that are kept of each group, over all its rebalances.
const MOVES: usize = 5_000;

/// A moment, by two clocks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Moment {
    /// Milliseconds since the epoch: to be shown. It may be set back or forth.
    pub at: i64,
    /// Milliseconds since some moment: to be compared. It only grows.
    pub tick: i64,
}

/// A rebalance that is over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Rebalance {
    /// Counts the group's rebalances from 1, also those that are no longer kept. Classic groups tell no generation.
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
    /// Client ids of members that are gone.
    pub left: Vec<String>,
    /// Partitions that have another owner than before, sorted.
    pub moved: Vec<Move>,
    /// Milliseconds from the first look that saw it under way to the one that saw it over; absent: it fell between two looks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub took_ms: Option<u64>,
    /// Why; absent while that is being found out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<Explained>,
}

impl Rebalance {
    /// The longest time that a moved partition had no owner, as far as the workers tell, in milliseconds.
    pub fn unowned_ms(&self) -> Option<u64> {
        self.moved.iter().filter_map(|moved| moved.unowned_ms).max()
    }
}

/// A partition that changed hands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Move {
    /// Its topic.
    pub topic: String,
    /// Its number, from 0.
    pub partition: i32,
    /// Client id of its former owner; absent: nobody had it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// Client id of its owner now; absent: nobody has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// Milliseconds that nobody read it; absent: not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unowned_ms: Option<u64>,
}

/// What is remembered of the groups of one practice.
#[derive(Debug, Clone, Default)]
pub struct Journal {
    /// Shared with copies of this journal until a group changes.
    groups: BTreeMap<String, Arc<Memory>>,
    version: u64,
}

/// What is remembered of a group.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Memory {
    /// The Kafka that it is a group of: a group of that name in another Kafka is another one.
    #[serde(default)]
    kafka: String,
    #[serde(default)]
    settled: Option<Settled>,
    /// The last partition of each topic that ever had an owner.
    #[serde(default)]
    highest: BTreeMap<String, i32>,
    count: u64,
    /// Newest first.
    over: VecDeque<Rebalance>,
    /// When it was first seen that it is not settled (any more).
    #[serde(skip)]
    moving_since: Option<Moment>,
    /// When each member was first seen, by its id. Those that were there before anybody looked are not here.
    #[serde(skip)]
    first_seen: BTreeMap<String, i64>,
    /// The same of the last member of each client id that is gone.
    #[serde(skip)]
    former: VecDeque<(String, i64)>,
    /// Nobody could look for a while.
    #[serde(skip)]
    blind: bool,
    /// When the newest one was over.
    #[serde(skip)]
    over_at: Option<i64>,
    /// Those whose cause is being found out, oldest first.
    #[serde(skip)]
    unexplained: Vec<MembershipChange>,
}

/// A group whose members have what they should have.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Settled {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    epoch: Option<i64>,
    /// By member id.
    members: BTreeMap<String, Holder>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Holder {
    client_id: String,
    partitions: Vec<Partition>,
}

impl Settled {
    /// Member ids by partition.
    fn owners(&self) -> BTreeMap<&Partition, &str> {
        self.members
            .iter()
            .flat_map(|(id, holder)| {
                holder
                    .partitions
                    .iter()
                    .map(move |partition| (partition, id.as_str()))
            })
            .collect()
    }

    fn client(&self, id: &str) -> Option<&str> {
        self.members.get(id).map(|holder| holder.client_id.as_str())
    }
}

impl Journal {
    /// Takes note of a look at one group of a Kafka. True: a rebalance is over, it is the newest now.
    pub fn look(&mut self, kafka: &str, group: &str, seen: &GroupSeen, now: Moment) -> bool {
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
            *memory = Memory {
                kafka: kafka.to_owned(),
                count,
                over,
                ..Memory::default()
            };
        }
        let is_first = memory.settled.is_none() && memory.moving_since.is_none();
        memory.meet(seen, now.tick, is_first);
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
            memory.own(&after);
            return false; // nothing to compare with: how it came to be is not known
        };
        if before.members == after.members && moving_since.is_none() {
            return false;
        }
        let moved = moved(&before, &after);
        let change = memory.change(&before, &after, &moved, was_blind, now);
        memory.own(&after);
        self.version += 1;
        memory.part(&change.left);
        if memory.finish(&change, &moved, now) {
            return true;
        }
        memory.count += 1;
        memory.over_at = Some(now.tick);
        memory.over.push_front(Rebalance {
            number: memory.count,
            at: moving_since.map_or(now.at, |since| since.at),
            protocol: seen.protocol,
            epoch_before: before.epoch,
            epoch: seen.epoch,
            joined: names(&change.joined),
            left: names(&change.left),
            moved,
            took_ms: moving_since.and_then(|since| u64::try_from(now.tick - since.tick).ok()),
            why: None,
        });
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

    /// Nobody could look at a group, or at what runs of it, for a while.
    pub fn blind(&mut self, group: &str) {
        if let Some(memory) = self.groups.get_mut(group).filter(|memory| !memory.blind) {
            Arc::make_mut(memory).blind = true;
        }
    }

    /// The same of every group.
    pub fn blind_all(&mut self) {
        for memory in self.groups.values_mut().filter(|memory| !memory.blind) {
            Arc::make_mut(memory).blind = true;
        }
    }

    /// The rebalances of a group whose cause is being found out, oldest first.
    pub fn unexplained(&self, group: &str) -> &[MembershipChange] {
        self.groups
            .get(group)
            .map_or(&[], |memory| &memory.unexplained)
    }

    /// The cause of a rebalance was found, or will not be.
    pub fn explain(&mut self, group: &str, number: u64, why: Explained) {
        let Some(memory) = self.groups.get_mut(group) else {
            return;
        };
        let memory = Arc::make_mut(memory);
        self.version += 1;
        memory.unexplained.retain(|change| change.number != number);
        if let Some(rebalance) = memory
            .over
            .iter_mut()
            .find(|rebalance| rebalance.number == number)
        {
            rebalance.why = Some(why);
        }
    }

    /// How long a partition that moved had no owner was found out, for those of which it is not known: newest first, while
    /// `is_recent`. Out: what was found out just now, in milliseconds.
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
        let is_open = |rebalance: &Rebalance| {
            rebalance
                .moved
                .iter()
                .any(|moved| moved.unowned_ms.is_none())
        };
        if !memory
            .over
            .iter()
            .take_while(|rebalance| is_recent(rebalance))
            .any(is_open)
        {
            return news;
        }
        for rebalance in Arc::make_mut(memory)
            .over
            .iter_mut()
            .take_while(|rebalance| is_recent(rebalance))
        {
            for index in 0..rebalance.moved.len() {
                let known = rebalance.moved[index].unowned_ms;
                let found = known.or_else(|| unowned_ms(rebalance, &rebalance.moved[index]));
                if found != known {
                    rebalance.moved[index].unowned_ms = found;
                    news.extend(found);
                    self.version += 1;
                }
            }
        }
        news
    }

    /// Forgets the groups that are not named.
    pub fn keep(&mut self, is_named: impl Fn(&str) -> bool) {
        self.groups.retain(|group, _| is_named(group));
    }

    /// A group's rebalances, newest first.
    pub fn of<'a>(&'a self, group: &str) -> impl Iterator<Item = &'a Rebalance> + use<'a> {
        self.groups
            .get(group)
            .into_iter()
            .flat_map(|memory| &memory.over)
    }

    /// The newest rebalances of these groups together, newest first, at most so many. The order is made of what is written alone,
    /// so whoever takes the journal up has the same; those of one group keep theirs, whatever the clock was set to meanwhile.
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

    /// A group's rebalances, newest first, each with what puts it in order with those of other groups: its time, which does not
    /// fall where the clock was set back.
    fn dated<'a>(&'a self, group: &'a str) -> Vec<(i64, &'a str, &'a Rebalance)> {
        let Some(memory) = self.groups.get(group) else {
            return Vec::new();
        };
        let mut latest = i64::MIN;
        let dated = memory.over.iter().rev().map(|rebalance| {
            latest = latest.max(rebalance.at);
            (latest, group, rebalance)
        });
        let mut dated: Vec<_> = dated.collect();
        dated.reverse();
        dated
    }

    /// Another number after every change of what is to be kept.
    pub fn version(&self) -> u64 {
        self.version
    }

    /// What is to be kept of each group that has had a rebalance, as text of about `most` bytes in all: the oldest are left out.
    pub fn written(&self, most: usize) -> BTreeMap<String, String> {
        let text = |memory: &Memory| {
            serde_json::to_string(memory).expect("should serialize: strings, numbers and lists")
        };
        let share = most / self.groups.len().max(1);
        // https://kubernetes.io/docs/concepts/configuration/configmap: these are no keys
        let is_key = |group: &str| group != "." && !group.starts_with("..");
        let fitting = |memory: &Memory| {
            let mut whole = text(memory);
            let mut memory = Memory::clone(memory);
            while whole.len() > share && !memory.over.is_empty() {
                memory.over.truncate(memory.over.len() / 2);
                whole = text(&memory);
            }
            if whole.len() > share {
                memory.settled = None; // what a restart could not compare with is not compared
                whole = text(&memory);
            }
            whole
        };
        let told = self
            .groups
            .iter()
            .filter(|(group, memory)| memory.count > 0 && is_key(group));
        told.map(|(group, memory)| (group.clone(), fitting(memory)))
            .collect()
    }

    /// Takes up what was kept of a group, unless it is known already. Whoever was finding out a cause has not found it.
    ///
    /// # Errors
    /// It is not what [`written`](Self::written) wrote.
    pub fn restore(&mut self, group: &str, text: &str) -> Result<(), serde_json::Error> {
        let mut memory: Memory = serde_json::from_str(text)?;
        memory.blind = true;
        self.version += u64::from(memory.over.iter().any(|rebalance| rebalance.why.is_none()));
        for rebalance in memory
            .over
            .iter_mut()
            .filter(|rebalance| rebalance.why.is_none())
        {
            rebalance.why = Some(Explained::unknown("nobody was looking when it happened"));
        }
        self.groups
            .entry(group.to_owned())
            .or_insert_with(|| Arc::new(memory));
        Ok(())
    }
}

/// The rebalances in what [`Journal::written`] wrote of one group, newest first.
///
/// # Errors
/// It wrote something else.
pub fn read(text: &str) -> Result<Vec<Rebalance>, serde_json::Error> {
    serde_json::from_str::<Memory>(text).map(|memory| memory.over.into())
}

impl Memory {
    /// Takes note of when members were first seen.
    fn meet(&mut self, seen: &GroupSeen, tick: i64, is_first: bool) {
        let there = |id: &str| seen.members.iter().any(|member| member.member_id == id);
        let settled = self.settled.as_ref();
        self.first_seen.retain(|id, _| {
            there(id) || settled.is_some_and(|settled| settled.members.contains_key(id))
        });
        if is_first {
            return;
        }
        for member in &seen.members {
            let known =
                settled.is_some_and(|settled| settled.members.contains_key(&member.member_id));
            if !known {
                self.first_seen
                    .entry(member.member_id.clone())
                    .or_insert(tick);
            }
        }
    }

    /// Takes note of which partitions have an owner.
    fn own(&mut self, after: &Settled) {
        for (topic, partition) in after.members.values().flat_map(|holder| &holder.partitions) {
            let highest = self.highest.entry(topic.clone()).or_insert(*partition);
            *highest = (*highest).max(*partition);
        }
    }

    /// Takes note of who is gone.
    fn part(&mut self, left: &[ChangedMember]) {
        for who in left {
            self.former.retain(|(client, _)| *client != who.client);
            self.former.push_back((who.client.clone(), who.since));
        }
        while self.former.len() > FORMER {
            self.former.pop_front();
        }
    }

    fn change(
        &self,
        before: &Settled,
        after: &Settled,
        moved: &[Move],
        blind: bool,
        now: Moment,
    ) -> MembershipChange {
        let only_in = |one: &Settled, other: &Settled| {
            let missing = one
                .members
                .iter()
                .filter(|(id, _)| !other.members.contains_key(*id));
            let since = |id: &String| self.first_seen.get(id).copied().unwrap_or(i64::MIN);
            let former = |client: &str| {
                let there = other
                    .members
                    .iter()
                    .find(|(_, holder)| holder.client_id == client);
                there.map(|(id, _)| since(id)).or_else(|| {
                    let former = self.former.iter().find(|(former, _)| former == client);
                    former.map(|(_, since)| *since)
                })
            };
            let who = missing.map(|(id, holder)| ChangedMember {
                client: holder.client_id.clone(),
                since: since(id),
                former: former(&holder.client_id),
            });
            let mut all: Vec<ChangedMember> = who.collect();
            all.sort_unstable_by(|one, other| one.client.cmp(&other.client));
            all
        };
        // a partition after all that ever had an owner is one that was not there before
        let is_new = |moved: &&Move| {
            moved.from.is_none()
                && self
                    .highest
                    .get(&moved.topic)
                    .is_some_and(|last| moved.partition > *last)
        };
        MembershipChange {
            number: self.count + 1,
            noticed: now.tick,
            blind,
            joined: only_in(after, before),
            left: only_in(before, after),
            added: moved
                .iter()
                .filter(is_new)
                .map(|moved| (moved.topic.clone(), moved.partition))
                .collect(),
        }
    }

    /// Whether a change is the second half of the newest rebalance, which then is over only now.
    fn finish(&mut self, change: &MembershipChange, moved: &[Move], now: Moment) -> bool {
        let recent = self
            .over_at
            .is_some_and(|over| now.tick - over <= SECOND_HALF);
        let (Some(newest), true) = (self.over.front_mut(), recent) else {
            return false;
        };
        let open = |moved: &Move| {
            let same =
                |other: &Move| (&other.topic, other.partition) == (&moved.topic, moved.partition);
            newest
                .moved
                .iter()
                .position(|other| same(other) && other.to.is_none())
        };
        let halves: Option<Vec<usize>> = moved.iter().map(open).collect();
        let Some(halves) = halves.filter(|halves| !halves.is_empty()) else {
            return false;
        };
        if !change.joined.is_empty() || !change.left.is_empty() {
            return false;
        }
        for (index, moved) in halves.into_iter().zip(moved) {
            newest.moved[index].to.clone_from(&moved.to);
        }
        newest.moved.retain(|moved| moved.from != moved.to);
        newest.took_ms = newest
            .took_ms
            .zip(self.over_at)
            .map(|(took, over)| took + u64::try_from(now.tick - over).unwrap_or_default());
        self.over_at = Some(now.tick);
        true
    }
}

/// Who has what, unless that is on its way.
fn settled(seen: &GroupSeen) -> Option<Settled> {
    match seen.state {
        GroupState::Empty | GroupState::Absent => {
            return Some(Settled {
                epoch: seen.epoch,
                ..Settled::default()
            });
        }
        GroupState::Stable => {}
        GroupState::PreparingRebalance
        | GroupState::CompletingRebalance
        | GroupState::Assigning
        | GroupState::Reconciling
        | GroupState::Unknown => return None,
    }
    let mut settled = Settled {
        epoch: seen.epoch,
        ..Settled::default()
    };
    for member in &seen.members {
        let partitions = member.partitions.clone()?;
        settled.members.insert(
            member.member_id.clone(),
            Holder {
                client_id: member.client_id.clone(),
                partitions,
            },
        );
    }
    Some(settled)
}

fn names(who: &[ChangedMember]) -> Vec<String> {
    who.iter().map(|who| who.client.clone()).collect()
}

fn moved(before: &Settled, after: &Settled) -> Vec<Move> {
    let (had, have) = (before.owners(), after.owners());
    let mut partitions: Vec<&Partition> = had.keys().chain(have.keys()).copied().collect();
    partitions.sort_unstable();
    partitions.dedup();
    let name = |state: &Settled, owner: Option<&&str>| state.client(owner?).map(str::to_owned);
    partitions
        .into_iter()
        .filter(|partition| had.get(*partition) != have.get(*partition))
        .map(|partition| Move {
            topic: partition.0.clone(),
            partition: partition.1,
            from: name(before, had.get(partition)),
            to: name(after, have.get(partition)),
            unowned_ms: None,
        })
        .collect()
}

#[cfg(test)]
mod tests;
