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
