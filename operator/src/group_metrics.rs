//! Metrics of groups as `OpenMetrics`, encoded on each scrape. In: each practice's status and rebalances. Out: series that end
//! with their practice and group. Unknown values have no series: neither -1 nor `NaN`. Labels are bounded by the manifest: never
//! a member id or a message. Metrics have the same granularity as kminion's.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use jiff::Timestamp;
use practice_api::{
    PracticeStatus,
    status::{GroupStatus, OwnedPartition},
};
use practice_groups::{Cause, HealthState, Rebalance};
use practice_plan::plan::SpecFault;
use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric, MetricEncoder},
    metrics::{MetricType, counter::ConstCounter, gauge::ConstGauge, histogram::Histogram},
    registry::Unit,
};

use crate::reader::Key;

/// Bounds of the histogram of times without an owner, in seconds: a clean hand-over, a heartbeat, session timeouts.
const WITHOUT_OWNER: [f64; 10] = [0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0];

/// A family of series: name (a counter's without `_total`), type and help.
struct Family(&'static str, MetricType, &'static str);

const INFO: Family = Family(
    "practice_operator_consumer_group_info",
    MetricType::Gauge,
    "1, with state and protocol of the group as labels",
);
const MEMBERS: Family = Family(
    "practice_operator_consumer_group_members",
    MetricType::Gauge,
    "Members of the group",
);
const EMPTY_MEMBERS: Family = Family(
    "practice_operator_consumer_group_empty_members",
    MetricType::Gauge,
    "Members without a partition while the group is stable",
);
const REPLICAS: Family = Family(
    "practice_operator_consumer_group_replicas",
    MetricType::Gauge,
    "Desired number of consumers",
);
const READY_REPLICAS: Family = Family(
    "practice_operator_consumer_group_ready_replicas",
    MetricType::Gauge,
    "Number of consumers whose pods are ready",
);
const LAG: Family = Family(
    "practice_operator_consumer_group_lag",
    MetricType::Gauge,
    "Messages not yet consumed",
);
const LAG_SECONDS: Family = Family(
    "practice_operator_consumer_group_lag_seconds",
    MetricType::Gauge,
    "Age of the oldest message not yet consumed",
);
const HEALTH: Family = Family(
    "practice_operator_consumer_group_health",
    MetricType::Gauge,
    "1 for the current health state of the group (Healthy, Lagging, Rewound, Stalled, Unassigned), 0 for the others; no series while unknown",
);
const PARTITION_LAG: Family = Family(
    "practice_operator_consumer_group_topic_partition_lag",
    MetricType::Gauge,
    "Messages of a partition not yet consumed",
);
const PARTITION_COMMITTED: Family = Family(
    "practice_operator_consumer_group_topic_partition_committed_offset",
    MetricType::Gauge,
    "Committed offset of a partition",
);
const REBALANCES: Family = Family(
    "practice_operator_consumer_group_rebalances",
    MetricType::Counter,
    "Rebalances by cause since the operator started; Unknown: no cause was found in time",
);
const WITHOUT_OWNER_SECONDS: Family = Family(
    "practice_operator_consumer_group_partition_without_owner_seconds",
    MetricType::Histogram,
    "Time that moved partitions had no owner, since the operator started",
);

/// Metrics of groups; cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct GroupMetrics(Arc<Mutex<BTreeMap<Key, Practice>>>);

#[derive(Debug, Default)]
struct Practice {
    status: PracticeStatus,
    /// By group.
    counts: BTreeMap<String, Counts>,
}

#[derive(Debug)]
struct Counts {
    rebalances: BTreeMap<&'static str, u64>,
    without_owner: Histogram,
}

impl Default for Counts {
    /// Each cause starts at 0: a counter that starts at 1 shows no increase.
    fn default() -> Self {
        let rebalances = Cause::ALL.map(|cause| (cause.word(), 0)).into();
        Self {
            rebalances,
            without_owner: Histogram::new(WITHOUT_OWNER),
        }
    }
}

impl GroupMetrics {
    /// Records the status of a practice, and what was found since the last call: rebalances with their causes, and times without
    /// an owner in milliseconds, by group.
    pub fn show(
        &self,
        key: &Key,
        status: &PracticeStatus,
        explained: &[(String, Arc<Rebalance>)],
        without_owner: &[(String, u64)],
    ) {
        let mut all = self.all();
        let practice = all.entry(key.clone()).or_default();
        practice.status.clone_from(status);
        practice
            .counts
            .retain(|group, _| status.groups.iter().any(|there| there.name == *group));
        for group in &status.groups {
            practice.counts.entry(group.name.clone()).or_default();
        }
        for (group, rebalance) in explained {
            let Some(why) = &rebalance.why else { continue };
            let counts = practice.counts.entry(group.clone()).or_default();
            *counts.rebalances.entry(why.cause.word()).or_default() += 1;
        }
        for (group, millis) in without_owner {
            let counts = practice.counts.entry(group.clone()).or_default();
            counts
                .without_owner
                .observe(Duration::from_millis(*millis).as_secs_f64());
        }
    }

    /// Removes a practice and its series.
    pub fn forget(&self, key: &Key) {
        self.all().remove(key);
    }

    /// Removes all practices except these.
    pub(crate) fn keep(&self, there: &BTreeSet<Key>) {
        self.all().retain(|practice, _| there.contains(practice));
    }

    fn all(&self) -> MutexGuard<'_, BTreeMap<Key, Practice>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One group of one practice.
struct Seen<'a> {
    of: [(&'static str, &'a str); 3],
    status: &'a GroupStatus,
    counts: Option<&'a Counts>,
    /// Whether its manifest is refused: then its pods are not monitored.
    refused: bool,
}

impl Seen<'_> {
    /// Adds a sample to a family.
    fn put(
        &self,
        series: &mut MetricEncoder<'_>,
        more: &[(&str, &str)],
        value: &impl EncodeMetric,
    ) -> fmt::Result {
        value.encode(series.encode_family(&(self.of, more))?)
    }

    /// Adds a sample for each partition for which `of` returns a value.
    fn partitions(
        &self,
        series: &mut MetricEncoder<'_>,
        of: impl Fn(&OwnedPartition) -> Option<i64>,
    ) -> fmt::Result {
        self.status.shares().try_for_each(|partition| {
            let Some(number) = of(partition) else {
                return Ok(());
            };
            let index = partition.partition.to_string();
            let more = [("topic", partition.topic.as_str()), ("partition", &index)];
            self.put(series, &more, &ConstGauge::new(number))
        })
    }
}

impl Collector for GroupMetrics {
    fn encode(&self, mut encoder: DescriptorEncoder) -> fmt::Result {
        let (all, now) = (self.all(), Timestamp::now());
        let groups: Vec<Seen<'_>> = all
            .iter()
            .flat_map(|(key, practice)| groups(key, practice))
            .collect();
        let mut family =
            |named: &Family, each: &dyn Fn(&Seen<'_>, &mut MetricEncoder<'_>) -> fmt::Result| {
                let Family(name, kind, help) = named;
                let mut series = encoder.encode_descriptor(name, help, None::<&Unit>, *kind)?;
                groups.iter().try_for_each(|group| each(group, &mut series))
            };
        let info = |seen: &Seen<'_>, series: &mut MetricEncoder<'_>| {
            let labels = [
                ("state", seen.status.state.as_str()),
                ("protocol", &seen.status.protocol),
            ];
            seen.put(series, &labels, &ConstGauge::new(1_i64))
        };
        family(&INFO, &info)?;
        let mut numbers = |named: &Family, of: &dyn Fn(&Seen<'_>) -> Option<i64>| {
            family(named, &|seen, series| match of(seen) {
                Some(number) => seen.put(series, &[], &ConstGauge::new(number)),
                None => Ok(()),
            })
        };
        numbers(&MEMBERS, &|seen| members(seen.status))?;
        numbers(&EMPTY_MEMBERS, &|seen| seen.status.idle.map(i64::from))?;
        numbers(&REPLICAS, &|seen| Some(seen.status.replicas.into()))?;
        numbers(&READY_REPLICAS, &|seen| {
            (!seen.refused).then(|| seen.status.ready_replicas.into())
        })?;
        numbers(&LAG, &|seen| seen.status.lag)?;
        numbers(&LAG_SECONDS, &|seen| age(seen.status, now))?;
        family(&HEALTH, &|seen, series| {
            let Some(found) = seen
                .status
                .health
                .as_ref()
                .filter(|_| seen.status.state != "Unknown")
            else {
                return Ok(());
            };
            let words = HealthState::ALL.map(HealthState::as_str).into_iter();
            words
                .map(|word| (word, i64::from(found.state == word)))
                .try_for_each(|(word, is)| {
                    seen.put(series, &[("state", word)], &ConstGauge::new(is))
                })
        })?;
        family(&PARTITION_LAG, &|seen, series| {
            seen.partitions(series, |partition| partition.lag)
        })?;
        family(&PARTITION_COMMITTED, &|seen, series| {
            seen.partitions(series, |partition| partition.committed)
        })?;
        family(&REBALANCES, &|seen, series| {
            let mut causes = seen.counts.iter().flat_map(|counts| &counts.rebalances);
            causes.try_for_each(|(cause, count)| {
                seen.put(series, &[("cause", *cause)], &ConstCounter::new(*count))
            })
        })?;
        family(&WITHOUT_OWNER_SECONDS, &|seen, series| {
            seen.counts.map_or(Ok(()), |counts| {
                seen.put(series, &[], &counts.without_owner)
            })
        })
    }
}

/// The groups of a practice.
fn groups<'a>((namespace, name): &'a Key, practice: &'a Practice) -> Vec<Seen<'a>> {
    let refused = SpecFault::condition_in(&practice.status).is_some();
    let seen = |status: &'a GroupStatus| Seen {
        of: [
            ("namespace", namespace.as_str()),
            ("practice", name),
            ("group", &status.name),
        ],
        status,
        counts: practice.counts.get(&status.name),
        refused,
    };
    practice.status.groups.iter().map(seen).collect()
}

/// Number of members; `None`: unknown, or the list in status is truncated.
fn members(group: &GroupStatus) -> Option<i64> {
    match group.state.as_str() {
        "Unknown" => None,
        "Empty" | "Absent" => Some(0),
        _ => (!group.truncated).then(|| i64::try_from(group.members.len()).unwrap_or(i64::MAX)),
    }
}

/// Age of the oldest message that a group has not consumed, in seconds; 0 if there is none, `None`: unknown.
fn age(group: &GroupStatus, now: Timestamp) -> Option<i64> {
    if group.lag == Some(0) {
        return Some(0);
    }
    let since: Timestamp = group.oldest_since.as_ref()?.parse().ok()?;
    Some((now.as_second() - since.as_second()).max(0))
}

#[cfg(test)]
pub(crate) mod tests;
