//! The operator: reconciles a `ConsumerGroupPractice` on Kubernetes and Kafka. The path of data, a file for each step:
//! `plan` -> `prepare` -> `objects` -> `apply` -> `observe` -> `status` -> `publish`, called in order by `reconcile`.
//! `objects` is pure, and so are `plan`, `status`, `events` and `predict` (the preview of a change) of `practice_plan`. Only
//! `apply`, `publish`, `finalize` and (if enabled) the live view's `actions` write to Kubernetes, only `prepare` and `finalize`
//! to Kafka.

pub mod reconcile;

pub mod config;
pub mod prepare;

pub mod objects;

pub mod apply;
pub mod journal;
pub mod observe;

pub mod publish;
pub mod view;

mod actions;
mod budget;
mod config_map;
mod context;
mod controller;
pub mod error;
mod finalize;
pub mod forecast;
pub mod group_metrics;
pub mod http;
pub mod live;
pub mod memory;
pub mod metrics;
pub mod ownership;
mod pods;
mod quantity;
pub mod reader;
mod requests;
pub mod selftest;
mod transactions;
pub mod worker_client;

use std::net::SocketAddr;

pub use context::Context;
pub use controller::run;

/// Settings of the operator process.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Defaults for practices.
    pub defaults: practice_plan::plan::Defaults,
    /// Address of the operator's own HTTP.
    pub listen: SocketAddr,
    /// Address of its probes alone; `None`: there is none.
    pub probes: Option<SocketAddr>,
    /// Address of the live view; `None`: disabled.
    pub view: Option<SocketAddr>,
    /// The command that enables actions in the live view; `None`: they are enabled.
    pub how: Option<String>,
}
