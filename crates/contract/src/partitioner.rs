//! Which partition a key maps to: that of Kafka's own producer. In: a key, a number of partitions. Out: a partition. The producer's
//! client computes the same; here it explains why a message is where it is.

/// The hash of Kafka's own clients (`org.apache.kafka.common.utils.Utils.murmur2`), written from its definition.
pub fn murmur2(bytes: &[u8]) -> i32 {
    const M: u32 = 0x5bd1_e995;
    // Java's length is an int; a key is never longer than a message
    let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    let mut hash = 0x9747_b28c ^ length;
    let (fours, rest) = bytes.as_chunks::<4>();
    for four in fours {
        let mut word = u32::from_le_bytes(*four).wrapping_mul(M);
        word = (word ^ (word >> 24)).wrapping_mul(M);
        hash = hash.wrapping_mul(M) ^ word;
    }
    if !rest.is_empty() {
        for (byte, place) in rest.iter().zip([0, 8, 16]) {
            hash ^= u32::from(*byte) << place;
        }
        hash = hash.wrapping_mul(M);
    }
    hash = (hash ^ (hash >> 13)).wrapping_mul(M);
    (hash ^ (hash >> 15)).cast_signed()
}

/// Where `org.apache.kafka.clients.producer.internals.BuiltInPartitioner.partitionForKey` puts a key; `None`: there are no partitions.
pub fn partition_of(key: &str, partitions: i32) -> Option<i32> {
    (partitions > 0).then(|| (murmur2(key.as_bytes()) & i32::MAX) % partitions)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_are_those_of_kafkas_own_tests() {
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
        assert_eq!(partition_of("abc", 7), Some(479_470_107 % 7));
        assert_eq!(partition_of("abc", 0), None);
    }
}
