//! What every reconcile shares: the client, the readers, and the little that has to be remembered between two reconciles
//! of one practice. Losing it (a restart) costs at most one write of status.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};
use jiff::Timestamp;
use kube::{
    Client, ResourceExt,
    core::DeserializeGuard,
    runtime::{events::Recorder, reflector::Store},
};
use practice_api::{ConsumerGroupPractice, PracticeStatus};

use crate::{
    metrics::Metrics,
    plan::{Defaults, Plan, SpecFault},
    policy::{Usage, broken_rule},
    reader::{Key, Readers},
};

/// Shared by all reconciles.
pub struct Context {
    /// Kubernetes.
    pub client: Client,
    /// What the operator was started with.
    pub defaults: Defaults,
    /// Kafka.
    pub readers: Readers,
    /// Events.
    pub recorder: Recorder,
    /// Counters.
    pub metrics: Metrics,
    /// Every practice, to tell who was first.
    pub practices: Store<DeserializeGuard<ConsumerGroupPractice>>,
    /// What has to be remembered, by practice.
    pub(crate) memories: Mutex<HashMap<Key, Memory>>,
}

/// What is remembered of one practice.
#[derive(Default)]
pub(crate) struct Memory {
    written: Option<Written>,
    /// Since when a member has had no partition, by group and member id.
    pub(crate) idle_since: BTreeMap<(String, String), Timestamp>,
    /// Topics that it has created and whose id is not in status yet: not every broker knows of them at once.
    pub(crate) created: BTreeSet<String>,
    /// Group ids that it has, with their Kafka, also those that are not in status yet.
    claims: BTreeSet<(String, String)>,
    backoff: Option<ExponentialBackoff>,
}

/// The status that was written last. A watch may still show the one before it: judged by that, what was told once would
/// be told again.
struct Written {
    uid: Option<String>,
    at: Instant,
    status: PracticeStatus,
}

impl Context {
    /// Now; a parameter of everything that is pure.
    pub fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    /// Status as it stands, and how long it has; long ago when it was written by a former operator.
    pub fn before(&self, practice: &ConsumerGroupPractice) -> (Option<PracticeStatus>, Duration) {
        let memories = self.memories();
        let written = memories.get(&key(practice)).and_then(|memory| memory.written.as_ref());
        match written.filter(|written| written.uid == practice.metadata.uid) {
            Some(written) => (Some(written.status.clone()), written.at.elapsed()),
            None => (practice.status.clone(), Duration::MAX),
        }
    }

    /// Status was written just now.
    pub fn written(&self, practice: &ConsumerGroupPractice, status: PracticeStatus) {
        let written = Written { uid: practice.metadata.uid.clone(), at: Instant::now(), status };
        self.memories().entry(key(practice)).or_default().written = Some(written);
    }

    /// How long to wait after a failure: from 0.5 s, doubled each time, jittered, at most 30 s.
    pub fn pause(&self, key: Key) -> Duration {
        let mut memories = self.memories();
        let backoff = memories.entry(key).or_default().backoff.get_or_insert_with(|| {
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
        if let Some(memory) = self.memories().get_mut(key) {
            memory.backoff = None;
        }
    }

    /// Takes a group id for a practice, unless another one has it: of two that are reconciled at the same time one is first.
    ///
    /// # Errors
    /// The practice that has it.
    pub fn claim(&self, practice: &Key, bootstrap: &str, group: &str) -> Result<(), Key> {
        let mut memories = self.memories();
        let claim = (bootstrap.to_owned(), group.to_owned());
        let holder = memories.iter().find(|(other, memory)| *other != practice && memory.claims.contains(&claim));
        if let Some((holder, _)) = holder {
            return Err(holder.clone());
        }
        memories.entry(practice.clone()).or_default().claims.insert(claim);
        Ok(())
    }

    /// Gives up the group ids that a practice does not name any more.
    pub fn keep_claims(&self, plan: &Plan) {
        if let Some(memory) = self.memories().get_mut(&(plan.namespace.clone(), plan.name.clone())) {
            let named = |group: &str| plan.groups.iter().any(|named| named.id == group);
            memory.claims.retain(|(bootstrap, group)| *bootstrap == plan.bootstrap && named(group));
        }
    }

    /// The practice is gone.
    pub fn forget(&self, key: &Key) {
        self.memories().remove(key);
        self.readers.forget(key, None);
    }

    /// The plan, unless it breaks a rule of the policy; nothing is contacted to find out.
    ///
    /// # Errors
    /// [`SpecFault::Policy`] names the rule.
    pub fn allowed(&self, practice: &ConsumerGroupPractice, plan: Plan) -> Result<Plan, SpecFault> {
        let elders = self.elders(&plan.uid);
        let elders = elders.iter().filter_map(|elder| elder.0.as_ref().ok());
        let elders = elders.filter(|elder| elder.namespace().as_ref() == Some(&plan.namespace));
        let (own, elders) = (Usage::of(&practice.spec), elders.map(|elder| Usage::of(&elder.spec)).sum());
        let bounds = self.defaults.config.policy.bounds(&plan.namespace);
        match broken_rule(&plan, bounds, self.defaults.bootstrap_servers.as_deref(), own, elders) {
            Some(rule) => Err(SpecFault::Policy(rule)),
            None => Ok(plan),
        }
    }

    /// Every practice that is older, by creation and then by uid.
    pub fn elders(&self, than: &str) -> Vec<Arc<DeserializeGuard<ConsumerGroupPractice>>> {
        let age = |practice: &ConsumerGroupPractice| {
            (practice.metadata.creation_timestamp.clone().map(|time| time.0), practice.metadata.uid.clone())
        };
        let mut all = self.practices.state();
        let read = |practice: &Arc<DeserializeGuard<ConsumerGroupPractice>>| practice.0.as_ref().ok().map(age);
        let ours = all.iter().filter_map(read).find(|(_, uid)| uid.as_deref() == Some(than));
        all.retain(|practice| read(practice).is_some_and(|theirs| ours.as_ref().is_some_and(|ours| theirs < *ours)));
        all
    }

    /// Every practice that can be read, as it was last seen.
    pub fn others(&self, than: &str) -> Vec<Arc<DeserializeGuard<ConsumerGroupPractice>>> {
        let mut others = self.practices.state();
        others.retain(|practice| practice.0.as_ref().is_ok_and(|p| p.metadata.uid.as_deref() != Some(than)));
        others
    }

    pub(crate) fn memories(&self) -> MutexGuard<'_, HashMap<Key, Memory>> {
        self.memories.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Longest pause after a failure.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// Namespace and name.
pub(crate) fn key(practice: &ConsumerGroupPractice) -> Key {
    (practice.namespace().unwrap_or_default(), practice.name_any())
}
