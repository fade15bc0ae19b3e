//! The roles of users on a cluster: Kubernetes adds the chart's to its own, and a learner works with them in one namespace.

use std::time::Duration;

use serde_json::{Value, json};

use crate::common::{
    command::{done, kubectl, run},
    sample::Sample,
    scene::Scene,
    together, until,
};

/// Binds a `ClusterRole` of Kubernetes to a `ServiceAccount` of the namespace, and returns the user that `--as` takes.
fn bind(scene: &Scene, role: &str) -> String {
    let account = format!("{}:{role}", scene.namespace);
    scene.kubectl(&["create", "serviceaccount", role]);
    let clusterrole = format!("--clusterrole={role}");
    let serviceaccount = format!("--serviceaccount={account}");
    scene.kubectl(&["create", "rolebinding", role, &clusterrole, &serviceaccount]);
    format!("--as=system:serviceaccount:{account}")
}

const PRACTICES: &str = "consumergrouppractices.kafka-practice.dev";

/// Whether the user may do that to practices, or to a subresource of them, in a namespace.
fn may(user: &str, namespace: &str, verb: &str, subresource: &str) -> bool {
    let subresource = format!("--subresource={subresource}");
    let args = [
        "auth",
        "can-i",
        verb,
        PRACTICES,
        &subresource,
        user,
        "-n",
        namespace,
    ];
    // it exits with 1 when the answer is no
    run(&mut kubectl(&args)).is_ok_and(|answer| answer.trim() == "yes")
}

#[test]
fn the_roles_edit_and_view_of_kubernetes_reach_practices_in_their_namespace_alone() {
    let _turn = together();
    let scene = Scene::new("roles");
    let (editor, viewer) = (bind(&scene, "edit"), bind(&scene, "view"));
    let own = scene.namespace.as_str();
    until(
        "the controller adds the rights to edit",
        Duration::from_mins(1),
        || {
            let both = may(&editor, own, "create", "") && may(&viewer, own, "get", "");
            both.then_some(()).ok_or_else(|| "not yet".to_owned())
        },
    );
    for (verb, subresource, namespace, expected) in [
        ("get", "", own, (true, true)),
        ("watch", "", own, (true, true)),
        ("patch", "", own, (true, false)),
        ("delete", "", own, (true, false)),
        ("get", "status", own, (false, false)),
        ("patch", "status", own, (false, false)),
        ("update", "status", own, (false, false)),
        ("create", "", "default", (false, false)),
        ("get", "", "default", (false, false)),
    ] {
        let found = (
            may(&editor, namespace, verb, subresource),
            may(&viewer, namespace, verb, subresource),
        );
        assert_eq!(found, expected, "{verb} {subresource} in {namespace}");
    }

    // a learner's way, with these rights alone
    let sample = Sample::load("practice-3").renamed(&scene.prefix);
    let file = std::env::temp_dir().join(format!("{}.json", scene.prefix));
    std::fs::write(&file, sample.0.to_string()).expect("can be written");
    let path = file.display().to_string();
    scene.kubectl(&["apply", "-f", &path, &editor]);
    std::fs::remove_file(&file).expect("it is there");
    let practice = sample.practice();
    let resource = format!("cgp/{practice}");
    scene.kubectl(&[
        "wait",
        "--for=condition=Ready",
        &resource,
        "--timeout=60s",
        &viewer,
    ]);
    let read = done(&mut kubectl(&[
        "-n", own, "get", &resource, "-o", "json", &viewer,
    ]));
    let read: Value = serde_json::from_str(&read).expect("kubectl prints JSON");
    assert_eq!(read["status"]["summary"]["groups"], json!(3));
    scene.kubectl(&["delete", &resource, &editor]);
}
