//! Why a group rebalances: each cause provoked on real pods and a real Kafka, and named rightly in the journal, in status
//! and as an event. Both protocols. Where the facts are gone the answer is `Unknown`.

use std::{
    collections::BTreeSet, fs, path::PathBuf, process::Command, thread::sleep, time::Duration,
};

use serde_json::{Value, json};

use crate::common::{
    RELEASE, alone,
    command::{done, kubectl},
    host, kafka,
    logs::Logs,
    print_line,
    sample::Sample,
    scene::{Forward, Scene, group},
    until,
};

/// Messages a second, over both topics.
const LOAD: u32 = 20;

/// A practice `p` with one group, and how far its journal has been read.
struct Story {
    logs: Logs,
    scene: Scene,
    group: String,
    /// Number of the newest rebalance that was looked at.
    read: i64,
}

/// A rebalance in short.
#[derive(Debug)]
struct Told {
    cause: String,
    sentence: String,
    exit_code: Value,
}

impl Story {
    fn of(protocol: &str) -> Self {
        let scene = Scene::new(&format!("causes-{}", protocol.to_lowercase()));
        let name = format!("{}-g", scene.prefix);
        let topic = |number: u32, partitions: u32| json!({"name": format!("{}-t{number}", scene.prefix), "partitions": partitions});
        let mut of_group = json!({"name": name, "replicas": 2, "protocol": protocol, "topics": [topic(1, 4)["name"]]});
        if protocol == "Classic" {
            of_group["sessionTimeout"] = "6s".into();
            of_group["heartbeatInterval"] = "2s".into();
        }
        scene.apply(&Sample(json!({
            "apiVersion": "kafka-practice.dev/v1alpha1", "kind": "ConsumerGroupPractice", "metadata": {"name": "p"},
            "spec": {
                "topics": [topic(1, 4), topic(2, 2)],
                "groups": [of_group],
                // each fault meets messages on their way
                "producer": {"load": {"messagesPerSecond": LOAD, "valueBytes": 10}},
            },
        })));
        scene.wait_ready("p");
        Self {
            logs: Logs::follow(&scene.namespace, "p"),
            scene,
            group: name,
            read: 0,
        }
    }

    /// The group's journal as the `ConfigMap` keeps it, newest first.
    fn kept(&self) -> Vec<Value> {
        let found = self
            .scene
            .get(&["configmaps", "--field-selector=metadata.name=p-journal"]);
        let text = found["items"][0]["data"][&self.group]
            .as_str()
            .unwrap_or("{}");
        let kept: Value = serde_json::from_str(text).expect("the journal is JSON");
        kept["over"].as_array().cloned().unwrap_or_default()
    }

    /// Waits until everything that has happened is explained and the group is as large as wanted; what is new, oldest first.
    fn reported(&mut self, what: &str, members: usize) -> Vec<Told> {
        let read = self.read;
        let news = until(what, Duration::from_mins(2), || {
            let mut kept = self.kept();
            let practice = self.scene.practice("p");
            let here = group(&practice, &self.group);
            // what is said of members is as new as what is said of rebalances
            let newest = kept.first().map_or(&Value::Null, |one| &one["number"]);
            if practice["status"]["rebalances"][0]["number"] != *newest {
                return Err(format!("status is not at rebalance {newest} yet"));
            }
            let found = here["members"].as_array().map_or(0, Vec::len);
            if here["state"] != (if members == 0 { "Empty" } else { "Stable" }) || found != members
            {
                return Err(format!("{} with {found} members", here["state"]));
            }
            kept.retain(|one| one["number"].as_i64() > Some(read));
            match kept.iter().find(|one| one["why"].is_null()) {
                Some(open) => Err(format!("{} is not explained yet", open["number"])),
                None if kept.is_empty() => Err("nothing has happened".to_owned()),
                None => Ok(kept),
            }
        });
        self.read = news[0]["number"].as_i64().expect("a number");
        // status has the newest of them, with the same cause
        until("status says so too", Duration::from_secs(10), || {
            let newest = self.scene.practice("p")["status"]["rebalances"][0].clone();
            let same =
                newest["number"] == news[0]["number"] && newest["cause"] == news[0]["why"]["cause"];
            if same {
                Ok(())
            } else {
                Err(newest.to_string())
            }
        });
        let reported = |one: &Value| Told {
            cause: one["why"]["cause"].as_str().unwrap_or_default().to_owned(),
            sentence: one["why"]["sentence"]
                .as_str()
                .unwrap_or_default()
                .to_owned(),
            exit_code: one["why"]["exitCode"].clone(),
        };
        let reported: Vec<Told> = news.iter().rev().map(reported).collect();
        for one in &reported {
            print_line(&format!("{what}: {} | {}", one.cause, one.sentence));
        }
        reported
    }

    /// The only cause of everything that is new.
    fn is_all(&mut self, what: &str, members: usize, cause: &str) -> Vec<Told> {
        let reported = self.reported(what, members);
        assert!(
            reported.iter().all(|one| one.cause == cause),
            "{what}: {reported:#?}"
        );
        reported
    }

    fn patch(&self, path: &str, value: Value) {
        self.scene
            .patch("p", &json!([{"op": "add", "path": path, "value": value}]));
    }

    fn pod(&self) -> Value {
        self.scene
            .pods("p")
            .into_iter()
            .next()
            .expect("there is a consumer")
    }

    /// The process of a consumer, on this machine.
    fn process(&self) -> u32 {
        host::process_of(
            self.pod()["metadata"]["uid"].as_str().expect("a uid"),
            "/practice-worker",
        )
    }

    fn signal(&self, signal: &str) -> u32 {
        let pid = self.process();
        done(Command::new("kill").args([signal, &pid.to_string()]));
        pid
    }

    /// Takes from a consumer all memory but what it cannot give up, and gives it more to hold.
    fn starve(&self) {
        let limit = memory_limit(self.process());
        let usage = fs::read_to_string(limit.with_file_name("memory.usage_in_bytes"))
            .or_else(|_| fs::read_to_string(limit.with_file_name("memory.current")))
            .expect("a memory cgroup says how much is used");
        let usage: u64 = usage.trim().parse().expect("a number");
        // the kernel refuses the first limit that it cannot keep
        let steps = (1..usage / STEP).map(|step| usage - step * STEP);
        let kept = steps
            .take_while(|bytes| fs::write(&limit, bytes.to_string()).is_ok())
            .last();
        print_line(&format!("{usage} bytes are used, {kept:?} are left"));
        let topic = format!("{}-t1", self.scene.prefix);
        let producer = Forward::to(&self.scene, "p-producer", 8081);
        let value = "x".repeat(100_000);
        for partition in (0..4).cycle().take(400) {
            producer.send(&json!({"topic": topic, "partition": partition, "value": value}));
            if !PathBuf::from(&limit).exists() {
                return; // its container is gone
            }
        }
    }
}

/// A page or two.
const STEP: u64 = 16 << 10;

/// The file that bounds a process's memory, in either version of cgroups.
fn memory_limit(pid: u32) -> PathBuf {
    let cgroups = fs::read_to_string(format!("/proc/{pid}/cgroup")).expect("proc(5)");
    let of = |line: &str| {
        let mut fields = line.splitn(3, ':');
        let (_, kind, path) = (fields.next()?, fields.next()?, fields.next()?);
        match kind {
            "memory" => Some(PathBuf::from(format!(
                "/sys/fs/cgroup/memory{path}/memory.limit_in_bytes"
            ))),
            "" => Some(PathBuf::from(format!("/sys/fs/cgroup{path}/memory.max"))),
            _ => None,
        }
    };
    let mut files = cgroups.lines().filter_map(of);
    files
        .find(|file| file.exists())
        .unwrap_or_else(|| panic!("no memory cgroup of {pid}: {cgroups}"))
}

/// Reasons of the events about the group.
fn reasons(story: &Story) -> BTreeSet<String> {
    let events = story.scene.get(&["events.events.k8s.io"]);
    let all = events["items"].as_array().expect("a list").iter();
    let about = all.filter(|event| event["related"]["name"] == story.group.as_str());
    about
        .filter_map(|event| event["reason"].as_str().map(str::to_owned))
        .collect()
}

#[test]
fn every_cause_is_named_rightly_classic() {
    every_cause("Classic");
}

#[test]
fn every_cause_is_named_rightly_kip_848() {
    every_cause("Consumer");
}

fn every_cause(protocol: &str) {
    let _turn = alone();
    let mut story = Story::of(protocol);
    story.is_all("the first consumers", 2, "ScaledUp");

    story.patch("/spec/groups/0/replicas", json!(3));
    story.is_all("2 -> 3", 3, "ScaledUp");
    story.patch("/spec/groups/0/replicas", json!(2));
    story.is_all("3 -> 2", 2, "ScaledDown");

    let deployment = format!("deployment/p-{}", story.group);
    story.scene.kubectl(&["rollout", "restart", &deployment]);
    story
        .scene
        .kubectl(&["rollout", "status", &deployment, "--timeout=120s"]);
    story.is_all("rollout restart", 2, "Rollout");

    let pod = story.pod()["metadata"]["name"]
        .as_str()
        .expect("a name")
        .to_owned();
    story.scene.kubectl(&["delete", "pod", &pod]);
    let reported = story.is_all("a pod is deleted", 2, "PodDeleted");
    assert!(
        reported.iter().any(|one| one.sentence.contains(&pod)),
        "{reported:#?}"
    );

    story.signal("-KILL"); // the first process of a container hears no other signal that it has not asked for
    let reported = story.is_all("a process crashes", 2, "ContainerExited");
    assert!(
        reported.iter().all(|one| one.exit_code == 137),
        "{reported:#?}"
    );

    story.starve();
    story.is_all("a process gets no more memory", 2, "OOMKilled");

    let pod = story.pod()["metadata"]["name"]
        .as_str()
        .expect("a name")
        .to_owned();
    evict(&story.scene, &pod);
    story.is_all("a pod is evicted", 2, "Evicted");

    let frozen = story.signal("-STOP");
    if protocol == "Classic" {
        story.is_all("a process stands still", 1, "SessionTimedOut");
        done(Command::new("kill").args(["-CONT", &frozen.to_string()]));
        story.is_all("it continues", 2, "SessionTimedOut");
    } else {
        // the kubelet, whose liveness probe fails, ends it at about the time at which the session ends
        let reported = story.reported("a process stands still", 2);
        let rightly = |one: &Told| {
            one.cause == "SessionTimedOut"
                || (one.cause == "ContainerExited" && one.exit_code == 137)
        };
        assert!(reported.iter().all(rightly), "{reported:#?}");
    }

    story.patch("/spec/topics/0/partitions", json!(5));
    story.is_all("a partition more", 2, "PartitionsAdded");

    story.patch(
        "/spec/groups/0/topics",
        json!([
            format!("{}-t1", story.scene.prefix),
            format!("{}-t2", story.scene.prefix)
        ]),
    );
    story
        .scene
        .kubectl(&["rollout", "status", &deployment, "--timeout=120s"]);
    story.is_all("one topic more", 2, "TopicsChanged");

    story.patch("/spec/groups/0/assignor", json!("Range"));
    story.is_all("another assignor", 2, "ReconfiguredBySpec");
    story.patch("/spec/groups/0/state", json!("Stopped"));
    story.is_all("stopped", 0, "StoppedBySpec");
    story.patch("/spec/groups/0/state", json!("Running"));
    story.is_all("started", 2, "StartedBySpec");

    let expected = [
        "ScaledUp",
        "ScaledDown",
        "Rollout",
        "PodDeleted",
        "ContainerExited",
        "OOMKilled",
        "Evicted",
        "SessionTimedOut",
        "PartitionsAdded",
        "TopicsChanged",
        "StoppedBySpec",
        "StartedBySpec",
        "ReconfiguredBySpec",
    ];
    let reasons = reasons(&story);
    let missing: Vec<&str> = expected
        .into_iter()
        .filter(|cause| !reasons.contains(*cause))
        .collect();
    let tolerated: &[&str] = if protocol == "Classic" {
        &[]
    } else {
        &["SessionTimedOut"]
    };
    assert!(
        missing.iter().all(|cause| tolerated.contains(cause)),
        "no event for {missing:?}: {reasons:?}"
    );

    unseen(&mut story);

    let producer = &json!([{"op": "remove", "path": "/spec/producer/load"}]);
    story.scene.patch("p", producer);
    let deployment = "deployment/p-producer";
    let args = ["rollout", "status", deployment, "--timeout=120s"];
    story.scene.kubectl(&args);
    let groups = [story.group.clone()];
    story.scene.assert_handled("p", &story.logs, &groups);
}

/// A pod is deleted, and replaced, while no operator looks.
fn unseen(story: &mut Story) {
    let operator = format!("deployment/{}", RELEASE.1);
    let scale = |replicas: &str| {
        done(&mut kubectl(&[
            "-n", RELEASE.0, "scale", &operator, replicas,
        ]))
    };
    scale("--replicas=0");
    until("the operator is gone", Duration::from_mins(1), || {
        let pods = done(&mut kubectl(&[
            "-n",
            RELEASE.0,
            "get",
            "pods",
            "-l",
            "app.kubernetes.io/component=operator",
            "-o",
            "name",
        ]));
        if pods.is_empty() { Ok(()) } else { Err(pods) }
    });
    let pod = story.pod()["metadata"]["name"]
        .as_str()
        .expect("a name")
        .to_owned();
    story.scene.kubectl(&["delete", "pod", &pod]);
    until("the replacement has joined", Duration::from_mins(1), || {
        let members = kafka::members(&story.group);
        if members.len() == 2 && !members.contains_key(&pod) {
            Ok(())
        } else {
            Err(format!("{members:?}"))
        }
    });
    sleep(Duration::from_secs(6)); // the group is stable again
    scale("--replicas=1");
    done(&mut kubectl(&[
        "-n",
        RELEASE.0,
        "rollout",
        "status",
        &operator,
        "--timeout=60s",
    ]));
    let reported = story.is_all("while no operator looked", 2, "Unknown");
    assert_eq!(reported.len(), 1, "{reported:#?}");
}

/// As `kubectl drain` does it.
fn evict(scene: &Scene, pod: &str) {
    let eviction = json!({"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": pod, "namespace": scene.namespace}});
    let file = std::env::temp_dir().join(format!("cgp-eviction-{}.json", std::process::id()));
    fs::write(&file, eviction.to_string()).expect("a file in the temporary directory");
    let path = format!("/api/v1/namespaces/{}/pods/{pod}/eviction", scene.namespace);
    until("the pod may be evicted", Duration::from_secs(30), || {
        crate::common::command::run(kubectl(&["create", "--raw", &path, "-f"]).arg(&file))
    });
    let _ = fs::remove_file(&file); // a leftover does no harm
}
