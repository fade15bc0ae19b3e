//! Groups as Kafka has them, with real members, under both protocols.

use std::{collections::BTreeMap, slice::from_ref, sync::Arc};

use practice_contract::{OffsetReset, Protocol};
use practice_groups::{
    ByPartition, GroupSeen, GroupState, KafkaError, Lag, MemberSeen, Partition, PartitionSet,
    TopicSeen,
};
use practice_kafka::Kafka;
use practice_testbed::{
    Kafka as Broker,
    clients::{Member, commit},
    kafka, unique,
};

use crate::{
    consumers::{OURS, join as join_as},
    group, partitions, there, topic_when, until,
};

/// Every partition owned by exactly one member.
fn owned(group: &GroupSeen) -> Vec<Partition> {
    let mut owned: Vec<_> = group
        .members
        .iter()
        .flat_map(|member| &member.partitions)
        .flat_map(PartitionSet::keys)
        .map(practice_groups::owned)
        .collect();
    owned.sort_unstable();
    owned
}

async fn lives(protocol: Protocol, assignor: &str) {
    let bootstrap = kafka().await.bootstrap();
    let kafka = Kafka::connect(bootstrap);
    let (id, topic) = (unique("group"), unique("topic"));
    kafka
        .create_topic(&topic, 3, 1, &BTreeMap::new())
        .await
        .expect("it may be made");
    there(&kafka, &topic).await; // a member that did not find it would look again minutes later
    let all = partitions(&topic, 3);

    let clients: Vec<String> = (1..=4).map(|n| format!("{id}-client-{n}")).collect();
    let join = |client: &String| join_as(bootstrap, &id, &topic, client, protocol);
    let mut members: Vec<Member> = clients[..2].iter().map(join).collect();
    let two = until(&kafka, &id, "stable with 2 members", |group| {
        group.state == GroupState::Stable && group.members.len() == 2 && owned(group) == all
    })
    .await;
    assert_eq!(two.protocol, Some(protocol));
    assert_eq!(two.assignor.as_deref(), Some(assignor));
    assert_eq!(two.trouble, None);
    let mut seen: Vec<&str> = two
        .members
        .iter()
        .map(|member| member.client_id.as_str())
        .collect();
    seen.sort_unstable();
    assert_eq!(seen, clients[..2]);
    for member in &two.members {
        assert!(
            !member.member_id.is_empty() && member.host.contains("127.0.0.1"),
            "{member:?}"
        );
        assert!(
            member
                .partitions
                .as_ref()
                .is_some_and(|owned| !owned.is_empty()),
            "{member:?}"
        );
    }
    match protocol {
        Protocol::Classic => assert_eq!(two.epoch, None),
        Protocol::Consumer => assert!(two.epoch.is_some_and(|epoch| epoch > 0), "{two:?}"),
    }

    members.extend(clients[2..].iter().map(join));
    let four = until(&kafka, &id, "stable with 4 members", |group| {
        let has_assignment = |member: &MemberSeen| {
            member.partitions.is_some() == (group.state == GroupState::Stable)
        };
        assert!(
            protocol == Protocol::Consumer || group.members.iter().all(has_assignment),
            "{group:?}"
        );
        group.state == GroupState::Stable && group.members.len() == 4 && owned(group) == all
    })
    .await;
    let idle = four.members.iter().filter(|member| {
        member
            .partitions
            .as_ref()
            .is_some_and(PartitionSet::is_empty)
    });
    assert_eq!(
        idle.count(),
        1,
        "three partitions keep three of four members busy: {four:?}"
    );
    assert!(
        protocol == Protocol::Classic || four.epoch > two.epoch,
        "{four:?}"
    );

    drop(members);
    let empty = until(&kafka, &id, "empty", |group| group.members.is_empty()).await;
    match protocol {
        // without members and commits Kafka forgets a Classic group at once
        Protocol::Classic => assert!(
            matches!(empty.state, GroupState::Empty | GroupState::Absent),
            "{empty:?}"
        ),
        Protocol::Consumer => assert_eq!(
            (empty.state, empty.protocol),
            (GroupState::Empty, Some(protocol))
        ),
    }
}

#[tokio::test]
async fn a_classic_group_lives() {
    lives(Protocol::Classic, "cooperative-sticky").await;
}

#[tokio::test]
async fn a_kip_848_group_lives() {
    lives(Protocol::Consumer, "uniform").await;
}

#[tokio::test]
async fn an_unused_group_is_absent_and_has_no_commits() {
    let kafka = Kafka::connect(kafka().await.bootstrap());
    let seen = group(&kafka, &unique("absent")).await;
    let absent = GroupSeen {
        state: GroupState::Absent,
        committed: Some(ByPartition::default()),
        ..GroupSeen::default()
    };
    assert_eq!(seen, absent);
}

#[tokio::test]
async fn commits_tell_who_made_them() {
    let bootstrap = kafka().await.bootstrap();
    let kafka = Kafka::connect(bootstrap);
    let (ids, topic) = ([unique("ours"), unique("theirs")], unique("topic"));
    kafka
        .create_topic(&topic, 2, 1, &BTreeMap::new())
        .await
        .expect("it may be made");
    there(&kafka, &topic).await; // Kafka takes no commits in a topic that the broker does not know yet
    commit(bootstrap, &ids[0], &topic, 0, 7, OURS);
    commit(bootstrap, &ids[0], &topic, 1, 8, OURS);
    commit(bootstrap, &ids[1], &topic, 1, 9, "");
    let seen = kafka
        .observe(from_ref(&topic), &ids)
        .await
        .expect("Kafka answers")
        .groups;
    let commits = |id: &String| -> Vec<(i32, i64, &str)> {
        let commits = seen[id].committed.as_ref().expect("can be read");
        commits
            .iter()
            .map(|((_, partition), c)| (partition, c.offset, &*c.metadata))
            .collect()
    };
    assert_eq!(commits(&ids[0]), [(0, 7, OURS), (1, 8, OURS)]);
    assert_eq!(commits(&ids[1]), [(1, 9, "")]);
    assert_eq!(seen[&ids[0]].state, GroupState::Empty);
}

#[tokio::test]
async fn what_is_denied_is_unknown_with_the_operation_and_the_resource_and_nothing_else_is() {
    let broker = Broker::start_with_access_control().await;
    let bootstrap = broker.bootstrap();
    let kafka = Kafka::connect(bootstrap);
    let (topic, groups) = ("t".to_owned(), ["allowed", "denied"].map(str::to_owned));
    kafka
        .create_topic(&topic, 1, 1, &BTreeMap::new())
        .await
        .expect("it may be made");
    there(&kafka, &topic).await;
    for group in &groups {
        commit(bootstrap, group, &topic, 0, 0, "");
    }
    broker.deny("All", ["--group", "denied"]).await;
    let denied = until(&kafka, "denied", "denied", |group| group.trouble.is_some()).await;
    let snapshot = kafka
        .observe(std::slice::from_ref(&topic), &groups)
        .await
        .expect("Kafka answers");
    let expected = KafkaError::Denied {
        operation: "Describe",
        resource: "group denied".into(),
    };
    assert_eq!(denied.trouble, Some(expected));
    let lag =
        |group: &str| snapshot.lag(&snapshot.groups[group], (&topic, 0), OffsetReset::Earliest);
    assert_eq!(
        (denied.state, lag("denied")),
        (GroupState::Unknown, Lag::Unknown)
    );
    assert_eq!(
        (snapshot.groups["allowed"].state, lag("allowed")),
        (GroupState::Empty, Lag::Behind(0))
    );
    // in this order: the second one is waited for, and brokers apply them one after the other
    broker.deny("AlterConfigs", ["--topic", &topic]).await;
    broker.deny("Describe", ["--topic", &topic]).await;
    let expected = TopicSeen::Unknown(Arc::new(KafkaError::Denied {
        operation: "Describe",
        resource: "topic t".into(),
    }));
    topic_when(&kafka, &topic, "denied", |seen| *seen == expected).await;
    let snapshot = kafka
        .observe(std::slice::from_ref(&topic), &groups)
        .await
        .expect("Kafka answers");
    assert_eq!(snapshot.topics[&topic], expected, "denied, and not missing");
    let set = kafka
        .configure_topic(
            &topic,
            &BTreeMap::from([("retention.ms".into(), Some("1000".into()))]),
        )
        .await;
    assert_eq!(
        set,
        Err(KafkaError::Denied {
            operation: "AlterConfigs",
            resource: "topic t".into()
        })
    );
    let (there, all) = kafka.group_ids().await.expect("Kafka answers");
    println!(
        "ListGroups lists a denied group: {}",
        there.contains("denied")
    );
    assert!(all && there.contains("allowed"));
}

/// What shows the owner of a group id stays, however many partitions the group has elsewhere.
#[tokio::test]
async fn commits_in_topics_that_nobody_asked_about_are_kept_once_for_each_metadata() {
    let broker = kafka().await;
    let bootstrap = broker.bootstrap();
    let [asked, elsewhere, id] = ["asked", "elsewhere", "commits"].map(unique);
    for topic in [&asked, &elsewhere] {
        broker.create_topic(topic, 3).await;
    }
    for partition in [0, 2] {
        commit(bootstrap, &id, &asked, partition, 0, OURS);
    }
    for (partition, metadata) in [(0, OURS), (1, "theirs"), (2, "theirs")] {
        commit(bootstrap, &id, &elsewhere, partition, 0, metadata);
    }
    let kafka = Kafka::connect(bootstrap);
    let snapshot = kafka.observe(from_ref(&asked), from_ref(&id)).await;
    let snapshot = snapshot.expect("Kafka answers");
    let committed = snapshot.groups[&id].committed.as_ref();
    let committed = committed.expect("they are known");
    let mut kept: Vec<(&str, &str)> = committed
        .iter()
        .map(|((topic, _), committed)| (topic, &*committed.metadata))
        .collect();
    kept.sort_unstable();
    let mut expected = vec![
        (&*asked, OURS),
        (&*asked, OURS),
        (&*elsewhere, OURS),
        (&*elsewhere, "theirs"),
    ];
    expected.sort_unstable();
    assert_eq!(kept, expected);
    let only = [(asked.clone(), 3)].into();
    let others = kafka.other_groups(from_ref(&id), &only).await;
    let others = others.expect("Kafka answers");
    let committed = others[&id].committed.as_ref();
    let partitions: Vec<_> = committed.expect("they are known").keys().collect();
    assert_eq!(partitions, [(&*asked, 0), (&*asked, 2)]);
}
