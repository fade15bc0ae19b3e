//! One Kafka consumer of one consumer group, as a program that shows what it does: two lines per message, a line per
//! change of its partitions, its state over HTTP. In: settings, a listener, a place for lines, a token to stop. Out: lines,
//! committed offsets, HTTP. Never reads arguments, environment or signals; knows nothing of Kubernetes.
//!
//! ```text
//! consume (poll thread) -> delay -> rebalance (callbacks) -> commit
//!       \-> output            \-> member, ledger <- shared -> http, metrics, ledger_file
//! ```

mod client_log;
mod commit;
mod config;
mod consume;
mod http;
mod ledger;
mod ledger_file;
mod member;
mod metrics;
mod output;
mod prefetch;
mod rebalance;
mod shared;
mod topics;

use std::{
    io::{self, Write},
    sync::{Arc, Mutex},
    time::Duration,
};

pub use consume::ConsumeError;
pub use ledger_file::LedgerError;
use output::Output;
pub use output::standard_output;
use practice_contract::WorkerSettings;
use practice_serve::Listeners;
use shared::Shared;
use thiserror::Error;
use tokio::{sync::oneshot, time::timeout};
use tokio_util::sync::CancellationToken;
use tracing::warn;

/// A stop takes at most this long: leaving a group can wait for a coordinator that does not answer.
pub const LONGEST_STOP: Duration = Duration::from_secs(8);

/// Why a worker ended otherwise than by its token.
#[derive(Debug, Error)]
pub enum WorkerError {
    /// Consuming ended.
    #[error(transparent)]
    Consume(#[from] ConsumeError),
    /// The ledger file cannot be written.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The poll thread could not be started.
    #[error("the poll thread")]
    Thread(#[source] io::Error),
    /// The poll thread panicked; its message is on standard error.
    #[error("the poll thread panicked")]
    Panicked,
    /// The group could not be left in time; its coordinator notices after the session timeout.
    #[error("group {group} was not left within {} s: check that its coordinator is available", LONGEST_STOP.as_secs())]
    NotLeft {
        /// `group.id`.
        group: String,
    },
}

/// Runs one worker until `shutdown`; then abandons the message in hand, commits and leaves the group. With a hold it serves HTTP
/// alone: it makes no Kafka client.
pub async fn run(
    settings: WorkerSettings,
    listeners: impl Into<Listeners>,
    output: Box<dyn Write + Send>,
    shutdown: CancellationToken,
) -> Result<(), WorkerError> {
    let group = settings.group.clone();
    let shared = Arc::new(Shared::new(settings)?);
    let left = CancellationToken::new(); // the last events report revoked partitions
    let mut consumed = match shared.hold() {
        None => poll_thread(Arc::clone(&shared), output)?,
        Some(hold) => {
            warn!("{hold}");
            without_client(shutdown.clone())
        }
    };
    let listeners = listeners.into();
    let is_loopback = listeners.is_loopback();
    let (all, probes) = http::routers(Arc::clone(&shared), left.clone(), is_loopback);
    let http = tokio::spawn(listeners.serve(all, probes, shutdown.clone()));
    tokio::select! {
        biased;
        () = shutdown.cancelled() => {}
        ended = &mut consumed => return ended.unwrap_or(Err(WorkerError::Panicked)),
    }
    shared.stop();
    let ended = match timeout(LONGEST_STOP, consumed).await {
        Ok(ended) => ended.unwrap_or(Err(WorkerError::Panicked)),
        Err(_) => Err(WorkerError::NotLeft { group }),
    };
    left.cancel();
    let _ = http.await; // bounded by its drain; a panic in a handler was logged by the handler
    ended
}

/// Ends with the token.
fn without_client(shutdown: CancellationToken) -> oneshot::Receiver<Result<(), WorkerError>> {
    let (ended, consumed) = oneshot::channel();
    tokio::spawn(async move {
        shutdown.cancelled().await;
        let _ = ended.send(Ok(()));
    });
    consumed
}

/// A thread of its own, not one of a pool that waits for it: a client that cannot close must not hold up the end.
fn poll_thread(
    shared: Arc<Shared>,
    output: Box<dyn Write + Send>,
) -> Result<oneshot::Receiver<Result<(), WorkerError>>, WorkerError> {
    let (ended, consumed) = oneshot::channel();
    let output = Arc::new(Mutex::new(Output::new(output)));
    std::thread::Builder::new()
        .name("poll".to_owned())
        .spawn(move || {
            let result = consume::consume(&shared, &output);
            let _ = ended.send(result.map_err(WorkerError::from));
        })
        .map_err(WorkerError::Thread)?;
    Ok(consumed)
}
