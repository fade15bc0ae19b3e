//! Actions of the live view, if the operator runs with `--view-actions`. In: a validated action. Out: one change of the practice's
//! manifest, or one deleted pod; `reconcile` and Kubernetes do the rest. Also reads logs, which is always allowed. Deliberately
//! absent: any other right.

use std::sync::Arc;

use axum::http::StatusCode;
use futures::{AsyncBufReadExt, FutureExt, StreamExt, stream::BoxStream};
use k8s_openapi::api::core::v1::Pod;
use kube::{
    Api, Client, ResourceExt,
    api::{ApiResource, DeleteParams, DynamicObject, LogParams, Patch, PatchParams, Preconditions},
};
use practice_api::ConsumerGroupPractice;
use practice_plan::{labels::PRACTICE, plan::Defaults};
use practice_view::{Action, Doing, Key, Means, Refusal, Scale};
use serde_json::{Value, json};
use tokio::sync::mpsc;

use crate::{
    apply::code,
    error::{Request, within},
    forecast::preview_action,
};

/// Field manager of these changes, as in `kubectl get --show-managed-fields`.
const MANAGER: &str = "practice-picture";
/// Attempts to change a manifest that another client changes at the same time.
const ATTEMPTS: usize = 4;

/// Actions and previews for the live view. `request_poll` receives practices to poll at once.
pub(crate) fn means(
    client: &Client,
    defaults: &Defaults,
    how: Option<String>,
    request_poll: mpsc::UnboundedSender<Key>,
) -> Means {
    let (acts, reads, previews) = (
        client.clone(),
        client.clone(),
        (client.clone(), defaults.clone()),
    );
    Means {
        doing: match how {
            Some(how) => Doing::Off { how },
            None => Doing::On(Arc::new(move |key, action| {
                act(acts.clone(), key, action).boxed()
            })),
        },
        foresee: Arc::new(move |key, action| {
            preview_action(previews.0.clone(), previews.1.clone(), key, action).boxed()
        }),
        logs: Arc::new(move |key, consumer, tail| logs(reads.clone(), key, consumer, tail).boxed()),
        request_poll: Arc::new(move |key| {
            let _ = request_poll.send(key.clone()); // the receiver is closed: the operator is shutting down
        }),
        hosts: Vec::new(),
    }
}

async fn act(client: Client, key: Key, action: Action) -> Result<String, Refusal> {
    tracing::info!(
        namespace = key.0,
        practice = key.1,
        ?action,
        "action from the live view"
    );
    match action {
        Action::Scale { group, to } => scale(&client, &key, &group, to).await,
        Action::Stop { group } => {
            set(&client, &key, &group, "state", |_| json!("Stopped")).await?;
            Ok(format!(
                "group {group} is stopping: its consumers leave, its committed offsets stay"
            ))
        }
        Action::Start { group } => {
            set(&client, &key, &group, "state", |_| json!("Running")).await?;
            Ok(format!(
                "group {group} is starting: its former number of consumers is restored"
            ))
        }
        Action::Load {
            messages_per_second,
            value_bytes,
        } => load(&client, &key, messages_per_second, value_bytes).await,
        Action::Restart { consumer } => {
            delete(&client, &key, &consumer, &DeleteParams::default()).await?;
            Ok(format!(
                "pod {consumer} deleted: its consumer leaves the group, and Kubernetes starts a new pod"
            ))
        }
        Action::Kill { consumer } => {
            delete(
                &client,
                &key,
                &consumer,
                &DeleteParams::default().grace_period(0),
            )
            .await?;
            Ok(format!(
                "pod {consumer} deleted without grace period: Kubernetes starts a new pod"
            ))
        }
        Action::Pause { .. } | Action::Resume { .. } => Err(Refusal::unknown(
            "consumers in a cluster cannot be paused: use practice-local",
        )),
        Action::StopBroker { .. } | Action::StartBroker { .. } => Err(Refusal::unknown(
            "the operator does not manage brokers: use practice-local --kafka apache --brokers 3",
        )),
    }
}

async fn scale(client: &Client, key: &Key, group: &str, to: Scale) -> Result<String, Refusal> {
    let replicas = set(client, key, group, "replicas", |before| {
        json!(scaled(before, to))
    });
    Ok(format!(
        "group {group} scaled to {} consumers, not counting variants",
        replicas.await?
    ))
}

/// The number of replicas, `before` being the manifest's.
pub(crate) fn scaled(before: &Value, to: Scale) -> i64 {
    match to {
        Scale::To(replicas) => i64::from(replicas),
        Scale::By(by) => before
            .as_i64()
            .unwrap_or(0)
            .saturating_add(i64::from(by))
            .clamp(0, 100),
    }
}

/// Changes one field of a group in a manifest, and returns its new value.
pub(crate) fn edit(
    practice: &mut DynamicObject,
    group: &str,
    field: &str,
    to: impl Fn(&Value) -> Value,
) -> Result<Value, Refusal> {
    let groups = practice
        .data
        .pointer_mut("/spec/groups")
        .and_then(Value::as_array_mut);
    let Some(entry) = groups
        .into_iter()
        .flatten()
        .find(|entry| entry["name"] == group)
    else {
        let name = practice.name_any();
        return Err(Refusal::unknown(format!(
            "practice {name} no longer has group {group}"
        )));
    };
    let value = to(&entry[field]);
    entry[field] = value.clone();
    Ok(value)
}

/// Reads the current practice.
pub(crate) async fn practice(
    client: &Client,
    (namespace, name): &Key,
) -> Result<DynamicObject, Refusal> {
    within("read the practice", practices(client, namespace).get(name))
        .await
        .map_err(refused)
}

/// Sets one field of a group in the manifest. The whole list is written, with the resource version: a merge patch cannot address
/// one entry of a list.
async fn set(
    client: &Client,
    key: &Key,
    group: &str,
    field: &str,
    to: impl Fn(&Value) -> Value,
) -> Result<Value, Refusal> {
    let (namespace, name) = key;
    let practices = practices(client, namespace);
    for _ in 0..ATTEMPTS {
        let mut practice = practice(client, key).await?;
        let value = edit(&mut practice, group, field, &to)?;
        let version = practice.resource_version();
        let groups = &practice.data["spec"]["groups"];
        let patch = json!({"metadata": {"resourceVersion": version}, "spec": {"groups": groups}});
        match within(
            "change the practice",
            practices.patch(name, &manager(), &Patch::Merge(&patch)),
        )
        .await
        {
            Ok(_) => return Ok(value),
            Err(error) if code(&error) == Some(409) => {} // another client changed it: retry on its version
            Err(error) => return Err(refused(error)),
        }
    }
    let message = format!("practice {name} not changed: other clients keep changing it; try again");
    Err(Refusal::new(StatusCode::CONFLICT, message))
}

async fn load(
    client: &Client,
    (namespace, name): &Key,
    rate: u32,
    bytes: Option<u32>,
) -> Result<String, Refusal> {
    let load = match (rate, bytes) {
        (0, _) => Value::Null,
        (rate, None) => json!({"messagesPerSecond": rate}),
        (rate, Some(bytes)) => json!({"messagesPerSecond": rate, "valueBytes": bytes}),
    };
    let patch = json!({"spec": {"producer": {"load": load}}});
    let change = practices(client, namespace);
    within(
        "change the practice",
        change.patch(name, &manager(), &Patch::Merge(&patch)),
    )
    .await
    .map_err(refused)?;
    Ok(match rate {
        0 => "load stopped: the producer restarts without it".to_owned(),
        rate => format!("the producer restarts and sends {rate} messages a second"),
    })
}

/// Deletes a pod of the practice, but no later pod of the same name.
async fn delete(
    client: &Client,
    (namespace, name): &Key,
    pod: &str,
    params: &DeleteParams,
) -> Result<(), Refusal> {
    let pods: Api<Pod> = Api::namespaced(client.clone(), namespace);
    let there = within("read the pod", pods.get_metadata(pod))
        .await
        .map_err(refused)?;
    if there.labels().get(PRACTICE) != Some(name) {
        return Err(Refusal::unknown(format!(
            "pod {pod} does not belong to practice {name}"
        )));
    }
    let preconditions = Preconditions {
        uid: there.uid(),
        resource_version: None,
    };
    let params = DeleteParams {
        preconditions: Some(preconditions),
        ..params.clone()
    };
    within("delete the pod", pods.delete(pod, &params))
        .await
        .map_err(refused)?;
    Ok(())
}

async fn logs(
    client: Client,
    (namespace, name): Key,
    pod: String,
    tail: usize,
) -> Result<BoxStream<'static, String>, Refusal> {
    let pods: Api<Pod> = Api::namespaced(client, &namespace);
    let there = within("read the pod", pods.get_metadata(&pod))
        .await
        .map_err(refused)?;
    if there.labels().get(PRACTICE) != Some(&name) {
        return Err(Refusal::unknown(format!(
            "pod {pod} does not belong to practice {name}"
        )));
    }
    let params = LogParams {
        follow: true,
        tail_lines: i64::try_from(tail).ok(),
        ..LogParams::default()
    };
    let log = within("read the log", pods.log_stream(&pod, &params))
        .await
        .map_err(refused)?;
    // a read error ends the stream: the page shows the end
    Ok(log
        .lines()
        .take_while(|line| std::future::ready(line.is_ok()))
        .filter_map(async |line| line.ok())
        .boxed())
}

fn practices(client: &Client, namespace: &str) -> Api<DynamicObject> {
    Api::namespaced_with(
        client.clone(),
        namespace,
        &ApiResource::erase::<ConsumerGroupPractice>(&()),
    )
}

fn manager() -> PatchParams {
    PatchParams {
        field_manager: Some(MANAGER.to_owned()),
        ..PatchParams::default()
    }
}

/// Maps an error of Kubernetes to a status: client errors as they are, otherwise 502 or 504.
pub(crate) fn refused(error: Request) -> Refusal {
    let status = match code(&error) {
        Some(code @ (400 | 403 | 404 | 409 | 422)) => {
            StatusCode::from_u16(code).unwrap_or_default()
        }
        Some(_) => StatusCode::BAD_GATEWAY,
        None => StatusCode::GATEWAY_TIMEOUT,
    };
    Refusal::new(status, error.to_string())
}
