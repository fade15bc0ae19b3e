//! The ownership record: which topics the operator created, and for which practice. It alone authorises the deletion and the
//! configuration of a topic. In: the data of a `ConfigMap`, what was done, what Kafka reports. Out: the record, and what to write.
//! Pure; the operator's `ownership` stores it. Deliberately absent: status, which only shows the record.

use std::collections::BTreeMap;

use practice_api::Topic;
use practice_groups::{Snapshot, TopicFacts, TopicSeen};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{
    plan::Plan,
    topics::{TopicStep, topic_step},
};

/// Prefix of the key of a practice's intents; its uid follows.
const CREATING: &str = "creating.";

/// The record of one namespace: created topics by topic id, and topics that are being created by the practice's uid.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OwnershipRecord {
    created: BTreeMap<String, OwnedTopic>,
    creating: BTreeMap<String, Intents>,
}

/// A topic that the operator created.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OwnedTopic {
    /// Uid of the practice that owns it.
    pub uid: String,
    /// The practice's name, for people.
    pub practice: String,
    /// The topic's name.
    pub topic: String,
    /// The Kafka that has it.
    #[serde(flatten)]
    pub home: Home,
    state: Created,
}

/// The Kafka on which a topic is created.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Home {
    /// Its cluster id (KIP-78); `None`: not reported.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster_id: Option<String>,
    /// Its normalised address: `host:port[,host:port...]`.
    pub bootstrap_servers: String,
}

/// Marks an entry for a person who reads the `ConfigMap`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Created {
    Created,
}

/// Topics that a practice is creating: written before the first request to Kafka, because the answer may be lost.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Intents {
    practice: String,
    topics: Vec<Intent>,
}

/// A topic that is being created.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Intent {
    /// Its name.
    pub topic: String,
    /// The address of its Kafka: `host:port[,host:port...]`. A topic of this name on another Kafka is not the one.
    pub bootstrap_servers: String,
    /// What it is created with.
    #[serde(flatten)]
    pub shape: Shape,
}

impl Intent {
    fn is_for(&self, topic: &str, home: &Home) -> bool {
        self.topic == topic && self.bootstrap_servers == home.bootstrap_servers
    }
}

/// What a topic was, or is to be, created with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Shape {
    /// Partitions.
    pub partitions: i32,
    /// Copies of each partition.
    pub replication_factor: i32,
}

impl Shape {
    /// The shape that a manifest asks for.
    pub fn of(topic: &Topic) -> Self {
        Self {
            partitions: topic.partitions,
            replication_factor: topic.replication_factor,
        }
    }

    /// Whether an existing topic has this shape.
    fn fits(self, facts: &TopicFacts) -> bool {
        usize::try_from(self.partitions) == Ok(facts.partitions.len())
            && self.replication_factor == facts.replication_factor
    }
}

/// How the creation of a topic ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Creation {
    /// The operator created it; its topic id.
    Created(String),
    /// It did not: Kafka refused, or another client was faster.
    NotCreated,
}

/// Keys of the `ConfigMap` to set, or without a value to remove.
pub type Update = BTreeMap<String, Option<String>>;

/// A practice, as the record names it.
#[derive(Debug, Clone, Copy)]
pub struct Owner<'a> {
    /// Its uid.
    pub uid: &'a str,
    /// Its name.
    pub name: &'a str,
}

impl<'a> From<&'a Plan> for Owner<'a> {
    fn from(plan: &'a Plan) -> Self {
        Self {
            uid: &plan.uid,
            name: &plan.name,
        }
    }
}

impl OwnershipRecord {
    /// Reads the data of a `ConfigMap`. An entry that cannot be read authorises nothing, and no update touches it.
    pub fn read(data: &BTreeMap<String, String>) -> Self {
        fn entry<T: DeserializeOwned>(text: &str) -> Option<T> {
            serde_json::from_str(text).ok()
        }
        let mut record = Self::default();
        for (key, text) in data {
            if let Some(uid) = key.strip_prefix(CREATING) {
                let intents = entry(text).map(|intents| (uid.to_owned(), intents));
                record.creating.extend(intents);
            } else {
                record
                    .created
                    .extend(entry(text).map(|owned| (key.clone(), owned)));
            }
        }
        record
    }

    /// The data of the `ConfigMap`.
    fn data(&self) -> BTreeMap<String, String> {
        fn text(entry: &impl Serialize) -> String {
            serde_json::to_string(entry).expect("should be plain values under text keys")
        }
        let created = self
            .created
            .iter()
            .map(|(id, owned)| (id.clone(), text(owned)));
        let creating = self.creating.iter();
        let creating = creating.map(|(uid, intents)| (format!("{CREATING}{uid}"), text(intents)));
        created.chain(creating).collect()
    }

    /// What to write so that the `ConfigMap` with this record has `next`.
    pub fn update(&self, next: &Self) -> Update {
        let (there, next) = (self.data(), next.data());
        let removed = there.keys().filter(|key| !next.contains_key(*key));
        let removed = removed.map(|key| (key.clone(), None));
        let set = next
            .iter()
            .filter(|(key, text)| there.get(*key) != Some(*text));
        let set = set.map(|(key, text)| (key.clone(), Some(text.clone())));
        removed.chain(set).collect()
    }

    /// Whether the topic with this id belongs to a practice. No id is empty: a Kafka without topic ids owns nothing.
    pub fn owns(&self, uid: &str, id: &str) -> bool {
        self.created.get(id).is_some_and(|owned| owned.uid == uid)
    }

    /// The topics of a practice, by topic id.
    pub fn owned_by<'a>(&'a self, uid: &'a str) -> impl Iterator<Item = (&'a str, &'a OwnedTopic)> {
        self.created
            .iter()
            .filter(move |(_, owned)| owned.uid == uid)
            .map(|(id, owned)| (id.as_str(), owned))
    }

    /// Topics that a practice was creating when the answer was lost.
    pub fn unresolved(&self, uid: &str) -> impl Iterator<Item = &Intent> {
        let intents = self.creating.get(uid).into_iter();
        intents.flat_map(|intents| &intents.topics)
    }

    /// Whether a practice is creating a topic of this name.
    pub fn intends(&self, uid: &str, topic: &str) -> bool {
        self.unresolved(uid).any(|intent| intent.topic == topic)
    }

    /// Records that a practice is about to create topics. An earlier intent stays: its request may still have been the one that
    /// created the topic.
    pub fn intend<'a>(
        &mut self,
        owner: Owner<'_>,
        home: &Home,
        topics: impl IntoIterator<Item = &'a Topic>,
    ) {
        let mut topics = topics.into_iter().peekable();
        if topics.peek().is_none() {
            return;
        }
        let intents = self.creating.entry(owner.uid.to_owned()).or_default();
        owner.name.clone_into(&mut intents.practice);
        for topic in topics {
            let mut there = intents.topics.iter();
            if there.any(|intent| intent.is_for(&topic.name, home)) {
                continue;
            }
            intents.topics.push(Intent {
                topic: topic.name.clone(),
                bootstrap_servers: home.bootstrap_servers.clone(),
                shape: Shape::of(topic),
            });
        }
    }

    /// How the creation of a topic ended whose answer was lost, now that its Kafka reports this topic of the name. Nothing in Kafka
    /// names a topic's creator: a topic that did not exist when the intent was written, and has the intended shape, is the
    /// practice's. `None`: no creation of it is unresolved there.
    pub fn resolve(
        &self,
        uid: &str,
        home: &Home,
        topic: &str,
        facts: &TopicFacts,
    ) -> Option<Creation> {
        let intent = self
            .unresolved(uid)
            .find(|intent| intent.is_for(topic, home))?;
        let taken = self.created.contains_key(&facts.id);
        Some(
            if intent.shape.fits(facts) && !facts.id.is_empty() && !taken {
                Creation::Created(facts.id.clone())
            } else {
                Creation::NotCreated
            },
        )
    }

    /// Records how the creation of a topic ended. A former topic of the practice with this name on the same Kafka no longer exists.
    pub fn finish(&mut self, owner: Owner<'_>, home: &Home, topic: &str, creation: &Creation) {
        if let Some(intents) = self.creating.get_mut(owner.uid) {
            intents.topics.retain(|intent| !intent.is_for(topic, home));
            if intents.topics.is_empty() {
                self.creating.remove(owner.uid);
            }
        }
        let Creation::Created(id) = creation else {
            return;
        };
        if id.is_empty() {
            return;
        }
        let is_former = |owned: &OwnedTopic| {
            owned.uid == owner.uid && owned.topic == topic && owned.home == *home
        };
        self.created.retain(|_, owned| !is_former(owned));
        let entry = OwnedTopic {
            uid: owner.uid.to_owned(),
            practice: owner.name.to_owned(),
            topic: topic.to_owned(),
            home: home.clone(),
            state: Created::Created,
        };
        self.created.insert(id.clone(), entry);
    }

    /// Records where a topic of a practice was found.
    fn found(&mut self, uid: &str, id: &str, home: &Home) {
        if let Some(owned) = self.created.get_mut(id).filter(|owned| owned.uid == uid) {
            let is_known = owned.home.bootstrap_servers == home.bootstrap_servers;
            if home.cluster_id.is_some() || !is_known {
                owned.home.clone_from(home);
            }
        }
    }

    /// Removes a topic; returns its entry.
    pub fn release(&mut self, id: &str) -> Option<OwnedTopic> {
        self.created.remove(id)
    }

    /// Removes everything of practices that no longer exist.
    pub fn keep(&mut self, exists: impl Fn(&str) -> bool) {
        self.created.retain(|_, owned| exists(&owned.uid));
        self.creating.retain(|uid, _| exists(uid));
    }
}

/// Begins a pass over the topics of a practice: finishes creations whose answer was lost and that Kafka shows by now, and intends
/// the topics that are missing, which are returned. Write the record before any of these is created. `home` is the Kafka of the
/// snapshot: owned topics that it shows are there, whatever its address was when they were created.
pub fn begin<'a>(
    record: &mut OwnershipRecord,
    plan: &'a Plan,
    snapshot: &Snapshot,
    home: &Home,
) -> Vec<&'a Topic> {
    let owner = Owner::from(plan);
    let mut missing = vec![];
    for topic in &plan.topics {
        let seen = snapshot.topics.get(&topic.name);
        if let Some(TopicSeen::Present(facts)) = seen {
            if let Some(creation) = record.resolve(&plan.uid, home, &topic.name, facts) {
                record.finish(owner, home, &topic.name, &creation);
            }
            record.found(&plan.uid, &facts.id, home);
        }
        if topic_step(topic, seen) == TopicStep::Create {
            missing.push(topic);
        }
    }
    record.intend(owner, home, missing.iter().copied());
    missing
}

#[cfg(test)]
mod tests;
