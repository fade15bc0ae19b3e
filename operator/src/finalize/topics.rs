//! Deletes topics with their practice. In: a practice, its plan or the fault of its manifest. Out: the topics that remain, and why.
//! Deletes only topics that this practice created and no other practice uses, and only on a Kafka that the policy allows.

use practice_api::{ConsumerGroupPractice, Topic};
use practice_groups::KafkaError;
use practice_kafka::Kafka;
use practice_plan::{
    plan::{Plan, SpecFault, topics_to_delete},
    policy::broken_access_rule,
    status::ending::{Obstacle, Remaining},
};

use crate::Context;

/// A topic that is deleted with its practice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct OwnTopic {
    pub(super) name: String,
    /// Its id, which proves that it is the one that the practice created.
    pub(super) id: String,
}

/// The topics of a practice that are deleted with it.
pub(super) fn own(practice: &ConsumerGroupPractice, context: &Context) -> Vec<OwnTopic> {
    topics_to_delete(&practice.spec)
        .filter_map(|topic| may_delete(practice, topic, context))
        .collect()
}

/// The topic to delete; `None`: the practice did not create it, or another practice uses it.
fn may_delete(
    practice: &ConsumerGroupPractice,
    topic: &Topic,
    context: &Context,
) -> Option<OwnTopic> {
    let mut topics = practice.status.iter().flat_map(|status| &status.topics);
    let status = topics.find(|status| status.name == topic.name)?;
    let id = status.created_topic_id.clone()?;
    (!is_named_elsewhere(practice, &topic.name, context)).then(|| OwnTopic {
        name: topic.name.clone(),
        id,
    })
}

/// Whether another practice on the same Kafka names the topic.
fn is_named_elsewhere(practice: &ConsumerGroupPractice, topic: &str, context: &Context) -> bool {
    let plan = |practice: &ConsumerGroupPractice| {
        practice_plan::plan::plan(practice, &context.defaults).ok()
    };
    let Some(ours) = plan(practice) else {
        return false; // then it is not deleted either
    };
    let others = context.others(&ours.uid);
    let mut others = others.iter().filter_map(|other| other.0.as_ref().ok());
    others.any(|other| {
        let names_it = other.spec.topics.iter().any(|named| named.name == topic);
        names_it && plan(other).is_some_and(|other| other.bootstrap == ours.bootstrap)
    })
}

/// Topics that stay in Kafka because an annotation of the practice gives them up.
pub(super) fn kept(own: &[OwnTopic], plan: Option<&Plan>) -> Vec<Remaining> {
    let bootstrap = plan.map(|plan| plan.bootstrap.clone());
    all(own, Obstacle::Kept { bootstrap })
}

fn all(topics: &[OwnTopic], cause: Obstacle) -> Vec<Remaining> {
    let topics = topics.iter().map(|topic| topic.name.clone()).collect();
    vec![Remaining { topics, cause }]
}

/// Deletes topics; returns those that remain.
pub(super) async fn delete(
    own: &[OwnTopic],
    plan: Result<Plan, SpecFault>,
    context: &Context,
) -> Vec<Remaining> {
    let plan = match plan {
        Ok(plan) => plan,
        Err(fault) => return all(own, Obstacle::Manifest(fault)),
    };
    let mut remaining = Vec::new();
    for (index, topic) in own.iter().enumerate() {
        // before its Kafka is contacted
        if let Some(rule) = broken_rule(topic, &plan, context) {
            let cause = Obstacle::Manifest(SpecFault::Policy(rule));
            add(&mut remaining, topic, cause);
            continue;
        }
        let (reader, bootstrap) = (
            context.memories.readers.reader(&plan.bootstrap),
            plan.bootstrap.clone(),
        );
        match delete_one(reader.kafka(), topic).await {
            Ok(()) => tracing::info!(topic = topic.name, "topic deleted with its practice"),
            // it would not answer for the others either
            Err(error) if error.is_outage() => {
                remaining.extend(all(&own[index..], Obstacle::Outage { bootstrap, error }));
                break;
            }
            Err(error) => add(
                &mut remaining,
                topic,
                Obstacle::Refused { bootstrap, error },
            ),
        }
    }
    remaining
}

/// Deletes one topic if it still is the one that the practice created.
async fn delete_one(kafka: &Kafka, topic: &OwnTopic) -> Result<(), KafkaError> {
    kafka.delete_topic(&topic.name, &topic.id).await
}

/// The rule of the policy that the deletion of a topic breaks.
fn broken_rule(topic: &OwnTopic, plan: &Plan, context: &Context) -> Option<String> {
    let bounds = context.defaults.config.policy.bounds(&plan.namespace);
    let default = context.defaults.bootstrap_servers.as_deref();
    let (kafka, name) = (&plan.bootstrap, topic.name.as_str());
    broken_access_rule(&plan.namespace, kafka, [name], bounds, default)
}

/// Adds a topic to those that remain for the same cause.
fn add(remaining: &mut Vec<Remaining>, topic: &OwnTopic, cause: Obstacle) {
    match remaining.iter_mut().find(|there| there.cause == cause) {
        Some(there) => there.topics.push(topic.name.clone()),
        None => remaining.push(Remaining {
            topics: vec![topic.name.clone()],
            cause,
        }),
    }
}
