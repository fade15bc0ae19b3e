//! Child process of the embedded broker. In: requests, a line each, on standard input. Out: a line with its address, then an
//! answer line for each request. It exits when its input closes. Deliberately absent: an async runtime, and files.

use std::{
    collections::BTreeMap,
    io::{self, BufRead, Write},
    process::ExitCode,
    time::Duration,
};

use anyhow::{Context, Result, anyhow};
use practice_contract::OffsetReset;
use rdkafka::{
    ClientConfig, Offset, TopicPartitionList,
    config::RDKafkaLogLevel,
    consumer::{BaseConsumer, CommitMode, Consumer},
    metadata::MetadataTopic,
    mocking::MockCluster,
    producer::DefaultProducerContext,
};

use super::{Answer, Hello, Offsets, Question, Topic};

/// Deadline of a request to one of the simulated brokers.
const PATIENCE: Duration = Duration::from_secs(4);

/// Runs the child process.
pub(crate) fn main(brokers: i32) -> ExitCode {
    match run(brokers) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // `eprintln` panics where the log cannot be written, as on a full disk
            let _ = writeln!(io::stderr(), "embedded broker: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(brokers: i32) -> Result<()> {
    let cluster = MockCluster::new(brokers).context("cannot start the cluster")?;
    let mut host = Host {
        bootstrap: cluster.bootstrap_servers(),
        cluster,
        topics: BTreeMap::new(),
        admin: None,
        groups: BTreeMap::new(),
    };
    print_answer(&Hello {
        bootstrap: host.bootstrap.clone(),
    })?;
    for line in io::stdin().lock().lines() {
        let (number, question): (u64, Question) =
            serde_json::from_str(&line?).context("a question")?;
        let answer = host
            .answer(question)
            .unwrap_or_else(|error| Answer::Failed(format!("{error:#}")));
        print_answer(&(number, answer))?;
    }
    Ok(())
}

fn print_answer(answer: &impl serde::Serialize) -> Result<()> {
    let mut out = io::stdout().lock();
    serde_json::to_writer(&mut out, answer)?;
    out.write_all(b"\n")?;
    Ok(out.flush()?)
}

/// A created topic, which never changes.
struct CreatedTopic {
    partitions: i32,
    replication_factor: i32,
    /// Leader, replicas and in-sync replicas of each partition; empty until fetched.
    copies: Vec<(Option<i32>, Vec<i32>, Vec<i32>)>,
}

struct Host {
    bootstrap: String,
    cluster: MockCluster<'static, DefaultProducerContext>,
    topics: BTreeMap<String, CreatedTopic>,
    admin: Option<BaseConsumer>,
    /// A client for each group, which fetches committed offsets without joining.
    groups: BTreeMap<String, BaseConsumer>,
}

impl Host {
    fn answer(&mut self, question: Question) -> Result<Answer> {
        match question {
            Question::Create {
                topic,
                partitions,
                replication_factor,
            } => {
                self.cluster
                    .create_topic(&topic, partitions, replication_factor)?;
                self.topics.insert(
                    topic,
                    CreatedTopic {
                        partitions,
                        replication_factor,
                        copies: Vec::new(),
                    },
                );
                Ok(Answer::Created)
            }
            Question::Pin {
                group,
                starts,
                metadata,
            } => Ok(Answer::Pinned(self.pin(&group, &starts, &metadata)?)),
            Question::Offsets { groups } => Ok(Answer::Offsets(self.offsets(groups)?)),
        }
    }

    /// Fetches committed offsets before end offsets, so that a lag is never negative.
    fn offsets(&mut self, groups: BTreeMap<String, Vec<String>>) -> Result<Offsets> {
        self.groups.retain(|group, _| groups.contains_key(group));
        let mut offsets = Offsets::default();
        for (group, topics) in groups {
            let mut list = TopicPartitionList::new();
            for topic in topics {
                for partition in 0..self.topics.get(&topic).map_or(0, |made| made.partitions) {
                    list.add_partition(&topic, partition);
                }
            }
            let committed = self.group(&group)?.committed_offsets(list, PATIENCE)?;
            let each = committed.elements();
            let each = each.iter().filter_map(|element| match element.offset() {
                Offset::Offset(offset) => Some((
                    element.topic().to_owned(),
                    element.partition(),
                    offset,
                    element.metadata().to_owned(),
                )),
                _ => None,
            });
            offsets.committed.insert(group, each.collect());
        }
        let (starts, ends) = (self.bounds(Offset::Beginning)?, self.bounds(Offset::End)?);
        self.fetch_replicas()?;
        for (name, made) in &self.topics {
            let bounds = |partition| {
                let key = (name.clone(), partition);
                Some((*starts.get(&key)?, *ends.get(&key)?))
            };
            let topic = Topic {
                replication_factor: made.replication_factor,
                partitions: (0..made.partitions).map(bounds).collect(),
                copies: made.copies.clone(),
            };
            offsets.topics.insert(name.clone(), topic);
        }
        Ok(offsets)
    }

    /// Commits the start or end offset of partitions without a commit; the group must have no members.
    fn pin(
        &mut self,
        group: &str,
        starts: &[(String, i32, OffsetReset)],
        metadata: &str,
    ) -> Result<Vec<(String, i32, i64)>> {
        let (first, ends) = (self.bounds(Offset::Beginning)?, self.bounds(Offset::End)?);
        let client = self.group(group)?;
        let mut list = TopicPartitionList::new();
        for (topic, partition, _) in starts {
            list.add_partition(topic, *partition);
        }
        let committed = client.committed_offsets(list, PATIENCE)?;
        let mut pinned = Vec::new();
        let mut list = TopicPartitionList::new();
        for (topic, partition, start) in starts {
            let key = (topic.clone(), *partition);
            let is_committed = committed
                .find_partition(topic, *partition)
                .is_some_and(|element| matches!(element.offset(), Offset::Offset(_)));
            if is_committed {
                continue;
            }
            let bounds = match start {
                OffsetReset::Earliest => &first,
                OffsetReset::Latest => &ends,
            };
            let offset = *bounds
                .get(&key)
                .with_context(|| format!("{topic}/{partition} has no offsets yet"))?;
            let mut element = list.add_partition(topic, *partition);
            element.set_offset(Offset::Offset(offset))?;
            element.set_metadata(metadata);
            pinned.push((topic.clone(), *partition, offset));
        }
        if !pinned.is_empty() {
            client.commit(&list, CommitMode::Sync)?;
        }
        Ok(pinned)
    }

    /// Start or end offset of every partition, with one request for each broker.
    fn bounds(&mut self, which: Offset) -> Result<BTreeMap<(String, i32), i64>> {
        let mut list = TopicPartitionList::new();
        for (topic, made) in &self.topics {
            for partition in 0..made.partitions {
                list.add_partition_offset(topic, partition, which)?;
            }
        }
        if list.count() == 0 {
            return Ok(BTreeMap::new());
        }
        let found = self.admin()?.offsets_for_times(list, PATIENCE)?;
        let each = found.elements();
        Ok(each
            .iter()
            .filter_map(|element| match element.offset() {
                Offset::Offset(offset) => {
                    Some(((element.topic().to_owned(), element.partition()), offset))
                }
                _ => None,
            })
            .collect())
    }
}

impl Host {
    /// Client for requests without a group.
    fn admin(&mut self) -> Result<&BaseConsumer> {
        if self.admin.is_none() {
            self.admin = Some(client(&self.bootstrap, "kafka-practice")?);
        }
        self.admin.as_ref().ok_or_else(|| anyhow!("no client"))
    }

    /// Client of a group, which does not join it.
    fn group(&mut self, group: &str) -> Result<&BaseConsumer> {
        if !self.groups.contains_key(group) {
            let client = client(&self.bootstrap, group)?;
            self.groups.insert(group.to_owned(), client);
        }
        self.groups.get(group).ok_or_else(|| anyhow!("no client"))
    }

    /// Fetches the replicas of new topics.
    fn fetch_replicas(&mut self) -> Result<()> {
        let new = self
            .topics
            .iter()
            .filter(|(_, made)| made.copies.is_empty());
        let new: Vec<String> = new.map(|(name, _)| name.clone()).collect();
        for name in new {
            let metadata = self.admin()?.fetch_metadata(Some(&name), PATIENCE)?;
            let partitions = metadata.topics().iter().flat_map(MetadataTopic::partitions);
            let mut copies: Vec<_> = partitions
                .map(|p| {
                    (
                        p.id(),
                        (
                            Some(p.leader()).filter(|id| *id >= 0),
                            p.replicas().to_vec(),
                            p.isr().to_vec(),
                        ),
                    )
                })
                .collect();
            copies.sort_unstable_by_key(|(id, _)| *id);
            if let Some(made) = self.topics.get_mut(&name) {
                made.copies = copies.into_iter().map(|(_, copies)| copies).collect();
            }
        }
        Ok(())
    }
}

fn client(bootstrap: &str, group: &str) -> Result<BaseConsumer> {
    let mut config = ClientConfig::new();
    config
        .set("bootstrap.servers", bootstrap)
        .set("group.id", group)
        .set("client.id", "kafka-practice")
        .set("enable.auto.commit", "false")
        .set("allow.auto.create.topics", "false")
        .set_log_level(RDKafkaLogLevel::Warning);
    Ok(config.create()?)
}
