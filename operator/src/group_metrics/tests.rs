//! Which series a status has, and when they end.

use practice_api::status::{HealthStatus, Member};
use practice_groups::Explained;
use practice_testbed::openmetrics::Exposition;
use prometheus_client::{encoding::text::encode, registry::Registry};
use serde_json::json;

use super::*;

fn key(name: &str) -> Key {
    ("n".to_owned(), name.to_owned())
}

fn status(lag: Option<i64>) -> PracticeStatus {
    let owned = OwnedPartition {
        topic: "t".into(),
        partition: 2,
        lag,
        ..OwnedPartition::default()
    };
    let member = Member {
        name: "secret".into(),
        partitions: vec![owned],
        ..Member::default()
    };
    let group = GroupStatus {
        name: "g".into(),
        state: "Stable".into(),
        protocol: "Classic".into(),
        replicas: 2,
        idle: Some(0),
        lag,
        members: vec![member],
        ..GroupStatus::default()
    };
    PracticeStatus {
        groups: vec![group],
        ..PracticeStatus::default()
    }
}

fn rebalance(cause: Cause) -> Rebalance {
    Rebalance {
        number: 1,
        at: 0,
        protocol: None,
        epoch_before: None,
        epoch: None,
        joined: vec!["secret".into()],
        left: vec![],
        moved: practice_groups::Moves::default(),
        took_ms: None,
        why: Some(Explained {
            cause,
            exit_code: None,
            sentence: "secret".into(),
            advice: None,
        }),
    }
}

/// Adds a practice that has a sample in each family.
pub(crate) fn fill(metrics: &GroupMetrics) {
    let mut full = status(Some(7));
    full.groups[0].oldest_since = Some(Timestamp::now().to_string());
    full.groups[0].members[0].partitions[0].committed = Some(3);
    full.groups[0].health = Some(HealthStatus {
        state: "Stalled".into(),
        ..HealthStatus::default()
    });
    metrics.show(
        &key("p"),
        &full,
        &[("g".into(), rebalance(Cause::ScaledUp).into())],
        &[("g".into(), 700)],
    );
}

fn text(metrics: &GroupMetrics) -> String {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(metrics.clone()));
    let mut text = String::new();
    encode(&mut text, &registry).expect("writing to a string should not fail");
    Exposition::read(&text).unwrap_or_else(|error| panic!("{error}\n{text}"));
    text
}

#[test]
fn an_age_is_computed_at_the_scrape() {
    let now: Timestamp = "2026-01-01T00:02:00Z".parse().expect("a time");
    for (lag, since, expected) in [
        (Some(7), Some("2026-01-01T00:00:20Z"), Some(100)),
        (Some(7), Some("2026-01-01T00:02:01Z"), Some(0)),
        (Some(7), None, None),
        (Some(0), None, Some(0)),
        (None, None, None),
    ] {
        let group = GroupStatus {
            lag,
            oldest_since: since.map(str::to_owned),
            ..GroupStatus::default()
        };
        assert_eq!(age(&group, now), expected, "{lag:?} {since:?}");
    }
    let (metrics, mut status) = (GroupMetrics::default(), status(Some(7)));
    status.groups[0].oldest_since = Some((Timestamp::now() - Duration::from_secs(100)).to_string());
    metrics.show(&key("p"), &status, &[], &[]);
    let text_now = text(&metrics);
    let line = r#"consumer_group_lag_seconds{namespace="n",practice="p",group="g"} 10"#;
    assert!(text_now.contains(line), "{text_now}"); // 100, or a little more
}

#[test]
fn only_known_values_have_series() {
    let metrics = GroupMetrics::default();
    metrics.show(
        &key("p"),
        &status(Some(7)),
        &[("g".into(), rebalance(Cause::ScaledUp).into())],
        &[("g".into(), 700)],
    );
    metrics.show(
        &key("p"),
        &status(Some(7)),
        &[("g".into(), rebalance(Cause::ScaledUp).into())],
        &[("g".into(), 400)],
    );
    let text_now = text(&metrics);
    let of = r#"namespace="n",practice="p",group="g""#;
    for line in [
        format!("practice_operator_consumer_group_members{{{of}}} 1"),
        format!("practice_operator_consumer_group_lag{{{of}}} 7"),
        format!(
            r#"practice_operator_consumer_group_info{{{of},state="Stable",protocol="Classic"}} 1"#
        ),
        format!(
            r#"practice_operator_consumer_group_topic_partition_lag{{{of},topic="t",partition="2"}} 7"#
        ),
        format!(r#"practice_operator_consumer_group_rebalances_total{{{of},cause="ScaledUp"}} 2"#),
        format!("practice_operator_consumer_group_partition_without_owner_seconds_count{{{of}}} 2"),
        format!(
            r#"practice_operator_consumer_group_partition_without_owner_seconds_bucket{{le="0.5",{of}}} 1"#
        ),
    ] {
        assert!(text_now.contains(&line), "{line}\n{text_now}");
    }
    let causes = text_now
        .matches("practice_operator_consumer_group_rebalances_total{")
        .count();
    assert_eq!(
        causes,
        Cause::ALL.len(),
        "each cause begins at 0: {text_now}"
    );
    assert!(
        !text_now.contains("secret"),
        "no name of a member, no text: {text_now}"
    );
    assert!(
        !text_now.contains("lag_seconds{"),
        "its age is not known: {text_now}"
    );
    assert!(
        !text_now.contains("committed_offset{"),
        "it has committed nothing: {text_now}"
    );
    assert!(
        !text_now.contains("health{"),
        "health is unknown: {text_now}"
    );

    metrics.show(&key("p"), &status(None), &[], &[]);
    let text_now = text(&metrics);
    assert!(
        !text_now.contains("_lag{"),
        "unknown is no number: {text_now}"
    );
    assert!(
        text_now.contains(r#"cause="ScaledUp"} 2"#),
        "a counter is kept: {text_now}"
    );
    metrics.show(&key("p"), &PracticeStatus::default(), &[], &[]);
    assert!(
        !text(&metrics).contains("group=\"g\""),
        "series end with their group"
    );

    let mut cut = status(Some(7));
    cut.groups[0].truncated = true;
    metrics.show(&key("p"), &cut, &[], &[]);
    assert!(
        !text(&metrics).contains("group_members{"),
        "a truncated list has no count"
    );
    cut.groups[0].state = "Empty".into();
    metrics.show(&key("p"), &cut, &[], &[]);
    assert!(text(&metrics).contains(&format!(
        "practice_operator_consumer_group_members{{{of}}} 0"
    )));
    assert!(text(&metrics).contains("ready_replicas{"));
    let stalled = json!([{"type": "Stalled", "status": "True", "reason": "InvalidSpec", "message": "",
        "lastTransitionTime": "2026-01-01T00:00:00Z"}]);
    cut.conditions = serde_json::from_value(stalled).expect("a condition");
    metrics.show(&key("p"), &cut, &[], &[]);
    assert!(
        !text(&metrics).contains("ready_replicas{"),
        "its pods are not monitored"
    );
    fill(&metrics);
    let text_now = text(&metrics);
    for (word, is) in [
        ("Healthy", 0),
        ("Lagging", 0),
        ("Rewound", 0),
        ("Stalled", 1),
        ("Unassigned", 0),
    ] {
        let line =
            format!(r#"practice_operator_consumer_group_health{{{of},state="{word}"}} {is}"#);
        assert!(text_now.contains(&line), "{line}\n{text_now}");
    }
    metrics.forget(&key("p"));
    assert!(
        !text(&metrics).contains("practice=\"p\""),
        "series end with their practice"
    );
}
