//! A practice of one topic and two groups, and what changes of it make of its picture.

use std::time::Duration;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use practice_api::{PracticeStatus, status::TopicStatus};
use practice_groups::{Committed, Snapshot};

use super::*;
use crate::{facts::KafkaFacts, model::KafkaKind};

/// All that facts are made of: a topic `t` of three partitions with ten messages each, read by `g` (two members, `g-0` has 0
/// and 1, `g-1` has 2) and by `h` (one member).
pub(crate) struct World {
    pub(crate) now: i64,
    pub(crate) sentence: String,
    pub(crate) look: Option<Snapshot>,
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
        let mut look = Snapshot::default();
        look.topics
            .insert("t".to_owned(), TopicSeen::Present(topic.clone()));
        look.topics
            .insert("of-another-practice".to_owned(), TopicSeen::Present(topic));
        look.groups
            .insert("g".to_owned(), group(&[("g-0", &[0, 1]), ("g-1", &[2])]));
        look.groups
            .insert("h".to_owned(), group(&[("h-0", &[0, 1, 2])]));
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
            look: Some(look),
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
                .look
                .as_ref()
                .map_or(GroupState::Unknown, |look| look.groups[&named.name].state)
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
            look: self.look.clone().map(std::sync::Arc::new),
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
        self.look
            .as_mut()
            .and_then(|look| look.groups.get_mut(name))
            .expect("it is there")
    }

    fn topic(&mut self) -> &mut TopicFacts {
        match self.look.as_mut().and_then(|look| look.topics.get_mut("t")) {
            Some(TopicSeen::Present(topic)) => topic,
            _ => panic!("it is there"),
        }
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
            ("t".to_owned(), partition),
            Committed {
                offset,
                metadata: String::new(),
            },
        );
    }

    pub(crate) fn remove(&mut self, group: &str) {
        self.groups.retain(|named| named.name != group);
    }

    pub(crate) fn kafka_is_gone(&mut self) {
        self.look = None;
    }

    fn draw(&self, before: Option<&Picture>) -> Picture {
        picture(
            &self.facts(),
            before,
            &Actions {
                enabled: false,
                how: None,
            },
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
                metadata: String::new(),
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
fn it_shows_what_is_there_and_nothing_of_other_practices() {
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
fn members_keep_their_places_and_newcomers_stand_behind_them() {
    let mut world = World::calm();
    let before = world.draw(None);
    world.now += 1_000;
    world
        .group("g")
        .members
        .insert(0, group(&[("a-0", &[1])]).members.remove(0));
    world.group("g").members[1].partitions = Some(vec![("t".to_owned(), 0)]);
    let after = world.draw(Some(&before));
    assert_eq!(
        members(&after, "g"),
        ["g-0 Running 0", "g-1 Running 2", "a-0 Running 1"]
    );
}

#[test]
fn what_nobody_owns_is_open_with_its_lag() {
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
fn members_that_do_not_tell_what_they_own_are_drawn_with_what_they_had() {
    let rebalances = |world: &mut World| {
        world.now += 1_000;
        world.group("g").state = GroupState::PreparingRebalance;
        world
            .group("g")
            .members
            .iter_mut()
            .for_each(|member| member.partitions = None);
    };
    let open = |picture: &Picture| {
        picture.groups[0]
            .open
            .iter()
            .map(|share| share.partition)
            .collect::<Vec<_>>()
    };
    let mut world = World::calm();
    let calm = world.draw(None);
    rebalances(&mut world);
    let moving = world.draw(Some(&calm));
    assert_eq!(
        (members(&moving, "g"), open(&moving)),
        (members(&calm, "g"), vec![])
    );
    let first = &moving.groups[0].members[0];
    assert_eq!(
        (first.lag, first.partitions[0].lag, first.partition_count),
        (None, Some(2), 2)
    );
    // one of them has gone, and a newcomer waits; it stays so for another look
    world.group("g").members[0] = group(&[("a-0", &[])]).members.remove(0);
    rebalances(&mut world);
    let mut after = world.draw(Some(&moving));
    for _ in 0..2 {
        assert_eq!(
            (members(&after, "g"), open(&after)),
            (
                vec!["g-1 Running 2".into(), "a-0 Running ".into()],
                vec![0, 1]
            )
        );
        world.now += 1_000;
        after = world.draw(Some(&after));
    }
    // somebody who has just begun to look knows of nobody's partitions, which is not that nobody has them
    let blind = world.draw(None);
    assert_eq!(
        (members(&blind, "g"), open(&blind)),
        (vec!["a-0 Running ".into(), "g-1 Running ".into()], vec![])
    );
    assert_eq!(open(&world.draw(Some(&blind))), [0; 0]);
    // as soon as one tells, the others are not drawn with the same
    world.group("g").members[0].partitions = Some(vec![("t".to_owned(), 2)]);
    let told = world.draw(Some(&after));
    assert_eq!(
        (members(&told, "g"), open(&told)),
        (
            vec!["g-1 Running ".into(), "a-0 Running 2".into()],
            vec![0, 1]
        )
    );
}

#[test]
fn a_partition_with_which_something_is_the_matter_says_what() {
    let mut facts = World::calm().facts();
    let share = |partition, health: &str| OwnedPartition {
        topic: "t".to_owned(),
        partition,
        health: Some(health.to_owned()),
        ..OwnedPartition::default()
    };
    facts.status.groups[0].unowned = vec![share(0, "Healthy"), share(1, "Stalled")];
    let actions = Actions {
        enabled: false,
        how: None,
    };
    let g = picture(&facts, None, &actions, Vec::new())
        .groups
        .swap_remove(0);
    let said: Vec<_> = g.members[0]
        .partitions
        .iter()
        .map(|share| share.health.as_deref())
        .collect();
    assert_eq!(said, [None, Some("Stalled")]);
    let json = serde_json::to_value(&g.members[0].partitions[0]).expect("is JSON");
    assert_eq!(
        json.get("health"),
        None,
        "nothing is said of the many that are well"
    );
}

#[test]
fn what_is_unknown_says_since_when_and_ages_are_those_of_status() {
    let mut world = World::calm();
    world.topic().partitions[1] = None;
    let mut facts = world.facts();
    let actions = Actions {
        enabled: false,
        how: None,
    };
    let of_g = |facts: &Facts| {
        picture(facts, None, &actions, Vec::new())
            .groups
            .swap_remove(0)
    };
    let since: Vec<_> = of_g(&facts).members[0]
        .partitions
        .iter()
        .map(|share| share.unknown_since)
        .collect();
    assert_eq!(
        since,
        [None, Some(100_000)],
        "status has not been written yet: since now"
    );
    let unknown_since = |at: &str| Some(at.to_owned());
    let share = OwnedPartition {
        topic: "t".to_owned(),
        partition: 1,
        ..OwnedPartition::default()
    };
    let status = &mut facts.status.groups[0];
    status.unowned = vec![OwnedPartition {
        unknown_since: unknown_since("1970-01-01T00:00:07Z"),
        ..share
    }];
    status.oldest_since = unknown_since("1970-01-01T00:00:05Z");
    let g = of_g(&facts);
    assert_eq!(g.members[0].partitions[1].unknown_since, Some(7_000));
    assert_eq!((g.oldest_at, g.done_at), (Some(5_000), None));
    facts.status.groups[0].done_at = unknown_since("1970-01-01T00:02:00Z");
    let json = serde_json::to_value(of_g(&facts)).expect("is JSON");
    assert_eq!(
        (&json["oldestAt"], &json["doneAt"]),
        (&5_000.into(), &120_000.into())
    );
    facts.look = None;
    facts.status.groups[0].unknown_since = unknown_since("1970-01-01T00:00:09Z");
    let known = world.draw(None);
    let blind = picture(&facts, Some(&known), &actions, Vec::new())
        .groups
        .swap_remove(0);
    let since: Vec<_> = blind.members[0]
        .partitions
        .iter()
        .map(|share| share.unknown_since)
        .collect();
    assert_eq!(since, [Some(9_000), Some(100_000)]);
    let json = serde_json::to_value(&blind.members[0].partitions[0]).expect("is JSON");
    assert_eq!(json["unknownSince"], 9_000);
}

#[test]
fn a_commit_to_a_former_topic_is_no_small_lag() {
    let mut world = World::calm();
    world.group("g").outdated.insert(("t".to_owned(), 0));
    let g = &world.draw(None).groups[0];
    let share = &g.members[0].partitions[0];
    assert_eq!(
        (share.lag, share.lag_reason.as_deref(), g.members[0].lag),
        (Some(10), Some("Recreated"), Some(12))
    );
}

#[test]
fn out_of_sight_is_not_gone_but_no_lag_is_known() {
    let mut world = World::calm();
    let before = world.draw(None);
    world.kafka_is_gone();
    let after = world.draw(Some(&before));
    assert_eq!(members(&after, "g"), ["g-0 Running 01", "g-1 Running 2"]);
    assert_eq!(
        (
            after.groups[0].state.as_str(),
            after.groups[0].members[0].lag
        ),
        ("Unknown", None)
    );
    assert_eq!(
        after.groups[0].members[0].partitions[0]
            .lag_reason
            .as_deref(),
        Some("Unknown")
    );
    assert_eq!(
        (after.partitions, after.kafka.brokers),
        (before.partitions, before.kafka.brokers)
    );
}

#[test]
fn a_member_whose_pod_is_gone_is_killed_after_a_while() {
    let mut world = World::calm();
    let before = world.draw(None);
    world.consumers.retain(|consumer| consumer.name != "g-1");
    world.now += 1_000;
    let missing = world.draw(Some(&before));
    assert_eq!(
        (members(&missing, "g")[1].as_str(), missing.ripens),
        ("g-1 Running 2", true)
    );
    world.now += MISSING;
    let killed = world.draw(Some(&missing));
    assert_eq!(
        (members(&killed, "g")[1].as_str(), killed.ripens),
        ("g-1 Killed 2", false)
    );
    assert_eq!(
        killed.groups[0].members[1].since, 101_000,
        "since it went missing"
    );
    let other_groups = {
        World {
            consumers: Vec::new(),
            ..World::calm()
        }
    };
    let drawn = other_groups.draw(Some(&other_groups.draw(None)));
    assert_eq!(
        (members(&drawn, "g")[1].as_str(), drawn.ripens),
        ("g-1 Running 2", false),
        "it never was ours"
    );
}

#[test]
fn of_two_members_of_one_name_the_former_is_the_dead_one() {
    let mut world = World::calm();
    let before = world.draw(None);
    world.now += 1_000;
    let mut newcomer = group(&[("g-1", &[])]).members.remove(0);
    newcomer.member_id = "another-id".to_owned();
    world.group("g").members.insert(0, newcomer);
    let after = world.draw(Some(&before));
    assert_eq!(
        members(&after, "g"),
        ["g-0 Running 01", "g-1 Killed 2", "g-1 Running "]
    );
    // and where its process is known to have begun later, before anybody has joined anew
    let mut world = World::calm();
    let before = world.draw(None);
    world.now += 1_000;
    world.consumers[1].started = Some(world.now);
    assert_eq!(members(&world.draw(Some(&before)), "g")[1], "g-1 Killed 2");
}

#[test]
fn a_consumer_that_stands_still_is_paused_and_then_given_up() {
    let mut world = World::calm();
    world.consumers[1].state = ConsumerState::Paused;
    world.consumers[1].since = Some(99_000);
    let paused = world.draw(None);
    assert_eq!(
        (
            members(&paused, "g")[1].as_str(),
            paused.groups[0].members[1].since
        ),
        ("g-1 Paused 2", 99_000)
    );
    world.group("g").members.pop();
    world.now += 10_000;
    let left = world.draw(Some(&paused));
    let member = &left.groups[0].members[1];
    assert_eq!(
        (
            members(&left, "g")[1].as_str(),
            &member.member_id,
            member.since
        ),
        ("g-1 Left ", &None, 110_000)
    );
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
fn a_refused_manifest_leaves_what_status_knows() {
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
    (facts.groups, facts.look) = (Vec::new(), None);
    let picture = picture(
        &facts,
        None,
        &Actions {
            enabled: false,
            how: None,
        },
        Vec::new(),
    );
    assert_eq!(members(&picture, "g"), ["g-0 Running 1"]);
    assert!(!picture.groups[0].scalable);
}

#[test]
fn a_picture_is_cut_before_it_is_too_large_to_send() {
    let mut world = World::calm();
    world.topic().partitions = vec![Some(Bounds { start: 0, end: 10 }); 30_000];
    let all: Vec<Partition> = (0..30_000).map(|number| ("t".to_owned(), number)).collect();
    world.group("g").members[0].partitions = Some(all[..29_000].to_vec());
    world.group("g").members[1].partitions = Some(Vec::new());
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
        "what was cut is not taken for open"
    );
    assert!(!World::calm().draw(None).groups[0].truncated);
}
