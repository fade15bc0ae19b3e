//! `check`: is everything there, and is it allowed to do its work? Every question is asked, also after one has failed; what
//! cannot be asked is said to be skipped. Writes nothing: reviews of rights are answered, not stored.

use std::collections::BTreeMap;

use futures::{StreamExt, stream};
use k8s_openapi::{
    api::{
        apps::v1::Deployment,
        authorization::v1::{
            ResourceAttributes, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec, SubjectAccessReview,
            SubjectAccessReviewSpec,
        },
        core::v1::Pod,
    },
    apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition,
};
use kube::{
    Api, Resource, ResourceExt,
    api::{ListParams, PostParams},
    core::DynamicObject,
};
use practice_api::{API_GROUP, ConsumerGroupPractice};

use crate::{
    cluster::{Cluster, decoded_all},
    error::Failure,
    operator::{self, SELECTOR, label},
    report::{Report, Verdict},
    screen::Screen,
    state::condition,
    verbs::version::OURS,
};

/// What this plugin does in the name of whoever runs it: the verb that needs it, and the rest as above.
const OURSELVES: [(&str, &str, &str, &str, &str); 5] = [
    ("get, describe", API_GROUP, "consumergrouppractices", "", "list"),
    ("journal", "", "configmaps", "", "get"),
    ("logs", "", "pods", "log", "get"),
    ("logs, send", "", "pods", "", "list"),
    ("send, view", "", "pods", "portforward", "create"),
];
/// Questions at once.
const TOGETHER: usize = 8;
const INSTALL: &str = "helm install cgp charts/consumer-group-practice -n kafka-practice --create-namespace --set kafka.bootstrapServers=HOST:PORT";
const CHART: &str = "helm.sh/chart";
const VERSION: &str = "app.kubernetes.io/version";

/// Does it.
///
/// # Errors
/// [`Failure::Checked`] when something fails, [`Failure::Unreachable`] when nothing can be asked.
pub async fn run(
    cluster: Result<Cluster, Failure>,
    all: bool,
    place: Option<&str>,
    screen: &mut Screen,
) -> Result<(), Failure> {
    let cluster = cluster?;
    let mut report = Report::default();
    report.section("Kubernetes");
    if let Err(failure) = api_server(&cluster, &mut report).await {
        screen.say(&report.lines())?;
        return Err(failure);
    }
    let crd = crd(&cluster, &mut report).await;
    yourself(&cluster, &mut report).await;

    report.section("Operator");
    let operators = operators(&cluster, place, &mut report).await;
    for operator in &operators {
        in_step(operator, crd.as_ref(), &mut report);
        rights(&cluster, operator, all, &mut report).await;
    }

    report.section("Kafka");
    kafka(&cluster, all, &operators, &mut report).await;
    screen.say(&report.lines())?;
    if report.count(Verdict::Failed) > 0 { Err(Failure::Checked) } else { Ok(()) }
}

/// Everything else needs it.
async fn api_server(cluster: &Cluster, report: &mut Report) -> Result<(), Failure> {
    match cluster.ask("ask for the version of the API server", cluster.client.apiserver_version()).await {
        Ok(version) => {
            let supported = version.minor.trim_end_matches('+').parse::<u32>().is_ok_and(|minor| minor >= 30);
            let text = format!("API server {} answers on {}", version.git_version, cluster.url);
            if supported {
                report.good(text);
            } else {
                report.warning(text, "the chart needs Kubernetes 1.30 or later");
            }
            Ok(())
        }
        Err(failure) => {
            report.failed(format!("API server {} does not answer", cluster.url), "the reason is below");
            Err(failure)
        }
    }
}

async fn crd(cluster: &Cluster, report: &mut Report) -> Option<CustomResourceDefinition> {
    let name = format!("{}.{API_GROUP}", ConsumerGroupPractice::plural(&()));
    let version = ConsumerGroupPractice::version(&());
    let crds: Api<CustomResourceDefinition> = Api::all(cluster.client.clone());
    match cluster.answered(crds.get(&name)).await {
        Ok(Ok(crd)) => {
            let served: Vec<&str> = crd
                .spec
                .versions
                .iter()
                .filter(|version| version.served)
                .map(|version| version.name.as_str())
                .collect();
            if served.contains(&&*version) {
                report.good(format!("ConsumerGroupPractice {version} is served"));
            } else {
                let text =
                    format!("ConsumerGroupPractice is served as {}, this plugin reads {version}", served.join(", "));
                report.failed(text, "install the plugin of the operator's version: kubectl cgp version");
            }
            Some(crd)
        }
        Ok(Err(kube::Error::Api(status))) if status.code == 404 => {
            report.failed(
                "ConsumerGroupPractice is not served: its CustomResourceDefinition is missing",
                &format!("the chart brings it, unless crds.install=false:\n{INSTALL}"),
            );
            None
        }
        // who may not read definitions can still see whether the kind is there
        Ok(Err(_)) => {
            match cluster.all_practices(false).await {
                Err(failure @ Failure::NotFound(_)) => report.failed(failure.to_string(), INSTALL),
                Err(failure @ Failure::Unreachable(_)) => report.failed("ConsumerGroupPractice", &failure.to_string()),
                _ => report.good(format!("ConsumerGroupPractice {version} is served")),
            }
            None
        }
        Err(failure) => {
            report.failed("ConsumerGroupPractice", &failure.to_string());
            None
        }
    }
}

/// Whether whoever runs this may do what its verbs do.
async fn yourself(cluster: &Cluster, report: &mut Report) {
    let reviews: Api<SelfSubjectAccessReview> = Api::all(cluster.client.clone());
    let mut missing = Vec::new();
    for (verbs, group, resource, subresource, verb) in OURSELVES {
        let review = SelfSubjectAccessReview {
            spec: SelfSubjectAccessReviewSpec {
                resource_attributes: Some(attributes(Some(&cluster.namespace), group, resource, subresource, verb)),
                ..SelfSubjectAccessReviewSpec::default()
            },
            ..SelfSubjectAccessReview::default()
        };
        match cluster.answered(reviews.create(&PostParams::default(), &review)).await {
            Ok(Ok(answer)) if answer.status.as_ref().is_some_and(|status| status.allowed) => {}
            Ok(Ok(_)) => missing.push(format!("{verb} {} (for {verbs})", full(resource, subresource))),
            Ok(Err(_)) | Err(_) => {
                return report.skipped(format!("your own rights in {}: they cannot be asked for", cluster.namespace));
            }
        }
    }
    if missing.is_empty() {
        report.good(format!("you may read practices, logs and journals, and forward ports in {}", cluster.namespace));
    } else {
        let text = format!("you may not {} in {}", missing.join(", "), cluster.namespace);
        report.warning(text, "ask whoever runs the cluster for a Role with these");
    }
}

async fn operators(cluster: &Cluster, place: Option<&str>, report: &mut Report) -> Vec<Deployment> {
    let found = match operator::deployments(cluster, place).await {
        Ok(found) => found,
        Err(failure) => {
            let why = failure.to_string();
            let (why, hint) = why.split_once('\n').unwrap_or((&why, "--operator-namespace says where it is"));
            report.add(Verdict::Skipped, format!("the operator cannot be looked for: {why}"), Some(hint));
            return Vec::new();
        }
    };
    if found.is_empty() {
        let place = place.map_or_else(|| "any namespace".to_owned(), |place| format!("namespace {place}"));
        report.failed(format!("there is no operator in {place} (no Deployment with its labels)"), INSTALL);
    }
    for deployment in &found {
        let (name, place) = (deployment.name_any(), deployment.namespace().unwrap_or_default());
        let wanted = deployment.spec.replicas.unwrap_or(1);
        let ready = ready(deployment);
        let text = format!("{place}/{name} {ready}/{wanted} ready");
        if wanted == 0 {
            report.failed(text, &format!("kubectl -n {place} scale deployment {name} --replicas=1"));
        } else if ready == 0 {
            let why = why_not(cluster, &place).await;
            let logs = format!("kubectl -n {place} logs deployment/{name}");
            report.failed(text, &why.map_or_else(|| logs.clone(), |why| format!("{why}\n{logs}")));
        } else {
            report.good(text);
        }
    }
    let everywhere: Vec<String> =
        found.iter().filter(|one| watches(one).is_none()).map(ResourceExt::name_any).collect();
    if everywhere.len() > 1 {
        let text = format!("{} operators watch all namespaces: {}", everywhere.len(), everywhere.join(", "));
        report.failed(text, "they undo each other's work: uninstall all but one, or set watch.allNamespaces=false");
    }
    found
}

fn ready(operator: &Deployment) -> i32 {
    operator.status.as_ref().and_then(|status| status.ready_replicas).unwrap_or(0)
}

/// What keeps the operator's pod from running, in Kubernetes' words.
async fn why_not(cluster: &Cluster, place: &str) -> Option<String> {
    let pods: Api<Pod> = Api::namespaced(cluster.client.clone(), place);
    let pods = cluster.list("look at its pod", &pods, &ListParams::default().labels(SELECTOR)).await.ok()?;
    let Some(pod) = pods.first() else { return Some("it has no pod: Kubernetes makes none".to_owned()) };
    let status = pod.status.as_ref()?;
    let waiting = status.container_statuses.iter().flatten().find_map(|container| {
        let waiting = container.state.as_ref()?.waiting.as_ref()?;
        let message = waiting.message.as_ref().map_or_else(String::new, |message| format!(": {message}"));
        Some(format!("{}{message}", waiting.reason.as_deref().unwrap_or("waiting")))
    });
    waiting.or_else(|| {
        let bad = status.conditions.iter().flatten().find(|condition| condition.status != "True")?;
        bad.message.clone().or_else(|| bad.reason.clone())
    })
}

/// The one namespace that an operator watches; `None`: all.
fn watches(deployment: &Deployment) -> Option<&str> {
    let containers = &deployment.spec.template.spec.as_ref()?.containers;
    let env = containers.iter().flat_map(|container| container.env.iter().flatten());
    env.filter(|variable| variable.name == "WATCH_NAMESPACE").find_map(|variable| variable.value.as_deref())
}

/// Whether operator, definition and this plugin are of one version.
fn in_step(operator: &Deployment, crd: Option<&CustomResourceDefinition>, report: &mut Report) {
    let (chart, version) = (label(operator, CHART), label(operator, VERSION));
    match crd.map(|crd| label(crd, CHART)) {
        None => report.skipped("chart and definition in step: the definition cannot be read"),
        Some("") => report.skipped("chart and definition in step: the definition was not installed by the chart"),
        Some(of_crd) if of_crd == chart => report.good(format!("chart and definition are in step: {chart}")),
        Some(of_crd) => report.failed(
            format!("the operator is of {chart}, the definition of {of_crd}"),
            "helm upgrade with crds.install=true brings the definition of the chart",
        ),
    }
    if version != OURS {
        let text = format!("the operator is {version}, this plugin is {OURS}");
        report
            .warning(text, "install the plugin of the operator's version: fields that one does not know are not shown");
    }
}

/// What the operator has to be allowed: the chart's own rules, without those that only some of its values add. API group,
/// resource, verb.
fn needs() -> Vec<(&'static str, &'static str, &'static str)> {
    const RULES: &str = include_str!("../../../charts/consumer-group-practice/templates/rbac.yaml");
    let rules = RULES.split_once("\nrules:\n").map_or("", |(_, after)| after);
    let rules = rules.split_once("\n---").map_or(rules, |(rules, _)| rules);
    let words = |list: &'static str| {
        let inner = list.trim().trim_start_matches('[').trim_end_matches(']');
        inner.split(',').map(|word| word.trim().trim_matches('"'))
    };
    let (mut depth, mut groups, mut resources, mut needs) = (0, "", "", Vec::new());
    for line in rules.lines().map(str::trim_start) {
        if let Some(list) = line.strip_prefix("- apiGroups:") {
            groups = list;
        } else if let Some(list) = line.strip_prefix("resources:") {
            resources = list;
        } else if let Some(list) = line.strip_prefix("verbs:").filter(|_| depth == 0) {
            let each = words(groups).flat_map(|group| words(resources).map(move |resource| (group, resource)));
            needs.extend(each.flat_map(|(group, resource)| words(list).map(move |verb| (group, resource, verb))));
        } else if line.starts_with("{{- if ") {
            depth += 1;
        } else if line.starts_with("{{- end") {
            depth -= 1;
        }
    }
    needs
}

/// Whether the operator may do its work where practices are.
async fn rights(cluster: &Cluster, operator: &Deployment, all: bool, report: &mut Report) {
    let place = operator.namespace().unwrap_or_default();
    let only = watches(operator);
    if let Some(only) = only
        && !all
        && only != cluster.namespace
    {
        let text = format!("{place}/{} watches namespace {only} alone, not {}", operator.name_any(), cluster.namespace);
        return report.failed(text, "helm upgrade with watch.allNamespaces=true, or make practices there: -n");
    }
    let target = if all { only } else { Some(cluster.namespace.as_str()) };
    let account = operator.spec.template.spec.as_ref().and_then(|pod| pod.service_account_name.clone());
    let user = format!("system:serviceaccount:{place}:{}", account.as_deref().unwrap_or("default"));
    let groups = ["system:serviceaccounts", &format!("system:serviceaccounts:{place}"), "system:authenticated"]
        .map(str::to_owned);
    let questions = needs().into_iter().map(|(group, resource, verb)| {
        let (bare, subresource) = resource.split_once('/').unwrap_or((resource, ""));
        (attributes(target, group, bare, subresource, verb), resource.to_owned())
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
            let answer = cluster.answered(reviews.create(&PostParams::default(), &review)).await;
            let allowed = match answer {
                Ok(Ok(answer)) => Ok(answer.status.is_some_and(|status| status.allowed)),
                Ok(Err(error)) => Err(cluster.failure("review its rights", &error).to_string()),
                Err(failure) => Err(failure.to_string()),
            };
            (verb, resource, allowed)
        }
    });
    let answers: Vec<_> = stream::iter(asked).buffered(TOGETHER).collect().await;
    let where_to = target.map_or_else(|| "all namespaces".to_owned(), |place| format!("namespace {place}"));
    if let Some(why) = answers.iter().find_map(|(.., allowed)| allowed.as_ref().err()) {
        return report.skipped(format!("rights of the operator: {}", why.lines().next().unwrap_or_default()));
    }
    let mut missing: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (verb, resource, _) in answers.iter().filter(|(.., allowed)| allowed == &Ok(false)) {
        missing.entry(resource).or_default().push(verb);
    }
    if missing.is_empty() {
        return report.good(format!("it may do its work in {where_to}: {} rights", answers.len()));
    }
    let missing: Vec<String> =
        missing.iter().map(|(resource, verbs)| format!("{} {resource}", verbs.join(", "))).collect();
    report.failed(
        format!("{user} may not, in {where_to}: {}", missing.join("; ")),
        "the chart's ClusterRole or its binding was changed or is older: helm upgrade puts it back",
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
    if subresource.is_empty() { resource.to_owned() } else { format!("{resource}/{subresource}") }
}

/// What practices say of their Kafka.
async fn kafka(cluster: &Cluster, all: bool, operators: &[Deployment], report: &mut Report) {
    let place = if all { "any namespace".to_owned() } else { format!("namespace {}", cluster.namespace) };
    let practices: Vec<DynamicObject> = match cluster.all_practices(all).await {
        Ok(practices) => practices,
        Err(failure) => {
            let why = failure.to_string();
            return report.skipped(format!("practices cannot be listed: {}", why.lines().next().unwrap_or_default()));
        }
    };
    let mut servers: BTreeMap<String, Vec<(String, Option<(String, String, String)>)>> = BTreeMap::new();
    for practice in decoded_all(&practices) {
        let name = format!("{}/{}", practice.namespace().unwrap_or_default(), practice.name_any());
        let status = practice.status.as_ref();
        let kafka = status.and_then(|status| status.bootstrap_servers.clone()).unwrap_or_else(|| "Kafka".to_owned());
        let reachable = status.and_then(|status| condition(status, "KafkaReachable"));
        let said = reachable.map(|said| (said.status.clone(), said.reason.clone(), said.message.clone()));
        servers.entry(kafka).or_default().push((name, said));
    }
    if servers.is_empty() {
        return report.skipped(format!("Kafka: no practice in {place} says anything about it yet"));
    }
    if !operators.is_empty() && operators.iter().all(|operator| ready(operator) == 0) {
        let old: Vec<String> = servers.into_keys().collect();
        return report.skipped(format!("{}: no operator runs, and what practices say of it is old", old.join(", ")));
    }
    for (kafka, practices) in servers {
        let (good, others): (Vec<_>, Vec<_>) =
            practices.into_iter().partition(|(_, said)| said.as_ref().is_some_and(|(status, ..)| status == "True"));
        if !good.is_empty() {
            let names: Vec<&str> = good.iter().map(|(name, _)| name.as_str()).take(5).collect();
            let more = if good.len() > 5 { format!(" and {} more", good.len() - 5) } else { String::new() };
            report.good(format!("{kafka} answers: {}{more}", names.join(", ")));
        }
        for (name, said) in others {
            if let Some((_, reason, message)) = said {
                let hint = "is spec.kafka.bootstrapServers, or the chart's kafka.bootstrapServers, what pods reach?";
                report.failed(format!("{kafka} as {name} says: {reason}: {message}"), hint);
                continue;
            }
            let logs = operators.first().map(|operator| {
                let place = operator.namespace().unwrap_or_default();
                format!("the operator says why: kubectl -n {place} logs deployment/{}", operator.name_any())
            });
            let hint = logs.unwrap_or_else(|| "there is no operator to look at it".to_owned());
            report.failed(format!("{name} has no status: nobody has looked at it"), &hint);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_for_is_what_the_chart_gives() {
        let needs = needs();
        for needed in [
            (API_GROUP, "consumergrouppractices", "patch"),
            (API_GROUP, "consumergrouppractices/status", "patch"),
            ("", "services", "delete"),
            ("", "pods", "watch"),
            ("policy", "poddisruptionbudgets", "create"),
            ("events.k8s.io", "events", "patch"),
        ] {
            assert!(needs.contains(&needed), "{needed:?}: {needs:?}");
        }
        assert!(!needs.contains(&("", "pods", "delete")), "the picture's actions alone need it");
        assert!(!needs.iter().any(|(_, resource, _)| *resource == "pods/log"), "the picture alone needs it");
    }
}
