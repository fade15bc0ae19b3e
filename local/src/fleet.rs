//! Consumers and producer as child processes. In: a plan, what of it is held, what the children say of themselves, the
//! time. Out: `Running`, the record of what is desired and ready (made here and in the operator's `apply` alone), and a
//! sentence for each thing that happened. Each call brings the children one step closer to the plan. Deliberately absent: Kafka.

mod names;
mod step;

use std::{
    collections::{BTreeMap, VecDeque},
    os::unix::process::ExitStatusExt,
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
    process::{Process, Program, log_file},
};

pub use step::Wanted;

/// After SIGTERM a child gets this long, then SIGKILL.
const PATIENCE: Duration = Duration::from_secs(10);

/// Ends of a child that are remembered.
const ENDS: usize = 4;

/// What a child is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Role {
    /// One consumer.
    Worker(Box<WorkerSettings>),
    /// The producer.
    Producer(Box<ProducerSettings>),
}

/// What a child does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// It runs.
    Running,
    /// It is held by SIGSTOP.
    Paused,
    /// It was asked to end; whether it starts again then.
    Ending {
        /// It starts again.
        again: bool,
        /// When patience ends.
        until: Instant,
    },
    /// It has ended by itself or was killed, and comes back.
    Down {
        /// When it comes back.
        until: Instant,
        /// Whether it was killed from here.
        killed: bool,
    },
}

/// One child.
#[derive(Debug)]
pub struct Child {
    /// What it was started with, but for its own name and port.
    pub role: Role,
    /// Its group; empty: the producer.
    pub group: String,
    /// Its variant; empty for plain members.
    pub variant: String,
    /// The Deployment that it would belong to.
    pub deployment: String,
    /// The protocol and assignor that it protocol_key.
    pub protocol_key: Option<String>,
    /// What it does.
    pub phase: Phase,
    /// Since when.
    pub since: Timestamp,
    /// When its process began.
    pub started: Option<Timestamp>,
    /// Where it answers.
    pub port: u16,
    /// What it says of itself; `None`: nothing (now).
    pub report: Option<WorkerStatus>,
    /// Whether it is ready: a member of its group, or a producer that takes messages.
    pub ready: bool,
    /// Ends of its processes, newest last.
    ends: VecDeque<(String, End, bool)>,
    /// It was killed from here and its end has not been seen yet.
    killed: bool,
    process: Option<Process>,
}

/// A child has ended.
#[derive(Debug)]
pub struct Exit {
    /// Its name.
    pub name: String,
    pid: u32,
    status: std::io::Result<ExitStatus>,
}

/// How children are started.
#[derive(Debug, Clone)]
pub struct Ways {
    /// This program.
    pub program: Program,
    /// Where logs are.
    pub logs: PathBuf,
    /// How long one that crashed stays away.
    pub restart_delay: Duration,
    /// How long after the first consumer of a group its others start.
    pub apart: Duration,
}

/// All children.
#[derive(Debug)]
pub struct Fleet {
    ways: Ways,
    /// By name.
    pub children: BTreeMap<String, Child>,
    exits: mpsc::UnboundedSender<Exit>,
    /// What happened and was not told yet.
    said: VecDeque<String>,
    /// When somebody is to be started who waits for the first of its group.
    later: Option<Instant>,
}

impl Fleet {
    /// None yet; ends of children are sent to `exits`.
    pub fn new(ways: Ways, exits: mpsc::UnboundedSender<Exit>) -> Self {
        Self {
            ways,
            children: BTreeMap::new(),
            exits,
            said: VecDeque::new(),
            later: None,
        }
    }

    /// The consumers as whoever explains rebalances sees them.
    pub fn sights(&self) -> BTreeMap<String, Sight> {
        self.children
            .iter()
            .filter_map(|(name, child)| Some((name.clone(), child.sight()?)))
            .collect()
    }

    /// What happened since the last call, a sentence each.
    pub fn said(&mut self) -> Vec<String> {
        self.said.drain(..).collect()
    }

    /// Ends a consumer with SIGTERM; it starts again.
    ///
    /// # Errors
    /// There is none of that name, or it is not running.
    pub fn restart(&mut self, name: &str) -> Result<String, String> {
        let child = self.alive(name)?;
        child.end(true);
        let leaves = if child.protocol_key.is_some() {
            "leaves its group at once, and"
        } else {
            "answers what it has taken, and"
        };
        Ok(format!(
            "{name} ends with SIGTERM: it {leaves} starts again"
        ))
    }

    /// Kills a consumer.
    ///
    /// # Errors
    /// There is none of that name, or it is not running.
    pub fn kill(&mut self, name: &str) -> Result<String, String> {
        let delay = practice_contract::duration::print(self.ways.restart_delay);
        let child = self.alive(name)?;
        child.killed = true;
        child.signal(Signal::KILL);
        Ok(format!(
            "{name} is killed with SIGKILL; it comes back after {delay}"
        ))
    }

    /// Holds a consumer.
    ///
    /// # Errors
    /// There is none of that name, or it is not running.
    pub fn pause(&mut self, name: &str) -> Result<String, String> {
        let child = self.alive(name)?;
        if child.phase == Phase::Paused {
            return Err(format!(
                "{name} is held already: `resume {name}` lets it go on"
            ));
        }
        child.signal(Signal::STOP);
        child.phase = Phase::Paused;
        child.since = Timestamp::now();
        Ok(format!(
            "{name} is held with SIGSTOP: it does nothing and says nothing, as a consumer that hangs"
        ))
    }

    /// Lets a held consumer go on.
    ///
    /// # Errors
    /// There is none of that name, or it is not held.
    pub fn resume(&mut self, name: &str) -> Result<String, String> {
        let child = self.alive(name)?;
        if child.phase != Phase::Paused {
            return Err(format!("{name} is not held: nothing to resume"));
        }
        child.signal(Signal::CONT);
        child.phase = Phase::Running;
        child.since = Timestamp::now();
        Ok(format!("{name} goes on"))
    }

    /// The name of a consumer, or of the producer.
    ///
    /// # Errors
    /// There is none of that name; the sentence names those that are there.
    pub fn find(&self, name: &str) -> Result<&Child, String> {
        self.children.get(name).ok_or_else(|| {
            let names: Vec<&str> = self.children.keys().map(String::as_str).collect();
            format!("there is no `{name}`: there are {}", names.join(", "))
        })
    }

    fn alive(&mut self, name: &str) -> Result<&mut Child, String> {
        let child = self.find(name)?;
        match child.phase {
            Phase::Running | Phase::Paused => {}
            Phase::Ending { .. } => return Err(format!("{name} is ending: wait until it has")),
            Phase::Down { until, .. } => {
                let left = until.saturating_duration_since(Instant::now()).as_secs();
                return Err(format!(
                    "{name} is down and starts again in {left} s: wait until it runs"
                ));
            }
        }
        self.find_mut(name)
    }

    fn find_mut(&mut self, name: &str) -> Result<&mut Child, String> {
        self.children
            .get_mut(name)
            .ok_or_else(|| format!("there is no `{name}`"))
    }

    /// Takes note of the end of a child. Whether it had left its group as it should.
    pub fn ended(&mut self, exit: &Exit) -> bool {
        let Some(child) = self.children.get_mut(&exit.name) else {
            return false;
        };
        if child
            .process
            .as_ref()
            .is_none_or(|process| process.pid() != exit.pid)
        {
            return false; // one that had that name before
        }
        child.process = None;
        child.report = None;
        child.ready = false;
        child.since = Timestamp::now();
        child.note_end(exit);
        let clean = exit.status.as_ref().is_ok_and(ExitStatus::success);
        let unusable = exit
            .status
            .as_ref()
            .is_ok_and(|status| status.code() == Some(i32::from(crate::children::UNUSABLE)));
        match child.phase {
            Phase::Ending { again: false, .. } => drop(self.children.remove(&exit.name)),
            Phase::Ending { again: true, .. } => child.down(Duration::ZERO, false),
            // its port was taken meanwhile: it gets another one
            _ if unusable && child.protocol_key.is_some() => {
                child.down(Duration::from_secs(1), false)
            }
            _ => {
                let killed = std::mem::take(&mut child.killed);
                let delay = self.ways.restart_delay;
                child.down(delay, killed);
                let name = &exit.name;
                let how = exit
                    .status
                    .as_ref()
                    .map_or_else(ToString::to_string, ToString::to_string);
                let delay = practice_contract::duration::print(delay);
                let hint = if killed {
                    String::new()
                } else {
                    format!(" (its log says why: logs {name})")
                };
                self.said.push_back(format!(
                    "{name} has ended, {how}{hint}: it starts again in {delay}"
                ));
            }
        }
        clean
    }

    /// Asks everybody to end.
    pub fn end(&mut self) {
        for child in self.children.values_mut() {
            child.end(false);
        }
        self.children.retain(|_, child| child.process.is_some());
    }

    /// Whether a process is still there.
    pub fn is_empty(&self) -> bool {
        self.children.values().all(|child| child.process.is_none())
    }

    /// Ends everybody who is still there, at once.
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
                self.said.push_back(format!(
                    "{name} cannot be started ({error}): it is tried again in {delay}"
                ));
            }
        }
    }
}

impl Child {
    /// Where it answers.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Its process, if it has one.
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

    /// Remembers how a process ended, as somebody who explains rebalances asks for it.
    fn note_end(&mut self, exit: &Exit) {
        let code = |status: &ExitStatus| {
            status
                .code()
                .or_else(|| Some(128 + status.signal()?))
                .unwrap_or_default()
        };
        let end = match self.phase {
            Phase::Ending { again: true, .. } => End::Restarted,
            _ => End::Exited(exit.status.as_ref().map(code).unwrap_or_default()),
        };
        self.ends.push_back((exit.pid.to_string(), end, true));
        if self.ends.len() > ENDS {
            self.ends.pop_front();
        }
    }

    fn signal(&self, signal: Signal) {
        if let Some(process) = &self.process {
            process.signal(signal);
        }
    }

    fn end(&mut self, again: bool) {
        self.signal(Signal::TERM);
        if self.phase == Phase::Paused {
            self.signal(Signal::CONT); // what is held does not hear
        }
        self.phase = Phase::Ending {
            again,
            until: Instant::now() + PATIENCE,
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
                self.port = settings.listen.port();
                settings.instance = Some(name.to_owned());
                ("producer", settings.to_env())
            }
        };
        let mut command = ways.program.child([verb, name]);
        command.envs(environment);
        let (process, ended) = Process::start(command, &log)?;
        let (name, pid) = (name.to_owned(), process.pid());
        tokio::spawn(async move {
            let status = ended
                .await
                .unwrap_or_else(|_| Err(std::io::Error::other("nobody waited for it")));
            let _ = exits.send(Exit { name, pid, status }); // this program is ending
        });
        self.process = Some(process);
        self.phase = Phase::Running;
        self.since = Timestamp::now();
        self.started = Some(self.since);
        (self.killed, self.ready, self.report) = (false, false, None);
        Ok(())
    }
}
