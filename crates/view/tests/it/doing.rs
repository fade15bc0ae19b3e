//! Actions: those that reach the mounting program, and refusals.

use practice_contract::ProducerSettings;
use practice_view::{Action, Scale};
use rdkafka::{mocking::MockCluster, producer::DefaultProducerContext};
use serde_json::json;
use tokio::{io::AsyncReadExt, net::TcpListener};
use tokio_util::sync::CancellationToken;

use crate::{
    client::{Client, P, until},
    world::{Served, World, key},
};

#[tokio::test]
async fn actions_reach_the_mounting_program() {
    let served = Served::start().await;
    served.hub.publish(
        World {
            producer: Some("http://127.0.0.1:1".to_owned()),
            ..World::calm()
        }
        .facts(),
    );
    let (g, a) = (|| "g".to_owned(), || "a".to_owned());
    for (path, body, expected) in [
        (
            "groups/g/scale",
            json!({"replicas": 4}),
            Action::Scale {
                group: g(),
                to: Scale::To(4),
            },
        ),
        (
            "groups/g/scale",
            json!({"by": -1}),
            Action::Scale {
                group: g(),
                to: Scale::By(-1),
            },
        ),
        ("groups/g/stop", json!({}), Action::Stop { group: g() }),
        ("groups/g/start", json!({}), Action::Start { group: g() }),
        (
            "consumers/a/restart",
            json!({}),
            Action::Restart { consumer: a() },
        ),
        (
            "consumers/a/kill",
            json!({}),
            Action::Kill { consumer: a() },
        ),
        (
            "load",
            json!({"messagesPerSecond": 0}),
            Action::Load {
                messages_per_second: 0,
                value_bytes: None,
            },
        ),
        (
            "load",
            json!({"messagesPerSecond": 10000, "valueBytes": 100_000}),
            Action::Load {
                messages_per_second: 10_000,
                value_bytes: Some(100_000),
            },
        ),
        ("brokers/1/stop", json!({}), Action::StopBroker { id: 1 }),
        ("brokers/1/start", json!({}), Action::StartBroker { id: 1 }),
    ] {
        let answer = served.client.post(&format!("{P}/{path}"), &body).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.text);
        assert_eq!(
            answer.json(),
            json!({"message": format!("done: {expected:?}")})
        );
        assert_eq!(served.actions(), [(key(), expected)]);
    }
    assert_eq!(served.polls(), 10, "each action requests a poll of Kafka");
    let answer = served
        .client
        .post(&format!("{P}/consumers/a/pause"), &json!({}))
        .await;
    answer.is_refusal(404, &["not in this program"]);
    served.ended().await;
}

#[tokio::test]
async fn a_forecast_runs_no_action() {
    for served in [Served::start().await, Served::without_actions().await] {
        served.hub.publish(World::calm().facts());
        for (asked, action) in [
            ("?replicas=4", "Scale { group: \"g\", to: To(4) }"),
            ("?by=-1", "Scale { group: \"g\", to: By(-1) }"),
            ("?state=Stopped", "Stop { group: \"g\" }"),
            ("?state=Running", "Start { group: \"g\" }"),
        ] {
            let answer = served
                .client
                .get(&format!("{P}/groups/g/plan{asked}"), &[])
                .await;
            assert_eq!(answer.status, 200, "{asked}: {}", answer.text);
            let row = json!({"label": "moves", "number": "1", "why": "", "warns": false});
            assert_eq!(
                answer.json(),
                json!({"title": action, "verb": "do it", "rows": [row], "starts": 0, "idle": ""})
            );
        }
        for (path, status, part) in [
            (
                "g/plan?replicas=101",
                422,
                "`replicas` is 101: write a number from 0 to 100",
            ),
            ("g/plan?replicas=many", 422, "invalid digit"),
            ("g/plan?replica=1", 422, "unknown field `replica`"),
            (
                "g/plan?state=Off",
                422,
                "`state` is Off: write Stopped or Running",
            ),
            (
                "g/plan?state=Stopped&replicas=3",
                422,
                "`state` cannot be combined with `replicas` or `by`: write one of them",
            ),
            (
                "g/plan",
                422,
                "write `?replicas=3`, `?by=1` or `?state=Stopped`",
            ),
            ("h/plan?by=1", 409, "its manifest has no replicas"),
            ("x/plan?by=1", 404, "no group `x`; it has g, h"),
        ] {
            served
                .client
                .get(&format!("{P}/groups/{path}"), &[])
                .await
                .is_refusal(status, &[part]);
        }
        assert_eq!(served.actions(), []);
        served.ended().await;
    }
}

#[tokio::test]
async fn a_refusal_names_the_field_its_value_and_the_fix() {
    let served = Served::start().await;
    served.hub.publish(World::calm().facts());
    for (path, body, status, part) in [
        (
            "groups/g/scale",
            json!({"replicas": 101}),
            422,
            "`replicas` is 101: write a number from 0 to 100",
        ),
        (
            "groups/g/scale",
            json!({"replicas": -1}),
            422,
            "`replicas` is -1",
        ),
        (
            "groups/g/scale",
            json!({"by": 0}),
            422,
            "`by` is 0: write how many more, or fewer with a minus",
        ),
        (
            "groups/g/scale",
            json!({"by": 101}),
            422,
            "`by` is 101: write a number from -100 to 100",
        ),
        ("groups/g/scale", json!({}), 422, "`replicas` is missing"),
        (
            "groups/g/scale",
            json!({"replicas": 1, "by": 1}),
            422,
            "both",
        ),
        (
            "groups/g/scale",
            json!({"replica": 1}),
            422,
            "unknown field `replica`",
        ),
        (
            "groups/h/scale",
            json!({"by": 1}),
            409,
            "its manifest has no replicas",
        ),
        ("groups/x/stop", json!({}), 404, "no group `x`; it has g, h"),
        (
            "groups/g/burn",
            json!({}),
            404,
            "use one of scale, stop, start",
        ),
        (
            "groups/g/stop",
            json!({"now": true}),
            422,
            "unknown field `now`",
        ),
        (
            "consumers/x/kill",
            json!({}),
            404,
            "no consumer `x`; it has a, b, c",
        ),
        (
            "consumers/a/burn",
            json!({}),
            404,
            "use one of restart, kill, pause, resume",
        ),
        (
            "load",
            json!({"messagesPerSecond": 10_001}),
            422,
            "`messagesPerSecond` is 10001: write a number from 0 to 10000",
        ),
        (
            "load",
            json!({"messagesPerSecond": 1, "valueBytes": 0}),
            422,
            "`valueBytes` is 0",
        ),
        (
            "brokers/7/stop",
            json!({}),
            404,
            "no broker `7`: use one of 1",
        ),
        ("brokers/one/stop", json!({}), 404, "no broker `one`"),
        (
            "send",
            json!({"topic": "t", "value": "v", "count": 1001}),
            422,
            "`count` is 1001: write a number from 1 to 1000",
        ),
        (
            "load",
            json!({"messagesPerSecond": 1}),
            404,
            "has no producer: set spec.producer.enabled",
        ),
        ("send", json!({"topic": "t"}), 422, "missing field `value`"),
        (
            "send",
            json!({"topic": "t", "value": "v"}),
            404,
            "has no producer: set spec.producer.enabled",
        ),
    ] {
        served
            .client
            .post(&format!("{P}/{path}"), &body)
            .await
            .is_refusal(status, &[part]);
    }
    let large = json!({"topic": "t", "value": "x".repeat(3 << 20)});
    served
        .client
        .post(&format!("{P}/send"), &large)
        .await
        .is_refusal(413, &["too large"]);
    assert_eq!(served.actions(), []);
    served.ended().await;
}

#[tokio::test]
async fn nothing_is_done_while_actions_are_off_and_what_turns_them_on_is_said() {
    let served = Served::without_actions().await;
    served.hub.publish(World::calm().facts());
    for path in [
        "groups/g/stop",
        "groups/g/scale",
        "consumers/a/kill",
        "load",
        "send",
        "brokers/1/stop",
    ] {
        let answer = served.client.post(&format!("{P}/{path}"), &json!({})).await;
        answer.is_refusal(403, &["actions are off"]);
        assert_eq!(answer.json()["how"], "turn it on");
    }
    assert_eq!(
        served.client.get(P, &[]).await.json()["actions"],
        json!({"enabled": false, "how": "turn it on"})
    );
    served.ended().await;
}

#[tokio::test]
async fn a_log_is_plain_text_line_by_line() {
    let served = Served::start().await;
    served.hub.publish(World::calm().facts());
    for (query, tail) in [("", 50), ("?tail=7", 7), ("?tail=9999999", 1_000)] {
        let mut log = served.client.stream(&format!("{P}/logs/a{query}")).await;
        let first = log.next().await.expect("a line");
        assert_eq!(
            (first.name.as_str(), first.data),
            ("line", json!(format!("a {tail}")))
        );
        assert_eq!(
            log.next().await.expect("a line").data,
            json!("\\u{1b}[31m<img src=x>\\u{2028}")
        );
        assert_eq!(log.next().await.expect("its end").name, "end");
        assert_eq!(log.next().await, None);
    }
    served
        .client
        .get(&format!("{P}/logs/x"), &[])
        .await
        .is_refusal(404, &["no consumer `x`"]);
    served.ended().await;
}

/// A producer, the program's own, with a broker in memory that has topic `t`.
async fn producer() -> (
    String,
    MockCluster<'static, DefaultProducerContext>,
    CancellationToken,
) {
    let broker = MockCluster::new(1).expect("a broker in memory");
    broker.create_topic("t", 3, 1).expect("a topic");
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let settings = ProducerSettings {
        servers: broker.bootstrap_servers(),
        topics: vec!["t".to_owned()],
        max_message_bytes: std::collections::BTreeMap::default(),
        keys_random: true,
        listen: listener.local_addr().expect("bound"),
        probes: None,
        instance: None,
        load: None,
    };
    let url = format!("http://{}", settings.listen);
    let client = Client::new(settings.listen);
    let shutdown = CancellationToken::new();
    tokio::spawn(practice_producer::run(settings, listener, shutdown.clone()));
    until("the producer is ready", async || {
        client.get("/readyz", &[]).await.status == 200
    })
    .await;
    (url, broker, shutdown)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_go_through_the_producer_and_are_seen_at_once() {
    let (url, _broker, shutdown) = producer().await;
    let served = Served::start().await;
    let mut world = World::calm();
    world.ends = vec![0; 3];
    world.producer = Some(url);
    served.hub.publish(world.facts());
    let (mut page, _) = served.client.page().await;
    let send = format!("{P}/send");
    let answer = served
        .client
        .post(
            &send,
            &json!({"topic": "t", "value": "<b>", "key": "k", "partition": 2, "count": 40}),
        )
        .await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    let last = answer.json();
    assert_eq!(
        (&last["sent"], &last["partition"], &last["topic"]),
        (&json!(40), &json!(2), &json!("t"))
    );
    let offset = last["offset"].as_i64().expect("an offset");
    assert!((0..40).contains(&offset), "{last}");
    let all = page.until("the flow has the new end", |event| {
        event.name == "flow" && event.data["produced"] == json!([["t", 2, 40]])
    });
    all.await;
    // the producer's refusals are passed on unchanged
    let refused = served
        .client
        .post(&send, &json!({"topic": "u", "value": "v", "count": 3}))
        .await;
    refused.is_refusal(404, &["`u`"]);
    assert_eq!(refused.json()["sent"], json!(0));
    shutdown.cancel();
    until("the producer is gone", async || {
        let answer = served
            .client
            .post(&send, &json!({"topic": "t", "value": "v"}))
            .await;
        answer.status == 503
            && answer.json()["message"]
                .as_str()
                .is_some_and(|message| message.contains("does not answer"))
    })
    .await;
    served.ended().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_in_doubt_is_not_called_unsent() {
    let served = Served::start().await;
    // accepts a request and ends the connection without an answer, as a producer that is killed
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let broken = listener.local_addr().expect("bound");
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let _ = stream.read(&mut [0; 4096]).await;
        }
    });
    let send = format!("{P}/send");
    let message = json!({"topic": "t", "value": "v", "count": 3});
    for (url, status, part) in [
        (
            format!("http://{broken}"),
            504,
            "may or may not have been written",
        ),
        ("http://127.0.0.1:1".to_owned(), 503, "does not answer"),
    ] {
        let mut world = World::calm();
        world.producer = Some(url);
        served.hub.publish(world.facts());
        let answer = served.client.post(&send, &message).await;
        answer.is_refusal(status, &[part]);
    }
    served.ended().await;
}
