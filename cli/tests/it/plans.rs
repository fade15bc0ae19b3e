//! What a manifest will do: asked of a real API server, which nothing is written to.

use std::{path::PathBuf, process::Stdio};

use kube::Api;
use practice_api::ConsumerGroupPractice;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;

use crate::scene::{Scene, plugin, status};

/// A manifest of the practice that a scene makes, with so many of `billing`.
fn manifest(name: &str, partitions: i32, replicas: i32) -> Value {
    json!({
        "apiVersion": "kafka-practice.dev/v1alpha1", "kind": "ConsumerGroupPractice", "metadata": {"name": name},
        "spec": {
            "topics": [{"name": "orders", "partitions": partitions}],
            "groups": [{"name": "billing", "replicas": replicas}, {"name": "mail", "replicas": 1, "processingDelay": "2s"}],
        },
    })
}

/// A file that goes with its test.
struct File(PathBuf);

impl File {
    fn new(scene: &Scene, documents: &[Value]) -> Self {
        let documents: Vec<String> = documents.iter().map(Value::to_string).collect();
        Self::of(scene, &documents.join("\n---\n"))
    }

    fn of(scene: &Scene, text: &str) -> Self {
        let path = std::env::temp_dir().join(format!(
            "cgp-plan-{}-{}.yaml",
            std::process::id(),
            scene.namespace
        ));
        std::fs::write(&path, text).expect("it can be written");
        Self(path)
    }

    fn path(&self) -> &str {
        self.0.to_str().expect("it is UTF-8")
    }
}

impl Drop for File {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0); // it was ours
    }
}

#[tokio::test]
async fn a_change_is_told_and_not_made() {
    let scene = Scene::new("plan").await;
    scene.practice("p", status("p")).await;
    let api: Api<ConsumerGroupPractice> = Api::namespaced(scene.client.clone(), &scene.namespace);
    let before = api
        .get("p")
        .await
        .expect("it is there")
        .metadata
        .resource_version;
    let more = File::new(&scene, &[manifest("p", 3, 5)]);
    let said = scene.cgp(&format!("plan -f {}", more.path())).await;
    assert_eq!(said.err, "", "{said:?}");
    assert_eq!(
        said.good().lines().collect::<Vec<_>>(),
        [
            "p   1 of 2 groups changes, 3 consumers start",
            "  topic orders   stays as it is",
            "  billing   2 → 5 consumers",
            "    starts    3 consumers",
            "    idle      2 of 5 consumers: 3 partitions, each has one owner in a group",
            "    moves     1 of 3 partitions: members keep what they have as long as it is even",
            "    stays     2 of 3 partitions",
            "    pause     1 partition, for about 0.5 s: cooperative-sticky: only what moves (heartbeatInterval 500ms)",
            "              to use all 5: 5 partitions of orders (they cannot be taken away again), or 3 consumers",
            "  mail   stays as it is, 1 consumer",
        ]
    );
    let same = File::new(&scene, &[manifest("p", 3, 2)]);
    assert!(
        scene
            .cgp(&format!("plan -f {}", same.path()))
            .await
            .good()
            .starts_with("p   ✔ nothing changes\n")
    );
    let grown = File::new(&scene, &[manifest("p", 6, 2)]);
    let said = scene.cgp(&format!("plan -f {}", grown.path())).await.good();
    assert!(
        said.contains("  topic orders   grows   3 → 6; partitions cannot be taken away again\n"),
        "{said}"
    );
    let json: Value = serde_json::from_str(
        &scene
            .cgp(&format!("plan -f {} -o json", grown.path()))
            .await
            .good(),
    )
    .expect("JSON");
    assert_eq!(
        (&json["exists"], &json["groups"][0]["change"]),
        (&json!(true), &json!("Rebalanced"))
    );
    assert_eq!(json["groups"][0]["moves"]["most"], 0, "{json:#}");
    let yaml: Value = serde_yaml::from_str(
        &scene
            .cgp(&format!("plan -f {} -o yaml", grown.path()))
            .await
            .good(),
    )
    .expect("YAML");
    assert_eq!(yaml, json);
    assert_eq!(
        api.get("p")
            .await
            .expect("it is there")
            .metadata
            .resource_version,
        before,
        "nothing is written"
    );
}

#[tokio::test]
async fn what_would_be_refused_is_refused_and_what_is_new_is_made() {
    let scene = Scene::new("planned").await;
    scene.practice("p", status("p")).await;
    let shrunk = File::new(&scene, &[manifest("p", 2, 2)]);
    let said = scene
        .cgp(&format!("plan -f {}", shrunk.path()))
        .await
        .failed_out(1);
    assert!(
        said.starts_with("p   ✘ would be refused: nothing happens\n"),
        "{said}"
    );
    assert!(
        said.contains("spec.topics[0].partitions: partitions can only grow"),
        "{said}"
    );
    let config = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}});
    let several = File::new(&scene, &[config, manifest("p", 3, 2), manifest("q", 3, 2)]);
    let said = scene.cgp(&format!("plan -f {}", several.path())).await;
    assert_eq!(
        said.err,
        "ConfigMap c is left out: it is no ConsumerGroupPractice\n"
    );
    let (here, said) = (scene.namespace.clone(), said.good());
    assert!(
        said.starts_with(&format!("{here}/p   ✔ nothing changes\n")),
        "{said}"
    );
    assert!(
        said.contains(&format!("\n\n{here}/q   new, 3 consumers start\n")),
        "{said}"
    );
    assert!(
        said.contains("note      spec.kafka is not set: the operator's default is used"),
        "{said}"
    );
    let json: Value = serde_json::from_str(
        &scene
            .cgp(&format!("plan -f {} -o json", several.path()))
            .await
            .good(),
    )
    .expect("JSON");
    assert_eq!(json.as_array().map(Vec::len), Some(2), "{json:#}");
    let mut elsewhere = manifest("p", 3, 2);
    elsewhere["metadata"]["namespace"] = json!("elsewhere");
    let file = File::new(&scene, &[elsewhere]);
    let said = scene
        .cgp(&format!("plan -f {}", file.path()))
        .await
        .failed(2);
    assert!(
        said.contains("the manifest of p says metadata.namespace `elsewhere`"),
        "{said}"
    );
}

#[tokio::test]
async fn no_cluster_is_asked_unless_it_is_needed() {
    let scene = Scene::new("unneeded").await;
    let nowhere = "/nowhere".as_ref();
    let wrong = File::new(&scene, &[manifest("p", 3, 101)]);
    let said = plugin(nowhere, &["plan", "-f", wrong.path()])
        .await
        .failed_out(1);
    assert!(said.contains("spec.groups[0].replicas: 101"), "{said}");
    let mut elsewhere = manifest("p", 3, 2);
    elsewhere["metadata"]["namespace"] = json!("../secrets");
    let outside = File::new(&scene, &[elsewhere]);
    let said = plugin(nowhere, &["plan", "-f", outside.path()])
        .await
        .failed_out(1);
    assert!(
        said.contains("metadata.namespace is `../secrets`: names in Kubernetes are"),
        "{said}"
    );
    let right = File::new(&scene, &[manifest("p", 3, 2)]);
    let said = plugin(nowhere, &["plan", "-f", right.path()])
        .await
        .failed(2);
    assert!(
        said.starts_with("error: $KUBECONFIG is `/nowhere`"),
        "{said}"
    );
    let said = plugin(nowhere, &["plan", "-f", right.path(), "--from-nothing"])
        .await
        .good();
    assert!(said.starts_with("p   new, 3 consumers start\n"), "{said}");

    let text = std::fs::read_to_string(&scene.kubeconfig).expect("it is there");
    let mut config: Value = serde_json::from_str(&text).expect("it is JSON");
    config["clusters"][0]["cluster"]["server"] = json!("https://127.0.0.1:1");
    let silent = std::env::temp_dir().join(format!("cgp-{}.kubeconfig", scene.namespace));
    std::fs::write(&silent, config.to_string()).expect("it can be written");
    let said = plugin(&silent, &["plan", "-f", right.path()])
        .await
        .failed(4);
    assert!(
        said.starts_with("error: https://127.0.0.1:1/ does not answer: "),
        "{said}"
    );
    std::fs::remove_file(&silent).expect("it was ours");

    for (text, says) in [
        (
            "kind: ConfigMap",
            "nothing in it is of kind ConsumerGroupPractice of kafka-practice.dev/v1alpha1",
        ),
        ("a: [", "it is no YAML"),
        ("", "nothing in it is of kind"),
    ] {
        let file = File::of(&scene, text);
        let said = plugin(nowhere, &["plan", "-f", file.path()])
            .await
            .failed(2);
        assert!(said.contains(says), "{text}: {said}");
    }
    let said = plugin(nowhere, &["plan", "-f", "/nowhere/at/all"])
        .await
        .failed(2);
    assert!(
        said.starts_with("error: -f is `/nowhere/at/all`: it cannot be read: "),
        "{said}"
    );
}

#[tokio::test]
async fn standard_input_is_read_and_nothing_drives_the_terminal() {
    let nasty = "red \u{1b}[31m\u{9b}2J\u{202e}";
    let mut evil = manifest("p", 3, 2);
    evil["spec"]["groups"][0]["name"] = json!(nasty);
    let mut other =
        json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": nasty}}).to_string();
    other.push_str("\n---\n");
    for output in [&[][..], &["-o", "json"], &["-o", "yaml"]] {
        let mut child = tokio::process::Command::new(env!("CARGO_BIN_EXE_kubectl-cgp"))
            .args(["plan", "-f", "-", "--from-nothing"])
            .args(output)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the plugin can be started");
        let mut stdin = child.stdin.take().expect("it is piped");
        // YAML takes no C1 control as it is
        let text = format!("{other}{evil}").replace('\u{9b}', "\\u009b");
        stdin.write_all(text.as_bytes()).await.expect("it is read");
        drop(stdin);
        let ended = child.wait_with_output().await.expect("it ends");
        let said = [ended.stdout, ended.stderr]
            .map(|bytes| String::from_utf8(bytes).expect("it is UTF-8"))
            .concat();
        assert_eq!(ended.status.code(), Some(1), "{said}");
        assert!(
            !said.contains(['\u{1b}', '\u{9b}', '\u{202e}']),
            "{output:?}: {said:?}"
        );
        assert!(
            said.contains("red ") && said.contains("spec.groups[0].name"),
            "{output:?}: {said}"
        );
    }
}
