//! Why Kafka gave no answer. In: the kind of failure. Out: a message for users, and whether waiting helps. Deliberately absent: the
//! client library's errors, which `practice-kafka` maps to these.

use practice_contract::denied;
use thiserror::Error;

/// Why a call to Kafka failed. It has few details on purpose: a condition's message must not help to scan ports.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum KafkaError {
    /// The address could not be resolved or reached.
    #[error("Kafka cannot be reached: check the bootstrap servers' names and ports")]
    Unreachable,
    /// Nothing listens there.
    #[error("Kafka refused the connection: check the port, and whether it runs")]
    Refused,
    /// It accepted the connection and did not answer in time.
    #[error("Kafka did not answer in time")]
    TimedOut,
    /// It refused the credentials, or the certificates do not match.
    #[error("Kafka refused the credentials, or the TLS handshake failed")]
    Authentication,
    /// Its access control lists (KIP-11) deny this client an operation.
    #[error("{}", denied(.operation, .resource))]
    Denied {
        /// The operation, in the words of Kafka's access control: `Describe`, `Create`, ...
        operation: &'static str,
        /// What it is on: `topic t`, `group g`, `the cluster`.
        resource: String,
    },
    /// It answered with an error; Kafka's own name of it.
    #[error("Kafka answered {code}{}", explanation(.code, .message))]
    Answered {
        /// Kafka's name of the error.
        code: String,
        /// Its explanation; the name again, or nothing, where Kafka gives none.
        message: String,
        /// Kafka's protocol calls the error retriable: the same request may succeed later without a change.
        retriable: bool,
    },
    /// What came back was not Kafka's protocol, or of an unsupported version. The details are for logs: they may
    /// contain the answer of another service.
    #[error(
        "what answers there does not speak Kafka's protocol: check the port, and that it is one without TLS"
    )]
    Protocol(String),
}

impl KafkaError {
    /// Whether Kafka as a whole is unreachable, not only one resource in it.
    pub fn is_outage(&self) -> bool {
        !matches!(self, Self::Answered { .. } | Self::Denied { .. })
    }

    /// Whether Kafka refuses until a user changes the spec or Kafka.
    pub fn needs_help(&self) -> bool {
        matches!(
            self,
            Self::Denied { .. }
                | Self::Answered {
                    retriable: false,
                    ..
                }
        )
    }
}

/// `: MESSAGE`, or nothing where the message only repeats the error's name.
fn explanation(code: &str, message: &str) -> String {
    if message.is_empty() || message == code {
        String::new()
    } else {
        format!(": {message}")
    }
}
