//! A practice of one topic and two groups, and its states after changes.

mod lag;
mod members;

use std::time::Duration;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use practice_api::{
    PracticeStatus,
    status::{Member, OwnedPartition, TopicStatus},
};
use practice_groups::{Committed, GroupSeen, GroupState, MemberSeen, PartitionSet, Snapshot};

use super::*;
use crate::{
    facts::{Consumer, KafkaFacts},
    model::{KafkaKind, MemberPicture},
};

/// The source of facts: a topic `t` of three partitions with ten messages each, read by `g` (two members, `g-0` has 0 and 1,
/// `g-1` has 2) and by `h` (one member).
pub(crate) struct World {
    pub(crate) now: i64,
    pub(crate) sentence: String,
    pub(crate) snapshot: Option<Snapshot>,
    pub(crate) groups: Vec<GroupFacts>,
    pub(crate) consumers: Vec<Consumer>,
}

impl World {
    pub(crate) fn calm() -> Self {
        let bounds = Some(Bounds { start: 0, end: 10 });
        let copies = |leader: i32| Copies {
            leader: Some(leader),
            replicas: vec![1, 2],
            in_sync: vec![1, 2],
        };
        let topic = TopicFacts {
            id: "a".to_owned(),
            replication_factor: 2,
            partitions: vec![bounds; 3],
            copies: vec![copies(1), copies(2), copies(1)],
        };
        let mut snapshot = Snapshot::default();
        snapshot
            .topics
            .insert("t".to_owned(), TopicSeen::from(topic.clone()));
        snapshot
            .topics
            .insert("of-another-practice".to_owned(), TopicSeen::from(topic));
        snapshot.groups.insert(
            "g".to_owned(),
            group(&[("g-0", &[0, 1]), ("g-1", &[2])]).into(),
        );
        snapshot
            .groups
            .insert("h".to_owned(), group(&[("h-0", &[0, 1, 2])]).into());
        let named = |name: &str| GroupFacts {
            name: name.to_owned(),
            topics: vec!["t".to_owned()],
            stopped: false,
            scalable: true,
            assignor: "range".to_owned(),
            reset: OffsetReset::Earliest,
            session_timeout: Some(Duration::from_secs(10)),
        };
        let consumers =
            [("g-0", "g"), ("g-1", "g"), ("h-0", "h")].map(|(name, group)| consumer(name, group));
        Self {
            now: 100_000,
            sentence: "it runs".to_owned(),
            snapshot: Some(snapshot),
            groups: vec![named("g"), named("h")],
            consumers: consumers.to_vec(),
        }
    }

    pub(crate) fn facts(&self) -> Facts {
        let ready = Condition {
            type_: "Ready".to_owned(),
            status: "True".to_owned(),
            reason: "Running".to_owned(),
            message: self.sentence.clone(),
            observed_generation: None,
            last_transition_time: Time(jiff::Timestamp::UNIX_EPOCH),
        };
        let status = |named: &GroupFacts| GroupStatus {
            name: named.name.clone(),
            state: self
                .snapshot
                .as_ref()
                .map_or(GroupState::Unknown, |snapshot| {
                    snapshot.groups[&named.name].state
                })
                .to_string(),
            protocol: "Classic".to_owned(),
            ..GroupStatus::default()
        };
        Facts {
            key: ("ns".to_owned(), "p".to_owned()),
            now: self.now,
            status: PracticeStatus {
                conditions: vec![ready],
                bootstrap_servers: Some("k:9092".to_owned()),
                topics: vec![TopicStatus {
                    name: "t".to_owned(),
                    ..TopicStatus::default()
                }],
                groups: self.groups.iter().map(status).collect(),
                ..PracticeStatus::default()
            },
            snapshot: self.snapshot.clone().map(std::sync::Arc::new),
            journal: std::sync::Arc::default(),
            kafka: KafkaFacts {
                kind: KafkaKind::Cluster,
                note: None,
                brokers: Vec::new(),
            },
            groups: self.groups.clone(),
            consumers: self.consumers.clone(),
            load: None,
            producer: None,
            send_url: None,
            send_how: None,
        }
    }

    pub(crate) fn group(&mut self, name: &str) -> &mut GroupSeen {
        self.snapshot
            .as_mut()
            .and_then(|snapshot| snapshot.group_mut(name))
            .expect("it is there")
    }

    fn topic(&mut self) -> &mut TopicFacts {
        let snapshot = self.snapshot.as_mut();
        snapshot
            .and_then(|snapshot| snapshot.topic_mut("t"))
            .expect("it is there")
    }

    pub(crate) fn produce(&mut self, partition: usize, count: i64) {
        self.topic().partitions[partition]
            .as_mut()
            .expect("known")
            .end += count;
    }

    pub(crate) fn commit(&mut self, group: &str, partition: i32, offset: i64) {
        let committed = self.group(group).committed.as_mut().expect("known");
        committed.insert(
            ("t", partition),
            Committed {
                offset,
                metadata: "".into(),
            },
        );
    }

    pub(crate) fn remove(&mut self, group: &str) {
        self.groups.retain(|named| named.name != group);
    }

    pub(crate) fn kafka_is_gone(&mut self) {
        self.snapshot = None;
    }

    fn draw(&self, before: Option<&Picture>) -> Picture {
        picture(
            &self.facts(),
            before,
            &Actions {
                enabled: false,
                how: None,
            },
            MOST_SHARES,
            Vec::new(),
        )
    }
}

fn group(members: &[(&str, &[i32])]) -> GroupSeen {
    let member = |(name, partitions): &(&str, &[i32])| MemberSeen {
        member_id: format!("{name}-id"),
        client_id: (*name).to_owned(),
        host: "/10.0.0.1".to_owned(),
        partitions: Some(
            partitions
                .iter()
                .map(|number| ("t".to_owned(), *number))
                .collect(),
        ),
    };
    let commit = |number| {
        (
            ("t".to_owned(), number),
            Committed {
                offset: 8,
                metadata: "".into(),
            },
        )
    };
    GroupSeen {
        state: GroupState::Stable,
        members: members.iter().map(member).collect(),
        committed: Some((0..3).map(commit).collect()),
        ..GroupSeen::default()
    }
}

fn consumer(name: &str, group: &str) -> Consumer {
    Consumer {
        name: name.to_owned(),
        group: group.to_owned(),
        pod: Some(name.to_owned()),
        variant: None,
        delay: Duration::ZERO,
        state: ConsumerState::Running,
        started: None,
        since: None,
        url: None,
    }
}

/// Names of a group's members with their states and the partitions that they own.
fn members(picture: &Picture, group: &str) -> Vec<String> {
    let group = picture
        .groups
        .iter()
        .find(|there| there.name == group)
        .expect("it is there");
    let numbers = |member: &MemberPicture| {
        member
            .partitions
            .iter()
            .map(|s| s.partition.to_string())
            .collect::<String>()
    };
    group
        .members
        .iter()
        .map(|member| format!("{} {:?} {}", member.name, member.state, numbers(member)))
        .collect()
}

#[test]
fn it_has_the_practices_own_topics_only() {
    let picture = World::calm().draw(None);
    assert_eq!(
        (
            picture.ready,
            picture.sentence.as_str(),
            picture.partitions.len()
        ),
        (true, "it runs", 3)
    );
    assert_eq!(members(&picture, "g"), ["g-0 Running 01", "g-1 Running 2"]);
    let g = &picture.groups[0];
    assert_eq!(
        (
            g.open.len(),
            g.members[0].lag,
            g.members[0].partitions[0].lag
        ),
        (0, Some(4), Some(2))
    );
    let brokers: Vec<_> = picture
        .kafka
        .brokers
        .iter()
        .map(|b| (b.id, b.up, b.leads))
        .collect();
    assert_eq!(brokers, [(1, true, 2), (2, true, 1)]);
}

#[test]
fn a_partition_without_an_owner_is_open_with_its_lag() {
    let mut world = World::calm();
    world.group("g").members.pop();
    let open = &world.draw(None).groups[0].open;
    assert_eq!(
        (open.len(), open[0].partition, open[0].lag),
        (1, 2, Some(2))
    );
    let named = world
        .groups
        .iter_mut()
        .find(|named| named.name == "h")
        .expect("it is there");
    named.topics = vec!["another".to_owned()];
    world.group("h").members.clear();
    assert_eq!(world.draw(None).groups[1].open, [], "it reads none of them");
}

#[test]
fn a_broker_that_leads_nothing_and_is_in_no_sync_is_down() {
    let mut world = World::calm();
    let before = world.draw(None);
    world.now += 5_000;
    for copies in &mut world.topic().copies {
        *copies = Copies {
            leader: Some(1),
            replicas: vec![1, 2],
            in_sync: vec![1],
        };
    }
    let after = world.draw(Some(&before)).kafka.brokers;
    let short: Vec<_> = after
        .iter()
        .map(|b| (b.id, b.up, b.leads, b.since))
        .collect();
    assert_eq!(short, [(1, true, 3, 100_000), (2, false, 0, 105_000)]);
}

#[test]
fn an_invalid_manifest_leaves_the_groups_of_status() {
    let world = World::calm();
    let mut facts = world.facts();
    facts.status.groups[0].members = vec![Member {
        name: "g-0".to_owned(),
        member_id: "g-0-id".to_owned(),
        client_id: "g-0".to_owned(),
        partitions: vec![OwnedPartition {
            topic: "t".to_owned(),
            partition: 1,
            ..OwnedPartition::default()
        }],
        ..Member::default()
    }];
    (facts.groups, facts.snapshot) = (Vec::new(), None);
    let picture = picture(
        &facts,
        None,
        &Actions {
            enabled: false,
            how: None,
        },
        MOST_SHARES,
        Vec::new(),
    );
    assert_eq!(members(&picture, "g"), ["g-0 Running 1"]);
    assert!(!picture.groups[0].scalable);
}

#[test]
fn a_large_state_is_truncated() {
    let mut world = World::calm();
    world.topic().partitions = vec![Some(Bounds { start: 0, end: 10 }); 30_000];
    let owned = (0..29_000).map(|number| ("t".to_owned(), number));
    world.group("g").members[0].partitions = Some(owned.collect());
    world.group("g").members[1].partitions = Some(PartitionSet::default());
    let picture = world.draw(None);
    let (g, h) = (&picture.groups[0], &picture.groups[1]);
    assert_eq!(picture.partitions.len(), MOST_PARTITIONS);
    assert_eq!(
        (
            g.members[0].partitions.len(),
            g.members[0].partition_count,
            g.truncated
        ),
        (5_000, 29_000, true)
    );
    assert_eq!(
        (g.open.len(), h.open.len()),
        (1_000, 10_000),
        "truncated partitions do not count as open"
    );
    assert!(!World::calm().draw(None).groups[0].truncated);
}
