//! What changes in a namespace, with the moment at which it was seen: `kubectl get -w`. In: a kind. Out: every event since
//! the watch began, which is before [`Watch::start`] returns.

use std::{
    io::{BufRead, BufReader},
    process::Stdio,
    sync::{Arc, Condvar, Mutex, PoisonError, mpsc},
    thread,
    time::{Duration, Instant, SystemTime},
};

use serde::Deserialize;
use serde_json::Value;

use super::command::{Background, kubectl};

/// One change.
#[derive(Debug, Clone)]
pub(crate) struct Event {
    pub(crate) at: SystemTime,
    /// `ADDED`, `MODIFIED`, `DELETED`.
    pub(crate) kind: String,
    pub(crate) object: Value,
}

impl Event {
    pub(crate) fn name(&self) -> &str {
        self.object["metadata"]["name"]
            .as_str()
            .expect("every object has a name")
    }

    /// The status of a condition, empty when it is not there.
    pub(crate) fn condition(&self, kind: &str) -> &str {
        super::scene::condition(&self.object, kind)
    }
}

/// Seconds from one moment to another.
pub(crate) fn between(from: SystemTime, to: SystemTime) -> f64 {
    to.duration_since(from).map_or_else(
        |early| -early.duration().as_secs_f64(),
        |late| late.as_secs_f64(),
    )
}

type Seen = Arc<(Mutex<Vec<Event>>, Condvar)>;

/// A watch that ends with its owner.
pub(crate) struct Watch {
    seen: Seen,
    _process: Background,
}

impl Watch {
    pub(crate) fn start(namespace: &str, args: &[&str]) -> Self {
        Self::with(namespace, args, |_| {})
    }

    /// `hook` is called for each event, before others can see it.
    pub(crate) fn with(
        namespace: &str,
        args: &[&str],
        hook: impl FnMut(&Event) + Send + 'static,
    ) -> Self {
        let mut command = kubectl(&[
            "-v=6",
            "-n",
            namespace,
            "get",
            "-w",
            "--output-watch-events",
            "-o",
            "json",
        ]);
        let mut process = Background::start(
            command
                .args(args)
                .stdout(Stdio::piped())
                .stderr(Stdio::piped()),
        );
        let seen = Seen::default();
        let stdout = BufReader::new(process.0.stdout.take().expect("it is piped"));
        thread::spawn({
            let seen = Arc::clone(&seen);
            move || read(stdout, &seen, hook)
        });
        let stderr = BufReader::new(process.0.stderr.take().expect("it is piped"));
        let (began, begins) = mpsc::channel();
        thread::spawn(move || {
            for line in stderr.lines().map_while(Result::ok) {
                if line.contains("watch=true") && line.contains("200 OK") {
                    let _ = began.send(()); // only the first matters
                }
            }
        });
        begins
            .recv_timeout(Duration::from_secs(30))
            .expect("kubectl -v=6 tells when its watch has begun");
        Self {
            seen,
            _process: process,
        }
    }

    /// Every event so far.
    pub(crate) fn events(&self) -> Vec<Event> {
        self.seen
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// The first event that is so; panics when there is none in time.
    pub(crate) fn first(
        &self,
        what: &str,
        within: Duration,
        is_so: impl Fn(&Event) -> bool,
    ) -> Event {
        let deadline = Instant::now() + within;
        let mut events = self.seen.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut looked_at = 0;
        loop {
            if let Some(found) = events[looked_at..].iter().find(|event| is_so(event)) {
                return found.clone();
            }
            looked_at = events.len();
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(
                !left.is_zero(),
                "{what}: not seen within {within:?}; last: {:?}",
                events.last()
            );
            events = self
                .seen
                .1
                .wait_timeout(events, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
    }
}

fn read(stdout: impl BufRead, seen: &Seen, mut hook: impl FnMut(&Event)) {
    #[derive(Deserialize)]
    struct Line {
        r#type: String,
        object: Value,
    }
    for line in serde_json::Deserializer::from_reader(stdout)
        .into_iter::<Line>()
        .map_while(Result::ok)
    {
        let event = Event {
            at: SystemTime::now(),
            kind: line.r#type,
            object: line.object,
        };
        hook(&event);
        seen.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(event);
        seen.1.notify_all();
    }
}
