//! Deployments of held groups that another client scales: no consumer joins, and the operator sets them back to 0.

use std::time::Duration;

use k8s_openapi::api::{apps::v1::Deployment, events::v1::Event};
use kube::{
    ResourceExt,
    api::{ListParams, Patch, PatchParams},
};
use practice_api::PracticeStatus;
use practice_contract::Hold;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::{
    operator::RUNTIME,
    pods::{consume, settings},
    scene::{Scene, group},
};

/// Scales as this field manager does, by the subresource `scale`.
pub(crate) async fn scale(scene: &Scene, deployment: &str, manager: &str, replicas: i32) {
    let params = PatchParams {
        field_manager: Some(manager.to_owned()),
        ..PatchParams::default()
    };
    let patch = Patch::Merge(json!({"spec": {"replicas": replicas}}));
    scene
        .api::<Deployment>()
        .patch_scale(deployment, &params, &patch)
        .await
        .expect("may be scaled");
}

/// How often an event with this reason was reported, and each of its notes.
pub(crate) async fn reported(scene: &Scene, reason: &str) -> (i32, Vec<String>) {
    let events = scene
        .api::<Event>()
        .list(&ListParams::default())
        .await
        .expect("can be listed");
    let events = events
        .items
        .into_iter()
        .filter(|event| event.reason.as_deref() == Some(reason));
    let (counts, notes): (Vec<i32>, Vec<String>) = events
        .map(|event| {
            let count = event.series.map_or(1, |series| series.count);
            (count, event.note.unwrap_or_default())
        })
        .unzip();
    (counts.iter().sum(), notes)
}

/// Runs a consumer as a pod of the Deployment would, for longer than it takes to join and read.
pub(crate) async fn run_a_pod(deployment: &Deployment) -> Option<Hold> {
    let template = template(deployment);
    let settings = settings("scaled-up", &template["spec"]["containers"][0]["env"]);
    let hold = settings.hold;
    let stop = CancellationToken::new();
    let consumer = RUNTIME.spawn(consume(settings, stop.clone()));
    tokio::time::sleep(Duration::from_secs(6)).await;
    stop.cancel();
    consumer.await.expect("it ends");
    hold
}

fn template(deployment: &Deployment) -> Value {
    json!(deployment.spec.template)
}

#[tokio::test]
async fn a_stopped_group_that_is_scaled_consumes_nothing() {
    let scene = Scene::new("held").await;
    let _pods = scene.run_pods();
    let topic = scene.name("t");
    let groups = [scene.name("own"), scene.name("free")];
    let spec = |state: &str| {
        json!({"topics": [{"name": topic, "partitions": 2}], "producer": {"enabled": false}, "groups": [
            {"name": groups[0], "replicas": 1, "state": state}, {"name": groups[1], "protocol": "Consumer", "state": state}]})
    };
    let lag = |wanted: i64| {
        move |status: &PracticeStatus| status.groups.iter().all(|group| group.lag == Some(wanted))
    };
    scene.apply("p", &spec("Running")).await;
    scene.ready("p").await;
    let names = groups.clone().map(|id| format!("p-{id}"));
    let running = scene.deployment(&names[1]).await;
    scene.apply("p", &spec("Stopped")).await;
    let is_empty = |status: &PracticeStatus| status.groups.iter().all(|g| g.state == "Empty");
    scene.status("p", "they have left", is_empty).await;
    for number in 0..100 {
        scene.kafka.send(&topic, number % 2, "waits").await;
    }
    scene.status("p", "100 wait", lag(100)).await;
    for name in &names {
        let held = scene.deployment(name).await;
        assert_eq!(run_a_pod(&held).await, Some(Hold::Stopped), "{name}");
        assert_eq!(held.annotations()["kafka-practice.dev/hold"], "Stopped");
    }

    let managers = [
        (
            "kubectl",
            "kubectl",
            "to run it, set spec.groups[].state to Running",
        ),
        (
            "kube-controller-manager",
            "a HorizontalPodAutoscaler (kube-controller-manager)",
            "delete the HorizontalPodAutoscaler, or set spec.groups[].state",
        ),
        (
            "keda",
            "KEDA (keda)",
            "autoscaling.keda.sh/paused-replicas=0",
        ),
        ("argo", "argo", "set spec.groups[].state to Running"),
    ];
    let mut scaled = 0;
    for name in &names {
        for (manager, shown, fix) in managers {
            scale(&scene, name, manager, 2).await;
            let text = format!("{shown} scaled Deployment {name} to 2, but its group is Stopped");
            scene.event("StoppedGroupScaled", &text).await;
            scene.event("StoppedGroupScaled", fix).await;
            scene.has_replicas(name, 0).await;
            scaled += 1;
        }
    }
    scene.quiet().await;
    let (count, notes) = reported(&scene, "StoppedGroupScaled").await;
    assert_eq!(count, scaled, "once each: {notes:#?}");
    assert_eq!(reported(&scene, "DriftRepaired").await, (0, vec![]));
    let (stops, _) = reported(&scene, "GroupStopped").await;
    assert_eq!(stops, 2, "each group stopped once");
    let status = scene.status("p", "still 100 wait", lag(100)).await;
    for id in &groups {
        let group = group(&status, id);
        assert_eq!((group.replicas, group.ready_replicas), (0, 0));
        assert_eq!(
            group.hold.as_ref().map(|hold| hold.reason.as_str()),
            Some("Stopped")
        );
    }
    scene.condition("p", "Ready=True").await;

    // another field is changed as well
    let both = json!({"spec": {"replicas": 3, "template": {"spec": {"containers": [{"name": "worker", "image": "other:1"}]}}}});
    scene.patch(&names[0], "both", &both).await;
    scene.event("StoppedGroupScaled", "both scaled").await;
    scene.event("DriftRepaired", "was changed by both").await;
    scene.has_replicas(&names[0], 0).await;
    let pause = json!({"spec": {"paused": true}});
    scene.patch(&names[0], "pauser", &pause).await;
    scene.event("DriftRepaired", "was changed by pauser").await;
    assert_eq!(scene.deployment(&names[0]).await.spec.paused, None);

    scene.apply("p", &spec("Running")).await;
    scene.status("p", "all is read", lag(0)).await;
    scene.has_replicas(&names[1], 1).await;
    let again = scene.deployment(&names[1]).await;
    assert_eq!(template(&again), template(&running), "no other revision");
    let strategy = |deployment: &Deployment| json!(deployment.spec.strategy);
    assert_eq!(strategy(&again), strategy(&running));
    let explained = |status: &PracticeStatus| {
        let mut started = status.rebalances.iter();
        let both = started
            .by_ref()
            .filter(|rebalance| rebalance.cause.as_deref() == Some("StartedBySpec"))
            .count();
        both >= 2 && status.rebalances.iter().all(|r| r.cause.is_some())
    };
    let status = scene.status("p", "each has its cause", explained).await;
    let causes: Vec<&str> = status
        .rebalances
        .iter()
        .filter_map(|rebalance| rebalance.cause.as_deref())
        .collect();
    // newest first: nothing between the stop and the start, and nothing else since
    let since_stop = causes.iter().take_while(|cause| **cause != "StoppedBySpec");
    let since_stop: Vec<&str> = since_stop.copied().collect();
    assert_eq!(since_stop, ["StartedBySpec"; 2], "{causes:?}");
}
