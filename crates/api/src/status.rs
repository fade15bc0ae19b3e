//! What status answers. Shapes only; what the values mean and when they are written is decided by the operator.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What is true about a practice, from Kubernetes and from Kafka itself.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Default)]
#[serde(rename_all = "camelCase")]
pub struct PracticeStatus {
    /// The generation of the spec that this status answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,

    /// `Ready`, `KafkaReachable`, `TopicsReady`, `ConsumersAvailable`, `ProducerAvailable`, `Reconciling`, `Stalled`, `IdleConsumers`.
    #[serde(default)]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    pub conditions: Vec<Condition>,

    /// The Kafka in use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bootstrap_servers: Option<String>,

    /// Totals.
    #[serde(default)]
    pub summary: Summary,

    /// One entry per topic of the spec.
    #[serde(default)]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub topics: Vec<TopicStatus>,

    /// One entry per group of the spec.
    #[serde(default)]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub groups: Vec<GroupStatus>,

    /// Groups of other applications that have members or commits on the practice's topics: never touched. The first 20 by name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub other_groups: Vec<OtherGroupStatus>,

    /// How many such groups there are; absent while unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub other_group_count: Option<i32>,

    /// The last rebalances of these groups, newest first, at most 10; the `ConfigMap` `<practice>-journal` keeps 50 of each group.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rebalances: Vec<RebalanceStatus>,
}

impl PracticeStatus {
    /// The condition of this type.
    pub fn condition(&self, kind: &str) -> Option<&Condition> {
        self.conditions
            .iter()
            .find(|condition| condition.type_ == kind)
    }

    /// Whether a group id was found to be this practice's, on the Kafka of this status.
    pub fn owns_group_id(&self, group: &str) -> bool {
        self.groups
            .iter()
            .any(|status| status.name == group && status.group_id_owned)
    }
}

/// Totals over a practice.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Default)]
#[serde(rename_all = "camelCase")]
pub struct Summary {
    /// Topics of the spec.
    pub topics: i32,
    /// Partitions that these topics have in Kafka; absent while unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub partitions: Option<i32>,
    /// Groups of the spec.
    pub groups: i32,
    /// Members of these groups; absent while unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub consumers: Option<i32>,
    /// Members without a partition; absent while unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idle: Option<i32>,
    /// Messages not yet consumed; absent while a part of it is unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lag: Option<i64>,
}

/// One topic as Kafka has it.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Default)]
#[serde(rename_all = "camelCase")]
pub struct TopicStatus {
    /// Its name.
    pub name: String,
    /// Whether it exists as the spec wants it.
    pub ready: bool,
    /// Partitions in Kafka.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub partitions: Option<i32>,
    /// Replication factor in Kafka.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replication_factor: Option<i32>,
    /// Kafka's id of the topic.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub topic_id: Option<String>,
    /// Kafka's id of the topic that this practice created; `deletionPolicy: Delete` removes no other.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_topic_id: Option<String>,
    /// Keys of its configuration that this practice has set on its own topic: one that the manifest names no longer goes back to
    /// Kafka's default.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub configured: Vec<String>,
    /// What keeps it from being ready.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

impl TopicStatus {
    /// Whether it is the very topic that this practice made.
    pub fn is_own(&self) -> bool {
        self.topic_id.is_some() && self.topic_id == self.created_topic_id
    }
}

/// One group as Kafka has it.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Default)]
#[serde(rename_all = "camelCase")]
pub struct GroupStatus {
    /// The `group.id`.
    pub name: String,
    /// Whether the group id was found free, or this practice's, before its first consumer started.
    pub group_id_owned: bool,
    /// Kafka's word: `Stable`, `Empty`, `PreparingRebalance`, `CompletingRebalance`, `Assigning`, `Reconciling`; or `Absent`, `Unknown`.
    pub state: String,
    /// `Classic` or `Consumer`, as Kafka says; the spec's while the group is absent.
    pub protocol: String,
    /// The group epoch of KIP-848; Classic has none that Kafka tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epoch: Option<i64>,
    /// Consumers wanted.
    pub replicas: i32,
    /// Consumers that are ready.
    pub ready_replicas: i32,
    /// Members without a partition while the group is stable; absent while unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idle: Option<i32>,
    /// Messages not yet consumed; null while a part of it is unknown.
    pub lag: Option<i64>,
    /// Since when lag is null (RFC 3339), as far as was seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unknown_since: Option<String>,
    /// When the oldest message not yet consumed was written (RFC 3339), as far as was seen; null while there is none, or it is unknown.
    #[serde(default)]
    pub oldest_since: Option<String>,
    /// When nothing will be left (RFC 3339) at the rates that consumers and producers had when this was written; null while nothing is left,
    /// while it is unknown, and when it would never be.
    #[serde(default)]
    pub done_at: Option<String>,
    /// Whether it gets on; absent while that is not known yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub health: Option<HealthStatus>,
    /// Why the operator holds the group at 0 consumers; absent while it does not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hold: Option<GroupHold>,
    /// Why something of the group is unknown: Kafka's words, or that nobody looks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// The group's members.
    #[serde(default)]
    pub members: Vec<Member>,
    /// Partitions of the group's topics that no member owns: their lag is nobody's. None while a member does not tell what it owns.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unowned: Vec<OwnedPartition>,
    /// Number of partitions that no member owns, also when the list was cut.
    #[serde(default)]
    pub unowned_count: i32,
    /// Whether members or partitions were left out to keep status small.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub truncated: bool,
}

impl GroupStatus {
    /// Every partition that is listed, owned or not.
    pub fn shares(&self) -> impl Iterator<Item = &OwnedPartition> {
        self.members
            .iter()
            .flat_map(|member| &member.partitions)
            .chain(&self.unowned)
    }
}

/// Why a group has no consumers for now.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq, Default)]
#[serde(rename_all = "camelCase")]
pub struct GroupHold {
    /// `Stopped`: the manifest says so; `GroupIdPending`: Kafka has not answered whose the group id is; `ProtocolChanging`: members of
    /// the former protocol or assignor leave first; `GroupConflict`, `ProtocolUnsupported`, `AuthorizationFailed`: a person has to act.
    pub reason: String,
    /// What the operator waits for, or what to do.
    pub message: String,
}

impl GroupHold {
    /// Whether the group starts only after a person has changed something.
    pub fn needs_help(&self) -> bool {
        matches!(
            self.reason.as_str(),
            "GroupConflict" | "ProtocolUnsupported" | "AuthorizationFailed"
        )
    }
}

/// How a group gets on, which is how its worst partition does.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Default)]
#[serde(rename_all = "camelCase")]
pub struct HealthStatus {
    /// `Ok`; `Warn`: it reads more slowly than others write; `Rewind`: its commits went back; `Stall`: owners commit nothing although
    /// messages wait; `Stop`: messages wait and nobody owns them.
    pub state: String,
    /// Since when (RFC 3339), as far as was seen; absent for `Ok`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<String>,
    /// Why, in a sentence, with the partitions that are concerned.
    pub message: String,
    /// What to do about it; absent where there is nothing to do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub advice: Option<String>,
}

/// One member of a group.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Default)]
#[serde(rename_all = "camelCase")]
pub struct Member {
    /// The pod's name where it is one of ours, the client id otherwise.
    pub name: String,
    /// The pod, where it is one of ours.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pod: Option<String>,
    /// The id that Kafka knows it by.
    pub member_id: String,
    /// Its `client.id`.
    pub client_id: String,
    /// What it owns, one entry per partition; none while Kafka does not tell, as while a Classic group rebalances.
    pub partitions: Vec<OwnedPartition>,
    /// Number of partitions owned, also when the list was cut.
    pub partition_count: i32,
    /// Messages not yet consumed in what it owns; null while a part of it is unknown, or what it owns is.
    pub lag: Option<i64>,
    /// Why it waits, when it owns nothing in a stable group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idle_because: Option<String>,
}

/// One partition as its group sees it.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Default)]
#[serde(rename_all = "camelCase")]
pub struct OwnedPartition {
    /// Its topic.
    pub topic: String,
    /// Its number, from 0.
    pub partition: i32,
    /// The group's committed offset; absent when there is none or it is unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub committed: Option<i64>,
    /// The offset after the last message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end: Option<i64>,
    /// Messages not yet consumed; null when unknown.
    pub lag: Option<i64>,
    /// `NoCommit`, `Expired`, `Stale`, `Recreated` or `Unknown` where lag is not simply end minus committed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lag_reason: Option<String>,
    /// `Expired`: messages that went before the group had read them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lost: Option<i64>,
    /// `Unknown`: since when (RFC 3339), as far as was seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unknown_since: Option<String>,
    /// `Ok`, `Warn`, `Rewind`, `Stall` or `Stop`, as for the group; absent while not known yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub health: Option<String>,
}

/// A group of another application.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Default)]
#[serde(rename_all = "camelCase")]
pub struct OtherGroupStatus {
    /// The `group.id`.
    pub name: String,
    /// Kafka's word, as for the practice's groups.
    pub state: String,
    /// `Classic` or `Consumer`; absent where Kafka does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub protocol: Option<String>,
    /// How many members it has; absent while its state is unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub members: Option<i32>,
    /// Those of the practice's topics that it reads or has read.
    pub topics: Vec<String>,
    /// Offsets between its commits and the ends of these topics; null while unknown.
    pub lag: Option<i64>,
    /// That many messages at most: some of the offsets may be markers of transactions, which are nothing to read. False where lag is 0.
    pub upper_bound: bool,
}

/// One rebalance that is over.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Default)]
#[serde(rename_all = "camelCase")]
pub struct RebalanceStatus {
    /// The group.
    pub group: String,
    /// Counts the group's rebalances from 1; Classic groups tell no generation.
    pub number: i64,
    /// When it was noticed.
    pub time: String,
    /// `ScaledUp`, `ScaledDown`, `Rollout`, `ContainerExited`, `OomKilled`, `Evicted`, `PodDeleted`, `SessionTimedOut`,
    /// `PartitionsAdded`, `TopicsChanged`, `StoppedBySpec`, `StartedBySpec`, `ReconfiguredBySpec` or `Unknown`; absent while it is being found out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<String>,
    /// The cause in a sentence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// The group epoch of KIP-848 before it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epoch_before: Option<i64>,
    /// The group epoch of KIP-848 after it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epoch: Option<i64>,
    /// Number of members that joined.
    pub joined: i32,
    /// Number of members that left.
    pub left: i32,
    /// Number of partitions that have another owner.
    pub moved: i32,
    /// The longest time that one of them had no owner, in milliseconds; absent when it is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub without_owner_ms: Option<i64>,
}
