//! What is shown: a table of who reads what, and what to try next. In: a practice. Out: lines. Pure but for the clock of
//! "4 s ago". Unknown is `?`, nobody is `-`, and a word stands beside every number. In a report nothing but colours of our own
//! drives a terminal: whoever prints it cannot tell those from others. The table is the terminal's to escape.

use std::{collections::BTreeMap, fmt::Write, time::Instant};

use practice_api::{
    ConsumerGroupPractice,
    status::{GroupStatus, Member, OwnedPartition},
};
use practice_cli::{
    journal::{self, Entry},
    state::is_rebalancing,
    text::{Line, escaped},
    tree::{Shape, tree, waits},
};
use practice_contract::duration;
use practice_plan::plan::GroupPlan;

use crate::{changes::room, fleet::Phase, practice::Practice, request::Look};

/// More columns than this are no table any more.
const COLUMNS: i32 = 24;

/// Everything: the same tree as of the plugin for kubectl, what was done to consumers, what the Kafka does otherwise.
pub fn report(practice: &Practice, look: Look) -> Vec<String> {
    let mut lines = vec![headline(practice), String::new()];
    let here = ConsumerGroupPractice {
        status: practice.status.clone(),
        ..practice.practice.clone()
    };
    lines.extend(printed(
        tree(
            &here,
            Shape {
                width: look.width,
                with_namespace: false,
            },
        ),
        look,
    ));
    let short = Short::of(practice);
    let done: Vec<String> = practice
        .plan
        .groups
        .iter()
        .flat_map(|plan| done_to(practice, plan, &short))
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

/// The rebalances of one group, or of all, as the plugin for kubectl shows them.
pub fn journal(practice: &Practice, group: Option<&str>, last: usize, look: Look) -> Vec<String> {
    let kept = practice.journal();
    let groups = practice.plan.groups.iter().map(|plan| plan.id.as_str());
    let groups: Vec<&str> = groups
        .filter(|id| group.is_none_or(|group| group == *id))
        .collect();
    let entries = groups
        .iter()
        .flat_map(|group| {
            kept.of(group)
                .map(|rebalance| Entry::kept(group, rebalance))
        })
        .collect();
    let shape = journal::Shape {
        practice: practice.plan.name.clone(),
        width: look.width,
        with_group: groups.len() > 1,
        last,
        now: jiff::Zoned::now(),
    };
    printed(journal::journal(entries, &shape), look)
}

/// With colours where the terminal has them.
pub fn printed(lines: Vec<Line>, look: Look) -> Vec<String> {
    lines
        .iter()
        .map(|line| {
            if look.colours {
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
        _ => format!("not ready: {}", why_not(practice)),
    };
    escaped(&format!(
        "{} on {}{note}   {state}",
        practice.plan.name,
        practice.kafka.title()
    ))
}

fn why_not(practice: &Practice) -> String {
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
    let short = Short::of(practice);
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
        if columns <= COLUMNS {
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
    short: &Short,
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
    // as wide as any name that may stand there: columns do not move when owners do
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

/// Who has a partition: `-` is nobody, `↻` whoever it is when the rebalance has ended, `?` is not known.
fn owner(group: &GroupStatus, (topic, number): (&str, i32), short: &Short) -> String {
    let is_it = |share: &OwnedPartition| (share.topic.as_str(), share.partition) == (topic, number);
    let owns = |member: &&Member| member.partitions.iter().any(is_it);
    match group.members.iter().find(owns) {
        Some(member) => short.name(&member.name),
        None if group.unowned.iter().any(is_it) => "-".to_owned(),
        None if is_rebalancing(group) => "↻".to_owned(),
        None => "?".to_owned(),
    }
}

/// Consumers as lines, each with the numbers of its partitions.
fn list(
    practice: &Practice,
    plan: &GroupPlan,
    group: &GroupStatus,
    short: &Short,
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
            owned.push(waits(group, member).text());
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
fn remarks(practice: &Practice, plan: &GroupPlan, group: &GroupStatus, short: &Short) -> String {
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
    remarks.extend(done_to(practice, plan, short));
    if let Some(waits) = group
        .members
        .iter()
        .find_map(|member| member.idle_because.as_ref())
    {
        remarks.push(waits.clone());
    }
    remarks.extend(delays(plan));
    remarks.join("   ")
}

/// `1-a killed, back in 9 s`
fn done_to(practice: &Practice, plan: &GroupPlan, short: &Short) -> Vec<String> {
    let mut done = Vec::new();
    for (name, child) in practice
        .fleet
        .children
        .iter()
        .filter(|(_, child)| child.group == plan.id)
    {
        let name = short.name(name);
        let back = |until: Instant| until.saturating_duration_since(Instant::now()).as_secs() + 1;
        match child.phase {
            Phase::Down {
                killed: true,
                until,
            } => done.push(format!("{name} killed, back in {} s", back(until))),
            Phase::Down {
                killed: false,
                until,
            } => done.push(format!("{name} ended, back in {} s", back(until))),
            Phase::Paused => done.push(format!("{name} held")),
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

/// Names without what all of them begin with.
#[derive(Debug)]
pub struct Short(String);

impl Short {
    /// For the consumers of a practice.
    pub fn of(practice: &Practice) -> Self {
        Self::among(practice.plan.groups.iter().map(|group| group.id.as_str()))
    }

    fn among<'a>(mut groups: impl Iterator<Item = &'a str>) -> Self {
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

    /// `my-consumer-group-1-a` to `1-a`. Escaped here, because columns are made as wide as that: other applications
    /// choose their names.
    pub fn name(&self, name: &str) -> String {
        escaped(name.strip_prefix(&self.0).unwrap_or(name))
    }
}

/// Three things to try next: the command, and what will happen.
pub fn to_try(practice: &Practice, manifest: &str) -> Vec<String> {
    let us = std::env::args()
        .next()
        .unwrap_or_else(|| "practice-local".to_owned());
    let mut lines = Vec::new();
    let group = practice
        .plan
        .groups
        .iter()
        .find(|group| !group.stopped && group.rows[0].replicas.is_some_and(|n| n > 0));
    if let Some(group) = group {
        let (partitions, because) = room(group, &practice.plan);
        let others: i32 = group.rows[1..]
            .iter()
            .map(|row| row.replicas.unwrap_or(1))
            .sum();
        let now = group.rows[0].replicas.unwrap_or(1);
        let more = (partitions + 1 - others).clamp(0, 100);
        let (number, will) = if now >= more {
            (
                (now - 1).max(1),
                "one leaves, the others take its partitions".to_owned(),
            )
        } else {
            (more, format!("one consumer will wait: {because}"))
        };
        lines.push((format!("{us} scale {} {number}", group.id), will));
        let consumer = practice
            .fleet
            .children
            .iter()
            .find(|(_, child)| child.group == group.id);
        if let Some((name, _)) = consumer {
            let after = practice.kafka.notices_after(group);
            lines.push((
                format!("{us} kill {name}"),
                format!("noticed after {after}, then its partitions move"),
            ));
        }
    }
    lines.push((
        format!("edit {manifest}"),
        "it is applied when you save".to_owned(),
    ));
    let width = lines
        .iter()
        .map(|(command, _)| command.len())
        .max()
        .unwrap_or(0);
    let label = |number: usize| if number == 0 { "try" } else { "" };
    let numbered = lines.iter().enumerate();
    numbered
        .map(|(n, (command, will))| format!("  {:<5} {command:<width$}   {will}", label(n)))
        .collect()
}

#[cfg(test)]
mod tests {
    use std::{net::SocketAddr, path::PathBuf, time::Duration};

    use practice_groups::witness::Runtime;
    use practice_operator::memory::PracticeStates;
    use serde_json::json;
    use tokio::sync::mpsc;

    use super::*;
    use crate::{
        fleet::{Fleet, Ways},
        kafka::Kafka,
        process::Program,
    };

    /// One that is not ready, and why.
    fn hindered(why: &str) -> Practice {
        let file = json!({"apiVersion": "kafka-practice.dev/v1alpha1", "kind": "ConsumerGroupPractice",
            "metadata": {"name": "p"},
            "spec": {"topics": [{"name": "t", "partitions": 3}], "groups": [{"name": "g", "replicas": 2}]}});
        let ways = Ways {
            program: Program::this().expect("it runs"),
            logs: PathBuf::new(),
            restart_delay: Duration::ZERO,
            apart: Duration::ZERO,
        };
        let fleet = Fleet::new(ways, mpsc::unbounded_channel().0);
        let memories = PracticeStates::new(mpsc::unbounded_channel().0, Runtime::Local);
        let (kafka, producer) = (
            Kafka::Given("k:9092".to_owned()),
            SocketAddr::from(([127, 0, 0, 1], 0)),
        );
        let mut practice = Practice::new(file, kafka, fleet, producer, memories, Instant::now())
            .expect("a legal practice");
        let ready = json!({"type": "Ready", "status": "False", "reason": "GroupConflict", "message": why,
            "lastTransitionTime": "2026-11-25T14:02:11Z"});
        let status = json!({"conditions": [ready], "topics": [], "groups": []});
        practice.status = Some(serde_json::from_value(status).expect("a status"));
        practice
    }

    #[test]
    fn what_another_application_calls_itself_drives_no_terminal() {
        let practice = hindered("its member a\u{1b}[2J\nb\u{9b}31m is not of this practice");
        let said =
            "p on k:9092   not ready: its member a\\u{1b}[2J\\nb\\u{9b}31m is not of this practice";
        assert_eq!(headline(&practice), said);
        for colours in [false, true] {
            let report = report(
                &practice,
                Look {
                    colours,
                    width: None,
                },
            );
            assert_eq!(report[0], said);
            let drives =
                |line: &&String| line.contains("\x1b[2J") || line.contains(['\n', '\u{9b}']);
            assert_eq!(report.iter().find(drives), None);
        }
    }

    #[test]
    fn nobody_is_not_the_same_as_whoever_does_not_tell() {
        let share = |partition| OwnedPartition {
            topic: "t".to_owned(),
            partition,
            ..OwnedPartition::default()
        };
        let member = |name: &str, partitions: &[i32]| Member {
            name: name.to_owned(),
            partitions: partitions.iter().copied().map(share).collect(),
            ..Member::default()
        };
        let group = |state: &str, members: Vec<Member>, unowned: &[i32]| GroupStatus {
            state: state.to_owned(),
            members,
            unowned: unowned.iter().copied().map(share).collect(),
            ..GroupStatus::default()
        };
        let short = Short::among(["g"].into_iter());
        for (group, expected) in [
            (
                group(
                    "Stable",
                    vec![member("g-a", &[0]), member("g-b", &[1])],
                    &[],
                ),
                ["a", "b"],
            ),
            (group("Stable", vec![member("g-a", &[0])], &[1]), ["a", "-"]),
            (group("Empty", vec![], &[0, 1]), ["-", "-"]),
            (
                group(
                    "PreparingRebalance",
                    vec![member("g-a", &[]), member("g-b", &[])],
                    &[],
                ),
                ["↻", "↻"],
            ),
            (
                group("Reconciling", vec![member("g-a", &[0])], &[1]),
                ["a", "-"],
            ),
            (group("Unknown", vec![], &[]), ["?", "?"]),
        ] {
            assert_eq!(
                [0, 1].map(|number| owner(&group, ("t", number), &short)),
                expected,
                "{}",
                group.state
            );
        }
        let stranger = group("Stable", vec![member("g-a\u{1b}[2J\n", &[0])], &[]);
        assert_eq!(owner(&stranger, ("t", 0), &short), "a\\u{1b}[2J\\n");
    }

    #[test]
    fn names_are_short_where_all_begin_alike() {
        let short = Short::among(
            [
                "my-consumer-group-1",
                "my-consumer-group-2",
                "my-consumer-group-13",
            ]
            .into_iter(),
        );
        assert_eq!(short.name("my-consumer-group-1-a"), "1-a");
        assert_eq!(short.name("stranger"), "stranger");
        assert_eq!(Short::among(["orders"].into_iter()).name("orders-a"), "a");
        assert_eq!(
            Short::among(["orders", "payments"].into_iter()).name("orders-a"),
            "orders-a"
        );
        assert_eq!(
            Short::among(["practice-4-both", "practice-4-range"].into_iter())
                .name("practice-4-both-a"),
            "both-a"
        );
    }
}
