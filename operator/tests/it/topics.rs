//! Topics: made, grown, used as they are, refused; what is another's is never changed.

use std::collections::BTreeMap;

use k8s_openapi::api::apps::v1::Deployment;
use practice_groups::{TopicFacts, TopicSeen};
use practice_kafka::{Kafka, Made};
use serde_json::json;

use crate::scene::Scene;

pub(crate) async fn seen(kafka: &Kafka, topic: &str) -> TopicSeen {
    let topics = [topic.to_owned()];
    kafka
        .observe(&topics, &[])
        .await
        .expect("Kafka answers")
        .topics
        .remove(topic)
        .expect("it was asked for")
}

async fn facts(kafka: &Kafka, topic: &str) -> TopicFacts {
    match seen(kafka, topic).await {
        TopicSeen::Present(facts) => facts.as_ref().clone(),
        other => panic!("{topic} is {other:?}"),
    }
}

pub(crate) async fn made(kafka: &Kafka, topic: &str, partitions: i32, config: &[(&str, &str)]) {
    let config: BTreeMap<_, _> = config
        .iter()
        .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
        .collect();
    let made = kafka.create_topic(topic, partitions, 1, &config).await;
    assert!(matches!(made, Ok(Made::Created { .. })), "{made:?}");
}

/// The configuration that is set on a topic itself.
pub(crate) async fn set_on_topic(kafka: &Kafka, topic: &str) -> BTreeMap<String, String> {
    let config = kafka.topic_config(topic).await.expect("can be read");
    let own = config.into_iter().filter(|(_, value)| value.on_topic);
    own.map(|(key, value)| (key, value.value)).collect()
}

#[tokio::test]
async fn a_topic_grows_and_a_larger_one_is_used_as_it_is() {
    let scene = Scene::new("topics").await;
    let kafka = Kafka::connect(scene.kafka.bootstrap());
    let (grows, larger) = (scene.name("grows"), scene.name("larger"));
    made(&kafka, &larger, 5, &[("retention.ms", "1000000")]).await;
    let spec = |partitions: i32| json!({"topics": [{"name": grows, "partitions": partitions}, {"name": larger, "partitions": 2, "deletionPolicy": "Delete"}], "producer": {"enabled": false}});
    scene.apply("p", &spec(1)).await;
    scene.ready("p").await;
    scene.apply("p", &spec(4)).await;
    let status = scene
        .status("p", "4 partitions", |s| {
            s.topics[0].partitions == Some(4) && s.topics[0].ready
        })
        .await;
    assert_eq!(facts(&kafka, &grows).await.partitions.len(), 4);
    scene
        .event(
            "TopicGrown",
            &format!("topic {grows} grown from 1 to 4 partitions"),
        )
        .await;
    let used = &status.topics[1];
    assert_eq!(
        (used.ready, used.partitions, used.created_topic_id.is_none()),
        (true, Some(5), true)
    );
    assert_eq!(status.summary.partitions, Some(9));

    // it was not ours to make, so it is not ours to remove
    scene.delete("p").await;
    scene.gone("p").await;
    assert_eq!(facts(&kafka, &larger).await.partitions.len(), 5);
    assert_eq!(
        facts(&kafka, &grows).await.partitions.len(),
        4,
        "Retain is the default"
    );
}

#[tokio::test]
async fn delete_removes_what_we_created_and_nothing_else() {
    let scene = Scene::new("delete").await;
    let kafka = Kafka::connect(scene.kafka.bootstrap());
    let names = ["ours", "shared", "again"].map(|what| scene.name(what));
    let [ours, shared, again] = &names;
    let topics: Vec<_> = names
        .iter()
        .map(|name| json!({"name": name, "deletionPolicy": "Delete"}))
        .collect();
    scene
        .apply(
            "p",
            &json!({"topics": topics, "producer": {"enabled": false}}),
        )
        .await;
    scene.ready("p").await;
    scene
        .apply(
            "q",
            &json!({"topics": [{"name": shared}], "producer": {"enabled": false}}),
        )
        .await;
    scene.ready("q").await;
    // somebody has made another one of that name
    let id = facts(&kafka, again).await.id;
    kafka
        .delete_topic(again, &id)
        .await
        .expect("may be deleted");
    scene
        .until("it is gone", async || match seen(&kafka, again).await {
            TopicSeen::Missing => Ok(()),
            // the operator has made it again already
            TopicSeen::Present(facts) if facts.id != id => Ok(()),
            other => Err(format!("{other:?}")),
        })
        .await;
    scene.delete("p").await;
    scene.gone("p").await;
    scene
        .until("ours is gone", async || match seen(&kafka, ours).await {
            TopicSeen::Missing => Ok(()),
            other => Err(format!("{other:?}")),
        })
        .await;
    assert!(
        matches!(seen(&kafka, shared).await, TopicSeen::Present(_)),
        "another practice names it"
    );
    scene.ready("q").await;
}

#[tokio::test]
async fn a_finalizer_is_there_as_long_as_a_topic_is_to_go() {
    let scene = Scene::new("finalizer").await;
    let kafka = Kafka::connect(scene.kafka.bootstrap());
    let topic = scene.name("t");
    let spec = |policy: &str| json!({"topics": [{"name": topic, "deletionPolicy": policy}], "producer": {"enabled": false}});
    for (policy, expected) in [("Retain", false), ("Delete", true), ("Retain", false)] {
        scene.apply("p", &spec(policy)).await;
        scene.ready("p").await;
        let finalizers = scene
            .practice("p")
            .await
            .expect("it is there")
            .metadata
            .finalizers
            .unwrap_or_default();
        assert_eq!(
            finalizers.contains(&"kafka-practice.dev/topics".to_owned()),
            expected,
            "{policy}: {finalizers:?}"
        );
    }
    scene.delete("p").await;
    scene.gone("p").await;
    assert!(
        matches!(seen(&kafka, &topic).await, TopicSeen::Present(_)),
        "it stays"
    );
}

#[tokio::test]
async fn a_topic_that_is_another_is_refused_and_left_alone() {
    let scene = Scene::new("conflict").await;
    let kafka = Kafka::connect(scene.kafka.bootstrap());
    let (copies, configured, absent) = (
        scene.name("copies"),
        scene.name("configured"),
        scene.name("absent"),
    );
    made(&kafka, &copies, 1, &[]).await;
    made(&kafka, &configured, 1, &[("retention.ms", "5000")]).await;
    for (name, topic, says) in [
        (
            "copies",
            json!({"name": copies, "partitions": 3, "replicationFactor": 2}),
            "has replicationFactor 1, the manifest has 2",
        ),
        (
            "config",
            json!({"name": configured, "partitions": 3, "config": {"retention.ms": "6000"}}),
            "has retention.ms `5000`, the manifest has `6000`",
        ),
        (
            "absent",
            json!({"name": absent, "managed": false}),
            "does not exist and managed is false",
        ),
    ] {
        scene
            .apply(
                name,
                &json!({"topics": [topic], "groups": [{"name": scene.name(name), "replicas": 1}]}),
            )
            .await;
        let message = scene.condition(name, "Ready=False/TopicConflict").await;
        assert!(message.contains(says), "{message}");
        scene.condition(name, "Stalled=True/TopicConflict").await;
        scene.condition(name, "TopicsReady=False").await;
    }
    scene.quiet().await;
    assert_eq!(
        facts(&kafka, &copies).await.partitions.len(),
        1,
        "not grown"
    );
    assert_eq!(
        set_on_topic(&kafka, &configured).await["retention.ms"],
        "5000"
    );
    assert_eq!(seen(&kafka, &absent).await, TopicSeen::Missing);

    // the fix that is named is one
    scene.kafka.create_topic(&absent, 7).await;
    let status = scene
        .status("absent", "it is there", |s| {
            s.topics[0].ready && s.topics[0].partitions == Some(7)
        })
        .await;
    assert_eq!(status.topics[0].created_topic_id, None);
    scene.condition("absent", "Stalled=False").await;
}

#[tokio::test]
async fn the_configuration_of_our_own_topic_follows_the_manifest() {
    let scene = Scene::new("configured").await;
    let kafka = Kafka::connect(scene.kafka.bootstrap());
    let topic = scene.name("t");
    let spec = |retention: &str| {
        let config = json!({"retention.ms": retention, "max.message.bytes": "2000"});
        json!({"topics": [{"name": topic, "config": config}], "producer": {"enabled": false}})
    };
    scene.apply("p", &spec("6000")).await;
    // a broker may show a topic a little later than it answers that it is created
    scene
        .status("p", "it is known as ours, and ready", |s| {
            s.topics[0].created_topic_id.is_some() && s.topics[0].ready
        })
        .await;
    scene.apply("p", &spec("7000")).await;
    scene
        .event(
            "TopicConfigured",
            &format!("topic {topic} configured: retention.ms=7000"),
        )
        .await;
    scene.ready("p").await;
    let set = set_on_topic(&kafka, &topic).await;
    assert_eq!(
        (
            set["retention.ms"].as_str(),
            set["max.message.bytes"].as_str()
        ),
        ("7000", "2000")
    );
    // what Kafka does not take is told in its words, and the topic stays as it is
    scene.apply("p", &spec("soon")).await;
    let message = scene.condition("p", "TopicsReady=False").await;
    assert!(
        message.contains(&topic) && message.contains("retention.ms"),
        "{message}"
    );
    assert_eq!(set_on_topic(&kafka, &topic).await["retention.ms"], "7000");
    scene.apply("p", &spec("8000")).await;
    scene.ready("p").await;
    // what the manifest names no longer goes back to Kafka's default; what somebody else has set stays
    let theirs = BTreeMap::from([("segment.ms".to_owned(), Some("9000".to_owned()))]);
    kafka
        .configure_topic(&topic, &theirs)
        .await
        .expect("can be set");
    scene
        .apply(
            "p",
            &json!({"topics": [{"name": topic}], "producer": {"enabled": false}}),
        )
        .await;
    let says = format!(
        "topic {topic} configured: max.message.bytes reset to its default, retention.ms reset to its default"
    );
    scene.event("TopicConfigured", &says).await;
    let status = scene
        .status("p", "nothing is set any more", |s| {
            s.topics[0].configured.is_empty()
        })
        .await;
    assert!(status.topics[0].ready);
    let set = set_on_topic(&kafka, &topic).await;
    assert_eq!(
        set,
        BTreeMap::from([("segment.ms".to_owned(), "9000".to_owned())])
    );
    scene.quiet().await;
}

#[tokio::test]
async fn a_topic_that_waits_for_brokers_holds_up_nothing_else() {
    let scene = Scene::new("brokers").await;
    let _pods = scene.run_pods();
    let (waits, goes, id) = (scene.name("waits"), scene.name("goes"), scene.name("g"));
    let spec = json!({
        "topics": [{"name": waits, "replicationFactor": 3}, {"name": goes, "partitions": 2}],
        "groups": [{"name": id, "replicas": 1}],
    });
    scene.apply("p", &spec).await;
    let message = scene.condition("p", "TopicsReady=False").await;
    assert!(
        message.contains("replicationFactor 3 is larger than the number of brokers"),
        "{message}"
    );
    let status = scene
        .status("p", "everything else runs", |s| {
            s.topics[1].ready
                && s.groups[0]
                    .members
                    .first()
                    .is_some_and(|member| member.partition_count == 2)
        })
        .await;
    assert!(!status.topics[0].ready && status.groups[0].group_id_owned);
    assert_eq!(status.groups[0].lag, Some(0), "of what is there");
    assert_eq!(
        scene.names::<Deployment>().await,
        [format!("p-{id}"), "p-producer".to_owned()]
    );
    scene.condition("p", "Ready=False/TopicsNotReady").await;
    scene.condition("p", "Stalled=False").await;
    scene.condition("p", "ProducerAvailable=True").await;
}
