//! How long partitions will be without an owner. In: what happens to a group, how it is divided, how many partitions move. Out:
//! how many of them, about how long, and why. Pure.
//!
//! The times are what was measured with the worker, rounded up: members of a Classic group learn of a rebalance at their next
//! heartbeat (0.15 to 0.48 s at 500 ms, 1.6 to 3 s at 3 s: docs/decisions/0004), those of a KIP-848 group at the broker's (4.9 s
//! at Kafka's 5 s).

use std::time::Duration;

use practice_contract::{Assignor, Protocol, duration};

use super::{Broker, GroupChange, Pause, Span};
use crate::plan::GroupPlan;

/// Processes end and start, and a broker waits for more members before it divides an empty Classic group
/// (`group.initial.rebalance.delay.ms`, 3 s).
const CLASSIC_FROM_EMPTY: Duration = Duration::from_secs(5);
/// The same for KIP-848: members are given something two heartbeats after they have joined.
const CONSUMER_FROM_EMPTY: u32 = 2;

/// What happens to a group.
#[derive(Debug, Clone, Copy)]
pub(super) struct Facts<'a> {
    pub(super) change: GroupChange,
    /// As it divides partitions while that happens: as it will be when it is switched, as it is otherwise.
    pub(super) group: &'a GroupPlan,
    /// Consumers that stop.
    pub(super) stops: usize,
    /// Consumers afterwards.
    pub(super) to: usize,
    /// Partitions that have an owner now; `None`: not known.
    pub(super) owned: Option<usize>,
    /// How many of them move; `None`: not known.
    pub(super) moves: Option<&'a Span>,
}

/// The pause of a group; `None`: no partition loses its owner, or how many do is not known.
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
        GroupChange::Gone => all(
            None,
            "nobody of the group is left; its committed offsets stay",
        ),
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
                "all stop before the first starts: members that differ in it cannot share a group",
            )
        }
        _ if to == 0 => all(None, "no consumer is left; its committed offsets stay"),
        GroupChange::Scaled | GroupChange::Rollout | GroupChange::Rebalanced => {
            let eager =
                !consumer && matches!(group.assignor, Assignor::Range | Assignor::RoundRobin);
            if eager {
                let of = owned.filter(|owned| *owned > 0)?;
                let why = format!(
                    "{} is eager: at each rebalance every member gives up everything until all have joined again (heartbeatInterval {})",
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
                    "{}: only what moves; the broker's heartbeat is {}",
                    group.assignor,
                    duration::print(heartbeat)
                )
            } else {
                format!(
                    "{}: only what moves (heartbeatInterval {})",
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
