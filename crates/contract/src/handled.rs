//! The JSON of a worker's `/handled` and of its ledger file: which offsets it has handled, and when. Offsets and times, never keys or
//! values.

use serde::{Deserialize, Serialize};

/// Handled messages that a worker remembers, over all partitions; the oldest are forgotten first.
pub const HANDLED_KEPT: u64 = 100_000;
/// Ranges in one answer, at most.
pub const HANDLED_LISTED: usize = 1_000;

/// What one worker has handled since it started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Handled {
    /// `client.id`.
    pub instance: String,
    /// `group.id`.
    pub group: String,
    /// When this process started, milliseconds since the epoch. Another process of the same name has another ledger. 0: an older worker,
    /// which does not say so and counts as one that has forgotten.
    #[serde(default)]
    pub started_at: i64,
    /// Everything that was handled since then is known: when the worker started, or later if it has forgotten messages. Milliseconds
    /// since the epoch.
    pub known_since: i64,
    /// By topic, partition and time.
    pub ranges: Vec<HandledRange>,
    /// There are more ranges than one answer lists: ask again with a `from` after the last one.
    pub more: bool,
}

/// Messages of one partition that were handled one after the other within a tenth of a second.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HandledRange {
    /// Their topic.
    pub topic: String,
    /// Their partition, from 0.
    pub partition: i32,
    /// Offset of the first one.
    pub from: i64,
    /// Offset of the last one.
    pub to: i64,
    /// How many they are: fewer than the offsets from `from` to `to` where compaction removed messages, or where transactions have
    /// their markers.
    pub count: u64,
    /// When the earliest one was produced, as their records say, milliseconds since the epoch; absent: they do not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub produced_at: Option<i64>,
    /// When the first one was taken, milliseconds since the epoch.
    pub taken_at: i64,
    /// When the last one was handled.
    pub done_at: i64,
    /// When Kafka confirmed a commit that covers the range; absent: it has not, so that another consumer may handle it again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub committed_at: Option<i64>,
}

/// A line of the ledger file: a range that was handled, written before its last offset is stored. It has no `committedAt`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HandledLine {
    /// `client.id`.
    pub instance: String,
    /// `group.id`.
    pub group: String,
    /// The messages.
    #[serde(flatten)]
    pub range: HandledRange,
}

/// The query of `/handled`; without a field nothing is left out by it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HandledQuery {
    /// Ranges of this topic alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub topic: Option<String>,
    /// Of this partition alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub partition: Option<i32>,
    /// That reach this offset or a later one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<i64>,
    /// That begin at this offset or an earlier one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<i64>,
}

impl HandledQuery {
    /// The path with this query.
    pub fn path(&self) -> String {
        format!("/handled?{}", self.text())
    }

    /// As it stands in a URL. Topic names have no character that would have to be escaped.
    pub fn text(&self) -> String {
        let number = |number: Option<i64>| number.map(|number| number.to_string());
        let fields = [
            ("topic", self.topic.clone()),
            ("partition", number(self.partition.map(i64::from))),
            ("from", number(self.from)),
            ("to", number(self.to)),
        ];
        let fields = fields.into_iter();
        let fields: Vec<String> = fields
            .filter_map(|(name, value)| Some(format!("{name}={}", value?)))
            .collect();
        fields.join("&")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_of_an_older_worker_is_read() {
        let text = r#"{"instance": "a", "group": "g", "knownSince": 7, "more": false, "ranges": [
            {"topic": "t", "partition": 0, "from": 1, "to": 2, "count": 2, "takenAt": 8, "doneAt": 9}]}"#;
        let handled: Handled = serde_json::from_str(text).expect("an answer");
        assert_eq!((handled.started_at, handled.known_since), (0, 7));
        assert_eq!(handled.ranges[0].produced_at, None);
    }

    #[test]
    fn a_query_is_a_path() {
        let query = HandledQuery {
            topic: Some("my-topic".to_owned()),
            partition: Some(2),
            from: Some(17),
            to: None,
        };
        assert_eq!(query.path(), "/handled?topic=my-topic&partition=2&from=17");
        assert_eq!(HandledQuery::default().path(), "/handled?");
    }
}
