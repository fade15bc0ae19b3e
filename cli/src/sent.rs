//! A message as the producer acknowledged it, and why it is in its partition. Pure. In: the producer's answer, and what was asked for. Out:
//! a sentence that claims only what was checked.

use practice_contract::partitioner::partition_of;
use serde::Deserialize;

/// The producer's answer to a message that is in its topic.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Sent {
    /// Its topic.
    pub topic: String,
    /// Its partition, from 0.
    pub partition: i32,
    /// Its offset; `None`: Kafka had stored an earlier attempt and no longer knows where.
    pub offset: Option<i64>,
    /// When it was produced, milliseconds since the epoch.
    pub timestamp: Option<i64>,
    /// The random key that the producer gave it.
    pub random_key: Option<String>,
    /// Partitions of the topic; `None`: the producer is of an older version.
    pub partitions: Option<i32>,
}

/// Characters of a random key that are shown.
const RANDOM_SHOWN: usize = 4;
/// Characters of a key of the user that are shown.
const GIVEN_SHOWN: usize = 24;

impl Sent {
    /// Why it is in its partition, for a request with this key and this partition: `murmur2 of key 5f0c… mod 3, a random key`.
    pub fn partition_reason(&self, key: Option<&str>, partition: Option<i32>) -> String {
        if partition.is_some() {
            return "given".to_owned();
        }
        let Some(partitions) = self.partitions else {
            return "chosen by the producer".to_owned();
        };
        let (used, shown, kind) = match (key, &self.random_key) {
            (Some(key), _) => (key, GIVEN_SHOWN, ""),
            (None, Some(random)) => (random.as_str(), RANDOM_SHOWN, ", a random key"),
            (None, None) => {
                return "chosen by the producer at random, for the message has no key".to_owned();
            }
        };
        let hash = format!("murmur2 of key {}", cut(used, shown));
        if partition_of(used, partitions) == Some(self.partition) {
            format!("{hash} mod {partitions}{kind}")
        } else {
            // the number of partitions has just changed
            format!("{hash}{kind}")
        }
    }
}

/// The first characters of a key, with a mark where some are left out.
fn cut(key: &str, longest: usize) -> String {
    match key.char_indices().nth(longest) {
        Some((at, _)) => format!("{}…", &key[..at]),
        None if key.is_empty() => "\"\"".to_owned(),
        None => key.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reason_of_a_partition_is_what_was_checked() {
        let uuid = "5f0c9a52-6f0e-4a8e-9d61-1f1a3c1f0c11";
        let in_partition = |key: &str| partition_of(key, 3).expect("there are three");
        for (key, partition, random_key, partitions, found, expected) in [
            (None, Some(1), Some(uuid), Some(3), 1, "given"),
            (
                None,
                None,
                Some(uuid),
                Some(3),
                in_partition(uuid),
                "murmur2 of key 5f0c… mod 3, a random key",
            ),
            (
                Some("order-7"),
                None,
                None,
                Some(3),
                in_partition("order-7"),
                "murmur2 of key order-7 mod 3",
            ),
            (
                Some("order-7"),
                None,
                None,
                Some(3),
                in_partition("order-7") + 1,
                "murmur2 of key order-7",
            ),
            (
                Some(""),
                None,
                None,
                Some(3),
                in_partition(""),
                "murmur2 of key \"\" mod 3",
            ),
            (
                None,
                None,
                None,
                Some(3),
                0,
                "chosen by the producer at random, for the message has no key",
            ),
            (Some("k"), None, None, None, 0, "chosen by the producer"),
        ] {
            let sent = Sent {
                topic: "t".to_owned(),
                partition: found,
                offset: Some(1),
                timestamp: None,
                random_key: random_key.map(str::to_owned),
                partitions,
            };
            assert_eq!(sent.partition_reason(key, partition), expected);
        }
    }
}
