//! With Apache Kafka: groups are shown as Kafka's own tool describes them, brokers stop and restart, partitions are added.

use std::{
    collections::BTreeMap,
    process::{Command, Stdio},
    time::Duration,
};

use practice_testbed::kafka_class_path;
use rustix::process::Signal;

use crate::kit::{Local, SOON, runs, send, text};

const MANIFEST: &str = "
apiVersion: kafka-practice.dev/v1alpha1
kind: ConsumerGroupPractice
metadata: {name: real}
spec:
  kafka: {bootstrapServers: 'elsewhere:9092'}
  topics: [{name: real-topic, partitions: 3, replicationFactor: 3, config: {min.insync.replicas: '2'}}]
  groups:
    - {name: real-1, replicas: 2}
    - {name: real-2, replicas: 4, protocol: Consumer}
";

/// Assignments from Kafka's own tool: partitions by client id, members without any included.
fn described(bootstrap: &str, group: &str) -> BTreeMap<String, Vec<i64>> {
    let output = Command::new("java")
        .args([
            "-Xmx128m",
            "-XX:TieredStopAtLevel=1",
            "-XX:+UseSerialGC",
            "-cp",
            &kafka_class_path(),
        ])
        .arg("org.apache.kafka.tools.consumer.group.ConsumerGroupCommand")
        .args([
            "--bootstrap-server",
            bootstrap,
            "--describe",
            "--members",
            "--verbose",
            "--group",
            group,
        ])
        .stdin(Stdio::null())
        .output()
        .expect("Java runs");
    let printed = text(&output.stdout);
    assert!(output.status.success(), "{printed}{}", text(&output.stderr));
    let mut lines = printed.lines().filter(|line| !line.trim().is_empty());
    let head: Vec<&str> = lines
        .next()
        .unwrap_or_default()
        .split_whitespace()
        .collect();
    let column = |name: &str| {
        head.iter()
            .position(|word| *word == name)
            .unwrap_or_else(|| panic!("{name}: {printed}"))
    };
    let (client, owned) = (column("CLIENT-ID"), column("CURRENT-ASSIGNMENT"));
    let numbers = |field: &str| {
        let inside = field
            .split_once(['(', ':'])
            .map_or("", |(_, inside)| inside)
            .trim_end_matches(')');
        let mut numbers: Vec<i64> = inside
            .split(',')
            .filter_map(|number| number.parse().ok())
            .collect();
        numbers.sort_unstable();
        numbers
    };
    lines
        .map(|line| {
            let fields: Vec<&str> = line.split_whitespace().collect();
            (
                fields[client].to_owned(),
                fields.get(owned).copied().map(numbers).unwrap_or_default(),
            )
        })
        .collect()
}

/// The same, by the live view.
fn shown(local: &Local, group: &str) -> Option<BTreeMap<String, Vec<i64>>> {
    let group = local.group(group)?;
    let members = group["members"].as_array()?.iter().map(|member| {
        let owned = member["partitions"].as_array().into_iter().flatten();
        let mut numbers: Vec<i64> = owned
            .filter_map(|owned| owned["partition"].as_i64())
            .collect();
        numbers.sort_unstable();
        (
            member["clientId"].as_str().unwrap_or_default().to_owned(),
            numbers,
        )
    });
    Some(members.collect())
}

#[test]
fn three_brokers_as_real_ones() {
    let mut local = Local::ready(MANIFEST, &["--kafka", "apache", "--brokers", "3"]);
    let printed = local.output();
    assert!(
        printed.contains("spec.kafka (elsewhere:9092) is ignored in local mode"),
        "{printed}"
    );
    assert!(
        printed.contains("real on Apache Kafka, 3 brokers"),
        "{printed}"
    );
    local.settled("real-1", 2);
    local.settled("real-2", 4);
    let bootstrap = local.view().expect("there")["kafka"]["bootstrap"]
        .as_str()
        .expect("a text")
        .to_owned();
    for group in ["real-1", "real-2"] {
        local.until(&format!("{group} is shown as Kafka describes it"), || {
            (shown(&local, group)? == described(&bootstrap, group)).then_some(())
        });
    }
    let reason = local.until("one waits", || {
        let group = local.group("real-2")?;
        group["members"]
            .as_array()?
            .iter()
            .find_map(|member| member["idleBecause"].as_str().map(str::to_owned))
    });
    assert_eq!(reason, "3 partitions, 4 consumers: 1 waits");

    assert!(
        local
            .dir
            .stdout_of(&["broker", "stop", "2"])
            .contains("broker 2 stops")
    );
    local.until("its partitions are led and in sync elsewhere", || {
        let view = local.view()?;
        let broker = view["kafka"]["brokers"]
            .as_array()?
            .iter()
            .find(|broker| broker["id"] == 2)?
            .clone();
        let partitions = view["partitions"].as_array()?.clone();
        let elsewhere = |partition: &serde_json::Value| {
            let in_sync = partition["isr"]
                .as_array()
                .is_some_and(|all| all.len() == 2 && !all.contains(&2.into()));
            partition["leader"].is_number() && partition["leader"] != 2 && in_sync
        };
        (broker["up"] == false && partitions.len() == 3 && partitions.iter().all(elsewhere))
            .then_some(())
    });
    let sent = local
        .dir
        .stdout_of(&["send", "-n", "6", "two-of-three-have-it"]);
    assert!(sent.starts_with("6 sent to real-topic"), "{sent}");
    local.until("they are read", || {
        (local.logs("real-1").matches("two-of-three").count() >= 6).then_some(())
    });
    assert!(
        local
            .dir
            .refused(&["broker", "stop", "2"])
            .contains("does not run")
    );
    assert!(
        local
            .dir
            .refused(&["broker", "stop", "7"])
            .contains("numbered 1 to 3")
    );
    assert!(
        local
            .dir
            .stdout_of(&["broker", "start", "2"])
            .contains("broker 2 starts")
    );
    // Java takes its time where several start at once
    local.until_within(3 * SOON, "it is in sync again", || {
        let view = local.view()?;
        let all = view["partitions"].as_array()?;
        all.iter()
            .all(|partition| {
                partition["isr"]
                    .as_array()
                    .is_some_and(|all| all.len() == 3)
            })
            .then_some(())
    });

    local.save(&MANIFEST.replacen("partitions: 3", "partitions: 5", 1));
    local.until("it grows", || {
        local
            .output()
            .contains("topic real-topic grown from 3 to 5 partitions")
            .then_some(())
    });
    local.until(
        "the new partitions are owned, and no consumer is idle",
        || {
            let group = local.group("real-2")?;
            let owned = group["members"]
                .as_array()?
                .iter()
                .filter_map(|member| member["partitions"].as_array())
                .flatten();
            (owned.count() == 5 && group["idle"] == 0).then_some(())
        },
    );

    local.assert_handled(&["real-1", "real-2"]);

    let family = local.family();
    local.signal(Signal::TERM);
    // three brokers end at once, each in a Java of its own
    let status = local.ended(Duration::from_secs(30));
    assert!(status.success(), "{status}\n{}", local.output());
    local.until(&format!("brokers have ended too: {family:?}"), || {
        family.iter().all(|pid| !runs(*pid)).then_some(())
    });
    local.until("their data is gone", || {
        (!local.dir.path().join(".local/kafka").exists()).then_some(())
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn running_kafka_is_used_and_groups_of_others_are_not_changed() {
    let kafka = practice_testbed::kafka().await;
    let manifest = MANIFEST.replacen(
        "replicationFactor: 3, config: {min.insync.replicas: '2'}",
        "replicationFactor: 1",
        1,
    );
    tokio::task::block_in_place(|| {
        let first = Local::ready(&manifest, &["--bootstrap", kafka.bootstrap()]);
        first.settled("real-1", 2);
        assert!(
            first
                .dir
                .refused(&["broker", "stop", "1"])
                .contains("practice-local did not start them")
        );
        // another practice of that name elsewhere on this machine: its groups are members of ours by name only
        let other = manifest.replacen("name: real}", "name: other}", 1);
        let second = Local::start(&other, &["--bootstrap", kafka.bootstrap()]);
        second.until("the group id is reported as in use", || {
            second
                .output()
                .contains("group id real-1 is in use")
                .then_some(())
        });
        assert_eq!(
            first.settled("real-1", 2).len(),
            2,
            "no other member has joined"
        );
    });
}

#[test]
fn killed_keeper_leaves_no_java() {
    const ONE: &str = "
apiVersion: kafka-practice.dev/v1alpha1
kind: ConsumerGroupPractice
metadata: {name: kept}
spec:
  topics: [{name: my-topic, partitions: 1}]
  groups: [{name: group, replicas: 1}]
";
    // the JVM repeats these options, with their quotes, before its version
    let mut local = Local::launch(ONE, &["--kafka", "apache"], |command| {
        command.env("JAVA_TOOL_OPTIONS", "-Done=\"a b\" -Dtwo=\"3\"");
    });
    local.is_ready();
    let brokers = || local.with_words(" kafka.Kafka ");
    let is_keeper = |pid: &u32| crate::kit::described(*pid).contains(" keeper ");
    let (keepers, java): (Vec<u32>, Vec<u32>) = brokers().into_iter().partition(is_keeper);
    assert_eq!((keepers.len(), java.len()), (1, 1), "{keepers:?} {java:?}");
    send(keepers[0], Signal::KILL);
    local.until("its end is reported", || {
        let printed = local.output();
        printed
            .contains("broker 1 stopped (signal: 9")
            .then_some(())
    });
    local.until("Java has ended", || (!runs(java[0])).then_some(()));
    local.dir.stdout_of(&["broker", "start", "1"]);
    local.until_within(3 * SOON, "the broker is back with its data", || {
        let sent = local.dir.run(&["send", "hello"]);
        sent.status.success().then_some(())
    });
    // all at once, as `killall -9 practice-local` does
    let family = local.family();
    local.signal(Signal::STOP);
    for pid in family.iter().filter(|pid| is_keeper(pid)) {
        send(*pid, Signal::KILL);
    }
    local.signal(Signal::KILL);
    local.ended(Duration::from_secs(5));
    let deadline = std::time::Instant::now() + SOON;
    while let Some(left) = family.iter().find(|pid| runs(**pid)) {
        let left = crate::kit::described(*left);
        assert!(std::time::Instant::now() < deadline, "still there: {left}");
        std::thread::sleep(Duration::from_millis(50));
    }
}
