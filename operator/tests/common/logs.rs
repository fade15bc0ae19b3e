//! What every consumer of a practice prints, from its first line to its last, also when its pod goes meanwhile:
//! `kubectl logs -f` for each pod as it starts. Out: which messages were handled, where and when.

use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader},
    process::Stdio,
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::SystemTime,
};

use serde_json::Value;

use super::{
    command::{Background, kubectl},
    watch::{Event, Watch, between},
};

/// A pod's lines.
#[derive(Debug, Clone, Default)]
pub(crate) struct PodLog {
    /// The `group.id` of its consumer.
    pub(crate) group: String,
    pub(crate) lines: Vec<(SystemTime, String)>,
}

/// A message that was handled: both of its lines are there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Handled {
    pub(crate) pod: String,
    /// Of its first line.
    pub(crate) taken: SystemTime,
    /// Of its second line.
    pub(crate) at: SystemTime,
    pub(crate) topic: String,
    pub(crate) partition: i64,
    pub(crate) offset: i64,
    pub(crate) value: String,
}

type Pods = Arc<Mutex<BTreeMap<String, PodLog>>>;

/// The logs of a practice's consumers.
pub(crate) struct Logs {
    pods: Pods,
    _watch: Watch,
}

impl Logs {
    pub(crate) fn follow(namespace: &str, practice: &str) -> Self {
        let pods = Pods::default();
        let selector =
            format!("kafka-practice.dev/practice={practice},app.kubernetes.io/component=worker");
        let hook = {
            let (pods, namespace) = (Arc::clone(&pods), namespace.to_owned());
            let mut followers = Vec::new();
            move |event: &Event| followers.extend(began(&pods, &namespace, event))
        };
        Self {
            _watch: Watch::with(namespace, &["pods", "-l", &selector], hook),
            pods,
        }
    }

    /// Every pod's log so far.
    pub(crate) fn pods(&self) -> BTreeMap<String, PodLog> {
        self.pods
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// What the members of a group have handled so far.
    pub(crate) fn handled(&self, group: &str) -> Vec<Handled> {
        self.pods()
            .iter()
            .filter(|(_, log)| log.group == group)
            .flat_map(|(pod, log)| handled(pod, log))
            .collect()
    }

    /// What a group's members print beside messages, in the order of time, in seconds since a moment.
    pub(crate) fn story(&self, group: &str, since: SystemTime) -> String {
        let pods = self.pods();
        let lines = pods
            .iter()
            .filter(|(_, log)| log.group == group)
            .flat_map(|(pod, log)| {
                let told = log.lines.iter().filter(|(_, line)| {
                    !line.starts_with("Message Info") && !line.starts_with("Received")
                });
                told.map(move |(at, line)| (*at, pod, line))
            });
        let mut lines: Vec<_> = lines.collect();
        lines.sort();
        let told = lines
            .iter()
            .map(|(at, pod, line)| format!("{:8.3} {pod} {line}", between(since, *at)));
        told.collect::<Vec<String>>().join("\n")
    }

    /// When each partition of a group was first assigned after a moment, to any member but this one.
    pub(crate) fn assigned_since(
        &self,
        group: &str,
        since: SystemTime,
        but: &str,
    ) -> BTreeMap<i64, SystemTime> {
        let mut assigned = BTreeMap::new();
        for (_, log) in self
            .pods()
            .iter()
            .filter(|(pod, log)| log.group == group && *pod != but)
        {
            for (at, line) in log.lines.iter().filter(|(at, _)| *at > since) {
                let Some(partitions) = line
                    .strip_prefix("assigned [")
                    .and_then(|line| line.strip_suffix(']'))
                else {
                    continue;
                };
                for number in partitions
                    .split(' ')
                    .filter_map(|name| name.rsplit_once('/')?.1.parse().ok())
                {
                    assigned
                        .entry(number)
                        .and_modify(|first: &mut SystemTime| *first = *at.min(first))
                        .or_insert(*at);
                }
            }
        }
        assigned
    }
}

/// Starts to follow a container that this event is the first to show running. One that was restarted in its pod is `POD#RESTARTS`.
fn began(pods: &Pods, namespace: &str, event: &Event) -> Option<Background> {
    let status = &event.object["status"]["containerStatuses"][0];
    let container = &status["state"];
    if container["running"] == Value::Null && container["terminated"] == Value::Null {
        return None;
    }
    let pod = event.name();
    let name = match status["restartCount"].as_i64() {
        None | Some(0) => pod.to_owned(),
        Some(restarts) => format!("{pod}#{restarts}"),
    };
    let group = event.object["metadata"]["annotations"]["kafka-practice.dev/group"]
        .as_str()?
        .to_owned();
    {
        let mut pods = pods.lock().unwrap_or_else(PoisonError::into_inner);
        if pods.contains_key(&name) {
            return None;
        }
        pods.insert(
            name.clone(),
            PodLog {
                group,
                lines: Vec::new(),
            },
        );
    }
    let mut process = Background::start(
        kubectl(&["-n", namespace, "logs", "-f", "--timestamps", pod])
            .stdout(Stdio::piped())
            .stderr(Stdio::null()),
    );
    let stdout = BufReader::new(process.0.stdout.take().expect("it is piped"));
    let pods = Arc::clone(pods);
    thread::spawn(move || {
        for line in stdout.lines().map_while(Result::ok) {
            let Some((stamp, text)) = line.split_once(' ') else {
                continue;
            };
            let at: jiff::Timestamp = stamp
                .parse()
                .unwrap_or_else(|error| panic!("{line}: {error}"));
            let mut pods = pods.lock().unwrap_or_else(PoisonError::into_inner);
            pods.entry(name.clone())
                .or_default()
                .lines
                .push((at.into(), text.to_owned()));
        }
    });
    Some(process)
}

/// A message is handled when its second line is there; a consumer has one message in hand at a time.
fn handled(pod: &str, log: &PodLog) -> Vec<Handled> {
    let mut in_hand = None;
    let mut handled = Vec::new();
    for (at, line) in &log.lines {
        if let Some(place) = line.strip_prefix("Message Info: topic ") {
            in_hand = parse_place(place).map(|place| (place, *at));
        } else if let Some(message) = line.strip_prefix("Received message: key=") {
            let ((topic, partition, offset), taken) = in_hand
                .take()
                .unwrap_or_else(|| panic!("{pod}: done before it was taken: {line}"));
            let value = message
                .split_once(" & value=")
                .map_or("", |(_, value)| value)
                .to_owned();
            handled.push(Handled {
                pod: pod.to_owned(),
                taken,
                at: *at,
                topic,
                partition,
                offset,
                value,
            });
        }
    }
    handled
}

/// `T - partition [P] @ offset O`
fn parse_place(place: &str) -> Option<(String, i64, i64)> {
    let (topic, place) = place.split_once(" - partition [")?;
    let (partition, offset) = place.split_once("] @ offset ")?;
    let (partition, offset) = (partition.parse().ok()?, offset.parse().ok()?);
    Some((topic.to_owned(), partition, offset))
}
