//! Which groups have handled which messages, and how often. Pure. In: the messages (`sent`), the groups that read their topic with the
//! owners of partitions, and what consumers have answered (`ledgers`). Out: for each group who has handled how many messages when, and
//! every message that was not handled exactly once, with the reason. Where it cannot be known, the result says so and names the consumer.

mod ledgers;
mod sent;
mod sweep;

use std::fmt;

use crate::by_partition::{At, ByPartition};
use sweep::segments;

pub use ledgers::{BlindSpot, Blindness, GoneConsumer, HandledAnswer, HandledRound, Ledgers};
pub use sent::{SentMessages, SentRange};

/// A group that may have to handle the messages.
#[derive(Debug, Clone)]
pub struct ReadingGroup {
    /// Its name.
    pub name: String,
    /// Whether it has to.
    pub state: ReadingState,
    /// The owner of each partition, as Kafka reported it before the consumers were asked.
    pub owners: ByPartition<PartitionOwner>,
}

/// Whether a group has to handle the messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReadingState {
    /// It has consumers.
    Running,
    /// It has none, for a reason: `stopped`.
    NotRunning(String),
    /// It does not read their topic.
    OtherTopics,
}

/// A partition in a group.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PartitionOwner {
    /// Name of the consumer that owns it.
    pub consumer: Option<String>,
    /// The group's committed offset; `None`: there is no commit, or it is unknown.
    pub committed: Option<i64>,
}

/// What is known of one group and all messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupHandling {
    /// The group.
    pub group: String,
    /// Whether it has to handle them.
    pub state: ReadingState,
    /// Messages that were handled exactly once.
    pub once: u64,
    /// Messages that were handled twice or more often.
    pub several: u64,
    /// Messages that were not handled yet.
    pub missing: u64,
    /// Messages of which one of these cannot be known.
    pub unknown: u64,
    /// Who has handled them, in the order of their first message.
    pub consumers: Vec<ConsumerHandling>,
    /// Every message that was not handled exactly once, by partition and offset; equal neighbours are one.
    pub exceptions: Vec<HandlingException>,
    /// More may be known later: messages are missing, or a consumer has not answered.
    pub is_open: bool,
}

/// The messages that one consumer has handled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConsumerHandling {
    /// Its name.
    pub consumer: String,
    /// How many handlings of these messages are known: one that it handled twice counts twice.
    pub messages: u64,
    /// When it took the first one, milliseconds since the epoch.
    pub taken_at: i64,
    /// When it had handled the last one.
    pub done_at: i64,
}

/// Messages at neighbouring offsets that were not handled exactly once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HandlingException {
    /// Their topic.
    pub topic: String,
    /// Their partition.
    pub partition: i32,
    /// Offset of the first one.
    pub from: i64,
    /// Offset of the last one; each offset from `from` on is a message.
    pub to: i64,
    /// What happened instead.
    pub what: Unexpected,
}

/// What happened instead of being handled exactly once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unexpected {
    /// Handled twice or more often, each handling in the order of time.
    Several(Vec<Handling>),
    /// Not handled yet.
    Missing(MissingReason),
    /// It cannot be known.
    Unknown {
        /// The handlings that are known.
        handled: Vec<Handling>,
        /// Why there may be others, or none.
        why: UnknownReason,
    },
}

/// One handling of a message, or of neighbouring ones.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Handling {
    /// Name of the consumer.
    pub consumer: String,
    /// When it took the first one, milliseconds since the epoch.
    pub taken_at: i64,
    /// When it had handled the last one, or up to a tenth of a second later.
    pub done_at: i64,
    /// Whether a commit that covers them was confirmed.
    pub committed: bool,
}

/// Why a message is not handled yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MissingReason {
    /// The group has no consumers, for a reason: `stopped`.
    NotRunning(String),
    /// No consumer owns the partition.
    NoOwner {
        /// The partition.
        partition: i32,
    },
    /// Its owner has not come to it.
    Waiting {
        /// The partition.
        partition: i32,
        /// Name of the consumer.
        owner: String,
        /// The group's committed offset.
        committed: Option<i64>,
    },
    /// Its owner does not answer: `is paused`. It may have handled the message.
    Silent {
        /// The partition.
        partition: i32,
        /// Name of the consumer.
        owner: String,
        /// Why it does not answer.
        why: String,
    },
    /// Kafka has not reported who owns the partition.
    OwnerUnknown {
        /// The partition.
        partition: i32,
    },
}

impl fmt::Display for MissingReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotRunning(why) => f.write_str(why),
            Self::NoOwner { partition } => write!(f, "partition {partition} has no owner"),
            Self::Waiting {
                partition,
                owner,
                committed,
            } => {
                write!(f, "partition {partition}: {owner} owns it")?;
                match committed {
                    Some(offset) => write!(f, ", committed offset {offset}"),
                    None => f.write_str(", no commit yet"),
                }
            }
            Self::Silent {
                partition,
                owner,
                why,
            } => write!(f, "partition {partition}: its owner {owner} {why}"),
            Self::OwnerUnknown { partition } => {
                write!(f, "partition {partition}: owner not reported yet")
            }
        }
    }
}

/// Why the number of handlings cannot be known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UnknownReason {
    /// Consumers of which it is unknown what they have handled.
    Blind(Vec<BlindSpot>),
    /// No known consumer has handled the message, and the group's committed offset is past it.
    Passed {
        /// The committed offset.
        committed: i64,
        /// Consumers that may have handled it.
        blind: Vec<BlindSpot>,
    },
    /// A consumer has handled fewer messages than a range has offsets, as after compaction or with transactions. Which ones is unknown.
    Gaps {
        /// Name of the consumer.
        consumer: String,
        /// First offset of the range.
        from: i64,
        /// Last offset of the range.
        to: i64,
        /// Messages of the range that it has handled.
        count: u64,
    },
}

impl GroupHandling {
    /// Whether the group had to handle the messages, and has handled each exactly once.
    pub fn is_exact(&self) -> bool {
        self.state != ReadingState::OtherTopics
            && self.several + self.missing + self.unknown == 0
            && !self.is_open
    }

    /// Whether it is worth waiting for: it has consumers, and more may be known later.
    pub fn is_awaited(&self) -> bool {
        self.state == ReadingState::Running && self.is_open
    }
}

/// What is known of each group.
pub fn handling(
    sent: &SentMessages,
    groups: &[ReadingGroup],
    ledgers: &Ledgers,
) -> Vec<GroupHandling> {
    let each = groups.iter();
    each.map(|group| group_handling(sent, group, ledgers))
        .collect()
}

fn group_handling(sent: &SentMessages, group: &ReadingGroup, ledgers: &Ledgers) -> GroupHandling {
    let mut result = GroupHandling {
        group: group.name.clone(),
        state: group.state.clone(),
        once: 0,
        several: 0,
        missing: 0,
        unknown: 0,
        consumers: Vec::new(),
        exceptions: Vec::new(),
        is_open: false,
    };
    if group.state == ReadingState::OtherTopics {
        return result;
    }
    let blind = ledgers.blind(&group.name);
    for (at, ranges) in sent.iter() {
        let owner = group.owners.get(at);
        let committed = owner.and_then(|owner| owner.committed);
        let pieces: Vec<_> = ledgers.pieces(&group.name, at).collect();
        for segment in segments(ranges, &pieces, committed) {
            segment.count_consumers(&mut result.consumers);
            let what = segment.judged(at, group, &blind);
            result.count(at, &segment, what);
        }
    }
    result.consumers.sort_by_key(|consumer| consumer.taken_at);
    result
}

impl GroupHandling {
    /// Counts a segment, and lists it unless all is as expected.
    fn count(
        &mut self,
        at: At<'_>,
        segment: &sweep::Segment<'_>,
        (what, open): (Option<Unexpected>, bool),
    ) {
        let messages = segment.messages();
        self.is_open |= open;
        let Some(what) = what else {
            self.once += messages;
            return;
        };
        match &what {
            Unexpected::Several(_) => self.several += messages,
            Unexpected::Missing(_) => self.missing += messages,
            Unexpected::Unknown { .. } => self.unknown += messages,
        }
        if let Some(last) = self.exceptions.last_mut()
            && (last.topic.as_str(), last.partition) == at
            && last.to + 1 == segment.from
            && last.what.absorb(&what)
        {
            last.to = segment.to;
            return;
        }
        self.exceptions.push(HandlingException {
            topic: at.0.to_owned(),
            partition: at.1,
            from: segment.from,
            to: segment.to,
            what,
        });
    }
}

impl Unexpected {
    /// Takes in what happened to the next message, if it is the same but for its times.
    fn absorb(&mut self, next: &Self) -> bool {
        match (self, next) {
            (Self::Several(known), Self::Several(next)) => absorb_all(known, next),
            (
                Self::Unknown { handled, why },
                Self::Unknown {
                    handled: next,
                    why: other,
                },
            ) => why == other && absorb_all(handled, next),
            (Self::Missing(this), Self::Missing(that)) => this == that,
            _ => false,
        }
    }
}

fn absorb_all(known: &mut [Handling], next: &[Handling]) -> bool {
    let is_same = |(one, other): (&Handling, &Handling)| {
        (&one.consumer, one.committed) == (&other.consumer, other.committed)
    };
    if known.len() != next.len() || !known.iter().zip(next).all(is_same) {
        return false;
    }
    for (one, other) in known.iter_mut().zip(next) {
        one.taken_at = one.taken_at.min(other.taken_at);
        one.done_at = one.done_at.max(other.done_at);
    }
    true
}

#[cfg(test)]
mod tests;
