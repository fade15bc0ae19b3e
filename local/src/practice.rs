//! A running practice. In: the manifest, requests, reports of children and of Kafka. Out: its status, by the operator's steps:
//! plan, prepare, (fleet instead of objects and apply), observe, status. `turn` is the sequence of these calls.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    path::PathBuf,
    sync::Arc,
    time::Instant,
};

use futures::future::join_all;
use jiff::Timestamp;
use practice_api::{ConsumerGroupPractice, PracticeStatus};
use practice_contract::status::WorkerStatus;
use practice_groups::{Journal, Rebalance, Snapshot};
use practice_operator::{journal, memory::PracticeStates, reader::Key, worker_client::Http};
use practice_plan::{
    events::{Severity, events},
    plan::{Defaults, Plan, plan},
    predict::{Broker, Now, Prediction, predict},
    status::status,
};
use serde_json::Value;

use crate::{
    args::Kind,
    changes::changes,
    embedded,
    fleet::{Exit, Fleet, Phase, Role, Wanted},
    kafka::{IN_MEMORY, Kafka},
    manifest::{self, NAMESPACE, Overlay},
};

/// A practice with its plan, Kafka and children.
#[derive(Debug)]
pub struct Practice {
    /// Path of the manifest.
    pub manifest: PathBuf,
    /// Content of the manifest.
    file: Value,
    overlay: Overlay,
    /// Practice from the manifest and the overlay.
    pub practice: ConsumerGroupPractice,
    /// Plan of the practice.
    pub plan: Plan,
    /// Deviations of this Kafka from the manifest.
    pub notes: Vec<String>,
    /// Kafka of the practice.
    pub kafka: Kafka,
    /// Child processes.
    pub fleet: Fleet,
    /// Listen address of the producer.
    pub producer: SocketAddr,
    /// Last status.
    pub status: Option<PracticeStatus>,
    /// Last snapshot of Kafka.
    pub snapshot: Option<std::sync::Arc<Snapshot>>,
    memories: MemoriesOf,
    http: Http,
    /// Assignments at the last turn.
    owned: BTreeMap<String, BTreeSet<(String, i32)>>,
    /// Start time, until the practice is ready.
    begun: Instant,
    /// Time until it was ready for the first time.
    pub ready_after: Option<std::time::Duration>,
}

/// Gives `PracticeStates` an empty `Debug`.
struct MemoriesOf(PracticeStates);

impl std::fmt::Debug for MemoriesOf {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PracticeStates")
    }
}

/// Plans a practice; `rewrite` adapts the plan to the Kafka and returns notes about deviations.
///
/// # Errors
/// Faults for which the operator would refuse the practice.
fn planned(
    practice: &ConsumerGroupPractice,
    bootstrap: String,
    rewrite: impl FnOnce(&mut Plan) -> Vec<String>,
) -> Result<(Plan, Vec<String>), String> {
    let mut here = practice.clone();
    here.spec.kafka = None;
    let defaults = Defaults {
        bootstrap_servers: Some(bootstrap),
        ..Defaults::default()
    };
    let mut plan = plan(&here, &defaults).map_err(|fault| fault.to_string())?;
    let mut notes = rewrite(&mut plan);
    if let Some(ignored) = &practice.spec.kafka {
        let servers = &ignored.bootstrap_servers;
        notes.insert(
            0,
            format!("spec.kafka ({servers}) is ignored in local mode: use --bootstrap {servers}"),
        );
    }
    Ok((plan, notes))
}

impl Practice {
    /// Practice without running children.
    ///
    /// # Errors
    /// The API server or the operator would refuse the manifest.
    pub fn new(
        (manifest, file): (PathBuf, Value),
        kafka: Kafka,
        fleet: Fleet,
        producer: SocketAddr,
        memories: PracticeStates,
        begun: Instant,
    ) -> Result<Self, Vec<String>> {
        let overlay = Overlay::default();
        let practice = manifest::practice(&file, &overlay, None, 1)?;
        let (plan, notes) = planned(&practice, kafka.bootstrap(), |plan| kafka.rewrite(plan))
            .map_err(|why| vec![why])?;
        Ok(Self {
            manifest,
            file,
            overlay,
            practice,
            plan,
            notes,
            kafka,
            fleet,
            producer,
            status: None,
            snapshot: None,
            memories: MemoriesOf(memories),
            http: Http::default(),
            owned: BTreeMap::new(),
            begun,
            ready_after: None,
        })
    }

    /// Applies a new version of the file and discards the overlay. Returns the changes.
    ///
    /// # Errors
    /// Faults of the manifest; nothing has changed.
    pub fn edit(&mut self, file: Value) -> Result<Vec<String>, Vec<String>> {
        self.adopt(file, Overlay::default())
    }

    /// Applies a change by a command. Returns the changes.
    ///
    /// # Errors
    /// Faults of the change; nothing has changed.
    pub fn change(
        &mut self,
        change: impl FnOnce(&mut Overlay),
    ) -> Result<Vec<String>, Vec<String>> {
        let mut overlay = self.overlay.clone();
        change(&mut overlay);
        self.adopt(self.file.clone(), overlay)
    }

    fn adopt(&mut self, file: Value, overlay: Overlay) -> Result<Vec<String>, Vec<String>> {
        let (practice, plan, notes) = self.legal(&file, &overlay)?;
        let mut lines = changes(&self.plan, &plan);
        lines.extend(
            notes
                .iter()
                .filter(|note| !self.notes.contains(note))
                .cloned(),
        );
        (
            self.file,
            self.overlay,
            self.practice,
            self.plan,
            self.notes,
        ) = (file, overlay, practice, plan, notes);
        Ok(lines)
    }

    /// Practice, plan, and notes about deviations of the Kafka.
    fn legal(
        &self,
        file: &Value,
        overlay: &Overlay,
    ) -> Result<(ConsumerGroupPractice, Plan, Vec<String>), Vec<String>> {
        let generation = self.practice.metadata.generation.unwrap_or_default() + 1;
        let practice = manifest::practice(file, overlay, Some(&self.practice), generation)?;
        let (plan, notes) = planned(&practice, self.kafka.bootstrap(), |plan| {
            self.kafka.rewrite(plan)
        })
        .map_err(|why| vec![why])?;
        let refused = self.kafka.refuses(&self.plan, &plan);
        if refused.is_empty() {
            Ok((practice, plan, notes))
        } else {
            Err(refused)
        }
    }

    /// Predicts the changes of a new version of the file, which discards the overlay.
    pub fn predict(&self, file: &Value) -> Prediction {
        self.predicted(file, &Overlay::default())
    }

    /// Predicts the changes of a command.
    pub fn predict_overlay(&self, change: impl FnOnce(&mut Overlay)) -> Prediction {
        let mut overlay = self.overlay.clone();
        change(&mut overlay);
        self.predicted(&self.file, &overlay)
    }

    fn predicted(&self, file: &Value, overlay: &Overlay) -> Prediction {
        match self.legal(file, overlay) {
            Err(faults) => Prediction::refused(NAMESPACE, &name(file), Some(true), faults),
            Ok((_, plan, notes)) => {
                let rows = self
                    .fleet
                    .children
                    .iter()
                    .filter(|(_, child)| matches!(child.role, Role::Worker(_)));
                let rows = rows
                    .map(|(name, child)| (name.clone(), child.deployment.clone()))
                    .collect();
                let now = Now {
                    plan: &self.plan,
                    status: self.status.as_ref(),
                    rows: &rows,
                };
                let mut prediction = predict(&plan, Some(&now), self.kafka.broker());
                prediction
                    .notes
                    .extend(notes.into_iter().filter(|note| !self.notes.contains(note)));
                prediction
            }
        }
    }

    /// Records the exit of a child.
    pub fn record_exit(&mut self, exit: &Exit) {
        if self.fleet.record_exit(exit) {
            self.kafka.left(&exit.name);
        }
    }

    /// Reconciles once and polls Kafka; returns a message for each event.
    pub async fn turn(&mut self) -> Vec<(Severity, String)> {
        let reports = self.fetch_reports().await;
        let moved = self.moved(&reports);
        let memories = &self.memories.0;
        let before = self.status.as_ref();
        let prepared = self
            .kafka
            .prepare(
                &self.plan,
                &self.fleet.live().with_claims_of(&self.practice),
                &reports,
                moved,
                memories,
                before,
            )
            .await;
        let wanted = Wanted::all(&self.plan, &prepared.holds, self.producer);
        let running = self.fleet.apply(&self.plan, &wanted);
        journal::record_replicas(&self.plan, &prepared, &running, memories);
        memories.saw(&self.key(), self.fleet.sights());
        let seen = self
            .kafka
            .observe(&self.plan, &prepared, before, memories)
            .await;
        let generation = self.practice.metadata.generation;
        let mut after = status(
            Ok(&self.plan),
            &prepared,
            &running,
            Some(&seen),
            before,
            generation,
            Timestamp::now(),
        );
        let mut update = journal::record_poll(
            &self.plan,
            &prepared,
            &seen.poll,
            memories,
            Timestamp::now(),
        );
        journal::record_pauses(
            &self.plan,
            &mut update,
            &reports,
            memories,
            Timestamp::now(),
        );
        after.rebalances = update.latest;
        let mut messages: Vec<(Severity, String)> = events(&prepared, &running, before, &after)
            .into_iter()
            .map(|event| (event.severity, event.text))
            .collect();
        messages.extend(update.explained.iter().filter_map(rebalanced));
        messages.extend(
            self.fleet
                .take_events()
                .into_iter()
                .map(|text| (Severity::Warning, text)),
        );
        self.snapshot = seen.poll.ok();
        if self.ready_after.is_none() && is_ready(&after) {
            self.ready_after = Some(self.begun.elapsed());
        }
        self.status = Some(after);
        messages
    }

    /// Fetches the reports of all running children.
    async fn fetch_reports(&mut self) -> BTreeMap<String, WorkerStatus> {
        let http = &self.http;
        let asked = self.fleet.children.iter_mut().map(async |(name, child)| {
            let answers = matches!(child.phase, Phase::Running | Phase::Ending { .. })
                && child.pid().is_some();
            let address = child.address();
            match child.role {
                _ if !answers => (child.report, child.ready) = (None, false),
                Role::Producer(_) => child.ready = http.is_ready(&address).await,
                Role::Worker(_) => {
                    child.report = http.status(&address).await.ok();
                    child.ready = child.report.as_ref().is_some_and(|report| report.joined);
                }
            }
            Some((name.clone(), child.report.clone()?))
        });
        join_all(asked).await.into_iter().flatten().collect()
    }

    /// Whether consumers report other assignments than before.
    fn moved(&mut self, reports: &BTreeMap<String, WorkerStatus>) -> bool {
        let owned = |report: &WorkerStatus| {
            report
                .assignment
                .iter()
                .map(|owned| (owned.topic.clone(), owned.partition))
                .collect()
        };
        let owned = reports
            .iter()
            .map(|(name, report)| (name.clone(), owned(report)))
            .collect();
        let moved = self.owned != owned;
        self.owned = owned;
        moved
    }

    /// Namespace and name.
    pub fn key(&self) -> Key {
        (self.plan.namespace.clone(), self.plan.name.clone())
    }

    /// Rebalances of its groups.
    pub fn journal(&self) -> std::sync::Arc<Journal> {
        self.memories.0.journal(&self.key())
    }

    /// Requests a poll of Kafka, because a page is open.
    pub fn request_poll(&self) {
        self.memories.0.readers.request_poll(&self.key());
    }

    /// Whether condition Ready is true.
    pub fn is_ready(&self) -> bool {
        self.status.as_ref().is_some_and(is_ready)
    }
}

/// Predicts the changes of a manifest as a new practice on a kind of Kafka.
pub fn predict_from_nothing(file: &Value, kind: Kind) -> Prediction {
    let refused = |faults| Prediction::refused(NAMESPACE, &name(file), Some(false), faults);
    let practice = match manifest::practice(file, &Overlay::default(), None, 1) {
        Ok(practice) => practice,
        Err(faults) => return refused(faults),
    };
    let (bootstrap, rewrite): (_, fn(&mut Plan) -> Vec<String>) = match kind {
        Kind::Embedded => ("the embedded broker", embedded::rewrite::rewrite),
        Kind::Apache => ("Apache Kafka", |_| Vec::new()),
    };
    match planned(&practice, bootstrap.to_owned(), rewrite) {
        Ok((plan, notes)) => {
            let broker = if kind == Kind::Embedded {
                IN_MEMORY
            } else {
                Broker::default()
            };
            let mut prediction = predict(&plan, None, broker);
            prediction.notes.extend(notes);
            prediction
        }
        Err(why) => refused(vec![why]),
    }
}

fn name(file: &Value) -> String {
    file["metadata"]["name"]
        .as_str()
        .unwrap_or_default()
        .to_owned()
}

/// Message about a rebalance with its cause and advice.
fn rebalanced((group, rebalance): &(String, Arc<Rebalance>)) -> Option<(Severity, String)> {
    let why = rebalance.why.as_ref()?;
    let tone = if why.cause.is_trouble() {
        Severity::Warning
    } else {
        Severity::Normal
    };
    let advice = why.advice.iter().map(|advice| format!(" {advice}"));
    Some((
        tone,
        format!(
            "{group} rebalanced ({}): {}{}",
            why.cause,
            why.sentence,
            advice.collect::<String>()
        ),
    ))
}

fn is_ready(status: &PracticeStatus) -> bool {
    status
        .condition("Ready")
        .is_some_and(|ready| ready.status == "True")
}
