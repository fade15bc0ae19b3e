//! Keys and the partitions they map to: those of Kafka's own producer.

use std::collections::{BTreeMap, BTreeSet};

use practice_contract::partitioner::partition_of;
use serde_json::{Value, json};

use crate::{
    answers::mock,
    client::{Direct, settings},
    topic,
};

#[tokio::test]
async fn keys_are_random_uuids_or_none_by_the_settings() {
    let mock = mock(&[("random", 1), ("none", 1)]);
    let bootstrap = mock.bootstrap_servers();
    let mut answers = Vec::new();
    for topic in ["random", "none"] {
        let mut settings = settings(&bootstrap, &[topic]);
        settings.keys_random = topic == "random";
        let direct = Direct::ready(&settings).await;
        for message in [
            json!({"topic": topic, "value": "1"}),
            json!({"topic": topic, "value": "2", "key": "own"}),
        ] {
            let sent = direct.message(message).await;
            sent.is_sent(topic);
            answers.push(sent.json());
        }
    }
    let random = topic::read(&bootstrap, "random").await;
    let key = random[0].key.as_deref().expect("a key");
    assert_eq!(answers[0]["randomKey"], key);
    for answer in &answers[1..] {
        assert_eq!(answer["randomKey"], Value::Null, "{answer}");
    }
    assert!(answers.iter().all(|answer| answer["partitions"] == 1));
    let uuid = uuid::Uuid::parse_str(key).expect("a UUID");
    assert_eq!((uuid.get_version_num(), key.len()), (4, 36));
    assert_eq!(random[1].key.as_deref(), Some("own"));
    let none = topic::read(&bootstrap, "none").await;
    assert_eq!(
        none.iter()
            .map(|record| record.key.as_deref())
            .collect::<Vec<_>>(),
        [None, Some("own")]
    );
}

#[tokio::test]
async fn a_key_maps_to_the_partition_of_kafkas_own_producer() {
    let mock = mock(&[("t", 7)]);
    let direct = Direct::ready(&settings(&mock.bootstrap_servers(), &["t"])).await;
    let mut keys: Vec<_> = (0..40).map(|number| format!("order-{number}")).collect();
    keys.extend(["", "0", "ab", "abc", "abcd", "21", "foobar", "ключ", "鍵"].map(str::to_owned));
    keys.push("k".repeat(1000));
    let mut used = BTreeSet::new();
    for key in keys {
        let sent = direct
            .message(json!({"topic": "t", "value": "v", "key": key}))
            .await;
        let (found, _) = sent.is_sent("t");
        assert_eq!(Some(found), partition_of(&key, 7), "{key}");
        used.insert(found);
    }
    assert_eq!(used.len(), 7);
}

#[tokio::test]
async fn an_empty_key_is_a_key() {
    let mock = mock(&[("t", 3)]);
    let bootstrap = mock.bootstrap_servers();
    for keys_random in [true, false] {
        let mut settings = settings(&bootstrap, &["t"]);
        settings.keys_random = keys_random;
        let direct = Direct::ready(&settings).await;
        for _ in 0..30 {
            let sent = direct
                .message(json!({"topic": "t", "value": "v", "key": ""}))
                .await;
            assert_eq!(Some(sent.is_sent("t").0), partition_of("", 3));
        }
    }
    let records = topic::read(&bootstrap, "t").await;
    assert_eq!(records.len(), 60);
    assert!(
        records
            .iter()
            .all(|record| record.key.as_deref() == Some(""))
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kafkas_own_producer_agrees() {
    let kafka = practice_testbed::kafka().await;
    let name = practice_testbed::unique("keyed");
    kafka.create_topic(&name, 7).await;
    // its keys are "0" to "49"
    let arguments = [
        "--bootstrap-server",
        kafka.bootstrap(),
        "--topic",
        &name,
        "--max-messages",
        "50",
        "--repeating-keys",
        "50",
    ];
    kafka
        .tool("org.apache.kafka.tools.VerifiableProducer", &arguments)
        .await;
    let theirs: BTreeMap<_, _> = topic::read(kafka.bootstrap(), &name)
        .await
        .into_iter()
        .map(|record| (record.key.expect("a key"), record.partition))
        .collect();
    assert_eq!(theirs.len(), 50);
    let direct = Direct::ready(&settings(kafka.bootstrap(), &[&name])).await;
    for (key, partition) in theirs {
        let sent = direct
            .message(json!({"topic": name, "value": "v", "key": key}))
            .await;
        assert_eq!(sent.is_sent(&name).0, partition, "{key}");
    }
}
