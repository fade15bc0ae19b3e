//! How much may be written about one practice, so that one that flaps does not fill etcd. In: what was written, monotonic time. Out:
//! how long to wait before the next write. A write that is late is a later one: nothing is left out.

use std::time::Duration;

/// Bytes a minute, and at once after a quiet minute. A larger write is paid off afterwards.
const BYTES: i64 = 32 << 10;
/// Milliseconds.
const MINUTE: i64 = 60_000;

/// Bytes that may still be written.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Budget {
    left: i64,
    /// When that was, in milliseconds.
    tick: i64,
}

impl Budget {
    /// Nothing was written for a minute.
    pub(crate) fn full(tick: i64) -> Self {
        Self { left: BYTES, tick }
    }

    /// How long to wait before the next write; `None`: not at all.
    pub(crate) fn wait(&mut self, tick: i64) -> Option<Duration> {
        let earned = (tick - self.tick).clamp(0, MINUTE * 60) * BYTES / MINUTE;
        if earned > 0 {
            self.left = (self.left + earned).min(BYTES);
            self.tick = tick;
        }
        let missing = u64::try_from(1 - self.left).ok().filter(|it| *it > 0)?;
        let millis = missing * MINUTE.unsigned_abs() / BYTES.unsigned_abs();
        Some(Duration::from_millis(millis + 1))
    }

    /// So many bytes were written.
    pub(crate) fn spend(&mut self, bytes: usize) {
        self.left -= i64::try_from(bytes).unwrap_or(BYTES);
    }

    /// An attempt failed that is to be repeated after 10 s.
    pub(crate) fn failed(&mut self) {
        self.left = self.left.min(-BYTES / 6);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_stays_within_the_bytes_of_a_minute() {
        for size in [500, 4_000, 20_000, 40_000, 200_000] {
            let mut budget = Budget::full(0);
            let (mut written, mut last) = (0_i64, 0);
            // asked each second, as one that flaps is reconciled
            for tick in (0..30 * MINUTE).step_by(1_000) {
                if budget.wait(tick).is_none() {
                    budget.spend(size);
                    written += i64::try_from(size).expect("is small");
                    last = tick;
                }
            }
            let most = 31 * BYTES + i64::try_from(size).expect("is small");
            assert!(written <= most, "{size}: {written}");
            assert!(last > 20 * MINUTE, "{size}: it continues");
        }
    }

    #[test]
    fn a_wait_is_as_long_as_it_says() {
        let mut budget = Budget::full(0);
        assert_eq!(budget.wait(0), None);
        budget.spend(96 << 10);
        let wait = budget.wait(0).expect("is spent");
        assert!(
            wait > Duration::from_secs(119) && wait < Duration::from_secs(121),
            "{wait:?}"
        );
        let millis = i64::try_from(wait.as_millis()).expect("is short");
        let mut sooner = budget;
        assert!(sooner.wait(millis - 1_000).is_some());
        assert_eq!(budget.wait(millis), None);
        budget.failed();
        let wait = budget.wait(millis).expect("is to wait");
        assert!(
            wait > Duration::from_secs(9) && wait < Duration::from_secs(11),
            "{wait:?}"
        );
    }
}
