//! In: a spec, and the namespace of its practice. Out: the same spec with every topic and group id below `<namespace>.`, so that two namespaces that
//! share a Kafka can use the same manifest. Pure. It renames only what the spec names, not annotations of the practice, and neither checks nor applies
//! the result.

use practice_api::PracticeSpec;
use thiserror::Error;

/// Most characters that Kafka allows in the name of a topic. The schema of a practice allows no more in a group id either.
const LONGEST: usize = 249;

/// Why a name cannot be prefixed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum PrefixFault {
    /// The name has no room for the prefix.
    #[error(
        "{field} {name} has {} characters, with prefix {prefix} {} of the {LONGEST} that Kafka allows: use a shorter name",
        name.len(),
        prefix.len() + name.len()
    )]
    TooLong {
        /// Such as `spec.topics[0].name`.
        field: String,
        /// As the spec has it.
        name: String,
        /// Such as `team-a.`.
        prefix: String,
    },
    /// One name has the prefix, another is the rest of it.
    #[error(
        "{field} {name} is with its prefix the name of another one, {prefixed}: rename one of them"
    )]
    Duplicate {
        /// Such as `spec.topics[0].name`.
        field: String,
        /// As the spec has it, without the prefix.
        name: String,
        /// As it would be.
        prefixed: String,
    },
}

/// What the names of a namespace begin with. A namespace has no dot in it, so no prefix is the beginning of another one.
pub fn namespace_prefix(namespace: &str) -> String {
    format!("{namespace}.")
}

/// The spec with each name of a topic and each group id prefixed, and the topics that groups read renamed alike. A name that has the prefix already stays,
/// so a second call changes nothing. `namespace` is the name of a Kubernetes namespace, whose characters are legal in Kafka.
///
/// # Errors
/// The first name that would be longer than Kafka allows, or equal to another one.
pub fn prefix_names(spec: &PracticeSpec, namespace: &str) -> Result<PracticeSpec, PrefixFault> {
    let prefix = namespace_prefix(namespace);
    let topics: Vec<&str> = spec
        .topics
        .iter()
        .map(|topic| topic.name.as_str())
        .collect();
    let groups: Vec<&str> = spec
        .groups
        .iter()
        .map(|group| group.name.as_str())
        .collect();
    let mut named = spec.clone();
    for (i, topic) in named.topics.iter_mut().enumerate() {
        let field = format!("spec.topics[{i}].name");
        topic.name = prefixed(&topic.name, &prefix, &topics, field)?;
    }
    for (i, group) in named.groups.iter_mut().enumerate() {
        let field = format!("spec.groups[{i}].name");
        group.name = prefixed(&group.name, &prefix, &groups, field)?;
        for (j, topic) in group.topics.iter_mut().flatten().enumerate() {
            let field = format!("spec.groups[{i}].topics[{j}]");
            *topic = prefixed(topic, &prefix, &topics, field)?;
        }
    }
    Ok(named)
}

/// `name` with `prefix`, which may have it already. `others` are the names of its kind in the spec.
fn prefixed(
    name: &str,
    prefix: &str,
    others: &[&str],
    field: String,
) -> Result<String, PrefixFault> {
    if name.starts_with(prefix) {
        return Ok(name.to_owned());
    }
    let prefixed = format!("{prefix}{name}");
    let name = name.to_owned();
    if prefixed.len() > LONGEST {
        let prefix = prefix.to_owned();
        return Err(PrefixFault::TooLong {
            field,
            name,
            prefix,
        });
    }
    if others.contains(&prefixed.as_str()) {
        return Err(PrefixFault::Duplicate {
            field,
            name,
            prefixed,
        });
    }
    Ok(prefixed)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn spec(topics: &[&str], groups: Value) -> PracticeSpec {
        let topics: Vec<Value> = topics.iter().map(|name| json!({"name": name})).collect();
        serde_json::from_value(json!({"topics": topics, "groups": groups})).expect("a spec")
    }

    #[test]
    fn each_name_gets_the_prefix_once_and_nothing_else_changes() {
        let before = json!({
            "kafka": {"bootstrapServers": "k:1"},
            "topics": [
                {"name": "orders", "partitions": 3, "config": {"retention.ms": "60000"}},
                {"name": "theirs", "managed": false},
            ],
            "groups": [
                {"name": "a", "replicas": 2, "variants": [{"name": "slow", "processingDelay": "5s"}]},
                {"name": "orders", "topics": ["theirs", "orders"]},
                {"name": "team-a.b"},
                {"name": "team-ab"},
            ],
            "producer": {"load": {"messagesPerSecond": 3}},
        });
        let mut after = before.clone();
        after["topics"][0]["name"] = json!("team-a.orders");
        after["topics"][1]["name"] = json!("team-a.theirs");
        after["groups"][0]["name"] = json!("team-a.a");
        after["groups"][1]["name"] = json!("team-a.orders");
        after["groups"][1]["topics"] = json!(["team-a.theirs", "team-a.orders"]);
        after["groups"][3]["name"] = json!("team-a.team-ab");
        let read = |value: Value| serde_json::from_value::<PracticeSpec>(value).expect("a spec");
        let once = prefix_names(&read(before), "team-a").expect("there is room");
        assert_eq!(once, read(after));
        assert_eq!(prefix_names(&once, "team-a"), Ok(once.clone()), "twice");
        let other = prefix_names(&once, "team").expect("there is room");
        assert_eq!(other.topics[0].name, "team.team-a.orders");
    }

    #[test]
    fn what_is_legal_in_kafka_stays_legal_and_what_is_not_is_refused() {
        let namespace = "n".repeat(63);
        let (fits, long) = ("x".repeat(185), "x".repeat(186));
        let named = prefix_names(&spec(&[&fits], json!([{"name": fits}])), &namespace)
            .expect("249 characters");
        let practice = serde_json::from_value(json!({
            "apiVersion": "kafka-practice.dev/v1alpha1", "kind": "ConsumerGroupPractice",
            "metadata": {"name": "p", "namespace": namespace}, "spec": named,
        }));
        let practice: practice_api::ConsumerGroupPractice = practice.expect("a practice");
        let defaults = crate::plan::Defaults {
            bootstrap_servers: Some("k:1".to_owned()),
            worker_image: "w".to_owned(),
            producer_image: "p".to_owned(),
            ..crate::plan::Defaults::default()
        };
        let plan = crate::plan::plan(&practice, &defaults).expect("a legal plan");
        assert_eq!(
            (plan.topics[0].name.len(), plan.groups[0].id.len()),
            (249, 249)
        );

        let duplicate = |field: &str, name: &str| PrefixFault::Duplicate {
            field: field.to_owned(),
            name: name.to_owned(),
            prefixed: format!("a.{name}"),
        };
        let too_long = |field: &str| PrefixFault::TooLong {
            field: field.to_owned(),
            name: long.clone(),
            prefix: format!("{namespace}."),
        };
        for (namespace, topics, groups, fault) in [
            (
                &*namespace,
                vec!["t", &long],
                json!([]),
                too_long("spec.topics[1].name"),
            ),
            (
                &*namespace,
                vec!["t"],
                json!([{"name": long}]),
                too_long("spec.groups[0].name"),
            ),
            (
                "a",
                vec!["a.t", "t"],
                json!([]),
                duplicate("spec.topics[1].name", "t"),
            ),
            (
                "a",
                vec!["t"],
                json!([{"name": "g"}, {"name": "a.g"}]),
                duplicate("spec.groups[0].name", "g"),
            ),
        ] {
            let refused = prefix_names(&spec(&topics, groups), namespace);
            assert_eq!(refused, Err(fault), "{topics:?}");
        }
    }
}
