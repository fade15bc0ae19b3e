//! Events of workers. In: the base URL of a worker. Out: its `/events`, one by one; it reconnects until the task is aborted.
//! Deliberately absent: the meaning of events.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{Request, StatusCode, body::Incoming};
use hyper_util::client::legacy::{Client, connect::HttpConnector};
use practice_contract::events::WorkerEvent;

/// Between two attempts to reach a worker.
const PAUSE: Duration = Duration::from_secs(1);
/// Longest time without data: a worker sends a keep-alive every ten seconds.
const SILENCE: Duration = Duration::from_secs(30);
/// Longest line accepted, in bytes: an event of a consumer with a thousand partitions has 100 KiB.
const LONGEST: usize = 1 << 20;

pub(crate) type Http = Client<HttpConnector, Full<Bytes>>;

/// Reads a worker's events, and reconnects, until the task is aborted.
pub(crate) async fn listen(http: Http, url: String, report: impl Fn(WorkerEvent)) {
    loop {
        if let Err(reason) = once(&http, &url, &report).await {
            tracing::debug!(url, reason, "event stream of a worker ended");
        }
        tokio::time::sleep(PAUSE).await;
    }
}

async fn once(http: &Http, url: &str, report: &impl Fn(WorkerEvent)) -> Result<(), String> {
    let request = Request::get(format!("{url}/events"))
        .body(Full::default())
        .map_err(|error| error.to_string())?;
    let response = tokio::time::timeout(SILENCE, http.request(request)).await;
    let response = response
        .map_err(|_| "no answer".to_owned())?
        .map_err(|error| error.to_string())?;
    if response.status() != StatusCode::OK {
        return Err(response.status().to_string());
    }
    read(response.into_body(), report).await
}

async fn read(mut body: Incoming, report: &impl Fn(WorkerEvent)) -> Result<(), String> {
    let mut rest: Vec<u8> = Vec::new();
    loop {
        let frame = tokio::time::timeout(SILENCE, body.frame())
            .await
            .map_err(|_| format!("no data for {} s", SILENCE.as_secs()))?;
        let Some(frame) = frame else { return Ok(()) };
        let frame = frame.map_err(|error| error.to_string())?;
        rest.extend_from_slice(frame.data_ref().map_or(&[], |data| data.as_ref()));
        while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = rest.drain(..=end).collect();
            if let Some(event) = event(&line) {
                report(event);
            }
        }
        if rest.len() > LONGEST {
            return Err(format!("a line is longer than {LONGEST} bytes"));
        }
    }
}

/// The event in a line `data: {...}`; its name is in the JSON too.
fn event(line: &[u8]) -> Option<WorkerEvent> {
    serde_json::from_slice(line.strip_prefix(b"data:")?.trim_ascii()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_without_an_event_are_skipped() {
        let assigned = WorkerEvent::Assigned {
            at: 1,
            partitions: vec!["t/0".to_owned()],
        };
        assert_eq!(
            event(b"data: {\"event\":\"assigned\",\"at\":1,\"partitions\":[\"t/0\"]}\r\n"),
            Some(assigned)
        );
        for line in [
            &b"event: assigned\n"[..],
            b"\n",
            b": alive\n",
            b"data: {\"event\":\"new\"}\n",
            b"data: \xff\n",
        ] {
            assert_eq!(event(line), None);
        }
    }
}
