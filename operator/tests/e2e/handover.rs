//! A consumer's pod deleted under load, as a rollout or a drained node does it: others take its partitions over soon,
//! nothing is lost and nothing handled twice. Both protocols.

use std::{collections::BTreeMap, time::Duration};

use serde_json::{Value, json};

use crate::common::{
    alone,
    figures::figure,
    kafka,
    logs::Logs,
    sample::Sample,
    scene::{Scene, group},
    until,
    watch::{Watch, between},
};

/// Messages a second, over three partitions.
const LOAD: u32 = 60;

#[test]
fn a_deleted_pod_hands_over_classic() {
    hand_over("Classic", 4.0);
}

/// The broker's heartbeat interval for such groups is 5 s unless somebody configures it.
#[test]
fn a_deleted_pod_hands_over_kip_848() {
    hand_over("Consumer", 7.0);
}

fn hand_over(protocol: &str, bound: f64) {
    let _turn = alone();
    let scene = Scene::new(&format!("handover-{}", protocol.to_lowercase()));
    let name = format!("{}-g", scene.prefix);
    let practice = Sample(json!({
        "apiVersion": "kafka-practice.dev/v1alpha1", "kind": "ConsumerGroupPractice", "metadata": {"name": "p"},
        "spec": {
            "topics": [{"name": format!("{}-t", scene.prefix), "partitions": 3}],
            "groups": [{"name": name, "replicas": 2, "protocol": protocol}],
            "producer": {"load": {"messagesPerSecond": LOAD, "valueBytes": 100}},
        },
    }));
    scene.apply(&practice);
    scene.wait_ready("p");
    let logs = Logs::follow(&scene.namespace, "p");
    let pods = Watch::start(&scene.namespace, &["pods"]);
    let status = scene.practice_when("p", "both members own partitions", Duration::from_mins(1), |practice| {
        let shares: Vec<usize> = shares(practice, &name).into_values().map(|owned| owned.len()).collect();
        if shares == [1, 2] || shares == [2, 1] { Ok(()) } else { Err(format!("{shares:?}")) }
    });
    until("every partition is being read", Duration::from_secs(30), || {
        let handled = logs.handled(&name);
        let idle: Vec<i64> =
            (0..3).filter(|partition| !handled.iter().any(|one| one.partition == *partition)).collect();
        if idle.is_empty() { Ok(()) } else { Err(format!("nothing handled from {idle:?}")) }
    });

    let (victim, lost) =
        shares(&status, &name).into_iter().max_by_key(|(_, owned)| owned.len()).expect("there are two");
    scene.kubectl(&["delete", "pod", &victim, "--wait=false"]);
    let told = pods.first("the pod is told to end", Duration::from_secs(10), |event| {
        event.name() == victim && !event.object["metadata"]["deletionTimestamp"].is_null()
    });
    let taken = until("its partitions have new owners", Duration::from_secs(30), || {
        let assigned = logs.assigned_since(&name, told.at, &victim);
        let taken: Option<Vec<f64>> = lost.iter().map(|lost| Some(between(told.at, *assigned.get(lost)?))).collect();
        taken.ok_or_else(|| format!("lost {lost:?}, assigned {assigned:?}"))
    });
    let slowest = taken.into_iter().fold(0.0, f64::max);
    let how = format!(
        "`kubectl delete pod` of one of 2 members at {LOAD} messages/s, until others print `assigned` for all it owned"
    );
    figure(&format!("hand-over at SIGTERM, {protocol}"), format!("{slowest:.2} s"), &format!("<= {bound} s"), &how);
    assert!(slowest <= bound, "others own its partitions after {slowest:.2} s, wanted {bound} s");

    scene.patch("p", &json!([{"op": "remove", "path": "/spec/producer/load"}]));
    let ends = everything_is_committed(&name);
    for (partition, end) in ends {
        let handled = logs.handled(&name);
        let mut offsets: Vec<i64> =
            handled.iter().filter(|one| one.partition == partition).map(|one| one.offset).collect();
        offsets.sort_unstable();
        assert_eq!(offsets, (0..end).collect::<Vec<_>>(), "partition {partition}: each message once");
        assert!(end > 0, "partition {partition} got messages");
    }
}

/// What each member owns.
fn shares(practice: &Value, name: &str) -> BTreeMap<String, Vec<i64>> {
    let members = group(practice, name)["members"].as_array().map_or(&[][..], Vec::as_slice);
    let owned = |member: &Value| {
        let partitions = member["partitions"].as_array().map_or(&[][..], Vec::as_slice);
        partitions.iter().filter_map(|owned| owned["partition"].as_i64()).collect()
    };
    members.iter().filter_map(|member| Some((member["pod"].as_str()?.to_owned(), owned(member)))).collect()
}

/// The end of each partition, once no message comes any more and all are committed.
fn everything_is_committed(name: &str) -> Vec<(i64, i64)> {
    let mut before = Vec::new();
    until("the load has ended and all is committed", Duration::from_mins(1), || {
        let partitions = kafka::group(name);
        let ends: Vec<(i64, i64)> = partitions.iter().map(|at| (at.number, at.end)).collect();
        let still = ends == before && partitions.iter().all(|at| at.committed == Some(at.end));
        before.clone_from(&ends);
        if still && ends.len() == 3 { Ok(ends) } else { Err(format!("{partitions:?}")) }
    })
}
