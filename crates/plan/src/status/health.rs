//! The health of a group in status. Pure; called by `status` alone. In: findings about its partitions, members, the status
//! before. Out: the group's health with message and advice, and a state for each partition. While a partition has too few
//! samples, as after a restart of the operator, its former state is kept until its committed offset changes.

use std::collections::BTreeMap;

use jiff::Timestamp;
use practice_api::status::{GroupStatus, HealthStatus, OwnedPartition, TopicStatus};
use practice_groups::{
    At, ByPartition, GroupHealth, GroupSeen, HealthState, PartitionHealth, PartitionSet, Snapshot,
};

use super::group::time;
use crate::plan::GroupPlan;

/// Inputs of a group's health.
pub(super) struct Case<'a> {
    pub(super) group: &'a GroupPlan,
    pub(super) seen: &'a GroupSeen,
    pub(super) snapshot: &'a Snapshot,
    pub(super) judged: Option<&'a GroupHealth>,
    /// `host:port[,host:port...]` of the Kafka in use.
    pub(super) bootstrap: &'a str,
    /// The topics' status, which records the ids of topics that this practice created.
    pub(super) topics: &'a [TopicStatus],
    /// Consumers wanted.
    pub(super) wanted: i32,
    /// The group's status before this reconcile.
    pub(super) before: Option<&'a GroupStatus>,
    pub(super) now: Timestamp,
}

impl Case<'_> {
    /// The health state of each of these partitions for which one is known.
    pub(super) fn words(&self, partitions: &[At<'_>]) -> ByPartition<String> {
        let before = self.shares_before();
        let found = |at: At<'_>| {
            let finding = self.judged?.of(at);
            finding
                .map(|finding| finding.state().as_str().to_owned())
                .or_else(|| {
                    let share = before.get(&at)?;
                    let committed = self
                        .seen
                        .committed
                        .as_ref()?
                        .get(at)
                        .map(|committed| committed.offset);
                    share
                        .health
                        .clone()
                        .filter(|_| share.committed == committed) // kept until the committed offset changes
                })
        };
        let mut words = ByPartition::default();
        for at in partitions {
            if let Some(word) = found(*at) {
                words.insert(*at, word);
            }
        }
        words
    }

    /// Partitions of the status before, by topic and number.
    fn shares_before(&self) -> BTreeMap<(&str, i32), &OwnedPartition> {
        let all = self.before.into_iter().flat_map(GroupStatus::shares);
        all.map(|share| ((share.topic.as_str(), share.partition), share))
            .collect()
    }

    /// The group's health. `words`: states of its partitions, of which there are `count`.
    pub(super) fn health(&self, words: &ByPartition<String>, count: usize) -> Option<HealthStatus> {
        let former = self.before.and_then(|before| before.health.as_ref());
        let Some(judged) = self.judged.filter(|_| self.seen.committed.is_some()) else {
            return former.cloned(); // nothing new is known; `unknownSince` of the group gives the age
        };
        let worst = judged
            .partitions
            .values()
            .map(|finding| finding.state())
            .max();
        let worst = worst.filter(|worst| *worst > HealthState::Healthy);
        let Some(worst) = worst else {
            if words
                .values()
                .any(|word| word != HealthState::Healthy.as_str())
            {
                return former.cloned();
            }
            if words.len() < count {
                return None;
            }
            // a transaction is reported again when there are enough samples
            let is_known = judged.known() == count;
            let former = former.filter(|former| {
                !is_known
                    && former.state == HealthState::Healthy.as_str()
                    && former.advice.is_some()
            });
            return Some(former.cloned().unwrap_or_else(|| self.healthy(judged)));
        };
        let concerned: Vec<(At<'_>, PartitionHealth)> = judged
            .partitions
            .iter()
            .map(|(at, finding)| (at, *finding))
            .filter(|(_, f)| f.state() == worst)
            .collect();
        let age = concerned
            .iter()
            .filter_map(|(_, finding)| finding.age())
            .max()
            .unwrap_or_default();
        let since = former
            .filter(|former| former.state == worst.as_str())
            .and_then(|former| former.since.clone());
        let (message, advice) = self.explain(worst, &concerned);
        let waiting = waiting(judged);
        let advice = match self.end_transaction(&waiting) {
            Some(end) => format!("{advice}; {}: {end}", names(&waiting)),
            None => advice,
        };
        Some(HealthStatus {
            state: worst.as_str().to_owned(),
            since: since.or_else(|| self.now.checked_sub(age).ok().map(time)),
            message,
            advice: Some(advice),
        })
    }

    /// The health of a group whose partitions are all healthy; an open transaction that keeps some of them behind is reported.
    fn healthy(&self, judged: &GroupHealth) -> HealthStatus {
        let waiting = waiting(judged);
        let all = "every partition is consumed, or its lag is 0";
        let message = if waiting.is_empty() {
            all.to_owned()
        } else {
            format!(
                "{}: consumed up to an open transaction, beyond which a read_committed consumer gets no messages; otherwise {all}",
                names(&waiting)
            )
        };
        HealthStatus {
            state: HealthState::Healthy.as_str().into(),
            message,
            advice: self.end_transaction(&waiting),
            since: None,
        }
    }

    /// How to find the transaction that these partitions wait for; `None`: there are none.
    fn end_transaction(&self, waiting: &[(At<'_>, PartitionHealth)]) -> Option<String> {
        let transaction = |health: &PartitionHealth| match health {
            PartitionHealth::OpenTransaction(transaction) => Some(*transaction),
            _ => None,
        };
        let each = waiting
            .iter()
            .filter_map(|(at, health)| Some((*at, transaction(health)?)));
        // the one that is open for the longest, as far as Kafka reports it
        let (at, found) = each.min_by_key(|(_, transaction)| {
            let unknown = transaction.producer_id.is_none();
            (unknown, transaction.since.unwrap_or(i64::MAX))
        })?;
        let of_producer = found
            .producer_id
            .map_or_else(String::new, |id| format!(" of producer id {id}"));
        let since = found
            .since
            .and_then(|since| Timestamp::from_millisecond(since).ok());
        let since = since.map_or_else(String::new, |since| format!(" since {}", time(since)));
        Some(format!(
            "a transaction{of_producer} is open{since}: kafka-transactions.sh --bootstrap-server {} find-hanging --topic {}",
            self.bootstrap, at.0
        ))
    }

    /// Message and advice. They contain no number that changes while the state stays the same, so status is not rewritten.
    fn explain(
        &self,
        worst: HealthState,
        concerned: &[(At<'_>, PartitionHealth)],
    ) -> (String, String) {
        let names = names(concerned);
        let many = concerned.len() > 1;
        match (
            worst,
            concerned.first().map(|(at, finding)| (*at, *finding)),
        ) {
            (
                HealthState::Rewound,
                Some((
                    at,
                    PartitionHealth::Rewound {
                        from,
                        to,
                        topic_recreated,
                        ..
                    },
                )),
            ) => {
                let (topic, number) = at;
                let others = match concerned.len() - 1 {
                    0 => String::new(),
                    1 => ", as did 1 more partition".to_owned(),
                    others => format!(", as did {others} more partitions"),
                };
                let moved = format!(
                    "{topic}/{number}: committed offset moved back from {from} to {to}{others}"
                );
                if topic_recreated {
                    let (cause, advice) = if self.is_ours(topic) {
                        (
                            "because this practice recreated the topic",
                            "nothing: the new topic is consumed from its beginning",
                        )
                    } else {
                        (
                            "because the topic was recreated",
                            "nothing if the topic was recreated on purpose: it is consumed from its beginning",
                        )
                    };
                    return (format!("{moved} {cause}"), advice.to_owned());
                }
                let advice = "unless you reset the offset on purpose, find the other client that commits as this group";
                (
                    format!("{moved}: messages in between are consumed again"),
                    advice.to_owned(),
                )
            }
            (HealthState::Lagging, _) => (
                format!("{names}: consumed more slowly than produced; lag has only grown"),
                self.speed_up(),
            ),
            (HealthState::Stalled, _) => (
                format!(
                    "{names}: lag is not zero and {} stopped committing",
                    self.owners(concerned)
                ),
                "check the consumer's log: it may hang at a message; restart it if it does"
                    .to_owned(),
            ),
            _ => {
                let them = if many { "them" } else { "it" };
                (
                    format!("{names}: lag is not zero and no consumer owns {them}"),
                    self.start(),
                )
            }
        }
    }

    /// Whether this practice created the topic that exists now.
    fn is_ours(&self, topic: &str) -> bool {
        let status = self.topics.iter().find(|status| status.name == topic);
        status.is_some_and(TopicStatus::is_own)
    }

    /// `consumer x has`, with at most two names.
    fn owners(&self, concerned: &[(At<'_>, PartitionHealth)]) -> String {
        let owns = |owned: &PartitionSet| concerned.iter().any(|(at, _)| owned.contains(*at));
        let owners = self
            .seen
            .members
            .iter()
            .filter(|member| member.partitions.as_ref().is_some_and(owns));
        let names: Vec<&str> = owners.map(|member| member.client_id.as_str()).collect();
        match names.as_slice() {
            [] if concerned.len() == 1 => "its consumer has".to_owned(),
            [] => "their consumers have".to_owned(),
            [one] => format!("consumer {one} has"),
            [one, two] => format!("consumers {one} and {two} have"),
            [one, rest @ ..] => format!("consumer {one} and {} others have", rest.len()),
        }
    }

    fn start(&self) -> String {
        let name = &self.group.id;
        match self.seen.members.len() {
            _ if self.group.stopped => {
                format!("group {name} is Stopped in the manifest: set its state to Running")
            }
            0 if self.wanted == 0 => format!("group {name} has no replicas: scale it up"),
            0 => format!("group {name} has no members: check its pods and their logs"),
            _ => format!(
                "group {name} has members, but none of them owns the partition: check their logs"
            ),
        }
    }

    fn speed_up(&self) -> String {
        let partitions: usize = self
            .group
            .topics
            .iter()
            .map(|topic| self.count(topic))
            .sum();
        let slowest = self.group.slowest();
        let less = if slowest.is_zero() {
            "reduce the work for each message".to_owned()
        } else {
            format!("set processingDelay below {slowest:?}")
        };
        if self.seen.members.len() < partitions {
            format!("add consumers, up to {partitions} (one for each partition), or {less}")
        } else {
            format!(
                "{less}, or add partitions and consumers: each partition has its own consumer already"
            )
        }
    }

    fn count(&self, topic: &str) -> usize {
        match self.snapshot.topics.get(topic) {
            Some(practice_groups::TopicSeen::Present(facts)) => facts.partitions.len(),
            _ => 0,
        }
    }
}

/// Partitions that wait for an open transaction.
fn waiting(judged: &GroupHealth) -> Vec<(At<'_>, PartitionHealth)> {
    let waiting = judged
        .partitions
        .iter()
        .filter(|(_, health)| matches!(health, PartitionHealth::OpenTransaction(_)));
    waiting.map(|(at, health)| (at, *health)).collect()
}

/// `t/0`, `t/0 and t/1`, `t/0 and 4 more`.
fn names(concerned: &[(At<'_>, PartitionHealth)]) -> String {
    let name = |(at, _): &(At<'_>, PartitionHealth)| format!("{}/{}", at.0, at.1);
    match concerned {
        [] => String::new(),
        [one] => name(one),
        [one, two] => format!("{} and {}", name(one), name(two)),
        [one, rest @ ..] => format!("{} and {} more", name(one), rest.len()),
    }
}

#[cfg(test)]
mod tests;
