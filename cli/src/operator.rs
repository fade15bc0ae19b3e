//! Operators as they are installed: one for all namespaces, or one for each of some. In: a cluster, perhaps the namespace to look
//! in. Out: their Deployments and pods, and what each watches.

use std::collections::BTreeSet;

use k8s_openapi::api::{
    apps::v1::Deployment,
    core::v1::{Pod, PodSpec},
};
use kube::{Api, ResourceExt, api::ListParams};

use crate::{cluster::Cluster, error::Failure};

/// What selects the operator's Deployment and pods (the chart's labels).
pub const SELECTOR: &str =
    "app.kubernetes.io/name=consumer-group-practice,app.kubernetes.io/component=operator";
/// Where the README installs it.
const USUAL: &str = "kafka-practice";

/// Every operator that can be found.
///
/// # Errors
/// Nobody may look, or the cluster does not answer.
pub async fn deployments(
    cluster: &Cluster,
    namespace: Option<&str>,
) -> Result<Vec<Deployment>, Failure> {
    found(cluster, namespace).await
}

/// The pod of the operator that is best asked about the namespace that is meant, for a port of it.
///
/// # Errors
/// There is none that runs.
pub async fn pod(cluster: &Cluster, namespace: Option<&str>) -> Result<Pod, Failure> {
    let pods: Vec<Pod> = found(cluster, namespace).await?;
    let place = namespace.map_or_else(
        || "in any namespace".to_owned(),
        |namespace| format!("in namespace {namespace}"),
    );
    let none = pods.is_empty();
    pods.into_iter()
        .filter(runs)
        .min_by_key(|pod| rank(pod, &cluster.namespace))
        .ok_or_else(|| {
            let what = if none {
                "there is no operator"
            } else {
                "no operator runs"
            };
            Failure::NotFound(format!(
                "{what} {place}: kubectl cgp check says what is missing"
            ))
        })
}

/// Who is asked first about a namespace: who watches it from within, or watches it alone; who watches all; others last.
fn rank(pod: &Pod, namespace: &str) -> u8 {
    match watches(pod.spec.as_ref()) {
        Some(only) if only == namespace => 0,
        None if pod.metadata.namespace.as_deref() == Some(namespace) => 0,
        None => 1,
        Some(_) => 2,
    }
}

/// The one namespace that an operator watches; `None`: all.
pub fn watches(pod: Option<&PodSpec>) -> Option<&str> {
    let env = pod?
        .containers
        .iter()
        .flat_map(|container| container.env.iter().flatten());
    env.filter(|variable| variable.name == "WATCH_NAMESPACE")
        .find_map(|variable| variable.value.as_deref())
}

/// Whether a pod is up and stays.
pub fn runs(pod: &Pod) -> bool {
    let ready = |pod: &Pod| {
        let conditions = pod
            .status
            .as_ref()
            .and_then(|status| status.conditions.as_ref());
        conditions
            .into_iter()
            .flatten()
            .any(|condition| condition.type_ == "Ready" && condition.status == "True")
    };
    pod.metadata.deletion_timestamp.is_none() && ready(pod)
}

/// Objects with the operator's labels: everywhere, or, for who may not look everywhere, here and where it usually is.
async fn found<K>(cluster: &Cluster, namespace: Option<&str>) -> Result<Vec<K>, Failure>
where
    K: kube::Resource<DynamicType = (), Scope = kube::core::NamespaceResourceScope>
        + Clone
        + serde::de::DeserializeOwned
        + std::fmt::Debug,
{
    let params = ListParams::default().labels(SELECTOR);
    let within = |place: &str| Api::<K>::namespaced(cluster.client.clone(), place);
    if let Some(place) = namespace {
        return cluster
            .list(
                &format!("look for the operator in namespace {place}"),
                &within(place),
                &params,
            )
            .await;
    }
    match cluster
        .list(
            "look for the operator",
            &Api::<K>::all(cluster.client.clone()),
            &params,
        )
        .await
    {
        Err(Failure::Refused(why)) => {
            let mut found = Vec::new();
            for place in BTreeSet::from([cluster.namespace.as_str(), USUAL]) {
                // where nobody may look either there is nothing to be found
                let there = cluster
                    .list("look for the operator", &within(place), &params)
                    .await;
                found.extend(there.unwrap_or_default());
            }
            if found.is_empty() {
                return Err(Failure::Refused(format!(
                    "{why}\n--operator-namespace says where it is"
                )));
            }
            Ok(found)
        }
        other => other,
    }
}

/// What a Deployment runs.
pub fn image(deployment: &Deployment) -> Option<&str> {
    deployment
        .spec
        .template
        .spec
        .as_ref()?
        .containers
        .first()?
        .image
        .as_deref()
}

/// A label, empty when there is none.
pub fn label<'a>(object: &'a impl ResourceExt, name: &str) -> &'a str {
    object.labels().get(name).map_or("", String::as_str)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_nearest_operator_is_asked_first() {
        let pod = |place: &str, only: Option<&str>| -> Pod {
            let env = only.map(|only| json!([{"name": "WATCH_NAMESPACE", "value": only}]));
            let container = json!({"name": "operator", "env": env});
            let pod =
                json!({"metadata": {"namespace": place}, "spec": {"containers": [container]}});
            serde_json::from_value(pod).expect("it is a pod")
        };
        let rows = [
            ("a", Some("a"), 0),
            ("a", None, 0),
            ("elsewhere", Some("a"), 0),
            ("elsewhere", None, 1),
            ("a", Some("b"), 2),
            ("b", Some("b"), 2),
        ];
        for (place, only, expected) in rows {
            assert_eq!(rank(&pod(place, only), "a"), expected, "{place}, {only:?}");
        }
    }
}
