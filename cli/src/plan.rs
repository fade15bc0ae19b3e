//! What a manifest will do, for `plan`. Pure. In: a prediction (`practice_operator::predict`). Out: lines: for each topic, group
//! and the producer what happens, a number first, then why. What stays as it is has one line.

use practice_operator::predict::{
    Count, GroupChange, GroupPrediction, Pause, Prediction, Span, TopicChange, TopicPrediction,
};

use crate::text::{Column, Line, Tone, counted, table, wrapped};

/// How it is drawn.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Shape {
    /// Columns that there are; `None`: no end.
    pub width: Option<usize>,
    /// Whether the practice is called `namespace/name`.
    pub with_namespace: bool,
}

/// Where what is said of something begins.
const INDENT: usize = 4;
/// Columns of the words that stand before it: `starts`.
const LABEL: usize = 10;
/// The narrowest that text is wrapped to.
const NARROW: usize = 30;

/// The lines of one prediction.
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
        lines.extend(of_group(group, place, shape));
    }
    for said in &prediction.producer {
        lines.push(Line::of(Tone::Strong, "  producer").and(Tone::Plain, &format!("   {said}")));
    }
    lines
}

/// `practice-3   1 of 3 groups changes, 3 consumers start`
fn headline(prediction: &Prediction, shape: Shape) -> Line {
    let Prediction { namespace, practice, .. } = prediction;
    let name = if shape.with_namespace { format!("{namespace}/{practice}") } else { practice.clone() };
    let line = Line::of(Tone::Strong, &name).and(Tone::Plain, "   ");
    if !prediction.refused.is_empty() {
        return line.and(Tone::Bad, "✘ would be refused").and(Tone::Plain, ": nothing happens");
    }
    if !prediction.changes_something() {
        return line.and(Tone::Good, "✔ nothing changes");
    }
    let sum =
        |of: fn(&GroupPrediction) -> &Count| prediction.groups.iter().map(|group| of(group).number).sum::<usize>();
    let (starts, stops) = (sum(|group| &group.starts), sum(|group| &group.stops));
    let changed = prediction.groups.iter().filter(|group| group.change != GroupChange::Stays).count();
    let mut said = Vec::new();
    if prediction.exists != Some(true) {
        said.push("new".to_owned());
    } else if changed > 0 {
        said.push(format!("{changed} of {} change{}", counted(prediction.groups.len(), "group"), third(changed)));
    }
    for (number, verb) in [(starts, "start"), (stops, "stop")] {
        if number > 0 {
            said.push(format!("{} {verb}{}", counted(number, "consumer"), third(number)));
        }
    }
    if said.is_empty() {
        said.push("no group changes".to_owned());
    }
    line.and(Tone::Plain, &said.join(", "))
}

fn topics(topics: &[TopicPrediction]) -> Vec<Line> {
    let row = |topic: &TopicPrediction| {
        let (tone, word) = match topic.change {
            TopicChange::Created => (Tone::Good, "is made"),
            TopicChange::Grown => (Tone::Warn, "grows"),
            TopicChange::Configured => (Tone::Good, "is configured"),
            TopicChange::Refused => (Tone::Bad, "✘ is left alone"),
            TopicChange::Stays => (Tone::Dim, "stays as it is"),
            TopicChange::Released => (Tone::Dim, "is released"),
        };
        let name = Line::plain("  ").and(Tone::Plain, "topic ").and(Tone::Strong, &topic.name);
        vec![name, Line::of(tone, word), Line::plain(&topic.why)]
    };
    table(topics.iter().map(row).collect(), &[Column::Left; 3])
}

fn of_group(group: &GroupPrediction, place: usize, shape: Shape) -> Vec<Line> {
    let mut head = Line::plain("  ").and(Tone::Hue(place), &group.name).and(Tone::Plain, "   ");
    let GroupPrediction { from, to, .. } = group;
    let consumers = match (group.change, from == to) {
        (GroupChange::New, _) => format!("new, {}", counted(*to, "consumer")),
        (GroupChange::Gone, _) => format!("gone, {from} → 0 consumers"),
        (GroupChange::Stopped, _) => format!("stopped, {from} → 0 consumers"),
        (GroupChange::Started, _) => format!("started, {from} → {to} consumers"),
        (GroupChange::Stays, _) => format!("stays as it is, {}", counted(*to, "consumer")),
        (_, true) => counted(*to, "consumer"),
        (_, false) => format!("{from} → {to} consumers"),
    };
    let stays = group.change == GroupChange::Stays;
    head.push(if stays { Tone::Dim } else { Tone::Plain }, &consumers);
    let mut lines = vec![head];
    let mut say =
        |label: &str, number: &str, tone: Tone, why: &str| lines.extend(labelled(label, number, tone, why, shape));
    for (place, because) in group.because.iter().enumerate() {
        say(if place == 0 { "because" } else { "" }, "", Tone::Plain, because);
    }
    for (label, count) in [("starts", &group.starts), ("stops", &group.stops)] {
        if count.number > 0 {
            say(label, &counted(count.number, "consumer"), Tone::Plain, &count.why);
        }
    }
    match &group.idle {
        Some(idle) if idle.number > 0 => {
            say("idle", &format!("{} of {}", idle.number, counted(*to, "consumer")), Tone::Warn, &idle.why);
        }
        None if *to > 0 => say("idle", "?", Tone::Warn, "how many partitions its topics have is not known"),
        Some(_) | None => {}
    }
    let reads = !matches!(group.change, GroupChange::Stays | GroupChange::Gone | GroupChange::Stopped);
    match (&group.moves, &group.stays, &group.unknown) {
        (Some(moves), Some(stays), _) if moves.of > 0 && reads && *to > 0 => {
            say("moves", &span(moves), Tone::Plain, &moves.why);
            say("stays", &span(stays), Tone::Plain, "");
        }
        (None, _, Some(why)) if reads => say("moves", "?", Tone::Warn, why),
        _ => {}
    }
    if let Some(pause) = &group.pause {
        say("pause", &about(pause), Tone::Plain, &pause.why);
        if let Some(ms) = pause.noticed_after_ms {
            let words = format!("a consumer that crashes or hangs instead is noticed after {}", seconds(ms));
            say("", "", Tone::Dim, &words);
        }
    }
    if let Some(advice) = &group.advice {
        say("", "", Tone::Dim, advice);
    }
    lines
}

/// `    moves     1..2 of 3 partitions: why`, wrapped.
fn labelled(label: &str, number: &str, tone: Tone, why: &str, shape: Shape) -> Vec<Line> {
    let room = shape.width.map(|width| width.saturating_sub(INDENT + LABEL).max(NARROW));
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
    wrapped(&text, room).into_iter().enumerate().map(line).collect()
}

/// `1 of 3 partitions`, `1..2 of 3 partitions`
fn span(span: &Span) -> String {
    format!("{} of {}", number(span.least, span.most), counted(span.of, "partition"))
}

/// `1..2 partitions, each for about 0.5 s`
fn about(pause: &Pause) -> String {
    let number = number(pause.least, pause.most);
    let what = if pause.most == 1 { "partition" } else { "partitions" };
    let each = if pause.most == 1 { "for" } else { "each for" };
    match pause.about_ms {
        Some(ms) => format!("{number} {what}, {each} about {}", seconds(ms)),
        None => format!("{number} {what} without an owner"),
    }
}

fn number(least: usize, most: usize) -> String {
    if least == most { least.to_string() } else { format!("{least}..{most}") }
}

/// `0.5 s`, `10 s`
fn seconds(ms: u64) -> String {
    if ms.is_multiple_of(1000) { format!("{} s", ms / 1000) } else { format!("{}.{} s", ms / 1000, ms % 1000 / 100) }
}

/// The ending of a verb in the third person.
fn third(number: usize) -> &'static str {
    if number == 1 { "s" } else { "" }
}

#[cfg(test)]
mod tests;
