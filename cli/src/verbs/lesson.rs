//! `lesson`: a learner works through steps in a cluster. In: a lesson, the status of its practice, and what its pods answer by port-forward with
//! the rights of the user. Out: lines. Creates the practice of the lesson, with names that begin with the namespace, unless it exists.

use std::{collections::BTreeMap, pin::pin, time::Duration};

use futures::{StreamExt, future::join_all, stream};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Pod;
use kube::{
    ResourceExt,
    api::{DynamicObject, Patch, PatchParams, PostParams},
};
use practice_api::ConsumerGroupPractice;
use practice_contract::{
    PRODUCER_PORT, WORKER_PORT,
    handled::{Handled, HandledQuery},
};
use practice_groups::At;
use practice_lessons::{Answer, Lesson, Names, Observation, lessons};
use practice_plan::prefix::{namespace_prefix, prefix_names};
use serde_json::{Value, json};
use tokio::time::{MissedTickBehavior, interval, sleep};

use crate::{
    args,
    cluster::{Cluster, decoded},
    error::Failure,
    follow::ask_windows,
    forward::Http,
    lesson::{Learner, Place, Session, Show, begun_again, find, list, names_of},
    operator::runs,
    screen::Screen,
    text::Line,
};

/// Between two observations.
const INTERVAL: Duration = Duration::from_secs(1);
/// Pods that are asked at the same time.
const AT_ONCE: usize = 8;

/// Runs the verb.
///
/// # Errors
/// There is no such lesson or step, the practice cannot be created, or its pods cannot be read.
pub async fn run(
    cluster: impl AsyncFn() -> Result<Cluster, Failure>,
    asked: &args::Lesson,
    screen: &mut Screen,
) -> Result<(), Failure> {
    if asked.list {
        return screen.print(&list(&lessons()));
    }
    let found = find(asked.number.unwrap_or_default(), asked.step);
    let (lesson, step) = found.map_err(Failure::Usage)?;
    let cluster = cluster().await?;
    let mut interrupted = pin!(tokio::signal::ctrl_c());
    tokio::select! {
        worked = work(&cluster, &lesson, step, asked, screen) => worked,
        _ = &mut interrupted => Ok(()),
    }
}

async fn work(
    cluster: &Cluster,
    lesson: &Lesson,
    step: usize,
    asked: &args::Lesson,
    screen: &mut Screen,
) -> Result<(), Failure> {
    let practice = begin(cluster, lesson, asked.again).await?;
    let name = practice.name_any();
    let mut learner = Learner::at_terminal();
    let show = Show {
        place: Place::Cluster,
        width: screen.width(),
        hints: asked.hint,
        answers: learner.answers(),
    };
    let prefix = namespace_prefix(&cluster.namespace);
    let names = names_of(lesson, &practice, |name| format!("{prefix}{name}"));
    let mut session = Session::new(lesson, &names, show, step);
    screen.print(&session.title())?;
    screen.print(&place(cluster, &name))?;
    wait_until_ready(cluster, &name).await?;
    let mut consumers = Consumers {
        cluster,
        practice: &name,
        connections: BTreeMap::new(),
    };
    let mut tick = interval(INTERVAL);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while !session.is_over() {
        tokio::select! {
            _ = tick.tick() => {
                let now = consumers.observe().await?;
                screen.print(&session.observe(&now))?;
            }
            line = learner.line() => screen.print(&session.typed(&line))?,
        }
    }
    Ok(())
}

/// Where the learner types commands, and how the practice is removed.
fn place(cluster: &Cluster, practice: &str) -> [Line; 3] {
    let namespace = &cluster.namespace;
    [
        Line::plain(&format!(
            "Type commands in a second terminal, for namespace {namespace} (kubectl config set-context --current --namespace={namespace})."
        )),
        Line::plain(&format!(
            "Keep the producer's port forwarded in a third one: kubectl port-forward svc/{practice}-producer 8081"
        )),
        Line::plain(&format!(
            "Ctrl-C ends the lesson; kubectl delete cgp {practice} removes the practice."
        )),
    ]
}

/// The practice of the lesson: the one that exists, or a new one.
async fn begin(
    cluster: &Cluster,
    lesson: &Lesson,
    again: bool,
) -> Result<ConsumerGroupPractice, Failure> {
    let sample = lesson.practice();
    let name = sample.name_any();
    let api = cluster.practices(false);
    if let Some(found) = cluster.practice_if_any(&name).await? {
        let running = decoded(&found)?;
        if !again {
            return Ok(running);
        }
        let spec = lesson.manifest(&begun_again(lesson, &running))["spec"].take();
        // the API server refuses it if another client has changed the practice meanwhile
        let patch =
            json!({"metadata": {"resourceVersion": found.metadata.resource_version}, "spec": spec});
        let what = format!("give practice {name} new topics");
        let (params, patch) = (PatchParams::default(), Patch::Merge(patch));
        let patched = cluster
            .request(&what, api.patch(&name, &params, &patch))
            .await?;
        return decoded(&patched);
    }
    let spec = prefix_names(&sample.spec, &cluster.namespace)
        .map_err(|fault| Failure::Refused(fault.to_string()))?;
    let real = ConsumerGroupPractice { spec, ..sample };
    let names = names_of(lesson, &real, str::to_owned);
    let manifest = object(lesson, &names)?;
    let what = format!("create practice {name} in namespace {}", cluster.namespace);
    let params = PostParams {
        field_manager: Some("kubectl-cgp".to_owned()),
        ..PostParams::default()
    };
    let created = cluster
        .request(&what, api.create(&params, &manifest))
        .await?;
    decoded(&created)
}

fn object(lesson: &Lesson, names: &Names) -> Result<DynamicObject, Failure> {
    let manifest: Value = lesson.manifest(names);
    serde_json::from_value(manifest).map_err(|error| Failure::Refused(error.to_string()))
}

async fn wait_until_ready(cluster: &Cluster, name: &str) -> Result<(), Failure> {
    loop {
        let practice = decoded(&cluster.practice(name).await?)?;
        let generation = practice.metadata.generation;
        let status = practice.status.unwrap_or_default();
        let is_current = status.observed_generation == generation;
        let ready = status.condition("Ready");
        if is_current && ready.is_some_and(|ready| ready.status == "True") {
            return Ok(());
        }
        let stalled = status
            .condition("Stalled")
            .filter(|one| one.status == "True");
        if let Some(stalled) = stalled.filter(|_| is_current) {
            let (reason, message) = (&stalled.reason, &stalled.message);
            return Err(Failure::Refused(format!(
                "practice {name}: {reason}: {message}"
            )));
        }
        sleep(INTERVAL).await;
    }
}

/// The consumers of the practice, with a connection to each.
struct Consumers<'a> {
    cluster: &'a Cluster,
    practice: &'a str,
    /// By pod.
    connections: BTreeMap<String, Http<'a>>,
}

impl<'a> Consumers<'a> {
    /// What there is to know now. A pod that does not answer has handled nothing.
    async fn observe(&mut self) -> Result<Observation, Failure> {
        let practice = decoded(&self.cluster.practice(self.practice).await?)?;
        let status = practice.status.unwrap_or_default();
        let windows = Observation::windows(&status);
        let mut workers = self.connected("worker", WORKER_PORT).await?;
        let asked = workers.iter_mut().map(|(_, http)| ledger(http, &windows));
        let handled = stream::iter(asked.collect::<Vec<_>>()).buffer_unordered(AT_ONCE);
        let handled: Vec<Result<Handled, String>> = handled.collect().await;
        let mut producers = self.connected("producer", PRODUCER_PORT).await?;
        let answers = join_all(producers.iter_mut().map(|(_, http)| answers(http))).await;
        self.connections = workers.into_iter().chain(producers).collect();
        Ok(Observation {
            at: Timestamp::now().as_millisecond(),
            handled: handled.into_iter().flatten().collect(),
            answers: answers.into_iter().flatten().collect(),
            status,
        })
    }

    /// Connections to the ready pods of a component.
    async fn connected(
        &mut self,
        component: &str,
        port: u16,
    ) -> Result<Vec<(String, Http<'a>)>, Failure> {
        let pods = self.cluster.pods(self.practice, component).await?;
        let ready = pods
            .iter()
            .filter(|pod| runs(pod))
            .map(ResourceExt::name_any);
        let connected = ready.map(|name| {
            let known = self.connections.remove(&name);
            let http = known
                .unwrap_or_else(|| Http::new(self.cluster, self.cluster.api::<Pod>(), &name, port));
            (name, http)
        });
        Ok(connected.collect())
    }
}

async fn ledger(http: &mut Http<'_>, windows: &[(At<'_>, i64, i64)]) -> Result<Handled, String> {
    let ask = async |query: &HandledQuery| {
        let answer = http.send("GET", &query.path(), None).await;
        let answer = answer.map_err(|failure| failure.to_string())?;
        serde_json::from_slice(&answer.body).map_err(|error| error.to_string())
    };
    ask_windows(windows, ask).await
}

async fn answers(http: &mut Http<'_>) -> Vec<Answer> {
    match http.send("GET", "/metrics", None).await {
        Ok(answer) => Answer::read(&String::from_utf8_lossy(&answer.body)),
        Err(_) => Vec::new(), // it is asked again
    }
}
