//! `version`: of this plugin, and of the operator where it can be seen.

use kube::ResourceExt;

use crate::{
    cluster::Cluster,
    error::Failure,
    operator::{self, image, label},
    screen::Screen,
    text::{Line, Tone},
};

/// The version of this plugin, and of the chart that it belongs to.
pub const OURS: &str = env!("CARGO_PKG_VERSION");

/// Does it. A cluster that cannot be seen is said and is no failure.
///
/// # Errors
/// Nobody reads it.
pub async fn run(cluster: Result<Cluster, Failure>, place: Option<&str>, screen: &mut Screen) -> Result<(), Failure> {
    let mut lines = vec![Line::of(Tone::Dim, "plugin     ").and(Tone::Plain, OURS)];
    let found = match cluster {
        Ok(cluster) => operator::deployments(&cluster, place).await,
        Err(failure) => Err(failure),
    };
    let operator = |text: &str| Line::of(Tone::Dim, "operator   ").and(Tone::Plain, text);
    match found {
        Ok(found) if found.is_empty() => lines.push(operator("not installed")),
        Ok(found) => lines.extend(found.iter().map(|deployment| {
            let place = format!("{}/{}", deployment.namespace().unwrap_or_default(), deployment.name_any());
            let version = label(deployment, "app.kubernetes.io/version");
            operator(&format!("{version}   {}   {place}", image(deployment).unwrap_or("?")))
        })),
        Err(failure) => {
            lines.push(operator(&format!("not seen: {}", failure.to_string().lines().next().unwrap_or_default())));
        }
    }
    screen.say(&lines)
}
