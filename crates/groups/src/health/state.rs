//! The states of the health of partitions and groups.

use std::time::Duration;

use super::OpenTransaction;
use crate::by_partition::{At, ByPartition, PartitionSet};

/// State of a partition or a group, from best to worst.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum HealthState {
    /// Consumed at the rate of production, or lag is 0.
    Healthy,
    /// Consumed more slowly than produced.
    Lagging,
    /// The committed offset moved back.
    Rewound,
    /// Lag is not zero, and the owner has stopped committing.
    Stalled,
    /// Lag is not zero, and the partition has no owner.
    Unassigned,
}

impl HealthState {
    /// All states, from best to worst.
    pub const ALL: [Self; 5] = [
        Self::Healthy,
        Self::Lagging,
        Self::Rewound,
        Self::Stalled,
        Self::Unassigned,
    ];

    /// The state with this name in status; `None`: a name of another version.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == name)
    }

    /// The name in status and metric labels.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Healthy => "Healthy",
            Self::Lagging => "Lagging",
            Self::Rewound => "Rewound",
            Self::Stalled => "Stalled",
            Self::Unassigned => "Unassigned",
        }
    }

    /// Whether no consumer makes progress. In the other states messages are consumed, if too slowly or again.
    #[must_use]
    pub fn is_standstill(self) -> bool {
        matches!(self, Self::Stalled | Self::Unassigned)
    }
}

/// The health of one partition of a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PartitionHealth {
    /// No rule of a fault applies.
    Healthy,
    /// Healthy: it was consumed up to an open transaction.
    OpenTransaction(OpenTransaction),
    /// Its lag has only grown.
    Lagging {
        /// For how long.
        within: Duration,
    },
    /// Its committed offset moved back.
    Rewound {
        /// The committed offset before.
        from: i64,
        /// The committed offset after it.
        to: i64,
        /// Whether the topic was recreated in between, so that its offsets begin at 0.
        topic_recreated: bool,
        /// How long ago.
        age: Duration,
    },
    /// Its owner has stopped committing.
    Stalled {
        /// For how long.
        age: Duration,
    },
    /// It has no owner.
    Unassigned {
        /// For how long.
        age: Duration,
    },
}

impl PartitionHealth {
    /// The state without its details.
    #[must_use]
    pub fn state(self) -> HealthState {
        match self {
            Self::Healthy | Self::OpenTransaction(_) => HealthState::Healthy,
            Self::Lagging { .. } => HealthState::Lagging,
            Self::Rewound { .. } => HealthState::Rewound,
            Self::Stalled { .. } => HealthState::Stalled,
            Self::Unassigned { .. } => HealthState::Unassigned,
        }
    }

    /// How long the state has lasted; `None` for [`HealthState::Healthy`].
    #[must_use]
    pub fn age(self) -> Option<Duration> {
        match self {
            Self::Healthy | Self::OpenTransaction(_) => None,
            Self::Lagging { within: age }
            | Self::Rewound { age, .. }
            | Self::Stalled { age }
            | Self::Unassigned { age } => Some(age),
        }
    }
}

/// The health of a group's partitions.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GroupHealth {
    /// Partitions with enough samples that are healthy.
    pub healthy: PartitionSet,
    /// The other partitions with enough samples.
    pub partitions: ByPartition<PartitionHealth>,
    /// Time after which a state may change without a change in Kafka.
    pub recheck_in: Option<Duration>,
}

impl GroupHealth {
    /// The health of a partition; `None`: there are too few samples.
    #[must_use]
    pub fn of(&self, at: At<'_>) -> Option<PartitionHealth> {
        let healthy = || {
            self.healthy
                .contains(at)
                .then_some(PartitionHealth::Healthy)
        };
        self.partitions.get(at).copied().or_else(healthy)
    }

    /// How many partitions have enough samples.
    #[must_use]
    pub fn known(&self) -> usize {
        self.healthy.len() + self.partitions.len()
    }

    /// Records the health of a partition that has none yet.
    pub fn insert(&mut self, at: At<'_>, health: PartitionHealth) {
        if health == PartitionHealth::Healthy {
            self.healthy.insert(at, ());
        } else {
            self.partitions.insert(at, health);
        }
    }
}
