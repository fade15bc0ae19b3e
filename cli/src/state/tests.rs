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
