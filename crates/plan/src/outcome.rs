//! What one pass over a practice found: topics and group ids in Kafka (`Prepared`), objects in Kubernetes or processes on a
//! machine (`Running`), members and offsets (`Observed`). Values only; the steps that do I/O make them, `status` and `events` read
//! them.

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::Arc,
    time::Duration,
};

use practice_api::{Topic, status::GroupHold};
use practice_groups::{GroupHealth, KafkaError, LagTrend, PollResult, Snapshot};

use crate::plan::Plan;

pub use practice_groups::witness::Hold;

/// What stands on the Kafka side.
#[derive(Debug, Default)]
pub struct Prepared {
    /// The look that was decided on; `None`: there was no plan.
    pub look: Option<PollResult>,
    /// Topics that Kafka refused to make as they should be, or whose configuration is another; why.
    pub refused: BTreeMap<String, Refusal>,
    /// Topics created by this practice whose ids are not in status yet.
    pub created: BTreeSet<String>,
    /// Of topics that were made or configured, or found to be configured as the manifest says: the keys that it sets.
    pub configured: BTreeMap<String, Vec<String>>,
    /// Groups whose consumers may not start, and why.
    pub unclaimed: BTreeMap<String, Unclaimed>,
    /// Groups held at 0 consumers, and why.
    pub holds: BTreeMap<String, Hold>,
    /// What was done.
    pub kafka_changes: Vec<KafkaChange>,
    /// The Kafka of the former manifest, `host:port[,host:port...]`, on which everything keeps running: the operator has not found
    /// out yet whether the group ids are free on the new one.
    pub former_bootstrap: Option<String>,
}

/// Why a topic is not as the manifest describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// The topic exists with another replication factor or configuration.
    Conflict(String),
    /// Kafka's access control denies what the operator needs.
    Denied(String),
    /// Kafka refuses, until the manifest or Kafka is changed.
    Refused(String),
    /// Kafka did not do it this time; a later attempt may succeed.
    Failed(String),
}

impl Refusal {
    /// The sentence.
    pub fn message(&self) -> &str {
        match self {
            Self::Conflict(why) | Self::Denied(why) | Self::Refused(why) | Self::Failed(why) => why,
        }
    }

    /// The reason of `Stalled`; `None`: nobody has to help.
    pub fn stalled(&self) -> Option<&'static str> {
        match self {
            Self::Conflict(_) => Some("TopicConflict"),
            Self::Denied(_) => Some(DENIED),
            Self::Refused(_) => Some("TopicRefused"),
            Self::Failed(_) => None,
        }
    }
}

/// Reason of conditions where Kafka's access control denies the operator something.
pub const DENIED: &str = "AuthorizationFailed";

/// Why a group's consumers may not start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unclaimed {
    /// The group id is somebody else's.
    Conflict(String),
    /// This Kafka does not know the group's protocol.
    Unsupported(String),
    /// Kafka's access control denies the operator to see the group.
    Denied(String),
    /// Kafka could not be asked.
    Unknown,
}

/// Something done in Kafka, or decided about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KafkaChange {
    /// A topic was made.
    Created {
        /// Its name.
        topic: String,
        /// Its partitions.
        partitions: i32,
    },
    /// A topic was given more partitions.
    Grown {
        /// Its name.
        topic: String,
        /// Partitions before.
        from: i32,
        /// Partitions now.
        to: i32,
    },
    /// Our own topic was configured as the manifest says now.
    Configured {
        /// Its name.
        topic: String,
        /// What was set, key by key.
        set: Vec<String>,
    },
    /// A group id was found to be free, or this practice's.
    Claimed {
        /// The group id.
        group: String,
    },
}

impl Prepared {
    /// Whether a topic's configuration was found to be, or made, as the manifest says, and nothing was refused.
    pub fn is_as_described(&self, topic: &Topic) -> bool {
        self.configured.contains_key(&topic.name) && !self.refused.contains_key(&topic.name)
    }

    /// The plan with the bootstrap servers that consumers and producer use now.
    pub fn placed<'a>(&self, plan: &'a Plan) -> Cow<'a, Plan> {
        match &self.former_bootstrap {
            Some(former) => Cow::Owned(plan.on(former)),
            None => Cow::Borrowed(plan),
        }
    }

    /// Why a group is held at 0 consumers, for its status.
    pub fn hold(&self, group: &str) -> Option<GroupHold> {
        let hold = self.holds.get(group)?;
        let (reason, message) = match (hold, self.unclaimed.get(group)) {
            (Hold::Stopped, _) => (
                "Stopped",
                format!("group {group} is stopped by its manifest"),
            ),
            (_, Some(Unclaimed::Conflict(why))) => ("GroupConflict", why.clone()),
            (_, Some(Unclaimed::Unsupported(why))) => ("ProtocolUnsupported", why.clone()),
            (_, Some(Unclaimed::Denied(why))) => (DENIED, why.clone()),
            (Hold::Unclaimed, _) => (
                "GroupIdPending",
                format!("waiting for Kafka to report members and commits of group id {group}"),
            ),
            (Hold::Switching, None | Some(Unclaimed::Unknown)) => (
                "ProtocolChanging",
                format!(
                    "waiting for members of group {group} with the former protocol or assignor to leave"
                ),
            ),
        };
        Some(GroupHold {
            reason: reason.to_owned(),
            message,
        })
    }

    /// Whether Kafka was changed, so that the look is no longer true.
    pub fn changed(&self) -> bool {
        self.kafka_changes
            .iter()
            .any(|deed| !matches!(deed, KafkaChange::Claimed { .. }))
    }
}

/// The kinds that a practice consists of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// apps/v1.
    Deployment,
    /// v1.
    Service,
    /// policy/v1.
    PodDisruptionBudget,
}

impl Kind {
    /// The kind as Kubernetes writes it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Deployment => "Deployment",
            Self::Service => "Service",
            Self::PodDisruptionBudget => "PodDisruptionBudget",
        }
    }
}

/// What runs: desired and ready, as Kubernetes has it after this step. Made here only.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Running {
    /// One per Deployment of consumers.
    pub rows: Vec<RunningRow>,
    /// The producer, if there is one: whether it is available.
    pub producer: Option<bool>,
    /// Names of the practice's pods.
    pub pods: Vec<String>,
    /// Objects that have a name we need and are not ours.
    pub conflicts: Vec<ObjectName>,
    /// Objects of a former practice of the same name that are on their way out.
    pub leaving: Vec<ObjectName>,
    /// What Kubernetes says that keeps pods from being made (a quota, for example).
    pub refusals: Vec<String>,
    /// What this step changed, in order.
    pub changes: Vec<Change>,
}

/// One Deployment of consumers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RunningRow {
    /// The exact group id.
    pub group: String,
    /// Its Deployment.
    pub deployment: String,
    /// `spec.replicas`.
    pub desired: i32,
    /// `status.readyReplicas`.
    pub ready: i32,
}

/// An object by kind and name; `Deployment a` in messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectName {
    /// Its kind.
    pub kind: Kind,
    /// Its name, in the practice's namespace.
    pub name: String,
}

impl fmt::Display for ObjectName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind.name(), self.name)
    }
}

/// One write to Kubernetes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The object.
    pub object: ObjectName,
    /// What was done to it.
    pub action: ChangeAction,
}

/// What a write did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChangeAction {
    /// The object was absent.
    Created,
    /// The manifest changed.
    Updated,
    /// Another client had changed the object; the operator put it back.
    Repaired {
        /// The field manager of that client; `None`: Kubernetes does not record one.
        by: Option<String>,
    },
    /// The manifest no longer names the object.
    Deleted,
}

/// What Kafka says about a practice.
#[derive(Debug)]
pub struct Observed {
    /// Topics and groups, or why nothing is known of them.
    pub look: PollResult,
    /// How each group gets on, as far as it was seen for long enough.
    pub lag_trends: BTreeMap<String, LagTrend>,
    /// What is the matter with each group, as far as it was seen for long enough.
    pub health: BTreeMap<String, GroupHealth>,
    /// Idle members, by group and member id.
    pub idle: BTreeSet<(String, String)>,
    /// When somebody may become idle, or a health another one, although nothing changes in Kafka: to be looked at again.
    pub again: Option<Duration>,
}

impl Observed {
    /// The look, if there is one.
    pub fn snapshot(&self) -> Option<&Snapshot> {
        self.look.as_ref().ok().map(Arc::as_ref)
    }

    /// Why there is none.
    pub fn outage(&self) -> Option<&KafkaError> {
        self.look.as_ref().err().map(Arc::as_ref)
    }
}
