//! The JSON of a worker's `/status`.

use serde::{Deserialize, Serialize};

use crate::{Assignor, Hold, Protocol};

/// One consumer as it sees itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WorkerStatus {
    /// `client.id`.
    pub instance: String,
    /// `group.id`.
    pub group: String,
    /// Subscribed topics.
    pub topics: Vec<String>,
    /// Classic or KIP-848.
    pub protocol: Protocol,
    /// The assignor asked for.
    pub assignor: Assignor,
    /// The id that the group coordinator knows it by; `null` before it joined.
    pub member_id: Option<String>,
    /// Whether it is a member of its group (it may own no partition).
    pub joined: bool,
    /// Why it does not join its group; absent: it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hold: Option<Hold>,
    /// What it owns, by topic and partition.
    pub assignment: Vec<PartitionStatus>,
    /// Messages handled since start.
    pub consumed: u64,
    /// Messages taken in hand and given up unfinished (revoked, or stopped during their delay).
    pub abandoned: u64,
    /// Its last rebalances, newest last, at most 20.
    pub rebalances: Vec<RebalanceSeen>,
    /// Milliseconds since the epoch.
    pub started_at: i64,
}

/// One owned partition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PartitionStatus {
    /// Its topic.
    pub topic: String,
    /// Its number, from 0.
    pub partition: i32,
    /// Offset after the last message handled here; `null` before the first.
    pub position: Option<i64>,
    /// Last offset committed from here; `null` before the first commit.
    pub committed: Option<i64>,
}

/// One change of ownership as a worker saw it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RebalanceSeen {
    /// Milliseconds since the epoch.
    pub at: i64,
    /// What happened.
    pub what: Ownership,
    /// `topic/partition`, only those that changed.
    pub partitions: Vec<String>,
}

/// A change of ownership.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Ownership {
    /// Got them.
    Assigned,
    /// Gave them back, committed.
    Revoked,
    /// They were taken away (session timed out); nothing could be committed.
    Lost,
}

impl Ownership {
    /// The word in logs and events.
    pub fn word(self) -> &'static str {
        match self {
            Self::Assigned => "assigned",
            Self::Revoked => "revoked",
            Self::Lost => "lost",
        }
    }
}
