//! Fault runs end with the judge: what the consumers' ledgers have is compared with what is in the topics, and what was handled again
//! with the times of rebalances in the journal.

use std::time::Duration;

use practice_testbed::judge::{self, Partition, Violation, Window, judge};

use crate::kit::{LEDGER, Local, SOON, THREE_GROUPS, post};

/// A rebalance is in the journal with the first poll that saw it, which a busy machine may delay.
const BEFORE_MS: i64 = 5_000;
/// Of a rebalance that began and ended between two polls no duration is known; its second part comes within this time.
const SECOND_PART_MS: i64 = 15_000;
/// A new owner handles again what was not committed, one message after the other.
const AFTER_MS: i64 = 5_000;

impl Local {
    /// Every message of every topic.
    fn sent(&self) -> Vec<(Partition, i64)> {
        let view = self.view().expect("the live view answers");
        let partitions = view["partitions"].as_array().expect("a list");
        let messages = partitions.iter().flat_map(|partition| {
            let topic = partition["topic"].as_str().expect("a name").to_owned();
            let number = partition["partition"].as_i64().expect("a number");
            let number = i32::try_from(number).expect("it is small");
            let end = partition["end"].as_i64().expect("a number");
            (0..end).map(move |offset| ((topic.clone(), number), offset))
        });
        messages.collect()
    }

    /// The rebalances in the journal.
    fn windows(&self) -> Vec<Window> {
        let view = self.view().expect("the live view answers");
        let rebalances = view["rebalances"].as_array().expect("a list");
        let window = |rebalance: &serde_json::Value| {
            let at = rebalance["time"].as_i64().expect("a time");
            let took = rebalance["durationMs"].as_i64().unwrap_or(SECOND_PART_MS);
            Window {
                group: rebalance["group"].as_str().expect("a name").to_owned(),
                from: at - BEFORE_MS,
                to: at + took + AFTER_MS,
            }
        };
        rebalances.iter().map(window).collect()
    }

    /// What may not be, of groups that read every topic from its start.
    fn violations(&self, groups: &[&str]) -> Vec<Violation> {
        let lines = judge::read(&self.dir.path().join(LEDGER));
        judge(&self.sent(), groups, &lines, &self.windows())
    }

    /// Waits until the groups have handled every message, and asserts that they have handled each as they should.
    pub(crate) fn assert_handled(&self, groups: &[&str]) {
        assert!(!self.sent().is_empty(), "there is something to judge");
        self.until_within(2 * SOON, "every group has handled all", || {
            let violations = self.violations(groups);
            let is_open = |violation: &Violation| violation.kind == judge::Kind::NotHandled;
            (!violations.iter().any(is_open)).then_some(())
        });
        let violations = self.violations(groups).into_iter();
        let violations: Vec<String> = violations.map(|one| one.to_string()).collect();
        assert!(
            violations.is_empty(),
            "{violations:#?}\nrebalances: {:#?}",
            self.windows()
        );
    }
}

#[test]
fn faults_under_load_leave_no_violation() {
    let local = Local::ready(THREE_GROUPS, &["--restart-delay", "1s"]);
    for (group, members) in [("group-1", 2), ("group-2", 3), ("group-3", 1)] {
        local.settled(group, members);
    }
    let load = format!("/api/practices/local/{}/load", local.name);
    let set_load = |messages: u32| {
        let body = format!(r#"{{"messagesPerSecond":{messages},"valueBytes":10}}"#);
        let (code, printed) = post(local.port, &load, &body).expect("an answer");
        assert_eq!(code, 200, "{printed}");
    };
    let reads = |group: &str| {
        let before = local.sent().len();
        local.until(&format!("{group} reads what is sent now"), || {
            let lag = local.group(group)?["lag"].as_u64()?;
            (local.sent().len() > before + 20 && lag < 20).then_some(())
        });
    };
    set_load(20);
    reads("group-1");

    local.dir.stdout_of(&["kill", "group-1-a"]);
    local.dir.stdout_of(&["restart", "group-2-a"]);
    local.dir.stdout_of(&["pause", "group-3-a"]);
    local.until("the paused one is behind", || {
        (local.group("group-3")?["lag"].as_u64()? > 40).then_some(())
    });
    local.dir.stdout_of(&["resume", "group-3-a"]);
    reads("group-3");
    reads("group-2");
    // the session of the killed one has ended
    local.settled("group-1", 2);
    reads("group-1");
    local.dir.stdout_of(&["scale", "group-3", "3"]);
    local.settled("group-3", 3);
    reads("group-3");
    local.dir.stdout_of(&["scale", "group-3", "1"]);
    local.settled("group-3", 1);
    reads("group-3");

    set_load(0);
    local.until("the load has ended", || {
        local.output().contains("no steady stream").then_some(())?;
        let before = local.sent().len();
        std::thread::sleep(Duration::from_secs(2)); // at 20 a second there would be many in this time
        (local.sent().len() == before).then_some(())
    });
    local.assert_handled(&["group-1", "group-2", "group-3"]);
}
