//! `check`, permissions of the user and of the operator, by access reviews. Kubernetes answers a review without storing it.

use std::collections::BTreeMap;

use futures::{StreamExt, stream};
use k8s_openapi::api::{
    apps::v1::Deployment,
    authorization::v1::{
        ResourceAttributes, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec,
        SubjectAccessReview, SubjectAccessReviewSpec,
    },
};
use kube::{Api, ResourceExt, api::PostParams};
use practice_api::API_GROUP;

use super::watches;
use crate::{cluster::Cluster, report::Report};

/// A permission that the plugin's verbs need: verbs, API group, resource, subresource, Kubernetes' verb.
pub(super) type Right = (
    &'static str,
    &'static str,
    &'static str,
    &'static str,
    &'static str,
);
/// Permissions in the namespace of practices.
pub(super) const PLUGIN_RIGHTS: [Right; 9] = [
    ("all verbs", API_GROUP, "consumergrouppractices", "", "get"),
    ("get", API_GROUP, "consumergrouppractices", "", "list"),
    ("get -w", API_GROUP, "consumergrouppractices", "", "watch"),
    ("journal", "", "configmaps", "", "get"),
    ("logs", "", "pods", "log", "get"),
    ("logs, send, where", "", "pods", "", "list"),
    ("logs -f", "", "pods", "", "watch"),
    // a WebSocket is opened by a GET; since Kubernetes 1.35 this needs the verb create, too
    ("send, where", "", "pods", "portforward", "get"),
    ("send, where", "", "pods", "portforward", "create"),
];
/// Permissions in the namespace of the operator.
pub(super) const VIEW_RIGHTS: [Right; 3] = [
    ("view", "", "pods", "", "list"),
    ("view", "", "pods", "portforward", "get"),
    ("view", "", "pods", "portforward", "create"),
];
/// Concurrent reviews.
const CONCURRENT_REVIEWS: usize = 8;

/// Checks the user's permissions in a namespace, or in all; `actions` names them in the report.
pub(super) async fn check_own_rights(
    cluster: &Cluster,
    namespace: Option<&str>,
    rights: &[Right],
    actions: &str,
    report: &mut Report,
) {
    let place = namespace.unwrap_or("all namespaces");
    let reviews: Api<SelfSubjectAccessReview> = Api::all(cluster.client.clone());
    let mut missing = Vec::new();
    for (verbs, group, resource, subresource, verb) in rights.iter().copied() {
        let review = SelfSubjectAccessReview {
            spec: SelfSubjectAccessReviewSpec {
                resource_attributes: Some(attributes(
                    namespace,
                    group,
                    resource,
                    subresource,
                    verb,
                )),
                ..SelfSubjectAccessReviewSpec::default()
            },
            ..SelfSubjectAccessReview::default()
        };
        match cluster
            .with_deadline(reviews.create(&PostParams::default(), &review))
            .await
        {
            Ok(Ok(answer)) if answer.status.as_ref().is_some_and(|status| status.allowed) => {}
            Ok(Ok(_)) => missing.push(format!(
                "{verb} {} (for {verbs})",
                full(resource, subresource)
            )),
            Ok(Err(_)) | Err(_) => {
                return report.skipped(format!(
                    "your permissions in {place}: the access review failed"
                ));
            }
        }
    }
    if missing.is_empty() {
        report.good(format!("you may {actions} in {place}"));
    } else {
        let text = format!("you may not {} in {place}", missing.join(", "));
        report.warning(
            text,
            "ask the administrator of the cluster for a Role with these permissions",
        );
    }
}

/// Permissions of the operator: the chart's rules, without those that optional values add. API group, resource, verb.
fn operator_rights() -> Vec<(&'static str, &'static str, &'static str)> {
    const RULES: &str =
        include_str!("../../../../charts/consumer-group-practice/templates/rbac.yaml");
    let rules = RULES
        .split_once("\nrules:\n")
        .map_or("", |(_, after)| after);
    let rules = rules.split_once("\n---").map_or(rules, |(rules, _)| rules);
    let words = |list: &'static str| {
        let inner = list.trim().trim_start_matches('[').trim_end_matches(']');
        inner.split(',').map(|word| word.trim().trim_matches('"'))
    };
    let (mut depth, mut groups, mut resources, mut rights) = (0, "", "", Vec::new());
    for line in rules.lines().map(str::trim_start) {
        if let Some(list) = line.strip_prefix("- apiGroups:") {
            groups = list;
        } else if let Some(list) = line.strip_prefix("resources:") {
            resources = list;
        } else if let Some(list) = line.strip_prefix("verbs:").filter(|_| depth == 0) {
            let each = words(groups)
                .flat_map(|group| words(resources).map(move |resource| (group, resource)));
            rights.extend(each.flat_map(|(group, resource)| {
                words(list).map(move |verb| (group, resource, verb))
            }));
        } else if line.starts_with("{{- if ") {
            depth += 1;
        } else if line.starts_with("{{- end") {
            depth -= 1;
        }
    }
    rights
}

/// Checks the operator's permissions in the namespace of practices.
pub(super) async fn check_operator_rights(
    cluster: &Cluster,
    operator: &Deployment,
    all: bool,
    report: &mut Report,
) {
    let place = operator.namespace().unwrap_or_default();
    let target = if all {
        watches(operator)
    } else {
        Some(cluster.namespace.as_str())
    };
    let account = operator
        .spec
        .template
        .spec
        .as_ref()
        .and_then(|pod| pod.service_account_name.clone());
    let user = format!(
        "system:serviceaccount:{place}:{}",
        account.as_deref().unwrap_or("default")
    );
    let groups = [
        "system:serviceaccounts",
        &format!("system:serviceaccounts:{place}"),
        "system:authenticated",
    ]
    .map(str::to_owned);
    let questions = operator_rights()
        .into_iter()
        .map(|(group, resource, verb)| {
            let (bare, subresource) = resource.split_once('/').unwrap_or((resource, ""));
            (
                attributes(target, group, bare, subresource, verb),
                resource.to_owned(),
            )
        });
    let reviews: Api<SubjectAccessReview> = Api::all(cluster.client.clone());
    let asked = questions.map(|(attributes, resource)| {
        let verb = attributes.verb.clone().unwrap_or_default();
        let review = SubjectAccessReview {
            spec: SubjectAccessReviewSpec {
                resource_attributes: Some(attributes),
                user: Some(user.clone()),
                groups: Some(groups.to_vec()),
                ..SubjectAccessReviewSpec::default()
            },
            ..SubjectAccessReview::default()
        };
        let reviews = &reviews;
        async move {
            let answer = cluster
                .with_deadline(reviews.create(&PostParams::default(), &review))
                .await;
            let allowed = match answer {
                Ok(Ok(answer)) => Ok(answer.status.is_some_and(|status| status.allowed)),
                Ok(Err(error)) => Err(cluster
                    .failure("review the operator's permissions", &error)
                    .to_string()),
                Err(failure) => Err(failure.to_string()),
            };
            (verb, resource, allowed)
        }
    });
    let answers: Vec<_> = stream::iter(asked)
        .buffered(CONCURRENT_REVIEWS)
        .collect()
        .await;
    let where_to = target.map_or_else(
        || "all namespaces".to_owned(),
        |place| format!("namespace {place}"),
    );
    if let Some(why) = answers
        .iter()
        .find_map(|(.., allowed)| allowed.as_ref().err())
    {
        return report.skipped(format!(
            "permissions of the operator: {}",
            why.lines().next().unwrap_or_default()
        ));
    }
    let mut missing: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (verb, resource, _) in answers.iter().filter(|(.., allowed)| allowed == &Ok(false)) {
        missing.entry(resource).or_default().push(verb);
    }
    if missing.is_empty() {
        return report.good(format!(
            "the operator has all {} permissions in {where_to}",
            answers.len()
        ));
    }
    let missing: Vec<String> = missing
        .iter()
        .map(|(resource, verbs)| format!("{} {resource}", verbs.join(", ")))
        .collect();
    report.failed(
        format!("{user} lacks permissions in {where_to}: {}", missing.join("; ")),
        "the chart's ClusterRole or its binding was changed or is older: restore it with helm upgrade",
    );
}

fn attributes(
    namespace: Option<&str>,
    group: &str,
    resource: &str,
    subresource: &str,
    verb: &str,
) -> ResourceAttributes {
    let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    ResourceAttributes {
        namespace: namespace.map(str::to_owned),
        group: Some(group.to_owned()),
        resource: some(resource),
        subresource: some(subresource),
        verb: some(verb),
        ..ResourceAttributes::default()
    }
}

/// `pods/log`
fn full(resource: &str, subresource: &str) -> String {
    if subresource.is_empty() {
        resource.to_owned()
    } else {
        format!("{resource}/{subresource}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operator_rights_are_those_of_the_chart() {
        let rights = operator_rights();
        for needed in [
            (API_GROUP, "consumergrouppractices", "patch"),
            (API_GROUP, "consumergrouppractices/status", "patch"),
            ("", "services", "delete"),
            ("", "pods", "watch"),
            ("policy", "poddisruptionbudgets", "create"),
            ("events.k8s.io", "events", "patch"),
        ] {
            assert!(rights.contains(&needed), "{needed:?}: {rights:?}");
        }
        assert!(
            !rights.contains(&("", "pods", "delete")),
            "only actions of the live view need it"
        );
        assert!(
            !rights
                .iter()
                .any(|(_, resource, _)| *resource == "pods/log"),
            "only the live view needs it"
        );
    }
}
