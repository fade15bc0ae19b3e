//! The ledger as a file, whose records survive a process that is killed. In: ranges of messages. Out: a line of JSON each
//! ([`HandledLine`]). Deliberately absent: `fsync` (a machine that loses its power loses the last lines), and reading it.

use std::{
    fs::File,
    io,
    path::{Path, PathBuf},
    sync::Mutex,
};

use practice_contract::{
    WorkerSettings,
    handled::{HandledLine, HandledRange},
};
use thiserror::Error;

use crate::{output::Output, shared::lock};

/// The ledger file cannot be written.
#[derive(Debug, Error)]
#[error(
    "{} is `{}`, which cannot be written, so messages that are not in it are not committed: free space there, or name another file",
    WorkerSettings::LEDGER,
    path.display()
)]
pub struct LedgerError {
    path: PathBuf,
    #[source]
    cause: io::Error,
}

/// A file that is only appended to, so that several workers may share it.
#[derive(Debug)]
pub(crate) struct LedgerFile {
    path: PathBuf,
    lines: Mutex<Output>,
}

impl LedgerFile {
    /// Opens it, or creates it in a directory that is there.
    pub(crate) fn open(path: &Path) -> Result<Self, LedgerError> {
        let opened = File::options().create(true).append(true).open(path);
        match opened {
            Ok(file) => Ok(Self {
                path: path.to_owned(),
                lines: Mutex::new(Output::new(Box::new(file))),
            }),
            Err(cause) => Err(LedgerError {
                path: path.to_owned(),
                cause,
            }),
        }
    }

    /// Writes ranges that this instance of a group has handled, in one call of the system.
    ///
    /// # Errors
    /// The file cannot be written. Lines may be missing from then on, so every later call fails as well.
    pub(crate) fn append(
        &self,
        instance: &str,
        group: &str,
        ranges: Vec<HandledRange>,
    ) -> Result<(), LedgerError> {
        let mut lines = lock(&self.lines);
        for range in ranges {
            let line = HandledLine {
                instance: instance.to_owned(),
                group: group.to_owned(),
                range,
            };
            let line = serde_json::to_string(&line).expect("should serialize: texts and numbers");
            lines.lines().push_str(&line);
            lines.lines().push('\n');
        }
        lines.flush().map_err(|cause| LedgerError {
            path: self.path.clone(),
            cause,
        })
    }
}
