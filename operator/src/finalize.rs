//! Deletes topics with their practice. A finalizer is set only where a topic has `deletionPolicy: Delete`; Kubernetes deletes the
//! practice's objects by owner references. In: a practice. Out: whether it is being deleted. Deletes only topics in Kafka that
//! this practice created and no other practice uses.

use std::time::Duration;

use kube::{
    Api, ResourceExt,
    api::{Patch, PatchParams},
    runtime::controller::Action,
};
use practice_api::ConsumerGroupPractice;
use practice_plan::plan::{plan, topics_to_delete};
use serde_json::json;

use crate::{
    Context,
    apply::code,
    context::key,
    error::{Error, within},
};

/// The finalizer for topics.
pub(crate) const FINALIZER: &str = "kafka-practice.dev/topics";

/// Pause before the operator tries again to delete a topic.
const AGAIN: Duration = Duration::from_secs(5);

/// Sets or removes the finalizer as the spec needs it; deletes topics of a practice that is being deleted. `Some`: the practice
/// is being deleted, and other steps are skipped.
///
/// # Errors
/// [`Error::Finalize`] when Kubernetes refuses or does not answer.
pub(crate) async fn finalize(
    practice: &ConsumerGroupPractice,
    context: &Context,
) -> Result<Option<Action>, Error> {
    let marked = practice
        .finalizers()
        .iter()
        .any(|finalizer| finalizer == FINALIZER);
    let needed = topics_to_delete(&practice.spec).next().is_some();
    if practice.metadata.deletion_timestamp.is_none() {
        if marked != needed {
            mark(practice, context, needed).await?;
        }
        return Ok(None);
    }
    if marked && let Some(topic) = remaining_topic(practice, context).await {
        tracing::warn!(
            topic,
            "practice is being deleted: waiting to delete the topic, retrying"
        );
        return Ok(Some(Action::requeue(AGAIN)));
    }
    if marked {
        mark(practice, context, false).await?;
    }
    context.forget(&key(practice));
    Ok(Some(Action::await_change()))
}

async fn mark(practice: &ConsumerGroupPractice, context: &Context, set: bool) -> Result<(), Error> {
    let mut finalizers: Vec<String> = practice.finalizers().to_vec();
    finalizers.retain(|finalizer| finalizer != FINALIZER);
    if set {
        finalizers.push(FINALIZER.to_owned());
    }
    let (namespace, name) = key(practice);
    let api: Api<ConsumerGroupPractice> = Api::namespaced(context.client.clone(), &namespace);
    // with the resource version: a finalizer that another client adds meanwhile is not lost
    let body = json!({"metadata": {"finalizers": finalizers, "resourceVersion": practice.resource_version()}});
    let what = format!("change the finalizer of {name}");
    match within(
        what,
        api.patch(&name, &PatchParams::default(), &Patch::Merge(&body)),
    )
    .await
    {
        Ok(_) => Ok(()),
        Err(error) if code(&error) == Some(404) => Ok(()),
        Err(error) => Err(Error::Finalize(error)),
    }
}

/// Deletes the topics of the practice; returns the first that could not be deleted.
async fn remaining_topic(practice: &ConsumerGroupPractice, context: &Context) -> Option<String> {
    let Ok(plan) = plan(practice, &context.defaults) else {
        return None;
    };
    let others = context.others(&plan.uid);
    let named_elsewhere = |topic: &str| {
        others
            .iter()
            .filter_map(|other| other.0.as_ref().ok())
            .any(|other| {
                practice_plan::plan::plan(other, &context.defaults).is_ok_and(|other| {
                    other.bootstrap == plan.bootstrap
                        && other.topics.iter().any(|named| named.name == topic)
                })
            })
    };
    let reader = context.memories.readers.reader(&plan.bootstrap);
    for topic in topics_to_delete(&practice.spec).filter(|topic| !named_elsewhere(&topic.name)) {
        let status = practice
            .status
            .iter()
            .flat_map(|status| &status.topics)
            .find(|status| status.name == topic.name);
        let Some(created) = status.and_then(|status| status.created_topic_id.as_deref()) else {
            continue;
        };
        if let Err(error) = reader.kafka().delete_topic(&topic.name, created).await {
            tracing::warn!(topic = topic.name, %error, "topic not deleted");
            return Some(topic.name.clone());
        }
    }
    None
}
