//! One child process. In: a command, its log file. Out: signals to the child, and its exit status. This process holds a pipe to
//! the child's standard input and never writes to it: when the pipe closes, by a drop or by the end of this process, the
//! child exits. The child has its own process group, so that Ctrl-C reaches the parent only. A paused child (SIGSTOP) whose
//! parent dies gets SIGHUP and SIGCONT from the system, as its group is orphaned.

use std::{
    ffi::OsStr,
    fs::{File, OpenOptions},
    io,
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
};

use rustix::process::{Pid, Signal, kill_process};
use tokio::{
    process::Command,
    sync::{mpsc, oneshot},
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
        command.args(args).env_clear();
        for name in [
            "PATH",
            "HOME",
            "TMPDIR",
            "LANG",
            "RUST_LOG",
            "RUST_BACKTRACE",
            "LD_LIBRARY_PATH",
            "JAVA_HOME",
        ] {
            command.envs(std::env::var_os(name).map(|value| (name, value)));
        }
        command
    }
}

/// A running child process.
#[derive(Debug)]
pub struct Process {
    pid: u32,
    signals: mpsc::UnboundedSender<Signal>,
}

/// Exit status of a child.
pub type Ended = oneshot::Receiver<io::Result<ExitStatus>>;

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
        let (sender, ended) = oneshot::channel();
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
/// The file cannot be written.
pub fn log_file(logs: &Path, name: &str) -> io::Result<File> {
    OpenOptions::new()
        .create(true)
        .append(true)
        .open(log_path(logs, name))
}

/// Path of a child's log.
pub fn log_path(logs: &Path, name: &str) -> PathBuf {
    logs.join(format!("{name}.log"))
}
