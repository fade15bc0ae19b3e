//! Times and texts that are kept for each partition of each group, in few bytes.

use std::{
    collections::BTreeSet,
    num::{NonZeroU32, NonZeroU64},
    time::Duration,
};

use arcstr::ArcStr;

/// A tick to a tenth of a second: 4 bytes, also where there may be none, for 13 years.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Tick(NonZeroU32);

impl Tick {
    /// Of a time that only grows.
    pub(crate) fn of(time: Duration) -> Self {
        let tenths = u32::try_from(time.as_millis() / 100).unwrap_or(u32::MAX - 1);
        Self(NonZeroU32::MIN.saturating_add(tenths))
    }

    /// As a time.
    pub(crate) fn time(self) -> Duration {
        Duration::from_millis(100) * (self.0.get() - 1)
    }

    /// The time since an earlier one.
    pub(crate) fn since(self, earlier: Self) -> Duration {
        self.time().saturating_sub(earlier.time())
    }

    /// A later one.
    pub(crate) fn plus(self, time: Duration) -> Self {
        Self::of(self.time() + time)
    }
}

/// A committed offset: 8 bytes, also where there may be none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Offset(NonZeroU64);

impl Offset {
    /// Of an offset, which is never negative.
    pub(crate) fn of(offset: i64) -> Self {
        let offset = u64::try_from(offset).unwrap_or_default();
        Self(NonZeroU64::MIN.saturating_add(offset))
    }

    /// As a number.
    pub(crate) fn get(self) -> i64 {
        i64::try_from(self.0.get() - 1).unwrap_or(i64::MAX)
    }
}

/// Texts of which each is kept once, however often it is used.
#[derive(Debug, Default)]
pub struct Texts(BTreeSet<ArcStr>);

impl Texts {
    /// A text, kept from the first time.
    pub fn get(&mut self, text: &str) -> ArcStr {
        if let Some(known) = self.0.get(text) {
            return known.clone();
        }
        let new = ArcStr::from(text);
        self.0.insert(new.clone());
        new
    }

    /// Removes texts that are not used any more.
    pub fn prune(&mut self) {
        self.0
            .retain(|text| ArcStr::strong_count(text).is_none_or(|count| count > 1));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tick_is_small_and_has_the_time_to_a_tenth() {
        assert_eq!(size_of::<Option<Tick>>(), 4);
        for millis in [0, 99, 100, 61_234, 400_000_000_000] {
            let time = Duration::from_millis(millis);
            assert_eq!(
                Tick::of(time).time(),
                Duration::from_millis(millis / 100 * 100)
            );
        }
        let later = Tick::of(Duration::from_secs(1)).plus(Duration::from_secs(2));
        assert_eq!(
            later.since(Tick::of(Duration::ZERO)),
            Duration::from_secs(3)
        );
        assert_eq!(Tick::of(Duration::ZERO).since(later), Duration::ZERO);
        assert!(Tick::of(Duration::MAX).time() > Duration::from_hours(24 * 365 * 13));
    }

    #[test]
    fn an_offset_is_small_and_has_every_number() {
        assert_eq!(size_of::<Option<Offset>>(), 8);
        for offset in [0, 1, i64::MAX] {
            assert_eq!(Offset::of(offset).get(), offset);
        }
    }

    #[test]
    fn a_text_is_kept_once_and_as_long_as_it_is_used() {
        let mut texts = Texts::default();
        let (one, other) = (texts.get("a"), texts.get("a"));
        assert!(ArcStr::ptr_eq(&one, &other));
        drop(texts.get("b"));
        texts.prune();
        assert_eq!(texts.0.len(), 1);
    }
}
