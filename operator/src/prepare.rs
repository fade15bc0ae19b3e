//! The Kafka side before anything runs: topics exist and have grown, group ids are claimed. In: a plan, and the latest
//! look at Kafka. Out: what stands and what was done, as a value: a Kafka that is down or says no stops nobody here.
//! Deliberately absent: anything that would change a topic or a group that is not this practice's.

mod groups;
mod topics;

use std::collections::{BTreeMap, BTreeSet};

use practice_api::{PracticeStatus, Topic, status::TopicStatus};

pub(crate) use self::topics::released;
pub use self::topics::{TopicStep, settings, topic_step};
use self::{
    groups::{claim, needs_consumer_protocol, unsupported},
    topics::{known, prepare_topic},
};
use crate::{
    live::Live,
    memory::Memories,
    objects::{Hold, holds},
    plan::{GroupPlan, Plan},
    reader::{Interest, Key, Look},
};

/// What stands on the Kafka side.
#[derive(Debug, Default)]
pub struct Prepared {
    /// The look that was decided on; `None`: there was no plan.
    pub look: Option<Look>,
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
    pub deeds: Vec<Deed>,
}

/// Why a topic is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// It exists and is not what the manifest describes.
    Conflict(String),
    /// Kafka would not make it.
    Refused(String),
}

/// Why a group's consumers may not start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unclaimed {
    /// The group id is somebody else's.
    Conflict(String),
    /// This Kafka does not know the group's protocol.
    Unsupported(String),
    /// Kafka could not be asked.
    Unknown,
}

/// Something done in Kafka, or decided about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Deed {
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
    fn is_as_described(&self, topic: &Topic) -> bool {
        self.configured.contains_key(&topic.name) && !self.refused.contains_key(&topic.name)
    }

    /// Whether Kafka was changed, so that the look is no longer true.
    pub fn changed(&self) -> bool {
        self.deeds.iter().any(|deed| !matches!(deed, Deed::Claimed { .. }))
    }
}

/// Makes topics as the plan wants them and claims group ids. `holder` names another practice that has a group's id, or is
/// older and wants it.
pub async fn prepare(
    plan: &Plan,
    live: &Live,
    holder: &(dyn Fn(&GroupPlan) -> Option<String> + Sync),
    memories: &Memories,
    before: Option<&PracticeStatus>,
) -> Prepared {
    let key = (plan.namespace.clone(), plan.name.clone());
    memories.readers.forget(&key, Some(&plan.bootstrap));
    let reader = memories.readers.reader(&plan.bootstrap);
    let look = reader.look(&key, &interest(plan)).await;
    let mut prepared = Prepared { look: Some(look.clone()), ..Prepared::default() };
    // a claim holds for the Kafka it was made on
    let before = before.filter(|before| before.bootstrap_servers.as_ref() == Some(&plan.bootstrap));
    for topic in &plan.topics {
        let seen = look.as_ref().ok().and_then(|snapshot| snapshot.topics.get(&topic.name));
        let known = known(&key, before, plan, topic, seen, memories);
        prepare_topic(reader.kafka(), topic, seen, &known, &mut prepared).await;
        if let (Some(id), true) = (known.id, prepared.is_as_described(topic)) {
            memories.settled(&key, &topic.name, plan.generation, id);
        }
    }
    remember_created(&key, before, &mut prepared, memories);
    memories.keep_named(plan);
    let mut takes_consumer_protocol = None;
    for group in &plan.groups {
        let seen = look.as_ref().ok().and_then(|snapshot| snapshot.groups.get(&group.id));
        if takes_consumer_protocol.is_none() && needs_consumer_protocol(group, seen) {
            takes_consumer_protocol = Some(reader.kafka().has_consumer_protocol().await.unwrap_or(true));
        }
        if takes_consumer_protocol == Some(false) && needs_consumer_protocol(group, seen) {
            prepared.unclaimed.insert(group.id.clone(), Unclaimed::Unsupported(unsupported(group)));
            continue;
        }
        if before.is_some_and(|before| before.groups.iter().any(|status| status.name == group.id && status.claimed)) {
            let _ = memories.claim(&key, &plan.bootstrap, &group.id); // status says whose it is
            continue;
        }
        let taken = |holder: &str| {
            let id = &group.id;
            Unclaimed::Conflict(format!("group id {id} belongs to the older practice {holder}: choose another name"))
        };
        let claim = match holder(group) {
            Some(holder) => Err(taken(&holder)),
            None => claim(plan, group, seen, live).and_then(|()| {
                let claimed = memories.claim(&key, &plan.bootstrap, &group.id);
                claimed.map_err(|(namespace, name)| taken(&format!("{namespace}/{name}")))
            }),
        };
        match claim {
            Ok(()) => prepared.deeds.push(Deed::Claimed { group: group.id.clone() }),
            Err(why) => drop(prepared.unclaimed.insert(group.id.clone(), why)),
        }
    }
    prepared.holds = holds(plan, &prepared.unclaimed, live);
    prepared
}

/// What a practice wants to see of its Kafka.
pub fn interest(plan: &Plan) -> Interest {
    Interest {
        topics: plan.topics.iter().map(|topic| topic.name.clone()).collect(),
        groups: plan.groups.iter().map(|group| group.id.clone()).collect(),
    }
}

/// Remembers which topics were created until status has their ids: not every broker knows of a new topic at once.
fn remember_created(key: &Key, before: Option<&PracticeStatus>, prepared: &mut Prepared, memories: &Memories) {
    let is_written = |topic: &String| {
        let status = before.and_then(|before| before.topics.iter().find(|status| status.name == *topic));
        status.is_some_and(TopicStatus::is_own)
    };
    let mut memories = memories.all();
    let created = &mut memories.entry(key.clone()).or_default().created;
    created.retain(|topic| !is_written(topic));
    created.append(&mut prepared.created);
    prepared.created.clone_from(created);
}
