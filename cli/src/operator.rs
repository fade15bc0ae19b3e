//! Installed operators: one for all namespaces, or one for each of some. In: a cluster, optionally the namespace to search.
//! Out: their Deployments and pods, and the namespace that each watches.

use std::collections::BTreeSet;

use k8s_openapi::api::{
    apps::v1::Deployment,
    core::v1::{Pod, PodSpec},
};
use kube::{Api, ResourceExt, api::ListParams};

use crate::{cluster::Cluster, error::Failure};

/// Label selector of the operator's Deployment and pods (the chart's labels).
pub const SELECTOR: &str =
    "app.kubernetes.io/name=consumer-group-practice,app.kubernetes.io/component=operator";
/// Namespace of the README's `helm install`.
const DEFAULT_NAMESPACE: &str = "kafka-practice";

/// Lists the Deployments of operators.
///
/// # Errors
/// The user may not list Deployments, or the cluster does not answer.
pub async fn deployments(
    cluster: &Cluster,
    namespace: Option<&str>,
) -> Result<Vec<Deployment>, Failure> {
    find(cluster, namespace).await
}

/// Finds a ready operator pod, preferring the operator that watches the namespace of the command.
///
/// # Errors
/// No operator pod is ready.
pub async fn pod(cluster: &Cluster, namespace: Option<&str>) -> Result<Pod, Failure> {
    let pods: Vec<Pod> = find(cluster, namespace).await?;
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
                "no operator is installed"
            } else {
                "no operator pod is ready"
            };
            Failure::NotFound(format!("{what} {place}: run kubectl cgp check"))
        })
}

/// Preference of an operator pod for a namespace: 0 runs in it or watches it alone, 1 watches all, 2 watches another.
fn rank(pod: &Pod, namespace: &str) -> u8 {
    match watches(pod.spec.as_ref()) {
        Some(only) if only == namespace => 0,
        None if pod.metadata.namespace.as_deref() == Some(namespace) => 0,
        None => 1,
        Some(_) => 2,
    }
}

/// The one namespace that an operator watches; `None` means all.
pub fn watches(pod: Option<&PodSpec>) -> Option<&str> {
    let env = pod?
        .containers
        .iter()
        .flat_map(|container| container.env.iter().flatten());
    env.filter(|variable| variable.name == "WATCH_NAMESPACE")
        .find_map(|variable| variable.value.as_deref())
}

/// Whether a pod is ready and not being deleted.
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

/// Lists objects with the operator's labels in all namespaces. A user without that right gets those of the own namespace and of
/// the default one.
async fn find<K>(cluster: &Cluster, namespace: Option<&str>) -> Result<Vec<K>, Failure>
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
                &format!("search the operator in namespace {place}"),
                &within(place),
                &params,
            )
            .await;
    }
    match cluster
        .list(
            "search the operator in all namespaces",
            &Api::<K>::all(cluster.client.clone()),
            &params,
        )
        .await
    {
        Err(Failure::Refused(why)) => {
            let mut found = Vec::new();
            for place in BTreeSet::from([cluster.namespace.as_str(), DEFAULT_NAMESPACE]) {
                // a namespace that the user may not list counts as empty
                let there = cluster
                    .list(
                        "search the operator in all namespaces",
                        &within(place),
                        &params,
                    )
                    .await;
                found.extend(there.unwrap_or_default());
            }
            if found.is_empty() {
                return Err(Failure::Refused(format!(
                    "{why}\nname the namespace with --operator-namespace"
                )));
            }
            Ok(found)
        }
        other => other,
    }
}

/// Image of a Deployment's first container.
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

/// Value of a label; empty when it is not set.
pub fn label<'a>(object: &'a impl ResourceExt, name: &str) -> &'a str {
    object.labels().get(name).map_or("", String::as_str)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn operator_of_the_namespace_is_preferred() {
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
