//! `practice-worker`: a worker from its environment. In: environment and signals. Out: exit code 0 after SIGTERM or Ctrl-C,
//! 1 with the reason after a fatal error, 2 for an environment that it cannot start with. Everything else is the library's.

use std::{io, process::ExitCode};

use anyhow::Context;
use practice_contract::{EnvError, WorkerSettings};
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
};
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
        match TcpListener::bind(settings.listen).await {
            Ok(listener) => run(settings, listener)
                .await
                .map_or_else(|error| failed(&error), |()| ExitCode::SUCCESS),
            Err(error) => refuse(&cannot_listen(&settings, &error)),
        }
    })
}

async fn run(settings: WorkerSettings, listener: TcpListener) -> anyhow::Result<()> {
    info!(
        "HTTP on http://{}",
        listener.local_addr().context("the listener's address")?
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
    practice_worker::run(settings, listener, output, shutdown).await?;
    Ok(())
}

/// Name of the variable that has this address.
fn cannot_listen(settings: &WorkerSettings, error: &io::Error) -> EnvError {
    let value = settings.listen.to_string();
    let name = settings
        .to_env()
        .into_iter()
        .find(|(_, held)| *held == value)
        .map_or("the address", |(name, _)| name);
    EnvError::Illegal {
        name,
        legal: format!(
            "cannot listen there ({error}): choose an address of this machine and a free port, or port 0 for any"
        ),
        value,
    }
}

fn refuse(wrong: &EnvError) -> ExitCode {
    error!("{wrong}");
    ExitCode::from(2)
}

fn failed(error: &anyhow::Error) -> ExitCode {
    error!("{error:#}");
    ExitCode::FAILURE
}
