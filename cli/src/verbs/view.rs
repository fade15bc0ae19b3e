//! `view`: serves the live view of a practice on a local port while the command runs. The operator serves it on its loopback
//! interface only, so the right to forward ports controls access.

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
    screen::{Screen, print_note},
    text::{Line, Tone},
};

/// Port of the live view in the operator's pod.
const VIEW_PORT: u16 = 8080;

/// Runs the verb until Ctrl-C.
///
/// # Errors
/// The practice or the operator does not exist, the live view is disabled, or the port is in use.
pub async fn run(cluster: &Cluster, view: &View, screen: &mut Screen) -> Result<(), Failure> {
    cluster.practice(&view.name).await?;
    let asked = view.operator_namespace.clone();
    let target = Target::find(cluster, asked.as_deref()).await?;
    let practice = format!("{}/{}", cluster.namespace, view.name);
    require_view(cluster, &target, &practice).await?;
    let listener = TcpListener::bind(("127.0.0.1", view.port))
        .await
        .map_err(|error| {
            Failure::Refused(format!(
                "--port {}: cannot listen on 127.0.0.1:{}: {error}",
                view.port, view.port
            ))
        })?;
    let port = listener
        .local_addr()
        .map_or(view.port, |address| address.port());
    let url = format!("http://127.0.0.1:{port}/p/{practice}");
    screen.print([
        &Line::of(Tone::Strong, &url),
        &Line::of(Tone::Dim, "served until you press Ctrl-C"),
    ])?;
    if !view.no_open {
        open(&url);
    }
    let route = Arc::new(ViewRoute {
        cluster: cluster.clone(),
        asked,
        target: Mutex::new(target),
    });
    let mut interrupted = pin!(tokio::signal::ctrl_c());
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                if let Ok((connection, _)) = accepted {
                    tokio::spawn(relay_connection(route.clone(), connection));
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

/// Checks that the operator serves the practice's data, because the page loads without it and would stay empty.
async fn require_view(cluster: &Cluster, target: &Target, practice: &str) -> Result<(), Failure> {
    let mut http = Http::new(cluster, target.pods.clone(), &target.name, VIEW_PORT);
    let answer = http
        .send("HEAD", &format!("/api/practices/{practice}"), None)
        .await;
    check_view_answer(answer, &target.title(), practice)
}

fn check_view_answer(
    answer: Result<Answer, Failure>,
    operator: &str,
    practice: &str,
) -> Result<(), Failure> {
    match answer {
        Ok(answer) if answer.status.is_success() => Ok(()),
        Ok(answer) if answer.status == StatusCode::NOT_FOUND => Err(Failure::NotFound(format!(
            "operator {operator} has no practice {practice}: check that it watches the namespace, \
             or name another operator with --operator-namespace"
        ))),
        Ok(answer) => Err(Failure::Refused(format!(
            "the live view of operator {operator} answered {}",
            answer.status
        ))),
        Err(Failure::Refused(why)) => Err(Failure::Refused(format!(
            "operator {operator} does not serve the live view: {why}\nif it is disabled: helm upgrade ... --set view.enabled=true"
        ))),
        Err(failure) => Err(failure),
    }
}

/// Route from the local port to the operator's live view.
struct ViewRoute {
    cluster: Cluster,
    /// --operator-namespace.
    asked: Option<String>,
    /// Operator pod that was found last.
    target: Mutex<Target>,
}

impl ViewRoute {
    /// Connects to the last known pod, or finds the operator's pod again when that fails.
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
        if let Ok(connection) = connect(&self.cluster, &known.pods, &known.name, VIEW_PORT).await {
            return Ok(connection);
        }
        let found = Target::find(&self.cluster, self.asked.as_deref()).await?;
        *self.target.lock().unwrap_or_else(PoisonError::into_inner) = found.clone();
        connect(&self.cluster, &found.pods, &found.name, VIEW_PORT).await
    }
}

/// Relays one connection until it closes.
async fn relay_connection(route: Arc<ViewRoute>, mut local: TcpStream) {
    match route.open().await {
        Ok((mut remote, _refused)) => {
            let _ = copy_bidirectional(&mut local, &mut remote).await; // the browser closed the page
        }
        Err(failure) => print_note(&failure.to_string()),
    }
}

/// Opens a URL in the browser.
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
        print_note(&format!(
            "cannot run {program}: open the address yourself, or use --no-open"
        ));
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    #[test]
    fn operator_without_the_practice_is_named() {
        let check = |status| {
            check_view_answer(
                Ok(Answer {
                    status,
                    body: Bytes::new(),
                }),
                "ops/cgp-1",
                "a/p",
            )
        };
        check(StatusCode::OK).expect("the view is served");
        let unknown = check(StatusCode::NOT_FOUND).expect_err("not found");
        assert!(matches!(unknown, Failure::NotFound(_)));
        let message = unknown.to_string();
        for part in ["ops/cgp-1", "a/p", "--operator-namespace"] {
            assert!(message.contains(part), "{part}: {message}");
        }
        let refused = check(StatusCode::SERVICE_UNAVAILABLE).expect_err("unavailable");
        assert!(matches!(refused, Failure::Refused(_)));
        let message = refused.to_string();
        assert!(
            message.contains("ops/cgp-1") && message.contains("503 Service Unavailable"),
            "{message}"
        );
    }
}
