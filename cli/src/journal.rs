//! The journal of rebalances: causes, and how long partitions had no owner. Pure. In: rebalances of a journal
//! (`practice_groups::journal`) or of a status; the time. Out: a table, newest last; or a document.

use std::cmp::Reverse;

use jiff::{Timestamp, Zoned};
use practice_api::status::RebalanceStatus;
use practice_groups::{Cause, journal::Rebalance};
use serde_json::{Value, json};

use crate::text::{Column, Line, Tone, counted, table, wrapped};

/// One rebalance, from a journal or from a status.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Name of the group.
    pub group: String,
    /// Number of the rebalance within its group, from 1.
    pub number: i64,
    /// Time of detection; `None` when the recorded time cannot be parsed.
    pub at: Option<Timestamp>,
    /// Cause; `None` until it is determined.
    pub cause: Option<String>,
    /// Whether the cause is a failure.
    pub is_trouble: bool,
    /// Message that explains the cause.
    pub sentence: Option<String>,
    /// Advice for the reader.
    pub advice: Option<String>,
    /// Number of members that joined.
    pub joined: usize,
    /// Number of members that left.
    pub left: usize,
    /// Number of partitions with a new owner.
    pub moved: usize,
    /// Longest time that one of them had no owner, in milliseconds.
    pub unowned_ms: Option<u64>,
}

impl Entry {
    /// Entry from the journal of a group.
    pub fn from_journal(group: &str, rebalance: &Rebalance) -> Self {
        let why = rebalance.why.as_ref();
        Self {
            group: group.to_owned(),
            number: i64::try_from(rebalance.number).unwrap_or(i64::MAX),
            at: Timestamp::from_millisecond(rebalance.at).ok(),
            cause: why.map(|why| why.cause.to_string()),
            is_trouble: why.is_some_and(|why| why.cause.is_trouble()),
            sentence: why.map(|why| why.sentence.clone()),
            advice: why.and_then(|why| why.advice.clone()),
            joined: rebalance.joined.len(),
            left: rebalance.left.len(),
            moved: rebalance.moved.len(),
            unowned_ms: rebalance.unowned_ms(),
        }
    }

    /// Entry from a status, which has no advice.
    pub fn from_status(rebalance: &RebalanceStatus) -> Self {
        let number = |number: i32| usize::try_from(number).unwrap_or_default();
        Self {
            group: rebalance.group.clone(),
            number: rebalance.number,
            at: rebalance.time.parse().ok(),
            cause: rebalance.cause.clone(),
            is_trouble: rebalance
                .cause
                .as_deref()
                .and_then(Cause::named)
                .is_some_and(Cause::is_trouble),
            sentence: rebalance.message.clone(),
            advice: None,
            joined: number(rebalance.joined),
            left: number(rebalance.left),
            moved: number(rebalance.moved),
            unowned_ms: rebalance
                .without_owner_ms
                .and_then(|ms| u64::try_from(ms).ok()),
        }
    }

    /// Document with the field names of status; null is unknown, or pending.
    fn value(&self) -> Value {
        json!({
            "group": self.group, "number": self.number, "time": self.at.map(|at| at.to_string()), "cause": self.cause,
            "message": self.sentence, "advice": self.advice, "joined": self.joined, "left": self.left,
            "moved": self.moved, "withoutOwnerMs": self.unowned_ms,
        })
    }

    /// Message of the cause, else the counts of members; names are shortened by the prefix of the group's consumers.
    fn describe(&self, practice: &str) -> String {
        if let Some(sentence) = self
            .sentence
            .as_ref()
            .filter(|sentence| !sentence.is_empty())
        {
            let prefix = format!("{practice}-{}-", self.group);
            let short = |word: &str| {
                let rest = word.strip_prefix(prefix.as_str());
                rest.map_or_else(|| word.to_owned(), |rest| format!("…{rest}"))
            };
            return sentence.split(' ').map(short).collect::<Vec<_>>().join(" ");
        }
        let counts = [(self.joined, "joined"), (self.left, "left")];
        let parts: Vec<String> = counts
            .iter()
            .filter(|(count, _)| *count > 0)
            .map(|(count, verb)| format!("{count} {verb}"))
            .collect();
        if parts.is_empty() {
            "no member joined or left".to_owned()
        } else {
            parts.join(", ")
        }
    }
}

/// Layout of the table.
#[derive(Debug, Clone)]
pub struct Shape {
    /// Name of the practice.
    pub practice: String,
    /// Width of the terminal in columns; `None` means no limit.
    pub width: Option<usize>,
    /// Whether to show the group's column.
    pub with_group: bool,
    /// Number of newest rebalances to show.
    pub last: usize,
    /// Time and time zone of the reader; times of today have no date.
    pub now: Zoned,
}

/// Least width of the WHAT HAPPENED column.
const NARROW: usize = 24;

/// Renders rebalances as a table, newest last.
pub fn journal(entries: Vec<Entry>, shape: &Shape) -> Vec<Line> {
    if entries.is_empty() {
        return vec![Line::of(
            Tone::Dim,
            "no rebalances recorded: assignments have not changed since monitoring began",
        )];
    }
    let (entries, earlier) = last(entries, shape.last);
    let words = [
        "TIME",
        "GROUP",
        "CAUSE",
        "WHAT HAPPENED",
        "MOVED",
        "WITHOUT OWNER",
    ];
    let heads = words
        .into_iter()
        .filter(|head| shape.with_group || *head != "GROUP");
    let mut rows: Vec<Vec<Line>> = vec![heads.map(|head| Line::of(Tone::Strong, head)).collect()];
    let room = room(&entries, shape);
    for entry in &entries {
        let mut what = wrapped(&entry.describe(&shape.practice), room).into_iter();
        let first = what.next().unwrap_or_default();
        rows.push(row(entry, shape, Line::plain(&first)));
        let advice = entry.advice.iter().flat_map(|advice| {
            let lines = wrapped(advice, room.map(|room| room.saturating_sub(2)));
            lines
                .into_iter()
                .enumerate()
                .map(|(n, line)| format!("{} {line}", if n == 0 { "→" } else { " " }))
        });
        let more = what
            .map(|line| Line::plain(&line))
            .chain(advice.map(|line| Line::of(Tone::Strong, &line)));
        for line in more {
            let before = if shape.with_group { 3 } else { 2 };
            let mut cells = vec![Line::new(); before];
            cells.push(line);
            rows.push(cells);
        }
    }
    let mut columns = vec![Column::Left; if shape.with_group { 4 } else { 3 }];
    columns.extend([Column::Right, Column::Right]);
    let mut lines = table(rows, &columns);
    if earlier > 0 {
        let all = entries.len() + earlier;
        let note = format!(
            "{} earlier: --last {all} shows all",
            counted(earlier, "rebalance")
        );
        lines.insert(0, Line::of(Tone::Dim, &note));
    }
    lines
}

/// The newest rebalances, oldest first, and the number of earlier ones.
fn last(entries: Vec<Entry>, most: usize) -> (Vec<Entry>, usize) {
    let mut entries = newest_first(entries);
    let earlier = entries.len().saturating_sub(most);
    entries.truncate(most);
    entries.reverse();
    (entries, earlier)
}

/// The newest `most` rebalances as a document: `{rebalances: [...], earlier}`.
pub fn document(entries: Vec<Entry>, most: usize) -> Value {
    let (entries, earlier) = last(entries, most);
    json!({"rebalances": entries.iter().map(Entry::value).collect::<Vec<_>>(), "earlier": earlier})
}

/// The newest `most` rebalances as flat text, one unwrapped line each.
pub fn wide(entries: Vec<Entry>, practice: &str, most: usize) -> Vec<Line> {
    const HEADS: [(&str, Column); 9] = [
        ("TIME", Column::Left),
        ("GROUP", Column::Left),
        ("NUMBER", Column::Right),
        ("CAUSE", Column::Left),
        ("JOINED", Column::Right),
        ("LEFT", Column::Right),
        ("MOVED", Column::Right),
        ("WITHOUT-OWNER", Column::Right),
        ("WHAT-HAPPENED", Column::Left),
    ];
    let mut rows = vec![
        HEADS
            .iter()
            .map(|(head, _)| Line::of(Tone::Strong, head))
            .collect::<Vec<_>>(),
    ];
    for entry in last(entries, most).0 {
        let or_none = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
        let cells = [
            or_none(entry.at.map(|at| at.to_string())),
            entry.group.clone(),
            entry.number.to_string(),
            or_none(entry.cause.clone()),
            entry.joined.to_string(),
            entry.left.to_string(),
            entry.moved.to_string(),
            or_none(entry.unowned_ms.map(|ms| format!("{ms}ms"))),
            entry.describe(practice),
        ];
        rows.push(cells.iter().map(|cell| Line::plain(cell)).collect());
    }
    table(rows, &HEADS.map(|(_, column)| column))
}

/// Sorts rebalances, newest first: by number within a group, so that a clock that was set back changes nothing; by time
/// between groups.
fn newest_first(mut entries: Vec<Entry>) -> Vec<Entry> {
    entries.sort_by(|a, b| (&a.group, a.number).cmp(&(&b.group, b.number)));
    let (mut group, mut latest) = (String::new(), None);
    let mut dated: Vec<(Option<Timestamp>, Entry)> = Vec::with_capacity(entries.len());
    for entry in entries {
        if entry.group != group {
            group.clone_from(&entry.group);
            latest = None;
        }
        latest = latest.max(entry.at);
        dated.push((latest, entry));
    }
    dated.reverse();
    dated.sort_by_key(|(at, _)| Reverse(*at)); // stable
    dated.into_iter().map(|(_, entry)| entry).collect()
}

fn row(entry: &Entry, shape: &Shape, what: Line) -> Vec<Line> {
    let time = entry
        .at
        .map_or_else(|| "?".to_owned(), |at| time(at, &shape.now));
    let cause = match &entry.cause {
        Some(cause) if entry.is_trouble => Line::of(Tone::Bad, cause),
        Some(cause) if cause == "Unknown" => Line::of(Tone::Warn, cause),
        Some(cause) => Line::plain(cause),
        None => Line::of(Tone::Dim, "pending"),
    };
    let without = match (entry.unowned_ms, entry.moved) {
        (Some(ms), _) => seconds(ms),
        (None, 0) => "-".to_owned(),
        (None, _) => "?".to_owned(),
    };
    let group = shape.with_group.then(|| Line::plain(&entry.group));
    let mut cells = vec![Line::of(Tone::Dim, &time)];
    cells.extend(group);
    cells.extend([
        cause,
        what,
        Line::plain(&entry.moved.to_string()),
        Line::plain(&without),
    ]);
    cells
}

/// Width that remains for the WHAT HAPPENED column.
fn room(entries: &[Entry], shape: &Shape) -> Option<usize> {
    let widest = |of: &dyn Fn(&Entry) -> usize, head: usize| {
        entries.iter().map(of).max().unwrap_or(0).max(head)
    };
    let time = widest(
        &|entry| entry.at.map_or(1, |at| time(at, &shape.now).len()),
        4,
    );
    let cause = widest(
        &|entry| entry.cause.as_ref().map_or("pending".len(), String::len),
        5,
    );
    let group = if shape.with_group {
        widest(&|entry| entry.group.chars().count(), 5) + 3
    } else {
        0
    };
    let others = time + 3 + group + cause + 3 + 3 + "MOVED".len() + 3 + "WITHOUT OWNER".len();
    shape
        .width
        .map(|width| width.saturating_sub(others).max(NARROW))
}

/// `14:02:11`, or `Nov 24 14:02:11` on another day.
pub fn time(at: Timestamp, now: &Zoned) -> String {
    let at = at.to_zoned(now.time_zone().clone());
    at.strftime(if at.date() == now.date() {
        "%H:%M:%S"
    } else {
        "%b %d %H:%M:%S"
    })
    .to_string()
}

/// `0.3 s`
fn seconds(ms: u64) -> String {
    let tenths = ms.saturating_add(50) / 100;
    format!("{}.{} s", tenths / 10, tenths % 10)
}

#[cfg(test)]
mod tests;
