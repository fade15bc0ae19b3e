//! A worker's settings: one consumer of one group. In and out: its environment.

use std::{fmt, net::SocketAddr, path::PathBuf, str::FromStr, time::Duration};

use serde::{Deserialize, Serialize};

use crate::{
    Hold, duration,
    env::{self, EnvError, Reader},
};

/// A rebalance protocol, by the name that the manifest, status and messages use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Protocol {
    /// Members join, one of them assigns.
    #[default]
    Classic,
    /// KIP-848: the broker assigns.
    Consumer,
}

/// How a group's partitions are divided among its members, by Kafka's own names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Assignor {
    /// Both protocols.
    Range,
    /// Classic only.
    RoundRobin,
    /// Classic only; its default.
    #[serde(rename = "cooperative-sticky")]
    CooperativeSticky,
    /// KIP-848 only; its default.
    Uniform,
}

/// Where a group starts without a committed offset.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum OffsetReset {
    /// At the oldest message that is still there.
    #[default]
    Earliest,
    /// At the next message to come.
    Latest,
}

/// The topics in a worker's environment, as they stand there.
pub fn topics_of<'a>(mut environment: impl Iterator<Item = (&'a str, &'a str)>) -> Option<&'a str> {
    environment.find_map(|(name, value)| (name == env::TOPIC).then_some(value))
}

/// The bootstrap servers in a worker's environment, as they stand there.
pub fn servers_of<'a>(
    mut environment: impl Iterator<Item = (&'a str, &'a str)>,
) -> Option<&'a str> {
    environment.find_map(|(name, value)| (name == env::SERVERS).then_some(value))
}

macro_rules! words {
    ($type:ident, $legal:literal, $($variant:ident = $word:literal),+) => {
        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(match self { $(Self::$variant => $word),+ })
            }
        }
        impl FromStr for $type {
            type Err = &'static str;
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                match text { $($word => Ok(Self::$variant),)+ _ => Err($legal) }
            }
        }
    };
}

impl FromStr for Protocol {
    type Err = &'static str;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "classic" => Ok(Self::Classic),
            "consumer" => Ok(Self::Consumer),
            _ => Err("write classic or consumer"),
        }
    }
}
words!(
    Assignor,
    "write range, roundrobin, cooperative-sticky (classic) or range, uniform (consumer)",
    Range = "range",
    RoundRobin = "roundrobin",
    CooperativeSticky = "cooperative-sticky",
    Uniform = "uniform"
);
words!(
    OffsetReset,
    "write earliest or latest",
    Earliest = "earliest",
    Latest = "latest"
);

impl Protocol {
    /// The value of Kafka's `group.protocol`, and of the environment variable: `classic` or `consumer`.
    pub fn config_value(self) -> &'static str {
        match self {
            Self::Classic => "classic",
            Self::Consumer => "consumer",
        }
    }

    /// The name in the manifest and in messages: `Classic` or `Consumer`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Classic => "Classic",
            Self::Consumer => "Consumer",
        }
    }

    /// The default of a group.
    pub fn default_assignor(self) -> Assignor {
        match self {
            Self::Classic => Assignor::CooperativeSticky,
            Self::Consumer => Assignor::Uniform,
        }
    }

    /// Whether a group of this protocol can use it.
    pub fn allows(self, assignor: Assignor) -> bool {
        match self {
            Self::Classic => assignor != Assignor::Uniform,
            Self::Consumer => matches!(assignor, Assignor::Range | Assignor::Uniform),
        }
    }
}

/// Default session timeout of the Classic protocol.
pub const DEFAULT_SESSION_TIMEOUT: Duration = Duration::from_secs(10);
/// Default heartbeat interval of the Classic protocol: a member learns of a rebalance at its next heartbeat.
pub const DEFAULT_HEARTBEAT_INTERVAL: Duration = Duration::from_millis(500);
/// Default for the longest time between two polls of a member.
pub const DEFAULT_MAX_POLL_INTERVAL: Duration = Duration::from_mins(5);

/// Everything that one consumer needs to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkerSettings {
    /// `host:port[,host:port...]`.
    pub servers: String,
    /// At least one.
    pub topics: Vec<String>,
    /// `group.id`.
    pub group: String,
    /// Spent per message, one at a time.
    pub delay: Duration,
    /// Where HTTP is served.
    pub listen: SocketAddr,
    /// Where `/livez` and `/readyz` are served in addition.
    pub probes: Option<SocketAddr>,
    /// `client.id`: the pod's name in a cluster. `None`: the program chooses one.
    pub instance: Option<String>,
    /// `<namespace>/<practice>`; its commits carry it. `None` by hand.
    pub owner: Option<String>,
    /// Classic or KIP-848.
    pub protocol: Protocol,
    /// One that the protocol allows.
    pub assignor: Assignor,
    /// Where to start without a committed offset.
    pub offset_reset: OffsetReset,
    /// Classic only; the broker decides for KIP-848.
    pub session_timeout: Duration,
    /// Classic only; the broker decides for KIP-848.
    pub heartbeat_interval: Duration,
    /// Both protocols.
    pub max_poll_interval: Duration,
    /// Whether each message is printed.
    pub log_messages: bool,
    /// Why it does not join its group; `None`: it does.
    pub hold: Option<Hold>,
    /// A file that gets a line of each range of messages ([`HandledLine`](crate::handled::HandledLine)) before their offsets are stored.
    pub ledger: Option<PathBuf>,
}

impl WorkerSettings {
    /// Reads them. `lookup` is `|name| std::env::var(name).ok()` in a program.
    pub fn from_env(lookup: &dyn Fn(&str) -> Option<String>) -> Result<Self, EnvError> {
        let read = Reader(lookup);
        let protocol = read
            .parsed(env::PROTOCOL, str::parse::<Protocol>)?
            .unwrap_or_default();
        let settings = Self {
            servers: {
                read.required(env::SERVERS, "write the Kafka to read from, host:port")?;
                read.parsed(env::SERVERS, env::servers)?.unwrap_or_default()
            },
            topics: env::list(
                &read.required(env::TOPIC, "write the topics to read, separated by commas")?,
            ),
            group: read.required(env::GROUP, "write the group.id to join")?,
            delay: read
                .parsed(env::DELAY, duration::parse_or_seconds)?
                .unwrap_or_default(),
            listen: read
                .parsed(env::LISTEN, env::listen)?
                .unwrap_or(SocketAddr::from(([127, 0, 0, 1], 0))),
            probes: read.parsed(env::PROBES, env::listen)?,
            instance: read.text(env::INSTANCE),
            owner: read.text(env::OWNER),
            protocol,
            assignor: read
                .parsed(env::ASSIGNOR, |text| match text.parse() {
                    Ok(assignor) if !protocol.allows(assignor) => Err(format!(
                        "{} is {}, which has {}",
                        env::PROTOCOL,
                        protocol.config_value(),
                        match protocol {
                            Protocol::Classic => "range, roundrobin and cooperative-sticky",
                            Protocol::Consumer => "range and uniform",
                        }
                    )),
                    other => other.map_err(str::to_owned),
                })?
                .unwrap_or_else(|| protocol.default_assignor()),
            offset_reset: read
                .parsed(env::OFFSET_RESET, str::parse)?
                .unwrap_or_default(),
            session_timeout: read
                .parsed(env::SESSION_TIMEOUT, duration::parse)?
                .unwrap_or(DEFAULT_SESSION_TIMEOUT),
            heartbeat_interval: read
                .parsed(env::HEARTBEAT_INTERVAL, duration::parse)?
                .unwrap_or(DEFAULT_HEARTBEAT_INTERVAL),
            max_poll_interval: read
                .parsed(env::MAX_POLL_INTERVAL, duration::parse)?
                .unwrap_or(DEFAULT_MAX_POLL_INTERVAL),
            log_messages: read
                .parsed(env::LOG_MESSAGES, env::boolean)?
                .unwrap_or(true),
            hold: read.parsed(env::HOLD, Hold::parse)?.flatten(),
            ledger: read.text(env::LEDGER).map(PathBuf::from),
        };
        settings.in_order()
    }

    /// heartbeat < session <= max poll, as the clients of Kafka require at creation (session: Classic only).
    fn in_order(self) -> Result<Self, EnvError> {
        let wrong = |name, value: Duration, legal: String| {
            Err(EnvError::Illegal {
                name,
                value: duration::print(value),
                legal,
            })
        };
        if self.protocol == Protocol::Classic && self.heartbeat_interval >= self.session_timeout {
            let legal = format!(
                "it must be below {} = {}",
                env::SESSION_TIMEOUT,
                duration::print(self.session_timeout)
            );
            return wrong(env::HEARTBEAT_INTERVAL, self.heartbeat_interval, legal);
        }
        if self.protocol == Protocol::Classic && self.session_timeout > self.max_poll_interval {
            let legal = format!(
                "it must not be above {} = {}",
                env::MAX_POLL_INTERVAL,
                duration::print(self.max_poll_interval)
            );
            return wrong(env::SESSION_TIMEOUT, self.session_timeout, legal);
        }
        if self.topics.is_empty() {
            let legal = "write the topics to read, separated by commas".to_owned();
            return Err(EnvError::Illegal {
                name: env::TOPIC,
                value: String::new(),
                legal,
            });
        }
        Ok(self)
    }

    /// The environment from which [`Self::from_env`] reads the same settings. A default is left out where it cannot be set: the
    /// client has no session timeout with KIP-848.
    pub fn to_env(&self) -> Vec<(&'static str, String)> {
        let mut env = vec![
            (env::SERVERS, self.servers.clone()),
            (env::TOPIC, self.topics.join(",")),
            (env::GROUP, self.group.clone()),
            (env::DELAY, duration::print(self.delay)),
            (env::LISTEN, self.listen.to_string()),
        ];
        env.extend(
            self.probes
                .map(|address| (env::PROBES, address.to_string())),
        );
        env.extend(
            self.instance
                .clone()
                .map(|instance| (env::INSTANCE, instance)),
        );
        env.extend(self.owner.clone().map(|owner| (env::OWNER, owner)));
        env.push((env::PROTOCOL, self.protocol.config_value().to_owned()));
        env.push((env::ASSIGNOR, self.assignor.to_string()));
        env.push((env::OFFSET_RESET, self.offset_reset.to_string()));
        if self.protocol == Protocol::Classic {
            env.push((env::SESSION_TIMEOUT, duration::print(self.session_timeout)));
            env.push((
                env::HEARTBEAT_INTERVAL,
                duration::print(self.heartbeat_interval),
            ));
        }
        env.push((
            env::MAX_POLL_INTERVAL,
            duration::print(self.max_poll_interval),
        ));
        env.push((env::LOG_MESSAGES, self.log_messages.to_string()));
        env.push((env::HOLD, Hold::word(self.hold).to_owned()));
        let ledger = self.ledger.as_ref();
        env.extend(ledger.map(|file| (env::LEDGER, file.to_string_lossy().into_owned())));
        env
    }

    /// The variable that carries [`Self::instance`]; in a cluster the pod's name comes by the downward API.
    pub const INSTANCE: &'static str = env::INSTANCE;

    /// The variable that carries [`Self::ledger`]; local mode passes it on to its workers.
    pub const LEDGER: &'static str = env::LEDGER;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lookup<'a>(pairs: &'a [(&'a str, &'a str)]) -> impl Fn(&str) -> Option<String> + 'a {
        |name| {
            pairs
                .iter()
                .find(|(key, _)| *key == name)
                .map(|(_, value)| (*value).to_owned())
        }
    }

    const BY_HAND: [(&str, &str); 3] = [
        ("KAFKA_SERVERS", "localhost:9092"),
        ("KAFKA_TOPIC", "a, b"),
        ("KAFKA_CONSUMER_GROUP_ID", "g"),
    ];

    #[test]
    fn the_names_of_the_original_are_enough() {
        let settings = WorkerSettings::from_env(&lookup(&BY_HAND)).expect("legal");
        assert_eq!(settings.topics, ["a", "b"]);
        assert_eq!(settings.delay, Duration::ZERO);
        assert_eq!(settings.assignor, Assignor::CooperativeSticky);
        assert!(settings.log_messages);
    }

    #[test]
    fn what_is_written_is_read_back() {
        for (protocol, hold) in [
            (Protocol::Classic, None),
            (Protocol::Consumer, Some(Hold::Stopped)),
            (Protocol::Consumer, Some(Hold::Switching)),
            (Protocol::Classic, Some(Hold::Unclaimed)),
        ] {
            let mut settings = WorkerSettings::from_env(&lookup(&BY_HAND)).expect("legal");
            settings.protocol = protocol;
            settings.assignor = protocol.default_assignor();
            settings.delay = Duration::from_millis(1500);
            settings.owner = Some("ns/p".to_owned());
            settings.instance = Some("pod-1".to_owned());
            settings.listen = SocketAddr::from(([0, 0, 0, 0], 8080));
            settings.probes = hold.map(|_| SocketAddr::from(([0, 0, 0, 0], 8090)));
            settings.log_messages = false;
            settings.hold = hold;
            settings.ledger = hold.map(|_| "/var/ledger.jsonl".into());
            let env = settings.to_env();
            let read = WorkerSettings::from_env(&|name| {
                env.iter()
                    .find(|(key, _)| *key == name)
                    .map(|(_, value)| value.clone())
            });
            assert_eq!(read, Ok(settings));
        }
    }

    #[test]
    fn errors_name_the_variable_the_value_and_what_is_legal() {
        for (name, value, fix) in [
            ("KAFKA_SERVERS", "localhost", "host:port"),
            ("KAFKA_SERVERS", "kafka://localhost:9092", "host:port"),
            ("KAFKA_SERVERS", "localhost:99999", "host:port"),
            ("KAFKA_TOPIC", " , ", "topics"),
            ("SLEEP_TIME", "soon", "500ms"),
            ("KAFKA_PRACTICE_LISTEN", "8080", "0.0.0.0:8080"),
            ("KAFKA_PRACTICE_PROBES", "8090", "0.0.0.0:8080"),
            ("KAFKA_PRACTICE_PROTOCOL", "new", "classic or consumer"),
            (
                "KAFKA_PRACTICE_ASSIGNOR",
                "uniform",
                "KAFKA_PRACTICE_PROTOCOL is classic",
            ),
            (
                "KAFKA_PRACTICE_AUTO_OFFSET_RESET",
                "smallest",
                "earliest or latest",
            ),
            (
                "KAFKA_PRACTICE_HEARTBEAT_INTERVAL",
                "10s",
                "below KAFKA_PRACTICE_SESSION_TIMEOUT = 10s",
            ),
            (
                "KAFKA_PRACTICE_SESSION_TIMEOUT",
                "6m",
                "not be above KAFKA_PRACTICE_MAX_POLL_INTERVAL = 5m",
            ),
            ("KAFKA_PRACTICE_LOG_MESSAGES", "perhaps", "true or false"),
            ("KAFKA_PRACTICE_HOLD", "yes", "None to join the group"),
        ] {
            let mut pairs: Vec<_> = BY_HAND
                .into_iter()
                .filter(|(key, _)| *key != name)
                .collect();
            pairs.push((name, value));
            let error = WorkerSettings::from_env(&lookup(&pairs))
                .expect_err(name)
                .to_string();
            assert!(error.starts_with(name) && error.contains(fix), "{error}");
        }
        let error = WorkerSettings::from_env(&lookup(&BY_HAND[..2]))
            .expect_err("no group")
            .to_string();
        assert!(
            error.starts_with("KAFKA_CONSUMER_GROUP_ID is not set"),
            "{error}"
        );
    }
}
