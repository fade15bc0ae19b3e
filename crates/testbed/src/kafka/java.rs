//! Kafka's own programs. In: the directory of a broker. Out: its configuration, the running broker, and what a tool prints.
//! Deliberately absent: whether the broker answers.

use std::{fs, path::Path, process::Stdio};

use super::{START_TIMEOUT, archive};
use crate::{
    cache,
    process::{Keeper, Process},
};

pub(super) const STORAGE_TOOL: &str = "kafka.tools.StorageTool";

/// Writes what the broker `id` is started with. `controllers` are the ports of all of them, in the order of their ids.
pub(crate) fn configure(dir: &Path, id: usize, address: &str, controllers: &[u16], further: &str) {
    let data = dir.join("data");
    let voters = (1..)
        .zip(controllers)
        .map(|(id, port)| format!("{id}@127.0.0.1:{port}"));
    let (voters, copies) = (voters.collect::<Vec<_>>().join(","), controllers.len());
    let controller_port = controllers[id - 1];
    let properties = format!(
        "process.roles=broker,controller
node.id={id}
controller.quorum.voters={voters}
listeners=PLAINTEXT://{address},CONTROLLER://127.0.0.1:{controller_port}
advertised.listeners=PLAINTEXT://{address}
controller.listener.names=CONTROLLER
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
log.dirs={}
auto.create.topics.enable=false
offsets.topic.replication.factor={copies}
offsets.topic.num.partitions=3
transaction.state.log.replication.factor={copies}
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=3
share.coordinator.state.topic.replication.factor={copies}
share.coordinator.state.topic.min.isr=1
share.coordinator.state.topic.num.partitions=3
group.initial.rebalance.delay.ms=0
{further}",
        data.display()
    );
    // on stderr, so that what a tool prints is only its answer
    let log = "appender.out.type = Console
appender.out.name = out
appender.out.target = SYSTEM_ERR
appender.out.layout.type = PatternLayout
appender.out.layout.pattern = %d{ISO8601} %p %m (%c{1})%n
rootLogger.level = WARN
rootLogger.appenderRef.out.ref = out
";
    for (name, text) in [
        ("server.properties", properties.as_str()),
        ("log4j2.properties", log),
    ] {
        fs::write(dir.join(name), text)
            .unwrap_or_else(|error| panic!("cannot write {name}: {error}"));
    }
}

/// Makes the directory of a broker that has been [`configure`]d one that it can start from.
pub(crate) async fn format(keeper: &Keeper, cluster_id: &str, options: &[&str]) {
    let format = [&["format", "-t", cluster_id], options, &["-c"]].concat();
    let format = java(keeper, STORAGE_TOOL, &format).await;
    format.ended(START_TIMEOUT).await;
    let formatted = keeper.dir().join("data/meta.properties").exists();
    assert!(
        formatted,
        "Kafka's directory could not be formatted:\n{}",
        format.last_words()
    );
}

/// Starts a class of Kafka with these arguments and the path of the configuration; its log is named like the class.
pub(crate) async fn java(keeper: &Keeper, class: &str, args: &[&str]) -> Process {
    spawn(keeper, archive::flags().await, class, args)
}

/// As [`java`], with these flags of the JVM.
pub(super) fn spawn(keeper: &Keeper, flags: &[String], class: &str, args: &[&str]) -> Process {
    let properties = keeper.dir().join("server.properties").display().to_string();
    let args = [args, &[&properties]].concat();
    let words = words(keeper, "1g", flags, class, &args);
    keeper.spawn(class, &[], Path::new("java"), &words)
}

/// Runs a class of Kafka and returns what it prints on stdout; panics with its output when it fails.
pub(crate) async fn tool(keeper: &Keeper, class: &str, args: &[&str]) -> String {
    run(keeper, archive::flags().await, class, args)
        .await
        .unwrap_or_else(|error| panic!("{error}"))
}

/// As [`tool`], with these flags of the JVM. The error has the tool's output.
pub(super) async fn run(
    keeper: &Keeper,
    flags: &[String],
    class: &str,
    args: &[&str],
) -> Result<String, String> {
    let output = tokio::process::Command::new("java")
        .args(words(keeper, "128m", flags, class, args))
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await
        .map_err(|error| format!("cannot run java: {error}"))?;
    let [stdout, stderr] =
        [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
    if output.status.success() {
        Ok(stdout)
    } else {
        let status = output.status;
        Err(format!("{class} {args:?}: {status}\n{stdout}{stderr}"))
    }
}

/// All that follows `java` on the command line.
fn words(keeper: &Keeper, heap: &str, flags: &[String], class: &str, args: &[&str]) -> Vec<String> {
    let log = keeper.dir().join("log4j2.properties");
    let own = [
        format!("-Xmx{heap}"),
        format!("-Dlog4j2.configurationFile={}", log.display()),
    ];
    let started = [class].into_iter().chain(args.iter().copied());
    quick()
        .into_iter()
        .chain(own)
        .chain(flags.iter().cloned())
        .chain(started.map(str::to_owned))
        .collect()
}

/// Flags of a JVM that starts quickly and stays small. It uses a class data archive only if these were the same when that was made.
pub(super) fn quick() -> Vec<String> {
    let class_path = cache::kafka_class_path();
    [
        "-XX:TieredStopAtLevel=1",
        "-XX:+UseSerialGC",
        "-cp",
        &class_path,
    ]
    .map(str::to_owned)
    .to_vec()
}
