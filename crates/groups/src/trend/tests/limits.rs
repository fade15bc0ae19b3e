//! Bounded memory, unknown facts, and topics or groups that are recreated or removed.

use super::*;

#[test]
fn a_table_has_a_bounded_size() {
    let mut lag_trends = LagTrends::default();
    every_two_seconds(&mut lag_trends, 3_600, |second| {
        (second * 7, Some(second * 5))
    });
    let log = lag_trends
        .logs
        .values()
        .map(|log| log.ends.points.capacity())
        .max();
    let commit = lag_trends
        .commits
        .values()
        .flat_map(ByPartition::values)
        .filter_map(|commit| Some(commit.offsets.as_ref()?.points.capacity()))
        .max();
    assert!(
        log <= Some(LOG_POINTS) && commit <= Some(COMMIT_POINTS),
        "{log:?} {commit:?}"
    );
    let mut lag_trends = LagTrends::default();
    every_two_seconds(&mut lag_trends, 3_600, |_| (9, Some(3)));
    let still = lag_trends
        .logs
        .values()
        .map(|log| log.ends.points.capacity())
        .max();
    assert!(still <= Some(4), "{still:?} for a log that stands still");
}

#[test]
fn a_rate_takes_a_few_seconds() {
    let mut lag_trends = LagTrends::default();
    let now = every_two_seconds(&mut lag_trends, 4, |second| (100, Some(second)));
    assert_eq!(trend(&lag_trends, &now).drain, None);
    let mut lag_trends = LagTrends::default();
    let now = every_two_seconds(&mut lag_trends, 6, |second| (100, Some(second)));
    assert!(trend(&lag_trends, &now).drain.is_some());
}

#[test]
fn lag_without_an_owner_never_drains() {
    let mut lag_trends = LagTrends::default();
    let mut now = Snapshot::default();
    for second in [0, 10, 20] {
        let consumed = i64::try_from(second).expect("small");
        now = snapshot("id", &[(100, Some(consumed)), (7, Some(0))]);
        now.group_mut("g").expect("is there").members[0].partitions =
            Some(vec![("t".to_owned(), 0)].into());
        lag_trends.record_snapshot(&mut now, secs(second));
    }
    assert_eq!(
        trend(&lag_trends, &now).drain,
        None,
        "partition 1 has 7 messages and no owner"
    );
}

#[test]
fn one_unknown_partition_makes_both_unknown() {
    let mut lag_trends = LagTrends::default();
    let mut now = every_two_seconds(&mut lag_trends, 60, |second| {
        (100 + second, Some(100 + second))
    });
    let facts = now.topic_mut("t").expect("is present");
    facts.partitions.push(None);
    lag_trends.record_snapshot(&mut now, secs(62));
    assert_eq!(trend(&lag_trends, &now), LagTrend::default());
    let absent = lag_trends.trend(
        &now,
        "another",
        &["t".to_owned()],
        OffsetReset::Latest,
        lag_trends.now,
    );
    assert_eq!(absent, LagTrend::default());
}

#[test]
fn a_commit_to_a_former_topic_is_outdated_until_there_is_another() {
    let mut lag_trends = LagTrends::default();
    let mut feed = |second, id: &str, end, commit| {
        let mut now = snapshot(id, &[(end, commit)]);
        lag_trends.record_snapshot(&mut now, secs(second));
        (
            !now.groups["g"].outdated.is_empty(),
            now.lag(&now.groups["g"], ("t", 0), OffsetReset::Earliest),
        )
    };
    assert_eq!(feed(0, "a", 9, Some(7)), (false, Lag::Behind(2)));
    assert_eq!(
        feed(2, "b", 9, Some(7)),
        (true, Lag::Recreated(9)),
        "not the 2 that it seems to be"
    );
    assert_eq!(feed(4, "b", 10, Some(7)), (true, Lag::Recreated(10)));
    assert_eq!(
        feed(6, "b", 10, Some(8)),
        (false, Lag::Behind(2)),
        "it has committed again"
    );
    assert_eq!(feed(8, "b", 10, Some(8)), (false, Lag::Behind(2)));
    // Kafka forgets the commits of a topic that goes
    assert_eq!(feed(10, "c", 10, None), (false, Lag::NoCommit(10)));
    assert_eq!(feed(12, "c", 10, Some(8)), (false, Lag::Behind(2)));
}

#[test]
fn a_topic_that_was_missing_counts_as_recreated() {
    let mut lag_trends = LagTrends::default();
    let mut now = snapshot("a", &[(9, Some(7))]);
    lag_trends.record_snapshot(&mut now, secs(0));
    let mut gone = now.clone();
    gone.topics.insert("t".into(), TopicSeen::Missing);
    lag_trends.record_snapshot(&mut gone, secs(2));
    assert!(gone.groups["g"].outdated.is_empty() && lag_trends.logs.is_empty());
    let mut again = snapshot("b", &[(9, Some(7))]);
    lag_trends.record_snapshot(&mut again, secs(4));
    assert_eq!(again.groups["g"].outdated.len(), 1);
    assert_eq!(
        trend(&lag_trends, &again).oldest,
        None,
        "its log was not seen to grow"
    );
}

#[test]
fn unused_samples_are_removed() {
    let mut lag_trends = LagTrends::default();
    every_two_seconds(&mut lag_trends, 10, |second| (second, Some(0)));
    lag_trends.record_snapshot(&mut Snapshot::default(), secs(12));
    assert!(lag_trends.logs.is_empty() && lag_trends.commits.is_empty());
}
