//! `/metrics` as text in the `OpenMetrics` format. In: answers, and the counts of the steady stream. Out: text. The only label is an
//! HTTP status, so labels are bounded.

use std::{sync::Arc, time::Duration};

use axum::http::StatusCode;
use prometheus_client::{
    encoding::{EncodeLabelSet, text::encode},
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::Registry,
};

use crate::{load::Counts, send::Kafka, topics::Topics};

pub(crate) const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Status {
    status: u16,
}

/// The producer's metrics.
#[derive(Debug)]
pub(crate) struct Metrics {
    registry: Registry,
    answers: Family<Status, Counter>,
    seconds: Histogram,
    in_flight: Gauge,
    reachable: Gauge,
}

impl Metrics {
    /// All counts at 0, except those of the steady stream (`load`).
    pub(crate) fn new(load: &Arc<Counts>) -> Self {
        let mut all = Registry::default();
        let answers = Family::<Status, Counter>::default();
        answers
            .get_or_create(&Status {
                status: StatusCode::OK.as_u16(),
            })
            .inc_by(0); // rate() needs a first sample of 0
        let seconds = Histogram::new([
            0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
        ]);
        let (in_flight, reachable) = (Gauge::default(), Gauge::default());
        all.register(
            "practice_producer_answers",
            "Answers to POST /send-message, by status",
            answers.clone(),
        );
        all.register(
            "practice_producer_answer_duration_seconds",
            "Time from a request's head to its answer",
            seconds.clone(),
        );
        all.register(
            "practice_producer_messages_in_flight",
            "Messages that Kafka has not acknowledged yet",
            in_flight.clone(),
        );
        all.register(
            "practice_producer_kafka_reachable",
            "1 while Kafka is reachable, else 0",
            reachable.clone(),
        );
        all.register(
            "practice_producer_load_messages_acknowledged",
            "Messages of the steady stream that Kafka acknowledged",
            load.acknowledged.clone(),
        );
        all.register(
            "practice_producer_load_messages_failed",
            "Messages of the steady stream whose delivery failed",
            load.failed.clone(),
        );
        Self {
            registry: all,
            answers,
            seconds,
            in_flight,
            reachable,
        }
    }

    pub(crate) fn answered(&self, status: StatusCode, took: Duration) {
        self.answers
            .get_or_create(&Status {
                status: status.as_u16(),
            })
            .inc();
        self.seconds.observe(took.as_secs_f64());
    }

    pub(crate) fn text(&self, kafka: &Kafka, topics: &Topics) -> String {
        self.in_flight
            .set(i64::try_from(kafka.in_flight()).unwrap_or(i64::MAX));
        self.reachable
            .set(i64::from(topics.seen() && kafka.reachable()));
        let mut text = String::new();
        encode(&mut text, &self.registry)
            .expect("should encode: writing to a String does not fail");
        text
    }
}
