//! An operator that is killed in the middle of things, and two of them at the same time: what one has begun the other
//! finishes, and nothing is there twice.

use std::{
    thread::sleep,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use serde_json::{Value, json};

use crate::common::{
    alone,
    figures::{Bound, figure, hold, median},
    kafka,
    logs::Logs,
    operator::{self, Audit},
    sample::Sample,
    scene::{Scene, condition},
    until,
    watch::between,
};

/// Practices that are created, changed and deleted, with one kill in the middle of each.
const PRACTICES: u32 = 10;
/// A kill comes within this time of a change: on a quiet machine everything is said by then.
const MILLIS: u64 = 1_500;
/// How much longer a busy machine may take.
const BUSY: f64 = 3.0;

#[test]
fn an_operator_killed_at_any_moment_is_finished_by_the_next() {
    let _turn = alone();
    let scene = Scene::new("kills");
    let (mut since_kill, mut since_return) = (Vec::new(), Vec::new());
    let mut dice = Dice::new();
    for round in 1..=PRACTICES {
        let practice = Practice::new(&scene, round);
        let mut kill_during = |what: &str, settled: &dyn Fn() -> Result<(), String>| {
            let moment = dice.up_to(MILLIS);
            sleep(Duration::from_millis(moment));
            let (killed, returned) = operator::kill();
            until(
                &format!("{what}, killed after {moment} ms, is finished"),
                Duration::from_mins(1),
                settled,
            );
            let now = SystemTime::now();
            since_kill.push(between(killed, now));
            since_return.push(between(returned, now));
        };
        let other = practice.create_topic_of_another_client();
        scene.apply(&practice.manifest);
        kill_during("a create", &|| practice.has_arrived(&scene, 2, 3));
        practice.owns_its_topic_alone(&scene);
        let logs = Logs::follow(&scene.namespace, &practice.name);
        kafka::fill(&practice.topic, 1_000, 10);
        practice.grow(&scene);
        kill_during("a change", &|| practice.has_arrived(&scene, 4, 5));
        practice.owns_its_topic_alone(&scene);
        scene.assert_handled(&practice.name, &logs, &practice.groups);
        drop(logs);
        scene.kubectl(&["delete", "cgp", &practice.name, "--wait=false"]);
        kill_during("a delete", &|| practice.is_gone(&scene));
        assert_eq!(kafka::topic_id(&practice.other), other, "not touched");
    }
    let n = since_return.len();
    let how = format!(
        "{n} kills (SIGKILL, pod deleted) within {MILLIS} ms of a create, a change or a delete, from the next pod's readiness until everything is as the manifest says"
    );
    hold(
        "operator's return -> converged, p99",
        largest(&since_return),
        "s",
        Bound::AtMost(5.0),
        BUSY,
        &how,
    );
    let how = format!("the same {n}, median of {since_kill:.1?}");
    figure(
        "operator killed -> converged, p50",
        median(since_kill.clone()),
        "s",
        Bound::None,
        &how,
    );
    figure(
        "operator killed -> converged, p99",
        largest(&since_kill),
        "s",
        Bound::None,
        "the slowest of them",
    );
}

#[test]
fn two_operators_for_a_moment_do_no_harm() {
    let _turn = alone();
    let scene = Scene::new("two-operators");
    let _one_again = OneAgain;
    operator::scale(2);
    let practice = Practice::new(&scene, 1);
    let other = practice.create_topic_of_another_client();
    scene.apply(&practice.manifest);
    until("it arrives", Duration::from_mins(1), || {
        practice.has_arrived(&scene, 2, 3)
    });
    practice.grow(&scene);
    until("it grows", Duration::from_mins(1), || {
        practice.has_arrived(&scene, 4, 5)
    });
    // they do not undo each other's work
    let mut audit = Audit::from_here();
    until(
        "nothing is written any more",
        Duration::from_mins(1),
        || {
            sleep(Duration::from_secs(5));
            let writes = audit.writes(&scene.namespace);
            if writes.is_empty() {
                Ok(())
            } else {
                Err(writes.join("\n"))
            }
        },
    );
    sleep(Duration::from_secs(20));
    assert_eq!(audit.writes(&scene.namespace), Vec::<String>::new());
    practice.owns_its_topic_alone(&scene);
    scene.kubectl(&["delete", "cgp", &practice.name, "--wait=false"]);
    until("it is gone", Duration::from_mins(1), || {
        practice.is_gone(&scene)
    });
    assert_eq!(kafka::topic_id(&practice.other), other, "not touched");
}

/// However a test with two operators ends, one is left.
struct OneAgain;

impl Drop for OneAgain {
    fn drop(&mut self) {
        operator::scale(1);
    }
}

/// A practice with a group of each protocol. Its topic is deleted with it; another one, which it names with the same policy, was
/// created by another client and stays.
struct Practice {
    name: String,
    topic: String,
    other: String,
    groups: [String; 2],
    manifest: Sample,
}

impl Practice {
    fn new(scene: &Scene, round: u32) -> Self {
        let (name, prefix) = (format!("p{round}"), format!("{}-{round}", scene.prefix));
        let (topic, other) = (format!("{prefix}-t"), format!("{prefix}-other"));
        let groups = [format!("{prefix}-a"), format!("{prefix}-b")];
        let manifest = Sample(json!({
            "apiVersion": "kafka-practice.dev/v1alpha1", "kind": "ConsumerGroupPractice", "metadata": {"name": name},
            "spec": {
                "topics": [
                    {"name": topic, "partitions": 2, "deletionPolicy": "Delete"},
                    {"name": other, "partitions": 1, "deletionPolicy": "Delete"},
                ],
                "groups": [
                    {"name": groups[0], "replicas": 1},
                    {"name": groups[1], "replicas": 1, "protocol": "Consumer"},
                ],
            },
        }));
        Self {
            name,
            topic,
            other,
            groups,
            manifest,
        }
    }

    /// Creates the topic that does not belong to the practice; returns its id.
    fn create_topic_of_another_client(&self) -> String {
        kafka::create_topic(&self.other, 1);
        kafka::topic_id(&self.other)
    }

    /// Another consumer in each group, two more partitions, and a configuration key.
    fn grow(&self, scene: &Scene) {
        let replace =
            |path: &str, value: u32| json!({"op": "replace", "path": path, "value": value});
        let operations = [
            replace("/spec/groups/0/replicas", 2),
            replace("/spec/groups/1/replicas", 2),
            replace("/spec/topics/0/partitions", 4),
            json!({"op": "add", "path": "/spec/topics/0/config", "value": {"retention.ms": "3600000"}}),
        ];
        scene.patch(&self.name, &json!(operations));
    }

    /// Whether everything is as the manifest says, once each.
    fn has_arrived(
        &self,
        scene: &Scene,
        consumers: usize,
        partitions: usize,
    ) -> Result<(), String> {
        let practice = scene.practice(&self.name);
        let status = &practice["status"];
        let answers = status["observedGeneration"] == practice["metadata"]["generation"];
        if !answers
            || condition(&practice, "Ready") != "True"
            || condition(&practice, "Reconciling") != "False"
        {
            return Err(format!("{status:#}"));
        }
        if status["summary"]["partitions"] != partitions
            || status["summary"]["consumers"] != consumers
        {
            return Err(format!("{status:#}"));
        }
        let mut objects = scene.objects(&self.name);
        objects
            .retain(|object| object.starts_with("Deployment/") || object.starts_with("Service/"));
        objects.sort();
        let (name, [a, b]) = (&self.name, &self.groups);
        let mut wanted = [
            format!("Deployment/{name}-{a}"),
            format!("Deployment/{name}-{b}"),
            format!("Deployment/{name}-producer"),
            format!("Service/{name}-producer"),
        ];
        wanted.sort();
        if objects != wanted {
            return Err(format!("{objects:?}, wanted {wanted:?}"));
        }
        let pods = scene.pods(name).len();
        if pods == consumers {
            Ok(())
        } else {
            Err(format!("{pods} pods of consumers"))
        }
    }

    /// The practice owns the topic that the operator created, whenever it was killed, and not the other.
    fn owns_its_topic_alone(&self, scene: &Scene) {
        let topics = &scene.practice(&self.name)["status"]["topics"];
        assert_ne!(topics[0]["createdTopicId"], Value::Null, "{topics}");
        assert_eq!(topics[0]["createdTopicId"], topics[0]["topicId"]);
        assert_eq!(topics[1]["createdTopicId"], Value::Null, "{topics}");
    }

    fn is_gone(&self, scene: &Scene) -> Result<(), String> {
        let left = scene.kubectl(&["get", "cgp", "-o", "name"]);
        let objects = scene.objects(&self.name);
        if left
            .lines()
            .any(|line| line.ends_with(&format!("/{}", self.name)))
            || !objects.is_empty()
        {
            return Err(format!("{left} {objects:?}"));
        }
        if kafka::names().contains(&self.topic) {
            Err(format!("topic {} is there", self.topic))
        } else {
            Ok(())
        }
    }
}

/// Moments that nobody chose; the same ones again from the same seed.
struct Dice(u64);

impl Dice {
    fn new() -> Self {
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .expect("it is after 1970");
        eprintln!("seed {}", now.as_micros());
        Self(u64::try_from(now.as_micros()).expect("it fits"))
    }

    /// Knuth's MMIX generator; its upper bits are the better ones.
    fn up_to(&mut self, most: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % most
    }
}

/// Of twenty or so, the 99th percentile.
fn largest(values: &[f64]) -> f64 {
    values.iter().copied().fold(0.0, f64::max)
}
