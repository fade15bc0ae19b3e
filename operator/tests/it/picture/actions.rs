//! Actions of the live view in a cluster: refused unless they are enabled, and then only what the operator's rights allow.

use k8s_openapi::api::core::v1::Pod;
use kube::api::{ListParams, Patch, PatchParams, PostParams};
use practice_api::ConsumerGroupPractice;
use practice_plan::config::Config;
use practice_testbed::Cluster;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::{
    client::{get, post},
    two_groups,
};
use crate::{operator, scene::Scene};

#[tokio::test]
async fn it_changes_nothing_unless_it_may() {
    let scene = Scene::new("looks-only").await;
    scene.apply("p", &two_groups(&scene, 1)).await;
    scene.deployment(&format!("p-{}", scene.name("g"))).await;
    let url = scene.picture("p");
    scene
        .until("it is drawn", async || {
            get(&url).await?["groups"][0]
                .is_object()
                .then_some(())
                .ok_or_else(String::new)
        })
        .await;
    for path in [
        format!("groups/{}/stop", scene.name("g")),
        "load".to_owned(),
        "send".to_owned(),
    ] {
        let (status, said) = post(&format!("{url}/{path}"), json!({})).await;
        assert_eq!(
            (status, &said["how"]),
            (403, &json!("turn it on")),
            "{path}: {said}"
        );
    }
    let practice = scene.practice("p").await.expect("it is there");
    assert_eq!(practice.metadata.generation, Some(1), "nothing was changed");
}

#[expect(
    clippy::too_many_lines,
    reason = "one course of events, or one table of cases"
)]
#[tokio::test]
async fn with_leave_it_changes_the_manifest_or_deletes_a_pod_and_nothing_else() {
    let cluster = Cluster::start().await;
    cluster.apply_crd(&practice_api::crd_yaml()).await;
    let scene = Scene::of(&cluster, "acts").await;
    let stop = CancellationToken::new();
    let account = operator::start_with(&cluster, Config::default(), None, stop.clone()).await;
    let (g, free) = (scene.name("g"), scene.name("free"));
    scene.apply("p", &two_groups(&scene, 1)).await;
    let url = format!(
        "http://{}/api/practices/{}/p",
        account.picture, scene.namespace
    );
    scene
        .until("it is drawn", async || {
            get(&url).await?["groups"][0]
                .is_object()
                .then_some(())
                .ok_or_else(String::new)
        })
        .await;
    let name = format!("p-{g}");
    scene.has_replicas(&name, 1).await;

    for (path, body, replicas) in [
        ("scale", json!({"replicas": 3}), 3),
        ("scale", json!({"by": -1}), 2),
        ("stop", json!({}), 0),
        ("start", json!({}), 2),
    ] {
        let (status, said) = post(&format!("{url}/groups/{g}/{path}"), body).await;
        assert_eq!(status, 200, "{path}: {said}");
        assert!(
            said["message"]
                .as_str()
                .is_some_and(|message| message.contains(&g)),
            "{said}"
        );
        scene.has_replicas(&name, replicas).await;
        // drawn before the next one is asked for: a stopped group cannot be scaled
        scene
            .until("it is drawn", async || {
                let picture = get(&url).await?;
                let stopped = &picture["groups"][0]["stopped"];
                if *stopped == json!(path == "stop") {
                    Ok(())
                } else {
                    Err(picture.to_string())
                }
            })
            .await;
    }
    let spec = scene.practice("p").await.expect("it is there").spec;
    assert_eq!(
        (spec.groups[0].replicas, spec.groups[0].variants[0].replicas),
        (Some(2), Some(1)),
        "variants stay"
    );
    assert_eq!((spec.groups.len(), spec.groups[1].replicas), (2, None));
    let (status, said) = post(&format!("{url}/groups/{free}/scale"), json!({"by": 1})).await;
    assert_eq!(status, 409, "{said}");

    let load = || async {
        scene
            .practice("p")
            .await
            .expect("it is there")
            .spec
            .producer
            .load
    };
    let (status, said) = post(
        &format!("{url}/load"),
        json!({"messagesPerSecond": 50, "valueBytes": 10}),
    )
    .await;
    assert_eq!(status, 200, "{said}");
    assert_eq!(
        load()
            .await
            .map(|load| (load.messages_per_second, load.value_bytes)),
        Some((50, 10))
    );
    scene
        .until("the stream of messages is drawn", async || {
            let load = get(&url).await?["load"].clone();
            if load == json!({"messagesPerSecond": 50, "valueBytes": 10}) {
                Ok(())
            } else {
                Err(load.to_string())
            }
        })
        .await;
    post(&format!("{url}/load"), json!({"messagesPerSecond": 60})).await;
    assert_eq!(
        load()
            .await
            .map(|load| (load.messages_per_second, load.value_bytes)),
        Some((60, 10))
    );
    let (status, said) = post(&format!("{url}/load"), json!({"messagesPerSecond": 0})).await;
    assert_eq!((status, load().await.is_none()), (200, true), "{said}");

    for verb in ["restart", "kill"] {
        let pod = a_pod(&scene, &name, verb).await;
        let path = format!("{url}/consumers/{pod}/{verb}");
        scene
            .until("it knows the pod", async || {
                nudge(&scene).await;
                let (status, said) = post(&path, json!({})).await;
                if status == 200 {
                    Ok(())
                } else {
                    Err(said.to_string())
                }
            })
            .await;
        let is_going =
            |pod: Option<Pod>| pod.is_none_or(|pod| pod.metadata.deletion_timestamp.is_some());
        assert!(
            is_going(
                scene
                    .api::<Pod>()
                    .get_opt(&pod)
                    .await
                    .expect("it can be asked")
            ),
            "{verb}"
        );
    }
    let strange = json!({"metadata": {"name": "strange"}, "spec": {"containers": [{"name": "c", "image": "i"}]}});
    let strange: Pod = serde_json::from_value(strange).expect("a pod");
    scene
        .api::<Pod>()
        .create(&PostParams::default(), &strange)
        .await
        .expect("it is made");
    let (status, _) = post(&format!("{url}/consumers/strange/kill"), json!({})).await;
    assert_eq!(status, 404, "it does not belong to the view");
    for (path, says) in [
        (format!("consumers/{}/pause", "strange"), "no consumer"),
        ("brokers/1/stop".to_owned(), ""),
    ] {
        let (status, said) = post(&format!("{url}/{path}"), json!({})).await;
        assert_eq!(status, 404, "{said}");
        assert!(
            said["message"]
                .as_str()
                .is_some_and(|message| message.contains(says)),
            "{said}"
        );
    }
    let pods = scene
        .api::<Pod>()
        .list(&ListParams::default())
        .await
        .expect("can be listed");
    assert!(
        pods.iter()
            .any(|pod| pod.metadata.name.as_deref() == Some("strange"))
    );
    stop.cancel();
}

/// A pod as the Deployment's would be, on no node.
async fn a_pod(scene: &Scene, deployment: &str, suffix: &str) -> String {
    let template = json!(scene.deployment(deployment).await.spec.template);
    let name = format!("{deployment}-{suffix}");
    let pod = json!({
        "metadata": {
            "name": name,
            "labels": template["metadata"]["labels"],
            "annotations": template["metadata"]["annotations"],
        },
        "spec": template["spec"],
    });
    let pod: Pod = serde_json::from_value(pod).expect("a template makes a pod");
    scene
        .api::<Pod>()
        .create(&PostParams::default(), &pod)
        .await
        .expect("it is made");
    name
}

/// A pod that comes is seen with the next change: there is no controller here that would count it in its Deployment.
async fn nudge(scene: &Scene) {
    let patch = json!({"metadata": {"annotations": {"tests/nudge": format!("{:?}", std::time::Instant::now())}}});
    let practices = scene.api::<ConsumerGroupPractice>();
    practices
        .patch("p", &PatchParams::default(), &Patch::Merge(&patch))
        .await
        .expect("it is there");
}
