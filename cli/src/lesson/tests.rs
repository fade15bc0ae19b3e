use practice_lessons::lesson;
use serde_json::{Value, json};

use super::*;

/// An observation of practice 1: log end offset, messages handled, members, answers with status 422.
fn seen(at: i64, end: i64, handled: i64, members: usize, refused: u64) -> Observation {
    let member = |_| {
        json!({"name": "practice-1-group-a", "memberId": "m", "clientId": "c", "partitionCount": 1,
            "lag": end - handled,
            "partitions": [{"topic": "practice-1-topic", "partition": 0, "committed": handled, "end": end, "lag": end - handled}]})
    };
    let members: Vec<Value> = (0..members).map(member).collect();
    let ranges = match handled {
        0 => json!([]),
        _ => {
            json!([{"topic": "practice-1-topic", "partition": 0, "from": 0, "to": handled - 1, "count": handled, "takenAt": at, "doneAt": at}])
        }
    };
    serde_json::from_value(json!({
        "at": at,
        "status": {
            "topics": [{"name": "practice-1-topic", "ready": true, "partitions": 1}],
            "groups": [{"name": "practice-1-group", "groupIdOwned": true, "state": "Stable", "protocol": "Consumer",
                "replicas": 1, "readyReplicas": members.len(), "idle": 0, "lag": end - handled, "members": members}],
        },
        "handled": [{"instance": "practice-1-group-a", "group": "practice-1-group", "startedAt": 0, "knownSince": 0, "ranges": ranges, "more": false}],
        "answers": [{"status": 422, "count": refused}],
    }))
    .expect("an observation")
}

fn session(answers: bool, at: usize) -> Session {
    let show = Show {
        place: Place::Local,
        width: Some(100),
        hints: false,
        answers,
    };
    let lesson = lesson(1).expect("there is one");
    let names = lesson.names(str::to_owned);
    Session::new(&lesson, &names, show, at)
}

fn text(lines: &[Line]) -> String {
    lines.iter().map(|line| line.text() + "\n").collect()
}

#[test]
fn a_step_waits_for_a_prediction_and_then_passes_by_itself() {
    let mut session = session(true, 0);
    let opened = text(&session.observe(&seen(1, 0, 0, 1, 0)));
    assert!(opened.contains("Step 1 of 6: Meet the group"), "{opened}");
    assert!(opened.contains("\n    practice-local status\n"), "{opened}");
    assert_eq!(
        text(&session.observe(&seen(2, 0, 0, 1, 0))),
        "",
        "evidence would be the answer"
    );
    let help = text(&session.typed("?"));
    assert!(help.contains("The step passes by itself"), "{help}");
    assert_eq!(text(&session.typed("1")), "");
    let passed = text(&session.observe(&seen(3, 0, 0, 1, 0)));
    for expected in [
        "✔ practice-1-group: 1 member, 1 of 1 ready",
        "✔ practice-1-group: practice-1-group-a owns practice-1-topic/0",
        "✔ You predicted 1: right.",
    ] {
        assert!(passed.contains(expected), "{expected}: {passed}");
    }
    session.observe(&seen(4, 0, 0, 1, 0));
    session.typed("twice");
    let part = text(&session.observe(&seen(5, 4, 4, 1, 0)));
    assert_eq!(part, "", "four of five");
    let open = text(&session.typed("?"));
    assert!(
        open.contains("… practice-1-group has handled 4 of 4"),
        "{open}"
    );
    let passed = text(&session.observe(&seen(6, 5, 5, 1, 0)));
    assert!(
        passed.contains("✘ You predicted twice; it is 1."),
        "{passed}"
    );
}

#[test]
fn what_a_step_forbids_begins_it_again() {
    let mut session = session(false, 2);
    session.observe(&seen(1, 5, 5, 1, 0));
    let again = text(&session.observe(&seen(2, 6, 6, 1, 1)));
    assert!(again.contains("✘ 1 in practice-1-topic/0"), "{again}");
    assert!(
        again.contains("The step begins again. Name the partition, 7."),
        "{again}"
    );
    assert_eq!(
        text(&session.observe(&seen(3, 6, 6, 1, 1))),
        "",
        "the former answer does not count"
    );
    let passed = text(&session.observe(&seen(4, 6, 6, 1, 2)));
    assert!(
        passed.contains("✔ answers of the producer: 422 (1 times)"),
        "{passed}"
    );
    assert!(passed.contains("Answer: no."), "{passed}");
    assert!(!session.is_over());
}

#[test]
fn a_learner_can_begin_a_step_again() {
    let mut session = session(false, 1);
    session.observe(&seen(1, 0, 0, 1, 0));
    session.observe(&seen(2, 4, 4, 1, 0));
    let again = text(&session.typed("again"));
    assert!(again.contains("The step begins again."), "{again}");
    session.observe(&seen(3, 4, 4, 1, 0));
    assert_eq!(
        text(&session.observe(&seen(4, 8, 8, 1, 0))),
        "",
        "four of five"
    );
    let passed = text(&session.observe(&seen(5, 9, 9, 1, 0)));
    assert!(passed.contains("has handled 5 of 5"), "{passed}");
}

#[test]
fn the_last_step_ends_the_lesson() {
    let mut session = session(false, 5);
    session.observe(&seen(1, 5, 5, 1, 0));
    let mut last = seen(2, 7, 7, 1, 0);
    last.status.rebalances = serde_json::from_value(json!([
        {"group": "practice-1-group", "number": 3, "time": "2026-12-01T00:00:00Z", "joined": 1, "left": 1, "moved": 1}
    ]))
    .expect("a rebalance");
    let done = text(&session.observe(&last));
    assert!(done.contains("Lesson 1 is done: 1 step passed"), "{done}");
    assert!(session.is_over());
    assert_eq!(text(&session.observe(&last)), "");
}
