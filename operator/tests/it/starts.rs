//! Groups with `autoOffsetReset: latest`: their start is pinned, and everything that is sent after it is read.

use k8s_openapi::api::apps::v1::Deployment;
use practice_api::{PracticeStatus, status::OwnedPartition};
use practice_testbed::{Kafka, described::CONSUMER_GROUP_COMMAND};
use serde_json::{Value, json};

use crate::scene::{Scene, group};

/// A practice with one group on topic `t`, with these fields on top.
fn spec(scene: &Scene, partitions: i32, fields: Value) -> Value {
    let mut group = json!({"name": scene.name("g"), "replicas": 1, "autoOffsetReset": "latest"});
    for (key, value) in fields.as_object().expect("fields") {
        group[key] = value.clone();
    }
    json!({"topics": [{"name": scene.name("t"), "partitions": partitions}], "groups": [group],
        "producer": {"enabled": false}})
}

/// Committed offset and lag of each partition.
fn shares(status: &PracticeStatus) -> Vec<(Option<i64>, Option<i64>)> {
    let mut shares: Vec<&OwnedPartition> = status.groups[0].shares().collect();
    shares.sort_by_key(|share| share.partition);
    shares
        .into_iter()
        .map(|share| (share.committed, share.lag))
        .collect()
}

async fn until_shares(
    scene: &Scene,
    what: &str,
    members: usize,
    expected: &[(Option<i64>, Option<i64>)],
) {
    scene
        .status("p", what, |status| {
            status.groups[0].members.len() == members && shares(status) == expected
        })
        .await;
}

async fn pinned(scene: &Scene) -> Vec<String> {
    let mut events = scene.events().await;
    events.retain(|event| event.starts_with("GroupStartPinned: "));
    events
}

#[tokio::test]
async fn everything_after_the_start_of_a_latest_group_is_read() {
    for protocol in ["Classic", "Consumer"] {
        let scene = Scene::new("latest").await;
        let topic = scene.name("t");
        scene.kafka.create_topic(&topic, 2).await;
        for _ in 0..3 {
            scene.kafka.send(&topic, 0, "before the start").await;
        }
        let _pods = scene.run_pods();
        let with = |partitions, state: &str| {
            spec(
                &scene,
                partitions,
                json!({"protocol": protocol, "state": state}),
            )
        };
        scene.apply("p", &with(2, "Running")).await;
        scene.ready("p").await;
        let at = |committed, lag| (Some(committed), Some(lag));
        until_shares(&scene, "its start is the end", 1, &[at(3, 0), at(0, 0)]).await;
        scene
            .event(
                "GroupStartPinned",
                &format!("{topic}/0 offset 3, {topic}/1 offset 0"),
            )
            .await;

        // between stop and start; nothing was ever consumed in either partition
        scene.apply("p", &with(2, "Stopped")).await;
        until_shares(&scene, "it has left", 0, &[at(3, 0), at(0, 0)]).await;
        for partition in [0, 1] {
            scene
                .kafka
                .send(&topic, partition, "while it is stopped")
                .await;
        }
        until_shares(&scene, "they wait", 0, &[at(3, 1), at(0, 1)]).await;
        scene.apply("p", &with(2, "Running")).await;
        until_shares(&scene, "they are read", 1, &[at(4, 0), at(1, 0)]).await;

        // in an added partition
        scene.apply("p", &with(3, "Running")).await;
        scene
            .status("p", "it has grown", |s| s.topics[0].partitions == Some(3))
            .await;
        for _ in 0..11 {
            scene.kafka.send(&topic, 2, "in an added partition").await;
        }
        until_shares(&scene, "11 of 11", 1, &[at(4, 0), at(1, 0), at(11, 0)]).await;
        assert_eq!(pinned(&scene).await.len(), 1, "{protocol}");
    }
}

#[tokio::test]
async fn a_latest_group_on_topics_of_its_practice_misses_nothing() {
    let scene = Scene::new("latest-new").await;
    let topic = scene.name("t");
    let _pods = scene.run_pods();
    let at = |committed, lag| (Some(committed), Some(lag));
    scene.apply("p", &spec(&scene, 1, json!({}))).await;
    scene.ready("p").await;
    until_shares(&scene, "the new topic's start", 1, &[at(0, 0)]).await;
    scene
        .apply("p", &spec(&scene, 1, json!({"state": "Stopped"})))
        .await;
    until_shares(&scene, "it has left", 0, &[at(0, 0)]).await;
    scene.kafka.send(&topic, 0, "the first of all").await;

    // partitions that are added while it is stopped start at their beginning
    scene
        .apply("p", &spec(&scene, 2, json!({"state": "Stopped"})))
        .await;
    scene
        .status("p", "it has grown", |s| s.topics[0].partitions == Some(2))
        .await;
    scene.kafka.send(&topic, 1, "the first there").await;
    until_shares(&scene, "both wait", 0, &[at(0, 1), (None, Some(1))]).await;
    scene.apply("p", &spec(&scene, 2, json!({}))).await;
    until_shares(&scene, "both are read", 1, &[at(1, 0), at(1, 0)]).await;

    // its commits expire: the next start is pinned
    scene
        .apply("p", &spec(&scene, 2, json!({"state": "Stopped"})))
        .await;
    until_shares(&scene, "it has left", 0, &[at(1, 0), at(1, 0)]).await;
    let id = scene.name("g");
    let delete = [
        "--bootstrap-server",
        scene.kafka.bootstrap(),
        "--group",
        &id,
        "--delete",
    ];
    scene.kafka.tool(CONSUMER_GROUP_COMMAND, &delete).await;
    for _ in 0..2 {
        scene
            .kafka
            .send(&topic, 0, "after its commits expired")
            .await;
    }
    let none = (None, Some(0));
    until_shares(&scene, "it has no commits", 0, &[none, none]).await;
    scene.apply("p", &spec(&scene, 2, json!({}))).await;
    until_shares(&scene, "it starts at the end", 1, &[at(3, 0), at(1, 0)]).await;
    scene
        .event(
            "GroupStartPinned",
            &format!("{topic}/0 offset 3, {topic}/1 offset 1"),
        )
        .await;
    assert_eq!(pinned(&scene).await.len(), 2);
}

#[tokio::test]
async fn a_latest_group_on_a_recreated_topic_reads_it_from_its_beginning() {
    let scene = Scene::new("latest-again").await;
    let topic = scene.name("t");
    let _pods = scene.run_pods();
    let at = |committed, lag| (Some(committed), Some(lag));
    scene.kafka.create_topic(&topic, 1).await;
    scene.kafka.send(&topic, 0, "former").await;
    scene.apply("p", &spec(&scene, 1, json!({}))).await;
    scene.ready("p").await;
    until_shares(&scene, "the end", 1, &[at(1, 0)]).await;
    scene
        .apply("p", &spec(&scene, 1, json!({"state": "Stopped"})))
        .await;
    until_shares(&scene, "it has left", 0, &[at(1, 0)]).await;
    let servers = scene.kafka.bootstrap();
    let delete = ["--bootstrap-server", servers, "--delete", "--topic", &topic];
    scene
        .kafka
        .tool("org.apache.kafka.tools.TopicCommand", &delete)
        .await;
    // the operator creates it again
    let event = scene.event("TopicCreated", &topic);
    event.await;
    for _ in 0..2 {
        scene.kafka.send(&topic, 0, "in the new topic").await;
    }
    until_shares(&scene, "they wait", 0, &[at(0, 2)]).await;
    scene.apply("p", &spec(&scene, 1, json!({}))).await;
    until_shares(&scene, "both are read", 1, &[at(2, 0)]).await;
}

#[tokio::test]
async fn a_start_that_cannot_be_pinned_holds_the_group_and_says_why() {
    let scene = Scene::new("unpinned").await;
    let kafka = Kafka::start_with_access_control().await;
    let (topic, id) = (scene.name("t"), scene.name("g"));
    kafka.create_topic(&topic, 1).await;
    kafka.send(&topic, 0, "before").await;
    kafka.deny("Read", ["--group", &id]).await;
    let mut spec = spec(&scene, 1, json!({}));
    spec["kafka"] = json!({"bootstrapServers": kafka.bootstrap()});
    scene.apply("p", &spec).await;
    let message = scene
        .condition("p", "Stalled=True/AuthorizationFailed")
        .await;
    assert!(
        message.starts_with(&format!("group {id}: Kafka denied Read")),
        "{message}"
    );
    let status = scene
        .status("p", "it is held", |s| s.groups[0].hold.is_some())
        .await;
    let hold = status.groups[0].hold.as_ref().expect("is set");
    assert_eq!(
        (hold.reason.as_str(), status.groups[0].group_id_owned),
        ("AuthorizationFailed", false)
    );
    scene.has_replicas(&format!("p-{id}"), 0).await;
    scene.quiet().await;
    let events = scene.events().await;
    assert!(
        !events
            .iter()
            .any(|event| event.starts_with("GroupIdClaimed")),
        "{events:?}"
    );
    kafka.allow("Read", ["--group", &id]).await;
    scene
        .event("GroupStartPinned", &format!("{topic}/0 offset 1"))
        .await;
    scene.has_replicas(&format!("p-{id}"), 1).await;

    // a topic that does not exist: nothing can be consumed yet
    let missing = scene.name("missing");
    let unmanaged = json!({"kafka": {"bootstrapServers": kafka.bootstrap()},
        "topics": [{"name": missing, "managed": false}], "producer": {"enabled": false},
        "groups": [{"name": scene.name("h"), "replicas": 1, "autoOffsetReset": "latest"}]});
    scene.apply("q", &unmanaged).await;
    let waits = |s: &PracticeStatus| {
        let hold = s.groups[0].hold.as_ref();
        hold.is_some_and(|hold| {
            hold.reason == "GroupStartPending"
                && hold.message.contains(&format!("topic {missing} to exist"))
        })
    };
    scene.status("q", "it waits for its topic", waits).await;
    let message = scene.condition("q", "Reconciling=True").await;
    assert!(message.contains(&missing), "{message}");
    kafka.create_topic(&missing, 1).await;
    scene
        .has_replicas(&format!("q-{}", scene.name("h")), 1)
        .await;
}

#[tokio::test]
async fn changing_the_reset_policy_of_a_group_replaces_no_consumer() {
    let scene = Scene::new("policy").await;
    let topic = scene.name("t");
    scene.kafka.create_topic(&topic, 1).await;
    scene.kafka.send(&topic, 0, "one").await;
    let _pods = scene.run_pods();
    let name = format!("p-{}", scene.name("g"));
    let earliest = json!({"autoOffsetReset": "earliest"});
    scene.apply("p", &spec(&scene, 1, earliest.clone())).await;
    scene.ready("p").await;
    let at = |committed, lag| (Some(committed), Some(lag));
    until_shares(&scene, "all is read", 1, &[at(1, 0)]).await;
    scene.quiet().await;
    let generation = async || {
        let deployment = scene.get::<Deployment>(&name).await.expect("it is there");
        deployment.metadata.generation
    };
    let before = generation().await;
    for fields in [json!({}), earliest, json!({})] {
        scene.apply("p", &spec(&scene, 1, fields)).await;
        scene.ready("p").await;
        scene.quiet().await;
        assert_eq!(generation().await, before);
    }
    let status = scene.ready("p").await;
    assert_eq!(group(&status, &scene.name("g")).members.len(), 1);
    assert_eq!(shares(&status), [at(1, 0)]);
    assert!(pinned(&scene).await.is_empty(), "it has commits");
}
