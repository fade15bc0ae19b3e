//! Which groups have handled the messages that were sent, and how often. Pure. In: what `practice_groups::handled` found out, names, the
//! time zone. Out: lines for each group and a summary (`send --follow`, `where`), or a document.

mod document;
mod groups;
mod words;

use jiff::Zoned;
use practice_groups::handled::{
    GroupHandling, HandledAnswer, HandledRound, Handling, HandlingException, ReadingGroup,
    ReadingState, SentMessages, Unexpected,
};

use crate::{
    text::{Line, Tone, counted, wrapped},
    tree::short_name,
};

pub use document::document;
pub use groups::{check_place, reading_groups};
use words::{reason, times};

/// Exceptions of a group that are shown; the document has all.
const SHOWN: usize = 8;
/// Longer names do not widen the column.
const LONGEST: usize = 40;

/// Layout of the lines.
#[derive(Debug, Clone)]
pub struct Shape {
    /// Name of the practice: its pods are shown without it.
    pub practice: String,
    /// Width of the column of groups.
    pub group: usize,
    /// Width of the column of consumers.
    pub consumer: usize,
    /// Width of the terminal; `None`: lines are not wrapped.
    pub width: Option<usize>,
    /// The time: its zone is that of all times, and times of another day have their date.
    pub now: Zoned,
}

impl Shape {
    /// Layout for what was found out in a round.
    pub fn of(
        practice: &str,
        groups: &[ReadingGroup],
        round: &HandledRound,
        width: Option<usize>,
        now: Zoned,
    ) -> Self {
        let mut shape = Self {
            practice: practice.to_owned(),
            group: 0,
            consumer: 0,
            width,
            now,
        };
        let widest = |widths: &mut dyn Iterator<Item = usize>| {
            widths.filter(|width| *width <= LONGEST).max().unwrap_or(0)
        };
        let name = |answer: &HandledAnswer| {
            let name = shape.consumer(&answer.group, &answer.consumer);
            Line::plain(&name).width()
        };
        let consumer = widest(&mut round.answers.iter().map(name));
        let names = groups.iter().map(|group| Line::plain(&group.name).width());
        shape.group = widest(&mut names.into_iter());
        shape.consumer = consumer;
        shape
    }

    /// Name of a consumer, as the tree shows it: that of a pod without practice and group.
    fn consumer(&self, group: &str, name: &str) -> String {
        short_name(&format!("{}-{group}-", self.practice), name)
    }

    /// A line that continues below where it began.
    fn hanging(&self, mut head: Line, tone: Tone, text: &str) -> Vec<Line> {
        let indent = head.width();
        let room = self.width.map(|width| width.saturating_sub(indent).max(20));
        let mut lines = Vec::new();
        for part in wrapped(text, room) {
            head.push(tone, &part);
            lines.push(std::mem::take(&mut head));
            head.pad(indent);
        }
        lines
    }
}

/// The lines of one group.
pub fn group_lines(handling: &GroupHandling, sent: &SentMessages, shape: &Shape) -> Vec<Line> {
    let mut head = Line::plain("  ").and(Tone::Strong, &handling.group);
    head.gap(2 + shape.group + 3);
    if handling.state == ReadingState::OtherTopics {
        return shape.hanging(head, Tone::Dim, "does not read this topic");
    }
    if sent.count() == 1 {
        return one_message(handling, sent, head, shape);
    }
    let mut lines = shape.hanging(head, tone(handling), &words::counts(handling, sent));
    lines.extend(consumer_lines(handling, shape));
    let mut shown: Vec<&HandlingException> = handling.exceptions.iter().collect();
    shown.sort_by_key(|exception| match exception.what {
        Unexpected::Several(_) => 0,
        Unexpected::Missing(_) => 1,
        Unexpected::Unknown { .. } => 2,
    });
    let each = shown.into_iter().take(SHOWN);
    lines.extend(each.flat_map(|exception| exception_lines(handling, exception, shape)));
    let more = handling.exceptions.len().saturating_sub(SHOWN);
    if more > 0 {
        let text = format!(
            "      and {}: -o json lists all",
            counted(more, "more range")
        );
        lines.push(Line::of(Tone::Dim, &text));
    }
    lines
}

fn tone(handling: &GroupHandling) -> Tone {
    if handling.is_exact() {
        Tone::Good
    } else if handling.several + handling.missing > 0 {
        Tone::Bad
    } else {
        Tone::Warn
    }
}

/// `my-group-1   …1-b   handled after 0.03 s`
fn one_message(
    handling: &GroupHandling,
    sent: &SentMessages,
    mut head: Line,
    shape: &Shape,
) -> Vec<Line> {
    let consumer = |name: &str| shape.consumer(&handling.group, name);
    match handling.exceptions.first().map(|exception| &exception.what) {
        None => {
            let Some(only) = handling.consumers.first() else {
                return vec![head];
            };
            head.push(Tone::Plain, &consumer(&only.consumer));
            let after = words::after(only.done_at, sent.last_at(), &shape.now);
            head.gap(2 + shape.group + 3 + shape.consumer + 3);
            shape.hanging(head, Tone::Good, &format!("handled {after}"))
        }
        Some(what @ Unexpected::Missing(_)) => {
            let text = format!("not handled: {}", reason(what, &consumer, &shape.now));
            shape.hanging(head, Tone::Bad, &text)
        }
        Some(what @ Unexpected::Several(all)) => {
            let text = format!(
                "handled {}: {}",
                times(all.len()),
                reason(what, &consumer, &shape.now)
            );
            shape.hanging(head, Tone::Bad, &text)
        }
        Some(what @ Unexpected::Unknown { handled, .. }) => {
            let why = reason(what, &consumer, &shape.now);
            if let Some(Handling {
                consumer: name,
                done_at,
                ..
            }) = handled.first()
            {
                let after = words::after(*done_at, sent.last_at(), &shape.now);
                head.push(Tone::Plain, &consumer(name));
                head.gap(2 + shape.group + 3 + shape.consumer + 3);
                let text = format!("handled {after}; whether once is unknown: {why}");
                return shape.hanging(head, Tone::Warn, &text);
            }
            shape.hanging(head, Tone::Warn, &format!("unknown: {why}"))
        }
    }
}

/// `      …1-a 3334, …1-b 6666`
fn consumer_lines(handling: &GroupHandling, shape: &Shape) -> Vec<Line> {
    let each = handling.consumers.iter().map(|one| {
        let name = shape.consumer(&handling.group, &one.consumer);
        format!("{name} {}", one.messages)
    });
    let all: Vec<String> = each.collect();
    if all.is_empty() {
        return Vec::new();
    }
    shape.hanging(Line::plain("      "), Tone::Dim, &all.join(", "))
}

/// `      my-topic/2@13..14   2 times: …`
fn exception_lines(
    handling: &GroupHandling,
    exception: &HandlingException,
    shape: &Shape,
) -> Vec<Line> {
    let consumer = |name: &str| shape.consumer(&handling.group, name);
    let why = reason(&exception.what, &consumer, &shape.now);
    let (tone, what) = match &exception.what {
        Unexpected::Several(all) => (Tone::Bad, times(all.len())),
        Unexpected::Missing(_) => (Tone::Bad, "not handled".to_owned()),
        Unexpected::Unknown { handled, .. } if handled.is_empty() => {
            (Tone::Warn, "unknown".to_owned())
        }
        Unexpected::Unknown { .. } => (Tone::Warn, "handled, whether once is unknown".to_owned()),
    };
    let place = words::place(
        &exception.topic,
        exception.partition,
        exception.from,
        exception.to,
    );
    let head = Line::plain("      ").and(Tone::Plain, &format!("{place}   "));
    shape.hanging(head, tone, &format!("{what}: {why}"))
}

/// Whether every group that reads the topic has handled each message exactly once, and there is such a group.
pub fn is_exact(all: &[GroupHandling], sent: &SentMessages) -> bool {
    let mut reading = readers(all).peekable();
    sent.without_offset == 0 && reading.peek().is_some() && reading.all(GroupHandling::is_exact)
}

fn readers(all: &[GroupHandling]) -> impl Iterator<Item = &GroupHandling> {
    all.iter()
        .filter(|handling| handling.state != ReadingState::OtherTopics)
}

/// `3 of 3 groups handled it, each once`, or what is missing and why.
pub fn summary(all: &[GroupHandling], sent: &SentMessages, shape: &Shape) -> Vec<Line> {
    let reading: Vec<&GroupHandling> = readers(all).collect();
    if reading.is_empty() {
        return vec![Line::of(
            Tone::Bad,
            "no group of this practice reads this topic",
        )];
    }
    let exact = reading
        .iter()
        .filter(|handling| handling.is_exact())
        .count();
    let what = match sent.count() {
        1 => "it".to_owned(),
        count => format!("all {count} messages"),
    };
    let mut parts = vec![format!(
        "{exact} of {} handled {what}, each once",
        counted(reading.len(), "group")
    )];
    for handling in reading.iter().filter(|handling| !handling.is_exact()) {
        let consumer = |name: &str| shape.consumer(&handling.group, name);
        parts.push(words::shortfall(handling, sent, &consumer, &shape.now));
    }
    if sent.without_offset > 0 {
        let lost = usize::try_from(sent.without_offset).unwrap_or(usize::MAX);
        parts.push(format!(
            "{} acknowledged without an offset cannot be followed",
            counted(lost, "message")
        ));
    }
    let tone = if is_exact(all, sent) {
        Tone::Good
    } else {
        Tone::Bad
    };
    shape.hanging(Line::new(), tone, &parts.join("; "))
}

#[cfg(test)]
mod tests;
