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
pub(crate) mod tests {
    use practice_api::status::{HealthStatus, Member};
    use practice_groups::Explained;
    use practice_testbed::openmetrics::Exposition;
    use prometheus_client::{encoding::text::encode, registry::Registry};
    use serde_json::json;

    use super::*;

    fn key(name: &str) -> Key {
        ("n".to_owned(), name.to_owned())
    }

    fn status(lag: Option<i64>) -> PracticeStatus {
        let owned = OwnedPartition {
            topic: "t".into(),
            partition: 2,
            lag,
            ..OwnedPartition::default()
        };
        let member = Member {
            name: "secret".into(),
            partitions: vec![owned],
            ..Member::default()
        };
        let group = GroupStatus {
            name: "g".into(),
            state: "Stable".into(),
            protocol: "Classic".into(),
            replicas: 2,
            idle: Some(0),
            lag,
            members: vec![member],
            ..GroupStatus::default()
        };
        PracticeStatus {
            groups: vec![group],
            ..PracticeStatus::default()
        }
    }

    fn rebalance(cause: Cause) -> Rebalance {
        Rebalance {
            number: 1,
            at: 0,
            protocol: None,
            epoch_before: None,
            epoch: None,
            joined: vec!["secret".into()],
            left: vec![],
            moved: vec![],
            took_ms: None,
            why: Some(Explained {
                cause,
                exit_code: None,
                sentence: "secret".into(),
                advice: None,
            }),
        }
    }

    /// Adds a practice that has a sample in each family.
    pub(crate) fn fill(metrics: &GroupMetrics) {
        let mut full = status(Some(7));
        full.groups[0].oldest_since = Some(Timestamp::now().to_string());
        full.groups[0].members[0].partitions[0].committed = Some(3);
        full.groups[0].health = Some(HealthStatus {
            state: "Stalled".into(),
            ..HealthStatus::default()
        });
        metrics.show(
            &key("p"),
            &full,
            &[("g".into(), rebalance(Cause::ScaledUp).into())],
            &[("g".into(), 700)],
        );
    }

    fn text(metrics: &GroupMetrics) -> String {
        let mut registry = Registry::default();
        registry.register_collector(Box::new(metrics.clone()));
        let mut text = String::new();
        encode(&mut text, &registry).expect("writing to a string should not fail");
        Exposition::read(&text).unwrap_or_else(|error| panic!("{error}\n{text}"));
        text
    }

    #[test]
    fn an_age_is_computed_at_the_scrape() {
        let now: Timestamp = "2026-01-01T00:02:00Z".parse().expect("a time");
        for (lag, since, expected) in [
            (Some(7), Some("2026-01-01T00:00:20Z"), Some(100)),
            (Some(7), Some("2026-01-01T00:02:01Z"), Some(0)),
            (Some(7), None, None),
            (Some(0), None, Some(0)),
            (None, None, None),
        ] {
            let group = GroupStatus {
                lag,
                oldest_since: since.map(str::to_owned),
                ..GroupStatus::default()
            };
            assert_eq!(age(&group, now), expected, "{lag:?} {since:?}");
        }
        let (metrics, mut status) = (GroupMetrics::default(), status(Some(7)));
        status.groups[0].oldest_since =
            Some((Timestamp::now() - Duration::from_secs(100)).to_string());
        metrics.show(&key("p"), &status, &[], &[]);
        let text_now = text(&metrics);
        let line = r#"consumer_group_lag_seconds{namespace="n",practice="p",group="g"} 10"#;
        assert!(text_now.contains(line), "{text_now}"); // 100, or a little more
    }

    #[test]
    fn only_known_values_have_series() {
        let metrics = GroupMetrics::default();
        metrics.show(
            &key("p"),
            &status(Some(7)),
            &[("g".into(), rebalance(Cause::ScaledUp).into())],
            &[("g".into(), 700)],
        );
        metrics.show(
            &key("p"),
            &status(Some(7)),
            &[("g".into(), rebalance(Cause::ScaledUp).into())],
            &[("g".into(), 400)],
        );
        let text_now = text(&metrics);
        let of = r#"namespace="n",practice="p",group="g""#;
        for line in [
            format!("practice_operator_consumer_group_members{{{of}}} 1"),
            format!("practice_operator_consumer_group_lag{{{of}}} 7"),
            format!(
                r#"practice_operator_consumer_group_info{{{of},state="Stable",protocol="Classic"}} 1"#
            ),
            format!(
                r#"practice_operator_consumer_group_topic_partition_lag{{{of},topic="t",partition="2"}} 7"#
            ),
            format!(
                r#"practice_operator_consumer_group_rebalances_total{{{of},cause="ScaledUp"}} 2"#
            ),
            format!(
                "practice_operator_consumer_group_partition_without_owner_seconds_count{{{of}}} 2"
            ),
            format!(
                r#"practice_operator_consumer_group_partition_without_owner_seconds_bucket{{le="0.5",{of}}} 1"#
            ),
        ] {
            assert!(text_now.contains(&line), "{line}\n{text_now}");
        }
        let causes = text_now
            .matches("practice_operator_consumer_group_rebalances_total{")
            .count();
        assert_eq!(
            causes,
            Cause::ALL.len(),
            "each cause begins at 0: {text_now}"
        );
        assert!(
            !text_now.contains("secret"),
            "no name of a member, no text: {text_now}"
        );
        assert!(
            !text_now.contains("lag_seconds{"),
            "its age is not known: {text_now}"
        );
        assert!(
            !text_now.contains("committed_offset{"),
            "it has committed nothing: {text_now}"
        );
        assert!(
            !text_now.contains("health{"),
            "health is unknown: {text_now}"
        );

        metrics.show(&key("p"), &status(None), &[], &[]);
        let text_now = text(&metrics);
        assert!(
            !text_now.contains("_lag{"),
            "unknown is no number: {text_now}"
        );
        assert!(
            text_now.contains(r#"cause="ScaledUp"} 2"#),
            "a counter is kept: {text_now}"
        );
        metrics.show(&key("p"), &PracticeStatus::default(), &[], &[]);
        assert!(
            !text(&metrics).contains("group=\"g\""),
            "series end with their group"
        );

        let mut cut = status(Some(7));
        cut.groups[0].truncated = true;
        metrics.show(&key("p"), &cut, &[], &[]);
        assert!(
            !text(&metrics).contains("group_members{"),
            "a truncated list has no count"
        );
        cut.groups[0].state = "Empty".into();
        metrics.show(&key("p"), &cut, &[], &[]);
        assert!(text(&metrics).contains(&format!(
            "practice_operator_consumer_group_members{{{of}}} 0"
        )));
        assert!(text(&metrics).contains("ready_replicas{"));
        let stalled = json!([{"type": "Stalled", "status": "True", "reason": "InvalidSpec", "message": "",
            "lastTransitionTime": "2026-01-01T00:00:00Z"}]);
        cut.conditions = serde_json::from_value(stalled).expect("a condition");
        metrics.show(&key("p"), &cut, &[], &[]);
        assert!(
            !text(&metrics).contains("ready_replicas{"),
            "its pods are not monitored"
        );
        fill(&metrics);
        let text_now = text(&metrics);
        for (word, is) in [
            ("Healthy", 0),
            ("Lagging", 0),
            ("Rewound", 0),
            ("Stalled", 1),
            ("Unassigned", 0),
        ] {
            let line =
                format!(r#"practice_operator_consumer_group_health{{{of},state="{word}"}} {is}"#);
            assert!(text_now.contains(&line), "{line}\n{text_now}");
        }
        metrics.forget(&key("p"));
        assert!(
            !text(&metrics).contains("practice=\"p\""),
            "series end with their practice"
        );
    }
}
