//! One child process. In: a command, its log file. Out: signals to the child, and its exit status. This process holds a pipe to
//! the child's standard input and never writes to it: when the pipe closes, by a drop or by the end of this process, the
//! child exits. The child has its own process group, so that Ctrl-C reaches the parent only. A paused child (SIGSTOP) whose
//! parent dies gets SIGHUP and SIGCONT from the system, as its group is orphaned.

use std::{
    ffi::{OsStr, OsString},
    fs::{File, OpenOptions},
    io::{self, Write},
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
};

use practice_contract::WorkerSettings;
use rustix::process::{Pid, Signal, kill_process};
use tokio::{
    process::Command,
    sync::{
        mpsc,
        oneshot::{self, error::TryRecvError},
    },
};

/// Path of the running program.
#[derive(Debug, Clone)]
pub struct Program(PathBuf);

impl Program {
    /// Finds the running program.
    ///
    /// # Errors
    /// The system does not report its path.
    pub fn this() -> io::Result<Self> {
        std::env::current_exe().map(Self)
    }

    /// Command that runs the program as a child, with the few environment variables that programs need.
    pub fn child<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Command {
        let mut command = Command::new(&self.0);
        command.args(args).env_clear().envs(passed_environment());
        command
    }
}

/// Variables that children get from the environment of `up`.
pub fn passed_environment() -> impl Iterator<Item = (&'static str, OsString)> {
    let names = [
        "PATH",
        "HOME",
        "TMPDIR",
        "LANG",
        "RUST_LOG",
        "RUST_BACKTRACE",
        "LD_LIBRARY_PATH",
        "JAVA_HOME",
        WorkerSettings::LEDGER,
    ];
    names
        .into_iter()
        .filter_map(|name| Some((name, std::env::var_os(name)?)))
}

/// A running child process.
#[derive(Debug)]
pub struct Process {
    pid: u32,
    signals: mpsc::UnboundedSender<Signal>,
}

/// Exit status of a child, now or later. It remains known once it was read, so that reading it twice is no fault.
#[derive(Debug)]
pub struct Ended {
    receiver: oneshot::Receiver<io::Result<ExitStatus>>,
    status: Option<io::Result<ExitStatus>>,
}

impl Ended {
    /// Status of a child that has exited; `None` while it runs.
    pub fn status(&mut self) -> Option<&io::Result<ExitStatus>> {
        if self.status.is_none() {
            self.status = match self.receiver.try_recv() {
                Ok(status) => Some(status),
                Err(TryRecvError::Closed) => Some(Err(lost())),
                Err(TryRecvError::Empty) => None,
            };
        }
        self.status.as_ref()
    }

    /// Waits for the exit.
    ///
    /// # Errors
    /// The system did not report the status.
    pub async fn wait(self) -> io::Result<ExitStatus> {
        match self.status {
            Some(status) => status,
            None => self.receiver.await.unwrap_or_else(|_| Err(lost())),
        }
    }
}

fn lost() -> io::Error {
    io::Error::other("its exit status was lost")
}

/// An exit as words: `signal: 9 (SIGKILL)`.
pub fn exit_cause(status: &io::Result<ExitStatus>) -> String {
    status
        .as_ref()
        .map_or_else(ToString::to_string, ToString::to_string)
}

impl Process {
    /// Starts a child with both outputs in `log`.
    ///
    /// # Errors
    /// The program cannot be started.
    pub fn start(mut command: Command, log: &File) -> io::Result<(Self, Ended)> {
        command
            .stdin(Stdio::piped())
            .stdout(log.try_clone()?)
            .stderr(log.try_clone()?)
            .process_group(0);
        Self::keep(command.spawn()?)
    }

    /// Watches a child that was started with a pipe to its standard input.
    ///
    /// # Errors
    /// The child has exited already.
    pub fn keep(mut child: tokio::process::Child) -> io::Result<(Self, Ended)> {
        let pid = child
            .id()
            .ok_or_else(|| io::Error::other("the child exited at once"))?;
        let (signals, mut asked) = mpsc::unbounded_channel();
        let (sender, receiver) = oneshot::channel();
        tokio::spawn(async move {
            let mut pipe = child.stdin.take(); // `wait` would close it
            loop {
                tokio::select! {
                    status = child.wait() => {
                        let _ = sender.send(status); // the receiver may be dropped
                        return;
                    }
                    signal = asked.recv(), if pipe.is_some() => match signal {
                        // not reaped yet, so the pid is still this child's
                        Some(signal) => {
                            let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
                            let _ = pid.map(|pid| kill_process(pid, signal)); // the child may just have exited
                        }
                        None => drop(pipe.take()),
                    },
                }
            }
        });
        let ended = Ended {
            receiver,
            status: None,
        };
        Ok((Self { pid, signals }, ended))
    }

    /// Process id.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) {
        let _ = self.signals.send(signal); // the child has exited
    }
}

/// Opens a child's log for appending, so that a restart keeps earlier lines.
///
/// # Errors
/// The file cannot be written; the error names it.
pub fn log_file(logs: &Path, name: &str) -> io::Result<File> {
    let path = log_path(logs, name);
    let opened = OpenOptions::new().create(true).append(true).open(&path);
    opened.map_err(|error| cannot_write(&path, &error))
}

/// Appends a line about a child to its log, which also shows whether the child could write there.
///
/// # Errors
/// The line was not written, as on a full disk; the error names the file.
pub fn append_to_log(logs: &Path, name: &str, line: &str) -> io::Result<()> {
    let mut log = log_file(logs, name)?;
    log.write_all(format!("practice-local: {line}\n").as_bytes())
        .map_err(|error| cannot_write(&log_path(logs, name), &error))
}

/// An error of a file in local mode's directory, with its path.
pub fn cannot_write(path: &Path, error: &io::Error) -> io::Error {
    let path = path.display();
    io::Error::new(error.kind(), format!("cannot write {path}: {error}"))
}

/// Path of a child's log.
pub fn log_path(logs: &Path, name: &str) -> PathBuf {
    logs.join(format!("{name}.log"))
}
