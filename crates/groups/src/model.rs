//! Types of the facts that a poll of Kafka returns: the poll as a whole here, topics, groups and errors each in their own file.
//! Facts only, no evaluation.

mod error;
mod group;
mod topic;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use crate::other_groups::OtherGroupMap;

pub use error::KafkaError;
pub use group::{Committed, GroupSeen, GroupState, MemberSeen};
pub use topic::{Bounds, ConfigKind, ConfigValue, Copies, TopicFacts, TopicSeen};

/// Topic and partition number.
pub type Partition = (String, i32);

/// One poll of a Kafka. What did not change since the poll before is shared with it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// Every topic that was asked for.
    pub topics: BTreeMap<String, TopicSeen>,
    /// Every group that was asked for.
    pub groups: BTreeMap<String, Arc<GroupSeen>>,
    /// Groups of other applications on these topics; `None`: not known yet. Polls do not request them: see [`OtherGroups`](crate::OtherGroups).
    pub other_groups: Option<Arc<OtherGroupMap>>,
}

impl Snapshot {
    /// A group.
    pub fn group(&self, id: &str) -> Option<&GroupSeen> {
        self.groups.get(id).map(Arc::as_ref)
    }

    /// A topic that exists, to be changed.
    pub fn topic_mut(&mut self, name: &str) -> Option<&mut TopicFacts> {
        match self.topics.get_mut(name)? {
            TopicSeen::Present(facts) => Some(Arc::make_mut(facts)),
            TopicSeen::Missing | TopicSeen::Unknown(_) => None,
        }
    }

    /// A group, to be changed.
    pub fn group_mut(&mut self, id: &str) -> Option<&mut GroupSeen> {
        self.groups.get_mut(id).map(Arc::make_mut)
    }

    /// Takes topics and groups that are the same from another poll, so that both are kept once.
    pub fn share(&mut self, other: &Self) {
        for (name, topic) in &mut self.topics {
            if let (TopicSeen::Present(facts), Some(TopicSeen::Present(same))) =
                (topic, other.topics.get(name))
            {
                share(facts, same);
            }
        }
        for (id, group) in &mut self.groups {
            if let Some(same) = other.groups.get(id) {
                share(group, same);
            }
        }
    }

    /// The part about these topics and groups, with the groups of other applications on these topics.
    #[must_use]
    pub fn only(
        &self,
        topics: impl IntoIterator<Item = impl AsRef<str>>,
        groups: impl IntoIterator<Item = impl AsRef<str>>,
    ) -> Self {
        let topics: BTreeSet<String> = topics
            .into_iter()
            .map(|topic| topic.as_ref().to_owned())
            .collect();
        let other_groups = |other_groups: &Arc<OtherGroupMap>| {
            let of_these = other_groups
                .iter()
                .filter(|(_, seen)| seen.on(|topic| topics.contains(topic)).is_some());
            Arc::new(
                of_these
                    .map(|(group, seen)| (group.clone(), seen.clone()))
                    .collect(),
            )
        };
        Self {
            topics: topics
                .iter()
                .filter_map(|name| self.topics.get_key_value(name))
                .map(|(name, topic)| (name.clone(), topic.clone()))
                .collect(),
            groups: groups
                .into_iter()
                .filter_map(|name| self.groups.get_key_value(name.as_ref()))
                .map(|(name, group)| (name.clone(), group.clone()))
                .collect(),
            other_groups: self.other_groups.as_ref().map(other_groups),
        }
    }
}

fn share<T: PartialEq>(one: &mut Arc<T>, other: &Arc<T>) {
    if **one == **other {
        one.clone_from(other);
    }
}

/// One poll of Kafka, or why there is none.
pub type PollResult = Result<Arc<Snapshot>, Arc<KafkaError>>;

/// Which Kafka an address leads to. A cluster id alone proves nothing: it is self-asserted, and copies of a Kafka have the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KafkaIdentity {
    /// Its cluster id (KIP-78).
    pub cluster_id: String,
    /// The advertised `host:port` of each broker.
    pub endpoints: BTreeSet<String>,
}

impl KafkaIdentity {
    /// Whether both are one Kafka: the same cluster id, and a broker with the same address.
    pub fn is_same(&self, other: &Self) -> bool {
        self.cluster_id == other.cluster_id && !self.endpoints.is_disjoint(&other.endpoints)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::OtherGroup;

    #[test]
    fn what_is_the_same_in_two_polls_is_kept_once() {
        let poll = |end, state| Snapshot {
            topics: [("t", end), ("u", 1)]
                .map(|(name, end)| {
                    let partitions = vec![Some(Bounds { start: 0, end })];
                    let facts = TopicFacts {
                        partitions,
                        ..TopicFacts::default()
                    };
                    (name.to_owned(), facts.into())
                })
                .into(),
            groups: [("g", state), ("h", GroupState::Empty)]
                .map(|(id, state)| {
                    let group = GroupSeen {
                        state,
                        ..GroupSeen::default()
                    };
                    (id.to_owned(), group.into())
                })
                .into(),
            other_groups: None,
        };
        let before = poll(1, GroupState::Empty);
        let mut now = poll(2, GroupState::Stable);
        now.share(&before);
        assert_eq!(now, poll(2, GroupState::Stable), "no value changes");
        let shares = |id: &str| Arc::ptr_eq(&now.groups[id], &before.groups[id]);
        assert_eq!((shares("g"), shares("h")), (false, true));
        let facts = |poll: &Snapshot, name: &str| match &poll.topics[name] {
            TopicSeen::Present(facts) => Arc::as_ptr(facts),
            other => panic!("{other:?}"),
        };
        let shares = |name: &str| facts(&now, name) == facts(&before, name);
        assert_eq!((shares("t"), shares("u")), (false, true));
    }

    #[test]
    fn a_part_of_a_snapshot_has_only_these_topics_and_groups() {
        let other_groups = |topics: &[&str]| OtherGroup {
            state: GroupState::Empty,
            protocol: None,
            members: Some(0),
            topics: topics
                .iter()
                .map(|topic| ((*topic).to_owned(), Some(1)))
                .collect(),
        };
        let others = [
            ("both", other_groups(&["t", "u"])),
            ("elsewhere", other_groups(&["u"])),
        ];
        let topics =
            ["t", "u", "v"].map(|name| (name.to_owned(), TopicSeen::from(TopicFacts::default())));
        let groups = ["g", "h"].map(|name| (name.to_owned(), Arc::default()));
        let whole = Snapshot {
            topics: topics.into(),
            groups: groups.into(),
            other_groups: Some(Arc::new(
                others.map(|(name, seen)| (name.to_owned(), seen)).into(),
            )),
        };
        let part = whole.only(["v", "t", "not-asked-for"], ["h", "not-asked-for"]);
        assert_eq!(part.topics.keys().collect::<Vec<_>>(), ["t", "v"]);
        assert_eq!(part.groups.keys().collect::<Vec<_>>(), ["h"]);
        assert_eq!(
            part.other_groups
                .expect("was known")
                .keys()
                .collect::<Vec<_>>(),
            ["both"]
        );
        let unknown = Snapshot {
            other_groups: None,
            ..whole.clone()
        };
        assert_eq!(unknown.only([""; 0], [""; 0]), Snapshot::default());
        assert_eq!(
            whole.only(["t", "u", "v"].map(String::from), ["g", "h"]),
            whole
        );
    }
}
