//! Who gets in, and what every answer carries.

use axum::http::Method;
use serde_json::json;

use crate::{
    client::P,
    world::{Served, World},
};

#[tokio::test]
async fn the_page_and_its_files_are_served_with_their_types_and_tags() {
    let served = Served::start().await;
    let page = served.client.get("/", &[]).await;
    assert_eq!(
        (page.status, page.header("content-type")),
        (200, "text/html; charset=utf-8")
    );
    let same = served.client.get("/p/ns/p", &[]).await;
    assert_eq!((same.status, same.text == page.text), (200, true));
    let (tag, kept) = (page.header("etag").to_owned(), page.header("cache-control"));
    assert_eq!((tag.len(), kept), (34, "no-cache"));
    let again = served.client.get("/", &[("if-none-match", &tag)]).await;
    assert_eq!((again.status, again.text.as_str()), (304, ""));
    let again = served
        .client
        .get("/", &[("if-none-match", "\"another\"")])
        .await;
    assert_eq!(again.status, 200);
    // the page's files exist, with types that a browser accepts with `nosniff`
    let mut named = page
        .text
        .split(['"', '\''])
        .filter(|text| text.starts_with("/assets/"))
        .peekable();
    assert!(named.peek().is_some(), "{}", page.text);
    for path in named {
        let file = served.client.get(path, &[]).await;
        assert_eq!(file.status, 200, "{path}");
        let kind = file.header("content-type");
        match path.rsplit_once('.').map(|(_, end)| end) {
            Some("js") => assert_eq!(kind, "text/javascript; charset=utf-8"),
            Some("css") => assert_eq!(kind, "text/css; charset=utf-8"),
            _ => assert_ne!(kind, "application/octet-stream", "{path}"),
        }
    }
    let main = served.client.get("/assets/main.js", &[]).await.text;
    let bare = |line: &str| {
        line.starts_with("import ") || line.starts_with("export ") || line.starts_with("//")
    };
    assert!(
        main.contains("EventSource") && !main.lines().any(bare),
        "every module is in it, without comments"
    );
    for outside in [
        "/assets/../Cargo.toml",
        "/assets/%2e%2e/Cargo.toml",
        "/assets/..%2fsrc%2flib.rs",
        "/assets/nothing.js",
    ] {
        assert_eq!(
            served.client.get(outside, &[]).await.status,
            404,
            "{outside}"
        );
    }
    served.ended().await;
}

#[tokio::test]
async fn every_answer_forbids_what_the_page_does_not_need() {
    let served = Served::start().await;
    served.hub.publish(World::calm().facts());
    for path in [
        "/",
        "/nothing",
        "/api/practices",
        P,
        "/api/practices/ns/other",
    ] {
        for host in ["localhost", "evil.example"] {
            let answer = served.client.get(path, &[("host", host)]).await;
            let policy = answer.header("content-security-policy");
            for part in [
                "default-src 'none'",
                "script-src 'self'",
                "frame-ancestors 'none'",
                "require-trusted-types-for 'script'",
                "trusted-types 'none'",
            ] {
                assert!(policy.contains(part), "{path}: {policy}");
            }
            assert!(!policy.contains("unsafe"), "{policy}");
            assert_eq!(answer.header("x-content-type-options"), "nosniff");
            assert_eq!(answer.header("referrer-policy"), "no-referrer");
            assert_eq!(
                answer.header("cache-control") == "no-store",
                path.starts_with("/api/"),
                "{path}"
            );
            assert_eq!(
                answer.status == 403,
                host == "evil.example",
                "{path} {host}"
            );
        }
    }
    served.ended().await;
}

#[tokio::test]
async fn a_name_that_is_not_ours_reads_nothing() {
    let served = Served::start().await;
    served.hub.publish(World::calm().facts());
    let port = served.client.address.port();
    for host in [
        "evil.example".to_owned(),
        format!("127.0.0.1.evil.example:{port}"),
        format!("10.0.0.1:{port}"),
    ] {
        let answer = served.client.get(P, &[("host", &host)]).await;
        answer.is_refusal(403, &["Host is", host.as_str(), "http://127.0.0.1"]);
        assert!(!answer.text.contains("it runs"));
    }
    for host in [
        "localhost:1",
        "127.0.0.1",
        "[::1]:8080",
        "view.example",
        "VIEW.example:80",
    ] {
        assert_eq!(
            served.client.get(P, &[("host", host)]).await.status,
            200,
            "{host}"
        );
    }
    served.ended().await;
}

#[tokio::test]
async fn only_the_page_itself_may_do_something_and_only_with_json() {
    let served = Served::start().await;
    served.hub.publish(World::calm().facts());
    let path = format!("{P}/groups/g/stop");
    let ours = format!("http://{}", served.client.address);
    let json = ("content-type", "application/json");
    let refused: [(&[(&str, &str)], u16, &str); 7] = [
        (
            &[json, ("origin", "http://evil.example")],
            403,
            "Origin is `http://evil.example`",
        ),
        (&[json, ("origin", "null")], 403, "Origin is `null`"),
        (&[json, ("origin", "http://127.0.0.1:1")], 403, "Origin is"),
        (
            &[json, ("sec-fetch-site", "cross-site")],
            403,
            "Sec-Fetch-Site is `cross-site`",
        ),
        (&[("origin", &ours)], 415, "the content type is missing"),
        (
            &[("origin", &ours), ("content-type", "text/plain")],
            415,
            "`text/plain`",
        ),
        (
            &[("content-type", "application/x-www-form-urlencoded")],
            415,
            "application/json",
        ),
    ];
    for (headers, status, part) in refused {
        served
            .client
            .post_as(&path, headers, "{}")
            .await
            .is_refusal(status, &[part]);
    }
    assert_eq!(served.actions(), [], "nothing was done");
    for headers in [
        &[json][..],
        &[json, ("origin", &ours), ("sec-fetch-site", "same-origin")],
    ] {
        assert_eq!(
            served.client.post_as(&path, headers, "{}").await.status,
            200
        );
    }
    assert_eq!(served.actions().len(), 2);
    let wrong = served.client.ask(Method::DELETE, P, &[json], "").await;
    assert_eq!(wrong.status(), 405);
    served.ended().await;
}

#[tokio::test]
async fn a_page_of_another_site_reads_nothing_and_may_link_to_the_page() {
    let served = Served::start().await;
    served.hub.publish(World::calm().facts());
    let link = [
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-mode", "navigate"),
    ];
    let script = [
        ("sec-fetch-site", "same-site"),
        ("sec-fetch-mode", "no-cors"),
    ];
    for path in ["/", "/p/ns/p"] {
        assert_eq!(served.client.get(path, &link).await.status, 200, "{path}");
    }
    let (logs, plan) = (format!("{P}/logs/a"), format!("{P}/groups/g/plan?by=1"));
    for path in [P, &format!("{P}/stream"), &logs, &plan, "/api/practices"] {
        for headers in [link, script] {
            let answer = served.client.get(path, &headers).await;
            answer.is_refusal(403, &["Sec-Fetch-Site is `"]);
        }
    }
    let own = [
        ("sec-fetch-site", "same-origin"),
        ("sec-fetch-mode", "cors"),
    ];
    assert_eq!(served.client.get(P, &own).await.status, 200);
    served.ended().await;
}

#[tokio::test]
async fn unknown_paths_and_practices_are_named() {
    let served = Served::start().await;
    assert_eq!(
        served.client.get("/api/practices", &[]).await.json(),
        json!([])
    );
    for path in [
        "/api/practices/ns/p",
        "/api/practices/ns/p/stream",
        "/api/practices/ns/p/logs/a",
    ] {
        served
            .client
            .get(path, &[])
            .await
            .is_refusal(404, &["no practice `p` in namespace `ns`"]);
    }
    served
        .client
        .get("/api/nothing", &[])
        .await
        .is_refusal(404, &["/api/nothing"]);
    served.ended().await;
}
