//! At most one Event of a kind a minute for a practice. In: Events as they occur, monotonic time. Out: those to emit now. What comes
//! too soon, or has no room, is in the next one of its kind. Repetitions are counted, and so are messages beyond a bound. Pure.

use std::{collections::BTreeMap, time::Duration};

use super::{PracticeEvent, Severity};

/// Milliseconds between two Events of a kind.
const PAUSE: i64 = 60_000;
/// Longest message of an Event, in bytes (events.k8s.io/v1, `note`), less a count at its end.
const LONGEST: usize = 1_000;
/// Different messages of a kind that wait; more are counted.
const MOST: usize = 32;

/// The Events of a practice, by their reason.
#[derive(Debug, Default)]
pub struct Pace {
    kinds: BTreeMap<&'static str, Kind>,
}

#[derive(Debug, Default)]
struct Kind {
    /// When the next one may be emitted; `None`: at once.
    next: Option<i64>,
    waiting: Vec<Waiting>,
    /// Messages that were not kept.
    more: usize,
}

#[derive(Debug)]
struct Waiting {
    event: PracticeEvent,
    times: usize,
}

impl Pace {
    /// The Events to emit now, with those that have waited long enough.
    pub fn due(&mut self, new: Vec<PracticeEvent>, now: i64) -> Vec<PracticeEvent> {
        for event in new {
            self.kinds.entry(event.reason).or_default().add(event);
        }
        let due = self.kinds.values_mut().filter_map(|kind| kind.due(now));
        let due = due.collect();
        let is_used = |kind: &Kind| kind.next.is_some_and(|next| next > now);
        self.kinds.retain(|_, kind| is_used(kind));
        due
    }

    /// When the next Event that waits is due.
    pub fn wait(&self, now: i64) -> Option<Duration> {
        let waiting = self.kinds.values().filter(|kind| !kind.waiting.is_empty());
        let next = waiting.filter_map(|kind| kind.next).min()?;
        let millis = u64::try_from(next - now).unwrap_or_default();
        Some(Duration::from_millis(millis + 1))
    }
}

impl Kind {
    fn add(&mut self, event: PracticeEvent) {
        let same = |waiting: &&mut Waiting| waiting.event.text == event.text;
        if let Some(same) = self.waiting.iter_mut().find(same) {
            same.times += 1;
        } else if self.waiting.len() < MOST {
            self.waiting.push(Waiting { event, times: 1 });
        } else {
            self.more += 1;
        }
    }

    fn due(&mut self, now: i64) -> Option<PracticeEvent> {
        if self.waiting.is_empty() || self.next.is_some_and(|next| next > now) {
            return None;
        }
        self.next = Some(now + PAUSE);
        Some(self.together())
    }

    /// One Event that says what those that wait say; what it has no room for waits on.
    fn together(&mut self) -> PracticeEvent {
        let mut text = String::new();
        let mut shown = 0;
        for waiting in &self.waiting {
            let times = match waiting.times {
                1 => String::new(),
                times => format!(" ({times} times)"),
            };
            let separator = if text.is_empty() { "" } else { "; " };
            let next = format!("{separator}{}{times}", waiting.event.text);
            if shown > 0 && text.len() + next.len() > LONGEST {
                break;
            }
            text.push_str(&next);
            shown += 1;
        }
        let more = std::mem::take(&mut self.more);
        if more > 0 {
            text = format!("{text}; and {more} more");
        }
        one(self.waiting.drain(..shown), text)
    }
}

/// An Event with this text about the same as all of these.
fn one(waiting: impl Iterator<Item = Waiting>, text: String) -> PracticeEvent {
    let waiting: Vec<Waiting> = waiting.collect();
    let is_warning = waiting
        .iter()
        .any(|it| it.event.severity == Severity::Warning);
    let mut events = waiting.into_iter().map(|waiting| waiting.event);
    let first = events.next().expect("should not be empty");
    let same_subject = events.all(|event| event.subject == first.subject);
    PracticeEvent {
        severity: if is_warning {
            Severity::Warning
        } else {
            Severity::Normal
        },
        subject: first.subject.filter(|_| same_subject),
        text,
        ..first
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(reason: &'static str, subject: &str, text: &str) -> PracticeEvent {
        PracticeEvent {
            severity: Severity::Normal,
            reason,
            action: "Apply",
            subject: Some(("Deployment", subject.to_owned())),
            text: text.to_owned(),
        }
    }

    fn texts(events: &[PracticeEvent]) -> Vec<&str> {
        events.iter().map(|event| event.text.as_str()).collect()
    }

    #[test]
    fn what_one_pass_did_is_one_event_of_each_kind() {
        let mut pace = Pace::default();
        let new = vec![
            event("Created", "a", "Deployment a created"),
            event("Created", "b", "Deployment b created"),
            event("Ready", "", "Ready"),
        ];
        let due = pace.due(new, 0);
        assert_eq!(
            texts(&due),
            ["Deployment a created; Deployment b created", "Ready"]
        );
        assert_eq!(due[0].subject, None);
        assert_eq!(pace.wait(0), None);
    }

    #[test]
    fn what_comes_too_soon_is_told_with_the_next_one() {
        let mut pace = Pace::default();
        assert_eq!(texts(&pace.due(vec![event("A", "x", "one")], 0)), ["one"]);
        for (tick, text) in [(1, "two"), (2, "three"), (3, "two")] {
            assert_eq!(pace.due(vec![event("A", "x", text)], tick), []);
        }
        // another kind does not wait
        assert_eq!(
            texts(&pace.due(vec![event("B", "x", "other")], 4)),
            ["other"]
        );
        assert_eq!(pace.wait(10_000), Some(Duration::from_millis(50_001)));
        assert_eq!(pace.due(vec![], PAUSE - 1), []);
        let due = pace.due(vec![], PAUSE);
        assert_eq!(texts(&due), ["two (2 times); three"]);
        assert_eq!(due[0].subject, Some(("Deployment", "x".to_owned())));
        assert_eq!(pace.wait(PAUSE), None);
        assert_eq!(pace.due(vec![], 3 * PAUSE), []);
        assert_eq!(
            texts(&pace.due(vec![event("A", "x", "late")], 3 * PAUSE)),
            ["late"]
        );
    }

    #[test]
    fn a_practice_that_flaps_has_one_event_of_a_kind_a_minute_and_none_is_lost() {
        let mut pace = Pace::default();
        let (mut emitted, mut told) = (0, 0);
        for second in 0..600 {
            let new = (0..32).map(|group| {
                let mut flap = event(
                    "GroupLagging",
                    &format!("g{group}"),
                    &format!("g{group} lags"),
                );
                flap.severity = Severity::Warning;
                flap
            });
            for event in pace.due(new.collect(), second * 1_000) {
                emitted += 1;
                assert!(event.text.len() <= 1_024, "{}", event.text.len());
                assert_eq!(event.severity, Severity::Warning);
                told += event.text.split("; ").count();
            }
        }
        assert_eq!(emitted, 10);
        assert_eq!(told, 320, "each group, each minute");
    }

    #[test]
    fn what_has_no_room_waits_on_and_what_nobody_can_read_is_counted() {
        let mut pace = Pace::default();
        let long = |n: usize| event("A", "x", &format!("{n} {}", "y".repeat(400)));
        let due = pace.due((0..100).map(long).collect(), 0);
        assert!(due[0].text.ends_with("; and 68 more"), "{}", due[0].text);
        let mut told = 2;
        for minute in 1..16 {
            let due = pace.due(vec![], minute * PAUSE);
            assert!(due[0].text.len() <= 1_024);
            told += due[0].text.split("; ").count();
        }
        assert_eq!((told, pace.wait(16 * PAUSE)), (MOST, None));
        let whole = "z".repeat(5_000);
        let due = pace.due(vec![event("B", "x", &whole)], 0);
        assert_eq!(texts(&due), [whole.as_str()], "its writer cuts it");
    }
}
