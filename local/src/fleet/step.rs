//! One step towards a plan. In: desired and existing children. Out: children started, stopped or replaced, and `Running`. It
//! follows Kubernetes' controllers where the difference is visible: new children start at once, surplus ones stop from the
//! end, and changed ones are replaced one at a time.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    net::SocketAddr,
    time::{Duration, Instant},
};

use practice_operator::live::{Live, LivePod};
use practice_plan::{
    outcome::{Hold, Running, RunningRow},
    plan::Plan,
};
use rustix::process::Signal;

use super::{Child, Fleet, Phase, Role, names};

/// A desired child.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// Name of the child.
    pub name: String,
    /// Role and settings.
    pub role: Role,
    /// Group; empty for the producer.
    pub group: String,
    /// Variant; empty for plain members.
    pub variant: String,
    /// Deployment that would own its pod.
    pub deployment: String,
    /// Protocol and assignor; `None` for the producer.
    pub protocol_key: Option<String>,
}

impl Wanted {
    /// Desired children of a plan. Their settings are those of their Deployment, except the listen address (and, at the start,
    /// the name). A row without replicas gets one child.
    pub fn all(plan: &Plan, holds: &BTreeMap<String, Hold>, producer: SocketAddr) -> Vec<Self> {
        let mut all = Vec::new();
        for group in &plan.groups {
            for row in &group.rows {
                let replicas = if holds.contains_key(&group.id) {
                    0
                } else {
                    row.replicas.unwrap_or(1)
                };
                let stem = names::stem(plan, group, row);
                let mut settings = row.settings.clone();
                settings.listen = SocketAddr::from(([127, 0, 0, 1], 0));
                settings.probes = None;
                for number in 0..usize::try_from(replicas).unwrap_or_default() {
                    all.push(Self {
                        name: format!("{stem}-{}", names::letters(number)),
                        role: Role::Worker(Box::new(settings.clone())),
                        group: group.id.clone(),
                        variant: row.variant.clone(),
                        deployment: row.deployment.clone(),
                        protocol_key: Some(group.protocol_key()),
                    });
                }
            }
        }
        if let Some(plan) = &plan.producer {
            let mut settings = plan.settings.clone();
            settings.listen = producer;
            settings.probes = None;
            all.push(Self {
                name: plan.name.clone(),
                role: Role::Producer(Box::new(settings)),
                group: String::new(),
                variant: String::new(),
                deployment: plan.name.clone(),
                protocol_key: None,
            });
        }
        all
    }
}

impl Fleet {
    /// Existing children, in the form of the operator's steps.
    pub fn live(&self) -> Live {
        let alive = self
            .children
            .iter()
            .filter(|(_, child)| child.process.is_some());
        let pods = alive.map(|(name, child)| LivePod {
            name: name.clone(),
            protocol_key: child.protocol_key.clone(),
            group: child.protocol_key.as_ref().map(|_| child.group.clone()),
            variant: child.variant.clone(),
            held: false, // a held group has no children
        });
        Live {
            pods: pods.collect(),
            ..Live::default()
        }
    }

    /// Moves the children one step towards the desired ones.
    pub fn apply(&mut self, plan: &Plan, wanted: &[Wanted]) -> Running {
        let names: BTreeSet<&str> = wanted.iter().map(|wanted| wanted.name.as_str()).collect();
        for (_, child) in self
            .children
            .iter_mut()
            .filter(|(name, _)| !names.contains(name.as_str()))
        {
            match child.phase {
                Phase::Running | Phase::Paused => child.end(false),
                Phase::Ending { until, .. } => {
                    child.phase = Phase::Ending {
                        again: false,
                        until,
                    }
                }
                Phase::Down { .. } => {}
            }
        }
        self.children
            .retain(|name, child| names.contains(name.as_str()) || child.process.is_some());
        self.later = None;
        for wanted in wanted {
            self.start_if_due(wanted);
        }
        self.replace_one_per_row(wanted);
        self.kill_overdue();
        self.running(plan, wanted)
    }

    /// Starts a child that is missing, or whose restart delay has passed.
    fn start_if_due(&mut self, wanted: &Wanted) {
        let due = match self.children.get(&wanted.name).map(|child| child.phase) {
            None => self.may_start(wanted),
            Some(Phase::Down { until, .. }) => Instant::now() >= until,
            Some(Phase::Running | Phase::Paused | Phase::Ending { .. }) => false,
        };
        if due {
            let former = self
                .children
                .remove(&wanted.name)
                .map(|child| child.ends)
                .unwrap_or_default();
            self.children.insert(
                wanted.name.clone(),
                Child {
                    ends: former,
                    ..Child::of(wanted)
                },
            );
            self.start(&wanted.name);
        } else if let Some(child) = self.children.get_mut(&wanted.name)
            && let Phase::Ending {
                again: false,
                until,
            } = child.phase
        {
            child.phase = Phase::Ending { again: true, until }; // wanted again
        }
    }

    /// Whether a child may start: the first of a group at once, the others after a delay.
    fn may_start(&mut self, wanted: &Wanted) -> bool {
        let of_group = self
            .children
            .values()
            .filter(|child| child.group == wanted.group && child.protocol_key.is_some());
        let Some(first) = of_group.filter_map(|child| child.started).min() else {
            return true;
        };
        let Ok(age) = Duration::try_from(jiff::Timestamp::now().duration_since(first)) else {
            return true; // the clock was set back: do not wait until it catches up
        };
        let left = self.ways.apart.saturating_sub(age);
        if left.is_zero() {
            return true;
        }
        let then = Instant::now() + left;
        self.later = Some(self.later.map_or(then, |later| later.min(then)));
        false
    }

    /// Restarts children with changed settings, one per row at a time, when all others of the row are ready. A change of
    /// protocol or assignor does not come here, because a hold stops the whole group.
    fn replace_one_per_row(&mut self, wanted: &[Wanted]) {
        let mut seen = BTreeSet::new();
        for one in wanted {
            let row = (&one.group, &one.deployment);
            if seen.contains(&row) {
                continue;
            }
            let Some(child) = self.children.get(&one.name) else {
                continue;
            };
            if child.process.is_some() && child.phase != (Phase::Paused) && child.role != one.role {
                seen.insert(row);
                let of_row = || {
                    self.children
                        .values()
                        .filter(|child| child.deployment == one.deployment)
                };
                let steady = of_row().all(|child| child.ready || child.phase == Phase::Paused);
                if (steady || of_row().count() == 1)
                    && let Some(child) = self.children.get_mut(&one.name)
                    && child.phase == Phase::Running
                {
                    child.end(true);
                }
            }
        }
    }

    /// Kills children that exceeded their termination grace.
    fn kill_overdue(&self) {
        for child in self.children.values() {
            if matches!(child.phase, Phase::Ending { until, .. } if Instant::now() >= until) {
                child.signal(Signal::KILL);
            }
        }
    }

    /// Time until the next restart, kill or delayed start; `None` when none is due.
    pub fn due(&self) -> Option<Duration> {
        let until = |child: &Child| match child.phase {
            Phase::Down { until, .. } | Phase::Ending { until, .. } => Some(until),
            Phase::Running | Phase::Paused => None,
        };
        let children = self.children.values().filter_map(until);
        children
            .chain(self.later)
            .map(|until| until.saturating_duration_since(Instant::now()))
            .min()
    }

    fn running(&self, plan: &Plan, wanted: &[Wanted]) -> Running {
        let count = |children: &mut dyn Iterator<Item = ()>| {
            i32::try_from(children.count()).unwrap_or(i32::MAX)
        };
        let mut rows = Vec::new();
        for group in &plan.groups {
            for row in &group.rows {
                let of_row =
                    |child: &&Child| child.deployment == row.deployment && child.group == group.id;
                rows.push(RunningRow {
                    group: group.id.clone(),
                    deployment: row.deployment.clone(),
                    desired: count(
                        &mut wanted
                            .iter()
                            .filter(|w| w.deployment == row.deployment)
                            .map(drop),
                    ),
                    ready: count(
                        &mut self
                            .children
                            .values()
                            .filter(of_row)
                            .filter(|child| child.ready)
                            .map(drop),
                    ),
                });
            }
        }
        let producer = self
            .children
            .values()
            .find(|child| child.protocol_key.is_none());
        Running {
            rows,
            producer: producer.map(|producer| producer.ready),
            pods: self.children.keys().cloned().collect(),
            ..Running::default()
        }
    }
}

impl Child {
    fn of(wanted: &Wanted) -> Self {
        Self {
            role: wanted.role.clone(),
            group: wanted.group.clone(),
            variant: wanted.variant.clone(),
            deployment: wanted.deployment.clone(),
            protocol_key: wanted.protocol_key.clone(),
            phase: Phase::Running,
            since: jiff::Timestamp::now(),
            started: None,
            port: 0,
            report: None,
            ready: false,
            ends: VecDeque::new(),
            killed: false,
            process: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use practice_operator::{objects::LiveRow, objects::objects};
    use practice_plan::{plan::Defaults, plan::plan};
    use serde_json::json;

    use super::*;

    fn sample() -> Plan {
        let practice = serde_json::from_value(json!({
            "apiVersion": "kafka-practice.dev/v1alpha1", "kind": "ConsumerGroupPractice", "metadata": {"name": "p"},
            "spec": {"topics": [{"name": "t", "partitions": 3}], "groups": [
                {"name": "g", "replicas": 2, "variants": [{"name": "slow", "replicas": 1, "processingDelay": "5s"}]},
                {"name": "h"}, {"name": "off", "replicas": 3, "state": "Stopped"}],
                "producer": {"load": {"messagesPerSecond": 5}}}
        }))
        .expect("a practice");
        let defaults = Defaults {
            bootstrap_servers: Some("k:1".into()),
            ..Defaults::default()
        };
        plan(&practice, &defaults).expect("legal")
    }

    #[test]
    fn desired_children_have_the_manifests_number_and_names() {
        let holds = BTreeMap::from([("off".to_owned(), Hold::Stopped)]);
        let all = Wanted::all(&sample(), &holds, SocketAddr::from(([127, 0, 0, 1], 81)));
        let names: Vec<&str> = all.iter().map(|wanted| wanted.name.as_str()).collect();
        assert_eq!(names, ["g-a", "g-b", "g-slow-a", "h-a", "p-producer"]);
    }

    #[test]
    fn settings_equal_those_of_the_pod_except_name_and_address() {
        let plan = sample();
        let rendered = objects(
            &plan,
            &BTreeMap::new(),
            &BTreeMap::new(),
            &BTreeMap::<String, LiveRow>::new(),
        );
        let all = Wanted::all(
            &plan,
            &BTreeMap::new(),
            SocketAddr::from(([127, 0, 0, 1], 81)),
        );
        for wanted in all {
            let object = rendered
                .iter()
                .find(|object| object.name == wanted.deployment)
                .expect("its Deployment");
            let container = &object.body["spec"]["template"]["spec"]["containers"][0];
            let pod: BTreeMap<String, String> = container["env"]
                .as_array()
                .expect("a list")
                .iter()
                .filter_map(|entry| {
                    Some((
                        entry["name"].as_str()?.to_owned(),
                        entry["value"].as_str()?.to_owned(),
                    ))
                })
                .collect();
            let child = match &wanted.role {
                Role::Worker(settings) => settings.to_env(),
                Role::Producer(settings) => settings.to_env(),
            };
            let child: BTreeMap<String, String> = child
                .into_iter()
                .map(|(name, value)| (name.into(), value))
                .collect();
            let differs = |(name, value): &(&String, &String)| pod.get(*name) != Some(*value);
            let differing: Vec<&String> =
                child.iter().filter(differs).map(|(name, _)| name).collect();
            assert_eq!(differing, ["KAFKA_PRACTICE_LISTEN"], "{}", wanted.name);
            let only_pods: Vec<&String> = pod
                .keys()
                .filter(|name| !child.contains_key(*name))
                .collect();
            assert_eq!(only_pods, ["KAFKA_PRACTICE_PROBES"], "{}", wanted.name);
        }
    }
}
