//! What belongs to a practice: one Kafka under several addresses, and the record of created topics, which alone authorises.

use std::collections::BTreeMap;

use k8s_openapi::api::{apps::v1::Deployment, core::v1::ConfigMap};
use kube::{
    Api,
    api::{Patch, PatchParams},
};
use practice_api::ConsumerGroupPractice;
use practice_groups::{TopicFacts, TopicSeen};
use practice_kafka::Kafka;
use serde_json::{Value, json};

use crate::scene::{Scene, group};

/// The shared Kafka by another name of the same host.
fn alias(scene: &Scene) -> String {
    scene.kafka.bootstrap().replace("127.0.0.1", "localhost")
}

async fn facts(scene: &Scene, topic: &str) -> Option<TopicFacts> {
    let kafka = Kafka::connect(scene.kafka.bootstrap());
    let names = [topic.to_owned()];
    let seen = kafka.observe(&names, &[]).await.expect("Kafka answers");
    match &seen.topics[topic] {
        TopicSeen::Present(facts) => Some(facts.as_ref().clone()),
        TopicSeen::Missing => None,
        TopicSeen::Unknown(error) => panic!("{topic}: {error}"),
    }
}

async fn until_missing(scene: &Scene, topic: &str) {
    scene
        .until(
            &format!("topic {topic} is deleted"),
            async || match facts(scene, topic).await {
                None => Ok(()),
                Some(facts) => Err(format!("{facts:?}")),
            },
        )
        .await;
}

/// The entries of the record for the scene's namespace.
async fn record(scene: &Scene) -> BTreeMap<String, Value> {
    let name = format!("consumer-group-topics.{}", scene.namespace);
    let operators = scene.client.default_namespace();
    let all: Api<ConfigMap> = Api::namespaced(scene.client.clone(), operators);
    let found = all.get_opt(&name).await.expect("can be read");
    let data = found.and_then(|found| found.data).unwrap_or_default();
    data.into_iter()
        .map(|(key, text)| (key, serde_json::from_str(&text).expect("is JSON")))
        .collect()
}

#[tokio::test]
async fn another_spelling_of_an_address_changes_nothing_and_an_alias_keeps_what_is_owned() {
    let scene = Scene::new("alias").await;
    let _pods = scene.run_pods();
    let (topic, id) = (scene.name("t"), scene.name("g"));
    let spec = |servers: &str| {
        json!({"kafka": {"bootstrapServers": servers},
            "topics": [{"name": topic, "config": {"retention.ms": "3600000"}, "deletionPolicy": "Delete"}],
            "groups": [{"name": id, "replicas": 1}], "producer": {"enabled": false}})
    };
    let address = scene.kafka.bootstrap().to_owned();
    scene.apply("p", &spec(&address)).await;
    let before = scene.ready("p").await;
    let created = before.topics[0].created_topic_id.clone();
    assert_eq!(created, facts(&scene, &topic).await.map(|facts| facts.id));
    let deployment = format!("p-{id}");
    let generation = async || -> Option<i64> {
        let deployment: Deployment = scene.deployment(&deployment).await;
        deployment.metadata.generation
    };
    let at_first = generation().await;
    for spelling in [
        format!("{address},{address}"),
        format!("{address},  {address}"),
    ] {
        scene.apply("p", &spec(&spelling)).await;
        let status = scene.ready("p").await;
        scene.quiet().await;
        assert_eq!(generation().await, at_first, "{spelling}: no pod restarts");
        assert_eq!(status.topics[0].created_topic_id, created, "{spelling}");
    }

    scene.apply("p", &spec(&alias(&scene))).await;
    let status = scene
        .status("p", "the alias is in use", |status| {
            status.bootstrap_servers == Some(alias(&scene))
        })
        .await;
    assert_eq!(status.topics[0].created_topic_id, created);
    assert!(group(&status, &id).group_id_owned);
    let status = scene.ready("p").await;
    assert!(status.topics[0].ready, "{:?}", status.topics[0].message);
    scene.quiet().await;
    assert_eq!(
        generation().await,
        at_first.map(|generation| generation + 1),
        "one rollout"
    );
    // configuration is still its own to change
    let mut changed = spec(&alias(&scene));
    changed["topics"][0]["config"]["retention.ms"] = json!("7200000");
    scene.apply("p", &changed).await;
    scene.event("TopicConfigured", "retention.ms=7200000").await;
    scene.delete("p").await;
    scene.gone("p").await;
    until_missing(&scene, &topic).await;
}

#[tokio::test]
async fn two_addresses_of_one_kafka_share_topics_and_group_ids() {
    let scene = Scene::new("shared").await;
    let _pods = scene.run_pods();
    let (topic, id) = (scene.name("t"), scene.name("g"));
    let spec = |servers: &str, policy: &str| {
        json!({"kafka": {"bootstrapServers": servers},
            "topics": [{"name": topic, "deletionPolicy": policy}],
            "groups": [{"name": id, "replicas": 1}], "producer": {"enabled": false}})
    };
    scene
        .apply("p", &spec(scene.kafka.bootstrap(), "Delete"))
        .await;
    scene.ready("p").await;
    scene.apply("q", &spec(&alias(&scene), "Delete")).await;
    let message = scene.condition("q", "Stalled=True/GroupConflict").await;
    assert!(
        message.contains(&format!("{}/p", scene.namespace)),
        "{message}"
    );

    // the topic of p stays for q, which names it, and goes with q
    let created = facts(&scene, &topic).await.expect("it exists").id;
    scene.delete("p").await;
    scene.gone("p").await;
    assert_eq!(
        facts(&scene, &topic).await.map(|facts| facts.id),
        Some(created.clone())
    );
    scene
        .status("q", "the topic was handed over", |status| {
            status.topics[0].created_topic_id.as_ref() == Some(&created)
        })
        .await;
    scene.delete("q").await;
    scene.gone("q").await;
    until_missing(&scene, &topic).await;
}

#[tokio::test]
async fn two_practices_that_end_together_leave_no_topic() {
    let scene = Scene::new("together").await;
    let topics: Vec<String> = (0..4).map(|n| scene.name(&format!("t{n}"))).collect();
    let spec = json!({
        "topics": topics.iter().map(|topic| json!({"name": topic, "deletionPolicy": "Delete"})).collect::<Vec<_>>(),
        "producer": {"enabled": false}});
    let names = ["p", "q", "r"];
    for name in names {
        scene.apply(name, &spec).await;
        scene.ready(name).await;
    }
    futures::future::join_all(names.map(|name| scene.delete(name))).await;
    futures::future::join_all(names.map(|name| scene.gone(name))).await;
    for topic in &topics {
        until_missing(&scene, topic).await;
    }
}

#[tokio::test]
async fn a_status_or_annotation_that_names_a_topic_authorises_nothing() {
    let scene = Scene::new("forged").await;
    let topic = scene.name("foreign");
    scene.kafka.create_topic(&topic, 1).await;
    let foreign = facts(&scene, &topic).await.expect("it exists").id;
    scene
        .apply(
            "p",
            &json!({"topics": [{"name": topic, "deletionPolicy": "Delete"}], "producer": {"enabled": false}}),
        )
        .await;
    scene.ready("p").await;
    let forged = json!({"status": {"topics": [{"name": topic, "ready": true, "topicId": foreign, "createdTopicId": foreign}]}});
    scene
        .api::<ConsumerGroupPractice>()
        .patch_status("p", &PatchParams::default(), &Patch::Merge(&forged))
        .await
        .expect("may be patched");
    scene.delete("p").await;
    scene.gone("p").await;
    assert_eq!(
        facts(&scene, &topic).await.map(|facts| facts.id),
        Some(foreign)
    );
}

#[tokio::test]
async fn the_record_has_what_was_created_and_nothing_of_a_practice_that_is_gone() {
    let scene = Scene::new("record").await;
    let topic = scene.name("t");
    let spec = |policy: &str| json!({"topics": [{"name": topic, "deletionPolicy": policy}], "producer": {"enabled": false}});
    scene.apply("p", &spec("Retain")).await;
    scene.ready("p").await;
    let id = facts(&scene, &topic).await.expect("it exists").id;
    let uid = scene.practice("p").await.expect("it is there").metadata.uid;
    let entries = record(&scene).await;
    assert_eq!(entries.keys().collect::<Vec<_>>(), [&id]);
    let entry = &entries[&id];
    assert_eq!(
        (
            &entry["uid"],
            &entry["practice"],
            &entry["topic"],
            &entry["state"]
        ),
        (&json!(uid), &json!("p"), &json!(topic), &json!("created"))
    );
    scene.delete("p").await;
    scene.gone("p").await;
    // recreated: another practice, which owns nothing of the former
    scene.apply("p", &spec("Delete")).await;
    let status = scene.ready("p").await;
    assert_eq!(status.topics[0].created_topic_id, None);
    let other = scene.name("u");
    scene
        .apply(
            "q",
            &json!({"topics": [{"name": other}], "producer": {"enabled": false}}),
        )
        .await;
    scene.ready("q").await;
    let id = facts(&scene, &other).await.expect("it exists").id;
    let entries = record(&scene).await;
    assert_eq!(
        entries.keys().collect::<Vec<_>>(),
        [&id],
        "p's entry is removed"
    );
    scene.delete("p").await;
    scene.gone("p").await;
    assert!(
        facts(&scene, &topic).await.is_some(),
        "not created by this p"
    );
}
