//! What the program that mounts the picture knows about a practice. It says so with each `Hub::publish`; everything that
//! takes memory (who was there first, what moved, how lag went) is the hub's business.

use std::{sync::Arc, time::Duration};

use practice_api::PracticeStatus;
use practice_contract::OffsetReset;
use practice_contract::producer::Load;
use practice_groups::{Journal, Snapshot};

use crate::model::{ConsumerState, KafkaKind};

/// Namespace and name of a practice; the namespace is `local` in local mode.
pub type Key = (String, String);

/// Everything that is known about a practice now.
#[derive(Debug, Clone)]
pub struct Facts {
    /// Which practice.
    pub key: Key,
    /// When this was so, milliseconds since the epoch.
    pub now: i64,
    /// What is said about it everywhere else too.
    pub status: PracticeStatus,
    /// What Kafka says; `None`: it does not answer.
    pub look: Option<Arc<Snapshot>>,
    /// The rebalances of its groups.
    pub journal: Arc<Journal>,
    /// The Kafka it runs on.
    pub kafka: KafkaFacts,
    /// What the manifest says of each group, in its order.
    pub groups: Vec<GroupFacts>,
    /// The consumers that were started, whether or not Kafka knows them.
    pub consumers: Vec<Consumer>,
    /// The steady stream that the producer sends, if it does.
    pub load: Option<Load>,
    /// `http://host:port` of the producer as this program reaches it; `None`: there is none.
    pub producer: Option<String>,
    /// The address that people send messages to, for the `curl` that is shown.
    pub send_url: Option<String>,
    /// The command that has to run for that address to answer; `None`: it answers.
    pub send_how: Option<String>,
}

/// A Kafka.
#[derive(Debug, Clone)]
pub struct KafkaFacts {
    /// Whose it is.
    pub kind: KafkaKind,
    /// What has to be known about it to read the picture.
    pub note: Option<String>,
    /// Brokers whose state is known otherwise than by what they hold: id, whether it is up, since when.
    pub brokers: Vec<(i32, bool, i64)>,
}

/// What the manifest says of a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupFacts {
    /// The `group.id`.
    pub name: String,
    /// The topics it reads.
    pub topics: Vec<String>,
    /// `state: Stopped`.
    pub stopped: bool,
    /// Whether the manifest says how many consumers it has.
    pub scalable: bool,
    /// The assignor asked for.
    pub assignor: String,
    /// Where it starts without a committed offset.
    pub reset: OffsetReset,
    /// How long Kafka waits for a member that went silent; `None`: not known.
    pub session_timeout: Option<Duration>,
}

/// A consumer that was started.
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
    /// What it spends on each message.
    pub delay: Duration,
    /// What it is doing. `Left` is found out here and need not be said.
    pub state: ConsumerState,
    /// When its process began, milliseconds since the epoch; a member of its name that was there before is another one.
    pub started: Option<i64>,
    /// Since when, milliseconds since the epoch; `None`: nobody has looked at the clock, since it is first said.
    pub since: Option<i64>,
    /// `http://host:port` of its HTTP, for `/events`; `None`: not known (yet).
    pub url: Option<String>,
}
