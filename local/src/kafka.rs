//! The Kafka of a practice here: in memory, Apache Kafka, or one that runs already. In: what `up` was told. Out: an address,
//! and the two steps of the path of data that ask it, `prepare` and `observe`: the operator's own wherever there is a Kafka
//! that can answer, and from what the consumers report where there is none.

use std::{collections::BTreeMap, io::IsTerminal, path::Path, sync::Arc, time::Duration};

use anyhow::{Context, Result};
use jiff::SignedDuration;
use practice_api::PracticeStatus;
use practice_contract::{Protocol, duration, status::WorkerStatus};
use practice_operator::{
    live::Live,
    memory::PracticeStates,
    objects::holds,
    observe::{observe, observed},
    prepare::prepare,
};
use practice_plan::{
    outcome::{KafkaChange, Observed, Prepared, Refusal},
    plan::{GroupPlan, Plan},
    predict::{Broker, Order},
    topics::{TopicStep, topic_step},
};
use tokio::time::timeout;

use crate::{
    apache::Apache,
    args::{Kind, Up},
    embedded::{
        Embedded,
        look::{Members, snapshot},
        rewrite::{SESSION_TIMEOUT_SECONDS, rewrite},
    },
    fleet::Ways,
    jars,
    output::mention,
    process::{Ended, log_file},
};

/// How long a look that is to be fresh may take.
const FRESH: Duration = Duration::from_secs(1);
/// The broker in memory: its heartbeat and session timeout cannot be set.
pub const IN_MEMORY: Broker = Broker {
    heartbeat: Duration::from_secs(3),
    session: Duration::from_secs(SESSION_TIMEOUT_SECONDS as u64),
    order: Order::ByArrival,
};

/// Which Kafka.
#[derive(Debug)]
pub enum Kafka {
    /// In memory.
    Embedded {
        /// The broker.
        broker: Box<Embedded>,
        /// Who is in which group.
        members: Members,
        /// Its end; nothing can go on without it.
        ended: Ended,
    },
    /// Apache Kafka, started from here.
    Apache(Apache),
    /// One that runs already.
    Given(String),
}

impl Kafka {
    /// Starts it, with enough brokers for `copies` of a partition if nobody says how many.
    ///
    /// # Errors
    /// It does not start; the reason names what to do.
    pub async fn start(up: &Up, ways: &Ways, dir: &Path, copies: u32) -> Result<Self> {
        if let Some(bootstrap) = &up.bootstrap {
            return Ok(Self::Given(bootstrap.clone()));
        }
        match up.kafka {
            Kind::Embedded => {
                let log = log_file(&ways.logs, "broker").context("the broker's log")?;
                let brokers = up.brokers.unwrap_or(copies);
                let (broker, ended) = Embedded::start(&ways.program, brokers, &log).await?;
                Ok(Self::Embedded {
                    broker: Box::new(broker),
                    members: Members::default(),
                    ended,
                })
            }
            Kind::Apache => {
                crate::java::java().map_err(anyhow::Error::msg)?; // before anything is downloaded
                let class_path = jars::class_path(&jars::cache(), progress()).await?;
                let count = up.brokers.unwrap_or(1);
                let of = if count == 1 {
                    String::new()
                } else {
                    format!(", {count} brokers")
                };
                mention(&format!("starting Apache Kafka{of}: about 10 s\n"));
                let dir = dir.join("kafka");
                Ok(Self::Apache(
                    Apache::start(ways.program.clone(), class_path, &dir, &ways.logs, count)
                        .await?,
                ))
            }
        }
    }

    /// `host:port[,host:port...]`.
    pub fn bootstrap(&self) -> String {
        match self {
            Self::Embedded { broker, .. } => broker.bootstrap.clone(),
            Self::Apache(apache) => apache.bootstrap(),
            Self::Given(bootstrap) => bootstrap.clone(),
        }
    }

    /// What has to be known about it.
    pub fn note(&self) -> Option<String> {
        match self {
            Self::Embedded { broker, .. } => {
                let simulated = if broker.brokers > 1 {
                    ", brokers are simulated"
                } else {
                    ""
                };
                Some(format!(
                    "in memory, gone at exit; every group uses the Consumer protocol here{simulated}"
                ))
            }
            Self::Apache(_) => Some("its data is gone at exit".to_owned()),
            Self::Given(_) => None,
        }
    }

    /// What it is, in a few words.
    pub fn title(&self) -> String {
        match self {
            Self::Embedded { .. } => "the embedded broker".to_owned(),
            Self::Apache(apache) if apache.brokers.len() == 1 => "Apache Kafka".to_owned(),
            Self::Apache(apache) => format!("Apache Kafka, {} brokers", apache.brokers.len()),
            Self::Given(bootstrap) => bootstrap.clone(),
        }
    }

    /// Changes a plan to what can run on it; a sentence for each thing that is otherwise.
    pub fn rewrite(&self, plan: &mut Plan) -> Vec<String> {
        match self {
            Self::Embedded { .. } => rewrite(plan),
            Self::Apache(_) | Self::Given(_) => Vec::new(),
        }
    }

    /// How it treats groups of protocol Consumer.
    pub fn broker(&self) -> Broker {
        match self {
            Self::Embedded { .. } => IN_MEMORY,
            Self::Apache(_) | Self::Given(_) => Broker::default(),
        }
    }

    /// Why a change of plan cannot be made on it.
    pub fn refuses(&self, before: &Plan, after: &Plan) -> Vec<String> {
        if !matches!(self, Self::Embedded { .. }) {
            return Vec::new();
        }
        let grows = after.topics.iter().enumerate().filter_map(|(number, topic)| {
            let former = before.topics.iter().find(|former| former.name == topic.name)?;
            let (from, to) = (former.partitions, topic.partitions);
            (to > from).then(|| {
                format!(
                    "spec.topics[{number}].partitions: {to}: the broker in memory cannot add partitions to {} (now {from}): this needs --kafka apache",
                    topic.name
                )
            })
        });
        grows.collect()
    }

    /// After how many seconds a group notices that a member was killed.
    pub fn notices_after(&self, group: &GroupPlan) -> String {
        match group.protocol {
            Protocol::Consumer => duration::print(self.broker().session),
            Protocol::Classic => {
                let row = group.rows.first();
                duration::print(
                    row.map(|row| row.settings.session_timeout)
                        .unwrap_or_default(),
                )
            }
        }
    }

    /// The operator's step `prepare`. `moved`: consumers say that something has changed since the last look.
    pub async fn prepare(
        &mut self,
        plan: &Plan,
        live: &Live,
        reports: &BTreeMap<String, WorkerStatus>,
        moved: bool,
        memories: &PracticeStates,
        before: Option<&PracticeStatus>,
    ) -> Prepared {
        match self {
            Self::Embedded {
                broker, members, ..
            } => {
                members.note(
                    reports.values(),
                    SignedDuration::from_millis(memories.tick()),
                );
                prepare_embedded(broker, members, plan, live).await
            }
            Self::Apache(_) | Self::Given(_) => {
                if moved {
                    // `prepare` takes the latest look; requests are not to wait for a Kafka that is down
                    let _ = timeout(FRESH, memories.readers.reader(&plan.bootstrap).fresh()).await;
                }
                prepare(plan, live, &|_| None, memories, before).await
            }
        }
    }

    /// The operator's step `observe`.
    pub async fn observe(
        &self,
        plan: &Plan,
        prepared: &Prepared,
        before: Option<&PracticeStatus>,
        memories: &PracticeStates,
    ) -> Observed {
        match (self, &prepared.look) {
            (
                Self::Embedded {
                    broker, members, ..
                },
                Some(look),
            ) => {
                let look = if prepared.changed() {
                    look_at(broker, members, plan).await
                } else {
                    look.clone()
                };
                let look = look.map(|look| memories.readers.note(&plan.bootstrap, look));
                observed(
                    plan,
                    look,
                    before,
                    memories,
                    SignedDuration::from_millis(memories.tick()),
                )
            }
            _ => observe(plan, prepared, before, memories).await,
        }
    }

    /// A consumer has left its group as it should.
    pub fn left(&mut self, consumer: &str) {
        if let Self::Embedded { members, .. } = self {
            members.left(consumer);
        }
    }
}

async fn look_at(broker: &Embedded, members: &Members, plan: &Plan) -> practice_groups::PollResult {
    let groups = plan
        .groups
        .iter()
        .map(|group| (group.id.clone(), group.topics.clone()))
        .collect();
    broker
        .offsets(groups)
        .await
        .map(|offsets| Arc::new(snapshot(plan, offsets, members)))
}

/// Topics are made as the operator's `topic_step` decides; every group id is free on a broker that is nobody else's.
async fn prepare_embedded(
    broker: &Embedded,
    members: &Members,
    plan: &Plan,
    live: &Live,
) -> Prepared {
    let look = look_at(broker, members, plan).await;
    let mut prepared = Prepared::default();
    for topic in &plan.topics {
        let seen = look
            .as_ref()
            .ok()
            .and_then(|snapshot| snapshot.topics.get(&topic.name));
        let name = topic.name.clone();
        match topic_step(topic, seen) {
            TopicStep::Create => {
                let copies = u32::try_from(topic.replication_factor).unwrap_or_default();
                let made = if copies > broker.brokers {
                    let there = broker.brokers;
                    Err(anyhow::anyhow!(
                        "topic {name}: replicationFactor is {copies}, more than the {there} simulated: start again with --brokers {copies}"
                    ))
                } else {
                    broker
                        .create(&name, topic.partitions, topic.replication_factor)
                        .await
                };
                match made {
                    Ok(()) => {
                        prepared.created.insert(name.clone());
                        prepared.kafka_changes.push(KafkaChange::Created {
                            topic: name,
                            partitions: topic.partitions,
                        });
                    }
                    Err(error) => drop(
                        prepared
                            .refused
                            .insert(name, Refusal::Refused(error.to_string())),
                    ),
                }
            }
            TopicStep::Grow(from) => {
                let why = format!(
                    "topic {name} has {from} partitions and cannot grow in memory: this needs --kafka apache"
                );
                prepared.refused.insert(name, Refusal::Refused(why));
            }
            TopicStep::Ready | TopicStep::Conflict(_) | TopicStep::Unknown(_) => {}
        }
    }
    prepared.look = Some(look);
    prepared.holds = holds(plan, &prepared.unclaimed, live);
    prepared
}

/// Tells how far a download is: one line that grows on a terminal, a line for each tenth elsewhere.
fn progress() -> impl Fn(u64, u64) {
    let live = std::io::stdout().is_terminal();
    let told = std::sync::atomic::AtomicU64::new(u64::MAX);
    move |done, total| {
        let part = if live {
            done * 100 / total.max(1)
        } else {
            done * 10 / total.max(1)
        };
        if told.swap(part, std::sync::atomic::Ordering::Relaxed) == part {
            return;
        }
        let (done_mib, total_mib) = (done >> 20, total >> 20);
        if live {
            let bar = "#".repeat(usize::try_from(part / 4).unwrap_or_default());
            let end = if done == total { "\n" } else { "" };
            mention(&format!(
                "\rApache Kafka from Maven Central  [{bar:<25}] {done_mib} of {total_mib} MiB{end}"
            ));
        } else {
            mention(&format!(
                "Apache Kafka from Maven Central: {done_mib} of {total_mib} MiB\n"
            ));
        }
    }
}
