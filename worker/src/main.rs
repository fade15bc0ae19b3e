//! `practice-worker`: a worker from its environment. In: environment and signals. Out: exit code 0 after SIGTERM or Ctrl-C,
//! 1 with the reason after a fatal error, 2 for an environment that it cannot start with. Everything else is the library's.

use std::{io, process::ExitCode};

use anyhow::Context;
use practice_contract::{EnvError, WorkerSettings, cannot_listen};
use practice_serve::Listeners;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing::{error, info};
use tracing_subscriber::EnvFilter;

fn main() -> ExitCode {
    // the worker logs the Kafka client's lines; the client's Rust layer would log them a second time
    let filter =
        EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info,rdkafka=off"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(false)
        // it would be printed on standard error, which is what failed: a panic
        .log_internal_errors(false)
        .init();
    let settings = match WorkerSettings::from_env(&|name| std::env::var(name).ok()) {
        Ok(settings) => settings,
        Err(wrong) => return refuse(&wrong),
    };
    // one thread serves probes and the page; the consumer has its own
    let runtime = match tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => return failed(&error.into()),
    };
    runtime.block_on(async {
        match Listeners::bind(settings.listen, settings.probes).await {
            Ok(listeners) => run(settings, listeners)
                .await
                .map_or_else(|error| failed(&error), |()| ExitCode::SUCCESS),
            Err((address, error)) => refuse(&cannot_listen(&settings.to_env(), address, &error)),
        }
    })
}

async fn run(settings: WorkerSettings, listeners: Listeners) -> anyhow::Result<()> {
    info!(
        "HTTP on http://{}",
        listeners
            .http
            .local_addr()
            .context("the listener's address")?
    );
    let shutdown = CancellationToken::new();
    let stop = shutdown.clone();
    let mut terminate = signal(SignalKind::terminate()).context("SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("SIGINT")?;
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => info!("SIGTERM: leaving the group"),
            _ = interrupt.recv() => info!("Ctrl-C: leaving the group"),
        }
        stop.cancel();
    });
    let output = practice_worker::standard_output().context("standard output")?;
    practice_worker::run(settings, listeners, output, shutdown).await?;
    Ok(())
}

fn refuse(wrong: &EnvError) -> ExitCode {
    error!("{wrong}");
    ExitCode::from(2)
}

fn failed(error: &anyhow::Error) -> ExitCode {
    error!("{error:#}");
    ExitCode::FAILURE
}
