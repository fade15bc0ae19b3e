//! Output of the verbs that show practices.

use serde_json::{Value, json};

use crate::scene::{Scene, condition, status};

#[tokio::test]
async fn get_shows_trees_flat_text_and_objects() {
    let scene = Scene::new("get").await;
    scene.practice("p", status("p")).await;
    scene.practice("q", Value::Null).await;
    let tree = [
        "p   ✔ Ready   orders 3 partitions, 1 replica   Kafka kafka.example:9092",
        "├─ billing   ✔ Stable   Classic   2/2 consumers   lag 3",
        "│  ├─ …6d9f-x2kvp        orders/0  41/44  lag 3    orders/2    9/9  lag 0",
        "│  └─ …6d9f-zq8rm        orders/1    7/7  lag 0",
        "└─ mail      ✔ Stable   Classic   1/1 consumer    lag ?   offsets of orders/1 are unknown",
        "   └─ …5f6b-c7n2j   2s   orders/0  44/44  lag 0    orders/1    7/?  lag ? (offsets unknown)    \
         orders/2    -/9  lag 9 (no commit yet)",
    ];
    let one = scene.cgp("get p").await.good();
    assert_eq!(one.lines().collect::<Vec<_>>(), tree, "\n{one}");
    let all = scene.cgp("get").await.good();
    assert!(all.starts_with(&one), "{all}");
    assert!(all.contains("\n\nq   ⚠ Pending\n"), "{all}");
    assert_eq!(scene.cgp("get --no-color").await.good(), all);
    assert!(!all.contains('\x1b'), "not a terminal: no colours");

    let here = scene.namespace.as_str();
    for line in [
        format!("-n {here} get p"),
        format!("get -n {here} p"),
        format!("get p --namespace={here} -n {here}x"),
    ] {
        let message = scene.cgp(&line).await;
        if line.ends_with('x') {
            assert_eq!(message.code, 2, "{message:?}");
        } else {
            assert_eq!(message.good(), one, "{line}");
        }
    }
    for line in [
        "get -A".to_owned(),
        "get -A -n kube-public".to_owned(),
        "-n kube-public get -A".to_owned(),
    ] {
        let everywhere = scene.cgp(&line).await.good();
        assert!(
            everywhere.contains(&format!("{here}/p   ✔ Ready")),
            "{line}: {everywhere}"
        );
    }

    let wide = scene.cgp("get p -o wide").await.good();
    let cells: Vec<Vec<&str>> = wide
        .lines()
        .map(|line| line.split_whitespace().collect())
        .collect();
    let head =
        "GROUP TOPIC PARTITION CURRENT-OFFSET LOG-END-OFFSET LAG CONSUMER-ID HOST CLIENT-ID POD";
    assert_eq!(cells[0].join(" "), head);
    let first = "billing orders 0 41 44 3 p-billing-6d9f-x2kvp-1f - p-billing-6d9f-x2kvp p-billing-6d9f-x2kvp";
    assert_eq!(cells[1].join(" "), first);
    assert_eq!(
        cells[5][..6].join(" "),
        "mail orders 1 7 - -",
        "unknown is -, never 0"
    );

    let json: Value = serde_json::from_str(&scene.cgp("get p -o json").await.good()).expect("JSON");
    assert_eq!(
        (&json["kind"], &json["status"]["groups"][0]["lag"]),
        (&json!("ConsumerGroupPractice"), &json!(3))
    );
    assert_eq!(json["metadata"]["managedFields"], Value::Null);
    let yaml: Value = serde_yaml::from_str(&scene.cgp("get p -o yaml").await.good()).expect("YAML");
    assert_eq!(yaml, json);
    let list: Value = serde_json::from_str(&scene.cgp("get -o json").await.good()).expect("JSON");
    assert_eq!(
        (&list["kind"], list["items"].as_array().map(Vec::len)),
        (&json!("List"), Some(2))
    );
}

#[tokio::test]
async fn control_characters_are_escaped() {
    let scene = Scene::new("escaped").await;
    let nasty = "red \u{1b}[31m\u{9b}2J\u{202e}";
    let mut evil = status("p");
    evil["conditions"] = json!([condition("Ready", "False", "Broken", nasty)]);
    evil["groups"][0]["members"][0]["name"] = json!(nasty);
    scene.practice("p", evil).await;
    scene
        .journal(
            "p",
            json!({"billing": {"count": 1, "over": [
                {"number": 1, "at": 1_795_608_000_000_i64, "joined": [], "left": [], "moved": [],
                 "why": {"cause": "Unknown", "sentence": nasty}},
            ]}}),
        )
        .await;
    for line in [
        "get p",
        "get p -o wide",
        "get p -o json",
        "get p -o yaml",
        "describe p",
        "journal p",
        "journal p -o wide",
        "journal p -o json",
        "journal p -o yaml",
    ] {
        let message = scene.cgp(line).await.good();
        assert!(
            !message.contains(['\u{1b}', '\u{9b}', '\u{202e}']),
            "{line}: {message:?}"
        );
        assert!(
            message.contains("red ") || line == "get p -o wide",
            "{line}: {message}"
        );
    }
}

#[tokio::test]
async fn describe_has_all_sections() {
    let scene = Scene::new("describe").await;
    scene.practice("p", status("p")).await;
    let message = scene.cgp("describe p").await.good();
    for part in [
        "Name:         p   ✔ Ready",
        "Kafka:        kafka.example:9092",
        "Summary:      topics 1, partitions 3, groups 2, consumers 3, idle 0, lag ?",
        "Conditions\n  ✔ Ready",
        "Topics\n  NAME",
        "✔ matches the manifest   AAAA",
        "Group billing   ✔ Stable   Classic   2/2 consumers   lag 3",
        "Group mail   ✔ Stable   Classic   1/1 consumer   lag ? (offsets of orders/1 are unknown)",
        "p-mail-5f6b-c7n2j   …1f      orders/0",
        "Rebalances\n  TIME",
        "Scaled up: one was added.",
        "Events\n  none",
    ] {
        assert!(message.contains(part), "{part} is missing:\n{message}");
    }
}

#[tokio::test]
async fn journal_is_read_from_its_configmap_or_from_status() {
    let scene = Scene::new("journal").await;
    scene.practice("p", status("p")).await;
    let last = scene.cgp("journal p").await;
    assert_eq!(
        last.err,
        format!(
            "ConfigMap p-journal does not exist in namespace {}: showing the last rebalances from status\n",
            scene.namespace
        )
    );
    assert!(
        last.good()
            .contains("ScaledUp   Scaled up: one was added.       1           0.3 s")
    );

    // a ConfigMap of another owner: the operator records no journal
    scene.practice("q", status("q")).await;
    scene
        .config_map(json!({"name": "q-journal"}), json!({"billing": "b"}))
        .await;
    let last = scene.cgp("journal q").await;
    let says = "ConfigMap q-journal does not belong to this practice, so no journal is recorded: showing the last rebalances from status\n";
    assert_eq!(last.err, says);
    assert!(last.good().contains("Scaled up: one was added."));

    let moved =
        json!([{"topic": "orders", "partition": 1, "from": "a", "to": "b", "unownedMs": 10_200}]);
    scene
        .journal("p", json!({
            "billing": {"count": 2, "over": [
                {"number": 2, "at": 1_795_608_003_000_i64, "joined": ["b"], "left": ["a"], "moved": moved},
                {"number": 1, "at": 1_795_608_000_000_i64, "joined": [], "left": ["a"], "moved": moved,
                 "why": {"cause": "SessionTimedOut", "sentence": "a did not answer.", "advice": "Inspect it: kubectl describe pod a"}},
            ]},
            "mail": {"count": 1, "over": [
                {"number": 1, "at": 1_795_608_001_000_i64, "joined": ["c"], "left": [], "moved": [],
                 "why": {"cause": "ScaledUp", "sentence": "Scaled up: c was added."}},
            ]},
        }))
        .await;
    let message = scene.cgp("journal p").await;
    assert_eq!(message.err, "");
    let words: Vec<String> = message
        .good()
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
        .collect();
    assert_eq!(
        words[0],
        "TIME GROUP CAUSE WHAT HAPPENED MOVED WITHOUT OWNER"
    );
    assert!(
        words[1].ends_with("12:00:00 billing SessionTimedOut a did not answer. 1 10.2 s"),
        "{words:#?}"
    );
    assert_eq!(words[2], "→ Inspect it: kubectl describe pod a");
    assert!(
        words[3].ends_with("12:00:01 mail ScaledUp Scaled up: c was added. 0 -"),
        "{words:#?}"
    );
    assert!(
        words[4].ends_with("12:00:03 billing pending 1 joined, 1 left 1 10.2 s"),
        "{words:#?}"
    );

    let json: Value =
        serde_json::from_str(&scene.cgp("journal p -o json").await.good()).expect("JSON");
    let causes: Vec<&Value> = json["rebalances"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|one| &one["cause"])
        .collect();
    assert_eq!(
        causes,
        [&json!("SessionTimedOut"), &json!("ScaledUp"), &Value::Null],
        "the newest last"
    );
    assert_eq!(json["rebalances"][0]["withoutOwnerMs"], json!(10_200));
    let yaml: Value =
        serde_yaml::from_str(&scene.cgp("journal p -o yaml").await.good()).expect("YAML");
    assert_eq!(yaml, json);
    let wide = scene.cgp("journal p -o wide --group mail").await.good();
    let cells: Vec<Vec<&str>> = wide
        .lines()
        .map(|line| line.split_whitespace().collect())
        .collect();
    assert_eq!(
        cells[0][..8].join(" "),
        "TIME GROUP NUMBER CAUSE JOINED LEFT MOVED WITHOUT-OWNER"
    );
    assert_eq!(
        cells[1][..8].join(" "),
        "2026-11-25T12:00:01Z mail 1 ScaledUp 1 0 0 -"
    );

    let mail = scene.cgp("journal p --group mail").await.good();
    assert!(
        mail.starts_with("TIME ") && !mail.contains("GROUP") && mail.lines().count() == 2,
        "{mail}"
    );
    let one = scene.cgp("journal p --last 1").await.good();
    assert!(
        one.starts_with("2 rebalances earlier: --last 3 shows all\n"),
        "{one}"
    );
}

#[tokio::test]
async fn watch_prints_changes() {
    use tokio::io::{AsyncBufReadExt, BufReader};
    let scene = Scene::new("watch").await;
    scene.practice("p", status("p")).await;
    let mut watching = tokio::process::Command::new(env!("CARGO_BIN_EXE_kubectl-cgp"))
        .args(["get", "p", "-w", "-n", &scene.namespace])
        .env("KUBECONFIG", &scene.kubeconfig)
        .stdout(std::process::Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect("the plugin can be started");
    let mut lines = BufReader::new(watching.stdout.take().expect("it is piped")).lines();
    let mut wait_for = async |text: &str| {
        let found = async {
            while let Some(line) = lines.next_line().await.expect("it can be read") {
                if line.contains(text) {
                    return;
                }
            }
            panic!("it ended before `{text}`");
        };
        tokio::time::timeout(std::time::Duration::from_secs(20), found)
            .await
            .unwrap_or_else(|_| panic!("no `{text}`"));
    };
    wait_for("billing   ✔ Stable   Classic   2/2 consumers   lag 3").await;
    let mut later = status("p");
    later["groups"][0]["lag"] = json!(77);
    scene.practice("p", later).await;
    wait_for("lag 77").await;
}
