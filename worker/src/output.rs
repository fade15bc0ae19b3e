//! Standard output, one write per batch. In: lines. Out: bytes to the sink when the buffer is full, old, or flushed.
//! Deliberately absent: a clock, and the meaning of the lines.

use std::{
    fmt,
    io::{self, Write},
    time::{Duration, Instant},
};

/// A line waits at most this long, so that `kubectl logs -f` feels live.
const OLDEST: Duration = Duration::from_millis(100);
/// What a batch grows to before it is written: the capacity of a pipe.
const BATCH: usize = 64 * 1024;

/// Buffered lines.
pub(crate) struct Output {
    lines: String,
    sink: Box<dyn Write + Send>,
    /// When the oldest line of the buffer was written, at the precision of [`Output::age`] calls.
    since: Option<Instant>,
}

impl fmt::Debug for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Output")
            .field("buffered", &self.lines.len())
            .finish_non_exhaustive()
    }
}

impl Output {
    pub(crate) fn new(sink: Box<dyn Write + Send>) -> Self {
        Self {
            lines: String::with_capacity(BATCH + BATCH / 4),
            sink,
            since: None,
        }
    }

    /// Where lines are appended; call [`Self::grown`] afterwards.
    pub(crate) fn lines(&mut self) -> &mut String {
        &mut self.lines
    }

    /// Writes the batch if it is full.
    pub(crate) fn grown(&mut self) -> io::Result<()> {
        if self.lines.len() < BATCH {
            Ok(())
        } else {
            self.flush()
        }
    }

    /// Writes the batch if its oldest line has waited long enough.
    pub(crate) fn age(&mut self, now: Instant) -> io::Result<()> {
        if self.lines.is_empty() {
            return Ok(());
        }
        let since = *self.since.get_or_insert(now);
        if now.saturating_duration_since(since) < OLDEST {
            Ok(())
        } else {
            self.flush()
        }
    }

    /// Writes what there is.
    pub(crate) fn flush(&mut self) -> io::Result<()> {
        if self.lines.is_empty() {
            return Ok(());
        }
        let written = self
            .sink
            .write_all(self.lines.as_bytes())
            .and_then(|()| self.sink.flush());
        self.lines.clear();
        // values of many kilobytes may have made the buffer much larger than a batch
        self.lines.shrink_to(BATCH * 4);
        self.since = None;
        written
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;
    use crate::shared::lock;

    #[derive(Clone, Default)]
    struct Writes(Arc<Mutex<Vec<usize>>>);

    impl Write for Writes {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            lock(&self.0).push(bytes.len());
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn one_write_per_batch() {
        let writes = Writes::default();
        let mut output = Output::new(Box::new(writes.clone()));
        for _ in 0..BATCH / 8 {
            output.lines().push_str("1234567\n");
            output.grown().expect("written");
        }
        output.flush().expect("nothing left");
        assert_eq!(*lock(&writes.0), [BATCH]);
    }

    #[test]
    fn a_line_does_not_wait_long() {
        let writes = Writes::default();
        let mut output = Output::new(Box::new(writes.clone()));
        let start = Instant::now();
        output.lines().push_str("a\n");
        output.age(start).expect("kept");
        output.age(start + OLDEST / 2).expect("kept");
        assert!(lock(&writes.0).is_empty());
        output.age(start + OLDEST).expect("written");
        assert_eq!(*lock(&writes.0), [2]);
    }
}
