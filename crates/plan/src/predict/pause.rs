//! How long partitions will have no owner. In: the change to a group, its assignor, how many partitions move. Out: how many
//! partitions, about how long, and why. Pure.
//!
//! The times were measured with the worker and rounded up: members of a Classic group learn of a rebalance at their next
//! heartbeat (0.15 to 0.48 s at 500 ms, 1.6 to 3 s at 3 s: docs/decisions/0004), those of a KIP-848 group at the broker's (4.9 s
//! at Kafka's 5 s).

use std::time::Duration;

use practice_contract::{Assignor, Protocol, duration};

use super::{Broker, GroupChange, Pause, Span};
use crate::plan::GroupPlan;

/// Processes stop and start, and a broker waits for more members before it assigns partitions of an empty Classic group
/// (`group.initial.rebalance.delay.ms`, 3 s).
const CLASSIC_FROM_EMPTY: Duration = Duration::from_secs(5);
/// The same for KIP-848, in heartbeats: members get partitions two heartbeats after they join.
const CONSUMER_FROM_EMPTY: u32 = 2;

/// The facts about a change that decide the pause.
#[derive(Debug, Clone, Copy)]
pub(super) struct Facts<'a> {
    pub(super) change: GroupChange,
    /// The plan whose assignor is in effect during the change: the new one if the group is switched, otherwise the former one.
    pub(super) group: &'a GroupPlan,
    /// Consumers that stop.
    pub(super) stops: usize,
    /// Consumers afterwards.
    pub(super) to: usize,
    /// Partitions that have an owner now; `None`: unknown.
    pub(super) owned: Option<usize>,
    /// How many of them move; `None`: unknown.
    pub(super) moves: Option<&'a Span>,
}

/// The pause of a group; `None`: no partition loses its owner, or their number is unknown.
pub(super) fn pause(facts: Facts<'_>, broker: Broker) -> Option<Pause> {
    let Facts {
        change,
        group,
        stops,
        to,
        owned,
        moves,
    } = facts;
    let consumer = group.protocol == Protocol::Consumer;
    let settings = group.rows.first().map(|row| &row.settings);
    let heartbeat = if consumer {
        broker.heartbeat
    } else {
        settings.map(|settings| settings.heartbeat_interval)?
    };
    let session = if consumer {
        broker.session
    } else {
        settings.map(|settings| settings.session_timeout)?
    };
    let about = |time: Duration| Some(millis(time));
    let noticed = (stops > 0).then(|| millis(session));
    let all = |about_ms, why: &str| {
        let of = owned.filter(|owned| *owned > 0)?;
        Some(Pause {
            least: of,
            most: of,
            about_ms,
            why: why.to_owned(),
            noticed_after_ms: None,
        })
    };
    match change {
        GroupChange::New | GroupChange::Started | GroupChange::Stays => None,
        GroupChange::Gone => all(None, "no member is left; its committed offsets stay"),
        GroupChange::Stopped => all(
            None,
            "until it is started again; its committed offsets stay",
        ),
        GroupChange::Switched => {
            let time = if consumer {
                broker.heartbeat * CONSUMER_FROM_EMPTY
            } else {
                CLASSIC_FROM_EMPTY
            };
            all(
                about(time),
                "all members stop before new ones start: members with different protocols or assignors cannot share a group",
            )
        }
        _ if to == 0 => all(None, "no consumer is left; its committed offsets stay"),
        GroupChange::Scaled | GroupChange::Rollout | GroupChange::Rebalanced => {
            let eager =
                !consumer && matches!(group.assignor, Assignor::Range | Assignor::RoundRobin);
            if eager {
                let of = owned.filter(|owned| *owned > 0)?;
                let why = format!(
                    "{} is eager: at each rebalance every member revokes all partitions until all members have rejoined (heartbeatInterval {})",
                    group.assignor,
                    duration::print(heartbeat)
                );
                return Some(Pause {
                    least: of,
                    most: of,
                    about_ms: about(heartbeat),
                    why,
                    noticed_after_ms: noticed,
                });
            }
            let moves = moves.filter(|moves| moves.most > 0)?;
            let why = if consumer {
                format!(
                    "{}: only partitions that move; the broker's heartbeat interval is {}",
                    group.assignor,
                    duration::print(heartbeat)
                )
            } else {
                format!(
                    "{}: only partitions that move (heartbeatInterval {})",
                    group.assignor,
                    duration::print(heartbeat)
                )
            };
            let (least, most) = (moves.least, moves.most);
            Some(Pause {
                least,
                most,
                about_ms: about(heartbeat),
                why,
                noticed_after_ms: noticed,
            })
        }
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
