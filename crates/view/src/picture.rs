//! The picture of a practice, drawn. Pure. In: what is known now, the picture before it, the journal. Out: the picture. What
//! takes memory (who was there first, since when, who has gone missing) is carried on from the picture before.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use practice_api::status::{GroupStatus, HealthStatus, Member, OwnedPartition};
use practice_contract::OffsetReset;
use practice_groups::{
    Bounds, Copies, GroupSeen, GroupState, HealthState, Lag, MemberSeen, Partition, TopicFacts,
    TopicSeen, total,
};

use crate::{
    facts::{Consumer, Facts, GroupFacts},
    model::{
        Actions, BrokerPicture, ConsumerState, GroupPicture, HealthPicture, KafkaPicture,
        LoadPicture, MemberPicture, PartitionPicture, Picture, RebalancePicture, Share,
    },
};

/// A member without a process is called killed after that time: looks at Kafka and at what runs are not made at once.
const MISSING: i64 = 2_500;
/// Partitions that are drawn, at most.
const MOST_PARTITIONS: usize = 5_000;
/// Partitions of members and those that nobody owns, over all groups, at most: a megabyte or two of JSON. Nobody can look at
/// so many, and 32 topics of 1,000 partitions read by 32 groups would be a million.
const MOST_SHARES: usize = 20_000;

/// Draws a practice. `journal` is newest first.
pub(crate) fn picture(
    facts: &Facts,
    before: Option<&Picture>,
    actions: &Actions,
    journal: Vec<RebalancePicture>,
) -> Picture {
    let status = &facts.status;
    let ready = status.condition("Ready");
    let named = named(facts);
    let room = MOST_SHARES / named.len().max(1);
    let groups: Vec<GroupPicture> = named
        .iter()
        .map(|named| Drawing::of(facts, before, named, room).group())
        .collect();
    Picture {
        namespace: facts.key.0.clone(),
        name: facts.key.1.clone(),
        now: facts.now,
        ready: ready.is_some_and(|ready| ready.status == "True"),
        sentence: ready.map_or_else(
            || "nothing is known yet".to_owned(),
            |ready| ready.message.clone(),
        ),
        kafka: KafkaPicture {
            bootstrap: status.bootstrap_servers.clone().unwrap_or_default(),
            kind: facts.kafka.kind,
            note: facts.kafka.note.clone(),
            brokers: brokers(facts, before),
        },
        actions: actions.clone(),
        send_url: facts.send_url.clone(),
        send_how: facts.send_how.clone(),
        load: facts.load.map(|load| LoadPicture {
            messages_per_second: load.messages_per_second,
            value_bytes: load.value_bytes,
        }),
        summary: status.summary.clone(),
        partitions: partitions(facts, before),
        ripens: groups
            .iter()
            .flat_map(|group| &group.members)
            .any(|member| member.missing_since.is_some() && member.state == ConsumerState::Running),
        groups,
        other_groups: status.other_groups.clone(),
        other_group_count: status.other_group_count,
        rebalances: journal,
    }
}

/// The groups of the manifest; one that was refused has none, then those of its status.
fn named(facts: &Facts) -> Vec<GroupFacts> {
    if !facts.groups.is_empty() {
        return facts.groups.clone();
    }
    let topics: Vec<String> = facts
        .status
        .topics
        .iter()
        .map(|topic| topic.name.clone())
        .collect();
    let made_up = |group: &GroupStatus| GroupFacts {
        name: group.name.clone(),
        topics: topics.clone(),
        stopped: false,
        scalable: false,
        assignor: String::new(),
        reset: OffsetReset::Earliest,
        session_timeout: None,
    };
    facts.status.groups.iter().map(made_up).collect()
}

/// The practice's topics that are there. One look serves several practices.
fn topics(facts: &Facts) -> impl Iterator<Item = (&String, &TopicFacts)> {
    let all =
        facts
            .look
            .iter()
            .flat_map(|look| &look.topics)
            .filter_map(|(name, topic)| match topic {
                TopicSeen::Present(topic) => Some((name, topic)),
                TopicSeen::Missing | TopicSeen::Unknown(_) => None,
            });
    all.filter(|(name, _)| facts.status.topics.iter().any(|topic| topic.name == **name))
}

fn partitions(facts: &Facts, before: Option<&Picture>) -> Vec<PartitionPicture> {
    if facts.look.is_none() {
        // out of sight is not gone
        return before
            .map(|before| before.partitions.clone())
            .unwrap_or_default();
    }
    let nowhere = Copies::default();
    let each = |(topic, seen): (&String, &TopicFacts)| {
        let one = |(number, bounds): (i32, &Option<Bounds>)| {
            let copies = usize::try_from(number)
                .ok()
                .and_then(|at| seen.copies.get(at))
                .unwrap_or(&nowhere);
            PartitionPicture {
                topic: topic.clone(),
                partition: number,
                start: bounds.map(|bounds| bounds.start),
                end: bounds.map(|bounds| bounds.end),
                leader: copies.leader,
                replicas: copies.replicas.clone(),
                isr: copies.in_sync.clone(),
            }
        };
        (0..).zip(&seen.partitions).map(one).collect::<Vec<_>>()
    };
    topics(facts).flat_map(each).take(MOST_PARTITIONS).collect()
}

/// Every broker that has a copy of something. One that leads nothing and is in sync with nobody is down.
fn brokers(facts: &Facts, before: Option<&Picture>) -> Vec<BrokerPicture> {
    let mut seen: BTreeMap<i32, (bool, usize)> = BTreeMap::new();
    for copies in topics(facts).flat_map(|(_, topic)| &topic.copies) {
        for id in &copies.replicas {
            seen.entry(*id).or_default().0 |=
                copies.leader.is_some() && copies.in_sync.contains(id);
        }
        if let Some(leader) = copies.leader {
            let leads = seen.entry(leader).or_default();
            *leads = (true, leads.1 + 1);
        }
    }
    for (id, up, _) in &facts.kafka.brokers {
        seen.entry(*id).or_default().0 = *up;
    }
    let former =
        |id| before.and_then(|before| before.kafka.brokers.iter().find(|broker| broker.id == id));
    if seen.is_empty() && facts.look.is_none() {
        return before
            .map(|before| before.kafka.brokers.clone())
            .unwrap_or_default();
    }
    let since = |id, up| {
        let said = facts
            .kafka
            .brokers
            .iter()
            .find(|(said, ..)| *said == id)
            .map(|(_, _, since)| *since);
        let kept = former(id)
            .filter(|former| former.up == up)
            .map(|former| former.since);
        said.or(kept).unwrap_or(facts.now)
    };
    seen.into_iter()
        .map(|(id, (up, leads))| BrokerPicture {
            id,
            up,
            leads,
            since: since(id, up),
        })
        .collect()
}

/// One group and all that its picture is drawn from.
struct Drawing<'a> {
    facts: &'a Facts,
    named: &'a GroupFacts,
    status: Option<&'a GroupStatus>,
    /// Kafka's word; `None`: it says nothing of the group now.
    seen: Option<&'a GroupSeen>,
    before: Option<&'a GroupPicture>,
    /// Partitions of unknown lag, since when.
    unknown: BTreeMap<(&'a str, i32), i64>,
    /// What is the matter with partitions.
    health: BTreeMap<(&'a str, i32), &'a str>,
    /// Partitions that may be drawn of its members, and of those that nobody owns.
    room: usize,
}

impl<'a> Drawing<'a> {
    fn of(
        facts: &'a Facts,
        before: Option<&'a Picture>,
        named: &'a GroupFacts,
        room: usize,
    ) -> Self {
        let seen = facts
            .look
            .as_ref()
            .and_then(|look| look.groups.get(&named.name));
        let status = facts
            .status
            .groups
            .iter()
            .find(|status| status.name == named.name);
        Self {
            facts,
            named,
            status,
            unknown: status.map(unknown_of).unwrap_or_default(),
            health: status.map(verdicts_of).unwrap_or_default(),
            seen: seen.filter(|seen| seen.state != GroupState::Unknown),
            before: before
                .and_then(|before| before.groups.iter().find(|group| group.name == named.name)),
            room,
        }
    }

    fn group(&self) -> GroupPicture {
        let status = self.status;
        let members = self.members();
        let (open, all_open) = self.open(&members);
        let cut = members
            .iter()
            .any(|member| member.partitions.len() < member.partition_count);
        let assignor = self.seen.and_then(|seen| seen.assignor.clone());
        GroupPicture {
            name: self.named.name.clone(),
            state: status.map_or_else(
                || GroupState::Unknown.to_string(),
                |status| status.state.clone(),
            ),
            stopped: self.named.stopped,
            protocol: status
                .map(|status| status.protocol.clone())
                .unwrap_or_default(),
            assignor: assignor.unwrap_or_else(|| self.named.assignor.clone()),
            epoch: status.and_then(|status| status.epoch),
            session_timeout_ms: self.named.session_timeout.map(millis),
            replicas: status.map_or(0, |status| status.replicas),
            ready_replicas: status.map_or(0, |status| status.ready_replicas),
            idle: status.and_then(|status| status.idle),
            lag: status.and_then(|status| status.lag),
            oldest_at: status
                .and_then(|status| status.oldest_since.as_deref())
                .and_then(since),
            done_at: status
                .and_then(|status| status.done_at.as_deref())
                .and_then(since),
            health: status.and_then(|status| status.health.as_ref()).map(health),
            message: status.and_then(|status| status.message.clone()),
            scalable: self.named.scalable && !self.named.stopped,
            topics: self.named.topics.clone(),
            truncated: cut || open.len() < all_open,
            members,
            open,
        }
    }

    /// By the time they were first seen, so that nobody changes place.
    fn members(&self) -> Vec<MemberPicture> {
        let Some(seen) = self.seen else {
            return self.remembered();
        };
        let mut members: Vec<MemberPicture> = seen
            .members
            .iter()
            .map(|member| self.member(seen, member))
            .collect();
        members.sort_by(|a, b| {
            (a.first_seen, &a.name, &a.member_id).cmp(&(b.first_seen, &b.name, &b.member_id))
        });
        self.older_ones_are_gone(&mut members);
        let known: BTreeSet<String> = members
            .iter()
            .map(|member| member.client_id.clone())
            .collect();
        let hung = |consumer: &&Consumer| {
            consumer.state == ConsumerState::Paused && !known.contains(&consumer.name)
        };
        members.extend(
            self.consumers()
                .filter(hung)
                .map(|consumer| self.left(consumer)),
        );
        members
    }

    fn consumers(&self) -> impl Iterator<Item = &'a Consumer> + use<'a> {
        let name = self.named.name.as_str();
        self.facts
            .consumers
            .iter()
            .filter(move |consumer| consumer.group == name)
    }

    fn member(&self, seen: &GroupSeen, member: &MemberSeen) -> MemberPicture {
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
            // there before its process began: the member is the former process'
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
        let said = consumer
            .filter(|consumer| consumer.state == state)
            .and_then(|consumer| consumer.since);
        let untold = former.filter(|_| member.partitions.is_none());
        let owned_before = untold.map(|former| owned_before(seen, former));
        let owned = || member.partitions.iter().chain(&owned_before).flatten();
        let cut = untold.map_or(0, |former| {
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
                Some(owned) => total(
                    owned
                        .iter()
                        .map(|partition| self.lag(seen, partition).effective()),
                ),
                None => None,
            },
            partitions: owned()
                .take(room)
                .map(|partition| self.share(seen, partition))
                .collect(),
            partition_count: owned().count() + cut,
            idle_because: status.and_then(|status| status.idle_because.clone()),
            state,
            since: said
                .or(missing_since.filter(|_| state == ConsumerState::Killed))
                .or(kept)
                .unwrap_or(now),
            first_seen,
            missing_since,
        }
    }

    /// Of several members of one name only the one that came last can be alive.
    fn older_ones_are_gone(&self, members: &mut [MemberPicture]) {
        let names: Vec<String> = members.iter().map(|member| member.name.clone()).collect();
        for (at, member) in members.iter_mut().enumerate() {
            let has_successor = names[at + 1..].contains(&member.name);
            if has_successor && member.pod.is_some() && member.state != ConsumerState::Killed {
                member.state = ConsumerState::Killed;
                member.since = self.facts.now;
            }
        }
    }

    /// It stands still, and the group has given it up.
    fn left(&self, consumer: &Consumer) -> MemberPicture {
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

    /// While Kafka says nothing: who was there, with what, and no lag.
    fn remembered(&self) -> Vec<MemberPicture> {
        let unknown = |share: &Share| Share {
            lag: None,
            lag_reason: Some(unknown()),
            lost: None,
            health: None,
            unknown_since: share
                .unknown_since
                .or_else(|| self.blind())
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
                .map(|member| self.told(member))
                .collect(),
        }
    }

    /// As status has it.
    fn told(&self, member: &Member) -> MemberPicture {
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
                .or_else(|| self.blind()),
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

    /// What nobody in the group owns, and how much that is.
    fn open(&self, members: &[MemberPicture]) -> (Vec<Share>, usize) {
        let drawn = members.iter().flat_map(|member| &member.partitions);
        let drawn = drawn.map(|share| (share.topic.as_str(), share.partition));
        let known = self
            .seen
            .iter()
            .flat_map(|seen| &seen.members)
            .filter_map(|member| member.partitions.as_ref());
        let known = known
            .flatten()
            .map(|(topic, number)| (topic.as_str(), *number));
        let owned: BTreeSet<(&str, i32)> = drawn.chain(known).collect();
        // what was not drawn before may belong to a member that does not tell what it owns
        let drawn_before = self.seen.filter(|seen| !seen.tells_owners()).map(|_| {
            let before = self.before.into_iter();
            let shares = before.flat_map(|g| {
                g.members
                    .iter()
                    .flat_map(|member| &member.partitions)
                    .chain(&g.open)
            });
            shares
                .map(|share| (share.topic.as_str(), share.partition))
                .collect::<BTreeSet<_>>()
        });
        let may_be_open = |at: (&str, i32)| {
            !owned.contains(&at)
                && drawn_before
                    .as_ref()
                    .is_none_or(|drawn_before| drawn_before.contains(&at))
        };
        let numbers =
            |topic: &TopicFacts| 0..i32::try_from(topic.partitions.len()).unwrap_or(i32::MAX);
        let all = topics(self.facts)
            .filter(|(name, _)| self.named.topics.contains(*name))
            .flat_map(|(name, topic)| numbers(topic).map(move |number| (name.clone(), number)));
        let nobody = GroupSeen::default();
        let open: Vec<Partition> = all
            .filter(|(topic, number)| may_be_open((topic.as_str(), *number)))
            .collect();
        let seen = self.seen.unwrap_or(&nobody);
        (
            open.iter()
                .take(self.room)
                .map(|partition| self.share(seen, partition))
                .collect(),
            open.len(),
        )
    }

    fn lag(&self, seen: &GroupSeen, partition: &Partition) -> Lag {
        let look = self.facts.look.as_ref();
        look.map_or(Lag::Unknown, |look| {
            look.lag(seen, partition, self.named.reset)
        })
    }

    fn share(&self, seen: &GroupSeen, partition: &Partition) -> Share {
        let lag = self.lag(seen, partition);
        let unknown_since = || {
            let since = self
                .unknown
                .get(&(partition.0.as_str(), partition.1))
                .copied();
            since.or_else(|| self.blind()).unwrap_or(self.facts.now)
        };
        Share {
            topic: partition.0.clone(),
            partition: partition.1,
            committed: seen
                .committed
                .as_ref()
                .and_then(|all| all.get(partition))
                .map(|committed| committed.offset),
            end: self
                .facts
                .look
                .as_ref()
                .and_then(|look| look.bounds(partition))
                .map(|bounds| bounds.end),
            lag: lag.effective(),
            lag_reason: lag.reason().map(str::to_owned),
            lost: lag.lost(),
            unknown_since: (lag == Lag::Unknown).then(unknown_since),
            health: self
                .health
                .get(&(partition.0.as_str(), partition.1))
                .map(|health| (*health).to_owned()),
        }
    }

    /// Since when a part of the group's lag has not been known.
    fn blind(&self) -> Option<i64> {
        self.status
            .and_then(|status| status.unknown_since.as_deref())
            .and_then(since)
    }
}

/// What a member owned before, less what others are told to own now.
fn owned_before(seen: &GroupSeen, former: &MemberPicture) -> Vec<Partition> {
    let told: Vec<&Vec<Partition>> = seen
        .members
        .iter()
        .filter_map(|member| member.partitions.as_ref())
        .collect();
    let is_told = |partition: &Partition| told.iter().any(|owned| owned.contains(partition));
    let shares = former
        .partitions
        .iter()
        .map(|share| (share.topic.clone(), share.partition));
    shares.filter(|partition| !is_told(partition)).collect()
}

fn since(time: &str) -> Option<i64> {
    time.parse::<jiff::Timestamp>()
        .ok()
        .map(jiff::Timestamp::as_millisecond)
}

fn health(status: &HealthStatus) -> HealthPicture {
    HealthPicture {
        state: status.state.clone(),
        since: status.since.as_deref().and_then(since),
        message: status.message.clone(),
        advice: status.advice.clone(),
    }
}

/// The partitions of which status does not know the lag, since when.
fn unknown_of(status: &GroupStatus) -> BTreeMap<(&str, i32), i64> {
    status
        .shares()
        .filter_map(|s| {
            Some((
                (s.topic.as_str(), s.partition),
                since(s.unknown_since.as_deref()?)?,
            ))
        })
        .collect()
}

/// The partitions with which something is the matter, and what.
fn verdicts_of(status: &GroupStatus) -> BTreeMap<(&str, i32), &str> {
    let found = status
        .shares()
        .filter_map(|share| Some((share, share.health.as_deref()?)));
    let bad = found.filter(|(_, health)| *health != HealthState::Healthy.word());
    bad.map(|(share, health)| ((share.topic.as_str(), share.partition), health))
        .collect()
}

fn unknown() -> String {
    Lag::Unknown.reason().unwrap_or_default().to_owned()
}

fn delay_ms(consumer: &Consumer) -> u64 {
    millis(consumer.delay)
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
pub(crate) mod tests;
