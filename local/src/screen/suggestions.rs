//! Commands to try next, with their effects. In: a practice. Out: lines.

use crate::{changes::room, practice::Practice};

/// Suggested commands with their effects.
pub fn suggestions(practice: &Practice, manifest: &str) -> Vec<String> {
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
                "one consumer leaves, the others get its partitions".to_owned(),
            )
        } else {
            (more, format!("one consumer becomes idle: {because}"))
        };
        lines.push((format!("{us} scale {} {number}", group.id), will));
        let consumer = practice
            .fleet
            .children
            .iter()
            .find(|(_, child)| child.group == group.id);
        if let Some((name, _)) = consumer {
            let after = practice.kafka.crash_detection_time(group);
            lines.push((
                format!("{us} kill {name}"),
                format!("detected after {after}, then its partitions move"),
            ));
        }
    }
    lines.push((
        format!("edit {manifest}"),
        "applied when you save it".to_owned(),
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
