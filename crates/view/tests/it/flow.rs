//! Messages in workers' events: a real worker with a broker in memory, and the number of connections to workers.

use std::{
    collections::BTreeMap,
    io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::{Router, body::Body, routing::get};
use futures::StreamExt;
use practice_contract::{OffsetReset, Protocol, WorkerSettings, worker};
use practice_groups::GroupState;
use rdkafka::{
    ClientConfig,
    mocking::MockCluster,
    producer::{BaseProducer, BaseRecord, DefaultProducerContext, Producer},
};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::{
    client::{Client, PATIENCE, until},
    world::{Served, World, now},
};

/// A broker with topic `t`, and a worker of group `g` called `a`.
struct Reading {
    broker: MockCluster<'static, DefaultProducerContext>,
    producer: BaseProducer,
    url: String,
    shutdown: CancellationToken,
}

impl Reading {
    async fn start() -> Self {
        let broker = MockCluster::new(1).expect("a broker in memory");
        broker.create_topic("t", 3, 1).expect("a topic");
        let mut config = ClientConfig::new();
        let producer = config
            .set("bootstrap.servers", broker.bootstrap_servers())
            .create()
            .expect("a producer");
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let listen = listener.local_addr().expect("bound");
        let settings = WorkerSettings {
            servers: broker.bootstrap_servers(),
            topics: vec!["t".to_owned()],
            group: "g".to_owned(),
            delay: Duration::ZERO,
            listen,
            probes: None,
            instance: Some("a".to_owned()),
            owner: None,
            protocol: Protocol::Consumer,
            assignor: Protocol::Consumer.default_assignor(),
            offset_reset: OffsetReset::Earliest,
            session_timeout: worker::DEFAULT_SESSION_TIMEOUT,
            heartbeat_interval: worker::DEFAULT_HEARTBEAT_INTERVAL,
            max_poll_interval: worker::DEFAULT_MAX_POLL_INTERVAL,
            log_messages: false,
            hold: None,
            ledger: None,
        };
        let shutdown = CancellationToken::new();
        tokio::spawn(practice_worker::run(
            settings,
            listener,
            Box::new(io::sink()),
            shutdown.clone(),
        ));
        Self {
            broker,
            producer,
            url: format!("http://{listen}"),
            shutdown,
        }
    }

    /// Waits until the worker owns everything.
    async fn ready(&self) {
        let address: SocketAddr = self
            .url
            .trim_start_matches("http://")
            .parse()
            .expect("an address");
        let client = Client::new(address);
        until("the worker owns three partitions", async || {
            let status = client.get("/status", &[]).await.json();
            status["assignment"]
                .as_array()
                .is_some_and(|owned| owned.len() == 3)
        })
        .await;
    }

    fn send(&self, partition: i32, count: usize) {
        for _ in 0..count {
            let record: BaseRecord<'_, [u8], str> =
                BaseRecord::to("t").partition(partition).payload("v");
            self.producer
                .send(record)
                .map_err(|(error, _)| error)
                .expect("queued");
        }
        self.producer.flush(PATIENCE).expect("acknowledged");
    }

    fn world(&self) -> World {
        let mut world = World::calm();
        world.ends = vec![0; 3];
        world.groups = [("g".to_owned(), vec![("a".to_owned(), vec![0, 1, 2])])].into();
        world.urls = [("a".to_owned(), self.url.clone())].into();
        world
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_are_shown_before_the_next_poll_of_kafka() {
    let reading = Reading::start().await;
    reading.ready().await;
    let served = Served::start().await;
    served.hub.publish(reading.world().facts());
    let (mut page, _) = served.client.page().await;
    // the hub must be connected first: earlier messages are not sent
    until("the hub hears the worker", async || {
        reading.send(0, 1);
        let heard = tokio::time::timeout(
            Duration::from_millis(500),
            page.until("flow", |event| event.name == "flow"),
        );
        heard.await.is_ok()
    })
    .await;
    let sent = now();
    reading.send(2, 30);
    let (mut count, mut end, mut last) = (0, 0, 0);
    let mut times = Vec::new();
    while count < 30 {
        let event = page.until("flow", |event| event.name == "flow").await;
        times.push(event.data["now"].as_i64().expect("a time"));
        for consumed in event.data["consumed"].as_array().expect("a list") {
            let [group, topic, partition, consumer, some, offset] =
                consumed.as_array().expect("a list").as_slice()
            else {
                panic!("{consumed}")
            };
            assert_eq!(
                (group, topic, consumer),
                (&Value::from("g"), &Value::from("t"), &Value::from("a"))
            );
            if *partition == 2 {
                count += some.as_i64().expect("a count");
                last = offset.as_i64().expect("an offset");
            }
        }
        for produced in event.data["produced"].as_array().expect("a list") {
            if produced[1] == 2 {
                end = produced[2].as_i64().expect("an end");
            }
        }
    }
    assert_eq!((count, last, end), (30, 30, 30));
    let took = times.last().expect("there was one") - sent;
    println!("30 messages, sent one after another, were on the page after {took} ms");
    assert!(took < 5_000, "{took} ms");
    assert!(
        times.windows(2).all(|pair| pair[1] - pair[0] >= 80),
        "more than ten a second: {times:?}"
    );
    // a worker that gives up partitions requests a poll of Kafka
    let before = served.polls();
    reading.shutdown.cancel();
    until("the hub requests a poll", async || served.polls() > before).await;
    drop(reading.broker);
    served.ended().await;
}

/// Something that answers `/events` with silence and counts who is there.
async fn counted() -> (String, Arc<AtomicUsize>, Arc<AtomicUsize>) {
    struct There(Arc<AtomicUsize>);
    impl Drop for There {
        fn drop(&mut self) {
            self.0.fetch_sub(1, Ordering::SeqCst);
        }
    }
    let (there, ever) = (Arc::<AtomicUsize>::default(), Arc::<AtomicUsize>::default());
    let (now, all) = (Arc::clone(&there), Arc::clone(&ever));
    let events = get(move || {
        now.fetch_add(1, Ordering::SeqCst);
        all.fetch_add(1, Ordering::SeqCst);
        let here = There(Arc::clone(&now));
        let silence = futures::stream::pending::<Result<&str, io::Error>>().map(move |frame| {
            let _ = &here;
            frame
        });
        async { Body::from_stream(silence) }
    });
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let url = format!("http://{}", listener.local_addr().expect("bound"));
    let router = Router::new().route("/events", events);
    tokio::spawn(practice_serve::serve(
        listener,
        router,
        practice_serve::Limits::default(),
        CancellationToken::new(),
    ));
    (url, there, ever)
}

#[tokio::test]
async fn workers_are_asked_once_however_many_pages_look_and_not_at_all_when_none_does() {
    let served = Served::start().await;
    let mut world = World::calm();
    let mut counts = BTreeMap::new();
    for name in ["a", "b", "c"] {
        let (url, there, ever) = counted().await;
        world.urls.insert(name.to_owned(), url);
        counts.insert(name, (there, ever));
    }
    let there = |name: &str| counts[name].0.load(Ordering::SeqCst);
    let ever = |name: &str| counts[name].1.load(Ordering::SeqCst);
    served.hub.publish(world.facts());
    served.client.get(crate::client::P, &[]).await;
    assert_eq!(["a", "b", "c"].map(ever), [0; 3], "no page is open");
    let (first, _) = served.client.page().await;
    let (second, _) = served.client.page().await;
    until("each worker is asked", async || {
        ["a", "b", "c"].map(there) == [1; 3]
    })
    .await;
    world.state = GroupState::PreparingRebalance;
    served.hub.publish(world.facts());
    world.groups.get_mut("g").expect("it is there").pop();
    served.hub.publish(world.facts());
    until("a worker that is gone is not listened to", async || {
        ["a", "b", "c"].map(there) == [1, 0, 1]
    })
    .await;
    drop(first);
    let (third, _) = served.client.page().await;
    drop(second);
    drop(third);
    until("the last page is closed", async || {
        ["a", "b", "c"].map(there) == [0; 3]
    })
    .await;
    assert_eq!(
        ["a", "b", "c"].map(ever),
        [1; 3],
        "each was asked once in all"
    );
    served.ended().await;
}
