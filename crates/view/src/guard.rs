//! Access checks and security headers. In: a request's head. Out: a refusal, or the answer with its headers. The check of
//! `Host` prevents reads by DNS rebinding; the checks of `Origin` and the content type prevent actions by other sites.
//! Deliberately absent: users and passwords (every client that reaches the listener may read).

use std::net::IpAddr;

use axum::{
    extract::{Request, State},
    http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header},
    middleware::Next,
    response::{IntoResponse, Response},
};

use crate::{action::Refusal, hub::Hub};

/// Nothing from other origins, no inline code, no text that becomes code.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; \
                      font-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; \
                      require-trusted-types-for 'script'; trusted-types 'none'";

/// Checks every request before its route, and adds the headers to every answer.
pub(crate) async fn guard(State(hub): State<Hub>, request: Request, next: Next) -> Response {
    let is_api = request.uri().path().starts_with("/api/");
    let mut response = match allowed(&hub.means().hosts, &request) {
        Ok(()) => next.run(request).await,
        Err(refusal) => refusal.into_response(),
    };
    let headers = response.headers_mut();
    let mut set = |name, value| headers.insert(name, HeaderValue::from_static(value));
    set(header::CONTENT_SECURITY_POLICY, POLICY);
    set(header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    set(header::REFERRER_POLICY, "no-referrer");
    if is_api {
        set(header::CACHE_CONTROL, "no-store");
    }
    response
}

fn allowed(hosts: &[String], request: &Request) -> Result<(), Refusal> {
    let host = host(request.headers(), request.uri());
    if !host.as_deref().is_some_and(|host| is_ours(host, hosts)) {
        let host = host.unwrap_or_default();
        let message = format!(
            "Host is `{}`: open this page as http://127.0.0.1 with its port, or http://localhost",
            cut(&host)
        );
        return Err(Refusal::new(StatusCode::FORBIDDEN, message));
    }
    if request.method() == Method::GET || request.method() == Method::HEAD {
        return Ok(());
    }
    same_origin(request.headers(), &host.unwrap_or_default())?;
    is_json(request.headers())
}

/// `host:port` of the request, in lower case.
fn host(headers: &HeaderMap, uri: &Uri) -> Option<String> {
    let header = headers
        .get(header::HOST)
        .and_then(|host| host.to_str().ok());
    header
        .or_else(|| uri.authority().map(axum::http::uri::Authority::as_str))
        .map(str::to_ascii_lowercase)
}

/// Whether it is a loopback name or address, or an allowed one; with any port, because ports are forwarded.
fn is_ours(host: &str, hosts: &[String]) -> bool {
    let Ok(authority) = host.parse::<axum::http::uri::Authority>() else {
        return false;
    };
    let name = authority.host();
    let bare = name
        .strip_prefix('[')
        .and_then(|name| name.strip_suffix(']'))
        .unwrap_or(name);
    !host.contains('@')
        && (name == "localhost"
            || bare
                .parse::<IpAddr>()
                .is_ok_and(|address| address.is_loopback())
            || hosts
                .iter()
                .any(|allowed| allowed.eq_ignore_ascii_case(bare)))
}

fn same_origin(headers: &HeaderMap, host: &str) -> Result<(), Refusal> {
    let text = |name| {
        headers
            .get(name)
            .map(|value| value.to_str().unwrap_or("?").to_ascii_lowercase())
    };
    let foreign = |what: &str, value: &str| {
        let message = format!(
            "{what} is `{}`: actions are accepted only from this page, or from a client without this header",
            cut(value)
        );
        Err(Refusal::new(StatusCode::FORBIDDEN, message))
    };
    if let Some(origin) = text(header::ORIGIN)
        && origin.split_once("://").map(|(_, origin)| origin) != Some(host)
    {
        return foreign("Origin", &origin);
    }
    match text(header::HeaderName::from_static("sec-fetch-site")) {
        Some(site) if site != "same-origin" && site != "none" => foreign("Sec-Fetch-Site", &site),
        _ => Ok(()),
    }
}

fn is_json(headers: &HeaderMap) -> Result<(), Refusal> {
    let kind = headers
        .get(header::CONTENT_TYPE)
        .map(HeaderValue::as_bytes)
        .unwrap_or_default();
    let bare = kind
        .split(|byte| *byte == b';')
        .next()
        .unwrap_or_default()
        .trim_ascii();
    if bare.eq_ignore_ascii_case(b"application/json") {
        return Ok(());
    }
    let found = if kind.is_empty() {
        "missing".to_owned()
    } else {
        format!("`{}`", cut(&kind.escape_ascii().to_string()))
    };
    let message =
        format!("the content type is {found}: send JSON with `Content-Type: application/json`");
    Err(Refusal::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, message))
}

/// The first 100 characters: a refusal quotes no more of a client's text.
pub(crate) fn cut(text: &str) -> String {
    text.chars().take(100).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_by_any_port_and_nothing_else_unless_allowed() {
        let allowed = ["view.example".to_owned(), "10.1.2.3".to_owned()];
        for host in [
            "localhost",
            "localhost:8080",
            "127.0.0.1:1",
            "127.9.9.9",
            "[::1]:8080",
            "view.example:80",
            "10.1.2.3:8080",
        ] {
            assert!(is_ours(host, &allowed), "{host}");
        }
        for host in [
            "",
            "evil.example",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "10.1.2.4",
            "0.0.0.0:8080",
            "a@localhost",
            "[::2]",
            "localhost:x y",
        ] {
            assert!(!is_ours(host, &allowed), "{host}");
        }
    }

    #[test]
    fn pages_of_other_origins_may_not_act() {
        let check = |pairs: &[(&'static str, &str)]| {
            let mut headers = HeaderMap::new();
            for (name, value) in pairs {
                headers.insert(*name, value.parse().expect("a header"));
            }
            same_origin(&headers, "localhost:8080").is_ok()
        };
        assert!(
            check(&[])
                && check(&[
                    ("origin", "http://localhost:8080"),
                    ("sec-fetch-site", "same-origin")
                ])
        );
        for pair in [
            ("origin", "http://localhost:8081"),
            ("origin", "http://evil.example"),
            ("origin", "null"),
            ("sec-fetch-site", "cross-site"),
            ("sec-fetch-site", "same-site"),
        ] {
            assert!(!check(&[pair]), "{pair:?}");
        }
    }
}
