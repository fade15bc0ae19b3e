//! Tables and suggestions for the terminal. In: a practice. Out: lines. Pure, except for the clock of restart delays. Reports are
//! escaped here, as their reader cannot distinguish our colours from other escape sequences; `terminal` escapes the table.

mod suggestions;

use std::{collections::BTreeMap, fmt::Write, time::Instant};

use practice_api::{
    ConsumerGroupPractice,
    status::{GroupStatus, Member, OwnedPartition},
};
use practice_cli::{
    journal::{self, Entry},
    state::is_rebalancing,
    text::{Line, escaped},
    tree::{Shape, no_partition_reason, tree},
};
use practice_contract::duration;
use practice_plan::plan::GroupPlan;

pub use self::suggestions::suggestions;
use crate::{fleet::Phase, practice::Practice, request::ScreenShape};

/// Greatest number of partitions shown as columns.
const MAX_COLUMNS: i32 = 24;

/// Report of `status`: the tree of the kubectl plugin, interrupted consumers, and deviations of the Kafka from the manifest.
pub fn report(practice: &Practice, screen: ScreenShape) -> Vec<String> {
    let mut lines = vec![headline(practice), String::new()];
    let here = ConsumerGroupPractice {
        status: practice.status.clone(),
        ..practice.practice.clone()
    };
    lines.extend(printed(
        tree(
            &here,
            Shape {
                width: screen.width,
                with_namespace: false,
            },
        ),
        screen,
    ));
    let short = ShortNames::of(practice);
    let done: Vec<String> = practice
        .plan
        .groups
        .iter()
        .flat_map(|plan| interrupted_consumers(practice, plan, &short))
        .map(|done| format!("  {done}"))
        .collect();
    if !done.is_empty() {
        lines.push(String::new());
        lines.extend(done);
    }
    let notes: Vec<String> = practice
        .notes
        .iter()
        .map(|note| format!("  note  {}", escaped(note)))
        .collect();
    if !notes.is_empty() {
        lines.push(String::new());
        lines.extend(notes);
    }
    lines
}

/// Table of rebalances of one group, or of all, as in the kubectl plugin.
pub fn journal(
    practice: &Practice,
    group: Option<&str>,
    last: usize,
    screen: ScreenShape,
) -> Vec<String> {
    let recorded = practice.journal();
    let groups = practice.plan.groups.iter().map(|plan| plan.id.as_str());
    let groups: Vec<&str> = groups
        .filter(|id| group.is_none_or(|group| group == *id))
        .collect();
    let entries = groups
        .iter()
        .flat_map(|group| {
            recorded
                .of(group)
                .map(|rebalance| Entry::from_journal(group, rebalance))
        })
        .collect();
    let shape = journal::Shape {
        practice: practice.plan.name.clone(),
        width: screen.width,
        with_group: groups.len() > 1,
        last,
        now: jiff::Zoned::now(),
    };
    printed(journal::journal(entries, &shape), screen)
}

/// Renders lines, with colours if the terminal supports them.
pub fn printed(lines: Vec<Line>, screen: ScreenShape) -> Vec<String> {
    lines
        .iter()
        .map(|line| {
            if screen.colours {
                line.coloured()
            } else {
                line.text()
            }
        })
        .collect()
}

/// `practice-3 on the embedded broker (...)   ready in 2.1 s`
pub fn headline(practice: &Practice) -> String {
    let note = practice
        .kafka
        .note()
        .map_or_else(String::new, |note| format!(" ({note})"));
    let state = match (practice.is_ready(), practice.ready_after) {
        (true, Some(after)) => format!("ready in {:.1} s", after.as_secs_f64()),
        _ => format!("not ready: {}", not_ready_reason(practice)),
    };
    escaped(&format!(
        "{} on {}{note}   {state}",
        practice.plan.name,
        practice.kafka.title()
    ))
}

fn not_ready_reason(practice: &Practice) -> String {
    let ready = practice
        .status
        .as_ref()
        .and_then(|status| status.condition("Ready"));
    ready.map_or_else(|| "starting".to_owned(), |ready| ready.message.clone())
}

/// A row for each group, a column for each partition of the topics that it reads.
pub fn table(practice: &Practice) -> Vec<String> {
    let Some(status) = &practice.status else {
        return Vec::new();
    };
    let short = ShortNames::of(practice);
    let width = practice
        .plan
        .groups
        .iter()
        .map(|group| group.id.len())
        .max()
        .unwrap_or(0);
    let width = practice
        .plan
        .topics
        .iter()
        .map(|topic| topic.name.len())
        .max()
        .unwrap_or(0)
        .max(width)
        + 2;
    let mut lines = Vec::new();
    let counts: BTreeMap<&str, Option<i32>> = status
        .topics
        .iter()
        .map(|topic| (topic.name.as_str(), topic.partitions))
        .collect();
    // groups that read the same topics share a head
    let mut heads: Vec<&[String]> = Vec::new();
    for group in &practice.plan.groups {
        if !heads.contains(&group.topics.as_slice()) {
            heads.push(&group.topics);
        }
    }
    for topics in heads {
        let columns: i32 = topics
            .iter()
            .filter_map(|topic| counts.get(topic.as_str()).copied().flatten())
            .sum();
        let groups: Vec<(&GroupPlan, &GroupStatus)> = practice
            .plan
            .groups
            .iter()
            .filter(|group| group.topics == topics)
            .filter_map(|group| {
                Some((
                    group,
                    status
                        .groups
                        .iter()
                        .find(|status| status.name == group.id)?,
                ))
            })
            .collect();
        if columns <= MAX_COLUMNS {
            lines.extend(grid(practice, topics, &counts, &groups, &short, width));
        } else {
            lines.extend(
                groups
                    .iter()
                    .flat_map(|(plan, status)| list(practice, plan, status, &short, width)),
            );
        }
    }
    lines
}

/// Partitions as columns.
fn grid(
    practice: &Practice,
    topics: &[String],
    counts: &BTreeMap<&str, Option<i32>>,
    groups: &[(&GroupPlan, &GroupStatus)],
    short: &ShortNames,
    width: usize,
) -> Vec<String> {
    let partitions: Vec<(&str, i32)> = topics
        .iter()
        .flat_map(|topic| {
            let count = counts.get(topic.as_str()).copied().flatten().unwrap_or(0);
            (0..count).map(move |number| (topic.as_str(), number))
        })
        .collect();
    let cells: Vec<Vec<String>> = groups
        .iter()
        .map(|(_, group)| {
            partitions
                .iter()
                .map(|partition| owner(group, *partition, short))
                .collect()
        })
        .collect();
    // as wide as the longest possible owner, so that columns keep their place when owners change
    let ids: Vec<&str> = groups.iter().map(|(plan, _)| plan.id.as_str()).collect();
    let here = practice
        .fleet
        .children
        .iter()
        .filter(|(_, child)| ids.contains(&child.group.as_str()));
    let here = here.map(|(name, _)| short.name(name).len());
    let cell = cells
        .iter()
        .flatten()
        .map(|cell| cell.chars().count())
        .chain(here)
        .max()
        .unwrap_or(1)
        .max(3)
        + 2;
    let mut head = String::new();
    let mut column = width + 2;
    let mut lines = Vec::new();
    for (place, (topic, number)) in partitions.iter().enumerate() {
        let begins = *number == 0;
        if begins && place > 0 {
            lines.push(format!("  {:<indent$}{topic}", "", indent = column - 2));
        } else if begins {
            head = format!("  {topic:<width$}");
        }
        let _ = write!(head, "{number:<cell$}");
        column += cell;
    }
    if !partitions.is_empty() {
        lines.push(head.trim_end().to_owned());
    }
    for ((plan, group), owners) in groups.iter().zip(&cells) {
        let owners = owners
            .iter()
            .fold(String::new(), |line, owner| format!("{line}{owner:<cell$}"));
        lines.push(format!(
            "  {:<width$}{owners} {}",
            group.name,
            remarks(practice, plan, group, short)
        ));
    }
    lines
}

/// Owner of a partition: `-` none, `↻` pending until the rebalance ends, `?` unknown.
fn owner(group: &GroupStatus, (topic, number): (&str, i32), short: &ShortNames) -> String {
    let is_partition =
        |share: &OwnedPartition| (share.topic.as_str(), share.partition) == (topic, number);
    let owns = |member: &&Member| member.partitions.iter().any(is_partition);
    match group.members.iter().find(owns) {
        Some(member) => short.name(&member.name),
        None if group.unowned.iter().any(is_partition) => "-".to_owned(),
        None if is_rebalancing(group) => "↻".to_owned(),
        None => "?".to_owned(),
    }
}

/// Consumers as lines, each with the numbers of its partitions.
fn list(
    practice: &Practice,
    plan: &GroupPlan,
    group: &GroupStatus,
    short: &ShortNames,
    width: usize,
) -> Vec<String> {
    let mut lines = vec![format!(
        "  {:<width$}{}",
        group.name,
        remarks(practice, plan, group, short)
    )];
    for member in &group.members {
        let mut by_topic: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        for owned in &member.partitions {
            by_topic
                .entry(&owned.topic)
                .or_default()
                .push(owned.partition.to_string());
        }
        let mut owned: Vec<String> = by_topic
            .iter()
            .map(|(topic, numbers)| format!("{topic} {}", numbers.join(" ")))
            .collect();
        if owned.is_empty() && member.partition_count == 0 {
            owned.push(no_partition_reason(group, member).text());
        }
        lines.push(format!(
            "    {:<width$}{}",
            short.name(&member.name),
            owned.join("   ")
        ));
    }
    lines
}

/// `lag 4   5 s per message in 2 of 3`
fn remarks(
    practice: &Practice,
    plan: &GroupPlan,
    group: &GroupStatus,
    short: &ShortNames,
) -> String {
    let mut remarks = vec![
        group
            .lag
            .map_or_else(|| "lag ?".to_owned(), |lag| format!("lag {lag}")),
    ];
    if plan.stopped {
        remarks.push("stopped".to_owned());
    } else if group.state != "Stable" {
        remarks.push(group.state.clone());
    }
    remarks.extend(interrupted_consumers(practice, plan, short));
    if let Some(reason) = group
        .members
        .iter()
        .find_map(|member| member.idle_because.as_ref())
    {
        remarks.push(reason.clone());
    }
    remarks.extend(delays(plan));
    remarks.join("   ")
}

/// `1-a killed, restarts in 9 s`
fn interrupted_consumers(practice: &Practice, plan: &GroupPlan, short: &ShortNames) -> Vec<String> {
    let mut done = Vec::new();
    for (name, child) in practice
        .fleet
        .children
        .iter()
        .filter(|(_, child)| child.group == plan.id)
    {
        let name = short.name(name);
        let seconds_until =
            |until: Instant| until.saturating_duration_since(Instant::now()).as_secs() + 1;
        match child.phase {
            Phase::Down {
                killed: true,
                until,
            } => done.push(format!(
                "{name} killed, restarts in {} s",
                seconds_until(until)
            )),
            Phase::Down {
                killed: false,
                until,
            } => done.push(format!(
                "{name} exited, restarts in {} s",
                seconds_until(until)
            )),
            Phase::Paused => done.push(format!("{name} paused")),
            Phase::Running | Phase::Ending { .. } => {}
        }
    }
    done
}

/// `5 s per message in 2 of 3`
fn delays(plan: &GroupPlan) -> Vec<String> {
    let mut by_delay: BTreeMap<_, i32> = BTreeMap::new();
    for row in &plan.rows {
        *by_delay.entry(row.settings.delay).or_default() += row.replicas.unwrap_or(1);
    }
    let all: i32 = by_delay.values().sum();
    let slow = by_delay
        .into_iter()
        .filter(|(delay, n)| !delay.is_zero() && *n > 0);
    slow.map(|(delay, n)| {
        let printed = duration::print(delay);
        if n == all {
            format!("{printed} per message")
        } else {
            format!("{printed} per message in {n} of {all}")
        }
    })
    .collect()
}

/// Common prefix of the groups, which names of consumers are shown without.
#[derive(Debug)]
pub struct ShortNames(String);

impl ShortNames {
    /// Prefix of a practice's groups.
    pub fn of(practice: &Practice) -> Self {
        Self::common_prefix(practice.plan.groups.iter().map(|group| group.id.as_str()))
    }

    fn common_prefix<'a>(mut groups: impl Iterator<Item = &'a str>) -> Self {
        let Some(first) = groups.next() else {
            return Self(String::new());
        };
        let (mut common, mut alone) = (first, true);
        for group in groups {
            alone = false;
            let same = common
                .bytes()
                .zip(group.bytes())
                .take_while(|(a, b)| a == b)
                .count();
            common = &common[..same];
        }
        let common = if alone {
            format!("{first}-")
        } else {
            common[..common.rfind(['-', '.', '_']).map_or(0, |at| at + 1)].to_owned()
        };
        Self(common)
    }

    /// `my-consumer-group-1-a` to `1-a`, escaped, because its length sets the width of columns and other applications choose
    /// their names.
    pub fn name(&self, name: &str) -> String {
        escaped(name.strip_prefix(&self.0).unwrap_or(name))
    }
}

#[cfg(test)]
mod tests;
