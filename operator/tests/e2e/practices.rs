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
    let sample = Sample::load("practice-3").renamed(&scene.prefix).hundred_times_faster();
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
        (&status["summary"]["consumers"], &status["summary"]["partitions"]),
        (&json!(1), &json!(1)),
        "{status:#}"
    );
    assert_eq!(kafka::members(&sample.groups()[0]).values().copied().collect::<Vec<_>>(), [1]);
}

#[test]
fn practice_2_has_four_consumers_of_which_one_is_idle() {
    let _turn = together();
    let scene = Scene::new("practice-2");
    let sample = scene.apply_sample("practice-2");
    scene.wait_ready("practice-2");
    let practice = scene.practice_when("practice-2", "one is idle", Duration::from_secs(30), |practice| {
        match practice["status"]["summary"]["idle"].as_i64() {
            Some(1) => Ok(()),
            other => Err(format!("idle: {other:?}")),
        }
    });
    assert_eq!(condition(&practice, "IdleConsumers"), "True");
    assert_eq!(practice["status"]["summary"]["consumers"], 4);
    let mut shares: Vec<i64> = kafka::members(&sample.groups()[0]).into_values().collect();
    shares.sort_unstable();
    assert_eq!(shares, [0, 1, 1, 1]);
}

fn every_group_gets_every_message(scene: &Scene, sample: &Sample, messages: usize, within: Duration) {
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
        assert_eq!((&answer["topic"], &answer["partition"]), (&json!(topic), &json!(i % 3)), "{answer}");
        let place = (answer["partition"].as_i64().expect("a number"), answer["offset"].as_i64().expect("a number"));
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
        if missing.is_empty() { Ok(()) } else { Err(missing.join(", ")) }
    });
    scene.practice_when(practice, "lag is 0 again", Duration::from_secs(30), |practice| {
        let open: Vec<&Value> = groups.iter().map(|group| &scene::group(practice, group)["lag"]).collect();
        if open == [&json!(0); 3] && practice["status"]["summary"]["lag"] == 0 {
            Ok(())
        } else {
            Err(format!("{open:?}"))
        }
    });
    for group in &groups {
        let handled = logs.handled(group);
        let got: BTreeMap<String, (i64, i64)> =
            handled.iter().map(|one| (one.value.clone(), (one.partition, one.offset))).collect();
        assert_eq!(got, sent, "{group} handles what was sent, where it was sent");
        assert_eq!(handled.len(), messages, "{group} handles each message once");
        let partitions = kafka::group(group);
        assert!(partitions.iter().all(|at| at.committed == Some(at.end)), "{group}: {partitions:?}");
    }
    let grew = changes.events().iter().any(|event| event.object["status"]["summary"]["lag"].as_i64() > Some(0));
    assert!(grew, "status showed the lag while it was there");
    members_share_the_partitions(scene, sample);
    for pod in scene.pods(practice) {
        let restarts = &pod["status"]["containerStatuses"][0]["restartCount"];
        assert_eq!(restarts, 0, "{}", pod["metadata"]["name"]);
    }
}

/// Each partition has one owner in each group, and status names the same as Kafka.
fn members_share_the_partitions(scene: &Scene, sample: &Sample) {
    let practice = scene.practice(sample.practice());
    let pods: BTreeSet<String> = scene
        .pods(sample.practice())
        .iter()
        .map(|pod| pod["metadata"]["name"].as_str().expect("a pod has a name").to_owned())
        .collect();
    let mut members = BTreeSet::new();
    for group in sample.groups() {
        let mut said = BTreeMap::new();
        for member in scene::group(&practice, &group)["members"].as_array().expect("status lists members") {
            members.insert(member["pod"].as_str().expect("each member is a pod of ours").to_owned());
            for owned in member["partitions"].as_array().expect("a list with one entry for each partition") {
                let before = said.insert(owned["partition"].as_i64(), member["clientId"].as_str().map(str::to_owned));
                assert_eq!(before, None, "two owners: {practice:#}");
            }
        }
        let truth: BTreeMap<_, _> = kafka::group(&group).into_iter().map(|at| (Some(at.number), at.owner)).collect();
        assert_eq!(said, truth, "{group}: status and Kafka's own tool");
        assert_eq!(said.len(), 3, "{group}: {said:?}");
    }
    assert_eq!(members, pods, "every consumer is a member, every member a consumer of ours");
    assert_eq!(members.len(), 6);
}
