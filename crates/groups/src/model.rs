//! The shapes of what is seen in Kafka. Facts only, no judgement.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::Arc,
};

use practice_contract::{Protocol, denied};
use thiserror::Error;

use crate::other_groups::OtherGroupMap;

/// Topic and partition number.
pub type Partition = (String, i32);

/// One look at a Kafka.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Snapshot {
    /// Every topic that was asked for.
    pub topics: BTreeMap<String, TopicSeen>,
    /// Every group that was asked for.
    pub groups: BTreeMap<String, GroupSeen>,
    /// Groups of other applications on these topics; `None`: not known (yet). A look does not ask: see [`OtherGroups`](crate::OtherGroups).
    pub other_groups: Option<Arc<OtherGroupMap>>,
}

impl Snapshot {
    /// What of it is about these topics and groups; of other applications' groups those on these topics.
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

/// One poll of Kafka, or why there is none.
pub type PollResult = Result<Arc<Snapshot>, Arc<KafkaError>>;

/// A topic that was asked for.
#[derive(Debug, Clone, PartialEq)]
pub enum TopicSeen {
    /// There is none of that name.
    Missing,
    /// It is there.
    Present(TopicFacts),
    /// Kafka would not say; why.
    Unknown(Arc<KafkaError>),
}

/// A topic that is there.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct TopicFacts {
    /// Kafka's id of it, 32 hexadecimal digits: another id is another topic, even under the same name.
    pub id: String,
    /// Copies of each partition (the fewest, should they differ).
    pub replication_factor: i32,
    /// Offsets per partition, from partition 0; `None`: its leader could not be asked.
    pub partitions: Vec<Option<Bounds>>,
    /// Where the copies of each partition are, from partition 0; empty where nobody says.
    pub copies: Vec<Copies>,
}

/// The brokers that hold a partition, by their ids.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Copies {
    /// The one that is read from and written to; `None`: there is none now.
    pub leader: Option<i32>,
    /// All of them, the preferred leader first.
    pub replicas: Vec<i32>,
    /// Those that have everything that the leader has, sorted.
    pub in_sync: Vec<i32>,
}

/// Where a partition's log begins and ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Offset of the oldest message that is still there.
    pub start: i64,
    /// Offset after the newest message (the high watermark).
    pub end: i64,
}

/// A group's state, in Kafka's words, and two more for what Kafka has no word for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum GroupState {
    /// Every member has what it should have.
    Stable,
    /// No members; committed offsets may be there.
    Empty,
    /// Classic: members are joining.
    PreparingRebalance,
    /// Classic: members wait for their assignment.
    CompletingRebalance,
    /// KIP-848: the broker computes an assignment.
    Assigning,
    /// KIP-848: members are on their way to their assignment.
    Reconciling,
    /// Kafka knows no such group.
    Absent,
    /// Kafka could not be asked.
    #[default]
    Unknown,
}

impl GroupState {
    /// Reads Kafka's word; `Dead` is how a Classic coordinator says that there is no such group.
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
#[derive(Debug, Clone, Default, PartialEq)]
pub struct GroupSeen {
    /// Its state.
    pub state: GroupState,
    /// Its protocol; `None` while it is absent or unknown.
    pub protocol: Option<Protocol>,
    /// KIP-848: the group epoch. Classic groups have a generation that Kafka does not tell.
    pub epoch: Option<i64>,
    /// How its partitions are divided, by Kafka's own name.
    pub assignor: Option<String>,
    /// Its members, by member id.
    pub members: Vec<MemberSeen>,
    /// Its committed offsets; `None`: they could not be read.
    pub committed: Option<BTreeMap<Partition, Committed>>,
    /// Partitions whose commit was made to a former topic of that name. One look cannot know: see [`LagTrends`](crate::LagTrends).
    pub outdated: BTreeSet<Partition>,
    /// Why its state or its offsets are unknown.
    pub trouble: Option<KafkaError>,
}

impl GroupSeen {
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
    /// What Kafka knows it by.
    pub member_id: String,
    /// Its `client.id`: two members may share one.
    pub client_id: String,
    /// Where it connects from.
    pub host: String,
    /// What it owns, sorted; `None`: Kafka does not say (now), as while a Classic group rebalances.
    pub partitions: Option<Vec<Partition>>,
}

/// A committed offset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Committed {
    /// The next offset to read.
    pub offset: i64,
    /// What the committer attached to it.
    pub metadata: String,
}

/// Why Kafka could not be asked, coarsely on purpose: a condition's message must not help to scan ports.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum KafkaError {
    /// The address could not be resolved or reached.
    #[error("Kafka cannot be reached: check the bootstrap servers' names and ports")]
    Unreachable,
    /// Nothing listens there.
    #[error("Kafka refused the connection: check the port, and whether it runs")]
    Refused,
    /// It took the connection and did not answer in time.
    #[error("Kafka did not answer in time")]
    TimedOut,
    /// It did not let us in, or the certificates do not fit.
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
        /// Kafka's protocol calls the error retriable: the same request may succeed later without anybody's help.
        retriable: bool,
    },
    /// What came back was not Kafka's protocol, or of a version that is not spoken here. What exactly is for logs: it may
    /// hold what some other service said.
    #[error(
        "what answers there does not speak Kafka's protocol: check the port, and that it is one without TLS"
    )]
    Protocol(String),
}

impl KafkaError {
    /// Whether the Kafka as a whole is out of reach, not just one thing in it.
    pub fn is_outage(&self) -> bool {
        !matches!(self, Self::Answered { .. } | Self::Denied { .. })
    }

    /// Whether Kafka refuses, and goes on refusing until a person changes the manifest or Kafka.
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
    fn a_part_of_a_look_is_what_is_about_these_topics_and_groups() {
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
        let topics = ["t", "u", "v"]
            .map(|name| (name.to_owned(), TopicSeen::Present(TopicFacts::default())));
        let groups = ["g", "h"].map(|name| (name.to_owned(), GroupSeen::default()));
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
