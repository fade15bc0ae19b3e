//! The status. Types only; the operator decides their values and when to write them.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Observed state of a practice, from Kubernetes and Kafka.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Default)]
#[serde(rename_all = "camelCase")]
pub struct PracticeStatus {
    /// The `metadata.generation` that this status was written for.
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

    /// Groups of other applications that have members or commits on the practice's topics; never changed. The first 20 by name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub other_groups: Vec<OtherGroupStatus>,

    /// Number of such groups; absent while unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub other_group_count: Option<i32>,

    /// The last rebalances of the practice's groups, newest first, at most 10; the `ConfigMap` `<practice>-journal` keeps 50 of each group.
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

    /// Whether this practice owns a group id on the Kafka of this status.
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
    /// Messages not yet consumed; absent while a part is unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lag: Option<i64>,
}

/// One topic in Kafka.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Default)]
#[serde(rename_all = "camelCase")]
pub struct TopicStatus {
    /// Its name.
    pub name: String,
    /// Whether it exists and matches the spec.
    pub ready: bool,
    /// Partitions in Kafka.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub partitions: Option<i32>,
    /// Replication factor in Kafka.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replication_factor: Option<i32>,
    /// Topic id in Kafka.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub topic_id: Option<String>,
    /// Topic id of the topic that this practice created; `deletionPolicy: Delete` deletes no other.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_topic_id: Option<String>,
    /// Configuration keys that this practice has set on a topic that it created; a key that you remove is reset to Kafka's default.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub configured: Vec<String>,
    /// Why it is not ready; absent when it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

impl TopicStatus {
    /// Whether this practice created the topic that exists now.
    pub fn is_own(&self) -> bool {
        self.topic_id.is_some() && self.topic_id == self.created_topic_id
    }
}

/// One group in Kafka.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Default)]
#[serde(rename_all = "camelCase")]
pub struct GroupStatus {
    /// The `group.id`.
    pub name: String,
    /// Whether this practice owns the group id: it was free, or already this practice's, before the first consumer started.
    pub group_id_owned: bool,
    /// Group state in Kafka: `Stable`, `Empty`, `PreparingRebalance`, `CompletingRebalance`, `Assigning`, `Reconciling`; or `Absent`, `Unknown`.
    pub state: String,
    /// `Classic` or `Consumer` (KIP-848 protocol), as Kafka reports it; the spec's while the group is absent.
    pub protocol: String,
    /// The group epoch of KIP-848; absent for Classic groups, whose generation Kafka does not report.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epoch: Option<i64>,
    /// Desired number of consumers.
    pub replicas: i32,
    /// Number of consumers whose pods are ready.
    pub ready_replicas: i32,
    /// Members without a partition while the group is stable; absent while unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idle: Option<i32>,
    /// Messages not yet consumed; null while a part is unknown.
    pub lag: Option<i64>,
    /// Since when lag is null (RFC 3339), as observed by the operator.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unknown_since: Option<String>,
    /// When the oldest message not yet consumed was produced (RFC 3339), as observed by the operator; null while lag is 0 or it is unknown.
    #[serde(default)]
    pub oldest_since: Option<String>,
    /// Estimated time (RFC 3339) when lag reaches 0, at the rates of consumers and producers when this was written; null while lag is 0,
    /// the time is unknown, or lag does not shrink.
    #[serde(default)]
    pub done_at: Option<String>,
    /// Health of the group; absent until enough samples exist.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub health: Option<HealthStatus>,
    /// For `autoOffsetReset: latest`: ids of the topics in which the group has had committed offsets. Without any commit, it starts in these at
    /// the end, in others at the beginning.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub committed_topic_ids: Vec<String>,
    /// Why the operator keeps the group, or a part of it, at 0 consumers; absent while it does not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hold: Option<GroupHold>,
    /// Why a part of this status is unknown: Kafka's error, or that the group is not monitored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// The group's members.
    #[serde(default)]
    pub members: Vec<Member>,
    /// Partitions of the group's topics that no member owns. Empty while Kafka does not report the partitions of every member.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unowned: Vec<OwnedPartition>,
    /// Number of partitions that no member owns, also when the list is truncated.
    #[serde(default)]
    pub unowned_count: i32,
    /// Whether members or partitions are omitted to keep status small.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub truncated: bool,
}

impl GroupStatus {
    /// Whether the owner of its replicas (the manifest, an autoscaler or a user) has set them to 0. The operator does not hold it there.
    pub fn is_scaled_to_zero(&self) -> bool {
        self.replicas == 0 && self.group_id_owned && self.hold.is_none()
    }

    /// Every partition that is listed, owned or not.
    pub fn shares(&self) -> impl Iterator<Item = &OwnedPartition> {
        self.members
            .iter()
            .flat_map(|member| &member.partitions)
            .chain(&self.unowned)
    }
}

/// Why the operator keeps a group, or a part of it, at 0 consumers.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq, Default)]
#[serde(rename_all = "camelCase")]
pub struct GroupHold {
    /// `Stopped`: the spec stops it; `GroupIdPending`: Kafka has not reported members and commits of the group id yet;
    /// `GroupStartPending`: the start of a group with `autoOffsetReset: latest` is not committed yet; `ProtocolChanging`: members with the
    /// former protocol or assignor leave first; `DeploymentDeleting`: a Deployment of a previous practice with this name is being deleted;
    /// `GroupConflict`, `ProtocolUnsupported`, `AuthorizationFailed`, `NameConflict`: you have to act.
    pub reason: String,
    /// What the operator waits for, or what you have to do.
    pub message: String,
}

impl GroupHold {
    /// Whether the group starts only after a person has changed something.
    pub fn needs_help(&self) -> bool {
        matches!(
            self.reason.as_str(),
            "GroupConflict" | "ProtocolUnsupported" | "AuthorizationFailed" | "NameConflict"
        )
    }
}

/// Health of a group, which is that of its worst partition.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Default)]
#[serde(rename_all = "camelCase")]
pub struct HealthStatus {
    /// `Healthy`; `Lagging`: it consumes more slowly than producers produce; `Rewound`: a committed offset moved back; `Stalled`: a
    /// partition has lag and its owner has stopped committing; `Unassigned`: a partition has lag and no owner.
    pub state: String,
    /// Since when (RFC 3339), as observed by the operator; absent for `Healthy`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<String>,
    /// The reason, with the affected partitions.
    pub message: String,
    /// What you can do; absent for `Healthy`, unless an open transaction keeps consumers from messages.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub advice: Option<String>,
}

/// One member of a group.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Default)]
#[serde(rename_all = "camelCase")]
pub struct Member {
    /// Name of the pod if it belongs to this practice, otherwise the client id.
    pub name: String,
    /// The pod; absent for a member that does not belong to this practice.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pod: Option<String>,
    /// Member id in Kafka.
    pub member_id: String,
    /// Its `client.id`.
    pub client_id: String,
    /// Partitions that it owns; empty while Kafka does not report them, as during a rebalance of a Classic group.
    pub partitions: Vec<OwnedPartition>,
    /// Number of partitions that it owns, also when the list is truncated.
    pub partition_count: i32,
    /// Messages not yet consumed in its partitions; null while they or their lag are unknown.
    pub lag: Option<i64>,
    /// Why it has no partition in a stable group; absent when it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idle_because: Option<String>,
}

/// One partition with its group's offsets and lag.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Default)]
#[serde(rename_all = "camelCase")]
pub struct OwnedPartition {
    /// Its topic.
    pub topic: String,
    /// Its number, from 0.
    pub partition: i32,
    /// The group's committed offset; absent without a commit or while unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub committed: Option<i64>,
    /// Log end offset.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end: Option<i64>,
    /// Messages not yet consumed; null when unknown.
    pub lag: Option<i64>,
    /// `NoCommit`, `Expired`, `Stale`, `Recreated` or `Unknown` when lag is not end minus committed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lag_reason: Option<String>,
    /// For `Expired`: messages that were deleted before the group consumed them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lost: Option<i64>,
    /// For `Unknown`: since when (RFC 3339), as observed by the operator.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unknown_since: Option<String>,
    /// `Healthy`, `Lagging`, `Rewound`, `Stalled` or `Unassigned`, as for the group; absent until enough samples exist.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub health: Option<String>,
}

/// A group of another application.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Default)]
#[serde(rename_all = "camelCase")]
pub struct OtherGroupStatus {
    /// The `group.id`.
    pub name: String,
    /// Group state in Kafka, as for the practice's groups.
    pub state: String,
    /// `Classic` or `Consumer` (KIP-848 protocol); absent if Kafka does not report it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub protocol: Option<String>,
    /// Number of members; absent while its state is unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub members: Option<i32>,
    /// The practice's topics that it has members or commits on.
    pub topics: Vec<String>,
    /// Offsets between its commits and the log end offsets of these topics; null while unknown.
    pub lag: Option<i64>,
    /// Whether lag is an upper bound: some offsets may be transaction markers instead of messages. False when lag is 0.
    pub upper_bound: bool,
}

/// One finished rebalance.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Default)]
#[serde(rename_all = "camelCase")]
pub struct RebalanceStatus {
    /// The group.
    pub group: String,
    /// Number of the rebalance in its group, from 1 (Kafka does not report the generation of Classic groups).
    pub number: i64,
    /// When the operator detected it (RFC 3339).
    pub time: String,
    /// `ScaledUp`, `ScaledDown`, `Rollout`, `ContainerExited`, `OOMKilled`, `Evicted`, `PodDeleted`, `SessionTimedOut`,
    /// `PartitionsAdded`, `TopicsChanged`, `StoppedBySpec`, `StartedBySpec`, `ReconfiguredBySpec` or `Unknown`; absent until it is found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<String>,
    /// The cause as a sentence.
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
    /// The longest time that one of them had no owner, in milliseconds; absent while unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub without_owner_ms: Option<i64>,
}
