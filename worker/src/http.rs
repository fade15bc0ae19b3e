//! HTTP for probes, people and the operator: `/livez`, `/readyz`, `/metrics`, `/status`, `/events`, `/handled`. In: the shared
//! state. Out: that state. Read-only, without keys and values of messages.

use std::{convert::Infallible, sync::Arc, time::Duration};

use axum::{
    Json, Router,
    extract::{Query, Request, State, rejection::QueryRejection},
    http::{StatusCode, header},
    middleware::{self, Next},
    response::{
        IntoResponse, Response, Sse,
        sse::{Event, KeepAlive},
    },
    routing::get,
};
use futures::{Stream, StreamExt};
use practice_contract::{events::WorkerEvent, handled::HandledQuery, status::WorkerStatus};
use practice_serve::{AtMost, check_head};
use tokio_stream::wrappers::BroadcastStream;
use tokio_util::sync::CancellationToken;

use crate::{metrics, shared::Shared};

/// Streams of events at a time: the operator or local mode reads one, people some.
const MOST_STREAMS: usize = 32;
/// Answers with metrics at a time.
const METRICS_AT_ONCE: usize = 2;
/// Answers with handled messages at a time.
const HANDLED_AT_ONCE: usize = 4;
/// Interval of keep-alive comments on an idle stream.
const KEEP_ALIVE: Duration = Duration::from_secs(10);

#[derive(Clone)]
struct App {
    shared: Arc<Shared>,
    /// The group was left.
    left: CancellationToken,
    streams: AtMost,
}

/// All routes, and those of probes; `/events` ends when the group was `left`. On a loopback address pages of other origins are
/// refused.
pub(crate) fn routers(
    shared: Arc<Shared>,
    left: CancellationToken,
    is_loopback: bool,
) -> (Router, Router) {
    let app = App {
        shared,
        left,
        streams: AtMost::new(MOST_STREAMS),
    };
    let probes = Router::new()
        .route("/livez", get(livez))
        .route("/readyz", get(readyz));
    let metrics = get(metrics).layer(AtMost::new(METRICS_AT_ONCE));
    let mut all = probes
        .clone()
        .route("/metrics", metrics)
        .route("/status", get(status))
        .route("/handled", get(handled).layer(AtMost::new(HANDLED_AT_ONCE)))
        .route("/events", get(events).layer(app.streams.clone()));
    if is_loopback {
        all = all.layer(middleware::from_fn(own_pages));
    }
    (all.with_state(app.clone()), probes.with_state(app))
}

async fn own_pages(request: Request, next: Next) -> Response {
    let (head, body) = request.into_parts();
    match check_head(&head, &[], true) {
        Ok(()) => next.run(Request::from_parts(head, body)).await,
        Err(foreign) => (StatusCode::FORBIDDEN, format!("{foreign}\n")).into_response(),
    }
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
    match metrics::text(&app.shared, app.streams.count()) {
        Ok(text) => ([(header::CONTENT_TYPE, metrics::CONTENT_TYPE)], text).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")).into_response(),
    }
}

async fn status(State(app): State<App>) -> Json<WorkerStatus> {
    Json(app.shared.status())
}

/// `GET /handled?topic=&partition=&from=&to=`, each of them optional.
async fn handled(
    State(app): State<App>,
    query: Result<Query<HandledQuery>, QueryRejection>,
) -> Response {
    match query {
        Ok(Query(query)) => Json(app.shared.handled(&query)).into_response(),
        Err(error) => {
            let legal =
                "write topic=NAME, partition=NUMBER, from=OFFSET, to=OFFSET, or leave them out";
            let text = format!("{}: {legal}\n", error.body_text());
            (StatusCode::BAD_REQUEST, text).into_response()
        }
    }
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
