//! Pins where groups with `autoOffsetReset: latest` start. In: the decision of `practice-plan`. Out: offsets committed in Kafka, or
//! why the group's consumers do not start yet. Deliberately absent: the decision which partitions to pin.

use practice_contract::commit_metadata;
use practice_groups::KafkaError;
use practice_kafka::Kafka;
use practice_plan::{
    outcome::{KafkaChange, Prepared, Unclaimed},
    plan::{GroupPlan, Plan},
    start::{GroupStart, group_start},
};

use super::Claims;
use crate::live::Live;

/// Pins the start of each group whose id is claimed.
pub(super) async fn pin_starts(
    kafka: &Kafka,
    plan: &Plan,
    live: &Live,
    claims: &Claims<'_>,
    prepared: &mut Prepared,
) {
    let snapshot = prepared.poll.clone().and_then(Result::ok);
    let metadata = commit_metadata(&format!("{}/{}", plan.namespace, plan.name));
    for group in &plan.groups {
        let at_rest = live.is_at_rest(plan, group);
        let runs = claims.shown.contains(group.id.as_str()) && !at_rest;
        if runs || prepared.unclaimed.contains_key(&group.id) {
            continue;
        }
        let before = claims
            .before
            .filter(|before| before.owns_group_id(&group.id));
        let held = match group_start(group, snapshot.as_deref(), before, at_rest) {
            GroupStart::Pinned => continue,
            GroupStart::Waits(what) => Unclaimed::start_waits(&what, before.is_some()),
            GroupStart::Pin(starts) => {
                match kafka.pin_start(&group.id, &starts, &metadata).await {
                    Ok(offsets) => {
                        if !offsets.is_empty() {
                            prepared.kafka_changes.push(KafkaChange::StartPinned {
                                group: group.id.clone(),
                                offsets,
                            });
                        }
                        continue;
                    }
                    // its consumers stay at 0 all the same; what is committed is newer than its start
                    Err(_) if group.stopped => continue,
                    Err(error) => not_pinned(group, &error, before.is_some()),
                }
            }
        };
        withdraw_claim(&group.id, prepared);
        prepared.unclaimed.insert(group.id.clone(), held);
    }
}

/// A claim is reported with the pass in which consumers start.
fn withdraw_claim(group: &str, prepared: &mut Prepared) {
    prepared.kafka_changes.retain(
        |change| !matches!(change, KafkaChange::Claimed { group: claimed } if claimed == group),
    );
}

/// Why consumers of a group whose start could not be pinned are not started.
fn not_pinned(group: &GroupPlan, error: &KafkaError, owned: bool) -> Unclaimed {
    if matches!(error, KafkaError::Denied { .. }) {
        return Unclaimed::Denied(format!("group {}: {error}", group.id));
    }
    Unclaimed::start_not_pinned(error, owned)
}
