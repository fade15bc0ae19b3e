//! Counts requests to Kubernetes. In: a client. Out: a client whose requests are counted with their results, including watches
//! and cancelled requests.

use std::time::Instant;

use hyper::{Request, Response, StatusCode};
use kube::{Client, client::Body};

use crate::metrics::Metrics;

/// A client that counts.
pub(crate) fn counted(client: Client, metrics: Metrics) -> Client {
    let namespace = client.default_namespace().to_owned();
    let service = tower::service_fn(move |request: Request<Body>| {
        let mut asked = Asked::begin(metrics.clone(), &request);
        let client = client.clone();
        async move {
            let answer: Result<Response<Body>, kube::Error> = client.send(request).await;
            asked.answered(answer.as_ref().ok().map(Response::status));
            answer
        }
    });
    Client::new(service, namespace)
}

/// A request in progress; counted when it is dropped, also if it was cancelled.
struct Asked {
    metrics: Metrics,
    method: &'static str,
    /// The HTTP status.
    code: String,
    begun: Instant,
}

impl Asked {
    fn begin<B>(metrics: Metrics, request: &Request<B>) -> Self {
        let method = match request.method().as_str() {
            "GET" => "GET",
            "POST" => "POST",
            "PUT" => "PUT",
            "PATCH" => "PATCH",
            "DELETE" => "DELETE",
            _ => "other",
        };
        Self {
            metrics,
            method,
            code: "none".to_owned(),
            begun: Instant::now(),
        }
    }

    fn answered(&mut self, status: Option<StatusCode>) {
        self.code = status.map_or_else(|| "error".to_owned(), |status| status.as_str().to_owned());
    }
}

impl Drop for Asked {
    fn drop(&mut self) {
        self.metrics.requested(
            self.method,
            std::mem::take(&mut self.code),
            self.begun.elapsed(),
        );
    }
}
