//! The cost of one poll with many practices on one Kafka: seven with 32 groups each, more than 200 groups of 50 partitions.

use std::time::{Duration, Instant};

use practice_contract::{OffsetReset, Protocol};
use practice_groups::{LagTrends, PartitionSet, total};
use practice_kafka::Kafka;
use practice_testbed::{
    Kafka as Broker,
    clients::{Member, commit_for_each},
};

use crate::{
    consumers::{OURS, join},
    turn,
};

const PRACTICES: usize = 7;
const GROUPS: usize = 32;
const PARTITIONS: i32 = 50;
/// Of each practice, so many groups have a member that owns all.
const WITH_A_MEMBER: usize = 2;

#[tokio::test]
async fn one_poll_of_224_groups_of_50_partitions_takes_less_than_two_seconds() {
    let _turn = turn().await;
    let broker = Broker::start().await;
    let bootstrap = broker.bootstrap().to_owned();
    let kafka = Kafka::connect(&bootstrap);
    let topics: Vec<String> = (0..PRACTICES)
        .map(|practice| format!("topic-{practice}"))
        .collect();
    let groups: Vec<(String, String)> = topics
        .iter()
        .flat_map(|topic| {
            (0..GROUPS).map(move |group| (topic.clone(), format!("{topic}-group-{group:02}")))
        })
        .collect();
    for topic in &topics {
        broker.create_topic(topic, PARTITIONS).await; // and waits for it: Kafka takes no commits before
    }
    let (committing, servers) = (groups.clone(), bootstrap.clone());
    let members: Vec<Member> = tokio::task::spawn_blocking(move || {
        commit_for_each(&servers, &committing, 0..=PARTITIONS - 1, OURS);
        let joining = committing
            .chunks(GROUPS)
            .flat_map(|practice| &practice[..WITH_A_MEMBER]);
        joining
            .map(|(topic, group)| join(&servers, group, topic, group, Protocol::Consumer))
            .collect()
    })
    .await
    .expect("it does not panic");

    let ids: Vec<String> = groups.iter().map(|(_, group)| group.clone()).collect();
    let begun = Instant::now();
    loop {
        let snapshot = kafka.observe(&topics, &ids).await.expect("Kafka answers");
        let owned = snapshot
            .groups
            .values()
            .flat_map(|group| &group.members)
            .flat_map(|member| &member.partitions)
            .map(PartitionSet::len);
        if owned.sum::<usize>()
            == PRACTICES * WITH_A_MEMBER * usize::try_from(PARTITIONS).expect("positive")
        {
            break;
        }
        assert!(
            begun.elapsed() < Duration::from_mins(1),
            "every member must have its partitions"
        );
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    let (mut lag_trends, mut polls, mut sums) = (LagTrends::default(), Vec::new(), Vec::new());
    for second in 0..5 {
        let begun = Instant::now();
        let mut snapshot = kafka.observe(&topics, &ids).await.expect("Kafka answers");
        polls.push(begun.elapsed());
        let begun = Instant::now();
        let tick = Duration::from_secs(second * 2);
        lag_trends.record_snapshot(&mut snapshot, tick);
        for (topic, group) in &groups {
            let seen = &snapshot.groups[group];
            let lags = (0..PARTITIONS)
                .map(|number| snapshot.lag(seen, (topic, number), OffsetReset::Earliest));
            assert_eq!(
                total(lags.map(practice_groups::Lag::effective)),
                Some(0),
                "{group}"
            );
            lag_trends.trend(
                &snapshot,
                group,
                std::slice::from_ref(topic),
                OffsetReset::Earliest,
                tick,
            );
        }
        sums.push(begun.elapsed());
    }
    let slowest = polls.iter().max().copied().unwrap_or_default();
    println!(
        "{} groups of {PARTITIONS} partitions: polls took {polls:?}, lags and lag_trends of all {sums:?}",
        ids.len()
    );

    let poll = async || drop(kafka.observe(&topics, &ids).await.expect("Kafka answers"));
    let (connections, requests) = broker.requests("kafka-practice", poll).await;
    let sum: usize = requests.values().sum();
    println!("one poll: {connections} connections, {sum} requests: {requests:?}");
    assert!(
        slowest <= Duration::from_secs(2),
        "a poll takes at most 2 s, these took {polls:?}"
    );
    // the client asks for a group's coordinator each time that it asks about the group
    assert!(
        sum <= 3 * ids.len() + 20,
        "three for each group and a few more, were {requests:?}"
    );
    assert_eq!(connections, 1);
    tokio::task::spawn_blocking(|| drop(members))
        .await
        .expect("they leave");
}
