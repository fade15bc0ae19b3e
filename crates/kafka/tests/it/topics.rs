//! Topics are made, grown and removed, and nothing that is there is touched by mistake.

use std::collections::BTreeMap;

use practice_groups::{Bounds, ConfigKind, ConfigValue, Copies, KafkaError, TopicSeen};
use practice_kafka::{Kafka, Made};
use practice_testbed::{kafka, unique};

use crate::{present, there, topic, topic_when};

fn config(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs
        .iter()
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
        .collect()
}

fn answered(error: KafkaError, expected: &str) -> String {
    match error {
        KafkaError::Answered { code, message, .. } if code == expected => message,
        other => panic!("Kafka must answer {expected}, was {other:?}"),
    }
}

#[tokio::test]
async fn a_topic_is_made_once_and_grows() {
    let kafka = Kafka::connect(kafka().await.bootstrap());
    let name = unique("grows");
    assert_eq!(topic(&kafka, &name).await, TopicSeen::Missing);
    let created = kafka.create_topic(&name, 3, 1, &BTreeMap::new()).await;
    assert_eq!(
        kafka.create_topic(&name, 4, 1, &BTreeMap::new()).await,
        Ok(Made::AlreadyThere)
    );
    let facts = there(&kafka, &name).await;
    let id = facts.id.clone();
    assert_eq!(created, Ok(Made::Created { id }));
    assert_eq!(facts.partitions, vec![Some(Bounds { start: 0, end: 0 }); 3]);
    assert_eq!(facts.replication_factor, 1);
    let broker = facts.copies[0].leader.expect("it has a leader");
    let copies = Copies {
        leader: Some(broker),
        replicas: vec![broker],
        in_sync: vec![broker],
    };
    assert_eq!(facts.copies, vec![copies; 3]);
    assert!(
        facts.id.len() == 32 && facts.id.chars().any(|digit| digit != '0'),
        "{}",
        facts.id
    );

    kafka.grow_topic(&name, 5).await.expect("it may grow");
    kafka
        .grow_topic(&name, 5)
        .await
        .expect("an existing topic is no error");
    let is_grown =
        |seen: &TopicSeen| matches!(seen, TopicSeen::Present(facts) if facts.partitions.len() != 3);
    let grown = present(topic_when(&kafka, &name, "grown", is_grown).await);
    assert_eq!(grown.partitions, vec![Some(Bounds { start: 0, end: 0 }); 5]);
    assert_eq!(grown.id, facts.id);
}

#[tokio::test]
async fn the_configuration_of_a_topic_has_its_own_values_and_defaults() {
    let kafka = Kafka::connect(kafka().await.bootstrap());
    let (plain, set) = (unique("plain"), unique("set"));
    let wanted = config(&[("cleanup.policy", "compact"), ("retention.ms", "1000")]);
    kafka
        .create_topic(&plain, 1, 1, &BTreeMap::new())
        .await
        .expect("it may be made");
    kafka
        .create_topic(&set, 1, 1, &wanted)
        .await
        .expect("it may be made");
    for name in [&plain, &set] {
        there(&kafka, name).await;
    }
    let read = async |name: &String| kafka.topic_config(name).await.expect("can be read");
    let own = |config: BTreeMap<String, ConfigValue>| -> BTreeMap<String, String> {
        let own = config.into_iter().filter(|(_, value)| value.on_topic);
        own.map(|(key, value)| (key, value.value)).collect()
    };
    let (of_plain, of_set) = (read(&plain).await, read(&set).await);
    let default = |key: &str| (of_plain[key].value.as_str(), of_plain[key].kind);
    assert_eq!(
        [
            default("retention.ms"),
            default("cleanup.policy"),
            default("min.cleanable.dirty.ratio"),
            default("unclean.leader.election.enable"),
            default("compression.type"),
        ],
        [
            ("604800000", ConfigKind::Integer),
            ("delete", ConfigKind::List),
            ("0.5", ConfigKind::Double),
            ("false", ConfigKind::Boolean),
            ("producer", ConfigKind::Text),
        ]
    );
    assert_eq!(of_set["segment.ms"], of_plain["segment.ms"]);
    assert_eq!(own(of_plain), BTreeMap::new());
    assert_eq!(own(of_set), wanted);
    let missing = kafka
        .topic_config(&unique("missing"))
        .await
        .expect_err("it is not there");
    answered(missing, "UnknownTopicOrPartition");
}

#[tokio::test]
async fn refusals_have_kafkas_message() {
    let kafka = Kafka::connect(kafka().await.bootstrap());
    let name = unique("refused");
    let refused = kafka
        .create_topic(&name, 1, 3, &BTreeMap::new())
        .await
        .expect_err("there is one broker");
    let words = answered(refused, "InvalidReplicationFactor");
    assert!(words.contains("only 1 broker"), "{words}");
    let refused = kafka
        .create_topic(&name, 1, 1, &config(&[("retention.ms", "long")]))
        .await
        .expect_err("no number");
    let words = answered(refused, "InvalidConfig");
    assert!(words.contains("retention.ms"), "{words}");
    assert_eq!(topic(&kafka, &name).await, TopicSeen::Missing);
    let grown = kafka
        .grow_topic(&name, 2)
        .await
        .expect_err("it is not there");
    answered(grown, "UnknownTopicOrPartition");
}

#[tokio::test]
async fn only_the_very_topic_is_removed() {
    let kafka = Kafka::connect(kafka().await.bootstrap());
    let name = unique("removed");
    kafka
        .create_topic(&name, 1, 1, &BTreeMap::new())
        .await
        .expect("it may be made");
    let id = there(&kafka, &name).await.id;
    let other = "00000000000000000000000000000001";
    let deleted = kafka.delete_topic(&name, other).await;
    assert!(
        !deleted.expect("no error"),
        "there is no topic with this id"
    );
    assert_eq!(present(topic(&kafka, &name).await).id, id);
    let deleted = kafka.delete_topic(&name, &id).await;
    assert!(deleted.expect("may be deleted"));
    topic_when(&kafka, &name, "gone", |seen| *seen == TopicSeen::Missing).await;
    let deleted = kafka.delete_topic(&name, &id).await;
    assert!(!deleted.expect("no error"), "it is deleted already");

    kafka
        .create_topic(&name, 1, 1, &BTreeMap::new())
        .await
        .expect("it may be made again");
    assert_ne!(there(&kafka, &name).await.id, id);
    let deleted = kafka.delete_topic(&name, &id).await;
    assert!(!deleted.expect("no error"), "the recreated one stays");
    present(topic(&kafka, &name).await);
    let zero = "0".repeat(32);
    for no_id in ["", "0", &zero, "g".repeat(32).as_str(), &id[1..]] {
        let refused = kafka.delete_topic(&name, no_id).await;
        answered(refused.expect_err("no topic id"), "UnknownTopicId");
    }
    present(topic(&kafka, &name).await);
}

#[tokio::test]
async fn one_kafka_has_one_identity_by_each_address_and_another_kafka_another() {
    let bootstrap = kafka().await.bootstrap();
    let alias = bootstrap.replace("127.0.0.1", "localhost");
    assert_ne!(alias, bootstrap);
    let other = practice_testbed::Kafka::start().await;
    let identity = async |bootstrap: &str| {
        let kafka = Kafka::connect(bootstrap);
        assert_eq!(kafka.identity(), None, "not polled yet");
        kafka.observe(&[], &[]).await.expect("Kafka answers");
        kafka.identity().expect("it has a cluster id")
    };
    let by_address = identity(bootstrap).await;
    assert!(by_address.is_same(&identity(&alias).await));
    assert!(!by_address.is_same(&identity(other.bootstrap()).await));
    // a copy of a Kafka elsewhere asserts the same cluster id
    let copy = practice_groups::KafkaIdentity {
        endpoints: ["elsewhere:9092".to_owned()].into(),
        ..by_address.clone()
    };
    assert!(!by_address.is_same(&copy));
}

/// Neither call asks about a topic that the client has seen.
#[tokio::test]
async fn a_kafka_that_takes_anothers_place_is_noticed_by_the_next_poll_and_the_next_deletion() {
    let kafka = practice_testbed::Kafka::start().await;
    let (polling, deleting) = (
        Kafka::connect(kafka.bootstrap()),
        Kafka::connect(kafka.bootstrap()),
    );
    for client in [&polling, &deleting] {
        client.observe(&[], &[]).await.expect("Kafka answers");
    }
    let (created, id) = (unique("created"), "0123456789abcdef".repeat(2));
    let missing = deleting.delete_topic(&created, &id).await;
    assert_eq!(missing, Ok(false), "this connection knows the former Kafka");
    let another = kafka.replace().await;
    let cluster = |client: &Kafka| client.identity().expect("it answered").cluster_id;
    topic(&polling, &unique("never-there")).await;
    assert_eq!(cluster(&polling), another);
    assert_eq!(deleting.delete_topic(&created, &id).await, Ok(false));
    assert_eq!(cluster(&deleting), another);
}

#[tokio::test]
async fn an_illegal_name_spoils_nothing_else() {
    let kafka = Kafka::connect(kafka().await.bootstrap());
    let name = unique("legal");
    kafka
        .create_topic(&name, 1, 1, &BTreeMap::new())
        .await
        .expect("it may be made");
    there(&kafka, &name).await;
    let long = "a".repeat(250);
    for illegal in ["a/b", "", ".", "..", long.as_str()] {
        let refused = kafka
            .create_topic(illegal, 1, 1, &BTreeMap::new())
            .await
            .expect_err("an illegal name");
        answered(refused, "InvalidTopic");
        answered(
            kafka
                .grow_topic(illegal, 2)
                .await
                .expect_err("an illegal name"),
            "InvalidTopic",
        );
        let mut topics = kafka
            .observe(&[illegal.to_owned(), name.clone()], &[])
            .await
            .expect("Kafka answers")
            .topics;
        assert_eq!(
            present(topics.remove(&name).expect("was asked for"))
                .partitions
                .len(),
            1
        );
        assert!(
            matches!(topics.remove(illegal), Some(TopicSeen::Unknown(_))),
            "{illegal}"
        );
    }
}
