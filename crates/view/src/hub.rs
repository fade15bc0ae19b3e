//! Pages of all practices. In: facts from the mounting program; workers' events. Out: to each page a snapshot, then patches.
//! Facts are processed once, and one connection is open to each worker, for any number of pages; without a page there is
//! no connection to a worker. Deliberately absent: Kafka and Kubernetes. The lock is never held across an await.

use std::{
    collections::{BTreeMap, HashMap},
    pin::Pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use futures::Stream;
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use jiff::Timestamp;
use practice_contract::events::WorkerEvent;
use serde_json::{Value, json};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, mpsc},
    task::AbortHandle,
    time::{Instant, MissedTickBehavior, interval_at},
};
use tokio_util::sync::CancellationToken;

use crate::{
    action::{Doing, Means},
    facts::{Consumer, Facts, Key},
    model::{Actions, Line},
    practice::Practice,
    workers::{self, Http},
};

/// Time between two points of history.
const POINT: Duration = Duration::from_secs(2);
/// Points between two heartbeats: ten seconds.
const BEAT: u64 = 5;
/// Most open pages, of all practices together.
const MOST_PAGES: usize = 256;
/// Most connections to workers for one practice; a page shows fewer consumers.
const MOST_WORKERS: usize = 256;

/// The latest state of each practice, and its open pages. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Hub(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    means: Means,
    known: Mutex<Known>,
    /// Number of pages opened so far.
    opened: AtomicU64,
    seats: Arc<Semaphore>,
    http: Http,
    closing: CancellationToken,
}

#[derive(Debug, Default)]
struct Known {
    practices: BTreeMap<Key, Practice>,
    /// Open connections to workers, by practice and address.
    listening: HashMap<(Key, String), Listening>,
}

/// A connection to a worker, closed when this is dropped.
#[derive(Debug)]
struct Listening {
    consumer: String,
    task: AbortHandle,
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Why no page could be opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NoPage {
    /// The mounting program has not published this practice.
    Unknown,
    /// The maximum of pages is open.
    Full,
}

impl Hub {
    /// A hub without practices. [`run`](Self::run) must run for history, heartbeats and shutdown.
    pub fn new(means: Means) -> Self {
        Self(Arc::new(Shared {
            means,
            known: Mutex::default(),
            opened: AtomicU64::new(0),
            seats: Arc::new(Semaphore::new(MOST_PAGES)),
            http: Client::builder(TokioExecutor::new()).build_http(),
            closing: CancellationToken::new(),
        }))
    }

    /// Replaces the facts of a practice. Call it on a tokio runtime after every poll that differs, and when a process starts or
    /// ends. Pages get the difference; a slow page blocks nothing.
    pub fn publish(&self, facts: Facts) {
        let mut known = self.known();
        let key = facts.key.clone();
        match known.practices.get_mut(&key) {
            Some(practice) => {
                practice.publish(facts);
                self.flow(&key, practice);
            }
            None => {
                known
                    .practices
                    .insert(key.clone(), Practice::new(facts, self.actions()));
            }
        }
        self.attend(&mut known, &key);
    }

    /// Removes a practice and ends its pages.
    pub fn forget(&self, key: &Key) {
        let mut known = self.known();
        known.practices.remove(key);
        self.attend(&mut known, key);
    }

    /// Every practice that was published and not forgotten.
    pub fn keys(&self) -> Vec<Key> {
        self.known().practices.keys().cloned().collect()
    }

    /// Whether a page of a practice is open. Only then are `Consumer::url`s used.
    pub fn is_watched(&self, key: &Key) -> bool {
        self.read(key, |practice| !practice.pages.is_empty())
            .unwrap_or(false)
    }

    /// Adds history points and sends heartbeats until `shutdown`; then every page ends.
    pub async fn run(&self, shutdown: CancellationToken) {
        let mut ticks = interval_at(Instant::now() + POINT, POINT);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut count: u64 = 0;
        while shutdown.run_until_cancelled(ticks.tick()).await.is_some() {
            count += 1;
            self.tick(count, Timestamp::now().as_millisecond());
        }
        self.0.closing.cancel();
        *self.known() = Known::default();
    }

    fn tick(&self, count: u64, now: i64) {
        for practice in self.known().practices.values_mut() {
            practice.point(now);
            if count.is_multiple_of(BEAT) {
                practice.pages.send("beat", &json!({"now": now}));
            }
        }
    }

    /// The entries of the list of practices.
    pub(crate) fn list(&self) -> Vec<Line> {
        self.known()
            .practices
            .values()
            .map(Practice::line)
            .collect()
    }

    /// A practice's whole state as JSON.
    pub(crate) fn whole(&self, key: &Key) -> Option<Value> {
        self.read(key, Practice::whole)
    }

    /// Reads from a practice under the lock: `ask` must be short.
    pub(crate) fn read<T>(&self, key: &Key, ask: impl FnOnce(&Practice) -> T) -> Option<T> {
        self.known().practices.get(key).map(ask)
    }

    /// Shows an acknowledged message before the next poll of Kafka.
    pub(crate) fn sent(&self, key: &Key, topic: &str, partition: i32, offset: i64) {
        if let Some(practice) = self.known().practices.get_mut(key) {
            practice.sent(topic, partition, offset);
            self.flow(key, practice);
        }
    }

    /// Sends a practice's flow to its pages: at once, or 100 ms after the last batch.
    fn flow(&self, key: &Key, practice: &mut Practice) {
        if let Some(wait) = practice.flow(Timestamp::now().as_millisecond()) {
            let (hub, key) = (self.clone(), key.clone());
            tokio::spawn(async move {
                tokio::time::sleep(wait).await;
                if let Some(practice) = hub.known().practices.get_mut(&key) {
                    practice.flow_now(Timestamp::now().as_millisecond());
                }
            });
        }
    }

    /// Opens a page.
    pub(crate) fn open(&self, key: &Key) -> Result<Page, NoPage> {
        let permit = Arc::clone(&self.0.seats)
            .try_acquire_owned()
            .map_err(|_| NoPage::Full)?;
        let mut known = self.known();
        let practice = known.practices.get_mut(key).ok_or(NoPage::Unknown)?;
        let is_first = practice.pages.is_empty();
        let number = self.0.opened.fetch_add(1, Ordering::Relaxed);
        let frames = practice.open(number);
        self.attend(&mut known, key);
        drop(known);
        if is_first {
            (self.0.means.request_poll)(key);
        }
        Ok(Page {
            frames,
            _seat: Seat {
                hub: self.clone(),
                key: key.clone(),
                number,
                _permit: permit,
            },
        })
    }

    pub(crate) fn means(&self) -> &Means {
        &self.0.means
    }

    pub(crate) fn http(&self) -> &Http {
        &self.0.http
    }

    /// Cancelled when every stream has to end.
    pub(crate) fn closing(&self) -> CancellationToken {
        self.0.closing.clone()
    }

    fn actions(&self) -> Actions {
        match &self.0.means.doing {
            Doing::On(_) => Actions {
                enabled: true,
                how: None,
            },
            Doing::Off { how } => Actions {
                enabled: false,
                how: Some(how.clone()),
            },
        }
    }

    fn close(&self, key: &Key, number: u64) {
        let mut known = self.known();
        if let Some(practice) = known.practices.get_mut(key) {
            practice.pages.close(number);
        }
        self.attend(&mut known, key);
    }

    /// Connects to a practice's workers while a page of it is open, and closes other connections.
    fn attend(&self, known: &mut Known, key: &Key) {
        let wanted: HashMap<&str, &Consumer> = known
            .practices
            .get(key)
            .filter(|practice| !practice.pages.is_empty())
            .into_iter()
            .flat_map(Practice::listenable)
            .take(MOST_WORKERS)
            .collect();
        known.listening.retain(|(practice, url), listening| {
            practice != key
                || wanted
                    .get(url.as_str())
                    .is_some_and(|consumer| consumer.name == listening.consumer)
        });
        for (url, consumer) in wanted {
            let at = (key.clone(), url.to_owned());
            known
                .listening
                .entry(at)
                .or_insert_with(|| self.listen(key, url, consumer));
        }
    }

    fn listen(&self, key: &Key, url: &str, consumer: &Consumer) -> Listening {
        let (hub, key, source) = (self.clone(), key.clone(), consumer.clone());
        let report = move |event: WorkerEvent| hub.handle_event(&key, &source, &event);
        let task = tokio::spawn(workers::listen(self.0.http.clone(), url.to_owned(), report));
        Listening {
            consumer: consumer.name.clone(),
            task: task.abort_handle(),
        }
    }

    fn handle_event(&self, key: &Key, consumer: &Consumer, event: &WorkerEvent) {
        let is_rebalance = self.known().practices.get_mut(key).is_some_and(|practice| {
            let is_rebalance = practice.handle_event(consumer, event);
            self.flow(key, practice);
            is_rebalance
        });
        if is_rebalance {
            (self.0.means.request_poll)(key);
        }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        // each change under the lock is complete: after a panic the state is consistent
        self.0.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The server-sent events of one page; ends when the page is too slow, or the practice or the program ends.
pub(crate) struct Page {
    frames: mpsc::Receiver<Bytes>,
    _seat: Seat,
}

/// A page's place, released when this is dropped.
struct Seat {
    hub: Hub,
    key: Key,
    number: u64,
    _permit: OwnedSemaphorePermit,
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.hub.close(&self.key, self.number);
    }
}

impl Stream for Page {
    type Item = Bytes;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Bytes>> {
        self.frames.poll_recv(context)
    }
}
