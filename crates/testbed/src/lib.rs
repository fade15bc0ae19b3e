//! Real servers for integration tests: [`kafka`] is an Apache Kafka, [`cluster`] an etcd with a kube-apiserver. One of each
//! for a test process, started by the first test that asks, on loopback ports of their own; `start` makes further ones.
//! They end with the test process, however that ends. What they need comes from the cache of `deploy/node/setup.sh`,
//! which is run when something is missing. A server that does not start fails the test that asked: nothing is skipped.
//! [`described`] reads the output of Kafka's own tool about groups; with the feature `clients` there are consumers and producers as
//! applications have them. [`judge`] decides from the ledgers of workers whether each message was handled as it should be.
//!
//! Deliberately absent: nodes. Pods are never run here; `deploy/node` does that.

mod brokers;
mod cluster;
pub mod judge;
mod kafka;
pub mod mutants;
pub mod openmetrics;

mod cache;
mod process;

#[cfg(feature = "clients")]
pub mod clients;
pub mod described;

pub use brokers::Brokers;
pub use cache::{helm, kafka_class_path, prometheus};
pub use cluster::{Cluster, Role};
pub use kafka::Kafka;
pub use process::free_port;

use std::{
    fmt::Display,
    future::Future,
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use tokio::{
    sync::OnceCell,
    time::{Instant, sleep, timeout},
};

/// The Kafka that all tests of this process share. A test that disturbs it starts one of its own.
pub async fn kafka() -> &'static Kafka {
    static SHARED: OnceCell<Kafka> = OnceCell::const_new();
    SHARED.get_or_init(Kafka::start).await
}

/// The API server that all tests of this process share. A test that disturbs it starts one of its own.
pub async fn cluster() -> &'static Cluster {
    static SHARED: OnceCell<Cluster> = OnceCell::const_new();
    SHARED.get_or_init(Cluster::start).await
}

/// A name that no other test of this process has: `prefix-` and a number.
pub fn unique(prefix: &str) -> String {
    static COUNT: AtomicU32 = AtomicU32::new(1);
    format!("{prefix}-{}", COUNT.fetch_add(1, Ordering::Relaxed))
}

/// Tries until it gets an `Ok`; panics with the last error when `within` is over.
async fn poll<T, E: Display, F>(what: &str, within: Duration, attempt: impl Fn() -> F) -> T
where
    F: Future<Output = Result<T, E>>,
{
    let deadline = Instant::now() + within;
    loop {
        let error = match timeout(Duration::from_secs(5), attempt()).await {
            Ok(Ok(found)) => return found,
            Ok(Err(error)) => error.to_string(),
            Err(_) => "no answer".to_owned(),
        };
        assert!(
            Instant::now() < deadline,
            "{what}: not within {within:?}: {error}"
        );
        sleep(Duration::from_millis(50)).await;
    }
}
