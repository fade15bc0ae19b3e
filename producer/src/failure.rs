//! Why a message was not acknowledged. In: how the Kafka client ended it, and what is known about its topic. Out: the answer. Only
//! librdkafka's status decides between 503 and 504: 503 promises that the message is not in the topic, and no error code alone
//! proves that, because it belongs to the last attempt only.

use practice_contract::{denied, producer::MAX_MESSAGE_BYTES};
use practice_delivery::Persisted;
use rdkafka::types::RDKafkaErrorCode as Code;

use crate::{
    error::Problem,
    send::{DELIVERY, LARGEST_LIMIT},
    topics::Topics,
};

/// How the Kafka client ended a message that is not acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Failure {
    /// The end of the last attempt.
    pub(crate) code: Code,
    /// The result of all attempts.
    pub(crate) persisted: Persisted,
    /// The message's partition; `None`: none was chosen.
    pub(crate) partition: Option<i32>,
}

impl Failure {
    /// A message that was never queued.
    pub(crate) fn before_sending(code: Code) -> Self {
        Self {
            code,
            persisted: Persisted::No,
            partition: None,
        }
    }

    /// The answer to the request.
    pub(crate) fn problem(self, sent: &Attempted<'_>, topics: &Topics) -> Problem {
        if self.is_doubtful() {
            return Problem::Unknown(self.reason(sent, topics));
        }
        match self.code {
            Code::MessageSizeTooLarge | Code::InvalidMessageSize | Code::MessageBatchTooLarge => {
                too_large(sent, topics)
            }
            Code::InvalidRecord => Problem::field(
                "key",
                format!(
                    "Kafka refuses the message for topic `{}`: a compacted topic needs a key; set one",
                    sent.topic
                ),
            ),
            _ => Problem::NotPersisted(self.reason(sent, topics)),
        }
    }

    /// Whether the message may be in the topic. The broker's code `UNKNOWN_SERVER_ERROR` is no refusal: the error may have come
    /// after the append, although librdkafka counts the message as not persisted.
    fn is_doubtful(self) -> bool {
        self.persisted != Persisted::No || self.code == Code::Unknown
    }

    fn reason(self, sent: &Attempted<'_>, topics: &Topics) -> String {
        let topic = sent.topic;
        match self.code {
            Code::QueueFull => "too many messages wait for Kafka".to_owned(),
            Code::PurgeQueue | Code::PurgeInflight if self.persisted == Persisted::No => {
                "this producer ends before Kafka got the message".to_owned()
            }
            Code::PurgeQueue | Code::PurgeInflight => {
                "this producer ends before Kafka acknowledged the message".to_owned()
            }
            Code::BrokerDestroy => "this producer ended".to_owned(),
            Code::AllBrokersDown => "Kafka cannot be reached".to_owned(),
            Code::UnknownTopic | Code::UnknownTopicOrPartition | Code::UnknownPartition => {
                format!("topic `{topic}` or this partition of it does not exist in Kafka now")
            }
            Code::TopicAuthorizationFailed => denied_on("Write", topic),
            Code::ClusterAuthorizationFailed => {
                let denied = denied("IdempotentWrite", "the cluster, or Write on the topic");
                format!("topic `{topic}`: {denied}")
            }
            Code::Fatal => "the Kafka client has failed and is being restarted".to_owned(),
            code if waited_for_the_leader(code) => self
                .partition
                .filter(|_| sent.reachable)
                .and_then(|partition| topics.replica_fault(topic, partition))
                .unwrap_or_else(|| {
                    let within = DELIVERY.as_secs();
                    if sent.reachable {
                        format!("Kafka has not acknowledged the message within {within} s")
                    } else {
                        format!("Kafka could not be reached within {within} s")
                    }
                }),
            code => format!("Kafka has not acknowledged the message: {code}"),
        }
    }
}

/// Whether the client tried again until the message's time was over.
fn waited_for_the_leader(code: Code) -> bool {
    matches!(
        code,
        Code::MessageTimedOut
            | Code::RequestTimedOut
            | Code::NotEnoughReplicas
            | Code::NotEnoughReplicasAfterAppend
            | Code::LeaderNotAvailable
            | Code::NotLeaderForPartition
    )
}

/// A message that was to be sent.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Attempted<'a> {
    /// Its topic.
    pub(crate) topic: &'a str,
    /// Size of a batch that has this message alone, in bytes.
    pub(crate) bytes: usize,
    /// Whether Kafka can be reached now.
    pub(crate) reachable: bool,
}

/// Kafka's access control denies an operation on `topic`. A producer needs Write, which includes Describe.
pub(crate) fn denied_on(operation: &str, topic: &str) -> String {
    let denied = denied(operation, &format!("topic {topic}"));
    format!("topic `{topic}`: {denied}; a producer needs Write, which includes Describe")
}

/// Kafka or its client refused a message because of its size.
fn too_large(sent: &Attempted<'_>, topics: &Topics) -> Problem {
    let Attempted { topic, bytes, .. } = sent;
    let own = topics.client_limit();
    let fix = format!(
        "make value and key shorter, or raise `{MAX_MESSAGE_BYTES}` of the topic (spec.topics[].config in the manifest)"
    );
    let takes = format!(
        "the message is larger than topic `{topic}` accepts: with Kafka's headers it has {bytes} bytes"
    );
    match topics.limit(topic).filter(|limit| *limit <= own) {
        // Kafka limits a batch, and the client had put several messages into one
        Some(limit) if *bytes <= limit => Problem::NotPersisted(format!(
            "topic `{topic}` refused a batch of this message and others: its {MAX_MESSAGE_BYTES} is {limit}"
        )),
        Some(limit) => Problem::TooLarge(format!("{takes}, {MAX_MESSAGE_BYTES} is {limit}; {fix}")),
        None if *bytes <= own => {
            Problem::TooLarge(format!("{takes}, more than its {MAX_MESSAGE_BYTES}; {fix}"))
        }
        None => Problem::TooLarge(format!(
            "with Kafka's headers the message has {bytes} bytes, this producer sends at most {own}: make value and key shorter, or set `{MAX_MESSAGE_BYTES}` of topic `{topic}` in the manifest (spec.topics[].config), at most {LARGEST_LIMIT} here"
        )),
    }
}

/// Size of a batch that has one message, in bytes: what `max.message.bytes` limits.
/// See <https://kafka.apache.org/documentation/#recordbatch>.
pub(crate) fn batch_bytes(key: Option<usize>, value: usize) -> usize {
    const HEADER: usize = 61;
    // attributes, time and offset in the batch, and the number of headers are a byte each; so is the size of a key that is null
    let record = 4 + key.map_or(1, sized) + sized(value);
    HEADER + sized(record)
}

/// Bytes of a field with its size before it, a zigzag varint of 7 bits a byte.
fn sized(bytes: usize) -> usize {
    let bits = usize::BITS - (bytes * 2).leading_zeros();
    bits.div_ceil(7).max(1) as usize + bytes
}

#[cfg(test)]
mod tests;
