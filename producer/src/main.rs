//! `practice-producer`: a producer from its environment. In: environment and signals. Out: exit code 0 after SIGTERM or
//! Ctrl-C, 1 with the reason after a failure, 2 for an environment that it cannot start with. The rest is the library's.

use std::{io, process::ExitCode, time::Duration};

use anyhow::{Context, anyhow};
use practice_contract::{EnvError, ProducerSettings};
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
    time::sleep,
};
use tokio_util::sync::CancellationToken;
use tracing::{error, info};
use tracing_subscriber::EnvFilter;

/// After the signal it ends within this time, whatever hangs.
const WATCHDOG: Duration = Duration::from_secs(8);

fn main() -> ExitCode {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(false)
        .init();
    let settings = match ProducerSettings::from_env(&|name| std::env::var(name).ok()) {
        Ok(settings) => settings,
        Err(wrong) => return refuse(&wrong),
    };
    // one thread for HTTP: the Kafka client has its own, and a second one here would only take their time
    let runtime = match tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => return failed(&error.into()),
    };
    let code = runtime.block_on(async {
        match TcpListener::bind(settings.listen).await {
            Ok(listener) => run(settings, listener)
                .await
                .map_or_else(|error| failed(&error), |()| ExitCode::SUCCESS),
            Err(error) => refuse(&cannot_listen(&settings, &error)),
        }
    });
    runtime.shutdown_background();
    code
}

async fn run(settings: ProducerSettings, listener: TcpListener) -> anyhow::Result<()> {
    info!(
        "HTTP on http://{}",
        listener.local_addr().context("the listener's address")?
    );
    let mut terminate = signal(SignalKind::terminate()).context("SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("SIGINT")?;
    let shutdown = CancellationToken::new();
    let stop = shutdown.clone();
    let watchdog = async move {
        tokio::select! {
            _ = terminate.recv() => info!("SIGTERM: answering what was accepted"),
            _ = interrupt.recv() => info!("Ctrl-C: answering what was accepted"),
        }
        stop.cancel();
        sleep(WATCHDOG).await;
    };
    tokio::select! {
        ended = practice_producer::run(settings, listener, shutdown) => Ok(ended?),
        () = watchdog => Err(anyhow!("not ended {} s after the signal", WATCHDOG.as_secs())),
    }
}

/// Name of the variable that has this address.
fn cannot_listen(settings: &ProducerSettings, error: &io::Error) -> EnvError {
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
