//! Connection to Kafka, and polls of topics and groups. In: names. Out: facts. Every call ends within 10 s, an answer has at most
//! 8 MiB, and a failed connection is replaced by a new one. Deliberately absent: changes (`change`).

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    fmt,
    ops::Deref,
    sync::{Arc, Mutex as Lock, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use krafka::{
    admin::{
        AdminClient, ClusterBroker, ConfigEntry, ConfigResource, DescribeClusterOptions,
        DescribeConfigsOptions, DescribeFeaturesOptions, DescribeTopicsOptions,
        ListConsumerGroupsOptions,
    },
    error::KrafkaError,
};
use practice_groups::{
    ConfigKind, ConfigValue, GroupSeen, GroupState, KafkaError, KafkaIdentity, Snapshot, TopicSeen,
};
use tokio::sync::Mutex;

use crate::{
    call_listener::{CALLS, Call, Listener, result_label},
    describe::{Commits, Read, bounds, is_of_consumers, observe_groups},
    error::{Failure, coarse, refused},
};

const DEADLINE: Duration = Duration::from_secs(10);
/// Timeout of each of the two steps of a poll: what a hanging broker does not answer by then is unknown, the rest is reported.
pub(crate) const STEP: Duration = Duration::from_millis(4_500);
const LARGEST_RESPONSE: usize = 8 << 20;
/// Kafka's source of a configuration that was set on the topic itself (`DYNAMIC_TOPIC_CONFIG`).
const SET_ON_TOPIC: i8 = 1;

/// A Kafka; cheap to clone. It connects at the first call.
#[derive(Clone)]
pub struct Kafka {
    polls: Connection,
    /// Groups that did not exist at the last poll.
    absent: Arc<Lock<BTreeSet<String>>>,
    /// What groups had committed at the last poll: those of the next one that are the same are kept once.
    commits: Arc<Lock<Commits>>,
    /// Which Kafka answered, and when it was asked.
    identity: Arc<Lock<Option<(Instant, KafkaIdentity)>>>,
    /// A broker answers a connection's requests in order: a poll must not wait for the creation of many topics.
    pub(crate) changes: Connection,
}

/// A connection that is made at its first use.
#[derive(Clone)]
pub(crate) struct Connection {
    bootstrap: Arc<str>,
    admin: Arc<Mutex<Option<Arc<Client>>>>,
    listener: Listener,
}

/// A connected client of the library.
pub(crate) struct Client {
    /// Its connections and metadata.
    pub(crate) kafka: krafka::Kafka,
    admin: AdminClient,
}

impl Deref for Client {
    type Target = AdminClient;

    fn deref(&self) -> &AdminClient {
        &self.admin
    }
}

impl fmt::Debug for Kafka {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Kafka").field(&self.polls.bootstrap).finish()
    }
}

impl Kafka {
    /// `bootstrap` is `host:port[,host:port...]`.
    pub fn connect(bootstrap: &str) -> Self {
        Self::connect_with(bootstrap, &Listener::default())
    }

    /// The same; `listener` receives each call.
    pub fn connect_with(bootstrap: &str, listener: &Listener) -> Self {
        let connection = || Connection {
            bootstrap: bootstrap.into(),
            admin: Arc::default(),
            listener: listener.clone(),
        };
        Self {
            polls: connection(),
            absent: Arc::default(),
            commits: Arc::default(),
            identity: Arc::default(),
            changes: connection(),
        }
    }

    /// Which Kafka answered the latest poll; `None`: none did yet.
    pub fn identity(&self) -> Option<KafkaIdentity> {
        let (_, identity) = lock(&self.identity).clone()?;
        Some(identity)
    }

    /// Asks which Kafka this is: another one may have taken its place at the same address, and what the client library read when it
    /// connected stays as it was. Kafka 2.7 and older are not asked, they have no such request (KIP-700).
    pub(crate) async fn note_identity(&self, admin: &AdminClient) {
        let asked = Instant::now();
        let described = admin.describe_cluster(DescribeClusterOptions::default());
        let Ok(cluster) = described.await else {
            return; // whether Kafka can be reached is said by the calls beside this one
        };
        let address = |broker: ClusterBroker| format!("{}:{}", broker.host, broker.port);
        let identity = KafkaIdentity {
            cluster_id: cluster.cluster_id,
            endpoints: cluster.brokers.into_iter().map(address).collect(),
        };
        let mut noted = lock(&self.identity);
        // of two calls at once, the later one saw the newer Kafka
        if noted.as_ref().is_none_or(|(before, _)| *before <= asked) {
            *noted = Some((asked, identity));
        }
    }

    /// Polls topics and groups: topics, members and committed offsets first, the logs' bounds after them. What a broker does not
    /// answer is unknown in the result. Of a group's commits in other topics than these one of each topic and metadata is kept.
    ///
    /// # Errors
    /// No broker is reachable.
    pub async fn observe(
        &self,
        topics: &[String],
        groups: &[String],
    ) -> Result<Snapshot, KafkaError> {
        let absent = lock(&self.absent).clone();
        let commits = lock(&self.commits).clone();
        let snapshot = within(&self.polls, "observe", async |admin| {
            // one illegal name would fail the request for all of them
            let (legal, illegal): (Vec<_>, Vec<_>) =
                topics.iter().partition(|name| check(name).is_ok());
            let names: BTreeSet<String> = topics.iter().cloned().collect();
            let (described, groups, ()) = futures::join!(
                admin.describe_topics(legal, DescribeTopicsOptions::default()),
                observe_groups(&admin, groups, (&absent, &commits), Read::All(&names)),
                self.note_identity(&admin)
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
                // no broker has answered
                Some(outage) if topics.is_empty() => Err(outage.into()),
                _ => Ok(Snapshot {
                    topics,
                    groups: arcs(groups),
                    other_groups: None,
                }),
            }
        })
        .await?;
        let absent = snapshot
            .groups
            .iter()
            .filter(|(_, group)| group.state == GroupState::Absent);
        *lock(&self.absent) = absent.map(|(id, _)| id.clone()).collect();
        let commits = snapshot.groups.iter();
        let commits =
            commits.filter_map(|(id, group)| Some((id.clone(), group.committed.clone()?)));
        *lock(&self.commits) = commits.collect();
        Ok(snapshot)
    }

    /// The ids of all consumer groups, and whether the list is complete: a broker that does not answer reports none of its own.
    ///
    /// # Errors
    /// No broker answered.
    pub async fn group_ids(&self) -> Result<(BTreeSet<String>, bool), KafkaError> {
        let (ids, all, unknown_brokers) = within(&self.changes, "group_ids", async |admin| {
            let (mut ids, mut failed, mut answers) = (BTreeSet::new(), None, 0);
            let (listings, cluster) = futures::join!(
                admin.list_consumer_groups(ListConsumerGroupsOptions::default()),
                admin.describe_cluster(DescribeClusterOptions::default())
            );
            let listings = listings?;
            // the client asks the brokers that existed when it connected; a broker added since has groups, too
            let unknown_brokers = cluster.is_ok_and(|cluster| {
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
                failed => Ok((ids, failed.is_none() && !unknown_brokers, unknown_brokers)),
            }
        })
        .await?;
        if unknown_brokers {
            self.changes.admin.lock().await.take(); // the next call asks all brokers
        }
        Ok((ids, all))
    }

    /// Members and commits of groups of other applications in these topics, which have so many partitions, on another connection than
    /// the polls, so that these do not wait for it. What a group does in other topics is not asked for.
    ///
    /// # Errors
    /// Kafka is unreachable.
    pub async fn other_groups(
        &self,
        ids: &[String],
        topics: &BTreeMap<String, usize>,
    ) -> Result<BTreeMap<String, GroupSeen>, KafkaError> {
        within(&self.changes, "groups", async |admin| {
            let before = (&BTreeSet::new(), &Commits::new());
            observe_groups(&admin, ids, before, Read::Only(topics)).await
        })
        .await
    }

    /// Whether this Kafka supports the KIP-848 protocol: its feature `group.version` is at 1 or above.
    ///
    /// # Errors
    /// Kafka refused, with its own message, or is unreachable.
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

    /// The configuration of a topic that is in effect, by key: what is set on the topic itself, and defaults of brokers and of Kafka.
    ///
    /// # Errors
    /// Kafka refused, with its own message, or is unreachable.
    pub async fn topic_config(
        &self,
        name: &str,
    ) -> Result<BTreeMap<String, ConfigValue>, KafkaError> {
        within(&self.changes, "topic_config", async |admin| {
            let resource = ConfigResource::topic(name);
            let described = one(admin
                .describe_configs([resource], DescribeConfigsOptions::default())
                .await?);
            let entries =
                described.map_err(|error| refused(error, "DescribeConfigs", Topic(name)))?;
            let value = |entry: ConfigEntry| {
                let value = ConfigValue {
                    value: entry.value.unwrap_or_default(),
                    on_topic: entry.config_source == SET_ON_TOPIC,
                    kind: config_kind(entry.config_type),
                };
                (entry.name, value)
            };
            Ok(entries.into_iter().map(value).collect())
        })
        .await
    }
}

fn arcs(groups: BTreeMap<String, GroupSeen>) -> BTreeMap<String, Arc<GroupSeen>> {
    let each = groups.into_iter();
    each.map(|(id, group)| (id, Arc::new(group))).collect()
}

/// Runs one call on a connection, and connects first if needed. A failed connection is replaced by a new one from the bootstrap
/// servers, because brokers may have moved and the new attempt has the most exact error. The listener gets the call as `name`.
pub(crate) async fn within<T>(
    connection: &Connection,
    name: &'static str,
    call: impl AsyncFnOnce(Arc<Client>) -> Result<T, Failure>,
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
    debug_assert!(CALLS.contains(&name), "{name} should be in CALLS");
    let begun = Instant::now();
    let result = tokio::time::timeout(DEADLINE, run)
        .await
        .unwrap_or(Err(KafkaError::TimedOut));
    connection.listener.notify(Call {
        name,
        result: result_label(&result),
        took: begun.elapsed(),
    });
    if result.as_ref().is_err_and(KafkaError::is_outage) {
        connection.admin.lock().await.take();
    }
    result
}

impl Connection {
    async fn admin(&self) -> Result<Arc<Client>, KafkaError> {
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
        let connected = Arc::new(Client {
            admin: kafka.admin().default_api_timeout(STEP),
            kafka,
        });
        *admin = Some(connected.clone());
        Ok(connected)
    }
}

/// The type of a configuration key by its number in `DescribeConfigsResponse` (since Kafka 2.6).
fn config_kind(number: i8) -> ConfigKind {
    match number {
        1 => ConfigKind::Boolean,
        3..=5 => ConfigKind::Integer,
        6 => ConfigKind::Double,
        7 => ConfigKind::List,
        _ => ConfigKind::Text,
    }
}

/// Kafka's rule for topic names. The client would report an illegal name as a connection error.
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

/// The only answer to a request for one resource.
pub(crate) fn one<K, T>(answers: HashMap<K, Result<T, KrafkaError>>) -> Result<T, KrafkaError> {
    answers.into_values().next().unwrap_or_else(|| {
        Err(KrafkaError::timeout(
            "the broker's answer lacks the requested resource",
        ))
    })
}

/// A topic id as 32 hexadecimal digits; empty for zero, which a Kafka without topic ids reports for every topic.
pub(crate) fn hex(id: [u8; 16]) -> String {
    match u128::from_be_bytes(id) {
        0 => String::new(),
        id => format!("{id:032x}"),
    }
}

fn lock<T>(mutex: &Lock<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
