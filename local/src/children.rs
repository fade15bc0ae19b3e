//! Child processes of this program: a worker, the producer, the embedded broker, or the keeper of a program that would
//! outlive its parent. In: environment, standard input (closed when the parent ends), signals. Out: an exit code.
//! Deliberately absent: the work of workers and producers, which is in their libraries.

use std::{
    io::{self, Read, Write},
    os::unix::process::CommandExt,
    process::ExitCode,
    time::Duration,
};

use anyhow::{Context, Result, anyhow};
use practice_contract::{EnvError, ProducerSettings, WorkerSettings};
use tokio::{
    net::TcpListener,
    process::Command,
    signal::unix::{SignalKind, signal},
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;
use tracing::info;
use tracing_subscriber::EnvFilter;

/// A child exits within this time after a signal, even when something hangs.
const WATCHDOG: Duration = Duration::from_secs(8);
/// Shorter limit for a child whose parent has ended.
const ORPHAN_WATCHDOG: Duration = Duration::from_secs(4);
/// Time for a kept program to end after SIGTERM; less than `up` waits for the keeper.
const KEEPER_GRACE: Duration = Duration::from_secs(3);
/// Exit code for invalid settings or an address in use.
pub const UNUSABLE: u8 = 2;

/// Runs one consumer.
pub fn worker() -> ExitCode {
    let settings = match WorkerSettings::from_env(&|name| std::env::var(name).ok()) {
        Ok(settings) => settings,
        Err(wrong) => return refuse(&wrong),
    };
    run(async |shutdown| {
        let listener = TcpListener::bind(settings.listen).await.map_err(Unusable)?;
        let output = practice_worker::standard_output()?;
        Ok(practice_worker::run(settings, listener, output, shutdown).await?)
    })
}

/// Runs the producer.
pub fn producer() -> ExitCode {
    let settings = match ProducerSettings::from_env(&|name| std::env::var(name).ok()) {
        Ok(settings) => settings,
        Err(wrong) => return refuse(&wrong),
    };
    run(async |shutdown| {
        let listener = TcpListener::bind(settings.listen).await.map_err(Unusable)?;
        Ok(practice_producer::run(settings, listener, shutdown).await?)
    })
}

/// Runs the embedded broker.
pub fn embedded(brokers: i32) -> ExitCode {
    crate::embedded::host::main(brokers)
}

/// Runs a program that does not detect the end of its parent. [`kept`] starts it, so that it ends with a killed keeper, too.
pub fn keeper(words: &[String]) -> ExitCode {
    run(async |shutdown| {
        let Some(program) = words.first() else {
            return Err(anyhow!("no program to keep"));
        };
        let mut child = Command::new(std::env::current_exe()?)
            .args(["kept", &std::process::id().to_string(), "--"])
            .args(words)
            .stdin(std::process::Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("cannot start {program}"))?;
        tokio::select! {
            status = child.wait() => {
                let status = status?;
                return if status.success() { Ok(()) } else { Err(anyhow!("{program} ended: {status}")) };
            }
            () = shutdown.cancelled() => {}
        }
        if let Some(pid) = child
            .id()
            .and_then(|pid| i32::try_from(pid).ok())
            .and_then(rustix::process::Pid::from_raw)
        {
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM); // the process may just have ended
        }
        if timeout(KEEPER_GRACE, child.wait()).await.is_err() {
            child.kill().await?;
        }
        Ok(())
    })
}

/// Becomes a program, which the system kills when its keeper ends, however that ends.
pub fn kept(keeper: u32, words: &[String]) -> ExitCode {
    let [program, args @ ..] = words else {
        return ExitCode::from(UNUSABLE);
    };
    let error = match end_with_parent(keeper) {
        Ok(()) => std::process::Command::new(program).args(args).exec(), // returns only when it fails
        Err(error) => error,
    };
    let _ = writeln!(io::stderr(), "cannot start {program}: {error}"); // its log may be full
    ExitCode::FAILURE
}

/// The signal is a setting of the process, which stays when the process becomes another program (`prctl(2)`, `PR_SET_PDEATHSIG`).
#[cfg(target_os = "linux")]
fn end_with_parent(parent: u32) -> io::Result<()> {
    use rustix::process::{Signal, getppid, set_parent_process_death_signal};

    set_parent_process_death_signal(Some(Signal::KILL))?;
    let is_there = getppid().is_some_and(|pid| u32::try_from(pid.as_raw_pid()) == Ok(parent));
    if is_there {
        Ok(())
    } else {
        Err(io::Error::other("its keeper ended before it")) // no signal comes any more
    }
}

/// Other systems have no such signal: there a program outlives a keeper that is killed.
#[cfg(not(target_os = "linux"))]
fn end_with_parent(_parent: u32) -> io::Result<()> {
    Ok(())
}

/// The child cannot listen on its address.
#[derive(Debug)]
struct Unusable(io::Error);

impl std::fmt::Display for Unusable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "cannot listen: {}", self.0)
    }
}

impl std::error::Error for Unusable {}

/// Runs a child until it ends, receives a signal, or its parent ends.
fn run(child: impl AsyncFnOnce(CancellationToken) -> Result<()>) -> ExitCode {
    let filter =
        EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info,rdkafka=off"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(false)
        // it would be printed on standard error, which is what failed: a panic
        .log_internal_errors(false)
        .init();
    // one thread serves HTTP; a Kafka client has its own
    let runtime = match tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => return failed(&error.into()),
    };
    let ended = runtime.block_on(async {
        let shutdown = CancellationToken::new();
        let overdue = shutdown_overdue(shutdown.clone())?;
        tokio::select! {
            ended = child(shutdown) => ended,
            () = overdue => Err(anyhow!("shutdown took too long")),
        }
    });
    runtime.shutdown_background();
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if error.is::<Unusable>() => {
            tracing::error!("{error:#}");
            ExitCode::from(UNUSABLE)
        }
        Err(error) => failed(&error),
    }
}

/// Cancels `shutdown` on a signal or at the end of standard input; resolves when the shutdown takes too long.
fn shutdown_overdue(shutdown: CancellationToken) -> Result<impl Future<Output = ()>> {
    let (mut terminate, mut interrupt) = (
        signal(SignalKind::terminate())?,
        signal(SignalKind::interrupt())?,
    );
    let orphaned = CancellationToken::new();
    let pipe = orphaned.clone();
    std::thread::Builder::new()
        .name("parent".to_owned())
        .spawn(move || {
            until_closed();
            pipe.cancel();
        })?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => info!("SIGTERM: ending"),
            _ = interrupt.recv() => info!("SIGINT: ending"),
            () = orphaned.cancelled() => info!("the parent ended: ending"),
        }
        shutdown.cancel();
        tokio::select! {
            () = sleep(WATCHDOG) => {}
            () = async { orphaned.cancelled().await; sleep(ORPHAN_WATCHDOG).await } => {}
        }
    })
}

/// Returns when the other end of standard input is closed.
fn until_closed() {
    let mut input = io::stdin().lock();
    let mut buffer = [0; 256];
    loop {
        match input.read(&mut buffer) {
            Ok(0) => return,
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => return,
        }
    }
}

fn refuse(wrong: &EnvError) -> ExitCode {
    tracing_subscriber::fmt()
        .with_writer(io::stderr)
        .with_ansi(false)
        .init();
    tracing::error!("{wrong}");
    ExitCode::from(UNUSABLE)
}

fn failed(error: &anyhow::Error) -> ExitCode {
    tracing::error!("{error:#}");
    ExitCode::FAILURE
}
