//! One child process. In: a command, where its words go. Out: signals to it, and word of its end. It holds a pipe to the
//! child's standard input and nothing is ever written there: when it closes, by a drop or because this process is gone, the
//! child ends by itself. It is in a process group of its own, so that Ctrl-C in a terminal is the parent's alone; a child
//! that is held (SIGSTOP) when its parent dies is orphaned as a group, which the system tells it by SIGHUP and SIGCONT.

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

/// This program, as it was when it was started.
#[derive(Debug, Clone)]
pub struct Program(PathBuf);

impl Program {
    /// The running one.
    ///
    /// # Errors
    /// The system does not say where it is.
    pub fn this() -> io::Result<Self> {
        std::env::current_exe().map(Self)
    }

    /// A command that runs it as a child. Of this process's environment only what programs need to run at all comes along.
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

/// A running child.
#[derive(Debug)]
pub struct Process {
    pid: u32,
    signals: mpsc::UnboundedSender<Signal>,
}

/// Its end.
pub type Ended = oneshot::Receiver<io::Result<ExitStatus>>;

impl Process {
    /// Starts a child; both its outputs go to `log`.
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

    /// Keeps a child that was started with a pipe to its standard input.
    ///
    /// # Errors
    /// It has ended already.
    pub fn keep(mut child: tokio::process::Child) -> io::Result<(Self, Ended)> {
        let pid = child
            .id()
            .ok_or_else(|| io::Error::other("the child has ended at once"))?;
        let (signals, mut asked) = mpsc::unbounded_channel();
        let (tell, ended) = oneshot::channel();
        tokio::spawn(async move {
            let mut pipe = child.stdin.take(); // waiting would close it
            loop {
                tokio::select! {
                    status = child.wait() => {
                        let _ = tell.send(status); // nobody asks any more
                        return;
                    }
                    signal = asked.recv(), if pipe.is_some() => match signal {
                        // not reaped yet: the pid is still this child's
                        Some(signal) => {
                            let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
                            let _ = pid.map(|pid| kill_process(pid, signal)); // one that has ended needs none
                        }
                        None => drop(pipe.take()),
                    },
                }
            }
        });
        Ok((Self { pid, signals }, ended))
    }

    /// Its number.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) {
        let _ = self.signals.send(signal); // it has ended
    }
}

/// Opens a child's log; what was there stays when it is started again within one run.
///
/// # Errors
/// It cannot be written.
pub fn log_file(logs: &Path, name: &str) -> io::Result<File> {
    OpenOptions::new()
        .create(true)
        .append(true)
        .open(log_path(logs, name))
}

/// Where the log of a child is.
pub fn log_path(logs: &Path, name: &str) -> PathBuf {
    logs.join(format!("{name}.log"))
}
