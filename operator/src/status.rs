//! In: the plan (or why there is none), what stands in Kafka and in Kubernetes, status as it was, and the time. Out: status
//! as it should read. Pure: no I/O, no clock. Nothing is said here that was not seen.

use std::collections::BTreeSet;

use jiff::Timestamp;
use practice_api::{
    PracticeStatus,
    status::{GroupStatus, Member, OwnedPartition, Summary, TopicStatus},
};
use practice_groups::{
    Bounds, GroupSeen, GroupState, Lag, MemberSeen, OffsetReset, Partition, Snapshot, TopicSeen, lag::lag, total,
};

use crate::{
    apply::Running,
    conditions::conditions,
    observe::Observed,
    plan::{GroupPlan, Plan, SpecFault},
    prepare::{Prepared, Refusal, TopicStep, topic_step},
};

/// Largest status written; etcd takes 1.5 MiB, and others write to the object too.
const LARGEST: usize = 256 << 10;

/// The status of a practice.
pub fn status(
    plan: Result<&Plan, &SpecFault>,
    prepared: &Prepared,
    running: &Running,
    seen: Option<&Observed>,
    before: Option<&PracticeStatus>,
    generation: Option<i64>,
    now: Timestamp,
) -> PracticeStatus {
    let mut status = PracticeStatus { observed_generation: generation, ..PracticeStatus::default() };
    match plan {
        Ok(plan) => {
            let snapshot = seen.and_then(Observed::snapshot);
            let same_kafka = before.filter(|before| before.bootstrap_servers.as_ref() == Some(&plan.bootstrap));
            status.bootstrap_servers = Some(plan.bootstrap.clone());
            status.topics = topics(plan, prepared, snapshot, same_kafka);
            status.groups =
                plan.groups.iter().map(|group| group_status(group, prepared, running, seen, snapshot)).collect();
            status.summary = summary(&status);
        }
        // what runs goes on running, and what is known of it stays
        Err(_) => {
            if let Some(before) = before {
                status = PracticeStatus { observed_generation: generation, ..before.clone() };
            }
        }
    }
    status.conditions = conditions(plan, prepared, running, seen, &status, before, generation, now);
    shorten(&mut status);
    status
}

fn topics(
    plan: &Plan,
    prepared: &Prepared,
    snapshot: Option<&Snapshot>,
    before: Option<&PracticeStatus>,
) -> Vec<TopicStatus> {
    let each = |topic: &practice_api::Topic| {
        let former = before.and_then(|before| before.topics.iter().find(|status| status.name == topic.name));
        let seen = snapshot.and_then(|snapshot| snapshot.topics.get(&topic.name));
        let mut status = TopicStatus { name: topic.name.clone(), ..TopicStatus::default() };
        if let Some(TopicSeen::Present(facts)) = seen {
            status.partitions = i32::try_from(facts.partitions.len()).ok();
            status.replication_factor = Some(facts.replication_factor);
            status.topic_id = Some(facts.id.clone());
        }
        let created = prepared.created.contains(&topic.name).then(|| status.topic_id.clone()).flatten();
        status.created_topic_id = created.or_else(|| former.and_then(|former| former.created_topic_id.clone()));
        status.message = match (prepared.refused.get(&topic.name), topic_step(topic, seen)) {
            (Some(Refusal::Conflict(why) | Refusal::Refused(why)), _) => Some(why.clone()),
            (None, TopicStep::Unknown(_)) if snapshot.is_none() => former.and_then(|former| former.message.clone()),
            (None, TopicStep::Conflict(why) | TopicStep::Unknown(why)) => Some(why),
            (None, TopicStep::Create | TopicStep::Grow(_)) => Some(format!("topic {} is on its way", topic.name)),
            (None, TopicStep::Ready) => None,
        };
        status.ready = match seen {
            // out of sight is not gone
            None if snapshot.is_none() => former.is_some_and(|former| former.ready),
            _ => status.message.is_none(),
        };
        if snapshot.is_none()
            && let Some(former) = former
        {
            status.partitions = former.partitions;
            status.replication_factor = former.replication_factor;
            status.topic_id.clone_from(&former.topic_id);
        }
        status
    };
    plan.topics.iter().map(each).collect()
}

fn group_status(
    group: &GroupPlan,
    prepared: &Prepared,
    running: &Running,
    observed: Option<&Observed>,
    snapshot: Option<&Snapshot>,
) -> GroupStatus {
    let rows = || running.rows.iter().filter(|row| row.group == group.id);
    let unknown = GroupSeen::default();
    let seen = snapshot.and_then(|snapshot| snapshot.groups.get(&group.id)).unwrap_or(&unknown);
    let idle: BTreeSet<&str> = observed
        .iter()
        .flat_map(|observed| &observed.idle)
        .filter(|(id, _)| *id == group.id)
        .map(|(_, member)| member.as_str())
        .collect();
    let partitions = partitions(group, snapshot);
    let lags = partitions.iter().map(|(partition, bounds)| lag_of(group, seen, partition, *bounds).effective());
    let known = seen.state != GroupState::Unknown;
    let waits = waits(partitions.len(), seen.members.len(), idle.len());
    GroupStatus {
        name: group.id.clone(),
        claimed: !prepared.unclaimed.contains_key(&group.id),
        state: seen.state.to_string(),
        protocol: seen.protocol.map_or_else(|| planned(group).to_string(), |protocol| protocol.to_string()),
        epoch: seen.epoch,
        replicas: rows().map(|row| row.desired).sum(),
        ready_replicas: rows().map(|row| row.ready).sum(),
        idle: known.then(|| count(idle.len())),
        lag: if known { total(lags) } else { None },
        members: seen
            .members
            .iter()
            .map(|member| {
                let reason = idle.contains(member.member_id.as_str()).then(|| waits.clone());
                member_status(group, seen, member, snapshot, running, reason)
            })
            .collect(),
        truncated: false,
    }
}

fn planned(group: &GroupPlan) -> practice_groups::Protocol {
    match group.protocol {
        practice_contract::Protocol::Classic => practice_groups::Protocol::Classic,
        practice_contract::Protocol::Consumer => practice_groups::Protocol::Consumer,
    }
}

/// Why idle members wait: `3 partitions, 4 consumers: 1 waits`.
fn waits(partitions: usize, members: usize, idle: usize) -> String {
    let s = |n: usize| if n == 1 { "" } else { "s" };
    let verb = if idle == 1 { "waits" } else { "wait" };
    format!("{partitions} partition{}, {members} consumer{}: {idle} {verb}", s(partitions), s(members))
}

/// Every partition of the topics that a group reads, as far as they are there.
fn partitions(group: &GroupPlan, snapshot: Option<&Snapshot>) -> Vec<(Partition, Option<Bounds>)> {
    let mut partitions = Vec::new();
    for topic in &group.topics {
        if let Some(TopicSeen::Present(facts)) = snapshot.and_then(|snapshot| snapshot.topics.get(topic)) {
            let numbered = (0..).zip(&facts.partitions);
            partitions.extend(numbered.map(|(number, bounds)| ((topic.clone(), number), *bounds)));
        }
    }
    partitions
}

fn lag_of(group: &GroupPlan, seen: &GroupSeen, partition: &Partition, bounds: Option<Bounds>) -> Lag {
    let reset = match group.offset_reset {
        practice_contract::OffsetReset::Earliest => OffsetReset::Earliest,
        practice_contract::OffsetReset::Latest => OffsetReset::Latest,
    };
    match &seen.committed {
        Some(committed) => lag(committed.get(partition), bounds, reset),
        None => Lag::Unknown,
    }
}

fn member_status(
    group: &GroupPlan,
    seen: &GroupSeen,
    member: &MemberSeen,
    snapshot: Option<&Snapshot>,
    running: &Running,
    idle_because: Option<String>,
) -> Member {
    let bounds = |partition: &Partition| match snapshot?.topics.get(&partition.0)? {
        TopicSeen::Present(facts) => *facts.partitions.get(usize::try_from(partition.1).ok()?)?,
        TopicSeen::Missing | TopicSeen::Unknown(_) => None,
    };
    let owned = |partition: &Partition| {
        let bounds = bounds(partition);
        let lag = lag_of(group, seen, partition, bounds);
        OwnedPartition {
            topic: partition.0.clone(),
            partition: partition.1,
            committed: seen.committed.as_ref().and_then(|all| all.get(partition)).map(|committed| committed.offset),
            end: bounds.map(|bounds| bounds.end),
            lag: lag.effective(),
            because: lag.because().map(str::to_owned),
        }
    };
    let partitions: Vec<OwnedPartition> = member.partitions.iter().flatten().map(owned).collect();
    let pod = running.pods.contains(&member.client_id).then(|| member.client_id.clone());
    Member {
        name: member.client_id.clone(),
        pod,
        member_id: member.member_id.clone(),
        client_id: member.client_id.clone(),
        partition_count: count(partitions.len()),
        lag: total(partitions.iter().map(|partition| partition.lag)),
        partitions,
        idle_because,
    }
}

fn summary(status: &PracticeStatus) -> Summary {
    let known = status.groups.iter().all(|group| group.idle.is_some());
    Summary {
        topics: count(status.topics.len()),
        partitions: status.topics.iter().map(|topic| topic.partitions).sum(),
        groups: count(status.groups.len()),
        consumers: known.then(|| status.groups.iter().map(|group| count(group.members.len())).sum()),
        idle: status.groups.iter().map(|group| group.idle).sum(),
        lag: total(status.groups.iter().map(|group| group.lag)),
    }
}

pub(crate) fn count(n: usize) -> i32 {
    i32::try_from(n).unwrap_or(i32::MAX)
}

/// Cuts lists until status is small enough; counts stay true.
fn shorten(status: &mut PracticeStatus) {
    let size = |status: &PracticeStatus| serde_json::to_vec(status).map_or(usize::MAX, |json| json.len());
    for (partitions, members) in [(100, 1000), (10, 1000), (0, 200), (0, 20), (0, 0)] {
        if size(status) <= LARGEST {
            return;
        }
        for group in &mut status.groups {
            group.truncated |= group.members.len() > members
                || group.members.iter().any(|member| member.partitions.len() > partitions);
            group.members.truncate(members);
            group.members.iter_mut().for_each(|member| member.partitions.truncate(partitions));
        }
    }
}

/// How much a status differs from what was written last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum News {
    /// Not at all.
    None,
    /// Only in how large offsets and lags are that were not 0 and are not.
    Numbers,
    /// In what it means.
    Meaning,
}

/// Compares two statuses.
pub fn news(before: Option<&PracticeStatus>, after: &PracticeStatus) -> News {
    match before {
        Some(before) if before == after => News::None,
        Some(before) if meaning(before) == meaning(after) => News::Numbers,
        _ => News::Meaning,
    }
}

/// A status with every lag reduced to whether it is known and whether it is 0.
fn meaning(status: &PracticeStatus) -> PracticeStatus {
    let sign = |lag: &mut Option<i64>| *lag = lag.map(i64::signum);
    let mut status = status.clone();
    sign(&mut status.summary.lag);
    for group in &mut status.groups {
        sign(&mut group.lag);
        for member in &mut group.members {
            sign(&mut member.lag);
            for partition in &mut member.partitions {
                sign(&mut partition.lag);
                partition.committed = partition.committed.map(|_| 0);
                partition.end = partition.end.map(|_| 0);
            }
        }
    }
    status
}

#[cfg(test)]
pub(crate) mod tests;
