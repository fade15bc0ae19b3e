//! What only several polls of one Kafka show. In: each poll, also one that was made without a reader. Out: lag trends and health of
//! the groups of a plan. Deliberately absent: the rules of both, which are in `practice-groups`.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Instant,
};

use practice_groups::{
    GroupHealth, HealthHistory, LagTrend, LagTrends, OpenTransaction, Partition, Snapshot,
};
use practice_plan::plan::{GroupPlan, Plan};

use super::{Readers, lock};

/// Values that need several polls of one Kafka.
#[derive(Debug)]
pub(super) struct History {
    begun: Instant,
    lag_trends: Mutex<LagTrends>,
    health: Mutex<HealthHistory>,
}

impl History {
    pub(super) fn new() -> Self {
        Self {
            begun: Instant::now(),
            lag_trends: Mutex::default(),
            health: Mutex::default(),
        }
    }

    pub(super) fn note(&self, snapshot: &mut Snapshot) {
        let tick = self.begun.elapsed();
        lock(&self.lag_trends).record_snapshot(snapshot, tick);
        lock(&self.health).record_snapshot(snapshot, tick);
    }
}

impl Readers {
    pub(super) fn history(&self, bootstrap: &str) -> Arc<History> {
        let mut histories = lock(&self.histories);
        histories
            .entry(bootstrap.to_owned())
            .or_insert_with(|| Arc::new(History::new()))
            .clone()
    }

    /// Records a poll that was made without a reader.
    pub fn note(&self, bootstrap: &str, mut snapshot: Arc<Snapshot>) -> Arc<Snapshot> {
        self.history(bootstrap).note(Arc::make_mut(&mut snapshot));
        snapshot
    }

    /// Lag trends of a practice's groups, by group id.
    pub fn lag_trends(&self, plan: &Plan, snapshot: &Snapshot) -> BTreeMap<String, LagTrend> {
        let history = self.history(&plan.bootstrap);
        let lag_trends = lock(&history.lag_trends);
        let tick = history.begun.elapsed();
        let each = |group: &GroupPlan| {
            (
                group.id.clone(),
                lag_trends.trend(snapshot, &group.id, &group.topics, group.offset_reset, tick),
            )
        };
        plan.groups.iter().map(each).collect()
    }

    /// Health of a practice's groups, by group id.
    pub fn health(&self, plan: &Plan, snapshot: &Snapshot) -> BTreeMap<String, GroupHealth> {
        let history = self.history(&plan.bootstrap);
        let mut health = lock(&history.health);
        let tick = history.begun.elapsed();
        let each = |group: &GroupPlan| {
            let how = (group.offset_reset, group.slowest());
            (
                group.id.clone(),
                health.evaluate(snapshot, &group.id, &group.topics, how, tick),
            )
        };
        plan.groups.iter().map(each).collect()
    }

    /// Corrects the health of a group's stalled partitions by those that wait for a transaction.
    pub fn record_transactions(
        &self,
        plan: &Plan,
        group: &GroupPlan,
        health: &mut GroupHealth,
        waiting: &BTreeMap<Partition, OpenTransaction>,
    ) {
        let history = self.history(&plan.bootstrap);
        let tick = history.begun.elapsed();
        lock(&history.health).record_transactions(
            &group.id,
            health,
            waiting,
            group.slowest(),
            tick,
        );
    }
}
