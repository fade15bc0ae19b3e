//! Deployments of held groups that another client scales: no consumer joins, and the operator sets them back to 0.

use std::{collections::BTreeSet, time::Duration};

use k8s_openapi::api::{
    apps::v1::Deployment, autoscaling::v2::HorizontalPodAutoscaler, core::v1::Pod,
    events::v1::Event,
};
use kube::{
    ResourceExt,
    api::{ListParams, PostParams},
};
use practice_api::PracticeStatus;
use practice_contract::Hold;
use practice_testbed::Cluster;
use serde_json::{Value, json};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::{
    operator::RUNTIME,
    pods::{consume, settings},
    scene::{Scene, group},
};

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
        let annotations = &template(&held)["metadata"]["annotations"];
        assert_eq!(annotations["kafka-practice.dev/hold"], "Stopped");
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
    let pairs = managers.iter().zip(names.iter().cycle());
    for ((manager, ..), name) in pairs.clone() {
        scene.scale(name, manager, 2).await;
        scene.has_replicas(name, 0).await;
    }
    // the first at once, the others together with the next Event
    for ((_, shown, fix), name) in pairs {
        let text = format!("{shown} scaled Deployment {name} to 2, but its group is Stopped");
        scene.event("StoppedGroupScaled", &text).await;
        scene.event("StoppedGroupScaled", fix).await;
    }
    scene.quiet().await;
    let (count, notes) = reported(&scene, "StoppedGroupScaled").await;
    let told = notes
        .iter()
        .map(|note| note.matches(" scaled Deployment ").count());
    assert_eq!(told.sum::<usize>(), managers.len(), "once each: {notes:#?}");
    assert_eq!(count, 2, "one a minute: {notes:#?}");
    assert_eq!(reported(&scene, "DriftRepaired").await, (0, vec![]));
    let (_, stops) = reported(&scene, "GroupStopped").await;
    let stops = stops.iter().map(|note| note.matches(" is stopped").count());
    assert_eq!(stops.sum::<usize>(), 2, "each group stopped once");
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
    scene.has_replicas(&names[0], 0).await;
    scene.event("DriftRepaired", "was changed by both").await;
    let pause = json!({"spec": {"paused": true}});
    scene.patch(&names[0], "pauser", &pause).await;
    scene.event("DriftRepaired", "was changed by pauser").await;
    scene.event("StoppedGroupScaled", "both scaled").await;
    assert_eq!(scene.deployment(&names[0]).await.spec.paused, None);

    scene.apply("p", &spec("Running")).await;
    scene.status("p", "all is read", lag(0)).await;
    scene.has_replicas(&names[1], 1).await;
    let again = scene.deployment(&names[1]).await;
    assert_eq!(template(&again), template(&running), "no other revision");
    let strategy = |deployment: &Deployment| json!(deployment.spec.strategy);
    assert_eq!(strategy(&again), strategy(&running));
    let started = groups.each_ref().map(|id| (id.as_str(), "StartedBySpec"));
    let explained = |status: &PracticeStatus| {
        let is_there = |wanted: (&str, &str)| causes(status).any(|found| found == wanted);
        let all = status.rebalances.len();
        started.into_iter().all(is_there) && causes(status).count() == all
    };
    let status = scene.status("p", "each has its cause", explained).await;
    // newest first: nothing between the stop and the start, and nothing else since; a start may take more than one rebalance
    let since_stop = causes(&status).take_while(|(_, cause)| *cause != "StoppedBySpec");
    let since_stop: BTreeSet<_> = since_stop.collect();
    let all: Vec<_> = causes(&status).collect();
    assert_eq!(since_stop, BTreeSet::from(started), "{all:?}");
}

/// Group and cause of each rebalance that has one, newest first.
fn causes(status: &PracticeStatus) -> impl Iterator<Item = (&str, &str)> {
    let each = status.rebalances.iter();
    each.filter_map(|rebalance| Some((rebalance.group.as_str(), rebalance.cause.as_deref()?)))
}

/// How many pods are not being deleted: those that join the group and those that do not.
async fn pods(scene: &Scene) -> (usize, usize) {
    let pods = scene
        .api::<Pod>()
        .list(&ListParams::default())
        .await
        .expect("can be listed");
    let there = pods
        .iter()
        .filter(|pod| pod.metadata.deletion_timestamp.is_none());
    let (held, joining): (Vec<&Pod>, Vec<&Pod>) =
        there.partition(|pod| pod.annotations()["kafka-practice.dev/hold"] == "Stopped");
    (joining.len(), held.len())
}

async fn until_pods(scene: &Scene, what: &str, expected: (usize, usize)) {
    scene
        .until(what, async || {
            let found = pods(scene).await;
            if found == expected {
                Ok(())
            } else {
                Err(format!("{found:?}"))
            }
        })
        .await;
}

/// What Kubernetes' own Deployment controller and autoscaler make of it.
#[tokio::test]
async fn every_pod_that_kubernetes_makes_for_a_held_group_is_told_to_keep_out() {
    let cluster = Cluster::start_with_controllers().await;
    cluster.apply_crd(&practice_api::crd_yaml()).await;
    let stop = CancellationToken::new();
    let operator = crate::operator::start(&cluster, stop.clone()).await;
    let scene = Scene::of(&cluster, "controllers").await;
    let (topic, id) = (scene.name("t"), scene.name("g"));
    let name = format!("p-{id}");
    let spec = |state: &str| json!({"topics": [{"name": topic}], "groups": [{"name": id, "state": state}], "producer": {"enabled": false}});
    scene.apply("p", &spec("Running")).await;
    until_pods(&scene, "one consumer", (1, 0)).await;
    scene.scale(&name, "kubectl", 3).await;
    until_pods(&scene, "three consumers", (3, 0)).await;
    let running = scene.deployment(&name).await;
    scene.apply("p", &spec("Stopped")).await;
    until_pods(&scene, "none", (0, 0)).await;
    let held = scene.deployment(&name).await;

    // nothing sets the number back any more
    stop.cancel();
    timeout(Duration::from_mins(1), operator.ended.cancelled())
        .await
        .expect("it ends");
    scene.scale(&name, "kubectl", 2).await;
    until_pods(&scene, "two that keep out", (0, 2)).await;

    // an autoscaler that is quicker than the end of the running consumers
    let replace = async |from: &Deployment, replicas: i32| {
        let mut there = scene.deployment(&name).await;
        there.spec.clone_from(&from.spec);
        there.spec.replicas = Some(replicas);
        there.metadata.resource_version = None;
        let replaced = scene
            .api::<Deployment>()
            .replace(&name, &PostParams::default(), &there)
            .await;
        replaced.expect("may be replaced");
    };
    replace(&running, 0).await;
    until_pods(&scene, "none again", (0, 0)).await;
    replace(&running, 3).await;
    until_pods(&scene, "three consumers again", (3, 0)).await;
    replace(&held, 2).await;
    until_pods(&scene, "no consumer is left", (0, 2)).await;

    let autoscaler: HorizontalPodAutoscaler = serde_json::from_value(json!({
        "metadata": {"name": "scaler"},
        "spec": {"minReplicas": 4, "maxReplicas": 5, "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": name}},
    }))
    .expect("an autoscaler");
    let made = scene
        .api::<HorizontalPodAutoscaler>()
        .create(&PostParams::default(), &autoscaler)
        .await;
    made.expect("may be made");
    until_pods(&scene, "four that keep out", (0, 4)).await;
    crate::operator::start(&cluster, CancellationToken::new()).await;
    let text = format!(
        "a HorizontalPodAutoscaler (kube-controller-manager) scaled Deployment {name} to 4, but its group is Stopped"
    );
    scene.event("StoppedGroupScaled", &text).await;
    until_pods(&scene, "none at last", (0, 0)).await;
    scene.apply("p", &spec("Running")).await;
    scene
        .until("the former number is back", async || {
            // the autoscaler raises it to its own minimum
            let found = pods(&scene).await;
            if matches!(found, (3 | 4, 0)) {
                Ok(())
            } else {
                Err(format!("{found:?}"))
            }
        })
        .await;
}
