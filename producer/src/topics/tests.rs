use super::*;

/// Topics with these partitions (0: denied), each with one replica.
pub(crate) fn topics(wanted: &[&str], known: Option<&[(&str, usize)]>) -> Topics {
    let one = Replicas {
        has_leader: true,
        all: 1,
        in_sync: 1,
    };
    let topics = Topics::new(&settings(wanted, &[]));
    topics.has(known.map(|known| {
        let partitions = |count: usize| Some(vec![one; count]).filter(|_| count > 0);
        let known = known.iter();
        known
            .map(|(name, count)| ((*name).to_owned(), partitions(*count)))
            .collect()
    }));
    topics
}

/// Topic `t`, whose partition 0 has these replicas, with this configuration and the launcher's limit.
pub(crate) fn one_topic(
    (leader, all, in_sync): (bool, usize, usize),
    config: TopicConfig,
    set_limit: Option<u32>,
) -> Topics {
    let limits: Vec<_> = set_limit.map(|limit| ("t", limit)).into_iter().collect();
    let topics = Topics::new(&settings(&["t"], &limits));
    let replicas = Replicas {
        has_leader: leader,
        all,
        in_sync,
    };
    topics.has(Some(Known::from([("t".to_owned(), Some(vec![replicas]))])));
    topics.configured(BTreeMap::from([("t".to_owned(), config)]));
    topics
}

fn settings(wanted: &[&str], limits: &[(&str, u32)]) -> ProducerSettings {
    ProducerSettings {
        servers: "k:1".to_owned(),
        topics: wanted.iter().map(ToString::to_string).collect(),
        max_message_bytes: limits
            .iter()
            .map(|(topic, limit)| ((*topic).to_owned(), *limit))
            .collect(),
        keys_random: true,
        listen: std::net::SocketAddr::from(([127, 0, 0, 1], 0)),
        probes: None,
        instance: None,
        load: None,
    }
}

impl Topics {
    fn has(&self, known: Option<Known>) {
        *self.known.write().expect("not poisoned") = known.map(Arc::new);
    }
}

fn status(topics: &Topics, topic: &str) -> u16 {
    topics
        .partitions(topic)
        .map_or_else(|problem| problem.status().as_u16(), |_| 200)
}

#[test]
fn a_topic_of_the_practice_and_any_other() {
    let practice = topics(&["a", "b"], Some(&[("a", 3)]));
    assert_eq!(practice.partitions("a").expect("known"), 3);
    assert_eq!(status(&practice, "b"), 503);
    assert_eq!(status(&practice, "c"), 404);
    assert!(
        practice
            .partitions("c")
            .expect_err("unknown")
            .to_string()
            .contains("`a` or `b`")
    );
}

#[test]
fn a_denied_topic_is_not_called_missing() {
    let practice = topics(&["a"], Some(&[("a", 0)]));
    let problem = practice.partitions("a").expect_err("denied");
    assert_eq!(problem.status().as_u16(), 503);
    let text = problem.to_string();
    assert!(
        text.starts_with("topic `a`: Kafka denied Describe to this client")
            && text.contains("Write"),
        "{text}"
    );
}

#[test]
fn before_kafka_was_reached_only_what_needs_no_kafka_is_answered() {
    let practice = topics(&["a"], None);
    assert!(!practice.seen());
    assert_eq!(status(&practice, "a"), 503);
    assert_eq!(status(&practice, "c"), 404);
    assert_eq!(status(&topics(&[], None), "a"), 503);
}

#[test]
fn by_hand_every_topic_that_exists() {
    let any = topics(&[], Some(&[("a", 1)]));
    assert_eq!(status(&any, "a"), 200);
    assert_eq!(status(&any, "b"), 404);
}

#[test]
fn kafkas_limit_is_the_limit_and_otherwise_the_launchers() {
    let kafka = |bytes| TopicConfig {
        max_message_bytes: bytes,
        ..TopicConfig::default()
    };
    let mebi = 1 << 20;
    for (reported, set, limit, unchecked, largest, client) in [
        (None, None, None, None, DEFAULT_LIMIT, 8 * mebi),
        (Some(1000), None, Some(1000), None, DEFAULT_LIMIT, 8 * mebi),
        (
            Some(5 * mebi),
            None,
            Some(5 * mebi),
            None,
            5 * mebi,
            8 * mebi,
        ),
        (
            Some(20 * mebi),
            None,
            Some(20 * mebi),
            None,
            8 * mebi,
            8 * mebi,
        ),
        (
            None,
            Some(5 * mebi),
            Some(5 * mebi),
            Some(5 * mebi),
            5 * mebi,
            8 * mebi,
        ),
        (
            Some(2 * mebi),
            Some(20 * mebi),
            Some(2 * mebi),
            None,
            2 * mebi,
            20 * mebi,
        ),
        (
            None,
            Some(1000 * mebi),
            Some(1000 * mebi),
            Some(1000 * mebi),
            100 * mebi,
            100 * mebi,
        ),
    ] {
        let set_limit = set.map(|bytes| u32::try_from(bytes).expect("small"));
        let topics = one_topic((true, 1, 1), kafka(reported), set_limit);
        assert_eq!(
            (
                topics.limit("t"),
                topics.unchecked_limit("t"),
                topics.largest_limit(),
                topics.client_limit()
            ),
            (limit, unchecked, largest, client),
            "Kafka {reported:?}, launcher {set:?}"
        );
    }
}

#[test]
fn replicas_that_keep_a_message_waiting_are_named() {
    for (replicas, least, fault) in [
        ((true, 3, 3), Some(2), None),
        ((true, 3, 2), Some(2), None),
        (
            (true, 3, 1),
            Some(2),
            Some("topic `t` partition 0 has 1 replica in sync, min.insync.replicas is 2: start"),
        ),
        (
            (true, 3, 2),
            Some(3),
            Some("has 2 replicas in sync, min.insync.replicas is 3"),
        ),
        // Kafka takes one of one for enough
        ((true, 1, 1), Some(2), None),
        ((true, 2, 2), None, None),
        ((true, 2, 1), None, Some("has 1 of 2 replicas in sync")),
        ((false, 2, 1), Some(1), Some("partition 0 has no leader")),
    ] {
        let config = TopicConfig {
            min_insync_replicas: least,
            ..TopicConfig::default()
        };
        let topics = one_topic(replicas, config, None);
        let found = topics.replica_fault("t", 0);
        match fault {
            None => assert_eq!(found, None, "{replicas:?} {least:?}"),
            Some(part) => assert!(
                found.as_ref().is_some_and(|found| found.contains(part)),
                "{replicas:?} {least:?}: {found:?}"
            ),
        }
        assert_eq!(topics.replica_fault("t", 1), None);
    }
}
