//! Shows that the judge finds faults: workers with a fault on purpose, each of which it has to name by the right kind of violation. In the
//! same runs the worker as it is has none.

use std::{
    collections::BTreeSet,
    fs::File,
    path::Path,
    process::Command,
    thread,
    time::{Duration, Instant},
};

use practice_contract::{Assignor, Protocol};
use practice_testbed::{
    judge::Kind,
    mutants::{Edit, Mutants},
};
use rdkafka::{mocking::MockCluster, producer::DefaultProducerContext};

use crate::{
    judged::Judged,
    kafka::{committed, create_topic, fill, send},
    kit::{PROGRAM, SOON, Worker, settings, unique, until},
    servers,
};

/// A fault of the worker.
struct Mutant {
    /// What is broken.
    fault: &'static str,
    edits: &'static [Edit],
    /// The run in which it shows.
    run: fn(&Path) -> Run,
    /// What the judge has to find, and nothing else.
    found: Kind,
}

const MUTANTS: [Mutant; 9] = [
    Mutant {
        fault: "commits a message before it is handled",
        edits: &[Edit {
            file: "consume.rs",
            from: "(message.topic(), message.partition(), message.offset());\n",
            to: "(message.topic(), message.partition(), message.offset());
        let _ = self.consumer.store_offset(topic, partition, offset);\n",
        }],
        run: killed,
        found: Kind::Skipped,
    },
    Mutant {
        fault: "stores an offset that is one too far",
        edits: &[Edit {
            file: "member.rs",
            from: "owned.partition), position));",
            to: "owned.partition), position + 1));",
        }],
        run: killed,
        found: Kind::Skipped,
    },
    Mutant {
        fault: "stores offsets before the ledger has them",
        edits: &[Edit {
            file: "commit.rs",
            from: "    context.shared.write_ledger()?;\n",
            to: "",
        }],
        run: killed_and_ended,
        found: Kind::Skipped,
    },
    Mutant {
        fault: "commits at a revocation all that was fetched",
        edits: &[Edit {
            file: "rebalance.rs",
            from: "        if partitions.is_empty() && what == Ownership::Revoked {",
            to: "        let fetched = consumer.position().expect(\"a list\");
        let _ = consumer.store_offsets(&fetched);
        if partitions.is_empty() && what == Ownership::Revoked {",
        }],
        run: moved,
        found: Kind::Skipped,
    },
    Mutant {
        fault: "commits only the first message of a partition",
        edits: &[Edit {
            file: "member.rs",
            from: "owned.position = Some(offset + 1);",
            to: "owned.position.get_or_insert(offset + 1);",
        }],
        run: handed_over,
        found: Kind::HandledTwice,
    },
    Mutant {
        fault: "stores offsets after a failed line",
        edits: &[Edit {
            file: "consume.rs",
            from: "        let ended = fatal_first(&consumer, ended);\n",
            to: "        let ended = fatal_first(&consumer, ended);
        for ((topic, partition), next) in shared.member().take_due() {
            let _ = consumer.store_offset(&topic, partition, next - 1);
        }\n",
        }],
        run: without_room_for_lines,
        found: Kind::Skipped,
    },
    Mutant {
        fault: "starts at the end without a commit",
        edits: &[Edit {
            file: "config.rs",
            from: "settings.offset_reset.to_string()",
            to: "\"latest\"",
        }],
        run: backlog,
        found: Kind::Skipped,
    },
    Mutant {
        fault: "handles the newest message first",
        edits: &[Edit {
            file: "prefetch.rs",
            from: "self.ahead.pop_front()",
            to: "self.ahead.pop_back()",
        }],
        run: backlog,
        found: Kind::OutOfOrder,
    },
    Mutant {
        fault: "handles a message again after a pause",
        edits: &[Edit {
            file: "prefetch.rs",
            from: "                self.consumer.pause(&list(&paused))?;\n",
            to: "                self.consumer.pause(&list(&paused))?;
                if let Some(Taken { message, .. }) = self.ahead.back() {
                    let again = rdkafka::Offset::Offset(message.offset());
                    let (topic, partition) = (message.topic(), message.partition());
                    self.consumer.seek(topic, partition, again, Duration::from_secs(5))?;
                }\n",
        }],
        run: paused,
        found: Kind::HandledTwice,
    },
];

/// A group after its faults, with the workers that still run.
struct Run {
    /// In memory; `None`: the Kafka of all tests.
    _cluster: Option<MockCluster<'static, DefaultProducerContext>>,
    partitions: i32,
    judged: Judged,
    workers: Vec<Worker>,
}

/// A group on librdkafka's broker in memory that nothing has happened to, with messages.
fn begin(program: &Path, (partitions, messages): (i32, i32), delay: Duration) -> Run {
    let topic = unique("mutant");
    let cluster = MockCluster::new(1).expect("a cluster in memory");
    cluster
        .create_topic(&topic, partitions, 1)
        .expect("a topic");
    let mut judged = judged(program, &cluster.bootstrap_servers(), &topic, delay);
    judged.settings.session_timeout = Duration::from_secs(3);
    let mut run = Run {
        _cluster: Some(cluster),
        partitions,
        judged,
        workers: Vec::new(),
    };
    run.send(messages);
    run
}

fn judged(program: &Path, servers: &str, topic: &str, delay: Duration) -> Judged {
    let settings = settings(servers, topic, &unique("mutant"), Protocol::Classic);
    let mut judged = Judged::with(program, settings);
    judged.settings.assignor = Assignor::Range;
    judged.settings.delay = delay;
    judged
}

impl Run {
    /// Sends more messages, over all partitions.
    fn send(&mut self, messages: i32) {
        let settings = &self.judged.settings;
        let places = fill(
            &settings.servers,
            &settings.topics[0],
            self.partitions,
            messages,
        );
        self.judged.sent(places);
    }

    /// What the judge finds once the workers have handled what they will. Messages still come, so that the last ones are always open.
    fn kinds(&mut self) -> BTreeSet<Kind> {
        for worker in &self.workers {
            self.judged.saw(worker);
        }
        let violations = self.judged.violations();
        let kinds = violations.iter().map(|violation| violation.kind);
        kinds.filter(|kind| *kind != Kind::NotHandled).collect()
    }
}

/// A worker is killed when its first commit is there; another one takes over.
fn killed(program: &Path) -> Run {
    let mut run = begin(program, (1, 6), Duration::from_millis(1_500));
    let mut first = run.judged.start();
    until("the first commit", || {
        let settings = &run.judged.settings;
        committed(&settings.servers, &settings.group, &settings.topics[0], 0)
    });
    first.signal("-KILL");
    first.ended();
    run.judged.settings.delay = Duration::ZERO;
    run.workers.push(run.judged.start());
    run
}

/// The same, and the other one ends when all is committed.
fn killed_and_ended(program: &Path) -> Run {
    let mut run = killed(program);
    until("everything is committed", || {
        let settings = &run.judged.settings;
        let (servers, topic) = (&settings.servers, &settings.topics[0]);
        (committed(servers, &settings.group, topic, 0)?.0 == 6).then_some(())
    });
    for mut worker in run.workers.drain(..) {
        run.judged.saw(&worker);
        worker.stop();
    }
    run
}

/// A worker that has handled all ends; the next one is slow.
fn handed_over(program: &Path) -> Run {
    let mut run = begin(program, (1, 60), Duration::ZERO);
    let mut first = run.judged.start();
    until("all is handled", || (first.done() == 60).then_some(()));
    first.stop();
    run.judged.settings.delay = Duration::from_millis(200);
    run.workers.push(run.judged.start());
    run
}

/// A worker with many messages in hand gives all partitions back and gets one of them again. On a real Kafka: the one in memory
/// refuses commits in a rebalance, and its rebalances take seconds.
fn moved(program: &Path) -> Run {
    let topic = unique("mutant");
    create_topic(&servers(), &topic, 2);
    let mut run = Run {
        _cluster: None,
        partitions: 2,
        judged: judged(program, &servers(), &topic, Duration::from_millis(200)),
        workers: Vec::new(),
    };
    run.send(120);
    let first = run.judged.start();
    until("it has begun", || (first.done() > 2).then_some(()));
    let second = run.judged.start();
    until("both have one", || {
        let counts = [&first, &second].map(|worker| worker.partitions().len());
        (counts == [1, 1]).then_some(())
    });
    run.workers.extend([first, second]);
    run
}

/// A worker whose standard output takes a KiB, which is less than the lines of its messages; another one takes over.
fn without_room_for_lines(program: &Path) -> Run {
    let mut run = begin(program, (1, 20), Duration::ZERO);
    let lines = program.with_file_name(unique("lines"));
    let stdout = File::create(&lines).expect("a file");
    let mut command = Command::new("bash");
    command
        .args(["-c", "trap '' XFSZ; ulimit -f 1; exec \"$0\""])
        .arg(program)
        .env_clear()
        .envs(run.judged.settings.to_env());
    let mut first = Worker::spawn(command.stdout(stdout));
    let _ = std::fs::remove_file(&lines); // below target
    assert_eq!(first.ended().code(), Some(1), "{}", first.complaints());
    run.workers.push(run.judged.start());
    run
}

/// A worker begins with a backlog.
fn backlog(program: &Path) -> Run {
    let mut run = begin(program, (1, 100), Duration::from_millis(100));
    run.workers.push(run.judged.start());
    run
}

/// A worker has more in hand than it keeps, so that it pauses its partition.
fn paused(program: &Path) -> Run {
    let mut run = begin(program, (1, 0), Duration::from_millis(1_500));
    let value = vec![b'x'; 300_000];
    let messages = (0..8).map(|_| (0, None, Some(value.as_slice())));
    let settings = &run.judged.settings;
    let places = send(&settings.servers, &settings.topics[0], messages);
    run.judged.sent(places);
    run.workers.push(run.judged.start());
    run
}

/// Waits until the judge finds this kind alone.
fn is_caught(mutant: &Mutant, program: &Path) {
    let mut run = (mutant.run)(program);
    let deadline = Instant::now() + 2 * SOON;
    loop {
        let kinds = run.kinds();
        if kinds == BTreeSet::from([mutant.found]) {
            return;
        }
        let violations = run.judged.violations();
        assert!(
            Instant::now() < deadline,
            "a worker that {}: wanted {:?}, found {violations:#?}",
            mutant.fault,
            mutant.found
        );
        thread::sleep(Duration::from_millis(500));
        run.send(run.partitions);
    }
}

/// Asserts that a run of the worker as it is has no violation.
fn has_no_violation(run: fn(&Path) -> Run) {
    let mut run = run(Path::new(PROGRAM));
    if run.workers.is_empty() {
        return run.judged.assert_no_violation();
    }
    run.send(run.partitions);
    run.judged.until_handled();
    for worker in &mut run.workers {
        run.judged.saw(worker);
        worker.stop();
    }
    run.judged.assert_no_violation();
}

#[test]
fn each_mutant_is_caught_by_the_judge() {
    let mutants = Mutants::of(
        "practice-worker",
        env!("CARGO_MANIFEST_DIR"),
        env!("CARGO_TARGET_TMPDIR"),
    );
    thread::scope(|scope| {
        for mutant in &MUTANTS {
            let program = mutants.build(mutant.fault, mutant.edits);
            scope.spawn(move || is_caught(mutant, &program));
        }
    });
}

#[test]
fn the_same_runs_of_the_worker_have_no_violation() {
    thread::scope(|scope| {
        let runs = [
            killed,
            killed_and_ended,
            handed_over,
            moved,
            without_room_for_lines,
            backlog,
            paused,
        ];
        for run in runs {
            scope.spawn(move || has_no_violation(run));
        }
    });
}
