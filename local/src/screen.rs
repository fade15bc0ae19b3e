//! Tables and suggestions for the terminal. In: a practice. Out: lines. Pure, except for the clock of restart delays. Reports are
//! escaped here, as their reader cannot distinguish our colours from other escape sequences; `terminal` escapes the table.

mod suggestions;
mod table;

use std::time::Instant;

use practice_api::ConsumerGroupPractice;
use practice_cli::{
    journal::{self, Entry},
    text::{Line, escaped},
    tree::{Shape, tree},
};
use practice_plan::plan::GroupPlan;

pub use self::{suggestions::suggestions, table::table};
use crate::{fleet::Phase, practice::Practice, request::ScreenShape};

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
