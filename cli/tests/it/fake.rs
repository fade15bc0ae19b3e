//! HTTP server with canned answers of an API server, for logs, which a real one serves only with nodes.

use std::{path::PathBuf, sync::Arc};

use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

/// Answers each request by its path with its query, until the test ends. Out: a kubeconfig to it.
pub(crate) async fn fake(
    answer: impl Fn(&str) -> (u16, Vec<u8>) + Send + Sync + 'static,
) -> PathBuf {
    let listener = TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a port is free");
    let address = listener.local_addr().expect("it has one");
    let answer = Arc::new(answer);
    tokio::spawn(async move {
        while let Ok((connection, _)) = listener.accept().await {
            tokio::spawn(answered(connection, answer.clone()));
        }
    });
    let config = json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "fake",
        "clusters": [{"name": "fake", "cluster": {"server": format!("http://{address}")}}],
        "contexts": [{"name": "fake", "context": {"cluster": "fake", "user": "fake", "namespace": "a"}}],
        "users": [{"name": "fake", "user": {}}],
    });
    let file = PathBuf::from(env!("CARGO_TARGET_TMPDIR"))
        .join(format!("fake-{}.kubeconfig", address.port()));
    std::fs::write(&file, config.to_string()).expect("it can be written");
    file
}

/// One request, whose answer is the last of its connection.
async fn answered(mut connection: TcpStream, answer: Arc<impl Fn(&str) -> (u16, Vec<u8>)>) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match connection.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => return, // nothing was asked
        }
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let (code, body) = answer(head.split(' ').nth(1).unwrap_or_default());
    let head = format!(
        "HTTP/1.1 {code} Answered\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        body.len()
    );
    let sent = [head.into_bytes(), body].concat();
    let _ = connection.write_all(&sent).await; // the client may have closed the connection
}
