//! Others who have a say in how many pods there are: an autoscaler, a quota.

use std::{thread::sleep, time::Duration};

use serde_json::{Value, json};

use crate::common::{
    kafka,
    sample::Sample,
    scene::{self, Scene, condition_message, group},
    together,
};

fn practice(scene: &Scene, mut of_group: Value) -> Sample {
    of_group["name"] = format!("{}-g", scene.prefix).into();
    Sample(json!({
        "apiVersion": "kafka-practice.dev/v1alpha1", "kind": "ConsumerGroupPractice", "metadata": {"name": "p"},
        "spec": {
            "topics": [{"name": format!("{}-t", scene.prefix), "partitions": 3}],
            "groups": [of_group], "producer": {"enabled": false},
        },
    }))
}

fn has_members(practice: &Value, name: &str, wanted: usize) -> Result<(), String> {
    let found = group(practice, name)["members"]
        .as_array()
        .map_or(0, Vec::len);
    if found == wanted {
        Ok(())
    } else {
        Err(format!("{found} members"))
    }
}

#[test]
fn an_autoscaler_scales_a_group_without_replicas() {
    let _turn = together();
    let scene = Scene::new("autoscaler");
    let sample = practice(&scene, json!({}));
    let name = sample.groups().swap_remove(0);
    scene.apply(&sample);
    scene.wait_ready("p");
    // it has no metrics here, and brings the group to its own minimum without any
    let scaler = json!({
        "apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": {"name": "scaler"},
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": format!("p-{name}")},
            "minReplicas": 3, "maxReplicas": 4,
        },
    });
    scene.apply(&Sample(scaler));
    scene.practice_when("p", "3 members", Duration::from_mins(1), |practice| {
        has_members(practice, &name, 3)
    });
    // the operator looks again, for another reason, and leaves the number alone
    scene.kubectl(&["annotate", "cgp", "p", "looked=again"]);
    sleep(Duration::from_secs(5));
    let after = scene.practice("p");
    assert_eq!(has_members(&after, &name, 3), Ok(()));
    assert_eq!(group(&after, &name)["replicas"], 3);
    assert_eq!(kafka::members(&name).len(), 3);
    // whoever scales it: that is why the group rebalanced
    scene.practice_when(
        "p",
        "the rebalances have their cause",
        Duration::from_secs(20),
        |practice| {
            let rebalances = practice["status"]["rebalances"]
                .as_array()
                .cloned()
                .unwrap_or_default();
            let causes: Vec<&Value> = rebalances
                .iter()
                .map(|rebalance| &rebalance["cause"])
                .collect();
            if !causes.is_empty() && causes.iter().all(|cause| *cause == "ScaledUp") {
                Ok(())
            } else {
                Err(format!("{causes:?}"))
            }
        },
    );

    scene.kubectl(&["delete", "hpa", "scaler"]);
    scene.patch(
        "p",
        &json!([{"op": "add", "path": "/spec/groups/0/replicas", "value": 2}]),
    );
    scene.practice_when("p", "2 members", Duration::from_mins(1), |practice| {
        has_members(practice, &name, 2)
    });
    let events = scene.get(&["events.events.k8s.io"]);
    let drift = events["items"]
        .as_array()
        .expect("a list")
        .iter()
        .find(|event| event["reason"] == "DriftRepaired");
    assert_eq!(
        drift, None,
        "another owner's number was not taken for drift"
    );
}

#[test]
fn pods_that_a_quota_refuses_are_told_in_a_condition() {
    let _turn = together();
    let scene = Scene::new("quota");
    let quota = json!({
        "apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "two-pods"}, "spec": {"hard": {"pods": "2"}},
    });
    scene.apply(&Sample(quota));
    let sample = practice(&scene, json!({"replicas": 3}));
    let name = sample.groups().swap_remove(0);
    scene.apply(&sample);
    scene.practice_when(
        "p",
        "it says who refuses pods, and the others run",
        Duration::from_mins(1),
        |practice| {
            has_members(practice, &name, 2)?;
            if scene::condition(practice, "ConsumersAvailable") != "True" {
                return Err(condition_message(practice, "ConsumersAvailable").to_owned());
            }
            let message = condition_message(practice, "Reconciling");
            if message.contains("Kubernetes refuses pods")
                && message.contains("exceeded quota: two-pods")
            {
                Ok(())
            } else {
                Err(message.to_owned())
            }
        },
    );

    // who asks for less gets it
    scene.patch(
        "p",
        &json!([{"op": "replace", "path": "/spec/groups/0/replicas", "value": 2}]),
    );
    scene.practice_when(
        "p",
        "nothing is refused any more",
        Duration::from_mins(1),
        |practice| {
            has_members(practice, &name, 2)?;
            let message = condition_message(practice, "Reconciling");
            if message.contains("refuses") {
                Err(message.to_owned())
            } else {
                Ok(())
            }
        },
    );
    scene.wait_ready("p");
}
