//! The size of practices: pairs of a group and a partition that it reads. The memory of the operator grows with them. Pure. In: the
//! practices. Out: why one of them is too large.

use practice_api::{ConsumerGroupPractice, Group, Topic};

/// Pairs of one practice; the CRD refuses a manifest with more. A topic may have more partitions in Kafka than in the manifest.
pub const MOST: i64 = 50_000;

/// The pairs of a practice, by its manifest and by what Kafka had last.
pub fn pairs(practice: &ConsumerGroupPractice) -> i64 {
    let in_kafka = |topic: &Topic| {
        let mut seen = practice.status.iter().flat_map(|status| &status.topics);
        seen.find(|seen| seen.name == topic.name)?.partitions
    };
    let of_group = |group: &Group| {
        let reads = |topic: &&Topic| {
            let named = group.topics.as_ref();
            named.is_none_or(|named| named.contains(&topic.name))
        };
        let partitions = |topic: &Topic| topic.partitions.max(in_kafka(topic).unwrap_or(0));
        let topics = practice.spec.topics.iter().filter(reads);
        topics
            .map(|topic| i64::from(partitions(topic)))
            .sum::<i64>()
    };
    practice.spec.groups.iter().map(of_group).sum()
}

/// Why a practice with so many pairs is not monitored; `elders` are the pairs of each older one, the oldest first, `most` is what the
/// operator monitors. An older one that does not fit takes no room.
pub fn too_large(own: i64, elders: impl IntoIterator<Item = i64>, most: i64) -> Option<String> {
    if own > MOST {
        return Some(format!(
            "its groups read {own} pairs of a group and a partition, counted as Kafka has the topics, and a practice has at most {MOST}: use fewer groups or topics with fewer partitions"
        ));
    }
    let fit = |taken: i64, elder: i64| {
        if elder <= MOST && taken + elder <= most {
            taken + elder
        } else {
            taken
        }
    };
    let taken = elders.into_iter().fold(0, fit);
    (taken + own > most).then(|| {
        format!(
            "its groups read {own} pairs of a group and a partition, older practices have {taken}, and the operator monitors at most {most}: use fewer groups or partitions, or ask the administrator of the operator to raise policy.maxPairs and with it the memory limit"
        )
    })
}

#[cfg(test)]
mod tests {
    use practice_api::{PracticeStatus, status::TopicStatus};
    use serde_json::json;

    use super::*;

    #[test]
    fn a_pair_is_counted_by_manifest_and_by_kafka() {
        let spec = json!({
            "topics": [{"name": "t", "partitions": 10}, {"name": "u", "partitions": 3}],
            "groups": [{"name": "all"}, {"name": "one", "topics": ["u"]}],
        });
        let spec = serde_json::from_value(spec).expect("is a spec");
        let mut practice = ConsumerGroupPractice::new("p", spec);
        assert_eq!(pairs(&practice), 16);
        let seen = |name: &str, partitions| TopicStatus {
            name: name.into(),
            partitions,
            ..TopicStatus::default()
        };
        practice.status = Some(PracticeStatus {
            topics: vec![seen("t", Some(4)), seen("u", Some(5)), seen("v", Some(99))],
            ..PracticeStatus::default()
        });
        assert_eq!(pairs(&practice), 20, "the larger number of each");
    }

    #[test]
    fn the_youngest_that_does_not_fit_is_too_large() {
        let fits = |own, elders: &[i64]| too_large(own, elders.iter().copied(), 100).is_none();
        assert!(fits(100, &[]) && fits(40, &[30, 30]) && fits(0, &[100]));
        assert!(!fits(101, &[]) && !fits(41, &[30, 30]));
        assert!(fits(40, &[60, 70]), "70 did not fit, and takes no room");
        assert!(fits(40, &[60, i64::MAX]));
        let alone = too_large(MOST + 1, [], i64::MAX).expect("is too large");
        assert!(
            alone.contains("50001 pairs") && alone.contains("at most 50000"),
            "{alone}"
        );
        let many = too_large(41, [30, 30], 100).expect("is too large");
        assert!(
            many.contains("older practices have 60") && many.contains("policy.maxPairs"),
            "{many}"
        );
    }
}
