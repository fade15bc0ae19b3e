use practice_contract::handled::{HandledQuery, HandledRange};

use super::*;

fn partitions(numbers: &[i32]) -> Vec<Partition> {
    numbers
        .iter()
        .map(|number| (Arc::from("t"), *number))
        .collect()
}

/// Of a message that was taken and handled then.
fn times(taken: i64, done: i64) -> Times {
    Times {
        produced: None,
        taken,
        done,
    }
}

fn owner_of(numbers: &[i32]) -> Member {
    let mut member = Member::default();
    member.assigned(&partitions(numbers), 0);
    member
}

#[test]
fn a_change_adds_and_removes_only_what_it_names() {
    let mut member = owner_of(&[2, 0]);
    member.assigned(&partitions(&[1]), 1);
    member.gone(Ownership::Revoked, &partitions(&[0]), 2);
    let numbers: Vec<_> = member
        .assignment()
        .iter()
        .map(|owned| owned.partition)
        .collect();
    assert_eq!(numbers, [1, 2]);
    assert!(member.joined);
    member.gone(Ownership::Lost, &partitions(&[1, 2]), 3);
    assert!(!member.joined && member.partitions() == 0);
    assert_eq!(member.rebalances()[0].partitions, ["t/2", "t/0"]);
    assert_eq!(member.rebalances()[3].what, Ownership::Lost);
}

#[test]
fn a_message_of_an_earlier_possession_is_not_noted() {
    let mut member = owner_of(&[0]);
    let tenure = member.tenure("t", 0).expect("ours");
    assert!(member.done("t", 0, tenure, 7, times(0, 0)));
    member.gone(Ownership::Revoked, &partitions(&[0]), 1);
    assert!(!member.done("t", 0, tenure, 8, times(0, 0)));
    member.assigned(&partitions(&[0]), 2);
    assert!(
        !member.done("t", 0, tenure, 8, times(0, 0)),
        "got again, but the message was fetched before"
    );
    assert_eq!(member.counts.consumed, 1);
    assert_eq!(member.assignment()[0].position, None);
}

#[test]
fn each_position_is_stored_once_and_committed_when_answered() {
    let mut member = owner_of(&[0, 1]);
    let tenure = member.tenure("t", 0).expect("ours");
    assert!(member.take_due().is_empty());
    member.done("t", 0, tenure, 4, times(0, 0));
    assert_eq!(member.take_due(), [((Arc::from("t"), 0), 5)]);
    assert!(member.take_due().is_empty());
    member.committed(("t", 0), 5, false, 0);
    assert_eq!(member.assignment()[0].committed, None);
    member.committed(("t", 0), 5, true, 0);
    member.committed(("t", 7), 5, true, 0);
    assert_eq!(member.assignment()[0].committed, Some(5));
    assert_eq!(
        (member.counts.commits, member.counts.failed_commits),
        (2, 1)
    );
}

#[test]
fn a_position_counts_when_it_leads_further_and_is_not_of_an_earlier_possession() {
    let mut member = owner_of(&[0]);
    member.moved_on("t", 0, 9, 1_000, 2_000);
    assert_eq!(member.assignment()[0].position, None);
    member.moved_on("t", 0, 9, 2_000, 2_000);
    member.moved_on("t", 0, 8, 2_000, 2_000);
    assert_eq!(member.assignment()[0].position, Some(9));
    assert_eq!(member.counts.consumed, 0);
    member.moved_on("t", 0, 12, -3_600_000, 2_000);
    assert_eq!(
        member.assignment()[0].position,
        Some(12),
        "also after the clock was set back"
    );
}

#[test]
fn only_a_recent_rebalance_makes_a_stop_wait_for_commits() {
    let mut member = owner_of(&[0]);
    assert!(
        !member.owes_commits_amid_rebalance(1),
        "nothing was handled"
    );
    let tenure = member.tenure("t", 0).expect("ours");
    member.done("t", 0, tenure, 4, times(0, 0));
    assert!(member.owes_commits_amid_rebalance(1));
    assert!(
        !member.owes_commits_amid_rebalance(10_000),
        "the rebalance is long over"
    );
    assert!(
        !member.owes_commits_amid_rebalance(-3_600_000),
        "a clock that was set back causes no wait"
    );
    member.committed(("t", 0), 5, true, 0);
    assert!(!member.owes_commits_amid_rebalance(1));
}

#[test]
fn membership_is_lost_until_it_is_got_again_or_another_client_has_begun() {
    let mut member = owner_of(&[0]);
    assert_eq!(member.lost_for(0, 5), None);
    member.gone(Ownership::Lost, &partitions(&[0]), 10);
    assert_eq!(member.lost_for(0, 25), Some(15));
    assert_eq!(
        member.lost_for(0, -3_600_000),
        Some(u64::MAX),
        "the clock was set back: it may be long ago"
    );
    assert_eq!(member.lost_for(1, 25), None, "a former client lost it");
    member.joined = true;
    assert_eq!(member.lost_for(0, 25), None);
    member.assigned(&partitions(&[0]), 30);
    member.gone(Ownership::Revoked, &partitions(&[0]), 40);
    assert_eq!(member.lost_for(0, 50), None);
}

#[test]
fn pausing_is_remembered_per_partition() {
    let mut member = owner_of(&[0, 1]);
    assert_eq!(member.toggle_paused(true).len(), 2);
    member.assigned(&partitions(&[2]), 1);
    assert_eq!(member.paused_among(&partitions(&[1, 2])), partitions(&[1]));
    assert_eq!(member.toggle_paused(true), partitions(&[2]));
    assert_eq!(member.toggle_paused(false).len(), 3);
    assert!(member.toggle_paused(false).is_empty());
}

#[test]
fn moves_are_reported_once() {
    let mut member = owner_of(&[0, 1]);
    let tenure = member.tenure("t", 1).expect("ours");
    member.done("t", 1, tenure, 0, times(0, 0));
    member.done("t", 1, tenure, 1, times(0, 0));
    let moved = member.take_moved();
    assert_eq!(moved.len(), 1);
    assert_eq!(
        (moved[0].partition, moved[0].offset, moved[0].count),
        (1, 2, 2)
    );
    assert!(member.take_moved().is_empty());
}

#[test]
fn a_member_is_one_while_its_heartbeats_are_accepted() {
    let mut member = Member::default();
    assert!(!member.is_heartbeating(0), "no heartbeat was accepted");
    member.heartbeat_accepted(0, 1_000);
    assert!(!member.joined, "epoch 0: not a member yet");
    member.heartbeat_accepted(1, 2_000);
    assert!(member.joined && member.is_heartbeating(2_000 + SILENT_MS));
    assert!(!member.is_heartbeating(2_001 + SILENT_MS));
    // a broker with a long interval
    member.heartbeat_accepted(1, 62_000);
    assert!(member.is_heartbeating(62_000 + 180_000));
    member.fenced();
    assert!(!member.joined && !member.is_heartbeating(62_000));
    for lose in [
        (|member| member.gone(Ownership::Lost, &[], 0)) as fn(&mut Member),
        Member::left,
    ] {
        member.heartbeat_accepted(2, 63_000);
        assert!(member.joined && member.is_heartbeating(63_000));
        lose(&mut member);
        assert!(!member.joined && !member.is_heartbeating(63_000));
    }
}

#[test]
fn what_was_handled_is_in_the_ledger_whatever_became_of_the_partition() {
    let listed = |member: &Member| {
        let (ranges, more) = member.ledger().find(&HandledQuery::default());
        assert!(!more);
        let row = |range: &HandledRange| (range.from, range.to, range.count, range.committed_at);
        ranges.iter().map(row).collect::<Vec<_>>()
    };
    let mut member = owner_of(&[0]);
    let tenure = member.tenure("t", 0).expect("ours");
    for offset in [3, 4, 7] {
        member.done("t", 0, tenure, offset, times(10, 20));
    }
    assert_eq!(listed(&member), [], "its lines may not be out yet");
    member.take_due();
    assert_eq!(listed(&member), [(3, 7, 3, None)]);
    member.committed(("t", 0), 8, true, 30);
    assert_eq!(listed(&member), [(3, 7, 3, Some(30))]);
    // lost before it was stored, and handled again by the same consumer
    member.done("t", 0, tenure, 8, times(40, 50));
    member.gone(Ownership::Lost, &partitions(&[0]), 60);
    member.assigned(&partitions(&[0]), 70);
    let tenure = member.tenure("t", 0).expect("ours again");
    assert!(
        !member.done("t", 0, tenure - 1, 9, times(71, 72)),
        "of the former possession"
    );
    member.done("t", 0, tenure, 8, times(80, 90));
    member.left();
    let twice = [(3, 7, 3, Some(30)), (8, 8, 1, None), (8, 8, 1, None)];
    assert_eq!(listed(&member), twice);
}
