//! An etcd with a kube-apiserver, and a kube-controller-manager if requested. In: CRDs, names, roles. Out: clients, as
//! administrator or as a `ServiceAccount` with its own rights, and the writes of a `ServiceAccount` in the audit log.
//! There is no node: pods stay Pending, and without controllers nothing sets a status but the test.

mod setup;

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
    time::Duration,
};

use k8s_openapi::{
    api::{
        authentication::v1::TokenRequest,
        authorization::v1::{ResourceAttributes, SubjectAccessReview, SubjectAccessReviewSpec},
        core::v1::{Namespace, ServiceAccount},
        rbac::v1::{ClusterRole, ClusterRoleBinding},
    },
    apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition,
};
use kube::{
    Client, Config,
    api::{Api, Patch, PatchParams, PostParams},
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};

use crate::{
    cache, poll,
    process::{Keeper, Process, free_port},
};
use setup::{
    GO_MEMORY, any_right, flags, kubeconfig, local, path, start_apiserver, summary,
    write_credentials,
};

const START_TIMEOUT: Duration = Duration::from_mins(2);
const TIMEOUT: Duration = Duration::from_secs(30);
const ADMIN_TOKEN: &str = "admin";

/// What a `ServiceAccount` may do, in every namespace.
#[derive(Debug, Clone, Copy)]
pub enum Role<'a> {
    /// The rules of a `ClusterRole`, a list in YAML.
    Rules(&'a str),
    /// A `ClusterRole` that exists, by name.
    Existing(&'a str),
}

/// A running API server. Dropped, it ends and its data is removed.
#[derive(Debug)]
pub struct Cluster {
    keeper: Keeper,
    etcd: Process,
    etcd_url: String,
    port: u16,
    controllers: bool,
    kubeconfig: PathBuf,
    apiserver: Mutex<Process>,
}

impl Cluster {
    /// Starts one of its own, without controllers, for a test that disturbs it.
    pub async fn start() -> Self {
        Self::run(false).await
    }

    /// Starts one with kube-controller-manager: owned objects are collected, Deployments make `ReplicaSets` and pods.
    pub async fn start_with_controllers() -> Self {
        let cluster = Self::run(true).await;
        let manager = cluster.start_controllers();
        let accounts: Api<ServiceAccount> = Api::namespaced(cluster.client(), "default");
        poll("the controllers work", START_TIMEOUT, || async {
            assert!(
                manager.runs(),
                "kube-controller-manager has ended by itself:\n{}",
                manager.last_words()
            );
            accounts.get("default").await
        })
        .await;
        cluster
    }

    async fn run(controllers: bool) -> Self {
        let (program, libraries) = cache::etcd();
        let keeper = Keeper::new();
        let (etcd_url, peer_url) = (local("http", free_port()), local("http", free_port()));
        let args = [
            ("data-dir", path(keeper.dir(), "etcd")),
            ("listen-client-urls", etcd_url.clone()),
            ("advertise-client-urls", etcd_url.clone()),
            ("listen-peer-urls", peer_url.clone()),
            ("initial-advertise-peer-urls", peer_url.clone()),
            ("initial-cluster", format!("default={peer_url}")),
            ("unsafe-no-fsync", "true".to_owned()),
        ];
        let etcd = keeper.spawn(
            "etcd",
            &[("LD_LIBRARY_PATH", &libraries)],
            &program,
            &flags(args),
        );
        let port = free_port();
        write_credentials(&keeper, port).await;
        let kubeconfig = keeper.dir().join("kubeconfig");
        let apiserver = Mutex::new(start_apiserver(&keeper, &etcd_url, port, controllers));
        let cluster = Self {
            keeper,
            etcd,
            etcd_url,
            port,
            controllers,
            kubeconfig,
            apiserver,
        };
        cluster.answers().await;
        cluster
    }

    /// An administrator's client. A new one for each call: a client works on the runtime that made it.
    pub fn client(&self) -> Client {
        self.client_with(ADMIN_TOKEN)
    }

    /// An administrator's kubeconfig.
    pub fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    /// Creates a namespace that no other test of this process has: `prefix-` and a number.
    pub async fn namespace(&self, prefix: &str) -> String {
        let name = crate::unique(prefix);
        self.apply(
            &Api::<Namespace>::all(self.client()),
            &name,
            json!({"apiVersion": "v1", "kind": "Namespace"}),
        )
        .await;
        if self.controllers {
            let accounts: Api<ServiceAccount> = Api::namespaced(self.client(), &name);
            poll("the namespace has its ServiceAccount", TIMEOUT, || {
                accounts.get("default")
            })
            .await;
        }
        name
    }

    /// Applies a CRD (server-side, under the one manager `testbed`) and waits until its objects can be listed.
    pub async fn apply_crd(&self, yaml: &str) {
        let crd: Value = serde_yaml::from_str(yaml)
            .unwrap_or_else(|error| panic!("the CRD is no YAML: {error}"));
        let name = crd["metadata"]["name"]
            .as_str()
            .expect("a CRD should have a name")
            .to_owned();
        let api: Api<CustomResourceDefinition> = Api::all(self.client());
        self.apply(&api, &name, crd).await;
        let served = poll("the CRD is established", TIMEOUT, || async {
            let crd = api.get(&name).await.map_err(|error| error.to_string())?;
            let conditions = crd
                .status
                .and_then(|status| status.conditions)
                .unwrap_or_default();
            let holds = |kind: &str| {
                conditions
                    .iter()
                    .any(|c| c.type_ == kind && c.status == "True")
            };
            let versions = crd
                .spec
                .versions
                .into_iter()
                .filter(|version| version.served)
                .map(|version| version.name);
            let (group, plural) = (crd.spec.group, crd.spec.names.plural);
            if holds("Established") && holds("NamesAccepted") {
                Ok(versions
                    .map(|version| format!("/apis/{group}/{version}/{plural}?limit=1"))
                    .collect::<Vec<_>>())
            } else {
                Err(format!("its conditions are {conditions:?}"))
            }
        })
        .await;
        for path in served {
            poll(&format!("{path} is served"), TIMEOUT, || self.get(&path)).await;
        }
    }

    /// Makes a `ServiceAccount` with these rights, and a client that acts as it. May be repeated, for a further client.
    pub async fn service_account(&self, namespace: &str, name: &str, role: Role<'_>) -> Client {
        const RBAC: &str = "rbac.authorization.k8s.io";
        let accounts: Api<ServiceAccount> = Api::namespaced(self.client(), namespace);
        self.apply(
            &accounts,
            name,
            json!({"apiVersion": "v1", "kind": "ServiceAccount"}),
        )
        .await;
        let bound = format!("{namespace}:{name}");
        let role = match role {
            Role::Existing(role) => role,
            Role::Rules(rules) => {
                let rules: Value = serde_yaml::from_str(rules)
                    .unwrap_or_else(|error| panic!("rules of {name}: {error}"));
                let role = json!({"apiVersion": format!("{RBAC}/v1"), "kind": "ClusterRole", "rules": rules});
                self.apply(&Api::<ClusterRole>::all(self.client()), &bound, role)
                    .await;
                &bound
            }
        };
        let binding = json!({
            "apiVersion": format!("{RBAC}/v1"),
            "kind": "ClusterRoleBinding",
            "roleRef": {"apiGroup": RBAC, "kind": "ClusterRole", "name": role},
            "subjects": [{"kind": "ServiceAccount", "namespace": namespace, "name": name}],
        });
        self.apply(
            &Api::<ClusterRoleBinding>::all(self.client()),
            &bound,
            binding,
        )
        .await;
        let token = self.token(&accounts, name).await;
        let config = kubeconfig(self.port, &token);
        fs::write(
            self.service_account_kubeconfig(namespace, name),
            config.to_string(),
        )
        .unwrap_or_else(|error| panic!("cannot write the kubeconfig of {bound}: {error}"));
        let role = Api::<ClusterRole>::all(self.client())
            .get(role)
            .await
            .unwrap_or_else(|error| panic!("{role}: {error}"));
        if let Some(right) = role.rules.iter().flatten().find_map(any_right) {
            // who decides hears of a binding a little later
            let what = format!("{bound} has the rights of its role");
            poll(&what, TIMEOUT, || self.may(&bound, &right)).await;
        }
        self.client_with(&token)
    }

    /// Whether a service account, `namespace:name`, may do something.
    async fn may(&self, account: &str, right: &ResourceAttributes) -> Result<(), String> {
        let review = SubjectAccessReview {
            spec: SubjectAccessReviewSpec {
                user: Some(format!("system:serviceaccount:{account}")),
                resource_attributes: Some(right.clone()),
                ..SubjectAccessReviewSpec::default()
            },
            ..SubjectAccessReview::default()
        };
        let reviews: Api<SubjectAccessReview> = Api::all(self.client());
        let answer = reviews
            .create(&PostParams::default(), &review)
            .await
            .map_err(|error| error.to_string())?;
        match answer.status {
            Some(status) if status.allowed => Ok(()),
            status => Err(format!("{status:?}")),
        }
    }

    /// The kubeconfig of a `ServiceAccount` that [`service_account`](Self::service_account) made, for a process to be started.
    pub fn service_account_kubeconfig(&self, namespace: &str, name: &str) -> PathBuf {
        self.keeper
            .dir()
            .join(format!("{namespace}_{name}.kubeconfig"))
    }

    /// The mutating requests that a `ServiceAccount` has made until now, in their order, the refused ones too: each is
    /// `patch deployments 200` or `patch deployments/status 200`.
    pub fn audit(&self, namespace: &str, service_account: &str) -> Vec<String> {
        self.requests(namespace, service_account)
            .iter()
            .map(summary)
            .collect()
    }

    fn requests(&self, namespace: &str, service_account: &str) -> Vec<Value> {
        let user = format!("system:serviceaccount:{namespace}:{service_account}");
        let log = fs::read_to_string(self.keeper.dir().join("audit.log")).unwrap_or_default();
        // a last line may be half written: its request is not answered yet
        let requests = log
            .lines()
            .filter_map(|line| serde_json::from_str::<Value>(line).ok());
        requests
            .filter(|request| request["user"]["username"] == *user)
            .collect()
    }

    /// As [`audit`](Self::audit), of requests about objects in one namespace only: tests that share a `ServiceAccount` distinguish
    /// theirs apart by it. The object's name is appended: `patch deployments 200 a`.
    pub fn audit_in(&self, objects: &str, namespace: &str, service_account: &str) -> Vec<String> {
        let about = |request: &Value| request["objectRef"]["namespace"] == *objects;
        let requests = self
            .requests(namespace, service_account)
            .into_iter()
            .filter(about);
        let name = |request: &Value| {
            request["objectRef"]["name"]
                .as_str()
                .unwrap_or_default()
                .to_owned()
        };
        requests
            .map(|request| {
                format!("{} {}", summary(&request), name(&request))
                    .trim_end()
                    .to_owned()
            })
            .collect()
    }

    /// Ends the API server (SIGKILL, an outage); stored objects stay, and so do etcd and the controllers.
    pub async fn stop(&self) {
        self.keeper.end(&self.apiserver(), "KILL").await;
    }

    /// Freezes the API server (SIGSTOP): connections are accepted by the system, nothing is ever answered.
    pub fn pause(&self) {
        self.keeper.freeze(&self.apiserver());
    }

    /// Ends a [`pause`](Self::pause).
    pub fn resume(&self) {
        self.keeper.signal(&self.apiserver(), "CONT");
    }

    /// Ends the API server if it runs, starts it again and waits until it answers; clients stay valid.
    pub async fn restart(&self) {
        self.stop().await;
        let apiserver = start_apiserver(&self.keeper, &self.etcd_url, self.port, self.controllers);
        *self
            .apiserver
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = apiserver;
        self.answers().await;
    }

    async fn answers(&self) {
        poll("kube-apiserver is ready", START_TIMEOUT, || async {
            for server in [&self.etcd, &self.apiserver()] {
                assert!(
                    server.runs(),
                    "etcd or kube-apiserver has ended by itself:\n{}",
                    server.last_words()
                );
            }
            self.get("/readyz").await?;
            self.get("/api/v1/namespaces/default").await
        })
        .await;
    }

    fn start_controllers(&self) -> Process {
        let dir = self.keeper.dir();
        let args = [
            ("kubeconfig", self.kubeconfig.display().to_string()),
            ("leader-elect", "false".to_owned()),
            ("bind-address", "127.0.0.1".to_owned()),
            ("secure-port", free_port().to_string()),
            ("cert-dir", path(dir, "controller-certs")),
            ("use-service-account-credentials", "true".to_owned()),
            ("service-account-private-key-file", path(dir, "sa.key")),
            ("root-ca-file", path(dir, "certs/apiserver.crt")),
            ("flex-volume-plugin-dir", path(dir, "volume-plugins")),
        ];
        let program = cache::kubernetes("kube-controller-manager");
        self.keeper.spawn(
            "kube-controller-manager",
            &GO_MEMORY,
            &program,
            &flags(args),
        )
    }

    fn apiserver(&self) -> Process {
        self.apiserver
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn client_with(&self, token: &str) -> Client {
        let url = local("https", self.port)
            .parse()
            .expect("the URL should be one");
        let mut config = Config::new(url);
        config.accept_invalid_certs = true;
        config.auth_info.token = Some(token.to_owned().into());
        Client::try_from(config)
            .unwrap_or_else(|error| panic!("no client for kube-apiserver: {error}"))
    }

    async fn get(&self, path: &str) -> Result<String, kube::Error> {
        let request = http::Request::get(path)
            .body(Vec::new())
            .map_err(kube::Error::HttpError)?;
        self.client().request_text(request).await
    }

    async fn token(&self, accounts: &Api<ServiceAccount>, name: &str) -> String {
        let request: TokenRequest =
            serde_json::from_value(json!({"spec": {"audiences": [], "expirationSeconds": 86_400}}))
                .expect("the request should be one");
        let answer = accounts
            .create_token_request(name, &PostParams::default(), &request)
            .await;
        let answer =
            answer.unwrap_or_else(|error| panic!("no token for ServiceAccount {name}: {error}"));
        answer
            .status
            .and_then(|status| status.token)
            .expect("a request that is answered should have its token")
    }

    async fn apply<K>(&self, api: &Api<K>, name: &str, mut object: Value)
    where
        K: Clone + DeserializeOwned + Serialize + std::fmt::Debug,
    {
        object["metadata"]["name"] = name.into();
        let manager = PatchParams::apply("testbed").force();
        let applied = api.patch(name, &manager, &Patch::Apply(&object)).await;
        applied.unwrap_or_else(|error| {
            panic!("the API server refuses {} {name}: {error}", object["kind"])
        });
    }
}
