//! HTTP clients of the tests: one without a socket, one with. In: requests. Out: status, headers, JSON.

use std::{collections::BTreeMap, net::SocketAddr, sync::Arc, time::Duration};

use axum::{
    Router,
    body::{Body, to_bytes},
    http::{HeaderMap, Request, Response},
};
use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper_util::{
    client::legacy::{Client as Legacy, Error, connect::HttpConnector},
    rt::TokioExecutor,
};
use practice_contract::ProducerSettings;
use practice_producer::routes::{App, app, refuse_other_pages};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};
use tower::ServiceExt;

/// Longer than anything here takes on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_mins(1);

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

    /// It is a problem with this status whose detail contains all of this.
    pub(crate) fn is_problem(&self, status: u16, expected: &[&str]) {
        assert_eq!(self.status, status, "{}", self.text);
        assert_eq!(self.header("content-type"), "application/problem+json");
        let json = self.json();
        let detail = json["detail"].as_str().expect("a detail");
        for part in expected {
            assert!(detail.contains(part), "{part:?} is not in {detail:?}");
        }
        assert_eq!(
            (&json["status"], &json["statusCode"]),
            (&json!(status), &json!(status))
        );
        assert_eq!(json["message"], json["detail"]);
        assert!(
            json["type"]
                .as_str()
                .is_some_and(|kind| kind.starts_with("/docs#")),
            "{json}"
        );
        assert!(
            json["title"]
                .as_str()
                .is_some_and(|title| !title.is_empty()),
            "{json}"
        );
    }

    /// It is the answer to a message in this topic; returns the position.
    pub(crate) fn is_sent(&self, topic: &str) -> (i32, i64) {
        assert_eq!(self.status, 200, "{}", self.text);
        assert_eq!(self.header("content-type"), "application/json");
        let json = self.json();
        assert_eq!(
            (&json["statusMessage"], &json["statusCode"]),
            (&json!("OK"), &json!(200))
        );
        assert_eq!(json["topic"], json!(topic));
        assert!(
            json["message"]
                .as_str()
                .is_some_and(|text| text.contains(topic)),
            "{json}"
        );
        assert!(
            json["timestamp"]
                .as_i64()
                .is_some_and(|millis| millis > 1_600_000_000_000),
            "{json}"
        );
        let partition = json["partition"].as_i64().expect("a partition");
        (
            i32::try_from(partition).expect("small"),
            json["offset"].as_i64().expect("an offset"),
        )
    }
}

pub(crate) fn settings(bootstrap: &str, topics: &[&str]) -> ProducerSettings {
    ProducerSettings {
        servers: bootstrap.to_owned(),
        topics: topics.iter().map(ToString::to_string).collect(),
        max_message_bytes: BTreeMap::new(),
        keys_random: true,
        listen: SocketAddr::from(([127, 0, 0, 1], 0)),
        probes: None,
        instance: None,
        load: None,
    }
}

/// The routes without a socket.
#[derive(Clone)]
pub(crate) struct Direct(Router);

impl Direct {
    pub(crate) fn new(settings: &ProducerSettings) -> Self {
        Self(app(Arc::new(App::new(settings).expect("legal settings"))))
    }

    /// The same as a listener on a loopback address has them.
    pub(crate) fn for_loopback(&self) -> Self {
        Self(refuse_other_pages(self.0.clone()))
    }

    /// Waits until topics are known.
    pub(crate) async fn ready(settings: &ProducerSettings) -> Self {
        let direct = Self::new(settings);
        until("ready", async || direct.get("/readyz").await.status == 200).await;
        direct
    }

    pub(crate) async fn send(&self, request: Request<Body>) -> Answer {
        let response = self.0.clone().oneshot(request).await.expect("infallible");
        let (parts, body) = response.into_parts();
        let bytes = to_bytes(body, usize::MAX).await.expect("a body");
        let text = String::from_utf8(bytes.to_vec()).expect("UTF-8");
        Answer {
            status: parts.status.as_u16(),
            headers: parts.headers,
            text,
        }
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(Request::get(path).body(Body::empty()).expect("legal"))
            .await
    }

    pub(crate) async fn post(&self, body: impl Into<Body>) -> Answer {
        let request = Request::post("/send-message").header("content-type", "application/json");
        self.send(request.body(body.into()).expect("legal")).await
    }

    pub(crate) async fn message(&self, message: Value) -> Answer {
        self.post(message.to_string()).await
    }
}

/// A client with sockets that it keeps.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    client: Legacy<HttpConnector, Full<Bytes>>,
    address: SocketAddr,
}

impl Client {
    pub(crate) fn new(address: SocketAddr) -> Self {
        Self {
            client: Legacy::builder(TokioExecutor::new()).build_http(),
            address,
        }
    }

    pub(crate) async fn get(&self, path: &str) -> Result<Answer, Error> {
        let request = Request::get(format!("http://{}{path}", self.address)).body(Full::default());
        answer(self.client.request(request.expect("legal")).await?).await
    }

    pub(crate) async fn message(&self, message: &Value) -> Result<Answer, Error> {
        let request = Request::post(format!("http://{}/send-message", self.address))
            .header("content-type", "application/json")
            .body(Full::from(message.to_string()));
        answer(self.client.request(request.expect("legal")).await?).await
    }

    pub(crate) async fn is_ready(&self) -> bool {
        self.get("/readyz")
            .await
            .is_ok_and(|answer| answer.status == 200)
    }
}

async fn answer(response: Response<hyper::body::Incoming>) -> Result<Answer, Error> {
    let (parts, body) = response.into_parts();
    let bytes = body
        .collect()
        .await
        .map_or_else(|_| Bytes::new(), http_body_util::Collected::to_bytes);
    let text = String::from_utf8(bytes.to_vec()).expect("UTF-8");
    Ok(Answer {
        status: parts.status.as_u16(),
        headers: parts.headers,
        text,
    })
}

/// Tries until it is true.
pub(crate) async fn until(what: &str, mut is: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is().await {
        assert!(Instant::now() < deadline, "{what}: not within {PATIENCE:?}");
        sleep(Duration::from_millis(20)).await;
    }
}
