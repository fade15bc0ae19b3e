//! The independent truth about topics and groups: Kafka's own tools. In: names. Out: what they print, as rows.

use std::{collections::BTreeMap, process::Command};

use super::command::{done, of_node, run};

/// One partition of a group, as `ConsumerGroupCommand --describe` shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Partition {
    pub(crate) topic: String,
    pub(crate) number: i64,
    pub(crate) committed: Option<i64>,
    pub(crate) end: i64,
    /// `client.id` of its owner, `None` while nobody owns it.
    pub(crate) owner: Option<String>,
}

/// Every partition of a group that is owned or has a committed offset.
pub(crate) fn group(name: &str) -> Vec<Partition> {
    let said = done(&mut tool(
        "consumer.group.ConsumerGroupCommand",
        &["--describe", "--group", name],
    ));
    let text = |row: &BTreeMap<&str, &str>, column: &str| {
        row.get(column)
            .copied()
            .unwrap_or_else(|| panic!("no {column} in:\n{said}"))
            .to_owned()
    };
    let rows = table(&said);
    let one = |row: &BTreeMap<&str, &str>| Partition {
        topic: text(row, "TOPIC"),
        number: text(row, "PARTITION").parse().expect("a number"),
        committed: text(row, "CURRENT-OFFSET").parse().ok(),
        end: text(row, "LOG-END-OFFSET").parse().expect("a number"),
        owner: Some(text(row, "CLIENT-ID")).filter(|owner| owner != "-"),
    };
    rows.iter().map(one).collect()
}

/// `client.id` and number of partitions of each member of a group.
pub(crate) fn members(name: &str) -> BTreeMap<String, i64> {
    let said = done(&mut tool(
        "consumer.group.ConsumerGroupCommand",
        &["--describe", "--members", "--group", name],
    ));
    let rows = table(&said);
    rows.iter()
        .map(|row| {
            (
                row["CLIENT-ID"].to_owned(),
                row["#PARTITIONS"].parse().expect("a number"),
            )
        })
        .collect()
}

/// Names of all groups and topics.
pub(crate) fn names() -> Vec<String> {
    let groups = done(&mut tool(
        "consumer.group.ConsumerGroupCommand",
        &["--list"],
    ));
    let topics = done(&mut tool("TopicCommand", &["--list"]));
    groups
        .lines()
        .chain(topics.lines())
        .map(str::to_owned)
        .collect()
}

/// A topic made by hand.
pub(crate) fn create_topic(name: &str, partitions: i32) {
    done(&mut tool(
        "TopicCommand",
        &[
            "--create",
            "--topic",
            name,
            "--partitions",
            &partitions.to_string(),
        ],
    ));
}

/// The id of a topic, as Kafka's own tool prints it.
pub(crate) fn topic_id(name: &str) -> String {
    let described = done(&mut tool("TopicCommand", &["--describe", "--topic", name]));
    let id = described.split("TopicId: ").nth(1);
    let id = id.and_then(|rest| rest.split_whitespace().next());
    id.unwrap_or_else(|| panic!("no topic {name}: {described}"))
        .to_owned()
}

/// Messages of so many bytes, as fast as Kafka's own tool sends them.
pub(crate) fn fill(topic: &str, messages: i64, bytes: u32) {
    let (number, size) = (messages.to_string(), bytes.to_string());
    let args = [
        "--topic",
        topic,
        "--num-records",
        &number,
        "--record-size",
        &size,
        "--throughput",
        "-1",
    ];
    done(&mut tool("ProducerPerformance", &args));
}

/// Removes a topic with all that is in it.
pub(crate) fn delete_topic(name: &str) {
    let gone = run(&mut tool("TopicCommand", &["--delete", "--topic", name]));
    gone.unwrap_or_else(|error| panic!("{error}"));
}

fn tool(class: &str, args: &[&str]) -> Command {
    let jars = practice_testbed::kafka_class_path();
    let mut command = Command::new("java");
    command.args([
        "-Xmx256m",
        "-XX:TieredStopAtLevel=1",
        "-cp",
        &jars,
        &format!("org.apache.kafka.tools.{class}"),
    ]);
    command
        .args(["--bootstrap-server", &of_node("BOOTSTRAP_HOST")])
        .args(args);
    command
}

/// Rows by column: the tools print tables whose columns are separated by spaces and whose cells have none.
fn table(said: &str) -> Vec<BTreeMap<&str, &str>> {
    let mut lines = said.lines().filter(|line| !line.trim().is_empty());
    let Some(heads) = lines.by_ref().find(|line| line.starts_with("GROUP ")) else {
        return Vec::new();
    };
    let heads: Vec<&str> = heads.split_whitespace().collect();
    lines
        .map(|line| heads.iter().copied().zip(line.split_whitespace()).collect())
        .collect()
}
