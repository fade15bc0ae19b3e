//! Who says how many: the manifest, somebody else, or a hold. And members that cannot share a group.

use k8s_openapi::api::{apps::v1::Deployment, core::v1::Pod};
use kube::{
    ResourceExt,
    api::{ListParams, Patch, PatchParams},
};
use serde_json::{Value, json};

use crate::scene::{Scene, group, owners_of_replicas};

/// A practice with one group, as `group` says.
fn spec(scene: &Scene, mut group: Value) -> Value {
    group["name"] = json!(scene.name("g"));
    json!({"topics": [{"name": scene.name("t"), "partitions": 2}], "groups": [group], "producer": {"enabled": false}})
}

/// Makes the operator look at the practice again without a change of its spec.
async fn nudge(scene: &Scene) {
    let touch = Patch::Merge(
        json!({"metadata": {"annotations": {"touched": practice_testbed::unique("x")}}}),
    );
    let api = scene.api::<practice_api::ConsumerGroupPractice>();
    api.patch("p", &PatchParams::default(), &touch)
        .await
        .expect("may be changed");
    scene.quiet().await;
}

#[tokio::test]
async fn replicas_left_out_are_somebody_elses() {
    let scene = Scene::new("scaled").await;
    let name = format!("p-{}", scene.name("g"));
    scene.apply("p", &spec(&scene, json!({}))).await;
    scene.event("GroupIdClaimed", "").await;
    scene.has_replicas(&name, 1).await;
    scene.scale(&name, "kubectl", 4).await;
    nudge(&scene).await;
    assert_eq!(scene.replicas(&name).await, 4, "what others say holds");
    let status = scene
        .status("p", "4 are wanted", |status| status.groups[0].replicas == 4)
        .await;
    assert_eq!(status.groups[0].name, scene.name("g"));

    // put in, it is ours; taken out, the number stays and is theirs again
    scene
        .apply("p", &spec(&scene, json!({"replicas": 2})))
        .await;
    scene.has_replicas(&name, 2).await;
    scene.scale(&name, "kubectl", 5).await;
    scene.event("DriftRepaired", "kubectl").await;
    scene.has_replicas(&name, 2).await;
    scene
        .apply("p", &spec(&scene, json!({"replicas": 3})))
        .await;
    scene.has_replicas(&name, 3).await;
    scene.apply("p", &spec(&scene, json!({}))).await;
    scene.quiet().await;
    let released = async || {
        let deployment = scene.deployment(&name).await;
        let owners = owners_of_replicas(&deployment);
        if owners.iter().any(|owner| owner == "practice-operator") {
            Err(format!("{owners:?}"))
        } else {
            Ok(deployment)
        }
    };
    let deployment = scene.until("the number is released", released).await;
    assert_eq!(deployment.spec.replicas, Some(3), "the live number is kept");
    scene.scale(&name, "kubectl", 6).await;
    nudge(&scene).await;
    assert_eq!(scene.replicas(&name).await, 6);
    scene
        .apply("p", &spec(&scene, json!({"replicas": 1})))
        .await;
    scene.has_replicas(&name, 1).await;
}

#[tokio::test]
async fn a_stopped_group_comes_back_as_it_was() {
    let scene = Scene::new("stopped").await;
    let _pods = scene.run_pods();
    let (id, topic) = (scene.name("g"), scene.name("t"));
    let name = format!("p-{id}");
    for (running, stopped, count) in [
        (
            json!({"replicas": 2}),
            json!({"replicas": 2, "state": "Stopped"}),
            2,
        ),
        (json!({}), json!({"state": "Stopped"}), 3),
    ] {
        scene.apply("p", &spec(&scene, running.clone())).await;
        if running["replicas"].is_null() {
            scene.quiet().await;
            scene.scale(&name, "kubectl", count).await;
        }
        let members = usize::try_from(count).expect("is positive");
        scene
            .status("p", "they have joined", |s| {
                s.groups[0].members.len() == members
            })
            .await;
        scene.ready("p").await;
        scene.kafka.send(&topic, 0, "before the stop").await;
        let committed = |s: &practice_api::PracticeStatus| {
            let mut partitions = s.groups[0]
                .members
                .iter()
                .flat_map(|member| &member.partitions);
            partitions.any(|p| p.partition == 0 && p.committed.is_some() && p.lag == Some(0))
        };
        scene.status("p", "it is read", committed).await;

        scene.apply("p", &spec(&scene, stopped)).await;
        scene.has_replicas(&name, 0).await;
        let status = scene
            .status("p", "they have left", |s| s.groups[0].state == "Empty")
            .await;
        assert!(group(&status, &id).group_id_owned && group(&status, &id).members.is_empty());
        scene.ready("p").await;
        scene
            .event("GroupStopped", &format!("group {id} is stopped"))
            .await;
        nudge(&scene).await;
        assert_eq!(scene.replicas(&name).await, 0);
        scene.kafka.send(&topic, 0, "while it is stopped").await;
        scene
            .status("p", "it is behind by one: offsets stay", |s| {
                s.groups[0].lag == Some(1)
            })
            .await;

        scene.apply("p", &spec(&scene, running)).await;
        scene.has_replicas(&name, count).await;
        scene
            .status("p", "it has caught up", |s| {
                s.groups[0].lag == Some(0) && s.groups[0].members.len() == members
            })
            .await;
    }
}

#[tokio::test]
async fn members_that_differ_in_their_assignor_never_meet() {
    let scene = Scene::new("switch").await;
    let _pods = scene.run_pods();
    let (id, name) = (scene.name("g"), format!("p-{}", scene.name("g")));
    for (round, change) in [
        json!({"replicas": 2, "assignor": "Range"}),
        json!({"replicas": 2, "assignor": "RoundRobin"}),
        json!({"replicas": 2, "protocol": "Consumer"}),
    ]
    .into_iter()
    .enumerate()
    {
        let protocol = change["protocol"].as_str().unwrap_or("Classic").to_owned();
        // before the change: the operator may be quick
        let before = scene.get::<Deployment>(&name).await.ok();
        let generation = before.and_then(|before| before.metadata.generation);
        scene.apply("p", &spec(&scene, change)).await;
        let status = scene
            .status("p", "both have joined", |s| {
                s.groups[0].members.len() == 2
                    && s.groups[0].state == "Stable"
                    && s.groups[0].protocol == protocol
            })
            .await;
        assert!(group(&status, &id).group_id_owned);
        scene.ready("p").await;
        scene.condition("p", "Reconciling=False").await;
        if round > 0 {
            let count = scene
                .events()
                .await
                .iter()
                .filter(|event| event.starts_with("GroupSwitching"))
                .count();
            assert!(count > 0, "it is reported");
            // down to 0, and up again
            let after = scene.deployment(&name).await.metadata.generation;
            assert!(
                after >= generation.map(|before| before + 2),
                "{generation:?} {after:?}"
            );
        }
        let pods = scene
            .api::<Pod>()
            .list(&ListParams::default())
            .await
            .expect("can be listed");
        let protocol_key: Vec<_> = pods
            .iter()
            .filter_map(|pod| pod.annotations().get("kafka-practice.dev/protocol"))
            .collect();
        assert!(
            protocol_key.windows(2).all(|pair| pair[0] == pair[1]),
            "{protocol_key:?}"
        );
    }
}
