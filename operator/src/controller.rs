//! Which changes trigger which reconcile, how many run concurrently, and how failures are retried. In: a client, the operator's
//! settings, a listener. Out: nothing; it runs until `shutdown`. No decision about a practice is made here.

use std::{
    collections::HashSet,
    convert::Infallible,
    panic::AssertUnwindSafe,
    sync::{
        Arc, LazyLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use futures::{FutureExt, Stream, StreamExt};
use jiff::Timestamp;
use k8s_openapi::api::{apps::v1::Deployment, core::v1::Service, policy::v1::PodDisruptionBudget};
use kube::{
    Api, Client, Resource,
    api::ListParams,
    core::{DeserializeGuard, NamespaceResourceScope},
    runtime::{
        Controller, WatchStreamExt,
        controller::{self, Action},
        events::{Recorder, Reporter},
        reflector::{self, ObjectRef, Store},
        utils::Backoff,
        watcher,
    },
};
use practice_api::ConsumerGroupPractice;
use practice_groups::witness::Runtime;
use practice_plan::{labels::PART_OF, plan::Defaults};
use practice_serve::Listeners;
use practice_view::Hub;
use tokio::sync::mpsc;
use tokio_stream::wrappers::UnboundedReceiverStream;
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use crate::{
    Context,
    actions::means,
    error::{Error, within},
    finalize::end_undecodable,
    http::{self, Readiness},
    memory::PracticeStates,
    metrics::{Metrics, Practices},
    ownership::Ownership,
    pods,
    reader::{Key, Readers},
    reconcile::reconcile,
    requests::counted,
    view::{self, Picture},
    worker_client::Http,
};

/// A practice, or one that cannot be decoded and must not keep the others from being reconciled.
type Guarded = DeserializeGuard<ConsumerGroupPractice>;

/// Timeout of a watch in seconds, after which it is restarted: a dead connection is detected by then.
const WATCH: u32 = 25;
/// Reconciles that run at the same time.
const CONCURRENCY: u16 = 16;
/// Events within this time become one reconcile.
const DEBOUNCE: Duration = Duration::from_millis(50);

/// The practices, kept without their managed fields, which are not used here and as large as the rest, and their changes.
fn practices(
    all: Api<Guarded>,
) -> (
    Store<Guarded>,
    impl Stream<Item = Result<Guarded, watcher::Error>>,
) {
    let (store, writer) = reflector::store();
    let events = watcher(all, watcher::Config::default().timeout(WATCH));
    let small = events.modify(|practice| practice.meta_mut().managed_fields = None);
    (store, small.reflect(writer).applied_objects())
}

/// Watches every practice, serves `/livez`, `/readyz` and `/metrics` on `listeners`, and the live view if enabled, until
/// `shutdown`.
pub async fn run(
    client: Client,
    defaults: Defaults,
    listeners: impl Into<Listeners>,
    picture: Option<Picture>,
    shutdown: CancellationToken,
) {
    let (request_reconcile, reconcile_requests) = mpsc::unbounded_channel();
    let (request_poll, poll_requests) = mpsc::unbounded_channel();
    let (picture, how) = picture.map_or((None, None), |Picture { listener, how }| {
        (Some(listener), how)
    });
    let (metrics, readiness) = (Metrics::default(), Readiness::default());
    let client = counted(client, metrics.clone());
    let hub = picture
        .is_some()
        .then(|| Hub::new(means(&client, &defaults, how, request_poll)));
    let ours = || {
        watcher::Config::default()
            .timeout(WATCH)
            .labels(&format!("app.kubernetes.io/part-of={PART_OF}"))
    };
    let namespace = defaults.watch_namespace.as_deref();
    let (store, practices) = practices(scoped(&client, namespace));
    let controller = Controller::for_stream(practices, store.clone())
        .owns(scoped::<Deployment>(&client, namespace), ours())
        .owns(scoped::<Service>(&client, namespace), ours())
        .owns(scoped::<PodDisruptionBudget>(&client, namespace), ours())
        .reconcile_on(
            UnboundedReceiverStream::new(reconcile_requests)
                .map(|(namespace, name): Key| ObjectRef::<Guarded>::new(&name).within(&namespace)),
        )
        .with_config(
            controller::Config::default()
                .concurrency(CONCURRENCY)
                .debounce(DEBOUNCE),
        )
        .trigger_backoff(Steady)
        .graceful_shutdown_on(shutdown.clone().cancelled_owned());
    metrics.count(store.clone());
    let listed = until_listed(scoped(&client, namespace), readiness.clone());
    tokio::spawn(shutdown.clone().run_until_cancelled_owned(listed));
    let ownership = Ownership::in_config_maps(client.clone(), {
        let practices = store.clone();
        move || uids(&practices)
    });
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
            Readers::new(request_reconcile.clone(), metrics.listener()),
            Runtime::Cluster,
        )
        .recorded_in(ownership),
        http: Http::default(),
        hub: hub.clone(),
        metrics: metrics.clone(),
        practices: store,
    });
    let probes = http::probes(readiness.clone());
    let serving = listeners
        .into()
        .serve(http::app(metrics, readiness), probes, shutdown.clone());
    let showing = async {
        if let (Some(listener), Some(hub)) = (picture, hub) {
            view::serve(
                listener,
                hub,
                context.clone(),
                poll_requests,
                request_reconcile,
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
    // failures were logged and counted in `reconcile_logged`
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

/// The uids of all practices, also of those whose manifest cannot be decoded.
fn uids(practices: &Practices) -> HashSet<String> {
    let uid = |practice: Arc<Guarded>| match &practice.0 {
        Ok(practice) => practice.metadata.uid.clone(),
        Err(invalid) => invalid.metadata.uid.clone(),
    };
    practices.state().into_iter().filter_map(uid).collect()
}

/// Sets readiness once the practices can be listed. (The controller's own store wakes a single waiter, the controller.)
async fn until_listed(practices: Api<Guarded>, readiness: Readiness) {
    let one = ListParams::default().limit(1);
    while let Err(error) = within("list the practices", practices.list_metadata(&one)).await {
        tracing::warn!(%error, "not ready: practices cannot be listed");
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    readiness.set();
}

/// Constant pause before an interrupted watch is restarted. All watches share it, and an exponential one would exceed a minute
/// after the API server was unavailable for ten seconds.
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

/// Reconciles one practice. A failure or panic concerns this practice alone: it is logged, and retried after a pause.
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
                "practice ignored: its manifest cannot be decoded"
            );
            if invalid.metadata.deletion_timestamp.is_none() {
                return Ok(Action::await_change());
            }
            let key = (namespace.to_owned(), name.to_owned());
            let ending = Box::pin(end_undecodable(invalid, &context));
            return Ok(reconcile_traced(ending, key, &context).await);
        }
    };
    let key = crate::context::key(&practice);
    let reconciling = Box::pin(reconcile(practice, context.clone()));
    Ok(reconcile_traced(reconciling, key, &context).await)
}

/// Reconciles within a trace of its own.
async fn reconcile_traced(
    work: impl Future<Output = Result<Action, Error>>,
    key: Key,
    context: &Context,
) -> Action {
    let span = tracing::error_span!(
        "reconcile",
        namespace = key.0,
        practice = key.1,
        trace = trace()
    );
    reconcile_logged(work, key, context).instrument(span).await
}

/// Identifies one reconcile in its log lines: a trace id of W3C Trace Context (16 bytes, lower-case hexadecimal) from the start
/// time of the process and a counter.
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

/// Reconciles, counts the reconcile, and logs a failure.
async fn reconcile_logged(
    work: impl Future<Output = Result<Action, Error>>,
    key: Key,
    context: &Context,
) -> Action {
    let begun = std::time::Instant::now();
    let result = AssertUnwindSafe(work).catch_unwind().await;
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
            tracing::warn!(%error, "watch interrupted: restarting it");
        }
        Err(controller::Error::ReconcilerFailed(..) | controller::Error::RunnerError(_))
        | Ok(_) => {}
    }
}
