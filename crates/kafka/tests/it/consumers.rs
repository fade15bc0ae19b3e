//! Consumers of ours, and members of groups as applications have them.

use std::time::Duration;

use practice_contract::Protocol;
use practice_contract::{self as contract, WorkerSettings, worker};
use practice_testbed::clients::{Joins, Member};
use tokio::{net::TcpListener, task::JoinHandle as Task};
use tokio_util::sync::{CancellationToken, DropGuard};

/// Longer than any test.
pub(crate) const FOREVER: Duration = Duration::from_secs(250);

/// What commits of these tests' groups of ours carry.
pub(crate) const OURS: &str = "kafka-practice:namespace/practice";

/// A consumer of ours: the worker itself, in this process.
pub(crate) struct Worker {
    shutdown: DropGuard,
    run: Task<()>,
}

impl Worker {
    /// Spends `delay` on each message.
    pub(crate) async fn start(
        bootstrap: &str,
        group: &str,
        topic: &str,
        name: &str,
        protocol: Protocol,
        delay: Duration,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let protocol = match protocol {
            Protocol::Classic => contract::Protocol::Classic,
            Protocol::Consumer => contract::Protocol::Consumer,
        };
        let settings = WorkerSettings {
            servers: bootstrap.to_owned(),
            topics: vec![topic.to_owned()],
            group: group.to_owned(),
            delay,
            listen: listener.local_addr().expect("bound"),
            probes: None,
            instance: Some(name.to_owned()),
            owner: Some("tests/practice".to_owned()),
            protocol,
            assignor: protocol.default_assignor(),
            offset_reset: contract::OffsetReset::Earliest,
            session_timeout: worker::DEFAULT_SESSION_TIMEOUT,
            heartbeat_interval: worker::DEFAULT_HEARTBEAT_INTERVAL,
            max_poll_interval: worker::DEFAULT_MAX_POLL_INTERVAL,
            log_messages: false,
            hold: None,
            ledger: None,
        };
        let shutdown = CancellationToken::new();
        let run = practice_worker::run(
            settings,
            listener,
            Box::new(std::io::sink()),
            shutdown.clone(),
        );
        let run = tokio::spawn(async move { run.await.expect("the worker ends well") });
        Self {
            shutdown: shutdown.drop_guard(),
            run,
        }
    }

    /// Leaves its group, with all that is done committed.
    pub(crate) async fn stop(self) {
        drop(self.shutdown);
        self.run.await.expect("the worker does not panic");
    }
}

/// A member of a group that commits nothing.
pub(crate) fn join(
    bootstrap: &str,
    group: &str,
    topic: &str,
    client_id: &str,
    protocol: Protocol,
) -> Member {
    let joins = match protocol {
        Protocol::Classic => Joins::Classic,
        Protocol::Consumer => Joins::Consumer,
    };
    Member::join(bootstrap, group, topic, client_id, joins)
}
