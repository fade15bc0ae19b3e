use std::time::Duration;

use practice_api::PracticeStatus;
use practice_groups::{ByPartition, GroupHealth, OpenTransaction, PartitionHealth};
use serde_json::json;

use crate::{
    events::Severity,
    status::{News, news},
    testing::{World, two_groups},
};

const AGE: Duration = Duration::from_secs(90);

/// Two groups of which `a` has 2 members and `b` is another one's; partitions of `t` that are behind by 5, with findings.
fn found(findings: &[(i32, PartitionHealth)]) -> World {
    let mut world = two_groups();
    behind(&mut world);
    judge(&mut world, findings);
    world
}

fn behind(world: &mut World) {
    world.kafka(|snapshot| {
        let facts = snapshot.topic_mut("t").expect("is present");
        facts
            .partitions
            .iter_mut()
            .flatten()
            .for_each(|bounds| bounds.end = 15);
    });
}

fn judge(world: &mut World, findings: &[(i32, PartitionHealth)]) {
    let mut health = GroupHealth::default();
    for (number, finding) in findings {
        health.insert(("t", *number), *finding);
    }
    world.observed.health = [("a".to_owned(), health)].into();
}

fn told(status: &PracticeStatus) -> (String, Option<String>, String, String) {
    let health = status.groups[0].health.clone().expect("there is one");
    (
        health.state,
        health.since,
        health.message,
        health.advice.unwrap_or_default(),
    )
}

fn all(finding: PartitionHealth) -> World {
    found(&[(0, finding), (1, finding), (2, finding)])
}

#[test]
fn each_verdict_has_a_reason_and_an_advice() {
    let ok = all(PartitionHealth::Healthy).status();
    let (word, since, message, advice) = told(&ok);
    assert_eq!(
        (word.as_str(), since, advice.as_str()),
        ("Healthy", None, "")
    );
    assert_eq!(message, "every partition is consumed, or its lag is 0");
    assert_eq!(
        ok.groups[0].members[0].partitions[0].health.as_deref(),
        Some("Healthy")
    );
    assert_eq!(
        ok.groups[1].health, None,
        "of the other nothing was found yet"
    );

    let (word, since, message, advice) = told(
        &found(&[
            (0, PartitionHealth::Healthy),
            (1, PartitionHealth::Stalled { age: AGE }),
        ])
        .status(),
    );
    assert_eq!(
        (word.as_str(), since.as_deref()),
        ("Stalled", Some("2025-12-31T23:58:30Z"))
    );
    assert_eq!(
        message,
        "t/1: lag is not zero and consumer p-a-1 has stopped committing"
    );
    assert_eq!(
        advice,
        "check the consumer's log: it may hang at a message; restart it if it does"
    );

    let (word, _, message, advice) = told(&all(PartitionHealth::Lagging { within: AGE }).status());
    assert_eq!(word, "Lagging");
    assert_eq!(
        message,
        "t/0 and 2 more: consumed more slowly than produced; lag has only grown"
    );
    assert_eq!(
        advice,
        "add consumers, up to 3 (one for each partition), or reduce the work for each message"
    );

    let back = PartitionHealth::Rewound {
        from: 90,
        to: 10,
        topic_recreated: false,
        age: AGE,
    };
    let (word, _, message, advice) = told(&found(&[(0, back), (1, back)]).status());
    assert_eq!(word, "Rewound");
    assert_eq!(
        message,
        "t/0: committed offset moved back from 90 to 10, as did 1 more partition: messages in between are consumed again"
    );
    assert_eq!(
        advice,
        "unless you reset the offset on purpose, find the other client that commits as this group"
    );
}

#[test]
fn the_worst_partition_counts() {
    let (warn, stop) = (
        PartitionHealth::Lagging { within: AGE },
        PartitionHealth::Unassigned { age: AGE },
    );
    let status = found(&[(0, warn), (1, stop), (2, PartitionHealth::Healthy)]).status();
    assert_eq!(told(&status).0, "Unassigned");
    assert!(told(&status).2.starts_with("t/1: "), "{}", told(&status).2);
    let shares = status.groups[0]
        .members
        .iter()
        .flat_map(|member| &member.partitions);
    let words: std::collections::BTreeMap<i32, Option<&str>> = shares
        .map(|share| (share.partition, share.health.as_deref()))
        .collect();
    assert_eq!(
        words,
        [
            (0, Some("Lagging")),
            (1, Some("Unassigned")),
            (2, Some("Healthy"))
        ]
        .into()
    );
}

#[test]
fn a_group_without_consumers_is_told_why_it_has_none() {
    let spec = |group: serde_json::Value| {
        World::settled(json!({"topics": [{"name": "t"}], "groups": [group]}))
    };
    for (group, advice) in [
        (
            json!({"name": "a", "state": "Stopped"}),
            "group a is Stopped in the manifest: set its state to Running",
        ),
        (
            json!({"name": "a", "replicas": 0}),
            "group a has no replicas: scale it up",
        ),
        (
            json!({"name": "a", "replicas": 1}),
            "group a has no members: check its pods and their logs",
        ),
    ] {
        let mut practice = spec(group);
        practice.group("a", |group| group.members.clear());
        behind(&mut practice);
        judge(
            &mut practice,
            &[(0, PartitionHealth::Unassigned { age: AGE })],
        );
        let (word, _, message, said) = told(&practice.status());
        assert_eq!(
            (word.as_str(), message.as_str()),
            ("Unassigned", "t/0: lag is not zero and no consumer owns it")
        );
        assert_eq!(said, advice);
    }
}

#[test]
fn a_rewind_that_we_caused_says_so() {
    let back = PartitionHealth::Rewound {
        from: 90,
        to: 0,
        topic_recreated: true,
        age: AGE,
    };
    let mut world = found(&[(0, back)]);
    let (_, _, message, _) = told(&world.status());
    assert_eq!(
        message,
        "t/0: committed offset moved back from 90 to 0 because the topic was recreated"
    );
    let id = world.status().topics[0].topic_id.clone().expect("has one");
    world.prepared.own = Some([("t".to_owned(), id)].into());
    let (_, _, message, advice) = told(&world.status());
    assert_eq!(
        message,
        "t/0: committed offset moved back from 90 to 0 because this practice recreated the topic"
    );
    assert!(advice.starts_with("nothing: "), "{advice}");
}

#[test]
fn a_verdict_stands_while_nothing_new_is_known() {
    let mut world = all(PartitionHealth::Stalled { age: AGE });
    let first = world.status();
    // ten seconds later the same: not a word changes
    let second = world.status();
    assert_eq!(told(&first), told(&second));
    assert_eq!(news(Some(&first), &second), News::None);
    // another operator, which has not seen enough yet
    world.observed.health = [("a".to_owned(), GroupHealth::default())].into();
    let third = world.status();
    assert_eq!(told(&third), told(&first));
    // it has committed since: what was said is no more so
    world.group("a", |group| {
        group
            .committed
            .iter_mut()
            .flat_map(ByPartition::iter_mut)
            .for_each(|(_, c)| c.offset = 11);
    });
    assert_eq!(world.status().groups[0].health, None);
}

#[test]
fn a_turn_is_written_at_once_and_told_once() {
    let mut world = all(PartitionHealth::Healthy);
    let ok = world.status();
    let events = |world: &World, before: Option<&PracticeStatus>, after: &PracticeStatus| {
        let story = crate::events::events(&world.prepared, &world.running, before, after);
        let of_verdicts = story
            .into_iter()
            .filter(|sentence| sentence.action == "Judge");
        of_verdicts
            .map(|sentence| (sentence.severity, sentence.reason))
            .collect::<Vec<_>>()
    };
    assert_eq!(
        events(&world, None, &ok),
        [],
        "that all is well is nothing to begin with"
    );
    judge(&mut world, &[(0, PartitionHealth::Lagging { within: AGE })]);
    let warn = world.status();
    assert_eq!(news(Some(&ok), &warn), News::Meaning);
    assert_eq!(
        events(&world, Some(&ok), &warn),
        [(Severity::Warning, "GroupLagging")]
    );
    let again = world.status();
    assert_eq!(events(&world, Some(&warn), &again), []);
    judge(
        &mut world,
        &[
            (0, PartitionHealth::Healthy),
            (1, PartitionHealth::Healthy),
            (2, PartitionHealth::Healthy),
        ],
    );
    let well = world.status();
    assert_eq!(
        events(&world, Some(&warn), &well),
        [(Severity::Normal, "GroupRecovered")]
    );
}

fn transaction(producer_id: Option<i64>, since: Option<i64>) -> PartitionHealth {
    PartitionHealth::OpenTransaction(OpenTransaction { producer_id, since })
}

#[test]
fn an_open_transaction_is_healthy_and_named() {
    // 2026-01-01T00:00:00Z
    let since = Some(1_767_225_600_000);
    for (found, expected) in [
        (
            transaction(Some(7), since),
            "a transaction of producer id 7 is open since 2026-01-01T00:00:00Z: ",
        ),
        (
            transaction(Some(7), None),
            "a transaction of producer id 7 is open: ",
        ),
        (transaction(None, None), "a transaction is open: "),
    ] {
        let mut world = found_at_one(found);
        let status = world.status();
        let (state, since, message, advice) = told(&status);
        assert_eq!((state.as_str(), since), ("Healthy", None));
        assert!(message.starts_with("t/1: "), "{message}");
        assert_eq!(
            advice,
            format!(
                "{expected}kafka-transactions.sh --bootstrap-server {} find-hanging --topic t",
                world.plan.bootstrap
            )
        );
        let words: Vec<_> = status.groups[0]
            .shares()
            .map(|share| share.health.as_deref())
            .collect();
        assert_eq!(words, [Some("Healthy"); 3]);
        let events = crate::events::events(&world.prepared, &world.running, Some(&status), &status);
        assert_eq!(events, []);
    }
}

/// A group of which one partition has this health, and the others are healthy.
fn found_at_one(finding: PartitionHealth) -> World {
    found(&[
        (0, PartitionHealth::Healthy),
        (1, finding),
        (2, PartitionHealth::Healthy),
    ])
}

#[test]
fn the_transaction_that_is_known_best_and_open_longest_is_named() {
    let mut world = found(&[
        (0, transaction(None, None)),
        (1, transaction(Some(8), Some(2_000))),
        (2, transaction(Some(9), Some(1_000))),
    ]);
    let (_, _, message, advice) = told(&world.status());
    assert!(message.starts_with("t/0 and 2 more: "), "{message}");
    assert!(
        advice.contains("producer id 9 is open since 1970-01-01T00:00:01Z"),
        "{advice}"
    );

    // a fault of another partition comes first, and hides nothing
    let mut world = found(&[
        (0, PartitionHealth::Healthy),
        (1, transaction(Some(8), None)),
        (2, PartitionHealth::Stalled { age: AGE }),
    ]);
    let (state, _, message, advice) = told(&world.status());
    assert_eq!(state, "Stalled");
    assert!(message.starts_with("t/2: lag is not zero"), "{message}");
    assert!(
        advice.starts_with("check the consumer's log")
            && advice.contains("; t/1: a transaction of producer id 8 is open: "),
        "{advice}"
    );
}

#[test]
fn an_operator_that_has_just_started_keeps_the_transaction() {
    let mut world = found_at_one(transaction(Some(7), None));
    let before = world.status();
    judge(&mut world, &[]);
    assert_eq!(world.status().groups[0].health, before.groups[0].health);
    judge(
        &mut world,
        &[
            (0, PartitionHealth::Healthy),
            (1, PartitionHealth::Healthy),
            (2, PartitionHealth::Healthy),
        ],
    );
    assert_eq!(told(&world.status()).3, "");
}
