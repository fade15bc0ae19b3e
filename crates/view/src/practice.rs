//! One practice: its latest state, history and pages. In: facts, one after another. Out: patches to its pages.
//! Deliberately absent: a clock, a lock, a socket.

use std::{collections::BTreeSet, time::Duration};

use bytes::Bytes;
use practice_contract::events::{Moved, WorkerEvent};
use practice_groups::{Move, Rebalance, TopicSeen};
use serde_json::{Value, json};
use tokio::sync::mpsc;

use crate::{
    facts::{Consumer, Facts},
    flow::Flow,
    history::Lines,
    model::{Actions, Line, MovePicture, Picture, RebalancePicture, Whole},
    pages::Pages,
    patch::{is_redrawn, patch},
    picture::{MOST_SHARES, UNSEEN, picture},
};

/// Rebalances sent to a page, of all groups together; the journal keeps more.
const REBALANCES: usize = 100;
/// Moved partitions of the rebalances that are sent, unless the newest one alone has more.
const MOVES: usize = 5_000;
/// Least milliseconds between two batches of messages: ten a second.
const BATCH: i64 = 100;
/// Time may appear to run back this many milliseconds between callers that read the clock at different moments; more is a clock
/// that was set back.
const LATE: i64 = 1_000;

#[derive(Debug)]
pub(crate) struct Practice {
    facts: Facts,
    pub(crate) picture: Picture,
    actions: Actions,
    lines: Lines,
    flow: Flow,
    batches: Batches,
    pub(crate) pages: Pages,
}

/// Pacing of the event `flow`.
#[derive(Debug, Default)]
struct Batches {
    /// Time of the last batch, in milliseconds since the epoch.
    last: i64,
    /// Whether a task waits to send the next one.
    awaited: bool,
}

impl Practice {
    pub(crate) fn new(facts: Facts, actions: Actions) -> Self {
        let mut flow = Flow::default();
        ends(&mut flow, &facts);
        let picture = picture(&facts, None, &actions, UNSEEN, Vec::new());
        Self {
            facts,
            picture,
            actions,
            lines: Lines::default(),
            flow,
            batches: Batches::default(),
            pages: Pages::default(),
        }
    }

    /// Replaces the facts and sends the difference to the pages.
    pub(crate) fn publish(&mut self, facts: Facts) {
        ends(&mut self.flow, &facts);
        let is_set = self.set_back(facts.now);
        self.facts = facts;
        self.redraw();
        if is_set {
            self.resend_snapshot();
        }
    }

    /// Whether the clock was set back since the last facts. Ages stay: all earlier times move with the clock.
    fn set_back(&mut self, now: i64) -> bool {
        let by = self.picture.now - now;
        if by <= LATE {
            return false;
        }
        self.lines.set_back(by);
        set_back(&mut self.picture, by);
        true
    }

    /// Sends the whole state: after a clock was set back, the pages hold times of the future.
    fn resend_snapshot(&mut self) {
        let whole = Whole {
            picture: &self.picture,
            history: self.lines.points(),
        };
        self.pages.send("snapshot", &whole);
    }

    fn redraw(&mut self) {
        if self.pages.is_empty() {
            let before = Some(&self.picture);
            self.picture = picture(&self.facts, before, &self.actions, UNSEEN, Vec::new());
            return;
        }
        let after = self.drawn();
        let before = std::mem::replace(&mut self.picture, after);
        if is_redrawn(&before, &self.picture) {
            let whole = Whole {
                picture: &self.picture,
                history: self.lines.points(),
            };
            self.pages.send("snapshot", &whole);
        } else if let Some(patch) = patch(&before, &self.picture) {
            self.pages.send("patch", &patch);
        }
    }

    /// The picture for a page.
    fn drawn(&self) -> Picture {
        let (before, journal) = (Some(&self.picture), rebalances(&self.facts));
        picture(&self.facts, before, &self.actions, MOST_SHARES, journal)
    }

    /// Adds a point of history, and updates what depends on time alone.
    pub(crate) fn point(&mut self, now: i64) {
        let is_set = self.set_back(now);
        let lags = self
            .picture
            .groups
            .iter()
            .map(|group| (group.name.as_str(), group.lag));
        let added = self.lines.add(lags, now);
        if self.picture.ripens {
            self.facts.now = now;
            self.redraw();
        }
        self.picture.now = now;
        self.pages
            .send("patch", &json!({"now": now, "history": added}));
        if is_set {
            self.resend_snapshot();
        }
    }

    /// Opens a page. Out: its queue.
    pub(crate) fn open(&mut self, number: u64) -> mpsc::Receiver<Bytes> {
        if self.pages.is_empty() {
            self.flow.clear(); // messages from before the first page are dropped
            self.picture = self.drawn();
        }
        self.pages.open(
            number,
            "snapshot",
            &Whole {
                picture: &self.picture,
                history: self.lines.points(),
            },
        )
    }

    /// The whole state as JSON.
    pub(crate) fn whole(&self) -> Value {
        let drawn = self.pages.is_empty().then(|| self.drawn());
        json!(Whole {
            picture: drawn.as_ref().unwrap_or(&self.picture),
            history: self.lines.points(),
        })
    }

    pub(crate) fn line(&self) -> Line {
        Line {
            namespace: self.picture.namespace.clone(),
            name: self.picture.name.clone(),
            ready: self.picture.ready,
            summary: self.picture.summary.clone(),
        }
    }

    /// Sends the messages since the last batch, at most one batch in 100 ms. Out: the time until the caller must call
    /// [`flow_now`](Self::flow_now); `None`: no call is needed.
    pub(crate) fn flow(&mut self, now: i64) -> Option<Duration> {
        if self.pages.is_empty() || self.batches.awaited || self.flow.is_empty() {
            return None;
        }
        let since = now - self.batches.last;
        if !(0..BATCH).contains(&since) {
            self.flow_now(now); // also when the clock was set back
            return None;
        }
        self.batches.awaited = true;
        Some(Duration::from_millis((BATCH - since).unsigned_abs()))
    }

    /// Sends the messages since the last batch.
    pub(crate) fn flow_now(&mut self, now: i64) {
        self.batches = Batches {
            last: now,
            awaited: false,
        };
        if let Some(batch) = self.flow.take(now) {
            self.pages.send("flow", &batch);
        }
    }

    /// Handles a worker's event. True: the group's assignment changed, so that Kafka should be polled.
    pub(crate) fn handle_event(&mut self, consumer: &Consumer, event: &WorkerEvent) -> bool {
        match event {
            WorkerEvent::Consumed { partitions, .. } => {
                let reads = |moved: &&Moved| {
                    self.facts
                        .status
                        .topics
                        .iter()
                        .any(|topic| topic.name == moved.topic)
                };
                for moved in partitions.iter().filter(reads) {
                    self.flow.consumed(&consumer.group, &consumer.name, moved);
                }
                false
            }
            WorkerEvent::Committed { .. } => false,
            WorkerEvent::Assigned { .. }
            | WorkerEvent::Revoked { .. }
            | WorkerEvent::Lost { .. } => true,
        }
    }

    /// Handles the acknowledgement of a message.
    pub(crate) fn sent(&mut self, topic: &str, partition: i32, offset: i64) {
        self.flow.moves_to(topic, partition, offset + 1);
    }

    pub(crate) fn producer(&self) -> Option<&str> {
        self.facts.producer.as_deref()
    }

    /// Consumers with an HTTP address, by it.
    pub(crate) fn listenable(&self) -> impl Iterator<Item = (&str, &Consumer)> {
        self.facts
            .consumers
            .iter()
            .filter_map(|consumer| Some((consumer.url.as_deref()?, consumer)))
    }

    /// Names of the consumers that the practice started.
    pub(crate) fn consumers(&self) -> BTreeSet<&str> {
        self.facts
            .consumers
            .iter()
            .map(|consumer| consumer.name.as_str())
            .collect()
    }
}

/// Moves the times that later states take over, after the clock was set back by `by` milliseconds.
fn set_back(picture: &mut Picture, by: i64) {
    picture
        .kafka
        .brokers
        .iter_mut()
        .for_each(|broker| broker.since -= by);
    for member in picture
        .groups
        .iter_mut()
        .flat_map(|group| &mut group.members)
    {
        member.since -= by;
        member.first_seen -= by;
        let unknown = member
            .partitions
            .iter_mut()
            .filter_map(|share| share.unknown_since.as_mut());
        member
            .missing_since
            .as_mut()
            .into_iter()
            .chain(unknown)
            .for_each(|since| *since -= by);
    }
}

fn ends(flow: &mut Flow, facts: &Facts) {
    let Some(snapshot) = &facts.snapshot else {
        return;
    };
    for topic in &facts.status.topics {
        if let Some(TopicSeen::Present(seen)) = snapshot.topics.get(&topic.name) {
            for (partition, bounds) in (0..).zip(&seen.partitions) {
                if let Some(bounds) = bounds {
                    flow.ends_at(&topic.name, partition, bounds.end);
                }
            }
        }
    }
}

/// The journals of all groups as one, newest first.
fn rebalances(facts: &Facts) -> Vec<RebalancePicture> {
    let all = facts.journal.newest(
        facts.groups.iter().map(|group| group.name.as_str()),
        REBALANCES,
    );
    let mut moves = 0;
    let fits = |(at, (_, rebalance)): &(usize, (&str, &Rebalance))| {
        moves += rebalance.moved.len();
        *at == 0 || moves <= MOVES
    };
    let sent = all.into_iter().enumerate().take_while(fits);
    sent.map(|(_, (group, rebalance))| drawn(group, rebalance))
        .collect()
}

fn drawn(group: &str, rebalance: &Rebalance) -> RebalancePicture {
    let moved = |moved: Move| MovePicture {
        topic: moved.topic,
        partition: moved.partition,
        from: moved.from,
        to: moved.to,
    };
    let why = rebalance.why.as_ref();
    RebalancePicture {
        id: format!("{group}#{}", rebalance.number),
        time: rebalance.at,
        group: group.to_owned(),
        epoch: rebalance.epoch,
        joined: rebalance.joined.clone(),
        left: rebalance.left.clone(),
        moved: rebalance.moved.iter().map(moved).collect(),
        duration_ms: rebalance.took_ms,
        unowned_ms: rebalance.unowned_ms(),
        cause: why.map(|why| why.cause.to_string()),
        why: why.map(|why| why.sentence.clone()),
        advice: why.and_then(|why| why.advice.clone()),
        note: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{model::ConsumerState, picture::tests::World};

    #[test]
    fn a_clock_that_is_set_back_changes_no_age() {
        let mut world = World::calm();
        world.now = 3_700_000;
        let mut practice = Practice::new(
            world.facts(),
            Actions {
                enabled: false,
                how: None,
            },
        );
        practice.point(3_702_000);
        world.consumers.retain(|consumer| consumer.name != "g-0");
        world.now = 3_703_000;
        practice.publish(world.facts());
        let state = |practice: &Practice| {
            let member = &practice.picture.groups[0].members[0];
            (
                member.name.clone(),
                member.state,
                practice.picture.now - member.first_seen,
            )
        };
        assert_eq!(
            state(&practice),
            ("g-0".to_owned(), ConsumerState::Running, 3_000)
        );
        let mut page = practice.open(1);
        practice.point(104_000); // an hour earlier
        let events: Vec<String> = std::iter::from_fn(|| page.try_recv().ok())
            .map(|frame| {
                String::from_utf8_lossy(&frame)
                    .lines()
                    .nth(1)
                    .unwrap_or_default()
                    .to_owned()
            })
            .collect();
        assert!(
            events.last().is_some_and(|last| last.contains("snapshot")),
            "pages get a snapshot: {events:?}"
        );
        assert_eq!(
            state(&practice).1,
            ConsumerState::Running,
            "its process may be listed again"
        );
        practice.point(107_000);
        assert_eq!(
            state(&practice).1,
            ConsumerState::Killed,
            "not an hour later"
        );
        assert!(
            state(&practice).2 < 10_000,
            "first seen some seconds ago: {:?}",
            state(&practice)
        );
        for line in practice.lines.points().values() {
            assert!(
                line.is_sorted() && line.iter().all(|point| point.0 <= 107_000),
                "{line:?}"
            );
        }
    }
}
