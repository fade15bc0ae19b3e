//! Reconciles one practice: the steps from its spec to its status in order, and when to reconcile again.

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;
use kube::runtime::controller::Action;
use practice_api::{ConsumerGroupPractice, PracticeStatus};
use practice_plan::{
    events::{events, rebalances},
    outcome::{Prepared, Running},
    plan::{GroupPlan, plan},
    status::{LARGEST_WRITTEN, shorten, status},
};

use crate::{
    apply::apply,
    context::{Context, key},
    error::Error,
    finalize::finalize,
    journal::{self, JournalUpdate},
    live::live,
    objects::objects,
    observe::observe,
    prepare::prepare,
    publish::{Published, emit_events, publish, record},
    view,
};

/// First pause while the operator waits for something that no watch reports.
const SOON: Duration = Duration::from_secs(1);
/// Longest pause while the operator waits: for a group with a member that does not belong to the practice, for a topic that does
/// not match the manifest (its configuration and the number of brokers are in no poll), or for other practices to use less of a
/// policy.
const LATER: Duration = Duration::from_secs(10);
/// Pause while nothing is pending: watches report changes.
const LATE: Duration = Duration::from_mins(5);

/// Brings one practice closer to its manifest and writes its status.
///
/// # Errors
/// Kubernetes refused or did not answer. An invalid spec and an unreachable Kafka are no errors: status reports them.
pub async fn reconcile(
    practice: Arc<ConsumerGroupPractice>,
    context: Arc<Context>,
) -> Result<Action, Error> {
    let metrics = &context.metrics;
    if let Some(end) = metrics
        .step("finalize", finalize(&practice, &context))
        .await?
    {
        return Ok(end);
    }
    let (before, since) = context.memories.before(&practice, context.now());
    let before = before.as_ref();
    let plan = context
        .memories
        .planned(&practice, || plan(&practice, &context.defaults));
    let plan = plan.and_then(|plan| context.allowed(&practice, plan));
    let (mut prepared, mut running, mut seen, mut consumers) =
        (Prepared::default(), Running::default(), None, vec![]);
    let mut update = JournalUpdate::default();
    if let Ok(plan) = &plan {
        journal::load(&context.client, plan, &context.memories).await?;
        let live = metrics.step("live", live(&context.client, plan)).await?;
        let live = live.with_claims_of(&practice);
        let holder = |group: &GroupPlan| context.holder(plan, group);
        prepared = metrics
            .step(
                "prepare",
                prepare(plan, &live, &holder, &context.memories, before),
            )
            .await;
        consumers = view::consumers(plan, &live);
        let objects = objects(
            &prepared.placed(plan),
            &prepared.holds,
            &prepared.unclaimed,
            &live.rows(plan),
        );
        running = metrics
            .step("apply", apply(&context.client, plan, &objects, live))
            .await?;
        journal::record_replicas(plan, &prepared, &running, &context.memories);
        let observed = metrics
            .step(
                "observe",
                observe(plan, &prepared, before, &context.memories),
            )
            .await;
        update = journal::record_poll(
            plan,
            &prepared,
            &observed.poll,
            &context.memories,
            context.now(),
        );
        metrics
            .step(
                "journal",
                journal::measure(plan, &mut update, &context.http, &context.memories),
            )
            .await;
        emit_events(&context, &practice, rebalances(&update.explained)).await;
        seen = Some(observed);
    } else {
        context.memories.blind(&key(&practice));
        context.memories.readers.forget(&key(&practice), None);
    }
    let generation = practice.metadata.generation;
    let mut after = status(
        plan.as_ref(),
        &prepared,
        &running,
        seen.as_ref(),
        before,
        generation,
        context.now(),
    );
    if let Ok(plan) = &plan {
        after.rebalances = std::mem::take(&mut update.latest);
        let stored = journal::store(&context.client, plan, &context.memories).await?;
        update.again = [update.again, stored.again].into_iter().flatten().min();
        emit_events(&context, &practice, stored.event.into_iter().collect()).await;
    }
    view::show(
        &context,
        &practice,
        plan.as_ref().ok(),
        consumers,
        seen.as_ref(),
        &after,
    );
    metrics.show(&key(&practice), running.changes.len(), &after, &update);
    shorten(&mut after, LARGEST_WRITTEN);
    let (written, wait) = context.memories.unwritten(&practice);
    let written = written.as_ref().or(before);
    let published = metrics
        .step(
            "publish",
            publish(&context.client, &practice, written, &after, since, wait),
        )
        .await?;
    let events = events(&prepared, &running, before, &after);
    emit_events(&context, &practice, events).await;
    let key = key(&practice);
    let soon = [
        seen.and_then(|seen| seen.again),
        update.again,
        context.memories.event_wait(&key),
    ];
    let spec_age = context.memories.spec_age(&key);
    let action = again(&published, soon, &after, spec_age, context.now());
    record(
        published,
        &practice,
        after,
        &context.memories,
        context.now(),
    );
    Ok(action)
}

/// When to reconcile again without an event.
fn again(
    published: &Published,
    soon: [Option<Duration>; 3],
    status: &PracticeStatus,
    spec_age: Duration,
    now: Timestamp,
) -> Action {
    let if_true = |kind: &str| {
        status
            .condition(kind)
            .filter(|condition| condition.status == "True")
    };
    let since =
        |since: Timestamp| Duration::try_from(now.duration_since(since)).unwrap_or_default();
    let moving = if_true("Reconciling")
        .map(|moving| while_moving(since(moving.last_transition_time.0).min(spec_age)));
    let numbers = match published {
        Published::Later(pause) | Published::Delayed(pause) => Some(*pause),
        Published::Unchanged | Published::Written(_) => None,
    };
    let waiting = (if_true("Stalled").is_some() || status.topics.iter().any(|topic| !topic.ready))
        .then_some(LATER);
    let soonest = soon
        .into_iter()
        .chain([moving, numbers, waiting])
        .flatten()
        .min();
    Action::requeue(soonest.unwrap_or(LATE))
}

/// The pause after waiting for `since`: a tenth of it, so that the delay of a detection is at most a tenth.
fn while_moving(since: Duration) -> Duration {
    (since / 10).clamp(SOON, LATER)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_waits_are_checked_less_often() {
        for (since, pause) in [(0, 1), (9, 1), (30, 3), (100, 10), (86_400, 10)] {
            assert_eq!(
                while_moving(Duration::from_secs(since)),
                Duration::from_secs(pause),
                "after {since} s"
            );
        }
    }
}
