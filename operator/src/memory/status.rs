//! The status of a practice that was written last, and one whose write is delayed. In: each status that was computed or written.
//! Out: the status to compare the next one with. Deliberately absent: the decision whether to write (`publish`).

use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use practice_api::{ConsumerGroupPractice, PracticeStatus};

use super::PracticeStates;
use crate::{budget::Budget, context::key};

/// If wall clock and monotonic clock differ by more, the wall clock was set.
const SET: SignedDuration = SignedDuration::from_mins(1);

/// The status that was written last. A watch may still report the one before it: compared with that, Events would be emitted
/// twice.
pub(super) struct Written {
    /// The one computed after it whose write is delayed; its Events are emitted.
    latest: Option<PracticeStatus>,
    uid: Option<String>,
    at: Instant,
    /// The wall clock at that time.
    time: Timestamp,
    status: PracticeStatus,
}

impl Written {
    /// The status to compare with. If the wall clock was set since, `oldestSince` and `doneAt` are outdated: they are cleared, so
    /// that they are written again.
    fn read(&self, now: Timestamp) -> PracticeStatus {
        let mut status = self.latest.as_ref().unwrap_or(&self.status).clone();
        let passed = SignedDuration::try_from(self.at.elapsed()).unwrap_or(SignedDuration::MAX);
        if now.duration_since(self.time).saturating_sub(passed).abs() > SET {
            status
                .groups
                .iter_mut()
                .for_each(|group| (group.oldest_since, group.done_at) = (None, None));
        }
        status
    }
}

impl PracticeStates {
    /// The latest status and its age; [`Duration::MAX`] if a former operator process wrote it.
    pub fn before(
        &self,
        practice: &ConsumerGroupPractice,
        now: Timestamp,
    ) -> (Option<PracticeStatus>, Duration) {
        let memories = self.all();
        let written = memories
            .get(&key(practice))
            .and_then(|memory| memory.written.as_ref());
        match written.filter(|written| written.uid == practice.metadata.uid) {
            Some(written) => (Some(written.read(now)), written.at.elapsed()),
            None => (practice.status.clone(), Duration::MAX),
        }
    }

    /// The status that was written last, if the latest one is not, and when a large one may be written.
    pub(crate) fn unwritten(
        &self,
        practice: &ConsumerGroupPractice,
    ) -> (Option<PracticeStatus>, Option<Duration>) {
        let (tick, mut memories) = (self.tick(), self.all());
        let Some(memory) = memories.get_mut(&key(practice)) else {
            return (None, None);
        };
        let written = memory.written.as_ref();
        let written = written.filter(|written| written.uid == practice.metadata.uid);
        let delayed = written.filter(|written| written.latest.is_some());
        let status = delayed.map(|written| written.status.clone());
        let budget = memory.status_budget.as_mut();
        (status, budget.and_then(|budget| budget.wait(tick)))
    }

    /// Records a status that was not written: because that is delayed, or because it does not differ enough.
    pub(crate) fn computed(
        &self,
        practice: &ConsumerGroupPractice,
        status: PracticeStatus,
        is_delayed: bool,
    ) {
        let mut memories = self.all();
        let written = memories
            .get_mut(&key(practice))
            .and_then(|memory| memory.written.as_mut());
        let written = written.filter(|written| written.uid == practice.metadata.uid);
        if let Some(written) = written.filter(|written| is_delayed || written.latest.is_some()) {
            written.latest = Some(status);
        }
    }

    /// Records a status that was written at `now`, and how many bytes of it count.
    pub fn written(
        &self,
        practice: &ConsumerGroupPractice,
        status: PracticeStatus,
        now: Timestamp,
        bytes: usize,
    ) {
        let tick = self.tick();
        let written = Written {
            latest: None,
            uid: practice.metadata.uid.clone(),
            at: Instant::now(),
            time: now,
            status,
        };
        let mut memories = self.all();
        let memory = memories.entry(key(practice)).or_default();
        let budget = memory.status_budget.get_or_insert(Budget::full(tick));
        budget.spend(bytes);
        memory.written = Some(written);
    }
}

#[cfg(test)]
mod tests {
    use practice_api::status::GroupStatus;

    use super::*;

    #[test]
    fn setting_the_clock_clears_estimated_times() {
        let noon: Timestamp = "2026-11-25T12:00:00Z".parse().expect("a time");
        let since = Some("2026-11-25T11:59:00Z".to_owned());
        let group = GroupStatus {
            oldest_since: since.clone(),
            done_at: since.clone(),
            ..GroupStatus::default()
        };
        let status = PracticeStatus {
            groups: vec![group],
            ..PracticeStatus::default()
        };
        let at = Instant::now()
            .checked_sub(Duration::from_secs(30))
            .expect("it has been up for so long");
        let written = Written {
            latest: None,
            uid: None,
            at,
            time: noon,
            status,
        };
        // half a minute has passed; seconds by the wall clock
        for (seconds, kept) in [
            (30, true),
            (3_630, false),
            (-3_570, false),
            (0, true),
            (60, true),
        ] {
            let read = written.read(noon + SignedDuration::from_secs(seconds));
            let expected = if kept { since.clone() } else { None };
            assert_eq!(
                (&read.groups[0].oldest_since, &read.groups[0].done_at),
                (&expected, &expected),
                "{seconds}"
            );
        }
    }
}
