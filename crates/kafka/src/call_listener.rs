//! A callback for each call to Kafka, for metrics. In: a finished call. Out: nothing.

use std::{fmt, sync::Arc, time::Duration};

use practice_groups::KafkaError;

/// The name of every call.
pub const CALLS: [&str; 12] = [
    "configure_topic",
    "create_topic",
    "delete_topic",
    "group_ids",
    "groups",
    "grow_topic",
    "has_consumer_protocol",
    "last_stable_offsets",
    "observe",
    "open_transactions",
    "pin_start",
    "topic_config",
];

/// One finished call to a Kafka. It may have been several requests, to several brokers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Call {
    /// Name of the function.
    pub name: &'static str,
    /// `ok`, or a label for the error.
    pub result: &'static str,
    /// Duration of the call.
    pub took: Duration,
}

/// A callback that receives each call; cheap to clone. The default one does nothing.
#[derive(Clone, Default)]
pub struct Listener(Option<Arc<dyn Fn(Call) + Send + Sync>>);

impl Listener {
    /// `on_call` runs after each call, on the task of the call: it must not block.
    pub fn new(on_call: impl Fn(Call) + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(on_call)))
    }

    /// Passes a call to the callback.
    pub fn notify(&self, call: Call) {
        if let Some(on_call) = &self.0 {
            on_call(call);
        }
    }
}

impl fmt::Debug for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Listener").field(&self.0.is_some()).finish()
    }
}

/// The label of a call's result, from a small fixed set.
pub(crate) fn result_label<T>(result: &Result<T, KafkaError>) -> &'static str {
    match result {
        Ok(_) => "ok",
        Err(KafkaError::Unreachable) => "unreachable",
        Err(KafkaError::Refused) => "refused",
        Err(KafkaError::TimedOut) => "timed_out",
        Err(KafkaError::Authentication) => "authentication",
        Err(KafkaError::Answered { .. } | KafkaError::Denied { .. }) => "answered_no",
        Err(KafkaError::Protocol(_)) => "protocol",
    }
}
