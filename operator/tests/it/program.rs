//! The program as it is released: what it logs, as JSON and for a terminal, and what it serves at `/metrics`.

use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex, PoisonError},
    thread,
};

use http_body_util::{BodyExt, Empty};
use hyper::body::Bytes;
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use practice_testbed::{Cluster, Role, openmetrics::Exposition};
use serde_json::{Value, json};

use crate::scene::Scene;

const PROGRAM: &str = env!("CARGO_BIN_EXE_practice-operator");
/// Rights to look at everything and to write status, but not to make an object.
const LOOKS: &str = r#"
- {apiGroups: ["", apps, policy, kafka-practice.dev], resources: ["*"], verbs: [get, list, watch]}
- {apiGroups: [kafka-practice.dev], resources: [consumergrouppractices/status], verbs: [patch]}
"#;

/// The program on a cluster of the test's own; ends with it.
struct Program {
    child: Child,
    lines: Arc<Mutex<Vec<String>>>,
    metrics: String,
}

impl Program {
    fn start(command: &mut Command, kubeconfig: &Path, kafka: &str, log: Option<&str>) -> Self {
        let port = practice_testbed::free_port();
        command
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .env("KUBECONFIG", kubeconfig)
            .env("BOOTSTRAP_SERVERS", kafka);
        command
            .env("LISTEN", format!("127.0.0.1:{port}"))
            .envs(log.map(|log| ("RUST_LOG", log)));
        let piped = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = piped
            .spawn()
            .unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let lines: Arc<Mutex<Vec<String>>> = Arc::default();
        gather(child.stdout.take().expect("it is piped"), &lines);
        gather(child.stderr.take().expect("it is piped"), &lines);
        Self {
            child,
            lines,
            metrics: format!("http://127.0.0.1:{port}/metrics"),
        }
    }

    fn json(kubeconfig: &Path, kafka: &str, log: Option<&str>) -> Self {
        Self::start(Command::new(PROGRAM).arg("run"), kubeconfig, kafka, log)
    }

    fn lines(&self) -> Vec<String> {
        self.lines
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Every line so far; each has to be JSON with what a line always has.
    fn objects(&self) -> Vec<Value> {
        let object = |line: &String| -> Value {
            let object: Value =
                serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
            for field in ["timestamp", "level", "message", "target"] {
                assert!(object[field].is_string(), "no {field}: {line}");
            }
            object
        };
        self.lines().iter().map(object).collect()
    }

    /// Waits for a line of which this is true.
    async fn line(&self, scene: &Scene, what: &str, is: impl Fn(&Value) -> bool) -> Value {
        scene
            .until(what, async || {
                let objects = self.objects();
                objects
                    .iter()
                    .find(|object| is(object))
                    .cloned()
                    .ok_or_else(|| format!("{objects:#?}"))
            })
            .await
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill(); // it has ended already
        let _ = self.child.wait();
    }
}

fn gather(source: impl std::io::Read + Send + 'static, lines: &Arc<Mutex<Vec<String>>>) {
    let lines = Arc::clone(lines);
    thread::spawn(move || {
        for line in BufReader::new(source).lines().map_while(Result::ok) {
            lines
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(line);
        }
    });
}

/// The trace of a line that is of this practice.
fn trace(line: &Value, scene: &Scene, practice: &str) -> String {
    let span = &line["spans"][0];
    assert_eq!(
        (&span["name"], &span["namespace"]),
        (&json!("reconcile"), &json!(scene.namespace)),
        "{line}"
    );
    assert_eq!(span["practice"], practice, "{line}");
    let trace = span["trace"].as_str().unwrap_or_default();
    assert!(
        trace.len() == 32
            && trace
                .chars()
                .all(|c| c.is_ascii_digit() || matches!(c, 'a'..='f')),
        "{line}"
    );
    trace.to_owned()
}

fn spec(scene: &Scene, replicas: i32) -> Value {
    json!({
        "topics": [{"name": scene.name("t")}],
        "groups": [{"name": scene.name("g"), "replicas": replicas}],
        "producer": {"enabled": false},
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn its_log_has_a_line_for_each_decision_and_the_trace_of_its_reconcile() {
    let cluster = Cluster::start().await;
    cluster.apply_crd(&practice_api::crd_yaml()).await;
    let scene = Scene::of(&cluster, "log").await;
    let kafka = scene.kafka.bootstrap();

    // one that may make nothing: its failures are told with the step, in the reconcile that failed
    cluster
        .service_account(&scene.namespace, "looks", Role::Rules(LOOKS))
        .await;
    let looks = Program::json(
        &cluster.service_account_kubeconfig(&scene.namespace, "looks"),
        kafka,
        None,
    );
    scene.apply("p", &spec(&scene, 1)).await;
    let failed = looks
        .line(&scene, "a failure", |line| {
            line["message"] == "reconcile failed"
        })
        .await;
    trace(&failed, &scene, "p");
    assert_eq!(
        (&failed["level"], &failed["step"]),
        (&json!("WARN"), &json!("apply")),
        "{failed}"
    );
    assert!(
        failed["again_in_ms"]
            .as_u64()
            .is_some_and(|pause| (250..=30_000).contains(&pause)),
        "{failed}"
    );
    assert!(
        failed["error"]
            .as_str()
            .is_some_and(|error| error.contains("forbidden")),
        "{failed}"
    );
    let first =
        std::fs::read_to_string(format!("/proc/{}/cmdline", looks.child.id())).expect("it runs");
    assert!(
        first.contains("practice-operator"),
        "it continues after a failure"
    );
    let failures = metrics(&looks).await;
    let of_apply = failures
        .samples("practice_operator_reconcile_errors_total")
        .find(|s| s.label("step") == "apply");
    assert!(of_apply.is_some_and(|sample| sample.value >= 1.0));
    let refused = failures.samples("practice_operator_kubernetes_requests_total");
    assert!(
        refused
            .filter(|sample| sample.label("code") == "403")
            .map(|sample| sample.value)
            .sum::<f64>()
            >= 1.0
    );
    drop(looks);

    // one that may do everything: the decisions of one reconcile share a trace, those of the next have another
    let other = Scene::of(&cluster, "log").await;
    let program = Program::json(cluster.kubeconfig(), kafka, None);
    other.apply("q", &spec(&other, 1)).await;
    let of = |reason: &'static str| {
        move |line: &Value| line["reason"] == reason && line["spans"][0]["practice"] == "q"
    };
    let created = program
        .line(&scene, "TopicCreated", of("TopicCreated"))
        .await;
    let made = program.line(&scene, "Created", of("Created")).await;
    assert_eq!(
        created["message"],
        format!("topic {} created with 1 partitions", other.name("t"))
    );
    assert_eq!(trace(&created, &other, "q"), trace(&made, &other, "q"));
    other.apply("q", &spec(&other, 2)).await;
    let updated = program.line(&scene, "Updated", of("Updated")).await;
    assert_ne!(trace(&updated, &other, "q"), trace(&made, &other, "q"));

    let said = metrics(&program).await;
    let calls = said
        .samples("practice_operator_kafka_calls_total")
        .map(|sample| (sample.label("call"), sample.label("result")));
    let calls: Vec<_> = calls.collect();
    assert!(
        calls.contains(&("observe", "ok")) && calls.contains(&("create_topic", "ok")),
        "{calls:?}"
    );
    let requests: Vec<_> = said
        .samples("practice_operator_kubernetes_requests_total")
        .map(|s| (s.label("method"), s.label("code")))
        .collect();
    assert!(
        requests.contains(&("GET", "200")) && requests.contains(&("PATCH", "201")),
        "{requests:?}"
    );
    let steps = said.samples("practice_operator_reconcile_step_duration_seconds_count");
    let mut steps: Vec<&str> = steps.map(|sample| sample.label("step")).collect();
    steps.sort_unstable();
    assert_eq!(
        steps,
        [
            "apply", "finalize", "journal", "live", "observe", "prepare", "publish"
        ]
    );
    drop(program);

    // how much is told is RUST_LOG's to say
    let quiet = Program::json(cluster.kubeconfig(), kafka, Some("warn"));
    other.apply("q", &spec(&other, 3)).await;
    other
        .has_replicas(&format!("q-{}", other.name("g")), 3)
        .await;
    let loud = Program::json(cluster.kubeconfig(), kafka, Some("warn,practice=debug"));
    let reconciled = loud
        .line(&scene, "reconciled", |line| line["message"] == "reconciled")
        .await;
    assert!(
        reconciled["level"] == "DEBUG" && reconciled["took_ms"].is_u64(),
        "{reconciled}"
    );
    assert!(
        quiet
            .objects()
            .iter()
            .all(|line| line["level"] == "WARN" || line["level"] == "ERROR"),
        "{:?}",
        quiet.lines()
    );
    drop((quiet, loud));

    // in front of a terminal
    let terminal = Program::start(
        Command::new("script").args([
            "--quiet",
            "--return",
            "--command",
            &format!("{PROGRAM} run"),
            "/dev/null",
        ]),
        cluster.kubeconfig(),
        kafka,
        None,
    );
    other.apply("q", &spec(&other, 4)).await;
    let line = scene
        .until("a line for people", async || {
            let lines = terminal.lines();
            lines
                .iter()
                .find(|line| line.contains("updated to match the manifest"))
                .cloned()
                .ok_or(lines.join("\n"))
        })
        .await;
    assert!(
        line.contains("INFO") && line.contains("trace") && !line.starts_with('{'),
        "{line}"
    );
}

/// What a program serves at `/metrics`, once it serves.
async fn metrics(program: &Program) -> Exposition {
    let client: Client<_, Empty<Bytes>> = Client::builder(TokioExecutor::new()).build_http();
    let answer = client
        .get(program.metrics.parse().expect("a URL"))
        .await
        .expect("it serves");
    assert_eq!(
        answer.headers()["content-type"],
        "application/openmetrics-text; version=1.0.0; charset=utf-8"
    );
    let body = answer
        .into_body()
        .collect()
        .await
        .expect("all of it")
        .to_bytes();
    let text = String::from_utf8(body.to_vec()).expect("it is text");
    Exposition::read(&text).unwrap_or_else(|error| panic!("{error}\n{text}"))
}
