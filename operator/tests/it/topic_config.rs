//! The configuration of topics that exist: what counts as the manifest's value, and where it is set.

use std::collections::BTreeMap;

use practice_groups::TopicSeen;
use practice_kafka::Kafka;
use serde_json::json;

use crate::{
    scene::Scene,
    topics::{made, seen, set_on_topic},
};

#[tokio::test]
async fn a_default_that_is_the_manifests_value_is_no_conflict() {
    let scene = Scene::new("default").await;
    let kafka = Kafka::connect(scene.kafka.bootstrap());
    let bootstrap = scene.kafka.bootstrap().to_owned();
    // of all brokers, at run time: a topic calls it delete.retention.ms
    let of_brokers = async |change: [&str; 2]| {
        let entity = [
            "--bootstrap-server",
            &bootstrap,
            "--alter",
            "--entity-type",
            "brokers",
            "--entity-default",
        ];
        let args = [&entity[..], &change[..]].concat();
        scene.kafka.tool("kafka.admin.ConfigCommand", &args).await;
    };
    of_brokers(["--add-config", "log.cleaner.delete.retention.ms=4321"]).await;
    let (theirs, ours) = (scene.name("theirs"), scene.name("ours"));
    made(&kafka, &theirs, 1, &[("segment.ms", "9000")]).await;
    let config = json!({
        // Kafka's own default, the brokers', and the topic's own value; each in another spelling
        "retention.ms": "0604800000", "unclean.leader.election.enable": "FALSE", "cleanup.policy": " delete",
        "delete.retention.ms": "4321", "segment.ms": "9000",
    });
    let topics = [&theirs, &ours].map(|name| json!({"name": name, "config": config}));
    let spec =
        |topics: &[serde_json::Value]| json!({"topics": topics, "producer": {"enabled": false}});
    scene.apply("p", &spec(&topics)).await;
    let status = scene.ready("p").await;
    assert_eq!(
        (status.topics[0].ready, &status.topics[0].configured),
        (true, &Vec::new()),
        "nothing of it is ours"
    );
    assert_eq!(
        set_on_topic(&kafka, &theirs).await,
        BTreeMap::from([("segment.ms".to_owned(), "9000".to_owned())]),
        "it is not changed"
    );
    let set = set_on_topic(&kafka, &ours).await;
    assert_eq!(
        set.keys().collect::<Vec<_>>(),
        [
            "cleanup.policy",
            "delete.retention.ms",
            "retention.ms",
            "segment.ms",
            "unclean.leader.election.enable"
        ],
        "on our own topic the manifest holds whatever becomes the default"
    );
    // a key that is added later is set on ours, too, although it is the default; spellings are no change
    let mut more = topics.clone();
    for topic in &mut more {
        topic["config"]["retention.ms"] = json!("604800000");
        topic["config"]["file.delete.delay.ms"] = json!("60000");
    }
    scene.apply("p", &spec(&more)).await;
    scene
        .event(
            "TopicConfigured",
            &format!("topic {ours} configured: file.delete.delay.ms=60000"),
        )
        .await;
    scene.ready("p").await;
    // released, they are gone from ours, and nothing happens to the other
    let none = [&theirs, &ours].map(|name| json!({"name": name}));
    scene.apply("p", &spec(&none)).await;
    scene
        .status("p", "nothing is set any more", |status| {
            status.topics[1].configured.is_empty()
        })
        .await;
    assert_eq!(set_on_topic(&kafka, &ours).await, BTreeMap::new());
    assert_eq!(set_on_topic(&kafka, &theirs).await.len(), 1);
    // another value than the default is a conflict that names both
    of_brokers(["--delete-config", "log.cleaner.delete.retention.ms"]).await;
    scene.apply("p", &spec(&topics)).await;
    let message = scene.condition("p", "Ready=False/TopicConflict").await;
    assert!(
        message.contains("has delete.retention.ms `86400000` by default, the manifest has `4321`"),
        "{message}"
    );
    assert_eq!(set_on_topic(&kafka, &theirs).await.len(), 1, "not changed");
}

#[tokio::test]
async fn a_topic_whose_name_collides_with_one_of_kafka_is_refused_in_kafkas_words() {
    let scene = Scene::new("collides").await;
    let kafka = Kafka::connect(scene.kafka.bootstrap());
    let (there, wanted) = (scene.name("a.b"), scene.name("a_b"));
    made(&kafka, &there, 1, &[]).await;
    let spec = json!({"topics": [{"name": wanted}], "producer": {"enabled": false}});
    scene.apply("p", &spec).await;
    let message = scene.condition("p", "Ready=False/TopicRefused").await;
    assert!(
        message.contains("InvalidTopic") && message.contains(&there) && message.contains(&wanted),
        "{message}"
    );
    assert_eq!(seen(&kafka, &wanted).await, TopicSeen::Missing);
}
