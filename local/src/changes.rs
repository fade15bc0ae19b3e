//! Changes between two plans. Pure. In: the running plan and the next one. Out: a sentence for each start, stop,
//! reconfiguration or rebalance.

use practice_contract::producer::MAX_MESSAGE_BYTES;
use practice_plan::{
    plan::{GroupPlan, Plan, RowPlan},
    predict::{self, changed_settings},
    topics::settings,
};

/// Sentences for all changes, in the order of the manifest; empty when nothing changes.
pub fn changes(before: &Plan, after: &Plan) -> Vec<String> {
    let mut lines = Vec::new();
    for topic in &after.topics {
        match before
            .topics
            .iter()
            .find(|former| former.name == topic.name)
        {
            None => lines.push(format!(
                "topic {}: new, {}",
                topic.name,
                partitions(topic.partitions)
            )),
            Some(former) => {
                if former.partitions != topic.partitions {
                    lines.push(format!(
                        "topic {}: {} → {}; groups that read it rebalance within 10 s",
                        topic.name,
                        former.partitions,
                        partitions(topic.partitions)
                    ));
                }
                let back = former
                    .config
                    .keys()
                    .filter(|key| !topic.config.contains_key(*key));
                let set = settings(topic, Some(former), back);
                if !set.is_empty() {
                    lines.push(format!("topic {}: {}", topic.name, set.join(", ")));
                }
            }
        }
    }
    for topic in before
        .topics
        .iter()
        .filter(|former| !after.topics.iter().any(|topic| topic.name == former.name))
    {
        lines.push(format!(
            "topic {}: removed from the manifest, remains in Kafka",
            topic.name
        ));
    }
    for group in &after.groups {
        match before.groups.iter().find(|former| former.id == group.id) {
            None => lines.push(format!("{}: new, {}", group.id, start(wanted(group)))),
            Some(former) => lines.extend(changed(former, group, after)),
        }
    }
    for group in before
        .groups
        .iter()
        .filter(|former| !after.groups.iter().any(|group| group.id == former.id))
    {
        let gone = wanted(group);
        lines.push(format!(
            "{}: removed, {} stop{}; its committed offsets remain",
            group.id,
            consumers(gone),
            third(gone)
        ));
    }
    match (&before.producer, &after.producer) {
        (None, Some(_)) => lines.push("the producer starts".to_owned()),
        (Some(_), None) => lines.push("the producer stops".to_owned()),
        (Some(former), Some(producer)) if former.settings != producer.settings => {
            let load = producer.settings.load.map_or_else(
                || "no steady stream".to_owned(),
                |load| {
                    format!(
                        "{} messages a second of {} bytes",
                        load.messages_per_second, load.value_bytes
                    )
                },
            );
            let limits = if former.settings.max_message_bytes == producer.settings.max_message_bytes
            {
                String::new()
            } else {
                format!(", new limits of its topics ({MAX_MESSAGE_BYTES})")
            };
            lines.push(format!("the producer restarts: {load}{limits}"));
        }
        _ => {}
    }
    lines
}

fn changed(before: &GroupPlan, after: &GroupPlan, plan: &Plan) -> Vec<String> {
    let id = &after.id;
    let mut lines = Vec::new();
    match (before.stopped, after.stopped) {
        (false, true) => {
            return vec![format!(
                "{id}: stopped, {} end; its committed offsets remain",
                consumers(wanted(before))
            )];
        }
        (true, false) => lines.push(format!("{id}: started, {}", start(wanted(after)))),
        (true, true) => return lines,
        (false, false) => {}
    }
    if before.protocol_key() != after.protocol_key() {
        lines.push(format!(
            "{id}: {} → {}; members with different protocols or assignors cannot share a group, so all stop before any starts",
            before.protocol_key(),
            after.protocol_key()
        ));
    }
    for row in &after.rows {
        let name = if row.variant.is_empty() {
            id.clone()
        } else {
            format!("{id} {}", row.variant)
        };
        let Some(former) = before
            .rows
            .iter()
            .find(|former| former.variant == row.variant)
        else {
            lines.push(format!("{name}: new, {}", start(replicas(row))));
            continue;
        };
        let (from, to) = (replicas(former), replicas(row));
        if from != to && !before.stopped {
            let what = if to > from {
                start(to - from)
            } else {
                leave(from - to)
            };
            lines.push(format!(
                "{name}: {from} → {to} consumers: {what}; {id} rebalances{}",
                idle_note(after, plan)
            ));
        }
        let settings = changed_settings(former, row);
        if !settings.is_empty() && before.protocol_key() == after.protocol_key() {
            let few = from.min(to);
            let turns = if few == 1 {
                ""
            } else {
                ", one after the other"
            };
            lines.push(format!(
                "{name}: {}; {} restart{}{turns}",
                settings.join(", "),
                consumers(few),
                third(few)
            ));
        }
    }
    for row in before
        .rows
        .iter()
        .filter(|former| !after.rows.iter().any(|row| row.variant == former.variant))
    {
        lines.push(format!(
            "{id} {}: removed, {}; {id} rebalances",
            row.variant,
            leave(replicas(row))
        ));
    }
    lines
}

/// Note about consumers without a partition; empty when every consumer gets one.
fn idle_note(group: &GroupPlan, plan: &Plan) -> String {
    let (room, because) = room(group, plan);
    let wanted = wanted(group);
    if wanted > room {
        let wait = wanted - room;
        format!(", {wait} of {wanted} wait{}: {because}", third(wait))
    } else {
        String::new()
    }
}

/// Number of consumers that can own a partition, and the reason for that limit.
pub fn room(group: &GroupPlan, plan: &Plan) -> (i32, String) {
    let read = plan
        .topics
        .iter()
        .filter(|topic| group.topics.contains(&topic.name))
        .map(|topic| topic.partitions);
    let (room, because) = predict::room(group.assignor, read);
    (i32::try_from(room).unwrap_or(i32::MAX), because)
}

/// Desired number of consumers of a group.
fn wanted(group: &GroupPlan) -> i32 {
    group.rows.iter().map(replicas).sum()
}

fn replicas(row: &RowPlan) -> i32 {
    row.replicas.unwrap_or(1)
}

fn start(n: i32) -> String {
    format!("{} start{}", consumers(n), third(n))
}

fn leave(n: i32) -> String {
    format!("{} leave{}", consumers(n), third(n))
}

fn consumers(n: i32) -> String {
    format!("{n} consumer{}", if n == 1 { "" } else { "s" })
}

fn partitions(n: i32) -> String {
    format!("{n} partition{}", if n == 1 { "" } else { "s" })
}

/// Ending of a verb in the third person.
fn third(n: i32) -> &'static str {
    if n == 1 { "s" } else { "" }
}

#[cfg(test)]
mod tests {
    use practice_plan::{plan::Defaults, plan::plan};
    use serde_json::{Value, json};

    use super::*;

    fn planned(spec: Value) -> Plan {
        let practice = serde_json::from_value(json!({
            "apiVersion": "kafka-practice.dev/v1alpha1", "kind": "ConsumerGroupPractice", "metadata": {"name": "p"}, "spec": spec
        }))
        .expect("a practice");
        let defaults = Defaults {
            bootstrap_servers: Some("k:1".into()),
            ..Defaults::default()
        };
        plan(&practice, &defaults).expect("legal")
    }

    #[test]
    fn changes_name_starts_stops_and_rebalances() {
        let topic = json!([{"name": "t", "partitions": 3}]);
        let before = planned(json!({"topics": topic, "groups": [{"name": "g", "replicas": 2}]}));
        for (groups, says) in [
            (json!([{"name": "g", "replicas": 2}]), vec![]),
            (
                json!([{"name": "g", "replicas": 4}]),
                vec![
                    "g: 2 → 4 consumers: 2 consumers start; g rebalances, 1 of 4 waits: 3 partitions",
                ],
            ),
            (
                json!([{"name": "g", "replicas": 1}]),
                vec!["g: 2 → 1 consumers: 1 consumer leaves; g rebalances"],
            ),
            (
                json!([{"name": "g", "replicas": 2, "processingDelay": "5s"}]),
                vec!["g: processingDelay 0s → 5s; 2 consumers restart, one after the other"],
            ),
            (
                json!([{"name": "g", "replicas": 2, "state": "Stopped"}]),
                vec!["g: stopped, 2 consumers end; its committed offsets remain"],
            ),
            (
                json!([{"name": "g", "replicas": 2, "variants": [{"name": "slow", "replicas": 1}]}, {"name": "h"}]),
                vec![
                    "g slow: new, 1 consumer starts",
                    "h: new, 1 consumer starts",
                ],
            ),
            (
                json!([]),
                vec!["g: removed, 2 consumers stop; its committed offsets remain"],
            ),
        ] {
            let after = planned(json!({"topics": topic, "groups": groups}));
            assert_eq!(changes(&before, &after), says);
        }
        let configured =
            |config: Value| planned(json!({"topics": [{"name": "t", "config": config}]}));
        let before_it = configured(json!({"retention.ms": "1", "segment.ms": "2"}));
        let lines = changes(&before_it, &configured(json!({"retention.ms": "3"})));
        assert_eq!(
            lines,
            ["topic t: retention.ms=3, segment.ms reset to its default"]
        );
        let two = json!([{"name": "t", "partitions": 3}, {"name": "u", "partitions": 2}]);
        for (assignor, expected) in [
            ("Range", (3, "topic by topic, the largest has 3")),
            ("RoundRobin", (5, "5 partitions")),
        ] {
            let plan =
                planned(json!({"topics": two, "groups": [{"name": "g", "assignor": assignor}]}));
            let (room, because) = room(&plan.groups[0], &plan);
            assert!(
                room == expected.0 && because.contains(expected.1),
                "{assignor}: {room}, {because}"
            );
        }
        let grown = planned(
            json!({"topics": [{"name": "t", "partitions": 6}, {"name": "u"}],
            "groups": [{"name": "g", "replicas": 2, "topics": ["t"]}], "producer": {"load": {"messagesPerSecond": 3}}}),
        );
        let lines = changes(&before, &grown).join("\n");
        for says in [
            "t: 3 → 6 partitions",
            "topic u: new, 1 partition",
            "the producer restarts: 3 messages a second",
        ] {
            assert!(lines.contains(says), "{lines}");
        }
    }
}
