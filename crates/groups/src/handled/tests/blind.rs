//! Consumers that cannot be asked, or not any more.

use super::*;

/// The blind spots of the only exception.
fn blind_spots(result: &GroupHandling) -> Vec<(&str, &Blindness)> {
    let Some(exception) = result.exceptions.first() else {
        return Vec::new();
    };
    let spots = match &exception.what {
        Unexpected::Unknown {
            why: UnknownReason::Blind(spots) | UnknownReason::Passed { blind: spots, .. },
            ..
        } => spots,
        other => panic!("{other:?}"),
    };
    let each = spots.iter();
    each.map(|spot| (spot.consumer.as_str(), &spot.why))
        .collect()
}

#[test]
fn a_consumer_that_cannot_be_asked_may_have_handled_a_message() {
    let deleted = |at| Blindness::Gone {
        how: "was deleted".to_owned(),
        at,
    };
    let b = |committed| ledger("b", 1, 1, &[(10, 19, 10, 1_010, 1_020, committed)]);
    let before = || ledger("a", 1, 1, &[]);
    let end = gone("a", Some(1_015), "was deleted");
    for (what, rounds, expected, is_awaited) in [
        (
            "it ended after it had been asked",
            vec![
                round(&[before(), b(false)], &[]),
                round(&[b(true)], std::slice::from_ref(&end)),
            ],
            Some(("a", deleted(Some(1_015)))),
            false,
        ),
        (
            "all was committed when it was asked for the last time",
            vec![
                round(&[before(), b(true)], &[]),
                round(&[before(), b(true)], &[]),
                round(&[b(true)], std::slice::from_ref(&end)),
            ],
            None,
            false,
        ),
        (
            "it ended, and how is unknown",
            vec![round(&[before(), b(false)], &[]), round(&[b(true)], &[])],
            Some((
                "a",
                Blindness::Gone {
                    how: "no longer runs".to_owned(),
                    at: None,
                },
            )),
            false,
        ),
        (
            "it was never asked",
            vec![round(&[b(true)], std::slice::from_ref(&end))],
            Some(("a", deleted(Some(1_015)))),
            false,
        ),
        (
            "its end was before the first message",
            vec![round(&[b(true)], &[gone("a", Some(999), "was deleted")])],
            None,
            false,
        ),
        (
            "the end of a former process of a consumer that was always asked",
            vec![round(
                &[ledger("a", 900, 900, &[]), b(true)],
                &[gone("a", Some(899), "was killed")],
            )],
            None,
            false,
        ),
        (
            "another process of its name runs",
            vec![
                round(&[before(), b(false)], &[]),
                round(
                    &[ledger("a", 1_016, 1_016, &[]), b(true)],
                    std::slice::from_ref(&end),
                ),
            ],
            Some(("a", deleted(Some(1_015)))),
            false,
        ),
        (
            "a session timed out, and the process still answers",
            vec![round(
                &[before(), b(true)],
                &[gone("a", Some(1_015), "left")],
            )],
            None,
            false,
        ),
        (
            "it does not answer, and may do so later",
            vec![round(&[silent("a", "is paused"), b(true)], &[])],
            Some(("a", Blindness::Silent("is paused".to_owned()))),
            true,
        ),
        (
            "it has forgotten",
            vec![round(&[ledger("a", 1, 1_005, &[]), b(true)], &[])],
            Some(("a", Blindness::Forgotten(1_005))),
            false,
        ),
        (
            "it has forgotten what was before the first message",
            vec![round(&[ledger("a", 1, 999, &[]), b(true)], &[])],
            None,
            false,
        ),
        (
            "it started after the last message",
            vec![round(&[ledger("a", 1_500, 1_500, &[]), b(true)], &[])],
            None,
            false,
        ),
    ] {
        let result = judged(&running(), rounds);
        let unknown = if expected.is_some() { 10 } else { 0 };
        assert_eq!(counts(&result), [10 - unknown, 0, 0, unknown], "{what}");
        let found = blind_spots(&result);
        let expected: Vec<_> = expected.iter().map(|(name, why)| (*name, why)).collect();
        assert_eq!(found, expected, "{what}");
        assert_eq!(result.is_awaited(), is_awaited, "{what}");
    }
}

#[test]
fn what_the_committed_offset_has_passed_is_handled_by_nobody_any_more() {
    let group = group(ReadingState::Running, Some("b"), Some(15));
    let b = ledger("b", 1_016, 1_016, &[]);
    let end = gone("a", Some(1_015), "was deleted");
    for gone in [vec![], vec![end]] {
        let result = judged(&group, vec![round(std::slice::from_ref(&b), &gone)]);
        assert_eq!(counts(&result), [0, 0, 5, 5], "10 to 14 are committed");
        assert_eq!(bounds(&result), [(10, 14), (15, 19)]);
        assert_eq!(blind_spots(&result).len(), gone.len());
    }
}

#[test]
fn a_consumer_that_ended_keeps_what_it_has_answered() {
    let a = ledger("a", 1, 1, &[(10, 14, 5, 1_001, 1_002, false)]);
    let b = ledger("b", 1, 1, &[(13, 19, 7, 1_030, 1_031, true)]);
    let end = gone("a", Some(1_015), "was killed");
    let result = judged(
        &running(),
        vec![
            round(&[a, ledger("b", 1, 1, &[])], &[]),
            round(std::slice::from_ref(&b), std::slice::from_ref(&end)),
        ],
    );
    // of 15 to 19 it is unknown whether a had handled them after its last answer; 10 to 12 as well whether twice
    assert_eq!(counts(&result), [0, 2, 0, 8]);
    assert_eq!(bounds(&result), [(10, 12), (13, 14), (15, 19)]);
}

#[test]
fn what_an_ended_consumer_has_handled_is_handled_again_unless_it_is_committed() {
    let handled = |committed| ledger("a", 1, 1, &[(10, 19, 10, 1_001, 1_002, committed)]);
    let other = ledger("b", 1, 1, &[]);
    let end = gone("a", Some(1_015), "was killed");
    let passed = group(ReadingState::Running, Some("b"), Some(20));
    for (what, group, committed, expected, is_awaited) in [
        ("not committed", running(), false, [0, 0, 0, 10], true),
        (
            "its commit was confirmed",
            running(),
            true,
            [10, 0, 0, 0],
            false,
        ),
        (
            "the group's committed offset is past it",
            passed,
            false,
            [10, 0, 0, 0],
            false,
        ),
    ] {
        let rounds = vec![
            round(&[handled(committed), other.clone()], &[]),
            round(std::slice::from_ref(&other), std::slice::from_ref(&end)),
        ];
        let result = judged(&group, rounds);
        assert_eq!(counts(&result), expected, "{what}");
        assert_eq!(result.is_awaited(), is_awaited, "{what}");
    }
}

#[test]
fn a_message_that_was_produced_after_the_end_of_a_consumer_is_not_its() {
    let b = ledger("b", 1, 1, &[(10, 19, 10, 1_010, 1_020, false)]);
    // the kubelet reports whole seconds, rounded down; messages were produced at 1000 to 1009
    for (at, unknown) in [(999, 0), (1_000, 10), (0, 0), (1_001, 10)] {
        let end = gone("a", Some(at), "exited");
        let result = judged(&running(), vec![round(std::slice::from_ref(&b), &[end])]);
        assert_eq!(result.unknown, unknown, "{at}");
    }
}
