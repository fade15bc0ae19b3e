//! The open connections: each a task of its own, with what it is doing. In: accepted streams. Out: which one ends when its
//! time is over or room is needed. Deliberately absent: accepting.

use std::{
    collections::HashMap,
    convert::Infallible,
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use axum::{Router, routing::future::RouteFuture};
use hyper::{Request, Response, body::Incoming, server::conn::http1, service::Service};
use hyper_util::rt::TokioIo;
use tokio::{
    net::TcpStream,
    task::{AbortHandle, Id, JoinSet},
    time::Instant,
};
use tokio_util::sync::CancellationToken;
use tower::Service as _;
use tracing::{debug, error};

use crate::{
    Limits,
    activity::{Activity, Doing},
    body::{RequestBody, ResponseBody, Working},
    browser::Own,
    progress::Watched,
};

/// Most bytes of a head, and of a body that is not read yet, that one connection may have in memory.
const LARGEST_BUFFER: usize = 32 * 1024;
/// A body that a client is sending, and an answer that it is reading, are not cut for the sake of another client before that.
const PATIENCE: Duration = Duration::from_millis(500);

pub(crate) struct Connections {
    router: Router,
    limits: Limits,
    shutdown: CancellationToken,
    tasks: JoinSet<()>,
    open: HashMap<Id, Open>,
}

struct Open {
    activity: Arc<Activity>,
    task: AbortHandle,
    /// Ends it after the answer that it is at.
    closing: CancellationToken,
}

impl Connections {
    pub(crate) fn new(router: Router, limits: Limits, shutdown: CancellationToken) -> Self {
        Self {
            router,
            limits,
            shutdown,
            tasks: JoinSet::new(),
            open: HashMap::new(),
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.tasks.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.tasks.is_empty()
    }

    pub(crate) fn drain_time(&self) -> Duration {
        self.limits.drain
    }

    /// Often enough that no limit is overrun by more than a quarter.
    pub(crate) fn sweep_interval(&self) -> Duration {
        let least = self.limits.head.min(self.limits.idle);
        (least.min(self.limits.unread) / 4).clamp(Duration::from_millis(10), Duration::from_secs(1))
    }

    pub(crate) fn add(&mut self, stream: TcpStream) {
        let activity = Arc::new(Activity::new());
        let closing = self.shutdown.child_token();
        let service = Served {
            router: self.router.clone(),
            activity: Arc::clone(&activity),
            body_time: self.limits.body,
            own: stream.local_addr().ok().map(Own),
        };
        let stream = Watched::new(stream, Arc::clone(&activity));
        let task = self.tasks.spawn(converse(stream, service, closing.clone()));
        self.open.insert(
            task.id(),
            Open {
                activity,
                task,
                closing,
            },
        );
    }

    /// Waits until one connection has ended; at once when there is none.
    pub(crate) async fn ended(&mut self) {
        let id = match self.tasks.join_next_with_id().await {
            Some(Ok((id, ()))) => id,
            Some(Err(failed)) => {
                if failed.is_panic() {
                    error!(
                        "a request's handler panicked: closed its connection, others are not affected"
                    );
                }
                failed.id()
            }
            None => return,
        };
        self.open.remove(&id);
    }

    /// Ends the connections of clients that exceeded their time limit.
    pub(crate) fn end_overdue(&self) {
        let now = Instant::now();
        for open in self.open.values() {
            let (doing, time) = open.activity.get(now);
            if open.activity.blocked(now) >= self.limits.unread {
                open.task.abort();
                continue;
            }
            match doing {
                Doing::Head if time >= self.limits.head => open.task.abort(),
                // asked, not cut: a request that has just arrived is still answered
                Doing::Idle if time >= self.limits.idle => {
                    if open.closing.is_cancelled() {
                        open.task.abort();
                    }
                    open.closing.cancel();
                }
                // a body has a timer of its own, so that its request is answered
                Doing::Head | Doing::Idle | Doing::Body | Doing::Working => {}
            }
        }
    }

    /// Makes room for one: ends the one that has kept us waiting longest for its first request, else for a body, else reads no answer;
    /// else asks
    /// the oldest to close after the answer that it is at, so that the room goes round.
    pub(crate) fn end_one(&self) {
        let now = Instant::now();
        let longest = |which: Doing, least: Duration| {
            self.open
                .values()
                .map(|open| (open, open.activity.get(now)))
                .filter(|(_, (doing, time))| *doing == which && *time >= least)
                .max_by_key(|(_, (_, time))| *time)
                .map(|(open, _)| open)
        };
        let unread = || {
            let each = self
                .open
                .values()
                .map(|open| (open, open.activity.blocked(now)));
            let late = each.filter(|(_, time)| *time >= PATIENCE);
            late.max_by_key(|(_, time)| *time).map(|(open, _)| open)
        };
        if let Some(open) = longest(Doing::Head, Duration::ZERO)
            .or_else(|| longest(Doing::Body, PATIENCE))
            .or_else(unread)
        {
            open.task.abort();
            return;
        }
        let asked =
            longest(Doing::Idle, Duration::ZERO).filter(|open| !open.closing.is_cancelled());
        let oldest = || {
            self.open
                .values()
                .filter(|open| !open.closing.is_cancelled())
                .min_by_key(|open| open.activity.opened())
        };
        if let Some(open) = asked.or_else(oldest) {
            open.closing.cancel();
        }
    }

    /// Ends those that have been waiting for the client that long.
    pub(crate) fn end_waiting(&self, patience: Duration) {
        let now = Instant::now();
        for open in self.open.values() {
            let (doing, time) = open.activity.get(now);
            let is_late = doing != Doing::Working && time >= patience;
            if is_late || open.activity.blocked(now) >= patience {
                open.task.abort();
            }
        }
    }

    pub(crate) async fn end_all(mut self) {
        self.tasks.shutdown().await;
    }
}

async fn converse(stream: Watched, service: Served, closing: CancellationToken) {
    let mut http = http1::Builder::new();
    // times are kept by the accept loop, for all connections at once and at no cost for a request
    http.header_read_timeout(None).max_buf_size(LARGEST_BUFFER);
    let mut connection = pin!(http.serve_connection(TokioIo::new(stream), service));
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = closing.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        debug!(%error, "a connection ended early");
    }
}

/// The router, for one connection.
struct Served {
    router: Router,
    activity: Arc<Activity>,
    body_time: Duration,
    /// Unknown when the connection has ended already.
    own: Option<Own>,
}

impl Service<Request<Incoming>> for Served {
    type Response = Response<ResponseBody>;
    type Error = Infallible;
    type Future = Answer;

    fn call(&self, request: Request<Incoming>) -> Answer {
        let working = Working::begin(Arc::clone(&self.activity));
        let mut request = request
            .map(|incoming| RequestBody::new(incoming, Arc::clone(&self.activity), self.body_time));
        if let Some(own) = self.own {
            request.extensions_mut().insert(own);
        }
        Answer {
            route: self.router.clone().call(request),
            working: Some(working),
        }
    }
}

struct Answer {
    route: RouteFuture<Infallible>,
    /// Until the answer's body takes it over.
    working: Option<Working>,
}

impl Future for Answer {
    type Output = Result<Response<ResponseBody>, Infallible>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Ok(response) = ready!(Pin::new(&mut self.route).poll(cx));
        let working = self
            .working
            .take()
            .expect("should be polled until it is ready, and then no more");
        Poll::Ready(Ok(response.map(|body| ResponseBody::new(body, working))))
    }
}
