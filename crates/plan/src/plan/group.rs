//! In: a group of a valid spec, and the defaults. Out: its plan, with a row and a final name for each Deployment. Later steps do not
//! check again. Deliberately absent: the rules between fields, which `plan` has checked before, and the state of the cluster.

use std::{collections::BTreeMap, net::SocketAddr, time::Duration};

use practice_api::{DesiredState, Group, PracticeSpec};
use practice_contract::{
    Assignor, OffsetReset, PROBE_PORT, Protocol, WORKER_PORT, WorkerSettings, duration, worker,
};

use super::{Defaults, SpecFault, producer_name};
use crate::{config::Pods, names};

/// One consumer group.
#[derive(Debug, Clone, PartialEq)]
pub struct GroupPlan {
    /// The `group.id`.
    pub id: String,
    /// A legal label value for it.
    pub label: String,
    /// Name of its disruption budget.
    pub budget: String,
    /// The topics it reads.
    pub topics: Vec<String>,
    /// Classic or KIP-848.
    pub protocol: Protocol,
    /// How its partitions are assigned.
    pub assignor: Assignor,
    /// Where it starts if it has no committed offsets; its consumers always have `Earliest`.
    pub offset_reset: OffsetReset,
    /// Whether it should have no consumers for now.
    pub stopped: bool,
    /// Its Deployments: the plain members first, then the variants.
    pub rows: Vec<RowPlan>,
}

impl GroupPlan {
    /// What members must have in common to share a group: `classic/range`. A rolling update cannot change it.
    pub fn protocol_key(&self) -> String {
        format!("{}/{}", self.protocol.config_value(), self.assignor)
    }

    /// The longest time that one of its consumers spends on a message.
    pub fn slowest(&self) -> Duration {
        self.rows
            .iter()
            .map(|row| row.settings.delay)
            .max()
            .unwrap_or_default()
    }
}

/// One Deployment of consumers.
#[derive(Debug, Clone, PartialEq)]
pub struct RowPlan {
    /// Its name.
    pub deployment: String,
    /// The variant's name; empty for the plain members.
    pub variant: String,
    /// Number of consumers; `None`: an autoscaler or a user decides.
    pub replicas: Option<i32>,
    /// Settings of each of its consumers.
    pub settings: WorkerSettings,
    /// Image of its pods.
    pub image: String,
    /// How its pods are placed and sized.
    pub pods: Pods,
}

pub(super) type Row<'a> = (&'a str, &'a str);

/// The name of each row's Deployment: the plain one where it is legal and unique, otherwise one with a hash.
pub(super) fn deployment_names<'a>(
    practice: &str,
    spec: &'a PracticeSpec,
) -> BTreeMap<Row<'a>, String> {
    let rows = spec.groups.iter().flat_map(|group| {
        std::iter::once("")
            .chain(group.variants.iter().map(|v| v.name.as_str()))
            .map(|v| (group.name.as_str(), v))
    });
    let mut taken = BTreeMap::from([(producer_name(practice), 1)]);
    let plain: Vec<(Row<'a>, String)> = rows
        .map(|row| (row, names::plain(practice, row.0, row.1)))
        .collect();
    for (_, name) in &plain {
        *taken.entry(name.clone()).or_insert(0) += 1;
    }
    plain
        .into_iter()
        .map(|(row, name)| {
            let free = taken[&name] == 1 && names::is_legal(&name);
            (
                row,
                if free {
                    name
                } else {
                    names::hashed(practice, row.0, row.1)
                },
            )
        })
        .collect()
}

pub(super) fn group_plan(
    namespace: &str,
    practice: &str,
    spec: &PracticeSpec,
    group: &Group,
    bootstrap: &str,
    names: &BTreeMap<Row<'_>, String>,
    defaults: &Defaults,
) -> Result<GroupPlan, SpecFault> {
    let time = |field: &str, value: &Option<String>, default: Duration| match value {
        None => Ok(default),
        Some(text) => duration::parse(text).map_err(|legal| {
            SpecFault::Illegal(format!(
                "spec.groups `{}`: {field} is `{text}`: {legal}",
                group.name
            ))
        }),
    };
    let protocol = group.protocol;
    let assignor = match group.assignor {
        None => protocol.default_assignor(),
        Some(practice_api::Assignor::Range) => Assignor::Range,
        Some(practice_api::Assignor::RoundRobin) => Assignor::RoundRobin,
        Some(practice_api::Assignor::CooperativeSticky) => Assignor::CooperativeSticky,
        Some(practice_api::Assignor::Uniform) => Assignor::Uniform,
    };
    let topics = group.topics.clone().unwrap_or_else(|| {
        spec.topics
            .iter()
            .map(|topic| topic.name.clone())
            .collect::<Vec<_>>()
    });
    let delay = time("processingDelay", &group.processing_delay, Duration::ZERO)?;
    let plain = WorkerSettings {
        servers: bootstrap.to_owned(),
        topics: topics.clone(),
        group: group.name.clone(),
        delay,
        listen: SocketAddr::from(([0, 0, 0, 0], WORKER_PORT)),
        probes: Some(SocketAddr::from(([0, 0, 0, 0], PROBE_PORT))),
        instance: None,
        owner: Some(format!("{namespace}/{practice}")),
        protocol,
        assignor,
        // `latest` is pinned before the group starts, so that nothing is skipped later
        offset_reset: OffsetReset::Earliest,
        session_timeout: time(
            "sessionTimeout",
            &group.session_timeout,
            worker::DEFAULT_SESSION_TIMEOUT,
        )?,
        heartbeat_interval: time(
            "heartbeatInterval",
            &group.heartbeat_interval,
            worker::DEFAULT_HEARTBEAT_INTERVAL,
        )?,
        max_poll_interval: time(
            "maxPollInterval",
            &group.max_poll_interval,
            worker::DEFAULT_MAX_POLL_INTERVAL,
        )?,
        log_messages: true,
        hold: None,
        ledger: None,
    };
    let row = |variant: &str, replicas, delay| RowPlan {
        deployment: names[&(group.name.as_str(), variant)].clone(),
        variant: variant.to_owned(),
        replicas,
        settings: WorkerSettings {
            delay,
            ..plain.clone()
        },
        image: defaults.worker_image.clone(),
        pods: defaults.config.worker.clone(),
    };
    let mut rows = vec![row("", group.replicas, delay)];
    for variant in &group.variants {
        rows.push(row(
            &variant.name,
            variant.replicas,
            time("processingDelay", &variant.processing_delay, delay)?,
        ));
    }
    Ok(GroupPlan {
        id: group.name.clone(),
        label: names::label(&group.name),
        budget: names::unique(practice, &group.name),
        topics,
        protocol,
        assignor,
        offset_reset: group.auto_offset_reset,
        stopped: group.state == DesiredState::Stopped,
        rows,
    })
}
