//! Groups of other applications on the practices' topics: read, never changed. Pure. In: ids of all groups, descriptions of some of
//! them, and a poll that began after that. Out: groups with commits or members on the topics of the poll, each with an upper bound
//! of its lag. Bounded: a round describes at most [`ROUND`] groups, later rounds the others.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use practice_contract::{OffsetReset, Protocol};

use crate::{
    by_partition::{At, ByPartition},
    lag::{Lag, total},
    model::{GroupSeen, GroupState, Snapshot, TopicSeen},
};

/// Groups described in one round, at most.
const ROUND: usize = 100;
/// After this many unanswered requests a group no longer delays the first report.
const SILENT: u32 = 3;

/// The groups of other applications, by id.
pub type OtherGroupMap = BTreeMap<String, OtherGroup>;

/// A group of another application.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OtherGroup {
    /// Its state.
    pub state: GroupState,
    /// Its protocol, if Kafka reports it.
    pub protocol: Option<Protocol>,
    /// Number of members; `None`: its coordinator does not report it now.
    pub members: Option<usize>,
    /// For each topic that it consumes or has consumed: offsets between its commits and the ends. This is an upper bound of the
    /// messages, because transaction markers have offsets too. `None`: not known.
    pub topics: BTreeMap<String, Option<i64>>,
}

impl OtherGroup {
    /// Its topics among `topics`, and the upper bound of its lag in them; `None`: it has none of them.
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
    /// Whether the group is described, or has not answered too often to wait for it.
    fn is_settled(&self) -> bool {
        self.asked > 0 && (self.silent == 0 || self.silent >= SILENT || self.seen.is_some())
    }
}

/// What is known about the groups between rounds.
#[derive(Debug, Default)]
pub struct OtherGroups {
    round: u64,
    noted: u64,
    known: BTreeMap<String, Known>,
    reported: Option<Arc<OtherGroupMap>>,
}

#[derive(Debug, Default)]
struct Known {
    /// The round that last described it; 0: none.
    asked: u64,
    /// Unanswered requests since the last answer.
    silent: u32,
    /// The newest description, until the next poll has the ends of the logs.
    fresh: Option<GroupSeen>,
    /// What is reported about it; `None`: it has no commits or members on the practices' topics.
    seen: Option<OtherGroup>,
}

impl OtherGroups {
    /// Begins a round: these groups exist (`all`: there are no others), and `ours` belong to practices. Out: the groups to describe.
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
        // reported groups are described more often, but take at most half of the round from the others
        let (reported, others): (Vec<_>, Vec<_>) = order
            .into_iter()
            .partition(|(_, known)| known.seen.is_some());
        let half = reported.len().min(ROUND / 2);
        let next = reported[..half]
            .iter()
            .chain(&others)
            .chain(&reported[half..])
            .take(ROUND);
        next.map(|(group, _)| (*group).clone()).collect()
    }

    /// Records the descriptions that a round asked for.
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

    /// The round that was recorded last. Call it before a poll begins, because ends are read after commits.
    pub fn noted(&self) -> u64 {
        self.noted
    }

    /// The known groups, by a poll that began after this round was recorded; `None` until every group was described.
    pub fn report(
        &mut self,
        noted: u64,
        snapshot: &Snapshot,
        ours: &BTreeSet<String>,
    ) -> Option<Arc<OtherGroupMap>> {
        let mut news = self.reported.is_none();
        for known in self.known.values_mut().filter(|known| known.asked <= noted) {
            if let Some(fresh) = known.fresh.take() {
                known.seen = other_groups(&fresh, snapshot, known.seen.as_ref());
                news = true;
            }
        }
        let is_gone = |reported: &Arc<OtherGroupMap>| {
            reported
                .keys()
                .any(|group| ours.contains(group) || !self.known.contains_key(group))
        };
        if news || self.reported.as_ref().is_some_and(is_gone) {
            let all_asked = self.round > 0 && self.known.values().all(Known::is_settled);
            let seen = self
                .known
                .iter()
                .filter(|(group, _)| !ours.contains(*group));
            let seen = || {
                seen.filter_map(|(group, known)| Some((group.clone(), known.seen.clone()?)))
                    .collect()
            };
            // a new group is reported once it is described; the others do not wait for it
            self.reported = (all_asked || self.reported.is_some()).then(|| Arc::new(seen()));
        }
        self.reported.clone()
    }
}

/// The part of a group on the topics of a poll. Topics that Kafka does not report now are kept from `before`, with unknown lag.
fn other_groups(
    group: &GroupSeen,
    snapshot: &Snapshot,
    before: Option<&OtherGroup>,
) -> Option<OtherGroup> {
    let is_there =
        |topic: &str| !matches!(snapshot.topics.get(topic), None | Some(TopicSeen::Missing));
    let owned = group.members.iter().flat_map(|member| &member.partitions);
    let owned = owned.flat_map(ByPartition::keys);
    let committed = group.committed.iter().flat_map(ByPartition::keys);
    let of_topics: BTreeSet<At<'_>> = owned.chain(committed).collect();
    let mut topics: BTreeMap<String, Option<i64>> = BTreeMap::new();
    for partition in of_topics
        .into_iter()
        .filter(|partition| is_there(partition.0))
    {
        // its reset policy is not known: without a valid commit it starts at the beginning at the latest
        let lag = match snapshot.lag(group, partition, OffsetReset::Earliest) {
            Lag::Stale => snapshot
                .bounds(partition)
                .map(|bounds| bounds.end - bounds.start),
            lag => lag.effective(),
        };
        let sum = topics.entry(partition.0.to_owned()).or_insert(Some(0));
        *sum = total([*sum, lag]);
    }
    let is_described = group.state != GroupState::Unknown;
    if !(is_described && group.committed.is_some() && group.has_known_owners()) {
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
mod tests;
