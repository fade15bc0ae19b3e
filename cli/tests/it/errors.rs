//! What is said when something is not there, and the exit code that scripts see.

use practice_testbed::{Role, cluster};
use serde_json::{Value, json};

use crate::scene::{Scene, plugin, status};

#[tokio::test]
async fn a_wrong_name_is_answered_with_the_right_ones() {
    let (scene, other) = (Scene::new("names").await, Scene::new("others").await);
    scene.practice("one", status("one")).await;
    scene.practice("two", Value::Null).await;
    other.practice("elsewhere", Value::Null).await;
    for verb in ["get", "describe", "journal", "logs", "view", "send --topic t --value v"] {
        let said = scene.cgp(&format!("{verb} three")).await.failed(3);
        assert_eq!(
            said,
            format!("error: no practice `three` in namespace `{}`: there are one, two\n", scene.namespace),
            "{verb}"
        );
    }
    let said = scene.cgp("get elsewhere").await.failed(3);
    let place = &other.namespace;
    assert!(said.ends_with(&format!("`elsewhere` is in namespace {place}: add -n {place}\n")), "{said}");
    let said = scene.cgp("get nothing -n default").await.failed(3);
    assert!(
        said.contains("in namespace `default`: there is none\n") && said.contains("elsewhere there are: "),
        "{said}"
    );

    for verb in ["journal", "logs"] {
        let said = scene.cgp(&format!("{verb} one --group nope")).await.failed(3);
        let expected = "error: --group is `nope`: practice one has no such group, it has billing, mail\n";
        assert_eq!(said, expected, "{verb}");
    }
    let empty = scene.cgp("get -n kube-public").await;
    assert_eq!((empty.code, empty.err.as_str()), (0, "no practices in namespace kube-public: -A looks everywhere\n"));
    assert!(scene.cgp("send one --topic t --value v").await.failed(1).contains("no producer pod yet"));
    let none = scene.cgp("logs one").await;
    assert!(none.code == 0 && none.err.contains("one has no consumers now"), "{none:?}");
}

#[tokio::test]
async fn wrong_usage_is_2_and_names_the_fix() {
    let scene = Scene::new("usage").await;
    for line in ["", "gte", "get ../x", "get p -A", "get -o table", "send p", "completion tcsh"] {
        scene.cgp(line).await.failed(2);
    }
    let said = scene.cgp("get --context nope").await.failed(2);
    assert_eq!(said, "error: --context is `nope`: the kubeconfig has testbed\n");
    let said = scene.cgp("get --kubeconfig /nowhere").await.failed(2);
    assert!(said.starts_with("error: --kubeconfig /nowhere cannot be read: "), "{said}");
    let said = plugin("/nowhere".as_ref(), &["get"]).await.failed(2);
    assert!(said.starts_with("error: $KUBECONFIG is `/nowhere`, and there is no such file"), "{said}");
}

#[tokio::test]
async fn a_cluster_that_does_not_answer_is_4() {
    let scene = Scene::new("silent").await;
    let text = std::fs::read_to_string(&scene.kubeconfig).expect("it is there");
    let mut config: Value = serde_json::from_str(&text).expect("it is JSON");
    config["clusters"][0]["cluster"]["server"] = json!("https://127.0.0.1:1");
    let file = std::env::temp_dir().join(format!("cgp-{}.kubeconfig", scene.namespace));
    std::fs::write(&file, config.to_string()).expect("it can be written");
    for verb in [&["get"][..], &["describe", "p"], &["journal", "p"], &["check"], &["logs", "p"]] {
        let said = plugin(&file, verb).await;
        assert!(said.err.starts_with("error: https://127.0.0.1:1/ does not answer: "), "{verb:?}: {said:?}");
        assert_eq!(said.code, 4, "{verb:?}");
    }
    let version = plugin(&file, &["version"]).await.good();
    assert!(
        version.starts_with("plugin     0.1.0\noperator   not seen: https://127.0.0.1:1/ does not answer"),
        "{version}"
    );
    std::fs::remove_file(&file).expect("it was ours");
}

#[tokio::test]
async fn who_may_not_look_is_told_so() {
    let scene = Scene::new("forbidden").await;
    scene.practice("p", status("p")).await;
    let rules = "[{apiGroups: [kafka-practice.dev], resources: [consumergrouppractices], verbs: [get]}]";
    cluster().await.service_account(&scene.namespace, "reader", Role::Rules(rules)).await;
    let config = cluster().await.service_account_kubeconfig(&scene.namespace, "reader");
    let here = scene.namespace.as_str();
    plugin(&config, &["get", "p", "-n", here]).await.good();
    let said = plugin(&config, &["get", "-n", here]).await.failed(1);
    assert!(said.starts_with(&format!("error: list practices in namespace {here}: you may not: ")), "{said}");
    let journal = plugin(&config, &["journal", "p", "-n", here]).await;
    assert!(journal.err.starts_with("you may not read ConfigMap p-journal: "), "{journal:?}");
    assert!(journal.good().contains("ScaledUp"));
    let check = plugin(&config, &["check", "-n", here]).await;
    assert!(check.out.contains("○ skipped: the operator cannot be looked for"), "{check:?}");
    assert!(
        check.out.contains("get configmaps (for journal), get pods/log (for logs), list pods (for logs, send)"),
        "{check:?}"
    );
}

#[tokio::test]
async fn a_script_for_each_shell() {
    for (shell, part) in
        [("bash", "-o default kubectl-cgp"), ("zsh", "#compdef kubectl-cgp"), ("fish", "complete -c kubectl-cgp")]
    {
        let script = plugin("/nowhere".as_ref(), &["completion", shell]).await.good();
        assert!(script.contains(part), "{script}");
    }
}
