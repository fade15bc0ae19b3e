//! A producer as an HTTP service: a message is answered after Kafka acknowledged it, or the answer has what is known about its
//! fate. In: settings, a bound listener, a token that ends it. Out: answers. It never reads arguments, environment or
//! signals, and knows nothing of Kubernetes.

pub mod routes;

mod body;
pub mod message;
mod topic_config;
mod topics;

mod failure;
mod send;

pub mod error;

mod docs;
mod load;
mod metrics;

use std::{io, pin::pin, sync::Arc, thread, time::Duration};

use practice_contract::ProducerSettings;
use practice_serve::Listeners;
use rdkafka::error::KafkaError;
use thiserror::Error;
use tokio::{
    sync::oneshot,
    time::{Instant, sleep, timeout},
};
use tokio_util::sync::CancellationToken;

use crate::{routes::App, send::Kafka};

/// After the token, what is on its way to Kafka gets this long; less than a connection's time to drain, so that
/// waiting clients still get an answer.
const ACKNOWLEDGEMENT: Duration = Duration::from_secs(4);
/// Time for the last messages of the steady stream.
const STREAM_END: Duration = Duration::from_millis(500);
/// Time for the Kafka client to end: its end can block.
const CLIENT_END: Duration = Duration::from_secs(2);

/// Why a producer could not start or failed.
#[derive(Debug, Error)]
pub enum Error {
    /// Its settings are not a client's.
    #[error("cannot make a Kafka client")]
    Client(#[source] KafkaError),
    /// No thread could be started.
    #[error("cannot start a thread")]
    Thread(#[source] io::Error),
    /// The client has failed for good; a new one may do better.
    #[error("the Kafka client has failed: {0}")]
    Failed(String),
}

/// Serves until `shutdown` (or a failure of the client for good), then answers what was accepted and ends; bounded.
pub async fn run(
    settings: ProducerSettings,
    listeners: impl Into<Listeners>,
    shutdown: CancellationToken,
) -> Result<(), Error> {
    let app = Arc::new(App::new(&settings)?);
    let kafka = Arc::clone(&app.kafka);
    let ending = shutdown.child_token();
    let load = settings.load.map(|load| {
        let (topics, counts) = (Arc::clone(&app.topics), Arc::clone(&app.load));
        tokio::spawn(load::run(
            load,
            settings.topics,
            topics,
            Arc::clone(&kafka),
            counts,
            ending.clone(),
        ))
    });
    let listeners = listeners.into();
    let (mut all, probes) = (routes::app(app.clone()), routes::probes(app));
    if listeners.is_loopback() {
        all = routes::refuse_other_pages(all);
    }
    let serving = listeners.serve(all, probes, ending.clone());
    let mut serving = pin!(serving);
    let patience = async {
        tokio::select! {
            () = ending.cancelled() => {}
            () = kafka.failed() => ending.cancel(),
        }
        sleep(ACKNOWLEDGEMENT).await;
    };
    tokio::select! {
        () = serving.as_mut() => {}
        () = patience => {
            give_up(&kafka);
            serving.await;
        }
    }
    if let Some(load) = load {
        let _ = load.await; // a panic in it has been printed and ends nothing else
    }
    // the remaining messages belong to the stream
    let until = Instant::now() + STREAM_END;
    while kafka.in_flight() > 0 && Instant::now() < until {
        sleep(Duration::from_millis(10)).await;
    }
    kafka.give_up();
    let failure = kafka.failure();
    end(kafka).await;
    failure.map(Error::Failed).map_or(Ok(()), Err)
}

/// Answers the clients that still wait.
fn give_up(kafka: &Kafka) {
    let waiting = kafka.in_flight();
    if waiting > 0 {
        tracing::warn!(
            waiting,
            "Kafka has not acknowledged these messages: abandoning them"
        );
    }
    kafka.give_up();
}

/// Ends the client on a thread of its own, because that can block.
async fn end(kafka: Arc<Kafka>) {
    let (ended, end) = oneshot::channel();
    let spawned = thread::Builder::new()
        .name("end".to_owned())
        .spawn(move || {
            drop(kafka);
            let _ = ended.send(());
        });
    if spawned.is_ok() && timeout(CLIENT_END, end).await.is_err() {
        tracing::warn!("the Kafka client does not end: exiting without it");
    }
}
