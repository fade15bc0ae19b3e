//! The operator: one manifest made real on Kubernetes and Kafka. The path of data, a file a step:
//! `plan` -> `prepare` -> `objects` -> `apply` -> `observe` -> `status` -> `publish`, strung together in `reconcile`.
//! `plan`, `objects`, `status` and `story` are pure, and so is `predict`, which says what a change will do before it is made;
//! only `apply`, `publish`, `finalize` and (if they are on) the picture's `actions` write to Kubernetes, only `prepare` and
//! `finalize` to Kafka.

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
mod context;
mod controller;
pub mod error;
mod finalize;
pub mod foresee;
pub mod group_metrics;
pub mod http;
pub mod live;
pub mod memory;
pub mod metrics;
mod pods;
mod quantity;
pub mod reader;
mod requests;
pub mod selftest;
pub mod worker_client;

use std::net::SocketAddr;

pub use context::Context;
pub use controller::run;

/// What the operator is started with.
#[derive(Debug, Clone)]
pub struct Settings {
    /// For practices.
    pub defaults: practice_plan::plan::Defaults,
    /// Where the operator's own HTTP is served.
    pub listen: SocketAddr,
    /// Where the live picture is served; `None`: nowhere.
    pub view: Option<SocketAddr>,
    /// The command that lets people do something from the picture; `None`: they may.
    pub how: Option<String>,
}
