//! Snapshot of the embedded broker, as from a real Kafka. Pure, with state: a killed or paused consumer reports nothing and
//! remains a member until its session ends. In: offsets from the broker, reports of consumers, the time. Out: a snapshot.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write,
};

use jiff::SignedDuration;
use practice_contract::Protocol;
use practice_contract::status::WorkerStatus;
use practice_groups::{
    Bounds, ByPartition, Committed, Copies, GroupSeen, GroupState, MemberSeen, Partition,
    PartitionSet, Snapshot, TopicFacts, TopicSeen,
};
use practice_plan::plan::Plan;
use sha2::{Digest, Sha256};

use super::{Offsets, rewrite::SESSION_TIMEOUT_SECONDS};

/// Time without a report after which a consumer counts as gone rather than busy.
const BUSY: SignedDuration = SignedDuration::from_secs(5);

/// Members of all groups, including those without reports.
#[derive(Debug, Default)]
pub struct Members {
    /// Members by group and member id.
    known: BTreeMap<(String, String), Known>,
}

#[derive(Debug)]
struct Known {
    client_id: String,
    partitions: Vec<Partition>,
    /// Monotonic time of the last report.
    seen: SignedDuration,
}

impl Members {
    /// Records reports of consumers and removes members whose session has ended. `now` is monotonic, because a wall clock may
    /// be set back.
    pub fn record<'a>(
        &mut self,
        reports: impl IntoIterator<Item = &'a WorkerStatus>,
        now: SignedDuration,
    ) {
        for report in reports {
            let Some(id) = report.member_id.as_ref().filter(|_| report.joined) else {
                continue;
            };
            let partitions = report
                .assignment
                .iter()
                .map(|owned| (owned.topic.clone(), owned.partition));
            let mut partitions: Vec<Partition> = partitions.collect();
            partitions.sort_unstable();
            let known = Known {
                client_id: report.instance.clone(),
                partitions,
                seen: now,
            };
            self.known.insert((report.group.clone(), id.clone()), known);
        }
        let session = SignedDuration::from_secs(SESSION_TIMEOUT_SECONDS.into());
        self.known.retain(|_, known| now - known.seen < session);
        let current: BTreeSet<(String, Partition)> = self
            .known
            .iter()
            .filter(|(_, known)| known.seen == now)
            .flat_map(|((group, _), known)| {
                known
                    .partitions
                    .iter()
                    .map(|owned| (group.clone(), owned.clone()))
            })
            .collect();
        self.known.retain(|(group, _), known| {
            let had_some = !known.partitions.is_empty();
            if known.seen != now {
                known
                    .partitions
                    .retain(|owned| !current.contains(&(group.clone(), owned.clone())));
            }
            // other members own all its partitions: the broker has removed it
            let lost_all = had_some && known.partitions.is_empty();
            !(lost_all && now - known.seen > BUSY)
        });
    }

    /// Removes a consumer that left its group.
    pub fn left(&mut self, client_id: &str) {
        self.known.retain(|_, known| known.client_id != client_id);
    }
}

/// Builds a snapshot of the plan's topics and groups.
pub(crate) fn snapshot(plan: &Plan, offsets: Offsets, members: &Members) -> Snapshot {
    let mut snapshot = Snapshot::default();
    for topic in &plan.topics {
        let seen = offsets
            .topics
            .get(&topic.name)
            .map_or(TopicSeen::Missing, |there| {
                let bounds =
                    |bounds: &Option<(i64, i64)>| bounds.map(|(start, end)| Bounds { start, end });
                TopicSeen::from(TopicFacts {
                    id: id(&topic.name),
                    replication_factor: there.replication_factor,
                    partitions: there.partitions.iter().map(bounds).collect(),
                    copies: there.copies.iter().map(copies).collect(),
                })
            });
        snapshot.topics.insert(topic.name.clone(), seen);
    }
    for group in &plan.groups {
        let of_group = members
            .known
            .iter()
            .filter(|((name, _), _)| *name == group.id);
        let members: Vec<MemberSeen> = of_group
            .map(|((_, member_id), known)| MemberSeen {
                member_id: member_id.clone(),
                client_id: known.client_id.clone(),
                host: "/127.0.0.1".to_owned(),
                partitions: Some(known.partitions.clone().into()),
            })
            .collect();
        let committed: ByPartition<Committed> = offsets
            .committed
            .get(&group.id)
            .into_iter()
            .flatten()
            .map(|(topic, partition, offset, metadata)| {
                (
                    (topic.clone(), *partition),
                    Committed {
                        offset: *offset,
                        metadata: metadata.as_str().into(),
                    },
                )
            })
            .collect();
        let there = group
            .topics
            .iter()
            .filter_map(|topic| Some((topic.as_str(), offsets.topics.get(topic)?)));
        let there: Vec<(&str, usize)> = there
            .map(|(name, topic)| (name, topic.partitions.len()))
            .collect();
        let state = match () {
            () if members.is_empty() && committed.is_empty() => GroupState::Absent,
            () if members.is_empty() => GroupState::Empty,
            () if is_divided(&there, &members) => GroupState::Stable,
            () => GroupState::Reconciling,
        };
        let seen = GroupSeen {
            state,
            protocol: (state != GroupState::Absent).then_some(Protocol::Consumer),
            epoch: None,
            assignor: (!members.is_empty()).then(|| "range".to_owned()),
            members,
            committed: Some(committed),
            outdated: PartitionSet::default(),
            trouble: None,
        };
        snapshot.groups.insert(group.id.clone(), seen.into());
    }
    snapshot
}

fn copies((leader, replicas, in_sync): &(Option<i32>, Vec<i32>, Vec<i32>)) -> Copies {
    Copies {
        leader: *leader,
        replicas: replicas.clone(),
        in_sync: in_sync.clone(),
    }
}

/// Whether the assignment is complete. The broker divides each topic evenly; while a member owns more than its share, another
/// member is about to get the rest.
fn is_divided(topics: &[(&str, usize)], members: &[MemberSeen]) -> bool {
    topics.iter().all(|(topic, partitions)| {
        let of_topic = |member: &MemberSeen| {
            let owned = member
                .partitions
                .iter()
                .flat_map(PartitionSet::keys)
                .filter(|owned| owned.0 == *topic);
            owned.map(|(_, number)| number).collect::<Vec<i32>>()
        };
        let owned: Vec<Vec<i32>> = members.iter().map(of_topic).collect();
        let (least, most) = (
            partitions / members.len().max(1),
            partitions.div_ceil(members.len().max(1)),
        );
        let distinct: BTreeSet<&i32> = owned.iter().flatten().collect();
        let even = owned
            .iter()
            .all(|owned| (least..=most).contains(&owned.len()));
        even && distinct.len() == *partitions
            && owned.iter().map(Vec::len).sum::<usize>() == *partitions
    })
}

/// Topic id from its name, which is unique during the broker's life.
fn id(topic: &str) -> String {
    Sha256::digest(topic.as_bytes())
        .iter()
        .take(16)
        .fold(String::new(), |mut id, byte| {
            let _ = write!(id, "{byte:02x}");
            id
        })
}

#[cfg(test)]
mod tests {
    use practice_contract::{
        Assignor,
        status::{PartitionStatus, WorkerStatus},
    };
    use practice_plan::{plan::Defaults, plan::plan};
    use serde_json::json;

    use super::*;
    use crate::embedded::Topic;

    fn report(name: &str, id: &str, partitions: &[i32]) -> WorkerStatus {
        let owned = |partition: &i32| PartitionStatus {
            topic: "t".into(),
            partition: *partition,
            position: None,
            committed: None,
        };
        WorkerStatus {
            instance: name.into(),
            group: "g".into(),
            topics: vec!["t".into()],
            protocol: practice_contract::Protocol::Consumer,
            assignor: Assignor::Range,
            member_id: Some(id.into()),
            joined: true,
            hold: None,
            assignment: partitions.iter().map(owned).collect(),
            consumed: 0,
            abandoned: 0,
            rebalances: Vec::new(),
            started_at: 0,
        }
    }

    fn look(members: &Members) -> GroupSeen {
        let practice = serde_json::from_value(json!({
            "apiVersion": "kafka-practice.dev/v1alpha1", "kind": "ConsumerGroupPractice", "metadata": {"name": "p"},
            "spec": {"topics": [{"name": "t", "partitions": 3}], "groups": [{"name": "g", "replicas": 2}]}
        }))
        .expect("a practice");
        let defaults = Defaults {
            bootstrap_servers: Some("k:1".into()),
            ..Defaults::default()
        };
        let plan = plan(&practice, &defaults).expect("legal");
        let mut offsets = Offsets::default();
        let topic = Topic {
            replication_factor: 1,
            partitions: vec![Some((0, 5)); 3],
            copies: Vec::new(),
        };
        offsets.topics.insert("t".into(), topic);
        snapshot(&plan, offsets, members)
            .group("g")
            .expect("was asked for")
            .clone()
    }

    #[test]
    fn a_killed_member_stays_until_its_session_ends_and_one_that_left_does_not() {
        let at = SignedDuration::from_secs;
        let mut members = Members::default();
        assert_eq!(look(&members).state, GroupState::Absent);
        members.record(&[report("a", "1", &[0, 1]), report("b", "2", &[2])], at(0));
        assert_eq!(
            (look(&members).state, look(&members).members.len()),
            (GroupState::Stable, 2)
        );
        // b was killed: the broker does not know, and says so
        members.record(&[report("a", "1", &[0, 1])], at(20));
        assert_eq!(
            (look(&members).state, look(&members).members.len()),
            (GroupState::Stable, 2)
        );
        // it is back under its name, as another member
        members.record(&[report("a", "1", &[0, 1]), report("b", "3", &[])], at(25));
        // three of them share three partitions: it has to get one, and does not have it yet
        assert_eq!(
            (look(&members).state, look(&members).members.len()),
            (GroupState::Reconciling, 3)
        );
        members.record(&[report("a", "1", &[0]), report("b", "3", &[1])], at(50));
        assert_eq!(
            (look(&members).state, look(&members).members.len()),
            (GroupState::Reconciling, 2)
        );
        members.record(&[report("a", "1", &[0]), report("b", "3", &[1, 2])], at(51));
        assert_eq!(look(&members).state, GroupState::Stable);
        members.left("b");
        assert_eq!(
            (look(&members).state, look(&members).members.len()),
            (GroupState::Reconciling, 1)
        );
        // one whose partitions all are with others by now is none any more, before its session ends by this clock
        let mut members = Members::default();
        members.record(&[report("a", "1", &[0, 1]), report("b", "2", &[2])], at(0));
        members.record(&[report("a", "1", &[0, 1, 2])], at(2));
        assert_eq!(look(&members).members.len(), 2, "it may be busy");
        members.record(&[report("a", "1", &[0, 1]), report("b", "2", &[2])], at(3));
        members.record(&[report("a", "1", &[0, 1, 2])], at(28));
        assert_eq!(
            (look(&members).state, look(&members).members.len()),
            (GroupState::Stable, 1)
        );
    }
}
