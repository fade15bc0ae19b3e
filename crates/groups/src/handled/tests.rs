use practice_contract::handled::{Handled, HandledRange};

use super::*;

mod blind;

/// From offset, to offset, messages, taken and done at, whether committed.
type RangeRow = (i64, i64, u64, i64, i64, bool);

/// A consumer's ledger of partition 2: name, start of the process, since when it remembers all, ranges.
fn ledger(consumer: &str, started_at: i64, known_since: i64, rows: &[RangeRow]) -> HandledAnswer {
    let range = |row: &RangeRow| HandledRange {
        topic: "t".to_owned(),
        partition: 2,
        from: row.0,
        to: row.1,
        count: row.2,
        produced_at: Some(row.3 - 1),
        taken_at: row.3,
        done_at: row.4,
        committed_at: row.5.then_some(row.4 + 1),
    };
    HandledAnswer {
        group: "g".to_owned(),
        consumer: consumer.to_owned(),
        answer: Ok(Handled {
            instance: consumer.to_owned(),
            group: "g".to_owned(),
            started_at,
            known_since,
            ranges: rows.iter().map(range).collect(),
            more: false,
        }),
    }
}

fn silent(consumer: &str, why: &str) -> HandledAnswer {
    HandledAnswer {
        group: "g".to_owned(),
        consumer: consumer.to_owned(),
        answer: Err(why.to_owned()),
    }
}

fn gone(consumer: &str, at: Option<i64>, how: &str) -> GoneConsumer {
    GoneConsumer {
        group: "g".to_owned(),
        consumer: consumer.to_owned(),
        at,
        how: how.to_owned(),
    }
}

fn round(answers: &[HandledAnswer], gone: &[GoneConsumer]) -> HandledRound {
    HandledRound {
        answers: answers.to_vec(),
        gone: gone.to_vec(),
    }
}

/// Offsets 10 to 19 of t/2, produced at 1000 to 1009.
fn ten() -> SentMessages {
    let mut sent = SentMessages::default();
    for offset in 10..20 {
        sent.add(("t", 2), offset, Some(990 + offset));
    }
    sent
}

fn group(state: ReadingState, owner: Option<&str>, committed: Option<i64>) -> ReadingGroup {
    let owner = PartitionOwner {
        consumer: owner.map(str::to_owned),
        committed,
    };
    ReadingGroup {
        name: "g".to_owned(),
        state,
        owners: ByPartition::from([(("t".to_owned(), 2), owner)]),
    }
}

fn running() -> ReadingGroup {
    group(ReadingState::Running, Some("a"), None)
}

fn judged(group: &ReadingGroup, rounds: Vec<HandledRound>) -> GroupHandling {
    let mut ledgers = Ledgers::default();
    for round in rounds {
        ledgers.record(round);
    }
    let mut all = handling(&ten(), std::slice::from_ref(group), &ledgers);
    let result = all.remove(0);
    let counted = result.once + result.several + result.missing + result.unknown;
    if group.state != ReadingState::OtherTopics {
        assert_eq!(counted, 10, "{result:?}");
    }
    result
}

/// Messages that were handled once, several times, not yet, unknown.
fn counts(result: &GroupHandling) -> [u64; 4] {
    [result.once, result.several, result.missing, result.unknown]
}

/// First and last offset of each exception.
fn bounds(result: &GroupHandling) -> Vec<(i64, i64)> {
    let all = result.exceptions.iter();
    all.map(|exception| (exception.from, exception.to))
        .collect()
}

#[test]
fn ranges_of_one_round_are_counted() {
    // the ledgers of consumers a and b, expected counts, exceptions
    let cases: [(&[RangeRow], &[RangeRow], [u64; 4], &[(i64, i64)]); 9] = [
        (&[], &[], [0, 0, 10, 0], &[(10, 19)]),
        (&[(10, 19, 10, 1, 9, true)], &[], [10, 0, 0, 0], &[]),
        // with neighbours that were not followed
        (&[(0, 40, 41, 1, 9, false)], &[], [10, 0, 0, 0], &[]),
        (
            &[(10, 12, 3, 1, 2, true), (13, 14, 2, 3, 4, true)],
            &[(17, 19, 3, 5, 6, true)],
            [8, 0, 2, 0],
            &[(15, 16)],
        ),
        // after a rebalance b handles again what a had not committed
        (
            &[(10, 14, 5, 1, 2, false)],
            &[(13, 19, 7, 5, 6, true)],
            [8, 2, 0, 0],
            &[(13, 14)],
        ),
        // one consumer that handles again what it has handled
        (
            &[(10, 19, 10, 1, 2, false), (18, 19, 2, 5, 6, true)],
            &[],
            [8, 2, 0, 0],
            &[(18, 19)],
        ),
        // gaps: the ends of a range are certain, and what is between them is not
        (&[(8, 21, 9, 1, 2, true)], &[], [0, 0, 0, 10], &[(10, 19)]),
        (&[(10, 19, 9, 1, 2, true)], &[], [2, 0, 0, 8], &[(11, 18)]),
        (&[(10, 19, 2, 1, 2, true)], &[], [2, 0, 8, 0], &[(11, 18)]),
    ];
    for (a, b, expected, exceptions) in cases {
        let answers = [ledger("a", 1, 1, a), ledger("b", 1, 1, b)];
        let result = judged(&running(), vec![round(&answers, &[])]);
        assert_eq!(counts(&result), expected, "{a:?} {b:?}");
        assert_eq!(bounds(&result), exceptions, "{a:?} {b:?}");
        assert_eq!(result.is_exact(), expected[0] == 10, "{a:?} {b:?}");
        assert_eq!(result.is_awaited(), expected[2] > 0, "{a:?} {b:?}");
    }
}

#[test]
fn a_second_handling_names_both_consumers_and_their_times() {
    let answers = [
        ledger("a", 1, 1, &[(10, 14, 5, 1_001, 1_002, false)]),
        ledger("b", 1, 1, &[(13, 19, 7, 1_005, 1_006, true)]),
    ];
    let result = judged(&running(), vec![round(&answers, &[])]);
    let handled = |consumer: &str, taken_at, done_at, committed| Handling {
        consumer: consumer.to_owned(),
        taken_at,
        done_at,
        committed,
    };
    assert_eq!(
        result.exceptions[0].what,
        Unexpected::Several(vec![
            handled("a", 1_001, 1_002, false),
            handled("b", 1_005, 1_006, true)
        ])
    );
    let consumers = result.consumers.iter();
    let consumers: Vec<_> = consumers
        .map(|one| (one.consumer.as_str(), one.messages, one.done_at))
        .collect();
    assert_eq!(consumers, [("a", 5, 1_002), ("b", 7, 1_006)]);
}

#[test]
fn what_is_missing_has_a_reason() {
    let stopped = ReadingState::NotRunning("stopped".to_owned());
    let paused = silent("a", "is paused");
    for (group, answers, expected, is_awaited) in [
        (
            running(),
            vec![],
            "partition 2: a owns it, no commit yet",
            true,
        ),
        (
            group(ReadingState::Running, Some("a"), Some(4)),
            vec![],
            "partition 2: a owns it, committed offset 4",
            true,
        ),
        (
            group(ReadingState::Running, None, None),
            vec![],
            "partition 2 has no owner",
            true,
        ),
        (
            ReadingGroup {
                owners: ByPartition::default(),
                ..running()
            },
            vec![],
            "partition 2: owner not reported yet",
            true,
        ),
        (
            running(),
            vec![paused],
            "partition 2: its owner a is paused",
            true,
        ),
        (group(stopped, None, None), vec![], "stopped", false),
    ] {
        let result = judged(&group, vec![round(&answers, &[])]);
        assert_eq!(counts(&result), [0, 0, 10, 0], "{expected}");
        assert_eq!(result.is_awaited(), is_awaited, "{expected}");
        match &result.exceptions[0].what {
            Unexpected::Missing(why) => assert_eq!(why.to_string(), expected),
            other => panic!("{expected}: {other:?}"),
        }
    }
    let result = judged(&group(ReadingState::OtherTopics, None, None), vec![]);
    assert_eq!((counts(&result), result.is_exact()), ([0; 4], false));
    assert!(!result.is_awaited());
}

#[test]
fn when_a_message_was_produced_is_known_from_any_group() {
    let mut ledgers = Ledgers::default();
    ledgers.record(round(
        &[
            ledger("a", 1, 1, &[(10, 14, 5, 1_001, 1_002, false)]),
            ledger("b", 1, 1, &[(13, 13, 1, 1_005, 1_006, true)]),
        ],
        &[],
    ));
    for (offset, expected) in [(10, Some(1_000)), (13, Some(1_004)), (15, None)] {
        assert_eq!(ledgers.produced_at(("t", 2), offset), expected, "{offset}");
    }
    assert_eq!(ledgers.produced_at(("t", 1), 10), None);
}

#[test]
fn ten_thousand_messages_of_a_slow_consumer_are_swept_once() {
    let mut sent = SentMessages::default();
    for offset in 0..10_000 {
        sent.add(("t", 2), offset, Some(offset));
    }
    // a range for each message, every hundredth one handled again
    let rows: Vec<RangeRow> = (0..10_000)
        .map(|offset| (offset, offset, 1, offset, offset + 5, true))
        .chain(
            (0..10_000)
                .step_by(100)
                .map(|offset| (offset, offset, 1, 20_000, 20_005, true)),
        )
        .collect();
    let mut ledgers = Ledgers::default();
    ledgers.record(round(&[ledger("a", -1, -1, &rows)], &[]));
    let result = handling(&sent, &[running()], &ledgers).remove(0);
    assert_eq!((result.once, result.several), (9_900, 100));
    assert_eq!(result.exceptions.len(), 100);
    assert_eq!(result.consumers[0].messages, 10_100);
}
