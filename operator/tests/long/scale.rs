//! What looking at many groups on one Kafka costs the operator, beside Kafka's own tool in the same run: seven practices with 32
//! groups of 50 partitions each. The released operator, with its picture, against an API server with controllers and a Kafka of
//! the test's own; there is no node and so no pod: members are clients of the test.

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
    clients::{Joins, Member, commit_for_each, send_to_each},
    described::CONSUMER_GROUP_COMMAND,
};
use serde_json::json;
use tokio::runtime::Runtime;

use crate::{
    common::{
        alone,
        command::Background,
        figures::{Bound, figure, hold, median},
        host,
    },
    program::{free_port, released},
};

const PRACTICES: usize = 7;
const GROUPS: usize = 32;
const PARTITIONS: i32 = 50;
/// Of each practice, so many groups have a member that owns all.
const WITH_A_MEMBER: usize = 2;
/// A measurement takes so long.
const WHILE: Duration = Duration::from_secs(30);

#[test]
fn looking_at_224_groups_of_50_partitions_is_quick_and_cheap() {
    let _turn = alone();
    let runtime = Runtime::new().expect("threads can be started");
    let scene = runtime.block_on(Scene::new());
    let what =
        format!("{PRACTICES} practices x {GROUPS} groups x {PARTITIONS} partitions on one Kafka");
    let members = scene.furnish(&runtime);

    scene.rests();
    let rest = scene.measure(|| sleep(WHILE));
    tell(&what, "at rest", &rest);
    let (servers, topics) = (scene.kafka.bootstrap().to_owned(), Scene::topics());
    let seconds = usize::try_from(WHILE.as_secs()).expect("few");
    let pauses = vec![Duration::from_secs(1); seconds];
    let moving = scene.measure(|| send_to_each(&servers, &topics, 0..=PARTITIONS - 1, pauses));
    tell(&what, "a message a second in each partition", &moving);

    let runs: Vec<(f64, f64)> = (0..3).map(|_| scene.tool(&runtime)).collect();
    let (took, cpu): (Vec<f64>, Vec<f64>) = runs.iter().copied().unzip();
    let how = format!(
        "ConsumerGroupCommand --all-groups --describe, start of the JVM included; median of {took:.1?}"
    );
    figure(
        &format!("{what}: Kafka's own tool"),
        median(took),
        "s",
        Bound::None,
        &how,
    );
    let how = format!("user and system time of its process; median of {cpu:.1?}");
    figure(
        &format!("{what}: Kafka's own tool, CPU"),
        median(cpu) * 1000.0,
        "ms",
        Bound::None,
        &how,
    );

    let looks = scene.looks().len();
    let (connections, requests) = runtime.block_on(
        scene
            .kafka
            .requests("kafka-practice", async || tokio::time::sleep(WHILE).await),
    );
    let looks = as_number(scene.looks().len() - looks + 1);
    let sum = as_number(requests.values().sum());
    let how = format!(
        "as the broker notes them over {looks} looks or one less, what is asked about other groups included: {requests:?}"
    );
    // the client asks for a group's coordinator each time that it asks about the group
    let most = Bound::AtMost(as_number(3 * PRACTICES * GROUPS + 40));
    hold(
        &format!("{what}: requests"),
        (sum / looks).round(),
        "a look",
        most,
        1.0,
        &how,
    );
    let how = "in use at the same time, one for looks and one for all else";
    hold(
        &format!("{what}: connections"),
        as_number(connections),
        "",
        Bound::AtMost(2.0),
        1.0,
        how,
    );
    drop(members);
}

fn tell(what: &str, when: &str, measured: &Measured) {
    let looks = &measured.looks;
    let slowest = looks.iter().copied().fold(0.0, f64::max);
    let how = format!(
        "the slowest of {} looks, each every 2 s after the one before: {looks:?} ms",
        looks.len()
    );
    hold(
        &format!("{what}, {when}: look"),
        slowest / 1000.0,
        "s",
        Bound::AtMost(2.0),
        1.0,
        &how,
    );
    let how = "the operator's reader, all topics and groups at once";
    figure(
        &format!("{what}, {when}: look, median"),
        median(looks.clone()),
        "ms",
        Bound::None,
        how,
    );
    let how = format!(
        "user and system time of the operator, all that it does, {} reconciles in it",
        measured.reconciles
    );
    let cpu = measured.cpu * 1000.0 / as_number(looks.len());
    figure(
        &format!("{what}, {when}: CPU"),
        cpu,
        "ms a look",
        Bound::None,
        &how,
    );
}

#[expect(clippy::cast_precision_loss, reason = "some thousands")]
fn as_number(count: usize) -> f64 {
    count as f64
}

/// What was measured over a while.
struct Measured {
    /// Milliseconds that each look took.
    looks: Vec<f64>,
    reconciles: usize,
    /// Seconds of the operator's CPU.
    cpu: f64,
}

struct Scene {
    cluster: Cluster,
    namespace: String,
    kafka: Kafka,
    operator: Background,
    log: PathBuf,
}

impl Scene {
    async fn new() -> Self {
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
            cluster,
            namespace,
            kafka,
            operator,
            log,
        }
    }

    fn topics() -> Vec<String> {
        (0..PRACTICES)
            .map(|practice| format!("topic-{practice}"))
            .collect()
    }

    /// Practices whose groups have all committed everything, and the members of some of them.
    fn furnish(&self, runtime: &Runtime) -> Vec<Member> {
        let group = |topic: &str, group: usize| format!("{topic}-group-{group:02}");
        runtime.block_on(async {
            for topic in Self::topics() {
                let replicas = |number| usize::from(number < WITH_A_MEMBER);
                let group = |number| json!({"name": group(&topic, number), "replicas": replicas(number), "protocol": "Consumer"});
                let groups: Vec<_> = (0..GROUPS).map(group).collect();
                self.apply(
                    &topic,
                    &json!({"topics": [{"name": topic, "partitions": PARTITIONS}], "groups": groups,
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
        for topic in Self::topics() {
            let groups: Vec<(String, String)> = (0..GROUPS)
                .map(|number| (topic.clone(), group(&topic, number)))
                .collect();
            let metadata = commit_metadata(&format!("{}/{topic}", self.namespace));
            commit_for_each(servers, &groups, 0..=PARTITIONS - 1, &metadata);
            for (topic, group) in &groups[..WITH_A_MEMBER] {
                members.push(Member::join(servers, group, topic, group, Joins::Consumer));
            }
        }
        let has_all = |group: &&GroupStatus| {
            group
                .members
                .iter()
                .any(|member| member.partition_count == PARTITIONS)
        };
        let there = |status: &PracticeStatus| {
            status
                .conditions
                .iter()
                .any(|one| one.type_ == "Reconciling" && one.status == "False")
                && status.groups.iter().all(|group| group.lag == Some(0))
                && status.groups.iter().filter(has_all).count() == WITH_A_MEMBER
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
            if all.len() == PRACTICES && left.is_empty() {
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
    fn rests(&self) {
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
    fn reconciles(&self) -> usize {
        let log = fs::read_to_string(&self.log).expect("it is there");
        log.lines()
            .filter(|line| line.contains("reconciled"))
            .count()
    }

    /// Milliseconds that each look took until now, as the operator's log has it.
    fn looks(&self) -> Vec<f64> {
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

    fn measure(&self, meanwhile: impl FnOnce()) -> Measured {
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
    fn tool(&self, runtime: &Runtime) -> (f64, f64) {
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
            rows >= PRACTICES * GROUPS * 50,
            "a line for each partition of each group, were {rows}"
        );
        (took, cpu)
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.log); // it is of no use any more
    }
}
