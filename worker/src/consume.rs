//! The poll thread: receives each message, waits for the delay, prints that it is handled, stores its offset. In: messages. Out: two
//! lines per message, stored offsets, events. A message whose partition is revoked, or that a stop interrupts, is abandoned: no
//! second line, no offset; the next owner handles it.

use std::{
    io,
    sync::{Arc, Mutex, mpsc},
    time::{Duration, Instant},
};

use practice_contract::{events::WorkerEvent, lines};
use rdkafka::{
    Message,
    consumer::{BaseConsumer, Consumer},
    error::KafkaError,
    types::RDKafkaErrorCode,
};
use thiserror::Error;
use tracing::{info, warn};

use crate::{
    client_log,
    commit::{note_positions, store_handled},
    config::client_config,
    ledger::Times,
    ledger_file::LedgerError,
    output::Output,
    prefetch::{Messages, Taken},
    rebalance::Context,
    shared::{Shared, lock, now},
    topics::{PendingTopics, subscribe},
};

/// Longest wait for the client while there is nothing to do: how soon a stop is noticed.
const TURN: Duration = Duration::from_millis(50);
/// How often events go out, at most, and how often lines do and offsets are stored under load.
const BEAT: Duration = Duration::from_millis(100);
/// How often pending topics and the client's position are checked.
const CHECK: Duration = Duration::from_secs(1);
/// Messages between two reads of the clock.
const CLOCK: u32 = 16;
/// A refused member tries with a new client after this time.
const REFUSED: Duration = Duration::from_secs(10);
/// A client that has lost its membership has this time to get it again. One that lost it in the middle of a commit may wait
/// for the answer for minutes, or forever, even when its coordinator has been back for long.
const REJOIN: Duration = Duration::from_secs(10);
/// Longest wait of a stop for the end of a rebalance.
const SETTLE: Duration = Duration::from_secs(3);
/// A failed client has this time to close.
const CLOSE: Duration = Duration::from_secs(1);

/// Why consuming ended before it was asked to.
#[derive(Debug, Error)]
pub enum ConsumeError {
    /// The client cannot be made from these settings.
    #[error("the Kafka client refuses its settings")]
    Settings(#[source] KafkaError),
    /// An error after which a client is of no use.
    #[error("the Kafka client failed: {reason}")]
    Fatal {
        /// Its message.
        reason: String,
        /// Its code.
        #[source]
        code: RDKafkaErrorCode,
    },
    /// A line could not be written to standard output: it is closed, or its disk is full.
    #[error("standard output cannot be written, so messages without their lines are not committed")]
    Output(#[from] io::Error),
    /// The ledger file could not be written.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// A call that fails only when the client is unusable.
    #[error("the Kafka client")]
    Client(#[from] KafkaError),
}

enum Ended {
    Stopped,
    Refused,
    Lost,
}

/// Consumes until it is stopped. Returns when the group was left.
pub(crate) fn consume(
    shared: &Arc<Shared>,
    output: &Arc<Mutex<Output>>,
) -> Result<(), ConsumeError> {
    while !shared.is_stopping() {
        let consumer: BaseConsumer<Context> = client_config(&shared.settings, &shared.instance)
            .create_with_context(Context::new(Arc::clone(shared), Arc::clone(output)))
            .map_err(ConsumeError::Settings)?;
        let ended = subscribe(&consumer)
            .map_err(ConsumeError::Client)
            .and_then(|()| Consumption::of(&consumer).run());
        let ended = fatal_first(&consumer, ended);
        match ended {
            // gives partitions back, commits and leaves the group: callbacks run in here
            Ok(Ended::Stopped) if consumer.client().fatal_error().is_none() => drop(consumer),
            Ok(Ended::Stopped | Ended::Refused | Ended::Lost) | Err(_) => close_aside(consumer),
        }
        shared.member().left();
        match ended? {
            Ended::Refused => wait(shared, REFUSED),
            Ended::Stopped | Ended::Lost => {} // the next one at once
        }
    }
    lock(output).flush()?;
    shared.write_ledger()?; // what was handled and could not be stored
    info!("left group {}", shared.settings.group);
    Ok(())
}

/// A fatal error of the client decides how consuming ended, whatever it interrupted: a poll, a delay, a call, a stop. Some pass
/// with time; every other one ends the program.
fn fatal_first(
    consumer: &BaseConsumer<Context>,
    ended: Result<Ended, ConsumeError>,
) -> Result<Ended, ConsumeError> {
    let Some((code, reason)) = consumer.client().fatal_error() else {
        return ended;
    };
    if matches!(
        ended,
        Err(ConsumeError::Output(_) | ConsumeError::Ledger(_))
    ) {
        return ended;
    }
    if !client_log::may_pass(code) {
        return Err(ConsumeError::Fatal { reason, code });
    }
    if matches!(ended, Ok(Ended::Stopped)) {
        return ended;
    }
    let shared = &consumer.context().shared;
    if shared.is_news(&format!("refused: {reason}")) {
        let (settings, seconds) = (&shared.settings, REFUSED.as_secs());
        let (servers, group) = (&settings.servers, &settings.group);
        let why = client_log::refusal(code, &reason, settings);
        warn!(
            "{servers} refuses this member of group {group} (protocol {}, assignor {}): {why}; trying again every {seconds} s",
            settings.protocol.name(),
            settings.assignor
        );
    }
    Ok(Ended::Refused)
}

/// Closes a client that may never close: one with a fatal error waits forever for a join.
fn close_aside(consumer: BaseConsumer<Context>) {
    consumer.context().retire();
    let (closed, wait) = mpsc::channel();
    std::thread::spawn(move || {
        drop(consumer);
        let _ = closed.send(());
    });
    let _ = wait.recv_timeout(CLOSE);
}

fn wait(shared: &Shared, time: Duration) {
    let until = Instant::now() + time;
    while !shared.is_stopping() && Instant::now() < until {
        std::thread::sleep(TURN);
        shared.turn();
    }
}

struct Consumption<'c> {
    consumer: &'c BaseConsumer<Context>,
    context: Arc<Context>,
    messages: Messages<'c>,
    pending: PendingTopics,
    delay: Duration,
    log_messages: bool,
    beat: Instant,
    /// The same by the time of day, milliseconds since the epoch: reading that costs more.
    beat_at: i64,
    published: Option<Instant>,
    checked: Instant,
    /// The time of day when the clock was last read, milliseconds since the epoch.
    now: i64,
    /// How often former clients had lost their membership.
    lost_before: u64,
}

impl<'c> Consumption<'c> {
    fn of(consumer: &'c BaseConsumer<Context>) -> Self {
        let context = Arc::clone(consumer.context());
        let settings = &context.shared.settings;
        let lost_before = context.shared.member().counts.lost;
        Self {
            consumer,
            messages: Messages::of(consumer),
            pending: PendingTopics::all(&settings.topics),
            delay: settings.delay,
            log_messages: settings.log_messages,
            beat: Instant::now(),
            beat_at: now(),
            published: None,
            checked: Instant::now(),
            now: now(),
            lost_before,
            context,
        }
    }

    fn run(mut self) -> Result<Ended, ConsumeError> {
        let mut since_clock = 0;
        while !self.context.shared.is_stopping() {
            match self.next()? {
                Some(taken) => {
                    self.handle(&taken)?;
                    since_clock += 1;
                    if since_clock < CLOCK {
                        continue;
                    }
                    self.tick(false)?;
                }
                None if self.is_lost() => return Ok(Ended::Lost),
                None => self.tick(true)?,
            }
            since_clock = 0;
        }
        self.settle()?;
        Ok(Ended::Stopped)
    }

    /// Whether the client has lost its membership for good, as far as is known.
    fn is_lost(&self) -> bool {
        let shared = &self.context.shared;
        let lost = shared.member().lost_for(self.lost_before, now());
        let is_lost = lost.is_some_and(|millis| Duration::from_millis(millis) >= REJOIN);
        if is_lost {
            let (group, seconds) = (&shared.settings.group, REJOIN.as_secs());
            warn!(
                "not a member of group {group} again {seconds} s after that was lost: trying with a new client"
            );
        }
        is_lost
    }

    /// A stop in the middle of a rebalance: the coordinator refuses commits until it is over, and what was handled would
    /// be handled again. Polls on, handling nothing, until everything is committed, for a while at most.
    fn settle(&mut self) -> Result<(), ConsumeError> {
        store_handled(self.consumer, &self.context)?;
        let until = Instant::now() + SETTLE;
        while Instant::now() < until
            && self
                .context
                .shared
                .member()
                .owes_commits_amid_rebalance(now())
        {
            if self.messages.serve(TURN).is_err() {
                break; // a fatal error: nothing will be committed any more
            }
            self.context.shared.turn();
        }
        Ok(())
    }

    /// The next message, at once if there is one; neither lines nor events wait for the next message.
    fn next(&mut self) -> Result<Option<Taken<'c>>, ConsumeError> {
        if let Some(taken) = self.messages.next(Duration::ZERO)? {
            return Ok(Some(taken));
        }
        self.context.output().flush()?;
        self.tell_moved(Instant::now());
        let taken = self.messages.next(TURN)?;
        self.now = now();
        Ok(taken)
    }

    fn handle(&mut self, taken: &Taken<'c>) -> Result<(), ConsumeError> {
        let message = &taken.message;
        let (topic, partition, offset) = (message.topic(), message.partition(), message.offset());
        let mut times = Times {
            produced: message.timestamp().to_millis(),
            taken: self.now,
            done: self.now,
        };
        if self.log_messages {
            let mut output = self.context.output();
            lines::taken(output.lines(), topic, partition, offset);
            if self.delay.is_zero() {
                lines::done(output.lines(), message.key(), message.payload());
                output.grown()?;
            }
        }
        if !self.delay.is_zero() {
            times.taken = now();
            let waited = self.wait_out(taken);
            if !matches!(waited, Ok(true)) {
                self.context.shared.member().counts.abandoned += 1;
                return waited.map(drop);
            }
            times.done = now();
            if self.log_messages {
                let mut output = self.context.output();
                lines::done(output.lines(), message.key(), message.payload());
                output.grown()?;
            }
        }
        self.context
            .shared
            .member()
            .done(topic, partition, taken.tenure, offset, times);
        Ok(())
    }

    /// Spends the delay. `false`: the message is not ours any more, or we are to stop.
    fn wait_out(&mut self, taken: &Taken<'c>) -> Result<bool, ConsumeError> {
        self.context.output().flush()?;
        let until = Instant::now() + self.delay;
        loop {
            if self.context.shared.is_stopping() || !self.messages.is_ours(taken) {
                return Ok(false);
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(true);
            }
            self.messages.serve(left.min(TURN))?;
            self.tick(false)?;
        }
    }

    /// Periodic work.
    fn tick(&mut self, idle: bool) -> Result<(), ConsumeError> {
        let clock = Instant::now();
        let since_beat = clock.duration_since(self.beat);
        if since_beat >= BEAT {
            (self.beat, self.beat_at) = (clock, now());
            self.now = self.beat_at;
            self.context.shared.turn();
            store_handled(self.consumer, &self.context)?;
        } else {
            self.now = self.beat_at + i64::from(since_beat.subsec_millis());
        }
        self.tell_moved(clock);
        if clock.duration_since(self.checked) >= CHECK {
            self.checked = clock;
            if idle && self.messages.is_empty() {
                note_positions(self.consumer, &self.context.shared);
            }
            self.pending.check(self.consumer)?;
        }
        self.context.output().age(clock)?;
        Ok(())
    }

    /// Publishes the first message after a pause at once, others in batches.
    fn tell_moved(&mut self, clock: Instant) {
        if self
            .published
            .is_some_and(|published| clock.duration_since(published) < BEAT)
        {
            return;
        }
        let moved = self.context.shared.member().take_moved();
        if !moved.is_empty() {
            self.published = Some(clock);
            self.context.shared.publish(|| WorkerEvent::Consumed {
                at: now(),
                partitions: moved,
            });
        }
    }
}
