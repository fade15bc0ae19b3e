//! Logs of children, from their files. In: a file. Out: its last lines, and those to come. A log that has grown too large
//! begins anew, and whoever follows it goes on from there.

use std::{
    fs::{File, OpenOptions},
    io::{self, Read, Seek, SeekFrom},
    path::{Path, PathBuf},
    time::Duration,
};

use futures::{Stream, stream};
use tokio::time::sleep;

/// A log that reaches this size begins anew: a steady stream of messages would fill the disk.
const LARGEST: u64 = 64 << 20;
/// How often a file is looked at for more.
const PAUSE: Duration = Duration::from_millis(150);
/// How much of the end is read for the last lines.
const END: u64 = 1 << 20;

/// Empties logs that have become too large. Their writers append, so they go on at the beginning.
pub fn bound(logs: &Path) {
    for entry in std::fs::read_dir(logs).into_iter().flatten().flatten() {
        if entry
            .metadata()
            .is_ok_and(|file| file.is_file() && file.len() > LARGEST)
        {
            // it is tried again at the next look
            let _ = OpenOptions::new()
                .write(true)
                .open(entry.path())
                .and_then(|file| file.set_len(0));
        }
    }
}

/// A log that is being read.
#[derive(Debug)]
pub struct Reading {
    path: PathBuf,
    at: u64,
    /// The beginning of a line whose end is not written yet.
    rest: Vec<u8>,
}

impl Reading {
    /// Its last lines, at most `tail`; and the place to go on from.
    ///
    /// # Errors
    /// It cannot be read.
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
            lines.remove(0); // its beginning was not read
        }
        Ok((lines.split_off(lines.len().saturating_sub(tail)), reading))
    }

    /// The lines that were written since.
    ///
    /// # Errors
    /// It cannot be read.
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

/// The last lines of a log, and those to come, without an end.
///
/// # Errors
/// It cannot be read.
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
    fn the_last_lines_and_those_to_come() {
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
