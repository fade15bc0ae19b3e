//! What happened to messages, in words. Pure.

use jiff::{Timestamp, Zoned};
use practice_groups::handled::{
    BlindSpot, Blindness, GroupHandling, Handling, MissingReason, SentMessages, Unexpected,
    UnknownReason,
};

/// Consumers that are named; others are counted.
const NAMED: usize = 3;

/// `2 times`
pub(super) fn times(count: usize) -> String {
    match count {
        1 => "once".to_owned(),
        2 => "twice".to_owned(),
        count => format!("{count} times"),
    }
}

/// `my-topic/2@17`, `my-topic/2@13..14`
pub(super) fn place(topic: &str, partition: i32, from: i64, to: i64) -> String {
    if from == to {
        format!("{topic}/{partition}@{from}")
    } else {
        format!("{topic}/{partition}@{from}..{to}")
    }
}

/// `after 0.03 s` since a message was produced; where that is unknown, `at 14:02:11.345`.
pub(super) fn after(at: i64, produced_at: Option<i64>, now: &Zoned) -> String {
    match produced_at {
        Some(produced_at) => format!("after {} s", seconds(at - produced_at)),
        None => format!("at {}", clock(at, now)),
    }
}

/// `2.01`. Clocks of two machines differ by milliseconds: what seems to be before is 0.
fn seconds(millis: i64) -> String {
    let hundredths = (millis.max(0) + 5) / 10;
    format!("{}.{:02}", hundredths / 100, hundredths % 100)
}

/// `14:02:11.345` in the zone of `now`, with the date if it is another day.
pub(super) fn clock(at: i64, now: &Zoned) -> String {
    let Ok(at) = Timestamp::from_millisecond(at) else {
        return "?".to_owned();
    };
    let at = at.to_zoned(now.time_zone().clone());
    let form = if at.date() == now.date() {
        "%H:%M:%S%.3f"
    } else {
        "%Y-%m-%d %H:%M:%S%.3f"
    };
    at.strftime(form).to_string()
}

/// `10000 messages, each once, the last one 0.12 s after it was sent`, or how many were not.
pub(super) fn counts(handling: &GroupHandling, sent: &SentMessages) -> String {
    if handling.is_exact() {
        let done = handling.consumers.iter().map(|one| one.done_at).max();
        let last = done
            .zip(sent.last_at())
            .map_or_else(String::new, |(done, last)| {
                format!(", all {} s after the last was sent", seconds(done - last))
            });
        return format!("handled {}, each once{last}", sent.count());
    }
    let parts = [
        (handling.once, "once"),
        (handling.several, "more than once"),
        (handling.missing, "not handled"),
        (handling.unknown, "unknown"),
    ];
    let parts = parts.iter().filter(|(count, _)| *count > 0);
    let parts: Vec<String> = parts
        .map(|(count, what)| format!("{count} {what}"))
        .collect();
    format!("of {}: {}", sent.count(), parts.join(", "))
}

/// `not handled by g2: partition 2 has no owner`
pub(super) fn shortfall(
    handling: &GroupHandling,
    sent: &SentMessages,
    consumer: &dyn Fn(&str) -> String,
    now: &Zoned,
) -> String {
    let group = &handling.group;
    let first = |is: fn(&Unexpected) -> bool| {
        let mut all = handling.exceptions.iter().map(|exception| &exception.what);
        all.find(|what| is(what))
            .map_or_else(String::new, |what| reason(what, consumer, now))
    };
    let number = |count: u64| {
        if sent.count() == 1 {
            String::new()
        } else {
            format!("{count} ")
        }
    };
    if handling.missing > 0 {
        let why = first(|what| matches!(what, Unexpected::Missing(_)));
        return format!("{}not handled by {group}: {why}", number(handling.missing));
    }
    if handling.several > 0 {
        return format!(
            "{}handled more than once by {group}",
            number(handling.several)
        );
    }
    let why = first(|what| matches!(what, Unexpected::Unknown { .. }));
    format!("{}unknown of {group}: {why}", number(handling.unknown))
}

/// Why a message was not handled exactly once.
pub(super) fn reason(what: &Unexpected, consumer: &dyn Fn(&str) -> String, now: &Zoned) -> String {
    match what {
        Unexpected::Missing(why) => missing(why, consumer),
        Unexpected::Several(all) => {
            let each = all.iter().map(|one| handled(one, consumer, now));
            each.collect::<Vec<_>>().join(", then ")
        }
        Unexpected::Unknown { why, .. } => match why {
            UnknownReason::Blind(spots) => spotted(spots, consumer, now),
            UnknownReason::Passed { committed, blind } if blind.is_empty() => format!(
                "no consumer that runs now has handled it, and the group's committed offset {committed} is past it"
            ),
            UnknownReason::Passed { committed, blind } => format!(
                "{} (the group's committed offset {committed} is past it)",
                spotted(blind, consumer, now)
            ),
            UnknownReason::Gaps {
                consumer: name,
                from,
                to,
                count,
            } => format!(
                "{} handled {count} messages of the offsets {from} to {to}, as after compaction or with transactions",
                consumer(name)
            ),
        },
    }
}

/// The sentence of `MissingReason`, with short names.
fn missing(why: &MissingReason, consumer: &dyn Fn(&str) -> String) -> String {
    let mut why = why.clone();
    if let MissingReason::Waiting { owner, .. } | MissingReason::Silent { owner, .. } = &mut why {
        *owner = consumer(owner);
    }
    why.to_string()
}

fn handled(one: &Handling, consumer: &dyn Fn(&str) -> String, now: &Zoned) -> String {
    let committed = if one.committed {
        ""
    } else {
        " (not committed)"
    };
    let at = clock(one.done_at, now);
    format!("{} at {at}{committed}", consumer(&one.consumer))
}

/// `…-x was deleted at 14:02:11.345`
fn spotted(spots: &[BlindSpot], consumer: &dyn Fn(&str) -> String, now: &Zoned) -> String {
    let spot = |spot: &BlindSpot| {
        let name = consumer(&spot.consumer);
        match &spot.why {
            Blindness::Gone { how, at: Some(at) } => {
                format!("{name} {how} at {}", clock(*at, now))
            }
            Blindness::Gone { how, at: None } => format!("{name} {how}"),
            Blindness::Silent(why) => format!("{name} {why}"),
            Blindness::Forgotten(since) => {
                format!(
                    "{name} remembers what it handled since {}",
                    clock(*since, now)
                )
            }
        }
    };
    let mut named: Vec<String> = spots.iter().take(NAMED).map(spot).collect();
    if spots.len() > NAMED {
        named.push(format!("{} more", spots.len() - NAMED));
    }
    named.join(", ")
}
