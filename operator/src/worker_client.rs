//! HTTP client for workers and producers. In: an address. Out: a worker's status, its readiness, the producer's answer to a
//! message. Each request has a timeout, and responses have a limit in size.

use std::time::Duration;

use anyhow::{Result, anyhow, bail};
use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::{Method, Request, StatusCode};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use practice_contract::{handled::Handled, status::WorkerStatus};
use serde_json::Value;
use tokio::time::timeout;

/// Timeout of requests to a worker; one that does not answer is busy, paused or gone.
const PATIENCE: Duration = Duration::from_secs(1);
/// Timeout of the producer, which answers after Kafka's acknowledgement or an error.
const ACKNOWLEDGEMENT: Duration = Duration::from_secs(30);
const LARGEST: usize = 4 << 20;

/// A client for all workers and producers.
#[derive(Debug, Clone)]
pub struct Http(Client<HttpConnector, Full<Bytes>>);

impl Default for Http {
    fn default() -> Self {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        connector.set_connect_timeout(Some(PATIENCE));
        Self(
            Client::builder(TokioExecutor::new())
                .pool_idle_timeout(Duration::from_secs(20))
                .build(connector),
        )
    }
}

impl Http {
    /// The status of a worker.
    ///
    /// # Errors
    /// The worker does not answer within a second, or not with a status.
    pub async fn status(&self, address: &str) -> Result<WorkerStatus> {
        let (code, body) = self
            .ask(
                Method::GET,
                &format!("http://{address}/status"),
                None,
                PATIENCE,
            )
            .await?;
        if code != StatusCode::OK {
            bail!("{code}");
        }
        Ok(serde_json::from_slice(&body)?)
    }

    /// What a worker has handled, as far as a query asks for it.
    ///
    /// # Errors
    /// The worker does not answer within a second, or not with its ledger.
    pub async fn handled(&self, address: &str, query: &str) -> Result<Handled> {
        let url = format!("http://{address}/handled?{query}");
        let (code, body) = self.ask(Method::GET, &url, None, PATIENCE).await?;
        if code != StatusCode::OK {
            bail!("{code}");
        }
        Ok(serde_json::from_slice(&body)?)
    }

    /// The metrics of a worker or producer as text.
    ///
    /// # Errors
    /// It does not answer within a second, or not with metrics.
    pub async fn metrics(&self, address: &str) -> Result<String> {
        let url = format!("http://{address}/metrics");
        let (code, body) = self.ask(Method::GET, &url, None, PATIENCE).await?;
        if code != StatusCode::OK {
            bail!("{code}");
        }
        Ok(String::from_utf8(body.to_vec())?)
    }

    /// Whether a worker or producer is ready.
    pub async fn is_ready(&self, address: &str) -> bool {
        let answer = self
            .ask(
                Method::GET,
                &format!("http://{address}/readyz"),
                None,
                PATIENCE,
            )
            .await;
        answer.is_ok_and(|(code, _)| code == StatusCode::OK)
    }

    /// Sends a message to the producer and returns its answer, errors included.
    ///
    /// # Errors
    /// The producer does not answer.
    pub async fn send(&self, address: &str, message: &Value) -> Result<(StatusCode, Value)> {
        let url = format!("http://{address}/send-message");
        let body = Bytes::from(message.to_string());
        let (code, body) = self
            .ask(Method::POST, &url, Some(body), ACKNOWLEDGEMENT)
            .await?;
        Ok((code, serde_json::from_slice(&body)?))
    }

    async fn ask(
        &self,
        method: Method,
        url: &str,
        body: Option<Bytes>,
        time: Duration,
    ) -> Result<(StatusCode, Bytes)> {
        let mut request = Request::builder().method(method).uri(url);
        if body.is_some() {
            request = request.header("content-type", "application/json");
        }
        let request = request.body(Full::new(body.unwrap_or_default()))?;
        let answered = async {
            let response = self.0.request(request).await?;
            let code = response.status();
            let body = Limited::new(response.into_body(), LARGEST)
                .collect()
                .await
                .map_err(|error| anyhow!(error))?;
            Ok::<_, anyhow::Error>((code, body.to_bytes()))
        };
        timeout(time, answered)
            .await
            .map_err(|_| anyhow!("no answer within {} s", time.as_secs()))?
    }
}
