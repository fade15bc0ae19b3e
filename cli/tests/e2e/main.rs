//! The plugin as its users run it: on a node with kubelet, containers and Kafka, and the release `cgp` (`make test` sees to
//! both; fails without). What it shows is held against kubectl and Kafka's own tools.

#[path = "../../../operator/tests/common/mod.rs"]
mod common;

mod lessons;
mod plugin;
