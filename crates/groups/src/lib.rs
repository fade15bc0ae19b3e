//! What Kafka's facts about topics and consumer groups mean, Classic and KIP-848 alike. Pure: no client, no clock. In: a poll of
//! topics and groups (`model`), made by `practice-kafka` or by local mode. Out: lag as a sum type, its age and trend, each group's
//! health, rebalances between two polls with their causes, groups of other applications, and who gets which partitions (`assign`).
//! Deliberately absent: Kubernetes, and what to do about a finding.

pub mod assign;
mod by_partition;
pub mod cause;
mod compact;
pub mod handled;
pub mod health;
pub mod journal;
pub mod lag;
pub mod model;
mod other_groups;
mod trend;
pub mod witness;

pub use arcstr::ArcStr;
pub use by_partition::{At, ByPartition, PartitionSet, at, owned};
pub use cause::{Cause, Explained};
pub use compact::Texts;
pub use health::{
    GroupHealth, HealthHistory, HealthState, OpenTransaction, PartitionHealth, at_stable_end,
};
pub use journal::{Journal, Moment, Move, Moves, Rebalance};
pub use lag::{Lag, total};
pub use model::{
    Bounds, Committed, ConfigKind, ConfigValue, Copies, GroupSeen, GroupState, KafkaError,
    KafkaIdentity, MemberSeen, Partition, PollResult, Snapshot, TopicFacts, TopicSeen,
};
pub use other_groups::{OtherGroup, OtherGroupMap, OtherGroups};
pub use trend::{LagTrend, LagTrends};
