//! Table below the events of `up`. In: a practice, the columns of the terminal. Out: lines that fit, or are wrapped; `terminal` cuts
//! words that are longer than a line, and escapes.

use std::{collections::BTreeMap, fmt::Write};

use practice_api::status::{GroupStatus, Member, OwnedPartition};
use practice_cli::{
    state::{NO_CONSUMER, is_rebalancing, unlisted},
    tree::no_partition_reason,
};
use practice_contract::duration;
use practice_plan::plan::GroupPlan;

use super::{ShortNames, interrupted_consumers};
use crate::practice::Practice;

/// Greatest number of partitions shown as columns.
const MAX_COLUMNS: i32 = 24;
/// Gap between two facts.
const APART: &str = "   ";

/// A row for each group, a column for each partition of the topics that it reads. Where `columns` of a terminal are too few for
/// that, a row for each consumer, with the numbers of its partitions.
pub fn table(practice: &Practice, columns: Option<usize>) -> Vec<String> {
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
        let partitions: i32 = topics
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
        let row = Row {
            practice,
            short: &short,
            width,
            columns,
        };
        let grid = (partitions <= MAX_COLUMNS)
            .then(|| row.grid(topics, &counts, &groups))
            .flatten();
        lines.extend(grid.unwrap_or_else(|| {
            let lists = groups.iter().map(|(plan, status)| row.list(plan, status));
            lists.flatten().collect()
        }));
    }
    lines
}

/// What all rows of a table have in common.
struct Row<'a> {
    practice: &'a Practice,
    short: &'a ShortNames,
    /// Width of the first column.
    width: usize,
    /// Columns of the terminal; `None`: no limit.
    columns: Option<usize>,
}

impl Row<'_> {
    /// Partitions as columns; `None`: they do not fit.
    fn grid(
        &self,
        topics: &[String],
        counts: &BTreeMap<&str, Option<i32>>,
        groups: &[(&GroupPlan, &GroupStatus)],
    ) -> Option<Vec<String>> {
        let Self {
            practice,
            short,
            width,
            columns,
        } = *self;
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
        let needed = 2 + width + partitions.len() * cell;
        if columns.is_some_and(|columns| needed > columns) {
            return None;
        }
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
            let head = format!("  {:<width$}{owners} ", group.name);
            lines.extend(self.wrapped(head, &remarks(practice, plan, group, short)));
        }
        Some(lines)
    }

    /// Consumers as lines, each with the numbers of its partitions.
    fn list(&self, plan: &GroupPlan, group: &GroupStatus) -> Vec<String> {
        let Self {
            practice,
            short,
            width,
            ..
        } = *self;
        let head = format!("  {:<width$}", group.name);
        let mut lines = self.wrapped(head, &remarks(practice, plan, group, short));
        for member in &group.members {
            let mut owned = partitions(&member.partitions, member.partition_count);
            if owned.is_empty() {
                owned.push((APART, no_partition_reason(group, member).text()));
            }
            lines.extend(self.wrapped(self.head(&short.name(&member.name)), &owned));
        }
        let unowned = partitions(&group.unowned, group.unowned_count);
        if !unowned.is_empty() {
            lines.extend(self.wrapped(self.head(NO_CONSUMER), &unowned));
        }
        lines
    }

    /// First column of a consumer's line; its name may be longer than that of its group.
    fn head(&self, name: &str) -> String {
        let width = self.width.max(name.chars().count() + 2);
        format!("    {name:<width$}")
    }

    /// Appends pieces, each after its gap. What does not fit continues on the next line, below the first piece if there is room.
    fn wrapped(&self, head: String, pieces: &[(&'static str, String)]) -> Vec<String> {
        let columns = self.columns.unwrap_or(usize::MAX);
        let indent = (4 + self.width).min(columns / 3);
        let width = |text: &str| text.chars().count();
        let mut lines = Vec::new();
        let (mut line, mut is_begun) = (head, false);
        let mut append = |gap: &str, piece: &str| {
            let gap = if is_begun { gap } else { "" };
            if width(&line) + width(gap) + width(piece) > columns && width(&line) > indent {
                let full = std::mem::replace(&mut line, " ".repeat(indent));
                lines.push(full.trim_end().to_owned());
            } else {
                line.push_str(gap);
            }
            line.push_str(piece);
            is_begun = true;
        };
        for (gap, piece) in pieces {
            if indent + width(piece) <= columns {
                append(gap, piece);
                continue;
            }
            // a sentence
            let mut gap = *gap;
            for word in piece.split(' ') {
                append(gap, word);
                gap = " ";
            }
        }
        lines.push(line.trim_end().to_owned());
        lines
    }
}

/// Owner of a partition: `-` none, `↻` pending until the rebalance ends, `?` unknown.
pub(super) fn owner(
    group: &GroupStatus,
    (topic, number): (&str, i32),
    short: &ShortNames,
) -> String {
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

/// Numbers of partitions, by topic, and how many are not listed; each with the gap before it.
fn partitions(listed: &[OwnedPartition], count: i32) -> Vec<(&'static str, String)> {
    let mut by_topic: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for owned in listed {
        let numbers = by_topic.entry(&owned.topic).or_default();
        numbers.push(owned.partition.to_string());
    }
    let mut pieces = Vec::new();
    for (topic, numbers) in by_topic {
        let (first, others) = numbers.split_at(1);
        pieces.push((APART, format!("{topic} {}", first.concat())));
        pieces.extend(others.iter().map(|number| (" ", number.clone())));
    }
    pieces.extend(unlisted(listed, count).map(|more| (APART, more)));
    pieces
}

/// `lag 4`, `5 s per message in 2 of 3`; each with the gap before it.
fn remarks(
    practice: &Practice,
    plan: &GroupPlan,
    group: &GroupStatus,
    short: &ShortNames,
) -> Vec<(&'static str, String)> {
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
    let remarks = remarks.into_iter();
    remarks.map(|remark| (APART, remark)).collect()
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
