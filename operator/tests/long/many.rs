//! A hundred practices: how soon all of them stand, what that costs, and that it costs nothing afterwards.

use std::{thread::sleep, time::Duration};

use serde_json::json;

use crate::common::{
    alone,
    figures::{Bound, figure},
    host,
    operator::{self, Audit},
    sample::Sample,
    scene::{Scene, condition},
    until,
};

const PRACTICES: u32 = 100;

#[test]
fn a_hundred_practices_converge_and_then_cost_nothing() {
    let _turn = alone();
    let scene = Scene::new("hundred");
    let pods = operator::pods();
    let env = pods[0]["spec"]["containers"][0]["env"]
        .as_array()
        .expect("it has an environment");
    assert!(
        env.iter().any(|variable| variable["name"] == "VIEW"),
        "it is measured with its picture: {env:?}"
    );
    let before = host::rss(operator::process());
    let mut audit = Audit::from_here();
    let items: Vec<_> = (0..PRACTICES)
        .map(|n| {
            let prefix = format!("{}-{n}", scene.prefix);
            let groups: Vec<_> = (0..3).map(|g| json!({"name": format!("{prefix}-g{g}"), "replicas": 0})).collect();
            json!({
                "apiVersion": "kafka-practice.dev/v1alpha1", "kind": "ConsumerGroupPractice",
                "metadata": {"name": format!("p{n}")},
                "spec": {"topics": [{"name": format!("{prefix}-t")}], "groups": groups, "producer": {"enabled": false}},
            })
        })
        .collect();
    let began = std::time::Instant::now();
    scene.apply(&Sample(
        json!({"apiVersion": "v1", "kind": "List", "items": items}),
    ));
    until("all are ready", Duration::from_mins(5), || {
        let list = scene.get(&["cgp"]);
        let practices = list["items"].as_array().expect("a list");
        let ready = practices
            .iter()
            .filter(|practice| condition(practice, "Ready") == "True")
            .count();
        if ready == items.len() {
            Ok(())
        } else {
            Err(format!("{ready} of {PRACTICES}"))
        }
    });
    let taken = began.elapsed().as_secs_f64();
    let (mut reads, mut writes) = audit.requests(&scene.namespace);
    until(
        "nothing is written any more",
        Duration::from_mins(2),
        || {
            sleep(Duration::from_secs(10));
            let (read, written) = audit.requests(&scene.namespace);
            reads.extend(read);
            let quiet = written.is_empty();
            writes.extend(written);
            if quiet {
                Ok(())
            } else {
                Err(format!("{:?}", writes.last()))
            }
        },
    );
    let cpu = host::cpu_seconds(operator::process());
    sleep(Duration::from_mins(1));
    let cpu = host::cpu_seconds(operator::process()) - cpu;
    let at_rest = audit.writes(&scene.namespace);
    let rss = host::rss(operator::process());

    let each = |requests: &[String]| {
        f64::from(u32::try_from(requests.len()).expect("fewer")) / f64::from(PRACTICES)
    };
    let what = format!("{PRACTICES} practices x 3 groups of 0 consumers");
    let how = "`kubectl apply` of one list begins, until kubectl shows all of them Ready";
    figure(&format!("{what}: all ready"), taken, "s", Bound::None, how);
    let how = "requests of the operator in the audit log until nothing is written any more, each practice";
    figure(
        &format!("{what}: writes"),
        each(&writes),
        "a practice",
        Bound::None,
        how,
    );
    figure(
        &format!("{what}: reads"),
        each(&reads),
        "a practice",
        Bound::None,
        how,
    );
    let how = format!("VmRSS a minute later; {before:.1} MiB before");
    figure(
        &format!("{what}: operator, RSS"),
        rss,
        "MiB",
        Bound::None,
        &how,
    );
    let how = "difference of the two, a practice";
    figure(
        &format!("{what}: memory"),
        (rss - before) * 1024.0 / f64::from(PRACTICES),
        "KiB",
        Bound::None,
        how,
    );
    let how = "user and system time over a minute, the picture enabled and no page of it open";
    figure(
        &format!("{what}: CPU at rest"),
        cpu / 60.0 * 100.0,
        "% of a core",
        Bound::AtMost(2.0),
        how,
    );
    let n = f64::from(u32::try_from(at_rest.len()).expect("fewer"));
    figure(
        &format!("{what}: writes at rest"),
        n,
        "",
        Bound::AtMost(0.0),
        "in a minute",
    );
    assert_eq!(at_rest, Vec::<String>::new());
}
