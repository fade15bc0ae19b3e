//! Sends messages through the practice's producer, which answers after the broker has acknowledged. In: messages. Out: the
//! producer's answer and how many were sent. Deliberately absent: a Kafka client, and checks that the producer makes.

use std::time::Duration;

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

/// Sends them until the producer refuses one. Out: the last answer, with `sent`.
pub(crate) async fn send(
    hub: &Hub,
    key: &Key,
    messages: &Messages,
) -> Result<(StatusCode, Value), Refusal> {
    let producer = producer(hub, key)?;
    let body =
        Bytes::from(serde_json::to_vec(messages).expect("should serialize: strings and a number"));
    let answers = (0..messages.count).map(|_| one_message(hub, &producer, body.clone()));
    let mut answers = futures::stream::iter(answers).buffered(AT_ONCE);
    let (mut sent, mut last) = (0_u32, (StatusCode::OK, json!({})));
    while let Some(answer) = answers.next().await {
        last = answer?;
        if last.0 != StatusCode::OK {
            break;
        }
        sent += 1;
        let answer = &last.1;
        let partition = answer["partition"]
            .as_i64()
            .and_then(|partition| i32::try_from(partition).ok());
        if let (Some(partition), Some(offset)) = (partition, answer["offset"].as_i64()) {
            hub.sent(key, &messages.topic, partition, offset);
        }
    }
    last.1["sent"] = json!(sent);
    Ok(last)
}

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
    let request = Request::post(format!("{producer}/send-message"))
        .header(header::CONTENT_TYPE, "application/json")
        .body(Full::from(body))
        .map_err(|error| unreachable(error.to_string()))?;
    let answer = async {
        let response = hub
            .http()
            .request(request)
            .await
            .map_err(|error| unreachable(error.to_string()))?;
        let status = response.status();
        let body = Limited::new(response.into_body(), LONGEST_ANSWER)
            .collect()
            .await;
        let body = body
            .map_err(|error| unreachable(error.to_string()))?
            .to_bytes();
        let answer: Value = serde_json::from_slice(&body)
            .map_err(|error| unreachable(format!("no JSON: {error}")))?;
        if answer.is_object() {
            Ok((status, answer))
        } else {
            Err(unreachable("no JSON object".to_owned()))
        }
    };
    match tokio::time::timeout(PATIENCE, answer).await {
        Ok(answer) => answer,
        Err(_) => Err(Refusal::new(
            StatusCode::GATEWAY_TIMEOUT,
            format!(
                "the producer at {producer} has not answered within {} s: the message may or may not have been written",
                PATIENCE.as_secs()
            ),
        )),
    }
}
