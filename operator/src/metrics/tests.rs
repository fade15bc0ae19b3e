//! Counted practices, steps and errors, and whether the documentation has each series and each value of a label.

use std::collections::BTreeSet;

use kube::runtime::{reflector::store::Writer, watcher::Event};
use practice_testbed::openmetrics::{Exposition, reference};
use serde_json::json;

use super::*;
use crate::group_metrics;

/// Metrics with a store of these practices.
fn metrics(practices: &[serde_json::Value]) -> Metrics {
    let mut writer = Writer::default();
    for practice in practices {
        writer.apply_watcher_event(&Event::Apply(
            serde_json::from_value(practice.clone()).expect("an object"),
        ));
    }
    let metrics = Metrics::default();
    metrics.count(writer.as_reader());
    metrics
}

fn practice(name: &str, generation: i64, observed: Option<i64>) -> serde_json::Value {
    json!({
        "apiVersion": "kafka-practice.dev/v1alpha1", "kind": "ConsumerGroupPractice",
        "metadata": {"name": name, "namespace": "n", "generation": generation},
        "spec": {"topics": [], "groups": []},
        "status": observed.map(|observed| json!({"observedGeneration": observed})),
    })
}

fn read(metrics: &Metrics) -> Exposition {
    let text = metrics.text();
    Exposition::read(&text).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

#[test]
fn practices_are_behind_until_status_has_their_generation() {
    let mut undecodable = practice("broken", 1, Some(1));
    undecodable["spec"] = json!("nonsense");
    let all = [
        practice("done", 2, Some(2)),
        practice("new", 1, None),
        practice("changed", 3, Some(2)),
        undecodable,
    ];
    let exposition = read(&metrics(&all));
    let count = |name| {
        exposition
            .samples(name)
            .map(|sample| sample.value)
            .sum::<f64>()
    };
    assert!((count("practice_operator_practices") - 4.0).abs() < 0.1);
    assert!((count("practice_operator_practices_behind") - 3.0).abs() < 0.1);
}

#[test]
fn series_of_groups_end_with_their_practice() {
    let [there, gone] = [
        metrics(&[practice("p", 1, Some(1))]),
        metrics(&[practice("other", 1, Some(1))]),
    ];
    for (metrics, expected) in [(there, 1), (gone, 0)] {
        group_metrics::tests::fill(&metrics.groups);
        assert_eq!(
            read(&metrics)
                .samples("practice_operator_consumer_group_lag")
                .count(),
            expected
        );
    }
}

#[test]
fn errors_begin_at_0_for_each_step_and_steps_are_timed() {
    let metrics = metrics(&[]);
    metrics.reconciled(Duration::from_millis(3), Some("apply"));
    let errors: Vec<(String, String)> = read(&metrics)
        .samples("practice_operator_reconcile_errors_total")
        .map(|sample| (sample.label("step").to_owned(), sample.value.to_string()))
        .collect();
    assert_eq!(errors.len(), error::STEPS.len());
    for (step, count) in errors {
        assert_eq!(count, if step == "apply" { "1" } else { "0" }, "{step}");
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("a runtime");
    assert_eq!(runtime.block_on(metrics.step("live", async { 7 })), 7);
    let exposition = read(&metrics);
    let timed = exposition.samples("practice_operator_reconcile_step_duration_seconds_count");
    assert_eq!(
        timed.map(|sample| sample.label("step")).collect::<Vec<_>>(),
        ["live"]
    );
}

#[test]
fn docs_have_each_series() {
    let metrics = metrics(&[practice("p", 1, Some(1))]);
    metrics.reconciled(Duration::ZERO, None);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("a runtime");
    runtime.block_on(metrics.step("live", async {}));
    metrics.requested("GET", "200".to_owned(), Duration::ZERO);
    metrics.listener().notify(Call {
        name: "observe",
        result: "ok",
        took: Duration::ZERO,
    });
    group_metrics::tests::fill(&metrics.groups);

    let exposition = read(&metrics);
    let of_groups = exposition.rows("practice_operator_consumer_group_");
    let all = exposition.rows("");
    let of_itself: String = all
        .split_inclusive('\n')
        .filter(|row| !of_groups.contains(*row))
        .collect();
    reference("## The operator, of groups", &of_groups);
    reference("## The operator, of itself", &of_itself);
}

/// The quoted word after each `mark` of a source.
fn named_after<'a>(source: &'a str, mark: &str) -> BTreeSet<&'a str> {
    source
        .split(mark)
        .skip(1)
        .filter_map(|rest| rest.split('"').nth(1))
        .collect()
}

#[test]
fn docs_have_each_value_of_the_bounded_labels() {
    let page = include_str!("../../../docs/metrics.md");
    for (label, values) in [
        (
            "`step` of durations",
            named_after(include_str!("../reconcile.rs"), ".step("),
        ),
        ("`step` of errors", BTreeSet::from(error::STEPS)),
        (
            "`method`",
            named_after(include_str!("../requests.rs"), "=> "),
        ),
        ("`call`", BTreeSet::from(practice_kafka::CALLS)),
        (
            "`result`",
            named_after(
                include_str!("../../../crates/kafka/src/call_listener.rs"),
                "=> ",
            ),
        ),
    ] {
        let row = page
            .lines()
            .find_map(|line| line.strip_prefix(&format!("| {label} | ")));
        let row = row.unwrap_or_else(|| panic!("docs/metrics.md has no row for {label}"));
        let documented: BTreeSet<&str> = row.split('`').skip(1).step_by(2).collect();
        assert_eq!(documented, values, "{label} of docs/metrics.md");
    }
}
