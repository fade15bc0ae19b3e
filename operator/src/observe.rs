//! In: a plan and the result of `prepare`. Out: the latest poll of Kafka, lag trends and health from the history of polls, and idle
//! members. Reads only.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use jiff::SignedDuration;
use practice_api::{PracticeStatus, status::OwnedPartition};
use practice_groups::{GroupState, Partition, PartitionSet, PollResult, Snapshot, TopicSeen, at};
use practice_plan::{
    outcome::{Observed, Prepared},
    plan::Plan,
};

use crate::{memory::PracticeStates, transactions::explain_stalls};

/// A member is idle after this time without a partition in a stable group.
pub const IDLE_AFTER: SignedDuration = SignedDuration::from_secs(5);

/// Evaluates the latest poll, or a new one if Kafka was changed. Uses the monotonic clock: the wall clock may be set back.
pub async fn observe(
    plan: &Plan,
    prepared: &Prepared,
    before: Option<&PracticeStatus>,
    memories: &PracticeStates,
) -> Observed {
    let poll = match &prepared.poll {
        Some(poll) if !prepared.changed() => poll.clone(),
        _ => memories.readers.reader(&plan.bootstrap).fresh().await,
    };
    let tick = SignedDuration::from_millis(memories.tick());
    let mut observed = observed(plan, poll, before, memories, tick);
    explain_stalls(plan, &mut observed, memories).await;
    observed
}

/// Evaluates a poll. `tick` is monotonic. A member that status `before` reports as idle is idle at once: an operator that has
/// just started has no history, and would otherwise report it as busy, then as idle again.
pub fn observed(
    plan: &Plan,
    poll: PollResult,
    before: Option<&PracticeStatus>,
    memories: &PracticeStates,
    tick: SignedDuration,
) -> Observed {
    let before = before.filter(|before| before.bootstrap_servers.as_ref() == Some(&plan.bootstrap));
    let poll = poll.map(|snapshot| outdated(snapshot, before));
    let lag_trends = poll
        .as_ref()
        .map(|snapshot| memories.readers.lag_trends(plan, snapshot))
        .unwrap_or_default();
    let health = poll
        .as_ref()
        .map(|snapshot| memories.readers.health(plan, snapshot))
        .unwrap_or_default();
    let mut memories = memories.all();
    let since = &mut memories
        .entry((plan.namespace.clone(), plan.name.clone()))
        .or_default()
        .idle_since;
    for known in before.into_iter().flat_map(idle_members) {
        since.entry(known).or_insert(tick - IDLE_AFTER);
    }
    *since = poll
        .as_ref()
        .map(|snapshot| waiting(plan, snapshot, since, tick))
        .unwrap_or_default();
    let (idle, soon): (BTreeMap<_, _>, BTreeMap<_, _>) = since
        .clone()
        .into_iter()
        .partition(|(_, since)| tick - *since >= IDLE_AFTER);
    let idle_soon = soon
        .values()
        .filter_map(|since| Duration::try_from(IDLE_AFTER - (tick - *since)).ok());
    let again = idle_soon
        .chain(health.values().filter_map(|judged| judged.recheck_in))
        .min();
    Observed {
        poll,
        lag_trends,
        health,
        idle: idle.into_keys().collect(),
        again: again.map(|left| left + Duration::from_millis(100)),
    }
}

/// Marks commits of a recreated topic as outdated, from the status before (which a former operator process may have written):
/// the topic had another id, or the commit was marked already, and the commit is unchanged.
fn outdated(mut snapshot: Arc<Snapshot>, before: Option<&PracticeStatus>) -> Arc<Snapshot> {
    let Some(before) = before else {
        return snapshot;
    };
    let is_another = |topic: &str| {
        let former = before
            .topics
            .iter()
            .find(|status| status.name == topic)
            .and_then(|topic| topic.topic_id.as_ref());
        match snapshot.topics.get(topic) {
            Some(TopicSeen::Present(facts)) => former.is_some_and(|former| *former != facts.id),
            _ => false,
        }
    };
    let mut found: Vec<(&str, Partition)> = Vec::new();
    for group in &before.groups {
        let Some(seen) = snapshot.group(&group.name) else {
            continue;
        };
        let shares = group.shares();
        let suspect = |share: &&OwnedPartition| {
            share.lag_reason.as_deref() == Some("Recreated") || is_another(&share.topic)
        };
        for share in shares.filter(suspect) {
            let partition = (share.topic.clone(), share.partition);
            let committed = seen
                .committed
                .as_ref()
                .and_then(|all| all.get(at(&partition)))
                .map(|commit| commit.offset);
            if committed.is_some()
                && committed == share.committed
                && !seen.outdated.contains(at(&partition))
            {
                found.push((&group.name, partition));
            }
        }
    }
    if !found.is_empty() {
        let groups = &mut Arc::make_mut(&mut snapshot).groups;
        for (group, partition) in found {
            let group = groups.entry(group.to_owned()).or_default();
            Arc::make_mut(group).outdated.insert(at(&partition), ());
        }
    }
    snapshot
}

/// Idle members of a status, by group and member id.
fn idle_members(status: &PracticeStatus) -> impl Iterator<Item = (String, String)> {
    status.groups.iter().flat_map(|group| {
        let idle = group
            .members
            .iter()
            .filter(|member| member.idle_because.is_some());
        idle.map(|member| (group.name.clone(), member.member_id.clone()))
    })
}

/// Members without a partition in stable groups, with the monotonic time since when.
fn waiting(
    plan: &Plan,
    snapshot: &Snapshot,
    since: &BTreeMap<(String, String), SignedDuration>,
    tick: SignedDuration,
) -> BTreeMap<(String, String), SignedDuration> {
    let mut waiting = BTreeMap::new();
    for group in &plan.groups {
        let Some(seen) = snapshot
            .group(&group.id)
            .filter(|seen| seen.state == GroupState::Stable)
        else {
            continue;
        };
        for member in seen.members.iter().filter(|member| {
            member
                .partitions
                .as_ref()
                .is_some_and(PartitionSet::is_empty)
        }) {
            let key = (group.id.clone(), member.member_id.clone());
            let since = since.get(&key).copied().unwrap_or(tick);
            waiting.insert(key, since);
        }
    }
    waiting
}

#[cfg(test)]
mod tests {
    use practice_groups::{Committed, GroupSeen, MemberSeen, witness::Runtime};

    use super::*;
    use practice_plan::{testing::World, testing::plan_of};

    #[test]
    fn waiting_is_to_own_nothing_in_a_stable_group_and_its_time_is_kept() {
        let plan =
            plan_of(serde_json::json!({"topics": [{"name": "t"}], "groups": [{"name": "g"}]}));
        let (then, now) = (SignedDuration::ZERO, SignedDuration::from_secs(60));
        let since = BTreeMap::from([(("g".to_owned(), "m".to_owned()), then)]);
        let nothing = || Some(PartitionSet::default());
        for (state, partitions, since, expected) in [
            (GroupState::Stable, nothing(), &BTreeMap::new(), Some(now)),
            (GroupState::Stable, nothing(), &since, Some(then)),
            (
                GroupState::Stable,
                Some(vec![("t".to_owned(), 0)].into()),
                &since,
                None,
            ),
            (GroupState::Stable, None, &since, None),
            (GroupState::PreparingRebalance, nothing(), &since, None),
            (GroupState::Unknown, nothing(), &since, None),
        ] {
            let host = "/10.0.0.1".to_owned();
            let member = MemberSeen {
                member_id: "m".into(),
                client_id: "c".into(),
                host,
                partitions,
            };
            let seen = GroupSeen {
                state,
                members: vec![member],
                ..GroupSeen::default()
            };
            let snapshot = Snapshot {
                groups: [("g".to_owned(), seen.into())].into(),
                ..Snapshot::default()
            };
            let waiting = waiting(&plan, &snapshot, since, now);
            assert_eq!(waiting.into_values().next(), expected, "{state}");
        }
    }

    /// A group of one topic whose second member waits; committed up to 7 of 9.
    fn world() -> (World, PracticeStates) {
        let spec = serde_json::json!({"topics": [{"name": "t"}], "groups": [{"name": "g", "replicas": 2}]});
        let mut world = World::settled(spec);
        world.group("g", |group| {
            let committed = Committed {
                offset: 7,
                metadata: "".into(),
            };
            group.committed = Some([(("t".to_owned(), 0), committed)].into());
        });
        (
            world,
            PracticeStates::new(tokio::sync::mpsc::unbounded_channel().0, Runtime::Cluster),
        )
    }

    fn observe_at(
        world: &World,
        memories: &PracticeStates,
        before: Option<&PracticeStatus>,
        second: i64,
    ) -> Observed {
        observed(
            &world.plan,
            world.observed.poll.clone(),
            before,
            memories,
            SignedDuration::from_secs(second),
        )
    }

    #[test]
    fn whoever_waits_is_idle_after_five_seconds_whatever_the_clock_is_set_to() {
        let (mut world, memories) = world();
        let waiting = ("g".to_owned(), "p-g-1-id".to_owned());
        for (second, idle) in [(100, false), (104, false), (105, true), (3_700, true)] {
            let seen = observe_at(&world, &memories, None, second);
            assert_eq!(
                seen.idle.contains(&waiting),
                idle,
                "after {} s",
                second - 100
            );
            // some messages wait, too: a minute later that may be a health
            let soon = seen
                .again
                .is_some_and(|again| again <= Duration::from_secs(6));
            assert_eq!(soon, !idle, "{:?}", seen.again);
            // the status is of an hour ago, or of the hour to come
            world.now += SignedDuration::from_hours(if second % 2 == 0 { -1 } else { 1 });
            world.status();
        }
        let (earlier, later) = (memories.tick(), memories.tick());
        assert!(earlier >= 0 && later >= earlier);
    }

    #[test]
    fn an_operator_that_has_just_started_takes_nobody_back() {
        let (mut world, memories) = world();
        world.observed.idle.insert(("g".into(), "p-g-1-id".into()));
        let before = world.status();
        assert_eq!(
            observe_at(&world, &memories, Some(&before), 1).idle.len(),
            1
        );
    }

    #[test]
    fn what_status_knows_of_former_topics_outlives_the_operator() {
        let (mut world, memories) = world();
        let at = ("t", 0);
        let outdated = |world: &World, before: &PracticeStatus| {
            let seen = observe_at(world, &memories, Some(before), 1);
            seen.snapshot().expect("a snapshot").groups["g"]
                .outdated
                .contains(at)
        };
        let before = world.status();
        assert!(!outdated(&world, &before));
        world.kafka(|snapshot| {
            let facts = snapshot.topic_mut("t").expect("is present");
            facts.id = "another".into();
        });
        assert!(
            outdated(&world, &before),
            "the topic has another id, and the commit is the one that it had"
        );
        world.observed = observe_at(&world, &memories, Some(&before), 1);
        let after = world.status();
        assert_eq!(
            after.groups[0].members[0].partitions[0]
                .lag_reason
                .as_deref(),
            Some("Recreated")
        );
        world.group("g", |group| group.outdated = PartitionSet::default()); // a new operator: its reader knows nothing
        assert!(outdated(&world, &after), "status said so");
        let another = PracticeStatus {
            bootstrap_servers: Some("other:1".into()),
            ..after.clone()
        };
        assert!(!outdated(&world, &another), "that was another Kafka");
        world.group("g", |group| {
            group
                .committed
                .as_mut()
                .expect("set")
                .get_mut(at)
                .expect("set")
                .offset = 8;
        });
        assert!(!outdated(&world, &after), "it has committed since");
    }
}
