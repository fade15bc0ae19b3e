//! In: desired and existing objects. Out: what runs. Writes only differences (steady state: 0 writes) by server-side apply under one
//! field manager; deletes objects that are no longer desired; never changes objects of another owner.

mod difference;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ManagedFieldsEntry;
use kube::{
    Client, ResourceExt,
    api::{DeleteParams, DynamicObject, Patch, PatchParams, Preconditions},
};
use practice_plan::{
    labels::{HOLD, is_held},
    outcome::{Change, ChangeAction, Kind, ObjectName, Running, RunningRow},
    plan::Plan,
};
use serde_json::{Value, json};

use self::difference::{comparable, contains, hash, without_replicas, without_replicas_before};
use crate::{
    error::{Error, Request, within},
    live::{KINDS, Live, api, number, owner, owns, owns_replicas, replicas},
    objects::Object,
};

/// The operator's field manager.
pub const MANAGER: &str = "practice-operator";
/// The field manager of `spec.replicas` where the manifest does not set it.
pub const REPLICAS_MANAGER: &str = "practice-operator-replicas";
/// Annotation: a hash of the last applied object, to distinguish a changed manifest from a change by another client.
pub const APPLIED: &str = "kafka-practice.dev/applied";
/// How often a hand-over is tried: another client may have written the Deployment since it was read.
const ATTEMPTS: usize = 5;

/// Makes the practice's objects in Kubernetes equal to `objects`.
///
/// # Errors
/// [`Error::Apply`] when Kubernetes refuses or does not answer; earlier writes are kept, and a retry continues.
pub async fn apply(
    client: &Client,
    plan: &Plan,
    objects: &[Object],
    live: Live,
) -> Result<Running, Error> {
    let mut running = Running {
        pods: live.pods.iter().map(|pod| pod.name.clone()).collect(),
        ..Running::default()
    };
    for kind in KINDS {
        let wanted = || objects.iter().filter(move |object| object.kind == kind);
        for object in wanted() {
            let found = live
                .objects
                .iter()
                .find(|(k, there)| *k == kind && there.name_any() == object.name);
            let after = put(
                client,
                plan,
                object,
                found.map(|(_, there)| there),
                &mut running,
            )
            .await?;
            if let Some(after) = after {
                record(&mut running, object, &after);
            }
        }
        for (_, stray) in live
            .objects
            .iter()
            .filter(|(k, there)| *k == kind && owner(there).uid == plan.uid)
        {
            if !wanted().any(|object| object.name == stray.name_any()) {
                remove(client, plan, kind, stray, &mut running).await?;
            }
        }
    }
    Ok(running)
}

/// Writes one object if it differs; `None`: an object of another owner has its name.
async fn put(
    client: &Client,
    plan: &Plan,
    object: &Object,
    found: Option<&DynamicObject>,
    running: &mut Running,
) -> Result<Option<DynamicObject>, Error> {
    let title = ObjectName {
        kind: object.kind,
        name: object.name.clone(),
    };
    let change = |action| Change {
        object: title.clone(),
        action,
    };
    let api = api(client, &plan.namespace, object.kind);
    let fetched = match found {
        Some(_) => None,
        // it lacks the practice's label, or does not exist
        None => within(format!("get {title}"), api.get_opt(&object.name))
            .await
            .map_err(Error::Apply)?,
    };
    let there = found.or(fetched.as_ref());
    if let Some(there) = there {
        let owner = owner(there);
        if owner.uid != plan.uid {
            if owner.is_former(plan) {
                &mut running.leaving
            } else {
                &mut running.conflicts
            }
            .push(title.clone());
            return Ok(None);
        }
    }
    let mut body = object.body.clone();
    let hash = hash(&without_replicas_before(&body));
    body["metadata"]["annotations"][APPLIED] = json!(hash);
    if let Some(there) = there {
        let same_wish = there.annotations().get(APPLIED) == Some(&hash);
        let found = json!({"metadata": there.metadata, "spec": there.data["spec"]});
        if object.hold.is_some() && found["spec"]["paused"] == true {
            body["spec"]["paused"] = json!(false); // its pods would come from the former template
        }
        if same_wish && contains(&found, &comparable(&body)) {
            return Ok(Some(there.clone()));
        }
        let scaled = scaled_back(object, there);
        let is_rest_as_wished = scaled.is_some() && contains(&found, &without_replicas(&body));
        running.changes.extend(scaled.map(change));
        if !same_wish {
            running.changes.push(change(ChangeAction::Updated));
        } else if !is_rest_as_wished {
            let by = last_foreign_manager(there);
            running.changes.push(change(ChangeAction::Repaired { by }));
        }
        if let Some(replicas) = object.hand_over {
            hand_over(&api, object, &body, there, replicas).await?;
        }
    } else {
        running.changes.push(change(ChangeAction::Created));
    }
    let params = PatchParams {
        force: there.is_some(),
        ..PatchParams::apply(MANAGER)
    };
    match patch(&api, object, &body, params).await {
        Ok(after) => Ok(Some(after)),
        // a Deployment's selector is immutable, and an older release had another one
        Err(error) if is_immutable(&error) && there.is_some() => {
            if let Some(there) = there {
                remove(client, plan, object.kind, there, running).await?;
            }
            Err(Error::Apply(error))
        }
        Err(error) => Err(Error::Apply(error)),
    }
}

async fn patch(
    api: &kube::Api<DynamicObject>,
    object: &Object,
    body: &Value,
    params: PatchParams,
) -> Result<DynamicObject, Request> {
    let what = format!("apply {} {}", object.kind.name(), object.name);
    within(what, api.patch(&object.name, &params, &Patch::Apply(body))).await
}

/// Gives the number of replicas to a second field manager, so that leaving it out does not reset it to 1. A number that another
/// client has set since `there` was read is kept.
async fn hand_over(
    api: &kube::Api<DynamicObject>,
    object: &Object,
    body: &Value,
    there: &DynamicObject,
    replicas: i32,
) -> Result<(), Error> {
    let (mut there, mut attempt) = (there.clone(), 1);
    while owns_replicas(&there) {
        match try_hand_over(api, object, body, &there, replicas).await {
            Err(error) if code(&error) == Some(409) && attempt < ATTEMPTS => attempt += 1,
            done => return done.map_err(Error::Apply),
        }
        let what = format!("get {} {}", object.kind.name(), object.name);
        let read = within(what, api.get(&object.name)).await;
        there = read.map_err(Error::Apply)?;
    }
    Ok(())
}

/// The same in the version that was read: otherwise Kubernetes answers 409.
async fn try_hand_over(
    api: &kube::Api<DynamicObject>,
    object: &Object,
    body: &Value,
    there: &DynamicObject,
    replicas: i32,
) -> Result<(), Request> {
    let mut version = there.metadata.resource_version.clone();
    if is_held_template(there) {
        // with the number alone, pods would come from the template of the hold
        let mut started = body.clone();
        started["spec"]["replicas"] = json!(replicas);
        started["metadata"]["resourceVersion"] = json!(version);
        let started = patch(api, object, &started, PatchParams::apply(MANAGER).force()).await?;
        version = started.metadata.resource_version;
    }
    let body = json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": object.name, "resourceVersion": version}, "spec": {"replicas": replicas},
    });
    let params = PatchParams::apply(REPLICAS_MANAGER).force();
    let what = format!("hand over replicas of {}", object.name);
    within(what, api.patch(&object.name, &params, &Patch::Apply(&body))).await?;
    Ok(())
}

async fn remove(
    client: &Client,
    plan: &Plan,
    kind: Kind,
    stray: &DynamicObject,
    running: &mut Running,
) -> Result<(), Error> {
    if stray.metadata.deletion_timestamp.is_some() {
        return Ok(());
    }
    let object = ObjectName {
        kind,
        name: stray.name_any(),
    };
    let preconditions = Preconditions {
        uid: stray.metadata.uid.clone(),
        resource_version: None,
    };
    let params = DeleteParams {
        preconditions: Some(preconditions),
        ..DeleteParams::background()
    };
    let deleted = within(
        format!("delete {object}"),
        api(client, &plan.namespace, kind).delete(&stray.name_any(), &params),
    )
    .await;
    match deleted {
        Ok(_) => running.changes.push(Change {
            object,
            action: ChangeAction::Deleted,
        }),
        Err(error) if code(&error).is_some_and(|code| code == 404 || code == 409) => {} // another client deleted it first
        Err(error) => return Err(Error::Apply(error)),
    }
    Ok(())
}

pub(crate) fn code(error: &Request) -> Option<u16> {
    match error {
        Request::Failed { source, .. } => match source.as_ref() {
            kube::Error::Api(status) => Some(status.code),
            _ => None,
        },
        Request::TimedOut { .. } => None,
    }
}

fn is_immutable(error: &Request) -> bool {
    code(error) == Some(422) && error.to_string().contains("field is immutable")
}

/// Records the state of an object after it was applied.
fn record(running: &mut Running, object: &Object, after: &DynamicObject) {
    if object.kind != Kind::Deployment {
        return;
    }
    let status = &after.data["status"];
    let conditions = status["conditions"].as_array();
    let condition = |kind: &str| {
        conditions
            .into_iter()
            .flatten()
            .find(|c| c["type"] == kind && c["status"] == "True")
    };
    if let Some(failure) = condition("ReplicaFailure") {
        running.refusals.push(
            failure["message"]
                .as_str()
                .unwrap_or("pods are rejected")
                .to_owned(),
        );
    }
    match after.annotations().get(practice_plan::labels::GROUP) {
        Some(group) => running.rows.push(RunningRow {
            group: group.clone(),
            deployment: object.name.clone(),
            desired: replicas(after),
            ready: number(&status["readyReplicas"]),
        }),
        None => {
            running.producer =
                Some(condition("Available").is_some() && number(&status["readyReplicas"]) > 0);
        }
    }
}

/// The change for a Deployment that was scaled while its consumers do not join their group.
fn scaled_back(object: &Object, there: &DynamicObject) -> Option<ChangeAction> {
    let (group, hold) = object.hold.clone()?;
    // the Deployment of a group that is held from now on has its former number
    let from = Some(replicas(there)).filter(|from| is_held_template(there) && *from > 0)?;
    Some(ChangeAction::ScaledBack {
        group,
        hold,
        from,
        by: replicas_manager(there),
    })
}

fn is_held_template(deployment: &DynamicObject) -> bool {
    let annotations = &deployment.data["spec"]["template"]["metadata"]["annotations"];
    is_held(annotations[HOLD].as_str())
}

/// The foreign field manager that last set `spec.replicas`.
fn replicas_manager(object: &DynamicObject) -> Option<String> {
    foreign_managers(object)
        .filter(|entry| owns(entry, "f:replicas"))
        .max_by_key(|entry| entry.time.as_ref().map(|time| time.0))
        .and_then(|entry| entry.manager.clone())
}

/// The field manager that last changed an object, except the operator's own and writes of status.
fn last_foreign_manager(object: &DynamicObject) -> Option<String> {
    foreign_managers(object)
        .filter(|entry| entry.subresource.as_deref().unwrap_or_default() != "status")
        .max_by_key(|entry| entry.time.as_ref().map(|time| time.0))
        .and_then(|entry| entry.manager.clone())
}

fn foreign_managers(object: &DynamicObject) -> impl Iterator<Item = &ManagedFieldsEntry> {
    object.managed_fields().iter().filter(|entry| {
        !matches!(
            entry.manager.as_deref(),
            None | Some(MANAGER | REPLICAS_MANAGER)
        )
    })
}
