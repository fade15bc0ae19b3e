//! Expectations about messages: where they arrived, and who has handled them.

use practice_api::status::{GroupStatus, OwnedPartition};

use super::{
    Finding, From,
    group::{counted, list_or},
};
use crate::{
    observation::Observation,
    topic::{self, Coverage, Messages},
};

/// What has to be handled.
pub(super) struct Wanted<'a> {
    pub(super) topic: &'a str,
    pub(super) partition: Option<i32>,
    pub(super) at_least: u64,
    pub(super) from: From,
}

impl Wanted<'_> {
    fn messages(&self, since: &Observation, now: &Observation, group: &str) -> Option<Messages> {
        let mut messages = match self.from {
            From::End => topic::arrived(since, now, self.topic)?,
            From::Committed => topic::uncommitted(since, now, group, self.topic)?,
            From::Start => topic::all(now, self.topic),
        };
        messages.retain(|number, _| self.partition.is_none_or(|wanted| wanted == *number));
        Some(messages)
    }
}

pub(super) fn handled(
    since: &Observation,
    now: &Observation,
    groups: &[String],
    what: &Wanted,
) -> Finding {
    let all = now.status.groups.iter();
    let all = all.filter(|group| group.shares().any(|share| share.topic == what.topic));
    let groups: Vec<&str> = if groups.is_empty() {
        all.map(|group| group.name.as_str()).collect()
    } else {
        groups.iter().map(String::as_str).collect()
    };
    let mut found = groups
        .iter()
        .map(|group| handled_by(since, now, group, what));
    let first = found
        .next()
        .unwrap_or_else(|| Finding::of(false, format!("no group subscribes to {}", what.topic)));
    found.fold(first, |all, one| {
        Finding::of(
            all.met && one.met,
            format!("{}; {}", all.evidence, one.evidence),
        )
    })
}

fn handled_by(since: &Observation, now: &Observation, group: &str, what: &Wanted) -> Finding {
    let Some(messages) = what.messages(since, now, group) else {
        return Finding::of(false, format!("{group}: offsets of {} unknown", what.topic));
    };
    let arrived = topic::count(&messages);
    let Coverage {
        once,
        again,
        consumers,
    } = topic::coverage(now, group, what.topic, &messages);
    let by = consumers
        .iter()
        .map(|(name, count)| format!("{name} {count}"));
    let by: Vec<String> = by.collect();
    let by = if by.is_empty() {
        String::new()
    } else {
        format!(" ({})", by.join(", "))
    };
    let times = match again {
        0 => "each once".to_owned(),
        again => format!("{again} of them again"),
    };
    let met = arrived >= what.at_least && once == arrived && again == 0;
    let evidence = match once {
        0 => format!("{group} has handled 0 of {arrived}"),
        _ => format!("{group} has handled {once} of {arrived}, {times}{by}"),
    };
    Finding::of(met, evidence)
}

pub(super) fn handled_again(
    since: &Observation,
    now: &Observation,
    group: &str,
    topic: &str,
) -> Finding {
    let committed = topic::of_group(since, group).into_iter();
    let committed = committed.flat_map(GroupStatus::shares);
    let committed = committed.filter(|share| share.topic == topic);
    for share in committed {
        let Some(offset) = share.committed else {
            continue;
        };
        let ranges = topic::ranges(now, group, topic, share.partition);
        let again = ranges
            .iter()
            .find(|(_, range)| range.taken_at > since.at && range.from < offset);
        if let Some((consumer, range)) = again {
            let (partition, from) = (share.partition, range.from);
            let evidence =
                format!("{consumer} has handled offset {from} of {topic}/{partition} again");
            return Finding::of(true, evidence);
        }
    }
    Finding::of(
        false,
        format!("{group} has handled no committed message again"),
    )
}

pub(super) fn spread(
    since: &Observation,
    now: &Observation,
    topic: &str,
    partitions: usize,
    at_least: u64,
) -> Finding {
    let messages = topic::arrived(since, now, topic).unwrap_or_default();
    let counts = messages.iter().filter(|(_, (from, to))| to > from);
    let counts =
        counts.map(|(partition, (from, to))| format!("{} in {topic}/{partition}", to - from));
    let counts: Vec<String> = counts.collect();
    Finding::of(
        counts.len() == partitions && topic::count(&messages) >= at_least,
        list_or(&counts, &format!("no message has arrived in {topic}")),
    )
}

pub(super) fn arrived(
    since: &Observation,
    now: &Observation,
    topic: &str,
    partition: i32,
    at_least: u64,
) -> Finding {
    let messages = topic::arrived(since, now, topic).unwrap_or_default();
    let (from, to) = messages.get(&partition).copied().unwrap_or_default();
    let count = from.abs_diff(to);
    Finding::of(
        count >= at_least,
        format!("{topic}/{partition}: {} arrived", counted(count, "message")),
    )
}

pub(super) fn readers(
    since: &Observation,
    now: &Observation,
    group: &str,
    topic: &str,
    count: usize,
) -> Finding {
    let messages = topic::arrived(since, now, topic).unwrap_or_default();
    let consumers = topic::coverage(now, group, topic, &messages).consumers;
    let names: Vec<String> = consumers.into_keys().collect();
    let evidence = format!("handled by {}", list_or(&names, "no consumer"));
    Finding::of(names.len() == count, evidence)
}

pub(super) fn ordered(
    since: &Observation,
    now: &Observation,
    group: &str,
    topic: &str,
    at_least: u64,
) -> Finding {
    let messages = topic::arrived(since, now, topic).unwrap_or_default();
    let mut handled = 0;
    for (partition, (from, to)) in &messages {
        let mut ranges = topic::ranges(now, group, topic, *partition);
        ranges.retain(|(_, range)| range.to >= *from && range.from < *to);
        ranges.sort_by_key(|(_, range)| (range.taken_at, range.from));
        let disorder = ranges
            .windows(2)
            .find(|pair| pair[1].1.from <= pair[0].1.to);
        if let Some([(_, before), (_, after)]) = disorder {
            let (first, second) = (before.to, after.from);
            let evidence =
                format!("{topic}/{partition}: offset {second} was handled after {first}");
            return Finding::of(false, evidence);
        }
        // a range may have begun before the step
        let new = ranges
            .iter()
            .map(|(_, range)| range.from.max(*from).abs_diff((range.to + 1).min(*to)));
        handled += new.sum::<u64>();
    }
    let evidence = format!(
        "{group} has handled {} in the order of their offsets",
        counted(handled, "message")
    );
    Finding::of(handled >= at_least, evidence)
}

pub(super) fn skipped(
    since: &Observation,
    now: &Observation,
    group: &str,
    topic: &str,
    at_least: u64,
) -> Finding {
    let mut messages = topic::arrived(since, now, topic).unwrap_or_default();
    let shares = topic::of_group(now, group).into_iter();
    let shares: Vec<&OwnedPartition> = shares.flat_map(GroupStatus::shares).collect();
    for (partition, (from, to)) in &mut messages {
        let is_it =
            |share: &&&OwnedPartition| share.topic == topic && share.partition == *partition;
        let committed = shares.iter().find(is_it).and_then(|share| share.committed);
        *to = committed.unwrap_or(*from).clamp(*from, *to);
    }
    let handled = topic::coverage(now, group, topic, &messages).once;
    let skipped = topic::count(&messages).saturating_sub(handled);
    let evidence = format!(
        "{group} has committed {} that no consumer has handled",
        counted(skipped, "message")
    );
    Finding::of(skipped >= at_least, evidence)
}
