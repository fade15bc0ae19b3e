//! The page's files, in the binary. In: a path under `assets/`. Out: the file with its type and an `ETag`, so that a browser
//! downloads it once; `main.js` with all modules in it. A debug build reads the files from the checkout.

use std::borrow::Cow;

use axum::{
    body::Body,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use rust_embed::RustEmbed;
use sha2::{Digest, Sha256};

use crate::pack::{pack, sheet};

#[derive(RustEmbed)]
#[folder = "assets"]
struct Assets;

/// The file; 404 without one, 304 when the browser has it.
pub(crate) fn asset(path: &str, headers: &HeaderMap) -> Response {
    let Some(data) = read(path) else {
        return (StatusCode::NOT_FOUND, "no such file\n").into_response();
    };
    let tag = tag(&data);
    let mut response = if knows(headers, &tag) {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        let mut response = Body::from(data).into_response();
        response
            .headers_mut()
            .insert(header::CONTENT_TYPE, HeaderValue::from_static(kind(path)));
        response
    };
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        response.headers_mut().insert(header::ETAG, tag);
    }
    // cached, and revalidated each time: a new version of the program takes effect at once
    response
        .headers_mut()
        .insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    response
}

fn read(path: &str) -> Option<Cow<'static, [u8]>> {
    let text = |name: &str| Some(String::from_utf8_lossy(&Assets::get(name)?.data).into_owned());
    let packed = match path {
        "main.js" => pack(path, &text),
        "style.css" => sheet(&text(path)?),
        _ => return Assets::get(path).map(|file| file.data),
    };
    Some(Cow::Owned(packed.into_bytes()))
}

fn kind(path: &str) -> &'static str {
    match path.rsplit_once('.').map(|(_, end)| end) {
        Some("html") => "text/html; charset=utf-8",
        Some("js" | "mjs") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("json") => "application/json",
        Some("svg") => "image/svg+xml",
        Some("png") => "image/png",
        Some("woff2") => "font/woff2",
        Some("txt") => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}

fn tag(data: &[u8]) -> String {
    use std::fmt::Write;
    let mut tag = String::from("\"");
    for byte in Sha256::digest(data).iter().take(16) {
        let _ = write!(tag, "{byte:02x}");
    }
    tag.push('"');
    tag
}

fn knows(headers: &HeaderMap, tag: &str) -> bool {
    let known = headers
        .get(header::IF_NONE_MATCH)
        .and_then(|known| known.to_str().ok())
        .unwrap_or_default();
    known
        .split(',')
        .map(|known| known.trim().trim_start_matches("W/"))
        .any(|known| known == tag)
}
