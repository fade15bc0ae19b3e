//! HTTP: `POST /send-message`, `/docs` and `/openapi.json`, `/livez`, `/readyz`, `/metrics`. In: requests. Out: answers, each
//! that is not 200 as problem+json. Every check that needs no Kafka comes first; none of them waits for Kafka.

use std::sync::{Arc, mpsc};

use axum::{
    Router,
    extract::{Request, State},
    http::{HeaderMap, HeaderValue, StatusCode, Uri, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::{MethodRouter, get, post},
};
use practice_contract::{PRODUCER_PORT, ProducerSettings};
use practice_serve::{AtMost, check_head, hold};
use rdkafka::types::RDKafkaErrorCode;
use serde::Serialize;
use tokio::time::Instant;
use utoipa::ToSchema;

use crate::{
    body::{self, Room, Share, largest_body},
    docs,
    error::{Problem, ProblemBody},
    failure::Failure,
    load::Counts,
    message::{Message, cut},
    metrics::{self, Metrics},
    send::{Delivery, Kafka, connection},
    topic_config::ConfigReader,
    topics::Topics,
};

/// Bytes that larger bodies may occupy together, unless one alone may be larger.
const LARGE_BODIES: usize = 8 * 1024 * 1024;

/// Answers with metrics at a time.
const METRICS_AT_ONCE: usize = 2;

/// State of the routes. When it is dropped, topics are no longer polled.
pub struct App {
    pub(crate) kafka: Arc<Kafka>,
    pub(crate) topics: Arc<Topics>,
    pub(crate) load: Arc<Counts>,
    metrics: Metrics,
    room: Room,
    _poller: mpsc::Sender<()>,
}

impl App {
    /// Creates a client and begins to poll its topics. Does not wait, because Kafka may be unreachable.
    pub fn new(settings: &ProducerSettings) -> Result<Self, crate::Error> {
        let kafka = Arc::new(Kafka::new(settings).map_err(crate::Error::Client)?);
        let topics = Arc::new(Topics::new(settings));
        let reader = ConfigReader::new(connection(settings));
        let room = match topics.client_limit() {
            limit if limit <= LARGE_BODIES => LARGE_BODIES,
            limit => largest_body(limit),
        };
        let poller = topics
            .watch(Arc::clone(&kafka), reader)
            .map_err(crate::Error::Thread)?;
        let load = Arc::default();
        let metrics = Metrics::new(&load);
        Ok(Self {
            kafka,
            topics,
            load,
            metrics,
            room: Room::new(room),
            _poller: poller,
        })
    }
}

/// The answer to a message that is in the topic.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Sent {
    /// `OK`.
    #[schema(example = "OK")]
    pub status_message: &'static str,
    /// 200.
    #[schema(example = 200)]
    pub status_code: u16,
    /// The same as a sentence.
    pub message: String,
    /// The topic it is in.
    #[schema(example = "my-topic")]
    pub topic: String,
    /// Its partition, from 0.
    #[schema(example = 0)]
    pub partition: i32,
    /// Its offset in the partition. `null` when Kafka had stored an earlier attempt of the client and no longer knows where.
    #[schema(example = 41)]
    pub offset: Option<i64>,
    /// Its time, in milliseconds since the epoch.
    #[schema(example = 1_767_225_600_000_i64)]
    pub timestamp: i64,
    /// The random key that it got, as the practice's `producer.keys` specifies. `null` when the request has a key or keys are none.
    pub random_key: Option<String>,
    /// Partitions of the topic: without a `partition` in the request, the hash of the key modulo this number is the partition.
    #[schema(example = 3)]
    pub partitions: i32,
}

/// All routes.
pub fn app(app: Arc<App>) -> Router {
    Router::new()
        .route(
            "/send-message",
            post(send_message).fallback(async |request: Request| wrong_method(&request, "POST")),
        )
        .route("/docs", reads(get(docs::page)))
        .route("/docs/page.js", reads(get(docs::script)))
        .route("/docs/page.css", reads(get(docs::style)))
        .route("/openapi.json", reads(get(openapi)))
        .merge(probe_routes())
        .route("/metrics", reads(get(text).layer(metrics_bound())))
        .fallback(async |uri: Uri| Problem::NoRoute(cut(uri.path(), 200)))
        .with_state(app)
}

fn metrics_bound() -> AtMost {
    AtMost::new(METRICS_AT_ONCE).refusing(|message| Problem::Busy(message).into_response())
}

/// The routes of probes alone.
pub fn probes(app: Arc<App>) -> Router {
    probe_routes().with_state(app)
}

fn probe_routes() -> Router<Arc<App>> {
    Router::new()
        .route("/livez", reads(get(async || "ok\n")))
        .route("/readyz", reads(get(readyz)))
}

fn reads(page: MethodRouter<Arc<App>>) -> MethodRouter<Arc<App>> {
    page.fallback(async |request: Request| wrong_method(&request, "GET, HEAD"))
}

/// Refuses pages of other origins, for a listener on a loopback address.
pub fn refuse_other_pages(routes: Router) -> Router {
    routes.layer(middleware::from_fn(async |request: Request, next: Next| {
        let (head, body) = request.into_parts();
        match check_head(&head, &[], true) {
            Ok(()) => next.run(Request::from_parts(head, body)).await,
            Err(foreign) => Problem::Foreign(foreign).into_response(),
        }
    }))
}

/// Send a message
///
/// Answers after every in-sync replica of the partition has the message.
#[utoipa::path(
    post,
    path = "/send-message",
    request_body = Message,
    responses(
        (status = 200, description = "The message is in the topic", body = Sent),
        (status = 400, description = "The body is not JSON", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "The topic is not one that may be sent to; the answer lists those", body = ProblemBody, content_type = "application/problem+json"),
        (status = 408, description = "The body did not arrive in time", body = ProblemBody, content_type = "application/problem+json"),
        (status = 413, description = "The message is larger than the topic accepts; the answer names the limit", body = ProblemBody, content_type = "application/problem+json"),
        (status = 415, description = "The content type is not application/json, or the body is compressed or UTF-16", body = ProblemBody, content_type = "application/problem+json"),
        (status = 422, description = "A field is missing, unknown, of the wrong type or out of range; the answer names field, value and fix", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "Not persisted, safe to retry after the seconds in Retry-After", body = ProblemBody, content_type = "application/problem+json"),
        (status = 504, description = "Unknown whether persisted: sending again may store the message twice", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn send_message(State(app): State<Arc<App>>, request: Request) -> Response {
    let begun = Instant::now();
    let mut share = None;
    let response = match answer(&app, request, &mut share).await {
        Ok(sent) => {
            let body =
                serde_json::to_vec(&sent).expect("should serialize: only strings and numbers");
            (
                [(
                    header::CONTENT_TYPE,
                    HeaderValue::from_static("application/json"),
                )],
                body,
            )
                .into_response()
        }
        Err(problem) => problem.into_response(),
    };
    app.metrics.answered(response.status(), begun.elapsed());
    match share {
        Some(share) => hold(response, share),
        None => response,
    }
}

/// Sends a message. `share` is to be held until the answer is sent.
async fn answer(app: &App, request: Request, share: &mut Share) -> Result<Sent, Problem> {
    let (parts, body) = request.into_parts();
    is_json(&parts.headers, || app.topics.example())?;
    body::is_identity(&parts.headers)?;
    let (bytes, taken) = body::read(body, app.topics.largest_limit(), &app.room).await?;
    *share = taken;
    let message = Message::read(body::plain(&bytes)?)?;
    drop(bytes);
    let partitions = app.topics.partitions(&message.topic)?;
    if let Some(partition) = message
        .partition
        .filter(|partition| *partition >= partitions)
    {
        return Err(out_of_range(&message.topic, partition, partitions));
    }
    let attempted = app.kafka.attempted(&message);
    if let Some(limit) = app.topics.unchecked_limit(&message.topic)
        && attempted.bytes > limit
    {
        let failure = Failure::before_sending(RDKafkaErrorCode::MessageSizeTooLarge);
        return Err(failure.problem(&attempted, &app.topics));
    }
    let random_key = message.key.is_none().then(|| app.kafka.random_key());
    let random_key = random_key.flatten();
    let key = message.key.as_deref().or(random_key.as_deref());
    let Delivery {
        partition,
        offset,
        timestamp,
    } = app.kafka.send(&message, key).await.map_err(|failure| {
        app.topics.doubt_configs();
        failure.problem(&app.kafka.attempted(&message), &app.topics)
    })?;
    let place = offset.map_or_else(String::new, |offset| format!(" at offset {offset}"));
    Ok(Sent {
        status_message: "OK",
        status_code: StatusCode::OK.as_u16(),
        message: format!(
            "the message is in topic {}, partition {partition}{place}",
            message.topic
        ),
        topic: message.topic,
        partition,
        offset,
        timestamp,
        random_key,
        partitions,
    })
}

fn out_of_range(topic: &str, partition: i32, partitions: i32) -> Problem {
    let fix = match partitions {
        1 => "has only partition 0: write 0".to_owned(),
        _ => format!(
            "has {partitions} partitions: write a number from 0 to {}",
            partitions - 1
        ),
    };
    let shown = if partition == i32::MAX {
        "too large".to_owned()
    } else {
        partition.to_string()
    };
    Problem::field(
        "partition",
        format!("`partition` is {shown}: topic `{topic}` {fix}, or leave it out"),
    )
}

/// `application/json`, with or without parameters. Nothing else: a form that another site sends is not taken for JSON.
fn is_json(headers: &HeaderMap, topic: impl Fn() -> String) -> Result<(), Problem> {
    let declared = headers.get(header::CONTENT_TYPE).map(HeaderValue::as_bytes);
    let kind = declared
        .unwrap_or_default()
        .split(|byte| *byte == b';')
        .next()
        .unwrap_or_default();
    if kind.trim_ascii().eq_ignore_ascii_case(b"application/json") {
        return Ok(());
    }
    let found = match declared {
        Some(kind) => format!("`{}`", cut(&kind.escape_ascii().to_string(), 60)),
        None => "missing".to_owned(),
    };
    let host = headers
        .get(header::HOST)
        .and_then(|host| host.to_str().ok())
        .filter(|host| is_plain(host));
    let host = host.map_or_else(|| format!("localhost:{PRODUCER_PORT}"), str::to_owned);
    let topic = topic();
    let curl = format!(
        r#"curl -X POST {host}/send-message -H 'Content-Type: application/json' -d '{{"topic": "{topic}", "value": "hello"}}'"#
    );
    Err(Problem::NotJson { found, curl })
}

/// A host that may stand in a command to be copied.
fn is_plain(host: &str) -> bool {
    (1..=100).contains(&host.len())
        && host
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "-.:[]".contains(c))
}

fn wrong_method(request: &Request, allowed: &'static str) -> Problem {
    let (method, path) = (
        cut(request.method().as_str(), 20),
        cut(request.uri().path(), 200),
    );
    Problem::WrongMethod {
        method,
        path,
        allowed,
    }
}

async fn openapi(State(app): State<Arc<App>>) -> Response {
    docs::openapi(app.topics.wanted())
}

async fn readyz(State(app): State<Arc<App>>) -> (StatusCode, &'static str) {
    if app.topics.seen() {
        (StatusCode::OK, "ok\n")
    } else {
        (
            StatusCode::SERVICE_UNAVAILABLE,
            "Kafka has not been reached yet\n",
        )
    }
}

async fn text(State(app): State<Arc<App>>) -> Response {
    (
        [(header::CONTENT_TYPE, metrics::CONTENT_TYPE)],
        app.metrics.text(&app.kafka, &app.topics),
    )
        .into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_json_is_json_and_the_curl_is_fit_to_be_copied() {
        let check = |kind: &str, host: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::CONTENT_TYPE, kind.parse().expect("a header"));
            headers.insert(header::HOST, host.parse().expect("a header"));
            is_json(&headers, || "t".to_owned()).map_err(|problem| problem.to_string())
        };
        for kind in [
            "application/json",
            "application/json; charset=utf-8",
            "Application/JSON",
        ] {
            assert_eq!(check(kind, "h"), Ok(()));
        }
        for kind in [
            "text/plain",
            "application/x-www-form-urlencoded",
            "application/jsonp",
            "",
        ] {
            assert!(
                check(kind, "h:8081")
                    .expect_err(kind)
                    .contains("curl -X POST h:8081/send-message -H")
            );
        }
        assert!(
            check("text/plain", "h';reboot;'")
                .expect_err("unsafe")
                .contains("curl -X POST localhost:8081/")
        );
        assert!(
            is_json(&HeaderMap::new(), String::new)
                .expect_err("none")
                .to_string()
                .contains("content type is missing")
        );
    }

    #[test]
    fn the_range_is_named() {
        assert!(
            out_of_range("t", 9, 1)
                .to_string()
                .contains("`partition` is 9: topic `t` has only partition 0")
        );
        assert!(
            out_of_range("t", 3, 3)
                .to_string()
                .contains("has 3 partitions: write a number from 0 to 2")
        );
    }
}
