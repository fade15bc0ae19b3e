//! The one socket to Kafka's admin API. In: bootstrap servers, names. Out: a poll of topics and groups (`read`, as the types of
//! `practice-groups`), and the changes that a practice needs: create, grow, configure, delete a topic (`change`), pin where a
//! group starts (`pin`). Every call has a
//! deadline, an answer a largest size, and a listener that counts it. Deliberately absent: Kubernetes, what an answer means, and
//! any other crate that names the client library (it breaks its API with every minor version).

mod by_id;
mod call_listener;
mod change;
mod describe;
mod error;
mod pin;
mod read;
mod transactions;

pub use call_listener::{CALLS, Call, Listener};
pub use change::Made;
pub use read::Kafka;
