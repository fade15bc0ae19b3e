use serde_json::json;

use super::*;

#[test]
fn columns_are_those_of_kafka_consumer_groups() {
    let member = |name: &str, partitions: serde_json::Value| {
        let count = partitions.as_array().map_or(0, Vec::len);
        json!({"name": name, "pod": name, "memberId": format!("{name}-id"), "clientId": name, "partitions": partitions,
               "partitionCount": count, "lag": null})
    };
    let group = |name: &str, members: serde_json::Value| {
        json!({"name": name, "groupIdOwned": true, "state": "Stable", "protocol": "Classic", "replicas": 2, "readyReplicas": 2,
               "lag": null, "members": members})
    };
    let mut abandoned = group("left", json!([]));
    abandoned["unowned"] =
        json!([{"topic": "t", "partition": 2, "committed": 1, "end": 4, "lag": 3}]);
    let practice: ConsumerGroupPractice = serde_json::from_value(json!({
        "apiVersion": "kafka-practice.dev/v1alpha1", "kind": "ConsumerGroupPractice",
        "metadata": {"name": "p", "namespace": "team-a"},
        "spec": {"topics": [{"name": "t"}]},
        "status": {"groups": [
            group("g", json!([
                member("a", json!([
                    {"topic": "t", "partition": 0, "committed": 3, "end": 10, "lag": 7},
                    {"topic": "t", "partition": 1, "lag": null, "lagReason": "Unknown"},
                ])),
                member("b", json!([])),
            ])),
            group("empty", json!([])),
            abandoned,
        ]},
    }))
    .expect("it is a practice");
    let lines: Vec<String> = wide(std::slice::from_ref(&practice), false)
        .iter()
        .map(Line::text)
        .collect();
    let expected = [
        "GROUP   TOPIC   PARTITION   CURRENT-OFFSET   LOG-END-OFFSET   LAG   CONSUMER-ID   HOST   CLIENT-ID   POD",
        "g       t               0                3               10     7   a-id          -      a           a",
        "g       t               1                -                -     -   a-id          -      a           a",
        "g       -               -                -                -     -   b-id          -      b           b",
        "empty   -               -                -                -     -   -             -      -           -",
        "left    t               2                1                4     3   -             -      -           -",
    ];
    assert_eq!(lines, expected, "\n{}", lines.join("\n"));
    assert_eq!(notes(std::slice::from_ref(&practice)), Vec::<String>::new());
    let everywhere: Vec<String> = wide(&[practice], true).iter().map(Line::text).collect();
    assert!(
        everywhere[0].starts_with("NAMESPACE   GROUP "),
        "{}",
        everywhere[0]
    );
    assert!(
        everywhere[1].starts_with("team-a      g "),
        "{}",
        everywhere[1]
    );
}

#[test]
fn what_status_does_not_list_is_not_called_idle() {
    let member = |name: &str, listed: i32, count: i32| {
        let partitions: Vec<_> = (0..listed)
            .map(|number| json!({"topic": "t", "partition": number, "lag": 0}))
            .collect();
        json!({"name": name, "pod": name, "memberId": format!("{name}-id"), "clientId": name, "partitions": partitions,
               "partitionCount": count, "lag": 0})
    };
    let group = |name: &str, members: serde_json::Value| {
        json!({"name": name, "groupIdOwned": true, "state": "Stable", "protocol": "Classic", "replicas": 2, "readyReplicas": 2,
               "lag": 0, "members": members, "truncated": true})
    };
    let mut unowned = group("u", json!([]));
    unowned["unownedCount"] = json!(7);
    let practice: ConsumerGroupPractice = serde_json::from_value(json!({
        "apiVersion": "kafka-practice.dev/v1alpha1", "kind": "ConsumerGroupPractice",
        "metadata": {"name": "p", "namespace": "team-a"},
        "spec": {"topics": [{"name": "t"}]},
        "status": {"groups": [
            group("g", json!([member("some", 1, 3), member("cut", 0, 2), member("idle", 0, 0)])),
            group("of-many", json!([member("whole", 1, 1)])),
            unowned,
        ]},
    }))
    .expect("it is a practice");
    let lines: Vec<String> = wide(std::slice::from_ref(&practice), false)
        .iter()
        .map(Line::text)
        .collect();
    let who: Vec<Vec<&str>> = lines[1..]
        .iter()
        .map(|line| line.split_whitespace().collect())
        .collect();
    let who: Vec<[&str; 3]> = who
        .iter()
        .map(|cells| [cells[0], cells[2], cells[9]])
        .collect();
    let expected = [
        ["g", "0", "some"],
        ["g", "-", "idle"],
        ["of-many", "0", "whole"],
        ["u", "-", "-"],
    ];
    assert_eq!(who, expected, "\n{}", lines.join("\n"));
    let expected = [
        "warning: practice p, group g: at least 4 partitions without a row: status is limited in size",
        "warning: practice p, group of-many: members without a row: status is limited in size",
        "warning: practice p, group u: at least 7 partitions without a row: status is limited in size",
    ];
    assert_eq!(notes(&[practice]), expected);
}
