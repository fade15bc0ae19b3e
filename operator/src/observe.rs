//! In: a plan and what was prepared. Out: what Kafka says now, and who has been idle for long enough to be called so.
//! Reads only.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use jiff::{SignedDuration, Timestamp};
use practice_api::PracticeStatus;
use practice_groups::{GroupState, KafkaError, Snapshot};

use crate::{memory::Memories, plan::Plan, prepare::Prepared, reader::Look};

/// How long a member has to be without a partition, in a stable group, before it is called idle.
pub const IDLE_AFTER: SignedDuration = SignedDuration::from_secs(5);

/// What Kafka says about a practice.
#[derive(Debug)]
pub struct Observed {
    /// Topics and groups, or why nothing is known of them.
    pub look: Look,
    /// Idle members, by group and member id.
    pub idle: BTreeSet<(String, String)>,
    /// When somebody may become idle: to be looked at again.
    pub again: Option<Duration>,
}

/// Looks at Kafka, afresh if it was changed.
pub async fn observe(
    plan: &Plan,
    prepared: &Prepared,
    before: Option<&PracticeStatus>,
    memories: &Memories,
    clock: impl Fn() -> Timestamp,
) -> Observed {
    let look = match &prepared.look {
        Some(look) if !prepared.changed() => look.clone(),
        _ => memories.readers.reader(&plan.bootstrap).fresh().await,
    };
    observed(plan, look, before, memories, clock())
}

/// What a look says about a practice. Who was idle `before` is so at once, not after another while: an operator that has
/// just started remembers nobody, and would otherwise take it back and say it again.
pub fn observed(
    plan: &Plan,
    look: Look,
    before: Option<&PracticeStatus>,
    memories: &Memories,
    now: Timestamp,
) -> Observed {
    let mut memories = memories.all();
    let since = &mut memories.entry((plan.namespace.clone(), plan.name.clone())).or_default().idle_since;
    for known in before.into_iter().flat_map(idle_members) {
        since.entry(known).or_insert(now - IDLE_AFTER);
    }
    *since = look.as_ref().map(|snapshot| waiting(plan, snapshot, since, now)).unwrap_or_default();
    let (idle, soon): (BTreeMap<_, _>, BTreeMap<_, _>) =
        since.clone().into_iter().partition(|(_, since)| now.duration_since(*since) >= IDLE_AFTER);
    let left = soon.values().map(|since| IDLE_AFTER - now.duration_since(*since)).min();
    Observed {
        look,
        idle: idle.into_keys().collect(),
        again: left.and_then(|left| Duration::try_from(left).ok()).map(|left| left + Duration::from_millis(100)),
    }
}

/// Whom a status calls idle, by group and member id.
fn idle_members(status: &PracticeStatus) -> impl Iterator<Item = (String, String)> {
    status.groups.iter().flat_map(|group| {
        let idle = group.members.iter().filter(|member| member.idle_because.is_some());
        idle.map(|member| (group.name.clone(), member.member_id.clone()))
    })
}

/// Members without a partition in stable groups, each with the time since when.
fn waiting(
    plan: &Plan,
    snapshot: &Arc<Snapshot>,
    since: &BTreeMap<(String, String), Timestamp>,
    now: Timestamp,
) -> BTreeMap<(String, String), Timestamp> {
    let mut waiting = BTreeMap::new();
    for group in &plan.groups {
        let Some(seen) = snapshot.groups.get(&group.id).filter(|seen| seen.state == GroupState::Stable) else {
            continue;
        };
        for member in seen.members.iter().filter(|member| member.partitions.as_ref().is_some_and(Vec::is_empty)) {
            let key = (group.id.clone(), member.member_id.clone());
            let since = since.get(&key).copied().unwrap_or(now);
            waiting.insert(key, since);
        }
    }
    waiting
}

impl Observed {
    /// The look, if there is one.
    pub fn snapshot(&self) -> Option<&Snapshot> {
        self.look.as_ref().ok().map(Arc::as_ref)
    }

    /// Why there is none.
    pub fn outage(&self) -> Option<&KafkaError> {
        self.look.as_ref().err().map(Arc::as_ref)
    }
}

#[cfg(test)]
mod tests {
    use practice_groups::{GroupSeen, MemberSeen};

    use super::*;
    use crate::status::tests::plan_of;

    #[test]
    fn waiting_is_to_own_nothing_in_a_stable_group_and_its_time_is_kept() {
        let plan = plan_of(serde_json::json!({"topics": [{"name": "t"}], "groups": [{"name": "g"}]}));
        let (then, now) = (Timestamp::UNIX_EPOCH, Timestamp::UNIX_EPOCH + SignedDuration::from_secs(60));
        let since = BTreeMap::from([(("g".to_owned(), "m".to_owned()), then)]);
        let nothing = || Some(Vec::new());
        for (state, partitions, since, expected) in [
            (GroupState::Stable, nothing(), &BTreeMap::new(), Some(now)),
            (GroupState::Stable, nothing(), &since, Some(then)),
            (GroupState::Stable, Some(vec![("t".to_owned(), 0)]), &since, None),
            (GroupState::Stable, None, &since, None),
            (GroupState::PreparingRebalance, nothing(), &since, None),
            (GroupState::Unknown, nothing(), &since, None),
        ] {
            let host = "/10.0.0.1".to_owned();
            let member = MemberSeen { member_id: "m".into(), client_id: "c".into(), host, partitions };
            let seen = GroupSeen { state, members: vec![member], ..GroupSeen::default() };
            let snapshot = Snapshot { groups: [("g".to_owned(), seen)].into(), ..Snapshot::default() };
            let waiting = waiting(&plan, &Arc::new(snapshot), since, now);
            assert_eq!(waiting.into_values().next(), expected, "{state}");
        }
    }
}
