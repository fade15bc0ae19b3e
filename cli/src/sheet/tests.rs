use serde_json::json;

use super::*;
use crate::golden::assert_golden;

#[test]
fn unlisted_partitions_are_counted_and_not_shown_as_idle() {
    let member = |name: &str, listed: i32, count: i32| {
        let partitions: Vec<_> = (0..listed)
            .map(|number| json!({"topic": "t", "partition": number, "committed": 1, "end": 1, "lag": 0}))
            .collect();
        json!({"name": name, "pod": name, "memberId": format!("{name}-id"), "clientId": name, "partitions": partitions,
               "partitionCount": count, "lag": 0})
    };
    let mut waits = member("waits", 0, 0);
    waits["idleBecause"] = json!("5 partitions, 3 consumers");
    let practice: ConsumerGroupPractice = serde_json::from_value(json!({
        "apiVersion": "kafka-practice.dev/v1alpha1", "kind": "ConsumerGroupPractice",
        "metadata": {"name": "p", "namespace": "team-a"},
        "spec": {"topics": [{"name": "t"}]},
        "status": {"groups": [{
            "name": "g", "groupIdOwned": true, "state": "Stable", "protocol": "Classic", "replicas": 3, "readyReplicas": 3,
            "lag": 4, "oldestSince": "2026-11-25T12:00:00Z", "doneAt": "2026-11-25T12:30:00Z", "truncated": true,
            "members": [member("some", 1, 3), member("cut", 0, 2), waits],
            "unownedCount": 1,
        }]},
    }))
    .expect("it is a practice");
    let now: Timestamp = "2026-11-25T12:10:00Z".parse().expect("it is a time");
    let lines: Vec<String> = sheet(&practice, &[], &now.to_zoned(jiff::tz::TimeZone::UTC), None)
        .iter()
        .map(Line::text)
        .collect();
    assert_golden("describe", &lines);
}
