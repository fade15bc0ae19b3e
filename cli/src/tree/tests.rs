use serde_json::{Value, json};

use super::*;

/// What practice 3 looks like, one of its groups in each of the tests' states.
fn practice(groups: Value) -> ConsumerGroupPractice {
    serde_json::from_value(json!({
        "apiVersion": "kafka-practice.dev/v1alpha1", "kind": "ConsumerGroupPractice",
        "metadata": {"name": "p", "namespace": "team-a", "generation": 1},
        "spec": {
            "topics": [{"name": "t", "partitions": 3}],
            "groups": [
                {"name": "fast", "replicas": 2},
                {"name": "slow", "replicas": 1, "processingDelay": "2s", "assignor": "Range",
                 "variants": [{"name": "snail", "replicas": 1, "processingDelay": "5s"}]},
            ],
        },
        "status": {
            "observedGeneration": 1,
            "bootstrapServers": "kafka:9092",
            "conditions": [condition("Ready", "True", "Running", "all is well")],
            "topics": [{"name": "t", "ready": true, "partitions": 3, "replicationFactor": 1}],
            "groups": groups,
        },
    }))
    .expect("it is a practice")
}

fn condition(kind: &str, status: &str, reason: &str, message: &str) -> Value {
    json!({"type": kind, "status": status, "reason": reason, "message": message,
           "lastTransitionTime": "2026-11-25T14:00:00Z"})
}

fn group(name: &str, state: &str, wanted: i32, lag: Option<i64>, members: Value) -> Value {
    json!({"name": name, "groupIdOwned": true, "state": state, "protocol": "Classic", "replicas": wanted,
           "readyReplicas": wanted, "lag": lag, "members": members})
}

fn member(name: &str, partitions: Value) -> Value {
    let count = partitions.as_array().map_or(0, Vec::len);
    json!({"name": name, "pod": name, "memberId": format!("{name}-id"), "clientId": name,
           "partitions": partitions, "partitionCount": count, "lag": null})
}

fn owned(
    number: i32,
    committed: Option<i64>,
    end: Option<i64>,
    lag: Option<i64>,
    because: Option<&str>,
) -> Value {
    json!({"topic": "t", "partition": number, "committed": committed, "end": end, "lag": lag, "lagReason": because})
}

const NOW: &str = "2026-11-25T14:05:00Z";

fn drawn(practice: &ConsumerGroupPractice, width: Option<usize>) -> Vec<String> {
    let now = NOW.parse().expect("it is a time");
    tree_at(
        practice,
        Shape {
            width,
            with_namespace: false,
        },
        now,
    )
    .iter()
    .map(Line::text)
    .collect()
}

#[test]
fn a_practice_is_a_tree() {
    let practice = practice(json!([
        group(
            "fast",
            "Stable",
            2,
            Some(0),
            json!([
                member(
                    "p-fast-6d9f-x2kvp",
                    json!([
                        owned(0, Some(41), Some(41), Some(0), None),
                        owned(2, Some(9), Some(9), Some(0), None)
                    ])
                ),
                member(
                    "p-fast-6d9f-zq8rm",
                    json!([owned(1, Some(44), Some(44), Some(0), None)])
                ),
            ])
        ),
        group(
            "slow",
            "Stable",
            2,
            Some(12),
            json!([
                member(
                    "p-slow-7c41-m4d5t",
                    json!([
                        owned(0, Some(41), Some(41), Some(0), None),
                        owned(1, Some(32), Some(44), Some(12), None)
                    ])
                ),
                member(
                    "p-slow-snail-58b7-h2lqw",
                    json!([owned(2, Some(9), Some(9), Some(0), None)])
                ),
            ])
        ),
    ]));
    let expected = [
        "p   ✔ Ready   t 3 partitions, 1 replica   Kafka kafka:9092",
        "├─ fast   ✔ Stable   Classic          2/2 consumers   lag 0",
        "│  ├─ …6d9f-x2kvp              t/0  41/41  lag 0     t/2    9/9  lag 0",
        "│  └─ …6d9f-zq8rm              t/1  44/44  lag 0",
        "└─ slow   ✔ Stable   Classic, Range   2/2 consumers   lag 12",
        "   ├─ …7c41-m4d5t         2s   t/0  41/41  lag 0     t/1  32/44  lag 12",
        "   └─ …snail-58b7-h2lqw   5s   t/2    9/9  lag 0",
    ];
    let drawn = drawn(&practice, None);
    assert_eq!(drawn, expected, "\n{}", drawn.join("\n"));
}

/// The lines below the head, of the first group alone.
fn of_group(group: Value) -> Vec<String> {
    let mut practice = practice(json!([group]));
    practice.spec.groups.truncate(1);
    drawn(&practice, None).split_off(1)
}

#[test]
fn unknown_is_a_question_mark_with_its_reason_and_never_0() {
    let rows = [
        (
            owned(0, Some(3), None, None, Some("Unknown")),
            "t/0  3/?  lag ? (cannot be read)",
        ),
        (
            owned(0, None, None, None, None),
            "t/0  ?/?  lag ? (cannot be read)",
        ),
        (
            owned(0, None, Some(7), Some(7), Some("NoCommit")),
            "t/0  -/7  lag 7 (no commit yet)",
        ),
        (
            owned(0, Some(1), Some(9), Some(4), Some("Expired")),
            "t/0  1/9  lag 4 (messages deleted before they were read)",
        ),
        (
            owned(0, Some(9), Some(2), Some(0), Some("Stale")),
            "t/0  9/2  lag 0 (committed beyond the end: nothing to read until the group is reset)",
        ),
        (
            owned(0, Some(9), Some(9), Some(0), Some("SomethingNew")),
            "t/0  9/9  lag 0 (SomethingNew)",
        ),
    ];
    for (owned, expected) in rows {
        let lag = owned["lag"].as_i64();
        let lines = of_group(group(
            "fast",
            "Stable",
            1,
            lag,
            json!([member("p-fast-a-b", json!([owned]))]),
        ));
        assert_eq!(lines[1], format!("   └─ …a-b   {expected}"));
        let of_group = if lag.is_none() {
            "lag ?   t/0 cannot be read"
        } else {
            "lag "
        };
        assert!(lines[0].contains(of_group), "{}", lines[0]);
    }
    let ghost = of_group(group("fast", "Unknown", 2, None, json!([])));
    assert_eq!(
        ghost[0],
        "└─ fast   ? Unknown   Classic   ?/2 consumers   lag ?   Kafka has not described the group"
    );
    let nobody = of_group(group("fast", "Stable", 0, None, json!([])));
    assert!(
        nobody[0].ends_with("lag ?   a partition that no consumer has cannot be read"),
        "{}",
        nobody[0]
    );
}

#[test]
fn a_kafka_that_is_down_is_the_reason() {
    let mut practice = practice(json!([group("fast", "Unknown", 2, None, json!([]))]));
    let status = practice.status.as_mut().expect("it has one");
    let down = [
        condition("Ready", "False", "KafkaUnreachable", "no broker answers"),
        condition(
            "KafkaReachable",
            "False",
            "ConnectionRefused",
            "no broker answers",
        ),
        condition("Stalled", "True", "NameConflict", "p-fast is not ours"),
        condition(
            "TopicsReady",
            "Unknown",
            "KafkaUnreachable",
            "Kafka has not been seen yet",
        ),
    ];
    status.conditions = down
        .map(|one| serde_json::from_value(one).expect("it is a condition"))
        .to_vec();
    let expected = [
        "p   ✘ NotReady   t 3 partitions, 1 replica   Kafka kafka:9092",
        "│  ✘ not Ready  KafkaUnreachable: no broker answers",
        "│  ✘ Stalled  NameConflict: p-fast is not ours",
        "│  ⚠ TopicsReady  KafkaUnreachable: Kafka has not been seen yet",
        "└─ fast   ? Unknown   Classic   ?/2 consumers   lag ?   Kafka: ConnectionRefused",
    ];
    assert_eq!(drawn(&practice, None), expected);
}

#[test]
fn who_has_nothing_is_told_why() {
    let mut idle = member("p-fast-a-idle", json!([]));
    idle["idleBecause"] = json!("1 partition, 2 consumers: 1 waits");
    let mut stable = group(
        "fast",
        "Stable",
        2,
        Some(0),
        json!([
            member(
                "p-fast-a-b",
                json!([owned(0, Some(1), Some(1), Some(0), None)])
            ),
            idle
        ]),
    );
    stable["idle"] = json!(1);
    let lines = of_group(stable);
    assert_eq!(
        lines[0],
        "└─ fast   ✔ Stable   Classic   2/2 consumers   lag 0   1 idle"
    );
    assert_eq!(
        lines[2],
        "   └─ …a-idle   ○ idle  1 partition, 2 consumers: 1 waits"
    );

    let lines = of_group(group(
        "fast",
        "PreparingRebalance",
        2,
        Some(0),
        json!([
            member("p-fast-a-b", json!([])),
            member("p-fast-a-c", json!([]))
        ]),
    ));
    assert_eq!(
        lines[0],
        "└─ fast   ↻ PreparingRebalance   Classic   2/2 consumers   lag 0"
    );
    assert_eq!(
        lines[1..],
        [
            "   ├─ …a-b   ↻ waits  for the rebalance to end",
            "   └─ …a-c   ↻ waits  for the rebalance to end"
        ]
    );

    let lines = of_group(group(
        "fast",
        "Stable",
        1,
        Some(0),
        json!([member("p-fast-a-b", json!([]))]),
    ));
    assert_eq!(
        lines[1], "   └─ …a-b   ○ no partition yet",
        "within the time in which it may get one"
    );
}

#[test]
fn groups_without_members_say_what_they_are() {
    let lines = of_group(group("fast", "Empty", 2, Some(4), json!([])));
    let expected = [
        "└─ fast   ✘ Empty   Classic   0/2 consumers   lag 4",
        "   ⚠ 2 of 2 consumers ready, but not in the group yet",
    ];
    assert_eq!(lines, expected);
    assert_eq!(
        of_group(group("fast", "Empty", 0, Some(4), json!([]))),
        ["└─ fast   ○ Empty   Classic   0/0 consumers   lag 4"]
    );
    let mut unclaimed = group("fast", "Absent", 0, Some(0), json!([]));
    unclaimed["groupIdOwned"] = json!(false);
    let lines = of_group(unclaimed);
    assert!(lines[0].starts_with("└─ fast   ✘ NotClaimed"), "{lines:?}");
    assert!(
        lines[1].contains("until it is known that nobody else uses the group id"),
        "{lines:?}"
    );

    let mut none = practice(json!([]));
    none.spec.groups.clear();
    assert_eq!(drawn(&none, None)[1..], ["└─ no groups in the manifest"]);
    none.status = None;
    assert_eq!(
        drawn(&none, None),
        [
            "p   ⚠ not looked at yet",
            "   ⚠ the operator has not looked at it: is one there? kubectl cgp check"
        ]
    );
    let mut edited = practice(json!([group("fast", "Stable", 0, Some(0), json!([]))]));
    edited.metadata.generation = Some(2);
    assert!(drawn(&edited, None)[1].contains("the manifest has changed"));
}

#[test]
fn what_is_long_is_never_cut_and_wraps_below_itself() {
    let long = "x".repeat(249);
    let lines = of_group(group(
        "fast",
        "Stable",
        1,
        Some(0),
        json!([member(
            &long,
            json!([owned(0, Some(1), Some(1), Some(0), None)])
        ),]),
    ));
    assert_eq!(lines[1], format!("   └─ {long}   t/0  1/1  lag 0"));

    let partitions: Vec<Value> = (0..5)
        .map(|n| owned(n, Some(1), Some(1), Some(0), None))
        .collect();
    let mut many = member("p-fast-a-b", json!(partitions));
    many["partitionCount"] = json!(9);
    let mut practice = practice(json!([group("fast", "Stable", 1, Some(0), json!([many]))]));
    practice.spec.groups.truncate(1);
    let expected = [
        "   └─ …a-b   t/0  1/1  lag 0    t/1  1/1  lag 0",
        "             t/2  1/1  lag 0    t/3  1/1  lag 0",
        "             t/4  1/1  lag 0    and 4 more",
    ];
    assert_eq!(drawn(&practice, Some(50))[2..], expected);
    assert_eq!(
        drawn(&practice, None).len(),
        3,
        "a line each where nothing ends"
    );
}

#[test]
fn nothing_from_outside_drives_the_terminal() {
    let mut practice = practice(json!([group(
        "fast",
        "Stable",
        1,
        Some(0),
        json!([member("evil\u{1b}[2J", json!([]))])
    )]));
    practice.status.as_mut().expect("it has one").topics[0].name = "t\u{202e}".to_owned();
    for line in tree(&practice, Shape::default()) {
        assert!(
            !line.text().contains(['\u{1b}', '\u{202e}']),
            "{}",
            line.text()
        );
    }
}

#[test]
fn how_old_a_lag_is_and_since_when_it_is_not_known() {
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
        lines[1].ends_with("lag 4 (4 messages deleted before they were read)"),
        "{lines:?}"
    );
}

#[test]
fn partitions_of_nobody_and_groups_of_others_are_there() {
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
        "├─ fast   ○ Empty   Classic   0/0 consumers   lag 5",
        "│  └─ no consumer   t/0  2/7  lag 5    t/1  ?/?  lag ? (cannot be read)    and 1 more",
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
fn a_group_that_does_not_get_on_says_why_and_what_to_do() {
    let mut stalls = group(
        "fast",
        "Stable",
        1,
        Some(3),
        json!([member("p-fast-6d9f-x2kvp", json!([]))]),
    );
    stalls["health"] = json!({"health": "Stalled", "since": "2026-11-25T14:02:00Z", "message": "t/0: messages wait",
                               "advice": "look at its log"});
    let mut well = group(
        "slow",
        "Stable",
        1,
        Some(0),
        json!([member("p-slow-6d9f-zq8rm", json!([]))]),
    );
    well["health"] = json!({"health": "Healthy", "message": "every partition is read"});
    let drawn = drawn(&practice(json!([stalls, well])), None);
    let at = drawn
        .iter()
        .position(|line| line.contains("Stalled"))
        .expect("it is told");
    assert_eq!(
        drawn[at..at + 2],
        [
            "│  ✘ Stall for 3 min  t/0: messages wait",
            "│    → look at its log"
        ]
    );
    assert!(
        !drawn.iter().any(|line| line.contains("every partition")),
        "{drawn:#?}"
    );
}

#[test]
fn a_practice_that_is_being_deleted_says_so_and_not_that_its_manifest_has_changed() {
    let mut practice = practice(json!([group("fast", "Empty", 0, Some(0), json!([]))]));
    practice.metadata.deletion_timestamp =
        Some(serde_json::from_value(json!("2026-11-25T14:04:00Z")).expect("it is a time"));
    practice.metadata.finalizers = Some(vec!["kafka-practice.dev/topics".to_owned()]);
    practice.metadata.generation = Some(2);
    let lines = drawn(&practice, None);
    assert!(lines[0].starts_with("p   ⚠ Deleting   "), "{lines:#?}");
    let says = "│  ⚠ being deleted since 2026-11-25T14:04:00Z: what is below is how it was then; waits for kafka-practice.dev/topics, its Events say why";
    assert_eq!(lines[1], says);
    assert!(
        !lines
            .iter()
            .any(|line| line.contains("manifest has changed")),
        "{lines:#?}"
    );
}

#[test]
fn groups_of_others_are_counted_where_none_is_listed() {
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
        "   └─ … not listed: status does not hold all",
    ];
    assert_eq!(tail, says, "{lines:#?}");
    assert!(lines[1].starts_with("├─ fast "), "{lines:#?}");
}

#[test]
fn a_group_that_may_not_start_says_why() {
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
        "⚠ its consumers wait until it is known that nobody else uses the group id",
    );
    let status = practice.status.as_mut().expect("it has one");
    let hold = |reason: &str| {
        let hold = json!({"reason": reason, "message": "why"});
        Some(serde_json::from_value(hold).expect("a hold"))
    };
    status.groups[0].hold = hold("GroupIdPending");
    let waits = group_remarks(&status.groups[0]);
    assert!(waits[0].text().contains("its consumers wait"), "{waits:?}");
    status.groups[0].hold = hold("ProtocolUnsupported");
    says(
        &practice,
        "⚠ its consumers do not start: ProtocolUnsupported",
    );
}

#[test]
fn consumers_of_a_variant_take_the_groups_time_where_it_has_none() {
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
