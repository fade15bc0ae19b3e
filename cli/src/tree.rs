//! A practice as a tree: practice, groups, consumers, partitions with their lag. Pure, except that [`tree`] reads the clock. In:
//! a practice with its status, the time. Out: lines. An unknown number is `?` with its reason, never 0. Every glyph has a
//! word. Names are not truncated; only the common prefix of a group's consumers is left out.

use jiff::Timestamp;
use practice_api::{
    ConsumerGroupPractice, PracticeStatus,
    spec::Group,
    status::{GroupStatus, Member, OwnedPartition},
};

use crate::{
    state::{
        NO_CONSUMER, age, consumers, group_mark, health_lines, is_rebalancing, lag_remark,
        lag_unknown_reason, members, oldest_as_of, other_group_cells, other_group_count,
        practice_mark, remarks, unlisted, unlisted_other_groups,
    },
    text::{Column, Line, Tone, counted, table},
};

mod columns;

pub(crate) use self::columns::short_name;
use self::columns::{Columns, Names};

/// Layout of a tree.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Shape {
    /// Width of the terminal in columns; `None` means no limit.
    pub width: Option<usize>,
    /// Whether to print the name as `namespace/name`.
    pub with_namespace: bool,
}

/// Renders one practice, with ages as of now.
pub fn tree(practice: &ConsumerGroupPractice, shape: Shape) -> Vec<Line> {
    tree_at(practice, shape, Timestamp::now())
}

/// Renders one practice, with ages as of `now`.
pub fn tree_at(practice: &ConsumerGroupPractice, shape: Shape, now: Timestamp) -> Vec<Line> {
    let mut lines = vec![head(practice, shape)];
    let Some(status) = &practice.status else {
        lines.extend(below("   ", "   ", remarks(practice)));
        return lines;
    };
    let guide = if status.groups.is_empty() {
        "   "
    } else {
        "│  "
    };
    lines.extend(below(guide, guide, remarks(practice)));
    if status.groups.is_empty() {
        let none = if practice.spec.groups.is_empty() {
            "no groups in the manifest"
        } else {
            "status has no groups yet"
        };
        lines.push(Line::of(Tone::Dim, "└─ ").and(Tone::Dim, none));
    }
    let columns = Columns::of(practice, status);
    let as_of = oldest_as_of(practice, now);
    for (place, group) in status.groups.iter().enumerate() {
        let last = place + 1 == status.groups.len() && other_group_count(status) == 0;
        let (branch, guide) = if last {
            ("└─ ", "   ")
        } else {
            ("├─ ", "│  ")
        };
        let wanted = practice
            .spec
            .groups
            .iter()
            .find(|wanted| wanted.name == group.name);
        let mut line = Line::of(Tone::Dim, branch);
        line.append(group_line(status, group, wanted, place, &columns, as_of));
        lines.push(line);
        lines.extend(below(guide, guide, group_remarks(group)));
        lines.extend(below(guide, guide, health_lines(group, now)));
        lines.extend(consumer_lines(
            practice,
            group,
            wanted,
            guide,
            &columns,
            shape.width,
        ));
    }
    lines.extend(other_group_lines(status));
    lines
}

/// Groups of other applications that read the practice's topics.
fn other_group_lines(status: &PracticeStatus) -> Vec<Line> {
    let (listed, all) = (status.other_groups.len(), other_group_count(status));
    if all == 0 {
        return Vec::new();
    }
    let title = format!(
        "{} of other applications on these topics",
        counted(all, "group")
    );
    let mut lines = vec![Line::of(Tone::Dim, "└─ ").and(Tone::Dim, &title)];
    let rows = status.other_groups.iter().map(|group| {
        let name = std::iter::once(Line::plain(&group.name));
        name.chain(other_group_cells(group)).collect()
    });
    let rows = table(rows.collect(), &[Column::Left; 6]);
    for (place, row) in rows.into_iter().enumerate() {
        let last = place + 1 == listed && listed == all;
        let mut line = Line::of(Tone::Dim, if last { "   └─ " } else { "   ├─ " });
        line.append(row);
        lines.push(line);
    }
    if let Some(more) = unlisted_other_groups(status) {
        lines.push(Line::of(Tone::Dim, "   └─ ").and(Tone::Dim, &more));
    }
    lines
}

fn head(practice: &ConsumerGroupPractice, shape: Shape) -> Line {
    let name = practice.metadata.name.as_deref().unwrap_or_default();
    let mut line = Line::new();
    if shape.with_namespace {
        line.push(
            Tone::Dim,
            &format!(
                "{}/",
                practice.metadata.namespace.as_deref().unwrap_or_default()
            ),
        );
    }
    line.push(Tone::Strong, name);
    line.push(Tone::Plain, "   ");
    line.append(practice_mark(practice).line());
    let Some(status) = &practice.status else {
        return line;
    };
    for topic in status.topics.iter().take(3) {
        let partitions = topic.partitions.map_or_else(
            || "? partitions".to_owned(),
            |count| counted(usize::try_from(count).unwrap_or_default(), "partition"),
        );
        let replicas = topic
            .replication_factor
            .map(|count| counted(usize::try_from(count).unwrap_or_default(), "replica"));
        let replicas = replicas.map_or_else(String::new, |replicas| format!(", {replicas}"));
        let tone = if topic.ready { Tone::Plain } else { Tone::Warn };
        line.push(tone, &format!("   {} {partitions}{replicas}", topic.name));
    }
    if status.topics.len() > 3 {
        line.push(
            Tone::Dim,
            &format!("   and {} more", counted(status.topics.len() - 3, "topic")),
        );
    }
    if let Some(servers) = &status.bootstrap_servers {
        line.push(Tone::Dim, &format!("   Kafka {servers}"));
    }
    line
}

/// Prefixes lines with the guides of the tree.
fn below(first: &str, others: &str, lines: Vec<Line>) -> Vec<Line> {
    let guides = std::iter::once(first).chain(std::iter::repeat(others));
    let joined = |(guide, rest): (&str, Line)| {
        let mut line = Line::of(Tone::Dim, guide);
        line.append(rest);
        line
    };
    guides.zip(lines).map(joined).collect()
}

/// `my-consumer-group-2   ✔ Stable   Classic, CooperativeSticky   3/3 consumers   lag 12`
fn group_line(
    status: &PracticeStatus,
    group: &GroupStatus,
    wanted: Option<&Group>,
    place: usize,
    columns: &Columns,
    as_of: Timestamp,
) -> Line {
    let cells = [
        (Line::of(Tone::Hue(place), &group.name), columns.group),
        (group_mark(group, wanted).line(), columns.state),
        (
            Line::of(Tone::Dim, &protocol(group, wanted)),
            columns.protocol,
        ),
        (Line::plain(&consumers(group)), columns.consumers),
        (lag(group.lag), columns.lag),
    ];
    let mut line = Line::new();
    let mut column = 0;
    for (cell, width) in cells {
        line.append(cell);
        column += width + 3;
        line.gap(column);
        column = line.width();
    }
    let mut notes: Vec<(Tone, String)> = Vec::new();
    if group.lag.is_none() {
        notes.push((Tone::Warn, lag_unknown_reason(status, group)));
    }
    notes.extend(age(group, as_of).map(|age| (Tone::Plain, age)));
    if let Some(idle) = group.idle.filter(|idle| *idle > 0) {
        notes.push((Tone::Warn, format!("{idle} idle")));
    }
    for (tone, note) in notes {
        line.push(tone, &note);
        line.push(Tone::Plain, "   ");
    }
    line
}

/// `lag 12`, `lag ?`
pub fn lag(lag: Option<i64>) -> Line {
    match lag {
        Some(0) => Line::plain("lag 0"),
        Some(lag) => Line::of(Tone::Warn, &format!("lag {lag}")),
        None => Line::of(Tone::Warn, "lag ?"),
    }
}

fn protocol(group: &GroupStatus, wanted: Option<&Group>) -> String {
    // the protocol differs from the manifest during a change, and on local mode's embedded broker
    let wanted = wanted.filter(|wanted| format!("{:?}", wanted.protocol) == group.protocol);
    match wanted.and_then(|wanted| wanted.assignor) {
        Some(assignor) => format!("{}, {assignor:?}", group.protocol),
        None => group.protocol.clone(),
    }
}

/// Warnings about a group.
fn group_remarks(group: &GroupStatus) -> Vec<Line> {
    let mut lines = Vec::new();
    let mut warn = |text: &str| lines.push(Line::of(Tone::Warn, "⚠ ").and(Tone::Plain, text));
    if !group.group_id_owned {
        let hold = group.hold.as_ref().filter(|hold| hold.needs_help());
        let starts_later = group
            .hold
            .as_ref()
            .filter(|hold| hold.reason == "GroupStartPending");
        let not_started = hold
            .map(|hold| format!("its consumers are not started: {}", hold.reason))
            .or(starts_later.map(|hold| hold.message.clone()));
        let pending = "its consumers are not started until its group id is known to be unused by other applications";
        warn(not_started.as_deref().unwrap_or(pending));
    } else if let Some(members) = members(group)
        && let Some(missing) = usize::try_from(group.replicas)
            .ok()
            .and_then(|wanted| wanted.checked_sub(members))
        && missing > 0
    {
        let ready = usize::try_from(group.ready_replicas).unwrap_or_default();
        let why = if ready > members {
            "ready, but not in the group yet"
        } else {
            "not in the group"
        };
        warn(&format!(
            "{missing} of {} {why}",
            counted(
                usize::try_from(group.replicas).unwrap_or_default(),
                "consumer"
            )
        ));
    }
    lines
}

fn consumer_lines(
    practice: &ConsumerGroupPractice,
    group: &GroupStatus,
    wanted: Option<&Group>,
    guide: &str,
    columns: &Columns,
    width: Option<usize>,
) -> Vec<Line> {
    let names = Names::of(practice, group);
    let mut lines = Vec::new();
    for (place, member) in group.members.iter().enumerate() {
        let last = place + 1 == group.members.len() && !group.truncated && group.unowned_count == 0;
        let (branch, inner) = if last {
            ("└─ ", "   ")
        } else {
            ("├─ ", "│  ")
        };
        let mut line = Line::of(Tone::Dim, &format!("{guide}{branch}"));
        line.push(Tone::Plain, &names.short(&member.name));
        let indent = 6 + columns.consumer + 3;
        line.gap(indent);
        let delay = names.delay(&member.name, wanted);
        if columns.delay > 0 {
            line.push(Tone::Dim, &delay);
            line.gap(indent + columns.delay + 3);
        }
        let indent = if columns.delay > 0 {
            indent + columns.delay + 3
        } else {
            indent
        };
        if member.partition_count == 0 && member.partitions.is_empty() {
            line.append(no_partition_reason(group, member));
            lines.push(line);
            continue;
        }
        let cells = cells(&member.partitions, member.partition_count, columns);
        lines.extend(flow(line, &format!("{guide}{inner}"), indent, cells, width));
    }
    if group.unowned_count > 0 {
        let (branch, inner) = if group.truncated {
            ("├─ ", "│  ")
        } else {
            ("└─ ", "   ")
        };
        let mut line =
            Line::of(Tone::Dim, &format!("{guide}{branch}")).and(Tone::Warn, NO_CONSUMER);
        let mut indent = 6 + columns.consumer + 3;
        line.gap(indent);
        if columns.delay > 0 {
            indent += columns.delay + 3;
            line.gap(indent);
        }
        let cells = cells(&group.unowned, group.unowned_count, columns);
        lines.extend(flow(line, &format!("{guide}{inner}"), indent, cells, width));
    }
    if group.truncated {
        lines.push(
            Line::of(Tone::Dim, &format!("{guide}└─ "))
                .and(Tone::Dim, "… and more: status does not list all members"),
        );
    }
    lines
}

/// A cell for each partition, and a note about those that status does not list.
fn cells(partitions: &[OwnedPartition], count: i32, columns: &Columns) -> Vec<Line> {
    let more = unlisted(partitions, count).map(|more| Line::of(Tone::Dim, &more));
    partitions
        .iter()
        .map(|owned| partition(owned, columns))
        .chain(more)
        .collect()
}

/// Places cells side by side within the width, then on the next line.
fn flow(
    first: Line,
    guide: &str,
    indent: usize,
    cells: Vec<Line>,
    width: Option<usize>,
) -> Vec<Line> {
    let mut lines = vec![first];
    let mut fresh = true;
    for cell in cells {
        let last = lines.last_mut().expect("there is always one");
        let gap = if fresh { 0 } else { 4 };
        let fits = width.is_none_or(|width| last.width() + gap + cell.width() <= width);
        if fresh || fits {
            last.push(Tone::Plain, &" ".repeat(gap));
            last.append(cell);
            fresh = false;
            continue;
        }
        let mut line = Line::of(Tone::Dim, guide);
        line.pad(indent);
        line.append(cell);
        lines.push(line);
    }
    lines
}

/// Reason why a consumer has no partition.
pub fn no_partition_reason(group: &GroupStatus, member: &Member) -> Line {
    match &member.idle_because {
        Some(why) => Line::of(Tone::Warn, "○ idle").and(Tone::Plain, &format!("  {why}")),
        None if is_rebalancing(group) => {
            Line::of(Tone::Warn, "↻ waits").and(Tone::Plain, "  for the rebalance to end")
        }
        None => Line::of(Tone::Dim, "○ no partition yet"),
    }
}

/// `my-topic/0  41/44  lag 3`
fn partition(owned: &OwnedPartition, columns: &Columns) -> Line {
    let mut line = Line::plain(&format!("{}/{}", owned.topic, owned.partition));
    line.pad(columns.partition);
    let offsets = offsets(owned);
    line.push(
        Tone::Plain,
        &" ".repeat(2 + columns.offsets.saturating_sub(offsets.chars().count())),
    );
    line.push(Tone::Dim, &offsets);
    line.push(Tone::Plain, "  ");
    let mut of = lag(owned.lag);
    of.pad(columns.partition_lag);
    line.append(of);
    if let Some(remark) = lag_remark(owned) {
        line.push(Tone::Warn, &format!(" ({remark})"));
    }
    line
}

/// `41/44`: committed offset and end offset.
fn offsets(owned: &OwnedPartition) -> String {
    let committed = match (owned.committed, owned.lag_reason.as_deref()) {
        (Some(committed), _) => committed.to_string(),
        (None, Some("NoCommit")) => "-".to_owned(),
        (None, _) => "?".to_owned(),
    };
    format!(
        "{committed}/{}",
        owned
            .end
            .map_or_else(|| "?".to_owned(), |end| end.to_string())
    )
}

#[cfg(test)]
mod tests;
