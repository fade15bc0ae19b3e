//! One broker of three goes: what only it knew is unknown, and nothing else.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use practice_contract::{OffsetReset, Protocol};
use practice_groups::{GroupState, Lag, total};
use practice_kafka::Kafka;
use practice_testbed::{
    Brokers,
    clients::{commit_all, send},
};

use crate::{consumers::Worker, present, there, topic, truth::agreed};

#[tokio::test]
async fn what_only_one_broker_knew_is_unknown_while_it_is_down() {
    let brokers = Brokers::start(3).await;
    let bootstrap = brokers.bootstrap();
    let kafka = Kafka::connect(&bootstrap);
    kafka
        .create_topic("single", 3, 1, &BTreeMap::new())
        .await
        .expect("it may be made");
    kafka
        .create_topic("safe", 2, 3, &BTreeMap::new())
        .await
        .expect("it may be made");
    for topic in ["single", "safe"] {
        there(&kafka, topic).await;
    }
    let servers = bootstrap.clone();
    tokio::task::spawn_blocking(move || {
        send(&servers, "safe", 5);
        commit_all(&servers, "of-single", "single", 0..=2, 0, "");
    })
    .await
    .expect("it does not panic");
    let groups = ["classic", "consumer"].map(str::to_owned);
    let mut workers = Vec::new();
    for (group, protocol) in groups.iter().zip([Protocol::Classic, Protocol::Consumer]) {
        workers.push(
            Worker::start(
                &bootstrap,
                group,
                "safe",
                &format!("{group}-0"),
                protocol,
                Duration::ZERO,
            )
            .await,
        );
    }
    let (topics, all) = (
        ["single", "safe"].map(str::to_owned),
        [&groups[..], &["of-single".to_owned()]].concat(),
    );
    let lags = async |what: &str, known: [bool; 3]| {
        let begun = Instant::now();
        loop {
            let asked = Instant::now();
            let snapshot = kafka.observe(&topics, &all).await;
            let took = asked.elapsed();
            assert!(
                took < Duration::from_secs(11),
                "{what}: a poll ends in time, it took {took:?}"
            );
            let Ok(snapshot) = snapshot else {
                assert!(
                    begun.elapsed() < Duration::from_secs(90),
                    "{what}: {snapshot:?}"
                );
                continue;
            };
            let lag = |group: &str, topic: &str, number| {
                snapshot.lag(
                    &snapshot.groups[group],
                    (topic, number),
                    OffsetReset::Earliest,
                )
            };
            let single = [0, 1, 2].map(|number| lag("of-single", "single", number));
            let read = |group: &String| {
                let stable = snapshot.groups[group].state == GroupState::Stable
                    && snapshot.groups[group].members.len() == 1;
                stable
                    && lag(group, "safe", 0) == Lag::Behind(0)
                    && lag(group, "safe", 1).effective() == Some(0)
            };
            let wanted = known.map(|known| if known { Lag::Behind(0) } else { Lag::Unknown });
            if single == wanted && groups.iter().all(read) {
                println!(
                    "{what}: a poll took {took:?}, so it was after {:?}",
                    begun.elapsed()
                );
                return total(single.map(Lag::effective));
            }
            assert!(
                begun.elapsed() < Duration::from_secs(90),
                "{what}: {single:?} {snapshot:#?}"
            );
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    };
    assert_eq!(lags("three brokers", [true; 3]).await, Some(0));
    let tool = async |class: &str, args: &[&str]| brokers.tool(class, args).await;
    agreed("three brokers", tool, &bootstrap, &topics, &all).await;

    let copies = present(topic(&kafka, "single").await).copies;
    let victim = copies[1].leader.expect("it has a leader");
    brokers
        .kill(usize::try_from(victim).expect("positive"))
        .await;
    let known = [0, 1, 2].map(|number: usize| copies[number].leader != Some(victim));
    assert_eq!(
        known.iter().filter(|known| !**known).count(),
        1,
        "each broker leads one: {copies:?}"
    );
    assert_eq!(
        lags("one of three is down", known).await,
        None,
        "null, not what the others add up to"
    );
    // for a partition without a leader Kafka's tool prints only an error, for all groups of a call
    agreed(
        "one of three is down",
        tool,
        &bootstrap,
        &topics[1..],
        &groups,
    )
    .await;

    brokers
        .restart(usize::try_from(victim).expect("positive"))
        .await;
    assert_eq!(lags("it is back", [true; 3]).await, Some(0));
    for worker in workers {
        worker.stop().await;
    }
}
