//! Several operators, for one namespace each or for all: which one `check` reports and which one serves `view`.

use k8s_openapi::api::{apps::v1::Deployment, core::v1::Pod};
use kube::{
    Api,
    api::{Patch, PatchParams},
};
use practice_testbed::{Role, cluster};
use serde_json::{Value, json};

use crate::scene::{Scene, plugin, status};

impl Scene {
    /// An operator in this namespace that watches it alone, or all.
    async fn operator(&self, name: &str, alone: bool) {
        let labels = json!({
            "app.kubernetes.io/name": "consumer-group-practice", "app.kubernetes.io/component": "operator",
            "app.kubernetes.io/version": "0.1.0", "helm.sh/chart": "consumer-group-practice-0.1.0",
        });
        let env = if alone {
            json!([{"name": "WATCH_NAMESPACE", "value": self.namespace}])
        } else {
            json!([])
        };
        let spec = json!({"containers": [{"name": "operator", "image": "example/operator:1", "env": env}]});
        let deployment = json!({
            "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name, "labels": labels},
            "spec": {"selector": {"matchLabels": {"app.kubernetes.io/component": "operator"}},
                     "template": {"metadata": {"labels": labels}, "spec": spec}},
        });
        let deployments: Api<Deployment> = Api::namespaced(self.client.clone(), &self.namespace);
        let apply = PatchParams::apply("tests").force();
        deployments
            .patch(name, &apply, &Patch::Apply(deployment))
            .await
            .expect("it is taken");
        self.ready(name, 1).await;
        let pod = format!("{name}-pod");
        self.pod(json!({"name": pod, "labels": labels}), spec).await;
        let pods: Api<Pod> = Api::namespaced(self.client.clone(), &self.namespace);
        let up = json!({"status": {"conditions": [{"type": "Ready", "status": "True"}]}});
        pods.patch_status(&pod, &PatchParams::default(), &Patch::Merge(up))
            .await
            .expect("it is taken");
    }

    /// So many of its pods are ready.
    async fn ready(&self, name: &str, count: i32) {
        let deployments: Api<Deployment> = Api::namespaced(self.client.clone(), &self.namespace);
        let status: Value = json!({"status": {"replicas": 1, "readyReplicas": count}});
        let merge = PatchParams::default();
        deployments
            .patch_status(name, &merge, &Patch::Merge(status))
            .await
            .expect("it is taken");
    }
}

#[tokio::test]
async fn each_namespace_has_its_operator() {
    // sorted by name, the wrong operators come first
    let (first, all, own, bare) = (
        Scene::new("aaa").await,
        Scene::new("mmm").await,
        Scene::new("zzz").await,
        Scene::new("bare").await,
    );
    for scene in [&own, &bare] {
        scene.practice("p", status("p")).await;
    }
    first.operator("one", true).await;
    own.operator("own", true).await;
    let (first_here, own_here, bare_here) = (&first.namespace, &own.namespace, &bare.namespace);

    // only its own operator is checked
    let check = own.cgp("check").await.out;
    for part in [
        format!("✔ {own_here}/own 1/1 ready"),
        format!("✔ you may open the live view (forward ports) in {own_here}"),
        format!("✔ kafka.example:9092 answers: {own_here}/p"),
    ] {
        assert!(check.contains(&part), "{part} is missing:\n{check}");
    }
    assert!(!check.contains(first_here), "{check}");

    // no operator watches this namespace
    let check = bare.cgp("check").await.failed_out(1);
    let unwatched = format!(
        "✘ no operator watches namespace {bare_here}: {first_here}/one watches {first_here} only, "
    );
    let old = format!("○ skipped: kafka.example:9092: no operator runs for {bare_here}/p");
    let whole = format!("{old}: condition KafkaReachable is out of date\n");
    for part in [
        unwatched.as_str(),
        "\n    helm upgrade with watch.allNamespaces=true",
        &whole,
    ] {
        assert!(check.contains(part), "{part} is missing:\n{check}");
    }
    assert!(
        !check.contains("ready") && !check.contains("answers: "),
        "{check}"
    );
    let check = own
        .cgp(&format!("check --operator-namespace {first_here}"))
        .await
        .failed_out(1);
    assert!(
        check.contains(&format!("✘ no operator watches namespace {own_here}: ")),
        "{check}"
    );
    assert!(
        check.contains(" is out of date\n") && !check.contains("answers: "),
        "{check}"
    );

    // each practice by its own operator
    let check = own.cgp("check -A").await.failed_out(1);
    for part in [format!("✔ kafka.example:9092 answers: {own_here}/p"), old] {
        assert!(check.contains(&part), "{part} is missing:\n{check}");
    }

    // nor does an operator without a ready replica
    own.ready("own", 0).await;
    let check = own.cgp("check").await.failed_out(1);
    assert!(
        check.contains(&format!("✘ {own_here}/own 0/1 ready")),
        "{check}"
    );
    assert!(
        check.contains(&format!("no operator runs for {own_here}/p: condition")),
        "{check}"
    );
    assert!(!check.contains("answers: "), "{check}");
    own.ready("own", 1).await;

    // the right to list operators does not include the right to forward ports
    let rules = "[{apiGroups: [apps], resources: [deployments], verbs: [list]},
                  {apiGroups: [''], resources: [pods], verbs: [list]}]";
    cluster()
        .await
        .service_account(own_here, "reader", Role::Rules(rules))
        .await;
    let config = cluster()
        .await
        .service_account_kubeconfig(own_here, "reader");
    let check = plugin(&config, &["check", "-n", own_here]).await.out;
    let part = format!(
        "⚠ you may not get pods/portforward (for view), create pods/portforward (for view) in {own_here}\n    ask the administrator"
    );
    assert!(check.contains(&part), "{check}");

    // which operator `view` connects to; without nodes no connection succeeds
    let asked = async |scene: &Scene, line: &str, place: &str, name: &str| {
        let message = scene.cgp(line).await.failed(1);
        let expected = format!(
            "error: operator {place}/{name} does not serve the live view: cannot forward port 8080 of pod {name}: "
        );
        assert!(message.starts_with(&expected), "{message}");
    };
    asked(&own, "view p --no-open", own_here, "own-pod").await;
    all.operator("all", false).await;
    asked(&own, "view p --no-open", own_here, "own-pod").await;
    asked(&bare, "view p --no-open", &all.namespace, "all-pod").await;
    let line = format!("view p --no-open --operator-namespace {first_here}");
    asked(&bare, &line, first_here, "one-pod").await;

    // an operator for all namespaces beside one for this namespace
    let check = own.cgp("check").await.failed_out(1);
    let part = format!(
        "✘ 2 operators watch namespace {own_here}: {}/all, {own_here}/own\n    operators overwrite",
        all.namespace
    );
    assert!(check.contains(&part), "{check}");
    let check = bare.cgp("check").await.out;
    assert!(
        check.contains(&format!("✔ kafka.example:9092 answers: {bare_here}/p")),
        "{check}"
    );
    assert!(!check.contains("operators watch"), "{check}");
}
