//! Who is told of each call to Kafka. In: a call that is over. Out: nothing; whoever listens counts.

use std::{fmt, sync::Arc, time::Duration};

use practice_groups::KafkaError;

/// One call to a Kafka that is over. It may have been several requests, to several brokers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Call {
    /// What was asked: the name of the function.
    pub name: &'static str,
    /// `ok`, or what kept it from being done, in a word.
    pub result: &'static str,
    /// How long it took.
    pub took: Duration,
}

/// Is told of each call; cheap to clone. By default nobody.
#[derive(Clone, Default)]
pub struct Listener(Option<Arc<dyn Fn(Call) + Send + Sync>>);

impl Listener {
    /// `hear` is called after each call, on its task: it must not wait.
    pub fn new(hear: impl Fn(Call) + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(hear)))
    }

    /// Tells it.
    pub fn hear(&self, call: Call) {
        if let Some(hear) = &self.0 {
            hear(call);
        }
    }
}

impl fmt::Debug for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Listener").field(&self.0.is_some()).finish()
    }
}

/// What became of a call, in a word: one of a few, for labels.
pub(crate) fn word<T>(result: &Result<T, KafkaError>) -> &'static str {
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
