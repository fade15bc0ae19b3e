//! Port forwarding. In: a pod, a port. Out: a connection through the API server, and HTTP over it with a deadline for each
//! request. Opens no local port.

use std::time::Duration;

use bytes::Bytes;
use futures::future::{Either, select};
use http_body_util::{BodyExt, Full};
use hyper::{
    Request, StatusCode,
    client::conn::http1::{SendRequest, handshake},
    header::{CONTENT_TYPE, HOST},
};
use hyper_util::rt::TokioIo;
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    task::AbortHandle,
    time::timeout,
};

use crate::{
    cluster::{Cluster, causes, code},
    error::Failure,
};

/// Largest answer in bytes.
const LARGEST: usize = 1 << 20;
/// Deadline of a request; longer than the producer waits for Kafka.
const REQUEST_DEADLINE: Duration = Duration::from_secs(45);

/// Connects to a port of a pod; the future resolves to the kubelet's error, if it reports one.
///
/// # Errors
/// The API server refuses or does not answer.
pub async fn connect(
    cluster: &Cluster,
    pods: &Api<Pod>,
    pod: &str,
    port: u16,
) -> Result<
    (
        impl AsyncRead + AsyncWrite + Unpin + Send + use<>,
        impl Future<Output = Option<String>> + Send + use<>,
    ),
    Failure,
> {
    let what = format!("forward port {port} of pod {pod}");
    let forwarder = cluster
        .with_deadline(pods.portforward(pod, &[port]))
        .await?;
    let mut forwarder = forwarder.map_err(|error| {
        let is_denied = matches!(code(&error), Some(401 | 403));
        match cluster.failure(&what, &error) {
            // the API server's message names user, verb and resource
            Failure::Refused(why) if is_denied => Failure::Denied(why),
            failure => failure,
        }
    })?;
    let stream = forwarder.take_stream(port);
    let error = forwarder.take_error(port);
    stream
        .zip(error)
        .ok_or_else(|| Failure::Refused(format!("cannot {what}: the API server opened no stream")))
}

/// HTTP client for a port of a pod; it reconnects before a request when the connection has closed.
pub struct Http<'a> {
    cluster: &'a Cluster,
    pods: Api<Pod>,
    pod: String,
    port: u16,
    deadline: Duration,
    open: Option<SendRequest<Full<Bytes>>>,
    /// Closes the connection.
    running: Option<AbortHandle>,
}

/// HTTP answer.
#[derive(Debug)]
pub struct Answer {
    /// Status code.
    pub status: StatusCode,
    /// Body of at most 1 MiB.
    pub body: Bytes,
}

impl<'a> Http<'a> {
    /// Client without a connection; the first request opens one.
    pub fn new(cluster: &'a Cluster, pods: Api<Pod>, pod: &str, port: u16) -> Self {
        Self {
            cluster,
            pods,
            pod: pod.to_owned(),
            port,
            deadline: REQUEST_DEADLINE,
            open: None,
            running: None,
        }
    }

    /// The same with another deadline of a request.
    #[must_use]
    pub fn within(self, deadline: Duration) -> Self {
        Self { deadline, ..self }
    }

    /// Returns the open connection, or opens one.
    async fn open(&mut self) -> Result<SendRequest<Full<Bytes>>, Failure> {
        if let Some(mut sender) = self.open.take()
            && sender.ready().await.is_ok()
        {
            return Ok(sender);
        }
        let (stream, refused) = connect(self.cluster, &self.pods, &self.pod, self.port).await?;
        let why = |error: &dyn std::error::Error| {
            Failure::Refused(format!(
                "port {} of pod {}: {}",
                self.port,
                self.pod,
                causes(error)
            ))
        };
        let (sender, connection) = handshake(TokioIo::new(stream))
            .await
            .map_err(|error| why(&error))?;
        let (pod, port) = (self.pod.clone(), self.port);
        let running = tokio::spawn(async move {
            let refused = std::pin::pin!(refused);
            if let Either::Left((Some(error), _)) =
                select(refused, std::pin::pin!(connection)).await
            {
                crate::screen::print_note(&format!("port {port} of pod {pod}: {error}"));
            }
        });
        self.running = Some(running.abort_handle());
        Ok(sender)
    }

    /// Sends a request once, without retry: after an error the effect of a POST is unknown.
    ///
    /// # Errors
    /// The connection failed, or the deadline passed.
    pub async fn send(
        &mut self,
        method: &str,
        path: &str,
        json: Option<Bytes>,
    ) -> Result<Answer, Failure> {
        let unknown = if json.is_some() {
            "; it is unknown whether the request arrived"
        } else {
            ""
        };
        let answer = timeout(self.deadline, self.exchange(method, path, json)).await;
        answer.unwrap_or_else(|_| {
            // close the connection: a late answer must not be read as the answer to the next request
            self.open = None;
            if let Some(connection) = self.running.take() {
                connection.abort();
            }
            let seconds = self.deadline.as_secs();
            let what = format!("{method} {path} on port {} of pod {}", self.port, self.pod);
            Err(Failure::Refused(format!(
                "{what} did not answer within {seconds} s{unknown}"
            )))
        })
    }

    /// Sends a request without a deadline.
    async fn exchange(
        &mut self,
        method: &str,
        path: &str,
        json: Option<Bytes>,
    ) -> Result<Answer, Failure> {
        let mut sender = self.open().await?;
        let broken = |error: &dyn std::error::Error| {
            let sent = if json.is_some() {
                "; it is unknown whether the request arrived"
            } else {
                ""
            };
            Failure::Refused(format!(
                "{method} {path} on port {} of pod {}: {}{sent}",
                self.port,
                self.pod,
                causes(error)
            ))
        };
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header(HOST, format!("127.0.0.1:{}", self.port));
        if json.is_some() {
            request = request.header(CONTENT_TYPE, "application/json");
        }
        let request = request
            .body(Full::new(json.clone().unwrap_or_default()))
            .map_err(|error| broken(&error))?;
        let answer = sender
            .send_request(request)
            .await
            .map_err(|error| broken(&error))?;
        let status = answer.status();
        let body = http_body_util::Limited::new(answer.into_body(), LARGEST)
            .collect()
            .await;
        let body = body.map_err(|error| broken(&*error))?.to_bytes();
        self.open = Some(sender);
        Ok(Answer { status, body })
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt;

    use super::*;

    #[tokio::test]
    async fn unanswered_request_times_out_and_closes_the_connection() {
        let config = kube::Config::new("http://127.0.0.1:1".parse().expect("it is a URL"));
        let client = kube::Client::try_from(config).expect("nothing is sent yet");
        let cluster = Cluster {
            client,
            url: "http://127.0.0.1:1".to_owned(),
            namespace: "a".to_owned(),
        };
        for (body, unknown) in [
            (Some("{}"), "; it is unknown whether the request arrived"),
            (None, ""),
        ] {
            let (near, mut far) = tokio::io::duplex(4096);
            let (sender, connection) = handshake(TokioIo::new(near))
                .await
                .expect("there is nothing to agree on");
            let running = Some(tokio::spawn(connection).abort_handle());
            let http = Http::new(&cluster, cluster.api(), "p-producer-1", 8080);
            let mut http = Http {
                deadline: Duration::from_millis(50),
                open: Some(sender),
                running,
                ..http
            };
            let answer = http
                .send("POST", "/send-message", body.map(Bytes::from))
                .await;
            let message = answer.expect_err("no answer").to_string();
            let request = "POST /send-message on port 8080 of pod p-producer-1 ";
            assert!(
                message.starts_with(request) && message.ends_with(&format!(" 0 s{unknown}")),
                "{message}"
            );
            let mut received = Vec::new();
            let all = timeout(Duration::from_secs(10), far.read_to_end(&mut received)).await;
            all.expect("the connection is closed")
                .expect("it can be read");
            assert!(
                received.starts_with(b"POST /send-message HTTP/1.1\r\n"),
                "{received:?}"
            );
        }
    }
}
