//! The spec. Every field is documented here (`kubectl explain` prints it) and every rule is here, as schema or as CEL with a
//! message that names the fix.

use std::collections::BTreeMap;

use kube::{CustomResource, KubeSchema};
use practice_contract::{OffsetReset, Protocol};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::status::PracticeStatus;

/// CEL: the message for the first two topics whose names Kafka's metrics cannot tell apart. In these names `.` becomes `_`, so Kafka
/// refuses to create the second one (`InvalidTopic`). Group ids have no such rule. The names are read by their index in
/// `self.topics`, because the API server bounds the cost of a message by the declared length of a field, which a filtered list lacks.
const COLLIDING_TOPICS: &str = "'topics ' + self.topics[self.topics.map(t, self.topics.exists(s, s.name != t.name && s.name.replace('.', '_') == t.name.replace('.', '_')), self.topics.indexOf(t))[0]].name + ' and ' + self.topics[self.topics.map(t, self.topics.exists(s, s.name != t.name && s.name.replace('.', '_') == t.name.replace('.', '_')), self.topics.indexOf(self.topics.filter(s, s.name != t.name && s.name.replace('.', '_') == t.name.replace('.', '_'))[0]))[0]].name + ' differ only in `.` and `_`, which Kafka refuses because their metrics would have the same name: rename one of them'";

/// Kafka topics, consumer groups that read them and a producer: to learn, break and operate consumer groups.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Default)]
#[kube(
    group = "kafka-practice.dev",
    version = "v1alpha1",
    kind = "ConsumerGroupPractice",
    plural = "consumergrouppractices",
    shortname = "cgp",
    category = "kafka-practice",
    namespaced,
    status = "PracticeStatus",
    derive = "PartialEq",
    doc = "Topics and the consumer groups that read them. Each group runs as Deployments, a producer accepts POST /send-message, and status reports the state of topics and groups in Kafka.",
    cel,
    validation = Rule::new("self.metadata.name.matches('^[a-z]([a-z0-9-]{0,38}[a-z0-9])?$')").message("metadata.name must be at most 40 characters of a-z, 0-9 and -, begin with a letter and end with a letter or digit: Services and labels are named after it").reason(Reason::FieldValueInvalid),
    printcolumn(name = "Topics", type_ = "integer", json_path = ".status.summary.topics"),
    printcolumn(name = "Partitions", type_ = "integer", json_path = ".status.summary.partitions"),
    printcolumn(name = "Groups", type_ = "integer", json_path = ".status.summary.groups"),
    printcolumn(name = "Consumers", type_ = "integer", json_path = ".status.summary.consumers", description = "members of all groups"),
    printcolumn(name = "Idle", type_ = "integer", json_path = ".status.summary.idle", description = "members without a partition"),
    printcolumn(name = "Lag", type_ = "integer", json_path = ".status.summary.lag", description = "messages not yet consumed, over all groups; empty while a part is unknown"),
    printcolumn(name = "Ready", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].status"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    printcolumn(name = "Kafka", type_ = "string", json_path = ".status.bootstrapServers", priority = "1"),
    printcolumn(name = "Reason", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].reason", priority = "1")
)]
#[x_kube(
    validation = Rule::new("self.groups.all(g, !has(g.topics) || g.topics.all(t, self.topics.exists(s, s.name == t)))").message("groups[].topics may only name topics of spec.topics: add the topic there or correct the name").reason(Reason::FieldValueInvalid),
    validation = Rule::new("self.topics.all(t, self.topics.all(s, s.name == t.name || s.name.replace('.', '_') != t.name.replace('.', '_')))").message(Message::Expression(COLLIDING_TOPICS.to_owned())).reason(Reason::FieldValueInvalid).field_path(".topics"),
    // the operator keeps an offset and a health of each; a message with their number would exceed the cost that the API server allows
    validation = Rule::new("self.groups.map(g, self.topics.filter(t, !has(g.topics) || t.name in g.topics).map(t, t.partitions).sum()).sum() <= 50000").message("each group reads each partition of its topics, and at most 50000 such pairs are allowed: use fewer partitions or groups, or several practices").reason(Reason::FieldValueInvalid).field_path(".groups")
)]
#[serde(rename_all = "camelCase")]
pub struct PracticeSpec {
    /// The Kafka to use. Omitted: the default Kafka of the operator.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kafka: Option<Kafka>,

    /// Topics, created if missing. 1 to 32, each name once. Names must differ in more than `.` and `_`.
    #[schemars(length(min = 1, max = 32))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub topics: Vec<Topic>,

    /// Consumer groups; every group gets every message of its topics. At most 32, each name once.
    #[serde(default)]
    #[schemars(length(max = 32))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub groups: Vec<Group>,

    /// The producer: a Deployment and Service `<practice>-producer`, port 8081, with `POST /send-message`.
    #[serde(default)]
    pub producer: Producer,

    /// How long the operator tries to delete topics with `deletionPolicy: Delete` after you delete the practice, 1s to 168h. Then it gives
    /// up: the topics stay in Kafka, and Event `TopicAbandoned` names them. Default 10m.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 2, max = 20),
        regex(pattern = r"^([0-9]+h)?([0-9]+m)?([0-9]+s)?([0-9]+ms)?$")
    )]
    #[x_kube(
        validation = Rule::new("duration(self) >= duration('1s') && duration(self) <= duration('168h')").message("deletionTimeout must be from 1s to 168h: to keep the topics at once, set the annotation kafka-practice.dev/keep-topics=true").reason(Reason::FieldValueInvalid)
    )]
    pub deletion_timeout: Option<String>,
}

/// A Kafka cluster.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Kafka {
    /// `host:port`, or several separated by commas.
    #[schemars(
        length(max = 1024),
        regex(
            pattern = r"^(\[[0-9a-fA-F:]+\]|[A-Za-z0-9._-]+):[0-9]{1,5}(, *(\[[0-9a-fA-F:]+\]|[A-Za-z0-9._-]+):[0-9]{1,5})*$"
        )
    )]
    pub bootstrap_servers: String,
}

/// A topic.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Topic {
    /// Name in Kafka: letters, digits, `.`, `_` and `-`, at most 249.
    #[schemars(length(min = 1, max = 249), regex(pattern = r"^[a-zA-Z0-9._-]+$"))]
    #[x_kube(
        validation = Rule::new("self != '.' && self != '..' && !self.startsWith('__')").message("a topic may not be called `.` or `..` or begin with `__`: Kafka reserves those names").reason(Reason::FieldValueInvalid)
    )]
    pub name: String,

    /// Number of partitions, 1 to 1000. It can grow but not shrink (Kafka cannot remove partitions). An existing topic with more keeps them.
    #[serde(default = "one")]
    #[schemars(range(min = 1, max = 1000))]
    #[x_kube(
        validation = Rule::new("self >= oldSelf").message("partitions can only grow, Kafka cannot remove any: use a number at least as large as before, or a topic with another name").reason(Reason::FieldValueInvalid)
    )]
    pub partitions: i32,

    /// Replicas of each partition, each on its own broker. Immutable.
    #[serde(default = "one")]
    #[schemars(range(min = 1, max = 32))]
    #[x_kube(
        validation = Rule::new("self == oldSelf").message("replicationFactor cannot be changed: put it back, or use a topic with another name").reason(Reason::FieldValueForbidden)
    )]
    pub replication_factor: i32,

    /// Topic configuration, such as `retention.ms: "60000"`. Set on creation, and kept in sync on topics that this practice created.
    /// A key that you remove is reset to Kafka's default. At most 64 keys of 128 characters, with values of 1024.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(
        extend("maxProperties" = 64, "additionalProperties" = {"type": "string", "maxLength": 1024})
    )]
    #[x_kube(
        validation = Rule::new("self.all(key, size(key) <= 128)").message("a key of config has at most 128 characters: use a configuration of Kafka's topics").reason(Reason::FieldValueInvalid)
    )]
    pub config: BTreeMap<String, String>,

    /// Whether the topic is deleted with the practice. `Delete` deletes only a topic that this practice created.
    #[serde(default)]
    pub deletion_policy: DeletionPolicy,

    /// `false`: the topic must exist, and is never changed.
    #[serde(default = "yes")]
    pub managed: bool,
}

/// Whether a topic is deleted with its practice.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum DeletionPolicy {
    /// The topic stays in Kafka.
    #[default]
    Retain,
    /// The topic is deleted if this practice created it.
    Delete,
}

/// A consumer group.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("!has(self.assignor) || (self.protocol == 'Classic' ? self.assignor != 'Uniform' : self.assignor in ['Range', 'Uniform'])").message("this assignor does not exist for this protocol: Classic has Range, RoundRobin and CooperativeSticky; Consumer has Range and Uniform").reason(Reason::FieldValueInvalid),
    validation = Rule::new("self.protocol == 'Classic' || (!has(self.sessionTimeout) && !has(self.heartbeatInterval))").message("sessionTimeout and heartbeatInterval are for protocol Classic only, with Consumer the broker decides: remove them").reason(Reason::FieldValueForbidden),
    validation = Rule::new("duration(has(self.heartbeatInterval) ? self.heartbeatInterval : '500ms') < duration(has(self.sessionTimeout) ? self.sessionTimeout : '10s')").message("heartbeatInterval (default 500ms) must be shorter than sessionTimeout (default 10s), at most a third of it is best").reason(Reason::FieldValueInvalid),
    validation = Rule::new("self.protocol != 'Classic' || duration(has(self.sessionTimeout) ? self.sessionTimeout : '10s') <= duration(has(self.maxPollInterval) ? self.maxPollInterval : '5m')").message("sessionTimeout (default 10s) must not be longer than maxPollInterval (default 5m): raise maxPollInterval or lower sessionTimeout").reason(Reason::FieldValueInvalid),
    validation = Rule::new("duration(has(self.processingDelay) ? self.processingDelay : '0s') < duration(has(self.maxPollInterval) ? self.maxPollInterval : '5m')").message("processingDelay must be shorter than maxPollInterval (default 5m): a member that spends longer on one message is removed from its group").reason(Reason::FieldValueInvalid),
    validation = Rule::new("!has(self.variants) || self.variants.all(v, duration(has(v.processingDelay) ? v.processingDelay : '0s') < duration(has(self.maxPollInterval) ? self.maxPollInterval : '5m'))").message("variants[].processingDelay must be shorter than the group's maxPollInterval (default 5m): a member that spends longer on one message is removed from its group").reason(Reason::FieldValueInvalid)
)]
pub struct Group {
    /// The `group.id`: letters, digits, `.`, `_` and `-`, at most 249.
    #[schemars(length(min = 1, max = 249), regex(pattern = r"^[a-zA-Z0-9._-]+$"))]
    #[x_kube(
        validation = Rule::new("self != '.' && self != '..'").message("a group may not be called `.` or `..`: choose another name").reason(Reason::FieldValueInvalid)
    )]
    pub name: String,

    /// Number of consumers, 0 to 100. Omitted: you or an autoscaler scale it (`HorizontalPodAutoscaler`, KEDA, `kubectl scale`); it starts at 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 100))]
    pub replicas: Option<i32>,

    /// Topics that it reads, each one of `spec.topics`. Omitted: all of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 32), inner(length(min = 1, max = 249)))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub topics: Option<Vec<String>>,

    /// Where the group starts if it has no committed offsets. `earliest`: at the oldest message. `latest`: at the end of its topics, which the
    /// operator commits before the first consumer starts. Every later message is read, and so are partitions and topics that are added.
    #[serde(default)]
    pub auto_offset_reset: OffsetReset,

    /// The rebalance protocol: `Classic`, or `Consumer` (KIP-848, Kafka 4).
    #[serde(default)]
    pub protocol: Protocol,

    /// How partitions are assigned. Classic: `Range`, `RoundRobin`, `CooperativeSticky` (default). Consumer: `Range`, `Uniform` (default).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub assignor: Option<Assignor>,

    /// Classic only: a member without a heartbeat for this long is removed from the group, 6s to 30m. Default 10s.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 2, max = 20),
        regex(pattern = r"^([0-9]+h)?([0-9]+m)?([0-9]+s)?([0-9]+ms)?$")
    )]
    #[x_kube(
        validation = Rule::new("duration(self) >= duration('6s') && duration(self) <= duration('30m')").message("sessionTimeout must be from 6s to 30m: brokers refuse members outside of it").reason(Reason::FieldValueInvalid)
    )]
    pub session_timeout: Option<String>,

    /// Classic only: how often a member sends a heartbeat; shorter than sessionTimeout. Members learn of a rebalance at their next heartbeat. Default 500ms.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 2, max = 20),
        regex(pattern = r"^([0-9]+h)?([0-9]+m)?([0-9]+s)?([0-9]+ms)?$")
    )]
    #[x_kube(
        validation = Rule::new("duration(self) >= duration('1ms')").message("heartbeatInterval must be longer than 0s").reason(Reason::FieldValueInvalid)
    )]
    pub heartbeat_interval: Option<String>,

    /// A member that does not poll for this long leaves the group, at most 24h. Default 5m.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 2, max = 20),
        regex(pattern = r"^([0-9]+h)?([0-9]+m)?([0-9]+s)?([0-9]+ms)?$")
    )]
    #[x_kube(
        validation = Rule::new("duration(self) >= duration('1s') && duration(self) <= duration('24h')").message("maxPollInterval must be from 1s to 24h").reason(Reason::FieldValueInvalid)
    )]
    pub max_poll_interval: Option<String>,

    /// Time spent on each message, one at a time per consumer, such as `500ms` or `5s`. Default none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 2, max = 20),
        regex(pattern = r"^([0-9]+h)?([0-9]+m)?([0-9]+s)?([0-9]+ms)?$")
    )]
    pub processing_delay: Option<String>,

    /// Members of the same group with another delay. At most 16, each name once.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub variants: Vec<Variant>,

    /// `Stopped`: 0 consumers, committed offsets stay. `Running` restores the former number.
    #[serde(default)]
    pub state: DesiredState,
}

/// Members of a group with another delay.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Variant {
    /// A DNS label of at most 20 characters.
    #[schemars(
        length(min = 1, max = 20),
        regex(pattern = r"^[a-z0-9]([a-z0-9-]*[a-z0-9])?$")
    )]
    pub name: String,

    /// Number of consumers, 0 to 100. Omitted: you or an autoscaler scale it; it starts at 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 100))]
    pub replicas: Option<i32>,

    /// Time spent on each message. Omitted: the group's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 2, max = 20),
        regex(pattern = r"^([0-9]+h)?([0-9]+m)?([0-9]+s)?([0-9]+ms)?$")
    )]
    pub processing_delay: Option<String>,
}

/// How partitions are assigned to members. Classic: `Range`, `RoundRobin`, `CooperativeSticky` (default). Consumer: `Range`, `Uniform` (default).
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Assignor {
    /// Neighbouring partitions to one member, topic by topic.
    Range,
    /// One partition to each member in turn.
    RoundRobin,
    /// Balanced, and as few partitions as possible move.
    CooperativeSticky,
    /// Balanced, and as few partitions as possible move (KIP-848).
    Uniform,
}

/// Whether a group's consumers should run.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum DesiredState {
    /// Its consumers run.
    #[default]
    Running,
    /// It has 0 consumers; committed offsets stay.
    Stopped,
}

/// The producer of a practice.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Producer {
    /// `false`: no producer.
    #[serde(default = "yes")]
    pub enabled: bool,

    /// Key of a message that you send without one: `Random` (a UUID) or `None`.
    #[serde(default)]
    pub keys: Keys,

    /// A constant stream of messages, to practise lag.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub load: Option<Load>,
}

impl Default for Producer {
    fn default() -> Self {
        Self {
            enabled: true,
            keys: Keys::Random,
            load: None,
        }
    }
}

/// Key of a message that you send without one.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Keys {
    /// A random UUID: messages spread over all partitions.
    #[default]
    Random,
    /// No key: the client chooses partitions.
    None,
}

/// A constant stream of messages.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Load {
    /// Messages a second over all topics, 0 to 10000.
    #[schemars(range(min = 0, max = 10000))]
    pub messages_per_second: i32,

    /// Size of each value in bytes, 1 to 100000.
    #[serde(default = "hundred")]
    #[schemars(range(min = 1, max = 100_000))]
    pub value_bytes: i32,
}

fn one() -> i32 {
    1
}

fn hundred() -> i32 {
    100
}

fn yes() -> bool {
    true
}
