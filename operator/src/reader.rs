//! One reader per Kafka, however many practices look at it. In: which topics and groups practices care about. Out: the
//! latest look at them, and a nudge to each practice whose part of it changed. Deliberately absent: what a look means.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use practice_groups::{Kafka, KafkaError, Pace, Paces, Snapshot};
use tokio::sync::{Notify, mpsc, watch};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::{
    plan::{GroupPlan, Plan},
    status::reset,
};

/// Pause between two looks; a look that is asked for comes sooner.
const PAUSE: Duration = Duration::from_secs(2);
/// How long a caller waits for a look before it is told that there is none.
const PATIENCE: Duration = Duration::from_secs(11);

/// `namespace/name` of a practice.
pub type Key = (String, String);

/// What one practice cares about.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Interest {
    /// Topics.
    pub topics: BTreeSet<String>,
    /// Group ids.
    pub groups: BTreeSet<String>,
}

/// One look at Kafka, or why there is none.
pub type Look = Result<Arc<Snapshot>, Arc<KafkaError>>;

/// All readers, by bootstrap servers.
#[derive(Debug)]
pub struct Readers {
    readers: Mutex<HashMap<String, Arc<Reader>>>,
    /// What the looks at each Kafka have told so far; also of one that is looked at without a reader.
    histories: Mutex<HashMap<String, Arc<History>>>,
    nudge: mpsc::UnboundedSender<Key>,
}

/// What takes several looks at one Kafka to know.
#[derive(Debug)]
struct History {
    begun: Instant,
    paces: Mutex<Paces>,
}

impl History {
    fn note(&self, snapshot: &mut Snapshot) {
        self.paces.lock().unwrap_or_else(PoisonError::into_inner).feed(snapshot, self.begun.elapsed());
    }
}

impl Readers {
    /// None yet. `nudge` is told which practice's part of Kafka changed.
    pub fn new(nudge: mpsc::UnboundedSender<Key>) -> Self {
        Self { readers: Mutex::default(), histories: Mutex::default(), nudge }
    }

    fn history(&self, bootstrap: &str) -> Arc<History> {
        let mut histories = self.histories.lock().unwrap_or_else(PoisonError::into_inner);
        let new = || Arc::new(History { begun: Instant::now(), paces: Mutex::default() });
        histories.entry(bootstrap.to_owned()).or_insert_with(new).clone()
    }

    /// Takes in a look that was made without a reader.
    pub fn note(&self, bootstrap: &str, mut look: Arc<Snapshot>) -> Arc<Snapshot> {
        self.history(bootstrap).note(Arc::make_mut(&mut look));
        look
    }

    /// How the groups of a practice get on, by group id.
    pub fn paces(&self, plan: &Plan, snapshot: &Snapshot) -> BTreeMap<String, Pace> {
        let history = self.history(&plan.bootstrap);
        let paces = history.paces.lock().unwrap_or_else(PoisonError::into_inner);
        let each = |group: &GroupPlan| (group.id.clone(), paces.pace(snapshot, &group.id, &group.topics, reset(group)));
        plan.groups.iter().map(each).collect()
    }

    /// The reader of a Kafka, started when it is first asked for.
    pub fn reader(&self, bootstrap: &str) -> Arc<Reader> {
        let mut readers = self.readers.lock().unwrap_or_else(PoisonError::into_inner);
        let start = || Arc::new(Reader::start(bootstrap, self.history(bootstrap), self.nudge.clone()));
        readers.entry(bootstrap.to_owned()).or_insert_with(start).clone()
    }

    /// Looks at once at every Kafka that a practice cares about.
    pub fn stir(&self, practice: &Key) {
        let readers = self.readers.lock().unwrap_or_else(PoisonError::into_inner);
        let interested = |reader: &&Arc<Reader>| reader.interests().contains_key(practice);
        readers.values().filter(interested).for_each(|reader| reader.shared.wanted.notify_one());
    }

    /// A practice cares about nothing any more, except (if given) on this Kafka. A reader without practices ends.
    pub fn forget(&self, practice: &Key, except: Option<&str>) {
        let mut readers = self.readers.lock().unwrap_or_else(PoisonError::into_inner);
        readers.retain(|bootstrap, reader| except == Some(bootstrap) || reader.forget(practice));
        let mut histories = self.histories.lock().unwrap_or_else(PoisonError::into_inner);
        histories.retain(|bootstrap, _| except == Some(bootstrap) || readers.contains_key(bootstrap));
    }
}

/// Looks at one Kafka, again and again, until it is dropped.
#[derive(Debug)]
pub struct Reader {
    kafka: Kafka,
    shared: Arc<Shared>,
    looks: watch::Receiver<Numbered>,
    _ends_with_us: DropGuard,
}

#[derive(Debug, Default)]
struct Shared {
    interests: Mutex<BTreeMap<Key, Interest>>,
    wanted: Notify,
}

/// A look and its number; number 0 is none yet. A look begun after number n was published has a number above n + 1 at most.
#[derive(Debug, Clone)]
struct Numbered {
    begun: u64,
    done: u64,
    look: Option<Look>,
}

impl Reader {
    fn start(bootstrap: &str, history: Arc<History>, nudge: mpsc::UnboundedSender<Key>) -> Self {
        let kafka = Kafka::connect(bootstrap);
        let shared = Arc::new(Shared::default());
        let (sender, looks) = watch::channel(Numbered { begun: 0, done: 0, look: None });
        let token = CancellationToken::new();
        let run = run(kafka.clone(), shared.clone(), history, sender, nudge);
        tokio::spawn(token.clone().run_until_cancelled_owned(run));
        Self { kafka, shared, looks, _ends_with_us: token.drop_guard() }
    }

    /// The connection, for what has to be changed.
    pub fn kafka(&self) -> &Kafka {
        &self.kafka
    }

    /// The latest look, if it covers `interest`; otherwise the next one.
    pub async fn look(&self, practice: &Key, interest: &Interest) -> Look {
        let known = self.interests().insert(practice.clone(), interest.clone()).as_ref() == Some(interest);
        let current = self.looks.borrow().look.clone();
        match current {
            // a Kafka that is down is known to be: nobody waits for it again
            Some(Err(error)) => Err(error),
            Some(look) if known => look,
            _ => self.fresh().await,
        }
    }

    /// A look that begins after this call.
    pub async fn fresh(&self) -> Look {
        let mut looks = self.looks.clone();
        let begun = looks.borrow().begun;
        self.shared.wanted.notify_one();
        let next = tokio::time::timeout(PATIENCE, looks.wait_for(|numbered| numbered.done > begun)).await;
        match next {
            Ok(Ok(numbered)) => numbered.look.clone().unwrap_or_else(|| Err(Arc::new(KafkaError::TimedOut))),
            Ok(Err(_)) | Err(_) => Err(Arc::new(KafkaError::TimedOut)),
        }
    }

    fn forget(&self, practice: &Key) -> bool {
        let mut interests = self.interests();
        interests.remove(practice);
        !interests.is_empty()
    }

    fn interests(&self) -> std::sync::MutexGuard<'_, BTreeMap<Key, Interest>> {
        self.shared.interests.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn run(
    kafka: Kafka,
    shared: Arc<Shared>,
    history: Arc<History>,
    looks: watch::Sender<Numbered>,
    nudge: mpsc::UnboundedSender<Key>,
) {
    loop {
        let interests = shared.interests.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let union = |of: fn(&Interest) -> &BTreeSet<String>| -> Vec<String> {
            interests.values().flat_map(of).collect::<BTreeSet<_>>().into_iter().cloned().collect()
        };
        let (topics, groups) = (union(|i| &i.topics), union(|i| &i.groups));
        looks.send_modify(|numbered| numbered.begun += 1);
        let look = kafka.observe(&topics, &groups).await.map(|mut snapshot| {
            history.note(&mut snapshot);
            Arc::new(snapshot)
        });
        let look: Look = look.map_err(Arc::new);
        let mut before = None;
        looks.send_modify(|numbered| {
            before = numbered.look.replace(look.clone());
            numbered.done = numbered.begun;
        });
        for (practice, interest) in &interests {
            if differs(before.as_ref(), &look, interest) {
                let _ = nudge.send(practice.clone()); // nobody listens: the operator is on its way out
            }
        }
        let _ = tokio::time::timeout(PAUSE, shared.wanted.notified()).await;
    }
}

/// Whether two looks differ in what a practice cares about.
fn differs(before: Option<&Look>, now: &Look, interest: &Interest) -> bool {
    match (before, now) {
        (None, _) => false, // the first look is being waited for
        (Some(Ok(before)), Ok(now)) => {
            interest.topics.iter().any(|topic| before.topics.get(topic) != now.topics.get(topic))
                || interest.groups.iter().any(|group| before.groups.get(group) != now.groups.get(group))
        }
        (Some(Err(before)), Err(now)) => before.to_string() != now.to_string(),
        (Some(Ok(_)), Err(_)) | (Some(Err(_)), Ok(_)) => true,
    }
}
