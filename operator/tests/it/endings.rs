//! The end of a practice: consumers stop before their topics are deleted; what blocks the end stands in status with the time of
//! giving up and the way out; then topics are given up by name.

use std::time::Duration;

use k8s_openapi::api::core::v1::{Namespace, Pod};
use kube::{
    Api, ResourceExt,
    api::{ApiResource, DeleteParams, DynamicObject, ListParams, Patch, PatchParams, PostParams},
};
use practice_api::ConsumerGroupPractice;
use practice_groups::TopicSeen;
use practice_plan::config::Config;
use practice_testbed::{Cluster, Kafka};
use serde_json::{Value, json};
use tokio::{
    net::TcpListener,
    time::{Instant, sleep, timeout},
};
use tokio_util::sync::CancellationToken;

use crate::{
    operator,
    scene::{Scene, looser_crd},
};

const FINALIZER: &str = "kafka-practice.dev/topics";

/// One topic that is deleted with its practice, on this Kafka.
fn spec(topic: &str, bootstrap: &str, time: &str) -> Value {
    json!({
        "kafka": {"bootstrapServers": bootstrap},
        "topics": [{"name": topic, "deletionPolicy": "Delete"}],
        "producer": {"enabled": false},
        "deletionTimeout": time,
    })
}

/// Whether a topic exists.
async fn exists(bootstrap: &str, topic: &str) -> bool {
    let kafka = practice_kafka::Kafka::connect(bootstrap);
    let poll = kafka.observe(&[topic.to_owned()], &[]).await;
    let mut topics = poll.expect("Kafka answers").topics;
    match topics.remove(topic).expect("it was asked for") {
        TopicSeen::Present(_) => true,
        TopicSeen::Missing => false,
        other => panic!("{topic} is {other:?}"),
    }
}

impl Scene {
    /// Applies a practice and waits until status has the id of its topic, so that the topic is known as its own.
    async fn owns_topic(&self, name: &str, spec: &Value) {
        self.apply(name, spec).await;
        self.status(name, "the topic is its own", |status| {
            status
                .topics
                .iter()
                .all(|topic| topic.created_topic_id.is_some())
        })
        .await;
    }

    /// Merges a patch into a practice.
    async fn merge(&self, name: &str, patch: &Value) {
        let api = self.api::<ConsumerGroupPractice>();
        let patched = api.patch_metadata(name, &PatchParams::default(), &Patch::Merge(patch));
        patched
            .await
            .unwrap_or_else(|error| panic!("practice {name} cannot be patched: {error}"));
    }

    async fn count(&self, reason: &str) -> usize {
        let events = self.events().await;
        events
            .iter()
            .filter(|event| event.starts_with(&format!("{reason}: ")))
            .count()
    }
}

#[tokio::test]
async fn consumers_stop_before_their_topic_is_deleted() {
    let scene = Scene::new("stops").await;
    let _pods = scene.run_pods();
    let (topic, group) = (scene.name("t"), scene.name("g"));
    let bootstrap = scene.kafka.bootstrap();
    let mut wish = spec(&topic, bootstrap, "10m");
    wish["groups"] = json!([{"name": group, "replicas": 2}, {"name": scene.name("free")}]);
    scene.apply("p", &wish).await;
    scene.ready("p").await;
    scene.delete("p").await;
    scene
        .until("the topic is deleted", async || {
            if exists(bootstrap, &topic).await {
                Err("it exists".to_owned())
            } else {
                Ok(())
            }
        })
        .await;
    let pods = scene.api::<Pod>().list(&ListParams::default()).await;
    let pods: Vec<String> = pods
        .expect("can be listed")
        .iter()
        .map(ResourceExt::name_any)
        .collect();
    assert_eq!(pods, Vec::<String>::new(), "every consumer has stopped");
    scene.gone("p").await;
    // without a garbage collector the objects are still there
    for deployment in [format!("p-{group}"), format!("p-{}", scene.name("free"))] {
        assert_eq!(scene.replicas(&deployment).await, 0, "{deployment}");
    }
    assert_eq!(scene.count("DeletionBlocked").await, 0);
    assert_eq!(scene.count("TopicAbandoned").await, 0);
}

#[tokio::test]
async fn topics_of_a_kafka_that_is_gone_are_given_up_after_the_timeout() {
    let scene = Scene::new("gone").await;
    let kafka = Kafka::start().await;
    let _pods = scene.run_pods();
    let (topic, group) = (scene.name("t"), scene.name("g"));
    let mut wish = spec(&topic, kafka.bootstrap(), "40s");
    wish["groups"] = json!([{"name": group, "replicas": 1}]);
    wish["producer"] = json!({"enabled": true});
    scene.owns_topic("p", &wish).await;
    scene.ready("p").await;
    kafka.stop().await;
    let begun = Instant::now();
    scene.delete("p").await;
    let message = scene
        .condition("p", "Reconciling=True/DeletionBlocked")
        .await;
    let cause = format!(
        "deleting topic {topic}: {} unreachable since ",
        kafka.bootstrap()
    );
    let command = "kubectl annotate cgp p kafka-practice.dev/keep-topics=true";
    assert!(message.starts_with(&cause), "{message}");
    assert!(
        message.contains("; given up at ") && message.ends_with(command),
        "{message}"
    );
    assert!(message.contains("(spec.deletionTimeout 40s)"), "{message}");
    scene.condition("p", "Ready=False/Deleting").await;
    scene
        .condition("p", "KafkaReachable=False/ConnectionRefused")
        .await;
    scene.event("DeletionBlocked", &cause).await;
    for deployment in [format!("p-{group}"), "p-producer".to_owned()] {
        scene.has_replicas(&deployment, 0).await;
    }
    let status = scene
        .practice("p")
        .await
        .expect("it is there")
        .status
        .expect("it is set");
    let seen = &status.groups[0];
    assert_eq!(
        (seen.replicas, seen.lag, seen.state.as_str()),
        (0, None, "Unknown")
    );
    assert_eq!(status.summary.lag, None);

    scene.gone("p").await;
    let took = begun.elapsed();
    // the deletion timestamp is in whole seconds
    assert!(
        took > Duration::from_secs(38) && took < Duration::from_secs(70),
        "{took:?}"
    );
    scene
        .event("TopicAbandoned", &format!("topic {topic} stays in Kafka"))
        .await;
    assert_eq!(
        scene.count("DeletionBlocked").await,
        1,
        "{:?}",
        scene.events().await
    );
    assert_eq!(
        scene.count("TopicAbandoned").await,
        1,
        "{:?}",
        scene.events().await
    );
    kafka.restart().await;
    assert!(exists(kafka.bootstrap(), &topic).await, "it was given up");
}

#[tokio::test]
async fn an_annotation_keeps_the_topics_and_a_kafka_that_is_back_ends_the_wait() {
    let scene = Scene::new("keep").await;
    let kafka = Kafka::start().await;
    let names = ["annotated", "before", "waits"].map(|name| (name, scene.name(name)));
    for (name, topic) in &names {
        scene
            .owns_topic(name, &spec(topic, kafka.bootstrap(), "168h"))
            .await;
    }
    let annotation = |value: &str| json!({"metadata": {"annotations": {"kafka-practice.dev/keep-topics": value}}});
    // while Kafka answers
    scene.merge("before", &annotation("true")).await;
    scene.delete("before").await;
    scene.gone("before").await;
    kafka.stop().await;
    for name in ["annotated", "waits"] {
        scene.delete(name).await;
        scene
            .condition(name, "Reconciling=True/DeletionBlocked")
            .await;
    }
    scene.merge("annotated", &annotation("yes")).await;
    let explained = async || {
        let practice = scene.practice("annotated").await?;
        let message = practice
            .status
            .as_ref()
            .and_then(|status| status.condition("Reconciling"));
        let message = message
            .map(|condition| condition.message.clone())
            .unwrap_or_default();
        if message.contains(
            "--overwrite kafka-practice.dev/keep-topics=true (its value `yes` is not `true`)",
        ) {
            Ok(())
        } else {
            Err(message)
        }
    };
    scene.until("the wrong value is named", explained).await;
    scene.merge("annotated", &annotation("true")).await;
    timeout(Duration::from_secs(20), scene.gone("annotated"))
        .await
        .expect("at once");
    for (_, topic) in &names[..2] {
        let says = format!(
            "topic {topic} stays in Kafka: annotation kafka-practice.dev/keep-topics is true"
        );
        scene.event("TopicAbandoned", &says).await;
    }
    let waits = scene.practice("waits").await.expect("it is there");
    assert_eq!(waits.finalizers(), [FINALIZER]);

    kafka.restart().await;
    scene.gone("waits").await;
    let [annotated, before, waits] = names.map(|(_, topic)| topic);
    assert!(!exists(kafka.bootstrap(), &waits).await, "it is deleted");
    assert!(
        exists(kafka.bootstrap(), &annotated).await && exists(kafka.bootstrap(), &before).await
    );
    assert_eq!(scene.count("TopicAbandoned").await, 2);
}

#[tokio::test]
async fn a_kafka_that_deletes_no_topics_is_reported_in_its_words() {
    let scene = Scene::new("disabled").await;
    let kafka = Kafka::start_without_topic_deletion().await;
    let names = ["t", "u"].map(|name| scene.name(name));
    let mut wish = spec(&names[0], kafka.bootstrap(), "20s");
    wish["topics"][1] = json!({"name": names[1], "deletionPolicy": "Delete"});
    scene.owns_topic("p", &wish).await;
    scene.delete("p").await;
    let message = scene
        .condition("p", "Reconciling=True/DeletionBlocked")
        .await;
    let cause = format!(
        "deleting topics {}, {}: Kafka answered TopicDeletionDisabled",
        names[0], names[1]
    );
    assert!(message.starts_with(&cause), "{message}");
    scene.condition("p", "Ready=False/Deleting").await;
    scene.condition("p", "KafkaReachable=True").await;
    scene.gone("p").await;
    for name in &names {
        scene.event("TopicAbandoned", name).await;
    }
    scene.event("TopicAbandoned", "TopicDeletionDisabled").await;
}

#[tokio::test]
async fn a_denied_deletion_names_the_right_to_grant_and_the_others_are_deleted() {
    let scene = Scene::new("nodelete").await;
    let kafka = Kafka::start_with_access_control().await;
    let (denied, allowed) = (scene.name("denied"), scene.name("allowed"));
    let mut wish = spec(&denied, kafka.bootstrap(), "10m");
    wish["topics"][1] = json!({"name": allowed, "deletionPolicy": "Delete"});
    scene.owns_topic("p", &wish).await;
    kafka.deny("Delete", ["--topic", &denied]).await;
    scene.delete("p").await;
    let message = scene
        .condition("p", "Reconciling=True/DeletionBlocked")
        .await;
    let cause = format!(
        "deleting topic {denied}: Kafka denied Delete to this client, which connects without authentication: grant it on topic {denied}; given up at "
    );
    assert!(message.starts_with(&cause), "{message}");
    scene.event("DeletionBlocked", "Kafka denied Delete").await;
    assert!(
        !exists(kafka.bootstrap(), &allowed).await,
        "one does not block the other"
    );
    kafka.allow("Delete", ["--topic", &denied]).await;
    scene.gone("p").await;
    assert!(!exists(kafka.bootstrap(), &denied).await);
    assert_eq!(scene.count("TopicAbandoned").await, 0);
}

#[tokio::test]
async fn a_manifest_that_cannot_be_planned_or_decoded_has_an_end() {
    let cluster = Cluster::start().await;
    cluster.apply_crd(&looser_crd()).await;
    let scene = Scene::of(&cluster, "unplannable").await;
    let stop = CancellationToken::new();
    operator::start(&cluster, stop.clone()).await;
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
    scene.delete("odd").await;
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
    scene.owns_topic("p", &spec(&topic, bootstrap, "15s")).await;
    scene.apply("p", &spec(&topic, &address, "15s")).await;
    scene.condition("p", "Ready=False/PolicyViolation").await;
    scene.delete("p").await;
    let message = scene
        .condition("p", "Reconciling=True/DeletionBlocked")
        .await;
    assert!(
        message.contains("policy allowedBootstrapServers") && message.contains(&topic),
        "{message}"
    );
    scene.condition("p", "Ready=False/Deleting").await;
    scene
        .condition("p", "KafkaReachable=Unknown/NotChecked")
        .await;
    scene.gone("p").await;
    scene.event("TopicAbandoned", &topic).await;
    let knock = timeout(Duration::from_secs(1), forbidden.accept()).await;
    assert!(knock.is_err(), "nothing has been contacted: {knock:?}");
    assert!(exists(bootstrap, &topic).await);

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
        .owns_topic("p", &spec(&topic, kafka.bootstrap(), "25s"))
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
    scene.gone("p").await;
    let took = begun.elapsed();
    assert!(
        took > Duration::from_secs(23) && took < Duration::from_secs(55),
        "{took:?}"
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
