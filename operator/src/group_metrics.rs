//! What is known of groups, as `OpenMetrics`, read when it is asked for. In: each practice's status and rebalances. Out:
//! series that go with their practice and group. What is unknown has no series: there is no -1 and no `NaN`. Labels are
//! bounded by the manifest: never a member's id, never a text. Names follow kminion's grain.

use std::{
    collections::BTreeMap,
    fmt::{self, Write},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use jiff::Timestamp;
use practice_api::{PracticeStatus, status::GroupStatus};
use practice_groups::Rebalance;
use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric},
    metrics::{MetricType, counter::ConstCounter, gauge::ConstGauge, histogram::Histogram},
    registry::Unit,
};

use crate::reader::Key;

/// Bounds of the histogram of times without an owner, in seconds: a clean hand-over, a heartbeat, session timeouts.
const WITHOUT_OWNER: [f64; 10] = [0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0];

/// One family of series.
struct Family {
    name: &'static str,
    kind: MetricType,
    help: &'static str,
    /// Beside `namespace`, `practice` and `group`.
    labels: &'static str,
}

const fn family(name: &'static str, kind: MetricType, labels: &'static str, help: &'static str) -> Family {
    Family { name, kind, help, labels }
}

const INFO: Family = family("info", MetricType::Gauge, "state, protocol", "1, with what Kafka says of the group");
const MEMBERS: Family = family("members", MetricType::Gauge, "", "Members");
const EMPTY_MEMBERS: Family =
    family("empty_members", MetricType::Gauge, "", "Members without a partition while the group is stable");
const REPLICAS: Family = family("replicas", MetricType::Gauge, "", "Consumers wanted");
const READY_REPLICAS: Family = family("ready_replicas", MetricType::Gauge, "", "Consumers that are ready");
const LAG: Family = family("lag", MetricType::Gauge, "", "Messages not yet consumed");
const LAG_SECONDS: Family = family("lag_seconds", MetricType::Gauge, "", "Age of the oldest message not yet consumed");
const PARTITION_LAG: Family =
    family("topic_partition_lag", MetricType::Gauge, "topic, partition", "Messages of a partition not yet consumed");
const REBALANCES: Family = family("rebalances", MetricType::Counter, "cause", "Rebalances, since the operator started");
const UNOWNED: Family = family(
    "partition_without_owner_seconds",
    MetricType::Histogram,
    "",
    "Time that a partition which moved had no owner, since the operator started",
);
const ALL: [Family; 10] =
    [INFO, MEMBERS, EMPTY_MEMBERS, REPLICAS, READY_REPLICAS, LAG, LAG_SECONDS, PARTITION_LAG, REBALANCES, UNOWNED];
const PREFIX: &str = "consumer_group";

/// What is told of groups; cheap to clone.
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
    fn default() -> Self {
        Self { rebalances: BTreeMap::new(), without_owner: Histogram::new(WITHOUT_OWNER) }
    }
}

impl GroupMetrics {
    /// What is true of a practice now; rebalances whose cause, and times without an owner, in milliseconds, that were found
    /// since the last time.
    pub fn show(
        &self,
        key: &Key,
        status: &PracticeStatus,
        told: &[(String, Rebalance)],
        without_owner: &[(String, u64)],
    ) {
        let mut all = self.all();
        let practice = all.entry(key.clone()).or_default();
        practice.status.clone_from(status);
        practice.counts.retain(|group, _| status.groups.iter().any(|there| there.name == *group));
        for (group, rebalance) in told {
            let Some(why) = &rebalance.why else { continue };
            let counts = practice.counts.entry(group.clone()).or_default();
            *counts.rebalances.entry(why.cause.word()).or_default() += 1;
        }
        for (group, millis) in without_owner {
            let counts = practice.counts.entry(group.clone()).or_default();
            counts.without_owner.observe(std::time::Duration::from_millis(*millis).as_secs_f64());
        }
    }

    /// A practice is gone, and its series with it.
    pub fn forget(&self, key: &Key) {
        self.all().remove(key);
    }

    fn all(&self) -> MutexGuard<'_, BTreeMap<Key, Practice>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Collector for GroupMetrics {
    fn encode(&self, mut encoder: DescriptorEncoder) -> fmt::Result {
        let all = self.all();
        let groups = || {
            all.iter().flat_map(|((namespace, name), practice)| {
                practice.status.groups.iter().map(move |group| {
                    let of = [("namespace", namespace.as_str()), ("practice", name), ("group", &group.name)];
                    (of, group, practice.counts.get(&group.name))
                })
            })
        };
        let mut numbers = |family: &Family, of: &dyn Fn(&GroupStatus) -> Option<i64>| -> fmt::Result {
            let name = format!("{PREFIX}_{}", family.name);
            let mut series = encoder.encode_descriptor(&name, family.help, None::<&Unit>, family.kind)?;
            for (labels, group, _) in groups() {
                if let Some(number) = of(group) {
                    ConstGauge::new(number).encode(series.encode_family(&labels)?)?;
                }
            }
            Ok(())
        };
        let known = |group: &GroupStatus| group.state != "Unknown";
        numbers(&MEMBERS, &|group| known(group).then(|| i64::try_from(group.members.len()).unwrap_or(i64::MAX)))?;
        numbers(&EMPTY_MEMBERS, &|group| group.idle.map(i64::from))?;
        numbers(&REPLICAS, &|group| Some(group.replicas.into()))?;
        numbers(&READY_REPLICAS, &|group| Some(group.ready_replicas.into()))?;
        numbers(&LAG, &|group| group.lag)?;
        let now = Timestamp::now();
        numbers(&LAG_SECONDS, &|group| age(group, now))?;

        let name = format!("{PREFIX}_{}", INFO.name);
        let mut series = encoder.encode_descriptor(&name, INFO.help, None::<&Unit>, INFO.kind)?;
        for (labels, group, _) in groups() {
            let more = [("state", group.state.as_str()), ("protocol", &group.protocol)];
            ConstGauge::new(1_i64).encode(series.encode_family(&(labels, more))?)?;
        }
        let name = format!("{PREFIX}_{}", PARTITION_LAG.name);
        let mut series = encoder.encode_descriptor(&name, PARTITION_LAG.help, None::<&Unit>, PARTITION_LAG.kind)?;
        for (labels, group, _) in groups() {
            let owned = group.members.iter().flat_map(|member| &member.partitions).chain(&group.unowned);
            for partition in owned {
                let number = partition.partition.to_string();
                let more = [("topic", partition.topic.as_str()), ("partition", &number)];
                if let Some(lag) = partition.lag {
                    ConstGauge::new(lag).encode(series.encode_family(&(labels, more))?)?;
                }
            }
        }
        let name = format!("{PREFIX}_{}", REBALANCES.name);
        let mut series = encoder.encode_descriptor(&name, REBALANCES.help, None::<&Unit>, REBALANCES.kind)?;
        for (labels, _, counts) in groups() {
            for (cause, count) in counts.iter().flat_map(|counts| &counts.rebalances) {
                ConstCounter::new(*count).encode(series.encode_family(&(labels, [("cause", *cause)]))?)?;
            }
        }
        let name = format!("{PREFIX}_{}", UNOWNED.name);
        let mut series = encoder.encode_descriptor(&name, UNOWNED.help, None::<&Unit>, UNOWNED.kind)?;
        for (labels, _, counts) in groups() {
            if let Some(counts) = counts {
                counts.without_owner.encode(series.encode_family(&labels)?)?;
            }
        }
        Ok(())
    }
}

/// How old the oldest message is that a group has not consumed, in seconds; 0 where there is none.
fn age(group: &GroupStatus, now: Timestamp) -> Option<i64> {
    if group.lag == Some(0) {
        return Some(0);
    }
    let since: Timestamp = group.oldest_since.as_ref()?.parse().ok()?;
    Some((now.as_second() - since.as_second()).max(0))
}

/// The rows of docs/metrics.md, for series whose names begin with `prefix`.
pub fn reference(prefix: &str) -> String {
    let mut rows = String::new();
    for family in &ALL {
        let (kind, ending) = match family.kind {
            MetricType::Counter => ("counter", "_total"),
            MetricType::Histogram => ("histogram", ""),
            _ => ("gauge", ""),
        };
        let more = if family.labels.is_empty() { String::new() } else { format!(", {}", family.labels) };
        let (name, help) = (family.name, family.help);
        writeln!(rows, "| `{prefix}_{PREFIX}_{name}{ending}` | {kind} | namespace, practice, group{more} | {help} |")
            .expect("writing to a string should not fail");
    }
    rows
}

#[cfg(test)]
mod tests {
    use practice_api::status::{Member, OwnedPartition};
    use practice_groups::{Cause, Explained};
    use prometheus_client::{encoding::text::encode, registry::Registry};

    use super::*;

    fn key(name: &str) -> Key {
        ("n".to_owned(), name.to_owned())
    }

    fn status(lag: Option<i64>) -> PracticeStatus {
        let owned = OwnedPartition { topic: "t".into(), partition: 2, lag, ..OwnedPartition::default() };
        let member = Member { name: "secret".into(), partitions: vec![owned], ..Member::default() };
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
        PracticeStatus { groups: vec![group], ..PracticeStatus::default() }
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
            why: Some(Explained { cause, exit_code: None, sentence: "secret".into(), advice: None }),
        }
    }

    fn text(metrics: &GroupMetrics) -> String {
        let mut registry = Registry::with_prefix("practice_operator");
        registry.register_collector(Box::new(metrics.clone()));
        let mut text = String::new();
        encode(&mut text, &registry).expect("a string takes everything");
        text
    }

    #[test]
    fn an_age_is_that_of_the_moment_it_is_asked_for() {
        let now: Timestamp = "2026-01-01T00:02:00Z".parse().expect("a time");
        for (lag, since, expected) in [
            (Some(7), Some("2026-01-01T00:00:20Z"), Some(100)),
            (Some(7), Some("2026-01-01T00:02:01Z"), Some(0)),
            (Some(7), None, None),
            (Some(0), None, Some(0)),
            (None, None, None),
        ] {
            let group = GroupStatus { lag, oldest_since: since.map(str::to_owned), ..GroupStatus::default() };
            assert_eq!(age(&group, now), expected, "{lag:?} {since:?}");
        }
        let (metrics, mut status) = (GroupMetrics::default(), status(Some(7)));
        status.groups[0].oldest_since = Some((Timestamp::now() - std::time::Duration::from_secs(100)).to_string());
        metrics.show(&key("p"), &status, &[], &[]);
        let said = text(&metrics);
        let line = r#"consumer_group_lag_seconds{namespace="n",practice="p",group="g"} 10"#;
        assert!(said.contains(line), "{said}"); // 100, or a little more
    }

    #[test]
    fn what_is_known_has_a_series_and_what_is_not_has_none() {
        let metrics = GroupMetrics::default();
        metrics.show(&key("p"), &status(Some(7)), &[("g".into(), rebalance(Cause::ScaledUp))], &[("g".into(), 700)]);
        metrics.show(&key("p"), &status(Some(7)), &[("g".into(), rebalance(Cause::ScaledUp))], &[("g".into(), 400)]);
        let said = text(&metrics);
        let of = r#"namespace="n",practice="p",group="g""#;
        for line in [
            format!("practice_operator_consumer_group_members{{{of}}} 1"),
            format!("practice_operator_consumer_group_lag{{{of}}} 7"),
            format!(r#"practice_operator_consumer_group_info{{{of},state="Stable",protocol="Classic"}} 1"#),
            format!(r#"practice_operator_consumer_group_topic_partition_lag{{{of},topic="t",partition="2"}} 7"#),
            format!(r#"practice_operator_consumer_group_rebalances_total{{{of},cause="ScaledUp"}} 2"#),
            format!("practice_operator_consumer_group_partition_without_owner_seconds_count{{{of}}} 2"),
            format!(r#"practice_operator_consumer_group_partition_without_owner_seconds_bucket{{le="0.5",{of}}} 1"#),
        ] {
            assert!(said.contains(&line), "{line}\n{said}");
        }
        assert!(!said.contains("secret"), "no name of a member, no text: {said}");
        assert!(!said.contains("lag_seconds{"), "its age is not known: {said}");

        metrics.show(&key("p"), &status(None), &[], &[]);
        let said = text(&metrics);
        assert!(!said.contains("_lag{"), "unknown is no number: {said}");
        assert!(said.contains(r#"cause="ScaledUp"} 2"#), "a counter goes on: {said}");
        metrics.forget(&key("p"));
        assert!(!text(&metrics).contains("practice=\"p\""), "series go with their practice");
    }
}
