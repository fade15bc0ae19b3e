//! The independent truth about groups: what Kafka's own `ConsumerGroupCommand` prints, compared with a poll cell by cell.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use practice_contract::OffsetReset;
use practice_groups::{GroupSeen, GroupState, Lag, PartitionSet, Snapshot, owned};
use practice_kafka::Kafka;
use practice_testbed::described::{self, Offsets};

/// The same of a poll, with its lag.
fn seen(snapshot: &Snapshot) -> Vec<(Offsets, Lag)> {
    let mut rows = Vec::new();
    for (id, group) in &snapshot.groups {
        let committed = group.committed.as_ref().expect("can be read");
        let of_members = group
            .members
            .iter()
            .flat_map(|member| &member.partitions)
            .flat_map(PartitionSet::keys);
        for partition in committed.keys().chain(of_members).collect::<BTreeSet<_>>() {
            let owns = |owned: &PartitionSet| owned.contains(partition);
            let member = group
                .members
                .iter()
                .find(|member| member.partitions.as_ref().is_some_and(owns));
            let lag = snapshot.lag(group, partition, OffsetReset::Earliest);
            rows.push((
                Offsets {
                    group: id.clone(),
                    partition: owned(partition),
                    committed: committed.get(partition).map(|committed| committed.offset),
                    end: snapshot.bounds(partition).map(|bounds| bounds.end),
                    lag: None,
                    owner: member
                        .map(|member| (member.member_id.clone(), member.client_id.clone())),
                },
                lag,
            ));
        }
    }
    rows.sort_by(|a, b| a.0.cmp(&b.0));
    rows
}

/// Compares every cell where both claim to know. How many they were.
fn compare(snapshot: &Snapshot, theirs: &[Offsets]) -> usize {
    let ours = seen(snapshot);
    let keys = |row: &Offsets| (row.group.clone(), row.partition.clone());
    let (our_keys, their_keys): (Vec<_>, Vec<_>) = (
        ours.iter().map(|(row, _)| keys(row)).collect(),
        theirs.iter().map(keys).collect(),
    );
    assert_eq!(our_keys, their_keys, "the same lines");
    let mut cells = 0;
    for ((ours, lag), theirs) in ours.iter().zip(theirs) {
        assert_eq!(
            (ours.committed, &ours.owner),
            (theirs.committed, &theirs.owner),
            "{ours:?}\n{theirs:?}"
        );
        cells += 5; // group, topic, partition, and these: consumer id and client id are one of them
        if let (Some(a), Some(b)) = (ours.end, theirs.end) {
            assert_eq!(a, b, "{ours:?}\n{theirs:?}");
            cells += 1;
        }
        let claimed = match lag {
            Lag::Behind(n) => Some(*n),
            // deleted messages cannot be read; Kafka's tool counts them
            Lag::Expired { lost, left } => Some(lost + left),
            // Kafka's tool has no word for these
            Lag::NoCommit(_) | Lag::Stale | Lag::Recreated(_) | Lag::Unknown => None,
        };
        if let (Some(a), Some(b)) = (claimed, theirs.lag) {
            assert_eq!(a, b, "{lag:?} {ours:?}\n{theirs:?}");
            cells += 1;
        }
    }
    cells
}

/// A poll at the same moment as Kafka's own tool, which agrees. Nothing may be in progress: a poll before and one
/// after it have to be the same, and no group may be in a rebalance. One that had to find a new coordinator can be in one
/// until the session of the member that it was before has ended; its members' former partitions, which Kafka's tool
/// prints meanwhile, are not part of a poll.
pub(crate) async fn agreed(
    what: &str,
    tool: impl AsyncFn(&str, &[&str]) -> String,
    bootstrap: &str,
    topics: &[String],
    groups: &[String],
) -> Snapshot {
    let (kafka, begun) = (Kafka::connect(bootstrap), Instant::now());
    loop {
        let before = kafka.observe(topics, groups).await.expect("Kafka answers");
        let theirs = described::offsets(&tool, bootstrap, groups).await;
        let after = kafka.observe(topics, groups).await.expect("Kafka answers");
        let settled = |group: &GroupSeen| {
            matches!(
                group.state,
                GroupState::Stable | GroupState::Empty | GroupState::Absent
            )
        };
        if before == after && after.groups.values().all(|group| settled(group)) {
            let cells = compare(&after, &theirs);
            println!(
                "{what}: {cells} cells of {} lines agree with ConsumerGroupCommand",
                theirs.len()
            );
            return after;
        }
        assert!(
            begun.elapsed() < Duration::from_mins(2),
            "{what} must be still: {before:?}\n{after:?}"
        );
    }
}
