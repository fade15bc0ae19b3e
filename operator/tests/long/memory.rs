//! What operator and consumers take while they have nothing to do.

use std::{thread::sleep, time::Duration};

use serde_json::Value;

use crate::common::{
    alone,
    figures::{Bound, hold},
    host, operator,
    sample::Sample,
    scene::Scene,
};

#[test]
fn what_idles_is_small() {
    let _turn = alone();
    let scene = Scene::new("memory");
    let sample = Sample::load("practice-3").renamed(&scene.prefix);
    scene.apply(&sample);
    scene.wait_ready(sample.practice());
    sleep(Duration::from_secs(15)); // several looks at Kafka

    let resident = host::rss(operator::process());
    hold(
        "operator, RSS",
        resident,
        "MiB",
        Bound::AtMost(64.0),
        1.0,
        "VmRSS of its process with practice-3 running",
    );

    let pods = scene.pods(sample.practice());
    assert_eq!(pods.len(), 6);
    let shares: Vec<f64> = pods
        .iter()
        .map(|pod| host::pss(process(pod, "/practice-worker")))
        .collect();
    let largest = shares.iter().copied().fold(0.0, f64::max);
    let how = format!("Pss in smaps_rollup of the largest of practice-3's six: {shares:.1?}");
    hold(
        "idle worker, PSS",
        largest,
        "MiB",
        Bound::AtMost(20.0),
        1.0,
        &how,
    );
}

fn process(pod: &Value, program: &str) -> u32 {
    host::process_of(
        pod["metadata"]["uid"].as_str().expect("a pod has a uid"),
        program,
    )
}
