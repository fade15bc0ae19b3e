//! What the operator counts about itself, as `OpenMetrics`. Labels are bounded: steps and results, never names or texts.

use std::{sync::Arc, time::Duration};

use prometheus_client::{
    encoding::{EncodeLabelSet, text::encode},
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::Registry,
};

/// A step of a reconcile.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Step {
    step: &'static str,
}

/// The operator's own metrics; cheap to clone.
#[derive(Debug, Clone)]
pub struct Metrics {
    registry: Arc<Registry>,
    reconciles: Counter,
    errors: Family<Step, Counter>,
    seconds: Histogram,
    writes: Counter,
    practices: Gauge,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("practice_operator");
        let reconciles = Counter::default();
        let errors = Family::<Step, Counter>::default();
        let seconds = Histogram::new([0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0]);
        let (writes, practices) = (Counter::default(), Gauge::default());
        registry.register("reconciles", "Reconciles finished", reconciles.clone());
        registry.register("reconcile_errors", "Reconciles that failed, by step", errors.clone());
        registry.register("reconcile_duration_seconds", "Duration of reconciles", seconds.clone());
        registry.register("object_writes", "Kubernetes objects created, changed or removed", writes.clone());
        registry.register("practices", "Practices known", practices.clone());
        Self { registry: Arc::new(registry), reconciles, errors, seconds, writes, practices }
    }
}

impl Metrics {
    /// A reconcile is done; `failed` names the step that failed.
    pub fn reconciled(&self, took: Duration, failed: Option<&'static str>) {
        self.reconciles.inc();
        self.seconds.observe(took.as_secs_f64());
        if let Some(step) = failed {
            self.errors.get_or_create(&Step { step }).inc();
        }
    }

    /// So many objects were written.
    pub fn wrote(&self, objects: usize) {
        self.writes.inc_by(objects as u64);
    }

    /// So many practices are known.
    pub fn practices(&self, count: usize) {
        self.practices.set(i64::try_from(count).unwrap_or(i64::MAX));
    }

    /// All of it as text.
    pub fn text(&self) -> String {
        let mut text = String::new();
        encode(&mut text, &self.registry).expect("writing to a string should not fail");
        text
    }
}
