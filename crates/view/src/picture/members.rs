//! Members of a group. In: the last poll, processes, and the members before. Out: members with their state and partitions.

use practice_api::status::{Member, OwnedPartition};
use practice_groups::{At, GroupSeen, Lag, MemberSeen, PartitionSet, total};

use super::group::{GroupBuilder, millis, since};
use crate::{
    facts::Consumer,
    model::{ConsumerState, MemberPicture, Share},
};

/// Milliseconds after which a member without a process counts as killed: Kafka and processes are polled at different moments.
pub(super) const MISSING: i64 = 2_500;
impl GroupBuilder<'_> {
    pub(super) fn member(&self, seen: &GroupSeen, member: &MemberSeen) -> MemberPicture {
        let (name, now) = (&member.client_id, self.facts.now);
        let consumer = self.consumers().find(|consumer| consumer.name == *name);
        let former = self.before.and_then(|before| {
            before
                .members
                .iter()
                .find(|former| former.member_id.as_ref() == Some(&member.member_id))
        });
        let first_seen = former.map_or(now, |former| former.first_seen);
        let was_ours =
            former.is_some_and(|former| former.pod.is_some() || former.missing_since.is_some());
        let missing_since = match consumer {
            None if was_ours => former.and_then(|former| former.missing_since).or(Some(now)),
            _ => None,
        };
        let state = match consumer {
            // older than its process: the member belongs to the previous process
            Some(consumer) if consumer.started.is_some_and(|started| first_seen < started) => {
                ConsumerState::Killed
            }
            Some(consumer) => consumer.state,
            None if missing_since.is_some_and(|since| now - since >= MISSING) => {
                ConsumerState::Killed
            }
            None => ConsumerState::Running,
        };
        let kept = former
            .filter(|former| former.state == state)
            .map(|former| former.since);
        let reported = consumer
            .filter(|consumer| consumer.state == state)
            .and_then(|consumer| consumer.since);
        let unreported = former.filter(|_| member.partitions.is_none());
        let owned_before = unreported.map(|former| owned_before(seen, former));
        let owned = || {
            let reported = member.partitions.iter().flat_map(PartitionSet::keys);
            reported.chain(owned_before.iter().flatten().copied())
        };
        let cut = unreported.map_or(0, |former| {
            former
                .partition_count
                .saturating_sub(former.partitions.len())
        });
        let room = self.room / seen.members.len().max(1);
        let status = self.status.and_then(|status| {
            status
                .members
                .iter()
                .find(|m| m.member_id == member.member_id)
        });
        MemberPicture {
            name: name.clone(),
            pod: consumer.and_then(|consumer| consumer.pod.clone()),
            member_id: Some(member.member_id.clone()),
            client_id: name.clone(),
            variant: match consumer {
                Some(consumer) => consumer.variant.clone(),
                None => former.and_then(|former| former.variant.clone()),
            },
            delay_ms: consumer
                .map(delay_ms)
                .or_else(|| former.and_then(|former| former.delay_ms)),
            lag: match &member.partitions {
                Some(owned) => total(owned.keys().map(|at| self.lag(seen, at).effective())),
                None => None,
            },
            partitions: owned().take(room).map(|at| self.share(seen, at)).collect(),
            partition_count: owned().count() + cut,
            idle_because: status.and_then(|status| status.idle_because.clone()),
            state,
            since: reported
                .or(missing_since.filter(|_| state == ConsumerState::Killed))
                .or(kept)
                .unwrap_or(now),
            first_seen,
            missing_since,
        }
    }

    /// Marks all but the newest of several members of one name as killed.
    pub(super) fn mark_replaced_members(&self, members: &mut [MemberPicture]) {
        let names: Vec<String> = members.iter().map(|member| member.name.clone()).collect();
        for (at, member) in members.iter_mut().enumerate() {
            let has_successor = names[at + 1..].contains(&member.name);
            if has_successor && member.pod.is_some() && member.state != ConsumerState::Killed {
                member.state = ConsumerState::Killed;
                member.since = self.facts.now;
            }
        }
    }

    /// A suspended consumer that Kafka has removed from the group.
    pub(super) fn left(&self, consumer: &Consumer) -> MemberPicture {
        let former = self.before.and_then(|before| {
            before
                .members
                .iter()
                .find(|former| former.name == consumer.name && former.state == ConsumerState::Left)
        });
        MemberPicture {
            name: consumer.name.clone(),
            pod: consumer.pod.clone(),
            member_id: None,
            client_id: consumer.name.clone(),
            variant: consumer.variant.clone(),
            delay_ms: Some(delay_ms(consumer)),
            partitions: Vec::new(),
            partition_count: 0,
            lag: None,
            idle_because: None,
            state: ConsumerState::Left,
            since: former.map_or(self.facts.now, |former| former.since),
            first_seen: former.map_or(self.facts.now, |former| former.first_seen),
            missing_since: None,
        }
    }

    /// Members while Kafka does not answer: the previous ones, with unknown lag.
    pub(super) fn remembered(&self) -> Vec<MemberPicture> {
        let unknown = |share: &Share| Share {
            lag: None,
            lag_reason: Some(unknown()),
            lost: None,
            health: None,
            unknown_since: share
                .unknown_since
                .or_else(|| self.unknown_since())
                .or(Some(self.facts.now)),
            ..share.clone()
        };
        match self.before {
            Some(before) => before
                .members
                .iter()
                .map(|member| MemberPicture {
                    partitions: member.partitions.iter().map(unknown).collect(),
                    lag: None,
                    idle_because: None,
                    ..member.clone()
                })
                .collect(),
            None => self
                .status
                .iter()
                .flat_map(|status| &status.members)
                .map(|member| self.status_member(member))
                .collect(),
        }
    }

    /// A member of the status.
    fn status_member(&self, member: &Member) -> MemberPicture {
        let share = |owned: &OwnedPartition| Share {
            topic: owned.topic.clone(),
            partition: owned.partition,
            committed: owned.committed,
            end: owned.end,
            lag: None,
            lag_reason: Some(unknown()),
            lost: None,
            unknown_since: owned
                .unknown_since
                .as_deref()
                .and_then(since)
                .or_else(|| self.unknown_since()),
            health: None,
        };
        let consumer = self
            .consumers()
            .find(|consumer| consumer.name == member.client_id);
        MemberPicture {
            name: member.name.clone(),
            pod: member.pod.clone(),
            member_id: Some(member.member_id.clone()),
            client_id: member.client_id.clone(),
            variant: consumer.and_then(|consumer| consumer.variant.clone()),
            delay_ms: consumer.map(delay_ms),
            partitions: member.partitions.iter().map(share).collect(),
            partition_count: usize::try_from(member.partition_count).unwrap_or_default(),
            lag: None,
            idle_because: None,
            state: ConsumerState::Running,
            since: self.facts.now,
            first_seen: self.facts.now,
            missing_since: None,
        }
    }
}

/// The previous partitions of a member, without those reported of other members now.
fn owned_before<'a>(seen: &GroupSeen, former: &'a MemberPicture) -> Vec<At<'a>> {
    let reported = || seen.members.iter().flat_map(|member| &member.partitions);
    let is_reported = |at: &At<'_>| reported().any(|owned| owned.contains(*at));
    let shares = former
        .partitions
        .iter()
        .map(|share| (share.topic.as_str(), share.partition));
    shares.filter(|at| !is_reported(at)).collect()
}

fn unknown() -> String {
    Lag::Unknown.reason().unwrap_or_default().to_owned()
}

fn delay_ms(consumer: &Consumer) -> u64 {
    millis(consumer.delay)
}
