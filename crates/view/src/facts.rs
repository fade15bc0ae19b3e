//! Facts about a practice, passed by the mounting program to each `Hub::publish`. The hub keeps everything that needs memory:
//! order of members, moves of partitions, history of lag.

use std::{sync::Arc, time::Duration};

use practice_api::PracticeStatus;
use practice_contract::OffsetReset;
use practice_contract::producer::Load;
use practice_groups::{Journal, Snapshot};

use crate::model::{ConsumerState, KafkaKind};

/// Namespace and name of a practice; the namespace is `local` in local mode.
pub type Key = (String, String);

/// The current facts about a practice.
#[derive(Debug, Clone)]
pub struct Facts {
    /// Namespace and name.
    pub key: Key,
    /// Time of these facts, milliseconds since the epoch.
    pub now: i64,
    /// Its status, as in the custom resource.
    pub status: PracticeStatus,
    /// The last poll of Kafka; `None`: Kafka does not answer.
    pub snapshot: Option<Arc<Snapshot>>,
    /// The rebalances of its groups.
    pub journal: Arc<Journal>,
    /// The Kafka it runs on.
    pub kafka: KafkaFacts,
    /// The groups of the manifest, in its order.
    pub groups: Vec<GroupFacts>,
    /// The consumers that the practice started, members of their group or not.
    pub consumers: Vec<Consumer>,
    /// The producer's steady load; `None`: it sends none.
    pub load: Option<Load>,
    /// `http://host:port` of the producer as this program reaches it; `None`: no producer.
    pub producer: Option<String>,
    /// The address for users' messages, shown as a `curl`.
    pub send_url: Option<String>,
    /// The command that makes that address reachable; `None`: it is reachable.
    pub send_how: Option<String>,
}

/// A Kafka.
#[derive(Debug, Clone)]
pub struct KafkaFacts {
    /// Who runs it.
    pub kind: KafkaKind,
    /// A limitation to show beside it.
    pub note: Option<String>,
    /// Brokers whose state is known from their process: id, whether it is up, since when (milliseconds since the epoch).
    pub brokers: Vec<(i32, bool, i64)>,
}

/// A group as the manifest describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupFacts {
    /// The `group.id`.
    pub name: String,
    /// The topics it reads.
    pub topics: Vec<String>,
    /// Whether the manifest has `state: Stopped`.
    pub stopped: bool,
    /// Whether the manifest sets `replicas`.
    pub scalable: bool,
    /// The configured assignor.
    pub assignor: String,
    /// `auto.offset.reset`: the start without a committed offset.
    pub reset: OffsetReset,
    /// The session timeout of its members; `None`: unknown.
    pub session_timeout: Option<Duration>,
}

/// A consumer that the practice started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Consumer {
    /// Its `client.id`: the pod's name in a cluster.
    pub name: String,
    /// Its group.
    pub group: String,
    /// Its pod, in a cluster.
    pub pod: Option<String>,
    /// The variant that it belongs to; `None`: a plain member.
    pub variant: Option<String>,
    /// Processing delay of each message.
    pub delay: Duration,
    /// Its state. The hub itself detects `Left`.
    pub state: ConsumerState,
    /// Start of its process, milliseconds since the epoch; an older member of this name belongs to a previous process.
    pub started: Option<i64>,
    /// Start of its state, milliseconds since the epoch; `None`: the time of the first facts with it.
    pub since: Option<i64>,
    /// `http://host:port` of its HTTP, for `/events`; `None`: unknown (yet).
    pub url: Option<String>,
}
