//! Which events make which practice be reconciled, how many at a time, and what happens when one fails. In: a client, the
//! operator's settings, a listener. Out: nothing; it runs until it is told to stop. No decision about a practice is made here.

use std::{
    convert::Infallible,
    panic::AssertUnwindSafe,
    sync::{
        Arc, LazyLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use futures::{FutureExt, StreamExt};
use jiff::Timestamp;
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
use practice_groups::witness::Runtime;
use practice_plan::{labels::PART_OF, plan::Defaults};
use practice_view::Hub;
use tokio::{net::TcpListener, sync::mpsc};
use tokio_stream::wrappers::UnboundedReceiverStream;
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use crate::{
    Context,
    actions::means,
    error::{Error, within},
    http::{self, Readiness},
    memory::PracticeStates,
    metrics::Metrics,
    pods,
    reader::{Key, Readers},
    reconcile::reconcile,
    requests::counted,
    view::{self, Picture},
    worker_client::Http,
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
    let (picture, how) = picture.map_or((None, None), |Picture { listener, how }| {
        (Some(listener), how)
    });
    let (metrics, readiness) = (Metrics::default(), Readiness::default());
    let client = counted(client, metrics.clone());
    let hub = picture
        .is_some()
        .then(|| Hub::new(means(&client, &defaults, how, stir)));
    let ours = || {
        watcher::Config::default()
            .timeout(WATCH)
            .labels(&format!("app.kubernetes.io/part-of={PART_OF}"))
    };
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
        .with_config(
            controller::Config::default()
                .concurrency(CONCURRENCY)
                .debounce(DEBOUNCE),
        )
        .trigger_backoff(Steady)
        .graceful_shutdown_on(shutdown.clone().cancelled_owned());
    let store = controller.store();
    metrics.count(store.clone());
    let listed = until_listed(scoped(&client, namespace), readiness.clone());
    tokio::spawn(shutdown.clone().run_until_cancelled_owned(listed));
    let context = Arc::new(Context {
        recorder: Recorder::new(
            client.clone(),
            Reporter {
                controller: "practice-operator".into(),
                instance: None,
            },
        ),
        client,
        defaults,
        memories: PracticeStates::with(
            Readers::new(nudge.clone(), metrics.listener()),
            Runtime::Cluster,
        ),
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
            view::serve(
                listener,
                hub,
                context.clone(),
                stirred,
                nudge,
                shutdown.clone(),
            )
            .await;
        }
    };
    let pods = pods::watch(
        scoped(&context.client, context.defaults.watch_namespace.as_deref()),
        watcher::Config::default().timeout(WATCH),
        context.clone(),
    );
    let watching = shutdown.clone().run_until_cancelled_owned(Box::pin(pods));
    // nothing is left to say: a failure was told where it happened
    let reconciling = controller
        .run(
            guarded,
            |_, never: &Infallible, _| match *never {},
            context.clone(),
        )
        .for_each(|result| {
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

/// Reconciles one practice. A failure, and a panic, is of this one alone: it is told, and tried again after a pause.
async fn guarded(practice: Arc<Guarded>, context: Arc<Context>) -> Result<Action, Infallible> {
    let practice = match &practice.0 {
        Ok(practice) => Arc::new(practice.clone()),
        Err(invalid) => {
            let name = invalid.metadata.name.as_deref().unwrap_or_default();
            let namespace = invalid.metadata.namespace.as_deref().unwrap_or_default();
            tracing::error!(
                namespace,
                practice = name,
                error = invalid.error,
                "this practice cannot be decoded and is left alone"
            );
            return Ok(Action::await_change());
        }
    };
    let key = crate::context::key(&practice);
    let span = tracing::error_span!(
        "reconcile",
        namespace = key.0,
        practice = key.1,
        trace = trace()
    );
    Ok(told(practice, key, &context).instrument(span).await)
}

/// Names one reconcile in everything that is logged of it: a trace id as of the W3C's Trace Context, 16 bytes in lower-case
/// hexadecimals; of this process, and of this reconcile in it.
fn trace() -> String {
    static PROCESS: LazyLock<i128> = LazyLock::new(|| Timestamp::now().as_nanosecond());
    static COUNT: AtomicU64 = AtomicU64::new(1);
    format!(
        "{:016x}{:016x}",
        *PROCESS,
        COUNT.fetch_add(1, Ordering::Relaxed)
    )
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// Reconciles, counts it, and says what went wrong.
async fn told(practice: Arc<ConsumerGroupPractice>, key: Key, context: &Arc<Context>) -> Action {
    let begun = std::time::Instant::now();
    let result = AssertUnwindSafe(reconcile(practice, context.clone()))
        .catch_unwind()
        .await;
    let result = result.unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
        let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
        Err(Error::Panic(
            text.unwrap_or_else(|| "without a message".to_owned()),
        ))
    });
    let took = begun.elapsed();
    context
        .metrics
        .reconciled(took, result.as_ref().err().map(Error::step));
    match result {
        Ok(action) => {
            context.memories.succeeded(&key);
            tracing::debug!(took_ms = millis(took), "reconciled");
            action
        }
        Err(error) => {
            context.memories.blind(&key);
            let pause = context.memories.pause(key);
            tracing::warn!(step = error.step(), %error, again_in_ms = millis(pause), "reconcile failed");
            Action::requeue(pause)
        }
    }
}

type Finished<E> = Result<(ObjectRef<Guarded>, Action), controller::Error<Infallible, E>>;

fn finished<E: std::error::Error + 'static>(context: &Context, result: Finished<E>) {
    match result {
        Err(controller::Error::ObjectNotFound(gone)) => {
            context.forget(&(gone.namespace.unwrap_or_default(), gone.name));
        }
        Err(controller::Error::QueueError(error)) => {
            tracing::warn!(%error, "watch interrupted, it is begun anew")
        }
        Err(controller::Error::ReconcilerFailed(..) | controller::Error::RunnerError(_))
        | Ok(_) => {}
    }
}
