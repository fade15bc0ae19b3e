//! Many groups on one Kafka: practices with groups that have committed everything, and members of some of them. There is no node and
//! so no pod: members are clients of the test. The operator is the released one, with its live view.

use std::{
    collections::BTreeMap,
    fs,
    path::PathBuf,
    thread::sleep,
    time::{Duration, Instant},
};

use kube::{
    Api,
    api::{ListParams, Patch, PatchParams},
};
use practice_api::{ConsumerGroupPractice, PracticeStatus, status::GroupStatus};
use practice_contract::commit_metadata;
use practice_testbed::{
    Cluster, Kafka,
    clients::{Joins, Member, commit_for_each},
    described::CONSUMER_GROUP_COMMAND,
};
use serde_json::json;
use tokio::runtime::Runtime;

use crate::{
    common::{command::Background, host},
    program::{free_port, released},
};

/// How many of each.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shape {
    pub(crate) practices: usize,
    /// Of each practice.
    pub(crate) groups: usize,
    /// Of each practice's topic.
    pub(crate) partitions: i32,
    /// Groups of each practice with a member, which owns all partitions.
    pub(crate) with_a_member: usize,
}

/// What was measured over a while.
pub(crate) struct Measured {
    /// Milliseconds that each look took.
    pub(crate) looks: Vec<f64>,
    pub(crate) reconciles: usize,
    /// Seconds of the operator's CPU.
    pub(crate) cpu: f64,
}

/// A Kafka with practices on it, an API server with controllers, and the released operator with its live view.
pub(crate) struct Crowd {
    shape: Shape,
    cluster: Cluster,
    namespace: String,
    pub(crate) kafka: Kafka,
    pub(crate) operator: Background,
    log: PathBuf,
}

impl Crowd {
    pub(crate) async fn new(shape: Shape) -> Self {
        let (cluster, kafka) = (
            Cluster::start_with_controllers().await,
            Kafka::start().await,
        );
        cluster.apply_crd(&practice_api::crd_yaml()).await;
        let namespace = cluster.namespace("scale").await;
        let kubeconfig = cluster.kubeconfig().display().to_string();
        let address = || format!("127.0.0.1:{}", free_port());
        let (listen, view) = (address(), address());
        let env = [
            ("KUBECONFIG", kubeconfig.as_str()),
            ("BOOTSTRAP_SERVERS", kafka.bootstrap()),
            ("LISTEN", listen.as_str()),
            ("VIEW", view.as_str()),
            ("MALLOC_ARENA_MAX", "1"), // as in the chart
            (
                "RUST_LOG",
                "practice_operator::reader=debug,practice_operator::controller=debug,warn",
            ),
        ];
        let log =
            std::env::temp_dir().join(format!("practice-operator-{}.log", std::process::id()));
        let mut program = released("practice-operator", &env);
        program
            .arg("run")
            .stdout(fs::File::create(&log).expect("it can be written"));
        program.stderr(
            fs::File::options()
                .append(true)
                .open(&log)
                .expect("it was just made"),
        );
        let operator = Background::start(&mut program);
        Self {
            shape,
            cluster,
            namespace,
            kafka,
            operator,
            log,
        }
    }

    pub(crate) fn topics(&self) -> Vec<String> {
        (0..self.shape.practices)
            .map(|practice| format!("topic-{practice}"))
            .collect()
    }

    /// Practices whose groups have all committed everything, and the members of some of them.
    pub(crate) fn furnish(&self, runtime: &Runtime) -> Vec<Member> {
        let group = |topic: &str, group: usize| format!("{topic}-group-{group:02}");
        runtime.block_on(async {
            for topic in self.topics() {
                let replicas = |number| usize::from(number < self.shape.with_a_member);
                let group = |number| json!({"name": group(&topic, number), "replicas": replicas(number), "protocol": "Consumer"});
                let groups: Vec<_> = (0..self.shape.groups).map(group).collect();
                self.apply(
                    &topic,
                    &json!({"topics": [{"name": topic, "partitions": self.shape.partitions}], "groups": groups,
                    "producer": {"enabled": false}}),
                )
                .await;
            }
            let claimed = |status: &PracticeStatus| {
                status.topics.iter().all(|topic| topic.ready) && status.groups.iter().all(|group| group.group_id_owned)
            };
            self.until("every group is claimed", claimed).await;
        });
        let servers = self.kafka.bootstrap();
        let mut members = Vec::new();
        for topic in self.topics() {
            let groups: Vec<(String, String)> = (0..self.shape.groups)
                .map(|number| (topic.clone(), group(&topic, number)))
                .collect();
            let metadata = commit_metadata(&format!("{}/{topic}", self.namespace));
            commit_for_each(servers, &groups, 0..=self.shape.partitions - 1, &metadata);
            for (topic, group) in &groups[..self.shape.with_a_member] {
                members.push(Member::join(servers, group, topic, group, Joins::Consumer));
            }
        }
        let has_all = |group: &&GroupStatus| {
            group
                .members
                .iter()
                .any(|member| member.partition_count == self.shape.partitions)
        };
        let there = |status: &PracticeStatus| {
            status
                .conditions
                .iter()
                .any(|one| one.type_ == "Reconciling" && one.status == "False")
                && status.groups.iter().all(|group| group.lag == Some(0))
                && status.groups.iter().filter(has_all).count() == self.shape.with_a_member
        };
        runtime.block_on(self.until("every member has its partitions", there));
        members
    }

    /// A practice of the name of its topic.
    async fn apply(&self, name: &str, spec: &serde_json::Value) {
        let body = json!({
            "apiVersion": "kafka-practice.dev/v1alpha1", "kind": "ConsumerGroupPractice",
            "metadata": {"name": name}, "spec": spec,
        });
        let applied = self
            .practices()
            .patch(
                name,
                &PatchParams::apply("tests").force(),
                &Patch::Apply(&body),
            )
            .await;
        applied.unwrap_or_else(|error| panic!("practice {name} is refused: {error}"));
    }

    fn practices(&self) -> Api<ConsumerGroupPractice> {
        Api::namespaced(self.cluster.client(), &self.namespace)
    }

    /// Waits until the status of every practice is so.
    async fn until(&self, what: &str, holds: impl Fn(&PracticeStatus) -> bool) {
        let (begun, practices) = (tokio::time::Instant::now(), self.practices());
        loop {
            let all = practices
                .list(&ListParams::default())
                .await
                .expect("can be listed")
                .items;
            let left: Vec<_> = all
                .iter()
                .filter(|one| !one.status.as_ref().is_some_and(&holds))
                .collect();
            if all.len() == self.shape.practices && left.is_empty() {
                return;
            }
            let conditions: BTreeMap<_, _> = left
                .iter()
                .map(|one| {
                    (
                        one.metadata.name.as_ref(),
                        one.status.as_ref().map(|status| &status.conditions),
                    )
                })
                .collect();
            assert!(
                begun.elapsed() < Duration::from_mins(3),
                "{what}: {conditions:#?}\n{}",
                self.said()
            );
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    }

    /// The last lines of the operator.
    fn said(&self) -> String {
        let said = fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = said.lines().collect();
        lines[lines.len().saturating_sub(30)..].join("\n")
    }

    /// Waits until what was on its way is written: for ten seconds nothing is reconciled.
    pub(crate) fn rests(&self) {
        let (begun, mut last) = (Instant::now(), (self.reconciles(), Instant::now()));
        while last.1.elapsed() < Duration::from_secs(10) {
            assert!(
                begun.elapsed() < Duration::from_mins(2),
                "it does not come to rest:\n{}",
                self.said()
            );
            sleep(Duration::from_millis(500));
            let reconciles = self.reconciles();
            if reconciles != last.0 {
                last = (reconciles, Instant::now());
            }
        }
    }

    /// Reconciles until now, as the operator's log has them.
    pub(crate) fn reconciles(&self) -> usize {
        let log = fs::read_to_string(&self.log).expect("it is there");
        log.lines()
            .filter(|line| line.contains("reconciled"))
            .count()
    }

    /// Milliseconds that each look took until now, as the operator's log has it.
    pub(crate) fn looks(&self) -> Vec<f64> {
        let log = fs::read_to_string(&self.log).expect("it is there");
        let took = |line: &str| {
            let (_, after) = line.split_once("took_ms")?;
            let digits = after.trim_start_matches(|c: char| !c.is_ascii_digit());
            digits
                .split(|c: char| !c.is_ascii_digit())
                .next()?
                .parse()
                .ok()
        };
        log.lines()
            .filter(|line| line.contains("polled Kafka"))
            .filter_map(took)
            .collect()
    }

    pub(crate) fn measure(&self, meanwhile: impl FnOnce()) -> Measured {
        let (before, reconciles) = (self.looks().len(), self.reconciles());
        let cpu = host::cpu_seconds(self.operator.pid());
        meanwhile();
        let cpu = host::cpu_seconds(self.operator.pid()) - cpu;
        let looks = self.looks().split_off(before);
        assert!(
            looks.len() >= 5,
            "it looks every two seconds: {looks:?}\n{}",
            self.said()
        );
        Measured {
            looks,
            reconciles: self.reconciles() - reconciles,
            cpu,
        }
    }

    /// Seconds that Kafka's own tool takes for the same groups, and seconds of CPU.
    pub(crate) fn tool(&self, runtime: &Runtime) -> (f64, f64) {
        let args = [
            "--bootstrap-server",
            self.kafka.bootstrap(),
            "--all-groups",
            "--describe",
        ];
        let (begun, cpu) = (Instant::now(), host::cpu_seconds_of_children());
        let said = runtime.block_on(self.kafka.tool(CONSUMER_GROUP_COMMAND, &args));
        let (took, cpu) = (
            begun.elapsed().as_secs_f64(),
            host::cpu_seconds_of_children() - cpu,
        );
        let rows = said.lines().filter(|line| line.contains("-group-")).count();
        assert!(
            rows >= self.shape.practices * self.shape.groups * 50,
            "a line for each partition of each group, were {rows}"
        );
        (took, cpu)
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.log); // it is of no use any more
    }
}
