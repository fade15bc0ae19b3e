//! Sends the messages that are followed, each after the acknowledgement of the one before. In: a way to send one. Out: where they are, and a line
//! about it.

use std::{cell::RefCell, time::Duration};

use practice_groups::handled::SentMessages;
use tokio::time::Instant;

use crate::{
    error::Failure,
    screen::Screen,
    sent::Sent,
    text::{Line, Tone, counted},
};

/// What is sent.
#[derive(Debug, Clone, Copy)]
pub struct Requested<'a> {
    /// Key of the messages; `None`: the producer chooses.
    pub key: Option<&'a str>,
    /// Partition; `None`: by the key.
    pub partition: Option<i32>,
    /// Number of messages.
    pub count: u32,
    /// Whether lines are printed.
    pub is_printed: bool,
}

/// Sends messages and adds them to `sent`; prints where they are, also when a later one was refused.
///
/// # Errors
/// What `one_more` failed with; it was not called again after that.
pub async fn send_messages(
    requested: Requested<'_>,
    sent: &RefCell<SentMessages>,
    screen: &mut Screen,
    mut one_more: impl AsyncFnMut() -> Result<Sent, Failure>,
) -> Result<(), Failure> {
    let begun = Instant::now();
    let (mut last, mut took, mut count) = (None, Duration::ZERO, 0);
    let mut result = Ok(());
    for _ in 0..requested.count {
        let each = Instant::now();
        match one_more().await {
            Ok(message) => {
                took = each.elapsed();
                add(&mut sent.borrow_mut(), &message);
                last = Some(message);
                count += 1;
            }
            Err(failure) => {
                result = Err(failure);
                break;
            }
        }
    }
    if let Some(last) = last.filter(|_| requested.is_printed) {
        let lines = if requested.count == 1 {
            vec![one(requested, &last, took)]
        } else {
            many(requested, &last, &sent.borrow(), (count, begun.elapsed()))
        };
        screen.print(&lines)?;
    }
    result
}

fn add(sent: &mut SentMessages, message: &Sent) {
    match message.offset {
        Some(offset) => sent.add(
            (&message.topic, message.partition),
            offset,
            message.timestamp,
        ),
        None => sent.without_offset += 1,
    }
}

/// `my-topic/2@17   acknowledged in 3 ms   partition 2: murmur2 of key 5f0c… mod 3, a random key`
fn one(requested: Requested<'_>, sent: &Sent, took: Duration) -> Line {
    let offset = sent
        .offset
        .map_or_else(|| "?".to_owned(), |offset| offset.to_string());
    let place = format!("{}/{}@{offset}", sent.topic, sent.partition);
    let why = sent.partition_reason(requested.key, requested.partition);
    Line::of(Tone::Good, &place)
        .and(
            Tone::Plain,
            &format!("   acknowledged in {} ms", took.as_millis()),
        )
        .and(
            Tone::Plain,
            &format!("   partition {}: {why}", sent.partition),
        )
}

/// `100 messages   acknowledged in 0.3 s   partitions: …`, and a line for each partition.
fn many(
    requested: Requested<'_>,
    last: &Sent,
    sent: &SentMessages,
    (count, took): (usize, Duration),
) -> Vec<Line> {
    let why = match (requested.partition, &last.random_key, last.partitions) {
        (None, Some(_), Some(partitions)) => {
            format!("partitions: murmur2 of a random key each, mod {partitions}")
        }
        _ => format!(
            "partition {}: {}",
            last.partition,
            last.partition_reason(requested.key, requested.partition)
        ),
    };
    let tenths = took.as_millis() / 100;
    let summary = format!(
        "{}   acknowledged in {}.{} s   ",
        counted(count, "message"),
        tenths / 10,
        tenths % 10
    );
    let mut lines = vec![Line::of(Tone::Good, &summary).and(Tone::Plain, &why)];
    for ((topic, partition), ranges) in sent.iter() {
        let (Some(first), Some(end)) = (ranges.first(), ranges.last()) else {
            continue;
        };
        let here: u64 = ranges
            .iter()
            .map(practice_groups::handled::SentRange::messages)
            .sum();
        let others = (end.to - first.from + 1).cast_unsigned() - here;
        let others = match usize::try_from(others).unwrap_or(usize::MAX) {
            0 => String::new(),
            others => format!(", with {} between them", counted(others, "other offset")),
        };
        let text = format!(
            "  {topic}/{partition}@{}..{}   {here}{others}",
            first.from, end.to
        );
        lines.push(Line::plain(&text));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(offset: i64, partition: i32) -> Sent {
        Sent {
            topic: "t".to_owned(),
            partition,
            offset: Some(offset),
            timestamp: Some(1_000),
            random_key: None,
            partitions: Some(3),
        }
    }

    const REQUESTED: Requested<'_> = Requested {
        key: None,
        partition: None,
        count: 3,
        is_printed: true,
    };

    #[test]
    fn one_line_says_where_a_message_is_and_why() {
        let given = Requested {
            partition: Some(2),
            ..REQUESTED
        };
        assert_eq!(
            one(given, &sent(17, 2), Duration::from_millis(3)).text(),
            "t/2@17   acknowledged in 3 ms   partition 2: given"
        );
    }

    #[test]
    fn many_messages_are_ranges_by_partition() {
        let mut all = SentMessages::default();
        for (offset, partition) in [(7, 0), (8, 0), (3, 1), (9, 0), (5, 1)] {
            add(&mut all, &sent(offset, partition));
        }
        let random = Sent {
            random_key: Some("5f0c".to_owned()),
            ..sent(5, 1)
        };
        let lines = many(REQUESTED, &random, &all, (5, Duration::from_millis(1_250)));
        let lines: Vec<String> = lines.iter().map(Line::text).collect();
        assert_eq!(
            lines,
            [
                "5 messages   acknowledged in 1.2 s   partitions: murmur2 of a random key each, mod 3",
                "  t/0@7..9   3",
                "  t/1@3..5   2, with 1 other offset between them",
            ]
        );
    }
}
