//! What an edit of the manifest will do. In: the plan that runs and the one to come. Out: a sentence for each thing that
//! starts, stops, is told otherwise or rebalances. Pure.

use practice_plan::{
    plan::{GroupPlan, Plan, RowPlan},
    predict::{self, told},
    topics::settings,
};

/// Everything that is different, in the manifest's order; empty: nothing.
pub fn changes(before: &Plan, after: &Plan) -> Vec<String> {
    let mut said = Vec::new();
    for topic in &after.topics {
        match before
            .topics
            .iter()
            .find(|former| former.name == topic.name)
        {
            None => said.push(format!(
                "topic {}: new, {}",
                topic.name,
                partitions(topic.partitions)
            )),
            Some(former) => {
                if former.partitions != topic.partitions {
                    said.push(format!(
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
                    said.push(format!("topic {}: {}", topic.name, set.join(", ")));
                }
            }
        }
    }
    for topic in before
        .topics
        .iter()
        .filter(|former| !after.topics.iter().any(|topic| topic.name == former.name))
    {
        said.push(format!(
            "topic {}: no longer named, it stays in Kafka",
            topic.name
        ));
    }
    for group in &after.groups {
        match before.groups.iter().find(|former| former.id == group.id) {
            None => said.push(format!("{}: new, {}", group.id, start(wanted(group)))),
            Some(former) => said.extend(changed(former, group, after)),
        }
    }
    for group in before
        .groups
        .iter()
        .filter(|former| !after.groups.iter().any(|group| group.id == former.id))
    {
        let gone = wanted(group);
        said.push(format!(
            "{}: gone, {} stop{}, its committed offsets stay",
            group.id,
            consumers(gone),
            third(gone)
        ));
    }
    match (&before.producer, &after.producer) {
        (None, Some(_)) => said.push("the producer starts".to_owned()),
        (Some(_), None) => said.push("the producer stops".to_owned()),
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
            said.push(format!("the producer restarts: {load}"));
        }
        _ => {}
    }
    said
}

fn changed(before: &GroupPlan, after: &GroupPlan, plan: &Plan) -> Vec<String> {
    let id = &after.id;
    let mut said = Vec::new();
    match (before.stopped, after.stopped) {
        (false, true) => {
            return vec![format!(
                "{id}: stopped, {} end; its committed offsets stay",
                consumers(wanted(before))
            )];
        }
        (true, false) => said.push(format!("{id}: started, {}", start(wanted(after)))),
        (true, true) => return said,
        (false, false) => {}
    }
    if before.protocol_key() != after.protocol_key() {
        said.push(format!(
            "{id}: {} → {}; members that differ in it cannot share a group, so all stop first and start again",
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
            said.push(format!("{name}: new, {}", start(replicas(row))));
            continue;
        };
        let (from, to) = (replicas(former), replicas(row));
        if from != to && !before.stopped {
            let what = if to > from {
                start(to - from)
            } else {
                leave(from - to)
            };
            said.push(format!(
                "{name}: {from} → {to} consumers: {what}; {id} rebalances{}",
                waits(after, plan)
            ));
        }
        let told = told(former, row);
        if !told.is_empty() && before.protocol_key() == after.protocol_key() {
            let few = from.min(to);
            let turns = if few == 1 {
                ""
            } else {
                ", one after the other"
            };
            said.push(format!(
                "{name}: {}; {} restart{}{turns}",
                told.join(", "),
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
        said.push(format!(
            "{id} {}: gone, {}; {id} rebalances",
            row.variant,
            leave(replicas(row))
        ));
    }
    said
}

/// How many have to wait, if it can be told: a partition has one owner in a group.
fn waits(group: &GroupPlan, plan: &Plan) -> String {
    let (room, because) = room(group, plan);
    let wanted = wanted(group);
    if wanted > room {
        let wait = wanted - room;
        format!(", {wait} of {wanted} wait{}: {because}", third(wait))
    } else {
        String::new()
    }
}

/// How many consumers of a group can own something, and why no more.
pub fn room(group: &GroupPlan, plan: &Plan) -> (i32, String) {
    let read = plan
        .topics
        .iter()
        .filter(|topic| group.topics.contains(&topic.name))
        .map(|topic| topic.partitions);
    let (room, because) = predict::room(group.assignor, read);
    (i32::try_from(room).unwrap_or(i32::MAX), because)
}

/// How many consumers a group should have.
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

/// The ending of a verb in the third person.
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
    fn an_edit_is_told_before_it_is_made() {
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
                vec!["g: stopped, 2 consumers end; its committed offsets stay"],
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
                vec!["g: gone, 2 consumers stop, its committed offsets stay"],
            ),
        ] {
            let after = planned(json!({"topics": topic, "groups": groups}));
            assert_eq!(changes(&before, &after), says);
        }
        let configured =
            |config: Value| planned(json!({"topics": [{"name": "t", "config": config}]}));
        let before_it = configured(json!({"retention.ms": "1", "segment.ms": "2"}));
        let said = changes(&before_it, &configured(json!({"retention.ms": "3"})));
        assert_eq!(
            said,
            ["topic t: retention.ms=3, segment.ms back to its default"]
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
        let said = changes(&before, &grown).join("\n");
        for says in [
            "t: 3 → 6 partitions",
            "topic u: new, 1 partition",
            "the producer restarts: 3 messages a second",
        ] {
            assert!(said.contains(says), "{said}");
        }
    }
}
