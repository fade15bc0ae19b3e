//! Rebalances of a practice's groups and their causes. In: polls of Kafka, desired replicas, observed pods, reports of workers.
//! Out: a journal that is stored in the `ConfigMap` `<practice>-journal`, and the rebalances whose cause was found in this
//! reconcile. Deliberately absent: how a cause is found (`practice_groups::cause`).

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use futures::future::join_all;
use jiff::Timestamp;
use practice_api::status::RebalanceStatus;
use practice_contract::status::{Ownership, WorkerStatus};
use practice_groups::{Moment, PollResult, Rebalance, cause::cause, witness};
use practice_plan::{
    outcome::{ChangeAction, Kind, Prepared, Running, Unclaimed},
    plan::Plan,
    status::count,
};

pub(crate) use self::stored::Kept;
pub use self::stored::{Stored, load, store};
use crate::{
    memory::{Memory, PracticeStates},
    reader::Key,
    worker_client::Http,
};

mod stored;

/// Rebalances in status, over all groups.
const IN_STATUS: usize = 10;
/// Pause before the operator searches for an unknown cause again.
const AGAIN: Duration = Duration::from_secs(1);

/// Results of one poll for the journal.
#[derive(Debug, Default)]
pub struct JournalUpdate {
    /// Rebalances whose cause was found in this reconcile, with their groups, oldest first.
    pub explained: Vec<(String, Arc<Rebalance>)>,
    /// The latest rebalances of all groups, newest first.
    pub latest: Vec<RebalanceStatus>,
    /// Times without an owner of moved partitions that were measured in this reconcile, in milliseconds, with their groups.
    pub measured: Vec<(String, u64)>,
    /// Workers whose reports are needed to measure times without an owner.
    pub unmeasured: BTreeSet<String>,
    /// After which time to reconcile again for unknown causes or times.
    pub again: Option<Duration>,
}

fn key(plan: &Plan) -> Key {
    (plan.namespace.clone(), plan.name.clone())
}

/// Records the desired number of consumers as soon as it is applied.
pub fn record_replicas(
    plan: &Plan,
    prepared: &Prepared,
    running: &Running,
    memories: &PracticeStates,
) {
    let (home, tick) = (memories.home(), memories.tick());
    let mut all = memories.all();
    let memory = all.entry(key(plan)).or_default();
    memory.witness.live_in(home);
    witness_rows(plan, prepared, running, memory, home, tick);
}

/// Records a poll, and searches for causes of rebalances.
pub fn record_poll(
    plan: &Plan,
    prepared: &Prepared,
    poll: &PollResult,
    memories: &PracticeStates,
    now: Timestamp,
) -> JournalUpdate {
    let now = Moment {
        at: now.as_millisecond(),
        tick: memories.tick(),
    };
    let mut all = memories.all();
    let memory = all.entry(key(plan)).or_default();
    let named = |group: &str| plan.groups.iter().any(|named| named.id == group);
    let Memory {
        journal, witness, ..
    } = memory;
    let journal = Arc::make_mut(journal);
    journal.keep(named);
    witness.keep(named);
    match poll {
        Ok(snapshot) => {
            // rebalances of a group id that another application owns are not reported
            let ours = |group: &str| {
                named(group)
                    && !matches!(prepared.unclaimed.get(group), Some(Unclaimed::Conflict(_)))
            };
            for (group, seen) in snapshot.groups.iter().filter(|(group, _)| ours(group)) {
                journal.record_group(&plan.bootstrap, group, seen, now);
            }
        }
        Err(_) => plan
            .groups
            .iter()
            .for_each(|group| journal.blind(&group.id)),
    }
    let mut update = JournalUpdate::default();
    for group in &plan.groups {
        for change in journal.unexplained(&group.id).to_vec() {
            match cause(&change, &group.id, witness, now.tick) {
                Some(why) => {
                    let explained = journal.explain(&group.id, change.number, why);
                    let explained = explained.map(|rebalance| (group.id.clone(), rebalance));
                    update.explained.extend(explained);
                }
                None => update.again = Some(AGAIN),
            }
        }
        update
            .unmeasured
            .extend(unmeasured(journal.of(&group.id), now.at));
    }
    if !update.unmeasured.is_empty() {
        update.again = Some(AGAIN);
    }
    update.latest = latest(plan, memory);
    update
}

/// Records the desired number of consumers, and whether a group is held at 0.
fn witness_rows(
    plan: &Plan,
    prepared: &Prepared,
    running: &Running,
    memory: &mut Memory,
    home: witness::Runtime,
    tick: i64,
) {
    let made: BTreeSet<&str> = running
        .changes
        .iter()
        .filter(|change| {
            change.object.kind == Kind::Deployment && change.action == ChangeAction::Created
        })
        .map(|change| change.object.name.as_str())
        .collect();
    for group in &plan.groups {
        let rows = running.rows.iter().filter(|row| row.group == group.id);
        let rows = rows
            .map(|row| (row.deployment.as_str(), row.desired))
            .collect();
        let hold = prepared.holds.get(&group.id).copied();
        // in local mode no consumer is older than this process
        let fresh = |row: &str| home == witness::Runtime::Local || made.contains(row);
        memory.witness.wants(&group.id, &rows, hold, fresh, tick);
    }
}

fn latest(plan: &Plan, memory: &Memory) -> Vec<RebalanceStatus> {
    let groups = plan.groups.iter().map(|group| group.id.as_str());
    let all = memory.journal.newest(groups, IN_STATUS);
    all.into_iter()
        .map(|(group, rebalance)| rebalance_status(group, rebalance))
        .collect()
}

fn rebalance_status(group: &str, rebalance: &Rebalance) -> RebalanceStatus {
    RebalanceStatus {
        group: group.to_owned(),
        number: i64::try_from(rebalance.number).unwrap_or(i64::MAX),
        time: Timestamp::from_millisecond(rebalance.at)
            .map(|time| time.to_string())
            .unwrap_or_default(),
        cause: rebalance.why.as_ref().map(|why| why.cause.to_string()),
        message: rebalance.why.as_ref().map(|why| why.sentence.clone()),
        epoch_before: rebalance.epoch_before,
        epoch: rebalance.epoch,
        joined: count(rebalance.joined.len()),
        left: count(rebalance.left.len()),
        moved: count(rebalance.moved.len()),
        without_owner_ms: rebalance
            .unowned_ms()
            .and_then(|millis| i64::try_from(millis).ok()),
    }
}

/// Requests reports of the workers that partitions moved between, and records how long the partitions had no owner.
pub async fn measure(
    plan: &Plan,
    update: &mut JournalUpdate,
    http: &Http,
    memories: &PracticeStates,
) {
    if update.unmeasured.is_empty() {
        return;
    }
    let urls = memories
        .all()
        .get(&key(plan))
        .map(|memory| memory.urls.clone())
        .unwrap_or_default();
    let asked = update
        .unmeasured
        .iter()
        .filter_map(|name| Some((name, urls.get(name)?)))
        .map(async |(name, url)| {
            let address = url.trim_start_matches("http://");
            Some((name.clone(), http.status(address).await.ok()?))
        });
    let reports = join_all(asked).await.into_iter().flatten().collect();
    record_pauses(plan, update, &reports, memories, Timestamp::now());
}

/// Records how long recently moved partitions had no owner.
pub fn record_pauses(
    plan: &Plan,
    update: &mut JournalUpdate,
    reports: &BTreeMap<String, WorkerStatus>,
    memories: &PracticeStates,
    now: Timestamp,
) {
    if update.unmeasured.is_empty() {
        return;
    }
    let mut all = memories.all();
    let Some(memory) = all.get_mut(&key(plan)) else {
        return;
    };
    let now = Moment {
        at: now.as_millisecond(),
        tick: memories.tick(),
    };
    let Memory {
        journal, witness, ..
    } = &mut *memory;
    let went = |name: &str, until: i64| {
        let tick = witness.went(name, until - now.at + now.tick)?;
        Some(now.at - (now.tick - tick))
    };
    let journal = Arc::make_mut(journal);
    for group in &plan.groups {
        let is_recent = |rebalance: &Rebalance| is_recent(rebalance, now.at);
        let news = journal.measure(&group.id, is_recent, |rebalance, moved| {
            unowned(moved, rebalance.at, reports, &went)
        });
        update
            .measured
            .extend(news.into_iter().map(|millis| (group.id.clone(), millis)));
    }
    update.latest = latest(plan, memory);
}

/// Workers whose reports are missing for recently moved partitions.
fn unmeasured<'a>(rebalances: impl Iterator<Item = &'a Rebalance>, now: i64) -> BTreeSet<String> {
    let recent = rebalances
        .take_while(|rebalance| is_recent(rebalance, now))
        .flat_map(|rebalance| rebalance.moved.iter());
    let open = recent.filter(|moved| moved.unowned_ms.is_none());
    let pairs = open.filter_map(|moved| Some([moved.from?, moved.to?]));
    pairs.flatten().map(|name| name.to_string()).collect()
}

/// How long after a rebalance workers are asked for reports, in milliseconds.
const RECENT: i64 = 10_000;

fn is_recent(rebalance: &Rebalance, now: i64) -> bool {
    let took = rebalance
        .took_ms
        .and_then(|took| i64::try_from(took).ok())
        .unwrap_or_default();
    let over = rebalance.at.saturating_add(took);
    (over - RECENT..over + RECENT).contains(&now)
}

/// Longest time between a rebalance and an event that belongs to it, in milliseconds.
const AROUND: i64 = 90_000;

/// How long a partition had no owner: from its revocation by the former owner (or that owner's end), by that owner's clock, to
/// its assignment to the new one.
fn unowned(
    moved: &practice_groups::Move,
    at: i64,
    reports: &BTreeMap<String, WorkerStatus>,
    went: &dyn Fn(&str, i64) -> Option<i64>,
) -> Option<u64> {
    let name = format!("{}/{}", moved.topic, moved.partition);
    let last = |who: &str, until: i64, what: fn(Ownership) -> bool| {
        let seen = reports.get(who)?.rebalances.iter().rev();
        let of_it = seen.filter(|seen| what(seen.what) && seen.partitions.contains(&name));
        let mut times = of_it.map(|seen| seen.at);
        times.find(|when| (at - AROUND..=until).contains(when))
    };
    let (from, to) = (moved.from.as_deref()?, moved.to.as_deref()?);
    let got = last(to, i64::MAX, |what| what == Ownership::Assigned)?;
    let gave = last(from, got, |what| what != Ownership::Assigned).or_else(|| went(from, got))?;
    u64::try_from(got - gave)
        .ok()
        .filter(|millis| *millis <= AROUND.unsigned_abs())
}
