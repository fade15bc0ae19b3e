//! Server processes that cannot outlive the test process, even one that is killed: a [`Keeper`] is a bash that reads its
//! commands from a pipe. When the pipe closes, by a drop or by the end of the process that holds it, the bash kills all it
//! started and removes their directory.
//! Knows nothing of what it runs.

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    net::TcpListener,
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU16, Ordering},
    },
    time::{Duration, Instant},
};

/// The directory, and what happens at the end. A bash that is asked to end does the same.
const PROLOGUE: &str = r#"
dir=$(mktemp -d "${TMPDIR:-/tmp}/cgp-testbed.XXXXXX")
trap 'kill -KILL $(jobs -pr); wait; rm -rf "$dir"' EXIT
trap 'exit 143' TERM HUP INT
echo "$dir"
"#;
/// With an empty word at the end, as the kernel shows it.
const SHELL: [&str; 5] = ["bash", "--noprofile", "--norc", "-s", ""];
const END_TIMEOUT: Duration = Duration::from_mins(1);

/// A directory and the processes that live with it.
#[derive(Debug)]
pub(crate) struct Keeper {
    dir: PathBuf,
    shell: Mutex<Shell>,
}

#[derive(Debug)]
struct Shell {
    child: Child,
    /// `None` only while it is dropped.
    commands: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

/// One process that a keeper started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Process {
    pid: u32,
    /// Ticks since boot: distinguishes this process from a later one with the same pid.
    started: String,
    log: PathBuf,
}

impl Keeper {
    pub(crate) fn new() -> Self {
        let mut child = Command::new(SHELL[0])
            .args(&SHELL[1..4])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .process_group(0) // Ctrl-C is for the tests; kept processes end after them
            .spawn()
            .unwrap_or_else(|error| {
                panic!("cannot start bash, which keeps the test servers: {error}")
            });
        let commands = child.stdin.take();
        let answers = BufReader::new(
            child
                .stdout
                .take()
                .expect("stdout should be the pipe asked for"),
        );
        let mut shell = Shell {
            child,
            commands,
            answers,
        };
        let dir = PathBuf::from(shell.ask(PROLOGUE));
        assert!(
            dir.is_dir(),
            "no temporary directory {} for test servers: is TMPDIR writable?",
            dir.display()
        );
        Self {
            dir,
            shell: Mutex::new(shell),
        }
    }

    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    /// Starts a program; what it prints is appended to `<name>.log`.
    pub(crate) fn spawn(
        &self,
        name: &str,
        environment: &[(&str, &str)],
        program: &Path,
        args: &[String],
    ) -> Process {
        let log = self.dir.join(format!("{name}.log"));
        let environment = environment
            .iter()
            .map(|(name, value)| format!("{name}={} ", quoted(value)));
        let words = std::iter::once(program.display().to_string()).chain(args.iter().cloned());
        let words: Vec<String> = words.map(|word| quoted(&word)).collect();
        let (environment, words) = (environment.collect::<String>(), words.join(" "));
        let log_word = quoted(&log.display().to_string());
        let pid = self.ask(&format!(
            "{environment}{words} </dev/null >>{log_word} 2>&1 & echo $!\n"
        ));
        let pid = pid
            .parse()
            .unwrap_or_else(|_| panic!("{name} was not started, its pid is `{pid}`"));
        let process = Process {
            pid,
            started: start_time(pid).unwrap_or_default(),
            log,
        };
        process.becomes_itself();
        process
    }

    /// Sends a signal (`TERM`, `STOP`, ...) to a process that still runs.
    pub(crate) fn signal(&self, process: &Process, signal: &str) {
        if process.runs() {
            self.ask(&format!("kill -{signal} {}; echo\n", process.pid));
        }
    }

    /// Sends SIGSTOP and waits until every thread stands still: one that runs could still answer.
    pub(crate) fn freeze(&self, process: &Process) {
        self.signal(process, "STOP");
        let begun = Instant::now();
        while process.runs() && !process.stands_still() {
            assert!(
                begun.elapsed() < END_TIMEOUT,
                "process {} does not stop",
                process.pid
            );
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// Sends a signal and waits for the process to end; one that takes too long fails the test.
    pub(crate) async fn end(&self, process: &Process, signal: &str) {
        self.signal(process, signal);
        process.ended(END_TIMEOUT).await;
    }

    fn ask(&self, command: &str) -> String {
        self.shell
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .ask(command)
    }
}

impl Shell {
    /// Runs a command that prints exactly one line.
    fn ask(&mut self, command: &str) -> String {
        let commands = self
            .commands
            .as_mut()
            .expect("the pipe should be open until the drop");
        let mut answer = String::new();
        let asked = commands
            .write_all(command.as_bytes())
            .and_then(|()| commands.flush());
        asked
            .and_then(|()| self.answers.read_line(&mut answer))
            .unwrap_or_else(|error| {
                panic!(
                    "the bash that keeps the test servers is gone ({error}): did something kill it?"
                )
            });
        answer.trim_end().to_owned()
    }
}

impl Drop for Shell {
    fn drop(&mut self) {
        drop(self.commands.take());
        // gone, and its directory with it, before the next test continues; a failure cannot be reported
        let _ = self.child.wait();
    }
}

impl Process {
    pub(crate) fn runs(&self) -> bool {
        start_time(self.pid).is_some_and(|started| started == self.started)
    }

    /// Waits until it is no copy of the shell any more: that one would catch a signal, and forget it when it becomes the program.
    fn becomes_itself(&self) {
        let begun = Instant::now();
        let command = || fs::read(format!("/proc/{}/cmdline", self.pid)).unwrap_or_default();
        let is_zombie = || {
            field(Path::new(&format!("/proc/{}/stat", self.pid)), 3)
                .is_some_and(|state| state == "Z")
        };
        let is_shell =
            |command: &[u8]| command.is_empty() || command == SHELL.join("\0").as_bytes();
        while self.runs() && !is_zombie() && is_shell(&command()) {
            assert!(
                begun.elapsed() < END_TIMEOUT,
                "process {} does not start its program",
                self.pid
            );
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    fn stands_still(&self) -> bool {
        let threads = fs::read_dir(format!("/proc/{}/task", self.pid))
            .into_iter()
            .flatten()
            .flatten();
        let mut states = threads.filter_map(|thread| field(&thread.path().join("stat"), 3));
        states.all(|state| state == "T")
    }

    /// Waits until it has ended by itself.
    pub(crate) async fn ended(&self, within: Duration) {
        let begun = Instant::now();
        while self.runs() {
            assert!(
                begun.elapsed() < within,
                "process {} has not ended within {within:?}:\n{}",
                self.pid,
                self.last_words()
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// The end of its log, for messages.
    pub(crate) fn last_words(&self) -> String {
        let log = fs::read(&self.log).unwrap_or_default();
        let log = String::from_utf8_lossy(&log);
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(15)..].join("\n")
    }
}

/// `None` when there is no such process. A zombie still counts: while other threads of it end, its sockets are open.
fn start_time(pid: u32) -> Option<String> {
    field(Path::new(&format!("/proc/{pid}/stat")), 22)
}

/// A field of `/proc/PID/stat`, with the numbers of `proc_pid_stat(5)`; from 3 on, for the name before may hold anything.
fn field(stat: &Path, number: usize) -> Option<String> {
    let stat = fs::read_to_string(stat).ok()?;
    stat.rsplit_once(')')?
        .1
        .split_whitespace()
        .nth(number - 3)
        .map(str::to_owned)
}

fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// A port of 127.0.0.1 that nothing listens on. It lies below Linux's ephemeral range, so that no outgoing connection takes
/// it while its server is down.
pub fn free_port() -> u16 {
    const FIRST: u16 = 20_000;
    const COUNT: u16 = 12_000;
    static NEXT: AtomicU16 = AtomicU16::new(0);
    // other test processes start elsewhere; a prime spreads neighbouring pids
    let offset =
        u16::try_from(u64::from(std::process::id()) * 7919 % u64::from(COUNT)).unwrap_or_default();
    for _ in 0..COUNT {
        let port = FIRST + (offset + NEXT.fetch_add(1, Ordering::Relaxed) % COUNT) % COUNT;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
    panic!("no free port between {FIRST} and {}", FIRST + COUNT)
}

#[cfg(test)]
mod tests {
    use super::{Keeper, quoted};
    use std::path::Path;

    #[tokio::test]
    async fn what_is_kept_ends_with_its_keeper() {
        let keeper = Keeper::new();
        let dir = keeper.dir().to_path_buf();
        let echo = keeper.spawn(
            "echo",
            &[("TEXT", "it's")],
            Path::new("sh"),
            &["-c".into(), "echo $TEXT; exec sleep 600".into()],
        );
        let other = keeper.spawn("other", &[], Path::new("sleep"), &["600".into()]);
        while echo.last_words() != "it's" {
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        keeper.end(&other, "TERM").await;
        keeper.signal(&echo, "STOP");
        assert!(echo.runs() && !other.runs());
        drop(keeper);
        assert!(!echo.runs() && !dir.exists());
    }

    #[test]
    fn words_stay_words() {
        assert_eq!(quoted("a 'b' $c"), r"'a '\''b'\'' $c'");
    }
}
