//! A client of the live view: requests, and the events of its stream. In: a URL. Out: status and JSON. It does not try again.

use std::time::Duration;

use http_body_util::{BodyExt, Full};
use hyper::{Request, body::Bytes};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use serde_json::Value;

fn http() -> Client<HttpConnector, Full<Bytes>> {
    Client::builder(TokioExecutor::new()).build_http()
}

pub(super) async fn get(url: &str) -> Result<Value, String> {
    ask_for(url).await.map(|(_, said)| said)
}

/// Status and answer.
pub(crate) async fn ask_for(url: &str) -> Result<(u16, Value), String> {
    ask(Request::get(url).body(Full::default()).expect("legal")).await
}

pub(super) async fn post(url: &str, body: Value) -> (u16, Value) {
    let request = Request::post(url)
        .header("content-type", "application/json")
        .body(Full::from(body.to_string()));
    ask(request.expect("legal")).await.expect("it answers")
}

async fn ask(request: Request<Full<Bytes>>) -> Result<(u16, Value), String> {
    let response = http()
        .request(request)
        .await
        .map_err(|error| error.to_string())?;
    let status = response.status().as_u16();
    let body = response
        .into_body()
        .collect()
        .await
        .map_err(|error| error.to_string())?
        .to_bytes();
    Ok((
        status,
        serde_json::from_slice(&body).map_err(|error| error.to_string())?,
    ))
}

pub(super) struct Stream {
    body: hyper::body::Incoming,
    rest: String,
}

impl Stream {
    pub(super) async fn open(picture: &str) -> Self {
        let request = Request::get(format!("{picture}/stream"))
            .body(Full::default())
            .expect("legal");
        let response = http().request(request).await.expect("it answers");
        assert_eq!(response.status(), 200);
        Self {
            body: response.into_body(),
            rest: String::new(),
        }
    }

    async fn next(&mut self) -> (String, Value) {
        loop {
            if let Some(end) = self.rest.find("\n\n") {
                let field = |name: &str| {
                    self.rest[..end]
                        .lines()
                        .find_map(|line| line.strip_prefix(name))
                };
                let name = field("event: ").expect("a name").to_owned();
                let data = serde_json::from_str(field("data: ").expect("data")).expect("JSON");
                self.rest.drain(..end + 2);
                return (name, data);
            }
            let frame = self
                .body
                .frame()
                .await
                .expect("it continues")
                .expect("it continues");
            self.rest.push_str(
                std::str::from_utf8(&frame.into_data().expect("data")).expect("whole events"),
            );
        }
    }
}

/// The events of a stream as they come, until `is` is true of one.
pub(super) async fn event(
    stream: &mut Stream,
    what: &str,
    is: impl Fn(&str, &Value) -> bool,
) -> Value {
    let found = async {
        loop {
            let (name, data) = stream.next().await;
            if is(&name, &data) {
                return data;
            }
        }
    };
    tokio::time::timeout(Duration::from_mins(1), found)
        .await
        .unwrap_or_else(|_| panic!("{what}: not in time"))
}
