//! Output of `describe`. Pure. In: a practice with its status, its events, the time. Out: lines, in sections like those of
//! `kubectl describe`.

use jiff::{Timestamp, Zoned};
use k8s_openapi::api::core::v1::Event;
use practice_api::{
    ConsumerGroupPractice, PracticeStatus,
    status::{GroupStatus, OtherGroupStatus, OwnedPartition},
};
use practice_groups::HealthState;

use crate::{
    journal::{self, Entry, time},
    state::{
        NO_CONSUMER, age, condition_mark, consumers, group_mark, health_lines, lag_remark,
        lag_unknown_reason, oldest_as_of, other_group_cells, other_group_count, practice_mark,
        remarks, unlisted, unlisted_other_groups,
    },
    text::{Column, Line, Tone, table},
    tree,
};

/// Number of newest events to show.
const EVENTS: usize = 15;

/// Renders all sections of a practice.
pub fn sheet(
    practice: &ConsumerGroupPractice,
    events: &[Event],
    now: &Zoned,
    width: Option<usize>,
) -> Vec<Line> {
    let mut lines = head(practice, now);
    if let Some(status) = &practice.status {
        section(&mut lines, "Conditions", conditions(status, now));
        section(&mut lines, "Topics", topics(status));
        for (place, group) in status.groups.iter().enumerate() {
            lines.push(Line::new());
            lines.extend(describe_group(practice, status, group, place, now));
        }
        if other_group_count(status) > 0 {
            section(
                &mut lines,
                "Groups of other applications on these topics",
                other_groups(status),
            );
        }
        let rebalances: Vec<Entry> = status.rebalances.iter().map(Entry::from_status).collect();
        if !rebalances.is_empty() {
            let width = width.map(|width| width.saturating_sub(2));
            let practice = text(practice.metadata.name.as_ref());
            let shape = journal::Shape {
                practice,
                width,
                with_group: true,
                last: usize::MAX,
                now: now.clone(),
            };
            section(
                &mut lines,
                "Rebalances",
                journal::journal(rebalances, &shape),
            );
        }
    } else {
        lines.extend(remarks(practice));
    }
    section(&mut lines, "Events", event_rows(events, now));
    lines
}

fn section(lines: &mut Vec<Line>, title: &str, below: Vec<Line>) {
    lines.push(Line::new());
    lines.push(Line::of(Tone::Strong, title));
    lines.extend(below.into_iter().map(|line| indented(2, line)));
}

fn text(text: Option<&String>) -> String {
    text.cloned().unwrap_or_default()
}

fn indented(by: usize, line: Line) -> Line {
    let mut indented = Line::new();
    indented.pad(by);
    indented.append(line);
    indented
}

fn head(practice: &ConsumerGroupPractice, now: &Zoned) -> Vec<Line> {
    let mut first = Line::of(Tone::Strong, &text(practice.metadata.name.as_ref()));
    first.push(Tone::Plain, "   ");
    first.append(practice_mark(practice).line());
    let mut rows = vec![
        ("Name", first),
        (
            "Namespace",
            Line::plain(&text(practice.metadata.namespace.as_ref())),
        ),
    ];
    if let Some(created) = &practice.metadata.creation_timestamp {
        rows.push(("Created", Line::plain(&time(created.0, now))));
    }
    let seen = practice
        .status
        .as_ref()
        .and_then(|status| status.observed_generation);
    if let Some(generation) = practice.metadata.generation {
        let seen = match seen {
            _ if practice.metadata.deletion_timestamp.is_some() => {
                Line::plain(&generation.to_string())
            }
            Some(seen) if seen == generation => {
                Line::plain(&format!("{generation}, observed by the operator"))
            }
            Some(seen) => Line::of(
                Tone::Warn,
                &format!("{generation}, but observedGeneration is {seen}"),
            ),
            None => Line::of(
                Tone::Warn,
                &format!("{generation}, not observed by the operator yet"),
            ),
        };
        rows.push(("Generation", seen));
    }
    if let Some(status) = &practice.status {
        let summary = &status.summary;
        let number = |number: Option<i32>| {
            number.map_or_else(|| "?".to_owned(), |number| number.to_string())
        };
        rows.push((
            "Kafka",
            Line::plain(status.bootstrap_servers.as_deref().unwrap_or("?")),
        ));
        let mut totals = Line::plain(&format!(
            "topics {}, partitions {}, groups {}, consumers {}, idle {}, ",
            summary.topics,
            number(summary.partitions),
            summary.groups,
            number(summary.consumers),
            number(summary.idle),
        ));
        totals.append(tree::lag(summary.lag));
        rows.push(("Summary", totals));
    }
    let producer = if practice.spec.producer.enabled {
        format!(
            "{}-producer, port {}",
            text(practice.metadata.name.as_ref()),
            practice_contract::PRODUCER_PORT
        )
    } else {
        "none: spec.producer.enabled is false".to_owned()
    };
    rows.push(("Producer", Line::plain(&producer)));
    rows.into_iter()
        .map(|(label, value)| {
            let mut line = Line::of(Tone::Dim, &format!("{label}:"));
            line.pad(14);
            line.append(value);
            line
        })
        .collect()
}

fn conditions(status: &PracticeStatus, now: &Zoned) -> Vec<Line> {
    let row = |condition: &k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition| {
        vec![
            condition_mark(condition).line(),
            Line::plain(&condition.status),
            Line::of(
                Tone::Dim,
                &format!("since {}", time(condition.last_transition_time.0, now)),
            ),
            Line::plain(&condition.reason),
            Line::plain(&condition.message),
        ]
    };
    table(
        status.conditions.iter().map(row).collect(),
        &[Column::Left; 5],
    )
}

fn topics(status: &PracticeStatus) -> Vec<Line> {
    let head = ["NAME", "PARTITIONS", "REPLICAS", "STATE", "ID"];
    let number = |number: Option<i32>| {
        Line::plain(&number.map_or_else(|| "?".to_owned(), |number| number.to_string()))
    };
    let mut rows = vec![head.map(|head| Line::of(Tone::Strong, head)).to_vec()];
    let is_known = status
        .condition("TopicsReady")
        .is_none_or(|ready| ready.status != "Unknown");
    for topic in &status.topics {
        let state = match (&topic.message, topic.ready) {
            _ if !is_known => Line::of(Tone::Warn, "? not checked"),
            (Some(message), _) => Line::of(Tone::Warn, &format!("⚠ {message}")),
            (None, true) => Line::of(Tone::Good, "✔ matches the manifest"),
            (None, false) => Line::of(Tone::Warn, "⚠ not ready"),
        };
        rows.push(vec![
            Line::plain(&topic.name),
            number(topic.partitions),
            number(topic.replication_factor),
            state,
            Line::of(Tone::Dim, topic.topic_id.as_deref().unwrap_or("?")),
        ]);
    }
    let columns = [
        Column::Left,
        Column::Right,
        Column::Right,
        Column::Left,
        Column::Left,
    ];
    table(rows, &columns)
}

fn describe_group(
    practice: &ConsumerGroupPractice,
    status: &PracticeStatus,
    group: &GroupStatus,
    place: usize,
    now: &Zoned,
) -> Vec<Line> {
    let wanted = practice
        .spec
        .groups
        .iter()
        .find(|wanted| wanted.name == group.name);
    let mut title = Line::of(Tone::Strong, "Group ")
        .and(Tone::Hue(place), &group.name)
        .and(Tone::Plain, "   ");
    title.append(group_mark(group, wanted).line());
    let epoch = group
        .epoch
        .map_or_else(String::new, |epoch| format!(", epoch {epoch}"));
    title.push(
        Tone::Plain,
        &format!("   {}{epoch}   {}   ", group.protocol, consumers(group)),
    );
    title.append(tree::lag(group.lag));
    if group.lag.is_none() {
        title.push(
            Tone::Warn,
            &format!(" ({})", lag_unknown_reason(status, group)),
        );
    }
    if let Some(age) = age(group, oldest_as_of(practice, now.timestamp())) {
        title.push(Tone::Plain, &format!("   {age}"));
    }
    let mut lines = vec![title];
    lines.extend(
        health_lines(group, now.timestamp())
            .into_iter()
            .map(|line| indented(2, line)),
    );
    let head = [
        "CONSUMER",
        "MEMBER",
        "PARTITION",
        "COMMITTED",
        "END",
        "LAG",
        "",
    ];
    let mut rows = vec![head.map(|head| Line::of(Tone::Strong, head)).to_vec()];
    for member in &group.members {
        // a member id is usually the client id and a UUID
        let rest = member
            .member_id
            .strip_prefix(&format!("{}-", member.client_id));
        let id = rest.map_or_else(|| member.member_id.clone(), |rest| format!("…{rest}"));
        let (name, id) = (Line::plain(&member.name), Line::of(Tone::Dim, &id));
        if member.partitions.is_empty() && member.partition_count == 0 {
            let why = member
                .idle_because
                .as_ref()
                .map(|why| Line::of(Tone::Warn, &format!("○ idle  {why}")));
            let mut row = vec![name, id];
            row.extend(std::iter::repeat_n(Line::plain("-"), 4));
            row.extend(why);
            rows.push(row);
        } else {
            rows.extend(owned_rows(
                &name,
                &id,
                &member.partitions,
                member.partition_count,
            ));
        }
    }
    let unowned = Line::of(Tone::Warn, NO_CONSUMER);
    rows.extend(owned_rows(
        &unowned,
        &Line::plain("-"),
        &group.unowned,
        group.unowned_count,
    ));
    if rows.len() == 1 {
        let none = if group.state == "Unknown" {
            "  members unknown"
        } else {
            "  no members"
        };
        lines.push(Line::of(Tone::Dim, none));
    } else {
        let columns = [
            Column::Left,
            Column::Left,
            Column::Left,
            Column::Right,
            Column::Right,
            Column::Right,
            Column::Left,
        ];
        lines.extend(
            table(rows, &columns)
                .into_iter()
                .map(|line| indented(2, line)),
        );
    }
    if group.truncated {
        lines.push(Line::of(
            Tone::Dim,
            "  … and more: status does not list all members",
        ));
    }
    lines
}

/// A row for each partition, and one for those that status does not list; the first row names their owner.
fn owned_rows(name: &Line, id: &Line, partitions: &[OwnedPartition], count: i32) -> Vec<Vec<Line>> {
    let number = |number: Option<i64>| {
        Line::plain(&number.map_or_else(|| "?".to_owned(), |number| number.to_string()))
    };
    let first = |line: &Line, place: usize| {
        if place == 0 {
            line.clone()
        } else {
            Line::new()
        }
    };
    let row = |(place, owned): (usize, &OwnedPartition)| {
        let committed = match (owned.committed, owned.lag_reason.as_deref()) {
            (None, Some("NoCommit")) => Line::plain("-"),
            (committed, _) => number(committed),
        };
        let partition = Line::plain(&format!("{}/{}", owned.topic, owned.partition));
        let health = owned
            .health
            .clone()
            .filter(|health| health != HealthState::Healthy.as_str());
        let remarks: Vec<String> = health.into_iter().chain(lag_remark(owned)).collect();
        let remark = Line::of(Tone::Warn, &remarks.join(", "));
        let (name, id) = (first(name, place), first(id, place));
        vec![
            name,
            id,
            partition,
            committed,
            number(owned.end),
            number(owned.lag),
            remark,
        ]
    };
    let more = unlisted(partitions, count).map(|more| {
        let place = partitions.len();
        vec![
            first(name, place),
            first(id, place),
            Line::of(Tone::Dim, &more),
        ]
    });
    partitions.iter().enumerate().map(row).chain(more).collect()
}

fn other_groups(status: &PracticeStatus) -> Vec<Line> {
    let row = |group: &OtherGroupStatus| {
        let name = std::iter::once(Line::plain(&group.name));
        name.chain(other_group_cells(group)).collect()
    };
    let mut lines = table(
        status.other_groups.iter().map(row).collect(),
        &[Column::Left; 6],
    );
    lines.extend(unlisted_other_groups(status).map(|more| Line::of(Tone::Dim, &more)));
    lines
}

fn event_rows(events: &[Event], now: &Zoned) -> Vec<Line> {
    if events.is_empty() {
        return vec![Line::of(
            Tone::Dim,
            "none: Kubernetes deletes Events after an hour",
        )];
    }
    let mut dated: Vec<(Option<Timestamp>, &Event)> = events
        .iter()
        .map(|event| (last_seen(event), event))
        .collect();
    dated.sort_by_key(|(at, _)| *at);
    let from = dated.len().saturating_sub(EVENTS);
    let row = |(at, event): &(Option<Timestamp>, &Event)| {
        let tone = if event.type_.as_deref() == Some("Warning") {
            Tone::Warn
        } else {
            Tone::Plain
        };
        let count = event
            .series
            .as_ref()
            .and_then(|series| series.count)
            .or(event.count)
            .filter(|count| *count > 1);
        let often = count.map_or_else(String::new, |count| format!(" ({count} times)"));
        vec![
            Line::of(
                Tone::Dim,
                &at.map_or_else(|| "?".to_owned(), |at| time(at, now)),
            ),
            Line::of(tone, &text(event.type_.as_ref())),
            Line::of(tone, &text(event.reason.as_ref())),
            Line::plain(&format!("{}{often}", text(event.message.as_ref()))),
        ]
    };
    table(dated[from..].iter().map(row).collect(), &[Column::Left; 4])
}

fn last_seen(event: &Event) -> Option<Timestamp> {
    let series = event
        .series
        .as_ref()
        .and_then(|series| series.last_observed_time.as_ref())
        .map(|time| time.0);
    let once = event.event_time.as_ref().map(|time| time.0);
    let old = event.last_timestamp.as_ref().map(|time| time.0);
    let made = event
        .metadata
        .creation_timestamp
        .as_ref()
        .map(|time| time.0);
    series.or(old).or(once).or(made)
}

#[cfg(test)]
mod tests;
