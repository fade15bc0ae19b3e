use practice_api::ConsumerGroupPractice;
use practice_contract::handled::{Handled, HandledRange};
use practice_groups::handled::{
    GoneConsumer, HandledAnswer, HandledRound, Ledgers, ReadingGroup, handling,
};
use serde_json::json;

use super::*;
use crate::{args::Place, error::Failure, golden::assert_golden};

/// 2026-11-25T14:02:11Z
const AT: i64 = 1_795_615_331_000;

/// From offset, to offset, taken and done after [`AT`], whether committed; of partition 2.
type RangeRow = (i64, i64, i64, i64, bool);

fn answer(group: &str, consumer: &str, rows: &[RangeRow]) -> HandledAnswer {
    let ranges = rows.iter().map(|row| HandledRange {
        topic: "my-topic".to_owned(),
        partition: 2,
        from: row.0,
        to: row.1,
        count: u64::try_from(row.1 - row.0 + 1).expect("is positive"),
        produced_at: None,
        taken_at: AT + row.2,
        done_at: AT + row.3,
        committed_at: row.4.then_some(AT + row.3),
    });
    HandledAnswer {
        group: group.to_owned(),
        consumer: consumer.to_owned(),
        answer: Ok(Handled {
            instance: consumer.to_owned(),
            group: group.to_owned(),
            started_at: AT - 5_000,
            known_since: AT - 5_000,
            ranges: ranges.collect(),
            more: false,
        }),
    }
}

fn silent(group: &str, consumer: &str) -> HandledAnswer {
    HandledAnswer {
        answer: Err("is paused".to_owned()),
        ..answer(group, consumer, &[])
    }
}

/// A practice with a group for each way in which messages are handled.
fn practice() -> ConsumerGroupPractice {
    let owned = |group: &str, member: &str, committed: i64| {
        json!({"name": group, "groupIdOwned": true, "state": "Stable", "protocol": "Classic", "replicas": 1,
               "readyReplicas": 1, "lag": 0, "members": [
            {"name": member, "memberId": "m", "clientId": member, "partitionCount": 1, "lag": 0, "partitions": [
                {"topic": "my-topic", "partition": 2, "committed": committed, "end": 19, "lag": 0}]}]})
    };
    let mut unowned = owned("no-owner", "x", 0);
    unowned["members"] = json!([]);
    unowned["unowned"] = json!([{"topic": "my-topic", "partition": 2, "end": 19, "lag": 3}]);
    let mut empty = owned("empty", "x", 0);
    empty["replicas"] = json!(0);
    serde_json::from_value(json!({
        "apiVersion": "kafka-practice.dev/v1alpha1", "kind": "ConsumerGroupPractice",
        "metadata": {"name": "p"},
        "spec": {
            "topics": [{"name": "my-topic", "partitions": 3}, {"name": "other", "partitions": 1}],
            "groups": [
                {"name": "fast"}, {"name": "twice"}, {"name": "no-owner"}, {"name": "empty"},
                {"name": "stopped", "state": "Stopped"}, {"name": "gone"}, {"name": "paused"},
                {"name": "elsewhere", "topics": ["other"]},
            ],
        },
        "status": {
            "topics": [{"name": "my-topic", "ready": true, "partitions": 3}],
            "groups": [
                owned("fast", "p-fast-6d9f-x2kvp", 19), owned("twice", "p-twice-7c41-b", 19), unowned, empty,
                owned("gone", "p-gone-55d-new", 19), owned("paused", "p-paused-1", 0),
            ],
        },
    }))
    .expect("a practice")
}

fn sent(offsets: std::ops::Range<i64>, is_time_known: bool) -> SentMessages {
    let mut sent = SentMessages::default();
    for offset in offsets {
        sent.add(
            ("my-topic", 2),
            offset,
            is_time_known.then_some(AT + offset),
        );
    }
    sent
}

fn ledgers() -> Ledgers {
    let mut ledgers = Ledgers::default();
    ledgers.record(round());
    ledgers
}

fn round() -> HandledRound {
    HandledRound {
        answers: vec![
            answer("fast", "p-fast-6d9f-x2kvp", &[(16, 18, 40, 47, true)]),
            answer("twice", "p-twice-7c41-a", &[(16, 17, 40, 2_057, false)]),
            answer("twice", "p-twice-7c41-b", &[(17, 18, 40_000, 42_057, true)]),
            answer("gone", "p-gone-55d-new", &[]),
            silent("paused", "p-paused-1"),
        ],
        gone: vec![GoneConsumer {
            group: "gone".to_owned(),
            consumer: "p-gone-55d-old".to_owned(),
            at: Some(AT + 3_123),
            how: "was deleted".to_owned(),
        }],
    }
}

/// A minute later.
fn now() -> Zoned {
    let now = jiff::Timestamp::from_millisecond(AT + 60_000).expect("a time");
    now.to_zoned(jiff::tz::TimeZone::UTC)
}

fn screen(sent: &SentMessages, groups: &[ReadingGroup], width: Option<usize>) -> Vec<String> {
    let all = handling(sent, groups, &ledgers());
    let shape = Shape::of("p", groups, &round(), width, now());
    let mut lines: Vec<Line> = all
        .iter()
        .flat_map(|one| group_lines(one, sent, &shape))
        .collect();
    lines.extend(summary(&all, sent, &shape));
    lines.iter().map(Line::text).collect()
}

#[test]
fn screens_have_a_line_for_each_group_and_a_summary() {
    let groups = reading_groups(&practice(), "my-topic");
    let mut lines = screen(&sent(17..18, true), &groups, None);
    lines.push(String::new());
    // `where`: when the message was produced is unknown
    lines.extend(screen(&sent(17..18, false), &groups, None));
    assert_golden("handled-one", &lines);
    let mut lines = screen(&sent(16..19, true), &groups, None);
    lines.push(String::new());
    lines.extend(screen(&sent(16..19, true), &groups, Some(72)));
    assert_golden("handled-many", &lines);
    let wide = lines.iter().skip_while(|line| !line.is_empty());
    for line in wide {
        assert!(Line::plain(line).width() <= 72, "{line}");
    }
    let exact = screen(&sent(16..19, true), &groups[..1], None);
    assert_eq!(
        exact,
        [
            "  fast   handled 3, each once, all 0.03 s after the last was sent",
            "      …6d9f-x2kvp 3",
            "1 of 1 group handled all 3 messages, each once",
        ]
    );
}

#[test]
fn a_document_has_every_exception_with_whole_names() {
    let groups = reading_groups(&practice(), "my-topic");
    let sent = sent(16..19, true);
    let all = handling(&sent, &groups, &ledgers());
    let document = document(&all, &sent);
    assert_eq!(
        (&document["messages"], &document["exactlyOnce"]),
        (&json!(3), &json!(false))
    );
    assert_eq!(
        document["ranges"],
        json!([{"topic": "my-topic", "partition": 2, "from": 16, "to": 18, "producedAt": "2026-11-25T14:02:11.016Z"}])
    );
    let group = |name: &str| {
        let groups = document["groups"].as_array().expect("groups");
        let found = groups.iter().find(|group| group["group"] == name);
        found.expect(name).clone()
    };
    assert_eq!(group("fast")["once"], 3);
    let twice = group("twice");
    assert_eq!(
        (&twice["once"], &twice["moreThanOnce"]),
        (&json!(2), &json!(1))
    );
    let exception = &twice["exceptions"][0];
    assert_eq!(exception["result"], "MoreThanOnce");
    assert_eq!(
        (&exception["from"], &exception["to"]),
        (&json!(17), &json!(17))
    );
    assert_eq!(exception["handled"][0]["consumer"], "p-twice-7c41-a");
    assert_eq!(
        exception["handled"][1]["doneAt"],
        "2026-11-25T14:02:53.057Z"
    );
    let gone = &group("gone")["exceptions"][0];
    assert_eq!(
        (&gone["result"], &gone["committed"]),
        (&json!("Unknown"), &json!(19))
    );
    assert_eq!(
        gone["unknownOf"],
        json!([{"consumer": "p-gone-55d-old", "reason": "was deleted", "at": "2026-11-25T14:02:14.123Z"}])
    );
    assert_eq!(group("elsewhere")["readsTopic"], false);
    assert!(group("stopped")["notRunning"].is_string());
}

#[test]
fn a_time_of_another_day_has_its_date() {
    for (at, expected) in [
        (AT, "14:02:11.000"),
        (AT - 86_400_000, "2026-11-24 14:02:11.000"),
    ] {
        assert_eq!(words::after(at, None, &now()), format!("at {expected}"));
    }
}

#[test]
fn exit_depends_on_every_group_that_reads_the_topic() {
    let groups = reading_groups(&practice(), "my-topic");
    let by_name = |names: &[&str]| -> Vec<ReadingGroup> {
        let named = groups
            .iter()
            .filter(|group| names.contains(&group.name.as_str()));
        named.cloned().collect()
    };
    for (names, offsets, expected) in [
        (&["fast"][..], 16..19, true),
        (&["fast", "elsewhere"], 16..19, true),
        (&["fast", "stopped"], 16..19, false),
        (&["fast", "twice"], 16..17, true),
        (&["fast", "twice"], 16..18, false),
        (&["fast", "gone"], 16..17, false),
        (&["elsewhere"], 16..17, false),
        (&[], 16..17, false),
    ] {
        let mut sent = sent(offsets.clone(), true);
        let all = handling(&sent, &by_name(names), &ledgers());
        assert_eq!(is_exact(&all, &sent), expected, "{names:?} {offsets:?}");
        sent.without_offset = 1;
        assert!(!is_exact(&all, &sent), "one cannot be followed");
    }
}

#[test]
fn a_place_is_one_of_the_practice() {
    let practice = practice();
    let check = |text: &str| {
        let place: Place = text.parse().expect("a place");
        check_place(&practice, &place)
    };
    assert!(matches!(check("my-topic/2@18"), Ok(None)));
    assert!(
        check("my-topic/2@19")
            .expect("may be")
            .is_some_and(|note| note.contains("log end offset 19"))
    );
    assert!(
        matches!(check("other/7@0"), Ok(None)),
        "its partitions are not known"
    );
    for (text, expected) in [
        (
            "mine/0@0",
            "topic `mine` does not belong to practice p: it has my-topic, other",
        ),
        (
            "my-topic/3@0",
            "topic my-topic has no partition 3: it has 3, from 0 to 2",
        ),
    ] {
        match check(text) {
            Err(Failure::NotFound(why)) => assert_eq!(why, expected),
            other => panic!("{text}: {other:?}"),
        }
    }
}
