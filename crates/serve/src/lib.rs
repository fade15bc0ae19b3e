//! Serves an axum router over HTTP/1.1. In: a bound listener, a router, limits and a token that ends it. Out: answered
//! requests, until the token fires and requests in flight are answered or the drain time is over.
//!
//! What a client may not do here: hold the service with connections that it does not use (a request's head, its body, an answer
//! that it does not read and an idle connection each have a time; at the limit of connections those that keep us waiting make
//! room), or end it with a panic in a handler. A route says how many of its answers, streams as well, are given at a time
//! ([`AtMost`]). Deliberately absent: TLS, HTTP/2, reading of environment or signals; streams hold the token themselves.

mod activity;
mod body;
mod browser;
mod connections;
mod held;
mod progress;

use std::{io, net::SocketAddr, time::Duration};

use axum::Router;
use tokio::{
    net::{TcpListener, TcpStream},
    time::{Instant, MissedTickBehavior, interval, sleep, timeout_at},
};
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

pub use body::BodyTimeout;
pub use browser::{Foreign, check_head, check_origin};
use connections::Connections;
pub use held::{AtMost, hold};

/// Pause after an accept that failed for want of something (file descriptors, memory).
const BACK_OFF: Duration = Duration::from_millis(50);
/// Longest wait for a connection to end when there are as many as there may be; then another one is asked.
const MAKE_ROOM: Duration = Duration::from_millis(20);
/// While draining, a client that owes us the rest of a request gets this much time.
const DRAIN_PATIENCE: Duration = Duration::from_secs(1);

/// What clients may use.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Open connections. At most three quarters of the process's file descriptors are used, whatever stands here.
    pub connections: usize,
    /// From accepting a connection until its first request's head is complete.
    pub head: Duration,
    /// From a complete head until its body is complete; reading it then fails with [`BodyTimeout`].
    pub body: Duration,
    /// Without a byte of an answer that the client takes.
    pub unread: Duration,
    /// From an answer until the next request's head is complete.
    pub idle: Duration,
    /// From the token until the last request in flight must have been answered.
    pub drain: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 1024,
            head: Duration::from_secs(5),
            body: Duration::from_secs(10),
            unread: Duration::from_secs(10),
            idle: Duration::from_secs(75),
            drain: Duration::from_secs(5),
        }
    }
}

impl Limits {
    /// For a listener that serves nothing but a kubelet's probes.
    pub fn for_probes() -> Self {
        Self {
            connections: 16,
            ..Self::default()
        }
    }
}

/// Where a program is served.
#[derive(Debug)]
pub struct Listeners {
    /// Everything.
    pub http: TcpListener,
    /// Probes alone: the clients of the other one cannot hold these up.
    pub probes: Option<TcpListener>,
}

impl From<TcpListener> for Listeners {
    fn from(http: TcpListener) -> Self {
        Self { http, probes: None }
    }
}

impl Listeners {
    /// Binds them.
    ///
    /// # Errors
    /// The address that is not free, or not this machine's.
    pub async fn bind(
        http: SocketAddr,
        probes: Option<SocketAddr>,
    ) -> Result<Self, (SocketAddr, io::Error)> {
        let bind = async |address| {
            let bound = TcpListener::bind(address).await;
            bound.map_err(|error| (address, error))
        };
        Ok(Self {
            http: bind(http).await?,
            probes: match probes {
                Some(address) => Some(bind(address).await?),
                None => None,
            },
        })
    }

    /// Whether only clients of this machine reach it.
    pub fn is_loopback(&self) -> bool {
        let address = self.http.local_addr();
        address.is_ok_and(|address| address.ip().is_loopback())
    }

    /// Serves a router, and probes in addition, as [`serve`] does.
    pub async fn serve(self, router: Router, probes: Router, shutdown: CancellationToken) {
        let serving = serve(self.http, router, Limits::default(), shutdown.clone());
        let to_kubelet = async {
            if let Some(listener) = self.probes {
                serve(listener, probes, Limits::for_probes(), shutdown).await;
            }
        };
        tokio::join!(serving, to_kubelet);
    }
}

/// Serves until `shutdown`, then finishes requests in flight within `limits.drain`. Never fails: an error of one
/// connection ends that connection, and an accept that fails is tried again.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    limits: Limits,
    shutdown: CancellationToken,
) {
    let most = limits
        .connections
        .min(file_descriptors().saturating_mul(3) / 4)
        .max(1);
    let mut open = Connections::new(router, limits, shutdown.clone());
    let mut sweep = interval(open.sweep_interval());
    sweep.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = shutdown.cancelled() => break,
            () = open.ended(), if !open.is_empty() => {}
            _ = sweep.tick(), if !open.is_empty() => open.end_overdue(),
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    while open.len() >= most && !shutdown.is_cancelled() {
                        make_room(&mut open).await;
                    }
                    admit(&mut open, stream);
                }
                Err(error) => recover(&mut open, &error).await,
            },
        }
    }
    drop(listener);
    drain(open).await;
}

fn admit(open: &mut Connections, stream: TcpStream) {
    if let Err(error) = stream.set_nodelay(true) {
        debug!(%error, "a connection ended before it was served");
        return;
    }
    open.add(stream);
}

async fn make_room(open: &mut Connections) {
    open.end_one();
    // aborted connections end at once, the others after their answer
    let _ = timeout_at(Instant::now() + MAKE_ROOM, open.ended()).await;
}

async fn recover(open: &mut Connections, error: &io::Error) {
    // the client gave up while it waited: its business alone (accept(2))
    let ones_own = [
        io::ErrorKind::ConnectionAborted,
        io::ErrorKind::ConnectionReset,
        io::ErrorKind::ConnectionRefused,
    ];
    if ones_own.contains(&error.kind()) {
        return;
    }
    warn!(%error, "cannot accept a connection, trying again");
    if !open.is_empty() {
        make_room(open).await;
    }
    sleep(BACK_OFF).await;
}

async fn drain(mut open: Connections) {
    let until = Instant::now() + open.drain_time();
    let mut sweep = interval(DRAIN_PATIENCE / 10);
    while !open.is_empty() {
        tokio::select! {
            () = open.ended() => {}
            _ = sweep.tick() => open.end_waiting(DRAIN_PATIENCE),
            () = tokio::time::sleep_until(until) => {
                warn!(connections = open.len(), "closing connections: their requests exceeded the drain time");
                break;
            }
        }
    }
    open.end_all().await;
}

/// The soft limit of this process; no limit where that cannot be read.
fn file_descriptors() -> usize {
    std::fs::read_to_string("/proc/self/limits")
        .ok()
        .as_deref()
        .and_then(soft_open_files)
        .unwrap_or(usize::MAX)
}

fn soft_open_files(limits: &str) -> Option<usize> {
    let line = limits
        .lines()
        .find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_limit_of_open_files() {
        let text = "Limit                     Soft Limit           Hard Limit           Units\n\
                    Max processes             95942                95942                processes\n\
                    Max open files            1024                 524288               files\n";
        assert_eq!(soft_open_files(text), Some(1024));
        assert_eq!(
            soft_open_files(
                "Max open files            unlimited            unlimited            files\n"
            ),
            None
        );
        assert_eq!(soft_open_files(""), None);
    }
}
