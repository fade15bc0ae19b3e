//! What a test sees: a namespace of its own, practices to apply there, and everything that can be read about them. Every
//! wait has a deadline and fails with what was seen last.

use std::{collections::HashSet, convert::Infallible, fmt::Debug, time::Duration};

use k8s_openapi::{
    api::{
        apps::v1::Deployment, core::v1::Service, events::v1::Event, policy::v1::PodDisruptionBudget,
    },
    apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition,
    apimachinery::pkg::apis::meta::v1::ManagedFieldsEntry,
};
use kube::{
    Api, Client, ResourceExt,
    api::{DeleteParams, ListParams, Patch, PatchParams},
    core::NamespaceResourceScope,
};
use practice_api::{ConsumerGroupPractice, PracticeStatus, status::GroupStatus};
use practice_testbed::{Cluster, Kafka, cluster, kafka};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use crate::{
    operator::{Account, operator},
    pods::Pods,
};

/// The longest that anything may take on a busy machine.
const LONG: Duration = Duration::from_mins(1);

pub(crate) struct Scene {
    pub(crate) namespace: String,
    pub(crate) client: Client,
    pub(crate) kafka: &'static Kafka,
    /// `None`: in a cluster of the test's own.
    operator: Option<&'static Account>,
}

impl Scene {
    /// In the shared cluster.
    pub(crate) async fn new(prefix: &str) -> Self {
        let operator = operator().await;
        Self {
            operator: Some(operator),
            ..Self::of(cluster().await, prefix).await
        }
    }

    /// In a cluster of its own, whose operator the test has started.
    pub(crate) async fn of(cluster: &Cluster, prefix: &str) -> Self {
        let namespace = cluster.namespace(prefix).await;
        Self {
            namespace,
            client: cluster.client(),
            kafka: kafka().await,
            operator: None,
        }
    }

    /// A name in Kafka that no other test has.
    pub(crate) fn name(&self, what: &str) -> String {
        format!("{}-{what}", self.namespace)
    }

    pub(crate) fn api<K>(&self) -> Api<K>
    where
        K: kube::Resource<DynamicType = (), Scope = NamespaceResourceScope>,
    {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    /// From now on the consumers of the Deployments in this namespace run.
    pub(crate) fn run_pods(&self) -> Pods {
        Pods::run(&self.namespace)
    }

    /// Applies a practice, as `kubectl apply --server-side` does.
    pub(crate) async fn apply(&self, name: &str, spec: &Value) {
        let body = json!({
            "apiVersion": "kafka-practice.dev/v1alpha1", "kind": "ConsumerGroupPractice",
            "metadata": {"name": name}, "spec": spec,
        });
        let params = PatchParams::apply("tests").force();
        let applied = self
            .api::<ConsumerGroupPractice>()
            .patch(name, &params, &Patch::Apply(&body))
            .await;
        applied.unwrap_or_else(|error| panic!("practice {name} is refused: {error}"));
    }

    pub(crate) async fn delete(&self, name: &str) {
        let deleted = self
            .api::<ConsumerGroupPractice>()
            .delete(name, &DeleteParams::default())
            .await;
        deleted.unwrap_or_else(|error| panic!("practice {name} cannot be deleted: {error}"));
    }

    /// Waits until a practice is gone.
    pub(crate) async fn gone(&self, name: &str) {
        self.until(&format!("practice {name} is gone"), async || {
            match self.api::<ConsumerGroupPractice>().get_opt(name).await {
                Ok(None) => Ok(()),
                Ok(Some(there)) => Err(format!("finalizers {:?}", there.metadata.finalizers)),
                Err(error) => Err(error.to_string()),
            }
        })
        .await;
    }

    /// What the garbage collector does, which is not there: removes what practices that are gone have left, as long as it is
    /// polled (a reconcile that was under way when one went may still create some).
    pub(crate) async fn collect_garbage(&self) -> Infallible {
        loop {
            self.collect::<Deployment>().await;
            self.collect::<PodDisruptionBudget>().await;
            self.collect::<Service>().await;
            sleep(Duration::from_millis(200)).await;
        }
    }

    async fn collect<K>(&self)
    where
        K: kube::Resource<DynamicType = (), Scope = NamespaceResourceScope>
            + Clone
            + Debug
            + DeserializeOwned,
    {
        let all = ListParams::default();
        let objects = self.api::<K>().list(&all).await.expect("can be listed");
        // later, so that the owner of each object that is not among them is gone
        let practices = self.api::<ConsumerGroupPractice>().list(&all).await;
        let practices = practices.expect("can be listed");
        let uids: HashSet<_> = practices.iter().filter_map(ResourceExt::uid).collect();
        for object in objects {
            let owners = object.owner_references();
            if owners.iter().any(|owner| !uids.contains(&owner.uid)) {
                let name = object.name_any();
                let now = DeleteParams::default();
                self.api::<K>().delete(&name, &now).await.ok(); // it may be gone
            }
        }
    }

    pub(crate) async fn practice(&self, name: &str) -> Result<ConsumerGroupPractice, String> {
        self.api()
            .get(name)
            .await
            .map_err(|error| error.to_string())
    }

    /// Polls until `look` finds what it looks for.
    pub(crate) async fn until<T>(
        &self,
        what: &str,
        look: impl AsyncFnMut() -> Result<T, String>,
    ) -> T {
        self.within(LONG, what, look).await
    }

    async fn within<T>(
        &self,
        limit: Duration,
        what: &str,
        mut look: impl AsyncFnMut() -> Result<T, String>,
    ) -> T {
        let begun = Instant::now();
        loop {
            match look().await {
                Ok(found) => return found,
                Err(seen) if begun.elapsed() < limit => drop(seen),
                Err(seen) => panic!(
                    "{what}: not within {limit:?}; {seen}\nevents: {:#?}",
                    self.events().await
                ),
            }
            sleep(Duration::from_millis(100)).await;
        }
    }

    /// Waits until status of the present generation satisfies `holds`.
    pub(crate) async fn status(
        &self,
        name: &str,
        what: &str,
        holds: impl Fn(&PracticeStatus) -> bool,
    ) -> PracticeStatus {
        self.status_within(LONG, name, what, holds).await
    }

    /// The same, of what may take longer.
    pub(crate) async fn status_within(
        &self,
        limit: Duration,
        name: &str,
        what: &str,
        holds: impl Fn(&PracticeStatus) -> bool,
    ) -> PracticeStatus {
        self.within(limit, what, async || {
            let practice = self.practice(name).await?;
            match practice.status {
                Some(status)
                    if status.observed_generation == practice.metadata.generation
                        && holds(&status) =>
                {
                    Ok(status)
                }
                status => Err(format!("status of {name} is {}", json!(status))),
            }
        })
        .await
    }

    /// Waits for a condition: `Ready=True`, or with its reason, `Ready=False/NameConflict`. Returns its message.
    pub(crate) async fn condition(&self, name: &str, expected: &str) -> String {
        let (kind, value) = expected.split_once('=').expect("is Type=Status[/Reason]");
        let found = |status: &PracticeStatus| {
            let condition = status
                .conditions
                .iter()
                .find(|condition| condition.type_ == kind)?;
            let full = format!("{}/{}", condition.status, condition.reason);
            (value == condition.status || value == full).then(|| condition.message.clone())
        };
        let status = self
            .status(name, expected, |status| found(status).is_some())
            .await;
        found(&status).expect("it was found")
    }

    pub(crate) async fn ready(&self, name: &str) -> PracticeStatus {
        self.ready_within(LONG, name).await
    }

    /// The same, of a practice that may take longer.
    pub(crate) async fn ready_within(&self, limit: Duration, name: &str) -> PracticeStatus {
        self.status_within(limit, name, "Ready=True", |status| {
            let ready = status.condition("Ready");
            ready.is_some_and(|ready| ready.status == "True")
        })
        .await
    }

    pub(crate) async fn deployment(&self, name: &str) -> Deployment {
        self.until(&format!("Deployment {name}"), async || self.get(name).await)
            .await
    }

    pub(crate) async fn get<K>(&self, name: &str) -> Result<K, String>
    where
        K: kube::Resource<DynamicType = (), Scope = NamespaceResourceScope>
            + Clone
            + Debug
            + DeserializeOwned,
    {
        self.api::<K>()
            .get(name)
            .await
            .map_err(|error| error.to_string())
    }

    /// Names of all objects of a kind in the namespace.
    pub(crate) async fn names<K>(&self) -> Vec<String>
    where
        K: kube::Resource<DynamicType = (), Scope = NamespaceResourceScope>
            + Clone
            + Debug
            + DeserializeOwned,
    {
        let list = self
            .api::<K>()
            .list(&ListParams::default())
            .await
            .expect("can be listed");
        list.items.iter().map(ResourceExt::name_any).collect()
    }

    /// `spec.replicas` of a Deployment.
    pub(crate) async fn replicas(&self, deployment: &str) -> i32 {
        self.deployment(deployment)
            .await
            .spec
            .replicas
            .expect("is always set")
    }

    pub(crate) async fn has_replicas(&self, deployment: &str, expected: i32) {
        self.until(
            &format!("{deployment} has {expected} replicas"),
            async || {
                let replicas = self.replicas(deployment).await;
                if replicas == expected {
                    Ok(())
                } else {
                    Err(format!("it has {replicas}"))
                }
            },
        )
        .await;
    }

    /// Merges a patch into a Deployment, as somebody called `manager`.
    pub(crate) async fn patch(&self, deployment: &str, manager: &str, patch: &Value) {
        let params = PatchParams {
            field_manager: Some(manager.to_owned()),
            ..PatchParams::default()
        };
        let patched = self
            .api::<Deployment>()
            .patch(deployment, &params, &Patch::Strategic(patch))
            .await;
        patched
            .unwrap_or_else(|error| panic!("Deployment {deployment} cannot be patched: {error}"));
    }

    /// Scales a Deployment by its subresource `scale`, as this field manager.
    pub(crate) async fn scale(&self, deployment: &str, manager: &str, replicas: i32) {
        let params = PatchParams {
            field_manager: Some(manager.to_owned()),
            ..PatchParams::default()
        };
        let patch = Patch::Merge(json!({"spec": {"replicas": replicas}}));
        self.api::<Deployment>()
            .patch_scale(deployment, &params, &patch)
            .await
            .expect("may be scaled");
    }

    /// `Reason: note` of every event in the namespace.
    pub(crate) async fn events(&self) -> Vec<String> {
        let events = self
            .api::<Event>()
            .list(&ListParams::default())
            .await
            .expect("can be listed")
            .items;
        let text = |event: Event| {
            format!(
                "{}: {}",
                event.reason.unwrap_or_default(),
                event.note.unwrap_or_default()
            )
        };
        events.into_iter().map(text).collect()
    }

    /// Waits for an event that begins with `Reason: ` and contains `text`. A second one of this reason comes a minute later.
    pub(crate) async fn event(&self, reason: &str, text: &str) {
        let limit = 2 * LONG;
        self.within(limit, &format!("event {reason}"), async || {
            let events = self.events().await;
            let there = events
                .iter()
                .any(|event| event.starts_with(&format!("{reason}: ")) && event.contains(text));
            if there {
                Ok(())
            } else {
                Err(format!("no event {reason} says `{text}`"))
            }
        })
        .await;
    }

    /// Where the shared operator serves the picture of a practice.
    pub(crate) fn picture(&self, practice: &str) -> String {
        let address = self
            .operator
            .expect("the shared operator's is known")
            .picture;
        format!(
            "http://{address}/api/practices/{}/{practice}",
            self.namespace
        )
    }

    /// The operator's mutating requests about objects of this namespace.
    pub(crate) async fn writes(&self) -> Vec<String> {
        self.operator
            .expect("the shared operator's are known")
            .writes(&self.namespace)
            .await
    }

    /// Waits until the operator has written nothing here for 3 s.
    pub(crate) async fn quiet(&self) {
        self.quiet_for(Duration::from_secs(3)).await;
    }

    /// Waits until the operator has written nothing here for so long. Events of one kind are a minute apart: with many practices
    /// those that waited may be written all through the next minute.
    pub(crate) async fn quiet_for(&self, pause: Duration) {
        let mut before = usize::MAX;
        self.within(3 * LONG, "the operator has nothing to write", async || {
            let writes = self.writes().await;
            if writes.len() == before {
                return Ok(());
            }
            before = writes.len();
            sleep(pause).await;
            Err(format!("last: {:?}", &writes[before.saturating_sub(5)..]))
        })
        .await;
    }
}

/// A group's status.
pub(crate) fn group<'a>(status: &'a PracticeStatus, name: &str) -> &'a GroupStatus {
    status
        .groups
        .iter()
        .find(|group| group.name == name)
        .unwrap_or_else(|| panic!("no group {name} in status"))
}

/// Field managers of a Deployment's replicas.
pub(crate) fn owners_of_replicas(deployment: &Deployment) -> Vec<String> {
    let says_replicas = |entry: &&ManagedFieldsEntry| {
        entry
            .fields_v1
            .as_ref()
            .is_some_and(|fields| !fields.0["f:spec"]["f:replicas"].is_null())
    };
    let owners = deployment.managed_fields().iter().filter(says_replicas);
    owners.filter_map(|entry| entry.manager.clone()).collect()
}

/// The definition without a schema or rules.
pub(crate) fn looser_crd() -> String {
    let mut crd: CustomResourceDefinition =
        serde_yaml::from_str(&practice_api::crd_yaml()).expect("the definition is one");
    for version in &mut crd.spec.versions {
        let anything = json!({"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}});
        version.schema = serde_json::from_value(anything).expect("a schema");
    }
    serde_yaml::to_string(&crd).expect("it is YAML")
}
