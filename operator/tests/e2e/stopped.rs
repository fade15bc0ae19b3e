//! A Stopped group stays stopped, whoever scales its Deployment, and whether or not the operator runs.

use std::{thread::sleep, time::Duration};

use serde_json::{Value, json};

use crate::common::{
    alone,
    command::{kubectl, run},
    kafka,
    logs::Logs,
    operator,
    sample::Sample,
    scene::{Scene, condition, group},
    until,
};

const MINUTE: Duration = Duration::from_mins(1);

/// Messages that a group has committed, over all partitions.
fn committed(group: &str) -> i64 {
    kafka::group(group)
        .iter()
        .filter_map(|partition| partition.committed)
        .sum()
}

fn lag_is(practice: &Value, groups: &[String], wanted: i64) -> Result<(), String> {
    let lags: Vec<&Value> = groups
        .iter()
        .map(|name| &group(practice, name)["lag"])
        .collect();
    if lags.iter().all(|lag| **lag == wanted) {
        Ok(())
    } else {
        Err(format!("{lags:?}"))
    }
}

fn set_state(scene: &Scene, state: &str) {
    let operation = |index: usize| json!({"op": "add", "path": format!("/spec/groups/{index}/state"), "value": state});
    scene.patch("p", &json!([operation(0), operation(1)]));
}

#[test]
fn a_stopped_group_that_is_scaled_consumes_nothing() {
    let _turn = alone();
    let scene = Scene::new("stopped");
    let name = |what: &str| format!("{}-{what}", scene.prefix);
    let (topic, groups) = (name("t"), [name("own"), name("free")]);
    let sample = Sample(json!({
        "apiVersion": "kafka-practice.dev/v1alpha1", "kind": "ConsumerGroupPractice", "metadata": {"name": "p"},
        "spec": {
            "topics": [{"name": topic, "partitions": 3}],
            "groups": [{"name": groups[0], "replicas": 1}, {"name": groups[1], "protocol": "Consumer"}],
            "producer": {"enabled": false},
        },
    }));
    scene.apply(&sample);
    scene.wait_ready("p");
    let logs = Logs::follow(&scene.namespace, "p");
    kafka::fill(&topic, 30, 10);
    until("30 messages are committed", MINUTE, || {
        let all: Vec<i64> = groups.iter().map(|name| committed(name)).collect();
        if all == [30, 30] {
            Ok(())
        } else {
            Err(format!("{all:?}"))
        }
    });
    set_state(&scene, "Stopped");
    scene.practice_when("p", "both are empty", MINUTE, |practice| {
        let states = groups
            .iter()
            .map(|name| group(practice, name)["state"].clone());
        let states: Vec<Value> = states.collect();
        if states.iter().all(|state| *state == "Empty") {
            Ok(())
        } else {
            Err(format!("{states:?}"))
        }
    });
    kafka::fill(&topic, 100, 10);
    scene.practice_when("p", "100 wait", MINUTE, |practice| {
        lag_is(practice, &groups, 100)
    });

    // without the operator the replicas stay: only the consumers themselves can keep out of the group
    operator::scale(0);
    for name in &groups {
        let deployment = format!("deployment/p-{name}");
        scene.kubectl(&["scale", &deployment, "--replicas=1"]);
        let expected = format!("group {name} is Stopped: this consumer does not join it");
        until("the consumer reports why it does not join", MINUTE, || {
            // no container yet is an error of kubectl
            let said = run(&mut kubectl(&[
                "-n",
                &scene.namespace,
                "logs",
                &deployment,
                "--tail=20",
            ]))?;
            if said.matches(&expected).count() == 1 {
                Ok(())
            } else {
                Err(said)
            }
        });
    }
    sleep(Duration::from_secs(10));
    for name in &groups {
        assert_eq!(committed(name), 30, "{name}");
        assert!(kafka::members(name).is_empty(), "{name}");
        let deployment = scene.get(&["deployment", &format!("p-{name}")]);
        let status = &deployment["status"];
        assert_eq!(
            (&status["replicas"], &status["readyReplicas"]),
            (&json!(1), &Value::Null),
            "running and not ready: {status:#}"
        );
    }

    operator::scale(1);
    for name in &groups {
        until("it is scaled back", MINUTE, || {
            let deployment = scene.get(&["deployment", &format!("p-{name}")]);
            if deployment["spec"]["replicas"] == 0 {
                Ok(())
            } else {
                Err(format!("{:#}", deployment["spec"]["replicas"]))
            }
        });
        until("an Event names the field manager", MINUTE, || {
            let events = scene.get(&["events.events.k8s.io"]);
            let notes: Vec<String> = events["items"]
                .as_array()
                .expect("a list")
                .iter()
                .filter(|event| event["reason"] == "StoppedGroupScaled")
                .map(|event| event["note"].as_str().unwrap_or_default().to_owned())
                .collect();
            let expected = format!("kubectl scaled Deployment p-{name} to 1");
            if notes.iter().any(|note| note.contains(&expected)) {
                Ok(())
            } else {
                Err(format!("{notes:?}"))
            }
        });
    }
    let practice = scene.practice_when("p", "still 100 wait", MINUTE, |practice| {
        lag_is(practice, &groups, 100)
    });
    assert_eq!(condition(&practice, "Ready"), "True");

    set_state(&scene, "Running");
    let practice = scene.practice_when("p", "all is read", MINUTE, |practice| {
        lag_is(practice, &groups, 0)?;
        let rebalances = practice["status"]["rebalances"].as_array();
        let started = rebalances.into_iter().flatten();
        let started = started.filter(|rebalance| rebalance["cause"] == "StartedBySpec");
        let started: Vec<&Value> = started.map(|rebalance| &rebalance["group"]).collect();
        if groups.iter().all(|name| started.contains(&&json!(name))) {
            Ok(())
        } else {
            Err(format!("started: {started:?}"))
        }
    });
    let causes: Vec<&Value> = practice["status"]["rebalances"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|rebalance| &rebalance["cause"])
        .collect();
    for wrong in ["Rollout", "PodDeleted", "ReconfiguredBySpec"] {
        assert!(!causes.contains(&&json!(wrong)), "{causes:?}");
    }
    scene.assert_handled("p", &logs, &groups);
}
