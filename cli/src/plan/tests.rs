//! What is said of a manifest, word for word.

use std::collections::BTreeMap;

use practice_api::PracticeStatus;
use practice_plan::{
    plan::{Defaults, Plan, plan as planned},
    predict::{Broker, Now, predict, rows_of_pods},
};
use serde_json::{Value, json};

use super::*;

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
fn a_change_is_a_number_first_then_why() {
    let more = to(json!({"topics": [{"name": "orders", "partitions": 3}],
        "groups": [{"name": "billing", "replicas": 5}, {"name": "mail", "replicas": 1}]}));
    assert_eq!(
        text(&more, None),
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
    let fewer = to(
        json!({"topics": [{"name": "orders", "partitions": 3}], "producer": {"enabled": false},
        "groups": [{"name": "billing", "replicas": 1}]}),
    );
    assert_eq!(
        text(&fewer, None),
        [
            "p   2 of 2 groups change, 2 consumers stop",
            "  topic orders   stays as it is",
            "  billing   2 → 1 consumers",
            "    stops     1 consumer",
            "    moves     1..2 of 3 partitions: orders/0 and orders/2, or orders/1",
            "    stays     1..2 of 3 partitions",
            "    pause     1..2 partitions, each for about 0.5 s: cooperative-sticky: only what moves (heartbeatInterval 500ms)",
            "              a consumer that crashes or hangs instead is noticed after 10 s",
            "  mail   gone, 1 → 0 consumers",
            "    stops     1 consumer: its committed offsets stay",
            "    pause     3 partitions without an owner: nobody of the group is left; its committed offsets stay",
            "  producer   stops: spec.producer.enabled is false",
        ]
    );
    let same = json!({"topics": [{"name": "orders", "partitions": 3}],
        "groups": [{"name": "billing", "replicas": 2}, {"name": "mail", "replicas": 1}]});
    assert_eq!(text(&to(same), None)[0], "p   ✔ nothing changes");
}

#[test]
fn what_is_new_or_refused_is_said_so() {
    let new = predict(
        &plan_of(
            json!({"topics": [{"name": "t", "partitions": 2}], "groups": [{"name": "g", "replicas": 3}]}),
        ),
        None,
        Broker::default(),
    );
    assert_eq!(
        text(&new, None),
        [
            "p   new, 3 consumers start",
            "  topic t   is made   2 partitions, replicationFactor 1; one that Kafka has already is used, and grows if it is smaller",
            "  g   new, 3 consumers",
            "    starts    3 consumers",
            "    idle      1 of 3 consumers: 2 partitions, each has one owner in a group",
            "              to use all 3: 3 partitions of t (they cannot be taken away again), or 2 consumers",
            "  producer   starts",
        ]
    );
    let refused = Prediction::refused(
        "n",
        "p",
        Some(true),
        vec!["spec.groups[0].replicas: 101 is too many".to_owned()],
    );
    assert_eq!(
        text(&refused, None),
        [
            "p   ✘ would be refused: nothing happens",
            "              spec.groups[0].replicas: 101 is too many"
        ]
    );
}

#[test]
fn long_reasons_are_wrapped_and_nothing_drives_the_terminal() {
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
