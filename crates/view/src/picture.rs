//! Computes the state of a practice that pages show. Pure. In: the current facts, the state before, the journal. Out: the
//! state. What needs memory (order of members, start of their states, missing processes) comes from the state before.

mod group;
mod members;

use std::collections::BTreeMap;

use practice_api::status::GroupStatus;
use practice_contract::OffsetReset;
use practice_groups::{Bounds, Copies, TopicFacts, TopicSeen};

use crate::{
    facts::{Facts, GroupFacts},
    model::{
        Actions, BrokerPicture, ConsumerState, GroupPicture, KafkaPicture, LoadPicture,
        PartitionPicture, Picture, RebalancePicture,
    },
};
use group::GroupBuilder;

/// Most partitions in a state.
const MOST_PARTITIONS: usize = 5_000;
/// Most partitions of members and without an owner, over all groups: one or two megabytes of JSON. 32 topics of 1,000
/// partitions read by 32 groups would be a million.
pub(crate) const MOST_SHARES: usize = 20_000;
/// The same of a practice without an open page: what a page shows first if Kafka does not answer when it is opened.
pub(crate) const UNSEEN: usize = 500;

/// Computes a practice's state, with at most so many shares. `journal` is newest first.
pub(crate) fn picture(
    facts: &Facts,
    before: Option<&Picture>,
    actions: &Actions,
    most_shares: usize,
    journal: Vec<RebalancePicture>,
) -> Picture {
    let status = &facts.status;
    let ready = status.condition("Ready");
    let named = named(facts);
    let room = most_shares / named.len().max(1);
    let groups: Vec<GroupPicture> = named
        .iter()
        .map(|named| GroupBuilder::of(facts, before, named, room).group())
        .collect();
    Picture {
        namespace: facts.key.0.clone(),
        name: facts.key.1.clone(),
        now: facts.now,
        ready: ready.is_some_and(|ready| ready.status == "True"),
        sentence: ready.map_or_else(
            || "condition Ready is not set yet".to_owned(),
            |ready| ready.message.clone(),
        ),
        kafka: KafkaPicture {
            bootstrap: status.bootstrap_servers.clone().unwrap_or_default(),
            kind: facts.kafka.kind,
            note: facts.kafka.note.clone(),
            brokers: brokers(facts, before),
        },
        actions: actions.clone(),
        send_url: facts.send_url.clone(),
        send_how: facts.send_how.clone(),
        load: facts.load.map(|load| LoadPicture {
            messages_per_second: load.messages_per_second,
            value_bytes: load.value_bytes,
        }),
        summary: status.summary.clone(),
        partitions: partitions(facts, before),
        ripens: groups
            .iter()
            .flat_map(|group| &group.members)
            .any(|member| member.missing_since.is_some() && member.state == ConsumerState::Running),
        groups,
        other_groups: status.other_groups.clone(),
        other_group_count: status.other_group_count,
        rebalances: journal,
    }
}

/// The groups of the manifest; those of the status where the manifest is invalid.
fn named(facts: &Facts) -> Vec<GroupFacts> {
    if !facts.groups.is_empty() {
        return facts.groups.clone();
    }
    let topics: Vec<String> = facts
        .status
        .topics
        .iter()
        .map(|topic| topic.name.clone())
        .collect();
    let from_status = |group: &GroupStatus| GroupFacts {
        name: group.name.clone(),
        topics: topics.clone(),
        stopped: false,
        scalable: false,
        assignor: String::new(),
        reset: OffsetReset::Earliest,
        session_timeout: None,
    };
    facts.status.groups.iter().map(from_status).collect()
}

/// The practice's existing topics. One poll serves several practices.
fn topics(facts: &Facts) -> impl Iterator<Item = (&String, &TopicFacts)> {
    let all = facts
        .snapshot
        .iter()
        .flat_map(|snapshot| &snapshot.topics)
        .filter_map(|(name, topic)| match topic {
            TopicSeen::Present(topic) => Some((name, topic.as_ref())),
            TopicSeen::Missing | TopicSeen::Unknown(_) => None,
        });
    all.filter(|(name, _)| facts.status.topics.iter().any(|topic| topic.name == **name))
}

fn partitions(facts: &Facts, before: Option<&Picture>) -> Vec<PartitionPicture> {
    if facts.snapshot.is_none() {
        // Kafka does not answer: the partitions still exist
        return before
            .map(|before| before.partitions.clone())
            .unwrap_or_default();
    }
    let nowhere = Copies::default();
    let each = |(topic, seen): (&String, &TopicFacts)| {
        let one = |(number, bounds): (i32, &Option<Bounds>)| {
            let copies = usize::try_from(number)
                .ok()
                .and_then(|at| seen.copies.get(at))
                .unwrap_or(&nowhere);
            PartitionPicture {
                topic: topic.clone(),
                partition: number,
                start: bounds.map(|bounds| bounds.start),
                end: bounds.map(|bounds| bounds.end),
                leader: copies.leader,
                replicas: copies.replicas.clone(),
                isr: copies.in_sync.clone(),
            }
        };
        (0..).zip(&seen.partitions).map(one).collect::<Vec<_>>()
    };
    topics(facts).flat_map(each).take(MOST_PARTITIONS).collect()
}

/// Every broker with a replica. A broker that leads no partition and is in no ISR is down.
fn brokers(facts: &Facts, before: Option<&Picture>) -> Vec<BrokerPicture> {
    let mut seen: BTreeMap<i32, (bool, usize)> = BTreeMap::new();
    for copies in topics(facts).flat_map(|(_, topic)| &topic.copies) {
        for id in &copies.replicas {
            seen.entry(*id).or_default().0 |=
                copies.leader.is_some() && copies.in_sync.contains(id);
        }
        if let Some(leader) = copies.leader {
            let leads = seen.entry(leader).or_default();
            *leads = (true, leads.1 + 1);
        }
    }
    for (id, up, _) in &facts.kafka.brokers {
        seen.entry(*id).or_default().0 = *up;
    }
    let former =
        |id| before.and_then(|before| before.kafka.brokers.iter().find(|broker| broker.id == id));
    if seen.is_empty() && facts.snapshot.is_none() {
        return before
            .map(|before| before.kafka.brokers.clone())
            .unwrap_or_default();
    }
    let since = |id, up| {
        let reported = facts
            .kafka
            .brokers
            .iter()
            .find(|(broker, ..)| *broker == id)
            .map(|(_, _, since)| *since);
        let kept = former(id)
            .filter(|former| former.up == up)
            .map(|former| former.since);
        reported.or(kept).unwrap_or(facts.now)
    };
    seen.into_iter()
        .map(|(id, (up, leads))| BrokerPicture {
            id,
            up,
            leads,
            since: since(id, up),
        })
        .collect()
}

#[cfg(test)]
pub(crate) mod tests;
