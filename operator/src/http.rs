//! The operator's own HTTP: `/livez`, `/readyz` and `/metrics`. Deliberately absent: anything about practices.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use axum::{
    Router,
    extract::State,
    http::{StatusCode, header},
    response::IntoResponse,
    routing::get,
};

use practice_serve::AtMost;

use crate::{metrics, metrics::Metrics};

/// Answers with metrics at a time: one may have megabytes.
const METRICS_AT_ONCE: usize = 2;

/// Whether the operator has listed the practices once: set by the controller, read by `/readyz`.
#[derive(Debug, Clone, Default)]
pub struct Readiness(Arc<AtomicBool>);

impl Readiness {
    /// Marks the operator as ready.
    pub fn set(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    fn get(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// The routes.
pub fn app(metrics: Metrics, readiness: Readiness) -> Router {
    let text = get(text).layer(AtMost::new(METRICS_AT_ONCE));
    probes(readiness).route("/metrics", text.with_state(metrics))
}

/// The routes of probes alone.
pub fn probes(readiness: Readiness) -> Router {
    Router::new()
        .route("/livez", get(|| async { "ok\n" }))
        .route("/readyz", get(ready).with_state(readiness))
}

async fn ready(State(readiness): State<Readiness>) -> impl IntoResponse {
    if readiness.get() {
        (StatusCode::OK, "ok\n")
    } else {
        (
            StatusCode::SERVICE_UNAVAILABLE,
            "practices have not been listed yet\n",
        )
    }
}

async fn text(State(metrics): State<Metrics>) -> impl IntoResponse {
    (
        [(header::CONTENT_TYPE, metrics::CONTENT_TYPE)],
        metrics.text(),
    )
}
