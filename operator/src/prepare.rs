//! Creates, extends and configures topics, claims group ids, and pins where groups start. In: a plan, and the latest poll of Kafka.
//! Out: the state and the changes as a value: an unreachable Kafka or a refusal is not an error here. Deliberately absent: any change
//! of topics and groups that do not belong to this practice.

use std::collections::BTreeSet;

use practice_api::PracticeStatus;
use practice_plan::{
    outcome::{KafkaChange, Prepared, Unclaimed},
    plan::{GroupPlan, Plan},
};

use self::{
    groups::{claim, needs_consumer_protocol, unsupported},
    starts::pin_starts,
    topics::prepare_topics,
};
use crate::{
    live::Live,
    memory::PracticeStates,
    objects::holds,
    reader::{Interest, Key, Reader},
};

mod groups;
mod starts;
mod topics;

/// Creates, extends and configures topics and claims group ids. `holder` returns another practice that owns a group's id, or is
/// older and needs it.
pub async fn prepare(
    plan: &Plan,
    live: &Live,
    holder: &(dyn Fn(&GroupPlan) -> Option<String> + Sync),
    memories: &PracticeStates,
    before: Option<&PracticeStatus>,
) -> Prepared {
    let key = (plan.namespace.clone(), plan.name.clone());
    let readers = &memories.readers;
    let reader = readers.reader(&plan.bootstrap);
    let poll = reader.poll(&key, &interest(plan)).await;
    // ownership applies to one Kafka, whatever its address
    let is_ours = |address: &str| readers.is_same_kafka(address, &plan.bootstrap) == Some(true);
    let address = before.and_then(|before| before.bootstrap_servers.as_deref());
    let is_same = address.is_some_and(is_ours);
    readers.forget(&key, Some(&plan.bootstrap));
    let is_listed = |group: &str| {
        let mut groups = before.iter().flat_map(|before| &before.groups);
        groups.any(|listed| listed.name == group)
    };
    // without status, a Deployment shows a claim also while Kafka does not answer
    let shown: BTreeSet<&str> = plan
        .groups
        .iter()
        .map(|group| group.id.as_str())
        .filter(|group| !is_listed(group) && live.shows_claim(plan, group, is_ours))
        .collect();
    let (before, former) = if is_same {
        (before, None)
    } else {
        (None, before)
    };
    let mut prepared = Prepared {
        poll: Some(poll.clone()),
        is_same_kafka: is_same,
        ..Prepared::default()
    };
    let claims = Claims {
        holder,
        before,
        shown: &shown,
    };
    claim_groups(plan, live, &claims, memories, &reader, &mut prepared).await;
    if let Some(former) = former.filter(|former| is_undecided(plan, former, &prepared)) {
        stay(plan, former, &key, memories, &mut prepared);
        prepared.holds = holds(plan, &prepared.unclaimed, live);
        return prepared;
    }
    memories.keep_named(plan, &plan.bootstrap);
    if let Ok(snapshot) = &poll {
        prepare_topics(plan, snapshot, &reader, before, memories, &mut prepared).await;
    }
    pin_starts(reader.kafka(), plan, live, &claims, &mut prepared).await;
    prepared.holds = holds(plan, &prepared.unclaimed, live);
    prepared
}

/// What shows the owner of a group id, besides members and commits in Kafka.
struct Claims<'a> {
    /// Another practice that owns a group's id, or is older and needs it.
    holder: &'a (dyn Fn(&GroupPlan) -> Option<String> + Sync),
    /// The status before, on the same Kafka.
    before: Option<&'a PracticeStatus>,
    /// Group ids that are in no status, and that a Deployment of this practice shows to be its own.
    shown: &'a BTreeSet<&'a str>,
}

/// Claims the group ids of a plan.
async fn claim_groups(
    plan: &Plan,
    live: &Live,
    claims: &Claims<'_>,
    memories: &PracticeStates,
    reader: &Reader,
    prepared: &mut Prepared,
) {
    let key = (plan.namespace.clone(), plan.name.clone());
    let snapshot = prepared.poll.clone().and_then(Result::ok);
    let mut takes_consumer_protocol = None;
    for group in &plan.groups {
        let seen = snapshot
            .as_ref()
            .and_then(|snapshot| snapshot.group(&group.id));
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
        if claims
            .before
            .is_some_and(|before| before.owns_group_id(&group.id))
        {
            let _ = memories.claim(&key, &plan.bootstrap, &group.id); // owned according to status
            continue;
        }
        let taken = |holder: &str| {
            let id = &group.id;
            Unclaimed::Conflict(format!(
                "group id {id} belongs to the older practice {holder}: choose another name"
            ))
        };
        let is_shown = claims.shown.contains(group.id.as_str());
        let free = || {
            if is_shown {
                Ok(())
            } else {
                claim(plan, group, seen, live)
            }
        };
        let claim = match (claims.holder)(group) {
            Some(holder) => Err(taken(&holder)),
            None => free().and_then(|()| {
                let claimed = memories.claim(&key, &plan.bootstrap, &group.id);
                claimed.map_err(|(namespace, name)| taken(&format!("{namespace}/{name}")))
            }),
        };
        match claim {
            Ok(()) if is_shown => {}
            Ok(()) => prepared.kafka_changes.push(KafkaChange::Claimed {
                group: group.id.clone(),
            }),
            Err(why) => drop(prepared.unclaimed.insert(group.id.clone(), why)),
        }
    }
}

/// Whether a group id that the practice owns on its former Kafka is neither claimed nor refused on the new one: an address that
/// does not answer, or is not a Kafka, must not stop working consumers.
fn is_undecided(plan: &Plan, former: &PracticeStatus, prepared: &Prepared) -> bool {
    plan.groups.iter().any(|group| {
        let waits = matches!(
            prepared.unclaimed.get(&group.id),
            Some(Unclaimed::Unknown | Unclaimed::Denied(_))
        );
        waits && former.owns_group_id(&group.id)
    })
}

/// Keeps everything on the former Kafka: groups that are owned there run, others do not start.
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
            let _ = memories.claim(key, bootstrap, &group.id); // owned according to the former status
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

/// Topics and groups that a practice uses.
pub fn interest(plan: &Plan) -> Interest {
    Interest {
        topics: plan.topics.iter().map(|topic| topic.name.clone()).collect(),
        groups: plan.groups.iter().map(|group| group.id.clone()).collect(),
    }
}
