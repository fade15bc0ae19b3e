//! A process that runs out of file descriptors: accepting fails, and works again when descriptors are free.

use std::{
    env,
    fs::File,
    process::{Command, Stdio},
    time::Duration,
};

use axum::{Router, routing::get};
use practice_serve::{Limits, serve};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    time::timeout,
};
use tokio_util::sync::CancellationToken;

const PATIENCE: Duration = Duration::from_secs(30);
const LIMITED: &str = "PRACTICE_SERVE_TEST_LIMITED";
const NAME: &str = "descriptors::accepting_outlives_a_lack_of_descriptors";

/// Runs itself again in a process with few descriptors: the others must not suffer.
#[test]
fn accepting_outlives_a_lack_of_descriptors() {
    if env::var_os(LIMITED).is_some() {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime");
        runtime.block_on(run_out_and_recover());
    } else {
        let child = Command::new("sh")
            .args([
                "-c",
                "ulimit -n 40 && exec \"$0\" --exact \"$1\" --nocapture",
            ])
            .arg(env::current_exe().expect("its own path"))
            .arg(NAME)
            .env(LIMITED, "1")
            .stderr(Stdio::inherit())
            .output()
            .expect("a child");
        let printed = String::from_utf8_lossy(&child.stdout);
        assert!(
            child.status.success() && printed.contains("1 passed"),
            "{printed}"
        );
    }
}

async fn run_out_and_recover() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("an address");
    let router = Router::new().route("/hello", get(|| async { "hello" }));
    let shutdown = CancellationToken::new();
    let serving = tokio::spawn(serve(listener, router, Limits::default(), shutdown.clone()));
    // all are taken but one, and that one goes to a client: there is none for its connection in the service
    let mut taken = Vec::new();
    while let Ok(file) = File::open("/dev/null") {
        taken.push(file);
    }
    taken.pop();
    let mut client = TcpStream::connect(address)
        .await
        .expect("the backlog takes it");
    client
        .write_all(b"GET /hello HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
        .await
        .expect("written");
    let mut answer = String::new();
    let early = timeout(
        Duration::from_millis(300),
        client.read_to_string(&mut answer),
    )
    .await;
    assert!(
        early.is_err(),
        "not accepted for want of a descriptor, and not refused: {early:?}"
    );

    taken.clear();
    timeout(PATIENCE, client.read_to_string(&mut answer))
        .await
        .expect("in time")
        .expect("an answer");
    assert!(answer.ends_with("\r\n\r\nhello"), "{answer}");
    assert!(!serving.is_finished());
    shutdown.cancel();
    timeout(PATIENCE, serving)
        .await
        .expect("ends")
        .expect("without a panic");
}
