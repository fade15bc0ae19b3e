//! A namespace with practices whose status a test writes, and the plugin to run against them.

use std::{
    path::{Path, PathBuf},
    process::Stdio,
};

use k8s_openapi::api::core::v1::{ConfigMap, Pod};
use kube::{
    Api, Client,
    api::{Patch, PatchParams, PostParams},
};
use practice_api::ConsumerGroupPractice;
use practice_testbed::cluster;
use serde_json::{Value, json};
use tokio::{process::Command, sync::OnceCell};

/// Output and exit code of the plugin.
#[derive(Debug)]
pub(crate) struct PluginOutput {
    pub(crate) out: String,
    pub(crate) err: String,
    pub(crate) code: i32,
}

impl PluginOutput {
    /// Standard output; asserts exit code 0.
    #[track_caller]
    pub(crate) fn good(self) -> String {
        assert_eq!(self.code, 0, "{self:#?}");
        self.out
    }

    /// Standard output; asserts the exit code.
    #[track_caller]
    pub(crate) fn failed_out(self, code: i32) -> String {
        assert_eq!(self.code, code, "{self:#?}");
        self.out
    }

    /// Standard error; asserts the exit code.
    #[track_caller]
    pub(crate) fn failed(self, code: i32) -> String {
        assert_eq!(self.code, code, "{self:#?}");
        self.err
    }
}

/// Runs the plugin with a kubeconfig.
pub(crate) async fn plugin(kubeconfig: &Path, args: &[&str]) -> PluginOutput {
    let output = Command::new(env!("CARGO_BIN_EXE_kubectl-cgp"))
        .args(args)
        .env("KUBECONFIG", kubeconfig)
        .env("TZ", "UTC")
        .env_remove("NO_COLOR")
        .stdin(Stdio::null())
        .output()
        .await
        .expect("the plugin can be started");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("it is UTF-8");
    PluginOutput {
        out: text(output.stdout),
        err: text(output.stderr),
        code: output.status.code().expect("it ended by itself"),
    }
}

/// A namespace of a test.
pub(crate) struct Scene {
    pub(crate) namespace: String,
    pub(crate) client: Client,
    pub(crate) kubeconfig: PathBuf,
}

impl Scene {
    pub(crate) async fn new(prefix: &str) -> Self {
        static SERVED: OnceCell<()> = OnceCell::const_new();
        let cluster = cluster().await;
        SERVED
            .get_or_init(async || cluster.apply_crd(&practice_api::crd_yaml()).await)
            .await;
        let namespace = cluster.namespace(prefix).await;
        Self {
            namespace,
            client: cluster.client(),
            kubeconfig: cluster.kubeconfig().to_owned(),
        }
    }

    /// Runs the plugin, in this namespace unless the arguments name another.
    pub(crate) async fn cgp(&self, line: &str) -> PluginOutput {
        let mut args: Vec<&str> = line.split_whitespace().collect();
        let elsewhere = args.iter().any(|arg| ["-n", "-A"].contains(arg));
        if !elsewhere {
            args.extend(["-n", &self.namespace]);
        }
        plugin(&self.kubeconfig, &args).await
    }

    /// A practice, and its status as an operator would have written it.
    pub(crate) async fn practice(&self, name: &str, status: Value) {
        let api: Api<ConsumerGroupPractice> = Api::namespaced(self.client.clone(), &self.namespace);
        let kind =
            json!({"apiVersion": "kafka-practice.dev/v1alpha1", "kind": "ConsumerGroupPractice"});
        let with = |more: Value| {
            let mut body = kind.clone();
            body["metadata"] = json!({"name": name});
            body.as_object_mut()
                .expect("an object")
                .extend(more.as_object().expect("an object").clone());
            body
        };
        let spec = json!({"spec": {
            "topics": [{"name": "orders", "partitions": 3}],
            "groups": [
                {"name": "billing", "replicas": 2},
                {"name": "mail", "replicas": 1, "processingDelay": "2s"},
            ],
        }});
        let params = PatchParams::apply("tests").force();
        let made = api.patch(name, &params, &Patch::Apply(with(spec))).await;
        let generation = made
            .unwrap_or_else(|error| panic!("practice {name} is refused: {error}"))
            .metadata
            .generation;
        if status.is_null() {
            return;
        }
        let mut status = status;
        status["observedGeneration"] = json!(generation);
        // server-side apply reads its body as YAML, in which not every character may stand
        let patch = Patch::Merge(json!({"status": status}));
        let written = api
            .patch_status(name, &PatchParams::default(), &patch)
            .await;
        written.unwrap_or_else(|error| panic!("status of {name} is refused: {error}"));
    }

    /// A consumer's pod. There is no node: it never runs.
    pub(crate) async fn consumer(&self, practice: &str, group: &str, name: &str) {
        let labels = json!({"kafka-practice.dev/practice": practice, "app.kubernetes.io/component": "worker"});
        let metadata = json!({"name": name, "labels": labels, "annotations": {"kafka-practice.dev/group": group}});
        self.pod(
            metadata,
            json!({"containers": [{"name": "worker", "image": "example/worker:1"}]}),
        )
        .await;
    }

    /// A pod.
    pub(crate) async fn pod(&self, metadata: Value, spec: Value) {
        let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec});
        let pod: Pod = serde_json::from_value(pod).expect("it is a pod");
        let api: Api<Pod> = Api::namespaced(self.client.clone(), &self.namespace);
        api.create(&PostParams::default(), &pod)
            .await
            .unwrap_or_else(|error| panic!("{pod:?} is refused: {error}"));
    }

    /// The journal that an operator keeps of a practice.
    pub(crate) async fn journal(&self, practice: &str, groups: Value) {
        let data: Value = groups
            .as_object()
            .expect("an object")
            .iter()
            .map(|(k, v)| (k.clone(), json!(v.to_string())))
            .collect();
        let api: Api<ConsumerGroupPractice> = Api::namespaced(self.client.clone(), &self.namespace);
        let uid = api.get(practice).await.expect("it is there").metadata.uid;
        let owner = json!({"apiVersion": "kafka-practice.dev/v1alpha1", "kind": "ConsumerGroupPractice",
                           "name": practice, "uid": uid});
        self.config_map(
            json!({"name": format!("{practice}-journal"), "ownerReferences": [owner]}),
            data,
        )
        .await;
    }

    pub(crate) async fn config_map(&self, metadata: Value, data: Value) {
        let name = metadata["name"].clone();
        let body =
            json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data});
        let api: Api<ConfigMap> = Api::namespaced(self.client.clone(), &self.namespace);
        let map = serde_json::from_value(body).expect("it is a ConfigMap");
        let written = api.create(&PostParams::default(), &map).await;
        written.unwrap_or_else(|error| panic!("{name} is refused: {error}"));
    }
}

pub(crate) fn condition(kind: &str, status: &str, reason: &str, message: &str) -> Value {
    json!({"type": kind, "status": status, "reason": reason, "message": message,
           "lastTransitionTime": "2026-11-25T14:00:00Z"})
}

/// Two groups; one partition cannot be read.
pub(crate) fn status(practice: &str) -> Value {
    let member = |name: &str, partitions: Value| {
        json!({"name": name, "pod": name, "memberId": format!("{name}-1f"), "clientId": name,
               "partitionCount": partitions.as_array().map_or(0, Vec::len), "partitions": partitions, "lag": null})
    };
    let group = |name: &str, replicas: i32, lag: Value, members: Value| {
        json!({"name": name, "groupIdOwned": true, "state": "Stable", "protocol": "Classic", "replicas": replicas,
               "readyReplicas": replicas, "idle": 0, "lag": lag, "members": members})
    };
    json!({
        "bootstrapServers": "kafka.example:9092",
        "conditions": [
            condition("Ready", "True", "Running", "all groups have their consumers"),
            condition("KafkaReachable", "True", "Reachable", "Kafka answers"),
        ],
        "summary": {"topics": 1, "partitions": 3, "groups": 2, "consumers": 3, "idle": 0},
        "topics": [{"name": "orders", "ready": true, "partitions": 3, "replicationFactor": 1, "topicId": "AAAA"}],
        "groups": [
            group("billing", 2, json!(3), json!([
                member(&format!("{practice}-billing-6d9f-x2kvp"), json!([
                    {"topic": "orders", "partition": 0, "committed": 41, "end": 44, "lag": 3},
                    {"topic": "orders", "partition": 2, "committed": 9, "end": 9, "lag": 0},
                ])),
                member(&format!("{practice}-billing-6d9f-zq8rm"), json!([
                    {"topic": "orders", "partition": 1, "committed": 7, "end": 7, "lag": 0},
                ])),
            ])),
            group("mail", 1, Value::Null, json!([
                member(&format!("{practice}-mail-5f6b-c7n2j"), json!([
                    {"topic": "orders", "partition": 0, "committed": 44, "end": 44, "lag": 0},
                    {"topic": "orders", "partition": 1, "committed": 7, "lag": null, "lagReason": "Unknown"},
                    {"topic": "orders", "partition": 2, "end": 9, "lag": 9, "lagReason": "NoCommit"},
                ])),
            ])),
        ],
        "rebalances": [{"group": "billing", "number": 1, "time": "2026-11-25T13:59:00Z", "cause": "ScaledUp",
                        "message": "Scaled up: one was added.", "joined": 1, "left": 0, "moved": 1, "withoutOwnerMs": 340}],
    })
}
