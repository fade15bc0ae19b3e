//! The end of a practice whose manifest is refused, whose namespace is being deleted, or that another client holds.

use std::time::Duration;

use k8s_openapi::api::core::v1::Namespace;
use kube::{
    Api, ResourceExt,
    api::{ApiResource, DeleteParams, DynamicObject, PostParams},
};
use practice_api::ConsumerGroupPractice;
use practice_plan::config::Config;
use practice_testbed::{Cluster, Kafka};
use serde_json::json;
use tokio::{
    net::TcpListener,
    time::{Instant, sleep, timeout},
};
use tokio_util::sync::CancellationToken;

use crate::{
    endings::{FINALIZER, exists, spec},
    operator,
    scene::{Scene, looser_crd},
};

#[tokio::test]
async fn a_manifest_that_cannot_be_planned_or_decoded_has_an_end() {
    let cluster = Cluster::start().await;
    cluster.apply_crd(&looser_crd()).await;
    let scene = Scene::of(&cluster, "unplannable").await;
    let stop = CancellationToken::new();
    let account = operator::start(&cluster, stop.clone()).await;
    let bootstrap = scene.kafka.bootstrap();
    let names = ["wrong", "odd"].map(|name| (name, scene.name(name)));
    for (name, topic) in &names {
        scene.owns_topic(name, &spec(topic, bootstrap, "20s")).await;
    }
    let groups = |topic: &str| json!({"spec": {"deletionTimeout": "10m", "groups": [{"name": scene.name("g"), "replicas": 0, "topics": [topic]}]}});
    scene.merge("wrong", &groups("not-there")).await;
    scene.condition("wrong", "Ready=False/InvalidSpec").await;
    scene.delete("wrong").await;
    let message = scene
        .condition("wrong", "Reconciling=True/DeletionBlocked")
        .await;
    assert!(
        message.contains("groups[].topics may only name topics of spec.topics"),
        "{message}"
    );
    scene.condition("wrong", "Ready=False/Deleting").await;
    // the manifest can still be corrected
    scene.merge("wrong", &groups(&names[0].1)).await;
    scene.gone("wrong").await;
    assert!(!exists(bootstrap, &names[0].1).await, "it is deleted");

    let resource = ApiResource::erase::<ConsumerGroupPractice>(&());
    let untyped: Api<DynamicObject> =
        Api::namespaced_with(cluster.client(), &scene.namespace, &resource);
    scene
        .merge("odd", &json!({"spec": {"topics": "none of them"}}))
        .await;
    let writes = || {
        let requests = cluster.audit_in(&scene.namespace, &account.namespace, account.name);
        let is_status = |request: &&String| {
            request.contains("consumergrouppractices/status") && request.ends_with(" odd")
        };
        requests.iter().filter(is_status).count()
    };
    let before = writes();
    untyped
        .delete("odd", &DeleteParams::default())
        .await
        .expect("it can be deleted");
    let blocked = async || {
        let odd = untyped
            .get("odd")
            .await
            .map_err(|error| error.to_string())?;
        let conditions = odd.data["status"]["conditions"]
            .as_array()
            .cloned()
            .unwrap_or_default();
        let moving = conditions
            .iter()
            .find(|condition| condition["type"] == "Reconciling");
        match moving {
            Some(condition) if condition["reason"] == "DeletionBlocked" => {
                Ok(condition["message"].clone())
            }
            other => Err(format!("{other:?}")),
        }
    };
    let message = scene
        .until("the end is in status", blocked)
        .await
        .to_string();
    assert!(
        message.contains(&names[1].1) && message.contains("cannot be decoded"),
        "{message}"
    );
    let gone = async || match untyped.get_opt("odd").await {
        Ok(None) => Ok(()),
        other => Err(format!("{other:?}")),
    };
    scene.until("it is gone", gone).await;
    let written = writes() - before;
    assert!(
        (1..=4).contains(&written),
        "status is written when its meaning changes, not in a loop: {written} times"
    );
    scene.event("TopicAbandoned", &names[1].1).await;
    assert!(exists(bootstrap, &names[1].1).await, "it stays");
    stop.cancel();
}

#[tokio::test]
async fn a_kafka_that_the_policy_forbids_is_not_contacted_for_a_deletion() {
    let cluster = Cluster::start().await;
    cluster.apply_crd(&practice_api::crd_yaml()).await;
    let scene = Scene::of(&cluster, "forbidden").await;
    let config = json!({"policy": {"default": {
        "allowedBootstrapServers": [scene.kafka.bootstrap()], "topicPrefixes": [scene.name("")], "maxPartitions": 2,
    }}});
    let config: Config = serde_json::from_value(config).expect("it is as the chart writes it");
    let stop = CancellationToken::new();
    let account = operator::start_with(&cluster, config, None, stop.clone()).await;
    let forbidden = TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a port is free");
    let address = forbidden.local_addr().expect("it has one").to_string();

    // refused from the start: it has no topic, so its end waits for nothing
    scene
        .apply("new", &spec(&scene.name("new"), &address, "10m"))
        .await;
    scene.condition("new", "Ready=False/PolicyViolation").await;
    let finalizers = scene
        .practice("new")
        .await
        .expect("it is there")
        .metadata
        .finalizers;
    assert_eq!(finalizers, None, "a refused manifest changes nothing");
    scene.delete("new").await;
    scene.gone("new").await;

    // refused later: it has one
    let (topic, bootstrap) = (scene.name("t"), scene.kafka.bootstrap());
    scene.owns_topic("p", &spec(&topic, bootstrap, "10m")).await;
    scene.apply("p", &spec(&topic, &address, "10m")).await;
    scene.condition("p", "Ready=False/PolicyViolation").await;
    scene.delete("p").await;
    scene.gone("p").await;
    assert!(!exists(bootstrap, &topic).await, "its own Kafka is allowed");

    // totals bound what is created, not what is deleted
    let small = scene.name("small");
    scene
        .owns_topic("large", &spec(&small, bootstrap, "10m"))
        .await;
    let mut larger = spec(&small, bootstrap, "10m");
    larger["topics"][0]["partitions"] = json!(3);
    scene.apply("large", &larger).await;
    scene
        .condition("large", "Ready=False/PolicyViolation")
        .await;
    scene.delete("large").await;
    scene.gone("large").await;
    assert!(!exists(bootstrap, &small).await, "it is deleted");

    // the policy is stricter by now
    let kept = scene.name("kept");
    scene.owns_topic("q", &spec(&kept, bootstrap, "10m")).await;
    stop.cancel();
    timeout(Duration::from_mins(1), account.ended.cancelled())
        .await
        .expect("it ends");
    let config = json!({"policy": {"default": {"topicPrefixes": ["other-"]}}});
    let config: Config = serde_json::from_value(config).expect("is as the chart writes it");
    let stop = CancellationToken::new();
    let namespace = account.namespace.clone();
    operator::start_in(&cluster, namespace, config, None, stop.clone()).await;
    scene.condition("q", "Ready=False/PolicyViolation").await;
    scene.delete("q").await;
    let message = scene
        .condition("q", "Reconciling=True/DeletionBlocked")
        .await;
    assert!(
        message.contains("policy topicPrefixes") && message.contains(&kept),
        "{message}"
    );
    scene.condition("q", "Ready=False/Deleting").await;
    scene
        .condition("q", "KafkaReachable=Unknown/NotChecked")
        .await;
    scene.give_up_after("q", Duration::from_secs(15)).await;
    scene.gone("q").await;
    scene.event("TopicAbandoned", &kept).await;
    assert!(exists(bootstrap, &kept).await);
    let knock = timeout(Duration::from_secs(1), forbidden.accept()).await;
    assert!(knock.is_err(), "nothing has been contacted: {knock:?}");
    let writes = cluster.audit_in(&scene.namespace, &account.namespace, account.name);
    assert!(!writes.is_empty(), "the audit log is read");
    stop.cancel();
}

#[tokio::test]
async fn a_namespace_that_is_being_deleted_shortens_nothing() {
    let scene = Scene::new("terminating").await;
    let kafka = Kafka::start().await;
    let topic = scene.name("t");
    scene
        .owns_topic("p", &spec(&topic, kafka.bootstrap(), "10m"))
        .await;
    kafka.stop().await;
    let namespaces: Api<Namespace> = Api::all(scene.client.clone());
    namespaces
        .delete(&scene.namespace, &DeleteParams::default())
        .await
        .expect("it can be deleted");
    let begun = Instant::now();
    scene.delete("p").await;
    scene.condition("p", "Ready=False/Deleting").await;
    let message = scene
        .condition("p", "Reconciling=True/DeletionBlocked")
        .await;
    assert!(message.contains(&topic), "{message}");
    sleep(Duration::from_secs(15)).await;
    let there = scene.practice("p").await.expect("it is there");
    assert_eq!(there.finalizers(), [FINALIZER], "it still tries");
    let time = begun.elapsed() + Duration::from_secs(10);
    scene.give_up_after("p", time).await;
    scene.gone("p").await;
    let took = begun.elapsed();
    // the deletion timestamp and the timeout are in whole seconds
    assert!(
        took + Duration::from_secs(3) > time && took < time + Duration::from_secs(30),
        "{took:?}, not {time:?}"
    );
    // the API server refuses new Events there
    assert_eq!(
        scene.count("DeletionBlocked").await + scene.count("TopicAbandoned").await,
        0
    );
}

#[tokio::test]
async fn a_practice_that_waits_for_another_client_is_not_ready() {
    let scene = Scene::new("held").await;
    let theirs = "example.com/backup";
    let (topic, group) = (scene.name("t"), scene.name("g"));
    let resource = ApiResource::erase::<ConsumerGroupPractice>(&());
    let mut held = DynamicObject::new("p", &resource).data(json!({"spec": {
        "topics": [{"name": topic, "deletionPolicy": "Delete"}],
        "groups": [{"name": group, "replicas": 0}], "producer": {"enabled": false},
    }}));
    held.metadata.finalizers = Some(vec![theirs.to_owned()]);
    let untyped: Api<DynamicObject> =
        Api::namespaced_with(scene.client.clone(), &scene.namespace, &resource);
    untyped
        .create(&PostParams::default(), &held)
        .await
        .expect("it is legal");
    scene.ready("p").await;
    scene
        .status("p", "the topic is its own", |status| {
            status.topics[0].created_topic_id.is_some()
        })
        .await;
    scene.delete("p").await;
    scene
        .until("only their finalizer remains", async || {
            let practice = scene.practice("p").await?;
            let finalizers = practice.finalizers();
            if finalizers == [theirs] {
                Ok(())
            } else {
                Err(format!("{finalizers:?}"))
            }
        })
        .await;
    assert!(
        !exists(scene.kafka.bootstrap(), &topic).await,
        "the operator's part is done"
    );
    let waits = |status: &practice_api::PracticeStatus| {
        let moving = status.condition("Reconciling");
        moving.is_some_and(|moving| moving.reason == "Deleting" && moving.message.contains(theirs))
    };
    scene.status("p", "status names it", waits).await;
    scene.condition("p", "Ready=False/Deleting").await;
    scene.quiet().await;
    scene
        .merge("p", &json!({"metadata": {"finalizers": null}}))
        .await;
    scene.gone("p").await;
}
