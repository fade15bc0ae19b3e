//! `/metrics` as text in the `OpenMetrics` format. In: the shared state at the time of the scrape. Out: text. There is no second count of
//! anything: what `/status` says is what stands here.

use std::{fmt, sync::Arc};

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric, MetricEncoder, text::encode},
    metrics::{MetricType, counter::ConstCounter, gauge::ConstGauge},
    registry::{Registry, Unit},
};

use crate::shared::Shared;

pub(crate) const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The worker's metrics.
pub(crate) fn text(shared: &Arc<Shared>) -> Result<String, fmt::Error> {
    let mut registry = Registry::with_prefix("practice_worker");
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
        let mut one = |name: &str, help: &str, kind: MetricType, value: &dyn Value| {
            value.write(encoder.encode_descriptor(name, help, None::<&Unit>, kind)?)
        };
        let gauge = |value: usize| ConstGauge::new(i64::try_from(value).unwrap_or(i64::MAX));
        for (name, help, value) in [
            ("messages_consumed", "Messages handled", counts.consumed),
            ("messages_abandoned", "Messages taken in hand and given up unfinished", counts.abandoned),
            ("offsets_committed", "Partition offsets committed", counts.commits),
            ("offset_commits_failed", "Partition offsets whose commit failed", counts.failed_commits),
            ("rebalances_assigned", "Times partitions were assigned", counts.assigned),
            ("rebalances_revoked", "Times partitions were given back", counts.revoked),
            ("rebalances_lost", "Times partitions were taken away", counts.lost),
        ] {
            one(name, help, MetricType::Counter, &ConstCounter::new(value))?;
        }
        one("joined", "1 while it is a member of its group", MetricType::Gauge, &gauge(usize::from(joined)))?;
        one("partitions", "Partitions assigned", MetricType::Gauge, &gauge(partitions))
    }
}

/// A number of either type.
trait Value {
    fn write(&self, encoder: MetricEncoder<'_>) -> fmt::Result;
}

impl<T: EncodeMetric> Value for T {
    fn write(&self, encoder: MetricEncoder<'_>) -> fmt::Result {
        self.encode(encoder)
    }
}
