//! `check`, section Operator: those that watch the namespace that is meant, whether they run, and whether they are of one
//! version with the definition and this plugin.

use k8s_openapi::{
    api::{apps::v1::Deployment, core::v1::Pod},
    apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition,
};
use kube::{Api, ResourceExt, api::ListParams};

use super::{INSTALL, covers, ready, some_of, watches};
use crate::{
    cluster::Cluster,
    operator::{self, SELECTOR, label},
    report::{Report, Verdict},
    verbs::version::OURS,
};

const CHART: &str = "helm.sh/chart";
const VERSION: &str = "app.kubernetes.io/version";

/// Those that watch the namespace that is meant, or all of them; `None`: it is not known which there are.
pub(super) async fn operators(
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
                .unwrap_or((&why, "--operator-namespace says where it is"));
            report.add(
                Verdict::Skipped,
                format!("the operator cannot be looked for: {why}"),
                Some(hint),
            );
            return None;
        }
    };
    if found.is_empty() {
        let place = place.map_or_else(
            || "any namespace".to_owned(),
            |place| format!("namespace {place}"),
        );
        report.failed(
            format!("there is no operator in {place} (no Deployment with its labels)"),
            INSTALL,
        );
        return Some(Vec::new());
    }
    let (judged, others): (Vec<_>, Vec<_>) = found
        .into_iter()
        .partition(|operator| all || covers(operator, &cluster.namespace));
    if judged.is_empty() {
        let others: Vec<String> = others
            .iter()
            .map(|other| {
                format!(
                    "{} watches {} alone",
                    title(other),
                    watches(other).unwrap_or_default()
                )
            })
            .collect();
        let text = format!(
            "no operator watches namespace {}: {}",
            cluster.namespace,
            some_of(&others)
        );
        report.failed(
            text,
            "helm upgrade with watch.allNamespaces=true, or make practices where one watches: -n",
        );
    }
    for deployment in &judged {
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
            let why = why_not(cluster, &place).await;
            let logs = format!("kubectl -n {place} logs deployment/{name}");
            report.failed(
                text,
                &why.map_or_else(|| logs.clone(), |why| format!("{why}\n{logs}")),
            );
        } else {
            report.good(text);
        }
    }
    if judged.len() > 1 && (!all || judged.iter().any(|operator| watches(operator).is_none())) {
        let titles: Vec<String> = judged.iter().map(title).collect();
        let place = if all {
            "the same namespaces".to_owned()
        } else {
            format!("namespace {}", cluster.namespace)
        };
        let text = format!(
            "{} operators watch {place}: {}",
            titles.len(),
            some_of(&titles)
        );
        report.failed(
            text,
            "they undo each other's work: uninstall all but one, or set watch.allNamespaces=false",
        );
    }
    Some(judged)
}

/// `kafka-practice/cgp-operator`
fn title(operator: &Deployment) -> String {
    format!(
        "{}/{}",
        operator.namespace().unwrap_or_default(),
        operator.name_any()
    )
}

/// What keeps the operator's pod from running, in Kubernetes' words.
async fn why_not(cluster: &Cluster, place: &str) -> Option<String> {
    let pods: Api<Pod> = Api::namespaced(cluster.client.clone(), place);
    let pods = cluster
        .list(
            "look at its pod",
            &pods,
            &ListParams::default().labels(SELECTOR),
        )
        .await
        .ok()?;
    let Some(pod) = pods.first() else {
        return Some("it has no pod: Kubernetes makes none".to_owned());
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

/// Whether operator, definition and this plugin are of one version.
pub(super) fn in_step(
    operator: &Deployment,
    crd: Option<&CustomResourceDefinition>,
    report: &mut Report,
) {
    let (chart, version) = (label(operator, CHART), label(operator, VERSION));
    match crd.map(|crd| label(crd, CHART)) {
        None => report.skipped("chart and definition in step: the definition cannot be read"),
        Some("") => report
            .skipped("chart and definition in step: the definition was not installed by the chart"),
        Some(of_crd) if of_crd == chart => {
            report.good(format!("chart and definition are in step: {chart}"))
        }
        Some(of_crd) => report.failed(
            format!("the operator is of {chart}, the definition of {of_crd}"),
            "helm upgrade with crds.install=true brings the definition of the chart",
        ),
    }
    if version != OURS {
        let text = format!("the operator is {version}, this plugin is {OURS}");
        report
            .warning(text, "install the plugin of the operator's version: fields that one does not know are not shown");
    }
}
