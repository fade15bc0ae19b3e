//! The chart's own test, for an operator of the whole cluster and for one that may look into its own namespace only.

use std::time::Duration;

use serde_json::{Value, json};

use crate::common::{
    RELEASE, alone,
    command::{done, helm, kubectl, of_node, repository},
    operator,
    sample::Sample,
    scene::Scene,
    until,
};

#[test]
fn helm_test_passes() {
    let _turn = alone();
    helm_tests("cgp", RELEASE.0);
}

fn helm_tests(release: &str, namespace: &str) {
    let said = done(&mut helm(&[
        "test",
        release,
        "-n",
        namespace,
        "--timeout",
        "3m",
    ]));
    let phase = said
        .lines()
        .find_map(|line| line.strip_prefix("Phase:"))
        .map(str::trim);
    assert_eq!(phase, Some("Succeeded"), "{said}");
}

#[test]
fn a_release_for_one_namespace_sees_no_other() {
    let _turn = alone();
    let (scene, other) = (Scene::new("one-namespace"), Scene::new("no-operator"));
    let _back = Back;
    operator::scale(0);
    let chart = repository("charts/consumer-group-practice")
        .display()
        .to_string();
    let bootstrap = format!(
        "kafka.bootstrapServers={}",
        of_node("BOOTSTRAP").replace(',', "\\,")
    );
    let set = [
        "--set",
        "watch.allNamespaces=false",
        "--set",
        "crds.install=false",
        "--set",
        &bootstrap,
    ];
    let install = [
        "install",
        "one",
        &chart,
        "-n",
        &scene.namespace,
        "--wait",
        "--timeout",
        "2m",
    ];
    done(&mut helm(&[&install[..], &set].concat()));

    let sample = Sample::load("practice-1").renamed(&scene.prefix);
    scene.apply(&sample);
    scene.wait_ready(sample.practice());
    other.apply(&Sample::load("practice-1").renamed(&other.prefix));
    helm_tests("one", &scene.namespace);
    assert_eq!(
        other.practice(sample.practice())["status"],
        Value::Null,
        "no practice owns it here"
    );
    let account = format!(
        "--as=system:serviceaccount:{}:one-operator",
        scene.namespace
    );
    for (namespace, may) in [(&scene.namespace, "yes"), (&other.namespace, "no")] {
        let mut asked = kubectl(&[
            "auth",
            "can-i",
            "create",
            "deployments",
            "-n",
            namespace,
            &account,
        ]);
        let answer = asked.output().expect("kubectl runs").stdout;
        assert_eq!(
            String::from_utf8_lossy(&answer).trim(),
            may,
            "in {namespace}"
        );
    }

    // practices first, as its notes say
    scene.kubectl(&["delete", "cgp", "--all"]);
    until("its objects are gone", Duration::from_secs(30), || {
        let left = scene.objects(sample.practice());
        if left.is_empty() {
            Ok(())
        } else {
            Err(format!("{left:?}"))
        }
    });
    done(&mut helm(&[
        "uninstall",
        "one",
        "-n",
        &scene.namespace,
        "--wait",
    ]));
    let left = scene.get(&[
        "deployments,services,serviceaccounts,roles,rolebindings",
        "-l",
        "app.kubernetes.io/instance=one",
    ]);
    assert_eq!(left["items"], json!([]));
}

/// However the test ends, the operator of the whole cluster runs again.
struct Back;

impl Drop for Back {
    fn drop(&mut self) {
        operator::scale(1);
    }
}
