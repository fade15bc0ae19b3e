//! `/openapi.json` and `/docs`, the page that shows it with a form to try it. Everything the page needs is served from here;
//! its policy forbids anything else.

use std::sync::LazyLock;

use axum::{
    http::{HeaderName, HeaderValue, header},
    response::{IntoResponse, Response},
};
use utoipa::OpenApi;

const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; base-uri 'none'; \
                      form-action 'none'; frame-ancestors 'none'";

#[derive(OpenApi)]
#[openapi(
    info(title = "practice-producer", description = "Sends messages to the topics of a practice."),
    paths(crate::routes::send_message)
)]
struct Api;

static OPENAPI: LazyLock<String> =
    LazyLock::new(|| Api::openapi().to_json().expect("should serialize: it is a constant"));

pub(crate) async fn openapi() -> Response {
    asset("application/json", OPENAPI.as_str())
}

pub(crate) async fn page() -> Response {
    asset("text/html; charset=utf-8", include_str!("docs/page.html"))
}

pub(crate) async fn script() -> Response {
    asset("text/javascript; charset=utf-8", include_str!("docs/page.js"))
}

pub(crate) async fn style() -> Response {
    asset("text/css; charset=utf-8", include_str!("docs/page.css"))
}

fn asset(kind: &'static str, text: &'static str) -> Response {
    let headers: [(HeaderName, HeaderValue); 4] = [
        (header::CONTENT_TYPE, HeaderValue::from_static(kind)),
        (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY)),
        (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-cache")),
    ];
    (headers, text).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_document_names_the_route_its_fields_and_every_status() {
        let document: serde_json::Value = serde_json::from_str(&OPENAPI).expect("JSON");
        let post = &document["paths"]["/send-message"]["post"];
        for status in ["200", "400", "404", "408", "413", "415", "422", "503", "504"] {
            assert!(post["responses"][status]["description"].is_string(), "{status}");
        }
        let schemas = &document["components"]["schemas"];
        for field in ["topic", "value", "key", "partition"] {
            assert!(schemas["Message"]["properties"][field].is_object(), "{field}");
        }
        assert_eq!(schemas["Message"]["required"], serde_json::json!(["topic", "value"]));
        for field in ["statusMessage", "statusCode", "message", "topic", "partition", "offset", "timestamp"] {
            assert!(schemas["Sent"]["properties"][field].is_object(), "{field}");
        }
        for field in ["type", "title", "status", "detail", "statusCode", "message"] {
            assert!(schemas["ProblemBody"]["properties"][field].is_object(), "{field}");
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
        assert!(!script.contains("innerHTML") && !page.contains("style=") && !page.contains("onclick"));
    }
}
