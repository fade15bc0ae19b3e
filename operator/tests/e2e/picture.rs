//! The live picture as the chart installs it: reached by `kubectl port-forward`, true, and only to look at.

use std::{collections::BTreeMap, time::Duration};

use serde_json::{Value, json};

use crate::common::{
    kafka,
    sample::Sample,
    scene::{Forward, Scene},
    together, until,
};

/// Owners of a group's partitions in the picture; `None`: nobody has it.
fn owners(picture: &Value, group: &str) -> BTreeMap<i64, Option<String>> {
    let groups = picture["groups"].as_array().map_or(&[][..], Vec::as_slice);
    let group = groups
        .iter()
        .find(|there| there["name"] == group)
        .unwrap_or(&Value::Null);
    let shares = |of: &Value| of.as_array().cloned().unwrap_or_default();
    let number = |share: &Value| share["partition"].as_i64().expect("a number");
    let mut owners: BTreeMap<_, _> = shares(&group["open"])
        .iter()
        .map(|share| (number(share), None))
        .collect();
    for member in group["members"].as_array().into_iter().flatten() {
        let name = member["clientId"].as_str().expect("a name");
        owners.extend(
            shares(&member["partitions"])
                .iter()
                .map(|share| (number(share), Some(name.to_owned()))),
        );
    }
    owners
}

#[test]
fn the_picture_is_true_hears_the_consumers_reads_their_logs_and_changes_nothing() {
    let _turn = together();
    let scene = Scene::new("picture");
    let sample = Sample::load("practice-3")
        .renamed(&scene.prefix)
        .hundred_times_faster();
    let practice = sample.practice();
    scene.apply(&sample);
    scene.wait_ready(practice);
    let picture = Forward::to_picture();
    let path = format!("/api/practices/{}/{practice}", scene.namespace);
    let page = picture.get("/", 10);
    assert!(page.starts_with("<!doctype html>"), "{page}");
    let drawn = || {
        serde_json::from_str::<Value>(&picture.get(&path, 10)).map_err(|error| error.to_string())
    };

    for group in sample.groups() {
        until(
            "the picture shows the owners that Kafka's own tool names",
            Duration::from_secs(30),
            || {
                let (shown, drawn) = (owners(&drawn()?, &group), kafka::group(&group));
                let truth: BTreeMap<_, _> =
                    drawn.into_iter().map(|at| (at.number, at.owner)).collect();
                if shown == truth && truth.len() == 3 {
                    Ok(())
                } else {
                    Err(format!("{shown:?}, {truth:?}"))
                }
            },
        );
    }

    let producer = Forward::to(&scene, &format!("{practice}-producer"), 8081);
    let stream = std::thread::scope(|scope| {
        let stream = scope.spawn(|| picture.get(&format!("{path}/stream"), 15));
        for number in 0..20 {
            producer.send(&json!({"topic": sample.topic(), "value": format!("message {number}")}));
            std::thread::sleep(Duration::from_millis(500)); // while the page is open
        }
        stream.join().expect("no panic")
    });
    assert!(stream.starts_with("id: "), "{stream}");
    let events: Vec<&str> = stream
        .lines()
        .filter_map(|line| line.strip_prefix("event: "))
        .collect();
    assert_eq!(events.first(), Some(&"snapshot"));
    assert!(
        ["patch", "beat", "flow"]
            .iter()
            .all(|name| events.contains(name)),
        "{events:?}"
    );
    let flows = stream
        .split("\n\n")
        .filter(|event| event.contains("event: flow"))
        .collect::<String>();
    for group in sample.groups() {
        assert!(
            flows.contains(&format!("[\"{group}\",")),
            "nothing was heard of {group}: {flows}"
        );
    }

    let pod = &scene.pods(practice)[0];
    let pod = pod["metadata"]["name"].as_str().expect("a pod has a name");
    let log = picture.get(&format!("{path}/logs/{pod}?tail=5"), 5);
    assert_eq!(log.matches("event: line\n").count(), 5, "{log}");

    for (what, body) in [
        ("load", json!({"messagesPerSecond": 1})),
        ("send", json!({})),
    ] {
        let (status, said) = picture.post(&format!("{path}/{what}"), &body);
        assert_eq!(status, "403", "{said}");
        assert!(
            said["how"]
                .as_str()
                .is_some_and(|how| how.starts_with("helm upgrade cgp ")),
            "{said}"
        );
    }
    let (status, said) = picture.post(&format!("{path}/consumers/{pod}/kill"), &json!({}));
    assert_eq!(status, "403", "{said}");
    assert_eq!(scene.pods(practice).len(), 6);
}
