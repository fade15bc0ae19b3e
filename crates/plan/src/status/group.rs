//! The status of one group. Pure; called by `status` alone.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use practice_api::status::{GroupStatus, Member, OwnedPartition, TopicStatus};
use practice_contract::OffsetReset;
use practice_groups::{
    At, ByPartition, GroupSeen, GroupState, Lag, MemberSeen, Snapshot, TopicSeen, total,
};

use super::{count, health::Case};
use crate::{
    outcome::{Observed, Prepared, Running},
    plan::GroupPlan,
};

/// Most topic ids that are kept for a group: those of its topics, and of as many former ones.
const MOST_TOPIC_IDS: usize = 64;

/// Inputs that the status of every group shares.
#[derive(Clone, Copy)]
pub(super) struct GroupInputs<'a> {
    pub(super) prepared: &'a Prepared,
    pub(super) running: &'a Running,
    pub(super) seen: Option<&'a Observed>,
    /// `host:port[,host:port...]` of the Kafka in use.
    pub(super) bootstrap: &'a str,
    /// The topics' status.
    pub(super) topics: &'a [TopicStatus],
    /// Partitions that are listed for each member, and of those without an owner.
    pub(super) listed: usize,
    pub(super) now: Timestamp,
}

impl GroupInputs<'_> {
    /// `before`: the group's status before this reconcile, on the same Kafka.
    pub(super) fn status(self, group: &GroupPlan, before: Option<&GroupStatus>) -> GroupStatus {
        let rows = || self.running.rows.iter().filter(|row| row.group == group.id);
        let nothing = (Snapshot::default(), GroupSeen::default());
        let polled = self.seen.and_then(Observed::snapshot);
        let hidden = polled.and_then(|snapshot| hidden(group, snapshot));
        let snapshot = polled.unwrap_or(&nothing.0);
        let seen = snapshot.group(&group.id).unwrap_or(&nothing.1);
        let known = seen.state != GroupState::Unknown;
        let partitions = partitions(group, snapshot);
        let wanted = rows().map(|row| row.desired).sum();
        let judged = self
            .seen
            .and_then(|observed| observed.health.get(&group.id));
        let case = Case {
            group,
            seen,
            snapshot,
            judged,
            bootstrap: self.bootstrap,
            topics: self.topics,
            wanted,
            before,
            now: self.now,
        };
        let words = case.words(&partitions);
        let health = case.health(&words, partitions.len());
        let shares = Shares {
            group,
            snapshot,
            seen,
            unknown: unknown(before),
            blind: blind(before),
            words,
            now: self.now,
        };
        let idle: BTreeSet<&str> = self
            .seen
            .iter()
            .flat_map(|observed| &observed.idle)
            .filter(|(id, _)| *id == group.id)
            .map(|(_, member)| member.as_str())
            .collect();
        let lags = partitions.iter().map(|partition| {
            snapshot
                .lag(seen, *partition, group.offset_reset)
                .effective()
        });
        let lag = total(lags).filter(|_| known && hidden.is_none());
        // partitions that a member does not report may be its own
        let unowned = if known && seen.has_known_owners() {
            unowned(&partitions, seen)
        } else {
            Vec::new()
        };
        let trend = self
            .seen
            .and_then(|observed| observed.lag_trends.get(&group.id))
            .copied()
            .unwrap_or_default();
        let trend = lag
            .filter(|lag| *lag > 0)
            .map(|_| trend)
            .unwrap_or_default();
        let waits = waits(partitions.len(), seen.members.len(), idle.len());
        let member = |member: &MemberSeen| {
            let reason = idle
                .contains(member.member_id.as_str())
                .then(|| waits.clone());
            self.member(&shares, member, reason)
        };
        let is_long = |partitions: usize| partitions > self.listed;
        let owns_many = |member: &MemberSeen| {
            let owned = member.partitions.as_ref();
            owned.is_some_and(|owned| is_long(owned.len()))
        };
        GroupStatus {
            name: group.id.clone(),
            group_id_owned: self.prepared.owns_group_id(&group.id),
            state: seen.state.to_string(),
            protocol: seen.protocol.unwrap_or(group.protocol).name().to_owned(),
            epoch: seen.epoch,
            replicas: wanted,
            ready_replicas: rows().map(|row| row.ready).sum(),
            idle: known.then(|| count(idle.len())),
            lag,
            unknown_since: match lag {
                Some(_) => None,
                None => Some(since(
                    before.and_then(|before| before.unknown_since.as_deref()),
                    self.now,
                )),
            },
            oldest_since: trend
                .oldest
                .and_then(|age| self.now.checked_sub(age).ok())
                .map(time),
            done_at: trend
                .drain
                .and_then(|left| self.now.checked_add(left).ok())
                .map(time),
            health,
            committed_topic_ids: committed_topic_ids(group, seen, snapshot, before),
            hold: self
                .prepared
                .hold(&group.id)
                .or_else(|| self.running.hold(group)),
            message: seen.trouble.as_ref().map(ToString::to_string).or(hidden),
            members: seen.members.iter().map(member).collect(),
            unowned_count: count(unowned.len()),
            truncated: is_long(unowned.len()) || seen.members.iter().any(owns_many),
            unowned: unowned
                .into_iter()
                .take(self.listed)
                .map(|partition| shares.share(partition))
                .collect(),
        }
    }

    fn member(self, shares: &Shares, member: &MemberSeen, idle_because: Option<String>) -> Member {
        let owned = || member.partitions.iter().flat_map(ByPartition::keys);
        let lag = || total(owned().map(|at| shares.lag(at).effective()));
        let pod = self
            .running
            .pods
            .contains(&member.client_id)
            .then(|| member.client_id.clone());
        Member {
            name: member.client_id.clone(),
            pod,
            member_id: member.member_id.clone(),
            client_id: member.client_id.clone(),
            partition_count: count(owned().count()),
            lag: member.partitions.as_ref().and_then(|_| lag()),
            partitions: owned()
                .take(self.listed)
                .map(|at| shares.share(at))
                .collect(),
            idle_because,
        }
    }
}

/// The status of a group that is not monitored: ownership, wanted replicas and the last known health are kept.
pub(super) fn unseen(before: &GroupStatus, why: &str, now: Timestamp) -> GroupStatus {
    GroupStatus {
        name: before.name.clone(),
        group_id_owned: before.group_id_owned,
        state: GroupState::Unknown.to_string(),
        protocol: before.protocol.clone(),
        replicas: before.replicas,
        ready_replicas: before.ready_replicas,
        unknown_since: Some(since(before.unknown_since.as_deref(), now)),
        health: before.health.clone(),
        committed_topic_ids: before.committed_topic_ids.clone(),
        message: Some(why.to_owned()),
        ..GroupStatus::default()
    }
}

/// Ids of the topics in which a `latest` group has or had commits. A topic that is missing now may return with the same id.
fn committed_topic_ids(
    group: &GroupPlan,
    seen: &GroupSeen,
    snapshot: &Snapshot,
    before: Option<&GroupStatus>,
) -> Vec<String> {
    if group.offset_reset != OffsetReset::Latest {
        return Vec::new();
    }
    let former = before.map_or(&[][..], |before| &before.committed_topic_ids);
    let mut ids: Vec<String> = Vec::new();
    let mut present = 0;
    for topic in &group.topics {
        let Some(TopicSeen::Present(facts)) = snapshot.topics.get(topic) else {
            continue;
        };
        present += 1;
        let mut commits = seen.committed.iter().flat_map(ByPartition::keys);
        let is_committed = commits.any(|at| at.0 == *topic && !seen.outdated.contains(at));
        if is_committed || former.contains(&facts.id) {
            ids.push(facts.id.clone());
        }
    }
    if present < group.topics.len() || ids.is_empty() {
        let known: Vec<String> = former
            .iter()
            .filter(|id| !ids.contains(id))
            .cloned()
            .collect();
        ids.extend(known);
        ids.truncate(MOST_TOPIC_IDS);
    }
    ids.sort_unstable();
    ids
}

/// A group's partitions, with its own offsets and lag.
struct Shares<'a> {
    group: &'a GroupPlan,
    snapshot: &'a Snapshot,
    seen: &'a GroupSeen,
    /// Partitions that were unknown before, since when.
    unknown: BTreeMap<(&'a str, i32), &'a str>,
    /// The health on each partition, where there is one.
    words: ByPartition<String>,
    /// Since when nothing about the group was known; `None`: something was.
    blind: Option<&'a str>,
    now: Timestamp,
}

impl Shares<'_> {
    fn lag(&self, at: At<'_>) -> Lag {
        let reset = self.group.offset_reset;
        self.snapshot.lag(self.seen, at, reset)
    }

    fn share(&self, at: At<'_>) -> OwnedPartition {
        let lag = self.lag(at);
        let committed = self.seen.committed.as_ref().and_then(|all| all.get(at));
        let unknown = self.unknown.get(&at).copied().or(self.blind);
        OwnedPartition {
            topic: at.0.to_owned(),
            partition: at.1,
            committed: committed.map(|committed| committed.offset),
            end: self.snapshot.bounds(at).map(|bounds| bounds.end),
            lag: lag.effective(),
            lag_reason: lag.reason().map(str::to_owned),
            lost: lag.lost(),
            unknown_since: match lag.effective() {
                Some(_) => None,
                None => Some(since(unknown, self.now)),
            },
            health: self.words.get(at).cloned(),
        }
    }
}

fn unknown(before: Option<&GroupStatus>) -> BTreeMap<(&str, i32), &str> {
    let all = before.into_iter().flat_map(GroupStatus::shares);
    all.filter_map(|share| {
        Some((
            (share.topic.as_str(), share.partition),
            share.unknown_since.as_deref()?,
        ))
    })
    .collect()
}

/// Since when a group without any listed partition has been unknown: its partitions have been unknown as long.
fn blind(before: Option<&GroupStatus>) -> Option<&str> {
    let lists_nothing = |before: &&GroupStatus| {
        before
            .members
            .iter()
            .all(|member| member.partition_count == 0)
            && before.unowned_count == 0
    };
    before.filter(lists_nothing)?.unknown_since.as_deref()
}

/// Every existing partition of the topics that a group reads.
pub(super) fn partitions<'a>(group: &'a GroupPlan, snapshot: &Snapshot) -> Vec<At<'a>> {
    let mut partitions = Vec::new();
    for topic in &group.topics {
        if let Some(TopicSeen::Present(facts)) = snapshot.topics.get(topic) {
            partitions
                .extend((0..count(facts.partitions.len())).map(|number| (topic.as_str(), number)));
        }
    }
    partitions
}

/// The first topic of the group that is unknown, and why.
fn hidden(group: &GroupPlan, snapshot: &Snapshot) -> Option<String> {
    group
        .topics
        .iter()
        .find_map(|topic| match snapshot.topics.get(topic) {
            None => Some(format!("topic {topic}: not polled yet")),
            Some(TopicSeen::Unknown(why)) => Some(format!("topic {topic}: {why}")),
            Some(TopicSeen::Present(_) | TopicSeen::Missing) => None,
        })
}

fn unowned<'a>(partitions: &[At<'a>], seen: &GroupSeen) -> Vec<At<'a>> {
    let owned = seen.members.iter().flat_map(|member| &member.partitions);
    let owned: BTreeSet<At<'_>> = owned.flat_map(ByPartition::keys).collect();
    let all = partitions.iter().copied();
    all.filter(|at| !owned.contains(at)).collect()
}

/// Why idle members wait: `3 partitions, 4 consumers: 1 waits`.
pub(super) fn waits(partitions: usize, members: usize, idle: usize) -> String {
    let s = |n: usize| if n == 1 { "" } else { "s" };
    let verb = if idle == 1 { "waits" } else { "wait" };
    format!(
        "{partitions} partition{}, {members} consumer{}: {idle} {verb}",
        s(partitions),
        s(members)
    )
}

/// The former start of a state, or `now`. A start in the future is ignored: the clock was set back since.
fn since(before: Option<&str>, now: Timestamp) -> String {
    let past = before.filter(|before| {
        before
            .parse::<Timestamp>()
            .is_ok_and(|before| before <= now)
    });
    past.map_or_else(|| time(now), str::to_owned)
}

/// RFC 3339, to the second.
pub(super) fn time(at: Timestamp) -> String {
    Timestamp::from_second(at.as_second())
        .unwrap_or(at)
        .to_string()
}

#[cfg(test)]
mod tests;
