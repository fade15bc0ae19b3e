//! Kafka is away for a minute: status says so, pods stay as they are, and afterwards every message is handled.

use std::{
    collections::BTreeMap,
    thread::sleep,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use crate::common::{
    RELEASE, alone,
    command::{done, kubectl, node},
    figures::{Bound, figure, hold},
    kafka,
    logs::Logs,
    sample::Sample,
    scene::{Forward, Scene},
    until,
    watch::{Watch, between},
};

#[test]
fn kafka_away_for_a_minute_loses_nothing() {
    let _turn = alone();
    let scene = Scene::new("outage");
    let sample = Sample::load("practice-3")
        .renamed(&scene.prefix)
        .hundred_times_faster();
    let practice = sample.practice();
    scene.apply(&sample);
    scene.wait_ready(practice);
    let logs = Logs::follow(&scene.namespace, practice);
    let changes = Watch::start(&scene.namespace, &["cgp", practice]);
    let producer = Forward::to(&scene, &format!("{practice}-producer"), 8081);
    let send = |when: &str| {
        for i in 0..30 {
            producer.send(&json!({"topic": sample.topic(), "value": format!("{when} {i}"), "partition": i % 3}));
        }
    };
    send("before");
    let restarts = restarts(&scene);

    let gone = Instant::now();
    let began = std::time::SystemTime::now();
    node(&["kafka", "all", "stop"]);
    let unreachable = changes.first(
        "KafkaReachable is False",
        Duration::from_secs(45),
        |event| event.at > began && event.condition("KafkaReachable") == "False",
    );
    let noticed = between(began, unreachable.at);
    let how = "from the broker's SIGTERM to KafkaReachable=False";
    hold(
        "Kafka's outage noticed",
        noticed,
        "s",
        Bound::AtMost(15.0),
        1.0,
        how,
    );
    sleep(Duration::from_mins(1).saturating_sub(gone.elapsed()));
    let starts = std::time::SystemTime::now();
    node(&["kafka", "all", "start"]);
    let back = changes.first(
        "KafkaReachable is True again",
        Duration::from_mins(2),
        |event| event.at > starts && event.condition("KafkaReachable") == "True",
    );
    let answered = between(starts, back.at);
    let how = "from the start of the broker's process to KafkaReachable=True";
    figure("Kafka's return noticed", answered, "s", Bound::None, how);
    scene.wait_ready(practice);
    send("after");

    for group in sample.groups() {
        let ends = until("all of it is committed", Duration::from_mins(2), || {
            let partitions = kafka::group(&group);
            let ends: Vec<(i64, i64)> = partitions.iter().map(|at| (at.number, at.end)).collect();
            let settled = partitions.iter().all(|at| at.committed == Some(at.end));
            if settled && ends.iter().map(|(_, end)| end).sum::<i64>() == 60 {
                Ok(ends)
            } else {
                Err(format!("{partitions:?}"))
            }
        });
        until("every message is handled", Duration::from_secs(30), || {
            let handled = logs.handled(&group);
            let lost: Vec<(i64, i64)> = ends
                .iter()
                .flat_map(|(partition, end)| (0..*end).map(|offset| (*partition, offset)))
                .filter(|place| {
                    !handled
                        .iter()
                        .any(|one| (one.partition, one.offset) == *place)
                })
                .collect();
            if lost.is_empty() {
                Ok(())
            } else {
                Err(format!("{group} never handled {lost:?}"))
            }
        });
    }
    scene.assert_handled(practice, &logs, &sample.groups());
    assert_eq!(
        self::restarts(&scene),
        restarts,
        "the same pods as before, restarted as often"
    );
}

/// Restarts of each pod of the practice and of the operator.
fn restarts(scene: &Scene) -> BTreeMap<String, i64> {
    let operator = done(&mut kubectl(&[
        "-n", RELEASE.0, "get", "pods", "-o", "json",
    ]));
    let operator: Value = serde_json::from_str(&operator).expect("kubectl prints JSON");
    let count = |pod: &Value| {
        let name = pod["metadata"]["name"]
            .as_str()
            .expect("a pod has a name")
            .to_owned();
        (
            name,
            pod["status"]["containerStatuses"][0]["restartCount"]
                .as_i64()
                .expect("it runs"),
        )
    };
    let lists = [scene.get(&["pods"]), operator];
    lists
        .iter()
        .flat_map(|list| list["items"].as_array().expect("a list"))
        .map(count)
        .collect()
}
