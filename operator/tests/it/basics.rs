//! What a practice becomes, that it stays so without a write, and that it follows its manifest.

use std::time::Duration;

use k8s_openapi::api::{
    apps::v1::Deployment,
    core::v1::{Pod, Service},
    policy::v1::PodDisruptionBudget,
};
use kube::{ResourceExt, api::DeleteParams};
use serde_json::json;

use crate::scene::{Scene, group};

#[tokio::test]
async fn a_manifest_becomes_objects_topics_and_members() {
    let scene = Scene::new("create").await;
    let (topic, group_1, group_2) = (scene.name("t"), scene.name("g1"), scene.name("g2"));
    let _pods = scene.run_pods();
    let spec = json!({
        "topics": [{"name": topic, "partitions": 3, "config": {"retention.ms": "600000"}}],
        "groups": [
            {"name": group_1, "replicas": 2},
            {"name": group_2, "protocol": "Consumer", "replicas": 1, "variants": [{"name": "slow", "replicas": 1, "processingDelay": "50ms"}]},
        ],
    });
    scene.apply("p", &spec).await;
    let status = scene.ready("p").await;

    let rows = [
        format!("p-{group_1}"),
        format!("p-{group_2}"),
        format!("p-{group_2}-slow"),
        "p-producer".to_owned(),
    ];
    assert_eq!(scene.names::<Deployment>().await, rows);
    assert_eq!(scene.names::<Service>().await, ["p-producer"]);
    assert_eq!(scene.names::<PodDisruptionBudget>().await, rows[..2]);
    let uid = scene.practice("p").await.expect("it is there").uid();
    for name in &rows {
        let deployment: Deployment = scene.get(name).await.expect("it is there");
        let owner = &deployment.owner_references()[0];
        assert_eq!(
            (Some(&owner.uid), owner.controller),
            (uid.as_ref(), Some(true)),
            "{name}"
        );
        assert_eq!(
            deployment.labels()["app.kubernetes.io/part-of"],
            "kafka-practice"
        );
        assert_eq!(deployment.labels()["kafka-practice.dev/practice"], "p");
    }
    assert_eq!(
        (
            status.topics[0].partitions,
            status.topics[0].created_topic_id.is_some()
        ),
        (Some(3), true)
    );
    let args = [
        "--bootstrap-server",
        scene.kafka.bootstrap(),
        "--describe",
        "--topic",
        &topic,
    ];
    let described = scene
        .kafka
        .tool("org.apache.kafka.tools.TopicCommand", &args)
        .await;
    assert!(
        described.contains("PartitionCount: 3") && described.contains("retention.ms=600000"),
        "{described}"
    );

    let pods = scene.names::<Pod>().await;
    for (name, protocol) in [(&group_1, "Classic"), (&group_2, "Consumer")] {
        let group = group(&status, name);
        assert_eq!(
            (
                group.protocol.as_str(),
                group.state.as_str(),
                group.group_id_owned
            ),
            (protocol, "Stable", true)
        );
        assert_eq!((group.replicas, group.members.len()), (2, 2));
        let mut owned: Vec<i32> = group
            .members
            .iter()
            .flat_map(|m| m.partitions.iter().map(|p| p.partition))
            .collect();
        owned.sort_unstable();
        assert_eq!(owned, [0, 1, 2], "each partition has one owner");
        assert!(
            group
                .members
                .iter()
                .all(|member| member.pod.as_ref().is_some_and(|pod| pods.contains(pod)))
        );
        assert_eq!(group.epoch.is_some(), protocol == "Consumer");
    }
    assert_eq!(
        (
            status.summary.consumers,
            status.summary.idle,
            status.summary.lag
        ),
        (Some(4), Some(0), Some(0))
    );
    scene.event("TopicCreated", &topic).await;
    scene.event("GroupIdClaimed", &group_1).await;
    scene.event("Ready", "").await;
}

#[tokio::test]
async fn what_is_settled_costs_no_write() {
    let scene = Scene::new("steady").await;
    let _pods = scene.run_pods();
    let groups = [
        json!({"name": scene.name("classic"), "replicas": 2}),
        json!({"name": scene.name("new"), "replicas": 1, "protocol": "Consumer"}),
    ];
    scene
        .apply(
            "p",
            &json!({"topics": [{"name": scene.name("t"), "partitions": 1}], "groups": groups}),
        )
        .await;
    scene.ready("p").await;
    scene
        .status("p", "one of two is idle", |status| {
            status.summary.idle == Some(1)
        })
        .await;
    // the cause of a rebalance is searched for 15 s, and written then
    scene.quiet_for(Duration::from_secs(16)).await;
    let before = scene.writes().await;
    tokio::time::sleep(Duration::from_secs(10)).await;
    // an Event of the start may have waited: those of one kind are a minute apart
    let written = scene.writes().await.split_off(before.len());
    let others = written.iter().filter(|write| !write.contains(" events "));
    assert_eq!(others.collect::<Vec<_>>(), [""; 0], "in 10 s");
}

#[tokio::test]
async fn a_group_scales_and_goes_with_the_manifest() {
    let scene = Scene::new("scale").await;
    let _pods = scene.run_pods();
    let (topic, keeps, goes) = (scene.name("t"), scene.name("keeps"), scene.name("goes"));
    let spec = |replicas: i32, groups: &[serde_json::Value]| {
        let mut all = vec![json!({"name": keeps, "replicas": replicas})];
        all.extend_from_slice(groups);
        json!({"topics": [{"name": topic, "partitions": 3}], "groups": all, "producer": {"enabled": replicas < 4}})
    };
    let leaving = json!({"name": goes, "replicas": 1, "variants": [{"name": "v", "replicas": 1}]});
    scene.apply("p", &spec(2, &[leaving])).await;
    let first = scene.ready("p").await;

    scene.apply("p", &spec(4, &[])).await;
    let status = scene
        .status("p", "4 members, one idle", |s| {
            s.summary.consumers == Some(4) && s.summary.idle == Some(1)
        })
        .await;
    let idle: Vec<&str> = status.groups[0]
        .members
        .iter()
        .filter_map(|member| member.idle_because.as_deref())
        .collect();
    assert_eq!(idle, ["3 partitions, 4 consumers: 1 waits"]);
    scene
        .condition("p", "IdleConsumers=True/MoreConsumersThanPartitions")
        .await;
    let since = |status: &practice_api::PracticeStatus| {
        status
            .conditions
            .iter()
            .find(|c| c.type_ == "Ready")
            .map(|c| c.last_transition_time.clone())
    };
    assert_eq!(
        since(&status),
        since(&first),
        "Ready stays True while a group scales"
    );
    assert_eq!(
        scene.names::<Deployment>().await,
        [format!("p-{keeps}")],
        "group, variant and producer are gone"
    );
    assert_eq!(scene.names::<Service>().await, Vec::<String>::new());
    assert_eq!(
        scene.names::<PodDisruptionBudget>().await,
        [format!("p-{keeps}")]
    );
    assert_eq!(status.groups.len(), 1);
    scene
        .event("Removed", &format!("Deployment p-{goes}-v"))
        .await;

    scene.apply("p", &spec(1, &[])).await;
    scene
        .status("p", "1 member", |s| {
            s.summary.consumers == Some(1) && s.summary.idle == Some(0)
        })
        .await;
    assert_eq!(scene.names::<Service>().await, ["p-producer"]);
}

#[tokio::test]
async fn what_somebody_changes_is_put_back_and_told() {
    let scene = Scene::new("drift").await;
    let id = scene.name("g");
    let spec =
        json!({"topics": [{"name": scene.name("t")}], "groups": [{"name": id, "replicas": 0}]});
    scene.apply("p", &spec).await;
    let name = format!("p-{id}");
    scene.condition("p", "KafkaReachable=True").await;
    scene.event("GroupIdClaimed", &id).await;
    scene.quiet().await;
    let wanted = scene.deployment(&name).await;
    let container = |patch: serde_json::Value| {
        let mut patch = patch;
        patch["name"] = json!("worker");
        json!({"spec": {"template": {"spec": {"containers": [patch]}}}})
    };
    for (manager, patch) in [
        ("scaler", json!({"spec": {"replicas": 3}})),
        ("imagist", container(json!({"image": "other:1"}))),
        (
            "environmentalist",
            container(json!({"env": [{"name": "KAFKA_TOPIC", "value": "elsewhere"}]})),
        ),
        (
            "labeller",
            json!({"metadata": {"labels": {"kafka-practice.dev/variant": "x"}}}),
        ),
    ] {
        scene.patch(&name, manager, &patch).await;
        scene
            .until(&format!("what {manager} changed is put back"), async || {
                let there = scene.deployment(&name).await;
                if (&there.spec, there.labels()) == (&wanted.spec, wanted.labels()) {
                    Ok(())
                } else {
                    Err(format!("{:?}", there.spec))
                }
            })
            .await;
        scene
            .event(
                "DriftRepaired",
                &format!(
                    "Deployment {name} was changed by {manager}: reverted to match the manifest"
                ),
            )
            .await;
    }
    scene
        .patch(
            &name,
            "neighbour",
            &json!({"metadata": {"annotations": {"theirs": "1"}}}),
        )
        .await;
    scene
        .api::<Deployment>()
        .delete(&name, &DeleteParams::default())
        .await
        .expect("it is there");
    scene
        .api::<Service>()
        .delete("p-producer", &DeleteParams::default())
        .await
        .expect("it is there");
    scene
        .api::<PodDisruptionBudget>()
        .delete(&name, &DeleteParams::default())
        .await
        .expect("it is there");
    scene.deployment(&name).await;
    scene
        .until("the Service and the budget are back", async || {
            scene.get::<PodDisruptionBudget>(&name).await?;
            scene.get::<Service>("p-producer").await.map(drop)
        })
        .await;
    assert_ne!(
        wanted.uid(),
        scene.deployment(&name).await.uid(),
        "it is another one"
    );
}
