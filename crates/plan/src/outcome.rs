//! Results of one reconcile: topics and group ids in Kafka (`Prepared`), objects in Kubernetes or processes on a machine
//! (`Running`), members and offsets (`Observed`). Values only: the steps that do I/O return them, `status` and `events` read them.

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::Arc,
    time::Duration,
};

use practice_api::{Topic, status::GroupHold};
use practice_groups::{GroupHealth, KafkaError, LagTrend, Partition, PollResult, Snapshot};

use crate::plan::{GroupPlan, Plan, RowPlan};

pub use practice_contract::Hold;

/// Topics and group ids in Kafka after the step `prepare`.
#[derive(Debug, Default)]
pub struct Prepared {
    /// The poll that decisions were based on; `None`: there was no plan.
    pub poll: Option<PollResult>,
    /// Topics that Kafka refused to create or change, or whose configuration differs, and why.
    pub refused: BTreeMap<String, Refusal>,
    /// Topic ids of the topics that this practice owns, by name; `None`: the ownership record was not read.
    pub own: Option<BTreeMap<String, String>>,
    /// Topics whose configuration matches the manifest, with the keys that the manifest sets.
    pub configured: BTreeMap<String, Vec<String>>,
    /// Groups whose consumers may not start, and why.
    pub unclaimed: BTreeMap<String, Unclaimed>,
    /// Groups held at 0 consumers, and why.
    pub holds: BTreeMap<String, Hold>,
    /// Changes in Kafka, in order.
    pub kafka_changes: Vec<KafkaChange>,
    /// Whether the address in the former status leads to this Kafka.
    pub is_same_kafka: bool,
    /// The Kafka of the former manifest, `host:port[,host:port...]`, on which everything keeps running until the operator knows
    /// whether the group ids are free on the new one.
    pub former_bootstrap: Option<String>,
}

/// Why a topic does not match the manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// The topic exists with another replication factor or configuration.
    Conflict(String),
    /// Kafka's access control denies what the operator needs.
    Denied(String),
    /// Kafka refuses until the manifest or Kafka is changed.
    Refused(String),
    /// A failure that a retry may resolve.
    Failed(String),
}

impl Refusal {
    /// The message.
    pub fn message(&self) -> &str {
        match self {
            Self::Conflict(why) | Self::Denied(why) | Self::Refused(why) | Self::Failed(why) => why,
        }
    }

    /// The reason of condition `Stalled`; `None`: the operator retries.
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
    /// Another application or practice uses the group id.
    Conflict(String),
    /// This Kafka does not support the group's protocol.
    Unsupported(String),
    /// Kafka's access control denies the operator access to the group.
    Denied(String),
    /// Kafka did not answer.
    Unknown,
    /// The start of a group with `autoOffsetReset: latest` is not pinned yet.
    StartPending {
        /// What the operator waits for.
        why: String,
        /// Whether the practice owned the group id already: it keeps it.
        owned: bool,
    },
}

impl Unclaimed {
    /// The start of a group with `autoOffsetReset: latest` cannot be committed.
    pub fn start_not_pinned(error: impl fmt::Display, owned: bool) -> Self {
        Self::StartPending {
            why: format!(
                "autoOffsetReset is latest, and the end of its topics cannot be committed: {error}"
            ),
            owned,
        }
    }

    /// The start of a group with `autoOffsetReset: latest` waits for `what`.
    pub fn start_waits(what: &str, owned: bool) -> Self {
        Self::StartPending {
            why: format!(
                "autoOffsetReset is latest, and the end of its topics is not committed: waiting {what}"
            ),
            owned,
        }
    }

    /// The reason and the message of `Stalled`; `None`: the operator only waits for Kafka.
    pub fn stalled(&self) -> Option<(&'static str, &str)> {
        match self {
            Self::Conflict(why) => Some(("GroupConflict", why)),
            Self::Unsupported(why) => Some(("ProtocolUnsupported", why)),
            Self::Denied(why) => Some((DENIED, why)),
            Self::Unknown | Self::StartPending { .. } => None,
        }
    }
}

/// A change in Kafka, or a group id that was claimed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KafkaChange {
    /// A topic was created.
    Created {
        /// Its name.
        topic: String,
        /// Its partitions.
        partitions: i32,
    },
    /// A topic got more partitions.
    Grown {
        /// Its name.
        topic: String,
        /// Partitions before.
        from: i32,
        /// Partitions now.
        to: i32,
    },
    /// A topic of this practice was configured to match the manifest.
    Configured {
        /// Its name.
        topic: String,
        /// Settings, one for each key: `retention.ms=60000`.
        set: Vec<String>,
    },
    /// A group id was found to be free or to belong to this practice.
    Claimed {
        /// The group id.
        group: String,
    },
    /// The start of a group with `autoOffsetReset: latest` was committed.
    StartPinned {
        /// The group id.
        group: String,
        /// The offsets that were committed.
        offsets: BTreeMap<Partition, i64>,
    },
}

impl Prepared {
    /// Whether a topic's configuration matches the manifest and Kafka refused nothing.
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
            (Hold::Unclaimed, Some(Unclaimed::StartPending { why, .. })) => (
                "GroupStartPending",
                format!("group {group} does not start yet: {why}"),
            ),
            (Hold::Unclaimed, unclaimed) => unclaimed.and_then(Unclaimed::stalled).map_or_else(
                || {
                    let what = "waiting for Kafka to report members and commits of group id";
                    ("GroupIdPending", format!("{what} {group}"))
                },
                |(reason, why)| (reason, why.to_owned()),
            ),
            (Hold::Switching, _) => (
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

    /// Whether the practice owns a group id.
    pub fn owns_group_id(&self, group: &str) -> bool {
        matches!(
            self.unclaimed.get(group),
            None | Some(Unclaimed::StartPending { owned: true, .. })
        )
    }

    /// Whether Kafka was changed, so that the poll is outdated.
    pub fn changed(&self) -> bool {
        self.kafka_changes
            .iter()
            .any(|change| !matches!(change, KafkaChange::Claimed { .. }))
    }
}

/// Kinds of a practice's objects.
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
    /// The `kind` in Kubernetes.
    pub fn name(self) -> &'static str {
        match self {
            Self::Deployment => "Deployment",
            Self::Service => "Service",
            Self::PodDisruptionBudget => "PodDisruptionBudget",
        }
    }
}

/// Desired and ready objects in Kubernetes after the step `apply`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Running {
    /// One per Deployment of consumers.
    pub rows: Vec<RunningRow>,
    /// The producer, if there is one: whether it is available.
    pub producer: Option<bool>,
    /// Names of the practice's pods.
    pub pods: Vec<String>,
    /// Objects that have a required name and do not belong to this practice.
    pub conflicts: Vec<ObjectName>,
    /// Objects of a previous practice with this name that are being deleted.
    pub leaving: Vec<ObjectName>,
    /// Messages of Kubernetes about pods that it cannot create (a quota, for example).
    pub refusals: Vec<String>,
    /// What this step changed, in order.
    pub changes: Vec<Change>,
}

impl Running {
    /// Why a Deployment of this group does not exist: another object has its name.
    pub(crate) fn hold(&self, group: &GroupPlan) -> Option<GroupHold> {
        let of_group = |object: &&ObjectName| {
            let is_row = |row: &RowPlan| row.deployment == object.name;
            object.kind == Kind::Deployment && group.rows.iter().any(is_row)
        };
        if let Some(object) = self.conflicts.iter().find(of_group) {
            return Some(GroupHold {
                reason: "NameConflict".to_owned(),
                message: format!("{object} exists and does not belong to this practice"),
            });
        }
        self.leaving.iter().find(of_group).map(|object| GroupHold {
            reason: "DeploymentDeleting".to_owned(),
            message: format!(
                "waiting for {object} of a previous practice with this name to be deleted"
            ),
        })
    }
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
    /// Another client had scaled a Deployment whose consumers do not join their group; the operator set it back to 0.
    ScaledBack {
        /// The group id.
        group: String,
        /// Why the group has no consumers.
        hold: Hold,
        /// `spec.replicas` as the other client had set it.
        from: i32,
        /// The field manager of that client; `None`: Kubernetes does not record one.
        by: Option<String>,
    },
    /// The manifest no longer names the object.
    Deleted,
}

/// The state of a practice in Kafka.
#[derive(Debug)]
pub struct Observed {
    /// Topics and groups, or why they are unknown.
    pub poll: PollResult,
    /// Lag trends of groups that have enough samples.
    pub lag_trends: BTreeMap<String, LagTrend>,
    /// Health of groups that have enough samples.
    pub health: BTreeMap<String, GroupHealth>,
    /// Idle members, by group and member id.
    pub idle: BTreeSet<(String, String)>,
    /// After which time a member may become idle or a health may change although nothing changes in Kafka; then reconcile again.
    pub again: Option<Duration>,
}

impl Observed {
    /// The snapshot; `None`: Kafka could not be polled.
    pub fn snapshot(&self) -> Option<&Snapshot> {
        self.poll.as_ref().ok().map(Arc::as_ref)
    }

    /// Why Kafka could not be polled.
    pub fn outage(&self) -> Option<&KafkaError> {
        self.poll.as_ref().err().map(Arc::as_ref)
    }
}
