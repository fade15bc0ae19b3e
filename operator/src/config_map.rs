//! Writes a `ConfigMap` of which the operator is the only writer. In: keys to set or to remove, and the version that was read. Out:
//! the new version. Not by server-side apply: keys of two writers do not conflict there, so a `ConfigMap` of another owner would
//! be taken over. Created if there is none, changed only in the version that was read: otherwise Kubernetes answers 409.

use k8s_openapi::api::core::v1::ConfigMap;
use kube::{
    Api,
    api::{Patch, PatchParams, PostParams},
};
use practice_plan::ownership::Update;
use serde_json::json;

use crate::{
    apply::MANAGER,
    error::{Request, within},
};

/// Writes an update and returns the new version. `new`: the object without data, as it is created. `version`: of the one that was
/// read; `None`: there is none.
pub(crate) async fn write(
    api: &Api<ConfigMap>,
    mut new: ConfigMap,
    update: &Update,
    version: Option<&str>,
) -> Result<Option<String>, Request> {
    let name = new.metadata.name.clone().unwrap_or_default();
    let (what, field_manager) = (format!("write {name}"), Some(MANAGER.to_owned()));
    let written = if let Some(version) = version {
        let body = json!({"metadata": {"resourceVersion": version}, "data": update});
        let params = PatchParams {
            field_manager,
            ..PatchParams::default()
        };
        within(what, api.patch(&name, &params, &Patch::Merge(&body))).await?
    } else {
        let set = update.iter();
        let set = set.filter_map(|(key, text)| Some((key.clone(), text.clone()?)));
        new.data = Some(set.collect());
        let params = PostParams {
            field_manager,
            ..PostParams::default()
        };
        within(what, api.create(&params, &new)).await?
    };
    Ok(written.metadata.resource_version)
}
