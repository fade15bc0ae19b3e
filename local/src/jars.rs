//! Jars of Apache Kafka. In: a list with name, size and SHA-256 of each, and a cache. Out: a class path, after missing jars are
//! downloaded from Maven Central. A file gets its name after its hash is verified, so a named file is complete.

use std::{
    env,
    fmt::Write as _,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, stream};
use http_body_util::{BodyExt, Empty};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use sha2::{Digest, Sha256};
use tokio::{fs, io::AsyncWriteExt, time::timeout};

const LIST: &str = include_str!("jars.txt");
const CENTRAL: &str = "https://repo1.maven.org/maven2";
/// Concurrent downloads.
const AT_ONCE: usize = 4;
/// Time without data after which a download fails.
const SILENCE: Duration = Duration::from_secs(30);

/// A jar of the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Jar {
    sha256: &'static str,
    bytes: u64,
    /// Path below Maven Central.
    path: &'static str,
}

impl Jar {
    fn name(self) -> &'static str {
        self.path
            .rsplit_once('/')
            .map_or(self.path, |(_, name)| name)
    }
}

fn list() -> Vec<Jar> {
    let each = LIST
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| {
            let mut words = line.split(' ');
            Some(Jar {
                sha256: words.next()?,
                bytes: words.next()?.parse().ok()?,
                path: words.next()?,
            })
        });
    each.collect()
}

/// Directory of downloads: `CGP_CACHE`, or `consumer-group-practice` below `XDG_CACHE_HOME` or `~/.cache`.
pub fn cache() -> PathBuf {
    let set = |name: &str| {
        env::var_os(name)
            .filter(|value| !value.is_empty())
            .map(PathBuf::from)
    };
    set("CGP_CACHE").unwrap_or_else(|| {
        let caches = set("XDG_CACHE_HOME")
            .unwrap_or_else(|| env::home_dir().unwrap_or_default().join(".cache"));
        caches.join("consumer-group-practice")
    })
}

/// Returns the class path after downloading missing jars. `progress` gets the bytes so far and in total.
///
/// # Errors
/// A download failed, a hash or size differs from the list, or a file cannot be written.
pub async fn class_path(cache: &Path, progress: impl Fn(u64, u64)) -> Result<String> {
    let folder = cache.join("kafka");
    fs::create_dir_all(&folder)
        .await
        .with_context(|| format!("cannot create {}", folder.display()))?;
    let (all, mut missing) = (list(), Vec::new());
    for jar in &all {
        let there = fs::metadata(folder.join(jar.name())).await;
        if !there.is_ok_and(|there| there.len() == jar.bytes) {
            missing.push(*jar);
        }
    }
    if !missing.is_empty() {
        fetch(&folder, missing, progress).await?;
    }
    let paths: Vec<String> = all
        .iter()
        .map(|jar| folder.join(jar.name()).display().to_string())
        .collect();
    Ok(paths.join(":"))
}

type Web = Client<HttpsConnector<HttpConnector>, Empty<Bytes>>;

async fn fetch(folder: &Path, missing: Vec<Jar>, progress: impl Fn(u64, u64)) -> Result<()> {
    let roots = HttpsConnectorBuilder::new().with_native_roots();
    let roots = roots.context("no root certificates found: install the package ca-certificates")?;
    let web: Web =
        Client::builder(TokioExecutor::new()).build(roots.https_only().enable_http1().build());
    let (total, done) = (missing.iter().map(|jar| jar.bytes).sum(), AtomicU64::new(0));
    let report = |bytes: u64| progress(done.fetch_add(bytes, Ordering::Relaxed) + bytes, total);
    let downloads = missing.into_iter().map(|jar| {
        let (web, report) = (web.clone(), &report);
        async move {
            let url = format!("{CENTRAL}/{}", jar.path);
            let fix = || {
                format!(
                    "cannot download {url}: copy it to {} by hand, or try again",
                    folder.display()
                )
            };
            download(&web, &url, jar, folder, report)
                .await
                .with_context(fix)
        }
    });
    stream::iter(downloads)
        .buffer_unordered(AT_ONCE)
        .try_collect()
        .await
}

async fn download(
    web: &Web,
    url: &str,
    jar: Jar,
    folder: &Path,
    report: &impl Fn(u64),
) -> Result<()> {
    let response = timeout(SILENCE, web.get(url.parse()?))
        .await
        .context("the server did not answer")??;
    if !response.status().is_success() {
        bail!("the server answered {}", response.status());
    }
    let part = folder.join(format!("{}.{}.part", jar.name(), std::process::id()));
    let written = write(response.into_body(), &part, jar, report).await;
    if written.is_ok() {
        fs::rename(&part, folder.join(jar.name())).await?;
    } else {
        let _ = fs::remove_file(&part).await; // keep the first error
    }
    written
}

async fn write(
    mut body: hyper::body::Incoming,
    part: &Path,
    jar: Jar,
    report: &impl Fn(u64),
) -> Result<()> {
    let cannot_write = || {
        let part = part.display();
        format!("cannot write {part}: free space there, or set CGP_CACHE to another directory")
    };
    let mut file = fs::File::create(part).await.with_context(cannot_write)?;
    let (mut hash, mut bytes) = (Sha256::new(), 0);
    while let Some(frame) = timeout(SILENCE, body.frame())
        .await
        .context("the download stalled")?
    {
        let Ok(data) = frame?.into_data() else {
            continue;
        };
        let length = u64::try_from(data.len()).unwrap_or(u64::MAX);
        bytes += length;
        if bytes > jar.bytes {
            bail!("the file is larger than the expected {} bytes", jar.bytes);
        }
        hash.update(&data);
        file.write_all(&data).await.with_context(cannot_write)?;
        report(length);
    }
    file.flush().await.with_context(cannot_write)?;
    let found = hash
        .finalize()
        .iter()
        .fold(String::new(), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        });
    if found != jar.sha256 {
        bail!("its SHA-256 is {found}, expected {}", jar.sha256);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn list_is_complete() {
        let list = list();
        let lines = LIST.lines().filter(|line| !line.starts_with('#')).count();
        assert_eq!(list.len(), lines);
        assert!(list.iter().all(|jar| jar.sha256.len() == 64
            && jar.name().rsplit('.').next() == Some("jar")
            && jar.bytes > 0));
        assert_eq!(
            list.iter()
                .map(|jar| jar.name())
                .collect::<BTreeSet<_>>()
                .len(),
            lines,
            "names are unique"
        );
        let pom = include_str!("../../deploy/node/kafka-pom.xml");
        let version = pom
            .split("<kafka.version>")
            .nth(1)
            .and_then(|rest| rest.split('<').next())
            .expect("a version");
        let broker = format!("kafka_2.13-{version}.jar");
        assert!(
            list.iter().any(|jar| jar.name() == broker),
            "the list and deploy/node name different versions of Kafka: {version}"
        );
    }
}
