//! `journal`: the rebalances in the `ConfigMap` `<practice>-journal`, or the last ones of status when it is missing.

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
    screen::{Screen, print_note},
};

/// Runs the verb.
///
/// # Errors
/// The practice or the group does not exist, or the cluster does not answer.
pub async fn run(cluster: &Cluster, asked: &Journal, screen: &mut Screen) -> Result<(), Failure> {
    let practice = decoded(&cluster.practice(&asked.name).await?)?;
    let (mut entries, note) = load_entries(cluster, &practice, &asked.name).await?;
    if let Some(group) = &asked.group {
        entries.retain(|entry| entry.group == *group);
        if entries.is_empty() {
            require_group(&practice, group)?;
        }
    }
    if let Some(note) = note {
        print_note(&note);
    }
    let last = usize::try_from(asked.last).unwrap_or(usize::MAX);
    match asked.output {
        Some(Output::Json) => {
            return screen.raw(&document::json(&journal::document(entries, last)));
        }
        Some(Output::Yaml) => {
            return screen.raw(&document::yaml(&journal::document(entries, last)));
        }
        Some(Output::Wide) => return screen.print(&journal::wide(entries, &asked.name, last)),
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
    screen.print(&journal::journal(entries, &shape))
}

/// Loads the journal; or the rebalances of status, with a note why.
async fn load_entries(
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
            .map(Entry::from_status)
            .collect();
        Ok((
            last,
            Some(format!("{why}: showing the last rebalances from status")),
        ))
    };
    let found = match cluster
        .with_deadline(cluster.api::<ConfigMap>().get(&kept))
        .await?
    {
        Ok(found) => found,
        Err(kube::Error::Api(status)) if status.code == 404 => {
            return last(&format!(
                "ConfigMap {kept} does not exist in namespace {}",
                cluster.namespace
            ));
        }
        Err(kube::Error::Api(status)) if status.code == 403 => {
            return last(&format!("cannot read ConfigMap {kept}: permission denied"));
        }
        Err(error) => return Err(cluster.failure(&format!("read ConfigMap {kept}"), &error)),
    };
    let is_owner = |owner: &OwnerReference| Some(&owner.uid) == practice.metadata.uid.as_ref();
    if !found
        .metadata
        .owner_references
        .iter()
        .flatten()
        .any(is_owner)
    {
        return last(&format!(
            "ConfigMap {kept} does not belong to this practice, so no journal is recorded"
        ));
    }
    let (mut entries, mut unread) = (Vec::new(), 0);
    for (group, text) in found.data.unwrap_or_default() {
        match read(&text) {
            Ok(rebalances) => entries.extend(
                rebalances
                    .iter()
                    .map(|rebalance| Entry::from_journal(&group, rebalance)),
            ),
            Err(error) => {
                unread += 1;
                print_note(&format!(
                    "warning: ConfigMap {kept}, key {group}: not a journal of this version: {error}"
                ));
            }
        }
    }
    if entries.is_empty() && unread > 0 {
        return last(&format!("no journal in ConfigMap {kept} can be decoded"));
    }
    Ok((entries, None))
}

/// Checks that a practice has a group.
///
/// # Errors
/// [`Failure::NotFound`] lists the groups of the practice.
pub(crate) fn require_group(practice: &ConsumerGroupPractice, group: &str) -> Result<(), Failure> {
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
        "it has no groups".to_owned()
    } else {
        format!("it has {}", groups.join(", "))
    };
    Err(Failure::NotFound(format!(
        "--group `{group}` does not exist in practice {name}: {there}"
    )))
}
