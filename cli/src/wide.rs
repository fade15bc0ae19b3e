//! Flat text with the columns of `kafka-consumer-groups.sh --describe`, and the pod, for people and scripts that know them.
//! Pure. In: practices with their status. Out: rows. What is unknown or does not apply is `-`, as Kafka's own tool prints it.
//! Deliberately absent: HOST, which status does not have (always `-`), and groups of other applications. What status does not
//! list has no row either, and is said by [`notes`].

use practice_api::{
    ConsumerGroupPractice,
    status::{GroupStatus, Member, OwnedPartition},
};

use crate::{
    state::cut,
    text::{Column, Line, Tone, counted, table},
};

/// Each column: its head, whether it holds numbers, and what it shows.
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

/// The table of these practices. `with_namespace` puts NAMESPACE before the other columns.
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

/// What has no row in the table of these practices, because status was cut to stay small.
pub fn notes(practices: &[ConsumerGroupPractice]) -> Vec<String> {
    let mut notes = Vec::new();
    for practice in practices {
        for group in practice.status.iter().flat_map(|status| &status.groups) {
            let of_members: usize = group
                .members
                .iter()
                .map(|member| cut(&member.partitions, member.partition_count))
                .sum();
            let missing = match of_members + cut(&group.unowned, group.unowned_count) {
                0 if group.truncated => "members".to_owned(),
                0 => continue,
                // partitions of members that are not listed are not counted either
                more if group.truncated => format!("at least {}", counted(more, "partition")),
                more => counted(more, "partition"),
            };
            let name = practice.metadata.name.as_deref().unwrap_or_default();
            let group = &group.name;
            notes.push(format!(
                "warning: practice {name}, group {group}: {missing} without a row, status does not list all"
            ));
        }
    }
    notes
}

/// A row for each partition, also those that no member has, for each member that has none, and for a group that has neither.
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
    // one whose partitions are not listed has some, and a row without any would say that it has none
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
