//! A group in a poll of Kafka. In: what the reader of a Kafka has found. Out: its state, its members with their partitions, and its
//! committed offsets. Deliberately absent: lag and health, which follow from them.

use std::fmt;

use arcstr::ArcStr;
use practice_contract::Protocol;

use super::KafkaError;
use crate::by_partition::{ByPartition, PartitionSet};

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
