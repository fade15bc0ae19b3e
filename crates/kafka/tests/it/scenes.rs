//! What happens to groups, on a real Kafka, with our worker and with clients of others, under both protocols; each scene
//! ends with Kafka's own `ConsumerGroupCommand`, which has to agree.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use practice_contract::{OffsetReset, Protocol};
use practice_groups::{
    ByPartition, GroupSeen, GroupState, Lag, LagTrends, PartitionSet, Snapshot, owned,
};
use practice_kafka::Kafka;
use practice_testbed::{
    Kafka as Broker,
    clients::{Member, Transaction, commit, first_offset, send, send_keyed},
    described, kafka, unique,
};

use crate::{
    consumers::{FOREVER, Worker, join as join_as},
    made_again, partitions, present, there,
    truth::agreed,
    until,
};

const BOTH: [Protocol; 2] = [Protocol::Classic, Protocol::Consumer];

/// A topic, and a group for each protocol.
struct Scene {
    broker: &'static Broker,
    kafka: Kafka,
    topic: String,
    groups: [String; 2],
}

impl Scene {
    async fn new(name: &str, partitions: i32, config: &[(&str, &str)]) -> Self {
        let broker = kafka().await;
        let kafka = Kafka::connect(broker.bootstrap());
        let topic = unique(name);
        let config = config
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect();
        kafka
            .create_topic(&topic, partitions, 1, &config)
            .await
            .expect("it may be made");
        there(&kafka, &topic).await;
        Self {
            broker,
            kafka,
            topic,
            groups: BOTH.map(|protocol| unique(&format!("{name}-{}", protocol.name()))),
        }
    }

    fn bootstrap(&self) -> &'static str {
        self.broker.bootstrap()
    }

    /// Group and protocol.
    fn both(&self) -> impl Iterator<Item = (&String, Protocol)> {
        self.groups.iter().zip(BOTH)
    }

    /// So many workers in each group.
    async fn workers(&self, count: usize, delay: Duration) -> Vec<Worker> {
        let mut workers = Vec::new();
        for (group, protocol) in self.both() {
            for number in 0..count {
                let name = format!("{group}-{number}");
                workers.push(
                    Worker::start(self.bootstrap(), group, &self.topic, &name, protocol, delay)
                        .await,
                );
            }
        }
        workers
    }

    async fn send(&self, count: usize) {
        let (bootstrap, topic) = (self.bootstrap(), self.topic.clone());
        blocking(move || send(bootstrap, &topic, count)).await;
    }

    async fn poll(&self) -> Snapshot {
        self.kafka
            .observe(std::slice::from_ref(&self.topic), &self.groups)
            .await
            .expect("Kafka answers")
    }

    /// Polls until both groups are as wanted.
    async fn until(&self, what: &str, wanted: impl Fn(&Snapshot, &GroupSeen) -> bool) {
        let begun = Instant::now();
        loop {
            let snapshot = self.poll().await;
            if snapshot
                .groups
                .values()
                .all(|group| wanted(&snapshot, group))
            {
                return;
            }
            assert!(
                begun.elapsed() < Duration::from_secs(90),
                "{what}: {snapshot:#?}"
            );
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Polls until both groups have this lag in partition 0.
    async fn until_lag(&self, what: &str, lag: Lag) {
        let at = (self.topic.as_str(), 0);
        self.until(what, |snapshot, group| {
            snapshot.lag(group, at, OffsetReset::Earliest) == lag
        })
        .await;
    }

    async fn until_all_owned(&self, members: usize, count: i32) {
        let all = partitions(&self.topic, count);
        self.until("everything is owned", |_, group| {
            let mut owned: Vec<_> = group
                .members
                .iter()
                .flat_map(|m| &m.partitions)
                .flat_map(PartitionSet::keys)
                .map(owned)
                .collect();
            owned.sort_unstable();
            group.state == GroupState::Stable && group.members.len() == members && owned == all
        })
        .await;
    }

    /// Kafka's tool agrees about both groups and these others.
    async fn agreed(&self, what: &str, others: &[&String]) -> Snapshot {
        let groups: Vec<String> = self
            .groups
            .iter()
            .chain(others.iter().copied())
            .cloned()
            .collect();
        let tool = async |class: &str, args: &[&str]| self.broker.tool(class, args).await;
        agreed(
            what,
            tool,
            self.bootstrap(),
            std::slice::from_ref(&self.topic),
            &groups,
        )
        .await
    }

    /// Both groups' lag in partition 0.
    fn lags(&self, snapshot: &Snapshot, reset: OffsetReset) -> [Lag; 2] {
        let at = (self.topic.as_str(), 0);
        self.groups
            .each_ref()
            .map(|group| snapshot.lag(&snapshot.groups[group], at, reset))
    }
}

/// librdkafka waits; workers in this process run meanwhile.
async fn blocking<T: Send + 'static>(call: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(call)
        .await
        .expect("it does not panic")
}

async fn stopped(workers: Vec<Worker>) {
    for worker in workers {
        worker.stop().await;
    }
}

#[tokio::test]
async fn an_idle_member_and_a_group_that_reads_everything() {
    let scene = Scene::new("idle", 2, &[]).await;
    scene.send(10).await;
    let workers = scene.workers(3, Duration::ZERO).await;
    scene.until_all_owned(3, 2).await;
    scene.until_lag("all is read", Lag::Behind(0)).await;
    let snapshot = scene.agreed("three members, two partitions", &[]).await;
    for group in snapshot.groups.values() {
        let idle = group.members.iter().filter(|member| {
            member
                .partitions
                .as_ref()
                .is_some_and(PartitionSet::is_empty)
        });
        assert_eq!(idle.count(), 1, "{group:?}");
    }
    stopped(workers).await;
}

#[tokio::test]
async fn markers_of_transactions_leave_no_group_of_ours_behind() {
    let scene = Scene::new("transactions", 1, &[]).await;
    let (bootstrap, topic) = (scene.bootstrap(), scene.topic.clone());
    let (theirs, id) = (unique("theirs"), unique("transaction"));
    let begin = async |count| {
        let (topic, id) = (topic.clone(), id.clone());
        blocking(move || Transaction::begin(bootstrap, &id, &topic, count)).await
    };
    let transaction = begin(2).await;
    blocking(|| transaction.commit()).await;
    // as an application does that commits what comes after the last message that it has read
    let (group, of) = (theirs.clone(), topic.clone());
    blocking(move || commit(bootstrap, &group, &of, 0, 2, "")).await;
    let workers = scene.workers(1, Duration::ZERO).await;
    scene.until_all_owned(1, 1).await;
    scene
        .until_lag("the marker is passed", Lag::Behind(0))
        .await;
    let snapshot = scene.agreed("markers at the end", &[&theirs]).await;
    let at = (topic.as_str(), 0);
    assert_eq!(
        snapshot.bounds(at).map(|bounds| bounds.end),
        Some(3),
        "two messages and a marker"
    );
    let lag = snapshot.lag(&snapshot.groups[&theirs], at, OffsetReset::Earliest);
    assert_eq!(
        lag,
        Lag::Behind(1),
        "theirs is at most 1 behind: only a consumer can detect that it is a marker"
    );

    let transaction = begin(3).await;
    scene
        .until_lag(
            "messages of an open transaction are not read yet",
            Lag::Behind(3),
        )
        .await;
    scene.agreed("an open transaction", &[]).await;
    blocking(|| transaction.commit()).await;
    scene
        .until_lag("it is read when it is committed", Lag::Behind(0))
        .await;
    let transaction = begin(3).await;
    blocking(|| transaction.abort()).await;
    scene
        .until_lag("and passed when it is aborted", Lag::Behind(0))
        .await;
    assert_eq!(
        scene.poll().await.bounds(at).map(|bounds| bounds.end),
        Some(11)
    );
    stopped(workers).await;
}

#[tokio::test]
async fn gaps_of_compaction_are_no_lag() {
    let config = [
        ("cleanup.policy", "compact"),
        ("segment.ms", "100"),
        ("min.cleanable.dirty.ratio", "0.01"),
    ];
    let scene = Scene::new("compacted", 1, &config).await;
    let (bootstrap, topic, theirs) = (scene.bootstrap(), scene.topic.clone(), unique("theirs"));
    let of = topic.clone();
    blocking(move || {
        for _ in 0..4 {
            send_keyed(bootstrap, &of, "key", 50);
            std::thread::sleep(Duration::from_millis(200)); // so that the next ones begin another segment
        }
    })
    .await;
    let begun = Instant::now();
    loop {
        let of = topic.clone();
        let first = blocking(move || first_offset(bootstrap, &of)).await;
        if first > Some(10) {
            println!(
                "compacted after {:?}: the first of 200 messages is {first:?}",
                begun.elapsed()
            );
            break;
        }
        assert!(
            begun.elapsed() < Duration::from_secs(90),
            "the cleaner runs every 15 s, the first is {first:?}"
        );
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    let (group, of) = (theirs.clone(), topic.clone());
    blocking(move || commit(bootstrap, &group, &of, 0, 7, "")).await; // in the gap
    let workers = scene.workers(1, Duration::ZERO).await;
    scene.until_all_owned(1, 1).await;
    scene.until_lag("the rest is read", Lag::Behind(0)).await;
    let snapshot = scene.agreed("a compacted topic", &[&theirs]).await;
    let at = (topic.as_str(), 0);
    assert_eq!(
        snapshot.bounds(at).map(|bounds| (bounds.start, bounds.end)),
        Some((0, 200)),
        "compaction moves neither"
    );
    assert_eq!(
        snapshot.lag(&snapshot.groups[&theirs], at, OffsetReset::Earliest),
        Lag::Behind(193)
    );
    stopped(workers).await;
}

#[tokio::test]
async fn a_group_that_has_never_committed_is_behind_by_its_policy() {
    let scene = Scene::new("uncommitted", 2, &[]).await;
    scene.send(5).await;
    let snapshot = scene.poll().await;
    assert_eq!(
        scene.lags(&snapshot, OffsetReset::Latest),
        [Lag::NoCommit(0); 2],
        "it has not started"
    );
    // members that commit nothing
    let join = |(group, protocol): (&String, Protocol)| {
        join_as(
            scene.bootstrap(),
            group,
            &scene.topic,
            &format!("{group}-0"),
            protocol,
        )
    };
    let members: Vec<Member> = scene.both().map(join).collect();
    scene.until_all_owned(1, 2).await;
    let snapshot = scene.agreed("members without a commit", &[]).await;
    assert_eq!(
        scene.lags(&snapshot, OffsetReset::Earliest),
        [Lag::NoCommit(5); 2]
    );
    assert_eq!(
        scene.lags(&snapshot, OffsetReset::Latest),
        [Lag::NoCommit(5); 2],
        "where it started is pinned: what has no commit was added later"
    );
    blocking(|| drop(members)).await;
}

#[tokio::test]
async fn what_was_deleted_before_it_was_read_and_a_topic_that_was_made_again() {
    let scene = Scene::new("deleted", 1, &[]).await;
    let bootstrap = scene.bootstrap();
    scene.send(4).await;
    let workers = scene.workers(1, Duration::ZERO).await;
    scene.until_lag("four are read", Lag::Behind(0)).await;
    stopped(workers).await;
    scene.send(6).await;
    // they handle the fifth message forever
    let workers = scene.workers(1, FOREVER).await;
    scene.until_all_owned(1, 1).await;
    scene.until_lag("six are left", Lag::Behind(6)).await;
    scene.broker.delete_records(&scene.topic, 7).await;
    let snapshot = scene.agreed("records deleted past the commit", &[]).await;
    assert_eq!(
        scene.lags(&snapshot, OffsetReset::Earliest),
        [Lag::Expired { lost: 3, left: 3 }; 2]
    );
    stopped(workers).await;

    // a reader sees the topic, then another one of that name, and the commit that a consumer has carried over
    let mut lag_trends = LagTrends::default();
    let mut feed = async |second| {
        let mut snapshot = scene.poll().await;
        lag_trends.record_snapshot(&mut snapshot, Duration::from_secs(second));
        scene.lags(&snapshot, OffsetReset::Earliest)
    };
    assert_eq!(feed(0).await, [Lag::Expired { lost: 3, left: 3 }; 2]);
    let facts = present(crate::topic(&scene.kafka, &scene.topic).await);
    scene
        .kafka
        .delete_topic(&scene.topic, &facts.id)
        .await
        .expect("it may be removed");
    scene
        .kafka
        .create_topic(&scene.topic, 1, 1, &BTreeMap::new())
        .await
        .expect("it may be made again");
    made_again(&scene.kafka, &scene.topic, &facts.id).await;
    scene.send(9).await;
    let again = scene.poll().await;
    let kept: Vec<usize> = again
        .groups
        .values()
        .map(|group| group.committed.as_ref().map_or(0, ByPartition::len))
        .collect();
    println!("commits that Kafka keeps of a topic that is gone: {kept:?}");
    for group in scene.groups.clone() {
        let topic = scene.topic.clone();
        blocking(move || commit(bootstrap, &group, &topic, 0, 4, "")).await;
    }
    assert_eq!(feed(2).await, [Lag::Recreated(9); 2]);
    let tool = async |class: &str, args: &[&str]| scene.broker.tool(class, args).await;
    let theirs = described::offsets(tool, bootstrap, &scene.groups).await;
    assert!(
        theirs.iter().all(|row| row.lag == Some(5)),
        "Kafka's own tool takes it for one of this topic: {theirs:?}"
    );
    let workers = scene.workers(1, Duration::ZERO).await;
    scene.until_lag("all is read", Lag::Behind(0)).await;
    assert_eq!(
        feed(4).await,
        [Lag::Behind(0); 2],
        "they have committed to this one"
    );
    for (group, _) in scene.both() {
        until(&scene.kafka, group, "stable", |group| {
            group.state == GroupState::Stable
        })
        .await;
    }
    scene.agreed("a topic made again", &[]).await;
    stopped(workers).await;
}
