//! Ports of pods. In: a pod, a port. Out: a connection to it through the API server, and HTTP over one, each request with a
//! deadline. Nothing listens here.

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
    cluster::{Cluster, causes},
    error::Failure,
};

/// Largest answer that is read.
const LARGEST: usize = 1 << 20;
/// Longest time that a request and its answer may take: a producer waits for Kafka, but not that long.
const PATIENCE: Duration = Duration::from_secs(45);

/// A connection to a port of a pod, and the word that the kubelet has for one that cannot be.
///
/// # Errors
/// The API server refuses, or does not answer.
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
    let mut forwarder = cluster.ask(&what, pods.portforward(pod, &[port])).await?;
    let stream = forwarder.take_stream(port);
    let error = forwarder.take_error(port);
    stream
        .zip(error)
        .ok_or_else(|| Failure::Refused(format!("{what}: nothing came of it")))
}

/// HTTP to a port of a pod; a connection that has ended is made anew before the next request.
pub struct Http<'a> {
    cluster: &'a Cluster,
    pods: Api<Pod>,
    pod: String,
    port: u16,
    patience: Duration,
    open: Option<SendRequest<Full<Bytes>>>,
    /// Ends the connection.
    running: Option<AbortHandle>,
}

/// An answer.
#[derive(Debug)]
pub struct Answer {
    /// Its status.
    pub status: StatusCode,
    /// What it says.
    pub body: Bytes,
}

impl<'a> Http<'a> {
    /// Nothing is open yet.
    pub fn to(cluster: &'a Cluster, pods: Api<Pod>, pod: &str, port: u16) -> Self {
        Self {
            cluster,
            pods,
            pod: pod.to_owned(),
            port,
            patience: PATIENCE,
            open: None,
            running: None,
        }
    }

    /// Opens a connection.
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
                crate::screen::mention(&format!("port {port} of pod {pod}: {error}"));
            }
        });
        self.running = Some(running.abort_handle());
        Ok(sender)
    }

    /// A request and its answer. It is sent once: what became of one that breaks off is not known.
    ///
    /// # Errors
    /// There is no answer, or none in time.
    pub async fn ask(
        &mut self,
        method: &str,
        path: &str,
        json: Option<Bytes>,
    ) -> Result<Answer, Failure> {
        let unknown = if json.is_some() {
            "; whether it arrived is not known"
        } else {
            ""
        };
        let answer = timeout(self.patience, self.exchange(method, path, json)).await;
        answer.unwrap_or_else(|_| {
            // an answer that comes yet must not be taken for that of another request
            self.open = None;
            if let Some(connection) = self.running.take() {
                connection.abort();
            }
            let seconds = self.patience.as_secs();
            let what = format!("{method} {path} on port {} of pod {}", self.port, self.pod);
            Err(Failure::Refused(format!(
                "{what} has not answered within {seconds} s{unknown}"
            )))
        })
    }

    /// Without a deadline.
    async fn exchange(
        &mut self,
        method: &str,
        path: &str,
        json: Option<Bytes>,
    ) -> Result<Answer, Failure> {
        let mut sender = self.open().await?;
        let broken = |error: &dyn std::error::Error| {
            let sent = if json.is_some() {
                "; whether it arrived is not known"
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
    async fn a_request_that_nobody_answers_ends_with_its_connection() {
        let config = kube::Config::new("http://127.0.0.1:1".parse().expect("it is a URL"));
        let client = kube::Client::try_from(config).expect("nothing is sent yet");
        let cluster = Cluster {
            client,
            url: "http://127.0.0.1:1".to_owned(),
            namespace: "a".to_owned(),
        };
        for (body, unknown) in [
            (Some("{}"), "; whether it arrived is not known"),
            (None, ""),
        ] {
            let (near, mut far) = tokio::io::duplex(4096);
            let (sender, connection) = handshake(TokioIo::new(near))
                .await
                .expect("there is nothing to agree on");
            let running = Some(tokio::spawn(connection).abort_handle());
            let http = Http::to(&cluster, cluster.api(), "p-producer-1", 8080);
            let mut http = Http {
                patience: Duration::from_millis(50),
                open: Some(sender),
                running,
                ..http
            };
            let answer = http
                .ask("POST", "/send-message", body.map(Bytes::from))
                .await;
            let said = answer.expect_err("nobody answers").to_string();
            let what =
                "POST /send-message on port 8080 of pod p-producer-1 has not answered within 0 s";
            assert_eq!(said, format!("{what}{unknown}"));
            let mut heard = Vec::new();
            let all = timeout(Duration::from_secs(10), far.read_to_end(&mut heard)).await;
            all.expect("the connection is closed")
                .expect("it can be read");
            assert!(
                heard.starts_with(b"POST /send-message HTTP/1.1\r\n"),
                "{heard:?}"
            );
        }
    }
}
