//! An HTTP client that a browser's page could be. In: requests. Out: status, headers, JSON, and the events of a stream. Every
//! wait has a deadline.

use std::{net::SocketAddr, time::Duration};

use axum::http::{HeaderMap, Method, Request, Response};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::{
    client::legacy::{Client as Legacy, connect::HttpConnector},
    rt::TokioExecutor,
};
use serde_json::{Map, Value};
use tokio::time::{Instant, sleep, timeout_at};

/// Longer than any step of these tests on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_mins(1);

/// The API path of the practice in these tests.
pub(crate) const P: &str = "/api/practices/ns/p";

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().expect("plain"))
    }

    /// Asserts a refusal with this status whose message contains all `parts`.
    pub(crate) fn is_refusal(&self, status: u16, parts: &[&str]) {
        assert_eq!(self.status, status, "{}", self.text);
        let json = self.json();
        let message = json["message"].as_str().expect("a message");
        for part in parts {
            assert!(message.contains(part), "{part:?} is not in {message:?}");
        }
    }
}

#[derive(Debug, Clone)]
pub(crate) struct Client {
    client: Legacy<HttpConnector, Full<Bytes>>,
    pub(crate) address: SocketAddr,
}

impl Client {
    pub(crate) fn new(address: SocketAddr) -> Self {
        Self {
            client: Legacy::builder(TokioExecutor::new()).build_http(),
            address,
        }
    }

    pub(crate) async fn ask(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Response<Incoming> {
        let mut request = Request::builder()
            .method(method)
            .uri(format!("http://{}{path}", self.address));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::from(body.to_owned())).expect("legal");
        self.client.request(request).await.expect("an answer")
    }

    pub(crate) async fn get(&self, path: &str, headers: &[(&str, &str)]) -> Answer {
        answer(self.ask(Method::GET, path, headers, "").await).await
    }

    /// As the page does it.
    pub(crate) async fn post(&self, path: &str, body: &Value) -> Answer {
        let origin = format!("http://{}", self.address);
        self.post_as(
            path,
            &[("content-type", "application/json"), ("origin", &origin)],
            &body.to_string(),
        )
        .await
    }

    pub(crate) async fn post_as(&self, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        answer(self.ask(Method::POST, path, headers, body).await).await
    }

    pub(crate) async fn stream(&self, path: &str) -> Stream {
        let response = self.ask(Method::GET, path, &[], "").await;
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Stream {
            body: response.into_body(),
            rest: String::new(),
        }
    }

    /// The practice's stream and its first event, the snapshot.
    pub(crate) async fn page(&self) -> (Stream, Value) {
        let mut stream = self.stream(&format!("{P}/stream")).await;
        let first = stream.next().await.expect("it begins");
        assert_eq!(first.name, "snapshot");
        (stream, first.data)
    }
}

async fn answer(response: Response<Incoming>) -> Answer {
    let (parts, body) = response.into_parts();
    let bytes = body.collect().await.expect("a body").to_bytes();
    let text = String::from_utf8(bytes.to_vec()).expect("UTF-8");
    Answer {
        status: parts.status.as_u16(),
        headers: parts.headers,
        text,
    }
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Event {
    pub(crate) id: Option<u64>,
    pub(crate) name: String,
    pub(crate) data: Value,
}

pub(crate) struct Stream {
    body: Incoming,
    rest: String,
}

impl Stream {
    /// The number of bytes that came next; `None`: the stream has ended.
    pub(crate) async fn raw(&mut self) -> Option<usize> {
        let frame = self.body.frame().await?.ok()?;
        Some(frame.data_ref().map_or(0, Bytes::len))
    }

    /// The next event; `None`: the stream has ended.
    pub(crate) async fn next(&mut self) -> Option<Event> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(end) = self.rest.find("\n\n") {
                let event = parse(&self.rest[..end]);
                self.rest.drain(..end + 2);
                return Some(event);
            }
            let frame = timeout_at(deadline, self.body.frame())
                .await
                .expect("an event, or the end, in time")?;
            let Ok(frame) = frame else { return None };
            let data = frame.into_data().expect("data");
            self.rest
                .push_str(std::str::from_utf8(&data).expect("whole events"));
        }
    }

    /// The next event of that name; what comes before is passed over.
    pub(crate) async fn until(&mut self, what: &str, is: impl Fn(&Event) -> bool) -> Event {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let event = timeout_at(deadline, self.next())
                .await
                .unwrap_or_else(|_| panic!("{what}: not in time"));
            let event = event.unwrap_or_else(|| panic!("{what}: the stream has ended"));
            if is(&event) {
                return event;
            }
        }
    }
}

fn parse(text: &str) -> Event {
    let field = |name: &str| text.lines().find_map(|line| line.strip_prefix(name));
    Event {
        id: field("id: ").map(|id| id.parse().expect("a number")),
        name: field("event: ").expect("a name").to_owned(),
        data: serde_json::from_str(field("data: ").expect("data")).expect("JSON"),
    }
}

/// Applies a patch like the page.
pub(crate) fn put_in(whole: &mut Value, patch: &Map<String, Value>) {
    for (key, value) in patch {
        match key.as_str() {
            "groups" => {
                let groups = whole["groups"].as_array_mut().expect("a list");
                for changed in value.as_array().expect("a list") {
                    let there = groups
                        .iter_mut()
                        .find(|group| group["name"] == changed["name"]);
                    *there.expect("it is there") = changed.clone();
                }
            }
            "gone" => {
                let gone = value.as_array().expect("a list");
                whole["groups"]
                    .as_array_mut()
                    .expect("a list")
                    .retain(|group| !gone.contains(&group["name"]));
            }
            "history" => {
                for (group, points) in value.as_object().expect("by group") {
                    let line = &mut whole["history"][group];
                    if line.is_null() {
                        *line = Value::Array(Vec::new());
                    }
                    line.as_array_mut()
                        .expect("points")
                        .extend(points.as_array().expect("points").iter().cloned());
                }
            }
            _ => whole[key] = value.clone(),
        }
    }
}

/// Retries until it is true.
pub(crate) async fn until(what: &str, mut is: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is().await {
        assert!(Instant::now() < deadline, "{what}: not within {PATIENCE:?}");
        sleep(Duration::from_millis(20)).await;
    }
}
