//! Expectations of a step. In: the observation with which the step began, and a later one. Out: whether the expectation is met, with the
//! evidence. Each kind is one function.

mod group;
mod messages;
#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};

use self::{
    group::{answered, consumers, idle, in_group, lag, partitions, rebalanced, shared, stopped},
    messages::{Wanted, arrived, handled, handled_again, ordered, readers, skipped, spread},
};
use crate::{names::Names, observation::Observation};

/// A fact that a step waits for, or one that it forbids.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(
    rename_all = "camelCase",
    rename_all_fields = "camelCase",
    deny_unknown_fields
)]
pub enum Expectation {
    /// All consumers of a group are ready and members of it.
    Consumers {
        /// The group.
        group: String,
        /// How many.
        count: i32,
    },
    /// The group has members without a partition.
    Idle {
        /// The group.
        group: String,
        /// How many.
        count: i32,
    },
    /// Each consumer of a group owns as many partitions as another one, give or take one, and none is without an owner.
    Shared {
        /// The group.
        group: String,
        /// Partitions of the member that has most.
        most: i32,
    },
    /// The manifest stops the group, and it has no members.
    Stopped {
        /// The group.
        group: String,
    },
    /// The group has so many messages to handle.
    Lag {
        /// The group.
        group: String,
        /// Only in this partition; absent: in all.
        #[serde(default)]
        partition: Option<i32>,
        /// Smallest lag.
        #[serde(default)]
        at_least: Option<i64>,
        /// Largest lag.
        #[serde(default)]
        at_most: Option<i64>,
    },
    /// Groups have handled the messages of a topic, by the ledgers of their consumers.
    Handled {
        /// The topic.
        topic: String,
        /// Only in this partition; absent: in all.
        #[serde(default)]
        partition: Option<i32>,
        /// Only these groups; empty: all that subscribe to the topic.
        #[serde(default)]
        groups: Vec<String>,
        /// So many messages must have arrived at least.
        at_least: u64,
        /// Which messages.
        #[serde(default)]
        from: From,
    },
    /// A consumer handles messages again that its group had committed when the step began.
    HandledAgain {
        /// The group.
        group: String,
        /// The topic.
        topic: String,
    },
    /// Messages arrived in so many partitions of a topic.
    Spread {
        /// The topic.
        topic: String,
        /// How many partitions.
        partitions: usize,
        /// So many messages must have arrived at least.
        at_least: u64,
    },
    /// Messages arrived in this partition.
    Arrived {
        /// The topic.
        topic: String,
        /// The partition.
        partition: i32,
        /// So many messages at least.
        at_least: u64,
    },
    /// So many consumers of a group have handled messages that arrived since the step began.
    Readers {
        /// The group.
        group: String,
        /// The topic.
        topic: String,
        /// How many consumers.
        count: usize,
    },
    /// A group handled the messages of each partition in their order.
    Ordered {
        /// The group.
        group: String,
        /// The topic.
        topic: String,
        /// So many messages at least.
        at_least: u64,
    },
    /// A group has rebalanced since the step began.
    Rebalanced(Rebalanced),
    /// A topic has so many partitions.
    Partitions {
        /// The topic.
        topic: String,
        /// How many.
        count: i32,
    },
    /// The producer has given one of these answers since the step began.
    Answered {
        /// HTTP statuses.
        statuses: Vec<u16>,
    },
    /// The group has committed offsets of messages that none of its consumers has handled.
    Skipped {
        /// The group.
        group: String,
        /// The topic.
        topic: String,
        /// So many messages at least.
        at_least: u64,
    },
    /// Several expectations in one observation.
    Together(Vec<Expectation>),
}

/// A rebalance that a step waits for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Rebalanced {
    /// The group.
    pub group: String,
    /// With one of these causes; empty: with any.
    #[serde(default)]
    pub causes: Vec<String>,
    /// Partitions that have another owner: so many at least.
    #[serde(default)]
    pub moved_at_least: Option<i32>,
    /// Partitions that have another owner: so many at most.
    #[serde(default)]
    pub moved_at_most: Option<i32>,
    /// Milliseconds for which a partition had no owner: so many at least.
    #[serde(default)]
    pub unowned_ms_at_least: Option<i64>,
    /// Milliseconds for which a partition had no owner: so many at most.
    #[serde(default)]
    pub unowned_ms_at_most: Option<i64>,
}

/// Which messages of a topic have to be handled.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum From {
    /// Those that arrived since the step began.
    #[default]
    End,
    /// Those after the committed offsets of the group when the step began.
    Committed,
    /// All that the topic has.
    Start,
}

/// What an expectation found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Whether it is met.
    pub met: bool,
    /// The facts, in words.
    pub evidence: String,
}

impl Finding {
    fn of(met: bool, evidence: String) -> Self {
        Self { met, evidence }
    }
}

impl Expectation {
    /// Compares two observations.
    pub fn evaluate(&self, since: &Observation, now: &Observation) -> Finding {
        match self {
            Self::Consumers { group, count } => in_group(now, group, |g| consumers(g, *count)),
            Self::Idle { group, count } => in_group(now, group, |g| idle(g, *count)),
            Self::Shared { group, most } => in_group(now, group, |g| shared(g, *most)),
            Self::Stopped { group } => in_group(now, group, stopped),
            Self::Lag {
                group,
                partition,
                at_least,
                at_most,
            } => in_group(now, group, |g| lag(g, *partition, (*at_least, *at_most))),
            Self::Handled {
                topic,
                partition,
                groups,
                at_least,
                from,
            } => {
                let what = Wanted {
                    topic,
                    partition: *partition,
                    at_least: *at_least,
                    from: *from,
                };
                handled(since, now, groups, &what)
            }
            Self::HandledAgain { group, topic } => handled_again(since, now, group, topic),
            Self::Spread {
                topic,
                partitions,
                at_least,
            } => spread(since, now, topic, *partitions, *at_least),
            Self::Arrived {
                topic,
                partition,
                at_least,
            } => arrived(since, now, topic, *partition, *at_least),
            Self::Readers {
                group,
                topic,
                count,
            } => readers(since, now, group, topic, *count),
            Self::Ordered {
                group,
                topic,
                at_least,
            } => ordered(since, now, group, topic, *at_least),
            Self::Rebalanced(wanted) => rebalanced(since, now, wanted),
            Self::Partitions { topic, count } => partitions(now, topic, *count),
            Self::Answered { statuses } => answered(since, now, statuses),
            Self::Skipped {
                group,
                topic,
                at_least,
            } => skipped(since, now, group, topic, *at_least),
            Self::Together(parts) => together(parts, since, now),
        }
    }

    /// Puts real names in place of those of the sample.
    pub(crate) fn rename(&mut self, names: &Names) {
        let rename = |name: &mut String| *name = names.real(name).to_owned();
        match self {
            Self::Consumers { group, .. }
            | Self::Idle { group, .. }
            | Self::Shared { group, .. }
            | Self::Stopped { group }
            | Self::Lag { group, .. }
            | Self::Rebalanced(Rebalanced { group, .. }) => rename(group),
            Self::HandledAgain { group, topic }
            | Self::Readers { group, topic, .. }
            | Self::Ordered { group, topic, .. }
            | Self::Skipped { group, topic, .. } => {
                rename(group);
                rename(topic);
            }
            Self::Handled { topic, groups, .. } => {
                rename(topic);
                groups.iter_mut().for_each(rename);
            }
            Self::Spread { topic, .. }
            | Self::Arrived { topic, .. }
            | Self::Partitions { topic, .. } => rename(topic),
            Self::Answered { .. } => {}
            Self::Together(parts) => parts.iter_mut().for_each(|part| part.rename(names)),
        }
    }
}

fn together(parts: &[Expectation], since: &Observation, now: &Observation) -> Finding {
    let found: Vec<Finding> = parts.iter().map(|part| part.evaluate(since, now)).collect();
    let evidence: Vec<&str> = found.iter().map(|part| part.evidence.as_str()).collect();
    Finding::of(
        found.iter().all(|part| part.met),
        evidence.join("; at the same time "),
    )
}
