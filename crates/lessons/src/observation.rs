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

impl Observation {
    /// How often the producer answered with this status since it started.
    pub(crate) fn answers(&self, status: u16) -> u64 {
        let answers = self.answers.iter();
        let counts = answers.filter(|answer| answer.status == status);
        counts.map(|answer| answer.count).sum()
    }
}
