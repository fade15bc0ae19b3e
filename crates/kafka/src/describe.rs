//! Requests for groups and topics, and their answers as the types of `practice-groups`.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use krafka::{
    admin::{
        AdminClient, ConsumerGroupDescription, ConsumerGroupListing, DescribeConsumerGroupsOptions,
        GroupOffset, GroupType, ListConsumerGroupOffsetsOptions, ListOffsetsOptions, OffsetSpec,
        PartitionDescription, TopicDescription, TopicPartition, TopicPartitionAssignment,
    },
    error::{ErrorCode, KrafkaError},
};
use practice_contract::Protocol;
use practice_groups::{
    ArcStr, Bounds, ByPartition, Committed, Copies, GroupSeen, GroupState, KafkaError, MemberSeen,
    PartitionSet, Texts, TopicFacts, TopicSeen,
};

use tokio::sync::Semaphore;

use crate::{
    error::{Failure, refused},
    read::{Topic, hex},
};

/// Groups whose commits are read at a time: an answer may have [`LARGEST_RESPONSE`] bytes, and takes many times that while it is
/// decoded.
const AT_ONCE: usize = 8;

/// Which commits and assignments of groups are read.
#[derive(Clone, Copy)]
pub(crate) enum Read<'a> {
    /// All. Of those in other topics than these, one of each topic and metadata is kept, which shows that the group is used.
    All(&'a BTreeSet<String>),
    /// Those in topics with so many partitions.
    Only(&'a BTreeMap<String, usize>),
}

impl Read<'_> {
    fn keeps(self, topic: &str) -> bool {
        match self {
            Self::All(topics) => topics.contains(topic),
            Self::Only(topics) => topics.contains_key(topic),
        }
    }

    fn options(self) -> ListConsumerGroupOffsetsOptions {
        let all = ListConsumerGroupOffsetsOptions::default();
        let Self::Only(topics) = self else {
            return all;
        };
        let numbers = |(topic, count): (&String, &usize)| {
            let topic = topic.clone();
            let numbers = (0..).take(*count);
            numbers.map(move |number| TopicPartition::new(topic.clone(), number))
        };
        all.partitions(topics.iter().flat_map(numbers).collect::<Vec<_>>())
    }
}

/// Committed offsets by group.
pub(crate) type Commits = BTreeMap<String, ByPartition<Committed>>;

/// Members and commits. A missing group has no commits, and each offset fetch costs two requests: for groups that were `absent` at
/// the last poll commits are fetched only if they exist now. `before`: those groups, and the commits of the last poll.
pub(crate) async fn observe_groups(
    admin: &AdminClient,
    groups: &[String],
    (absent, before): (&BTreeSet<String>, &Commits),
    read: Read<'_>,
) -> Result<BTreeMap<String, GroupSeen>, Failure> {
    let (unlikely, likely): (Vec<&String>, Vec<&String>) =
        groups.iter().partition(|group| absent.contains(*group));
    let options = DescribeConsumerGroupsOptions::default();
    let (described, mut committed) = futures::join!(
        admin.describe_consumer_groups(groups, options),
        all_commits(admin, likely, before, read)
    );
    let mut seen: BTreeMap<String, GroupSeen> = BTreeMap::new();
    let mut described = described?;
    for group in groups {
        let described = match described.remove(group) {
            Some(Ok(description)) => group_seen(description, read),
            Some(Err(KrafkaError::Broker {
                code: ErrorCode::GroupIdNotFound,
                ..
            })) => GroupSeen {
                state: GroupState::Absent,
                ..GroupSeen::default()
            },
            Some(Err(error)) => GroupSeen {
                trouble: Some(undescribed(error, group).0),
                ..GroupSeen::default()
            },
            None => GroupSeen::default(),
        };
        seen.insert(group.clone(), described);
    }
    let there =
        |group: &&String| !matches!(seen[*group].state, GroupState::Absent | GroupState::Unknown);
    let come: Vec<&String> = unlikely.into_iter().filter(there).collect();
    committed.extend(all_commits(admin, come, before, read).await);
    for (group, seen) in &mut seen {
        match committed.remove(group) {
            Some(Ok(committed)) => seen.committed = Some(committed),
            Some(Err(KafkaError::Answered { code, .. })) if code == "GroupIdNotFound" => {
                seen.committed = Some(ByPartition::default());
            }
            Some(Err(error)) => seen.trouble = seen.trouble.take().or(Some(error)),
            None if seen.state == GroupState::Absent => {
                seen.committed = Some(ByPartition::default());
            }
            None => {} // not described: `trouble` has the reason
        }
    }
    Ok(seen)
}

/// The committed offsets of each of these groups.
async fn all_commits(
    admin: &AdminClient,
    groups: Vec<&String>,
    before: &Commits,
    read: Read<'_>,
) -> BTreeMap<String, Result<ByPartition<Committed>, KafkaError>> {
    let turns = Semaphore::new(AT_ONCE);
    let each = groups.into_iter().map(async |group| {
        let _turn = turns.acquire().await; // it is never closed
        let answer = admin
            .list_consumer_group_offsets(group.clone(), read.options())
            .await;
        let answer =
            answer.map_err(|error| refused(error, "Describe", format_args!("group {group}")));
        let mut commits = answer.and_then(|answer| commits(answer, read));
        if let (Ok(commits), Some(before)) = (&mut commits, before.get(group)) {
            commits.share(before);
        }
        (group.clone(), commits.map_err(|failure| failure.0))
    });
    futures::future::join_all(each).await.into_iter().collect()
}

/// Why a group could not be described. Kafka denies a KIP-848 group as a whole for one topic of its members, and does not name the
/// topic (KAFKA-18813).
fn undescribed(error: KrafkaError, group: &str) -> Failure {
    match error {
        KrafkaError::Broker {
            code: ErrorCode::TopicAuthorizationFailed,
            ..
        } => refused(
            error,
            "Describe",
            format_args!("every topic that members of group {group} subscribe to"),
        ),
        error => refused(error, "Describe", format_args!("group {group}")),
    }
}

/// Offsets of Kafka Connect, Streams and share groups have another meaning. Without members a group's protocol type may be empty.
pub(crate) fn is_of_consumers(group: &ConsumerGroupListing) -> bool {
    let kind = matches!(
        group.group_type,
        None | Some(GroupType::Classic | GroupType::Consumer)
    );
    kind && matches!(group.protocol_type.as_str(), "consumer" | "")
}

/// All or nothing: a partition whose offset could not be read would seem to have no commit.
fn commits(
    offsets: HashMap<TopicPartition, Result<GroupOffset, KrafkaError>>,
    read: Read<'_>,
) -> Result<ByPartition<Committed>, Failure> {
    let (mut commits, mut texts) = (Vec::new(), Texts::default());
    for (partition, offset) in offsets {
        let offset = offset.map_err(|error| refused(error, "Describe", Topic(&partition.topic)))?;
        if let Some(committed) = offset.offset {
            let committed = Committed {
                offset: committed,
                metadata: texts.get(offset.metadata.as_deref().unwrap_or_default()),
            };
            commits.push(((partition.topic, partition.partition), committed));
        }
    }
    let mut commits: ByPartition<Committed> = commits.into_iter().collect();
    let mut shown: BTreeSet<(String, ArcStr)> = BTreeSet::new();
    commits.retain(|(topic, _), committed| {
        read.keeps(topic) || shown.insert((topic.to_owned(), committed.metadata.clone()))
    });
    Ok(commits)
}

/// Whether the members' assignments are what they own. While a Classic group rebalances, Kafka sends empty assignments instead of
/// the former ones.
fn has_assignments(protocol: Option<Protocol>, state: GroupState) -> bool {
    protocol != Some(Protocol::Classic) || state == GroupState::Stable
}

fn group_seen(group: ConsumerGroupDescription, read: Read<'_>) -> GroupSeen {
    let state = GroupState::parse(&group.state);
    let protocol = match group.group_type {
        _ if state == GroupState::Absent => None,
        GroupType::Classic => Some(Protocol::Classic),
        GroupType::Consumer => Some(Protocol::Consumer),
        _ => None,
    };
    let is_assigned = has_assignments(protocol, state);
    let mut members: Vec<MemberSeen> = group
        .members
        .into_iter()
        .map(|member| MemberSeen {
            member_id: member.member_id,
            client_id: member.client_id,
            host: member.client_host,
            partitions: member.assignment.filter(|_| is_assigned).map(|topics| {
                let each = |topic: TopicPartitionAssignment| {
                    let name = topic.topic_name;
                    topic
                        .partitions
                        .into_iter()
                        .map(move |partition| (name.clone(), partition))
                };
                let mut owned: PartitionSet = topics.into_iter().flat_map(each).collect();
                if let Read::Only(_) = read {
                    owned.retain_topics(|topic| read.keeps(topic));
                }
                owned
            }),
        })
        .collect();
    members.sort_unstable_by(|a, b| a.member_id.cmp(&b.member_id));
    GroupSeen {
        protocol,
        state,
        epoch: group.group_epoch.map(i64::from),
        assignor: group.assignor.filter(|assignor| !assignor.is_empty()),
        members,
        committed: None,
        outdated: PartitionSet::default(),
        trouble: None,
    }
}

/// Adds the bounds of the logs to the described topics.
pub(crate) async fn bounds(
    admin: &AdminClient,
    described: HashMap<String, Result<TopicDescription, KrafkaError>>,
) -> Result<BTreeMap<String, TopicSeen>, Failure> {
    let partitions: Vec<TopicPartition> = described
        .iter()
        .filter_map(|(name, topic)| topic.as_ref().ok().map(|topic| (name, topic)))
        .flat_map(|(name, topic)| {
            topic
                .partitions
                .iter()
                .map(move |partition| (name, partition))
        })
        .filter(|(_, partition)| partition.leader.is_some()) // a partition without a leader has no bounds
        .map(|(name, partition)| TopicPartition::new(name.clone(), partition.partition))
        .collect();
    let ask = |spec: OffsetSpec| {
        let specs = partitions
            .iter()
            .cloned()
            .map(move |partition| (partition, spec));
        admin.list_offsets(specs, ListOffsetsOptions::default())
    };
    let (starts, ends) = if partitions.is_empty() {
        (HashMap::new(), HashMap::new())
    } else {
        futures::try_join!(ask(OffsetSpec::Earliest), ask(OffsetSpec::Latest))?
    };
    let bound = |name: &str, partition: i32| {
        let key = TopicPartition::new(name, partition);
        let start = starts.get(&key)?.as_ref().ok()?.offset;
        let end = ends.get(&key)?.as_ref().ok()?.offset;
        Some(Bounds { start, end })
    };
    let mut topics = BTreeMap::new();
    for (name, topic) in described {
        let seen = match topic {
            Ok(topic) => TopicSeen::from(TopicFacts {
                id: hex(topic.topic_id),
                replication_factor: topic
                    .partitions
                    .iter()
                    .map(|partition| i32::try_from(partition.replicas.len()).unwrap_or(i32::MAX))
                    .min()
                    .unwrap_or_default(),
                partitions: topic
                    .partitions
                    .iter()
                    .map(|partition| bound(&name, partition.partition))
                    .collect(),
                copies: topic.partitions.into_iter().map(copies).collect(),
            }),
            Err(KrafkaError::Broker {
                code: ErrorCode::UnknownTopicOrPartition,
                ..
            }) => TopicSeen::Missing,
            Err(error) => {
                let Failure(error) = refused(error, "Describe", Topic(&name));
                if error.is_outage() {
                    return Err(error.into());
                }
                TopicSeen::Unknown(Arc::new(error))
            }
        };
        topics.insert(name, seen);
    }
    Ok(topics)
}

fn copies(partition: PartitionDescription) -> Copies {
    let mut in_sync = partition.isr;
    in_sync.sort_unstable(); // Kafka's order changes with every broker that comes back
    Copies {
        leader: partition.leader,
        replicas: partition.replicas,
        in_sync,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_classic_group_has_assignments_only_while_it_is_stable() {
        for (state, classic, consumer) in [
            (GroupState::Stable, true, true),
            (GroupState::PreparingRebalance, false, true),
            (GroupState::CompletingRebalance, false, true),
            (GroupState::Reconciling, false, true),
            (GroupState::Assigning, false, true),
        ] {
            let actual = [Protocol::Classic, Protocol::Consumer]
                .map(|protocol| has_assignments(Some(protocol), state));
            assert_eq!(actual, [classic, consumer], "{state}");
        }
    }
}
