//! Which rebalances groups went through. Pure. In: one look at a group after another, each with its time. Out: who joined,
//! who left, what changed hands and how long it took. Deliberately absent: why (a look does not say), and whatever began and
//! ended between two looks without leaving a trace.

use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

use crate::model::{GroupSeen, GroupState, Partition};

/// Rebalances that are kept of each group; the oldest go first.
pub const KEPT: usize = 50;

/// A rebalance that is over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rebalance {
    /// Counts the group's rebalances from 1, also those that are no longer kept. Classic groups tell no generation.
    pub number: u64,
    /// When it was noticed, milliseconds since the epoch.
    pub at: i64,
    /// KIP-848: the group epoch after it.
    pub epoch: Option<i64>,
    /// Client ids of new members.
    pub joined: Vec<String>,
    /// Client ids of members that are gone.
    pub left: Vec<String>,
    /// Partitions that have another owner than before, sorted.
    pub moved: Vec<Move>,
    /// From the first look that saw it under way to the one that saw it over; `None`: it fell between two looks.
    pub took: Option<Duration>,
}

/// A partition that changed hands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Move {
    /// Which one.
    pub partition: Partition,
    /// Client id of its former owner; `None`: nobody had it.
    pub from: Option<String>,
    /// Client id of its owner now; `None`: nobody has it.
    pub to: Option<String>,
}

/// What is remembered of the groups of one practice.
#[derive(Debug, Clone, Default)]
pub struct Journal {
    groups: BTreeMap<String, Memory>,
}

#[derive(Debug, Clone, Default)]
struct Memory {
    settled: Option<Settled>,
    /// When it was first seen that it is not settled (any more).
    moving_since: Option<i64>,
    count: u64,
    over: VecDeque<Rebalance>,
}

/// A group whose members have what they should have.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Settled {
    /// Client ids by member id.
    members: BTreeMap<String, String>,
    /// Member ids by partition.
    owners: BTreeMap<Partition, String>,
}

impl Journal {
    /// Takes note of a look at one group. True: a rebalance is over, it is the newest now.
    pub fn look(&mut self, group: &str, seen: &GroupSeen, now: i64) -> bool {
        if seen.state == GroupState::Unknown {
            return false;
        }
        let memory = self.groups.entry(group.to_owned()).or_default();
        let Some(after) = settled(seen) else {
            memory.moving_since.get_or_insert(now);
            return false;
        };
        let (before, moving_since) = (memory.settled.replace(after.clone()), memory.moving_since.take());
        let Some(before) = before else { return false }; // nothing to compare with: how it came to be is not known
        if before == after && moving_since.is_none() {
            return false;
        }
        memory.count += 1;
        memory.over.push_front(Rebalance {
            number: memory.count,
            at: moving_since.unwrap_or(now),
            epoch: seen.epoch,
            joined: only_in(&after, &before),
            left: only_in(&before, &after),
            moved: moved(&before, &after),
            took: moving_since
                .and_then(|since| u64::try_from(now.saturating_sub(since)).ok())
                .map(Duration::from_millis),
        });
        memory.over.truncate(KEPT);
        true
    }

    /// Forgets the groups that are not named.
    pub fn keep(&mut self, is_named: impl Fn(&str) -> bool) {
        self.groups.retain(|group, _| is_named(group));
    }

    /// A group's rebalances, newest first.
    pub fn of<'a>(&'a self, group: &str) -> impl Iterator<Item = &'a Rebalance> + use<'a> {
        self.groups.get(group).into_iter().flat_map(|memory| &memory.over)
    }
}

/// Who has what, unless that is on its way.
fn settled(seen: &GroupSeen) -> Option<Settled> {
    match seen.state {
        GroupState::Empty | GroupState::Absent => return Some(Settled::default()),
        GroupState::Stable => {}
        GroupState::PreparingRebalance
        | GroupState::CompletingRebalance
        | GroupState::Assigning
        | GroupState::Reconciling
        | GroupState::Unknown => return None,
    }
    let mut settled = Settled::default();
    for member in &seen.members {
        settled.members.insert(member.member_id.clone(), member.client_id.clone());
        for partition in member.partitions.as_ref()? {
            settled.owners.insert(partition.clone(), member.member_id.clone());
        }
    }
    Some(settled)
}

fn only_in(one: &Settled, other: &Settled) -> Vec<String> {
    let missing = one.members.iter().filter(|(id, _)| !other.members.contains_key(*id));
    let mut names: Vec<String> = missing.map(|(_, name)| name.clone()).collect();
    names.sort_unstable();
    names
}

fn moved(before: &Settled, after: &Settled) -> Vec<Move> {
    let mut partitions: Vec<&Partition> = before.owners.keys().chain(after.owners.keys()).collect();
    partitions.sort_unstable();
    partitions.dedup();
    let name = |state: &Settled, partition: &Partition| state.members.get(state.owners.get(partition)?).cloned();
    partitions
        .into_iter()
        .filter(|partition| before.owners.get(*partition) != after.owners.get(*partition))
        .map(|partition| Move {
            partition: partition.clone(),
            from: name(before, partition),
            to: name(after, partition),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::MemberSeen;

    /// A stable group of members, each `client:partition,partition`; the member id is the client's with `-id`.
    fn group(state: GroupState, members: &[&str]) -> GroupSeen {
        let member = |text: &&str| {
            let (client, partitions) = text.split_once(':').expect("has a colon");
            let numbers = partitions.split(',').filter(|number| !number.is_empty());
            MemberSeen {
                member_id: format!("{client}-id"),
                client_id: client.trim_end_matches('\'').to_owned(),
                host: "/10.0.0.1".to_owned(),
                partitions: Some(numbers.map(|n| ("t".to_owned(), n.parse().expect("a number"))).collect()),
            }
        };
        GroupSeen { state, members: members.iter().map(member).collect(), ..GroupSeen::default() }
    }

    /// The newest rebalance in short: `+joined -left partition:from>to`.
    fn short(journal: &Journal) -> String {
        let newest = journal.of("g").next().expect("there is one");
        let or_nobody = |name: &Option<String>| name.clone().unwrap_or_else(|| "nobody".to_owned());
        let joined = newest.joined.iter().map(|name| format!("+{name}"));
        let left = newest.left.iter().map(|name| format!("-{name}"));
        let moved =
            newest.moved.iter().map(|m| format!("{}:{}>{}", m.partition.1, or_nobody(&m.from), or_nobody(&m.to)));
        joined.chain(left).chain(moved).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn who_joins_and_leaves_and_what_moves() {
        for (before, after, expected) in [
            (vec!["a:0,1,2"], vec!["a:0,1", "b:2"], "+b 2:a>b"),
            (vec!["a:0,1", "b:2"], vec!["a:0,1,2"], "-b 2:b>a"),
            (vec!["a:0"], vec!["a:0", "b:"], "+b"),
            (vec!["a:0"], vec!["a:0,1"], "1:nobody>a"),
            (vec!["a:0,1"], vec!["a:0"], "1:a>nobody"),
            (vec!["a:0"], vec!["a':0"], "+a -a 0:a>a"), // the same pod, another member
            (vec!["a:0", "b:1"], vec!["a:1", "b:0"], "0:a>b 1:b>a"),
            (vec![], vec!["a:0", "b:1"], "+a +b 0:nobody>a 1:nobody>b"),
        ] {
            let mut journal = Journal::default();
            assert!(!journal.look("g", &group(GroupState::Stable, &before), 1_000));
            assert!(journal.look("g", &group(GroupState::Stable, &after), 3_000), "{expected}");
            assert_eq!(short(&journal), expected);
            let newest = journal.of("g").next().expect("there is one");
            assert_eq!((newest.at, newest.took, newest.number), (3_000, None, 1));
            assert!(!journal.look("g", &group(GroupState::Stable, &after), 5_000), "nothing new");
        }
    }

    #[test]
    fn it_takes_from_the_first_look_that_saw_it_to_the_one_that_saw_it_over() {
        let mut journal = Journal::default();
        journal.look("g", &group(GroupState::Absent, &[]), 0);
        for (state, now) in [
            (GroupState::PreparingRebalance, 1_000),
            (GroupState::Unknown, 2_000),
            (GroupState::CompletingRebalance, 3_000),
        ] {
            assert!(!journal.look("g", &group(state, &["a:"]), now));
        }
        assert!(journal.look("g", &GroupSeen { epoch: Some(7), ..group(GroupState::Stable, &["a:0"]) }, 4_000));
        let newest = journal.of("g").next().expect("there is one").clone();
        assert_eq!((newest.at, newest.took, newest.epoch), (1_000, Some(Duration::from_secs(3)), Some(7)));
        // one in which nothing changed hands is one too
        journal.look("g", &group(GroupState::Reconciling, &["a:0"]), 5_000);
        assert!(journal.look("g", &group(GroupState::Stable, &["a:0"]), 5_500));
        assert_eq!((short(&journal).as_str(), journal.of("g").count()), ("", 2));
    }

    #[test]
    fn what_is_not_known_is_no_rebalance() {
        let mut journal = Journal::default();
        let stable = group(GroupState::Stable, &["a:0"]);
        journal.look("g", &stable, 0);
        assert!(!journal.look("g", &GroupSeen::default(), 1), "Kafka could not be asked");
        let mut silent = stable.clone();
        silent.members[0].partitions = None;
        assert!(!journal.look("g", &silent, 2), "it does not say who has what");
        assert!(journal.look("g", &stable, 3));
        assert!(!Journal::default().look("g", &stable, 4), "nothing came before");
    }

    #[test]
    fn fifty_are_kept_of_each_group_and_none_of_groups_that_are_gone() {
        let mut journal = Journal::default();
        for now in 0..=60 {
            let owner = if now % 2 == 0 { "a:0" } else { "b:0" };
            journal.look("g", &group(GroupState::Stable, &[owner]), now);
            journal.look("other", &group(GroupState::Stable, &[owner]), now);
        }
        assert_eq!((journal.of("g").count(), journal.of("g").next().map(|r| r.number)), (KEPT, Some(60)));
        journal.keep(|group| group == "g");
        assert_eq!((journal.of("g").count(), journal.of("other").count()), (KEPT, 0));
    }
}
