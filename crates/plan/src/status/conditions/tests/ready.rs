//! Tables of what makes a practice `Ready`, and what it loses that for.

use super::*;

#[test]
fn what_is_settled_is_ready() {
    let status = assert_said(
        &mut world(),
        "settled",
        &[
            ("Ready", "True", "Ready"),
            ("KafkaReachable", "True", "Reachable"),
            ("TopicsReady", "True", "AllTopicsReady"),
            ("ConsumersAvailable", "True", "EveryGroupHasConsumers"),
            ("ProducerAvailable", "True", "Available"),
            ("Reconciling", "False", "Settled"),
            ("Stalled", "False", "Progressing"),
            ("IdleConsumers", "False", "EveryConsumerHasPartitions"),
        ],
    );
    let order: Vec<&str> = status
        .conditions
        .iter()
        .map(|condition| condition.type_.as_str())
        .collect();
    assert_eq!(order, KINDS);
    assert!(
        status
            .conditions
            .iter()
            .all(|condition| condition.observed_generation == Some(1))
    );
}

#[test]
fn ready_waits_until_everything_has_arrived_once() {
    type Change = fn(&mut World);
    let cases: [(&str, Change, &str); 10] = [
        (
            "a partition waits for the second rebalance",
            |w| w.group("a", |g| lose_one(&mut g.members[0])),
            "Starting",
        ),
        ("a member is missing", |w| group_has(w, "a", 1), "Starting"),
        ("a member too many", |w| group_has(w, "a", 3), "Starting"),
        ("no members at all", |w| group_has(w, "b", 0), "Starting"),
        (
            "a group rebalances",
            |w| w.group("a", |g| g.state = GroupState::PreparingRebalance),
            "Starting",
        ),
        (
            "a group cannot be described",
            |w| w.group("a", |g| *g = practice_groups::GroupSeen::default()),
            "Starting",
        ),
        (
            "the producer is starting",
            |w| w.running.producer = Some(false),
            "Starting",
        ),
        (
            "no pod of a group is ready",
            |w| ready_consumers(w, "p-b", 0),
            "NoConsumers",
        ),
        (
            "a topic is missing",
            |w| w.kafka(|s| drop(s.topics.insert("t".into(), TopicSeen::Missing))),
            "TopicsNotReady",
        ),
        (
            "Kafka is down",
            |w| w.outage(KafkaError::Refused),
            "KafkaUnreachable",
        ),
    ];
    for (what, change, reason) in cases {
        let mut world = world();
        change(&mut world);
        assert_said(&mut world, what, &[("Ready", "False", reason)]);
    }
}

#[test]
fn scaling_and_a_lost_producer_leave_it_ready() {
    type Change = fn(&mut World);
    let cases: [(&str, Change, (&str, &str, &str)); 5] = [
        (
            "more replicas are wanted",
            |w| w.running.rows[0].desired = 4,
            ("Reconciling", "True", "Moving"),
        ),
        (
            "members join",
            |w| w.group("a", |g| g.state = GroupState::PreparingRebalance),
            ("Reconciling", "True", "Moving"),
        ),
        (
            "a member is gone",
            |w| group_has(w, "a", 1),
            ("Reconciling", "True", "Moving"),
        ),
        (
            "one of two pods is not ready",
            |w| ready_consumers(w, "p-a", 1),
            ("ConsumersAvailable", "True", "EveryGroupHasConsumers"),
        ),
        (
            "the producer is lost",
            |w| w.running.producer = Some(false),
            ("ProducerAvailable", "False", "Unavailable"),
        ),
    ];
    for (what, change, other) in cases {
        let mut world = world();
        let before = world.status();
        change(&mut world);
        let after = assert_said(&mut world, what, &[("Ready", "True", "Ready"), other]);
        let [was, is] = [&before, &after].map(|status| {
            &status
                .condition("Ready")
                .expect("is there")
                .last_transition_time
        });
        assert_eq!(was, is, "{what}: it did not turn");
    }
}

#[test]
fn what_was_ready_is_not_when_something_is_gone() {
    type Change = fn(&mut World);
    let cases: [(&str, Change, &str, &str, (&str, &str)); 10] = [
        (
            "no pod of a group is ready",
            |w| ready_consumers(w, "p-b", 0),
            "NoConsumers",
            "ConsumersAvailable",
            ("False", "GroupWithoutConsumers"),
        ),
        (
            "Kafka refuses",
            |w| w.outage(KafkaError::Refused),
            "KafkaUnreachable",
            "KafkaReachable",
            ("False", "ConnectionRefused"),
        ),
        (
            "Kafka is silent",
            |w| w.outage(KafkaError::TimedOut),
            "KafkaUnreachable",
            "KafkaReachable",
            ("False", "TimedOut"),
        ),
        (
            "Kafka cannot be found",
            |w| w.outage(KafkaError::Unreachable),
            "KafkaUnreachable",
            "KafkaReachable",
            ("False", "Unreachable"),
        ),
        (
            "Kafka says no",
            |w| w.outage(KafkaError::Authentication),
            "KafkaUnreachable",
            "KafkaReachable",
            ("False", "AuthenticationFailed"),
        ),
        (
            "it is no Kafka",
            |w| w.outage(KafkaError::Protocol("HTTP".into())),
            "KafkaUnreachable",
            "KafkaReachable",
            ("False", "NotKafka"),
        ),
        (
            "a topic is gone",
            |w| w.kafka(|s| drop(s.topics.insert("t".into(), TopicSeen::Missing))),
            "TopicsNotReady",
            "TopicsReady",
            ("False", "TopicsNotReady"),
        ),
        (
            "a topic is refused for good",
            |w| {
                drop(
                    w.prepared
                        .refused
                        .insert("t".into(), Refusal::Refused("too many copies".into())),
                );
            },
            "TopicRefused",
            "TopicsReady",
            ("False", "TopicsNotReady"),
        ),
        (
            "a topic is denied",
            |w| {
                drop(
                    w.prepared
                        .refused
                        .insert("t".into(), Refusal::Denied("Create".into())),
                );
            },
            "AuthorizationFailed",
            "Stalled",
            ("True", "AuthorizationFailed"),
        ),
        (
            "a topic is not ready this time",
            |w| {
                drop(
                    w.prepared
                        .refused
                        .insert("t".into(), Refusal::Failed("no leader yet".into())),
                );
            },
            "TopicsNotReady",
            "TopicsReady",
            ("False", "TopicsNotReady"),
        ),
    ];
    for (what, change, reason, kind, (value, because)) in cases {
        let mut world = world();
        assert_said(&mut world, "at first", &[("Ready", "True", "Ready")]);
        let unchanged = world.now;
        change(&mut world);
        let after = assert_said(
            &mut world,
            what,
            &[("Ready", "False", reason), (kind, value, because)],
        );
        assert_eq!(
            after
                .condition("Ready")
                .expect("is there")
                .last_transition_time
                .0,
            unchanged,
            "{what}: it turned now"
        );
    }
}
