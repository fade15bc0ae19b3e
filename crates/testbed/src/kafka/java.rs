//! Kafka's own programs. In: the directory of a broker. Out: its configuration, the running broker, and what a tool prints.
//! Deliberately absent: whether the broker answers.

use std::{
    collections::{BTreeMap, btree_map::Entry},
    fs,
    path::Path,
    process::Stdio,
};

use tokio::sync::Mutex;

use super::{CLUSTER_ID, START_TIMEOUT, archive};
use crate::{
    cache,
    process::{Keeper, Process},
};

pub(super) const STORAGE_TOOL: &str = "kafka.tools.StorageTool";
const CHECKPOINT: &str = "bootstrap.checkpoint";

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

/// Makes the directory of the broker `id`, which has been [`configure`]d, one that it can start from, as Kafka's `StorageTool` does:
/// its bootstrap checkpoint names features and neither broker nor cluster. The broker gives its directory an id itself.
pub(crate) async fn format(keeper: &Keeper, id: usize, cluster_id: &str, options: &[&str]) {
    static CHECKPOINTS: Mutex<BTreeMap<String, Vec<u8>>> = Mutex::const_new(BTreeMap::new());
    let mut checkpoints = CHECKPOINTS.lock().await;
    let checkpoint = match checkpoints.entry(options.join(" ")) {
        Entry::Occupied(known) => known.into_mut(),
        Entry::Vacant(new) => new.insert(bootstrap_checkpoint(options).await),
    };
    let data = keeper.dir().join("data");
    let properties = format!("version=1\ncluster.id={cluster_id}\nnode.id={id}\n");
    fs::create_dir(&data)
        .and_then(|()| fs::write(data.join(CHECKPOINT), checkpoint))
        .and_then(|()| fs::write(data.join("meta.properties"), properties))
        .unwrap_or_else(|error| panic!("cannot format {}: {error}", data.display()));
}

/// What `StorageTool` writes for these options.
async fn bootstrap_checkpoint(options: &[&str]) -> Vec<u8> {
    let keeper = Keeper::new();
    configure(keeper.dir(), 1, "127.0.0.1:9092", &[9093], "");
    let args = [&["format", "-t", CLUSTER_ID], options, &["-c"]].concat();
    let format = java(&keeper, STORAGE_TOOL, &args).await;
    format.ended(START_TIMEOUT).await;
    fs::read(keeper.dir().join("data").join(CHECKPOINT)).unwrap_or_else(|error| {
        let printed = format.last_words();
        panic!("Kafka's directory could not be formatted: {error}:\n{printed}")
    })
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
