//! Kafka of a practice in local mode: the embedded broker, Apache Kafka, or a running one. In: arguments of `up`. Out: an
//! address, and the steps `prepare` and `observe`: the operator's for a real Kafka; for the embedded broker, which cannot
//! describe groups, from the reports of consumers.

use std::{collections::BTreeMap, io::IsTerminal, path::Path, sync::Arc, time::Duration};

use anyhow::{Context, Result};
use jiff::SignedDuration;
use practice_api::PracticeStatus;
use practice_contract::{Protocol, commit_metadata, duration, status::WorkerStatus};
use practice_groups::Snapshot;
use practice_operator::{
    live::Live,
    memory::PracticeStates,
    objects::holds,
    observe::{observe, observed},
    prepare::prepare,
};
use practice_plan::{
    outcome::{KafkaChange, Observed, Prepared, Refusal, Unclaimed},
    plan::{GroupPlan, Plan},
    predict::{Broker, Order},
    start::{GroupStart, group_start},
    topics::{TopicStep, topic_step},
};
use tokio::time::timeout;

use crate::{
    apache::Apache,
    args::{Kind, Up},
    embedded::{
        Embedded,
        rewrite::{SESSION_TIMEOUT_SECONDS, rewrite},
        snapshot::{Members, snapshot},
    },
    fleet::Ways,
    jars,
    output::print_note,
    process::{Ended, log_file, log_path},
};

/// Deadline of a poll that a rebalance requests.
const POLL_DEADLINE: Duration = Duration::from_secs(1);
/// Embedded broker: its heartbeat interval and session timeout cannot be configured.
pub const IN_MEMORY: Broker = Broker {
    heartbeat: Duration::from_secs(3),
    session: Duration::from_secs(SESSION_TIMEOUT_SECONDS as u64),
    order: Order::ByArrival,
};

/// Kafka of a practice.
#[derive(Debug)]
pub enum Kafka {
    /// Broker in memory.
    Embedded {
        /// Client of the broker's process.
        broker: Box<Embedded>,
        /// Members of all groups, from reports of consumers.
        members: Members,
        /// Resolves when the broker's process ends, which ends the practice.
        ended: Ended,
    },
    /// Apache Kafka as child processes.
    Apache(Apache),
    /// A running Kafka (`--bootstrap`).
    Given(String),
}

impl Kafka {
    /// Starts Kafka; without --brokers the embedded one simulates `copies` brokers.
    ///
    /// # Errors
    /// Kafka does not start; the error names the fix.
    pub async fn start(up: &Up, ways: &Ways, dir: &Path, copies: u32) -> Result<Self> {
        if let Some(bootstrap) = &up.bootstrap {
            return Ok(Self::Given(bootstrap.clone()));
        }
        match up.kafka {
            Kind::Embedded => {
                let log = log_file(&ways.logs, "broker")?;
                let brokers = up.brokers.unwrap_or(copies);
                let started = Embedded::start(&ways.program, brokers, &log).await;
                let (broker, ended) = started.with_context(|| {
                    let log = log_path(&ways.logs, "broker");
                    format!("the embedded broker did not start: see {}", log.display())
                })?;
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
                print_note(&format!("starting Apache Kafka{of}: about 10 s\n"));
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

    /// Limits to show the user.
    pub fn note(&self) -> Option<String> {
        match self {
            Self::Embedded { broker, .. } => {
                let simulated = if broker.brokers > 1 {
                    ", brokers are simulated"
                } else {
                    ""
                };
                Some(format!(
                    "in memory, data deleted at exit; every group uses the KIP-848 protocol{simulated}"
                ))
            }
            Self::Apache(_) => Some("data deleted at exit".to_owned()),
            Self::Given(_) => None,
        }
    }

    /// Short name for messages.
    pub fn title(&self) -> String {
        match self {
            Self::Embedded { .. } => "the embedded broker".to_owned(),
            Self::Apache(apache) if apache.brokers.len() == 1 => "Apache Kafka".to_owned(),
            Self::Apache(apache) => format!("Apache Kafka, {} brokers", apache.brokers.len()),
            Self::Given(bootstrap) => bootstrap.clone(),
        }
    }

    /// Adapts a plan to this Kafka; returns a note for each deviation from the manifest.
    pub fn rewrite(&self, plan: &mut Plan) -> Vec<String> {
        match self {
            Self::Embedded { .. } => rewrite(plan),
            Self::Apache(_) | Self::Given(_) => Vec::new(),
        }
    }

    /// Settings of the KIP-848 protocol.
    pub fn broker(&self) -> Broker {
        match self {
            Self::Embedded { .. } => IN_MEMORY,
            Self::Apache(_) | Self::Given(_) => Broker::default(),
        }
    }

    /// Reasons why a change of plan is not possible on this Kafka.
    pub fn refuses(&self, before: &Plan, after: &Plan) -> Vec<String> {
        if !matches!(self, Self::Embedded { .. }) {
            return Vec::new();
        }
        let grows = after.topics.iter().enumerate().filter_map(|(number, topic)| {
            let former = before.topics.iter().find(|former| former.name == topic.name)?;
            let (from, to) = (former.partitions, topic.partitions);
            (to > from).then(|| {
                format!(
                    "spec.topics[{number}].partitions: {to}: the embedded broker cannot add partitions to {} (now {from}): use --kafka apache",
                    topic.name
                )
            })
        });
        grows.collect()
    }

    /// Time after which a group detects a killed member.
    pub fn crash_detection_time(&self, group: &GroupPlan) -> String {
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

    /// The operator's step `prepare`. `moved`: consumers report another assignment than at the last poll.
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
                members.record(
                    reports.values(),
                    SignedDuration::from_millis(memories.tick()),
                );
                prepare_embedded(broker, members, plan, live, before).await
            }
            Self::Apache(_) | Self::Given(_) => {
                if moved {
                    // `prepare` uses the latest poll; requests must not wait for an unreachable Kafka
                    let _ = timeout(
                        POLL_DEADLINE,
                        memories.readers.reader(&plan.bootstrap).fresh(),
                    )
                    .await;
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
        match (self, &prepared.poll) {
            (
                Self::Embedded {
                    broker, members, ..
                },
                Some(poll),
            ) => {
                let poll = if prepared.changed() {
                    poll_embedded(broker, members, plan).await
                } else {
                    poll.clone()
                };
                let poll = poll.map(|poll| memories.readers.note(&plan.bootstrap, poll));
                observed(
                    plan,
                    poll,
                    before,
                    memories,
                    SignedDuration::from_millis(memories.tick()),
                )
            }
            _ => observe(plan, prepared, before, memories).await,
        }
    }

    /// Removes a consumer that left its group in order.
    pub fn left(&mut self, consumer: &str) {
        if let Self::Embedded { members, .. } = self {
            members.left(consumer);
        }
    }
}

async fn poll_embedded(
    broker: &Embedded,
    members: &Members,
    plan: &Plan,
) -> practice_groups::PollResult {
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

/// Creates topics as the operator's `topic_step` decides; no other application uses group ids of this broker.
async fn prepare_embedded(
    broker: &Embedded,
    members: &Members,
    plan: &Plan,
    live: &Live,
    before: Option<&PracticeStatus>,
) -> Prepared {
    let poll = poll_embedded(broker, members, plan).await;
    let mut prepared = Prepared::default();
    for topic in &plan.topics {
        let seen = poll
            .as_ref()
            .ok()
            .and_then(|snapshot| snapshot.topics.get(&topic.name));
        let name = topic.name.clone();
        // nothing else creates topics there
        if let Some(practice_groups::TopicSeen::Present(facts)) = seen {
            let own = prepared.own.get_or_insert_default();
            own.insert(name.clone(), facts.id.clone());
        }
        match topic_step(topic, seen) {
            TopicStep::Create => {
                let copies = u32::try_from(topic.replication_factor).unwrap_or_default();
                let made = if copies > broker.brokers {
                    let there = broker.brokers;
                    Err(anyhow::anyhow!(
                        "topic {name}: replicationFactor {copies} exceeds the {there} simulated brokers: start again with --brokers {copies}"
                    ))
                } else {
                    broker
                        .create(&name, topic.partitions, topic.replication_factor)
                        .await
                };
                match made {
                    Ok(()) => prepared.kafka_changes.push(KafkaChange::Created {
                        topic: name,
                        partitions: topic.partitions,
                    }),
                    Err(error) => drop(
                        prepared
                            .refused
                            .insert(name, Refusal::Refused(error.to_string())),
                    ),
                }
            }
            TopicStep::Grow(from) => {
                let why = format!(
                    "topic {name} has {from} partitions: the embedded broker cannot add partitions: use --kafka apache"
                );
                prepared.refused.insert(name, Refusal::Refused(why));
            }
            TopicStep::Ready | TopicStep::Conflict(_) | TopicStep::Unknown(_) => {}
        }
    }
    pin_starts_embedded(
        broker,
        poll.as_deref().ok(),
        plan,
        live,
        before,
        &mut prepared,
    )
    .await;
    prepared.poll = Some(poll);
    prepared.holds = holds(plan, &prepared.unclaimed, live);
    prepared
}

/// Pins where groups start, as the operator's `group_start` decides.
async fn pin_starts_embedded(
    broker: &Embedded,
    snapshot: Option<&Snapshot>,
    plan: &Plan,
    live: &Live,
    before: Option<&PracticeStatus>,
    prepared: &mut Prepared,
) {
    let metadata = commit_metadata(&format!("{}/{}", plan.namespace, plan.name));
    for group in &plan.groups {
        let before = before.filter(|before| before.owns_group_id(&group.id));
        let at_rest = live.is_at_rest(plan, group);
        let pending = match group_start(group, snapshot, before, at_rest) {
            GroupStart::Pinned => continue,
            GroupStart::Waits(what) => Unclaimed::start_waits(&what, before.is_some()),
            GroupStart::Pin(starts) => {
                let id = &group.id;
                match broker.pin_start(id, starts, metadata.clone()).await {
                    Ok(offsets) if offsets.is_empty() => continue,
                    Ok(offsets) => {
                        prepared.kafka_changes.push(KafkaChange::StartPinned {
                            group: id.clone(),
                            offsets,
                        });
                        continue;
                    }
                    Err(_) if group.stopped => continue,
                    Err(error) => {
                        Unclaimed::start_not_pinned(format_args!("{error:#}"), before.is_some())
                    }
                }
            }
        };
        prepared.unclaimed.insert(group.id.clone(), pending);
    }
}

/// Prints the progress of a download: one line on a terminal, a line per tenth elsewhere.
fn progress() -> impl Fn(u64, u64) {
    let live = std::io::stdout().is_terminal();
    let printed = std::sync::atomic::AtomicU64::new(u64::MAX);
    move |done, total| {
        let part = if live {
            done * 100 / total.max(1)
        } else {
            done * 10 / total.max(1)
        };
        if printed.swap(part, std::sync::atomic::Ordering::Relaxed) == part {
            return;
        }
        let (done_mib, total_mib) = (done >> 20, total >> 20);
        if live {
            let bar = "#".repeat(usize::try_from(part / 4).unwrap_or_default());
            let end = if done == total { "\n" } else { "" };
            print_note(&format!(
                "\rApache Kafka from Maven Central  [{bar:<25}] {done_mib} of {total_mib} MiB{end}"
            ));
        } else {
            print_note(&format!(
                "Apache Kafka from Maven Central: {done_mib} of {total_mib} MiB\n"
            ));
        }
    }
}
