//! The socket by which commands reach a running practice: `.local/control.sock`, a line of JSON each way. In: requests, and
//! answers to them. Out: the same on the other side. Only the user who started it can open the socket. Its path is always
//! relative: an absolute one may be longer than a socket's may be.

use std::{io, os::unix::fs::PermissionsExt, path::Path, time::Duration};

use anyhow::{Context, Result, anyhow, bail};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{UnixListener, UnixStream},
    sync::{mpsc, oneshot},
    time::timeout,
};

use crate::request::{Answer, Request};

/// The directory of a running practice, below the one where it was started.
pub const DIR: &str = ".local";
const SOCKET: &str = ".local/control.sock";
/// A request is one line; the longest holds a manifest.
const LONGEST: u64 = 2 << 20;
/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// A request, and where its answer goes.
pub type Asked = (Request, oneshot::Sender<Answer>);

/// Opens the socket in the current directory, unless a practice runs there already.
///
/// # Errors
/// One runs, or the socket cannot be made.
pub async fn listen() -> Result<UnixListener> {
    let socket = Path::new(SOCKET);
    if runs().await {
        let here = std::env::current_dir().unwrap_or_default();
        bail!(
            "a practice runs in {} already: end it, or start this one in another directory (-C DIR)",
            here.display()
        );
    }
    match std::fs::remove_file(socket) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(error).context("cannot remove .local/control.sock");
        }
        Ok(()) | Err(_) => {}
    }
    let listener = UnixListener::bind(socket).context("cannot make .local/control.sock")?;
    std::fs::set_permissions(socket, std::fs::Permissions::from_mode(0o600))?;
    Ok(listener)
}

/// Hands every request to whoever has the practice.
pub async fn serve(listener: UnixListener, practice: mpsc::Sender<Asked>) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                let practice = practice.clone();
                tokio::spawn(async move {
                    // whoever asked is gone
                    let _ = timeout(PATIENCE, one(stream, practice)).await;
                });
            }
            Err(_) => tokio::time::sleep(Duration::from_millis(50)).await, // for want of a file descriptor
        }
    }
}

async fn one(stream: UnixStream, practice: mpsc::Sender<Asked>) -> Result<()> {
    let (read, mut write) = stream.into_split();
    let mut line = String::new();
    BufReader::new(read.take(LONGEST))
        .read_line(&mut line)
        .await?;
    let answer = match serde_json::from_str(&line) {
        Ok(request) => ask_practice(&practice, request).await,
        Err(error) => Answer::Refused(format!("this is no request: {error}")),
    };
    let mut text = serde_json::to_string(&answer)?;
    text.push('\n');
    Ok(write.write_all(text.as_bytes()).await?)
}

/// Asks whoever has the practice.
pub async fn ask_practice(practice: &mpsc::Sender<Asked>, request: Request) -> Answer {
    let (tell, answer) = oneshot::channel();
    let gone = || Answer::Refused("the practice is ending".to_owned());
    if practice.send((request, tell)).await.is_err() {
        return gone();
    }
    answer.await.unwrap_or_else(|_| gone())
}

/// Whether a practice runs in the current directory.
pub async fn runs() -> bool {
    UnixStream::connect(SOCKET).await.is_ok()
}

/// Asks the practice that runs in the current directory.
///
/// # Errors
/// None runs there, or it does not answer.
pub async fn ask(request: &Request) -> Result<Answer> {
    let here = std::env::current_dir().unwrap_or_default();
    let nobody = || {
        anyhow!(
            "no practice runs in {}: go where `practice-local up` was started, or name it with -C DIR",
            here.display()
        )
    };
    let stream = UnixStream::connect(SOCKET).await.map_err(|_| nobody())?;
    let (read, mut write) = stream.into_split();
    let mut text = serde_json::to_string(request)?;
    text.push('\n');
    let asked = async {
        write.write_all(text.as_bytes()).await?;
        let mut line = String::new();
        BufReader::new(read).read_line(&mut line).await?;
        Ok::<_, io::Error>(line)
    };
    let line = timeout(PATIENCE, asked)
        .await
        .context("the practice does not answer")??;
    if line.is_empty() {
        return Err(nobody());
    }
    Ok(serde_json::from_str(&line)?)
}
