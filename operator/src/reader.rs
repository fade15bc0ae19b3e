//! One reader per Kafka, however many practices look at it. In: which topics and groups practices care about. Out: the
//! latest look at them, and a nudge to each practice whose part of it changed. Deliberately absent: what a look means.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use practice_groups::{
    GroupHealth, HealthHistory, KafkaError, LagTrend, LagTrends, OtherGroup, OtherGroups, Snapshot,
};
use practice_kafka::{Kafka, Listener};
use practice_plan::plan::{GroupPlan, Plan};
use tokio::sync::{Notify, mpsc, watch};
use tokio_util::sync::{CancellationToken, DropGuard};

/// Pause between two looks; a look that is asked for comes sooner.
const PAUSE: Duration = Duration::from_secs(2);
/// Pause between two rounds of asking about groups of other applications.
const ROUND: Duration = Duration::from_secs(10);
/// Nobody is called foreign before every practice has said which groups are its own: after so long without a new one.
const SETTLED: Duration = Duration::from_secs(10);
/// How long a caller waits for a look before it is told that there is none: the one that is under way may take ten seconds,
/// and so may the next one.
const PATIENCE: Duration = Duration::from_secs(21);

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

impl Interest {
    /// Whether a look has something to say of all of it.
    fn is_in(&self, look: &Snapshot) -> bool {
        self.topics
            .iter()
            .all(|topic| look.topics.contains_key(topic))
            && self
                .groups
                .iter()
                .all(|group| look.groups.contains_key(group))
    }
}

/// One look at Kafka, or why there is none.
pub type Look = Result<Arc<Snapshot>, Arc<KafkaError>>;

/// All readers, by bootstrap servers.
#[derive(Debug)]
pub struct Readers {
    by_kafka: Mutex<HashMap<String, Arc<Reader>>>,
    /// What the looks at each Kafka have told so far; also of one that is looked at without a reader.
    histories: Mutex<HashMap<String, Arc<History>>>,
    nudge: mpsc::UnboundedSender<Key>,
    listener: Listener,
}

/// What takes several looks at one Kafka to know.
#[derive(Debug)]
struct History {
    begun: Instant,
    lag_trends: Mutex<LagTrends>,
    health: Mutex<HealthHistory>,
}

impl History {
    fn new() -> Self {
        Self {
            begun: Instant::now(),
            lag_trends: Mutex::default(),
            health: Mutex::default(),
        }
    }

    fn note(&self, snapshot: &mut Snapshot) {
        let tick = self.begun.elapsed();
        lock(&self.lag_trends).feed(snapshot, tick);
        lock(&self.health).feed(snapshot, tick);
    }
}

impl Readers {
    /// None yet. `nudge` is told which practice's part of Kafka changed, `listener` of each call to a Kafka.
    pub fn new(nudge: mpsc::UnboundedSender<Key>, listener: Listener) -> Self {
        Self {
            by_kafka: Mutex::default(),
            histories: Mutex::default(),
            nudge,
            listener,
        }
    }

    fn history(&self, bootstrap: &str) -> Arc<History> {
        let mut histories = lock(&self.histories);
        histories
            .entry(bootstrap.to_owned())
            .or_insert_with(|| Arc::new(History::new()))
            .clone()
    }

    /// Takes in a look that was made without a reader.
    pub fn note(&self, bootstrap: &str, mut look: Arc<Snapshot>) -> Arc<Snapshot> {
        self.history(bootstrap).note(Arc::make_mut(&mut look));
        look
    }

    /// How the groups of a practice get on now, by group id.
    pub fn lag_trends(&self, plan: &Plan, snapshot: &Snapshot) -> BTreeMap<String, LagTrend> {
        let history = self.history(&plan.bootstrap);
        let lag_trends = lock(&history.lag_trends);
        let tick = history.begun.elapsed();
        let each = |group: &GroupPlan| {
            (
                group.id.clone(),
                lag_trends.trend(snapshot, &group.id, &group.topics, group.offset_reset, tick),
            )
        };
        plan.groups.iter().map(each).collect()
    }

    /// What is the matter with the groups of a practice now, by group id.
    pub fn health(&self, plan: &Plan, snapshot: &Snapshot) -> BTreeMap<String, GroupHealth> {
        let history = self.history(&plan.bootstrap);
        let mut health = lock(&history.health);
        let tick = history.begun.elapsed();
        let each = |group: &GroupPlan| {
            let how = (group.offset_reset, group.slowest());
            (
                group.id.clone(),
                health.judge(snapshot, &group.id, &group.topics, how, tick),
            )
        };
        plan.groups.iter().map(each).collect()
    }

    /// The reader of a Kafka, started when it is first asked for.
    pub fn reader(&self, bootstrap: &str) -> Arc<Reader> {
        let mut readers = lock(&self.by_kafka);
        let kafka = || Kafka::connect_heard(bootstrap, &self.listener);
        let start = || {
            Arc::new(Reader::start(
                kafka(),
                self.history(bootstrap),
                self.nudge.clone(),
            ))
        };
        readers
            .entry(bootstrap.to_owned())
            .or_insert_with(start)
            .clone()
    }

    /// Looks at once at every Kafka that a practice cares about.
    pub fn request_poll(&self, practice: &Key) {
        let readers = lock(&self.by_kafka);
        let interested = |reader: &&Arc<Reader>| reader.interests().contains_key(practice);
        readers
            .values()
            .filter(interested)
            .for_each(|reader| reader.shared.wanted.notify_one());
    }

    /// A practice cares about nothing any more, except (if given) on this Kafka. A reader without practices ends.
    pub fn forget(&self, practice: &Key, except: Option<&str>) {
        let mut readers = lock(&self.by_kafka);
        readers.retain(|bootstrap, reader| except == Some(bootstrap) || reader.forget(practice));
        let mut histories = lock(&self.histories);
        histories
            .retain(|bootstrap, _| except == Some(bootstrap) || readers.contains_key(bootstrap));
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
    foreigners: Mutex<OtherGroups>,
    /// When a practice last cared about something else.
    changed: Mutex<Option<Instant>>,
}

/// All topics and all groups that practices care about.
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

/// A look and its number; number 0 is none yet. Whoever reads `begun` to be n is sure that what was cared about before that
/// is in every look with a number above n.
#[derive(Debug, Clone)]
struct Numbered {
    begun: u64,
    done: u64,
    look: Option<Look>,
}

impl Reader {
    fn start(kafka: Kafka, history: Arc<History>, nudge: mpsc::UnboundedSender<Key>) -> Self {
        let shared = Arc::new(Shared::default());
        let (sender, looks) = watch::channel(Numbered {
            begun: 0,
            done: 0,
            look: None,
        });
        let token = CancellationToken::new();
        let run = run(kafka.clone(), shared.clone(), history, sender, nudge);
        tokio::spawn(token.clone().run_until_cancelled_owned(run));
        tokio::spawn(
            token
                .clone()
                .run_until_cancelled_owned(ask_about_others(kafka.clone(), shared.clone())),
        );
        Self {
            kafka,
            shared,
            looks,
            _ends_with_us: token.drop_guard(),
        }
    }

    /// The connection, for what has to be changed.
    pub fn kafka(&self) -> &Kafka {
        &self.kafka
    }

    /// The latest look, if `interest` is in it and is not new; otherwise the next one.
    pub async fn look(&self, practice: &Key, interest: &Interest) -> Look {
        let known = self
            .interests()
            .insert(practice.clone(), interest.clone())
            .as_ref()
            == Some(interest);
        if !known {
            *lock(&self.shared.changed) = Some(Instant::now());
        }
        let current = self.looks.borrow().look.clone();
        match current {
            // a Kafka that is down is known to be: nobody waits for it again
            Some(Err(error)) => Err(error),
            Some(Ok(look)) if known && interest.is_in(&look) => Ok(look),
            _ => self.fresh().await,
        }
    }

    /// A look that begins after this call.
    pub async fn fresh(&self) -> Look {
        let mut looks = self.looks.clone();
        let begun = looks.borrow().begun;
        self.shared.wanted.notify_one();
        let next =
            tokio::time::timeout(PATIENCE, looks.wait_for(|numbered| numbered.done > begun)).await;
        match next {
            Ok(Ok(numbered)) => numbered
                .look
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
    looks: watch::Sender<Numbered>,
    nudge: mpsc::UnboundedSender<Key>,
) {
    loop {
        // first of all: whoever begins to care about something from here on waits for the next look
        looks.send_modify(|numbered| numbered.begun += 1);
        let interests = lock(&shared.interests).clone();
        let (topics, groups) = union(&interests);
        let others = lock(&shared.foreigners).noted();
        let names = |names: &BTreeSet<String>| names.iter().cloned().collect::<Vec<_>>();
        let asked = Instant::now();
        let look = kafka
            .observe(&names(&topics), &names(&groups))
            .await
            .map(|mut snapshot| {
                history.note(&mut snapshot);
                snapshot.other_groups = lock(&shared.foreigners).told(others, &snapshot, &groups);
                Arc::new(snapshot)
            });
        let look: Look = look.map_err(Arc::new);
        let took_ms = u64::try_from(asked.elapsed().as_millis()).unwrap_or(u64::MAX);
        tracing::debug!(
            topics = topics.len(),
            groups = groups.len(),
            took_ms,
            "looked at Kafka"
        );
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

/// Asks about the groups of other applications, again and again. Not with each look: there may be thousands of them.
async fn ask_about_others(kafka: Kafka, shared: Arc<Shared>) {
    loop {
        let (topics, ours) = union(&lock(&shared.interests));
        if topics.is_empty() || !shared.is_settled() {
            tokio::time::sleep(PAUSE).await;
            continue;
        }
        if let Ok((there, all)) = kafka.group_ids().await {
            let next = lock(&shared.foreigners).round(&there, all, &ours);
            if let Ok(said) = kafka.groups(&next).await {
                lock(&shared.foreigners).note(said);
            }
        }
        tokio::time::sleep(ROUND).await;
    }
}

/// Whether two looks differ in what a practice cares about.
fn differs(before: Option<&Look>, now: &Look, interest: &Interest) -> bool {
    match (before, now) {
        (None, _) => false, // the first look is being waited for
        (Some(Ok(before)), Ok(now)) => {
            interest
                .topics
                .iter()
                .any(|topic| before.topics.get(topic) != now.topics.get(topic))
                || interest
                    .groups
                    .iter()
                    .any(|group| before.groups.get(group) != now.groups.get(group))
                || (!same_foreign(before, now)
                    && other_groups(before, interest) != other_groups(now, interest))
        }
        (Some(Err(before)), Err(now)) => before.to_string() != now.to_string(),
        (Some(Ok(_)), Err(_)) | (Some(Err(_)), Ok(_)) => true,
    }
}

/// Nobody has asked about the groups of other applications in between.
fn same_foreign(before: &Snapshot, now: &Snapshot) -> bool {
    match (&before.other_groups, &now.other_groups) {
        (Some(before), Some(now)) => Arc::ptr_eq(before, now),
        (before, now) => before.is_none() && now.is_none(),
    }
}

/// The groups of other applications on the topics of a practice.
fn other_groups<'a>(
    look: &'a Snapshot,
    interest: &Interest,
) -> Option<Vec<(&'a String, &'a OtherGroup)>> {
    let is_of_interest = |(_, seen): &(&String, &OtherGroup)| {
        seen.on(|topic| interest.topics.contains(topic)).is_some()
    };
    Some(
        look.other_groups
            .as_ref()?
            .iter()
            .filter(is_of_interest)
            .collect(),
    )
}

#[cfg(test)]
mod tests {
    use practice_groups::{GroupSeen, TopicSeen};

    use super::*;

    /// A reader whose looks are made by the test.
    fn blind() -> (Arc<Reader>, watch::Sender<Numbered>) {
        let (sender, looks) = watch::channel(Numbered {
            begun: 0,
            done: 0,
            look: None,
        });
        let (kafka, shared) = (Kafka::connect("127.0.0.1:1"), Arc::default());
        (
            Arc::new(Reader {
                kafka,
                shared,
                looks,
                _ends_with_us: CancellationToken::new().drop_guard(),
            }),
            sender,
        )
    }

    /// Somebody is not content with the look that is there, and waits.
    async fn asks_for_another(reader: &Reader) {
        let asked =
            tokio::time::timeout(Duration::from_secs(5), reader.shared.wanted.notified()).await;
        asked.expect("another look must be asked for");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }

    /// A look at these, as the next one.
    fn publish(
        sender: &watch::Sender<Numbered>,
        topics: &[&str],
        groups: &[&str],
    ) -> Arc<Snapshot> {
        let look = Arc::new(Snapshot {
            topics: topics
                .iter()
                .map(|name| ((*name).to_owned(), TopicSeen::Missing))
                .collect(),
            groups: groups
                .iter()
                .map(|name| ((*name).to_owned(), GroupSeen::default()))
                .collect(),
            other_groups: None,
        });
        sender.send_modify(|numbered| {
            numbered.begun += 1;
            (numbered.done, numbered.look) = (numbered.begun, Some(Ok(look.clone())));
        });
        look
    }

    #[tokio::test]
    async fn a_look_without_what_a_practice_cares_about_is_none_for_it() {
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let practice = ("namespace".to_owned(), "p".to_owned());
        let interest = Interest {
            topics: names(&["t", "u"]),
            groups: names(&["g"]),
        };
        for (topics, groups) in [(&["t"][..], &["g"][..]), (&["t", "u"][..], &[][..])] {
            let (reader, sender) = blind();
            // it has cared for a while, and a look that was under way did not know that yet
            reader
                .interests()
                .insert(practice.clone(), interest.clone());
            publish(&sender, topics, groups);
            let asked = tokio::spawn({
                let (reader, practice, interest) =
                    (reader.clone(), practice.clone(), interest.clone());
                async move { reader.look(&practice, &interest).await }
            });
            asks_for_another(&reader).await;
            assert!(!asked.is_finished(), "{topics:?} {groups:?} is not enough");
            let whole = publish(&sender, &["t", "u", "more"], &["g", "h"]);
            let look = asked.await.expect("does not panic").expect("there is one");
            assert!(Arc::ptr_eq(&look, &whole));
            let again = reader
                .look(&practice, &interest)
                .await
                .expect("there is one");
            assert!(
                Arc::ptr_eq(&again, &whole),
                "nobody has to wait for what is known"
            );
        }
    }

    #[tokio::test]
    async fn whoever_cares_anew_waits_for_a_look_that_began_afterwards() {
        let (reader, sender) = blind();
        let practice = ("namespace".to_owned(), "p".to_owned());
        let interest = Interest {
            topics: ["t".to_owned()].into(),
            groups: BTreeSet::new(),
        };
        publish(&sender, &["t"], &[]); // for another practice, before this one was made
        sender.send_modify(|numbered| numbered.begun += 1);
        let asked = tokio::spawn({
            let (reader, practice, interest) = (reader.clone(), practice.clone(), interest.clone());
            async move { reader.look(&practice, &interest).await }
        });
        asks_for_another(&reader).await;
        sender.send_modify(|numbered| numbered.done = numbered.begun);
        tokio::time::sleep(Duration::from_millis(50)).await;
        assert!(!asked.is_finished(), "that one was under way already");
        let next = publish(&sender, &["t"], &[]);
        let look = asked.await.expect("does not panic").expect("there is one");
        assert!(Arc::ptr_eq(&look, &next));
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn a_look_has_begun_before_it_is_asked_who_cares_about_what() {
        let (sender, looks) = watch::channel(Numbered {
            begun: 0,
            done: 0,
            look: None,
        });
        let shared = Arc::new(Shared::default());
        let history = Arc::new(History::new());
        let (nudge, _nudged) = mpsc::unbounded_channel();
        let begun = {
            let _nobody_says = lock(&shared.interests);
            let run = run(
                Kafka::connect("127.0.0.1:1"),
                shared.clone(),
                history,
                sender,
                nudge,
            );
            tokio::spawn(run);
            let since = Instant::now();
            while looks.borrow().begun == 0 && since.elapsed() < Duration::from_secs(5) {
                std::thread::sleep(Duration::from_millis(1));
            }
            looks.borrow().begun
        };
        assert_eq!(
            begun, 1,
            "who begins to care between the two would wait for a look that does not know of it"
        );
    }
}
