//! In: status before and after, and Events. Out: writes of the status subresource and of Events, only when their meaning changed.
//! Deliberately absent: decisions, which are made in `status` and `events`.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::ObjectReference;
use kube::{
    Api, Client, Resource, ResourceExt,
    api::{Patch, PatchParams},
    core::PartialObjectMeta,
    runtime::events::{Event, EventType, Recorder},
};
use practice_api::{ConsumerGroupPractice, PracticeStatus};
use practice_plan::{
    events::{PracticeEvent, Severity},
    names::hash,
    status::{News, news},
};
use serde::Serialize;
use serde_json::{Value, json};

use crate::{
    Context,
    apply::{MANAGER, code},
    error::{Error, within},
    memory::PracticeStates,
};

/// Shortest time between two writes of status that differ only in numbers of a lag.
pub const LAG_PAUSE: Duration = Duration::from_secs(10);
/// Bytes of a status that is written whenever its meaning changes; a larger one has a budget a minute.
const SMALL: usize = 8 << 10;

/// The result of publishing a status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Published {
    /// No change.
    Unchanged,
    /// Written: so many bytes count.
    Written(usize),
    /// Only numbers of a lag changed, too soon after the last write: reconcile again after this time.
    Later(Duration),
    /// Its meaning changed, and the status is large: reconcile again after this time.
    Delayed(Duration),
}

/// What is applied. Not a JSON tree, which of a large status takes a megabyte.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Body<'a> {
    api_version: &'static str,
    kind: &'static str,
    metadata: Value,
    status: &'a PracticeStatus,
}

/// Writes status if it changed. `since` is the time since the last write, `wait` that until a large status may be written.
///
/// # Errors
/// [`Error::Publish`] when Kubernetes refuses or does not answer.
pub async fn publish(
    client: &Client,
    practice: &ConsumerGroupPractice,
    before: Option<&PracticeStatus>,
    status: &PracticeStatus,
    since: Duration,
    wait: Option<Duration>,
) -> Result<Published, Error> {
    let news = news(before, status);
    match news {
        News::None => return Ok(Published::Unchanged),
        News::Numbers if since < LAG_PAUSE => {
            return Ok(Published::Later(LAG_PAUSE.saturating_sub(since)));
        }
        News::Numbers | News::Meaning => {}
    }
    let bytes = serde_json::to_string(status).map_or(0, |text| text.len());
    let bytes = if bytes > SMALL { bytes } else { 0 };
    match wait.filter(|_| bytes > 0) {
        Some(wait) if news == News::Numbers => return Ok(Published::Later(wait)),
        Some(wait) => return Ok(Published::Delayed(wait)),
        None => {}
    }
    let name = practice.name_any();
    // the answer is not needed, and where the spec of a practice cannot be decoded, neither can the answer
    let api: Api<PartialObjectMeta<ConsumerGroupPractice>> =
        Api::namespaced(client.clone(), &practice.namespace().unwrap_or_default());
    let body = Body {
        api_version: "kafka-practice.dev/v1alpha1",
        kind: "ConsumerGroupPractice",
        metadata: json!({"name": name, "uid": practice.uid()}),
        status,
    };
    let params = PatchParams::apply(MANAGER).force();
    match within(
        format!("write status of {name}"),
        api.patch_status(&name, &params, &Patch::Apply(&body)),
    )
    .await
    {
        Ok(_) => Ok(Published::Written(bytes)),
        // deleted meanwhile, and perhaps recreated
        Err(error) if matches!(code(&error), Some(404 | 409)) => Ok(Published::Unchanged),
        Err(error) => Err(Error::Publish(error)),
    }
}

/// Records a status that was computed at `now`, and published like this: the next one is compared with it.
pub fn record(
    published: Published,
    practice: &ConsumerGroupPractice,
    status: PracticeStatus,
    memories: &PracticeStates,
    now: Timestamp,
) {
    match published {
        Published::Written(bytes) => memories.written(practice, status, now, bytes),
        Published::Delayed(_) => memories.computed(practice, status, true),
        Published::Unchanged | Published::Later(_) => memories.computed(practice, status, false),
    }
}

/// The related object of an Event. Kubernetes counts Events with the same reason and objects as one, and keeps the first text:
/// so the reference contains a hash of the text.
fn subject(practice: &ConsumerGroupPractice, practice_event: &PracticeEvent) -> ObjectReference {
    let of_practice = || ("ConsumerGroupPractice", practice.name_any());
    let (kind, name) = practice_event.subject.clone().unwrap_or_else(of_practice);
    ObjectReference {
        kind: Some(kind.to_owned()),
        name: Some(name),
        namespace: practice.namespace(),
        field_path: Some(format!("message{{{}}}", hash(&[&practice_event.text]))),
        ..ObjectReference::default()
    }
}

/// The longest beginning of a text that the API server accepts: at most 1,024 bytes.
fn note(text: &str) -> &str {
    &text[..text.floor_char_boundary(1024)]
}

/// Emits Events on the practice, of each kind one a minute: the others wait in memory, and are emitted by a later call.
pub async fn emit_events(
    context: &Context,
    practice: &ConsumerGroupPractice,
    practice_events: Vec<PracticeEvent>,
) {
    let due = context.memories.due_events(practice, practice_events);
    emit_now(&context.recorder, practice, &due).await;
}

/// Emits Events on the practice. An Event that cannot be written is logged and not retried.
pub async fn emit_now(
    recorder: &Recorder,
    practice: &ConsumerGroupPractice,
    practice_events: &[PracticeEvent],
) {
    let reference = practice.object_ref(&());
    for practice_event in practice_events {
        match practice_event.severity {
            Severity::Normal => {
                tracing::info!(reason = practice_event.reason, "{}", practice_event.text);
            }
            Severity::Warning => {
                tracing::warn!(reason = practice_event.reason, "{}", practice_event.text);
            }
        }
        let event = Event {
            type_: match practice_event.severity {
                Severity::Normal => EventType::Normal,
                Severity::Warning => EventType::Warning,
            },
            reason: practice_event.reason.to_owned(),
            note: Some(note(&practice_event.text).to_owned()),
            action: practice_event.action.to_owned(),
            secondary: Some(subject(practice, practice_event)),
        };
        if let Err(error) = within("write an Event", recorder.publish(&event, &reference)).await {
            tracing::warn!(%error, reason = practice_event.reason, "Event not written");
        }
    }
}
