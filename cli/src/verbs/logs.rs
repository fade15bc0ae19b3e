//! `logs`: what all consumers of a practice say, in the order in which it was said; with `-f` as it comes, also from consumers
//! that come later. Each line is told whose it is.

use std::collections::{BTreeMap, BTreeSet};

use futures::{AsyncBufRead, AsyncBufReadExt, AsyncReadExt, StreamExt, pin_mut, stream};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Pod;
use kube::{
    Api, ResourceExt,
    api::LogParams,
    runtime::{
        WatchStreamExt,
        watcher::{self, watcher},
    },
};
use practice_plan::labels::{COMPONENT, GROUP, PRACTICE};
use tokio::{
    sync::mpsc,
    task::JoinSet,
    time::{Duration, sleep},
};

use crate::{
    args::Logs,
    cluster::{Cluster, code, decoded},
    error::Failure,
    screen::{Screen, mention},
    text::{Line, Tone},
    verbs::journal::must_have,
};

/// The container that consumes; others may have been put beside it.
const CONTAINER: &str = "worker";
/// Pods that are asked at once.
const TOGETHER: usize = 8;
/// Between two tries to read a log that is not there yet, or has ended.
const PAUSE: Duration = Duration::from_secs(1);
/// Longest name that others are filled up to.
const LONGEST: usize = 44;

/// A line, when it was said, and by which pod.
struct Said {
    at: Option<Timestamp>,
    pod: String,
    group: String,
    line: Vec<u8>,
}

/// Does it.
///
/// # Errors
/// The practice or the group is not there, or the cluster does not answer.
pub async fn run(cluster: &Cluster, asked: &Logs, screen: &mut Screen) -> Result<(), Failure> {
    let practice = decoded(&cluster.practice(&asked.name).await?)?;
    if let Some(group) = &asked.group {
        must_have(&practice, group)?;
    }
    let mut pods = cluster.pods(&asked.name, "worker").await?;
    pods.retain(|pod| is_asked_for(pod, asked));
    let hues = practice
        .spec
        .groups
        .iter()
        .enumerate()
        .map(|(place, group)| (group.name.clone(), place))
        .collect();
    let mut labels = Labels {
        practice: asked.name.clone(),
        hues,
        width: 0,
    };
    for pod in &pods {
        labels.make_room(&pod.name_any());
    }
    if pods.is_empty() && !asked.follow {
        let whose = asked
            .group
            .as_ref()
            .map_or_else(|| asked.name.clone(), |group| format!("group {group}"));
        mention(&format!(
            "{whose} has no consumers now: kubectl cgp get {} -n {}",
            asked.name, cluster.namespace
        ));
        return Ok(());
    }
    let mut said = match last_lines(cluster, asked, &pods).await {
        Ok(said) => said,
        // whoever goes on listens until there is something, and hears what is refused
        Err(_) if asked.follow => Vec::new(),
        Err(failure) => return Err(failure),
    };
    said.sort_by_key(|said| said.at);
    let lines: Vec<Line> = said.iter().map(|said| labels.line(said)).collect();
    screen.say(&lines)?;
    if asked.follow {
        let last = said
            .into_iter()
            .filter_map(|said| Some((said.pod, said.at?)))
            .collect();
        follow(cluster, asked, last, labels, screen).await?;
    }
    Ok(())
}

fn group_of(pod: &Pod) -> String {
    pod.annotations().get(GROUP).cloned().unwrap_or_default()
}

fn is_asked_for(pod: &Pod, asked: &Logs) -> bool {
    asked
        .group
        .as_ref()
        .is_none_or(|group| group_of(pod) == *group)
}

/// What every log is asked for.
fn params() -> LogParams {
    LogParams {
        container: Some(CONTAINER.to_owned()),
        timestamps: true,
        ..LogParams::default()
    }
}

/// The last lines of each pod. A pod that has none yet, or cannot be read, is said on the side and hides no other.
///
/// # Errors
/// None can be read.
async fn last_lines(cluster: &Cluster, asked: &Logs, pods: &[Pod]) -> Result<Vec<Said>, Failure> {
    let params = LogParams {
        tail_lines: Some(asked.tail.into()),
        ..params()
    };
    let api: Api<Pod> = cluster.api();
    let logs = pods.iter().map(|pod| {
        let (api, params) = (&api, &params);
        async move {
            (
                pod,
                cluster.answered(whole(api, &pod.name_any(), params)).await,
            )
        }
    });
    let mut logs = stream::iter(logs).buffer_unordered(TOGETHER);
    let (mut all, mut failures, mut is_any_read) = (Vec::new(), Vec::new(), false);
    while let Some((pod, answer)) = logs.next().await {
        let name = pod.name_any();
        let failure = match answer {
            Ok(Ok(text)) => {
                is_any_read = true;
                all.extend(lines_of(&text).map(|line| said(pod, line)));
                continue;
            }
            Ok(Err(kube::Error::Api(status))) if matches!(status.code, 400 | 404) => {
                mention(&format!("{name}: {}", status.message));
                continue;
            }
            Ok(Err(error)) => cluster.failure(&format!("read the log of {name}"), &error),
            Err(failure) => failure,
        };
        failures.push((name, failure));
    }
    let end = if is_any_read { None } else { failures.pop() };
    for (name, failure) in failures {
        let why = failure.to_string();
        mention(&format!(
            "{name}: {}",
            why.lines().next().unwrap_or_default()
        ));
    }
    end.map_or(Ok(all), |(_, failure)| Err(failure))
}

/// What a log holds: bytes, which need not be UTF-8.
async fn whole(api: &Api<Pod>, pod: &str, params: &LogParams) -> Result<Vec<u8>, kube::Error> {
    let log = api.log_stream(pod, params).await?;
    pin_mut!(log);
    let mut bytes = Vec::new();
    log.read_to_end(&mut bytes)
        .await
        .map_err(|error| kube::Error::Service(error.into()))?;
    Ok(bytes)
}

fn lines_of(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split_inclusive(|byte| *byte == b'\n')
        .map(|line| line.strip_suffix(b"\n").unwrap_or(line))
}

/// A line as the kubelet gives it: a time, a blank, what was said.
fn said(pod: &Pod, line: &[u8]) -> Said {
    let (at, line) = match line.iter().position(|byte| *byte == b' ') {
        Some(blank) => match std::str::from_utf8(&line[..blank])
            .ok()
            .and_then(|time| time.parse().ok())
        {
            Some(at) => (Some(at), &line[blank + 1..]),
            None => (None, line),
        },
        None => (None, line),
    };
    Said {
        at,
        pod: pod.name_any(),
        group: group_of(pod),
        line: line.to_vec(),
    }
}

/// What stands before each line.
struct Labels {
    practice: String,
    hues: BTreeMap<String, usize>,
    width: usize,
}

impl Labels {
    /// Without what all of them begin with.
    fn short<'a>(&self, pod: &'a str) -> &'a str {
        let rest = pod
            .strip_prefix(self.practice.as_str())
            .and_then(|rest| rest.strip_prefix('-'));
        rest.filter(|rest| !rest.is_empty()).unwrap_or(pod)
    }

    fn make_room(&mut self, pod: &str) {
        self.width = self.width.max(self.short(pod).len().min(LONGEST));
    }

    fn line(&self, said: &Said) -> Line {
        let hue = self
            .hues
            .get(&said.group)
            .map_or(Tone::Plain, |place| Tone::Hue(*place));
        let mut line = Line::of(hue, self.short(&said.pod));
        line.pad(self.width);
        line.push(Tone::Dim, " │ ");
        line.push_bytes(Tone::Plain, &said.line);
        line
    }
}

/// Goes on until it is ended. `last`: when each pod said what is shown already.
async fn follow(
    cluster: &Cluster,
    asked: &Logs,
    mut last: BTreeMap<String, Timestamp>,
    mut labels: Labels,
    screen: &mut Screen,
) -> Result<(), Failure> {
    let selector = format!("{PRACTICE}={},{COMPONENT}=worker", asked.name);
    let changes = watcher(
        cluster.api::<Pod>(),
        watcher::Config::default().labels(&selector),
    )
    .default_backoff();
    pin_mut!(changes);
    let what = format!(
        "watch the pods of {} in namespace {}",
        asked.name, cluster.namespace
    );
    let (tell, mut told) = mpsc::channel::<Said>(1024);
    let mut listeners = JoinSet::new();
    let mut known = BTreeSet::new();
    let mut tail = i64::from(asked.tail);
    loop {
        tokio::select! {
            said = told.recv() => {
                let Some(said) = said else { return Ok(()) };
                screen.say([&labels.line(&said)])?;
            }
            Some(ended) = listeners.join_next() => {
                let Ok(Some(failure)) = ended else { continue };
                if listeners.is_empty() {
                    while let Ok(said) = told.try_recv() {
                        screen.say([&labels.line(&said)])?;
                    }
                    return Err(failure);
                }
                mention(&failure.to_string());
            }
            change = changes.next() => match change {
                Some(Ok(watcher::Event::Apply(pod) | watcher::Event::InitApply(pod))) => {
                    if is_asked_for(&pod, asked) && known.insert(pod.uid()) {
                        labels.make_room(&pod.name_any());
                        let last = last.remove(&pod.name_any());
                        listeners.spawn(listen(cluster.clone(), pod, last, tail, tell.clone()));
                    }
                }
                // of those that come later everything is new
                Some(Ok(watcher::Event::InitDone)) => tail = i64::MAX,
                Some(Ok(_)) => {}
                Some(Err(error)) => match cluster.watch_ends(&what, &error) {
                    Some(failure) => return Err(failure),
                    None => Cluster::watch_pauses(&error).iter().for_each(|why| mention(why)),
                },
                None => return Ok(()),
            },
        }
    }
}

/// One pod's log from after `last`, or its last `tail` lines, until the pod is gone, also when its container starts anew. Out:
/// why it may not be read.
async fn listen(
    cluster: Cluster,
    pod: Pod,
    mut last: Option<Timestamp>,
    tail: i64,
    tell: mpsc::Sender<Said>,
) -> Option<Failure> {
    let (api, name) = (cluster.api::<Pod>(), pod.name_any());
    loop {
        let params = LogParams {
            follow: true,
            tail_lines: (last.is_none() && tail < i64::MAX).then_some(tail),
            since_time: last,
            ..params()
        };
        match api.log_stream(&name, &params).await {
            Ok(log) => {
                if !pass_on(log, &pod, &mut last, &tell).await {
                    return None;
                }
            }
            Err(error) => match code(&error) {
                Some(404) => {
                    mention(&format!("{name} is gone"));
                    return None;
                }
                Some(401 | 403) => {
                    return Some(cluster.failure(&format!("read the log of {name}"), &error));
                }
                _ => {} // it has not started, or the cluster does not answer, which the watch says
            },
        }
        sleep(PAUSE).await;
    }
}

/// False: nobody listens any more.
async fn pass_on(
    log: impl AsyncBufRead,
    pod: &Pod,
    last: &mut Option<Timestamp>,
    tell: &mpsc::Sender<Said>,
) -> bool {
    pin_mut!(log);
    let mut line = Vec::new();
    loop {
        line.clear();
        match log.read_until(b'\n', &mut line).await {
            Ok(0) | Err(_) => return true,
            Ok(_) => {}
        }
        let text = line.strip_suffix(b"\n").unwrap_or(&line);
        let said = said(pod, text);
        // a log that is opened again begins with the second it ended in
        if said.at.is_some() && said.at <= *last {
            continue;
        }
        *last = said.at.or(*last);
        if tell.send(said).await.is_err() {
            return false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_its_time_and_its_owner() {
        let mut pod = Pod::default();
        pod.metadata.name = Some("p-my-group-1-6d9f-x2kvp".to_owned());
        pod.annotations_mut()
            .insert(GROUP.to_owned(), "my-group-1".to_owned());
        let mut labels = Labels {
            practice: "p".to_owned(),
            hues: BTreeMap::new(),
            width: 0,
        };
        labels.make_room("p-my-group-1-6d9f-x2kvp");
        let told = said(
            &pod,
            b"2026-11-25T14:02:11.123456789Z joined my-group-1 \x1b[2J",
        );
        assert_eq!(told.at, "2026-11-25T14:02:11.123456789Z".parse().ok());
        assert_eq!(
            labels.line(&told).text(),
            "my-group-1-6d9f-x2kvp │ joined my-group-1 \\u{1b}[2J"
        );
        let bytes = lines_of(b"2026-11-25T14:02:11Z \xff\n\n2026-11-25T14:02:12Z b")
            .map(|line| said(&pod, line));
        let lines: Vec<String> = bytes.map(|said| labels.line(&said).text()).collect();
        assert_eq!(
            lines,
            [
                "my-group-1-6d9f-x2kvp │ \\xff",
                "my-group-1-6d9f-x2kvp │",
                "my-group-1-6d9f-x2kvp │ b"
            ]
        );
        assert_eq!(lines_of(b"").count(), 0);
        let odd = said(&pod, b"no time");
        assert_eq!((odd.at, odd.line.as_slice()), (None, &b"no time"[..]));
    }
}
