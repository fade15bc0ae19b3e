//! The Kafka side before anything runs: topics exist and have grown, group ids are claimed. In: a plan, and the latest
//! look at Kafka. Out: what stands and what was done, as a value: a Kafka that is down or says no stops nobody here.
//! Deliberately absent: anything that would change a topic or a group that is not this practice's.

use practice_api::{PracticeStatus, status::TopicStatus};
use practice_plan::{
    outcome::{KafkaChange, Prepared, Unclaimed},
    plan::{GroupPlan, Plan},
};

use self::{
    groups::{claim, needs_consumer_protocol, unsupported},
    topics::{known, prepare_topic},
};
use crate::{
    live::Live,
    memory::PracticeStates,
    objects::holds,
    reader::{Interest, Key, Reader},
};

mod groups;
mod topics;

/// Makes topics as the plan wants them and claims group ids. `holder` names another practice that has a group's id, or is
/// older and wants it.
pub async fn prepare(
    plan: &Plan,
    live: &Live,
    holder: &(dyn Fn(&GroupPlan) -> Option<String> + Sync),
    memories: &PracticeStates,
    before: Option<&PracticeStatus>,
) -> Prepared {
    let key = (plan.namespace.clone(), plan.name.clone());
    memories.readers.forget(&key, Some(&plan.bootstrap));
    let reader = memories.readers.reader(&plan.bootstrap);
    let look = reader.look(&key, &interest(plan)).await;
    let mut prepared = Prepared {
        look: Some(look.clone()),
        ..Prepared::default()
    };
    // a claim holds for the Kafka it was made on
    let (before, former) = match before {
        Some(before) if before.bootstrap_servers.as_ref() == Some(&plan.bootstrap) => {
            (Some(before), None)
        }
        former => (None, former),
    };
    claim_groups(plan, live, holder, memories, &reader, before, &mut prepared).await;
    if let Some(former) = former.filter(|former| is_undecided(plan, former, &prepared)) {
        stay(plan, former, &key, memories, &mut prepared);
        prepared.holds = holds(plan, &prepared.unclaimed, live);
        return prepared;
    }
    memories.keep_named(plan, &plan.bootstrap);
    for topic in &plan.topics {
        let seen = look
            .as_ref()
            .ok()
            .and_then(|snapshot| snapshot.topics.get(&topic.name));
        let known = known(&key, before, plan, topic, seen, memories);
        prepare_topic(reader.kafka(), topic, seen, &known, &mut prepared).await;
        if let (Some(id), true) = (known.id, prepared.is_as_described(topic)) {
            memories.settled(&key, &topic.name, plan.generation, id);
        }
    }
    remember_created(&key, before, &mut prepared, memories);
    prepared.holds = holds(plan, &prepared.unclaimed, live);
    prepared
}

/// Claims the group ids of a plan. `before`: status as it was, on the same Kafka.
async fn claim_groups(
    plan: &Plan,
    live: &Live,
    holder: &(dyn Fn(&GroupPlan) -> Option<String> + Sync),
    memories: &PracticeStates,
    reader: &Reader,
    before: Option<&PracticeStatus>,
    prepared: &mut Prepared,
) {
    let key = (plan.namespace.clone(), plan.name.clone());
    let look = prepared.look.clone().and_then(Result::ok);
    let mut takes_consumer_protocol = None;
    for group in &plan.groups {
        let seen = look
            .as_ref()
            .and_then(|snapshot| snapshot.groups.get(&group.id));
        if takes_consumer_protocol.is_none() && needs_consumer_protocol(group, seen) {
            takes_consumer_protocol =
                Some(reader.kafka().has_consumer_protocol().await.unwrap_or(true));
        }
        if takes_consumer_protocol == Some(false) && needs_consumer_protocol(group, seen) {
            prepared
                .unclaimed
                .insert(group.id.clone(), Unclaimed::Unsupported(unsupported(group)));
            continue;
        }
        if before.is_some_and(|before| before.owns_group_id(&group.id)) {
            let _ = memories.claim(&key, &plan.bootstrap, &group.id); // status says whose it is
            continue;
        }
        let taken = |holder: &str| {
            let id = &group.id;
            Unclaimed::Conflict(format!(
                "group id {id} belongs to the older practice {holder}: choose another name"
            ))
        };
        let claim = match holder(group) {
            Some(holder) => Err(taken(&holder)),
            None => claim(plan, group, seen, live).and_then(|()| {
                let claimed = memories.claim(&key, &plan.bootstrap, &group.id);
                claimed.map_err(|(namespace, name)| taken(&format!("{namespace}/{name}")))
            }),
        };
        match claim {
            Ok(()) => prepared.kafka_changes.push(KafkaChange::Claimed {
                group: group.id.clone(),
            }),
            Err(why) => drop(prepared.unclaimed.insert(group.id.clone(), why)),
        }
    }
}

/// Whether the id of a group that a practice owns on its former Kafka could not be claimed on the new one yet, nor refused: an
/// address that does not answer, or answers as something else, must not stop a consumer that works.
fn is_undecided(plan: &Plan, former: &PracticeStatus, prepared: &Prepared) -> bool {
    plan.groups.iter().any(|group| {
        let waits = matches!(
            prepared.unclaimed.get(&group.id),
            Some(Unclaimed::Unknown | Unclaimed::Denied(_))
        );
        waits && former.owns_group_id(&group.id)
    })
}

/// Leaves everything on the former Kafka: groups that are owned there run, others do not start.
fn stay(
    plan: &Plan,
    former: &PracticeStatus,
    key: &Key,
    memories: &PracticeStates,
    prepared: &mut Prepared,
) {
    let Some(bootstrap) = &former.bootstrap_servers else {
        return;
    };
    prepared.kafka_changes.clear(); // claims on the new Kafka are made, and reported, when it is used
    for group in &plan.groups {
        if former.owns_group_id(&group.id) {
            prepared.unclaimed.remove(&group.id);
            let _ = memories.claim(key, bootstrap, &group.id); // the former status says whose it is
        } else {
            prepared
                .unclaimed
                .entry(group.id.clone())
                .or_insert(Unclaimed::Unknown);
        }
    }
    memories.keep_named(plan, bootstrap);
    prepared.former_bootstrap = Some(bootstrap.clone());
}

/// What a practice wants to see of its Kafka.
pub fn interest(plan: &Plan) -> Interest {
    Interest {
        topics: plan.topics.iter().map(|topic| topic.name.clone()).collect(),
        groups: plan.groups.iter().map(|group| group.id.clone()).collect(),
    }
}

/// Remembers which topics were created until status has their ids: not every broker knows of a new topic at once.
fn remember_created(
    key: &Key,
    before: Option<&PracticeStatus>,
    prepared: &mut Prepared,
    memories: &PracticeStates,
) {
    let is_written = |topic: &String| {
        let status =
            before.and_then(|before| before.topics.iter().find(|status| status.name == *topic));
        status.is_some_and(TopicStatus::is_own)
    };
    let mut memories = memories.all();
    let created = &mut memories.entry(key.clone()).or_default().created;
    created.retain(|topic| !is_written(topic));
    created.append(&mut prepared.created);
    prepared.created.clone_from(created);
}
