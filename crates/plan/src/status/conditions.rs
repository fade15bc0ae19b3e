//! The conditions of a practice (Kubernetes API conventions, metav1.Condition): type, status, reason and message. Pure;
//! called by `status` alone.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use practice_api::{PracticeStatus, status::GroupStatus};
use practice_groups::KafkaError;

use self::consumers::{SCALED_TO_ZERO, at_zero, consumers, no_consumers};
use crate::{
    outcome::{DENIED, Hold, Observed, Prepared, Refusal, Running, Unclaimed},
    plan::{Plan, SpecFault},
    topics::{TopicStep, topic_step},
};

mod consumers;

/// Every condition type that a practice has from its first reconcile.
const KINDS: [&str; 8] = [
    "Ready",
    "KafkaReachable",
    "TopicsReady",
    "ConsumersAvailable",
    "ProducerAvailable",
    "Reconciling",
    "Stalled",
    "IdleConsumers",
];

/// Most characters of a message.
pub(super) const LONGEST_MESSAGE: usize = 1024;

/// A condition's status, reason and message.
pub(super) type Outcome = (&'static str, &'static str, String);

/// Every condition, in a fixed order.
#[expect(
    clippy::too_many_arguments,
    reason = "each is a different input of the reconcile"
)]
pub(crate) fn conditions(
    plan: Result<&Plan, &SpecFault>,
    prepared: &Prepared,
    running: &Running,
    seen: Option<&Observed>,
    status: &PracticeStatus,
    before: Option<&PracticeStatus>,
    generation: Option<i64>,
    now: Timestamp,
) -> Vec<Condition> {
    let outcomes: Vec<(&str, Outcome)> = match plan {
        Err(fault) => refused(fault),
        Ok(plan) => {
            let refusal = refusal(plan, prepared, running, seen);
            let kafka = kafka(seen);
            let topics = topics(status, seen);
            let consumers = consumers(plan, running, status);
            let producer = producer(plan, running);
            let reconciling = reconciling(plan, prepared, running, status);
            let was_ready = before
                .and_then(|before| before.condition("Ready"))
                .is_some_and(|ready| ready.status == "True");
            let needed = [
                ("KafkaUnreachable", &kafka),
                ("TopicsNotReady", &topics),
                (no_consumers(plan, status, before), &consumers),
            ];
            let arrived = was_ready
                || reconciling.0 == "False" && (producer.0 == "True" || producer.1 == "Disabled");
            let ready = match (refused_or_missing(refusal.as_ref(), &needed), arrived) {
                (Some(not_ready), _) => not_ready,
                (None, false) => ("False", "Starting", reconciling.2.clone()),
                (None, true) => ready(&consumers, &at_zero(plan, status)),
            };
            let stalled = refusal.map_or(
                (
                    "False",
                    "Progressing",
                    "nothing blocks reconciliation".to_owned(),
                ),
                |(reason, why)| ("True", reason, why),
            );
            vec![
                ("Ready", ready),
                ("KafkaReachable", kafka),
                ("TopicsReady", topics),
                ("ConsumersAvailable", consumers),
                ("ProducerAvailable", producer),
                ("Reconciling", reconciling),
                ("Stalled", stalled),
                ("IdleConsumers", idle(status)),
            ]
        }
    };
    let dated = |(kind, outcome)| dated(kind, outcome, before, generation, now);
    let mut conditions: Vec<Condition> = outcomes.into_iter().map(dated).collect();
    // an invalid manifest has no plan to check against
    for kind in KINDS {
        if !conditions.iter().any(|condition| condition.type_ == kind) {
            conditions.push(dated((
                kind,
                (
                    "Unknown",
                    "NotChecked",
                    "not checked while the manifest is invalid".to_owned(),
                ),
            )));
        }
    }
    conditions
}

/// A condition with the time of its last transition: that of the status before, unless its value has changed.
pub(super) fn dated(
    kind: &str,
    (value, reason, message): Outcome,
    before: Option<&PracticeStatus>,
    generation: Option<i64>,
    now: Timestamp,
) -> Condition {
    let former = before
        .and_then(|before| before.condition(kind))
        .filter(|former| former.status == value);
    Condition {
        type_: kind.to_owned(),
        status: value.to_owned(),
        reason: reason.to_owned(),
        message: message.chars().take(LONGEST_MESSAGE).collect(),
        observed_generation: generation,
        last_transition_time: former
            .map_or(Time(now), |former| former.last_transition_time.clone()),
    }
}

fn refused(fault: &SpecFault) -> Vec<(&'static str, Outcome)> {
    let reason = fault.reason();
    let why = fault.to_string();
    vec![
        ("Ready", ("False", reason, why.clone())),
        (
            "Reconciling",
            (
                "False",
                "Stalled",
                "waiting for the manifest to be corrected".to_owned(),
            ),
        ),
        ("Stalled", ("True", reason, why)),
    ]
}

/// Why reconciliation is blocked until a person changes something; `None`: it is not.
fn refusal(
    plan: &Plan,
    prepared: &Prepared,
    running: &Running,
    seen: Option<&Observed>,
) -> Option<(&'static str, String)> {
    if !running.conflicts.is_empty() {
        let names: Vec<String> = running.conflicts.iter().map(ToString::to_string).collect();
        let names = names.join(", ");
        return Some((
            "NameConflict",
            format!(
                "{names} exists and does not belong to this practice: delete it, or rename the practice or the group"
            ),
        ));
    }
    let group = prepared.unclaimed.values().find_map(|unclaimed| {
        let (reason, why) = unclaimed.stalled()?;
        Some((reason, why.to_owned()))
    });
    let snapshot = seen.and_then(Observed::snapshot);
    let topic = || {
        plan.topics.iter().find_map(|topic| {
            let refusal = match prepared.refused.get(&topic.name) {
                Some(refusal) => refusal.clone(),
                None => match topic_step(topic, snapshot?.topics.get(&topic.name)) {
                    TopicStep::Conflict(why) => Refusal::Conflict(why),
                    TopicStep::Unknown(refusal) => refusal,
                    _ => return None,
                },
            };
            Some((refusal.stalled()?, refusal.message().to_owned()))
        })
    };
    // also for a group that runs already: without access its state is unknown
    let denied = || {
        plan.groups
            .iter()
            .find_map(|group| match &snapshot?.groups.get(&group.id)?.trouble {
                Some(error @ KafkaError::Denied { .. }) => {
                    Some((DENIED, format!("group {}: {error}", group.id)))
                }
                _ => None,
            })
    };
    group.or_else(topic).or_else(denied)
}

fn kafka(seen: Option<&Observed>) -> Outcome {
    reachable(seen.and_then(Observed::outage))
}

/// Whether Kafka answers; `outage`: why it does not.
pub(super) fn reachable(outage: Option<&KafkaError>) -> Outcome {
    match outage {
        None => ("True", "Reachable", "Kafka answers".to_owned()),
        Some(error) => {
            let reason = match error {
                KafkaError::Refused => "ConnectionRefused",
                KafkaError::TimedOut => "TimedOut",
                KafkaError::Authentication => "AuthenticationFailed",
                KafkaError::Protocol(_) => "NotKafka",
                KafkaError::Unreachable
                | KafkaError::Answered { .. }
                | KafkaError::Denied { .. } => "Unreachable",
            };
            ("False", reason, error.to_string())
        }
    }
}

fn topics(status: &PracticeStatus, seen: Option<&Observed>) -> Outcome {
    let waiting: Vec<&str> = status
        .topics
        .iter()
        .filter_map(|topic| topic.message.as_deref())
        .collect();
    if !waiting.is_empty() {
        return ("False", "TopicsNotReady", waiting.join("; "));
    }
    if status.topics.iter().any(|topic| !topic.ready) {
        let why = "Kafka has not been polled yet";
        return if seen.and_then(Observed::outage).is_some() {
            ("Unknown", "KafkaUnreachable", why.to_owned())
        } else {
            ("False", "Pending", why.to_owned())
        };
    }
    let n = status.topics.len();
    (
        "True",
        "AllTopicsReady",
        if n == 1 {
            "1 topic matches the manifest".to_owned()
        } else {
            format!("{n} topics match the manifest")
        },
    )
}

fn producer(plan: &Plan, running: &Running) -> Outcome {
    match (&plan.producer, running.producer) {
        (None, _) => (
            "False",
            "Disabled",
            "spec.producer.enabled is false".to_owned(),
        ),
        (Some(producer), Some(true)) => (
            "True",
            "Available",
            format!("POST /send-message at Service {}, port 8081", producer.name),
        ),
        (Some(_), _) => (
            "False",
            "Unavailable",
            "the producer's pod is not ready".to_owned(),
        ),
    }
}

/// Members that are no pod of this practice: another application's, or a killed consumer's whose session has not timed
/// out yet.
fn strangers(group: &GroupStatus) -> String {
    let strangers: Vec<&str> = group
        .members
        .iter()
        .filter(|member| member.pod.is_none())
        .map(|member| member.client_id.as_str())
        .collect();
    match strangers.as_slice() {
        [] => String::new(),
        [one] => format!(": member {one} does not belong to this practice"),
        [one, rest @ ..] => format!(
            ": member {one} and {} more do not belong to this practice",
            rest.len()
        ),
    }
}

/// What the operator waits for: objects, group ids, consumers that have not joined or not left.
fn reconciling(
    plan: &Plan,
    prepared: &Prepared,
    running: &Running,
    status: &PracticeStatus,
) -> Outcome {
    let mut moving: Vec<String> = running
        .leaving
        .iter()
        .map(|object| {
            format!("waiting for {object} of a previous practice with this name to be deleted")
        })
        .collect();
    if let Some(former) = &prepared.former_bootstrap {
        let new = &plan.bootstrap;
        moving.push(format!(
            "consumers and producer keep running on Kafka {former}: the operator has not reached Kafka {new} yet"
        ));
    }
    for group in &status.groups {
        let name = &group.name;
        let members = i32::try_from(group.members.len()).unwrap_or(i32::MAX);
        if prepared.unclaimed.get(name) == Some(&Unclaimed::Unknown) {
            moving.push(format!(
                "group {name} is waiting for Kafka to report whether its group id is free"
            ));
        } else if let Some(Unclaimed::StartPending { why, .. }) = prepared.unclaimed.get(name) {
            moving.push(format!("group {name} does not start yet: {why}"));
        } else if prepared.holds.get(name) == Some(&Hold::Switching) {
            moving
                .push(format!("group {name} is changing its protocol or assignor: waiting for its current members to leave"));
        } else if !prepared.unclaimed.contains_key(name)
            && !group.truncated
            && members != group.replicas
        {
            moving.push(format!(
                "group {name} has {members} members, expected {}{}",
                group.replicas,
                strangers(group)
            ));
        } else if group.replicas > 0 && group.state != "Stable" && group.idle.is_some() {
            moving.push(format!("group {name} is {}", group.state));
        } else if !reports_owners(group) {
            moving.push(format!(
                "the broker has not reported partition assignments of group {name} yet"
            ));
        } else if let Some((owned, all)) = unowned(plan, group, status) {
            moving.push(format!(
                "group {name} is assigning partitions: {owned} of {all} have an owner"
            ));
        }
    }
    if plan.producer.is_some() && running.producer != Some(true) {
        moving.push("the producer is starting".to_owned());
    }
    moving.extend(
        running
            .refusals
            .iter()
            .map(|why| format!("Kubernetes refuses pods: {why}")),
    );
    if moving.is_empty() {
        (
            "False",
            "Settled",
            "everything matches the manifest".to_owned(),
        )
    } else {
        ("True", "Moving", moving.join("; "))
    }
}

/// Whether assignments of every member are known: a member without partitions then has a lag of 0.
fn reports_owners(group: &GroupStatus) -> bool {
    group
        .members
        .iter()
        .all(|member| member.partition_count > 0 || member.lag.is_some())
}

/// Owned partitions and all partitions of a group that has members and unowned partitions; otherwise `None`. Kafka reports
/// `Stable` also between the two rebalances of the cooperative protocol (KIP-429).
fn unowned(plan: &Plan, group: &GroupStatus, status: &PracticeStatus) -> Option<(i32, i32)> {
    let topics = &plan
        .groups
        .iter()
        .find(|planned| planned.id == group.name)?
        .topics;
    let read = status
        .topics
        .iter()
        .filter(|topic| topics.contains(&topic.name));
    let all: i32 = read.map(|topic| topic.partitions.unwrap_or_default()).sum();
    let owned = group
        .members
        .iter()
        .map(|member| member.partition_count)
        .sum();
    (!group.members.is_empty() && owned < all).then_some((owned, all))
}

/// Why a practice is not ready: the spec is refused, or what it needs is unavailable. `needed`: each with the reason to report.
fn refused_or_missing(
    refusal: Option<&(&'static str, String)>,
    needed: &[(&'static str, &Outcome)],
) -> Option<Outcome> {
    if let Some((reason, why)) = refusal {
        return Some(("False", reason, why.clone()));
    }
    let missing = needed.iter().find(|(_, outcome)| outcome.0 != "True");
    missing.map(|(reason, outcome)| ("False", *reason, outcome.2.clone()))
}

/// A practice that is ready. It was reached once nothing is pending, and ends when a group that should run has no ready consumer,
/// topics or Kafka are unavailable, or the spec is refused. Scaling alone does not change it. `at_zero`: why groups have 0 consumers.
fn ready(consumers: &Outcome, at_zero: &[String]) -> Outcome {
    if consumers.1 == SCALED_TO_ZERO {
        return ("True", SCALED_TO_ZERO, consumers.2.clone());
    }
    let mut why = at_zero.to_vec();
    why.push(
        "every group that should run has a consumer, topics are ready, Kafka answers".to_owned(),
    );
    ("True", "Ready", why.join("; "))
}

fn idle(status: &PracticeStatus) -> Outcome {
    let idle: Vec<String> = status
        .groups
        .iter()
        .flat_map(|group| group.members.iter().map(move |member| (group, member)))
        .filter_map(|(group, member)| Some((group, member, member.idle_because.as_ref()?)))
        .map(|(group, member, why)| format!("{} of {}: {why}", member.name, group.name))
        .collect();
    if idle.is_empty() {
        (
            "False",
            "EveryConsumerHasPartitions",
            "no consumer is without a partition".to_owned(),
        )
    } else {
        ("True", "MoreConsumersThanPartitions", idle.join("; "))
    }
}

#[cfg(test)]
mod tests;
