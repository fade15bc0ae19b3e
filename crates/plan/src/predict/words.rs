//! A preview as text for the plugin, local mode and the live view. Pure. In: the changes to a group. Out: lines, each with a
//! label, a number and a reason.

use super::{Count, GroupChange, GroupPrediction, Pause, Span, counted};

/// The style of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manner {
    /// A change.
    Plain,
    /// A change to consider before applying.
    Warning,
    /// Background.
    Aside,
}

/// One line about a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    /// `moves`; empty: the line continues the one before it.
    pub label: &'static str,
    /// `1..2 of 3 partitions`; may be empty.
    pub number: String,
    /// The reason; may be empty.
    pub why: String,
    /// Its style.
    pub manner: Manner,
}

/// `2 → 4 consumers`
pub fn consumers(group: &GroupPrediction) -> String {
    let GroupPrediction { from, to, .. } = group;
    match (group.change, from == to) {
        (GroupChange::New, _) => format!("new, {}", counted(*to, "consumer")),
        (GroupChange::Gone, _) => format!("gone, {from} → 0 consumers"),
        (GroupChange::Stopped, _) => format!("stopped, {from} → 0 consumers"),
        (GroupChange::Started, _) => format!("started, {from} → {to} consumers"),
        (GroupChange::Stays, _) => format!("unchanged, {}", counted(*to, "consumer")),
        (_, true) => counted(*to, "consumer"),
        (_, false) => format!("{from} → {to} consumers"),
    }
}

/// The lines about a group, in display order.
pub fn group(group: &GroupPrediction) -> Vec<Said> {
    let mut all = Vec::new();
    let mut add = |label, number: String, why: &str, manner| {
        all.push(Said {
            label,
            number,
            why: why.to_owned(),
            manner,
        });
    };
    for (place, because) in group.because.iter().enumerate() {
        add(
            if place == 0 { "because" } else { "" },
            String::new(),
            because,
            Manner::Plain,
        );
    }
    let counts: [(&str, &Count); 2] = [("starts", &group.starts), ("stops", &group.stops)];
    for (label, count) in counts.into_iter().filter(|(_, count)| count.number > 0) {
        add(
            label,
            counted(count.number, "consumer"),
            &count.why,
            Manner::Plain,
        );
    }
    match &group.idle {
        Some(idle) if idle.number > 0 => {
            add(
                "idle",
                format!("{} of {}", idle.number, counted(group.to, "consumer")),
                &idle.why,
                Manner::Warning,
            );
        }
        None if group.to > 0 => {
            let why = match group.change {
                GroupChange::Started => "the number of consumers that start is unknown",
                _ => "the partition count of its topics is unknown",
            };
            add("idle", "?".to_owned(), why, Manner::Warning);
        }
        Some(_) | None => {}
    }
    let reads = !matches!(
        group.change,
        GroupChange::Stays | GroupChange::Gone | GroupChange::Stopped
    );
    match (&group.moves, &group.stays, &group.unknown) {
        (Some(moves), Some(stays), _) if moves.of > 0 && reads && group.to > 0 => {
            add("moves", span(moves), &moves.why, Manner::Plain);
            add("stays", span(stays), "", Manner::Plain);
        }
        (None, _, Some(why)) if reads => add("moves", "?".to_owned(), why, Manner::Warning),
        _ => {}
    }
    if let Some(pause) = &group.pause {
        add("pause", about(pause), &pause.why, Manner::Plain);
        if let Some(ms) = pause.noticed_after_ms {
            let words = format!(
                "a consumer that crashes or hangs instead is detected after {}",
                seconds(ms)
            );
            add("", String::new(), &words, Manner::Aside);
        }
    }
    if let Some(advice) = &group.advice {
        add("", String::new(), advice, Manner::Aside);
    }
    all
}

/// `1 of 3 partitions`, `1..2 of 3 partitions`
fn span(span: &Span) -> String {
    format!(
        "{} of {}",
        number(span.least, span.most),
        counted(span.of, "partition")
    )
}

/// `1..2 partitions, each for about 0.5 s`
fn about(pause: &Pause) -> String {
    let number = number(pause.least, pause.most);
    let what = if pause.most == 1 {
        "partition"
    } else {
        "partitions"
    };
    let each = if pause.most == 1 { "for" } else { "each for" };
    match pause.about_ms {
        Some(ms) => format!("{number} {what}, {each} about {}", seconds(ms)),
        None => format!("{number} {what} without an owner"),
    }
}

fn number(least: usize, most: usize) -> String {
    if least == most {
        least.to_string()
    } else {
        format!("{least}..{most}")
    }
}

/// `0.5 s`, `10 s`
fn seconds(ms: u64) -> String {
    if ms.is_multiple_of(1000) {
        format!("{} s", ms / 1000)
    } else {
        format!("{}.{} s", ms / 1000, ms % 1000 / 100)
    }
}
