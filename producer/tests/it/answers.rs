//! Each answer, without a socket, with the Kafka client's own in-memory broker behind.

use std::{cell::Cell, time::Duration};

use axum::{body::Body, http::Request};
use futures::{StreamExt, stream};
use practice_testbed::openmetrics::{Exposition, reference};
use rdkafka::{
    mocking::MockCluster,
    producer::DefaultProducerContext,
    types::{RDKafkaApiKey, RDKafkaRespErr as Code},
};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::client::{Direct, settings, until};

pub(crate) type Mock = MockCluster<'static, DefaultProducerContext>;

pub(crate) fn mock(topics: &[(&str, i32)]) -> Mock {
    let mock = MockCluster::new(1).expect("a broker");
    for (name, partitions) in topics {
        mock.create_topic(name, *partitions, 1).expect("a topic");
    }
    mock
}

#[tokio::test]
async fn the_answer_has_the_position_of_the_message() {
    let mock = mock(&[("a", 3), ("b", 1)]);
    let direct = Direct::ready(&settings(&mock.bootstrap_servers(), &["a", "b"])).await;
    for partition in 0..3 {
        let sent = direct
            .message(json!({"topic": "a", "value": "v", "key": "k", "partition": partition}))
            .await;
        assert_eq!(sent.is_sent("a"), (partition, 0));
    }
    let one = direct
        .message(json!({"topic": "a", "value": "", "key": "same"}))
        .await
        .is_sent("a");
    let other = direct
        .message(json!({"topic": "a", "value": "x", "key": "same"}))
        .await
        .is_sent("a");
    assert_eq!(other, (one.0, one.1 + 1));
    direct
        .message(json!({"topic": "b", "value": "v", "partition": null, "key": null}))
        .await
        .is_sent("b");
}

#[tokio::test]
async fn what_cannot_be_sent_names_field_value_and_fix() {
    let mock = mock(&[("a", 3), ("b", 1)]);
    let direct = Direct::ready(&settings(&mock.bootstrap_servers(), &["a", "b"])).await;
    for (body, status, expected) in [
        (
            "{\"topic\": \"a\",",
            400,
            vec!["the body is not JSON", "line 1"],
        ),
        ("", 400, vec!["the body is not JSON"]),
        (r#"{"value": "v"}"#, 422, vec!["`topic` is missing"]),
        (r#"{"topic": "a"}"#, 422, vec!["`value` is missing"]),
        (
            r#"{"topic": "a", "value": null}"#,
            422,
            vec!["`value` is null"],
        ),
        (
            r#"{"topic": "a", "value": 5}"#,
            422,
            vec!["`value` is 5", "\"5\""],
        ),
        (
            r#"{"topic": "a", "value": "v", "partition": "1"}"#,
            422,
            vec!["`partition` is \"1\"", "without quotes"],
        ),
        (
            r#"{"topic": "a", "value": "v", "partition": 99}"#,
            422,
            vec!["`partition` is 99", "0 to 2"],
        ),
        (
            r#"{"topic": "b", "value": "v", "partition": 1}"#,
            422,
            vec!["`partition` is 1", "only partition 0"],
        ),
        (
            r#"{"topic": "a", "value": "v", "partition": -1}"#,
            422,
            vec!["`partition` is -1"],
        ),
        (
            r#"{"topic": "a", "value": "v", "partition": -2}"#,
            422,
            vec!["`partition` is -2", "a whole number from 0"],
        ),
        (
            r#"{"topic": "a", "value": "v", "headers": {}}"#,
            422,
            vec!["`headers` is not a field"],
        ),
        (
            r#"{"topic": "nope", "value": "v"}"#,
            404,
            vec!["no topic `nope`", "`a` or `b`"],
        ),
    ] {
        direct.post(body).await.is_problem(status, &expected);
    }
    let two = direct.post(r#"{"partition": "x", "topic": "a"}"#).await;
    let fields: Vec<_> = two.json()["errors"]
        .as_array()
        .expect("errors")
        .iter()
        .map(|e| e["field"].clone())
        .collect();
    assert_eq!(fields, [json!("value"), json!("partition")]);
}

#[tokio::test]
async fn other_content_types_routes_and_methods_are_problems_too() {
    let mock = mock(&[("a", 1)]);
    let direct = Direct::ready(&settings(&mock.bootstrap_servers(), &["a"])).await;
    let body = r#"{"topic": "a", "value": "v"}"#;
    for kind in [
        None,
        Some("text/plain"),
        Some("application/x-www-form-urlencoded"),
    ] {
        let mut request = Request::post("/send-message").header("host", "localhost:8081");
        if let Some(kind) = kind {
            request = request.header("content-type", kind);
        }
        let answer = direct
            .send(request.body(Body::from(body)).expect("legal"))
            .await;
        answer.is_problem(
            415,
            &["curl -X POST localhost:8081/send-message -H 'Content-Type: application/json' -d '{\"topic\": \"a\", \"value\": \"hello\"}'"],
        );
    }
    direct
        .get("/nothing")
        .await
        .is_problem(404, &["/nothing", "/send-message"]);
    let wrong = direct.get("/send-message").await;
    wrong.is_problem(405, &["GET is not possible at /send-message: use POST"]);
    assert_eq!(wrong.header("allow"), "POST");
    let wrong = direct
        .send(
            Request::delete("/livez")
                .body(Body::empty())
                .expect("legal"),
        )
        .await;
    wrong.is_problem(405, &["use GET, HEAD"]);
    assert_eq!(wrong.header("allow"), "GET, HEAD");
}

#[tokio::test]
async fn each_refusal_of_kafka_has_its_own_status() {
    let mock = mock(&[("a", 1)]);
    let direct = Direct::ready(&settings(&mock.bootstrap_servers(), &["a"])).await;
    for (code, status, expected) in [
        (
            Code::RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE,
            413,
            "larger than topic `a` accepts: with Kafka's headers it has 105 bytes, more than its max.message.bytes",
        ),
        (
            Code::RD_KAFKA_RESP_ERR_INVALID_RECORD,
            422,
            "a compacted topic needs a key",
        ),
        (
            Code::RD_KAFKA_RESP_ERR_POLICY_VIOLATION,
            503,
            "safe to send it again",
        ),
        (
            Code::RD_KAFKA_RESP_ERR_UNKNOWN,
            504,
            "whether the message was persisted is unknown",
        ),
        // the client keeps this one in mind until it next polls the topic
        (
            Code::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED,
            503,
            "safe to send it again",
        ),
    ] {
        mock.request_errors(RDKafkaApiKey::Produce, &[code]);
        let answer = direct.message(json!({"topic": "a", "value": "v"})).await;
        answer.is_problem(status, &[expected]);
        assert_eq!(
            answer.header("retry-after"),
            if status == 503 { "1" } else { "" }
        );
    }
}

#[tokio::test]
async fn what_may_pass_is_tried_again_by_the_client() {
    let mock = mock(&[("a", 1)]);
    let direct = Direct::ready(&settings(&mock.bootstrap_servers(), &["a"])).await;
    mock.request_errors(
        RDKafkaApiKey::Produce,
        &[Code::RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS; 2],
    );
    direct
        .message(json!({"topic": "a", "value": "v"}))
        .await
        .is_sent("a");
}

#[tokio::test]
async fn before_kafka_is_reached_only_readiness_and_messages_wait() {
    let direct = Direct::new(&settings("127.0.0.1:1", &["a"]));
    assert_eq!(direct.get("/livez").await.status, 200);
    assert_eq!(direct.get("/readyz").await.status, 503);
    let begun = Instant::now();
    let answer = direct.message(json!({"topic": "a", "value": "v"})).await;
    answer.is_problem(
        503,
        &["Kafka has not been reached yet", "safe to send it again"],
    );
    assert_eq!(answer.header("retry-after"), "1");
    direct
        .message(json!({"topic": "b", "value": "v"}))
        .await
        .is_problem(404, &["send to `a`"]);
    assert!(
        begun.elapsed() < Duration::from_secs(1),
        "{:?}",
        begun.elapsed()
    );
}

#[tokio::test]
async fn a_full_queue_is_503_and_not_more_memory() {
    let mock = mock(&[("a", 1)]);
    // a partition without a leader acknowledges nothing: it gets one when a message was refused
    mock.partition_leader("a", 0, None).expect("it is there");
    let direct = Direct::ready(&settings(&mock.bootstrap_servers(), &["a"])).await;
    let body = json!({"topic": "a", "value": "v"}).to_string();
    let has_leader = Cell::new(false);
    let answers = stream::iter(0..20_500)
        .map(|_| async {
            let answer = direct.post(body.clone()).await;
            if answer.status != 200 && !has_leader.replace(true) {
                mock.partition_leader("a", 0, Some(1)).expect("a leader");
            }
            answer
        })
        .buffer_unordered(usize::MAX);
    let answers: Vec<_> = answers.collect().await;
    let full: Vec<_> = answers
        .iter()
        .filter(|answer| answer.status != 200)
        .collect();
    assert!((1..=500).contains(&full.len()), "{}", full.len());
    for answer in full {
        answer.is_problem(
            503,
            &["too many messages wait for Kafka", "safe to send it again"],
        );
    }
}

#[tokio::test]
async fn on_a_loopback_address_pages_of_other_origins_are_refused() {
    let mock = mock(&[("a", 1)]);
    let direct = Direct::ready(&settings(&mock.bootstrap_servers(), &["a"])).await;
    let loopback = direct.for_loopback();
    let ask = async |headers: &[(&str, &str)]| {
        let mut request = Request::post("/send-message").header("content-type", "application/json");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let body = Body::from(r#"{"topic": "a", "value": "v"}"#);
        loopback.send(request.body(body).expect("legal")).await
    };
    ask(&[("host", "127.0.0.1:8081")]).await.is_sent("a");
    ask(&[
        ("host", "localhost:8081"),
        ("origin", "http://localhost:8081"),
    ])
    .await
    .is_sent("a");
    for headers in [
        &[("host", "evil.example:8081")][..],
        &[("host", "evil.example"), ("origin", "http://evil.example")],
        &[
            ("host", "localhost:8081"),
            ("origin", "http://evil.example"),
        ],
        &[("host", "localhost:8081"), ("sec-fetch-site", "cross-site")],
    ] {
        ask(headers).await.is_problem(403, &[" is `"]);
    }
}

#[tokio::test]
async fn by_hand_any_topic_that_exists() {
    let mock = mock(&[("a", 1), ("b", 2)]);
    let direct = Direct::ready(&settings(&mock.bootstrap_servers(), &[])).await;
    direct
        .message(json!({"topic": "b", "value": "v", "partition": 1}))
        .await
        .is_sent("b");
    direct
        .message(json!({"topic": "c", "value": "v"}))
        .await
        .is_problem(404, &["`a` or `b`"]);
}

#[tokio::test]
async fn docs_have_each_series() {
    let mock = mock(&[("a", 1)]);
    let direct = Direct::ready(&settings(&mock.bootstrap_servers(), &["a"])).await;
    direct
        .message(json!({"topic": "a", "value": "v"}))
        .await
        .is_sent("a");
    let metrics = direct.get("/metrics").await.text;
    let exposition =
        Exposition::read(&metrics).unwrap_or_else(|error| panic!("{error}\n{metrics}"));
    reference("## A producer", &exposition.rows(""));
}

#[tokio::test]
async fn docs_and_metrics_are_served() {
    let mock = mock(&[("a", 1)]);
    let direct = Direct::ready(&settings(&mock.bootstrap_servers(), &["a"])).await;
    direct
        .message(json!({"topic": "a", "value": "v"}))
        .await
        .is_sent("a");
    direct.post("{").await.is_problem(400, &[]);
    until("acknowledged", async || {
        direct
            .get("/metrics")
            .await
            .text
            .lines()
            .any(|line| line == "practice_producer_messages_in_flight 0")
    })
    .await;
    let metrics = direct.get("/metrics").await;
    for line in [
        "practice_producer_answers_total{status=\"200\"} 1",
        "practice_producer_answers_total{status=\"400\"} 1",
        "practice_producer_kafka_reachable 1",
    ] {
        assert!(
            metrics.text.lines().any(|found| found == line),
            "{line}: {}",
            metrics.text
        );
    }
    assert_eq!(
        metrics.header("content-type"),
        "application/openmetrics-text; version=1.0.0; charset=utf-8"
    );
    let openapi: Value = direct.get("/openapi.json").await.json();
    assert_eq!(
        openapi["components"]["schemas"]["Message"]["properties"]["topic"]["enum"],
        json!(["a"])
    );
    for (path, kind) in [
        ("/docs", "text/html"),
        ("/docs/page.js", "text/javascript"),
        ("/docs/page.css", "text/css"),
    ] {
        let page = direct.get(path).await;
        assert_eq!(page.status, 200, "{path}");
        assert!(page.header("content-type").starts_with(kind));
        assert!(
            page.header("content-security-policy")
                .starts_with("default-src 'none'; script-src 'self';")
        );
    }
}
