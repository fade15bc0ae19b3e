//! `up`: runs a practice from start to end. In: arguments, signals, saved manifests, requests, exits of children. Out: lines on
//! the terminal, an exit code. One loop handles all events in sequence.

mod manifest_file;

use std::{
    fs::DirBuilder,
    net::SocketAddr,
    os::unix::fs::DirBuilderExt,
    path::Path,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, anyhow, bail};
use practice_api::ConsumerGroupPractice;
use practice_groups::witness::Runtime;
use practice_operator::{memory::PracticeStates, reader::Key};
use practice_plan::events::Severity;
use practice_view::Hub;
use serde_json::Value;
use tokio::{
    net::{TcpListener, UnixListener},
    signal::unix::{Signal, SignalKind, signal},
    sync::mpsc,
    time::{MissedTickBehavior, interval, timeout},
};
use tokio_util::sync::CancellationToken;

use self::manifest_file::ManifestFile;
use crate::{
    args::{Kind, Up},
    control::{self, Asked, DIR},
    fleet::{Exit, Fleet, Ways},
    kafka::Kafka,
    log::check_space,
    manifest::{self, Overlay},
    ports::{bind, is_private},
    practice::Practice,
    process::{Program, exit_cause},
    request::{Answer, answer},
    screen::{headline, suggestions, table},
    terminal::Terminal,
    view::{facts, view_backend},
};

/// Interval of reading the manifest and of due restarts.
const TICK: Duration = Duration::from_millis(250);
/// Ticks between two reconciles without an event.
const RECONCILE_TICKS: u32 = 2;
/// Delay between the first consumer of a group and the others, on the embedded broker.
const APART: Duration = Duration::from_millis(500);
/// Grace of consumers and producer, then that of brokers: 10 s together.
const CHILDREN: Duration = Duration::from_secs(5);
/// Grace of open pages.
const PAGES: Duration = Duration::from_millis(300);
const BROKERS: Duration = Duration::from_millis(4_500);

/// Runs a practice until a signal.
///
/// # Errors
/// The practice cannot start; the error names the fix.
pub async fn up(up: Up) -> Result<()> {
    let begun = Instant::now();
    let mut signals = Signals::new()?;
    let file = manifest::read(&up.manifest).map_err(|why| anyhow!(why))?;
    let legal = legal(&file)?;
    let copies = legal
        .spec
        .topics
        .iter()
        .map(|topic| topic.replication_factor)
        .max()
        .unwrap_or(1);
    if up.listen.is_unspecified() {
        bail!(
            "--listen `{}` is not one address: use an address of this machine, such as 192.168.1.5",
            up.listen
        );
    }
    let (address, producer) = (
        SocketAddr::new(up.listen, up.port_base),
        SocketAddr::new(up.listen, up.port_base + 1),
    );
    let view = bind(address, "the live view").map_err(|why| anyhow!(why))?;
    view.set_nonblocking(true)?;
    let view = TcpListener::from_std(view)?;
    if legal.spec.producer.enabled {
        drop(bind(producer, "the producer").map_err(|why| anyhow!(why))?); // the producer's process binds it
    }
    let logs = Path::new(DIR).join("logs");
    // only this user may read messages and open the control socket
    let made = DirBuilder::new().recursive(true).mode(0o700).create(&logs);
    made.with_context(|| format!("cannot create {}", logs.display()))?;
    let socket = control::listen().await?;
    remove_old_logs(&logs)?;
    check_space(&logs).map_err(|why| {
        anyhow!("{why}: children write their logs there; free space, or use another directory with -C DIR")
    })?;
    // on the embedded broker the first member gets all partitions, and revokes them 3 s later at its next heartbeat; members
    // whose heartbeats follow shortly need only one more
    let apart = if up.bootstrap.is_none() && up.kafka == Kind::Embedded {
        APART
    } else {
        Duration::ZERO
    };
    let ways = Ways {
        program: Program::this()?,
        logs,
        restart_delay: up.restart_delay,
        apart,
    };
    let kafka = tokio::select! {
        started = Kafka::start(&up, &ways, Path::new(DIR), u32::try_from(copies).unwrap_or(1)) => started?,
        () = signals.any() => return Ok(()),
    };
    let (exits, mut ended) = mpsc::unbounded_channel();
    let (nudge, nudged) = mpsc::unbounded_channel();
    let fleet = Fleet::new(ways, exits);
    let practice = Practice::new(
        (up.manifest.clone(), file.clone()),
        kafka,
        fleet,
        producer,
        PracticeStates::new(nudge, Runtime::Local),
        begun,
    );
    let practice = practice.map_err(|faults| anyhow!(faults.join("\n")))?;
    let mut run = Run {
        practice,
        terminal: Terminal::new(),
        manifest: ManifestFile {
            path: up.manifest.clone(),
            applied: file,
            seen: None,
            refused: None,
        },
        shown: Vec::new(),
        hub: None,
        view: address,
        hosts: vec![up.listen.to_string()],
    };
    if !is_private(up.listen) {
        let warning =
            "everyone who reaches the address of --listen can use the live view and send messages";
        run.terminal.print_event(Severity::Warning, warning);
    }
    let ending = run
        .run_until_signal(socket, view, &mut ended, nudged, &mut signals)
        .await;
    run.terminal.leave();
    run.end(&mut ended, &mut signals).await;
    ending
}

/// Validates the manifest before anything starts.
fn legal(file: &Value) -> Result<ConsumerGroupPractice> {
    let practice = manifest::practice(file, &Overlay::default(), None, 1);
    practice.map_err(|faults| anyhow!(faults.join("\n")))
}

/// Removes the logs of a previous run.
fn remove_old_logs(logs: &Path) -> Result<()> {
    for entry in std::fs::read_dir(logs)?.flatten() {
        if entry
            .path()
            .extension()
            .is_some_and(|extension| extension == "log")
        {
            std::fs::remove_file(entry.path())
                .with_context(|| format!("cannot remove {}", entry.path().display()))?;
        }
    }
    Ok(())
}

/// SIGINT, SIGTERM and SIGHUP, which all end the practice.
pub(crate) struct Signals([Signal; 3]);

impl Signals {
    pub(crate) fn new() -> Result<Self> {
        let kinds = [
            SignalKind::interrupt(),
            SignalKind::terminate(),
            SignalKind::hangup(),
        ];
        let [a, b, c] = kinds.map(signal);
        Ok(Self([a?, b?, c?]))
    }

    pub(crate) async fn any(&mut self) {
        let [a, b, c] = &mut self.0;
        tokio::select! { _ = a.recv() => {}, _ = b.recv() => {}, _ = c.recv() => {} }
    }
}

struct Run {
    practice: Practice,
    terminal: Terminal,
    manifest: ManifestFile,
    /// Last table.
    shown: Vec<String>,
    hub: Option<Hub>,
    /// Address of the live view.
    view: SocketAddr,
    /// Host names that browsers may use, in addition to loopback names.
    hosts: Vec<String>,
}

impl Run {
    async fn run_until_signal(
        &mut self,
        socket: UnixListener,
        view: TcpListener,
        ended: &mut mpsc::UnboundedReceiver<Exit>,
        mut nudged: mpsc::UnboundedReceiver<Key>,
        signals: &mut Signals,
    ) -> Result<()> {
        let (ask, mut asked) = mpsc::channel::<Asked>(16);
        let (request_poll, mut poll_requests) = mpsc::unbounded_channel();
        let shutdown = CancellationToken::new();
        let hub = Hub::new(view_backend(
            ask.clone(),
            request_poll,
            Path::new(DIR).join("logs"),
            self.hosts.clone(),
        ));
        self.hub = Some(hub.clone());
        let serving = tokio::spawn(practice_view::serve(view, hub, shutdown.clone()));
        let answering = tokio::spawn(control::serve(socket, ask));
        let mut tick = interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut ticks = 0_u32;
        let ending = loop {
            let is_due = tokio::select! {
                () = signals.any() => break Ok(()),
                Some(exit) = ended.recv() => {
                    self.practice.record_exit(&exit);
                    true
                }
                Some((request, sender)) = asked.recv() => {
                    let answer = answer(&mut self.practice, request);
                    if let Answer::Message(message) = &answer {
                        self.terminal.print_event(Severity::Normal, message);
                    }
                    let _ = sender.send(answer); // the client may have disconnected
                    true
                }
                Some(_) = nudged.recv() => true,
                Some(_) = poll_requests.recv() => {
                    self.practice.request_poll();
                    true
                }
                _ = tick.tick() => {
                    ticks = ticks.wrapping_add(1);
                    let begins = self.practice.ready_after.is_none();
                    self.apply_saved() || begins || ticks.is_multiple_of(RECONCILE_TICKS) || self.is_due()
                }
            };
            if !is_due {
                continue;
            }
            tokio::select! {
                () = signals.any() => break Ok(()),
                () = self.reconcile() => {}
            }
            if let Kafka::Embedded { ended, .. } = &mut self.practice.kafka
                && let Some(how) = ended.status().map(exit_cause)
            {
                break Err(anyhow!(
                    "the embedded broker exited ({how}), and its data is lost: run `up` again; {DIR}/logs/broker.log has what it wrote last"
                ));
            }
        };
        answering.abort();
        shutdown.cancel();
        let _ = timeout(PAGES, serving).await; // open pages may keep their connections
        ending
    }

    fn is_due(&self) -> bool {
        self.practice.fleet.due().is_some_and(|due| due.is_zero())
    }

    /// Applies the manifest if it was saved; returns whether it was.
    fn apply_saved(&mut self) -> bool {
        crate::log::truncate_large_logs(&Path::new(DIR).join("logs"));
        let Some(saved) = self.manifest.saved() else {
            return false;
        };
        let path = self.manifest.path.display().to_string();
        let applied = saved.clone().map_err(|why| vec![why]).and_then(|file| {
            let changes = self.practice.edit(file.clone())?;
            self.manifest.applied = file;
            Ok(changes)
        });
        match applied {
            Ok(changes) if changes.is_empty() => {
                self.terminal.print_event(
                    Severity::Normal,
                    &format!("{path} applied: nothing changes"),
                );
            }
            Ok(changes) => {
                self.terminal.print_events(
                    Severity::Normal,
                    &with_details(format!("{path} applied:"), &changes),
                );
            }
            Err(faults) => {
                self.manifest.refused = Some(saved);
                let head = format!("{path} not applied, the previous version keeps running:");
                self.terminal
                    .print_events(Severity::Warning, &with_details(head, &faults));
            }
        }
        true
    }

    async fn reconcile(&mut self) {
        let was_ready = self.practice.ready_after.is_some();
        for (tone, text) in self.practice.turn().await {
            self.terminal.print_event(tone, &text);
        }
        if let Kafka::Apache(apache) = &mut self.practice.kafka {
            for text in apache.record_exits() {
                self.terminal.print_event(Severity::Warning, &text);
            }
        }
        if !was_ready && self.practice.ready_after.is_some() {
            self.print_welcome();
        }
        if let (Some(hub), Some(facts)) = (&self.hub, facts(&self.practice)) {
            hub.publish(facts);
        }
        let table = table(&self.practice, self.terminal.columns());
        let changed = without_lags(&table) != without_lags(&self.shown);
        self.terminal.show(&table, changed);
        self.shown = table;
    }

    /// Prints addresses and suggestions, once the practice is ready.
    fn print_welcome(&mut self) {
        let (practice, manifest) = (&self.practice, self.manifest.path.display().to_string());
        let mut lines = vec![String::new(), headline(practice), String::new()];
        lines.push(format!("  live view  http://{}", self.view));
        lines.extend(
            practice
                .notes
                .iter()
                .map(|note| format!("  note       {note}")),
        );
        if let (Some(_), Some(topic)) = (&practice.plan.producer, practice.plan.topics.first()) {
            let body = format!(r#"{{"topic":"{}","value":"hello"}}"#, topic.name);
            let url = format!("http://{}/send-message", practice.producer);
            lines.push(format!(
                "  send       curl -X POST {url} -H 'content-type: application/json' -d '{body}'"
            ));
        }
        lines.push(format!(
            "  logs       {DIR}/logs/<consumer>.log, or practice-local logs -f <consumer>"
        ));
        lines.push(String::new());
        lines.extend(suggestions(practice, &manifest));
        self.terminal.print(lines.iter().map(String::as_str));
    }

    /// Ends every child; a second signal kills them.
    async fn end(mut self, ended: &mut mpsc::UnboundedReceiver<Exit>, signals: &mut Signals) {
        // `terminal` ignores a closed terminal, so consumers leave in order even then
        self.terminal
            .print(["stopping: consumers leave their groups"]);
        let fleet = &mut self.practice.fleet;
        fleet.end();
        let gone = async {
            while !fleet.is_empty()
                && let Some(exit) = ended.recv().await
            {
                fleet.record_exit(&exit);
            }
        };
        let late = tokio::select! {
            gone = timeout(CHILDREN, gone) => gone.is_err(),
            () = signals.any() => true,
        };
        if late {
            self.practice.fleet.end_now();
        }
        let brokers = async {
            match self.practice.kafka {
                Kafka::Apache(apache) => {
                    self.terminal.print(["stopping: brokers"]);
                    apache.end().await;
                }
                Kafka::Embedded { broker, ended, .. } => {
                    drop(broker);
                    let _ = ended.wait().await; // its exit status does not matter any more
                }
                Kafka::Given(_) => {}
            }
        };
        let _ = timeout(BROKERS, brokers).await; // their keepers end them
        let _ = std::fs::remove_file(Path::new(DIR).join("control.sock")); // the next start replaces a stale socket
    }
}

/// Headline with indented details.
fn with_details(head: String, lines: &[String]) -> Vec<String> {
    std::iter::once(head)
        .chain(lines.iter().map(|line| format!("  {line}")))
        .collect()
}

/// A table without lags, which change with every poll.
fn without_lags(table: &[String]) -> Vec<String> {
    let words = |line: &String| -> Vec<String> {
        let mut words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        if let Some(at) = words.iter().position(|word| word == "lag") {
            words.truncate(at);
        }
        words
    };
    table.iter().map(|line| words(line).join(" ")).collect()
}

/// Changes to the directory of -C.
///
/// # Errors
/// The directory does not exist.
pub fn enter(directory: Option<&Path>) -> Result<()> {
    let Some(directory) = directory else {
        return Ok(());
    };
    if let Err(error) = std::env::set_current_dir(directory) {
        bail!("-C `{}`: {error}", directory.display());
    }
    Ok(())
}
