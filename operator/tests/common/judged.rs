//! Fault runs end with the judge. A consumer's log is its ledger here: a worker prints the lines of a message before it stores the offset,
//! the node keeps them when the process is killed, and a practice can name no volume for a file. In: logs, the journal, what Kafka's own
//! tool shows. Out: a panic with everything that may not be.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use practice_testbed::judge::{HandledLine, HandledRange, Kind, Partition, Window, judge};
use serde_json::Value;

use super::{
    kafka,
    logs::{Handled, Logs},
    scene::Scene,
    until,
};

/// A rebalance is in the journal with the first poll that saw it.
const BEFORE_MS: i64 = 5_000;
/// Of a rebalance that began and ended between two polls no duration is known; its second part comes within this time.
const SECOND_PART_MS: i64 = 15_000;
/// A new owner handles again what was not committed, one message after the other.
const AFTER_MS: i64 = 10_000;

impl Scene {
    /// Waits until the groups of a practice, which read their topics from the start, have handled every message, and asserts that they have
    /// handled each as they should. `logs` were followed from the first message on.
    pub(crate) fn assert_handled(&self, practice: &str, logs: &Logs, groups: &[String]) {
        let names: Vec<&str> = groups.iter().map(String::as_str).collect();
        let sent = sent(groups);
        assert!(!sent.is_empty(), "there is something to judge");
        let windows = || -> Vec<Window> {
            let of = |group: &String| self.windows(practice, group);
            groups.iter().flat_map(of).collect()
        };
        let found = || {
            let handled = groups.iter().flat_map(|group| {
                let handled = logs.handled(group).into_iter();
                handled.map(|one| line(group, one))
            });
            judge(&sent, &names, &handled.collect::<Vec<_>>(), &windows())
        };
        let violations = until(
            "every group has handled every message",
            Duration::from_mins(2),
            || {
                let found = found();
                match found.iter().find(|one| one.kind == Kind::NotHandled) {
                    Some(open) => Err(open.to_string()),
                    None => Ok(found),
                }
            },
        );
        let violations: Vec<String> = violations.iter().map(ToString::to_string).collect();
        let stories = names.iter().map(|name| logs.story(name, UNIX_EPOCH));
        assert!(
            violations.is_empty(),
            "{violations:#?}\nrebalances: {:#?}\n{}",
            windows(),
            stories.collect::<Vec<_>>().join("\n")
        );
    }

    /// The rebalances of a group in the journal.
    fn windows(&self, practice: &str, group: &str) -> Vec<Window> {
        let name = format!("--field-selector=metadata.name={practice}-journal");
        let found = self.get(&["configmaps", &name]);
        let text = found["items"][0]["data"][group].as_str().unwrap_or("{}");
        let journal: Value = serde_json::from_str(text).expect("the journal is JSON");
        let over = journal["over"].as_array().cloned().unwrap_or_default();
        let window = |rebalance: &Value| {
            let at = rebalance["at"].as_i64().expect("a time");
            let took = rebalance["tookMs"].as_i64().unwrap_or(SECOND_PART_MS);
            Window {
                group: group.to_owned(),
                from: at - BEFORE_MS,
                to: at + took + AFTER_MS,
            }
        };
        over.iter().map(window).collect()
    }
}

/// Every message of every topic that the groups read.
fn sent(groups: &[String]) -> Vec<(Partition, i64)> {
    let mut sent = Vec::new();
    for at in groups.iter().flat_map(|group| kafka::group(group)) {
        let number = i32::try_from(at.number).expect("it is small");
        let messages = (0..at.end).map(|offset| ((at.topic.clone(), number), offset));
        sent.extend(messages);
    }
    sent.sort();
    sent.dedup();
    sent
}

fn line(group: &str, one: Handled) -> HandledLine {
    let (taken_at, done_at) = (millis(one.taken), millis(one.at));
    HandledLine {
        instance: one.pod,
        group: group.to_owned(),
        range: HandledRange {
            topic: one.topic,
            partition: i32::try_from(one.partition).expect("it is small"),
            from: one.offset,
            to: one.offset,
            count: 1,
            produced_at: None,
            taken_at,
            done_at,
            committed_at: None,
        },
    }
}

/// Milliseconds since the epoch.
fn millis(at: SystemTime) -> i64 {
    let since = at.duration_since(UNIX_EPOCH).expect("it is after 1970");
    i64::try_from(since.as_millis()).expect("it fits")
}
