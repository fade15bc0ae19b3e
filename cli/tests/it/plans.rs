//! `plan` against a real API server; it writes nothing.

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
async fn change_is_predicted_and_not_applied() {
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
    let message = scene.cgp(&format!("plan -f {}", more.path())).await;
    assert_eq!(message.err, "", "{message:?}");
    let screen = message.good();
    // crates/plan and the golden file cli/tests/golden/plan.txt pin the whole text
    for part in [
        "p   1 of 2 groups changes, 3 consumers start\n",
        "billing   2 → 5 consumers\n",
        "starts    3 consumers\n",
        "idle      2 of 5 consumers: ",
        "moves     1 of 3 partitions: ",
        "stays     2 of 3 partitions\n",
    ] {
        assert!(screen.contains(part), "{part}: {screen}");
    }
    let same = File::new(&scene, &[manifest("p", 3, 2)]);
    assert!(
        scene
            .cgp(&format!("plan -f {}", same.path()))
            .await
            .good()
            .starts_with("p   ✔ nothing changes\n")
    );
    let grown = File::new(&scene, &[manifest("p", 6, 2)]);
    let message = scene.cgp(&format!("plan -f {}", grown.path())).await.good();
    assert!(
        message.contains("  topic orders   grows   3 → 6; partitions cannot be removed again\n"),
        "{message}"
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
async fn invalid_manifests_are_refused_and_new_ones_are_predicted() {
    let scene = Scene::new("planned").await;
    scene.practice("p", status("p")).await;
    let shrunk = File::new(&scene, &[manifest("p", 2, 2)]);
    let message = scene
        .cgp(&format!("plan -f {}", shrunk.path()))
        .await
        .failed_out(1);
    assert!(
        message.starts_with("p   ✘ would be refused: no changes\n"),
        "{message}"
    );
    assert!(
        message.contains("spec.topics[0].partitions: partitions can only grow"),
        "{message}"
    );
    let config = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}});
    let several = File::new(&scene, &[config, manifest("p", 3, 2), manifest("q", 3, 2)]);
    let message = scene.cgp(&format!("plan -f {}", several.path())).await;
    assert_eq!(
        message.err,
        "skipped ConfigMap c: not a ConsumerGroupPractice\n"
    );
    let (here, message) = (scene.namespace.clone(), message.good());
    assert!(
        message.starts_with(&format!("{here}/p   ✔ nothing changes\n")),
        "{message}"
    );
    assert!(
        message.contains(&format!("\n\n{here}/q   new, 3 consumers start\n")),
        "{message}"
    );
    assert!(
        message.contains("note      spec.kafka is not set: the operator's default is used"),
        "{message}"
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
    let message = scene
        .cgp(&format!("plan -f {}", file.path()))
        .await
        .failed(2);
    assert!(
        message.contains("differs from metadata.namespace `elsewhere` of manifest p"),
        "{message}"
    );
}

#[tokio::test]
async fn cluster_is_contacted_only_when_needed() {
    let scene = Scene::new("unneeded").await;
    let nowhere = "/nowhere".as_ref();
    let wrong = File::new(&scene, &[manifest("p", 3, 101)]);
    let message = plugin(nowhere, &["plan", "-f", wrong.path()])
        .await
        .failed_out(1);
    assert!(
        message.contains("spec.groups[0].replicas: 101"),
        "{message}"
    );
    let mut elsewhere = manifest("p", 3, 2);
    elsewhere["metadata"]["namespace"] = json!("../secrets");
    let outside = File::new(&scene, &[elsewhere]);
    let message = plugin(nowhere, &["plan", "-f", outside.path()])
        .await
        .failed_out(1);
    assert!(
        message.contains("metadata.namespace is `../secrets`: use a-z"),
        "{message}"
    );
    let right = File::new(&scene, &[manifest("p", 3, 2)]);
    let message = plugin(nowhere, &["plan", "-f", right.path()])
        .await
        .failed(2);
    assert!(
        message.starts_with("error: $KUBECONFIG is `/nowhere`"),
        "{message}"
    );
    let message = plugin(nowhere, &["plan", "-f", right.path(), "--from-nothing"])
        .await
        .good();
    assert!(
        message.starts_with("p   new, 3 consumers start\n"),
        "{message}"
    );

    let text = std::fs::read_to_string(&scene.kubeconfig).expect("it is there");
    let mut config: Value = serde_json::from_str(&text).expect("it is JSON");
    config["clusters"][0]["cluster"]["server"] = json!("https://127.0.0.1:1");
    let silent = std::env::temp_dir().join(format!("cgp-{}.kubeconfig", scene.namespace));
    std::fs::write(&silent, config.to_string()).expect("it can be written");
    let message = plugin(&silent, &["plan", "-f", right.path()])
        .await
        .failed(4);
    assert!(
        message.starts_with("error: https://127.0.0.1:1/ does not answer: "),
        "{message}"
    );
    std::fs::remove_file(&silent).expect("it was ours");

    for (text, says) in [
        (
            "kind: ConfigMap",
            "has no object of kind ConsumerGroupPractice of kafka-practice.dev/v1alpha1",
        ),
        ("a: [", "is not YAML"),
        ("", "has no object of kind"),
    ] {
        let file = File::of(&scene, text);
        let message = plugin(nowhere, &["plan", "-f", file.path()])
            .await
            .failed(2);
        assert!(message.contains(says), "{text}: {message}");
    }
    let message = plugin(nowhere, &["plan", "-f", "/nowhere/at/all"])
        .await
        .failed(2);
    assert!(
        message.starts_with("error: -f `/nowhere/at/all` cannot be read: "),
        "{message}"
    );
    let message = plugin(nowhere, &["plan", "-f", "/"]).await.failed(2);
    assert!(
        message.contains("-f `/` is a directory: name a file"),
        "{message}"
    );
}

#[tokio::test]
async fn standard_input_is_read_and_control_characters_are_escaped() {
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
        // YAML accepts C1 controls only escaped
        let text = format!("{other}{evil}").replace('\u{9b}', "\\u009b");
        stdin.write_all(text.as_bytes()).await.expect("it is read");
        drop(stdin);
        let ended = child.wait_with_output().await.expect("it ends");
        let message = [ended.stdout, ended.stderr]
            .map(|bytes| String::from_utf8(bytes).expect("it is UTF-8"))
            .concat();
        assert_eq!(ended.status.code(), Some(1), "{message}");
        assert!(
            !message.contains(['\u{1b}', '\u{9b}', '\u{202e}']),
            "{output:?}: {message:?}"
        );
        assert!(
            message.contains("red ") && message.contains("spec.groups[0].name"),
            "{output:?}: {message}"
        );
    }
}
