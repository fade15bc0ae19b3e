//! What the end-to-end tests are made of: the product is driven as its users drive it, with kubectl and curl, and judged by
//! what its pods print, what its status says and what Kafka's own tools say. In: a node that is up (`KUBECONFIG`,
//! `BOOTSTRAP_HOST` from `deploy/node/node.sh env`) with the release `cgp`. A test without them fails.
//! Deliberately absent: any client of Kubernetes or Kafka that the product itself is built with.
#![allow(
    dead_code,
    reason = "two test programs share this and neither uses all of it"
)]

pub(crate) mod command;
pub(crate) mod drift;
pub(crate) mod figures;
pub(crate) mod host;
pub(crate) mod judged;
pub(crate) mod kafka;
pub(crate) mod logs;
pub(crate) mod operator;
pub(crate) mod sample;
pub(crate) mod scene;
pub(crate) mod watch;

use std::{
    io::Write,
    sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard},
    time::{Duration, Instant},
};

/// Where the operator of the release runs, and its name.
pub(crate) const RELEASE: (&str, &str) = ("kafka-practice", "cgp-operator");

static TURN: RwLock<()> = RwLock::new(());

/// For the time of a test that others may run beside.
pub(crate) fn together() -> RwLockReadGuard<'static, ()> {
    TURN.read().unwrap_or_else(PoisonError::into_inner)
}

/// For the time of a measurement, which nothing else of this program may disturb.
pub(crate) fn alone() -> RwLockWriteGuard<'static, ()> {
    TURN.write().unwrap_or_else(PoisonError::into_inner)
}

/// A line for whoever watches the run, also when tests' output is captured.
pub(crate) fn print_line(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}"); // nobody watches
}

/// Tries until it gets an `Ok`; panics with the last error when `within` is over.
pub(crate) fn until<T>(
    what: &str,
    within: Duration,
    mut attempt: impl FnMut() -> Result<T, String>,
) -> T {
    let deadline = Instant::now() + within;
    loop {
        match attempt() {
            Ok(found) => return found,
            Err(error) => assert!(
                Instant::now() < deadline,
                "{what}: not within {within:?}: {error}"
            ),
        }
        std::thread::sleep(Duration::from_millis(100));
    }
}
