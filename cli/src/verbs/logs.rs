//! `logs`: the logs of all consumers of a practice, ordered by time. With `-f` it follows them, including consumers that start
//! later. Each line begins with the name of its consumer.

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
    screen::{Screen, print_note},
    text::{Line, Tone},
    verbs::journal::require_group,
};

/// Container of the consumer; a pod may have injected sidecars.
pub(super) const CONTAINER: &str = "worker";
/// Concurrent log requests.
const CONCURRENT_LOGS: usize = 8;
/// Pause before a log that has not started, or has ended, is opened again.
const RETRY_INTERVAL: Duration = Duration::from_secs(1);
/// Greatest width of the column of names.
const LONGEST: usize = 44;

/// One line of a log, with its time and pod.
struct LogLine {
    at: Option<Timestamp>,
    pod: String,
    group: String,
    line: Vec<u8>,
}

/// Runs the verb.
///
/// # Errors
/// The practice or the group does not exist, or the cluster does not answer.
pub async fn run(cluster: &Cluster, asked: &Logs, screen: &mut Screen) -> Result<(), Failure> {
    let practice = decoded(&cluster.practice(&asked.name).await?)?;
    if let Some(group) = &asked.group {
        require_group(&practice, group)?;
    }
    let mut pods = cluster.pods(&asked.name, "worker").await?;
    pods.retain(|pod| is_selected(pod, asked));
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
        let owner = asked
            .group
            .as_ref()
            .map_or_else(|| asked.name.clone(), |group| format!("group {group}"));
        print_note(&format!(
            "{owner} has no consumer pods: see kubectl cgp get {} -n {}",
            asked.name, cluster.namespace
        ));
        return Ok(());
    }
    let mut entries = match last_lines(cluster, asked, &pods).await {
        Ok(entries) => entries,
        // `follow` retries each log, and reports what is refused
        Err(_) if asked.follow => Vec::new(),
        Err(failure) => return Err(failure),
    };
    entries.sort_by_key(|entry| entry.at);
    let lines: Vec<Line> = entries.iter().map(|entry| labels.line(entry)).collect();
    screen.print(&lines)?;
    if asked.follow {
        let last = entries
            .into_iter()
            .filter_map(|entry| Some((entry.pod, entry.at?)))
            .collect();
        follow(cluster, asked, last, labels, screen).await?;
    }
    Ok(())
}

fn group_of(pod: &Pod) -> String {
    pod.annotations().get(GROUP).cloned().unwrap_or_default()
}

fn is_selected(pod: &Pod, asked: &Logs) -> bool {
    asked
        .group
        .as_ref()
        .is_none_or(|group| group_of(pod) == *group)
}

/// Parameters of every log request.
fn params() -> LogParams {
    LogParams {
        container: Some(CONTAINER.to_owned()),
        timestamps: true,
        ..LogParams::default()
    }
}

/// Kubernetes' `tailLines` of an argument: `None` are all lines.
fn tail_lines(tail: i32) -> Option<i64> {
    (tail >= 0).then_some(tail.into())
}

/// Reads the last lines of each pod. A pod whose log cannot be read gets a note on standard error.
///
/// # Errors
/// No log can be read.
async fn last_lines(
    cluster: &Cluster,
    asked: &Logs,
    pods: &[Pod],
) -> Result<Vec<LogLine>, Failure> {
    let params = LogParams {
        tail_lines: tail_lines(asked.tail),
        ..params()
    };
    let api: Api<Pod> = cluster.api();
    let logs = pods.iter().map(|pod| {
        let (api, params) = (&api, &params);
        async move {
            (
                pod,
                cluster
                    .with_deadline(read_log(api, &pod.name_any(), params))
                    .await,
            )
        }
    });
    let mut logs = stream::iter(logs).buffer_unordered(CONCURRENT_LOGS);
    let (mut all, mut failures, mut is_any_read) = (Vec::new(), Vec::new(), false);
    while let Some((pod, answer)) = logs.next().await {
        let name = pod.name_any();
        let failure = match answer {
            Ok(Ok(text)) => {
                is_any_read = true;
                all.extend(lines_of(&text).map(|line| parse_line(pod, line)));
                continue;
            }
            Ok(Err(kube::Error::Api(status))) if matches!(status.code, 400 | 404) => {
                print_note(&format!("{name}: {}", status.message));
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
        print_note(&format!(
            "{name}: {}",
            why.lines().next().unwrap_or_default()
        ));
    }
    end.map_or(Ok(all), |(_, failure)| Err(failure))
}

/// Reads a log as bytes, which may be invalid UTF-8.
async fn read_log(api: &Api<Pod>, pod: &str, params: &LogParams) -> Result<Vec<u8>, kube::Error> {
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

/// Parses a line of the kubelet: a timestamp, a blank, the text.
fn parse_line(pod: &Pod, line: &[u8]) -> LogLine {
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
    LogLine {
        at,
        pod: pod.name_any(),
        group: group_of(pod),
        line: line.to_vec(),
    }
}

/// Coloured names in front of each line.
struct Labels {
    practice: String,
    hues: BTreeMap<String, usize>,
    width: usize,
}

impl Labels {
    /// Pod name without the practice's prefix.
    fn short<'a>(&self, pod: &'a str) -> &'a str {
        let rest = pod
            .strip_prefix(self.practice.as_str())
            .and_then(|rest| rest.strip_prefix('-'));
        rest.filter(|rest| !rest.is_empty()).unwrap_or(pod)
    }

    fn make_room(&mut self, pod: &str) {
        self.width = self.width.max(self.short(pod).len().min(LONGEST));
    }

    fn line(&self, entry: &LogLine) -> Line {
        let hue = self
            .hues
            .get(&entry.group)
            .map_or(Tone::Plain, |place| Tone::Hue(*place));
        let mut line = Line::of(hue, self.short(&entry.pod));
        line.pad(self.width);
        line.push(Tone::Dim, " │ ");
        line.push_bytes(Tone::Plain, &entry.line);
        line
    }
}

/// Follows logs until interrupted. `last`: time of each pod's last printed line.
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
    let (sender, mut entries) = mpsc::channel::<LogLine>(1024);
    let mut readers = JoinSet::new();
    let mut known = BTreeSet::new();
    let mut tail = tail_lines(asked.tail);
    loop {
        tokio::select! {
            entry = entries.recv() => {
                let Some(entry) = entry else { return Ok(()) };
                screen.print([&labels.line(&entry)])?;
            }
            Some(ended) = readers.join_next() => {
                let Ok(Some(failure)) = ended else { continue };
                if readers.is_empty() {
                    while let Ok(entry) = entries.try_recv() {
                        screen.print([&labels.line(&entry)])?;
                    }
                    return Err(failure);
                }
                print_note(&failure.to_string());
            }
            change = changes.next() => match change {
                Some(Ok(watcher::Event::Apply(pod) | watcher::Event::InitApply(pod))) => {
                    if is_selected(&pod, asked) && known.insert(pod.uid()) {
                        labels.make_room(&pod.name_any());
                        let last = last.remove(&pod.name_any());
                        readers.spawn(follow_pod(cluster.clone(), pod, last, tail, sender.clone()));
                    }
                }
                // print all lines of pods that start later
                Some(Ok(watcher::Event::InitDone)) => tail = None,
                Some(Ok(_)) => {}
                Some(Err(error)) => match cluster.watch_failure(&what, &error) {
                    Some(failure) => return Err(failure),
                    None => Cluster::watch_warning(&error).iter().for_each(|why| print_note(why)),
                },
                None => return Ok(()),
            },
        }
    }
}

/// Follows one pod's log after `last`, or from its last `tail` lines (`None`: all), across container restarts until the pod is deleted.
/// Returns a failure when the log may not be read.
async fn follow_pod(
    cluster: Cluster,
    pod: Pod,
    mut last: Option<Timestamp>,
    tail: Option<i64>,
    sender: mpsc::Sender<LogLine>,
) -> Option<Failure> {
    let (api, name) = (cluster.api::<Pod>(), pod.name_any());
    loop {
        let params = LogParams {
            follow: true,
            tail_lines: tail.filter(|_| last.is_none()),
            since_time: last,
            ..params()
        };
        match api.log_stream(&name, &params).await {
            Ok(log) => {
                if !forward_lines(log, &pod, &mut last, &sender).await {
                    return None;
                }
            }
            Err(error) => match code(&error) {
                Some(404) => {
                    print_note(&format!("{name} was deleted"));
                    return None;
                }
                Some(401 | 403) => {
                    return Some(cluster.failure(&format!("read the log of {name}"), &error));
                }
                _ => {} // the container has not started, or the cluster does not answer, which the watch reports
            },
        }
        sleep(RETRY_INTERVAL).await;
    }
}

/// Sends the lines of a log; false when the receiver is closed.
async fn forward_lines(
    log: impl AsyncBufRead,
    pod: &Pod,
    last: &mut Option<Timestamp>,
    sender: &mpsc::Sender<LogLine>,
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
        let entry = parse_line(pod, text);
        // sinceTime has seconds: a log that is opened again repeats lines of the last second
        if entry.at.is_some() && entry.at <= *last {
            continue;
        }
        *last = entry.at.or(*last);
        if sender.send(entry).await.is_err() {
            return false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn line_has_its_time_and_pod() {
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
        let entry = parse_line(
            &pod,
            b"2026-11-25T14:02:11.123456789Z joined my-group-1 \x1b[2J",
        );
        assert_eq!(entry.at, "2026-11-25T14:02:11.123456789Z".parse().ok());
        assert_eq!(
            labels.line(&entry).text(),
            "my-group-1-6d9f-x2kvp │ joined my-group-1 \\u{1b}[2J"
        );
        let bytes = lines_of(b"2026-11-25T14:02:11Z \xff\n\n2026-11-25T14:02:12Z b")
            .map(|line| parse_line(&pod, line));
        let lines: Vec<String> = bytes.map(|entry| labels.line(&entry).text()).collect();
        assert_eq!(
            lines,
            [
                "my-group-1-6d9f-x2kvp │ \\xff",
                "my-group-1-6d9f-x2kvp │",
                "my-group-1-6d9f-x2kvp │ b"
            ]
        );
        assert_eq!(lines_of(b"").count(), 0);
        let odd = parse_line(&pod, b"no time");
        assert_eq!((odd.at, odd.line.as_slice()), (None, &b"no time"[..]));
    }
}
