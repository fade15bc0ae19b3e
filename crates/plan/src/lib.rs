//! Desired state, status and Events of a practice. Pure: no client, no socket, no clock. In: a practice from the API server, the
//! state of Kafka and Kubernetes. Out: a plan whose every value is legal, the status, the Events, and a preview of a change.
//! The operator, the plugin and local mode call it alike, so no rule has a second implementation.

pub mod config;
pub mod events;
pub mod labels;
pub mod names;
pub mod outcome;
pub mod ownership;
pub mod pairs;
pub mod plan;
pub mod policy;
pub mod predict;
pub mod prefix;
pub mod start;
pub mod status;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
pub mod topics;
