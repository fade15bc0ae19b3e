//! Deletes topics with their practice. In: a practice, its plan or the fault of its manifest, the ownership record. Out: the topics
//! that remain, and why. Deletes only topics that the record has for this practice, by id, and only on a Kafka that the policy
//! allows. A topic that another practice names is handed over to that practice.

use std::collections::BTreeSet;

use practice_api::{ConsumerGroupPractice, DeletionPolicy};
use practice_groups::{KafkaError, TopicSeen};
use practice_kafka::Kafka;
use practice_plan::{
    ownership::{Creation, Home, Owner, OwnershipRecord},
    plan::{Plan, SpecFault, plan, topics_to_delete},
    policy::{MANIFEST, broken_access_rule},
    status::ending::{Obstacle, Remaining},
};

use super::is_marked;
use crate::{
    Context,
    context::{age, key},
    ownership::{Unrecorded, home},
};

/// A topic that is deleted with its practice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct OwnTopic {
    pub(super) name: String,
    /// Its id; `None`: the answer to its creation was lost, and Kafka has to be asked whether the practice created it.
    pub(super) id: Option<String>,
    /// The Kafka that has it; `None`: the record is not available.
    home: Option<Home>,
}

impl OwnTopic {
    /// Whether both are one topic; the id of one whose creation was not answered is not known at first.
    fn is(&self, other: &Self) -> bool {
        let address = |topic: &Self| Some(topic.home.as_ref()?.bootstrap_servers.clone());
        self.name == other.name
            && address(self) == address(other)
            && (self.id.is_none() || self.id == other.id)
    }
}

/// The topics that are deleted with a practice.
#[derive(Debug, Default)]
pub(super) struct OwnTopics {
    pub(super) topics: Vec<OwnTopic>,
    /// Why the record is not available; then the topics are those that manifest and status name.
    pub(super) unrecorded: Option<String>,
}

impl OwnTopics {
    /// Reads the record. `is_deleted`: whether a topic of this name is deleted with the practice.
    pub(super) async fn of(
        practice: &ConsumerGroupPractice,
        is_deleted: &(dyn Fn(&str) -> bool + Sync),
        context: &Context,
    ) -> Self {
        let ownership = context.memories.ownership();
        match ownership.record(&key(practice).0).await {
            Ok(record) => Self {
                topics: own_topics(&record, uid(practice), is_deleted),
                unrecorded: None,
            },
            Err(error) => Self {
                topics: named(practice, is_deleted),
                unrecorded: Some(error.to_string()),
            },
        }
    }
}

fn uid(practice: &ConsumerGroupPractice) -> &str {
    practice.metadata.uid.as_deref().unwrap_or_default()
}

/// Topics that manifest or status name.
fn named(
    practice: &ConsumerGroupPractice,
    is_deleted: &(dyn Fn(&str) -> bool + Sync),
) -> Vec<OwnTopic> {
    let status = practice.status.iter().flat_map(|status| &status.topics);
    let created = status.filter(|topic| topic.created_topic_id.is_some());
    let created = created.map(|topic| topic.name.clone());
    let named = topics_to_delete(&practice.spec).map(|topic| topic.name.clone());
    let all: BTreeSet<String> = named.chain(created).collect();
    let deleted = all.into_iter().filter(|name| is_deleted(name));
    deleted
        .map(|name| OwnTopic {
            name,
            id: None,
            home: None,
        })
        .collect()
}

fn own_topics(
    record: &OwnershipRecord,
    uid: &str,
    is_deleted: &(dyn Fn(&str) -> bool + Sync),
) -> Vec<OwnTopic> {
    let created = record.owned_by(uid).map(|(id, owned)| OwnTopic {
        name: owned.topic.clone(),
        id: Some(id.to_owned()),
        home: Some(owned.home.clone()),
    });
    let creating = record.unresolved(uid).map(|intent| OwnTopic {
        name: intent.topic.clone(),
        id: None,
        home: Some(Home {
            cluster_id: None,
            bootstrap_servers: intent.bootstrap_servers.clone(),
        }),
    });
    let all = created.chain(creating);
    let mut own: Vec<OwnTopic> = all.filter(|topic| is_deleted(&topic.name)).collect();
    own.sort_by(|one, other| one.name.cmp(&other.name)); // messages name them in this order
    own
}

/// Ends a practice: from now on no topic is handed over to it. `false`: one was handed over to it in the meantime, or the record is
/// not available.
pub(super) async fn close(
    practice: &ConsumerGroupPractice,
    done: &[OwnTopic],
    is_deleted: &(dyn Fn(&str) -> bool + Sync),
    context: &Context,
) -> bool {
    let ownership = context.memories.ownership();
    let _alone = ownership.handing_over().await;
    let record = match ownership.record(&key(practice).0).await {
        Ok(record) => record,
        Err(error) => {
            tracing::warn!(%error, "practice is being deleted: waiting for the record");
            return false;
        }
    };
    let own = own_topics(&record, uid(practice), is_deleted);
    let is_done = |topic: &OwnTopic| done.iter().any(|done| done.is(topic));
    let closes = own.iter().all(is_done);
    if closes {
        ownership.end(uid(practice));
    }
    closes
}

/// Topics that stay in Kafka because an annotation of the practice gives them up.
pub(super) fn kept(own: &[OwnTopic], plan: Option<&Plan>) -> Vec<Remaining> {
    let bootstrap = plan.map(|plan| plan.bootstrap.clone());
    all(own, Obstacle::Kept { bootstrap })
}

/// Topics that all remain for one cause.
pub(super) fn all(topics: &[OwnTopic], cause: Obstacle) -> Vec<Remaining> {
    let topics = topics.iter().map(|topic| topic.name.clone()).collect();
    vec![Remaining { topics, cause }]
}

/// Deletes topics, each on the Kafka that has it, or hands them over; returns those that remain.
pub(super) async fn delete(
    practice: &ConsumerGroupPractice,
    own: &[OwnTopic],
    plan: Result<Plan, SpecFault>,
    context: &Context,
) -> Vec<Remaining> {
    let plan = match plan {
        Ok(plan) => plan,
        Err(fault) => return all(own, Obstacle::Manifest(fault)),
    };
    let mut remaining = Vec::new();
    for topic in own {
        let home = address(topic, &plan, context);
        let mut ended = end_at(home, practice, topic, &plan, &remaining, context).await;
        // the same Kafka may have another address by now, which the manifest names
        if home != plan.bootstrap
            && let Err(Obstacle::Outage { .. }) = ended
            && let Ok(End::Over) =
                end_at(&plan.bootstrap, practice, topic, &plan, &remaining, context).await
        {
            ended = Ok(End::Over);
        }
        match ended.map(|end| end.obstacle(home, topic, context)) {
            Ok(None) => {}
            Ok(Some(cause)) | Err(cause) => add(&mut remaining, topic, cause),
        }
    }
    remaining
}

/// Deletes a topic on the Kafka at an address, or hands it over.
async fn end_at(
    bootstrap: &str,
    practice: &ConsumerGroupPractice,
    topic: &OwnTopic,
    plan: &Plan,
    remaining: &[Remaining],
    context: &Context,
) -> Result<End, Obstacle> {
    // before its Kafka is contacted
    if let Some(rule) = broken_rule(&topic.name, bootstrap, plan, context) {
        return Err(Obstacle::Manifest(SpecFault::Policy(rule)));
    }
    // a Kafka that did not answer for another topic would not for this one
    let mut causes = remaining.iter().map(|remaining| &remaining.cause);
    let outage = |cause: &&Obstacle| matches!(cause, Obstacle::Outage { bootstrap: down, .. } if down == bootstrap);
    if let Some(outage) = causes.find(outage) {
        return Err(outage.clone());
    }
    let ended = end_one(practice, bootstrap, topic, context).await;
    ended.map_err(|stays| {
        let bootstrap = bootstrap.to_owned();
        match stays {
            Stays::Unrecorded(why) => Obstacle::Unrecorded(why.to_string()),
            Stays::InKafka(error) if error.is_outage() => Obstacle::Outage { bootstrap, error },
            Stays::InKafka(error) => Obstacle::Refused { bootstrap, error },
        }
    })
}

/// The address of a topic's Kafka: the manifest's, unless that is another Kafka than the one that has the topic.
fn address<'a>(topic: &'a OwnTopic, plan: &'a Plan, context: &Context) -> &'a str {
    let readers = &context.memories.readers;
    match &topic.home {
        Some(home)
            if readers.is_same_kafka(&home.bootstrap_servers, &plan.bootstrap) != Some(true) =>
        {
            &home.bootstrap_servers
        }
        _ => &plan.bootstrap,
    }
}

/// Why a topic remains.
enum Stays {
    InKafka(KafkaError),
    Unrecorded(Unrecorded),
}

impl From<KafkaError> for Stays {
    fn from(error: KafkaError) -> Self {
        Self::InKafka(error)
    }
}

impl From<Unrecorded> for Stays {
    fn from(error: Unrecorded) -> Self {
        Self::Unrecorded(error)
    }
}

/// How the end of a topic went.
enum End {
    /// It is deleted, or handed over, or was never created.
    Over,
    /// This Kafka has no topic with its id.
    Missing,
}

impl End {
    /// Why the topic may remain although nothing failed: another Kafka is at the address of the one that has it.
    fn obstacle(self, bootstrap: &str, topic: &OwnTopic, context: &Context) -> Option<Obstacle> {
        let Self::Missing = self else {
            return None;
        };
        let created_on = topic.home.as_ref()?.cluster_id.clone()?;
        let reader = context.memories.readers.reader(bootstrap);
        let found = home(reader.kafka(), bootstrap).cluster_id?;
        (created_on != found).then(|| Obstacle::Elsewhere {
            bootstrap: bootstrap.to_owned(),
            created_on,
            found,
        })
    }
}

/// Hands a topic over if another practice names it, and otherwise deletes it by its id.
async fn end_one(
    practice: &ConsumerGroupPractice,
    bootstrap: &str,
    topic: &OwnTopic,
    context: &Context,
) -> Result<End, Stays> {
    let reader = context.memories.readers.reader(bootstrap);
    let kafka = reader.kafka();
    let id = match &topic.id {
        Some(id) => id.clone(),
        None => match resolve(practice, kafka, bootstrap, topic, context).await? {
            Some(id) => id,
            None => return Ok(End::Over),
        },
    };
    if hand_over(practice, bootstrap, &topic.name, &id, context).await? {
        return Ok(End::Over);
    }
    if kafka.delete_topic(&topic.name, &id).await? {
        tracing::info!(topic = topic.name, id, "topic deleted with its practice");
        return Ok(End::Over);
    }
    Ok(End::Missing)
}

/// The id of a topic whose creation was not answered; `None`: the practice did not create the topic of this name.
async fn resolve(
    practice: &ConsumerGroupPractice,
    kafka: &Kafka,
    bootstrap: &str,
    topic: &OwnTopic,
    context: &Context,
) -> Result<Option<String>, Stays> {
    let names = [topic.name.clone()];
    let seen = kafka.observe(&names, &[]).await?.topics.remove(&topic.name);
    let facts = match seen {
        Some(TopicSeen::Present(facts)) => facts,
        Some(TopicSeen::Missing) => return Ok(None),
        Some(TopicSeen::Unknown(error)) => return Err(KafkaError::clone(&error).into()),
        None => return Err(KafkaError::TimedOut.into()),
    };
    let home = home(kafka, bootstrap);
    let ownership = context.memories.ownership();
    let (namespace, name) = key(practice);
    let owner = Owner {
        uid: uid(practice),
        name: &name,
    };
    let record = ownership.record(&namespace).await?;
    let Some(creation) = record.resolve(owner.uid, &home, &topic.name, &facts) else {
        return Ok(None);
    };
    let finish = |record: &mut OwnershipRecord| record.finish(owner, &home, &topic.name, &creation);
    ownership.change(&namespace, finish).await?;
    Ok(match creation {
        Creation::Created(id) => Some(id),
        Creation::NotCreated => None,
    })
}

/// Hands a topic over to another practice that names it on the same Kafka; `false`: none does.
async fn hand_over(
    practice: &ConsumerGroupPractice,
    bootstrap: &str,
    topic: &str,
    id: &str,
    context: &Context,
) -> Result<bool, Unrecorded> {
    let ownership = context.memories.ownership();
    let _alone = ownership.handing_over().await;
    let Some(heir) = heir(practice, bootstrap, topic, id, context) else {
        return Ok(false);
    };
    let (namespace, name) = key(&heir);
    let owner = Owner {
        uid: uid(&heir),
        name: &name,
    };
    let former = key(practice).0;
    let record = ownership.record(&former).await?;
    let entry = record
        .owned_by(uid(practice))
        .find(|(owned, _)| *owned == id);
    let home = entry.map(|(_, owned)| owned.home.clone());
    let home = home.unwrap_or_default();
    let take = |record: &mut OwnershipRecord| {
        let created = Creation::Created(id.to_owned());
        record.finish(owner, &home, topic, &created);
    };
    ownership.change(&namespace, take).await?;
    if namespace != former {
        let release = |record: &mut OwnershipRecord| drop(record.release(id));
        ownership.change(&former, release).await?;
    }
    tracing::info!(topic, id, namespace, practice = name, "topic handed over");
    Ok(true)
}

/// The practice that a topic is handed over to: one that names it and stays, otherwise one that ends too, deletes it, and is younger.
fn heir(
    practice: &ConsumerGroupPractice,
    bootstrap: &str,
    topic: &str,
    id: &str,
    context: &Context,
) -> Option<ConsumerGroupPractice> {
    let readers = &context.memories.readers;
    let uses_it = |other: &ConsumerGroupPractice| {
        let Some(named) = other.spec.topics.iter().find(|named| named.name == topic) else {
            return false;
        };
        let status = other.status.as_ref();
        let mut topics = status.into_iter().flat_map(|status| &status.topics);
        // an id is unique: then it is the same Kafka, whatever its address
        let has_id = topics.any(|seen| seen.name == topic && seen.topic_id.as_deref() == Some(id));
        let planned = plan(other, &context.defaults).ok();
        let address = planned.map(|plan| plan.bootstrap);
        let address = address.or_else(|| status.and_then(|s| s.bootstrap_servers.clone()));
        let is_same = address.and_then(|other| readers.is_same_kafka(&other, bootstrap));
        let ends = other.metadata.deletion_timestamp.is_some();
        let deletes = named.managed && named.deletion_policy == DeletionPolicy::Delete;
        let outlasts = !ends || (deletes && is_marked(other) && age(other) > age(practice));
        let has_ended = context.memories.ownership().has_ended(uid(other));
        (has_id || is_same == Some(true)) && outlasts && !has_ended
    };
    let others = context.others(uid(practice));
    let all = others.iter().filter_map(|other| other.0.as_ref().ok());
    let order =
        |other: &&ConsumerGroupPractice| (other.metadata.deletion_timestamp.is_some(), age(other));
    all.filter(|other| uses_it(other))
        .min_by_key(order)
        .cloned()
}

/// The rule of the policy that the deletion of a topic breaks.
fn broken_rule(topic: &str, bootstrap: &str, plan: &Plan, context: &Context) -> Option<String> {
    let bounds = context.defaults.config.policy.bounds(&plan.namespace);
    let default = context.defaults.bootstrap_servers.as_deref();
    let recorded = format!("the record of topic {topic}");
    let named_by = if bootstrap == plan.bootstrap {
        MANIFEST
    } else {
        &recorded
    };
    broken_access_rule(
        &plan.namespace,
        (named_by, bootstrap),
        [topic],
        bounds,
        default,
    )
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
