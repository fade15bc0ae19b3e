//! The live picture of practices: who reads which partition, how far behind, what moved. In: what the mounting program
//! knows of each practice (`Facts`), workers' events, requests. Out: a page, its data as JSON and as a stream, requests to
//! do something. Mounted by the operator and by local mode, which differ only in what they pass in.
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
//!                 _ => Err(Refusal::unknown("this cannot be done here")),
//!             }
//!         })
//!     })),
//!     foresee: Arc::new(|_practice: Key, _action: Action| {
//!         Box::pin(async { Err(Refusal::unknown("nobody can tell here")) })
//!     }),
//!     logs: Arc::new(|_practice: Key, _consumer: String, _tail: usize| {
//!         use futures::StreamExt;
//!         Box::pin(async { Ok(futures::stream::iter(["a line".to_owned()]).boxed()) })
//!     }),
//!     stir: Arc::new(|_practice: &Key| { /* look at Kafka now, not in two seconds */ }),
//!     hosts: vec![], // names beside loopback ones that `Host` may have
//! });
//! let listener = tokio::net::TcpListener::bind("127.0.0.1:8080").await?;
//! let serving = tokio::spawn(practice_view::serve(listener, hub.clone(), shutdown));
//! hub.publish(facts); // after every look that differs, and when something starts or ends
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
    Act, Action, Doing, Forecast, ForecastRow, Foresee, Logs, Means, Refusal, Scale, Stir,
};
pub use facts::{Consumer, Facts, GroupFacts, KafkaFacts, Key};
pub use hub::Hub;
pub use model::{ConsumerState, KafkaKind, Picture};
pub use router::router;

use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// Serves the picture until `shutdown`; then every stream ends.
pub async fn serve(listener: TcpListener, hub: Hub, shutdown: CancellationToken) {
    let limits = practice_serve::Limits::default();
    tokio::join!(
        hub.run(shutdown.clone()),
        practice_serve::serve(listener, router(hub.clone()), limits, shutdown.clone())
    );
}
