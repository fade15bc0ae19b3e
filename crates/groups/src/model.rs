//! Types of the facts that a poll of Kafka returns. Facts only, no evaluation.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    str::FromStr,
    sync::Arc,
};

use arcstr::ArcStr;
use practice_contract::{Protocol, denied};
use thiserror::Error;

use crate::{
    by_partition::{ByPartition, PartitionSet},
    other_groups::OtherGroupMap,
};

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

/// A topic that was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TopicSeen {
    /// No topic has this name.
    Missing,
    /// It exists.
    Present(Arc<TopicFacts>),
    /// Kafka did not answer for it; the reason.
    Unknown(Arc<KafkaError>),
}

impl From<TopicFacts> for TopicSeen {
    fn from(facts: TopicFacts) -> Self {
        Self::Present(Arc::new(facts))
    }
}

/// A topic that exists.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TopicFacts {
    /// Kafka's topic id (KIP-516), 32 hexadecimal digits; empty: this Kafka has none. A recreated topic with the same name has
    /// another id.
    pub id: String,
    /// Copies of each partition (the fewest, should they differ).
    pub replication_factor: i32,
    /// Offsets per partition, from partition 0; `None`: its leader could not be asked.
    pub partitions: Vec<Option<Bounds>>,
    /// Replicas of each partition, from partition 0; empty if they are not reported.
    pub copies: Vec<Copies>,
}

/// The value of one key of a topic's configuration that is in effect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigValue {
    /// The value, as Kafka writes it.
    pub value: String,
    /// Whether it is set on the topic itself. Otherwise it is a default: Kafka's own or one of the brokers', static or dynamic.
    pub on_topic: bool,
    /// Its type.
    pub kind: ConfigKind,
}

/// The type of a configuration key, which decides whether two spellings are the same value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConfigKind {
    /// `true` or `false`, in any case.
    Boolean,
    /// A whole number.
    Integer,
    /// A number.
    Double,
    /// Words separated by commas.
    List,
    /// Any text.
    Text,
}

impl ConfigValue {
    /// Whether Kafka would read `other` as the same value. Kafka ignores spaces around a value and its parts.
    #[must_use]
    pub fn is(&self, other: &str) -> bool {
        let (value, other) = (self.value.trim(), other.trim());
        if value == other {
            return true;
        }
        match self.kind {
            ConfigKind::Boolean => value.eq_ignore_ascii_case(other),
            ConfigKind::Integer => is_same::<i64>(value, other),
            ConfigKind::Double => is_same::<f64>(value, other),
            ConfigKind::List => words(value) == words(other),
            ConfigKind::Text => false,
        }
    }
}

fn is_same<T: FromStr + PartialEq>(one: &str, other: &str) -> bool {
    matches!((one.parse::<T>(), other.parse::<T>()), (Ok(one), Ok(other)) if one == other)
}

/// The words of a list. Their order has no meaning in the lists of a topic's configuration.
fn words(list: &str) -> BTreeSet<&str> {
    list.split(',')
        .map(str::trim)
        .filter(|word| !word.is_empty())
        .collect()
}

/// The brokers that hold a partition, by their ids.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Copies {
    /// The leader; `None`: the partition has none now.
    pub leader: Option<i32>,
    /// All of them, the preferred leader first.
    pub replicas: Vec<i32>,
    /// The in-sync replicas, sorted.
    pub in_sync: Vec<i32>,
}

/// Start and end of a partition's log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Offset of the oldest message.
    pub start: i64,
    /// Offset after the newest message (the high watermark).
    pub end: i64,
}

/// A group's state: Kafka's states, and two more for a missing and an unknown group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum GroupState {
    /// Every member owns the partitions assigned to it.
    Stable,
    /// No members; committed offsets may exist.
    Empty,
    /// Classic: members are joining.
    PreparingRebalance,
    /// Classic: members wait for their assignment.
    CompletingRebalance,
    /// KIP-848: the broker computes an assignment.
    Assigning,
    /// KIP-848: members revoke and get partitions.
    Reconciling,
    /// The group does not exist.
    Absent,
    /// Kafka did not answer.
    #[default]
    Unknown,
}

impl GroupState {
    /// Parses Kafka's name of a state. A Classic coordinator reports a missing group as `Dead`.
    pub fn parse(word: &str) -> Self {
        match word {
            "Stable" => Self::Stable,
            "Empty" => Self::Empty,
            "PreparingRebalance" => Self::PreparingRebalance,
            "CompletingRebalance" => Self::CompletingRebalance,
            "Assigning" => Self::Assigning,
            "Reconciling" => Self::Reconciling,
            "Dead" => Self::Absent,
            _ => Self::Unknown,
        }
    }
}

impl fmt::Display for GroupState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// A group that was asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GroupSeen {
    /// Its state.
    pub state: GroupState,
    /// Its protocol; `None` while it is absent or unknown.
    pub protocol: Option<Protocol>,
    /// KIP-848: the group epoch. Kafka does not report the generation of Classic groups.
    pub epoch: Option<i64>,
    /// Assignor, by Kafka's name.
    pub assignor: Option<String>,
    /// Its members, by member id.
    pub members: Vec<MemberSeen>,
    /// Its committed offsets; `None`: they could not be read.
    pub committed: Option<ByPartition<Committed>>,
    /// Partitions whose commit was made to a former topic with the same name. One poll cannot detect it: see [`LagTrends`](crate::LagTrends).
    pub outdated: PartitionSet,
    /// Why its state or its offsets are unknown.
    pub trouble: Option<KafkaError>,
}

impl GroupSeen {
    /// Whether it has members or commits.
    pub fn has_started(&self) -> bool {
        let commits = self.committed.as_ref();
        !self.members.is_empty() || commits.is_some_and(|commits| !commits.is_empty())
    }

    /// Whether the broker reports what every member owns. While a Classic group rebalances it does not.
    pub fn has_known_owners(&self) -> bool {
        self.members
            .iter()
            .all(|member| member.partitions.is_some())
    }
}

/// A member of a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemberSeen {
    /// Kafka's member id.
    pub member_id: String,
    /// Its `client.id`: two members may share one.
    pub client_id: String,
    /// Where it connects from.
    pub host: String,
    /// Its partitions; `None`: Kafka does not report them now, as while a Classic group rebalances.
    pub partitions: Option<PartitionSet>,
}

/// A committed offset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Committed {
    /// The next offset to read.
    pub offset: i64,
    /// What the committer attached to it: the same for most partitions of a group.
    pub metadata: ArcStr,
}

/// Why a call to Kafka failed. It has few details on purpose: a condition's message must not help to scan ports.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum KafkaError {
    /// The address could not be resolved or reached.
    #[error("Kafka cannot be reached: check the bootstrap servers' names and ports")]
    Unreachable,
    /// Nothing listens there.
    #[error("Kafka refused the connection: check the port, and whether it runs")]
    Refused,
    /// It accepted the connection and did not answer in time.
    #[error("Kafka did not answer in time")]
    TimedOut,
    /// It refused the credentials, or the certificates do not match.
    #[error("Kafka refused the credentials, or the TLS handshake failed")]
    Authentication,
    /// Its access control lists (KIP-11) deny this client an operation.
    #[error("{}", denied(.operation, .resource))]
    Denied {
        /// The operation, in the words of Kafka's access control: `Describe`, `Create`, ...
        operation: &'static str,
        /// What it is on: `topic t`, `group g`, `the cluster`.
        resource: String,
    },
    /// It answered with an error; Kafka's own name of it.
    #[error("Kafka answered {code}{}", explanation(.code, .message))]
    Answered {
        /// Kafka's name of the error.
        code: String,
        /// Its explanation; the name again, or nothing, where Kafka gives none.
        message: String,
        /// Kafka's protocol calls the error retriable: the same request may succeed later without a change.
        retriable: bool,
    },
    /// What came back was not Kafka's protocol, or of an unsupported version. The details are for logs: they may
    /// contain the answer of another service.
    #[error(
        "what answers there does not speak Kafka's protocol: check the port, and that it is one without TLS"
    )]
    Protocol(String),
}

impl KafkaError {
    /// Whether Kafka as a whole is unreachable, not only one resource in it.
    pub fn is_outage(&self) -> bool {
        !matches!(self, Self::Answered { .. } | Self::Denied { .. })
    }

    /// Whether Kafka refuses until a user changes the spec or Kafka.
    pub fn needs_help(&self) -> bool {
        matches!(
            self,
            Self::Denied { .. }
                | Self::Answered {
                    retriable: false,
                    ..
                }
        )
    }
}

/// `: MESSAGE`, or nothing where the message only repeats the error's name.
fn explanation(code: &str, message: &str) -> String {
    if message.is_empty() || message == code {
        String::new()
    } else {
        format!(": {message}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::OtherGroup;

    #[test]
    fn spellings_that_kafka_reads_as_one_value_are_the_same() {
        use ConfigKind::{Boolean, Double, Integer, List, Text};
        for (kind, value, other, same) in [
            (Integer, "604800000", "604800000", true),
            (Integer, "604800000", " +0604800000", true),
            (Integer, "-1", "-1", true),
            (Integer, "604800000", "604800001", false),
            (Integer, "604800000", "soon", false),
            (Boolean, "false", "FALSE", true),
            (Boolean, "false", "true", false),
            (Double, "0.5", ".50", true),
            (Double, "0.5", "0.6", false),
            (List, "compact,delete", " delete, compact", true),
            (List, "compact,delete", "delete", false),
            (List, "", "", true),
            (Text, "producer", "producer ", true),
            (Text, "producer", "Producer", false),
        ] {
            let config = ConfigValue {
                value: value.to_owned(),
                on_topic: false,
                kind,
            };
            assert_eq!(config.is(other), same, "{kind:?} {value} {other}");
        }
    }

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
