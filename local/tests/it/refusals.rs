//! Refusals: each names the field, the value and the fix.

use std::fs;

use crate::kit::{Dir, Local, THREE_GROUPS};

#[test]
fn invalid_arguments_are_refused_with_valid_ones() {
    let dir = Dir::new();
    fs::write(dir.path().join("practice.yaml"), THREE_GROUPS).expect("written");
    for (args, says) in [
        (vec!["up"], "MANIFEST"),
        (vec!["up", "nowhere.yaml"], "nowhere.yaml does not exist"),
        (
            vec!["up", "practice.yaml", "--kafka", "redpanda"],
            "embedded, apache",
        ),
        (vec!["up", "practice.yaml", "--brokers", "0"], "1..=9"),
        (
            vec!["up", "practice.yaml", "--bootstrap", "localhost"],
            "host:port",
        ),
        (
            vec![
                "up",
                "practice.yaml",
                "--bootstrap",
                "k:1",
                "--kafka",
                "apache",
            ],
            "cannot be used with",
        ),
        (vec!["up", "practice.yaml", "--port-base", "0"], "1..=65534"),
        (
            vec!["up", "practice.yaml", "--port-base", "65535"],
            "1..=65534",
        ),
        (
            vec!["up", "practice.yaml", "--restart-delay", "10"],
            "500ms, 5s or 2m",
        ),
        (
            vec!["up", "practice.yaml", "--listen", "everywhere"],
            "invalid IP address",
        ),
        (
            vec!["up", "practice.yaml", "--listen", "0.0.0.0"],
            "is not one address",
        ),
        (
            vec!["up", "practice.yaml", "--listen", "192.0.2.1"],
            "not an address of this machine",
        ),
        (vec!["-C", "nowhere", "up", "practice.yaml"], "-C `nowhere`"),
        (vec!["scale", "g", "many"], "invalid digit"),
        (vec!["send", "-n", "0", "x"], "1..=10000"),
        (
            vec!["send", "--timeout", "5s", "x"],
            "required arguments were not provided",
        ),
        (vec!["where", "t@5"], "write TOPIC/PARTITION@OFFSET"),
        (vec!["where", "t/0@5"], "no practice runs in"),
        (vec!["broker", "kick", "1"], "stop, start"),
        (vec!["status"], "no practice runs in"),
        (vec!["scale", "g", "3"], "no practice runs in"),
        (vec!["logs", "g-a"], "no logs in"),
    ] {
        let printed = dir.refused(&args);
        assert!(printed.contains(says), "{args:?}: {printed}");
    }
    assert!(!dir.path().join(".local/control.sock").exists());
}

#[test]
fn a_wrong_manifest_starts_nothing() {
    let dir = Dir::new();
    for (from, to, says) in [
        ("replicas: 2}", "replicas: 200}", "spec.groups[0].replicas"),
        (
            "partitions: 3",
            "partitions: 0",
            "spec.topics[0].partitions",
        ),
        ("name: group-2,", "name: group-1,", "duplicate"),
        (
            "processingDelay: 20ms",
            "processingDelay: 20m",
            "processingDelay must be shorter",
        ),
        (
            "kind: ConsumerGroupPractice",
            "kind: Pod",
            "use kafka-practice.dev/v1alpha1",
        ),
        ("{name: three}", "{name: Three}", "metadata.name"),
    ] {
        fs::write(
            dir.path().join("practice.yaml"),
            THREE_GROUPS.replacen(from, to, 1),
        )
        .expect("written");
        let printed = dir.refused(&[
            "up",
            "practice.yaml",
            "--port-base",
            &crate::kit::ports().to_string(),
        ]);
        assert!(printed.contains(says), "{says}: {printed}");
    }
    assert!(!dir.path().join(".local").exists(), "nothing was started");
}

#[test]
fn unknown_names_list_the_existing_ones() {
    let local = Local::ready(THREE_GROUPS, &[]);
    for (args, says) in [
        (
            vec!["scale", "group-9", "3"],
            "no group `group-9`: groups are group-1, group-2, group-3",
        ),
        (
            vec!["scale", "group-1", "101"],
            "spec.groups[0].replicas: 101",
        ),
        (vec!["scale", "group-1/slow", "1"], "no variant `slow`"),
        (
            vec!["journal", "group-9"],
            "no group `group-9`: groups are group-1",
        ),
        (vec!["kill", "group-1-z"], "names are group-1-a, group-1-b"),
        (vec!["stop", "absent"], "no group `absent`"),
        (vec!["start", "group-1"], "started already"),
        (
            vec!["logs", "group-1-z"],
            "no log of `group-1-z`: logs exist of broker, group-1-a",
        ),
        (vec!["logs", "../../output"], "no log of"),
        (vec!["broker", "stop", "1"], "--kafka apache --brokers 3"),
        (
            vec!["send", "--topic", "nowhere", "x"],
            "0 of 1 sent, then 404",
        ),
        (vec!["send", "--partition", "7", "x"], "0 of 1 sent, then 4"),
        (
            vec!["send", "--follow", "--partition", "7", "x"],
            "0 of 1 sent, then 4",
        ),
        (
            vec!["where", "nowhere/0@1"],
            "topic `nowhere` does not belong to practice three: it has my-topic",
        ),
        (
            vec!["where", "my-topic/3@1"],
            "topic my-topic has no partition 3: it has 3, from 0 to 2",
        ),
    ] {
        let printed = local.dir.refused(&args);
        assert!(printed.contains(says), "{args:?}: {printed}");
    }
}
