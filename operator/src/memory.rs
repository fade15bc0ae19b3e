//! State that is kept between two reconciles of a practice, and the readers of Kafka that practices share. In: events. Out: the
//! state before. Losing it (a restart) costs at most one write of status. Deliberately absent: Kubernetes, so that local mode
//! uses the same state.

mod status;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};
use jiff::SignedDuration;
use practice_api::ConsumerGroupPractice;
use practice_groups::{
    Journal,
    witness::{Runtime, Sight, Witness},
};
use practice_kafka::Listener;
use practice_plan::{
    events::{Pace, PracticeEvent},
    plan::{Plan, SpecFault},
};
use tokio::sync::mpsc;

use self::status::Written;
use crate::{
    budget::Budget,
    context::key,
    journal::Kept,
    ownership::Ownership,
    reader::{Key, Readers},
};

/// Longest pause after a failure.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// The readers of Kafka, and the state of each practice.
pub struct PracticeStates {
    /// Readers of Kafka.
    pub readers: Readers,
    ownership: Ownership,
    home: Runtime,
    began: Instant,
    by_practice: Mutex<HashMap<Key, Memory>>,
}

/// The state of one practice.
#[derive(Default)]
pub(crate) struct Memory {
    written: Option<Written>,
    /// What large statuses may still take.
    status_budget: Option<Budget>,
    planned: Option<Planned>,
    /// Its Events: those that wait, and when the next of each kind may be emitted.
    pace: Pace,
    /// Monotonic time since which a member has had no partition, by group and member id.
    pub(crate) idle_since: BTreeMap<(String, String), SignedDuration>,
    /// Topics whose configuration was compared, with the spec's generation and the topic's id then.
    settled: BTreeMap<String, (Option<i64>, String)>,
    /// Kafka and group ids that it owns, including those that are not in status yet.
    claims: BTreeSet<(String, String)>,
    backoff: Option<ExponentialBackoff>,
    /// The rebalances of its groups. Shared with the live view.
    pub(crate) journal: Arc<Journal>,
    /// Observations of its pods or processes.
    pub(crate) witness: Witness,
    /// URL of each of its consumers, by name.
    pub(crate) urls: BTreeMap<String, String>,
    /// The uid of a practice that is being deleted, and since when its consumers have been stopping.
    stopping: Option<(Option<String>, Instant)>,
    /// The stored journal, and the uid of its practice; `None`: not loaded yet.
    pub(crate) kept: Option<Kept>,
}

/// A plan with the uid and generation of its spec: Kubernetes increments `generation` with each change.
struct Planned {
    uid: Option<String>,
    generation: i64,
    at: Instant,
    plan: Result<Plan, SpecFault>,
}

impl PracticeStates {
    /// Empty state. `request_reconcile` receives practices whose part of Kafka changed.
    pub fn new(request_reconcile: mpsc::UnboundedSender<Key>, home: Runtime) -> Self {
        Self::with(Readers::new(request_reconcile, Listener::default()), home)
    }

    /// Empty state with these readers of Kafka.
    pub fn with(readers: Readers, home: Runtime) -> Self {
        Self {
            readers,
            ownership: Ownership::default(),
            home,
            began: Instant::now(),
            by_practice: Mutex::default(),
        }
    }

    /// The same with another store of the record of owned topics.
    #[must_use]
    pub fn recorded_in(self, ownership: Ownership) -> Self {
        Self { ownership, ..self }
    }

    /// The record of owned topics.
    pub fn ownership(&self) -> &Ownership {
        &self.ownership
    }

    /// Where the consumers of practices run.
    pub fn home(&self) -> Runtime {
        self.home
    }

    /// Monotonic time in milliseconds.
    pub fn tick(&self) -> i64 {
        i64::try_from(self.began.elapsed().as_millis()).unwrap_or(i64::MAX)
    }

    /// The Events to emit now: of these, and of those that have waited.
    pub(crate) fn due_events(
        &self,
        practice: &ConsumerGroupPractice,
        new: Vec<PracticeEvent>,
    ) -> Vec<PracticeEvent> {
        let (tick, mut memories) = (self.tick(), self.all());
        let memory = memories.entry(key(practice)).or_default();
        memory.pace.due(new, tick)
    }

    /// When an Event that waits is due.
    pub(crate) fn event_wait(&self, practice: &Key) -> Option<Duration> {
        let memories = self.all();
        memories.get(practice)?.pace.wait(self.tick())
    }

    /// The plan of a practice, computed only when its spec has changed: checking a spec of many groups costs more than the rest
    /// of a reconcile.
    ///
    /// # Errors
    /// The fault that `made` returns.
    pub fn planned(
        &self,
        practice: &ConsumerGroupPractice,
        made: impl FnOnce() -> Result<Plan, SpecFault>,
    ) -> Result<Plan, SpecFault> {
        let Some(generation) = practice.metadata.generation else {
            return made();
        };
        let (key, uid) = (key(practice), &practice.metadata.uid);
        let is_it = |planned: &&Planned| planned.uid == *uid && planned.generation == generation;
        let known = self
            .all()
            .get(&key)
            .and_then(|memory| memory.planned.as_ref())
            .filter(is_it)
            .map(|it| it.plan.clone());
        known.unwrap_or_else(|| {
            let plan = made();
            let planned = Planned {
                uid: uid.clone(),
                generation,
                at: Instant::now(),
                plan: plan.clone(),
            };
            self.all().entry(key).or_default().planned = Some(planned);
            plan
        })
    }

    /// How long this process has known the current spec of a practice.
    pub fn spec_age(&self, practice: &Key) -> Duration {
        self.all()
            .get(practice)
            .and_then(|memory| memory.planned.as_ref())
            .map(|it| it.at.elapsed())
            .unwrap_or_default()
    }

    /// How long the consumers of a practice that is being deleted have been stopping, since this process saw it first.
    pub(crate) fn stopping(&self, practice: &ConsumerGroupPractice) -> Duration {
        let (mut memories, uid) = (self.all(), &practice.metadata.uid);
        let stopping = &mut memories.entry(key(practice)).or_default().stopping;
        let known = stopping.take().filter(|(of, _)| of == uid);
        let (_, since) = stopping.insert(known.unwrap_or((uid.clone(), Instant::now())));
        since.elapsed()
    }

    /// Whether the configuration of a topic with this id was compared with this generation of the spec. `observedGeneration` does
    /// not prove that: status has it also if Kafka could not be reached.
    pub(crate) fn is_settled(
        &self,
        practice: &Key,
        topic: &str,
        generation: Option<i64>,
        id: &str,
    ) -> bool {
        let memories = self.all();
        let settled = memories
            .get(practice)
            .and_then(|memory| memory.settled.get(topic));
        settled.is_some_and(|(of, then)| *of == generation && then == id)
    }

    /// Records that it was compared.
    pub(crate) fn settled(&self, practice: &Key, topic: &str, generation: Option<i64>, id: String) {
        self.all()
            .entry(practice.clone())
            .or_default()
            .settled
            .insert(topic.to_owned(), (generation, id));
    }

    /// Pause after a failure: from 0.5 s, doubled each time, jittered, at most 30 s.
    pub fn pause(&self, key: Key) -> Duration {
        let mut memories = self.all();
        let backoff = memories
            .entry(key)
            .or_default()
            .backoff
            .get_or_insert_with(|| {
                ExponentialBuilder::default()
                    .with_min_delay(Duration::from_millis(500))
                    .with_max_delay(LONGEST_PAUSE / 2) // jitter adds up to as much again
                    .with_jitter()
                    .without_max_times()
                    .build()
            });
        backoff.next().unwrap_or(LONGEST_PAUSE).min(LONGEST_PAUSE)
    }

    /// Resets the pause after a successful reconcile.
    pub fn succeeded(&self, key: &Key) {
        if let Some(memory) = self.all().get_mut(key) {
            memory.backoff = None;
        }
    }

    /// Claims a group id for a practice, unless another practice has it; atomic, for practices that are reconciled concurrently.
    ///
    /// # Errors
    /// The practice that owns it.
    pub fn claim(&self, practice: &Key, bootstrap: &str, group: &str) -> Result<(), Key> {
        let mut memories = self.all();
        let claim = (bootstrap.to_owned(), group.to_owned());
        let is_it = |(address, claimed): &(String, String)| {
            claimed == group && self.readers.is_same_kafka(address, bootstrap) == Some(true)
        };
        let holder = memories
            .iter()
            .find(|(other, memory)| *other != practice && memory.claims.iter().any(is_it));
        if let Some((holder, _)) = holder {
            return Err(holder.clone());
        }
        memories
            .entry(practice.clone())
            .or_default()
            .claims
            .insert(claim);
        Ok(())
    }

    /// Removes group ids and topics that a plan no longer contains, and group ids of Kafkas that are not in use.
    pub fn keep_named(&self, plan: &Plan, in_use: &str) {
        if let Some(memory) = self
            .all()
            .get_mut(&(plan.namespace.clone(), plan.name.clone()))
        {
            let named = |group: &str| plan.groups.iter().any(|named| named.id == group);
            memory
                .claims
                .retain(|(bootstrap, group)| bootstrap == in_use && named(group));
            memory
                .settled
                .retain(|topic, _| plan.topics.iter().any(|named| named.name == *topic));
        }
    }

    /// The rebalances of a practice's groups.
    pub fn journal(&self, key: &Key) -> Arc<Journal> {
        self.all()
            .get(key)
            .map(|memory| Arc::clone(&memory.journal))
            .unwrap_or_default()
    }

    /// Records that a practice was not observed: changes in the meantime are not reported as rebalances.
    pub fn blind(&self, key: &Key) {
        if let Some(memory) = self.all().get_mut(key) {
            Arc::make_mut(&mut memory.journal).blind_all();
        }
    }

    /// Records all instances of a practice; for local mode, which has no pods to watch.
    pub fn saw(&self, key: &Key, sights: BTreeMap<String, Sight>) {
        let tick = self.tick();
        let mut memories = self.all();
        let witness = &mut memories.entry(key.clone()).or_default().witness;
        let gone: Vec<String> = witness
            .present()
            .filter(|name| !sights.contains_key(*name))
            .map(str::to_owned)
            .collect();
        for name in gone {
            witness.lost(&name, tick);
        }
        for (name, sight) in sights {
            witness.saw(&name, sight, true, tick);
        }
    }

    /// Removes a deleted practice.
    pub fn forget(&self, key: &Key) {
        self.all().remove(key);
        self.readers.forget(key, None);
    }

    pub(crate) fn all(&self) -> MutexGuard<'_, HashMap<Key, Memory>> {
        self.by_practice
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spec_is_planned_once() {
        let (request_reconcile, _) = mpsc::unbounded_channel();
        let memories = PracticeStates::new(request_reconcile, Runtime::Cluster);
        let practice = |uid: &str, generation: Option<i64>| {
            let mut practice =
                ConsumerGroupPractice::new("p", practice_api::PracticeSpec::default());
            (practice.metadata.uid, practice.metadata.generation) =
                (Some(uid.to_owned()), generation);
            practice
        };
        let fault = |text: &str| Err(SpecFault::Policy(text.to_owned()));
        for (uid, generation, made, found) in [
            ("a", Some(1), "first", "first"),
            ("a", Some(1), "not asked", "first"),
            ("a", Some(2), "changed", "changed"),
            ("b", Some(2), "recreated", "recreated"),
            ("b", Some(2), "not asked", "recreated"),
            ("b", None, "not counted", "not counted"),
        ] {
            assert_eq!(
                memories.planned(&practice(uid, generation), || fault(made)),
                fault(found),
                "{uid} {generation:?}"
            );
        }
    }
}
