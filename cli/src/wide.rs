//! Flat text with the columns of `kafka-consumer-groups.sh --describe`, and POD. Pure. In: practices with their status. Out:
//! rows. A value that is unknown or does not apply is `-`, as Kafka's tool prints it. Deliberately absent: HOST, which status
//! does not have (always `-`), and groups of other applications. [`notes`] counts what status does not list.

use practice_api::{
    ConsumerGroupPractice,
    status::{GroupStatus, Member, OwnedPartition},
};

use crate::{
    state::unlisted_count,
    text::{Column, Line, Tone, counted, table},
};

/// Each column: its head, its alignment and its value.
const COLUMNS: [(&str, Column, fn(&Row<'_>) -> Option<String>); 10] = [
    ("GROUP", Column::Left, |row| Some(row.group.name.clone())),
    ("TOPIC", Column::Left, |row| Some(row.owned?.topic.clone())),
    ("PARTITION", Column::Right, |row| {
        Some(row.owned?.partition.to_string())
    }),
    ("CURRENT-OFFSET", Column::Right, |row| {
        Some(row.owned?.committed?.to_string())
    }),
    ("LOG-END-OFFSET", Column::Right, |row| {
        Some(row.owned?.end?.to_string())
    }),
    ("LAG", Column::Right, |row| {
        Some(row.owned?.lag?.to_string())
    }),
    ("CONSUMER-ID", Column::Left, |row| {
        Some(row.member?.member_id.clone())
    }),
    ("HOST", Column::Left, |_| None),
    ("CLIENT-ID", Column::Left, |row| {
        Some(row.member?.client_id.clone())
    }),
    ("POD", Column::Left, |row| row.member?.pod.clone()),
];

/// One row.
struct Row<'a> {
    group: &'a GroupStatus,
    member: Option<&'a Member>,
    owned: Option<&'a OwnedPartition>,
}

/// Renders practices as flat text; `with_namespace` adds the first column NAMESPACE.
pub fn wide(practices: &[ConsumerGroupPractice], with_namespace: bool) -> Vec<Line> {
    let head = COLUMNS
        .iter()
        .map(|(head, ..)| Line::of(Tone::Strong, head))
        .collect();
    let mut rows: Vec<Vec<Line>> = vec![head];
    let mut columns: Vec<Column> = COLUMNS.iter().map(|(_, column, _)| *column).collect();
    if with_namespace {
        rows[0].insert(0, Line::of(Tone::Strong, "NAMESPACE"));
        columns.insert(0, Column::Left);
    }
    for practice in practices {
        for row in practice
            .status
            .iter()
            .flat_map(|status| &status.groups)
            .flat_map(rows_of)
        {
            let value = |value: Option<String>| {
                value.map_or_else(|| Line::plain("-"), |value| Line::plain(&value))
            };
            let mut cells: Vec<Line> = COLUMNS.iter().map(|(.., show)| value(show(&row))).collect();
            if with_namespace {
                cells.insert(0, value(practice.metadata.namespace.clone()));
            }
            rows.push(cells);
        }
    }
    table(rows, &columns)
}

/// Warnings about partitions and members without a row, because status is limited in size.
pub fn notes(practices: &[ConsumerGroupPractice]) -> Vec<String> {
    let mut notes = Vec::new();
    for practice in practices {
        for group in practice.status.iter().flat_map(|status| &status.groups) {
            let of_members: usize = group
                .members
                .iter()
                .map(|member| unlisted_count(&member.partitions, member.partition_count))
                .sum();
            let missing = match of_members + unlisted_count(&group.unowned, group.unowned_count) {
                0 if group.truncated => "members".to_owned(),
                0 => continue,
                // status does not count the partitions of members that it does not list
                more if group.truncated => format!("at least {}", counted(more, "partition")),
                more => counted(more, "partition"),
            };
            let name = practice.metadata.name.as_deref().unwrap_or_default();
            let group = &group.name;
            notes.push(format!(
                "warning: practice {name}, group {group}: {missing} without a row: status is limited in size"
            ));
        }
    }
    notes
}

/// A row for each partition, owned or not, for each member without partitions, and for a group without both.
fn rows_of(group: &GroupStatus) -> Vec<Row<'_>> {
    if group.members.is_empty() && group.unowned.is_empty() {
        return vec![Row {
            group,
            member: None,
            owned: None,
        }];
    }
    let unowned = group.unowned.iter().map(|owned| Row {
        group,
        member: None,
        owned: Some(owned),
    });
    group
        .members
        .iter()
        .flat_map(|member| of_member(group, member))
        .chain(unowned)
        .collect()
}

fn of_member<'a>(group: &'a GroupStatus, member: &'a Member) -> impl Iterator<Item = Row<'a>> {
    // a member with partitions that status does not list gets no row, which would show it as idle
    let has_none = member.partitions.is_empty() && member.partition_count == 0;
    let none = has_none.then_some(None);
    let owned = none.into_iter().chain(member.partitions.iter().map(Some));
    owned.map(move |owned| Row {
        group,
        member: Some(member),
        owned,
    })
}

#[cfg(test)]
mod tests;
