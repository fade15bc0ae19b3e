//! The independent truth about groups: what Kafka's own `ConsumerGroupCommand` prints, compared with a look cell by cell.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use practice_groups::{GroupSeen, GroupState, Kafka, Lag, OffsetReset, Partition, Snapshot};

const CLASS: &str = "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand";

/// One line of it; `None` where it prints `-`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Row {
    pub(crate) group: String,
    pub(crate) partition: Partition,
    pub(crate) committed: Option<i64>,
    pub(crate) end: Option<i64>,
    pub(crate) lag: Option<i64>,
    /// Member id and client id.
    pub(crate) owner: Option<(String, String)>,
}

/// What it prints of groups; each of them is there. `tool` runs a class with arguments.
pub(crate) async fn described(
    tool: impl AsyncFn(&str, &[&str]) -> String,
    bootstrap: &str,
    groups: &[String],
) -> Vec<Row> {
    let named = groups.iter().flat_map(|group| ["--group", group.as_str()]);
    let args: Vec<&str> = ["--bootstrap-server", bootstrap, "--describe"].into_iter().chain(named).collect();
    let said = tool(CLASS, &args).await;
    let (mut heads, mut rows): (Vec<&str>, Vec<Row>) = (Vec::new(), Vec::new());
    for line in said.lines() {
        let cells: Vec<&str> = line.split_whitespace().collect();
        match cells.first() {
            Some(&"GROUP") => heads = cells,
            Some(group) if groups.iter().any(|named| named == group) => {
                let cell = |head: &str| {
                    let at = heads.iter().position(|name| *name == head);
                    at.and_then(|at| cells.get(at)).copied().unwrap_or_else(|| panic!("no {head} in:\n{said}"))
                };
                let number = |head| cell(head).parse().ok();
                let owner = (cell("CONSUMER-ID").to_owned(), cell("CLIENT-ID").to_owned());
                // a member without partitions has a line of its own
                if cell("TOPIC") == "-" {
                    continue;
                }
                rows.push(Row {
                    group: (*group).to_owned(),
                    partition: (cell("TOPIC").to_owned(), cell("PARTITION").parse().expect("a number")),
                    committed: number("CURRENT-OFFSET"),
                    end: number("LOG-END-OFFSET"),
                    lag: number("LAG"),
                    owner: Some(owner).filter(|(member, _)| member != "-"),
                });
            }
            _ => {}
        }
    }
    rows.sort();
    rows
}

/// The same of a look, with the lag that it knows.
fn seen(snapshot: &Snapshot) -> Vec<(Row, Lag)> {
    let mut rows = Vec::new();
    for (id, group) in &snapshot.groups {
        let committed = group.committed.as_ref().expect("can be read");
        let owned = group.members.iter().flat_map(|member| &member.partitions).flatten();
        for partition in committed.keys().chain(owned).collect::<BTreeSet<_>>() {
            let owns = |owned: &Vec<Partition>| owned.contains(partition);
            let member = group.members.iter().find(|member| member.partitions.as_ref().is_some_and(owns));
            let lag = snapshot.lag(group, partition, OffsetReset::Earliest);
            rows.push((
                Row {
                    group: id.clone(),
                    partition: partition.clone(),
                    committed: committed.get(partition).map(|committed| committed.offset),
                    end: snapshot.bounds(partition).map(|bounds| bounds.end),
                    lag: None,
                    owner: member.map(|member| (member.member_id.clone(), member.client_id.clone())),
                },
                lag,
            ));
        }
    }
    rows.sort_by(|a, b| a.0.cmp(&b.0));
    rows
}

/// Compares every cell where both claim to know. How many they were.
fn compare(snapshot: &Snapshot, theirs: &[Row]) -> usize {
    let ours = seen(snapshot);
    let keys = |row: &Row| (row.group.clone(), row.partition.clone());
    let (our_keys, their_keys): (Vec<_>, Vec<_>) =
        (ours.iter().map(|(row, _)| keys(row)).collect(), theirs.iter().map(keys).collect());
    assert_eq!(our_keys, their_keys, "the same lines");
    let mut cells = 0;
    for ((ours, lag), theirs) in ours.iter().zip(theirs) {
        assert_eq!((ours.committed, &ours.owner), (theirs.committed, &theirs.owner), "{ours:?}\n{theirs:?}");
        cells += 5; // group, topic, partition, and these: consumer id and client id are one of them
        if let (Some(a), Some(b)) = (ours.end, theirs.end) {
            assert_eq!(a, b, "{ours:?}\n{theirs:?}");
            cells += 1;
        }
        let claimed = match lag {
            Lag::Behind(n) => Some(*n),
            // what is gone can be read by nobody; Kafka's tool counts it
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

/// A look at the same moment as Kafka's own tool, which says the same. Nothing may be on its way: a look before and one
/// after it have to be the same, and no group may be in a rebalance. One that had to find a new coordinator can be in one
/// until the session of the member that it was before has ended; its members' former partitions, which Kafka's tool
/// prints meanwhile, are nothing that a look claims to know.
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
        let theirs = described(&tool, bootstrap, groups).await;
        let after = kafka.observe(topics, groups).await.expect("Kafka answers");
        let settled =
            |group: &GroupSeen| matches!(group.state, GroupState::Stable | GroupState::Empty | GroupState::Absent);
        if before == after && after.groups.values().all(settled) {
            let cells = compare(&after, &theirs);
            println!("{what}: {cells} cells of {} lines agree with ConsumerGroupCommand", theirs.len());
            return after;
        }
        assert!(begun.elapsed() < Duration::from_mins(2), "{what} must be still: {before:?}\n{after:?}");
    }
}
