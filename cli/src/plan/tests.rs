//! Output of `plan`; one golden file pins a whole screen.

use std::collections::BTreeMap;

use practice_api::PracticeStatus;
use practice_plan::{
    plan::{Defaults, Plan, plan as planned},
    predict::{Broker, Now, predict, rows_of_pods},
};
use serde_json::{Value, json};

use super::*;
use crate::golden::assert_golden;

fn plan_of(spec: Value) -> Plan {
    let practice = serde_json::from_value(json!({
        "apiVersion": "kafka-practice.dev/v1alpha1", "kind": "ConsumerGroupPractice",
        "metadata": {"name": "p", "namespace": "n", "generation": 1}, "spec": spec
    }));
    let defaults = Defaults {
        bootstrap_servers: Some("k:1".into()),
        ..Defaults::default()
    };
    planned(&practice.expect("a practice"), &defaults).expect("legal")
}

fn text(prediction: &Prediction, width: Option<usize>) -> Vec<String> {
    plan(
        prediction,
        Shape {
            width,
            with_namespace: false,
        },
    )
    .iter()
    .map(Line::text)
    .collect()
}

/// Two consumers on three partitions, and a group of one.
fn live() -> (Plan, PracticeStatus) {
    let plan = plan_of(json!({"topics": [{"name": "orders", "partitions": 3}],
        "groups": [{"name": "billing", "replicas": 2}, {"name": "mail", "replicas": 1}]}));
    let member = |name: &str, owned: &[i32]| {
        let partitions: Vec<Value> = owned
            .iter()
            .map(|n| json!({"topic": "orders", "partition": n, "lag": 0}))
            .collect();
        json!({"name": name, "pod": name, "memberId": name, "clientId": name, "lag": 0,
            "partitionCount": owned.len(), "partitions": partitions})
    };
    let group = |name: &str, members: Vec<Value>| {
        json!({"name": name, "groupIdOwned": true, "state": "Stable", "protocol": "Classic", "replicas": members.len(),
            "readyReplicas": members.len(), "lag": 0, "members": members})
    };
    let status = json!({
        "observedGeneration": 1, "bootstrapServers": "k:1",
        "topics": [{"name": "orders", "ready": true, "partitions": 3, "replicationFactor": 1}],
        "groups": [
            group("billing", vec![member("p-billing-6d9f-x2kvp", &[0, 2]), member("p-billing-6d9f-zq8rm", &[1])]),
            group("mail", vec![member("p-mail-5f6b-c7n2j", &[0, 1, 2])]),
        ],
    });
    (plan, serde_json::from_value(status).expect("a status"))
}

fn to(spec: Value) -> Prediction {
    let (before, status) = live();
    let rows: BTreeMap<String, String> = rows_of_pods(&before, &status);
    assert_eq!(rows.len(), 3, "every consumer is of a row: {rows:?}");
    let now = Now {
        plan: &before,
        status: Some(&status),
        rows: &rows,
    };
    predict(&plan_of(spec), Some(&now), Broker::default())
}

#[test]
fn change_has_a_number_then_its_reason() {
    let more = to(json!({"topics": [{"name": "orders", "partitions": 3}],
        "groups": [{"name": "billing", "replicas": 5}, {"name": "mail", "replicas": 1}]}));
    assert_golden("plan", &text(&more, None));
    let fewer = to(
        json!({"topics": [{"name": "orders", "partitions": 3}], "producer": {"enabled": false},
        "groups": [{"name": "billing", "replicas": 1}]}),
    );
    let screen = text(&fewer, None).join("\n");
    for part in [
        "p   2 of 2 groups change, 2 consumers stop",
        "billing   2 → 1 consumers",
        "stops     1 consumer",
        "moves     1..2 of 3 partitions: orders/0 and orders/2, or orders/1",
        "stays     1..2 of 3 partitions",
        "pause     1..2 partitions, ",
        " after 10 s",
        "1 → 0 consumers",
        "pause     3 partitions",
        "spec.producer.enabled is false",
    ] {
        assert!(screen.contains(part), "{part}:\n{screen}");
    }
    let same = json!({"topics": [{"name": "orders", "partitions": 3}],
        "groups": [{"name": "billing", "replicas": 2}, {"name": "mail", "replicas": 1}]});
    assert_eq!(text(&to(same), None)[0], "p   ✔ nothing changes");
}

#[test]
fn new_and_refused_manifests() {
    let new = predict(
        &plan_of(
            json!({"topics": [{"name": "t", "partitions": 2}], "groups": [{"name": "g", "replicas": 3}]}),
        ),
        None,
        Broker::default(),
    );
    let screen = text(&new, None).join("\n");
    for part in [
        "p   new, 3 consumers start",
        "topic t   is created   2 partitions, replicationFactor 1; ",
        "g   new, 3 consumers",
        "starts    3 consumers",
        "idle      1 of 3 consumers: 2 partitions, ",
        "to use all 3: 3 partitions of t ",
        "producer   starts",
    ] {
        assert!(screen.contains(part), "{part}:\n{screen}");
    }
    let refused = Prediction::refused(
        "n",
        "p",
        Some(true),
        vec!["spec.groups[0].replicas: 101 is too many".to_owned()],
    );
    assert_eq!(
        text(&refused, None),
        [
            "p   ✘ would be refused: no changes",
            "              spec.groups[0].replicas: 101 is too many"
        ]
    );
}

#[test]
fn long_reasons_wrap_and_control_characters_are_escaped() {
    let nasty = "red \u{1b}[31m \u{202e} and so on and so on and so on and so on";
    let refused = Prediction::refused("n", "p", None, vec![nasty.to_owned()]);
    let lines = text(&refused, Some(60));
    assert!(
        lines.len() > 2 && lines.iter().skip(1).all(|line| line.chars().count() <= 60),
        "{lines:#?}"
    );
    assert!(
        !lines.concat().contains(['\u{1b}', '\u{202e}']),
        "{lines:?}"
    );
    assert!(lines.concat().contains("\\u{1b}[31m"), "{lines:?}");
}
