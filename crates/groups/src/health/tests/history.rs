//! What the history keeps: unknown polls, the time of the next change, a bounded size.

use std::sync::Arc;

use super::*;

#[test]
fn an_unknown_group_has_no_health_and_keeps_its_history() {
    let mut health = HealthHistory::default();
    let at = |second| Duration::from_secs(second);
    health.record_snapshot(&snapshot(seen(5, 9)), at(0));
    let mut blind = snapshot(seen(5, 9));
    for group in blind.groups.values_mut().map(Arc::make_mut) {
        (group.state, group.committed, group.members) = (GroupState::Unknown, None, Vec::new());
    }
    health.record_snapshot(&blind, at(30));
    assert_eq!(evaluate(&mut health, &blind, EARLIEST, at(60)), None);
    // unreported assignments, as while a Classic group rebalances, are not lost owners
    let mut silent = snapshot(seen(5, 9));
    for group in silent.groups.values_mut().map(Arc::make_mut) {
        group.state = GroupState::PreparingRebalance;
        group
            .members
            .iter_mut()
            .for_each(|member| member.partitions = None);
    }
    for second in (32..=60).step_by(2) {
        health.record_snapshot(&silent, at(second));
    }
    assert_eq!(
        state(evaluate(&mut health, &silent, EARLIEST, at(60))),
        None,
        "half of that time was not observed"
    );
    for second in (62..=92).step_by(2) {
        health.record_snapshot(&silent, at(second));
    }
    assert_eq!(
        state(evaluate(&mut health, &silent, EARLIEST, at(92))),
        Some("Stalled")
    );
    let mut unheard = HealthHistory::default();
    for second in (0..=120).step_by(2) {
        unheard.record_snapshot(&silent, at(second));
    }
    assert_eq!(
        evaluate(&mut unheard, &silent, EARLIEST, at(120)),
        None,
        "its owner was never reported"
    );
}

#[test]
fn the_next_change_is_known_although_nothing_moves() {
    let mut health = HealthHistory::default();
    let at = |second| Duration::from_secs(second);
    health.record_snapshot(&snapshot(seen(5, 5)), at(0));
    let snapshot = snapshot(seen(5, 9));
    health.record_snapshot(&snapshot, at(10));
    let mut evaluated =
        |second| health.evaluate(&snapshot, "g", &["t".to_owned()], EARLIEST, at(second));
    assert_eq!(
        evaluated(10).recheck_in,
        Some(at(50)),
        "a minute after it was first seen it is known to be healthy"
    );
    assert_eq!(
        evaluated(62).recheck_in,
        Some(at(8)),
        "a minute after lag began"
    );
    assert_eq!(
        evaluated(70).partitions.values().next(),
        Some(&PartitionHealth::Stalled { age: at(60) })
    );
    assert_eq!(evaluated(70).recheck_in, None);
}

#[test]
fn the_history_is_bounded() {
    let mut health = HealthHistory::default();
    for second in (0..100_000).step_by(2) {
        let s = i64::try_from(second).expect("small");
        health.record_snapshot(
            &snapshot(seen(s * 5, 10 + s * 9)),
            Duration::from_secs(second),
        );
    }
    let history = health.groups["g"].partitions.get(("t", 0));
    let points = history.and_then(|history| history.points.as_ref());
    let points = points.expect("it lags");
    assert!(
        points.len() <= 11 && points.capacity() <= 16,
        "{}",
        points.capacity()
    );
    health.record_snapshot(&Snapshot::default(), Duration::from_secs(100_000));
    assert!(
        health.groups.is_empty(),
        "a group that is not polled is forgotten"
    );
}
