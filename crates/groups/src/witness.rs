//! The history of a practice's instances (pods, or processes of local mode), as far as it can explain a rebalance. Pure; bounded.
//! In: the current state of an instance, replica counts, holds, each with a tick. Out: the end or the deletion of an instance, and
//! whether the replica count changed. A tick is a time in milliseconds that only grows.

use std::collections::{BTreeMap, VecDeque};

use practice_contract::Hold;

use crate::cause::Cause;

/// How long a removed instance is remembered, in milliseconds.
const REMEMBERED: i64 = 600_000;
/// Changes of a replica count, and ends of an instance, that are remembered.
const CHANGES: usize = 16;

/// What runs the instances.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Runtime {
    /// Pods.
    #[default]
    Cluster,
    /// Processes of local mode.
    Local,
}

/// How a process ended that was not deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// With this exit code; above 128 it is 128 plus the signal number.
    Exited(i32),
    /// It exceeded its memory limit.
    OomKilled,
    /// A user requested a restart.
    Restarted,
}

impl End {
    pub(crate) fn cause(self) -> Cause {
        match self {
            Self::Exited(_) => Cause::ContainerExited,
            Self::OomKilled => Cause::OomKilled,
            Self::Restarted => Cause::PodDeleted,
        }
    }

    pub(crate) fn code(self) -> Option<i32> {
        match self {
            Self::Exited(code) => Some(code),
            Self::OomKilled => Some(137),
            Self::Restarted => None,
        }
    }
}

/// How an instance was removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Removal {
    /// It was evicted from its node.
    Evicted,
    /// It was deleted by a user or by its controller.
    Asked,
    /// It disappeared between two observations.
    Unseen,
}

/// The current state of an instance.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sight {
    /// The owner that keeps the replica count: a Deployment.
    pub row: String,
    /// Revision of the template that it was created from.
    pub revision: String,
    /// The topics that it consumes.
    pub topics: String,
    /// Its protocol and assignor.
    pub protocol_key: String,
    /// Reported ends of its process, each with an id, and whether it was recent.
    pub ends: Vec<(String, End, bool)>,
    /// How it is being removed; `None`: it is not.
    pub removal: Option<Removal>,
}

/// The history of an instance.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Instance {
    pub(crate) sight: Sight,
    /// When it was first seen.
    pub(crate) created: i64,
    /// Whether it was created while instances were observed.
    pub(crate) witnessed: bool,
    /// Ends of its process, oldest first.
    ends: VecDeque<(i64, End)>,
    /// When its removal was first seen, and how it was removed.
    pub(crate) removal: Option<(i64, Removal)>,
    /// It no longer exists: a new instance with this name is a different one.
    is_gone: bool,
    /// When its configuration last changed under the same name, and the cause.
    pub(crate) changed: Option<(i64, Cause)>,
}

impl Instance {
    /// The last end between two ticks.
    pub(crate) fn end_within(&self, since: i64, until: i64) -> Option<End> {
        self.ends
            .iter()
            .rev()
            .find(|(at, _)| (since..until).contains(at))
            .map(|(_, end)| *end)
    }

    /// The change of its configuration since a tick, under the same name.
    pub(crate) fn changed_since(&self, since: i64) -> Option<Cause> {
        self.changed
            .filter(|(at, _)| *at >= since)
            .map(|(_, cause)| cause)
    }
}

/// A change of the replica count of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Step {
    at: i64,
    from: i32,
    to: i32,
}

#[derive(Debug, Clone, Default)]
struct Row {
    group: String,
    wanted: i32,
    /// Oldest first.
    steps: VecDeque<Step>,
}

/// The history of the instances of one practice.
#[derive(Debug, Clone, Default)]
pub struct Witness {
    home: Runtime,
    instances: BTreeMap<String, Instance>,
    rows: BTreeMap<String, Row>,
    /// The hold of each group, since when; oldest first.
    holds: BTreeMap<String, VecDeque<(i64, Option<Hold>)>>,
}

impl Witness {
    /// Sets what runs the instances.
    pub fn live_in(&mut self, home: Runtime) {
        self.home = home;
    }

    pub(crate) fn home(&self) -> Runtime {
        self.home
    }

    /// When an instance last ended or was removed, up to a tick; `None`: it was not.
    pub fn went(&self, name: &str, until: i64) -> Option<i64> {
        let instance = self.instances.get(name)?;
        let ended = instance.ends.iter().map(|(at, _)| *at);
        ended
            .chain(instance.removal.map(|(at, _)| at))
            .filter(|at| *at <= until)
            .max()
    }

    /// Records the current state of an instance. `is_new`: it may be new; otherwise it existed before the first observation.
    pub fn saw(&mut self, name: &str, sight: Sight, is_new: bool, tick: i64) {
        let first = || Instance {
            created: tick,
            witnessed: is_new,
            ..Instance::default()
        };
        self.instances
            .retain(|known, instance| known != name || !instance.is_gone);
        let is_first = !self.instances.contains_key(name);
        let instance = self.instances.entry(name.to_owned()).or_insert_with(first);
        for (id, end, recent) in &sight.ends {
            let known = instance.sight.ends.iter().any(|(known, ..)| known == id);
            // an end long ago does not explain a later rebalance
            if !known && (*recent || !is_first) {
                instance.ends.push_back((tick, *end));
                cut(&mut instance.ends);
            }
        }
        instance.removal = sight
            .removal
            .map(|removal| instance.removal.unwrap_or((tick, removal)));
        // a local process is replaced under its name; a pod is never recreated under its name
        if let (Runtime::Local, false) = (self.home, is_first)
            && let Some(cause) = differs(&instance.sight, &sight)
        {
            instance.changed = Some((tick, cause));
        }
        instance.sight = sight;
    }

    /// Records that an instance no longer exists.
    pub fn lost(&mut self, name: &str, tick: i64) {
        if let Some(instance) = self.instances.get_mut(name) {
            instance.removal.get_or_insert((tick, Removal::Unseen));
            instance.is_gone = true;
        }
        // a pod that was evicted long ago may still exist as an object
        let is_remembered = |instance: &Instance| {
            !instance.is_gone
                || instance
                    .removal
                    .is_none_or(|(at, _)| tick - at < REMEMBERED)
        };
        self.instances.retain(|_, instance| is_remembered(instance));
    }

    /// Names of the instances that exist.
    pub fn present(&self) -> impl Iterator<Item = &str> {
        let there = self
            .instances
            .iter()
            .filter(|(_, instance)| !instance.is_gone);
        there.map(|(name, _)| name.as_str())
    }

    /// Removes the replica counts and holds of groups for which `is_named` is false.
    pub fn keep(&mut self, is_named: impl Fn(&str) -> bool) {
        self.rows.retain(|_, row| is_named(&row.group));
        self.holds.retain(|group, _| is_named(group));
    }

    /// Records the replica count of each row of a group, and its hold. `fresh`: rows that were created just now.
    pub fn wants(
        &mut self,
        group: &str,
        rows: &BTreeMap<&str, i32>,
        hold: Option<Hold>,
        fresh: impl Fn(&str) -> bool,
        tick: i64,
    ) {
        for (name, wanted) in rows {
            let first = || Row {
                group: group.to_owned(),
                wanted: *wanted,
                steps: VecDeque::new(),
            };
            let is_first = !self.rows.contains_key(*name);
            let row = self.rows.entry((*name).to_owned()).or_insert_with(first);
            let from = if is_first && fresh(name) {
                0
            } else {
                row.wanted
            };
            row.step(from, *wanted, tick);
        }
        for (_, row) in self
            .rows
            .iter_mut()
            .filter(|(name, row)| row.group == group && !rows.contains_key(name.as_str()))
        {
            row.step(row.wanted, 0, tick);
        }
        let holds = self.holds.entry(group.to_owned()).or_default();
        if holds.back().is_none_or(|(_, last)| *last != hold) {
            holds.push_back((tick, hold));
            cut(holds);
        }
    }

    pub(crate) fn instance(&self, name: &str) -> Option<&Instance> {
        self.instances.get(name)
    }

    /// The other instances of a row.
    pub(crate) fn others<'a>(
        &'a self,
        row: &'a str,
        than: &'a Instance,
    ) -> impl Iterator<Item = &'a Instance> + Clone {
        self.instances
            .values()
            .filter(move |other| other.sight.row == row && !std::ptr::eq(*other, than))
    }

    /// Whether a group was held at some time between two ticks.
    pub(crate) fn is_held(&self, group: &str, since: i64, until: i64) -> bool {
        let Some(holds) = self.holds.get(group) else {
            return false;
        };
        let ends = holds.iter().skip(1).map(|(at, _)| *at).chain([i64::MAX]);
        holds
            .iter()
            .zip(ends)
            .any(|((begins, hold), ends)| hold.is_some() && *begins <= until && ends >= since)
    }

    /// The current hold, or the last one.
    pub(crate) fn last_hold(&self, group: &str) -> Option<Hold> {
        self.holds
            .get(group)?
            .iter()
            .rev()
            .find_map(|(_, hold)| *hold)
    }

    /// Whether an instance was removed because the replica count of its row was lowered. Removals closest to that change count
    /// first; the order of simultaneous ones is unknown.
    pub(crate) fn is_too_many(
        &self,
        instance: &Instance,
        at: i64,
        slack: i64,
        within: i64,
    ) -> bool {
        let Some(row) = self.rows.get(&instance.sight.row) else {
            return false;
        };
        let window = |step: &Step| step.at - slack..=step.at + within;
        let mut steps = row.steps.iter().rev().filter(|step| step.to < step.from);
        steps
            .find(|step| window(step).contains(&at))
            .is_some_and(|step| {
                let order = |at: i64| (at - step.at).abs();
                let others = self
                    .others(&instance.sight.row, instance)
                    .filter_map(|other| other.removal);
                let earlier = others
                    .filter(|(gone, _)| window(step).contains(gone) && order(*gone) <= order(at));
                i32::try_from(earlier.count()).is_ok_and(|before| before < step.from - step.to)
            })
    }

    /// Whether an instance was created because the replica count was raised: when, and whether the count was 0 before.
    pub(crate) fn is_addition(
        &self,
        instance: &Instance,
        slack: i64,
        within: i64,
    ) -> Option<(i64, bool)> {
        let row = self.rows.get(&instance.sight.row)?;
        let at = instance.created;
        let window = |step: &Step| step.at - slack..=step.at + within;
        let step = row
            .steps
            .iter()
            .rev()
            .filter(|step| step.to > step.from)
            .find(|step| window(step).contains(&at))?;
        // creations closest to the change count first; the order of simultaneous ones is unknown
        let order = |other: &Instance| ((other.created - step.at).abs(), other.created < step.at);
        let mine = order(instance);
        let earlier = self.others(&instance.sight.row, instance).filter(|other| {
            other.witnessed && window(step).contains(&other.created) && order(other) <= mine
        });
        let before = i32::try_from(earlier.count()).unwrap_or(i32::MAX);
        (before < step.to - step.from).then_some((step.at, step.from == 0))
    }
}

impl Row {
    fn step(&mut self, from: i32, to: i32, at: i64) {
        if from != to {
            self.steps.push_back(Step { at, from, to });
            cut(&mut self.steps);
        }
        self.wanted = to;
    }
}

/// The cause for the difference of two templates of one row; `None`: they are the same.
pub(crate) fn differs(old: &Sight, new: &Sight) -> Option<Cause> {
    if old.revision == new.revision {
        None
    } else if old.protocol_key != new.protocol_key {
        Some(Cause::ReconfiguredBySpec)
    } else if old.topics != new.topics {
        Some(Cause::TopicsChanged)
    } else {
        Some(Cause::Rollout)
    }
}

fn cut<T>(list: &mut VecDeque<T>) {
    while list.len() > CHANGES {
        list.pop_front();
    }
}
