//! The operator's own metrics as `OpenMetrics`. In: events. Out: text. Labels are bounded: steps, methods, codes and results,
//! never names or messages. Metrics of groups are in `group_metrics`.

use std::{
    collections::BTreeSet,
    fmt,
    sync::{Arc, OnceLock},
    time::{Duration, Instant},
};

use kube::{ResourceExt, core::DeserializeGuard, runtime::reflector::Store};
use practice_api::{ConsumerGroupPractice, PracticeStatus};
use practice_kafka::{Call, Listener};
use practice_plan::status::ending::BLOCKED;
use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric, text::encode},
    metrics::{
        MetricType, counter::Counter, family::Family, gauge::ConstGauge, histogram::Histogram,
    },
    registry::{Registry, Unit},
};

use crate::{error, group_metrics::GroupMetrics, journal::JournalUpdate, reader::Key};

/// The media type of the text (`OpenMetrics` 1.0).
pub(crate) const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Every practice that the operator knows, also those that cannot be decoded.
pub type Practices = Store<DeserializeGuard<ConsumerGroupPractice>>;

type Histograms<L> = Family<L, Histogram, fn() -> Histogram>;

/// A step of a reconcile.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Step {
    step: &'static str,
}

/// The HTTP method of a request to Kubernetes.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Method {
    method: &'static str,
}

/// The result of a request to Kubernetes, with client-go's label names.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Request {
    method: &'static str,
    code: String,
}

/// The name of a call to Kafka.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Called {
    call: &'static str,
}

/// The result of a call to Kafka.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Answered {
    call: &'static str,
    result: &'static str,
}

/// The operator's own metrics; cheap to clone.
#[derive(Debug, Clone)]
pub struct Metrics {
    registry: Arc<Registry>,
    reconciles: Counter,
    errors: Family<Step, Counter>,
    seconds: Histogram,
    steps: Histograms<Step>,
    writes: Counter,
    abandoned: Counter,
    requests: Family<Request, Counter>,
    request_seconds: Histograms<Method>,
    calls: Family<Answered, Counter>,
    call_seconds: Histograms<Called>,
    practices: Arc<OnceLock<Practices>>,
    /// Metrics of groups.
    pub groups: GroupMetrics,
}

/// Durations of steps, requests and calls in seconds, up to the request deadline.
fn seconds() -> Histogram {
    Histogram::new([0.005, 0.025, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0])
}

impl Default for Metrics {
    fn default() -> Self {
        let metrics = Self {
            registry: Arc::default(),
            reconciles: Counter::default(),
            errors: Family::default(),
            seconds: Histogram::new([
                0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0,
            ]),
            steps: Family::new_with_constructor(seconds),
            writes: Counter::default(),
            abandoned: Counter::default(),
            requests: Family::default(),
            request_seconds: Family::new_with_constructor(seconds),
            calls: Family::default(),
            call_seconds: Family::new_with_constructor(seconds),
            practices: Arc::default(),
            groups: GroupMetrics::default(),
        };
        for step in error::STEPS {
            metrics.errors.get_or_create(&Step { step }).inc_by(0); // a rate needs a first sample of 0
        }
        Self {
            registry: Arc::new(metrics.registered()),
            ..metrics
        }
    }
}

impl Metrics {
    fn registered(&self) -> Registry {
        let mut all = Registry::default();
        all.register(
            "practice_operator_reconciles",
            "Finished reconciles",
            self.reconciles.clone(),
        );
        all.register(
            "practice_operator_reconcile_errors",
            "Failed reconciles by step",
            self.errors.clone(),
        );
        all.register(
            "practice_operator_reconcile_duration_seconds",
            "Duration of reconciles",
            self.seconds.clone(),
        );
        all.register(
            "practice_operator_reconcile_step_duration_seconds",
            "Duration of the steps of a reconcile",
            self.steps.clone(),
        );
        all.register(
            "practice_operator_object_writes",
            "Kubernetes objects created, updated or deleted",
            self.writes.clone(),
        );
        all.register(
            "practice_operator_topics_abandoned",
            "Topics with deletionPolicy Delete that stay in Kafka after their practice, because they could not be deleted or you kept them",
            self.abandoned.clone(),
        );
        all.register(
            "practice_operator_kubernetes_requests",
            "Requests to the API server by HTTP status; error: no response, none: cancelled before the response",
            self.requests.clone(),
        );
        all.register(
            "practice_operator_kubernetes_request_duration_seconds",
            "Time until the first byte of the API server's response",
            self.request_seconds.clone(),
        );
        all.register(
            "practice_operator_kafka_calls",
            "Calls to Kafka (one or more requests each) by result",
            self.calls.clone(),
        );
        all.register(
            "practice_operator_kafka_call_duration_seconds",
            "Duration of calls to Kafka",
            self.call_seconds.clone(),
        );
        all.register_collector(Box::new(Census(self.practices.clone())));
        all.register_collector(Box::new(self.groups.clone()));
        all
    }

    /// Sets the store of practices that are counted.
    pub fn count(&self, practices: Practices) {
        let _ = self.practices.set(practices); // called once: there is one store
    }

    /// Runs a step of a reconcile and records its duration.
    pub async fn step<T>(&self, step: &'static str, work: impl Future<Output = T>) -> T {
        let begun = Instant::now();
        let done = work.await;
        self.steps
            .get_or_create(&Step { step })
            .observe(begun.elapsed().as_secs_f64());
        done
    }

    /// Records a finished reconcile; `failed` is the step that failed.
    pub fn reconciled(&self, took: Duration, failed: Option<&'static str>) {
        self.reconciles.inc();
        self.seconds.observe(took.as_secs_f64());
        if let Some(step) = failed {
            self.errors.get_or_create(&Step { step }).inc();
        }
    }

    /// Records the number of writes, the status and the rebalances of a reconcile.
    pub fn show(
        &self,
        practice: &Key,
        writes: usize,
        status: &PracticeStatus,
        update: &JournalUpdate,
    ) {
        self.writes.inc_by(writes as u64);
        self.groups
            .show(practice, status, &update.explained, &update.measured);
    }

    /// Records topics that stay in Kafka although they should be deleted with their practice.
    pub(crate) fn abandoned(&self, topics: usize) {
        self.abandoned.inc_by(topics as u64);
    }

    /// Records a finished request to Kubernetes.
    pub(crate) fn requested(&self, method: &'static str, code: String, took: Duration) {
        self.requests.get_or_create(&Request { method, code }).inc();
        self.request_seconds
            .get_or_create(&Method { method })
            .observe(took.as_secs_f64());
    }

    /// Records each call to Kafka.
    pub(crate) fn listener(&self) -> Listener {
        let (calls, seconds) = (self.calls.clone(), self.call_seconds.clone());
        Listener::new(move |Call { name, result, took }| {
            calls.get_or_create(&Answered { call: name, result }).inc();
            seconds
                .get_or_create(&Called { call: name })
                .observe(took.as_secs_f64());
        })
    }

    /// All metrics as text; of groups, only those of existing practices.
    pub fn text(&self) -> String {
        if let Some(practices) = self.practices.get() {
            let there: BTreeSet<Key> = practices
                .state()
                .iter()
                .map(|practice| {
                    (
                        practice.namespace().unwrap_or_default(),
                        practice.name_any(),
                    )
                })
                .collect();
            self.groups.keep(&there); // deleting a practice without objects triggers no reconcile
        }
        let mut text = String::new();
        encode(&mut text, &self.registry).expect("writing to a string should not fail");
        text
    }
}

/// Counts practices on each scrape.
struct Census(Arc<OnceLock<Practices>>);

impl fmt::Debug for Census {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Census")
    }
}

impl Collector for Census {
    fn encode(&self, mut encoder: DescriptorEncoder) -> fmt::Result {
        let Some(practices) = self.0.get() else {
            return Ok(());
        };
        let practices = practices.state();
        let behind = practices
            .iter()
            .filter(|practice| is_behind(practice))
            .count();
        let blocked = practices
            .iter()
            .filter(|practice| is_blocked(practice))
            .count();
        for (name, help, count) in [
            (
                "practice_operator_practices",
                "Practices in the watched namespaces",
                practices.len(),
            ),
            (
                "practice_operator_practices_behind",
                "Practices whose observedGeneration is behind metadata.generation",
                behind,
            ),
            (
                "practice_operator_practices_deletion_blocked",
                "Practices that are being deleted and whose topics cannot be deleted",
                blocked,
            ),
        ] {
            let gauge = ConstGauge::new(i64::try_from(count).unwrap_or(i64::MAX));
            gauge.encode(encoder.encode_descriptor(
                name,
                help,
                None::<&Unit>,
                MetricType::Gauge,
            )?)?;
        }
        Ok(())
    }
}

/// Whether the operator has not yet acted on the current manifest (Kubernetes' rule for `observedGeneration`), or cannot.
fn is_behind(practice: &DeserializeGuard<ConsumerGroupPractice>) -> bool {
    practice.0.as_ref().map_or(true, |practice| {
        // a deletion increments the generation, and without a finalizer status is not written again
        if practice.metadata.deletion_timestamp.is_some() {
            return false;
        }
        let observed = practice
            .status
            .as_ref()
            .and_then(|status| status.observed_generation);
        observed != practice.metadata.generation
    })
}

/// Whether a practice that is being deleted has topics that cannot be deleted.
fn is_blocked(practice: &DeserializeGuard<ConsumerGroupPractice>) -> bool {
    practice.0.as_ref().is_ok_and(|practice| {
        let condition = |status: &PracticeStatus| {
            let reconciling = status.condition("Reconciling")?;
            Some(reconciling.reason == BLOCKED)
        };
        practice.status.as_ref().and_then(condition) == Some(true)
    })
}

#[cfg(test)]
mod tests;
