//! The check of `helm test`: creates, uses and deletes a small practice like a user. In: a client, a namespace, a timeout.
//! Out: nothing, or an error with the failed step and the practice's conditions.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use http_body_util::{BodyExt, Full};
use hyper::{Method, Request, body::Bytes, header::CONTENT_TYPE};
use hyper_util::{client::legacy::Client as HttpClient, rt::TokioExecutor};
use jiff::Timestamp;
use kube::{Api, Client, ResourceExt, api::DeleteParams};
use practice_api::ConsumerGroupPractice;
use practice_contract::PRODUCER_PORT;
use serde_json::{Value, json};

use crate::error::within;

/// Pause between two polls.
const PAUSE: Duration = Duration::from_millis(500);

/// Creates a practice of one topic and two groups, sends a message, waits until both groups have consumed it, deletes it.
///
/// # Errors
/// The first step that failed or took longer than `timeout`.
pub async fn selftest(client: Client, namespace: &str, timeout: Duration) -> Result<()> {
    let api: Api<ConsumerGroupPractice> = Api::namespaced(client, namespace);
    let name = format!("selftest-{:x}", Timestamp::now().as_microsecond());
    let deadline = Instant::now() + timeout;
    let used = use_practice(&api, namespace, &name, deadline).await;
    let removed = remove_practice(&api, &name, Instant::now() + timeout).await;
    used?;
    removed?;
    println!("selftest: practice {name} created, used and deleted");
    Ok(())
}

async fn use_practice(
    api: &Api<ConsumerGroupPractice>,
    namespace: &str,
    name: &str,
    deadline: Instant,
) -> Result<()> {
    let group = |suffix: &str| json!({"name": format!("{name}-{suffix}"), "replicas": 1});
    let manifest: ConsumerGroupPractice = serde_json::from_value(json!({
        "apiVersion": "kafka-practice.dev/v1alpha1", "kind": "ConsumerGroupPractice",
        "metadata": {"name": name},
        "spec": {"topics": [{"name": name, "deletionPolicy": "Delete"}], "groups": [group("a"), group("b")]},
    }))?;
    within(
        format!("create {name}"),
        api.create(&kube::api::PostParams::default(), &manifest),
    )
    .await?;
    println!("selftest: practice {name} created in {namespace}");
    wait(api, name, deadline, "become Ready", |practice| {
        condition(practice, "Ready")
    })
    .await?;
    println!("selftest: practice is Ready");
    let offset = send(
        &format!("http://{name}-producer.{namespace}.svc:{PRODUCER_PORT}/send-message"),
        name,
    )
    .await?;
    println!("selftest: message acknowledged at offset {offset}");
    wait(
        api,
        name,
        deadline,
        "have the message consumed by both groups",
        |practice| consumed(practice, offset),
    )
    .await?;
    println!("selftest: message consumed by both groups");
    Ok(())
}

async fn remove_practice(
    api: &Api<ConsumerGroupPractice>,
    name: &str,
    deadline: Instant,
) -> Result<()> {
    if within(format!("get {name}"), api.get_opt(name))
        .await?
        .is_none()
    {
        return Ok(());
    }
    within(
        format!("delete {name}"),
        api.delete(name, &DeleteParams::background()),
    )
    .await?;
    while within(format!("get {name}"), api.get_opt(name))
        .await?
        .is_some()
    {
        ensure!(
            Instant::now() < deadline,
            "practice {name} not deleted in time: check that the operator runs and that Kafka answers"
        );
        tokio::time::sleep(PAUSE).await;
    }
    Ok(())
}

/// Polls the practice until `done`; the error contains its conditions.
async fn wait(
    api: &Api<ConsumerGroupPractice>,
    name: &str,
    deadline: Instant,
    what: &str,
    done: impl Fn(&ConsumerGroupPractice) -> bool,
) -> Result<()> {
    loop {
        let practice = within(format!("get {name}"), api.get(name)).await?;
        if done(&practice) {
            return Ok(());
        }
        if Instant::now() >= deadline {
            bail!(
                "practice {} did not {what} in time. {}",
                practice.name_any(),
                conditions(&practice)
            );
        }
        tokio::time::sleep(PAUSE).await;
    }
}

fn condition(practice: &ConsumerGroupPractice, kind: &str) -> bool {
    let status = practice.status.as_ref();
    status
        .and_then(|status| status.condition(kind))
        .is_some_and(|condition| condition.status == "True")
}

/// Whether every group has committed beyond `offset`.
fn consumed(practice: &ConsumerGroupPractice, offset: i64) -> bool {
    practice.status.as_ref().is_some_and(|status| {
        status.groups.iter().all(|group| {
            let mut committed = group
                .members
                .iter()
                .flat_map(|member| &member.partitions)
                .map(|p| p.committed);
            committed.any(|committed| committed.is_some_and(|committed| committed > offset))
        })
    })
}

fn conditions(practice: &ConsumerGroupPractice) -> String {
    let Some(status) = &practice.status else {
        return "It has no status: check that the operator runs and watches this namespace"
            .to_owned();
    };
    let each = status
        .conditions
        .iter()
        .map(|c| format!("{}={} ({}: {})", c.type_, c.status, c.reason, c.message));
    each.collect::<Vec<_>>().join("; ")
}

async fn send(url: &str, topic: &str) -> Result<i64> {
    let request = Request::builder()
        .method(Method::POST)
        .uri(url)
        .header(CONTENT_TYPE, "application/json")
        .body(Full::new(Bytes::from(
            json!({"topic": topic, "value": "selftest"}).to_string(),
        )))?;
    let client = HttpClient::builder(TokioExecutor::new()).build_http::<Full<Bytes>>();
    let answer = async {
        let answer = client.request(request).await?;
        let status = answer.status();
        Ok::<_, anyhow::Error>((status, answer.into_body().collect().await?.to_bytes()))
    };
    let (status, body) = tokio::time::timeout(Duration::from_secs(15), answer)
        .await
        .with_context(|| format!("POST {url} was not answered within 15 s"))?
        .with_context(|| format!("POST {url}"))?;
    ensure!(
        status.is_success(),
        "POST {url} was answered {status}: {}",
        String::from_utf8_lossy(&body)
    );
    let body: Value = serde_json::from_slice(&body).context("the producer's answer is not JSON")?;
    body["offset"]
        .as_i64()
        .context("the producer's answer has no offset")
}
