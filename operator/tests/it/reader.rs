//! The reader of one Kafka, on a real one: groups of other applications.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use practice_kafka::Listener;
use practice_operator::reader::{Interest, Readers};
use practice_testbed::{kafka, unique};
use tokio::sync::mpsc;

#[tokio::test]
async fn groups_of_other_applications_are_told_to_the_practice_whose_topic_they_read() {
    let broker = kafka().await;
    let [topic, another, ours, theirs] = ["topic", "another", "ours", "theirs"].map(unique);
    for topic in [&topic, &another] {
        broker.create_topic(topic, 1).await;
    }
    for group in [&ours, &theirs] {
        let class = "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand";
        let reset = [
            "--reset-offsets",
            "--to-earliest",
            "--execute",
            "--group",
            group,
            "--topic",
            &topic,
        ];
        let args = [&["--bootstrap-server", broker.bootstrap()][..], &reset[..]].concat();
        broker.tool(class, &args).await;
    }
    broker.send(&topic, 0, "a message").await;
    let (nudge, mut nudged) = mpsc::unbounded_channel();
    let readers = Readers::new(nudge, Listener::default());
    let reader = readers.reader(broker.bootstrap());
    let practice = |name: &str| ("namespace".to_owned(), name.to_owned());
    let interest = |topic: &String, groups: &[&String]| Interest {
        topics: [topic.clone()].into(),
        groups: groups.iter().map(|group| (*group).clone()).collect(),
    };
    let (mine, other) = (interest(&topic, &[&ours]), interest(&another, &[]));
    reader
        .poll(&practice("other"), &other)
        .await
        .expect("Kafka answers");
    let registered = Instant::now();
    let first = reader
        .poll(&practice("mine"), &mine)
        .await
        .expect("Kafka answers");
    assert_eq!(
        first.other_groups, None,
        "no group is called foreign before every practice has reported its own"
    );
    let told = loop {
        let look = reader
            .poll(&practice("mine"), &mine)
            .await
            .expect("Kafka answers");
        if let Some(other_groups) = look.other_groups.clone() {
            break other_groups;
        }
        assert!(
            registered.elapsed() < Duration::from_mins(1),
            "they must be found"
        );
        tokio::time::sleep(Duration::from_millis(200)).await;
    };
    let waited = registered.elapsed();
    assert!(
        waited >= Duration::from_secs(10),
        "reported after {waited:?}, before topics and groups have stayed the same for 10 s"
    );
    let names: Vec<&String> = told.keys().collect();
    assert_eq!(names, [&theirs]);
    assert_eq!(
        told[&theirs].on(|name| name == topic),
        Some((vec![topic.as_str()], Some(1)))
    );
    let mut woken = BTreeSet::new();
    while let Ok(practice) = nudged.try_recv() {
        woken.insert(practice);
    }
    assert!(woken.contains(&practice("mine")), "{woken:?}");
}
