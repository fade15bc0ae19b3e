//! Actions of the page, and the functions of the mounting program. Functions instead of a trait: there are two programs, the
//! operator (which edits the practice or deletes a pod) and local mode (which owns the processes).

use std::{fmt, sync::Arc};

use axum::http::StatusCode;
use futures::{future::BoxFuture, stream::BoxStream};
use serde::Serialize;

use crate::facts::Key;

/// An action for the mounting program. Group and consumer belong to the practice, and numbers are in range.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Sets the number of consumers.
    Scale {
        /// `group.id`.
        group: String,
        /// The new number.
        to: Scale,
    },
    /// Stops all consumers; committed offsets stay.
    Stop {
        /// `group.id`.
        group: String,
    },
    /// Starts the consumers of a stopped group.
    Start {
        /// `group.id`.
        group: String,
    },
    /// Terminates a consumer gracefully (SIGTERM); it is started again.
    Restart {
        /// The consumer's name.
        consumer: String,
    },
    /// Kills a consumer (SIGKILL); it is started again.
    Kill {
        /// The consumer's name.
        consumer: String,
    },
    /// Suspends a consumer (SIGSTOP).
    Pause {
        /// The consumer's name.
        consumer: String,
    },
    /// Resumes a consumer (SIGCONT).
    Resume {
        /// The consumer's name.
        consumer: String,
    },
    /// Sets the steady load; 0 ends it.
    Load {
        /// 0..=10000, over all topics.
        messages_per_second: u32,
        /// 1..=100000 bytes; `None`: unchanged.
        value_bytes: Option<u32>,
    },
    /// Stops a broker.
    StopBroker {
        /// The broker's id.
        id: i32,
    },
    /// Starts a broker.
    StartBroker {
        /// The broker's id.
        id: i32,
    },
}

/// A number of consumers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scale {
    /// Absolute, 0..=100.
    To(i32),
    /// Relative to the manifest: -100..=100.
    By(i32),
}

/// A refused request: an HTTP status and a sentence that names the value and the fix.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// 4xx or 5xx.
    pub status: StatusCode,
    /// The `message` of the answer.
    pub message: String,
    /// The command that turns actions on, where they are off.
    pub how: Option<String>,
}

impl Refusal {
    /// A refusal without a command.
    pub fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self {
            status,
            message: message.into(),
            how: None,
        }
    }

    /// 404.
    pub fn unknown(message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, message)
    }
}

/// The forecast of an action on a group.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Forecast {
    /// `my-group: 2 → 4 consumers`
    pub title: String,
    /// Label of the confirm button: `Scale to 4`.
    pub verb: String,
    /// Effects, in display order.
    pub rows: Vec<ForecastRow>,
    /// Number of consumers that it would start.
    pub starts: usize,
    /// Why consumers would be idle; empty: none would be, or unknown.
    pub idle: String,
}

/// One effect of an action.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ForecastRow {
    /// `moves`; empty: continues the previous row.
    pub label: String,
    /// `1..2 of 3 partitions`; may be empty.
    pub number: String,
    /// Its reason.
    pub why: String,
    /// Whether it is shown as a warning.
    pub warns: bool,
}

/// Runs an action on a practice. Out: one sentence about its effect.
pub type Act =
    Arc<dyn Fn(Key, Action) -> BoxFuture<'static, Result<String, Refusal>> + Send + Sync>;
/// Forecasts an action on a group, without running it.
pub type Foresee =
    Arc<dyn Fn(Key, Action) -> BoxFuture<'static, Result<Forecast, Refusal>> + Send + Sync>;
/// The last lines of a consumer's log (at most the given number) and those that follow.
pub type Logs = Arc<
    dyn Fn(Key, String, usize) -> BoxFuture<'static, Result<BoxStream<'static, String>, Refusal>>
        + Send
        + Sync,
>;
/// Requests a poll of Kafka and a `Hub::publish` at once: a page was opened, a worker reported a rebalance, or an action ran.
pub type RequestPoll = Arc<dyn Fn(&Key) + Send + Sync>;

/// Whether actions are on.
#[derive(Clone)]
pub enum Doing {
    /// On, with the function that runs them.
    On(Act),
    /// Off, with the command that turns them on.
    Off {
        /// The whole command.
        how: String,
    },
}

/// The functions of the mounting program.
#[derive(Clone)]
pub struct Means {
    /// Runs the page's actions.
    pub doing: Doing,
    /// Forecasts actions, also while they are off.
    pub foresee: Foresee,
    /// Reads a consumer's log.
    pub logs: Logs,
    /// Called when a practice's first page is opened, when a worker reports a rebalance, and after an action.
    pub request_poll: RequestPoll,
    /// Names that `Host` may have, besides loopback ones, without a port.
    pub hosts: Vec<String>,
}

impl fmt::Debug for Means {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Means")
            .field("hosts", &self.hosts)
            .finish_non_exhaustive()
    }
}
