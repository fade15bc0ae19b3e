//! `check`, section Kafka: what practices say of theirs. Kafka itself is not asked.

use std::collections::BTreeMap;

use k8s_openapi::api::apps::v1::Deployment;
use kube::{ResourceExt, core::DynamicObject};

use super::{covers, ready, some_of};
use crate::{
    cluster::{Cluster, decoded_all},
    report::Report,
    screen::mention,
};

/// What practices say of their Kafka. What nobody looks after any more is old.
pub(super) async fn kafka(
    cluster: &Cluster,
    all: bool,
    operators: Option<&[Deployment]>,
    report: &mut Report,
) {
    let place = if all {
        "any namespace".to_owned()
    } else {
        format!("namespace {}", cluster.namespace)
    };
    let practices: Vec<DynamicObject> = match cluster.all_practices(all).await {
        Ok(practices) => practices,
        Err(failure) => {
            let why = failure.to_string();
            return report.skipped(format!(
                "practices cannot be listed: {}",
                why.lines().next().unwrap_or_default()
            ));
        }
    };
    let (practices, notes) = decoded_all(&practices);
    for note in &notes {
        mention(note);
    }
    if practices.is_empty() {
        return report.skipped(format!(
            "Kafka: no practice in {place} says anything about it yet"
        ));
    }
    let mut servers: BTreeMap<String, Said> = BTreeMap::new();
    for practice in &practices {
        let (namespace, name) = (
            practice.namespace().unwrap_or_default(),
            practice.name_any(),
        );
        let name = format!("{namespace}/{name}");
        let status = practice.status.as_ref();
        let kafka = status
            .and_then(|status| status.bootstrap_servers.clone())
            .unwrap_or_else(|| "Kafka".to_owned());
        let said = servers.entry(kafka).or_default();
        // of operators that may not be looked for the best is thought
        let runs = operators.is_none_or(|all| {
            all.iter()
                .any(|one| ready(one) > 0 && covers(one, &namespace))
        });
        match status.and_then(|status| status.condition("KafkaReachable")) {
            None => said.nothing.push((namespace, name)),
            Some(_) if !runs => said.old.push(name),
            Some(reachable) if reachable.status == "True" => said.good.push(name),
            Some(reachable) if reachable.reason == "NotChecked" => said.unasked.push(name),
            Some(reachable) => said.bad.push(format!(
                "{name} says: {}: {}",
                reachable.reason, reachable.message
            )),
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
            report.skipped(format!(
                "{kafka}: no operator runs for {names}, and what is said there of Kafka is old"
            ));
        }
        if !said.unasked.is_empty() {
            let names = some_of(&said.unasked);
            report.skipped(format!(
                "{kafka}: nobody asks it for {names} until the manifest is corrected"
            ));
        }
        for (namespace, name) in said.nothing {
            let whose = operators.map(|all| all.iter().find(|one| covers(one, &namespace)));
            let hint = match whose {
                None => "its operator says why, in its log".to_owned(),
                Some(None) => "there is no operator to look at it".to_owned(),
                Some(Some(operator)) => {
                    let place = operator.namespace().unwrap_or_default();
                    format!(
                        "the operator says why: kubectl -n {place} logs deployment/{}",
                        operator.name_any()
                    )
                }
            };
            report.failed(
                format!("{name} has no status: nobody has looked at it"),
                &hint,
            );
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
    /// That it was not asked.
    unasked: Vec<String>,
    /// Nothing; with the namespace.
    nothing: Vec<(String, String)>,
}
