//! The Kafka in memory: librdkafka's own, in a child process of its own (a fault in it aborts its process). In: topics to
//! make, groups to ask for, what the consumers themselves report. Out: the same look that a reader of a real Kafka gives.
//! It cannot describe groups, so who owns what comes from the consumers; a partition it cannot add. `host` is the child.

pub mod host;
pub mod look;
pub mod rewrite;

use std::{collections::BTreeMap, fs::File, io, process::Stdio, sync::Arc, time::Duration};

use anyhow::{Context, Result, anyhow, bail};
use practice_groups::KafkaError;
use serde::{Deserialize, Serialize};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines},
    process::{ChildStdin, ChildStdout},
    sync::Mutex,
    time::timeout,
};

use crate::process::{Ended, Process, Program};

/// How long the child may take for one answer.
const ANSWER: Duration = Duration::from_secs(5);

/// The first line of the child.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Hello {
    pub(crate) bootstrap: String,
}

/// A line to the child.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Question {
    /// Make a topic.
    Create {
        topic: String,
        partitions: i32,
        replication_factor: i32,
    },
    /// Say where logs end and what groups have committed; by group its topics.
    Offsets {
        groups: BTreeMap<String, Vec<String>>,
    },
}

/// A line from the child.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Answer {
    Created,
    Offsets(Offsets),
    Failed(String),
}

/// Where logs begin and end, and how far groups are.
#[derive(Debug, Default, Clone, Serialize, Deserialize)]
pub(crate) struct Offsets {
    pub(crate) topics: BTreeMap<String, Topic>,
    /// By group: topic, partition, offset, metadata.
    pub(crate) committed: BTreeMap<String, Vec<(String, i32, i64, String)>>,
}

/// A topic in memory; begin and end for each partition.
#[derive(Debug, Default, Clone, Serialize, Deserialize)]
pub(crate) struct Topic {
    pub(crate) replication_factor: i32,
    pub(crate) partitions: Vec<Option<(i64, i64)>>,
    /// Leader, replicas, in sync.
    pub(crate) copies: Vec<(Option<i32>, Vec<i32>, Vec<i32>)>,
}

/// The parent's side of the broker in memory.
#[derive(Debug)]
pub struct Embedded {
    /// `host:port`.
    pub bootstrap: String,
    /// How many brokers it simulates.
    pub brokers: u32,
    line: Mutex<Wire>,
    _process: Process,
}

#[derive(Debug)]
struct Wire {
    /// Numbers a question: an answer that comes too late is not taken for the next one's.
    asked: u64,
    questions: ChildStdin,
    answers: Lines<BufReader<ChildStdout>>,
}

impl Embedded {
    /// Starts it; what it complains of goes to `log`.
    ///
    /// # Errors
    /// It does not start.
    pub async fn start(program: &Program, brokers: u32, log: &File) -> Result<(Self, Ended)> {
        let mut command = program.child(["embedded", &brokers.to_string()]);
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log.try_clone()?)
            .process_group(0);
        let mut child = command
            .spawn()
            .context("cannot start the broker in memory")?;
        let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
        let (Some(questions), Some(stdout)) = (stdin, stdout) else {
            bail!("the broker in memory has no pipes")
        };
        let mut answers = BufReader::new(stdout).lines();
        let hello = timeout(ANSWER, answers.next_line())
            .await
            .context("the broker in memory does not start")??;
        let hello = hello
            .ok_or_else(|| anyhow!("the broker in memory has ended at once, its log says why"))?;
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

    /// Makes a topic.
    ///
    /// # Errors
    /// Its own words.
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
            Answer::Offsets(_) => Err(anyhow!("the broker in memory answers something else")),
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
            Ok(Answer::Created) | Err(_) => Err(Arc::new(KafkaError::Unreachable)),
        }
    }

    /// One question, one answer.
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
            .context("the broker in memory does not answer")??)
    }
}
