//! Which events make which practice be reconciled, how many at a time, and what happens when one fails. In: a client, the
//! operator's settings, a listener. Out: nothing; it runs until it is told to stop. No decision about a practice is made here.

use std::{panic::AssertUnwindSafe, sync::Arc, time::Duration};

use futures::{FutureExt, StreamExt};
use k8s_openapi::api::{apps::v1::Deployment, core::v1::Service, policy::v1::PodDisruptionBudget};
use kube::{
    Api, Client, Resource,
    api::ListParams,
    core::{DeserializeGuard, NamespaceResourceScope},
    runtime::{
        Controller,
        controller::{self, Action},
        events::{Recorder, Reporter},
        reflector::ObjectRef,
        utils::Backoff,
        watcher,
    },
};
use practice_api::ConsumerGroupPractice;
use practice_groups::witness::Home;
use practice_view::Hub;
use tokio::{net::TcpListener, sync::mpsc};
use tokio_stream::wrappers::UnboundedReceiverStream;
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use crate::{
    Context,
    actions::means,
    ask::Http,
    error::{Error, within},
    http::{self, Readiness},
    memory::Memories,
    metrics::Metrics,
    objects::PART_OF,
    plan::Defaults,
    pods,
    reader::Key,
    reconcile::reconcile,
    view::{self, Picture},
};

/// A practice, or one that cannot be decoded: it must not blind us to the others.
type Guarded = DeserializeGuard<ConsumerGroupPractice>;

/// A watch ends after this many seconds and is begun anew: so a dead one is noticed.
const WATCH: u32 = 25;
/// Reconciles that run at the same time.
const CONCURRENCY: u16 = 16;
/// Events within this time become one reconcile.
const DEBOUNCE: Duration = Duration::from_millis(50);

/// Watches every practice, and serves `/livez`, `/readyz` and `/metrics` on `listener`, and the picture, if there is to be one,
/// until `shutdown`.
pub async fn run(
    client: Client,
    defaults: Defaults,
    listener: TcpListener,
    picture: Option<Picture>,
    shutdown: CancellationToken,
) {
    let (nudge, nudged) = mpsc::unbounded_channel();
    let (stir, stirred) = mpsc::unbounded_channel();
    let (picture, how) = picture.map_or((None, None), |Picture { listener, how }| (Some(listener), how));
    let hub = picture.is_some().then(|| Hub::new(means(&client, how, stir)));
    let (metrics, readiness) = (Metrics::default(), Readiness::default());
    let ours = || watcher::Config::default().timeout(WATCH).labels(&format!("app.kubernetes.io/part-of={PART_OF}"));
    let practices = watcher::Config::default().timeout(WATCH);
    let namespace = defaults.watch_namespace.as_deref();
    let controller = Controller::new(scoped::<Guarded>(&client, namespace), practices)
        .owns(scoped::<Deployment>(&client, namespace), ours())
        .owns(scoped::<Service>(&client, namespace), ours())
        .owns(scoped::<PodDisruptionBudget>(&client, namespace), ours())
        .reconcile_on(
            UnboundedReceiverStream::new(nudged)
                .map(|(namespace, name): Key| ObjectRef::<Guarded>::new(&name).within(&namespace)),
        )
        .with_config(controller::Config::default().concurrency(CONCURRENCY).debounce(DEBOUNCE))
        .trigger_backoff(Steady)
        .graceful_shutdown_on(shutdown.clone().cancelled_owned());
    let store = controller.store();
    let listed = until_listed(scoped(&client, namespace), readiness.clone());
    tokio::spawn(shutdown.clone().run_until_cancelled_owned(listed));
    let context = Arc::new(Context {
        recorder: Recorder::new(client.clone(), Reporter { controller: "practice-operator".into(), instance: None }),
        client,
        defaults,
        memories: Memories::new(nudge.clone(), Home::Cluster),
        http: Http::default(),
        hub: hub.clone(),
        metrics: metrics.clone(),
        practices: store,
    });
    let serving = practice_serve::serve(
        listener,
        http::app(metrics, readiness),
        practice_serve::Limits::default(),
        shutdown.clone(),
    );
    let showing = async {
        if let (Some(listener), Some(hub)) = (picture, hub) {
            view::serve(listener, hub, context.clone(), stirred, nudge, shutdown.clone()).await;
        }
    };
    let pods = pods::watch(
        scoped(&context.client, context.defaults.watch_namespace.as_deref()),
        watcher::Config::default().timeout(WATCH),
        context.clone(),
    );
    let watching = shutdown.clone().run_until_cancelled_owned(Box::pin(pods));
    let reconciling = controller.run(guarded, pause, context.clone()).for_each(|result| {
        finished(&context, result);
        std::future::ready(())
    });
    tokio::join!(serving, showing, watching, reconciling);
}

/// Sets readiness once the practices can be listed. (The controller's own store wakes a single waiter, the controller.)
async fn until_listed(practices: Api<Guarded>, readiness: Readiness) {
    let one = ListParams::default().limit(1);
    while let Err(error) = within("list the practices", practices.list_metadata(&one)).await {
        tracing::warn!(%error, "not ready");
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    readiness.set();
}

/// How long an interrupted watch waits before it is begun anew. All watches share one pause after an error, and a growing
/// one would have grown past a minute by the time an API server is back that was away for ten seconds.
struct Steady;

impl Iterator for Steady {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        Some(Duration::from_millis(500))
    }
}

impl Backoff for Steady {
    fn reset(&mut self) {}
}

/// One namespace, or all of them.
fn scoped<K>(client: &Client, namespace: Option<&str>) -> Api<K>
where
    K: Resource<Scope = NamespaceResourceScope>,
    K::DynamicType: Default,
{
    match namespace {
        Some(namespace) => Api::namespaced(client.clone(), namespace),
        None => Api::all(client.clone()),
    }
}

/// Reconciles one practice; a panic in it is an error of this one alone.
async fn guarded(practice: Arc<Guarded>, context: Arc<Context>) -> Result<Action, Error> {
    let practice = match &practice.0 {
        Ok(practice) => Arc::new(practice.clone()),
        Err(invalid) => {
            let name = invalid.metadata.name.as_deref().unwrap_or_default();
            let namespace = invalid.metadata.namespace.as_deref().unwrap_or_default();
            tracing::error!(
                namespace,
                name,
                error = invalid.error,
                "this practice cannot be decoded and is left alone"
            );
            return Ok(Action::await_change());
        }
    };
    let key = crate::context::key(&practice);
    let span = tracing::info_span!("reconcile", namespace = key.0, name = key.1);
    let begun = std::time::Instant::now();
    context.metrics.practices(context.practices.len());
    let result = AssertUnwindSafe(reconcile(practice, context.clone()).instrument(span)).catch_unwind().await;
    let result = result.unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
        let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
        Err(Error::Panic(text.unwrap_or_else(|| "without a message".to_owned())))
    });
    context.metrics.reconciled(begun.elapsed(), result.as_ref().err().map(Error::step));
    if result.is_ok() {
        context.memories.succeeded(&key);
    }
    result
}

fn pause(practice: Arc<Guarded>, error: &Error, context: Arc<Context>) -> Action {
    use kube::ResourceExt;
    let key = (practice.namespace().unwrap_or_default(), practice.name_any());
    context.memories.blind(&key);
    let pause = context.memories.pause(key.clone());
    tracing::warn!(namespace = key.0, name = key.1, %error, again_in = ?pause, "reconcile failed");
    Action::requeue(pause)
}

type Finished<E> = Result<(ObjectRef<Guarded>, Action), controller::Error<Error, E>>;

fn finished<E: std::error::Error + 'static>(context: &Context, result: Finished<E>) {
    match result {
        Err(controller::Error::ObjectNotFound(gone)) => {
            context.forget(&(gone.namespace.unwrap_or_default(), gone.name));
        }
        Err(controller::Error::QueueError(error)) => tracing::warn!(%error, "watch interrupted, it is begun anew"),
        Err(controller::Error::ReconcilerFailed(..) | controller::Error::RunnerError(_)) | Ok(_) => {}
    }
}
