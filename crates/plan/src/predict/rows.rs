//! The rows of a group: how many consumers each has and will have, and whether they are replaced. In: a group's plan and the
//! one before, its status. Out: a [`Row`] for each Deployment, removed ones included. Pure.

use std::collections::BTreeMap;

use practice_api::{
    PracticeStatus,
    status::{GroupStatus, Member},
};
use practice_contract::duration;

use crate::plan::{GroupPlan, Plan, RowPlan};

/// One Deployment.
#[derive(Debug)]
pub(super) struct Row {
    /// Its name.
    pub(super) deployment: String,
    /// The variant; empty: the plain members.
    pub(super) variant: String,
    /// Consumers now.
    pub(super) from: usize,
    /// Consumers afterwards.
    pub(super) to: usize,
    /// Settings that change; if there are any, every consumer is replaced.
    pub(super) changed_settings: Vec<String>,
    /// Whether all members stop before new ones start.
    switched: bool,
}

impl Row {
    /// Whether every consumer is replaced.
    pub(super) fn is_replaced(&self) -> bool {
        self.switched || !self.changed_settings.is_empty()
    }

    /// Consumers that stop.
    pub(super) fn stops(&self) -> usize {
        if self.is_replaced() {
            self.from
        } else {
            self.from.saturating_sub(self.to)
        }
    }

    /// Consumers that start.
    pub(super) fn starts(&self) -> usize {
        if self.is_replaced() {
            self.to
        } else {
            self.to.saturating_sub(self.from)
        }
    }
}

/// The rows of a group, in the manifest's order, then removed ones.
pub(super) fn rows(
    after: Option<&GroupPlan>,
    before: Option<&GroupPlan>,
    status: Option<&GroupStatus>,
    rows: Option<&BTreeMap<String, String>>,
) -> Vec<Row> {
    let switched = matches!((before, after), (Some(before), Some(after)) if before.protocol_key() != after.protocol_key());
    let of = |group: Option<&GroupPlan>, variant: &str| {
        group
            .and_then(|group| group.rows.iter().find(|row| row.variant == variant))
            .cloned()
    };
    let from = |former: &RowPlan| before.map_or(0, |group| running(group, former, status, rows));
    let stay = after.into_iter().flat_map(|group| &group.rows).map(|row| {
        let former = of(before, &row.variant);
        let from = former.as_ref().map_or(0, from);
        // replicas that an autoscaler has set to 0 stay at 0; a row whose `replicas` was just removed starts at 1
        let runs = before.is_some_and(|group| !group.stopped)
            && status.is_none_or(|status| status.group_id_owned);
        let keeps_scale = runs
            && former
                .as_ref()
                .is_some_and(|former| former.replicas.is_none());
        let to = if after.is_some_and(|group| group.stopped) {
            0
        } else {
            wanted(row, from, keeps_scale)
        };
        let changed_settings = former
            .as_ref()
            .map(|former| changed_settings(former, row))
            .unwrap_or_default();
        Row {
            deployment: row.deployment.clone(),
            variant: row.variant.clone(),
            from,
            to,
            changed_settings,
            switched,
        }
    });
    let go = before
        .into_iter()
        .flat_map(|group| &group.rows)
        .filter(|row| of(after, &row.variant).is_none());
    let go = go.map(|row| Row {
        deployment: row.deployment.clone(),
        variant: row.variant.clone(),
        from: from(row),
        to: 0,
        changed_settings: Vec::new(),
        switched: false,
    });
    stay.chain(go).collect()
}

/// How many consumers a row will have. Where `replicas` is not set: the current number if the row `keeps_scale`, otherwise at
/// least 1.
fn wanted(row: &RowPlan, from: usize, keeps_scale: bool) -> usize {
    let scaled = if keeps_scale { from } else { from.max(1) };
    row.replicas
        .map_or(scaled, |replicas| usize::try_from(replicas).unwrap_or(0))
}

/// How many consumers a row has now.
fn running(
    group: &GroupPlan,
    row: &RowPlan,
    status: Option<&GroupStatus>,
    rows: Option<&BTreeMap<String, String>>,
) -> usize {
    if group.stopped || status.is_some_and(|status| !status.group_id_owned) {
        return 0;
    }
    let Some(replicas) = row.replicas else {
        let known: i32 = group.rows.iter().filter_map(|row| row.replicas).sum();
        let others = group
            .rows
            .iter()
            .filter(|row| row.replicas.is_none())
            .count();
        return match (status, rows) {
            (Some(status), _) if others == 1 => {
                usize::try_from(status.replicas - known).unwrap_or(0)
            }
            (Some(status), Some(rows)) => {
                let of_row = |name: &String| {
                    rows.get(name)
                        .is_some_and(|deployment| *deployment == row.deployment)
                };
                status
                    .members
                    .iter()
                    .filter(|member| of_row(&member.name))
                    .count()
            }
            _ => 1,
        };
    };
    usize::try_from(replicas).unwrap_or(0)
}

/// The Deployment of each consumer that is a pod: the longest Deployment name that begins the pod's name.
pub fn rows_of_pods(plan: &Plan, status: &PracticeStatus) -> BTreeMap<String, String> {
    let deployments = || {
        plan.groups
            .iter()
            .flat_map(|group| &group.rows)
            .map(|row| &row.deployment)
    };
    let is_of = |pod: &str, deployment: &str| {
        pod.strip_prefix(deployment)
            .is_some_and(|rest| rest.starts_with('-'))
    };
    let of = |member: &Member| {
        let deployment = deployments()
            .filter(|name| is_of(&member.name, name))
            .max_by_key(|name| name.len())?;
        Some((member.name.clone(), deployment.clone()))
    };
    status
        .groups
        .iter()
        .flat_map(|group| &group.members)
        .filter_map(of)
        .collect()
}

/// Settings of a row's consumers that differ, except protocol and assignor: `processingDelay 0s → 5s`.
pub fn changed_settings(before: &RowPlan, after: &RowPlan) -> Vec<String> {
    let (before, after) = (&before.settings, &after.settings);
    let mut changes = Vec::new();
    if before.servers != after.servers {
        changes.push(format!("Kafka {} → {}", before.servers, after.servers));
    }
    let mut time = |name: &str, from, to| {
        if from != to {
            changes.push(format!(
                "{name} {} → {}",
                duration::print(from),
                duration::print(to)
            ));
        }
    };
    time("processingDelay", before.delay, after.delay);
    time(
        "sessionTimeout",
        before.session_timeout,
        after.session_timeout,
    );
    time(
        "heartbeatInterval",
        before.heartbeat_interval,
        after.heartbeat_interval,
    );
    time(
        "maxPollInterval",
        before.max_poll_interval,
        after.max_poll_interval,
    );
    if before.topics != after.topics {
        changes.push(format!(
            "topics {} → {}",
            before.topics.join(", "),
            after.topics.join(", ")
        ));
    }
    changes
}
