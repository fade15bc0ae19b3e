//! One practice, from what is wanted to what is said about it: the steps in their order, and when to look again.

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;
use kube::runtime::controller::Action;
use practice_api::{ConsumerGroupPractice, PracticeStatus};
use practice_plan::{
    events::{events, rebalances},
    outcome::{Prepared, Running},
    plan::{GroupPlan, plan},
    status::status,
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
    publish::{Published, publish, tell},
    view,
};

/// How soon to look again while something is on its way that no watch reports, at first.
const SOON: Duration = Duration::from_secs(1);
/// How soon to look again at what has been on its way for long, such as a group with a member that is none of its pods, or waits for
/// somebody: for a topic that is not as it should be (its configuration, or how many brokers there are, is in no look), or for
/// what other practices use of a policy.
const LATER: Duration = Duration::from_secs(10);
/// How long to be content with watches when nothing is on its way.
const LATE: Duration = Duration::from_mins(5);

/// Brings one practice a step closer to its manifest and says where it stands.
///
/// # Errors
/// Kubernetes refused or did not answer. A bad spec and a Kafka that is down are no errors: status says so.
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
    let mut noted = JournalUpdate::default();
    if let Ok(plan) = &plan {
        journal::take_up(&context.client, plan, &context.memories).await?;
        let live = metrics.step("live", live(&context.client, plan)).await?;
        let holder = |group: &GroupPlan| context.holder(plan, group);
        prepared = metrics
            .step(
                "prepare",
                prepare(plan, &live, &holder, &context.memories, before),
            )
            .await;
        consumers = view::consumers(plan, &live);
        let objects = objects(&prepared.placed(plan), &prepared.holds, &live.rows(plan));
        running = metrics
            .step("apply", apply(&context.client, plan, &objects, live))
            .await?;
        journal::wants(plan, &prepared, &running, &context.memories);
        let look = metrics
            .step(
                "observe",
                observe(plan, &prepared, before, &context.memories),
            )
            .await;
        noted = journal::note(
            plan,
            &prepared,
            &look.look,
            &context.memories,
            context.now(),
        );
        metrics
            .step(
                "journal",
                journal::measure(plan, &mut noted, &context.http, &context.memories),
            )
            .await;
        tell(&context.recorder, &practice, &rebalances(&noted.told)).await;
        seen = Some(look);
    } else {
        context.memories.blind(&key(&practice));
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
        after.rebalances = std::mem::take(&mut noted.latest);
        journal::keep(&context.client, plan, &context.memories).await?;
    }
    view::show(
        &context,
        &practice,
        plan.as_ref().ok(),
        consumers,
        seen.as_ref(),
        &after,
    );
    metrics.show(&key(&practice), running.changes.len(), &after, &noted);
    let published = metrics
        .step(
            "publish",
            publish(&context.client, &practice, before, &after, since),
        )
        .await?;
    tell(
        &context.recorder,
        &practice,
        &events(&prepared, &running, before, &after),
    )
    .await;
    let (as_it_is, soon) = (
        context.memories.as_it_is(&key(&practice)),
        [seen.and_then(|seen| seen.again), noted.again],
    );
    let action = again(&published, soon, &after, as_it_is, context.now());
    if published == Published::Written {
        context.memories.written(&practice, after, context.now());
    }
    Ok(action)
}

/// When to look again without being asked to.
fn again(
    published: &Published,
    soon: [Option<Duration>; 2],
    status: &PracticeStatus,
    as_it_is: Duration,
    now: Timestamp,
) -> Action {
    let so = |kind: &str| {
        status
            .condition(kind)
            .filter(|condition| condition.status == "True")
    };
    let since =
        |since: Timestamp| Duration::try_from(now.duration_since(since)).unwrap_or_default();
    let moving = so("Reconciling")
        .map(|moving| while_moving(since(moving.last_transition_time.0).min(as_it_is)));
    let numbers = match published {
        Published::Later(pause) => Some(*pause),
        Published::Unchanged | Published::Written => None,
    };
    let waiting = (so("Stalled").is_some() || status.topics.iter().any(|topic| !topic.ready))
        .then_some(LATER);
    let soonest = soon
        .into_iter()
        .chain([moving, numbers, waiting])
        .flatten()
        .min();
    Action::requeue(soonest.unwrap_or(LATE))
}

/// The pause while something has been on its way for so long: a tenth of it, so that nothing is noticed much later than it could be.
fn while_moving(since: Duration) -> Duration {
    (since / 10).clamp(SOON, LATER)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_takes_long_is_looked_at_more_seldom() {
        for (since, pause) in [(0, 1), (9, 1), (30, 3), (100, 10), (86_400, 10)] {
            assert_eq!(
                while_moving(Duration::from_secs(since)),
                Duration::from_secs(pause),
                "after {since} s"
            );
        }
    }
}
