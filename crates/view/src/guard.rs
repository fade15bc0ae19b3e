//! Access checks and security headers. In: a request's head. Out: a refusal, or the answer with its headers. Requests of other
//! sites' pages are refused (`practice_serve::check_origin`), and the content type prevents actions by their forms.
//! Deliberately absent: users and passwords (every client that reaches the listener may read).

use axum::{
    extract::{Request, State},
    http::{HeaderMap, HeaderValue, Method, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};

use practice_serve::check_origin;

use crate::{action::Refusal, hub::Hub};

/// Nothing from other origins, no inline code, no text that becomes code.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; \
                      font-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; \
                      require-trusted-types-for 'script'; trusted-types 'none'";

/// Checks every request before its route, and adds the headers to every answer.
pub(crate) async fn guard(State(hub): State<Hub>, request: Request, next: Next) -> Response {
    let is_api = request.uri().path().starts_with("/api/");
    let mut response = match allowed(&hub.means().hosts, &request, is_api) {
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

fn allowed(hosts: &[String], request: &Request, is_api: bool) -> Result<(), Refusal> {
    let (method, headers) = (request.method(), request.headers());
    let (uri, extensions) = (request.uri(), request.extensions());
    check_origin(method, uri, headers, extensions, hosts, !is_api)
        .map_err(|foreign| Refusal::new(StatusCode::FORBIDDEN, foreign.to_string()))?;
    if method == Method::GET || method == Method::HEAD {
        return Ok(());
    }
    is_json(headers)
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
