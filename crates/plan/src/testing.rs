//! For tests, of this crate and of those above it: a world in which everything has arrived, of which a test changes one thing.

use std::{collections::BTreeMap, sync::Arc};

use jiff::Timestamp;
use practice_api::PracticeStatus;
use practice_groups::{
    Bounds, ByPartition, Committed, GroupSeen, GroupState, KafkaError, MemberSeen, Partition,
    PartitionSet, PollResult, Snapshot, TopicFacts, TopicSeen,
};
use serde_json::{Value, json};

use crate::{
    outcome::{Observed, Prepared, Running, RunningRow},
    plan::{Defaults, Plan, plan},
    status::status,
};

/// The plan of practice `n/p` (uid `u`, generation 1) with this spec, on Kafka `k:1`.
pub fn plan_of(spec: Value) -> Plan {
    let practice = serde_json::from_value(json!({
        "apiVersion": "kafka-practice.dev/v1alpha1", "kind": "ConsumerGroupPractice",
        "metadata": {"name": "p", "namespace": "n", "uid": "u", "generation": 1}, "spec": spec
    }))
    .expect("a practice");
    let defaults = Defaults {
        bootstrap_servers: Some("k:1".into()),
        worker_image: "w".into(),
        producer_image: "p".into(),
        ..Defaults::default()
    };
    plan(&practice, &defaults).expect("legal")
}

/// All that a status is made of; as it is when everything has arrived: every member has joined and has read everything.
pub struct World {
    /// What was planned.
    pub plan: Plan,
    /// The Kafka side.
    pub prepared: Prepared,
    /// What runs.
    pub running: Running,
    /// The latest poll.
    pub observed: Observed,
    /// Status as it was written last.
    pub before: Option<PracticeStatus>,
    /// The time of day.
    pub now: Timestamp,
}

impl World {
    /// Every topic with 10 messages a partition, every consumer joined, everything consumed.
    pub fn settled(spec: Value) -> Self {
        let plan = plan_of(spec);
        let mut snapshot = Snapshot::default();
        let mut running = Running {
            producer: plan.producer.as_ref().map(|_| true),
            ..Running::default()
        };
        for topic in &plan.topics {
            let bounds = Some(Bounds { start: 0, end: 10 });
            let partitions = vec![bounds; usize::try_from(topic.partitions).expect("positive")];
            let id = format!("{:032x}", 7);
            let facts = TopicFacts {
                id,
                replication_factor: 1,
                partitions,
                ..TopicFacts::default()
            };
            snapshot
                .topics
                .insert(topic.name.clone(), TopicSeen::from(facts));
        }
        for group in &plan.groups {
            let mut members = Vec::new();
            for row in &group.rows {
                let replicas = row.replicas.unwrap_or(1);
                let (id, deployment) = (group.id.clone(), row.deployment.clone());
                running.rows.push(RunningRow {
                    group: id,
                    deployment,
                    desired: replicas,
                    ready: replicas,
                });
                for number in 0..replicas {
                    let pod = format!("{}-{number}", row.deployment);
                    running.pods.push(pod.clone());
                    members.push(MemberSeen {
                        member_id: format!("{pod}-id"),
                        client_id: pod,
                        host: "/10.0.0.1".into(),
                        partitions: Some(PartitionSet::default()),
                    });
                }
            }
            let mut committed = ByPartition::default();
            let all = plan
                .topics
                .iter()
                .filter(|topic| group.topics.contains(&topic.name));
            let all = all.flat_map(|topic| {
                (0..topic.partitions).map(|number| (topic.name.as_str(), number))
            });
            for (turn, partition) in all.enumerate() {
                committed.insert(
                    partition,
                    Committed {
                        offset: 10,
                        metadata: "kafka-practice:n/p".into(),
                    },
                );
                if !members.is_empty() {
                    let next = turn % members.len();
                    members[next]
                        .partitions
                        .as_mut()
                        .expect("was set")
                        .insert(partition, ());
                }
            }
            let state = if members.is_empty() {
                GroupState::Empty
            } else {
                GroupState::Stable
            };
            let protocol = Some(practice_contract::Protocol::Classic);
            let seen = GroupSeen {
                state,
                protocol,
                members,
                committed: Some(committed),
                ..GroupSeen::default()
            };
            snapshot.groups.insert(group.id.clone(), seen.into());
        }
        let poll: PollResult = Ok(Arc::new(snapshot));
        let prepared = Prepared {
            poll: Some(poll.clone()),
            ..Prepared::default()
        };
        let observed = Observed {
            poll,
            lag_trends: BTreeMap::new(),
            health: BTreeMap::new(),
            idle: std::collections::BTreeSet::new(),
            again: None,
        };
        Self {
            plan,
            prepared,
            running,
            observed,
            before: None,
            now: "2026-01-01T00:00:00Z".parse().expect("a time"),
        }
    }

    /// Changes what Kafka says.
    pub fn kafka(&mut self, change: impl FnOnce(&mut Snapshot)) {
        let mut snapshot = self.observed.snapshot().cloned().expect("Kafka answers");
        change(&mut snapshot);
        self.set_poll(Ok(Arc::new(snapshot)));
    }

    /// Changes what Kafka reports of a group.
    pub fn group(&mut self, id: &str, change: impl FnOnce(&mut GroupSeen)) {
        self.kafka(|snapshot| change(snapshot.group_mut(id).expect("is seen")));
    }

    /// Kafka is out of reach.
    pub fn outage(&mut self, error: KafkaError) {
        self.set_poll(Err(Arc::new(error)));
    }

    fn set_poll(&mut self, poll: PollResult) {
        self.prepared.poll = Some(poll.clone());
        self.observed.poll = poll;
    }

    /// The status, and 10 s later.
    pub fn status(&mut self) -> PracticeStatus {
        let status = status(
            Ok(&self.plan),
            &self.prepared,
            &self.running,
            Some(&self.observed),
            self.before.as_ref(),
            Some(1),
            self.now,
        );
        self.now += jiff::SignedDuration::from_secs(10);
        self.before = Some(status.clone());
        status
    }
}

/// Groups `a` (2 consumers) and `b` (1) on topic `t` with 3 partitions.
pub fn two_groups() -> World {
    World::settled(
        json!({"topics": [{"name": "t", "partitions": 3}], "groups": [
        {"name": "a", "replicas": 2}, {"name": "b", "replicas": 1, "autoOffsetReset": "latest", "variants": [{"name": "v", "replicas": 1}]}]}),
    )
}

/// A partition.
pub fn at(topic: &str, partition: i32) -> Partition {
    (topic.to_owned(), partition)
}
