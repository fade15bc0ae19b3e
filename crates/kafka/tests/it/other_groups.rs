//! Groups of other applications: found, and reported with an upper bound of their lag.

use std::collections::{BTreeMap, BTreeSet};

use practice_contract::Protocol;
use practice_groups::{GroupState, OtherGroups, PartitionSet};
use practice_kafka::Kafka;
use practice_testbed::{
    clients::{commit, send},
    kafka, unique,
};

use crate::{
    consumers::{OURS, join},
    there, until,
};

#[tokio::test]
async fn groups_of_others_are_found_by_their_members_and_commits() {
    let bootstrap = kafka().await.bootstrap();
    let kafka = Kafka::connect(bootstrap);
    let (topic, elsewhere) = (unique("topic"), unique("elsewhere"));
    for topic in [&topic, &elsewhere] {
        kafka
            .create_topic(topic, 2, 1, &BTreeMap::new())
            .await
            .expect("it may be made");
        there(&kafka, topic).await;
    }
    send(bootstrap, &topic, 10);
    let [ours, commits, both, other] = ["ours", "commits", "member", "other"].map(unique);
    commit(bootstrap, &ours, &topic, 0, 1, OURS);
    commit(bootstrap, &commits, &topic, 0, 4, "");
    commit(bootstrap, &commits, &elsewhere, 0, 0, "");
    commit(bootstrap, &other, &elsewhere, 0, 0, "");
    let member = join(bootstrap, &both, &topic, "client", Protocol::Consumer);
    until(&kafka, &both, "stable", |group| {
        let owned = group
            .members
            .first()
            .and_then(|member| member.partitions.as_ref())
            .map(PartitionSet::len);
        group.state == GroupState::Stable && owned == Some(2)
    })
    .await;

    let (there, all) = kafka.group_ids().await.expect("Kafka answers");
    assert!(
        all && [&ours, &commits, &both, &other]
            .into_iter()
            .all(|group| there.contains(group)),
        "{there:?}"
    );
    // other tests have groups on this Kafka, too
    let there: BTreeSet<String> = there
        .into_iter()
        .filter(|group| [&ours, &commits, &both, &other].contains(&group))
        .collect();
    let ours = BTreeSet::from([ours]);
    let mut other_groups = OtherGroups::default();
    let next = other_groups.round(&there, all, &ours);
    let topics = BTreeMap::from([(topic.clone(), 2)]);
    let described = kafka.other_groups(&next, &topics).await;
    other_groups.note(described.expect("Kafka answers"));
    let noted = other_groups.noted();
    let snapshot = kafka
        .observe(std::slice::from_ref(&topic), &[])
        .await
        .expect("Kafka answers");
    let reported = other_groups
        .report(noted, &snapshot, &ours)
        .expect("all were asked about");
    let names: Vec<&String> = reported.keys().collect();
    assert_eq!(
        names,
        [&commits, &both],
        "not ours, and not what reads something else"
    );
    let lag = |group: &String| {
        reported[group]
            .on(|name| name == topic)
            .expect("it reads the topic")
    };
    assert_eq!(lag(&commits), (vec![topic.as_str()], Some(6)));
    assert_eq!(
        lag(&both),
        (vec![topic.as_str()], Some(10)),
        "it has not committed: all of it at most"
    );
    let seen = &reported[&both];
    assert_eq!(
        (seen.state, seen.protocol, seen.members),
        (GroupState::Stable, Some(Protocol::Consumer), Some(1))
    );
    assert_eq!(
        (reported[&commits].state, reported[&commits].members),
        (GroupState::Empty, Some(0))
    );
    drop(member);
}
