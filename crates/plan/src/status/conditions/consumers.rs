//! The condition `ConsumersAvailable`, and the reasons of `Ready` that follow from it. A group may have 0 consumers because the owner
//! of its replicas set them to 0: that is no fault.

use practice_api::{PracticeStatus, status::GroupStatus};

use super::Outcome;
use crate::{
    outcome::Running,
    plan::{GroupPlan, Plan},
};

/// The reason of `ConsumersAvailable` and `Ready` while no group should have a consumer, and at least one was scaled to 0.
pub(super) const SCALED_TO_ZERO: &str = "ScaledToZero";

/// Whether every group that should run has a ready consumer.
pub(super) fn consumers(plan: &Plan, running: &Running, status: &PracticeStatus) -> Outcome {
    let without: Vec<&str> = without(plan, status)
        .map(|group| group.name.as_str())
        .collect();
    if !without.is_empty() {
        let mut why = format!("no consumer is ready in {}", without.join(", "));
        if let Some(refusal) = running.refusals.first() {
            why = format!("{why}: {refusal}");
        }
        return ("False", "GroupWithoutConsumers", why);
    }
    let at_zero = at_zero(plan, status);
    if at_zero.is_empty() || plan.groups.iter().any(|group| should_run(group, status)) {
        let why = "every group that should run has a ready consumer";
        return ("True", "EveryGroupHasConsumers", why.to_owned());
    }
    ("True", SCALED_TO_ZERO, at_zero.join("; "))
}

/// Why groups have 0 replicas without being stopped, a sentence for each.
pub(super) fn at_zero(plan: &Plan, status: &PracticeStatus) -> Vec<String> {
    let at_zero = plan
        .groups
        .iter()
        .filter(|group| !group.stopped && !should_run(group, status));
    let each = at_zero.map(|group| {
        let why = if wants(group) {
            "the owner of its Deployment's spec.replicas, an autoscaler or a user, set it to 0"
        } else {
            "the manifest sets replicas to 0"
        };
        format!("group {} has 0 consumers: {why}", group.id)
    });
    each.collect()
}

/// The reason of `Ready` while groups that should run have no ready consumer. A group that was scaled up from 0, or started after it
/// was stopped, is starting until its first consumer is ready; no consumer failed.
pub(super) fn no_consumers(
    plan: &Plan,
    status: &PracticeStatus,
    before: Option<&PracticeStatus>,
) -> &'static str {
    let Some(before) = before else {
        return "NoConsumers";
    };
    let ready = before.condition("Ready");
    let was_ready = ready.is_some_and(|ready| ready.status == "True");
    let was_starting = ready.is_some_and(|ready| ready.reason == "Starting");
    let starts = |group: &GroupStatus| {
        let former = before
            .groups
            .iter()
            .find(|former| former.name == group.name);
        former.is_some_and(|former| {
            (was_ready && former.replicas == 0) || (was_starting && former.ready_replicas == 0)
        })
    };
    if without(plan, status).all(starts) {
        "Starting"
    } else {
        "NoConsumers"
    }
}

/// Groups that should run and have no ready consumer.
fn without<'a>(
    plan: &'a Plan,
    status: &'a PracticeStatus,
) -> impl Iterator<Item = &'a GroupStatus> {
    let should_run = |name: &str| {
        let group = plan.groups.iter().find(|group| group.id == name);
        group.is_some_and(|group| should_run(group, status))
    };
    status
        .groups
        .iter()
        .filter(move |group| should_run(&group.name) && group.ready_replicas == 0)
}

/// Whether a group should have consumers: the manifest does not stop it, and the owner of its replicas has not set them to 0.
fn should_run(group: &GroupPlan, status: &PracticeStatus) -> bool {
    let scaled_to_zero = || {
        let status = status.groups.iter().find(|status| status.name == group.id);
        status.is_some_and(GroupStatus::is_scaled_to_zero)
    };
    !group.stopped && wants(group) && !scaled_to_zero()
}

/// Whether the manifest gives a group consumers, or leaves their number to another owner.
fn wants(group: &GroupPlan) -> bool {
    group
        .rows
        .iter()
        .any(|row| row.replicas.is_none_or(|replicas| replicas > 0))
}
