//! The groups of a practice that may have to handle messages of a topic, and who owns its partitions. In: a practice with its status. Out:
//! the groups. Pure.

use practice_api::{
    ConsumerGroupPractice, DesiredState,
    spec::Group,
    status::{GroupStatus, OwnedPartition},
};
use practice_groups::{
    ByPartition,
    handled::{PartitionOwner, ReadingGroup, ReadingState},
};

use crate::{args::Place, error::Failure};

/// Every group of the practice, in the order of the manifest.
pub fn reading_groups(practice: &ConsumerGroupPractice, topic: &str) -> Vec<ReadingGroup> {
    let status = |name: &str| {
        let status = practice.status.as_ref()?;
        status.groups.iter().find(|group| group.name == name)
    };
    let each = practice.spec.groups.iter();
    each.map(|group| {
        let status = status(&group.name);
        ReadingGroup {
            name: group.name.clone(),
            state: state(group, status, topic),
            owners: status
                .map(|status| owners(status, topic))
                .unwrap_or_default(),
        }
    })
    .collect()
}

fn state(group: &Group, status: Option<&GroupStatus>, topic: &str) -> ReadingState {
    let topics = group.topics.as_ref(); // `None`: all of the practice
    if topics.is_some_and(|topics| topics.iter().all(|read| read != topic)) {
        return ReadingState::OtherTopics;
    }
    if group.state == DesiredState::Stopped {
        return ReadingState::NotRunning("the group is stopped".to_owned());
    }
    match status {
        Some(status) if status.replicas == 0 => {
            let why = status.hold.as_ref().map(|hold| hold.message.clone());
            ReadingState::NotRunning(why.unwrap_or_else(|| {
                "the group has 0 consumers, so that no partition has an owner".to_owned()
            }))
        }
        _ => ReadingState::Running,
    }
}

fn owners(status: &GroupStatus, topic: &str) -> ByPartition<PartitionOwner> {
    let owner = |share: &OwnedPartition, consumer: Option<&str>| {
        let owner = PartitionOwner {
            consumer: consumer.map(str::to_owned),
            committed: share.committed,
        };
        ((share.topic.clone(), share.partition), owner)
    };
    let shares = status.members.iter().flat_map(|member| {
        let each = member.partitions.iter();
        each.map(move |share| owner(share, Some(&member.name)))
    });
    let unowned = status.unowned.iter().map(|share| owner(share, None));
    shares
        .chain(unowned)
        .filter(|((of, _), _)| of == topic)
        .collect()
}

/// Checks that a practice has a partition; a note if it may not have a message there.
///
/// # Errors
/// [`Failure::NotFound`] lists the topics, or the partitions of the topic.
pub fn check_place(
    practice: &ConsumerGroupPractice,
    place: &Place,
) -> Result<Option<String>, Failure> {
    let Place {
        topic,
        partition,
        offset,
    } = place;
    let name = practice.metadata.name.as_deref().unwrap_or_default();
    let topics: Vec<&str> = practice
        .spec
        .topics
        .iter()
        .map(|topic| topic.name.as_str())
        .collect();
    if !topics.contains(&topic.as_str()) {
        return Err(Failure::NotFound(format!(
            "topic `{topic}` does not belong to practice {name}: it has {}",
            topics.join(", ")
        )));
    }
    let Some(status) = &practice.status else {
        return Ok(None);
    };
    let found = status.topics.iter().find(|found| found.name == *topic);
    let partitions = found.and_then(|found| found.partitions);
    if let Some(partitions) = partitions.filter(|partitions| partition >= partitions) {
        return Err(Failure::NotFound(format!(
            "topic {topic} has no partition {partition}: it has {partitions}, from 0 to {}",
            partitions - 1
        )));
    }
    let shares = status.groups.iter().flat_map(GroupStatus::shares);
    let here = shares.filter(|share| (&share.topic, share.partition) == (topic, *partition));
    let end = here.filter_map(|share| share.end).max();
    Ok(end.filter(|end| offset >= end).map(|end| {
        format!("{topic}/{partition} had log end offset {end} when it was polled last: there may be no message at offset {offset} yet")
    }))
}
