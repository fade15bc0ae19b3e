use serde_json::json;

use super::*;
use crate::testing::two_groups;

fn time(text: &str) -> Timestamp {
    text.parse().expect("a time")
}

fn ending(timeout: Option<&str>, keep: Option<&str>) -> Ending {
    let spec = PracticeSpec {
        deletion_timeout: timeout.map(str::to_owned),
        ..PracticeSpec::default()
    };
    let keep = keep.map(str::to_owned);
    Ending::new(
        "practice-3",
        time("2026-11-30T02:11:07Z"),
        &spec,
        keep.as_ref(),
    )
}

fn remaining(topics: &[&str], cause: Obstacle) -> Remaining {
    Remaining {
        topics: topics.iter().map(|topic| (*topic).to_owned()).collect(),
        cause,
    }
}

fn outage() -> Obstacle {
    Obstacle::Outage {
        bootstrap: "kafka:9092".into(),
        error: KafkaError::Refused,
    }
}

fn refused(code: &str) -> Obstacle {
    Obstacle::Refused {
        bootstrap: "kafka:9092".into(),
        error: KafkaError::Answered {
            code: code.into(),
            message: String::new(),
            retriable: false,
        },
    }
}

fn shown(status: &PracticeStatus, kind: &str) -> (String, String) {
    let condition = status.condition(kind).expect(kind);
    (
        format!("{}/{}", condition.status, condition.reason),
        condition.message.clone(),
    )
}

#[test]
fn a_blocked_deletion_names_cause_deadline_and_command() {
    let mut world = two_groups();
    world.now = time("2026-11-30T02:00:00Z");
    let before = world.status();
    let mut ending = ending(None, None);
    ending.waits = Wait::Blocked(vec![remaining(&["my-topic"], outage())]);
    let now = time("2026-11-30T02:11:07.4Z");
    let after = status(&ending, Some(&before), Some(2), now);
    assert_eq!(after.observed_generation, Some(2));
    assert_eq!(shown(&after, "Ready").0, "False/Deleting");
    let (state, message) = shown(&after, "Reconciling");
    assert_eq!(state, "True/DeletionBlocked");
    assert_eq!(
        message,
        "deleting topic my-topic: kafka:9092 unreachable since 02:11:07Z; given up at 02:21:07Z (spec.deletionTimeout 10m), or now: kubectl annotate cgp practice-3 kafka-practice.dev/keep-topics=true"
    );
    assert_eq!(shown(&after, "KafkaReachable").0, "False/ConnectionRefused");
    let event = events(Some(&before), &after).expect("the first time");
    assert_eq!(
        (event.reason, event.severity, event.text),
        ("DeletionBlocked", Severity::Warning, message.clone())
    );

    // later it is the same, so nothing is written; another obstacle is written and is no second Event
    let later = time("2026-11-30T02:15:00Z");
    assert_eq!(status(&ending, Some(&after), Some(2), later), after);
    ending.waits = Wait::Blocked(vec![remaining(
        &["my-topic"],
        refused("TopicDeletionDisabled"),
    )]);
    let other = status(&ending, Some(&after), Some(2), later);
    let (_, message) = shown(&other, "Reconciling");
    assert!(message.starts_with(
        "deleting topic my-topic: Kafka answered TopicDeletionDisabled; given up at 02:21:07Z"
    ));
    assert_eq!(shown(&other, "KafkaReachable").0, "True/Reachable");
    assert_eq!(events(Some(&after), &other), None);
}

#[test]
fn nothing_of_a_practice_that_is_being_deleted_counts_as_monitored() {
    let before = two_groups().status();
    let mut ending = ending(None, None);
    ending.consumers.insert("a".into(), (0, 1));
    ending.waits = Wait::Consumers(2);
    let after = status(
        &ending,
        Some(&before),
        Some(2),
        time("2026-11-30T02:11:08Z"),
    );
    assert_eq!(
        shown(&after, "Reconciling"),
        (
            "True/Deleting".into(),
            "waiting for 2 consumers to stop".into()
        )
    );
    assert_eq!(shown(&after, "Stalled").0, "False/Deleting");
    assert_eq!(
        after
            .condition("KafkaReachable")
            .map(|kafka| &kafka.last_transition_time),
        before
            .condition("KafkaReachable")
            .map(|kafka| &kafka.last_transition_time),
    );
    for kind in [
        "TopicsReady",
        "ConsumersAvailable",
        "ProducerAvailable",
        "IdleConsumers",
    ] {
        assert_eq!(shown(&after, kind).0, "Unknown/Deleting", "{kind}");
    }
    for (group, ready) in after.groups.iter().zip([1, 0]) {
        assert_eq!(
            (
                group.state.as_str(),
                group.lag,
                group.replicas,
                group.ready_replicas
            ),
            ("Unknown", None, 0, ready)
        );
    }
    assert_eq!((after.summary.lag, after.summary.consumers), (None, None));
    assert_eq!(after.topics, before.topics, "created topic ids are kept");
    assert_eq!(events(Some(&before), &after), None);
}

#[test]
fn a_manifest_that_forbids_contact_leaves_kafka_unchecked() {
    let mut ending = ending(Some("1h"), Some("yes"));
    let fault = SpecFault::Policy("policy topicPrefixes allows a-".into());
    ending.waits = Wait::Blocked(vec![remaining(&["b"], Obstacle::Manifest(fault))]);
    let now = time("2026-11-30T02:12:00Z");
    let after = status(&ending, None, Some(1), now);
    assert_eq!(shown(&after, "KafkaReachable").0, "Unknown/NotChecked");
    assert_eq!(
        shown(&after, "Reconciling").1,
        "deleting topic b: policy topicPrefixes allows a-; given up at 03:11:07Z (spec.deletionTimeout 1h), or now: kubectl annotate cgp practice-3 --overwrite kafka-practice.dev/keep-topics=true (its value `yes` is not `true`)"
    );
}

#[test]
fn a_timeout_that_is_not_legal_counts_as_not_set() {
    for (text, seconds) in [
        (None, 600),
        (Some("30s"), 30),
        (Some("1h30m"), 5_400),
        (Some("soon"), 600),
        (Some("-5s"), 600),
        (Some("0s"), 600),
        (Some(""), 600),
    ] {
        let ending = ending(text, None);
        let passed = ending.deadline().duration_since(ending.begun);
        assert_eq!(passed, SignedDuration::from_secs(seconds), "{text:?}");
    }
    assert!(ending(None, Some("true")).keeps_topics());
    assert!(!ending(None, Some("false")).keeps_topics() && !ending(None, None).keeps_topics());
}

#[test]
fn the_way_out_is_in_the_message_however_long_the_names_are() {
    let names: Vec<String> = (0..32)
        .map(|n| format!("{}{n:02}", "x".repeat(247)))
        .collect();
    let mut ending = ending(None, None);
    let all = Remaining {
        topics: names.clone(),
        cause: outage(),
    };
    ending.waits = Wait::Blocked(vec![all.clone()]);
    let now = time("2026-12-02T02:11:07Z");
    let after = status(&ending, None, Some(1), now);
    let (_, message) = shown(&after, "Reconciling");
    assert!(
        message.ends_with("kafka-practice.dev/keep-topics=true"),
        "{message}"
    );
    assert!(message.chars().count() <= LONGEST_MESSAGE);

    let given_up = abandoned(&ending, &[all], Some(&after), now);
    assert!(given_up.len() > 1);
    for event in &given_up {
        assert_eq!(
            (event.reason, event.severity),
            ("TopicAbandoned", Severity::Warning)
        );
        assert!(event.text.len() <= 1024, "{} bytes", event.text.len());
    }
    for name in names {
        let naming = given_up.iter().filter(|event| event.text.contains(&name));
        assert_eq!(naming.count(), 1, "{name}");
    }
}

#[test]
fn topics_that_are_given_up_are_named_with_the_reason() {
    let mut world = two_groups();
    world.now = time("2026-11-30T02:00:00Z");
    world.outage(KafkaError::Refused);
    let before = world.status();
    let left = [
        remaining(&["t"], outage()),
        remaining(&["u", "v"], refused("PolicyViolation")),
    ];
    let now = time("2026-11-30T02:21:08Z");
    let texts = |left: &[Remaining]| {
        let events = abandoned(&ending(None, None), left, Some(&before), now);
        events
            .into_iter()
            .map(|event| event.text)
            .collect::<Vec<_>>()
    };
    let delete =
        "; to delete one: kafka-topics.sh --bootstrap-server kafka:9092 --delete --topic NAME";
    assert_eq!(
        texts(&left),
        [
            format!(
                "topic t stays in Kafka: not deleted within spec.deletionTimeout 10m: kafka:9092 unreachable since 02:00:00Z{delete}"
            ),
            format!(
                "topics u, v stay in Kafka: not deleted within spec.deletionTimeout 10m: Kafka answered PolicyViolation{delete}"
            ),
        ]
    );
    let kept = |bootstrap: Option<&str>| {
        let bootstrap = bootstrap.map(str::to_owned);
        texts(&[remaining(&["t"], Obstacle::Kept { bootstrap })])
    };
    let why = "topic t stays in Kafka: annotation kafka-practice.dev/keep-topics is true";
    assert_eq!(kept(Some("kafka:9092")), [format!("{why}{delete}")]);
    assert_eq!(kept(None), [why]);
}

#[test]
fn finalizers_of_other_clients_are_named() {
    let mut ending = ending(None, None);
    ending.waits = Wait::Finalizers(vec!["example.com/backup".into()]);
    let after = status(&ending, None, Some(1), time("2026-11-30T02:12:00Z"));
    let (state, message) = shown(&after, "Reconciling");
    assert_eq!(state, "True/Deleting");
    assert!(message.contains("example.com/backup"), "{message}");
    let json = json!(after);
    assert_eq!(
        json["conditions"][0]["message"],
        "the practice is being deleted since 02:11:07Z"
    );
}
