//! An Apache Kafka of several nodes, each broker and controller in one, whose brokers a test may kill one by one.
//! In: how many. Out: an address, and what Kafka's own tools print.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use krafka::{admin::DescribeClusterOptions, error::KrafkaError};

use crate::{
    kafka::{CLUSTER_ID, START_TIMEOUT, configure, format, java, tool},
    poll,
    process::{Keeper, Process, free_port},
};

/// A running Kafka of several brokers. Dropped, it ends and its data is removed.
#[derive(Debug)]
pub struct Brokers {
    nodes: Vec<Node>,
}

#[derive(Debug)]
struct Node {
    keeper: Keeper,
    address: String,
    process: Mutex<Process>,
}

impl Brokers {
    /// Starts so many, with the ids 1, 2, ...
    pub async fn start(count: usize) -> Self {
        let controllers: Vec<u16> = (0..count).map(|_| free_port()).collect();
        let node = async |id: usize| {
            let (keeper, address) = (Keeper::new(), format!("127.0.0.1:{}", free_port()));
            configure(keeper.dir(), id, &address, &controllers, "");
            format(&keeper, id, CLUSTER_ID, &[]).await;
            let process = Mutex::new(java(&keeper, "kafka.Kafka", &[]).await);
            Node {
                keeper,
                address,
                process,
            }
        };
        let mut nodes = Vec::new();
        for id in 1..=count {
            nodes.push(node(id).await);
        }
        let brokers = Self { nodes };
        brokers.answer(count).await;
        brokers
    }

    /// The addresses of all brokers.
    pub fn bootstrap(&self) -> String {
        self.nodes
            .iter()
            .map(|node| node.address.as_str())
            .collect::<Vec<_>>()
            .join(",")
    }

    /// Ends a broker as a power cut does (SIGKILL); its data stays.
    pub async fn kill(&self, id: usize) {
        let node = &self.nodes[id - 1];
        let process = node
            .process
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        node.keeper.end(&process, "KILL").await;
    }

    /// Starts a broker that was killed, with the same port and data, and waits until all that run answer.
    pub async fn restart(&self, id: usize) {
        let node = &self.nodes[id - 1];
        let broker = java(&node.keeper, "kafka.Kafka", &[]).await;
        *node.process.lock().unwrap_or_else(PoisonError::into_inner) = broker;
        self.answer(self.nodes.len()).await;
    }

    /// Runs a tool of Kafka's own; see [`Kafka::tool`](crate::Kafka::tool).
    pub async fn tool(&self, class: &str, args: &[&str]) -> String {
        tool(&self.nodes[0].keeper, class, args).await
    }

    async fn answer(&self, count: usize) {
        poll(
            "all brokers answer",
            START_TIMEOUT + Duration::from_mins(1),
            || async {
                let kafka = krafka::Kafka::builder(self.bootstrap())
                    .client_id("practice-testbed")
                    .connect()
                    .await?;
                let there = kafka
                    .admin()
                    .describe_cluster(DescribeClusterOptions::default())
                    .await?
                    .brokers
                    .len();
                if there == count {
                    Ok(())
                } else {
                    Err(KrafkaError::timeout(format!(
                        "{there} brokers are registered"
                    )))
                }
            },
        )
        .await;
    }
}
