//! What the tests need: a worker as a process, its lines, its HTTP; topics, messages and offsets. In: settings. Out: what
//! the worker did. Every wait has a deadline and names what it waited for.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpStream},
    path::Path,
    process::{Child, Command, ExitStatus, Stdio},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use practice_contract::{
    OffsetReset, Protocol, WorkerSettings,
    status::WorkerStatus,
    worker::{DEFAULT_HEARTBEAT_INTERVAL, DEFAULT_MAX_POLL_INTERVAL, DEFAULT_SESSION_TIMEOUT},
};

/// Long enough for a busy machine with two cores; nothing waits so long when all is well.
pub(crate) const SOON: Duration = Duration::from_mins(1);

/// Settings of a member of `group` that reads `topic` from the start, without delay.
pub(crate) fn settings(
    servers: &str,
    topic: &str,
    group: &str,
    protocol: Protocol,
) -> WorkerSettings {
    WorkerSettings {
        servers: servers.to_owned(),
        topics: vec![topic.to_owned()],
        group: group.to_owned(),
        delay: Duration::ZERO,
        listen: SocketAddr::from(([127, 0, 0, 1], 0)),
        probes: None,
        instance: None,
        owner: Some("tests/practice".to_owned()),
        protocol,
        assignor: protocol.default_assignor(),
        offset_reset: OffsetReset::Earliest,
        session_timeout: DEFAULT_SESSION_TIMEOUT,
        heartbeat_interval: DEFAULT_HEARTBEAT_INTERVAL,
        max_poll_interval: DEFAULT_MAX_POLL_INTERVAL,
        log_messages: true,
        hold: None,
        ledger: None,
    }
}

/// A name that no other test and no other run has.
pub(crate) fn unique(name: &str) -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let started = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .expect("after 1970")
        .as_millis();
    format!(
        "{name}-{}-{started}-{}",
        std::process::id(),
        COUNT.fetch_add(1, Ordering::Relaxed)
    )
}

/// Waits until `find` returns a value.
pub(crate) fn until<T>(what: &str, find: impl FnMut() -> Option<T>) -> T {
    until_within(SOON, what, find)
}

/// The same, of what takes long when all is well.
pub(crate) fn until_within<T>(
    within: Duration,
    what: &str,
    mut find: impl FnMut() -> Option<T>,
) -> T {
    let deadline = Instant::now() + within;
    loop {
        if let Some(found) = find() {
            return found;
        }
        assert!(
            Instant::now() < deadline,
            "not within {} s: {what}",
            within.as_secs()
        );
        thread::sleep(Duration::from_millis(20));
    }
}

/// Runs something asynchronous to its end.
pub(crate) fn wait_for<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(future)
}

/// The worker's program.
pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_practice-worker");

type Lines = Arc<Mutex<Vec<String>>>;

/// A worker process; killed when dropped.
pub(crate) struct Worker {
    child: Child,
    stdout: Lines,
    stderr: Lines,
    readers: Vec<thread::JoinHandle<()>>,
}

impl Worker {
    pub(crate) fn start(settings: &WorkerSettings) -> Self {
        let env = settings.to_env();
        Self::start_with(
            &env.iter()
                .map(|(name, value)| (*name, value.as_str()))
                .collect::<Vec<_>>(),
        )
    }

    /// With exactly this environment.
    pub(crate) fn start_with(env: &[(&str, &str)]) -> Self {
        let mut command = Command::new(PROGRAM);
        command.env_clear().envs(env.iter().copied());
        Self::spawn(command.stdout(Stdio::piped()))
    }

    /// With this standard output; none of its lines are gathered.
    pub(crate) fn start_into(settings: &WorkerSettings, stdout: Stdio) -> Self {
        Self::start_as(Path::new(PROGRAM), settings, stdout)
    }

    /// From this program.
    pub(crate) fn start_as(program: &Path, settings: &WorkerSettings, stdout: Stdio) -> Self {
        let mut command = Command::new(program);
        command.env_clear().envs(settings.to_env());
        Self::spawn(command.stdout(stdout))
    }

    /// From a command that ends as the worker.
    pub(crate) fn spawn(command: &mut Command) -> Self {
        let mut child = command
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the worker should start");
        let (stdout, stderr) = (Lines::default(), Lines::default());
        let mut readers = vec![gather(
            child.stderr.take().expect("piped"),
            Arc::clone(&stderr),
        )];
        readers.extend(
            child
                .stdout
                .take()
                .map(|piped| gather(piped, Arc::clone(&stdout))),
        );
        Self {
            child,
            stdout,
            stderr,
            readers,
        }
    }

    /// Standard output so far.
    pub(crate) fn lines(&self) -> Vec<String> {
        copy(&self.stdout)
    }

    /// Standard error so far.
    pub(crate) fn complaints(&self) -> String {
        copy(&self.stderr).join("\n")
    }

    /// Messages taken in hand so far: `topic/partition@offset`.
    pub(crate) fn taken(&self) -> Vec<String> {
        self.lines().iter().filter_map(|line| taken(line)).collect()
    }

    /// Second lines so far.
    pub(crate) fn done(&self) -> usize {
        self.lines()
            .iter()
            .filter(|line| line.starts_with("Received message: "))
            .count()
    }

    pub(crate) fn until_line(&self, what: &str, is: impl Fn(&str) -> bool) -> String {
        until(what, || self.lines().into_iter().find(|line| is(line)))
    }

    pub(crate) fn address(&self) -> SocketAddr {
        until("the address of HTTP", || {
            let complaints = self.complaints();
            let (_, rest) = complaints.split_once("HTTP on http://")?;
            rest.split_whitespace().next()?.parse().ok()
        })
    }

    /// Status code and body of a GET.
    pub(crate) fn get(&self, path: &str) -> (u16, String) {
        let (head, body) = self.answer(path);
        (
            head.split(' ')
                .nth(1)
                .and_then(|code| code.parse().ok())
                .expect("a status code"),
            body,
        )
    }

    /// Head and body of the answer to a GET.
    pub(crate) fn answer(&self, path: &str) -> (String, String) {
        let mut stream = TcpStream::connect(self.address()).expect("the worker should listen");
        stream.set_read_timeout(Some(SOON)).expect("a timeout");
        write!(
            stream,
            "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
        )
        .expect("sent");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("an answer");
        let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
        (head.to_owned(), body.to_owned())
    }

    /// `/status` as the contract has it.
    pub(crate) fn status(&self) -> WorkerStatus {
        let (code, body) = self.get("/status");
        assert_eq!(code, 200, "{body}");
        serde_json::from_str(&body).expect("the contract's JSON")
    }

    pub(crate) fn is_ready(&self) -> bool {
        self.get("/readyz").0 == 200
    }

    pub(crate) fn partitions(&self) -> Vec<i32> {
        self.status()
            .assignment
            .iter()
            .map(|owned| owned.partition)
            .collect()
    }

    /// Sends SIGTERM.
    pub(crate) fn terminate(&self) {
        self.signal("-TERM");
    }

    /// Sends a signal, as `kill` names it.
    pub(crate) fn signal(&self, name: &str) {
        let sent = Command::new("kill")
            .args([name, &self.child.id().to_string()])
            .status();
        assert!(
            sent.is_ok_and(|status| status.success()),
            "{name} should be sent"
        );
    }

    /// Waits for the end; all lines are there afterwards.
    pub(crate) fn ended(&mut self) -> ExitStatus {
        let status = until("the end of the worker", || {
            self.child.try_wait().expect("a child")
        });
        for reader in self.readers.drain(..) {
            reader.join().expect("a reader");
        }
        status
    }

    /// SIGTERM, and the end with exit code 0.
    pub(crate) fn stop(&mut self) {
        self.terminate();
        assert_eq!(self.ended().code(), Some(0), "{}", self.complaints());
    }

    pub(crate) fn has_ended(&mut self) -> bool {
        self.child.try_wait().expect("a child").is_some()
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!(
                "worker {}: {} lines, and {}",
                self.child.id(),
                self.lines().len(),
                self.complaints()
            );
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The message of a first line, as `topic/partition@offset`.
pub(crate) fn taken(line: &str) -> Option<String> {
    let rest = line.strip_prefix("Message Info: topic ")?;
    let (topic, rest) = rest.split_once(" - partition [")?;
    let (partition, offset) = rest.split_once("] @ offset ")?;
    Some(format!("{topic}/{partition}@{offset}"))
}

fn gather(source: impl Read + Send + 'static, lines: Lines) -> thread::JoinHandle<()> {
    thread::spawn(move || {
        for line in BufReader::new(source).lines() {
            let Ok(line) = line else { return };
            lines
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(line);
        }
    })
}

fn copy(lines: &Lines) -> Vec<String> {
    lines.lock().unwrap_or_else(PoisonError::into_inner).clone()
}
