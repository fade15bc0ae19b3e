//! What can fail, one variant per step that talks to Kubernetes. A bad spec and a Kafka that is down are not here: they are
//! states that status reports.

use std::{future::Future, time::Duration};

use thiserror::Error;

/// Timeout of one request.
pub const DEADLINE: Duration = Duration::from_secs(10);

/// The values of [`Error::step`].
pub const STEPS: [&str; 4] = ["apply", "publish", "finalize", "panic"];

/// A failed step; it is retried with exponential backoff.
#[derive(Debug, Error)]
pub enum Error {
    /// Kubernetes refused or did not answer while objects were read or written.
    #[error("apply: {0}")]
    Apply(#[source] Request),
    /// Kubernetes refused or did not answer while status or an Event was written.
    #[error("publish: {0}")]
    Publish(#[source] Request),
    /// The finalizer of a practice could not be set or removed.
    #[error("finalize: {0}")]
    Finalize(#[source] Request),
    /// A step panicked; other practices are not affected.
    #[error("panic: {0}")]
    Panic(String),
}

impl Error {
    /// The step, as in metrics.
    pub fn step(&self) -> &'static str {
        match self {
            Self::Apply(_) => "apply",
            Self::Publish(_) => "publish",
            Self::Finalize(_) => "finalize",
            Self::Panic(_) => "panic",
        }
    }
}

/// One request to Kubernetes that failed.
#[derive(Debug, Error)]
pub enum Request {
    /// The API server answered with an error, or the request could not be sent.
    #[error("{what}: {source}")]
    Failed {
        /// The operation.
        what: String,
        /// Why it failed.
        source: Box<kube::Error>,
    },
    /// The API server did not answer in time.
    #[error("{what}: no answer within {} s", DEADLINE.as_secs())]
    TimedOut {
        /// The operation.
        what: String,
    },
}

/// Bounds a request: the client retries by itself for minutes and has no read timeout.
///
/// # Errors
/// The client's error, or [`Request::TimedOut`] after [`DEADLINE`].
pub async fn within<T>(
    what: impl Into<String>,
    request: impl Future<Output = Result<T, kube::Error>>,
) -> Result<T, Request> {
    match tokio::time::timeout(DEADLINE, request).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(source)) => Err(Request::Failed {
            what: what.into(),
            source: Box::new(source),
        }),
        Err(_) => Err(Request::TimedOut { what: what.into() }),
    }
}
