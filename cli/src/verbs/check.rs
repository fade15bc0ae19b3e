//! `check`: tests the installation and its permissions. All checks run, also after a failure; a check that cannot run is
//! reported as skipped. Of several operators it checks those that watch the namespace. A file for each section, and one for
//! permissions. Writes nothing.

mod kafka;
mod kubernetes;
mod operators;
mod rights;

use std::collections::BTreeSet;

use k8s_openapi::api::apps::v1::Deployment;
use kube::ResourceExt;

use self::{
    kafka::check_kafka,
    kubernetes::{check_api_server, check_crd},
    operators::{check_operators, check_versions},
    rights::{PLUGIN_RIGHTS, VIEW_RIGHTS, check_operator_rights, check_own_rights},
};
use crate::{
    args::{Check, Document},
    cluster::Cluster,
    document,
    error::Failure,
    operator,
    report::{CheckResult, Report},
    screen::Screen,
};

const INSTALL: &str = "helm install cgp charts/consumer-group-practice -n kafka-practice --create-namespace --set kafka.bootstrapServers=HOST:PORT";

/// Runs the verb.
///
/// # Errors
/// [`Failure::Checked`] when a check fails, [`Failure::Unreachable`] when the API server does not answer.
pub async fn run(
    cluster: Result<Cluster, Failure>,
    asked: &Check,
    screen: &mut Screen,
) -> Result<(), Failure> {
    let cluster = cluster?;
    let mut report = Report::default();
    let completed = run_checks(&cluster, asked, &mut report).await;
    print_report(&report, asked.output, screen)?;
    completed?;
    if report.count(CheckResult::Failed) > 0 {
        Err(Failure::Checked)
    } else {
        Ok(())
    }
}

async fn run_checks(cluster: &Cluster, asked: &Check, report: &mut Report) -> Result<(), Failure> {
    let all = asked.all_namespaces;
    report.section("Kubernetes");
    check_api_server(cluster, report).await?;
    let crd = check_crd(cluster, report).await;
    let actions = "read practices, logs and journals, and forward ports";
    check_own_rights(
        cluster,
        (!all).then_some(cluster.namespace.as_str()),
        &PLUGIN_RIGHTS,
        actions,
        report,
    )
    .await;

    report.section("Operator");
    let operators =
        check_operators(cluster, all, asked.operator_namespace.as_deref(), report).await;
    for operator in operators.iter().flatten() {
        check_versions(operator, crd.as_ref(), report);
        check_operator_rights(cluster, operator, all, report).await;
    }
    let places: BTreeSet<String> = operators
        .iter()
        .flatten()
        .filter_map(ResourceExt::namespace)
        .collect();
    for place in places {
        check_own_rights(
            cluster,
            Some(&place),
            &VIEW_RIGHTS,
            "open the live view (forward ports)",
            report,
        )
        .await;
    }

    report.section("Kafka");
    check_kafka(cluster, all, operators.as_deref(), report).await;
    Ok(())
}

fn print_report(
    report: &Report,
    output: Option<Document>,
    screen: &mut Screen,
) -> Result<(), Failure> {
    match output {
        Some(format) => screen.raw(&document::printed(format, &report.value())),
        None => screen.print(&report.lines()),
    }
}

/// At most five names, and the number of further ones.
fn join_names(names: &[String]) -> String {
    let more = if names.len() > 5 {
        format!(" and {} more", names.len() - 5)
    } else {
        String::new()
    };
    format!("{}{more}", names[..names.len().min(5)].join(", "))
}

fn ready(operator: &Deployment) -> i32 {
    operator
        .status
        .as_ref()
        .and_then(|status| status.ready_replicas)
        .unwrap_or(0)
}

/// The one namespace that an operator watches; `None` means all.
fn watches(operator: &Deployment) -> Option<&str> {
    operator::watches(operator.spec.template.spec.as_ref())
}

fn covers(operator: &Deployment, namespace: &str) -> bool {
    watches(operator).is_none_or(|only| only == namespace)
}
