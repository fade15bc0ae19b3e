//! A group whose consumers are judged by their ledger. In: settings, acknowledged messages, the workers' own rebalances. Out: violations.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Stdio,
    sync::atomic::{AtomicU32, Ordering},
};

use practice_contract::{WorkerSettings, handled::HandledLine};
use practice_testbed::judge::{self, Partition, Violation, Window, judge};

use crate::{
    kafka::Place,
    kit::{PROGRAM, SOON, Worker, until_within},
};

/// A frozen consumer that continues handles what it has fetched before it learns that its partitions have another owner.
const BEFORE_MS: i64 = 2_000;
/// Commits come once a second. A new owner handles again what was not committed, one message after the other.
const AFTER_MS: i64 = 5_000;

/// A group with one ledger file, which goes with the test.
pub(crate) struct Judged {
    /// Of each of its workers.
    pub(crate) settings: WorkerSettings,
    acknowledged: Vec<(Partition, i64)>,
    windows: Vec<Window>,
    file: PathBuf,
    program: PathBuf,
}

impl Judged {
    pub(crate) fn new(settings: WorkerSettings) -> Self {
        Self::with(Path::new(PROGRAM), settings)
    }

    /// Whose workers run another program.
    pub(crate) fn with(program: &Path, mut settings: WorkerSettings) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("practice-worker-ledger-{}-{number}", std::process::id());
        let file = std::env::temp_dir().join(name);
        settings.ledger = Some(file.clone());
        Self {
            settings,
            acknowledged: Vec::new(),
            windows: Vec::new(),
            file,
            program: program.to_owned(),
        }
    }

    /// Another worker of the group.
    pub(crate) fn start(&self) -> Worker {
        Worker::start_as(&self.program, &self.settings, Stdio::piped())
    }

    /// Adds acknowledged messages of the group's first topic.
    pub(crate) fn sent(&mut self, places: Vec<Place>) {
        let topic = &self.settings.topics[0];
        let all = places.into_iter();
        let all = all.map(|(partition, offset)| ((topic.clone(), partition), offset));
        self.acknowledged.extend(all);
    }

    /// Adds the rebalances that a worker has seen.
    pub(crate) fn saw(&mut self, worker: &Worker) {
        for rebalance in worker.status().rebalances {
            let window = Window {
                group: self.settings.group.clone(),
                from: rebalance.at - BEFORE_MS,
                to: rebalance.at + AFTER_MS,
            };
            if !self.windows.contains(&window) {
                self.windows.push(window);
            }
        }
    }

    /// Lines of the ledger so far.
    pub(crate) fn lines(&self) -> Vec<HandledLine> {
        judge::read(&self.file)
    }

    /// What may not be, so far.
    pub(crate) fn violations(&self) -> Vec<Violation> {
        let group = self.settings.group.as_str();
        judge(&self.acknowledged, &[group], &self.lines(), &self.windows)
    }

    /// Waits until every acknowledged message is in the ledger.
    pub(crate) fn until_handled(&self) {
        until_within(2 * SOON, "every message is in the ledger", || {
            let lines = self.lines();
            let is_handled = |(partition, offset): &(Partition, i64)| {
                lines.iter().any(|line| {
                    let range = &line.range;
                    (&range.topic, range.partition) == (&partition.0, partition.1)
                        && (range.from..=range.to).contains(offset)
                })
            };
            self.acknowledged.iter().all(is_handled).then_some(())
        });
    }

    /// Asserts that each acknowledged message was handled as it should be.
    pub(crate) fn assert_no_violation(&self) {
        let violations: Vec<String> = self.violations().iter().map(ToString::to_string).collect();
        assert!(
            violations.is_empty(),
            "{violations:#?}\nrebalances: {:?}",
            self.windows
        );
        assert!(!self.acknowledged.is_empty(), "there is something to judge");
    }
}

impl Drop for Judged {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            let _ = fs::remove_file(&self.file); // no worker has started
        }
    }
}
