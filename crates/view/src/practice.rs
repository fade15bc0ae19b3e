//! One practice: its latest picture and what led to it. In: facts, one after another. Out: to its pages, what changed.
//! Deliberately absent: a clock, a lock, a socket.

use std::{collections::BTreeSet, time::Duration};

use bytes::Bytes;
use practice_contract::events::{Moved, WorkerEvent};
use practice_groups::{Move, Rebalance, TopicSeen};
use serde_json::json;
use tokio::sync::mpsc;

use crate::{
    facts::{Consumer, Facts},
    flow::Flow,
    history::Lines,
    model::{Actions, Line, MovePicture, Picture, RebalancePicture, Whole},
    pages::Pages,
    patch::{is_redrawn, patch},
    picture::picture,
};

/// Rebalances in a picture, of all groups together; the journal keeps more.
const REBALANCES: usize = 100;
/// Milliseconds between two batches of messages: at most ten a second.
const BATCH: i64 = 100;
/// Whoever is told what time it is a moment later than others is not behind by more than that, in milliseconds.
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

/// When messages are told of.
#[derive(Debug, Default)]
struct Batches {
    /// When the last batch went out, in milliseconds since the epoch.
    last: i64,
    /// Whether the next one is waited for.
    awaited: bool,
}

impl Practice {
    pub(crate) fn new(facts: Facts, actions: Actions) -> Self {
        let mut flow = Flow::default();
        ends(&mut flow, &facts);
        let picture = picture(&facts, None, &actions, rebalances(&facts));
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

    /// Other facts: draws them and tells the pages what changed.
    pub(crate) fn publish(&mut self, facts: Facts) {
        ends(&mut self.flow, &facts);
        let is_set = self.set_back(facts.now);
        self.facts = facts;
        self.redraw();
        if is_set {
            self.tell_anew();
        }
    }

    /// Whether the clock was set back since the last picture. What it shows as so long ago stays so long ago.
    fn set_back(&mut self, now: i64) -> bool {
        let by = self.picture.now - now;
        if by <= LATE {
            return false;
        }
        self.lines.set_back(by);
        set_back(&mut self.picture, by);
        true
    }

    /// Pages begin anew: they were told times that are still to come.
    fn tell_anew(&mut self) {
        let whole = Whole {
            picture: &self.picture,
            history: self.lines.points(),
        };
        self.pages.tell("snapshot", &whole);
    }

    fn redraw(&mut self) {
        let journal = rebalances(&self.facts);
        let after = picture(&self.facts, Some(&self.picture), &self.actions, journal);
        let before = std::mem::replace(&mut self.picture, after);
        if is_redrawn(&before, &self.picture) {
            let whole = Whole {
                picture: &self.picture,
                history: self.lines.points(),
            };
            self.pages.tell("snapshot", &whole);
        } else if let Some(patch) = patch(&before, &self.picture) {
            self.pages.tell("patch", &patch);
        }
    }

    /// A point in time: lag as it is, and what turns with time alone.
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
            .tell("patch", &json!({"now": now, "history": added}));
        if is_set {
            self.tell_anew();
        }
    }

    /// One more page.
    pub(crate) fn open(&mut self, number: u64) -> mpsc::Receiver<Bytes> {
        if self.pages.is_empty() {
            self.flow.clear(); // nobody has looked for a while: that is no news
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

    pub(crate) fn whole(&self) -> Whole<'_> {
        Whole {
            picture: &self.picture,
            history: self.lines.points(),
        }
    }

    pub(crate) fn line(&self) -> Line {
        Line {
            namespace: self.picture.namespace.clone(),
            name: self.picture.name.clone(),
            ready: self.picture.ready,
            summary: self.picture.summary.clone(),
        }
    }

    /// Tells what was produced and consumed since the last time, unless that was a moment ago. Out: how long to wait before
    /// [`flow_now`](Self::flow_now) is called; `None`: there is nothing to wait for.
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

    /// Tells what was produced and consumed since the last time.
    pub(crate) fn flow_now(&mut self, now: i64) {
        self.batches = Batches {
            last: now,
            awaited: false,
        };
        if let Some(batch) = self.flow.take(now) {
            self.pages.tell("flow", &batch);
        }
    }

    /// A worker said something. True: its group's picture is another one now.
    pub(crate) fn heard(&mut self, consumer: &Consumer, event: &WorkerEvent) -> bool {
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

    /// A message was acknowledged.
    pub(crate) fn sent(&mut self, topic: &str, partition: i32, offset: i64) {
        self.flow.moves_to(topic, partition, offset + 1);
    }

    pub(crate) fn producer(&self) -> Option<&str> {
        self.facts.producer.as_deref()
    }

    /// The consumers that run and say where they can be asked.
    pub(crate) fn listenable(&self) -> impl Iterator<Item = (&str, &Consumer)> {
        self.facts
            .consumers
            .iter()
            .filter_map(|consumer| Some((consumer.url.as_deref()?, consumer)))
    }

    /// The names of the consumers that were started.
    pub(crate) fn consumers(&self) -> BTreeSet<&str> {
        self.facts
            .consumers
            .iter()
            .map(|consumer| consumer.name.as_str())
            .collect()
    }
}

/// What a picture carries on from the ones before it, by a clock that was set back by so many milliseconds.
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
    let Some(look) = &facts.look else { return };
    for topic in &facts.status.topics {
        if let Some(TopicSeen::Present(seen)) = look.topics.get(&topic.name) {
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
    all.into_iter()
        .map(|(group, rebalance)| drawn(group, rebalance))
        .collect()
}

fn drawn(group: &str, rebalance: &Rebalance) -> RebalancePicture {
    let moved = |moved: &Move| MovePicture {
        topic: moved.topic.clone(),
        partition: moved.partition,
        from: moved.from.clone(),
        to: moved.to.clone(),
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
        let told: Vec<String> = std::iter::from_fn(|| page.try_recv().ok())
            .map(|frame| {
                String::from_utf8_lossy(&frame)
                    .lines()
                    .nth(1)
                    .unwrap_or_default()
                    .to_owned()
            })
            .collect();
        assert!(
            told.last().is_some_and(|last| last.contains("snapshot")),
            "pages begin anew: {told:?}"
        );
        assert_eq!(
            state(&practice).1,
            ConsumerState::Running,
            "its process may still be seen"
        );
        practice.point(107_000);
        assert_eq!(state(&practice).1, ConsumerState::Killed, "not in an hour");
        assert!(
            state(&practice).2 < 10_000,
            "it has been there for some seconds: {:?}",
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
