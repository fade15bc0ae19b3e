//! Keys and the partitions they map to: those of Kafka's own producer.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;

use crate::{
    answers::mock,
    client::{Direct, settings},
    topic,
};

#[tokio::test]
async fn keys_are_random_uuids_or_none_by_the_settings() {
    let mock = mock(&[("random", 1), ("none", 1)]);
    let bootstrap = mock.bootstrap_servers();
    for topic in ["random", "none"] {
        let mut settings = settings(&bootstrap, &[topic]);
        settings.keys_random = topic == "random";
        let direct = Direct::ready(&settings).await;
        for message in [
            json!({"topic": topic, "value": "1"}),
            json!({"topic": topic, "value": "2", "key": "own"}),
        ] {
            direct.message(message).await.is_sent(topic);
        }
    }
    let random = topic::read(&bootstrap, "random").await;
    let key = random[0].key.as_deref().expect("a key");
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

/// The hash of Kafka's own clients (`org.apache.kafka.common.utils.Utils.murmur2`), written from its definition.
fn murmur2(bytes: &[u8]) -> i32 {
    const M: u32 = 0x5bd1_e995;
    let length = u32::try_from(bytes.len()).expect("small");
    let mut hash = 0x9747_b28c ^ length;
    let mut fours = bytes.chunks_exact(4);
    for four in &mut fours {
        let mut word = u32::from_le_bytes(four.try_into().expect("4 bytes")).wrapping_mul(M);
        word = (word ^ (word >> 24)).wrapping_mul(M);
        hash = hash.wrapping_mul(M) ^ word;
    }
    let rest = fours.remainder();
    if !rest.is_empty() {
        for (byte, place) in rest.iter().zip([0, 8, 16]) {
            hash ^= u32::from(*byte) << place;
        }
        hash = hash.wrapping_mul(M);
    }
    hash = (hash ^ (hash >> 13)).wrapping_mul(M);
    (hash ^ (hash >> 15)).cast_signed()
}

/// Where `org.apache.kafka.clients.producer.internals.BuiltInPartitioner.partitionForKey` puts a key.
fn partition(key: &str, partitions: i32) -> i32 {
    (murmur2(key.as_bytes()) & i32::MAX) % partitions
}

#[tokio::test]
async fn a_key_maps_to_the_partition_of_kafkas_own_producer() {
    // from Kafka's UtilsTest
    for (key, hash) in [
        ("21", -973_932_308),
        ("foobar", -790_332_482),
        ("a-little-bit-long-string", -985_981_536),
        ("a-little-bit-longer-string", -1_486_304_829),
        (
            "lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8",
            -58_897_971,
        ),
        ("abc", 479_470_107),
    ] {
        assert_eq!(murmur2(key.as_bytes()), hash, "{key}");
    }
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
        assert_eq!(found, partition(&key, 7), "{key}");
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
            assert_eq!(sent.is_sent("t").0, partition("", 3));
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
