//! How large a message may be, with the client's broker in memory, which accepts any size, and with Kafka, which has a limit for
//! each topic.

use axum::body::{Body, Bytes};
use futures::stream;
use practice_testbed::Kafka;
use serde_json::{Value, json};

use crate::{
    answers::mock,
    client::{Direct, settings, until},
    topic,
};

fn message(topic: &str, bytes: usize) -> Value {
    json!({"topic": topic, "value": "x".repeat(bytes)})
}

/// The largest value that a topic with this limit accepts with a random key.
fn largest(limit: usize) -> usize {
    // Kafka's headers and a UUID; sizes are in front of record and value, of 2 to 4 bytes
    limit
        - match limit {
            1_000 => 106,
            1_048_588 => 108,
            _ => 110,
        }
}

#[tokio::test]
async fn what_is_too_large_is_413_wherever_it_is_noticed() {
    let mock = mock(&[("a", 1)]);
    let mut settings = settings(&mock.bootstrap_servers(), &["a"]);
    settings.max_message_bytes.insert("a".to_owned(), 1_048_588);
    let direct = Direct::ready(&settings).await;
    let largest = largest(1_048_588);
    direct.message(message("a", largest)).await.is_sent("a");
    direct.message(message("a", largest + 1)).await.is_problem(
        413,
        &[
            "topic `a`",
            "1048589 bytes, max.message.bytes is 1048588",
            "shorter",
            "spec.topics[].config",
        ],
    );
    // larger than a body may be, and than a body of unknown length may be
    let limit = "max.message.bytes of the topics is at most 1048588";
    direct
        .message(message("a", 3_000_000))
        .await
        .is_problem(413, &["larger than 1310735 bytes", limit, "shorter"]);
    let endless =
        stream::repeat_with(|| Ok::<_, std::io::Error>(Bytes::from_static(&[b' '; 8192])));
    direct
        .post(Body::from_stream(endless))
        .await
        .is_problem(413, &["larger than 1310735 bytes", limit, "shorter"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_topics_own_limit_is_the_limit_and_is_named() {
    let kafka = Kafka::start().await;
    let sizes = [
        ("usual", None),
        ("small", Some(1_000)),
        ("large", Some(5 << 20)),
        ("huge", Some(12 << 20)),
        ("unlisted", Some(20 << 20)),
    ];
    for (name, limit) in sizes {
        let limit = limit.map(|limit| limit.to_string());
        let config: Vec<_> = limit
            .iter()
            .map(|limit| ("max.message.bytes", &**limit))
            .collect();
        topic::create(kafka.bootstrap(), name, 1, &config).await;
    }
    let mut settings = settings(kafka.bootstrap(), &sizes.map(|(name, _)| name));
    // the launcher lists one of them; Kafka reports the others
    settings
        .max_message_bytes
        .insert("huge".to_owned(), 12 << 20);
    let direct = Direct::ready(&settings).await;
    for (name, limit) in [
        ("usual", 1_048_588),
        ("small", 1_000),
        ("large", 5 << 20),
        ("huge", 12 << 20),
    ] {
        let largest = largest(limit);
        direct.message(message(name, largest)).await.is_sent(name);
        direct.message(message(name, largest + 1)).await.is_problem(
            413,
            &[
                &format!("topic `{name}`"),
                &format!("max.message.bytes is {limit}"),
                "spec.topics[].config",
            ],
        );
    }
    direct
        .message(message("large", 1_100_000))
        .await
        .is_sent("large");
    let own = 12 << 20;
    direct.message(message("unlisted", own)).await.is_problem(
        413,
        &[
            &format!("this producer sends at most {own}"),
            "set `max.message.bytes` of topic `unlisted`",
        ],
    );

    // a limit that changes later
    let alter = [
        "--bootstrap-server",
        kafka.bootstrap(),
        "--alter",
        "--entity-type",
        "topics",
        "--entity-name",
        "small",
        "--add-config",
        "max.message.bytes=2000",
    ];
    kafka.tool("kafka.admin.ConfigCommand", &alter).await;
    direct
        .message(message("small", 1_500))
        .await
        .is_sent("small");
    until("the new limit is named", async || {
        let refused = direct.message(message("small", 3_000)).await;
        assert_eq!(refused.status, 413, "{}", refused.text);
        refused.text.contains("max.message.bytes is 2000")
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_that_fit_alone_are_not_refused_for_being_sent_together() {
    let kafka = practice_testbed::kafka().await;
    let name = practice_testbed::unique("together");
    topic::create(
        kafka.bootstrap(),
        &name,
        1,
        &[("max.message.bytes", "1000")],
    )
    .await;
    let mut settings = settings(kafka.bootstrap(), &[&name]);
    settings.max_message_bytes.insert(name.clone(), 1_000);
    let direct = Direct::ready(&settings).await;
    let sent = (0..50).map(|_| direct.message(message(&name, 600)));
    for answer in futures::future::join_all(sent).await {
        answer.is_sent(&name);
    }
}
