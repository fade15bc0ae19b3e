use serde_json::json;

use super::*;

#[test]
fn the_columns_are_those_of_kafkas_own_tool() {
    let member = |name: &str, partitions: serde_json::Value| {
        json!({"name": name, "pod": name, "memberId": format!("{name}-id"), "clientId": name, "partitions": partitions,
               "partitionCount": 1, "lag": null})
    };
    let group = |name: &str, members: serde_json::Value| {
        json!({"name": name, "claimed": true, "state": "Stable", "protocol": "Classic", "replicas": 2, "readyReplicas": 2,
               "lag": null, "members": members})
    };
    let mut abandoned = group("left", json!([]));
    abandoned["unowned"] = json!([{"topic": "t", "partition": 2, "committed": 1, "end": 4, "lag": 3}]);
    let practice: ConsumerGroupPractice = serde_json::from_value(json!({
        "apiVersion": "kafka-practice.dev/v1alpha1", "kind": "ConsumerGroupPractice",
        "metadata": {"name": "p", "namespace": "team-a"},
        "spec": {"topics": [{"name": "t"}]},
        "status": {"groups": [
            group("g", json!([
                member("a", json!([
                    {"topic": "t", "partition": 0, "committed": 3, "end": 10, "lag": 7},
                    {"topic": "t", "partition": 1, "lag": null, "because": "Unknown"},
                ])),
                member("b", json!([])),
            ])),
            group("empty", json!([])),
            abandoned,
        ]},
    }))
    .expect("it is a practice");
    let lines: Vec<String> = wide(std::slice::from_ref(&practice), false).iter().map(Line::text).collect();
    let expected = [
        "GROUP   TOPIC   PARTITION   CURRENT-OFFSET   LOG-END-OFFSET   LAG   CONSUMER-ID   HOST   CLIENT-ID   POD",
        "g       t               0                3               10     7   a-id          -      a           a",
        "g       t               1                -                -     -   a-id          -      a           a",
        "g       -               -                -                -     -   b-id          -      b           b",
        "empty   -               -                -                -     -   -             -      -           -",
        "left    t               2                1                4     3   -             -      -           -",
    ];
    assert_eq!(lines, expected, "\n{}", lines.join("\n"));
    let everywhere: Vec<String> = wide(&[practice], true).iter().map(Line::text).collect();
    assert!(everywhere[0].starts_with("NAMESPACE   GROUP "), "{}", everywhere[0]);
    assert!(everywhere[1].starts_with("team-a      g "), "{}", everywhere[1]);
}
