//! An Apache Kafka of one node, broker and controller in one, that tests may stop, kill, freeze and start again.
//! In: names of topics. Out: an address, and what Kafka's own tools print. Its groups have the broker's defaults, but for
//! the initial delay, which is none.

mod archive;
mod java;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use krafka::{
    admin::{
        AdminClient, CreateTopicsOptions, DeleteRecordsOptions, DescribeClusterOptions,
        DescribeTopicsOptions, NewTopic, TopicPartition,
    },
    error::KrafkaError,
    producer::Record,
};
use tokio::time::sleep;

use crate::{
    poll,
    process::{Keeper, Process, free_port},
};

pub(crate) use java::{configure, format, java, tool};

pub(crate) const START_TIMEOUT: Duration = Duration::from_mins(2);

/// The cluster id of every Kafka at first: ids are often copied, and a shared one identifies nothing.
pub(crate) const CLUSTER_ID: &str = "Y2dwY2dwY2dwY2dwY2dwQQ";

/// A running Kafka. Dropped, it ends and its data is removed.
#[derive(Debug)]
pub struct Kafka {
    keeper: Keeper,
    bootstrap: String,
    broker: Mutex<Process>,
}

impl Kafka {
    /// Starts one of its own, for a test that disturbs it.
    pub async fn start() -> Self {
        Self::formatted(&[], "").await
    }

    /// Starts one of its own that asks access control lists; what none is about is allowed to everybody, who is all `ANONYMOUS`.
    pub async fn start_with_access_control() -> Self {
        let authorizer = "org.apache.kafka.metadata.authorizer.StandardAuthorizer";
        let everybody = "allow.everyone.if.no.acl.found=true";
        Self::start_with(&format!(
            "authorizer.class.name={authorizer}\n{everybody}\n"
        ))
        .await
    }

    /// Starts one of its own that takes no members of KIP-848 groups: its feature `group.version` is at 0, as after an
    /// upgrade from a Kafka older than 4.0 that was never finalized.
    pub async fn start_with_classic_groups_only() -> Self {
        Self::formatted(&["--feature", "group.version=0"], "").await
    }

    /// Starts one of its own with these lines in its `server.properties`.
    pub async fn start_with(properties: &str) -> Self {
        Self::formatted(&[], properties).await
    }

    /// Starts one of its own whose KIP-848 members send a heartbeat every second, the least that it accepts; the
    /// default is 5 s. For tests that see many rebalances.
    pub async fn start_with_quick_heartbeats() -> Self {
        let names = [
            "group.consumer.min.heartbeat.interval.ms",
            "group.consumer.heartbeat.interval.ms",
        ];
        Self::formatted(&[], &names.map(|name| format!("{name}=1000\n")).concat()).await
    }

    /// Starts one of its own that deletes no topics, as some operators of Kafka want it.
    pub async fn start_without_topic_deletion() -> Self {
        Self::formatted(&[], "delete.topic.enable=false\n").await
    }

    async fn formatted(options: &[&str], properties: &str) -> Self {
        let keeper = Keeper::new();
        let bootstrap = format!("127.0.0.1:{}", free_port());
        configure(keeper.dir(), 1, &bootstrap, &[free_port()], properties);
        format(&keeper, 1, CLUSTER_ID, options).await;
        let broker = Mutex::new(java(&keeper, "kafka.Kafka", &[]).await);
        let kafka = Self {
            keeper,
            bootstrap,
            broker,
        };
        kafka.answers().await;
        kafka
    }

    /// `127.0.0.1:PORT`, the same for its whole life.
    pub fn bootstrap(&self) -> &str {
        &self.bootstrap
    }

    /// A name that no other test of this process has.
    pub fn unique(&self, prefix: &str) -> String {
        crate::unique(prefix)
    }

    /// Stops it cleanly (SIGTERM) and waits until it has ended; its data stays.
    pub async fn stop(&self) {
        self.resume();
        self.keeper.end(&self.broker(), "TERM").await;
    }

    /// Ends it as a power cut does (SIGKILL); its data stays.
    pub async fn kill(&self) {
        self.keeper.end(&self.broker(), "KILL").await;
    }

    /// Stops it if it runs, starts it with the same port and data, and waits until it answers.
    pub async fn restart(&self) {
        self.stop().await;
        let broker = java(&self.keeper, "kafka.Kafka", &[]).await;
        *self.broker.lock().unwrap_or_else(PoisonError::into_inner) = broker;
        self.answers().await;
    }

    /// Puts another Kafka in its place: the same port, no data, another cluster id. Returns that id.
    pub async fn replace(&self) -> &'static str {
        let other = "cmVwbGFjZWRyZXBsYWNlZA";
        self.stop().await;
        fs::remove_dir_all(self.keeper.dir().join("data")).expect("is its own");
        format(&self.keeper, 1, other, &[]).await;
        self.restart().await;
        other
    }

    /// Freezes it (SIGSTOP): connections are accepted by the system, nothing is ever answered.
    pub fn pause(&self) {
        self.keeper.freeze(&self.broker());
    }

    /// Ends a [`pause`](Self::pause).
    pub fn resume(&self) {
        self.keeper.signal(&self.broker(), "CONT");
    }

    /// Creates a topic and waits until every partition has a leader. Panics in Kafka's words when it refuses.
    pub async fn create_topic(&self, name: &str, partitions: i32) {
        let created: Result<(), KrafkaError> = async {
            let topic = NewTopic::new(name, partitions, 1)?;
            let answers = self
                .admin()
                .await?
                .create_topics([topic], CreateTopicsOptions::default())
                .await?;
            answers.into_values().collect()
        }
        .await;
        created
            .unwrap_or_else(|error| panic!("topic {name} with {partitions} partitions: {error}"));
        poll(
            &format!("topic {name} has its leaders"),
            Duration::from_secs(30),
            || async {
                let described = self
                    .admin()
                    .await?
                    .describe_topics([name], DescribeTopicsOptions::default())
                    .await?;
                let topics = described.into_values().collect::<Result<Vec<_>, _>>()?;
                let led = topics
                    .iter()
                    .flat_map(|topic| &topic.partitions)
                    .filter(|partition| partition.leader.is_some());
                if i32::try_from(led.count()) == Ok(partitions) {
                    Ok(())
                } else {
                    Err(KrafkaError::timeout("partitions without a leader"))
                }
            },
        )
        .await;
    }

    /// Appends one message to a partition.
    pub async fn send(&self, topic: &str, partition: i32, value: &str) {
        let sent: Result<(), KrafkaError> = async {
            let producer = self.connect().await?.producer().build().await?;
            let sent = producer
                .send(Record::new(topic, value.to_owned()).partition(partition))
                .await
                .map(drop);
            producer.close().await.and(sent)
        }
        .await;
        sent.unwrap_or_else(|error| {
            panic!("a message to partition {partition} of {topic}: {error}")
        });
    }

    /// Deletes the messages of partition 0 before an offset, as retention does.
    pub async fn delete_records(&self, topic: &str, before: i64) {
        let deleted: Result<Vec<i64>, KrafkaError> = async {
            let records = [(TopicPartition::new(topic, 0), before)];
            let answers = self
                .admin()
                .await?
                .delete_records(records, DeleteRecordsOptions::default())
                .await?;
            answers.into_values().collect()
        }
        .await;
        deleted.unwrap_or_else(|error| panic!("messages of {topic}/0 before {before}: {error}"));
    }

    /// Runs a tool of Kafka's own, e.g. `org.apache.kafka.tools.consumer.group.ConsumerGroupCommand`, and returns what it
    /// prints on stdout. `args` name the Kafka, as `--bootstrap-server`. Panics with its output when it fails.
    pub async fn tool(&self, class: &str, args: &[&str]) -> String {
        tool(&self.keeper, class, args).await
    }

    /// Denies every client an operation on a resource, by access control lists, and allows the others; `resource` as the tool takes
    /// it: `--topic t`, `--group g`. Brokers apply it a little later. For a Kafka
    /// [with access control](Self::start_with_access_control).
    pub async fn deny(&self, operation: &str, resource: [&str; 2]) {
        // where a list is about a resource, what no list allows is denied
        self.change_access(["--add", "--allow-principal"], "All", resource)
            .await;
        self.change_access(["--add", "--deny-principal"], operation, resource)
            .await;
    }

    /// Ends a [`deny`](Self::deny).
    pub async fn allow(&self, operation: &str, resource: [&str; 2]) {
        self.change_access(["--remove", "--deny-principal"], operation, resource)
            .await;
    }

    async fn change_access(
        &self,
        [verb, principal]: [&str; 2],
        operation: &str,
        resource: [&str; 2],
    ) {
        let change = [
            verb,
            principal,
            "User:ANONYMOUS",
            "--operation",
            operation,
            "--force",
        ];
        let args = [
            &["--bootstrap-server", self.bootstrap()][..],
            &change[..],
            &resource[..],
        ]
        .concat();
        self.tool("org.apache.kafka.tools.AclCommand", &args).await;
    }

    /// What the broker has printed: warnings, and the configured loggers.
    pub fn log(&self) -> String {
        let path = self.keeper.dir().join("kafka.Kafka.log");
        std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }

    /// How many connections a client uses meanwhile, and how many requests it sends, by their names: as the broker itself notes
    /// them. The logger stays on afterwards, which costs time.
    pub async fn requests(
        &self,
        client_id: &str,
        meanwhile: impl AsyncFnOnce(),
    ) -> (usize, BTreeMap<String, usize>) {
        let set = "kafka.request.logger=DEBUG";
        let alter = [
            "--alter",
            "--entity-type",
            "broker-loggers",
            "--entity-name",
            "1",
            "--add-config",
            set,
        ];
        let args = [&["--bootstrap-server", self.bootstrap()][..], &alter[..]].concat();
        self.tool("kafka.admin.ConfigCommand", &args).await;
        let before = self.log().len();
        meanwhile().await;
        sleep(Duration::from_millis(500)).await; // the log is written behind
        let log = self.log();
        let cell = |line: &str, key: &str| {
            let (_, rest) = line.split_once(&format!("\"{key}\":\""))?;
            rest.split_once('"').map(|(value, _)| value.to_owned())
        };
        let (mut connections, mut requests) = (BTreeSet::new(), BTreeMap::new());
        for line in log[before..]
            .lines()
            .filter(|line| cell(line, "clientId").as_deref() == Some(client_id))
        {
            connections.extend(cell(line, "connection"));
            *requests
                .entry(cell(line, "requestApiKeyName").unwrap_or_default())
                .or_default() += 1;
        }
        (connections.len(), requests)
    }

    async fn answers(&self) {
        poll("Kafka answers", START_TIMEOUT, || async {
            let broker = self.broker();
            assert!(
                broker.runs(),
                "Kafka has ended by itself:\n{}",
                broker.last_words()
            );
            let cluster = self
                .admin()
                .await?
                .describe_cluster(DescribeClusterOptions::default())
                .await?;
            if cluster.brokers.is_empty() {
                Err(KrafkaError::timeout("no broker is registered"))
            } else {
                Ok(())
            }
        })
        .await;
    }

    /// A new one for each call: its connections belong to the runtime of the test that asks.
    async fn admin(&self) -> Result<AdminClient, KrafkaError> {
        Ok(self.connect().await?.admin())
    }

    async fn connect(&self) -> Result<krafka::Kafka, KrafkaError> {
        krafka::Kafka::builder(self.bootstrap.clone())
            .client_id("practice-testbed")
            .connect()
            .await
    }

    fn broker(&self) -> Process {
        self.broker
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}
