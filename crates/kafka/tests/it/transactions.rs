//! A group that has consumed up to an open transaction, Classic and KIP-848: never stalled, and the transaction is known.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use practice_contract::{OffsetReset, Protocol};
use practice_groups::{
    HealthHistory, HealthState, OpenTransaction, Partition, PartitionHealth, at_stable_end,
};
use practice_kafka::Kafka;
use practice_testbed::{
    Kafka as Broker,
    clients::{Transaction, send},
    kafka, unique,
};

use crate::{
    consumers::{FOREVER, Worker},
    poll, there,
};

const WINDOW: Duration = Duration::from_secs(6);

/// One group that reads partition 0 of a topic, with its health as the operator finds it.
struct Watch {
    broker: &'static Broker,
    kafka: Kafka,
    topic: String,
    group: String,
    protocol: Protocol,
    health: HealthHistory,
    begun: Instant,
}

/// What one poll found.
#[derive(Debug, Clone, Copy)]
struct Found {
    health: Option<PartitionHealth>,
    committed: Option<i64>,
    lag: Option<i64>,
    end: i64,
}

impl Watch {
    async fn begin(protocol: Protocol) -> Self {
        let broker = kafka().await;
        let kafka = Kafka::connect(broker.bootstrap());
        let topic = unique("topic");
        kafka
            .create_topic(&topic, 1, 1, &BTreeMap::new())
            .await
            .expect("it may be made");
        there(&kafka, &topic).await;
        Self {
            broker,
            kafka,
            topic,
            group: unique("group"),
            protocol,
            health: HealthHistory::with_window(WINDOW),
            begun: Instant::now(),
        }
    }

    async fn worker(&self, delay: Duration) -> Worker {
        let name = format!("{}-0", self.group);
        let bootstrap = self.broker.bootstrap();
        Worker::start(
            bootstrap,
            &self.group,
            &self.topic,
            &name,
            self.protocol,
            delay,
        )
        .await
    }

    async fn send(&self, count: usize) {
        let (bootstrap, topic) = (self.broker.bootstrap(), self.topic.clone());
        blocking(move || send(bootstrap, &topic, count)).await;
    }

    async fn transaction(&self, count: usize) -> Transaction {
        let (bootstrap, topic) = (self.broker.bootstrap(), self.topic.clone());
        blocking(move || Transaction::begin(bootstrap, &unique("id"), &topic, count)).await
    }

    async fn poll(&mut self) -> Found {
        let snapshot = poll(&self.kafka, &self.topic, &self.group).await;
        self.health.record_snapshot(&snapshot, self.begun.elapsed());
        let reset = OffsetReset::Earliest;
        let topics = [self.topic.clone()];
        let mut health = self.health.evaluate(
            &snapshot,
            &self.group,
            &topics,
            (reset, Duration::ZERO),
            self.begun.elapsed(),
        );
        let stalled = health.stalled(&snapshot, &self.group, reset);
        if !stalled.is_empty() {
            let ends = self.kafka.last_stable_offsets(stalled.keys()).await;
            let waiting = at_stable_end(&stalled, &ends.expect("Kafka answers"));
            let open = self.kafka.open_transactions(&waiting).await;
            let open: BTreeMap<Partition, OpenTransaction> = open.expect("Kafka answers");
            self.health.record_transactions(
                &self.group,
                &mut health,
                &open,
                Duration::ZERO,
                self.begun.elapsed(),
            );
        }
        let at = (self.topic.as_str(), 0);
        let seen = &snapshot.groups[&self.group];
        let committed = seen.committed.as_ref().and_then(|all| all.get(at));
        Found {
            health: health.of(at),
            committed: committed.map(|committed| committed.offset),
            lag: snapshot.lag(seen, at, reset).effective(),
            end: snapshot.bounds(at).expect("its leader answers").end,
        }
    }

    /// Polls until a poll is as wanted; no poll before it may find a fault.
    async fn until(&mut self, what: &str, wanted: impl Fn(&Found) -> bool) -> Found {
        let since = Instant::now();
        loop {
            let found = self.poll().await;
            if wanted(&found) {
                println!(
                    "{}: {what} after {:?}: {found:?}",
                    self.group,
                    since.elapsed()
                );
                return found;
            }
            let state = found.health.map(PartitionHealth::state);
            assert!(
                state.is_none_or(|state| state == HealthState::Healthy),
                "{what}: {found:?}"
            );
            assert!(
                since.elapsed() < Duration::from_mins(1),
                "{what}: {found:?}"
            );
            // polls more than a sixth of the window apart do not count as time
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    async fn has_caught_up(&mut self) {
        self.until("caught up", |found| {
            found.lag == Some(0) && found.committed == Some(found.end)
        })
        .await;
    }
}

async fn blocking<T: Send + 'static>(call: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(call)
        .await
        .expect("it does not panic")
}

fn is_open(found: &Found) -> bool {
    matches!(found.health, Some(PartitionHealth::OpenTransaction(_)))
}

async fn waits_for_transactions(protocol: Protocol) {
    let mut watch = Watch::begin(protocol).await;
    // the first messages of all are in an open transaction: nothing is committed yet
    let first = watch.transaction(2).await;
    let worker = watch.worker(Duration::ZERO).await;
    let found = watch.until("nothing to consume yet", is_open).await;
    assert_eq!((found.committed, found.lag), (None, Some(2)));
    blocking(move || first.commit()).await;
    watch.has_caught_up().await;

    // behind the markers of a committed and of an aborted transaction
    let aborted = watch.transaction(3).await;
    blocking(move || aborted.abort()).await;
    watch.has_caught_up().await;
    let before = watch.poll().await.end;
    let now = || {
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        i64::try_from(since.expect("after it").as_millis()).expect("small")
    };
    let begun = now();
    let open = watch.transaction(2).await;
    watch.send(3).await;
    let found = watch.until("up to the transaction", is_open).await;
    assert_eq!(
        (found.committed, found.lag, found.end),
        (Some(before), Some(5), before + 5),
        "lag is what Kafka's own tool prints"
    );
    let Some(PartitionHealth::OpenTransaction(transaction)) = found.health else {
        panic!("{found:?}")
    };
    assert!(transaction.producer_id.is_some_and(|id| id >= 0));
    let since = transaction.since.expect("its coordinator knows it");
    assert!((begun - 1_000..=now()).contains(&since), "{since}");
    // it stays so for longer than a window, and its end is no stall either
    let until = Instant::now() + 2 * WINDOW;
    watch
        .until("two windows later", |found| {
            is_open(found) && Instant::now() > until
        })
        .await;
    blocking(move || open.commit()).await;
    watch.has_caught_up().await;

    // an aborted one as well
    let open = watch.transaction(2).await;
    watch.until("up to the next one", is_open).await;
    blocking(move || open.abort()).await;
    watch.has_caught_up().await;
    worker.stop().await;

    // an owner that hangs at a message before a transaction is stalled
    watch.send(1).await;
    let open = watch.transaction(1).await;
    let worker = watch.worker(FOREVER).await;
    watch
        .until("stalled", |found| {
            found.health.map(PartitionHealth::state) == Some(HealthState::Stalled)
        })
        .await;
    worker.stop().await;
    blocking(move || open.abort()).await;
}

#[tokio::test]
async fn a_classic_group_waits_for_transactions() {
    waits_for_transactions(Protocol::Classic).await;
}

#[tokio::test]
async fn a_kip_848_group_waits_for_transactions() {
    waits_for_transactions(Protocol::Consumer).await;
}
