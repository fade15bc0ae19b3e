//! Ages, health, deletion, and groups of other applications.

use super::*;

#[test]
fn age_of_lag_and_time_since_unknown() {
    let members = json!([member(
        "p-fast-a-b",
        json!([owned(0, Some(1), Some(7), Some(6), None)])
    )]);
    let mut behind = group("fast", "Stable", 1, Some(6), members);
    behind["oldestSince"] = json!("2026-11-25T14:04:05Z");
    let oldest = of_group(behind.clone());
    assert_eq!(
        oldest[0],
        "└─ fast   ✔ Stable   Classic   1/1 consumer   lag 6   oldest 55 s"
    );
    behind["doneAt"] = json!("2026-11-25T14:26:40Z");
    assert!(of_group(behind.clone())[0].ends_with("lag 6   oldest 55 s, done in 21 min"));
    behind["doneAt"] = json!(NOW);
    assert!(of_group(behind)[0].ends_with("lag 6   oldest 55 s"));

    let mut denied = group("fast", "Unknown", 1, None, json!([]));
    denied["message"] = json!("GROUP_AUTHORIZATION_FAILED");
    denied["unknownSince"] = json!("2026-11-25T14:02:11Z");
    assert!(
        of_group(denied)[0]
            .ends_with("lag ?   GROUP_AUTHORIZATION_FAILED, since 2026-11-25T14:02:11Z")
    );

    let mut lost = owned(0, Some(1), Some(9), Some(4), Some("Expired"));
    lost["lost"] = json!(4);
    let lines = of_group(group(
        "fast",
        "Stable",
        1,
        Some(4),
        json!([member("p-fast-a-b", json!([lost]))]),
    ));
    assert!(
        lines[1].ends_with("lag 4 (4 messages expired before being read)"),
        "{lines:?}"
    );
}

#[test]
fn unowned_partitions_and_groups_of_other_applications_are_listed() {
    let mut stopped = group("fast", "Empty", 0, Some(5), json!([]));
    stopped["unowned"] = json!([
        owned(0, Some(2), Some(7), Some(5), None),
        owned(1, None, None, None, Some("Unknown"))
    ]);
    stopped["unownedCount"] = json!(3);
    let mut practice = practice(json!([stopped]));
    practice.spec.groups.truncate(1);
    let status = practice.status.as_mut().expect("it has one");
    let other_groups = json!([
        {"name": "reports", "state": "Stable", "protocol": "Classic", "members": 1, "topics": ["t"], "lag": 3, "upperBound": true},
        {"name": "audit", "state": "Empty", "members": 0, "topics": ["t"], "lag": null, "upperBound": false},
        {"name": "gone", "state": "Unknown", "members": null, "topics": ["t"], "lag": null, "upperBound": false},
    ]);
    status.other_groups = serde_json::from_value(other_groups).expect("they are groups");
    status.other_group_count = Some(7);
    let expected = [
        "p   ✔ Ready   t 3 partitions, 1 replica   Kafka kafka:9092",
        "├─ fast   ○ ScaledToZero   Classic   0/0 consumers   lag 5",
        "│  └─ no consumer   t/0  2/7  lag 5    t/1  ?/?  lag ? (offsets unknown)    and 1 more",
        "└─ 7 groups of other applications on these topics",
        "   ├─ reports   Stable    Classic   1 member    lag 3 at most   t",
        "   ├─ audit     Empty     ?         0 members   lag ?           t",
        "   ├─ gone      Unknown   ?         ? members   lag ?           t",
        "   └─ … and 4 more",
    ];
    let lines = drawn(&practice, None);
    assert_eq!(lines, expected, "\n{}", lines.join("\n"));
}

#[test]
fn unhealthy_group_shows_message_and_advice() {
    let mut stalls = group(
        "fast",
        "Stable",
        1,
        Some(3),
        json!([member("p-fast-6d9f-x2kvp", json!([]))]),
    );
    stalls["health"] = json!({"state": "Stalled", "since": "2026-11-25T14:02:00Z", "message": "t/0: lag is not zero",
                               "advice": "check the consumer's log"});
    let mut well = group(
        "slow",
        "Stable",
        1,
        Some(0),
        json!([member("p-slow-6d9f-zq8rm", json!([]))]),
    );
    well["health"] = json!({"state": "Healthy", "message": "every partition is consumed"});
    let drawn = drawn(&practice(json!([stalls, well])), None);
    let at = drawn
        .iter()
        .position(|line| line.contains("Stalled"))
        .expect("its health");
    assert_eq!(
        drawn[at..at + 2],
        [
            "│  ✘ Stalled for 3 min  t/0: lag is not zero",
            "│    → check the consumer's log"
        ]
    );
    assert!(
        !drawn.iter().any(|line| line.contains("every partition")),
        "{drawn:#?}"
    );
}

#[test]
fn deletion_is_shown_instead_of_a_changed_manifest() {
    let mut practice = practice(json!([group("fast", "Empty", 0, Some(0), json!([]))]));
    practice.metadata.deletion_timestamp =
        Some(serde_json::from_value(json!("2026-11-25T14:04:00Z")).expect("it is a time"));
    practice.metadata.finalizers = Some(vec!["kafka-practice.dev/topics".to_owned()]);
    practice.metadata.generation = Some(2);
    let lines = drawn(&practice, None);
    assert!(lines[0].starts_with("p   ⚠ Deleting   "), "{lines:#?}");
    let says = "│  ⚠ being deleted since 2026-11-25T14:04:00Z; waiting for finalizer kafka-practice.dev/topics; the operator has not reported it yet: the status below is from before";
    assert_eq!(lines[1], says);
    assert!(
        !lines.iter().any(|line| line.contains("out of date")),
        "{lines:#?}"
    );
}

#[test]
fn a_deletion_that_waits_for_topics_is_shown_with_the_way_out() {
    let mut practice = practice(json!([group("fast", "Unknown", 0, None, json!([]))]));
    practice.metadata.deletion_timestamp =
        Some(serde_json::from_value(json!("2026-11-25T14:04:00Z")).expect("it is a time"));
    practice.metadata.finalizers = Some(vec!["kafka-practice.dev/topics".to_owned()]);
    let way_out = "given up at 14:14:00Z (spec.deletionTimeout 10m), or now: kubectl annotate cgp p kafka-practice.dev/keep-topics=true";
    let blocked = format!("deleting topic t: kafka:9092 unreachable since 14:04:00Z; {way_out}");
    let unseen = "not monitored while the practice is being deleted";
    practice.status.as_mut().expect("it has one").conditions = [
        (
            "Ready",
            "False",
            "Deleting",
            "the practice is being deleted since 14:04:00Z",
        ),
        (
            "KafkaReachable",
            "False",
            "ConnectionRefused",
            "Kafka refused the connection",
        ),
        ("TopicsReady", "Unknown", "Deleting", unseen),
        ("ConsumersAvailable", "Unknown", "Deleting", unseen),
        ("Reconciling", "True", "DeletionBlocked", &blocked),
        ("Stalled", "False", "Deleting", ""),
    ]
    .map(|(kind, value, reason, message)| {
        let condition = condition(kind, value, reason, message);
        serde_json::from_value(condition).expect("it is a condition")
    })
    .to_vec();
    let lines = drawn(&practice, None);
    assert!(lines[0].starts_with("p   ⚠ Deleting   "), "{lines:#?}");
    assert_eq!(
        lines[1..4],
        [
            "│  ⚠ being deleted since 2026-11-25T14:04:00Z; waiting for finalizer kafka-practice.dev/topics".to_owned(),
            "│  ✘ not KafkaReachable  ConnectionRefused: Kafka refused the connection".to_owned(),
            format!("│  ⚠ Reconciling  DeletionBlocked: {blocked}"),
        ],
        "{lines:#?}"
    );
    assert!(
        !lines.iter().any(|line| line.contains(unseen)),
        "{lines:#?}"
    );
}

#[test]
fn unlisted_groups_of_other_applications_are_counted() {
    let mut practice = practice(json!([group("fast", "Empty", 0, Some(0), json!([]))]));
    practice
        .status
        .as_mut()
        .expect("it has one")
        .other_group_count = Some(45);
    let lines = drawn(&practice, None);
    let tail = &lines[lines.len() - 2..];
    let says = [
        "└─ 45 groups of other applications on these topics",
        "   └─ … not listed: status is limited in size",
    ];
    assert_eq!(tail, says, "{lines:#?}");
    assert!(lines[1].starts_with("├─ fast "), "{lines:#?}");
}

#[test]
fn group_that_is_not_started_shows_the_reason() {
    let mut unclaimed = group("fast", "Absent", 2, Some(0), json!([]));
    unclaimed["groupIdOwned"] = json!(false);
    let mut practice = practice(json!([unclaimed]));
    let says = |practice: &ConsumerGroupPractice, why: &str| {
        let lines = drawn(practice, None);
        assert!(
            lines.iter().any(|line| line.ends_with(why)),
            "{why}: {lines:#?}"
        );
    };
    says(
        &practice,
        "⚠ its consumers are not started until its group id is known to be unused by other applications",
    );
    let status = practice.status.as_mut().expect("it has one");
    let hold = |reason: &str| {
        let hold = json!({"reason": reason, "message": "why"});
        Some(serde_json::from_value(hold).expect("a hold"))
    };
    status.groups[0].hold = hold("GroupIdPending");
    let waits = group_remarks(&status.groups[0]);
    assert!(
        waits[0]
            .text()
            .contains("its consumers are not started until"),
        "{waits:?}"
    );
    status.groups[0].hold = hold("GroupStartPending");
    let waits = group_remarks(&status.groups[0]);
    assert_eq!(waits[0].text(), "⚠ why");
    status.groups[0].hold = hold("ProtocolUnsupported");
    says(
        &practice,
        "⚠ its consumers are not started: ProtocolUnsupported",
    );
}

#[test]
fn variants_inherit_the_delay_of_the_group() {
    let there = json!([
        member("p-slow-snail-6d9f-a", json!([])),
        member("p-slow-7c8f-b", json!([]))
    ]);
    let mut practice = practice(json!([group("slow", "Stable", 2, Some(0), there)]));
    practice.spec.groups[1].variants[0].processing_delay = None;
    let lines = drawn(&practice, None);
    assert_eq!(
        lines.iter().filter(|line| line.contains(" 2s ")).count(),
        2,
        "{lines:#?}"
    );
}
