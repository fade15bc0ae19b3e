//! Tables of polls of a topic `t` of one or two partitions and a group `g` that reads it.

mod limits;

use super::*;
use crate::Partition;
use crate::model::{Bounds, Committed, MemberSeen, TopicFacts};

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// A poll: end and commit of each partition. One member owns all.
fn snapshot(id: &str, partitions: &[(i64, Option<i64>)]) -> Snapshot {
    let bounds = partitions
        .iter()
        .map(|(end, _)| {
            Some(Bounds {
                start: 0,
                end: *end,
            })
        })
        .collect();
    let facts = TopicFacts {
        id: id.to_owned(),
        partitions: bounds,
        ..TopicFacts::default()
    };
    let numbered = || {
        (0..)
            .zip(partitions)
            .map(|(number, (_, commit))| (("t".to_owned(), number), *commit))
    };
    let commit = |(partition, commit): (Partition, Option<i64>)| {
        Some((
            partition,
            Committed {
                offset: commit?,
                metadata: "".into(),
            },
        ))
    };
    let member = MemberSeen {
        member_id: "m".into(),
        client_id: "c".into(),
        host: String::new(),
        partitions: Some(numbered().map(|(partition, _)| partition).collect()),
    };
    let committed = Some(numbered().filter_map(commit).collect());
    let group = GroupSeen {
        committed,
        members: vec![member],
        ..GroupSeen::default()
    };
    Snapshot {
        topics: [("t".to_owned(), TopicSeen::from(facts))].into(),
        groups: [("g".to_owned(), group.into())].into(),
        ..Snapshot::default()
    }
}

fn trend(lag_trends: &LagTrends, snapshot: &Snapshot) -> LagTrend {
    pace_at(lag_trends, snapshot, lag_trends.now)
}

fn pace_at(lag_trends: &LagTrends, snapshot: &Snapshot, tick: Duration) -> LagTrend {
    lag_trends.trend(
        snapshot,
        "g",
        &["t".to_owned()],
        OffsetReset::Earliest,
        tick,
    )
}

/// Polls of one partition every 2 s, from second 0 to `until`.
fn every_two_seconds(
    lag_trends: &mut LagTrends,
    until: u64,
    at: impl Fn(i64) -> (i64, Option<i64>),
) -> Snapshot {
    let mut last = Snapshot::default();
    for second in (0..=until).step_by(2) {
        last = snapshot("id", &[at(i64::try_from(second).expect("small"))]);
        lag_trends.record_snapshot(&mut last, secs(second));
    }
    last
}

fn close(found: Option<Duration>, expected: u64, tolerance: u64, what: &str) {
    let found = found
        .unwrap_or_else(|| panic!("{what} must be known"))
        .as_secs_f64();
    #[expect(clippy::cast_precision_loss, reason = "small")]
    let off = (found - expected as f64).abs();
    #[expect(clippy::cast_precision_loss, reason = "small")]
    let fits = off <= tolerance as f64;
    assert!(
        fits,
        "{what}: {found} s, expected {expected} s within {tolerance} s"
    );
}

#[test]
fn the_oldest_message_is_as_old_as_the_time_since_the_end_was_there() {
    let mut lag_trends = LagTrends::default();
    // 10 messages a second; consumed up to what had come by second 70
    let now = every_two_seconds(&mut lag_trends, 100, |second| (second * 10, Some(700)));
    close(trend(&lag_trends, &now).oldest, 30, 1, "age");
    assert_eq!(
        trend(&lag_trends, &now).drain,
        None,
        "nothing is consumed: it never drains"
    );
}

#[test]
fn nothing_left_is_an_age_and_a_time_of_0() {
    let mut lag_trends = LagTrends::default();
    let now = every_two_seconds(&mut lag_trends, 10, |second| (second, Some(second)));
    assert_eq!(
        trend(&lag_trends, &now),
        LagTrend {
            oldest: Some(Duration::ZERO),
            drain: Some(Duration::ZERO)
        }
    );
}

#[test]
fn messages_before_the_first_poll_have_an_unknown_age() {
    let mut lag_trends = LagTrends::default();
    let now = every_two_seconds(&mut lag_trends, 60, |second| (500 + second, Some(499)));
    assert_eq!(trend(&lag_trends, &now).oldest, None);
    let now = every_two_seconds(&mut LagTrends::default(), 60, |second| {
        (500 + second, Some(500))
    });
    assert_eq!(
        trend(&LagTrends::default(), &now).oldest,
        None,
        "a reader that has just begun"
    );
}

#[test]
fn a_single_message_is_dated_by_the_poll_that_found_it() {
    let mut lag_trends = LagTrends::default();
    let now = every_two_seconds(&mut lag_trends, 3_600, |second| {
        (i64::from(second >= 1_800), Some(0))
    });
    close(trend(&lag_trends, &now).oldest, 1_800, 2, "age");
}

#[test]
fn hours_are_covered_with_few_points() {
    let mut lag_trends = LagTrends::default();
    let now = every_two_seconds(&mut lag_trends, 8 * 3_600, |second| {
        (second * 3, Some(3_600 * 3))
    });
    let points = lag_trends
        .logs
        .values()
        .map(|log| log.ends.points.len())
        .max();
    assert!(points <= Some(LOG_POINTS), "{points:?}");
    close(
        trend(&lag_trends, &now).oldest,
        7 * 3_600,
        300,
        "age at a steady rate",
    );
    // in bursts: 100 messages at once every 10 minutes; an age is right to a fifth of itself
    for age in [1_200, 3_600, 7 * 3_600_u64] {
        let mut lag_trends = LagTrends::default();
        let burst = |second: i64| second / 600 * 100;
        let at = 8 * 3_600 - i64::try_from(age).expect("small");
        let now = every_two_seconds(&mut lag_trends, 8 * 3_600, |second| {
            (burst(second), Some(burst(at) - 1))
        });
        close(
            trend(&lag_trends, &now).oldest,
            age,
            age / 5 + 4,
            "age of the last of a burst",
        );
    }
}

#[test]
fn time_to_drain_is_what_is_left_at_the_rates_of_late() {
    // 10/s come, 30/s go, 1,000 were left at second 40: 20 less each second
    let mut lag_trends = LagTrends::default();
    let now = every_two_seconds(&mut lag_trends, 60, |second| {
        (5_000 + second * 10, Some(4_000 + second * 30 - 800))
    });
    close(trend(&lag_trends, &now).drain, 30, 1, "time to drain");

    for (what, consumed) in [
        ("as fast as it comes", 10),
        ("slower than it comes", 5),
        ("not at all", 0),
    ] {
        let mut lag_trends = LagTrends::default();
        let now = every_two_seconds(&mut lag_trends, 60, |second| {
            (5_000 + second * 10, Some(1_000 + second * consumed))
        });
        assert_eq!(
            trend(&lag_trends, &now).drain,
            None,
            "{what}: it never drains"
        );
    }

    // only the last half minute counts
    let mut lag_trends = LagTrends::default();
    let consumed = |second: i64| {
        if second < 60 {
            second * 100
        } else {
            6_000 + (second - 60)
        }
    };
    let now = every_two_seconds(&mut lag_trends, 120, |second| {
        (10_000, Some(consumed(second)))
    });
    close(
        trend(&lag_trends, &now).drain,
        10_000 - 6_060,
        200,
        "time to drain after it became slow",
    );
}

#[test]
fn age_grows_after_the_last_poll() {
    let mut lag_trends = LagTrends::default();
    let now = every_two_seconds(&mut lag_trends, 60, |second| {
        (5_000 + second * 10, Some(4_000 + second * 30 - 800))
    });
    let (then, later) = (
        trend(&lag_trends, &now),
        pace_at(&lag_trends, &now, secs(64)),
    );
    assert_eq!(later.oldest, then.oldest.map(|age| age + secs(4)));
    assert_eq!(
        later.drain,
        then.drain.map(|left| left.saturating_sub(secs(4)))
    );
    assert_eq!(
        pace_at(&lag_trends, &now, secs(0)),
        then,
        "a poll is never in the future"
    );
    let mut lag_trends = LagTrends::default();
    let none = every_two_seconds(&mut lag_trends, 70, |second| {
        (5_000 + second * 10, Some(5_000 + second * 10))
    });
    let nothing = LagTrend {
        oldest: Some(Duration::ZERO),
        drain: Some(Duration::ZERO),
    };
    assert_eq!(
        pace_at(&lag_trends, &none, secs(99)),
        nothing,
        "nothing is left however late it is"
    );
}

#[test]
fn what_retention_has_deleted_was_not_consumed() {
    let start_at = |snapshot: &mut Snapshot, start| {
        let facts = snapshot.topic_mut("t").expect("is present");
        facts.partitions[0] = Some(Bounds { start, end: 20_000 });
    };
    // 10/s are consumed, then retention deletes all up to 15,000, and the group continues there as fast as before
    let consumed = |second: i64| {
        if second < 20 {
            second * 10
        } else {
            15_000 + (second - 20) * 10
        }
    };
    // the deletion was seen for a while before it went on, or only together with that
    for deleted in [14, 20] {
        let (mut lag_trends, mut now, mut drains) =
            (LagTrends::default(), Snapshot::default(), Vec::new());
        for second in (0..=40).step_by(2) {
            let at = i64::try_from(second).expect("small");
            now = snapshot(
                "id",
                &[(
                    20_000,
                    Some(if at < 20 {
                        consumed(at.min(deleted))
                    } else {
                        consumed(at)
                    }),
                )],
            );
            start_at(&mut now, if at < deleted { 0 } else { 15_000 });
            lag_trends.record_snapshot(&mut now, secs(second));
            drains.push((second, trend(&lag_trends, &now).drain));
        }
        let of = |from: u64, to: u64| {
            drains
                .iter()
                .filter(move |(second, _)| (from..to).contains(second))
        };
        assert!(
            of(20, 25).all(|(_, drain)| drain.is_none()),
            "no rate yet: {drains:?}"
        );
        assert!(
            of(26, 41).all(|(_, drain)| drain > &Some(secs(450))),
            "never as if 15,000 had been read: {drains:?}"
        );
        close(trend(&lag_trends, &now).drain, 480, 2, "time to drain");
    }
}

#[test]
fn a_rate_does_not_span_a_gap_between_polls() {
    // 100/s were consumed until second 20, 1/s since second 60
    let consumed = |second: i64| {
        if second <= 20 {
            second * 100
        } else {
            6_000 + (second - 60)
        }
    };
    let mut lag_trends = LagTrends::default();
    let mut poll = |second: u64| {
        let at = i64::try_from(second).expect("small");
        let mut now = snapshot("id", &[(10_000, Some(consumed(at)))]);
        lag_trends.record_snapshot(&mut now, secs(second));
        trend(&lag_trends, &now).drain
    };
    let before: Vec<_> = (0..=20).step_by(2).map(&mut poll).collect();
    assert_eq!(before.last(), Some(&Some(secs(80))));
    for second in [60, 62, 64] {
        assert_eq!(
            poll(second),
            None,
            "at {second}: of what was in between nothing is known"
        );
    }
    for second in (66..=100).step_by(2) {
        close(
            poll(second),
            4_000 - (second - 60),
            10,
            "by what was seen since",
        );
    }
    // what stood still meanwhile was seen well enough, and short pauses are none
    let mut lag_trends = LagTrends::default();
    let mut now = Snapshot::default();
    for second in [0, 12, 24, 36] {
        now = snapshot(
            "id",
            &[(1_000, Some(i64::try_from(second).expect("small") * 10))],
        );
        lag_trends.record_snapshot(&mut now, secs(second));
    }
    close(
        trend(&lag_trends, &now).drain,
        64,
        1,
        "with a poll every 12 s",
    );
}
