//! What Kafka says about topics and consumer groups, Classic and KIP-848 alike. In: bootstrap servers, names. Out: one
//! look at all of them (`Snapshot`), lag as a sum type, and the few changes that a practice needs (create, grow, configure,
//! delete a topic). `model` and `lag` are pure; `read` holds the one socket, `change` uses it. Deliberately absent: Kubernetes, and what to do
//! about what is seen.

mod change;
pub mod lag;
pub mod model;
mod read;

pub use change::Made;
pub use lag::{Lag, OffsetReset, total};
pub use model::{
    Bounds, Committed, GroupSeen, GroupState, KafkaError, MemberSeen, Partition, Protocol, Snapshot, TopicFacts,
    TopicSeen,
};
pub use read::Kafka;
