//! Expectations about a group, a topic and the producer.

use practice_api::status::{GroupStatus, RebalanceStatus};

use super::{Finding, Rebalanced};
use crate::{observation::Observation, topic};

/// The newest rebalance since the step began that has everything that is asked for; otherwise the newest one.
pub(super) fn rebalanced(since: &Observation, now: &Observation, wanted: &Rebalanced) -> Finding {
    let group = &wanted.group;
    let newest = |observation: &Observation| {
        let rebalances = observation.status.rebalances.iter();
        let of_group = rebalances.filter(|rebalance| rebalance.group == *group);
        of_group.map(|rebalance| rebalance.number).max()
    };
    let before = newest(since).unwrap_or(0);
    let rebalances = now.status.rebalances.iter();
    let new = rebalances.filter(|found| found.group == *group && found.number > before);
    let new: Vec<&RebalanceStatus> = new.collect();
    match new.iter().find(|found| is_met_by(wanted, found)) {
        Some(found) => Finding::of(true, rebalance_text(found)),
        None => Finding::of(
            false,
            new.first().map_or_else(
                || format!("{group} has not rebalanced"),
                |found| rebalance_text(found),
            ),
        ),
    }
}

fn is_met_by(wanted: &Rebalanced, found: &RebalanceStatus) -> bool {
    let unowned = |is_met: fn(i64, i64) -> bool, bound: Option<i64>| {
        bound.is_none_or(|bound| found.without_owner_ms.is_some_and(|ms| is_met(ms, bound)))
    };
    let cause = found.cause.as_ref();
    (wanted.causes.is_empty() || cause.is_some_and(|cause| wanted.causes.contains(cause)))
        && wanted
            .moved_at_least
            .is_none_or(|least| found.moved >= least)
        && wanted.moved_at_most.is_none_or(|most| found.moved <= most)
        && unowned(|ms, least| ms >= least, wanted.unowned_ms_at_least)
        && unowned(|ms, most| ms <= most, wanted.unowned_ms_at_most)
}

fn rebalance_text(found: &RebalanceStatus) -> String {
    let (group, number, moved) = (&found.group, found.number, found.moved);
    let cause = found.cause.as_deref().unwrap_or("cause not found yet");
    let unowned = match found.without_owner_ms {
        Some(ms) => format!(", without an owner for {}", seconds(ms)),
        None => String::new(),
    };
    format!("rebalance {number} of {group}: {cause}, partitions moved: {moved}{unowned}")
}

/// A number with its noun: `1 member`, `2 members`.
pub(super) fn counted(count: u64, noun: &str) -> String {
    match count {
        1 => format!("1 {noun}"),
        count => format!("{count} {noun}s"),
    }
}

/// Seconds with a tenth.
fn seconds(ms: i64) -> String {
    format!("{}.{} s", ms / 1000, ms % 1000 / 100)
}

pub(super) fn in_group(
    now: &Observation,
    group: &str,
    evaluate: impl FnOnce(&GroupStatus) -> Finding,
) -> Finding {
    match topic::of_group(now, group) {
        Some(status) => evaluate(status),
        None => Finding::of(false, format!("the practice has no group {group}")),
    }
}

pub(super) fn consumers(group: &GroupStatus, count: i32) -> Finding {
    let (name, ready, members) = (&group.name, group.ready_replicas, group.members.len());
    let met = ready == count
        && group.replicas == count
        && usize::try_from(count).is_ok_and(|count| members == count);
    let (members, replicas) = (counted(members as u64, "member"), group.replicas);
    let evidence = format!("{name}: {members}, {ready} of {replicas} ready");
    Finding::of(met, evidence)
}

pub(super) fn idle(group: &GroupStatus, count: i32) -> Finding {
    let name = &group.name;
    let Some(idle) = group.idle else {
        return Finding::of(false, format!("{name} is not stable: {}", group.state));
    };
    let without = group.members.iter().filter(|m| m.partition_count == 0);
    let names: Vec<&str> = without.map(|member| member.name.as_str()).collect();
    let names = match names.as_slice() {
        [] => String::new(),
        names => format!(" ({})", names.join(", ")),
    };
    Finding::of(idle == count, format!("{name}: {idle} idle{names}"))
}

pub(super) fn shared(group: &GroupStatus, most: i32) -> Finding {
    let owners = group.members.iter().map(|member| {
        let partitions = member.partitions.iter();
        let partitions = partitions.map(|own| format!("{}/{}", own.topic, own.partition));
        let partitions: Vec<String> = partitions.collect();
        format!("{} owns {}", member.name, list_or(&partitions, "nothing"))
    });
    let owners: Vec<String> = owners.collect();
    let largest = group
        .members
        .iter()
        .map(|member| member.partition_count)
        .max();
    Finding::of(
        group.idle.is_some() && group.unowned_count == 0 && largest == Some(most),
        format!("{}: {}", group.name, list_or(&owners, "no members")),
    )
}

pub(super) fn list_or(items: &[String], nothing: &str) -> String {
    if items.is_empty() {
        nothing.to_owned()
    } else {
        items.join(", ")
    }
}

pub(super) fn stopped(group: &GroupStatus) -> Finding {
    let is_stopped = group
        .hold
        .as_ref()
        .is_some_and(|hold| hold.reason == "Stopped");
    let (name, members) = (&group.name, group.members.len());
    let stopped = if is_stopped { "stopped" } else { "running" };
    Finding::of(
        is_stopped && members == 0 && group.ready_replicas == 0,
        format!(
            "{name} is {stopped} and has {}",
            counted(members as u64, "member")
        ),
    )
}

pub(super) fn lag(
    group: &GroupStatus,
    partition: Option<i32>,
    (at_least, at_most): (Option<i64>, Option<i64>),
) -> Finding {
    let (name, lag) = match partition {
        None => (group.name.clone(), group.lag),
        Some(number) => {
            let share = group.shares().find(|share| share.partition == number);
            let name = format!("{}, partition {number}", group.name);
            (name, share.and_then(|share| share.lag))
        }
    };
    match lag {
        Some(lag) => Finding::of(
            at_least.is_none_or(|least| lag >= least) && at_most.is_none_or(|most| lag <= most),
            format!("{name}: lag {lag}"),
        ),
        None => Finding::of(false, format!("{name}: lag unknown")),
    }
}

pub(super) fn partitions(now: &Observation, topic: &str, count: i32) -> Finding {
    match topic::partitions(now, topic) {
        Some(found) => Finding::of(found == count, format!("{topic} has {found} partitions")),
        None => Finding::of(false, format!("{topic}: number of partitions unknown")),
    }
}

pub(super) fn answered(since: &Observation, now: &Observation, statuses: &[u16]) -> Finding {
    let new = statuses.iter().map(|status| {
        let (before, after) = (since.answers(*status), now.answers(*status));
        // a producer that has restarted counts from 0
        let new = after.checked_sub(before).unwrap_or(after);
        (status, new)
    });
    let given: Vec<String> = new
        .filter(|(_, new)| *new > 0)
        .map(|(status, new)| format!("{status} ({new} times)"))
        .collect();
    let evidence = list_or(&given, "no such answer");
    Finding::of(
        !given.is_empty(),
        format!("answers of the producer: {evidence}"),
    )
}
