//! What is known about a practice at one time: its status, the ledgers of its consumers, and the answers of its producer.

use std::collections::BTreeMap;

use practice_api::{PracticeStatus, status::GroupStatus};
use practice_contract::handled::Handled;
use serde::{Deserialize, Serialize};

/// One observation. Its parts may be of slightly different times: a status is polled, ledgers are asked afterwards.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Observation {
    /// When it was made, milliseconds since the epoch.
    pub at: i64,
    /// Status of the practice.
    pub status: PracticeStatus,
    /// Ledgers of all consumers that answer.
    pub handled: Vec<Handled>,
    /// How often the producer gave each answer since it started.
    pub answers: Vec<Answer>,
}

/// One kind of answer of the producer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// How many.
    pub count: u64,
}

impl Answer {
    /// The counts in a producer's metrics; other lines are passed over.
    pub fn read(metrics: &str) -> Vec<Self> {
        let counts = metrics.lines().filter_map(|line| {
            let counted = line.strip_prefix("practice_producer_answers_total{status=\"")?;
            let (status, count) = counted.split_once("\"} ")?;
            Some(Self {
                status: status.parse().ok()?,
                count: count.parse().ok()?,
            })
        });
        counts.collect()
    }
}

impl Observation {
    /// What to ask consumers about: each partition that has messages, with its first and its last offset.
    pub fn windows(status: &PracticeStatus) -> Vec<((&str, i32), i64, i64)> {
        let mut ends = BTreeMap::new();
        for share in status.groups.iter().flat_map(GroupStatus::shares) {
            let end = share.end.unwrap_or_default();
            let known = ends
                .entry((share.topic.as_str(), share.partition))
                .or_insert(end);
            *known = end.max(*known);
        }
        let windows = ends.into_iter().filter(|(_, end)| *end > 0);
        windows.map(|(at, end)| (at, 0, end - 1)).collect()
    }

    /// How often the producer answered with this status since it started.
    pub(crate) fn answers(&self, status: u16) -> u64 {
        let answers = self.answers.iter();
        let counts = answers.filter(|answer| answer.status == status);
        counts.map(|answer| answer.count).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_counted_by_status() {
        let metrics = "# TYPE practice_producer_answers counter\n\
            practice_producer_answers_total{status=\"422\"} 1\n\
            practice_producer_answers_total{status=\"200\"} 30\n# EOF\n";
        let seen = Observation {
            answers: Answer::read(metrics),
            ..Observation::default()
        };
        assert_eq!(
            [200, 422, 503].map(|status| seen.answers(status)),
            [30, 1, 0]
        );
    }
}
