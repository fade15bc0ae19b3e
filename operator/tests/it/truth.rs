//! The independent truth about groups: what Kafka's own `ConsumerGroupCommand` prints, compared with the status that the
//! operator has written, cell by cell, where both claim to know.

use std::{collections::BTreeMap, time::Duration};

use practice_api::{
    PracticeStatus,
    status::{GroupStatus, OtherGroupStatus, OwnedPartition},
};
use practice_testbed::described::{self, Member, Offsets, State};
use tokio::time::{Instant, sleep};

use crate::scene::{Scene, group};

/// Status that says nothing else for so long says what is so: a number may be written 10 s after it changed, and a look at
/// Kafka comes every 2 s.
const STILL: Duration = Duration::from_secs(15);
/// Until then everything has come to rest.
const LONGEST: Duration = Duration::from_mins(4);

/// What Kafka's tool prints of some groups.
#[derive(Debug)]
struct Printed {
    offsets: Vec<Offsets>,
    members: Vec<Member>,
    states: Vec<State>,
}

/// Status of a practice, when it says the same of these groups (its own, and of others those in its list) as Kafka's own tool
/// at the same moment. Nothing may be on its way: status says the same before and after the tool was asked, and no group
/// is in a rebalance.
pub(crate) async fn agreed(
    what: &str,
    scene: &Scene,
    practice: &str,
    tool: impl AsyncFn(&str, &[&str]) -> String,
    bootstrap: &str,
    groups: &[String],
) -> PracticeStatus {
    let begun = Instant::now();
    loop {
        let before = still(what, scene, practice, begun).await;
        let printed = Printed {
            offsets: described::offsets(&tool, bootstrap, groups).await,
            members: described::members(&tool, bootstrap, groups).await,
            states: described::states(&tool, bootstrap, groups).await,
        };
        let after = status(scene, practice).await;
        let settled = printed
            .states
            .iter()
            .all(|state| matches!(state.state.as_str(), "Stable" | "Empty"));
        if facts(&before) == facts(&after) && settled {
            let cells = compare(&after, &printed, groups);
            println!(
                "{what}: {cells} cells about {} groups agree with ConsumerGroupCommand",
                groups.len()
            );
            return after;
        }
        assert!(
            begun.elapsed() < LONGEST,
            "{what} must be at rest: {printed:#?}\n{after:#?}"
        );
    }
}

async fn status(scene: &Scene, practice: &str) -> PracticeStatus {
    let there = scene.practice(practice).await.expect("it is there");
    there.status.expect("it is set")
}

/// Status when it has been the same for a while.
async fn still(what: &str, scene: &Scene, practice: &str, begun: Instant) -> PracticeStatus {
    let mut last = (status(scene, practice).await, Instant::now());
    while last.1.elapsed() < STILL {
        sleep(Duration::from_millis(500)).await;
        let now = status(scene, practice).await;
        if facts(&now) != facts(&last.0) {
            last = (now, Instant::now());
        }
        assert!(
            begun.elapsed() < LONGEST,
            "{what} must be at rest: {:#?}",
            last.0
        );
    }
    last.0
}

/// What of a status is about groups and is no estimate.
fn facts(status: &PracticeStatus) -> (Vec<GroupStatus>, &[OtherGroupStatus]) {
    let without_estimates = |group: &GroupStatus| GroupStatus {
        oldest_since: None,
        done_at: None,
        ..group.clone()
    };
    (
        status.groups.iter().map(without_estimates).collect(),
        &status.other_groups,
    )
}

/// How many cells were compared.
fn compare(status: &PracticeStatus, printed: &Printed, groups: &[String]) -> usize {
    let mut cells = 0;
    for name in groups {
        let of = |group: &str| group == name;
        let offsets: Vec<&Offsets> = printed
            .offsets
            .iter()
            .filter(|row| of(&row.group))
            .collect();
        let state = printed.states.iter().find(|row| of(&row.group));
        let state = state.unwrap_or_else(|| panic!("no state of {name}: {printed:#?}"));
        if let Some(other) = status.other_groups.iter().find(|other| of(&other.name)) {
            cells += compare_other_group(other, &offsets, state);
            continue;
        }
        let ours = group(status, name);
        assert!(!ours.truncated, "all of it is compared");
        cells += compare_offsets(ours, &offsets);
        let mut theirs: Vec<(&str, &str, usize)> = printed
            .members
            .iter()
            .filter(|row| of(&row.group))
            .map(|row| {
                (
                    row.member_id.as_str(),
                    row.client_id.as_str(),
                    row.partitions,
                )
            })
            .collect();
        let count = |count: i32| usize::try_from(count).expect("is not negative");
        let mut members: Vec<(&str, &str, usize)> = ours
            .members
            .iter()
            .map(|member| {
                (
                    member.member_id.as_str(),
                    member.client_id.as_str(),
                    count(member.partition_count),
                )
            })
            .collect();
        members.sort_unstable();
        theirs.sort_unstable();
        assert_eq!(members, theirs, "members of {name}");
        assert_eq!(
            (&ours.state, ours.members.len()),
            (&state.state, state.members),
            "{name}"
        );
        cells += 3 * members.len() + 2;
        if let (Some(ours), Some(theirs)) = (ours.epoch, state.epoch) {
            assert_eq!(ours, theirs, "epoch of {name}");
            cells += 1;
        }
    }
    cells
}

fn compare_offsets(group: &GroupStatus, printed: &[&Offsets]) -> usize {
    let held = group.members.iter().flat_map(|member| {
        let owner = (member.member_id.clone(), member.client_id.clone());
        member
            .partitions
            .iter()
            .map(move |partition| (Some(owner.clone()), partition))
    });
    // of what nobody owns and nobody has committed Kafka's tool says nothing
    let open = group
        .unowned
        .iter()
        .filter(|partition| partition.committed.is_some());
    let all = held.chain(open.map(|partition| (None, partition)));
    let mut ours: BTreeMap<(String, i32), _> = all
        .map(|(owner, partition)| {
            (
                (partition.topic.clone(), partition.partition),
                (owner, partition),
            )
        })
        .collect();
    let mut cells = 0;
    for theirs in printed {
        let (owner, ours) = ours
            .remove(&theirs.partition)
            .unwrap_or_else(|| panic!("status does not tell of {theirs:?}: {group:#?}"));
        assert_eq!(
            (&owner, ours.committed),
            (&theirs.owner, theirs.committed),
            "{ours:?}\n{theirs:?}"
        );
        cells += 5; // group, topic, partition, and these: consumer id and client id are one of them
        if let (Some(a), Some(b)) = (ours.end, theirs.end) {
            assert_eq!(a, b, "end: {ours:?}\n{theirs:?}");
            cells += 1;
        }
        if let (Some(a), Some(b)) = (claimed(ours), theirs.lag) {
            assert_eq!(a, b, "lag: {ours:?}\n{theirs:?}");
            cells += 1;
        }
    }
    assert!(ours.is_empty(), "Kafka's tool does not tell of {ours:#?}");
    cells
}

/// The lag that Kafka's tool would print, if it has a word for it.
fn claimed(partition: &OwnedPartition) -> Option<i64> {
    match partition.lag_reason.as_deref() {
        None => partition.lag,
        // what is gone can be read by nobody; Kafka's tool counts it
        Some("Expired") => Some(partition.lag? + partition.lost?),
        Some(_) => None,
    }
}

fn compare_other_group(ours: &OtherGroupStatus, printed: &[&Offsets], state: &State) -> usize {
    assert_eq!(
        (&ours.state, ours.members),
        (&state.state, i32::try_from(state.members).ok()),
        "{ours:?}"
    );
    let on_topics = printed
        .iter()
        .filter(|row| ours.topics.contains(&row.partition.0));
    let lag: Option<i64> = on_topics.map(|row| row.lag).sum();
    if let (Some(a), Some(b)) = (ours.lag, lag) {
        assert_eq!(a, b, "{ours:?}\n{printed:?}");
        return 4;
    }
    3
}
