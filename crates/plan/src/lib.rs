//! What a practice is to be, and what is said about it. Pure: no client, no socket, no clock. In: a practice as the API server has
//! it, what Kafka and Kubernetes said about it. Out: a plan whose every value is legal, the status, the Events, and what a change
//! will do before it is applied. The operator, the plugin and local mode call it alike, so no rule has a second implementation.

pub mod config;
pub mod events;
pub mod labels;
pub mod names;
pub mod outcome;
pub mod plan;
pub mod policy;
pub mod predict;
pub mod status;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
pub mod topics;
