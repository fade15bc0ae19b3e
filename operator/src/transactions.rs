//! In: what `observe` found. Out: the same, with stalled partitions that only wait for an open transaction called healthy. Asks Kafka
//! about stalled partitions alone, so a practice without any costs no request.

use std::{collections::BTreeMap, time::Duration};

use practice_groups::{OpenTransaction, Partition, at_stable_end};
use practice_kafka::Kafka;
use practice_plan::{outcome::Observed, plan::Plan};

use crate::memory::PracticeStates;

/// Corrects the health of groups whose owners wait for a transaction. What Kafka does not answer changes nothing.
pub(crate) async fn explain_stalls(
    plan: &Plan,
    observed: &mut Observed,
    memories: &PracticeStates,
) {
    let Ok(snapshot) = observed.poll.clone() else {
        return;
    };
    for group in &plan.groups {
        let Some(health) = observed.health.get_mut(&group.id) else {
            continue;
        };
        let stalled = health.stalled(&snapshot, &group.id, group.offset_reset);
        if stalled.is_empty() {
            continue;
        }
        let reader = memories.readers.reader(&plan.bootstrap);
        let waiting = waiting(reader.kafka(), &stalled).await;
        memories
            .readers
            .record_transactions(plan, group, health, &waiting);
        let again = health
            .recheck_in
            .map(|left| left + Duration::from_millis(100));
        observed.again = observed.again.into_iter().chain(again).min();
    }
}

/// Of stalled partitions, with the next offset to consume, those that wait for a transaction.
async fn waiting(
    kafka: &Kafka,
    stalled: &BTreeMap<Partition, i64>,
) -> BTreeMap<Partition, OpenTransaction> {
    let Ok(ends) = kafka.last_stable_offsets(stalled.keys()).await else {
        return BTreeMap::new();
    };
    let waiting = at_stable_end(stalled, &ends);
    if waiting.is_empty() {
        return BTreeMap::new();
    }
    match kafka.open_transactions(&waiting).await {
        Ok(transactions) => transactions,
        // they wait all the same
        Err(_) => waiting
            .into_iter()
            .map(|partition| (partition, OpenTransaction::default()))
            .collect(),
    }
}
