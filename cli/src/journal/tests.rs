use practice_groups::{
    cause::{Cause, Explained},
    journal::Move,
};

use super::*;
use crate::golden::assert_golden;

const NOON: i64 = 1_795_608_000_000; // 2026-11-25T12:00:00Z

fn shape(width: Option<usize>, with_group: bool) -> Shape {
    let now = Timestamp::from_millisecond(NOON + 600_000)
        .expect("a time")
        .to_zoned(jiff::tz::TimeZone::UTC);
    Shape {
        practice: "p".to_owned(),
        width,
        with_group,
        last: 20,
        now,
    }
}

fn rebalance(number: u64, at: i64, why: Option<Explained>, moved: &[Option<u32>]) -> Rebalance {
    let moved = moved.iter().zip(0..).map(|(unowned_ms, partition)| Move {
        topic: "t".into(),
        partition,
        from: Some("a".into()),
        to: Some("b".into()),
        unowned_ms: *unowned_ms,
    });
    Rebalance {
        number,
        at,
        protocol: None,
        epoch_before: None,
        epoch: None,
        joined: vec!["b".to_owned()],
        left: vec!["a".to_owned()],
        moved: moved.collect(),
        took_ms: None,
        why,
    }
}

fn why(cause: Cause, sentence: &str, advice: Option<&str>) -> Explained {
    Explained {
        cause,
        exit_code: None,
        sentence: sentence.to_owned(),
        advice: advice.map(str::to_owned),
    }
}

fn render(entries: Vec<Entry>, shape: &Shape) -> Vec<String> {
    journal(entries, shape).iter().map(Line::text).collect()
}

#[test]
fn order_within_a_group_ignores_the_clock() {
    let at = |group: &str, number, minutes: i64| {
        Entry::from_journal(
            group,
            &rebalance(number, NOON + minutes * 60_000, None, &[]),
        )
    };
    let entries = vec![
        at("g", 3, -30),
        at("g", 2, 20),
        at("g", 1, 0),
        at("h", 2, 10),
        at("h", 1, 5),
    ];
    let shown: Vec<String> = last(entries, 4)
        .0
        .iter()
        .map(|entry| format!("{}{}", entry.group, entry.number))
        .collect();
    assert_eq!(
        shown,
        ["h1", "h2", "g2", "g3"],
        "the newest last, and the oldest left out"
    );
}

#[test]
fn documents_and_flat_text_have_the_same_fields() {
    let explained = why(
        Cause::ContainerExited,
        "p-g-a crashed with exit code 7.",
        Some("Check the last lines of its log."),
    );
    let kept = [
        rebalance(2, NOON + 1_500, None, &[None]),
        rebalance(1, NOON, Some(explained), &[Some(340)]),
    ];
    let entries: Vec<Entry> = kept
        .iter()
        .map(|rebalance| Entry::from_journal("g", rebalance))
        .collect();
    let value = document(entries.clone(), 20);
    let crashed = json!({
        "group": "g", "number": 1, "time": "2026-11-25T12:00:00Z", "cause": "ContainerExited",
        "message": "p-g-a crashed with exit code 7.", "advice": "Check the last lines of its log.",
        "joined": 1, "left": 1, "moved": 1, "withoutOwnerMs": 340,
    });
    assert_eq!(
        (&value["rebalances"][0], &value["earlier"]),
        (&crashed, &json!(0))
    );
    let newest = &value["rebalances"][1];
    assert_eq!(
        (&newest["cause"], &newest["withoutOwnerMs"]),
        (&Value::Null, &Value::Null),
        "not known yet"
    );
    assert_eq!(document(entries.clone(), 1)["earlier"], json!(1));
    let flat: Vec<String> = wide(entries, "p", 20).iter().map(Line::text).collect();
    let cells = |line: &str| {
        line.split_whitespace()
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    assert_eq!(
        cells(&flat[0]),
        cells("TIME GROUP NUMBER CAUSE JOINED LEFT MOVED WITHOUT-OWNER WHAT-HAPPENED")
    );
    assert_eq!(
        cells(&flat[1]),
        cells("2026-11-25T12:00:00Z g 1 ContainerExited 1 1 1 340ms …a crashed with exit code 7.")
    );
    assert_eq!(
        cells(&flat[2]),
        cells("2026-11-25T12:00:01.5Z g 2 - 1 1 1 - 1 joined, 1 left")
    );
    assert_eq!(flat.len(), 3);
}

#[test]
fn newest_is_last_and_advice_is_below() {
    let kept = [
        rebalance(3, NOON, None, &[]),
        rebalance(
            2,
            NOON - 5_000,
            Some(why(
                Cause::ContainerExited,
                "p-g-6d9f-a crashed with exit code 7.",
                Some("Read its last log lines: kubectl logs --previous a"),
            )),
            &[Some(340), Some(10_150)],
        ),
        rebalance(
            1,
            NOON - 86_400_000,
            Some(why(Cause::ScaledUp, "Scaled up: b was added.", None)),
            &[None],
        ),
    ];
    let entries: Vec<Entry> = kept
        .iter()
        .map(|one| Entry::from_journal("g", one))
        .collect();
    assert_golden("journal", &render(entries.clone(), &shape(None, false)));

    let of_two = render(entries.clone(), &shape(None, true));
    assert!(
        of_two[1].starts_with("Nov 24 12:00:00   g       ScaledUp"),
        "{}",
        of_two[1]
    );

    let last = render(
        entries,
        &Shape {
            last: 1,
            ..shape(None, false)
        },
    );
    assert_eq!(last[0], "2 rebalances earlier: --last 3 shows all");
    assert!(last[2].starts_with("12:00:00   pending"), "{last:?}");
}

#[test]
fn long_messages_wrap_at_the_width() {
    let sentence =
        "x-1 was removed from the group: no heartbeat within the session timeout. It rejoined.";
    let entry = Entry::from_journal(
        "g",
        &rebalance(
            1,
            NOON,
            Some(why(Cause::SessionTimedOut, sentence, None)),
            &[Some(100)],
        ),
    );
    let lines = render(vec![entry.clone()], &shape(Some(100), false));
    let expected = [
        "TIME       CAUSE             WHAT HAPPENED                                  MOVED   WITHOUT OWNER",
        "12:00:00   SessionTimedOut   x-1 was removed from the group: no heartbeat       1           0.1 s",
        "                             within the session timeout. It rejoined.",
    ];
    assert_eq!(lines, expected, "\n{}", lines.join("\n"));
    assert_eq!(render(vec![entry], &shape(None, false)).len(), 2);
}

#[test]
fn large_durations_do_not_overflow() {
    assert_eq!(
        (seconds(49), seconds(50)),
        ("0.0 s".to_owned(), "0.1 s".to_owned())
    );
    assert_eq!(seconds(u64::MAX), "18446744073709551.6 s");
}

#[test]
fn rebalances_of_status_render_alike() {
    let status = RebalanceStatus {
        group: "g".to_owned(),
        number: 4,
        time: "2026-11-25T12:00:00Z".to_owned(),
        cause: Some("OOMKilled".to_owned()),
        message: Some("a was killed.\u{1b}[2J".to_owned()),
        joined: 1,
        moved: 2,
        without_owner_ms: Some(40),
        ..RebalanceStatus::default()
    };
    let lines = render(vec![Entry::from_status(&status)], &shape(None, false));
    let cells: Vec<&str> = lines[1].split_whitespace().collect();
    assert_eq!(
        cells.join(" "),
        "12:00:00 OOMKilled a was killed.\\u{1b}[2J 2 0.0 s"
    );
    let none = render(Vec::new(), &shape(None, false));
    assert!(none[0].starts_with("no rebalances recorded"), "{none:?}");
}
