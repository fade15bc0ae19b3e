//! What this program is when it runs as a child of its own: a worker, the producer, the broker in memory, or the keeper of
//! a program that would outlive its parent. In: environment, standard input (whose end is the parent's end), signals.
//! Out: an exit code. Deliberately absent: what workers and producers do; their libraries do it.

use std::{
    io::{self, Read},
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

/// After it was asked to, a child ends within this time, whatever hangs.
const WATCHDOG: Duration = Duration::from_secs(8);
/// An orphan has nobody to report to: it ends sooner.
const ORPHANED: Duration = Duration::from_secs(4);
/// What a kept program gets to end by itself: less than `up` waits for it.
const PATIENCE: Duration = Duration::from_secs(3);
/// Exit code for an environment that a child cannot start with.
pub const UNUSABLE: u8 = 2;

/// One consumer.
pub fn worker() -> ExitCode {
    let settings = match WorkerSettings::from_env(&|name| std::env::var(name).ok()) {
        Ok(settings) => settings,
        Err(wrong) => return refuse(&wrong),
    };
    run(async |shutdown| {
        let listener = TcpListener::bind(settings.listen).await.map_err(Unusable)?;
        Ok(practice_worker::run(settings, listener, Box::new(io::stdout()), shutdown).await?)
    })
}

/// The producer.
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

/// The broker in memory.
pub fn embedded(brokers: i32) -> ExitCode {
    crate::embedded::host::main(brokers)
}

/// A program that knows nothing of its parent's end.
pub fn keeper(words: &[String]) -> ExitCode {
    run(async |shutdown| {
        let Some((program, args)) = words.split_first() else {
            return Err(anyhow!("no program to keep"));
        };
        let mut child = Command::new(program)
            .args(args)
            .stdin(std::process::Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("cannot start {program}"))?;
        tokio::select! {
            status = child.wait() => {
                let status = status?;
                return if status.success() { Ok(()) } else { Err(anyhow!("{program} has ended: {status}")) };
            }
            () = shutdown.cancelled() => {}
        }
        if let Some(pid) = child
            .id()
            .and_then(|pid| i32::try_from(pid).ok())
            .and_then(rustix::process::Pid::from_raw)
        {
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM); // it has just ended
        }
        if timeout(PATIENCE, child.wait()).await.is_err() {
            child.kill().await?;
        }
        Ok(())
    })
}

/// A port or address that cannot be listened on.
#[derive(Debug)]
struct Unusable(io::Error);

impl std::fmt::Display for Unusable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "cannot listen: {}", self.0)
    }
}

impl std::error::Error for Unusable {}

/// Runs a child until it ends, is told to by a signal, or its parent is gone.
fn run(child: impl AsyncFnOnce(CancellationToken) -> Result<()>) -> ExitCode {
    let filter =
        EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info,rdkafka=off"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(false)
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
        let asked = asked(shutdown.clone())?;
        tokio::select! {
            ended = child(shutdown) => ended,
            () = asked => Err(anyhow!("it has taken too long to end")),
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

/// Cancels `shutdown` on a signal or at the end of standard input; ready when the child takes too long to end.
fn asked(shutdown: CancellationToken) -> Result<impl Future<Output = ()>> {
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
            () = orphaned.cancelled() => info!("the parent is gone: ending"),
        }
        shutdown.cancel();
        tokio::select! {
            () = sleep(WATCHDOG) => {}
            () = async { orphaned.cancelled().await; sleep(ORPHANED).await } => {}
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
