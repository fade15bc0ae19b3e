//! `/openapi.json` and `/docs`, the page that shows it with a form to try it. Everything the page needs is served from here;
//! its policy forbids anything else.

use axum::{
    http::{HeaderName, HeaderValue, header},
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};
use utoipa::OpenApi;

const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; base-uri 'none'; \
                      form-action 'none'; frame-ancestors 'none'";

#[derive(OpenApi)]
#[openapi(
    info(
        title = "practice-producer",
        description = "Sends messages to the topics of a practice."
    ),
    paths(crate::routes::send_message)
)]
struct Api;

/// The document, which names the topics that may be sent to (none: any).
pub(crate) fn openapi(topics: &[String]) -> Response {
    asset("application/json", document(topics).to_string())
}

fn document(topics: &[String]) -> Value {
    let mut document =
        serde_json::to_value(Api::openapi()).expect("should serialize: it is a constant");
    if let Some(first) = topics.first() {
        let topic = &mut document["components"]["schemas"]["Message"]["properties"]["topic"];
        topic["enum"] = json!(topics);
        topic["example"] = json!(first);
    }
    document
}

pub(crate) async fn page() -> Response {
    asset("text/html; charset=utf-8", include_str!("docs/page.html"))
}

pub(crate) async fn script() -> Response {
    asset(
        "text/javascript; charset=utf-8",
        include_str!("docs/page.js"),
    )
}

pub(crate) async fn style() -> Response {
    asset("text/css; charset=utf-8", include_str!("docs/page.css"))
}

fn asset(kind: &'static str, text: impl IntoResponse) -> Response {
    let headers: [(HeaderName, HeaderValue); 4] = [
        (header::CONTENT_TYPE, HeaderValue::from_static(kind)),
        (
            header::CONTENT_SECURITY_POLICY,
            HeaderValue::from_static(POLICY),
        ),
        (
            header::X_CONTENT_TYPE_OPTIONS,
            HeaderValue::from_static("nosniff"),
        ),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-cache")),
    ];
    (headers, text).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_document_names_the_route_its_fields_and_every_status() {
        let document = document(&["a".to_owned(), "b".to_owned()]);
        let post = &document["paths"]["/send-message"]["post"];
        for status in [
            "200", "400", "404", "408", "413", "415", "422", "503", "504",
        ] {
            assert!(
                post["responses"][status]["description"].is_string(),
                "{status}"
            );
        }
        let schemas = &document["components"]["schemas"];
        for field in ["topic", "value", "key", "partition"] {
            assert!(
                schemas["Message"]["properties"][field].is_object(),
                "{field}"
            );
        }
        assert_eq!(schemas["Message"]["required"], json!(["topic", "value"]));
        assert_eq!(
            schemas["Message"]["properties"]["topic"]["enum"],
            json!(["a", "b"])
        );
        for field in [
            "statusMessage",
            "statusCode",
            "message",
            "topic",
            "partition",
            "offset",
            "timestamp",
            "randomKey",
            "partitions",
        ] {
            assert!(schemas["Sent"]["properties"][field].is_object(), "{field}");
        }
        for field in ["type", "title", "status", "detail", "statusCode", "message"] {
            assert!(
                schemas["ProblemBody"]["properties"][field].is_object(),
                "{field}"
            );
        }
    }

    #[test]
    fn the_page_explains_every_kind_of_problem_and_needs_no_third_party() {
        let (page, script) = (include_str!("docs/page.html"), include_str!("docs/page.js"));
        for (kind, _) in crate::error::KINDS {
            assert!(page.contains(&format!("id=\"{kind}\"")), "{kind}");
        }
        for text in [page, script, include_str!("docs/page.css")] {
            assert!(!text.contains("://"), "an address of a third party");
        }
        assert!(
            !script.contains("innerHTML") && !page.contains("style=") && !page.contains("onclick")
        );
    }
}
