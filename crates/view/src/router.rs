//! HTTP of the live view: the page, its data as JSON and as a stream, logs, and actions. In: requests. Out: answers; each
//! that is not 2xx is `{message}`, one sentence. The mounting program runs the actions.

use axum::{
    Json, Router,
    body::Body,
    extract::{DefaultBodyLimit, Path, Query, Request, State},
    http::{HeaderMap, HeaderValue, StatusCode, Uri, header},
    middleware,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use futures::StreamExt;
use practice_contract::lines::escape;
use practice_serve::AtMost;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    action::Refusal,
    assets::asset,
    doing,
    facts::Key,
    guard::{cut, guard},
    hub::{Hub, NoPage},
};

/// Largest body, in bytes: a message of Kafka's default size, escaped.
const LARGEST_BODY: usize = 2 << 20;
/// Logs that are followed at a time: each is a stream of Kubernetes.
const LOGS_AT_ONCE: usize = 32;
/// First lines of a log without `?tail=`.
const TAIL: usize = 50;
/// Most first lines of a log.
const LONGEST_TAIL: usize = 1_000;

/// All routes. Streams end when [`Hub::run`] does.
pub fn router(hub: Hub) -> Router {
    let practice = Router::new()
        .route("/", get(whole))
        .route("/stream", get(stream))
        .route("/logs/{consumer}", get(logs).layer(logs_bound()))
        .route("/send", post(doing::send))
        .route("/load", post(doing::load))
        .route("/groups/{group}/plan", get(doing::plan))
        .route("/groups/{group}/{verb}", post(doing::group))
        .route("/consumers/{consumer}/{verb}", post(doing::consumer))
        .route("/brokers/{broker}/{verb}", post(doing::broker));
    Router::new()
        .route("/", get(index))
        .route("/p/{namespace}/{name}", get(index))
        .route("/assets/{*path}", get(file))
        .route("/api/practices", get(list))
        .nest("/api/practices/{namespace}/{name}", practice)
        .fallback(nothing)
        .method_not_allowed_fallback(wrong_method)
        .layer(DefaultBodyLimit::max(LARGEST_BODY))
        .layer(middleware::from_fn_with_state(hub.clone(), guard))
        .with_state(hub)
}

fn logs_bound() -> AtMost {
    AtMost::new(LOGS_AT_ONCE)
        .refusing(|message| Refusal::new(StatusCode::SERVICE_UNAVAILABLE, message).into_response())
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let mut body = json!({"message": self.message});
        if let Some(how) = self.how {
            body["how"] = json!(how);
        }
        (self.status, Json(body)).into_response()
    }
}

async fn index(headers: HeaderMap) -> Response {
    asset("index.html", &headers)
}

async fn file(Path(path): Path<String>, headers: HeaderMap) -> Response {
    asset(&path, &headers)
}

async fn nothing(uri: Uri) -> Refusal {
    Refusal::unknown(format!("no such path: `{}`", cut(uri.path())))
}

async fn wrong_method(request: Request) -> Refusal {
    let (method, path) = (cut(request.method().as_str()), cut(request.uri().path()));
    Refusal::new(
        StatusCode::METHOD_NOT_ALLOWED,
        format!("method {method} is not allowed for `{path}`"),
    )
}

async fn list(State(hub): State<Hub>) -> Response {
    Json(hub.list()).into_response()
}

async fn whole(State(hub): State<Hub>, Path(key): Path<Key>) -> Result<Json<Value>, Refusal> {
    hub.whole(&key).map(Json).ok_or_else(|| no_practice(&key))
}

async fn stream(State(hub): State<Hub>, Path(key): Path<Key>) -> Result<Response, Refusal> {
    let page = hub.open(&key).map_err(|why| match why {
        NoPage::Unknown => no_practice(&key),
        NoPage::Full => Refusal::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "too many pages are open: close some",
        ),
    })?;
    Ok(events(Body::from_stream(
        page.map(Ok::<_, std::convert::Infallible>),
    )))
}

#[derive(Deserialize)]
struct Tail {
    tail: Option<usize>,
}

async fn logs(
    State(hub): State<Hub>,
    Path((namespace, name, consumer)): Path<(String, String, String)>,
    Query(Tail { tail }): Query<Tail>,
) -> Result<Response, Refusal> {
    let key = (namespace, name);
    doing::known_consumer(&hub, &key, &consumer)?;
    let tail = tail.unwrap_or(TAIL).min(LONGEST_TAIL);
    let lines = (hub.means().logs)(key, consumer, tail).await?;
    let frames = lines
        .map(|line| {
            let mut escaped = String::with_capacity(line.len());
            escape(&mut escaped, line.as_bytes());
            format!("event: line\ndata: {}\n\n", json!(escaped))
        })
        .chain(futures::stream::once(async {
            "event: end\ndata: {}\n\n".to_owned()
        }))
        .take_until(hub.closing().cancelled_owned());
    Ok(events(Body::from_stream(
        frames.map(Ok::<_, std::convert::Infallible>),
    )))
}

fn events(body: Body) -> Response {
    let mut response = Response::new(body);
    response.headers_mut().insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("text/event-stream"),
    );
    response
}

pub(crate) fn no_practice((namespace, name): &Key) -> Refusal {
    Refusal::unknown(format!(
        "there is no practice `{}` in namespace `{}`",
        cut(name),
        cut(namespace)
    ))
}
