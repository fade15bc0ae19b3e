//! What the consumers of groups have answered about handled messages, over several rounds of questions. In: their `/handled`, who did not
//! answer, which consumers are gone. Out: what each process has handled, and of what it is unknown whether a process has handled it.
//! What a process has answered is kept when it ends.

use std::collections::BTreeMap;

use practice_contract::handled::{Handled, HandledRange};

use crate::by_partition::{At, ByPartition};

/// All answers of one round of questions.
#[derive(Debug, Clone, Default)]
pub struct HandledRound {
    /// Of every consumer that runs.
    pub answers: Vec<HandledAnswer>,
    /// Consumers that are known to have ended; those of former rounds may be repeated.
    pub gone: Vec<GoneConsumer>,
}

/// A consumer that runs.
#[derive(Debug, Clone)]
pub struct HandledAnswer {
    /// Its group.
    pub group: String,
    /// Its name.
    pub consumer: String,
    /// What it has handled of all partitions that it was asked about, or why it has not answered: `is paused`.
    pub answer: Result<Handled, String>,
}

/// A process of a consumer that has ended. Another one may have the same name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GoneConsumer {
    /// Its group.
    pub group: String,
    /// Its name.
    pub consumer: String,
    /// When it ended, or a while later when that was noticed, milliseconds since the epoch; `None`: unknown. A whole second is one that was
    /// rounded down, as the kubelet does.
    pub at: Option<i64>,
    /// What happened to it: `was deleted`.
    pub how: String,
}

/// A process of which it is unknown whether it has handled a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlindSpot {
    /// Name of the consumer.
    pub consumer: String,
    /// Why it is unknown.
    pub why: Blindness,
}

/// Why it is unknown what a process has handled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Blindness {
    /// The process has ended, so that nothing can be asked any more.
    Gone {
        /// What happened to it: `was deleted`.
        how: String,
        /// When, milliseconds since the epoch.
        at: Option<i64>,
    },
    /// It runs and has not answered in the last round: `is paused`. It may answer later.
    Silent(String),
    /// It remembers only what it has handled since then, milliseconds since the epoch.
    Forgotten(i64),
}

/// The answers so far.
#[derive(Debug, Clone, Default)]
pub struct Ledgers {
    /// Counts the rounds from 1.
    round: u32,
    /// By group, consumer and start of the process.
    processes: BTreeMap<(String, String, i64), Ledger>,
    /// Who did not answer in the last round, and why, by group and consumer.
    silent: BTreeMap<(String, String), String>,
    gone: Vec<GoneConsumer>,
}

/// What one process has answered.
#[derive(Debug, Clone, Default)]
struct Ledger {
    ranges: ByPartition<BTreeMap<RangeKey, Range>>,
    known_since: i64,
    /// The last round in which it answered.
    round: u32,
}

/// First and last offset, and when the first one was taken. A range is handled once, so no two have the same.
type RangeKey = (i64, i64, i64);

#[derive(Debug, Clone, Copy)]
struct Range {
    count: u64,
    produced_at: Option<i64>,
    done_at: i64,
    /// The first round in which a commit that covers it was confirmed.
    committed: Option<u32>,
}

/// A range that a process has handled.
#[derive(Debug, Clone, Copy)]
pub(super) struct Piece<'a> {
    pub(super) consumer: &'a str,
    /// When the process started.
    started: i64,
    pub(super) from: i64,
    pub(super) to: i64,
    pub(super) count: u64,
    pub(super) taken_at: i64,
    pub(super) done_at: i64,
    pub(super) committed: Option<u32>,
}

/// A blind spot, and how far it reaches.
#[derive(Debug, Clone)]
pub(super) struct Blind {
    pub(super) spot: BlindSpot,
    /// When the process started; `None`: it was never asked.
    started: Option<i64>,
    /// The last round in which the process answered, 0: never.
    round: u32,
    /// Only messages that were produced until then are concerned, milliseconds since the epoch; `None`: all.
    until: Option<i64>,
}

impl Blind {
    /// Whether its process may have handled a message unseen, which one is known to have handled.
    pub(super) fn hides(
        &self,
        produced_at: Option<i64>,
        known: Option<&Piece<'_>>,
        is_passed: bool,
    ) -> bool {
        if known.is_some_and(|piece| self.is_of(piece)) {
            // no consumer handles again what is committed; otherwise its next owner does
            return !is_passed && known.is_some_and(|piece| piece.committed.is_none());
        }
        let was_there = match (self.until, produced_at) {
            (Some(until), Some(at)) => at <= until,
            _ => true,
        };
        // what was committed when the process was asked is not given to it afterwards
        let committed = known.and_then(|piece| piece.committed);
        was_there && committed.is_none_or(|round| round >= self.round)
    }

    /// Whether its process has handled a piece.
    pub(super) fn is_of(&self, piece: &Piece<'_>) -> bool {
        (self.spot.consumer.as_str(), self.started) == (piece.consumer, Some(piece.started))
    }

    /// Whether the process may answer later.
    pub(super) fn is_silent(&self) -> bool {
        matches!(self.spot.why, Blindness::Silent(_))
    }
}

impl Ledgers {
    /// Adds a round. Who answered formerly and is not among its answers has ended.
    pub fn record(&mut self, round: HandledRound) {
        self.round += 1;
        self.silent.clear();
        for HandledAnswer {
            group,
            consumer,
            answer,
        } in round.answers
        {
            match answer {
                Ok(handled) => {
                    let process = (group, consumer, handled.started_at);
                    let ledger = self.processes.entry(process).or_default();
                    ledger.round = self.round;
                    ledger.known_since = handled.known_since;
                    for range in &handled.ranges {
                        ledger.add(range, self.round);
                    }
                }
                Err(why) => drop(self.silent.insert((group, consumer), why)),
            }
        }
        for gone in round.gone {
            if !self.gone.contains(&gone) {
                self.gone.push(gone);
            }
        }
    }

    /// When a message was produced at the earliest, by the consumers of any group that have handled it; `None`: none has.
    pub fn produced_at(&self, partition: At<'_>, offset: i64) -> Option<i64> {
        let all = self.processes.values();
        let ranges = all
            .filter_map(|ledger| ledger.ranges.get(partition))
            .flatten();
        let here = ranges.filter(|((from, to, _), _)| (*from..=*to).contains(&offset));
        // a range knows its earliest message: the latest of these bounds is the best
        here.filter_map(|(_, range)| range.produced_at).max()
    }

    /// What the processes of a group have handled of a partition.
    pub(super) fn pieces<'a>(
        &'a self,
        group: &'a str,
        partition: At<'a>,
    ) -> impl Iterator<Item = Piece<'a>> {
        self.of(group)
            .flat_map(move |((_, consumer, started), ledger)| {
                let ranges = ledger.ranges.get(partition).into_iter().flatten();
                ranges.map(|((from, to, taken_at), range)| Piece {
                    consumer,
                    started: *started,
                    from: *from,
                    to: *to,
                    count: range.count,
                    taken_at: *taken_at,
                    done_at: range.done_at,
                    committed: range.committed,
                })
            })
    }

    fn of(&self, group: &str) -> impl Iterator<Item = (&(String, String, i64), &Ledger)> {
        let all = self.processes.iter();
        all.filter(move |((of, ..), _)| of == group)
    }

    /// The processes of a group of which something is unknown.
    pub(super) fn blind(&self, group: &str) -> Vec<Blind> {
        let mut all: Vec<Blind> = self
            .of(group)
            .filter_map(|((_, consumer, started), ledger)| {
                self.blindness(group, consumer, *started, ledger)
            })
            .collect();
        for ((_, consumer), why) in self.silent.iter().filter(|((of, _), _)| of == group) {
            if self.starts(group, consumer).next().is_none() {
                let why = Blindness::Silent(why.clone());
                all.push(blind(consumer, why, None, 0, None));
            }
        }
        for gone in self.never_asked(group) {
            let why = Blindness::Gone {
                how: gone.how.clone(),
                at: gone.at,
            };
            all.push(blind(&gone.consumer, why, None, 0, gone.at.map(latest)));
        }
        all
    }

    /// When the processes of a name were started that have answered.
    fn starts<'a>(&'a self, group: &'a str, consumer: &'a str) -> impl Iterator<Item = i64> {
        let all = self.of(group).map(|(process, _)| process);
        all.filter(move |(_, name, _)| name == consumer)
            .map(|(_, _, started)| *started)
    }

    /// Consumers that had ended before they were asked: of each name the last end.
    fn never_asked(&self, group: &str) -> impl Iterator<Item = &GoneConsumer> {
        let mut last = BTreeMap::<&str, &GoneConsumer>::new();
        for gone in self.gone.iter().filter(|gone| gone.group == group) {
            let was_asked = |started: i64| gone.at.is_none_or(|at| started <= at);
            if self.starts(group, &gone.consumer).any(was_asked) {
                continue;
            }
            let known = last.entry(&gone.consumer).or_insert(gone);
            if known.at < gone.at {
                *known = gone;
            }
        }
        let mut last: Vec<_> = last.into_values().collect();
        last.sort_by_key(|gone| std::cmp::Reverse(gone.at));
        last.into_iter()
    }

    /// Why something is unknown of a process that has answered once.
    fn blindness(
        &self,
        group: &str,
        consumer: &str,
        started: i64,
        ledger: &Ledger,
    ) -> Option<Blind> {
        if ledger.round == self.round {
            let since = ledger.known_since;
            let why = Blindness::Forgotten(since);
            let forgotten = || blind(consumer, why, Some(started), 0, Some(since));
            return (since > started).then(forgotten);
        }
        let name = (group.to_owned(), consumer.to_owned());
        if let Some(why) = self.silent.get(&name) {
            let why = Blindness::Silent(why.clone());
            return Some(blind(consumer, why, Some(started), ledger.round, None));
        }
        let is_its_end = |gone: &&GoneConsumer| {
            (gone.group.as_str(), gone.consumer.as_str()) == (group, consumer)
                && gone.at.is_none_or(|at| at >= started)
        };
        let ends = self.gone.iter().filter(is_its_end);
        // a later process of this name may have ended as well
        let end = ends.min_by_key(|gone| gone.at.unwrap_or(i64::MAX));
        let why = Blindness::Gone {
            how: end.map_or_else(|| "no longer runs".to_owned(), |end| end.how.clone()),
            at: end.and_then(|end| end.at),
        };
        let until = end.and_then(|end| end.at).map(latest);
        Some(blind(consumer, why, Some(started), ledger.round, until))
    }
}

/// The latest moment that a time may mean.
fn latest(at: i64) -> i64 {
    if at % 1_000 == 0 { at + 999 } else { at }
}

fn blind(
    consumer: &str,
    why: Blindness,
    started: Option<i64>,
    round: u32,
    until: Option<i64>,
) -> Blind {
    let consumer = consumer.to_owned();
    Blind {
        spot: BlindSpot { consumer, why },
        started,
        round,
        until,
    }
}

impl Ledger {
    fn add(&mut self, range: &HandledRange, round: u32) {
        let at = (range.topic.as_str(), range.partition);
        let ranges = self.ranges.get_or_insert_with(at, BTreeMap::new);
        let known = ranges
            .entry((range.from, range.to, range.taken_at))
            .or_insert(Range {
                count: range.count,
                produced_at: range.produced_at,
                done_at: range.done_at,
                committed: None,
            });
        if range.committed_at.is_some() {
            known.committed.get_or_insert(round);
        }
    }
}
