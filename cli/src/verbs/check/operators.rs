//! `check`, section Operator: the operators that watch the namespace, their replicas, and whether their version is that of the
//! `CustomResourceDefinition` and of this plugin.

use k8s_openapi::{
    api::{apps::v1::Deployment, core::v1::Pod},
    apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition,
};
use kube::{Api, ResourceExt, api::ListParams};

use super::{INSTALL, covers, join_names, ready, watches};
use crate::{
    cluster::Cluster,
    operator::{self, SELECTOR, label},
    report::{CheckResult, Report},
    verbs::version::PLUGIN_VERSION,
};

const CHART: &str = "helm.sh/chart";
const VERSION: &str = "app.kubernetes.io/version";

/// Checks and returns the operators that watch the namespace, or all; `None` when operators cannot be listed.
pub(super) async fn check_operators(
    cluster: &Cluster,
    all: bool,
    place: Option<&str>,
    report: &mut Report,
) -> Option<Vec<Deployment>> {
    let found = match operator::deployments(cluster, place).await {
        Ok(found) => found,
        Err(failure) => {
            let why = failure.to_string();
            let (why, hint) = why
                .split_once('\n')
                .unwrap_or((&why, "name the namespace with --operator-namespace"));
            report.add(CheckResult::Skipped, format!("operator: {why}"), Some(hint));
            return None;
        }
    };
    if found.is_empty() {
        let place = place.map_or_else(
            || "any namespace".to_owned(),
            |place| format!("namespace {place}"),
        );
        report.failed(
            format!("no operator is installed in {place} (no Deployment with its labels)"),
            INSTALL,
        );
        return Some(Vec::new());
    }
    let (checked, others): (Vec<_>, Vec<_>) = found
        .into_iter()
        .partition(|operator| all || covers(operator, &cluster.namespace));
    if checked.is_empty() {
        let others: Vec<String> = others
            .iter()
            .map(|other| {
                format!(
                    "{} watches {} only",
                    title(other),
                    watches(other).unwrap_or_default()
                )
            })
            .collect();
        let text = format!(
            "no operator watches namespace {}: {}",
            cluster.namespace,
            join_names(&others)
        );
        report.failed(
            text,
            "helm upgrade with watch.allNamespaces=true, or use a namespace that an operator watches: -n",
        );
    }
    for deployment in &checked {
        let (name, place) = (
            deployment.name_any(),
            deployment.namespace().unwrap_or_default(),
        );
        let wanted = deployment.spec.replicas.unwrap_or(1);
        let ready = ready(deployment);
        let text = format!("{place}/{name} {ready}/{wanted} ready");
        if wanted == 0 {
            report.failed(
                text,
                &format!("kubectl -n {place} scale deployment {name} --replicas=1"),
            );
        } else if ready == 0 {
            let why = pod_failure(cluster, &place).await;
            let logs = format!("kubectl -n {place} logs deployment/{name}");
            report.failed(
                text,
                &why.map_or_else(|| logs.clone(), |why| format!("{why}\n{logs}")),
            );
        } else {
            report.good(text);
        }
    }
    if checked.len() > 1 && (!all || checked.iter().any(|operator| watches(operator).is_none())) {
        let titles: Vec<String> = checked.iter().map(title).collect();
        let place = if all {
            "the same namespaces".to_owned()
        } else {
            format!("namespace {}", cluster.namespace)
        };
        let text = format!(
            "{} operators watch {place}: {}",
            titles.len(),
            join_names(&titles)
        );
        report.failed(
            text,
            "operators overwrite each other's changes: uninstall all but one, or set watch.allNamespaces=false",
        );
    }
    Some(checked)
}

/// `kafka-practice/cgp-operator`
fn title(operator: &Deployment) -> String {
    format!(
        "{}/{}",
        operator.namespace().unwrap_or_default(),
        operator.name_any()
    )
}

/// Reason why the operator's pod does not run, as Kubernetes reports it.
async fn pod_failure(cluster: &Cluster, place: &str) -> Option<String> {
    let pods: Api<Pod> = Api::namespaced(cluster.client.clone(), place);
    let pods = cluster
        .list(
            "list the operator's pods",
            &pods,
            &ListParams::default().labels(SELECTOR),
        )
        .await
        .ok()?;
    let Some(pod) = pods.first() else {
        return Some("no pod: see the Events of its ReplicaSet".to_owned());
    };
    let status = pod.status.as_ref()?;
    let waiting = status
        .container_statuses
        .iter()
        .flatten()
        .find_map(|container| {
            let waiting = container.state.as_ref()?.waiting.as_ref()?;
            let message = waiting
                .message
                .as_ref()
                .map_or_else(String::new, |message| format!(": {message}"));
            Some(format!(
                "{}{message}",
                waiting.reason.as_deref().unwrap_or("waiting")
            ))
        });
    waiting.or_else(|| {
        let bad = status
            .conditions
            .iter()
            .flatten()
            .find(|condition| condition.status != "True")?;
        bad.message.clone().or_else(|| bad.reason.clone())
    })
}

/// Compares the versions of the operator, the `CustomResourceDefinition` and this plugin.
pub(super) fn check_versions(
    operator: &Deployment,
    crd: Option<&CustomResourceDefinition>,
    report: &mut Report,
) {
    let (chart, version) = (label(operator, CHART), label(operator, VERSION));
    match crd.map(|crd| label(crd, CHART)) {
        None => report.skipped("versions of chart and CustomResourceDefinition: the definition cannot be read"),
        Some("") => report
            .skipped("versions of chart and CustomResourceDefinition: the definition was not installed by the chart"),
        Some(of_crd) if of_crd == chart => {
            report.good(format!("chart and CustomResourceDefinition have the same version: {chart}"));
        }
        Some(of_crd) => report.failed(
            format!("version mismatch: the operator is from {chart}, the CustomResourceDefinition from {of_crd}"),
            "helm upgrade with crds.install=true updates the definition",
        ),
    }
    if version != PLUGIN_VERSION {
        let text =
            format!("version mismatch: the operator is {version}, this plugin is {PLUGIN_VERSION}");
        report.warning(
            text,
            "install the plugin of the operator's version: unknown fields are not shown",
        );
    }
}
