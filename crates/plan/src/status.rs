//! In: the plan or its fault, the state of Kafka and Kubernetes, the status before, and the time. Out: the status to write.
//! Pure: no I/O, no clock. Status contains only what was observed.

use jiff::Timestamp;
use practice_api::{
    PracticeStatus,
    status::{GroupStatus, OtherGroupStatus, OwnedPartition, Summary, TopicStatus},
};
use practice_groups::{GroupState, OtherGroup, Snapshot, TopicSeen, total};

use crate::{
    outcome::{Observed, Prepared, Running},
    plan::{GroupPlan, Plan, SpecFault},
    status::conditions::conditions,
    topics::{TopicStep, topic_step},
};

pub mod conditions;
pub mod ending;
mod group;
mod health;

/// Largest status, in bytes: what metrics and live view are made of.
const LARGEST: usize = 256 << 10;
/// Largest status written, in bytes: what the operator may write about a practice in two minutes, so that no status is later than that.
/// Other clients write to the object too, and etcd accepts 1.5 MiB.
pub const LARGEST_WRITTEN: usize = 64 << 10;

/// Groups of other applications that are listed.
const MOST_OTHER_GROUPS: usize = 20;

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
    let mut status = PracticeStatus {
        observed_generation: generation,
        ..PracticeStatus::default()
    };
    match plan {
        Ok(plan) => {
            let snapshot = seen.and_then(Observed::snapshot);
            let bootstrap = prepared
                .former_bootstrap
                .as_ref()
                .unwrap_or(&plan.bootstrap);
            let same_kafka = before.filter(|before| {
                prepared.is_same_kafka || before.bootstrap_servers.as_ref() == Some(bootstrap)
            });
            status.bootstrap_servers = Some(bootstrap.clone());
            status.topics = topics(plan, prepared, snapshot, same_kafka);
            let inputs = group::GroupInputs {
                prepared,
                running,
                seen,
                bootstrap,
                topics: &status.topics,
                listed: listed(plan, snapshot),
                now,
            };
            let each =
                |group| inputs.status(group, same_kafka.and_then(|before| named(before, group)));
            status.groups = plan.groups.iter().map(each).collect();
            (status.other_groups, status.other_group_count) =
                other_groups(plan, snapshot, same_kafka);
            status.summary = summary(&status);
        }
        // consumers keep running and group ids stay owned, but nothing is monitored
        Err(fault) => {
            if let Some(before) = before {
                status = PracticeStatus {
                    observed_generation: generation,
                    ..before.clone()
                };
                let why = match fault {
                    SpecFault::TooLarge(_) => {
                        "not monitored: the practice is too large for the operator"
                    }
                    _ => "not monitored while the manifest is invalid",
                };
                for group in &mut status.groups {
                    *group = group::unseen(group, why, now);
                }
                out_of_sight(&mut status.other_groups);
                status.summary = summary(&status);
            }
        }
    }
    status.conditions = conditions(
        plan, prepared, running, seen, &status, before, generation, now,
    );
    shorten(&mut status, LARGEST);
    status
}

/// The partitions that are listed for each member: all, unless they are so many that [`shorten`] would leave only these.
fn listed(plan: &Plan, snapshot: Option<&Snapshot>) -> usize {
    let of_group = |group| snapshot.map_or(0, |snapshot| group::partitions(group, snapshot).len());
    let pairs: usize = plan.groups.iter().map(of_group).sum();
    if pairs * SMALLEST_SHARE > LARGEST {
        CUTS[0].0
    } else {
        usize::MAX
    }
}

/// Bytes of the JSON of a partition in status, at least.
const SMALLEST_SHARE: usize = 50;
/// Partitions of each member and members of each group that a status keeps which is too large: first these, then fewer.
const CUTS: [(usize, usize); 6] = [(100, 1000), (10, 1000), (0, 200), (0, 20), (0, 5), (0, 0)];

/// Groups of other applications on a practice's topics, the first ones by name, and how many there are.
fn other_groups(
    plan: &Plan,
    snapshot: Option<&Snapshot>,
    before: Option<&PracticeStatus>,
) -> (Vec<OtherGroupStatus>, Option<i32>) {
    let Some(all) = snapshot.and_then(|snapshot| snapshot.other_groups.as_ref()) else {
        // not polled yet, or Kafka does not answer: groups that cannot be seen still exist
        let mut former = before
            .map(|before| before.other_groups.clone())
            .unwrap_or_default();
        if snapshot.is_none() {
            out_of_sight(&mut former);
        }
        return (former, before.and_then(|before| before.other_group_count));
    };
    let is_ours = |topic: &str| plan.topics.iter().any(|ours| ours.name == topic);
    let of_practice = |(name, seen): (&String, &OtherGroup)| {
        let (topics, lag) = seen.on(is_ours)?;
        Some(OtherGroupStatus {
            name: name.clone(),
            state: seen.state.to_string(),
            protocol: seen.protocol.map(|protocol| protocol.name().to_owned()),
            members: seen.members.map(count),
            topics: topics.into_iter().map(str::to_owned).collect(),
            lag,
            upper_bound: lag != Some(0),
        })
    };
    let is_named = |name: &str| plan.groups.iter().any(|group| group.id == name);
    let mut all: Vec<_> = all
        .iter()
        .filter(|(name, _)| !is_named(name))
        .filter_map(of_practice)
        .collect();
    let number = count(all.len());
    all.truncate(MOST_OTHER_GROUPS);
    (all, Some(number))
}

/// Marks groups of other applications as unknown, and keeps their names.
fn out_of_sight(other_groups: &mut [OtherGroupStatus]) {
    for group in other_groups {
        (group.state, group.members) = (GroupState::Unknown.to_string(), None);
        (group.lag, group.upper_bound) = (None, true);
    }
}

fn named<'a>(status: &'a PracticeStatus, group: &GroupPlan) -> Option<&'a GroupStatus> {
    status.groups.iter().find(|status| status.name == group.id)
}

fn topics(
    plan: &Plan,
    prepared: &Prepared,
    snapshot: Option<&Snapshot>,
    before: Option<&PracticeStatus>,
) -> Vec<TopicStatus> {
    let each = |topic: &practice_api::Topic| {
        let former = before.and_then(|before| {
            before
                .topics
                .iter()
                .find(|status| status.name == topic.name)
        });
        let seen = snapshot.and_then(|snapshot| snapshot.topics.get(&topic.name));
        let mut status = TopicStatus {
            name: topic.name.clone(),
            ..TopicStatus::default()
        };
        if let Some(TopicSeen::Present(facts)) = seen {
            status.partitions = i32::try_from(facts.partitions.len()).ok();
            status.replication_factor = Some(facts.replication_factor);
            status.topic_id = Some(facts.id.clone());
        }
        status.created_topic_id = match &prepared.own {
            Some(own) => own.get(&topic.name).cloned(),
            None => former.and_then(|former| former.created_topic_id.clone()),
        };
        status.message = match (prepared.refused.get(&topic.name), topic_step(topic, seen)) {
            (Some(refusal), _) => Some(refusal.message().to_owned()),
            (None, TopicStep::Unknown(_)) if snapshot.is_none() => {
                former.and_then(|former| former.message.clone())
            }
            (None, TopicStep::Unknown(refusal)) => Some(refusal.message().to_owned()),
            (None, TopicStep::Conflict(why)) => Some(why),
            (None, TopicStep::Create) => Some(format!("topic {} is being created", topic.name)),
            (None, TopicStep::Grow(from)) => Some(format!(
                "topic {} is being extended from {from} to {} partitions",
                topic.name, topic.partitions
            )),
            (None, TopicStep::Ready) => None,
        };
        status.ready = match seen {
            // a topic that cannot be seen still exists
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
        let theirs = status.topic_id.is_some() && status.topic_id != status.created_topic_id;
        let known = prepared
            .configured
            .get(&topic.name)
            .or(former.map(|former| &former.configured));
        status.configured = known.filter(|_| !theirs).cloned().unwrap_or_default();
        status
    };
    plan.topics.iter().map(each).collect()
}

fn summary(status: &PracticeStatus) -> Summary {
    let known = status.groups.iter().all(|group| group.idle.is_some());
    Summary {
        topics: count(status.topics.len()),
        partitions: status.topics.iter().map(|topic| topic.partitions).sum(),
        groups: count(status.groups.len()),
        consumers: known.then(|| {
            status
                .groups
                .iter()
                .map(|group| count(group.members.len()))
                .sum()
        }),
        idle: status.groups.iter().map(|group| group.idle).sum(),
        lag: total(status.groups.iter().map(|group| group.lag)),
    }
}

/// A length as status has it.
pub fn count(n: usize) -> i32 {
    i32::try_from(n).unwrap_or(i32::MAX)
}

/// Cuts lists until status has at most so many bytes; counts stay true.
pub fn shorten(status: &mut PracticeStatus, largest: usize) {
    let size =
        |status: &PracticeStatus| serde_json::to_vec(status).map_or(usize::MAX, |json| json.len());
    for (partitions, members) in CUTS {
        if size(status) <= largest {
            return;
        }
        if members == 0 {
            status.other_groups.clear();
        }
        for group in &mut status.groups {
            group.truncated |= group.members.len() > members
                || group.unowned.len() > partitions
                || group
                    .members
                    .iter()
                    .any(|member| member.partitions.len() > partitions);
            group.members.truncate(members);
            group.unowned.truncate(partitions);
            group
                .members
                .iter_mut()
                .for_each(|member| member.partitions.truncate(partitions));
        }
    }
}

/// How much a status differs from the one written last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum News {
    /// Not at all.
    None,
    /// Only in offsets and lags that stay above 0, or in whether `oldestSince` and `doneAt` are known.
    Numbers,
    /// In anything else.
    Meaning,
}

/// Compares two statuses.
pub fn news(before: Option<&PracticeStatus>, after: &PracticeStatus) -> News {
    let Some(before) = before else {
        return News::Meaning;
    };
    let (mut before, mut after) = (before.clone(), after.clone());
    for status in [&mut before, &mut after] {
        // estimates change a little with every poll: they are written only together with another change. Whether one
        // exists does count
        for group in &mut status.groups {
            for instant in [&mut group.oldest_since, &mut group.done_at] {
                *instant = instant.as_ref().map(|_| String::new());
            }
        }
        // counted later than everything else; a count of 0 alone is no reason to write
        status.other_group_count = status.other_group_count.filter(|count| *count > 0);
    }
    if before == after {
        return News::None;
    }
    for status in [&mut before, &mut after] {
        forget_numbers(status);
    }
    if before == after {
        News::Numbers
    } else {
        News::Meaning
    }
}

/// Reduces every lag to whether it is known and whether it is 0.
fn forget_numbers(status: &mut PracticeStatus) {
    let sign = |lag: &mut Option<i64>| *lag = lag.map(i64::signum);
    let partition = |partition: &mut OwnedPartition| {
        sign(&mut partition.lag);
        sign(&mut partition.lost);
        partition.committed = partition.committed.map(|_| 0);
        partition.end = partition.end.map(|_| 0);
    };
    sign(&mut status.summary.lag);
    status
        .other_groups
        .iter_mut()
        .for_each(|group| sign(&mut group.lag));
    for group in &mut status.groups {
        sign(&mut group.lag);
        (group.oldest_since, group.done_at) = (None, None);
        group.unowned.iter_mut().for_each(partition);
        for member in &mut group.members {
            sign(&mut member.lag);
            member.partitions.iter_mut().for_each(partition);
        }
    }
}

#[cfg(test)]
mod tests;
