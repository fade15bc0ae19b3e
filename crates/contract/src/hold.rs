//! Why a consumer does not join its group. Its launcher writes the reason into its environment, so that it holds also for a
//! consumer that another client starts.

use std::{fmt, str::FromStr};

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
    /// What is true of the group, in messages: `group g is Stopped`.
    pub fn phrase(self) -> &'static str {
        match self {
            Self::Stopped => "is Stopped",
            Self::Switching => "is changing its protocol or assignor",
            Self::Unclaimed => "does not own its group id",
        }
    }
}

impl fmt::Display for Hold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Stopped => "Stopped",
            Self::Switching => "Switching",
            Self::Unclaimed => "Unclaimed",
        })
    }
}

impl FromStr for Hold {
    type Err = &'static str;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "Stopped" => Ok(Self::Stopped),
            "Switching" => Ok(Self::Switching),
            "Unclaimed" => Ok(Self::Unclaimed),
            _ => Err(
                "write Stopped, Switching or Unclaimed, or remove the variable to join the group",
            ),
        }
    }
}
