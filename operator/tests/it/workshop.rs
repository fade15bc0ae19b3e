//! Several learners on one Kafka, a namespace each: the same manifest with names below the namespace, and a policy that allows no other names.

use std::collections::BTreeSet;

use practice_api::{ConsumerGroupPractice, PracticeSpec, PracticeStatus};
use practice_plan::{
    config::Config,
    prefix::{namespace_prefix, prefix_names},
};
use practice_testbed::Cluster;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::{operator, scene::Scene};

/// Practice 3 as the repository has it.
fn practice_3() -> PracticeSpec {
    let text = include_str!("../../../deploy/samples/practice-3.yaml");
    let practice: ConsumerGroupPractice = serde_yaml::from_str(text).expect("a practice");
    practice.spec
}

#[tokio::test]
async fn two_namespaces_run_the_same_lesson_and_neither_sees_the_other() {
    let scenes = [Scene::new("ann").await, Scene::new("ben").await];
    let _pods = [scenes[0].run_pods(), scenes[1].run_pods()];
    for scene in &scenes {
        let spec = prefix_names(&practice_3(), &scene.namespace).expect("there is room");
        scene.apply("practice-3", &json!(spec)).await;
    }
    for (scene, other) in [(&scenes[0], &scenes[1]), (&scenes[1], &scenes[0])] {
        scene.ready("practice-3").await;
        // both run while the status is read, and all six consumers have what they read
        other.ready("practice-3").await;
        let status = scene
            .status("practice-3", "an owner of each partition", |status| {
                owned(status) == 9 && status.other_group_count.is_some()
            })
            .await;
        let prefix = namespace_prefix(&scene.namespace);
        let names: Vec<&str> = status.groups.iter().map(|group| &*group.name).collect();
        assert_eq!(names.len(), 3, "{names:?}");
        assert!(
            names.iter().all(|name| name.starts_with(&prefix)),
            "{names:?}"
        );
        assert_eq!(status.topics[0].name, format!("{prefix}my-topic"));
        let others = (status.other_groups.len(), status.other_group_count);
        assert_eq!(others, (0, Some(0)), "{:?}", status.other_groups);
        let text = json!(status).to_string();
        assert!(!text.contains(&other.namespace), "{text}");
        let events = scene.events().await;
        let theirs = events.iter().find(|event| event.contains(&other.namespace));
        assert_eq!(theirs, None);
    }
}

/// Partitions with an owner, of all groups.
fn owned(status: &PracticeStatus) -> usize {
    let members = status.groups.iter().flat_map(|group| &group.members);
    members.map(|member| member.partitions.len()).sum()
}

#[tokio::test]
async fn the_policy_of_a_workshop_allows_each_namespace_its_own_names() {
    let cluster = Cluster::start().await;
    cluster.apply_crd(&practice_api::crd_yaml()).await;
    let scenes = [
        Scene::of(&cluster, "ann").await,
        Scene::of(&cluster, "ben").await,
    ];
    let config = json!({"policy": {"default": {"topicPrefixes": ["{namespace}."], "groupPrefixes": ["{namespace}."]}}});
    let config: Config = serde_json::from_value(config).expect("it is as the chart writes it");
    let stop = CancellationToken::new();
    operator::start_with(&cluster, config, None, stop.clone()).await;

    let mut refusals = BTreeSet::new();
    for (scene, other) in [(&scenes[0], &scenes[1]), (&scenes[1], &scenes[0])] {
        let (own, theirs) = (
            namespace_prefix(&scene.namespace),
            namespace_prefix(&other.namespace),
        );
        let spec = |topic: String, group: String| json!({"topics": [{"name": topic}], "groups": [{"name": group, "replicas": 0}]});
        for (name, rule, refused, spec) in [
            (
                "topic",
                "topicPrefixes",
                format!("{theirs}t"),
                spec(format!("{theirs}t"), format!("{own}g")),
            ),
            (
                "group",
                "groupPrefixes",
                format!("{theirs}g"),
                spec(format!("{own}t"), format!("{theirs}g")),
            ),
            (
                "plain",
                "topicPrefixes",
                "my-topic".to_owned(),
                spec("my-topic".to_owned(), format!("{own}g")),
            ),
        ] {
            scene.apply(name, &spec).await;
            let message = scene.condition(name, "Ready=False/PolicyViolation").await;
            let parts = [format!("policy {rule}"), format!("allows {own},"), refused];
            assert!(
                parts.iter().all(|part| message.contains(part)) && !message.contains('{'),
                "{parts:?}: {message}"
            );
            refusals.insert(message);
        }
        scene
            .apply("own", &spec(format!("{own}t"), format!("{own}g")))
            .await;
        scene.condition("own", "TopicsReady=True").await;
    }
    assert_eq!(
        refusals.len(),
        6,
        "each names its own prefix: {refusals:#?}"
    );
    stop.cancel();
}
