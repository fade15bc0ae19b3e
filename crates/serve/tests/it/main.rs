//! The accept loop over real sockets: slow clients, full houses, shutdown. Nothing is waited for longer than `PATIENCE`.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use axum::{
    Router,
    body::{Body, Bytes},
    response::Response,
    routing::{get, post},
};
use practice_serve::{Limits, serve_within};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;

/// Longer than anything here takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);
const QUICK: &[u8] = b"GET / HTTP/1.1\r\nHost: h\r\n\r\n";

struct Server {
    address: SocketAddr,
    shutdown: CancellationToken,
    task: JoinHandle<()>,
}

async fn start(limits: Limits) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("bound");
    let router = Router::new()
        .route("/", get(|| async { "ok" }))
        .route(
            "/slow",
            get(async || {
                sleep(Duration::from_secs(1)).await;
                "slow"
            }),
        )
        .route("/never", get(std::future::pending::<&str>))
        .route("/panic", get(async || -> &str { panic!("on purpose") }))
        .route(
            "/stream",
            get(async || Response::new(Body::from_stream(tokio_stream::pending::<Result<Bytes, std::io::Error>>()))),
        )
        .route("/echo", post(|body: Bytes| async { body }));
    let shutdown = CancellationToken::new();
    let task = tokio::spawn(serve_within(limits, listener, router, shutdown.clone()));
    Server { address, shutdown, task }
}

impl Server {
    async fn connect(&self) -> TcpStream {
        timeout(PATIENCE, TcpStream::connect(self.address)).await.expect("in time").expect("accepted")
    }

    async fn send(&self, request: &[u8]) -> TcpStream {
        let mut stream = self.connect().await;
        stream.write_all(request).await.expect("sent");
        stream
    }

    async fn is_served(&self) -> bool {
        let mut stream = self.send(QUICK).await;
        head(&mut stream).await.starts_with("HTTP/1.1 200")
    }

    async fn ended(self) {
        timeout(PATIENCE, self.task).await.expect("in time").expect("no panic");
    }
}

/// What comes until the end of an answer's head or of the connection.
async fn head(stream: &mut TcpStream) -> String {
    let mut seen = Vec::new();
    let mut chunk = [0; 1024];
    while !seen.windows(4).any(|four| four == b"\r\n\r\n") {
        match timeout(PATIENCE, stream.read(&mut chunk)).await.expect("in time") {
            Ok(0) | Err(_) => break,
            Ok(read) => seen.extend_from_slice(&chunk[..read]),
        }
    }
    String::from_utf8_lossy(&seen).into_owned()
}

/// Everything until the connection ends.
async fn rest(mut stream: TcpStream) -> String {
    let mut seen = Vec::new();
    let _ = timeout(PATIENCE, stream.read_to_end(&mut seen)).await.expect("the connection ends in time");
    String::from_utf8_lossy(&seen).into_owned()
}

#[tokio::test]
async fn a_connection_serves_many_requests() {
    let server = start(Limits::default()).await;
    let mut stream = server.connect().await;
    for _ in 0..3 {
        stream.write_all(b"POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nhi").await.expect("sent");
        assert!(head(&mut stream).await.starts_with("HTTP/1.1 200"));
    }
}

#[tokio::test]
async fn a_head_or_a_body_that_does_not_come_ends_the_connection() {
    let server =
        start(Limits { head: Duration::from_millis(300), body: Duration::from_millis(300), ..Limits::default() }).await;
    for part in ["", "GET / HTTP/1.1\r\nHost:", "GET / HTTP/1.1\r\nHost: h\r\n\r\n"] {
        rest(server.send(part.as_bytes()).await).await;
    }
    let late = rest(server.send(b"POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nh").await).await;
    assert!(!late.starts_with("HTTP/1.1 200"), "{late}");
    assert!(server.is_served().await);
}

#[tokio::test]
async fn two_thousand_slow_connections_leave_it_responsive() {
    // more than the cap, so that eviction is what keeps it responsive, not the size of the cap
    let server = start(Limits { connections: 300, head: PATIENCE * 2, ..Limits::default() }).await;
    let mut slow = Vec::new();
    for _ in 0..2000 {
        let mut stream = server.connect().await;
        let _ = stream.write_all(b"GET / HTTP/1.1\r\nX-Slow: ").await; // it may have been evicted at once
        slow.push(stream);
        if slow.len() > 400 {
            slow.remove(0); // the client, too, has a limit of open files
        }
    }
    for _ in 0..20 {
        let begun = Instant::now();
        assert!(server.is_served().await);
        assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    }
}

#[tokio::test]
async fn a_request_in_flight_is_not_evicted_and_a_full_house_turns_the_newest_away() {
    let server = start(Limits { connections: 2, ..Limits::default() }).await;
    let mut slow = server.send(b"GET /slow HTTP/1.1\r\nHost: h\r\n\r\n").await;
    let mut stream = server.send(b"GET /stream HTTP/1.1\r\nHost: h\r\n\r\n").await;
    assert!(head(&mut stream).await.starts_with("HTTP/1.1 200"));
    assert!(!rest(server.send(QUICK).await).await.starts_with("HTTP/1.1 200"));
    assert!(head(&mut slow).await.starts_with("HTTP/1.1 200"));
    // the answered connection is idle now and makes room
    let deadline = Instant::now() + PATIENCE;
    while !server.is_served().await {
        assert!(Instant::now() < deadline);
    }
    rest(slow).await;
}

#[tokio::test]
async fn a_panic_ends_its_own_connection_alone() {
    let server = start(Limits::default()).await;
    let mut other = server.send(b"GET /slow HTTP/1.1\r\nHost: h\r\n\r\n").await;
    assert_eq!(rest(server.send(b"GET /panic HTTP/1.1\r\nHost: h\r\n\r\n").await).await, "");
    assert!(head(&mut other).await.starts_with("HTTP/1.1 200"));
    assert!(server.is_served().await);
}

#[tokio::test]
async fn shutdown_answers_what_is_in_flight_and_takes_nothing_new() {
    let server = start(Limits { head: PATIENCE * 2, drain: PATIENCE, ..Limits::default() }).await;
    let mut idle = server.send(QUICK).await;
    assert!(head(&mut idle).await.starts_with("HTTP/1.1 200"));
    let silent = server.connect().await;
    let partial = server.send(b"GET / HTTP/1.1\r\n").await;
    let mut busy = server.send(b"GET /slow HTTP/1.1\r\nHost: h\r\n\r\n").await;
    sleep(Duration::from_millis(100)).await; // the head arrives
    server.shutdown.cancel();
    let answer = head(&mut busy).await;
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("connection: close"), "{answer}");
    for stream in [idle, silent, partial] {
        assert_eq!(rest(stream).await, "");
    }
    let address = server.address;
    server.ended().await;
    assert!(TcpStream::connect(address).await.is_err());
}

#[tokio::test]
async fn shutdown_is_bounded() {
    let server = start(Limits { drain: Duration::from_secs(1), ..Limits::default() }).await;
    let never = server.send(b"GET /never HTTP/1.1\r\nHost: h\r\n\r\n").await;
    sleep(Duration::from_millis(100)).await; // the head arrives
    server.shutdown.cancel();
    server.ended().await;
    assert_eq!(rest(never).await, "");
}
