//! The client's configuration. In: settings. Out: librdkafka's properties. Pure. Every property that is not the library's
//! default stands here with its reason.

use practice_contract::{Protocol, WorkerSettings};
use rdkafka::{ClientConfig, config::RDKafkaLogLevel};

/// Properties of the consumer of `settings` with this `client.id`.
pub(crate) fn client_config(settings: &WorkerSettings, client_id: &str) -> ClientConfig {
    let mut config = ClientConfig::new();
    config
        .set("bootstrap.servers", &settings.servers)
        .set("group.id", &settings.group)
        .set("client.id", client_id)
        .set("auto.offset.reset", settings.offset_reset.to_string())
        .set(
            "max.poll.interval.ms",
            settings.max_poll_interval.as_millis().to_string(),
        )
        // an offset is stored, with metadata, after its message was handled; the client commits stored offsets
        .set("enable.auto.offset.store", "false")
        .set("enable.auto.commit", "true")
        .set("auto.commit.interval.ms", "1000")
        // a topic comes from the manifest or from its owner, never from a reader's typing error
        .set("allow.auto.create.topics", "false")
        // added partitions are found within this time; the default is 5 minutes
        .set("topic.metadata.refresh.interval.ms", "10000")
        // prefetch is memory: a small queue, and a fetcher that retries soon when it was full
        .set("queued.min.messages", "10000")
        .set("queued.max.messages.kbytes", "4096")
        .set("fetch.queue.backoff.ms", "10")
        .set("fetch.max.bytes", "4194304")
        // a fetch that waits at the broker holds up the fetch of partitions just assigned; librdkafka's broker in memory lets
        // a message wait for the next fetch, too
        .set("fetch.wait.max.ms", "150")
        .set("socket.nagle.disable", "true")
        .set("socket.keepalive.enable", "true")
        // half of it passes between the first two connections of a start; a broker that is back is found within the other
        .set("reconnect.backoff.ms", "20")
        .set("reconnect.backoff.max.ms", "2000")
        // whether we are a member of the group is known from statistics alone when no partition is ours
        .set("statistics.interval.ms", "1000")
        .set("log.thread.name", "false")
        // only a debug line of this context has the member id
        .set("debug", "cgrp")
        .set("group.protocol", settings.protocol.config_value());
    match settings.protocol {
        Protocol::Classic => config
            .set(
                "session.timeout.ms",
                settings.session_timeout.as_millis().to_string(),
            )
            .set(
                "heartbeat.interval.ms",
                settings.heartbeat_interval.as_millis().to_string(),
            )
            .set(
                "partition.assignment.strategy",
                settings.assignor.to_string(),
            ),
        // the broker decides about timeouts; the client refuses them
        Protocol::Consumer => config.set("group.remote.assignor", settings.assignor.to_string()),
    };
    config.set_log_level(RDKafkaLogLevel::Debug);
    config
}

#[cfg(test)]
mod tests {
    use std::{net::SocketAddr, time::Duration};

    use practice_contract::{
        Assignor, OffsetReset,
        worker::{DEFAULT_HEARTBEAT_INTERVAL, DEFAULT_MAX_POLL_INTERVAL, DEFAULT_SESSION_TIMEOUT},
    };
    use rdkafka::consumer::BaseConsumer;

    use super::*;

    fn settings(protocol: Protocol, assignor: Assignor) -> WorkerSettings {
        WorkerSettings {
            servers: "localhost:1".to_owned(),
            topics: vec!["t".to_owned()],
            group: "g".to_owned(),
            delay: Duration::ZERO,
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            probes: None,
            instance: None,
            owner: None,
            protocol,
            assignor,
            offset_reset: OffsetReset::Earliest,
            session_timeout: DEFAULT_SESSION_TIMEOUT,
            heartbeat_interval: DEFAULT_HEARTBEAT_INTERVAL,
            max_poll_interval: DEFAULT_MAX_POLL_INTERVAL,
            log_messages: true,
            hold: None,
            ledger: None,
        }
    }

    #[test]
    fn the_library_accepts_every_protocol_with_every_assignor_of_its() {
        for protocol in [Protocol::Classic, Protocol::Consumer] {
            for assignor in [
                Assignor::Range,
                Assignor::RoundRobin,
                Assignor::CooperativeSticky,
                Assignor::Uniform,
            ] {
                if protocol.allows(assignor) {
                    let config = client_config(&settings(protocol, assignor), "c");
                    let created = config.create::<BaseConsumer>();
                    assert!(
                        created.is_ok(),
                        "{} {assignor}: {:?}",
                        protocol.name(),
                        created.err()
                    );
                }
            }
        }
    }

    #[test]
    fn a_group_of_the_new_protocol_gets_no_timeouts_of_the_old() {
        let config = client_config(&settings(Protocol::Consumer, Assignor::Uniform), "c");
        for refused in [
            "session.timeout.ms",
            "heartbeat.interval.ms",
            "partition.assignment.strategy",
        ] {
            assert_eq!(config.get(refused), None);
        }
        assert_eq!(config.get("group.remote.assignor"), Some("uniform"));
        let config = client_config(&settings(Protocol::Classic, Assignor::Range), "c");
        assert_eq!(config.get("session.timeout.ms"), Some("10000"));
        assert_eq!(config.get("partition.assignment.strategy"), Some("range"));
    }
}
