//! Settings of an installation beyond the operator's flags: the policy that bounds practices, and how pods are placed and sized.
//! The types of a YAML file (the chart's `ConfigMap`); an unknown name in it is an error.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{
    Affinity, LocalObjectReference, ResourceRequirements, Toleration,
};
use serde::Deserialize;
use thiserror::Error;

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
    pub topic_prefixes: Vec<Prefix>,
    /// Every group id begins with one of these.
    pub group_prefixes: Vec<Prefix>,
    /// Partitions of all topics of all practices of the namespace.
    pub max_partitions: Option<i64>,
    /// Consumers of all groups of all practices of the namespace; a row whose `replicas` is not set counts as one.
    pub max_replicas: Option<i64>,
}

/// What a name begins with; `{namespace}` in it stands for the namespace of the practice.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Prefix(String);

/// The only text in braces that a prefix may have.
const NAMESPACE: &str = "{namespace}";

impl Prefix {
    /// The prefix in a namespace: `team-a.` for `{namespace}.`.
    pub fn in_namespace(&self, namespace: &str) -> String {
        self.0.replace(NAMESPACE, namespace)
    }
}

/// Braces in a prefix that are not those of `{namespace}`.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error(
    "prefix {0} has a brace that is not part of {NAMESPACE}: remove it, or write {NAMESPACE}, which stands for the namespace of the practice"
)]
pub struct UnknownPlaceholder(String);

impl TryFrom<String> for Prefix {
    type Error = UnknownPlaceholder;

    fn try_from(prefix: String) -> Result<Self, Self::Error> {
        if prefix.replace(NAMESPACE, "").contains(['{', '}']) {
            return Err(UnknownPlaceholder(prefix));
        }
        Ok(Self(prefix))
    }
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

    #[test]
    fn the_namespace_is_the_only_placeholder_of_a_prefix() {
        for (prefix, in_team_a) in [
            ("lab-", Some("lab-")),
            ("{namespace}.", Some("team-a.")),
            ("lab.{namespace}.{namespace}_", Some("lab.team-a.team-a_")),
            ("{team}.", None),
            ("{Namespace}.", None),
            ("{{namespace}}.", None),
            ("{namespace.", None),
            ("namespace}.", None),
            ("{}", None),
        ] {
            let read = Prefix::try_from(prefix.to_owned());
            let expected = in_team_a.map(str::to_owned).ok_or(prefix);
            let found = match &read {
                Ok(read) => Ok(read.in_namespace("team-a")),
                Err(UnknownPlaceholder(named)) => Err(named.as_str()),
            };
            assert_eq!(found, expected);
        }
        let text = "policy: {namespaces: {lab: {groupPrefixes: [a-, '{team}.']}}}";
        let error = serde_yaml::from_str::<Config>(text).expect_err("another placeholder");
        let error = error.to_string();
        for part in [
            "policy.namespaces.lab.groupPrefixes",
            "{team}.",
            "write {namespace}",
        ] {
            assert!(error.contains(part), "no {part}: {error}");
        }
    }
}
