//! `journal`: the rebalances that the operator has kept in the `ConfigMap` `<practice>-journal`; without it the last ones, from
//! status.

use jiff::Zoned;
use k8s_openapi::{api::core::v1::ConfigMap, apimachinery::pkg::apis::meta::v1::OwnerReference};
use practice_api::ConsumerGroupPractice;
use practice_groups::journal::read;

use crate::{
    args::{Journal, Output},
    cluster::{Cluster, decoded},
    document,
    error::Failure,
    journal::{self, Entry},
    screen::{Screen, mention},
};

/// Does it.
///
/// # Errors
/// The practice or the group is not there, or the cluster does not answer.
pub async fn run(cluster: &Cluster, asked: &Journal, screen: &mut Screen) -> Result<(), Failure> {
    let practice = decoded(&cluster.practice(&asked.name).await?)?;
    let (mut entries, note) = entries(cluster, &practice, &asked.name).await?;
    if let Some(group) = &asked.group {
        entries.retain(|entry| entry.group == *group);
        if entries.is_empty() {
            must_have(&practice, group)?;
        }
    }
    if let Some(note) = note {
        mention(&note);
    }
    let last = usize::try_from(asked.last).unwrap_or(usize::MAX);
    match asked.output {
        Some(Output::Json) => {
            return screen.raw(&document::json(&journal::document(entries, last)));
        }
        Some(Output::Yaml) => {
            return screen.raw(&document::yaml(&journal::document(entries, last)));
        }
        Some(Output::Wide) => return screen.say(&journal::wide(entries, &asked.name, last)),
        None => {}
    }
    let groups = practice.spec.groups.len();
    let shape = journal::Shape {
        practice: asked.name.clone(),
        width: screen.width(),
        with_group: asked.group.is_none()
            && (groups > 1 || entries.iter().any(|one| one.group != entries[0].group)),
        last,
        now: Zoned::now(),
    };
    screen.say(&journal::journal(entries, &shape))
}

/// What was kept; or the last ones, and why it is only these.
async fn entries(
    cluster: &Cluster,
    practice: &ConsumerGroupPractice,
    name: &str,
) -> Result<(Vec<Entry>, Option<String>), Failure> {
    let kept = format!("{name}-journal");
    let last = |why: &str| {
        let last = practice
            .status
            .iter()
            .flat_map(|status| &status.rebalances)
            .map(Entry::told)
            .collect();
        Ok((
            last,
            Some(format!("{why}: these are the last ones, from status")),
        ))
    };
    let found = match cluster
        .answered(cluster.api::<ConfigMap>().get(&kept))
        .await?
    {
        Ok(found) => found,
        Err(kube::Error::Api(status)) if status.code == 404 => {
            return last(&format!(
                "there is no ConfigMap {kept} in namespace {}",
                cluster.namespace
            ));
        }
        Err(kube::Error::Api(status)) if status.code == 403 => {
            return last(&format!("you may not read ConfigMap {kept}"));
        }
        Err(error) => return Err(cluster.failure(&format!("read ConfigMap {kept}"), &error)),
    };
    let is_its = |owner: &OwnerReference| Some(&owner.uid) == practice.metadata.uid.as_ref();
    if !found.metadata.owner_references.iter().flatten().any(is_its) {
        return last(&format!(
            "ConfigMap {kept} is not this practice's, so no journal is kept"
        ));
    }
    let (mut entries, mut unread) = (Vec::new(), 0);
    for (group, text) in found.data.unwrap_or_default() {
        match read(&text) {
            Ok(rebalances) => entries.extend(
                rebalances
                    .iter()
                    .map(|rebalance| Entry::kept(&group, rebalance)),
            ),
            Err(error) => {
                unread += 1;
                mention(&format!(
                    "warning: ConfigMap {kept}, {group}: not a journal of this version: {error}"
                ));
            }
        }
    }
    if entries.is_empty() && unread > 0 {
        return last(&format!("nothing of ConfigMap {kept} can be read"));
    }
    Ok((entries, None))
}

/// Whether a group is one of the practice's.
///
/// # Errors
/// [`Failure::NotFound`] names those that are.
pub(crate) fn must_have(practice: &ConsumerGroupPractice, group: &str) -> Result<(), Failure> {
    let groups: Vec<&str> = practice
        .spec
        .groups
        .iter()
        .map(|group| group.name.as_str())
        .collect();
    if groups.contains(&group) {
        return Ok(());
    }
    let name = practice.metadata.name.as_deref().unwrap_or_default();
    let there = if groups.is_empty() {
        "it has none".to_owned()
    } else {
        format!("it has {}", groups.join(", "))
    };
    Err(Failure::NotFound(format!(
        "--group is `{group}`: practice {name} has no such group, {there}"
    )))
}
