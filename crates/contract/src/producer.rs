//! A producer's settings. In and out: its environment.

use std::{collections::BTreeMap, net::SocketAddr};

use crate::{
    PRODUCER_PORT,
    env::{self, EnvError, Reader},
};

/// A steady stream of messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Load {
    /// 0..=10000, over all topics.
    pub messages_per_second: u32,
    /// 1..=100000.
    pub value_bytes: u32,
}

/// Kafka's name for the largest batch that a topic accepts, in bytes. Also the key of a topic's configuration.
pub const MAX_MESSAGE_BYTES: &str = "max.message.bytes";

/// Kafka's default of [`MAX_MESSAGE_BYTES`].
pub const DEFAULT_MAX_MESSAGE_BYTES: u32 = 1_048_588;

/// Everything that a producer needs to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProducerSettings {
    /// `host:port[,host:port...]`.
    pub servers: String,
    /// The topics that may be sent to. Empty (by hand only): any topic that exists.
    pub topics: Vec<String>,
    /// `max.message.bytes` of the topics whose configuration sets it, by topic, in bytes. The others have Kafka's value.
    pub max_message_bytes: BTreeMap<String, u32>,
    /// Whether a message without a key gets a random UUID as its key.
    pub keys_random: bool,
    /// Where HTTP is served.
    pub listen: SocketAddr,
    /// Where `/livez` and `/readyz` are served in addition.
    pub probes: Option<SocketAddr>,
    /// `client.id`. `None`: the program chooses one.
    pub instance: Option<String>,
    /// A steady stream, if wished.
    pub load: Option<Load>,
}

impl ProducerSettings {
    /// Reads them. `lookup` is `|name| std::env::var(name).ok()` in a program.
    pub fn from_env(lookup: &dyn Fn(&str) -> Option<String>) -> Result<Self, EnvError> {
        let read = Reader(lookup);
        read.required(env::SERVERS, "write the Kafka to write to, host:port")?;
        let number = |name, range: std::ops::RangeInclusive<u32>| {
            read.parsed(name, |text| match text.parse() {
                Ok(number) if range.contains(&number) => Ok(number),
                _ => Err(format!(
                    "write a number from {} to {}",
                    range.start(),
                    range.end()
                )),
            })
        };
        let rate = number(env::LOAD_RATE, 0..=10_000)?;
        let value_bytes = number(env::LOAD_VALUE_BYTES, 1..=100_000)?.unwrap_or(100);
        let topics = env::list(&read.text(env::TOPIC).unwrap_or_default());
        if rate.is_some_and(|rate| rate > 0) && topics.is_empty() {
            let legal = format!(
                "write the topics that {} is for, separated by commas",
                env::LOAD_RATE
            );
            return Err(EnvError::Missing {
                name: env::TOPIC,
                legal,
            });
        }
        Ok(Self {
            servers: read.parsed(env::SERVERS, env::servers)?.unwrap_or_default(),
            topics,
            max_message_bytes: read
                .parsed(env::MAX_MESSAGE_BYTES, limits)?
                .unwrap_or_default(),
            keys_random: read.parsed(env::KEYS_RANDOM, env::boolean)?.unwrap_or(true),
            listen: read
                .parsed(env::LISTEN, env::listen)?
                .unwrap_or(SocketAddr::from(([127, 0, 0, 1], PRODUCER_PORT))),
            probes: read.parsed(env::PROBES, env::listen)?,
            instance: read.text(env::INSTANCE),
            load: rate
                .filter(|rate| *rate > 0)
                .map(|messages_per_second| Load {
                    messages_per_second,
                    value_bytes,
                }),
        })
    }

    /// The environment from which [`Self::from_env`] reads the same settings back.
    pub fn to_env(&self) -> Vec<(&'static str, String)> {
        let mut env = vec![(env::SERVERS, self.servers.clone())];
        if !self.topics.is_empty() {
            env.push((env::TOPIC, self.topics.join(",")));
        }
        if !self.max_message_bytes.is_empty() {
            let limits = self.max_message_bytes.iter();
            let limits: Vec<_> = limits
                .map(|(topic, bytes)| format!("{topic}={bytes}"))
                .collect();
            env.push((env::MAX_MESSAGE_BYTES, limits.join(",")));
        }
        env.push((env::KEYS_RANDOM, self.keys_random.to_string()));
        env.push((env::LISTEN, self.listen.to_string()));
        env.extend(
            self.probes
                .map(|address| (env::PROBES, address.to_string())),
        );
        env.extend(
            self.instance
                .clone()
                .map(|instance| (env::INSTANCE, instance)),
        );
        if let Some(load) = self.load {
            env.push((env::LOAD_RATE, load.messages_per_second.to_string()));
            env.push((env::LOAD_VALUE_BYTES, load.value_bytes.to_string()));
        }
        env
    }
}

/// `topic=bytes`, separated by commas.
fn limits(text: &str) -> Result<BTreeMap<String, u32>, &'static str> {
    const LEGAL: &str = "write the limit of each topic as topic=bytes, separated by commas, such as my-topic=5242880; bytes are 0 to 2147483647";
    let limit = |item: &String| {
        let (topic, bytes) = item.split_once('=')?;
        let bytes = bytes.trim().parse::<i32>().ok()?;
        let topic = Some(topic.trim()).filter(|topic| !topic.is_empty())?;
        Some((topic.to_owned(), u32::try_from(bytes).ok()?))
    };
    env::list(text)
        .iter()
        .map(|item| limit(item).ok_or(LEGAL))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pairs: &[(&str, &str)]) -> Result<ProducerSettings, EnvError> {
        ProducerSettings::from_env(&|name| {
            pairs
                .iter()
                .find(|(key, _)| *key == name)
                .map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn what_is_written_is_read_back() {
        let settings = ProducerSettings {
            servers: "a:1,b:2".to_owned(),
            topics: vec!["t".to_owned(), "u".to_owned()],
            max_message_bytes: BTreeMap::from([("t".to_owned(), 5_242_880), ("u".to_owned(), 0)]),
            keys_random: false,
            listen: SocketAddr::from(([0, 0, 0, 0], PRODUCER_PORT)),
            probes: Some(SocketAddr::from(([0, 0, 0, 0], 8090))),
            instance: Some("p-1".to_owned()),
            load: Some(Load {
                messages_per_second: 50,
                value_bytes: 10,
            }),
        };
        let env = settings.to_env();
        let pairs: Vec<_> = env
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
            .collect();
        assert_eq!(read(&pairs), Ok(settings));
        assert!(
            read(&[("KAFKA_SERVERS", "localhost:9092")])
                .expect("enough by hand")
                .keys_random
        );
    }

    #[test]
    fn errors_name_the_variable() {
        for (pairs, expected) in [
            (vec![], "KAFKA_SERVERS is not set"),
            (
                vec![("KAFKA_SERVERS", "a:1"), ("MESSAGE_KEYS_RANDOM", "maybe")],
                "MESSAGE_KEYS_RANDOM is `maybe`",
            ),
            (
                vec![
                    ("KAFKA_SERVERS", "a:1"),
                    ("KAFKA_PRACTICE_MAX_MESSAGE_BYTES", "t=5Mi"),
                ],
                "KAFKA_PRACTICE_MAX_MESSAGE_BYTES is `t=5Mi`: write the limit of each topic as topic=bytes",
            ),
            (
                vec![
                    ("KAFKA_SERVERS", "a:1"),
                    ("KAFKA_PRACTICE_MAX_MESSAGE_BYTES", "t=1,5242880"),
                ],
                "such as my-topic=5242880",
            ),
            (
                vec![
                    ("KAFKA_SERVERS", "a:1"),
                    ("KAFKA_TOPIC", "t"),
                    ("KAFKA_PRACTICE_LOAD_MESSAGES_PER_SECOND", "10001"),
                ],
                "from 0 to 10000",
            ),
            (
                vec![
                    ("KAFKA_SERVERS", "a:1"),
                    ("KAFKA_PRACTICE_LOAD_MESSAGES_PER_SECOND", "1"),
                ],
                "KAFKA_TOPIC is not set",
            ),
        ] {
            let error = read(&pairs).expect_err(expected).to_string();
            assert!(error.contains(expected), "{error}");
        }
    }
}
