//! `send --follow` and `where` as far as they come without a kubelet: what is known of consumers that are gone, and what is refused before a
//! message is sent. Pods that answer are in `e2e`.

use k8s_openapi::api::core::v1::Pod;
use kube::{
    Api,
    api::{Patch, PatchParams},
};
use practice_testbed::{Role, cluster};
use serde_json::{Value, json};

use crate::scene::{Scene, plugin, status};

/// A pod as a kubelet would have reported it.
async fn reported(scene: &Scene, name: &str, status: Value) {
    let api: Api<Pod> = Api::namespaced(scene.client.clone(), &scene.namespace);
    let patch = Patch::Merge(json!({"status": status}));
    let written = api
        .patch_status(name, &PatchParams::default(), &patch)
        .await;
    written.unwrap_or_else(|error| panic!("status of {name} is refused: {error}"));
}

fn container(name: &str, state: Value) -> Value {
    json!({"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}],
           "containerStatuses": [{"name": name, "image": "i", "imageID": "i", "ready": true, "restartCount": 0, "state": state}]})
}

#[tokio::test]
async fn consumers_that_are_gone_are_named_with_their_end() {
    let scene = Scene::new("where").await;
    scene.practice("p", status("p")).await;
    scene
        .journal("p", json!({"billing": {"count": 1, "over": [
            {"number": 1, "at": 1_795_615_331_123_i64, "joined": [], "left": ["p-billing-6d9f-old", "p-billing-6d9f-x2kvp"],
             "moved": []}]}}))
        .await;
    // this one left the group and is back, and its container has exited
    scene.consumer("p", "billing", "p-billing-6d9f-x2kvp").await;
    let ended = json!({"terminated": {"exitCode": 137, "reason": "OOMKilled", "finishedAt": "2026-11-25T14:05:00Z"}});
    reported(&scene, "p-billing-6d9f-x2kvp", container("worker", ended)).await;
    // 41 is committed by billing and not by mail
    let shown = scene.cgp("where p orders/0@40").await;
    assert_eq!(
        shown.failed_out(1),
        "  billing   unknown: …6d9f-x2kvp exited (OOMKilled, code 137) at 2026-11-25 14:05:00.000, …6d9f-old was deleted at 2026-11-25 14:02:11.123 (the group's committed offset 41 is past it)\n  \
           mail      unknown: no consumer that runs now has handled it, and the group's committed offset 44 is past it\n\
         0 of 2 groups handled it, each once; unknown of billing: …6d9f-x2kvp exited (OOMKilled, code 137) at 2026-11-25 14:05:00.000, …6d9f-old was deleted at 2026-11-25 14:02:11.123 (the group's committed offset 41 is past it); unknown of mail: no consumer that runs now has handled it, and the group's committed offset 44 is past it\n"
    );
    let shown = scene.cgp("where p orders/0@42 -o json").await;
    let document: Value = serde_json::from_str(&shown.failed_out(1)).expect("a document");
    assert_eq!(document["groups"][0]["notHandled"], 1, "{document}");
    assert_eq!(document["groups"][1]["unknown"], 1, "{document}");
    for (line, code, expected) in [
        (
            "where p nope/0@1",
            3,
            "topic `nope` does not belong to practice p: it has orders\n",
        ),
        (
            "where p orders/3@1",
            3,
            "topic orders has no partition 3: it has 3, from 0 to 2\n",
        ),
        (
            "send p -t orders --value v --follow --count 10001",
            2,
            "--count 10001: with --follow send at most 10000\n",
        ),
    ] {
        let message = scene.cgp(line).await.failed(code);
        assert!(message.ends_with(expected), "{line}: {message}");
    }
    let beyond = scene.cgp("where p orders/0@44").await.failed(1);
    assert!(
        beyond.starts_with("orders/0 had log end offset 44 "),
        "{beyond}"
    );
}

#[tokio::test]
async fn a_missing_right_is_named_before_a_message_is_sent() {
    let scene = Scene::new("unforwarded").await;
    scene.practice("p", status("p")).await;
    let here = scene.namespace.as_str();
    scene.consumer("p", "billing", "p-billing-1").await;
    let running = json!({"running": {}});
    reported(&scene, "p-billing-1", container("worker", running.clone())).await;
    let labels =
        json!({"kafka-practice.dev/practice": "p", "app.kubernetes.io/component": "producer"});
    let spec = json!({"containers": [{"name": "producer", "image": "example/producer:1"}]});
    scene
        .pod(json!({"name": "p-producer-1", "labels": labels}), spec)
        .await;
    reported(&scene, "p-producer-1", container("producer", running)).await;
    let rules =
        "[{apiGroups: [kafka-practice.dev], resources: [consumergrouppractices], verbs: [get]},
                  {apiGroups: [''], resources: [pods], verbs: [list]}]";
    let cluster = cluster().await;
    cluster
        .service_account(here, "follower", Role::Rules(rules))
        .await;
    let config = cluster.service_account_kubeconfig(here, "follower");
    let needed = format!(
        "error: cannot forward port 8080 of pod p-billing-1: permission denied: pods \"p-billing-1\" is forbidden: User \"system:serviceaccount:{here}:follower\" cannot get resource \"pods/portforward\" in API group \"\" in the namespace \"{here}\"\n"
    );
    let send = [
        "send", "p", "-t", "orders", "--value", "v", "--follow", "-n", here,
    ];
    let message = plugin(&config, &send).await.failed(1);
    assert_eq!(
        message, needed,
        "the consumers are asked before the first message"
    );
    let message = plugin(&config, &["where", "p", "orders/0@1", "-n", here]).await;
    let message = message.failed(1);
    let (note, error) = message.split_once('\n').expect("two lines");
    assert!(
        note.starts_with(
            "consumers that ended before are not known: cannot read ConfigMap p-journal"
        ),
        "{note}"
    );
    assert_eq!(error, needed);
}
