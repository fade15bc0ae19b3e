//! The order in which a broker goes through members and topics: that of `java.util.HashMap`. In: what is in the map. Out: its
//! order. Keys stand by the low bits of their mixed hash, and within a bucket as they were put in (The Java Language
//! specifies `String.hashCode`; the map is that of `OpenJDK` 8 to 25). Pure.

/// The least table of a `HashMap`; it doubles when it is three quarters full.
const TABLE: usize = 16;

/// Members in the order in which uniform goes through them. `listed` is the order in which the broker describes the group
/// (`ConsumerGroupDescribe`), which is the one in which it fills the map.
pub fn order_of_members<'a>(listed: &[&'a str]) -> Vec<&'a str> {
    let mut ordered = listed.to_vec();
    ordered.sort_by_key(|id| bucket(string_hash(id), listed.len()));
    ordered
}

/// Topics in the order in which uniform goes through them, as places in `ids` (32 hexadecimal digits each). `None`: two ids
/// share a bucket, and which of them comes first cannot be known; or one is no id.
pub fn order_of_topics(ids: &[&str]) -> Option<Vec<usize>> {
    let buckets: Vec<u32> = ids
        .iter()
        .map(|id| Some(bucket(uuid_hash(id)?, ids.len())))
        .collect::<Option<_>>()?;
    let mut places: Vec<usize> = (0..ids.len()).collect();
    places.sort_by_key(|place| buckets[*place]);
    let is_known = places
        .windows(2)
        .all(|pair| buckets[pair[0]] != buckets[pair[1]]);
    is_known.then_some(places)
}

/// The bucket of a key in a map with this many keys.
fn bucket(hash: i32, keys: usize) -> u32 {
    let mut table = TABLE;
    while keys * 4 > table * 3 {
        table *= 2;
    }
    let hash = hash.cast_unsigned();
    (hash ^ (hash >> 16)) & u32::try_from(table - 1).unwrap_or(u32::MAX)
}

/// `String.hashCode`
fn string_hash(text: &str) -> i32 {
    text.encode_utf16().fold(0_i32, |hash, unit| {
        hash.wrapping_mul(31).wrapping_add(i32::from(unit))
    })
}

/// `Uuid.hashCode` of Kafka, as that of `java.util.UUID`: its four words, each bit once.
fn uuid_hash(hex: &str) -> Option<i32> {
    let id = (hex.len() == 32)
        .then(|| u128::from_str_radix(hex, 16).ok())
        .flatten()?;
    let word = |shift: u32| u32::try_from((id >> shift) & u128::from(u32::MAX)).unwrap_or(0);
    Some((word(0) ^ word(32) ^ word(64) ^ word(96)).cast_signed())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_are_javas() {
        for (text, hash) in [
            ("", 0),
            ("a", 97),
            ("hello", 99_162_322),
            ("polygenelubricants", i32::MIN),
        ] {
            assert_eq!(string_hash(text), hash, "{text}");
        }
        // of java.util.UUID.fromString("00000000-0000-0001-0000-000000000002") and of one with all bits set
        assert_eq!(uuid_hash("00000000000000010000000000000002"), Some(3));
        assert_eq!(uuid_hash("ffffffffffffffffffffffffffffffff"), Some(0));
        assert_eq!(uuid_hash("xyz"), None);
    }

    #[test]
    fn keys_stand_by_bucket_and_then_as_they_came() {
        // `a` to `e` have the hashes 97 to 101, in buckets 1 to 5 of 16; `q` shares that of `a`
        assert_eq!(
            order_of_members(&["e", "q", "a", "c"]),
            ["q", "a", "c", "e"]
        );
        let many: Vec<String> = (0..13)
            .map(|n| char::from(b'a' + n * 2 % 26).to_string())
            .collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        let ordered = order_of_members(&many);
        assert_eq!(
            ordered[0], "a",
            "13 keys are in a table of 32, where `a` is in bucket 1: {ordered:?}"
        );
        let id = |last: u32| format!("{last:032x}");
        let (one, two, wide) = (id(1), id(2), id(17));
        assert_eq!(order_of_topics(&[&two, &one]), Some(vec![1, 0]));
        assert_eq!(order_of_topics(&[&wide, &one]), None);
    }
}
