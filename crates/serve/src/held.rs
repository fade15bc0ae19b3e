//! What an answer holds until its last byte was handed over, or its connection ended. In: an answer, a guard; a number of answers at
//! a time. Out: the answer, or 503 for one more than that.

use std::{
    convert::Infallible,
    future::ready,
    pin::Pin,
    sync::Arc,
    task::{self, Context, Poll},
};

use axum::{
    body::Body,
    extract::Request,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
    routing::Route,
};
use hyper::body::{Bytes, Frame, SizeHint};
use tokio::sync::Semaphore;
use tower::{Layer, Service};

/// Seconds after which a refused request may be sent again.
const RETRY_AFTER: HeaderValue = HeaderValue::from_static("1");

/// Bytes of an answer that are handed over at a time: more only when the client has taken these.
const PIECE: usize = 16 * 1024;

/// Drops `guard` when the answer was sent but for the last bytes, or its connection has ended.
pub fn hold<T: Send + Unpin + 'static>(answer: Response, guard: T) -> Response {
    answer.map(|body| {
        Body::new(Held {
            body,
            rest: Bytes::new(),
            _guard: guard,
        })
    })
}

struct Held<T> {
    body: Body,
    /// Of the frame that is handed over in pieces.
    rest: Bytes,
    _guard: T,
}

impl<T: Unpin> hyper::body::Body for Held<T> {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        if self.rest.is_empty() {
            let frame = task::ready!(Pin::new(&mut self.body).poll_frame(cx));
            match frame.map(|frame| frame.map(Frame::into_data)) {
                Some(Ok(Ok(data))) => self.rest = data,
                Some(Ok(Err(other))) => return Poll::Ready(Some(Ok(other))),
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                None => return Poll::Ready(None),
            }
        }
        let piece = self.rest.len().min(PIECE);
        let piece = self.rest.split_to(piece);
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let (rest, mut hint) = (self.rest.len() as u64, self.body.size_hint());
        if let Some(upper) = hint.upper() {
            hint.set_upper(upper + rest);
        }
        hint.set_lower(hint.lower() + rest);
        hint
    }
}

/// A bound on the answers of a route at a time, streams as well. One more is refused with 503.
#[derive(Debug, Clone)]
pub struct AtMost {
    most: usize,
    free: Arc<Semaphore>,
    refusal: fn(String) -> Response,
}

impl AtMost {
    /// At most so many; the refusal is plain text.
    pub fn new(most: usize) -> Self {
        Self {
            most,
            free: Arc::new(Semaphore::new(most)),
            refusal: |message| {
                (StatusCode::SERVICE_UNAVAILABLE, format!("{message}\n")).into_response()
            },
        }
    }

    /// With a refusal of another form, from its text.
    #[must_use]
    pub fn refusing(self, refusal: fn(String) -> Response) -> Self {
        Self { refusal, ..self }
    }

    /// How many answers are on their way.
    pub fn count(&self) -> usize {
        self.most - self.free.available_permits()
    }

    fn refused(&self) -> Response {
        let message = format!(
            "{} answers of this path are on their way, which is the most at a time: try again later",
            self.most
        );
        let mut refused = (self.refusal)(message);
        let headers = refused.headers_mut();
        headers.insert(header::RETRY_AFTER, RETRY_AFTER);
        refused
    }
}

impl Layer<Route> for AtMost {
    type Service = AtMostOf;

    fn layer(&self, route: Route) -> AtMostOf {
        AtMostOf {
            bound: self.clone(),
            route,
        }
    }
}

/// A route with a bound.
#[derive(Debug, Clone)]
pub struct AtMostOf {
    bound: AtMost,
    route: Route,
}

impl Service<Request> for AtMostOf {
    type Response = Response;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Service::<Request>::poll_ready(&mut self.route, cx)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let free = Arc::clone(&self.bound.free);
        let Ok(permit) = free.try_acquire_owned() else {
            let refused = self.bound.refused();
            return Box::pin(ready(Ok(refused)));
        };
        let answer = self.route.call(request);
        Box::pin(async { Ok(hold(answer.await?, permit)) })
    }
}
