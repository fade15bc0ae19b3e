//! Tables of what a change will do.

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

#[expect(
    clippy::too_many_lines,
    reason = "one course of events, or one table of cases"
)]
#[test]
fn each_change_of_a_group_is_predicted() {
    let classic = json!({"name": "g", "replicas": 2});
    let with = |base: &Value, more: Value| {
        let mut group = base.clone();
        group
            .as_object_mut()
            .expect("an object")
            .extend(more.as_object().expect("an object").clone());
        group
    };
    let range = with(&classic, json!({"assignor": "Range"}));
    let consumer = with(&classic, json!({"protocol": "Consumer"}));
    let stopped = with(&classic, json!({"state": "Stopped"}));
    let slow = with(
        &classic,
        json!({"variants": [{"name": "slow", "replicas": 1}]}),
    );
    let rows = [
        (
            &classic,
            3,
            json!({}),
            "g Stays 2>2 +0 -0 idle 0, moves 0..0 of 3, pause -",
        ),
        (
            &classic,
            3,
            json!({"replicas": 5}),
            "g Scaled 2>5 +3 -0 idle 2, moves 1..1 of 3, pause 1..1 500",
        ),
        (
            &classic,
            3,
            json!({"replicas": 1}),
            "g Scaled 2>1 +0 -1 idle 0, moves 1..2 of 3, pause 1..2 500",
        ),
        (
            &classic,
            3,
            json!({"replicas": 0}),
            "g Scaled 2>0 +0 -2 idle 0, moves 0..0 of 3, pause 3..3 open",
        ),
        (
            &classic,
            3,
            json!({"processingDelay": "5s"}),
            "g Rollout 2>2 +2 -2 idle 0, moves 3..3 of 3, pause 3..3 500",
        ),
        (
            &classic,
            3,
            json!({"assignor": "Range"}),
            "g Switched 2>2 +2 -2 idle 0, moves 3..3 of 3, pause 3..3 5000",
        ),
        (
            &classic,
            3,
            json!({"protocol": "Consumer"}),
            "g Switched 2>2 +2 -2 idle 0, moves 3..3 of 3, pause 3..3 10000",
        ),
        (
            &classic,
            3,
            json!({"state": "Stopped"}),
            "g Stopped 2>0 +0 -2 idle 0, moves 0..0 of 3, pause 3..3 open",
        ),
        (
            &stopped,
            3,
            json!({"state": "Running"}),
            "g Started 0>2 +2 -0 idle 0, moves 0..0 of 3, pause -",
        ),
        (
            &classic,
            3,
            json!({"replicas": null}),
            "g Stays 2>2 +0 -0 idle 0, moves 0..0 of 3, pause -",
        ),
        (
            &classic,
            6,
            json!({}),
            "g Rebalanced 2>2 +0 -0 idle 0, moves 0..0 of 3, pause -",
        ),
        (
            &range,
            3,
            json!({"replicas": 3}),
            "g Scaled 2>3 +1 -0 idle 0, moves 1..2 of 3, pause 3..3 500",
        ),
        (
            &range,
            3,
            json!({"replicas": 1}),
            "g Scaled 2>1 +0 -1 idle 0, moves 1..2 of 3, pause 3..3 500",
        ),
        (
            &range,
            6,
            json!({}),
            "g Rebalanced 2>2 +0 -0 idle 0, moves 1..1 of 3, pause 3..3 500",
        ),
        (
            &consumer,
            3,
            json!({"replicas": 3}),
            "g Scaled 2>3 +1 -0 idle 0, moves 1..1 of 3, pause 1..1 5000",
        ),
        (
            &consumer,
            3,
            json!({"assignor": "Range"}),
            "g Switched 2>2 +2 -2 idle 0, moves 3..3 of 3, pause 3..3 10000",
        ),
        (
            &slow,
            3,
            json!({"variants": []}),
            "g Scaled 3>2 +0 -1 idle 0, moves 1..1 of 3, pause 1..1 500",
        ),
        (
            &slow,
            3,
            json!({"variants": [{"name": "slow", "replicas": 1, "processingDelay": "1s"}]}),
            "g Rollout 3>3 +1 -1 idle 0, moves 1..2 of 3, pause 1..2 500",
        ),
        (
            &slow,
            3,
            json!({"replicas": 1}),
            "g Scaled 3>2 +0 -1 idle 0, moves 1..1 of 3, pause 1..1 500",
        ),
    ];
    for (before, partitions, more, expected) in rows {
        let members: Members<'_> = if before == &slow {
            &[
                ("a", "p-g", &[("t", 0)]),
                ("b", "p-g", &[("t", 1)]),
                ("c", "p-g-slow", &[("t", 2)]),
            ]
        } else {
            &[
                ("a", "p-g", &[("t", 0), ("t", 1)]),
                ("b", "p-g", &[("t", 2)]),
            ]
        };
        let there = live(&spec(3, before.clone()), &[("g", members)]);
        let all = there.to(&spec(partitions, with(before, more.clone())));
        assert_eq!(said(&all.groups[0]), expected, "{more}");
        let grown = if partitions == 3 {
            TopicChange::Stays
        } else {
            TopicChange::Grown
        };
        assert_eq!(
            (all.topics[0].change, all.topics[0].partitions),
            (grown, Some(partitions)),
            "{more}"
        );
        let stays = all.groups[0].change == GroupChange::Stays && partitions == 3;
        assert_eq!(all.changes_something(), !stays, "{more}");
    }
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
fn in_memory_members_stand_as_they_came() {
    let spec = |replicas: i32| {
        let group =
            json!({"name": "g", "replicas": replicas, "protocol": "Consumer", "assignor": "Range"});
        json!({"topics": [{"name": "t", "partitions": 3}], "groups": [group]})
    };
    // z came before a: what they own says so, their ids do not
    let there = live(
        &spec(2),
        &[(
            "g",
            &[
                ("z", "p-g", &[("t", 0), ("t", 1)]),
                ("a", "p-g", &[("t", 2)]),
            ],
        )],
    );
    let memory = Broker {
        order: Order::ByArrival,
        heartbeat: Duration::from_secs(3),
        ..Broker::default()
    };
    let now = Now {
        plan: &there.plan,
        status: Some(&there.status),
        rows: &there.rows,
    };
    let all = predict(&plan_of(spec(3)), Some(&now), memory);
    assert_eq!(
        said(&all.groups[0]),
        "g Scaled 2>3 +1 -0 idle 0, moves 2..2 of 3, pause 2..2 3000"
    );
    assert_eq!(
        said(&there.to(&spec(3)).groups[0]),
        "g Scaled 2>3 +1 -0 idle 0, moves 2..3 of 3, pause 2..3 5000"
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

#[test]
fn what_somebody_else_scaled_to_0_stays_there() {
    let theirs = spec(3, json!({"name": "g", "replicas": null}));
    let there = live(&theirs, &[("g", &[])]).to(&theirs);
    assert_eq!(
        (there.groups[0].change, there.groups[0].to),
        (GroupChange::Stays, 0)
    );
    let ours = live(&spec(3, json!({"name": "g", "replicas": 0})), &[("g", &[])]);
    assert_eq!(
        ours.to(&theirs).groups[0].to,
        1,
        "an autoscaler that takes over finds one consumer"
    );
}

#[test]
fn what_is_not_known_is_not_said() {
    let group = json!({"name": "g", "replicas": 2});
    let mut there = live(
        &spec(3, group),
        &[(
            "g",
            &[
                ("a", "p-g", &[("t", 0), ("t", 1)]),
                ("b", "p-g", &[("t", 2)]),
            ],
        )],
    );
    let three = spec(3, json!({"name": "g", "replicas": 3}));
    there.status.groups[0].state = "PreparingRebalance".to_owned();
    let all = there.to(&three);
    assert_eq!(
        said(&all.groups[0]),
        "g Scaled 2>3 +1 -0 idle 0, moves ?, pause -"
    );
    assert!(
        all.groups[0]
            .unknown
            .as_ref()
            .is_some_and(|why| why.contains("PreparingRebalance")),
        "{all:?}"
    );
    there.status.groups[0].state = "Stable".to_owned();
    there.status.groups[0].group_id_owned = false;
    there.status.groups[0].members.clear();
    let all = there.to(&three);
    assert_eq!(
        said(&all.groups[0]),
        "g Scaled 0>3 +3 -0 idle 0, moves 0..0 of 0, pause -"
    );
    assert!(
        all.groups[0]
            .because
            .iter()
            .any(|why| why.contains("not claimed")),
        "{all:?}"
    );
    there.status.observed_generation = Some(7);
    assert_eq!(there.to(&three).notes.len(), 1);
    let elsewhere = json!({"topics": [{"name": "t", "partitions": 3}], "groups": [{"name": "g", "replicas": 2}],
        "kafka": {"bootstrapServers": "other:1"}});
    there.status.groups[0].group_id_owned = true;
    let all = there.to(&elsewhere);
    assert_eq!(all.topics[0].change, TopicChange::Created);
    assert_eq!(
        said(&all.groups[0]),
        "g Rollout 2>2 +2 -2 idle 0, moves ?, pause -"
    );
    assert!(
        all.notes[0].contains("Kafka changes from k:1 to other:1"),
        "{all:?}"
    );
    let unseen = predict(
        &plan_of(three.clone()),
        Some(&Now {
            plan: &there.plan,
            status: None,
            rows: &there.rows,
        }),
        Broker::default(),
    );
    assert_eq!((unseen.exists, unseen.notes.len()), (Some(true), 1));
    let refused = Prediction::refused(
        "n",
        "p",
        None,
        vec!["spec.groups[0].replicas: 101".to_owned()],
    );
    let text = serde_json::to_string(&refused).expect("JSON");
    assert_eq!(
        serde_json::from_str::<Prediction>(&text).expect("the same"),
        refused
    );
}

#[test]
fn a_manifest_that_was_refused_never_ran() {
    let wanted = |replicas: u32| spec(3, json!({"name": "g", "replicas": replicas}));
    let mut there = live(
        &wanted(60),
        &[(
            "g",
            &[
                ("g-0", "p-g", &[("t", 0)]),
                ("g-1", "p-g", &[("t", 1), ("t", 2)]),
            ],
        )],
    );
    assert!(
        said(&there.to(&wanted(2)).groups[0]).starts_with("g Scaled 60>2 "),
        "as if it ran"
    );
    let refused = |generation: i64| {
        let stalled = json!([{"type": "Stalled", "status": "True", "reason": "PolicyViolation", "message": "why",
            "observedGeneration": generation, "lastTransitionTime": "2026-01-01T00:00:00Z"}]);
        serde_json::from_value(stalled).expect("conditions")
    };
    there.status.conditions = refused(1);
    let all = there.to(&wanted(2));
    assert_eq!(
        said(&all.groups[0]),
        "g New 0>2 +2 -0 idle 0, moves 0..0 of 0, pause -"
    );
    assert_eq!(
        (all.topics[0].change, &*all.producer, all.exists),
        (TopicChange::Created, &["starts".to_owned()][..], Some(true))
    );
    let says = "the applied manifest is rejected (PolicyViolation), so this preview starts from an empty practice: 2 consumers of g of the manifest before it keep running";
    assert!(
        all.notes.len() == 1 && all.notes[0].starts_with(says),
        "{:?}",
        all.notes
    );
    there.status.groups.clear();
    let all = there.to(&wanted(2));
    assert!(
        all.notes.len() == 1 && all.notes[0].ends_with("nothing ran before it"),
        "{:?}",
        all.notes
    );
    there.status.conditions = refused(0);
    assert_eq!(
        there.to(&wanted(2)).notes,
        Vec::<String>::new(),
        "a manifest before this one was"
    );
}

#[test]
fn how_many_start_again_is_not_known_where_somebody_else_says_it() {
    let group = |state: &str| spec(3, json!({"name": "g", "state": state}));
    let mut there = live(&group("Stopped"), &[("g", &[])]);
    there.status.groups[0].state = "Empty".to_owned();
    let all = there.to(&group("Running"));
    assert_eq!(
        said(&all.groups[0]),
        "g Started 0>1 +1 -0 idle ?, moves 0..0 of 0, pause -"
    );
    let idle = words::group(&all.groups[0])
        .into_iter()
        .find(|said| said.label == "idle")
        .expect("it is said");
    assert_eq!(idle.why, "the number of consumers that start is unknown");
    assert!(all.groups[0].starts.why.starts_with("at least"), "{all:?}");
}

#[test]
fn a_latest_group_has_a_line_about_its_start() {
    let latest = json!({"name": "g", "replicas": 1, "autoOffsetReset": "latest"});
    let earliest = json!({"name": "g", "replicas": 1});
    let because = |all: &Prediction| all.groups[0].because.clone();
    let from_nothing = |group: &Value| {
        let all = predict(&plan_of(spec(1, group.clone())), None, Broker::default());
        because(&all)
    };
    let lines = from_nothing(&latest);
    assert!(
        matches!(&*lines, [line] if line.starts_with("autoOffsetReset latest: the end of its topics is committed")),
        "{lines:?}"
    );
    assert_eq!(from_nothing(&earliest), Vec::<String>::new());
    let idle = json!({"name": "g", "replicas": 0, "autoOffsetReset": "latest"});
    assert_eq!(from_nothing(&idle), Vec::<String>::new());

    let members: Members<'_> = &[("g-1", "p-g", &[("t", 0)])];
    for (before, after, change) in [
        (&earliest, &latest, "earliest → latest"),
        (&latest, &earliest, "latest → earliest"),
    ] {
        let now = live(&spec(1, before.clone()), &[("g", members)]);
        let all = now.to(&spec(1, after.clone()));
        assert_eq!(all.groups[0].change, GroupChange::Stays, "{change}");
        let lines = because(&all);
        assert!(
            matches!(&*lines, [line] if line.contains(change) && line.contains("no consumer is replaced")),
            "{lines:?}"
        );
        assert_eq!(
            because(&now.to(&spec(1, before.clone()))),
            Vec::<String>::new()
        );
    }
    let two = |topics: Value| {
        let mut group = latest.clone();
        group["topics"] = topics;
        json!({"topics": [{"name": "t"}, {"name": "u"}], "groups": [group]})
    };
    let now = live(&two(json!(["t"])), &[("g", members)]);
    let lines = because(&now.to(&two(json!(["t", "u"]))));
    assert!(
        lines
            .iter()
            .any(|line| line.starts_with("u: read from the oldest message")),
        "{lines:?}"
    );
}
