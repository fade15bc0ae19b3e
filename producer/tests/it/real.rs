//! The service over sockets with a real Kafka: what is answered is what is in the topic.

use std::{collections::HashMap, time::Duration};

use futures::{StreamExt, stream};
use practice_contract::{ProducerSettings, producer::Load};
use practice_testbed::Kafka;
use serde_json::json;
use tokio::{
    net::TcpListener,
    task::JoinHandle,
    time::{Instant, sleep, timeout},
};
use tokio_util::sync::CancellationToken;

use crate::{
    client::{Client, PATIENCE, settings, until},
    topic::{self, Record},
};

/// A producer in this process.
struct Running {
    client: Client,
    shutdown: CancellationToken,
    task: JoinHandle<Result<(), practice_producer::Error>>,
}

impl Running {
    async fn start(settings: ProducerSettings) -> Self {
        let listener = TcpListener::bind(settings.listen)
            .await
            .expect("a free port");
        let client = Client::new(listener.local_addr().expect("bound"));
        let shutdown = CancellationToken::new();
        let task = tokio::spawn(practice_producer::run(settings, listener, shutdown.clone()));
        Self {
            client,
            shutdown,
            task,
        }
    }

    async fn ready(settings: ProducerSettings) -> Self {
        let running = Self::start(settings).await;
        until("ready", async || running.client.is_ready().await).await;
        running
    }

    async fn end(self) {
        self.shutdown.cancel();
        timeout(PATIENCE, self.task)
            .await
            .expect("in time")
            .expect("no panic")
            .expect("no failure");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_answer_is_true() {
    let kafka = practice_testbed::kafka().await;
    let topic = practice_testbed::unique("true");
    kafka.create_topic(&topic, 3).await;
    let running = Running::ready(settings(kafka.bootstrap(), &[&topic])).await;
    let answered: HashMap<String, Record> = stream::iter(0..300)
        .map(|number| {
            let (client, topic, value) = (
                running.client.clone(),
                topic.clone(),
                format!("value {number}"),
            );
            async move {
                let mut message = json!({"topic": topic, "value": value});
                if number % 3 == 0 {
                    message["partition"] = json!(number / 3 % 3);
                }
                let answer = client.message(&message).await.expect("an answer");
                let (partition, offset) = answer.is_sent(&topic);
                assert!(number % 3 != 0 || partition == number / 3 % 3);
                let timestamp = answer.json()["timestamp"].as_i64().expect("a number");
                (
                    value.clone(),
                    Record {
                        partition,
                        offset,
                        timestamp,
                        key: None,
                        value,
                    },
                )
            }
        })
        .buffer_unordered(32)
        .collect()
        .await;
    let records = topic::read(kafka.bootstrap(), &topic).await;
    assert_eq!(records.len(), 300);
    for record in records {
        assert!(
            record.key.as_deref().is_some_and(|key| key.len() == 36),
            "{record:?}"
        );
        assert_eq!(
            answered[&record.value],
            Record {
                key: None,
                ..record
            }
        );
    }
    running.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_this_topic_does_not_take() {
    let kafka = practice_testbed::kafka().await;
    let (small, compacted) = (
        practice_testbed::unique("small"),
        practice_testbed::unique("compacted"),
    );
    topic::create(
        kafka.bootstrap(),
        &small,
        1,
        &[("max.message.bytes", "1000")],
    )
    .await;
    topic::create(
        kafka.bootstrap(),
        &compacted,
        1,
        &[("cleanup.policy", "compact")],
    )
    .await;
    let mut settings = settings(kafka.bootstrap(), &[&small, &compacted]);
    settings.keys_random = false;
    let running = Running::ready(settings).await;
    let client = &running.client;
    let long = client
        .message(&json!({"topic": small, "value": "x".repeat(2000)}))
        .await
        .expect("an answer");
    long.is_problem(413, &[&small, "max.message.bytes is 1000", "shorter"]);
    client
        .message(&json!({"topic": small, "value": "x"}))
        .await
        .expect("an answer")
        .is_sent(&small);
    let keyless = client
        .message(&json!({"topic": compacted, "value": "x"}))
        .await
        .expect("an answer");
    keyless.is_problem(422, &["a compacted topic needs a key"]);
    let keyed = client
        .message(&json!({"topic": compacted, "value": "x", "key": "k"}))
        .await
        .expect("an answer");
    keyed.is_sent(&compacted);
    running.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn topics_that_come_and_grow_are_found() {
    let kafka = practice_testbed::kafka().await;
    let topic = practice_testbed::unique("late");
    let running = Running::ready(settings(kafka.bootstrap(), &[&topic])).await;
    let message = json!({"topic": topic, "value": "v"});
    let answer = running.client.message(&message).await.expect("an answer");
    answer.is_problem(
        503,
        &["does not exist in Kafka (yet)", "safe to send it again"],
    );
    kafka.create_topic(&topic, 1).await;
    until("found", async || {
        running
            .client
            .message(&message)
            .await
            .expect("an answer")
            .status
            == 200
    })
    .await;
    let second = json!({"topic": topic, "value": "v", "partition": 1});
    running
        .client
        .message(&second)
        .await
        .expect("an answer")
        .is_problem(422, &["only partition 0"]);
    topic::grow(kafka.bootstrap(), &topic, 2).await;
    until("grown", async || {
        running
            .client
            .message(&second)
            .await
            .expect("an answer")
            .status
            == 200
    })
    .await;
    running.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_topic_that_kafka_denies_is_not_called_missing() {
    let kafka = Kafka::start_with_access_control().await;
    kafka.create_topic("t", 1).await;
    kafka.deny("Describe", ["--topic", "t"]).await;
    let running = Running::ready(settings(kafka.bootstrap(), &["t"])).await;
    let send = async || {
        running
            .client
            .message(&json!({"topic": "t", "value": "v"}))
            .await
            .expect("an answer")
    };
    let denied = |right: &str| {
        format!("Kafka denied {right} to this client, which connects without authentication")
    };
    send().await.is_problem(
        503,
        &["topic `t`", &denied("Describe"), "grant it on topic t"],
    );
    kafka.allow("Describe", ["--topic", "t"]).await;
    until("sent", async || send().await.status == 200).await;
    kafka.deny("Write", ["--topic", "t"]).await;
    until("denied", async || send().await.status == 503).await;
    send()
        .await
        .is_problem(503, &["topic `t`", &denied("Write"), "grant it on topic t"]);
    running.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_kafka_is_away_nothing_is_claimed_and_afterwards_all_is_well() {
    let kafka = Kafka::start().await;
    kafka.create_topic("t", 1).await;
    let running = Running::ready(settings(kafka.bootstrap(), &["t"])).await;
    let send = async |value: String| {
        running
            .client
            .message(&json!({"topic": "t", "value": value}))
            .await
    };
    send("before".to_owned())
        .await
        .expect("an answer")
        .is_sent("t");

    kafka.stop().await;
    let begun = Instant::now();
    let waited = send("waited".to_owned()).await.expect("an answer");
    waited.is_problem(503, &["safe to send it again"]);
    assert!(
        begun.elapsed() < Duration::from_secs(20),
        "{:?}",
        begun.elapsed()
    );
    // by now it is known to be away: no one waits for it any more
    let begun = Instant::now();
    send("refused".to_owned())
        .await
        .expect("an answer")
        .is_problem(503, &["safe to send it again"]);
    assert!(
        begun.elapsed() < Duration::from_secs(2),
        "{:?}",
        begun.elapsed()
    );
    assert!(running.client.is_ready().await);

    kafka.restart().await;
    until("sends again", async || {
        send("after".to_owned()).await.expect("an answer").status == 200
    })
    .await;
    let values: Vec<_> = topic::read(kafka.bootstrap(), "t")
        .await
        .into_iter()
        .map(|record| record.value)
        .collect();
    assert!(
        values.contains(&"before".to_owned()) && values.contains(&"after".to_owned()),
        "{values:?}"
    );
    assert!(!values.contains(&"refused".to_owned()), "{values:?}");
    running.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_steady_stream_is_steady_and_bounded() {
    let kafka = Kafka::start().await;
    for topic in ["a", "b"] {
        kafka.create_topic(topic, 1).await;
    }
    let mut settings = settings(kafka.bootstrap(), &["a", "b"]);
    settings.load = Some(Load {
        messages_per_second: 2000,
        value_bytes: 50,
    });
    let begun = Instant::now();
    let running = Running::ready(settings).await;
    sleep(Duration::from_secs(3)).await;

    kafka.pause();
    sleep(Duration::from_secs(6)).await; // more than the stream's bound would come
    let metrics = running
        .client
        .get("/metrics")
        .await
        .expect("an answer")
        .text;
    let in_flight = metrics
        .lines()
        .find_map(|line| line.strip_prefix("practice_producer_messages_in_flight "));
    let in_flight: usize = in_flight.expect("a gauge").parse().expect("a number");
    assert!((1..=5000).contains(&in_flight), "{in_flight}");
    kafka.resume();
    running.end().await;

    let most = usize::try_from(begun.elapsed().as_millis() * 2 + 100).expect("small");
    let (a, b) = (
        topic::read(kafka.bootstrap(), "a").await,
        topic::read(kafka.bootstrap(), "b").await,
    );
    assert!(
        (2000..=most).contains(&(a.len() + b.len())),
        "{} and {}",
        a.len(),
        b.len()
    );
    assert!(
        a.len().abs_diff(b.len()) <= 1000,
        "{} and {}",
        a.len(),
        b.len()
    );
    assert!(
        a.iter()
            .chain(&b)
            .all(|record| record.value.len() == 50 && record.value.starts_with("load "))
    );
}
