//! Cuts ranges of sent messages where the ranges of handled ones begin and end. In: both, of one partition. Out: segments, each with who has
//! handled all its messages, and what that means. A segment costs as much as it has handlers, so thousands of ranges are swept once.

use crate::by_partition::At;

use super::{
    ConsumerHandling, Handling, MissingReason, PartitionOwner, ReadingGroup, ReadingState,
    Unexpected, UnknownReason,
    ledgers::{Blind, BlindSpot, Blindness, Piece},
    sent::{SentRange, offsets},
};

/// Sent messages at neighbouring offsets with the same handlers.
pub(super) struct Segment<'a> {
    pub(super) from: i64,
    pub(super) to: i64,
    /// When the earliest message of its range was produced.
    produced_at: Option<i64>,
    /// Who has handled every one of them, in the order of time.
    whole: Vec<Piece<'a>>,
    /// Who has handled some of them.
    partial: Vec<Piece<'a>>,
    /// The committed offset, if it is past them.
    passed: Option<i64>,
}

/// A range of which every offset was handled, or one with gaps.
#[derive(Clone, Copy)]
struct Cover<'a> {
    piece: Piece<'a>,
    from: i64,
    to: i64,
    is_whole: bool,
}

/// What is known of each offset of a handled range: its first and last one were handled in any case.
fn covers<'a>(piece: &Piece<'a>) -> Vec<Cover<'a>> {
    let cover = |from, to, is_whole| Cover {
        piece: *piece,
        from,
        to,
        is_whole,
    };
    let all = offsets(piece.from, piece.to);
    if piece.count >= all {
        return vec![cover(piece.from, piece.to, true)];
    }
    let mut covers = vec![cover(piece.from, piece.from, true)];
    if piece.count > 2 {
        covers.push(cover(piece.from + 1, piece.to - 1, false));
    }
    covers.push(cover(piece.to, piece.to, true));
    covers
}

/// The segments of sent ranges, in the order of offsets.
pub(super) fn segments<'a>(
    sent: &[SentRange],
    pieces: &[Piece<'a>],
    committed: Option<i64>,
) -> Vec<Segment<'a>> {
    let mut covers: Vec<Cover<'a>> = pieces.iter().flat_map(covers).collect();
    covers.sort_by_key(|cover| (cover.from, cover.piece.taken_at));
    let mut coming = covers.into_iter().peekable();
    let mut open: Vec<Cover<'a>> = Vec::new();
    let mut segments = Vec::new();
    for range in sent {
        let mut from = range.from;
        while from <= range.to {
            while let Some(cover) = coming.next_if(|cover| cover.from <= from) {
                open.push(cover);
            }
            open.retain(|cover| cover.to >= from);
            let ends = open.iter().map(|cover| cover.to);
            let begins = coming.peek().map(|cover| cover.from - 1);
            let commit = committed.filter(|offset| *offset > from);
            let cuts = ends.chain(begins).chain(commit.map(|offset| offset - 1));
            let to = cuts.fold(range.to, i64::min);
            segments.push(Segment::of(from, to, range, &open, commit));
            from = to + 1;
        }
    }
    segments
}

impl<'a> Segment<'a> {
    fn of(from: i64, to: i64, range: &SentRange, open: &[Cover<'a>], passed: Option<i64>) -> Self {
        let some = |is_whole: bool| {
            let some = open.iter().filter(|cover| cover.is_whole == is_whole);
            let mut pieces: Vec<Piece<'a>> = some.map(|cover| cover.piece).collect();
            pieces.sort_by_key(|piece| piece.done_at);
            pieces
        };
        Self {
            from,
            to,
            produced_at: range.first_at,
            whole: some(true),
            partial: some(false),
            passed,
        }
    }

    /// How many messages it has.
    pub(super) fn messages(&self) -> u64 {
        offsets(self.from, self.to)
    }

    /// Adds its messages to those of the consumers that have handled them.
    pub(super) fn count_consumers(&self, consumers: &mut Vec<ConsumerHandling>) {
        for piece in &self.whole {
            let known = consumers
                .iter_mut()
                .find(|known| known.consumer == piece.consumer);
            match known {
                Some(known) => {
                    known.messages += self.messages();
                    known.taken_at = known.taken_at.min(piece.taken_at);
                    known.done_at = known.done_at.max(piece.done_at);
                }
                None => consumers.push(ConsumerHandling {
                    consumer: piece.consumer.to_owned(),
                    messages: self.messages(),
                    taken_at: piece.taken_at,
                    done_at: piece.done_at,
                }),
            }
        }
    }

    /// What happened to its messages, `None`: each was handled exactly once; and whether more may be known later.
    pub(super) fn judged(
        &self,
        at: At<'_>,
        group: &ReadingGroup,
        blind: &[Blind],
    ) -> (Option<Unexpected>, bool) {
        let known = self.whole.first();
        let is_passed = self.passed.is_some();
        let hiding = blind
            .iter()
            .filter(|blind| blind.hides(self.produced_at, known, is_passed));
        // who has handled it without a commit and is gone: the next owner handles it again
        let is_own = |blind: &Blind| known.is_some_and(|piece| blind.is_of(piece));
        let is_open = hiding
            .clone()
            .any(|blind| blind.is_silent() || is_own(blind));
        let spots = || hiding.clone().map(|blind| blind.spot.clone()).collect();
        let unknown = |why| {
            let handled = self.whole.iter().map(handling).collect();
            (Some(Unexpected::Unknown { handled, why }), is_open)
        };
        match (self.whole.as_slice(), self.partial.first()) {
            ([_, _, ..], _) => {
                let all = self.whole.iter().map(handling).collect();
                (Some(Unexpected::Several(all)), false)
            }
            (_, Some(piece)) => unknown(UnknownReason::Gaps {
                consumer: piece.consumer.to_owned(),
                from: piece.from,
                to: piece.to,
                count: piece.count,
            }),
            ([_], None) => {
                let spots: Vec<BlindSpot> = spots();
                if spots.is_empty() {
                    (None, false)
                } else {
                    unknown(UnknownReason::Blind(spots))
                }
            }
            ([], None) => {
                if let Some(committed) = self.passed {
                    let blind = spots();
                    return unknown(UnknownReason::Passed { committed, blind });
                }
                let why = missing(at.1, group, group.owners.get(at), &spots());
                (Some(Unexpected::Missing(why)), true)
            }
        }
    }
}

fn handling(piece: &Piece<'_>) -> Handling {
    Handling {
        consumer: piece.consumer.to_owned(),
        taken_at: piece.taken_at,
        done_at: piece.done_at,
        committed: piece.committed.is_some(),
    }
}

fn missing(
    partition: i32,
    group: &ReadingGroup,
    owner: Option<&PartitionOwner>,
    blind: &[BlindSpot],
) -> MissingReason {
    if let ReadingState::NotRunning(why) = &group.state {
        return MissingReason::NotRunning(why.clone());
    }
    let Some(PartitionOwner {
        consumer,
        committed,
    }) = owner
    else {
        return MissingReason::OwnerUnknown { partition };
    };
    let Some(owner) = consumer.clone() else {
        return MissingReason::NoOwner { partition };
    };
    let silence = blind.iter().find_map(|spot| match &spot.why {
        Blindness::Silent(why) if spot.consumer == owner => Some(why.clone()),
        _ => None,
    });
    match silence {
        Some(why) => MissingReason::Silent {
            partition,
            owner,
            why,
        },
        None => MissingReason::Waiting {
            partition,
            owner,
            committed: *committed,
        },
    }
}
