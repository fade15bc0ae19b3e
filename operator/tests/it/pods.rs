//! What a node would do with the Deployments of a namespace: for each wanted replica a Pod object and a real consumer, with
//! the environment that its template says and the pod's name as `client.id`; and the Deployment's status. Producers get a
//! Pod and nothing else. A consumer that is no longer wanted leaves its group before its Pod goes.

use std::{collections::BTreeMap, time::Duration};

use k8s_openapi::api::{apps::v1::Deployment, core::v1::Pod};
use kube::{
    Api, Client, ResourceExt,
    api::{DeleteParams, ListParams, Patch, PatchParams, PostParams},
};
use practice_contract::WorkerSettings;
use practice_testbed::cluster;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tokio::{net::TcpListener, task::JoinHandle};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::operator::RUNTIME;

/// Dropped, its consumers leave.
pub(crate) struct Pods {
    _stops: DropGuard,
}

struct Running {
    deployment: String,
    template: Value,
    stop: CancellationToken,
    ended: JoinHandle<()>,
}

impl Running {
    /// Its consumer does not join, and answers 503 at `/readyz`.
    fn is_held(&self) -> bool {
        let env = &self.template["spec"]["containers"][0]["env"];
        let entries = env.as_array().map_or(&[][..], Vec::as_slice);
        entries
            .iter()
            .any(|entry| entry["name"] == "KAFKA_PRACTICE_HOLD" && entry["value"] != "None")
    }
}

impl Pods {
    pub(crate) fn run(namespace: &str) -> Self {
        let (namespace, stop) = (namespace.to_owned(), CancellationToken::new());
        RUNTIME.spawn({
            let stop = stop.clone();
            async move { node(cluster().await.client(), namespace, stop).await }
        });
        Self {
            _stops: stop.drop_guard(),
        }
    }
}

async fn node(client: Client, namespace: String, stop: CancellationToken) {
    let deployments: Api<Deployment> = Api::namespaced(client.clone(), &namespace);
    let pods: Api<Pod> = Api::namespaced(client, &namespace);
    let mut running: BTreeMap<String, Running> = BTreeMap::new();
    let mut leaving: Vec<(String, JoinHandle<()>)> = Vec::new();
    let mut count = 0;
    while !stop.is_cancelled() {
        let Ok(wanted) = deployments.list(&ListParams::default()).await else {
            tokio::time::sleep(Duration::from_millis(200)).await;
            continue;
        };
        let mut places: Vec<(String, Value)> = Vec::new();
        for deployment in &wanted {
            let template = json!(deployment.spec.template);
            let replicas =
                usize::try_from(deployment.spec.replicas.unwrap_or(1)).expect("is not negative");
            places.extend(std::iter::repeat_n(
                (deployment.name_any(), template),
                replicas,
            ));
        }
        // each that runs keeps a place that is like it
        running.retain(|name, pod| {
            let place = places.iter().position(|(deployment, template)| {
                *deployment == pod.deployment && *template == pod.template
            });
            if let Some(place) = place {
                drop(places.swap_remove(place));
            } else {
                pod.stop.cancel();
                let ended = std::mem::replace(&mut pod.ended, RUNTIME.spawn(async {}));
                leaving.push((name.clone(), ended));
            }
            place.is_some()
        });
        for (deployment, template) in places {
            count += 1;
            let name = format!("{deployment}-{count}");
            let pod = start(&pods, &name, &deployment, template).await;
            running.insert(name, pod);
        }
        let mut still = Vec::new();
        for (name, ended) in leaving.drain(..) {
            if ended.is_finished() {
                pods.delete(&name, &DeleteParams::default().grace_period(0))
                    .await
                    .ok();
            } else {
                still.push((name, ended));
            }
        }
        leaving = still;
        for deployment in &wanted {
            let ready = running
                .values()
                .filter(|pod| pod.deployment == deployment.name_any() && !pod.is_held())
                .count();
            report(&deployments, deployment, ready).await;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    for pod in running.into_values() {
        pod.stop.cancel();
        pod.ended.await.ok();
    }
}

async fn start(pods: &Api<Pod>, name: &str, deployment: &str, template: Value) -> Running {
    let listener = TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a port is free");
    let mut spec = template["spec"].clone();
    spec["containers"][0]["ports"][0]["containerPort"] =
        json!(listener.local_addr().expect("it is bound").port());
    let hash = Sha256::digest(template.to_string());
    let revision = format!(
        "{:08x}",
        u32::from_be_bytes([hash[0], hash[1], hash[2], hash[3]])
    );
    let mut labels = template["metadata"]["labels"].clone();
    labels["pod-template-hash"] = json!(revision);
    let set = json!({"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": format!("{deployment}-{revision}"),
        "uid": "00000000-0000-0000-0000-000000000000", "controller": true});
    let pod = json!({
        "metadata": {
            "name": name,
            "labels": labels,
            "annotations": template["metadata"]["annotations"],
            "ownerReferences": [set],
        },
        "spec": spec,
    });
    let pod: Pod = serde_json::from_value(pod).expect("a template makes a pod");
    pods.create(&PostParams::default(), &pod)
        .await
        .unwrap_or_else(|error| panic!("pod {name} is refused: {error}"));
    let status = json!({"status": {"phase": "Running", "podIP": "127.0.0.1", "podIPs": [{"ip": "127.0.0.1"}]}});
    let told = pods
        .patch_status(name, &PatchParams::default(), &Patch::Merge(&status))
        .await;
    told.unwrap_or_else(|error| panic!("status of pod {name} is refused: {error}"));
    let stop = CancellationToken::new();
    let container = &template["spec"]["containers"][0];
    let ended = if container["name"] == "worker" {
        let settings = settings(name, &container["env"]);
        RUNTIME.spawn(consume_at(settings, listener, stop.clone()))
    } else {
        RUNTIME.spawn(stop.clone().cancelled_owned())
    };
    Running {
        deployment: deployment.to_owned(),
        template,
        stop,
        ended,
    }
}

/// What the container would read from its environment.
pub(crate) fn settings(pod: &str, env: &Value) -> WorkerSettings {
    let value = |name: &str| {
        let entry = env.as_array()?.iter().find(|entry| entry["name"] == name)?;
        let from_pod = entry["valueFrom"]["fieldRef"]["fieldPath"] == "metadata.name";
        if from_pod {
            Some(pod.to_owned())
        } else {
            entry["value"].as_str().map(str::to_owned)
        }
    };
    WorkerSettings::from_env(&value).expect("the operator writes what a worker reads")
}

/// A consumer, until it is told to stop.
pub(crate) async fn consume(settings: WorkerSettings, stop: CancellationToken) {
    let listener = TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a port is free");
    consume_at(settings, listener, stop).await;
}

async fn consume_at(settings: WorkerSettings, listener: TcpListener, stop: CancellationToken) {
    let ended = practice_worker::run(settings, listener, Box::new(std::io::sink()), stop).await;
    if let Err(error) = ended {
        eprintln!("a worker ended: {error}");
    }
}

/// Writes a Deployment's status as its controller would.
async fn report(deployments: &Api<Deployment>, deployment: &Deployment, ready: usize) {
    let known = deployment.status.as_ref();
    let same = known.is_some_and(|status| {
        usize::try_from(status.ready_replicas.unwrap_or(0)).ok() == Some(ready)
            && status.observed_generation == deployment.metadata.generation
    });
    if same {
        return;
    }
    let available = if ready > 0 { "True" } else { "False" };
    let status = json!({"status": {
        "observedGeneration": deployment.metadata.generation,
        "replicas": ready, "readyReplicas": ready, "availableReplicas": ready, "updatedReplicas": ready,
        "conditions": [{"type": "Available", "status": available, "reason": "Test", "message": ""}],
    }});
    let name = deployment.name_any();
    let params = PatchParams {
        field_manager: Some("controllers".to_owned()),
        ..PatchParams::default()
    };
    deployments
        .patch_status(&name, &params, &Patch::Merge(&status))
        .await
        .ok(); // it may be gone, and is seen again if not
}
