//! Assignors that depend only on the order of members: range and round-robin. Pure.

use std::collections::BTreeMap;

use super::{Topics, number, shares};

/// For each partition the place of its owner among the members, sorted by id.
#[derive(Debug)]
pub(super) struct Places {
    members: usize,
    rule: Rule,
}

#[derive(Debug)]
enum Rule {
    /// Partitions of each topic.
    Range(BTreeMap<String, usize>),
    /// Partitions before each topic, and its own.
    RoundRobin(BTreeMap<String, (usize, usize)>),
}

impl Places {
    pub(super) fn range(topics: &Topics, members: usize) -> Self {
        let counts = topics
            .iter()
            .map(|(topic, count)| (topic.clone(), number(*count)));
        Self {
            members,
            rule: Rule::Range(counts.collect()),
        }
    }

    pub(super) fn round_robin(topics: &Topics, members: usize) -> Self {
        let mut before = 0;
        let mut numbered = BTreeMap::new();
        for (topic, count) in topics {
            numbered.insert(topic.clone(), (before, number(*count)));
            before += number(*count);
        }
        Self {
            members,
            rule: Rule::RoundRobin(numbered),
        }
    }

    /// `None`: the partition does not exist, or the group has no members.
    pub(super) fn of(&self, topic: &str, partition: i32) -> Option<usize> {
        let partition = usize::try_from(partition).ok()?;
        match &self.rule {
            Rule::Range(topics) => {
                let count = *topics.get(topic).filter(|count| partition < **count)?;
                let (each, rest) = shares(count, self.members);
                let larger = rest * (each + 1);
                if partition < larger {
                    Some(partition / (each + 1))
                } else {
                    Some(rest + (partition - larger).checked_div(each)?)
                }
            }
            Rule::RoundRobin(topics) => {
                let (before, _) = topics.get(topic).filter(|(_, count)| partition < *count)?;
                (before + partition).checked_rem(self.members)
            }
        }
    }
}
