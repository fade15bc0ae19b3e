//! What is known about a practice at one time: its status, the ledgers of its consumers, and the answers of its producer.

use practice_api::PracticeStatus;
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
    /// The partitions of the practice's topics, as far as their number is known.
    pub fn partitions(status: &PracticeStatus) -> Vec<(String, i32)> {
        let topics = status.topics.iter();
        let partitions = topics.flat_map(|topic| {
            let numbers = 0..topic.partitions.unwrap_or_default();
            numbers.map(|number| (topic.name.clone(), number))
        });
        partitions.collect()
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
