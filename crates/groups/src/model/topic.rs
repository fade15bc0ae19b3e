//! A topic in a poll of Kafka. In: what the reader of a Kafka has found. Out: whether the topic exists, its offsets and replicas, and
//! whether two spellings of a configuration value are the same. Deliberately absent: what a manifest asks for.

use std::{collections::BTreeSet, str::FromStr, sync::Arc};

use super::KafkaError;

/// A topic that was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TopicSeen {
    /// No topic has this name.
    Missing,
    /// It exists.
    Present(Arc<TopicFacts>),
    /// Kafka did not answer for it; the reason.
    Unknown(Arc<KafkaError>),
}

impl From<TopicFacts> for TopicSeen {
    fn from(facts: TopicFacts) -> Self {
        Self::Present(Arc::new(facts))
    }
}

/// A topic that exists.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TopicFacts {
    /// Kafka's topic id (KIP-516), 32 hexadecimal digits; empty: this Kafka has none. A recreated topic with the same name has
    /// another id.
    pub id: String,
    /// Copies of each partition (the fewest, should they differ).
    pub replication_factor: i32,
    /// Offsets per partition, from partition 0; `None`: its leader could not be asked.
    pub partitions: Vec<Option<Bounds>>,
    /// Replicas of each partition, from partition 0; empty if they are not reported.
    pub copies: Vec<Copies>,
}

/// The brokers that hold a partition, by their ids.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Copies {
    /// The leader; `None`: the partition has none now.
    pub leader: Option<i32>,
    /// All of them, the preferred leader first.
    pub replicas: Vec<i32>,
    /// The in-sync replicas, sorted.
    pub in_sync: Vec<i32>,
}

/// Start and end of a partition's log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Offset of the oldest message.
    pub start: i64,
    /// Offset after the newest message (the high watermark).
    pub end: i64,
}

/// The value of one key of a topic's configuration that is in effect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigValue {
    /// The value, as Kafka writes it.
    pub value: String,
    /// Whether it is set on the topic itself. Otherwise it is a default: Kafka's own or one of the brokers', static or dynamic.
    pub on_topic: bool,
    /// Its type.
    pub kind: ConfigKind,
}

/// The type of a configuration key, which decides whether two spellings are the same value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConfigKind {
    /// `true` or `false`, in any case.
    Boolean,
    /// A whole number.
    Integer,
    /// A number.
    Double,
    /// Words separated by commas.
    List,
    /// Any text.
    Text,
}

impl ConfigValue {
    /// Whether Kafka would read `other` as the same value. Kafka ignores spaces around a value and its parts.
    #[must_use]
    pub fn is(&self, other: &str) -> bool {
        let (value, other) = (self.value.trim(), other.trim());
        if value == other {
            return true;
        }
        match self.kind {
            ConfigKind::Boolean => value.eq_ignore_ascii_case(other),
            ConfigKind::Integer => is_same::<i64>(value, other),
            ConfigKind::Double => is_same::<f64>(value, other),
            ConfigKind::List => words(value) == words(other),
            ConfigKind::Text => false,
        }
    }
}

fn is_same<T: FromStr + PartialEq>(one: &str, other: &str) -> bool {
    matches!((one.parse::<T>(), other.parse::<T>()), (Ok(one), Ok(other)) if one == other)
}

/// The words of a list. Their order has no meaning in the lists of a topic's configuration.
fn words(list: &str) -> BTreeSet<&str> {
    list.split(',')
        .map(str::trim)
        .filter(|word| !word.is_empty())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_that_kafka_reads_as_one_value_are_the_same() {
        use ConfigKind::{Boolean, Double, Integer, List, Text};
        for (kind, value, other, same) in [
            (Integer, "604800000", "604800000", true),
            (Integer, "604800000", " +0604800000", true),
            (Integer, "-1", "-1", true),
            (Integer, "604800000", "604800001", false),
            (Integer, "604800000", "soon", false),
            (Boolean, "false", "FALSE", true),
            (Boolean, "false", "true", false),
            (Double, "0.5", ".50", true),
            (Double, "0.5", "0.6", false),
            (List, "compact,delete", " delete, compact", true),
            (List, "compact,delete", "delete", false),
            (List, "", "", true),
            (Text, "producer", "producer ", true),
            (Text, "producer", "Producer", false),
        ] {
            let config = ConfigValue {
                value: value.to_owned(),
                on_topic: false,
                kind,
            };
            assert_eq!(config.is(other), same, "{kind:?} {value} {other}");
        }
    }
}
