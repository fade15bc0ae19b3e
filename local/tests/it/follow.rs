//! `send --follow` and `where` with the broker in memory. What they print is compared with the logs of the consumers, which have a line for each
//! message that was handled.

use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader, Read},
    process::{Command, Output, Stdio},
};

use rustix::process::Signal;
use serde_json::Value;

use crate::kit::{Local, SOON, THREE_GROUPS, program, send, text};

/// How often a group has handled each message, by partition and offset, from the lines of its consumers' logs.
fn truth(local: &Local, group: &str) -> BTreeMap<(i64, i64), usize> {
    let mut counts = BTreeMap::new();
    for consumer in ["a", "b", "c", "slow-a", "slow-b"] {
        let log = local.log(&format!("{group}-{consumer}"));
        let mut taken = None;
        for line in log.lines() {
            if let Some(rest) = line.split_once("- partition [").map(|(_, rest)| rest) {
                let (partition, rest) = rest.split_once(']').expect("a partition");
                let offset = rest.rsplit_once(' ').expect("an offset").1;
                taken = partition.parse().ok().zip(offset.parse().ok());
            } else if line.starts_with("Received message: ") {
                let at = taken.expect("its first line");
                *counts.entry(at).or_default() += 1;
            }
        }
    }
    counts
}

/// Code and document of a command with `-o json`.
fn document(output: &Output) -> (Option<i32>, Value) {
    let printed = text(&output.stdout);
    let document = serde_json::from_str(&printed);
    let document = document.unwrap_or_else(|_| panic!("{printed}{}", text(&output.stderr)));
    (output.status.code(), document)
}

fn group<'a>(document: &'a Value, name: &str) -> &'a Value {
    let groups = document["groups"].as_array().expect("groups");
    let found = groups.iter().find(|group| group["group"] == name);
    found.unwrap_or_else(|| panic!("{name}: {document}"))
}

fn numbers(group: &Value) -> [u64; 4] {
    ["once", "moreThanOnce", "notHandled", "unknown"]
        .map(|field| group[field].as_u64().expect(field))
}

#[test]
fn a_message_is_followed_to_a_consumer_of_each_group() {
    let local = Local::ready(THREE_GROUPS, &[]);
    for (group, members) in [("group-1", 2), ("group-2", 3), ("group-3", 1)] {
        local.settled(group, members);
    }
    let printed = local.dir.stdout_of(&["send", "hello", "--follow"]);
    let lines: Vec<&str> = printed.lines().collect();
    assert_eq!(lines.len(), 5, "{printed}");
    let (place, rest) = lines[0].split_once("   acknowledged in ").expect("a place");
    let partition = &place["my-topic/".len()..place.find('@').expect("an offset")];
    assert!(
        rest.contains(&format!("   partition {partition}: murmur2 of key "))
            && rest.ends_with("… mod 3, a random key"),
        "{printed}"
    );
    for name in ["group-1", "group-2", "group-3"] {
        let line = lines
            .iter()
            .find(|line| line.contains(&format!("  {name}   ")));
        let line = line.unwrap_or_else(|| panic!("{name}: {printed}"));
        let consumer = line.split_whitespace().nth(1).expect("a consumer");
        assert!(line.contains("   handled after "), "{printed}");
        let log = local.log(consumer);
        assert_eq!(log.matches("value=hello").count(), 1, "{name}: {log}");
    }
    assert_eq!(lines[4], "3 of 3 groups handled it, each once");

    let (code, document) = document(&local.dir.run(&["where", place, "-o", "json"]));
    assert_eq!(
        (code, &document["exactlyOnce"]),
        (Some(0), &Value::Bool(true))
    );
    for name in ["group-1", "group-2", "group-3"] {
        assert_eq!(numbers(group(&document, name)), [1, 0, 0, 0], "{document}");
    }
    let given = ["send", "hello", "--follow", "-p", "1"];
    let printed = local.dir.stdout_of(&given);
    assert!(printed.contains("   partition 1: given\n"), "{printed}");
    let key = ["send", "hello", "--follow", "-k", "order-7"];
    let printed = local.dir.stdout_of(&key);
    assert!(
        printed.contains(": murmur2 of key order-7 mod 3\n"),
        "{printed}"
    );
}

#[test]
fn ten_thousand_messages_are_counted_exactly() {
    let local = Local::ready(
        "
apiVersion: kafka-practice.dev/v1alpha1
kind: ConsumerGroupPractice
metadata: {name: many}
spec:
  topics: [{name: my-topic, partitions: 3}]
  groups:
    - {name: group-1, replicas: 2}
    - {name: group-2, replicas: 1, variants: [{name: slow, replicas: 1, processingDelay: 1ms}]}
    - {name: group-3, replicas: 1, processingDelay: 2ms}
",
        &[],
    );
    for (group, members) in [("group-1", 2), ("group-2", 2), ("group-3", 1)] {
        local.settled(group, members);
    }
    // messages of others are between them, and are not counted
    local.dir.stdout_of(&["send", "-n", "5", "before"]);
    let follow = [
        "send",
        "x",
        "-n",
        "10000",
        "--follow",
        "--timeout",
        "2m",
        "-o",
        "json",
    ];
    let (code, document) = document(&local.dir.run(&follow));
    assert_eq!(code, Some(0), "{document}");
    assert_eq!(document["messages"], 10_000);
    for name in ["group-1", "group-2", "group-3"] {
        let group = group(&document, name);
        assert_eq!(numbers(group), [10_000, 0, 0, 0], "{group}");
        let consumers = group["consumers"].as_array().expect("consumers").iter();
        let handled = consumers.map(|one| one["messages"].as_u64().expect("a number"));
        assert_eq!(handled.sum::<u64>(), 10_000);
        let counts = truth(&local, name);
        assert_eq!(counts.len(), 10_005, "{name}");
        assert!(counts.values().all(|count| *count == 1), "{name}");
    }
}

#[test]
fn messages_of_a_killed_consumer_are_handled_again_or_unknown_and_no_claim_is_wrong() {
    let local = Local::ready(
        "
apiVersion: kafka-practice.dev/v1alpha1
kind: ConsumerGroupPractice
metadata: {name: killed}
spec:
  topics: [{name: my-topic, partitions: 2}]
  groups: [{name: g, replicas: 2, processingDelay: 20ms}]
",
        &["--restart-delay", "1h"],
    );
    local.settled("g", 2);
    let follow = [
        "send",
        "x",
        "-n",
        "400",
        "--follow",
        "--timeout",
        "2m",
        "-o",
        "json",
    ];
    let following = started(&local, &follow);
    local.until("g-a handles messages", || {
        (local.log("g-a").matches("Received message").count() >= 30).then_some(())
    });
    local.dir.stdout_of(&["kill", "g-a"]);
    let output = following.wait_with_output().expect("it ends");
    let (code, document) = document(&output);
    assert_eq!(
        (code, &document["ended"]),
        (Some(1), &"Settled".into()),
        "{document}"
    );
    let counts = truth(&local, "g");
    let group = group(&document, "g");
    let [once, several, missing, unknown] = numbers(group);
    assert_eq!((once + several + unknown, missing), (400, 0), "{group}");
    assert!(several + unknown > 0, "{group}");
    let (mut listed, mut is_named) = (0, false);
    for exception in group["exceptions"].as_array().expect("exceptions") {
        let number = |field: &str| exception[field].as_i64().expect("a number");
        for offset in number("from")..=number("to") {
            listed += 1;
            let handled = counts.get(&(number("partition"), offset)).copied();
            let handled = handled.unwrap_or_default();
            match exception["result"].as_str() {
                Some("MoreThanOnce") => assert!(handled >= 2, "{exception}: {handled}"),
                Some("Unknown") => assert!(handled >= 1, "{exception}: {handled}"),
                other => panic!("{other:?}: {exception}"),
            }
        }
        is_named |= exception.to_string().contains("g-a");
    }
    assert!(is_named, "{group}");
    assert_eq!(listed, several + unknown, "{group}");
    // what is not listed was handled once, and the logs have it once
    let twice = counts.values().filter(|count| **count > 1).count();
    assert!(
        counts.len() == 400 && twice as u64 <= listed,
        "{twice}: {group}"
    );

    // later: what g-a alone has handled cannot be asked any more
    let (code, document) = self::document(&local.dir.run(&["where", "my-topic/0@0", "-o", "json"]));
    let other = self::document(&local.dir.run(&["where", "my-topic/1@0", "-o", "json"]));
    assert_eq!((code, other.0), (Some(1), Some(1)));
    let unknown: Vec<&Value> = [&document, &other.1]
        .into_iter()
        .flat_map(|document| {
            self::group(document, "g")["exceptions"]
                .as_array()
                .expect("a list")
        })
        .flat_map(|exception| exception["unknownOf"].as_array().expect("who"))
        .collect();
    assert_eq!(unknown.len(), 2, "{document}");
    for spot in unknown {
        assert_eq!(
            (&spot["consumer"], &spot["reason"]),
            (&"g-a".into(), &"was killed".into())
        );
        assert!(spot["at"].is_string(), "{spot}");
    }
}

/// A command that runs beside the test.
fn started(local: &Local, args: &[&str]) -> std::process::Child {
    let mut command: Command = program();
    command.current_dir(local.dir.path()).args(args);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().expect("the program runs")
}

#[test]
fn groups_that_cannot_handle_a_message_are_named_with_the_reason() {
    let local = Local::ready(THREE_GROUPS, &[]);
    local.settled("group-2", 3);
    local.dir.stdout_of(&["stop", "group-1"]);
    local.dir.stdout_of(&["scale", "group-3", "0"]);
    for group in ["group-1", "group-3"] {
        local.until("it has no members", || {
            local.group(group)?["members"]
                .as_array()?
                .is_empty()
                .then_some(())
        });
    }
    let output = local.dir.run(&["send", "hello", "--follow"]);
    let printed = text(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{printed}");
    for line in [
        "not handled by group-1: the group is stopped",
        "not handled by group-3: the group has 0 consumers, so that no partition has an owner",
        "1 of 3 groups handled it, each once",
    ] {
        assert!(printed.contains(line), "{line}: {printed}");
    }
    assert!(
        !printed.contains("--timeout"),
        "no group waits for them: {printed}"
    );
    assert!(output.stderr.is_empty(), "{}", text(&output.stderr));

    local.dir.stdout_of(&["start", "group-1"]);
    local.dir.stdout_of(&["scale", "group-3", "1"]);
    local.settled("group-1", 2);
    local.settled("group-3", 1);
    local.dir.stdout_of(&["pause", "group-3-a"]);
    let output = local
        .dir
        .run(&["send", "hello", "--follow", "--timeout", "3s"]);
    let printed = text(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{printed}");
    for line in [
        "its owner group-3-a is paused",
        "stopped waiting after --timeout 3s",
    ] {
        assert!(printed.contains(line), "{line}: {printed}");
    }
    assert!(
        printed.contains("2 of 3 groups handled it, each once; not handled by group-3: "),
        "{printed}"
    );
}

#[test]
fn ctrl_c_prints_what_is_known() {
    let local = Local::ready(THREE_GROUPS, &[]);
    for (group, members) in [("group-1", 2), ("group-2", 3), ("group-3", 1)] {
        local.settled(group, members);
    }
    local.dir.stdout_of(&["pause", "group-3-a"]);
    let mut following = started(&local, &["send", "hello", "--follow", "--timeout", "1h"]);
    let mut lines = BufReader::new(following.stdout.take().expect("it is piped"));
    let mut printed = String::new();
    while !(printed.contains("  group-1   ") && printed.contains("  group-2   ")) {
        assert_ne!(
            lines.read_line(&mut printed).expect("a line"),
            0,
            "{printed}"
        );
    }
    send(following.id(), Signal::INT);
    lines.read_to_string(&mut printed).expect("its end");
    let status = following.wait().expect("it ends");
    assert_eq!(status.code(), Some(1), "{printed}");
    assert!(
        printed.contains("interrupted: this is what was known")
            && printed.contains("2 of 3 groups handled it, each once; not handled by group-3"),
        "{printed}"
    );
    // it ended by itself, and not after its hour
    local.until_within(SOON, "the practice keeps running", || {
        local.group("group-1")
    });
}
