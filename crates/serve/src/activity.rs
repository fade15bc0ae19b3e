//! What one connection is doing, as its task writes it and the accept loop reads it: one atomic word. In: the steps of a
//! request. Out: since when the connection keeps us waiting, and for what. No timer here.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use tokio::time::Instant;

/// What a connection is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Doing {
    /// Its first request's head is not complete.
    Head,
    /// A request's body is not complete, and someone waits for it.
    Body,
    /// Answered; the next request's head is not complete.
    Idle,
    /// The service is at work, or streams an answer.
    Working,
}

/// Shared by a connection's task and the accept loop.
#[derive(Debug)]
pub(crate) struct Activity {
    opened: Instant,
    /// Milliseconds after `opened` at which the current state began, and the state in the two low bits.
    word: AtomicU64,
    /// Milliseconds after `opened`, plus one, since when the client takes no byte of an answer; 0: it does.
    blocked: AtomicU64,
}

impl Activity {
    pub(crate) fn new() -> Self {
        Self {
            opened: Instant::now(),
            word: AtomicU64::new(pack(Doing::Head, 0)),
            blocked: AtomicU64::new(0),
        }
    }

    pub(crate) fn opened(&self) -> Instant {
        self.opened
    }

    /// From now on.
    pub(crate) fn set(&self, doing: Doing) {
        self.set_since(doing, Instant::now());
    }

    /// A body is waited for since its head came, however often a byte of it trickles in.
    pub(crate) fn set_since(&self, doing: Doing, since: Instant) {
        let millis = since.saturating_duration_since(self.opened).as_millis();
        self.word.store(
            pack(doing, u64::try_from(millis).unwrap_or(u64::MAX >> 2)),
            Ordering::Relaxed,
        );
    }

    /// From now on the client takes no byte of an answer, or does again.
    pub(crate) fn set_blocked(&self, is_blocked: bool) {
        let millis = Instant::now()
            .saturating_duration_since(self.opened)
            .as_millis();
        let since = u64::try_from(millis).map_or(u64::MAX, |millis| millis.saturating_add(1));
        self.blocked
            .store(if is_blocked { since } else { 0 }, Ordering::Relaxed);
    }

    /// For how long the client takes no byte of an answer.
    pub(crate) fn blocked(&self, now: Instant) -> Duration {
        match self.blocked.load(Ordering::Relaxed) {
            0 => Duration::ZERO,
            since => now.saturating_duration_since(self.opened + Duration::from_millis(since - 1)),
        }
    }

    /// What it does, and for how long.
    pub(crate) fn get(&self, now: Instant) -> (Doing, Duration) {
        let word = self.word.load(Ordering::Relaxed);
        let doing = match word & 3 {
            0 => Doing::Head,
            1 => Doing::Body,
            2 => Doing::Idle,
            _ => Doing::Working,
        };
        let since = self.opened + Duration::from_millis(word >> 2);
        (doing, now.saturating_duration_since(since))
    }
}

fn pack(doing: Doing, millis: u64) -> u64 {
    millis << 2 | doing as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn status_has_the_activity_and_its_start() {
        let activity = Activity::new();
        let start = activity.opened();
        let later = start + Duration::from_secs(9);
        assert_eq!(activity.get(later), (Doing::Head, Duration::from_secs(9)));
        for doing in [Doing::Head, Doing::Body, Doing::Idle, Doing::Working] {
            activity.set_since(doing, start + Duration::from_millis(4_500));
            assert_eq!(activity.get(later), (doing, Duration::from_millis(4_500)));
        }
        assert_eq!(activity.get(start), (Doing::Working, Duration::ZERO));
    }
}
