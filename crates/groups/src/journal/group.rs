//! One group's journal: what a poll changes in it.

use std::{collections::BTreeMap, sync::Arc};

use super::{FORMER, GroupJournal, Moment, Move, SECOND_PART, Settled, SettledMember};
use crate::{
    by_partition::{At, PartitionSet},
    cause::{ChangedMember, MembershipChange},
    compact::Texts,
    model::{GroupSeen, GroupState},
};

impl GroupJournal {
    /// Records when members were first seen.
    pub(super) fn record_members(&mut self, seen: &GroupSeen, tick: i64, is_first: bool) {
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

    /// Records which partitions have an owner.
    pub(super) fn record_owned(&mut self, after: &Settled) {
        let holders = after.members.values().map(|holder| &holder.partitions);
        for (topic, partition) in holders.flat_map(PartitionSet::keys) {
            match self.highest.get_mut(topic) {
                Some(highest) => *highest = (*highest).max(partition),
                None => drop(self.highest.insert(topic.to_owned(), partition)),
            }
        }
    }

    /// Records members that left.
    pub(super) fn record_left(&mut self, left: &[ChangedMember]) {
        for who in left {
            self.former.retain(|(client, _)| *client != who.client);
            self.former.push_back((who.client.clone(), who.since));
        }
        while self.former.len() > FORMER {
            self.former.pop_front();
        }
    }

    pub(super) fn change(
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
        // a partition with a higher number than all that ever had an owner was added to the topic
        let is_new = |moved: &&Move| {
            moved.from.is_none()
                && self
                    .highest
                    .get(&*moved.topic)
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
                .map(|moved| (moved.topic.to_string(), moved.partition))
                .collect(),
        }
    }

    /// Whether a change is the second part of the newest rebalance, which then ends only now.
    pub(super) fn finish(
        &mut self,
        change: &MembershipChange,
        moved: &[Move],
        now: Moment,
    ) -> bool {
        let recent = self
            .over_at
            .is_some_and(|over| now.tick - over <= SECOND_PART);
        let (Some(newest), true) = (self.over.front_mut(), recent) else {
            return false;
        };
        let mut all: Vec<Move> = newest.moved.iter().collect();
        let open = |moved: &Move| {
            let same =
                |other: &Move| (&other.topic, other.partition) == (&moved.topic, moved.partition);
            all.iter()
                .position(|other| same(other) && other.to.is_none())
        };
        let halves: Option<Vec<usize>> = moved.iter().map(open).collect();
        let Some(halves) = halves.filter(|halves| !halves.is_empty()) else {
            return false;
        };
        if !change.joined.is_empty() || !change.left.is_empty() {
            return false;
        }
        let newest = Arc::make_mut(newest);
        for (index, moved) in halves.into_iter().zip(moved) {
            all[index].to.clone_from(&moved.to);
        }
        all.retain(|moved| moved.from != moved.to);
        newest.moved = all.into_iter().collect();
        newest.took_ms = newest
            .took_ms
            .zip(self.over_at)
            .map(|(took, over)| took + u64::try_from(now.tick - over).unwrap_or_default());
        self.over_at = Some(now.tick);
        true
    }
}

impl Settled {
    /// Member ids by partition.
    pub(super) fn owners(&self) -> BTreeMap<At<'_>, &str> {
        self.members
            .iter()
            .flat_map(|(id, holder)| {
                holder
                    .partitions
                    .keys()
                    .map(move |partition| (partition, id.as_str()))
            })
            .collect()
    }

    pub(super) fn client(&self, id: &str) -> Option<&str> {
        self.members.get(id).map(|holder| holder.client_id.as_str())
    }
}

/// The owners of partitions; `None` while the group rebalances.
pub(super) fn settled(seen: &GroupSeen) -> Option<Settled> {
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
            SettledMember {
                client_id: member.client_id.clone(),
                partitions,
            },
        );
    }
    Some(settled)
}

pub(super) fn names(who: &[ChangedMember]) -> Vec<String> {
    who.iter().map(|who| who.client.clone()).collect()
}

pub(super) fn moved(before: &Settled, after: &Settled) -> Vec<Move> {
    let (had, have) = (before.owners(), after.owners());
    let mut partitions: Vec<At<'_>> = had.keys().chain(have.keys()).copied().collect();
    partitions.sort_unstable();
    partitions.dedup();
    let mut texts = Texts::default();
    let mut name =
        |state: &Settled, owner: Option<&&str>| state.client(owner?).map(|name| texts.get(name));
    let mut topics = Texts::default();
    partitions
        .into_iter()
        .filter(|partition| had.get(partition) != have.get(partition))
        .map(|partition| Move {
            topic: topics.get(partition.0),
            partition: partition.1,
            from: name(before, had.get(&partition)),
            to: name(after, have.get(&partition)),
            unowned_ms: None,
        })
        .collect()
}
