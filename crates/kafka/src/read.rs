//! The one socket to Kafka. In: names. Out: facts. Every call ends within 10 s, no answer may be larger than 8 MiB, and a
//! connection that failed is made anew. Deliberately absent: changes (`change`), and any file but these two, and `refusal`,
//! that names the client library (it breaks its API with every minor version).

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    fmt,
    sync::{Arc, Mutex as Lock, PoisonError},
    time::{Duration, Instant},
};

use krafka::{
    admin::{
        AdminClient, ConfigResource, ConsumerGroupDescription, ConsumerGroupListing,
        DescribeClusterOptions, DescribeConfigsOptions, DescribeConsumerGroupsOptions,
        DescribeFeaturesOptions, DescribeTopicsOptions, GroupOffset, GroupType,
        ListConsumerGroupOffsetsOptions, ListConsumerGroupsOptions, ListOffsetsOptions, OffsetSpec,
        PartitionDescription, TopicDescription, TopicPartition, TopicPartitionAssignment,
    },
    error::{ErrorCode, KrafkaError},
};
use practice_contract::Protocol;
use practice_groups::{
    Bounds, Committed, Copies, GroupSeen, GroupState, KafkaError, MemberSeen, Partition, Snapshot,
    TopicFacts, TopicSeen,
};
use tokio::sync::Mutex;

use crate::{
    call_listener::{Call, Listener, word},
    error::{Failure, coarse, refused},
};

const DEADLINE: Duration = Duration::from_secs(10);
/// One of the two steps of a look: what a broker that hangs does not say by then is unknown, the rest is told.
pub(crate) const STEP: Duration = Duration::from_millis(4_500);
const LARGEST_RESPONSE: usize = 8 << 20;
/// Kafka's source of a configuration that was set on the topic itself (`DYNAMIC_TOPIC_CONFIG`).
const SET_ON_TOPIC: i8 = 1;

/// A Kafka; cheap to clone. Nothing is connected before it is first asked.
#[derive(Clone)]
pub struct Kafka {
    looks: Connection,
    /// Groups that were not there at the last look.
    absent: Arc<Lock<BTreeSet<String>>>,
    /// A broker answers a connection's requests one by one: a look must not wait behind the making of many topics.
    pub(crate) changes: Connection,
}

/// Connected when it is first used.
#[derive(Clone)]
pub(crate) struct Connection {
    bootstrap: Arc<str>,
    admin: Arc<Mutex<Option<Arc<AdminClient>>>>,
    listener: Listener,
}

impl fmt::Debug for Kafka {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Kafka").field(&self.looks.bootstrap).finish()
    }
}

impl Kafka {
    /// `bootstrap` is `host:port[,host:port...]`.
    pub fn connect(bootstrap: &str) -> Self {
        Self::connect_heard(bootstrap, &Listener::default())
    }

    /// The same; `listener` is told of each call.
    pub fn connect_heard(bootstrap: &str, listener: &Listener) -> Self {
        let connection = || Connection {
            bootstrap: bootstrap.into(),
            admin: Arc::default(),
            listener: listener.clone(),
        };
        Self {
            looks: connection(),
            absent: Arc::default(),
            changes: connection(),
        }
    }

    /// Topics and groups in one look: topics, members and committed offsets first, the logs' bounds after them. What one
    /// broker does not say is unknown in the answer.
    ///
    /// # Errors
    /// The whole Kafka is out of reach.
    pub async fn observe(
        &self,
        topics: &[String],
        groups: &[String],
    ) -> Result<Snapshot, KafkaError> {
        let absent = self
            .absent
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        let look = within(&self.looks, "observe", async |admin| {
            // one illegal name would fail the question about all of them
            let (legal, illegal): (Vec<_>, Vec<_>) =
                topics.iter().partition(|name| check(name).is_ok());
            let (described, groups) = futures::join!(
                admin.describe_topics(legal, DescribeTopicsOptions::default()),
                observe_groups(&admin, groups, &absent)
            );
            let (mut topics, groups) = (bounds(&admin, described?).await?, groups?);
            topics.extend(illegal.into_iter().filter_map(|name| {
                let error = check(name).err()?;
                Some((name.clone(), TopicSeen::Unknown(Arc::new(error))))
            }));
            let trouble = |group: &GroupSeen| group.trouble.clone().filter(KafkaError::is_outage);
            match groups
                .values()
                .map(trouble)
                .collect::<Option<Vec<_>>>()
                .and_then(|mut all| all.pop())
            {
                // nobody has answered anything
                Some(outage) if topics.is_empty() => Err(outage.into()),
                _ => Ok(Snapshot {
                    topics,
                    groups,
                    other_groups: None,
                }),
            }
        })
        .await?;
        let absent = look
            .groups
            .iter()
            .filter(|(_, group)| group.state == GroupState::Absent);
        *self.absent.lock().unwrap_or_else(PoisonError::into_inner) =
            absent.map(|(id, _)| id.clone()).collect();
        Ok(look)
    }

    /// The ids of all consumer groups, and whether these are all: a broker that does not answer tells none of its own.
    ///
    /// # Errors
    /// No broker answered.
    pub async fn group_ids(&self) -> Result<(BTreeSet<String>, bool), KafkaError> {
        let (ids, all, strangers) = within(&self.changes, "group_ids", async |admin| {
            let (mut ids, mut failed, mut answers) = (BTreeSet::new(), None, 0);
            let (listings, cluster) = futures::join!(
                admin.list_consumer_groups(ListConsumerGroupsOptions::default()),
                admin.describe_cluster(DescribeClusterOptions::default())
            );
            let listings = listings?;
            // the client asks the brokers that it met when it connected; one that has come since has groups, too
            let strangers = cluster.is_ok_and(|cluster| {
                cluster
                    .brokers
                    .iter()
                    .any(|broker| !broker.is_fenced && !listings.contains_key(&broker.id))
            });
            for listing in listings.into_values() {
                match listing {
                    Ok(groups) => {
                        answers += 1;
                        ids.extend(
                            groups
                                .into_iter()
                                .filter(is_of_consumers)
                                .map(|group| group.group_id),
                        );
                    }
                    Err(error) => failed = Some(error),
                }
            }
            match failed {
                Some(error) if answers == 0 => Err(error.into()),
                failed => Ok((ids, failed.is_none() && !strangers, strangers)),
            }
        })
        .await?;
        if strangers {
            self.changes.admin.lock().await.take(); // the next one asks them all
        }
        Ok((ids, all))
    }

    /// Members and commits of groups, beside the looks: these do not wait for it.
    ///
    /// # Errors
    /// Kafka is out of reach.
    pub async fn groups(&self, ids: &[String]) -> Result<BTreeMap<String, GroupSeen>, KafkaError> {
        within(&self.changes, "groups", async |admin| {
            observe_groups(&admin, ids, &BTreeSet::new()).await
        })
        .await
    }

    /// Whether this Kafka takes members of KIP-848 groups: its feature `group.version` is at 1 or above.
    ///
    /// # Errors
    /// Kafka refused (its own words), or is out of reach.
    pub async fn has_consumer_protocol(&self) -> Result<bool, KafkaError> {
        within(&self.changes, "has_consumer_protocol", async |admin| {
            let features = admin
                .describe_features(DescribeFeaturesOptions::default())
                .await?;
            Ok(features
                .finalized
                .iter()
                .any(|feature| feature.name == "group.version" && feature.max_version_level >= 1))
        })
        .await
    }

    /// What is set on a topic itself, by name; defaults are not in it.
    ///
    /// # Errors
    /// Kafka refused (its own words), or is out of reach.
    pub async fn topic_config(&self, name: &str) -> Result<BTreeMap<String, String>, KafkaError> {
        within(&self.changes, "topic_config", async |admin| {
            let resource = ConfigResource::topic(name);
            let described = one(admin
                .describe_configs([resource], DescribeConfigsOptions::default())
                .await?);
            let entries =
                described.map_err(|error| refused(error, "DescribeConfigs", Topic(name)))?;
            let set = entries
                .into_iter()
                .filter(|entry| entry.config_source == SET_ON_TOPIC);
            Ok(set
                .map(|entry| (entry.name, entry.value.unwrap_or_default()))
                .collect())
        })
        .await
    }
}

/// Runs one call on a connection, made if need be. One that failed is made anew from the bootstrap servers: brokers may have
/// moved, and whoever cannot be connected to says best why. `name` is the call's for whoever listens.
pub(crate) async fn within<T>(
    connection: &Connection,
    name: &'static str,
    call: impl AsyncFnOnce(Arc<AdminClient>) -> Result<T, Failure>,
) -> Result<T, KafkaError> {
    let run = async {
        let result = call(connection.admin().await?)
            .await
            .map_err(|failure| failure.0);
        if result.as_ref().is_err_and(KafkaError::is_outage) {
            connection.admin.lock().await.take();
            connection.admin().await?;
        }
        result
    };
    let begun = Instant::now();
    let result = tokio::time::timeout(DEADLINE, run)
        .await
        .unwrap_or(Err(KafkaError::TimedOut));
    connection.listener.hear(Call {
        name,
        result: word(&result),
        took: begun.elapsed(),
    });
    if result.as_ref().is_err_and(KafkaError::is_outage) {
        connection.admin.lock().await.take();
    }
    result
}

impl Connection {
    async fn admin(&self) -> Result<Arc<AdminClient>, KafkaError> {
        let mut admin = self.admin.lock().await;
        if let Some(admin) = admin.as_ref() {
            return Ok(admin.clone());
        }
        let kafka = krafka::Kafka::builder(self.bootstrap.to_string())
            .client_id("kafka-practice")
            .connect_timeout(STEP)
            .request_timeout(STEP)
            .max_response_size(LARGEST_RESPONSE)
            .allow_auto_create_topics(false)
            .connect()
            .await
            .map_err(coarse)?;
        let connected = Arc::new(kafka.admin().default_api_timeout(STEP));
        *admin = Some(connected.clone());
        Ok(connected)
    }
}

/// Kafka's rule for topic names; a name against it would be taken for a fault of the connection.
pub(crate) fn check(name: &str) -> Result<(), KafkaError> {
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    if (1..=249).contains(&name.len()) && name.chars().all(legal) && !matches!(name, "." | "..") {
        return Ok(());
    }
    let message =
        "a topic's name has 1 to 249 of a-z, A-Z, 0-9, '.', '_', '-' and is not '.' or '..'".into();
    Err(KafkaError::Answered {
        code: "InvalidTopic".into(),
        message,
        retriable: false,
    })
}

/// `topic NAME`.
pub(crate) struct Topic<'a>(pub(crate) &'a str);

impl fmt::Display for Topic<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "topic {}", self.0)
    }
}

/// The only answer to a question about one thing.
pub(crate) fn one<K, T>(answers: HashMap<K, Result<T, KrafkaError>>) -> Result<T, KrafkaError> {
    answers.into_values().next().unwrap_or_else(|| {
        Err(KrafkaError::timeout(
            "the broker left out what was asked for",
        ))
    })
}

/// Members and commits. A group that is not there has committed nothing, and each question costs two requests: those that were
/// `absent` a moment ago are asked for commits only if they are there by now.
async fn observe_groups(
    admin: &AdminClient,
    groups: &[String],
    absent: &BTreeSet<String>,
) -> Result<BTreeMap<String, GroupSeen>, Failure> {
    let (unlikely, likely): (Vec<&String>, Vec<&String>) =
        groups.iter().partition(|group| absent.contains(*group));
    let options = DescribeConsumerGroupsOptions::default();
    let (described, mut committed) = futures::join!(
        admin.describe_consumer_groups(groups, options),
        all_commits(admin, likely)
    );
    let mut seen: BTreeMap<String, GroupSeen> = BTreeMap::new();
    let mut described = described?;
    for group in groups {
        let described = match described.remove(group) {
            Some(Ok(description)) => group_seen(description),
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
    committed.extend(all_commits(admin, come).await);
    for (group, seen) in &mut seen {
        match committed.remove(group) {
            Some(Ok(committed)) => seen.committed = Some(committed),
            Some(Err(KafkaError::Answered { code, .. })) if code == "GroupIdNotFound" => {
                seen.committed = Some(BTreeMap::new());
            }
            Some(Err(error)) => seen.trouble = seen.trouble.take().or(Some(error)),
            None if seen.state == GroupState::Absent => seen.committed = Some(BTreeMap::new()),
            None => {} // it could not be described: its trouble says why
        }
    }
    Ok(seen)
}

/// What each of these groups has committed.
async fn all_commits(
    admin: &AdminClient,
    groups: Vec<&String>,
) -> BTreeMap<String, Result<BTreeMap<Partition, Committed>, KafkaError>> {
    let each = groups.into_iter().map(async |group| {
        let options = ListConsumerGroupOffsetsOptions::default();
        let answer = admin
            .list_consumer_group_offsets(group.clone(), options)
            .await;
        let answer =
            answer.map_err(|error| refused(error, "Describe", format_args!("group {group}")));
        (
            group.clone(),
            answer.and_then(commits).map_err(|failure| failure.0),
        )
    });
    futures::future::join_all(each).await.into_iter().collect()
}

/// Why a group could not be described. Kafka denies a KIP-848 group as a whole for one topic of its members, and does not say
/// which one (KAFKA-18813).
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

/// Of Kafka Connect, Streams and share groups the offsets mean something else. Without members a group's protocol type may be empty.
fn is_of_consumers(group: &ConsumerGroupListing) -> bool {
    let kind = matches!(
        group.group_type,
        None | Some(GroupType::Classic | GroupType::Consumer)
    );
    kind && matches!(group.protocol_type.as_str(), "consumer" | "")
}

/// All or nothing: a partition whose offset could not be read would look like one without a commit.
fn commits(
    offsets: HashMap<TopicPartition, Result<GroupOffset, KrafkaError>>,
) -> Result<BTreeMap<Partition, Committed>, Failure> {
    let mut commits = BTreeMap::new();
    for (partition, offset) in offsets {
        let offset = offset.map_err(|error| refused(error, "Describe", Topic(&partition.topic)))?;
        if let Some(committed) = offset.offset {
            let metadata = offset.metadata.unwrap_or_default();
            commits.insert(
                (partition.topic, partition.partition),
                Committed {
                    offset: committed,
                    metadata,
                },
            );
        }
    }
    Ok(commits)
}

/// Whether the members' assignments are what they own. While a Classic group rebalances Kafka has forgotten the former ones,
/// and sends empty ones: that is no word about who owns what.
fn tells_owners(protocol: Option<Protocol>, state: GroupState) -> bool {
    protocol != Some(Protocol::Classic) || state == GroupState::Stable
}

fn group_seen(group: ConsumerGroupDescription) -> GroupSeen {
    let state = GroupState::parse(&group.state);
    let protocol = match group.group_type {
        _ if state == GroupState::Absent => None,
        GroupType::Classic => Some(Protocol::Classic),
        GroupType::Consumer => Some(Protocol::Consumer),
        _ => None,
    };
    let tells_owners = tells_owners(protocol, state);
    let mut members: Vec<MemberSeen> = group
        .members
        .into_iter()
        .map(|member| MemberSeen {
            member_id: member.member_id,
            client_id: member.client_id,
            host: member.client_host,
            partitions: member.assignment.filter(|_| tells_owners).map(|topics| {
                let each = |topic: TopicPartitionAssignment| {
                    let name = topic.topic_name;
                    topic
                        .partitions
                        .into_iter()
                        .map(move |partition| (name.clone(), partition))
                };
                let mut partitions: Vec<Partition> = topics.into_iter().flat_map(each).collect();
                partitions.sort_unstable();
                partitions
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
        outdated: BTreeSet::new(),
        trouble: None,
    }
}

/// Adds the logs' bounds to what the topics are.
async fn bounds(
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
        .filter(|(_, partition)| partition.leader.is_some()) // nobody could be asked
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
            Ok(topic) => TopicSeen::Present(TopicFacts {
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

pub(crate) fn hex(id: [u8; 16]) -> String {
    format!("{:032x}", u128::from_be_bytes(id))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_classic_group_tells_who_owns_what_only_while_it_is_stable() {
        for (state, classic, consumer) in [
            (GroupState::Stable, true, true),
            (GroupState::PreparingRebalance, false, true),
            (GroupState::CompletingRebalance, false, true),
            (GroupState::Reconciling, false, true),
            (GroupState::Assigning, false, true),
        ] {
            let told = [Protocol::Classic, Protocol::Consumer]
                .map(|protocol| tells_owners(Some(protocol), state));
            assert_eq!(told, [classic, consumer], "{state}");
        }
    }
}
