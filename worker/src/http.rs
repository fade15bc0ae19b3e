//! HTTP for probes, people and the operator: `/livez`, `/readyz`, `/metrics`, `/status`, `/events`. In: the shared state.
//! Out: that state. Read-only, without keys and values of messages.

use std::{convert::Infallible, sync::Arc, time::Duration};

use axum::{
    Json, Router,
    extract::State,
    http::{StatusCode, header},
    response::{
        IntoResponse, Response, Sse,
        sse::{Event, KeepAlive},
    },
    routing::get,
};
use futures::{Stream, StreamExt};
use practice_contract::{events::WorkerEvent, status::WorkerStatus};
use tokio_stream::wrappers::BroadcastStream;
use tokio_util::sync::CancellationToken;

use crate::{metrics, shared::Shared};

/// Interval of keep-alive comments on an idle stream.
const KEEP_ALIVE: Duration = Duration::from_secs(10);

#[derive(Clone)]
struct App {
    shared: Arc<Shared>,
    /// The group was left.
    left: CancellationToken,
}

/// The routes; `/events` ends when the group was `left`.
pub(crate) fn router(shared: Arc<Shared>, left: CancellationToken) -> Router {
    Router::new()
        .route("/livez", get(livez))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .route("/status", get(status))
        .route("/events", get(events))
        .with_state(App { shared, left })
}

async fn livez(State(app): State<App>) -> (StatusCode, &'static str) {
    if app.shared.settings.hold.is_some() {
        (StatusCode::OK, "this consumer does not poll\n")
    } else if app.shared.is_live() {
        (StatusCode::OK, "the poll loop moves\n")
    } else {
        (
            StatusCode::SERVICE_UNAVAILABLE,
            "the poll loop stands still: is standard output read?\n",
        )
    }
}

async fn readyz(State(app): State<App>) -> (StatusCode, String) {
    if let Some(hold) = app.shared.hold() {
        return (StatusCode::SERVICE_UNAVAILABLE, format!("{hold}\n"));
    }
    let group = &app.shared.settings.group;
    let (joined, partitions) = {
        let member = app.shared.member();
        (member.joined, member.partitions())
    };
    if joined {
        (
            StatusCode::OK,
            format!("member of group {group} with {partitions} partitions\n"),
        )
    } else {
        (
            StatusCode::SERVICE_UNAVAILABLE,
            format!("not a member of group {group}\n"),
        )
    }
}

async fn metrics(State(app): State<App>) -> Response {
    match metrics::text(&app.shared) {
        Ok(text) => ([(header::CONTENT_TYPE, metrics::CONTENT_TYPE)], text).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")).into_response(),
    }
}

async fn status(State(app): State<App>) -> Json<WorkerStatus> {
    Json(app.shared.status())
}

async fn events(State(app): State<App>) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    // a reader that falls behind misses events; offsets in later events have its position
    let events = BroadcastStream::new(app.shared.listen())
        .filter_map(|event| async { event.ok() })
        .filter_map(|event| async move { sent(&event).map(Ok) })
        .take_until(app.left.cancelled_owned());
    Sse::new(events).keep_alive(KeepAlive::new().interval(KEEP_ALIVE))
}

fn sent(event: &WorkerEvent) -> Option<Event> {
    Event::default().event(event.word()).json_data(event).ok()
}
