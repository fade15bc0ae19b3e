use super::*;

/// A range of consumer `instance` in `t/0` that was taken at a time.
fn line(instance: &str, (from, to): (i64, i64), at: i64) -> HandledLine {
    HandledLine {
        instance: instance.to_owned(),
        group: "g".to_owned(),
        range: HandledRange {
            topic: "t".to_owned(),
            partition: 0,
            from,
            to,
            count: u64::try_from(to - from + 1).unwrap_or(1),
            produced_at: None,
            taken_at: at,
            done_at: at,
            committed_at: None,
        },
    }
}

fn found(lines: &[HandledLine]) -> Vec<(Kind, (i64, i64))> {
    let acknowledged: Vec<_> = (0..10)
        .map(|offset| (("t".to_owned(), 0), offset))
        .collect();
    let window = |group: &str, from: i64, to: i64| Window {
        group: group.to_owned(),
        from,
        to,
    };
    let windows = [window("g", 100, 200), window("other", 0, 1_000)];
    let violations = judge(&acknowledged, &["g"], lines, &windows);
    violations
        .into_iter()
        .map(|one| (one.kind, one.offsets))
        .collect()
}

#[test]
fn histories_and_their_violations() {
    let holed = {
        let mut holed = line("a", (0, 9), 10);
        holed.range.count = 9;
        holed
    };
    let repeated = {
        let mut repeated = line("a", (0, 9), 10);
        repeated.range.count = 11;
        repeated
    };
    for (what, lines, expected) in [
        (
            "one within a range was handled again",
            vec![repeated],
            &[(Kind::HandledTwice, (0, 9))][..],
        ),
        ("one consumer", vec![line("a", (0, 9), 10)], &[]),
        ("nothing was handled", vec![], &[(Kind::NotHandled, (0, 9))]),
        (
            "the last ones were not",
            vec![line("a", (0, 6), 10)],
            &[(Kind::NotHandled, (7, 9))],
        ),
        (
            "the first one was not",
            vec![line("a", (1, 9), 10)],
            &[(Kind::Skipped, (0, 0))],
        ),
        (
            "one between two consumers was not",
            vec![line("a", (0, 4), 10), line("b", (6, 9), 150)],
            &[(Kind::Skipped, (5, 5))],
        ),
        (
            "one within a range was not",
            vec![holed],
            &[(Kind::Skipped, (0, 9))],
        ),
        (
            "the next owner begins at the last commit",
            vec![line("a", (0, 6), 10), line("b", (4, 9), 150)],
            &[],
        ),
        (
            "a frozen one that continues writes its lines late",
            vec![line("b", (4, 9), 150), line("a", (0, 6), 10)],
            &[],
        ),
        (
            "twice without a rebalance",
            vec![line("a", (0, 6), 10), line("a", (5, 9), 99)],
            &[(Kind::HandledTwice, (5, 6))],
        ),
        (
            "twice, long after the rebalance",
            vec![line("a", (0, 9), 10), line("b", (9, 9), 201)],
            &[(Kind::HandledTwice, (9, 9))],
        ),
        (
            "a rewind in a rebalance",
            vec![line("a", (0, 6), 10), line("a", (5, 9), 100)],
            &[],
        ),
        (
            "a later one first",
            vec![
                line("a", (0, 3), 10),
                line("a", (5, 9), 20),
                line("a", (4, 4), 30),
            ],
            &[(Kind::OutOfOrder, (4, 4))],
        ),
        (
            "a later one first, by another consumer",
            vec![line("a", (5, 9), 20), line("b", (0, 4), 30)],
            &[],
        ),
    ] {
        assert_eq!(found(&lines), expected, "{what}");
    }
}

#[test]
fn each_group_is_judged_alone() {
    let mut other = line("b", (0, 9), 10);
    other.group = "h".to_owned();
    let acknowledged = [(("t".to_owned(), 0), 0), (("u".to_owned(), 3), 7)];
    let violations = judge(&acknowledged, &["g", "h"], &[other], &[]);
    let printed: Vec<String> = violations.iter().map(ToString::to_string).collect();
    assert_eq!(
        printed,
        [
            "NotHandled: group g, t/0, offsets 0 to 0, 1 messages",
            "NotHandled: group g, u/3, offsets 7 to 7, 1 messages",
            "NotHandled: group h, u/3, offsets 7 to 7, 1 messages",
        ]
    );
}

#[test]
fn a_line_that_was_cut_off_is_left_out() {
    let file = std::env::temp_dir().join(format!("practice-judge-{}", std::process::id()));
    let whole = serde_json::to_string(&line("a", (0, 9), 10)).expect("JSON");
    fs::write(&file, format!("{whole}\n{}", &whole[..20])).expect("written");
    let lines = read(&file);
    fs::remove_file(&file).expect("it is there");
    assert_eq!(lines, [line("a", (0, 9), 10)]);
}
