//! The members of one group: clients of librdkafka that a test lets join and leave, all polled by the thread that has them. In:
//! who comes and goes. Out: the group as the broker describes it, once it has come to rest.

use std::{
    collections::BTreeMap,
    thread,
    time::{Duration, Instant},
};

use krafka::admin::{AdminClient, DescribeConsumerGroupsOptions};
use practice_groups::{
    Partition,
    assign::{Assignment, Topics},
};
use rdkafka::{
    ClientConfig,
    consumer::{BaseConsumer, Consumer},
};
use tokio::runtime::Runtime;

use crate::random::Random;

/// Longer than the session timeout, should a join stall for it (librdkafka issue 5569).
const PATIENCE: Duration = Duration::from_mins(1);
/// Between two polls: several heartbeats of a Classic group.
const POLL: Duration = Duration::from_millis(300);

/// How a group divides its partitions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Range,
    RoundRobin,
    CooperativeSticky,
    ConsumerRange,
    Uniform,
}

impl Kind {
    fn settings(self) -> [(&'static str, &'static str); 3] {
        // a Classic member learns of a rebalance at its next heartbeat
        let classic = |name| {
            [
                ("partition.assignment.strategy", name),
                ("heartbeat.interval.ms", "100"),
                ("session.timeout.ms", "10000"),
            ]
        };
        let consumer = |name| {
            [
                ("group.protocol", "consumer"),
                ("group.remote.assignor", name),
                ("fetch.wait.max.ms", "500"),
            ]
        };
        match self {
            Self::Range => classic("range"),
            Self::RoundRobin => classic("roundrobin"),
            Self::CooperativeSticky => classic("cooperative-sticky"),
            Self::ConsumerRange => consumer("range"),
            Self::Uniform => consumer("uniform"),
        }
    }
}

/// A member as the broker describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) id: String,
    pub(crate) client: String,
    pub(crate) owned: Vec<Partition>,
}

/// What each member owns, by id.
pub(crate) fn owned(members: &[Seen]) -> Assignment {
    members
        .iter()
        .map(|member| (member.id.clone(), member.owned.clone()))
        .collect()
}

/// Lets clients leave their group, on a thread of their own: nothing bounds how long that takes.
fn close(consumers: impl IntoIterator<Item = BaseConsumer>) {
    let consumers: Vec<BaseConsumer> = consumers.into_iter().collect();
    thread::spawn(move || drop(consumers));
}

/// A group.
pub(crate) struct Crew<'a> {
    pub(crate) kind: Kind,
    pub(crate) group: String,
    pub(crate) topics: Vec<String>,
    bootstrap: &'a str,
    admin: &'a AdminClient,
    runtime: &'a Runtime,
    /// By client id.
    consumers: BTreeMap<String, BaseConsumer>,
}

impl<'a> Crew<'a> {
    pub(crate) fn new(
        kind: Kind,
        group: String,
        topics: Vec<String>,
        bootstrap: &'a str,
        admin: &'a AdminClient,
        runtime: &'a Runtime,
    ) -> Self {
        Self {
            kind,
            group,
            topics,
            bootstrap,
            admin,
            runtime,
            consumers: BTreeMap::new(),
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.consumers.len()
    }

    /// One more, under a name that stands anywhere among the others.
    pub(crate) fn join(&mut self, random: &mut Random) {
        let client = format!("{:08x}", random.next() >> 32);
        let mut config = ClientConfig::new();
        config
            .set("bootstrap.servers", self.bootstrap)
            .set("group.id", &self.group)
            .set("client.id", &client)
            .set("enable.auto.commit", "false");
        for (name, value) in self.kind.settings() {
            config.set(name, value);
        }
        let consumer: BaseConsumer = config.create().expect("the configuration is legal");
        let topics: Vec<&str> = self.topics.iter().map(String::as_str).collect();
        consumer
            .subscribe(&topics)
            .expect("they may be subscribed to");
        self.consumers.insert(client, consumer);
    }

    /// One leaves; its client id.
    pub(crate) fn leave(&mut self, random: &mut Random) -> String {
        let place = random.between(0, self.consumers.len() - 1);
        let client = self
            .consumers
            .keys()
            .nth(place)
            .expect("it is there")
            .clone();
        close(self.consumers.remove(&client));
        client
    }

    /// The group once every member is there and every partition of `topics` has an owner, the same in two polls. Members are in
    /// the order in which the broker lists them.
    pub(crate) fn settled(&self, topics: &Topics) -> Vec<Seen> {
        let begun = Instant::now();
        let (mut last, mut polled, mut last_error) = (None, Instant::now(), None);
        loop {
            for consumer in self.consumers.values() {
                // an error, such as a topic that is not there yet, is reported if it lasts
                if let Some(Err(error)) = consumer.poll(Duration::ZERO) {
                    last_error = Some(error);
                }
            }
            thread::sleep(Duration::from_millis(10)); // as often as a busy application polls
            if polled.elapsed() < POLL {
                continue;
            }
            polled = Instant::now();
            let (state, members) = self.poll_group();
            let mut all: Vec<&Partition> =
                members.iter().flat_map(|member| &member.owned).collect();
            all.sort_unstable();
            let wanted = topics
                .iter()
                .flat_map(|(topic, count)| (0..*count).map(move |number| (topic, number)));
            let is_whole = all
                .iter()
                .map(|(topic, number)| (topic, *number))
                .eq(wanted);
            let is_there = state == "Stable" && members.len() == self.consumers.len() && is_whole;
            if is_there && last.as_ref() == Some(&members) {
                return members;
            }
            assert!(
                begun.elapsed() < PATIENCE,
                "group {} of {} on {topics:?} must come to rest, is {state} with {members:#?} ({last_error:?})",
                self.group,
                self.consumers.len()
            );
            last = is_there.then_some(members);
        }
    }

    fn poll_group(&self) -> (String, Vec<Seen>) {
        let options = DescribeConsumerGroupsOptions::default();
        let described = self
            .runtime
            .block_on(self.admin.describe_consumer_groups([&self.group], options));
        let Some(Ok(group)) = described.expect("Kafka answers").remove(&self.group) else {
            return ("Absent".to_owned(), Vec::new());
        };
        let member = |member: krafka::admin::ConsumerGroupMember| {
            let topics = member.assignment.into_iter().flatten();
            let mut owned: Vec<Partition> = topics
                .flat_map(|topic| {
                    let name = topic.topic_name;
                    topic
                        .partitions
                        .into_iter()
                        .map(move |number| (name.clone(), number))
                })
                .collect();
            owned.sort_unstable();
            Seen {
                id: member.member_id,
                client: member.client_id,
                owned,
            }
        };
        (group.state, group.members.into_iter().map(member).collect())
    }
}

impl Drop for Crew<'_> {
    fn drop(&mut self) {
        close(std::mem::take(&mut self.consumers).into_values());
    }
}
