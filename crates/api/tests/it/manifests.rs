//! Manifests, legal and not. Each wrong one names a word that its refusal must contain.

use serde_json::{Value, json};

/// A whole object with this spec.
pub(crate) fn manifest(name: &str, spec: Value) -> Value {
    json!({"apiVersion": "kafka-practice.dev/v1alpha1", "kind": "ConsumerGroupPractice", "metadata": {"name": name}, "spec": spec})
}

fn topic() -> Value {
    json!([{"name": "t", "partitions": 3}])
}

fn group(fields: Value) -> Value {
    let mut group = json!({"name": "g", "replicas": 1});
    for (name, value) in fields.as_object().expect("fields are an object") {
        group[name] = value.clone();
    }
    json!({"topics": topic(), "groups": [group]})
}

fn topics(fields: Value) -> Value {
    let mut first = json!({"name": "t"});
    for (name, value) in fields.as_object().expect("fields are an object") {
        first[name] = value.clone();
    }
    json!({"topics": [first]})
}

fn timeout(value: &Value) -> Value {
    json!({"topics": topic(), "deletionTimeout": value})
}

/// Legal ones.
pub(crate) fn legal() -> Vec<Value> {
    let long = "x".repeat(249);
    let specs = [
        json!({"topics": topic()}),
        timeout(&json!("1s")),
        timeout(&json!("1h30m")),
        timeout(&json!("168h")),
        json!({"kafka": {"bootstrapServers": "a.b:9092, [::1]:9093"}, "topics": topic(), "producer": {"enabled": false}}),
        json!({"topics": topic(), "producer": {"keys": "None", "load": {"messagesPerSecond": 10_000, "valueBytes": 1}}}),
        topics(
            json!({"name": long, "partitions": 1000, "replicationFactor": 3, "config": {"retention.ms": "1"}, "deletionPolicy": "Delete", "managed": false}),
        ),
        group(json!({"name": long, "replicas": 100, "topics": ["t"], "autoOffsetReset": "latest"})),
        group(json!({"protocol": "Consumer", "assignor": "Uniform", "maxPollInterval": "1m30s"})),
        group(json!({"protocol": "Consumer", "assignor": "Range"})),
        // names that differ in more, and group ids, whose metrics keep both
        json!({"topics": [{"name": "a.b"}, {"name": "a-b"}, {"name": "a.b.c"}, {"name": "ab"}, {"name": "A_b"}], "groups": [{"name": "a.b"}, {"name": "a_b"}]}),
        json!({"topics": (0..32).map(|n| json!({"name": format!("{n:0>3}{}", "._".repeat(123))})).collect::<Vec<_>>()}),
        json!({"topics": (0..25).map(|n| json!({"name": format!("t{n}"), "partitions": 1000})).collect::<Vec<_>>(), "groups": [{"name": "a"}, {"name": "b"}]}),
        topics(json!({"config": {"k".repeat(128): "1".repeat(1024)}})),
        group(
            json!({"assignor": "RoundRobin", "sessionTimeout": "6s", "heartbeatInterval": "500ms", "maxPollInterval": "6s", "processingDelay": "5s"}),
        ),
        group(
            json!({"state": "Stopped", "variants": [{"name": "slow", "replicas": 2, "processingDelay": "5s"}, {"name": "x"}]}),
        ),
    ];
    let mut all: Vec<Value> = specs.into_iter().map(|spec| manifest("p", spec)).collect();
    all.push(manifest(
        &format!("a{}", "0".repeat(39)),
        json!({"topics": topic()}),
    ));
    all
}

/// Wrong by their size, each with a word of its refusal.
fn too_large() -> Vec<(&'static str, Value)> {
    vec![
        (
            "at most 50000 such pairs are allowed",
            json!({
                "topics": (0..26).map(|n| json!({"name": format!("t{n}"), "partitions": if n == 0 { 1 } else { 1000 }})).collect::<Vec<_>>(),
                "groups": [{"name": "a"}, {"name": "b", "topics": (1..26).map(|n| format!("t{n}")).collect::<Vec<_>>()}],
            }),
        ),
        (
            "config",
            topics(json!({"config": {"retention.ms": "1".repeat(1025)}})),
        ),
        (
            "config",
            topics(
                json!({"config": (0..65).map(|n| (format!("k{n}"), json!("1"))).collect::<serde_json::Map<_, _>>()}),
            ),
        ),
        (
            "at most 128 characters",
            topics(json!({"config": {"k".repeat(129): "1"}})),
        ),
    ]
}

/// Wrong ones, each with a word of its refusal.
pub(crate) fn wrong() -> Vec<(&'static str, Value)> {
    let many = |n: usize| {
        (0..n)
            .map(|i| json!({"name": format!("n{i}")}))
            .collect::<Vec<_>>()
    };
    let specs = [
        ("topics", json!({"topics": []})),
        ("topics", json!({"topics": many(33)})),
        ("groups", json!({"topics": topic(), "groups": many(33)})),
        (
            "topics[1]",
            json!({"topics": [{"name": "t"}, {"name": "t"}]}),
        ),
        (
            "groups[1]",
            json!({"topics": topic(), "groups": [{"name": "g"}, {"name": "g"}]}),
        ),
        (
            "variants[1]",
            group(json!({"variants": [{"name": "v"}, {"name": "v"}]})),
        ),
        ("topics[1]", group(json!({"topics": ["t", "t"]}))),
        ("groups[].topics", group(json!({"topics": ["u"]}))),
        (
            "topics a.b and a_b differ only in `.` and `_`",
            json!({"topics": [{"name": "t"}, {"name": "a.b"}, {"name": "u"}, {"name": "a_b"}]}),
        ),
        // also a topic that has to exist, and several at once
        (
            "topics x_.y and x__y differ only",
            json!({"topics": [{"name": "x_.y"}, {"name": "x__y"}]}),
        ),
        (
            "topics a._b and a__b differ only",
            json!({"topics": [{"name": "t"}, {"name": "a._b", "managed": false}, {"name": "a__b"}, {"name": "a..b"}]}),
        ),
        (
            "begin with `__`",
            topics(json!({"name": "__consumer_offsets"})),
        ),
        ("`..`", topics(json!({"name": ".."}))),
        ("name", topics(json!({"name": "a b"}))),
        ("name", topics(json!({"name": "x".repeat(250)}))),
        ("partitions", topics(json!({"partitions": 0}))),
        ("partitions", topics(json!({"partitions": 1_000_001}))),
        ("partitions", topics(json!({"partitions": "3"}))),
        ("replicationFactor", topics(json!({"replicationFactor": 0}))),
        ("deletionPolicy", topics(json!({"deletionPolicy": "Keep"}))),
        ("config", topics(json!({"config": {"retention.ms": 5}}))),
        ("`.` or `..`", group(json!({"name": "."}))),
        ("name", group(json!({"name": "späti"}))),
        ("replicas", group(json!({"replicas": -1}))),
        ("replicas", group(json!({"replicas": 101}))),
        ("replica", group(json!({"replica": 1}))),
        ("protocol", group(json!({"protocol": "classic"}))),
        (
            "Classic has Range, RoundRobin and CooperativeSticky",
            group(json!({"assignor": "Uniform"})),
        ),
        (
            "Consumer has Range and Uniform",
            group(json!({"protocol": "Consumer", "assignor": "CooperativeSticky"})),
        ),
        (
            "Consumer has Range and Uniform",
            group(json!({"protocol": "Consumer", "assignor": "RoundRobin"})),
        ),
        (
            "with Consumer the broker decides",
            group(json!({"protocol": "Consumer", "sessionTimeout": "10s"})),
        ),
        ("6s to 30m", group(json!({"sessionTimeout": "5s"}))),
        ("6s to 30m", group(json!({"sessionTimeout": "1h"}))),
        (
            "heartbeatInterval",
            group(json!({"heartbeatInterval": "10s"})),
        ),
        (
            "heartbeatInterval",
            group(json!({"sessionTimeout": "6s", "heartbeatInterval": "6s"})),
        ),
        (
            "heartbeatInterval",
            group(json!({"heartbeatInterval": "0s"})),
        ),
        ("1s to 168h", timeout(&json!("0s"))),
        ("1s to 168h", timeout(&json!("999ms"))),
        ("1s to 168h", timeout(&json!("169h"))),
        ("deletionTimeout", timeout(&json!("10"))),
        ("deletionTimeout", timeout(&json!("-5s"))),
        ("deletionTimeout", timeout(&json!("7d"))),
        ("deletionTimeout", timeout(&json!(600))),
        ("maxPollInterval", group(json!({"maxPollInterval": "9s"}))),
        ("maxPollInterval", group(json!({"maxPollInterval": "25h"}))),
        ("processingDelay", group(json!({"processingDelay": "5m"}))),
        ("processingDelay", group(json!({"processingDelay": "5 s"}))),
        ("processingDelay", group(json!({"processingDelay": "-5s"}))),
        ("processingDelay", group(json!({"processingDelay": 5}))),
        (
            "variants[].processingDelay",
            group(json!({"variants": [{"name": "v", "processingDelay": "6m"}]})),
        ),
        ("name", group(json!({"variants": [{"name": "Slow"}]}))),
        ("state", group(json!({"state": "Paused"}))),
        ("autoOffsetReset", group(json!({"autoOffsetReset": "none"}))),
        (
            "bootstrapServers",
            json!({"topics": topic(), "kafka": {"bootstrapServers": "localhost"}}),
        ),
        (
            "bootstrapServers",
            json!({"topics": topic(), "kafka": {"bootstrapServers": "kafka://a:1"}}),
        ),
        ("bootstrapServers", json!({"topics": topic(), "kafka": {}})),
        (
            "messagesPerSecond",
            json!({"topics": topic(), "producer": {"load": {"messagesPerSecond": 10_001}}}),
        ),
        (
            "valueBytes",
            json!({"topics": topic(), "producer": {"load": {"messagesPerSecond": 1, "valueBytes": 0}}}),
        ),
        (
            "image",
            json!({"topics": topic(), "producer": {"image": "evil"}}),
        ),
    ];
    let mut all: Vec<_> = specs
        .into_iter()
        .chain(too_large())
        .map(|(word, spec)| (word, manifest("p", spec)))
        .collect();
    for name in ["0p", "p-", "p.q", &"a".repeat(41)] {
        all.push(("metadata.name", manifest(name, json!({"topics": topic()}))));
    }
    all
}

/// Changes that are refused: before, after, a word of the refusal.
pub(crate) fn wrong_changes() -> Vec<(&'static str, Value, Value)> {
    let spec = |partitions: i32, replication: i32| {
        topics(json!({"partitions": partitions, "replicationFactor": replication}))
    };
    vec![
        (
            "partitions can only grow",
            manifest("p", spec(3, 1)),
            manifest("p", spec(2, 1)),
        ),
        (
            "replicationFactor cannot be changed",
            manifest("p", spec(3, 1)),
            manifest("p", spec(3, 3)),
        ),
    ]
}
