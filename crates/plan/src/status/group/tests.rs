//! Tables of what is said of a group: what is unknown and since when, what nobody owns, how old, how long.

use std::time::Duration;

use practice_api::PracticeStatus;
use practice_groups::{Bounds, KafkaError, LagTrend, PartitionSet, TopicFacts};
use serde_json::json;

use super::*;
use crate::{
    status::{News, news},
    testing::{World, two_groups},
};

fn topic<'a>(snapshot: &'a mut Snapshot, name: &str) -> &'a mut TopicFacts {
    snapshot.topic_mut(name).expect("is present")
}

fn all(group: &GroupStatus) -> impl Iterator<Item = &OwnedPartition> + use<'_> {
    group
        .members
        .iter()
        .flat_map(|member| &member.partitions)
        .chain(&group.unowned)
}

/// Since when partition 0 is unknown to group a.
fn since(status: &PracticeStatus) -> Option<&str> {
    all(&status.groups[0])
        .find(|share| share.partition == 0)
        .expect("is listed")
        .unknown_since
        .as_deref()
}

#[test]
fn one_unreachable_partition_is_unknown_and_the_group_is_null() {
    let mut world = two_groups();
    world.kafka(|snapshot| topic(snapshot, "t").partitions[0] = None);
    let status = world.status();
    let group = &status.groups[0];
    assert_eq!(
        (group.lag, group.unknown_since.as_deref()),
        (None, Some("2026-01-01T00:00:00Z"))
    );
    let lags: Vec<_> = all(group)
        .map(|share| (share.partition, share.lag, share.unknown_since.is_some()))
        .collect();
    assert_eq!(
        lags,
        [(0, None, true), (2, Some(0), false), (1, Some(0), false)]
    );
}

#[test]
fn since_when_it_is_unknown_is_kept_until_it_is_known() {
    let mut world = two_groups();
    assert_eq!(since(&world.status()), None);
    world.kafka(|snapshot| topic(snapshot, "t").partitions[0] = None);
    let first = world.status();
    assert_eq!(since(&first), Some("2026-01-01T00:00:10Z"));
    assert_eq!(
        news(Some(&first), &world.status()),
        News::None,
        "time alone makes no news"
    );
    // its owner leaves, nobody has it, and another one gets it
    world.group("a", |group| group.members.truncate(0));
    assert_eq!(
        since(&world.status()),
        Some("2026-01-01T00:00:10Z"),
        "also without an owner"
    );
    // the whole Kafka is gone, and the partition still is when it comes back
    let answers = world.observed.poll.clone();
    world.outage(KafkaError::TimedOut);
    let blind = &world.status().groups[0];
    assert_eq!(
        (blind.members.len(), blind.unowned.len()),
        (0, 0),
        "who owns what is not known"
    );
    assert_eq!(blind.unknown_since.as_deref(), Some("2026-01-01T00:00:10Z"));
    world.observed.poll = answers;
    assert_eq!(since(&world.status()), Some("2026-01-01T00:00:10Z"));
    world.kafka(|snapshot| topic(snapshot, "t").partitions[0] = Some(Bounds { start: 0, end: 10 }));
    let known = world.status();
    assert_eq!(
        (since(&known), &known.groups[0].unknown_since),
        (None, &None)
    );
    world.kafka(|snapshot| topic(snapshot, "t").partitions[0] = None);
    assert_eq!(
        since(&world.status()),
        Some("2026-01-01T00:01:10Z"),
        "a new time"
    );
}

#[test]
fn a_clock_that_is_set_changes_no_age_and_nothing_is_unknown_since_a_time_to_come() {
    let hour = jiff::SignedDuration::from_hours(1);
    let mut world = two_groups();
    world.group("a", |group| {
        group
            .committed
            .as_mut()
            .expect("set")
            .get_mut(("t", 0))
            .expect("set")
            .offset = 4;
    });
    let trend = LagTrend {
        oldest: Some(Duration::from_secs(140)),
        drain: Some(Duration::from_secs(98)),
    };
    world.observed.lag_trends.insert("a".into(), trend);
    for set in [hour, -hour, -hour, hour] {
        world.now += set;
        let now = world.now;
        let group = &world.status().groups[0];
        let seconds = |time: &Option<String>| {
            let time: Timestamp = time.as_ref().expect("known").parse().expect("a time");
            time.duration_since(now).as_secs()
        };
        assert_eq!(
            (seconds(&group.oldest_since), seconds(&group.done_at)),
            (-140, 98),
            "at {now}"
        );
    }
    world.kafka(|snapshot| topic(snapshot, "t").partitions[0] = None);
    let first = since(&world.status()).map(str::to_owned);
    world.now += hour;
    let later = world.status();
    assert_eq!(
        (since(&later), &later.groups[0].unknown_since),
        (first.as_deref(), &first),
        "no later poll"
    );
    world.now -= hour + hour;
    let now = time(world.now);
    let back = world.status();
    assert_eq!(
        (since(&back), back.groups[0].unknown_since.as_ref()),
        (Some(now.as_str()), Some(&now))
    );
}

#[test]
fn another_kafka_has_been_unknown_for_no_time() {
    let mut world = two_groups();
    world.kafka(|snapshot| topic(snapshot, "t").partitions[0] = None);
    world.status();
    world.plan.bootstrap = "other:1".into();
    assert_eq!(since(&world.status()), Some("2026-01-01T00:00:10Z"));
}

#[test]
fn what_nobody_owns_is_listed_with_its_lag() {
    let mut world = two_groups();
    let settled = &world.status().groups[0];
    assert_eq!((settled.unowned.len(), settled.unowned_count), (0, 0));
    world.group("a", |group| {
        group.members.remove(0);
        group
            .committed
            .as_mut()
            .expect("set")
            .get_mut(("t", 0))
            .expect("set")
            .offset = 4;
    });
    let group = &world.status().groups[0];
    let unowned: Vec<_> = group
        .unowned
        .iter()
        .map(|share| (share.partition, share.lag))
        .collect();
    assert_eq!(
        (unowned, group.unowned_count),
        (vec![(0, Some(6)), (2, Some(0))], 2)
    );
    assert_eq!((group.lag, group.members[0].lag), (Some(6), Some(0)));
    world.group("a", |group| {
        *group = GroupSeen {
            state: GroupState::Absent,
            committed: Some(ByPartition::default()),
            ..GroupSeen::default()
        }
    });
    let group = &world.status().groups[0];
    assert_eq!(
        (group.lag, group.unowned_count),
        (Some(30), 3),
        "a group that has never run has all before it"
    );
}

#[test]
fn a_group_that_is_denied_says_why_and_nothing_else_is_unknown() {
    let mut world = two_groups();
    let denied = KafkaError::Denied {
        operation: "Describe",
        resource: "group a".into(),
    };
    world.group("a", |group| {
        *group = GroupSeen {
            trouble: Some(denied),
            ..GroupSeen::default()
        }
    });
    let status = world.status();
    let (a, b) = (&status.groups[0], &status.groups[1]);
    assert_eq!((a.state.as_str(), a.lag, a.idle), ("Unknown", None, None));
    assert_eq!(
        a.message.as_deref(),
        Some(
            "Kafka denied Describe to this client, which connects without authentication: grant it on group a"
        )
    );
    assert_eq!(
        (b.lag, &b.message, status.summary.lag),
        (Some(0), &None, None)
    );
    world.group("a", |group| {
        (group.state, group.trouble) = (GroupState::Stable, None);
    });
    assert_eq!(world.status().groups[0].message, None);
}

#[test]
fn a_topic_of_which_kafka_says_nothing_makes_the_lag_unknown() {
    let mut world = World::settled(json!({"topics": [{"name": "t"}, {"name": "u"}],
        "groups": [{"name": "both", "replicas": 1}, {"name": "one", "topics": ["t"], "replicas": 1}]}));
    let denied = KafkaError::Denied {
        operation: "Describe",
        resource: "topic u".into(),
    };
    world.kafka(|snapshot| {
        snapshot
            .topics
            .insert("u".into(), TopicSeen::Unknown(std::sync::Arc::new(denied)));
    });
    let status = world.status();
    let lags: Vec<_> = status.groups.iter().map(|group| group.lag).collect();
    assert_eq!(lags, [None, Some(0)], "not 0 for both");
    let why = status.groups[0].message.as_deref();
    assert_eq!(
        why,
        Some(
            "topic u: Kafka denied Describe to this client, which connects without authentication: grant it on topic u"
        )
    );
}

#[test]
fn expired_says_how_many_are_lost_and_recreated_is_no_small_lag() {
    let mut world = two_groups();
    world
        .kafka(|snapshot| topic(snapshot, "t").partitions[0] = Some(Bounds { start: 13, end: 20 }));
    world.group("a", |group| {
        assert!(!group.outdated.contains(("t", 1)));
        group.outdated.insert(("t", 1), ());
    });
    let status = world.status();
    let said: BTreeMap<i32, _> = all(&status.groups[0])
        .map(|s| (s.partition, (s.lag, s.lag_reason.as_deref(), s.lost)))
        .collect();
    assert_eq!(said[&0], (Some(7), Some("Expired"), Some(3)));
    assert_eq!(said[&1], (Some(10), Some("Recreated"), None));
    assert_eq!(said[&2], (Some(0), None, None));
}

#[test]
fn a_topic_that_a_look_does_not_hold_makes_the_lag_unknown() {
    let mut world = World::settled(json!({"topics": [{"name": "t"}, {"name": "u"}],
        "groups": [{"name": "both", "replicas": 1}, {"name": "one", "topics": ["t"], "replicas": 1}]}));
    world.kafka(|snapshot| drop(snapshot.topics.remove("u")));
    let status = world.status();
    let lags: Vec<_> = status
        .groups
        .iter()
        .map(|group| (group.lag, group.message.as_deref()))
        .collect();
    assert_eq!(
        lags,
        [(None, Some("topic u: not polled yet")), (Some(0), None)]
    );
    assert_eq!(status.summary.lag, None, "never a sum without it");
    world.kafka(|snapshot| drop(snapshot.topics.insert("u".into(), TopicSeen::Missing)));
    assert_eq!(
        world.status().groups[0].lag,
        Some(0),
        "a topic that is not there has no messages"
    );
    world.outage(KafkaError::Refused);
    assert_eq!(
        world.status().groups[0].message,
        None,
        "the condition KafkaReachable says why"
    );
}

#[test]
fn nothing_is_called_unowned_while_members_do_not_tell_what_they_own() {
    let mut world = two_groups();
    world.kafka(|snapshot| topic(snapshot, "t").partitions[0] = None);
    assert_eq!(since(&world.status()), Some("2026-01-01T00:00:00Z"));
    let settled = world.observed.poll.clone();
    world.group("a", |group| {
        group.state = GroupState::PreparingRebalance;
        group
            .members
            .iter_mut()
            .for_each(|member| member.partitions = None);
    });
    let group = &world.status().groups[0];
    let members: Vec<_> = group
        .members
        .iter()
        .map(|member| (member.partition_count, member.lag))
        .collect();
    assert_eq!(
        members,
        [(0, None), (0, None)],
        "not 0: what they own is not known"
    );
    assert_eq!(
        (group.unowned.len(), group.unowned_count, group.idle),
        (0, 0, Some(0))
    );
    world.group("a", |group| {
        group.members[0].partitions = Some(PartitionSet::default());
    });
    let group = &world.status().groups[0];
    assert_eq!(
        (group.unowned_count, group.members[0].lag),
        (0, Some(0)),
        "one that owns nothing has no lag"
    );
    world.observed.poll = settled;
    assert_eq!(
        since(&world.status()),
        Some("2026-01-01T00:00:00Z"),
        "it was unknown all the while"
    );
    // with no member there is nobody to tell
    world.group("a", |group| {
        (group.state, group.members) = (GroupState::Empty, Vec::new());
    });
    assert_eq!(world.status().groups[0].unowned_count, 3);
}

#[test]
fn the_age_of_a_lag_is_an_instant_so_that_it_grows_without_a_write() {
    let mut world = two_groups();
    let behind = |world: &mut World, offset| {
        world.group("a", |group| {
            group
                .committed
                .as_mut()
                .expect("set")
                .get_mut(("t", 0))
                .expect("set")
                .offset = offset;
        });
    };
    let trend = |oldest, drain: Option<u64>| LagTrend {
        oldest: Some(Duration::from_secs(oldest)),
        drain: drain.map(Duration::from_secs),
    };
    let instants = |status: &PracticeStatus| {
        let group = &status.groups[0];
        (group.oldest_since.clone(), group.done_at.clone())
    };
    let some = |since: &str, done: Option<&str>| (Some(since.to_owned()), done.map(str::to_owned));
    world
        .observed
        .lag_trends
        .insert("a".into(), trend(0, Some(0)));
    assert_eq!(instants(&world.status()), (None, None), "there is none");
    behind(&mut world, 4);
    world.observed.lag_trends.clear();
    let unknown = world.status();
    assert_eq!(instants(&unknown), (None, None), "not enough samples");
    // it is 00:00:20 now, and ten seconds later with each status
    world
        .observed
        .lag_trends
        .insert("a".into(), trend(140, Some(98)));
    let known = world.status();
    assert_eq!(
        instants(&known),
        some("2025-12-31T23:58:00Z", Some("2026-01-01T00:01:58Z"))
    );
    assert_eq!(
        news(Some(&unknown), &known),
        News::Numbers,
        "that it is known is worth a line"
    );
    world
        .observed
        .lag_trends
        .insert("a".into(), trend(150, Some(88)));
    assert_eq!(
        instants(&world.status()),
        instants(&known),
        "an age that grows and a time that runs out stay the same"
    );
    world
        .observed
        .lag_trends
        .insert("a".into(), trend(86_400, Some(3)));
    assert_eq!(
        news(Some(&known), &world.status()),
        News::None,
        "they never are the reason to write"
    );
    world
        .observed
        .lag_trends
        .insert("a".into(), trend(86_400, None));
    assert_eq!(
        news(Some(&known), &world.status()),
        News::Numbers,
        "but that it will never be done is"
    );
    world
        .observed
        .lag_trends
        .insert("a".into(), trend(1, Some(u64::MAX)));
    assert_eq!(
        world.status().groups[0].done_at,
        None,
        "in no time that has a name"
    );
    behind(&mut world, 5);
    assert_eq!(
        news(Some(&known), &world.status()),
        News::Numbers,
        "they come along with a lag"
    );
    world.outage(KafkaError::Refused);
    assert_eq!(instants(&world.status()), (None, None));
}
