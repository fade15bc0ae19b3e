//! What a browser may ask of a service on a loopback address. In: a request's head. Out: why it is refused. The check of `Host`
//! prevents pages whose name was rebound to this machine; `Origin` and `Sec-Fetch-Site` prevent requests of other sites' pages.
//! Deliberately absent: clients that are no browser, which may send what they like.

use std::{
    fmt,
    net::{IpAddr, SocketAddr},
};

use axum::http::{Extensions, HeaderMap, Method, Uri, header, request::Parts, uri::Authority};

/// Longest piece of a header that a refusal repeats, in characters.
const SHOWN: usize = 100;

/// Why a request is refused; its text is the answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Foreign {
    /// `Host` is no name of this machine. With it, the address that the request came to, if the service is served by this crate.
    Host(String, Option<SocketAddr>),
    /// A page of another origin sent the request: the header, and its value.
    Page(&'static str, String),
}

impl fmt::Display for Foreign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Host(host, Some(own)) => write!(
                f,
                "Host is `{host}`: use http://{own}, or a loopback address from which a port is forwarded to it"
            ),
            Self::Host(host, None) => write!(
                f,
                "Host is `{host}`: use the loopback address on which this service listens"
            ),
            Self::Page(header, value) => write!(
                f,
                "{header} is `{value}`: accepted are requests of this service's own pages, and of clients without this header"
            ),
        }
    }
}

impl std::error::Error for Foreign {}

/// The address of this machine that a connection came to; an extension of each of its requests.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Own(pub(crate) SocketAddr);

/// Refuses what a page of another origin sent. `hosts` are further names of this service. `is_page`: a link of another site may lead
/// here.
///
/// # Errors
/// What is foreign about the request.
pub fn check_origin(
    method: &Method,
    uri: &Uri,
    headers: &HeaderMap,
    extensions: &Extensions,
    hosts: &[String],
    is_page: bool,
) -> Result<(), Foreign> {
    let host = host(headers, uri).unwrap_or_default();
    if !is_ours(&host, hosts) {
        let own = extensions.get().map(|Own(address)| *address);
        return Err(Foreign::Host(cut(&host), own));
    }
    let text = |name: &str| {
        let value = headers.get(name)?;
        Some(value.to_str().unwrap_or("?").to_ascii_lowercase())
    };
    let reads = method == Method::GET || method == Method::HEAD;
    if !reads
        && let Some(origin) = text(header::ORIGIN.as_str())
        && origin.split_once("://").map(|(_, origin)| origin) != Some(&*host)
    {
        return Err(Foreign::Page("Origin", cut(&origin)));
    }
    // W3C Fetch Metadata; a link or an address that was typed is a navigation
    let navigates = reads && is_page && text("sec-fetch-mode").as_deref() == Some("navigate");
    match text("sec-fetch-site") {
        Some(site) if site != "same-origin" && site != "none" && !navigates => {
            Err(Foreign::Page("Sec-Fetch-Site", cut(&site)))
        }
        _ => Ok(()),
    }
}

/// [`check_origin`] of a request's head.
///
/// # Errors
/// What is foreign about the request.
pub fn check_head(head: &Parts, hosts: &[String], is_page: bool) -> Result<(), Foreign> {
    let Parts {
        method,
        uri,
        headers,
        extensions,
        ..
    } = head;
    check_origin(method, uri, headers, extensions, hosts, is_page)
}

/// `host:port` of the request, in lower case.
fn host(headers: &HeaderMap, uri: &Uri) -> Option<String> {
    let header = headers
        .get(header::HOST)
        .and_then(|host| host.to_str().ok());
    header
        .or_else(|| uri.authority().map(Authority::as_str))
        .map(str::to_ascii_lowercase)
}

/// Whether it is a loopback name or address, or an allowed one; with any port, because ports are forwarded.
fn is_ours(host: &str, hosts: &[String]) -> bool {
    let Ok(authority) = host.parse::<Authority>() else {
        return false;
    };
    let name = authority.host();
    let bare = name
        .strip_prefix('[')
        .and_then(|name| name.strip_suffix(']'))
        .unwrap_or(name);
    let is_loopback = |address: IpAddr| address.is_loopback();
    !host.contains('@')
        && (name == "localhost"
            || bare.parse().is_ok_and(is_loopback)
            || hosts
                .iter()
                .any(|allowed| allowed.eq_ignore_ascii_case(bare)))
}

fn cut(text: &str) -> String {
    text.chars().take(SHOWN).collect()
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
    fn refusal_of_a_host_names_the_address_that_the_request_came_to() {
        for (address, expected) in [
            (Some("127.0.0.3:8081"), "use http://127.0.0.3:8081, or"),
            (Some("[::1]:8080"), "use http://[::1]:8080, or"),
            (None, "on which this service listens"),
        ] {
            let (mut headers, mut extensions) = (HeaderMap::new(), Extensions::new());
            headers.insert("host", "evil.example".parse().expect("is a header"));
            if let Some(address) = address {
                extensions.insert(Own(address.parse().expect("an address")));
            }
            let uri = Uri::from_static("/");
            let refused = check_origin(&Method::GET, &uri, &headers, &extensions, &[], true);
            let message = refused.expect_err("is foreign").to_string();
            assert!(
                message.starts_with("Host is `evil.example`: ") && message.contains(expected),
                "{message}"
            );
        }
    }

    #[test]
    fn pages_of_other_origins_are_refused() {
        let check = |method: Method, is_page: bool, pairs: &[(&'static str, &str)]| {
            let mut headers = HeaderMap::new();
            headers.insert("host", "localhost:8080".parse().expect("is a header"));
            for (name, value) in pairs {
                headers.insert(*name, value.parse().expect("is a header"));
            }
            let (uri, none) = (Uri::from_static("/x"), Extensions::new());
            check_origin(&method, &uri, &headers, &none, &[], is_page).is_ok()
        };
        let own = [
            ("origin", "http://localhost:8080"),
            ("sec-fetch-site", "same-origin"),
        ];
        for method in [Method::GET, Method::HEAD, Method::POST] {
            assert!(check(method.clone(), false, &[]), "{method}");
            assert!(check(method.clone(), false, &own), "{method}");
            assert!(check(method, false, &[("sec-fetch-site", "none")]));
        }
        for pair in [
            ("origin", "http://localhost:8081"),
            ("origin", "http://evil.example"),
            ("origin", "null"),
        ] {
            assert!(!check(Method::POST, true, &[pair]), "{pair:?}");
        }
        for site in ["cross-site", "same-site"] {
            let link = [("sec-fetch-site", site), ("sec-fetch-mode", "navigate")];
            let script = [("sec-fetch-site", site), ("sec-fetch-mode", "no-cors")];
            assert!(check(Method::GET, true, &link), "a link to a page");
            assert!(!check(Method::GET, false, &link), "no page");
            assert!(!check(Method::GET, true, &script), "a script's request");
            assert!(!check(Method::POST, true, &link), "a form's request");
        }
    }
}
