//! Tables of what a status says, from a world in which everything has arrived and one thing is changed.

mod lag;
mod news;
mod other_groups;
mod unknown;

use practice_groups::KafkaError;
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
