//! The end of a practice: consumers stop before their topics are deleted; what blocks the end stands in status with the time of
//! giving up and the way out; then topics are given up by name.

use std::time::Duration;

use k8s_openapi::api::core::v1::Pod;
use kube::{
    ResourceExt,
    api::{ListParams, Patch, PatchParams},
};
use practice_api::{ConsumerGroupPractice, PracticeStatus};
use practice_groups::TopicSeen;
use practice_testbed::Kafka;
use serde_json::{Value, json};
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    task::JoinSet,
    time::{Instant, timeout},
};

use crate::scene::Scene;

pub(crate) const FINALIZER: &str = "kafka-practice.dev/topics";

/// One topic that is deleted with its practice, on this Kafka.
pub(crate) fn spec(topic: &str, bootstrap: &str, time: &str) -> Value {
    json!({
        "kafka": {"bootstrapServers": bootstrap},
        "topics": [{"name": topic, "deletionPolicy": "Delete"}],
        "producer": {"enabled": false},
        "deletionTimeout": time,
    })
}

/// Whether a topic exists.
pub(crate) async fn exists(bootstrap: &str, topic: &str) -> bool {
    let kafka = practice_kafka::Kafka::connect(bootstrap);
    let poll = kafka.observe(&[topic.to_owned()], &[]).await;
    let mut topics = poll.expect("Kafka answers").topics;
    match topics.remove(topic).expect("it was asked for") {
        TopicSeen::Present(_) => true,
        TopicSeen::Missing => false,
        unknown @ TopicSeen::Unknown(_) => panic!("{topic} is {unknown:?}"),
    }
}

impl Scene {
    /// Applies a practice and waits until status has the id of its topic, so that the topic is known as its own.
    pub(crate) async fn owns_topic(&self, name: &str, spec: &Value) {
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
    pub(crate) async fn merge(&self, name: &str, patch: &Value) {
        let patched = self
            .api::<ConsumerGroupPractice>()
            .patch_metadata(name, &PatchParams::default(), &Patch::Merge(patch))
            .await;
        patched.unwrap_or_else(|error| panic!("practice {name} cannot be patched: {error}"));
    }

    /// Sets the time, from its deletion, after which a practice's topics are given up: once everything was seen that comes before.
    pub(crate) async fn give_up_after(&self, name: &str, time: Duration) {
        let time = format!("{}s", time.as_secs());
        self.merge(name, &json!({"spec": {"deletionTimeout": time}}))
            .await;
    }

    pub(crate) async fn count(&self, reason: &str) -> usize {
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
    let mut wish = spec(&topic, kafka.bootstrap(), "10m");
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
    assert!(message.contains("(spec.deletionTimeout 10m)"), "{message}");
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

    let time = begun.elapsed() + Duration::from_secs(20);
    scene.give_up_after("p", time).await;
    scene.gone("p").await;
    let took = begun.elapsed();
    // the deletion timestamp and the timeout are in whole seconds
    assert!(
        took + Duration::from_secs(3) > time && took < time + Duration::from_secs(30),
        "{took:?}, not {time:?}"
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
    scene.gone("annotated").await; // and not after a week
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
    let mut wish = spec(&names[0], kafka.bootstrap(), "10m");
    wish["topics"] = json!([wish["topics"][0], {"name": names[1], "deletionPolicy": "Delete"}]);
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
    scene.give_up_after("p", Duration::from_secs(20)).await;
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
    wish["topics"] = json!([wish["topics"][0], {"name": allowed, "deletionPolicy": "Delete"}]);
    // Delete on the cluster would include every topic: a list without it denies it
    let rights = [
        "ClusterAction",
        "Describe",
        "DescribeConfigs",
        "Alter",
        "AlterConfigs",
        "Create",
        "IdempotentWrite",
    ];
    let rights = rights.iter().flat_map(|right| ["--operation", *right]);
    let args: Vec<&str> = ["--bootstrap-server", kafka.bootstrap(), "--add", "--force"]
        .into_iter()
        .chain(["--cluster", "--allow-principal", "User:ANONYMOUS"])
        .chain(rights)
        .collect();
    kafka.tool("org.apache.kafka.tools.AclCommand", &args).await;
    // before the topic exists, because brokers apply it a little later
    kafka.deny("Delete", ["--topic", &denied]).await;
    scene.owns_topic("p", &wish).await;
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

/// Another address of a Kafka, until it is dropped.
async fn alias(kafka: &'static str) -> (String, JoinSet<()>) {
    let listener = TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a port is free");
    let address = listener.local_addr().expect("is bound").to_string();
    let mut forwarder = JoinSet::new();
    forwarder.spawn(async move {
        let mut connections = JoinSet::new();
        while let Ok((mut client, _)) = listener.accept().await {
            connections.spawn(async move {
                let mut server = TcpStream::connect(kafka).await?;
                copy_bidirectional(&mut client, &mut server).await
            });
        }
    });
    (address, forwarder)
}

#[tokio::test]
async fn a_topic_is_deleted_on_the_kafka_that_has_it() {
    let scene = Scene::new("moved").await;
    let (former, topic) = (Kafka::start().await, scene.name("t"));
    let (address, forwarder) = alias(former.bootstrap().to_owned().leak()).await;
    let on = |address: &str| spec(&topic, address, "168h");
    for (name, first) in [("p", former.bootstrap()), ("q", &address)] {
        let mut wish = on(first);
        wish["topics"][0]["name"] = json!(scene.name(name));
        scene.owns_topic(name, &wish).await;
        wish["kafka"]["bootstrapServers"] = json!(scene.kafka.bootstrap());
        scene.apply(name, &wish).await;
        let moved = |status: &PracticeStatus| {
            status.bootstrap_servers.as_deref() == Some(scene.kafka.bootstrap())
                && status.topics[0].created_topic_id.is_some()
                && status.topics[0].ready
        };
        scene.status(name, "it is on the other Kafka", moved).await;
        for address in [former.bootstrap(), scene.kafka.bootstrap()] {
            assert!(exists(address, &scene.name(name)).await, "{address}");
        }
    }
    // the former Kafka is down at first: its topic is named, and waited for
    former.stop().await;
    drop(forwarder);
    for (name, down) in [("p", former.bootstrap()), ("q", &address)] {
        scene.delete(name).await;
        let cause = format!("deleting topic {}: {down} unreachable", scene.name(name));
        scene.event("DeletionBlocked", &cause).await;
        let deleted = async || {
            let exists = exists(scene.kafka.bootstrap(), &scene.name(name)).await;
            (!exists)
                .then_some(())
                .ok_or_else(|| "it exists".to_owned())
        };
        scene.until("the other topic is deleted", deleted).await;
    }
    former.restart().await;
    scene.gone("p").await;
    // its address is another one by now
    let mut corrected = on(former.bootstrap());
    corrected["topics"][0]["name"] = json!(scene.name("q"));
    scene.apply("q", &corrected).await;
    scene.gone("q").await;
    for name in ["p", "q"] {
        assert!(!exists(former.bootstrap(), &scene.name(name)).await);
    }
    assert_eq!(scene.count("TopicAbandoned").await, 0);
}

#[tokio::test]
async fn a_topic_of_a_kafka_that_was_replaced_is_named_and_waited_for_by_nobody() {
    let scene = Scene::new("replaced").await;
    let (kafka, topic) = (Kafka::start().await, scene.name("t"));
    let wish = spec(&topic, kafka.bootstrap(), "168h");
    scene.owns_topic("p", &wish).await;
    let id = kafka.replace().await;
    scene.delete("p").await;
    timeout(Duration::from_mins(1), scene.gone("p"))
        .await
        .expect("nothing to wait for");
    let why = format!(
        "topic {topic} stays in Kafka: it was created on the Kafka with cluster id Y2dwY2dwY2dwY2dwY2dwQQ, and {} has cluster id {id} now",
        kafka.bootstrap()
    );
    scene.event("TopicAbandoned", &why).await;
    assert_eq!(scene.count("DeletionBlocked").await, 0);
}
