//! `check`: is everything there, and is it allowed to do its work? Every question is asked, also after one has failed; what
//! cannot be asked is said to be skipped. Of several operators those are judged that watch the namespace that is meant. A file
//! for each section, and one for rights. Writes nothing.

mod kafka;
mod kubernetes;
mod operators;
mod rights;

use std::collections::BTreeSet;

use k8s_openapi::api::apps::v1::Deployment;
use kube::ResourceExt;

use self::{
    kafka::kafka,
    kubernetes::{api_server, crd},
    operators::{in_step, operators},
    rights::{OURSELVES, PICTURE, rights, yourself},
};
use crate::{
    args::{Check, Document},
    cluster::Cluster,
    document,
    error::Failure,
    operator,
    report::{Report, Verdict},
    screen::Screen,
};

const INSTALL: &str = "helm install cgp charts/consumer-group-practice -n kafka-practice --create-namespace --set kafka.bootstrapServers=HOST:PORT";

/// Does it.
///
/// # Errors
/// [`Failure::Checked`] when something fails, [`Failure::Unreachable`] when nothing can be asked.
pub async fn run(
    cluster: Result<Cluster, Failure>,
    asked: &Check,
    screen: &mut Screen,
) -> Result<(), Failure> {
    let cluster = cluster?;
    let mut report = Report::default();
    let asked_for = report_on(&cluster, asked, &mut report).await;
    say(&report, asked.output, screen)?;
    asked_for?;
    if report.count(Verdict::Failed) > 0 {
        Err(Failure::Checked)
    } else {
        Ok(())
    }
}

async fn report_on(cluster: &Cluster, asked: &Check, report: &mut Report) -> Result<(), Failure> {
    let all = asked.all_namespaces;
    report.section("Kubernetes");
    api_server(cluster, report).await?;
    let crd = crd(cluster, report).await;
    let may = "read practices, logs and journals, and forward ports";
    yourself(
        cluster,
        (!all).then_some(cluster.namespace.as_str()),
        &OURSELVES,
        may,
        report,
    )
    .await;

    report.section("Operator");
    let operators = operators(cluster, all, asked.operator_namespace.as_deref(), report).await;
    for operator in operators.iter().flatten() {
        in_step(operator, crd.as_ref(), report);
        rights(cluster, operator, all, report).await;
    }
    let places: BTreeSet<String> = operators
        .iter()
        .flatten()
        .filter_map(ResourceExt::namespace)
        .collect();
    for place in places {
        yourself(
            cluster,
            Some(&place),
            &PICTURE,
            "look at the picture: forward ports",
            report,
        )
        .await;
    }

    report.section("Kafka");
    kafka(cluster, all, operators.as_deref(), report).await;
    Ok(())
}

fn say(report: &Report, output: Option<Document>, screen: &mut Screen) -> Result<(), Failure> {
    match output {
        Some(format) => screen.raw(&document::printed(format, &report.value())),
        None => screen.say(&report.lines()),
    }
}

/// Five at most, and how many more there are.
fn some_of(names: &[String]) -> String {
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

/// The one namespace that an operator watches; `None`: all.
fn watches(operator: &Deployment) -> Option<&str> {
    operator::watches(operator.spec.template.spec.as_ref())
}

fn covers(operator: &Deployment, namespace: &str) -> bool {
    watches(operator).is_none_or(|only| only == namespace)
}
