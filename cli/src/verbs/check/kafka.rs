//! `check`, section Kafka: condition `KafkaReachable` of each practice. The plugin does not connect to Kafka.

use std::collections::BTreeMap;

use k8s_openapi::api::apps::v1::Deployment;
use kube::{ResourceExt, core::DynamicObject};

use super::{covers, join_names, ready};
use crate::{
    cluster::{Cluster, decoded_all},
    report::Report,
    screen::print_note,
    state::blocked_deletion,
};

/// Reports `KafkaReachable` by cluster. A condition is out of date, so skipped, while no operator runs for its practice.
pub(super) async fn check_kafka(
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
                "cannot check Kafka: {}",
                why.lines().next().unwrap_or_default()
            ));
        }
    };
    let (practices, notes) = decoded_all(&practices);
    for note in &notes {
        print_note(note);
    }
    if practices.is_empty() {
        return report.skipped(format!("Kafka: {place} has no practices that report it"));
    }
    let mut servers: BTreeMap<String, KafkaReports> = BTreeMap::new();
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
        let reports = servers.entry(kafka).or_default();
        // assume a running operator when the user may not list operators
        let runs = operators.is_none_or(|all| {
            all.iter()
                .any(|one| ready(one) > 0 && covers(one, &namespace))
        });
        if let Some(why) = blocked_deletion(practice) {
            let hint = "remove the cause, or run the command in the message: the topics stay in Kafka then";
            report.warning(format!("deletion of {name} is blocked: {why}"), hint);
        }
        match status.and_then(|status| status.condition("KafkaReachable")) {
            None => reports.missing.push((namespace, name)),
            Some(_) if !runs => reports.outdated.push(name),
            Some(reachable) if reachable.status == "True" => reports.reachable.push(name),
            Some(reachable) if reachable.reason == "NotChecked" => reports.not_checked.push(name),
            Some(reachable) => reports.unreachable.push(format!(
                "{}: {} (reported by {name})",
                reachable.reason, reachable.message
            )),
        }
    }
    for (kafka, reports) in servers {
        if !reports.reachable.is_empty() {
            report.good(format!(
                "{kafka} answers: {}",
                join_names(&reports.reachable)
            ));
        }
        for why in reports.unreachable {
            let hint = "check that pods can reach spec.kafka.bootstrapServers, or the chart's kafka.bootstrapServers";
            report.failed(format!("{kafka} is not reachable: {why}"), hint);
        }
        if !reports.outdated.is_empty() {
            let names = join_names(&reports.outdated);
            report.skipped(format!(
                "{kafka}: no operator runs for {names}: condition KafkaReachable is out of date"
            ));
        }
        if !reports.not_checked.is_empty() {
            let names = join_names(&reports.not_checked);
            report.skipped(format!(
                "{kafka}: not checked for {names}: correct the manifest first"
            ));
        }
        for (namespace, name) in reports.missing {
            let watching = operators.map(|all| all.iter().find(|one| covers(one, &namespace)));
            let hint = match watching {
                None => "see the log of its operator".to_owned(),
                Some(None) => "no operator watches its namespace".to_owned(),
                Some(Some(operator)) => {
                    let place = operator.namespace().unwrap_or_default();
                    format!(
                        "see the operator's log: kubectl -n {place} logs deployment/{}",
                        operator.name_any()
                    )
                }
            };
            report.failed(
                format!("{name} has no status: the operator has not reconciled it"),
                &hint,
            );
        }
    }
}

/// Practices (`namespace/name`) by what their `KafkaReachable` reports of one cluster.
#[derive(Default)]
struct KafkaReports {
    /// Condition is True.
    reachable: Vec<String>,
    /// Condition is not True; reason, message and practice.
    unreachable: Vec<String>,
    /// No operator runs, so the condition is out of date.
    outdated: Vec<String>,
    /// Reason is `NotChecked`, as the manifest is invalid.
    not_checked: Vec<String>,
    /// No condition; namespace and practice.
    missing: Vec<(String, String)>,
}
