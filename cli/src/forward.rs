//! Ports of pods. In: a pod, a port. Out: a connection to it through the API server, and HTTP over one. Nothing listens here.

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
use tokio::io::{AsyncRead, AsyncWrite};

use crate::{
    cluster::{Cluster, causes},
    error::Failure,
};

/// Largest answer that is read.
const LARGEST: usize = 1 << 20;

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
    (impl AsyncRead + AsyncWrite + Unpin + Send + use<>, impl Future<Output = Option<String>> + Send + use<>),
    Failure,
> {
    let what = format!("forward port {port} of pod {pod}");
    let mut forwarder = cluster.ask(&what, pods.portforward(pod, &[port])).await?;
    let stream = forwarder.take_stream(port);
    let error = forwarder.take_error(port);
    stream.zip(error).ok_or_else(|| Failure::Refused(format!("{what}: nothing came of it")))
}

/// HTTP to a port of a pod; a connection that has ended is made anew before the next request.
pub struct Http<'a> {
    cluster: &'a Cluster,
    pods: Api<Pod>,
    pod: String,
    port: u16,
    open: Option<SendRequest<Full<Bytes>>>,
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
        Self { cluster, pods, pod: pod.to_owned(), port, open: None }
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
            Failure::Refused(format!("port {} of pod {}: {}", self.port, self.pod, causes(error)))
        };
        let (sender, connection) = handshake(TokioIo::new(stream)).await.map_err(|error| why(&error))?;
        let (pod, port) = (self.pod.clone(), self.port);
        tokio::spawn(async move {
            let refused = std::pin::pin!(refused);
            if let Either::Left((Some(error), _)) = select(refused, std::pin::pin!(connection)).await {
                crate::screen::mention(&format!("port {port} of pod {pod}: {error}"));
            }
        });
        Ok(sender)
    }

    /// A request and its answer. It is sent once: what became of one that breaks off is not known.
    ///
    /// # Errors
    /// There is no answer.
    pub async fn ask(&mut self, method: &str, path: &str, json: Option<Bytes>) -> Result<Answer, Failure> {
        let mut sender = self.open().await?;
        let broken = |error: &dyn std::error::Error| {
            let sent = if json.is_some() { "; whether it arrived is not known" } else { "" };
            Failure::Refused(format!(
                "{method} {path} on port {} of pod {}: {}{sent}",
                self.port,
                self.pod,
                causes(error)
            ))
        };
        let mut request = Request::builder().method(method).uri(path).header(HOST, format!("127.0.0.1:{}", self.port));
        if json.is_some() {
            request = request.header(CONTENT_TYPE, "application/json");
        }
        let request = request.body(Full::new(json.clone().unwrap_or_default())).map_err(|error| broken(&error))?;
        let answer = sender.send_request(request).await.map_err(|error| broken(&error))?;
        let status = answer.status();
        let body = http_body_util::Limited::new(answer.into_body(), LARGEST).collect().await;
        let body = body.map_err(|error| broken(&*error))?.to_bytes();
        self.open = Some(sender);
        Ok(Answer { status, body })
    }
}
