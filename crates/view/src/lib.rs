//! The live view of practices: owner and lag of each partition, and rebalances. In: facts of the mounting program about each
//! practice (`Facts`), workers' events, requests. Out: a page, its data as JSON and as a stream, and actions. The operator
//! and local mode mount it; they differ only in what they pass in.
//!
//! ```text
//! Facts -> practice -> picture -> patch -> pages -> SSE
//!             \-> journal, history, flow <- workers
//! ```
//! `picture`, `patch`, `history` and `flow` are pure. Deliberately absent: any client of Kafka or Kubernetes.
//!
//! # Mounting it
//! ```no_run
//! # use std::sync::Arc;
//! # use practice_view::{Action, Doing, Facts, Hub, Key, Means, Refusal};
//! # async fn mount(facts: Facts, shutdown: tokio_util::sync::CancellationToken) -> std::io::Result<()> {
//! let hub = Hub::new(Means {
//!     doing: Doing::On(Arc::new(|_practice: Key, action: Action| {
//!         Box::pin(async move {
//!             match action {
//!                 Action::Restart { consumer } => Ok(format!("{consumer} restarts")),
//!                 _ => Err(Refusal::unknown("unknown action")),
//!             }
//!         })
//!     })),
//!     foresee: Arc::new(|_practice: Key, _action: Action| {
//!         Box::pin(async { Err(Refusal::unknown("no forecast for this action")) })
//!     }),
//!     logs: Arc::new(|_practice: Key, _consumer: String, _tail: usize| {
//!         use futures::StreamExt;
//!         Box::pin(async { Ok(futures::stream::iter(["a line".to_owned()]).boxed()) })
//!     }),
//!     request_poll: Arc::new(|_practice: &Key| { /* poll Kafka now, not in two seconds */ }),
//!     hosts: vec![], // names that `Host` may have, besides loopback ones
//! });
//! let listener = tokio::net::TcpListener::bind("127.0.0.1:8080").await?;
//! let serving = tokio::spawn(practice_view::serve(listener, hub.clone(), shutdown));
//! hub.publish(facts); // after every poll that differs, and when a process starts or ends
//! # serving.await?;
//! # Ok(())
//! # }
//! ```

pub mod action;
pub mod facts;
pub mod model;

mod flow;
mod history;
mod hub;
mod pages;
mod patch;
mod picture;
mod practice;
mod workers;

mod assets;
mod doing;
mod guard;
mod pack;
mod router;
mod send;

pub use action::{
    Act, Action, Doing, Forecast, ForecastRow, Foresee, Logs, Means, Refusal, RequestPoll, Scale,
};
pub use facts::{Consumer, Facts, GroupFacts, KafkaFacts, Key};
pub use hub::Hub;
pub use model::{ConsumerState, KafkaKind, Picture};
pub use router::router;

use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// Serves the live view until `shutdown`; then every stream ends.
pub async fn serve(listener: TcpListener, hub: Hub, shutdown: CancellationToken) {
    let limits = practice_serve::Limits::default();
    tokio::join!(
        hub.run(shutdown.clone()),
        practice_serve::serve(listener, router(hub.clone()), limits, shutdown.clone())
    );
}
