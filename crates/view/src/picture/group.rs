//! One group of a practice's state. In: its facts, status and last poll, and its state before. Out: the group as pages show it.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use practice_api::status::{GroupStatus, HealthStatus};
use practice_groups::{At, GroupSeen, GroupState, HealthState, Lag, PartitionSet, TopicFacts};

use super::topics;
use crate::{
    facts::{Consumer, Facts, GroupFacts},
    model::{ConsumerState, GroupPicture, HealthPicture, MemberPicture, Picture, Share},
};

/// One group and the inputs of its state.
pub(super) struct GroupBuilder<'a> {
    pub(super) facts: &'a Facts,
    pub(super) named: &'a GroupFacts,
    pub(super) status: Option<&'a GroupStatus>,
    /// Its last poll; `None`: Kafka reports nothing about the group.
    pub(super) seen: Option<&'a GroupSeen>,
    pub(super) before: Option<&'a GroupPicture>,
    /// Start of unknown lag, by partition.
    pub(super) unknown: BTreeMap<(&'a str, i32), i64>,
    /// Health of partitions that are not healthy.
    pub(super) health: BTreeMap<(&'a str, i32), &'a str>,
    /// Most partitions of its members, and most without an owner.
    pub(super) room: usize,
}

impl<'a> GroupBuilder<'a> {
    pub(super) fn of(
        facts: &'a Facts,
        before: Option<&'a Picture>,
        named: &'a GroupFacts,
        room: usize,
    ) -> Self {
        let seen = facts
            .snapshot
            .as_ref()
            .and_then(|snapshot| snapshot.group(&named.name));
        let status = facts
            .status
            .groups
            .iter()
            .find(|status| status.name == named.name);
        Self {
            facts,
            named,
            status,
            unknown: status.map(unknown_of).unwrap_or_default(),
            health: status.map(health_of).unwrap_or_default(),
            seen: seen.filter(|seen| seen.state != GroupState::Unknown),
            before: before
                .and_then(|before| before.groups.iter().find(|group| group.name == named.name)),
            room,
        }
    }

    pub(super) fn group(&self) -> GroupPicture {
        let status = self.status;
        let members = self.members();
        let (open, all_open) = self.open(&members);
        let cut = members
            .iter()
            .any(|member| member.partitions.len() < member.partition_count);
        let assignor = self.seen.and_then(|seen| seen.assignor.clone());
        GroupPicture {
            name: self.named.name.clone(),
            state: status.map_or_else(
                || GroupState::Unknown.to_string(),
                |status| status.state.clone(),
            ),
            stopped: self.named.stopped,
            scaled_to_zero: status.is_some_and(GroupStatus::is_scaled_to_zero),
            protocol: status
                .map(|status| status.protocol.clone())
                .unwrap_or_default(),
            assignor: assignor.unwrap_or_else(|| self.named.assignor.clone()),
            epoch: status.and_then(|status| status.epoch),
            session_timeout_ms: self.named.session_timeout.map(millis),
            replicas: status.map_or(0, |status| status.replicas),
            ready_replicas: status.map_or(0, |status| status.ready_replicas),
            idle: status.and_then(|status| status.idle),
            lag: status.and_then(|status| status.lag),
            oldest_at: status
                .and_then(|status| status.oldest_since.as_deref())
                .and_then(since),
            done_at: status
                .and_then(|status| status.done_at.as_deref())
                .and_then(since),
            health: status.and_then(|status| status.health.as_ref()).map(health),
            message: status.and_then(|status| status.message.clone()),
            scalable: self.named.scalable && !self.named.stopped,
            topics: self.named.topics.clone(),
            truncated: cut || open.len() < all_open,
            members,
            open,
        }
    }

    /// Members by the time of their first poll, so that their order is stable.
    fn members(&self) -> Vec<MemberPicture> {
        let Some(seen) = self.seen else {
            return self.remembered();
        };
        let mut members: Vec<MemberPicture> = seen
            .members
            .iter()
            .map(|member| self.member(seen, member))
            .collect();
        members.sort_by(|a, b| {
            (a.first_seen, &a.name, &a.member_id).cmp(&(b.first_seen, &b.name, &b.member_id))
        });
        self.mark_replaced_members(&mut members);
        let known: BTreeSet<String> = members
            .iter()
            .map(|member| member.client_id.clone())
            .collect();
        let is_removed = |consumer: &&Consumer| {
            consumer.state == ConsumerState::Paused && !known.contains(&consumer.name)
        };
        members.extend(
            self.consumers()
                .filter(is_removed)
                .map(|consumer| self.left(consumer)),
        );
        members
    }

    pub(super) fn consumers(&self) -> impl Iterator<Item = &'a Consumer> + use<'a> {
        let name = self.named.name.as_str();
        self.facts
            .consumers
            .iter()
            .filter(move |consumer| consumer.group == name)
    }

    /// Partitions without an owner in the group, truncated, and their number.
    fn open(&self, members: &[MemberPicture]) -> (Vec<Share>, usize) {
        let drawn = members.iter().flat_map(|member| &member.partitions);
        let drawn = drawn.map(|share| (share.topic.as_str(), share.partition));
        let known = self
            .seen
            .iter()
            .flat_map(|seen| &seen.members)
            .filter_map(|member| member.partitions.as_ref());
        let known = known.flat_map(PartitionSet::keys);
        let owned: BTreeSet<At<'_>> = drawn.chain(known).collect();
        // other partitions may belong to a member whose assignment the broker has not reported yet
        let drawn_before = self.seen.filter(|seen| !seen.has_known_owners()).map(|_| {
            let before = self.before.into_iter();
            let shares = before.flat_map(|g| {
                g.members
                    .iter()
                    .flat_map(|member| &member.partitions)
                    .chain(&g.open)
            });
            shares
                .map(|share| (share.topic.as_str(), share.partition))
                .collect::<BTreeSet<_>>()
        });
        let may_be_open = |at: &At<'_>| {
            !owned.contains(at)
                && drawn_before
                    .as_ref()
                    .is_none_or(|drawn_before| drawn_before.contains(at))
        };
        let numbers =
            |topic: &TopicFacts| 0..i32::try_from(topic.partitions.len()).unwrap_or(i32::MAX);
        let all = topics(self.facts)
            .filter(|(name, _)| self.named.topics.contains(*name))
            .flat_map(|(name, topic)| numbers(topic).map(move |number| (name.as_str(), number)));
        let empty = GroupSeen::default();
        let open: Vec<At<'_>> = all.filter(may_be_open).collect();
        let seen = self.seen.unwrap_or(&empty);
        (
            open.iter()
                .take(self.room)
                .map(|at| self.share(seen, *at))
                .collect(),
            open.len(),
        )
    }

    pub(super) fn lag(&self, seen: &GroupSeen, at: At<'_>) -> Lag {
        let snapshot = self.facts.snapshot.as_ref();
        snapshot.map_or(Lag::Unknown, |snapshot| {
            snapshot.lag(seen, at, self.named.reset)
        })
    }

    pub(super) fn share(&self, seen: &GroupSeen, at: At<'_>) -> Share {
        let lag = self.lag(seen, at);
        let unknown_since = || {
            let since = self.unknown.get(&at).copied();
            since
                .or_else(|| self.unknown_since())
                .unwrap_or(self.facts.now)
        };
        Share {
            topic: at.0.to_owned(),
            partition: at.1,
            committed: seen
                .committed
                .as_ref()
                .and_then(|all| all.get(at))
                .map(|committed| committed.offset),
            end: self
                .facts
                .snapshot
                .as_ref()
                .and_then(|snapshot| snapshot.bounds(at))
                .map(|bounds| bounds.end),
            lag: lag.effective(),
            lag_reason: lag.reason().map(str::to_owned),
            lost: lag.lost(),
            unknown_since: (lag == Lag::Unknown).then(unknown_since),
            health: self.health.get(&at).map(|health| (*health).to_owned()),
        }
    }

    /// Start of the group's unknown lag.
    pub(super) fn unknown_since(&self) -> Option<i64> {
        self.status
            .and_then(|status| status.unknown_since.as_deref())
            .and_then(since)
    }
}

pub(super) fn since(time: &str) -> Option<i64> {
    time.parse::<jiff::Timestamp>()
        .ok()
        .map(jiff::Timestamp::as_millisecond)
}

fn health(status: &HealthStatus) -> HealthPicture {
    HealthPicture {
        state: status.state.clone(),
        since: status.since.as_deref().and_then(since),
        message: status.message.clone(),
        advice: status.advice.clone(),
    }
}

/// Start of unknown lag, by partition, from the status.
fn unknown_of(status: &GroupStatus) -> BTreeMap<(&str, i32), i64> {
    status
        .shares()
        .filter_map(|s| {
            Some((
                (s.topic.as_str(), s.partition),
                since(s.unknown_since.as_deref()?)?,
            ))
        })
        .collect()
}

/// Health of the partitions that are not healthy, from the status.
fn health_of(status: &GroupStatus) -> BTreeMap<(&str, i32), &str> {
    let found = status
        .shares()
        .filter_map(|share| Some((share, share.health.as_deref()?)));
    let bad = found.filter(|(_, health)| *health != HealthState::Healthy.as_str());
    bad.map(|(share, health)| ((share.topic.as_str(), share.partition), health))
        .collect()
}

pub(super) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
