//! A hundred changes by hand, each put back: the slowest of them.

use crate::common::{
    alone,
    drift::drift,
    figures::{Bound, figure, hold},
    sample::Sample,
    scene::Scene,
    watch::Watch,
};

const REPAIRS: usize = 100;
/// How much longer a busy machine may take.
const BUSY: f64 = 3.0;

#[test]
fn a_hundred_changes_by_hand_are_put_back() {
    let _turn = alone();
    let scene = Scene::new("drifts");
    let sample = Sample::load("practice-3").renamed(&scene.prefix);
    scene.apply(&sample);
    scene.wait_ready(sample.practice());
    let labelled = format!("kafka-practice.dev/practice={}", sample.practice());
    let deployments = Watch::start(&scene.namespace, &["deployments", "-l", &labelled]);
    let mut repaired: Vec<f64> = (0..REPAIRS)
        .map(|_| drift(&scene, sample.practice(), &deployments))
        .collect();
    repaired.sort_by(f64::total_cmp);
    let at = |percent: usize| repaired[(REPAIRS * percent).div_ceil(100) - 1];
    let how = format!(
        "`kubectl scale` of a row to 5, {REPAIRS} times, until the watch shows the manifest's number"
    );
    figure("drift repaired, p50", at(50), "s", Bound::None, &how);
    hold(
        "drift repaired, p99",
        at(99),
        "s",
        Bound::AtMost(2.0),
        BUSY,
        "the same",
    );
}
