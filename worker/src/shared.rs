//! What the poll thread writes and HTTP reads. In: changes from the poll thread. Out: `/status`, events, liveness.
//! Locks are held for moments and never while waiting for Kafka or for standard output.

use std::{
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use jiff::Timestamp;
use practice_contract::{
    WorkerSettings,
    events::WorkerEvent,
    handled::{Handled, HandledQuery},
    status::WorkerStatus,
};
use tokio::sync::broadcast;

use crate::{
    client_log::PrintedLines,
    ledger::Ledger,
    ledger_file::{LedgerError, LedgerFile},
    member::Member,
};

/// Events that a reader of `/events` may be behind before it misses some.
const EVENTS: usize = 256;
/// The poll loop turns several times a second; a loop that has not for so long is stuck.
const STUCK: Duration = Duration::from_secs(30);

/// One worker, seen from all its threads.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) settings: WorkerSettings,
    /// `client.id`.
    pub(crate) instance: String,
    started_at: i64,
    member: Mutex<Member>,
    ledger: Option<LedgerFile>,
    events: broadcast::Sender<WorkerEvent>,
    printed: Mutex<PrintedLines>,
    began: Instant,
    /// When the poll loop turned last, milliseconds since `began`: the time of day may be set while it is stuck.
    turned: AtomicU64,
    stopping: AtomicBool,
}

impl Shared {
    /// # Errors
    /// The ledger file cannot be written.
    pub(crate) fn new(settings: WorkerSettings) -> Result<Self, LedgerError> {
        let instance = settings
            .instance
            .clone()
            .unwrap_or_else(|| format!("practice-worker-{}", std::process::id()));
        let ledger = settings.ledger.as_deref().map(LedgerFile::open);
        let ledger = ledger.transpose()?;
        let member = match ledger {
            Some(_) => Member::with(Ledger::for_file()),
            None => Member::default(),
        };
        Ok(Self {
            instance,
            settings,
            started_at: now(),
            member: Mutex::new(member),
            ledger,
            events: broadcast::channel(EVENTS).0,
            printed: Mutex::default(),
            began: Instant::now(),
            turned: AtomicU64::new(0),
            stopping: AtomicBool::new(false),
        })
    }

    pub(crate) fn member(&self) -> MutexGuard<'_, Member> {
        lock(&self.member)
    }

    /// Publishes an event to the readers of `/events`. `event` is built only if there are any.
    pub(crate) fn publish(&self, event: impl FnOnce() -> WorkerEvent) {
        if self.events.receiver_count() > 0 {
            let _ = self.events.send(event());
        }
    }

    pub(crate) fn listen(&self) -> broadcast::Receiver<WorkerEvent> {
        self.events.subscribe()
    }

    /// Whether a line of the client is news, whichever client it comes from.
    pub(crate) fn is_news(&self, line: &str) -> bool {
        lock(&self.printed).is_news(line, now())
    }

    pub(crate) fn turn(&self) {
        self.turned.store(self.tick(), Ordering::Relaxed);
    }

    /// Whether the poll loop moves.
    pub(crate) fn is_live(&self) -> bool {
        let still = self
            .tick()
            .saturating_sub(self.turned.load(Ordering::Relaxed));
        Duration::from_millis(still) < STUCK
    }

    /// Milliseconds since `began`.
    pub(crate) fn tick(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// Why this consumer does not join its group: `group g is Stopped: this consumer does not join it`.
    pub(crate) fn hold(&self) -> Option<String> {
        let (group, hold) = (&self.settings.group, self.settings.hold?);
        Some(format!(
            "group {group} {}: this consumer does not join it",
            hold.phrase()
        ))
    }

    pub(crate) fn stop(&self) {
        self.stopping.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }

    /// Appends to the ledger file what it lacks.
    ///
    /// # Errors
    /// The file cannot be written, now or before.
    pub(crate) fn write_ledger(&self) -> Result<(), LedgerError> {
        let Some(file) = &self.ledger else {
            return Ok(());
        };
        let ranges = self.member().take_unwritten();
        file.append(&self.instance, &self.settings.group, ranges)
    }

    /// The handled messages that a query asks for.
    pub(crate) fn handled(&self, query: &HandledQuery) -> Handled {
        let member = self.member();
        let (ranges, more) = member.ledger().find(query);
        Handled {
            instance: self.instance.clone(),
            group: self.settings.group.clone(),
            started_at: self.started_at,
            known_since: member.ledger().known_since(self.started_at),
            ranges,
            more,
        }
    }

    pub(crate) fn status(&self) -> WorkerStatus {
        let member = self.member();
        WorkerStatus {
            instance: self.instance.clone(),
            group: self.settings.group.clone(),
            topics: self.settings.topics.clone(),
            protocol: self.settings.protocol,
            assignor: self.settings.assignor,
            member_id: member.id.clone(),
            joined: member.joined,
            hold: self.settings.hold,
            assignment: member.assignment(),
            consumed: member.counts.consumed,
            abandoned: member.counts.abandoned,
            rebalances: member.rebalances(),
            started_at: self.started_at,
        }
    }
}

/// Milliseconds since the epoch.
pub(crate) fn now() -> i64 {
    Timestamp::now().as_millisecond()
}

/// A lock whose holder panicked still guards complete values here: each change is one assignment or one push.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
