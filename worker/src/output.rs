//! Standard output, one write per batch. In: lines. Out: bytes to the sink when the buffer is full, old, or flushed; the first
//! error of the sink, from every later call. Deliberately absent: a clock, and the meaning of the lines.

use std::{
    fmt,
    fs::File,
    io::{self, ErrorKind, Write},
    os::fd::AsFd,
    thread::sleep,
    time::{Duration, Instant},
};

/// A line waits at most this long, so that `kubectl logs -f` feels live.
const OLDEST: Duration = Duration::from_millis(100);
/// What a batch grows to before it is written: the capacity of a pipe.
const BATCH: usize = 64 * 1024;
/// Pause before another write to a sink that takes nothing now: a pipe that another process made non-blocking.
const FULL: Duration = Duration::from_millis(10);

/// Standard output of this process, without the buffer and the ignored errors of [`io::stdout`].
///
/// # Errors
/// The process has no free descriptor.
pub fn standard_output() -> io::Result<Box<dyn Write + Send>> {
    Ok(Box::new(File::from(
        io::stdout().as_fd().try_clone_to_owned()?,
    )))
}

/// Buffered lines.
pub(crate) struct Output {
    lines: String,
    sink: Box<dyn Write + Send>,
    /// When the oldest line of the buffer was written, at the precision of [`Output::age`] calls.
    since: Option<Instant>,
    /// The error of the sink. Lines that it did not take are gone, so nothing is written after it.
    failed: Option<io::Error>,
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
            failed: None,
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
        if self.lines.is_empty() && self.failed.is_none() {
            return Ok(());
        }
        let since = *self.since.get_or_insert(now);
        if now.saturating_duration_since(since) < OLDEST {
            Ok(())
        } else {
            self.flush()
        }
    }

    /// Writes what there is. `Ok`: every line so far is written.
    pub(crate) fn flush(&mut self) -> io::Result<()> {
        if let Some(failed) = &self.failed {
            return Err(copy(failed));
        }
        if self.lines.is_empty() {
            return Ok(());
        }
        let written = write_all(&mut *self.sink, self.lines.as_bytes());
        self.failed = written.as_ref().err().map(copy);
        self.lines.clear();
        // values of many kilobytes may have made the buffer much larger than a batch
        self.lines.shrink_to(BATCH * 4);
        self.since = None;
        written
    }
}

fn write_all(sink: &mut dyn Write, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match sink.write(bytes) {
            Ok(0) => return Err(ErrorKind::WriteZero.into()),
            Ok(written) => bytes = &bytes[written..],
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => sleep(FULL),
            Err(error) => return Err(error),
        }
    }
    sink.flush()
}

fn copy(error: &io::Error) -> io::Error {
    error.raw_os_error().map_or_else(
        || io::Error::new(error.kind(), error.to_string()),
        io::Error::from_raw_os_error,
    )
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
    /// Takes one byte of each write, refuses every other write for now, and fails for good after `limit` bytes.
    struct Narrow {
        taken: Arc<Mutex<Vec<u8>>>,
        limit: usize,
        refuse: bool,
    }

    impl Write for Narrow {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.refuse = !self.refuse;
            if self.refuse {
                return Err(ErrorKind::WouldBlock.into());
            }
            let mut taken = lock(&self.taken);
            if taken.len() == self.limit {
                self.limit = usize::MAX; // room again: too late for the lines that are gone
                return Err(io::Error::from_raw_os_error(28));
            }
            taken.push(bytes[0]);
            Ok(1)
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn narrow(limit: usize) -> (Arc<Mutex<Vec<u8>>>, Output) {
        let taken = Arc::default();
        let sink = Narrow {
            taken: Arc::clone(&taken),
            limit,
            refuse: false,
        };
        (taken, Output::new(Box::new(sink)))
    }

    #[test]
    fn a_sink_that_takes_little_at_a_time_gets_every_byte_once() {
        let (taken, mut output) = narrow(usize::MAX);
        output.lines().push_str("abc\n");
        output.flush().expect("written");
        assert_eq!(*lock(&taken), b"abc\n");
    }

    #[test]
    fn after_an_error_nothing_is_written_and_every_call_returns_it() {
        let (taken, mut output) = narrow(2);
        output.lines().push_str("abc\n");
        let now = Instant::now();
        for _ in 0..2 {
            let error = output.flush().expect_err("no space");
            assert_eq!(error.raw_os_error(), Some(28));
            output.lines().push_str("d\n");
            assert!(output.age(now).is_ok(), "a new line may wait");
            assert!(output.age(now + OLDEST).is_err());
        }
        output.lines().push_str(&"x".repeat(BATCH));
        assert!(output.grown().is_err());
        assert_eq!(*lock(&taken), b"ab");
    }
}
