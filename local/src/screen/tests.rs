use std::{
    env, fs,
    net::SocketAddr,
    ops::Range,
    path::{Path, PathBuf},
    time::Duration,
};

use practice_api::status::{GroupStatus, Member, OwnedPartition};
use practice_groups::witness::Runtime;
use practice_operator::memory::PracticeStates;
use serde_json::json;
use tokio::sync::mpsc;

use super::{table::owner, *};
use crate::{
    fleet::{Fleet, Ways},
    kafka::Kafka,
    process::Program,
};

/// A practice that is not ready, with the message of its condition Ready.
fn not_ready(why: &str) -> Practice {
    let file = json!({"apiVersion": "kafka-practice.dev/v1alpha1", "kind": "ConsumerGroupPractice",
        "metadata": {"name": "p"},
        "spec": {"topics": [{"name": "t", "partitions": 3}], "groups": [{"name": "g", "replicas": 2}]}});
    let ways = Ways {
        program: Program::this().expect("it runs"),
        logs: PathBuf::new(),
        restart_delay: Duration::ZERO,
        apart: Duration::ZERO,
    };
    let fleet = Fleet::new(ways, mpsc::unbounded_channel().0);
    let memories = PracticeStates::new(mpsc::unbounded_channel().0, Runtime::Local);
    let (kafka, producer) = (
        Kafka::Given("k:9092".to_owned()),
        SocketAddr::from(([127, 0, 0, 1], 0)),
    );
    let mut practice = Practice::new(
        (PathBuf::new(), file),
        kafka,
        fleet,
        producer,
        memories,
        Instant::now(),
    )
    .expect("a legal practice");
    let ready = json!({"type": "Ready", "status": "False", "reason": "GroupConflict", "message": why,
        "lastTransitionTime": "2026-11-25T14:02:11Z"});
    let status = json!({"conditions": [ready], "topics": [], "groups": []});
    practice.status = Some(serde_json::from_value(status).expect("a status"));
    practice
}

#[test]
fn member_names_of_other_applications_are_escaped() {
    let practice = not_ready("its member a\u{1b}[2J\nb\u{9b}31m is not of this practice");
    let expected =
        "p on k:9092   not ready: its member a\\u{1b}[2J\\nb\\u{9b}31m is not of this practice";
    assert_eq!(headline(&practice), expected);
    for colours in [false, true] {
        let report = report(
            &practice,
            ScreenShape {
                colours,
                width: None,
            },
        );
        assert_eq!(report[0], expected);
        let drives = |line: &&String| line.contains("\x1b[2J") || line.contains(['\n', '\u{9b}']);
        assert_eq!(report.iter().find(drives), None);
    }
}

#[test]
fn no_owner_differs_from_an_unknown_owner() {
    let share = |partition| OwnedPartition {
        topic: "t".to_owned(),
        partition,
        ..OwnedPartition::default()
    };
    let member = |name: &str, partitions: &[i32]| Member {
        name: name.to_owned(),
        partitions: partitions.iter().copied().map(share).collect(),
        ..Member::default()
    };
    let group = |state: &str, members: Vec<Member>, unowned: &[i32]| GroupStatus {
        state: state.to_owned(),
        members,
        unowned: unowned.iter().copied().map(share).collect(),
        ..GroupStatus::default()
    };
    let short = ShortNames::common_prefix(["g"].into_iter());
    for (group, expected) in [
        (
            group(
                "Stable",
                vec![member("g-a", &[0]), member("g-b", &[1])],
                &[],
            ),
            ["a", "b"],
        ),
        (group("Stable", vec![member("g-a", &[0])], &[1]), ["a", "-"]),
        (group("Empty", vec![], &[0, 1]), ["-", "-"]),
        (
            group(
                "PreparingRebalance",
                vec![member("g-a", &[]), member("g-b", &[])],
                &[],
            ),
            ["↻", "↻"],
        ),
        (
            group("Reconciling", vec![member("g-a", &[0])], &[1]),
            ["a", "-"],
        ),
        (group("Unknown", vec![], &[]), ["?", "?"]),
    ] {
        assert_eq!(
            [0, 1].map(|number| owner(&group, ("t", number), &short)),
            expected,
            "{}",
            group.state
        );
    }
    let stranger = group("Stable", vec![member("g-a\u{1b}[2J\n", &[0])], &[]);
    assert_eq!(owner(&stranger, ("t", 0), &short), "a\\u{1b}[2J\\n");
}

#[test]
fn common_prefix_of_groups_is_left_out() {
    let short = ShortNames::common_prefix(
        [
            "my-consumer-group-1",
            "my-consumer-group-2",
            "my-consumer-group-13",
        ]
        .into_iter(),
    );
    assert_eq!(short.name("my-consumer-group-1-a"), "1-a");
    assert_eq!(short.name("stranger"), "stranger");
    assert_eq!(
        ShortNames::common_prefix(["orders"].into_iter()).name("orders-a"),
        "a"
    );
    assert_eq!(
        ShortNames::common_prefix(["orders", "payments"].into_iter()).name("orders-a"),
        "orders-a"
    );
    assert_eq!(
        ShortNames::common_prefix(["practice-4-both", "practice-4-range"].into_iter())
            .name("practice-4-both-a"),
        "both-a"
    );
}

/// Compares lines with `tests/golden/table.txt`; `UPDATE_GOLDEN=1` rewrites the file.
#[test]
fn table_matches_the_golden_file() {
    let mut practice = not_ready("starting");
    let owned = |partition: i32| json!({"topic": "t", "partition": partition});
    let member = |name: &str, partitions: &[i32]| {
        json!({"name": name, "pod": name, "memberId": name, "clientId": name, "partitionCount": partitions.len(),
            "partitions": partitions.iter().copied().map(owned).collect::<Vec<_>>()})
    };
    let status = json!({
        "conditions": [], "topics": [{"name": "t", "ready": true, "partitions": 3}],
        "groups": [{"name": "g", "groupIdOwned": true, "state": "Stable", "protocol": "Classic", "replicas": 2,
            "readyReplicas": 2, "lag": 4, "members": [member("g-a", &[0, 1]), member("g-b", &[])],
            "unowned": [owned(2)], "unownedCount": 1}],
    });
    practice.status = Some(serde_json::from_value(status).expect("a status"));
    let text = table(&practice, None).join("\n") + "\n";
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/table.txt");
    if env::var_os("UPDATE_GOLDEN").is_some() {
        fs::create_dir_all(path.parent().expect("a directory")).expect("created");
        fs::write(&path, &text).expect("written");
    }
    let golden = fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(text, golden, "rewrite it with UPDATE_GOLDEN=1");
}

/// A group on 16 partitions: one consumer owns 14, one waits, and two partitions have no owner.
fn sixteen_partitions() -> Practice {
    let mut practice = not_ready("starting");
    let owned = |numbers: Range<i32>| -> Vec<_> {
        numbers
            .map(|n| json!({"topic": "t", "partition": n}))
            .collect()
    };
    let member = |name: &str, count: i32, idle: Option<&str>| {
        let owned = owned(0..count);
        json!({"name": name, "pod": name, "memberId": name, "clientId": name, "partitionCount": count, "partitions": owned,
            "idleBecause": idle})
    };
    let why = "all 16 partitions have owners, and a partition has one owner in a group";
    let status = json!({
        "conditions": [], "topics": [{"name": "t", "ready": true, "partitions": 16}],
        "groups": [{"name": "g", "groupIdOwned": true, "state": "Stable", "protocol": "Classic", "replicas": 2,
            "readyReplicas": 2, "lag": 4, "members": [member("g-a", 14, None), member("g-b", 0, Some(why))],
            "unowned": owned(14..16), "unownedCount": 3}],
    });
    practice.status = Some(serde_json::from_value(status).expect("a status"));
    practice
}

#[test]
fn every_partition_is_shown_however_narrow_the_terminal() {
    let practice = sixteen_partitions();
    for columns in [20, 30, 40, 59, 79, 100, 200] {
        let lines = table(&practice, Some(columns));
        let over: Vec<&String> = lines
            .iter()
            .filter(|line| line.chars().count() > columns)
            .collect();
        assert!(over.is_empty(), "{columns}: {over:#?}");
        let text = lines.join("\n");
        let words: Vec<&str> = text.split_whitespace().collect();
        for number in 0..16 {
            assert!(words.contains(&&*number.to_string()), "{columns}: {text}");
        }
        assert!(text.contains("lag 4"), "{columns}: {text}");
    }
    assert_eq!(table(&practice, None).len(), 2, "a row for each group");
    let narrow = table(&practice, Some(30));
    let expected = [
        "  g  lag 4   all 16 partitions",
        "       have owners, and a",
        "       partition has one owner",
        "       in a group",
        "    a  t 0 1 2 3 4 5 6 7 8 9",
        "       10 11 12 13",
        "    b  ○ idle  all 16",
        "       partitions have owners,",
        "       and a partition has one",
        "       owner in a group",
        "    no consumer  t 14 15",
        "       and 1 more",
    ];
    assert_eq!(narrow, expected);
}
