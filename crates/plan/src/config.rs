//! Settings of an installation beyond the operator's flags: the policy that bounds practices, and how pods are placed and sized.
//! The types of a YAML file (the chart's `ConfigMap`); an unknown name in it is an error.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{
    Affinity, LocalObjectReference, ResourceRequirements, Toleration,
};
use serde::Deserialize;

/// The configuration file.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Config {
    /// Limits of practices.
    pub policy: Policy,
    /// Pods of consumers.
    pub worker: Pods,
    /// Pods of producers.
    pub producer: Pods,
}

/// Limits of practices by namespace. Empty: everything is allowed.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Policy {
    /// For namespaces that `namespaces` does not name.
    pub default: Bounds,
    /// By namespace; an entry replaces the default as a whole.
    pub namespaces: BTreeMap<String, Bounds>,
    /// Pairs of a group and a partition that the operator monitors, of all practices; [`pairs::MOST`](crate::pairs::MOST) where it
    /// is absent.
    pub max_pairs: Option<i64>,
}

impl Policy {
    /// The bounds of a namespace.
    pub fn bounds(&self, namespace: &str) -> &Bounds {
        self.namespaces.get(namespace).unwrap_or(&self.default)
    }
}

/// Limits of the practices of one namespace. An empty list or an absent number allows everything.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Bounds {
    /// `host:port`; the operator's own default is always allowed.
    pub allowed_bootstrap_servers: Vec<String>,
    /// Every topic begins with one of these.
    pub topic_prefixes: Vec<String>,
    /// Every group id begins with one of these.
    pub group_prefixes: Vec<String>,
    /// Partitions of all topics of all practices of the namespace.
    pub max_partitions: Option<i64>,
    /// Consumers of all groups of all practices of the namespace; a row whose `replicas` is not set counts as one.
    pub max_replicas: Option<i64>,
}

/// How the pods of one component are placed and sized, in Kubernetes' own types.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Pods {
    /// Secrets to pull the image with.
    pub image_pull_secrets: Vec<LocalObjectReference>,
    /// Instead of the built-in ones.
    pub resources: Option<ResourceRequirements>,
    /// Labels of nodes.
    pub node_selector: BTreeMap<String, String>,
    /// Tolerated taints.
    pub tolerations: Vec<Toleration>,
    /// Affinity.
    pub affinity: Option<Affinity>,
    /// Priority class.
    pub priority_class_name: Option<String>,
    /// Further labels; those of a practice cannot be replaced.
    pub labels: BTreeMap<String, String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_name_is_an_error() {
        let error = serde_yaml::from_str::<Config>("policy: {default: {topicPrefix: [a]}}")
            .expect_err("unknown");
        assert!(error.to_string().contains("topicPrefix"), "{error}");
        assert_eq!(
            serde_yaml::from_str::<Config>("{}").expect("empty"),
            Config::default()
        );
    }
}
