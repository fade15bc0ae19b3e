//! The live view's JSON: the answer of `GET /api/practices/<namespace>/<name>` and the first event of a stream. Shapes only.
//! Times are milliseconds since the epoch; an unknown value is `null`, never 0 and never -1.

use std::collections::BTreeMap;

use practice_api::status::{OtherGroupStatus, Summary};
use practice_groups::ArcStr;
use serde::Serialize;

/// One practice at one moment.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Picture {
    /// `local` in local mode.
    pub namespace: String,
    /// The practice's name.
    pub name: String,
    /// Time of this state.
    pub now: i64,
    /// Whether the condition Ready is True.
    pub ready: bool,
    /// The message of the condition Ready.
    pub sentence: String,
    /// The Kafka it runs on.
    pub kafka: KafkaPicture,
    /// Whether actions are on.
    pub actions: Actions,
    /// URL of the producer for the page's `curl`.
    pub send_url: Option<String>,
    /// The command that makes that URL reachable.
    pub send_how: Option<String>,
    /// The producer's steady load; `null`: it sends none.
    pub load: Option<LoadPicture>,
    /// Totals, as status has them.
    pub summary: Summary,
    /// One entry per partition of every topic, sorted by topic and number; the first 5,000.
    pub partitions: Vec<PartitionPicture>,
    /// In the manifest's order.
    pub groups: Vec<GroupPicture>,
    /// Groups of other applications on these topics, as status has them: the first 20 by name.
    pub other_groups: Vec<OtherGroupStatus>,
    /// Number of such groups; `null`: unknown.
    pub other_group_count: Option<i32>,
    /// Newest first.
    pub rebalances: Vec<RebalancePicture>,
    /// Whether a member's state changes with time alone, so that it must be computed again soon.
    #[serde(skip)]
    pub ripens: bool,
}

/// A state with its history.
#[derive(Debug, Serialize)]
pub struct Whole<'a> {
    /// The current state.
    #[serde(flatten)]
    pub picture: &'a Picture,
    /// Lag of each group over the last five minutes.
    pub history: History,
}

/// `[time, lag]` by group; of consecutive equal lags only the first and the last.
pub type History = BTreeMap<String, Vec<(i64, Option<i64>)>>;

/// A steady load.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LoadPicture {
    /// Over all topics.
    pub messages_per_second: u32,
    /// Bytes of each value.
    pub value_bytes: u32,
}

/// A line in the list of practices.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Line {
    /// `local` in local mode.
    pub namespace: String,
    /// The practice's name.
    pub name: String,
    /// Whether the condition Ready is True.
    pub ready: bool,
    /// Totals.
    pub summary: Summary,
}

/// A Kafka.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct KafkaPicture {
    /// `host:port[,host:port...]`.
    pub bootstrap: String,
    /// Who runs it.
    pub kind: KafkaKind,
    /// A limitation to show beside it.
    pub note: Option<String>,
    /// The brokers with a replica of this practice's topics, by id.
    pub brokers: Vec<BrokerPicture>,
}

/// Who runs a Kafka.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum KafkaKind {
    /// librdkafka's in-memory broker.
    Embedded,
    /// Apache Kafka, started by local mode.
    Apache,
    /// An existing Kafka, in local mode.
    External,
    /// The Kafka configured in the operator.
    Cluster,
}

/// A broker.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BrokerPicture {
    /// Its id.
    pub id: i32,
    /// Whether it leads a partition or is in sync with a leader.
    pub up: bool,
    /// Number of the practice's partitions that it leads.
    pub leads: usize,
    /// Start of its state up or down, as observed.
    pub since: i64,
}

/// Whether the page's actions are on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Actions {
    /// Whether they are on.
    pub enabled: bool,
    /// The command that turns them on.
    pub how: Option<String>,
}

/// A partition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PartitionPicture {
    /// Its topic.
    pub topic: String,
    /// Its number, from 0.
    pub partition: i32,
    /// Log start offset.
    pub start: Option<i64>,
    /// Log end offset.
    pub end: Option<i64>,
    /// The broker that leads it.
    pub leader: Option<i32>,
    /// The brokers with a replica.
    pub replicas: Vec<i32>,
    /// Those of them that are in sync.
    pub isr: Vec<i32>,
}

/// A consumer group.
#[expect(
    clippy::struct_excessive_bools,
    reason = "the fields of a JSON document, each read on its own"
)]
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct GroupPicture {
    /// The `group.id`.
    pub name: String,
    /// Kafka's group state, or `Absent`, `Unknown`.
    pub state: String,
    /// Whether the manifest has `state: Stopped`.
    pub stopped: bool,
    /// Whether the owner of its replicas has set them to 0.
    pub scaled_to_zero: bool,
    /// `Classic` or `Consumer`.
    pub protocol: String,
    /// The assignor that Kafka reports, otherwise the configured one.
    pub assignor: String,
    /// The group epoch; only `Consumer` has one.
    pub epoch: Option<i64>,
    /// Session timeout of its members; `null`: unknown.
    pub session_timeout_ms: Option<u64>,
    /// Desired consumers.
    pub replicas: i32,
    /// Ready consumers.
    pub ready_replicas: i32,
    /// Members without a partition in a stable group.
    pub idle: Option<i32>,
    /// Messages not yet consumed.
    pub lag: Option<i64>,
    /// Timestamp of the oldest message not yet consumed; `null` also without one.
    pub oldest_at: Option<i64>,
    /// Forecast of when lag is zero, at the current rates; `null` also while lag is zero, and when it would never be.
    pub done_at: Option<i64>,
    /// Health of the group; `null` until enough samples exist.
    pub health: Option<HealthPicture>,
    /// Kafka's error for an unknown value.
    pub message: Option<String>,
    /// Whether the page can set the number of consumers: the manifest sets `replicas` and the group is not stopped.
    pub scalable: bool,
    /// The topics it reads.
    pub topics: Vec<String>,
    /// Its members, by the time of their first poll.
    pub members: Vec<MemberPicture>,
    /// Partitions without an owner in the group; while the broker reports no assignment, those without one before and those whose
    /// owner has left.
    pub open: Vec<Share>,
    /// Whether partitions were left out of `members` or `open`: all groups together have at most 20,000.
    pub truncated: bool,
}

/// Health of a group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct HealthPicture {
    /// `Healthy`, `Lagging`, `Rewound`, `Stalled` or `Unassigned`.
    pub state: String,
    /// Start of the state, as observed; `null` for `Healthy`.
    pub since: Option<i64>,
    /// Its cause.
    pub message: String,
    /// The fix; `null` for `Healthy`.
    pub advice: Option<String>,
}

/// A member of a group.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct MemberPicture {
    /// The consumer's name: its pod, or its client id for a consumer of another application.
    pub name: String,
    /// Its pod, if it exists.
    pub pod: Option<String>,
    /// Kafka's member id; `null`: no longer a member.
    pub member_id: Option<String>,
    /// Its `client.id`.
    pub client_id: String,
    /// The variant of the group that it belongs to.
    pub variant: Option<String>,
    /// Processing delay of each message, in milliseconds.
    pub delay_ms: Option<u64>,
    /// Its partitions; while Kafka reports no assignment, such as during a rebalance of a Classic group, the previous ones.
    pub partitions: Vec<Share>,
    /// Number of its partitions, also when the list is truncated.
    pub partition_count: usize,
    /// Messages not yet consumed in its partitions; `null` also while Kafka reports no assignment.
    pub lag: Option<i64>,
    /// Why it has no partition in a stable group.
    pub idle_because: Option<String>,
    /// Its state.
    pub state: ConsumerState,
    /// Start of its state, as observed.
    pub since: i64,
    /// Time of the first poll with it in its group.
    #[serde(skip)]
    pub first_seen: i64,
    /// Since when no process of its name exists.
    #[serde(skip)]
    pub missing_since: Option<i64>,
}

/// State of a consumer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ConsumerState {
    /// Its process runs.
    Running,
    /// It ended without leaving its group, which keeps it until its session times out.
    Killed,
    /// Suspended: it sends no heartbeats.
    Paused,
    /// Its process exists, and Kafka has removed it from the group.
    Left,
}

/// A partition in one group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Share {
    /// Its topic.
    pub topic: String,
    /// Its number, from 0.
    pub partition: i32,
    /// The group's committed offset.
    pub committed: Option<i64>,
    /// Log end offset.
    pub end: Option<i64>,
    /// Messages not yet consumed.
    pub lag: Option<i64>,
    /// `NoCommit`, `Expired`, `Stale`, `Recreated` or `Unknown` where lag is not simply end minus committed.
    pub lag_reason: Option<String>,
    /// For `Expired`: messages deleted before the group read them.
    pub lost: Option<i64>,
    /// For `Unknown`: since when, as observed.
    pub unknown_since: Option<i64>,
    /// `Lagging`, `Rewound`, `Stalled` or `Unassigned`; absent when healthy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub health: Option<String>,
}

/// A finished rebalance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RebalancePicture {
    /// Group and number, `my-group#7`: stable over polls.
    pub id: String,
    /// Time of its first poll.
    pub time: i64,
    /// Its group.
    pub group: String,
    /// The group epoch after it.
    pub epoch: Option<i64>,
    /// Names of new members.
    pub joined: Vec<String>,
    /// Names of members that left.
    pub left: Vec<String>,
    /// Partitions with a new owner.
    pub moved: Vec<MovePicture>,
    /// Observed duration; `null`: it began and ended between two polls.
    pub duration_ms: Option<u64>,
    /// The longest time without an owner of a moved partition; `null`: unknown.
    pub unowned_ms: Option<u64>,
    /// `ScaledUp`, `ContainerExited`, ... or `Unknown`; `null` until it is determined.
    pub cause: Option<String>,
    /// The cause in a sentence.
    pub why: Option<String>,
    /// The fix, if one exists.
    pub advice: Option<String>,
    /// An additional sentence.
    pub note: Option<String>,
}

/// A partition with a new owner.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MovePicture {
    /// Its topic.
    pub topic: ArcStr,
    /// Its number, from 0.
    pub partition: i32,
    /// Its previous owner; `null`: none.
    pub from: Option<ArcStr>,
    /// Its new owner; `null`: none.
    pub to: Option<ArcStr>,
}
