//! `version`: versions of this plugin and of the installed operators.

use k8s_openapi::api::apps::v1::Deployment;
use kube::ResourceExt;
use serde_json::{Value, json};

use crate::{
    args::Version,
    cluster::Cluster,
    document,
    error::Failure,
    operator::{self, image, label},
    screen::Screen,
    text::{Line, Tone},
};

/// Version of this plugin, which is the version of its chart.
pub const PLUGIN_VERSION: &str = env!("CARGO_PKG_VERSION");

/// Runs the verb. An unreachable cluster is reported, and is no failure.
///
/// # Errors
/// Standard output cannot be written.
pub async fn run(
    cluster: Result<Cluster, Failure>,
    asked: &Version,
    screen: &mut Screen,
) -> Result<(), Failure> {
    let found = match cluster {
        Ok(cluster) => operator::deployments(&cluster, asked.operator_namespace.as_deref()).await,
        Err(failure) => Err(failure),
    };
    let found = found.map_err(|failure| {
        failure
            .to_string()
            .lines()
            .next()
            .unwrap_or_default()
            .to_owned()
    });
    match asked.output {
        Some(format) => screen.raw(&document::printed(format, &value(&found))),
        None => screen.print(&lines(&found)),
    }
}

/// `{plugin, operators: [{namespace, name, version, image}], notSeen}`; `operators` is null when they cannot be listed; `notSeen` is the reason.
fn value(found: &Result<Vec<Deployment>, String>) -> Value {
    let operator = |deployment: &Deployment| {
        json!({
            "namespace": deployment.namespace(), "name": deployment.name_any(), "version": version(deployment),
            "image": image(deployment),
        })
    };
    let operators = found
        .as_ref()
        .ok()
        .map(|found| found.iter().map(operator).collect::<Vec<_>>());
    json!({"plugin": PLUGIN_VERSION, "operators": operators, "notSeen": found.as_ref().err()})
}

fn version(deployment: &Deployment) -> &str {
    label(deployment, "app.kubernetes.io/version")
}

fn lines(found: &Result<Vec<Deployment>, String>) -> Vec<Line> {
    let mut lines = vec![Line::of(Tone::Dim, "plugin     ").and(Tone::Plain, PLUGIN_VERSION)];
    let operator = |text: &str| Line::of(Tone::Dim, "operator   ").and(Tone::Plain, text);
    match found {
        Ok(found) if found.is_empty() => lines.push(operator("not installed")),
        Ok(found) => lines.extend(found.iter().map(|deployment| {
            let place = format!(
                "{}/{}",
                deployment.namespace().unwrap_or_default(),
                deployment.name_any()
            );
            operator(&format!(
                "{}   {}   {place}",
                version(deployment),
                image(deployment).unwrap_or("?")
            ))
        })),
        Err(why) => lines.push(operator(&format!("unknown: {why}"))),
    }
    lines
}
