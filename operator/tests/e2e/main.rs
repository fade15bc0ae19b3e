//! The product as its users meet it: a manifest applied to a real cluster, real pods, a real Kafka. Needs a node that is up
//! with the release `cgp` on it (`make test` sees to both) and fails without. Each test has a namespace of its own.

#[path = "../common/mod.rs"]
mod common;

mod lifecycle;
mod neighbours;
mod picture;
mod practices;
mod promptness;
mod quiet;
mod roles;
mod stopped;
