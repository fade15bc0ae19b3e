//! Log files of child processes. In: a file. Out: its last lines, and new ones. A log that exceeds its limit is truncated;
//! readers continue at its beginning.

use std::{
    fs::{File, OpenOptions},
    io::{self, Read, Seek, SeekFrom},
    path::{Path, PathBuf},
    time::Duration,
};

use futures::{Stream, stream};
use tokio::time::sleep;

use crate::process::cannot_write;

/// Size in bytes at which a log is truncated, because a load would fill the disk.
const LARGEST: u64 = 64 << 20;
/// Interval of reading new lines.
const PAUSE: Duration = Duration::from_millis(150);
/// Usual size of a file system's block.
const BLOCK: usize = 4096;
/// Bytes at the end that are read for the last lines.
const END: u64 = 1 << 20;

/// Truncates logs that exceed the limit. Writers append, so they continue at the beginning.
pub fn truncate_large_logs(logs: &Path) {
    for entry in std::fs::read_dir(logs).into_iter().flatten().flatten() {
        if entry
            .metadata()
            .is_ok_and(|file| file.is_file() && file.len() > LARGEST)
        {
            // the next call retries
            let _ = OpenOptions::new()
                .write(true)
                .open(entry.path())
                .and_then(|file| file.set_len(0));
        }
    }
}

/// Writes a block to the directory of logs and removes it: on a full disk files can be created, but not filled.
///
/// # Errors
/// The block cannot be written; the error names its path.
pub fn check_space(logs: &Path) -> io::Result<()> {
    let path = logs.join(".space");
    let written = std::fs::write(&path, [0; BLOCK]);
    let removed = std::fs::remove_file(&path);
    written
        .and(removed)
        .map_err(|error| cannot_write(&path, &error))
}

/// Position in a log.
#[derive(Debug)]
pub struct Reading {
    path: PathBuf,
    at: u64,
    /// Incomplete last line.
    rest: Vec<u8>,
}

impl Reading {
    /// Reads the last `tail` lines; returns them with the position after them.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn begin(path: &Path, tail: usize) -> io::Result<(Vec<String>, Self)> {
        let mut file = File::open(path)?;
        let length = file.metadata()?.len();
        let from = length.saturating_sub(END);
        file.seek(SeekFrom::Start(from))?;
        let mut bytes = Vec::new();
        file.take(length - from).read_to_end(&mut bytes)?;
        let mut reading = Self {
            path: path.to_path_buf(),
            at: length,
            rest: Vec::new(),
        };
        let mut lines = reading.lines(&bytes);
        if from > 0 && !lines.is_empty() {
            lines.remove(0); // the line may be incomplete
        }
        Ok((lines.split_off(lines.len().saturating_sub(tail)), reading))
    }

    /// Reads the lines written since the last call.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn more(&mut self) -> io::Result<Vec<String>> {
        let mut file = File::open(&self.path)?;
        let length = file.metadata()?.len();
        if length < self.at {
            (self.at, self.rest) = (0, Vec::new());
        }
        if length == self.at {
            return Ok(Vec::new());
        }
        file.seek(SeekFrom::Start(self.at))?;
        let mut bytes = Vec::new();
        file.take((length - self.at).min(END))
            .read_to_end(&mut bytes)?;
        self.at += u64::try_from(bytes.len()).unwrap_or_default();
        Ok(self.lines(&bytes))
    }

    fn lines(&mut self, bytes: &[u8]) -> Vec<String> {
        self.rest.extend_from_slice(bytes);
        let Some(end) = self.rest.iter().rposition(|byte| *byte == b'\n') else {
            return Vec::new();
        };
        let rest = self.rest.split_off(end + 1);
        let whole = std::mem::replace(&mut self.rest, rest);
        whole[..end]
            .split(|byte| *byte == b'\n')
            .map(|line| String::from_utf8_lossy(line).into_owned())
            .collect()
    }
}

/// Streams the last lines of a log, then new lines.
///
/// # Errors
/// The file cannot be read.
pub fn follow(path: &Path, tail: usize) -> io::Result<impl Stream<Item = String> + Send + use<>> {
    let (lines, reading) = Reading::begin(path, tail)?;
    Ok(stream::unfold(
        (lines.into_iter(), reading),
        async |(mut lines, mut reading)| {
            loop {
                if let Some(line) = lines.next() {
                    return Some((line, (lines, reading)));
                }
                lines = reading.more().unwrap_or_default().into_iter();
                if lines.len() == 0 {
                    sleep(PAUSE).await;
                }
            }
        },
    ))
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn last_lines_and_new_lines_are_read() {
        let dir = std::env::temp_dir().join(format!("practice-local-log-{}", std::process::id()));
        std::fs::create_dir_all(&dir).expect("a directory");
        let path = dir.join("a.log");
        std::fs::write(&path, "one\ntwo\nthree\nfo").expect("written");
        let (lines, mut reading) = Reading::begin(&path, 2).expect("there");
        assert_eq!(lines, ["two", "three"]);
        assert_eq!(reading.more().expect("there"), Vec::<String>::new());
        let mut file = OpenOptions::new().append(true).open(&path).expect("there");
        file.write_all(b"ur\nfive\n").expect("written");
        assert_eq!(reading.more().expect("there"), ["four", "five"]);
        file.set_len(0).expect("emptied");
        assert_eq!(reading.more().expect("there"), Vec::<String>::new());
        file.write_all(b"six\n").expect("written");
        assert_eq!(reading.more().expect("there"), ["six"]);
        std::fs::remove_dir_all(&dir).expect("removed");
    }
}
