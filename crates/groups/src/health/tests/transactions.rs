//! A partition whose owner waits for an open transaction: healthy while it is open, and for a window after it.

use super::*;

const TRANSACTION: OpenTransaction = OpenTransaction {
    producer_id: Some(7),
    since: Some(1_000),
};

/// Polls every 2 s from 0 on; `open` until the transaction ends, at offset 5 of 9. Asks Kafka about a stalled partition as the
/// operator does.
struct Run {
    health: HealthHistory,
    slowest: Duration,
    /// When Kafka was asked.
    asked: Vec<u64>,
}

impl Run {
    fn new(slowest: u64) -> Self {
        Self {
            health: HealthHistory::default(),
            slowest: Duration::from_secs(slowest),
            asked: Vec::new(),
        }
    }

    /// The health at `second`; `stable` is the last stable offset that Kafka answers, `None`: it does not answer.
    fn poll(&mut self, second: u64, poll: Poll, stable: Option<i64>) -> GroupHealth {
        let (snapshot, tick) = (snapshot(poll), Duration::from_secs(second));
        self.health.record_snapshot(&snapshot, tick);
        let how = (OffsetReset::Earliest, self.slowest);
        let mut found = self
            .health
            .evaluate(&snapshot, "g", &["t".to_owned()], how, tick);
        let stalled = found.stalled(&snapshot, "g", OffsetReset::Earliest);
        if stalled.is_empty() {
            return found;
        }
        self.asked.push(second);
        let ends = stable.map(|offset| (("t".to_owned(), 0), offset));
        let waiting = at_stable_end(&stalled, &ends.into_iter().collect());
        let waiting = waiting
            .into_iter()
            .map(|partition| (partition, TRANSACTION))
            .collect();
        self.health
            .record_transactions("g", &mut found, &waiting, self.slowest, tick);
        found
    }

    fn state(&mut self, second: u64, poll: Poll, stable: Option<i64>) -> Option<PartitionHealth> {
        let found = self.poll(second, poll, stable);
        found.of(("t", 0))
    }
}

/// Polls from one second to another; the last health.
fn polls(
    run: &mut Run,
    (from, until): (u64, u64),
    poll: Poll,
    stable: Option<i64>,
) -> Option<PartitionHealth> {
    let mut found = None;
    for second in (from..=until).step_by(2) {
        found = run.state(second, poll, stable);
    }
    found
}

#[test]
fn an_owner_that_has_consumed_up_to_an_open_transaction_does_not_hang() {
    let mut run = Run::new(0);
    assert_eq!(state(polls(&mut run, (0, 58), seen(5, 9), Some(5))), None);
    assert_eq!(run.asked, [0; 0], "Kafka is asked about stalls alone");
    let waits = Some(PartitionHealth::OpenTransaction(TRANSACTION));
    assert_eq!(polls(&mut run, (60, 200), seen(5, 9), Some(5)), waits);
    // more is written, in the transaction or behind it
    assert_eq!(polls(&mut run, (202, 300), seen(5, 90), Some(5)), waits);
    // it ends: the owner has a window to consume and to commit
    assert_eq!(
        state(polls(&mut run, (302, 358), seen(5, 90), Some(90))),
        Some("Healthy")
    );
    let stalled = run.state(360, seen(5, 90), Some(90));
    assert_eq!(
        stalled,
        Some(PartitionHealth::Stalled {
            age: Duration::from_mins(1)
        }),
        "since the transaction ended"
    );
}

#[test]
fn the_owner_of_a_partition_with_a_transaction_further_on_hangs() {
    for stable in [None, Some(4), Some(6), Some(9)] {
        let mut run = Run::new(0);
        assert_eq!(
            state(polls(&mut run, (0, 60), seen(5, 9), stable)),
            Some("Stalled"),
            "{stable:?}"
        );
    }
    // one that is consumed at once after the transaction
    let mut run = Run::new(0);
    polls(&mut run, (0, 100), seen(5, 9), Some(5));
    assert_eq!(
        state(polls(&mut run, (102, 300), seen(10, 10), Some(10))),
        Some("Healthy")
    );
    // and hangs a long time later
    assert_eq!(
        state(polls(&mut run, (302, 362), seen(10, 12), Some(12))),
        Some("Stalled")
    );
}

#[test]
fn what_kafka_does_not_answer_keeps_the_last_answer_for_a_window() {
    let mut run = Run::new(0);
    polls(&mut run, (0, 100), seen(5, 9), Some(5));
    assert_eq!(
        state(polls(&mut run, (102, 158), seen(5, 9), None)),
        Some("Healthy")
    );
    assert_eq!(state(run.state(160, seen(5, 9), None)), Some("Stalled"));
    assert_eq!(
        run.state(162, seen(5, 9), Some(5)),
        Some(PartitionHealth::OpenTransaction(TRANSACTION))
    );
}

#[test]
fn without_a_commit_the_start_of_the_log_is_the_next_offset() {
    let nothing = Poll {
        committed: None,
        ..seen(0, 9)
    };
    let mut run = Run::new(0);
    assert_eq!(
        polls(&mut run, (0, 60), nothing, Some(0)),
        Some(PartitionHealth::OpenTransaction(TRANSACTION))
    );
    let mut run = Run::new(0);
    assert_eq!(
        state(polls(&mut run, (0, 60), nothing, Some(3))),
        Some("Stalled")
    );
}

#[test]
fn kafka_is_asked_again_although_nothing_changes() {
    let mut run = Run::new(0);
    polls(&mut run, (0, 58), seen(5, 9), Some(5));
    // from its end at 60 s on, the owner has a minute
    for second in (60..=118).step_by(2) {
        let stable = if second == 60 { 5 } else { 9 };
        let found = run.poll(second, seen(5, 9), Some(stable));
        assert_eq!(
            found.recheck_in,
            Some(Duration::from_secs((120 - second).min(10))),
            "at {second} s"
        );
    }
    // a slow consumer has the time of three messages, before and after
    let mut run = Run::new(50);
    assert_eq!(
        polls(&mut run, (0, 150), seen(5, 9), Some(5)),
        Some(PartitionHealth::OpenTransaction(TRANSACTION))
    );
    assert_eq!(
        state(polls(&mut run, (152, 298), seen(5, 9), Some(9))),
        Some("Healthy")
    );
    assert_eq!(state(run.state(300, seen(5, 9), Some(9))), Some("Stalled"));
}

#[test]
fn a_partition_without_an_owner_is_unassigned_whatever_is_open() {
    let unowned = Poll {
        owner: None,
        ..seen(5, 9)
    };
    let mut run = Run::new(0);
    assert_eq!(
        state(polls(&mut run, (0, 60), unowned, Some(5))),
        Some("Unassigned")
    );
    assert_eq!(run.asked, [0; 0]);
}
