//! What is said when something is not there, and the exit code that scripts see.

use std::{path::Path, time::Duration};

use practice_testbed::{Role, cluster};
use serde_json::{Value, json};

use crate::{
    fake::fake,
    scene::{Scene, plugin, status},
};

#[tokio::test]
async fn a_wrong_name_is_answered_with_the_right_ones() {
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
    ] {
        let said = scene.cgp(&format!("{verb} three")).await.failed(3);
        assert_eq!(
            said,
            format!(
                "error: no practice `three` in namespace `{}`: there are one, two\n",
                scene.namespace
            ),
            "{verb}"
        );
    }
    let said = scene.cgp("get elsewhere").await.failed(3);
    let place = &other.namespace;
    assert!(
        said.ends_with(&format!(
            "`elsewhere` is in namespace {place}: add -n {place}\n"
        )),
        "{said}"
    );
    let said = scene.cgp("get nothing -n default").await.failed(3);
    assert!(
        said.contains("in namespace `default`: there is none\n")
            && said.contains("elsewhere there are: "),
        "{said}"
    );

    for verb in ["journal", "logs"] {
        let said = scene
            .cgp(&format!("{verb} one --group nope"))
            .await
            .failed(3);
        let expected =
            "error: --group is `nope`: practice one has no such group, it has billing, mail\n";
        assert_eq!(said, expected, "{verb}");
    }
    let empty = scene.cgp("get -n kube-public").await;
    assert_eq!(
        (empty.code, empty.err.as_str()),
        (
            0,
            "no practices in namespace kube-public: -A looks everywhere\n"
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
        none.code == 0 && none.err.contains("one has no consumers now"),
        "{none:?}"
    );
}

#[tokio::test]
async fn wrong_usage_is_2_and_names_the_fix() {
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
    let said = scene.cgp("get --context nope").await.failed(2);
    assert_eq!(
        said,
        "error: --context is `nope`: the kubeconfig has testbed\n"
    );
    let said = scene.cgp("get --kubeconfig /nowhere").await.failed(2);
    assert!(
        said.starts_with("error: --kubeconfig /nowhere cannot be read: "),
        "{said}"
    );
    let said = plugin("/nowhere".as_ref(), &["get"]).await.failed(2);
    assert!(
        said.starts_with("error: $KUBECONFIG is `/nowhere`, and there is no such file"),
        "{said}"
    );
}

#[tokio::test]
async fn a_cluster_that_does_not_answer_is_4() {
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
        let said = plugin(&file, verb).await;
        assert!(
            said.err
                .starts_with("error: https://127.0.0.1:1/ does not answer: "),
            "{verb:?}: {said:?}"
        );
        assert_eq!(said.code, 4, "{verb:?}");
    }
    let version = plugin(&file, &["version"]).await.good();
    assert!(
        version.starts_with(
            "plugin     0.1.0\noperator   not seen: https://127.0.0.1:1/ does not answer"
        ),
        "{version}"
    );
    std::fs::remove_file(&file).expect("it was ours");
}

#[tokio::test]
async fn who_may_not_look_is_told_so() {
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
    let said = plugin(&config, &["get", "-n", here]).await.failed(1);
    assert!(
        said.starts_with(&format!(
            "error: list practices in namespace {here}: you may not: "
        )),
        "{said}"
    );
    let journal = plugin(&config, &["journal", "p", "-n", here]).await;
    assert!(
        journal
            .err
            .starts_with("you may not read ConfigMap p-journal: "),
        "{journal:?}"
    );
    assert!(journal.good().contains("ScaledUp"));
    let check = plugin(&config, &["check", "-n", here]).await;
    assert!(
        check
            .out
            .contains("○ skipped: the operator cannot be looked for"),
        "{check:?}"
    );
    assert!(
        check.out.contains(
            "get configmaps (for journal), get pods/log (for logs), list pods (for logs, send)"
        ),
        "{check:?}"
    );
}

/// What goes on without an end: ends by itself when it is of no use to go on.
#[tokio::test]
async fn who_may_not_watch_is_told_so_and_does_not_wait() {
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
            format!("error: watch practice p in namespace {here}: you may not: "),
        ),
        (
            1,
            "get p -w",
            format!("error: watch practice p in namespace {here}: you may not: "),
        ),
        (
            1,
            "get -w -o json",
            format!("error: watch practices in namespace {here}: you may not: "),
        ),
        (
            1,
            "logs p -f",
            format!("error: watch the pods of p in namespace {here}: you may not: "),
        ),
        (
            2,
            "logs p -f",
            "error: read the log of p-billing-1: you may not: ".to_owned(),
        ),
        (
            2,
            "logs p",
            "error: read the log of p-billing-1: you may not: ".to_owned(),
        ),
    ];
    for (account, line, expected) in rows {
        let args: Vec<&str> = line.split(' ').chain(["-n", here]).collect();
        let ended =
            tokio::time::timeout(Duration::from_secs(30), plugin(&configs[account], &args)).await;
        let said = ended.unwrap_or_else(|_| panic!("{line} goes on")).failed(1);
        assert!(
            said.starts_with(&expected) && said.lines().count() == 1,
            "{line}: {said}"
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

/// An API server that answers logs as a kubelet would, some of them.
#[tokio::test]
async fn a_log_that_cannot_be_read_hides_no_other() {
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
    let said = plugin(&fake(logs.clone()(false)).await, &["logs", "p"]).await;
    let mut aside: Vec<&str> = said.err.lines().collect();
    aside.sort_unstable();
    assert_eq!(
        aside[0], "p-broken: read the log of p-broken: the node does not answer",
        "{said:?}"
    );
    assert_eq!(aside[1..], ["p-starts: it is waiting to start"], "{said:?}");
    let lines = "good   │ one \\xff\ngood   │ two\n";
    assert_eq!(said.good(), lines);
    let said = plugin(&fake(logs(true)).await, &["logs", "p"]).await;
    assert!(
        said.err
            .ends_with("error: read the log of p-broken: the node does not answer\n"),
        "{said:?}"
    );
    assert_eq!((said.code, said.err.lines().count()), (1, 2), "{said:?}");
}

#[tokio::test]
async fn a_script_for_each_shell() {
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
    // kubectl runs it with what was typed after `cgp`, and reads a line for each word that it could be
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
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let mut said: Vec<&str> = said.lines().collect();
        assert_eq!(said.pop(), Some(":4"), "{typed:?}: {output:?}");
        for word in words {
            assert!(said.contains(word), "{typed:?}: {said:?}");
        }
        assert_eq!(words.is_empty(), said.is_empty(), "{typed:?}: {said:?}");
    }
    std::fs::remove_file(&file).expect("it was ours");
}
