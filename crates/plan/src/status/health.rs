//! What status says about whether a group gets on. Pure; called by `status` alone. In: what was found about its partitions,
//! who runs, status as it was. Out: the group's health with a sentence and an advice, and a word for each partition. Of a
//! partition of which not enough was seen yet, as after the operator was restarted, what was said before still holds while
//! nothing is committed there.

use std::collections::BTreeMap;

use jiff::Timestamp;
use practice_api::status::{GroupStatus, HealthStatus, OwnedPartition, TopicStatus};
use practice_groups::{GroupHealth, GroupSeen, HealthState, Partition, PartitionHealth, Snapshot};

use super::group::time;
use crate::plan::GroupPlan;

/// What a health is made of.
pub(super) struct Case<'a> {
    pub(super) group: &'a GroupPlan,
    pub(super) seen: &'a GroupSeen,
    pub(super) snapshot: &'a Snapshot,
    pub(super) judged: Option<&'a GroupHealth>,
    /// The topics' status, for whether they are of our making.
    pub(super) topics: &'a [TopicStatus],
    /// Consumers wanted.
    pub(super) wanted: i32,
    /// The group's status as it was.
    pub(super) before: Option<&'a GroupStatus>,
    pub(super) now: Timestamp,
}

impl Case<'_> {
    /// The word for each of these partitions, as far as there is one.
    pub(super) fn words(&self, partitions: &[Partition]) -> BTreeMap<Partition, String> {
        let before = self.shares_before();
        let found = |partition: &Partition| {
            let finding = self.judged?.partitions.get(partition);
            finding
                .map(|finding| finding.health().word().to_owned())
                .or_else(|| {
                    let share = before.get(&(partition.0.as_str(), partition.1))?;
                    let committed = self
                        .seen
                        .committed
                        .as_ref()?
                        .get(partition)
                        .map(|committed| committed.offset);
                    share
                        .health
                        .clone()
                        .filter(|_| share.committed == committed) // what was said holds while its commit is the same
                })
        };
        partitions
            .iter()
            .filter_map(|partition| Some((partition.clone(), found(partition)?)))
            .collect()
    }

    /// What status said of partitions.
    fn shares_before(&self) -> BTreeMap<(&str, i32), &OwnedPartition> {
        let all = self.before.into_iter().flat_map(GroupStatus::shares);
        all.map(|share| ((share.topic.as_str(), share.partition), share))
            .collect()
    }

    /// The group's. `words`: those of all of its partitions, `count` in number.
    pub(super) fn health(
        &self,
        words: &BTreeMap<Partition, String>,
        count: usize,
    ) -> Option<HealthStatus> {
        let former = self.before.and_then(|before| before.health.as_ref());
        let Some(judged) = self.judged.filter(|_| self.seen.committed.is_some()) else {
            return former.cloned(); // nothing new is known; that it is so long ago, the group says itself
        };
        let worst = judged
            .partitions
            .values()
            .map(|finding| finding.health())
            .max();
        let worst = worst.filter(|worst| *worst > HealthState::Healthy);
        let Some(worst) = worst else {
            if words
                .values()
                .any(|word| word != HealthState::Healthy.word())
            {
                return former.cloned();
            }
            let message = "every partition is read, or has nothing left to read".to_owned();
            let ok = || HealthStatus {
                state: HealthState::Healthy.word().into(),
                message,
                ..HealthStatus::default()
            };
            return (words.len() == count).then(ok);
        };
        let concerned: Vec<(&Partition, PartitionHealth)> = judged
            .partitions
            .iter()
            .map(|(at, finding)| (at, *finding))
            .filter(|(_, f)| f.health() == worst)
            .collect();
        let age = concerned
            .iter()
            .filter_map(|(_, finding)| finding.age())
            .max()
            .unwrap_or_default();
        let since = former
            .filter(|former| former.state == worst.word())
            .and_then(|former| former.since.clone());
        let (message, advice) = self.say(worst, &concerned);
        Some(HealthStatus {
            state: worst.word().to_owned(),
            since: since.or_else(|| self.now.checked_sub(age).ok().map(time)),
            message,
            advice: Some(advice),
        })
    }

    /// The sentence, and what to do about it. No number in it changes while the health stands: status is not written for it.
    fn say(
        &self,
        worst: HealthState,
        concerned: &[(&Partition, PartitionHealth)],
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
                        made_anew,
                        ..
                    },
                )),
            ) => {
                let (topic, number) = at;
                let others = match concerned.len() - 1 {
                    0 => String::new(),
                    others => format!(", and so did {others} more"),
                };
                let went =
                    format!("{topic}/{number}: its commit went back from {from} to {to}{others}");
                if made_anew {
                    let (who, advice) = if self.is_ours(topic) {
                        (
                            "this practice made the topic anew",
                            "nothing: the new topic is read from its beginning",
                        )
                    } else {
                        (
                            "somebody made the topic anew",
                            "nothing, if the topic was to be made anew: it is read from its beginning",
                        )
                    };
                    return (format!("{went}: {who}"), advice.to_owned());
                }
                let advice =
                    "if nobody set it back on purpose, look who else commits as this group";
                (
                    format!("{went}: what lies between is consumed again"),
                    advice.to_owned(),
                )
            }
            (HealthState::Lagging, _) => (
                format!("{names}: read, but more slowly than written; lag has only grown"),
                self.speed_up(),
            ),
            (HealthState::Stalled, _) => {
                let (whose, has) = if many {
                    ("their owners", "have")
                } else {
                    ("its owner", "has")
                };
                (
                    format!(
                        "{names}: messages wait, and {whose} {}{has} committed nothing new",
                        self.owners(concerned)
                    ),
                    "look at its log: it may hang at a message; restart it if it does".to_owned(),
                )
            }
            _ => {
                let them = if many { "them" } else { "it" };
                (
                    format!("{names}: messages wait, and no consumer owns {them}"),
                    self.start(),
                )
            }
        }
    }

    /// Whether a topic, as it is now, was made by this practice.
    fn is_ours(&self, topic: &str) -> bool {
        let status = self.topics.iter().find(|status| status.name == topic);
        status.is_some_and(TopicStatus::is_own)
    }

    /// `x `, for up to two owners.
    fn owners(&self, concerned: &[(&Partition, PartitionHealth)]) -> String {
        let owns = |owned: &Vec<Partition>| concerned.iter().any(|(at, _)| owned.contains(at));
        let owners = self
            .seen
            .members
            .iter()
            .filter(|member| member.partitions.as_ref().is_some_and(owns));
        let names: Vec<&str> = owners.map(|member| member.client_id.as_str()).collect();
        match names.as_slice() {
            [] => String::new(),
            [one] => format!("{one} "),
            [one, two] => format!("{one} and {two} "),
            [one, rest @ ..] => format!("{one} and {} others ", rest.len()),
        }
    }

    fn start(&self) -> String {
        let name = &self.group.id;
        match self.seen.members.len() {
            _ if self.group.stopped => {
                format!("group {name} is Stopped in the manifest: set its state to Running")
            }
            0 if self.wanted == 0 => format!("group {name} has no replicas: scale it up"),
            0 => {
                "none of its consumers is in the group: look at its pods and their logs".to_owned()
            }
            _ => "it has members, and none took it: look at their logs".to_owned(),
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
            "less work for each message".to_owned()
        } else {
            format!("a shorter processingDelay than {slowest:?}")
        };
        if self.seen.members.len() < partitions {
            format!("more consumers, up to {partitions}, one for each partition; or {less}")
        } else {
            format!(
                "{less}; or more partitions and consumers: each partition has a consumer of its own already"
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

/// `t/0`, `t/0 and t/1`, `t/0 and 4 more`.
fn names(concerned: &[(&Partition, PartitionHealth)]) -> String {
    let name = |(at, _): &(&Partition, PartitionHealth)| format!("{}/{}", at.0, at.1);
    match concerned {
        [] => String::new(),
        [one] => name(one),
        [one, two] => format!("{} and {}", name(one), name(two)),
        [one, rest @ ..] => format!("{} and {} more", name(one), rest.len()),
    }
}

#[cfg(test)]
mod tests;
