//! Consumers and producer as child processes. In: a plan, its holds, reports of the children, the time. Out: `Running`, the
//! desired and ready replicas (built only here and in the operator's `apply`), and a message for each event. Each call moves
//! the children one step towards the plan. Deliberately absent: Kafka.

mod gone;
mod names;
mod step;

use std::{
    collections::{BTreeMap, VecDeque},
    path::PathBuf,
    process::ExitStatus,
    time::{Duration, Instant},
};

use jiff::Timestamp;
use practice_contract::{ProducerSettings, WorkerSettings, status::WorkerStatus};
use practice_groups::witness::{End, Removal, Sight};
use rustix::process::Signal;
use tokio::sync::mpsc;

use crate::{
    ports::free_port,
    process::{Process, Program, append_to_log, exit_cause, log_file},
};

pub use gone::EndedConsumer;
pub use step::Wanted;

/// Time between SIGTERM and SIGKILL.
const TERMINATION_GRACE: Duration = Duration::from_secs(10);

/// Number of recorded exits of a child.
const ENDS: usize = 4;

/// Role of a child with its settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Role {
    /// One consumer.
    Worker(Box<WorkerSettings>),
    /// The producer.
    Producer(Box<ProducerSettings>),
}

/// Phase of a child.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// The process runs.
    Running,
    /// Paused by SIGSTOP.
    Paused,
    /// SIGTERM was sent.
    Ending {
        /// Whether it starts again.
        again: bool,
        /// Time of the SIGKILL.
        until: Instant,
    },
    /// Exited or killed, and waiting to restart.
    Down {
        /// Time of the restart.
        until: Instant,
        /// Whether a command killed it.
        killed: bool,
    },
}

/// One child.
#[derive(Debug)]
pub struct Child {
    /// Settings at its start, without name and port.
    pub role: Role,
    /// Group; empty for the producer.
    pub group: String,
    /// Variant; empty for plain members.
    pub variant: String,
    /// Deployment that would own its pod.
    pub deployment: String,
    /// Protocol and assignor; `None` for the producer.
    pub protocol_key: Option<String>,
    /// Current phase.
    pub phase: Phase,
    /// Start of the phase.
    pub since: Timestamp,
    /// Start of the process.
    pub started: Option<Timestamp>,
    /// Port of a consumer's HTTP server.
    pub port: u16,
    /// Last report; `None` when it did not answer.
    pub report: Option<WorkerStatus>,
    /// Whether it is ready: a member of its group, or a producer that accepts messages.
    pub ready: bool,
    /// Exits of its processes, newest last.
    ends: VecDeque<(String, End, bool)>,
    /// A command killed it, and its exit is not recorded yet.
    killed: bool,
    process: Option<Process>,
}

/// Exit of a child.
#[derive(Debug)]
pub struct Exit {
    /// Name of the child.
    pub name: String,
    pid: u32,
    status: std::io::Result<ExitStatus>,
}

/// Settings for starting children.
#[derive(Debug, Clone)]
pub struct Ways {
    /// This program.
    pub program: Program,
    /// Directory of logs.
    pub logs: PathBuf,
    /// Delay before a crashed child restarts.
    pub restart_delay: Duration,
    /// Delay between the first consumer of a group and the others.
    pub apart: Duration,
}

/// Children of a practice.
#[derive(Debug)]
pub struct Fleet {
    ways: Ways,
    /// Children by name.
    pub children: BTreeMap<String, Child>,
    exits: mpsc::UnboundedSender<Exit>,
    /// Messages about events, not printed yet.
    events: VecDeque<String>,
    /// Consumers whose process has ended, newest last.
    gone: VecDeque<EndedConsumer>,
    /// Time of the next start that `apart` delays.
    later: Option<Instant>,
}

impl Fleet {
    /// Fleet without children; exits are sent to `exits`.
    pub fn new(ways: Ways, exits: mpsc::UnboundedSender<Exit>) -> Self {
        Self {
            ways,
            children: BTreeMap::new(),
            exits,
            events: VecDeque::new(),
            gone: VecDeque::new(),
            later: None,
        }
    }

    /// Consumers as evidence for the causes of rebalances.
    pub fn sights(&self) -> BTreeMap<String, Sight> {
        self.children
            .iter()
            .filter_map(|(name, child)| Some((name.clone(), child.sight()?)))
            .collect()
    }

    /// Takes the messages since the last call.
    pub fn take_events(&mut self) -> Vec<String> {
        self.events.drain(..).collect()
    }

    /// Ends a consumer with SIGTERM; it starts again.
    ///
    /// # Errors
    /// The child does not exist, or does not run.
    pub fn restart(&mut self, name: &str) -> Result<String, String> {
        let child = self.alive(name)?;
        child.end(true);
        let leaves = if child.protocol_key.is_some() {
            "leaves its group at once and"
        } else {
            "answers pending requests and"
        };
        Ok(format!("{name} gets SIGTERM: it {leaves} restarts"))
    }

    /// Kills a consumer.
    ///
    /// # Errors
    /// The child does not exist, or does not run.
    pub fn kill(&mut self, name: &str) -> Result<String, String> {
        let delay = practice_contract::duration::print(self.ways.restart_delay);
        let child = self.alive(name)?;
        child.killed = true;
        child.signal(Signal::KILL);
        Ok(format!("{name} gets SIGKILL; it restarts after {delay}"))
    }

    /// Pauses a consumer with SIGSTOP.
    ///
    /// # Errors
    /// The child does not exist, or does not run.
    pub fn pause(&mut self, name: &str) -> Result<String, String> {
        let child = self.alive(name)?;
        if child.phase == Phase::Paused {
            return Err(format!(
                "{name} is paused already: continue it with `resume {name}`"
            ));
        }
        child.signal(Signal::STOP);
        child.phase = Phase::Paused;
        child.since = Timestamp::now();
        Ok(format!(
            "{name} is paused with SIGSTOP: it neither polls nor sends heartbeats, like a consumer that hangs"
        ))
    }

    /// Continues a paused consumer with SIGCONT.
    ///
    /// # Errors
    /// The child does not exist, or is not paused.
    pub fn resume(&mut self, name: &str) -> Result<String, String> {
        let child = self.alive(name)?;
        if child.phase != Phase::Paused {
            return Err(format!("{name} is not paused"));
        }
        child.signal(Signal::CONT);
        child.phase = Phase::Running;
        child.since = Timestamp::now();
        Ok(format!("{name} continues"))
    }

    /// Finds a consumer, or the producer.
    ///
    /// # Errors
    /// The child does not exist; the message lists the existing ones.
    pub fn find(&self, name: &str) -> Result<&Child, String> {
        self.children.get(name).ok_or_else(|| {
            let names: Vec<&str> = self.children.keys().map(String::as_str).collect();
            format!("no consumer `{name}`: names are {}", names.join(", "))
        })
    }

    fn alive(&mut self, name: &str) -> Result<&mut Child, String> {
        let child = self.find(name)?;
        match child.phase {
            Phase::Running | Phase::Paused => {}
            Phase::Ending { .. } => {
                return Err(format!("{name} is stopping: wait until it has stopped"));
            }
            Phase::Down { until, .. } => {
                let left = until.saturating_duration_since(Instant::now()).as_secs();
                return Err(format!(
                    "{name} is down and restarts in {left} s: wait until it runs"
                ));
            }
        }
        self.find_mut(name)
    }

    fn find_mut(&mut self, name: &str) -> Result<&mut Child, String> {
        self.children
            .get_mut(name)
            .ok_or_else(|| format!("no consumer `{name}`"))
    }

    /// Records the exit of a child; returns whether it left its group in order.
    pub fn record_exit(&mut self, exit: &Exit) -> bool {
        let Some(child) = self.children.get_mut(&exit.name) else {
            return false;
        };
        if child
            .process
            .as_ref()
            .is_none_or(|process| process.pid() != exit.pid)
        {
            return false; // an earlier process of this name
        }
        child.process = None;
        child.report = None;
        child.ready = false;
        child.since = Timestamp::now();
        child.record_end(exit);
        gone::record(&mut self.gone, child, exit);
        let clean = exit.status.as_ref().is_ok_and(ExitStatus::success);
        let unusable = exit
            .status
            .as_ref()
            .is_ok_and(|status| status.code() == Some(i32::from(crate::children::UNUSABLE)));
        match child.phase {
            Phase::Ending { again: false, .. } => drop(self.children.remove(&exit.name)),
            Phase::Ending { again: true, .. } => child.down(Duration::ZERO, false),
            // another process took its port: restart with a new one
            _ if unusable && child.protocol_key.is_some() => {
                child.down(Duration::from_secs(1), false);
            }
            _ => {
                let killed = std::mem::take(&mut child.killed);
                let delay = self.ways.restart_delay;
                child.down(delay, killed);
                let name = &exit.name;
                let how = exit_cause(&exit.status);
                let delay = practice_contract::duration::print(delay);
                // a consumer that cannot write its lines exits, and cannot write why
                let hint =
                    match append_to_log(&self.ways.logs, name, &format!("{name} exited, {how}")) {
                        Err(error) => format!(" ({error}: free space there, or make it writable)"),
                        Ok(()) if killed => String::new(),
                        Ok(()) => format!(" (see logs {name})"),
                    };
                self.events.push_back(format!(
                    "{name} exited, {how}{hint}: it restarts in {delay}"
                ));
            }
        }
        clean
    }

    /// Sends SIGTERM to all children.
    pub fn end(&mut self) {
        for child in self.children.values_mut() {
            child.end(false);
        }
        self.children.retain(|_, child| child.process.is_some());
    }

    /// Whether all processes have exited.
    pub fn is_empty(&self) -> bool {
        self.children.values().all(|child| child.process.is_none())
    }

    /// Sends SIGKILL to the remaining children.
    pub fn end_now(&mut self) {
        self.children
            .values()
            .for_each(|child| child.signal(Signal::KILL));
    }

    fn start(&mut self, name: &str) {
        let ways = self.ways.clone();
        let Some(child) = self.children.get_mut(name) else {
            return;
        };
        match child.start(name, &ways, self.exits.clone()) {
            Ok(()) => {}
            Err(error) => {
                child.down(ways.restart_delay, false);
                let delay = practice_contract::duration::print(ways.restart_delay);
                self.events
                    .push_back(format!("cannot start {name} ({error}): retry in {delay}"));
            }
        }
    }
}

impl Child {
    /// Address of its HTTP server; `--listen` is for the producer, and not for consumers.
    pub fn address(&self) -> String {
        match &self.role {
            Role::Worker(_) => format!("127.0.0.1:{}", self.port),
            Role::Producer(settings) => settings.listen.to_string(),
        }
    }

    /// Process id; `None` when it does not run.
    pub fn pid(&self) -> Option<u32> {
        self.process.as_ref().map(Process::pid)
    }

    fn sight(&self) -> Option<Sight> {
        let Role::Worker(settings) = &self.role else {
            return None;
        };
        Some(Sight {
            row: self.deployment.clone(),
            revision: format!("{settings:?}"),
            topics: settings.topics.join(","),
            protocol_key: self.protocol_key.clone().unwrap_or_default(),
            ends: self.ends.iter().cloned().collect(),
            removal: matches!(self.phase, Phase::Ending { again: false, .. })
                .then_some(Removal::Asked),
        })
    }

    fn signal(&self, signal: Signal) {
        if let Some(process) = &self.process {
            process.signal(signal);
        }
    }

    fn end(&mut self, again: bool) {
        self.signal(Signal::TERM);
        if self.phase == Phase::Paused {
            self.signal(Signal::CONT); // a paused process handles no SIGTERM
        }
        self.phase = Phase::Ending {
            again,
            until: Instant::now() + TERMINATION_GRACE,
        };
    }

    fn down(&mut self, pause: Duration, killed: bool) {
        self.phase = Phase::Down {
            until: Instant::now() + pause,
            killed,
        };
    }

    fn start(
        &mut self,
        name: &str,
        ways: &Ways,
        exits: mpsc::UnboundedSender<Exit>,
    ) -> std::io::Result<()> {
        let log = log_file(&ways.logs, name)?;
        let (verb, environment) = match &mut self.role.clone() {
            Role::Worker(settings) => {
                self.port = free_port()?;
                settings.listen.set_port(self.port);
                settings.instance = Some(name.to_owned());
                ("worker", settings.to_env())
            }
            Role::Producer(settings) => {
                settings.instance = Some(name.to_owned());
                ("producer", settings.to_env())
            }
        };
        let mut command = ways.program.child([verb, name]);
        command.envs(environment);
        let (process, ended) = Process::start(command, &log)?;
        let (name, pid) = (name.to_owned(), process.pid());
        tokio::spawn(async move {
            let status = ended.wait().await;
            let _ = exits.send(Exit { name, pid, status }); // the program is ending
        });
        self.process = Some(process);
        self.phase = Phase::Running;
        self.since = Timestamp::now();
        self.started = Some(self.since);
        (self.killed, self.ready, self.report) = (false, false, None);
        Ok(())
    }
}
