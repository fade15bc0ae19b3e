//! In: a practice's namespace. Out: its objects and pods in Kubernetes, and queries of later steps. Reads only; deliberately without
//! a cache: decisions need the current number of replicas.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::{api::core::v1::Pod, apimachinery::pkg::apis::meta::v1::ManagedFieldsEntry};
use kube::{
    Api, Client, ResourceExt,
    api::{ApiResource, DynamicObject, ListParams},
    core::PartialObjectMeta,
};
use practice_api::ConsumerGroupPractice;
use practice_contract::worker::servers_of;
use practice_plan::{
    labels::{
        CLAIM_GROUPS, GROUP, HOLD, PRACTICE, PROTOCOL_KEY, REPLICAS_BEFORE, UNCLAIMED, VARIANT,
        is_held,
    },
    outcome::Kind,
    plan::{GroupPlan, Plan},
};
use serde_json::Value;

use crate::{
    apply::MANAGER,
    error::{Error, within},
    objects::LiveRow,
};

/// What exists of a practice.
#[derive(Debug, Default)]
pub struct Live {
    /// Objects that carry the practice's label, whoever owns them.
    pub objects: Vec<(Kind, DynamicObject)>,
    /// Its pods.
    pub pods: Vec<LivePod>,
    /// Group ids that annotation [`CLAIM_GROUPS`] of the practice names.
    pub claim_groups: BTreeSet<String>,
}

/// One pod.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LivePod {
    /// Its name, which is its consumer's `client.id`.
    pub name: String,
    /// Protocol and assignor of its consumer; `None`: a producer.
    pub protocol_key: Option<String>,
    /// The exact group id; `None`: a producer.
    pub group: Option<String>,
    /// The variant of its group; empty: a plain member, or a producer.
    pub variant: String,
    /// Its consumer does not join the group.
    pub held: bool,
}

/// All kinds, in the order in which they are applied.
pub(crate) const KINDS: [Kind; 3] = [Kind::Service, Kind::PodDisruptionBudget, Kind::Deployment];

/// The resource of a kind.
pub(crate) fn resource(kind: Kind) -> ApiResource {
    match kind {
        Kind::Deployment => ApiResource::erase::<k8s_openapi::api::apps::v1::Deployment>(&()),
        Kind::Service => ApiResource::erase::<k8s_openapi::api::core::v1::Service>(&()),
        Kind::PodDisruptionBudget => {
            ApiResource::erase::<k8s_openapi::api::policy::v1::PodDisruptionBudget>(&())
        }
    }
}

/// The API of a kind in a namespace.
pub(crate) fn api(client: &Client, namespace: &str, kind: Kind) -> Api<DynamicObject> {
    Api::namespaced_with(client.clone(), namespace, &resource(kind))
}

/// Reads what exists of a practice: four lists, by label.
pub(crate) async fn live(client: &Client, plan: &Plan) -> Result<Live, Error> {
    let params = ListParams::default().labels(&format!("{PRACTICE}={}", plan.name));
    let lists = KINDS.map(|kind| {
        let (api, params) = (api(client, &plan.namespace, kind), params.clone());
        async move {
            let list = within(format!("list {kind:?}s"), api.list(&params)).await?;
            Ok(list
                .items
                .into_iter()
                .map(|object| (kind, object))
                .collect::<Vec<_>>())
        }
    });
    let pods: Api<Pod> = Api::namespaced(client.clone(), &plan.namespace);
    // an evicted pod object remains for a long time without a member of a group
    let running = params
        .clone()
        .fields("status.phase!=Failed,status.phase!=Succeeded");
    let (objects, pods) = tokio::try_join!(
        futures::future::try_join_all(lists),
        within("list pods", pods.list_metadata(&running))
    )
    .map_err(Error::Apply)?;
    Ok(Live {
        objects: objects.into_iter().flatten().collect(),
        pods: pods.items.iter().map(pod).collect(),
        claim_groups: BTreeSet::new(),
    })
}

fn pod(pod: &PartialObjectMeta<Pod>) -> LivePod {
    let annotation = |name: &str| pod.annotations().get(name).cloned();
    LivePod {
        name: pod.name_any(),
        protocol_key: annotation(PROTOCOL_KEY),
        group: annotation(GROUP),
        variant: pod.labels().get(VARIANT).cloned().unwrap_or_default(),
        held: is_held(annotation(HOLD).as_deref()),
    }
}

impl Live {
    /// Replicas of the practice's existing Deployments of consumers, by name.
    pub fn rows(&self, plan: &Plan) -> BTreeMap<String, LiveRow> {
        self.objects
            .iter()
            .filter(|(kind, object)| {
                *kind == Kind::Deployment
                    && object.labels().contains_key(VARIANT)
                    && owner(object).uid == plan.uid
            })
            .map(|(_, object)| {
                let row = LiveRow {
                    replicas: replicas(object),
                    ours: owns_replicas(object),
                    before: object
                        .annotations()
                        .get(REPLICAS_BEFORE)
                        .and_then(|before| before.parse().ok()),
                };
                (object.name_any(), row)
            })
            .collect()
    }

    /// Adds the group ids of the practice's annotation [`CLAIM_GROUPS`].
    #[must_use]
    pub fn with_claims_of(mut self, practice: &ConsumerGroupPractice) -> Self {
        let named = practice.annotations().get(CLAIM_GROUPS);
        let ids = named.into_iter().flat_map(|ids| ids.split(','));
        self.claim_groups = ids
            .map(|id| id.trim().to_owned())
            .filter(|id| !id.is_empty())
            .collect();
        self
    }

    /// Whether a Deployment shows that the practice has owned a group id on the plan's Kafka: one of its own, with exactly this id,
    /// whose consumers use this Kafka, and that was not held because the id is not claimed. `is_ours`: whether an address is this
    /// Kafka's.
    pub fn shows_claim(&self, plan: &Plan, group: &str, is_ours: impl Fn(&str) -> bool) -> bool {
        self.objects.iter().any(|(kind, object)| {
            *kind == Kind::Deployment
                && object.labels().contains_key(VARIANT)
                && !plan.uid.is_empty()
                && owner(object).uid == plan.uid
                && object.annotations().get(GROUP).map(String::as_str) == Some(group)
                && !object.annotations().contains_key(UNCLAIMED)
                && servers(object).is_some_and(&is_ours)
        })
    }

    /// Whether a group has no pods, and no Deployment with replicas.
    pub fn is_at_rest(&self, plan: &Plan, group: &GroupPlan) -> bool {
        let live = self.rows(plan);
        let mut rows = group
            .rows
            .iter()
            .filter_map(|row| live.get(&row.deployment));
        let mut pods = self.pods.iter();
        rows.all(|row| row.replicas == 0) && !pods.any(|pod| pod.group.as_ref() == Some(&group.id))
    }

    /// Whether `client_id` is one of the practice's pods.
    pub fn is_pod(&self, client_id: &str) -> bool {
        self.pods.iter().any(|pod| pod.name == client_id)
    }
}

impl Owner {
    /// Whether it is a previous practice with this name.
    pub(crate) fn is_former(&self, plan: &Plan) -> bool {
        self.kind == "ConsumerGroupPractice" && self.name == plan.name && self.uid != plan.uid
    }
}

/// The bootstrap servers of a Deployment's consumers.
fn servers(deployment: &DynamicObject) -> Option<&str> {
    let containers = deployment.data["spec"]["template"]["spec"]["containers"].as_array()?;
    let variables = containers
        .iter()
        .filter_map(|container| container["env"].as_array())
        .flatten();
    servers_of(
        variables.filter_map(|entry| Some((entry["name"].as_str()?, entry["value"].as_str()?))),
    )
}

/// `spec.replicas` of a Deployment.
pub(crate) fn replicas(object: &DynamicObject) -> i32 {
    number(&object.data["spec"]["replicas"])
}

pub(crate) fn number(value: &Value) -> i32 {
    value
        .as_i64()
        .and_then(|number| i32::try_from(number).ok())
        .unwrap_or_default()
}

/// Whether the operator's field manager owns `spec.replicas`.
pub(crate) fn owns_replicas(object: &DynamicObject) -> bool {
    let ours = |entry: &&ManagedFieldsEntry| entry.manager.as_deref() == Some(MANAGER);
    object
        .managed_fields()
        .iter()
        .filter(ours)
        .any(|entry| owns(entry, "f:replicas"))
}

/// Whether a field manager owns a field of `spec`.
pub(crate) fn owns(entry: &ManagedFieldsEntry, field: &str) -> bool {
    entry
        .fields_v1
        .as_ref()
        .is_some_and(|fields| !fields.0["f:spec"][field].is_null())
}

/// The controller of an object; empty strings: it has none.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Owner {
    pub(crate) kind: String,
    pub(crate) name: String,
    pub(crate) uid: String,
}

pub(crate) fn owner(object: &impl ResourceExt) -> Owner {
    object
        .owner_references()
        .iter()
        .find(|reference| reference.controller == Some(true))
        .map(|reference| Owner {
            kind: reference.kind.clone(),
            name: reference.name.clone(),
            uid: reference.uid.clone(),
        })
        .unwrap_or_default()
}
