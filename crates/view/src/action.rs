//! What can be done from the page, and what the mounting program is asked for. It gives functions, no trait: there are two
//! of them, the operator (which edits the practice or deletes a pod) and local mode (which has the processes).

use std::{fmt, sync::Arc};

use axum::http::StatusCode;
use futures::{future::BoxFuture, stream::BoxStream};
use serde::Serialize;

use crate::facts::Key;

/// Something that the mounting program does. Group, consumer and numbers are checked: they are the practice's, and in range.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Another number of consumers.
    Scale {
        /// Which group.
        group: String,
        /// How many.
        to: Scale,
    },
    /// No consumers; the offsets stay.
    Stop {
        /// Which group.
        group: String,
    },
    /// As many consumers as before.
    Start {
        /// Which group.
        group: String,
    },
    /// Ends it in order (SIGTERM); it comes back.
    Restart {
        /// Its name.
        consumer: String,
    },
    /// Ends it at once (SIGKILL); it comes back.
    Kill {
        /// Its name.
        consumer: String,
    },
    /// Lets it stand still (SIGSTOP).
    Pause {
        /// Its name.
        consumer: String,
    },
    /// Lets it go on (SIGCONT).
    Resume {
        /// Its name.
        consumer: String,
    },
    /// A steady stream of messages; 0 ends it.
    Load {
        /// 0..=10000, over all topics.
        messages_per_second: u32,
        /// 1..=100000; `None`: as it was.
        value_bytes: Option<u32>,
    },
    /// Ends a broker.
    StopBroker {
        /// Its id.
        id: i32,
    },
    /// Starts a broker.
    StartBroker {
        /// Its id.
        id: i32,
    },
}

/// How many consumers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scale {
    /// That many, 0..=100.
    To(i32),
    /// So many more than the manifest says, or fewer: -100..=100.
    By(i32),
}

/// Why something is not done: a status of HTTP and a sentence that names the value and the fix.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// 4xx or 5xx.
    pub status: StatusCode,
    /// What stands in `message`.
    pub message: String,
    /// What turns it on, where that is the reason.
    pub how: Option<String>,
}

impl Refusal {
    /// With a sentence.
    pub fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self {
            status,
            message: message.into(),
            how: None,
        }
    }

    /// There is no such thing here (404).
    pub fn unknown(message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, message)
    }
}

/// What an action would do to a group.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Forecast {
    /// `my-group: 2 → 4 consumers`
    pub title: String,
    /// What doing it is called: `Scale to 4`.
    pub verb: String,
    /// What happens, in the order in which it is read.
    pub rows: Vec<ForecastRow>,
    /// Consumers that it would start, beyond those that are there.
    pub starts: usize,
    /// Why some would wait without a partition; empty: none would, or it is not known.
    pub idle: String,
}

/// One thing that will happen.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ForecastRow {
    /// `moves`; empty: it belongs to the row before it.
    pub label: String,
    /// `1..2 of 3 partitions`; may be empty.
    pub number: String,
    /// Why.
    pub why: String,
    /// Whether it should be thought about first.
    pub warns: bool,
}

/// Does an action for a practice; says in one sentence what happens now.
pub type Act =
    Arc<dyn Fn(Key, Action) -> BoxFuture<'static, Result<String, Refusal>> + Send + Sync>;
/// Says what an action would do to its group. Nothing is done.
pub type Foresee =
    Arc<dyn Fn(Key, Action) -> BoxFuture<'static, Result<Forecast, Refusal>> + Send + Sync>;
/// The last lines of a consumer's log (at most as many as asked for) and those to come.
pub type Logs = Arc<
    dyn Fn(Key, String, usize) -> BoxFuture<'static, Result<BoxStream<'static, String>, Refusal>>
        + Send
        + Sync,
>;
/// Somebody looks at a practice, or something moved in it: whoever looks at Kafka for it does well to look, and publish, at
/// once.
pub type Stir = Arc<dyn Fn(&Key) + Send + Sync>;

/// Whether anything can be done.
#[derive(Clone)]
pub enum Doing {
    /// By this.
    On(Act),
    /// Nothing can, until somebody does this: a command, in full.
    Off {
        /// The command.
        how: String,
    },
}

/// What the picture gets from the program that mounts it.
#[derive(Clone)]
pub struct Means {
    /// Does what can be done from the page.
    pub doing: Doing,
    /// Says what would be done, also while nothing can be.
    pub foresee: Foresee,
    /// Reads a consumer's log.
    pub logs: Logs,
    /// Is called when a practice's first page is opened, when a worker tells of a rebalance, and after an action.
    pub stir: Stir,
    /// Names that `Host` may have beside loopback ones, without a port.
    pub hosts: Vec<String>,
}

impl fmt::Debug for Means {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Means")
            .field("hosts", &self.hosts)
            .finish_non_exhaustive()
    }
}
