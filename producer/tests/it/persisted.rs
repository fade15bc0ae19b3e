//! 503 promises that a message is not in the topic, 504 promises nothing: after each kind of end.

use std::time::Duration;

use practice_producer::run;
use practice_testbed::Brokers;
use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr as Code};
use serde_json::json;
use tokio::{
    net::TcpListener,
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;

use crate::{
    answers::mock,
    client::{Client, Direct, PATIENCE, settings, until},
    topic,
};

const REFUSED: Code = Code::RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS;
const AFTER_APPEND: Code = Code::RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS_AFTER_APPEND;
const LATE: Code = Code::RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_message_whose_time_is_over_was_refused_each_time_or_is_in_doubt() {
    let attempts: [(&[Code], u16); 4] = [
        (&[REFUSED], 503),
        (&[AFTER_APPEND], 504),
        (&[AFTER_APPEND, REFUSED], 504),
        (&[REFUSED, LATE, REFUSED], 504),
    ];
    let answers = attempts.map(async |(codes, status)| {
        let mock = mock(&[("a", 1)]);
        let direct = Direct::ready(&settings(&mock.bootstrap_servers(), &["a"])).await;
        mock.request_errors(RDKafkaApiKey::Produce, codes);
        mock.request_errors(RDKafkaApiKey::Produce, &[REFUSED; 1000]);
        let answer = direct.message(json!({"topic": "a", "value": "v"})).await;
        answer.is_problem(status, &["within 10 s"]);
    });
    futures::future::join_all(answers).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_is_purged_at_the_end_was_refused_each_time_or_is_in_doubt() {
    let attempts: [(&[Code], u16); 3] = [
        (&[REFUSED], 503),
        (&[AFTER_APPEND], 504),
        (&[REFUSED, LATE], 504),
    ];
    let answers = attempts.map(async |(codes, status)| {
        let mock = mock(&[("a", 1)]);
        let settings = settings(&mock.bootstrap_servers(), &["a"]);
        let listener = TcpListener::bind(settings.listen)
            .await
            .expect("a free port");
        let client = Client::new(listener.local_addr().expect("bound"));
        let shutdown = CancellationToken::new();
        let running = tokio::spawn(run(settings, listener, shutdown.clone()));
        until("ready", async || client.is_ready().await).await;
        mock.request_errors(RDKafkaApiKey::Produce, codes);
        mock.request_errors(RDKafkaApiKey::Produce, &[REFUSED; 1000]);
        let message = json!({"topic": "a", "value": "v"});
        let (answer, ()) = tokio::join!(client.message(&message), async {
            sleep(Duration::from_secs(1)).await; // the first attempts are over
            shutdown.cancel();
        });
        let answer = answer.expect("an answer, not a broken connection");
        answer.is_problem(status, &["this producer ends before Kafka"]);
        timeout(PATIENCE, running)
            .await
            .expect("in time")
            .expect("no panic")
            .expect("no failure");
    });
    futures::future::join_all(answers).await;
}

#[tokio::test]
async fn a_fatal_error_leaves_its_message_in_doubt_and_refuses_the_next_ones() {
    let mock = mock(&[("a", 1)]);
    let direct = Direct::ready(&settings(&mock.bootstrap_servers(), &["a"])).await;
    let message = json!({"topic": "a", "value": "v"});
    direct.message(message.clone()).await.is_sent("a");
    mock.request_errors(
        RDKafkaApiKey::Produce,
        &[Code::RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER],
    );
    let doubtful = direct.message(message.clone()).await;
    doubtful.is_problem(504, &["may store it twice"]);
    let refused = direct.message(message).await;
    refused.is_problem(
        503,
        &["the Kafka client has failed", "safe to send it again"],
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn too_few_replicas_in_sync_are_named() {
    let kafka = Brokers::start(3).await;
    let bootstrap = kafka.bootstrap();
    for (topic, replicas) in [("t", "1:2"), ("lonely", "2")] {
        let create = [
            "--bootstrap-server",
            &bootstrap,
            "--create",
            "--topic",
            topic,
            "--replica-assignment",
            replicas,
            "--config",
            "min.insync.replicas=2",
        ];
        kafka
            .tool("org.apache.kafka.tools.TopicCommand", &create)
            .await;
    }
    let direct = Direct::ready(&settings(&bootstrap, &["t", "lonely"])).await;
    let send = async |value: &str| direct.message(json!({"topic": "t", "value": value})).await;
    send("before").await.is_sent("t");
    kafka.kill(2).await;
    // until Kafka takes the broker out of the replicas in sync, the leader waits for it: such a message is in doubt
    until("refused", async || {
        let answer = send("early").await;
        assert!(matches!(answer.status, 503 | 504), "{}", answer.text);
        answer.status == 503
    })
    .await;
    send("refused").await.is_problem(
        503,
        &[
            "topic `t` partition 0 has 1 replica in sync, min.insync.replicas is 2: start",
            "safe to send it again",
        ],
    );
    let lonely = direct
        .message(json!({"topic": "lonely", "value": "refused"}))
        .await;
    lonely.is_problem(
        503,
        &[
            "topic `lonely` partition 0 has no leader",
            "safe to send it again",
        ],
    );
    kafka.restart(2).await;
    until("in sync again", async || send("after").await.status == 200).await;
    let records = topic::read(&bootstrap, "t").await;
    let times = |value: &str| {
        records
            .iter()
            .filter(|record| record.value == value)
            .count()
    };
    assert_eq!(
        (times("before"), times("refused"), times("after")),
        (1, 0, 1)
    );
    // one replica of one is enough, whatever min.insync.replicas is
    until("it has a leader again", async || {
        let after = json!({"topic": "lonely", "value": "after"});
        direct.message(after).await.status == 200
    })
    .await;
    let records = topic::read(&bootstrap, "lonely").await;
    assert!(
        records.iter().all(|record| record.value == "after"),
        "{records:?}"
    );
}
