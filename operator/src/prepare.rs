//! The Kafka side before anything runs: topics exist and have grown, group ids are claimed. In: a plan, and the latest
//! look at Kafka. Out: what stands and what was done, as a value: a Kafka that is down or says no stops nobody here.
//! Deliberately absent: anything that would change a topic or a group that is not this practice's.

use std::collections::{BTreeMap, BTreeSet};

use practice_api::{PracticeStatus, Topic, status::TopicStatus};
use practice_contract::commit_metadata;
use practice_groups::{GroupSeen, GroupState, Kafka, KafkaError, Made, TopicSeen};

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

/// What is to be done about a topic.
#[derive(Debug, PartialEq, Eq)]
pub enum TopicStep {
    /// Nothing: it is as wanted, or larger.
    Ready,
    /// It is to be made.
    Create,
    /// It has so many partitions, too few.
    Grow(i32),
    /// It is not ours to make or not what the manifest describes.
    Conflict(String),
    /// Nothing is known of it.
    Unknown(String),
}

/// Decides about a topic. A topic that is there is used with as many partitions as it has, never with fewer copies or more.
pub fn topic_step(topic: &Topic, seen: Option<&TopicSeen>) -> TopicStep {
    let name = &topic.name;
    match seen {
        None => TopicStep::Unknown(format!("topic {name} has not been looked at yet")),
        Some(TopicSeen::Unknown(error)) => TopicStep::Unknown(format!("topic {name}: {error}")),
        Some(TopicSeen::Missing) if topic.managed => TopicStep::Create,
        Some(TopicSeen::Missing) => TopicStep::Conflict(format!(
            "topic {name} does not exist and managed is false: create it, or set managed to true"
        )),
        Some(TopicSeen::Present(_)) if !topic.managed => TopicStep::Ready,
        Some(TopicSeen::Present(facts)) if facts.replication_factor != topic.replication_factor => {
            TopicStep::Conflict(format!(
                "topic {name} exists with replicationFactor {}, the manifest says {}: write {0} there, set managed to false, or use another name",
                facts.replication_factor, topic.replication_factor
            ))
        }
        Some(TopicSeen::Present(facts)) => match i32::try_from(facts.partitions.len()).unwrap_or(i32::MAX) {
            there if there < topic.partitions => TopicStep::Grow(there),
            _ => TopicStep::Ready,
        },
    }
}

/// Whether a topic is the very one that this practice made.
fn is_ours(former: Option<&TopicStatus>, seen: Option<&TopicSeen>) -> bool {
    let Some(TopicSeen::Present(facts)) = seen else { return false };
    former.is_some_and(|former| former.created_topic_id.as_ref() == Some(&facts.id))
}

/// What is known of a topic from before.
struct Known {
    /// Its id, if it is there.
    id: Option<String>,
    /// Its configuration was compared with this very manifest's: it is not asked for again.
    settled: bool,
    ours: bool,
    /// Keys that were set on our own topic and that the manifest names no longer.
    released: Vec<String>,
}

fn known(
    key: &Key,
    before: Option<&PracticeStatus>,
    plan: &Plan,
    topic: &Topic,
    seen: Option<&TopicSeen>,
    memories: &Memories,
) -> Known {
    let id = match seen {
        Some(TopicSeen::Present(facts)) => Some(facts.id.clone()),
        _ => None,
    };
    let settled = id.as_ref().is_some_and(|id| memories.is_settled(key, &topic.name, plan.generation, id));
    let former = before.and_then(|before| before.topics.iter().find(|status| status.name == topic.name));
    let ours = is_ours(former, seen);
    let released = former.filter(|_| ours).map(|former| released(topic, former).cloned().collect());
    Known { id, settled, ours, released: released.unwrap_or_default() }
}

/// Keys that a practice has set on its own topic, and that the manifest names no longer.
pub(crate) fn released<'a>(topic: &'a Topic, status: &'a TopicStatus) -> impl Iterator<Item = &'a String> {
    status.configured.iter().filter(|key| topic.managed && !topic.config.contains_key(*key))
}

/// What a manifest sets otherwise than the one before it, key by key, and the keys that go `back`.
pub fn settings<'a>(topic: &Topic, former: Option<&Topic>, back: impl Iterator<Item = &'a String>) -> Vec<String> {
    let is_new =
        |(key, value): &(&String, &String)| former.is_none_or(|former| former.config.get(*key) != Some(*value));
    let set = topic.config.iter().filter(is_new).map(|(key, value)| setting(key, Some(value)));
    set.chain(back.map(|key| setting(key, None))).collect()
}

/// `retention.ms=60000`; without a value `retention.ms back to its default`.
fn setting(key: &str, value: Option<&String>) -> String {
    value.map_or_else(|| format!("{key} back to its default"), |value| format!("{key}={value}"))
}

async fn prepare_topic(kafka: &Kafka, topic: &Topic, seen: Option<&TopicSeen>, known: &Known, prepared: &mut Prepared) {
    let name = &topic.name;
    let done = match topic_step(topic, seen) {
        TopicStep::Create => {
            let made = kafka.create_topic(name, topic.partitions, topic.replication_factor, &topic.config).await;
            made.map(|made| match made {
                Made::Created => {
                    prepared.created.insert(name.clone());
                    prepared.configured.insert(name.clone(), topic.config.keys().cloned().collect());
                    prepared.deeds.push(Deed::Created { topic: name.clone(), partitions: topic.partitions });
                }
                Made::AlreadyThere => {} // the next look shows what it is
            })
        }
        step @ (TopicStep::Grow(_) | TopicStep::Ready) => adapt(kafka, topic, &step, known, prepared).await,
        TopicStep::Conflict(_) | TopicStep::Unknown(_) => Ok(()),
    };
    if let Err(error) = done {
        prepared.refused.insert(name.clone(), Refusal::Refused(refusal(topic, &error)));
    }
}

/// Configures and grows a topic that is there. One that this practice did not make keeps its configuration, and where that is
/// another nothing of it is changed.
async fn adapt(
    kafka: &Kafka,
    topic: &Topic,
    step: &TopicStep,
    known: &Known,
    prepared: &mut Prepared,
) -> Result<(), KafkaError> {
    let name = &topic.name;
    let differing =
        if known.settled { BTreeMap::new() } else { differing_config(kafka, topic, &known.released).await? };
    match differing.first_key_value() {
        Some((key, there)) if !known.ours => {
            let (there, wanted) = (there.as_deref().unwrap_or("its default"), &topic.config[key]);
            let why = format!(
                "topic {name} exists with {key} at `{there}`, the manifest says `{wanted}`: make them agree, or set managed to false"
            );
            prepared.refused.insert(name.clone(), Refusal::Conflict(why));
            return Ok(());
        }
        Some(_) => {
            let wanted = |key: String| (key.clone(), topic.config.get(&key).cloned());
            let set: BTreeMap<_, _> = differing.into_keys().map(wanted).collect();
            kafka.configure_topic(name, &set).await?;
            let set = set.iter().map(|(key, value)| setting(key, value.as_ref())).collect();
            prepared.deeds.push(Deed::Configured { topic: name.clone(), set });
        }
        None => {}
    }
    if topic.managed {
        prepared.configured.insert(name.clone(), topic.config.keys().cloned().collect());
    }
    if let TopicStep::Grow(from) = *step {
        kafka.grow_topic(name, topic.partitions).await?;
        prepared.deeds.push(Deed::Grown { topic: name.clone(), from, to: topic.partitions });
    }
    Ok(())
}

/// Each key of a topic's configuration that is not as the manifest says, with what is set there; `None`: its default. `released`:
/// keys that should be at their default again.
async fn differing_config(
    kafka: &Kafka,
    topic: &Topic,
    released: &[String],
) -> Result<BTreeMap<String, Option<String>>, KafkaError> {
    if !topic.managed || (topic.config.is_empty() && released.is_empty()) {
        return Ok(BTreeMap::new());
    }
    let set = kafka.topic_config(&topic.name).await?;
    let wanted = topic.config.iter().map(|(key, value)| (key, Some(value)));
    let wanted = wanted.chain(released.iter().map(|key| (key, None)));
    let differs = wanted.filter(|(key, value)| set.get(*key) != *value);
    Ok(differs.map(|(key, _)| (key.clone(), set.get(key).cloned())).collect())
}

fn refusal(topic: &Topic, error: &KafkaError) -> String {
    let name = &topic.name;
    match error {
        KafkaError::Answered { code, message } if code == "InvalidReplicationFactor" => format!(
            "topic {name}: replicationFactor is {}, more than there are brokers ({message}): add brokers, or use a topic with a smaller one",
            topic.replication_factor
        ),
        error => format!("topic {name}: {error}"),
    }
}

/// Whether it matters if this Kafka runs groups of the new protocol: one that runs there is proof enough.
fn needs_consumer_protocol(group: &GroupPlan, seen: Option<&GroupSeen>) -> bool {
    let runs = seen.is_none_or(|seen| seen.protocol == Some(practice_groups::Protocol::Consumer));
    group.protocol == practice_contract::Protocol::Consumer && !runs
}

fn unsupported(group: &GroupPlan) -> String {
    format!(
        "group {} wants protocol Consumer, which this Kafka does not have (its feature group.version is 0): use Classic, or upgrade to Kafka 4.0 and raise group.version to 1",
        group.id
    )
}

/// Whether a group's consumers may start: nobody has used the group id, or only this practice.
fn claim(plan: &Plan, group: &GroupPlan, seen: Option<&GroupSeen>, live: &Live) -> Result<(), Unclaimed> {
    let Some(seen) = seen else { return Err(Unclaimed::Unknown) };
    let Some(committed) = &seen.committed else { return Err(Unclaimed::Unknown) };
    if seen.state == GroupState::Unknown {
        return Err(Unclaimed::Unknown);
    }
    let conflict = |why: String| {
        let fix = "choose another name, or stop the other application and delete the group's offsets";
        Err(Unclaimed::Conflict(format!("group id {} is in use: {why}; {fix}", group.id)))
    };
    if let Some(stranger) = seen.members.iter().find(|member| !live.is_pod(&member.client_id)) {
        return conflict(format!("its member {} on {} is not of this practice", stranger.client_id, stranger.host));
    }
    let ours = commit_metadata(&format!("{}/{}", plan.namespace, plan.name));
    if let Some(((topic, partition), _)) = committed.iter().find(|(_, committed)| committed.metadata != ours) {
        return conflict(format!("its committed offset of {topic}/{partition} is not this practice's"));
    }
    Ok(())
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

#[cfg(test)]
mod tests {
    use practice_groups::{Bounds, Committed, MemberSeen, TopicFacts};

    use super::*;
    use crate::{live::LivePod, status::tests::plan_of};

    fn present(partitions: usize, replication_factor: i32) -> TopicSeen {
        let bounds = Some(Bounds { start: 0, end: 0 });
        TopicSeen::Present(TopicFacts {
            id: "a".into(),
            replication_factor,
            partitions: vec![bounds; partitions],
            ..TopicFacts::default()
        })
    }

    #[test]
    fn a_topic_is_made_grown_used_or_left_alone() {
        let plan =
            plan_of(serde_json::json!({"topics": [{"name": "t", "partitions": 3}, {"name": "u", "managed": false}]}));
        let (t, u) = (&plan.topics[0], &plan.topics[1]);
        assert_eq!(topic_step(t, Some(&TopicSeen::Missing)), TopicStep::Create);
        assert_eq!(topic_step(t, Some(&present(1, 1))), TopicStep::Grow(1));
        assert_eq!(topic_step(t, Some(&present(3, 1))), TopicStep::Ready);
        assert_eq!(topic_step(t, Some(&present(9, 1))), TopicStep::Ready);
        assert!(
            matches!(topic_step(t, Some(&present(3, 2))), TopicStep::Conflict(why) if why.contains("replicationFactor 2"))
        );
        assert!(matches!(topic_step(t, None), TopicStep::Unknown(_)));
        assert_eq!(topic_step(u, Some(&present(9, 3))), TopicStep::Ready);
        assert!(
            matches!(topic_step(u, Some(&TopicSeen::Missing)), TopicStep::Conflict(why) if why.contains("managed"))
        );
    }

    #[test]
    fn a_group_id_is_claimed_only_where_nobody_else_uses_it() {
        let plan = plan_of(serde_json::json!({"topics": [{"name": "t"}], "groups": [{"name": "g"}]}));
        let group = &plan.groups[0];
        let pods = vec![LivePod { name: "p-g-1".into(), group: Some("g".into()), ..LivePod::default() }];
        let live = Live { pods, ..Live::default() };
        let member = |client_id: &str| MemberSeen {
            member_id: "m".into(),
            client_id: client_id.into(),
            host: "/1.2.3.4".into(),
            partitions: None,
        };
        let commit = |metadata: &str| {
            Some(BTreeMap::from([(("t".to_owned(), 0), Committed { offset: 1, metadata: metadata.into() })]))
        };
        let seen = |state, members, committed| GroupSeen { state, members, committed, ..GroupSeen::default() };
        let ours = "kafka-practice:n/p";
        let claims = |seen: &GroupSeen| claim(&plan, group, Some(seen), &live);
        assert_eq!(claims(&seen(GroupState::Absent, vec![], Some(BTreeMap::new()))), Ok(()));
        assert_eq!(claims(&seen(GroupState::Empty, vec![], commit(ours))), Ok(()));
        assert_eq!(claims(&seen(GroupState::Stable, vec![member("p-g-1")], commit(ours))), Ok(()));
        assert_eq!(claims(&seen(GroupState::Empty, vec![], None)), Err(Unclaimed::Unknown));
        assert_eq!(claims(&GroupSeen::default()), Err(Unclaimed::Unknown));
        for foreign in [
            seen(GroupState::Stable, vec![member("other")], commit(ours)),
            seen(GroupState::Empty, vec![], commit("")),
            seen(GroupState::Empty, vec![], commit("kafka-practice:n/p2")),
        ] {
            assert!(matches!(claims(&foreign), Err(Unclaimed::Conflict(_))), "{foreign:?}");
        }
    }
}
