//! In: a practice from the API server, and the operator's defaults. Out: a plan in which every value is legal and every name is
//! final, or the fault of the spec. Later steps do not check again. Deliberately absent: I/O, a clock, the state of the cluster.

mod group;

use std::net::SocketAddr;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{Resource, ResourceExt};
use practice_api::{
    ConsumerGroupPractice, DeletionPolicy, Keys, PracticeSpec, PracticeStatus, Topic,
    validate::cel_faults,
};
use practice_contract::{
    PROBE_PORT, PRODUCER_PORT, ProducerSettings, parse_servers, producer::Load,
};
use thiserror::Error;

use self::group::{deployment_names, group_plan};
use crate::{
    config::{Config, Pods},
    topics,
};

pub use group::{GroupPlan, RowPlan};

/// Settings that the operator was started with.
#[derive(Debug, Clone, Default)]
pub struct Defaults {
    /// The Kafka of practices without `spec.kafka`.
    pub bootstrap_servers: Option<String>,
    /// Image of every worker.
    pub worker_image: String,
    /// Image of every producer.
    pub producer_image: String,
    /// Policy, and how pods are placed and sized.
    pub config: Config,
    /// The only namespace to watch; `None`: all.
    pub watch_namespace: Option<String>,
}

/// The desired state of one practice.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// Namespace of the practice and of every object of it.
    pub namespace: String,
    /// Name of the practice.
    pub name: String,
    /// Its uid: an object whose owner has another uid does not belong to this practice.
    pub uid: String,
    /// The generation planned for.
    pub generation: Option<i64>,
    /// `host:port[,host:port...]`.
    pub bootstrap: String,
    /// Topics, in the manifest's order.
    pub topics: Vec<Topic>,
    /// Groups, in the manifest's order.
    pub groups: Vec<GroupPlan>,
    /// The producer, if enabled.
    pub producer: Option<ProducerPlan>,
}

impl Plan {
    /// The same plan with other bootstrap servers, `host:port[,host:port...]`.
    pub(crate) fn on(&self, bootstrap: &str) -> Self {
        let mut plan = Self {
            bootstrap: bootstrap.to_owned(),
            ..self.clone()
        };
        for row in plan.groups.iter_mut().flat_map(|group| &mut group.rows) {
            bootstrap.clone_into(&mut row.settings.servers);
        }
        if let Some(producer) = &mut plan.producer {
            bootstrap.clone_into(&mut producer.settings.servers);
        }
        plan
    }
}

/// The producer's Deployment and Service.
#[derive(Debug, Clone, PartialEq)]
pub struct ProducerPlan {
    /// Name of both.
    pub name: String,
    /// Its settings.
    pub settings: ProducerSettings,
    /// Image of its pod.
    pub image: String,
    /// How its pod is placed and sized.
    pub pods: Pods,
}

/// A spec that cannot be planned. It is reported in status and changes nothing.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum SpecFault {
    /// Neither the practice nor the operator sets bootstrap servers.
    #[error(
        "spec.kafka.bootstrapServers is not set and the operator has no default: set it, or install the chart with kafka.bootstrapServers"
    )]
    NoKafka,
    /// A value that the API server rejects today (the object is older than the rule).
    #[error("{0}")]
    Illegal(String),
    /// The practice breaks a rule of the operator's policy.
    #[error("{0}")]
    Policy(String),
    /// The operator has no room for the practice.
    #[error("{0}")]
    TooLarge(String),
}

impl SpecFault {
    const REASONS: [&str; 4] = ["NoKafka", "InvalidSpec", "PolicyViolation", "TooLarge"];

    /// The reason of the conditions `Ready` and `Stalled`.
    pub fn reason(&self) -> &'static str {
        let [no_kafka, illegal, policy, too_large] = Self::REASONS;
        match self {
            Self::NoKafka => no_kafka,
            Self::Illegal(_) => illegal,
            Self::Policy(_) => policy,
            Self::TooLarge(_) => too_large,
        }
    }

    /// The condition that reports such a fault; `None`: the manifest is valid.
    pub fn condition_in(status: &PracticeStatus) -> Option<&Condition> {
        let refused = |stalled: &&Condition| {
            stalled.status == "True" && Self::REASONS.contains(&stalled.reason.as_str())
        };
        status.condition("Stalled").filter(refused)
    }
}

/// Plans a practice.
///
/// # Errors
/// A [`SpecFault`] names the field, its value and the fix.
pub fn plan(practice: &ConsumerGroupPractice, defaults: &Defaults) -> Result<Plan, SpecFault> {
    if let Some(fault) = cel_faults(practice, None).first() {
        return Err(SpecFault::Illegal(fault.to_string()));
    }
    let spec = &practice.spec;
    let (namespace, name) = (
        practice.namespace().unwrap_or_default(),
        practice.name_any(),
    );
    let bootstrap = match (&spec.kafka, &defaults.bootstrap_servers) {
        (Some(kafka), _) => parse_servers(&kafka.bootstrap_servers).map_err(|legal| {
            SpecFault::Illegal(format!(
                "spec.kafka.bootstrapServers is `{}`: {legal}",
                kafka.bootstrap_servers
            ))
        })?,
        (None, Some(default)) => default.clone(),
        (None, None) => return Err(SpecFault::NoKafka),
    };
    let names = deployment_names(&name, spec);
    let groups = spec
        .groups
        .iter()
        .map(|group| group_plan(&namespace, &name, spec, group, &bootstrap, &names, defaults))
        .collect::<Result<_, _>>()?;
    let producer = spec.producer.enabled.then(|| ProducerPlan {
        name: producer_name(&name),
        settings: ProducerSettings {
            servers: bootstrap.clone(),
            topics: spec.topics.iter().map(|topic| topic.name.clone()).collect(),
            max_message_bytes: topics::max_message_bytes(&spec.topics),
            keys_random: spec.producer.keys == Keys::Random,
            listen: SocketAddr::from(([0, 0, 0, 0], PRODUCER_PORT)),
            probes: Some(SocketAddr::from(([0, 0, 0, 0], PROBE_PORT))),
            instance: None,
            load: spec
                .producer
                .load
                .as_ref()
                .filter(|load| load.messages_per_second > 0)
                .map(|load| Load {
                    messages_per_second: load.messages_per_second.unsigned_abs(),
                    value_bytes: load.value_bytes.unsigned_abs(),
                }),
        },
        image: defaults.producer_image.clone(),
        pods: defaults.config.producer.clone(),
    });
    Ok(Plan {
        uid: practice.meta().uid.clone().unwrap_or_default(),
        generation: practice.meta().generation,
        namespace,
        name,
        bootstrap,
        topics: spec.topics.clone(),
        groups,
        producer,
    })
}

/// Topics that are deleted with the practice.
pub fn topics_to_delete(spec: &PracticeSpec) -> impl Iterator<Item = &Topic> {
    spec.topics
        .iter()
        .filter(|topic| topic.managed && topic.deletion_policy == DeletionPolicy::Delete)
}

fn producer_name(practice: &str) -> String {
    format!("{practice}-producer")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::names;

    fn defaults() -> Defaults {
        Defaults {
            bootstrap_servers: Some("k:9092".to_owned()),
            worker_image: "w".to_owned(),
            producer_image: "p".to_owned(),
            ..Defaults::default()
        }
    }

    fn practice(spec: serde_json::Value) -> ConsumerGroupPractice {
        serde_json::from_value(json!({
            "apiVersion": "kafka-practice.dev/v1alpha1", "kind": "ConsumerGroupPractice",
            "metadata": {"name": "p", "namespace": "n", "uid": "u", "generation": 3}, "spec": spec
        }))
        .expect("a practice")
    }

    #[test]
    fn every_row_has_a_name_of_its_own() {
        let plan = plan(
            &practice(json!({"topics": [{"name": "t"}], "groups": [
                {"name": "g", "variants": [{"name": "slow"}]}, {"name": "g-slow"}, {"name": "producer"},
                {"name": "G"}, {"name": "a.b"}, {"name": "a_b"}, {"name": "x".repeat(249)}, {"name": "plain"}]})),
            &defaults(),
        )
        .expect("legal");
        let names: Vec<_> = plan
            .groups
            .iter()
            .flat_map(|g| g.rows.iter().map(|r| r.deployment.as_str()))
            .collect();
        let mut unique = names.clone();
        unique.sort_unstable();
        unique.dedup();
        assert_eq!(unique.len(), 9, "{names:?}");
        assert!(
            names
                .iter()
                .all(|name| names::is_legal(name) && *name != "p-producer"),
            "{names:?}"
        );
        assert!(
            names.contains(&"p-plain") && names.contains(&"p-g"),
            "{names:?}"
        );
        assert!(
            !names.contains(&"p-g-slow"),
            "both rows that would have it are distinct: {names:?}"
        );
    }

    #[test]
    fn variants_take_the_groups_delay_unless_they_have_their_own() {
        let plan = plan(
            &practice(json!({"topics": [{"name": "t"}, {"name": "u"}], "groups": [
                {"name": "g", "replicas": 1, "processingDelay": "1s", "topics": ["u"],
                 "variants": [{"name": "a"}, {"name": "b", "replicas": 2, "processingDelay": "5s"}]}]})),
            &defaults(),
        )
        .expect("legal");
        let group = &plan.groups[0];
        let rows: Vec<_> = group
            .rows
            .iter()
            .map(|r| (r.replicas, r.settings.delay.as_secs()))
            .collect();
        assert_eq!(rows, [(Some(1), 1), (None, 1), (Some(2), 5)]);
        assert_eq!(group.topics, ["u"]);
        assert_eq!(group.protocol_key(), "classic/cooperative-sticky");
        assert_eq!(group.rows[0].settings.owner.as_deref(), Some("n/p"));
        assert_eq!(
            plan.producer.expect("on by default").settings.topics,
            ["t", "u"]
        );
    }

    #[test]
    fn what_cannot_be_planned_says_why() {
        let none = Defaults {
            bootstrap_servers: None,
            ..defaults()
        };
        assert_eq!(
            plan(&practice(json!({"topics": [{"name": "t"}]})), &none),
            Err(SpecFault::NoKafka)
        );
        let odd =
            practice(json!({"topics": [{"name": "t"}], "kafka": {"bootstrapServers": "k:99999"}}));
        let fault = plan(&odd, &defaults())
            .expect_err("no such port")
            .to_string();
        assert!(
            fault.starts_with("spec.kafka.bootstrapServers is `k:99999`"),
            "{fault}"
        );
        let old = practice(
            json!({"topics": [{"name": "t"}], "groups": [{"name": "g", "processingDelay": "10m"}]}),
        );
        let fault = plan(&old, &defaults())
            .expect_err("longer than a poll")
            .to_string();
        assert!(fault.contains("processingDelay must be shorter"), "{fault}");
    }
}
