//! Maps errors of the client library to a few kinds. The full text goes to the log, and text from a server is cut to one line.
//! In: an error of the library. Out: a [`KafkaError`].

use std::{fmt, sync::Arc};

use krafka::error::{ErrorCode, KrafkaError};
use practice_groups::KafkaError;

/// Why a call failed.
pub(crate) struct Failure(pub(crate) KafkaError);

impl From<KafkaError> for Failure {
    fn from(error: KafkaError) -> Self {
        Self(error)
    }
}

impl From<KrafkaError> for Failure {
    fn from(error: KrafkaError) -> Self {
        Self(coarse(error))
    }
}

/// Maps an error of the library.
pub(crate) fn coarse(error: KrafkaError) -> KafkaError {
    tracing::debug!(%error, "Kafka"); // the only place with the full text
    match error {
        // no broker named another controller: none was available until the call's timeout
        KrafkaError::Timeout { .. }
        | KrafkaError::Broker {
            code: ErrorCode::NotController,
            ..
        } => KafkaError::TimedOut,
        KrafkaError::Auth { .. } => KafkaError::Authentication,
        KrafkaError::Broker { code, message } => KafkaError::Answered {
            code: format!("{code:?}"),
            message: line(&message),
            retriable: code.is_retriable(),
        },
        KrafkaError::Config { message } => KafkaError::Answered {
            code: "InvalidRequest".into(),
            message: line(&message),
            retriable: false,
        },
        KrafkaError::Protocol { message, .. } => KafkaError::Protocol(line(&message)),
        error => innermost(&error),
    }
}

/// The same for a call that needs a known permission: a denied call has the operation and the resource to grant it on, which
/// Kafka's answer does not name.
pub(crate) fn refused(
    error: KrafkaError,
    operation: &'static str,
    resource: impl fmt::Display,
) -> Failure {
    let resource = match error {
        KrafkaError::Broker {
            code: ErrorCode::ClusterAuthorizationFailed,
            ..
        } => "the cluster".to_owned(),
        KrafkaError::Broker {
            code: ErrorCode::TopicAuthorizationFailed | ErrorCode::GroupAuthorizationFailed,
            ..
        } => resource.to_string(),
        error => return error.into(),
    };
    Failure(KafkaError::Denied {
        operation,
        resource,
    })
}

/// The root cause: the client wraps a refused connection several times.
fn innermost(error: &(dyn std::error::Error + 'static)) -> KafkaError {
    use std::io::{Error, ErrorKind};
    let mut reason = KafkaError::Unreachable;
    let mut next = Some(error);
    while let Some(error) = next {
        let io = error
            .downcast_ref::<Error>()
            .or_else(|| error.downcast_ref::<Arc<Error>>().map(AsRef::as_ref));
        match (io.map(Error::kind), error.downcast_ref::<KrafkaError>()) {
            (Some(ErrorKind::ConnectionRefused), _) => reason = KafkaError::Refused,
            (Some(ErrorKind::TimedOut), _) | (_, Some(KrafkaError::Timeout { .. })) => {
                reason = KafkaError::TimedOut;
            }
            (_, Some(KrafkaError::Protocol { message, .. })) => {
                reason = KafkaError::Protocol(line(message));
            }
            (_, Some(KrafkaError::Auth { .. })) => reason = KafkaError::Authentication,
            _ => {}
        }
        next = error.source();
    }
    reason
}

/// Text from a server as one line of at most 300 characters.
fn line(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .take(300)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_controller_is_an_outage_and_a_policy_violation_is_not() {
        let answered = |code| coarse(KrafkaError::broker(code, "in\nKafka's words"));
        assert_eq!(answered(ErrorCode::NotController), KafkaError::TimedOut);
        assert_eq!(
            answered(ErrorCode::PolicyViolation),
            KafkaError::Answered {
                code: "PolicyViolation".into(),
                message: "in Kafka's words".into(),
                retriable: false
            }
        );
    }

    #[test]
    fn a_denied_call_names_operation_and_resource_and_no_error_repeats_its_name() {
        let refused = |code| {
            refused(
                KrafkaError::broker(code, format!("{code:?}")),
                "Create",
                "topic t",
            )
            .0
        };
        assert_eq!(
            refused(ErrorCode::TopicAuthorizationFailed).to_string(),
            "Kafka denied Create to this client, which connects without authentication: grant it on topic t"
        );
        let cluster = refused(ErrorCode::ClusterAuthorizationFailed);
        assert_eq!(
            cluster,
            KafkaError::Denied {
                operation: "Create",
                resource: "the cluster".into()
            }
        );
        assert!(cluster.needs_help() && !cluster.is_outage());
        let full = refused(ErrorCode::LeaderNotAvailable);
        assert_eq!(full.to_string(), "Kafka answered LeaderNotAvailable");
        assert!(!full.needs_help(), "retriable");
        assert!(refused(ErrorCode::InvalidReplicationFactor).needs_help());
    }
}
