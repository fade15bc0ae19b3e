//! Output of `plan`. Pure. In: a prediction (`practice_plan::predict`). Out: lines: the changes of each topic, of each group
//! and of the producer, a number first, then its reason. An unchanged object has one line.

use practice_plan::predict::{
    Count, GroupChange, GroupPrediction, Prediction, TopicChange, TopicPrediction,
    words::{self, Manner},
};

use crate::text::{Column, Line, Tone, counted, table, wrapped};

/// Layout of a prediction.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Shape {
    /// Width of the terminal in columns; `None` means no limit.
    pub width: Option<usize>,
    /// Whether to print the name as `namespace/name`.
    pub with_namespace: bool,
}

/// Column of the labels below a group.
const INDENT: usize = 4;
/// Width of a label such as `starts`.
const LABEL: usize = 10;
/// Least width of wrapped text.
const NARROW: usize = 30;

/// Renders one prediction.
pub fn plan(prediction: &Prediction, shape: Shape) -> Vec<Line> {
    let mut lines = vec![headline(prediction, shape)];
    for fault in &prediction.refused {
        lines.extend(labelled("", "", Tone::Plain, fault, shape));
    }
    if !prediction.refused.is_empty() {
        return lines;
    }
    for note in &prediction.notes {
        lines.extend(labelled("note", "", Tone::Warn, note, shape));
    }
    lines.extend(topics(&prediction.topics));
    for (place, group) in prediction.groups.iter().enumerate() {
        lines.extend(group_lines(group, place, shape));
    }
    for change in &prediction.producer {
        lines.push(Line::of(Tone::Strong, "  producer").and(Tone::Plain, &format!("   {change}")));
    }
    lines
}

/// `practice-3   1 of 3 groups changes, 3 consumers start`
fn headline(prediction: &Prediction, shape: Shape) -> Line {
    let Prediction {
        namespace,
        practice,
        ..
    } = prediction;
    let name = if shape.with_namespace {
        format!("{namespace}/{practice}")
    } else {
        practice.clone()
    };
    let line = Line::of(Tone::Strong, &name).and(Tone::Plain, "   ");
    if !prediction.refused.is_empty() {
        return line
            .and(Tone::Bad, "✘ would be refused")
            .and(Tone::Plain, ": no changes");
    }
    if !prediction.changes_something() {
        return line.and(Tone::Good, "✔ nothing changes");
    }
    let sum = |of: fn(&GroupPrediction) -> &Count| {
        prediction
            .groups
            .iter()
            .map(|group| of(group).number)
            .sum::<usize>()
    };
    let (starts, stops) = (sum(|group| &group.starts), sum(|group| &group.stops));
    let changed = prediction
        .groups
        .iter()
        .filter(|group| group.change != GroupChange::Stays)
        .count();
    let mut parts = Vec::new();
    if prediction.exists != Some(true) {
        parts.push("new".to_owned());
    } else if changed > 0 {
        parts.push(format!(
            "{changed} of {} change{}",
            counted(prediction.groups.len(), "group"),
            third(changed)
        ));
    }
    for (number, verb) in [(starts, "start"), (stops, "stop")] {
        if number > 0 {
            parts.push(format!(
                "{} {verb}{}",
                counted(number, "consumer"),
                third(number)
            ));
        }
    }
    if parts.is_empty() {
        parts.push("no group changes".to_owned());
    }
    line.and(Tone::Plain, &parts.join(", "))
}

fn topics(topics: &[TopicPrediction]) -> Vec<Line> {
    let row = |topic: &TopicPrediction| {
        let (tone, word) = match topic.change {
            TopicChange::Created => (Tone::Good, "is created"),
            TopicChange::Grown => (Tone::Warn, "grows"),
            TopicChange::Configured => (Tone::Good, "is configured"),
            TopicChange::Refused => (Tone::Bad, "✘ is not changed"),
            TopicChange::Stays => (Tone::Dim, "unchanged"),
            TopicChange::Released => (Tone::Dim, "is released"),
        };
        let name = Line::plain("  ")
            .and(Tone::Plain, "topic ")
            .and(Tone::Strong, &topic.name);
        vec![name, Line::of(tone, word), Line::plain(&topic.why)]
    };
    table(topics.iter().map(row).collect(), &[Column::Left; 3])
}

fn group_lines(group: &GroupPrediction, place: usize, shape: Shape) -> Vec<Line> {
    let mut head = Line::plain("  ")
        .and(Tone::Hue(place), &group.name)
        .and(Tone::Plain, "   ");
    let stays = group.change == GroupChange::Stays;
    head.push(
        if stays { Tone::Dim } else { Tone::Plain },
        &words::consumers(group),
    );
    let changes = words::group(group).into_iter().flat_map(|change| {
        let tone = match change.manner {
            Manner::Plain => Tone::Plain,
            Manner::Warning => Tone::Warn,
            Manner::Aside => Tone::Dim,
        };
        labelled(change.label, &change.number, tone, &change.why, shape)
    });
    std::iter::once(head).chain(changes).collect()
}

/// `    moves     1..2 of 3 partitions: why`, wrapped.
fn labelled(label: &str, number: &str, tone: Tone, why: &str, shape: Shape) -> Vec<Line> {
    let room = shape
        .width
        .map(|width| width.saturating_sub(INDENT + LABEL).max(NARROW));
    let text = match (number.is_empty(), why.is_empty()) {
        (true, _) => why.to_owned(),
        (false, true) => number.to_owned(),
        (false, false) => format!("{number}: {why}"),
    };
    let line = |(place, text): (usize, String)| {
        let mut line = Line::new();
        line.pad(INDENT);
        if place == 0 {
            line.push(Tone::Dim, label);
        }
        line.pad(INDENT + LABEL);
        line.push(tone, &text);
        line
    };
    wrapped(&text, room)
        .into_iter()
        .enumerate()
        .map(line)
        .collect()
}

/// Ending of a verb in the third person.
fn third(number: usize) -> &'static str {
    if number == 1 { "s" } else { "" }
}

#[cfg(test)]
mod tests;
