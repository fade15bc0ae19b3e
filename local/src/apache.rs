//! Apache Kafka: brokers in combined mode (broker and controller) as child processes. In: their number, a directory. Out: an
//! address. A broker can be stopped and started again; its data is deleted at the end of the run. Each has a keeper process,
//! because Java does not detect the end of its parent.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, Result, anyhow, bail};
use jiff::Timestamp;
use rustix::process::Signal;
use tokio::{
    fs,
    net::TcpStream,
    time::{Instant, sleep, timeout},
};

use crate::{
    java::java,
    ports::free_port,
    process::{
        Ended, Process, Program, append_to_log, cannot_write, exit_cause, log_file, log_path,
    },
};

/// Deadline for Java to format a directory, and for a broker to answer.
const START: Duration = Duration::from_mins(2);
/// Any id works, because the cluster exists for one run.
const CLUSTER_ID: &str = "Y2dwY2dwY2dwY2dwY2dwQQ";

const LOG4J: &str = "appender.out.type = Console
appender.out.name = out
appender.out.target = SYSTEM_ERR
appender.out.layout.type = PatternLayout
appender.out.layout.pattern = %d{ISO8601} %p %m (%c{1})%n
rootLogger.level = WARN
rootLogger.appenderRef.out.ref = out
";

/// Brokers of one practice.
#[derive(Debug)]
pub struct Apache {
    program: Program,
    java: PathBuf,
    class_path: String,
    dir: PathBuf,
    logs: PathBuf,
    /// Brokers by id, from 1.
    pub brokers: BTreeMap<u32, Broker>,
}

/// One broker.
#[derive(Debug)]
pub struct Broker {
    port: u16,
    controller_port: u16,
    process: Option<Process>,
    ended: Option<Ended>,
    /// Time of its last start or stop.
    pub since: Timestamp,
}

impl Broker {
    /// Whether its process runs.
    pub fn is_up(&self) -> bool {
        self.process.is_some()
    }
}

impl Apache {
    /// Starts brokers with empty directories below `dir`, and waits until they answer.
    ///
    /// # Errors
    /// Java is missing, or a broker does not start; the error names its log.
    pub async fn start(
        program: Program,
        class_path: String,
        dir: &Path,
        logs: &Path,
        count: u32,
    ) -> Result<Self> {
        let java = java().map_err(|why| anyhow!(why))?;
        match fs::remove_dir_all(dir).await {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(error).with_context(|| format!("cannot remove {}", dir.display()));
            }
            Ok(()) | Err(_) => {}
        }
        let mut brokers = BTreeMap::new();
        for id in 1..=count {
            let (port, controller_port) = (free_port()?, free_port()?);
            let broker = Broker {
                port,
                controller_port,
                process: None,
                ended: None,
                since: Timestamp::now(),
            };
            brokers.insert(id, broker);
        }
        let mut apache = Self {
            program,
            java,
            class_path,
            dir: dir.to_path_buf(),
            logs: logs.to_path_buf(),
            brokers,
        };
        let ids: Vec<u32> = apache.brokers.keys().copied().collect();
        let formats = ids.iter().map(|id| apache.format(*id));
        futures::future::try_join_all(formats).await?;
        for id in &ids {
            apache.run(*id)?;
        }
        for id in ids {
            apache.answers(id).await?;
        }
        Ok(apache)
    }

    /// `host:port` of every broker.
    pub fn bootstrap(&self) -> String {
        let all: Vec<String> = self
            .brokers
            .values()
            .map(|broker| format!("127.0.0.1:{}", broker.port))
            .collect();
        all.join(",")
    }

    /// Starts a stopped broker with its data.
    ///
    /// # Errors
    /// The broker does not exist, or runs.
    pub fn start_broker(&mut self, id: u32) -> Result<String, String> {
        if self.broker(id)?.is_up() {
            return Err(format!("broker {id} runs already"));
        }
        self.run(id)
            .map_err(|error| format!("cannot start broker {id}: {error}"))?;
        Ok(format!(
            "broker {id} starts: it fetches from the leaders of its partitions until it is in sync"
        ))
    }

    /// Stops a broker in order, like a shutdown of its machine.
    ///
    /// # Errors
    /// The broker does not exist, or does not run.
    pub fn stop_broker(&mut self, id: u32) -> Result<String, String> {
        let broker = self.broker(id)?;
        match &broker.process {
            Some(process) => process.signal(Signal::TERM),
            None => return Err(format!("broker {id} does not run")),
        }
        Ok(format!(
            "broker {id} stops: its partitions elect another leader from their in-sync replicas"
        ))
    }

    /// Records brokers that exited; returns a message for each.
    pub fn record_exits(&mut self) -> Vec<String> {
        let mut messages = Vec::new();
        for (id, broker) in &mut self.brokers {
            if let Some(how) = broker
                .ended
                .as_mut()
                .and_then(Ended::status)
                .map(exit_cause)
            {
                (broker.process, broker.ended, broker.since) = (None, None, Timestamp::now());
                let message = format!("broker {id} stopped ({how})");
                messages.push(match append_to_log(&self.logs, &log_name(*id), &message) {
                    Ok(()) => message,
                    Err(error) => {
                        format!("{message}; {error}: free space there, or make it writable")
                    }
                });
            }
        }
        messages
    }

    /// Stops all brokers and deletes their data.
    pub async fn end(mut self) {
        for broker in self.brokers.values_mut() {
            drop(broker.process.take()); // its keeper detects the closed pipe
        }
        let ends = self
            .brokers
            .values_mut()
            .filter_map(|broker| broker.ended.take())
            .map(Ended::wait);
        futures::future::join_all(ends).await;
        let _ = fs::remove_dir_all(&self.dir).await; // the next start removes the rest
    }

    fn broker(&self, id: u32) -> Result<&Broker, String> {
        let there = self.brokers.len();
        self.brokers
            .get(&id)
            .ok_or_else(|| format!("no broker {id}: brokers are numbered 1 to {there}"))
    }

    fn folder(&self, id: u32) -> PathBuf {
        self.dir.join(id.to_string())
    }

    /// Command line of a class of Kafka.
    fn java_command(&self, class: &str, args: &[&str], id: u32) -> Vec<String> {
        let folder = self.folder(id);
        let mut words = vec![
            self.java.display().to_string(),
            "-Xmx256m".to_owned(),
            "-XX:+UseSerialGC".to_owned(),
            "-XX:TieredStopAtLevel=1".to_owned(),
            format!(
                "-Dlog4j2.configurationFile={}",
                folder.join("log4j2.properties").display()
            ),
            "-cp".to_owned(),
            self.class_path.clone(),
            class.to_owned(),
        ];
        words.extend(args.iter().map(|arg| (*arg).to_owned()));
        words.push(folder.join("server.properties").display().to_string());
        words
    }

    async fn format(&self, id: u32) -> Result<()> {
        let folder = self.folder(id);
        fs::create_dir_all(&folder)
            .await
            .with_context(|| format!("cannot create {}", folder.display()))?;
        for (name, text) in [
            ("log4j2.properties", LOG4J),
            ("server.properties", &self.properties(id)),
        ] {
            let path = folder.join(name);
            let written = fs::write(&path, text).await;
            written.map_err(|error| cannot_write(&path, &error))?;
        }
        let words = self.java_command(
            "kafka.tools.StorageTool",
            &["format", "-t", CLUSTER_ID, "-c"],
            id,
        );
        let log = log_file(&self.logs, &log_name(id))?;
        let (_process, ended) = Process::start(self.keeper(&words), &log)?;
        let status = timeout(START, ended.wait())
            .await
            .context("formatting did not end in time")??;
        if !status.success() {
            bail!(
                "broker {id}: formatting its directory failed ({status}): see {}",
                log_path(&self.logs, &log_name(id)).display()
            );
        }
        Ok(())
    }

    fn run(&mut self, id: u32) -> Result<()> {
        let log = log_file(&self.logs, &log_name(id))?;
        let (process, ended) = Process::start(
            self.keeper(&self.java_command("kafka.Kafka", &[], id)),
            &log,
        )?;
        if let Some(broker) = self.brokers.get_mut(&id) {
            (broker.process, broker.ended, broker.since) =
                (Some(process), Some(ended), Timestamp::now());
        }
        Ok(())
    }

    fn keeper(&self, words: &[String]) -> tokio::process::Command {
        self.program.child(
            ["keeper", "--"]
                .into_iter()
                .map(str::to_owned)
                .chain(words.iter().cloned()),
        )
    }

    async fn answers(&mut self, id: u32) -> Result<()> {
        let deadline = Instant::now() + START;
        while let Some(broker) = self.brokers.get_mut(&id) {
            if TcpStream::connect(("127.0.0.1", broker.port)).await.is_ok() {
                break;
            }
            let log = log_path(&self.logs, &log_name(id));
            if broker
                .ended
                .as_mut()
                .is_some_and(|ended| ended.status().is_some())
            {
                bail!("broker {id} exited at once: see {}", log.display());
            }
            if Instant::now() >= deadline {
                bail!(
                    "broker {id} does not answer within {} s: see {}",
                    START.as_secs(),
                    log.display()
                );
            }
            sleep(Duration::from_millis(50)).await;
        }
        Ok(())
    }

    fn properties(&self, id: u32) -> String {
        let Some(broker) = self.brokers.get(&id) else {
            return String::new();
        };
        let count = u32::try_from(self.brokers.len()).unwrap_or(1);
        let copies = count.min(3);
        let in_sync = copies.div_ceil(2);
        let voters = self
            .brokers
            .iter()
            .map(|(id, broker)| format!("{id}@127.0.0.1:{}", broker.controller_port));
        let voters: Vec<String> = voters.collect();
        let Broker {
            port,
            controller_port,
            ..
        } = broker;
        // in Java properties a backslash is an escape character
        let data = self
            .folder(id)
            .join("data")
            .display()
            .to_string()
            .replace('\\', "\\\\");
        format!(
            "process.roles=broker,controller
node.id={id}
controller.quorum.voters={}
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller_port}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}
controller.listener.names=CONTROLLER
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
log.dirs={data}
auto.create.topics.enable=false
offsets.topic.replication.factor={copies}
offsets.topic.num.partitions=3
transaction.state.log.replication.factor={copies}
transaction.state.log.min.isr={in_sync}
transaction.state.log.num.partitions=3
share.coordinator.state.topic.replication.factor={copies}
share.coordinator.state.topic.min.isr={in_sync}
share.coordinator.state.topic.num.partitions=3
group.initial.rebalance.delay.ms=0
leader.imbalance.check.interval.seconds=30
",
            voters.join(",")
        )
    }
}

/// Name of a broker's log.
fn log_name(id: u32) -> String {
    format!("broker-{id}")
}
