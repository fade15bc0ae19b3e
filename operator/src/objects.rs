//! In: a plan, groups that are held, existing Deployments. Out: every Kubernetes object of the practice, as JSON for server-side
//! apply. Deliberately absent: I/O, a clock, whether an object has to be written (that is `apply`).

use std::collections::BTreeMap;

use practice_contract::{PROBE_PORT, PRODUCER_PORT, WORKER_PORT, WorkerSettings};
use practice_plan::{
    config::Pods,
    labels::{GROUP, HOLD, PART_OF, PRACTICE, PROTOCOL_KEY, REPLICAS_BEFORE, UNCLAIMED, VARIANT},
    outcome::{Hold, Kind, Unclaimed},
    plan::{GroupPlan, Plan, ProducerPlan, RowPlan},
};
use serde_json::{Value, json};

use crate::live::Live;

/// One desired object.
#[derive(Debug, Clone, PartialEq)]
pub struct Object {
    /// Its kind.
    pub kind: Kind,
    /// Its name.
    pub name: String,
    /// All fields that the operator applies.
    pub body: Value,
    /// `spec.replicas` to hand over to a second field manager before `body`, which omits it, is applied.
    pub hand_over: Option<i32>,
    /// The group whose consumers it does not let join, and why; `None`: it has no consumers, or lets them join.
    pub hold: Option<(String, Hold)>,
}

/// The replicas of an existing Deployment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LiveRow {
    /// `spec.replicas`.
    pub replicas: i32,
    /// Whether the operator's field manager owns `spec.replicas`.
    pub ours: bool,
    /// The value of annotation [`REPLICAS_BEFORE`].
    pub before: Option<i32>,
}

/// Which groups are held at 0 consumers, and why; by group id.
pub fn holds(
    plan: &Plan,
    unclaimed: &BTreeMap<String, Unclaimed>,
    live: &Live,
) -> BTreeMap<String, Hold> {
    let hold = |group: &GroupPlan| {
        let protocol_key = group.protocol_key();
        let others = live.pods.iter().any(|pod| {
            pod.group.as_ref() == Some(&group.id)
                && pod
                    .protocol_key
                    .as_ref()
                    .is_some_and(|theirs| *theirs != protocol_key)
        });
        match () {
            () if group.stopped => Some(Hold::Stopped),
            () if unclaimed.contains_key(&group.id) => Some(Hold::Unclaimed),
            () if others => Some(Hold::Switching),
            () => None,
        }
    };
    plan.groups
        .iter()
        .filter_map(|group| Some((group.id.clone(), hold(group)?)))
        .collect()
}

/// Renders every object of a practice. `holds` and `unclaimed` are by group id, `live` is by Deployment name.
pub fn objects(
    plan: &Plan,
    holds: &BTreeMap<String, Hold>,
    unclaimed: &BTreeMap<String, Unclaimed>,
    live: &BTreeMap<String, LiveRow>,
) -> Vec<Object> {
    let mut objects = Vec::new();
    for group in &plan.groups {
        let hold = holds.get(&group.id).copied();
        for row in &group.rows {
            let mut worker = worker(plan, group, row, hold, live.get(&row.deployment).copied());
            if unclaimed.contains_key(&group.id) {
                worker.body["metadata"]["annotations"][UNCLAIMED] = json!("true");
            }
            objects.push(worker);
        }
        objects.push(budget(plan, group));
    }
    if let Some(producer) = &plan.producer {
        objects.push(producer_deployment(plan, producer));
        objects.push(producer_service(plan, producer));
    }
    objects
}

/// How to apply `spec.replicas`.
#[derive(Debug, PartialEq, Eq)]
struct Replicas {
    /// The number that the operator sets.
    set: Option<i32>,
    /// The number to restore after a hold.
    before: Option<i32>,
    /// The number to hand over first.
    hand_over: Option<i32>,
}

/// The operator sets replicas when the manifest has a number or the group is held. Otherwise you or an autoscaler do, and that
/// number is restored after a hold. (Omitting a field that only the operator owns would reset it to 1: it is handed over first.)
fn replicas(wanted: Option<i32>, held: bool, live: Option<LiveRow>) -> Replicas {
    match (wanted, held, live) {
        (Some(_), true, _) | (None, true, None) => Replicas {
            set: Some(0),
            before: None,
            hand_over: None,
        },
        (None, true, Some(live)) => {
            // a 0 of the operator itself is that of a hold; another owner's 0 is restored as well
            let known = !live.ours || live.replicas > 0;
            let before = live.before.or(known.then_some(live.replicas));
            Replicas {
                set: Some(0),
                before,
                hand_over: None,
            }
        }
        (Some(n), false, _) => Replicas {
            set: Some(n),
            before: None,
            hand_over: None,
        },
        (None, false, Some(live)) if live.ours => {
            let number = live.before.unwrap_or(live.replicas.max(1));
            Replicas {
                set: None,
                before: None,
                hand_over: Some(number),
            }
        }
        (None, false, _) => Replicas {
            set: None,
            before: None,
            hand_over: None,
        },
    }
}

fn worker(
    plan: &Plan,
    group: &GroupPlan,
    row: &RowPlan,
    hold: Option<Hold>,
    live: Option<LiveRow>,
) -> Object {
    let replicas = replicas(row.replicas, hold.is_some(), live);
    let selector = json!({PRACTICE: plan.name, GROUP: group.label, VARIANT: row.variant});
    let mut labels = labels(plan, "worker");
    extend(&mut labels, &selector);
    let mut annotations = json!({GROUP: group.id});
    // in the template, so that they hold for a consumer that another client starts
    let pod_annotations =
        json!({GROUP: group.id, PROTOCOL_KEY: group.protocol_key(), HOLD: Hold::word(hold)});
    if let Some(before) = replicas.before {
        annotations[REPLICAS_BEFORE] = json!(before.to_string());
    }
    let settings = WorkerSettings {
        hold,
        ..row.settings.clone()
    };
    let mut env = plain_env(&settings.to_env());
    env.push(pod_name(WorkerSettings::INSTANCE));
    let mut body = json!({
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": metadata(plan, &row.deployment, &labels, annotations),
        "spec": {
            "selector": {"matchLabels": selector},
            "revisionHistoryLimit": 2,
            "template": template(&labels, Some(&pod_annotations), &Container { name: "worker", image: &row.image, env: &env, port: WORKER_PORT }, &row.pods),
        },
    });
    if let Some(number) = replicas.set {
        body["spec"]["replicas"] = json!(number);
    }
    if hold.is_some() {
        // a consumer that still reads does not wait for its replacement, which is never ready
        body["spec"]["strategy"] = json!({"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": "100%", "maxSurge": 0}});
    }
    Object {
        kind: Kind::Deployment,
        name: row.deployment.clone(),
        body,
        hand_over: replicas.hand_over,
        hold: hold.map(|hold| (group.id.clone(), hold)),
    }
}

fn budget(plan: &Plan, group: &GroupPlan) -> Object {
    let mut labels = labels(plan, "worker");
    extend(&mut labels, &json!({GROUP: group.label}));
    let body = json!({
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": metadata(plan, &group.budget, &labels, json!({GROUP: group.id})),
        "spec": {
            "maxUnavailable": 1,
            "selector": {"matchLabels": {PRACTICE: plan.name, GROUP: group.label}},
            "unhealthyPodEvictionPolicy": "AlwaysAllow",
        },
    });
    Object {
        kind: Kind::PodDisruptionBudget,
        name: group.budget.clone(),
        body,
        hand_over: None,
        hold: None,
    }
}

fn producer_selector(plan: &Plan) -> Value {
    json!({PRACTICE: plan.name, "app.kubernetes.io/component": "producer"})
}

fn producer_deployment(plan: &Plan, producer: &ProducerPlan) -> Object {
    let labels = labels(plan, "producer");
    let mut env = plain_env(&producer.settings.to_env());
    env.push(pod_name(WorkerSettings::INSTANCE));
    let body = json!({
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": metadata(plan, &producer.name, &labels, json!({})),
        "spec": {
            "replicas": 1,
            "selector": {"matchLabels": producer_selector(plan)},
            "revisionHistoryLimit": 2,
            "template": template(&labels, None, &Container { name: "producer", image: &producer.image, env: &env, port: PRODUCER_PORT }, &producer.pods),
        },
    });
    Object {
        kind: Kind::Deployment,
        name: producer.name.clone(),
        body,
        hand_over: None,
        hold: None,
    }
}

fn producer_service(plan: &Plan, producer: &ProducerPlan) -> Object {
    let body = json!({
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": metadata(plan, &producer.name, &labels(plan, "producer"), json!({})),
        "spec": {
            "selector": producer_selector(plan),
            "ports": [{"name": "http", "port": PRODUCER_PORT, "targetPort": "http", "protocol": "TCP"}],
        },
    });
    Object {
        kind: Kind::Service,
        name: producer.name.clone(),
        body,
        hand_over: None,
        hold: None,
    }
}

fn labels(plan: &Plan, component: &str) -> Value {
    json!({
        "app.kubernetes.io/name": format!("{PART_OF}-{component}"),
        "app.kubernetes.io/instance": plan.name,
        "app.kubernetes.io/part-of": PART_OF,
        "app.kubernetes.io/managed-by": "practice-operator",
        "app.kubernetes.io/component": component,
        PRACTICE: plan.name,
    })
}

fn extend(labels: &mut Value, more: &Value) {
    for (key, value) in more.as_object().into_iter().flatten() {
        labels[key] = value.clone();
    }
}

/// The owner reference by which Kubernetes deletes an object with its practice.
pub(crate) fn owner_reference(plan: &Plan) -> Value {
    json!({
        "apiVersion": "kafka-practice.dev/v1alpha1",
        "kind": "ConsumerGroupPractice",
        "name": plan.name,
        "uid": plan.uid,
        "controller": true,
        "blockOwnerDeletion": true,
    })
}

fn metadata(plan: &Plan, name: &str, labels: &Value, annotations: Value) -> Value {
    let mut metadata = json!({
        "name": name,
        "namespace": plan.namespace,
        "labels": labels,
        "ownerReferences": [owner_reference(plan)],
    });
    if annotations.as_object().is_some_and(|map| !map.is_empty()) {
        metadata["annotations"] = annotations;
    }
    metadata
}

fn plain_env(pairs: &[(&'static str, String)]) -> Vec<Value> {
    pairs
        .iter()
        .map(|(name, value)| json!({"name": name, "value": value}))
        .collect()
}

fn pod_name(variable: &str) -> Value {
    json!({"name": variable, "valueFrom": {"fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.name"}}})
}

/// The one container of a pod.
struct Container<'a> {
    name: &'a str,
    image: &'a str,
    env: &'a [Value],
    port: u16,
}

/// A pod that passes `pod-security.kubernetes.io/enforce=restricted` and has no credential of the cluster.
fn template(
    labels: &Value,
    annotations: Option<&Value>,
    container: &Container<'_>,
    pods: &Pods,
) -> Value {
    let probe = |path: &str, period: u8, failures: u8| json!({"httpGet": {"path": path, "port": "probes", "scheme": "HTTP"}, "periodSeconds": period, "timeoutSeconds": 5, "failureThreshold": failures});
    // a practice's own labels win: selectors rely on them
    let mut all_labels = json!(pods.labels);
    extend(&mut all_labels, labels);
    let mut metadata = json!({"labels": all_labels});
    if let Some(annotations) = annotations {
        metadata["annotations"] = annotations.clone();
    }
    let resources = pods.resources.as_ref().map_or_else(
        || json!({"requests": {"cpu": "10m", "memory": "24Mi"}, "limits": {"memory": "128Mi"}}),
        |resources| json!(resources),
    );
    let mut spec = json!({
        "automountServiceAccountToken": false,
        "enableServiceLinks": false,
        "terminationGracePeriodSeconds": 15,
        "securityContext": {"runAsNonRoot": true, "runAsUser": 65532, "runAsGroup": 65532, "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [{
            "name": container.name,
            "image": container.image,
            "imagePullPolicy": "IfNotPresent",
            "env": container.env,
            "ports": [
                {"name": "http", "containerPort": container.port, "protocol": "TCP"},
                {"name": "probes", "containerPort": PROBE_PORT, "protocol": "TCP"},
            ],
            "livenessProbe": probe("/livez", 10, 3),
            "readinessProbe": probe("/readyz", 2, 3),
            "resources": resources,
            "securityContext": {"allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true, "capabilities": {"drop": ["ALL"]}},
        }],
    });
    let optional = [
        ("imagePullSecrets", json!(pods.image_pull_secrets)),
        ("nodeSelector", json!(pods.node_selector)),
        ("tolerations", json!(pods.tolerations)),
        ("affinity", json!(pods.affinity)),
        ("priorityClassName", json!(pods.priority_class_name)),
    ];
    let is_set = |value: &Value| match value {
        Value::Null => false,
        Value::Array(items) => !items.is_empty(),
        Value::Object(fields) => !fields.is_empty(),
        _ => true,
    };
    for (name, value) in optional.into_iter().filter(|(_, value)| is_set(value)) {
        spec[name] = value;
    }
    json!({"metadata": metadata, "spec": spec})
}

#[cfg(test)]
mod tests;
