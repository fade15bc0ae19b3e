//! Watches consumers' pods, for the causes of rebalances. In: a watch. Out: observations for the witness of each practice, and the
//! URL of each consumer. A watch is needed because a deleted pod cannot be read. Deliberately absent: causes.

use std::{collections::BTreeMap, sync::Arc};

use futures::StreamExt;
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::{Container, ContainerStateTerminated, Pod, PodSpec};
use kube::{
    Api, ResourceExt,
    runtime::{
        reflector::ObjectRef,
        watcher::{self, Event},
    },
};
use practice_contract::worker::topics_of;
use practice_groups::witness::{End, Removal, Sight};
use practice_plan::labels::{HOLD, PART_OF, PRACTICE, PROTOCOL_KEY, is_held};

use crate::{Context, reader::Key};

/// A container that exited before the operator observed its pod exited recently if it was within this time: longer than usual
/// session timeouts.
const RECENT: SignedDuration = SignedDuration::from_mins(1);

/// The consumer's container.
const WORKER: &str = "worker";

/// Watches until it is dropped. After an interruption it lists all pods again.
pub(crate) async fn watch(pods: Api<Pod>, config: watcher::Config, context: Arc<Context>) {
    let config = config.labels(&format!(
        "app.kubernetes.io/part-of={PART_OF},app.kubernetes.io/component=worker"
    ));
    let mut events = std::pin::pin!(watcher::watcher(pods, config));
    let mut listed: BTreeMap<Key, Vec<String>> = BTreeMap::new();
    while let Some(event) = events.next().await {
        match event {
            Ok(Event::Init) => listed.clear(),
            Ok(Event::InitApply(pod)) => {
                let Some(practice) = practice(&pod) else {
                    continue;
                };
                listed
                    .entry(practice.clone())
                    .or_default()
                    .push(pod.name_any());
                saw(&context, &practice, &pod, false);
            }
            Ok(Event::InitDone) => forget_others(&context, &listed),
            Ok(Event::Apply(pod)) => {
                if let Some(practice) = practice(&pod) {
                    // the first event of a new pod has phase Pending
                    let phase = pod
                        .status
                        .as_ref()
                        .and_then(|status| status.phase.as_deref());
                    saw(
                        &context,
                        &practice,
                        &pod,
                        phase.is_none_or(|phase| phase == "Pending"),
                    );
                }
            }
            Ok(Event::Delete(pod)) => {
                if let Some(practice) = practice(&pod) {
                    went(&context, &practice, &pod);
                }
            }
            Err(error) => {
                tracing::warn!(%error, "watch of pods interrupted: restarting it");
                tokio::time::sleep(std::time::Duration::from_millis(500)).await;
            }
        }
    }
}

/// The practice of a pod; `None`: it has none, or its consumer does not join the group and explains no rebalance.
fn practice(pod: &Pod) -> Option<Key> {
    if is_held(pod.annotations().get(HOLD).map(String::as_str)) {
        return None;
    }
    Some((pod.namespace()?, pod.labels().get(PRACTICE)?.clone()))
}

fn saw(context: &Context, practice: &Key, pod: &Pod, is_new: bool) {
    let tick = context.memories.tick();
    let mut memories = context.memories.all();
    let memory = memories.entry(practice.clone()).or_default();
    memory
        .witness
        .saw(&pod.name_any(), sight(pod, context.now()), is_new, tick);
    match url(pod) {
        Some(url) => drop(memory.urls.insert(pod.name_any(), url)),
        None => drop(memory.urls.remove(&pod.name_any())),
    }
}

/// Records a deleted pod: Kubernetes terminated it on request.
fn went(context: &Context, practice: &Key, pod: &Pod) {
    let tick = context.memories.tick();
    let mut memories = context.memories.all();
    let memory = memories.entry(practice.clone()).or_default();
    let mut last = sight(pod, context.now());
    last.removal.get_or_insert(Removal::Asked);
    memory.witness.saw(&pod.name_any(), last, false, tick);
    memory.witness.lost(&pod.name_any(), tick);
    memory.urls.remove(&pod.name_any());
    let object = ObjectRef::new(&practice.1).within(&practice.0);
    if context.practices.get(&object).is_none() && memory.witness.present().next().is_none() {
        memories.remove(practice); // the last pod of a deleted practice
    }
}

/// Records pods that disappeared while the watch was interrupted.
fn forget_others(context: &Context, listed: &BTreeMap<Key, Vec<String>>) {
    let tick = context.memories.tick();
    for (practice, memory) in context.memories.all().iter_mut() {
        let there = listed.get(practice).map_or(&[][..], Vec::as_slice);
        let gone: Vec<String> = memory
            .witness
            .present()
            .filter(|name| !there.iter().any(|pod| pod == name))
            .map(str::to_owned)
            .collect();
        for name in gone {
            memory.witness.lost(&name, tick);
            memory.urls.remove(&name);
        }
    }
}

fn sight(pod: &Pod, now: Timestamp) -> Sight {
    let revision = pod
        .labels()
        .get("pod-template-hash")
        .cloned()
        .unwrap_or_default();
    let set = pod
        .owner_references()
        .iter()
        .find(|owner| owner.kind == "ReplicaSet")
        .map(|owner| owner.name.as_str());
    let row = set
        .map(|set| set.strip_suffix(&format!("-{revision}")).unwrap_or(set))
        .unwrap_or_default();
    let spec = pod.spec.as_ref();
    let environment = spec
        .and_then(worker)
        .and_then(|container| container.env.as_deref());
    let variables = environment.unwrap_or_default().iter();
    let topics = topics_of(
        variables.filter_map(|variable| Some((variable.name.as_str(), variable.value.as_deref()?))),
    );
    Sight {
        row: row.to_owned(),
        revision,
        topics: topics.unwrap_or_default().to_owned(),
        protocol_key: pod
            .annotations()
            .get(PROTOCOL_KEY)
            .cloned()
            .unwrap_or_default(),
        ends: ends(pod, now),
        removal: removal(pod),
    }
}

/// Exits of its container in the pod's status: the last one, and the one before the last start.
fn ends(pod: &Pod, now: Timestamp) -> Vec<(String, End, bool)> {
    let statuses = pod
        .status
        .as_ref()
        .and_then(|status| status.container_statuses.as_deref())
        .unwrap_or_default();
    let ours = statuses.iter().filter(|container| container.name == WORKER);
    let states =
        ours.flat_map(|container| [container.last_state.as_ref(), container.state.as_ref()]);
    let ended = states
        .flatten()
        .filter_map(|state| state.terminated.as_ref());
    // for a node that was unreachable Kubernetes reports a made-up exit code
    let ended = ended.filter(|ended| {
        !matches!(
            ended.reason.as_deref(),
            Some("Unknown" | "ContainerStatusUnknown")
        )
    });
    let end = |ended: &ContainerStateTerminated| {
        let finished = ended.finished_at.as_ref().map(|time| time.0);
        let id = format!(
            "{} {finished:?}",
            ended.container_id.as_deref().unwrap_or_default()
        );
        let how = match ended.reason.as_deref() {
            Some("OOMKilled") => End::OomKilled,
            _ => End::Exited(ended.exit_code),
        };
        (
            id,
            how,
            finished.is_some_and(|finished| now.duration_since(finished) < RECENT),
        )
    };
    ended.map(end).collect()
}

fn removal(pod: &Pod) -> Option<Removal> {
    let status = pod.status.as_ref();
    let conditions = status
        .and_then(|status| status.conditions.as_deref())
        .unwrap_or_default();
    // https://kubernetes.io/docs/concepts/workloads/pods/disruptions/#pod-disruption-conditions
    let disrupted = conditions
        .iter()
        .any(|condition| condition.type_ == "DisruptionTarget" && condition.status == "True");
    // a pod that failed on its node remains as an object
    let failed = status.and_then(|status| status.phase.as_deref()) == Some("Failed");
    match () {
        () if disrupted => Some(Removal::Evicted),
        () if pod.metadata.deletion_timestamp.is_some() => Some(Removal::Asked),
        () if failed => Some(Removal::Evicted),
        () => None,
    }
}

/// The consumer's container; admission webhooks may add others.
fn worker(spec: &PodSpec) -> Option<&Container> {
    spec.containers
        .iter()
        .find(|container| container.name == WORKER)
}

fn url(pod: &Pod) -> Option<String> {
    let address = pod.status.as_ref()?.pod_ip.as_ref()?.parse().ok()?;
    let port = worker(pod.spec.as_ref()?)?
        .ports
        .as_ref()?
        .first()?
        .container_port;
    Some(format!(
        "http://{}",
        std::net::SocketAddr::new(address, u16::try_from(port).ok()?)
    ))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn pod(status: Value, metadata: Value) -> Pod {
        let container = json!({"name": "worker", "ports": [{"containerPort": 8080}],
            "env": [{"name": "KAFKA_TOPIC", "value": "t,u"}, {"name": "OTHER"}]});
        let mut pod = json!({"metadata": {"name": "p-g-6d9f-x2", "labels": {"pod-template-hash": "6d9f"},
            "annotations": {PROTOCOL_KEY: "Classic Range"},
            "ownerReferences": [{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "p-g-6d9f", "uid": "u"}]},
            "spec": {"containers": [container]}, "status": status});
        for (key, value) in metadata.as_object().expect("an object") {
            pod["metadata"][key] = value.clone();
        }
        serde_json::from_value(pod).expect("a pod")
    }

    fn now() -> Timestamp {
        "2026-01-01T01:00:00Z".parse().expect("a time")
    }

    #[test]
    fn a_pod_is_identified_by_its_template_and_row() {
        let seen = sight(&pod(json!({}), json!({})), now());
        let expected = Sight {
            row: "p-g".into(),
            revision: "6d9f".into(),
            topics: "t,u".into(),
            protocol_key: "Classic Range".into(),
            ..Sight::default()
        };
        assert_eq!(seen, expected);
    }

    #[test]
    fn exits_of_a_container() {
        let ended = |reason: &str, code: i32, at: &str| json!({"terminated": {"reason": reason, "exitCode": code, "finishedAt": at, "containerID": "c"}});
        let state = |last: Value, now: Value| {
            json!({"containerStatuses": [{"name": "worker", "image": "", "imageID": "", "ready": true, "restartCount": 1,
                "lastState": last, "state": now}]})
        };
        let ends = |status: Value| -> Vec<(End, bool)> {
            sight(&pod(status, json!({})), now())
                .ends
                .into_iter()
                .map(|(_, end, recent)| (end, recent))
                .collect()
        };
        let running = || json!({"running": {}});
        assert_eq!(ends(state(json!({}), running())), []);
        assert_eq!(
            ends(state(
                ended("OOMKilled", 137, "2026-01-01T00:59:30Z"),
                running()
            )),
            [(End::OomKilled, true)]
        );
        assert_eq!(
            ends(state(ended("Error", 3, "2026-01-01T00:10:00Z"), running())),
            [(End::Exited(3), false)]
        );
        assert_eq!(
            ends(state(
                ended("Error", 3, "2026-01-01T00:59:20Z"),
                ended("Error", 4, "2026-01-01T00:59:30Z")
            )),
            [(End::Exited(3), true), (End::Exited(4), true)]
        );
    }

    #[test]
    fn removals_of_a_pod() {
        let disrupted = json!({"conditions": [{"type": "DisruptionTarget", "status": "True", "reason": "EvictionByEvictionAPI"}]});
        let deleted = || json!({"deletionTimestamp": "2026-01-01T00:00:00Z"});
        for (status, metadata, expected) in [
            (json!({}), json!({}), None),
            (json!({}), deleted(), Some(Removal::Asked)),
            (disrupted.clone(), json!({}), Some(Removal::Evicted)),
            (disrupted, deleted(), Some(Removal::Evicted)),
            (
                json!({"phase": "Failed", "reason": "Evicted"}),
                json!({}),
                Some(Removal::Evicted),
            ),
        ] {
            assert_eq!(removal(&pod(status, metadata)), expected);
        }
    }

    #[test]
    fn a_url_has_the_address_and_port_of_its_pod() {
        for (address, expected) in [
            (json!("10.1.2.3"), Some("http://10.1.2.3:8080")),
            (json!("fd00::7"), Some("http://[fd00::7]:8080")),
            (json!(null), None),
            (json!("host/path?"), None),
        ] {
            assert_eq!(
                url(&pod(json!({"podIP": address}), json!({}))).as_deref(),
                expected
            );
        }
    }
}
