//! Groups of other applications on topics that somebody cares about: seen, never touched. Pure. In: which groups there are,
//! what Kafka says of some of them, and a look that began after that. Out: those that have commits or members on the topics
//! of the look, each with what it may be behind. Bounded: so many are asked about in one round, the others in the next ones.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use practice_contract::{OffsetReset, Protocol};

use crate::{
    lag::{Lag, total},
    model::{GroupSeen, GroupState, Partition, Snapshot, TopicSeen},
};

/// Groups that are asked about in one round, at most.
const ROUND: usize = 100;
/// A group of which nothing was said so many times is not waited for any more.
const SILENT: u32 = 3;

/// The groups of other applications, by id.
pub type OtherGroupMap = BTreeMap<String, OtherGroup>;

/// A group of another application.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OtherGroup {
    /// Its state.
    pub state: GroupState,
    /// Its protocol, if Kafka says.
    pub protocol: Option<Protocol>,
    /// How many members it has; `None`: its coordinator does not say (now).
    pub members: Option<usize>,
    /// Of each topic that it reads or has read: offsets between its commits and the ends. Some may be markers of transactions, which
    /// are nothing to read: that many messages at most. `None`: not known.
    pub topics: BTreeMap<String, Option<i64>>,
}

impl OtherGroup {
    /// What it may be behind in those of its topics that are among `topics`; `None`: it has nothing to do with them.
    pub fn on(&self, topics: impl Fn(&str) -> bool) -> Option<(Vec<&str>, Option<i64>)> {
        let its: Vec<(&str, Option<i64>)> = self
            .topics
            .iter()
            .map(|(topic, lag)| (topic.as_str(), *lag))
            .filter(|(topic, _)| topics(topic))
            .collect();
        let lag = total(its.iter().map(|(_, lag)| *lag));
        (!its.is_empty()).then(|| (its.into_iter().map(|(topic, _)| topic).collect(), lag))
    }
}

impl Known {
    /// Whether there is something to go by, or it would be in vain to wait for it.
    fn is_settled(&self) -> bool {
        self.asked > 0 && (self.silent == 0 || self.silent >= SILENT || self.seen.is_some())
    }
}

/// What is remembered of them between rounds.
#[derive(Debug, Default)]
pub struct OtherGroups {
    round: u64,
    noted: u64,
    known: BTreeMap<String, Known>,
    told: Option<Arc<OtherGroupMap>>,
}

#[derive(Debug, Default)]
struct Known {
    /// The round in which it was asked about last; 0: never.
    asked: u64,
    /// How many times nothing was said since something was.
    silent: u32,
    /// What was said, until the next look says where the logs end.
    fresh: Option<GroupSeen>,
    /// What is told of it; `None`: it has nothing to do with anybody's topics.
    seen: Option<OtherGroup>,
}

impl OtherGroups {
    /// Begins a round: these groups are there (`all`: there are no others), those are `ours`. Which are to be asked about.
    pub fn round(
        &mut self,
        there: &BTreeSet<String>,
        all: bool,
        ours: &BTreeSet<String>,
    ) -> Vec<String> {
        self.round += 1;
        self.known
            .retain(|group, _| !ours.contains(group) && (!all || there.contains(group)));
        for group in there.difference(ours) {
            self.known.entry(group.clone()).or_default();
        }
        let mut order: Vec<(&String, &Known)> = self.known.iter().collect();
        order.sort_by_key(|(_, known)| known.asked);
        // those that are told about are asked more often, and do not keep the others from being asked
        let (told, others): (Vec<_>, Vec<_>) = order
            .into_iter()
            .partition(|(_, known)| known.seen.is_some());
        let half = told.len().min(ROUND / 2);
        let next = told[..half]
            .iter()
            .chain(&others)
            .chain(&told[half..])
            .take(ROUND);
        next.map(|(group, _)| (*group).clone()).collect()
    }

    /// What was said of those that were asked about.
    pub fn note(&mut self, groups: BTreeMap<String, GroupSeen>) {
        self.noted = self.round;
        for (group, seen) in groups {
            if let Some(known) = self.known.get_mut(&group) {
                let is_silent = seen.state == GroupState::Unknown && seen.committed.is_none();
                known.silent = if is_silent { known.silent + 1 } else { 0 };
                (known.asked, known.fresh) = (self.round, Some(seen));
            }
        }
    }

    /// The round that was noted last. Ends are to be read after commits: ask before a look begins.
    pub fn noted(&self) -> u64 {
        self.noted
    }

    /// What is known, by a look that began when this round had been noted; `None` until every group has been asked about.
    pub fn told(
        &mut self,
        noted: u64,
        look: &Snapshot,
        ours: &BTreeSet<String>,
    ) -> Option<Arc<OtherGroupMap>> {
        let mut news = self.told.is_none();
        for known in self.known.values_mut().filter(|known| known.asked <= noted) {
            if let Some(fresh) = known.fresh.take() {
                known.seen = other_groups(&fresh, look, known.seen.as_ref());
                news = true;
            }
        }
        let is_gone = |told: &Arc<OtherGroupMap>| {
            told.keys()
                .any(|group| ours.contains(group) || !self.known.contains_key(group))
        };
        if news || self.told.as_ref().is_some_and(is_gone) {
            let all_asked = self.round > 0 && self.known.values().all(Known::is_settled);
            let seen = self
                .known
                .iter()
                .filter(|(group, _)| !ours.contains(*group));
            let seen = || {
                seen.filter_map(|(group, known)| Some((group.clone(), known.seen.clone()?)))
                    .collect()
            };
            // a new group is told of when it has been asked about; the others need not wait for it
            self.told = (all_asked || self.told.is_some()).then(|| Arc::new(seen()));
        }
        self.told.clone()
    }
}

/// A group as far as it has to do with the topics of a look. What Kafka does not say of it now is as `before`, its lag unknown.
fn other_groups(
    group: &GroupSeen,
    look: &Snapshot,
    before: Option<&OtherGroup>,
) -> Option<OtherGroup> {
    let is_there = |topic: &str| !matches!(look.topics.get(topic), None | Some(TopicSeen::Missing));
    let owned = group
        .members
        .iter()
        .flat_map(|member| &member.partitions)
        .flatten();
    let committed = group.committed.iter().flat_map(BTreeMap::keys);
    let of_topics: BTreeSet<&Partition> = owned.chain(committed).collect();
    let mut topics: BTreeMap<String, Option<i64>> = BTreeMap::new();
    for partition in of_topics
        .into_iter()
        .filter(|partition| is_there(&partition.0))
    {
        // where it would begin without a commit, or with one that is of no use, is its own affair: at the beginning, at most
        let lag = match look.lag(group, partition, OffsetReset::Earliest) {
            Lag::Stale => look
                .bounds(partition)
                .map(|bounds| bounds.end - bounds.start),
            lag => lag.effective(),
        };
        let sum = topics.entry(partition.0.clone()).or_insert(Some(0));
        *sum = total([*sum, lag]);
    }
    let is_described = group.state != GroupState::Unknown;
    if !(is_described && group.committed.is_some() && group.tells_owners()) {
        let former = before
            .into_iter()
            .flat_map(|before| before.topics.keys())
            .filter(|topic| is_there(topic));
        for topic in former {
            topics.entry(topic.clone()).or_insert(None);
        }
    }
    (!topics.is_empty()).then_some(OtherGroup {
        state: group.state,
        protocol: if is_described {
            group.protocol
        } else {
            before.and_then(|before| before.protocol)
        },
        members: is_described.then_some(group.members.len()),
        topics,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Bounds, Committed, MemberSeen, TopicFacts};

    fn names(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    fn look(ends: &[i64]) -> Snapshot {
        let partitions = ends
            .iter()
            .map(|end| {
                Some(Bounds {
                    start: 0,
                    end: *end,
                })
            })
            .collect();
        let facts = TopicFacts {
            partitions,
            ..TopicFacts::default()
        };
        Snapshot {
            topics: [("t".to_owned(), TopicSeen::Present(facts))].into(),
            ..Snapshot::default()
        }
    }

    fn group(commits: &[(&str, i32, i64)], owned: &[(&str, i32)]) -> GroupSeen {
        let commit = |(topic, number, offset): &(&str, i32, i64)| {
            (
                ((*topic).to_owned(), *number),
                Committed {
                    offset: *offset,
                    metadata: String::new(),
                },
            )
        };
        let member = MemberSeen {
            member_id: "m".into(),
            client_id: "c".into(),
            host: String::new(),
            partitions: Some(
                owned
                    .iter()
                    .map(|(topic, number)| ((*topic).to_owned(), *number))
                    .collect(),
            ),
        };
        GroupSeen {
            state: GroupState::Stable,
            committed: Some(commits.iter().map(commit).collect()),
            members: vec![member],
            ..GroupSeen::default()
        }
    }

    #[test]
    fn a_group_is_told_of_by_what_it_has_to_do_with_the_topics() {
        let lag = |group: GroupSeen, look: &Snapshot| {
            other_groups(&group, look, None).map(|seen| seen.topics)
        };
        let of_t = |lag| Some(BTreeMap::from([("t".to_owned(), lag)]));
        for (what, group, expected) in [
            (
                "commits",
                group(&[("t", 0, 7), ("t", 1, 20)], &[]),
                of_t(Some(3)),
            ),
            (
                "a member that has committed nothing",
                group(&[], &[("t", 1)]),
                of_t(Some(20)),
            ),
            (
                "both, once",
                group(&[("t", 0, 7)], &[("t", 0)]),
                of_t(Some(3)),
            ),
            (
                "a commit beyond the end",
                group(&[("t", 0, 11), ("t", 1, 18)], &[]),
                of_t(Some(12)),
            ),
            (
                "a partition that is not there",
                group(&[("t", 2, 7)], &[]),
                of_t(None),
            ),
            (
                "commits that are denied",
                GroupSeen {
                    committed: None,
                    ..group(&[], &[("t", 0)])
                },
                of_t(None),
            ),
            ("another topic", group(&[("u", 0, 7)], &[("u", 0)]), None),
            ("nothing", group(&[], &[]), None),
        ] {
            assert_eq!(lag(group, &look(&[10, 20])), expected, "{what}");
        }
    }

    #[test]
    fn what_was_said_during_a_look_waits_for_the_next_one() {
        let mut foreigners = OtherGroups::default();
        let next = foreigners.round(&names(&["a"]), true, &names(&[]));
        let begun = foreigners.noted();
        foreigners.note(
            next.into_iter()
                .map(|id| (id, group(&[("t", 0, 12)], &[])))
                .collect(),
        );
        let lag = |foreigners: &mut OtherGroups, noted, end| {
            foreigners
                .told(noted, &look(&[end]), &names(&[]))
                .and_then(|told| told.get("a").map(|a| a.topics["t"]))
        };
        assert_eq!(
            lag(&mut foreigners, begun, 10),
            None,
            "its end is older than the commit"
        );
        let begun = foreigners.noted();
        assert_eq!(lag(&mut foreigners, begun, 14), Some(Some(2)));
    }

    #[test]
    fn a_group_of_which_nothing_is_said_now_is_as_it_was_and_its_lag_unknown() {
        let mut foreigners = OtherGroups::default();
        let mut ask = |seen: GroupSeen, end| {
            foreigners.round(&names(&["a"]), true, &names(&[]));
            foreigners.note(
                [(
                    "a".to_owned(),
                    GroupSeen {
                        protocol: Some(Protocol::Classic),
                        ..seen
                    },
                )]
                .into(),
            );
            let told = foreigners
                .told(foreigners.noted(), &look(&[end, 20]), &names(&[]))
                .expect("it is told");
            let a = told.get("a").expect("it is still there").clone();
            (a.state, a.protocol, a.members, a.topics["t"])
        };
        let classic = Some(Protocol::Classic);
        let known = || group(&[("t", 0, 7)], &[("t", 1)]);
        assert_eq!(
            ask(known(), 10),
            (GroupState::Stable, classic, Some(1), Some(23))
        );
        for _ in 0..2 * SILENT {
            assert_eq!(
                ask(GroupSeen::default(), 12),
                (GroupState::Unknown, classic, None, None)
            );
        }
        assert_eq!(
            ask(known(), 12),
            (GroupState::Stable, classic, Some(1), Some(25))
        );
        // its commits cannot be read
        let denied = GroupSeen {
            committed: None,
            members: Vec::new(),
            ..known()
        };
        assert_eq!(
            ask(denied, 12),
            (GroupState::Stable, classic, Some(0), None)
        );
        // it rebalances: who owns what is not told, and it has not committed yet
        assert_eq!(
            ask(group(&[], &[("t", 0)]), 12),
            (GroupState::Stable, classic, Some(1), Some(12))
        );
        let mut moving = GroupSeen {
            state: GroupState::PreparingRebalance,
            ..group(&[], &[("t", 0)])
        };
        moving.members[0].partitions = None;
        assert_eq!(
            ask(moving, 12),
            (GroupState::PreparingRebalance, classic, Some(1), None)
        );
        assert_eq!(
            ask(known(), 12),
            (GroupState::Stable, classic, Some(1), Some(25))
        );
        // it has left, and a topic that is gone is not held against it
        let mut told = |seen: GroupSeen, look: &Snapshot| {
            foreigners.round(&names(&["a"]), true, &names(&[]));
            foreigners.note([("a".to_owned(), seen)].into());
            foreigners
                .told(foreigners.noted(), look, &names(&[]))
                .expect("it is told")
                .len()
        };
        let gone = Snapshot {
            topics: [("t".to_owned(), TopicSeen::Missing)].into(),
            ..Snapshot::default()
        };
        assert_eq!(
            (
                told(GroupSeen::default(), &look(&[9])),
                told(GroupSeen::default(), &gone)
            ),
            (1, 0)
        );
        assert_eq!(
            (
                told(known(), &look(&[9, 9])),
                told(group(&[], &[]), &look(&[9]))
            ),
            (1, 0)
        );
    }

    #[test]
    fn nothing_is_told_while_a_group_has_yet_to_be_described() {
        let mut foreigners = OtherGroups::default();
        let mut ask = |b: GroupSeen| {
            foreigners.round(&names(&["a", "b"]), true, &names(&[]));
            foreigners.note(
                [
                    ("a".to_owned(), group(&[("t", 0, 4)], &[])),
                    ("b".to_owned(), b),
                ]
                .into(),
            );
            foreigners
                .told(foreigners.noted(), &look(&[10]), &names(&[]))
                .map(|told| told.len())
        };
        for _ in 1..SILENT {
            assert_eq!(ask(GroupSeen::default()), None, "it may be one of them");
        }
        assert_eq!(
            ask(GroupSeen::default()),
            Some(1),
            "somebody else's trouble does not keep the others back for ever"
        );
        assert_eq!(ask(group(&[("t", 0, 4)], &[])), Some(2));
    }

    #[test]
    fn only_the_topics_of_a_practice_count_for_it() {
        let topics = [
            ("a".to_owned(), Some(1)),
            ("b".to_owned(), Some(2)),
            ("c".to_owned(), None),
        ]
        .into();
        let seen = OtherGroup {
            state: GroupState::Stable,
            protocol: None,
            members: Some(1),
            topics,
        };
        let on = |topics: &[&str]| seen.on(|topic| topics.contains(&topic));
        assert_eq!(on(&["a", "b"]), Some((vec!["a", "b"], Some(3))));
        assert_eq!(on(&["a", "c"]), Some((vec!["a", "c"], None)));
        assert_eq!(on(&["d"]), None);
    }

    #[test]
    fn rounds_are_bounded_and_reach_everybody() {
        let there: BTreeSet<String> = (0..1_000).map(|number| format!("g-{number:04}")).collect();
        let ours = names(&["g-0000", "not-there-yet"]);
        let mut foreigners = OtherGroups::default();
        let mut asked = BTreeSet::new();
        for round in 1..=30 {
            let next = foreigners.round(&there, true, &ours);
            assert_eq!(next.len(), ROUND, "round {round}");
            assert!(
                !next.contains(&"g-0000".to_owned()),
                "ours is not asked about"
            );
            asked.extend(next.iter().cloned());
            // every second one reads our topic
            let said = next.into_iter().enumerate().map(|(at, id)| {
                let commits: &[(&str, i32, i64)] = if at % 2 == 0 { &[("t", 0, 4)] } else { &[] };
                (id, group(commits, &[]))
            });
            foreigners.note(said.collect());
            let told = foreigners.told(foreigners.noted(), &look(&[10]), &ours);
            assert_eq!(
                told.is_some(),
                asked.len() == 999,
                "round {round}: nothing is told before all were asked about"
            );
        }
        assert_eq!(asked.len(), 999);
    }

    #[test]
    fn who_is_gone_or_has_become_ours_is_told_of_no_more() {
        let mut foreigners = OtherGroups::default();
        let there = names(&["a", "b", "c"]);
        let said = |foreigners: &mut OtherGroups, next: Vec<String>| {
            foreigners.note(
                next.into_iter()
                    .map(|id| (id, group(&[("t", 0, 4)], &[])))
                    .collect(),
            );
        };
        let told = |foreigners: &mut OtherGroups, ours: &BTreeSet<String>| -> Vec<String> {
            foreigners
                .told(foreigners.noted(), &look(&[10]), ours)
                .expect("is told")
                .keys()
                .cloned()
                .collect()
        };
        assert_eq!(
            foreigners.told(foreigners.noted(), &look(&[10]), &names(&[])),
            None,
            "nobody has asked yet"
        );
        let next = foreigners.round(&there, true, &names(&[]));
        said(&mut foreigners, next);
        assert_eq!(told(&mut foreigners, &names(&[])), ["a", "b", "c"]);
        assert_eq!(told(&mut foreigners, &names(&["b"])), ["a", "c"]);
        // a broker that did not answer may know the others
        foreigners.round(&names(&["a"]), false, &names(&["b"]));
        assert_eq!(told(&mut foreigners, &names(&["b"])), ["a", "c"]);
        foreigners.round(&names(&["a"]), true, &names(&["b"]));
        assert_eq!(told(&mut foreigners, &names(&["b"])), ["a"]);
        let same = (
            foreigners.told(foreigners.noted(), &look(&[99]), &names(&["b"])),
            foreigners.told(foreigners.noted(), &look(&[0]), &names(&["b"])),
        );
        assert!(
            same.0.zip(same.1).is_some_and(|(a, b)| Arc::ptr_eq(&a, &b)),
            "a lag is that of the time it was asked for"
        );
        foreigners.round(&names(&[]), true, &names(&[]));
        assert_eq!(told(&mut foreigners, &names(&[])), Vec::<String>::new());
    }
}
