//! What every reconcile shares: the client, what is remembered, and the other practices.

use std::sync::Arc;

use jiff::Timestamp;
use kube::{Client, ResourceExt, core::DeserializeGuard, runtime::events::Recorder};
use practice_api::{ConsumerGroupPractice, PracticeStatus};
use practice_plan::{
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
    /// What the operator was started with.
    pub defaults: Defaults,
    /// Kafka, and what has to be remembered, by practice.
    pub memories: PracticeStates,
    /// Asks workers.
    pub http: Http,
    /// The live picture; `None`: it is switched off.
    pub hub: Option<Hub>,
    /// Events.
    pub recorder: Recorder,
    /// Counters.
    pub metrics: Metrics,
    /// Every practice, to tell who was first.
    pub practices: Practices,
}

impl Context {
    /// Now; a parameter of everything that is pure.
    pub fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    /// A practice is gone.
    pub fn forget(&self, practice: &Key) {
        self.memories.forget(practice);
        self.metrics.groups.forget(practice);
        if let Some(hub) = &self.hub {
            hub.forget(practice);
        }
    }

    /// The plan, unless it breaks a rule of the policy; nothing is contacted to find out.
    ///
    /// # Errors
    /// [`SpecFault::Policy`] names the rule.
    pub fn allowed(&self, practice: &ConsumerGroupPractice, plan: Plan) -> Result<Plan, SpecFault> {
        let elders = self.elders(&plan.uid);
        allowed(
            &self.defaults,
            practice,
            plan,
            elders.iter().filter_map(|elder| elder.0.as_ref().ok()),
        )
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

    /// Every practice that can be read, as it was last seen.
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

    /// Another practice that names the same group id on the same Kafka and is older, or has it already: `namespace/name`.
    /// (Two that were created within the same second are ordered by uid, and the second of them may have been first.)
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
        // a claim holds for the Kafka that status names, which the manifest may have left behind
        let has_it = |other: &ConsumerGroupPractice| {
            let on_this_kafka = |status: &&PracticeStatus| {
                status.bootstrap_servers.as_ref() == Some(&plan.bootstrap)
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
            planned.is_some_and(|other| other.bootstrap == plan.bootstrap)
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

/// The plan, unless it breaks a rule of the policy, beside the practices that are older.
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

/// What practices are ordered by: creation, then uid.
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
