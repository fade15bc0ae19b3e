//! `practice-operator run` reconciles practices; `practice-operator crd` prints their definition. Reads arguments,
//! environment and signals; everything else is in the library.

use std::{io::IsTerminal, net::SocketAddr, path::PathBuf, process::ExitCode, time::Duration};

use anyhow::{Context as _, Result};
use clap::{Parser, Subcommand};
use practice_operator::{Settings, view::Picture};
use practice_plan::{config::Config, plan::Defaults};
use practice_serve::Listeners;
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
};
use tokio_util::sync::CancellationToken;

/// The default image of a program. The registry is `image.registry` of the chart, which a release sets in both places.
macro_rules! image {
    ($program:literal) => {
        concat!(
            "localhost/consumer-group-practice/",
            $program,
            ":",
            env!("CARGO_PKG_VERSION")
        )
    };
}

#[derive(Parser)]
#[command(
    version,
    about = "Kubernetes operator for ConsumerGroupPractice: Kafka topics, consumer groups and producers"
)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
#[expect(clippy::large_enum_variant, reason = "there is one, for a moment")]
enum Command {
    /// Watches and reconciles every `ConsumerGroupPractice`.
    Run {
        /// Kafka for practices without spec.kafka: host:port, or several separated by commas.
        #[arg(long, env = "BOOTSTRAP_SERVERS", value_parser = practice_contract::parse_servers)]
        bootstrap_servers: Option<String>,
        /// Image of consumers.
        #[arg(long, env = "WORKER_IMAGE", default_value = image!("worker"))]
        worker_image: String,
        /// Image of producers.
        #[arg(long, env = "PRODUCER_IMAGE", default_value = image!("producer"))]
        producer_image: String,
        /// Address of /livez, /readyz and /metrics.
        #[arg(long, env = "LISTEN", default_value = "0.0.0.0:9090")]
        listen: SocketAddr,
        /// Address of /livez and /readyz alone, which the clients of the other address cannot hold up; omitted: no such address.
        #[arg(long, env = "PROBES")]
        probes: Option<SocketAddr>,
        /// Address of the live view, such as 127.0.0.1:8080; omitted: no live view.
        #[arg(long, env = "VIEW")]
        view: Option<SocketAddr>,
        /// Allows everyone who can reach the live view to change practices and delete their pods.
        #[arg(long, env = "VIEW_ACTIONS")]
        view_actions: bool,
        /// Command that the live view shows for enabling these actions.
        #[arg(
            long,
            env = "VIEW_ACTIONS_HOW",
            default_value = "practice-operator run --view-actions"
        )]
        view_actions_how: String,
        /// YAML file with the policy, and with scheduling and resources of pods.
        #[arg(long, env = "CONFIG")]
        config: Option<PathBuf>,
        /// The only namespace to watch; omitted: all namespaces.
        #[arg(long, env = "WATCH_NAMESPACE")]
        watch_namespace: Option<String>,
    },
    /// Creates, uses and deletes a small practice, as `helm test` does.
    Selftest {
        /// Namespace of the practice.
        #[arg(long, env = "NAMESPACE", default_value = "default")]
        namespace: String,
        /// Time limit, such as 120s.
        #[arg(long, default_value = "120s", value_parser = practice_contract::duration::parse)]
        timeout: Duration,
    },
    /// Prints the `CustomResourceDefinition` as YAML.
    Crd,
}

fn main() -> ExitCode {
    match Arguments::parse().command {
        Command::Crd => {
            print!("{}", practice_api::crd_yaml());
            ExitCode::SUCCESS
        }
        Command::Selftest { namespace, timeout } => ended(selftest(&namespace, timeout)),
        Command::Run {
            bootstrap_servers,
            worker_image,
            producer_image,
            listen,
            probes,
            view,
            view_actions,
            view_actions_how,
            config,
            watch_namespace,
        } => {
            let config = config.map_or_else(
                || Ok(Config::default()),
                |path| practice_operator::config::read(&path),
            );
            let defaults = config.map(|config| Defaults {
                bootstrap_servers,
                worker_image,
                producer_image,
                config,
                watch_namespace,
            });
            let how = (!view_actions).then_some(view_actions_how);
            ended(defaults.and_then(|defaults| {
                run(Settings {
                    defaults,
                    listen,
                    probes,
                    view,
                    how,
                })
            }))
        }
    }
}

fn ended(result: Result<()>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("practice-operator: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn client() -> Result<kube::Client> {
    kube::Client::try_default()
        .await
        .context("cannot configure a Kubernetes client: set KUBECONFIG, or run in a pod")
}

#[tokio::main(flavor = "current_thread")]
async fn selftest(namespace: &str, timeout: Duration) -> Result<()> {
    practice_operator::selftest::selftest(client().await?, namespace, timeout).await
}

#[tokio::main]
async fn run(settings: Settings) -> Result<()> {
    log();
    let client = client().await?;
    let listeners = Listeners {
        http: bind("LISTEN", settings.listen).await?,
        probes: match settings.probes {
            Some(address) => Some(bind("PROBES", address).await?),
            None => None,
        },
    };
    let picture = match settings.view {
        Some(address) => Some(Picture {
            listener: bind("VIEW", address).await?,
            how: settings.how,
        }),
        None => None,
    };
    let shutdown = CancellationToken::new();
    let (mut term, mut int) = (
        signal(SignalKind::terminate())?,
        signal(SignalKind::interrupt())?,
    );
    tokio::spawn({
        let shutdown = shutdown.clone();
        async move {
            tokio::select! { _ = term.recv() => {}, _ = int.recv() => {} }
            shutdown.cancel();
        }
    });
    practice_operator::run(client, settings.defaults, listeners, picture, shutdown).await;
    Ok(())
}

/// Logs plain lines to a terminal, otherwise JSON, panics included.
fn log() {
    let filter = tracing_subscriber::EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| "info,kube=warn".into());
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    if std::io::stderr().is_terminal() {
        log.init();
        return;
    }
    log.json()
        .flatten_event(true)
        .with_current_span(false)
        .init();
    std::panic::set_hook(Box::new(|panic| {
        let at = panic
            .location()
            .map(ToString::to_string)
            .unwrap_or_default();
        tracing::error!(
            at,
            "panic: {}",
            panic.payload_as_str().unwrap_or("without a message")
        );
    }));
}

async fn bind(name: &str, address: SocketAddr) -> Result<TcpListener> {
    let legal = || format!("{name} is `{address}`: choose an address and a port that are free");
    TcpListener::bind(address).await.with_context(legal)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;
    use serde_yaml::Value;

    use super::Arguments;

    #[test]
    fn default_images_are_those_of_the_chart() {
        let values: Value = serde_yaml::from_str(include_str!(
            "../../charts/consumer-group-practice/values.yaml"
        ))
        .expect("should be YAML");
        let text = |path: &[&str]| {
            path.iter()
                .fold(&values, |value, key| &value[*key])
                .as_str()
                .expect("should be a string")
                .to_owned()
        };
        let arguments = Arguments::command();
        let run = arguments.find_subcommand("run").expect("should have run");
        for program in ["worker", "producer"] {
            let flag = run
                .get_arguments()
                .find(|flag| flag.get_id() == &format!("{program}_image"))
                .expect("should have a flag");
            let repository = text(&[program, "image", "repository"]);
            let image = format!(
                "{}/{repository}:{}",
                text(&["image", "registry"]),
                env!("CARGO_PKG_VERSION")
            );
            assert_eq!(
                flag.get_default_values(),
                [image.as_str()],
                "--{program}-image"
            );
        }
    }
}
