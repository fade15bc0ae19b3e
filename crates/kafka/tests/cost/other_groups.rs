//! What it costs to ask about groups of other applications.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Instant,
};

use practice_groups::OtherGroups;
use practice_kafka::Kafka;
use practice_testbed::{clients::commit_for_each, kafka, unique};

use crate::{consumers::OURS, turn};

#[tokio::test]
async fn asking_about_groups_of_others_is_cheap_and_bounded() {
    let _turn = turn().await;
    let broker = kafka().await;
    let bootstrap = broker.bootstrap();
    let kafka = Kafka::connect(bootstrap);
    let topic = unique("cheap");
    broker.create_topic(&topic, 1).await; // and waits for it: Kafka takes no commits before
    let groups: Vec<(String, String)> =
        (0..150).map(|_| (topic.clone(), unique("cheap"))).collect();
    commit_for_each(bootstrap, &groups, 0..=0, OURS);
    let (ours, topics) = (BTreeSet::new(), BTreeMap::from([(topic.clone(), 1)]));
    let (mut other_groups, mut asked) = (OtherGroups::default(), 0);
    for round in 1..=3 {
        let begun = Instant::now();
        let (there, all) = kafka.group_ids().await.expect("Kafka answers");
        let listed = begun.elapsed();
        let next = other_groups.round(&there, all, &ours);
        assert!(next.len() <= 100, "{} in one round", next.len());
        asked += next.len();
        let described = kafka.other_groups(&next, &topics).await;
        other_groups.note(described.expect("Kafka answers"));
        println!(
            "round {round}: {} groups listed in {listed:?} (1 request for each broker), {} asked about in {:?} (1 or 2 requests for each \
             coordinator and {} for commits)",
            there.len(),
            next.len(),
            begun.elapsed().saturating_sub(listed),
            next.len()
        );
        assert!(
            begun.elapsed().as_secs() < 5,
            "it took {:?}",
            begun.elapsed()
        );
    }
    let snapshot = kafka
        .observe(std::slice::from_ref(&topic), &[])
        .await
        .expect("Kafka answers");
    let reported = other_groups.report(other_groups.noted(), &snapshot, &ours);
    assert!(
        asked >= 150 && reported.is_some_and(|reported| reported.len() == 150),
        "all groups are reported after two rounds"
    );
}
