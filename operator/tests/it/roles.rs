//! The chart's roles of users against a real API server: what each of them may do with practices, and nothing more.

use k8s_openapi::api::{core::v1::Pod, rbac::v1::ClusterRole};
use kube::{
    Api, Client,
    api::{DeleteParams, ListParams, Patch, PatchParams, PostParams, WatchParams},
};
use practice_api::ConsumerGroupPractice;
use practice_testbed::{Cluster, Role};
use serde_json::{Value, json};

use crate::operator::chart_documents;

/// What a user may try, and whether the role `view`, the role `edit`, and an administrator may. Kubernetes adds both roles to its own `edit`.
const OPERATIONS: [(&str, [bool; 3]); 14] = [
    ("get", [true, false, true]),
    ("list", [true, false, true]),
    ("watch", [true, false, true]),
    ("create", [false, true, true]),
    ("apply", [false, true, true]),
    ("patch", [false, true, true]),
    ("update", [false, true, true]),
    ("delete", [false, true, true]),
    ("delete all", [false, true, true]),
    ("get status", [false, false, true]),
    ("patch status", [false, false, true]),
    ("update status", [false, false, true]),
    ("list pods", [false, false, true]),
    ("list everywhere", [true, false, true]),
];

fn practice(name: &str) -> Value {
    json!({
        "apiVersion": "kafka-practice.dev/v1alpha1", "kind": "ConsumerGroupPractice",
        "metadata": {"name": name}, "spec": {"topics": [{"name": "t"}], "groups": [{"name": "g"}]},
    })
}

/// Performs it on practice `p`, which exists. `there` is `p` as an administrator has just read it.
async fn perform(
    operation: &str,
    client: &Client,
    namespace: &str,
    there: &ConsumerGroupPractice,
) -> kube::Result<()> {
    let api: Api<ConsumerGroupPractice> = Api::namespaced(client.clone(), namespace);
    let everywhere: Api<ConsumerGroupPractice> = Api::all(client.clone());
    let pods: Api<Pod> = Api::namespaced(client.clone(), namespace);
    let (list, post) = (ListParams::default(), PostParams::default());
    let (now, patch) = (DeleteParams::default(), PatchParams::default());
    let apply = PatchParams::apply("tests").force();
    let merge = Patch::Merge(json!({"metadata": {"labels": {"team": "lab"}}}));
    let generation = Patch::Merge(json!({"status": {"observedGeneration": 7}}));
    match operation {
        "get" => api.get("p").await.map(drop),
        "list" => api.list(&list).await.map(drop),
        "watch" => api
            .watch(&WatchParams::default().timeout(1), "0")
            .await
            .map(drop),
        "create" => {
            let new = serde_json::from_value(practice("new")).expect("a practice");
            api.create(&post, &new).await.map(drop)
        }
        "apply" => {
            let applied = Patch::Apply(practice("applied"));
            api.patch("applied", &apply, &applied).await.map(drop)
        }
        "patch" => api.patch("p", &patch, &merge).await.map(drop),
        "update" => api.replace("p", &post, there).await.map(drop),
        "delete" => api.delete("p", &now).await.map(drop),
        "delete all" => api.delete_collection(&now, &list).await.map(drop),
        "get status" => api.get_status("p").await.map(drop),
        "patch status" => api.patch_status("p", &patch, &generation).await.map(drop),
        "update status" => api.replace_status("p", &post, there).await.map(drop),
        "list pods" => pods.list(&list).await.map(drop),
        "list everywhere" => everywhere.list(&list).await.map(drop),
        other => panic!("no operation {other}"),
    }
}

#[tokio::test]
async fn users_may_do_what_their_role_allows_and_none_writes_a_status() {
    let cluster = Cluster::start().await;
    cluster.apply_crd(&practice_api::crd_yaml()).await;
    let namespace = cluster.namespace("roles").await;
    let admin = cluster.client();
    let roles: Api<ClusterRole> = Api::all(admin.clone());
    for role in chart_documents(
        "templates/clusterroles.yaml",
        "rbac.aggregateClusterRoles=true",
    ) {
        let name = role["metadata"]["name"].as_str().expect("a name");
        let params = PatchParams::apply("tests");
        let applied = roles.patch(name, &params, &Patch::Apply(&role)).await;
        applied.unwrap_or_else(|error| panic!("ClusterRole {name}: {error}"));
    }
    let account = async |name: &str, role| {
        let role = Role::Existing(role);
        cluster.service_account(&namespace, name, role).await
    };
    let viewer = account("viewer", "cgp-view").await;
    let editor = account("editor", "cgp-edit").await;

    let api: Api<ConsumerGroupPractice> = Api::namespaced(admin.clone(), &namespace);
    let (now, all) = (DeleteParams::default(), ListParams::default());
    for (operation, expected) in OPERATIONS {
        let mut allowed = [false; 3];
        for (client, allowed) in [&viewer, &editor, &admin].into_iter().zip(&mut allowed) {
            let emptied = api.delete_collection(&now, &all).await;
            emptied.expect("an administrator may delete them");
            let new = serde_json::from_value(practice("p")).expect("a practice");
            let there = api.create(&PostParams::default(), &new).await;
            let there = there.expect("an administrator may create one");
            *allowed = match perform(operation, client, &namespace, &there).await {
                Ok(()) => true,
                Err(kube::Error::Api(status)) if status.code == 403 => false,
                Err(error) => panic!("{operation}: {error}"),
            };
        }
        assert_eq!(allowed, expected, "{operation}: view, edit, administrator");
    }
}
