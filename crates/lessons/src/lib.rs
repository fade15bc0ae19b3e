//! Lessons that check themselves. Pure: no client, no clock. In: a lesson (`lessons/N.yaml`), and observations of a practice. Out: which
//! expectations of a step are met, with the evidence, and the page of the lesson. Deliberately absent: how a practice is observed, and how
//! a step is shown.

mod expect;
mod judge;
mod lesson;
mod names;
mod observation;
mod page;
mod topic;

#[cfg(test)]
mod tests;

pub use expect::{Expectation, Finding, From, Rebalanced};
pub use judge::Attempt;
pub use lesson::{Commands, KafkaKind, Lesson, Needs, Prediction, Step, lesson, lessons};
pub use names::Names;
pub use observation::{Answer, Observation};
pub use page::page;
