//! The JSON of a worker's `/events` (server-sent events): offsets and counts, never keys or values.

use serde::{Deserialize, Serialize};

/// One event. On the wire: SSE `event:` is the tag's word, `data:` the JSON with the tag in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "lowercase")]
pub enum WorkerEvent {
    /// Partitions got, `topic/partition`.
    Assigned {
        /// Milliseconds since the epoch.
        at: i64,
        /// Only those that changed.
        partitions: Vec<String>,
    },
    /// Partitions given back.
    Revoked {
        /// Milliseconds since the epoch.
        at: i64,
        /// Only those that changed.
        partitions: Vec<String>,
    },
    /// Partitions taken away.
    Lost {
        /// Milliseconds since the epoch.
        at: i64,
        /// Only those that changed.
        partitions: Vec<String>,
    },
    /// Messages handled since the last such event, batched to at most 10 a second.
    Consumed {
        /// Milliseconds since the epoch.
        at: i64,
        /// One entry per partition that moved.
        partitions: Vec<Moved>,
    },
    /// Offsets committed.
    Committed {
        /// Milliseconds since the epoch.
        at: i64,
        /// One entry per partition committed; `count` is 0.
        partitions: Vec<Moved>,
    },
}

/// How far one partition has moved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Moved {
    /// Its topic.
    pub topic: String,
    /// Its number, from 0.
    pub partition: i32,
    /// The next offset to handle (or the committed one).
    pub offset: i64,
    /// Messages handled.
    pub count: u64,
}

impl WorkerEvent {
    /// The SSE `event:` field.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Assigned { .. } => "assigned",
            Self::Revoked { .. } => "revoked",
            Self::Lost { .. } => "lost",
            Self::Consumed { .. } => "consumed",
            Self::Committed { .. } => "committed",
        }
    }
}
