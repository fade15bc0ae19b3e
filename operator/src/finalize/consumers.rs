//! Stops the consumers and the producer of a practice that is being deleted. In: its name and uid. Out: its consumers that still
//! run. Needs no plan, because a manifest that is refused has none. Objects of other owners are not changed.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::Pod;
use kube::{
    Api, ResourceExt,
    api::{ListParams, Patch, PatchParams},
};
use practice_api::ConsumerGroupPractice;
use practice_plan::{
    labels::{GROUP, PRACTICE},
    outcome::Kind,
};
use serde_json::json;

use crate::{
    Context,
    apply::{MANAGER, code},
    context::key,
    error::{Error, within},
    live::{api, number, owner, replicas},
};

/// The consumers of a practice.
#[derive(Debug, Default)]
pub(super) struct Consumers {
    /// Desired and ready consumers by group.
    pub(super) by_group: BTreeMap<String, (i32, i32)>,
    /// Their pods, also those that are stopping.
    pub(super) pods: usize,
}

/// Scales the Deployments of a practice to 0, unless they outlive it (`keeps`).
///
/// # Errors
/// [`Error::Apply`] when Kubernetes refuses or does not answer.
pub(super) async fn stop(
    practice: &ConsumerGroupPractice,
    keeps: bool,
    context: &Context,
) -> Result<Consumers, Error> {
    let (namespace, name) = key(practice);
    let params = ListParams::default().labels(&format!("{PRACTICE}={name}"));
    let deployments = api(&context.client, &namespace, Kind::Deployment);
    let list = within("list Deployments", deployments.list(&params)).await;
    let mut consumers = Consumers::default();
    for deployment in list.map_err(Error::Apply)? {
        if Some(owner(&deployment).uid) != practice.metadata.uid {
            continue;
        }
        let mut desired = replicas(&deployment);
        if desired != 0 && !keeps {
            let body = json!({
                "metadata": {"uid": deployment.metadata.uid, "resourceVersion": deployment.metadata.resource_version},
                "spec": {"replicas": 0},
            });
            let params = PatchParams {
                field_manager: Some(MANAGER.to_owned()),
                ..PatchParams::default()
            };
            let name = deployment.name_any();
            let patch = Patch::Merge(&body);
            let scaled = deployments.patch(&name, &params, &patch);
            match within(format!("scale Deployment {name} to 0"), scaled).await {
                Ok(_) => desired = 0,
                // changed or deleted meanwhile: the next reconcile reads it again
                Err(error) if matches!(code(&error), Some(404 | 409)) => {}
                // its topics are deleted all the same, after the wait for consumers
                Err(error) if code(&error).is_some() => {
                    tracing::warn!(%error, "practice is being deleted, a Deployment of it keeps running");
                }
                Err(error) => return Err(Error::Apply(error)),
            }
        }
        if let Some(group) = deployment.annotations().get(GROUP) {
            let row = consumers.by_group.entry(group.clone()).or_default();
            row.0 += desired;
            row.1 += number(&deployment.data["status"]["readyReplicas"]);
        }
    }
    let pods: Api<Pod> = Api::namespaced(context.client.clone(), &namespace);
    let running = params.fields("status.phase!=Failed,status.phase!=Succeeded");
    let pods = within("list pods", pods.list_metadata(&running)).await;
    let is_consumer = |pod: &_| ResourceExt::annotations(pod).contains_key(GROUP);
    let pods = pods.map_err(Error::Apply)?.items;
    consumers.pods = pods.iter().filter(|pod| is_consumer(*pod)).count();
    Ok(consumers)
}
