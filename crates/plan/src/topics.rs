//! What to change about a topic in Kafka. In: a topic of a plan and its description by Kafka. Out: a step, or why there is none.
//! Pure: the operator's `prepare` executes the steps.

use std::collections::BTreeMap;

use practice_api::{Topic, status::TopicStatus};
use practice_contract::producer::MAX_MESSAGE_BYTES;
use practice_groups::{ConfigValue, KafkaError, TopicSeen};

use crate::outcome::Refusal;

/// The next step for a topic.
#[derive(Debug, PartialEq, Eq)]
pub enum TopicStep {
    /// None: the topic matches the manifest, or has more partitions.
    Ready,
    /// Create it.
    Create,
    /// Add partitions; it has this many.
    Grow(i32),
    /// The operator may not create it, or it differs from the manifest.
    Conflict(String),
    /// Kafka did not describe it, and why.
    Unknown(Refusal),
}

/// Decides about a topic. An existing topic may have more partitions than the manifest, but must have its replication factor.
pub fn topic_step(topic: &Topic, seen: Option<&TopicSeen>) -> TopicStep {
    let name = &topic.name;
    match seen {
        None => TopicStep::Unknown(Refusal::Failed(format!(
            "topic {name} has not been described yet"
        ))),
        Some(TopicSeen::Unknown(error)) => TopicStep::Unknown(refusal(topic, error)),
        Some(TopicSeen::Missing) if topic.managed => TopicStep::Create,
        Some(TopicSeen::Missing) => TopicStep::Conflict(format!(
            "topic {name} does not exist and managed is false: create it, or set managed to true"
        )),
        Some(TopicSeen::Present(_)) if !topic.managed => TopicStep::Ready,
        Some(TopicSeen::Present(facts)) if facts.replication_factor != topic.replication_factor => {
            TopicStep::Conflict(format!(
                "topic {name} has replicationFactor {}, the manifest has {}: set it to {0}, set managed to false, or use another topic name",
                facts.replication_factor, topic.replication_factor
            ))
        }
        Some(TopicSeen::Present(facts)) => {
            match i32::try_from(facts.partitions.len()).unwrap_or(i32::MAX) {
                there if there < topic.partitions => TopicStep::Grow(there),
                _ => TopicStep::Ready,
            }
        }
    }
}

/// `max.message.bytes` of the topics that set it, by topic. A value that is no such number is left to Kafka, which refuses it.
pub fn max_message_bytes(topics: &[Topic]) -> BTreeMap<String, u32> {
    let limit = |topic: &Topic| {
        let bytes = topic.config.get(MAX_MESSAGE_BYTES)?.parse::<i32>().ok()?;
        Some((topic.name.clone(), u32::try_from(bytes).ok()?))
    };
    topics.iter().filter_map(limit).collect()
}

/// A configuration key of an existing topic that differs from the manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigDifference {
    /// The key.
    pub key: String,
    /// The value in effect; `None`: this Kafka has no such key for topics.
    pub there: Option<ConfigValue>,
    /// The manifest's value; `None`: the key is reset to its default.
    pub wanted: Option<String>,
}

impl ConfigDifference {
    /// The message of a conflict on a topic that this practice did not create.
    pub fn conflict(&self, topic: &str) -> String {
        let Self { key, there, wanted } = self;
        let wanted = wanted.as_deref().unwrap_or("no value");
        match there {
            None => format!(
                "topic {topic} cannot have {key} (`{wanted}` in the manifest): this Kafka has no such configuration key; remove or correct it, or set managed to false"
            ),
            Some(ConfigValue {
                value, on_topic, ..
            }) => {
                let by_default = if *on_topic { "" } else { " by default" };
                format!(
                    "topic {topic} has {key} `{value}`{by_default}, the manifest has `{wanted}`: set one to the other, or set managed to false"
                )
            }
        }
    }
}

/// Compares an existing topic's configuration with the manifest. `released`: keys of our own topic to reset to their default.
///
/// On a topic that this practice did not create, the value in effect counts, wherever it is set: nothing is changed there, so a
/// default of the brokers that is the manifest's value is no difference. On our own topic a key of the manifest must be set on the
/// topic itself, as it is on a topic that was created with it: a default may change later, and the manifest would no longer be true.
/// This costs at most one request for each change of the manifest. A released key differs only while the topic itself has it.
pub fn config_differences(
    topic: &Topic,
    there: &BTreeMap<String, ConfigValue>,
    ours: bool,
    released: &[String],
) -> Vec<ConfigDifference> {
    let is_met = |(key, wanted): &(&String, Option<&String>)| match (there.get(*key), wanted) {
        (Some(value), Some(wanted)) => (value.on_topic || !ours) && value.is(wanted),
        (Some(value), None) => !value.on_topic,
        (None, wanted) => wanted.is_none(),
    };
    let wanted = topic.config.iter().map(|(key, value)| (key, Some(value)));
    let released = released.iter().map(|key| (key, None));
    let different = wanted.chain(released).filter(|wanted| !is_met(wanted));
    let each = different.map(|(key, wanted)| ConfigDifference {
        key: key.clone(),
        there: there.get(key).cloned(),
        wanted: wanted.cloned(),
    });
    each.collect()
}

/// Keys that a practice has set on its own topic, and that the manifest no longer contains.
pub fn released<'a>(topic: &'a Topic, status: &'a TopicStatus) -> impl Iterator<Item = &'a String> {
    status
        .configured
        .iter()
        .filter(|key| topic.managed && !topic.config.contains_key(*key))
}

/// Settings that differ from the former manifest, key by key, then the keys that are reset (`back`).
pub fn settings<'a>(
    topic: &Topic,
    former: Option<&Topic>,
    back: impl Iterator<Item = &'a String>,
) -> Vec<String> {
    let is_new = |(key, value): &(&String, &String)| {
        former.is_none_or(|former| former.config.get(*key) != Some(*value))
    };
    let set = topic
        .config
        .iter()
        .filter(is_new)
        .map(|(key, value)| setting(key, Some(value)));
    set.chain(back.map(|key| setting(key, None))).collect()
}

/// `retention.ms=60000`; without a value `retention.ms reset to its default`.
pub fn setting(key: &str, value: Option<&String>) -> String {
    value.map_or_else(
        || format!("{key} reset to its default"),
        |value| format!("{key}={value}"),
    )
}

/// Classifies an error of Kafka about a topic: whether a person has to act, and the message.
pub fn refusal(topic: &Topic, error: &KafkaError) -> Refusal {
    let name = &topic.name;
    match error {
        // brokers may be added later, so the operator retries
        KafkaError::Answered { code, message, .. } if code == "InvalidReplicationFactor" => {
            Refusal::Failed(format!(
                "topic {name}: replicationFactor {} is larger than the number of brokers ({message}): add brokers, or use a topic with a smaller replicationFactor",
                topic.replication_factor
            ))
        }
        KafkaError::Denied { .. } => Refusal::Denied(format!("topic {name}: {error}")),
        error if error.needs_help() => Refusal::Refused(format!("topic {name}: {error}")),
        error => Refusal::Failed(format!("topic {name}: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use practice_groups::{Bounds, ConfigKind, TopicFacts};

    use super::*;
    use crate::testing::plan_of;

    fn present(partitions: usize, replication_factor: i32) -> TopicSeen {
        let bounds = Some(Bounds { start: 0, end: 0 });
        TopicSeen::from(TopicFacts {
            id: "a".into(),
            replication_factor,
            partitions: vec![bounds; partitions],
            ..TopicFacts::default()
        })
    }

    #[test]
    fn the_value_in_effect_counts_on_a_topic_of_others_and_the_topics_own_value_on_ours() {
        let value = |value: &str, on_topic| ConfigValue {
            value: value.to_owned(),
            on_topic,
            kind: ConfigKind::Integer,
        };
        let there = BTreeMap::from([
            ("retention.ms".to_owned(), value("604800000", false)),
            ("segment.ms".to_owned(), value("9000", true)),
        ]);
        let differing = |config: serde_json::Value, ours, released: &[&str]| {
            let spec = serde_json::json!({"topics": [{"name": "t", "config": config}]});
            let released: Vec<String> = released.iter().map(|key| (*key).to_owned()).collect();
            let topic = &plan_of(spec).topics[0];
            let differences = config_differences(topic, &there, ours, &released);
            let keys = differences
                .iter()
                .map(|difference| difference.key.clone())
                .collect::<Vec<_>>();
            (keys, differences)
        };
        let retention = |value: &str| serde_json::json!({"retention.ms": value});
        assert!(differing(retention("604800000"), false, &[]).0.is_empty());
        assert!(differing(retention("+604800000 "), false, &[]).0.is_empty());
        let (keys, default) = differing(retention("604800000"), true, &[]);
        assert_eq!(keys, ["retention.ms"], "a default may change");
        assert_eq!(default[0].wanted.as_deref(), Some("604800000"));
        let segment = serde_json::json!({"segment.ms": "9000"});
        for ours in [false, true] {
            assert!(differing(segment.clone(), ours, &[]).0.is_empty(), "{ours}");
            assert_eq!(differing(retention("5"), ours, &[]).0, ["retention.ms"]);
        }
        let none = serde_json::json!({});
        let (keys, released) = differing(none, true, &["retention.ms", "segment.ms", "gone"]);
        assert_eq!(keys, ["segment.ms"], "the others are defaults already");
        assert_eq!(released[0].wanted, None);
        let (_, foreign) = differing(retention("5"), false, &[]);
        assert_eq!(
            foreign[0].conflict("t"),
            "topic t has retention.ms `604800000` by default, the manifest has `5`: set one to the other, or set managed to false"
        );
        let (_, foreign) = differing(serde_json::json!({"segment.ms": "5"}), false, &[]);
        assert!(
            foreign[0]
                .conflict("t")
                .contains("has segment.ms `9000`, the manifest has `5`")
        );
        let (_, unknown) = differing(serde_json::json!({"retenton.ms": "5"}), false, &[]);
        let why = unknown[0].conflict("t");
        assert!(
            why.contains("retenton.ms") && why.contains("no such configuration key"),
            "{why}"
        );
    }

    #[test]
    fn a_topic_is_made_grown_used_or_left_alone() {
        let plan = plan_of(
            serde_json::json!({"topics": [{"name": "t", "partitions": 3}, {"name": "u", "managed": false}]}),
        );
        let (t, u) = (&plan.topics[0], &plan.topics[1]);
        assert_eq!(topic_step(t, Some(&TopicSeen::Missing)), TopicStep::Create);
        assert_eq!(topic_step(t, Some(&present(1, 1))), TopicStep::Grow(1));
        assert_eq!(topic_step(t, Some(&present(3, 1))), TopicStep::Ready);
        assert_eq!(topic_step(t, Some(&present(9, 1))), TopicStep::Ready);
        assert!(
            matches!(topic_step(t, Some(&present(3, 2))), TopicStep::Conflict(why) if why.contains("replicationFactor 2"))
        );
        assert!(matches!(topic_step(t, None), TopicStep::Unknown(_)));
        assert_eq!(topic_step(u, Some(&present(9, 3))), TopicStep::Ready);
        assert!(
            matches!(topic_step(u, Some(&TopicSeen::Missing)), TopicStep::Conflict(why) if why.contains("managed"))
        );
    }

    #[test]
    fn the_producer_learns_the_limits_that_topics_set() {
        let settings = |config: serde_json::Value| {
            let plan = plan_of(
                serde_json::json!({"topics": [{"name": "t", "config": config}, {"name": "u"}]}),
            );
            plan.producer.expect("on by default").settings
        };
        let set = settings(serde_json::json!({"max.message.bytes": "5242880"}));
        let expected = BTreeMap::from([("t".to_owned(), 5_242_880)]);
        assert_eq!(set.max_message_bytes, expected);
        assert!(
            set.to_env()
                .contains(&("KAFKA_PRACTICE_MAX_MESSAGE_BYTES", "t=5242880".to_owned()))
        );
        for other in ["-1", "5Mi", "9999999999"] {
            let unset = settings(serde_json::json!({"max.message.bytes": other}));
            assert!(unset.max_message_bytes.is_empty(), "{other}");
        }
    }
}
