//! A group whose owner, here KEDA, scales it to 0 and back: ready all the time that nothing is wanted, and no Warning.

use k8s_openapi::api::events::v1::Event;
use kube::api::ListParams;
use serde_json::json;

use crate::scene::{Scene, group, owners_of_replicas};

/// Reasons and notes of the Warnings in the namespace.
async fn warnings(scene: &Scene) -> Vec<String> {
    let events = scene
        .api::<Event>()
        .list(&ListParams::default())
        .await
        .expect("can be listed")
        .items;
    assert!(!events.is_empty(), "there are events to read");
    let warnings = events
        .into_iter()
        .filter(|event| event.type_.as_deref() == Some("Warning"));
    let each = warnings.map(|event| format!("{:?}: {:?}", event.reason, event.note));
    each.collect()
}

#[tokio::test]
async fn a_group_that_its_owner_scales_to_zero_is_ready() {
    let scene = Scene::new("zero").await;
    let _pods = scene.run_pods();
    let (id, topic) = (scene.name("g"), scene.name("t"));
    let name = format!("p-{id}");
    let spec = |state: &str| json!({"topics": [{"name": topic, "partitions": 2}], "groups": [{"name": id, "state": state}]});
    scene.apply("p", &spec("Running")).await;
    scene.condition("p", "Ready=True/Ready").await;

    scene.scale(&name, "keda-operator", 0).await;
    let message = scene.condition("p", "Ready=True/ScaledToZero").await;
    assert!(message.contains(&id), "{message}");
    scene
        .condition("p", "ConsumersAvailable=True/ScaledToZero")
        .await;
    let status = scene
        .status("p", "its consumer has left", |status| {
            status.groups[0].state == "Empty" && status.summary.consumers == Some(0)
        })
        .await;
    let seen = group(&status, &id);
    assert_eq!((seen.replicas, seen.ready_replicas), (0, 0));
    assert!(seen.group_id_owned && seen.hold.is_none(), "{seen:?}");
    scene.kafka.send(&topic, 0, "while it is at 0").await;
    scene
        .status("p", "it is behind by one", |status| {
            status.summary.lag == Some(1)
        })
        .await;
    scene.condition("p", "Reconciling=False").await;

    // what stops it and starts it again leaves it at its owner's 0
    scene.apply("p", &spec("Stopped")).await;
    scene.event("GroupStopped", &id).await;
    scene.apply("p", &spec("Running")).await;
    scene
        .until("the operator has handed over the 0", async || {
            let owners = owners_of_replicas(&scene.deployment(&name).await);
            if owners.iter().any(|owner| owner == "practice-operator") {
                Err(format!("{owners:?}"))
            } else {
                Ok(())
            }
        })
        .await;
    assert_eq!(scene.replicas(&name).await, 0);
    scene.condition("p", "Ready=True/ScaledToZero").await;

    scene.scale(&name, "keda-operator", 1).await;
    scene
        .status("p", "its message is consumed", |status| {
            status.summary.lag == Some(0) && status.summary.consumers == Some(1)
        })
        .await;
    scene.condition("p", "Ready=True/Ready").await;
    let warnings = warnings(&scene).await;
    assert_eq!(warnings, [""; 0], "no owner's number is a fault");
}

#[tokio::test]
async fn a_practice_that_starts_at_zero_becomes_ready() {
    let scene = Scene::new("asleep").await;
    let id = scene.name("g");
    let spec = json!({"topics": [{"name": scene.name("t")}], "groups": [{"name": id, "replicas": 0}], "producer": {"enabled": false}});
    scene.apply("p", &spec).await;
    let message = scene.condition("p", "Ready=True/ScaledToZero").await;
    assert!(
        message.contains("the manifest sets replicas to 0"),
        "{message}"
    );
    // the number is the owner's from then on
    let spec = json!({"topics": [{"name": scene.name("t")}], "groups": [{"name": id}, {"name": format!("{id}-2"), "state": "Stopped"}], "producer": {"enabled": false}});
    scene.apply("p", &spec).await;
    let name = format!("p-{id}");
    scene.has_replicas(&name, 1).await;
    scene.scale(&name, "keda-operator", 0).await;
    scene.condition("p", "Ready=True/ScaledToZero").await;
    assert_eq!(warnings(&scene).await, [""; 0]);
}
