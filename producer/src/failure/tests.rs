use super::*;
use crate::{
    topic_config::TopicConfig,
    topics::tests::{one_topic, topics},
};

const SENT: Attempted<'_> = Attempted {
    topic: "t",
    bytes: 2000,
    reachable: true,
};

fn failure(code: Code, persisted: Persisted) -> Failure {
    Failure {
        code,
        persisted,
        partition: Some(0),
    }
}

#[test]
fn only_a_message_that_is_certainly_not_persisted_may_be_sent_again() {
    let topics = topics(&["t"], Some(&[("t", 1)]));
    for (code, status) in [
        (Code::QueueFull, 503),
        (Code::PurgeQueue, 503),
        (Code::PurgeInflight, 503),
        (Code::MessageTimedOut, 503),
        (Code::AllBrokersDown, 503),
        (Code::UnknownTopicOrPartition, 503),
        (Code::UnknownPartition, 503),
        (Code::TopicAuthorizationFailed, 503),
        (Code::ClusterAuthorizationFailed, 503),
        (Code::Fatal, 503),
        (Code::PolicyViolation, 503),
        (Code::NotEnoughReplicas, 503),
        (Code::MessageSizeTooLarge, 413),
        (Code::MessageBatchTooLarge, 413),
        (Code::InvalidRecord, 422),
        // the broker's error may have come after the append
        (Code::Unknown, 504),
    ] {
        let problem = failure(code, Persisted::No).problem(&SENT, &topics);
        assert_eq!(problem.status().as_u16(), status, "{code}");
        let safe = problem.to_string().contains("safe to send it again");
        assert_eq!(safe, status == 503, "{problem}");
        // whatever ended the last attempt: an earlier one may have succeeded
        for persisted in [Persisted::Possibly, Persisted::Yes] {
            let problem = failure(code, persisted).problem(&SENT, &topics);
            assert_eq!(problem.status().as_u16(), 504, "{code}");
            let text = problem.to_string();
            assert!(
                text.contains("may store it twice") && !text.contains("safe"),
                "{text}"
            );
        }
    }
}

#[test]
fn a_refused_size_names_the_limit_and_its_field() {
    let kafka = |bytes| TopicConfig {
        max_message_bytes: bytes,
        ..TopicConfig::default()
    };
    let mebi = 1 << 20;
    for (reported, bytes, status, expected) in [
        (
            Some(1000),
            2000,
            413,
            "topic `t` accepts: with Kafka's headers it has 2000 bytes, max.message.bytes is 1000; make value and key shorter, or raise `max.message.bytes`",
        ),
        (
            Some(3000),
            2000,
            503,
            "a batch of this message and others: its max.message.bytes is 3000",
        ),
        (None, 2000, 413, "more than its max.message.bytes"),
        (
            Some(20 * mebi),
            9 * mebi,
            413,
            "this producer sends at most 8388608: make value and key shorter, or set `max.message.bytes` of topic `t` in the manifest (spec.topics[].config)",
        ),
    ] {
        let topics = one_topic((true, 1, 1), kafka(reported), None);
        let sent = Attempted { bytes, ..SENT };
        let problem = failure(Code::MessageSizeTooLarge, Persisted::No).problem(&sent, &topics);
        assert_eq!(problem.status().as_u16(), status, "{problem}");
        assert!(problem.to_string().contains(expected), "{problem}");
    }
}

#[test]
fn what_a_message_waited_for_is_named() {
    let config = TopicConfig {
        min_insync_replicas: Some(2),
        ..TopicConfig::default()
    };
    let short = one_topic((true, 2, 1), config, None);
    let timed_out = failure(Code::MessageTimedOut, Persisted::No);
    let problem = timed_out.problem(&SENT, &short).to_string();
    assert!(
        problem
            .starts_with("topic `t` partition 0 has 1 replica in sync, min.insync.replicas is 2: ")
            && problem.ends_with("it is safe to send it again"),
        "{problem}"
    );
    let after = failure(Code::MessageTimedOut, Persisted::Possibly).problem(&SENT, &short);
    assert_eq!(after.status().as_u16(), 504);
    assert!(
        after.to_string().contains("min.insync.replicas is 2"),
        "{after}"
    );

    let away = Attempted {
        reachable: false,
        ..SENT
    };
    let problem = timed_out.problem(&away, &short).to_string();
    assert!(
        problem.starts_with("Kafka could not be reached within 10 s"),
        "{problem}"
    );
    let well = one_topic((true, 2, 2), config, None);
    let problem = timed_out.problem(&SENT, &well).to_string();
    assert!(
        problem.starts_with("Kafka has not acknowledged the message within 10 s"),
        "{problem}"
    );
    let denied = failure(Code::TopicAuthorizationFailed, Persisted::No).problem(&SENT, &short);
    assert!(denied.to_string().contains("denied Write"), "{denied}");
}

#[test]
fn a_batch_has_the_size_that_kafka_counts() {
    for (key, value, bytes) in [
        (None, 0, 68),
        (None, 1, 69),
        (Some(0), 1, 69),
        (Some(1), 1, 70),
        (Some(36), 5, 109),
        (None, 63, 132),
        (None, 64, 134),
        (None, 1_048_576, 1_048_650),
    ] {
        assert_eq!(batch_bytes(key, value), bytes, "{key:?} {value}");
    }
}
