//! A steady stream of messages to practise lag with. In: how many and how large. Out: messages to each topic in turn.
//! What Kafka does not take in time is left out, not made up for: memory stays bounded and the rate stays what was asked.

use std::{
    fmt::Write,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use practice_contract::producer::Load;
use prometheus_client::metrics::counter::Counter;
use tokio::time::{Instant, MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::{
    failure::Failure,
    send::{Delivery, Kafka, Waiting},
    topics::Topics,
};

/// Interval of the check for due messages.
const TICK: Duration = Duration::from_millis(10);
/// What may wait for acknowledgement: so much, and a client's own messages still find room.
const OUTSTANDING_MESSAGES: usize = 5_000;
const OUTSTANDING_BYTES: usize = 4 * 1024 * 1024;

/// What became of the stream's messages.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    outstanding: AtomicUsize,
    /// Acknowledged.
    pub(crate) acknowledged: Counter,
    /// Given up by the client.
    pub(crate) failed: Counter,
}

/// One message of the stream on its way.
#[derive(Debug)]
pub(crate) struct Outstanding(Arc<Counts>);

impl Outstanding {
    fn new(counts: &Arc<Counts>) -> Self {
        counts.outstanding.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(counts))
    }

    pub(crate) fn reported(self, report: &Result<Delivery, Failure>) {
        match report {
            Ok(_) => {
                self.0.acknowledged.inc();
            }
            Err(failure) => {
                if self.0.failed.inc() == 0 {
                    warn!(
                        error = %failure.code,
                        "a message of the steady stream was not acknowledged; metrics count the next ones"
                    );
                }
            }
        }
    }
}

impl Drop for Outstanding {
    fn drop(&mut self) {
        self.0.outstanding.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Sends until `shutdown`.
pub(crate) async fn run(
    load: Load,
    names: Vec<String>,
    topics: Arc<Topics>,
    kafka: Arc<Kafka>,
    counts: Arc<Counts>,
    shutdown: CancellationToken,
) {
    let most = most_outstanding(load.value_bytes);
    let mut trend = Schedule {
        rate: load.messages_per_second,
        begun: Instant::now(),
        number: 0,
    };
    let mut ticks = interval(TICK.max(Duration::from_secs(1) / load.messages_per_second.max(1)));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut value = String::new();
    let mut turn = names.iter().cycle();
    while shutdown.run_until_cancelled(ticks.tick()).await.is_some() {
        for number in trend.due(Instant::now()) {
            let Some(name) = turn.next() else { return };
            if counts.outstanding.load(Ordering::Relaxed) >= most
                || topics.partitions(name).is_err()
            {
                continue;
            }
            write_value(&mut value, number, load.value_bytes);
            let _ = kafka.enqueue(
                name,
                None,
                kafka.random_key().as_deref(),
                &value,
                Waiting::Load(Outstanding::new(&counts)),
            );
        }
    }
}

fn most_outstanding(value_bytes: u32) -> usize {
    (OUTSTANDING_BYTES / (value_bytes.max(1) as usize)).clamp(1, OUTSTANDING_MESSAGES)
}

/// `load 17 ......` of exactly `bytes` bytes.
fn write_value(value: &mut String, number: u64, bytes: u32) {
    value.clear();
    let _ = write!(value, "load {number} ");
    value.truncate(bytes as usize);
    value.extend(std::iter::repeat_n('.', (bytes as usize) - value.len()));
}

/// Which messages are due: numbered from 0, at most a second's worth at once.
struct Schedule {
    rate: u32,
    begun: Instant,
    number: u64,
}

impl Schedule {
    fn due(&mut self, now: Instant) -> std::ops::Range<u64> {
        let elapsed = now.duration_since(self.begun);
        let until = u64::try_from(elapsed.as_nanos() * u128::from(self.rate) / 1_000_000_000)
            .unwrap_or(u64::MAX);
        let from = self.number.max(until.saturating_sub(u64::from(self.rate)));
        self.number = until.max(self.number);
        from..self.number
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pace_is_kept_without_a_burst_after_a_pause() {
        let begun = Instant::now();
        let mut trend = Schedule {
            rate: 100,
            begun,
            number: 0,
        };
        let at = |millis| begun + Duration::from_millis(millis);
        assert_eq!(trend.due(at(0)), 0..0);
        assert_eq!(trend.due(at(50)), 0..5);
        assert_eq!(trend.due(at(59)), 5..5);
        assert_eq!(trend.due(at(60)), 5..6);
        assert_eq!(trend.due(at(10_000)), 900..1000);
        let mut odd = Schedule {
            rate: 7,
            begun,
            number: 0,
        };
        assert_eq!(
            (0..1000)
                .map(|tick| odd.due(at(tick * 10)).count())
                .sum::<usize>(),
            69
        );
    }

    #[test]
    fn values_have_the_size_that_was_asked_for() {
        let mut value = String::new();
        for bytes in [1, 5, 100, 100_000] {
            write_value(&mut value, 42, bytes);
            assert_eq!(value.len(), bytes as usize);
        }
        assert!(value.starts_with("load 42 ."));
        assert_eq!(most_outstanding(100), 5_000);
        assert_eq!(most_outstanding(100_000), 41);
    }
}
