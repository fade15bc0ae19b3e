//! The consumers of a practice, asked what they have handled by port-forward with the rights of the user. In: messages. Out: groups, answers,
//! and who is gone: from pods that are no longer listed, from containers that have ended, and from the journal.

use std::{collections::BTreeMap, time::Duration};

use futures::{StreamExt, stream};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::{ConfigMap, ContainerStatus, Pod};
use kube::{Api, ResourceExt};
use practice_contract::{
    WORKER_PORT,
    handled::{Handled, HandledQuery},
};
use practice_groups::{
    handled::{GoneConsumer, HandledAnswer, HandledRound, SentMessages},
    journal,
};
use practice_plan::labels::GROUP;

use crate::{
    cluster::{Cluster, decoded},
    error::Failure,
    follow::{Asked, ask_consumer},
    forward::Http,
    handled::reading_groups,
    verbs::logs::CONTAINER,
};

/// Pods that are asked at the same time.
const AT_ONCE: usize = 8;
/// Time for one answer of a pod.
const PATIENCE: Duration = Duration::from_secs(5);

/// The consumers of one practice, over several rounds of questions.
pub(super) struct Consumers<'a> {
    cluster: &'a Cluster,
    practice: &'a str,
    topic: &'a str,
    /// Connections to pods that are listed, by name.
    connections: BTreeMap<String, Http<'a>>,
    /// Group of each pod that was ever listed.
    known: BTreeMap<String, String>,
    gone: Vec<GoneConsumer>,
}

impl<'a> Consumers<'a> {
    pub(super) fn of(cluster: &'a Cluster, practice: &'a str, topic: &'a str) -> Self {
        Self {
            cluster,
            practice,
            topic,
            connections: BTreeMap::new(),
            known: BTreeMap::new(),
            gone: Vec::new(),
        }
    }

    /// Asks every consumer that runs.
    ///
    /// # Errors
    /// The practice or its pods cannot be read, or a right is missing. A pod that does not answer is no error.
    pub(super) async fn ask(&mut self, sent: &SentMessages) -> Result<Asked, Failure> {
        let practice = decoded(&self.cluster.practice(self.practice).await?)?;
        let groups = reading_groups(&practice, self.topic);
        let pods = self.cluster.pods(self.practice, "worker").await?;
        self.note_ends(&pods);
        let api: Api<Pod> = self.cluster.api();
        let mut running = Vec::new();
        for pod in pods.iter().filter(|pod| is_running(pod)) {
            let name = pod.name_any();
            let connection = self.connections.remove(&name).unwrap_or_else(|| {
                Http::new(self.cluster, api.clone(), &name, WORKER_PORT).within(PATIENCE)
            });
            running.push((name, group_of(pod), connection));
        }
        let asked = running.into_iter().map(async |(name, group, mut http)| {
            let answer = ask_pod(&mut http, sent).await;
            (name, group, http, answer)
        });
        let mut asked = stream::iter(asked).buffer_unordered(AT_ONCE);
        let mut round = HandledRound::default();
        self.connections.clear(); // of pods that are gone
        while let Some((consumer, group, http, answer)) = asked.next().await {
            let answer = answer?;
            self.connections.insert(consumer.clone(), http);
            round.answers.push(HandledAnswer {
                group,
                consumer,
                answer,
            });
        }
        round.gone.clone_from(&self.gone);
        Ok(Asked { groups, round })
    }

    /// Notes pods that are no longer listed, and containers that have ended.
    fn note_ends(&mut self, pods: &[Pod]) {
        let now = Timestamp::now().as_millisecond();
        self.known.retain(|name, group| {
            let is_listed = pods.iter().any(|pod| pod.name_any() == *name);
            if !is_listed {
                self.gone.push(GoneConsumer {
                    group: group.clone(),
                    consumer: name.clone(),
                    at: Some(now),
                    how: "was deleted".to_owned(),
                });
            }
            is_listed
        });
        for pod in pods {
            self.known.insert(pod.name_any(), group_of(pod));
            let ends = ends_of(pod);
            let news = ends.into_iter().filter(|end| !self.gone.contains(end));
            let news: Vec<_> = news.collect();
            self.gone.extend(news);
        }
    }

    /// Adds the members that the journal has seen leave and whose pods are gone. Without a right to read it, or without a journal, there are
    /// none, and the note says so.
    pub(super) async fn note_journal(&mut self) -> Result<Option<String>, Failure> {
        let name = format!("{}-journal", self.practice);
        let map = self.cluster.api::<ConfigMap>();
        let found = match self.cluster.with_deadline(map.get(&name)).await? {
            Ok(found) => found,
            Err(kube::Error::Api(status)) if matches!(status.code, 403 | 404) => {
                return Ok(Some(format!(
                    "consumers that ended before are not known: cannot read ConfigMap {name} in namespace {}: {}",
                    self.cluster.namespace, status.message
                )));
            }
            Err(error) => {
                return Err(self
                    .cluster
                    .failure(&format!("read ConfigMap {name}"), &error));
            }
        };
        let pods = self.cluster.pods(self.practice, "worker").await?;
        let is_listed = |name: &str| pods.iter().any(|pod| pod.name_any() == name);
        for (group, text) in found.data.unwrap_or_default() {
            let Ok(rebalances) = journal::read(&text) else {
                continue; // of another version; `journal` reports it
            };
            for rebalance in rebalances {
                let left = rebalance.left.into_iter().filter(|name| !is_listed(name));
                self.gone.extend(left.map(|consumer| GoneConsumer {
                    group: group.clone(),
                    consumer,
                    at: Some(rebalance.at),
                    how: "was deleted".to_owned(),
                }));
            }
        }
        Ok(None)
    }
}

fn group_of(pod: &Pod) -> String {
    pod.annotations().get(GROUP).cloned().unwrap_or_default()
}

fn container(pod: &Pod) -> Option<&ContainerStatus> {
    let all = pod.status.as_ref()?.container_statuses.iter().flatten();
    all.into_iter().find(|status| status.name == CONTAINER)
}

fn is_running(pod: &Pod) -> bool {
    let state = container(pod).and_then(|container| container.state.as_ref());
    state.is_some_and(|state| state.running.is_some())
}

/// The ends of a pod's container that the kubelet reports.
fn ends_of(pod: &Pod) -> Vec<GoneConsumer> {
    let Some(container) = container(pod) else {
        return Vec::new();
    };
    let states = [&container.state, &container.last_state];
    let ends = states
        .into_iter()
        .flatten()
        .filter_map(|state| state.terminated.as_ref());
    let gone = ends.map(|end| {
        let at = end.finished_at.as_ref();
        let reason = end.reason.as_deref().unwrap_or("unknown reason");
        GoneConsumer {
            group: group_of(pod),
            consumer: pod.name_any(),
            at: at.map(|at| at.0.as_millisecond()),
            how: format!("exited ({reason}, code {})", end.exit_code),
        }
    });
    gone.collect()
}

/// Asks one pod; `Ok(Err)` is why it does not answer.
///
/// # Errors
/// A right is missing.
async fn ask_pod(
    http: &mut Http<'_>,
    sent: &SentMessages,
) -> Result<Result<Handled, String>, Failure> {
    let mut denied = None;
    let ask = async |query: &HandledQuery| {
        let answer = match http.send("GET", &query.path(), None).await {
            Ok(answer) => answer,
            Err(failure) => {
                let why = first_line(&failure);
                if matches!(failure, Failure::Denied(_)) {
                    denied = Some(failure);
                }
                return Err(format!("does not answer: {why}"));
            }
        };
        if !answer.status.is_success() {
            return Err(format!("does not answer: {}", answer.status));
        }
        serde_json::from_slice(&answer.body)
            .map_err(|error| format!("answers as another version: {error}"))
    };
    let answer = ask_consumer(sent, ask).await;
    match denied {
        Some(failure) => Err(failure),
        None => Ok(answer),
    }
}

fn first_line(failure: &Failure) -> String {
    let text = failure.to_string();
    text.lines().next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_end_of_a_container_is_the_end_of_a_consumer() {
        let pod: Pod = serde_json::from_value(json!({
            "metadata": {"name": "p-g-1", "annotations": {GROUP: "g"}},
            "spec": {"containers": []},
            "status": {"containerStatuses": [
                {"name": "sidecar", "image": "", "imageID": "", "ready": true, "restartCount": 0,
                 "lastState": {"terminated": {"exitCode": 3}}},
                {"name": CONTAINER, "image": "", "imageID": "", "ready": true, "restartCount": 1,
                 "state": {"running": {}},
                 "lastState": {"terminated": {"exitCode": 137, "reason": "OOMKilled", "finishedAt": "1970-01-01T00:00:02Z"}}},
            ]},
        }))
        .expect("a pod");
        assert!(is_running(&pod));
        let expected = GoneConsumer {
            group: "g".to_owned(),
            consumer: "p-g-1".to_owned(),
            at: Some(2_000),
            how: "exited (OOMKilled, code 137)".to_owned(),
        };
        assert_eq!(ends_of(&pod), [expected]);
        assert!(ends_of(&Pod::default()).is_empty() && !is_running(&Pod::default()));
    }
}
