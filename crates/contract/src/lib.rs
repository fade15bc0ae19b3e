//! What a program and its launcher agree on: environment names and how they are read, ports, log lines, the JSON of
//! `/status`, `/events` and `/handled`. In: strings. Out: typed settings and back. The only place where these names are written.
//! Deliberately absent: Kafka, Kubernetes, sockets, clocks.

pub mod duration;
mod env;
pub mod events;
pub mod handled;
mod hold;
pub mod lines;
pub mod partitioner;
pub mod producer;
pub mod status;
pub mod worker;

pub use env::{EnvError, cannot_listen, servers as parse_servers};
pub use hold::Hold;
pub use producer::ProducerSettings;
pub use worker::{Assignor, OffsetReset, Protocol, WorkerSettings};

/// Port of a worker in its pod: `/livez`, `/readyz`, `/metrics`, `/status`, `/events`, `/handled`.
pub const WORKER_PORT: u16 = 8080;
/// Port of the probes of a worker and of a producer in its pod: `/livez`, `/readyz`, which clients of the other port cannot hold up.
pub const PROBE_PORT: u16 = 8090;
/// Port of a producer, in its pod, in its Service and by hand: `POST /send-message`, `/docs`, `/livez`, `/readyz`, `/metrics`.
pub const PRODUCER_PORT: u16 = 8081;

/// The message for an operation that Kafka's access control (KIP-11) denies; `resource` is `topic t`, `group g` or `the cluster`.
/// A client does not know its principal, so the sentence names how it connects.
pub fn denied(operation: &str, resource: &str) -> String {
    format!(
        "Kafka denied {operation} to this client, which connects without authentication: grant it on {resource}"
    )
}

/// Metadata of each commit of a practice's consumer. It marks the commit as one of the practice.
/// `owner` is `<namespace>/<practice>`.
pub fn commit_metadata(owner: &str) -> String {
    format!("kafka-practice:{owner}")
}
