//! HTTP/1.1 for the programs: an accept loop that slow clients cannot starve. In: a listener, a router and a token. Out:
//! answers, until the token is cancelled and what was in flight is answered. Deliberately absent: TLS, HTTP/2, routes.
//!
//! `axum::serve` waits for ever for a request's head. Here a head must be complete within [`Limits::head`], a body within
//! [`Limits::body`], and at [`Limits::connections`] the connection that has waited longest for a head makes room.

mod body;
mod connections;

use std::{convert::Infallible, io, pin::pin, sync::Arc, time::Duration};

use axum::{Router, body::HttpBody, extract::Request, response::Response};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    net::{TcpListener, TcpStream},
    time::{sleep, timeout},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tower::Service;

use crate::{
    body::Timely,
    connections::{Connections, Place},
};

/// Pause after an accept that failed for want of something (file descriptors, memory).
const PAUSE: Duration = Duration::from_millis(50);
/// Connections that make room after such a failure.
const EVICTED_AT_ONCE: usize = 32;
/// File descriptors that are left to everything that is not a served connection.
const RESERVED_FILES: usize = 128;
/// After the shutdown signal, how long a request's head may still be on its way.
const HEAD_GRACE: Duration = Duration::from_millis(500);

/// What one client may take.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Open connections; at most what the process may open, less a reserve.
    pub connections: usize,
    /// From the connection's (or the last answer's) moment to a complete request head.
    pub head: Duration,
    /// From a complete head to a complete body.
    pub body: Duration,
    /// From the shutdown signal to the end of the last connection.
    pub drain: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 4096,
            head: Duration::from_secs(5),
            body: Duration::from_secs(30),
            drain: Duration::from_secs(5),
        }
    }
}

/// Serves until `shutdown`, then finishes the requests in flight; with the default [`Limits`].
pub async fn serve(listener: TcpListener, router: Router, shutdown: CancellationToken) {
    serve_within(Limits::default(), listener, router, shutdown).await;
}

/// Like [`serve`], with limits of one's own.
pub async fn serve_within(limits: Limits, listener: TcpListener, router: Router, shutdown: CancellationToken) {
    let connections = Arc::new(Connections::new(most(limits.connections)));
    let tasks = TaskTracker::new();
    let end = CancellationToken::new();
    loop {
        let accepted = tokio::select! {
            biased;
            () = shutdown.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, _)) => {
                let Some(place) = connections.enter() else { continue }; // full of requests being answered: closed
                let (router, shutdown, end) = (router.clone(), shutdown.clone(), end.clone());
                tasks.spawn(async move {
                    tokio::select! {
                        () = connection(stream, limits, router, &place, shutdown) => {}
                        () = place.evicted() => tracing::debug!("a connection without a request made room"),
                        () = end.cancelled() => {}
                    }
                });
            }
            Err(error) if is_the_clients(&error) => {}
            Err(error) => {
                let room = connections.evict(EVICTED_AT_ONCE);
                tracing::warn!(%error, evicted = room, "cannot accept a connection, trying again");
                sleep(PAUSE).await;
            }
        }
    }
    drop(listener);
    tasks.close();
    if timeout(limits.drain.min(HEAD_GRACE), tasks.wait()).await.is_err() {
        connections.evict_silent();
    }
    if timeout(limits.drain.saturating_sub(HEAD_GRACE), tasks.wait()).await.is_err() {
        tracing::warn!(open = tasks.len(), "connections were still busy and are closed");
    }
    end.cancel();
    tasks.wait().await;
}

/// One connection, to its end or until its requests are answered after `shutdown`.
async fn connection(stream: TcpStream, limits: Limits, router: Router, place: &Place, shutdown: CancellationToken) {
    let _ = stream.set_nodelay(true); // fails only for a connection that is gone
    let service = service_fn(|request| answer(router.clone(), request, limits.body, place));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.head)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = pin!(connection);
    let result = tokio::select! {
        result = connection.as_mut() => result,
        () = shutdown.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = result {
        tracing::debug!(%error, "a connection ended early");
    }
}

async fn answer(
    mut router: Router,
    request: hyper::Request<Incoming>,
    limit: Duration,
    place: &Place,
) -> Result<Response, Infallible> {
    place.works();
    let request: Request = request.map(|body| Timely::wrap(body, limit));
    let response = router.call(request).await?;
    // a stream of unknown length goes on: its connection is not one that waits
    if response.body().size_hint().exact().is_some() {
        place.waits();
    }
    Ok(response)
}

/// Errors of one connection before it was accepted; the next one is not concerned.
fn is_the_clients(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted)
}

/// `wished`, or what the process's limit of open files leaves room for.
fn most(wished: usize) -> usize {
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap_or_default();
    match open_files(&limits) {
        Some(files) => wished.min(files.saturating_sub(RESERVED_FILES).max(files / 2)).max(1),
        None => wished,
    }
}

/// The soft limit in `/proc/self/limits`; `None` if it is not there or unlimited.
fn open_files(limits: &str) -> Option<usize> {
    limits.lines().find_map(|line| line.strip_prefix("Max open files"))?.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_soft_limit_of_open_files_is_read() {
        let limits = "Limit                     Soft Limit           Hard Limit           Units     \n\
                      Max processes             95964                95964                processes \n\
                      Max open files            1024                 524288               files     \n";
        assert_eq!(open_files(limits), Some(1024));
        assert_eq!(open_files("Max open files            unlimited            unlimited            files\n"), None);
        assert_eq!(open_files(""), None);
        assert!((1..=4096).contains(&most(4096)));
    }
}
