//! Open transactions. A `read_committed` consumer gets nothing beyond the last stable offset, which is the start of the first open
//! transaction: it has lag and commits nothing, and a restart does not help. Pure. In: partitions that would be `Stalled`, and what
//! Kafka reports about them. Out: their health.

use std::{collections::BTreeMap, time::Duration};

use practice_contract::OffsetReset;

use super::{GroupHealth, HealthHistory, PartitionHealth, earliest};
use crate::{
    by_partition::{At, owned},
    compact::Tick,
    model::{Partition, Snapshot},
};

/// Time after which Kafka is asked again about a partition that is stalled or waits for a transaction.
const AGAIN: Duration = Duration::from_secs(10);

/// The open transaction at the last stable offset of a partition. A field is `None` where Kafka does not report it, as without the
/// operations Read on the topic (producer id) and Describe on the transactional id (start).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct OpenTransaction {
    /// The id of its producer.
    pub producer_id: Option<i64>,
    /// When it was begun, in milliseconds since the epoch.
    pub since: Option<i64>,
}

impl GroupHealth {
    /// Stalled partitions, with the next offset that the owner of each would consume.
    #[must_use]
    pub fn stalled(
        &self,
        snapshot: &Snapshot,
        group: &str,
        reset: OffsetReset,
    ) -> BTreeMap<Partition, i64> {
        let next = |at: At<'_>| {
            let lag = snapshot.lag(snapshot.group(group)?, at, reset);
            Some(snapshot.bounds(at)?.end - lag.effective()?)
        };
        let stalled = self
            .partitions
            .iter()
            .filter(|(_, health)| matches!(health, PartitionHealth::Stalled { .. }));
        stalled
            .filter_map(|(at, _)| Some((owned(at), next(at)?)))
            .collect()
    }
}

/// Of stalled partitions, with the next offset to consume, those that were consumed up to the last stable offset.
#[must_use]
pub fn at_stable_end(
    stalled: &BTreeMap<Partition, i64>,
    stable_ends: &BTreeMap<Partition, i64>,
) -> Vec<Partition> {
    let is_at_end =
        |(partition, next): &(&Partition, &i64)| stable_ends.get(*partition) == Some(*next);
    let waiting = stalled.iter().filter(is_at_end);
    waiting.map(|(partition, _)| partition.clone()).collect()
}

impl HealthHistory {
    /// Corrects the health of stalled partitions that wait for a transaction (`waiting`), or did until less than a window ago: after
    /// its end the owner has a window to consume and to commit, as after any other change. `slowest`: as in
    /// [`evaluate`](Self::evaluate), which made `health`.
    pub fn record_transactions(
        &mut self,
        group: &str,
        health: &mut GroupHealth,
        waiting: &BTreeMap<Partition, OpenTransaction>,
        slowest: Duration,
        tick: Duration,
    ) {
        let (now, window) = (Tick::of(self.now.max(tick)), self.window_for(slowest));
        let Some(histories) = self.groups.get_mut(group) else {
            return;
        };
        let mut recheck_in = None;
        for (at, health) in health.partitions.iter_mut() {
            let (PartitionHealth::Stalled { age }, Some(history)) =
                (*health, histories.partitions.get_mut(at))
            else {
                continue;
            };
            recheck_in = earliest(recheck_in, Some(AGAIN));
            if let Some(transaction) = waiting.get(&owned(at)) {
                history.waited = Some(now);
                *health = PartitionHealth::OpenTransaction(*transaction);
            } else if let Some(waited) = history.waited {
                let idle = now.since(waited);
                if idle < window {
                    *health = PartitionHealth::Healthy;
                    recheck_in = earliest(recheck_in, Some(window.saturating_sub(idle)));
                } else {
                    *health = PartitionHealth::Stalled { age: age.min(idle) };
                }
            }
        }
        health.recheck_in = earliest(health.recheck_in, recheck_in);
    }
}
