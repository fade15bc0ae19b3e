//! What is known of the messages, as a document for scripts. Pure. Names are whole, times are RFC 3339, and every exception is in it.

use jiff::Timestamp;
use practice_groups::handled::{
    BlindSpot, Blindness, GroupHandling, Handling, HandlingException, ReadingState, SentMessages,
    Unexpected, UnknownReason,
};
use serde_json::{Value, json};

/// `{messages, withoutOffset, ranges, groups, exactlyOnce}`.
pub fn document(all: &[GroupHandling], sent: &SentMessages) -> Value {
    let ranges: Vec<Value> = sent
        .spans()
        .flat_map(|((topic, partition), spans)| {
            spans.into_iter().map(move |range| {
                json!({"topic": topic, "partition": partition, "from": range.from, "to": range.to,
                       "producedAt": range.first_at.and_then(time)})
            })
        })
        .collect();
    json!({
        "messages": sent.count(),
        "withoutOffset": sent.without_offset,
        "ranges": ranges,
        "groups": all.iter().map(group).collect::<Vec<_>>(),
        "exactlyOnce": super::is_exact(all, sent),
    })
}

fn time(millis: i64) -> Option<String> {
    let at = Timestamp::from_millisecond(millis).ok()?;
    Some(at.to_string())
}

fn group(handling: &GroupHandling) -> Value {
    let (reads, not_running) = match &handling.state {
        ReadingState::Running => (true, None),
        ReadingState::NotRunning(why) => (true, Some(why)),
        ReadingState::OtherTopics => (false, None),
    };
    let consumers: Vec<Value> = handling
        .consumers
        .iter()
        .map(|one| {
            json!({"consumer": one.consumer, "messages": one.messages, "takenAt": time(one.taken_at),
                   "doneAt": time(one.done_at)})
        })
        .collect();
    json!({
        "group": handling.group, "readsTopic": reads, "notRunning": not_running, "once": handling.once,
        "moreThanOnce": handling.several, "notHandled": handling.missing, "unknown": handling.unknown,
        "consumers": consumers, "exceptions": handling.exceptions.iter().map(exception).collect::<Vec<_>>(),
    })
}

fn exception(exception: &HandlingException) -> Value {
    let handlings = |all: &[Handling]| all.iter().map(handling).collect::<Vec<_>>();
    let mut value = json!({"topic": exception.topic, "partition": exception.partition, "from": exception.from,
                           "to": exception.to});
    match &exception.what {
        Unexpected::Missing(why) => {
            value["result"] = json!("NotHandled");
            value["reason"] = json!(why.to_string());
        }
        Unexpected::Several(all) => {
            value["result"] = json!("MoreThanOnce");
            value["handled"] = json!(handlings(all));
        }
        Unexpected::Unknown { handled, why } => {
            value["result"] = json!("Unknown");
            value["handled"] = json!(handlings(handled));
            match why {
                UnknownReason::Blind(spots) => value["unknownOf"] = json!(blind(spots)),
                UnknownReason::Passed {
                    committed,
                    blind: spots,
                } => {
                    value["committed"] = json!(committed);
                    value["unknownOf"] = json!(blind(spots));
                }
                UnknownReason::Gaps {
                    consumer,
                    from,
                    to,
                    count,
                } => {
                    value["gaps"] =
                        json!({"consumer": consumer, "from": from, "to": to, "messages": count});
                }
            }
        }
    }
    value
}

fn handling(one: &Handling) -> Value {
    json!({"consumer": one.consumer, "takenAt": time(one.taken_at), "doneAt": time(one.done_at),
           "committed": one.committed})
}

fn blind(spots: &[BlindSpot]) -> Vec<Value> {
    let each = spots.iter().map(|spot| {
        let (reason, at) = match &spot.why {
            Blindness::Gone { how, at } => (how.as_str(), *at),
            Blindness::Silent(why) => (why.as_str(), None),
            Blindness::Forgotten(since) => ("remembers what it handled since", Some(*since)),
        };
        json!({"consumer": spot.consumer, "reason": reason, "at": at.and_then(time)})
    });
    each.collect()
}
