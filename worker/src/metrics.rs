//! `/metrics` as text in the `OpenMetrics` format. In: the shared state at the time of the scrape. Out: text. The values are those of
//! `/status`: nothing is counted twice.

use std::{fmt, sync::Arc};

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric, text::encode},
    metrics::{MetricType, counter::ConstCounter, gauge::ConstGauge},
    registry::{Registry, Unit},
};

use crate::shared::Shared;

pub(crate) const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The worker's metrics.
pub(crate) fn text(shared: &Arc<Shared>, streams: usize) -> Result<String, fmt::Error> {
    let mut registry = Registry::default();
    let shared = Arc::clone(shared);
    registry.register_collector(Box::new(Scrape { shared, streams }));
    let mut text = String::new();
    encode(&mut text, &registry)?;
    Ok(text)
}

#[derive(Debug)]
struct Scrape {
    shared: Arc<Shared>,
    /// Open streams of events.
    streams: usize,
}

impl Collector for Scrape {
    fn encode(&self, mut encoder: DescriptorEncoder) -> Result<(), fmt::Error> {
        let (counts, joined, partitions) = {
            let member = self.shared.member();
            (member.counts, member.joined, member.partitions())
        };
        for (name, help, value) in [
            (
                "practice_worker_messages_consumed",
                "Messages handled completely",
                counts.consumed,
            ),
            (
                "practice_worker_messages_abandoned",
                "Messages whose handling began and was interrupted: the next owner handles them",
                counts.abandoned,
            ),
            (
                "practice_worker_offset_commits",
                "Partition offsets committed",
                counts.commits,
            ),
            (
                "practice_worker_offset_commits_failed",
                "Partition offsets whose commit failed",
                counts.failed_commits,
            ),
            (
                "practice_worker_rebalances_assigned",
                "Times partitions were assigned to the consumer",
                counts.assigned,
            ),
            (
                "practice_worker_rebalances_revoked",
                "Times partitions were revoked: their offsets are committed first",
                counts.revoked,
            ),
            (
                "practice_worker_rebalances_lost",
                "Times partitions were lost without a chance to commit",
                counts.lost,
            ),
        ] {
            let counter =
                encoder.encode_descriptor(name, help, None::<&Unit>, MetricType::Counter)?;
            ConstCounter::new(value).encode(counter)?;
        }
        for (name, help, value) in [
            (
                "practice_worker_joined",
                "1 while the consumer is a member of its group, else 0",
                usize::from(joined),
            ),
            (
                "practice_worker_partitions",
                "Partitions assigned to the consumer now",
                partitions,
            ),
            (
                "practice_worker_event_streams",
                "Streams of events that are open now",
                self.streams,
            ),
        ] {
            let gauge = encoder.encode_descriptor(name, help, None::<&Unit>, MetricType::Gauge)?;
            ConstGauge::new(i64::try_from(value).unwrap_or(i64::MAX)).encode(gauge)?;
        }
        Ok(())
    }
}
