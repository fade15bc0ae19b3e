//! In: status as it was and as it should read, and what was decided on the way. Out: the status subresource and events,
//! written only when their meaning changed. Deliberately absent: any judgement (that is `status` and `story`).

use std::time::Duration;

use k8s_openapi::api::core::v1::ObjectReference;
use kube::{
    Api, Client, Resource, ResourceExt,
    api::{Patch, PatchParams},
    runtime::events::{Event, EventType, Recorder},
};
use practice_api::{ConsumerGroupPractice, PracticeStatus};
use practice_plan::{
    events::{PracticeEvent, Severity},
    names::hash,
    status::{News, news},
};
use serde_json::json;

use crate::{
    apply::{MANAGER, code},
    error::{Error, within},
};

/// Shortest time between two writes of status that differ in nothing but how large a lag is.
pub const LAG_PAUSE: Duration = Duration::from_secs(10);

/// What became of a status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Published {
    /// Nothing to say.
    Unchanged,
    /// Written.
    Written,
    /// Only numbers of a lag changed, too soon after the last write: to be looked at again after this time.
    Later(Duration),
}

/// Writes status if it says something new. `since` is the time since its last write.
///
/// # Errors
/// [`Error::Publish`] when Kubernetes refuses or does not answer.
pub async fn publish(
    client: &Client,
    practice: &ConsumerGroupPractice,
    before: Option<&PracticeStatus>,
    status: &PracticeStatus,
    since: Duration,
) -> Result<Published, Error> {
    match news(before, status) {
        News::None => return Ok(Published::Unchanged),
        News::Numbers if since < LAG_PAUSE => {
            return Ok(Published::Later(LAG_PAUSE.saturating_sub(since)));
        }
        News::Numbers | News::Meaning => {}
    }
    let name = practice.name_any();
    let api: Api<ConsumerGroupPractice> =
        Api::namespaced(client.clone(), &practice.namespace().unwrap_or_default());
    let body = json!({
        "apiVersion": "kafka-practice.dev/v1alpha1", "kind": "ConsumerGroupPractice",
        "metadata": {"name": name, "uid": practice.uid()}, "status": status,
    });
    let params = PatchParams::apply(MANAGER).force();
    match within(
        format!("write status of {name}"),
        api.patch_status(&name, &params, &Patch::Apply(&body)),
    )
    .await
    {
        Ok(_) => Ok(Published::Written),
        // deleted meanwhile (and perhaps made again): nothing to say about it any more
        Err(error) if matches!(code(&error), Some(404 | 409)) => Ok(Published::Unchanged),
        Err(error) => Err(Error::Publish(error)),
    }
}

/// What a sentence is about. Events that agree in reason and subject are counted as one, which keeps the first one's text:
/// so another text has to be another subject.
fn subject(practice: &ConsumerGroupPractice, sentence: &PracticeEvent) -> ObjectReference {
    let of_practice = || ("ConsumerGroupPractice", practice.name_any());
    let (kind, name) = sentence.subject.clone().unwrap_or_else(of_practice);
    ObjectReference {
        kind: Some(kind.to_owned()),
        name: Some(name),
        namespace: practice.namespace(),
        field_path: Some(format!("message{{{}}}", hash(&[&sentence.text]))),
        ..ObjectReference::default()
    }
}

/// Tells each sentence as an event on the practice. An event that cannot be written is logged, not tried again.
pub async fn tell(
    recorder: &Recorder,
    practice: &ConsumerGroupPractice,
    sentences: &[PracticeEvent],
) {
    let reference = practice.object_ref(&());
    for sentence in sentences {
        match sentence.severity {
            Severity::Normal => tracing::info!(reason = sentence.reason, "{}", sentence.text),
            Severity::Warning => tracing::warn!(reason = sentence.reason, "{}", sentence.text),
        }
        let event = Event {
            type_: match sentence.severity {
                Severity::Normal => EventType::Normal,
                Severity::Warning => EventType::Warning,
            },
            reason: sentence.reason.to_owned(),
            // the API server takes at most 1,024 bytes
            note: Some(sentence.text.chars().take(250).collect()),
            action: sentence.action.to_owned(),
            secondary: Some(subject(practice, sentence)),
        };
        if let Err(error) = within("write an event", recorder.publish(&event, &reference)).await {
            tracing::warn!(%error, reason = sentence.reason, "event not written");
        }
    }
}
