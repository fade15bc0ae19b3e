//! Test kit: a running `practice-local`, its commands, its JSON, its children. In: a manifest. Out: values to assert.
//! Every wait has a deadline, and its failure prints the condition and the program's output.

use std::{
    fs::{self, File},
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Output, Stdio},
    sync::{
        OnceLock,
        atomic::{AtomicU16, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use practice_contract::WorkerSettings;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

/// Deadline of waits; long enough for two busy cores.
pub(crate) const SOON: Duration = Duration::from_mins(1);

/// Three groups on three partitions, as in practice 3, with delays that a test can wait for.
pub(crate) const THREE_GROUPS: &str = "
apiVersion: kafka-practice.dev/v1alpha1
kind: ConsumerGroupPractice
metadata: {name: three}
spec:
  topics: [{name: my-topic, partitions: 3}]
  groups:
    - {name: group-1, replicas: 2}
    - {name: group-2, replicas: 1, variants: [{name: slow, replicas: 2, processingDelay: 50ms}]}
    - {name: group-3, replicas: 1, processingDelay: 20ms}
";

/// The ledger of all consumers, in the practice's directory.
pub(crate) const LEDGER: &str = "ledger.jsonl";

/// Path of the program, if it is not beside the tests.
pub(crate) static PROGRAM: OnceLock<PathBuf> = OnceLock::new();

/// The program.
pub(crate) fn program() -> Command {
    let mut command =
        Command::new(PROGRAM.get_or_init(|| env!("CARGO_BIN_EXE_practice-local").into()));
    command.stdin(Stdio::null());
    command
}

/// A standard output whose reader has closed the pipe, as after `head`.
pub(crate) fn closed() -> Stdio {
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    writer.into()
}

/// A directory that goes with its test.
pub(crate) struct Dir(PathBuf);

impl Dir {
    pub(crate) fn new() -> Self {
        static COUNT: AtomicU16 = AtomicU16::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let dir =
            std::env::temp_dir().join(format!("practice-local-it-{}-{number}", std::process::id()));
        fs::create_dir_all(&dir).expect("a directory");
        Self(dir)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// Runs a command in it, to its end.
    pub(crate) fn run(&self, args: &[&str]) -> Output {
        program()
            .current_dir(&self.0)
            .args(args)
            .output()
            .expect("the program runs")
    }

    /// The same with another standard output.
    pub(crate) fn printing(&self, args: &[&str], stdout: Stdio) -> Output {
        program()
            .current_dir(&self.0)
            .args(args)
            .stdout(stdout)
            .output()
            .expect("the program runs")
    }

    /// Standard output of a command; asserts success.
    pub(crate) fn stdout_of(&self, args: &[&str]) -> String {
        let output = self.run(args);
        let (printed, why) = (text(&output.stdout), text(&output.stderr));
        assert!(
            output.status.success(),
            "{args:?}: {}\n{printed}{why}",
            output.status
        );
        printed
    }

    /// Standard error of a command; asserts failure.
    pub(crate) fn refused(&self, args: &[&str]) -> String {
        let output = self.run(args);
        assert!(
            !output.status.success(),
            "{args:?} should be refused: {}",
            text(&output.stdout)
        );
        text(&output.stderr)
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0); // a directory below /tmp
    }
}

/// A running practice. Dropped, it is killed, and its children end by themselves.
pub(crate) struct Local {
    pub(crate) dir: Dir,
    pub(crate) name: String,
    pub(crate) port: u16,
    child: Child,
}

impl Local {
    /// Starts a manifest with further arguments, without waiting.
    pub(crate) fn start(manifest: &str, args: &[&str]) -> Self {
        Self::launch(manifest, args, |_| ())
    }

    /// The same with a closed standard output; `output` is standard error only.
    pub(crate) fn without_reader(manifest: &str, args: &[&str]) -> Self {
        Self::launch(manifest, args, |command| {
            command.stdout(closed());
        })
    }

    /// The same with a command that `change` has changed.
    pub(crate) fn launch(manifest: &str, args: &[&str], change: impl FnOnce(&mut Command)) -> Self {
        let (dir, port) = (Dir::new(), ports());
        fs::write(dir.path().join("practice.yaml"), manifest).expect("written");
        let printed = File::create(dir.path().join("output")).expect("a file");
        let mut command = program();
        command
            .current_dir(dir.path())
            .env(WorkerSettings::LEDGER, dir.path().join(LEDGER))
            .args(["up", "practice.yaml", "--port-base", &port.to_string()])
            .args(args)
            .stdout(printed.try_clone().expect("a file"))
            .stderr(printed);
        change(&mut command);
        let child = command.spawn().expect("the program starts");
        let name = manifest
            .split("name: ")
            .nth(1)
            .and_then(|rest| rest.split(['}', '\n']).next())
            .expect("a name");
        Self {
            name: name.to_owned(),
            dir,
            port,
            child,
        }
    }

    /// Starts a manifest and waits until it is ready.
    pub(crate) fn ready(manifest: &str, args: &[&str]) -> Self {
        let local = Self::start(manifest, args);
        local.is_ready();
        local
    }

    /// Waits until it is ready. Java takes its time where several start at once.
    pub(crate) fn is_ready(&self) {
        self.until_within(3 * SOON, "it is ready", || {
            self.output().contains("ready in ").then_some(())
        });
    }

    /// Output so far.
    pub(crate) fn output(&self) -> String {
        fs::read_to_string(self.dir.path().join("output")).unwrap_or_default()
    }

    /// Waits until `check` returns a value.
    pub(crate) fn until<T>(&self, what: &str, check: impl FnMut() -> Option<T>) -> T {
        self.until_within(SOON, what, check)
    }

    /// The same, of what may take longer.
    pub(crate) fn until_within<T>(
        &self,
        within: Duration,
        what: &str,
        mut check: impl FnMut() -> Option<T>,
    ) -> T {
        let deadline = Instant::now() + within;
        loop {
            if let Some(found) = check() {
                return found;
            }
            assert!(
                Instant::now() < deadline,
                "not within {} s: {what}\n{}",
                within.as_secs(),
                self.story()
            );
            thread::sleep(Duration::from_millis(50));
        }
    }

    /// Output and groups, for failure messages.
    fn story(&self) -> String {
        let snapshot = self
            .view()
            .map(|view| view["groups"].to_string())
            .unwrap_or_default();
        format!("{}\n{snapshot}", self.output())
    }

    /// JSON of the live view; `None` when it does not answer.
    pub(crate) fn view(&self) -> Option<Value> {
        let (code, body) = get(self.port, &format!("/api/practices/local/{}", self.name))?;
        (code == 200)
            .then(|| serde_json::from_str(&body).ok())
            .flatten()
    }

    /// A group in the view.
    pub(crate) fn group(&self, name: &str) -> Option<Value> {
        let view = self.view()?;
        view["groups"]
            .as_array()?
            .iter()
            .find(|group| group["name"] == name)
            .cloned()
    }

    /// A member in the view, by its consumer's name; of several of one name the newest.
    pub(crate) fn member(&self, group: &str, name: &str) -> Option<Value> {
        let group = self.group(group)?;
        group["members"]
            .as_array()?
            .iter()
            .rfind(|member| member["name"] == name)
            .cloned()
    }

    /// Waits until a group is stable with so many members, each partition owned once; its members.
    pub(crate) fn settled(&self, group: &str, members: usize) -> Vec<Value> {
        self.until(&format!("{group} is stable with {members} members"), || {
            let group = self.group(group)?;
            let all = group["members"].as_array()?.clone();
            let stable =
                group["state"] == "Stable" && group["open"].as_array().is_some_and(Vec::is_empty);
            (stable && all.len() == members).then_some(all)
        })
    }

    /// Saves another manifest.
    pub(crate) fn save(&self, manifest: &str) {
        fs::write(self.dir.path().join("practice.yaml"), manifest).expect("written");
    }

    /// Lines of a consumer's log.
    pub(crate) fn log(&self, name: &str) -> String {
        fs::read_to_string(self.dir.path().join(format!(".local/logs/{name}.log")))
            .unwrap_or_default()
    }

    /// All lines of all consumers of a group.
    pub(crate) fn logs(&self, group: &str) -> String {
        let files = fs::read_dir(self.dir.path().join(".local/logs"))
            .expect("a directory")
            .flatten();
        let of_group = files.filter(|file| {
            file.file_name()
                .to_string_lossy()
                .starts_with(&format!("{group}-"))
        });
        of_group
            .map(|file| fs::read_to_string(file.path()).unwrap_or_default())
            .collect()
    }

    /// Its process.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        send(self.pid(), signal);
    }

    /// Its children and theirs.
    pub(crate) fn family(&self) -> Vec<u32> {
        let mut family = vec![self.pid()];
        let mut next = 0;
        while let Some(parent) = family.get(next).copied() {
            family.extend(children(parent));
            next += 1;
        }
        family.split_off(1)
    }

    /// Its children and theirs whose command line contains a text.
    pub(crate) fn with_words(&self, words: &str) -> Vec<u32> {
        let mut family = self.family();
        family.retain(|pid| described(*pid).contains(words));
        family
    }

    /// Waits for its end.
    pub(crate) fn ended(&mut self, within: Duration) -> ExitStatus {
        let deadline = Instant::now() + within;
        loop {
            if let Some(status) = self.child.try_wait().expect("it can be waited for") {
                return status;
            }
            assert!(
                Instant::now() < deadline,
                "it did not exit within {within:?}:\n{}",
                self.output()
            );
            thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Local {
    fn drop(&mut self) {
        let family = self.family();
        let _ = self.child.kill(); // it has ended
        let _ = self.child.wait();
        let deadline = Instant::now() + Duration::from_secs(15);
        while family.iter().any(|pid| runs(*pid)) && Instant::now() < deadline {
            thread::sleep(Duration::from_millis(50));
        }
    }
}

/// Sends a signal to a process.
pub(crate) fn send(pid: u32, signal: Signal) {
    let pid = i32::try_from(pid)
        .ok()
        .and_then(Pid::from_raw)
        .expect("a pid");
    kill_process(pid, signal).expect("it is there");
}

/// Whether a process is there and no zombie.
pub(crate) fn runs(pid: u32) -> bool {
    stat(pid).is_some_and(|(state, _)| state != "Z")
}

/// Its command and state, for messages.
pub(crate) fn described(pid: u32) -> String {
    let words = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let state = status
        .lines()
        .find(|line| line.starts_with("State"))
        .unwrap_or_default()
        .to_owned();
    format!("{pid} {} {state}", text(&words).replace('\0', " "))
}

/// Children of a process.
pub(crate) fn children(parent: u32) -> Vec<u32> {
    let processes = fs::read_dir("/proc").expect("/proc").flatten();
    let pids = processes.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter(|pid| stat(*pid).is_some_and(|(_, of)| of == parent))
        .collect()
}

/// State and parent.
fn stat(pid: u32) -> Option<(String, u32)> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    Some((fields.next()?.to_owned(), fields.next()?.parse().ok()?))
}

/// Two neighbouring ports that nothing listens on, below those that outgoing connections take.
pub(crate) fn ports() -> u16 {
    const FIRST: u16 = 14_000;
    const PAIRS: u16 = 2_900;
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let offset =
        u16::try_from(u64::from(std::process::id()) * 7919 % u64::from(PAIRS)).unwrap_or_default();
    let free = |port: u16| TcpListener::bind(("127.0.0.1", port)).is_ok();
    (0..PAIRS)
        .map(|_| FIRST + 2 * ((offset + NEXT.fetch_add(1, Ordering::Relaxed)) % PAIRS))
        .find(|port| free(*port) && free(port + 1))
        .expect("two free ports")
}

/// A request without a library: code and body.
pub(crate) fn get(port: u16, path: &str) -> Option<(u16, String)> {
    ask(
        port,
        &format!("GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n"),
    )
}

/// A request with JSON in it.
pub(crate) fn post(port: u16, path: &str, body: &str) -> Option<(u16, String)> {
    let length = body.len();
    ask(
        port,
        &format!(
            "POST {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
        ),
    )
}

fn ask(port: u16, request: &str) -> Option<(u16, String)> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    stream
        .set_read_timeout(Some(Duration::from_secs(20)))
        .ok()?;
    stream.write_all(request.as_bytes()).ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    Some((head.split(' ').nth(1)?.parse().ok()?, body.to_owned()))
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
