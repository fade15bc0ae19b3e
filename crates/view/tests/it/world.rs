//! A server of the live view, and a practice for it. In: changes. Out: facts, a server on a free port.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures::StreamExt;
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use practice_api::{
    PracticeStatus,
    status::{GroupStatus, TopicStatus},
};
use practice_contract::OffsetReset;
use practice_groups::{
    Bounds, Committed, Copies, GroupSeen, GroupState, Journal, MemberSeen, Moment, Snapshot,
    TopicFacts, TopicSeen,
};
use practice_view::{
    Action, Consumer, ConsumerState, Doing, Facts, Forecast, ForecastRow, GroupFacts, Hub,
    KafkaFacts, KafkaKind, Key, Means, Refusal,
};
use tokio::{net::TcpListener, task::JoinHandle};
use tokio_util::sync::CancellationToken;

use crate::client::Client;

/// The calls of the mounting program's functions.
#[derive(Debug, Default)]
pub(crate) struct Asked {
    pub(crate) actions: Vec<(Key, Action)>,
    pub(crate) polls: Vec<Key>,
}

/// Functions of a program that runs no action, and whose consumers log two lines.
pub(crate) fn means() -> Means {
    Means {
        doing: Doing::Off {
            how: "turn it on".to_owned(),
        },
        foresee: Arc::new(|_, action| {
            let moves = ForecastRow {
                label: "moves".to_owned(),
                number: "1".to_owned(),
                ..ForecastRow::default()
            };
            let (title, verb) = (format!("{action:?}"), "do it".to_owned());
            Box::pin(async {
                Ok(Forecast {
                    title,
                    verb,
                    rows: vec![moves],
                    ..Forecast::default()
                })
            })
        }),
        logs: Arc::new(|_, consumer, tail| {
            Box::pin(async move {
                let lines = [
                    format!("{consumer} {tail}"),
                    "\u{1b}[31m<img src=x>\u{2028}".to_owned(),
                ];
                Ok(futures::stream::iter(lines).boxed())
            })
        }),
        request_poll: Arc::new(|_| {}),
        hosts: vec!["view.example".to_owned()],
    }
}

/// A server of this test's own.
pub(crate) struct Served {
    pub(crate) hub: Hub,
    pub(crate) client: Client,
    pub(crate) asked: Arc<Mutex<Asked>>,
    shutdown: CancellationToken,
    task: JoinHandle<()>,
}

impl Served {
    /// With actions.
    pub(crate) async fn start() -> Self {
        Self::with(|asked| {
            Doing::On(Arc::new(move |key, action| {
                asked
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .actions
                    .push((key, action.clone()));
                Box::pin(async move {
                    match action {
                        Action::Pause { .. } | Action::Resume { .. } => {
                            Err(Refusal::unknown("not in this program"))
                        }
                        action => Ok(format!("done: {action:?}")),
                    }
                })
            }))
        })
        .await
    }

    /// Without.
    pub(crate) async fn without_actions() -> Self {
        Self::with(|_| Doing::Off {
            how: "turn it on".to_owned(),
        })
        .await
    }

    async fn with(doing: impl FnOnce(Arc<Mutex<Asked>>) -> Doing) -> Self {
        let asked = Arc::<Mutex<Asked>>::default();
        let polls = Arc::clone(&asked);
        let request_poll = move |key: &Key| {
            polls
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .polls
                .push(key.clone());
        };
        let hub = Hub::new(Means {
            doing: doing(Arc::clone(&asked)),
            request_poll: Arc::new(request_poll),
            ..means()
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let client = Client::new(listener.local_addr().expect("bound"));
        let shutdown = CancellationToken::new();
        let task = tokio::spawn(practice_view::serve(
            listener,
            hub.clone(),
            shutdown.clone(),
        ));
        Self {
            hub,
            client,
            asked,
            shutdown,
            task,
        }
    }

    pub(crate) fn actions(&self) -> Vec<(Key, Action)> {
        std::mem::take(
            &mut self
                .asked
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .actions,
        )
    }

    pub(crate) fn polls(&self) -> usize {
        self.asked
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .polls
            .len()
    }

    /// Asks it to end.
    pub(crate) fn stop(&self) {
        self.shutdown.cancel();
    }

    pub(crate) async fn ended(self) {
        self.stop();
        tokio::time::timeout(Duration::from_secs(10), self.task)
            .await
            .expect("in time")
            .expect("no panic");
    }
}

/// A practice `p` in namespace `ns`: groups by name, each with members by name and the partitions of topic `t` that they own.
#[derive(Debug, Clone)]
pub(crate) struct World {
    pub(crate) topic: String,
    pub(crate) ends: Vec<i64>,
    pub(crate) groups: BTreeMap<String, Vec<(String, Vec<i32>)>>,
    pub(crate) state: GroupState,
    /// The rebalances of everything that was shown.
    pub(crate) journal: Arc<Mutex<Arc<Journal>>>,
    /// Where the HTTP of consumers is, by name.
    pub(crate) urls: BTreeMap<String, String>,
    pub(crate) producer: Option<String>,
}

pub(crate) fn key() -> Key {
    ("ns".to_owned(), "p".to_owned())
}

/// Milliseconds since the epoch.
pub(crate) fn now() -> i64 {
    Timestamp::now().as_millisecond()
}

impl World {
    /// Group `g` with members `a` (0, 1) and `b` (2), group `h` with `c` (all).
    pub(crate) fn calm() -> Self {
        let member = |name: &str, partitions: &[i32]| (name.to_owned(), partitions.to_vec());
        Self {
            topic: "t".to_owned(),
            ends: vec![10; 3],
            groups: [
                (
                    "g".to_owned(),
                    vec![member("a", &[0, 1]), member("b", &[2])],
                ),
                ("h".to_owned(), vec![member("c", &[0, 1, 2])]),
            ]
            .into(),
            state: GroupState::Stable,
            journal: Arc::default(),
            urls: BTreeMap::new(),
            producer: None,
        }
    }

    pub(crate) fn owns(&mut self, group: &str, member: &str, partitions: &[i32]) {
        let members = self.groups.get_mut(group).expect("it is there");
        match members.iter_mut().find(|(name, _)| name == member) {
            Some(there) => there.1 = partitions.to_vec(),
            None => members.push((member.to_owned(), partitions.to_vec())),
        }
    }

    fn lag(&self) -> i64 {
        self.ends.iter().map(|end| end - 10).sum()
    }

    fn snapshot(&self) -> Snapshot {
        let copies = Copies {
            leader: Some(1),
            replicas: vec![1],
            in_sync: vec![1],
        };
        let topic = TopicFacts {
            id: "a".to_owned(),
            replication_factor: 1,
            partitions: self
                .ends
                .iter()
                .map(|end| {
                    Some(Bounds {
                        start: 0,
                        end: *end,
                    })
                })
                .collect(),
            copies: vec![copies; self.ends.len()],
        };
        let partition = |number: i32| (self.topic.clone(), number);
        let member = |(name, owned): &(String, Vec<i32>)| MemberSeen {
            member_id: format!("{name}-id"),
            client_id: name.clone(),
            host: "/127.0.0.1".to_owned(),
            partitions: Some(owned.iter().copied().map(partition).collect()),
        };
        let committed = || Committed {
            offset: 10,
            metadata: "".into(),
        };
        let group = |members: &Vec<(String, Vec<i32>)>| GroupSeen {
            state: self.state,
            members: members.iter().map(member).collect(),
            committed: Some(
                (0..)
                    .take(self.ends.len())
                    .map(|number| (partition(number), committed()))
                    .collect(),
            ),
            ..GroupSeen::default()
        };
        Snapshot {
            topics: [(self.topic.clone(), TopicSeen::from(topic))].into(),
            groups: self
                .groups
                .iter()
                .map(|(name, members)| (name.clone(), group(members).into()))
                .collect(),
            ..Snapshot::default()
        }
    }

    fn status(&self) -> PracticeStatus {
        let ready = Condition {
            type_: "Ready".to_owned(),
            status: "True".to_owned(),
            reason: "Running".to_owned(),
            message: "it runs".to_owned(),
            observed_generation: None,
            last_transition_time: Time(Timestamp::UNIX_EPOCH),
        };
        let group = |name: &String| GroupStatus {
            name: name.clone(),
            state: self.state.to_string(),
            protocol: "Classic".to_owned(),
            lag: Some(self.lag()),
            ..GroupStatus::default()
        };
        PracticeStatus {
            conditions: vec![ready],
            topics: vec![TopicStatus {
                name: self.topic.clone(),
                ready: true,
                ..TopicStatus::default()
            }],
            groups: self.groups.keys().map(group).collect(),
            ..PracticeStatus::default()
        }
    }

    pub(crate) fn facts(&self) -> Facts {
        let named = |name: &String| GroupFacts {
            name: name.clone(),
            topics: vec![self.topic.clone()],
            stopped: false,
            scalable: name != "h",
            assignor: "range".to_owned(),
            reset: OffsetReset::Earliest,
            session_timeout: Some(Duration::from_secs(10)),
        };
        let consumer = |group: &String, name: &String| Consumer {
            name: name.clone(),
            group: group.clone(),
            pod: None,
            variant: None,
            delay: Duration::ZERO,
            state: ConsumerState::Running,
            started: None,
            since: None,
            url: self.urls.get(name).cloned(),
        };
        let consumers = self
            .groups
            .iter()
            .flat_map(|(group, members)| members.iter().map(|(name, _)| consumer(group, name)));
        let (snapshot, at) = (self.snapshot(), now());
        let mut journal = self.journal.lock().unwrap_or_else(PoisonError::into_inner);
        for (group, seen) in &snapshot.groups {
            Arc::make_mut(&mut journal).record_group("k", group, seen, Moment { at, tick: at });
        }
        Facts {
            key: key(),
            now: at,
            status: self.status(),
            snapshot: Some(Arc::new(snapshot)),
            journal: Arc::clone(&journal),
            kafka: KafkaFacts {
                kind: KafkaKind::Apache,
                note: None,
                brokers: Vec::new(),
            },
            groups: self.groups.keys().map(named).collect(),
            consumers: consumers.collect(),
            load: None,
            producer: self.producer.clone(),
            send_url: None,
            send_how: None,
        }
    }
}
