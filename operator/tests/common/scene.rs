//! A test's own namespace, in which pods are held to the restricted standard. It goes with the test, and stays, told in
//! full, when the test fails.

use std::{
    io::{BufRead, BufReader},
    process::{Command, Stdio},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use serde_json::{Value, json};

use super::{
    RELEASE,
    command::{Background, done, kubectl, repository, run},
    print_line,
    sample::Sample,
    until,
};

/// Everything of a practice that can be left over. `Events` tell of the past and are not of it.
const KINDS: &str =
    "deployments,replicasets,pods,services,endpointslices,poddisruptionbudgets,configmaps";

/// A namespace with the practices of one test.
pub(crate) struct Scene {
    pub(crate) namespace: String,
    /// Begins the name of each topic and group of this test: unique over runs.
    pub(crate) prefix: String,
}

impl Scene {
    pub(crate) fn new(test: &str) -> Self {
        let namespace = format!("e2e-{test}");
        done(&mut kubectl(&[
            "delete",
            "namespace",
            &namespace,
            "--ignore-not-found",
            "--timeout=120s",
        ]));
        let labels = json!({"pod-security.kubernetes.io/enforce": "restricted", "kafka-practice.dev/test": test});
        let object = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace, "labels": labels}});
        apply(&[], &object);
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .expect("it is after 1970");
        Self {
            namespace,
            prefix: format!("{test}-{:x}", now.as_secs()),
        }
    }

    /// kubectl in this namespace; has to succeed.
    pub(crate) fn kubectl(&self, args: &[&str]) -> String {
        done(kubectl(&["-n", &self.namespace]).args(args))
    }

    /// As [`kubectl`](Self::kubectl) with `-o json`.
    pub(crate) fn get(&self, args: &[&str]) -> Value {
        let said = self.kubectl(&[&["get", "-o", "json"], args].concat());
        serde_json::from_str(&said).expect("kubectl prints JSON")
    }

    pub(crate) fn apply(&self, sample: &Sample) {
        apply(&["-n", &self.namespace], &sample.0);
    }

    /// Applies a file of `deploy/samples` as it is; a copy with names of its own where Kafka knows its names already, so
    /// that nobody's practice is disturbed.
    pub(crate) fn apply_sample(&self, name: &str) -> Sample {
        let sample = Sample::load(name);
        if sample.is_known_to_kafka() {
            print_line(&format!(
                "{name}: its topic or groups are in use on this Kafka, the copy that is applied has others"
            ));
            let copy = sample.renamed(&self.prefix);
            self.apply(&copy);
            return copy;
        }
        let path = repository(&Sample::path(name)).display().to_string();
        self.kubectl(&["apply", "-f", &path]);
        sample
    }

    pub(crate) fn wait_ready(&self, practice: &str) {
        self.kubectl(&[
            "wait",
            "--for=condition=Ready",
            &format!("cgp/{practice}"),
            "--timeout=60s",
        ]);
    }

    pub(crate) fn patch(&self, practice: &str, operations: &Value) {
        self.kubectl(&[
            "patch",
            "cgp",
            practice,
            "--type=json",
            "-p",
            &operations.to_string(),
        ]);
    }

    pub(crate) fn practice(&self, practice: &str) -> Value {
        self.get(&["cgp", practice])
    }

    /// The practice once `is_so` finds no fault with it.
    pub(crate) fn practice_when(
        &self,
        practice: &str,
        what: &str,
        within: Duration,
        is_so: impl Fn(&Value) -> Result<(), String>,
    ) -> Value {
        until(what, within, || {
            let found = self.practice(practice);
            is_so(&found)
                .map(|()| found.clone())
                .map_err(|fault| format!("{fault}\n{:#}", found["status"]))
        })
    }

    /// `kind/name` of each object of a practice that is there.
    pub(crate) fn objects(&self, practice: &str) -> Vec<String> {
        let selector = format!("kafka-practice.dev/practice={practice}");
        let list = self.get(&[KINDS, "-l", &selector]);
        let items = list["items"].as_array().expect("it is a list");
        let title = |item: &Value| {
            let kind = item["kind"].as_str().unwrap_or_default().to_owned();
            kind + "/" + item["metadata"]["name"].as_str().unwrap_or_default()
        };
        items.iter().map(title).collect()
    }

    /// The consumers' pods that are not going.
    pub(crate) fn pods(&self, practice: &str) -> Vec<Value> {
        let selector =
            format!("kafka-practice.dev/practice={practice},app.kubernetes.io/component=worker");
        let mut list = self.get(&["pods", "-l", &selector]);
        let mut pods: Vec<Value> = list["items"]
            .as_array_mut()
            .map(std::mem::take)
            .expect("it is a list");
        pods.retain(|pod| pod["metadata"]["deletionTimestamp"].is_null());
        pods
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            let _ = run(&mut kubectl(&[
                "delete",
                "namespace",
                &self.namespace,
                "--wait=false",
            ])); // the next run does it
            return;
        }
        print_line(&format!(
            "namespace {} is kept; what is in it:",
            self.namespace
        ));
        for args in [
            &["get", "cgp,deployments,pods", "-o", "wide"][..],
            &[
                "get",
                "cgp",
                "-o",
                "jsonpath={range .items[*]}{.metadata.name}{\": \"}{.status}{\"\\n\"}{end}",
            ],
            &["get", "events", "--sort-by=.lastTimestamp"],
            &[
                "logs",
                "-l",
                "app.kubernetes.io/part-of=kafka-practice",
                "--prefix",
                "--tail=30",
                "--max-log-requests=30",
            ],
        ] {
            print_line(
                &run(kubectl(&["-n", &self.namespace]).args(args)).unwrap_or_else(|error| error),
            );
        }
        let operator = format!("deployment/{}", RELEASE.1);
        print_line(
            &run(&mut kubectl(&[
                "-n",
                RELEASE.0,
                "logs",
                &operator,
                "--tail=60",
            ]))
            .unwrap_or_else(|error| error),
        );
    }
}

/// The status of a condition of a practice, empty when it is not there.
pub(crate) fn condition<'a>(practice: &'a Value, kind: &str) -> &'a str {
    field_of_condition(practice, kind, "status")
}

/// The sentence of a condition, empty when it is not there.
pub(crate) fn condition_message<'a>(practice: &'a Value, kind: &str) -> &'a str {
    field_of_condition(practice, kind, "message")
}

fn field_of_condition<'a>(practice: &'a Value, kind: &str, field: &str) -> &'a str {
    let conditions = practice["status"]["conditions"]
        .as_array()
        .map_or(&[][..], Vec::as_slice);
    let found = conditions
        .iter()
        .find(|condition| condition["type"] == kind);
    found.and_then(|found| found[field].as_str()).unwrap_or("")
}

/// A group in a practice's status.
pub(crate) fn group<'a>(practice: &'a Value, name: &str) -> &'a Value {
    let groups = practice["status"]["groups"]
        .as_array()
        .map_or(&[][..], Vec::as_slice);
    groups
        .iter()
        .find(|group| group["name"] == name)
        .unwrap_or(&Value::Null)
}

fn apply(place: &[&str], object: &Value) {
    let file = std::env::temp_dir().join(format!(
        "cgp-e2e-{}-{:?}.json",
        std::process::id(),
        std::thread::current().id()
    ));
    std::fs::write(&file, object.to_string())
        .unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    let applied = run(kubectl(place).args(["apply", "-f"]).arg(&file));
    let _ = std::fs::remove_file(&file); // a leftover does no harm
    applied.unwrap_or_else(|error| panic!("{error}"));
}

/// A way to a port of a Service, which ends with its owner.
pub(crate) struct Forward {
    url: String,
    _process: Background,
}

impl Forward {
    pub(crate) fn to(scene: &Scene, service: &str, port: u16) -> Self {
        Self::open(&scene.namespace, &format!("service/{service}"), port)
    }

    /// To the picture that the operator serves.
    pub(crate) fn to_picture() -> Self {
        Self::open(RELEASE.0, &format!("deployment/{}", RELEASE.1), 8080)
    }

    fn open(namespace: &str, target: &str, port: u16) -> Self {
        let ports = format!(":{port}");
        let mut command = kubectl(&["-n", namespace, "port-forward", target, &ports]);
        let mut process = Background::start(command.stdout(Stdio::piped()));
        let mut lines = BufReader::new(process.0.stdout.take().expect("it is piped"))
            .lines()
            .map_while(Result::ok);
        let line = lines.find(|line| line.starts_with("Forwarding from"));
        std::thread::spawn(move || lines.for_each(drop)); // it says a word for each connection and has to be heard
        let line =
            line.unwrap_or_else(|| panic!("kubectl port-forward {target} {ports} has ended"));
        let local = line
            .split_whitespace()
            .nth(2)
            .expect("it tells the address");
        let url = format!(
            "http://localhost:{}",
            local.rsplit_once(':').expect("it has a port").1
        );
        Self {
            url,
            _process: process,
        }
    }

    /// Host and port.
    pub(crate) fn address(&self) -> &str {
        self.url.trim_start_matches("http://")
    }

    /// What `GET` answers, as far as it comes within so many seconds: a stream has no end.
    pub(crate) fn get(&self, path: &str, seconds: u32) -> String {
        let url = format!("{}{path}", self.url);
        let mut curl = Command::new("curl");
        let said = curl
            .args(["-sSN", "-m", &seconds.to_string(), &url])
            .stdin(Stdio::null())
            .output();
        String::from_utf8_lossy(&said.expect("curl can be run").stdout).into_owned()
    }

    /// What `POST` of JSON answers, with its status.
    pub(crate) fn post(&self, path: &str, body: &Value) -> (String, Value) {
        let url = format!("{}{path}", self.url);
        let said = done(
            Command::new("curl")
                .args([
                    "-sS",
                    "-m",
                    "30",
                    "-H",
                    "Content-Type: application/json",
                    "-w",
                    "\n%{http_code}",
                ])
                .args(["-d", &body.to_string(), &url]),
        );
        let (answer, status) = said.rsplit_once('\n').expect("curl writes the status");
        (
            status.to_owned(),
            serde_json::from_str(answer).unwrap_or_else(|error| panic!("{said}: {error}")),
        )
    }

    /// `POST /send-message`; it has to be taken. Out: the answer.
    pub(crate) fn send(&self, message: &Value) -> Value {
        let url = format!("{}/send-message", self.url);
        let said = done(
            Command::new("curl")
                .args([
                    "-sS",
                    "-m",
                    "30",
                    "-X",
                    "POST",
                    "-H",
                    "Content-Type: application/json",
                ])
                .args(["-d", &message.to_string(), &url]),
        );
        let answer: Value =
            serde_json::from_str(&said).unwrap_or_else(|error| panic!("{said}: {error}"));
        assert_eq!(answer["statusCode"], 200, "{answer}");
        answer
    }
}
