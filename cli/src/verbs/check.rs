//! `check`: is everything there, and is it allowed to do its work? Every question is asked, also after one has failed; what
//! cannot be asked is said to be skipped. Of several operators those are judged that watch the namespace that is meant. Writes
//! nothing: reviews of rights are answered, not stored.

use std::collections::{BTreeMap, BTreeSet};

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
    screen::{Screen, mention},
    state::condition,
    verbs::version::OURS,
};

/// What this plugin does in the name of whoever runs it: its verbs, API group, resource, subresource, Kubernetes' verb.
type Right = (&'static str, &'static str, &'static str, &'static str, &'static str);
/// Where practices are.
const OURSELVES: [Right; 9] = [
    ("all of it", API_GROUP, "consumergrouppractices", "", "get"),
    ("get", API_GROUP, "consumergrouppractices", "", "list"),
    ("get -w", API_GROUP, "consumergrouppractices", "", "watch"),
    ("journal", "", "configmaps", "", "get"),
    ("logs", "", "pods", "log", "get"),
    ("logs, send", "", "pods", "", "list"),
    ("logs -f", "", "pods", "", "watch"),
    // a WebSocket is opened by a GET; from Kubernetes 1.35 on whoever opens one must be allowed to create, too
    ("send", "", "pods", "portforward", "get"),
    ("send", "", "pods", "portforward", "create"),
];
/// Where the operator is.
const PICTURE: [Right; 3] = [
    ("view", "", "pods", "", "list"),
    ("view", "", "pods", "portforward", "get"),
    ("view", "", "pods", "portforward", "create"),
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
    let may = "read practices, logs and journals, and forward ports";
    yourself(&cluster, &cluster.namespace, &OURSELVES, may, &mut report).await;

    report.section("Operator");
    let operators = operators(&cluster, all, place, &mut report).await;
    for operator in operators.iter().flatten() {
        in_step(operator, crd.as_ref(), &mut report);
        rights(&cluster, operator, all, &mut report).await;
    }
    let places: BTreeSet<String> = operators.iter().flatten().filter_map(ResourceExt::namespace).collect();
    for place in places {
        yourself(&cluster, &place, &PICTURE, "look at the picture: forward ports", &mut report).await;
    }

    report.section("Kafka");
    kafka(&cluster, all, operators.as_deref(), &mut report).await;
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

/// Whether whoever runs this may do what its verbs do; `may` is that in words.
async fn yourself(cluster: &Cluster, place: &str, rights: &[Right], may: &str, report: &mut Report) {
    let reviews: Api<SelfSubjectAccessReview> = Api::all(cluster.client.clone());
    let mut missing = Vec::new();
    for (verbs, group, resource, subresource, verb) in rights.iter().copied() {
        let review = SelfSubjectAccessReview {
            spec: SelfSubjectAccessReviewSpec {
                resource_attributes: Some(attributes(Some(place), group, resource, subresource, verb)),
                ..SelfSubjectAccessReviewSpec::default()
            },
            ..SelfSubjectAccessReview::default()
        };
        match cluster.answered(reviews.create(&PostParams::default(), &review)).await {
            Ok(Ok(answer)) if answer.status.as_ref().is_some_and(|status| status.allowed) => {}
            Ok(Ok(_)) => missing.push(format!("{verb} {} (for {verbs})", full(resource, subresource))),
            Ok(Err(_)) | Err(_) => {
                return report.skipped(format!("your own rights in {place}: they cannot be asked for"));
            }
        }
    }
    if missing.is_empty() {
        report.good(format!("you may {may} in {place}"));
    } else {
        let text = format!("you may not {} in {place}", missing.join(", "));
        report.warning(text, "ask whoever runs the cluster for a Role with these");
    }
}

/// Those that watch the namespace that is meant, or all of them; `None`: it is not known which there are.
async fn operators(cluster: &Cluster, all: bool, place: Option<&str>, report: &mut Report) -> Option<Vec<Deployment>> {
    let found = match operator::deployments(cluster, place).await {
        Ok(found) => found,
        Err(failure) => {
            let why = failure.to_string();
            let (why, hint) = why.split_once('\n').unwrap_or((&why, "--operator-namespace says where it is"));
            report.add(Verdict::Skipped, format!("the operator cannot be looked for: {why}"), Some(hint));
            return None;
        }
    };
    if found.is_empty() {
        let place = place.map_or_else(|| "any namespace".to_owned(), |place| format!("namespace {place}"));
        report.failed(format!("there is no operator in {place} (no Deployment with its labels)"), INSTALL);
        return Some(Vec::new());
    }
    let (judged, others): (Vec<_>, Vec<_>) =
        found.into_iter().partition(|operator| all || covers(operator, &cluster.namespace));
    if judged.is_empty() {
        let others: Vec<String> = others
            .iter()
            .map(|other| format!("{} watches {} alone", title(other), watches(other).unwrap_or_default()))
            .collect();
        let text = format!("no operator watches namespace {}: {}", cluster.namespace, some_of(&others));
        report.failed(text, "helm upgrade with watch.allNamespaces=true, or make practices where one watches: -n");
    }
    for deployment in &judged {
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
    if judged.len() > 1 && (!all || judged.iter().any(|operator| watches(operator).is_none())) {
        let titles: Vec<String> = judged.iter().map(title).collect();
        let place = if all { "the same namespaces".to_owned() } else { format!("namespace {}", cluster.namespace) };
        let text = format!("{} operators watch {place}: {}", titles.len(), some_of(&titles));
        report.failed(text, "they undo each other's work: uninstall all but one, or set watch.allNamespaces=false");
    }
    Some(judged)
}

/// `kafka-practice/cgp-operator`
fn title(operator: &Deployment) -> String {
    format!("{}/{}", operator.namespace().unwrap_or_default(), operator.name_any())
}

/// Five at most, and how many more there are.
fn some_of(names: &[String]) -> String {
    let more = if names.len() > 5 { format!(" and {} more", names.len() - 5) } else { String::new() };
    format!("{}{more}", names[..names.len().min(5)].join(", "))
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
fn watches(operator: &Deployment) -> Option<&str> {
    operator::watches(operator.spec.template.spec.as_ref())
}

fn covers(operator: &Deployment, namespace: &str) -> bool {
    watches(operator).is_none_or(|only| only == namespace)
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
    let target = if all { watches(operator) } else { Some(cluster.namespace.as_str()) };
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

/// What practices say of their Kafka. What nobody looks after any more is old.
async fn kafka(cluster: &Cluster, all: bool, operators: Option<&[Deployment]>, report: &mut Report) {
    let place = if all { "any namespace".to_owned() } else { format!("namespace {}", cluster.namespace) };
    let practices: Vec<DynamicObject> = match cluster.all_practices(all).await {
        Ok(practices) => practices,
        Err(failure) => {
            let why = failure.to_string();
            return report.skipped(format!("practices cannot be listed: {}", why.lines().next().unwrap_or_default()));
        }
    };
    let (practices, notes) = decoded_all(&practices);
    for note in &notes {
        mention(note);
    }
    if practices.is_empty() {
        return report.skipped(format!("Kafka: no practice in {place} says anything about it yet"));
    }
    let mut servers: BTreeMap<String, Said> = BTreeMap::new();
    for practice in &practices {
        let (namespace, name) = (practice.namespace().unwrap_or_default(), practice.name_any());
        let name = format!("{namespace}/{name}");
        let status = practice.status.as_ref();
        let kafka = status.and_then(|status| status.bootstrap_servers.clone()).unwrap_or_else(|| "Kafka".to_owned());
        let said = servers.entry(kafka).or_default();
        // of operators that may not be looked for the best is thought
        let runs = operators.is_none_or(|all| all.iter().any(|one| ready(one) > 0 && covers(one, &namespace)));
        match status.and_then(|status| condition(status, "KafkaReachable")) {
            None => said.nothing.push((namespace, name)),
            Some(_) if !runs => said.old.push(name),
            Some(reachable) if reachable.status == "True" => said.good.push(name),
            Some(reachable) => said.bad.push(format!("{name} says: {}: {}", reachable.reason, reachable.message)),
        }
    }
    for (kafka, said) in servers {
        if !said.good.is_empty() {
            report.good(format!("{kafka} answers: {}", some_of(&said.good)));
        }
        for what in said.bad {
            let hint = "is spec.kafka.bootstrapServers, or the chart's kafka.bootstrapServers, what pods reach?";
            report.failed(format!("{kafka} as {what}"), hint);
        }
        if !said.old.is_empty() {
            let names = some_of(&said.old);
            report.skipped(format!("{kafka}: no operator runs for {names}, and what is said there of Kafka is old"));
        }
        for (namespace, name) in said.nothing {
            let whose = operators.map(|all| all.iter().find(|one| covers(one, &namespace)));
            let hint = match whose {
                None => "its operator says why, in its log".to_owned(),
                Some(None) => "there is no operator to look at it".to_owned(),
                Some(Some(operator)) => {
                    let place = operator.namespace().unwrap_or_default();
                    format!("the operator says why: kubectl -n {place} logs deployment/{}", operator.name_any())
                }
            };
            report.failed(format!("{name} has no status: nobody has looked at it"), &hint);
        }
    }
}

/// What is said of one Kafka, by practices that are called `namespace/name`.
#[derive(Default)]
struct Said {
    /// That it answers.
    good: Vec<String>,
    /// That it does not, with the reason.
    bad: Vec<String>,
    /// Whatever it was when an operator ran.
    old: Vec<String>,
    /// Nothing; with the namespace.
    nothing: Vec<(String, String)>,
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
