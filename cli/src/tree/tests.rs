use serde_json::{Value, json};

use super::*;
use crate::golden::assert_golden;

mod remarks;

/// A practice like sample 3, with the given groups.
fn practice(groups: Value) -> ConsumerGroupPractice {
    serde_json::from_value(json!({
        "apiVersion": "kafka-practice.dev/v1alpha1", "kind": "ConsumerGroupPractice",
        "metadata": {"name": "p", "namespace": "team-a", "generation": 1},
        "spec": {
            "topics": [{"name": "t", "partitions": 3}],
            "groups": [
                {"name": "fast", "replicas": 2},
                {"name": "slow", "replicas": 1, "processingDelay": "2s", "assignor": "Range",
                 "variants": [{"name": "snail", "replicas": 1, "processingDelay": "5s"}]},
            ],
        },
        "status": {
            "observedGeneration": 1,
            "bootstrapServers": "kafka:9092",
            "conditions": [condition("Ready", "True", "Running", "all is well")],
            "topics": [{"name": "t", "ready": true, "partitions": 3, "replicationFactor": 1}],
            "groups": groups,
        },
    }))
    .expect("it is a practice")
}

fn condition(kind: &str, status: &str, reason: &str, message: &str) -> Value {
    json!({"type": kind, "status": status, "reason": reason, "message": message,
           "lastTransitionTime": "2026-11-25T14:00:00Z"})
}

fn group(name: &str, state: &str, wanted: i32, lag: Option<i64>, members: Value) -> Value {
    json!({"name": name, "groupIdOwned": true, "state": state, "protocol": "Classic", "replicas": wanted,
           "readyReplicas": wanted, "lag": lag, "members": members})
}

fn member(name: &str, partitions: Value) -> Value {
    let count = partitions.as_array().map_or(0, Vec::len);
    json!({"name": name, "pod": name, "memberId": format!("{name}-id"), "clientId": name,
           "partitions": partitions, "partitionCount": count, "lag": null})
}

fn owned(
    number: i32,
    committed: Option<i64>,
    end: Option<i64>,
    lag: Option<i64>,
    because: Option<&str>,
) -> Value {
    json!({"topic": "t", "partition": number, "committed": committed, "end": end, "lag": lag, "lagReason": because})
}

const NOW: &str = "2026-11-25T14:05:00Z";

fn drawn(practice: &ConsumerGroupPractice, width: Option<usize>) -> Vec<String> {
    let now = NOW.parse().expect("it is a time");
    tree_at(
        practice,
        Shape {
            width,
            with_namespace: false,
        },
        now,
    )
    .iter()
    .map(Line::text)
    .collect()
}

#[test]
fn tree_has_groups_consumers_and_partitions() {
    let practice = practice(json!([
        group(
            "fast",
            "Stable",
            2,
            Some(0),
            json!([
                member(
                    "p-fast-6d9f-x2kvp",
                    json!([
                        owned(0, Some(41), Some(41), Some(0), None),
                        owned(2, Some(9), Some(9), Some(0), None)
                    ])
                ),
                member(
                    "p-fast-6d9f-zq8rm",
                    json!([owned(1, Some(44), Some(44), Some(0), None)])
                ),
            ])
        ),
        group(
            "slow",
            "Stable",
            2,
            Some(12),
            json!([
                member(
                    "p-slow-7c41-m4d5t",
                    json!([
                        owned(0, Some(41), Some(41), Some(0), None),
                        owned(1, Some(32), Some(44), Some(12), None)
                    ])
                ),
                member(
                    "p-slow-snail-58b7-h2lqw",
                    json!([owned(2, Some(9), Some(9), Some(0), None)])
                ),
            ])
        ),
    ]));
    assert_golden("tree", &drawn(&practice, None));
}

/// The lines below the head, of the first group alone.
fn of_group(group: Value) -> Vec<String> {
    let mut practice = practice(json!([group]));
    practice.spec.groups.truncate(1);
    drawn(&practice, None).split_off(1)
}

#[test]
fn unknown_lag_is_a_question_mark_with_its_reason() {
    let rows = [
        (
            owned(0, Some(3), None, None, Some("Unknown")),
            "t/0  3/?  lag ? (offsets unknown)",
        ),
        (
            owned(0, None, None, None, None),
            "t/0  ?/?  lag ? (offsets unknown)",
        ),
        (
            owned(0, None, Some(7), Some(7), Some("NoCommit")),
            "t/0  -/7  lag 7 (no commit yet)",
        ),
        (
            owned(0, Some(1), Some(9), Some(4), Some("Expired")),
            "t/0  1/9  lag 4 (messages expired before being read)",
        ),
        (
            owned(0, Some(9), Some(2), Some(0), Some("Stale")),
            "t/0  9/2  lag 0 (committed offset is beyond the end: reset the group's offsets)",
        ),
        (
            owned(0, Some(9), Some(9), Some(0), Some("SomethingNew")),
            "t/0  9/9  lag 0 (SomethingNew)",
        ),
    ];
    for (owned, expected) in rows {
        let lag = owned["lag"].as_i64();
        let lines = of_group(group(
            "fast",
            "Stable",
            1,
            lag,
            json!([member("p-fast-a-b", json!([owned]))]),
        ));
        assert_eq!(lines[1], format!("   └─ …a-b   {expected}"));
        let of_group = if lag.is_none() {
            "lag ?   offsets of t/0 are unknown"
        } else {
            "lag "
        };
        assert!(lines[0].contains(of_group), "{}", lines[0]);
    }
    let ghost = of_group(group("fast", "Unknown", 2, None, json!([])));
    assert_eq!(
        ghost[0],
        "└─ fast   ? Unknown   Classic   ?/2 consumers   lag ?   Kafka has not described the group"
    );
    let unassigned = of_group(group("fast", "Stable", 0, None, json!([])));
    assert!(
        unassigned[0].ends_with("lag ?   offsets of an unassigned partition are unknown"),
        "{}",
        unassigned[0]
    );
}

#[test]
fn unreachable_kafka_is_the_reason() {
    let mut practice = practice(json!([group("fast", "Unknown", 2, None, json!([]))]));
    let status = practice.status.as_mut().expect("it has one");
    let down = [
        condition("Ready", "False", "KafkaUnreachable", "no broker answers"),
        condition(
            "KafkaReachable",
            "False",
            "ConnectionRefused",
            "no broker answers",
        ),
        condition("Stalled", "True", "NameConflict", "p-fast is not ours"),
        condition(
            "TopicsReady",
            "Unknown",
            "KafkaUnreachable",
            "Kafka has not been polled yet",
        ),
    ];
    status.conditions = down
        .map(|one| serde_json::from_value(one).expect("it is a condition"))
        .to_vec();
    let expected = [
        "p   ✘ NotReady   t 3 partitions, 1 replica   Kafka kafka:9092",
        "│  ✘ not Ready  KafkaUnreachable: no broker answers",
        "│  ✘ Stalled  NameConflict: p-fast is not ours",
        "│  ⚠ TopicsReady  KafkaUnreachable: Kafka has not been polled yet",
        "└─ fast   ? Unknown   Classic   ?/2 consumers   lag ?   Kafka: ConnectionRefused",
    ];
    assert_eq!(drawn(&practice, None), expected);
}

#[test]
fn idle_consumers_have_a_reason() {
    let mut idle = member("p-fast-a-idle", json!([]));
    idle["idleBecause"] = json!("1 partition, 2 consumers: 1 waits");
    let mut stable = group(
        "fast",
        "Stable",
        2,
        Some(0),
        json!([
            member(
                "p-fast-a-b",
                json!([owned(0, Some(1), Some(1), Some(0), None)])
            ),
            idle
        ]),
    );
    stable["idle"] = json!(1);
    let lines = of_group(stable);
    assert_eq!(
        lines[0],
        "└─ fast   ✔ Stable   Classic   2/2 consumers   lag 0   1 idle"
    );
    assert_eq!(
        lines[2],
        "   └─ …a-idle   ○ idle  1 partition, 2 consumers: 1 waits"
    );

    let lines = of_group(group(
        "fast",
        "PreparingRebalance",
        2,
        Some(0),
        json!([
            member("p-fast-a-b", json!([])),
            member("p-fast-a-c", json!([]))
        ]),
    ));
    assert_eq!(
        lines[0],
        "└─ fast   ↻ PreparingRebalance   Classic   2/2 consumers   lag 0"
    );
    assert_eq!(
        lines[1..],
        [
            "   ├─ …a-b   ↻ waits  for the rebalance to end",
            "   └─ …a-c   ↻ waits  for the rebalance to end"
        ]
    );

    let lines = of_group(group(
        "fast",
        "Stable",
        1,
        Some(0),
        json!([member("p-fast-a-b", json!([]))]),
    ));
    assert_eq!(
        lines[1], "   └─ …a-b   ○ no partition yet",
        "within the time in which it may get one"
    );
}

#[test]
fn groups_without_members_show_their_state() {
    let lines = of_group(group("fast", "Empty", 2, Some(4), json!([])));
    let expected = [
        "└─ fast   ✘ Empty   Classic   0/2 consumers   lag 4",
        "   ⚠ 2 of 2 consumers ready, but not in the group yet",
    ];
    assert_eq!(lines, expected);
    assert_eq!(
        of_group(group("fast", "Empty", 0, Some(4), json!([]))),
        ["└─ fast   ○ ScaledToZero   Classic   0/0 consumers   lag 4"]
    );
    let mut unclaimed = group("fast", "Absent", 0, Some(0), json!([]));
    unclaimed["groupIdOwned"] = json!(false);
    let lines = of_group(unclaimed);
    assert!(
        lines[0].starts_with("└─ fast   ✘ GroupIdNotOwned"),
        "{lines:?}"
    );
    assert!(
        lines[1].contains("until its group id is known to be unused by other applications"),
        "{lines:?}"
    );

    let mut none = practice(json!([]));
    none.spec.groups.clear();
    assert_eq!(drawn(&none, None)[1..], ["└─ no groups in the manifest"]);
    none.status = None;
    assert_eq!(
        drawn(&none, None),
        [
            "p   ⚠ Pending",
            "   ⚠ no status: the operator has not reconciled this practice yet; run kubectl cgp check"
        ]
    );
    let mut edited = practice(json!([group("fast", "Stable", 0, Some(0), json!([]))]));
    edited.metadata.generation = Some(2);
    assert!(drawn(&edited, None)[1].contains("status is out of date"));
}

#[test]
fn long_names_are_not_truncated_and_partitions_wrap() {
    let long = "x".repeat(249);
    let lines = of_group(group(
        "fast",
        "Stable",
        1,
        Some(0),
        json!([member(
            &long,
            json!([owned(0, Some(1), Some(1), Some(0), None)])
        ),]),
    ));
    assert_eq!(lines[1], format!("   └─ {long}   t/0  1/1  lag 0"));

    let partitions: Vec<Value> = (0..5)
        .map(|n| owned(n, Some(1), Some(1), Some(0), None))
        .collect();
    let mut many = member("p-fast-a-b", json!(partitions));
    many["partitionCount"] = json!(9);
    let mut practice = practice(json!([group("fast", "Stable", 1, Some(0), json!([many]))]));
    practice.spec.groups.truncate(1);
    let expected = [
        "   └─ …a-b   t/0  1/1  lag 0    t/1  1/1  lag 0",
        "             t/2  1/1  lag 0    t/3  1/1  lag 0",
        "             t/4  1/1  lag 0    and 4 more",
    ];
    assert_eq!(drawn(&practice, Some(50))[2..], expected);
    assert_eq!(
        drawn(&practice, None).len(),
        3,
        "a line each where nothing ends"
    );
}

#[test]
fn control_characters_are_escaped() {
    let mut practice = practice(json!([group(
        "fast",
        "Stable",
        1,
        Some(0),
        json!([member("evil\u{1b}[2J", json!([]))])
    )]));
    practice.status.as_mut().expect("it has one").topics[0].name = "t\u{202e}".to_owned();
    for line in tree(&practice, Shape::default()) {
        assert!(
            !line.text().contains(['\u{1b}', '\u{202e}']),
            "{}",
            line.text()
        );
    }
}
