//! What Kafka says about topics and consumer groups, Classic and KIP-848 alike. In: bootstrap servers, names. Out: one
//! look at all of them (`Snapshot`), lag as a sum type, how old it is and when it will be gone, whether a group gets on, the rebalances between looks and their
//! causes, groups of other applications, who gets which partitions (`assign`), and the few changes that a practice needs (create, grow, configure, delete a topic). `model`, `assign`, `lag`,
//! `pace`, `verdict`, `foreign`, `journal`, `cause` and `witness` are pure; `read` holds the one socket, `change` uses it. Deliberately absent: Kubernetes, and what to do about what is seen.

pub mod assign;
pub mod cause;
mod change;
mod foreign;
pub mod journal;
pub mod lag;
pub mod model;
mod pace;
mod read;
mod refusal;
mod told;
pub mod verdict;
pub mod witness;

pub use cause::{Cause, Explained};
pub use change::Made;
pub use foreign::{Foreign, ForeignSeen, Foreigners};
pub use journal::{Journal, Moment, Move, Rebalance};
pub use lag::{Lag, OffsetReset, total};
pub use model::{
    Bounds, Committed, Copies, GroupSeen, GroupState, KafkaError, MemberSeen, Partition, Protocol,
    Snapshot, TopicFacts, TopicSeen,
};
pub use pace::{Pace, Paces};
pub use read::Kafka;
pub use told::{Call, Listener};
pub use verdict::{Finding, Judged, Verdict, Verdicts};
