//! Why a message was not accepted. In: the problem. Out: `application/problem+json` (RFC 9457) with the field, the value
//! and the fix, plus `statusCode` and `message` for clients of the original. No decisions, only text.

use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use practice_serve::Foreign;
use serde::Serialize;
use thiserror::Error;
use utoipa::ToSchema;

use crate::body::IDENTITY;

/// Seconds after which a message that was not persisted may be sent again.
const RETRY_AFTER: &str = "1";

/// One field of the body that is not accepted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct WrongField {
    /// Its name.
    pub field: String,
    /// The value, the problem with it, and the fix.
    pub detail: String,
}

/// A request that is not answered with 200. Its text is the answer's `detail`.
#[derive(Debug, Error)]
pub enum Problem {
    /// 400: the body is not JSON.
    #[error("the body is not JSON: {0}")]
    Syntax(String),
    /// 403: a page of another origin, or a name that is not this machine's.
    #[error("{0}")]
    Foreign(Foreign),
    /// 404: not one of the topics that may be sent to.
    #[error("there is no topic `{topic}` here: send to {}", any_of(.topics))]
    UnknownTopic {
        /// The requested topic.
        topic: String,
        /// The topics that are accepted.
        topics: Vec<String>,
    },
    /// 404: no such path.
    #[error("there is nothing at {0}: POST a message to /send-message, read /docs for the rest")]
    NoRoute(String),
    /// 405: another method is needed.
    #[error("{method} is not possible at {path}: use {allowed}")]
    WrongMethod {
        /// What was tried.
        method: String,
        /// Where.
        path: String,
        /// What would do, as in the header `Allow`.
        allowed: &'static str,
    },
    /// 408: the body did not come.
    #[error("the body did not arrive: {0}")]
    Incomplete(String),
    /// 413: the message is larger than its topic or this producer accepts.
    #[error("{0}")]
    TooLarge(String),
    /// 415: the body is not declared as JSON.
    #[error("the content type is {found}: send `application/json`, for instance: {curl}")]
    NotJson {
        /// What was declared.
        found: String,
        /// A command that works.
        curl: String,
    },
    /// 415: the body is not plain UTF-8.
    #[error("the body is {0}: send UTF-8, not compressed")]
    Encoded(String),
    /// 422: JSON, but not a message.
    #[error("{}", sentences(.0))]
    Wrong(Vec<WrongField>),
    /// 503: certainly not in the topic, may be sent again.
    #[error("{0}; the message was not persisted, it is safe to send it again")]
    NotPersisted(String),
    /// 503: too many answers of this path are on their way.
    #[error("{0}")]
    Busy(String),
    /// 504: perhaps in the topic, perhaps not.
    #[error(
        "{0}; whether the message was persisted is unknown, sending it again may store it twice"
    )]
    Unknown(String),
}

/// The body of every answer that is not 200.
#[derive(Debug, Serialize, ToSchema)]
pub struct ProblemBody {
    /// Where this kind of problem is explained.
    #[serde(rename = "type")]
    pub kind: String,
    /// The kind of problem, the same for all of its kind.
    pub title: &'static str,
    /// The HTTP status.
    pub status: u16,
    /// The problem with this request, and the fix.
    pub detail: String,
    /// The fields concerned, if any.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<WrongField>,
    /// The same as `status`.
    #[serde(rename = "statusCode")]
    pub status_code: u16,
    /// The same as `detail`.
    pub message: String,
}

impl Problem {
    /// A single wrong field.
    pub fn field(field: &str, detail: String) -> Self {
        Self::Wrong(vec![WrongField {
            field: field.to_owned(),
            detail,
        }])
    }

    /// The status it is answered with.
    pub fn status(&self) -> StatusCode {
        match self {
            Self::Syntax(_) => StatusCode::BAD_REQUEST,
            Self::Foreign(_) => StatusCode::FORBIDDEN,
            Self::UnknownTopic { .. } | Self::NoRoute(_) => StatusCode::NOT_FOUND,
            Self::WrongMethod { .. } => StatusCode::METHOD_NOT_ALLOWED,
            Self::Incomplete(_) => StatusCode::REQUEST_TIMEOUT,
            Self::TooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::NotJson { .. } | Self::Encoded(_) => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::Wrong(_) => StatusCode::UNPROCESSABLE_ENTITY,
            Self::NotPersisted(_) | Self::Busy(_) => StatusCode::SERVICE_UNAVAILABLE,
            Self::Unknown(_) => StatusCode::GATEWAY_TIMEOUT,
        }
    }

    /// The end of its `type`, and its title.
    fn kind(&self) -> (&'static str, &'static str) {
        KINDS[match self {
            Self::Syntax(_) => 0,
            Self::UnknownTopic { .. } => 1,
            Self::NoRoute(_) => 2,
            Self::WrongMethod { .. } => 3,
            Self::Incomplete(_) => 4,
            Self::TooLarge(_) => 5,
            Self::NotJson { .. } => 6,
            Self::Wrong(_) => 7,
            Self::NotPersisted(_) => 8,
            Self::Unknown(_) => 9,
            Self::Encoded(_) => 10,
            Self::Foreign(_) => 11,
            Self::Busy(_) => 12,
        }]
    }
}

/// The kinds of problems: the end of their `type`, explained in `/docs`, and their title.
pub(crate) const KINDS: [(&str, &str); 13] = [
    ("not-json", "The body is not JSON"),
    ("unknown-topic", "Unknown topic"),
    ("not-found", "Nothing here"),
    ("wrong-method", "Another method is needed"),
    ("incomplete", "The body did not arrive"),
    ("too-large", "The message is too large"),
    ("content-type", "The content type is not application/json"),
    ("wrong-field", "The message cannot be sent like this"),
    ("not-persisted", "Not persisted, safe to retry"),
    ("unknown-outcome", "Unknown whether persisted"),
    ("encoding", "The body is not plain UTF-8"),
    ("foreign-origin", "Only this service's own pages"),
    ("busy", "Too many answers at a time"),
];

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let (status, (kind, title), detail) = (self.status(), self.kind(), self.to_string());
        let headers = match &self {
            Self::NotPersisted(_) => {
                vec![(header::RETRY_AFTER, HeaderValue::from_static(RETRY_AFTER))]
            }
            Self::WrongMethod { allowed, .. } => {
                vec![(header::ALLOW, HeaderValue::from_static(allowed))]
            }
            Self::Encoded(_) => vec![(header::ACCEPT_ENCODING, IDENTITY)],
            // the rest of such a body is not read
            Self::TooLarge(_) | Self::Incomplete(_) => {
                vec![(header::CONNECTION, HeaderValue::from_static("close"))]
            }
            _ => vec![],
        };
        let body = ProblemBody {
            kind: format!("/docs#{kind}"),
            title,
            status: status.as_u16(),
            message: detail.clone(),
            detail,
            errors: if let Self::Wrong(fields) = self {
                fields
            } else {
                vec![]
            },
            status_code: status.as_u16(),
        };
        let body = serde_json::to_vec(&body).expect("should serialize: only strings and numbers");
        let mut response = (
            status,
            [(header::CONTENT_TYPE, "application/problem+json")],
            body,
        )
            .into_response();
        response.headers_mut().extend(headers);
        response
    }
}

fn sentences(fields: &[WrongField]) -> String {
    fields
        .iter()
        .map(|field| field.detail.as_str())
        .collect::<Vec<_>>()
        .join("; ")
}

/// `a`, `a or b`, `one of a, b, c`; long lists are cut.
pub(crate) fn any_of(topics: &[String]) -> String {
    const SHOWN: usize = 32;
    match topics {
        [] => "nothing: Kafka has no topic yet".to_owned(),
        [one] => format!("`{one}`"),
        [one, other] => format!("`{one}` or `{other}`"),
        many => {
            let shown: Vec<_> = many
                .iter()
                .take(SHOWN)
                .map(|topic| format!("`{topic}`"))
                .collect();
            let more = if many.len() > SHOWN {
                format!(" or {} others", many.len() - SHOWN)
            } else {
                String::new()
            };
            format!("one of {}{more}", shown.join(", "))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_topics_read_well() {
        let names = |count: usize| (0..count).map(|i| i.to_string()).collect::<Vec<_>>();
        assert_eq!(any_of(&names(1)), "`0`");
        assert_eq!(any_of(&names(2)), "`0` or `1`");
        assert_eq!(any_of(&names(3)), "one of `0`, `1`, `2`");
        assert!(any_of(&names(40)).ends_with("`31` or 8 others"));
    }
}
