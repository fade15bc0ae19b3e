//! Messages of a topic between two observations, and who has handled them.

use std::collections::BTreeMap;

use practice_api::status::{GroupStatus, OwnedPartition};
use practice_contract::handled::HandledRange;

use crate::observation::Observation;

/// Offsets of messages by partition: from the first one up to, not including, the second one.
pub(crate) type Messages = BTreeMap<i32, (i64, i64)>;

/// Number of these messages.
pub(crate) fn count(messages: &Messages) -> u64 {
    let counts = messages.values().map(|(from, to)| from.abs_diff(*to));
    counts.sum()
}

/// Log end offsets of a topic by partition, as far as a group's status has them.
pub(crate) fn ends(observation: &Observation, topic: &str) -> BTreeMap<i32, i64> {
    let mut ends = BTreeMap::new();
    for share in observation
        .status
        .groups
        .iter()
        .flat_map(GroupStatus::shares)
    {
        if let Some(end) = share.end.filter(|_| share.topic == topic) {
            let known = ends.entry(share.partition).or_insert(end);
            *known = (*known).max(end);
        }
    }
    ends
}

/// Number of partitions of a topic; absent: unknown.
pub(crate) fn partitions(observation: &Observation, topic: &str) -> Option<i32> {
    let mut topics = observation.status.topics.iter();
    topics.find(|status| status.name == topic)?.partitions
}

/// Messages that arrived between two observations; absent: an end is unknown.
pub(crate) fn arrived(since: &Observation, now: &Observation, topic: &str) -> Option<Messages> {
    let (before, after) = (ends(since, topic), ends(now, topic));
    let existed = partitions(since, topic)?;
    let messages = after.into_iter().map(|(partition, end)| {
        let from = match before.get(&partition) {
            Some(from) => *from,
            None if partition >= existed => 0, // a new partition
            None => return None,
        };
        Some((partition, (from, end.max(from))))
    });
    messages.collect()
}

/// All messages that a topic ever had, if no message has been deleted.
pub(crate) fn all(now: &Observation, topic: &str) -> Messages {
    let ends = ends(now, topic).into_iter();
    ends.map(|(partition, end)| (partition, (0, end))).collect()
}

/// Messages from the committed offsets of a group up to the ends now; absent: a commit is unknown.
pub(crate) fn uncommitted(
    since: &Observation,
    now: &Observation,
    group: &str,
    topic: &str,
) -> Option<Messages> {
    let before = of_group(since, group)?;
    let shares = before.shares().filter(|share| share.topic == topic);
    let committed: BTreeMap<i32, i64> = shares
        .filter_map(|share: &OwnedPartition| Some((share.partition, share.committed?)))
        .collect();
    let messages = ends(now, topic).into_iter().map(|(partition, end)| {
        let from = committed.get(&partition)?;
        Some((partition, (*from, end.max(*from))))
    });
    messages.collect()
}

/// Status of a group.
pub(crate) fn of_group<'a>(observation: &'a Observation, group: &str) -> Option<&'a GroupStatus> {
    let mut groups = observation.status.groups.iter();
    groups.find(|status| status.name == group)
}

/// Which of these messages a group has handled.
#[derive(Debug, Default)]
pub(crate) struct Coverage {
    /// Messages handled at least once.
    pub(crate) once: u64,
    /// Messages handled again.
    pub(crate) again: u64,
    /// Messages handled by each consumer.
    pub(crate) consumers: BTreeMap<String, u64>,
}

/// What a group has done with messages of a topic, by the ledgers of its consumers.
pub(crate) fn coverage(
    now: &Observation,
    group: &str,
    topic: &str,
    messages: &Messages,
) -> Coverage {
    let mut coverage = Coverage::default();
    for (partition, wanted) in messages {
        let mut spans = Vec::new();
        for (consumer, range) in ranges(now, group, topic, *partition) {
            let span = (range.from.max(wanted.0), (range.to + 1).min(wanted.1));
            if span.0 < span.1 {
                *coverage.consumers.entry(consumer.to_owned()).or_default() +=
                    span.0.abs_diff(span.1);
                spans.push(span);
            }
        }
        spans.sort_unstable();
        let mut reached = wanted.0;
        for (from, to) in spans {
            coverage.again += from.abs_diff(to.min(reached).max(from));
            coverage.once += from.max(reached).abs_diff(to.max(reached));
            reached = reached.max(to);
        }
    }
    coverage
}

/// Ranges of one partition that a group's consumers have handled, with the consumer.
pub(crate) fn ranges<'a>(
    observation: &'a Observation,
    group: &str,
    topic: &str,
    partition: i32,
) -> Vec<(&'a str, &'a HandledRange)> {
    let answers = observation.handled.iter();
    let answers = answers.filter(|answer| answer.group == group);
    let ranges = answers.flat_map(|answer| {
        let ranges = answer.ranges.iter();
        ranges.map(|range| (answer.instance.as_str(), range))
    });
    ranges
        .filter(|(_, range)| range.topic == topic && range.partition == partition)
        .collect()
}
