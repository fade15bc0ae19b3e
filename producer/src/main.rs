//! `practice-producer`: a producer from its environment. In: environment and signals. Out: exit code 0 after SIGTERM or
//! Ctrl-C, 1 with the reason after a failure, 2 for an environment that it cannot start with. The rest is the library's.

use std::{io, process::ExitCode, time::Duration};

use anyhow::{Context, anyhow};
use practice_contract::{EnvError, ProducerSettings, cannot_listen};
use practice_serve::Listeners;
use tokio::{
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
        match Listeners::bind(settings.listen, settings.probes).await {
            Ok(listeners) => run(settings, listeners)
                .await
                .map_or_else(|error| failed(&error), |()| ExitCode::SUCCESS),
            Err((address, error)) => refuse(&cannot_listen(&settings.to_env(), address, &error)),
        }
    });
    runtime.shutdown_background();
    code
}

async fn run(settings: ProducerSettings, listeners: Listeners) -> anyhow::Result<()> {
    info!(
        "HTTP on http://{}",
        listeners
            .http
            .local_addr()
            .context("the listener's address")?
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
        ended = practice_producer::run(settings, listeners, shutdown) => Ok(ended?),
        () = watchdog => Err(anyhow!("not ended {} s after the signal", WATCHDOG.as_secs())),
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
