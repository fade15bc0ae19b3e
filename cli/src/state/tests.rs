use super::*;

#[test]
fn age_grows_and_estimate_shrinks() {
    let group = |lag: Option<i64>, since: Option<&str>, done: Option<&str>| GroupStatus {
        lag,
        oldest_since: since.map(str::to_owned),
        done_at: done.map(str::to_owned),
        ..GroupStatus::default()
    };
    let (noon, soon) = (Some("2026-11-25T12:00:00Z"), Some("2026-11-25T12:21:40Z"));
    let rows = [
        (
            "2026-11-25T12:00:55Z",
            Some(6),
            noon,
            None,
            Some("oldest 55 s"),
        ),
        (
            "2026-11-25T12:01:40Z",
            Some(6),
            noon,
            soon,
            Some("oldest 100 s, done in 20 min"),
        ),
        (
            "2026-11-25T12:21:39Z",
            Some(6),
            noon,
            soon,
            Some("oldest 21 min, done in 1 s"),
        ),
        (
            "2026-11-25T12:21:40Z",
            Some(6),
            noon,
            soon,
            Some("oldest 21 min"),
        ),
        (
            "2026-11-27T12:00:00Z",
            Some(6),
            noon,
            soon,
            Some("oldest 2 d"),
        ),
        (
            "2026-11-25T11:59:58Z",
            Some(6),
            noon,
            None,
            Some("oldest 0 s"),
        ),
        ("2026-11-25T12:00:55Z", Some(0), noon, soon, None),
        ("2026-11-25T12:00:55Z", None, noon, soon, None),
        ("2026-11-25T12:00:55Z", Some(6), None, soon, None),
        (
            "2026-11-25T12:00:55Z",
            Some(6),
            Some("yesterday"),
            soon,
            None,
        ),
    ];
    for (now, lag, since, done, expected) in rows {
        let now: Timestamp = now.parse().expect("it is a time");
        assert_eq!(
            age(&group(lag, since, done), now).as_deref(),
            expected,
            "{now}, {lag:?}, {since:?}, {done:?}"
        );
    }
}

#[test]
fn age_is_that_of_a_status_that_was_just_written() {
    let now: Timestamp = "2026-11-25T12:00:10Z".parse().expect("it is a time");
    let entry = |subresource: Option<&str>, time: &str| serde_json::json!({"manager": "m", "operation": "Apply", "subresource": subresource, "time": time});
    let status = |time| vec![entry(Some("status"), time)];
    for (entries, expected) in [
        (status("2026-11-25T12:00:02Z"), "2026-11-25T12:00:02Z"),
        (status("2026-11-25T11:59:56Z"), "2026-11-25T11:59:56Z"),
        // nothing has changed since then
        (status("2026-11-25T11:59:55Z"), "2026-11-25T12:00:10Z"),
        (status("2026-11-25T11:00:00Z"), "2026-11-25T12:00:10Z"),
        // clocks differ
        (status("2026-11-25T12:00:12Z"), "2026-11-25T12:00:10Z"),
        (
            vec![
                entry(Some("status"), "2026-11-25T12:00:01Z"),
                entry(Some("status"), "2026-11-25T12:00:04Z"),
                entry(None, "2026-11-25T12:00:09Z"),
            ],
            "2026-11-25T12:00:04Z",
        ),
        (Vec::new(), "2026-11-25T12:00:10Z"),
    ] {
        let practice = serde_json::from_value(serde_json::json!({
            "apiVersion": "kafka-practice.dev/v1alpha1", "kind": "ConsumerGroupPractice",
            "metadata": {"name": "p", "managedFields": entries},
            "spec": {"topics": [], "groups": []},
        }));
        let practice: ConsumerGroupPractice = practice.expect("a practice");
        assert_eq!(oldest_as_of(&practice, now).to_string(), expected);
    }
}

#[test]
fn an_open_transaction_is_shown_and_a_healthy_group_is_not() {
    let group = |advice: Option<&str>| GroupStatus {
        state: "Stable".to_owned(),
        health: Some(HealthStatus {
            state: "Healthy".to_owned(),
            message: "t/0: consumed up to an open transaction".to_owned(),
            advice: advice.map(str::to_owned),
            since: None,
        }),
        ..GroupStatus::default()
    };
    let lines = |advice| -> Vec<String> {
        let lines = health_lines(&group(advice), Timestamp::UNIX_EPOCH);
        lines.iter().map(Line::text).collect()
    };
    assert_eq!(lines(None), [""; 0]);
    assert_eq!(
        lines(Some("a transaction of producer id 7 is open")),
        [
            "✔ Healthy  t/0: consumed up to an open transaction",
            "  → a transaction of producer id 7 is open"
        ]
    );
}

#[test]
fn a_group_scaled_to_zero_is_marked_unless_the_operator_keeps_it_there() {
    let group = |state: &str| GroupStatus {
        state: state.to_owned(),
        group_id_owned: true,
        ..GroupStatus::default()
    };
    for state in ["Empty", "Absent"] {
        assert_eq!(
            group_mark(&group(state), None).line().text(),
            "○ ScaledToZero"
        );
        let held = GroupStatus {
            hold: Some(practice_api::status::GroupHold::default()),
            ..group(state)
        };
        assert_eq!(group_mark(&held, None).line().text(), format!("○ {state}"));
    }
    assert_eq!(
        group_mark(&group("Unknown"), None).line().text(),
        "? Unknown"
    );
}
