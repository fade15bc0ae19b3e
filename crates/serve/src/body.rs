//! The bodies of a request and of its answer, with a record of whether the client or the handler is waited for. In: hyper's body, the router's body.
//! Out: the same bytes, a request's within its time. No limit of length here: that is the router's.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use axum::body::Body as AxumBody;
use hyper::body::{Body, Bytes, Frame, Incoming, SizeHint};
use thiserror::Error;
use tokio::time::{Instant, Sleep, sleep_until};

use crate::activity::{Activity, Doing};

/// A request's body did not come within its time. It is in the chain of sources of the error that a handler gets.
#[derive(Debug, Error)]
#[error("the request's body was not complete after {} s", after.as_secs_f32())]
pub struct BodyTimeout {
    /// The time it had.
    pub after: Duration,
}

#[derive(Debug, Error)]
pub(crate) enum RequestBodyError {
    #[error("cannot read the request's body")]
    Read(#[from] hyper::Error),
    #[error("the request's body is late")]
    Timeout(#[from] BodyTimeout),
}

/// A request's body.
pub(crate) struct RequestBody {
    incoming: Incoming,
    activity: Arc<Activity>,
    allowed: Duration,
    since: Instant,
    // made when the first byte has to be waited for: most bodies come with their head
    deadline: Option<Pin<Box<Sleep>>>,
}

impl RequestBody {
    pub(crate) fn new(incoming: Incoming, activity: Arc<Activity>, allowed: Duration) -> Self {
        Self {
            incoming,
            activity,
            allowed,
            since: Instant::now(),
            deadline: None,
        }
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = RequestBodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, RequestBodyError>>> {
        let this = &mut *self;
        if let Poll::Ready(frame) = Pin::new(&mut this.incoming).poll_frame(cx) {
            if this.deadline.is_some() {
                this.activity.set(Doing::Working);
            }
            return Poll::Ready(frame.map(|frame| frame.map_err(RequestBodyError::from)));
        }
        this.activity.set_since(Doing::Body, this.since);
        let end = this.since + this.allowed;
        let deadline = this
            .deadline
            .get_or_insert_with(|| Box::pin(sleep_until(end)));
        match deadline.as_mut().poll(cx) {
            Poll::Ready(()) => {
                this.activity.set(Doing::Working);
                Poll::Ready(Some(Err(BodyTimeout {
                    after: this.allowed,
                }
                .into())))
            }
            Poll::Pending => Poll::Pending,
        }
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}

/// An answer's body; the connection works until it is dropped.
pub(crate) struct ResponseBody {
    body: AxumBody,
    _working: Working,
}

impl ResponseBody {
    pub(crate) fn new(body: AxumBody, working: Working) -> Self {
        Self {
            body,
            _working: working,
        }
    }
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// From a complete head until the last byte of the answer was handed over.
pub(crate) struct Working(Arc<Activity>);

impl Working {
    pub(crate) fn begin(activity: Arc<Activity>) -> Self {
        activity.set(Doing::Working);
        Self(activity)
    }
}

impl Drop for Working {
    fn drop(&mut self) {
        self.0.set(Doing::Idle);
    }
}
