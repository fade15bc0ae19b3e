//! What the client calls back on the poll thread: partitions got, given back or taken away, answers to commits, statistics,
//! its own log. In: callbacks. Out: the lines `assigned`, `revoked`, `lost`; the last offsets stored before partitions go (the
//! client then commits them); the member's state. With cooperative assignors and KIP-848 a callback carries the change only.

use std::sync::{
    Arc, Mutex, MutexGuard,
    atomic::{AtomicBool, Ordering},
};

use practice_contract::{Protocol, events::WorkerEvent, lines, status::Ownership};
use rdkafka::{
    ClientContext, TopicPartitionList,
    config::RDKafkaLogLevel,
    consumer::{BaseConsumer, Consumer, ConsumerContext, Rebalance},
    error::{KafkaError, KafkaResult},
};
use tracing::{debug, info, warn};

use crate::{
    client_log::{self, Heartbeat, Meaning, Statistics},
    commit,
    member::{Partition, names},
    output::Output,
    shared::{Shared, lock, now},
};

/// What the callbacks of one client write to.
pub(crate) struct Context {
    pub(crate) shared: Arc<Shared>,
    output: Arc<Mutex<Output>>,
    /// No broker answers.
    unreachable: AtomicBool,
    /// The client met a topic that does not exist.
    topic_missing: AtomicBool,
    /// A new client has replaced this one: its last callbacks are ignored.
    retired: AtomicBool,
}

impl Context {
    pub(crate) fn new(shared: Arc<Shared>, output: Arc<Mutex<Output>>) -> Self {
        Self {
            shared,
            output,
            unreachable: AtomicBool::new(false),
            topic_missing: AtomicBool::new(false),
            retired: AtomicBool::new(false),
        }
    }

    /// Used by the poll thread alone: never contended.
    pub(crate) fn output(&self) -> MutexGuard<'_, Output> {
        lock(&self.output)
    }

    /// Whether the client met a missing topic since the last call.
    pub(crate) fn take_topic_missing(&self) -> bool {
        self.topic_missing.swap(false, Ordering::Relaxed)
    }

    /// From now on the client's callbacks change nothing.
    pub(crate) fn retire(&self) {
        self.retired.store(true, Ordering::Relaxed);
    }

    fn note_answer(&self) {
        if self.unreachable.swap(false, Ordering::Relaxed) {
            info!("Kafka answers again");
        }
    }

    fn is_retired(&self) -> bool {
        self.retired.load(Ordering::Relaxed)
    }

    fn got(&self, partitions: &[Partition]) {
        {
            let mut member = self.shared.member();
            if partitions.is_empty() && member.partitions() > 0 {
                member.joined = true;
                return; // a rebalance that changed nothing here
            }
            member.assigned(partitions, now());
        }
        self.publish(Ownership::Assigned, partitions);
    }

    fn gone(&self, consumer: &BaseConsumer<Self>, partitions: &[Partition]) {
        let what = if consumer.assignment_lost() {
            Ownership::Lost
        } else {
            Ownership::Revoked
        };
        // a partition that leaves paused would come back paused
        let paused = self.shared.member().paused_among(partitions);
        if !paused.is_empty()
            && let Err(error) = consumer.resume(&list(&paused))
        {
            warn!("resuming {}: {error}", names(&paused).join(" "));
        }
        if what == Ownership::Revoked
            && let Err(error) = commit::store_handled(consumer, self)
        {
            debug!("the poll loop meets this error next: {error}");
        }
        if partitions.is_empty() && what == Ownership::Revoked {
            return;
        }
        self.shared.member().gone(what, partitions, now());
        self.publish(what, partitions);
    }

    fn publish(&self, what: Ownership, partitions: &[Partition]) {
        let changed = partitions
            .iter()
            .map(|(topic, partition)| (&**topic, *partition));
        lines::ownership(self.output().lines(), what.word(), changed);
        self.shared.publish(|| {
            let (at, partitions) = (now(), names(partitions));
            match what {
                Ownership::Assigned => WorkerEvent::Assigned { at, partitions },
                Ownership::Revoked => WorkerEvent::Revoked { at, partitions },
                Ownership::Lost => WorkerEvent::Lost { at, partitions },
            }
        });
    }
}

impl ConsumerContext for Context {
    fn pre_rebalance(&self, consumer: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        match rebalance {
            _ if self.is_retired() => {}
            Rebalance::Revoke(partitions) => self.gone(consumer, &owned(partitions)),
            Rebalance::Error(error) => warn!("rebalance: {error}"),
            Rebalance::Assign(_) => {}
        }
    }

    fn post_rebalance(&self, _: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        if let Rebalance::Assign(partitions) = rebalance
            && !self.is_retired()
        {
            self.got(&owned(partitions));
        }
    }

    fn commit_callback(&self, result: KafkaResult<()>, offsets: &TopicPartitionList) {
        if !self.is_retired() {
            commit::note_answer(&self.shared, &result, offsets);
        }
    }
}

impl ClientContext for Context {
    fn stats_raw(&self, statistics: &[u8]) {
        if self.is_retired() {
            return;
        }
        let Ok(Statistics { cgrp: Some(cgrp) }) = serde_json::from_slice(statistics) else {
            return;
        };
        let mut member = self.shared.member();
        match self.shared.settings.protocol {
            // an assignment reports this sooner; only this callback reports a lost coordinator
            Protocol::Classic => {
                member.joined = cgrp.is_up() && (member.joined || cgrp.is_steady());
            }
            // the state is `up` also for a member that the coordinator refuses, and without partitions there is no callback and
            // the join state stays `init`
            Protocol::Consumer => {
                member.joined = cgrp.is_up() && member.is_heartbeating(self.shared.tick());
            }
        }
        drop(member);
        if cgrp.is_up() {
            self.note_answer();
        }
    }

    fn error(&self, error: KafkaError, reason: &str) {
        if self.is_retired() {
            return;
        }
        let meaning = error
            .rdkafka_error_code()
            .map_or(Meaning::Other, client_log::meaning);
        match meaning {
            Meaning::Unreachable if !self.unreachable.swap(true, Ordering::Relaxed) => {
                warn!(
                    "no broker of {} answers: {reason}; waiting for it",
                    self.shared.settings.servers
                );
            }
            Meaning::Connection
                if self
                    .shared
                    .is_news(reason.split(": ").next().unwrap_or(reason)) =>
            {
                warn!("{reason}");
            }
            Meaning::MissingTopic => self.topic_missing.store(true, Ordering::Relaxed),
            Meaning::Refused => {
                self.shared.member().fenced();
                if self.shared.is_news(reason) {
                    let settings = &self.shared.settings;
                    let why = error.rdkafka_error_code().map_or_else(
                        || reason.to_owned(),
                        |code| client_log::refusal(code, reason, settings),
                    );
                    warn!(
                        "group {} refuses this member: {why}; retrying",
                        settings.group
                    );
                }
            }
            Meaning::Other if self.shared.is_news(reason) => warn!("{error}: {reason}"),
            _ => debug!("{error}: {reason}"),
        }
    }

    fn log(&self, level: RDKafkaLogLevel, facility: &str, line: &str) {
        if self.is_retired() {
            return;
        }
        match level {
            RDKafkaLogLevel::Debug => {
                if let Some(id) = client_log::member_id(facility, line) {
                    self.shared.member().id = Some(id.to_owned()).filter(|id| !id.is_empty());
                }
                match client_log::heartbeat(facility, line) {
                    Some(Heartbeat::Accepted(epoch)) => {
                        let tick = self.shared.tick();
                        self.shared.member().heartbeat_accepted(epoch, tick);
                        self.note_answer();
                    }
                    Some(Heartbeat::Fenced) => self.shared.member().fenced(),
                    None => {}
                }
            }
            RDKafkaLogLevel::Info | RDKafkaLogLevel::Notice => debug!("{facility}: {line}"),
            // these come as errors, too
            _ if !matches!(facility, "FAIL" | "FATAL") && self.shared.is_news(line) => {
                warn!("{facility}: {line}");
            }
            _ => debug!("{facility}: {line}"),
        }
    }
}

fn owned(list: &TopicPartitionList) -> Vec<Partition> {
    list.elements()
        .iter()
        .map(|element| (Arc::from(element.topic()), element.partition()))
        .collect()
}

/// The client's form of a list of partitions.
pub(crate) fn list(partitions: &[Partition]) -> TopicPartitionList {
    let mut list = TopicPartitionList::with_capacity(partitions.len());
    for (topic, partition) in partitions {
        list.add_partition(topic, *partition);
    }
    list
}
