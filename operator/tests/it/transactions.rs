//! A group behind an open transaction, for longer than the window of its health: not stalled, and the transaction is named.

use std::time::Duration;

use practice_testbed::{clients::Transaction, unique};
use serde_json::json;

use crate::scene::Scene;

#[tokio::test]
async fn an_open_transaction_is_no_stall_and_is_named() {
    let scene = Scene::new("transaction").await;
    let _pods = scene.run_pods();
    let (id, topic) = (scene.name("g"), scene.name("t"));
    let spec = json!({"topics": [{"name": topic}], "groups": [{"name": id, "replicas": 1}], "producer": {"enabled": false}});
    scene.apply("p", &spec).await;
    scene.ready("p").await;
    scene.kafka.send(&topic, 0, "before").await;
    scene
        .status("p", "it is consumed", |status| {
            let mut shares = status.groups[0].shares();
            shares.any(|share| share.committed == Some(1) && share.lag == Some(0))
        })
        .await;
    let (bootstrap, name) = (scene.kafka.bootstrap().to_owned(), topic.clone());
    let open = move || Transaction::begin(&bootstrap, &unique("id"), &name, 2);
    let open = tokio::task::spawn_blocking(open)
        .await
        .expect("does not panic");

    let status = scene
        .status_within(
            Duration::from_mins(3),
            "p",
            "the transaction is named",
            |status| {
                let health = status.groups[0].health.as_ref();
                health.is_some_and(|health| health.advice.is_some())
            },
        )
        .await;
    let group = &status.groups[0];
    let health = group.health.as_ref().expect("it was found");
    assert_eq!((health.state.as_str(), group.lag), ("Healthy", Some(2)));
    let advice = health.advice.as_deref().expect("it was found");
    let tool = format!(
        "kafka-transactions.sh --bootstrap-server {} find-hanging --topic {topic}",
        scene.kafka.bootstrap()
    );
    assert!(
        advice.starts_with("a transaction of producer id ")
            && advice.contains(" is open since 20")
            && advice.ends_with(&tool),
        "{advice}"
    );
    assert!(
        health.message.starts_with(&format!("{topic}/0: ")),
        "{}",
        health.message
    );

    tokio::task::spawn_blocking(move || open.commit())
        .await
        .expect("does not panic");
    scene
        .status("p", "it is consumed", |status| {
            let health = status.groups[0].health.as_ref();
            status.groups[0].lag == Some(0)
                && health.is_some_and(|health| health.advice.is_none() && health.state == "Healthy")
        })
        .await;
    let events = scene.events().await;
    let about_health = [
        "GroupStalled",
        "GroupLagging",
        "GroupPartitionsUnassigned",
        "GroupRecovered",
    ];
    let told: Vec<&String> = events
        .iter()
        .filter(|event| about_health.iter().any(|reason| event.starts_with(reason)))
        .collect();
    assert_eq!(told, [""; 0]);
}
