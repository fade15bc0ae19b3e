//! The end of a practice, which is a state: consumers stop, topics are deleted, the finalizer is removed, and status names what is
//! waited for. A finalizer is set only where a topic has `deletionPolicy: Delete`; Kubernetes deletes the practice's objects by
//! owner references. In: a practice. Out: whether it is being deleted. Topics that cannot be deleted are given up after
//! `spec.deletionTimeout`, or at once by annotation. Kafka is not contacted for a manifest that is refused.

use std::time::Duration;

use kube::{
    Api, ResourceExt,
    api::{Patch, PatchParams},
    core::error_boundary::InvalidObject,
    runtime::controller::Action,
};
use practice_api::{ConsumerGroupPractice, PracticeStatus};
use practice_plan::{
    labels::KEEP_TOPICS,
    plan::{Plan, SpecFault, plan, topics_to_delete},
    status::ending::{self, Ending, Obstacle, Remaining, Wait},
};
use serde_json::json;

use self::topics::OwnTopics;
use crate::{
    Context,
    apply::code,
    context::key,
    error::{Error, within},
    journal::JournalUpdate,
    publish::{emit_events, emit_now, publish, record},
    view,
};

mod consumers;
mod topics;
mod undecodable;

/// The finalizer for topics.
pub(crate) const FINALIZER: &str = "kafka-practice.dev/topics";
/// A finalizer of Kubernetes: the practice's objects outlive it, as `kubectl delete --cascade=orphan` asks for.
const ORPHAN: &str = "orphan";

/// Pause while consumers stop.
const STOPPING: Duration = Duration::from_secs(1);
/// How long the deletion of topics waits for consumers to stop: a pod on a lost node never ends.
const PATIENCE: Duration = Duration::from_mins(1);
/// Pause before the operator tries again to delete a topic, in the first minute.
const SOON: Duration = Duration::from_secs(5);
/// The same later.
const LATER: Duration = Duration::from_secs(10);

/// Sets or removes the finalizer as the spec needs it; ends a practice that is being deleted. `Some`: the practice is being deleted,
/// and other steps are skipped.
///
/// # Errors
/// [`Error::Finalize`], [`Error::Apply`] or [`Error::Publish`] when Kubernetes refuses or does not answer.
pub(crate) async fn finalize(
    practice: &ConsumerGroupPractice,
    context: &Context,
) -> Result<Option<Action>, Error> {
    let plan = || {
        context
            .memories
            .planned(practice, || plan(practice, &context.defaults))
    };
    if practice.metadata.deletion_timestamp.is_some() {
        let is_deleted =
            |name: &str| topics_to_delete(&practice.spec).any(|topic| topic.name == name);
        let ending = Box::pin(end(practice, plan(), &is_deleted, context));
        return Ok(Some(ending.await?));
    }
    let (marked, needed) = (
        is_marked(practice),
        topics_to_delete(&practice.spec).next().is_some(),
    );
    // a refused manifest creates no topic, and changes nothing
    let allowed = || plan().and_then(|plan| context.allowed(practice, plan));
    if marked != needed && (marked || allowed().is_ok()) {
        mark(practice, context, needed).await?;
    }
    Ok(None)
}

/// Ends a practice that is being deleted and whose manifest cannot be decoded.
///
/// # Errors
/// As [`finalize`].
pub(crate) async fn end_undecodable(
    invalid: &InvalidObject,
    context: &Context,
) -> Result<Action, Error> {
    let Some((practice, kept)) = undecodable::read(invalid, context).await? else {
        return Ok(Action::await_change());
    };
    let fault = SpecFault::Illegal(format!("the manifest cannot be decoded: {}", invalid.error));
    // a topic whose policy cannot be read may be one to delete: it is named
    let is_deleted = |name: &str| !kept.contains(name);
    Box::pin(end(&practice, Err(fault), &is_deleted, context)).await
}

fn is_marked(practice: &ConsumerGroupPractice) -> bool {
    practice.finalizers().iter().any(|it| it == FINALIZER)
}

/// Sets or removes the finalizer.
async fn mark(practice: &ConsumerGroupPractice, context: &Context, set: bool) -> Result<(), Error> {
    let (namespace, name) = key(practice);
    let api: Api<ConsumerGroupPractice> = Api::namespaced(context.client.clone(), &namespace);
    let what = format!("change the finalizer of {name}");
    // with the present resource version: a finalizer that another client adds meanwhile is not lost
    let there = within(what.clone(), api.get_metadata_opt(&name));
    let there = there.await.map_err(Error::Finalize)?;
    let Some(there) = there.filter(|there| there.metadata.uid == practice.metadata.uid) else {
        return Ok(());
    };
    let mut finalizers: Vec<String> = there.finalizers().to_vec();
    finalizers.retain(|finalizer| finalizer != FINALIZER);
    if set {
        finalizers.push(FINALIZER.to_owned());
    }
    let body = json!({"metadata": {"finalizers": finalizers, "resourceVersion": there.resource_version()}});
    let patch = Patch::Merge(&body);
    match within(
        what,
        api.patch_metadata(&name, &PatchParams::default(), &patch),
    )
    .await
    {
        Ok(_) => Ok(()),
        Err(error) if code(&error) == Some(404) => Ok(()),
        Err(error) => Err(Error::Finalize(error)),
    }
}

/// Brings a practice that is being deleted closer to its end. `is_deleted`: whether a topic of this name is deleted with it.
async fn end(
    practice: &ConsumerGroupPractice,
    plan: Result<Plan, SpecFault>,
    is_deleted: &(dyn Fn(&str) -> bool + Sync),
    context: &Context,
) -> Result<Action, Error> {
    let key = key(practice);
    let (others, marked) = (others(practice), is_marked(practice));
    let Some(begun) = practice.metadata.deletion_timestamp.as_ref() else {
        return Ok(Action::await_change());
    };
    if others.is_empty() && !marked {
        context.forget(&key); // Kubernetes removes it
        return Ok(Action::await_change());
    }
    let own = if marked {
        OwnTopics::of(practice, is_deleted, context).await
    } else {
        OwnTopics::default()
    };
    let keep = practice.annotations().get(KEEP_TOPICS);
    let mut ending = Ending::new(&key.1, begun.0, &practice.spec, keep);
    let keeps_objects = others.iter().any(|finalizer| finalizer == ORPHAN);
    let consumers = consumers::stop(practice, keeps_objects, context).await?;
    ending.consumers = consumers.by_group;
    let mut given_up = Vec::new();
    if !own.topics.is_empty() {
        let waited = context.memories.stopping(practice);
        let patience = PATIENCE.min(ending.timeout);
        if consumers.pods > 0 && !keeps_objects && !ending.keeps_topics() && waited < patience {
            ending.waits = Wait::Consumers(consumers.pods);
            show(practice, &ending, context).await?;
            return Ok(Action::requeue(STOPPING));
        }
        match delete_topics(practice, plan, &own, &mut ending, context).await? {
            Deletion::Again(pause) => return Ok(Action::requeue(pause)),
            Deletion::Over(remaining) => given_up = remaining,
        }
    }
    if marked {
        // without the record, topics were given up
        if own.unrecorded.is_none()
            && !topics::close(practice, &own.topics, is_deleted, context).await
        {
            return Ok(Action::requeue(STOPPING));
        }
        if !given_up.is_empty() {
            give_up(practice, &ending, &given_up, context).await;
        }
        mark(practice, context, false).await?;
    }
    if !others.is_empty() {
        ending.waits = Wait::Finalizers(others);
        show(practice, &ending, context).await?;
    }
    context.forget(&key);
    Ok(Action::await_change())
}

/// How far the deletion of topics is.
enum Deletion {
    /// Topics remain: when to try again.
    Again(Duration),
    /// All are deleted, or given up: these.
    Over(Vec<Remaining>),
}

/// Deletes the topics of the practice.
async fn delete_topics(
    practice: &ConsumerGroupPractice,
    plan: Result<Plan, SpecFault>,
    own: &OwnTopics,
    ending: &mut Ending,
    context: &Context,
) -> Result<Deletion, Error> {
    let mut remaining = if ending.keeps_topics() {
        topics::kept(&own.topics, plan.as_ref().ok())
    } else if let Some(why) = &own.unrecorded {
        topics::all(&own.topics, Obstacle::Unrecorded(why.clone()))
    } else {
        let own = &own.topics;
        ending.waits = Wait::Topics(own.iter().map(|topic| topic.name.clone()).collect());
        if !is_blocked(before(practice, context).as_ref())
            && let Err(error) = show(practice, ending, context).await
        {
            tracing::warn!(%error, "status of a practice that is being deleted not written");
        }
        topics::delete(practice, own, plan, context).await
    };
    let blocks = |remaining: &Remaining| remaining.cause.blocks();
    let (now, deadline) = (context.now(), ending.deadline());
    if !remaining.iter().any(blocks) || now >= deadline {
        return Ok(Deletion::Over(remaining));
    }
    remaining.retain(blocks);
    ending.waits = Wait::Blocked(remaining);
    show(practice, ending, context).await?;
    let left = |since: jiff::SignedDuration| Duration::try_from(since).unwrap_or_default();
    let waited = left(now.duration_since(ending.begun));
    let pause = if waited < Duration::from_mins(1) {
        SOON
    } else {
        LATER
    };
    let pause = pause.min(left(deadline.duration_since(now))).max(STOPPING);
    Ok(Deletion::Again(pause))
}

fn is_blocked(status: Option<&PracticeStatus>) -> bool {
    status
        .and_then(|status| status.condition("Reconciling"))
        .is_some_and(|condition| condition.reason == ending::BLOCKED)
}

/// Reports the topics that stay in Kafka. An Event that cannot be written, as in a namespace that is being deleted, is in the log.
async fn give_up(
    practice: &ConsumerGroupPractice,
    ending: &Ending,
    remaining: &[Remaining],
    context: &Context,
) {
    let before = before(practice, context);
    let events = ending::abandoned(ending, remaining, before.as_ref(), context.now());
    emit_now(&context.recorder, practice, &events).await; // the practice does not live until later ones
    let topics = remaining.iter().map(|remaining| remaining.topics.len());
    context.metrics.abandoned(topics.sum());
}

fn before(practice: &ConsumerGroupPractice, context: &Context) -> Option<PracticeStatus> {
    context.memories.before(practice, context.now()).0
}

/// Finalizers of other clients.
fn others(practice: &ConsumerGroupPractice) -> Vec<String> {
    let mut others = practice.finalizers().to_vec();
    others.retain(|finalizer| finalizer != FINALIZER);
    others
}

/// Writes the status, the Event of a deletion that became blocked, and the live view.
async fn show(
    practice: &ConsumerGroupPractice,
    ending: &Ending,
    context: &Context,
) -> Result<(), Error> {
    let (before, since) = context.memories.before(practice, context.now());
    let (before, generation) = (before.as_ref(), practice.metadata.generation);
    let after = ending::status(ending, before, generation, context.now());
    view::show(context, practice, None, Vec::new(), None, &after);
    let (key, update) = (key(practice), JournalUpdate::default());
    context.metrics.show(&key, 0, &after, &update);
    let (written, wait) = context.memories.unwritten(practice);
    let written = written.as_ref().or(before);
    let published = publish(&context.client, practice, written, &after, since, wait).await?;
    let blocked = ending::events(before, &after);
    emit_events(context, practice, blocked.into_iter().collect()).await;
    record(published, practice, after, &context.memories, context.now());
    Ok(())
}
