//! The operator under test: one for the whole process, in this process, with a real API server and a real Kafka. It acts
//! as a `ServiceAccount` that has exactly the rights the chart gives it.

use std::{net::SocketAddr, path::Path, process::Command, sync::LazyLock};

use practice_operator::view::Picture;
use practice_plan::{config::Config, plan::Defaults};
use practice_testbed::{Cluster, Role, cluster, kafka};
use tokio::{
    net::TcpListener,
    runtime::{Builder, Runtime},
    sync::OnceCell,
};
use tokio_util::sync::CancellationToken;

/// Outlives every test: the operator, and the consumers of its pods, run on it.
pub(crate) static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    Builder::new_multi_thread()
        .enable_all()
        .build()
        .expect("threads can be started")
});

/// Namespace and `ServiceAccount` of the operator.
#[derive(Debug, Clone)]
pub(crate) struct Account {
    pub(crate) namespace: String,
    pub(crate) name: &'static str,
    /// Where it serves the picture.
    pub(crate) picture: SocketAddr,
    /// Cancelled when it has ended, with all that it was reconciling.
    pub(crate) ended: CancellationToken,
}

impl Account {
    /// The mutating requests of the operator about objects in a namespace.
    pub(crate) async fn writes(&self, namespace: &str) -> Vec<String> {
        cluster()
            .await
            .audit_in(namespace, &self.namespace, self.name)
    }
}

/// The shared cluster's operator.
pub(crate) async fn operator() -> &'static Account {
    static SHARED: OnceCell<Account> = OnceCell::const_new();
    let start = || async {
        let started = RUNTIME.spawn(async {
            let cluster = cluster().await;
            cluster.apply_crd(&practice_api::crd_yaml()).await;
            start(cluster, CancellationToken::new()).await
        });
        started.await.expect("the operator starts")
    };
    SHARED.get_or_init(start).await
}

/// Starts an operator in a cluster that has the CRD, on the runtime that this is called on.
pub(crate) async fn start(cluster: &Cluster, shutdown: CancellationToken) -> Account {
    start_with(
        cluster,
        Config::default(),
        Some("turn it on".to_owned()),
        shutdown,
    )
    .await
}

/// The same with a policy, or with pods of another size; without a `how` things can be done from its picture.
pub(crate) async fn start_with(
    cluster: &Cluster,
    config: Config,
    how: Option<String>,
    shutdown: CancellationToken,
) -> Account {
    let namespace = cluster.namespace("operator").await;
    start_in(cluster, namespace, config, how, shutdown).await
}

/// The same in the namespace of an operator before it, whose records it finds.
pub(crate) async fn start_in(
    cluster: &Cluster,
    namespace: String,
    config: Config,
    how: Option<String>,
    shutdown: CancellationToken,
) -> Account {
    let _ = tracing_subscriber::fmt()
        .with_env_filter(tracing_subscriber::EnvFilter::from_default_env())
        .with_writer(std::io::stderr)
        .try_init(); // another test was first
    let listen = || async {
        TcpListener::bind("127.0.0.1:0")
            .await
            .expect("a port is free")
    };
    let rules = chart_rules(&format!("view.actions={}", how.is_none()));
    let picture = Picture {
        listener: listen().await,
        how,
    };
    let account = Account {
        namespace,
        name: "operator",
        picture: picture.listener.local_addr().expect("it is bound"),
        ended: CancellationToken::new(),
    };
    let client = cluster
        .service_account(&account.namespace, account.name, Role::Rules(&rules))
        .await;
    let defaults = Defaults {
        bootstrap_servers: Some(kafka().await.bootstrap().to_owned()),
        worker_image: "worker:test".to_owned(),
        producer_image: "producer:test".to_owned(),
        config,
        ..Defaults::default()
    };
    let running = practice_operator::run(client, defaults, listen().await, Some(picture), shutdown);
    let ends = account.ended.clone().drop_guard();
    tokio::spawn(async move {
        running.await;
        drop(ends);
    });
    account
}

/// The rules of the operator's `ClusterRole`.
fn chart_rules(set: &str) -> String {
    let documents = chart_documents("templates/rbac.yaml", set);
    let role = documents
        .iter()
        .find(|document| document["kind"] == "ClusterRole")
        .expect("the chart has a ClusterRole");
    serde_yaml::to_string(&role["rules"]).expect("it is YAML")
}

/// A template of the chart, as helm renders it.
pub(crate) fn chart_documents(template: &str, set: &str) -> Vec<serde_json::Value> {
    let chart = Path::new(env!("CARGO_MANIFEST_DIR")).join("../charts/consumer-group-practice");
    let rendered = Command::new(practice_testbed::helm())
        .args(["template", "cgp", "--namespace", "kafka-practice"])
        .args(["--show-only", template, "--kube-version", "1.34.0"])
        .args(["--set", "kafka.bootstrapServers=k:9092", "--set", set])
        .arg(chart)
        .output()
        .expect("helm runs");
    let said = String::from_utf8_lossy(&rendered.stderr);
    assert!(rendered.status.success(), "helm template: {said}");
    let text = String::from_utf8(rendered.stdout).expect("YAML is text");
    text.split("\n---\n")
        .map(|document| serde_yaml::from_str(document).expect("helm renders YAML"))
        .collect()
}
