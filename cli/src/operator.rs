//! The operator as it is installed. In: a cluster, perhaps the namespace to look in. Out: its Deployments and pods.

use k8s_openapi::api::{apps::v1::Deployment, core::v1::Pod};
use kube::{Api, ResourceExt, api::ListParams};

use crate::{cluster::Cluster, error::Failure};

/// What selects the operator's Deployment and pods (the chart's labels).
pub const SELECTOR: &str = "app.kubernetes.io/name=consumer-group-practice,app.kubernetes.io/component=operator";
/// Where the README installs it.
const USUAL: &str = "kafka-practice";

/// Every operator that can be found.
///
/// # Errors
/// Nobody may look, or the cluster does not answer.
pub async fn deployments(cluster: &Cluster, namespace: Option<&str>) -> Result<Vec<Deployment>, Failure> {
    found(cluster, namespace).await
}

/// The operator's pod, for a port of it.
///
/// # Errors
/// There is none that runs.
pub async fn pod(cluster: &Cluster, namespace: Option<&str>) -> Result<Pod, Failure> {
    let pods: Vec<Pod> = found(cluster, namespace).await?;
    let place =
        namespace.map_or_else(|| "in any namespace".to_owned(), |namespace| format!("in namespace {namespace}"));
    let none = pods.is_empty();
    pods.into_iter().find(runs).ok_or_else(|| {
        let what = if none { "there is no operator" } else { "no operator runs" };
        Failure::NotFound(format!("{what} {place}: kubectl cgp check says what is missing"))
    })
}

/// Whether a pod is up and stays.
pub fn runs(pod: &Pod) -> bool {
    let ready = |pod: &Pod| {
        let conditions = pod.status.as_ref().and_then(|status| status.conditions.as_ref());
        conditions.into_iter().flatten().any(|condition| condition.type_ == "Ready" && condition.status == "True")
    };
    pod.metadata.deletion_timestamp.is_none() && ready(pod)
}

/// Objects with the operator's labels: everywhere, or, for who may not look everywhere, where it usually is.
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
        return cluster.list(&format!("look for the operator in namespace {place}"), &within(place), &params).await;
    }
    match cluster.list("look for the operator", &Api::<K>::all(cluster.client.clone()), &params).await {
        Err(Failure::Refused(why)) => {
            let usual = cluster.list("look for the operator", &within(USUAL), &params).await;
            usual.map_err(|_| Failure::Refused(format!("{why}\n--operator-namespace says where it is")))
        }
        other => other,
    }
}

/// What a Deployment runs.
pub fn image(deployment: &Deployment) -> Option<&str> {
    deployment.spec.template.spec.as_ref()?.containers.first()?.image.as_deref()
}

/// A label, empty when there is none.
pub fn label<'a>(object: &'a impl ResourceExt, name: &str) -> &'a str {
    object.labels().get(name).map_or("", String::as_str)
}
