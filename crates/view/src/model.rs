//! The picture as JSON: what `GET /api/practices/<namespace>/<name>` answers and a stream begins with. Shapes only. Times
//! are milliseconds since the epoch; what is not known is `null`, never 0 and never -1.

use std::collections::BTreeMap;

use practice_api::status::{OtherGroupStatus, Summary};
use serde::Serialize;

/// One practice at one moment.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Picture {
    /// `local` in local mode.
    pub namespace: String,
    /// The practice's name.
    pub name: String,
    /// When this was so.
    pub now: i64,
    /// Whether the condition Ready is True.
    pub ready: bool,
    /// What the condition Ready says.
    pub sentence: String,
    /// The Kafka it runs on.
    pub kafka: KafkaPicture,
    /// Whether something can be done from here.
    pub actions: Actions,
    /// Where a message can be sent to from a terminal, as the page's `curl` shows it.
    pub send_url: Option<String>,
    /// What has to run for that address to answer.
    pub send_how: Option<String>,
    /// The steady stream that the producer sends; `null`: it sends none.
    pub load: Option<LoadPicture>,
    /// Totals, as status has them.
    pub summary: Summary,
    /// One entry per partition of every topic, sorted by topic and number; the first 5,000.
    pub partitions: Vec<PartitionPicture>,
    /// In the manifest's order.
    pub groups: Vec<GroupPicture>,
    /// Groups of other applications on these topics, as status has them: the first 20 by name.
    pub other_groups: Vec<OtherGroupStatus>,
    /// How many such groups there are; `null`: not known.
    pub other_group_count: Option<i32>,
    /// Newest first.
    pub rebalances: Vec<RebalancePicture>,
    /// Some of it turns with time alone: it has to be drawn anew a little later.
    #[serde(skip)]
    pub ripens: bool,
}

/// A picture with what leads up to it.
#[derive(Debug, Serialize)]
pub struct Whole<'a> {
    /// As it is.
    #[serde(flatten)]
    pub picture: &'a Picture,
    /// Lag of each group over the last five minutes.
    pub history: History,
}

/// `[time, lag]` by group; equal lags in between are left out.
pub type History = BTreeMap<String, Vec<(i64, Option<i64>)>>;

/// A steady stream of messages.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LoadPicture {
    /// Over all topics.
    pub messages_per_second: u32,
    /// Size of each value.
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
    /// Whose it is.
    pub kind: KafkaKind,
    /// What has to be known about it to read the picture.
    pub note: Option<String>,
    /// The brokers that hold something of this practice, by id.
    pub brokers: Vec<BrokerPicture>,
}

/// Whose Kafka it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum KafkaKind {
    /// librdkafka's in-memory broker.
    Embedded,
    /// An Apache Kafka that local mode has started.
    Apache,
    /// Somebody else's, in local mode.
    External,
    /// The one that the operator was given.
    Cluster,
}

/// A broker.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BrokerPicture {
    /// Its id.
    pub id: i32,
    /// Whether it leads something or is in sync with a leader.
    pub up: bool,
    /// How many of the practice's partitions it leads.
    pub leads: usize,
    /// Since when it is up, or down, as far as was seen.
    pub since: i64,
}

/// Whether something can be done from the page.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Actions {
    /// Whether it can.
    pub enabled: bool,
    /// The command that turns it on.
    pub how: Option<String>,
}

/// A partition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PartitionPicture {
    /// Its topic.
    pub topic: String,
    /// Its number, from 0.
    pub partition: i32,
    /// Offset of the oldest message that is still there.
    pub start: Option<i64>,
    /// Offset after the newest message.
    pub end: Option<i64>,
    /// The broker that leads it.
    pub leader: Option<i32>,
    /// The brokers that hold a copy.
    pub replicas: Vec<i32>,
    /// Those of them that are in sync.
    pub isr: Vec<i32>,
}

/// A consumer group.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct GroupPicture {
    /// The `group.id`.
    pub name: String,
    /// Kafka's word, or `Absent`, `Unknown`.
    pub state: String,
    /// Whether the manifest says `state: Stopped`.
    pub stopped: bool,
    /// `Classic` or `Consumer`.
    pub protocol: String,
    /// How its partitions are divided: Kafka's word, the manifest's while Kafka has none.
    pub assignor: String,
    /// The group epoch; only `Consumer` has one.
    pub epoch: Option<i64>,
    /// How long Kafka waits for a member that went silent; `null`: not known.
    pub session_timeout_ms: Option<u64>,
    /// Consumers wanted.
    pub replicas: i32,
    /// Consumers that are ready.
    pub ready_replicas: i32,
    /// Members without a partition while it is stable.
    pub idle: Option<i32>,
    /// Messages not yet consumed.
    pub lag: Option<i64>,
    /// When the oldest message not yet consumed was written; `null` also while there is none.
    pub oldest_at: Option<i64>,
    /// When nothing will be left at the rates of this drawing; `null` also while nothing is, and when it would never be.
    pub done_at: Option<i64>,
    /// Whether it gets on; `null` while that is not known yet.
    pub health: Option<HealthPicture>,
    /// Why something of it is unknown, in Kafka's words.
    pub message: Option<String>,
    /// Whether the number of consumers can be set from here: the manifest has one.
    pub scalable: bool,
    /// The topics it reads.
    pub topics: Vec<String>,
    /// Its members, by the time they were first seen.
    pub members: Vec<MemberPicture>,
    /// Partitions that nobody in the group owns; while members do not tell, those that were so before or whose owner has gone.
    pub open: Vec<Share>,
    /// Whether partitions were left out of `members` or `open`: the whole picture has 20,000 of them at most.
    pub truncated: bool,
}

/// How a group gets on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct HealthPicture {
    /// `Ok`, `Warn`, `Rewind`, `Stall` or `Stop`.
    pub state: String,
    /// Since when, as far as was seen; `null` for `Ok`.
    pub since: Option<i64>,
    /// Why.
    pub message: String,
    /// What to do about it.
    pub advice: Option<String>,
}

/// A member of a group.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct MemberPicture {
    /// The consumer's name: its pod, or its client id where it is not one of ours.
    pub name: String,
    /// Its pod, if it has one that is there.
    pub pod: Option<String>,
    /// What Kafka knows it by; `null`: Kafka does not know it any more.
    pub member_id: Option<String>,
    /// Its `client.id`.
    pub client_id: String,
    /// The variant of the group that it belongs to.
    pub variant: Option<String>,
    /// What it spends on each message, in milliseconds.
    pub delay_ms: Option<u64>,
    /// What it owns; while Kafka does not tell, as while a Classic group rebalances, what it owned before.
    pub partitions: Vec<Share>,
    /// How many it owns, also when the list was cut.
    pub partition_count: usize,
    /// Messages not yet consumed in what it owns; `null` also while Kafka does not tell what that is.
    pub lag: Option<i64>,
    /// Why it waits, when it owns nothing in a stable group.
    pub idle_because: Option<String>,
    /// What it is doing.
    pub state: ConsumerState,
    /// Since when, as far as was seen.
    pub since: i64,
    /// When it was first seen in its group.
    #[serde(skip)]
    pub first_seen: i64,
    /// Since when no process of its name is known.
    #[serde(skip)]
    pub missing_since: Option<i64>,
}

/// What a consumer is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ConsumerState {
    /// It runs.
    Running,
    /// It ended without leaving its group, which waits for it until the session times out.
    Killed,
    /// It stands still: it answers nobody.
    Paused,
    /// It still is there and the group has given it up.
    Left,
}

/// A partition as one group sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Share {
    /// Its topic.
    pub topic: String,
    /// Its number, from 0.
    pub partition: i32,
    /// The group's committed offset.
    pub committed: Option<i64>,
    /// Offset after the newest message.
    pub end: Option<i64>,
    /// Messages not yet consumed.
    pub lag: Option<i64>,
    /// `NoCommit`, `Expired`, `Stale`, `Recreated` or `Unknown` where lag is not simply end minus committed.
    pub lag_reason: Option<String>,
    /// `Expired`: messages that went before the group had read them.
    pub lost: Option<i64>,
    /// `Unknown`: since when, as far as was seen.
    pub unknown_since: Option<i64>,
    /// `Warn`, `Rewind`, `Stall` or `Stop`; absent where nothing is the matter.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub health: Option<String>,
}

/// A rebalance that is over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RebalancePicture {
    /// Group and number, `my-group#7`: the same in every look.
    pub id: String,
    /// When it was noticed.
    pub time: i64,
    /// Its group.
    pub group: String,
    /// The group epoch after it.
    pub epoch: Option<i64>,
    /// Names of new members.
    pub joined: Vec<String>,
    /// Names of members that are gone.
    pub left: Vec<String>,
    /// Partitions that changed hands.
    pub moved: Vec<MovePicture>,
    /// How long it was seen to take; `null`: it fell between two looks.
    pub duration_ms: Option<u64>,
    /// The longest time that a partition that moved had no owner; `null`: not known.
    pub unowned_ms: Option<u64>,
    /// `ScaledUp`, `ContainerExited`, ... or `Unknown`; `null` while it is being found out.
    pub cause: Option<String>,
    /// The cause in a sentence.
    pub why: Option<String>,
    /// What to do about it, where there is something to do.
    pub advice: Option<String>,
    /// Something more to say about it.
    pub note: Option<String>,
}

/// A partition that changed hands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MovePicture {
    /// Its topic.
    pub topic: String,
    /// Its number, from 0.
    pub partition: i32,
    /// Its former owner; `null`: nobody.
    pub from: Option<String>,
    /// Its owner now; `null`: nobody.
    pub to: Option<String>,
}
