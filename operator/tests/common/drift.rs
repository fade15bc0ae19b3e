//! What somebody else changes by hand, and how long it stays so.

use std::time::{Duration, SystemTime};

use serde_json::Value;

use super::{
    scene::Scene,
    watch::{Watch, between},
};

/// Somebody scales a row that wants two by hand; for how many seconds that lasts.
pub(crate) fn drift(scene: &Scene, practice: &str, deployments: &Watch) -> f64 {
    let minute = Duration::from_mins(1);
    // a watch that has just begun has no events yet
    let row = deployments.first("a row that wants two", minute, |event| {
        wanted(&event.object) == Some(2)
    });
    let name = row.name();
    assert!(name.starts_with(practice), "{name}");
    let began = SystemTime::now();
    scene.kubectl(&["scale", "deployment", name, "--replicas=5"]);
    let changed = deployments.first("the change", minute, |event| {
        event.at > began && event.name() == name && wanted(&event.object) == Some(5)
    });
    let back = deployments.first("the repair", minute, |event| {
        event.at > changed.at && event.name() == name && wanted(&event.object) == Some(2)
    });
    between(changed.at, back.at)
}

fn wanted(deployment: &Value) -> Option<i64> {
    deployment["spec"]["replicas"].as_i64()
}
