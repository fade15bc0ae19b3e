//! The conditions of a practice (Kubernetes API conventions, metav1.Condition): what each is, when it is true, and the
//! sentence that says so. Pure; called by `status` alone.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use practice_api::{PracticeStatus, status::GroupStatus};
use practice_groups::KafkaError;

use crate::{
    outcome::{DENIED, Hold, Observed, Prepared, Refusal, Running, Unclaimed},
    plan::{Plan, SpecFault},
    topics::{TopicStep, topic_step},
};

/// Every condition that a practice has, from its first visit on.
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

/// A condition's status, reason and message.
type Said = (&'static str, &'static str, String);

/// Every condition, in a fixed order.
#[expect(
    clippy::too_many_arguments,
    reason = "each is a different thing that was seen"
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
    let said: Vec<(&str, Said)> = match plan {
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
            let ready = ready(
                refusal.as_ref(),
                &[&kafka, &topics, &consumers],
                &producer,
                &reconciling,
                was_ready,
            );
            let stalled = refusal.map_or(
                ("False", "Progressing", "nothing is in the way".to_owned()),
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
    let dated = |(kind, (value, reason, message)): (&str, Said)| {
        let former = before
            .and_then(|before| before.condition(kind))
            .filter(|former| former.status == value);
        Condition {
            type_: kind.to_owned(),
            status: value.to_owned(),
            reason: reason.to_owned(),
            message: message.chars().take(1024).collect(),
            observed_generation: generation,
            last_transition_time: former
                .map_or(Time(now), |former| former.last_transition_time.clone()),
        }
    };
    let mut conditions: Vec<Condition> = said.into_iter().map(dated).collect();
    // nobody looks at what cannot be planned
    for kind in KINDS {
        if !conditions.iter().any(|condition| condition.type_ == kind) {
            conditions.push(dated((
                kind,
                (
                    "Unknown",
                    "NotChecked",
                    "the manifest has to be corrected first".to_owned(),
                ),
            )));
        }
    }
    conditions
}

fn refused(fault: &SpecFault) -> Vec<(&'static str, Said)> {
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

/// What cannot go on without somebody's help.
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
                "{names} exists and is not this practice's: remove it, or give the practice or the group another name"
            ),
        ));
    }
    let group = prepared.unclaimed.values().find_map(|why| match why {
        Unclaimed::Conflict(why) => Some(("GroupConflict", why.clone())),
        Unclaimed::Unsupported(why) => Some(("ProtocolUnsupported", why.clone())),
        Unclaimed::Denied(why) => Some((DENIED, why.clone())),
        Unclaimed::Unknown => None,
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
    // of a group that runs already, too: what it does is not known without
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

fn kafka(seen: Option<&Observed>) -> Said {
    match seen.and_then(Observed::outage) {
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

fn topics(status: &PracticeStatus, seen: Option<&Observed>) -> Said {
    let waiting: Vec<&str> = status
        .topics
        .iter()
        .filter_map(|topic| topic.message.as_deref())
        .collect();
    if !waiting.is_empty() {
        return ("False", "TopicsNotReady", waiting.join("; "));
    }
    if status.topics.iter().any(|topic| !topic.ready) {
        let why = "Kafka has not been seen yet";
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
        format!(
            "{n} topic{} as the manifest says",
            if n == 1 { "" } else { "s" }
        ),
    )
}

/// Groups that should run, and how many of their consumers Kubernetes has ready.
fn consumers(plan: &Plan, running: &Running, status: &PracticeStatus) -> Said {
    let should_run = |name: &str| {
        plan.groups
            .iter()
            .any(|group| group.id == name && !group.stopped && wants(group))
    };
    let without: Vec<&str> = status
        .groups
        .iter()
        .filter(|group| should_run(&group.name) && group.ready_replicas == 0)
        .map(|group| group.name.as_str())
        .collect();
    if without.is_empty() {
        return (
            "True",
            "EveryGroupHasConsumers",
            "every group that should run has a ready consumer".to_owned(),
        );
    }
    let mut why = format!("no consumer is ready in {}", without.join(", "));
    if let Some(refusal) = running.refusals.first() {
        why = format!("{why}: {refusal}");
    }
    ("False", "GroupWithoutConsumers", why)
}

/// Whether a group is to have any consumers at all, as far as the manifest says.
fn wants(group: &crate::plan::GroupPlan) -> bool {
    group
        .rows
        .iter()
        .any(|row| row.replicas.is_none_or(|replicas| replicas > 0))
}

fn producer(plan: &Plan, running: &Running) -> Said {
    match (&plan.producer, running.producer) {
        (None, _) => (
            "False",
            "Disabled",
            "the manifest wants no producer".to_owned(),
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

/// Who is in a group without being a pod of its practice: another application, or a consumer that was killed and whose session
/// has not timed out yet.
fn strangers(group: &GroupStatus) -> String {
    let strangers: Vec<&str> = group
        .members
        .iter()
        .filter(|member| member.pod.is_none())
        .map(|member| member.client_id.as_str())
        .collect();
    match strangers.as_slice() {
        [] => String::new(),
        [one] => format!(", {one} is none of its pods"),
        [one, rest @ ..] => format!(", {one} and {} more are none of its pods", rest.len()),
    }
}

/// What is still on its way: objects, claims, consumers that have not joined or not left.
fn reconciling(
    plan: &Plan,
    prepared: &Prepared,
    running: &Running,
    status: &PracticeStatus,
) -> Said {
    let mut moving: Vec<String> = running
        .leaving
        .iter()
        .map(|object| format!("{object} of a former practice is going"))
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
                "group {name} waits until Kafka says whether its id is free"
            ));
        } else if prepared.holds.get(name) == Some(&Hold::Switching) {
            moving
                .push(format!("group {name} changes its protocol or assignor: its former consumers have to go first"));
        } else if !prepared.unclaimed.contains_key(name)
            && !group.truncated
            && members != group.replicas
        {
            moving.push(format!(
                "group {name} has {members} of {} consumers{}",
                group.replicas,
                strangers(group)
            ));
        } else if group.replicas > 0 && group.state != "Stable" && group.idle.is_some() {
            moving.push(format!("group {name} is {}", group.state));
        } else if !tells_owners(group) {
            moving.push(format!(
                "group {name} does not tell yet who has which partitions"
            ));
        } else if let Some((owned, all)) = unowned(plan, group, status) {
            moving.push(format!(
                "group {name} divides its partitions: {owned} of {all} have an owner"
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
            "everything is as the manifest says".to_owned(),
        )
    } else {
        ("True", "Moving", moving.join("; "))
    }
}

/// Whether every member tells what it owns: one that owns nothing has a lag of 0.
fn tells_owners(group: &GroupStatus) -> bool {
    group
        .members
        .iter()
        .all(|member| member.partition_count > 0 || member.lag.is_some())
}

/// How many of a group's partitions have an owner, of how many, where some have none although there are members: between
/// the two rebalances of the cooperative protocol (KIP-429) Kafka says `Stable` too.
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

/// Becomes true when everything has arrived once, and stays until a group has no consumer left, topics or Kafka are gone,
/// or the spec is refused: scaling alone does not touch it.
fn ready(
    refusal: Option<&(&'static str, String)>,
    needed: &[&Said],
    producer: &Said,
    reconciling: &Said,
    was_ready: bool,
) -> Said {
    if let Some((reason, why)) = refusal {
        return ("False", reason, why.clone());
    }
    let labels = ["KafkaUnreachable", "TopicsNotReady", "NoConsumers"];
    for (said, reason) in needed.iter().zip(labels) {
        if said.0 != "True" {
            return ("False", reason, said.2.clone());
        }
    }
    let arrived = reconciling.0 == "False" && (producer.0 == "True" || producer.1 == "Disabled");
    if was_ready || arrived {
        return (
            "True",
            "Ready",
            "every group runs, topics are ready, Kafka answers".to_owned(),
        );
    }
    ("False", "Starting", reconciling.2.clone())
}

fn idle(status: &PracticeStatus) -> Said {
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
