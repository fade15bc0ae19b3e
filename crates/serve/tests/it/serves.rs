//! Real sockets against the accept loop: what is answered, and what one client cannot do to the others.

use std::{net::SocketAddr, time::Duration};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::rejection::BytesRejection,
    routing::{get, post},
};
use practice_serve::{AtMost, BodyTimeout, Limits, Listeners, serve};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::Notify,
    task::JoinHandle,
    time::{Instant, timeout},
};
use tokio_util::sync::CancellationToken;

const PATIENCE: Duration = Duration::from_secs(30);
const HELLO: &str = "GET /hello HTTP/1.1\r\nhost: x\r\n\r\n";

struct Server {
    address: SocketAddr,
    shutdown: CancellationToken,
    task: JoinHandle<()>,
}

async fn start(limits: Limits, more: Router) -> Server {
    let router = Router::new()
        .route("/hello", get(|| async { "hello" }))
        .route("/panic", get(panics))
        .route("/echo", post(echo))
        .merge(more);
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("an address");
    let shutdown = CancellationToken::new();
    let task = tokio::spawn(serve(listener, router, limits, shutdown.clone()));
    Server {
        address,
        shutdown,
        task,
    }
}

async fn panics() -> &'static str {
    panic!("a fault of this handler")
}

async fn echo(body: Result<Bytes, BytesRejection>) -> (axum::http::StatusCode, Bytes) {
    match body {
        Ok(body) => (axum::http::StatusCode::OK, body),
        Err(error) => {
            let mut cause: Option<&dyn std::error::Error> = Some(&error);
            let late = std::iter::from_fn(|| {
                let this = cause?;
                cause = this.source();
                Some(this.is::<BodyTimeout>())
            })
            .any(|is| is);
            assert!(late, "{error}");
            (axum::http::StatusCode::REQUEST_TIMEOUT, Bytes::new())
        }
    }
}

async fn connect(address: SocketAddr) -> TcpStream {
    TcpStream::connect(address)
        .await
        .expect("the listener takes it")
}

/// Sends and reads until `end` was seen or the peer closes.
async fn ask(stream: &mut TcpStream, text: &str, end: &str) -> String {
    stream.write_all(text.as_bytes()).await.expect("written");
    read_until(stream, end).await
}

async fn read_until(stream: &mut TcpStream, end: &str) -> String {
    let mut got = Vec::new();
    let reading = async {
        let mut chunk = [0; 4096];
        while !String::from_utf8_lossy(&got).contains(end) {
            match stream.read(&mut chunk).await {
                Ok(0) | Err(_) => break,
                Ok(n) => got.extend_from_slice(&chunk[..n]),
            }
        }
    };
    timeout(PATIENCE, reading)
        .await
        .expect("an answer or an end in time");
    String::from_utf8(got).expect("text")
}

/// A request on a connection of its own; tried again, as clients do, when the connection is closed before its answer.
async fn hello(address: SocketAddr) {
    let asking = async {
        loop {
            let Ok(mut stream) = TcpStream::connect(address).await else {
                continue;
            };
            if stream.write_all(HELLO.as_bytes()).await.is_ok()
                && read_until(&mut stream, "\r\n\r\nhello")
                    .await
                    .ends_with("hello")
            {
                return;
            }
        }
    };
    timeout(PATIENCE, asking).await.expect("answered in time");
}

async fn is_closed(stream: &mut TcpStream) {
    let rest = read_until(stream, "\0").await;
    assert!(!rest.contains('\0'));
}

#[tokio::test]
async fn a_connection_serves_request_after_request() {
    let server = start(Limits::default(), Router::new()).await;
    let mut stream = connect(server.address).await;
    for _ in 0..3 {
        let answer = ask(&mut stream, HELLO, "\r\n\r\nhello").await;
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    }
    let body = "x".repeat(300_000);
    let request = format!(
        "POST /echo HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    assert!(
        ask(&mut stream, &request, &body)
            .await
            .starts_with("HTTP/1.1 200 OK\r\n")
    );
}

#[tokio::test]
async fn a_panic_ends_its_own_connection_only() {
    let server = start(Limits::default(), Router::new()).await;
    let mut other = connect(server.address).await;
    ask(&mut other, HELLO, "\r\n\r\nhello").await;
    let mut stream = connect(server.address).await;
    let answer = ask(&mut stream, "GET /panic HTTP/1.1\r\nhost: x\r\n\r\n", "\0").await;
    assert_eq!(answer, "", "closed without an answer");
    assert!(
        ask(&mut other, HELLO, "\r\n\r\nhello")
            .await
            .ends_with("hello")
    );
    hello(server.address).await;
}

#[tokio::test]
async fn a_head_that_does_not_come_ends_its_connection() {
    let server = start(
        Limits {
            head: Duration::from_millis(300),
            ..Limits::default()
        },
        Router::new(),
    )
    .await;
    let mut silent = connect(server.address).await;
    let mut half = connect(server.address).await;
    half.write_all(b"GET /hello HTTP/1.1\r\nho")
        .await
        .expect("written");
    is_closed(&mut silent).await;
    is_closed(&mut half).await;
    hello(server.address).await;
}

#[tokio::test]
async fn an_idle_connection_ends_after_its_time() {
    let server = start(
        Limits {
            idle: Duration::from_millis(300),
            ..Limits::default()
        },
        Router::new(),
    )
    .await;
    let mut stream = connect(server.address).await;
    ask(&mut stream, HELLO, "\r\n\r\nhello").await;
    is_closed(&mut stream).await;
}

#[tokio::test]
async fn a_body_that_does_not_come_is_an_error_for_the_handler() {
    let server = start(
        Limits {
            body: Duration::from_millis(300),
            ..Limits::default()
        },
        Router::new(),
    )
    .await;
    let mut stream = connect(server.address).await;
    let head = "POST /echo HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n\r\nabc";
    let answer = ask(&mut stream, head, "\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
}

#[tokio::test]
async fn a_hundred_times_more_slow_clients_than_connections_starve_no_client() {
    let server = start(
        Limits {
            connections: 8,
            ..Limits::default()
        },
        Router::new(),
    )
    .await;
    let mut slow = Vec::new();
    for i in 0..400 {
        let mut stream = connect(server.address).await;
        let part = if i % 2 == 0 {
            "GET /hello HT"
        } else {
            "POST /echo HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\nabc"
        };
        // some are closed by then, to make room
        let _ = stream.write_all(part.as_bytes()).await;
        slow.push(stream);
        if i % 40 == 39 {
            hello(server.address).await;
        }
    }
    hello(server.address).await;
    assert_eq!(slow.len(), 400);
}

#[tokio::test]
async fn busy_connections_make_room_for_more_of_them() {
    let server = start(
        Limits {
            connections: 2,
            ..Limits::default()
        },
        Router::new(),
    )
    .await;
    let mut first = connect(server.address).await;
    let mut second = connect(server.address).await;
    ask(&mut first, HELLO, "\r\n\r\nhello").await;
    ask(&mut second, HELLO, "\r\n\r\nhello").await;
    for _ in 0..5 {
        hello(server.address).await;
    }
}

#[tokio::test]
async fn a_request_in_flight_is_answered_after_the_token() {
    let (entered, go_on) = (
        std::sync::Arc::new(Notify::new()),
        std::sync::Arc::new(Notify::new()),
    );
    let (inside, until) = (entered.clone(), go_on.clone());
    let slow = get(move || async move {
        inside.notify_one();
        until.notified().await;
        "done"
    });
    let server = start(
        Limits {
            drain: PATIENCE,
            ..Limits::default()
        },
        Router::new().route("/slow", slow),
    )
    .await;
    let mut idle = connect(server.address).await;
    ask(&mut idle, HELLO, "\r\n\r\nhello").await;
    let mut silent = connect(server.address).await;
    let mut stream = connect(server.address).await;
    stream
        .write_all(b"GET /slow HTTP/1.1\r\nhost: x\r\n\r\n")
        .await
        .expect("written");
    entered.notified().await;
    server.shutdown.cancel();
    is_closed(&mut idle).await;
    is_closed(&mut silent).await;
    assert!(
        !server.task.is_finished(),
        "waits for the request in flight"
    );
    go_on.notify_one();
    let answer = read_until(&mut stream, "\0").await;
    assert!(
        answer.contains("connection: close") && answer.ends_with("done"),
        "{answer}"
    );
    timeout(PATIENCE, server.task)
        .await
        .expect("ends")
        .expect("without a panic");
    assert!(
        TcpStream::connect(server.address).await.is_err(),
        "the port is closed"
    );
}

#[tokio::test]
async fn what_takes_longer_than_the_drain_is_cut() {
    let stuck = get(|| async {
        Body::from_stream(futures::stream::pending::<Result<Bytes, std::io::Error>>())
    });
    let limits = Limits {
        drain: Duration::from_millis(300),
        ..Limits::default()
    };
    let server = start(limits, Router::new().route("/stuck", stuck)).await;
    let mut stream = connect(server.address).await;
    ask(
        &mut stream,
        "GET /stuck HTTP/1.1\r\nhost: x\r\n\r\n",
        "\r\n\r\n",
    )
    .await;
    let asked = Instant::now();
    server.shutdown.cancel();
    timeout(PATIENCE, server.task)
        .await
        .expect("ends")
        .expect("without a panic");
    assert!(asked.elapsed() >= Duration::from_millis(300));
    is_closed(&mut stream).await;
}

/// An answer that no buffer of the system takes whole.
const LARGE: usize = 32 << 20;

fn large() -> Router {
    let answer = || async { Bytes::from(vec![b'x'; LARGE]) };
    let few = get(answer).layer(AtMost::new(2));
    Router::new()
        .route("/large", get(answer))
        .route("/few", few)
}

async fn request(address: SocketAddr, path: &str) -> TcpStream {
    let mut stream = connect(address).await;
    let head = format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
    stream.write_all(head.as_bytes()).await.expect("written");
    stream
}

/// How many bytes come until the connection ends.
async fn length(stream: &mut TcpStream, pause: Duration) -> usize {
    let (mut total, mut chunk) = (0, vec![0; 1 << 20]);
    loop {
        let read = timeout(PATIENCE, stream.read(&mut chunk)).await;
        match read.expect("an end in time") {
            Ok(n @ 1..) => total += n,
            Ok(0) | Err(_) => return total,
        }
        tokio::time::sleep(pause).await;
    }
}

#[tokio::test]
async fn an_answer_that_nobody_reads_ends_and_a_slow_reader_gets_it_whole() {
    // longer than a busy machine keeps this process, and with it the slow reader, from running
    let limits = Limits {
        unread: Duration::from_secs(2),
        ..Limits::default()
    };
    let server = start(limits, large()).await;
    let mut unread = request(server.address, "/large").await;
    let mut slow = request(server.address, "/large").await;
    let got = length(&mut slow, Duration::from_millis(20)).await;
    assert!(got > LARGE, "{got}");
    tokio::time::sleep(Duration::from_secs(3)).await;
    let got = length(&mut unread, Duration::ZERO).await;
    assert!(got < LARGE, "its connection was ended: {got}");
}

#[tokio::test]
async fn one_answer_more_than_a_route_gives_at_a_time_is_refused() {
    let limits = Limits {
        unread: Duration::from_secs(2),
        ..Limits::default()
    };
    let server = start(limits, large()).await;
    let mut unread = Vec::new();
    for _ in 0..2 {
        let stream = request(server.address, "/few").await;
        stream.readable().await.expect("an answer begins");
        unread.push(stream);
    }
    let mut third = request(server.address, "/few").await;
    let refused = read_until(&mut third, "\0").await;
    assert!(refused.starts_with("HTTP/1.1 503 "), "{refused}");
    assert!(refused.contains("retry-after: 1\r\n"), "{refused}");
    assert!(refused.contains("2 answers of this path"), "{refused}");
    hello(server.address).await;
    // they are given up after a while, and others have their turn
    let begun = Instant::now();
    loop {
        let mut next = request(server.address, "/few").await;
        let got = length(&mut next, Duration::ZERO).await;
        if got > LARGE {
            break;
        }
        assert!(begun.elapsed() < PATIENCE, "still refused");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    drop(unread);
}

#[tokio::test]
async fn probes_are_answered_whatever_the_clients_of_the_other_listener_do() {
    let any = "127.0.0.1:0".parse().expect("is an address");
    let listeners = Listeners::bind(any, Some(any)).await.expect("are free");
    let http = listeners.http.local_addr().expect("is bound");
    let probes = listeners.probes.as_ref().expect("is asked for");
    let probes = probes.local_addr().expect("is bound");
    let stuck = get(|| async {
        Body::from_stream(futures::stream::pending::<Result<Bytes, std::io::Error>>())
    });
    let all = Router::new().route("/stuck", stuck);
    let probe = Router::new().route("/hello", get(|| async { "hello" }));
    let shutdown = CancellationToken::new();
    let serving = tokio::spawn(listeners.serve(all, probe, shutdown.clone()));
    let mut streams = Vec::new();
    for _ in 0..1_100 {
        // beyond the limit of connections some are not served
        let Ok(connected) = timeout(Duration::from_secs(1), request(http, "/stuck")).await else {
            break;
        };
        streams.push(connected);
    }
    assert!(streams.len() > 500, "{}", streams.len());
    for _ in 0..20 {
        let begun = Instant::now();
        hello(probes).await;
        assert!(begun.elapsed() < Duration::from_secs(1));
    }
    drop(streams);
    shutdown.cancel();
    timeout(PATIENCE, serving)
        .await
        .expect("ends")
        .expect("without a panic");
}
