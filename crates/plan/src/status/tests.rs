//! Tables of what a status says, from a world in which everything has arrived and one thing is changed.

use std::sync::Arc;

use jiff::SignedDuration;
use practice_groups::{Bounds, ByPartition, GroupSeen, KafkaError};
use serde_json::{Value, json};

use super::*;
use crate::outcome::{Hold, Unclaimed};
use crate::testing::{World, two_groups};

#[test]
fn what_is_settled_reads_so() {
    let status = two_groups().status();
    let expected = Summary {
        topics: 1,
        partitions: Some(3),
        groups: 2,
        consumers: Some(4),
        idle: Some(0),
        lag: Some(0),
    };
    assert_eq!(status.summary, expected);
    assert_eq!(status.bootstrap_servers.as_deref(), Some("k:1"));
    let topic = &status.topics[0];
    assert_eq!(
        (topic.ready, topic.partitions, topic.replication_factor),
        (true, Some(3), Some(1))
    );
    assert_eq!(
        (topic.topic_id.as_deref(), topic.created_topic_id.as_deref()),
        (Some(format!("{:032x}", 7).as_str()), None)
    );
    let (a, b) = (&status.groups[0], &status.groups[1]);
    assert_eq!(
        (
            a.group_id_owned,
            a.state.as_str(),
            a.protocol.as_str(),
            a.epoch
        ),
        (true, "Stable", "Classic", None)
    );
    assert_eq!((a.replicas, a.ready_replicas, b.replicas), (2, 2, 2));
    let owner = &a.members[0];
    assert_eq!(
        (
            owner.name.as_str(),
            owner.pod.as_deref(),
            owner.partition_count
        ),
        ("p-a-0", Some("p-a-0"), 2)
    );
    assert_eq!(
        (owner.partitions[0].partition, owner.partitions[1].partition),
        (0, 2)
    );
    assert_eq!(
        (
            owner.partitions[0].committed,
            owner.partitions[0].end,
            owner.partitions[0].lag
        ),
        (Some(10), Some(10), Some(0))
    );
    assert_eq!(owner.partitions[0].lag_reason, None);
    assert_eq!(b.members[1].name, "p-b-v-0");
}

#[test]
fn a_lag_is_a_number_only_when_all_of_it_is_known() {
    type Change = fn(&mut World);
    let cases: [(&str, Change, Option<i64>, Option<i64>, Option<&str>); 7] = [
        ("read to the end", |_| {}, Some(0), Some(0), None),
        (
            "behind",
            |w| {
                w.group("a", |g| {
                    g.committed
                        .as_mut()
                        .expect("set")
                        .get_mut(("t", 0))
                        .expect("set")
                        .offset = 4;
                });
            },
            Some(6),
            Some(6),
            None,
        ),
        (
            "earliest without a commit",
            |w| {
                w.group("a", |g| {
                    let all = g.committed.as_mut().expect("set");
                    all.retain(|at, _| at != ("t", 0));
                });
            },
            Some(10),
            Some(10),
            Some("NoCommit"),
        ),
        (
            "committed beyond the end",
            |w| {
                w.group("a", |g| {
                    g.committed
                        .as_mut()
                        .expect("set")
                        .get_mut(("t", 0))
                        .expect("set")
                        .offset = 11;
                });
            },
            Some(0),
            Some(0),
            Some("Stale"),
        ),
        (
            "commits cannot be read",
            |w| w.group("a", |g| g.committed = None),
            None,
            None,
            Some("Unknown"),
        ),
        (
            "a leader is gone",
            |w| {
                w.kafka(|s| {
                    let facts = s.topic_mut("t").expect("is present");
                    facts.partitions[0] = None;
                });
            },
            None,
            None,
            Some("Unknown"),
        ),
        (
            "retention was faster",
            |w| {
                w.kafka(|s| {
                    let facts = s.topic_mut("t").expect("is present");
                    facts.partitions[0] = Some(Bounds { start: 12, end: 20 });
                    let g = s.group_mut("b").expect("seen");
                    g.committed
                        .as_mut()
                        .expect("set")
                        .get_mut(("t", 0))
                        .expect("set")
                        .offset = 20;
                });
            },
            Some(8),
            Some(8),
            Some("Expired"),
        ),
    ];
    for (what, change, lag, sum, because) in cases {
        let mut world = two_groups();
        change(&mut world);
        let status = world.status();
        let group = &status.groups[0];
        assert_eq!((group.lag, group.members[0].lag), (lag, lag), "{what}");
        assert_eq!(status.summary.lag, sum, "{what}");
        assert_eq!(
            group.members[0].partitions[0].lag_reason.as_deref(),
            because,
            "{what}"
        );
        let other = (because != Some("Unknown") || what.contains("leader")).then_some(0);
        assert_eq!(
            group.members[1].lag, other,
            "{what}: of another member's partition"
        );
    }
}

#[test]
fn latest_without_a_commit_is_not_behind_before_the_group_starts() {
    let mut world = two_groups();
    world.group("b", |group| {
        group.committed = Some(ByPartition::default());
        group.members.clear();
    });
    assert_eq!(world.status().groups[1].lag, Some(0));
    // its start is pinned; partitions 1 and 2 were added later
    let mut world = two_groups();
    world.group("b", |group| {
        group
            .committed
            .iter_mut()
            .for_each(|all| all.retain(|(_, partition), _| partition == 0));
    });
    assert_eq!(world.status().groups[1].lag, Some(20));
}

#[test]
fn a_group_whose_start_is_not_pinned_keeps_an_id_that_it_owned() {
    for owned in [false, true] {
        let mut world = two_groups();
        let pending = Unclaimed::start_waits("for topic t to exist", owned);
        world.prepared.unclaimed.insert("b".into(), pending);
        world.prepared.holds.insert("b".into(), Hold::Unclaimed);
        let status = world.status();
        let hold = status.groups[1].hold.as_ref().expect("it is held");
        assert_eq!(
            (status.groups[1].group_id_owned, hold.reason.as_str()),
            (owned, "GroupStartPending")
        );
        assert!(
            hold.message.contains("group b") && hold.message.contains("topic t to exist"),
            "{}",
            hold.message
        );
        let reconciling = status.condition("Reconciling").expect("is there");
        assert_eq!(reconciling.status, "True");
        assert!(
            reconciling.message.contains("topic t to exist"),
            "{}",
            reconciling.message
        );
        let stalled = status.condition("Stalled").expect("is there");
        assert_eq!(
            stalled.status, "False",
            "the operator tries again by itself"
        );
    }
}

#[test]
fn unknown_is_never_zero() {
    let mut world = two_groups();
    let known = world.status();
    world.outage(KafkaError::Refused);
    let status = world.status();
    let totals = (
        status.summary.consumers,
        status.summary.idle,
        status.summary.lag,
    );
    assert_eq!(totals, (None, None, None));
    for group in &status.groups {
        assert_eq!(
            (group.lag, group.idle, group.state.as_str()),
            (None, None, "Unknown")
        );
        assert!(
            group.group_id_owned,
            "what was claimed stays so while Kafka is down"
        );
    }
    assert_eq!(status.topics, known.topics, "out of sight is not gone");
    let json = serde_json::to_value(&status).expect("is JSON");
    assert_eq!(json["groups"][0]["lag"], Value::Null);
    assert!(
        json["groups"][0]
            .as_object()
            .expect("is one")
            .contains_key("lag"),
        "null, not absent"
    );

    let mut world = two_groups();
    world.group("a", |group| *group = GroupSeen::default());
    let status = world.status();
    assert_eq!(
        (status.summary.lag, status.summary.consumers),
        (None, None),
        "one unknown group makes sums unknown"
    );
    assert_eq!(status.groups[1].lag, Some(0));
}

#[test]
fn nothing_is_remembered_of_another_kafka() {
    let mut world = two_groups();
    let id = world.status().topics[0].topic_id.clone();
    let own = id.clone().map(|id| ("t".to_owned(), id));
    world.prepared.own = Some(own.into_iter().collect());
    assert_eq!(world.status().topics[0].created_topic_id, id);
    world.prepared.own = None;
    assert_eq!(
        world.status().topics[0].created_topic_id,
        id,
        "shown until the record is read"
    );
    world.plan.bootstrap = "other:1".into();
    world.outage(KafkaError::TimedOut);
    let topic = &world.status().topics[0];
    assert_eq!(
        (topic.ready, &topic.created_topic_id, topic.partitions),
        (false, &None, None)
    );
}

#[test]
fn idle_members_are_named_with_the_reason() {
    let mut world = World::settled(
        json!({"topics": [{"name": "t", "partitions": 3}], "groups": [{"name": "a", "replicas": 4}]}),
    );
    assert_eq!(world.status().groups[0].idle, Some(0), "not long enough");
    world.observed.idle.insert(("a".into(), "p-a-3-id".into()));
    world
        .observed
        .idle
        .insert(("other".into(), "p-a-2-id".into()));
    let group = &world.status().groups[0];
    assert_eq!(group.idle, Some(1));
    assert_eq!(
        group.members[3].idle_because.as_deref(),
        Some("3 partitions, 4 consumers: 1 waits")
    );
    assert_eq!(group.members[2].idle_because, None);
    for (partitions, members, idle, sentence) in [
        (1, 2, 1, "1 partition, 2 consumers: 1 waits"),
        (1, 4, 3, "1 partition, 4 consumers: 3 wait"),
        (0, 1, 1, "0 partitions, 1 consumer: 1 waits"),
    ] {
        assert_eq!(group::waits(partitions, members, idle), sentence);
    }
}

#[test]
fn a_member_is_a_pod_only_if_there_is_one() {
    let mut world = two_groups();
    world.running.pods.retain(|pod| pod != "p-a-0");
    let members = &world.status().groups[0].members;
    assert_eq!(
        (members[0].name.as_str(), members[0].pod.as_deref()),
        ("p-a-0", None)
    );
    assert_eq!(members[1].pod.as_deref(), Some("p-a-1"));
}

#[test]
fn of_a_spec_that_is_refused_nothing_is_known_but_whose_it_is() {
    let mut world = two_groups();
    let before = world.status();
    let fault = SpecFault::Illegal("why".into());
    let prepared = Prepared::default();
    let after = status(
        Err(&fault),
        &prepared,
        &Running::default(),
        None,
        Some(&before),
        Some(2),
        world.now,
    );
    assert_eq!(after.observed_generation, Some(2));
    assert_eq!(
        (&after.topics, &after.bootstrap_servers),
        (&before.topics, &before.bootstrap_servers)
    );
    for (group, former) in after.groups.iter().zip(&before.groups) {
        assert!(
            former.lag.is_some() && former.unknown_since.is_none() && former.group_id_owned,
            "{former:?}"
        );
        let kept = (
            &group.name,
            group.group_id_owned,
            &group.protocol,
            group.replicas,
            group.ready_replicas,
        );
        let was = (
            &former.name,
            former.group_id_owned,
            &former.protocol,
            former.replicas,
            former.ready_replicas,
        );
        assert_eq!(kept, was);
        assert_eq!(
            (group.state.as_str(), group.lag, group.idle, &group.members),
            ("Unknown", None, None, &vec![])
        );
        assert_eq!(
            group.unknown_since.as_deref(),
            Some(group::time(world.now).as_str())
        );
        assert!(
            group
                .message
                .as_ref()
                .is_some_and(|why| why.contains("manifest")),
            "{:?}",
            group.message
        );
    }
    assert_eq!(
        (
            after.summary.consumers,
            after.summary.idle,
            after.summary.lag
        ),
        (None, None, None)
    );
    let kafka = after.condition("KafkaReachable").expect("it is there");
    assert_eq!(
        (kafka.status.as_str(), kafka.reason.as_str()),
        ("Unknown", "NotChecked")
    );
    let again = status(
        Err(&fault),
        &prepared,
        &Running::default(),
        None,
        Some(&after),
        Some(2),
        world.now + SignedDuration::from_secs(5),
    );
    assert_eq!(again, after, "nothing to write while not monitored");
    let never = status(
        Err(&fault),
        &prepared,
        &Running::default(),
        None,
        None,
        Some(2),
        world.now,
    );
    assert_eq!(never.groups, Vec::new());
    assert_eq!(
        never.conditions.len(),
        8,
        "every condition from the first visit"
    );
}

#[test]
fn news_is_what_means_something() {
    type Change = fn(&mut PracticeStatus);
    let before = {
        let mut world = two_groups();
        world.group("a", |g| {
            g.committed
                .as_mut()
                .expect("set")
                .get_mut(("t", 0))
                .expect("set")
                .offset = 4;
        });
        world.status()
    };
    assert_eq!(before.groups[0].lag, Some(6));
    let cases: [(&str, Change, News); 13] = [
        ("nothing", |_| {}, News::None),
        ("6 -> 7", |s| s.groups[0].lag = Some(7), News::Numbers),
        (
            "6 -> 1 everywhere",
            |s| {
                (s.groups[0].lag, s.summary.lag, s.groups[0].members[0].lag) =
                    (Some(1), Some(1), Some(1));
            },
            News::Numbers,
        ),
        (
            "an offset moved",
            |s| s.groups[0].members[0].partitions[0].committed = Some(5),
            News::Numbers,
        ),
        (
            "the end moved",
            |s| s.groups[0].members[0].partitions[0].end = Some(50),
            News::Numbers,
        ),
        ("6 -> 0", |s| s.groups[0].lag = Some(0), News::Meaning),
        ("0 -> 6", |s| s.groups[1].lag = Some(6), News::Meaning),
        ("6 -> unknown", |s| s.groups[0].lag = None, News::Meaning),
        (
            "a partition becomes unknown",
            |s| s.groups[0].members[0].partitions[0].lag = None,
            News::Meaning,
        ),
        (
            "the first commit",
            |s| s.groups[0].members[0].partitions[0].committed = None,
            News::Meaning,
        ),
        (
            "the sum becomes unknown",
            |s| s.summary.lag = None,
            News::Meaning,
        ),
        (
            "a partition moves",
            |s| drop(s.groups[0].members[0].partitions.pop()),
            News::Meaning,
        ),
        (
            "a condition turns",
            |s| s.conditions[0].status = "Unknown".into(),
            News::Meaning,
        ),
    ];
    for (what, change, expected) in cases {
        let mut after = before.clone();
        change(&mut after);
        assert_eq!(news(Some(&before), &after), expected, "{what}");
    }
    assert_eq!(news(None, &before), News::Meaning);
}

#[test]
fn a_status_stays_small_and_its_counts_true() {
    let groups: Vec<Value> = (0..32)
        .map(|n| json!({"name": format!("group-{n}"), "replicas": 100}))
        .collect();
    let mut world = World::settled(
        json!({"topics": [{"name": "a-topic-with-a-rather-long-name", "partitions": 1000}], "groups": groups}),
    );
    let mut status = world.status();
    let size = |status: &PracticeStatus| serde_json::to_vec(status).expect("is JSON").len();
    assert!(size(&status) <= LARGEST, "{} bytes", size(&status));
    let has_members =
        |status: &PracticeStatus| status.groups.iter().all(|group| !group.members.is_empty());
    assert!(has_members(&status));
    shorten(&mut status, LARGEST_WRITTEN);
    assert!(size(&status) <= LARGEST_WRITTEN, "{} bytes", size(&status));
    assert!(has_members(&status));
    assert_eq!(
        (
            status.summary.consumers,
            status.summary.lag,
            status.summary.idle
        ),
        (Some(3200), Some(0), Some(0))
    );
    for group in &status.groups {
        assert!(
            group.truncated && group.members.len() < 100,
            "{} members are left",
            group.members.len()
        );
        assert!(
            group
                .members
                .iter()
                .all(|member| member.partition_count == 10),
            "counts are true"
        );
        assert_eq!((group.replicas, group.lag), (100, Some(0)));
    }
    assert_eq!(
        status.condition("Ready").expect("is there").status,
        "True",
        "judged before it was cut"
    );
    let small = two_groups().status();
    assert!(small.groups.iter().all(|group| !group.truncated));
}

#[test]
fn groups_of_other_applications_are_told_with_what_they_may_be_behind() {
    let mut world = two_groups();
    let other_groups = |topics: &[(&str, Option<i64>)]| OtherGroup {
        state: GroupState::Empty,
        protocol: Some(practice_contract::Protocol::Classic),
        members: Some(2),
        topics: topics
            .iter()
            .map(|(topic, lag)| ((*topic).to_owned(), *lag))
            .collect(),
    };
    let mut see = |other_groups: Option<Vec<(String, OtherGroup)>>| {
        world.kafka(|look| {
            look.other_groups = other_groups.map(|all| Arc::new(all.into_iter().collect()));
        });
        let before = world.before.clone();
        let status = world.status();
        (before.map(|before| news(Some(&before), &status)), status)
    };
    let (_, status) = see(None);
    assert_eq!(
        (status.other_groups.len(), status.other_group_count),
        (0, None)
    );
    let (said, status) = see(Some(Vec::new()));
    assert_eq!(
        (said, status.other_group_count),
        (Some(News::None), Some(0)),
        "none is never the reason to write"
    );
    let others = [
        (
            "billing".to_owned(),
            other_groups(&[("t", Some(7)), ("of-another-practice", Some(1))]),
        ),
        (
            "elsewhere".to_owned(),
            other_groups(&[("of-another-practice", Some(1))]),
        ),
        ("a".to_owned(), other_groups(&[("t", Some(1))])),
    ];
    let (said, status) = see(Some(others.to_vec()));
    assert_eq!(said, Some(News::Meaning));
    let billing = OtherGroupStatus {
        name: "billing".into(),
        state: "Empty".into(),
        protocol: Some("Classic".into()),
        members: Some(2),
        topics: vec!["t".into()],
        lag: Some(7),
        upper_bound: true,
    };
    assert_eq!(
        (status.other_groups, status.other_group_count),
        (vec![billing.clone()], Some(1)),
        "`a` is the practice's own"
    );
    let (said, _) = see(Some(vec![(
        "billing".to_owned(),
        other_groups(&[("t", Some(9))]),
    )]));
    assert_eq!(said, Some(News::Numbers));
    // an operator that has just started has not asked yet
    let (said, status) = see(None);
    assert_eq!(
        (said, status.other_group_count),
        (Some(News::None), Some(1))
    );
    let (said, status) = see(Some(vec![(
        "billing".to_owned(),
        other_groups(&[("t", Some(0))]),
    )]));
    assert_eq!(
        (said, status.other_groups[0].upper_bound),
        (Some(News::Meaning), false),
        "nothing is nothing"
    );
    let silent = OtherGroup {
        state: GroupState::Unknown,
        members: None,
        ..other_groups(&[("t", None)])
    };
    let (_, status) = see(Some(vec![("billing".to_owned(), silent)]));
    let billing = &status.other_groups[0];
    assert_eq!(
        (
            billing.state.as_str(),
            billing.members,
            billing.lag,
            billing.upper_bound
        ),
        ("Unknown", None, None, true)
    );
    assert_eq!(
        status.other_group_count,
        Some(1),
        "its coordinator did not answer: it is there all the same"
    );
    let many = (0..200).map(|number| (format!("app-{number:03}"), other_groups(&[("t", None)])));
    let (_, status) = see(Some(many.collect()));
    assert_eq!(
        (status.other_groups.len(), status.other_group_count),
        (20, Some(200))
    );
    assert_eq!(
        (
            status.other_groups[19].name.as_str(),
            status.other_groups[19].lag
        ),
        ("app-019", None)
    );
    world.outage(KafkaError::Refused);
    let status = world.status();
    assert_eq!(
        (status.other_groups.len(), status.other_group_count),
        (20, Some(200)),
        "out of sight is not gone"
    );
    assert!(
        status
            .other_groups
            .iter()
            .all(|group| group.lag.is_none() && group.state == "Unknown")
    );
    assert!(
        status
            .other_groups
            .iter()
            .all(|group| group.members.is_none())
    );
}
