//! `view`: the live picture of a practice, on a port of this machine as long as the command runs. The picture listens on the
//! operator's loopback only; whoever may forward ports may look.

use std::process::{Command, Stdio};

use k8s_openapi::api::core::v1::Pod;
use kube::{Api, ResourceExt};
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
};

use crate::{
    args::View,
    cluster::Cluster,
    error::Failure,
    forward::{Http, connect},
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
    let pod = operator::pod(cluster, view.operator_namespace.as_deref()).await?;
    let (name, place) = (pod.name_any(), pod.namespace().unwrap_or_default());
    let pods: Api<Pod> = Api::namespaced(cluster.client.clone(), &place);
    let path = format!("/p/{}/{}", cluster.namespace, view.name);
    is_served(cluster, &pods, &name, &path).await?;
    let listener = TcpListener::bind(("127.0.0.1", view.port)).await.map_err(|error| {
        Failure::Refused(format!("--port is {}: 127.0.0.1:{} is not free: {error}", view.port, view.port))
    })?;
    let port = listener.local_addr().map_or(view.port, |address| address.port());
    let url = format!("http://127.0.0.1:{port}{path}");
    screen.say([&Line::of(Tone::Strong, &url), &Line::of(Tone::Dim, "as long as this runs: Ctrl-C ends it")])?;
    if !view.no_open {
        open(&url);
    }
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                if let Ok((connection, _)) = accepted {
                    tokio::spawn(carry(cluster.clone(), pods.clone(), name.clone(), connection));
                }
            }
            _ = tokio::signal::ctrl_c() => return Ok(()),
        }
    }
}

/// Whether there is a picture at all; better said here than by a page that stays empty.
async fn is_served(cluster: &Cluster, pods: &Api<Pod>, pod: &str, path: &str) -> Result<(), Failure> {
    let answer = Http::to(cluster, pods.clone(), pod, PICTURE).ask("GET", path, None).await;
    match answer {
        Ok(answer) if answer.status.is_success() => Ok(()),
        Ok(answer) => Err(Failure::Refused(format!("the picture answers {}", answer.status))),
        Err(Failure::Refused(why)) => Err(Failure::Refused(format!(
            "the operator shows no picture: {why}\nis it switched off? helm upgrade ... --set view.enabled=true"
        ))),
        Err(failure) => Err(failure),
    }
}

/// One connection to its end.
async fn carry(cluster: Cluster, pods: Api<Pod>, pod: String, mut local: TcpStream) {
    match connect(&cluster, &pods, &pod, PICTURE).await {
        Ok((mut remote, _)) => {
            let _ = copy_bidirectional(&mut local, &mut remote).await; // a page was closed
        }
        Err(failure) => mention(&failure.to_string()),
    }
}

/// Opens it in a browser. Where there is none the address is there to be copied.
fn open(url: &str) {
    let program = if cfg!(target_os = "macos") { "open" } else { "xdg-open" };
    let quiet = |command: &mut Command| {
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().is_ok()
    };
    if !quiet(Command::new(program).arg(url)) {
        mention(&format!("{program} is not there: open it yourself, or say --no-open"));
    }
}
