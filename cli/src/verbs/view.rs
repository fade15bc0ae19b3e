//! `view`: the live picture of a practice, on a port of this machine as long as the command runs. The picture listens on the
//! operator's loopback only; whoever may forward ports may look.

use std::{
    pin::pin,
    process::{Command, Stdio},
    sync::{Arc, Mutex, PoisonError},
};

use hyper::StatusCode;
use k8s_openapi::api::core::v1::Pod;
use kube::{Api, ResourceExt};
use tokio::{
    io::{AsyncRead, AsyncWrite, copy_bidirectional},
    net::{TcpListener, TcpStream},
};

use crate::{
    args::View,
    cluster::Cluster,
    error::Failure,
    forward::{Answer, Http, connect},
    operator,
    screen::{Screen, mention},
    text::{Line, Tone},
};

/// Where the operator serves the picture, in its pod.
const PICTURE: u16 = 8080;

/// Does it, until it is ended.
///
/// # Errors
/// There is no practice, no operator, no picture, or no port.
pub async fn run(cluster: &Cluster, view: &View, screen: &mut Screen) -> Result<(), Failure> {
    cluster.practice(&view.name).await?;
    let asked = view.operator_namespace.clone();
    let target = Target::find(cluster, asked.as_deref()).await?;
    let practice = format!("{}/{}", cluster.namespace, view.name);
    is_served(cluster, &target, &practice).await?;
    let listener = TcpListener::bind(("127.0.0.1", view.port))
        .await
        .map_err(|error| {
            Failure::Refused(format!(
                "--port is {}: 127.0.0.1:{} is not free: {error}",
                view.port, view.port
            ))
        })?;
    let port = listener
        .local_addr()
        .map_or(view.port, |address| address.port());
    let url = format!("http://127.0.0.1:{port}/p/{practice}");
    screen.say([
        &Line::of(Tone::Strong, &url),
        &Line::of(Tone::Dim, "as long as this runs: Ctrl-C ends it"),
    ])?;
    if !view.no_open {
        open(&url);
    }
    let way = Arc::new(Way {
        cluster: cluster.clone(),
        asked,
        target: Mutex::new(target),
    });
    let mut interrupted = pin!(tokio::signal::ctrl_c());
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                if let Ok((connection, _)) = accepted {
                    tokio::spawn(carry(way.clone(), connection));
                }
            }
            _ = &mut interrupted => return Ok(()),
        }
    }
}

/// A pod of the operator.
#[derive(Clone)]
struct Target {
    pods: Api<Pod>,
    place: String,
    name: String,
}

impl Target {
    async fn find(cluster: &Cluster, asked: Option<&str>) -> Result<Self, Failure> {
        let pod = operator::pod(cluster, asked).await?;
        let place = pod.namespace().unwrap_or_default();
        Ok(Self {
            pods: Api::namespaced(cluster.client.clone(), &place),
            name: pod.name_any(),
            place,
        })
    }

    /// `kafka-practice/cgp-operator-6d9f-x2kvp`
    fn title(&self) -> String {
        format!("{}/{}", self.place, self.name)
    }
}

/// Whether there is a picture of the practice at all; better said here than by a page that stays empty. The page itself is the
/// same for every practice, so its data is asked for.
async fn is_served(cluster: &Cluster, target: &Target, practice: &str) -> Result<(), Failure> {
    let mut http = Http::to(cluster, target.pods.clone(), &target.name, PICTURE);
    let answer = http
        .ask("HEAD", &format!("/api/practices/{practice}"), None)
        .await;
    judged(answer, &target.title(), practice)
}

fn judged(answer: Result<Answer, Failure>, operator: &str, practice: &str) -> Result<(), Failure> {
    match answer {
        Ok(answer) if answer.status.is_success() => Ok(()),
        Ok(answer) if answer.status == StatusCode::NOT_FOUND => Err(Failure::NotFound(format!(
            "the operator {operator} knows no practice {practice}: does it watch that namespace? \
             --operator-namespace names another operator"
        ))),
        Ok(answer) => Err(Failure::Refused(format!(
            "the picture of {operator} answers {}",
            answer.status
        ))),
        Err(Failure::Refused(why)) => Err(Failure::Refused(format!(
            "the operator {operator} shows no picture: {why}\nis it switched off? helm upgrade ... --set view.enabled=true"
        ))),
        Err(failure) => Err(failure),
    }
}

/// How connections get to the picture.
struct Way {
    cluster: Cluster,
    /// Where the operator is, if that was said.
    asked: Option<String>,
    /// Its pod, as it was found last.
    target: Mutex<Target>,
}

impl Way {
    /// A connection, to another pod of the operator when the one that was known cannot be reached.
    async fn open(
        &self,
    ) -> Result<
        (
            impl AsyncRead + AsyncWrite + Unpin + Send + use<>,
            impl Future<Output = Option<String>> + Send + use<>,
        ),
        Failure,
    > {
        let known = self
            .target
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        if let Ok(connection) = connect(&self.cluster, &known.pods, &known.name, PICTURE).await {
            return Ok(connection);
        }
        let found = Target::find(&self.cluster, self.asked.as_deref()).await?;
        *self.target.lock().unwrap_or_else(PoisonError::into_inner) = found.clone();
        connect(&self.cluster, &found.pods, &found.name, PICTURE).await
    }
}

/// One connection to its end.
async fn carry(way: Arc<Way>, mut local: TcpStream) {
    match way.open().await {
        Ok((mut remote, _refused)) => {
            let _ = copy_bidirectional(&mut local, &mut remote).await; // a page was closed
        }
        Err(failure) => mention(&failure.to_string()),
    }
}

/// Opens it in a browser. Where there is none the address is there to be copied.
fn open(url: &str) {
    let program = if cfg!(target_os = "macos") {
        "open"
    } else {
        "xdg-open"
    };
    let quiet = |command: &mut Command| {
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .is_ok()
    };
    if !quiet(Command::new(program).arg(url)) {
        mention(&format!(
            "{program} is not there: open it yourself, or say --no-open"
        ));
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    #[test]
    fn who_knows_no_such_practice_is_named() {
        let judged = |status| {
            judged(
                Ok(Answer {
                    status,
                    body: Bytes::new(),
                }),
                "ops/cgp-1",
                "a/p",
            )
        };
        judged(StatusCode::OK).expect("it is served");
        let unknown = judged(StatusCode::NOT_FOUND).expect_err("it is not");
        assert!(matches!(unknown, Failure::NotFound(_)));
        let said = unknown.to_string();
        assert!(
            said.starts_with("the operator ops/cgp-1 knows no practice a/p: "),
            "{said}"
        );
        assert!(
            said.ends_with("--operator-namespace names another operator"),
            "{said}"
        );
        let said = judged(StatusCode::SERVICE_UNAVAILABLE)
            .expect_err("nor so")
            .to_string();
        assert_eq!(
            said,
            "the picture of ops/cgp-1 answers 503 Service Unavailable"
        );
    }
}
