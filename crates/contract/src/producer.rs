//! A producer's settings. In and out: its environment.

use std::net::SocketAddr;

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

/// Everything that a producer needs to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProducerSettings {
    /// `host:port[,host:port...]`.
    pub servers: String,
    /// The topics that may be sent to. Empty (by hand only): any topic that exists.
    pub topics: Vec<String>,
    /// Whether a message without a key gets a random UUID as its key.
    pub keys_random: bool,
    /// Where HTTP is served.
    pub listen: SocketAddr,
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
            keys_random: read.parsed(env::KEYS_RANDOM, env::boolean)?.unwrap_or(true),
            listen: read
                .parsed(env::LISTEN, env::listen)?
                .unwrap_or(SocketAddr::from(([127, 0, 0, 1], PRODUCER_PORT))),
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
        env.push((env::KEYS_RANDOM, self.keys_random.to_string()));
        env.push((env::LISTEN, self.listen.to_string()));
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
            keys_random: false,
            listen: SocketAddr::from(([0, 0, 0, 0], PRODUCER_PORT)),
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
