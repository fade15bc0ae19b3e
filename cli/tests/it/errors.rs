//! Messages and exit codes of failures.

use std::{path::Path, time::Duration};

use practice_testbed::{Role, cluster};
use serde_json::{Value, json};

use crate::{
    fake::fake,
    scene::{Scene, plugin, status},
};

#[tokio::test]
async fn unknown_names_list_the_existing_ones() {
    let (scene, other) = (Scene::new("names").await, Scene::new("others").await);
    scene.practice("one", status("one")).await;
    scene.practice("two", Value::Null).await;
    other.practice("elsewhere", Value::Null).await;
    for verb in [
        "get",
        "describe",
        "journal",
        "logs",
        "view",
        "send --topic t --value v",
        "where t/0@1",
    ] {
        let line = match verb.split_once(' ') {
            Some((verb, rest)) => format!("{verb} three {rest}"),
            None => format!("{verb} three"),
        };
        let message = scene.cgp(&line).await.failed(3);
        assert_eq!(
            message,
            format!(
                "error: no practice `three` in namespace `{}`: it has one, two\n",
                scene.namespace
            ),
            "{verb}"
        );
    }
    let message = scene.cgp("get elsewhere").await.failed(3);
    let place = &other.namespace;
    assert!(
        message.ends_with(&format!(
            "`elsewhere` is in namespace {place}: add -n {place}\n"
        )),
        "{message}"
    );
    let message = scene.cgp("get nothing -n default").await.failed(3);
    assert!(
        message.contains("in namespace `default`: it has no practices\n")
            && message.contains("other namespaces have: "),
        "{message}"
    );

    for verb in ["journal", "logs"] {
        let message = scene
            .cgp(&format!("{verb} one --group nope"))
            .await
            .failed(3);
        let expected =
            "error: --group `nope` does not exist in practice one: it has billing, mail\n";
        assert_eq!(message, expected, "{verb}");
    }
    let empty = scene.cgp("get -n kube-public").await;
    assert_eq!(
        (empty.code, empty.err.as_str()),
        (
            0,
            "no practices in namespace kube-public: -A lists all namespaces\n"
        )
    );
    assert!(
        scene
            .cgp("send one --topic t --value v")
            .await
            .failed(1)
            .contains("no producer pod yet")
    );
    let none = scene.cgp("logs one").await;
    assert!(
        none.code == 0 && none.err.contains("one has no consumer pods"),
        "{none:?}"
    );
}

#[tokio::test]
async fn usage_errors_exit_with_2_and_name_the_fix() {
    let scene = Scene::new("usage").await;
    for line in [
        "",
        "gte",
        "get ../x",
        "get p -A",
        "get p -A -n x",
        "get -o table",
        "send p",
        "completion tcsh",
    ] {
        scene.cgp(line).await.failed(2);
    }
    let message = scene.cgp("get --context nope").await.failed(2);
    assert_eq!(
        message,
        "error: --context `nope` does not exist: the kubeconfig has testbed\n"
    );
    let message = scene.cgp("get --kubeconfig /nowhere").await.failed(2);
    assert!(
        message.starts_with("error: --kubeconfig /nowhere cannot be read: "),
        "{message}"
    );
    let message = plugin("/nowhere".as_ref(), &["get"]).await.failed(2);
    assert!(
        message.starts_with("error: $KUBECONFIG is `/nowhere`: no such file"),
        "{message}"
    );
}

#[tokio::test]
async fn unreachable_cluster_exits_with_4() {
    let scene = Scene::new("silent").await;
    let text = std::fs::read_to_string(&scene.kubeconfig).expect("it is there");
    let mut config: Value = serde_json::from_str(&text).expect("it is JSON");
    config["clusters"][0]["cluster"]["server"] = json!("https://127.0.0.1:1");
    let file = std::env::temp_dir().join(format!("cgp-{}.kubeconfig", scene.namespace));
    std::fs::write(&file, config.to_string()).expect("it can be written");
    for verb in [
        &["get"][..],
        &["describe", "p"],
        &["journal", "p"],
        &["check"],
        &["logs", "p"],
    ] {
        let message = plugin(&file, verb).await;
        assert!(
            message
                .err
                .starts_with("error: https://127.0.0.1:1/ does not answer: "),
            "{verb:?}: {message:?}"
        );
        assert_eq!(message.code, 4, "{verb:?}");
    }
    let version = plugin(&file, &["version"]).await.good();
    assert!(
        version.starts_with(
            "plugin     0.1.0\noperator   unknown: https://127.0.0.1:1/ does not answer"
        ),
        "{version}"
    );
    std::fs::remove_file(&file).expect("it was ours");
}

#[tokio::test]
async fn missing_permissions_are_reported() {
    let scene = Scene::new("forbidden").await;
    scene.practice("p", status("p")).await;
    let rules =
        "[{apiGroups: [kafka-practice.dev], resources: [consumergrouppractices], verbs: [get]}]";
    cluster()
        .await
        .service_account(&scene.namespace, "reader", Role::Rules(rules))
        .await;
    let config = cluster()
        .await
        .service_account_kubeconfig(&scene.namespace, "reader");
    let here = scene.namespace.as_str();
    plugin(&config, &["get", "p", "-n", here]).await.good();
    let message = plugin(&config, &["get", "-n", here]).await.failed(1);
    assert!(
        message.starts_with(&format!(
            "error: cannot list practices in namespace {here}: permission denied: "
        )),
        "{message}"
    );
    let journal = plugin(&config, &["journal", "p", "-n", here]).await;
    assert!(
        journal
            .err
            .starts_with("cannot read ConfigMap p-journal: permission denied: "),
        "{journal:?}"
    );
    assert!(journal.good().contains("ScaledUp"));
    let check = plugin(&config, &["check", "-n", here]).await;
    assert!(
        check
            .out
            .contains("○ skipped: operator: cannot search the operator "),
        "{check:?}"
    );
    assert!(
        check.out.contains(
            "get configmaps (for journal), get pods/log (for logs), list pods (for logs, send, where)"
        ),
        "{check:?}"
    );
}

/// A watch ends by itself on an error that a retry cannot repair.
#[tokio::test]
async fn watch_ends_when_permissions_are_missing() {
    let scene = Scene::new("unwatched").await;
    scene.practice("p", status("p")).await;
    scene.consumer("p", "billing", "p-billing-1").await;
    let here = scene.namespace.as_str();
    let practices = "{apiGroups: [kafka-practice.dev], resources: [consumergrouppractices]";
    let pods = "{apiGroups: [''], resources: [pods]";
    let logs = "{apiGroups: [''], resources: [pods/log]";
    let accounts = [
        ("getter", format!("[{practices}, verbs: [get]}}]")),
        (
            "lister",
            format!(
                "[{practices}, verbs: [get, list]}}, {pods}, verbs: [list]}}, {logs}, verbs: [get]}}]"
            ),
        ),
        (
            "watcher",
            format!("[{practices}, verbs: [get]}}, {pods}, verbs: [list, watch]}}]"),
        ),
    ];
    let mut configs = Vec::new();
    for (name, rules) in &accounts {
        cluster()
            .await
            .service_account(here, name, Role::Rules(rules))
            .await;
        configs.push(cluster().await.service_account_kubeconfig(here, name));
    }
    let rows = [
        (
            0,
            "get p -w",
            format!("error: cannot watch practice p in namespace {here}: permission denied: "),
        ),
        (
            1,
            "get p -w",
            format!("error: cannot watch practice p in namespace {here}: permission denied: "),
        ),
        (
            1,
            "get -w -o json",
            format!("error: cannot watch practices in namespace {here}: permission denied: "),
        ),
        (
            1,
            "logs p -f",
            format!("error: cannot watch the pods of p in namespace {here}: permission denied: "),
        ),
        (
            2,
            "logs p -f",
            "error: cannot read the log of p-billing-1: permission denied: ".to_owned(),
        ),
        (
            2,
            "logs p",
            "error: cannot read the log of p-billing-1: permission denied: ".to_owned(),
        ),
    ];
    for (account, line, expected) in rows {
        let args: Vec<&str> = line.split(' ').chain(["-n", here]).collect();
        let ended =
            tokio::time::timeout(Duration::from_secs(30), plugin(&configs[account], &args)).await;
        let message = ended
            .unwrap_or_else(|_| panic!("{line} does not end"))
            .failed(1);
        assert!(
            message.starts_with(&expected) && message.lines().count() == 1,
            "{line}: {message}"
        );
    }
    let check = plugin(&configs[1], &["check", "-n", here]).await;
    let part = "get configmaps (for journal), watch pods (for logs -f), ";
    assert!(
        check
            .out
            .contains("watch consumergrouppractices (for get -w), ")
            && check.out.contains(part),
        "{check:?}"
    );
}

/// An API server that answers some logs as a kubelet would.
#[tokio::test]
async fn unreadable_log_does_not_hide_others() {
    let pod = |name: &str| json!({"metadata": {"name": name, "namespace": "a", "uid": name}});
    let practice = json!({
        "apiVersion": "kafka-practice.dev/v1alpha1", "kind": "ConsumerGroupPractice",
        "metadata": {"name": "p", "namespace": "a"}, "spec": {"topics": [{"name": "t"}]},
    });
    let failure = |code: u16, message: &str| {
        json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "message": message}).to_string()
    };
    let logs = |only_broken: bool| {
        move |path: &str| -> (u16, Vec<u8>) {
            let pods: &[&str] = if only_broken {
                &["p-broken", "p-starts"]
            } else {
                &["p-broken", "p-good", "p-starts"]
            };
            match path.split_once("/pods").map(|(_, rest)| rest) {
                None => (200, practice.to_string().into()),
                Some(rest) if !rest.starts_with('/') => {
                    let items: Vec<Value> = pods.iter().copied().map(pod).collect();
                    (
                        200,
                        json!({"kind": "PodList", "apiVersion": "v1", "metadata": {}, "items": items})
                            .to_string()
                            .into(),
                    )
                }
                Some(rest) if !rest.contains("container=worker") => {
                    (400, failure(400, "name a container").into())
                }
                Some(rest) if rest.starts_with("/p-broken/") => {
                    (500, failure(500, "the node does not answer").into())
                }
                Some(rest) if rest.starts_with("/p-starts/") => {
                    (400, failure(400, "it is waiting to start").into())
                }
                Some(_) => (
                    200,
                    b"2026-11-25T14:02:11Z one \xff\n2026-11-25T14:02:12Z two\n".to_vec(),
                ),
            }
        }
    };
    let message = plugin(&fake(logs.clone()(false)).await, &["logs", "p"]).await;
    let mut notes: Vec<&str> = message.err.lines().collect();
    notes.sort_unstable();
    assert_eq!(
        notes[0], "p-broken: cannot read the log of p-broken: the node does not answer",
        "{message:?}"
    );
    assert_eq!(
        notes[1..],
        ["p-starts: it is waiting to start"],
        "{message:?}"
    );
    let lines = "good   │ one \\xff\ngood   │ two\n";
    assert_eq!(message.good(), lines);
    let message = plugin(&fake(logs(true)).await, &["logs", "p"]).await;
    assert!(
        message
            .err
            .ends_with("error: cannot read the log of p-broken: the node does not answer\n"),
        "{message:?}"
    );
    assert_eq!(
        (message.code, message.err.lines().count()),
        (1, 2),
        "{message:?}"
    );
}

#[tokio::test]
async fn completion_prints_a_script_for_each_shell() {
    for (shell, part) in [
        (
            "bash",
            "-F _kubectl_cgp -o nosort -o bashdefault -o default kubectl-cgp\n",
        ),
        ("zsh", "#compdef kubectl-cgp"),
        ("fish", "complete -c kubectl-cgp"),
    ] {
        let script = plugin("/nowhere".as_ref(), &["completion", shell])
            .await
            .good();
        assert!(script.contains(part), "{script}");
    }
    // kubectl runs it with the words after `cgp`, and reads a completion a line
    let script = plugin("/nowhere".as_ref(), &["completion", "kubectl"])
        .await
        .good();
    let file = std::env::temp_dir().join(format!("kubectl_complete-cgp-{}", std::process::id()));
    std::fs::write(&file, script).expect("it can be written");
    let plugin = Path::new(env!("CARGO_BIN_EXE_kubectl-cgp"));
    let here = plugin.parent().map(Path::to_owned).into_iter();
    let path = std::env::join_paths(here.chain(std::env::split_paths(
        &std::env::var_os("PATH").unwrap_or_default(),
    )));
    let path = path.expect("paths of a PATH");
    for (typed, words) in [
        (&["jo"][..], &["journal"][..]),
        (&["-n", "a", "get", "--no"], &["--no-color"]),
        (&["get", "-o", ""], &["json", "yaml", "wide"]),
        (&["nothing-like-it"], &[]),
    ] {
        let output = std::process::Command::new("bash")
            .arg(&file)
            .args(typed)
            .env("PATH", &path)
            .output();
        let output = output.expect("bash can be run");
        let message = String::from_utf8_lossy(&output.stdout).into_owned();
        let mut message: Vec<&str> = message.lines().collect();
        assert_eq!(message.pop(), Some(":4"), "{typed:?}: {output:?}");
        for word in words {
            assert!(message.contains(word), "{typed:?}: {message:?}");
        }
        assert_eq!(
            words.is_empty(),
            message.is_empty(),
            "{typed:?}: {message:?}"
        );
    }
    std::fs::remove_file(&file).expect("it was ours");
}
