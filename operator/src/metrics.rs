//! What the operator counts about itself, as `OpenMetrics`. Labels are bounded: steps and results, never names or texts.

use std::{sync::Arc, time::Duration};

use prometheus_client::{
    encoding::{EncodeLabelSet, text::encode},
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::Registry,
};

use crate::group_metrics::GroupMetrics;

/// Begins the name of each series.
pub(crate) const PREFIX: &str = "practice_operator";

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
    /// What is told of groups.
    pub groups: GroupMetrics,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix(PREFIX);
        let reconciles = Counter::default();
        let errors = Family::<Step, Counter>::default();
        let seconds = Histogram::new([0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0]);
        let (writes, practices) = (Counter::default(), Gauge::default());
        registry.register("reconciles", "Reconciles finished", reconciles.clone());
        registry.register("reconcile_errors", "Reconciles that failed, by step", errors.clone());
        registry.register("reconcile_duration_seconds", "Duration of reconciles", seconds.clone());
        registry.register("object_writes", "Kubernetes objects created, changed or removed", writes.clone());
        registry.register("practices", "Practices known", practices.clone());
        let groups = GroupMetrics::default();
        registry.register_collector(Box::new(groups.clone()));
        Self { registry: Arc::new(registry), reconciles, errors, seconds, writes, practices, groups }
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

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    use super::*;
    use crate::group_metrics::reference;

    /// docs/metrics.md has a row for each series of groups, as it stands in the code; and names the operator's own.
    #[test]
    fn the_reference_is_the_codes() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/metrics.md");
        let page = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let rows = reference(PREFIX);
        assert!(page.contains(&rows), "put these rows into docs/metrics.md:\n{rows}");
        let text = Metrics::default().text();
        let own = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")).filter_map(|line| line.split_once(' '));
        for (name, kind) in own {
            let ending = if kind == "counter" { "_total" } else { "" };
            assert!(page.contains(&format!("| `{name}{ending}` | {kind} |")), "docs/metrics.md does not name {name}");
        }
    }
}
