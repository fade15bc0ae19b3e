//! A practice that changes while it runs: it scales, loses a group, and goes.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::common::{
    alone, kafka,
    sample::Sample,
    scene::{Scene, condition, group},
    together, until,
    watch::Watch,
};

#[test]
fn a_practice_scales_loses_a_group_and_goes() {
    let turn = together();
    let scene = Scene::new("lifecycle");
    let sample = Sample::load("practice-3")
        .renamed(&scene.prefix)
        .hundred_times_faster();
    let (practice, groups) = (sample.practice(), sample.groups());
    scene.apply(&sample);
    scene.wait_ready(practice);

    let changes = Watch::start(&scene.namespace, &["cgp", practice]);
    scene.patch(
        practice,
        &json!([{"op": "replace", "path": "/spec/groups/0/replicas", "value": 4}]),
    );
    let scaled = scene.practice_when(
        practice,
        "four members, one idle",
        Duration::from_mins(1),
        |practice| members_and_idle(practice, &groups[0], (4, Some(1))),
    );
    let members = group(&scaled, &groups[0])["members"]
        .as_array()
        .expect("a list");
    let idle: Vec<&Value> = members
        .iter()
        .filter(|member| member["partitions"] == json!([]))
        .collect();
    let [idle] = idle[..] else {
        panic!("one member has no partition: {members:#?}")
    };
    assert_eq!(idle["idleBecause"], "3 partitions, 4 consumers: 1 waits");
    let pod = idle["pod"].as_str().expect("it is one of our pods");
    assert_eq!(
        kafka::members(&groups[0]).get(pod),
        Some(&0),
        "Kafka's own tool says so too"
    );
    let named = scaled["status"]["conditions"]
        .as_array()
        .expect("a list")
        .iter()
        .any(|condition| {
            condition["type"] == "IdleConsumers"
                && condition["status"] == "True"
                && condition["message"]
                    .as_str()
                    .is_some_and(|message| message.contains(pod))
        });
    assert!(
        named,
        "IdleConsumers names {pod}: {:#}",
        scaled["status"]["conditions"]
    );

    scene.patch(
        practice,
        &json!([{"op": "replace", "path": "/spec/groups/0/replicas", "value": 2}]),
    );
    let back = scene.practice_when(
        practice,
        "two members, none idle",
        Duration::from_mins(1),
        |practice| members_and_idle(practice, &groups[0], (2, Some(0))),
    );
    assert_eq!(condition(&back, "IdleConsumers"), "False");
    assert_eq!(kafka::members(&groups[0]).len(), 2);
    let events = changes.events();
    assert!(events.len() > 2, "the watch has seen the scaling");
    for event in events {
        assert_eq!(
            event.condition("Ready"),
            "True",
            "Ready stays True: {:#}",
            event.object["status"]["conditions"]
        );
    }

    scene.patch(
        practice,
        &json!([{"op": "remove", "path": "/spec/groups/2"}]),
    );
    until(
        "the removed group's objects are gone",
        Duration::from_secs(15),
        || {
            let labelled = format!("kafka-practice.dev/group={}", groups[2]);
            let left = scene.get(&["deployments,poddisruptionbudgets", "-l", &labelled]);
            if left["items"] == json!([]) {
                Ok(())
            } else {
                Err(format!("{left:#}"))
            }
        },
    );
    scene.practice_when(
        practice,
        "status has two groups",
        Duration::from_secs(15),
        |practice| {
            let left = practice["status"]["groups"].as_array().map_or(0, Vec::len);
            if left == 2 {
                Ok(())
            } else {
                Err(format!("{left} groups"))
            }
        },
    );

    let committed = commit_something(&scene, &sample);
    assert!(!scene.objects(practice).is_empty());
    drop(turn);
    let _turn = alone();
    let deleted = Instant::now();
    scene.kubectl(&["delete", "cgp", practice]);
    let left = Duration::from_secs(10).saturating_sub(deleted.elapsed());
    until("nothing of the deleted practice is left", left, || {
        let objects = scene.objects(practice);
        if objects.is_empty() {
            Ok(())
        } else {
            Err(objects.join(" "))
        }
    });
    assert!(kafka::names().contains(&sample.topic()), "the topic stays");
    let offsets: Vec<Option<i64>> = kafka::group(&groups[0])
        .into_iter()
        .map(|at| at.committed)
        .collect();
    assert_eq!(offsets, committed, "the offsets stay");
}

fn members_and_idle(
    practice: &Value,
    name: &str,
    wanted: (usize, Option<i64>),
) -> Result<(), String> {
    let group = group(practice, name);
    let found = (
        group["members"].as_array().map_or(0, Vec::len),
        group["idle"].as_i64(),
    );
    if found == wanted {
        Ok(())
    } else {
        Err(format!("members and idle: {found:?}"))
    }
}

/// Sends to each partition; the committed offsets of the first group once all is handled.
fn commit_something(scene: &Scene, sample: &Sample) -> Vec<Option<i64>> {
    let producer =
        crate::common::scene::Forward::to(scene, &format!("{}-producer", sample.practice()), 8081);
    for partition in 0..3 {
        producer.send(&json!({"topic": sample.topic(), "value": "kept", "partition": partition}));
    }
    until("everything is committed", Duration::from_secs(30), || {
        let partitions = kafka::group(&sample.groups()[0]);
        let committed: Vec<Option<i64>> = partitions.iter().map(|at| at.committed).collect();
        if committed == [Some(1); 3] {
            Ok(committed)
        } else {
            Err(format!("{partitions:?}"))
        }
    })
}
