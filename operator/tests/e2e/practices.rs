//! The three practices: every group gets every message once, members share the partitions, status says what Kafka says.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use serde_json::{Value, json};

use crate::common::{
    kafka,
    logs::Logs,
    sample::Sample,
    scene::{self, Forward, Scene, condition},
    together, until,
    watch::Watch,
};

#[test]
fn practice_3_shows_every_group_every_message() {
    let _turn = together();
    let scene = Scene::new("practice-3");
    let sample = scene.apply_sample("practice-3");
    // ten messages of 5 s each wait in the slow variant's partitions
    every_group_gets_every_message(&scene, &sample, 30, Duration::from_mins(3));
}

#[test]
fn practice_3_with_300_messages_and_a_hundredth_of_the_delays() {
    let _turn = together();
    let scene = Scene::new("practice-3-fast");
    let sample = Sample::load("practice-3")
        .renamed(&scene.prefix)
        .hundred_times_faster();
    scene.apply(&sample);
    every_group_gets_every_message(&scene, &sample, 300, Duration::from_mins(2));
}

#[test]
fn practice_1_has_one_consumer_for_one_partition() {
    let _turn = together();
    let scene = Scene::new("practice-1");
    let sample = scene.apply_sample("practice-1");
    scene.wait_ready("practice-1");
    let status = &scene.practice("practice-1")["status"];
    assert_eq!(
        (
            &status["summary"]["consumers"],
            &status["summary"]["partitions"]
        ),
        (&json!(1), &json!(1)),
        "{status:#}"
    );
    assert_eq!(
        kafka::members(&sample.groups()[0])
            .values()
            .copied()
            .collect::<Vec<_>>(),
        [1]
    );
}

#[test]
fn practice_2_has_four_consumers_of_which_one_is_idle() {
    let _turn = together();
    let scene = Scene::new("practice-2");
    let sample = scene.apply_sample("practice-2");
    scene.wait_ready("practice-2");
    let practice = scene.practice_when(
        "practice-2",
        "one is idle",
        Duration::from_secs(30),
        |practice| match practice["status"]["summary"]["idle"].as_i64() {
            Some(1) => Ok(()),
            other => Err(format!("idle: {other:?}")),
        },
    );
    assert_eq!(condition(&practice, "IdleConsumers"), "True");
    assert_eq!(practice["status"]["summary"]["consumers"], 4);
    let mut shares: Vec<i64> = kafka::members(&sample.groups()[0]).into_values().collect();
    shares.sort_unstable();
    assert_eq!(shares, [0, 1, 1, 1]);
}

fn every_group_gets_every_message(
    scene: &Scene,
    sample: &Sample,
    messages: usize,
    within: Duration,
) {
    let practice = sample.practice();
    scene.wait_ready(practice);
    let logs = Logs::follow(&scene.namespace, practice);
    let changes = Watch::start(&scene.namespace, &["cgp", practice]);
    members_share_the_partitions(scene, sample);

    let producer = Forward::to(scene, &format!("{practice}-producer"), 8081);
    let topic = sample.topic();
    let mut sent = BTreeMap::new();
    for i in 0..messages {
        let value = format!("{} message {i}", scene.prefix);
        let answer = producer.send(&json!({"topic": topic, "value": value, "partition": i % 3}));
        assert_eq!(
            (&answer["topic"], &answer["partition"]),
            (&json!(topic), &json!(i % 3)),
            "{answer}"
        );
        let place = (
            answer["partition"].as_i64().expect("a number"),
            answer["offset"].as_i64().expect("a number"),
        );
        assert_eq!(sent.insert(value, place), None);
    }

    let groups = sample.groups();
    assert_eq!(groups.len(), 3);
    until("each group has handled every message", within, || {
        let missing: Vec<String> = groups
            .iter()
            .map(|group| (group, logs.handled(group).len()))
            .filter(|(_, handled)| *handled < messages)
            .map(|(group, handled)| format!("{group} has {handled} of {messages}"))
            .collect();
        if missing.is_empty() {
            Ok(())
        } else {
            Err(missing.join(", "))
        }
    });
    scene.practice_when(
        practice,
        "lag is 0 again",
        Duration::from_secs(30),
        |practice| {
            let open: Vec<&Value> = groups
                .iter()
                .map(|group| &scene::group(practice, group)["lag"])
                .collect();
            if open == [&json!(0); 3] && practice["status"]["summary"]["lag"] == 0 {
                Ok(())
            } else {
                Err(format!("{open:?}"))
            }
        },
    );
    for group in &groups {
        let handled = logs.handled(group);
        let got: BTreeMap<String, (i64, i64)> = handled
            .iter()
            .map(|one| (one.value.clone(), (one.partition, one.offset)))
            .collect();
        assert_eq!(
            got, sent,
            "{group} handles what was sent, where it was sent"
        );
        assert_eq!(handled.len(), messages, "{group} handles each message once");
        let partitions = kafka::group(group);
        assert!(
            partitions.iter().all(|at| at.committed == Some(at.end)),
            "{group}: {partitions:?}"
        );
    }
    scene.assert_handled(practice, &logs, &groups);
    let grew = changes
        .events()
        .iter()
        .any(|event| event.object["status"]["summary"]["lag"].as_i64() > Some(0));
    assert!(grew, "status showed the lag while it was there");
    members_share_the_partitions(scene, sample);
    for pod in scene.pods(practice) {
        let restarts = &pod["status"]["containerStatuses"][0]["restartCount"];
        assert_eq!(restarts, 0, "{}", pod["metadata"]["name"]);
    }
}

/// Each partition has one owner in each group from the moment on at which the practice is ready, every member is a consumer
/// of ours, and status names the same owners as Kafka. Status follows Kafka within a few seconds, not at once.
fn members_share_the_partitions(scene: &Scene, sample: &Sample) {
    let practice = scene.practice(sample.practice());
    for group in sample.groups() {
        let ready = owners(&practice, &group);
        assert_eq!(ready.len(), 3, "{group}: {ready:?}");
        until(
            &format!("{group}: status names the owners that Kafka's own tool names"),
            Duration::from_secs(15),
            || {
                let truth: BTreeMap<_, _> = kafka::group(&group)
                    .into_iter()
                    .map(|at| (at.number, at.owner))
                    .collect();
                let said = owners(&scene.practice(sample.practice()), &group);
                if said == truth {
                    Ok(())
                } else {
                    Err(format!("{said:?}, Kafka: {truth:?}"))
                }
            },
        );
    }
    let members = sample
        .groups()
        .iter()
        .flat_map(|group| members(&practice, group))
        .collect::<BTreeSet<String>>();
    let pods: BTreeSet<String> = scene
        .pods(sample.practice())
        .iter()
        .map(|pod| {
            pod["metadata"]["name"]
                .as_str()
                .expect("a pod has a name")
                .to_owned()
        })
        .collect();
    assert_eq!(
        members, pods,
        "every consumer is a member, every member a consumer of ours"
    );
    assert_eq!(members.len(), 6);
}

/// The owner of each partition of a group, as status says.
fn owners(practice: &Value, group: &str) -> BTreeMap<i64, Option<String>> {
    let mut owners = BTreeMap::new();
    for member in scene::group(practice, group)["members"]
        .as_array()
        .expect("status lists members")
    {
        for owned in member["partitions"]
            .as_array()
            .expect("a list with one entry for each partition")
        {
            let number = owned["partition"].as_i64().expect("a number");
            let before = owners.insert(number, member["clientId"].as_str().map(str::to_owned));
            assert_eq!(before, None, "two owners: {practice:#}");
        }
    }
    owners
}

/// The pods of a group's members, as status says.
fn members(practice: &Value, group: &str) -> Vec<String> {
    let members = scene::group(practice, group)["members"]
        .as_array()
        .expect("status lists members");
    members
        .iter()
        .map(|member| {
            member["pod"]
                .as_str()
                .expect("each member is a pod of ours")
                .to_owned()
        })
        .collect()
}
