//! Why a consumer does not join its group. Its launcher writes the reason into its environment, so that it holds also for a
//! consumer that another client starts.

use serde::{Deserialize, Serialize};

/// Why a group has no consumers although its spec has replicas.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Hold {
    /// The spec stops the group.
    Stopped,
    /// All members stop before members with another protocol or assignor start.
    Switching,
    /// The consumers may not use the group id: it is not known yet to be free, or this Kafka does not support the protocol.
    Unclaimed,
}

impl Hold {
    /// The word for a hold; `None` for none. It is always written: a variable that is left out stays if another client owns it.
    pub fn word(hold: Option<Self>) -> &'static str {
        match hold {
            None => "None",
            Some(Self::Stopped) => "Stopped",
            Some(Self::Switching) => "Switching",
            Some(Self::Unclaimed) => "Unclaimed",
        }
    }

    /// The hold of a word.
    ///
    /// # Errors
    /// The legal words.
    pub fn parse(word: &str) -> Result<Option<Self>, &'static str> {
        let all = [
            None,
            Some(Self::Stopped),
            Some(Self::Switching),
            Some(Self::Unclaimed),
        ];
        all.into_iter()
            .find(|hold| Self::word(*hold) == word)
            .ok_or("write None to join the group, or Stopped, Switching or Unclaimed")
    }

    /// What is true of the group, in messages: `group g is Stopped`.
    pub fn phrase(self) -> &'static str {
        match self {
            Self::Stopped => "is Stopped",
            Self::Switching => "is changing its protocol or assignor",
            Self::Unclaimed => "does not own its group id",
        }
    }
}
