//! Shared by all reconciles: the client, the state of practices, and the store of all practices.

use std::sync::Arc;

use jiff::Timestamp;
use kube::{Client, ResourceExt, core::DeserializeGuard, runtime::events::Recorder};
use practice_api::{ConsumerGroupPractice, PracticeStatus};
use practice_plan::{
    pairs,
    plan::{Defaults, GroupPlan, Plan, SpecFault},
    policy::{Usage, broken_rule},
};
use practice_view::Hub;

use crate::{
    memory::PracticeStates,
    metrics::{Metrics, Practices},
    reader::Key,
    worker_client::Http,
};

/// Shared by all reconciles.
pub struct Context {
    /// Kubernetes.
    pub client: Client,
    /// Settings of the operator.
    pub defaults: Defaults,
    /// Readers of Kafka, and the state of each practice.
    pub memories: PracticeStates,
    /// Client for workers.
    pub http: Http,
    /// The live view; `None`: disabled.
    pub hub: Option<Hub>,
    /// Events.
    pub recorder: Recorder,
    /// Counters.
    pub metrics: Metrics,
    /// Every practice, for the order of their creation.
    pub practices: Practices,
}

impl Context {
    /// The current time; a parameter of all pure functions.
    pub fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    /// Removes a deleted practice.
    pub fn forget(&self, practice: &Key) {
        self.memories.forget(practice);
        self.metrics.groups.forget(practice);
        if let Some(hub) = &self.hub {
            hub.forget(practice);
        }
    }

    /// The plan, unless it breaks a rule of the policy or is too large; without I/O.
    ///
    /// # Errors
    /// [`SpecFault::Policy`] names the rule, [`SpecFault::TooLarge`] the bound.
    pub fn allowed(&self, practice: &ConsumerGroupPractice, plan: Plan) -> Result<Plan, SpecFault> {
        let elders = self.elders(&plan.uid);
        let mut elders: Vec<_> = elders
            .iter()
            .filter_map(|elder| elder.0.as_ref().ok())
            .collect();
        let plan = allowed(&self.defaults, practice, plan, elders.iter().copied())?;
        elders.sort_by_key(|elder| age(elder));
        let most = self.defaults.config.policy.max_pairs.unwrap_or(pairs::MOST);
        let elders = elders.into_iter().map(pairs::pairs);
        match pairs::too_large(pairs::pairs(practice), elders, most) {
            Some(why) => Err(SpecFault::TooLarge(why)),
            None => Ok(plan),
        }
    }

    /// Every practice that is older, by creation and then by uid.
    pub fn elders(&self, than: &str) -> Vec<Arc<DeserializeGuard<ConsumerGroupPractice>>> {
        let mut all = self.practices.state();
        let read = |practice: &Arc<DeserializeGuard<ConsumerGroupPractice>>| {
            practice.0.as_ref().ok().map(age)
        };
        let ours = all
            .iter()
            .filter_map(read)
            .find(|(_, uid)| uid.as_deref() == Some(than));
        all.retain(|practice| {
            read(practice).is_some_and(|theirs| ours.as_ref().is_some_and(|ours| theirs < *ours))
        });
        all
    }

    /// Every other practice that can be decoded, from the store.
    pub fn others(&self, than: &str) -> Vec<Arc<DeserializeGuard<ConsumerGroupPractice>>> {
        let mut others = self.practices.state();
        others.retain(|practice| {
            practice
                .0
                .as_ref()
                .is_ok_and(|p| p.metadata.uid.as_deref() != Some(than))
        });
        others
    }

    /// Another practice with the same group id on the same Kafka that is older or owns it already: `namespace/name`.
    /// (Practices created in the same second are ordered by uid, so a younger one may own the id.)
    pub fn holder(&self, plan: &Plan, group: &GroupPlan) -> Option<String> {
        let elders = self.elders(&plan.uid);
        let is_elder = |other: &ConsumerGroupPractice| {
            elders.iter().any(|elder| {
                elder
                    .0
                    .as_ref()
                    .is_ok_and(|elder| elder.metadata.uid == other.metadata.uid)
            })
        };
        let readers = &self.memories.readers;
        let is_this_kafka =
            |address: &str| readers.is_same_kafka(address, &plan.bootstrap) == Some(true);
        // ownership applies to the Kafka in status, which may differ from the manifest's
        let has_it = |other: &ConsumerGroupPractice| {
            let on_this_kafka = |status: &&PracticeStatus| {
                let address = status.bootstrap_servers.as_deref();
                address.is_some_and(is_this_kafka)
            };
            other
                .status
                .as_ref()
                .filter(on_this_kafka)
                .is_some_and(|status| status.owns_group_id(&group.id))
        };
        let wants_it = |other: &ConsumerGroupPractice| {
            let planned = is_elder(other)
                .then(|| practice_plan::plan::plan(other, &self.defaults).ok())
                .flatten();
            planned.is_some_and(|other| is_this_kafka(&other.bootstrap))
        };
        let others = self.others(&plan.uid);
        others
            .iter()
            .filter_map(|other| other.0.as_ref().ok())
            .find_map(|other| {
                let names_it = other.spec.groups.iter().any(|named| named.name == group.id);
                let holds = names_it && (has_it(other) || wants_it(other));
                holds.then(|| {
                    format!(
                        "{}/{}",
                        other.namespace().unwrap_or_default(),
                        other.name_any()
                    )
                })
            })
    }
}

/// The plan, unless it breaks a rule of the policy together with the usage of older practices.
///
/// # Errors
/// [`SpecFault::Policy`] names the rule.
pub(crate) fn allowed<'a>(
    defaults: &Defaults,
    practice: &ConsumerGroupPractice,
    plan: Plan,
    elders: impl Iterator<Item = &'a ConsumerGroupPractice>,
) -> Result<Plan, SpecFault> {
    let elders = elders.filter(|elder| elder.namespace().as_ref() == Some(&plan.namespace));
    let (own, elders) = (
        Usage::of(&practice.spec),
        elders.map(|elder| Usage::of(&elder.spec)).sum(),
    );
    let bounds = defaults.config.policy.bounds(&plan.namespace);
    match broken_rule(
        &plan,
        bounds,
        defaults.bootstrap_servers.as_deref(),
        own,
        elders,
    ) {
        Some(rule) => Err(SpecFault::Policy(rule)),
        None => Ok(plan),
    }
}

/// The order of practices: creation, then uid.
pub(crate) fn age(practice: &ConsumerGroupPractice) -> (Option<Timestamp>, Option<String>) {
    (
        practice
            .metadata
            .creation_timestamp
            .clone()
            .map(|time| time.0),
        practice.metadata.uid.clone(),
    )
}

/// Namespace and name.
pub(crate) fn key(practice: &ConsumerGroupPractice) -> Key {
    (
        practice.namespace().unwrap_or_default(),
        practice.name_any(),
    )
}
