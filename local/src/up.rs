//! `up`: a practice from its first child to its last. In: what was typed, signals, the manifest whenever it is saved,
//! requests, ends of children. Out: lines on the terminal, an exit code. Everything happens in one loop, one thing at a time.

use std::{
    fs::DirBuilder,
    net::SocketAddr,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
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

use crate::{
    args::{Kind, Up},
    control::{self, Asked, DIR},
    fleet::{Exit, Fleet, Ways},
    kafka::Kafka,
    manifest::{self, Overlay},
    picture::{facts, means},
    ports::{bind, is_private},
    practice::Practice,
    process::Program,
    request::{Answer, answer},
    screen::{headline, table, to_try},
    terminal::Terminal,
};

/// How often the manifest is looked at, and what is due is done.
const TICK: Duration = Duration::from_millis(250);
/// So many ticks pass between two looks at everything when nothing happens.
const LOOK: u32 = 2;
/// How long after the first consumer of a group the others start, in memory.
const APART: Duration = Duration::from_millis(500);
/// What consumers and producer get to end by themselves, then the brokers: 10 s in all.
const CHILDREN: Duration = Duration::from_secs(5);
/// What pages get to end.
const PAGES: Duration = Duration::from_millis(300);
const BROKERS: Duration = Duration::from_millis(4_500);

/// Runs a practice until it is told to end.
///
/// # Errors
/// It cannot be started; the reason names what to do.
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
            "--listen is `{}`: write one address of this machine, such as 192.168.1.5",
            up.listen
        );
    }
    let (address, producer) = (
        SocketAddr::new(up.listen, up.port_base),
        SocketAddr::new(up.listen, up.port_base + 1),
    );
    let picture = bind(address, "the picture").map_err(|why| anyhow!(why))?;
    picture.set_nonblocking(true)?;
    let picture = TcpListener::from_std(picture)?;
    if legal.spec.producer.enabled {
        drop(bind(producer, "the producer").map_err(|why| anyhow!(why))?); // its own process takes it
    }
    let logs = Path::new(DIR).join("logs");
    // what is in there is for the user who started it: messages, and a socket that takes orders
    let made = DirBuilder::new().recursive(true).mode(0o700).create(&logs);
    made.with_context(|| format!("cannot make {}", logs.display()))?;
    let socket = control::listen().await?;
    fresh(&logs)?;
    // in memory who joins first gets everything, and gives it up 3 s later at its next heartbeat: others whose heartbeats
    // come a little after that need no third one
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
        file.clone(),
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
        manifest: Manifest {
            path: up.manifest.clone(),
            applied: file,
            seen: None,
            refused: None,
        },
        shown: Vec::new(),
        hub: None,
        picture: address,
        hosts: vec![up.listen.to_string()],
    };
    if !is_private(up.listen) {
        let warning = "everybody who reaches this machine at that address can use the picture and send messages (--listen)";
        run.terminal.tell(Severity::Warning, warning);
    }
    let ending = run
        .until_told(socket, picture, &mut ended, nudged, &mut signals)
        .await;
    run.terminal.leave();
    run.end(&mut ended, &mut signals).await;
    ending
}

/// The practice, if it is one that would be taken; nothing is started yet.
fn legal(file: &Value) -> Result<ConsumerGroupPractice> {
    let practice = manifest::practice(file, &Overlay::default(), None, 1);
    practice.map_err(|faults| anyhow!(faults.join("\n")))
}

/// Removes the logs of a former run.
fn fresh(logs: &Path) -> Result<()> {
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

/// SIGINT, SIGTERM and SIGHUP: all of them mean the end.
struct Signals([Signal; 3]);

impl Signals {
    fn new() -> Result<Self> {
        let kinds = [
            SignalKind::interrupt(),
            SignalKind::terminate(),
            SignalKind::hangup(),
        ];
        let [a, b, c] = kinds.map(signal);
        Ok(Self([a?, b?, c?]))
    }

    async fn any(&mut self) {
        let [a, b, c] = &mut self.0;
        tokio::select! { _ = a.recv() => {}, _ = b.recv() => {}, _ = c.recv() => {} }
    }
}

/// The file, and what of it is in force.
struct Manifest {
    path: PathBuf,
    applied: Value,
    /// What the file held at the last look.
    seen: Option<Result<Value, String>>,
    /// What was refused and need not be refused again.
    refused: Option<Result<Value, String>>,
}

impl Manifest {
    /// Another version of the file, once it has been there for two looks: an editor may be in the middle of writing it.
    fn saved(&mut self) -> Option<Result<Value, String>> {
        let now = manifest::read(&self.path);
        let settled = self.seen.replace(now.clone()).as_ref() == Some(&now);
        if now.as_ref() == Ok(&self.applied) {
            self.refused = None;
            return None;
        }
        (settled && self.refused.as_ref() != Some(&now)).then_some(now)
    }
}

struct Run {
    practice: Practice,
    terminal: Terminal,
    manifest: Manifest,
    /// The table as it was last time.
    shown: Vec<String>,
    hub: Option<Hub>,
    /// Where the picture is.
    picture: SocketAddr,
    /// What a browser may call this machine, beside its loopback names.
    hosts: Vec<String>,
}

impl Run {
    async fn until_told(
        &mut self,
        socket: UnixListener,
        picture: TcpListener,
        ended: &mut mpsc::UnboundedReceiver<Exit>,
        mut nudged: mpsc::UnboundedReceiver<Key>,
        signals: &mut Signals,
    ) -> Result<()> {
        let (ask, mut asked) = mpsc::channel::<Asked>(16);
        let (stir, mut stirred) = mpsc::unbounded_channel();
        let shutdown = CancellationToken::new();
        let hub = Hub::new(means(
            ask.clone(),
            stir,
            Path::new(DIR).join("logs"),
            self.hosts.clone(),
        ));
        self.hub = Some(hub.clone());
        let serving = tokio::spawn(practice_view::serve(picture, hub, shutdown.clone()));
        let answering = tokio::spawn(control::serve(socket, ask));
        let mut tick = interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut ticks = 0_u32;
        let ending = loop {
            let look = tokio::select! {
                () = signals.any() => break Ok(()),
                Some(exit) = ended.recv() => {
                    self.practice.ended(&exit);
                    true
                }
                Some((request, tell)) = asked.recv() => {
                    let said = answer(&mut self.practice, request);
                    if let Answer::Message(said) = &said {
                        self.terminal.tell(Severity::Normal, said);
                    }
                    let _ = tell.send(said); // whoever asked is gone
                    true
                }
                Some(_) = nudged.recv() => true,
                Some(_) = stirred.recv() => {
                    self.practice.request_poll();
                    true
                }
                _ = tick.tick() => {
                    ticks = ticks.wrapping_add(1);
                    let begins = self.practice.ready_after.is_none();
                    self.edited() || begins || ticks.is_multiple_of(LOOK) || self.is_due()
                }
            };
            if !look {
                continue;
            }
            tokio::select! {
                () = signals.any() => break Ok(()),
                () = self.look() => {}
            }
            if let Kafka::Embedded { ended, .. } = &mut self.practice.kafka
                && ended.try_recv().is_ok()
            {
                break Err(anyhow!(
                    "the broker in memory has ended and its data with it: {DIR}/logs/broker.log may say why; start again"
                ));
            }
        };
        answering.abort();
        shutdown.cancel();
        let _ = timeout(PAGES, serving).await; // a page that does not go is left
        ending
    }

    fn is_due(&self) -> bool {
        self.practice.fleet.due().is_some_and(|due| due.is_zero())
    }

    /// Applies the manifest if it was saved; whether it was.
    fn edited(&mut self) -> bool {
        crate::log::bound(&Path::new(DIR).join("logs"));
        let Some(saved) = self.manifest.saved() else {
            return false;
        };
        let path = self.manifest.path.display().to_string();
        let applied = saved.clone().map_err(|why| vec![why]).and_then(|file| {
            let said = self.practice.edit(file.clone())?;
            self.manifest.applied = file;
            Ok(said)
        });
        match applied {
            Ok(said) if said.is_empty() => {
                self.terminal.tell(
                    Severity::Normal,
                    &format!("{path} is applied: nothing changes"),
                );
            }
            Ok(said) => {
                self.terminal.tell_all(
                    Severity::Normal,
                    &below(format!("{path} is applied:"), &said),
                );
            }
            Err(faults) => {
                self.manifest.refused = Some(saved);
                let head = format!("{path} is not applied, what ran goes on:");
                self.terminal
                    .tell_all(Severity::Warning, &below(head, &faults));
            }
        }
        true
    }

    async fn look(&mut self) {
        let was_ready = self.practice.ready_after.is_some();
        for (tone, text) in self.practice.turn().await {
            self.terminal.tell(tone, &text);
        }
        if let Kafka::Apache(apache) = &mut self.practice.kafka {
            for text in apache.note() {
                self.terminal.tell(Severity::Warning, &text);
            }
        }
        if !was_ready && self.practice.ready_after.is_some() {
            self.welcome();
        }
        if let (Some(hub), Some(facts)) = (&self.hub, facts(&self.practice)) {
            hub.publish(facts);
        }
        let table = table(&self.practice);
        let changed = shape(&table) != shape(&self.shown);
        self.terminal.show(&table, changed);
        self.shown = table;
    }

    /// The first screen, when everything has arrived.
    fn welcome(&mut self) {
        let (practice, manifest) = (&self.practice, self.manifest.path.display().to_string());
        let mut lines = vec![String::new(), headline(practice), String::new()];
        lines.push(format!("  picture    http://{}", self.picture));
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
        lines.extend(to_try(practice, &manifest));
        self.terminal.say(lines.iter().map(String::as_str));
    }

    /// Ends every child; a second signal ends them at once.
    async fn end(mut self, ended: &mut mpsc::UnboundedReceiver<Exit>, signals: &mut Signals) {
        // by the terminal, which goes on without anybody who looks: consumers leave in order also then
        self.terminal.say(["ending: consumers leave their groups"]);
        let fleet = &mut self.practice.fleet;
        fleet.end();
        let gone = async {
            while !fleet.is_empty()
                && let Some(exit) = ended.recv().await
            {
                fleet.ended(&exit);
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
                    self.terminal.say(["ending: brokers"]);
                    apache.end().await;
                }
                Kafka::Embedded { broker, ended, .. } => {
                    drop(broker);
                    let _ = ended.await; // how it ended is no matter any more
                }
                Kafka::Given(_) => {}
            }
        };
        let _ = timeout(BROKERS, brokers).await; // they go on to end without us
        let _ = std::fs::remove_file(Path::new(DIR).join("control.sock")); // a stale one is replaced
    }
}

/// Lines under another one.
fn below(head: String, lines: &[String]) -> Vec<String> {
    std::iter::once(head)
        .chain(lines.iter().map(|line| format!("  {line}")))
        .collect()
}

/// A table without its lags: those change all the time.
fn shape(table: &[String]) -> Vec<String> {
    let words = |line: &String| -> Vec<String> {
        let mut words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        if let Some(at) = words.iter().position(|word| word == "lag") {
            words.truncate(at);
        }
        words
    };
    table.iter().map(|line| words(line).join(" ")).collect()
}

/// Runs in another directory, if asked to.
///
/// # Errors
/// It is not there.
pub fn enter(directory: Option<&Path>) -> Result<()> {
    let Some(directory) = directory else {
        return Ok(());
    };
    if let Err(error) = std::env::set_current_dir(directory) {
        bail!("-C is `{}`: {error}", directory.display());
    }
    Ok(())
}
