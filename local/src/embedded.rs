//! Embedded broker: librdkafka's mock cluster in its own child process, because a fault in it aborts the process. In: topics to
//! create, groups to poll, reports of consumers. Out: the same snapshot as from a real Kafka. The broker cannot describe
//! groups, so assignments come from the consumers, and it cannot add partitions. `host` is the child.

pub mod host;
pub mod rewrite;
pub mod snapshot;

use std::{collections::BTreeMap, fs::File, io, process::Stdio, sync::Arc, time::Duration};

use anyhow::{Context, Result, anyhow, bail};
use practice_contract::OffsetReset;
use practice_groups::{KafkaError, Partition};
use serde::{Deserialize, Serialize};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines},
    process::{ChildStdin, ChildStdout},
    sync::Mutex,
    time::timeout,
};

use crate::process::{Ended, Process, Program};

/// Deadline of one answer.
const ANSWER: Duration = Duration::from_secs(5);

/// First line of the child's output.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Hello {
    pub(crate) bootstrap: String,
}

/// Request line to the child.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Question {
    /// Create a topic.
    Create {
        topic: String,
        partitions: i32,
        replication_factor: i32,
    },
    /// Commit where a group starts, in partitions without a commit; starts by topic and partition.
    Pin {
        group: String,
        starts: Vec<(String, i32, OffsetReset)>,
        metadata: String,
    },
    /// Fetch log bounds and committed offsets; topics by group.
    Offsets {
        groups: BTreeMap<String, Vec<String>>,
    },
}

/// Answer line of the child.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Answer {
    Created,
    /// Offsets that were committed, by topic and partition.
    Pinned(Vec<(String, i32, i64)>),
    Offsets(Offsets),
    Failed(String),
}

/// Bounds of logs and committed offsets of groups.
#[derive(Debug, Default, Clone, Serialize, Deserialize)]
pub(crate) struct Offsets {
    pub(crate) topics: BTreeMap<String, Topic>,
    /// Topic, partition, offset and metadata, by group.
    pub(crate) committed: BTreeMap<String, Vec<(String, i32, i64, String)>>,
}

/// A topic of the embedded broker; start and end offset for each partition.
#[derive(Debug, Default, Clone, Serialize, Deserialize)]
pub(crate) struct Topic {
    pub(crate) replication_factor: i32,
    pub(crate) partitions: Vec<Option<(i64, i64)>>,
    /// Leader, replicas and in-sync replicas.
    pub(crate) copies: Vec<(Option<i32>, Vec<i32>, Vec<i32>)>,
}

/// Client of the embedded broker's process.
#[derive(Debug)]
pub struct Embedded {
    /// `host:port`.
    pub bootstrap: String,
    /// Number of simulated brokers.
    pub brokers: u32,
    line: Mutex<Wire>,
    _process: Process,
}

#[derive(Debug)]
struct Wire {
    /// Number of the last request, so that a late answer is not read as the next one's.
    asked: u64,
    questions: ChildStdin,
    answers: Lines<BufReader<ChildStdout>>,
}

impl Embedded {
    /// Starts the child with its errors in `log`.
    ///
    /// # Errors
    /// The child does not start.
    pub async fn start(program: &Program, brokers: u32, log: &File) -> Result<(Self, Ended)> {
        let mut command = program.child(["embedded", &brokers.to_string()]);
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log.try_clone()?)
            .process_group(0);
        let mut child = command.spawn().context("its process cannot be started")?;
        let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
        let (Some(questions), Some(stdout)) = (stdin, stdout) else {
            bail!("its process has no pipes")
        };
        let mut answers = BufReader::new(stdout).lines();
        let hello = timeout(ANSWER, answers.next_line())
            .await
            .context("its process printed no address in time")??;
        let hello = hello.ok_or_else(|| anyhow!("its process exited at once"))?;
        let hello: Hello = serde_json::from_str(&hello)?;
        let (process, ended) = Process::keep(child)?;
        let line = Mutex::new(Wire {
            asked: 0,
            questions,
            answers,
        });
        Ok((
            Self {
                bootstrap: hello.bootstrap,
                brokers,
                line,
                _process: process,
            },
            ended,
        ))
    }

    /// Creates a topic.
    ///
    /// # Errors
    /// The broker's error.
    pub async fn create(
        &self,
        topic: &str,
        partitions: i32,
        replication_factor: i32,
    ) -> Result<()> {
        match self
            .ask(&Question::Create {
                topic: topic.to_owned(),
                partitions,
                replication_factor,
            })
            .await?
        {
            Answer::Created => Ok(()),
            Answer::Failed(why) => Err(anyhow!(why)),
            Answer::Offsets(_) | Answer::Pinned(_) => Err(unexpected()),
        }
    }

    /// Commits where a group without members starts, in partitions without a commit; returns the offsets.
    ///
    /// # Errors
    /// The broker's error.
    pub async fn pin_start(
        &self,
        group: &str,
        starts: BTreeMap<Partition, OffsetReset>,
        metadata: String,
    ) -> Result<BTreeMap<Partition, i64>> {
        let each = starts
            .into_iter()
            .map(|((topic, number), start)| (topic, number, start));
        let question = Question::Pin {
            group: group.to_owned(),
            starts: each.collect(),
            metadata,
        };
        match self.ask(&question).await? {
            Answer::Pinned(offsets) => Ok(offsets
                .into_iter()
                .map(|(topic, number, offset)| ((topic, number), offset))
                .collect()),
            Answer::Failed(why) => Err(anyhow!(why)),
            Answer::Offsets(_) | Answer::Created => Err(unexpected()),
        }
    }

    pub(crate) async fn offsets(
        &self,
        groups: BTreeMap<String, Vec<String>>,
    ) -> Result<Offsets, Arc<KafkaError>> {
        match self.ask(&Question::Offsets { groups }).await {
            Ok(Answer::Offsets(offsets)) => Ok(offsets),
            Ok(Answer::Failed(message)) => Err(Arc::new(KafkaError::Answered {
                code: "Embedded".into(),
                message,
                retriable: true,
            })),
            Ok(Answer::Created | Answer::Pinned(_)) | Err(_) => {
                Err(Arc::new(KafkaError::Unreachable))
            }
        }
    }

    /// Sends one request and reads its answer.
    async fn ask(&self, question: &Question) -> Result<Answer> {
        let mut wire = self.line.lock().await;
        wire.asked += 1;
        let number = wire.asked;
        let mut text = serde_json::to_string(&(number, question))?;
        text.push('\n');
        let asked = async {
            wire.questions.write_all(text.as_bytes()).await?;
            loop {
                let line = wire.answers.next_line().await?;
                let line = line.ok_or_else(|| io::Error::from(io::ErrorKind::UnexpectedEof))?;
                let (answered, answer): (u64, Answer) = serde_json::from_str(&line)?;
                if answered == number {
                    return Ok::<_, io::Error>(answer);
                }
            }
        };
        Ok(timeout(ANSWER, asked)
            .await
            .context("the embedded broker does not answer")??)
    }
}

fn unexpected() -> anyhow::Error {
    anyhow!("unexpected answer of the embedded broker")
}
