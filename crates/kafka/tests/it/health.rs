//! Each health on a real group, Classic and KIP-848, within a window of a few seconds.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use practice_contract::{OffsetReset, Protocol};
use practice_groups::{GroupState, HealthHistory, HealthState, PartitionHealth};
use practice_kafka::Kafka;
use practice_testbed::{
    Kafka as Broker,
    clients::{commit, send, send_to_each},
    kafka, unique,
};

use crate::{
    consumers::{FOREVER, Worker},
    made_again, poll, present, there, until,
};

const WINDOW: Duration = Duration::from_secs(6);

/// One group that reads partition 0 of a topic, polled repeatedly.
struct Watch {
    broker: &'static Broker,
    kafka: Kafka,
    topic: String,
    group: String,
    protocol: Protocol,
    health: HealthHistory,
    begun: Instant,
}

impl Watch {
    async fn begin(protocol: Protocol) -> Self {
        let broker = kafka().await;
        let (topic, group) = (unique("topic"), unique("group"));
        let kafka = Kafka::connect(broker.bootstrap());
        kafka
            .create_topic(&topic, 1, 1, &BTreeMap::new())
            .await
            .expect("it may be made");
        there(&kafka, &topic).await;
        Self {
            broker,
            kafka,
            topic,
            group,
            protocol,
            health: HealthHistory::with_window(WINDOW),
            begun: Instant::now(),
        }
    }

    /// A worker that owns the partition: how long it takes to join is no part of a health.
    async fn worker(&self, delay: Duration) -> Worker {
        let name = format!("{}-0", self.group);
        let worker = Worker::start(
            self.broker.bootstrap(),
            &self.group,
            &self.topic,
            &name,
            self.protocol,
            delay,
        )
        .await;
        until(&self.kafka, &self.group, "stable with an owner", |group| {
            let mut owned = group.members.iter().flat_map(|member| &member.partitions);
            group.state == GroupState::Stable && owned.any(|owned| !owned.is_empty())
        })
        .await;
        worker
    }

    async fn send(&self, count: usize) {
        let (bootstrap, topic) = (self.broker.bootstrap(), self.topic.clone());
        tokio::task::spawn_blocking(move || send(bootstrap, &topic, count))
            .await
            .expect("it does not panic");
    }

    async fn commit(&self, offset: i64) {
        let (bootstrap, group, topic) = (
            self.broker.bootstrap(),
            self.group.clone(),
            self.topic.clone(),
        );
        let commit = move || commit(bootstrap, &group, &topic, 0, offset, "");
        tokio::task::spawn_blocking(commit)
            .await
            .expect("it does not panic");
    }

    async fn poll(&mut self) -> (Option<PartitionHealth>, Option<i64>) {
        let snapshot = poll(&self.kafka, &self.topic, &self.group).await;
        let tick = self.begun.elapsed();
        self.health.record_snapshot(&snapshot, tick);
        let (topics, how) = (
            [self.topic.clone()],
            (OffsetReset::Earliest, Duration::ZERO),
        );
        let judged = self
            .health
            .evaluate(&snapshot, &self.group, &topics, how, tick);
        let partition = (self.topic.as_str(), 0);
        let committed = snapshot.groups[&self.group]
            .committed
            .as_ref()
            .and_then(|all| all.get(partition));
        (
            judged.of(partition),
            committed.map(|committed| committed.offset),
        )
    }

    /// Polls until this is the health. None of `never` may come before it.
    async fn until(&mut self, wanted: HealthState, never: &[HealthState]) -> PartitionHealth {
        let since = Instant::now();
        loop {
            let (found, committed) = self.poll().await;
            let health = found.map(PartitionHealth::state);
            if let Some(found) = found.filter(|_| health == Some(wanted)) {
                println!(
                    "{}: {found:?} after {:?}, committed {committed:?}",
                    self.group,
                    since.elapsed()
                );
                return found;
            }
            assert!(
                health.is_none_or(|health| !never.contains(&health)),
                "{found:?} instead of {wanted:?}"
            );
            assert!(
                since.elapsed() < Duration::from_mins(1),
                "{found:?} must become {wanted:?}"
            );
            // polls more than a sixth of the window apart do not count as time
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}

async fn each_verdict(protocol: Protocol) {
    use HealthState::{Healthy, Lagging, Rewound, Stalled, Unassigned};
    let mut watch = Watch::begin(protocol).await;
    let worker = watch.worker(Duration::ZERO).await;
    watch.send(10).await;
    watch
        .until(Healthy, &[Lagging, Rewound, Stalled, Unassigned])
        .await;
    worker.stop().await;

    // messages come faster than they can be read
    let worker = watch.worker(Duration::from_millis(300)).await;
    let (on, bootstrap, topic) = (
        Arc::new(AtomicBool::new(true)),
        watch.broker.bootstrap(),
        watch.topic.clone(),
    );
    let goes_on = on.clone();
    // by one producer: on a busy machine a new one for each burst takes so long that lag falls meanwhile
    let load = tokio::task::spawn_blocking(move || {
        let pauses = std::iter::repeat_n(Duration::from_millis(50), 1_200);
        let pauses = pauses.take_while(|_| goes_on.load(Ordering::Relaxed));
        send_to_each(bootstrap, &[topic], 0..=0, pauses);
    });
    watch.until(Lagging, &[Rewound, Stalled, Unassigned]).await;
    on.store(false, Ordering::Relaxed);
    load.await.expect("it does not panic");
    worker.stop().await;

    watch.until(Unassigned, &[Rewound, Stalled]).await;
    // it handles the first message forever
    let worker = watch.worker(FOREVER).await;
    watch.until(Stalled, &[Rewound]).await;
    worker.stop().await;

    let (_, committed) = watch.poll().await;
    let from = committed.expect("some are read");
    watch.commit(from / 2).await;
    let found = watch.until(Rewound, &[]).await;
    assert!(
        matches!(found, PartitionHealth::Rewound { from: was, to, topic_recreated: false, .. } if (was, to) == (from, from / 2)),
        "{found:?}"
    );

    let facts = present(crate::topic(&watch.kafka, &watch.topic).await);
    watch
        .kafka
        .delete_topic(&watch.topic, &facts.id)
        .await
        .expect("it may be removed");
    watch
        .kafka
        .create_topic(&watch.topic, 1, 1, &BTreeMap::new())
        .await
        .expect("it may be made again");
    made_again(&watch.kafka, &watch.topic, &facts.id).await;
    watch.send(3).await;
    watch.poll().await;
    watch.commit(1).await;
    tokio::time::sleep(WINDOW).await; // what was before it is over
    let found = watch.until(Rewound, &[]).await;
    assert!(
        matches!(found, PartitionHealth::Rewound { from: was, to: 1, topic_recreated: true, .. } if was == from / 2),
        "{found:?}"
    );
}

#[tokio::test]
async fn each_verdict_on_a_classic_group() {
    each_verdict(Protocol::Classic).await;
}

#[tokio::test]
async fn each_verdict_on_a_kip_848_group() {
    each_verdict(Protocol::Consumer).await;
}
