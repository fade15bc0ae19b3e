//! Whether a message is in its topic, as far as librdkafka knows. In: the message of a delivery report. Out: its status.
//! rust-rdkafka does not pass this status on, so the one function here calls librdkafka, with the only `unsafe` of the workspace
//! (docs/decisions/0007). Deliberately absent: error codes and what they mean.

use rdkafka::{
    bindings::{rd_kafka_message_status, rd_kafka_msg_status_t as Status},
    message::BorrowedMessage,
};

/// Whether a message is in its topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Persisted {
    /// It was never sent, or each broker that got it refused it: sending it again cannot store it twice.
    No,
    /// It was sent at least once without an answer that proves either.
    Possibly,
    /// A broker acknowledged it.
    Yes,
}

impl Persisted {
    /// The status of a message in a delivery report. It covers all attempts: a message that was possibly persisted by one stays
    /// so, whatever ends the next one (a refusal, a timeout in the queue, a purge).
    #[expect(
        unsafe_code,
        reason = "rust-rdkafka 0.39 has no call for the status of a message"
    )]
    pub fn of(message: &BorrowedMessage<'_>) -> Self {
        // SAFETY: rust-rdkafka makes a `BorrowedMessage` only from a message that librdkafka returned, and the `BorrowedMessage` keeps
        // the event alive that owns it. So the pointer is valid during the call, which reads one field of the message and keeps
        // nothing. librdkafka assigns only the three values of this enum to that field.
        let status = unsafe { rd_kafka_message_status(message.ptr()) };
        match status {
            Status::RD_KAFKA_MSG_STATUS_NOT_PERSISTED => Self::No,
            Status::RD_KAFKA_MSG_STATUS_POSSIBLY_PERSISTED => Self::Possibly,
            Status::RD_KAFKA_MSG_STATUS_PERSISTED => Self::Yes,
        }
    }
}

#[cfg(test)]
mod tests;
