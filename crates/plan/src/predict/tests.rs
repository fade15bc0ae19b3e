//! Tables of what a change will do: a practice as it is, another manifest for it, and what the preview says.

mod groups;
mod unknown;

use serde_json::{Value, json};

use super::*;
use crate::testing::plan_of;

/// A practice as it is: its spec, and who owns which partitions of which topic.
struct Live {
    plan: Plan,
    status: PracticeStatus,
    rows: BTreeMap<String, String>,
}

/// `members` of a group: the consumer's name, its Deployment, what it owns.
type Members<'a> = &'a [(&'a str, &'a str, &'a [(&'a str, i32)])];

fn live(spec: &Value, groups: &[(&str, Members<'_>)]) -> Live {
    let plan = plan_of(spec.clone());
    let mut rows = BTreeMap::new();
    let topics: Vec<Value> = plan
        .topics
        .iter()
        .map(|topic| {
            json!({"name": topic.name, "ready": true, "partitions": topic.partitions, "topicId": "a",
                "replicationFactor": topic.replication_factor, "createdTopicId": "a"})
        })
        .collect();
    let groups: Vec<Value> = groups
        .iter()
        .map(|(name, members)| {
            let members: Vec<Value> = members
                .iter()
                .map(|(member, deployment, owned)| {
                    rows.insert((*member).to_owned(), (*deployment).to_owned());
                    let each = owned.iter().map(|(topic, n)| json!({"topic": topic, "partition": n, "lag": 0}));
                    json!({"name": member, "memberId": format!("{member}-id"), "clientId": member, "lag": 0,
                        "partitionCount": owned.len(), "partitions": each.collect::<Vec<_>>()})
                })
                .collect();
            json!({"name": name, "groupIdOwned": true, "state": "Stable", "protocol": "Classic", "replicas": members.len(),
                "readyReplicas": members.len(), "lag": 0, "members": members})
        })
        .collect();
    let status = json!({"observedGeneration": 1, "bootstrapServers": plan.bootstrap, "topics": topics, "groups": groups});
    Live {
        plan,
        status: serde_json::from_value(status).expect("a status"),
        rows,
    }
}

impl Live {
    fn to(&self, spec: &Value) -> Prediction {
        let now = Now {
            plan: &self.plan,
            status: Some(&self.status),
            rows: &self.rows,
        };
        predict(&plan_of(spec.clone()), Some(&now), Broker::default())
    }
}

/// `g Scaled 2>5 +3 -0 idle 2, moves 1..1 of 3, pause 1..1 500`
fn said(group: &GroupPrediction) -> String {
    let idle = group
        .idle
        .as_ref()
        .map_or_else(|| "?".to_owned(), |idle| idle.number.to_string());
    let moves = group.moves.as_ref().map_or_else(
        || "?".to_owned(),
        |moves| format!("{}..{} of {}", moves.least, moves.most, moves.of),
    );
    let pause = group.pause.as_ref().map_or_else(
        || "-".to_owned(),
        |pause| {
            let about = pause
                .about_ms
                .map_or_else(|| "open".to_owned(), |ms| ms.to_string());
            format!("{}..{} {about}", pause.least, pause.most)
        },
    );
    let GroupPrediction {
        name,
        change,
        from,
        to,
        starts,
        stops,
        ..
    } = group;
    let (starts, stops) = (starts.number, stops.number);
    format!(
        "{name} {change:?} {from}>{to} +{starts} -{stops} idle {idle}, moves {moves}, pause {pause}"
    )
}

fn spec(partitions: i32, group: Value) -> Value {
    json!({"topics": [{"name": "t", "partitions": partitions}], "groups": [group]})
}

#[test]
fn from_nothing_everything_is_made() {
    let plan = plan_of(json!({
        "topics": [{"name": "t", "partitions": 3}, {"name": "u", "managed": false}],
        "groups": [{"name": "g", "replicas": 4, "topics": ["t"]}, {"name": "h", "topics": ["t"]},
            {"name": "off", "replicas": 2, "state": "Stopped"}, {"name": "both", "replicas": 2}],
    }));
    let all = predict(&plan, None, Broker::default());
    let topics: Vec<_> = all
        .topics
        .iter()
        .map(|topic| (topic.name.as_str(), topic.change, topic.partitions))
        .collect();
    assert_eq!(
        topics,
        [
            ("t", TopicChange::Created, Some(3)),
            ("u", TopicChange::Stays, None)
        ]
    );
    assert_eq!(
        all.groups.iter().map(said).collect::<Vec<_>>(),
        [
            "g New 0>4 +4 -0 idle 1, moves 0..0 of 0, pause -",
            "h New 0>1 +1 -0 idle 0, moves 0..0 of 0, pause -",
            "off New 0>0 +0 -0 idle 0, moves 0..0 of 0, pause -",
            "both New 0>2 +2 -0 idle ?, moves 0..0 of 0, pause -",
        ]
    );
    assert_eq!(all.producer, ["starts"]);
    assert!(all.exists == Some(false) && all.changes_something() && all.notes.is_empty());
}

#[test]
fn words_say_why() {
    let there = live(
        &spec(3, json!({"name": "g", "replicas": 2})),
        &[(
            "g",
            &[
                ("a", "p-g", &[("t", 0), ("t", 1)]),
                ("b", "p-g", &[("t", 2)]),
            ],
        )],
    );
    let group = |more: Value| {
        let mut group = json!({"name": "g", "replicas": 2});
        group
            .as_object_mut()
            .expect("an object")
            .extend(more.as_object().expect("an object").clone());
        there.to(&spec(3, group)).groups.remove(0)
    };
    let five = group(json!({"replicas": 5}));
    let idle = five.idle.expect("known");
    assert_eq!(
        (idle.number, idle.why.as_str()),
        (2, "3 partitions, each has one owner in a group")
    );
    assert_eq!(
        five.advice.as_deref(),
        Some("to use all 5: 5 partitions of t (they cannot be removed again), or 3 consumers")
    );
    let moved = |more: Value| group(more).moves.expect("known").why;
    assert_eq!(moved(json!({"replicas": 1})), "t/0 and t/1, or t/2");
    assert_eq!(moved(json!({"replicas": 3})), "t/0 or t/1");
    let slow = group(json!({"processingDelay": "5s"}));
    assert_eq!(slow.because, ["processingDelay 0s → 5s"]);
    let pause = slow.pause.expect("they stop");
    assert_eq!(
        (pause.about_ms, pause.noticed_after_ms),
        (Some(500), Some(10_000))
    );
    assert_eq!(
        group(json!({"assignor": "Range"})).because,
        ["classic/cooperative-sticky → classic/range"]
    );
    let gone = there.to(&json!({"topics": [{"name": "u"}], "producer": {"enabled": false}}));
    assert_eq!(
        said(&gone.groups[0]),
        "g Gone 2>0 +0 -2 idle 0, moves 0..0 of 3, pause 3..3 open"
    );
    let topics: Vec<_> = gone
        .topics
        .iter()
        .map(|topic| (topic.name.as_str(), topic.change))
        .collect();
    assert_eq!(
        topics,
        [("u", TopicChange::Created), ("t", TopicChange::Released)]
    );
    assert_eq!(gone.producer, ["stops: spec.producer.enabled is false"]);
    let busy = there.to(&json!({"topics": [{"name": "t", "partitions": 3}],
        "groups": [{"name": "g", "replicas": 2}], "producer": {"load": {"messagesPerSecond": 3}}}));
    assert_eq!(
        busy.producer,
        ["is replaced: 3 messages a second of 100 bytes"]
    );
    assert!(busy.changes_something());
    let larger = there.to(
        &json!({"topics": [{"name": "t", "partitions": 3, "config": {"max.message.bytes": "5242880"}}],
        "groups": [{"name": "g", "replicas": 2}]}),
    );
    assert_eq!(
        larger.producer,
        ["is replaced: limits of its topics (max.message.bytes)"]
    );
}

#[test]
fn a_topic_that_is_not_as_described_is_refused_and_what_is_larger_stays() {
    let group = json!({"name": "g", "replicas": 1});
    let mut there = live(
        &spec(3, group.clone()),
        &[("g", &[("a", "p-g", &[("t", 0), ("t", 1), ("t", 2)])])],
    );
    there.status.topics[0].partitions = Some(4);
    let same = there.to(&spec(3, group.clone()));
    assert_eq!(
        (same.topics[0].change, same.topics[0].partitions),
        (TopicChange::Stays, Some(4))
    );
    assert!(same.topics[0].why.contains("more than the 3"), "{same:?}");
    there.status.topics[0].replication_factor = Some(2);
    let other = there.to(&spec(6, group.clone()));
    assert_eq!(
        (other.topics[0].change, other.topics[0].partitions),
        (TopicChange::Refused, Some(4))
    );
    assert!(
        other.topics[0].why.contains("replicationFactor 2"),
        "{other:?}"
    );
    let configured = json!({"topics": [{"name": "t", "partitions": 3, "config": {"retention.ms": "60000"}}], "groups": [group]});
    there.status.topics[0].replication_factor = Some(1);
    let ours = there.to(&configured);
    assert_eq!(
        (ours.topics[0].change, ours.topics[0].why.as_str()),
        (TopicChange::Configured, "retention.ms=60000")
    );
    there.status.topics[0].configured =
        vec!["cleanup.policy".to_owned(), "retention.ms".to_owned()];
    let back = there.to(&configured);
    assert_eq!(
        back.topics[0].why,
        "retention.ms=60000, cleanup.policy reset to its default"
    );
    let mut grown = configured.clone();
    grown["topics"][0]["partitions"] = json!(6);
    assert_eq!(
        there.to(&grown).topics[0].why,
        "4 → 6; partitions cannot be removed again; retention.ms=60000, cleanup.policy reset to its default"
    );
    there.status.topics[0].created_topic_id = None;
    for other in [configured, grown] {
        let topic = &there.to(&other).topics[0];
        assert_eq!(
            (topic.change, topic.partitions),
            (TopicChange::Refused, Some(4)),
            "{other}"
        );
    }
}
