//! Sends messages through the practice's producer, which answers after the broker has acknowledged. In: messages. Out: the
//! producer's answer and how many were sent. Deliberately absent: a Kafka client, and checks that the producer makes.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use axum::http::StatusCode;
use bytes::Bytes;
use futures::StreamExt;
use http_body_util::{BodyExt, Full, Limited};
use hyper::{Request, header};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::{action::Refusal, doing::producer, facts::Key, hub::Hub};

/// Longer than the producer's own timeout.
const PATIENCE: Duration = Duration::from_secs(30);
/// Requests in flight at the same time.
const AT_ONCE: usize = 16;
/// Most messages of one request.
pub(crate) const MOST: u32 = 1_000;
/// Longest answer read from a producer, in bytes.
const LONGEST_ANSWER: usize = 64 * 1024;

/// `count` equal messages, as the page requests them and as the producer accepts each.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Messages {
    topic: String,
    value: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    partition: Option<i32>,
    #[serde(default = "one", skip_serializing)]
    pub(crate) count: u32,
}

fn one() -> u32 {
    1
}

/// Sends them until the producer refuses one. Out: the first answer that is no success, otherwise the last one, with `sent`: how
/// many were acknowledged. Those on their way at a refusal are waited for, because Kafka may store them all the same.
pub(crate) async fn send(
    hub: &Hub,
    key: &Key,
    messages: &Messages,
) -> Result<(StatusCode, Value), Refusal> {
    let producer = producer(hub, key)?;
    let body =
        Bytes::from(serde_json::to_vec(messages).expect("should serialize: strings and a number"));
    let refused = AtomicBool::new(false);
    let one = async || {
        if refused.load(Ordering::Relaxed) {
            None
        } else {
            Some(one_message(hub, &producer, body.clone()).await)
        }
    };
    let answers = (0..messages.count).map(|_| one());
    let mut answers = futures::stream::iter(answers).buffered(AT_ONCE);
    let (mut sent, mut last) = (0_u32, Ok((StatusCode::OK, json!({}))));
    while let Some(answer) = answers.next().await {
        match answer {
            Some(Ok((StatusCode::OK, answer))) => {
                sent += 1;
                let partition = answer["partition"]
                    .as_i64()
                    .and_then(|partition| i32::try_from(partition).ok());
                if let (Some(partition), Some(offset)) = (partition, answer["offset"].as_i64()) {
                    hub.sent(key, &messages.topic, partition, offset);
                }
                if !refused.load(Ordering::Relaxed) {
                    last = Ok((StatusCode::OK, answer));
                }
            }
            Some(other) if !refused.swap(true, Ordering::Relaxed) => last = other,
            _ => {}
        }
    }
    last.map(|(status, mut answer)| {
        answer["sent"] = json!(sent);
        (status, answer)
    })
}

/// Sends one. 503: the producer did not get it; 504: whether Kafka has it is unknown.
async fn one_message(
    hub: &Hub,
    producer: &str,
    body: Bytes,
) -> Result<(StatusCode, Value), Refusal> {
    let unreachable = |why: String| {
        Refusal::new(
            StatusCode::SERVICE_UNAVAILABLE,
            format!("the producer at {producer} does not answer: {why}"),
        )
    };
    let unknown = |why: String| {
        Refusal::new(
            StatusCode::GATEWAY_TIMEOUT,
            format!(
                "the producer at {producer} has not answered: {why}; the message may or may not have been written"
            ),
        )
    };
    let request = Request::post(format!("{producer}/send-message"))
        .header(header::CONTENT_TYPE, "application/json")
        .body(Full::from(body))
        .map_err(|error| unreachable(error.to_string()))?;
    let answer = async {
        let response = hub.http().request(request).await.map_err(|error| {
            let why = error.to_string();
            if error.is_connect() {
                unreachable(why)
            } else {
                unknown(why)
            }
        })?;
        let status = response.status();
        let body = Limited::new(response.into_body(), LONGEST_ANSWER)
            .collect()
            .await;
        let body = body.map_err(|error| unknown(error.to_string()))?.to_bytes();
        let answer: Value =
            serde_json::from_slice(&body).map_err(|error| unknown(format!("no JSON: {error}")))?;
        if answer.is_object() {
            Ok((status, answer))
        } else {
            Err(unknown("no JSON object".to_owned()))
        }
    };
    match tokio::time::timeout(PATIENCE, answer).await {
        Ok(answer) => answer,
        Err(_) => Err(unknown(format!("not within {} s", PATIENCE.as_secs()))),
    }
}
