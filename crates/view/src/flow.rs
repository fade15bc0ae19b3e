//! Messages produced and consumed since the last event `flow`. Pure. In: worker events, ends of partitions. Out: one batch;
//! offsets and counts, never keys or values.

use std::collections::BTreeMap;

use practice_contract::events::Moved;
use serde_json::{Value, json};

/// Changes since the last batch, and the known end of each partition.
#[derive(Debug, Default)]
pub(crate) struct Flow {
    ends: BTreeMap<(String, i32), i64>,
    produced: BTreeMap<(String, i32), i64>,
    /// Count and next offset, by group, topic, partition and consumer.
    consumed: BTreeMap<(String, String, i32, String), (u64, i64)>,
}

impl Flow {
    /// The end of a partition in a poll of Kafka. It may be lower than the known one: a recreated topic starts at 0.
    pub(crate) fn ends_at(&mut self, topic: &str, partition: i32, end: i64) {
        self.moves_to(topic, partition, end);
        if let Some(known) = self.ends.get_mut(&(topic.to_owned(), partition)) {
            *known = end;
        }
    }

    /// A lower bound of a partition's end, from a producer's or a consumer's offset.
    pub(crate) fn moves_to(&mut self, topic: &str, partition: i32, end: i64) {
        let key = (topic.to_owned(), partition);
        match self.ends.insert(key.clone(), end) {
            Some(known) if known >= end => {
                self.ends.insert(key, known);
            }
            Some(_) => {
                self.produced.insert(key, end);
            }
            None => {} // the previous end is unknown
        }
    }

    /// Adds messages that a consumer has handled.
    pub(crate) fn consumed(&mut self, group: &str, consumer: &str, moved: &Moved) {
        self.moves_to(&moved.topic, moved.partition, moved.offset);
        let key = (
            group.to_owned(),
            moved.topic.clone(),
            moved.partition,
            consumer.to_owned(),
        );
        let sum = self.consumed.entry(key).or_default();
        *sum = (sum.0 + moved.count, moved.offset);
    }

    /// Whether the batch is empty.
    pub(crate) fn is_empty(&self) -> bool {
        self.produced.is_empty() && self.consumed.is_empty()
    }

    /// Takes the batch; `None` if it is empty.
    pub(crate) fn take(&mut self, now: i64) -> Option<Value> {
        if self.is_empty() {
            return None;
        }
        let produced: Vec<Value> = std::mem::take(&mut self.produced)
            .into_iter()
            .map(|((topic, partition), end)| json!([topic, partition, end]))
            .collect();
        let consumed: Vec<Value> = std::mem::take(&mut self.consumed)
            .into_iter()
            .map(|((group, topic, partition, consumer), (count, offset))| {
                json!([group, topic, partition, consumer, count, offset])
            })
            .collect();
        Some(json!({"now": now, "produced": produced, "consumed": consumed}))
    }

    /// Drops the batch.
    pub(crate) fn clear(&mut self) {
        self.produced.clear();
        self.consumed.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moved(partition: i32, offset: i64, count: u64) -> Moved {
        Moved {
            topic: "t".to_owned(),
            partition,
            offset,
            count,
        }
    }

    #[test]
    fn a_batch_sums_up_and_is_taken_once() {
        let mut flow = Flow::default();
        flow.ends_at("t", 0, 10);
        flow.ends_at("t", 1, 5);
        assert_eq!(flow.take(1), None, "the previous end is unknown");
        flow.consumed("g", "c", &moved(0, 11, 1));
        flow.consumed("g", "c", &moved(0, 14, 3));
        flow.consumed("h", "d", &moved(0, 9, 2));
        flow.ends_at("t", 1, 6);
        assert_eq!(
            flow.take(7),
            Some(
                json!({"now": 7, "produced": [["t", 0, 14], ["t", 1, 6]], "consumed": [["g", "t", 0, "c", 4, 14], ["h", "t", 0, "d", 2, 9]]})
            )
        );
        assert_eq!(flow.take(8), None);
    }

    #[test]
    fn an_older_poll_moves_no_end_back_and_a_recreated_topic_starts_at_0() {
        let mut flow = Flow::default();
        flow.ends_at("t", 0, 10);
        flow.moves_to("t", 0, 12);
        flow.moves_to("t", 0, 11);
        assert_eq!(
            flow.take(1),
            Some(json!({"now": 1, "produced": [["t", 0, 12]], "consumed": []}))
        );
        flow.ends_at("t", 0, 0);
        flow.moves_to("t", 0, 3);
        assert_eq!(
            flow.take(2),
            Some(json!({"now": 2, "produced": [["t", 0, 3]], "consumed": []}))
        );
    }
}
