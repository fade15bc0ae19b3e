//! Names of environment variables and how one value is read. In: a lookup, so that no test touches the process.

use std::{collections::BTreeSet, fmt::Display, io, net::SocketAddr};

use thiserror::Error;

pub(crate) const SERVERS: &str = "KAFKA_SERVERS";
pub(crate) const TOPIC: &str = "KAFKA_TOPIC";
pub(crate) const GROUP: &str = "KAFKA_CONSUMER_GROUP_ID";
pub(crate) const DELAY: &str = "SLEEP_TIME";
pub(crate) const KEYS_RANDOM: &str = "MESSAGE_KEYS_RANDOM";
pub(crate) const LISTEN: &str = "KAFKA_PRACTICE_LISTEN";
pub(crate) const PROBES: &str = "KAFKA_PRACTICE_PROBES";
pub(crate) const INSTANCE: &str = "KAFKA_PRACTICE_INSTANCE";
pub(crate) const OWNER: &str = "KAFKA_PRACTICE_OWNER";
pub(crate) const PROTOCOL: &str = "KAFKA_PRACTICE_PROTOCOL";
pub(crate) const ASSIGNOR: &str = "KAFKA_PRACTICE_ASSIGNOR";
pub(crate) const OFFSET_RESET: &str = "KAFKA_PRACTICE_AUTO_OFFSET_RESET";
pub(crate) const SESSION_TIMEOUT: &str = "KAFKA_PRACTICE_SESSION_TIMEOUT";
pub(crate) const HEARTBEAT_INTERVAL: &str = "KAFKA_PRACTICE_HEARTBEAT_INTERVAL";
pub(crate) const MAX_POLL_INTERVAL: &str = "KAFKA_PRACTICE_MAX_POLL_INTERVAL";
pub(crate) const LOG_MESSAGES: &str = "KAFKA_PRACTICE_LOG_MESSAGES";
pub(crate) const HOLD: &str = "KAFKA_PRACTICE_HOLD";
pub(crate) const LEDGER: &str = "KAFKA_PRACTICE_LEDGER";
pub(crate) const MAX_MESSAGE_BYTES: &str = "KAFKA_PRACTICE_MAX_MESSAGE_BYTES";
pub(crate) const LOAD_RATE: &str = "KAFKA_PRACTICE_LOAD_MESSAGES_PER_SECOND";
pub(crate) const LOAD_VALUE_BYTES: &str = "KAFKA_PRACTICE_LOAD_VALUE_BYTES";

/// An environment that a program cannot start with; it exits with code 2.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum EnvError {
    /// A variable without which there is nothing to do.
    #[error("{name} is not set: {legal}")]
    Missing {
        /// The variable.
        name: &'static str,
        /// What would be legal.
        legal: String,
    },
    /// A value that cannot be read or contradicts another.
    #[error("{name} is `{value}`: {legal}")]
    Illegal {
        /// The variable.
        name: &'static str,
        /// What it holds.
        value: String,
        /// What would be legal.
        legal: String,
    },
}

/// The fault of a variable with an address on which a program cannot listen. `env` is the program's environment.
pub fn cannot_listen(
    env: &[(&'static str, String)],
    address: SocketAddr,
    error: &io::Error,
) -> EnvError {
    let value = address.to_string();
    let named = env.iter().find(|(_, held)| *held == value);
    EnvError::Illegal {
        name: named.map_or("the address", |(name, _)| name),
        legal: format!(
            "cannot listen there ({error}): choose an address of this machine and a free port, or port 0 for any"
        ),
        value,
    }
}

/// Reads variables by name; an empty value counts as not set.
pub(crate) struct Reader<'a>(pub(crate) &'a dyn Fn(&str) -> Option<String>);

impl Reader<'_> {
    pub(crate) fn text(&self, name: &'static str) -> Option<String> {
        (self.0)(name).filter(|value| !value.is_empty())
    }

    pub(crate) fn required(&self, name: &'static str, legal: &str) -> Result<String, EnvError> {
        self.text(name).ok_or_else(|| EnvError::Missing {
            name,
            legal: legal.to_owned(),
        })
    }

    pub(crate) fn parsed<T, E: Display>(
        &self,
        name: &'static str,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Result<Option<T>, EnvError> {
        let Some(value) = self.text(name) else {
            return Ok(None);
        };
        match parse(&value) {
            Ok(parsed) => Ok(Some(parsed)),
            Err(legal) => Err(EnvError::Illegal {
                name,
                value,
                legal: legal.to_string(),
            }),
        }
    }
}

/// A comma separated list without empty items: `a`, `a,b`, `a, b`.
pub(crate) fn list(text: &str) -> Vec<String> {
    text.split(',')
        .map(str::trim)
        .filter(|item| !item.is_empty())
        .map(str::to_owned)
        .collect()
}

pub(crate) fn boolean(text: &str) -> Result<bool, &'static str> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "1" | "yes" => Ok(true),
        "false" | "0" | "no" => Ok(false),
        _ => Err("write true or false"),
    }
}

/// `address:port` to listen on.
pub(crate) fn listen(text: &str) -> Result<std::net::SocketAddr, &'static str> {
    text.parse()
        .map_err(|_| "write an address and a port such as 0.0.0.0:8080 or [::1]:8080")
}

/// `host:port[,host:port...]`, each with a port; a scheme such as `kafka://` is a common slip. The result is the same for every
/// spelling of one address: sorted, without duplicates and spaces, host names in lower case (RFC 4343).
pub fn servers(text: &str) -> Result<String, &'static str> {
    const LEGAL: &str = "write host:port, or several separated by commas, such as my-cluster-kafka-bootstrap.kafka:9092";
    let servers: Option<BTreeSet<String>> = list(text).iter().map(|item| server(item)).collect();
    match servers {
        Some(servers) if !servers.is_empty() => {
            Ok(servers.into_iter().collect::<Vec<_>>().join(","))
        }
        _ => Err(LEGAL),
    }
}

/// One `host:port`; `None`: it is none.
fn server(text: &str) -> Option<String> {
    let (host, port) = text.rsplit_once(':')?;
    let bare = host
        .strip_prefix('[')
        .and_then(|h| h.strip_suffix(']'))
        .unwrap_or(host);
    let colons = bare.contains(':') && bare.len() == host.len();
    let legal = |c: char| c.is_ascii_alphanumeric() || ".-_:".contains(c);
    let port: u16 = port.parse().ok().filter(|port| *port > 0)?;
    (!bare.is_empty() && !colons && bare.chars().all(legal))
        .then(|| format!("{}:{port}", host.to_ascii_lowercase()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_address_has_one_spelling() {
        for text in [
            "a:9092,b:9092",
            "b:9092,a:9092",
            " a:9092 , b:9092 ",
            "a:9092,b:9092,a:9092",
            "A:9092,b:09092",
            "a:9092,,b:9092,",
        ] {
            assert_eq!(servers(text), Ok("a:9092,b:9092".to_owned()), "{text}");
        }
        assert_eq!(servers("[::1]:9092"), Ok("[::1]:9092".to_owned()));
        for illegal in [
            "", ",", "a", "a:0", "a:99999", ":9092", "::1:9092", "a b:1", "a:9092,b",
        ] {
            assert!(servers(illegal).is_err(), "{illegal}");
        }
    }
}
