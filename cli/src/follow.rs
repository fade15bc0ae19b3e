//! Sends messages and follows them to the consumers of each group. In: a way to send one and a way to ask all consumers, which local mode and
//! the plugin have of their own. Out: lines as groups finish, a summary, and whether each group handled each message exactly once.
//! The consumers are asked once before the first message, so that a missing right stops it and one that ends meanwhile is known.

mod ask;
mod send;

use std::{cell::RefCell, pin::pin, time::Duration};

use jiff::Zoned;
use practice_groups::handled::{
    GroupHandling, HandledRound, Ledgers, ReadingGroup, SentMessages, handling,
};
use tokio::time::{Instant, sleep, sleep_until, timeout_at};

use crate::{
    args::{Document, Place},
    document,
    error::Failure,
    handled::{self, Shape, group_lines, is_exact, summary},
    screen::Screen,
    text::{Line, Tone},
};

pub use ask::{ask_consumer, ask_windows};
pub use send::{Requested, send_messages};

/// Longest pause between two rounds of questions.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// What was found out in one round.
#[derive(Debug, Default)]
pub struct Asked {
    /// The groups, read before the consumers were asked.
    pub groups: Vec<ReadingGroup>,
    /// What the consumers have answered.
    pub round: HandledRound,
}

/// How messages are followed.
#[derive(Debug)]
pub struct Following<'a> {
    /// Name of the practice.
    pub practice: &'a str,
    /// How long to wait after the last message was acknowledged.
    pub timeout: Duration,
    /// Least pause between two rounds of questions.
    pub pause: Duration,
    /// Print a document instead of lines.
    pub output: Option<Document>,
}

/// Why following ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ended {
    /// There is nothing to wait for.
    Settled,
    /// The time is over.
    TimedOut,
    /// Ctrl-C.
    Interrupted,
}

/// Everything that is known of the messages.
struct Known<'a> {
    shape: Shape,
    sent: &'a RefCell<SentMessages>,
    groups: Vec<ReadingGroup>,
    ledgers: Ledgers,
    /// What was printed of each group.
    printed: Vec<GroupHandling>,
    /// Why the last round of questions failed.
    failure: Option<Failure>,
}

impl<'a> Known<'a> {
    /// After the first round of questions.
    fn of(
        asked: Asked,
        following: &Following<'_>,
        sent: &'a RefCell<SentMessages>,
        screen: &Screen,
    ) -> Self {
        let (width, now) = (screen.width(), Zoned::now());
        let shape = Shape::of(following.practice, &asked.groups, &asked.round, width, now);
        let mut known = Self {
            shape,
            sent,
            groups: Vec::new(),
            ledgers: Ledgers::default(),
            printed: Vec::new(),
            failure: None,
        };
        known.record(Ok(asked));
        known
    }

    fn record(&mut self, asked: Result<Asked, Failure>) {
        match asked {
            Ok(Asked { groups, round }) => {
                self.groups = groups;
                self.ledgers.record(round);
                self.failure = None;
            }
            // the cluster may answer again before the time is over
            Err(failure) => self.failure = Some(failure),
        }
    }

    fn handling(&self) -> Vec<GroupHandling> {
        handling(&self.sent.borrow(), &self.groups, &self.ledgers)
    }

    /// Prints the groups for which this holds, unless the same was printed of them.
    fn print(
        &mut self,
        screen: &mut Screen,
        all: &[GroupHandling],
        is_due: impl Fn(&GroupHandling) -> bool,
    ) -> Result<(), Failure> {
        for one in all.iter().filter(|one| is_due(one)) {
            let before = self
                .printed
                .iter()
                .position(|printed| printed.group == one.group);
            match before {
                Some(place) if self.printed[place] == *one => continue,
                Some(place) => self.printed[place] = one.clone(),
                None => self.printed.push(one.clone()),
            }
            screen.print(&group_lines(one, &self.sent.borrow(), &self.shape))?;
        }
        Ok(())
    }
}

/// Runs `sending`, which adds to `sent` and prints what it sends, and follows the messages until every group that has consumers has handled
/// them.
///
/// # Errors
/// [`Failure::Checked`]: a message was not handled exactly once by every group, which is printed. Otherwise what sending failed with, or
/// the first round of questions, before anything was sent.
pub async fn follow(
    following: &Following<'_>,
    sent: &RefCell<SentMessages>,
    sending: impl AsyncFnOnce(&mut Screen) -> Result<(), Failure>,
    mut ask: impl AsyncFnMut(&SentMessages) -> Result<Asked, Failure>,
    screen: &mut Screen,
) -> Result<(), Failure> {
    let mut interrupted = pin!(tokio::signal::ctrl_c());
    let mut known = Known::of(
        ask(&SentMessages::default()).await?,
        following,
        sent,
        screen,
    );
    let result = tokio::select! {
        result = sending(screen) => Some(result),
        never = watch(following, &mut known, &mut ask) => match never {},
        _ = &mut interrupted => None,
    };
    let count = sent.borrow().count() + sent.borrow().without_offset;
    let ended = match &result {
        // what was sent before a refusal is followed
        Some(_) if count > 0 => tokio::select! {
            ended = wait(following, &mut known, &mut ask, screen) => ended?,
            _ = &mut interrupted => Ended::Interrupted,
        },
        _ => Ended::Interrupted,
    };
    if count > 0 {
        report(following, &mut known, ended, screen)?;
    }
    result.unwrap_or_else(|| {
        Err(Failure::Refused(
            "interrupted before all messages were sent; one that was on its way may have arrived"
                .to_owned(),
        ))
    })?;
    if let Some(failure) = known.failure {
        return Err(failure);
    }
    let exact = is_exact(&known.handling(), &sent.borrow());
    if exact { Ok(()) } else { Err(Failure::Checked) }
}

/// Asks while messages are sent: what a consumer has answered is known also when it ends.
async fn watch(
    following: &Following<'_>,
    known: &mut Known<'_>,
    ask: &mut impl AsyncFnMut(&SentMessages) -> Result<Asked, Failure>,
) -> std::convert::Infallible {
    loop {
        let begun = Instant::now();
        let sent = known.sent.borrow().clone();
        let asked = ask(&sent).await;
        known.record(asked);
        sleep(pause(following, begun.elapsed())).await;
    }
}

/// At most a third of the time is spent on questions.
fn pause(following: &Following<'_>, asking: Duration) -> Duration {
    (2 * asking).clamp(following.pause, LONGEST_PAUSE)
}

/// Asks until no group is awaited, or the time is over.
async fn wait(
    following: &Following<'_>,
    known: &mut Known<'_>,
    ask: &mut impl AsyncFnMut(&SentMessages) -> Result<Asked, Failure>,
    screen: &mut Screen,
) -> Result<Ended, Failure> {
    let until = Instant::now() + following.timeout;
    let sent = known.sent.borrow().clone();
    loop {
        let begun = Instant::now();
        let asked = timeout_at(until, ask(&sent)).await;
        let Ok(asked) = asked else {
            return Ok(Ended::TimedOut);
        };
        known.record(asked);
        let all = known.handling();
        let is_done = |one: &GroupHandling| one.is_exact();
        if following.output.is_none() {
            known.print(screen, &all, is_done)?;
        }
        if known.failure.is_none() && !all.iter().any(GroupHandling::is_awaited) {
            return Ok(Ended::Settled);
        }
        let next = Instant::now() + pause(following, begun.elapsed());
        if next >= until {
            sleep_until(until).await;
            return Ok(Ended::TimedOut);
        }
        sleep_until(next).await;
    }
}

/// Prints the groups that are not printed yet, and the summary.
fn report(
    following: &Following<'_>,
    known: &mut Known<'_>,
    ended: Ended,
    screen: &mut Screen,
) -> Result<(), Failure> {
    let all = known.handling();
    let sent = known.sent.borrow().clone();
    if let Some(format) = following.output {
        let mut value = handled::document(&all, &sent);
        value["ended"] = match ended {
            Ended::Settled => "Settled",
            Ended::TimedOut => "TimedOut",
            Ended::Interrupted => "Interrupted",
        }
        .into();
        return screen.raw(&document::printed(format, &value));
    }
    known.print(screen, &all, |_| true)?;
    let ending = match ended {
        Ended::Settled => None,
        Ended::TimedOut => Some(format!(
            "stopped waiting after --timeout {}",
            practice_contract::duration::print(following.timeout)
        )),
        Ended::Interrupted => Some("interrupted: this is what was known".to_owned()),
    };
    if let Some(ending) = ending {
        screen.print([&Line::of(Tone::Warn, &ending)])?;
    }
    screen.print(&summary(&all, &sent, &known.shape))
}

/// Asks once about a message that was sent before, and prints what is known.
///
/// # Errors
/// As [`follow`].
pub async fn look_up(
    following: &Following<'_>,
    place: &Place,
    mut ask: impl AsyncFnMut(&SentMessages) -> Result<Asked, Failure>,
    screen: &mut Screen,
) -> Result<(), Failure> {
    let at = (place.topic.as_str(), place.partition);
    let sent = &RefCell::new(SentMessages::one(at, place.offset, None));
    let asked = ask(&SentMessages::one(at, place.offset, None)).await?;
    let mut known = Known::of(asked, following, sent, screen);
    // consumers that ended before that cannot have handled it
    let earliest = known.ledgers.produced_at(at, place.offset);
    sent.replace(SentMessages::one(at, place.offset, earliest));
    report(following, &mut known, Ended::Settled, screen)?;
    let exact = is_exact(&known.handling(), &sent.borrow());
    if exact { Ok(()) } else { Err(Failure::Checked) }
}
