//! `check` on an incomplete installation, then on a complete one.

use kube::{
    Api,
    api::{DeleteParams, Patch, PatchParams},
};
use practice_api::crd_yaml;
use practice_testbed::{Cluster, Role};
use serde_json::{Value, json};

use crate::scene::{Scene, condition, plugin, status};

/// Deployment of the operator, as in the chart.
fn operator(version: &str) -> Value {
    let labels = json!({
        "app.kubernetes.io/name": "consumer-group-practice", "app.kubernetes.io/instance": "cgp",
        "app.kubernetes.io/component": "operator", "app.kubernetes.io/version": version,
        "helm.sh/chart": format!("consumer-group-practice-{version}"),
    });
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "cgp-operator", "labels": labels},
        "spec": {
            "selector": {"matchLabels": {"app.kubernetes.io/component": "operator"}},
            "template": {
                "metadata": {"labels": labels},
                "spec": {"serviceAccountName": "cgp-operator",
                         "containers": [{"name": "operator", "image": "example/practice-operator:1"}]},
            },
        },
    })
}

#[tokio::test]
async fn check_reports_each_defect_with_a_hint() {
    let cluster = Cluster::start().await;
    let check =
        async |line: &str| plugin(cluster.kubeconfig(), &line.split(' ').collect::<Vec<_>>()).await;

    let bare = check("check").await;
    assert_eq!(bare.code, 1, "{bare:?}");
    for part in [
        "Kubernetes\n  ✔ API server v1.",
        "  ✘ ConsumerGroupPractice is not served: its CustomResourceDefinition is missing\n    the chart installs it",
        "  ✘ no operator is installed in any namespace (no Deployment with its labels)\n    helm install cgp ",
        "Kafka\n  ○ skipped: ",
    ] {
        assert!(bare.out.contains(part), "{part} is missing:\n{}", bare.out);
    }
    let message = check("get").await.failed(3);
    assert!(
        message.contains("does not serve ConsumerGroupPractice: install the chart first"),
        "{message}"
    );

    // installed without permissions; no replica is ready
    let crd = crd_yaml().replacen(
        "metadata:\n",
        "metadata:\n  labels:\n    helm.sh/chart: consumer-group-practice-0.0.9\n",
        1,
    );
    cluster.apply_crd(&crd).await;
    let place = cluster.namespace("kafka-practice").await;
    let apply = PatchParams::apply("tests").force();
    let deployments: Api<k8s_openapi::api::apps::v1::Deployment> =
        Api::namespaced(cluster.client(), &place);
    deployments
        .patch("cgp-operator", &apply, &Patch::Apply(operator("0.1.0")))
        .await
        .expect("it is taken");
    let half = check("check").await;
    assert_eq!(half.code, 1, "{half:?}");
    for part in [
        "✔ ConsumerGroupPractice v1alpha1 is served".to_owned(),
        format!("✘ {place}/cgp-operator 0/1 ready\n    no pod"),
        "✘ version mismatch: the operator is from consumer-group-practice-0.1.0, the CustomResourceDefinition from consumer-group-practice-0.0.9"
            .to_owned(),
        format!("✘ system:serviceaccount:{place}:cgp-operator lacks permissions in namespace default: "),
        "get, list, watch, patch consumergrouppractices;".to_owned(),
    ] {
        assert!(half.out.contains(&part), "{part} is missing:\n{}", half.out);
    }
    let version = check("version").await.good();
    assert_eq!(
        version,
        format!(
            "plugin     0.1.0\noperator   0.1.0   example/practice-operator:1   {place}/cgp-operator\n"
        )
    );

    let json: Value = serde_json::from_str(&check("version -o json").await.good()).expect("JSON");
    let operator = json!({"namespace": place, "name": "cgp-operator", "version": "0.1.0", "image": "example/practice-operator:1"});
    assert_eq!(
        json,
        json!({"plugin": "0.1.0", "operators": [operator], "notSeen": null})
    );
    let documents = check("check -o json").await;
    let json: Value = serde_json::from_str(&documents.failed_out(1)).expect("JSON");
    let results: Vec<&Value> = json["sections"][0]["checks"]
        .as_array()
        .expect("a list")
        .iter()
        .collect();
    assert_eq!(
        (&json["sections"][0]["title"], &results[0]["result"]),
        (&json!("Kubernetes"), &json!("Good"))
    );
    let failed = json["sections"]
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(|section| section["checks"].as_array());
    let failed: Vec<&Value> = failed
        .flatten()
        .filter(|check| check["result"] == "Failed")
        .collect();
    assert_eq!(json["failed"], json!(failed.len()));
    assert!(
        failed.iter().all(|check| check["hint"].is_string()),
        "each has a hint: {failed:#?}"
    );

    // complete installation
    cluster.apply_crd(&crd.replace("0.0.9", "0.1.0")).await;
    cluster
        .service_account(&place, "cgp-operator", Role::Existing("cluster-admin"))
        .await;
    let running = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "cgp-operator"},
                         "status": {"replicas": 1, "readyReplicas": 1}});
    deployments
        .patch_status("cgp-operator", &apply, &Patch::Apply(running))
        .await
        .expect("it is taken");
    let namespace = cluster.namespace("team").await;
    let scene = Scene {
        namespace,
        client: cluster.client(),
        kubeconfig: cluster.kubeconfig().to_owned(),
    };
    scene.practice("p", status("p")).await;
    let good = scene.cgp("check").await;
    let here = &scene.namespace;
    assert_eq!(good.code, 0, "{good:?}");
    for part in [
        format!("✔ {place}/cgp-operator 1/1 ready"),
        "✔ chart and CustomResourceDefinition have the same version: consumer-group-practice-0.1.0"
            .to_owned(),
        format!(" permissions in namespace {here}\n"),
        format!("✔ kafka.example:9092 answers: {here}/p"),
    ] {
        assert!(good.out.contains(&part), "{part} is missing:\n{}", good.out);
    }
    assert!(good.out.ends_with(" good\n"), "{}", good.out);
    let yaml: Value = serde_yaml::from_str(&scene.cgp("check -o yaml").await.good()).expect("YAML");
    assert_eq!(
        (&yaml["failed"], &yaml["warnings"]),
        (&json!(0), &json!(0)),
        "{yaml:#}"
    );

    // an unreachable Kafka in another namespace is reported with -A only
    let mut down = status("q");
    down["conditions"] = json!([condition(
        "KafkaReachable",
        "False",
        "ConnectionRefused",
        "no broker answers"
    )]);
    let other = Scene {
        namespace: cluster.namespace("other").await,
        ..scene
    };
    other.practice("q", down).await;
    let everywhere = other.cgp("check -A").await;
    assert_eq!(everywhere.code, 1, "{everywhere:?}");
    let part = format!(
        "✘ kafka.example:9092 is not reachable: ConnectionRefused: no broker answers (reported by {}/q)",
        other.namespace
    );
    assert!(everywhere.out.contains(&part), "{}", everywhere.out);
}

#[tokio::test]
async fn a_deletion_that_cannot_finish_is_a_warning_with_its_cause() {
    let scene = Scene::new("blocked").await;
    let why = "deleting topic orders: kafka:9092 unreachable since 12:00:00Z; given up at 12:10:00Z (spec.deletionTimeout 10m)";
    let mut ending = status("r");
    ending["conditions"] = json!([
        condition("KafkaReachable", "True", "Reachable", "Kafka answers"),
        condition("Reconciling", "True", "DeletionBlocked", why)
    ]);
    scene.practice("r", ending).await;
    let practices: Api<practice_api::ConsumerGroupPractice> =
        Api::namespaced(scene.client.clone(), &scene.namespace);
    let held = json!({"metadata": {"finalizers": ["kafka-practice.dev/topics"]}});
    practices
        .patch("r", &PatchParams::default(), &Patch::Merge(held))
        .await
        .expect("it is taken");
    let warning = format!("⚠ deletion of {}/r is blocked: {why}", scene.namespace);
    let before = scene.cgp("check").await;
    assert!(!before.out.contains("is blocked"), "{}", before.out);
    practices
        .delete("r", &DeleteParams::default())
        .await
        .expect("it is taken");
    let after = scene.cgp("check").await;
    assert!(after.out.contains(&warning), "{}", after.out);
}
