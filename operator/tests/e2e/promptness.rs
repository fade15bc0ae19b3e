//! How soon a manifest becomes real, and what somebody changes is put back. The bounds are for a quiet machine; what is
//! asserted leaves room for a busy one, the figures are exact.

use std::time::Duration;

use serde_json::json;

use crate::common::{
    alone,
    drift::drift,
    figures::{Bound, hold, median},
    sample::Sample,
    scene::Scene,
    until,
    watch::{Watch, between},
};

/// How much longer a busy machine may take.
const BUSY: f64 = 3.0;

#[test]
fn a_manifest_is_real_soon_and_drift_short() {
    let _turn = alone();
    let scene = Scene::new("promptness");
    let (mut exist, mut ready, mut repaired) = (Vec::new(), Vec::new(), Vec::new());
    for round in 1..=3 {
        let name = format!("p{round}");
        let sample = Sample::load("practice-3").renamed(&format!("{}-{round}", scene.prefix));
        let sample = sample.with("/metadata/name", json!(name));
        let practices = Watch::start(&scene.namespace, &["cgp"]);
        let labelled = format!("kafka-practice.dev/practice={name}");
        let deployments = Watch::start(&scene.namespace, &["deployments", "-l", &labelled]);
        scene.apply(&sample);
        let minute = Duration::from_mins(1);
        let applied = practices.first("the practice", minute, |event| {
            event.name() == name && event.kind == "ADDED"
        });
        let is_ready = practices.first("Ready", minute, |event| {
            event.name() == name && event.condition("Ready") == "True"
        });
        let created: Vec<f64> = deployments
            .events()
            .iter()
            .filter(|event| event.kind == "ADDED")
            .map(|event| between(applied.at, event.at))
            .collect();
        assert_eq!(created.len(), 5, "four rows and a producer");
        exist.push(created.into_iter().fold(0.0, f64::max));
        ready.push(between(applied.at, is_ready.at));
        repaired.push(drift(&scene, &name, &deployments));
        // the next round is not to be measured while the pods of this one end
        scene.kubectl(&["delete", "cgp", &name]);
        until("its pods are gone", minute, || {
            let left = scene.objects(&name);
            if left.is_empty() {
                Ok(())
            } else {
                Err(left.join(" "))
            }
        });
    }
    let measured = [
        (
            "apply -> Deployments exist",
            exist,
            0.5,
            "from the practice's event to the last of 5 Deployments', kubectl get -w",
        ),
        (
            "apply -> Ready",
            ready,
            10.0,
            "practice-3 from its event to Ready=True, kubectl get -w",
        ),
        (
            "drift repaired",
            repaired,
            2.0,
            "`kubectl scale` of a row to 5, until the watch shows the manifest's number",
        ),
    ];
    for (what, seconds, bound, how) in measured {
        let how = format!("{how}, median of {seconds:.2?}");
        hold(what, median(seconds), "s", Bound::AtMost(bound), BUSY, &how);
    }
}
