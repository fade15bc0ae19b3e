//! The operator of the release: its pod, its process, its end and its return, and what it asked the API server for.

use std::{
    fs::File,
    io::{Read, Seek, SeekFrom},
    path::PathBuf,
    process::Command,
    time::{Duration, SystemTime},
};

use serde_json::Value;

use super::{
    RELEASE,
    command::{done, kubectl, of_node},
    host, until,
};

/// Its pods that are not going.
pub(crate) fn pods() -> Vec<Value> {
    let selector = "app.kubernetes.io/component=operator";
    let said = done(&mut kubectl(&[
        "-n", RELEASE.0, "get", "pods", "-l", selector, "-o", "json",
    ]));
    let mut list: Value = serde_json::from_str(&said).expect("kubectl prints JSON");
    let mut pods: Vec<Value> = list["items"]
        .as_array_mut()
        .map(std::mem::take)
        .expect("it is a list");
    pods.retain(|pod| pod["metadata"]["deletionTimestamp"].is_null());
    pods
}

/// Its process, as this machine numbers it.
pub(crate) fn process() -> u32 {
    let pods = pods();
    let pod = pods.first().expect("the operator runs");
    host::process_of(
        pod["metadata"]["uid"].as_str().expect("a pod has a uid"),
        "/practice-operator",
    )
}

/// Ends it as a power cut does, with its pod, so that the next one need not wait for the kubelet's back-off. Out: the moment
/// of its end and the moment at which the next one was ready.
pub(crate) fn kill() -> (SystemTime, SystemTime) {
    let pods = pods();
    let [pod] = &pods[..] else {
        panic!("one operator runs: {pods:#?}")
    };
    let (name, uid) = (
        &pod["metadata"]["name"],
        pod["metadata"]["uid"].as_str().expect("a pod has a uid"),
    );
    let pid = host::process_of(uid, "/practice-operator");
    done(Command::new("kill").args(["-KILL", &pid.to_string()]));
    let killed = SystemTime::now();
    let name = name.as_str().expect("a pod has a name");
    done(&mut kubectl(&[
        "-n",
        RELEASE.0,
        "delete",
        "pod",
        name,
        "--force",
        "--grace-period=0",
        "--wait=false",
    ]));
    ready(1, uid);
    (killed, SystemTime::now())
}

/// So many of them.
pub(crate) fn scale(replicas: usize) {
    let wanted = format!("--replicas={replicas}");
    done(&mut kubectl(&[
        "-n",
        RELEASE.0,
        "scale",
        "deployment",
        RELEASE.1,
        &wanted,
    ]));
    ready(replicas, "");
}

/// Waits until so many are ready and no others are there; the one with this uid does not count.
fn ready(wanted: usize, but: &str) {
    until(
        &format!("{wanted} operators are ready"),
        Duration::from_mins(1),
        || {
            let pods = pods();
            let is_ready = |pod: &&Value| {
                let conditions = pod["status"]["conditions"]
                    .as_array()
                    .map_or(&[][..], Vec::as_slice);
                let ready = conditions
                    .iter()
                    .any(|c| c["type"] == "Ready" && c["status"] == "True");
                ready && pod["metadata"]["uid"] != *but
            };
            let ready = pods.iter().filter(is_ready).count();
            if (ready, pods.len()) == (wanted, wanted) {
                Ok(())
            } else {
                Err(format!("{ready} of {}", pods.len()))
            }
        },
    );
}

/// The API server's audit log, read on from where the last look ended.
pub(crate) struct Audit {
    log: PathBuf,
    read: u64,
}

impl Audit {
    pub(crate) fn from_here() -> Self {
        let log = PathBuf::from(of_node("KUBECONFIG")).with_file_name("audit.log");
        let read = log
            .metadata()
            .unwrap_or_else(|error| panic!("{}: {error}", log.display()))
            .len();
        Self { log, read }
    }

    /// The operator's mutating requests since the last look.
    pub(crate) fn writes(&mut self, namespace: &str) -> Vec<String> {
        self.requests(namespace).1
    }

    /// The operator's requests since the last look, as `verb object`, what reads and what writes; but for namespaces of others:
    /// a node that was up before may hold practices that somebody works with.
    pub(crate) fn requests(&mut self, namespace: &str) -> (Vec<String>, Vec<String>) {
        let mut file = File::open(&self.log).expect("it was there before");
        file.seek(SeekFrom::Start(self.read))
            .expect("it only grows");
        let mut text = String::new();
        file.read_to_string(&mut text).expect("it is text");
        let complete = text.rfind('\n').map_or(0, |end| end + 1);
        self.read += u64::try_from(complete).expect("it fits");
        let user = format!("system:serviceaccount:{}:{}", RELEASE.0, RELEASE.1);
        let ours = [None, Some(RELEASE.0), Some(namespace)];
        text[..complete]
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).expect("an event a line"))
            .filter(|event| event["user"]["username"] == *user)
            .filter(|event| ours.contains(&event["objectRef"]["namespace"].as_str()))
            .map(|event| {
                format!(
                    "{} {}",
                    event["verb"].as_str().unwrap_or_default(),
                    event["objectRef"]
                )
            })
            .partition(|request| {
                ["get ", "list ", "watch "]
                    .iter()
                    .any(|verb| request.starts_with(verb))
            })
    }
}
