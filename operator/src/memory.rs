//! What has to be remembered between two looks at one practice, and the readers of Kafka that they share. In: what happened.
//! Out: what was before. Losing it (a restart) costs at most one write of status. Deliberately absent: Kubernetes, so that
//! whoever runs a practice without it remembers in the same way.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};
use jiff::{SignedDuration, Timestamp};
use practice_api::{ConsumerGroupPractice, PracticeStatus};
use practice_groups::{
    Journal,
    witness::{Runtime, Sight, Witness},
};
use practice_kafka::Listener;
use practice_plan::plan::{Plan, SpecFault};
use tokio::sync::mpsc;

use crate::{
    context::key,
    journal::Kept,
    reader::{Key, Readers},
};

/// Longest pause after a failure.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// The time of day and the time that only grows part by more than that: somebody has set the clock.
const SET: SignedDuration = SignedDuration::from_mins(1);

/// The readers of Kafka, and what has to be remembered of each practice.
pub struct PracticeStates {
    /// Kafka.
    pub readers: Readers,
    home: Runtime,
    began: Instant,
    by_practice: Mutex<HashMap<Key, Memory>>,
}

/// What is remembered of one practice.
#[derive(Default)]
pub(crate) struct Memory {
    written: Option<Written>,
    planned: Option<Planned>,
    /// Since which tick a member has had no partition, by group and member id.
    pub(crate) idle_since: BTreeMap<(String, String), SignedDuration>,
    /// Topics whose configuration was compared, with the spec's generation and the topic's id then.
    settled: BTreeMap<String, (Option<i64>, String)>,
    /// Topics that it has created and whose id is not in status yet: not every broker knows of them at once.
    pub(crate) created: BTreeSet<String>,
    /// Group ids that it has, with their Kafka, also those that are not in status yet.
    claims: BTreeSet<(String, String)>,
    backoff: Option<ExponentialBackoff>,
    /// The rebalances of its groups. Shared with whoever shows them.
    pub(crate) journal: Arc<Journal>,
    /// What was seen of its pods, or processes.
    pub(crate) witness: Witness,
    /// Where each of its consumers answers.
    pub(crate) urls: BTreeMap<String, String>,
    /// What is kept of its journal, and under which practice's uid; `None`: nobody has asked yet.
    pub(crate) kept: Option<Kept>,
}

/// What was planned, and of which spec: Kubernetes counts `generation` with each change of it.
struct Planned {
    uid: Option<String>,
    generation: i64,
    at: Instant,
    plan: Result<Plan, SpecFault>,
}

/// The status that was written last. A watch may still show the one before it: judged by that, what was told once would
/// be told again.
struct Written {
    uid: Option<String>,
    at: Instant,
    /// The time of day then.
    time: Timestamp,
    status: PracticeStatus,
}

impl Written {
    /// What it says now. A clock that was set since has made another instant of since when and until when: nobody knows any
    /// more, by that status, and what is known is written anew.
    fn read(&self, now: Timestamp) -> PracticeStatus {
        let mut status = self.status.clone();
        let passed = SignedDuration::try_from(self.at.elapsed()).unwrap_or(SignedDuration::MAX);
        if now.duration_since(self.time).saturating_sub(passed).abs() > SET {
            status
                .groups
                .iter_mut()
                .for_each(|group| (group.oldest_since, group.done_at) = (None, None));
        }
        status
    }
}

impl PracticeStates {
    /// Nothing yet. `nudge` is told which practice's part of Kafka changed.
    pub fn new(nudge: mpsc::UnboundedSender<Key>, home: Runtime) -> Self {
        Self::with(Readers::new(nudge, Listener::default()), home)
    }

    /// Nothing yet, with these readers of Kafka.
    pub fn with(readers: Readers, home: Runtime) -> Self {
        Self {
            readers,
            home,
            began: Instant::now(),
            by_practice: Mutex::default(),
        }
    }

    /// Where the consumers of practices live.
    pub fn home(&self) -> Runtime {
        self.home
    }

    /// Milliseconds that only grow.
    pub fn tick(&self) -> i64 {
        i64::try_from(self.began.elapsed().as_millis()).unwrap_or(i64::MAX)
    }

    /// Status as it stands `now`, and how long it has; long ago when it was written by a former operator.
    pub fn before(
        &self,
        practice: &ConsumerGroupPractice,
        now: Timestamp,
    ) -> (Option<PracticeStatus>, Duration) {
        let memories = self.all();
        let written = memories
            .get(&key(practice))
            .and_then(|memory| memory.written.as_ref());
        match written.filter(|written| written.uid == practice.metadata.uid) {
            Some(written) => (Some(written.read(now)), written.at.elapsed()),
            None => (practice.status.clone(), Duration::MAX),
        }
    }

    /// Status was written just `now`.
    pub fn written(
        &self,
        practice: &ConsumerGroupPractice,
        status: PracticeStatus,
        now: Timestamp,
    ) {
        let written = Written {
            uid: practice.metadata.uid.clone(),
            at: Instant::now(),
            time: now,
            status,
        };
        self.all().entry(key(practice)).or_default().written = Some(written);
    }

    /// The plan of a practice, made anew only when its spec is another one: to check a spec of many groups costs more than all
    /// else in a reconcile.
    ///
    /// # Errors
    /// As it is `made`.
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

    /// For how long the spec of a practice has been as it is, as far as this process knows.
    pub fn as_it_is(&self, practice: &Key) -> Duration {
        self.all()
            .get(practice)
            .and_then(|memory| memory.planned.as_ref())
            .map(|it| it.at.elapsed())
            .unwrap_or_default()
    }

    /// Whether a topic of this id was found to be configured as this generation of the spec says. Not read from status, which
    /// tells the generation also of a manifest for which Kafka could not be asked.
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

    /// It was found to be so.
    pub(crate) fn settled(&self, practice: &Key, topic: &str, generation: Option<i64>, id: String) {
        self.all()
            .entry(practice.clone())
            .or_default()
            .settled
            .insert(topic.to_owned(), (generation, id));
    }

    /// How long to wait after a failure: from 0.5 s, doubled each time, jittered, at most 30 s.
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

    /// A reconcile succeeded: the next failure starts from the shortest pause again.
    pub fn succeeded(&self, key: &Key) {
        if let Some(memory) = self.all().get_mut(key) {
            memory.backoff = None;
        }
    }

    /// Takes a group id for a practice, unless another one has it: of two that are reconciled at the same time one is first.
    ///
    /// # Errors
    /// The practice that has it.
    pub fn claim(&self, practice: &Key, bootstrap: &str, group: &str) -> Result<(), Key> {
        let mut memories = self.all();
        let claim = (bootstrap.to_owned(), group.to_owned());
        let holder = memories
            .iter()
            .find(|(other, memory)| *other != practice && memory.claims.contains(&claim));
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

    /// Gives up the group ids and forgets the topics that a practice does not name any more, and those of another Kafka than the
    /// one in use.
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

    /// A practice could not be looked at: what changed meanwhile was seen by nobody.
    pub fn blind(&self, key: &Key) {
        if let Some(memory) = self.all().get_mut(key) {
            Arc::make_mut(&mut memory.journal).blind_all();
        }
    }

    /// Every instance of a practice that is there now. For whoever has no pods to watch.
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

    /// The practice is gone.
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
    use practice_api::status::GroupStatus;

    use super::*;

    #[test]
    fn a_spec_is_planned_once() {
        let (nudge, _) = mpsc::unbounded_channel();
        let memories = PracticeStates::new(nudge, Runtime::Cluster);
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
            ("b", Some(2), "made anew", "made anew"),
            ("b", Some(2), "not asked", "made anew"),
            ("b", None, "not counted", "not counted"),
        ] {
            assert_eq!(
                memories.planned(&practice(uid, generation), || fault(made)),
                fault(found),
                "{uid} {generation:?}"
            );
        }
    }

    #[test]
    fn since_when_is_another_instant_by_a_clock_that_was_set() {
        let noon: Timestamp = "2026-11-25T12:00:00Z".parse().expect("a time");
        let since = Some("2026-11-25T11:59:00Z".to_owned());
        let group = GroupStatus {
            oldest_since: since.clone(),
            done_at: since.clone(),
            ..GroupStatus::default()
        };
        let status = PracticeStatus {
            groups: vec![group],
            ..PracticeStatus::default()
        };
        let at = Instant::now()
            .checked_sub(Duration::from_secs(30))
            .expect("it has been up for so long");
        let written = Written {
            uid: None,
            at,
            time: noon,
            status,
        };
        // half a minute has passed; what the clock of the wall says
        for (seconds, kept) in [
            (30, true),
            (3_630, false),
            (-3_570, false),
            (0, true),
            (60, true),
        ] {
            let read = written.read(noon + SignedDuration::from_secs(seconds));
            let expected = if kept { since.clone() } else { None };
            assert_eq!(
                (&read.groups[0].oldest_since, &read.groups[0].done_at),
                (&expected, &expected),
                "{seconds}"
            );
        }
    }
}
