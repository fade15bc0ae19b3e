//! The delay of a message, spent off the poll loop's back: the client is polled all along, so a rebalance or a stop never
//! waits for a sleeping message. In: the client. Out: messages, one at a time.
//! Polling yields messages, too. They are kept ahead up to a limit; beyond it the partitions are paused until the last of
//! them is taken. (Pausing for each message would do as well, but each resume makes the client fetch again from the
//! broker all that it had in its queue.)

use std::{collections::VecDeque, time::Duration};

use rdkafka::{
    Message,
    consumer::{BaseConsumer, Consumer},
    error::{KafkaError, KafkaResult},
    message::BorrowedMessage,
};
use tracing::debug;

use crate::rebalance::{Context, list};

/// Messages kept ahead.
const MOST: usize = 1_000;
/// Bytes of their keys and values.
const MOST_BYTES: usize = 1024 * 1024;

/// A message of a partition that was ours when it came.
pub(crate) struct Taken<'c> {
    pub(crate) message: BorrowedMessage<'c>,
    /// Which possession of its partition it belongs to.
    pub(crate) tenure: u64,
}

/// Messages of one client, in the order in which it gives them.
pub(crate) struct Messages<'c> {
    consumer: &'c BaseConsumer<Context>,
    ahead: VecDeque<Taken<'c>>,
    bytes: usize,
}

impl<'c> Messages<'c> {
    pub(crate) fn of(consumer: &'c BaseConsumer<Context>) -> Self {
        Self {
            consumer,
            ahead: VecDeque::new(),
            bytes: 0,
        }
    }

    /// The next message of a partition that is still ours; serves callbacks. `Ok(None)`: none came within `timeout`.
    /// The error is a fatal one.
    pub(crate) fn next(&mut self, timeout: Duration) -> KafkaResult<Option<Taken<'c>>> {
        while let Some(taken) = self.ahead.pop_front() {
            self.bytes -= size(&taken.message);
            if self.ahead.is_empty() {
                self.resume()?;
            }
            if self.is_ours(&taken) {
                return Ok(Some(taken));
            }
        }
        self.poll(timeout)
    }

    /// Serves callbacks for at most `timeout` while a message is in hand; what comes meanwhile is kept ahead.
    pub(crate) fn serve(&mut self, timeout: Duration) -> KafkaResult<()> {
        if let Some(taken) = self.poll(timeout)? {
            self.bytes += size(&taken.message);
            self.ahead.push_back(taken);
            if self.ahead.len() >= MOST || self.bytes >= MOST_BYTES {
                let paused = self.consumer.context().shared.member().toggle_paused(true);
                self.consumer.pause(&list(&paused))?;
            }
        }
        Ok(())
    }

    /// Whether its partition was ours without a break since it came.
    pub(crate) fn is_ours(&self, taken: &Taken<'_>) -> bool {
        self.tenure(&taken.message) == Some(taken.tenure)
    }

    /// Whether no message is kept ahead.
    pub(crate) fn is_empty(&self) -> bool {
        self.ahead.is_empty()
    }

    fn resume(&self) -> KafkaResult<()> {
        let paused = self.consumer.context().shared.member().toggle_paused(false);
        if paused.is_empty() {
            Ok(())
        } else {
            self.consumer.resume(&list(&paused))
        }
    }

    fn poll(&self, timeout: Duration) -> KafkaResult<Option<Taken<'c>>> {
        match self.consumer.poll(timeout) {
            Some(Ok(message)) => {
                return Ok(self
                    .tenure(&message)
                    .map(|tenure| Taken { message, tenure }));
            }
            Some(Err(error)) => debug!("already reported by the client's error callback: {error}"),
            None => {}
        }
        // a poll returns a fatal error once, and as one of several codes; the client knows it from then on
        match self.consumer.client().fatal_error() {
            Some((code, _)) => Err(KafkaError::MessageConsumptionFatal(code)),
            None => Ok(None),
        }
    }

    fn tenure(&self, message: &BorrowedMessage<'_>) -> Option<u64> {
        self.consumer
            .context()
            .shared
            .member()
            .tenure(message.topic(), message.partition())
    }
}

fn size(message: &BorrowedMessage<'_>) -> usize {
    message.key_len() + message.payload_len()
}
