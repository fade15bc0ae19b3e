//! One reader per Kafka, shared by all practices on it. In: topics and groups that practices use. Out: the latest poll of them,
//! and a request to reconcile each practice whose part of it changed. Deliberately absent: any evaluation of a poll.

mod difference;
mod history;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use practice_groups::{KafkaError, OtherGroups, PollResult, Snapshot, TopicSeen};
use practice_kafka::{Kafka, Listener};
use tokio::sync::{Notify, mpsc, watch};
use tokio_util::sync::{CancellationToken, DropGuard};

use self::{difference::differs, history::History};

/// Pause between two polls; a requested poll starts at once.
const PAUSE: Duration = Duration::from_secs(2);
/// Pause between two polls of groups of other applications.
const ROUND: Duration = Duration::from_secs(10);
/// Groups of other applications are reported only after no practice has changed its topics or groups for this long: until then
/// a group may belong to a practice that is not registered yet.
const SETTLED: Duration = Duration::from_secs(10);
/// How long a caller waits for a poll before it gets an error: the current one may take ten seconds, and so may the next.
const PATIENCE: Duration = Duration::from_secs(21);

/// `namespace/name` of a practice.
pub type Key = (String, String);

/// Topics and groups that one practice uses.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Interest {
    /// Topics.
    pub topics: BTreeSet<String>,
    /// Group ids.
    pub groups: BTreeSet<String>,
}

impl Interest {
    /// Whether a snapshot contains all of them.
    fn is_in(&self, snapshot: &Snapshot) -> bool {
        self.topics
            .iter()
            .all(|topic| snapshot.topics.contains_key(topic))
            && self
                .groups
                .iter()
                .all(|group| snapshot.groups.contains_key(group))
    }
}

/// All readers, by bootstrap servers.
#[derive(Debug)]
pub struct Readers {
    by_kafka: Mutex<HashMap<String, Arc<Reader>>>,
    /// History of the polls of each Kafka; also of one that is polled without a reader.
    histories: Mutex<HashMap<String, Arc<History>>>,
    request_reconcile: mpsc::UnboundedSender<Key>,
    listener: Listener,
}

impl Readers {
    /// No readers yet. `request_reconcile` receives practices whose part of Kafka changed, `listener` each call to a Kafka.
    pub fn new(request_reconcile: mpsc::UnboundedSender<Key>, listener: Listener) -> Self {
        Self {
            by_kafka: Mutex::default(),
            histories: Mutex::default(),
            request_reconcile,
            listener,
        }
    }

    /// The reader of a Kafka, started on first use.
    pub fn reader(&self, bootstrap: &str) -> Arc<Reader> {
        let mut readers = lock(&self.by_kafka);
        let kafka = || Kafka::connect_with(bootstrap, &self.listener);
        let start = || {
            Arc::new(Reader::start(
                kafka(),
                self.history(bootstrap),
                self.request_reconcile.clone(),
            ))
        };
        readers
            .entry(bootstrap.to_owned())
            .or_insert_with(start)
            .clone()
    }

    /// Whether two addresses lead to one Kafka; `None`: one of them has not been polled.
    pub fn is_same_kafka(&self, one: &str, other: &str) -> Option<bool> {
        if one == other {
            return Some(true);
        }
        let readers = lock(&self.by_kafka);
        let identity = |address: &str| readers.get(address)?.kafka.identity();
        Some(identity(one)?.is_same(&identity(other)?))
    }

    /// Polls every Kafka that a practice uses at once.
    pub fn request_poll(&self, practice: &Key) {
        let readers = lock(&self.by_kafka);
        let interested = |reader: &&Arc<Reader>| reader.interests().contains_key(practice);
        readers
            .values()
            .filter(interested)
            .for_each(|reader| reader.shared.wanted.notify_one());
    }

    /// Removes a practice from all readers except the one of this Kafka, if given. A reader without practices stops.
    pub fn forget(&self, practice: &Key, except: Option<&str>) {
        let mut readers = lock(&self.by_kafka);
        readers.retain(|bootstrap, reader| except == Some(bootstrap) || reader.forget(practice));
        let mut histories = lock(&self.histories);
        histories
            .retain(|bootstrap, _| except == Some(bootstrap) || readers.contains_key(bootstrap));
    }
}

/// Polls one Kafka until it is dropped.
#[derive(Debug)]
pub struct Reader {
    kafka: Kafka,
    shared: Arc<Shared>,
    polls: watch::Receiver<Numbered>,
    _ends_with_us: DropGuard,
}

#[derive(Debug, Default)]
struct Shared {
    interests: Mutex<BTreeMap<Key, Interest>>,
    wanted: Notify,
    other_groups: Mutex<OtherGroups>,
    /// When a practice last changed its topics or groups.
    changed: Mutex<Option<Instant>>,
}

/// All topics and groups that practices use.
fn union(interests: &BTreeMap<Key, Interest>) -> (BTreeSet<String>, BTreeSet<String>) {
    let all =
        |of: fn(&Interest) -> &BTreeSet<String>| interests.values().flat_map(of).cloned().collect();
    (
        all(|interest| &interest.topics),
        all(|interest| &interest.groups),
    )
}

impl Shared {
    fn is_settled(&self) -> bool {
        lock(&self.changed).is_some_and(|changed| changed.elapsed() >= SETTLED)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The latest poll and its number; number 0 is none yet. An interest that was registered while `begun` was n is in every poll
/// with a number above n.
#[derive(Debug, Clone)]
struct Numbered {
    begun: u64,
    done: u64,
    poll: Option<PollResult>,
}

impl Reader {
    fn start(
        kafka: Kafka,
        history: Arc<History>,
        request_reconcile: mpsc::UnboundedSender<Key>,
    ) -> Self {
        let shared = Arc::new(Shared::default());
        let (sender, polls) = watch::channel(Numbered {
            begun: 0,
            done: 0,
            poll: None,
        });
        let token = CancellationToken::new();
        let run = run(
            kafka.clone(),
            shared.clone(),
            history,
            sender,
            request_reconcile,
        );
        tokio::spawn(token.clone().run_until_cancelled_owned(run));
        tokio::spawn(token.clone().run_until_cancelled_owned(poll_other_groups(
            kafka.clone(),
            shared.clone(),
            polls.clone(),
        )));
        Self {
            kafka,
            shared,
            polls,
            _ends_with_us: token.drop_guard(),
        }
    }

    /// The connection, for changes.
    pub fn kafka(&self) -> &Kafka {
        &self.kafka
    }

    /// The latest poll, if it contains `interest` and `interest` is not new; otherwise the next one.
    pub async fn poll(&self, practice: &Key, interest: &Interest) -> PollResult {
        let known = self
            .interests()
            .insert(practice.clone(), interest.clone())
            .as_ref()
            == Some(interest);
        if !known {
            *lock(&self.shared.changed) = Some(Instant::now());
        }
        let current = self.polls.borrow().poll.clone();
        match current {
            // Kafka is known to be down: do not wait for another timeout
            Some(Err(error)) => Err(error),
            Some(Ok(snapshot)) if known && interest.is_in(&snapshot) => Ok(snapshot),
            _ => self.fresh().await,
        }
    }

    /// A poll that begins after this call.
    pub async fn fresh(&self) -> PollResult {
        let mut polls = self.polls.clone();
        let begun = polls.borrow().begun;
        self.shared.wanted.notify_one();
        let next =
            tokio::time::timeout(PATIENCE, polls.wait_for(|numbered| numbered.done > begun)).await;
        match next {
            Ok(Ok(numbered)) => numbered
                .poll
                .clone()
                .unwrap_or_else(|| Err(Arc::new(KafkaError::TimedOut))),
            Ok(Err(_)) | Err(_) => Err(Arc::new(KafkaError::TimedOut)),
        }
    }

    fn forget(&self, practice: &Key) -> bool {
        let mut interests = self.interests();
        interests.remove(practice);
        !interests.is_empty()
    }

    fn interests(&self) -> MutexGuard<'_, BTreeMap<Key, Interest>> {
        lock(&self.shared.interests)
    }
}

async fn run(
    kafka: Kafka,
    shared: Arc<Shared>,
    history: Arc<History>,
    polls: watch::Sender<Numbered>,
    request_reconcile: mpsc::UnboundedSender<Key>,
) {
    loop {
        // first: an interest that is registered from here on waits for the next poll
        polls.send_modify(|numbered| numbered.begun += 1);
        let interests = lock(&shared.interests).clone();
        let (topics, groups) = union(&interests);
        let others = lock(&shared.other_groups).noted();
        let names = |names: &BTreeSet<String>| names.iter().cloned().collect::<Vec<_>>();
        let asked = Instant::now();
        let poll = kafka
            .observe(&names(&topics), &names(&groups))
            .await
            .map(|mut snapshot| {
                history.note(&mut snapshot);
                if let Some(Ok(before)) = &polls.borrow().poll {
                    snapshot.share(before);
                }
                snapshot.other_groups =
                    lock(&shared.other_groups).report(others, &snapshot, &groups);
                Arc::new(snapshot)
            });
        let poll: PollResult = poll.map_err(Arc::new);
        let took_ms = u64::try_from(asked.elapsed().as_millis()).unwrap_or(u64::MAX);
        tracing::debug!(
            topics = topics.len(),
            groups = groups.len(),
            took_ms,
            "polled Kafka"
        );
        let mut before = None;
        polls.send_modify(|numbered| {
            before = numbered.poll.replace(poll.clone());
            numbered.done = numbered.begun;
        });
        for (practice, interest) in &interests {
            if differs(before.as_ref(), &poll, interest) {
                let _ = request_reconcile.send(practice.clone()); // the receiver is closed: the operator is shutting down
            }
        }
        let _ = tokio::time::timeout(PAUSE, shared.wanted.notified()).await;
    }
}

/// Polls groups of other applications, less often than the practices' own: there may be thousands of them.
async fn poll_other_groups(kafka: Kafka, shared: Arc<Shared>, polls: watch::Receiver<Numbered>) {
    loop {
        let ours = union(&lock(&shared.interests)).1;
        let topics = partition_counts(polls.borrow().poll.as_ref());
        if topics.is_empty() || !shared.is_settled() {
            tokio::time::sleep(PAUSE).await;
            continue;
        }
        if let Ok((there, all)) = kafka.group_ids().await {
            let next = lock(&shared.other_groups).round(&there, all, &ours);
            if let Ok(groups) = kafka.other_groups(&next, &topics).await {
                lock(&shared.other_groups).note(groups);
            }
        }
        tokio::time::sleep(ROUND).await;
    }
}

/// The number of partitions of each topic that exists, by the latest poll.
fn partition_counts(poll: Option<&PollResult>) -> BTreeMap<String, usize> {
    let snapshot = poll.and_then(|poll| poll.as_ref().ok());
    let topics = snapshot.into_iter().flat_map(|snapshot| &snapshot.topics);
    let count = |(name, seen): (&String, &TopicSeen)| match seen {
        TopicSeen::Present(facts) => Some((name.clone(), facts.partitions.len())),
        TopicSeen::Missing | TopicSeen::Unknown(_) => None,
    };
    topics.filter_map(count).collect()
}

#[cfg(test)]
mod tests;
