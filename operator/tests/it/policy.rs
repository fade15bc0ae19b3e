//! The chart's policy against a real API server: what breaks a rule is refused by name, and nothing is contacted or made.

use std::time::Duration;

use k8s_openapi::api::apps::v1::Deployment;
use practice_plan::config::Config;
use practice_testbed::Cluster;
use serde_json::{Value, json};
use tokio::{net::TcpListener, time::timeout};
use tokio_util::sync::CancellationToken;

use crate::{operator, picture, scene::Scene};

#[tokio::test]
async fn what_breaks_a_rule_is_refused_by_its_name_and_touches_nothing() {
    let cluster = Cluster::start().await;
    cluster.apply_crd(&practice_api::crd_yaml()).await;
    let scene = Scene::of(&cluster, "policy").await;
    let free = Scene::of(&cluster, "free").await;
    let config = json!({"policy": {
        "default": {
            "allowedBootstrapServers": ["kafka.example.com:9092"], "topicPrefixes": [scene.name("")],
            "groupPrefixes": [scene.name("")], "maxPartitions": 5, "maxReplicas": 4,
        },
        "namespaces": {&free.namespace: {}},
    }});
    let config: Config = serde_json::from_value(config).expect("it is as the chart writes it");
    let stop = CancellationToken::new();
    let account = operator::start_with(&cluster, config, None, stop.clone()).await;

    // it would be noticed if the operator so much as knocked
    let forbidden = TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a port is free");
    let address = forbidden.local_addr().expect("it has one").to_string();
    let spec = |topic: &str, partitions: i32, group: &str, replicas: i32| json!({"topics": [{"name": topic, "partitions": partitions}], "groups": [{"name": group, "replicas": replicas}]});
    let (topic, group) = (scene.name("t"), scene.name("g"));
    let mut elsewhere = spec(&topic, 1, &group, 1);
    elsewhere["kafka"] = json!({"bootstrapServers": address});
    let cases: [(&str, Value, &str, &str); 5] = [
        (
            "server",
            elsewhere.clone(),
            "allowedBootstrapServers",
            &address,
        ),
        (
            "topic",
            spec("their-topic", 1, &group, 1),
            "topicPrefixes",
            "their-topic",
        ),
        (
            "group",
            spec(&topic, 1, "their-group", 1),
            "groupPrefixes",
            "their-group",
        ),
        (
            "partitions",
            spec(&topic, 6, &group, 1),
            "maxPartitions",
            "asks for 6",
        ),
        (
            "replicas",
            spec(&topic, 1, &group, 5),
            "maxReplicas",
            "asks for 5",
        ),
    ];
    for (name, spec, rule, value) in &cases {
        scene.apply(name, spec).await;
        let message = scene.condition(name, "Ready=False/PolicyViolation").await;
        assert!(
            message.contains(rule) && message.contains(value),
            "{name}: {message}"
        );
        scene.condition(name, "Stalled=True/PolicyViolation").await;
        scene.event("Stalled", rule).await;
        scene.delete(name).await; // the totals are of all practices of the namespace
        scene.gone(name).await;
    }
    assert_eq!(scene.names::<Deployment>().await, Vec::<String>::new());
    let args = ["--bootstrap-server", scene.kafka.bootstrap(), "--list"];
    let topics = scene
        .kafka
        .tool("org.apache.kafka.tools.TopicCommand", &args)
        .await;
    assert!(
        !topics
            .lines()
            .any(|line| line == topic || line == "their-topic"),
        "{topics}"
    );
    let writes = cluster.audit_in(&scene.namespace, &account.namespace, account.name);
    let known = |write: &&String| {
        !write.contains(" consumergrouppractices/status ") && !write.contains(" events ")
    };
    assert_eq!(
        writes.iter().find(known),
        None,
        "a refusal is reported, and nothing else is written"
    );
    let knock = timeout(Duration::from_secs(3), forbidden.accept()).await;
    assert!(knock.is_err(), "nothing has been contacted: {knock:?}");

    // what keeps to the rules runs, and so does what another namespace may do
    scene.apply("fine", &spec(&topic, 5, &group, 4)).await;
    scene.condition("fine", "TopicsReady=True").await;
    scene.has_replicas(&format!("fine-{group}"), 4).await;
    // one that runs and breaks a rule goes on, and that nobody looks how it is is said
    scene.apply("fine", &spec(&topic, 5, &group, 5)).await;
    scene.condition("fine", "Ready=False/PolicyViolation").await;
    scene
        .condition("fine", "KafkaReachable=Unknown/NotChecked")
        .await;
    let unseen = scene
        .status("fine", "unknown", |status| {
            status.groups[0].state == "Unknown"
        })
        .await;
    assert_eq!(
        (unseen.groups[0].lag, unseen.groups[0].group_id_owned),
        (None, true)
    );
    assert_eq!(
        scene.replicas(&format!("fine-{group}")).await,
        4,
        "what ran keeps running"
    );
    scene.apply("fine", &spec(&topic, 5, &group, 4)).await;
    scene.condition("fine", "KafkaReachable=True").await;
    scene
        .status("fine", "polled again", |status| {
            status.groups[0].lag == Some(0)
        })
        .await;
    // ... and leaves nothing for a younger one (creation times are whole seconds)
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    scene
        .apply("late", &spec(&scene.name("t2"), 1, &scene.name("g2"), 0))
        .await;
    let message = scene.condition("late", "Ready=False/PolicyViolation").await;
    assert!(message.contains("older ones have 5"), "{message}");
    // the picture says so before it is done
    let url = format!(
        "http://{}/api/practices/{}/fine/groups/{group}/plan?by=1",
        account.picture, scene.namespace
    );
    let foreseen = async || match picture::ask_for(&url).await? {
        (409, said)
            if said["message"]
                .as_str()
                .is_some_and(|why| why.contains("maxReplicas")) =>
        {
            Ok(())
        }
        other => Err(format!("{other:?}")),
    };
    scene.until("one more is refused", foreseen).await;
    // and what the older one leaves may be used
    scene.delete("fine").await;
    scene.condition("late", "TopicsReady=True").await;
    free.apply("free", &elsewhere).await;
    timeout(Duration::from_secs(30), forbidden.accept())
        .await
        .expect("it may")
        .expect("a connection");
    stop.cancel();
}

/// By what Kafka has as well: a manifest that names a topic of another client says nothing of its size.
#[tokio::test]
async fn the_youngest_practice_that_does_not_fit_is_too_large_and_the_others_go_on() {
    let cluster = Cluster::start().await;
    cluster.apply_crd(&practice_api::crd_yaml()).await;
    let scene = Scene::of(&cluster, "size").await;
    let config = json!({"policy": {"maxPairs": 10}});
    let config: Config = serde_json::from_value(config).expect("it is as the chart writes it");
    let stop = CancellationToken::new();
    operator::start_with(&cluster, config, None, stop.clone()).await;
    let spec = |topic: &str, partitions: i32, managed: bool, groups: &[&str]| {
        let group = |name: &&str| json!({"name": scene.name(name), "replicas": 0});
        let groups: Vec<Value> = groups.iter().map(group).collect();
        json!({"topics": [{"name": scene.name(topic), "partitions": partitions, "managed": managed}], "groups": groups})
    };
    let second = || tokio::time::sleep(Duration::from_millis(1_100)); // creation times are whole seconds

    scene.apply("old", &spec("t", 3, true, &["a", "b"])).await;
    scene.condition("old", "TopicsReady=True").await;
    second().await;
    scene.apply("large", &spec("u", 5, true, &["c"])).await;
    let message = scene.condition("large", "Ready=False/TooLarge").await;
    assert!(
        message.contains("older practices have 6") && message.contains("at most 10"),
        "{message}"
    );
    scene.condition("large", "Stalled=True/TooLarge").await;
    second().await;
    scene.apply("small", &spec("v", 4, true, &["d"])).await;
    scene.condition("small", "TopicsReady=True").await;

    // room for the next one
    scene.delete("old").await;
    scene.gone("old").await;
    scene.condition("large", "TopicsReady=True").await;

    let theirs = scene.name("theirs");
    scene.kafka.create_topic(&theirs, 9).await;
    second().await;
    scene
        .apply("hidden", &spec("theirs", 1, false, &["e"]))
        .await;
    let message = scene.condition("hidden", "Ready=False/TooLarge").await;
    assert!(message.contains("read 9 pairs"), "{message}");
    let waits = async |name: &str| scene.condition(name, "KafkaReachable=True").await;
    waits("small").await;
    waits("large").await;
    stop.cancel();
}
