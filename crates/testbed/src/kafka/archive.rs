//! A class data archive (JEP 310) of Kafka's programs in the cache: a JVM that maps it loads its classes in half the time.
//! In: `java` and Kafka's jars. Out: flags of a JVM. The first test that starts a Kafka makes it, and makes it again for another
//! Java or other jars: the JVM itself compares both with the archive.
//! Deliberately absent: failures. Without an archive a JVM reads the same classes from the jars.

use std::{
    fs::{self, File},
    path::Path,
    process::Stdio,
};

use tokio::sync::OnceCell;

use super::{
    CLUSTER_ID, START_TIMEOUT, configure,
    java::{STORAGE_TOOL, quick, run, spawn},
};
use crate::{
    cache,
    process::{Keeper, free_port},
};

/// Flags of a JVM that uses the archive; none if there cannot be one.
pub(super) async fn flags() -> &'static [String] {
    static FLAGS: OnceCell<Vec<String>> = OnceCell::const_new();
    FLAGS
        .get_or_init(async || {
            let archive = cache::kafka_classes();
            match made(&archive).await {
                // warnings go where they do not mix with what a tool prints
                Ok(()) => vec![
                    shared(&archive),
                    "-Xshare:auto".to_owned(),
                    "-Xlog:disable".to_owned(),
                    "-Xlog:all=warning:stderr".to_owned(),
                ],
                Err(why) => {
                    let archive = archive.display();
                    eprintln!("Kafka starts slowly, without {archive}: {why}");
                    Vec::new()
                }
            }
        })
        .await
}

/// Makes the archive if it is missing, damaged, or of another Java or other jars.
async fn made(archive: &Path) -> Result<(), String> {
    if is_usable(archive).await {
        return Ok(());
    }
    let lock = File::create(archive.with_extension("lock")).map_err(|error| error.to_string())?;
    let locked = tokio::task::spawn_blocking(move || lock.lock().map(|()| lock));
    let _lock = locked
        .await
        .map_err(|error| error.to_string())?
        .map_err(|error| error.to_string())?;
    if is_usable(archive).await {
        return Ok(()); // another process has made it meanwhile
    }
    let new = archive.with_extension("new");
    make(&new).await?;
    if !is_usable(&new).await {
        return Err("this Java does not read what it wrote".to_owned());
    }
    fs::rename(&new, archive).map_err(|error| error.to_string())
}

/// Whether this Java, with these jars and flags, can map the archive, all of which it reads. Where it is damaged, a JVM may even crash.
async fn is_usable(archive: &Path) -> bool {
    let checks = [
        "-Xshare:on",
        "-XX:+VerifySharedSpaces",
        "-XX:ErrorFile=/dev/null",
    ];
    let status = tokio::process::Command::new("java")
        .args(quick())
        .args(checks)
        .args([&shared(archive), "-version"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .await;
    status.is_ok_and(|status| status.success())
}

fn shared(archive: &Path) -> String {
    format!("-XX:SharedArchiveFile={}", archive.display())
}

/// Runs what tests run, with a list of the classes that each JVM loads, and writes all of them into an archive.
async fn make(archive: &Path) -> Result<(), String> {
    const LISTS: [&str; 4] = ["format", "broker", "topic", "group"];
    let (keeper, address) = (Keeper::new(), format!("127.0.0.1:{}", free_port()));
    configure(keeper.dir(), 1, &address, &[free_port()], "");
    let path = |name: &str| keeper.dir().join(name).display().to_string();
    let lists = LISTS.map(|name| [format!("-XX:DumpLoadedClassList={}", path(name))]);
    let [of_format, of_broker, of_topic, of_group] = &lists;

    let format = ["format", "-t", CLUSTER_ID, "-c"];
    let format = spawn(&keeper, of_format, STORAGE_TOOL, &format);
    format.ended(START_TIMEOUT).await;
    let broker = spawn(&keeper, of_broker, "kafka.Kafka", &[]);
    let server = ["--bootstrap-server", &address];
    // waits for the broker
    let topic = [&server[..], &["--create", "--topic", "t"]].concat();
    run(
        &keeper,
        of_topic,
        "org.apache.kafka.tools.TopicCommand",
        &topic,
    )
    .await?;
    let group = [&server[..], &["--describe", "--all-groups"]].concat();
    let describe = "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand";
    run(&keeper, of_group, describe, &group).await?;
    keeper.end(&broker, "TERM").await;

    let lists = LISTS.map(|name| fs::read_to_string(path(name)));
    let lists: Result<Vec<_>, _> = lists.into_iter().collect();
    let classes = lists.map_err(|error| error.to_string())?.concat();
    fs::write(path("classes"), classes).map_err(|error| error.to_string())?;
    let dump = [
        "-Xshare:dump".to_owned(),
        format!("-XX:SharedClassListFile={}", path("classes")),
        shared(archive),
    ];
    let output = tokio::process::Command::new("java")
        .args(quick())
        .args(dump)
        .stdin(Stdio::null())
        .output()
        .await
        .map_err(|error| error.to_string())?;
    if output.status.success() {
        Ok(())
    } else {
        let said = String::from_utf8_lossy(&output.stderr);
        Err(format!("java -Xshare:dump: {}\n{said}", output.status))
    }
}
