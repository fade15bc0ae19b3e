//! Control socket of a running practice: `.local/control.sock`, a line of JSON each way. In: requests. Out: answers. Only the
//! user who started the practice can open it. Its path is relative, because an absolute one may exceed the limit for sockets.

use std::{io, os::unix::fs::PermissionsExt, path::Path, time::Duration};

use anyhow::{Context, Result, anyhow, bail};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{UnixListener, UnixStream},
    sync::{mpsc, oneshot},
    time::timeout,
};

use crate::request::{Answer, Request};

/// Directory of a running practice, below the one where it was started.
pub const DIR: &str = ".local";
const SOCKET: &str = ".local/control.sock";
/// Largest request in bytes; it may contain a manifest.
const MAX_REQUEST: u64 = 2 << 20;
/// Deadline of an answer.
const ANSWER_DEADLINE: Duration = Duration::from_secs(30);

/// A request, and the channel for its answer.
pub type Asked = (Request, oneshot::Sender<Answer>);

/// Opens the socket in the current directory, unless a practice runs there already.
///
/// # Errors
/// A practice runs already, or the socket cannot be created.
pub async fn listen() -> Result<UnixListener> {
    let socket = Path::new(SOCKET);
    if runs().await {
        let here = std::env::current_dir().unwrap_or_default();
        bail!(
            "a practice runs in {} already: stop it, or start this one in another directory (-C DIR)",
            here.display()
        );
    }
    match std::fs::remove_file(socket) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(error).context("cannot remove .local/control.sock");
        }
        Ok(()) | Err(_) => {}
    }
    let listener = UnixListener::bind(socket).context("cannot create .local/control.sock")?;
    std::fs::set_permissions(socket, std::fs::Permissions::from_mode(0o600))?;
    Ok(listener)
}

/// Accepts requests and forwards them to the loop that owns the practice.
pub async fn serve(listener: UnixListener, practice: mpsc::Sender<Asked>) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                let practice = practice.clone();
                tokio::spawn(async move {
                    // the client may have closed the connection
                    let _ = timeout(ANSWER_DEADLINE, answer_connection(stream, practice)).await;
                });
            }
            Err(_) => tokio::time::sleep(Duration::from_millis(50)).await, // out of file descriptors
        }
    }
}

async fn answer_connection(stream: UnixStream, practice: mpsc::Sender<Asked>) -> Result<()> {
    let (read, mut write) = stream.into_split();
    let mut line = String::new();
    BufReader::new(read.take(MAX_REQUEST))
        .read_line(&mut line)
        .await?;
    let answer = match serde_json::from_str(&line) {
        Ok(request) => ask_practice(&practice, request).await,
        Err(error) => Answer::Refused(format!("invalid request: {error}")),
    };
    let mut text = serde_json::to_string(&answer)?;
    text.push('\n');
    Ok(write.write_all(text.as_bytes()).await?)
}

/// Sends a request to the loop that owns the practice.
pub async fn ask_practice(practice: &mpsc::Sender<Asked>, request: Request) -> Answer {
    let (sender, answer) = oneshot::channel();
    let ending = || Answer::Refused("the practice is ending".to_owned());
    if practice.send((request, sender)).await.is_err() {
        return ending();
    }
    answer.await.unwrap_or_else(|_| ending())
}

/// Whether a practice runs in the current directory.
pub async fn runs() -> bool {
    UnixStream::connect(SOCKET).await.is_ok()
}

/// Sends a request to the practice of the current directory.
///
/// # Errors
/// No practice runs there, or it does not answer.
pub async fn ask(request: &Request) -> Result<Answer> {
    let here = std::env::current_dir().unwrap_or_default();
    let not_running = || {
        anyhow!(
            "no practice runs in {}: run this where `practice-local up` was started, or name that directory with -C DIR",
            here.display()
        )
    };
    let stream = UnixStream::connect(SOCKET)
        .await
        .map_err(|_| not_running())?;
    let (read, mut write) = stream.into_split();
    let mut text = serde_json::to_string(request)?;
    text.push('\n');
    let asked = async {
        write.write_all(text.as_bytes()).await?;
        let mut line = String::new();
        BufReader::new(read).read_line(&mut line).await?;
        Ok::<_, io::Error>(line)
    };
    let line = timeout(ANSWER_DEADLINE, asked)
        .await
        .context("the practice does not answer")??;
    if line.is_empty() {
        return Err(not_running());
    }
    Ok(serde_json::from_str(&line)?)
}
