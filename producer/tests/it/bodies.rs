//! Bodies of requests, without a socket: without a length, without an end, in another encoding, too large.

use std::time::Duration;

use axum::{
    body::{Body, Bytes},
    http::Request,
};
use futures::{StreamExt, stream};
use serde_json::json;
use tokio::time::sleep;

use crate::{
    answers::mock,
    client::{Direct, settings, until},
};

/// A body without a length, as it is sent in chunks, of which the rest does not come.
fn without_end(beginning: Bytes) -> Body {
    let beginning = stream::iter([Ok::<_, std::io::Error>(beginning)]);
    Body::from_stream(beginning.chain(stream::pending()))
}

#[tokio::test]
async fn small_bodies_without_a_length_are_all_taken() {
    let mock = mock(&[("a", 1)]);
    let direct = Direct::ready(&settings(&mock.bootstrap_servers(), &["a"])).await;
    mock.broker_round_trip_time(1, Duration::from_millis(300))
        .expect("slower");
    // so many have begun
    let waiting: Vec<_> = (0..200)
        .map(|_| {
            let direct = direct.clone();
            tokio::spawn(async move { direct.post(without_end(Bytes::from_static(b"{"))).await })
        })
        .collect();
    sleep(Duration::from_millis(100)).await;
    let body = json!({"topic": "a", "value": "v".repeat(10_000)}).to_string();
    let chunked = |_| {
        let pieces = body.as_bytes().chunks(1_000).map(Bytes::copy_from_slice);
        let pieces: Vec<_> = pieces.map(Ok::<_, std::io::Error>).collect();
        direct.post(Body::from_stream(stream::iter(pieces)))
    };
    let answers = stream::iter(0..100).map(chunked).buffer_unordered(100);
    let answers: Vec<_> = answers.collect().await;
    for answer in &answers {
        answer.is_sent("a");
    }
    for task in waiting {
        task.abort();
    }
}

#[tokio::test]
async fn large_messages_share_a_bounded_room_and_small_ones_pass() {
    let mock = mock(&[("a", 1)]);
    let direct = Direct::ready(&settings(&mock.bootstrap_servers(), &["a"])).await;
    // bodies whose end never comes hold room for what was read of them
    let stuck: Vec<_> = (0..9)
        .map(|_| {
            let body = without_end(Bytes::from(vec![b' '; 900_000]));
            let direct = direct.clone();
            tokio::spawn(async move { direct.post(body).await.status })
        })
        .collect();
    sleep(Duration::from_millis(100)).await; // they are being read
    let large = json!({"topic": "a", "value": "x".repeat(900_000)});
    until("the room is full", async || {
        direct.message(large.clone()).await.status == 503
    })
    .await;
    direct
        .message(json!({"topic": "a", "value": "v"}))
        .await
        .is_sent("a");
    for task in stuck {
        task.abort();
    }
    until("there is room again", async || {
        direct.message(large.clone()).await.status == 200
    })
    .await;
}

#[tokio::test]
async fn a_body_in_another_encoding_is_told_what_it_is() {
    let mock = mock(&[("a", 1)]);
    let direct = Direct::ready(&settings(&mock.bootstrap_servers(), &["a"])).await;
    let text = r#"{"topic": "a", "value": "v"}"#;
    let marked = [&[0xef, 0xbb, 0xbf][..], text.as_bytes()].concat();
    direct.post(marked).await.is_sent("a");
    let wide: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let gzip = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0];
    for (body, what) in [(wide, "UTF-16"), (gzip, "compressed by gzip")] {
        let answer = direct.post(body).await;
        answer.is_problem(415, &[what, "send UTF-8, not compressed"]);
        assert_eq!(answer.header("accept-encoding"), "identity");
    }
    let request = Request::post("/send-message")
        .header("content-type", "application/json")
        .header("content-encoding", "br");
    let declared = direct
        .send(request.body(Body::from(text)).expect("legal"))
        .await;
    declared.is_problem(415, &["compressed, Content-Encoding `br`"]);
    direct
        .post(r#"{"topic": "a", "value": "v", "value": "w"}"#)
        .await
        .is_problem(422, &["`value` is there twice: write it once"]);
}

#[tokio::test]
async fn an_answer_is_short_whatever_was_sent() {
    let mock = mock(&[("a", 1)]);
    let direct = Direct::ready(&settings(&mock.bootstrap_servers(), &["a"])).await;
    let fields = (0..115_000).map(|number| format!(r#""{number}":1"#));
    let fields = format!("{{{}}}", fields.collect::<Vec<_>>().join(","));
    let long = "t".repeat(1_000_000);
    for (body, status) in [
        (fields, 422),
        (json!({"topic": long, "value": "v"}).to_string(), 404),
        (
            json!({"topic": "a", "value": "v", "partition": long}).to_string(),
            422,
        ),
        (json!({"topic": "a", "value": [long]}).to_string(), 422),
    ] {
        let answer = direct.post(body).await;
        answer.is_problem(status, &[]);
        assert!(answer.text.len() < 4_096, "{}", answer.text.len());
    }
}
