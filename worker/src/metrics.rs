//! `/metrics` as text in the `OpenMetrics` format. In: the shared state at the time of the scrape. Out: text. There is no second count of
//! anything: what `/status` says is what stands here.

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
pub(crate) fn text(shared: &Arc<Shared>) -> Result<String, fmt::Error> {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(Scrape(Arc::clone(shared))));
    let mut text = String::new();
    encode(&mut text, &registry)?;
    Ok(text)
}

#[derive(Debug)]
struct Scrape(Arc<Shared>);

impl Collector for Scrape {
    fn encode(&self, mut encoder: DescriptorEncoder) -> Result<(), fmt::Error> {
        let (counts, joined, partitions) = {
            let member = self.0.member();
            (member.counts, member.joined, member.partitions())
        };
        for (name, help, value) in [
            (
                "practice_worker_messages_consumed",
                "Messages handled",
                counts.consumed,
            ),
            (
                "practice_worker_messages_abandoned",
                "Messages taken in hand and given up unfinished",
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
                "Times partitions were assigned",
                counts.assigned,
            ),
            (
                "practice_worker_rebalances_revoked",
                "Times partitions were given back",
                counts.revoked,
            ),
            (
                "practice_worker_rebalances_lost",
                "Times partitions were taken away",
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
                "1 while it is a member of its group",
                usize::from(joined),
            ),
            (
                "practice_worker_partitions",
                "Partitions assigned",
                partitions,
            ),
        ] {
            let gauge = encoder.encode_descriptor(name, help, None::<&Unit>, MetricType::Gauge)?;
            ConstGauge::new(i64::try_from(value).unwrap_or(i64::MAX)).encode(gauge)?;
        }
        Ok(())
    }
}
